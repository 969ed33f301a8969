//! Runs whose rows are read in passes: each question is one query of the engine, here or in a cluster.

use std::sync::Arc;
use std::time::Duration;

use analytics::question::{EngineError, OwnTable, Questions};
use analytics::tally::{TallyQuestion, TallyRows};
use kernel::TenantId;
use tokio::runtime::Handle;

use crate::error::{self, ActuarialError};
use crate::job::Watch;
use crate::method::glm::{Asked, GlmPasses};
use crate::method::{Failure, Passes};

/// Rows from which on the questions to a sample cost less than they spare.
const LEAST_SAMPLED: u64 = 131_072;

/// How often a run that waits looks whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Who reads rows in passes, and whose.
pub(super) struct PassSource {
    pub(super) questions: Arc<dyn Questions>,
    pub(super) tenant: TenantId,
    /// Where waiting is done: the run itself has a thread that may block.
    pub(super) runtime: Handle,
}

/// The rows of a table, asked about.
pub(super) struct PassRows<'a> {
    source: &'a PassSource,
    asked: Asked,
    question: TallyQuestion,
    /// How many rows there are.
    count: u64,
    watch: &'a Watch,
    /// Why there was no answer, through no fault of the rows.
    lost: Option<ActuarialError>,
}

impl PassSource {
    /// The columns of a table of so many rows.
    pub(super) fn over<'a>(
        &'a self,
        (table, count): (OwnTable, u64),
        columns: Vec<String>,
        asked: Asked,
        watch: &'a Watch,
    ) -> PassRows<'a> {
        let (tallying, question) = (Arc::new(GlmPasses), Vec::new());
        let rows = TallyRows::All;
        let question =
            TallyQuestion { tenant: self.tenant, table, columns, tallying, question, rows };
        PassRows { source: self, asked, question, count, watch, lost: None }
    }
}

impl PassRows<'_> {
    /// Why there was no answer, when the rows and the question are not to blame: the run is tried
    /// again later.
    pub(super) fn lost(self) -> Option<ActuarialError> {
        self.lost
    }

    async fn answered(&self) -> Result<Vec<u8>, EngineError> {
        let stopped = async {
            while !self.watch.is_stopped() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            found = self.source.questions.tally(&self.question) => found,
            () = stopped => Err(EngineError::Cancelled),
        }
    }
}

impl Passes for PassRows<'_> {
    fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, Failure> {
        self.ask_of(TallyRows::All, false, question)
    }

    fn ask_sample(&mut self, question: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if self.count < LEAST_SAMPLED {
            return Ok(None);
        }
        self.ask_of(TallyRows::Sample, false, question).map(Some)
    }

    fn ask_held(&mut self, question: &[u8]) -> Result<Vec<u8>, Failure> {
        self.ask_of(TallyRows::All, true, question)
    }
}

impl PassRows<'_> {
    fn ask_of(&mut self, rows: TallyRows, held: bool, question: &[u8]) -> Result<Vec<u8>, Failure> {
        self.question.rows = rows;
        self.asked.held = held;
        let asked = GlmPasses::question(&self.asked, question);
        self.question.question = asked.map_err(|error| Failure::ours(&error.to_string()))?;
        match self.source.runtime.block_on(self.answered()) {
            Ok(found) => Ok(found),
            Err(EngineError::Cancelled) => Err(Failure::stopped()),
            Err(error @ EngineError::NoEngine) => Err(Failure::new(
                &error::NO_ENGINE,
                error.to_string(),
                "set reading to once, or ask another server",
            )),
            Err(error) => {
                self.lost = Some(ActuarialError::Engine(error));
                Err(Failure::ours("the rows could not be read"))
            }
        }
    }
}

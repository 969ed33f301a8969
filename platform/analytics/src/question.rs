//! Questions and answers, whoever computes them: what an insurer asks about its own rows, what is
//! told of the market, and why a question is not answered. No engine here; [`NoEngine`] stands in
//! where a program is built without one.

use std::pin::Pin;
use std::task::{Context, Poll};

use analytics_api::{MarketAnswer, MarketQuestion, Published, Quarter, QuestionError};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::Timestamp;
use kernel::TenantId;
use tokio_util::sync::CancellationToken;

use crate::lake::{DatasetName, LakeError, TableName};
use crate::tally::TallyQuestion;

/// The first part of a name in SQL under which [`OwnTable`]s are found.
pub const OWN: &str = "own";

/// A question about an insurer's own rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnQuestion {
    /// Who asks.
    pub tenant: TenantId,
    /// One `select`. A bare name is a table of the market's record, `own.name` one of `tables`,
    /// `dataset.table` any other of an own dataset.
    pub sql: String,
    /// A version of the market's record; the latest when absent. Own datasets that are not among
    /// `tables` are read as they are.
    pub version: Option<u64>,
    /// Rows of the market's record known by then; all when absent.
    pub known_at: Option<Timestamp>,
    /// Own datasets by names for people.
    pub tables: Vec<OwnTable>,
    /// Most rows of the answer; fewer when the engine says so.
    pub rows: Option<usize>,
}

/// A version of an own dataset, read in SQL as `own.name` when it is the last of its name, and
/// always as `own."name@version"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTable {
    /// Its name for people.
    pub name: String,
    /// Its version for people.
    pub version: u64,
    /// Where its rows are: the first version of this dataset of the lake.
    pub dataset: DatasetName,
    /// The table there.
    pub table: TableName,
}

/// The rows a question comes to.
#[derive(Clone, Debug)]
pub struct OwnAnswer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Whether there were more rows than an answer may have.
    pub cut: bool,
    /// What was read, and its version: `own/name`, else `owner/dataset`.
    pub read: Vec<(String, u64)>,
}

/// The rows a question comes to, as they are computed.
pub struct OwnStream {
    /// The columns.
    pub schema: SchemaRef,
    /// What was read, and its version: `own/name`, else `owner/dataset`.
    pub read: Vec<(String, u64)>,
    /// The rows. It ends with an error where the question fails or an answer would be longer than it
    /// may be: rows are never left out in silence.
    pub batches: BoxStream<'static, Result<RecordBatch, EngineError>>,
}

impl std::fmt::Debug for OwnStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnStream").field("read", &self.read).finish_non_exhaustive()
    }
}

impl Stream for OwnStream {
    type Item = Result<RecordBatch, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.as_mut().poll_next(context)
    }
}

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It is none that may be asked; says why.
    #[error("the question is refused: {0}")]
    Refused(String),
    /// The SQL is wrong, or fails on the rows it meets; says why.
    #[error("the question cannot be computed: {0}")]
    Sql(String),
    /// It needs more memory than one question has.
    #[error("the question needs more memory than it may have")]
    TooLarge,
    /// The answer is longer than it may be.
    #[error("the answer has more than {0}")]
    TooLong(String),
    /// It ran for too long.
    #[error("the question ran for too long")]
    TimedOut,
    /// Whoever asked does not take the rows.
    #[error("nobody took the answer")]
    NotTaken,
    /// Whoever asked no longer wants to know.
    #[error("the question was called off")]
    Cancelled,
    /// The question about the market is none.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// Nothing is published of the quarter.
    #[error("nothing is published of {0}")]
    NotPublished(Quarter),
    /// The lake failed.
    #[error("the lake cannot be read or written")]
    Lake(#[from] LakeError),
    /// What is stored is in no known form.
    #[error("stored {0} is in no known form")]
    Corrupt(&'static str),
    /// The cluster that computes cannot be asked, or lost the question; says why, for the operator.
    #[error("the cluster that computes questions cannot answer for now")]
    Cluster(String),
    /// The engine failed.
    #[error("the engine failed")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A thread was lost.
    #[error("the thread of a question was lost")]
    Lost,
    /// There is no engine.
    #[error("this program was built without the engine")]
    NoEngine,
}

/// Whoever answers questions. Who stops waiting, or drops a stream, stops the question.
pub trait Questions: Send + Sync + 'static {
    /// Answers a question about own rows, once it is computed to its end.
    fn own<'a>(
        &'a self,
        question: &'a OwnQuestion,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnAnswer, EngineError>>;

    /// Answers a question about own rows as it is computed. The future ends when the columns are
    /// known.
    fn own_stream<'a>(
        &'a self,
        question: &'a OwnQuestion,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnStream, EngineError>>;

    /// Answers a question about the market from what is published.
    fn market<'a>(
        &'a self,
        question: &'a MarketQuestion,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<MarketAnswer, EngineError>>;

    /// What is published, the latest quarter first.
    fn published(&self) -> BoxFuture<'_, Result<Vec<Published>, EngineError>>;

    /// What a tally finds in the rows of an own table it asks about.
    fn tally<'a>(
        &'a self,
        question: &'a TallyQuestion,
    ) -> BoxFuture<'a, Result<Vec<u8>, EngineError>>;
}

/// Answers nothing: for programs that are built without the engine.
#[derive(Clone, Copy, Debug)]
pub struct NoEngine;

impl Questions for NoEngine {
    fn own<'a>(
        &'a self,
        _: &'a OwnQuestion,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnAnswer, EngineError>> {
        Box::pin(async { Err(EngineError::NoEngine) })
    }

    fn own_stream<'a>(
        &'a self,
        _: &'a OwnQuestion,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnStream, EngineError>> {
        Box::pin(async { Err(EngineError::NoEngine) })
    }

    fn market<'a>(
        &'a self,
        _: &'a MarketQuestion,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<MarketAnswer, EngineError>> {
        Box::pin(async { Err(EngineError::NoEngine) })
    }

    fn published(&self) -> BoxFuture<'_, Result<Vec<Published>, EngineError>> {
        Box::pin(async { Err(EngineError::NoEngine) })
    }

    fn tally<'a>(&'a self, _: &'a TallyQuestion) -> BoxFuture<'a, Result<Vec<u8>, EngineError>> {
        Box::pin(async { Err(EngineError::NoEngine) })
    }
}

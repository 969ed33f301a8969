//! Writing quotes: the hot set command.

use base_http::{Done, ReadyCommand, SetCommand};
use pg::Tx;
use production_core::frame::FrameNo;

use crate::error::ProductionError;
use crate::store::known::{self, FreshAnswers};
use crate::store::quote::{self as store, QuoteRecord};

/// Keeps a quote and the outside answers it was made with. Everything was decided before: the
/// history it rests on may move on, and is looked at again by the confirmation.
pub struct RecordQuote {
    /// The quote.
    pub record: QuoteRecord,
    /// Outside answers that were not known before.
    pub fresh: Option<(FrameNo, FreshAnswers)>,
    /// The answer as it goes out.
    pub done: Done,
}

impl SetCommand for RecordQuote {
    const NAME: &'static str = "quote.record";
    type Error = ProductionError;

    async fn apply_set(
        set: &[&RecordQuote],
        tx: &mut Tx,
    ) -> Result<Vec<Result<Done, ProductionError>>, ProductionError> {
        let fresh: Vec<(&FrameNo, &FreshAnswers)> = set
            .iter()
            .filter_map(|quote| quote.fresh.as_ref())
            .map(|(frame, answers)| (frame, answers))
            .collect();
        if let Some(first) = set.first().filter(|_| !fresh.is_empty()) {
            known::keep(tx.conn(), &fresh, first.record.quoted_at).await?;
        }
        let records: Vec<&QuoteRecord> = set.iter().map(|quote| &quote.record).collect();
        store::insert(tx, &records).await?;
        Ok(set.iter().map(|quote| Ok(quote.done.clone())).collect())
    }
}

impl ReadyCommand for RecordQuote {
    fn done(&self) -> &Done {
        &self.done
    }
}

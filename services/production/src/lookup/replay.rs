//! Computing a stored quote again, to the same fen.

use production_rating::{Rating, RatingInput, rate};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Production;
use crate::error::ProductionError;
use crate::quote::answer::rating_digest;
use crate::store::quote::QuoteRecord;

/// Whether a quote comes out again as it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Same premiums, same factors, same reasons: the digests agree.
    pub identical: bool,
}

/// A quote computed again.
pub(crate) struct Replayed {
    /// What it was computed from.
    pub(crate) input: RatingInput,
    /// What came out; `None` when today's release refuses the input.
    pub(crate) rating: Option<Rating>,
    /// Whether it is what was answered.
    pub(crate) replay: Replay,
}

impl Production {
    /// Computes a stored quote again from its input and its tariff.
    pub(crate) async fn replay(&self, record: &QuoteRecord) -> Result<Replayed, ProductionError> {
        let input: RatingInput =
            serde_json::from_str(&record.input).map_err(|_| ProductionError::Corrupt("quote"))?;
        let tariff = self.book.of_version(&record.tariff_version).await?;
        let rating = rate(&tariff, &input).ok();
        let identical = match &rating {
            Some(rating) => rating_digest(rating)? == record.rating_digest,
            None => false,
        };
        if !identical {
            tracing::error!(
                quote.query_no = %record.query_no,
                tariff.version = record.tariff_version,
                "quote {} is not computed again as it was answered", record.query_no
            );
        }
        Ok(Replayed { input, rating, replay: Replay { identical } })
    }
}

//! CLAIM_DATA (理赔信息): the claims a quote judged, told so that a customer can dispute one.
//!
//! Beside the rating, which is digested and names claims by their codes alone.

use std::collections::HashMap;

use jiff::civil::Date;
use kernel::time::day_of;
use production_core::history::ClaimRecord;
use production_rating::{ClaimVerdict, FloatVerdict, Rating, RatingInput};
use serde::Serialize;
use utoipa::ToSchema;

/// A claim of the vehicle, of any insurer, and what it did to the quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotedClaim {
    /// 理赔编号.
    #[schema(example = "05PICC320026016560000000000012")]
    pub claim_code: String,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// Insurer that filed it, and that answers a dispute.
    pub insurer: String,
    /// Day of the accident.
    #[schema(value_type = String, format = Date)]
    pub accident_on: Date,
    /// Day it was last closed (结案); absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub closed_on: Option<Date>,
    /// Counted, or why not (docs/guides/claims.md).
    #[schema(value_type = String, example = "counted")]
    pub verdict: Verdict,
}

/// What rating says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Verdict {
    /// Of a compulsory claim, for the float.
    Float(FloatVerdict),
    /// Of a commercial claim, for the no-claim level.
    Level(ClaimVerdict),
}

/// The claims judged for the lines that were quoted: compulsory first, each line by claim code.
pub(crate) fn judged(input: &RatingInput, rating: &Rating) -> Vec<QuotedClaim> {
    if input.history.claims.is_empty() {
        return Vec::new();
    }
    let known: HashMap<&str, &ClaimRecord> =
        input.history.claims.iter().map(|claim| (claim.claim_code.as_str(), claim)).collect();
    let compulsory = rating.compulsory.iter().flat_map(|part| &part.claims);
    let compulsory = compulsory.map(|own| (&own.claim_code, Verdict::Float(own.verdict)));
    let commercial = rating.commercial.iter().flat_map(|part| &part.ncd.claims);
    let commercial = commercial.map(|own| (&own.claim_code, Verdict::Level(own.verdict)));
    let told = compulsory.chain(commercial).filter_map(|(code, verdict)| {
        let claim = known.get(code.as_str())?;
        Some(QuotedClaim {
            claim_code: code.clone(),
            class: claim.class.name(),
            insurer: claim.insurer.as_str().to_owned(),
            accident_on: day_of(claim.accident_at),
            closed_on: claim.closed_at.map(day_of),
            verdict,
        })
    });
    told.collect()
}

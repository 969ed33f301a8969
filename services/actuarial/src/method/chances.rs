//! What methods that learn chances share: rows drawn to judge by, and whether chances keep their word.

use actuarial_models::validation::ValidationError;
use actuarial_models::validation::chances::Scored;
use serde::{Deserialize, Serialize};

use crate::figure::Figure;

/// Rows of neighbouring chances.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalibratedResult {
    pub(crate) rows: usize,
    pub(crate) expected: Figure,
    pub(crate) observed: Figure,
}

/// What was said and what was seen in bands of neighbouring chances, the lowest first.
pub(crate) fn calibration(
    scored: &Scored<'_>,
    bands: usize,
) -> Result<Vec<CalibratedResult>, ValidationError> {
    let bands = scored.calibration(bands)?.into_iter().map(|band| CalibratedResult {
        rows: band.rows,
        expected: band.expected.into(),
        observed: band.observed.into(),
    });
    Ok(bands.collect())
}

/// Whether the row of this key is in a part of all rows, spread by Knuth's multiplicative hash.
pub(crate) fn is_drawn(key: u64, part: f64) -> bool {
    let hash = key.wrapping_mul(2_654_435_761) % (1 << 32);
    (hash as f64) < part * 4_294_967_296.0
}

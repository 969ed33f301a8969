//! Methods that lean on an expectation from outside the triangle.
//!
//! The part of an origin that has developed is 1 / (factor to ultimate). What has not developed is
//! taken from the expectation, wholly (Bornhuetter and Ferguson) or ever less (Benktander); Cape Cod
//! gets the expectation from exposure and the triangle itself.

use super::{ChainLadder, Projected, ReservingError};
use crate::number::finite;

/// How Cape Cod treats origins of other times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapeCodTrend {
    /// Yearly growth of losses per exposure, such as 0.05.
    pub trend: f64,
    /// Weight of an origin loses this factor with every origin period of distance; 1 is one
    /// expectation for all, 0 each origin its own.
    pub decay: f64,
}

/// Cape Cod.
#[derive(Clone, Debug, PartialEq)]
pub struct CapeCod {
    /// Expected loss per exposure by origin, at the level of the youngest origin.
    pub trended: Vec<f64>,
    /// The same at the level of the origin itself.
    pub expected: Vec<f64>,
    /// One per origin.
    pub origins: Vec<Projected>,
}

impl Default for CapeCodTrend {
    fn default() -> CapeCodTrend {
        CapeCodTrend { trend: 0.0, decay: 1.0 }
    }
}

/// Expects `expected` of each origin (an amount) and takes what has not developed from it.
pub fn bornhuetter_ferguson(
    ladder: &ChainLadder,
    expected: &[f64],
) -> Result<Vec<Projected>, ReservingError> {
    benktander(ladder, expected, 1)
}

/// Bornhuetter and Ferguson, `rounds` times over, each expecting what the one before found.
///
/// One round is Bornhuetter and Ferguson itself; many come close to the chain ladder.
pub fn benktander(
    ladder: &ChainLadder,
    expected: &[f64],
    rounds: u32,
) -> Result<Vec<Projected>, ReservingError> {
    lengths(ladder, expected)?;
    let mut origins = Vec::with_capacity(expected.len());
    for (projected, &expected) in ladder.origins.iter().zip(expected) {
        let open = 1.0 - developed(ladder, projected)?;
        let ultimate = (0..rounds).fold(expected, |prior, _| projected.latest + open * prior);
        origins.push(Projected { ultimate: finite(ultimate, "ultimate")?, ..*projected });
    }
    Ok(origins)
}

/// Expects of each origin what all have shown per unit of `exposure` that has developed.
pub fn cape_cod(
    ladder: &ChainLadder,
    exposure: &[f64],
    CapeCodTrend { trend, decay }: CapeCodTrend,
) -> Result<CapeCod, ReservingError> {
    lengths(ladder, exposure)?;
    if !(trend > -1.0 && trend.is_finite()) {
        return Err(ReservingError::Argument("trend"));
    }
    if !(0.0..=1.0).contains(&decay) {
        return Err(ReservingError::Argument("decay"));
    }
    let count = exposure.len();
    let years = f64::from(ladder.origin_months) / 12.0;
    let growth = |origin: usize| (1.0 + trend).powf((count - 1 - origin) as f64 * years);
    let mut used = Vec::with_capacity(count);
    for (projected, exposure) in ladder.origins.iter().zip(exposure) {
        used.push(exposure * developed(ladder, projected)?);
    }
    let mut found = CapeCod { trended: vec![], expected: vec![], origins: vec![] };
    for origin in 0..count {
        let (mut losses, mut volume) = (0.0, 0.0);
        for (other, (projected, used)) in ladder.origins.iter().zip(&used).enumerate() {
            let weight = decay.powi(origin.abs_diff(other) as i32);
            losses += weight * projected.latest * growth(other);
            volume += weight * used;
        }
        let trended = finite(losses / volume, "expected loss per exposure")?;
        found.trended.push(trended);
        found.expected.push(trended / growth(origin));
    }
    let amounts: Vec<f64> = found.expected.iter().zip(exposure).map(|(e, x)| e * x).collect();
    found.origins = bornhuetter_ferguson(ladder, &amounts)?;
    Ok(found)
}

/// Part of the ultimate that is in the latest amount.
fn developed(ladder: &ChainLadder, projected: &Projected) -> Result<f64, ReservingError> {
    Ok(finite(1.0 / ladder.to_ultimate[projected.age], "developed part")?)
}

fn lengths(ladder: &ChainLadder, values: &[f64]) -> Result<(), ReservingError> {
    let (found, origins) = (values.len(), ladder.origins.len());
    if found == origins { Ok(()) } else { Err(ReservingError::Length { found, origins }) }
}

//! 模型: scorers that runs have learnt, in force for live claims.
//!
//! A run's scorer is proposed by one person and approved by another; from then on it is the one version
//! in force of its scope, and the one before is replaced. A tenant's own model scores its claims, else
//! the market's, which the operator publishes. A version never changes: what it said of a claim can be
//! computed again from the claim's figures for as long as its run is kept.

pub mod retrain;
pub mod service;
pub mod shelf;
pub mod view;

use actuarial_models::scoring::{Given, Live, Score, ScoringError};
use production_core::claim::feature::{self, Features, Value};

pub use shelf::{ClaimScore, NotScored};

kernel::id_type! {
    /// Names one model.
    pub ModelId
}

/// One in a million.
pub const MILLION: u32 = 1_000_000;

/// Reasons a score names at most.
const MOST_REASONS: usize = 5;

/// Whose claims a model scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Those of its tenant.
    Tenant,
    /// Those of every insurer without a model of its own.
    Market,
}

/// What a claim's score calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// Nothing.
    Low,
    /// A look.
    Review,
    /// An investigation.
    High,
}

/// Chances, in parts per million, from which claims are worth a look and an investigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Review.
    pub review_ppm: u32,
    /// High; not below review.
    pub high_ppm: u32,
}

/// What speaks for or against fraud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// A name of the contract.
    pub feature: String,
    /// What the claim has there.
    pub value: String,
    /// What the odds are multiplied by, in percent: 153 is half as much again.
    pub odds_pct: i64,
}

/// A score as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Chance of fraud, in parts per million.
    pub chance_ppm: u32,
    /// What it calls for.
    pub band: Band,
    /// The strongest first, whichever way they speak; those that do not matter are left out.
    pub reasons: Vec<Because>,
}

impl Reach {
    /// The word used in messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            Reach::Tenant => "tenant",
            Reach::Market => "market",
        }
    }

    /// The reach of that word.
    pub fn parse(name: &str) -> Option<Reach> {
        [Reach::Tenant, Reach::Market].into_iter().find(|reach| reach.name() == name)
    }
}

impl Band {
    /// The word used in messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            Band::Low => "low",
            Band::Review => "review",
            Band::High => "high",
        }
    }
}

impl Bounds {
    /// Bounds in their order; `None` otherwise.
    pub fn new(review_ppm: u32, high_ppm: u32) -> Option<Bounds> {
        let ordered = 0 < review_ppm && review_ppm <= high_ppm && high_ppm <= MILLION;
        ordered.then_some(Bounds { review_ppm, high_ppm })
    }

    /// The band of a chance.
    pub fn band(self, chance_ppm: u32) -> Band {
        match chance_ppm {
            chance if chance >= self.high_ppm => Band::High,
            chance if chance >= self.review_ppm => Band::Review,
            _ => Band::Low,
        }
    }
}

/// A chance in parts per million.
pub(crate) fn ppm(chance: f64) -> u32 {
    (chance.clamp(0.0, 1.0) * f64::from(MILLION)).round() as u32
}

/// What a scorer says of a claim's figures.
pub(crate) fn say(
    live: &Live,
    bounds: Bounds,
    features: &Features,
) -> Result<Spoken, ScoringError> {
    let given = |column: &str| {
        Some(match features.get(column)? {
            Value::Number(number) => Given::Number(*number as f64),
            Value::Word(word) => Given::Text(word.clone()),
        })
    };
    let Score { chance, reasons, .. } = live.score(given)?;
    let chance_ppm = ppm(chance);
    let because = reasons.into_iter().map(|reason| Because {
        odds_pct: (100.0 * reason.odds()).round().min(1e9) as i64,
        feature: reason.column,
        value: reason.value,
    });
    let reasons = because.filter(|because| because.odds_pct != 100).take(MOST_REASONS).collect();
    Ok(Spoken { chance_ppm, band: bounds.band(chance_ppm), reasons })
}

/// Columns of a scorer that no live claim has.
pub(crate) fn unknown_columns(live: &Live) -> Vec<String> {
    let known = |column: &str| feature::CONTRACT.iter().any(|own| own.name == column);
    live.scorer().columns().filter(|column| !known(column)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_begin_at_their_bounds() {
        let bounds = Bounds::new(100_000, 300_000).unwrap();
        let bands = [99_999, 100_000, 299_999, 300_000].map(|chance| bounds.band(chance));
        assert_eq!(bands, [Band::Low, Band::Review, Band::Review, Band::High]);
        for (review, high) in [(0, 5), (5, 4), (1, MILLION + 1)] {
            assert_eq!(Bounds::new(review, high), None);
        }
        assert_eq!((ppm(0.123_456_7), ppm(1.0), ppm(f64::MIN_POSITIVE)), (123_457, MILLION, 0));
    }
}

//! Chain ladder: the latest amounts, multiplied by the factors still ahead of them.

use super::{Development, ReservingError, Tail};
use crate::number::finite;
use crate::triangle::Triangle;

/// A chain ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainLadder {
    /// The factors it applies.
    pub development: Development,
    /// What follows them.
    pub tail: Tail,
    /// Factor from each age to the ultimate, tail included; as many as ages.
    pub to_ultimate: Vec<f64>,
    /// One per origin, oldest first.
    pub origins: Vec<Projected>,
    /// Length of an origin period in months.
    pub origin_months: u32,
}

/// What a method says about one origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projected {
    /// Index of the oldest known age.
    pub age: usize,
    /// The amount there.
    pub latest: f64,
    /// The amount when everything has come in.
    pub ultimate: f64,
}

/// Projects every origin of `triangle` from its latest amount.
pub fn chain_ladder(
    triangle: &Triangle,
    development: Development,
    tail: Tail,
) -> Result<ChainLadder, ReservingError> {
    let ages = triangle.ages().len();
    if development.factors.len() + 1 != ages {
        return Err(ReservingError::Argument("number of factors"));
    }
    let mut to_ultimate = vec![finite(tail.factor, "tail factor")?; ages];
    for step in (0..ages - 1).rev() {
        to_ultimate[step] = to_ultimate[step + 1] * development.factors[step];
    }
    let mut origins = Vec::with_capacity(triangle.origins());
    for origin in 0..triangle.origins() {
        let (age, latest) = triangle.latest(origin).ok_or(ReservingError::NoLatest(origin))?;
        let ultimate = finite(latest * to_ultimate[age], "ultimate of the chain ladder")?;
        origins.push(Projected { age, latest, ultimate });
    }
    let origin_months = triangle.origin_months();
    Ok(ChainLadder { development, tail, to_ultimate, origins, origin_months })
}

impl Projected {
    /// What is still to come.
    pub fn reserve(&self) -> f64 {
        self.ultimate - self.latest
    }
}

impl ChainLadder {
    /// What is still to come of all origins.
    pub fn reserve(&self) -> f64 {
        self.origins.iter().map(Projected::reserve).sum()
    }

    /// The amount expected of an origin when it reaches the age of this index.
    ///
    /// `None` for an age before its latest one or beyond the triangle.
    pub fn at(&self, origin: usize, age: usize) -> Option<f64> {
        let projected = self.origins.get(origin)?;
        let factors = self.development.factors.get(projected.age..age)?;
        Some(factors.iter().fold(projected.latest, |amount, factor| amount * factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reserving::Selection;

    #[test]
    fn every_age_ahead_has_an_expected_amount() {
        let rows = [vec![100.0, 150.0, 165.0], vec![50.0]];
        let rows = rows.map(|row: Vec<f64>| row.into_iter().map(Some).collect());
        let triangle = Triangle::cumulative(12, vec![12, 24, 36], &rows).unwrap();
        let development = Selection::default().develop(&triangle).unwrap();
        let ladder = chain_ladder(&triangle, development, Tail::certain(1.2)).unwrap();
        let ahead: Vec<Option<f64>> = (0..4).map(|age| ladder.at(1, age)).collect();
        assert_eq!(ahead, [Some(50.0), Some(75.0), Some(75.0 * 1.1), None]);
        assert_eq!((ladder.at(0, 1), ladder.at(2, 0)), (None, None));
        assert!((ladder.origins[1].ultimate - 99.0).abs() < 1e-12);
    }
}

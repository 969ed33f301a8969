//! A distribution of the reserve that is calibrated on valuations whose outcome is known by now.
//!
//! Mack's error speaks of chance and of the factors inside one triangle. It does not know that the
//! method may be wrong, and it is itself estimated from a few link ratios; so outcomes of real
//! companies fall outside its intervals far too often. Here the reserve is Cape Cod's, and three
//! things speak for its error: Mack's, the size of the reserve, and how far Cape Cod and chain ladder
//! are apart. How much each counts, and how heavy the tails are, is learnt from a market: every
//! triangle is reserved as it was some periods ago ([`Valuation::look_back`]), and the likelihood of
//! what then happened is made as large as possible ([`Hindsight::learn`]).
//!
//! The form was chosen by likelihood on the triangles of 1988 to 1997 among chain ladder, Benktander
//! and Cape Cod as the centre, errors from one, two or three of these signs or a power of the first,
//! and with or without a common bias (which gained nothing).

use super::{
    CapeCodTrend, ChainLadder, LastSigma, Projected, ReservingError, Selection, Tail, cape_cod,
    mack,
};
use crate::number::finite;
use crate::simplex::least;
use crate::special::{ln_student_density, student_quantile, student_upper};
use crate::triangle::Triangle;

/// Past valuations below which nothing is learnt.
const FEWEST: usize = 30;

/// A reserve and what speaks for its error, all in the unit of the amounts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Valuation {
    /// Cape Cod's reserve; positive.
    pub reserve: f64,
    /// Mack's error of the chain ladder's reserve; positive.
    pub mack: f64,
    /// Cape Cod's reserve less the chain ladder's.
    pub apart: f64,
}

/// A past valuation and the reserve that would have been right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// What was said.
    pub valuation: Valuation,
    /// What came in afterwards.
    pub outcome: f64,
}

/// What a market's past valuations teach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hindsight {
    /// Part of Mack's error in the scale.
    pub mack: f64,
    /// Part of the reserve.
    pub reserve: f64,
    /// Part of the distance between the two methods.
    pub apart: f64,
    /// Degrees of freedom of Student's distribution, above two.
    pub degrees: f64,
    /// How many valuations it was learnt from.
    pub seen: usize,
}

/// The distribution of a reserve: Student's, around Cape Cod's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Middle and mean.
    pub reserve: f64,
    /// What is multiplied with Student's variable.
    pub scale: f64,
    /// Its degrees of freedom.
    pub degrees: f64,
}

impl Valuation {
    /// Reserves `triangle` with an exposure, such as premium, for each origin.
    ///
    /// Every amount must be positive, and so must the reserve and its error.
    pub fn of(triangle: &Triangle, exposure: &[f64]) -> Result<Valuation, ReservingError> {
        let found = mack(triangle, &Selection::default(), LastSigma::Minimum, Tail::default())?;
        let ladder: &ChainLadder = &found.ladder;
        let cape = cape_cod(ladder, exposure, CapeCodTrend::default())?;
        let reserve: f64 = cape.origins.iter().map(Projected::reserve).sum();
        let apart = finite(reserve - ladder.reserve(), "reserve")?;
        let mack = found.total.total();
        if reserve > 0.0 && mack > 0.0 {
            Ok(Valuation { reserve, mack, apart })
        } else {
            Err(ReservingError::Argument("a reserve or error that is not positive"))
        }
    }

    /// Reserves earlier views of `triangle`, `origins` origins and ages each, whose outcome at the
    /// last of these ages is known by now. Views that cannot be reserved are left out.
    pub fn look_back(
        triangle: &Triangle,
        exposure: &[f64],
        origins: usize,
    ) -> Result<Vec<Seen>, ReservingError> {
        if exposure.len() != triangle.origins() {
            let (found, origins) = (exposure.len(), triangle.origins());
            return Err(ReservingError::Length { found, origins });
        }
        let views = (0..triangle.origins()).filter_map(|first| {
            let view = triangle.earlier(first, origins)?;
            let mut outcome = 0.0;
            for origin in 0..origins {
                let (_, paid) = view.latest(origin)?;
                outcome += triangle.get(first + origin, origins - 1)? - paid;
            }
            let valuation = Valuation::of(&view, &exposure[first..first + origins]).ok()?;
            Some(Seen { valuation, outcome })
        });
        Ok(views.collect())
    }
}

impl Hindsight {
    /// Learns from past valuations of many companies.
    pub fn learn(seen: &[Seen]) -> Result<Hindsight, ReservingError> {
        if seen.len() < FEWEST {
            return Err(ReservingError::TooFew(seen.len()));
        }
        let of = |at: &[f64; 4]| Hindsight {
            mack: at[0].exp(),
            reserve: at[1].exp(),
            apart: at[2].exp(),
            degrees: 2.0 + at[3].exp(),
            seen: seen.len(),
        };
        let unlikeliness = |at: &[f64; 4]| {
            let hindsight = of(at);
            let unlikely = seen.iter().map(|past| {
                let spread = hindsight.spread(&past.valuation);
                let t = (past.outcome - spread.reserve) / spread.scale;
                spread.scale.ln() - ln_student_density(t, spread.degrees)
            });
            unlikely.sum()
        };
        let (at, value) = least([-0.5, -2.0, -1.0, 1.0], unlikeliness);
        finite(value, "likelihood of past valuations")?;
        Ok(of(&at))
    }

    /// The distribution of the reserve of a valuation.
    pub fn spread(&self, valuation: &Valuation) -> Spread {
        let parts = [
            self.mack * valuation.mack,
            self.reserve * valuation.reserve,
            self.apart * valuation.apart,
        ];
        let scale = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
        Spread { reserve: valuation.reserve, scale, degrees: self.degrees }
    }
}

impl Spread {
    /// The part of the distribution below `outcome`.
    pub fn percentile(&self, outcome: f64) -> f64 {
        student_upper((self.reserve - outcome) / self.scale, self.degrees)
    }

    /// The reserve that a part `p` (strictly between 0 and 1) of the distribution lies below.
    pub fn quantile(&self, p: f64) -> Result<f64, ReservingError> {
        if !(p > 0.0 && p < 1.0) {
            return Err(ReservingError::Argument("p"));
        }
        let quantile = self.reserve + self.scale * student_quantile(p, self.degrees);
        Ok(finite(quantile, "quantile")?)
    }

    /// Its standard deviation.
    pub fn deviation(&self) -> f64 {
        self.scale * (self.degrees / (self.degrees - 2.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_percentiles_undo_each_other() {
        let spread = Spread { reserve: 100.0, scale: 20.0, degrees: 4.0 };
        for p in [0.005, 0.3, 0.5, 0.995] {
            let back = spread.percentile(spread.quantile(p).unwrap());
            assert!((back - p).abs() < 1e-12, "{back} is not {p}");
        }
        assert!((spread.deviation() - 20.0 * 2f64.sqrt()).abs() < 1e-12);
        assert!(spread.quantile(1.0).is_err());
    }

    #[test]
    fn what_made_the_errors_is_learnt() {
        // Errors are quantiles of a normal distribution times twice Mack's error, whatever the rest.
        let seen: Vec<Seen> = (0..400)
            .map(|i| {
                let mack = 1.0 + f64::from(i % 7);
                let valuation = Valuation { reserve: 10.0, mack, apart: f64::from(i % 3) - 1.0 };
                let p = (f64::from(i * 211 % 400) + 0.5) / 400.0;
                Seen { valuation, outcome: 10.0 + 2.0 * mack * crate::special::normal_quantile(p) }
            })
            .collect();
        let found = Hindsight::learn(&seen).unwrap();
        for past in &seen {
            let part = found.spread(&past.valuation).scale / (2.0 * past.valuation.mack);
            assert!((part - 1.0).abs() < 0.1, "{found:?}");
        }
        assert!(found.degrees > 20.0, "{found:?}");
        assert_eq!(Hindsight::learn(&seen[..29]), Err(ReservingError::TooFew(29)));
    }
}

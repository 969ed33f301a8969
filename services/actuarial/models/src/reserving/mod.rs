//! Reserving: what is still to come of claims that have happened.
//!
//! A [`Selection`] turns link ratios into a [`Development`], which the chain ladder applies; every
//! other method starts from those. Methods with an error say it in the unit of the amounts, as a
//! standard deviation. Sources: Mack 1993 and 1999, Bornhuetter and Ferguson 1972, Benktander 1976,
//! Stanard and Bühlmann (Cape Cod), Quarg and Mack 2004, England and Verrall 2002, Merz and Wüthrich
//! 2008 and 2014 (one-year view).

mod backtest;
mod bootstrap;
mod chain_ladder;
mod development;
mod expected;
mod hindsight;
mod mack;
mod munich;
mod odp;
mod run_off;
mod tail;

pub use backtest::{Calibration, Predictive};
pub use bootstrap::{Bootstrap, Bootstrapped, Residuals, Simulated};
pub use chain_ladder::{ChainLadder, Projected, chain_ladder};
pub use development::{Average, Development, Selection};
pub use expected::{CapeCod, CapeCodTrend, benktander, bornhuetter_ferguson, cape_cod};
pub use hindsight::{Hindsight, Seen, Spread, Valuation};
pub use mack::{LastSigma, Mack, MackError, mack};
pub use munich::{Munich, munich};
pub use odp::{Odp, OdpError, odp};
pub use run_off::{RunOff, YearAhead};
pub(crate) use tail::line;
pub use tail::{Tail, TailCurve, TailFit};

use crate::number::NotFinite;
use crate::stop::Stopped;

/// Why a triangle cannot be reserved. Origins, ages and steps are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReservingError {
    /// There is no origin or no age.
    #[error("the triangle has no origin, no age or no length of its origins")]
    Empty,
    /// Ages are months and increase.
    #[error("ages do not increase from above zero")]
    Ages,
    /// A row longer than there are ages.
    #[error("origin {origin} has {found} amounts for {ages} ages")]
    Width {
        /// Which origin.
        origin: usize,
        /// How many amounts it has.
        found: usize,
        /// How many ages there are.
        ages: usize,
    },
    /// A cell that is there and is no number.
    #[error("the amount of origin {origin} at age {age} is not a finite number")]
    Cell {
        /// Which origin.
        origin: usize,
        /// Which age.
        age: usize,
    },
    /// An increment is missing before one that is there.
    #[error("the increment of origin {origin} at age {age} is missing before a known one")]
    Gap {
        /// Which origin.
        origin: usize,
        /// Which age.
        age: usize,
    },
    /// Longer periods are not made of whole shorter ones.
    #[error("periods of {from} months do not make up periods of {to} months")]
    Grain {
        /// Length now.
        from: u32,
        /// Length asked for.
        to: u32,
    },
    /// Nothing is known about an origin.
    #[error("origin {0} has no amount at any age")]
    NoLatest(usize),
    /// No link ratio is left to average.
    #[error("no link ratio from age {0} to the next can be averaged")]
    NoLink(usize),
    /// The method divides by this amount.
    #[error("the amount of origin {origin} at age {age} is not positive")]
    NotPositive {
        /// Which origin.
        origin: usize,
        /// Which age.
        age: usize,
    },
    /// Too few link ratios to tell how much they vary.
    #[error("no step has two link ratios, so nothing says how much they vary")]
    NoVariation,
    /// A list that must have one entry per origin.
    #[error("{found} values for {origins} origins")]
    Length {
        /// How many were given.
        found: usize,
        /// How many origins there are.
        origins: usize,
    },
    /// Ages from which no year can be told.
    #[error("ages do not stand evenly apart, by a part of a year")]
    NoYears,
    /// Too few past valuations to learn from.
    #[error("{0} past valuations with their outcomes are too few to calibrate a distribution")]
    TooFew(usize),
    /// An argument out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// The two triangles of one method differ in shape.
    #[error("paid and incurred amounts are not known for the same cells")]
    Unlike,
    /// The increments of an origin or age do not add up to something positive.
    #[error("the increments of {what} {index} do not add up to a positive amount")]
    NoVolume {
        /// Origin or age.
        what: &'static str,
        /// Which one.
        index: usize,
    },
    /// As many parameters as cells: nothing is left to estimate the dispersion from.
    #[error("{cells} cells cannot carry {parameters} parameters and a dispersion")]
    Saturated {
        /// How many cells are known.
        cells: usize,
        /// How many parameters the model has.
        parameters: usize,
    },
    /// The data cannot tell one parameter from others.
    #[error("the cells do not determine the parameter of {what} {index}")]
    Undetermined {
        /// Origin or age.
        what: &'static str,
        /// Which one.
        index: usize,
    },
    /// An iteration did not come to rest.
    #[error("no convergence in {0} steps")]
    NoConvergence(usize),
    /// Somebody called it off.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

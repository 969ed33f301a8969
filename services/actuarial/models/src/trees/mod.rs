//! Gradient-boosted trees for counts and chances, where effects bend and factors interact.
//!
//! Poisson deviance with log link and exposure, or log loss with logit link and weights. Columns are cut into bins once; trees grow leaf by
//! leaf from histograms of claims and expected claims. Those are whole numbers, so sums do not depend
//! on their order: the same data, settings and seed give the same trees on any number of cores. Leaves
//! are multiples of 2⁻²⁴, so scores of trees add up exactly, and so do the effects that explain them.

mod bins;
mod boost;
mod chances;
mod explain;
mod grow;
mod predict;
mod ready;
mod shard;
mod stored;
mod tariff;
mod tree;

pub use bins::Feature;
pub use boost::{Boost, Counts, Ensemble, Monotone};
pub use chances::{Chances, Outcomes};
pub use explain::{Effects, Importance};
pub(crate) use ready::{Cell, Ready};
pub use tariff::{Table, Tariff};

use crate::glm::GlmError;
use crate::number::NotFinite;
use crate::stop::Stopped;

/// Why trees cannot be grown or used. Rows are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TreesError {
    /// A column the data do not have, or not of this kind.
    #[error("the columns do not fit")]
    Columns(#[from] GlmError),
    /// A setting out of its range.
    #[error("{0} is out of range")]
    Setting(&'static str),
    /// A factor with more levels than a histogram has bins.
    #[error("factor {factor} has {found} levels, more than {most}")]
    Levels {
        /// The factor.
        factor: String,
        /// How many it has.
        found: usize,
        /// How many it may have.
        most: usize,
    },
    /// A direction asked of a factor, whose levels have no order.
    #[error("factor {0} has no order that effects could follow")]
    NoOrder(String),
    /// A level the trees have not seen.
    #[error("the trees know no level {level} of factor {factor}")]
    NewLevel {
        /// The factor.
        factor: String,
        /// The level.
        level: String,
    },
    /// Claims or exposures of another length than the columns.
    #[error("{what} has {found} rows where there are {rows}")]
    Length {
        /// Which of them.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of the columns.
        rows: usize,
    },
    /// Claims that are negative or no number.
    #[error("the claims of row {0} are not zero or positive")]
    Claims(usize),
    /// An exposure that is not positive.
    #[error("the exposure of row {0} is not positive")]
    Exposure(usize),
    /// No row, or no claim in any.
    #[error("there is no claim in any row")]
    NoClaims,
    /// A weight that is not positive.
    #[error("the weight of row {0} is not positive")]
    Weight(usize),
    /// It happened in every row, or in none.
    #[error("it happened in every row or in none, so nothing tells rows apart")]
    OneClass,
    /// Expected claims grew beyond all bounds.
    #[error("expected claims ran away at tree {0}")]
    Diverged(usize),
    /// Somebody called it off.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

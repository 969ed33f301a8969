//! Generalised linear models: frequency, severity, pure premium and conversion.
//!
//! Rows stay columns of level numbers and numbers: a categorical is never spread out into zeros and
//! ones. One pass over the rows yields the sums the normal equations consist of, by combinations of
//! levels ([`Frame`] holds the rows, `layout` says which sums, `pass` takes them on all cores), and a
//! Newton step needs nothing else. So memory is that of the columns, and time is that of reading them
//! some six times. What goes wrong with data has a name in [`GlmError`].
//!
//! Nobody need hold the rows: such sums add up, so those who hold some of them answer a fit's questions
//! ([`Tally`]), and [`Model::fit_elsewhere`] asks them.

mod basis;
mod climb;
mod family;
mod figures;
mod fit;
mod frame;
mod inference;
mod layout;
mod negative_binomial;
mod pass;
mod penalty;
mod predict;
mod reading;
mod source;
mod spread;
mod term;
mod tweedie;

pub use family::{Family, Link};
pub use fit::{Aliased, Coefficient, Fit, Model, Observations};
pub use frame::{Column, Frame, level_order};
pub use inference::{Test, likelihood_ratio, type_three, type_three_elsewhere, type_three_until};
pub use negative_binomial::NegativeBinomialFit;
pub use penalty::Penalty;
pub use reading::{Kind, Reading};
pub use spread::{
    Batch, Columns, Compared, Elsewhere, Judged, SpreadError, Tally, TallyError, Texts,
};
pub use term::Term;

use crate::number::NotFinite;
use crate::stop::Stopped;

/// Why a model cannot be fitted. Rows are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GlmError {
    /// A column the data do not have, or not of this kind.
    #[error("there is no {kind} column {name}")]
    NoColumn {
        /// Factor or numeric.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A column the data have already.
    #[error("there are two columns {0}")]
    Twice(String),
    /// A level its factor does not have.
    #[error("factor {factor} has no level {level}")]
    NoLevel {
        /// The factor.
        factor: String,
        /// The level.
        level: String,
    },
    /// A code beyond the levels of its factor.
    #[error("factor {factor} has no level number {code}, which row {row} names")]
    Code {
        /// The factor.
        factor: String,
        /// The code.
        code: u32,
        /// The row.
        row: usize,
    },
    /// Columns, responses, weights or offsets of different lengths.
    #[error("{what} has {found} rows where there are {rows}")]
    Length {
        /// Which of them.
        what: String,
        /// Its length.
        found: usize,
        /// The length of the others.
        rows: usize,
    },
    /// A text that is no number.
    #[error("{what} is {text:?} in row {row}, which is not a finite number")]
    Text {
        /// Which column.
        what: String,
        /// The row.
        row: usize,
        /// The text.
        text: String,
    },
    /// A row with more or fewer texts than there are columns.
    #[error("row {row} has {found} cells for {columns} columns")]
    Cells {
        /// The row.
        row: usize,
        /// How many texts it has.
        found: usize,
        /// How many columns there are.
        columns: usize,
    },
    /// A value that is no number.
    #[error("{what} is not a finite number in {}", which(*row))]
    Value {
        /// Which column.
        what: String,
        /// The row, unless rows lie elsewhere.
        row: Option<usize>,
    },
    /// A text that is missing from rows that lie elsewhere.
    #[error("{0} is missing in some row")]
    Missing(String),
    /// More levels than a factor of rows that lie elsewhere may have.
    #[error("factor {factor} has more than {most} levels")]
    Levels {
        /// The factor.
        factor: String,
        /// How many it may have.
        most: usize,
    },
    /// A response the family does not know.
    #[error("the response {value} of {} is not {wanted}", which(*row))]
    Response {
        /// The value.
        value: f64,
        /// The row, unless rows lie elsewhere.
        row: Option<usize>,
        /// What the family knows.
        wanted: &'static str,
    },
    /// A weight below zero, of this row unless rows lie elsewhere.
    #[error("the weight of {} is negative", which(*.0))]
    Weight(Option<usize>),
    /// No row with a weight, or a response that says nothing, such as no claim at all.
    #[error("the response is the same extreme value in every row, or there is no row")]
    NoInformation,
    /// An argument out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// A spline without enough knots in increasing order.
    #[error("the spline of {0} needs at least three increasing knots")]
    Knots(String),
    /// A column that is zero in every row with a weight: a level nobody has.
    #[error("{0} is zero in every row")]
    ZeroColumn(String),
    /// A column the ones before it determine.
    #[error("{0} is determined by the columns before it")]
    Aliased(String),
    /// A level whose responses are all at the edge: its coefficient would be infinite.
    #[error("the response of {0} is at its limit in every row, so its coefficient is infinite")]
    Separated(String),
    /// An iteration did not come to rest.
    #[error("no convergence in {0} steps")]
    NoConvergence(usize),
    /// Models that are not one inside the other.
    #[error("the restricted model is not part of the full one")]
    NotNested,
    /// Somebody called it off.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// A row in words.
fn which(row: Option<usize>) -> String {
    row.map_or_else(|| "some row".to_owned(), |row| format!("row {row}"))
}

//! How good a model is, on rows it was not fitted to.
//!
//! [`chances`] is for what happens or does not: how scores order rows, and whether they are the
//! chances they claim to be. [`pricing`] is for claims by exposure: whether a model puts the dear
//! risks last, whom another model would price better, and where actual claims leave the expected
//! ones. [`residuals`] looks at single rows.

pub mod chances;
pub mod pricing;
pub mod residuals;

use crate::number::NotFinite;

/// Why a model cannot be judged. Rows are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValidationError {
    /// Columns of different lengths.
    #[error("{what} has {found} rows where there are {rows}")]
    Length {
        /// Which column.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of the others.
        rows: usize,
    },
    /// A value out of its range, or no number.
    #[error("{what} of row {row} is out of range")]
    Value {
        /// Which column.
        what: &'static str,
        /// The row.
        row: usize,
    },
    /// It happened in every row, or in none, or there is no row.
    #[error("it happened in every row or in none")]
    OneClass,
    /// No row, or no claim in any.
    #[error("there is no claim in any row")]
    NoClaims,
    /// A number of bands or a share out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// Refuses columns of another length than the first.
fn same_length(rows: usize, columns: &[(&'static str, usize)]) -> Result<(), ValidationError> {
    match columns.iter().find(|(_, found)| *found != rows) {
        Some(&(what, found)) => Err(ValidationError::Length { what, found, rows }),
        None => Ok(()),
    }
}

/// Refuses a value that `fits` does not hold for.
fn each(
    what: &'static str,
    values: &[f64],
    fits: impl Fn(f64) -> bool,
) -> Result<(), ValidationError> {
    let bad = values.iter().position(|&value| !(value.is_finite() && fits(value)));
    bad.map_or(Ok(()), |row| Err(ValidationError::Value { what, row }))
}

/// Rows by a key, the least first; rows of one key stay in their order.
fn ordered(keys: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    order
}

//! The form of the numbers of a design while it is fitted.
//!
//! Numbers that stand alone are centred and orthogonalised, so that powers of one number or a spline
//! keep their digits; numbers multiplied with levels are brought to one scale. Coefficients come back to
//! the columns as they were given.

use super::GlmError;
use super::layout::Layout;
use crate::linalg::dot;
use crate::number::finite;

/// What is left of a number by the ones before it, relative to itself, below which it is aliased.
pub(crate) const NUMBER_TOLERANCE: f64 = 1e-9;

/// The size of a centred number relative to its centre, below which it is a constant.
pub(crate) const CONSTANT_TOLERANCE: f64 = 1e-13;

/// The numbers of a design are orthogonal to each other, or only of one scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    Orthogonal,
    /// A penalty is on coefficients of columns as they are; so columns must not be mixed.
    Scaled,
}

/// How coefficients of the numbers as fitted become those of the columns as given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Basis {
    /// Numbers that stand alone, what was subtracted, and the triangular factor.
    pub(crate) alone: Vec<Alone>,
    pub(crate) centres: Vec<f64>,
    /// Row by row; number j as given is its centre plus Σ over k ≤ j of factor[k][j] × fitted k.
    pub(crate) factor: Vec<Vec<f64>>,
    /// Numbers times levels.
    pub(crate) scaled: Vec<Scaled>,
}

/// A number that stands alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alone {
    /// Its place among the numbers of the rows.
    pub(crate) number: usize,
    pub(crate) column: usize,
}

/// A number that is multiplied with levels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaled {
    /// Its place among the numbers of the rows.
    pub(crate) number: usize,
    /// Columns it has a part in.
    pub(crate) columns: Vec<usize>,
    /// What it was divided by.
    pub(crate) scale: f64,
}

impl Layout {
    /// Finds the basis for these numbers, and brings them to it.
    pub(crate) fn prepare(
        &mut self,
        numbers: &mut [Vec<f64>],
        weight: Option<&[f64]>,
        kind: Numbers,
    ) -> Result<(), GlmError> {
        self.orthogonalise(numbers, weight, kind)?;
        self.scale(numbers)
    }

    /// Brings numbers as they are in the columns to a basis that was found before.
    pub(crate) fn bring(&self, numbers: &mut [Vec<f64>]) {
        let basis = &self.basis;
        for (j, (own, centre)) in basis.alone.iter().zip(&basis.centres).enumerate() {
            let (before, rest) = numbers.split_at_mut(own.number);
            let values = &mut rest[0];
            values.iter_mut().for_each(|value| *value -= centre);
            for (k, earlier) in basis.alone[..j].iter().enumerate() {
                let (earlier, along) = (&before[earlier.number], basis.factor[k][j]);
                if along != 0.0 {
                    values.iter_mut().zip(earlier).for_each(|(value, e)| *value -= along * e);
                }
            }
            values.iter_mut().for_each(|value| *value /= basis.factor[j][j]);
        }
        for own in &basis.scaled {
            numbers[own.number].iter_mut().for_each(|value| *value /= own.scale);
        }
    }

    /// Coefficients of the columns as they were given.
    pub(crate) fn restore(&self, fitted: &[f64]) -> Vec<f64> {
        let mut given = fitted.to_vec();
        let basis = &self.basis;
        for (j, own) in basis.alone.iter().enumerate().rev() {
            let mut left = given[own.column];
            for (k, later) in basis.alone.iter().enumerate().skip(j + 1) {
                left -= basis.factor[j][k] * given[later.column];
            }
            given[own.column] = left / basis.factor[j][j];
        }
        for (own, centre) in basis.alone.iter().zip(&basis.centres) {
            given[0] -= centre * given[own.column];
        }
        for own in &basis.scaled {
            own.columns.iter().for_each(|&column| given[column] /= own.scale);
        }
        given
    }

    /// What each column was divided by, for numbers that were scaled only.
    pub(crate) fn scales(&self) -> Vec<f64> {
        let mut scales = vec![1.0; self.columns()];
        for (j, own) in self.basis.alone.iter().enumerate() {
            scales[own.column] = self.basis.factor[j][j];
        }
        for own in &self.basis.scaled {
            own.columns.iter().for_each(|&column| scales[column] = own.scale);
        }
        scales
    }

    /// Centres the numbers that stand alone and makes them orthogonal, one after the other.
    fn orthogonalise(
        &mut self,
        numbers: &mut [Vec<f64>],
        weight: Option<&[f64]>,
        kind: Numbers,
    ) -> Result<(), GlmError> {
        let sum = |values: &[f64]| match weight {
            Some(weight) => dot(values, weight),
            None => values.iter().sum(),
        };
        let product = |a: &[f64], b: &[f64]| match weight {
            Some(weight) => a.iter().zip(b).zip(weight).map(|((a, b), w)| a * b * w).sum::<f64>(),
            None => dot(a, b),
        };
        let rows = numbers.get(1).map_or(0, Vec::len);
        let total = weight.map_or(rows as f64, |weight| weight.iter().sum());
        let alone = &self.basis.alone;
        let mut factor = vec![vec![0.0; alone.len()]; alone.len()];
        let mut centres = vec![];
        for (j, own) in alone.iter().enumerate() {
            let name = || self.names[own.column].clone();
            let (before, rest) = numbers.split_at_mut(own.number);
            let values = &mut rest[0];
            if values.iter().all(|&value| value == 0.0) {
                return Err(GlmError::ZeroColumn(name()));
            }
            let centre = sum(values) / total;
            values.iter_mut().for_each(|value| *value -= centre);
            let size = product(values, values).sqrt();
            if kind == Numbers::Orthogonal {
                for (k, earlier) in alone[..j].iter().enumerate() {
                    let earlier = &before[earlier.number];
                    let along = product(earlier, values) / total;
                    values.iter_mut().zip(earlier).for_each(|(value, e)| *value -= along * e);
                    factor[k][j] = along;
                }
            }
            let left = product(values, values).sqrt();
            if !is_apart(left, size, centre * total.sqrt()) {
                return Err(GlmError::Aliased(name()));
            }
            let scale = left / total.sqrt();
            values.iter_mut().for_each(|value| *value /= scale);
            factor[j][j] = scale;
            centres.push(centre);
        }
        (self.basis.factor, self.basis.centres) = (factor, centres);
        Ok(())
    }

    /// Brings numbers that are multiplied with levels to one scale. They are not centred: their
    /// levels need not be in the model by themselves.
    fn scale(&mut self, numbers: &mut [Vec<f64>]) -> Result<(), GlmError> {
        for place in 0..self.basis.scaled.len() {
            let values = &mut numbers[self.basis.scaled[place].number];
            let scale = (dot(values, values) / values.len() as f64).sqrt();
            self.scale_by(place, scale)?;
            values.iter_mut().for_each(|value| *value /= scale);
        }
        Ok(())
    }

    /// Notes what the number at `place` of [`Basis::scaled`] is divided by.
    pub(crate) fn scale_by(&mut self, place: usize, scale: f64) -> Result<(), GlmError> {
        let own = &mut self.basis.scaled[place];
        if scale == 0.0 {
            let column = own.columns.first().map(|&column| &self.names[column]);
            let name = column.unwrap_or(&self.numbers[own.number - 1].name);
            return Err(GlmError::ZeroColumn(name.clone()));
        }
        own.scale = finite(scale, "size of a number")?;
        Ok(())
    }
}

/// Whether a number is neither a constant nor determined by the ones before it: what they leave of it,
/// its size and that of its centre.
pub(crate) fn is_apart(left: f64, size: f64, centre: f64) -> bool {
    // A number that is none is not apart.
    left > NUMBER_TOLERANCE * size && size > CONSTANT_TOLERANCE * centre.abs()
}

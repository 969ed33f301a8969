//! Small dense symmetric systems: the normal equations of every model here.
//!
//! Systems have some hundred unknowns at most, are positive semidefinite, and the interesting answer
//! of a singular one is *which* unknown is superfluous. Libraries of linear algebra leave that question
//! open, so the factorisation is our own. Thousands of unknowns are [`crate::dense`]'s.

/// A symmetric matrix, stored in full, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Symmetric {
    size: usize,
    cells: Vec<f64>,
}

/// An unknown that the ones before it determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superfluous(pub(crate) usize);

/// The factor L of A = L·Lᵀ.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Symmetric {
    /// All zero.
    pub(crate) fn zero(size: usize) -> Symmetric {
        Symmetric { size, cells: vec![0.0; size * size] }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    /// Adds to the cell and to its mirror image.
    pub(crate) fn add(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row * self.size + column] += value;
        if row != column {
            self.cells[column * self.size + row] += value;
        }
    }

    /// Adds a matrix of the same size.
    pub(crate) fn sum(&mut self, other: &Symmetric) {
        self.cells.iter_mut().zip(&other.cells).for_each(|(sum, value)| *sum += value);
    }

    /// Multiplies every cell.
    pub(crate) fn scale(&mut self, by: f64) {
        self.cells.iter_mut().for_each(|cell| *cell *= by);
    }

    /// A·x.
    pub(crate) fn times(&self, x: &[f64]) -> Vec<f64> {
        self.cells.chunks_exact(self.size.max(1)).map(|row| dot(row, x)).collect()
    }

    /// xᵀ·A·x.
    pub(crate) fn quadratic(&self, x: &[f64]) -> f64 {
        dot(&self.times(x), x)
    }

    /// The rows and columns `kept`, in that order.
    pub(crate) fn minor(&self, kept: &[usize]) -> Symmetric {
        let mut minor = Symmetric::zero(kept.len());
        for (i, &row) in kept.iter().enumerate() {
            for (j, &column) in kept.iter().enumerate() {
                minor.cells[i * kept.len() + j] = self.at(row, column);
            }
        }
        minor
    }

    /// Factorises, in the order of the unknowns.
    ///
    /// An unknown is superfluous when the ones before it leave less than `tolerance` of its
    /// diagonal: then the data cannot tell it from them, whatever the rounding.
    pub(crate) fn cholesky(&self, tolerance: f64) -> Result<Cholesky, Superfluous> {
        let n = self.size;
        let mut lower = vec![0.0; n * n];
        for column in 0..n {
            for row in column..n {
                let (before, rest) = (&lower[column * n..column * n + column], row * n);
                let left = self.at(row, column) - dot(&lower[rest..rest + column], before);
                if row > column {
                    lower[rest + column] = left / lower[column * n + column];
                } else if left > tolerance * self.at(column, column) && left > 0.0 {
                    lower[rest + column] = left.sqrt();
                } else {
                    return Err(Superfluous(column));
                }
            }
        }
        Ok(Cholesky { size: n, lower })
    }
}

impl Cholesky {
    /// x of A·x = b.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = self.size;
        let mut x = self.half_solve(b);
        for row in (0..n).rev() {
            let done: f64 = (row + 1..n).map(|below| self.lower[below * n + row] * x[below]).sum();
            x[row] = (x[row] - done) / self.lower[row * n + row];
        }
        x
    }

    /// x of L·x = b, where A = L·Lᵀ: its squares add up to bᵀ·A⁻¹·b.
    pub(crate) fn half_solve(&self, b: &[f64]) -> Vec<f64> {
        let n = self.size;
        let mut x = b.to_vec();
        for row in 0..n {
            let done = dot(&self.lower[row * n..row * n + row], &x[..row]);
            x[row] = (x[row] - done) / self.lower[row * n + row];
        }
        x
    }

    /// A⁻¹.
    pub(crate) fn inverse(&self) -> Symmetric {
        let n = self.size;
        let mut inverse = Symmetric::zero(n);
        let mut unit = vec![0.0; n];
        for column in 0..n {
            unit[column] = 1.0;
            let solved = self.solve(&unit);
            unit[column] = 0.0;
            for (row, value) in solved.into_iter().enumerate() {
                inverse.cells[row * n + column] = value;
            }
        }
        inverse
    }
}

/// x of A·x = b for any square A (row by row, spent), by elimination with the largest pivot of each
/// column. A singular system gives values that are no numbers, which the caller checks.
pub(crate) fn solve_general(a: &mut [f64], mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for column in 0..n {
        let larger =
            |&i: &usize, &j: &usize| a[i * n + column].abs().total_cmp(&a[j * n + column].abs());
        let pivot = (column..n).max_by(larger).unwrap_or(column);
        if pivot != column {
            (0..n).for_each(|k| a.swap(pivot * n + k, column * n + k));
            b.swap(pivot, column);
        }
        let (above, below) = a.split_at_mut((column + 1) * n);
        let line = &above[column * n..];
        for (offset, row) in below.chunks_exact_mut(n).enumerate() {
            let factor = row[column] / line[column];
            if factor != 0.0 {
                row[column..].iter_mut().zip(&line[column..]).for_each(|(x, y)| *x -= factor * y);
                b[column + 1 + offset] -= factor * b[column];
            }
        }
    }
    for row in (0..n).rev() {
        let done = dot(&a[row * n + row + 1..(row + 1) * n], &b[row + 1..]);
        b[row] = (b[row] - done) / a[row * n + row];
    }
    b
}

/// Σ a·b, over as many as both have.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight sums side by side: one alone would wait for each addition before it begins the next.
    let size = a.len().min(b.len());
    let (a, b) = (a[..size].chunks_exact(8), b[..size].chunks_exact(8));
    let rest = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum::<f64>();
    let mut sums = [0.0; 8];
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: &[&[f64]]) -> Symmetric {
        Symmetric { size: rows.len(), cells: rows.concat() }
    }

    #[test]
    fn a_system_is_solved_and_inverted() {
        let a = matrix(&[&[4.0, 2.0, 0.0], &[2.0, 5.0, 3.0], &[0.0, 3.0, 6.0]]);
        let factor = a.cholesky(1e-12).unwrap();
        let x = factor.solve(&[2.0, -1.0, 9.0]);

        for (got, want) in a.times(&x).iter().zip([2.0, -1.0, 9.0]) {
            assert!((got - want).abs() < 1e-12);
        }
        let product = a.times(&(0..3).map(|row| factor.inverse().at(row, 1)).collect::<Vec<_>>());
        assert!((product[1] - 1.0).abs() < 1e-12 && product[0].abs() + product[2].abs() < 1e-12);
    }

    #[test]
    fn a_system_without_symmetry_is_solved_past_a_zero_pivot() {
        let mut a = [0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 3.0, 0.0, -1.0];
        // x = (1, 2, 3).
        let x = solve_general(&mut a, vec![7.0, 3.0, 0.0]);
        for (got, want) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((got - want).abs() < 1e-12);
        }
    }

    #[test]
    fn the_first_superfluous_unknown_is_named() {
        // The third unknown is the sum of the first two.
        let a = matrix(&[&[1.0, 0.0, 1.0], &[0.0, 1.0, 1.0], &[1.0, 1.0, 2.0]]);
        assert_eq!(a.cholesky(1e-11).unwrap_err(), Superfluous(2));
        assert_eq!(Symmetric::zero(2).cholesky(1e-11).unwrap_err(), Superfluous(0));
    }
}

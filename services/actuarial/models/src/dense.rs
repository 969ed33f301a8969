//! Large dense systems, positive definite, factorised on as many threads as there are cores.
//!
//! Columns are taken in panels: what the columns before a panel say of it is taken off at once, tile by
//! tile, so that a number is read once for many products. Every cell is summed in an order that does not
//! depend on the threads, so the factor is the same to the bit on any machine. Systems of some hundred
//! unknowns, and what a singular one is singular by, are [`crate::linalg`]'s.

use std::num::NonZero;
use std::thread::{self, available_parallelism};

use crate::linalg::dot;
use crate::stop::{Stop, Stopped};

/// Columns of a panel.
const PANEL: usize = 64;
/// Products of a tile that are summed before the next part of the panel is read: what they are made of
/// stays in the nearest cache.
const DEPTH: usize = 256;
/// Rows and columns of a tile, whose sums stay in registers.
const TILE: usize = 4;
/// Right-hand sides that are solved together.
const TOGETHER: usize = 16;

/// A square matrix, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    size: usize,
    cells: Vec<f64>,
}

/// The factor L of A = L·Lᵀ. Above its diagonal cells mean nothing.
#[derive(Clone, Debug)]
pub(crate) struct Factor {
    size: usize,
    lower: Vec<f64>,
}

/// Why there is no factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FactorError {
    /// The matrix is not positive definite, or not of numbers.
    #[error("the matrix is not positive definite")]
    NotPositive,
    /// Somebody called it off.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Dense {
    /// The matrix of these cells, by row and column.
    pub(crate) fn of(size: usize, cell: impl Fn(usize, usize) -> f64 + Sync) -> Dense {
        let mut cells = vec![0.0; size * size];
        blocks(&mut cells, size.max(1), |row, cells| {
            cells.iter_mut().enumerate().for_each(|(column, own)| *own = cell(row, column));
        });
        Dense { size, cells }
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.size..(row + 1) * self.size]
    }

    /// A·x.
    pub(crate) fn times(&self, x: &[f64]) -> Vec<f64> {
        self.cells.chunks_exact(self.size.max(1)).map(|row| dot(row, x)).collect()
    }

    /// Factorises in place; cells above the diagonal are not read. Asked before every panel.
    pub(crate) fn factor(self, stop: Stop<'_>) -> Result<Factor, FactorError> {
        let Dense { size, mut cells } = self;
        for from in (0..size).step_by(PANEL) {
            stop.ask()?;
            let panel = Panel { size, from, to: (from + PANEL).min(size) };
            let before = panel.pack(&cells);
            let (above, below) = cells.split_at_mut(panel.to * size);
            let own = &mut above[from * size..];
            own.chunks_mut(TILE * size).for_each(|rows| panel.take_off(&before, rows));
            panel.factor_corner(own)?;
            let corner = &*own;
            blocks(below, TILE * size, |_, rows| {
                panel.take_off(&before, rows);
                rows.chunks_mut(size).for_each(|row| panel.divide(corner, row));
            });
        }
        Ok(Factor { size, lower: cells })
    }
}

/// Columns of a matrix that is being factorised; those before them are done.
#[derive(Clone, Copy, Debug)]
struct Panel {
    size: usize,
    from: usize,
    to: usize,
}

impl Panel {
    /// Tiles side by side.
    fn tiles(self) -> usize {
        (self.to - self.from).div_ceil(TILE)
    }

    /// The panel's own rows in the columns before it, in the order tiles read them: part by part of
    /// `DEPTH` columns, tile by tile, column by column. What a tile lacks of rows is zero.
    fn pack(self, cells: &[f64]) -> Vec<[f64; TILE]> {
        let mut packed = Vec::with_capacity(self.tiles() * self.from);
        for part in (0..self.from).step_by(DEPTH) {
            for tile in 0..self.tiles() {
                for column in part..(part + DEPTH).min(self.from) {
                    let cell = |of: usize| {
                        let row = self.from + tile * TILE + of;
                        if row < self.to { cells[row * self.size + column] } else { 0.0 }
                    };
                    packed.push(std::array::from_fn(cell));
                }
            }
        }
        packed
    }

    /// Takes off up to a tile of rows, in the panel's columns, what the columns before say of them.
    fn take_off(self, before: &[[f64; TILE]], rows: &mut [f64]) {
        let mut own = [[0.0; TILE]; DEPTH];
        let mut place = 0;
        for part in (0..self.from).step_by(DEPTH) {
            let depth = DEPTH.min(self.from - part);
            for (of, row) in rows.chunks_exact(self.size).enumerate() {
                let cells = &row[part..part + depth];
                own.iter_mut().zip(cells).for_each(|(own, cell)| own[of] = *cell);
            }
            for tile in 0..self.tiles() {
                let sums = products(&own[..depth], &before[place..place + depth]);
                place += depth;
                let left = self.from + tile * TILE;
                for (row, sums) in rows.chunks_exact_mut(self.size).zip(&sums) {
                    let cells = &mut row[left..self.to.min(left + TILE)];
                    cells.iter_mut().zip(sums).for_each(|(cell, sum)| *cell -= sum);
                }
            }
        }
    }

    /// The factor where the panel meets its own rows.
    fn factor_corner(self, own: &mut [f64]) -> Result<(), FactorError> {
        for row in 0..self.to - self.from {
            let (above, rest) = own.split_at_mut(row * self.size);
            let cells = &mut rest[self.from..self.to];
            for column in 0..row {
                let other = &above[column * self.size + self.from..][..=column];
                let left = cells[column] - dot(&cells[..column], &other[..column]);
                cells[column] = left / other[column];
            }
            let left = cells[row] - dot(&cells[..row], &cells[..row]);
            if left > 0.0 && left.is_finite() {
                cells[row] = left.sqrt();
            } else {
                return Err(FactorError::NotPositive);
            }
        }
        Ok(())
    }

    /// The factor's cells of a row below the corner.
    fn divide(self, corner: &[f64], row: &mut [f64]) {
        let cells = &mut row[self.from..self.to];
        for column in 0..cells.len() {
            let other = &corner[column * self.size + self.from..][..=column];
            let left = cells[column] - dot(&cells[..column], &other[..column]);
            cells[column] = left / other[column];
        }
    }
}

/// Sums of products, of every of four rows with every of four others.
fn products(rows: &[[f64; TILE]], others: &[[f64; TILE]]) -> [[f64; TILE]; TILE] {
    let mut sums = [[0.0; TILE]; TILE];
    for (row, other) in rows.iter().zip(others) {
        for (sums, row) in sums.iter_mut().zip(row) {
            for (sum, other) in sums.iter_mut().zip(other) {
                *sum += row * other;
            }
        }
    }
    sums
}

impl Factor {
    /// x of A·x = b.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        for row in 0..self.size {
            let cells = self.row(row);
            x[row] = (x[row] - dot(&cells[..row], &x[..row])) / cells[row];
        }
        for row in (0..self.size).rev() {
            let cells = self.row(row);
            x[row] /= cells[row];
            let own = x[row];
            x[..row].iter_mut().zip(cells).for_each(|(x, cell)| *x -= cell * own);
        }
        x
    }

    /// bᵀ·A⁻¹·b of so many b, told by which and row. Asked before every few of them.
    pub(crate) fn quadratics(
        &self,
        count: usize,
        b: impl Fn(usize, usize) -> f64 + Sync,
        stop: Stop<'_>,
    ) -> Result<Vec<f64>, Stopped> {
        let mut found = vec![0.0; count];
        blocks(&mut found, TOGETHER, |block, found| {
            if stop.ask().is_ok() {
                let first = block * TOGETHER;
                let sums =
                    self.half_squares(
                        |of, row| {
                            if of < found.len() { b(first + of, row) } else { 0.0 }
                        },
                    );
                found.copy_from_slice(&sums[..found.len()]);
            }
        });
        stop.ask()?;
        Ok(found)
    }

    /// Sums of squares of x of L·x = b.
    fn half_squares(&self, b: impl Fn(usize, usize) -> f64) -> [f64; TOGETHER] {
        let mut x: Vec<[f64; TOGETHER]> = Vec::with_capacity(self.size);
        let mut squares = [0.0; TOGETHER];
        for row in 0..self.size {
            let cells = self.row(row);
            let mut sums = [0.0; TOGETHER];
            for (cell, x) in cells.iter().zip(&x) {
                sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += cell * x);
            }
            let own = std::array::from_fn(|of| (b(of, row) - sums[of]) / cells[row]);
            squares.iter_mut().zip(&own).for_each(|(square, x)| *square += x * x);
            x.push(own);
        }
        squares
    }

    /// ln |A|.
    pub(crate) fn ln_determinant(&self) -> f64 {
        (0..self.size).map(|row| 2.0 * self.row(row)[row].ln()).sum()
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.lower[row * self.size..(row + 1) * self.size]
    }
}

/// Works on blocks of so many cells, each by its number, on as many threads as there are cores.
fn blocks(cells: &mut [f64], length: usize, work: impl Fn(usize, &mut [f64]) + Sync) {
    let threads = available_parallelism().map_or(1, NonZero::get);
    let mut shares: Vec<Vec<(usize, &mut [f64])>> = (0..threads).map(|_| vec![]).collect();
    // In turn, for blocks further down may take longer.
    for (number, block) in cells.chunks_mut(length).enumerate() {
        shares[number % threads].push((number, block));
    }
    let work = &work;
    thread::scope(|scope| {
        for share in shares.into_iter().filter(|share| !share.is_empty()) {
            scope.spawn(move || share.into_iter().for_each(|(number, block)| work(number, block)));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::Symmetric;
    use crate::random::Draws;

    /// A positive definite matrix of this size.
    fn drawn(size: usize) -> Symmetric {
        let mut draws = Draws::new(7, 0);
        let mut matrix = Symmetric::zero(size);
        for row in 0..size {
            for column in 0..row {
                matrix.add(row, column, draws.normal());
            }
            matrix.add(row, row, 4.0 * (size as f64).sqrt() + draws.normal().abs());
        }
        matrix
    }

    #[test]
    fn a_factor_in_panels_is_that_of_one_column_after_the_other() {
        // Less than a panel, whole ones, and some of tiles, panels and parts that are not whole.
        for size in [1, 3, 64, 67, 128, 333, 390] {
            let matrix = drawn(size);
            let plain = matrix.cholesky(0.0).unwrap();
            let dense = Dense::of(size, |row, column| matrix.at(row, column));
            let b: Vec<f64> = (0..size).map(|row| (row as f64).sin()).collect();
            let near = |one: &[f64], other: &[f64]| {
                one.iter().zip(other).for_each(|(a, b)| assert!((a - b).abs() < 1e-11, "{a} {b}"));
            };
            near(&dense.times(&b), &matrix.times(&b));
            let factor = dense.factor(Stop::NEVER).unwrap();
            near(&factor.solve(&b), &plain.solve(&b));
            let column = |of: usize, row: usize| matrix.at(row, of) / (1.0 + of as f64);
            let squares = factor.quadratics(size, column, Stop::NEVER).unwrap();
            for (of, found) in squares.iter().enumerate() {
                let b: Vec<f64> = (0..size).map(|row| column(of, row)).collect();
                let half = plain.half_solve(&b);
                near(&[*found], &[dot(&half, &half)]);
            }
        }
        assert!(Dense::of(0, |_, _| 1.0).factor(Stop::NEVER).unwrap().solve(&[]).is_empty());
    }

    #[test]
    fn what_is_not_positive_has_no_factor_and_who_stops_it_gets_none() {
        let size = 100;
        let flawed = |wrong: f64| {
            let cell = |row: usize, column: usize| match (row == column, row) {
                (true, 80) => wrong,
                (true, _) => 1.0,
                _ => 0.0,
            };
            Dense::of(size, cell).factor(Stop::NEVER).map(|factor| factor.ln_determinant())
        };
        assert!((flawed(2.0).unwrap() - 2.0_f64.ln()).abs() < 1e-12);
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(flawed(wrong), Err(FactorError::NotPositive), "{wrong}");
        }
        let stopped = Dense::of(size, |_, _| 1.0).factor(Stop::when(&|| true)).map(|_| ());
        assert_eq!(stopped, Err(FactorError::Stopped(Stopped)));
    }
}

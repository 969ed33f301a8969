//! The bootstrap of the over-dispersed Poisson model (England and Verrall 2002).
//!
//! Residuals of the fitted increments are drawn anew for every cell, the model is fitted to the pseudo
//! triangle, and the future cells are drawn around what it then says: a distribution of the reserve
//! with both of its errors. The same seed gives the same draws.

use super::ReservingError;
use super::odp::{Cells, Fit};
use crate::linalg::Symmetric;
use crate::number::all_finite;
use crate::random::Draws;
use crate::stop::Stop;
use crate::triangle::Triangle;

/// Draws between two questions whether to go on.
const BATCH: usize = 256;

/// How Pearson residuals are brought to the variance they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residuals {
    /// All by √(cells / degrees of freedom).
    #[default]
    Degrees,
    /// Each by 1/√(1 − h) of its cell, then centred.
    Hat,
}

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many triangles to draw.
    pub draws: usize,
    /// Where the stream of draws starts.
    pub seed: u64,
    /// The adjustment of residuals.
    pub residuals: Residuals,
    /// Whether residuals of cells the model fits exactly (the two corners of a full triangle) are
    /// drawn too; they are zero whatever the data.
    pub exact_cells: bool,
}

/// Draws of one amount, in increasing order.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    draws: Vec<f64>,
}

/// What was simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrapped {
    /// φ of the fitted model.
    pub dispersion: f64,
    /// Reserves of the models fitted to pseudo triangles: parameter error alone.
    pub parameter: Simulated,
    /// Reserves with future cells drawn too, gamma with variance φ·μ.
    pub prediction: Simulated,
    /// The same for each origin.
    pub origins: Vec<Simulated>,
}

impl Default for Bootstrap {
    fn default() -> Bootstrap {
        Bootstrap { draws: 10_000, seed: 0, residuals: Residuals::default(), exact_cells: false }
    }
}

impl Simulated {
    /// Draws in any order.
    fn of(mut draws: Vec<f64>, what: &'static str) -> Result<Simulated, ReservingError> {
        all_finite(&draws, what)?;
        draws.sort_by(f64::total_cmp);
        Ok(Simulated { draws })
    }

    /// All draws, in increasing order.
    pub fn draws(&self) -> &[f64] {
        &self.draws
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.draws.iter().sum::<f64>() / self.draws.len() as f64
    }

    /// Their standard deviation.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.draws.iter().map(|draw| (draw - mean).powi(2)).sum();
        (squares / (self.draws.len() as f64 - 1.0)).sqrt()
    }

    /// The part of the draws below `outcome`.
    pub fn percentile(&self, outcome: f64) -> f64 {
        self.draws.partition_point(|draw| *draw < outcome) as f64 / self.draws.len() as f64
    }

    /// The amount that a part `p` (0 to 1) of the draws stays below, interpolated.
    pub fn quantile(&self, p: f64) -> f64 {
        let place = p.clamp(0.0, 1.0) * (self.draws.len() - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        self.draws[below] + (place - place.floor()) * (self.draws[above] - self.draws[below])
    }
}

impl Bootstrap {
    /// Simulates the reserve of `triangle`. Takes some microseconds per draw.
    pub fn run(&self, triangle: &Triangle) -> Result<Bootstrapped, ReservingError> {
        self.run_until(triangle, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every batch of draws.
    pub fn run_until(
        &self,
        triangle: &Triangle,
        stop: Stop<'_>,
    ) -> Result<Bootstrapped, ReservingError> {
        if self.draws < 2 {
            return Err(ReservingError::Argument("number of draws"));
        }
        let cells = Cells::of(triangle)?;
        let fit = cells.fit(&cells.amounts)?;
        let dispersion = cells.dispersion(&fit)?;
        let means: Vec<f64> =
            cells.known.iter().map(|&(o, a)| cells.mean(&fit.parameters, o, a)).collect();
        let pool = self.pool(&cells, &fit, &means)?;
        let refit = Refit::of(&cells);
        let (mut parameter, mut prediction) = (vec![], vec![]);
        let mut origins = vec![Vec::with_capacity(self.draws); cells.origins];
        let mut future = vec![0.0; cells.future.len()];
        let mut pseudo = vec![0.0; cells.known.len()];
        let mut by_origin = vec![0.0; cells.origins];
        for draw in 0..self.draws {
            if draw % BATCH == 0 {
                stop.ask()?;
            }
            let mut draws = Draws::new(self.seed, draw as u64);
            for (amount, mean) in pseudo.iter_mut().zip(&means) {
                *amount = mean + pool[draws.below(pool.len())] * mean.sqrt();
            }
            refit.future(&cells, &pseudo, &mut future)?;
            parameter.push(future.iter().sum());
            by_origin.fill(0.0);
            for (&(origin, _), &mean) in cells.future.iter().zip(&future) {
                by_origin[origin] += around(&mut draws, mean, dispersion);
            }
            prediction.push(by_origin.iter().sum());
            origins.iter_mut().zip(&by_origin).for_each(|(all, amount)| all.push(*amount));
        }
        Ok(Bootstrapped {
            dispersion,
            parameter: Simulated::of(parameter, "simulated reserve")?,
            prediction: Simulated::of(prediction, "simulated reserve")?,
            origins: origins
                .into_iter()
                .map(|draws| Simulated::of(draws, "simulated reserve of an origin"))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Residuals to draw from.
    fn pool(&self, cells: &Cells, fit: &Fit, means: &[f64]) -> Result<Vec<f64>, ReservingError> {
        let factor = fit.information.cholesky(0.0).map_err(|lost| cells.lost(lost))?;
        let covariance = factor.inverse();
        let degrees = (cells.known.len() - cells.parameters()) as f64;
        let all = (cells.known.len() as f64 / degrees).sqrt();
        let mut pool = vec![];
        for ((&(origin, age), amount), mean) in cells.known.iter().zip(&cells.amounts).zip(means) {
            let free = 1.0 - mean * leverage(&covariance, cells, origin, age);
            let residual = (amount - mean) / mean.sqrt();
            let exact = free < 1e-8;
            if exact && !self.exact_cells {
                continue;
            }
            pool.push(match self.residuals {
                _ if exact => 0.0,
                Residuals::Degrees => residual * all,
                Residuals::Hat => residual / free.sqrt(),
            });
        }
        if self.residuals == Residuals::Hat {
            let mean = pool.iter().sum::<f64>() / pool.len() as f64;
            pool.iter_mut().for_each(|residual| *residual -= mean);
        }
        Ok(pool)
    }
}

/// xᵀ·V·x of the design row of a cell.
fn leverage(covariance: &Symmetric, cells: &Cells, origin: usize, age: usize) -> f64 {
    let row = |column| cells.columns(origin, age).map(move |other| (column, other));
    cells.columns(origin, age).flat_map(row).map(|(i, j)| covariance.at(i, j)).sum()
}

/// An amount with this mean and variance φ·|mean|, of the sign of the mean.
fn around(draws: &mut Draws, mean: f64, dispersion: f64) -> f64 {
    let shape = mean.abs() / dispersion;
    if shape > 0.0 { mean.signum() * dispersion * draws.gamma(shape) } else { 0.0 }
}

/// How a pseudo triangle is fitted.
enum Refit {
    /// Every origin is known from its first age on: the fit is the chain ladder.
    Staircase { latest: Vec<usize> },
    /// Newton.
    Holes,
}

impl Refit {
    fn of(cells: &Cells) -> Refit {
        let mut known = vec![0; cells.origins];
        for &(origin, age) in &cells.known {
            // Cells come in order; a hole makes the age run ahead of the count.
            if age != known[origin] {
                return Refit::Holes;
            }
            known[origin] += 1;
        }
        Refit::Staircase { latest: known.into_iter().map(|count| count - 1).collect() }
    }

    /// Fills in what the model of `amounts` expects of the future cells.
    fn future(
        &self,
        cells: &Cells,
        amounts: &[f64],
        future: &mut [f64],
    ) -> Result<(), ReservingError> {
        match self {
            Refit::Staircase { latest } => ladder(cells, latest, amounts, future),
            Refit::Holes => {
                let fit = cells.fit(amounts)?;
                let means = cells.future.iter().map(|&(o, a)| cells.mean(&fit.parameters, o, a));
                future.iter_mut().zip(means).for_each(|(amount, mean)| *amount = mean);
            }
        }
        Ok(())
    }
}

/// Future increments by chain ladder. A factor of 0/0 shows up in the draws, which are checked.
fn ladder(cells: &Cells, latest: &[usize], amounts: &[f64], future: &mut [f64]) {
    let mut sums = vec![(0.0, 0.0); cells.ages];
    let mut reached = vec![0.0; cells.origins];
    for (&(origin, age), amount) in cells.known.iter().zip(amounts) {
        if age > 0 {
            sums[age].0 += reached[origin];
            sums[age].1 += reached[origin] + amount;
        }
        reached[origin] += amount;
    }
    for (&(origin, age), amount) in cells.future.iter().zip(future) {
        debug_assert!(age > latest[origin]);
        let grown = reached[origin] * sums[age].1 / sums[age].0;
        *amount = grown - reached[origin];
        reached[origin] = grown;
    }
}

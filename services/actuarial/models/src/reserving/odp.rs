//! The over-dispersed Poisson model of increments: ln μ = origin + age, variance φ·μ.
//!
//! Quasi-likelihood, so single increments may be negative as long as every origin and every age adds up
//! to something positive. On a triangle without holes the reserve is the chain ladder's. Errors are
//! the exact ones of the delta method (Renshaw and Verrall 1998), with covariances of all cells.

use super::ReservingError;
use crate::linalg::{Superfluous, Symmetric, dot};
use crate::number::{all_finite, finite};
use crate::triangle::Triangle;

/// A pivot below this part of its diagonal means an undetermined parameter.
const TOLERANCE: f64 = 1e-11;

/// Newton steps after which the fit is given up.
const STEPS: usize = 100;

/// The fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Odp {
    /// Intercept, then origins from the second, then ages from the second.
    pub coefficients: Vec<f64>,
    /// φ: Pearson's chi-squared over the degrees of freedom.
    pub dispersion: f64,
    /// How many cells are known.
    pub cells: usize,
    /// Deviance; `None` when an increment is negative, which gives it no value.
    pub deviance: Option<f64>,
    /// Reserve and errors of each origin.
    pub origins: Vec<OdpError>,
    /// Reserve and errors of all origins together.
    pub total: OdpError,
    /// Expected amounts of the calendar periods to come, the next one first.
    ///
    /// Periods are counted in steps of the ages, so they are calendar periods where ages and origins
    /// have the same grain.
    pub calendar: Vec<f64>,
}

/// A reserve and the standard deviations of its error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OdpError {
    /// What is still to come.
    pub reserve: f64,
    /// By chance: √(φ·Σμ).
    pub process: f64,
    /// By not knowing the parameters.
    pub estimation: f64,
}

impl OdpError {
    /// Both together: the root of the mean squared error of prediction.
    pub fn total(&self) -> f64 {
        self.process.hypot(self.estimation)
    }
}

/// Known and future cells of a triangle as origin, age.
pub(crate) struct Cells {
    pub(crate) origins: usize,
    pub(crate) ages: usize,
    pub(crate) known: Vec<(usize, usize)>,
    pub(crate) future: Vec<(usize, usize)>,
    /// Increments of the known cells.
    pub(crate) amounts: Vec<f64>,
}

/// Parameters of a model of [`Cells`] and the information about them.
pub(crate) struct Fit {
    pub(crate) parameters: Vec<f64>,
    pub(crate) information: Symmetric,
}

/// Fits the model to the increments of `triangle`.
pub fn odp(triangle: &Triangle) -> Result<Odp, ReservingError> {
    let cells = Cells::of(triangle)?;
    let fit = cells.fit(&cells.amounts)?;
    let dispersion = cells.dispersion(&fit)?;
    let factor = fit.information.cholesky(TOLERANCE).map_err(|lost| cells.lost(lost))?;
    let covariance = factor.inverse();
    let error = |wanted: &dyn Fn(usize) -> bool| -> Result<OdpError, ReservingError> {
        let mut slope = vec![0.0; fit.parameters.len()];
        let mut reserve = 0.0;
        for &(origin, age) in cells.future.iter().filter(|cell| wanted(cell.0)) {
            let mean = cells.mean(&fit.parameters, origin, age);
            reserve += mean;
            cells.columns(origin, age).for_each(|column| slope[column] += mean);
        }
        let process = finite((dispersion * reserve).sqrt(), "process error")?;
        let estimation = (dispersion * covariance.quadratic(&slope)).sqrt();
        Ok(OdpError { reserve, process, estimation: finite(estimation, "estimation error")? })
    };
    let origins = (0..cells.origins).map(|origin| error(&|of| of == origin));
    Ok(Odp {
        dispersion,
        cells: cells.known.len(),
        deviance: cells.deviance(&fit),
        origins: origins.collect::<Result<_, _>>()?,
        total: error(&|_| true)?,
        calendar: cells.calendar(&fit),
        coefficients: fit.parameters,
    })
}

impl Cells {
    pub(crate) fn of(triangle: &Triangle) -> Result<Cells, ReservingError> {
        let (origins, ages) = (triangle.origins(), triangle.ages().len());
        let mut cells = Cells { origins, ages, known: vec![], future: vec![], amounts: vec![] };
        for origin in 0..origins {
            let (latest, _) = triangle.latest(origin).ok_or(ReservingError::NoLatest(origin))?;
            for age in 0..ages {
                if let Some(amount) = triangle.increment(origin, age) {
                    cells.known.push((origin, age));
                    cells.amounts.push(amount);
                } else if age > latest {
                    cells.future.push((origin, age));
                }
            }
        }
        Ok(cells)
    }

    pub(crate) fn parameters(&self) -> usize {
        self.origins + self.ages - 1
    }

    /// Columns of the design that are one in a cell.
    pub(crate) fn columns(&self, origin: usize, age: usize) -> impl Iterator<Item = usize> {
        let origin = (origin > 0).then_some(origin);
        let age = (age > 0).then_some(self.origins - 1 + age);
        [Some(0), origin, age].into_iter().flatten()
    }

    pub(crate) fn mean(&self, parameters: &[f64], origin: usize, age: usize) -> f64 {
        self.columns(origin, age).map(|column| parameters[column]).sum::<f64>().exp()
    }

    /// Maximises the quasi-likelihood of `amounts` in the known cells by Newton steps.
    pub(crate) fn fit(&self, amounts: &[f64]) -> Result<Fit, ReservingError> {
        let mut parameters = self.start(amounts)?;
        let mut fallen = f64::INFINITY;
        for _ in 0..STEPS {
            let (information, score) = self.derivatives(&parameters, amounts);
            let factor = information.cholesky(TOLERANCE).map_err(|lost| self.lost(lost))?;
            let step = factor.solve(&score);
            all_finite(&step, "step of the fit")?;
            // Newton's decrement, in the unit of the amounts: how far the likelihood may yet rise.
            let decrement = dot(&step, &score);
            let length = step.iter().fold(0.0, |most: f64, part| most.max(part.abs()));
            let damping = if length > 2.0 { 2.0 / length } else { 1.0 };
            parameters.iter_mut().zip(&step).for_each(|(p, s)| *p += damping * s);
            let scale: f64 = amounts.iter().map(|amount| amount.abs()).sum();
            // Below the noise of rounding it stops falling, and another step changes nothing.
            if decrement <= 1e-24 * scale || (decrement <= 1e-14 * scale && decrement >= fallen) {
                return Ok(Fit { parameters, information });
            }
            fallen = decrement;
        }
        Err(ReservingError::NoConvergence(STEPS))
    }

    /// φ by Pearson.
    pub(crate) fn dispersion(&self, fit: &Fit) -> Result<f64, ReservingError> {
        let (cells, parameters) = (self.known.len(), self.parameters());
        if cells <= parameters {
            return Err(ReservingError::Saturated { cells, parameters });
        }
        let pearson = |(&(origin, age), amount): (&(usize, usize), &f64)| {
            let mean = self.mean(&fit.parameters, origin, age);
            (amount - mean).powi(2) / mean
        };
        let squares: f64 = self.known.iter().zip(&self.amounts).map(pearson).sum();
        Ok(finite(squares / (cells - parameters) as f64, "dispersion")?)
    }

    /// Names what a superfluous column stands for.
    pub(crate) fn lost(&self, Superfluous(column): Superfluous) -> ReservingError {
        match column {
            0 => ReservingError::Undetermined { what: "origin", index: 0 },
            _ if column < self.origins => {
                ReservingError::Undetermined { what: "origin", index: column }
            }
            _ => ReservingError::Undetermined { what: "age", index: column + 1 - self.origins },
        }
    }

    /// Where Newton starts: the row and column sums, as if both were independent.
    fn start(&self, amounts: &[f64]) -> Result<Vec<f64>, ReservingError> {
        let (mut rows, mut columns) = (vec![(0.0, 0.0); self.origins], vec![(0.0, 0.0); self.ages]);
        for (&(origin, age), amount) in self.known.iter().zip(amounts) {
            rows[origin].0 += amount;
            rows[origin].1 += 1.0;
            columns[age].0 += amount;
            columns[age].1 += 1.0;
        }
        let log_means = |sums: &[(f64, f64)], what| -> Result<Vec<f64>, ReservingError> {
            let log = |(index, &(sum, count)): (usize, &(f64, f64))| {
                let fits = sum > 0.0;
                if fits {
                    Ok((sum / count).ln())
                } else {
                    Err(ReservingError::NoVolume { what, index })
                }
            };
            sums.iter().enumerate().map(log).collect()
        };
        let (rows, columns) = (log_means(&rows, "origin")?, log_means(&columns, "age")?);
        let total: f64 = amounts.iter().sum();
        let level = (total / amounts.len() as f64).ln();
        let mut start = vec![rows[0] + columns[0] - level];
        start.extend(rows[1..].iter().map(|row| row - rows[0]));
        start.extend(columns[1..].iter().map(|column| column - columns[0]));
        Ok(start)
    }

    fn derivatives(&self, parameters: &[f64], amounts: &[f64]) -> (Symmetric, Vec<f64>) {
        let mut information = Symmetric::zero(parameters.len());
        let mut score = vec![0.0; parameters.len()];
        for (&(origin, age), amount) in self.known.iter().zip(amounts) {
            let mean = self.mean(parameters, origin, age);
            for column in self.columns(origin, age) {
                score[column] += amount - mean;
                for other in self.columns(origin, age).filter(|&other| other <= column) {
                    information.add(column, other, mean);
                }
            }
        }
        (information, score)
    }

    fn deviance(&self, fit: &Fit) -> Option<f64> {
        if self.amounts.iter().any(|&amount| amount < 0.0) {
            return None;
        }
        let part = |(&(origin, age), &amount): (&(usize, usize), &f64)| {
            let mean = self.mean(&fit.parameters, origin, age);
            let logarithm = if amount > 0.0 { amount * (amount / mean).ln() } else { 0.0 };
            2.0 * (logarithm - (amount - mean))
        };
        Some(self.known.iter().zip(&self.amounts).map(part).sum())
    }

    fn calendar(&self, fit: &Fit) -> Vec<f64> {
        let diagonal = |&(origin, age): &(usize, usize)| origin + age;
        let now = self.known.iter().map(diagonal).max().unwrap_or(0);
        let last = self.future.iter().map(diagonal).max().unwrap_or(now);
        let mut amounts = vec![0.0; last.saturating_sub(now)];
        for cell in self.future.iter().filter(|cell| diagonal(cell) > now) {
            amounts[diagonal(cell) - now - 1] += self.mean(&fit.parameters, cell.0, cell.1);
        }
        amounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Increments 10·origin level·age part, exactly; `hole` is missing.
    fn multiplicative(hole: Option<(usize, usize)>) -> Triangle {
        let (levels, parts) = ([1.0, 2.0, 3.0, 1.5], [40.0, 30.0, 20.0, 10.0]);
        let rows: Vec<Vec<Option<f64>>> = (0..4)
            .map(|origin| {
                let reached = |age: usize| parts[..=age].iter().sum::<f64>() * levels[origin];
                let known = |age| (hole != Some((origin, age))).then(|| reached(age));
                (0..4 - origin).map(known).collect()
            })
            .collect();
        Triangle::cumulative(12, vec![12, 24, 36, 48], &rows).unwrap()
    }

    #[test]
    fn a_multiplicative_triangle_is_completed_exactly_with_and_without_a_hole() {
        // 2·10 + 3·(20 + 10) + 1.5·(30 + 20 + 10).
        for hole in [None, Some((0, 1))] {
            let found = odp(&multiplicative(hole)).unwrap();
            assert!((found.total.reserve - 200.0).abs() < 1e-9, "{hole:?} {}", found.total.reserve);
            assert!(found.dispersion < 1e-20 && found.deviance.unwrap().abs() < 1e-9);
        }
    }

    #[test]
    fn what_the_cells_do_not_determine_is_named() {
        // Nothing but the first origin reaches the last age, and its cell there is missing.
        let lost = odp(&multiplicative(Some((0, 3)))).unwrap_err();
        assert_eq!(lost, ReservingError::NoVolume { what: "age", index: 3 });
    }
}

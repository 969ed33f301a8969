//! Munich chain ladder (Quarg and Mack 2004): paid and incurred amounts pull each other together.
//!
//! Where little is paid of what is incurred, more than the average will be paid, and less will be
//! added to what is incurred. λ says how strongly, one number for paid and one for incurred, from the
//! correlation of the residuals of all cells.

use super::mack::continue_line;
use super::{Development, LastSigma, ReservingError, Selection, chain_ladder, tail::Tail};
use crate::number::finite;
use crate::triangle::Triangle;

/// Both projections.
#[derive(Clone, Debug, PartialEq)]
pub struct Munich {
    /// Slope of paid residuals on those of incurred over paid.
    pub lambda_paid: f64,
    /// Slope of incurred residuals on those of paid over incurred.
    pub lambda_incurred: f64,
    /// Paid ultimates by origin.
    pub paid: Vec<f64>,
    /// Incurred ultimates by origin.
    pub incurred: Vec<f64>,
}

/// One of the two triangles and what moves it.
struct Side<'a> {
    triangle: &'a Triangle,
    development: Development,
    sigmas: Vec<f64>,
    /// Average of (other over this) at every age, and how much it varies.
    ratios: Vec<f64>,
    spreads: Vec<f64>,
}

/// Projects `paid` and `incurred` amounts of the same cells, with volume averages.
///
/// σ and the spread of the ratios are extrapolated log-linearly where one cell is all there is.
pub fn munich(paid: &Triangle, incurred: &Triangle) -> Result<Munich, ReservingError> {
    alike(paid, incurred)?;
    let mine = Side::of(paid, incurred)?;
    let theirs = Side::of(incurred, paid)?;
    let lambda_paid = mine.lambda(incurred)?;
    let lambda_incurred = theirs.lambda(paid)?;
    let mut found = Munich { lambda_paid, lambda_incurred, paid: vec![], incurred: vec![] };
    for origin in 0..paid.origins() {
        let (age, mut p) = paid.latest(origin).ok_or(ReservingError::NoLatest(origin))?;
        let (_, mut i) = incurred.latest(origin).ok_or(ReservingError::NoLatest(origin))?;
        for step in age..mine.sigmas.len() {
            let next_paid = p * mine.factor(step, lambda_paid, i / p);
            let next_incurred = i * theirs.factor(step, lambda_incurred, p / i);
            (p, i) = (next_paid, next_incurred);
        }
        found.paid.push(finite(p, "paid ultimate")?);
        found.incurred.push(finite(i, "incurred ultimate")?);
    }
    Ok(found)
}

impl<'a> Side<'a> {
    fn of(triangle: &'a Triangle, other: &Triangle) -> Result<Side<'a>, ReservingError> {
        let development = Selection::default().develop(triangle)?;
        let sigmas = LastSigma::LogLinear.complete(&development)?;
        // Also proves that every origin has a latest amount.
        chain_ladder(triangle, development.clone(), Tail::default())?;
        let (mut ratios, mut spreads) = (vec![], vec![]);
        for age in 0..triangle.ages().len() {
            let cells = cells(triangle, other, age);
            let volume: f64 = cells.iter().map(|cell| cell.0).sum();
            let ratio = finite(cells.iter().map(|cell| cell.1).sum::<f64>() / volume, "ratio")?;
            let square = |&(this, that): &(f64, f64)| (that - ratio * this).powi(2) / this;
            let squares: f64 = cells.iter().map(square).sum();
            ratios.push(ratio);
            // One cell gives 0/0: NaN, which the line below replaces.
            spreads.push((squares / (cells.len() as f64 - 1.0)).sqrt());
        }
        continue_line(&mut spreads)?;
        Ok(Side { triangle, development, sigmas, ratios, spreads })
    }

    /// The link ratio expected where (other over this) stands at `ratio`.
    fn factor(&self, step: usize, lambda: f64, ratio: f64) -> f64 {
        let pull = match self.spreads[step] {
            spread if spread > 0.0 => (ratio - self.ratios[step]) / spread,
            _ => 0.0,
        };
        self.development.factors[step] + lambda * self.sigmas[step] * pull
    }

    /// Slope through the origin of link-ratio residuals on ratio residuals.
    fn lambda(&self, other: &Triangle) -> Result<f64, ReservingError> {
        let (mut joint, mut square) = (0.0, 0.0);
        for (step, sigma) in self.development.sigmas.iter().enumerate() {
            let (Some(sigma), spread) = (*sigma, self.spreads[step]) else { continue };
            if sigma <= 0.0 || spread <= 0.0 {
                continue;
            }
            for origin in 0..self.triangle.origins() {
                let (Some(before), Some(after), Some(that)) = (
                    self.triangle.get(origin, step),
                    self.triangle.get(origin, step + 1),
                    other.get(origin, step),
                ) else {
                    continue;
                };
                let link = (after / before - self.development.factors[step]) / sigma;
                let ratio = (that / before - self.ratios[step]) / spread;
                joint += link * ratio * before;
                square += ratio * ratio * before;
            }
        }
        Ok(finite(joint / square, "lambda")?)
    }
}

/// Amounts of both triangles at one age.
fn cells(triangle: &Triangle, other: &Triangle, age: usize) -> Vec<(f64, f64)> {
    let cell = |origin| Some((triangle.get(origin, age)?, other.get(origin, age)?));
    (0..triangle.origins()).filter_map(cell).collect()
}

/// Both triangles know the same cells, and all are positive.
fn alike(paid: &Triangle, incurred: &Triangle) -> Result<(), ReservingError> {
    if paid.ages() != incurred.ages() || paid.origins() != incurred.origins() {
        return Err(ReservingError::Unlike);
    }
    for origin in 0..paid.origins() {
        for age in 0..paid.ages().len() {
            match (paid.get(origin, age), incurred.get(origin, age)) {
                (None, None) => {}
                (Some(p), Some(i)) if p > 0.0 && i > 0.0 => {}
                (Some(_), Some(_)) => return Err(ReservingError::NotPositive { origin, age }),
                _ => return Err(ReservingError::Unlike),
            }
        }
    }
    Ok(())
}

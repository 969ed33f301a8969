//! Link ratios and their averages.
//!
//! All three averages are Mack's: weights are C^α with α = 1 (volume), 0 (simple), 2 (regression
//! through the origin), and the variance of a link ratio is σ²/C^α.

use super::ReservingError;
use crate::triangle::Triangle;

/// How link ratios of one step are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Average {
    /// Weighted by the amount before: ΣC' / ΣC.
    #[default]
    Volume,
    /// Each link ratio counts the same.
    Simple,
    /// Weighted by the squared amount: least squares through the origin.
    Regression,
}

/// Which link ratios count, and how. The default is the volume average of all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// The average.
    pub average: Average,
    /// Only so many of the most recent link ratios of each step.
    pub recent: Option<usize>,
    /// Link ratios left out: origin and index of the age they start from.
    pub without: Vec<(usize, usize)>,
    /// So many of the highest of each step are left out, as long as another stays.
    pub without_highest: usize,
    /// So many of the lowest of each step are left out, as long as another stays.
    pub without_lowest: usize,
}

/// What happens from each age to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Development {
    /// The average.
    pub average: Average,
    /// Age-to-age factors; one fewer than ages.
    pub factors: Vec<f64>,
    /// σ of each step, in Mack's sense; `None` where there are fewer than two link ratios.
    pub sigmas: Vec<Option<f64>>,
    /// Sum of the weights C^α of each step: the variance of a factor is σ² divided by it.
    pub weights: Vec<f64>,
}

impl Selection {
    /// Averages the link ratios of every step.
    ///
    /// An amount of zero or below carries no link ratio: it has no part in simple averages and no
    /// σ, and is refused for both. Volume and regression averages accept it.
    pub fn develop(&self, triangle: &Triangle) -> Result<Development, ReservingError> {
        let steps = triangle.ages().len() - 1;
        let mut development = Development {
            average: self.average,
            factors: Vec::with_capacity(steps),
            sigmas: Vec::with_capacity(steps),
            weights: Vec::with_capacity(steps),
        };
        let mut links = Vec::with_capacity(triangle.origins());
        for step in 0..steps {
            self.links(triangle, step, &mut links)?;
            let (factor, weight) = self.factor(&links, step)?;
            development.factors.push(factor);
            development.weights.push(weight);
            development.sigmas.push(self.sigma(&links, factor));
        }
        Ok(development)
    }

    /// Whether every link ratio that counts goes on counting when others come in.
    pub(crate) fn keeps_links(&self) -> bool {
        self.recent.is_none() && self.without_highest + self.without_lowest == 0
    }

    /// Amounts before and after of the link ratios that count.
    fn links(
        &self,
        triangle: &Triangle,
        step: usize,
        links: &mut Vec<(f64, f64)>,
    ) -> Result<(), ReservingError> {
        links.clear();
        for origin in 0..triangle.origins() {
            let row = triangle.row(origin);
            let (before, after) = (row[step], row[step + 1]);
            if before.is_nan() || after.is_nan() || self.without.contains(&(origin, step)) {
                continue;
            }
            if before <= 0.0 && self.average == Average::Simple {
                return Err(ReservingError::NotPositive { origin, age: step });
            }
            links.push((before, after));
        }
        if let Some(recent) = self.recent {
            links.drain(..links.len().saturating_sub(recent));
        }
        if self.without_highest + self.without_lowest > 0 {
            links.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
            let spare = links.len().saturating_sub(1);
            links.truncate(links.len() - self.without_highest.min(spare));
            let spare = links.len().saturating_sub(1);
            links.drain(..self.without_lowest.min(spare));
        }
        Ok(())
    }

    fn factor(&self, links: &[(f64, f64)], step: usize) -> Result<(f64, f64), ReservingError> {
        let (mut above, mut weight) = (0.0, 0.0);
        for &(before, after) in links {
            let (numerator, volume) = match self.average {
                Average::Volume => (after, before),
                Average::Simple => (after / before, 1.0),
                Average::Regression => (after * before, before * before),
            };
            above += numerator;
            weight += volume;
        }
        let usable = weight > 0.0 && (above / weight).is_finite();
        if usable { Ok((above / weight, weight)) } else { Err(ReservingError::NoLink(step)) }
    }

    /// √(Σ C^α (F − f)² / (n − 1)).
    fn sigma(&self, links: &[(f64, f64)], factor: f64) -> Option<f64> {
        let degrees = links.len().checked_sub(1).filter(|&degrees| degrees > 0)?;
        let mut squares = 0.0;
        for &(before, after) in links {
            let apart = after - factor * before;
            squares += apart * apart / before.powi(2) * self.average.weight(before);
        }
        let variance = squares / degrees as f64;
        variance.is_finite().then(|| variance.sqrt())
    }
}

impl Average {
    /// C^α.
    pub(crate) fn weight(self, amount: f64) -> f64 {
        match self {
            Average::Volume => amount,
            Average::Simple => 1.0,
            Average::Regression => amount * amount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triangle() -> Triangle {
        let rows = [[100.0, 150.0], [200.0, 240.0], [400.0, 800.0]];
        let rows = rows.map(|row| row.iter().copied().map(Some).collect());
        Triangle::cumulative(12, vec![12, 24], &rows).unwrap()
    }

    #[test]
    fn averages_and_exclusions_are_those_of_a_hand_calculation() {
        // Link ratios 1.5, 1.2, 2.0.
        let all = Selection::default();
        let cases = [
            (all.clone(), 1190.0 / 700.0),
            (Selection { average: Average::Simple, ..all.clone() }, 4.7 / 3.0),
            (Selection { average: Average::Regression, ..all.clone() }, 383_000.0 / 210_000.0),
            (Selection { recent: Some(1), ..all.clone() }, 2.0),
            (Selection { without: vec![(2, 0)], ..all.clone() }, 390.0 / 300.0),
            (Selection { without_highest: 1, ..all.clone() }, 390.0 / 300.0),
            (Selection { without_lowest: 1, ..all.clone() }, 950.0 / 500.0),
            (Selection { without_lowest: 9, without_highest: 1, ..all }, 1.5),
        ];
        for (selection, factor) in cases {
            let found = selection.develop(&triangle()).unwrap().factors[0];
            assert!((found - factor).abs() < 1e-14, "{selection:?}: {found} is not {factor}");
        }
    }

    #[test]
    fn sigma_is_that_of_a_hand_calculation() {
        // Volume factor 1.7: 100·0.04 + 200·0.25 + 400·0.09 = 90, over two degrees.
        let sigma = Selection::default().develop(&triangle()).unwrap().sigmas[0].unwrap();
        assert!((sigma - 45f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_step_without_link_ratios_is_named() {
        let selection = Selection { without: vec![(0, 0), (1, 0), (2, 0)], ..Selection::default() };
        assert_eq!(selection.develop(&triangle()), Err(ReservingError::NoLink(0)));
    }
}

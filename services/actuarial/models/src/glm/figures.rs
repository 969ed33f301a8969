//! Everything that is said about a fit once its steps have come to rest.

use super::climb::{CONVERGED, PASSES, Problem};
use super::family::{AnyPair, Curvature, Kernel};
use super::pass::{Sums, each_part, predictors, sum_rows};
use super::{Coefficient, Family, Fit, GlmError, Link};
use crate::linalg::Symmetric;
use crate::number::{all_finite, finite};

impl Problem<'_> {
    /// Everything that is said about the fit.
    pub(crate) fn finish(
        mut self,
        fitted: &[f64],
        sums: Sums,
        level: f64,
    ) -> Result<Fit, GlmError> {
        let model = self.model;
        let (family, link) = (model.family, model.link);
        let penalised = !model.penalty.is_none();
        let sums = match self.canonical() || penalised {
            true => sums,
            false => self.sums(fitted, Curvature::Expected),
        };
        let mut means = predictors(&self.layout, &self.rows, fitted, self.threads);
        each_part(&mut means, self.threads, |means| {
            means.iter_mut().for_each(|mean| *mean = link.mean(*mean));
        });
        let [pearson, count] = sum_rows(&self.rows, self.threads, |row, weight| {
            let (response, mean) = (self.rows.response[row], means[row]);
            [weight * (response - mean).powi(2) / family.variance(mean), 1.0]
        });
        let count = count as usize;
        let estimated = match penalised {
            true => fitted.iter().filter(|estimate| **estimate != 0.0).count(),
            false => self.kept.len(),
        };
        let degrees = count.saturating_sub(estimated);
        let dispersion = match family.dispersion_is_one() {
            true => 1.0,
            false => finite(pearson / degrees as f64, "dispersion")?,
        };
        let covariance = if penalised { None } else { Some(self.covariance(&sums.information)?) };
        let estimates = self.layout.restore(fitted);
        all_finite(&estimates, "coefficient")?;
        let coefficients = estimates.into_iter().zip(&self.layout.names).enumerate();
        let coefficients = coefficients
            .map(|(column, (estimate, name))| {
                let own = covariance.as_ref().filter(|_| self.kept.contains(&column));
                let error = own.map(|own| (dispersion * own.at(column, column)).sqrt());
                Coefficient { name: name.clone(), estimate, error }
            })
            .collect();
        let null_deviance = self.null_deviance(level)?;
        let fit = Fit {
            model: model.clone(),
            coefficients,
            dropped: self.dropped(),
            dispersion,
            deviance: finite(sums.deviance, "deviance")?,
            null_deviance: finite(null_deviance, "null deviance")?,
            pearson: finite(pearson, "Pearson's chi-squared")?,
            log_likelihood: self.log_likelihood(&means, dispersion)?,
            rows: count,
            degrees,
            passes: self.passes,
            means,
            covariance,
            columns: self.layout.terms.clone(),
        };
        all_finite(fit.coefficients.iter().filter_map(|c| c.error.as_ref()), "standard error")?;
        Ok(fit)
    }

    fn dropped(&self) -> Vec<String> {
        let names = self.layout.names.iter().enumerate();
        let dropped = names.filter(|(column, _)| !self.kept.contains(column));
        dropped.map(|(_, name)| name.clone()).collect()
    }

    /// Covariance of the coefficients of the columns as given, φ = 1; zero for dropped ones.
    fn covariance(&self, information: &Symmetric) -> Result<Symmetric, GlmError> {
        let inverse = self.factor(information)?.inverse();
        let count = self.layout.columns();
        let mut fitted = vec![vec![0.0; count]; count];
        for (i, &row) in self.kept.iter().enumerate() {
            for (j, &column) in self.kept.iter().enumerate() {
                fitted[row][column] = inverse.at(i, j);
            }
        }
        // B·V·Bᵀ: both sides brought back, one after the other.
        let half: Vec<Vec<f64>> = fitted.iter().map(|row| self.layout.restore(row)).collect();
        let mut given = Symmetric::zero(count);
        for column in 0..count {
            let across: Vec<f64> = half.iter().map(|row| row[column]).collect();
            for (row, value) in self.layout.restore(&across).into_iter().enumerate().skip(column) {
                given.add(row, column, value);
            }
        }
        Ok(given)
    }

    fn log_likelihood(&self, means: &[f64], dispersion: f64) -> Result<Option<f64>, GlmError> {
        let family = self.model.family;
        if let Family::Tweedie { .. } = family {
            return Ok(None);
        }
        let [sum] = sum_rows(&self.rows, self.threads, |row, weight| {
            let density =
                family.log_density(self.rows.response[row], means[row], weight, dispersion);
            [density.unwrap_or(f64::NAN)]
        });
        Ok(Some(finite(sum, "log-likelihood")?))
    }

    /// Deviance of the best intercept with the offset as it is.
    fn null_deviance(&self, level: f64) -> Result<f64, GlmError> {
        let (family, link) = (self.model.family, self.model.link);
        let exact = self.rows.offset.is_none() || (family, link) == (Family::Poisson, Link::Log);
        let at = |level: f64| {
            let kernel = AnyPair(family, link);
            let rows = &self.rows;
            sum_rows(rows, self.threads, |row, weight| {
                let offset = rows.offset.map_or(0.0, |offset| offset[row]);
                let point = kernel.at(level + offset, rows.response[row]);
                [weight * point.score, weight * point.information, weight * point.deviance]
            })
        };
        let mut level = level;
        let mut sums = at(level);
        for _ in 0..if exact { 0 } else { PASSES } {
            let step = sums[0] / sums[1];
            level += step;
            sums = at(level);
            if step * step * sums[1] < CONVERGED {
                break;
            }
        }
        Ok(finite(sums[2] + self.constant, "null deviance")?)
    }
}

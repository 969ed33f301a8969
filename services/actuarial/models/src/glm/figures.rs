//! Everything that is said about a fit once its steps have come to rest.

use super::climb::{CONVERGED, PASSES, Problem};
use super::family::Curvature;
use super::pass::Sums;
use super::source::{Design, Distance, Source};
use super::{Coefficient, Family, Fit, GlmError, Link};
use crate::linalg::Symmetric;
use crate::number::{all_finite, finite};

impl<S: Source> Problem<'_, S> {
    /// Everything that is said about the fit but the means of the rows.
    pub(crate) fn finish(
        mut self,
        fitted: &[f64],
        sums: Sums,
        level: f64,
    ) -> Result<(Fit, S), S::Error> {
        let model = self.model;
        let family = model.family;
        let penalised = !model.penalty.is_none();
        let sums = match self.canonical() || penalised {
            true => sums,
            false => self.sums(fitted, Curvature::Expected)?,
        };
        let design = Design { model, layout: &self.layout };
        let Distance { pearson, rows } = self.source.distance(design, fitted)?;
        let estimated = match penalised {
            true => fitted.iter().filter(|estimate| **estimate != 0.0).count(),
            false => self.kept.len(),
        };
        let degrees = rows.saturating_sub(estimated);
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
        let log_likelihood = self.log_likelihood(fitted, dispersion)?;
        let fit = Fit {
            model: model.clone(),
            coefficients,
            dropped: self.dropped(),
            dispersion,
            deviance: finite(sums.deviance, "deviance")?,
            null_deviance: finite(null_deviance, "null deviance")?,
            pearson: finite(pearson, "Pearson's chi-squared")?,
            log_likelihood,
            rows,
            degrees,
            passes: self.passes,
            means: None,
            covariance,
            columns: self.layout.terms.clone(),
            elsewhere: None,
        };
        all_finite(fit.coefficients.iter().filter_map(|c| c.error.as_ref()), "standard error")?;
        Ok((fit, self.source))
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

    fn log_likelihood(&mut self, fitted: &[f64], dispersion: f64) -> Result<Option<f64>, S::Error> {
        if !self.model.family.has_density() {
            return Ok(None);
        }
        let design = Design { model: self.model, layout: &self.layout };
        let sum = self.source.likelihood(design, fitted, dispersion)?;
        Ok(Some(finite(sum, "log-likelihood")?))
    }

    /// Deviance of the best intercept with the offset as it is.
    fn null_deviance(&mut self, level: f64) -> Result<f64, S::Error> {
        let model = self.model;
        let poisson = (model.family.plain(), model.link) == (Family::Poisson, Link::Log);
        if poisson || !self.source.has_offset() {
            // The level of the totals is the best, and where the fit began.
            return Ok(self.first_deviance);
        }
        let mut level = level;
        let mut sums = self.source.alone(model, level)?;
        for _ in 0..PASSES {
            let step = sums.score / sums.information;
            level += step;
            sums = self.source.alone(model, level)?;
            if step * step * sums.information < CONVERGED {
                break;
            }
        }
        Ok(finite(sums.deviance + self.constant, "null deviance")?)
    }
}

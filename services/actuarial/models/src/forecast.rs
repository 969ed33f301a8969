//! Forecasts of a premium series, in closed form.
//!
//! Four ways that a person can follow: the last value stands; each season grows as it did last year;
//! a straight line through the logarithms; Holt's level and trend.

use crate::number::{NotFinite, finite};
use crate::reserving::line;

/// Why a series cannot be continued.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ForecastError {
    /// Too few values for the method.
    #[error("{found} values are too few: the method needs {needed}")]
    TooShort {
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A value the method cannot work with.
    #[error("value {0} is not a positive number")]
    Value(usize),
    /// An argument out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// How a series goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// As it was last.
    LastValue,
    /// Each season of so many per year is the one a year before, grown as that one had grown.
    SeasonalGrowth {
        /// Periods of a year.
        seasons: usize,
    },
    /// The least-squares line through the logarithms.
    LogLinear,
    /// Holt's exponential smoothing, started from the first two values.
    Holt {
        /// Weight of a new value in the level, 0 to 1.
        level: f64,
        /// Weight of a new step in the trend, 0 to 1.
        trend: f64,
    },
}

impl Method {
    /// The next `periods` values of a series of positive values, oldest first.
    pub fn forecast(self, series: &[f64], periods: usize) -> Result<Vec<f64>, ForecastError> {
        let bad = series.iter().position(|&value| !(value > 0.0 && value.is_finite()));
        if let Some(place) = bad {
            return Err(ForecastError::Value(place));
        }
        let needed = match self {
            Method::LastValue => 1,
            Method::SeasonalGrowth { seasons: 0 } => {
                return Err(ForecastError::Argument("number of seasons"));
            }
            Method::SeasonalGrowth { seasons } => 2 * seasons,
            Method::LogLinear | Method::Holt { .. } => 2,
        };
        if series.len() < needed {
            return Err(ForecastError::TooShort { found: series.len(), needed });
        }
        let values = match self {
            Method::LastValue => vec![series[series.len() - 1]; periods],
            Method::SeasonalGrowth { seasons } => seasonal(series, seasons, periods),
            Method::LogLinear => log_linear(series, periods),
            Method::Holt { level, trend } => holt(series, level, trend, periods)?,
        };
        for value in &values {
            finite(*value, "forecast")?;
        }
        Ok(values)
    }
}

/// Mean absolute error of forecasts, relative to what was observed.
///
/// `None` when there is nothing to compare, or an observation of zero.
pub fn relative_error(forecast: &[f64], observed: &[f64]) -> Option<f64> {
    let errors = forecast.iter().zip(observed).map(|(f, o)| ((f - o) / o).abs());
    let mean = errors.sum::<f64>() / forecast.len().min(observed.len()) as f64;
    mean.is_finite().then_some(mean)
}

fn seasonal(series: &[f64], seasons: usize, periods: usize) -> Vec<f64> {
    let mut all = series.to_vec();
    for _ in 0..periods {
        let (year, before) = (all[all.len() - seasons], all[all.len() - 2 * seasons]);
        all.push(year * year / before);
    }
    all.split_off(series.len())
}

fn log_linear(series: &[f64], periods: usize) -> Vec<f64> {
    let logs = series.iter().enumerate().map(|(at, value)| (at as f64, value.ln()));
    let (start, slope) = line(&logs.collect::<Vec<_>>());
    let next = series.len()..series.len() + periods;
    next.map(|at| (start + slope * at as f64).exp()).collect()
}

fn holt(series: &[f64], alpha: f64, beta: f64, periods: usize) -> Result<Vec<f64>, ForecastError> {
    if !(0.0..=1.0).contains(&alpha) || !(0.0..=1.0).contains(&beta) {
        return Err(ForecastError::Argument("smoothing weight"));
    }
    let (mut level, mut trend) = (series[0], series[1] - series[0]);
    for value in &series[1..] {
        let next = alpha * value + (1.0 - alpha) * (level + trend);
        trend = beta * (next - level) + (1.0 - beta) * trend;
        level = next;
    }
    Ok((1..=periods).map(|ahead| level + ahead as f64 * trend).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_cannot_be_continued_is_refused_by_name() {
        let seasonal = Method::SeasonalGrowth { seasons: 2 };
        let short = seasonal.forecast(&[1.0, 2.0, 3.0], 1);
        assert_eq!(short, Err(ForecastError::TooShort { found: 3, needed: 4 }));
        assert_eq!(Method::LogLinear.forecast(&[1.0, 0.0], 1), Err(ForecastError::Value(1)));
        let holt = Method::Holt { level: 1.5, trend: 0.1 };
        assert!(matches!(holt.forecast(&[1.0, 2.0], 1), Err(ForecastError::Argument(_))));
        assert_eq!(relative_error(&[1.0], &[0.0]), None);
    }

    #[test]
    fn exact_growth_goes_on() {
        let doubling = [1.0, 2.0, 4.0, 8.0];
        let next = Method::LogLinear.forecast(&doubling, 2).unwrap();
        assert!((next[0] - 16.0).abs() < 1e-12 && (next[1] - 32.0).abs() < 1e-12);
        let seasonal = Method::SeasonalGrowth { seasons: 2 };
        assert_eq!(seasonal.forecast(&doubling, 3).unwrap(), [16.0, 32.0, 64.0]);
        let line = Method::Holt { level: 0.5, trend: 0.5 };
        assert_eq!(line.forecast(&[1.0, 2.0, 3.0], 2).unwrap(), [4.0, 5.0]);
    }
}

//! What is left of single rows when a model has said its part.

use super::{ValidationError, each, same_length};
use crate::glm::Family;
use crate::number::all_finite;
use crate::random::Draws;
use crate::special::{gamma_upper, normal_quantile};

/// How a response is compared with its mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// Response less mean.
    Raw,
    /// That over the standard deviation the family gives it (φ = 1): squares add up to Pearson's
    /// chi-squared.
    Pearson,
    /// The root of a row's part of the deviance, with the sign of response less mean.
    Deviance,
    /// The normal quantile of the place a count has in its distribution, drawn within the count's step:
    /// standard normal when the model is right, however small the mean. Poisson and binomial (0 or 1)
    /// families without weights. Source: Dunn and Smyth 1996.
    Quantile {
        /// What the place within a step is drawn by.
        seed: u64,
    },
}

impl Residual {
    /// Residuals of the rows; those without weight have zero.
    pub fn of(
        self,
        family: Family,
        response: &[f64],
        means: &[f64],
        weight: Option<&[f64]>,
    ) -> Result<Vec<f64>, ValidationError> {
        let rows = response.len();
        let weights = weight.map_or(rows, <[f64]>::len);
        same_length(rows, &[("means", means.len()), ("weights", weights)])?;
        each("response", response, |value| family.refuses(value).is_none())?;
        each("mean", means, |mean| family.reaches(mean))?;
        each("weight", weight.unwrap_or(&[]), |weight| weight >= 0.0)?;
        let pairs = response.iter().zip(means);
        let weigh = |row: usize| weight.map_or(1.0, |weight| weight[row]);
        let found: Vec<f64> = match self {
            Residual::Raw => pairs
                .enumerate()
                .map(|(row, (y, mean))| if weigh(row) > 0.0 { y - mean } else { 0.0 })
                .collect(),
            Residual::Pearson => pairs
                .enumerate()
                .map(|(row, (y, mean))| (y - mean) * (weigh(row) / family.variance(*mean)).sqrt())
                .collect(),
            Residual::Deviance => pairs
                .enumerate()
                .map(|(row, (y, mean))| {
                    let unit = family.constant(*y) + family.moving_deviance(*y, *mean);
                    (y - mean).signum() * (weigh(row) * unit.max(0.0)).sqrt()
                })
                .collect(),
            Residual::Quantile { seed } => {
                if weight.is_some() {
                    return Err(ValidationError::Argument("a weight of quantile residuals"));
                }
                let mut draws = Draws::new(seed, 0);
                let place = |y: f64, mean: f64| -> Result<(f64, f64), ValidationError> {
                    match family {
                        Family::Poisson => {
                            Ok((poisson_below(y, mean), poisson_below(y + 1.0, mean)))
                        }
                        Family::Binomial if y == 0.0 => Ok((0.0, 1.0 - mean)),
                        Family::Binomial if y == 1.0 => Ok((1.0 - mean, 1.0)),
                        _ => Err(ValidationError::Argument("the family of quantile residuals")),
                    }
                };
                let mut found = Vec::with_capacity(rows);
                for (y, mean) in pairs {
                    let (low, high) = place(*y, *mean)?;
                    let drawn = low + draws.uniform() * (high - low);
                    found.push(normal_quantile(drawn.clamp(1e-15, 1.0 - 1e-15)));
                }
                found
            }
        };
        all_finite(&found, "residual")?;
        Ok(found)
    }
}

/// P(X < y) of a Poisson count.
fn poisson_below(y: f64, mean: f64) -> f64 {
    if y > 0.0 { gamma_upper(y.ceil(), mean) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_are_those_of_a_hand_calculation() {
        let of = |kind: Residual, weight: Option<&[f64]>| {
            kind.of(Family::Poisson, &[0.0, 3.0], &[0.5, 1.0], weight).unwrap()
        };
        assert_eq!(of(Residual::Raw, None), [-0.5, 2.0]);
        let pearson = of(Residual::Pearson, Some(&[1.0, 4.0]));
        assert!((pearson[0] + 0.5f64.sqrt()).abs() < 1e-15 && pearson[1] == 4.0);
        // 2·μ, and 2·(3 ln 3 − 2).
        let deviance = of(Residual::Deviance, None);
        assert!((deviance[0] + 1.0).abs() < 1e-14);
        assert!((deviance[1] - (2.0 * (3.0 * 3f64.ln() - 2.0)).sqrt()).abs() < 1e-14);
    }

    #[test]
    fn quantile_residuals_are_normal_when_the_model_is_right() {
        // Counts of mean 0.7 by their exact parts of 10,000 rows.
        let mut counts = vec![];
        let mut part = (-0.7f64).exp();
        for count in 0..8 {
            counts.extend(vec![f64::from(count); (10_000.0 * part).round() as usize]);
            part *= 0.7 / f64::from(count + 1);
        }
        let means = vec![0.7; counts.len()];
        let kind = Residual::Quantile { seed: 4 };
        let mut found = kind.of(Family::Poisson, &counts, &means, None).unwrap();
        found.sort_by(f64::total_cmp);
        for (part, want) in [(0.05, -1.6449), (0.25, -0.6745), (0.5, 0.0), (0.95, 1.6449)] {
            let got = found[(part * counts.len() as f64) as usize];
            assert!((got - want).abs() < 0.05, "{part}: {got}");
        }
        let weighed = kind.of(Family::Poisson, &[1.0], &[1.0], Some(&[1.0]));
        assert!(weighed.is_err());
        assert!(kind.of(Family::Gamma, &[1.0], &[1.0], None).is_err());
        let refused = Residual::Raw.of(Family::Poisson, &[1.0, f64::NAN], &[1.0, 1.0], None);
        assert_eq!(refused, Err(ValidationError::Value { what: "response", row: 1 }));
        let refused = Residual::Raw.of(Family::Poisson, &[1.0], &[0.0], None);
        assert_eq!(refused, Err(ValidationError::Value { what: "mean", row: 0 }));
    }
}

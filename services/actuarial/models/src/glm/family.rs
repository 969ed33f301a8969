//! Families of responses, their links, and what one row contributes to a fit.

use super::{GlmError, tweedie};
use crate::special::ln_gamma;

/// The distribution of a response around its mean μ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    /// Variance 1; any response.
    Gaussian,
    /// Variance μ; counts, or anything not negative as a quasi-likelihood.
    Poisson,
    /// Variance μ²; positive amounts.
    Gamma,
    /// Variance μ^p: any p but between 0 and 1, where there is no such distribution. 0 is Gaussian, 1
    /// quasi-Poisson, 2 Gamma, 3 inverse Gaussian. Any response up to 0, zero or positive amounts from 1 on,
    /// positive ones from 2 on; the mean is positive but for p = 0.
    Tweedie {
        /// The power p.
        power: f64,
    },
    /// Variance μ(1 − μ); parts between 0 and 1, such as whether something happened.
    Binomial,
    /// Variance μ + α·μ²; counts.
    NegativeBinomial {
        /// α, above zero.
        alpha: f64,
    },
}

/// The function of the mean that is linear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Link {
    /// ln μ: effects multiply.
    Log,
    /// ln(μ / (1 − μ)); of the binomial family.
    Logit,
    /// μ^λ, λ not zero: 1 is the mean itself, −1 its inverse.
    Power(f64),
}

/// What a row with one linear predictor contributes, before its weight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Point {
    /// Slope of the log-likelihood (φ = 1) in the predictor.
    pub(crate) score: f64,
    /// Its curvature, or the expectation of that.
    pub(crate) information: f64,
    /// Unit deviance without its part that depends on the response alone.
    pub(crate) deviance: f64,
}

/// Which curvature a pass takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curvature {
    /// Of these data: Newton's steps.
    Observed,
    /// Of data like these: standard errors.
    Expected,
}

impl Family {
    /// The family with the same mean, variance and deviance that has formulas of its own.
    pub(crate) fn plain(self) -> Family {
        match self {
            Family::Tweedie { power: 0.0 } => Family::Gaussian,
            Family::Tweedie { power: 1.0 } => Family::Poisson,
            Family::Tweedie { power: 2.0 } => Family::Gamma,
            other => other,
        }
    }

    /// Whether [`Family::log_density`] says something: not of a quasi-likelihood, and not below p = 0,
    /// where nobody has claims.
    pub(crate) fn has_density(self) -> bool {
        !matches!(self, Family::Tweedie { power } if power < 0.0 || power == 1.0)
    }

    /// Whether φ is one rather than estimated.
    pub(crate) fn dispersion_is_one(self) -> bool {
        matches!(self, Family::Poisson | Family::Binomial | Family::NegativeBinomial { .. })
    }

    pub(crate) fn variance(self, mean: f64) -> f64 {
        match self.plain() {
            Family::Gaussian => 1.0,
            Family::Poisson => mean,
            Family::Gamma => mean * mean,
            Family::Tweedie { power } => mean.powf(power),
            Family::Binomial => mean * (1.0 - mean),
            Family::NegativeBinomial { alpha } => mean + alpha * mean * mean,
        }
    }

    /// Refuses parameters and links that do not go with the family.
    pub(crate) fn check(self, link: Link) -> Result<(), GlmError> {
        match self {
            Family::Tweedie { power } if !power.is_finite() || (power > 0.0 && power < 1.0) => {
                return Err(GlmError::Argument(
                    "power of the Tweedie family (none is between 0 and 1)",
                ));
            }
            Family::NegativeBinomial { alpha } if !(alpha > 0.0 && alpha.is_finite()) => {
                return Err(GlmError::Argument("alpha of the negative binomial family"));
            }
            _ => {}
        }
        match link {
            Link::Logit if self != Family::Binomial => {
                Err(GlmError::Argument("the logit link of this family"))
            }
            Link::Power(power) if power == 0.0 || !power.is_finite() => {
                Err(GlmError::Argument("power of the link"))
            }
            _ => Ok(()),
        }
    }

    /// What responses are known, in words; `None` when `response` is one of them.
    pub(crate) fn refuses(self, response: f64) -> Option<&'static str> {
        let (known, wanted) = match self.plain() {
            Family::Gaussian => (response.is_finite(), "a finite number"),
            Family::Gamma => (response > 0.0 && response.is_finite(), "positive"),
            Family::Tweedie { power } if power < 0.0 => (response.is_finite(), "a finite number"),
            Family::Tweedie { power } if power > 2.0 => {
                (response > 0.0 && response.is_finite(), "positive")
            }
            Family::Binomial => ((0.0..=1.0).contains(&response), "between 0 and 1"),
            Family::Poisson | Family::Tweedie { .. } | Family::NegativeBinomial { .. } => {
                (response >= 0.0 && response.is_finite(), "zero or positive")
            }
        };
        (!known).then_some(wanted)
    }

    /// Whether a response can have this mean.
    pub(crate) fn reaches(self, mean: f64) -> bool {
        match self.plain() {
            Family::Gaussian => mean.is_finite(),
            Family::Binomial => mean > 0.0 && mean < 1.0,
            _ => mean > 0.0 && mean.is_finite(),
        }
    }

    /// The part of the unit deviance that depends on the response alone.
    pub(crate) fn constant(self, y: f64) -> f64 {
        let y_ln_y = if y > 0.0 { y * y.ln() } else { 0.0 };
        match self.plain() {
            Family::Gaussian => y * y,
            Family::Poisson => 2.0 * (y_ln_y - y),
            Family::Gamma => -2.0 * (y.ln() + 1.0),
            // Below p = 0 what is negative counts as nothing here.
            Family::Tweedie { power: p } => {
                2.0 * y.max(0.0).powf(2.0 - p) / ((1.0 - p) * (2.0 - p))
            }
            Family::Binomial => {
                let rest = 1.0 - y;
                2.0 * (y_ln_y + if rest > 0.0 { rest * rest.ln() } else { 0.0 })
            }
            Family::NegativeBinomial { alpha } => {
                2.0 * (y_ln_y - (y + 1.0 / alpha) * (alpha * y).ln_1p())
            }
        }
    }

    /// Log-density of a response with this mean; `None` for a family without one.
    pub(crate) fn log_density(
        self,
        y: f64,
        mean: f64,
        weight: f64,
        dispersion: f64,
    ) -> Option<f64> {
        let y_ln = |x: f64| if y > 0.0 { y * x.ln() } else { 0.0 };
        // Most counts are 0 or 1, whose factorial needs no computing.
        let ln_factorial = |y: f64| if y == 0.0 || y == 1.0 { 0.0 } else { ln_gamma(y + 1.0) };
        if !self.has_density() {
            return None;
        }
        Some(match self.plain() {
            Family::Gaussian => {
                let scale = dispersion / weight;
                -0.5 * ((y - mean).powi(2) / scale + (std::f64::consts::TAU * scale).ln())
            }
            Family::Poisson => weight * (y_ln(mean) - mean - ln_factorial(y)),
            Family::Gamma => {
                let shape = weight / dispersion;
                shape * (shape * y / mean).ln() - shape * y / mean - y.ln() - ln_gamma(shape)
            }
            Family::Tweedie { power } => tweedie::ln_density(power, y, mean, dispersion / weight),
            Family::Binomial => {
                let rest = if y < 1.0 { (1.0 - y) * (-mean).ln_1p() } else { 0.0 };
                weight * (y_ln(mean) + rest)
            }
            Family::NegativeBinomial { alpha } => {
                let size = 1.0 / alpha;
                let shape = ln_gamma(y + size) - ln_gamma(size) - ln_factorial(y);
                let odds = alpha * mean;
                weight * (shape + y_ln(odds / (1.0 + odds)) - size * odds.ln_1p())
            }
        })
    }

    /// The unit deviance without [`Family::constant`].
    pub(crate) fn moving_deviance(self, y: f64, mean: f64) -> f64 {
        match self.plain() {
            Family::Gaussian => mean * mean - 2.0 * y * mean,
            Family::Poisson => 2.0 * (mean - if y > 0.0 { y * mean.ln() } else { 0.0 }),
            Family::Gamma => 2.0 * (mean.ln() + y / mean),
            Family::Tweedie { power: p } => {
                2.0 * (mean.powf(2.0 - p) / (2.0 - p) - y * mean.powf(1.0 - p) / (1.0 - p))
            }
            Family::Binomial => {
                let happened = if y > 0.0 { y * mean.ln() } else { 0.0 };
                let not = if y < 1.0 { (1.0 - y) * (-mean).ln_1p() } else { 0.0 };
                -2.0 * (happened + not)
            }
            Family::NegativeBinomial { alpha } => {
                let size = y + 1.0 / alpha;
                2.0 * (size * (alpha * mean).ln_1p() - if y > 0.0 { y * mean.ln() } else { 0.0 })
            }
        }
    }
}

impl Link {
    /// The predictor of a mean.
    pub(crate) fn of(self, mean: f64) -> f64 {
        match self {
            Link::Log => mean.ln(),
            Link::Logit => (mean / (1.0 - mean)).ln(),
            Link::Power(power) => mean.powf(power),
        }
    }

    /// The mean of a predictor; NaN outside what the link reaches.
    pub(crate) fn mean(self, eta: f64) -> f64 {
        match self {
            Link::Log => eta.exp(),
            Link::Logit => 1.0 / (1.0 + (-eta).exp()),
            Link::Power(1.0) => eta,
            Link::Power(power) => eta.powf(1.0 / power),
        }
    }

    /// Slope of the mean in the predictor.
    fn slope(self, eta: f64, mean: f64) -> f64 {
        match self {
            Link::Log => mean,
            Link::Logit => mean * (1.0 - mean),
            Link::Power(power) => mean / (power * eta),
        }
    }
}

/// Contributions of a row; made into one loop for each pair of family and link that is used much.
pub(crate) trait Kernel: Copy + Send + Sync {
    /// At this predictor and response.
    fn at(self, eta: f64, y: f64) -> Point;
}

/// Something done with a kernel, whichever it is.
pub(crate) trait WithKernel {
    type Out;

    fn with(self, kernel: impl Kernel) -> Self::Out;
}

/// Does it with the kernel of a family, a link and a curvature.
pub(crate) fn with_kernel<W: WithKernel>(
    family: Family,
    link: Link,
    curvature: Curvature,
    todo: W,
) -> W::Out {
    match (family.plain(), link) {
        (Family::Poisson, Link::Log) => todo.with(PoissonLog),
        (Family::Gamma, Link::Log) => todo.with(GammaLog(curvature)),
        (Family::Tweedie { power }, Link::Log) => todo.with(TweedieLog(power, curvature)),
        (Family::Binomial, Link::Logit) => todo.with(Logistic),
        (Family::NegativeBinomial { alpha }, Link::Log) => {
            todo.with(NegativeBinomialLog(alpha, curvature))
        }
        (family, link) => todo.with(AnyPair(family, link)),
    }
}

/// Poisson with log link: both curvatures are the mean.
#[derive(Clone, Copy)]
struct PoissonLog;

/// Gamma with log link.
#[derive(Clone, Copy)]
struct GammaLog(Curvature);

/// Tweedie with log link, by expected curvature unless p is between 1 and 2: elsewhere that of these data may
/// be negative.
#[derive(Clone, Copy)]
struct TweedieLog(f64, Curvature);

/// Binomial with logit link.
#[derive(Clone, Copy)]
struct Logistic;

/// Negative binomial with log link.
#[derive(Clone, Copy)]
struct NegativeBinomialLog(f64, Curvature);

/// Any other pair, by expected curvature, which is positive for all of them.
#[derive(Clone, Copy)]
pub(crate) struct AnyPair(pub(crate) Family, pub(crate) Link);

impl Kernel for PoissonLog {
    #[inline(always)]
    fn at(self, eta: f64, y: f64) -> Point {
        let mean = eta.exp();
        Point { score: y - mean, information: mean, deviance: 2.0 * (mean - y * eta) }
    }
}

impl Kernel for GammaLog {
    #[inline(always)]
    fn at(self, eta: f64, y: f64) -> Point {
        let ratio = y * (-eta).exp();
        let information = if self.0 == Curvature::Observed { ratio } else { 1.0 };
        Point { score: ratio - 1.0, information, deviance: 2.0 * (eta + ratio) }
    }
}

impl Kernel for TweedieLog {
    #[inline(always)]
    fn at(self, eta: f64, y: f64) -> Point {
        let p = self.0;
        let power = ((1.0 - p) * eta).exp(); // μ^(1−p)
        let (level, seen) = (power * eta.exp(), y * power);
        let information = match self.1 {
            Curvature::Observed if p > 1.0 && p < 2.0 => (2.0 - p) * level + (p - 1.0) * seen,
            _ => level,
        };
        let deviance = 2.0 * (level / (2.0 - p) - seen / (1.0 - p));
        Point { score: seen - level, information, deviance }
    }
}

impl Kernel for Logistic {
    #[inline(always)]
    fn at(self, eta: f64, y: f64) -> Point {
        let small = (-eta.abs()).exp();
        let less = small / (1.0 + small);
        let mean = if eta >= 0.0 { 1.0 - less } else { less };
        let log_sum = eta.max(0.0) + small.ln_1p(); // ln(1 + e^η)
        // μ(1 − μ) from the smaller side: 1 − μ would round to nothing.
        let information = less / (1.0 + small);
        Point { score: y - mean, information, deviance: 2.0 * (log_sum - y * eta) }
    }
}

impl Kernel for NegativeBinomialLog {
    #[inline(always)]
    fn at(self, eta: f64, y: f64) -> Point {
        let alpha = self.0;
        let mean = eta.exp();
        let over = 1.0 + alpha * mean;
        let information = match self.1 {
            Curvature::Observed => mean * (1.0 + alpha * y) / (over * over),
            Curvature::Expected => mean / over,
        };
        let deviance = 2.0 * ((y + 1.0 / alpha) * over.ln() - y * eta);
        Point { score: (y - mean) / over, information, deviance }
    }
}

impl Kernel for AnyPair {
    fn at(self, eta: f64, y: f64) -> Point {
        let AnyPair(family, link) = self;
        let mean = link.mean(eta);
        let (slope, variance) = (link.slope(eta, mean), family.variance(mean));
        Point {
            score: (y - mean) * slope / variance,
            information: slope * slope / variance,
            deviance: if family.reaches(mean) {
                family.moving_deviance(y, mean)
            } else {
                f64::NAN // a step that went too far: the fit halves it
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kernel: impl Kernel, family: Family, link: Link, y: f64) {
        let eta = link.of(0.3);
        let (general, own) = (AnyPair(family, link).at(eta, y), kernel.at(eta, y));
        assert!((general.score - own.score).abs() < 1e-14, "{family:?}");
        assert!((general.deviance - own.deviance).abs() < 1e-13, "{family:?}");
        // The score is minus half the slope of the deviance, the information minus that of the score.
        let step = 1e-5;
        let (low, high) = (kernel.at(eta - step, y), kernel.at(eta + step, y));
        assert!(((low.deviance - high.deviance) / (4.0 * step) - own.score).abs() < 1e-8);
        assert!(((low.score - high.score) / (2.0 * step) - own.information).abs() < 1e-8);
        // At the response itself, the deviance is zero.
        let exact = kernel.at(link.of(y), y).deviance + family.constant(y);
        assert!(exact.abs() < 1e-13, "{family:?} {exact}");
    }

    #[test]
    fn kernels_agree_with_the_general_one_and_with_their_own_slopes() {
        use Curvature::Observed;
        check(PoissonLog, Family::Poisson, Link::Log, 2.0);
        check(GammaLog(Observed), Family::Gamma, Link::Log, 2.0);
        check(TweedieLog(1.7, Observed), Family::Tweedie { power: 1.7 }, Link::Log, 2.0);
        check(Logistic, Family::Binomial, Link::Logit, 0.75);
        let family = Family::NegativeBinomial { alpha: 0.4 };
        check(NegativeBinomialLog(0.4, Observed), family, Link::Log, 2.0);
    }

    #[test]
    fn a_power_decides_which_responses_there_are_and_what_they_cost() {
        let refuses = |power: f64, y: f64| Family::Tweedie { power }.refuses(y).is_some();
        let cases = [
            // p, then whether −1, 0 and 1 are refused.
            (-0.5, [false, false, false]),
            (0.0, [false, false, false]),
            (1.0, [true, false, false]),
            (1.5, [true, false, false]),
            (2.0, [true, true, false]),
            (2.5, [true, true, false]),
        ];
        for (power, wanted) in cases {
            assert_eq!([-1.0, 0.0, 1.0].map(|y| refuses(power, y)), wanted, "{power}");
        }
        // At p = 3 (y − μ)²/(μ²·y); at −1 2·(y³/6 − y·μ²/2 + μ³/3), without the first below zero.
        let cost = |power: f64, y: f64, mean: f64| {
            let family = Family::Tweedie { power };
            family.constant(y) + family.moving_deviance(y, mean)
        };
        let cases = [
            (cost(3.0, 2.0, 5.0), 9.0 / 50.0),
            (cost(-1.0, 3.0, 2.0), 2.0 * (4.5 - 6.0 + 8.0 / 3.0)),
            (cost(-1.0, -3.0, 2.0), 2.0 * (6.0 + 8.0 / 3.0)),
            (cost(0.0, 3.0, 1.0), 4.0),
            (cost(1.0, 0.0, 0.3), 0.6),
            (cost(2.0, 2.0, 1.0), 2.0 * (1.0 - 2f64.ln())),
        ];
        for (found, wanted) in cases {
            assert!((found - wanted).abs() < 1e-13, "{found} is not {wanted}");
        }
    }

    #[test]
    fn parameters_and_links_that_do_not_go_together_are_refused() {
        for power in [0.5, 1e-9, f64::NAN, f64::INFINITY] {
            let tweedie = Family::Tweedie { power }.check(Link::Log);
            let wanted = "power of the Tweedie family (none is between 0 and 1)";
            assert_eq!(tweedie, Err(GlmError::Argument(wanted)), "{power}");
        }
        for power in [-1.0, 0.0, 1.0, 1.5, 2.0, 2.5, 3.0] {
            assert!(Family::Tweedie { power }.check(Link::Log).is_ok(), "{power}");
        }
        assert!(Family::Poisson.check(Link::Logit).is_err());
        assert!(Family::Gamma.check(Link::Power(-1.0)).is_ok());
        assert!(Family::NegativeBinomial { alpha: 0.0 }.check(Link::Log).is_err());
    }
}

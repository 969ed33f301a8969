//! Watching the ratios of many groups, such as losses to premium, while volumes change.
//!
//! Neither the mean of a ratio nor its spread is known: each period is compared with all before it, the
//! spread being as much smaller as the volume is larger. What is left over is brought to a standard
//! normal by Student's distribution, and is independent from period to period however few periods
//! there are (self-starting charts: Hawkins 1987; Quesenberry 1991). The sum of that is a CUSUM whose
//! limit of each period is passed, without any change and without an earlier signal, with the stated
//! probability. It rests on sums that are near normal: where single losses are most of a sum, count
//! claims instead ([`Watch`](super::Watch)).

use super::WarningError;
use crate::number::finite;
use crate::special::{normal_cdf, normal_quantile, student_upper};
use crate::stop::Stop;

/// What is watched for, and how often nothing may be taken for something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioWatch {
    /// By how many standard deviations of a period's ratio it moves when it is to be found fast.
    pub shift: f64,
    /// Probability of a false alarm in a period, in any of the groups.
    pub false_alarms: f64,
    /// Periods at the beginning that are learnt from and not watched, at least three.
    pub learning: usize,
}

/// Sums of a group by period.
#[derive(Clone, Copy, Debug)]
pub struct Sums<'a> {
    /// What is divided, such as losses.
    pub amounts: &'a [f64],
    /// What it is divided by, such as premium; above zero.
    pub volumes: &'a [f64],
}

/// A period of a group after those that are learnt from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WatchedRatio {
    /// The ratio all periods before it had.
    pub expected: f64,
    /// How far the ratio lies above that, as a standard normal.
    pub normal: f64,
    /// The sum after the period.
    pub sum: f64,
    /// What it may be.
    pub limit: f64,
    /// Whether it is more; the sum then starts from zero.
    pub signal: bool,
}

/// Steps of one standard deviation in which chances are counted.
const PARTS: usize = 40;

/// Standard deviations beyond which nothing is left.
const FAR: usize = 9;

impl RatioWatch {
    /// Charts all groups from their first period after `learning` on; the probability of a false alarm
    /// in a period is that of all together. A group of fewer periods has none.
    pub fn chart_until(
        &self,
        groups: &[Sums<'_>],
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<WatchedRatio>>, WarningError> {
        if !(self.shift > 0.0 && self.shift <= 10.0) {
            return Err(WarningError::Argument("shift"));
        }
        if !(self.false_alarms > 0.0 && self.false_alarms < 1.0) {
            return Err(WarningError::Argument("probability of a false alarm"));
        }
        if self.learning < 3 {
            return Err(WarningError::Argument("number of periods to learn from"));
        }
        let each = -((-self.false_alarms).ln_1p() / groups.len().max(1) as f64).exp_m1();
        let longest = groups.iter().map(|group| group.amounts.len()).max().unwrap_or(0);
        // What is added is standard normal in every group, so limits are those of all.
        let limits = self.limits(each, longest.saturating_sub(self.learning), stop)?;
        let one = |group| {
            stop.ask()?;
            self.group(group, &limits)
        };
        groups.iter().map(one).collect()
    }

    fn group(&self, group: &Sums<'_>, limits: &[f64]) -> Result<Vec<WatchedRatio>, WarningError> {
        if group.amounts.len() != group.volumes.len() {
            return Err(WarningError::Argument("number of periods"));
        }
        let (mut amounts, mut volumes, mut squares) = (0.0, 0.0, 0.0);
        let (mut sum, mut since) = (0.0_f64, 0);
        let mut found = vec![];
        for (period, (&amount, &volume)) in group.amounts.iter().zip(group.volumes).enumerate() {
            if !amount.is_finite() {
                return Err(WarningError::Observation(period));
            }
            if !(volume > 0.0 && volume.is_finite()) {
                return Err(WarningError::Expected(volume));
            }
            if period == 0 {
                (amounts, volumes) = (amount, volume);
                continue;
            }
            // Variance of a ratio: one over its volume, times what the squares estimate.
            let mean = amounts / volumes;
            let off = (amount / volume - mean) / (1.0 / volume + 1.0 / volumes).sqrt();
            if period >= self.learning {
                let degrees = (period - 1) as f64;
                let spread = (squares / degrees).sqrt();
                if spread.is_nan() || spread <= 1e-12 * mean.abs() {
                    return Err(WarningError::NoSpread);
                }
                let student = off / spread;
                let tail = student_upper(student.abs(), degrees).max(1e-300);
                // Half of all lies above zero, where the quantile has no sign to lose.
                let size = if tail < 0.5 { -normal_quantile(tail) } else { 0.0 };
                let normal = finite(size * student.signum(), "standardised ratio")?;
                sum = (sum + normal - 0.5 * self.shift).max(0.0);
                let limit = limits[since];
                let signal = sum > limit;
                found.push(WatchedRatio { expected: mean, normal, sum, limit, signal });
                (sum, since) = if signal { (0.0, 0) } else { (sum, since + 1) };
            }
            squares += off * off;
            (amounts, volumes) = (amounts + amount, volumes + volume);
        }
        Ok(found)
    }

    /// The limit of each period since the sum last started from zero.
    fn limits(&self, rate: f64, periods: usize, stop: Stop<'_>) -> Result<Vec<f64>, WarningError> {
        let step = 1.0 / PARTS as f64;
        let reference = 0.5 * self.shift;
        // Chances of moving up by no more than so many cells and a half.
        let far = ((FAR + 1) * PARTS) as i64;
        let table: Vec<f64> =
            (-far..=far).map(|cells| normal_cdf((cells as f64 + 0.5) * step + reference)).collect();
        let up_to = |cells: i64| match usize::try_from(cells + far) {
            Ok(place) => table.get(place).copied().unwrap_or(1.0),
            Err(_) => 0.0,
        };
        // A cell holds the sums around it; the first, those that fell to zero.
        let mut chances = vec![1.0];
        let mut limits = Vec::with_capacity(periods);
        for _ in 0..periods {
            stop.ask()?;
            let size = chances.len() + FAR * PARTS;
            let mut next = vec![0.0; size];
            for (from, before) in chances.iter().enumerate() {
                // What falls below zero belongs to the first cell.
                next[0] += before * up_to(-(from as i64));
                let low = from.saturating_sub(FAR * PARTS).max(1);
                for (to, chance) in next.iter_mut().enumerate().skip(low) {
                    let apart = to as i64 - from as i64;
                    *chance += before * (up_to(apart) - up_to(apart - 1));
                }
            }
            let all: f64 = next.iter().sum();
            let (mut beyond, mut last) = (0.0, size - 1);
            while last > 0 && beyond + next[last] <= rate * all {
                beyond += next[last];
                last -= 1;
            }
            // The limit lies inside the cell at which the rate is passed; all of it is kept.
            let inside = (rate * all - beyond) / next[last];
            limits.push(((last as f64 + 0.5 - inside) * step).max(0.0));
            next.truncate(last + 1);
            let kept: f64 = next.iter().sum();
            chances = next.into_iter().map(|chance| chance / kept).collect();
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    fn watch(false_alarms: f64) -> RatioWatch {
        RatioWatch { shift: 1.0, false_alarms, learning: 8 }
    }

    #[test]
    fn the_first_limit_is_a_normal_quantile_less_the_reference() {
        let limits = watch(0.01).limits(0.01, 3, Stop::NEVER).unwrap();
        assert!((limits[0] - (2.326_348 - 0.5)).abs() < 2e-3, "{limits:?}");
        assert!(limits[1] > limits[0] && limits[2] > limits[1]);
    }

    #[test]
    fn a_period_is_compared_with_those_before_it_as_by_hand() {
        // Ratios 1, 3, 2 of volume one, then 4 of volume two: mean 2, squares 2 + 0 over two degrees.
        let sums = Sums { amounts: &[1.0, 3.0, 2.0, 8.0], volumes: &[1.0, 1.0, 1.0, 2.0] };
        let watch = RatioWatch { shift: 1.0, false_alarms: 0.05, learning: 3 };
        let found = watch.chart_until(&[sums], Stop::NEVER).unwrap();
        assert_eq!((found[0].len(), found[0][0].expected), (1, 2.0));
        // t = 2 / sqrt(1/2 + 1/3) = 2.19089 with two degrees: P(T > t) = (1 − t / sqrt(2 + t²)) / 2.
        let t = 2.0 / (5.0f64 / 6.0).sqrt();
        let tail = 0.5 * (1.0 - t / (2.0 + t * t).sqrt());
        assert!((found[0][0].normal + normal_quantile(tail)).abs() < 1e-9);
    }

    #[test]
    fn false_alarms_are_as_stated_for_changing_volumes_and_shifts_are_found() {
        // 0.02 in each of 800 groups.
        let watch = watch(1.0 - 0.98f64.powi(800));
        let mut draws = Draws::new(3, 0);
        let mut signals = |shift: f64| {
            let mut books = vec![];
            for group in 0..800 {
                // Volumes grow and shrink; the ratio is 0.6 with a spread as volumes have it.
                let volumes: Vec<f64> = (0..40)
                    .map(|period| 50.0 + f64::from((group * 7 + period * 13) % 90))
                    .collect();
                let amounts: Vec<f64> = volumes
                    .iter()
                    .enumerate()
                    .map(|(period, volume)| {
                        let moved = if period >= 24 { shift } else { 0.0 };
                        0.6 * volume + (draws.normal() + moved) * 0.8 * volume.sqrt()
                    })
                    .collect();
                books.push((amounts, volumes));
            }
            let sums: Vec<Sums<'_>> =
                books.iter().map(|(amounts, volumes)| Sums { amounts, volumes }).collect();
            let found = watch.chart_until(&sums, Stop::NEVER).unwrap();
            let late = found.iter().flat_map(|group| group.iter().skip(16));
            late.filter(|point| point.signal).count() as f64 / (800.0 * 16.0)
        };
        // Three standard errors around 0.02 of 12,800 periods.
        let alone = signals(0.0);
        assert!((alone - 0.02).abs() < 0.004, "{alone}");
        assert!(signals(1.5) > 5.0 * alone);
    }

    #[test]
    fn sums_that_say_nothing_are_refused() {
        let chart = |amounts: &[f64], volumes: &[f64]| {
            watch(0.01).chart_until(&[Sums { amounts, volumes }], Stop::NEVER).map(|_| ())
        };
        assert_eq!(chart(&[1.0; 9], &[1.0; 9]), Err(WarningError::NoSpread));
        assert_eq!(chart(&[1.0, f64::NAN], &[1.0; 2]), Err(WarningError::Observation(1)));
        assert_eq!(chart(&[1.0], &[0.0]), Err(WarningError::Expected(0.0)));
        assert_eq!(chart(&[1.0; 3], &[1.0; 3]), Ok(()));
        assert!(watch(1.0).chart_until(&[], Stop::NEVER).is_err());
    }
}

//! Watching many groups for more claims than expected: insurers, regions, channels, covers.
//!
//! Every group has its own expected claims, which change from period to period. The sum is that of a
//! CUSUM chart for counts, S = max(0, S + claims − reference), with the reference that tells the ratio
//! that matters from one fastest. The limit of a period is the least that the sum passes, without any
//! change and without an earlier signal, with no more than the stated probability: it is computed from
//! the exact distribution of the sum, so the false-alarm rate holds for any course of expected claims.
//! Sources: Lucas 1985; limits of stated probability: Shen, Zou, Jiang and Tsung 2013.

use super::WarningError;
use crate::number::finite;
use crate::special::ln_gamma;

/// What is watched for, and how often nothing may be taken for something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// Claims against expected claims that are to be found fast, above one: 1.25 is a quarter more.
    pub ratio: f64,
    /// Probability of a false alarm in a period, in any of the groups.
    pub false_alarms: f64,
}

/// Claims of a group by period, beside what was expected.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Whole numbers.
    pub claims: &'a [f64],
    /// Above zero.
    pub expected: &'a [f64],
}

/// A period of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    /// The sum after the period.
    pub sum: f64,
    /// What it may be.
    pub limit: f64,
    /// Whether it is more; the sum then starts from zero.
    pub signal: bool,
}

/// Sums are multiples of this.
const STEP: f64 = 0.25;

/// Expected claims of a period at most: for more, chance hardly matters.
const MOST_EXPECTED: f64 = 1e6;

impl Watch {
    /// Charts all groups; the probability of a false alarm in a period is that of all together.
    pub fn chart(&self, groups: &[Group<'_>]) -> Result<Vec<Vec<Watched>>, WarningError> {
        if !(self.ratio > 1.0 && self.ratio.is_finite()) {
            return Err(WarningError::Argument("ratio"));
        }
        if !(self.false_alarms > 0.0 && self.false_alarms < 1.0) {
            return Err(WarningError::Argument("probability of a false alarm"));
        }
        // Groups without a change are independent: no alarm in any is no alarm in each.
        let each = -((-self.false_alarms).ln_1p() / groups.len().max(1) as f64).exp_m1();
        groups.iter().map(|group| self.group(group, each)).collect()
    }

    fn group(&self, group: &Group<'_>, rate: f64) -> Result<Vec<Watched>, WarningError> {
        if group.claims.len() != group.expected.len() {
            return Err(WarningError::Argument("number of periods"));
        }
        // Chance of each sum, by steps from zero, given that nothing has signalled.
        let mut chances = vec![1.0];
        let mut sum = 0.0;
        let mut found = Vec::with_capacity(group.claims.len());
        for (period, (&claims, &expected)) in group.claims.iter().zip(group.expected).enumerate() {
            if !(claims >= 0.0 && claims.is_finite() && claims.fract() == 0.0) {
                return Err(WarningError::Observation(period));
            }
            if !(expected > 0.0 && expected <= MOST_EXPECTED) {
                return Err(WarningError::Argument("expected claims"));
            }
            let reference = self.reference(expected);
            let (next, last) = limited(&follow(&chances, expected, reference), rate);
            let limit = last as f64 * STEP;
            sum = f64::max(0.0, sum + claims - reference as f64 * STEP);
            finite(sum, "sum of a chart")?;
            let signal = sum > limit;
            found.push(Watched { sum, limit, signal });
            if signal {
                (sum, chances) = (0.0, vec![1.0]);
            } else {
                chances = next;
            }
        }
        Ok(found)
    }

    /// The reference value in steps, of expected claims and as many times the ratio.
    fn reference(&self, expected: f64) -> usize {
        let best = expected * (self.ratio - 1.0) / self.ratio.ln();
        ((best / STEP).round() as usize).max(1)
    }
}

/// Chances of the sums after a period, by steps from zero.
fn follow(chances: &[f64], expected: f64, reference: usize) -> Vec<f64> {
    let per_claim = (1.0 / STEP) as usize;
    // Beyond ten standard deviations and a few claims nothing is left to round.
    let wide = 10.0 * expected.sqrt() + 30.0;
    let (from, to) = ((expected - wide).max(0.0) as usize, (expected + wide) as usize);
    let chance = |count: usize| {
        (count as f64 * expected.ln() - expected - ln_gamma(count as f64 + 1.0)).exp()
    };
    let counts: Vec<(usize, f64)> = (from..=to).map(|count| (count, chance(count))).collect();
    let most = (chances.len() - 1 + to * per_claim).saturating_sub(reference);
    let mut next = vec![0.0; most + 1];
    for (sum, before) in chances.iter().enumerate().filter(|(_, chance)| **chance > 0.0) {
        for (count, chance) in &counts {
            next[(sum + count * per_claim).saturating_sub(reference)] += before * chance;
        }
    }
    next
}

/// Chances up to the least limit that is passed with no more than this probability, made to add up to
/// one, and the limit.
fn limited(chances: &[f64], rate: f64) -> (Vec<f64>, usize) {
    let all: f64 = chances.iter().sum();
    let mut beyond = 0.0;
    let mut last = chances.len() - 1;
    while last > 0 && beyond + chances[last] <= rate * all {
        beyond += chances[last];
        last -= 1;
    }
    let kept: f64 = chances[..=last].iter().sum();
    (chances[..=last].iter().map(|chance| chance / kept).collect(), last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    fn poisson(draws: &mut Draws, mean: f64) -> f64 {
        let (mut count, mut product) = (0.0, draws.uniform());
        while product > (-mean).exp() {
            (count, product) = (count + 1.0, product * draws.uniform());
        }
        count
    }

    #[test]
    fn the_first_limit_is_a_quantile_of_the_first_count() {
        // Mean 2 against 4: the reference is 2 / ln 2 = 2.885, or 3 in quarters (2.75 is further).
        let watch = Watch { ratio: 2.0, false_alarms: 0.02 };
        let group = Group { claims: &[9.0], expected: &[2.0] };
        let found = watch.chart(&[group]).unwrap();
        // P(X > 5) = 0.0166 and P(X > 4) = 0.0527: five claims less three are the limit.
        assert_eq!(found[0][0], Watched { sum: 6.0, limit: 2.0, signal: true });
        // In four groups, each may have 1 − 0.98^¼ = 0.00504: P(X > 6) = 0.00453.
        let found = watch.chart(&[group; 4]).unwrap();
        assert_eq!(found[3][0].limit, 3.0);
    }

    #[test]
    fn false_alarms_are_no_more_than_stated_and_changes_are_found() {
        let watch = Watch { ratio: 1.5, false_alarms: 0.01 };
        let expected: Vec<f64> = (0..50).map(|period| [3.0, 8.0, 5.0][period % 3]).collect();
        let mut draws = Draws::new(2, 0);
        let mut signals = |ratio: f64| {
            let mut count = 0;
            for _ in 0..400 {
                let claims: Vec<f64> =
                    expected.iter().map(|mean| poisson(&mut draws, ratio * mean)).collect();
                let group = Group { claims: &claims, expected: &expected };
                let found = watch.chart(&[group]).unwrap();
                count += found[0].iter().filter(|point| point.signal).count();
            }
            f64::from(count as u32) / (400.0 * 50.0)
        };
        let alone = signals(1.0);
        // Counts are whole, so the rate stays below; three standard errors above are 0.0121.
        assert!(alone < 0.0121 && alone > 0.002, "{alone}");
        assert!(signals(1.5) > 8.0 * alone);
    }

    #[test]
    fn groups_that_cannot_be_watched_are_named() {
        let watch = Watch { ratio: 1.5, false_alarms: 0.01 };
        let chart = |claims: &[f64], expected: &[f64]| {
            watch.chart(&[Group { claims, expected }]).unwrap_err()
        };
        assert_eq!(chart(&[1.0, 0.5], &[1.0, 1.0]), WarningError::Observation(1));
        assert_eq!(chart(&[f64::NAN], &[1.0]), WarningError::Observation(0));
        assert_eq!(chart(&[1.0], &[0.0]), WarningError::Argument("expected claims"));
        assert_eq!(chart(&[1.0], &[]), WarningError::Argument("number of periods"));
        let chart = |watch: Watch| watch.chart(&[]).map(|_| ());
        let wrong = chart(Watch { ratio: 1.0, ..watch });
        assert_eq!(wrong, Err(WarningError::Argument("ratio")));
        assert!(chart(Watch { false_alarms: 0.0, ..watch }).is_err());
        assert_eq!(chart(watch), Ok(()));
    }
}

//! Watching many groups for more claims than expected: insurers, regions, channels, covers.
//!
//! Every group has its own expected claims, which change from period to period. The sum is that of a
//! CUSUM chart for counts, S = max(0, S + claims − reference), with the reference that tells the ratio
//! that matters from one fastest. The limit of a period is the least that the sum passes, without any
//! change and without an earlier signal, with no more than the stated probability: it is computed from
//! the exact distribution of the sum, so the false-alarm rate holds for any course of expected claims.
//! Where what is expected was learnt from claims itself, the distribution is that over all rates those
//! claims leave possible (Jeffreys' prior), so few of them make limits wider and not alarms more.
//! Sources: Lucas 1985; limits of stated probability: Shen, Zou, Jiang and Tsung 2013.

use super::WarningError;
use crate::number::finite;
use crate::special::ln_gamma;
use crate::stop::Stop;

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
    /// How many claims the expected ones were learnt from, above zero; `None` when they are known.
    pub learnt_from: Option<f64>,
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

/// The finest step of sums.
const STEP: f64 = 0.25;

/// Where one claim matters little, steps are the whole part of a standard deviation over this.
const STEPS_OF_DEVIATION: f64 = 20.0;

/// Places and weights of a standard normal (Gauss and Hermite), for the rates that are possible.
const NORMAL: [(f64, f64); 7] = [
    (-3.750_439_717_725_742, 0.000_548_268_855_972_218),
    (-2.366_759_410_734_541, 0.030_757_123_967_586_5),
    (-1.154_405_394_739_968, 0.240_123_178_605_012_7),
    (0.0, 0.457_142_857_142_857_1),
    (1.154_405_394_739_968, 0.240_123_178_605_012_7),
    (2.366_759_410_734_541, 0.030_757_123_967_586_5),
    (3.750_439_717_725_742, 0.000_548_268_855_972_218),
];

/// Expected claims of a period at most: for more, chance hardly matters.
const MOST_EXPECTED: f64 = 1e6;

impl Watch {
    /// Charts all groups; the probability of a false alarm in a period is that of all together.
    pub fn chart(&self, groups: &[Group<'_>]) -> Result<Vec<Vec<Watched>>, WarningError> {
        self.chart_until(groups, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every group.
    pub fn chart_until(
        &self,
        groups: &[Group<'_>],
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<Watched>>, WarningError> {
        if !(self.ratio > 1.0 && self.ratio.is_finite()) {
            return Err(WarningError::Argument("ratio"));
        }
        if !(self.false_alarms > 0.0 && self.false_alarms < 1.0) {
            return Err(WarningError::Argument("probability of a false alarm"));
        }
        // Groups without a change are independent: no alarm in any is no alarm in each.
        let each = -((-self.false_alarms).ln_1p() / groups.len().max(1) as f64).exp_m1();
        let one = |group| {
            stop.ask()?;
            self.group(group, each)
        };
        groups.iter().map(one).collect()
    }

    fn group(&self, group: &Group<'_>, rate: f64) -> Result<Vec<Watched>, WarningError> {
        if group.claims.len() != group.expected.len() {
            return Err(WarningError::Argument("number of periods"));
        }
        if let Some(&odd) =
            group.expected.iter().find(|own| !(**own > 0.0 && **own <= MOST_EXPECTED))
        {
            return Err(WarningError::Expected(odd));
        }
        let rates = possible_rates(group.learnt_from)?;
        let grid = Grid::of(group.expected.iter().copied().fold(0.0, f64::max));
        // For each possible rate the chance of each sum, by steps from zero, given that nothing has
        // signalled; together they add up to one.
        let begun: Vec<Vec<f64>> = rates.iter().map(|(_, weight)| vec![*weight]).collect();
        let mut chances = begun.clone();
        let mut sum = 0.0;
        let mut found = Vec::with_capacity(group.claims.len());
        for (period, (&claims, &expected)) in group.claims.iter().zip(group.expected).enumerate() {
            if !(claims >= 0.0 && claims.is_finite() && claims.fract() == 0.0) {
                return Err(WarningError::Observation(period));
            }
            let reference = self.reference(expected, &grid);
            let next = rates.iter().zip(&chances);
            let next = next.map(|((times, _), own)| grid.follow(own, times * expected, reference));
            let Limited { chances: next, last, beyond } = limited(next.collect(), rate);
            let limit = last as f64 * grid.step;
            sum = f64::max(0.0, sum + claims - reference as f64 * grid.step);
            finite(sum, "sum of a chart")?;
            let signal = sum > limit;
            found.push(Watched { sum, limit, signal });
            if signal {
                sum = 0.0;
                // Rates at which a signal is likely are likelier from now on.
                let all: f64 = beyond.iter().sum();
                chances = match all > 0.0 {
                    true => beyond.iter().map(|own| vec![own / all]).collect(),
                    false => begun.clone(),
                };
            } else {
                chances = next;
            }
        }
        Ok(found)
    }

    /// The reference value in steps, of expected claims and as many times the ratio.
    fn reference(&self, expected: f64, grid: &Grid) -> usize {
        let best = expected * (self.ratio - 1.0) / self.ratio.ln();
        ((best / grid.step).round() as usize).max(1)
    }
}

/// The rates that are possible, against the one expected, with their weights.
///
/// The rate has a gamma distribution with half a claim more than were seen, whose quantiles are taken
/// from the normal ones (Wilson and Hilferty).
fn possible_rates(learnt_from: Option<f64>) -> Result<Vec<(f64, f64)>, WarningError> {
    let Some(claims) = learnt_from else { return Ok(vec![(1.0, 1.0)]) };
    if !(claims > 0.0 && claims.is_finite()) {
        return Err(WarningError::Argument("claims that were learnt from"));
    }
    let shape = claims + 0.5;
    let part = 1.0 / (9.0 * shape);
    let rate = |z: f64| (shape * (1.0 - part + z * part.sqrt()).powi(3) / claims).max(1e-6);
    Ok(NORMAL.iter().map(|&(z, weight)| (rate(z), weight)).collect())
}

/// The steps in which sums of one group are counted.
struct Grid {
    step: f64,
}

impl Grid {
    /// Of a group that expects at most so much.
    fn of(expected: f64) -> Grid {
        let coarse = (expected.sqrt() / STEPS_OF_DEVIATION).floor();
        Grid { step: if coarse >= 1.0 { coarse } else { STEP } }
    }

    /// Chances of the sums after a period, by steps from zero.
    fn follow(&self, chances: &[f64], expected: f64, reference: usize) -> Vec<f64> {
        // Beyond ten standard deviations and a few claims nothing is left to round.
        let wide = 10.0 * expected.sqrt() + 30.0;
        let (from, to) = ((expected - wide).max(0.0) as usize, (expected + wide) as usize);
        let place = |count: usize| (count as f64 / self.step).round() as usize;
        let (first, last) = (place(from), place(to));
        // What claims add, in steps: several counts share one where steps are coarse.
        let mut added = vec![0.0; last - first + 1];
        let (log, mut chance) = (expected.ln(), 0.0);
        for count in from..=to {
            chance = match count == from {
                true => (count as f64 * log - expected - ln_gamma(count as f64 + 1.0)).exp(),
                false => chance * expected / count as f64,
            };
            // From a chance too small to be told the next cannot be had.
            if chance < 1e-290 {
                chance = (count as f64 * log - expected - ln_gamma(count as f64 + 1.0)).exp();
            }
            added[place(count) - first] += chance;
        }
        let most = (chances.len() - 1 + last).saturating_sub(reference);
        let mut next = vec![0.0; most + 1];
        let added: Vec<(usize, f64)> =
            (first..=last).zip(added).filter(|own| own.1 > 0.0).collect();
        for (sum, before) in chances.iter().enumerate().filter(|(_, chance)| **chance > 0.0) {
            for (step, chance) in &added {
                next[(sum + step).saturating_sub(reference)] += before * chance;
            }
        }
        next
    }
}

/// Chances by possible rate that are cut off at a limit.
struct Limited {
    /// Made to add up to one.
    chances: Vec<Vec<f64>>,
    /// The limit, in steps.
    last: usize,
    /// What lies beyond it, by rate.
    beyond: Vec<f64>,
}

/// Chances up to the least limit that is passed with no more than this probability.
fn limited(mut chances: Vec<Vec<f64>>, rate: f64) -> Limited {
    let all: f64 = chances.iter().flatten().sum();
    let at = |last: usize| -> f64 { chances.iter().filter_map(|own| own.get(last)).sum() };
    let mut passed = 0.0;
    let mut last = chances.iter().map(Vec::len).max().unwrap_or(1) - 1;
    while last > 0 && passed + at(last) <= rate * all {
        passed += at(last);
        last -= 1;
    }
    let beyond = chances.iter().map(|own| own.iter().skip(last + 1).sum()).collect();
    chances.iter_mut().for_each(|own| own.truncate(last + 1));
    let kept: f64 = chances.iter().flatten().sum();
    chances.iter_mut().flatten().for_each(|chance| *chance /= kept);
    Limited { chances, last, beyond }
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
        let group = Group { claims: &[9.0], expected: &[2.0], learnt_from: None };
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
                let group = Group { claims: &claims, expected: &expected, learnt_from: None };
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
    fn what_is_expected_may_be_learnt_and_false_alarms_stay_as_stated() {
        // A true mean of 6 claims; 30 periods expect what four periods before them had.
        let watch = Watch { ratio: 1.5, false_alarms: 0.02 };
        let mut draws = Draws::new(5, 0);
        let mut signals = |is_told: bool| {
            let (mut count, mut periods) = (0, 0);
            for _ in 0..600 {
                let learnt: f64 = (0..4).map(|_| poisson(&mut draws, 6.0)).sum();
                let claims: Vec<f64> = (0..30).map(|_| poisson(&mut draws, 6.0)).collect();
                let learnt_from = is_told.then_some(learnt);
                let expected = vec![learnt / 4.0; 30];
                let group = Group { claims: &claims, expected: &expected, learnt_from };
                let found = watch.chart(&[group]).unwrap();
                count += found[0].iter().filter(|point| point.signal).count();
                periods += 30;
            }
            f64::from(count as u32) / f64::from(periods)
        };
        // Taken for known, what few claims tell makes alarms more than stated.
        let (told, not_told) = (signals(true), signals(false));
        assert!(told < 0.02 && told > 0.002, "{told}");
        assert!(not_told > 0.025, "{not_told}");
    }

    #[test]
    fn large_groups_are_watched_in_coarse_steps() {
        // The first limit lies a normal quantile above the mean, less the reference.
        let watch = Watch { ratio: 1.1, false_alarms: 0.01 };
        let group = Group { claims: &[4_000.0], expected: &[4_000.0], learnt_from: None };
        let found = watch.chart(&[group]).unwrap()[0][0];
        let reference = 4_000.0 * 0.1 / 1.1f64.ln();
        let wanted = 4_000.0 + 2.3263 * 4_000.0f64.sqrt() - reference;
        assert!(wanted < 0.0 && found.limit == 0.0, "{found:?} {wanted}");
        let watch = Watch { ratio: 1.01, false_alarms: 0.01 };
        let found = watch.chart(&[group]).unwrap()[0][0];
        let wanted = 4_000.0 + 2.3263 * 4_000.0f64.sqrt() - 4_000.0 * 0.01 / 1.01f64.ln();
        assert!((found.limit - wanted).abs() < 6.0, "{found:?} {wanted}");
    }

    #[test]
    fn groups_that_cannot_be_watched_are_named() {
        let watch = Watch { ratio: 1.5, false_alarms: 0.01 };
        let chart = |claims: &[f64], expected: &[f64]| {
            watch.chart(&[Group { claims, expected, learnt_from: None }]).unwrap_err()
        };
        assert_eq!(chart(&[1.0, 0.5], &[1.0, 1.0]), WarningError::Observation(1));
        assert_eq!(chart(&[f64::NAN], &[1.0]), WarningError::Observation(0));
        assert_eq!(chart(&[1.0], &[0.0]), WarningError::Expected(0.0));
        assert_eq!(chart(&[1.0], &[]), WarningError::Argument("number of periods"));
        let chart = |watch: Watch| watch.chart(&[]).map(|_| ());
        let wrong = chart(Watch { ratio: 1.0, ..watch });
        assert_eq!(wrong, Err(WarningError::Argument("ratio")));
        assert!(chart(Watch { false_alarms: 0.0, ..watch }).is_err());
        assert_eq!(chart(watch), Ok(()));
    }
}

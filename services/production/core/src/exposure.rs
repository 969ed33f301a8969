//! What a policy insured and earned in each month, as its versions tell it.
//!
//! Cover, endings and suspensions are those of the last version; what was insured (`mark`) at an
//! instant is that of the last version that was effective by then. All of the premium is earned
//! evenly over the seconds of cover; days kept by a suspension that is still open are cover to
//! come, and earn nothing yet. Sharing out is by running totals, so that the months add up to the
//! premium to the fen.
//!
//! By cover the same holds: what a cover has of the premium is earned evenly over the policy's
//! seconds of cover, whenever it was added, as the policy's premium is; it is insured while it is
//! held. In every line the covers add up to the policy, and over all lines each to its premium.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, time};

use crate::policy::PolicyFacts;

/// A version of a policy, as far as exposure goes.
#[derive(Clone, Debug)]
pub struct Version<'a, M> {
    /// True from here on.
    pub effective_at: Timestamp,
    /// What had happened by then.
    pub facts: &'a PolicyFacts,
    /// Premium in all.
    pub premium: Fen,
    /// What was insured: one mark, one line of the schedule.
    pub mark: M,
}

/// What was insured and earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Seconds of cover.
    pub insured_s: i64,
    /// Premium earned.
    pub earned: Fen,
}

/// By what was insured, and by the first day of each month in China.
pub type Schedule<M> = BTreeMap<(M, Date), Exposure>;

/// A cover of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<C> {
    /// The cover.
    pub cover: C,
    /// What it has of the premium. Negative where a clause takes premium away.
    pub premium: Fen,
    /// Whether the version holds it; else what was kept of its premium is left.
    pub is_held: bool,
}

/// A stretch of cover of one version, within one month.
struct Stretch {
    version: usize,
    month: Date,
    insured_s: i64,
    /// Premium each part earned in it.
    earned: Vec<Fen>,
}

/// The schedule that versions tell, first to last; `None` when amounts or dates leave their range.
/// No versions, no schedule.
pub fn schedule<M: Ord + Clone>(versions: &[Version<'_, M>]) -> Option<Schedule<M>> {
    let Some(last) = versions.last() else { return Some(BTreeMap::new()) };
    let mut schedule: Schedule<M> = BTreeMap::new();
    for stretch in stretches(versions, &[last.premium])? {
        let mark = versions.get(stretch.version)?.mark.clone();
        let cell = schedule.entry((mark, stretch.month)).or_default();
        cell.insured_s = cell.insured_s.checked_add(stretch.insured_s)?;
        cell.earned = cell.earned.plus(*stretch.earned.first()?)?;
    }
    schedule.retain(|_, exposure| *exposure != Exposure::default());
    Some(schedule)
}

/// The same by cover. `parts` are those of each version, which add up to its premium.
pub fn schedule_by_cover<M: Ord + Clone, C: Ord + Clone>(
    versions: &[Version<'_, M>],
    parts: &[Vec<Part<C>>],
) -> Option<Schedule<(M, C)>> {
    let Some(last) = parts.last() else { return Some(BTreeMap::new()) };
    let premiums: Vec<Fen> = last.iter().map(|part| part.premium).collect();
    let mut schedule: Schedule<(M, C)> = BTreeMap::new();
    for stretch in stretches(versions, &premiums)? {
        let mark = &versions.get(stretch.version)?.mark;
        let mut line = |cover: &C, insured_s: i64, earned: Fen| {
            let cell = schedule.entry(((mark.clone(), cover.clone()), stretch.month)).or_default();
            cell.insured_s = cell.insured_s.checked_add(insured_s)?;
            cell.earned = cell.earned.plus(earned)?;
            Some(())
        };
        for part in parts.get(stretch.version)?.iter().filter(|part| part.is_held) {
            line(&part.cover, stretch.insured_s, Fen::ZERO)?;
        }
        for (part, earned) in last.iter().zip(&stretch.earned) {
            line(&part.cover, 0, *earned)?;
        }
    }
    schedule.retain(|_, exposure| *exposure != Exposure::default());
    Some(schedule)
}

/// What the last version changed of the schedule; lines that stay the same are left out.
pub fn change<M: Ord + Clone>(versions: &[Version<'_, M>]) -> Option<Schedule<M>> {
    let (_, earlier) = versions.split_last()?;
    less(schedule(versions)?, schedule(earlier)?)
}

/// The same by cover.
pub fn change_by_cover<M: Ord + Clone, C: Ord + Clone>(
    versions: &[Version<'_, M>],
    parts: &[Vec<Part<C>>],
) -> Option<Schedule<(M, C)>> {
    let (_, earlier) = versions.split_last()?;
    let (_, parts_earlier) = parts.split_last()?;
    less(schedule_by_cover(versions, parts)?, schedule_by_cover(earlier, parts_earlier)?)
}

fn less<M: Ord>(mut change: Schedule<M>, earlier: Schedule<M>) -> Option<Schedule<M>> {
    for (line, was) in earlier {
        let now = change.entry(line).or_default();
        now.insured_s = now.insured_s.checked_sub(was.insured_s)?;
        now.earned = now.earned.minus(was.earned)?;
    }
    change.retain(|_, exposure| *exposure != Exposure::default());
    Some(change)
}

/// The cover of versions, cut where a month or a version begins, with what each of several premiums
/// earns in it. Together they earn what one premium of their sum does, to the fen.
fn stretches<M>(versions: &[Version<'_, M>], premiums: &[Fen]) -> Option<Vec<Stretch>> {
    let last = versions.last()?;
    let spans = covered(last.facts);
    let insured: i64 = spans.iter().map(|(from, to)| seconds(*from, *to)).sum();
    let planned = insured.checked_add(kept(last.facts))?;
    if planned == 0 {
        // Never covered: what was kept of the premium all the same is earned at once.
        let month = month_of(last.effective_at);
        return Some(vec![Stretch { version: 0, month, insured_s: 0, earned: premiums.to_vec() }]);
    }
    let mut stretches = Vec::new();
    let mut done = 0_i64;
    let mut so_far = vec![Fen::ZERO; premiums.len()];
    for (from, to) in spans {
        let mut from = from;
        while from < to {
            let end = next_month(from)?.min(next_version(versions, from)).min(to);
            let insured_s = seconds(from, end);
            done = done.checked_add(insured_s)?;
            let by_then = earned_by(premiums, done, planned)?;
            let earned = by_then.iter().zip(&so_far).map(|(now, was)| now.minus(*was));
            stretches.push(Stretch {
                version: in_force(versions, from)?,
                month: month_of(from),
                insured_s,
                earned: earned.collect::<Option<_>>()?,
            });
            so_far = by_then;
            from = end;
        }
    }
    Some(stretches)
}

/// What each premium has earned after `done` of the seconds planned. Running totals of the premiums
/// are rounded down to the fen, so that what they earn adds up to what their sum earns.
fn earned_by(premiums: &[Fen], done: i64, planned: i64) -> Option<Vec<Fen>> {
    let (mut whole, mut told) = (Fen::ZERO, Fen::ZERO);
    let mut earned = Vec::with_capacity(premiums.len());
    for premium in premiums {
        whole = whole.plus(*premium)?;
        let by_now = (i128::from(whole.0) * i128::from(done)).div_euclid(i128::from(planned));
        let by_now = Fen(i64::try_from(by_now).ok()?);
        earned.push(by_now.minus(told)?);
        told = by_now;
    }
    Some(earned)
}

/// The spans of cover, in order: the period to its end or the policy's, without suspensions.
fn covered(facts: &PolicyFacts) -> Vec<(Timestamp, Timestamp)> {
    let end = facts.ending.map_or(facts.period.to(), |ending| ending.at().min(facts.period.to()));
    let mut spans = Vec::new();
    let mut from = facts.period.from();
    for rest in &facts.suspensions {
        spans.push((from, rest.from.min(end)));
        from = from.max(rest.to.unwrap_or(end));
    }
    spans.push((from, end));
    spans.retain(|(from, to)| from < to);
    spans
}

/// Seconds of cover that an open suspension keeps for later.
fn kept(facts: &PolicyFacts) -> i64 {
    match facts.suspensions.last() {
        Some(open) if open.to.is_none() && facts.ending.is_none() => {
            seconds(open.from, facts.period.to()).max(0)
        }
        _ => 0,
    }
}

/// The place of the last version that was effective at an instant; before all of them, the first.
fn in_force<M>(versions: &[Version<'_, M>], at: Timestamp) -> Option<usize> {
    let last = versions.iter().rposition(|version| version.effective_at <= at);
    last.or((!versions.is_empty()).then_some(0))
}

/// When another version may come into force after an instant.
fn next_version<M>(versions: &[Version<'_, M>], at: Timestamp) -> Timestamp {
    let later = versions.iter().map(|version| version.effective_at).filter(|from| at < *from);
    later.min().unwrap_or(Timestamp::MAX)
}

fn month_of(at: Timestamp) -> Date {
    time::day_of(at).first_of_month()
}

fn next_month(at: Timestamp) -> Option<Timestamp> {
    time::start_of(time::day_of(at).last_of_month().tomorrow().ok()?)
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::Period;
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::history::PolicyClass;
    use crate::policy::SurrenderReason;

    const DAY: i64 = 86_400;

    fn at(year: i16, month: i8, day: i8) -> Timestamp {
        time::start_of(date(year, month, day)).unwrap()
    }

    fn confirmed() -> PolicyFacts {
        let period = Period::new(at(2025, 3, 1), at(2026, 3, 1)).unwrap();
        PolicyFacts::confirmed(PolicyClass::Commercial, period, true)
    }

    fn version<'a>(
        effective_at: Timestamp,
        facts: &'a PolicyFacts,
        premium: i64,
        mark: &'static str,
    ) -> Version<'a, &'static str> {
        Version { effective_at, facts, premium: Fen(premium), mark }
    }

    fn lines(schedule: &Schedule<&'static str>) -> Vec<(&'static str, String, i64, i64)> {
        schedule
            .iter()
            .map(|((mark, month), line)| {
                (*mark, month.to_string(), line.insured_s / DAY, line.earned.0)
            })
            .collect()
    }

    #[test]
    fn a_year_is_earned_by_the_day() {
        let facts = confirmed();
        // 365 fen: one a day.
        let told = schedule(&[version(at(2025, 2, 20), &facts, 365, "private")]).unwrap();
        let days: Vec<i64> = lines(&told).iter().map(|line| line.2).collect();
        assert_eq!(days, [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28]);
        assert!(lines(&told).iter().all(|line| line.2 == line.3));
        assert_eq!(lines(&told)[0].1, "2025-03-01");
    }

    #[test]
    fn what_is_insured_changes_from_the_day_the_endorsement_is_effective() {
        let facts = confirmed();
        let versions = [
            version(at(2025, 2, 20), &facts, 365, "private"),
            version(at(2025, 3, 11), &facts, 730, "taxi"),
        ];
        let changed = change(&versions).unwrap();
        let of = |mark: &'static str, month: i8| {
            let line = changed.get(&(mark, date(2025, month, 1))).copied().unwrap_or_default();
            (line.insured_s / DAY, line.earned.0)
        };
        // March: 10 days stay private and now earn 2 a day instead of 31 days of 1.
        assert_eq!(of("private", 3), (-21, 20 - 31));
        assert_eq!(of("taxi", 3), (21, 42));
        assert_eq!(of("private", 4), (-30, -30));
        assert_eq!(of("taxi", 4), (30, 60));
    }

    #[test]
    fn a_surrender_takes_back_what_was_to_come() {
        let facts = confirmed();
        let given_up = facts
            .clone()
            .surrender(SurrenderReason::Voluntary, at(2025, 5, 11), at(2025, 5, 10))
            .unwrap();
        // 71 days of cover; 100 fen of the 365 are kept.
        let versions = [
            version(at(2025, 2, 20), &facts, 365, "private"),
            version(at(2025, 5, 11), &given_up, 100, "private"),
        ];
        let told = lines(&schedule(&versions).unwrap());
        assert_eq!(told.iter().map(|line| line.2).collect::<Vec<_>>(), [31, 30, 10]);
        assert_eq!(told.iter().map(|line| line.3).sum::<i64>(), 100);
        let changed = change(&versions).unwrap();
        let days: i64 = changed.values().map(|line| line.insured_s / DAY).sum();
        assert_eq!(days, 71 - 365);
    }

    #[test]
    fn a_suspension_keeps_its_days_for_later() {
        let facts = confirmed();
        let off = facts.clone().suspend(at(2025, 4, 1), at(2025, 3, 20)).unwrap();
        let resting = schedule(&[
            version(at(2025, 2, 20), &facts, 365, "private"),
            version(at(2025, 4, 1), &off, 365, "private"),
        ]);
        // March alone was covered, and alone is earned.
        assert_eq!(lines(&resting.unwrap()), [("private", "2025-03-01".to_owned(), 31, 31)]);
        let back = off.clone().resume(at(2025, 5, 1), at(2025, 4, 30)).unwrap();
        let whole = schedule(&[
            version(at(2025, 2, 20), &facts, 365, "private"),
            version(at(2025, 4, 1), &off, 365, "private"),
            version(at(2025, 5, 1), &back, 365, "private"),
        ])
        .unwrap();
        let told = lines(&whole);
        assert_eq!(told.iter().map(|line| line.2).sum::<i64>(), 365);
        assert!(told.iter().all(|line| line.1 != "2025-04-01"), "April was off the road");
        assert_eq!(told.last().unwrap().1, "2026-03-01", "30 days longer");
    }

    #[test]
    fn a_policy_taken_back_before_it_began_leaves_nothing() {
        let facts = confirmed();
        let revoked = facts.clone().revoke(at(2025, 2, 25)).unwrap();
        let versions = [
            version(at(2025, 2, 20), &facts, 365, "private"),
            version(at(2025, 2, 25), &revoked, 0, "private"),
        ];
        assert_eq!(schedule(&versions).unwrap(), Schedule::new());
        let sum: i64 = change(&versions).unwrap().values().map(|line| line.earned.0).sum();
        assert_eq!(sum, -365);
    }

    /// A cover of a version: its letter, its premium, whether it is held.
    fn parts(told: &[(char, i64, bool)]) -> Vec<Part<char>> {
        let part = |&(cover, premium, is_held): &(char, i64, bool)| Part {
            cover,
            premium: Fen(premium),
            is_held,
        };
        told.iter().map(part).collect()
    }

    #[test]
    fn a_cover_is_insured_while_it_is_held_and_its_premium_spread_as_the_policys_is() {
        let facts = confirmed();
        // B comes on 1 June, with 273 days to go, and A goes on 1 September, with 181.
        let versions = [
            version(at(2025, 2, 20), &facts, 365, "private"),
            version(at(2025, 6, 1), &facts, 730, "private"),
            version(at(2025, 9, 1), &facts, 600, "private"),
        ];
        let told = [
            parts(&[('A', 365, true)]),
            parts(&[('A', 365, true), ('B', 365, true)]),
            parts(&[('A', 235, false), ('B', 365, true)]),
        ];
        let by_cover = schedule_by_cover(&versions, &told).unwrap();
        let sum = |cover: char| {
            let own = by_cover.iter().filter(|(((_, of), _), _)| *of == cover);
            own.fold((0, 0), |(days, fen), (_, line)| {
                (days + line.insured_s / DAY, fen + line.earned.0)
            })
        };
        assert_eq!((sum('A'), sum('B')), ((184, 235), (273, 365)));
        // March: B is not held yet, and has earned its 31 fen all the same.
        let of = |cover, month: i8| by_cover[&(("private", cover), date(2025, month, 1))];
        assert_eq!(of('B', 3), Exposure { insured_s: 0, earned: Fen(31) });
        assert_eq!(of('A', 3).insured_s, 31 * DAY);
        assert_eq!(of('A', 10).insured_s, 0);
        assert!(of('A', 10).earned > Fen::ZERO, "what was kept of it is spread too");
    }

    #[test]
    fn a_clause_that_takes_premium_away_earns_less_than_nothing() {
        let facts = confirmed();
        let versions = [version(at(2025, 2, 20), &facts, 365, "private")];
        let told = [parts(&[('A', 730, true), ('X', -365, true)])];
        let by_cover = schedule_by_cover(&versions, &told).unwrap();
        for month in 3..=12 {
            let of = |cover| by_cover[&(("private", cover), date(2025, month, 1))];
            assert_eq!(of('X').earned.0, -of('X').insured_s / DAY);
            assert_eq!(of('A').earned.0, 2 * of('A').insured_s / DAY);
        }
    }

    proptest! {
        /// However a premium is split among covers, in every line they add up to the policy.
        #[test]
        fn covers_add_up_to_the_policy(
            effective in vec(-400_i64..500, 1..5),
            told in vec((-90_000_i64..900_000, 0_i64..900_000, 0_i64..900_000), 5),
        ) {
            let facts = confirmed();
            let start = at(2025, 3, 1);
            let split = |number: usize| {
                let (one, other, third) = told[number];
                parts(&[('A', other, true), ('B', one, number.is_multiple_of(2)), ('C', third, true)])
            };
            let parts: Vec<Vec<Part<char>>> = (0..effective.len()).map(split).collect();
            let versions: Vec<_> = effective
                .iter()
                .enumerate()
                .map(|(number, days)| Version {
                    effective_at: start + jiff::SignedDuration::from_hours(days * 24 + 7),
                    facts: &facts,
                    premium: Fen(parts[number].iter().map(|part| part.premium.0).sum()),
                    mark: number % 3,
                })
                .collect();
            let mut summed: Schedule<usize> = Schedule::new();
            let mut of_cover: BTreeMap<char, i64> = BTreeMap::new();
            for (((mark, cover), month), line) in change_by_cover(&versions, &parts).unwrap() {
                let cell = summed.entry((mark, month)).or_default();
                cell.earned = cell.earned.plus(line.earned).unwrap();
                *of_cover.entry(cover).or_default() += line.earned.0;
            }
            let lines = change(&versions).unwrap();
            let earned = |schedule: &Schedule<usize>, line| {
                schedule.get(line).map_or(0, |exposure: &Exposure| exposure.earned.0)
            };
            for line in lines.keys().chain(summed.keys()) {
                prop_assert_eq!(earned(&summed, line), earned(&lines, line));
            }
            let last = parts.len() - 1;
            for (place, part) in parts[last].iter().enumerate() {
                let before = last.checked_sub(1).map_or(0, |was| parts[was][place].premium.0);
                let changed = of_cover.get(&part.cover).copied().unwrap_or_default();
                prop_assert_eq!(changed, part.premium.0 - before);
            }
        }

        /// Whatever is endorsed, the changes add up to the schedule, and it to the premium.
        #[test]
        fn changes_add_up(effective in vec(-400_i64..500, 1..6), premiums in vec(0_i64..1_000_000, 6)) {
            let facts = confirmed();
            let start = at(2025, 3, 1);
            let versions: Vec<_> = effective
                .iter()
                .zip(&premiums)
                .enumerate()
                .map(|(number, (days, premium))| Version {
                    effective_at: start + jiff::SignedDuration::from_hours(days * 24 + 7),
                    facts: &facts,
                    premium: Fen(*premium),
                    mark: number % 3,
                })
                .collect();
            let mut summed = Schedule::new();
            for known in 1..=versions.len() {
                for (line, changed) in change(&versions[..known]).unwrap() {
                    let cell: &mut Exposure = summed.entry(line).or_default();
                    cell.insured_s += changed.insured_s;
                    cell.earned = cell.earned.plus(changed.earned).unwrap();
                }
            }
            summed.retain(|_, line| *line != Exposure::default());
            let mut told = schedule(&versions).unwrap();
            told.retain(|_, line| *line != Exposure::default());
            prop_assert_eq!(&summed, &told);
            prop_assert_eq!(told.values().map(|line| line.earned.0).sum::<i64>(), premiums[versions.len() - 1]);
            prop_assert_eq!(told.values().map(|line| line.insured_s).sum::<i64>(), 365 * DAY);
        }
    }
}

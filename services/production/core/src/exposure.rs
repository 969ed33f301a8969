//! What a policy insured and earned in each month, as its versions tell it.
//!
//! Cover, endings and suspensions are those of the last version; what was insured (`mark`) at an
//! instant is that of the last version that was effective by then. All of the premium is earned
//! evenly over the seconds of cover; days kept by a suspension that is still open are cover to
//! come, and earn nothing yet. Sharing out is by running totals, so that the months add up to the
//! premium to the fen.

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

/// The schedule that versions tell, first to last; `None` when amounts or dates leave their range.
/// No versions, no schedule.
pub fn schedule<M: Ord + Clone>(versions: &[Version<'_, M>]) -> Option<Schedule<M>> {
    let Some(last) = versions.last() else { return Some(BTreeMap::new()) };
    let spans = covered(last.facts);
    let insured: i64 = spans.iter().map(|(from, to)| seconds(*from, *to)).sum();
    let planned = insured.checked_add(kept(last.facts))?;
    let mut schedule: Schedule<M> = BTreeMap::new();
    if planned == 0 {
        // Never covered: what was kept of the premium all the same is earned at once.
        if last.premium != Fen::ZERO {
            let month = month_of(last.effective_at);
            let earned = Exposure { insured_s: 0, earned: last.premium };
            schedule.insert((versions.first()?.mark.clone(), month), earned);
        }
        return Some(schedule);
    }
    let (mut done, mut earned) = (0_i64, 0_i64);
    for (from, to) in spans {
        let mut from = from;
        while from < to {
            let end = next_month(from)?.min(next_version(versions, from)).min(to);
            done = done.checked_add(seconds(from, end))?;
            let in_all = i128::from(last.premium.0) * i128::from(done) / i128::from(planned);
            let in_all = i64::try_from(in_all).ok()?;
            let mark = in_force(versions, from)?.mark.clone();
            let cell = schedule.entry((mark, month_of(from))).or_default();
            cell.insured_s = cell.insured_s.checked_add(seconds(from, end))?;
            cell.earned = cell.earned.plus(Fen(in_all.checked_sub(earned)?))?;
            earned = in_all;
            from = end;
        }
    }
    Some(schedule)
}

/// What the last version changed of the schedule; lines that stay the same are left out.
pub fn change<M: Ord + Clone>(versions: &[Version<'_, M>]) -> Option<Schedule<M>> {
    let (_, earlier) = versions.split_last()?;
    let mut change = schedule(versions)?;
    for (line, was) in schedule(earlier)? {
        let now = change.entry(line).or_default();
        now.insured_s = now.insured_s.checked_sub(was.insured_s)?;
        now.earned = now.earned.minus(was.earned)?;
    }
    change.retain(|_, exposure| *exposure != Exposure::default());
    Some(change)
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

/// The last version that was effective at an instant; before all of them, the first.
fn in_force<'a, 'b, M>(
    versions: &'a [Version<'b, M>],
    at: Timestamp,
) -> Option<&'a Version<'b, M>> {
    versions.iter().rev().find(|version| version.effective_at <= at).or(versions.first())
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

    proptest! {
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

//! A flat rate in force (定额结算规则), pure: what is proposed, who may decide it, and which version holds
//! for an accident.
//!
//! One person proposes a version, with the simulation it rests on; another confirms it. It holds for
//! accidents from its start on, which never lies in the past when it is confirmed, so that no loss that
//! has happened is settled by a rule that came later. A later start supersedes; an ending is a version
//! like any other. Nothing of a version changes once it is decided.

use jiff::Timestamp;
use kernel::Fen;
use production_core::cover::Cover;
use uuid::Uuid;

use super::decision::{Decision, Person, Verdict, is_confirmed};
use super::scheme::NATION;

/// Under which conditions a recovery is settled by one amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatTerms {
    /// Of these covers of the liable side.
    pub covers: Vec<Cover>,
    /// Up to this much, by the formulas.
    pub ceiling: Fen,
    /// The amount; at most the ceiling.
    pub module: Fen,
    /// What it would have meant for the past.
    pub simulation: Uuid,
}

/// What a version does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These terms hold.
    Adopt(FlatTerms),
    /// None hold: every recovery goes the ordinary way.
    End,
}

/// A version of a region's rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatRule {
    /// A region of the platform, or `000000`.
    pub region: String,
    /// Counted from 1 in its region.
    pub version: i32,
    /// What it does.
    pub change: Change,
    /// For accidents from then on.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: Person,
    /// When.
    pub proposed_at: Timestamp,
    /// What was said of it, once somebody did.
    pub decision: Option<Decision>,
}

/// Why a decision is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleRefusal {
    /// Four eyes.
    #[error("whoever proposed a flat rate cannot decide it")]
    SamePerson,
    /// Once is enough.
    #[error("it is decided already")]
    Decided,
    /// It would reach back.
    #[error(
        "its start is past: accidents that happened are not settled by it; propose a later one"
    )]
    Past,
}

impl FlatRule {
    /// The version decided by another person, or why not.
    pub fn decide(&self, decision: Decision) -> Result<FlatRule, RuleRefusal> {
        if self.decision.is_some() {
            return Err(RuleRefusal::Decided);
        }
        if decision.by == self.proposed_by {
            return Err(RuleRefusal::SamePerson);
        }
        if decision.verdict == Verdict::Confirm && self.since < decision.at {
            return Err(RuleRefusal::Past);
        }
        Ok(FlatRule { decision: Some(decision), ..self.clone() })
    }

    /// Where it stands at `now`, given every version of its region.
    pub fn standing(&self, all: &[FlatRule], now: Timestamp) -> &'static str {
        match self.decision.as_ref().map(|decision| decision.verdict) {
            None => "proposed",
            Some(Verdict::Reject) => "rejected",
            Some(Verdict::Confirm) if now < self.since => "confirmed",
            Some(Verdict::Confirm) => match latest(all, &self.region, now) {
                Some(holds) if holds.version == self.version => "in_force",
                _ => "superseded",
            },
        }
    }
}

/// The terms for a recovery of an accident: its region's, also when that ended them, else the nation's.
pub fn in_force<'a>(
    rules: &'a [FlatRule],
    region: &str,
    cover: Cover,
    accident_at: Timestamp,
) -> Option<(&'a FlatRule, &'a FlatTerms)> {
    let of = |region: &str| latest(rules, region, accident_at);
    let rule = of(region).or_else(|| of(NATION))?;
    match &rule.change {
        Change::Adopt(terms) if terms.covers.contains(&cover) => Some((rule, terms)),
        Change::Adopt(_) | Change::End => None,
    }
}

/// The confirmed version of a region with the latest start at or before `at`.
fn latest<'a>(rules: &'a [FlatRule], region: &str, at: Timestamp) -> Option<&'a FlatRule> {
    rules
        .iter()
        .filter(|rule| rule.region == region && is_confirmed(&rule.decision) && rule.since <= at)
        .max_by_key(|rule| rule.since)
}

#[cfg(test)]
mod tests {
    use kernel::TenantId;

    use super::*;

    fn person(number: u128, client: &str) -> Person {
        Person { tenant: TenantId(Uuid::from_u128(number)), client: client.to_owned() }
    }

    fn at(day: i8) -> Timestamp {
        jiff::civil::date(2026, 6, day).at(0, 0, 0, 0).in_tz("UTC").unwrap().timestamp()
    }

    fn proposed(region: &str, version: i32, since: i8, module: Option<i64>) -> FlatRule {
        let terms = |module| FlatTerms {
            covers: vec![Cover::Compulsory],
            ceiling: Fen(500_000),
            module: Fen(module),
            simulation: Uuid::from_u128(1),
        };
        FlatRule {
            region: region.to_owned(),
            version,
            change: module.map_or(Change::End, |module| Change::Adopt(terms(module))),
            since: at(since),
            reason: "test".to_owned(),
            proposed_by: person(1, "maker"),
            proposed_at: at(1),
            decision: None,
        }
    }

    fn said(verdict: Verdict, by: Person, day: i8) -> Decision {
        Decision { verdict, by, at: at(day), reason: None }
    }

    fn confirmed(region: &str, version: i32, since: i8, module: Option<i64>) -> FlatRule {
        let decision = said(Verdict::Confirm, person(1, "checker"), 2);
        proposed(region, version, since, module).decide(decision).unwrap()
    }

    #[test]
    fn a_version_takes_two_people_is_decided_once_and_does_not_reach_back() {
        let rule = proposed("320000", 1, 10, Some(240_000));
        let confirm = |by, day| rule.decide(said(Verdict::Confirm, by, day));
        assert_eq!(confirm(person(1, "maker"), 2), Err(RuleRefusal::SamePerson));
        // The same name in another body is another person.
        assert!(confirm(person(2, "maker"), 2).is_ok());
        assert!(confirm(person(1, "checker"), 10).is_ok());
        assert_eq!(confirm(person(1, "checker"), 11), Err(RuleRefusal::Past));
        let rejected = rule.decide(said(Verdict::Reject, person(1, "checker"), 11)).unwrap();
        let again = rejected.decide(said(Verdict::Confirm, person(1, "checker"), 3));
        assert_eq!(again, Err(RuleRefusal::Decided));
    }

    #[test]
    fn the_latest_start_by_the_accident_holds_and_a_regions_end_stands() {
        let rules = [
            confirmed(NATION, 1, 5, Some(100)),
            confirmed("320000", 1, 10, Some(200)),
            confirmed("320000", 2, 20, Some(300)),
            confirmed("320000", 3, 25, None),
            proposed("320000", 4, 12, Some(400)),
        ];
        let module = |region, cover, day| {
            in_force(&rules, region, cover, at(day)).map(|(_, terms)| terms.module.0)
        };
        let rows = [
            ("320000", 4, None),
            ("320000", 9, Some(100)),
            ("320000", 10, Some(200)),
            ("320000", 19, Some(200)),
            ("320000", 20, Some(300)),
            ("320000", 25, None),
            ("110000", 25, Some(100)),
        ];
        for (region, day, expected) in rows {
            assert_eq!(module(region, Cover::Compulsory, day), expected, "{region} {day}");
        }
        assert_eq!(module("320000", Cover::ThirdParty, 12), None);
        let standing = |place: usize, day| rules[place].standing(&rules, at(day));
        assert_eq!(standing(4, 15), "proposed");
        assert_eq!(standing(2, 19), "confirmed");
        assert_eq!(standing(2, 20), "in_force");
        assert_eq!(standing(1, 20), "superseded");
        assert_eq!(standing(3, 30), "in_force");
    }
}

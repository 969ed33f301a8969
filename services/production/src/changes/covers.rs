//! What each cover (险别) has of a policy's premium, version by version.
//!
//! A version keeps its premium in all, and what that was rated by. Rated again it tells the covers
//! apart: those of the policy as confirmed have what they were rated at. What an endorsement changes
//! is each cover's own difference for the days left, by the formula the endorsement was charged by,
//! and the fen that rounding each leaves go to the cover that changes most. A surrender refunds one
//! share of the whole, so each cover gives back its part of it; a revocation gives back everything.
//!
//! What no rule gives to a cover stands under none and is not shared out: the covers of a version, and
//! none, always add up to its premium.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kernel::Fen;
use production_core::cover::Cover;
use production_core::exposure::Part;
use production_core::history::PolicyClass;
use production_core::policy::{Ending, PolicyFacts};
use production_rating::{Declared, RatingInput, Tariff, premium_change, rate};

use crate::changes::Tariffs;
use crate::endorsement::charge::{Charged, charged};
use crate::error::ProductionError;
use crate::store::changes::RatedBy;

const CORRUPT: ProductionError = ProductionError::Corrupt("policy version");

/// Amounts by cover; under `None` what is no cover's.
type Shares = BTreeMap<Option<Cover>, Fen>;

/// What a version of a policy holds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The covers.
    covers: BTreeSet<Cover>,
    /// What each is rated at for the whole period; absent where it was not rated again.
    rated: Option<BTreeMap<Cover, Fen>>,
}

/// A version of a policy, as far as its covers go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Covered<'a> {
    /// True from here on.
    pub(super) effective_at: Timestamp,
    /// What had happened by then.
    pub(super) facts: &'a PolicyFacts,
    /// Premium in all.
    pub(super) premium: Fen,
    /// What it holds.
    pub(super) held: &'a Held,
}

/// What the versions of a policy hold, first to last. A policy of one cover is not rated again: there
/// is nothing to tell apart.
pub(super) fn held(
    rated_by: &RatedBy,
    class: PolicyClass,
    tariffs: &Tariffs,
) -> Result<Vec<Held>, ProductionError> {
    let inputs = rated_by.inputs.iter().map(|input| serde_json::from_str(input));
    let inputs: Vec<RatingInput> = inputs.collect::<Result<_, _>>().map_err(|_| CORRUPT)?;
    let covers: Vec<BTreeSet<Cover>> = inputs.iter().map(|input| covers(input, class)).collect();
    let are_told_apart = covers.iter().any(|own| own.len() != 1 || covers.first() != Some(own));
    let versions = covers.into_iter().zip(&inputs).zip(&rated_by.tariff_versions);
    let held = versions.map(|((covers, input), tariff)| {
        let tariff = tariffs.get(tariff).filter(|_| are_told_apart);
        Held { covers, rated: tariff.and_then(|tariff| rated(tariff, input)) }
    });
    Ok(held.collect())
}

/// The covers an input asks for in a policy of `class`.
fn covers(input: &RatingInput, class: PolicyClass) -> BTreeSet<Cover> {
    match class {
        PolicyClass::Compulsory => BTreeSet::from([Cover::Compulsory]),
        PolicyClass::Commercial => {
            let covers = input.commercial.iter().flat_map(|part| &part.covers);
            covers.map(|request| request.cover).collect()
        }
    }
}

/// What each cover of a commercial policy is rated at for the whole period; `None` when today's
/// release refuses the input.
fn rated(tariff: &Tariff, input: &RatingInput) -> Option<BTreeMap<Cover, Fen>> {
    // What the insurer declared was compared when it was quoted.
    let declared = Declared::default();
    let alone = RatingInput { compulsory: None, tax: None, declared, ..input.clone() };
    let mut premiums: BTreeMap<Cover, Fen> = BTreeMap::new();
    for part in rate(tariff, &alone).ok()?.commercial?.covers {
        let own = premiums.entry(part.cover).or_default();
        *own = own.plus(part.premium)?;
    }
    Some(premiums)
}

/// The covers of every version, first to last; `None` when amounts or dates leave their range.
pub(super) fn parts(versions: &[Covered<'_>]) -> Option<Vec<Vec<Part<Option<Cover>>>>> {
    let mut parts = Vec::with_capacity(versions.len());
    let mut shares = Shares::new();
    let mut before: Option<&Covered<'_>> = None;
    for version in versions {
        let moved = match before {
            None => confirmed(version)?,
            Some(before) => endorsed(before, version, &shares)?,
        };
        for (cover, change) in moved {
            let own = shares.entry(cover).or_default();
            *own = own.plus(change)?;
        }
        parts.push(part_of(version, &shares));
        before = Some(version);
    }
    Some(parts)
}

fn part_of(version: &Covered<'_>, shares: &Shares) -> Vec<Part<Option<Cover>>> {
    let named = shares.keys().copied().chain(version.held.covers.iter().copied().map(Some));
    let part = |cover: Option<Cover>| Part {
        cover,
        premium: shares.get(&cover).copied().unwrap_or_default(),
        is_held: cover.is_some_and(|cover| version.held.covers.contains(&cover)),
    };
    named.collect::<BTreeSet<_>>().into_iter().map(part).collect()
}

/// What the covers of a policy have as it is confirmed.
fn confirmed(version: &Covered<'_>) -> Option<Shares> {
    if let Some(only) = only(version.held) {
        return Some(Shares::from([(Some(only), version.premium)]));
    }
    let rated = version.held.rated.iter().flatten();
    let mut shares: Shares = rated.map(|(cover, premium)| (Some(*cover), *premium)).collect();
    leave(&mut shares, version.premium, None)?;
    Some(shares)
}

/// What a version changes of what the covers have: `shares` before it.
fn endorsed(before: &Covered<'_>, now: &Covered<'_>, shares: &Shares) -> Option<Shares> {
    let change = now.premium.minus(before.premium)?;
    if let Some(only) = only(now.held).filter(|_| only(before.held) == only(now.held)) {
        return Some(Shares::from([(Some(only), change)]));
    }
    let ending = now.facts.ending.filter(|_| before.facts.ending.is_none());
    match (ending, &before.held.rated, &now.held.rated) {
        (Some(Ending::Surrendered { .. }), Some(rated), _) => {
            let rated = rated.iter().map(|(cover, premium)| (Some(*cover), *premium));
            in_proportion(change, &rated.collect())
        }
        (Some(_), _, _) => in_proportion(change, shares),
        (None, Some(old), Some(new)) if old != new => {
            charged_anew((before, old), (now, new), change)
        }
        _ => Some(Shares::from([(None, change)])),
    }
}

/// One share of everything for every cover.
fn in_proportion(change: Fen, by: &Shares) -> Option<Shares> {
    let amounts: Vec<Fen> = by.values().copied().collect();
    if Fen::sum(amounts.iter().copied())? == Fen::ZERO {
        return Some(Shares::from([(None, change)]));
    }
    Some(by.keys().copied().zip(change.apportion_signed(&amounts)?).collect())
}

/// Each cover's own difference for the days left.
fn charged_anew(
    (before, old): (&Covered<'_>, &BTreeMap<Cover, Fen>),
    (now, new): (&Covered<'_>, &BTreeMap<Cover, Fen>),
    change: Fen,
) -> Option<Shares> {
    let Charged { period, at } = charged(before.facts, now.effective_at)?;
    let named: BTreeSet<Cover> = old.keys().chain(new.keys()).copied().collect();
    let difference = |cover: Cover| {
        let [old, new] = [old, new].map(|rated| rated.get(&cover).copied().unwrap_or_default());
        premium_change(old, new, period, at).amount
    };
    let mut shares: Shares =
        named.into_iter().map(|cover| (Some(cover), difference(cover))).collect();
    let most = shares.iter().max_by_key(|(_, amount)| amount.0.unsigned_abs());
    let most = most.and_then(|(cover, _)| *cover);
    leave(&mut shares, change, most)?;
    Some(shares)
}

/// Gives what `shares` lack of `total` to `rounded`, when it is no more than rounding; else to none.
fn leave(shares: &mut Shares, total: Fen, rounded: Option<Cover>) -> Option<()> {
    let rest = total.minus(Fen::sum(shares.values().copied())?)?;
    if rest != Fen::ZERO {
        let is_rounding = rest.0.unsigned_abs() <= u64::try_from(shares.len()).ok()?;
        let own = shares.entry(rounded.filter(|_| is_rounding)).or_default();
        *own = own.plus(rest)?;
    }
    Some(())
}

/// The cover, where there is but one: then nothing has to be told apart.
fn only(held: &Held) -> Option<Cover> {
    held.covers.first().copied().filter(|_| held.covers.len() == 1)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::{Period, time};
    use production_core::policy::SurrenderReason;

    use super::*;

    const HULL: Cover = Cover::Hull;
    const THIRD: Cover = Cover::ThirdParty;
    const DEDUCTIBLE: Cover = Cover::AbsoluteDeductible;

    fn at(year: i16, month: i8, day: i8) -> Timestamp {
        time::start_of(date(year, month, day)).unwrap()
    }

    fn confirmed_facts() -> PolicyFacts {
        let period = Period::new(at(2025, 3, 1), at(2026, 3, 1)).unwrap();
        PolicyFacts::confirmed(PolicyClass::Commercial, period, true)
    }

    /// What is held and rated.
    fn held(rated: &[(Cover, i64)]) -> Held {
        let rated: BTreeMap<Cover, Fen> =
            rated.iter().map(|(cover, fen)| (*cover, Fen(*fen))).collect();
        Held { covers: rated.keys().copied().collect(), rated: Some(rated) }
    }

    fn version<'a>(
        effective_at: Timestamp,
        facts: &'a PolicyFacts,
        premium: i64,
        held: &'a Held,
    ) -> Covered<'a> {
        Covered { effective_at, facts, premium: Fen(premium), held }
    }

    /// What the last version's covers have, and whether it holds them.
    fn last(versions: &[Covered<'_>]) -> Vec<(Option<Cover>, i64, bool)> {
        let parts = parts(versions).unwrap().pop().unwrap();
        parts.iter().map(|part| (part.cover, part.premium.0, part.is_held)).collect()
    }

    #[test]
    fn covers_have_what_they_were_rated_at() {
        let facts = confirmed_facts();
        let rated = held(&[(HULL, 200_000), (THIRD, 100_000), (DEDUCTIBLE, -10_000)]);
        let versions = [version(at(2025, 2, 20), &facts, 290_000, &rated)];
        let expected = [
            (Some(HULL), 200_000, true),
            (Some(THIRD), 100_000, true),
            (Some(DEDUCTIBLE), -10_000, true),
        ];
        assert_eq!(last(&versions), expected);
    }

    #[test]
    fn what_is_not_rated_again_stands_under_no_cover() {
        let facts = confirmed_facts();
        let rated = held(&[(HULL, 200_000), (THIRD, 100_000)]);
        let other = version(at(2025, 2, 20), &facts, 300_007, &rated);
        let silent = Held { rated: None, ..rated.clone() };
        let unrated = version(at(2025, 2, 20), &facts, 300_007, &silent);
        let whole = [(None, 300_007, false), (Some(HULL), 0, true), (Some(THIRD), 0, true)];
        assert_eq!(last(&[unrated]), whole);
        // Seven fen that no rate explains.
        assert_eq!(last(&[other])[0], (None, 7, false));
        // One cover alone needs no rating.
        let hull = held(&[(HULL, 1)]);
        let alone = version(at(2025, 2, 20), &facts, 300_007, &hull);
        assert_eq!(last(&[alone]), [(Some(HULL), 300_007, true)]);
    }

    #[test]
    fn an_endorsement_changes_each_cover_by_its_own_days() {
        let facts = confirmed_facts();
        // From 8 September on 174 of 365 days are left. Hull goes: -2,000.00 × 174/365 = -953.42;
        // third party is raised: 301.00 × 174/365 = 143.49. Together -1,699.00 × 174/365 = -809.93.
        let both = held(&[(HULL, 200_000), (THIRD, 100_000)]);
        let raised = held(&[(THIRD, 130_100)]);
        let first = version(at(2025, 2, 20), &facts, 300_000, &both);
        let versions = [first, version(at(2025, 9, 8), &facts, 300_000 - 80_993, &raised)];
        let expected = [(Some(HULL), 104_658, false), (Some(THIRD), 114_349, true)];
        assert_eq!(last(&versions), expected);
        // What rounding leaves goes to the cover that changes most.
        let versions = [first, version(at(2025, 9, 8), &facts, 219_008, &raised)];
        assert_eq!(last(&versions)[0], (Some(HULL), 104_659, false));
    }

    #[test]
    fn a_surrender_gives_back_one_share_and_a_revocation_everything() {
        let facts = confirmed_facts();
        let rated = held(&[(HULL, 200_000), (THIRD, 100_000)]);
        let before = version(at(2025, 2, 20), &facts, 300_000, &rated);
        let now = at(2025, 5, 11);
        let given_up = facts.clone().surrender(SurrenderReason::Voluntary, now, now).unwrap();
        let ended = [before, version(now, &given_up, 60_001, &rated)];
        // 2,399.99 back, two thirds of it hull's, rounded down: -1,600.00 rather than -1,599.99.
        let expected = [(Some(HULL), 40_000, true), (Some(THIRD), 20_001, true)];
        assert_eq!(last(&ended), expected);
        let revoked = facts.clone().revoke(at(2025, 2, 25)).unwrap();
        let ended = [before, version(at(2025, 2, 25), &revoked, 0, &rated)];
        assert_eq!(last(&ended), [(Some(HULL), 0, true), (Some(THIRD), 0, true)]);
    }

    #[test]
    fn a_change_no_rate_explains_is_no_covers() {
        let facts = confirmed_facts();
        let rated = held(&[(HULL, 200_000), (THIRD, 100_000)]);
        let versions = [
            version(at(2025, 2, 20), &facts, 300_000, &rated),
            version(at(2025, 4, 1), &facts, 300_900, &rated),
        ];
        assert_eq!(last(&versions)[0], (None, 900, false));
    }
}

//! Rules about the covers asked for: F27, S03, S04, L16, L17, L19.

use kernel::Fen;

use crate::cover::{Cover, CoverClass, CoverRequest};
use crate::history::PolicyClass;
use crate::rule::{Findings, RuleId};

/// Runs every rule of this module that needs no tariff over one message's covers.
///
/// `lines` are the product lines the message speaks of; pointers are `at/<index>/<field>`.
pub fn all(
    covers: &[CoverRequest],
    lines: &[PolicyClass],
    new_energy: bool,
    at: &str,
    found: &mut Findings,
) {
    lines_of(covers, lines, at, found);
    combination(covers, at, found);
    for (index, request) in covers.iter().enumerate() {
        let at = format!("{at}/{index}");
        fields(request, &at, found);
        clause(request.cover, new_energy, &at, found);
    }
}

/// S03: at least one cover; exactly one compulsory cover in the compulsory line, none without it.
fn lines_of(covers: &[CoverRequest], lines: &[PolicyClass], at: &str, found: &mut Findings) {
    let count =
        |class| covers.iter().filter(|request| request.cover.policy_class() == class).count();
    let compulsory = count(PolicyClass::Compulsory);
    if covers.is_empty() {
        found.add(RuleId::S03, at, "no cover is asked for; send at least one");
        return;
    }
    if lines.contains(&PolicyClass::Compulsory) && compulsory != 1 {
        found.add(
            RuleId::S03,
            at,
            format!("compulsory line has {compulsory} covers A02; send one"),
        );
    }
    if !lines.contains(&PolicyClass::Compulsory) && compulsory > 0 {
        found.add(RuleId::S03, at, "commercial line contains A02; send it in the compulsory line");
    }
    if lines.contains(&PolicyClass::Commercial) && count(PolicyClass::Commercial) == 0 {
        found.add(RuleId::S03, at, "commercial line has no cover; send at least one");
    }
    if !lines.contains(&PolicyClass::Commercial) && count(PolicyClass::Commercial) > 0 {
        found.add(RuleId::S03, at, "compulsory line contains commercial covers; leave them out");
    }
}

/// S04 and L17: no cover twice; an additional cover only with its main cover.
pub fn combination(covers: &[CoverRequest], at: &str, found: &mut Findings) {
    let held = |cover: Cover| covers.iter().any(|request| request.cover == cover);
    for (index, request) in covers.iter().enumerate() {
        let at = || format!("{at}/{index}");
        let linked = || format!("{}/linked", at());
        let cover = request.cover;
        if covers[..index].iter().any(|earlier| earlier.key() == request.key()) {
            found.add(RuleId::S04, at(), format!("cover {cover} is asked for twice; send it once"));
        }
        if cover.class() != CoverClass::Additional {
            continue;
        }
        let needs = cover.needs_one_of();
        let list = || needs.iter().map(|main| main.code()).collect::<Vec<_>>().join(", ");
        match request.linked {
            None if cover.names_its_main() => {
                let message =
                    format!("cover {cover} names no main cover; link it to one of {}", list());
                found.add(RuleId::L17, linked(), message);
            }
            Some(main) if !needs.contains(&main) => {
                let message =
                    format!("cover {cover} cannot hang on {main}; link it to one of {}", list());
                found.add(RuleId::L17, linked(), message);
            }
            Some(main) if !held(main) => {
                let message = format!("cover {cover} hangs on {main}, which is not asked for");
                found.add(RuleId::S04, linked(), message);
            }
            Some(_) => {}
            None if !needs.iter().any(|&main| held(main)) => {
                let message = format!("cover {cover} comes only with one of {}", list());
                found.add(RuleId::S04, at(), message);
            }
            None => {}
        }
    }
}

/// L19: the clause belongs to the kind of vehicle.
pub fn clause(cover: Cover, new_energy: bool, at: &str, found: &mut Findings) {
    if !cover.suits(new_energy) {
        let (only, other) = if new_energy {
            ("ordinary fuel", "new-energy")
        } else {
            ("new-energy", "ordinary fuel")
        };
        let message = format!("cover {cover} is for {only} vehicles; use the {other} clause");
        found.add(RuleId::L19, format!("{at}/cover"), message);
    }
}

/// F27, L16, L17: every field the cover needs is there and on the product's list.
pub fn fields(request: &CoverRequest, at: &str, found: &mut Findings) {
    let cover = request.cover;
    let mut add = |rule: RuleId, name: &str, message: &str| {
        found.add(rule, format!("{at}/{name}"), format!("cover {cover}: {message}"));
    };
    let positive = |amount: Option<Fen>| amount.is_some_and(|amount| amount > Fen::ZERO);
    match cover {
        Cover::ThirdParty | Cover::NevThirdParty if !third_party_limit(request.limit) => {
            add(
                RuleId::L16,
                "limit",
                "limit is not on the list; above 1,000,000 take a multiple of 500,000 up to 10,000,000",
            );
        }
        Cover::Hull | Cover::NevHull if !positive(request.agreed_value) => {
            add(
                RuleId::F27,
                "agreedValue",
                "agreed value is missing; send the agreed actual value",
            );
        }
        Cover::Occupants | Cover::NevOccupants => {
            if request.part.is_none() {
                add(RuleId::F27, "part", "part is missing; ask for driver and passengers apart");
            }
            if !whole_thousands(request.limit) {
                add(RuleId::F27, "limit", "limit per seat is not a positive multiple of 1,000");
            }
            if request.part == Some(crate::cover::Part::Passenger)
                && request.seats.is_none_or(|seats| seats == 0)
            {
                add(
                    RuleId::F27,
                    "seats",
                    "seats are missing; send how many passengers are covered",
                );
            }
        }
        Cover::AbsoluteDeductible
            if !request.deductible_pct.is_some_and(|pct| matches!(pct, 5 | 10 | 15 | 20)) =>
        {
            add(RuleId::L17, "deductiblePct", "absolute deductible is not 5, 10, 15 or 20 percent");
        }
        Cover::Scratch if !scratch_limit(request.limit) => {
            add(RuleId::F27, "limit", "limit is not 2,000, 5,000, 10,000 or 20,000");
        }
        Cover::RepairPeriod => {
            if !request.days.is_some_and(|days| (1..=90).contains(&days)) {
                add(RuleId::F27, "days", "days are not 1 to 90");
            }
            if !positive(request.daily) {
                add(RuleId::F27, "daily", "daily compensation is missing");
            }
        }
        Cover::Wheel
        | Cover::AddedEquipment
        | Cover::Cargo
        | Cover::MentalDistress
        | Cover::NonMedicare
        | Cover::ChargingPileDamage
        | Cover::ChargingPileLiability
            if !positive(request.limit) =>
        {
            add(RuleId::F27, "limit", "limit is missing or not above zero");
        }
        _ => {}
    }
}

/// The list of third-party limits: 50,000 to 1,000,000, then multiples of 500,000 to 10,000,000.
fn third_party_limit(limit: Option<Fen>) -> bool {
    const LIST: [i64; 7] = [50_000, 100_000, 150_000, 200_000, 300_000, 500_000, 1_000_000];
    let Some(yuan) = limit.filter(|limit| limit.0 % 100 == 0).map(|limit| limit.0 / 100) else {
        return false;
    };
    LIST.contains(&yuan) || (1_000_000 < yuan && yuan <= 10_000_000 && yuan % 500_000 == 0)
}

fn scratch_limit(limit: Option<Fen>) -> bool {
    limit.is_some_and(|limit| matches!(limit.0, 200_000 | 500_000 | 1_000_000 | 2_000_000))
}

fn whole_thousands(limit: Option<Fen>) -> bool {
    limit.is_some_and(|limit| limit.0 > 0 && limit.0 % 100_000 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cover::Part;
    use crate::rules::probe::broken;

    const BOTH: &[PolicyClass] = &[PolicyClass::Compulsory, PolicyClass::Commercial];

    fn yuan(yuan: i64) -> Fen {
        Fen(yuan * 100)
    }

    fn hull() -> CoverRequest {
        CoverRequest { agreed_value: Some(yuan(100_000)), ..CoverRequest::of(Cover::Hull) }
    }

    fn third_party() -> CoverRequest {
        CoverRequest::of(Cover::ThirdParty).limit(yuan(1_000_000))
    }

    fn judge(covers: &[CoverRequest], lines: &[PolicyClass]) -> Vec<&'static str> {
        broken(|found| all(covers, lines, false, "/covers", found))
    }

    #[test]
    fn a_full_set_of_covers_passes() {
        let covers = [
            CoverRequest::of(Cover::Compulsory),
            hull(),
            third_party(),
            CoverRequest::of(Cover::Occupants).part(Part::Driver).limit(yuan(10_000)),
            CoverRequest {
                seats: Some(4),
                ..CoverRequest::of(Cover::Occupants).part(Part::Passenger).limit(yuan(10_000))
            },
            CoverRequest {
                deductible_pct: Some(5),
                ..CoverRequest::of(Cover::AbsoluteDeductible).linked(Cover::Hull)
            },
            CoverRequest {
                deductible_pct: Some(5),
                ..CoverRequest::of(Cover::AbsoluteDeductible).linked(Cover::ThirdParty)
            },
            CoverRequest::of(Cover::Scratch).limit(yuan(5_000)),
            CoverRequest {
                days: Some(10),
                daily: Some(yuan(300)),
                ..CoverRequest::of(Cover::RepairPeriod)
            },
            CoverRequest::of(Cover::NonMedicare).linked(Cover::ThirdParty).limit(yuan(50_000)),
            CoverRequest::of(Cover::HolidayDoubling),
        ];
        assert_eq!(judge(&covers, BOTH), [""; 0]);
    }

    #[test]
    fn s03_each_line_has_its_covers() {
        let compulsory = CoverRequest::of(Cover::Compulsory);
        assert_eq!(judge(&[], BOTH), ["S03"]);
        assert_eq!(judge(&[third_party()], BOTH), ["S03"]);
        assert_eq!(
            judge(std::slice::from_ref(&compulsory), &[PolicyClass::Commercial]),
            ["S03", "S03"]
        );
        assert_eq!(
            judge(&[compulsory.clone(), third_party()], &[PolicyClass::Compulsory]),
            ["S03"]
        );
        assert!(judge(std::slice::from_ref(&compulsory), &[PolicyClass::Compulsory]).is_empty());
        assert_eq!(
            judge(&[compulsory.clone(), compulsory], &[PolicyClass::Compulsory]),
            ["S03", "S04"]
        );
    }

    #[test]
    fn s04_no_cover_twice_and_none_without_its_main() {
        let commercial = &[PolicyClass::Commercial];
        assert_eq!(judge(&[third_party(), third_party()], commercial), ["S04"]);
        let scratch = || CoverRequest::of(Cover::Scratch).limit(yuan(2_000));
        assert_eq!(judge(&[third_party(), scratch()], commercial), ["S04"]);
        assert!(judge(&[hull(), scratch()], commercial).is_empty());
        let deductible = CoverRequest {
            deductible_pct: Some(10),
            ..CoverRequest::of(Cover::AbsoluteDeductible).linked(Cover::Hull)
        };
        assert_eq!(judge(&[third_party(), deductible], commercial), ["S04"]);
    }

    #[test]
    fn l16_third_party_limits_are_on_the_list() {
        for good in [100_000, 1_000_000, 1_500_000, 10_000_000] {
            let request = CoverRequest::of(Cover::ThirdParty).limit(yuan(good));
            assert!(broken(|found| fields(&request, "", found)).is_empty(), "{good}");
        }
        for bad in [0, 120_000, 800_000, 1_200_000, 10_500_000, -500_000] {
            let request = CoverRequest::of(Cover::ThirdParty).limit(yuan(bad));
            assert_eq!(broken(|found| fields(&request, "", found)), ["L16"], "{bad}");
        }
        let none = CoverRequest::of(Cover::NevThirdParty);
        assert_eq!(broken(|found| fields(&none, "", found)), ["L16"]);
        let odd = CoverRequest::of(Cover::ThirdParty).limit(Fen(10_000_001));
        assert_eq!(broken(|found| fields(&odd, "", found)), ["L16"]);
    }

    #[test]
    fn l17_deductibles_and_links() {
        let deductible = |pct, linked| CoverRequest {
            deductible_pct: pct,
            linked,
            ..CoverRequest::of(Cover::AbsoluteDeductible)
        };
        let judge = |request| judge(&[hull(), request], &[PolicyClass::Commercial]);
        assert!(judge(deductible(Some(20), Some(Cover::Hull))).is_empty());
        assert_eq!(judge(deductible(Some(25), Some(Cover::Hull))), ["L17"]);
        assert_eq!(judge(deductible(None, Some(Cover::Hull))), ["L17"]);
        assert_eq!(judge(deductible(Some(5), None)), ["L17"]);
        assert_eq!(judge(deductible(Some(5), Some(Cover::Scratch))), ["L17"]);
    }

    #[test]
    fn l19_clauses_follow_the_vehicle() {
        let judge = |cover, new_energy| broken(|found| clause(cover, new_energy, "", found));
        assert!(judge(Cover::Hull, false).is_empty() && judge(Cover::NevHull, true).is_empty());
        assert_eq!(judge(Cover::Hull, true), ["L19"]);
        assert_eq!(judge(Cover::GridFailure, false), ["L19"]);
        assert_eq!(judge(Cover::EngineWaterExclusion, true), ["L19"]);
    }

    #[test]
    fn f27_limits_and_terms_are_on_the_products_list() {
        let bad = [
            CoverRequest::of(Cover::Hull),
            CoverRequest::of(Cover::Scratch).limit(yuan(3_000)),
            CoverRequest::of(Cover::Wheel),
            CoverRequest::of(Cover::Occupants).part(Part::Driver).limit(yuan(1_500)),
            CoverRequest::of(Cover::Occupants).limit(yuan(10_000)),
            CoverRequest::of(Cover::Occupants).part(Part::Passenger).limit(yuan(10_000)),
            CoverRequest {
                days: Some(91),
                daily: Some(yuan(100)),
                ..CoverRequest::of(Cover::RepairPeriod)
            },
        ];
        for request in bad {
            assert_eq!(broken(|found| fields(&request, "", found)), ["F27"], "{request:?}");
        }
    }
}

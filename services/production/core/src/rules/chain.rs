//! Rules that look along a vehicle's chain of policies: L03 and L20.

use kernel::Period;

use crate::coded_enum;
use crate::history::{PolicyClass, PriorPolicy};
use crate::insurer::InsurerCode;
use crate::rule::{Findings, RuleId};

coded_enum! {
    /// Whether the cover asked for is held already (重复投保标志).
    ///
    /// Source: `tariffs/platform_code_lists.csv`, list `reinsure_flag`.
    pub enum ReinsureFlag ("duplicate flag") {
        None = "0", "非重复投保", "not duplicate";
        SameInsurer = "1", "本公司重复", "duplicate with this insurer";
        OtherInsurer = "2", "他公司重复", "duplicate with another insurer";
        Unknown = "3", "未如实告知无法判断", "cannot judge";
    }
}

/// Policies of `class` on the same vehicle that cover part of `period`.
pub fn duplicates(
    policies: &[PriorPolicy],
    class: PolicyClass,
    period: Period,
) -> Vec<&PriorPolicy> {
    let clashes = |policy: &&PriorPolicy| {
        let covered = Period::new(policy.period.from(), policy.covered_until());
        policy.class == class && covered.is_some_and(|covered| covered.overlaps(period))
    };
    policies.iter().filter(clashes).collect()
}

/// The flag of the answer: another insurer's duplicate outweighs one's own.
pub fn flag(duplicates: &[&PriorPolicy], caller: InsurerCode) -> ReinsureFlag {
    if duplicates.iter().any(|policy| policy.insurer != caller) {
        ReinsureFlag::OtherInsurer
    } else if duplicates.is_empty() {
        ReinsureFlag::None
    } else {
        ReinsureFlag::SameInsurer
    }
}

/// L03 and L20: duplicate compulsory cover rejects, duplicate commercial cover warns.
///
/// Texts name the other policy by its confirm code alone; the answer carries the rest.
pub fn duplicate(
    policies: &[PriorPolicy],
    class: PolicyClass,
    period: Period,
    caller: InsurerCode,
    at: &str,
    found: &mut Findings,
) -> ReinsureFlag {
    let clashing = duplicates(policies, class, period);
    let flag = flag(&clashing, caller);
    let rule = match class {
        PolicyClass::Compulsory => RuleId::L03,
        PolicyClass::Commercial => RuleId::L20,
    };
    for policy in clashing {
        let message = format!(
            "vehicle is covered by {} of {} until {}; start cover then ({}, flag {flag})",
            policy.confirm_no,
            policy.insurer,
            kernel::time::wall_time(policy.covered_until()),
            flag.name_en(),
        );
        found.add(rule, at, message);
    }
    flag
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::date;

    use super::*;
    use crate::frame::Slot;
    use crate::number::{NumberKind, PlatformNumber};
    use crate::region::Region;
    use crate::rules::probe::{broken, rejected};

    fn day(year: i16, month: i8) -> Timestamp {
        kernel::time::start_of(date(year, month, 1)).unwrap()
    }

    fn insurer(code: &str) -> InsurerCode {
        InsurerCode::parse(code).unwrap()
    }

    fn policy(class: PolicyClass, by: &str) -> PriorPolicy {
        let insurer = insurer(by);
        PriorPolicy {
            confirm_no: PlatformNumber::new(
                NumberKind::Confirm,
                insurer,
                Region::Beijing,
                2025,
                Slot(9),
                1,
            )
            .unwrap(),
            insurer,
            class,
            period: Period::new(day(2025, 3), day(2026, 3)).unwrap(),
            issued_at: day(2025, 2),
            quoted_at: day(2025, 2),
            short_term: false,
            transferred_at: None,
            ended_early: None,
        }
    }

    #[test]
    fn l03_compulsory_cover_is_held_once() {
        let held = [policy(PolicyClass::Compulsory, "PAIC")];
        let check = |from, to, found: &mut Findings| {
            let period = Period::new(from, to).unwrap();
            duplicate(&held, PolicyClass::Compulsory, period, insurer("PICC"), "/period", found)
        };
        assert_eq!(rejected(|found| _ = check(day(2026, 2), day(2027, 2), found)), ["L03"]);
        assert!(broken(|found| _ = check(day(2026, 3), day(2027, 3), found)).is_empty());
        assert!(broken(|found| _ = check(day(2024, 3), day(2025, 3), found)).is_empty());
        let mut found = Findings::new();
        assert_eq!(check(day(2026, 2), day(2027, 2), &mut found), ReinsureFlag::OtherInsurer);
    }

    #[test]
    fn cover_that_ended_early_is_no_duplicate_and_revoked_cover_never_was() {
        let mut held = policy(PolicyClass::Compulsory, "PAIC");
        let period = Period::new(day(2025, 8), day(2026, 8)).unwrap();
        let clashes =
            |held: &PriorPolicy| duplicates(std::slice::from_ref(held), held.class, period).len();
        assert_eq!(clashes(&held), 1);
        held.ended_early = Some(day(2025, 7));
        assert_eq!(clashes(&held), 0);
        held.ended_early = Some(day(2025, 2));
        assert_eq!(clashes(&held), 0);
    }

    #[test]
    fn l20_duplicate_commercial_cover_warns_with_its_flag() {
        let held = [policy(PolicyClass::Commercial, "PICC")];
        let period = Period::new(day(2025, 8), day(2026, 8)).unwrap();
        let mut found = Findings::new();
        let check = |class, found: &mut Findings| {
            duplicate(&held, class, period, insurer("PICC"), "/period", found)
        };
        assert_eq!(check(PolicyClass::Commercial, &mut found), ReinsureFlag::SameInsurer);
        assert!(!found.rejects() && found.as_slice()[0].rule == RuleId::L20);
        assert_eq!(check(PolicyClass::Compulsory, &mut found), ReinsureFlag::None);
        assert_eq!(found.as_slice().len(), 1);
    }
}

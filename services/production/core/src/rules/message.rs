//! Rules about a message as a whole: S02, S05 to S09, S11, S12, L31, L35.

use jiff::Timestamp;
use kernel::Period;
use serde::{Deserialize, Serialize};

use crate::frame::FrameNo;
use crate::insurer::InsurerCode;
use crate::number::PlatformNumber;
use crate::party::{Party, Role};
use crate::rule::{Findings, RuleId};

/// S02: a mandatory field is present and, after trimming, not empty.
pub fn required<'a>(value: Option<&'a str>, at: &str, found: &mut Findings) -> Option<&'a str> {
    let present = value.map(str::trim).filter(|value| !value.is_empty());
    if present.is_none() {
        found.add(RuleId::S02, at, "mandatory field is missing or empty; send it");
    }
    present
}

/// S05: an owner, an applicant and an insured with certificates; as many drivers as announced.
///
/// `driver_num` is the announced number; absent means none.
pub fn parties(parties: &[Party], driver_num: Option<u16>, at: &str, found: &mut Findings) {
    for role in [Role::Owner, Role::Applicant, Role::Insured] {
        let mut of_role = parties.iter().filter(|party| party.role == role).peekable();
        let message = if of_role.peek().is_none() {
            format!("there is no {}; send one with a certificate", role.name())
        } else if of_role.all(|party| party.certificate.is_none()) {
            format!("no {} has a certificate; send it", role.name())
        } else {
            continue;
        };
        found.add(RuleId::S05, at, message);
    }
    let drivers = parties.iter().filter(|party| party.role == Role::Driver).count();
    let announced = usize::from(driver_num.unwrap_or(0));
    if drivers != announced {
        let message =
            format!("{announced} drivers are announced and {drivers} sent; make them agree");
        found.add(RuleId::S05, at, message);
    }
}

/// S06: unknown fields are reported, never stored. `unknown` are their JSON pointers.
pub fn unknown_fields<'a>(unknown: impl IntoIterator<Item = &'a str>, found: &mut Findings) {
    for pointer in unknown {
        found.add(RuleId::S06, pointer, "field is not known and was ignored");
    }
}

/// One page of a large answer (数据包).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Packet {
    /// From 1.
    pub number: u32,
    /// Rows in it.
    pub rows: u64,
}

/// S07: packets run from 1 without a gap and their rows add up to the total.
pub fn packets(
    packets: &[Packet],
    total_packets: u32,
    total_rows: u64,
    at: &str,
    found: &mut Findings,
) {
    let in_order = (1u32..).zip(packets).all(|(expected, packet)| packet.number == expected);
    if !in_order || u32::try_from(packets.len()) != Ok(total_packets) {
        found.add(RuleId::S07, at, format!("packets do not run from 1 to {total_packets}"));
    }
    let rows = packets.iter().map(|packet| packet.rows).fold(0, u64::saturating_add);
    if rows != total_rows {
        found.add(
            RuleId::S07,
            at,
            format!("packets hold {rows} rows; the total says {total_rows}"),
        );
    }
}

/// A challenge the platform put to a user with a quote, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The query code it belongs to.
    pub query_no: PlatformNumber,
    /// The user it was put to.
    pub user: String,
    /// What the image shows; compared without regard to case.
    pub expected: String,
    /// First instant at which an answer comes too late.
    pub until: Timestamp,
}

/// S08: the answer is for the challenge of this query code, by the same user, in time and right.
pub fn challenge_answer(
    challenge: Option<&Challenge>,
    query_no: PlatformNumber,
    user: &str,
    answer: &str,
    now: Timestamp,
    at: &str,
    found: &mut Findings,
) {
    let message = match challenge {
        None => "no challenge is open for this query code; quote again",
        Some(open) if open.query_no != query_no => "challenge belongs to another query code",
        Some(open) if open.user != user => "challenge was put to another user; answer as that user",
        Some(open) if open.until <= now => "challenge has expired; quote again",
        Some(open) if !open.expected.eq_ignore_ascii_case(answer.trim()) => {
            "answer does not match the image"
        }
        Some(_) => return,
    };
    found.add(RuleId::S08, at, message);
}

/// What a query code was issued for; what a pre-confirm or confirm speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The insurer.
    pub insurer: InsurerCode,
    /// The vehicle.
    pub frame_no: &'a FrameNo,
    /// The period of cover.
    pub period: Period,
}

/// S09: pre-confirm and confirm speak of the quote's insurer, vehicle and period.
///
/// That the code is live and unused is the quote's life cycle
/// ([`QuoteStage`](crate::quote::QuoteStage)); `policy_no_taken` tells whether the insurer used
/// the policy number before in the same line.
pub fn same_subject(
    quoted: Subject<'_>,
    sent: Subject<'_>,
    policy_no_taken: bool,
    at: &str,
    found: &mut Findings,
) {
    let mut add = |name: &str, message: &str| {
        found.add(RuleId::S09, format!("{at}/{name}"), message);
    };
    if quoted.insurer != sent.insurer {
        add("queryNo", "query code belongs to another insurer");
    }
    if quoted.frame_no != sent.frame_no {
        add("frameNo", "query code was issued for another vehicle; quote this one");
    }
    if quoted.period != sent.period {
        add("period", "query code was issued for another period; quote this one");
    }
    if policy_no_taken {
        add("policyNo", "policy number is in use already; send another");
    }
}

/// S11: the policy endorsed exists, the endorsement is its next, effective inside its period.
///
/// `known` is the policy's endorse times so far and its period; `None` when there is no policy.
pub fn endorsement(
    known: Option<(u32, Period)>,
    endorse_times: u32,
    effective: Timestamp,
    at: &str,
    found: &mut Findings,
) {
    let Some((so_far, period)) = known else {
        found.add(
            RuleId::S11,
            format!("{at}/confirmNo"),
            "there is no policy of this confirm code",
        );
        return;
    };
    if endorse_times != so_far.saturating_add(1) {
        let message = format!("endorsement is numbered {endorse_times}; send {}", so_far + 1);
        found.add(RuleId::S11, format!("{at}/endorseTimes"), message);
    }
    if !period.contains(effective) {
        let message = format!(
            "effective date lies outside the period of cover, {} to {}",
            kernel::time::wall_time(period.from()),
            kernel::time::wall_time(period.to())
        );
        found.add(RuleId::S11, format!("{at}/effective"), message);
    }
}

/// S12: one open amendment at a time.
pub fn one_open_amendment(open: Option<PlatformNumber>, at: &str, found: &mut Findings) {
    if let Some(open) = open {
        let message = format!("amendment {open} is open; confirm or cancel it first");
        found.add(RuleId::S12, at, message);
    }
}

/// Checks of identity a region may demand before a policy is sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityChecks {
    /// 实名查验.
    #[serde(default)]
    pub real_name: bool,
    /// 短信验证码.
    #[serde(default)]
    pub sms_code: bool,
    /// 缴费实名认证.
    #[serde(default)]
    pub payment: bool,
}

/// L31: every check the region demands was passed.
pub fn identity(demanded: IdentityChecks, passed: IdentityChecks, at: &str, found: &mut Findings) {
    let checks = [
        ("realName", demanded.real_name && !passed.real_name, "real-name check"),
        ("smsCode", demanded.sms_code && !passed.sms_code, "SMS code"),
        ("payment", demanded.payment && !passed.payment, "payment authentication"),
    ];
    for (name, _, what) in checks.into_iter().filter(|(_, missing, _)| *missing) {
        let message = format!("region demands a passed {what}; do it and send again");
        found.add(RuleId::L31, format!("{at}/{name}"), message);
    }
}

/// L35: a user's quotes of the day stay within the quota. `used` counts those before this one.
pub fn quota(used: u32, quota: u32, at: &str, found: &mut Findings) {
    if used >= quota {
        let message = format!("user has used the {quota} quotes of the day; try again tomorrow");
        found.add(RuleId::L35, at, message);
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::frame::{FrameForm, Slot};
    use crate::number::NumberKind;
    use crate::party::{Certificate, CertificateKind, Holder};
    use crate::region::Region;
    use crate::rules::probe::broken;

    fn day(month: i8) -> Timestamp {
        kernel::time::start_of(date(2025, month, 1)).unwrap()
    }

    fn insurer(code: &str) -> InsurerCode {
        InsurerCode::parse(code).unwrap()
    }

    fn query_no(sequence: u64) -> PlatformNumber {
        let kind = NumberKind::Query;
        PlatformNumber::new(kind, insurer("PICC"), Region::Beijing, 2025, Slot(1), sequence)
            .unwrap()
    }

    fn party(role: Role, certified: bool) -> Party {
        let id = Certificate::parse(CertificateKind::ResidentId, "11010519491231002X").unwrap();
        Party {
            role,
            holder: Holder::Person,
            name: "张三".into(),
            certificate: certified.then_some(id),
            mobile: None,
        }
    }

    #[test]
    fn s02_mandatory_fields_are_there() {
        assert!(broken(|found| _ = required(Some(" x "), "", found)).is_empty());
        assert_eq!(broken(|found| _ = required(Some("  "), "", found)), ["S02"]);
        assert_eq!(broken(|found| _ = required(None, "", found)), ["S02"]);
    }

    #[test]
    fn s05_roles_are_filled_and_drivers_counted() {
        let three = |owner| {
            vec![
                party(Role::Owner, owner),
                party(Role::Applicant, true),
                party(Role::Insured, true),
            ]
        };
        let judge = |list: &[Party], drivers| broken(|found| parties(list, drivers, "", found));
        assert!(judge(&three(true), None).is_empty());
        assert_eq!(judge(&three(false), None), ["S05"]);
        assert_eq!(judge(&[], None), ["S05", "S05", "S05"]);
        assert_eq!(judge(&three(true), Some(1)), ["S05"]);
        let mut with_driver = three(true);
        with_driver.push(party(Role::Driver, false));
        assert!(judge(&with_driver, Some(1)).is_empty());
        assert_eq!(judge(&with_driver, None), ["S05"]);
    }

    #[test]
    fn s06_unknown_fields_are_notices() {
        let mut found = Findings::new();
        unknown_fields(["/vehicle/colour"], &mut found);
        assert!(!found.rejects());
        assert_eq!(found.as_slice()[0].pointer, "/vehicle/colour");
    }

    #[test]
    fn s07_packets_run_without_a_gap() {
        let packet = |number, rows| Packet { number, rows };
        let judge =
            |list: &[Packet], total, rows| broken(|found| packets(list, total, rows, "", found));
        assert!(judge(&[packet(1, 10), packet(2, 3)], 2, 13).is_empty());
        assert_eq!(judge(&[packet(1, 10), packet(3, 3)], 2, 13), ["S07"]);
        assert_eq!(judge(&[packet(1, 10)], 2, 10), ["S07"]);
        assert_eq!(judge(&[packet(1, 10)], 1, 11), ["S07"]);
    }

    #[test]
    fn s08_a_challenge_is_answered_by_its_user_in_time() {
        let open = Challenge {
            query_no: query_no(1),
            user: "u1".into(),
            expected: "aB3d".into(),
            until: day(3),
        };
        let judge = |challenge, number, user, answer, now| {
            broken(|found| challenge_answer(challenge, number, user, answer, now, "/answer", found))
        };
        let (right, now) = (query_no(1), day(2));
        assert!(judge(Some(&open), right, "u1", " AB3D ", now).is_empty());
        assert_eq!(judge(None, right, "u1", "aB3d", now), ["S08"]);
        assert_eq!(judge(Some(&open), query_no(2), "u1", "aB3d", now), ["S08"]);
        assert_eq!(judge(Some(&open), right, "u2", "aB3d", now), ["S08"]);
        assert_eq!(judge(Some(&open), right, "u1", "aB3d", day(3)), ["S08"]);
        assert_eq!(judge(Some(&open), right, "u1", "", now), ["S08"]);
    }

    #[test]
    fn s09_a_confirm_speaks_of_what_was_quoted() {
        let frame = |text| FrameNo::parse(text, FrameForm::VinOnly).unwrap();
        let (one, two) = (frame("LSVAM4187C2184847"), frame("11111111111111111"));
        let quoted = Subject {
            insurer: insurer("PICC"),
            frame_no: &one,
            period: Period::new(day(3), day(6)).unwrap(),
        };
        let judge = |sent, taken| broken(|found| same_subject(quoted, sent, taken, "", found));
        assert!(judge(quoted, false).is_empty());
        let other = Subject {
            insurer: insurer("PAIC"),
            frame_no: &two,
            period: Period::new(day(3), day(7)).unwrap(),
        };
        assert_eq!(judge(other, true), ["S09"; 4]);
    }

    #[test]
    fn s11_s12_endorsements_are_in_order_and_one_at_a_time() {
        let period = Period::new(day(3), day(6)).unwrap();
        let judge = |known, times, effective| {
            broken(|found| endorsement(known, times, effective, "", found))
        };
        assert!(judge(Some((2, period)), 3, day(3)).is_empty());
        assert_eq!(judge(Some((2, period)), 2, day(6)), ["S11", "S11"]);
        assert_eq!(judge(None, 1, day(3)), ["S11"]);
        assert!(broken(|found| one_open_amendment(None, "", found)).is_empty());
        assert_eq!(broken(|found| one_open_amendment(Some(query_no(1)), "", found)), ["S12"]);
    }

    #[test]
    fn l31_l35_identity_and_quota() {
        let all = IdentityChecks { real_name: true, sms_code: true, payment: true };
        let none = IdentityChecks::default();
        let judge = |demanded, passed| broken(|found| identity(demanded, passed, "", found));
        assert!(judge(none, none).is_empty() && judge(all, all).is_empty());
        assert_eq!(judge(all, none), ["L31"; 3]);
        assert!(broken(|found| quota(499, 500, "", found)).is_empty());
        assert_eq!(broken(|found| quota(500, 500, "", found)), ["L35"]);
    }
}

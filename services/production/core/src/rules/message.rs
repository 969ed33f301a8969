//! Rules about a message as a whole: S02, S08, L31.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::number::PlatformNumber;
use crate::rule::{Findings, RuleId};

/// S02: a mandatory field is present and, after trimming, not empty.
pub fn required<'a>(value: Option<&'a str>, at: &str, found: &mut Findings) -> Option<&'a str> {
    let present = value.map(str::trim).filter(|value| !value.is_empty());
    if present.is_none() {
        found.add(RuleId::S02, at, "mandatory field is missing or empty; send it");
    }
    present
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::frame::Slot;
    use crate::insurer::InsurerCode;
    use crate::number::NumberKind;
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

    #[test]
    fn s02_mandatory_fields_are_there() {
        assert!(broken(|found| _ = required(Some(" x "), "", found)).is_empty());
        assert_eq!(broken(|found| _ = required(Some("  "), "", found)), ["S02"]);
        assert_eq!(broken(|found| _ = required(None, "", found)), ["S02"]);
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
    fn l31_every_check_demanded_is_passed() {
        let all = IdentityChecks { real_name: true, sms_code: true, payment: true };
        let none = IdentityChecks::default();
        let judge = |demanded, passed| broken(|found| identity(demanded, passed, "", found));
        assert!(judge(none, none).is_empty() && judge(all, all).is_empty());
        assert_eq!(judge(all, none), ["L31"; 3]);
    }
}

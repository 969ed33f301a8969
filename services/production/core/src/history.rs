//! What the market knows of a vehicle: earlier policies, claims, traffic violations.
//!
//! The history is gathered across all insurers and handed to rating as data, so that a quote can
//! be computed again from what was known when it was made.

use std::ops::Not;

use jiff::Timestamp;
use kernel::{Fen, Period};
use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::insurer::InsurerCode;
use crate::number::PlatformNumber;

/// The two product lines: separate policies, messages and codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyClass {
    /// 交强险.
    Compulsory,
    /// 商业险.
    Commercial,
}

impl PolicyClass {
    /// The word used in storage and messages.
    pub const fn name(self) -> &'static str {
        match self {
            PolicyClass::Compulsory => "compulsory",
            PolicyClass::Commercial => "commercial",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Result<PolicyClass, crate::code::UnknownCode> {
        match name {
            "compulsory" => Ok(PolicyClass::Compulsory),
            "commercial" => Ok(PolicyClass::Commercial),
            _ => Err(crate::code::UnknownCode::new("policy class", name)),
        }
    }
}

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

impl ReinsureFlag {
    /// The flag of cover that `holder` has written already, asked for by `caller`.
    pub fn held_by(holder: InsurerCode, caller: InsurerCode) -> ReinsureFlag {
        match holder == caller {
            true => ReinsureFlag::SameInsurer,
            false => ReinsureFlag::OtherInsurer,
        }
    }
}

/// An earlier policy on the same vehicle, of any insurer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriorPolicy {
    /// Its confirm code.
    pub confirm_no: PlatformNumber,
    /// Who insured.
    pub insurer: InsurerCode,
    /// Product line.
    pub class: PolicyClass,
    /// As last endorsed, suspensions included.
    pub period: Period,
    /// When it was issued (出单): the compulsory float looks back from one issue to the next.
    pub issued_at: Timestamp,
    /// When its quote was queried: the no-claim discount looks back from one query to the next.
    pub quoted_at: Timestamp,
    /// Written for less than a year.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub short_term: bool,
    /// When it was endorsed for a transfer of ownership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred_at: Option<Timestamp>,
    /// When it ended before its time: surrendered, revoked or terminated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_early: Option<Timestamp>,
}

impl PriorPolicy {
    /// When cover really ended: the end of the period unless it ended early.
    pub fn covered_until(&self) -> Timestamp {
        self.ended_early.map_or(self.period.to(), |ended| ended.min(self.period.to()))
    }
}

/// A claim on the same vehicle, of any insurer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRecord {
    /// 理赔编号.
    pub claim_code: String,
    /// Who handles it.
    pub insurer: InsurerCode,
    /// Product line of the policy it was made under.
    pub class: PolicyClass,
    /// When the accident happened.
    pub accident_at: Timestamp,
    /// When it was last closed (结案); `None` while open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When it was last paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// When it first came to count: first closed with a payment (commercial cover) or first paid
    /// (compulsory cover). Later payments and closings move it to no other year, and a reopened
    /// claim counts as before until it is closed again. `None` where the last closing or payment is
    /// the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_settled_at: Option<Timestamp>,
    /// Paid in all, less what was paid back; nothing for a claim closed, or closed again, at zero.
    pub paid: Fen,
    /// The insured driver bears some fault (有责).
    pub at_fault: bool,
    /// Somebody died.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub death: bool,
    /// Whether the insurer reported it as counting (RegistTimesFlag).
    #[serde(default = "yes")]
    pub counts: bool,
    /// All that was paid is own damage, recovered in full from the liable side by subrogation.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub fully_recovered: bool,
    /// The vehicle was stolen when it happened, proven by the police.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub stolen_at_the_time: bool,
}

impl ClaimRecord {
    /// Whether `later` says otherwise of a claim that was closed already: a quote that counted it
    /// is stale. Being paid after it was closed, or closed for the first time, says nothing new of
    /// the years that were looked at.
    pub fn is_corrected_by(&self, later: &ClaimRecord) -> bool {
        let seen = |claim: &ClaimRecord| ClaimRecord {
            paid_at: None,
            first_settled_at: None,
            ..claim.clone()
        };
        self.closed_at.is_some() && seen(self) != seen(later)
    }
}

fn yes() -> bool {
    true
}

coded_enum! {
    /// Kind of traffic violation, as far as premiums depend on it.
    ///
    /// `V4`, `V6` and `V8` follow the platform's violation reasons; those reasons about clean
    /// years (V1-V3) describe a history, not an event. Red light and speeding are split further
    /// because the commercial coefficient counts them apart.
    ///
    /// Source: `tariffs/platform_code_lists.csv`, list `violation_reason`;
    /// `tariffs/traffic_violation_coefficient.csv`.
    pub enum ViolationKind ("violation kind") {
        Minor = "V4", "一般违法", "minor violation; five or more in a year make V8";
        WrongWay = "V5", "逆行等", "wrong way and the like";
        RedLight = "V5R", "闯红灯", "running a red light";
        LicenceMismatch = "V6", "准驾不符/暂扣期驾驶", "licence class mismatch or driving while suspended";
        DrinkDriving = "V7A", "饮酒后驾驶", "driving after drinking";
        DrunkDriving = "V7B", "醉酒后驾驶", "driving while drunk";
        SpeedingUnder50 = "S1", "超速未达50%", "speeding under 50%";
        SpeedingFrom50 = "S2", "超速50%以上", "speeding 50% or more";
    }
}

/// One violation recorded by the traffic police.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The police's number of the event (PECCANCY_ID), for the customer's dispute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation_id: Option<String>,
    /// What was done.
    pub kind: ViolationKind,
    /// When.
    pub at: Timestamp,
    /// When it was decided (处理时间); `None` while pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

/// Everything the market knows of one vehicle when a quote is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VehicleHistory {
    /// Earlier policies of both lines, in no particular order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PriorPolicy>,
    /// Claims of both lines, in no particular order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimRecord>,
    /// Violations; `None` where there is no police link or it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<Vec<Violation>>,
}

impl VehicleHistory {
    /// Policies of one line, latest start first. Of two that start together whichever runs longer,
    /// was issued later and so on comes first: never the order they were told in, nor the insurer.
    pub fn policies_of(&self, class: PolicyClass) -> Vec<&PriorPolicy> {
        let mut found: Vec<&PriorPolicy> =
            self.policies.iter().filter(|policy| policy.class == class).collect();
        found.sort_by_key(|policy| {
            let PriorPolicy { period, issued_at, quoted_at, .. } = policy;
            let ended = (policy.short_term, policy.transferred_at, policy.ended_early);
            let number = policy.confirm_no.sequence();
            std::cmp::Reverse((period.from(), period.to(), *issued_at, *quoted_at, ended, number))
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Slot;
    use crate::number::NumberKind;
    use crate::region::Region;

    #[test]
    fn policies_come_latest_first_and_end_when_cover_ended() {
        let insurer = InsurerCode::parse("PICC").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let policy = |sequence, from: &str, to: &str| PriorPolicy {
            confirm_no: PlatformNumber::new(
                NumberKind::Confirm,
                insurer,
                Region::Beijing,
                2024,
                Slot(7),
                sequence,
            )
            .unwrap(),
            insurer,
            class: PolicyClass::Compulsory,
            period: Period::new(at(from), at(to)).unwrap(),
            issued_at: at(from),
            quoted_at: at(from),
            short_term: false,
            transferred_at: None,
            ended_early: None,
        };
        let early = policy(1, "2023-03-01T00:00:00Z", "2024-03-01T00:00:00Z");
        let mut late = policy(2, "2024-03-01T00:00:00Z", "2025-03-01T00:00:00Z");
        late.ended_early = Some(at("2024-07-01T00:00:00Z"));
        assert_eq!(late.covered_until(), at("2024-07-01T00:00:00Z"));
        let history = VehicleHistory { policies: vec![early, late], ..VehicleHistory::default() };
        let order: Vec<u64> = history
            .policies_of(PolicyClass::Compulsory)
            .iter()
            .map(|policy| policy.confirm_no.sequence())
            .collect();
        assert_eq!(order, [2, 1]);
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<VehicleHistory>(&text).unwrap(), history);
    }
}

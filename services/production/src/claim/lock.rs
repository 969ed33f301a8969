//! Recovery locks that touch a case, and the way its accident is settled: questions for the clearing
//! cloud, asked in the transaction that takes the step.
//!
//! The answer of every step is also the channel on which a liable insurer learns that another one
//! recovers from it (LOCKED_LIST).

use base_http::{Naming, ProblemCode};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::{PaidForOthers, RecoverOrPay, StepFacts};
use production_core::frame::FrameNo;
use production_core::number::PlatformNumber;
use production_core::plate::Plate;
use production_core::rule::RuleId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{self, ProductionError};
use crate::lookup::record_of;

/// A recovery lock as an insurer of the case sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryLock {
    /// 结算码.
    pub recovery_code: String,
    /// Status of list `recovery_code_status`.
    pub status: String,
    /// The case locked.
    pub claim_code: String,
    /// Who recovers.
    pub recovering_insurer: String,
    /// From whom.
    pub liable_insurer: String,
}

/// A case that locks may touch.
#[derive(Clone, Debug)]
pub struct TouchedCase {
    /// 理赔编号; for a report the one it is about to get.
    pub claim_no: PlatformNumber,
    /// Its policy.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// The insured vehicle.
    pub frame: FrameNo,
    /// Its plate, as the policy knows it.
    pub plate: Option<Plate>,
    /// When the accident happened.
    pub accident_at: Timestamp,
}

/// A case whose loss goes a way from now on.
#[derive(Clone, Debug)]
pub struct Settling {
    /// The case.
    pub case: TouchedCase,
    /// Which way.
    pub how: How,
}

/// The way a case goes from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Its accident is settled as 互碰自赔.
    Mutually,
    /// It pays for these losses of other vehicles, and for no others.
    Directly {
        /// For which.
        paid: PaidForOthers,
        /// Whether it may have paid for any before.
        again: bool,
    },
}

/// A payment to a recovering insurer.
#[derive(Clone, Debug)]
pub struct CodedPayment {
    /// 结算码.
    pub recovery_code: String,
    /// The case that pays.
    pub claim_no: PlatformNumber,
    /// The insurer's number of the payment.
    pub business_no: String,
    /// How much.
    pub amount: Fen,
    /// When.
    pub paid_at: Timestamp,
}

/// A way to settle the loss of a vehicle in an accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// 互碰自赔: each side pays its own.
    Mutual,
    /// 代位求偿.
    Recovery,
    /// The liable policy pays by itself.
    Direct,
}

/// A way another went before, and under which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which way.
    pub way: Way,
    /// The claim, or the recovery code.
    pub number: PlatformNumber,
}

/// Who knows of recovery locks. Everything happens in the caller's transaction.
pub trait RecoveryLocks: Send + Sync + 'static {
    /// Whether recovery codes are known here, so that a case must not name others.
    fn knows_codes(&self) -> bool {
        true
    }

    /// Live locks that touch each of the cases, in order.
    fn touching<'a>(
        &'a self,
        tx: &'a mut Tx,
        cases: &'a [TouchedCase],
    ) -> BoxFuture<'a, Result<Vec<Vec<RecoveryLock>>, ProductionError>>;

    /// Different cases go a way from now on, as if one after the other; for each, who went another before:
    /// then nothing changes for it. Otherwise nobody goes another later.
    fn settle<'a>(
        &'a self,
        tx: &'a mut Tx,
        cases: &'a [Settling],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Option<Taken>>, ProductionError>>;

    /// A case that may have been closed as 互碰自赔 is open again.
    fn reopen<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>>;

    /// Payments that name recovery codes went out.
    fn paid<'a>(
        &'a self,
        tx: &'a mut Tx,
        payments: &'a [CodedPayment],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>>;
}

/// A market without a clearing cloud: nothing is ever locked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLocks;

impl RecoveryLocks for NoLocks {
    fn knows_codes(&self) -> bool {
        false
    }

    fn touching<'a>(
        &'a self,
        _tx: &'a mut Tx,
        cases: &'a [TouchedCase],
    ) -> BoxFuture<'a, Result<Vec<Vec<RecoveryLock>>, ProductionError>> {
        async move { Ok(vec![Vec::new(); cases.len()]) }.boxed()
    }

    fn settle<'a>(
        &'a self,
        _tx: &'a mut Tx,
        cases: &'a [Settling],
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Option<Taken>>, ProductionError>> {
        async move { Ok(vec![None; cases.len()]) }.boxed()
    }

    fn reopen<'a>(
        &'a self,
        _tx: &'a mut Tx,
        _claim_no: PlatformNumber,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>> {
        async move { Ok(()) }.boxed()
    }

    fn paid<'a>(
        &'a self,
        _tx: &'a mut Tx,
        _payments: &'a [CodedPayment],
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>> {
        async move { Ok(()) }.boxed()
    }
}

/// The refusal of a way because another was gone before; it names that one once the look is recorded.
pub(super) fn goes_another_way(asked: &How, first: Taken) -> ProductionError {
    let number = first.number;
    let (detail, named, member) = match first.way {
        Way::Recovery => (
            "the loss is recovered under a recovery code (代位求偿)",
            format!("the loss is recovered under code {number} (代位求偿)"),
            "recoveryCode",
        ),
        Way::Mutual => (
            "the accident is settled as a mutual collision (互碰自赔)",
            format!("claim {number} settles the accident as a mutual collision (互碰自赔)"),
            "claimCode",
        ),
        Way::Direct => (
            "the liable policy pays for the loss by itself",
            format!("claim {number} of the liable policy pays for the loss"),
            "claimCode",
        ),
    };
    let code: &'static ProblemCode = match (asked, first.way) {
        (How::Mutually, Way::Recovery) => &error::ACCIDENT_RECOVERED,
        _ => &error::LOSS_SETTLED,
    };
    ProductionError::Names {
        code,
        rule: None,
        detail: format!("{detail}: it cannot be settled another way as well"),
        naming: Box::new(Naming {
            records: vec![record_of(number)],
            detail: format!("{named}: it cannot be settled another way as well"),
            more: Some((
                "settledBy",
                serde_json::json!({ "way": first.way, member: number.to_string() }),
            )),
        }),
    }
}

/// Who tells of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    /// The insurer whose case it is.
    Insurer,
    /// The platform, of what it settled itself.
    Platform,
}

/// Only the platform tells that recovered money was taken back.
pub(super) fn takes_back(facts: &StepFacts, teller: Teller) -> Result<(), ProductionError> {
    match facts {
        StepFacts::Recovery(recovery)
            if teller == Teller::Insurer && recovery.amount < Fen::ZERO =>
        {
            let detail = "the platform itself tells that recovered money was taken back; send zero \
                          or more";
            Err(ProductionError::refused(&error::RECOVERY_TOLD, detail))
        }
        _ => Ok(()),
    }
}

/// What locks say against a step: L51, and codes that are not live for the case.
pub(super) fn against(
    claim_no: PlatformNumber,
    facts: &StepFacts,
    locks: &[RecoveryLock],
    teller: Teller,
) -> Result<(), ProductionError> {
    let own = |lock: &&RecoveryLock| lock.claim_code == claim_no.to_string();
    let unknown = |code: &str, side: &str| {
        let detail = format!(
            "{code:?} is no live recovery code {side} this claim; lock the liable policy first"
        );
        Err(ProductionError::refused(&error::CLAIM_NOT_LOCKED, detail))
    };
    match facts {
        StepFacts::Cancel(_) if !locks.is_empty() => {
            let detail = "a recovery lock touches this claim; cancel the lock first";
            Err(ProductionError::breaks(RuleId::L51, &error::CLAIM_LOCKED, detail))
        }
        StepFacts::Adjust(adjust) => {
            for row in &adjust.recoveries {
                if row.counterparty == RecoveryFrom::Wrongdoer {
                    continue;
                }
                let code = row.recovery_code.as_deref().unwrap_or_default();
                let of = |lock: &&RecoveryLock| lock.recovery_code == code;
                let recovers = row.direction == RecoverOrPay::Recover;
                let live = locks.iter().filter(of).any(|lock| own(&lock) == recovers);
                if !live {
                    return unknown(code, if recovers { "of" } else { "against" });
                }
            }
            Ok(())
        }
        StepFacts::Pay(pay) => {
            for code in pay.payees.iter().filter_map(|payee| payee.recovery_code.as_deref()) {
                let of = |lock: &&RecoveryLock| lock.recovery_code == code;
                if !locks.iter().filter(of).any(|lock| !own(&lock)) {
                    return unknown(code, "against");
                }
            }
            Ok(())
        }
        StepFacts::Recovery(recovery)
            if teller == Teller::Insurer
                && (recovery.settles.is_some()
                    || recovery.counterparty != RecoveryFrom::Wrongdoer
                        && locks.iter().any(|lock| own(&lock))) =>
        {
            let detail = "what is recovered under a recovery code is told by the platform itself \
                          when its money came";
            Err(ProductionError::refused(&error::RECOVERY_TOLD, detail))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OWN: &str = "05PICC32002601656000000000001";
    const OTHER: &str = "05PAIC32002601656000000000002";

    fn number(body: &str) -> PlatformNumber {
        let ending = |digit| PlatformNumber::parse(&format!("{body}{digit}")).ok();
        (0..10).find_map(ending).unwrap()
    }

    fn facts(step: &str, facts: Value) -> StepFacts {
        serde_json::from_value(json!({ "step": step, "facts": facts })).unwrap()
    }

    fn adjust(direction: &str, from: &str, code: &str) -> StepFacts {
        let row = json!({ "serialNo": 1, "direction": direction, "counterparty": from,
                          "recoveryCode": code, "amount": "1.00" });
        facts(
            "adjust",
            json!({ "at": "2026-06-01T00:00:00Z", "total": "1.00", "covers": [],
                                "recoveries": [row] }),
        )
    }

    fn pay(code: &str) -> StepFacts {
        facts(
            "pay",
            json!({ "at": "2026-06-01T00:00:00Z", "total": "1.00",
            "payees": [{ "kind": "insurer", "amount": "1.00", "recoveryCode": code }] }),
        )
    }

    #[test]
    fn a_case_names_codes_that_are_live_for_it_on_the_right_side() {
        let (own, other) = (number(OWN), number(OTHER));
        let lock = |code: &str, claim: PlatformNumber| RecoveryLock {
            recovery_code: code.to_owned(),
            status: "1".to_owned(),
            claim_code: claim.to_string(),
            recovering_insurer: claim.insurer().to_string(),
            liable_insurer: "CPIC".to_owned(),
        };
        let locks = [lock("OURS", own), lock("THEIRS", other)];
        let recovered = |from: &str| {
            facts(
                "recovery",
                json!({ "at": "2026-06-01T00:00:00Z", "amount": "1.00",
                                      "counterparty": from }),
            )
        };
        let cancel = facts("cancel", json!({ "at": "2026-06-01T00:00:00Z", "kind": "1" }));
        let rows = [
            (adjust("1", "1", "OURS"), Teller::Insurer, None),
            (adjust("1", "1", "THEIRS"), Teller::Insurer, Some(("E2047", None))),
            (adjust("2", "2", "THEIRS"), Teller::Insurer, None),
            (adjust("2", "2", "OURS"), Teller::Insurer, Some(("E2047", None))),
            (adjust("1", "2", "NOBODYS"), Teller::Insurer, Some(("E2047", None))),
            (adjust("1", "3", ""), Teller::Insurer, None),
            (pay("THEIRS"), Teller::Insurer, None),
            (pay("OURS"), Teller::Insurer, Some(("E2047", None))),
            (cancel, Teller::Insurer, Some(("E2046", Some(RuleId::L51)))),
            (recovered("1"), Teller::Insurer, Some(("E2049", None))),
            (recovered("1"), Teller::Platform, None),
            (recovered("3"), Teller::Insurer, None),
        ];
        for (at, (facts, teller, expected)) in rows.into_iter().enumerate() {
            let refused = match against(own, &facts, &locks, teller) {
                Err(ProductionError::Refused { code, rule, .. }) => Some((code.code, rule)),
                Err(other) => panic!("row {at}: {other}"),
                Ok(()) => None,
            };
            assert_eq!(refused, expected, "row {at}");
        }
    }
}

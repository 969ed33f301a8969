//! What a case lets its insurer recover, told by its adjustments alone, and where a recovery stands.

use kernel::Fen;

use super::check::{HullRow, hull_rows, share_of};
use super::{Case, Promise};
use crate::adjustment::hull::{self, OwnPart};
use crate::adjustment::recovery::{LiableParty, RecoveryCase};
use crate::adjustment::{AdjustmentError, Share};
use crate::coded_enum;
use crate::rule::Findings;

coded_enum! {
    /// Where a recovery between insurers stands (`recovery_code_status`).
    ///
    /// Source: `tariffs/platform_code_lists.csv`. 2, 5 and 8 are inferred there.
    pub enum RecoveryStatus ("recovery code status") {
        Locked = "1", "已锁定", "locked";
        Started = "2", "已开始追偿", "recovery started";
        Reviewing = "3", "互审中", "in mutual review";
        WaitingForSettlement = "4", "待结算", "waiting for settlement";
        Settled = "5", "已结算", "settled";
        Zero = "6", "零结算", "zero settlement";
        Settling = "7", "开始结算", "settlement started";
        Finished = "8", "结算完成", "settlement finished";
        Void = "9", "已失效", "void";
        WaitingForPayment = "10", "待支付", "waiting for payment";
    }
}

impl RecoveryStatus {
    /// Whether the meaning of the code is known, not inferred from values missing between known ones.
    pub const fn is_confirmed(self) -> bool {
        !matches!(
            self,
            RecoveryStatus::Started | RecoveryStatus::Settled | RecoveryStatus::Finished
        )
    }
}

/// The hull payment of a case as it is to be recovered from `parties`; `None` while no adjustment of
/// this round pays for the insured vehicle.
///
/// What compulsory covers paid to the insured before is gone from the parties' limits, in their order.
pub fn recovery_case(
    case: &Case,
    promise: &Promise,
    mut parties: Vec<LiableParty>,
) -> Result<Option<RecoveryCase>, AdjustmentError> {
    let mut unheard = Findings::new();
    let mut rows: Vec<HullRow<'_>> = Vec::new();
    for adjustment in &case.adjustments {
        rows.extend(hull_rows(case, promise, adjustment, &mut unheard));
    }
    let Some(own_share) = rows.iter().find_map(|row| share_of(row.row)) else { return Ok(None) };
    let sum = |amounts: Vec<Fen>| {
        Fen::sum(amounts).ok_or(AdjustmentError::Amount { what: "sum", amount: Fen(i64::MAX) })
    };
    let mut before = sum(rows.iter().map(|row| row.row.compulsory_paid).collect())?;
    let gone = before;
    for party in &mut parties {
        let taken = party.compulsory.min(before);
        party.compulsory = Fen(party.compulsory.0 - taken.0);
        before = Fen(before.0 - taken.0);
    }
    let offered = sum(parties.iter().map(|party| party.compulsory).collect())?;
    let (mut losses, mut paid, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for HullRow { row, loss, cover, .. } in &rows {
        losses.push(loss.whole()?);
        paid.push(row.amount);
        let part = OwnPart {
            share: share_of(row).unwrap_or(Share::NONE),
            compulsory: sum(vec![offered, row.compulsory_paid])?,
            deductions: row.deductions,
        };
        own.push(hull::without_subrogation(loss, cover, &part)?.amount);
    }
    let other = sum(rows.iter().map(|row| row.row.deductions).collect())?;
    Ok(Some(RecoveryCase {
        loss: sum(losses)?,
        deductions: sum(vec![other, gone])?,
        paid: sum(paid)?,
        own_obligation: sum(own)?,
        own_share,
        parties,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adjustment::recovery::recover;
    use crate::claim::{AdjustFacts, AssessFacts, CoverRow, LossVehicle, NotifyFacts};
    use crate::cover::{Cover, CoverRequest};
    use crate::history::PolicyClass;

    fn yuan(text: &str) -> Fen {
        text.parse().unwrap()
    }

    fn hull() -> Promise {
        let held: CoverRequest =
            serde_json::from_str(r#"{"cover":"M01","limit":"100000.00"}"#).unwrap();
        Promise {
            class: PolicyClass::Commercial,
            covers: vec![held],
            hull_deductible: Fen::ZERO,
            limits: None,
        }
    }

    fn paid(loss: &str, share: u8, compulsory_paid: &str, amount: &str) -> Case {
        let notify: NotifyFacts = serde_json::from_str(
            r#"{"accidentAt":"2026-06-01T00:30:00Z","reportedAt":"2026-06-01T01:00:00Z"}"#,
        )
        .unwrap();
        let at = notify.reported_at;
        let mut case = Case::notified(PolicyClass::Commercial, notify);
        let own = LossVehicle {
            item: 1,
            own: true,
            loss: yuan(loss),
            salvage: Fen::ZERO,
            total_loss: false,
            residual: Fen::ZERO,
            no_third_party: false,
            marks: Vec::new(),
        };
        case.assessment =
            Some(AssessFacts { at, vehicles: vec![own], properties: vec![], persons: vec![] });
        let row = CoverRow {
            cover: Cover::Hull,
            fee: "1".to_owned(),
            amount: yuan(amount),
            item: Some(1),
            share_pct: Some(share.into()),
            loss: yuan(loss),
            salvage: Fen::ZERO,
            compulsory_paid: yuan(compulsory_paid),
            deductions: Fen::ZERO,
        };
        case.adjustments.push(AdjustFacts {
            at,
            agreed_at: None,
            total: yuan(amount),
            covers: vec![row],
            recoveries: vec![],
            litigation: false,
        });
        case
    }

    fn party(share: u8) -> LiableParty {
        LiableParty {
            name: "B".to_owned(),
            share: Share::percent(share).unwrap(),
            compulsory: yuan("2000.00"),
            third_party: yuan("1000000.00"),
            paid_before: Fen::ZERO,
            paid_since: Fen::ZERO,
        }
    }

    #[test]
    fn an_adjusted_case_recovers_what_the_worked_examples_say() {
        // SUB-1 and SUB-2; then SUB-1 after the other side's compulsory cover paid 2,000 at once:
        // hull pays 18,000, own 5,400, and 12,600 is left for third-party cover.
        let rows = [
            (paid("20000.00", 30, "0.00", "20000.00"), 70, "14600.00", 2),
            (paid("20000.00", 0, "0.00", "20000.00"), 100, "20000.00", 2),
            (paid("20000.00", 30, "2000.00", "18000.00"), 70, "12600.00", 1),
        ];
        for (at, (case, share, amount, items)) in rows.into_iter().enumerate() {
            let case = recovery_case(&case, &hull(), vec![party(share)]).unwrap().unwrap();
            let recovery = recover(&case).unwrap();
            assert_eq!(recovery.amount, yuan(amount), "row {at}");
            assert_eq!(recovery.items.len(), items, "row {at}");
            assert_eq!(recovery.unassigned, Fen::ZERO, "row {at}");
        }
    }

    #[test]
    fn a_case_without_an_adjustment_recovers_nothing_yet() {
        let mut case = paid("20000.00", 30, "0.00", "20000.00");
        case.adjustments.clear();
        assert_eq!(recovery_case(&case, &hull(), vec![party(70)]), Ok(None));
    }
}

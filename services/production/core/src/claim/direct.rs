//! What a case pays for the vehicles of others by itself: the way of settling their loss that a
//! recovery of the same loss from the same policy would double.

use kernel::Fen;

use super::{AdjustFacts, Case, CommercialFee, CoverRow, LossVehicle, RecoverOrPay, Stage};
use crate::adjustment::compulsory::{FeeType, LossItem};
use crate::cover::Cover;
use crate::mark::VehicleMark;

/// The loss of one other vehicle that a case pays for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidLoss {
    /// Which vehicle; empty when no message told.
    pub marks: Vec<VehicleMark>,
    /// How much.
    pub amount: Fen,
}

/// What a case pays for the vehicles of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaidForOthers {
    /// By vehicle.
    pub losses: Vec<PaidLoss>,
    /// How much of it goes to recovering insurers, by 结算码.
    pub by_code: Vec<(String, Fen)>,
}

impl Case {
    /// What the case pays for the vehicles of others, by its adjustments; nothing once it is
    /// cancelled. `None` while it is reopened and not adjusted anew: what it paid before stands.
    pub fn paid_for_others(&self) -> Option<PaidForOthers> {
        if self.stage == Stage::Cancelled {
            return Some(PaidForOthers::default());
        }
        if self.adjustments.is_empty() && 0 < self.round {
            return None;
        }
        let mut paid = PaidForOthers::default();
        for row in self.adjustments.iter().flat_map(|adjustment| &adjustment.covers) {
            if let Some(marks) = self.paid_vehicle(row).filter(|_| row.amount > Fen::ZERO) {
                paid.add(marks, row.amount);
            }
        }
        paid.by_code = self.adjustments.iter().flat_map(coded).collect();
        Some(paid)
    }

    /// The other vehicle a row pays for. `None` of a row that pays for something else.
    fn paid_vehicle(&self, row: &CoverRow) -> Option<Vec<VehicleMark>> {
        if !may_be_for_vehicle(row) {
            return None;
        }
        let assessed = self.assessment.as_ref()?;
        let mut others = assessed.vehicles.iter().filter(|vehicle| !vehicle.own);
        match row.item {
            Some(item) => others.find(|vehicle| vehicle.item == item).map(|one| self.marks_of(one)),
            // Each pays its own: a row that names no vehicle is of the insured one.
            None if self.is_mutual() => None,
            None => match (others.next(), others.next()) {
                (Some(only), None) if assessed.properties.is_empty() => Some(self.marks_of(only)),
                (first, _) => first.map(|_| Vec::new()),
            },
        }
    }

    fn is_mutual(&self) -> bool {
        self.notify.mutual || self.survey.as_ref().is_some_and(|survey| survey.mutual)
    }

    /// What its assessment tells, and what its survey told.
    fn marks_of(&self, vehicle: &LossVehicle) -> Vec<VehicleMark> {
        let seen = self.survey.iter().flat_map(|survey| &survey.others);
        let seen = seen.filter(|other| other.item == vehicle.item).flat_map(|other| &other.marks);
        let mut marks: Vec<VehicleMark> = vehicle.marks.iter().chain(seen).copied().collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }
}

impl PaidForOthers {
    fn add(&mut self, marks: Vec<VehicleMark>, amount: Fen) {
        match self.losses.iter_mut().find(|loss| loss.marks == marks) {
            Some(loss) => loss.amount = loss.amount.plus(amount).unwrap_or(Fen(i64::MAX)),
            None => self.losses.push(PaidLoss { marks, amount }),
        }
    }
}

/// A cover and fee that may pay for another's vehicle.
fn may_be_for_vehicle(row: &CoverRow) -> bool {
    match row.cover {
        Cover::Compulsory => {
            FeeType::parse(&row.fee).is_ok_and(|fee| fee.item() == LossItem::Property)
        }
        Cover::ThirdParty | Cover::NevThirdParty => {
            CommercialFee::parse(&row.fee).is_ok_and(|fee| fee == CommercialFee::Vehicle)
        }
        _ => false,
    }
}

/// Payments to recovering insurers of an adjustment.
fn coded(adjustment: &AdjustFacts) -> impl Iterator<Item = (String, Fen)> {
    let paid = adjustment.recoveries.iter().filter(|row| row.direction == RecoverOrPay::Pay);
    paid.filter_map(|row| Some((row.recovery_code.clone()?, row.amount)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{AssessFacts, NotifyFacts, SurveyFacts};
    use crate::history::PolicyClass;

    fn case(class: PolicyClass, vehicles: serde_json::Value, survey: serde_json::Value) -> Case {
        let at = "2026-06-01T00:30:00Z";
        let notify: NotifyFacts =
            serde_json::from_value(serde_json::json!({ "accidentAt": at, "reportedAt": at }))
                .unwrap();
        let mut case = Case::notified(class, notify);
        let assessed = serde_json::json!({ "at": at, "vehicles": vehicles });
        case.assessment = Some(serde_json::from_value::<AssessFacts>(assessed).unwrap());
        let mut told = serde_json::json!({ "at": at, "liability": "2" });
        told["others"] = survey;
        case.survey = Some(serde_json::from_value::<SurveyFacts>(told).unwrap());
        case
    }

    fn pays(case: &mut Case, covers: serde_json::Value, recoveries: serde_json::Value) {
        let adjusted = serde_json::json!({ "at": "2026-06-02T00:30:00Z", "total": "0.00",
            "covers": covers, "recoveries": recoveries });
        case.adjustments.push(serde_json::from_value(adjusted).unwrap());
    }

    fn row(cover: &str, fee: &str, item: Option<u16>, amount: &str) -> serde_json::Value {
        serde_json::json!({ "cover": cover, "fee": fee, "item": item, "amount": amount })
    }

    fn vehicles() -> serde_json::Value {
        serde_json::json!([{ "item": 1, "own": true, "loss": "500.00" },
                           { "item": 2, "own": false, "loss": "9000.00" }])
    }

    #[test]
    fn rows_for_other_vehicles_add_up_by_vehicle_and_the_rest_is_left_out() {
        let mark = VehicleMark::of_text("one");
        let seen = serde_json::json!([{ "item": 2, "marks": [mark] }]);
        let mut case = case(PolicyClass::Compulsory, vehicles(), seen);
        let compulsory = Cover::Compulsory.code();
        let rows = [
            row(compulsory, "3", Some(2), "1500.00"),
            row(compulsory, "3", None, "400.00"),
            row(compulsory, "3", Some(1), "100.00"),
            row(compulsory, "2", Some(2), "70.00"),
            row(Cover::Hull.code(), "1", Some(2), "9.00"),
            row(Cover::ThirdParty.code(), "2", Some(2), "8.00"),
        ];
        let code = serde_json::json!([
            { "serialNo": 1, "direction": "2", "counterparty": "1", "recoveryCode": "X",
              "amount": "1900.00" },
            { "serialNo": 2, "direction": "1", "counterparty": "1", "recoveryCode": "Y",
              "amount": "1.00" }]);
        pays(&mut case, serde_json::json!(rows), code);
        let paid = case.paid_for_others().unwrap();
        assert_eq!(paid.losses, [PaidLoss { marks: vec![mark], amount: Fen(190_000) }]);
        assert_eq!(paid.by_code, [("X".to_owned(), Fen(190_000))]);
    }

    #[test]
    fn a_row_without_a_vehicle_is_of_the_only_other_one_else_of_one_nobody_named() {
        let mark = VehicleMark::of_text("one");
        let mut many = vehicles();
        many[1]["marks"] = serde_json::json!([mark]);
        let rows = || serde_json::json!([row(Cover::ThirdParty.code(), "1", None, "50.00")]);
        let mut one = case(PolicyClass::Commercial, many.clone(), serde_json::json!([]));
        pays(&mut one, rows(), serde_json::json!([]));
        assert_eq!(one.paid_for_others().unwrap().losses[0].marks, [mark]);
        let third = serde_json::json!({ "item": 3, "own": false, "loss": "1.00" });
        many.as_array_mut().unwrap().push(third);
        let mut two = case(PolicyClass::Commercial, many, serde_json::json!([]));
        pays(&mut two, rows(), serde_json::json!([]));
        assert_eq!(
            two.paid_for_others().unwrap().losses,
            [PaidLoss { marks: Vec::new(), amount: Fen(5_000) }]
        );
        // 互碰自赔: what no vehicle is named for is the own one's.
        two.notify.mutual = true;
        assert_eq!(two.paid_for_others(), Some(PaidForOthers::default()));
    }

    #[test]
    fn what_was_paid_stands_until_a_reopened_case_is_adjusted_anew_and_ends_with_the_case() {
        let mut case = case(PolicyClass::Compulsory, vehicles(), serde_json::json!([]));
        assert_eq!(case.paid_for_others(), Some(PaidForOthers::default()));
        case.round = 1;
        assert_eq!(case.paid_for_others(), None);
        case.stage = Stage::Cancelled;
        assert_eq!(case.paid_for_others(), Some(PaidForOthers::default()));
    }
}

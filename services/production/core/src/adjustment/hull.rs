//! Own damage (车损险): what the insurer owes its own insured for the insured vehicle.
//!
//! With L the damage and salvage fee less the value of the wreck, of compulsory payment available
//! for the vehicle, D deductions and r the insured's share of liability:
//!
//! - without subrogation `(L − compulsory − D) × r`, the third party owing the rest;
//! - with subrogation (代位求偿) `L − other payments`, the third party's part being recovered;
//!
//! each within the limit, then less the deductible in yuan, then `× (1 − absolute deductible)`. The
//! clause takes deductibles off last; that the amount comes before the rate is our reading \[P\].
//! Totals and wrecks exist for the insured vehicle alone (L46).

use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::derivation::Derivation;
use super::{AdjustmentError, Share, checked, stored};
use crate::coded_enum;

coded_enum! {
    /// Whose a damaged vehicle is (`vehicle_property`).
    ///
    /// Source: `tariffs/platform_code_lists.csv`.
    pub enum LossVehicle ("vehicle property") {
        Insured = "1", "本车", "insured vehicle";
        ThirdParty = "2", "三者车", "third-party vehicle";
    }
}

/// What the damage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Damage {
    /// 部分损失: what the repair costs.
    Partial(Fen),
    /// 全部损失 or constructive total loss: what the vehicle was worth.
    Total(Fen),
}

impl Damage {
    const fn amount(self) -> Fen {
        match self {
            Damage::Partial(amount) | Damage::Total(amount) => amount,
        }
    }
}

/// The loss of one vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HullLoss {
    /// Whose; hull cover pays for the insured vehicle.
    pub vehicle: LossVehicle,
    /// Approved damage (定损).
    pub damage: Damage,
    /// Salvage fee (施救费).
    #[serde(default)]
    pub salvage_fee: Fen,
    /// Value of the wreck or old parts the insured keeps (残值).
    #[serde(default)]
    pub wreck: Fen,
}

/// The cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HullCover {
    /// Insured amount (保险金额).
    pub limit: Fen,
    /// Deductible of a loss chosen at underwriting (绝对免赔额).
    #[serde(default)]
    pub deductible: Fen,
    /// Absolute deductible clause (附加绝对免赔率特约条款).
    #[serde(default)]
    pub absolute_deductible: Share,
}

/// What the liable sides bear, when the insured claims his own part alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnPart {
    /// The insured's share of liability.
    pub share: Share,
    /// Opposing compulsory property payment available for this vehicle, of all liable vehicles.
    pub compulsory: Fen,
    /// No-fault advance (无责代赔) and other deductions.
    #[serde(default)]
    pub deductions: Fen,
}

/// What hull cover pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HullPayment {
    /// How much, rounded once.
    pub amount: Fen,
    /// How it came about.
    pub derivation: Derivation,
}

impl HullLoss {
    /// Damage and salvage fee less the wreck: L. Nothing when the wreck is worth more.
    ///
    /// Refuses a vehicle that is not the insured one.
    pub fn whole(&self) -> Result<Fen, AdjustmentError> {
        if self.vehicle != LossVehicle::Insured {
            return Err(AdjustmentError::NotTheInsuredVehicle);
        }
        let damage = checked("damage", self.damage.amount())?;
        let fee = checked("salvage fee", self.salvage_fee)?;
        let wreck = checked("wreck", self.wreck)?;
        Ok(checked("loss", Fen(damage.0 + fee.0))?.minus(wreck).unwrap_or_default().max(Fen::ZERO))
    }
}

/// The insured's own part; the third party's is left to him to claim.
///
/// Also the insurer's own obligation in a recovery.
pub fn without_subrogation(
    loss: &HullLoss,
    cover: &HullCover,
    part: &OwnPart,
) -> Result<HullPayment, AdjustmentError> {
    let mut derivation = Derivation::default();
    let whole = tell_loss(loss, &mut derivation)?;
    derivation.amount("compulsory", checked("compulsory payment", part.compulsory)?);
    derivation.amount("deductions", checked("deduction", part.deductions)?);
    derivation.share("share", part.share);
    let open = whole.yuan() - part.compulsory.yuan() - part.deductions.yuan();
    let exact = open.max(Decimal::ZERO) * part.share.get();
    derivation.exact("ownPart", exact).because("(loss - compulsory - deductions) x share");
    pay(exact, cover, derivation)
}

/// The whole insured loss less `other_payments`: what the insured already got from anybody else,
/// no-fault advance included. The third party's part is recovered afterwards.
pub fn with_subrogation(
    loss: &HullLoss,
    cover: &HullCover,
    other_payments: Fen,
) -> Result<HullPayment, AdjustmentError> {
    let mut derivation = Derivation::default();
    let whole = tell_loss(loss, &mut derivation)?;
    derivation.amount("otherPayments", checked("other payment", other_payments)?);
    let exact = (whole.yuan() - other_payments.yuan()).max(Decimal::ZERO);
    derivation.exact("insuredLoss", exact).because("loss - other payments");
    pay(exact, cover, derivation)
}

fn tell_loss(loss: &HullLoss, derivation: &mut Derivation) -> Result<Fen, AdjustmentError> {
    let whole = loss.whole()?;
    let name = match loss.damage {
        Damage::Partial(_) => "repair",
        Damage::Total(_) => "totalLoss",
    };
    derivation.amount(name, loss.damage.amount());
    derivation.amount("salvageFee", loss.salvage_fee);
    derivation.amount("wreck", loss.wreck);
    derivation.amount("loss", whole).because("damage + salvage fee - wreck");
    Ok(whole)
}

/// `exact` yuan within the limit and after the deductibles.
fn pay(
    exact: Decimal,
    cover: &HullCover,
    mut derivation: Derivation,
) -> Result<HullPayment, AdjustmentError> {
    derivation.amount("limit", checked("limit", cover.limit)?);
    derivation.amount("deductible", checked("deductible", cover.deductible)?);
    derivation.share("absoluteDeductible", cover.absolute_deductible);
    let within = exact.min(cover.limit.yuan());
    let after = (within - cover.deductible.yuan()).max(Decimal::ZERO);
    let amount = stored("payment", after * cover.absolute_deductible.rest().get())?;
    let formula = "(at most the limit - deductible) x (1 - absolute deductible)";
    derivation.amount("payment", amount).because(formula);
    Ok(HullPayment { amount, derivation })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    fn yuan(text: &str) -> Fen {
        text.parse().unwrap()
    }

    fn loss(damage: Damage, salvage_fee: &str, wreck: &str) -> HullLoss {
        let vehicle = LossVehicle::Insured;
        HullLoss { vehicle, damage, salvage_fee: yuan(salvage_fee), wreck: yuan(wreck) }
    }

    fn cover(limit: &str, deductible: &str, rate: u8) -> HullCover {
        HullCover {
            limit: yuan(limit),
            deductible: yuan(deductible),
            absolute_deductible: Share::percent(rate).unwrap(),
        }
    }

    #[test]
    fn without_subrogation_hull_pays_the_own_part() {
        // repair, salvage, wreck, compulsory, deductions, share %; limit, deductible, rate %; payment
        let plain = ("100000", "0", 0);
        let cases = [
            // SUB-1: (20,000 - 2,000) x 30 %.
            (("20000", "0", "0", "2000", "0", 30), plain, "5400.00"),
            // SUB-2: the other side is fully liable.
            (("20000", "0", "0", "2000", "0", 0), plain, "0.00"),
            // Mutual case of domain facts 5.4: B keeps (8,000 - 2,000) x 70 %.
            (("8000", "0", "0", "2000", "0", 70), plain, "4200.00"),
            // (20,000 + 800 - 300 - 2,000 - 100) x 50 % x 0.9.
            (("20000", "800", "300", "2000", "100", 50), ("100000", "0", 10), "8280.00"),
            // (5,400 - 500) x 0.95.
            (("20000", "0", "0", "2000", "0", 30), ("100000", "500", 5), "4655.00"),
            // The own part is above the limit: 5,000 x 0.8.
            (("20000", "0", "0", "2000", "0", 30), ("5000", "0", 20), "4000.00"),
            // Full liability in a single-vehicle accident.
            (("20000", "1000", "0", "0", "0", 100), plain, "21000.00"),
            (("1500", "0", "0", "2000", "0", 30), plain, "0.00"),
        ];
        for ((repair, salvage, wreck, compulsory, deductions, share), terms, expected) in cases {
            let loss = loss(Damage::Partial(yuan(repair)), salvage, wreck);
            let part = OwnPart {
                share: Share::percent(share).unwrap(),
                compulsory: yuan(compulsory),
                deductions: yuan(deductions),
            };
            let cover = cover(terms.0, terms.1, terms.2);
            let paid = without_subrogation(&loss, &cover, &part).unwrap();
            assert_eq!(paid.amount, yuan(expected), "{:#?}", paid.derivation);
        }
    }

    #[test]
    fn with_subrogation_hull_pays_the_whole_insured_loss() {
        let cases = [
            (Damage::Partial(yuan("20000")), "0", "0", "0", ("100000", "0", 0), "20000.00"),
            (Damage::Partial(yuan("20000")), "500", "0", "3000", ("100000", "0", 0), "17500.00"),
            (Damage::Partial(yuan("20000")), "0", "0", "0", ("100000", "0", 10), "18000.00"),
            (Damage::Partial(yuan("20000")), "0", "0", "0", ("100000", "1000", 10), "17100.00"),
            // A total loss of 80,000, the wreck of 6,000 kept, the salvage fee within the limit.
            (Damage::Total(yuan("80000")), "0", "6000", "0", ("80000", "0", 0), "74000.00"),
            (Damage::Total(yuan("80000")), "2000", "0", "0", ("80000", "0", 0), "80000.00"),
            (Damage::Total(yuan("80000")), "0", "0", "90000", ("80000", "0", 0), "0.00"),
            (Damage::Partial(yuan("100")), "0", "200", "0", ("80000", "0", 0), "0.00"),
        ];
        for (damage, salvage, wreck, other, terms, expected) in cases {
            let cover = cover(terms.0, terms.1, terms.2);
            let paid =
                with_subrogation(&loss(damage, salvage, wreck), &cover, yuan(other)).unwrap();
            assert_eq!(paid.amount, yuan(expected), "{:#?}", paid.derivation);
        }
    }

    #[test]
    fn only_the_insured_vehicle_is_paid_for() {
        let mut other = loss(Damage::Total(yuan("80000")), "0", "6000");
        other.vehicle = LossVehicle::ThirdParty;
        let refused = with_subrogation(&other, &cover("80000", "0", 0), Fen::ZERO);
        assert_eq!(refused, Err(AdjustmentError::NotTheInsuredVehicle));
    }

    #[test]
    fn the_derivation_names_every_number() {
        let loss = loss(Damage::Partial(yuan("20000")), "0", "0");
        let part = OwnPart {
            share: Share::percent(30).unwrap(),
            compulsory: yuan("2000"),
            deductions: Fen::ZERO,
        };
        let paid = without_subrogation(&loss, &cover("100000", "0", 0), &part).unwrap();
        let names: Vec<&str> = paid.derivation.0.iter().map(|step| step.name.as_ref()).collect();
        let expected = [
            "repair",
            "salvageFee",
            "wreck",
            "loss",
            "compulsory",
            "deductions",
            "share",
            "ownPart",
            "limit",
            "deductible",
            "absoluteDeductible",
            "payment",
        ];
        assert_eq!(names, expected);
        let text = serde_json::to_string(&paid).unwrap();
        assert!(text.contains(r#"{"name":"ownPart","value":{"exact":"5400"},"#), "{text}");
        assert_eq!(serde_json::from_str::<HullPayment>(&text).unwrap(), paid);
    }

    proptest! {
        #[test]
        fn the_own_part_is_never_above_the_whole_nor_the_limit(
            (repair, salvage, wreck) in (0i64..90_000_000, 0i64..500_000, 0i64..9_000_000),
            (compulsory, deductions) in (0i64..400_000, 0i64..20_000),
            (limit, deductible) in (0i64..90_000_000, 0i64..200_000),
            (share, rate) in (0u8..=100, 0u8..=20),
        ) {
            let loss = HullLoss {
                vehicle: LossVehicle::Insured,
                damage: Damage::Partial(Fen(repair)),
                salvage_fee: Fen(salvage),
                wreck: Fen(wreck),
            };
            let cover = HullCover {
                limit: Fen(limit),
                deductible: Fen(deductible),
                absolute_deductible: Share::percent(rate).unwrap(),
            };
            let part = OwnPart {
                share: Share::percent(share).unwrap(),
                compulsory: Fen(compulsory),
                deductions: Fen(deductions),
            };
            let own = without_subrogation(&loss, &cover, &part).unwrap().amount;
            let all = with_subrogation(&loss, &cover, Fen(deductions)).unwrap().amount;
            prop_assert!(Fen::ZERO <= own && own <= all);
            prop_assert!(all <= cover.limit && all <= loss.whole().unwrap());
        }
    }
}

//! Third-party liability (商业三者险): the insured's share of what compulsory cover leaves open.
//!
//! `(loss + salvage − compulsory − other deductions) × share`, within the limit, then less the
//! absolute deductible (L45). The deductible comes last: the clause takes it off what the main
//! cover would pay. Where the limit is short, victims share it by what each would have got.

use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::derivation::Derivation;
use super::{AdjustmentError, Share, checked, distinct, stored, total};

/// The cover of one liable vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThirdPartyCover {
    /// Limit of this accident, doubled already where a doubling clause applies.
    pub limit: Fen,
    /// The insured's share of liability.
    pub share: Share,
    /// Absolute deductible clause (附加绝对免赔率特约条款).
    #[serde(default)]
    pub absolute_deductible: Share,
}

/// What one victim lost.
///
/// A victim's own wreck is his to keep: salvage value is taken off for the insured vehicle alone
/// (L46), which is why there is no field for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThirdPartyLoss {
    /// Who, unique among the victims.
    pub victim: String,
    /// Loss, all items.
    pub loss: Fen,
    /// Salvage fee (施救费).
    #[serde(default)]
    pub salvage_fee: Fen,
    /// What compulsory cover of all liable vehicles pays the victim; where a vehicle has none, what
    /// it would have paid.
    pub compulsory_paid: Fen,
    /// No-fault advance (无责代赔) and other deductions.
    #[serde(default)]
    pub other_deductions: Fen,
}

/// What the cover pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThirdPartyPayment {
    /// Sum over the victims.
    pub total: Fen,
    /// One for each victim, by name.
    pub victims: Vec<ThirdPartyShare>,
    /// How it came about.
    pub derivation: Derivation,
}

/// What one victim gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThirdPartyShare {
    /// Who.
    pub victim: String,
    /// How much.
    pub amount: Fen,
}

/// What the cover pays each victim.
///
/// Each payment is rounded once. Deductions beyond a victim's loss leave nothing. Payments never
/// exceed `limit × (1 − absolute deductible)`; where they would, that amount is shared by what
/// each victim would have got without the limit.
pub fn adjust(
    cover: &ThirdPartyCover,
    losses: &[ThirdPartyLoss],
) -> Result<ThirdPartyPayment, AdjustmentError> {
    checked("limit", cover.limit)?;
    distinct(losses.iter().map(|loss| loss.victim.as_str()))?;
    let mut losses: Vec<&ThirdPartyLoss> = losses.iter().collect();
    losses.sort_by(|one, other| one.victim.cmp(&other.victim));
    let kept = cover.absolute_deductible.rest().get();
    let mut derivation = Derivation::default();
    derivation.share("share", cover.share);
    let mut wanted = Vec::with_capacity(losses.len());
    let mut payments = Vec::with_capacity(losses.len());
    for loss in losses.iter().copied() {
        let exact = open(loss)? * cover.share.get();
        let formula = "(loss + salvage fee - compulsory - deductions) x share";
        derivation.exact("liability", exact).to(&loss.victim).because(formula);
        wanted.push(stored("liability", exact)?);
        payments.push(stored("payment", exact * kept)?);
    }
    derivation.amount("limit", cover.limit);
    derivation.share("absoluteDeductible", cover.absolute_deductible);
    let pot = stored("limit", cover.limit.yuan() * kept)?;
    let asked = total("payments", payments.iter().copied())?;
    if asked > pot {
        derivation.amount("limitShared", pot).because("shared by what each would have got");
        // Something is asked for, so a wanted amount is positive and the shares exist.
        payments = pot.apportion_by(&wanted).unwrap_or_default();
    }
    let mut victims = Vec::with_capacity(losses.len());
    for (loss, amount) in losses.iter().zip(payments) {
        derivation.amount("payment", amount).to(&loss.victim);
        victims.push(ThirdPartyShare { victim: loss.victim.clone(), amount });
    }
    Ok(ThirdPartyPayment { total: asked.min(pot), victims, derivation })
}

/// What compulsory cover and deductions leave open of a loss, in yuan.
fn open(loss: &ThirdPartyLoss) -> Result<Decimal, AdjustmentError> {
    let whole =
        checked("loss", loss.loss)?.yuan() + checked("salvage fee", loss.salvage_fee)?.yuan();
    let paid = checked("compulsory payment", loss.compulsory_paid)?.yuan()
        + checked("deduction", loss.other_deductions)?.yuan();
    Ok((whole - paid).max(Decimal::ZERO))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn yuan(text: &str) -> Fen {
        text.parse().unwrap()
    }

    fn loss(victim: &str, amount: &str, compulsory: &str) -> ThirdPartyLoss {
        ThirdPartyLoss {
            victim: victim.to_owned(),
            loss: yuan(amount),
            salvage_fee: Fen::ZERO,
            compulsory_paid: yuan(compulsory),
            other_deductions: Fen::ZERO,
        }
    }

    fn cover(limit: &str, share: u8, deductible: u8) -> ThirdPartyCover {
        ThirdPartyCover {
            limit: yuan(limit),
            share: Share::percent(share).unwrap(),
            absolute_deductible: Share::percent(deductible).unwrap(),
        }
    }

    #[test]
    fn one_victim_gets_the_share_within_the_limit_after_the_deductible() {
        // limit, share %, deductible %, loss, salvage, compulsory, deductions, payment
        let cases = [
            // Mutual case of domain facts 5.4: A liable for 30 % of B's 8,000.
            ("1000000", 30, 0, "8000", "0", "2000", "0", "1800.00"),
            // SUB-1 seen from the liable side.
            ("1000000", 70, 0, "20000", "0", "2000", "0", "12600.00"),
            // SUB-3: the limit caps.
            ("10000", 100, 0, "20000", "0", "2000", "0", "10000.00"),
            // Capped first, then the deductible: 10,000 x 0.9.
            ("10000", 100, 10, "20000", "0", "2000", "0", "9000.00"),
            // Not capped: (20,000 - 2,000) x 70 % x 0.9.
            ("1000000", 70, 10, "20000", "0", "2000", "0", "11340.00"),
            // Salvage fee and no-fault advance: (5,000 + 300 - 2,000 - 100) x 50 %.
            ("1000000", 50, 0, "5000", "300", "2000", "100", "1600.00"),
            // Half a fen goes up: 0.05 x 30 % = 0.015.
            ("1000000", 30, 0, "0.05", "0", "0", "0", "0.02"),
            // Compulsory cover pays everything.
            ("1000000", 100, 0, "1500", "0", "1500", "100", "0.00"),
            ("1000000", 0, 0, "20000", "0", "2000", "0", "0.00"),
        ];
        for (limit, share, deductible, amount, salvage, compulsory, other, expected) in cases {
            let mut loss = loss("B", amount, compulsory);
            (loss.salvage_fee, loss.other_deductions) = (yuan(salvage), yuan(other));
            let paid = adjust(&cover(limit, share, deductible), &[loss]).unwrap();
            assert_eq!(paid.total, yuan(expected), "{:#?}", paid.derivation);
            assert_eq!(paid.victims[0].amount, yuan(expected));
        }
    }

    #[test]
    fn victims_share_a_short_limit_by_what_each_would_have_got() {
        // 60,000 and 30,000 wanted, 50,000 there: 33,333.33 and 16,666.67.
        let losses = [loss("walker", "62000", "2000"), loss("car", "32000", "2000")];
        let paid = adjust(&cover("50000", 100, 0), &losses).unwrap();
        let shares: Vec<_> =
            paid.victims.iter().map(|share| (share.victim.as_str(), share.amount)).collect();
        assert_eq!(shares, [("car", yuan("16666.67")), ("walker", yuan("33333.33"))]);
        assert_eq!(paid.total, yuan("50000"));
        assert!(paid.derivation.step("limitShared").is_some());
        let enough = adjust(&cover("90000", 100, 0), &losses).unwrap();
        assert_eq!(enough.total, yuan("90000"));
        assert!(enough.derivation.step("limitShared").is_none());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cover = cover("50000", 100, 0);
        let twice = [loss("a", "1", "0"), loss("a", "2", "0")];
        assert_eq!(adjust(&cover, &twice), Err(AdjustmentError::SameName("a".to_owned())));
        let below = AdjustmentError::Amount { what: "loss", amount: yuan("-1") };
        assert_eq!(adjust(&cover, &[loss("a", "-1", "0")]), Err(below));
    }

    proptest! {
        #[test]
        fn payments_stay_within_losses_and_limit_in_any_order(
            amounts in vec((0i64..90_000_000, 0i64..300_000), 1..6),
            limit in 0i64..200_000_000,
            (share, deductible) in (0u8..=100, 0u8..=20),
            turn in 0usize..6,
        ) {
            let mut losses: Vec<ThirdPartyLoss> = amounts
                .iter()
                .enumerate()
                .map(|(at, &(amount, compulsory))| ThirdPartyLoss {
                    victim: format!("v{at}"),
                    loss: Fen(amount),
                    salvage_fee: Fen::ZERO,
                    compulsory_paid: Fen(compulsory.min(amount)),
                    other_deductions: Fen::ZERO,
                })
                .collect();
            let mut cover = cover("0", share, deductible);
            cover.limit = Fen(limit);
            let paid = adjust(&cover, &losses).unwrap();
            let sum = Fen::sum(paid.victims.iter().map(|share| share.amount)).unwrap();
            prop_assert_eq!(paid.total, sum);
            prop_assert!(sum <= cover.limit);
            for (share, loss) in paid.victims.iter().zip(&losses) {
                prop_assert!(share.amount >= Fen::ZERO);
                prop_assert!(share.amount.0 + loss.compulsory_paid.0 <= loss.loss.0);
            }
            let count = losses.len();
            losses.rotate_left(turn % count);
            prop_assert_eq!(adjust(&cover, &losses).unwrap(), paid);
        }
    }
}

//! The amounts of 理算: what each cover owes for a loss, and what can be recovered from whom.
//!
//! Pure functions over plain inputs; nothing here knows a claim, a tariff or a clock. Limits are
//! those of the accident date and are handed in. Every amount is rounded half-up to the fen, once,
//! where it is stored; what several share is apportioned so that the shares add up. Parties are
//! told apart by name, and the last fen of an even split goes to the smaller name, so the order in
//! which they are listed changes nothing. Every result carries its [`Derivation`].
//!
//! An adjustment takes the whole accident. When facts change it is made again, and what was paid
//! before is the caller's to set against the new result.
//!
//! [`Derivation`]: derivation::Derivation

pub mod compulsory;
pub mod derivation;
pub mod hull;
pub mod mutual;
pub mod recovery;
pub mod third_party;

use kernel::Fen;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

/// Why an adjustment cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdjustmentError {
    /// An amount below nothing, or beyond NUMBER(14,2).
    #[error("{what} of {amount} is not between 0.00 and 999999999999.99")]
    Amount {
        /// Which amount.
        what: &'static str,
        /// What was given.
        amount: Fen,
    },
    /// Not a share of a whole.
    #[error("{0} is not a share between 0 and 1 with at most six decimals")]
    Share(Decimal),
    /// The shares of one accident are more than the whole.
    #[error("the shares of liability add up to {0}, which is more than 1")]
    SharesOverWhole(Decimal),
    /// Two parties of one kind go by one name.
    #[error("two parties are called {0:?}")]
    SameName(String),
    /// A victim belongs to a vehicle that is not in the accident.
    #[error("no vehicle of the accident is called {0:?}")]
    UnknownVehicle(String),
    /// Hull cover pays for the insured vehicle alone (L42, L46).
    #[error("hull cover does not pay for a vehicle that is not the insured one")]
    NotTheInsuredVehicle,
    /// More was paid for one vehicle than it lost (L47).
    #[error("payments of {paid} exceed the actual loss and salvage fee of {loss}")]
    OverLoss {
        /// All payments for the vehicle.
        paid: Fen,
        /// Actual loss and salvage fee.
        loss: Fen,
    },
}

/// A share of a whole: of liability (事故责任比例), or an absolute deductible (绝对免赔率).
///
/// Between 0 and 1 with at most six decimals. Travels as a decimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct Share(Decimal);

impl Share {
    /// Nothing of it.
    pub const NONE: Share = Share(Decimal::ZERO);

    /// All of it.
    pub const WHOLE: Share = Share(Decimal::ONE);

    /// `None` unless between 0 and 1 with at most six decimals.
    pub fn new(share: Decimal) -> Option<Share> {
        let share = share.normalize();
        let legal = Decimal::ZERO <= share && share <= Decimal::ONE && share.scale() <= 6;
        legal.then_some(Share(share))
    }

    /// `percent` of a hundred; `None` above 100.
    pub fn percent(percent: u8) -> Option<Share> {
        Share::new(Decimal::new(i64::from(percent), 2))
    }

    /// The fraction.
    pub const fn get(self) -> Decimal {
        self.0
    }

    /// What is left of the whole.
    pub fn rest(self) -> Share {
        Share((Decimal::ONE - self.0).normalize())
    }

    /// The share in millionths, exactly.
    fn millionths(self) -> u32 {
        // At most a million by construction.
        (self.0 * Decimal::from(1_000_000)).to_u32().unwrap_or(0)
    }
}

impl TryFrom<Decimal> for Share {
    type Error = AdjustmentError;

    fn try_from(share: Decimal) -> Result<Share, AdjustmentError> {
        Share::new(share).ok_or(AdjustmentError::Share(share))
    }
}

impl From<Share> for Decimal {
    fn from(share: Share) -> Decimal {
        share.0
    }
}

/// What is left of one vehicle's loss after all payments for it (L47).
///
/// `loss` is the actual loss with the salvage fee; `payments` are those of every cover and every
/// insurer, recoveries taken off by the caller. Refuses payments that exceed the loss by more than
/// half a fen each: insurers round by themselves, and two halves of an odd fen both go up.
pub fn within_loss(
    loss: Fen,
    payments: impl IntoIterator<Item = Fen>,
) -> Result<Fen, AdjustmentError> {
    checked("loss", loss)?;
    let mut count = 0;
    let mut paid = Fen::ZERO;
    for payment in payments {
        paid = Fen(paid.0.saturating_add(checked("payment", payment)?.0));
        count += 1;
    }
    if paid.0 - loss.0 > count / 2 {
        return Err(AdjustmentError::OverLoss { paid, loss });
    }
    Ok(Fen(loss.0 - paid.0).max(Fen::ZERO))
}

/// `share` to six decimals, half-up: what a [`Share`] holds.
pub(crate) fn six_places(share: Decimal) -> Decimal {
    kernel::money::half_up(share, 6)
}

/// The largest amount a column of NUMBER(14,2) holds; products of such an amount and two shares
/// are exact in a `Decimal`.
const MOST: Fen = Fen(99_999_999_999_999);

/// Refuses amounts below nothing and beyond NUMBER(14,2).
fn checked(what: &'static str, amount: Fen) -> Result<Fen, AdjustmentError> {
    match Fen::ZERO <= amount && amount <= MOST {
        true => Ok(amount),
        false => Err(AdjustmentError::Amount { what, amount }),
    }
}

/// `exact` yuan to the fen, halves away from zero.
fn stored(what: &'static str, exact: Decimal) -> Result<Fen, AdjustmentError> {
    let overflow = AdjustmentError::Amount { what, amount: Fen(i64::MAX) };
    checked(what, Fen::from_yuan(exact).ok_or(overflow)?)
}

/// The sum, refused beyond NUMBER(14,2).
fn total(
    what: &'static str,
    amounts: impl IntoIterator<Item = Fen>,
) -> Result<Fen, AdjustmentError> {
    let overflow = AdjustmentError::Amount { what, amount: Fen(i64::MAX) };
    checked(what, Fen::sum(amounts).ok_or(overflow)?)
}

/// Refuses a name that occurs twice.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), AdjustmentError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(AdjustmentError::SameName(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::compulsory::{
        ByItem, CompulsoryLimits, Fault, LossItem, NoFaultDamage, Side, Vehicle, Victim,
    };
    use super::hull::{Damage, HullCover, HullLoss, LossVehicle, OwnPart};
    use super::third_party::{ThirdPartyCover, ThirdPartyLoss};
    use super::*;

    #[test]
    fn a_share_is_between_nothing_and_the_whole() {
        let share = |text: &str| Share::new(text.parse().unwrap()).map(|share| share.millionths());
        assert_eq!(share("0"), Some(0));
        assert_eq!(share("0.30"), Some(300_000));
        assert_eq!(share("0.333333"), Some(333_333));
        assert_eq!(share("1.000000000"), Some(1_000_000));
        assert_eq!((share("-0.1"), share("1.01"), share("0.3333333")), (None, None, None));
        assert_eq!(
            (Share::percent(70), Share::percent(101)),
            (Share::new(Decimal::new(7, 1)), None)
        );
        let text = serde_json::to_string(&Share::percent(30)).unwrap();
        assert_eq!(serde_json::from_str::<Share>(&text).ok(), Share::percent(30));
        assert!(serde_json::from_str::<Share>(r#""1.5""#).is_err());
    }

    #[test]
    fn payments_for_a_vehicle_stay_within_its_loss() {
        let paid = |amounts: &[i64]| within_loss(Fen(1_000), amounts.iter().map(|&fen| Fen(fen)));
        assert_eq!(paid(&[]), Ok(Fen(1_000)));
        assert_eq!(paid(&[600, 300]), Ok(Fen(100)));
        assert_eq!(paid(&[600, 400]), Ok(Fen::ZERO));
        // Two insurers that each rounded half a fen up; one alone cannot have.
        assert_eq!(paid(&[600, 401]), Ok(Fen::ZERO));
        let over = |paid| Err(AdjustmentError::OverLoss { paid: Fen(paid), loss: Fen(1_000) });
        assert_eq!((paid(&[600, 402]), paid(&[1_001])), (over(1_002), over(1_001)));
        assert!(matches!(paid(&[-1]), Err(AdjustmentError::Amount { what: "payment", .. })));
    }

    /// Car A, 30 % liable, damages car B, 70 % liable: what A's covers and B's hull cover pay for B.
    fn two_cars(loss: Fen, share_of_a: Share) -> [Fen; 3] {
        let car = |name: &str| Vehicle { name: name.to_owned(), fault: Fault::AtFault };
        let losses = ByItem { property: loss, ..ByItem::default() };
        let side = Side::Vehicle("B".to_owned());
        let victim = Victim { name: "car B".to_owned(), side, losses };
        let two_thousand = ByItem { property: Fen(200_000), ..ByItem::default() };
        let limits = CompulsoryLimits { at_fault: two_thousand, no_fault: ByItem::default() };
        let cars = [car("A"), car("B")];
        let rule = NoFaultDamage::default();
        let adjusted = compulsory::adjust(&limits, &cars, &[victim], rule).unwrap();
        let compulsory = adjusted.paid_to("car B", LossItem::Property);
        let cover = ThirdPartyCover {
            limit: Fen(100_000_000),
            share: share_of_a,
            absolute_deductible: Share::NONE,
        };
        let liability = ThirdPartyLoss {
            victim: "car B".to_owned(),
            loss,
            salvage_fee: Fen::ZERO,
            compulsory_paid: compulsory,
            other_deductions: Fen::ZERO,
        };
        let third_party = third_party::adjust(&cover, &[liability]).unwrap().total;
        let damage = HullLoss {
            vehicle: LossVehicle::Insured,
            damage: Damage::Partial(loss),
            salvage_fee: Fen::ZERO,
            wreck: Fen::ZERO,
        };
        let hull = HullCover {
            limit: Fen(100_000_000),
            deductible: Fen::ZERO,
            absolute_deductible: Share::NONE,
        };
        let part = OwnPart { share: share_of_a.rest(), compulsory, deductions: Fen::ZERO };
        let kept = hull::without_subrogation(&damage, &hull, &part).unwrap().amount;
        [compulsory, third_party, kept]
    }

    #[test]
    fn the_covers_of_two_cars_share_a_loss() {
        let paid = two_cars(Fen(800_000), Share::percent(30).unwrap());
        assert_eq!(paid, [Fen(200_000), Fen(180_000), Fen(420_000)]);
        assert_eq!(within_loss(Fen(800_000), paid), Ok(Fen::ZERO));
    }

    proptest! {
        #[test]
        fn the_covers_of_two_cars_pay_the_loss_to_the_fen(
            loss in 0i64..90_000_000,
            share in 0u32..=1_000_000,
        ) {
            let share = Share::new(Decimal::new(i64::from(share), 6)).unwrap();
            let paid = two_cars(Fen(loss), share);
            let sum = Fen::sum(paid).unwrap();
            prop_assert!((sum.0 - loss).abs() <= 1);
            prop_assert!(within_loss(Fen(loss), paid).is_ok());
        }
    }
}

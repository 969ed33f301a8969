//! Money: whole fen, decimal rates, and the only roundings the platform knows.
//!
//! Amounts travel as decimal strings in yuan (`"665.00"`), are stored as `bigint` fen and are
//! added with overflow checks. Rounding is half away from zero (四舍五入), never half to even.

use std::fmt;
use std::str::FromStr;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount in fen (1/100 yuan). Refunds and recoveries are negative.
///
/// Serialises as a decimal string in yuan with two places, for example `"-12.30"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
pub struct Fen(pub i64);

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not an optional minus, up to 12 digits and at most two decimals (NUMBER(14,2)).
    #[error("amount {0:?} is not a decimal number of yuan with at most 12 digits and 2 decimals")]
    Malformed(String),
}

impl Fen {
    /// Nothing.
    pub const ZERO: Fen = Fen(0);

    /// `yuan` to the nearest fen, halves away from zero. `None` when it does not fit.
    pub fn from_yuan(yuan: Decimal) -> Option<Fen> {
        half_up(yuan.checked_mul(Decimal::ONE_HUNDRED)?, 0).to_i64().map(Fen)
    }

    /// The exact amount in yuan, with two decimals.
    pub fn yuan(self) -> Decimal {
        Decimal::new(self.0, 2)
    }

    /// `self × rate` to the nearest fen, halves away from zero. `None` when it does not fit.
    pub fn at_rate(self, rate: Decimal) -> Option<Fen> {
        half_up(Decimal::from(self.0).checked_mul(rate)?, 0).to_i64().map(Fen)
    }

    /// Sum, or `None` on overflow.
    pub fn plus(self, other: Fen) -> Option<Fen> {
        self.0.checked_add(other.0).map(Fen)
    }

    /// Difference, or `None` on overflow.
    pub fn minus(self, other: Fen) -> Option<Fen> {
        self.0.checked_sub(other.0).map(Fen)
    }

    /// Sum of many, or `None` on overflow.
    pub fn sum(amounts: impl IntoIterator<Item = Fen>) -> Option<Fen> {
        amounts.into_iter().try_fold(Fen::ZERO, Fen::plus)
    }

    /// Shares out `self` by `weights` so that the shares add up to the whole.
    ///
    /// Largest remainder first, ties to the earlier share; one share per weight, in order.
    /// `None` without a positive weight.
    pub fn apportion(self, weights: &[u32]) -> Option<Vec<Fen>> {
        self.share_out(weights.iter().map(|&weight| i128::from(weight)).collect())
    }

    /// Shares out `self` by amounts, for example a limit by the losses that compete for it; the
    /// rules are those of [`Fen::apportion`].
    ///
    /// A share never exceeds its amount when `self` does not exceed their sum. `None` when an
    /// amount is negative or none is positive.
    pub fn apportion_by(self, amounts: &[Fen]) -> Option<Vec<Fen>> {
        if amounts.iter().any(|amount| amount.0 < 0) {
            return None;
        }
        self.share_out(amounts.iter().map(|amount| i128::from(amount.0)).collect())
    }

    /// Shares out `self` in proportion to amounts of which some may be negative, such as changes; each
    /// gets its amount when `self` is their sum.
    ///
    /// By running totals, all rounded the same way, so no share is a whole fen off and they add up to
    /// the whole. `None` when the amounts add up to nothing, or a share does not fit.
    pub fn apportion_signed(self, amounts: &[Fen]) -> Option<Vec<Fen>> {
        let total: i128 = amounts.iter().map(|amount| i128::from(amount.0)).sum();
        if total == 0 {
            return None;
        }
        let (mut so_far, mut told) = (0_i128, Fen::ZERO);
        let share = |amount: &Fen| {
            so_far += i128::from(amount.0);
            let by_now = (i128::from(self.0) * so_far).div_euclid(total);
            let by_now = Fen(i64::try_from(by_now).ok()?);
            let share = by_now.minus(told)?;
            told = by_now;
            Some(share)
        };
        amounts.iter().map(share).collect()
    }

    /// Weights are not negative and fit in 64 bits, so their products with `self` fit in 128.
    fn share_out(self, weights: Vec<i128>) -> Option<Vec<Fen>> {
        let total: i128 = weights.iter().sum();
        if total == 0 {
            return None;
        }
        let whole = i128::from(self.0);
        let mut shares: Vec<i128> =
            weights.iter().map(|weight| (whole * weight).div_euclid(total)).collect();
        let left = whole - shares.iter().sum::<i128>();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse((whole * weights[at]).rem_euclid(total)));
        // `left` is below the number of positive remainders, so it fits and no share gets two.
        for &at in order.iter().take(usize::try_from(left).ok()?) {
            shares[at] += 1;
        }
        shares.into_iter().map(|share| i64::try_from(share).ok().map(Fen)).collect()
    }
}

/// `value` to `places` decimals, halves away from zero.
pub fn half_up(value: Decimal, places: u32) -> Decimal {
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written(&mut [0; LONGEST]))
    }
}

/// Bytes of the longest amount: a sign, 19 digits and a point.
const LONGEST: usize = 21;

impl Fen {
    /// Yuan with two decimals, written from the end of `text`. By hand: an answer is full of amounts,
    /// and the formatter costs ten times as much.
    fn written(self, text: &mut [u8; LONGEST]) -> &str {
        let mut rest = self.0.unsigned_abs();
        let mut start = LONGEST;
        let mut put = |byte| {
            start -= 1;
            text[start] = byte;
        };
        for place in 0.. {
            if place > 2 && rest == 0 {
                break;
            }
            if place == 2 {
                put(b'.');
            }
            // Below ten.
            put(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        if self.0 < 0 {
            put(b'-');
        }
        // Digits, a point and a sign only.
        std::str::from_utf8(&text[start..]).unwrap_or_default()
    }
}

impl FromStr for Fen {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Fen, AmountError> {
        let malformed = || AmountError::Malformed(text.chars().take(40).collect());
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (yuan, cents) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(yuan) || !plain(cents) || yuan.len() > 12 || cents.len() > 2 {
            return Err(malformed());
        }
        let yuan: i64 = yuan.parse().map_err(|_| malformed())?;
        let scale = if cents.len() == 1 { 10 } else { 1 };
        let cents: i64 = cents.parse().map_err(|_| malformed())?;
        let fen = yuan * 100 + cents * scale;
        Ok(Fen(if text.starts_with('-') { -fen } else { fen }))
    }
}

impl Serialize for Fen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.written(&mut [0; LONGEST]))
    }
}

impl<'de> Deserialize<'de> for Fen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fen, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Fen {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .pattern(Some("^-?[0-9]{1,12}(\\.[0-9]{1,2})?$"))
            .description(Some("An amount in yuan as a decimal string."))
            .examples(["665.00"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Fen {
    fn name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn rates_round_half_away_from_zero() {
        // 2.50 x 0.21 = 0.525: half to even would answer 0.52.
        assert_eq!(Fen(250).at_rate(Decimal::new(21, 2)), Some(Fen(53)));
        assert_eq!(Fen(-250).at_rate(Decimal::new(21, 2)), Some(Fen(-53)));
    }

    #[test]
    fn changes_of_both_signs_are_shared_out_in_proportion() {
        let share = |pot: i64, by: &[i64]| {
            let by: Vec<Fen> = by.iter().copied().map(Fen).collect();
            Fen(pot)
                .apportion_signed(&by)
                .map(|own| own.iter().map(|fen| fen.0).collect::<Vec<_>>())
        };
        assert_eq!(share(50, &[300, -200]), Some(vec![150, -100]));
        assert_eq!(share(-10, &[1, 1, 1]), Some(vec![-4, -3, -3]));
        assert_eq!((share(5, &[7, -7]), share(5, &[])), (None, None));
    }

    #[test]
    fn amounts_are_read_and_written_as_yuan() {
        let cases = [("665.00", 66_500), ("0.5", 50), ("-12.30", -1_230), ("7", 700)];
        for (text, fen) in cases {
            assert_eq!(text.parse(), Ok(Fen(fen)));
        }
        assert_eq!(serde_json::to_string(&Fen(-1_230)).unwrap(), r#""-12.30""#);
        for text in ["", "-", "1.234", "1e3", ".5", "1.", "1234567890123", "+1", " 1", "１"] {
            assert!(text.parse::<Fen>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn amounts_are_written_in_yuan_with_two_decimals() {
        let cases = [
            (0, "0.00"),
            (5, "0.05"),
            (-5, "-0.05"),
            (99, "0.99"),
            (66_500, "665.00"),
            (-123_456_789, "-1234567.89"),
            (i64::MAX, "92233720368547758.07"),
            (i64::MIN, "-92233720368547758.08"),
        ];
        for (fen, text) in cases {
            assert_eq!(Fen(fen).to_string(), text);
            assert_eq!(serde_json::to_string(&Fen(fen)).unwrap(), format!("\"{text}\""));
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_whole(fen: i64, weights in vec(1u32..10_000, 1..40)) {
            let shares = Fen(fen).apportion(&weights).unwrap();
            prop_assert_eq!(shares.iter().map(|share| i128::from(share.0)).sum::<i128>(), fen.into());
        }

        #[test]
        fn shares_by_amounts_add_up_and_stay_below_their_amounts(
            amounts in vec(0i64..=99_999_999_999_999, 1..20),
            per_mille in 0i64..=1_000,
        ) {
            let amounts: Vec<Fen> = amounts.into_iter().map(Fen).collect();
            let sum = Fen::sum(amounts.iter().copied()).unwrap();
            let pot = sum.at_rate(Decimal::new(per_mille, 3)).unwrap();
            let Some(shares) = pot.apportion_by(&amounts) else {
                prop_assert_eq!(sum, Fen::ZERO);
                return Ok(());
            };
            prop_assert_eq!(Fen::sum(shares.iter().copied()), Some(pot));
            prop_assert!(shares.iter().zip(&amounts).all(|(share, amount)| share <= amount));
        }

        #[test]
        fn shares_by_signed_amounts_add_up_and_are_less_than_a_fen_off(
            pot in -99_999_999_999_i64..=99_999_999_999,
            amounts in vec(-99_999_999_999_i64..=99_999_999_999, 1..20),
        ) {
            let sum: i128 = amounts.iter().map(|amount| i128::from(*amount)).sum();
            let signed: Vec<Fen> = amounts.iter().copied().map(Fen).collect();
            let Some(shares) = Fen(pot).apportion_signed(&signed) else { return Ok(()) };
            prop_assert_eq!(Fen::sum(shares.iter().copied()), Some(Fen(pot)));
            for (share, amount) in shares.iter().zip(&amounts) {
                let off = i128::from(share.0) * sum - i128::from(pot) * i128::from(*amount);
                prop_assert!(off.abs() < sum.abs());
            }
            let whole = i64::try_from(sum).unwrap();
            prop_assert_eq!(Fen(whole).apportion_signed(&signed), Some(signed));
        }

        #[test]
        fn written_amounts_read_back(fen in -99_999_999_999_999i64..=99_999_999_999_999) {
            prop_assert_eq!(Fen(fen).to_string().parse(), Ok(Fen(fen)));
            prop_assert!(Fen::from_yuan(Fen(fen).yuan()) == Some(Fen(fen)));
        }
    }
}

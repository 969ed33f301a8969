//! Endorsement arithmetic: what a change costs for the rest of the period.

use jiff::Timestamp;
use kernel::time::{day_of, days_between, instant_of, wall_time};
use kernel::{Fen, Period};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::rating::TaxRating;

/// What a change of premium or tax costs; negative amounts are paid back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PremiumChange {
    /// To pay, or to pay back when negative.
    pub amount: Fen,
    /// How it was computed, for the endorsement's text.
    pub formula: String,
}

/// The difference of two premiums of the whole period for the days from `effective_at` on, both
/// premiums being those of the whole period. Before the start it is the whole difference; at or
/// after the end it is nothing. Rounded once, half-up.
///
/// Example: `(1,200.00 − 950.00) × 200/365 = 136.99`.
pub fn premium_change(
    old: Fen,
    new: Fen,
    period: Period,
    effective_at: Timestamp,
) -> PremiumChange {
    let days = period.days().max(1);
    let left = days_between(day_of(effective_at), day_of(period.to())).clamp(0, days);
    let difference = Fen(new.0.saturating_sub(old.0));
    // At most the difference itself, so it fits.
    let amount =
        difference.at_rate(Decimal::from(left) / Decimal::from(days)).unwrap_or(difference);
    let share = if left == days { String::new() } else { format!(" × {left}/{days}") };
    let formula = format!("({} − {}){share} = {}", grouped(new), grouped(old), grouped(amount));
    PremiumChange { amount, formula }
}

/// The difference of two taxes; the tax of a calendar year is not shared out by days.
pub fn tax_change(old: &TaxRating, new: &TaxRating) -> PremiumChange {
    let amount = Fen(new.total.0.saturating_sub(old.total.0));
    let formula = format!("{} − {} = {}", grouped(new.total), grouped(old.total), grouped(amount));
    PremiumChange { amount, formula }
}

/// Why a period cannot be extended by a suspension (rule L34).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuspensionError {
    /// The suspension is not inside the period.
    #[error("cannot suspend cover outside the period of the policy")]
    Outside,
    /// The extended period would leave the range of years.
    #[error("cannot extend the period that far")]
    TooFar,
}

/// The period with its end pushed back by the days of a suspension inside it (停驶、复驶).
pub fn extended(period: Period, suspended: Period) -> Result<Period, SuspensionError> {
    if suspended.from() < period.from() || period.to() < suspended.to() {
        return Err(SuspensionError::Outside);
    }
    let days = jiff::Span::new().try_days(suspended.days()).map_err(|_| SuspensionError::TooFar)?;
    let to = wall_time(period.to()).checked_add(days).map_err(|_| SuspensionError::TooFar)?;
    instant_of(to).and_then(|to| Period::new(period.from(), to)).ok_or(SuspensionError::TooFar)
}

/// An amount with its thousands set apart: `1,200.00`.
pub(crate) fn grouped(amount: Fen) -> String {
    let text = Fen(amount.0.saturating_abs()).to_string();
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let mut out = String::with_capacity(text.len() + 4);
    if amount.0 < 0 {
        out.push('-');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out.push('.');
    out.push_str(cents);
    out
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::time::start_of;

    use super::*;

    fn period(from: jiff::civil::Date, to: jiff::civil::Date) -> Period {
        Period::new(start_of(from).unwrap(), start_of(to).unwrap()).unwrap()
    }

    #[test]
    fn a_change_costs_the_difference_for_the_days_left() {
        let year = period(date(2025, 1, 1), date(2026, 1, 1));
        let at = start_of(date(2025, 6, 15)).unwrap();
        let change = premium_change(Fen(95_000), Fen(120_000), year, at);
        assert_eq!(change.formula, "(1,200.00 − 950.00) × 200/365 = 136.99");
        assert_eq!(change.amount, Fen(13_699));
        let back = premium_change(Fen(120_000), Fen(95_000), year, at);
        assert_eq!(back.amount, Fen(-13_699));
        let before = premium_change(Fen(95_000), Fen(120_000), year, Timestamp::UNIX_EPOCH);
        assert_eq!(before.formula, "(1,200.00 − 950.00) = 250.00");
    }

    #[test]
    fn a_suspension_pushes_the_end_back_by_its_days() {
        let year = period(date(2025, 1, 1), date(2026, 1, 1));
        let month = period(date(2025, 3, 1), date(2025, 3, 31));
        assert_eq!(extended(year, month), Ok(period(date(2025, 1, 1), date(2026, 1, 31))));
        let outside = period(date(2025, 12, 1), date(2026, 2, 1));
        assert_eq!(extended(year, outside), Err(SuspensionError::Outside));
    }
}

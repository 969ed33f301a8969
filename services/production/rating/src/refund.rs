//! Refunds: surrender and revocation of compulsory and commercial cover, vehicle tax given back.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::time::{day_of, days_between};
use kernel::{Fen, Period};
use production_core::region::Region;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::change::grouped;
use crate::days::months_begun;
use crate::rating::{RatingRefusal, TaxYear};
use crate::tariff::{RefundMethod, Tariff, in_force};
use crate::trace::{Step, Trace};

/// Who cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Canceller {
    /// 投保人.
    Policyholder,
    /// 保险人.
    Insurer,
}

/// A policy that ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancellation {
    /// Premium of the whole period, endorsements included.
    pub premium: Fen,
    /// Period as last endorsed, suspensions included.
    pub period: Period,
    /// Days the period was pushed back by suspensions; they cost nothing.
    #[serde(default)]
    pub suspended_days: i64,
    /// When cover ends. The day of cancellation is not charged.
    pub at: Timestamp,
}

/// What is paid back. `refund + kept` is the premium, to the fen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// Paid back, never negative.
    pub refund: Fen,
    /// Kept for the time covered, never negative.
    pub kept: Fen,
    /// How it was computed, for the endorsement's text.
    pub formula: String,
    /// Steps and rows.
    pub trace: Trace,
}

/// Refund of compulsory cover: the share of the days not covered; everything before the start.
///
/// Source: 交强险条例 art. 17.
pub fn compulsory_refund(cancellation: Cancellation) -> Refund {
    by_days(cancellation, Trace::default())
}

/// Refund of commercial cover under the clause version in force when the policy was issued.
pub fn commercial_refund(
    tariff: &Tariff,
    region: Region,
    issued_on: Date,
    cancellation: Cancellation,
    canceller: Canceller,
) -> Result<Refund, RatingRefusal> {
    let tables = &tariff.tables.commercial;
    let after_start = cancellation.at > cancellation.period.from();
    let by_insurer = canceller == Canceller::Insurer;
    let rule = tables.refund.iter().find(|row| {
        row.span.contains(issued_on)
            && row.regions.contains(region)
            && (row.value.by_insurer, row.value.after_start) == (by_insurer, after_start)
    });
    let Some(rule) = rule else {
        let text = format!("no refund rule is loaded for a policy issued on {issued_on}");
        return Err(RatingRefusal::new("TARIFF", "/issuedOn", text));
    };
    let mut trace = Trace::default();
    let named = Step::note("refundRule", rule.value.clause.clone()).from(tariff.row(rule.at));
    trace.push(named);
    let premium = cancellation.premium;
    match rule.value.method {
        RefundMethod::ProRata => Ok(by_days(cancellation, trace)),
        RefundMethod::Full => {
            let fee = premium.at_rate(rule.value.fee).unwrap_or(Fen::ZERO);
            let refund = Fen(premium.0 - fee.0);
            let formula = format!("{} − {} = {}", grouped(premium), grouped(fee), grouped(refund));
            trace.push(Step::amount("refund", refund).rounded());
            Ok(Refund { refund, kept: fee, formula, trace })
        }
        RefundMethod::ShortRate => {
            let months =
                Period::new(cancellation.period.from(), cancellation.at).map_or(0, months_begun);
            let band = tables.short_rate.iter().find(|row| {
                row.span.contains(issued_on)
                    && row.value.clause == rule.value.clause
                    && months <= i64::from(row.value.months)
            });
            let rate = band.map_or(Decimal::ONE, |row| row.value.rate);
            let kept = premium.at_rate(rate).unwrap_or(premium);
            let refund = Fen(premium.0 - kept.0);
            let percent = (rate * Decimal::ONE_HUNDRED).normalize();
            let formula = format!("{} × (1 − {percent}%) = {}", grouped(premium), grouped(refund));
            let step = Step::number("shortRate", rate);
            trace.push(match band {
                Some(row) => step.from(tariff.row(row.at)),
                None => step,
            });
            trace.push(Step::amount("refund", refund).rounded());
            Ok(Refund { refund, kept, formula, trace })
        }
    }
}

fn by_days(cancellation: Cancellation, mut trace: Trace) -> Refund {
    let Cancellation { premium, period, suspended_days, at } = cancellation;
    let days = (period.days() - suspended_days).max(1);
    let elapsed = days_between(day_of(period.from()), day_of(at)) - suspended_days;
    let elapsed = if at <= period.from() { 0 } else { elapsed.clamp(0, days) };
    let left = Decimal::from(days - elapsed) / Decimal::from(days);
    // At most the premium itself, so it fits.
    let refund = premium.at_rate(left).unwrap_or(premium);
    let kept = Fen(premium.0 - refund.0);
    let formula = match elapsed {
        0 => format!("{} not begun = {}", grouped(premium), grouped(refund)),
        _ => format!("{} × (1 − {elapsed}/{days}) = {}", grouped(premium), grouped(refund)),
    };
    trace.push(Step::number("elapsedDays", elapsed));
    trace.push(Step::number("policyDays", days));
    trace.push(Step::amount("refund", refund).rounded());
    Refund { refund, kept, formula, trace }
}

/// Vehicle tax given back after theft, scrapping or loss (T03): the months from the one it
/// happened in to the end of the year, of what was paid. Transfers give nothing back (T02).
pub fn tax_refund(tariff: &Tariff, region: Region, paid: &TaxYear, lost_on: Date) -> Refund {
    let months = if lost_on.year() < paid.year {
        i64::from(paid.months)
    } else if lost_on.year() > paid.year {
        0
    } else {
        (13 - i64::from(lost_on.month())).min(i64::from(paid.months))
    };
    let share = Decimal::from(months) / Decimal::from(paid.months.max(1));
    let refund = paid.due.at_rate(share).unwrap_or(paid.due);
    let formula = format!("{} × {months}/{} = {}", grouped(paid.due), paid.months, grouped(refund));
    let mut trace = Trace::default();
    let step = Step::number("refundMonths", months).because("T03");
    let row = in_force(&tariff.tables.tax.refund, region, lost_on).map(|row| tariff.row(row.at));
    trace.push(match row {
        Some(row) => step.from(row),
        None => step,
    });
    trace.push(Step::amount("refund", refund).rounded());
    Refund { refund, kept: Fen(paid.due.0 - refund.0), formula, trace }
}

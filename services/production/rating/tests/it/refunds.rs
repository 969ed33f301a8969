//! Refunds of the worked examples and the refund rules of the clause versions.

use jiff::civil::date;
use kernel::Fen;
use production_core::region::Region;
use production_rating::{
    Cancellation, Canceller, TaxYear, commercial_refund, compulsory_refund, tax_refund,
};
use rust_decimal::Decimal;

use crate::market::{TARIFF, at, period, yuan};

fn cancellation(premium: &str, from: jiff::civil::Date, to: jiff::civil::Date) -> Cancellation {
    let period = period(from, to);
    Cancellation { premium: yuan(premium), period, suspended_days: 0, at: period.from() }
}

#[test]
fn a_surrender_pays_back_the_days_not_covered() {
    let mut plain = cancellation("855.00", date(2025, 3, 1), date(2026, 3, 1));
    plain.at = at(date(2025, 6, 9));
    let refund = compulsory_refund(plain);
    assert_eq!((refund.refund, refund.kept), (yuan("620.75"), yuan("234.25")));
    assert_eq!(refund.formula, "855.00 × (1 − 100/365) = 620.75");
    let mut leap = cancellation("760.00", date(2023, 9, 1), date(2024, 9, 1));
    leap.at = at(date(2024, 2, 29));
    assert_eq!(compulsory_refund(leap).refund, yuan("384.15"));
}

#[test]
fn a_revocation_pays_back_everything_and_a_spent_policy_nothing() {
    let before = cancellation("855.00", date(2025, 3, 1), date(2026, 3, 1));
    assert_eq!(compulsory_refund(before).refund, yuan("855.00"));
    let after = Cancellation { at: at(date(2027, 1, 1)), ..before };
    assert_eq!(compulsory_refund(after).refund, Fen::ZERO);
}

#[test]
fn suspended_days_cost_nothing() {
    // 30 days suspended, the end pushed back by as many; cancelled after 100 days of cover.
    let mut pushed = cancellation("855.00", date(2025, 3, 1), date(2026, 3, 31));
    pushed.suspended_days = 30;
    pushed.at = at(date(2025, 7, 9));
    assert_eq!(compulsory_refund(pushed).refund, yuan("620.75"));
}

#[test]
fn the_clause_version_decides_a_commercial_refund() {
    let mut cancelled = cancellation("1000.00", date(2025, 1, 1), date(2026, 1, 1));
    cancelled.at = at(date(2025, 4, 11));
    let refund = |issued, canceller| {
        commercial_refund(&TARIFF, Region::Jiangsu, issued, cancelled, canceller).unwrap().refund
    };
    let (new, old) = (date(2024, 12, 20), date(2019, 12, 20));
    assert_eq!(refund(new, Canceller::Policyholder), yuan("726.03"));
    // Three months and ten days: the fourth month is charged.
    assert_eq!(refund(old, Canceller::Policyholder), yuan("600.00"));
    assert_eq!(refund(old, Canceller::Insurer), yuan("726.03"));
    let unbegun = Cancellation { at: cancelled.period.from(), ..cancelled };
    let early = |issued| {
        let who = Canceller::Policyholder;
        commercial_refund(&TARIFF, Region::Jiangsu, issued, unbegun, who).unwrap()
    };
    assert_eq!(early(new).refund, yuan("1000.00"));
    assert_eq!((early(old).refund, early(old).kept), (yuan("970.00"), yuan("30.00")));
    let ancient = commercial_refund(
        &TARIFF,
        Region::Jiangsu,
        date(2010, 1, 1),
        cancelled,
        Canceller::Insurer,
    );
    assert_eq!(ancient.unwrap_err().rule, "TARIFF");
}

#[test]
fn a_stolen_vehicle_gets_its_tax_back_from_the_month_on() {
    let paid = TaxYear {
        year: 2025,
        annual: yuan("360"),
        months: 12,
        reduction: Decimal::ZERO,
        due: yuan("360"),
        late_days: 0,
        late_fee: Fen::ZERO,
    };
    let refund = |day| tax_refund(&TARIFF, Region::Jiangsu, &paid, day);
    assert_eq!(refund(date(2025, 9, 30)).refund, yuan("120.00"));
    assert_eq!(refund(date(2025, 9, 30)).formula, "360.00 × 4/12 = 120.00");
    assert_eq!(refund(date(2026, 1, 1)).refund, Fen::ZERO);
}

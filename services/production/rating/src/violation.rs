//! The float of the compulsory premium by traffic violations.
//!
//! Drink and drunk driving add up per event to a cap; of the other violation codes of a region
//! with a police link the highest counts, and clean years discount.

use std::borrow::Cow;
use std::collections::BTreeSet;

use kernel::time::day_of;
use production_core::history::{Violation, ViolationKind};
use rust_decimal::Decimal;

use crate::compulsory::{Window, Work};
use crate::input::NoFloatReason;
use crate::rating::{FloatAnswer, Notice};
use crate::tariff::{Basis, Kind};
use crate::trace::Step;

impl Work<'_> {
    pub(crate) fn violation(
        &mut self,
        reasons: &BTreeSet<NoFloatReason>,
        windows: &[Window],
        notices: &mut Vec<Notice>,
    ) -> FloatAnswer {
        let none = FloatAnswer { code: None, rate: Decimal::ZERO };
        let Some(window) = windows.first().filter(|_| !self.silenced(reasons)) else {
            return none;
        };
        let (region, tables) = (self.input.region, &self.tariff.tables.compulsory);
        let day = self.day(Kind::CompulsoryViolation);
        let local: Vec<_> = tables
            .violation
            .iter()
            .filter(|row| row.regions.contains(region) && row.span.contains(day))
            .collect();
        let Some(violations) = &self.input.history.violations else {
            if !local.is_empty() {
                let text =
                    "violations are not known; the premium does not float by them".to_owned();
                notices.push(Notice { code: "VIOLATIONS_UNKNOWN".into(), text });
            }
            return none;
        };
        let (drunk, cap) = self.drunk(violations, window);
        let events: Vec<ViolationKind> =
            decided(violations, window).map(|violation| violation.kind).collect();
        let mut best: Option<(&str, Decimal)> = None;
        for row in local {
            let value = &row.value;
            let rate = match value.basis {
                Basis::CleanYears => {
                    let clean = |window: &&Window| decided(violations, window).next().is_none();
                    let years = windows.iter().take_while(clean).count();
                    (years >= value.threshold as usize).then_some(value.rate)
                }
                Basis::MinorCount => {
                    let minor = |kind: &&ViolationKind| code_of(**kind) == "V4";
                    let count = events.iter().filter(minor).count();
                    (count >= value.threshold as usize).then_some(value.rate)
                }
                Basis::PerEvent => {
                    let same = |kind: &&ViolationKind| code_of(**kind) == value.code;
                    let count = events.iter().filter(same).count();
                    (count >= value.threshold as usize)
                        .then(|| (value.rate * Decimal::from(count)).min(value.max))
                }
            };
            if let Some(rate) = rate {
                let step = Step::number("violationFloat", rate).from(self.tariff.row(row.at));
                self.trace.push(step.because(value.code.clone()));
                // Discounts deepen with the years; surcharges of one kind do not add, the
                // highest counts.
                let better = best.is_none_or(|(_, known)| match rate < Decimal::ZERO {
                    true => rate < known,
                    false => rate > known,
                });
                if better {
                    best = Some((&value.code, rate));
                }
            }
        }
        let surcharge = best.map_or(Decimal::ZERO, |(_, rate)| rate);
        let total = match drunk > Decimal::ZERO {
            true => (surcharge.max(Decimal::ZERO) + drunk).min(cap),
            false => surcharge,
        };
        if drunk > Decimal::ZERO {
            let step = Step::number("violationFloat", total).because("V7");
            self.trace.push(step);
            return FloatAnswer { code: Some(Cow::Borrowed("V7")), rate: total };
        }
        match best {
            Some((code, _)) => self.without_discount(reasons, Cow::Owned(code.to_owned()), total),
            None => none,
        }
    }

    /// Sum of the drink and drunk driving floats before the cap, and the cap.
    fn drunk(&mut self, violations: &[Violation], window: &Window) -> (Decimal, Decimal) {
        let day = self.day(Kind::CompulsoryDrunkDriving);
        let region = self.input.region;
        let mut sum = Decimal::ZERO;
        let mut cap = Decimal::ZERO;
        for row in &self.tariff.tables.compulsory.drunk {
            if !row.regions.contains(region) || !row.span.contains(day) {
                continue;
            }
            cap = cap.max(row.value.cap);
            let counts = |violation: &&Violation| {
                violation.kind == row.value.kind && day_of(violation.at) >= row.value.events_from
            };
            let events = decided(violations, window).filter(counts).count();
            if events > 0 {
                let rate = row.value.rate * Decimal::from(events);
                let step = Step::number("drunkDriving", rate).from(self.tariff.row(row.at));
                self.trace.push(step.because(format!("{} × {events}", row.value.kind)));
                sum += rate;
            }
        }
        (sum, cap)
    }
}

/// Violations decided in the window; pending ones count in the year they are decided in.
fn decided<'a>(
    violations: &'a [Violation],
    window: &Window,
) -> impl Iterator<Item = &'a Violation> {
    let (from, to) = (window.from, window.to);
    violations.iter().filter(move |violation| {
        violation.decided_at.is_some_and(|at| from <= day_of(at) && day_of(at) < to)
    })
}

/// The platform's violation reason of a kind.
fn code_of(kind: ViolationKind) -> &'static str {
    match kind {
        ViolationKind::Minor | ViolationKind::SpeedingUnder50 => "V4",
        ViolationKind::WrongWay | ViolationKind::RedLight | ViolationKind::SpeedingFrom50 => "V5",
        ViolationKind::LicenceMismatch => "V6",
        ViolationKind::DrinkDriving | ViolationKind::DrunkDriving => "V7",
    }
}

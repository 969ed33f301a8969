//! Factors common to all commercial covers: expense ratio, no-claim discount, autonomous and
//! violation coefficients, share of a year.

use kernel::money::half_up;
use production_core::history::{PolicyClass, Violation};
use rust_decimal::Decimal;

use crate::commercial::Work;
use crate::days::{is_one_year, plus_months, ratio, share_of_year};
use crate::ncd::{self, NcdAnswer, NcdQuestion};
use crate::rating::{Notice, RatingRefusal};
use crate::tariff::{Dated, Kind, Parameter, in_force};
use crate::trace::{Step, Trace};

/// Factors common to all covers.
pub(crate) struct Factors {
    pub(crate) expense: Decimal,
    pub(crate) ncd: NcdAnswer,
    pub(crate) violation: Decimal,
    pub(crate) share: Decimal,
}

impl Work<'_> {
    pub(crate) fn factors(
        &self,
        trace: &mut Trace,
        notices: &mut Vec<Notice>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Factors> {
        let expense = self.expense(trace, refusals);
        let ncd = self.ncd(trace, notices, refusals);
        self.autonomous(trace, refusals);
        let violation = self.violation(trace, notices);
        let share = self.share(trace, refusals);
        Some(Factors { expense: expense?, ncd: ncd?, violation, share: share? })
    }

    fn expense(&self, trace: &mut Trace, refusals: &mut Vec<RatingRefusal>) -> Option<Decimal> {
        let cap = self.parameter(Parameter::ExpenseRatioCap, trace, refusals)?;
        let expense = self.asked.expense_ratio.unwrap_or(cap);
        if expense < Decimal::ZERO || expense > cap {
            let text = format!("an expense ratio of {expense} is not within 0 to {cap}");
            refusals.push(RatingRefusal::new("L11", "/commercial/expenseRatio", text));
            return None;
        }
        trace.push(Step::number("expenseRatio", expense));
        Some(expense)
    }

    fn ncd(
        &self,
        trace: &mut Trace,
        notices: &mut Vec<Notice>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<NcdAnswer> {
        let region = self.input.region;
        let day = self.day(Kind::NcdScheme);
        let Some(row) = in_force(&self.tariff.tables.commercial.ncd, region, day) else {
            let text = format!("no no-claim scheme is loaded for region {region} on {day}");
            refusals.push(RatingRefusal::new("TARIFF", "/region", text));
            return None;
        };
        let answer = ncd::judge(&NcdQuestion {
            scheme: &row.value,
            row: self.tariff.row(row.at),
            quoted_at: self.input.quoted_at,
            start: self.asked.period.from(),
            transferred_on: self.input.transferred_on,
            history: &self.input.history,
        });
        let step = Step::note("ncdScheme", row.value.name.clone()).from(self.tariff.row(row.at));
        trace.push(step);
        trace.push(Step::number("ncdLevel", answer.level).because(answer.stop.reason()));
        let level = row.value.levels.iter().find(|level| level.level == answer.level);
        if let Some(level) = level {
            let step = Step::number("ncd", level.coefficient).from(self.tariff.row(level.at));
            trace.push(step);
        }
        if let Some(code) = &row.value.notice {
            let text = format!(
                "the no-claim scheme {} of region {region} is not confirmed",
                row.value.name
            );
            notices.push(Notice { code: code.clone().into(), text });
        }
        Some(answer)
    }

    fn autonomous(&self, trace: &mut Trace, refusals: &mut Vec<RatingRefusal>) {
        let parameter = Parameter::AutonomousCoefficient;
        let found = crate::rate::parameter(self.tariff, self.input, self.days, parameter);
        let Some((range, row)) = found else {
            refusals.push(crate::rate::no_parameter(parameter, self.input, self.days));
            return;
        };
        let ours = self.asked.autonomous;
        let (min, max) = (range.min.unwrap_or_default(), range.max.unwrap_or(Decimal::MAX));
        if ours < min || ours > max {
            let text = format!("an autonomous coefficient of {ours} is not within {min} to {max}");
            refusals.push(RatingRefusal::new("L13", "/commercial/autonomous", text));
        }
        trace.push(Step::number("autonomous", ours).from(row));
    }

    /// 1 plus the surcharges of violations decided since the last quote; 1 without a police link.
    fn violation(&self, trace: &mut Trace, notices: &mut Vec<Notice>) -> Decimal {
        let day = self.day(Kind::ViolationCoefficient);
        let region = self.input.region;
        let in_region = |row: &&Dated<_>| row.regions.contains(region) && row.span.contains(day);
        let rows = &self.tariff.tables.commercial.violation;
        let mut rows = rows.iter().filter(in_region).peekable();
        if rows.peek().is_none() {
            return Decimal::ONE;
        }
        let Some(violations) = &self.input.history.violations else {
            let text = "violations are not known; their coefficient is 1".to_owned();
            notices.push(Notice { code: "VIOLATIONS_UNKNOWN".into(), text });
            return Decimal::ONE;
        };
        let to = self.input.quoted_at;
        let policies = self.input.history.policies_of(PolicyClass::Commercial);
        let previous = policies.iter().map(|policy| policy.quoted_at).filter(|&at| at < to).max();
        let from =
            previous.or_else(|| kernel::time::start_of(plus_months(kernel::time::day_of(to), -12)));
        let mut sum = Decimal::ZERO;
        for row in rows {
            let counts = |violation: &&Violation| {
                violation.kind == row.value.kind
                    && violation
                        .decided_at
                        .is_some_and(|at| from.is_none_or(|from| from < at) && at <= to)
            };
            let events = violations.iter().filter(counts).count();
            let beyond = (events + 1).saturating_sub(row.value.threshold as usize);
            if beyond > 0 {
                let rate = (row.value.step * Decimal::from(beyond)).min(row.value.max);
                let step = Step::number("violationSurcharge", rate).from(self.tariff.row(row.at));
                trace.push(step.because(format!("{} × {events}", row.value.kind)));
                sum += rate;
            }
        }
        let coefficient = Decimal::ONE + sum;
        trace.push(Step::number("violation", coefficient));
        coefficient
    }

    fn share(&self, trace: &mut Trace, refusals: &mut Vec<RatingRefusal>) -> Option<Decimal> {
        let period = self.asked.period;
        if is_one_year(period) {
            return Some(Decimal::ONE);
        }
        let share = share_of_year(period).map_or(Decimal::ONE, ratio);
        if share > Decimal::ONE || share <= Decimal::ZERO {
            let text = "commercial cover runs a day to a year";
            refusals.push(RatingRefusal::new("L15", "/commercial/period", text));
            return None;
        }
        trace.push(Step::number("periodShare", half_up(share, 10)));
        Some(share)
    }
}

//! The commercial premium of the 2020 reform.
//!
//! Per cover: pure risk (rounded, a tabled amount) / (1 - expense ratio) = benchmark (rounded
//! first, because it is stored and printed) × no-claim × autonomous × violation coefficient ×
//! share of a year (rounded once). The policy's premium is the sum of its covers.

use jiff::civil::Date;
use kernel::Fen;
use kernel::money::half_up;
use production_core::cover::{Cover, CoverClass, CoverRequest, Part};
use production_core::history::PolicyClass;
use production_core::vehicle::Fuel;
use rust_decimal::Decimal;

use crate::additional::priced;
use crate::days::{Days, is_one_year, months_full, plus_months, ratio, share_of_year};
use crate::hull;
use crate::input::{CommercialInput, RatingInput};
use crate::ncd::{self, NcdAnswer, NcdQuestion};
use crate::rating::{CommercialRating, CoverRating, Notice, RatingRefusal};
use crate::tariff::{ClassRates, Dated, Kind, Parameter, Tariff, in_force};
use crate::trace::{Step, Trace};

/// What pricing one cover needs.
pub(crate) struct Work<'a> {
    pub(crate) tariff: &'a Tariff,
    pub(crate) input: &'a RatingInput,
    pub(crate) asked: &'a CommercialInput,
    pub(crate) class: &'a ClassRates,
    pub(crate) days: Days,
}

/// Pure risk premium of a cover with its steps.
pub(crate) struct Pure {
    pub(crate) amount: Fen,
    pub(crate) trace: Trace,
    /// Whether the no-claim coefficient applies.
    pub(crate) ncd_applies: bool,
}

/// Factors common to all covers.
struct Factors {
    expense: Decimal,
    ncd: NcdAnswer,
    violation: Decimal,
    share: Decimal,
}

/// Rates the commercial covers; refusals are added to `refusals`.
pub(crate) fn commercial(
    tariff: &Tariff,
    input: &RatingInput,
    asked: &CommercialInput,
    notices: &mut Vec<Notice>,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<CommercialRating> {
    let days = Days::of(input, asked.period);
    let before = refusals.len();
    let vehicle = &input.vehicle;
    let (usage, category) = (vehicle.usage.rated_as(), vehicle.category);
    let Some((class, class_row)) = tariff.tables.commercial.class(usage, category) else {
        let text = format!(
            "no commercial class is loaded for use {usage} ({}) with category {category} ({})",
            usage.name_en(),
            category.name_en()
        );
        refusals.push(RatingRefusal::new("L22", "/vehicle/category", text));
        return None;
    };
    let work = Work { tariff, input, asked, class, days };
    let mut trace = Trace::default();
    trace.push(Step::note("class", class.key.clone()).from(tariff.row(class_row)));
    work.combination(refusals);
    let factors = work.factors(&mut trace, notices, refusals);
    let actual_value = match asked.covers.iter().any(|request| request.cover.is_hull()) {
        true => hull::actual_value(&work, &mut trace, refusals),
        false => None,
    };
    let mut pures: Vec<Option<Pure>> = Vec::with_capacity(asked.covers.len());
    for (at, request) in asked.covers.iter().enumerate() {
        pures.push(match request.cover.class() {
            CoverClass::Main => work.main(at, request, actual_value, notices, refusals),
            _ => None,
        });
    }
    for (at, request) in asked.covers.iter().enumerate() {
        if request.cover.class() == CoverClass::Additional
            && request.cover != Cover::AbsoluteDeductible
        {
            pures[at] = priced(&work, at, request, &pures, refusals);
        }
    }
    if refusals.len() > before {
        return None;
    }
    let factors = factors?;
    let mut covers: Vec<Option<CoverRating>> = Vec::with_capacity(pures.len());
    for (request, pure) in asked.covers.iter().zip(pures) {
        covers.push(match pure {
            Some(pure) => Some(work.cover(request, pure, &factors)?),
            None => None,
        });
    }
    for (at, request) in asked.covers.iter().enumerate() {
        if request.cover == Cover::AbsoluteDeductible {
            covers[at] = work.absolute_deductible(at, request, &covers, refusals);
        }
    }
    let covers = covers.into_iter().collect::<Option<Vec<CoverRating>>>();
    if refusals.len() > before {
        return None;
    }
    let covers = covers?;
    let benchmark = Fen::sum(covers.iter().map(|cover| cover.benchmark))?;
    let premium = Fen::sum(covers.iter().map(|cover| cover.premium))?;
    trace.push(Step::amount("premium", premium));
    Some(CommercialRating {
        class_key: class.key.clone(),
        expense_ratio: factors.expense,
        ncd: factors.ncd,
        autonomous: asked.autonomous,
        violation: factors.violation,
        period_share: factors.share,
        actual_value,
        covers,
        benchmark,
        premium,
        trace,
    })
}

pub(crate) fn pointer(at: usize, field: &str) -> String {
    match field {
        "" => format!("/commercial/covers/{at}"),
        _ => format!("/commercial/covers/{at}/{field}"),
    }
}

impl Work<'_> {
    pub(crate) fn day(&self, kind: Kind) -> Date {
        self.days.by(self.tariff.key_date(kind))
    }

    /// A parameter's applied value, with its step; a refusal when the bundle has none.
    pub(crate) fn parameter(
        &self,
        parameter: Parameter,
        trace: &mut Trace,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Decimal> {
        let found = crate::rate::parameter(self.tariff, self.input, self.days, parameter);
        match found.and_then(|(value, row)| Some((value.value?, row))) {
            Some((value, row)) => {
                trace.push(Step::number(parameter.code(), value).from(row));
                Some(value)
            }
            None => {
                refusals.push(crate::rate::no_parameter(parameter, self.input, self.days));
                None
            }
        }
    }

    /// Which covers may stand together: S04, L17, L19.
    fn combination(&self, refusals: &mut Vec<RatingRefusal>) {
        let new_energy = self.input.vehicle.is_new_energy();
        if self.asked.covers.is_empty() {
            let text = "no commercial cover is asked for";
            refusals.push(RatingRefusal::new("S03", "/commercial/covers", text));
        }
        for (at, request) in self.asked.covers.iter().enumerate() {
            let cover = request.cover;
            let mut refuse = |rule, text: String| {
                refusals.push(RatingRefusal::new(rule, pointer(at, "cover"), text));
            };
            if cover.policy_class() != PolicyClass::Commercial {
                refuse("S03", format!("{cover} is not a commercial cover"));
                continue;
            }
            if !cover.suits(new_energy) {
                let kind = if new_energy { "a new-energy" } else { "an ordinary fuel" };
                refuse("L19", format!("{cover} is not written for {kind} vehicle"));
            }
            if self.asked.covers[..at].iter().any(|other| other.key() == request.key()) {
                refuse("S04", format!("{cover} is asked for twice"));
            }
            let mains = cover.needs_one_of();
            if !mains.is_empty() && self.main_of(request).is_none() {
                let names: Vec<&str> = mains.iter().map(|main| main.code()).collect();
                let names = names.join(", ");
                refuse("L17", format!("{cover} needs one of the main covers {names} it hangs on"));
            }
        }
    }

    /// Index of the main cover an additional one hangs on.
    pub(crate) fn main_of(&self, request: &CoverRequest) -> Option<usize> {
        let mains = request.cover.needs_one_of();
        let must_name = request.cover.names_its_main();
        self.asked.covers.iter().position(|main| {
            mains.contains(&main.cover)
                && match request.linked {
                    Some(linked) => main.cover == linked && part_agrees(request, main),
                    None => !must_name,
                }
        })
    }

    fn factors(
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
            let counts = |violation: &&production_core::history::Violation| {
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

    fn main(
        &self,
        at: usize,
        request: &CoverRequest,
        actual_value: Option<Fen>,
        notices: &mut Vec<Notice>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Pure> {
        if request.cover.is_hull() {
            return hull::pure(self, at, request, actual_value?, notices, refusals);
        }
        if request.cover.is_third_party() {
            return self.third_party(at, request, refusals);
        }
        self.occupants(at, request, refusals)
    }

    /// Third-party liability: by limit to one million, by formula above.
    fn third_party(
        &self,
        at: usize,
        request: &CoverRequest,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Pure> {
        let mut trace = Trace::default();
        let step = self.parameter(Parameter::LiabilityStep, &mut trace, refusals)?;
        let most = self.parameter(Parameter::LiabilityMax, &mut trace, refusals)?;
        let mut trace = Trace::default();
        let Some(limit) = request.limit else {
            let text = "third-party liability needs a limit";
            refusals.push(RatingRefusal::new("S02", pointer(at, "limit"), text));
            return None;
        };
        let (region, day) = (self.input.region, self.day(Kind::PureRisk));
        let in_force = |row: &&Dated<_>| row.regions.contains(region) && row.span.contains(day);
        let rows = || self.class.third_party.iter().filter(in_force);
        let Some(top) = rows().max_by_key(|row| row.value.0) else {
            refusals.push(self.no_pure_risk("third-party liability"));
            return None;
        };
        if let Some(row) = rows().find(|row| row.value.0 == limit) {
            let amount = row.value.1;
            trace.push(Step::amount("pureRisk", amount).from(self.tariff.row(row.at)));
            return Some(Pure { amount, trace, ncd_applies: true });
        }
        let above = limit.yuan() - top.value.0.yuan();
        if above <= Decimal::ZERO || above % step != Decimal::ZERO || limit.yuan() > most {
            let list: Vec<String> =
                rows().map(|row| row.value.0.yuan().normalize().to_string()).collect();
            let text = format!(
                "a limit of {limit} is neither one of {} nor a multiple of {step} up to {most}",
                list.join(", ")
            );
            refusals.push(RatingRefusal::new("L16", pointer(at, "limit"), text));
            return None;
        }
        let growth = self.parameter(Parameter::LiabilityGrowth, &mut trace, refusals)?;
        let damping = self.parameter(Parameter::LiabilityDamping, &mut trace, refusals)?;
        let steps = above / step;
        trace.push(Step::amount("pureRiskTopLimit", top.value.1).from(self.tariff.row(top.at)));
        trace.push(Step::number("stepsAbove", steps));
        let amount = above_top_limit(top.value.1, steps, growth, damping)?;
        trace.push(Step::amount("pureRisk", amount).rounded());
        Some(Pure { amount, trace, ncd_applies: true })
    }

    /// Occupants' liability: rate × limit × seats, the driver apart from the passengers.
    fn occupants(
        &self,
        at: usize,
        request: &CoverRequest,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Pure> {
        let (Some(limit), Some(part)) = (request.limit, request.part) else {
            let text = "occupants' liability needs a limit and the part: driver or passenger";
            refusals.push(RatingRefusal::new("S02", pointer(at, ""), text));
            return None;
        };
        let (rows, seats) = match part {
            Part::Driver => (&self.class.driver, 1),
            Part::Passenger => (&self.class.passenger, self.passenger_seats(request)),
        };
        if part == Part::Passenger && (seats == 0 || seats >= self.input.vehicle.seats.max(1)) {
            let text = format!(
                "{seats} passenger seats do not agree with {} seats in the vehicle",
                self.input.vehicle.seats
            );
            refusals.push(RatingRefusal::new("L21", pointer(at, "seats"), text));
            return None;
        }
        let Some(row) = in_force(rows, self.input.region, self.day(Kind::PureRisk)) else {
            refusals.push(self.no_pure_risk("occupants' liability"));
            return None;
        };
        let mut trace = Trace::default();
        trace.push(Step::number("rate", row.value).from(self.tariff.row(row.at)));
        trace.push(Step::number("seats", seats));
        let amount = limit.at_rate(row.value * Decimal::from(seats))?;
        trace.push(Step::amount("pureRisk", amount).rounded());
        Some(Pure { amount, trace, ncd_applies: true })
    }

    /// Passenger seats of a request: all but the driver's unless it says fewer.
    pub(crate) fn passenger_seats(&self, request: &CoverRequest) -> u16 {
        request.seats.unwrap_or(self.input.vehicle.seats.saturating_sub(1))
    }

    pub(crate) fn no_pure_risk(&self, cover: &str) -> RatingRefusal {
        let (class, start) = (&self.class.key, self.days.start);
        let text =
            format!("no pure risk premium of {cover} is loaded for class {class} on {start}");
        RatingRefusal::new("TARIFF", "/vehicle/category", text)
    }

    fn cover(&self, request: &CoverRequest, pure: Pure, factors: &Factors) -> Option<CoverRating> {
        let mut trace = pure.trace;
        let benchmark = benchmark(pure.amount, factors.expense)?;
        trace.push(Step::amount("benchmark", benchmark).rounded());
        let ncd = match pure.ncd_applies {
            true => factors.ncd.coefficient,
            false => {
                trace.push(Step::number("ncd", Decimal::ONE).because("mainCoversOnly"));
                Decimal::ONE
            }
        };
        let factor = ncd * self.asked.autonomous * factors.violation * factors.share;
        let premium = benchmark.at_rate(factor)?;
        trace.push(Step::amount("premium", premium).rounded());
        Some(CoverRating {
            cover: request.cover,
            part: request.part,
            linked: request.linked,
            pure_risk: pure.amount,
            benchmark,
            premium,
            trace,
        })
    }

    /// X01 takes its percentage off the premium of the main cover it hangs on.
    fn absolute_deductible(
        &self,
        at: usize,
        request: &CoverRequest,
        covers: &[Option<CoverRating>],
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<CoverRating> {
        let main = covers.get(self.main_of(request)?)?.as_ref()?;
        let day = self.day(Kind::AbsoluteDeductible);
        let rows = &self.tariff.tables.commercial.absolute;
        let row = rows
            .iter()
            .find(|row| Some(row.value.0) == request.deductible_pct && row.span.contains(day));
        let Some(row) = row else {
            let known: Vec<String> = rows
                .iter()
                .filter(|row| row.span.contains(day))
                .map(|row| row.value.0.to_string())
                .collect();
            let text = format!("the absolute deductible is one of {} percent", known.join(", "));
            refusals.push(RatingRefusal::new("L17", pointer(at, "deductiblePct"), text));
            return None;
        };
        let less = |amount: Fen| amount.at_rate(-row.value.1);
        let (pure_risk, benchmark) = (less(main.pure_risk)?, less(main.benchmark)?);
        let premium = less(main.premium)?;
        let mut trace = Trace::default();
        let step = Step::number("absoluteDeductible", -row.value.1);
        trace.push(step.from(self.tariff.row(row.at)).because(main.cover.code()));
        trace.push(Step::amount("premium", premium).rounded());
        let (cover, part, linked) = (request.cover, request.part, request.linked);
        Some(CoverRating { cover, part, linked, pure_risk, benchmark, premium, trace })
    }

    /// Years since first registration at the start of cover; a new vehicle has none.
    pub(crate) fn age_months(&self) -> Option<i64> {
        let vehicle = &self.input.vehicle;
        let known = vehicle.first_registered_on.or(vehicle.invoiced_on).or(vehicle.made_on);
        match known {
            Some(day) => Some(months_full(day, self.days.start)),
            None if vehicle.new_vehicle => Some(0),
            None => None,
        }
    }

    /// Which depreciation column the vehicle falls into.
    pub(crate) fn powertrain(&self) -> usize {
        let vehicle = &self.input.vehicle;
        match vehicle.fuel {
            _ if vehicle.plug_in => 2,
            Fuel::Electric => 1,
            // The clause puts fuel-cell vehicles beside plug-in hybrids.
            Fuel::Hydrogen => 2,
            _ => 0,
        }
    }
}

fn part_agrees(request: &CoverRequest, main: &CoverRequest) -> bool {
    !main.cover.is_occupants() || request.part.is_none() || request.part == main.part
}

/// Benchmark premium: pure / (1 - expense ratio), rounded to the fen.
pub(crate) fn benchmark(pure: Fen, expense: Decimal) -> Option<Fen> {
    Fen::from_yuan(pure.yuan().checked_div(Decimal::ONE - expense)?)
}

/// Liability above the highest tabled limit: `A + A × N × (0.1 - 0.0025 N)`, rounded, where A is
/// the pure premium of that limit and N the steps above it.
pub(crate) fn above_top_limit(
    top: Fen,
    steps: Decimal,
    growth: Decimal,
    damping: Decimal,
) -> Option<Fen> {
    top.at_rate(Decimal::ONE + steps * (growth - damping * steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn liability_above_one_million_follows_the_formula() {
        let premium = |top: i64, steps: i64| {
            above_top_limit(Fen(top), steps.into(), decimal("0.1"), decimal("0.0025")).unwrap()
        };
        let cases = [(1, 219_500), (2, 238_000), (8, 328_000)];
        for (steps, expected) in cases {
            assert_eq!(premium(200_000, steps), Fen(expected));
        }
        // The seed table of the private car carries the same limits worked out.
        let seed = [(1, 140_963), (2, 152_844), (4, 174_678), (8, 210_642)];
        for (steps, expected) in seed {
            assert_eq!(premium(128_440, steps), Fen(expected));
        }
    }

    #[test]
    fn the_benchmark_is_rounded_before_the_factors() {
        let quarter = decimal("0.25");
        assert_eq!(benchmark(Fen(100_000), quarter), Some(Fen(133_333)));
        assert_eq!(Fen(133_333).at_rate(decimal("0.6") * decimal("0.85")), Some(Fen(68_000)));
        assert_eq!(benchmark(Fen(136_866), quarter), Some(Fen(182_488)));
        assert_eq!(Fen(182_488).at_rate(decimal("0.7") * decimal("0.95")), Some(Fen(121_355)));
        // Rounding last would give 1,847.98.
        let rounded = benchmark(Fen(77_777), quarter).unwrap();
        let factors = decimal("1.2") * decimal("1.35") * decimal("1.10");
        assert_eq!(rounded.at_rate(factors), Some(Fen(184_799)));
        let unrounded = decimal("777.77") / decimal("0.75") * factors;
        assert_eq!(Fen::from_yuan(unrounded), Some(Fen(184_798)));
    }
}

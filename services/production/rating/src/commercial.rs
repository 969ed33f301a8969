//! The commercial premium of the 2020 reform.
//!
//! Per cover: pure risk (rounded, a tabled amount) / (1 - expense ratio) = benchmark (rounded
//! first, because it is stored and printed) × no-claim × autonomous × violation coefficient ×
//! share of a year (rounded once). The policy's premium is the sum of its covers.

use jiff::civil::Date;
use kernel::Fen;
use production_core::cover::{Cover, CoverClass, CoverRequest};
use production_core::history::PolicyClass;
use production_core::vehicle::Fuel;
use rust_decimal::Decimal;

use crate::additional::priced;
use crate::days::{Days, months_full};
use crate::factors::Factors;
use crate::hull;
use crate::input::{CommercialInput, RatingInput};
use crate::rating::{CommercialRating, CoverRating, Notice, RatingRefusal};
use crate::tariff::{ClassRates, Kind, Parameter, Tariff};
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
                trace.push(Step::number(parameter.step(), value).from(row));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
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

//! The compulsory premium: base × short period × (1 + accidents) × (1 + violations).
//!
//! Windows of the float run from the issue day of one policy to the issue day of the next,
//! half-open by days, and hold the claims *paid* in them (保监发〔2007〕52号). Only at-fault claims
//! of compulsory cover count; an at-fault claim still unpaid suspends the discount. Which claims
//! count is judged in [`accident`].

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::civil::Date;
use kernel::Fen;
use kernel::time::day_of;
use production_core::history::{PolicyClass, PriorPolicy};
use production_core::vehicle::VehicleFacts;
use rust_decimal::Decimal;

use crate::accident::{self, FloatClaim};
use crate::days::{Days, is_one_year, months_begun, plus_months};
use crate::input::{CompulsoryInput, FloatEffect, NoFloatReason, RatingInput, ShortTermReason};
use crate::rating::{CompulsoryRating, FloatAnswer, Notice, RatingRefusal};
use crate::tariff::{Base, BaseRule, Dated, Kind, Parameter, Tariff, in_force};
use crate::term::{Length, Term, last_sold, terms};
use crate::trace::{Step, Trace};

const NO_FLOAT: FloatAnswer = FloatAnswer { code: None, rate: Decimal::ZERO };

/// A policy year the float looks at: the days its claims are paid on.
pub(crate) struct Window {
    pub(crate) from: Date,
    pub(crate) to: Date,
}

/// A rating of compulsory cover under way.
pub(crate) struct Work<'a> {
    pub(crate) tariff: &'a Tariff,
    pub(crate) input: &'a RatingInput,
    asked: &'a CompulsoryInput,
    days: Days,
    pub(crate) trace: Trace,
}

/// Rates compulsory cover; refusals are added to `refusals`.
pub(crate) fn compulsory(
    tariff: &Tariff,
    input: &RatingInput,
    asked: &CompulsoryInput,
    notices: &mut Vec<Notice>,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<CompulsoryRating> {
    let days = Days::of(input, asked.period);
    let mut work = Work { tariff, input, asked, days, trace: Trace::default() };
    let before = refusals.len();
    let short = work.short_rate(refusals);
    let base = work.base(refusals);
    let chain = work.chain();
    let no_float = work.no_float(&chain);
    let windows = work.windows(&chain);
    let (accident, claims) = work.accident(&no_float, &windows, refusals);
    let violation = work.violation(&no_float, &windows, notices);
    let share = work.parameter(Parameter::FundShare, refusals);
    let limits = tariff.limits(days.by(tariff.key_date(Kind::CompulsoryLimits)));
    if limits.is_none() {
        let text = format!("no liability limits are loaded for {}", days.start);
        refusals.push(RatingRefusal::new("TARIFF", "/compulsory/period", text));
    }
    if refusals.len() > before {
        return None;
    }
    let (rate_key, base) = base?;
    let short = short?;
    let exact =
        base.yuan() * short * (Decimal::ONE + accident.rate) * (Decimal::ONE + violation.rate);
    let premium = Fen::from_yuan(exact)?;
    work.trace.push(Step::amount("premium", premium).rounded());
    let fund_rate = share?;
    let fund_amount = premium.at_rate(fund_rate)?;
    work.trace.push(Step::amount("fund", fund_amount).rounded());
    Some(CompulsoryRating {
        rate_key,
        base,
        short_rate: short,
        accident,
        claims,
        violation,
        no_float: no_float.into_iter().collect(),
        premium,
        fund_rate,
        fund_amount,
        limits: limits?,
        trace: work.trace,
    })
}

impl Work<'_> {
    pub(crate) fn day(&self, kind: Kind) -> Date {
        self.days.by(self.tariff.key_date(kind))
    }

    fn parameter(
        &mut self,
        parameter: Parameter,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Decimal> {
        let (value, row) = crate::rate::parameter(self.tariff, self.input, self.days, parameter)
            .or_else(|| {
                refusals.push(crate::rate::no_parameter(parameter, self.input, self.days));
                None
            })?;
        let value = value.value?;
        self.trace.push(Step::number(parameter.step(), value).from(row));
        Some(value)
    }

    fn short_rate(&mut self, refusals: &mut Vec<RatingRefusal>) -> Option<Decimal> {
        if is_one_year(self.asked.period) {
            return Some(Decimal::ONE);
        }
        let pointer = "/compulsory/period";
        if self.asked.short_term.is_none() {
            let text = "compulsory cover runs one year to the same hour unless a short-term reason is given";
            refusals.push(RatingRefusal::new("L02", pointer, text));
            return None;
        }
        let months = months_begun(self.asked.period);
        if months > 12 {
            let text = "short-term compulsory cover runs at most 12 months";
            refusals.push(RatingRefusal::new("L02", pointer, text));
            return None;
        }
        let day = self.day(Kind::CompulsoryShortPeriod);
        let rows = &self.tariff.tables.compulsory.short;
        let row =
            rows.iter().find(|row| row.span.contains(day) && i64::from(row.value.months) == months);
        let Some(row) = row else {
            let text = format!("no short-period rate is loaded for {months} months on {day}");
            refusals.push(RatingRefusal::new("TARIFF", pointer, text));
            return None;
        };
        let step = Step::number("shortPeriod", row.value.rate).from(self.tariff.row(row.at));
        self.trace.push(step.because(format!("{months} months")));
        Some(row.value.rate)
    }

    fn base(&mut self, refusals: &mut Vec<RatingRefusal>) -> Option<(String, Fen)> {
        let vehicle = &self.input.vehicle;
        let (usage, category) = (vehicle.usage.rated_as(), vehicle.category);
        let day = self.day(Kind::CompulsoryBase);
        let tables = &self.tariff.tables.compulsory;
        let row = tables.base_rows(usage, category).find(|row| row.span.contains(day));
        let Some(row) = row else {
            let text = format!(
                "no compulsory base premium is loaded for use {usage} ({}) with category {category} ({}) on {day}",
                usage.name_en(),
                category.name_en()
            );
            let rule = if category.is_trailer() { "L04" } else { "L05" };
            refusals.push(RatingRefusal::new(rule, "/vehicle/category", text));
            return None;
        };
        let (premium, at) = match &row.value.rule {
            BaseRule::Fixed(premium) => (*premium, row.at),
            BaseRule::NotInsurable => {
                let text = "no compulsory cover is written on trailers since 2013-03-01";
                refusals.push(RatingRefusal::new("L04", "/vehicle/category", text));
                return None;
            }
            BaseRule::Regional(key) => {
                let region = self.input.region;
                let day = self.day(Kind::CompulsoryTractor);
                let rows = tables.tractor.get(key).map_or(&[][..], Vec::as_slice);
                let Some(row) = in_force(rows, region, day) else {
                    let text = format!(
                        "no regional tractor tariff is loaded for region {region} ({}) and class {key}",
                        region.name_en()
                    );
                    refusals.push(RatingRefusal::new("TARIFF", "/vehicle/category", text));
                    return None;
                };
                (row.value, row.at)
            }
        };
        outside_band(row, vehicle, refusals);
        self.trace.push(
            Step::amount("basePremium", premium)
                .from(self.tariff.row(at))
                .because(row.value.rate_key.clone()),
        );
        Some((row.value.rate_key.clone(), premium))
    }

    /// Earlier years of compulsory cover, newest first.
    fn chain(&self) -> Vec<Term> {
        let issued = self.input.issued_on;
        let earlier = |policy: &PriorPolicy| day_of(policy.issued_at) < issued;
        terms(&self.input.history, PolicyClass::Compulsory, earlier)
    }

    fn no_float(&self, chain: &[Term]) -> BTreeSet<NoFloatReason> {
        let mut reasons: BTreeSet<NoFloatReason> = self.asked.no_float.iter().copied().collect();
        if self.asked.short_term.is_some() {
            reasons.insert(NoFloatReason::ShortTerm);
        }
        let Some(previous) = chain.first() else {
            reasons.insert(match self.input.vehicle.new_vehicle {
                true => NoFloatReason::NoWholeYear,
                false => NoFloatReason::NoPreviousPolicy,
            });
            return reasons;
        };
        if self.input.transferred_on.is_some_and(|sold| sold > previous.began) {
            reasons.insert(NoFloatReason::Transferred);
        }
        if previous.transferred {
            reasons.insert(NoFloatReason::PreviousTransferred);
        }
        match previous.length {
            Length::WholeYear => false,
            Length::ShortTerm => reasons.insert(NoFloatReason::PreviousShortTerm),
            Length::EndedEarly => reasons.insert(NoFloatReason::NoWholeYear),
        };
        let until = day_of(previous.until);
        if self.days.start > plus_months(until, 6) {
            reasons.insert(NoFloatReason::LapseOverSixMonths);
        } else if self.days.start > plus_months(until, 3) {
            reasons.insert(NoFloatReason::LapseThreeToSixMonths);
        }
        reasons
    }

    /// Windows of the chain, newest first, as far as whole years follow one another under one
    /// owner. The first stands whenever there is an earlier policy; the reasons judge it.
    fn windows(&self, chain: &[Term]) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        let (mut to, mut next_start) = (self.input.issued_on, self.days.start);
        for term in chain {
            let from = day_of(term.issued_at);
            if from >= to {
                // Issued with, or after, the policy that follows: no year of its own to look at.
                continue;
            }
            let broken = term.length != Length::WholeYear
                || term.transferred
                || self.input.transferred_on.is_some_and(|sold| sold > term.began)
                || next_start > plus_months(day_of(term.until), 3);
            if !windows.is_empty() && broken {
                break;
            }
            windows.push(Window { from, to });
            (to, next_start) = (from, day_of(term.from));
            if windows.len() == 3 {
                break;
            }
        }
        windows
    }

    /// Neither discount nor surcharge, whatever the history says.
    pub(crate) fn silenced(&self, reasons: &BTreeSet<NoFloatReason>) -> bool {
        matches!(
            self.asked.short_term,
            Some(ShortTermReason::TemporaryEntry | ShortTermReason::TemporaryRoadUse)
        ) || reasons.iter().any(|reason| reason.effect() == FloatEffect::None)
    }

    /// The float by accidents, and every compulsory claim with its verdict.
    fn accident(
        &mut self,
        reasons: &BTreeSet<NoFloatReason>,
        windows: &[Window],
        refusals: &mut Vec<RatingRefusal>,
    ) -> (FloatAnswer, Vec<FloatClaim>) {
        for reason in reasons {
            self.trace.push(Step::note("noFloat", reason.code()));
        }
        let history = &self.input.history;
        if self.silenced(reasons) {
            return (NO_FLOAT, accident::not_floating(history));
        }
        let sold = last_sold(self.input.transferred_on, history, PolicyClass::Compulsory);
        let accidents = accident::judge(history, windows, sold);
        let last = accidents.by_window.first().map_or(&[][..], Vec::as_slice);
        let level = match last.len() {
            0 if accidents.open => {
                self.trace.push(Step::note("noFloat", "openClaim"));
                return (NO_FLOAT, accidents.claims);
            }
            0 => accidents.by_window.iter().take_while(|found| found.is_empty()).count(),
            _ if last.contains(&true) => 6,
            1 => 4,
            _ => 5,
        };
        (self.level(level, reasons, refusals), accidents.claims)
    }

    /// The float of a level, from 1, of the region's scheme.
    fn level(
        &mut self,
        level: usize,
        reasons: &BTreeSet<NoFloatReason>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> FloatAnswer {
        let (region, tables) = (self.input.region, &self.tariff.tables.compulsory);
        let scheme = in_force(&tables.scheme, region, self.day(Kind::CompulsoryRegion));
        let row = scheme.and_then(|scheme| {
            let levels = tables.floats.get(usize::from(scheme.value))?;
            let day = self.day(Kind::CompulsoryFloat);
            levels.get(level.checked_sub(1)?)?.iter().find(|row| row.span.contains(day))
        });
        let Some(row) = row else {
            let text =
                format!("no float scheme is loaded for region {region} on {}", self.days.start);
            refusals.push(RatingRefusal::new("TARIFF", "/region", text));
            return NO_FLOAT;
        };
        let step = Step::number("accidentFloat", row.value.rate).from(self.tariff.row(row.at));
        self.trace.push(step.because(row.value.code.clone()));
        self.without_discount(reasons, Cow::Owned(row.value.code.clone()), row.value.rate)
    }

    pub(crate) fn without_discount(
        &self,
        reasons: &BTreeSet<NoFloatReason>,
        code: Cow<'static, str>,
        rate: Decimal,
    ) -> FloatAnswer {
        let barred = reasons.iter().any(|reason| reason.effect() == FloatEffect::NoDiscount);
        if barred && rate < Decimal::ZERO {
            return FloatAnswer { code: None, rate: Decimal::ZERO };
        }
        FloatAnswer { code: Some(code), rate }
    }
}

/// Refuses facts outside the band the category stands for (L21).
fn outside_band(row: &Dated<Base>, vehicle: &VehicleFacts, refusals: &mut Vec<RatingRefusal>) {
    let base = &row.value;
    let mut refuse = |pointer: &str, what: String| {
        let text = format!("{what} does not agree with category {}", vehicle.category);
        refusals.push(RatingRefusal::new("L21", pointer, text));
    };
    let (min, max) = base.seats;
    if min.is_some_and(|min| vehicle.seats < min) || max.is_some_and(|max| vehicle.seats >= max) {
        refuse("/vehicle/seats", format!("{} seats", vehicle.seats));
    }
    if let Some(tonnes) = vehicle.tonnage_t {
        let (min, max) = base.tonnes;
        if min.is_some_and(|min| tonnes < min) || max.is_some_and(|max| tonnes >= max) {
            refuse("/vehicle/tonnageT", format!("a load of {tonnes} t"));
        }
    }
    if let Some(cc) = vehicle.displacement_cc.filter(|_| !vehicle.side_car) {
        let (above, to) = base.displacement_cc;
        if above.is_some_and(|above| cc <= above) || to.is_some_and(|to| cc > to) {
            refuse("/vehicle/displacementCc", format!("a displacement of {cc} cc"));
        }
    }
    if let Some(power) = vehicle.power_kw {
        let (above, to) = base.power_kw;
        if above.is_some_and(|above| power <= above) || to.is_some_and(|to| power > to) {
            refuse("/vehicle/powerKw", format!("a power of {power} kW"));
        }
    }
}

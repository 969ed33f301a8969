//! Vehicle and vessel tax (车船税), collected with compulsory cover.
//!
//! A calendar year's tax is annual / 12 × months × (1 - reduction), rounded once. Rules T01-T18
//! are those of `vehicle_tax_rules.csv`.

use jiff::civil::Date;
use kernel::time::{day_of, days_between, wall_time};
use kernel::{Fen, Period};
use production_core::vehicle::{Category, Family, VehicleFacts};
use rust_decimal::Decimal;

use crate::days::Days;
use crate::input::{RatingInput, ShortTermReason, TaxCondition, TaxInput, TaxItem};
use crate::rating::{Notice, RatingRefusal, TaxRating, TaxYear};
use crate::tariff::{Kind, Tariff, in_force};
use crate::trace::{Step, Trace};

/// Share taken off, and the condition it makes.
struct Reduction {
    share: Decimal,
    condition: TaxCondition,
}

struct Work<'a> {
    tariff: &'a Tariff,
    input: &'a RatingInput,
    asked: &'a TaxInput,
    period: Period,
    short_term: Option<ShortTermReason>,
    trace: Trace,
}

/// What is asked about tax: it goes with compulsory cover, the plain case when nothing is said.
pub(crate) fn asked(input: &RatingInput) -> Option<TaxInput> {
    match (&input.tax, &input.compulsory) {
        (Some(tax), _) => Some(tax.clone()),
        (None, Some(_)) => Some(TaxInput::default()),
        (None, None) => None,
    }
}

/// Computes the tax; refusals are added to `refusals`.
pub(crate) fn tax(
    tariff: &Tariff,
    input: &RatingInput,
    asked: &TaxInput,
    notices: &mut Vec<Notice>,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<TaxRating> {
    let compulsory = input.compulsory.as_ref();
    let period = compulsory
        .map(|asked| asked.period)
        .or(input.commercial.as_ref().map(|asked| asked.period));
    let Some(period) = period else {
        let text = "vehicle tax is asked for without a period of cover";
        refusals.push(RatingRefusal::new("S02", "/tax", text));
        return None;
    };
    let short_term = compulsory.and_then(|asked| asked.short_term);
    let work = Work { tariff, input, asked, period, short_term, trace: Trace::default() };
    work.run(notices, refusals)
}

impl Work<'_> {
    fn run(
        mut self,
        notices: &mut Vec<Notice>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<TaxRating> {
        let before = refusals.len();
        let year = day_of(self.period.from()).year();
        if let Some(rule) = self.not_taxable() {
            self.trace.push(Step::note("notTaxable", rule));
            let current = untaxed(year);
            let condition = TaxCondition::Exempt;
            let (arrears, trace) = (Vec::new(), self.trace);
            let (late_fee, total) = (Fen::ZERO, Fen::ZERO);
            return Some(TaxRating {
                condition,
                item: None,
                current,
                arrears,
                late_fee,
                total,
                trace,
            });
        }
        let item = self.asked.item.unwrap_or_else(|| item_of(&self.input.vehicle));
        let reduction = self.reduction(item, notices, refusals);
        let paid = self.paid(year, refusals);
        let mut current = self.year(year, item, &reduction, notices, refusals);
        if let (Some(current), true) = (&mut current, paid.is_some()) {
            (current.due, current.late_days, current.late_fee) = (Fen::ZERO, 0, Fen::ZERO);
        }
        let mut arrears = Vec::new();
        let mut years = self.asked.unpaid_years.clone();
        years.sort_unstable();
        years.dedup();
        for unpaid in years {
            if unpaid >= year {
                let text = format!("{unpaid} is not before the tax year {year}");
                refusals.push(RatingRefusal::new("L27", "/tax/unpaidYears", text));
            } else if self.bought().is_none_or(|bought| bought.year() <= unpaid) {
                arrears.extend(self.year(unpaid, item, &reduction, notices, refusals));
            }
        }
        if refusals.len() > before {
            return None;
        }
        let current = current?;
        let all = || arrears.iter().chain([&current]);
        let late_fee = Fen::sum(all().map(|year| year.late_fee))?;
        let due = Fen::sum(all().map(|year| year.due))?;
        let owing = arrears.iter().any(|year| year.due > Fen::ZERO);
        let condition = match (self.asked.refused, owing, paid, &reduction) {
            (true, ..) => TaxCondition::Refused,
            (_, true, ..) => TaxCondition::Arrears,
            (_, _, Some(condition), _) => condition,
            (_, _, _, Some(reduction)) => reduction.condition,
            _ => TaxCondition::Normal,
        };
        let total = match condition {
            TaxCondition::Refused => Fen::ZERO,
            _ => due.plus(late_fee)?,
        };
        self.trace.push(Step::amount("taxTotal", total));
        let item = Some(item);
        Some(TaxRating { condition, item, current, arrears, late_fee, total, trace: self.trace })
    }

    fn not_taxable(&self) -> Option<&'static str> {
        let vehicle = &self.input.vehicle;
        let passenger = item_of(vehicle) == TaxItem::PassengerCar;
        let chargeless = vehicle.fuel.is_new_energy() && !vehicle.plug_in;
        match () {
            () if self.short_term == Some(ShortTermReason::TemporaryEntry) => Some("T18"),
            () if vehicle.category.family() == Family::Tractor => Some("T13"),
            () if passenger && chargeless => Some("T09"),
            () => None,
        }
    }

    fn reduction(
        &mut self,
        item: TaxItem,
        notices: &mut Vec<Notice>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Reduction> {
        let vehicle = &self.input.vehicle;
        let proven = self.asked.derate.as_ref();
        if let Some(proof) = proven
            && (proof.document.trim().is_empty() || proof.authority.trim().is_empty())
        {
            let text = "a reduction needs the number of its document and the tax authority";
            refusals.push(RatingRefusal::new("L27", "/tax/derate", text));
        }
        let small =
            item != TaxItem::PassengerCar || vehicle.displacement_cc.is_some_and(|cc| cc <= 1_600);
        if vehicle.energy_saving_listed && !small {
            let text = "the energy-saving half is for passenger cars to 1.6 L; the full tax is due";
            notices.push(Notice { code: "T10".into(), text: text.into() });
        }
        let code = match proven {
            Some(proof) => proof.code.as_str(),
            None if vehicle.is_new_energy() => "nev_exempt",
            None if vehicle.energy_saving_listed && small => "energy_saving",
            None => return None,
        };
        let day = self.days().by(self.tariff.key_date(Kind::VehicleTaxDerate));
        let region = self.input.region;
        let row = self.tariff.tables.tax.derates.iter().find(|row| {
            row.value.code == code && row.regions.contains(region) && row.span.contains(day)
        });
        let Some(row) = row else {
            let text = format!("{code:?} is not a tax reduction in region {region} on {day}");
            refusals.push(RatingRefusal::new("L27", "/tax/derate/code", text));
            return None;
        };
        let step = Step::number("reduction", row.value.share).from(self.tariff.row(row.at));
        self.trace.push(step.because(row.value.rule.clone()));
        Some(Reduction { share: row.value.share, condition: row.value.condition })
    }

    fn days(&self) -> Days {
        Days::of(self.input, self.period)
    }

    fn paid(&mut self, year: i16, refusals: &mut Vec<RatingRefusal>) -> Option<TaxCondition> {
        let receipt = self.asked.paid.as_ref()?;
        if receipt.number.trim().is_empty() || receipt.authority.trim().is_empty() {
            let text = "a paid tax needs the receipt's number and the tax authority";
            refusals.push(RatingRefusal::new("L27", "/tax/paid", text));
        }
        if receipt.year != year {
            let text = format!("the receipt is for {}, the tax year is {year}", receipt.year);
            refusals.push(RatingRefusal::new("L27", "/tax/paid/year", text));
        }
        self.trace.push(Step::note("alreadyPaid", "T02"));
        Some(if receipt.variant { TaxCondition::PaidVariant } else { TaxCondition::Paid })
    }

    fn bought(&self) -> Option<Date> {
        let vehicle = &self.input.vehicle;
        vehicle.invoiced_on.or(vehicle.first_registered_on)
    }

    fn months(&mut self, year: i16) -> u8 {
        let start = day_of(self.period.from());
        let (months, rule) = if self.short_term.is_some() && year == start.year() {
            // The end is the first instant without cover; the month before it is the last taxed.
            let last = wall_time(self.period.to()).saturating_sub(jiff::Span::new().seconds(1));
            let months = (i32::from(last.year()) - i32::from(start.year())) * 12
                + i32::from(last.month())
                - i32::from(start.month())
                + 1;
            (months.clamp(1, 12), "T17")
        } else {
            let unbought = self.input.vehicle.new_vehicle && year == start.year();
            match self.bought().or(unbought.then_some(start)) {
                Some(bought) if bought.year() == year => (13 - i32::from(bought.month()), "T01"),
                _ => (12, "T01"),
            }
        };
        self.trace.push(Step::number("taxMonths", months).because(rule));
        u8::try_from(months).unwrap_or(12)
    }

    fn year(
        &mut self,
        year: i16,
        item: TaxItem,
        reduction: &Option<Reduction>,
        notices: &mut Vec<Notice>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<TaxYear> {
        let annual = self.annual(year, item, notices, refusals)?;
        let months = self.months(year);
        let share = reduction.as_ref().map_or(Decimal::ZERO, |reduction| reduction.share);
        let exact = annual * Decimal::from(months) * (Decimal::ONE - share) / Decimal::from(12);
        let due = Fen::from_yuan(exact)?;
        self.trace.push(Step::amount("taxDue", due).because(year.to_string()).rounded());
        let (late_days, late_fee) = self.late(year, due, refusals)?;
        let annual = Fen::from_yuan(annual)?;
        Some(TaxYear { year, annual, months, reduction: share, due, late_days, late_fee })
    }

    /// Tax of a whole year for this vehicle, exact.
    fn annual(
        &mut self,
        year: i16,
        item: TaxItem,
        notices: &mut Vec<Notice>,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<Decimal> {
        let (region, vehicle) = (self.input.region, &self.input.vehicle);
        let start = self.days().by(self.tariff.key_date(Kind::VehicleTax));
        // Arrears are charged by the table of their own year.
        let day = if year == start.year() { start } else { Date::new(year, 12, 31).ok()? };
        let litres = vehicle.displacement_cc.map(|cc| Decimal::new(i64::from(cc), 3));
        if item == TaxItem::PassengerCar && litres.is_none() {
            let text = "a passenger car is taxed by displacement, which is missing";
            refusals.push(RatingRefusal::new("L27", "/vehicle/displacementCc", text));
            return None;
        }
        let tables = &self.tariff.tables.tax;
        let pick = |item| {
            tables.rows(region, item).iter().find(|row| {
                let row_litres = litres.unwrap_or_default();
                row.span.contains(day)
                    && row.value.above_l.is_none_or(|above| row_litres > above)
                    && row.value.to_l.is_none_or(|to| row_litres <= to)
            })
        };
        let (row, factor) = match pick(item) {
            Some(row) => (row, None),
            None if item == TaxItem::Trailer => {
                let factor = tables.trailer_factor.iter().find(|row| row.span.contains(day))?;
                (pick(TaxItem::Truck)?, Some(factor))
            }
            None => {
                let text = format!("no vehicle tax is loaded for region {region} on {day}");
                refusals.push(RatingRefusal::new("TARIFF", "/region", text));
                return None;
            }
        };
        let step = Step::amount("annualTax", row.value.annual).from(self.tariff.row(row.at));
        self.trace.push(step.because(row.value.variant.clone()));
        if let Some(code) = &row.value.notice
            && !notices.iter().any(|notice| notice.code == code.as_str())
        {
            let text =
                format!("the vehicle tax of region {region} is a placeholder, not confirmed");
            notices.push(Notice { code: code.clone().into(), text });
        }
        let mut annual = row.value.annual.yuan();
        if let Some(factor) = factor {
            let step = Step::number("trailerFactor", factor.value).from(self.tariff.row(factor.at));
            self.trace.push(step.because("T16"));
            annual *= factor.value;
        }
        if row.value.per_tonne {
            let Some(weight) = vehicle.curb_weight_kg else {
                let text = "the vehicle is taxed by kerb weight, which is missing";
                refusals.push(RatingRefusal::new("L27", "/vehicle/curbWeightKg", text));
                return None;
            };
            let tonnes = weight / Decimal::ONE_THOUSAND;
            self.trace.push(Step::number("tonnes", tonnes).because("T15"));
            annual = annual.checked_mul(tonnes)?;
        }
        Some(annual)
    }

    fn late(
        &mut self,
        year: i16,
        due: Fen,
        refusals: &mut Vec<RatingRefusal>,
    ) -> Option<(i64, Fen)> {
        let tables = &self.tariff.tables.tax;
        let paid_on = self.input.issued_on;
        let Some(row) = in_force(&tables.due, self.input.region, Date::new(year, 12, 31).ok()?)
        else {
            let text = format!("no tax due day is loaded for region {}", self.input.region);
            refusals.push(RatingRefusal::new("TARIFF", "/region", text));
            return None;
        };
        let last = Date::new(year, row.value.month, row.value.day).ok()?;
        let late_days = days_between(last, paid_on).max(0);
        let rate = tables.late_fee.iter().find(|row| row.span.contains(paid_on));
        if late_days == 0 || due == Fen::ZERO {
            return Some((0, Fen::ZERO));
        }
        let rate = rate?;
        let late_fee = due.at_rate(rate.value * Decimal::from(late_days))?;
        self.trace.push(Step::number("lateDays", late_days).from(self.tariff.row(row.at)));
        let step = Step::amount("lateFee", late_fee).from(self.tariff.row(rate.at));
        self.trace.push(step.because("T07").rounded());
        Some((late_days, late_fee))
    }
}

/// The tax item of a vehicle, by category and seats.
fn item_of(vehicle: &VehicleFacts) -> TaxItem {
    match vehicle.category.family() {
        Family::Bus if vehicle.seats < 10 => TaxItem::PassengerCar,
        Family::Bus if vehicle.seats < 20 => TaxItem::BusMedium,
        Family::Bus => TaxItem::BusLarge,
        // A container tractor is a semi-trailer tractor: a truck to the law.
        Family::Special if vehicle.category == Category::Special4 => TaxItem::Truck,
        Family::Special => TaxItem::SpecialWorkVehicle,
        Family::Motorcycle => TaxItem::Motorcycle,
        Family::Trailer => TaxItem::Trailer,
        Family::Truck | Family::Tractor => TaxItem::Truck,
    }
}

fn untaxed(year: i16) -> TaxYear {
    TaxYear {
        year,
        annual: Fen::ZERO,
        months: 0,
        reduction: Decimal::ZERO,
        due: Fen::ZERO,
        late_days: 0,
        late_fee: Fen::ZERO,
    }
}

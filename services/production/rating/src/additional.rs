//! Additional covers (附加险): rate × limit, table, days, share of the main cover, per service.

use kernel::Fen;
use production_core::cover::{Cover, CoverRequest, Part};
use rust_decimal::Decimal;

use crate::commercial::{Pure, Work, pointer};
use crate::rating::RatingRefusal;
use crate::tariff::{Additional, AdditionalBasis, Kind};
use crate::trace::{Step, Trace};

/// Pure risk premium of an additional cover other than the absolute deductible.
pub(crate) fn priced(
    work: &Work<'_>,
    at: usize,
    request: &CoverRequest,
    mains: &[Option<Pure>],
    refusals: &mut Vec<RatingRefusal>,
) -> Option<Pure> {
    let day = work.day(Kind::AdditionalCover);
    let rows = &work.tariff.tables.commercial.additional;
    let row = rows.iter().find(|row| row.value.cover == request.cover && row.span.contains(day));
    let Some(row) = row else {
        let text = format!("no rate of {} is loaded for {day}", request.cover);
        refusals.push(RatingRefusal::new("TARIFF", pointer(at, "cover"), text));
        return None;
    };
    let rule = &row.value;
    let usage = work.input.vehicle.usage;
    if !rule.uses.contains(&usage) {
        let text =
            format!("{} is not written for use {usage} ({})", request.cover, usage.name_en());
        refusals.push(RatingRefusal::new("L17", pointer(at, "cover"), text));
        return None;
    }
    let mut trace = Trace::default();
    if rule.basis != AdditionalBasis::LimitTable {
        trace.push(Step::number("rate", rule.rate).from(work.tariff.row(row.at)));
    }
    let amount = match rule.basis {
        AdditionalBasis::RateTimesLimit => {
            let seats = match request.part {
                Some(Part::Passenger) => work.passenger_seats(request),
                _ => 1,
            };
            let limit = limit(at, request, rule, refusals)?;
            limit.at_rate(rule.rate * Decimal::from(seats))?
        }
        AdditionalBasis::LimitTable => {
            let limit = limit(at, request, rule, refusals)?;
            scratch(work, limit, &mut trace, refusals)?
        }
        AdditionalBasis::RateTimesDaysTimesDaily => {
            let days = quantity(at, request.days, "days", rule, refusals)?;
            let Some(daily) = request.daily.filter(|daily| *daily > Fen::ZERO) else {
                let text = "the compensation a day is missing";
                refusals.push(RatingRefusal::new("S02", pointer(at, "daily"), text));
                return None;
            };
            daily.at_rate(rule.rate * Decimal::from(days))?
        }
        AdditionalBasis::ShareOfMain => {
            let main = mains.get(work.main_of(request)?)?.as_ref()?;
            main.amount.at_rate(rule.rate)?
        }
        AdditionalBasis::PerUnit => {
            let times = quantity(at, request.times, "times", rule, refusals)?;
            Fen::from_yuan(rule.rate * Decimal::from(times))?
        }
    };
    trace.push(Step::amount("pureRisk", amount).rounded());
    Some(Pure { amount, trace, ncd_applies: rule.ncd_applies })
}

fn limit(
    at: usize,
    request: &CoverRequest,
    rule: &Additional,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<Fen> {
    let Some(limit) = request.limit.filter(|limit| *limit > Fen::ZERO) else {
        let text = format!("{} needs a limit", request.cover);
        refusals.push(RatingRefusal::new("S02", pointer(at, "limit"), text));
        return None;
    };
    if !rule.limits.is_empty() && !rule.limits.contains(&limit) {
        let list: Vec<String> = rule.limits.iter().map(Fen::to_string).collect();
        let text = format!("a limit of {limit} is not one of {}", list.join(", "));
        refusals.push(RatingRefusal::new("F27", pointer(at, "limit"), text));
        return None;
    }
    Some(limit)
}

fn quantity(
    at: usize,
    asked: Option<u16>,
    field: &'static str,
    rule: &Additional,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<u16> {
    let (least, most) = (rule.quantity.0.unwrap_or(1), rule.quantity.1.unwrap_or(u16::MAX));
    match asked {
        Some(asked) if least <= asked && asked <= most => Some(asked),
        _ => {
            let text = format!("{field} must be {least} to {most}");
            refusals.push(RatingRefusal::new("F27", pointer(at, field), text));
            None
        }
    }
}

fn scratch(
    work: &Work<'_>,
    limit: Fen,
    trace: &mut Trace,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<Fen> {
    let years = u32::try_from(work.age_months()? / 12).unwrap_or(u32::MAX);
    let price = work.input.vehicle.new_price?;
    let day = work.day(Kind::Scratch);
    let row = work.tariff.tables.commercial.scratch.iter().find(|row| {
        let cell = &row.value;
        row.span.contains(day)
            && cell.limit == limit
            && cell.age_from <= years
            && cell.age_to.is_none_or(|to| years < to)
            && cell.price_from.is_none_or(|from| price >= from)
            && cell.price_to.is_none_or(|to| price < to)
    });
    let Some(row) = row else {
        refusals.push(work.no_pure_risk(Cover::Scratch.name_en()));
        return None;
    };
    trace.push(Step::amount("tabled", row.value.pure).from(work.tariff.row(row.at)));
    Some(row.value.pure)
}

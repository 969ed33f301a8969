//! Own damage: depreciated value, table look-up, and the slope for an agreed value.

use kernel::Fen;
use production_core::cover::CoverRequest;
use rust_decimal::Decimal;

use crate::commercial::{Pure, Work, pointer};
use crate::rating::{Notice, RatingRefusal};
use crate::tariff::{Kind, Parameter};
use crate::trace::{Step, Trace};

/// Value of the vehicle at the start of cover: new price less depreciation by begun-and-ended
/// months, not below the floor.
pub(crate) fn actual_value(
    work: &Work<'_>,
    trace: &mut Trace,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<Fen> {
    let vehicle = &work.input.vehicle;
    let Some(price) = vehicle.new_price.filter(|price| *price > Fen::ZERO) else {
        let text = "own damage needs the price of the vehicle new";
        refusals.push(RatingRefusal::new("S02", "/vehicle/newPrice", text));
        return None;
    };
    let Some(months) = work.age_months() else {
        let text = "own damage needs the day of first registration";
        refusals.push(RatingRefusal::new("S02", "/vehicle/firstRegisteredOn", text));
        return None;
    };
    let day = work.day(Kind::Depreciation);
    let row = work.class.depreciation[work.powertrain()].iter().find(|row| {
        row.span.contains(day)
            && row.value.price_from.is_none_or(|from| price >= from)
            && row.value.price_to.is_none_or(|to| price < to)
    });
    let Some(row) = row else {
        refusals.push(work.no_pure_risk("own damage (depreciation)"));
        return None;
    };
    let value = depreciated(price, months, row.value.monthly, row.value.floor)?;
    trace.push(Step::number("ageMonths", months));
    let step = Step::number("depreciation", row.value.monthly).from(work.tariff.row(row.at));
    trace.push(step);
    trace.push(Step::amount("actualValue", value).rounded());
    Some(value)
}

/// `price × (1 - months × monthly)`, not below `price × floor`, rounded.
pub(crate) fn depreciated(
    price: Fen,
    months: i64,
    monthly: Decimal,
    floor: Decimal,
) -> Option<Fen> {
    let left = Decimal::ONE - Decimal::from(months) * monthly;
    price.at_rate(left.max(floor))
}

/// `(lookup + (agreed - standard) × slope) × deductible factor`, rounded once; below the standard
/// value the second term is negative.
pub(crate) fn pure_of(
    lookup: Decimal,
    standard: Fen,
    agreed: Fen,
    slope: Decimal,
    deductible: Decimal,
) -> Option<Fen> {
    let by_value = (agreed.yuan() - standard.yuan()) * slope;
    Fen::from_yuan(((lookup + by_value) * deductible).max(Decimal::ZERO))
}

/// Pure risk premium of own damage.
pub(crate) fn pure(
    work: &Work<'_>,
    at: usize,
    request: &CoverRequest,
    standard: Fen,
    notices: &mut Vec<Notice>,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<Pure> {
    let mut trace = Trace::default();
    let lookup = lookup(work, &mut trace, refusals)?;
    let agreed = request.agreed_value.or(request.limit).unwrap_or(standard);
    if agreed <= Fen::ZERO {
        let text = "the agreed value is not above zero";
        refusals.push(RatingRefusal::new("F10", pointer(at, "agreedValue"), text));
        return None;
    }
    let band = work.parameter(Parameter::HullAgreedBand, &mut trace, refusals)?;
    let allowed = |share: Decimal| standard.at_rate(share);
    let (least, most) = (allowed(Decimal::ONE - band)?, allowed(Decimal::ONE + band)?);
    if agreed < least || most < agreed {
        let text = format!(
            "the agreed value {agreed} is outside {least} to {most} around the actual value {standard}"
        );
        notices.push(Notice { code: "L18".into(), text });
    }
    let slope = work.parameter(Parameter::HullAgreedSlope, &mut trace, refusals)?;
    let deductible = deductible(work, &mut trace, refusals)?;
    trace.push(Step::amount("agreedValue", agreed));
    let amount = pure_of(lookup, standard, agreed, slope, deductible)?;
    trace.push(Step::amount("pureRisk", amount).rounded());
    Some(Pure { amount, trace, ncd_applies: true })
}

/// Premium at the standard value: the model library's answer, or base + rate × new price.
fn lookup(
    work: &Work<'_>,
    trace: &mut Trace,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<Decimal> {
    if let Some(model) = work.asked.model_pure_risk {
        trace.push(Step::amount("lookup", model).because("modelLibrary"));
        return Some(model.yuan());
    }
    let years = u32::try_from(work.age_months()? / 12).unwrap_or(u32::MAX);
    let (region, day) = (work.input.region, work.day(Kind::PureRisk));
    let row = work.class.hull.iter().find(|row| {
        row.regions.contains(region)
            && row.span.contains(day)
            && row.value.age_from <= years
            && row.value.age_to.is_none_or(|to| years < to)
    });
    let Some(row) = row else {
        refusals.push(work.no_pure_risk("own damage"));
        return None;
    };
    let price = work.input.vehicle.new_price?;
    trace.push(Step::amount("lookupBase", row.value.base).from(work.tariff.row(row.at)));
    trace.push(Step::number("lookupRate", row.value.rate).from(work.tariff.row(row.at)));
    Some(row.value.base.yuan() + price.yuan() * row.value.rate)
}

fn deductible(
    work: &Work<'_>,
    trace: &mut Trace,
    refusals: &mut Vec<RatingRefusal>,
) -> Option<Decimal> {
    let chosen = work.asked.hull_deductible.unwrap_or(Fen::ZERO);
    let day = work.day(Kind::HullDeductible);
    let rows = &work.tariff.tables.commercial.deductible;
    match rows.iter().find(|row| row.value.0 == chosen && row.span.contains(day)) {
        Some(row) => {
            let step = Step::number("deductibleFactor", row.value.1);
            trace.push(step.from(work.tariff.row(row.at)));
            Some(row.value.1)
        }
        None => {
            let text = format!("no factor is loaded for a deductible of {chosen}");
            refusals.push(RatingRefusal::new("F27", "/commercial/hullDeductible", text));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn value_falls_by_the_month_down_to_the_floor() {
        let rate = decimal("0.006");
        let fifth = decimal("0.2");
        assert_eq!(depreciated(Fen(15_000_000), 40, rate, fifth), Some(Fen(11_400_000)));
        assert_eq!(depreciated(Fen(15_000_000), 200, rate, fifth), Some(Fen(3_000_000)));
    }

    #[test]
    fn an_agreed_value_moves_the_premium_by_the_slope() {
        let pure = |agreed: i64| {
            let slope = decimal("0.0009");
            pure_of(decimal("1357.50"), Fen(10_560_000), Fen(agreed), slope, Decimal::ONE).unwrap()
        };
        assert_eq!(pure(11_800_000), Fen(136_866));
        assert_eq!(pure(9_500_000), Fen(134_796));
        assert_eq!(pure(10_560_000), Fen(135_750));
    }
}

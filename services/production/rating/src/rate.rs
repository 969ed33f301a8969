//! One rating: compulsory cover, vehicle tax, commercial covers, and what the insurer declared.

use kernel::Fen;
use kernel::time::day_of;
use rust_decimal::Decimal;

use crate::days::Days;
use crate::input::{NoFloatReason, RatingInput};
use crate::rating::{Rating, RatingRefusal};
use crate::tariff::{Parameter, ParameterValue, Tariff};
use crate::trace::TableRow;
use crate::{commercial, compulsory, tax};

/// Rates everything asked for in `input`, or answers with every refusal.
///
/// Pure: the same input and bundle give the same answer. Takes some microseconds and does not
/// block.
pub fn rate(tariff: &Tariff, input: &RatingInput) -> Result<Rating, Vec<RatingRefusal>> {
    let mut notices = Vec::new();
    let mut refusals = Vec::new();
    let compulsory = input.compulsory.as_ref().and_then(|asked| {
        compulsory::compulsory(tariff, input, asked, &mut notices, &mut refusals)
    });
    let tax = tax::asked(input)
        .and_then(|asked| tax::tax(tariff, input, &asked, &mut notices, &mut refusals));
    let commercial = input.commercial.as_ref().and_then(|asked| {
        commercial::commercial(tariff, input, asked, &mut notices, &mut refusals)
    });
    if input.compulsory.is_none() && input.commercial.is_none() && input.tax.is_none() {
        let text = "neither compulsory cover nor commercial covers are asked for";
        refusals.push(RatingRefusal::new("S03", "", text));
    }
    let unanswered = [
        (input.compulsory.is_some() && compulsory.is_none(), "/compulsory"),
        (input.commercial.is_some() && commercial.is_none(), "/commercial"),
        (tax::asked(input).is_some() && tax.is_none(), "/tax"),
    ];
    if refusals.is_empty() {
        // A part that neither answers nor refuses ran into a number beyond NUMBER(14,2).
        for (_, pointer) in unanswered.into_iter().filter(|&(unanswered, _)| unanswered) {
            let text = "an amount computed here does not fit";
            refusals.push(RatingRefusal::new("F10", pointer, text));
        }
    }
    let rating = Rating { tariff: tariff.stamp().clone(), compulsory, tax, commercial, notices };
    declared(input, &rating, &mut refusals);
    if refusals.is_empty() { Ok(rating) } else { Err(refusals) }
}

/// Compares what the insurer computed itself.
fn declared(input: &RatingInput, rating: &Rating, refusals: &mut Vec<RatingRefusal>) {
    let declared = &input.declared;
    let mut amount = |rule, field, declared: Option<Fen>, ours: Option<Fen>, allowed: i64| {
        if let (Some(theirs), Some(ours)) = (declared, ours)
            && (theirs.0 - ours.0).abs() > allowed
        {
            let text = format!("declared {theirs}, computed {ours}");
            refusals.push(RatingRefusal::new(rule, format!("/declared/{field}"), text));
        }
    };
    let compulsory = rating.compulsory.as_ref();
    let ours = compulsory.map(|rating| rating.base);
    amount("L05", "compulsoryBase", declared.compulsory_base, ours, 0);
    let ours = compulsory.map(|rating| rating.premium);
    amount("L06", "compulsoryPremium", declared.compulsory_premium, ours, 0);
    amount("L27", "tax", declared.tax, rating.tax.as_ref().map(|tax| tax.total), 0);
    let commercial = rating.commercial.as_ref();
    let ours = commercial.map(|rating| rating.premium);
    amount("L15", "commercialPremium", declared.commercial_premium, ours, 1);
    let mut factor = |rule, field, theirs: Option<Decimal>, ours: Option<Decimal>| {
        if let (Some(theirs), Some(ours)) = (theirs, ours)
            && theirs != ours
        {
            let text = format!("declared {theirs}, computed {}", ours.normalize());
            refusals.push(RatingRefusal::new(rule, format!("/declared/{field}"), text));
        }
    };
    factor("L12", "ncd", declared.ncd, commercial.map(|rating| rating.ncd.coefficient));
    factor("L14", "violation", declared.violation, commercial.map(|rating| rating.violation));
    if let (Some(theirs), Some(ours)) = (&declared.accident_code, compulsory) {
        let computed = ours.accident.code.as_deref();
        if computed != Some(theirs) {
            // A discount claimed where none is due is L10 or L08, any other difference L07.
            let rule = match computed {
                None if ours.no_float.contains(&NoFloatReason::ShortTerm) => "L10",
                None if !ours.no_float.is_empty() => "L08",
                _ => "L07",
            };
            let text = format!("declared {theirs}, computed {}", computed.unwrap_or("no float"));
            refusals.push(RatingRefusal::new(rule, "/declared/accidentCode", text));
        }
    }
}

/// A parameter in force for the vehicle, by the day its row is keyed by.
pub(crate) fn parameter(
    tariff: &Tariff,
    input: &RatingInput,
    days: Days,
    parameter: Parameter,
) -> Option<(ParameterValue, TableRow)> {
    let new_energy = input.vehicle.is_new_energy();
    let rows = &tariff.tables.parameters;
    [days.start, days.quote, days.issue].into_iter().find_map(|day| {
        let row = rows.in_force(parameter, input.region, new_energy, day)?;
        (days.by(row.value.1.key_date) == day).then(|| (row.value.1, tariff.row(row.at)))
    })
}

pub(crate) fn no_parameter(parameter: Parameter, input: &RatingInput, days: Days) -> RatingRefusal {
    let text = format!(
        "no {} is loaded for region {} on {} (quoted on {})",
        parameter.code(),
        input.region,
        days.start,
        day_of(input.quoted_at)
    );
    RatingRefusal::new("TARIFF", "/region", text)
}

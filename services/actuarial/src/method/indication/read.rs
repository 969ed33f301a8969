//! Reading the parameters of an indication.

use std::collections::BTreeMap;

use actuarial_models::indication::Credibility;

use super::result::TariffPlaceResult;
use super::{Aim, BelievedBody, CapBody, Experience, ExperienceBody, Factor, Indication};
use super::{IndicatedFactorBody, IndicationBody, TariffPlaceBody};
use crate::dataset::Role;
use crate::method::check::Check;
use crate::method::glm;
use crate::method::period::Period;
use crate::method::prepare::{Prepare, plain};

/// Factors of one run at most.
const MOST_FACTORS: usize = 20;

/// Relativities and changes stay within these.
const FACTORS: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &IndicationBody, check: &mut Check<'_>) -> Indication {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let premium = check.number("/premium", body.premium.as_ref(), Some(Role::Premium));
    let losses = check.number("/losses", body.losses.as_ref(), Some(Role::Amount));
    let claims = check.number("/claims", body.claims.as_ref(), Some(Role::Claims));
    let experience = body.experience.as_ref().map(|body| experience(body, check));
    let bodies = body.factors.iter().flatten();
    let factors: Vec<Factor> =
        bodies.enumerate().map(|(index, body)| factor(index, body, check)).collect();
    if !(1..=MOST_FACTORS).contains(&factors.len()) {
        check.fault("/factors", format!("name 1 to {MOST_FACTORS} factors"));
    }
    for (index, factor) in factors.iter().enumerate() {
        if factors[..index].iter().any(|earlier| earlier.column == factor.column) {
            check.fault(&format!("/factors/{index}/column"), "is named before");
        }
    }
    let aim = match (body.target, body.permissible_loss_ratio) {
        (Some(_), Some(_)) => {
            check.fault("/permissibleLossRatio", "give target or permissibleLossRatio, not both");
            Aim::Change(1.0)
        }
        (None, Some(ratio)) => {
            Aim::LossRatio(check.within("/permissibleLossRatio", Some(ratio), 1.0, 0.01..=2.0))
        }
        (target, None) => Aim::Change(check.within("/target", target, 1.0, FACTORS)),
    };
    Indication {
        credibility: credibility(body.credibility.as_ref(), check),
        overall_cap: cap("/overallCap", body.overall_cap.as_ref(), (0.5, 2.0), check),
        level_cap: cap("/levelCap", body.level_cap.as_ref(), (0.75, 1.25), check),
        impact: glm::conditions(body.impact.as_ref(), check, "/impact"),
        columns: check.used(),
        prepare,
        premium,
        losses,
        claims,
        experience,
        factors,
        aim,
    }
}

fn experience(body: &ExperienceBody, check: &mut Check<'_>) -> Experience {
    let at = |member: &str| format!("/experience/{member}");
    let by_period = body.on_level.is_some() || body.development.is_some() || body.trend.is_some();
    let period = match by_period {
        true => Some(check.needed(&at("period"), body.period.as_ref(), None)),
        false => check.optional(&at("period"), body.period.as_ref(), None),
    };
    let mut factors = |member: &str, given: Option<&BTreeMap<String, f64>>| {
        let mut read = BTreeMap::new();
        for (name, factor) in given.into_iter().flatten() {
            let at = at(&format!("{member}/{name}"));
            check.within(&at, Some(*factor), 1.0, FACTORS);
            match Period::parse(name) {
                Some(period) => drop(read.insert(period, *factor)),
                None => check.fault(&at, "is no period: 2024, 2024Q1 or 2024-01"),
            }
        }
        read
    };
    let on_level = factors("onLevel", body.on_level.as_ref());
    let development = factors("development", body.development.as_ref());
    let trend = body.trend.map(|trend| {
        let trend = check.within(&at("trend"), Some(trend), 0.0, -0.5..=1.0);
        let to = body.trend_to.as_deref().and_then(Period::parse);
        if to.is_none() {
            check.fault(&at("trendTo"), "is the period losses are trended to, such as 2026");
        }
        (trend, to.unwrap_or(Period::beginning(0, 12)))
    });
    if trend.is_none() && body.trend_to.is_some() {
        check.fault(&at("trend"), "give the growth of losses a year");
    }
    let loading = check.within(&at("loading"), body.loading, 1.0, FACTORS);
    Experience { period, on_level, development, trend, loading }
}

fn factor(index: usize, body: &IndicatedFactorBody, check: &mut Check<'_>) -> Factor {
    let at = |member: &str| format!("/factors/{index}/{member}");
    let present = body.present.clone().unwrap_or_default();
    for (level, relativity) in &present {
        check.within(&at(&format!("present/{level}")), Some(*relativity), 1.0, FACTORS);
    }
    Factor {
        column: check.needed(&at("column"), body.column.as_ref(), None),
        base: body.base.clone(),
        present,
        tariff: body.tariff.as_ref().map(|body| place(&at("tariff"), body, check)),
    }
}

fn place(at: &str, body: &TariffPlaceBody, check: &mut Check<'_>) -> TariffPlaceResult {
    let mut word = |member: &str, value: &Option<String>| {
        let fits = |text: &String| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let value = value.clone().filter(fits);
        if value.is_none() {
            check.fault(&format!("{at}/{member}"), "is a name in the tariff, such as pure_risk");
        }
        value.unwrap_or_default()
    };
    let (table, column) = (word("table", &body.table), word("column", &body.column));
    let mut rows = BTreeMap::new();
    for (name, values) in body.rows.iter().flatten() {
        let texts: Option<Vec<String>> = values.iter().map(plain).collect();
        // What separates values in the exported file cannot stand in one.
        let plain_text = |text: &String| !text.contains(['|', '=', ';']);
        match texts.filter(|texts| !texts.is_empty() && texts.iter().all(plain_text)) {
            Some(texts) => drop(rows.insert(name.clone(), texts)),
            None => check.fault(
                &format!("{at}/where/{name}"),
                "is a list of values of the column, without | = ;",
            ),
        }
    }
    TariffPlaceResult { table, column, rows }
}

fn credibility(body: Option<&BelievedBody>, check: &mut Check<'_>) -> Credibility {
    let at = |member: &str| format!("/credibility/{member}");
    let none = BelievedBody::default();
    let body = body.unwrap_or(&none);
    let standard = body.probability.is_some() || body.within.is_some() || body.variation.is_some();
    let given = [body.full.is_some(), standard, body.k.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        check.fault("/credibility", "give full, or probability and within, or k");
    }
    let claims = 1e-3..=1e9;
    if let Some(k) = body.k {
        return Credibility::Buhlmann { k: check.within(&at("k"), Some(k), 1.0, claims) };
    }
    if let Some(full) = body.full {
        return Credibility::Limited { full: check.within(&at("full"), Some(full), 1.0, claims) };
    }
    let probability = check.within(&at("probability"), body.probability, 0.9, 0.01..=0.999_999);
    let within = check.within(&at("within"), body.within, 0.05, 1e-4..=1.0);
    let variation = check.within(&at("variation"), body.variation, 0.0, 0.0..=1e3);
    Credibility::limited(probability, within, variation).unwrap_or_else(|error| {
        if check.is_clean() {
            check.fault("/credibility", error.to_string());
        }
        Credibility::Limited { full: 1.0 }
    })
}

fn cap(
    at: &str,
    body: Option<&CapBody>,
    otherwise: (f64, f64),
    check: &mut Check<'_>,
) -> (f64, f64) {
    let (least, most) = body.map_or((None, None), |cap| (cap.least, cap.most));
    let least = check.within(&format!("{at}/least"), least, otherwise.0, FACTORS);
    let most = check.within(&format!("{at}/most"), most, otherwise.1, FACTORS);
    if least > most {
        check.fault(at, "its least change is larger than its largest");
    }
    (least, most)
}

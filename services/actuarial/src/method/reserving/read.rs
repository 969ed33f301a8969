//! Parameters of a reserving run, checked against the columns.

use std::collections::BTreeMap;

use actuarial_models::reserving::{
    Average, CapeCodTrend, Hindsight, LastSigma, Residuals, TailCurve,
};

use super::{
    BackTest, BackTestBody, Best, BestBody, Calibrate, CalibrateBody, DevelopmentIs, Expected,
    ExpectedBody, Layout, Method, Reserving, ReservingBody, TailAsked, TailBody,
};
use crate::dataset::Role;
use crate::method::check::Check;
use crate::method::period::Period;
use crate::method::prepare::Prepare;

/// Most months of an age or origin period.
const MOST_MONTHS: u64 = 1_200;

/// Most earlier valuations of a back-test.
const MOST_VALUATIONS: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Mack,
    BornhuetterFerguson,
    Benktander,
    CapeCod,
    Munich,
    Odp,
    Bootstrap,
    OneYear,
}

const BESIDE: [(&str, Beside); 8] = [
    ("mack", Beside::Mack),
    ("bornhuetterFerguson", Beside::BornhuetterFerguson),
    ("benktander", Beside::Benktander),
    ("capeCod", Beside::CapeCod),
    ("munich", Beside::Munich),
    ("odp", Beside::Odp),
    ("bootstrap", Beside::Bootstrap),
    ("oneYear", Beside::OneYear),
];

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &ReservingBody, check: &mut Check<'_>) -> Reserving {
    let prepare = Prepare::read(check, None, body.rows.as_ref());
    let origin = check.needed("/origin", body.origin.as_ref(), Some(Role::Origin));
    let layout = layout(body, check);
    let beside = beside(body, check);
    let has = |method| beside.contains(&method);
    let incurred = body.incurred.as_ref();
    let incurred = match has(Beside::Munich) {
        true => Some(check.number("/incurred", incurred, Some(Role::Incurred))),
        false => check.optional_number("/incurred", incurred, None),
    };
    if has(Beside::Munich) && matches!(layout, Layout::Wide(_)) {
        check.fault("/methods", "munich takes a dataset with one row for each cell");
    }
    let drops = body.recent.is_some()
        || body.without_highest.unwrap_or(0) + body.without_lowest.unwrap_or(0) > 0;
    if has(Beside::OneYear) && drops {
        let detail = "oneYear does not go with recent, withoutHighest or withoutLowest: they leave open \
                      which link ratios next year's factors are taken over";
        check.fault("/methods", detail);
    }
    let ratio = body.expected.as_ref().is_some_and(|expected| expected.loss_ratio.is_some());
    let exposure = match has(Beside::CapeCod) || ratio || body.calibrate.is_some() {
        true => Some(check.number("/exposure", body.exposure.as_ref(), Some(Role::Exposure))),
        false => check.optional_number("/exposure", body.exposure.as_ref(), None),
    };
    let expected = body.expected.as_ref().and_then(|expected| expectation(expected, check));
    let expects = has(Beside::BornhuetterFerguson) || has(Beside::Benktander);
    if expects && expected.is_none() && check.is_clean() {
        check.fault("/expected", "give lossRatio, or the column of expected ultimate losses");
    }
    let calibrate = body.calibrate.as_ref().map(|body| calibration(body, check));
    let best = body.best.as_ref().map(|body| best(body, &beside, check));
    let backtest = body.backtest.as_ref().map(|body| backtest(body, check));
    let months = |check: &mut Check<'_>, at: &str, value: Option<u64>| {
        value.map(|value| check.whole(at, Some(value), 1, 1..=MOST_MONTHS) as u32)
    };
    let origin_months = months(check, "/originMonths", body.origin_months);
    let age_months = months(check, "/ageMonths", body.age_months);
    let averages = [
        ("volume", Average::Volume),
        ("simple", Average::Simple),
        ("regression", Average::Regression),
    ];
    let sigmas = [("logLinear", LastSigma::LogLinear), ("minimum", LastSigma::Minimum)];
    let residuals = [("degrees", Residuals::Degrees), ("hat", Residuals::Hat)];
    let amounts = [("cumulative", false), ("incremental", true)];
    let trend = CapeCodTrend {
        trend: check.within("/trend", body.trend, 0.0, -0.9..=10.0),
        decay: check.within("/decay", body.decay, 1.0, 0.0..=1.0),
    };
    let rounds = check.whole("/rounds", body.rounds, 2, 1..=1_000) as u32;
    let draws = check.whole("/draws", body.draws, 10_000, 100..=1_000_000);
    let residuals = check.word("/residuals", body.residuals.as_ref(), &residuals);
    Reserving {
        without: without(body, check),
        tail: body.tail.as_ref().map_or(TailAsked::Factor(1.0), |tail| tail_asked(tail, check)),
        recent: body.recent.map(|recent| check.whole("/recent", Some(recent), 1, 1..=1_000)),
        without_highest: check.whole("/withoutHighest", body.without_highest, 0, 0..=1_000),
        without_lowest: check.whole("/withoutLowest", body.without_lowest, 0, 0..=1_000),
        average: check.word("/average", body.average.as_ref(), &averages),
        last_sigma: check.word("/lastSigma", body.last_sigma.as_ref(), &sigmas),
        is_incremental: check.word("/amounts", body.amounts.as_ref(), &amounts),
        // The one-year view takes Mack's error apart.
        mack: has(Beside::Mack) || has(Beside::OneYear),
        one_year: has(Beside::OneYear),
        bornhuetter_ferguson: has(Beside::BornhuetterFerguson),
        benktander: has(Beside::Benktander).then_some(rounds),
        cape_cod: has(Beside::CapeCod).then_some(trend),
        munich: has(Beside::Munich),
        odp: has(Beside::Odp),
        bootstrap: has(Beside::Bootstrap).then_some((draws, residuals)),
        columns: check.used(),
        prepare,
        origin,
        layout,
        incurred,
        exposure,
        calibrate,
        best,
        backtest,
        origin_months,
        age_months,
        expected,
    }
}

fn layout(body: &ReservingBody, check: &mut Check<'_>) -> Layout {
    let Some(ages) = &body.ages else {
        let is = body.development_is.as_ref().map(|_| {
            let words = [
                ("valuation", DevelopmentIs::Valuation),
                ("age", DevelopmentIs::Age),
                ("lag", DevelopmentIs::Lag),
            ];
            check.word("/developmentIs", body.development_is.as_ref(), &words)
        });
        let development =
            check.needed("/development", body.development.as_ref(), Some(Role::Development));
        let amount = check.number("/amount", body.amount.as_ref(), Some(Role::Paid));
        return Layout::Long { development, is, amount };
    };
    if body.development.is_some() || body.amount.is_some() {
        check.fault("/ages", "is for one row for each origin; leave development and amount out");
    }
    let mut columns: Vec<(String, u32)> = Vec::new();
    for (index, age) in ages.iter().enumerate() {
        let at = format!("/ages/{index}");
        let column = check.number(&format!("{at}/column"), age.column.as_ref(), None);
        if age.months.is_none() {
            check.fault(&format!("{at}/months"), "give the age in months");
        }
        let months = check.whole(&format!("{at}/months"), age.months, 1, 1..=MOST_MONTHS) as u32;
        if columns.last().is_some_and(|(_, last)| *last >= months) {
            check.fault(&format!("{at}/months"), "is greater than the age before");
        }
        columns.push((column, months));
    }
    if columns.is_empty() {
        check.fault("/ages", "name at least one column");
    }
    Layout::Wide(columns)
}

fn beside(body: &ReservingBody, check: &mut Check<'_>) -> Vec<Beside> {
    let Some(methods) = &body.methods else { return vec![Beside::Mack] };
    let each = methods.iter().enumerate();
    each.filter(|(_, method)| *method != "chainLadder")
        .map(|(at, method)| check.word(&format!("/methods/{at}"), Some(method), &BESIDE))
        .collect()
}

fn calibration(body: &CalibrateBody, check: &mut Check<'_>) -> Calibrate {
    if let Some(given) = &body.parameters {
        if body.company.is_some() || body.of.is_some() || body.views.is_some() {
            check.fault("/calibrate", "give company and of, or parameters, one of both");
        }
        let mut part = |member: &str, value: Option<f64>, bounds: std::ops::RangeInclusive<f64>| {
            let at = format!("/calibrate/parameters/{member}");
            if value.is_none() {
                check.fault(&at, "give the figure another run learnt");
                return 1.0;
            }
            check.within(&at, value, 1.0, bounds)
        };
        return Calibrate::Given(Hindsight {
            mack: part("mack", given.mack, 0.0..=100.0),
            reserve: part("reserve", given.reserve, 0.0..=100.0),
            apart: part("apart", given.apart, 0.0..=100.0),
            degrees: part("degrees", given.degrees, 2.000_001..=1e9),
            seen: usize::try_from(given.seen.unwrap_or(0)).unwrap_or(usize::MAX),
        });
    }
    let company = check.needed("/calibrate/company", body.company.as_ref(), None);
    let of = body.of.clone().unwrap_or_default();
    if of.is_empty() {
        check.fault("/calibrate/of", "name the company whose reserve is wanted");
    }
    let views = body.views.clone().unwrap_or_else(|| vec![4, 5]);
    if views.is_empty() {
        check.fault("/calibrate/views", "name at least one number of origins");
    }
    let views = views.into_iter().enumerate();
    let views = views
        .map(|(at, view)| check.whole(&format!("/calibrate/views/{at}"), Some(view), 4, 3..=50))
        .collect();
    Calibrate::Market { company, of, views }
}

fn backtest(body: &BackTestBody, check: &mut Check<'_>) -> BackTest {
    let company = body.company.as_ref();
    let company = company.and_then(|name| check.optional("/backtest/company", Some(name), None));
    let given = body.as_of.as_deref().unwrap_or_default();
    if !(1..=MOST_VALUATIONS).contains(&given.len()) {
        let detail = format!("names 1 to {MOST_VALUATIONS} earlier valuations, such as 2023");
        check.fault("/backtest/asOf", detail);
    }
    let mut as_of = Vec::with_capacity(given.len());
    for (place, text) in given.iter().enumerate() {
        match Period::parse(text) {
            Some(period) => as_of.push(period),
            None => check.fault(
                &format!("/backtest/asOf/{place}"),
                "is a period such as 2023, 2023Q4 or 2023-12, at whose end things are valued",
            ),
        }
    }
    BackTest { company, as_of }
}

fn best(body: &BestBody, beside: &[Beside], check: &mut Check<'_>) -> Best {
    let mut weights = |at: &str, given: &BTreeMap<String, f64>| {
        let mut read = BTreeMap::new();
        for (name, weight) in given {
            let at = format!("{at}/{name}");
            let (method, wanted) = match &**name {
                "chainLadder" => (Method::ChainLadder, None),
                "bornhuetterFerguson" => {
                    (Method::BornhuetterFerguson, Some(Beside::BornhuetterFerguson))
                }
                "benktander" => (Method::Benktander, Some(Beside::Benktander)),
                "capeCod" => (Method::CapeCod, Some(Beside::CapeCod)),
                _ => {
                    check.fault(&at, "is chainLadder, bornhuetterFerguson, benktander or capeCod");
                    continue;
                }
            };
            if wanted.is_some_and(|wanted| !beside.contains(&wanted)) {
                check.fault(&at, "is not among methods");
            }
            check.within(&at, Some(*weight), 1.0, 0.0..=1.0);
            read.insert(method, *weight);
        }
        if (read.values().sum::<f64>() - 1.0).abs() > 1e-9 {
            check.fault(at, "has weights that add up to one");
        }
        read
    };
    let otherwise = match &body.otherwise {
        Some(given) => weights("/best/otherwise", given),
        None => BTreeMap::from([(Method::ChainLadder, 1.0)]),
    };
    let origins = body.origins.iter().flatten();
    let origins = origins
        .map(|(origin, given)| {
            let own = weights(&format!("/best/origins/{origin}"), given);
            // As the run names its periods.
            let name = Period::parse(origin).map_or(origin.clone(), |period| period.to_string());
            (name, own)
        })
        .collect();
    Best { otherwise, origins }
}

fn without(body: &ReservingBody, check: &mut Check<'_>) -> Vec<(String, u32)> {
    let mut links = Vec::new();
    for (index, link) in body.without.iter().flatten().enumerate() {
        let origin = link.origin.clone().unwrap_or_default();
        if Period::parse(&origin).is_none() {
            check.fault(&format!("/without/{index}/origin"), "is a period such as 1982");
        }
        if link.age.is_none() {
            check.fault(&format!("/without/{index}/age"), "give the age in months");
        }
        links.push((origin, u32::try_from(link.age.unwrap_or(0)).unwrap_or(0)));
    }
    links
}

fn tail_asked(tail: &TailBody, check: &mut Check<'_>) -> TailAsked {
    match (tail.factor, &tail.curve) {
        (Some(factor), None) => {
            TailAsked::Factor(check.within("/tail/factor", Some(factor), 1.0, 0.1..=10.0))
        }
        (None, Some(_)) => {
            let curves = [
                ("exponential", TailCurve::Exponential),
                ("inversePower", TailCurve::InversePower),
            ];
            TailAsked::Curve {
                curve: check.word("/tail/curve", tail.curve.as_ref(), &curves),
                from_age: check.whole("/tail/fromAge", tail.from_age, 0, 0..=MOST_MONTHS) as u32,
                ages: check.whole("/tail/ages", tail.ages, 100, 1..=10_000),
            }
        }
        _ => {
            check.fault("/tail", "give a factor or a curve, one of both");
            TailAsked::Factor(1.0)
        }
    }
}

fn expectation(expected: &ExpectedBody, check: &mut Check<'_>) -> Option<Expected> {
    match (expected.loss_ratio, &expected.column) {
        (Some(ratio), None) => Some(Expected::LossRatio(check.within(
            "/expected/lossRatio",
            Some(ratio),
            1.0,
            0.0..=100.0,
        ))),
        (None, Some(_)) => {
            Some(Expected::Column(check.number("/expected/column", expected.column.as_ref(), None)))
        }
        _ => {
            check.fault("/expected", "give lossRatio or a column, one of both");
            None
        }
    }
}

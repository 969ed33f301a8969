//! Back-tests: what each method said at an earlier valuation, against what has come since.
//!
//! The earlier view holds only what was known then. Its outcome is what came in until the view's oldest
//! age; where an origin has not come so far, what the same method expects by now takes the place of what
//! is missing (回溯分析). A percentile is told where the outcome is known, and of the chain ladder's also
//! before, since its run-off says how far ultimates move in a number of years.

use actuarial_models::reserving::{
    Bootstrap, Calibration, Predictive, Projected, ReservingError, RunOff, Selection, Simulated,
    Spread, Valuation, benktander, bornhuetter_ferguson, cape_cod, chain_ladder, mack, munich, odp,
};
use actuarial_models::{Stop, Triangle};

use super::compute::refused;
use super::result::{
    BackTestResult, CalibrationResult, LeftOutResult, TestedMethodResult, ViewMethodResult,
    ViewResult,
};
use super::triangle::Named;
use super::{BackTest, Calibrate, Reserving};
use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::Failure;
use crate::method::data::Data;
use crate::method::period::Period;

/// Outcomes below which the limit of their distance says nothing.
const FEWEST: usize = 5;

/// A triangle as it stands now, and what methods lean on.
struct Case {
    named: Named,
    incurred: Option<Triangle>,
    exposure: Option<Vec<f64>>,
    expected: Option<Vec<f64>>,
    selection: Selection,
}

/// What a method says of a triangle.
struct Estimate {
    method: &'static str,
    /// By origin.
    ultimates: Vec<f64>,
    belief: Belief,
}

/// How far off a method says it may be.
enum Belief {
    Nothing,
    /// A standard error of all years, and those of each year where they can be told.
    Error(f64, Option<RunOff>),
    Drawn(Simulated),
    Calibrated(Spread),
}

impl Reserving {
    /// The back-test that was asked for; `data` holds all companies.
    pub(super) fn back_test(
        &self,
        data: &Data,
        seed: u64,
        watch: &Watch,
    ) -> Result<Option<BackTestResult>, Failure> {
        let Some(asked) = &self.backtest else { return Ok(None) };
        let (mut views, mut left_out, mut first) = (vec![], vec![], None);
        for (company, data) in self.tested(asked, data)? {
            if watch.is_stopped() {
                return Err(Failure::stopped());
            }
            let mut leave_out = |as_of: Option<&Period>, failure: Failure| {
                left_out.push(LeftOutResult {
                    company: company.clone(),
                    as_of: as_of.map(Period::to_string),
                    reason: failure.detail().to_owned(),
                });
                first.get_or_insert(failure);
            };
            let case = match self.case(&data) {
                Ok(case) => case,
                Err(failure) => {
                    leave_out(None, failure);
                    continue;
                }
            };
            for as_of in &asked.as_of {
                match self.view(&case, company.as_deref(), as_of, seed, watch) {
                    Ok(view) => views.push(view),
                    Err(_) if watch.is_stopped() => return Err(Failure::stopped()),
                    Err(failure) => leave_out(Some(as_of), failure),
                }
            }
        }
        match first {
            Some(failure) if views.is_empty() => Err(failure),
            _ => {
                let methods = summed(&views).map_err(|_| Failure::ours("percentiles are none"))?;
                Ok(Some(BackTestResult { methods, views, left_out }))
            }
        }
    }

    /// The rows of each company that is tested; all of them where there is but one triangle.
    fn tested(
        &self,
        asked: &BackTest,
        data: &Data,
    ) -> Result<Vec<(Option<String>, Data)>, Failure> {
        let Some(company) = &asked.company else {
            let own = self.own_rows(data)?;
            return Ok(vec![(None, own.unwrap_or_else(|| data.clone()))]);
        };
        let (levels, codes) = data.factor(company)?;
        let each = levels.into_iter().zip(0..).map(|(name, place)| {
            let keep: Vec<bool> = codes.iter().map(|code| *code == place).collect();
            (Some(name), data.clone().only(&keep))
        });
        Ok(each.collect())
    }

    fn case(&self, data: &Data) -> Result<Case, Failure> {
        let named = self.triangle(data, None)?;
        let incurred = match self.munich {
            true => Some(self.triangle(data, self.incurred.as_deref())?.triangle),
            false => None,
        };
        let (exposure, expected) = self.leant_on(data, &named)?;
        let selection = self.selection(&named)?;
        Ok(Case { named, incurred, exposure, expected, selection })
    }

    fn view(
        &self,
        case: &Case,
        company: Option<&str>,
        as_of: &Period,
        seed: u64,
        watch: &Watch,
    ) -> Result<ViewResult, Failure> {
        let Named { triangle, origins, .. } = &case.named;
        let months = as_of.month + as_of.months as i32 - origins[0].month;
        let then = u32::try_from(months).ok().and_then(|months| triangle.as_of(months));
        let Some(then) = then else {
            let detail =
                format!("nothing was known as of {as_of}: the first origin is {}", origins[0]);
            return Err(Failure::new(&error::UNFIT_VALUE, detail, "take a later valuation"));
        };
        if then.months() == triangle.months() {
            let detail = format!("nothing has come in after {as_of}");
            let advice = "take an earlier valuation, and do not leave out later rows";
            return Err(Failure::new(&error::UNFIT_VALUE, detail, advice));
        }
        let refuse = |error| refused(&error, origins, then.ages());
        let known = known(&then).map_err(refuse)?;
        let count = then.origins();
        let incurred = case.incurred.as_ref().map(|own| own.as_of(months.unsigned_abs()));
        let incurred = match incurred {
            Some(None) => return Err(refuse(ReservingError::Unlike)),
            Some(Some(incurred)) => Some(incurred),
            None => None,
        };
        let said = self.estimates(&then, incurred.as_ref(), case, seed, watch).map_err(refuse)?;

        let oldest = then.ages().len();
        let now = triangle.up_to(oldest);
        let at_the_end: Option<f64> = (0..count).map(|origin| now.get(origin, oldest - 1)).sum();
        // A tail is never known to its end.
        let outcome = at_the_end.filter(|_| self.has_no_tail()).map(|amount| amount - known);
        let expected_now = match outcome {
            Some(_) => vec![],
            None => {
                let incurred = case.incurred.as_ref().map(|incurred| incurred.up_to(oldest));
                self.estimates(&now, incurred.as_ref(), case, seed, watch).map_err(refuse)?
            }
        };
        let since = triangle.months() - then.months();
        let years = since.is_multiple_of(12).then_some((since / 12) as usize);
        let methods = said.iter().enumerate().map(|(place, said)| {
            let by_now = expected_now.get(place);
            let by_now = by_now.map(|now| now.ultimates[..count].iter().sum::<f64>() - known);
            let ultimate: f64 = said.ultimates.iter().sum();
            let came = outcome.or(by_now).unwrap_or_default();
            let percentile =
                said.belief.percentile(ultimate, known, came, outcome.is_some(), years);
            ViewMethodResult {
                method: said.method.to_owned(),
                reserve: (ultimate - known).into(),
                outcome: came.into(),
                error: (ultimate - known - came).into(),
                part: (came != 0.0).then(|| Figure((ultimate - known - came) / came.abs())),
                percentile: percentile.map(Figure),
            }
        });
        Ok(ViewResult {
            company: company.map(str::to_owned),
            as_of: as_of.to_string(),
            origins: count,
            known: known.into(),
            is_outcome_known: outcome.is_some(),
            methods: methods.collect(),
        })
    }

    /// What the methods of the run say of a triangle of the case, as it was or is.
    fn estimates(
        &self,
        triangle: &Triangle,
        incurred: Option<&Triangle>,
        case: &Case,
        seed: u64,
        watch: &Watch,
    ) -> Result<Vec<Estimate>, ReservingError> {
        let (origins, steps) = (triangle.origins(), triangle.ages().len() - 1);
        let inside = case.selection.without.iter().copied();
        let without = inside.filter(|(origin, step)| *origin < origins && *step < steps).collect();
        let selection = Selection { without, ..case.selection.clone() };
        let development = selection.develop(triangle)?;
        let tail = self.tail(&development, triangle.ages())?;
        let ladder = chain_ladder(triangle, development, tail)?;
        let belief = match self.mack {
            true => {
                let mack = mack(triangle, &selection, self.last_sigma, tail)?;
                let years = mack.run_off(&selection, triangle.ages()).ok();
                Belief::Error(mack.total.total(), years)
            }
            false => Belief::Nothing,
        };
        let mut said = vec![Estimate::of("chainLadder", &ladder.origins, belief)];
        let exposure = case.exposure.as_ref().map(|all| &all[..origins]);
        if let Some(expected) = case.expected.as_ref().map(|all| &all[..origins]) {
            if self.bornhuetter_ferguson {
                let found = bornhuetter_ferguson(&ladder, expected)?;
                said.push(Estimate::of("bornhuetterFerguson", &found, Belief::Nothing));
            }
            if let Some(rounds) = self.benktander {
                let found = benktander(&ladder, expected, rounds)?;
                said.push(Estimate::of("benktander", &found, Belief::Nothing));
            }
        }
        if let (Some(trend), Some(exposure)) = (self.cape_cod, exposure) {
            let found = cape_cod(&ladder, exposure, trend)?;
            said.push(Estimate::of("capeCod", &found.origins, Belief::Nothing));
        }
        if let Some(incurred) = incurred {
            let ultimates = munich(triangle, incurred)?.paid;
            said.push(Estimate { method: "munich", ultimates, belief: Belief::Nothing });
        }
        let latest = |origin: usize| ladder.origins[origin].latest;
        if self.odp {
            let found = odp(triangle)?;
            let each = found.origins.iter().enumerate();
            let ultimates = each.map(|(origin, own)| latest(origin) + own.reserve).collect();
            let belief = Belief::Error(found.total.total(), None);
            said.push(Estimate { method: "odp", ultimates, belief });
        }
        if let Some((draws, residuals)) = self.bootstrap {
            let plan = Bootstrap { draws, seed, residuals, ..Bootstrap::default() };
            let asked = || watch.is_stopped();
            let drawn = plan.run_until(triangle, Stop::when(&asked))?;
            let each = drawn.origins.iter().enumerate();
            let ultimates = each.map(|(origin, own)| latest(origin) + own.mean()).collect();
            let belief = Belief::Drawn(drawn.prediction);
            said.push(Estimate { method: "bootstrap", ultimates, belief });
        }
        // What is learnt from a market would be tested on what it was learnt from.
        if let (Some(Calibrate::Given(hindsight)), Some(exposure)) = (&self.calibrate, exposure) {
            let spread = hindsight.spread(&Valuation::of(triangle, exposure)?);
            let found = cape_cod(&ladder, exposure, Default::default())?;
            said.push(Estimate::of("calibrated", &found.origins, Belief::Calibrated(spread)));
        }
        Ok(said)
    }
}

/// What has come in of all origins.
fn known(triangle: &Triangle) -> Result<f64, ReservingError> {
    (0..triangle.origins())
        .map(|origin| Ok(triangle.latest(origin).ok_or(ReservingError::NoLatest(origin))?.1))
        .sum()
}

impl Estimate {
    fn of(method: &'static str, origins: &[Projected], belief: Belief) -> Estimate {
        let ultimates = origins.iter().map(|origin| origin.ultimate).collect();
        Estimate { method, ultimates, belief }
    }
}

impl Belief {
    /// The part of the distribution below what came; `None` where none was said, or not of so few years.
    fn percentile(
        &self,
        ultimate: f64,
        known: f64,
        came: f64,
        is_known: bool,
        years: Option<usize>,
    ) -> Option<f64> {
        match self {
            Belief::Error(all, run_off) => {
                let deviation = match (is_known, run_off) {
                    (true, _) => *all,
                    (false, Some(run_off)) => {
                        let moved = run_off.years.iter().take(years?);
                        moved.map(|year| year.total.powi(2)).sum::<f64>().sqrt()
                    }
                    (false, None) => return None,
                };
                let said = Predictive::lognormal(ultimate, deviation).ok()?;
                Some(said.percentile(known + came))
            }
            Belief::Drawn(draws) if is_known => Some(draws.percentile(came)),
            Belief::Calibrated(spread) if is_known => Some(spread.percentile(came)),
            _ => None,
        }
    }
}

/// Each method over all views.
fn summed(views: &[ViewResult]) -> Result<Vec<TestedMethodResult>, ReservingError> {
    let Some(first) = views.first() else { return Ok(vec![]) };
    let mut summed = vec![];
    for (place, method) in first.methods.iter().enumerate() {
        let each = || views.iter().filter_map(move |view| view.methods.get(place));
        let sum = |of: fn(&ViewMethodResult) -> f64| each().map(of).sum::<f64>();
        let outcome = sum(|own| own.outcome.0);
        // Outcomes may be recoveries: without signs like the errors they are the measure of.
        let moved = sum(|own| own.outcome.0.abs());
        let part = |amount: f64, of: f64| (of != 0.0).then(|| Figure(amount / of));
        let percentiles: Vec<f64> = each().filter_map(|own| Some(own.percentile?.0)).collect();
        let count = percentiles.len();
        let calibration = match count {
            0 => None,
            _ => {
                let found = Calibration::of(percentiles)?;
                Some(CalibrationResult {
                    outcomes: count,
                    distance: found.distance().into(),
                    limit: (count >= FEWEST).then(|| found.limit().into()),
                    inside_half: found.inside(0.5).into(),
                    inside_nine_tenths: found.inside(0.9).into(),
                })
            }
        };
        let (error, absolute) = (sum(|own| own.error.0), sum(|own| own.error.0.abs()));
        summed.push(TestedMethodResult {
            method: method.method.clone(),
            views: each().count(),
            reserve: sum(|own| own.reserve.0).into(),
            outcome: outcome.into(),
            error: error.into(),
            part: part(error, outcome.abs()),
            absolute_part: part(absolute, moved),
            calibration,
        });
    }
    Ok(summed)
}

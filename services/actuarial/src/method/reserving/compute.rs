//! Computing reserves, and saying what is the matter when they cannot be.

use actuarial_models::reserving::{
    Average, Bootstrap, ChainLadder, Development, LastSigma, Mack, Projected, ReservingError,
    Selection, Simulated, Tail, TailFit, benktander, bornhuetter_ferguson, cape_cod, chain_ladder,
    mack, munich, odp,
};
use actuarial_models::{Stop, Triangle};

use super::one_year;
use super::result::{
    BootstrapResult, CapeCodResult, DevelopmentResult, DistributionResult, ErrorResult, MackResult,
    MunichResult, OdpResult, OriginResult, ProjectionResult, QuantileResult, ReservingResult,
    TriangleResult,
};
use super::triangle::Named;
use super::{Expected, Reserving, TailAsked};
use crate::error;
use crate::figure::{Figure, figures};
use crate::job::Watch;
use crate::method::data::Data;
use crate::method::period::Period;
use crate::method::{Failure, Outcome, Plan};

/// Which parts of the draws are shown.
pub(super) const QUANTILES: [(&str, f64); 8] = [
    ("5%", 0.05),
    ("25%", 0.25),
    ("50%", 0.5),
    ("75%", 0.75),
    ("90%", 0.9),
    ("95%", 0.95),
    ("99%", 0.99),
    ("99.5%", 0.995),
];

/// Exposure and expected ultimate of each origin.
type LeantOn = (Option<Vec<f64>>, Option<Vec<f64>>);

impl Plan for Reserving {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let market = self.prepare.apply(data)?;
        let own = self.own_rows(&market)?;
        let data = own.as_ref().unwrap_or(&market);
        watch.stage("building the triangle", 20);
        let named = self.triangle(data, None)?;
        let refuse = |error: ReservingError| refused(&error, &named.origins, named.triangle.ages());
        watch.stage("developing", 30);
        let selection = self.selection(&named)?;
        let development = selection.develop(&named.triangle).map_err(refuse)?;
        let tail = self.tail(&development, named.triangle.ages()).map_err(refuse)?;
        let ladder = chain_ladder(&named.triangle, development, tail).map_err(refuse)?;
        let mut found = ReservingResult {
            triangle: triangle_result(&named),
            development: self.development_result(&selection, &ladder),
            chain_ladder: projection(&named, &ladder.origins),
            mack: None,
            one_year: None,
            bornhuetter_ferguson: None,
            benktander: None,
            cape_cod: None,
            munich: None,
            odp: None,
            bootstrap: None,
            calibrated: None,
            best: None,
            back_test: None,
        };
        let mut shown = vec![
            ("latest", found.chain_ladder.latest.0),
            ("ultimate", found.chain_ladder.ultimate.0),
            ("reserve", found.chain_ladder.reserve.0),
        ];
        if self.mack {
            let mack = mack(&named.triangle, &selection, self.last_sigma, tail).map_err(refuse)?;
            shown.push(("mackError", mack.total.total()));
            found.mack = Some(self.mack_result(&named, &mack));
            if self.one_year {
                let run_off = mack.run_off(&selection, named.triangle.ages()).map_err(refuse)?;
                shown.push(("oneYearError", run_off.next().total));
                found.one_year = Some(one_year::result(&named, &mack, &run_off));
            }
        }
        watch.stage("leaning on expectations", 40);
        self.expectations(data, &named, &ladder, &mut found, &mut shown)?;
        if self.munich {
            let incurred = self.triangle(data, self.incurred.as_deref())?;
            let both = munich(&named.triangle, &incurred.triangle).map_err(refuse)?;
            let (paid, incurred) = (both.paid.iter().sum(), both.incurred.iter().sum());
            shown.extend([("munichPaidUltimate", paid), ("munichIncurredUltimate", incurred)]);
            found.munich = Some(MunichResult {
                lambda_paid: both.lambda_paid.into(),
                lambda_incurred: both.lambda_incurred.into(),
                paid: figures(both.paid),
                incurred: figures(both.incurred),
                paid_ultimate: paid.into(),
                incurred_ultimate: incurred.into(),
            });
        }
        if self.odp {
            watch.stage("fitting increments", 50);
            let odp = odp(&named.triangle).map_err(refuse)?;
            shown.extend([("odpReserve", odp.total.reserve), ("odpError", odp.total.total())]);
            found.odp = Some(odp_result(&named, odp));
        }
        if let Some((draws, residuals)) = self.bootstrap {
            watch.stage("drawing triangles", 60);
            let bootstrap = Bootstrap { draws, seed, residuals, ..Bootstrap::default() };
            let asked = || watch.is_stopped();
            let drawn = bootstrap.run_until(&named.triangle, Stop::when(&asked));
            let drawn = drawn.map_err(refuse)?;
            shown.extend([
                ("bootstrapMean", drawn.prediction.mean()),
                ("bootstrapDeviation", drawn.prediction.deviation()),
                ("bootstrap99.5%", drawn.prediction.quantile(0.995)),
            ]);
            let origins = named.origins.iter().zip(&drawn.origins);
            found.bootstrap = Some(BootstrapResult {
                draws,
                dispersion: drawn.dispersion.into(),
                parameter_deviation: drawn.parameter.deviation().into(),
                origins: origins
                    .map(|(origin, draws)| distribution(&origin.to_string(), draws))
                    .collect(),
                total: distribution("total", &drawn.prediction),
            });
        }
        if let (Some(_), Some(column)) = (&self.calibrate, &self.exposure) {
            watch.stage("looking back", 85);
            let exposure = self.by_origin(data, column, &named)?;
            found.calibrated = self.calibrated(&market, &named, &exposure, watch)?;
        }
        if let Some(calibrated) = &found.calibrated {
            shown.push(("calibratedDeviation", calibrated.deviation.0));
            shown
                .extend(calibrated.quantiles.last().map(|last| ("calibrated99.5%", last.amount.0)));
        }
        found.best = self.best(&named, &found)?;
        shown.extend(found.best.as_ref().map(|best| ("bestReserve", best.reserve.0)));
        if self.backtest.is_some() {
            watch.stage("testing what was said earlier", 90);
            found.back_test = self.back_test(&market, seed, watch)?;
        }
        watch.stage("writing down", 95);
        Outcome::of(&found, shown)
    }
}

impl Reserving {
    pub(super) fn selection(&self, named: &Named) -> Result<Selection, Failure> {
        let mut without = Vec::new();
        for (origin, age) in &self.without {
            let wanted = Period::parse(origin).map(|period| period.month);
            let place = named.origins.iter().position(|known| Some(known.month) == wanted);
            let step = named.triangle.ages().iter().position(|known| known == age);
            let step = step.filter(|step| step + 1 < named.triangle.ages().len());
            let Some(link) = place.zip(step) else {
                let detail = format!("there is no link ratio of origin {origin} from {age} months");
                let advice = format!("ages are {}", listed(named.triangle.ages()));
                return Err(Failure::new(&error::UNFIT_VALUE, detail, advice));
            };
            without.push(link);
        }
        Ok(Selection {
            average: self.average,
            recent: self.recent,
            without,
            without_highest: self.without_highest,
            without_lowest: self.without_lowest,
        })
    }

    pub(super) fn tail(
        &self,
        development: &Development,
        ages: &[u32],
    ) -> Result<Tail, ReservingError> {
        match self.tail {
            TailAsked::Factor(factor) => Ok(Tail::certain(factor)),
            TailAsked::Curve { curve, from_age, ages: steps } => {
                let from_step = ages.partition_point(|age| *age < from_age);
                TailFit { curve, from_step, steps }.fit(development)
            }
        }
    }

    /// Whether the oldest age is taken for the end.
    pub(super) fn has_no_tail(&self) -> bool {
        matches!(self.tail, TailAsked::Factor(1.0))
    }

    /// Exposure and expected ultimate of each origin, where they are given.
    pub(super) fn leant_on(&self, data: &Data, named: &Named) -> Result<LeantOn, Failure> {
        let exposure = match &self.exposure {
            Some(column) => Some(self.by_origin(data, column, named)?),
            None => None,
        };
        let expected = match (&self.expected, &exposure) {
            (Some(Expected::LossRatio(ratio)), Some(exposure)) => {
                Some(exposure.iter().map(|exposure| exposure * ratio).collect())
            }
            (Some(Expected::Column(column)), _) => Some(self.by_origin(data, column, named)?),
            _ => None,
        };
        Ok((exposure, expected))
    }

    fn expectations(
        &self,
        data: &Data,
        named: &Named,
        ladder: &ChainLadder,
        found: &mut ReservingResult,
        shown: &mut Vec<(&'static str, f64)>,
    ) -> Result<(), Failure> {
        let refuse = |error: ReservingError| refused(&error, &named.origins, named.triangle.ages());
        let (exposure, expected) = self.leant_on(data, named)?;
        if let (true, Some(expected)) = (self.bornhuetter_ferguson, &expected) {
            let origins = bornhuetter_ferguson(ladder, expected).map_err(refuse)?;
            let result = projection(named, &origins);
            shown.push(("bornhuetterFergusonReserve", result.reserve.0));
            found.bornhuetter_ferguson = Some(result);
        }
        if let (Some(rounds), Some(expected)) = (self.benktander, &expected) {
            let result = projection(named, &benktander(ladder, expected, rounds).map_err(refuse)?);
            shown.push(("benktanderReserve", result.reserve.0));
            found.benktander = Some(result);
        }
        if let (Some(trend), Some(exposure)) = (self.cape_cod, exposure) {
            let cape = cape_cod(ladder, &exposure, trend).map_err(refuse)?;
            let result = projection(named, &cape.origins);
            shown.push(("capeCodReserve", result.reserve.0));
            found.cape_cod = Some(CapeCodResult {
                exposure: figures(exposure),
                trended: figures(cape.trended),
                expected: figures(cape.expected),
                projection: result,
            });
        }
        Ok(())
    }

    fn development_result(&self, selection: &Selection, ladder: &ChainLadder) -> DevelopmentResult {
        let development = &ladder.development;
        DevelopmentResult {
            average: match selection.average {
                Average::Volume => "volume",
                Average::Simple => "simple",
                Average::Regression => "regression",
            }
            .to_owned(),
            recent: selection.recent,
            without: selection.without.clone(),
            without_highest: selection.without_highest,
            without_lowest: selection.without_lowest,
            factors: figures(development.factors.iter().copied()),
            sigmas: development.sigmas.iter().map(|sigma| sigma.map(Figure)).collect(),
            tail_factor: ladder.tail.factor.into(),
            to_ultimate: figures(ladder.to_ultimate.iter().copied()),
        }
    }

    fn mack_result(&self, named: &Named, mack: &Mack) -> MackResult {
        let origins = named.origins.iter().zip(&mack.origins).zip(&mack.ladder.origins);
        MackResult {
            last_sigma: match self.last_sigma {
                LastSigma::LogLinear => "logLinear",
                LastSigma::Minimum => "minimum",
            }
            .to_owned(),
            sigmas: figures(mack.sigmas.iter().copied()),
            factor_errors: figures(mack.factor_errors.iter().copied()),
            origins: origins
                .map(|((origin, error), projected)| {
                    let (name, reserve) = (origin.to_string(), projected.reserve());
                    error_result(name, reserve, error.process, error.parameter)
                })
                .collect(),
            total: error_result(
                "total".to_owned(),
                mack.ladder.reserve(),
                mack.total.process,
                mack.total.parameter,
            ),
        }
    }
}

fn error_result(name: String, reserve: f64, process: f64, parameter: f64) -> ErrorResult {
    let error = process.hypot(parameter);
    ErrorResult {
        name,
        reserve: reserve.into(),
        process: process.into(),
        parameter: parameter.into(),
        error: error.into(),
        coefficient: (reserve != 0.0).then(|| Figure(error / reserve.abs())),
    }
}

fn triangle_result(named: &Named) -> TriangleResult {
    let triangle = &named.triangle;
    let (origins, ages) = (triangle.origins(), triangle.ages().len());
    let link = |origin: usize, age: usize| {
        let (before, after) = (triangle.get(origin, age)?, triangle.get(origin, age + 1)?);
        Some(after / before).filter(|link| link.is_finite()).map(Figure)
    };
    let each = (0..origins).flat_map(|origin| (0..ages).map(move |age| (origin, age)));
    let negative =
        each.filter(|&(o, a)| triangle.increment(o, a).is_some_and(|amount| amount < 0.0)).count();
    TriangleResult {
        origin_months: triangle.origin_months(),
        origins: named.origins.iter().map(Period::to_string).collect(),
        ages: triangle.ages().to_vec(),
        cumulative: (0..origins)
            .map(|origin| (0..ages).map(|age| triangle.get(origin, age).map(Figure)).collect())
            .collect(),
        link_ratios: (0..origins)
            .map(|origin| (0..ages - 1).map(|age| link(origin, age)).collect())
            .collect(),
        summed_cells: named.summed_cells,
        negative_increments: negative,
    }
}

fn projection(named: &Named, origins: &[Projected]) -> ProjectionResult {
    let sum = |amount: fn(&Projected) -> f64| origins.iter().map(amount).sum::<f64>().into();
    let each = named.origins.iter().zip(origins);
    ProjectionResult {
        origins: each
            .map(|(origin, projected)| OriginResult {
                name: origin.to_string(),
                age: age_of(&named.triangle, projected),
                latest: projected.latest.into(),
                ultimate: projected.ultimate.into(),
                reserve: projected.reserve().into(),
            })
            .collect(),
        latest: sum(|projected| projected.latest),
        ultimate: sum(|projected| projected.ultimate),
        reserve: sum(Projected::reserve),
    }
}

fn age_of(triangle: &Triangle, projected: &Projected) -> u32 {
    triangle.ages().get(projected.age).copied().unwrap_or_default()
}

fn odp_result(named: &Named, odp: actuarial_models::reserving::Odp) -> OdpResult {
    let result = |name: String, error: &actuarial_models::reserving::OdpError| {
        error_result(name, error.reserve, error.process, error.estimation)
    };
    let origins = named.origins.iter().zip(&odp.origins);
    OdpResult {
        dispersion: odp.dispersion.into(),
        cells: odp.cells,
        deviance: odp.deviance.map(Figure),
        origins: origins.map(|(origin, error)| result(origin.to_string(), error)).collect(),
        total: result("total".to_owned(), &odp.total),
        coefficients: figures(odp.coefficients),
        calendar: figures(odp.calendar),
    }
}

fn distribution(name: &str, draws: &Simulated) -> DistributionResult {
    let quantile = |(name, p): (&str, f64)| QuantileResult {
        name: name.to_owned(),
        amount: draws.quantile(p).into(),
    };
    DistributionResult {
        name: name.to_owned(),
        mean: draws.mean().into(),
        deviation: draws.deviation().into(),
        quantiles: QUANTILES.into_iter().map(quantile).collect(),
    }
}

fn listed(ages: &[u32]) -> String {
    ages.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// What is the matter with a triangle, with its periods by name, and what to change.
pub(super) fn refused(error: &ReservingError, origins: &[Period], ages: &[u32]) -> Failure {
    let origin = |place: usize| {
        origins.get(place).map_or_else(|| format!("number {}", place + 1), Period::to_string)
    };
    let age = |place: usize| {
        ages.get(place)
            .map_or_else(|| format!("age number {}", place + 1), |age| format!("{age} months"))
    };
    let (code, detail, advice) = match error {
        ReservingError::NoLatest(place) => (
            &error::UNDETERMINED,
            format!("nothing is known about origin {}", origin(*place)),
            "give it an amount at some age, or leave out the origins around the gap",
        ),
        ReservingError::NoLink(step) => (
            &error::UNDETERMINED,
            format!("no link ratio from {} on can be averaged", age(*step)),
            "two ages need an origin with positive amounts at both; take fewer ages, or leave out \
             fewer link ratios",
        ),
        ReservingError::NotPositive { origin: place, age: at } => (
            &error::UNFIT_VALUE,
            format!("the amount of origin {} at {} is not positive", origin(*place), age(*at)),
            "the method divides by it: leave its link ratio out under without, or choose a method \
             without errors (methods: [])",
        ),
        ReservingError::Gap { origin: place, age: at } => (
            &error::UNFIT_VALUE,
            format!("the increment of origin {} at {} is missing", origin(*place), age(*at)),
            "a sum after a missing increment is not known: fill it, with 0 where nothing came in",
        ),
        ReservingError::NoVariation => (
            &error::NOTHING_TO_LEARN,
            "too few ages have two link ratios to say how much they vary".to_owned(),
            "take more origins, or set methods to [] for the chain ladder alone",
        ),
        ReservingError::NoVolume { what, index } => {
            let name = if *what == "origin" { origin(*index) } else { age(*index) };
            (
                &error::UNFIT_VALUE,
                format!("the increments of {what} {name} do not add up to a positive amount"),
                "odp and bootstrap need positive sums: leave that period out, or the method",
            )
        }
        ReservingError::Saturated { cells, parameters } => (
            &error::NOTHING_TO_LEARN,
            format!("{cells} cells cannot carry {parameters} parameters and a dispersion"),
            "take more origins, or leave odp and bootstrap out",
        ),
        ReservingError::Undetermined { what, index } => {
            let name = if *what == "origin" { origin(*index) } else { age(*index) };
            (
                &error::UNDETERMINED,
                format!("the cells do not determine the parameter of {what} {name}"),
                "leave that period out, or odp and bootstrap",
            )
        }
        ReservingError::Unlike => (
            &error::UNFIT_VALUE,
            "paid and incurred amounts are not known for the same cells".to_owned(),
            "munich needs both in every cell: choose rows that have them",
        ),
        ReservingError::Grain { from, to } => (
            &error::UNFIT_VALUE,
            format!("periods of {from} months do not make up periods of {to} months"),
            "set originMonths to a multiple of the months of an origin period",
        ),
        ReservingError::NoYears => (
            &error::UNFIT_VALUE,
            format!("ages of {} months do not make up years", listed(ages)),
            "oneYear needs ages evenly apart, by 12, 6, 4, 3, 2 or 1 months: set ageMonths, or leave it \
             out of methods",
        ),
        ReservingError::NoConvergence(_) => (
            &error::NO_CONVERGENCE,
            error.to_string(),
            "look for cells that are out of line with their neighbours",
        ),
        ReservingError::Stopped(_) => return Failure::stopped(),
        ReservingError::NotFinite(what) => return Failure::not_a_number(what.0),
        ReservingError::Empty
        | ReservingError::Ages
        | ReservingError::Width { .. }
        | ReservingError::Cell { .. }
        | ReservingError::Length { .. }
        | ReservingError::TooFew(_)
        | ReservingError::Argument(_) => {
            (&error::UNFIT_VALUE, error.to_string(), "correct the triangle or the parameters")
        }
    };
    Failure::new(code, detail, advice)
}

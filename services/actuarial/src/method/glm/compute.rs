//! Fitting a pricing model and judging it.

use std::borrow::Cow;
use std::num::NonZero;

use actuarial_models::Stop;
use actuarial_models::glm::{
    Compared, Family, Fit, Frame, Link, Model, Observations, Term, Test, likelihood_ratio,
    type_three_until,
};

use super::residuals;
use super::result::{
    CoefficientResult, ComparisonResult, GlmResult, HoldOutResult, LevelResult, NestedResult,
    TestResult,
};
use super::{FamilyAsked, Glm, TermAsked, refused};
use crate::error;
use crate::figure::{Figure, NINETY_FIVE};
use crate::job::Watch;
use crate::method::data::{Data, Numbers};
use crate::method::prepare::meet;
use crate::method::validation;
use crate::method::{Failure, Outcome, Passes, Plan};

/// Threads of a pass. A constant: sums of another number of threads differ in their last digits, and
/// runs are repeatable on every machine.
const THREADS: Option<NonZero<usize>> = NonZero::new(2);

/// Rows with everything a model takes from them.
pub(super) struct Rows {
    frame: Frame,
    pub(super) response: Vec<f64>,
    pub(super) weight: Option<Vec<f64>>,
    offset: Option<Vec<f64>>,
    /// What observed and expected are related to.
    volume: Vec<f64>,
}

/// The columns that terms take.
pub(super) struct Taken<'a> {
    pub(super) factors: Vec<&'a String>,
    /// What the model calls a number, and its column, which may be a factor in another term.
    pub(super) numbers: Vec<(String, &'a String)>,
}

impl Plan for Glm {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        watch.stage("preparing the columns", 12);
        let data = self.prepare.apply(data)?;
        let before = data.rows();
        let data = if self.drops_missing { self.complete(data)? } else { data };
        let rows_dropped = before - data.rows();
        let held = match self.hold_out.is_empty() {
            true => vec![false; data.rows()],
            false => meet(&self.hold_out, &data)?,
        };
        let fitted: Vec<bool> = held.iter().map(|held| !held).collect();
        let held_out = held.contains(&true).then(|| data.clone().only(&held));
        let data = data.only(&fitted);
        if data.rows() == 0 {
            let detail = "no row is left to fit the model to";
            let advice = "change the conditions under rows and holdOut";
            return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, advice));
        }
        let terms = self.terms(&data)?;
        let rows = self.rows(&data)?;
        drop(data);
        watch.stage("fitting", 30);
        let observations = rows.observations();
        let asked = || watch.is_stopped();
        let stop = Stop::when(&asked);
        let (fit, shape) = self.fit(terms, &observations, stop)?;
        let means = fit.means.as_deref().expect("a fit to rows at hand has their means");
        watch.stage("testing the terms", 60);
        let refuse = |error| refused(&error);
        let wald = if self.wald { fit.wald().map_err(refuse)? } else { vec![] };
        let third = match self.type_three {
            true => type_three_until(&fit, &observations, stop).map_err(refuse)?,
            false => vec![],
        };
        watch.stage("looking at residuals", 80);
        let residuals = residuals::residuals(&fit, &rows, seed)?;
        watch.stage("comparing with what was", 88);
        let hold_out = match held_out {
            Some(held) => Some(self.hold_out(&fit, &held)?),
            None => None,
        };
        let about = About { shape, wald, third, rows_dropped };
        let found = GlmResult {
            comparisons: self.comparisons(&rows, means)?,
            residuals: Some(residuals),
            hold_out,
            ..result(&fit, &about)
        };
        outcome(&found)
    }

    fn reads_in_passes(&self) -> bool {
        self.in_passes
    }

    fn compute_in_passes(&self, rows: &mut dyn Passes, watch: &Watch) -> Result<Outcome, Failure> {
        self.by_passes(rows, watch)
    }
}

/// What is said of a fit beside its figures.
pub(super) struct About {
    pub(super) shape: Option<f64>,
    pub(super) wald: Vec<Test>,
    pub(super) third: Vec<Test>,
    pub(super) rows_dropped: usize,
}

/// A result without what takes the means of rows.
pub(super) fn result(fit: &Fit, about: &About) -> GlmResult {
    GlmResult {
        family: name(fit.model.family).to_owned(),
        link: link_name(fit.model.link).to_owned(),
        shape: about.shape.map(Figure),
        rows: fit.rows,
        rows_dropped: about.rows_dropped,
        degrees: fit.degrees,
        coefficients: coefficients(fit),
        dropped: fit.dropped.clone(),
        dispersion: fit.dispersion.into(),
        deviance: fit.deviance.into(),
        null_deviance: fit.null_deviance.into(),
        pearson: fit.pearson.into(),
        log_likelihood: fit.log_likelihood.map(Figure),
        aic: fit.aic().map(Figure),
        wald: tests(&about.wald),
        type_three: tests(&about.third),
        comparisons: vec![],
        residuals: None,
        hold_out: None,
    }
}

/// A result with the figures to look at first.
pub(super) fn outcome(found: &GlmResult) -> Result<Outcome, Failure> {
    let mut shown = vec![
        ("rows", found.rows as f64),
        ("coefficients", found.coefficients.len() as f64),
        ("deviance", found.deviance.0),
        ("nullDeviance", found.null_deviance.0),
        ("dispersion", found.dispersion.0),
        ("meanDeviance", found.deviance.0 / found.rows as f64),
    ];
    shown.extend(found.aic.map(|aic| ("aic", aic.0)));
    shown.extend(found.log_likelihood.map(|it| ("logLikelihood", it.0)));
    shown.extend(found.shape.map(|shape| ("shape", shape.0)));
    shown.extend(found.hold_out.as_ref().map(|held| ("holdOutMeanDeviance", held.mean_deviance.0)));
    Outcome::of(found, shown)
}

impl Glm {
    /// Every column of numbers the model takes.
    fn numbers(&self) -> Vec<&String> {
        let own = [&self.per, &self.exposure, &self.weight, &self.offset];
        let terms = self.terms.iter().flat_map(TermAsked::numbers);
        std::iter::once(&self.response).chain(own.into_iter().flatten()).chain(terms).collect()
    }

    /// The rows that have a number wherever one is needed.
    pub(super) fn complete(&self, data: Data) -> Result<Data, Failure> {
        let mut keep = vec![true; data.rows()];
        for column in self.numbers() {
            let values = data.gapped(column)?;
            keep.iter_mut().zip(&*values).for_each(|(keep, value)| *keep &= !value.is_nan());
        }
        Ok(data.only(&keep))
    }

    /// The terms, each factor with its base.
    fn terms(&self, data: &Data) -> Result<Vec<Term>, Failure> {
        let weight = self.weight.as_ref().or(self.exposure.as_ref()).or(self.per.as_ref());
        let weight = weight.map(|column| data.numbers(column)).transpose()?;
        let base = |column: &str| heaviest(data, column, weight.as_deref());
        self.terms.iter().map(|term| as_term(term, &self.terms, &base)).collect()
    }

    /// Everything the model takes from the rows of `data`.
    fn rows(&self, data: &Data) -> Result<Rows, Failure> {
        let mut frame = Frame::new();
        let Taken { factors, numbers } = self.taken();
        for column in factors {
            frame.add(column, data.model_factor(column)?).map_err(|e| refused(&e))?;
        }
        for (name, column) in numbers {
            frame.add_numbers(&name, data.numbers(column)?).map_err(|e| refused(&e))?;
        }
        let number = |column: &str| data.numbers(column).map(Cow::Owned);
        let (response, weight) = self.response_and_weight(&number)?;
        let exposure = self.exposure.as_ref().map(|column| data.numbers(column)).transpose()?;
        let offset = match (&exposure, &self.offset) {
            (Some(exposure), _) => Some(logarithms(self.exposure.as_ref(), exposure)?),
            (None, Some(offset)) => Some(data.numbers(offset)?),
            (None, None) => None,
        };
        let volume = volume(exposure.map(Cow::Owned), weight.as_ref());
        let volume = volume.map_or_else(|| vec![1.0; data.rows()], Cow::into_owned);
        let (response, weight) = (response.into_owned(), weight.map(Cow::into_owned));
        Ok(Rows { frame, response, weight, offset, volume })
    }

    /// What the terms take, each once.
    pub(super) fn taken(&self) -> Taken<'_> {
        let mut taken = Taken { factors: vec![], numbers: vec![] };
        for term in &self.terms {
            for (column, _) in term.factors() {
                if !taken.factors.contains(&column) {
                    taken.factors.push(column);
                }
            }
            for column in term.numbers() {
                if !taken.numbers.iter().any(|(_, known)| *known == column) {
                    taken.numbers.push((number_name(column, &self.terms), column));
                }
            }
        }
        taken
    }

    /// The response and its weight, from columns of numbers.
    pub(super) fn response_and_weight<'a>(
        &self,
        numbers: &dyn Fn(&str) -> Result<Numbers<'a>, Failure>,
    ) -> Result<(Numbers<'a>, Option<Numbers<'a>>), Failure> {
        let mut response = numbers(&self.response)?;
        let per = self.per.as_ref().map(|per| numbers(per)).transpose()?;
        if let Some(per) = &per {
            for (value, per) in response.to_mut().iter_mut().zip(&**per) {
                // A row without volume weighs nothing, whatever it says.
                *value = if *per == 0.0 { 1.0 } else { *value / per };
            }
        }
        let weight = self.weight.as_ref().map(|weight| numbers(weight)).transpose()?;
        Ok((response, weight.or(per)))
    }

    fn fit(
        &self,
        terms: Vec<Term>,
        observations: &Observations<'_>,
        stop: Stop<'_>,
    ) -> Result<(Fit, Option<f64>), Failure> {
        let model = self.model(terms);
        if self.family == FamilyAsked::NegativeBinomial {
            let found = model.fit_negative_binomial_until(observations, stop);
            let found = found.map_err(|error| refused(&error))?;
            return Ok((found.fit, Some(found.alpha)));
        }
        let fit = model.fit_until(observations, stop).map_err(|error| refused(&error))?;
        let shape = shape(model.family);
        Ok((fit, shape))
    }

    /// The model of these terms; for a negative binomial whose α is looked for, where that begins.
    pub(super) fn model(&self, terms: Vec<Term>) -> Model {
        let family = match self.family {
            FamilyAsked::Given(family) => family,
            FamilyAsked::NegativeBinomial => Family::Poisson,
        };
        Model {
            family,
            link: self.link,
            terms,
            penalty: self.penalty,
            aliased: self.aliased,
            threads: THREADS,
        }
    }

    /// What the model expects of the rows that are held, fitted to the others: sums of the response, by
    /// row.
    pub(crate) fn expected_of(
        &self,
        data: Data,
        held: &[bool],
        stop: Stop<'_>,
    ) -> Result<Vec<f64>, Failure> {
        let data = self.prepare.apply(data)?;
        let others: Vec<bool> = held.iter().map(|held| !held).collect();
        let (held, others) = (data.clone().only(held), data.only(&others));
        let terms = self.terms(&others)?;
        let (fit, _) = self.fit(terms, &self.rows(&others)?.observations(), stop)?;
        let rows = self.rows(&held)?;
        let means = rows.means(&fit)?;
        let weight = |row: usize| rows.weight.as_ref().map_or(1.0, |weight| weight[row]);
        Ok(means.iter().enumerate().map(|(row, mean)| weight(row) * mean).collect())
    }

    /// Whether the terms a smaller model leaves out matter, both fitted to the rows that are not held: it
    /// keeps the terms of these names.
    pub(crate) fn nested(
        &self,
        data: Data,
        held: &[bool],
        kept: &[String],
        stop: Stop<'_>,
    ) -> Result<NestedResult, Failure> {
        let refuse_names =
            |detail: String, advice: &str| Err(Failure::new(&error::UNFIT_VALUE, detail, advice));
        if !self.penalty.is_none() {
            let detail = "a penalised model has no likelihood-ratio test".to_owned();
            return refuse_names(detail, "leave ridge and lasso, or nested, out");
        }
        let data = self.prepare.apply(data)?;
        let others: Vec<bool> = held.iter().map(|held| !held).collect();
        let data = data.only(&others);
        let terms = self.terms(&data)?;
        let names: Vec<String> = terms.iter().map(Term::name).collect();
        if let Some(unknown) = kept.iter().find(|name| !names.contains(name)) {
            let detail = format!("the model has no term {unknown}; it has {}", names.join(", "));
            return refuse_names(detail, "name terms of the model under nested");
        }
        let fewer: Vec<Term> =
            terms.iter().filter(|term| kept.contains(&term.name())).cloned().collect();
        if fewer.len() == terms.len() {
            let detail = "nested keeps every term of the model".to_owned();
            return refuse_names(detail, "leave at least one term out of nested");
        }
        let rows = self.rows(&data)?;
        let observations = rows.observations();
        let (full, _) = self.fit(terms, &observations, stop)?;
        // Of the same family, also where its shape was looked for.
        let small = Model { terms: fewer, ..full.model.clone() };
        let small = small.fit_until(&observations, stop).map_err(|error| refused(&error))?;
        let test = likelihood_ratio(&full, &small).map_err(|error| refused(&error))?;
        Ok(NestedResult {
            kept: kept.to_vec(),
            test: TestResult {
                name: test.name,
                degrees: test.degrees,
                statistic: test.statistic.into(),
                p: test.p.into(),
            },
            deviance: full.deviance.into(),
            nested_deviance: small.deviance.into(),
            dispersion: full.dispersion.into(),
        })
    }

    fn hold_out(&self, fit: &Fit, held: &Data) -> Result<HoldOutResult, Failure> {
        let rows = self.rows(held)?;
        let means = rows.means(fit)?;
        let (mut deviance, mut all) = (0.0, Compared::default());
        for (row, (response, mean)) in rows.response.iter().zip(&means).enumerate() {
            let weight = rows.weight.as_ref().map_or(1.0, |weight| weight[row]);
            deviance += weight * unit_deviance(fit.model.family, *response, *mean);
            all.add(Compared::row(rows.volume[row], weight, *response, *mean));
        }
        Ok(HoldOutResult {
            judged: {
                let weigh = |values: &[f64]| -> Vec<f64> {
                    let weight = |row: usize| rows.weight.as_ref().map_or(1.0, |own| own[row]);
                    values.iter().enumerate().map(|(row, value)| weight(row) * value).collect()
                };
                validation::judged_if_any(&rows.volume, &weigh(&means), &weigh(&rows.response))?
            },
            comparisons: self.comparisons(&rows, &means)?,
            ..HoldOutResult::of(&all, deviance)
        })
    }

    fn comparisons(&self, rows: &Rows, means: &[f64]) -> Result<Vec<ComparisonResult>, Failure> {
        let mut found: Vec<ComparisonResult> = vec![];
        for (column, _) in self.terms.iter().flat_map(TermAsked::factors) {
            if found.iter().any(|known| known.name == *column) {
                continue;
            }
            let (levels, codes) = rows.frame.factor(column).map_err(|error| refused(&error))?;
            let levels = compare(levels, codes, rows.weight.as_deref(), &rows.volume, |row| {
                (rows.response[row], means[row])
            });
            found.push(ComparisonResult { name: column.clone(), levels });
        }
        Ok(found)
    }
}

/// Observed and expected per unit of volume, by level. `of` gives both for a row, before its weight.
pub(crate) fn compare(
    levels: &[String],
    codes: &[u32],
    weight: Option<&[f64]>,
    volume: &[f64],
    of: impl Fn(usize) -> (f64, f64),
) -> Vec<LevelResult> {
    let mut sums = vec![Compared::default(); levels.len()];
    for (row, code) in codes.iter().enumerate() {
        let weight = weight.map_or(1.0, |weight| weight[row]);
        let (observed, expected) = of(row);
        sums[*code as usize].add(Compared::row(volume[row], weight, observed, expected));
    }
    levels.iter().zip(&sums).map(|(name, sum)| LevelResult::of(name, sum)).collect()
}

impl Rows {
    /// What a fit expects of them.
    fn means(&self, fit: &Fit) -> Result<Vec<f64>, Failure> {
        // A model without terms has no column to count rows by.
        let none = vec![0.0; self.response.len()];
        let offset = self.offset.as_deref();
        let offset = offset.or_else(|| self.frame.is_empty().then_some(&*none));
        fit.predict(&self.frame, offset).map_err(|error| refused(&error))
    }

    fn observations(&self) -> Observations<'_> {
        Observations {
            frame: &self.frame,
            response: &self.response,
            weight: self.weight.as_deref(),
            offset: self.offset.as_deref(),
        }
    }
}

/// What observed and expected are related to: exposure, weight, or both; one a row when absent.
pub(super) fn volume<'a>(
    exposure: Option<Numbers<'a>>,
    weight: Option<&Numbers<'a>>,
) -> Option<Numbers<'a>> {
    match (exposure, weight) {
        (Some(exposure), Some(weight)) => {
            Some(exposure.iter().zip(&**weight).map(|(exposure, own)| exposure * own).collect())
        }
        (Some(exposure), None) => Some(exposure),
        (None, weight) => weight.cloned(),
    }
}

/// The parameter of a family that has one.
pub(super) fn shape(family: Family) -> Option<f64> {
    match family {
        Family::Tweedie { power } => Some(power),
        Family::NegativeBinomial { alpha } => Some(alpha),
        Family::Gaussian | Family::Poisson | Family::Gamma | Family::Binomial => None,
    }
}

/// What a column of numbers is called in the frame: by its own name, unless a factor has that.
fn number_name(column: &str, terms: &[TermAsked]) -> String {
    let is_factor = terms.iter().flat_map(TermAsked::factors).any(|(factor, _)| factor == column);
    if is_factor { format!("{column} (number)") } else { column.to_owned() }
}

pub(super) fn as_term(
    term: &TermAsked,
    all: &[TermAsked],
    found: &dyn Fn(&str) -> Result<String, Failure>,
) -> Result<Term, Failure> {
    Ok(match term {
        TermAsked::Factor { column, base } => {
            let base = match base {
                Some(base) => base.clone(),
                None => found(column)?,
            };
            Term::factor(column, &base)
        }
        TermAsked::Number(column) => Term::numeric(&number_name(column, all)),
        TermAsked::Spline { column, knots } => Term::spline(&number_name(column, all), knots),
        TermAsked::Product(parts) => {
            let parts = parts.iter().map(|part| as_term(part, all, found));
            Term::Product(parts.collect::<Result<_, _>>()?)
        }
    })
}

/// The level with the largest weight, the first of several.
fn heaviest(data: &Data, column: &str, weight: Option<&[f64]>) -> Result<String, Failure> {
    let (levels, codes) = data.factor(column)?;
    let mut sums = vec![0.0; levels.len()];
    for (row, code) in codes.iter().enumerate() {
        sums[*code as usize] += weight.map_or(1.0, |weight| weight[row]);
    }
    let most = sums.iter().copied().fold(f64::MIN, f64::max);
    let place = sums.iter().position(|sum| *sum == most).unwrap_or(0);
    Ok(levels.into_iter().nth(place).unwrap_or_default())
}

fn logarithms(column: Option<&String>, exposure: &[f64]) -> Result<Vec<f64>, Failure> {
    let column = column.map(String::as_str).unwrap_or_default();
    match exposure.iter().position(|exposure| *exposure <= 0.0) {
        None => Ok(exposure.iter().map(|exposure| exposure.ln()).collect()),
        Some(row) => {
            let value = exposure[row];
            let detail = format!("{column} is {value} in row {}, and has no logarithm", row + 1);
            let advice = "leave rows without exposure out with a condition under rows";
            Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column))
        }
    }
}

fn coefficients(fit: &Fit) -> Vec<CoefficientResult> {
    let is_log = fit.model.link == Link::Log;
    let each = fit.coefficients.iter();
    each.map(|own| {
        let off = own.error.map(|error| NINETY_FIVE * error);
        CoefficientResult {
            name: own.name.clone(),
            estimate: own.estimate.into(),
            error: own.error.map(Figure),
            z: own.z().filter(|z| z.is_finite()).map(Figure),
            p: own.p().filter(|p| p.is_finite()).map(Figure),
            low: off.map(|off| Figure(own.estimate - off)),
            high: off.map(|off| Figure(own.estimate + off)),
            relativity: is_log.then(|| Figure(own.estimate.exp())),
        }
    })
    .collect()
}

fn tests(tests: &[Test]) -> Vec<TestResult> {
    let result = |test: &Test| TestResult {
        name: test.name.clone(),
        degrees: test.degrees,
        statistic: test.statistic.into(),
        p: test.p.into(),
    };
    tests.iter().map(result).collect()
}

/// What one response costs around its mean, with weight one.
fn unit_deviance(family: Family, y: f64, mean: f64) -> f64 {
    let y_ln = |ratio: f64| if y == 0.0 { 0.0 } else { y * ratio.ln() };
    2.0 * match family {
        Family::Gaussian | Family::Tweedie { power: 0.0 } => 0.5 * (y - mean) * (y - mean),
        Family::Poisson | Family::Tweedie { power: 1.0 } => y_ln(y / mean) - (y - mean),
        Family::Gamma | Family::Tweedie { power: 2.0 } => (y - mean) / mean - (y / mean).ln(),
        Family::Tweedie { power: p } => {
            y.max(0.0).powf(2.0 - p) / ((1.0 - p) * (2.0 - p)) - y * mean.powf(1.0 - p) / (1.0 - p)
                + mean.powf(2.0 - p) / (2.0 - p)
        }
        Family::Binomial => {
            let no = if y == 1.0 { 0.0 } else { (1.0 - y) * ((1.0 - y) / (1.0 - mean)).ln() };
            y_ln(y / mean) + no
        }
        Family::NegativeBinomial { alpha } => {
            y_ln(y / mean) - (y + 1.0 / alpha) * ((1.0 + alpha * y) / (1.0 + alpha * mean)).ln()
        }
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Gaussian => "gaussian",
        Family::Poisson => "poisson",
        Family::Gamma => "gamma",
        Family::Tweedie { .. } => "tweedie",
        Family::Binomial => "binomial",
        Family::NegativeBinomial { .. } => "negativeBinomial",
    }
}

fn link_name(link: Link) -> &'static str {
    match link {
        Link::Log => "log",
        Link::Logit => "logit",
        Link::Power(1.0) => "identity",
        Link::Power(-1.0) => "inverse",
        Link::Power(_) => "power",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviances_are_those_of_a_hand_calculation() {
        // 2·(2·ln 2 − 1), 2·(1 − ln 2), 2·ln 2 of a certain miss by half, and nothing at the mean.
        let cases = [
            (Family::Poisson, 2.0, 1.0, 2.0 * (2.0 * 2f64.ln() - 1.0)),
            (Family::Poisson, 0.0, 0.3, 0.6),
            (Family::Gamma, 2.0, 1.0, 2.0 * (1.0 - 2f64.ln())),
            (Family::Binomial, 1.0, 0.5, 2.0 * 2f64.ln()),
            (Family::Gaussian, 3.0, 1.0, 4.0),
            // At p = 1.5: 2·(√y/(−0.25) + 2·y/√μ·... ) of y = 0 is 2·√μ/0.5.
            (Family::Tweedie { power: 1.5 }, 0.0, 4.0, 8.0),
            // Inverse Gaussian: (y − μ)²/(μ²·y). Below p = 0 responses may be negative.
            (Family::Tweedie { power: 3.0 }, 2.0, 5.0, 9.0 / 50.0),
            (Family::Tweedie { power: 0.0 }, 3.0, 1.0, 4.0),
            (Family::Tweedie { power: 1.0 }, 0.0, 0.3, 0.6),
            (Family::Tweedie { power: 2.0 }, 2.0, 1.0, 2.0 * (1.0 - 2f64.ln())),
            (Family::Tweedie { power: -1.0 }, -3.0, 2.0, 2.0 * (6.0 + 8.0 / 3.0)),
        ];
        for (family, y, mean, wanted) in cases {
            let found = unit_deviance(family, y, mean);
            assert!((found - wanted).abs() < 1e-12, "{family:?}: {found} is not {wanted}");
        }
        for family in [Family::Tweedie { power: 1.3 }, Family::NegativeBinomial { alpha: 0.7 }] {
            assert!(unit_deviance(family, 2.5, 2.5).abs() < 1e-12, "{family:?}");
        }
    }
}

//! 模型验证: predictions against what came, on rows no model was fitted to: lift, Gini, double lift, and
//! actual against expected by factor.

use actuarial_models::Stop;
use actuarial_models::validation::ValidationError;
use actuarial_models::validation::pricing::{Band, Priced};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::dataset::Role;
use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::glm::{self, ComparisonResult, Glm, NestedResult, compare};
use crate::method::prepare::{Condition, ConditionBody, DerivedBody, Prepare, meet};
use crate::method::trees::{self, Trees};
use crate::method::{Failure, Outcome, Plan};

/// Points of a Lorenz curve that are told.
const POINTS: usize = 50;

/// Bands of the lift of rows that are held out.
const BANDS: usize = 10;

/// Most levels a comparison is shown by.
const MOST_SHOWN: usize = 200;

/// Which predictions are judged, and by what.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ValidationParameters)]
pub struct ValidationBody {
    /// Which rows are taken: all that meet every condition. Take rows the model was not fitted to.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column of what came: claims or an amount.
    #[schema(example = "ClaimNb")]
    pub actual: Option<String>,
    /// The column of what the model expects, in the same unit.
    #[schema(example = "expected")]
    pub expected: Option<String>,
    /// Instead of `expected` and `rival`: one or two models, with the parameters of runs of `glm` or
    /// `boostedTrees`. Each is fitted to the rows that are not held out, and judged on those that are.
    pub models: Option<Vec<JudgedModelBody>>,
    /// With `models`: the rows that are held out.
    pub hold_out: Option<Vec<ConditionBody>>,
    /// With one `glm` under `models`: the terms that a smaller model keeps, named as its tests name them
    /// (`Area`, `spline(DrivAge)`, `Area:VehGas`). A likelihood-ratio test says whether the others matter.
    #[schema(example = json!(["Area", "BonusMalus"]))]
    pub nested: Option<Vec<String>>,
    /// The column of what another model, or the market's premium, expects: for a double lift.
    pub rival: Option<String>,
    /// The column of exposure; one for each row when absent.
    pub exposure: Option<String>,
    /// Columns by whose levels actual is set against expected.
    pub factors: Option<Vec<String>>,
    /// Bands of the lifts; 10 when absent.
    pub bands: Option<u64>,
}

/// A model that is judged.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = JudgedModel)]
pub struct JudgedModelBody {
    /// `glm` or `boostedTrees`.
    pub method: Option<String>,
    /// The parameters of a run of it, without `rows`, `holdOut` and `missing`.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Value>,
}

/// Where predictions come from.
#[derive(Clone, Debug)]
enum Source {
    Columns { expected: String, rival: Option<String> },
    Models { models: Vec<Model>, hold_out: Vec<Condition> },
}

#[derive(Clone, Debug)]
enum Model {
    Glm(Box<Glm>),
    Trees(Box<Trees>),
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    columns: Vec<String>,
    prepare: Prepare,
    actual: String,
    source: Source,
    exposure: Option<String>,
    factors: Vec<String>,
    bands: usize,
    nested: Option<Vec<String>>,
}

/// How predictions do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidationResult {
    pub(crate) rows: usize,
    pub(crate) judged: JudgedResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rival: Option<RivalResult>,
    pub(crate) comparisons: Vec<ComparisonResult>,
    /// The model against one with fewer terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nested: Option<NestedResult>,
}

/// A model's order and level, by exposure.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JudgedResult {
    pub(crate) exposure: Figure,
    pub(crate) actual: Figure,
    pub(crate) expected: Figure,
    /// Actual against expected.
    pub(crate) ratio: Figure,
    pub(crate) gini: Figure,
    /// Bands of the same exposure, the rows the model finds cheapest first.
    pub(crate) lift: Vec<BandResult>,
    /// Part of the exposure and of what came, from the cheapest on.
    pub(crate) lorenz: Vec<PointResult>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BandResult {
    pub(crate) rows: usize,
    pub(crate) exposure: Figure,
    /// Per unit of exposure.
    pub(crate) actual: Figure,
    pub(crate) expected: Figure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rival: Option<Figure>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PointResult {
    pub(crate) exposure: Figure,
    pub(crate) actual: Figure,
}

/// The other model, and both together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RivalResult {
    pub(crate) judged: JudgedResult,
    /// Bands of the same exposure, ordered by what the rival expects against the model.
    pub(crate) double_lift: Vec<BandResult>,
    /// Mean distance from what came over these bands, of the model and of the rival: the less, the
    /// better where both disagree.
    pub(crate) distance: Figure,
    pub(crate) rival_distance: Figure,
    /// Gini index of the model over what the rival charges: what choosing risks by the model could win.
    pub(crate) gini_against: Figure,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &ValidationBody, check: &mut Check<'_>) -> Validation {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let factors = body.factors.iter().flatten().enumerate();
    let factors = factors
        .map(|(at, name)| check.needed(&format!("/factors/{at}"), Some(name), None))
        .collect();
    Validation {
        actual: check.number("/actual", body.actual.as_ref(), Some(Role::Claims)),
        source: source(body, check),
        exposure: check.optional_number("/exposure", body.exposure.as_ref(), Some(Role::Exposure)),
        bands: check.whole("/bands", body.bands, 10, 2..=100),
        nested: nested(body, check),
        columns: check.used(),
        prepare,
        factors,
    }
}

/// The terms a smaller model keeps.
fn nested(body: &ValidationBody, check: &mut Check<'_>) -> Option<Vec<String>> {
    let kept = body.nested.clone()?;
    let models = body.models.as_deref().unwrap_or_default();
    if !matches!(models, [one] if one.method.as_deref().is_none_or(|method| method == "glm")) {
        check.fault("/nested", "goes with one glm under models");
    }
    Some(kept)
}

fn source(body: &ValidationBody, check: &mut Check<'_>) -> Source {
    let Some(bodies) = &body.models else {
        if body.hold_out.is_some() {
            check.fault("/holdOut", "belongs to models: choose rows of predictions under rows");
        }
        return Source::Columns {
            expected: check.number("/expected", body.expected.as_ref(), None),
            rival: check.optional_number("/rival", body.rival.as_ref(), None),
        };
    };
    if body.expected.is_some() || body.rival.is_some() {
        check.fault("/models", "give columns or models, not both");
    }
    if !(1..=2).contains(&bodies.len()) {
        check.fault("/models", "name one or two models");
    }
    let hold_out = glm::conditions(body.hold_out.as_ref(), check, "/holdOut");
    if body.hold_out.as_ref().is_none_or(Vec::is_empty) {
        check.fault("/holdOut", "say which rows models are judged by and not fitted to");
    }
    let each = bodies.iter().enumerate();
    let models = each.filter_map(|(index, body)| model(index, body, check)).collect();
    Source::Models { models, hold_out }
}

fn model(index: usize, body: &JudgedModelBody, check: &mut Check<'_>) -> Option<Model> {
    let at = format!("/models/{index}/parameters");
    let parameters = body.parameters.clone().unwrap_or_else(|| Value::Object(Map::new()));
    // Both are judged on the same rows, so neither may choose its own.
    for member in ["rows", "holdOut", "missing"] {
        if parameters.get(member).is_some() {
            check.fault(&format!("{at}/{member}"), "is for all models: leave it out here");
        }
    }
    let words = [("glm", false), ("boostedTrees", true)];
    match check.word(&format!("/models/{index}/method"), body.method.as_ref(), &words) {
        false => {
            let read = check.nested(&at, &parameters, glm::read);
            read.map(|own| Model::Glm(Box::new(own)))
        }
        true => {
            let read = check.nested(&at, &parameters, trees::read);
            read.map(|own| Model::Trees(Box::new(own)))
        }
    }
}

impl Model {
    /// What it expects of the rows that are held, fitted to the others.
    fn expected_of(
        &self,
        data: Data,
        held: &[bool],
        seed: u64,
        stop: Stop<'_>,
    ) -> Result<Vec<f64>, Failure> {
        match self {
            Model::Glm(own) => own.expected_of(data, held, stop),
            Model::Trees(own) => own.expected_of(data, held, seed, stop),
        }
    }
}

impl Plan for Validation {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let nested = self.tested(&data, watch)?;
        let Predicted { data, expected, rival } = self.predicted(data, seed, watch)?;
        let actual = data.numbers(&self.actual)?;
        let exposure = match &self.exposure {
            Some(column) => data.numbers(column)?,
            None => vec![1.0; data.rows()],
        };
        watch.stage("judging", 80);
        let (own_name, rival_name) = self.names();
        let refuse = |error: ValidationError| self.refused(&error, own_name, own_name);
        let own = judged(&exposure, &expected, &actual, self.bands).map_err(refuse)?;
        let rival = match rival {
            Some(rival) => {
                let found = self.rival(&exposure, &expected, &actual, &rival);
                Some(found.map_err(|error| self.refused(&error, own_name, rival_name))?)
            }
            None => None,
        };
        let mut comparisons = vec![];
        for factor in &self.factors {
            let (levels, codes) = data.factor(factor)?;
            if levels.len() > MOST_SHOWN {
                let detail = format!("{factor} has {} levels", levels.len());
                let advice = "class or group it under derive";
                return Err(Failure::new(&error::TOO_MUCH_DATA, detail, advice).of_column(factor));
            }
            let of = |row: usize| (actual[row], expected[row]);
            let levels = compare(&levels, &codes, None, &exposure, of);
            comparisons.push(ComparisonResult { name: factor.clone(), levels });
        }
        let mut shown =
            vec![("rows", actual.len() as f64), ("gini", own.gini.0), ("ratio", own.ratio.0)];
        if let Some(rival) = &rival {
            shown.extend([
                ("rivalGini", rival.judged.gini.0),
                ("distance", rival.distance.0),
                ("rivalDistance", rival.rival_distance.0),
            ]);
        }
        if let Some(nested) = &nested {
            shown.extend([
                ("likelihoodRatio", nested.test.statistic.0),
                ("likelihoodRatioP", nested.test.p.0),
            ]);
        }
        Outcome::of(
            &ValidationResult { rows: actual.len(), judged: own, rival, comparisons, nested },
            shown,
        )
    }
}

/// Predictions, and the rows they are of.
struct Predicted {
    data: Data,
    expected: Vec<f64>,
    rival: Option<Vec<f64>>,
}

impl Validation {
    fn predicted(&self, data: Data, seed: u64, watch: &Watch) -> Result<Predicted, Failure> {
        let (models, hold_out) = match &self.source {
            Source::Models { models, hold_out } => (models, hold_out),
            Source::Columns { expected, rival } => {
                let expected = data.numbers(expected)?;
                let rival = rival.as_ref().map(|rival| data.numbers(rival)).transpose()?;
                return Ok(Predicted { data, expected, rival });
            }
        };
        let held = meet(hold_out, &data)?;
        if !held.contains(&true) || !held.contains(&false) {
            let detail = "holdOut holds out every row or none";
            return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, "change its conditions"));
        }
        let asked = || watch.is_stopped();
        let mut found = vec![];
        for (place, model) in models.iter().enumerate() {
            watch.stage("fitting models", if place == 0 { 15 } else { 45 });
            found.push(model.expected_of(data.clone(), &held, seed, Stop::when(&asked))?);
        }
        let mut found = found.into_iter();
        let expected = found.next().unwrap_or_default();
        Ok(Predicted { data: data.only(&held), expected, rival: found.next() })
    }

    /// The model against one with fewer terms, where that is asked for.
    fn tested(&self, data: &Data, watch: &Watch) -> Result<Option<NestedResult>, Failure> {
        let (Some(kept), Source::Models { models, hold_out }) = (&self.nested, &self.source) else {
            return Ok(None);
        };
        let [Model::Glm(model)] = models.as_slice() else { return Ok(None) };
        watch.stage("testing against fewer terms", 8);
        let held = meet(hold_out, data)?;
        let asked = || watch.is_stopped();
        model.nested(data.clone(), &held, kept, Stop::when(&asked)).map(Some)
    }

    /// What predictions are called when they do not suit.
    fn names(&self) -> (&str, &str) {
        match &self.source {
            Source::Columns { expected, rival } => (expected, rival.as_deref().unwrap_or_default()),
            Source::Models { .. } => ("the first model", "the second model"),
        }
    }

    fn rival(
        &self,
        exposure: &[f64],
        expected: &[f64],
        actual: &[f64],
        rival: &[f64],
    ) -> Result<RivalResult, ValidationError> {
        let priced = Priced::new(exposure, expected, actual)?;
        let bands = priced.double_lift(rival, self.bands)?;
        let whole: f64 = exposure.iter().sum();
        let (mut distance, mut rival_distance) = (0.0, 0.0);
        for band in &bands {
            distance += (band.band.expected - band.band.actual).abs() / whole;
            rival_distance += (band.rival - band.band.actual).abs() / whole;
        }
        let double_lift = bands.iter().map(|band| BandResult {
            rival: Some(Figure(band.rival / band.band.exposure)),
            ..band_result(&band.band)
        });
        Ok(RivalResult {
            judged: judged(exposure, rival, actual, self.bands)?,
            double_lift: double_lift.collect(),
            distance: distance.into(),
            rival_distance: rival_distance.into(),
            gini_against: priced.lorenz_against(rival)?.gini()?.into(),
        })
    }

    fn refused(&self, error: &ValidationError, expected: &str, rival: &str) -> Failure {
        match error {
            ValidationError::NotFinite(what) => Failure::not_a_number(what.0),
            ValidationError::NoClaims => {
                let detail = "nothing came, or nothing is expected, in any row";
                let failure =
                    Failure::new(&error::NOTHING_TO_LEARN, detail, "choose rows with claims");
                failure.of_column(&self.actual)
            }
            ValidationError::Value { what, row } => {
                let column = match *what {
                    "exposure" => self.exposure.as_deref().unwrap_or_default(),
                    "claims" => &self.actual,
                    "expected claims" => expected,
                    _ => rival,
                };
                let detail = format!("{column} is out of range in row {}", row + 1);
                let advice = "exposure and what is compared are positive, claims not negative: leave \
                              other rows out with a condition under rows";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column)
            }
            ValidationError::Length { .. }
            | ValidationError::OneClass
            | ValidationError::Argument(_) => {
                Failure::new(&error::UNFIT_VALUE, error.to_string(), "correct the parameters")
            }
        }
    }
}

/// How a model orders rows and hits their level. Figures of bands are per unit of exposure.
pub(crate) fn judged(
    exposure: &[f64],
    expected: &[f64],
    actual: &[f64],
    bands: usize,
) -> Result<JudgedResult, ValidationError> {
    let priced = Priced::new(exposure, expected, actual)?;
    let whole = priced.whole();
    let lorenz = priced.lorenz()?;
    let points = lorenz.at(POINTS)?;
    Ok(JudgedResult {
        exposure: whole.exposure.into(),
        actual: whole.actual.into(),
        expected: whole.expected.into(),
        ratio: (whole.actual / whole.expected).into(),
        gini: lorenz.gini()?.into(),
        lift: priced.lift(bands)?.iter().map(band_result).collect(),
        lorenz: points
            .into_iter()
            .map(|point| PointResult {
                exposure: point.exposure.into(),
                actual: point.actual.into(),
            })
            .collect(),
    })
}

/// The same in ten bands, of rows a model was not fitted to. `None` where there is nothing to order by:
/// no claim, or amounts below zero, which have no part of a whole.
pub(crate) fn judged_if_any(
    exposure: &[f64],
    expected: &[f64],
    actual: &[f64],
) -> Result<Option<JudgedResult>, Failure> {
    match judged(exposure, expected, actual, BANDS) {
        Ok(found) => Ok(Some(found)),
        Err(ValidationError::NotFinite(what)) => Err(Failure::not_a_number(what.0)),
        Err(_) => Ok(None),
    }
}

fn band_result(band: &Band) -> BandResult {
    BandResult {
        rows: band.rows,
        exposure: band.exposure.into(),
        actual: (band.actual / band.exposure).into(),
        expected: (band.expected / band.exposure).into(),
        rival: None,
    }
}

//! 模型验证: predictions against what came, on rows no model was fitted to: lift, Gini, double lift, and
//! actual against expected by factor.

use actuarial_models::validation::ValidationError;
use actuarial_models::validation::pricing::{Band, Priced};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dataset::Role;
use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::glm::{ComparisonResult, compare};
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
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
    /// The column of what another model, or the market's premium, expects: for a double lift.
    pub rival: Option<String>,
    /// The column of exposure; one for each row when absent.
    pub exposure: Option<String>,
    /// Columns by whose levels actual is set against expected.
    pub factors: Option<Vec<String>>,
    /// Bands of the lifts; 10 when absent.
    pub bands: Option<u64>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    columns: Vec<String>,
    prepare: Prepare,
    actual: String,
    expected: String,
    rival: Option<String>,
    exposure: Option<String>,
    factors: Vec<String>,
    bands: usize,
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
        expected: check.number("/expected", body.expected.as_ref(), None),
        rival: check.optional_number("/rival", body.rival.as_ref(), None),
        exposure: check.optional_number("/exposure", body.exposure.as_ref(), Some(Role::Exposure)),
        bands: check.whole("/bands", body.bands, 10, 2..=100),
        columns: check.used(),
        prepare,
        factors,
    }
}

impl Plan for Validation {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let actual = data.numbers(&self.actual)?;
        let expected = data.numbers(&self.expected)?;
        let exposure = match &self.exposure {
            Some(column) => data.numbers(column)?,
            None => vec![1.0; data.rows()],
        };
        watch.stage("judging", 30);
        let refuse = |error: ValidationError| self.refused(&error, &self.expected);
        let own = judged(&exposure, &expected, &actual, self.bands).map_err(refuse)?;
        let rival = match &self.rival {
            Some(column) => {
                watch.stage("judging the rival", 60);
                let rival = data.numbers(column)?;
                let found = self.rival(&exposure, &expected, &actual, &rival);
                Some(found.map_err(|error| self.refused(&error, column))?)
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
        Outcome::of(
            &ValidationResult { rows: actual.len(), judged: own, rival, comparisons },
            shown,
        )
    }
}

impl Validation {
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

    fn refused(&self, error: &ValidationError, expected: &str) -> Failure {
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
                    "expected claims" => &self.expected,
                    _ => expected,
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

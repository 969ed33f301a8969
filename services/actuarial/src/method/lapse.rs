//! 退保预测: who will not renew, judged on rows nothing was learnt from, and whether chances keep their word.

use actuarial_models::Stop;
use actuarial_models::glm::{Frame, GlmError};
use actuarial_models::scoring::{Recipe, ScoringError};
use actuarial_models::trees::{Outcomes, TreesError};
use actuarial_models::validation::ValidationError;
use actuarial_models::validation::chances::Scored;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::chances::{CalibratedResult, calibration, is_drawn};
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::features::Features;
use crate::method::glm;
use crate::method::prepare::{Condition, ConditionBody, DerivedBody, Prepare, meet};
use crate::method::{Failure, Outcome, Plan};

/// Rows scored one by one to tell which columns matter.
const EXPLAINED: usize = 1_000;

/// Shares of the rows with the highest chances that are told of.
const TOP: [f64; 4] = [0.01, 0.05, 0.1, 0.2];

/// What is learnt, and from what.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = LapseParameters)]
pub struct LapseBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column that says whether a policy lapsed: 0 and 1, false and true.
    #[schema(example = "lapse")]
    pub lapsed: Option<String>,
    /// The columns chances are learnt from: numbers as numbers, others by their levels.
    pub features: Option<Vec<LapseFeatureBody>>,
    /// Rows that are held out: nothing is learnt from them, and chances are judged by them.
    pub hold_out: Option<Vec<ConditionBody>>,
    /// Without `holdOut`: the part of the rows that is held out, drawn by their number; 0.3 when absent.
    pub held_part: Option<f64>,
    /// From how many seeds trees are grown; 3 when absent.
    pub seeds: Option<u64>,
    /// Part of the regression in the chances, 0 to 1; 0.3 when absent.
    pub linear: Option<f64>,
    /// Bands of the calibration; 10 when absent.
    pub bands: Option<u64>,
}

/// A column chances are learnt from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = LapseFeature)]
pub struct LapseFeatureBody {
    /// The column.
    pub column: Option<String>,
    /// Takes numbers by their values as levels.
    pub as_levels: Option<bool>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Lapse {
    columns: Vec<String>,
    prepare: Prepare,
    lapsed: String,
    features: Features,
    hold_out: Vec<Condition>,
    held_part: f64,
    recipe: Recipe,
    bands: usize,
}

/// What was learnt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LapseResult {
    pub(crate) learnt: SeenResult,
    pub(crate) held: SeenResult,
    /// Chance that of two held rows, one of each kind, the one that lapsed has the higher chance.
    pub(crate) auc: Figure,
    pub(crate) average_precision: Figure,
    pub(crate) log_loss: Figure,
    pub(crate) brier: Figure,
    /// Mean distance between said and seen over the bands.
    pub(crate) calibration_error: Figure,
    /// Rows of neighbouring chances, the lowest first.
    pub(crate) calibration: Vec<CalibratedResult>,
    pub(crate) top: Vec<TopResult>,
    /// What columns add to the log odds, the strongest first.
    pub(crate) reasons: Vec<ReasonResult>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeenResult {
    pub(crate) rows: usize,
    pub(crate) lapsed: usize,
    pub(crate) rate: Figure,
}

/// The rows with the highest chances.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopResult {
    pub(crate) share: Figure,
    pub(crate) rows: usize,
    pub(crate) precision: Figure,
    pub(crate) recall: Figure,
    pub(crate) least: Figure,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReasonResult {
    pub(crate) column: String,
    /// Mean size of its effect on the log odds, over held rows.
    pub(crate) effect: Figure,
}

/// Rows something is learnt from, or judged by.
struct Rows {
    frame: Frame,
    lapsed: Vec<bool>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &LapseBody, check: &mut Check<'_>) -> Lapse {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let lapsed = check.needed("/lapsed", body.lapsed.as_ref(), None);
    let mut features = Features::default();
    for (index, feature) in body.features.iter().flatten().enumerate() {
        let at = format!("/features/{index}/column");
        let own = features.read(check, &at, feature.column.as_ref(), feature.as_levels);
        if own.is_some_and(|own| own.column == lapsed) {
            check.fault(&at, "is named before");
        }
    }
    Features::bounded(check, body.features.as_ref());
    let hold_out = glm::conditions(body.hold_out.as_ref(), check, "/holdOut");
    if body.held_part.is_some() && !hold_out.is_empty() {
        check.fault("/heldPart", "give holdOut or heldPart, not both");
    }
    let names: Vec<&str> = features.columns().collect();
    let plain = Recipe::frequent(&names);
    let recipe = Recipe {
        seeds: check.whole("/seeds", body.seeds, plain.seeds as u64, 1..=20),
        linear: check.within("/linear", body.linear, plain.linear, 0.0..=1.0),
        ..plain
    };
    Lapse {
        held_part: check.within("/heldPart", body.held_part, 0.3, 0.01..=0.9),
        bands: check.whole("/bands", body.bands, 10, 2..=100),
        columns: check.used(),
        prepare,
        lapsed,
        features,
        hold_out,
        recipe,
    }
}

impl Plan for Lapse {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let held = match self.hold_out.is_empty() {
            true => (1..=data.rows() as u64).map(|row| is_drawn(row, self.held_part)).collect(),
            false => meet(&self.hold_out, &data)?,
        };
        let learnt: Vec<bool> = held.iter().map(|held| !held).collect();
        let (held, learnt) =
            (self.rows(&data.clone().only(&held))?, self.rows(&data.only(&learnt))?);
        watch.stage("learning", 20);
        let mut recipe = self.recipe.clone();
        recipe.boost.seed = seed;
        let asked = || watch.is_stopped();
        let outcomes = Outcomes { frame: &learnt.frame, happened: &learnt.lapsed, weight: None };
        let scorer = recipe
            .learn_until(&outcomes, Stop::when(&asked))
            .map_err(|error| self.refused(&error))?;
        watch.stage("judging", 80);
        let chances = scorer.chances(&held.frame).map_err(|error| self.refused(&error))?;
        let unjudged = |error: ValidationError| self.unjudged(&error);
        let scored = Scored::new(&chances, &held.lapsed).map_err(unjudged)?;
        let mut top = vec![];
        for share in TOP {
            let own = scored.top(share).map_err(unjudged)?;
            top.push(TopResult {
                share: share.into(),
                rows: own.rows,
                precision: own.precision.into(),
                recall: own.recall.into(),
                least: own.least.into(),
            });
        }
        watch.stage("explaining", 90);
        let columns: Vec<&str> = self.features.columns().collect();
        let mut effects = vec![0.0; columns.len()];
        let step = (held.lapsed.len() / EXPLAINED).max(1);
        let explained: Vec<usize> = (0..held.lapsed.len()).step_by(step).collect();
        for &row in &explained {
            if watch.is_stopped() {
                return Err(Failure::stopped());
            }
            let score = scorer.score(&held.frame, row).map_err(|error| self.refused(&error))?;
            for reason in score.reasons {
                let own = columns.iter().position(|column| *column == reason.column);
                own.into_iter().for_each(|place| effects[place] += reason.effect.abs());
            }
        }
        let mut reasons: Vec<ReasonResult> = columns
            .into_iter()
            .zip(effects)
            .map(|(column, sum)| ReasonResult {
                column: column.to_owned(),
                effect: (sum / explained.len().max(1) as f64).into(),
            })
            .collect();
        reasons.sort_by(|a, b| b.effect.0.total_cmp(&a.effect.0));
        let found = LapseResult {
            learnt: seen(&learnt),
            held: seen(&held),
            auc: scored.auc().into(),
            average_precision: scored.average_precision().into(),
            log_loss: scored.log_loss().into(),
            brier: scored.brier().into(),
            calibration_error: scored.calibration_error(self.bands).map_err(unjudged)?.into(),
            calibration: calibration(&scored, self.bands).map_err(unjudged)?,
            top,
            reasons,
        };
        let shown = [
            ("auc", found.auc.0),
            ("calibrationError", found.calibration_error.0),
            ("rate", found.held.rate.0),
            ("rowsHeld", found.held.rows as f64),
        ];
        Outcome::of(&found, shown)
    }
}

impl Lapse {
    fn rows(&self, data: &Data) -> Result<Rows, Failure> {
        let frame = self.features.frame(data)?;
        let mut lapsed = Vec::with_capacity(data.rows());
        for (row, text) in data.texts(&self.lapsed)?.into_iter().enumerate() {
            lapsed.push(match text.as_deref() {
                Some("1" | "1.0" | "true") => true,
                Some("0" | "0.0" | "false") => false,
                other => {
                    let text = other.unwrap_or("nothing");
                    let detail = format!("{} is {text:?} in row {}", self.lapsed, row + 1);
                    let advice = "it is 0 and 1, or false and true: give scores to its levels under \
                                  derive";
                    return Err(
                        Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.lapsed)
                    );
                }
            });
        }
        Ok(Rows { frame, lapsed })
    }

    fn unjudged(&self, error: &ValidationError) -> Failure {
        match error {
            ValidationError::NotFinite(what) => Failure::not_a_number(what.0),
            ValidationError::Argument(_) => {
                let advice = "take fewer bands, or hold more rows out";
                Failure::new(&error::UNFIT_VALUE, error.to_string(), advice)
            }
            _ => {
                let detail = "among the rows held out all policies lapsed, or none did";
                let advice = "hold more rows out, with and without a lapse";
                let failure = Failure::new(&error::NOTHING_TO_LEARN, detail, advice);
                failure.of_column(&self.lapsed)
            }
        }
    }

    fn refused(&self, error: &ScoringError) -> Failure {
        match error {
            ScoringError::Columns(GlmError::Stopped(_))
            | ScoringError::Trees(TreesError::Stopped(_)) => Failure::stopped(),
            ScoringError::Trees(TreesError::OneClass) => {
                let detail = "among the rows learnt from all policies lapsed, or none did";
                let advice = "choose rows with and without a lapse";
                let failure = Failure::new(&error::NOTHING_TO_LEARN, detail, advice);
                failure.of_column(&self.lapsed)
            }
            ScoringError::Columns(error) => glm::refused(error),
            ScoringError::Trees(error) => crate::method::trees::refused(error),
            ScoringError::NotFinite(what) => Failure::not_a_number(what.0),
            ScoringError::Setting(_) | ScoringError::Missing(_) | ScoringError::Row { .. } => {
                Failure::new(&error::UNFIT_VALUE, error.to_string(), "correct the parameters")
            }
        }
    }
}

fn seen(rows: &Rows) -> SeenResult {
    let lapsed = rows.lapsed.iter().filter(|lapsed| **lapsed).count();
    let count = rows.lapsed.len();
    SeenResult { rows: count, lapsed, rate: (lapsed as f64 / count.max(1) as f64).into() }
}

//! 欺诈评分 (假赔、骗赔): a scorer of claims, learnt from claims that were looked into.
//!
//! It is learnt three times: without rows drawn at random, without the latest rows, and from all of
//! them. The first two are judged by what they did not see, side by side, for a score that only orders
//! rows of its own year promises too much; the third is the result, ready to be published.

use actuarial_models::Stop;
use actuarial_models::glm::{Frame, GlmError};
use actuarial_models::scoring::{Given, Recipe, Scorer, ScoringError};
use actuarial_models::trees::{Boost, Outcomes};
use actuarial_models::validation::ValidationError;
use actuarial_models::validation::chances::Scored;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dataset::ColumnType;
use crate::dataset::table::Column;
use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::chances::{CalibratedResult, calibration, is_drawn};
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::features::Features;
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan, glm, trees};
use crate::model::ModelId;

/// Rows of each kind that must be there: with fewer nothing can be judged.
pub(crate) const LEAST_OF_KIND: usize = 20;

/// What is learnt, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = FraudScoreParameters)]
pub struct FraudScoreBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column that says what was found.
    #[schema(example = "FraudFound_P")]
    pub label: Option<String>,
    /// Values of it that mean fraud; `1`, `true` and `confirmed` when absent.
    pub fraud: Option<Vec<String>>,
    /// The column rows are ordered in time by: numbers or days.
    #[schema(example = "Year")]
    pub time: Option<String>,
    /// Part of the rows, the latest, that the time split judges by; 0.3 when absent. All rows of one
    /// time are on one side.
    pub latest_part: Option<f64>,
    /// Part of the rows the random split judges by; 0.3 when absent.
    pub random_part: Option<f64>,
    /// A column of whole numbers that draws the random split by a hash, so that it is the same whatever
    /// the order of rows; they are drawn by the seed when absent.
    pub random_by: Option<String>,
    /// The columns it looks at: numbers as numbers, others by their levels.
    pub features: Option<Vec<ScoreFeatureBody>>,
    /// Trees of each of four sets; 400 when absent.
    pub trees: Option<u64>,
    /// Leaves of a tree, 2 to 7; 6 when absent.
    pub leaves: Option<u64>,
    /// Part of a leaf's step that is taken; 0.03 when absent.
    pub rate: Option<f64>,
    /// Sets of trees, each from a seed of its own; 4 when absent.
    pub seeds: Option<u64>,
    /// Part of the regression in the score; 0.1 when absent.
    pub linear: Option<f64>,
    /// An own model whose scores of the latest rows are told beside.
    pub champion: Option<String>,
}

/// A column the score looks at.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = FraudScoreFeature)]
pub struct ScoreFeatureBody {
    /// The column.
    pub column: Option<String>,
    /// Takes numbers by their values as levels.
    pub as_levels: Option<bool>,
    /// What it does in one year it need not do in the next, such as a month: half of the trees leave it
    /// out.
    pub fleeting: Option<bool>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct FraudScore {
    columns: Vec<String>,
    prepare: Prepare,
    label: String,
    fraud: Vec<String>,
    time: String,
    latest_part: f64,
    random_part: f64,
    random_by: Option<String>,
    features: Features,
    recipe: Recipe,
    champion: Option<ModelId>,
}

/// What was learnt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FraudScoreResult {
    pub(crate) rows: usize,
    /// Rows in which fraud was found.
    pub(crate) fraud: usize,
    /// Judged by rows drawn at random.
    pub(crate) random: SplitResult,
    /// Judged by the latest rows.
    pub(crate) latest: SplitResult,
    /// By column, the one that lowers the deviance most first.
    pub(crate) importance: Vec<GainResult>,
    /// Chances from which a claim is worth a look, and from which it is worth an investigation: what the
    /// tenth and the fiftieth part of the latest rows with the highest scores begin at.
    pub(crate) review_from: Figure,
    pub(crate) high_from: Figure,
    /// The model it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) champion: Option<ChampionResult>,
    /// The scorer of all rows.
    pub(crate) scorer: ScorerResult,
}

/// How a published model orders the latest rows, beside one that has not seen them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChampionResult {
    pub(crate) model_id: String,
    pub(crate) auc: Figure,
    pub(crate) challenger_auc: Figure,
}

/// How a scorer does on rows it was not learnt from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SplitResult {
    pub(crate) learnt_rows: usize,
    pub(crate) judged_rows: usize,
    pub(crate) judged_fraud: usize,
    /// The earliest time judged, of the time split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Figure>,
    pub(crate) auc: Figure,
    pub(crate) average_precision: Figure,
    pub(crate) log_loss: Figure,
    pub(crate) brier: Figure,
    /// Mean distance between expected and observed over the bands.
    pub(crate) calibration_error: Figure,
    /// The lowest chances first.
    pub(crate) calibration: Vec<CalibratedResult>,
    /// The rows with the highest scores.
    pub(crate) top: Vec<TopResult>,
}

/// The part of the rows with the highest scores.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopResult {
    pub(crate) part: Figure,
    pub(crate) rows: usize,
    pub(crate) precision: Figure,
    pub(crate) recall: Figure,
    /// How much more fraud there is among them than among all.
    pub(crate) lift: Figure,
    /// The least chance among them.
    pub(crate) from: Figure,
}

/// How much a column matters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GainResult {
    pub(crate) name: String,
    pub(crate) gain: Figure,
    /// The gain as part of that of all.
    pub(crate) part: Figure,
}

/// A scorer as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScorerResult {
    pub(crate) columns: Vec<ColumnResult>,
    /// SHA-256 of the bytes, hexadecimal.
    pub(crate) digest: String,
    /// The scorer, base64.
    pub(crate) bytes: String,
}

/// A column a row must have to be scored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ColumnResult {
    pub(crate) name: String,
    /// What it was learnt with; absent of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) levels: Option<Vec<String>>,
}

/// Rows and what was found in each.
struct Rows {
    frame: Frame,
    fraud: Vec<bool>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &FraudScoreBody, check: &mut Check<'_>) -> FraudScore {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let label = check.needed("/label", body.label.as_ref(), None);
    let fraud = body
        .fraud
        .clone()
        .unwrap_or_else(|| ["1", "true", "confirmed"].map(str::to_owned).to_vec());
    if fraud.is_empty() {
        check.fault("/fraud", "name at least one value of the label");
    }
    let time = check.needed("/time", body.time.as_ref(), None);
    let kind = check.column("/time", &time);
    if kind.is_some_and(|kind| !kind.is_numeric() && kind != ColumnType::Date) {
        check.fault("/time", "is a column of numbers or days");
    }
    let random_by = check.optional_number("/randomBy", body.random_by.as_ref(), None);
    let part = 0.05..=0.5;
    let latest_part = check.within("/latestPart", body.latest_part, 0.3, part.clone());
    let random_part = check.within("/randomPart", body.random_part, 0.3, part);
    let (mut features, mut fleeting) = (Features::default(), vec![]);
    for (index, feature) in body.features.iter().flatten().enumerate() {
        let at = format!("/features/{index}/column");
        let own = features.read(check, &at, feature.column.as_ref(), feature.as_levels);
        let Some(own) = own else { continue };
        if own.column == label {
            check.fault(&at, "is the label: a score must not know what was found");
        }
        if feature.fleeting.unwrap_or(false) {
            fleeting.push(own.column);
        }
    }
    Features::bounded(check, body.features.as_ref());
    let names: Vec<&str> = features.columns().collect();
    if !fleeting.is_empty() && fleeting.len() == names.len() {
        check.fault("/features", "at least one column is not fleeting");
    }
    let plain = Recipe::of(&names);
    let part = f64::MIN_POSITIVE..=1.0;
    let boost = Boost {
        trees: check.whole("/trees", body.trees, plain.boost.trees as u64, 1..=2_000),
        leaves: check.whole("/leaves", body.leaves, plain.boost.leaves as u64, 2..=7),
        rate: check.within("/rate", body.rate, plain.boost.rate, part),
        ..plain.boost.clone()
    };
    let seeds = check.whole("/seeds", body.seeds, plain.seeds as u64, 1..=8);
    let linear = check.within("/linear", body.linear, plain.linear, 0.0..=1.0);
    let recipe = Recipe { boost, seeds, linear, fleeting, ..plain };
    let champion = body.champion.as_deref().map(Uuid::try_parse);
    if champion.as_ref().is_some_and(Result::is_err) {
        check.fault("/champion", "is the identifier of an own model");
    }
    let columns = check.used();
    FraudScore {
        columns,
        prepare,
        label,
        fraud,
        time,
        latest_part,
        random_part,
        random_by,
        features,
        recipe,
        champion: champion.and_then(Result::ok).map(ModelId),
    }
}

impl Plan for FraudScore {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn champion(&self) -> Option<ModelId> {
        self.champion
    }

    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        watch.stage("preparing the columns", 12);
        let data = self.prepare.apply(data)?;
        let recipe =
            Recipe { boost: Boost { seed, ..self.recipe.boost.clone() }, ..self.recipe.clone() };
        let rows = self.rows(&data)?;
        let found = rows.fraud.iter().filter(|fraud| **fraud).count();
        if found.min(rows.fraud.len() - found) < LEAST_OF_KIND {
            return Err(too_few(found, rows.fraud.len(), "the data"));
        }
        let asked = || watch.is_stopped();
        let stop = Stop::when(&asked);
        watch.stage("judging by rows drawn at random", 20);
        let drawn = self.drawn(&data, seed)?;
        let (random, _) = self.judged(&recipe, &data, &drawn, "the rows drawn at random", stop)?;
        watch.stage("judging by the latest rows", 45);
        let times = self.times(&data)?;
        let from = self.latest_from(&times)?;
        let late: Vec<bool> = times.iter().map(|time| *time >= from).collect();
        let (mut latest, bounds) = self.judged(&recipe, &data, &late, "the latest rows", stop)?;
        latest.from = Some(from.into());
        let latest_auc = latest.auc;
        watch.stage("learning from all rows", 70);
        let scorer = self.learn(&recipe, &rows, stop)?;
        let gains = scorer.gains();
        let all: f64 = gains.iter().map(|(_, gain)| gain).sum();
        let mut importance: Vec<GainResult> = gains
            .into_iter()
            .map(|(name, gain)| GainResult {
                name: name.to_owned(),
                gain: gain.into(),
                part: (if all > 0.0 { gain / all } else { 0.0 }).into(),
            })
            .collect();
        importance.sort_by(|a, b| b.gain.0.total_cmp(&a.gain.0));
        let found = FraudScoreResult {
            rows: rows.fraud.len(),
            fraud: found,
            random,
            latest,
            importance,
            review_from: bounds[0].into(),
            high_from: bounds[1].into(),
            champion: self.compared(&data, &late, latest_auc)?,
            scorer: ScorerResult::of(&scorer),
        };
        let mut shown = vec![
            ("rows", found.rows as f64),
            ("fraud", found.fraud as f64),
            ("randomAuc", found.random.auc.0),
            ("latestAuc", found.latest.auc.0),
            ("latestCalibrationError", found.latest.calibration_error.0),
            ("reviewFrom", found.review_from.0),
            ("highFrom", found.high_from.0),
        ];
        shown.extend(found.champion.as_ref().map(|own| ("championAuc", own.auc.0)));
        Outcome::of(&found, shown)
    }
}

impl FraudScore {
    fn rows(&self, data: &Data) -> Result<Rows, Failure> {
        let frame = self.features.frame(data)?;
        let labels = data.texts(&self.label)?;
        if let Some(row) = labels.iter().position(Option::is_none) {
            let detail = format!("column {} says nothing in row {}", self.label, row + 1);
            let advice = "leave rows nobody looked into out with a condition under rows: \
                          { \"present\": true }";
            let failure = Failure::new(&error::UNFIT_VALUE, detail, advice);
            return Err(failure.of_column(&self.label));
        }
        let is_fraud =
            |label: &Option<String>| label.as_ref().is_some_and(|label| self.fraud.contains(label));
        Ok(Rows { frame, fraud: labels.iter().map(is_fraud).collect() })
    }

    fn learn(&self, recipe: &Recipe, rows: &Rows, stop: Stop<'_>) -> Result<Scorer, Failure> {
        let data = Outcomes { frame: &rows.frame, happened: &rows.fraud, weight: None };
        recipe.learn_until(&data, stop).map_err(|error| refused(&error))
    }

    /// Which rows the random split judges by.
    fn drawn(&self, data: &Data, seed: u64) -> Result<Vec<bool>, Failure> {
        let keys: Vec<u64> = match &self.random_by {
            Some(column) => data.numbers(column)?.iter().map(|key| *key as i64 as u64).collect(),
            None => {
                let rows = 0..data.rows() as u64;
                rows.map(|row| {
                    let hash = Sha256::digest([seed.to_le_bytes(), row.to_le_bytes()].concat());
                    u64::from(u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]))
                })
                .collect()
            }
        };
        Ok(keys.into_iter().map(|key| is_drawn(key, self.random_part)).collect())
    }

    /// The rows' times as numbers.
    fn times(&self, data: &Data) -> Result<Vec<f64>, Failure> {
        match data.column(&self.time)? {
            Column::Date(days) => {
                let missing = || {
                    let detail = format!("column {} has no day in some row", self.time);
                    Failure::new(&error::UNFIT_VALUE, detail, "fill it, or leave those rows out")
                        .of_column(&self.time)
                };
                let days = days.iter().map(|day| day.map(f64::from).ok_or_else(missing));
                days.collect()
            }
            _ => data.numbers(&self.time),
        }
    }

    /// The earliest time of the latest rows: with it they are as near to their part as whole times
    /// allow, and not all.
    fn latest_from(&self, times: &[f64]) -> Result<f64, Failure> {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut best: Option<(f64, f64)> = None;
        for at in 1..sorted.len() {
            if sorted[at] == sorted[at - 1] {
                continue;
            }
            let part = (sorted.len() - at) as f64 / sorted.len() as f64;
            let off = (part - self.latest_part).abs();
            if best.is_none_or(|(least, _)| off < least) {
                best = Some((off, sorted[at]));
            }
        }
        best.map(|(_, from)| from).ok_or_else(|| {
            let detail =
                format!("column {} has one value: no row is later than another", self.time);
            let advice = "name a column that orders rows in time";
            Failure::new(&error::NOTHING_TO_LEARN, detail, advice).of_column(&self.time)
        })
    }

    /// The champion on the latest rows.
    fn compared(
        &self,
        data: &Data,
        late: &[bool],
        challenger_auc: Figure,
    ) -> Result<Option<ChampionResult>, Failure> {
        let (Some(model), Some(champion)) = (self.champion, data.champion.clone()) else {
            return Ok(None);
        };
        let own = data.clone().only(late);
        let fraud = self.rows(&own)?.fraud;
        let mut columns = vec![];
        for name in champion.scorer().columns() {
            let column = own.column(name).map_err(|_| {
                let detail = format!("model {model} asks for {name}, which is no feature here");
                let advice = "name it under features, or leave champion out";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(name)
            })?;
            columns.push((name, column));
        }
        let chance = |row: usize| {
            let given = |name: &str| {
                let (_, column) = columns.iter().find(|(own, _)| *own == name)?;
                column.text(row).map(Given::Text)
            };
            champion.score(given).map(|score| score.chance)
        };
        let chances = (0..fraud.len()).map(chance).collect::<Result<Vec<f64>, _>>();
        let chances = chances.map_err(|error| refused(&error))?;
        let scored = Scored::new(&chances, &fraud).map_err(|error| unjudged(&error))?;
        let auc = scored.auc().into();
        Ok(Some(ChampionResult { model_id: model.to_string(), auc, challenger_auc }))
    }

    /// How a scorer learnt from the other rows does on these, and where their highest scores begin.
    fn judged(
        &self,
        recipe: &Recipe,
        data: &Data,
        judged: &[bool],
        which: &str,
        stop: Stop<'_>,
    ) -> Result<(SplitResult, [f64; 2]), Failure> {
        let learnt: Vec<bool> = judged.iter().map(|judged| !judged).collect();
        // Levels are those of the part, so neither knows what only the other has.
        let (train, test) =
            (self.rows(&data.clone().only(&learnt))?, self.rows(&data.clone().only(judged))?);
        for rows in [&train, &test] {
            let found = rows.fraud.iter().filter(|fraud| **fraud).count();
            if found == 0 || found == rows.fraud.len() {
                return Err(too_few(found, rows.fraud.len(), which));
            }
        }
        let scorer = self.learn(recipe, &train, stop)?;
        let chances = scorer.chances(&test.frame).map_err(|error| refused(&error))?;
        let refuse = |error: ValidationError| unjudged(&error);
        let scored = Scored::new(&chances, &test.fraud).map_err(refuse)?;
        let found = test.fraud.iter().filter(|fraud| **fraud).count();
        let share = found as f64 / chances.len() as f64;
        let bands = chances.len().min(10);
        let top = |part: f64| -> Result<TopResult, Failure> {
            let top = scored.top(part).map_err(refuse)?;
            Ok(TopResult {
                part: part.into(),
                rows: top.rows,
                precision: top.precision.into(),
                recall: top.recall.into(),
                lift: (top.precision / share).into(),
                from: top.least.into(),
            })
        };
        let tops = [0.01, 0.02, 0.05, 0.1, 0.2].map(top).into_iter();
        let tops = tops.collect::<Result<Vec<TopResult>, _>>()?;
        let bounds = [tops[3].from.0, tops[1].from.0];
        let found = SplitResult {
            learnt_rows: train.fraud.len(),
            judged_rows: chances.len(),
            judged_fraud: found,
            from: None,
            auc: scored.auc().into(),
            average_precision: scored.average_precision().into(),
            log_loss: scored.log_loss().into(),
            brier: scored.brier().into(),
            calibration_error: scored.calibration_error(bands).map_err(refuse)?.into(),
            calibration: calibration(&scored, bands).map_err(refuse)?,
            top: tops,
        };
        Ok((found, bounds))
    }
}

impl FraudScoreResult {
    /// How it did beside the model it was compared with.
    pub(crate) fn comparison(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.champion.as_ref()?).ok()
    }
}

impl ScorerResult {
    fn of(scorer: &Scorer) -> ScorerResult {
        let bytes = scorer.to_bytes();
        let columns = scorer.columns().map(|name| ColumnResult {
            name: name.to_owned(),
            levels: scorer.levels(name).map(<[String]>::to_vec),
        });
        ScorerResult {
            columns: columns.collect(),
            digest: hex::encode(Sha256::digest(&bytes)),
            bytes: STANDARD.encode(bytes),
        }
    }

    /// The scorer, when its bytes are what they were.
    pub(crate) fn scorer(&self) -> Option<Scorer> {
        let bytes = STANDARD.decode(&self.bytes).ok()?;
        let whole = hex::encode(Sha256::digest(&bytes)) == self.digest;
        whole.then(|| Scorer::from_bytes(&bytes).ok()).flatten()
    }
}

fn too_few(fraud: usize, rows: usize, which: &str) -> Failure {
    let detail = format!("fraud was found in {fraud} of {rows} rows of {which}");
    let advice = format!(
        "a score needs at least {LEAST_OF_KIND} rows with fraud and {LEAST_OF_KIND} without, and \
         some of each on both sides of a split; look at label, fraud, time and latestPart"
    );
    Failure::new(&error::NOTHING_TO_LEARN, detail, advice)
}

fn unjudged(error: &ValidationError) -> Failure {
    let advice = "look at label, time and latestPart";
    Failure::new(&error::NOTHING_TO_LEARN, error.to_string(), advice)
}

fn refused(error: &ScoringError) -> Failure {
    match error {
        ScoringError::Columns(GlmError::Stopped(_)) => Failure::stopped(),
        ScoringError::Columns(error) => glm::refused(error),
        ScoringError::Trees(error) => trees::refused(error),
        ScoringError::NotFinite(what) => Failure::not_a_number(what.0),
        ScoringError::Setting(_) | ScoringError::Missing(_) | ScoringError::Row { .. } => {
            Failure::ours(&error.to_string())
        }
    }
}

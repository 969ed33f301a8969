//! 提升树: gradient-boosted trees of claim frequency, explained, with a tariff distilled from them.

mod explain;
mod several;

use actuarial_models::Stop;
use actuarial_models::glm::Frame;
use actuarial_models::trees::{Boost, Counts, Monotone, Tariff, TreesError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::explain::Explain;
pub use self::explain::ExplainBody;
pub(crate) use self::explain::ExplainedRowResult;
use self::several::Several;
use crate::dataset::Role;
use crate::error;
use crate::figure::{Figure, figures};
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::{Data, MISSING_LEVEL};
use crate::method::features::Features;
use crate::method::glm::{self, ComparisonResult};
use crate::method::prepare::{Condition, ConditionBody, DerivedBody, Prepare, meet};
use crate::method::validation::{self, JudgedResult};
use crate::method::{Failure, Outcome, Plan};

/// Most levels a comparison is shown by.
const MOST_SHOWN: usize = 100;

/// What is grown, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = BoostedTreesParameters)]
pub struct TreesBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// Rows that are held out: not grown from, but predicted and judged.
    pub hold_out: Option<Vec<ConditionBody>>,
    /// The column of claim numbers.
    #[schema(example = "ClaimNb")]
    pub claims: Option<String>,
    /// The column of exposure.
    #[schema(example = "Exposure")]
    pub exposure: Option<String>,
    /// The columns trees look at: numbers as numbers, others by their levels.
    pub features: Option<Vec<FeatureBody>>,
    /// How many trees; 600 when absent.
    pub trees: Option<u64>,
    /// Leaves of a tree, 2 to 16; 16 when absent.
    pub leaves: Option<u64>,
    /// Part of a leaf's step that is taken; 0.1 when absent.
    pub rate: Option<f64>,
    /// Expected claims of a leaf at least; 10 when absent.
    pub least_expected: Option<f64>,
    /// Expected claims added to those of a leaf: ridge; 5 when absent.
    pub shrink: Option<f64>,
    /// What is added to that where levels are set apart; 5 when absent.
    pub level_shrink: Option<f64>,
    /// Bins of a number at most; 80 when absent.
    pub bins: Option<u64>,
    /// Part of the rows each tree is grown from; 1 when absent.
    pub rows_part: Option<f64>,
    /// Part of the features each tree looks at; 0.8 when absent.
    pub features_part: Option<f64>,
    /// How many times trees are grown, each from a seed of its own: their scores are averaged, which takes
    /// as many times as long and does better. At most 10; 1 when absent.
    pub seeds: Option<u64>,
    /// Rows whose expected claims are explained: the effect of each factor, adding up to the score.
    pub explain: Option<ExplainBody>,
    /// A tariff of tables is distilled from the trees of the first seed, with this many two-way tables; none when absent.
    pub tariff_pairs: Option<u64>,
}

/// A column trees look at.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = BoostedTreesFeature)]
pub struct FeatureBody {
    /// The column.
    pub column: Option<String>,
    /// Whether expected claims may only go up (`increasing`) or down (`decreasing`) with it; `free`
    /// when absent.
    pub monotone: Option<String>,
    /// Takes numbers by their values as levels.
    pub as_levels: Option<bool>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Trees {
    columns: Vec<String>,
    prepare: Prepare,
    hold_out: Vec<Condition>,
    claims: String,
    exposure: String,
    features: Features,
    boost: Boost,
    seeds: usize,
    explain: Option<Explain>,
    tariff_pairs: Option<usize>,
}

/// What was grown.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreesResult {
    pub(crate) rows: usize,
    pub(crate) claims: Figure,
    pub(crate) exposure: Figure,
    /// Of all seeds together.
    pub(crate) trees: usize,
    /// How many seeds are averaged.
    #[serde(default = "one")]
    pub(crate) seeds: usize,
    /// Claims per exposure where trees start.
    pub(crate) base: Figure,
    /// Mean Poisson deviance of the rows grown from.
    pub(crate) mean_deviance: Figure,
    /// By feature, the one that lowers the deviance most first.
    pub(crate) importance: Vec<ImportanceResult>,
    /// Pairs of features that meet on paths, with their gain.
    pub(crate) interactions: Vec<InteractionResult>,
    pub(crate) comparisons: Vec<ComparisonResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hold_out: Option<HeldResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tariff: Option<TariffResult>,
    /// The rows that were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) explained: Vec<ExplainedRowResult>,
}

/// Of results that do not say.
fn one() -> usize {
    1
}

/// How much a feature matters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportanceResult {
    pub(crate) name: String,
    pub(crate) gain: Figure,
    /// The gain as part of that of all.
    pub(crate) part: Figure,
    pub(crate) splits: usize,
    /// By how much the mean deviance grows when the feature's values are dealt out anew.
    pub(crate) permuted: Figure,
}

/// Two features that interact.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InteractionResult {
    pub(crate) name: String,
    pub(crate) gain: Figure,
}

/// How trees, and the tariff, do on rows none was grown from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldResult {
    pub(crate) rows: usize,
    pub(crate) mean_deviance: Figure,
    pub(crate) observed: Figure,
    pub(crate) expected: Figure,
    /// The mean deviance after 1, 2, 4, … trees of the first seed and after all of them.
    pub(crate) by_trees: Vec<StagedResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tariff_mean_deviance: Option<Figure>,
    /// Lift and order; absent without claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) judged: Option<JudgedResult>,
    /// By factor the trees look at.
    #[serde(default)]
    pub(crate) comparisons: Vec<ComparisonResult>,
}

/// The mean deviance after so many trees.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StagedResult {
    pub(crate) trees: usize,
    pub(crate) mean_deviance: Figure,
}

/// A tariff: a frequency is the base times one relativity of each table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TariffResult {
    pub(crate) base: Figure,
    pub(crate) mean_deviance: Figure,
    pub(crate) tables: Vec<TableResult>,
}

/// A table of a tariff.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TableResult {
    pub(crate) name: String,
    pub(crate) features: Vec<String>,
    /// What the bins of each feature hold.
    pub(crate) bins: Vec<Vec<String>>,
    /// By bin of the first feature, then of the second.
    pub(crate) relativities: Vec<Figure>,
}

/// Rows trees are grown from or judged by.
struct Rows {
    frame: Frame,
    claims: Vec<f64>,
    exposure: Vec<f64>,
}

/// Rows that are explained.
struct Picked {
    data: Data,
    rows: Rows,
    /// Theirs among all rows.
    places: Vec<usize>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &TreesBody, check: &mut Check<'_>) -> Trees {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let hold_out = glm::conditions(body.hold_out.as_ref(), check, "/holdOut");
    let claims = check.number("/claims", body.claims.as_ref(), Some(Role::Claims));
    let exposure = check.number("/exposure", body.exposure.as_ref(), Some(Role::Exposure));
    let ways = [
        ("free", Monotone::Free),
        ("increasing", Monotone::Increasing),
        ("decreasing", Monotone::Decreasing),
    ];
    let (mut features, mut monotone) = (Features::default(), vec![]);
    for (index, feature) in body.features.iter().flatten().enumerate() {
        let at = format!("/features/{index}");
        let column = format!("{at}/column");
        let own = features.read(check, &column, feature.column.as_ref(), feature.as_levels);
        let way = check.word(&format!("{at}/monotone"), feature.monotone.as_ref(), &ways);
        let Some(own) = own else { continue };
        if way != Monotone::Free && !own.is_number {
            check.fault(&format!("{at}/monotone"), "is for numbers: levels have no order");
        }
        monotone.push((own.column, way));
    }
    Features::bounded(check, body.features.as_ref());
    let plain = Boost::of(&[]);
    let part = f64::MIN_POSITIVE..=1.0;
    let boost = Boost {
        features: monotone,
        trees: check.whole("/trees", body.trees, 600, 1..=5_000),
        leaves: check.whole("/leaves", body.leaves, 16, 2..=16),
        rate: check.within("/rate", body.rate, plain.rate, part.clone()),
        least_expected: check.within("/leastExpected", body.least_expected, 10.0, 0.0..=1e9),
        shrink: check.within("/shrink", body.shrink, plain.shrink, 0.0..=1e9),
        level_shrink: check.within(
            "/levelShrink",
            body.level_shrink,
            plain.level_shrink,
            0.0..=1e9,
        ),
        bins: check.whole("/bins", body.bins, 80, 2..=255),
        rows_part: check.within("/rowsPart", body.rows_part, 1.0, part.clone()),
        features_part: check.within("/featuresPart", body.features_part, 0.8, part),
        ..plain
    };
    let tariff_pairs =
        body.tariff_pairs.map(|pairs| check.whole("/tariffPairs", Some(pairs), 0, 0..=50));
    let seeds = check.whole("/seeds", body.seeds, 1, 1..=10);
    let explain = explain::read(body.explain.as_ref(), body.hold_out.is_some(), check);
    Trees {
        columns: check.used(),
        prepare,
        hold_out,
        claims,
        exposure,
        features,
        boost,
        seeds,
        explain,
        tariff_pairs,
    }
}

impl Plan for Trees {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        watch.stage("preparing the columns", 12);
        let data = self.prepare.apply(data)?;
        let held = match self.hold_out.is_empty() {
            true => vec![false; data.rows()],
            false => meet(&self.hold_out, &data)?,
        };
        let grown: Vec<bool> = held.iter().map(|held| !held).collect();
        let held_out = held.contains(&true).then(|| data.clone().only(&held));
        let asked = match &self.explain {
            Some(explain) => self.picked(explain.places(&held)?, &data)?,
            None => None,
        };
        let rows = self.rows(&data.only(&grown))?;
        let boost = Boost { seed, ..self.boost.clone() };
        watch.stage("growing trees", 20);
        let refuse = |error: TreesError| refused(&error);
        let stopped = || watch.is_stopped();
        let stop = Stop::when(&stopped);
        let grown = |seeds: usize| watch.at((20 + 40 * seeds / self.seeds) as u64);
        let trees =
            Several::grow(&boost, self.seeds, &rows.counts(), stop, grown).map_err(refuse)?;
        watch.stage("explaining them", 60);
        let permuted = trees.permuted(&rows.counts(), seed, stop).map_err(refuse)?;
        let frequencies = trees.frequencies(&rows.frame).map_err(refuse)?;
        let mean_deviance = deviance(&frequencies, &rows);
        let explained = match &asked {
            Some(Picked { data, rows, places }) => {
                explain::explained(&trees, &self.features, data, rows, places)?
            }
            None => vec![],
        };
        if watch.is_stopped() {
            return Err(Failure::stopped());
        }
        let tariff = match self.tariff_pairs {
            Some(pairs) => {
                watch.stage("distilling a tariff", 70);
                {
                    let first = trees.first();
                    Some(boost.distil_until(first, &rows.counts(), pairs, stop).map_err(refuse)?)
                }
            }
            None => None,
        };
        watch.stage("comparing with what was", 90);
        let found = TreesResult {
            rows: rows.claims.len(),
            claims: rows.claims.iter().sum::<f64>().into(),
            exposure: rows.exposure.iter().sum::<f64>().into(),
            trees: trees.trees(),
            seeds: trees.seeds(),
            base: trees.first().base.exp().into(),
            mean_deviance: mean_deviance.into(),
            importance: importance(&trees, &permuted),
            interactions: interactions(&trees),
            comparisons: self.comparisons(&rows, &frequencies)?,
            hold_out: match held_out {
                Some(held) => Some(self.judged(&trees, tariff.as_ref(), &held)?),
                None => None,
            },
            tariff: match tariff {
                Some(tariff) => Some(tariff_result(&tariff, &rows)?),
                None => None,
            },
            explained,
        };
        let mut shown = vec![
            ("rows", found.rows as f64),
            ("trees", found.trees as f64),
            ("meanDeviance", found.mean_deviance.0),
        ];
        shown.extend(found.hold_out.as_ref().map(|it| ("holdOutMeanDeviance", it.mean_deviance.0)));
        let tariff = found.hold_out.as_ref().and_then(|held| held.tariff_mean_deviance);
        shown.extend(tariff.map(|it| ("tariffHoldOutMeanDeviance", it.0)));
        Outcome::of(&found, shown)
    }
}

impl Trees {
    /// Claims the trees expect of the rows that are held, grown from the others, by row.
    pub(crate) fn expected_of(
        &self,
        data: Data,
        held: &[bool],
        seed: u64,
        stop: Stop<'_>,
    ) -> Result<Vec<f64>, Failure> {
        let data = self.prepare.apply(data)?;
        let others: Vec<bool> = held.iter().map(|held| !held).collect();
        let (held, others) = (data.clone().only(held), data.only(&others));
        let boost = Boost { seed, ..self.boost.clone() };
        let refuse = |error: TreesError| refused(&error);
        let others = self.rows(&others)?;
        let trees = Several::grow(&boost, self.seeds, &others.counts(), stop, |_| {});
        let trees = trees.map_err(refuse)?;
        let rows = self.rows(&held)?;
        let frequencies = trees.frequencies(&rows.frame).map_err(refuse)?;
        Ok(frequencies.iter().zip(&rows.exposure).map(|(rate, years)| rate * years).collect())
    }

    fn rows(&self, data: &Data) -> Result<Rows, Failure> {
        let frame = self.features.frame(data)?;
        let (claims, exposure) = (data.numbers(&self.claims)?, data.numbers(&self.exposure)?);
        Ok(Rows { frame, claims, exposure })
    }

    /// The rows at these places, in their order; `None` when there is none.
    fn picked(&self, places: Vec<usize>, data: &Data) -> Result<Option<Picked>, Failure> {
        let mut places = places;
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            return Ok(None);
        }
        let mut keep = vec![false; data.rows()];
        places.iter().for_each(|place| keep[*place] = true);
        let data = data.clone().only(&keep);
        let rows = self.rows(&data)?;
        Ok(Some(Picked { data, rows, places }))
    }

    fn judged(
        &self,
        trees: &Several,
        tariff: Option<&Tariff>,
        held: &Data,
    ) -> Result<HeldResult, Failure> {
        let rows = self.rows(held)?;
        let refuse = |error: TreesError| refused(&error);
        let staged = trees.first().deviances(&rows.counts()).map_err(refuse)?;
        let frequencies = trees.frequencies(&rows.frame).map_err(refuse)?;
        let expected: f64 = frequencies.iter().zip(&rows.exposure).map(|(f, e)| f * e).sum();
        let exposure: f64 = rows.exposure.iter().sum();
        let doubled = std::iter::successors(Some(1), |trees| Some(trees * 2));
        let places = doubled.take_while(|trees| *trees < staged.len()).chain([staged.len()]);
        let tariff = match tariff {
            Some(tariff) => {
                let frequencies = tariff.frequencies(&rows.frame).map_err(refuse)?;
                Some(Figure(deviance(&frequencies, &rows)))
            }
            None => None,
        };
        Ok(HeldResult {
            rows: rows.claims.len(),
            mean_deviance: deviance(&frequencies, &rows).into(),
            observed: (rows.claims.iter().sum::<f64>() / exposure).into(),
            expected: (expected / exposure).into(),
            by_trees: places
                .map(|trees| StagedResult { trees, mean_deviance: staged[trees - 1].into() })
                .collect(),
            tariff_mean_deviance: tariff,
            judged: {
                let counts: Vec<f64> =
                    frequencies.iter().zip(&rows.exposure).map(|(f, e)| f * e).collect();
                validation::judged_if_any(&rows.exposure, &counts, &rows.claims)?
            },
            comparisons: self.comparisons(&rows, &frequencies)?,
        })
    }

    fn comparisons(
        &self,
        rows: &Rows,
        frequencies: &[f64],
    ) -> Result<Vec<ComparisonResult>, Failure> {
        let mut found = vec![];
        for column in self.features.by_levels() {
            let (levels, codes) =
                rows.frame.factor(column).map_err(|error| glm::refused(&error))?;
            if levels.len() > MOST_SHOWN {
                continue;
            }
            let levels = glm::compare(levels, codes, None, &rows.exposure, |row| {
                (rows.claims[row], frequencies[row] * rows.exposure[row])
            });
            found.push(ComparisonResult { name: column.to_owned(), levels });
        }
        Ok(found)
    }
}

impl Rows {
    fn counts(&self) -> Counts<'_> {
        Counts { frame: &self.frame, claims: &self.claims, exposure: &self.exposure }
    }
}

/// Mean Poisson deviance of the rows.
fn deviance(frequencies: &[f64], rows: &Rows) -> f64 {
    let each = frequencies.iter().zip(&rows.exposure).zip(&rows.claims);
    let sum: f64 = each
        .map(|((frequency, exposure), claims)| {
            let mean = frequency * exposure;
            let log = if *claims == 0.0 { 0.0 } else { claims * (claims / mean).ln() };
            2.0 * (log - (claims - mean))
        })
        .sum();
    sum / rows.claims.len() as f64
}

fn importance(trees: &Several, permuted: &[f64]) -> Vec<ImportanceResult> {
    let own = trees.importance();
    let all: f64 = own.iter().map(|feature| feature.gain).sum();
    let each = own.into_iter().zip(permuted);
    let mut found: Vec<ImportanceResult> = each
        .map(|(feature, permuted)| ImportanceResult {
            gain: feature.gain.into(),
            part: if all > 0.0 { feature.gain / all } else { 0.0 }.into(),
            splits: feature.splits,
            permuted: (*permuted).into(),
            name: feature.name,
        })
        .collect();
    found.sort_by(|a, b| b.gain.0.total_cmp(&a.gain.0));
    found
}

fn interactions(trees: &Several) -> Vec<InteractionResult> {
    let name = |place: usize| &trees.first().features[place].name;
    let pairs = trees.interactions().into_iter().take(20);
    pairs
        .map(|([one, other], gain)| InteractionResult {
            name: format!("{} × {}", name(one), name(other)),
            gain: gain.into(),
        })
        .collect()
}

fn tariff_result(tariff: &Tariff, rows: &Rows) -> Result<TariffResult, Failure> {
    let frequencies = tariff.frequencies(&rows.frame).map_err(|error| refused(&error))?;
    let tables = tariff.tables.iter().map(|table| {
        let features: Vec<String> =
            table.features.iter().map(|place| tariff.features[*place].name.clone()).collect();
        let bins = table.features.iter().map(|place| {
            let feature = &tariff.features[*place];
            (0..feature.bins()).map(|bin| feature.bin(bin)).collect()
        });
        TableResult {
            name: features.join(" × "),
            bins: bins.collect(),
            features,
            relativities: figures(table.relativities.iter().copied()),
        }
    });
    Ok(TariffResult {
        base: tariff.base.into(),
        mean_deviance: deviance(&frequencies, rows).into(),
        tables: tables.collect(),
    })
}

/// What is the matter when trees cannot be grown, and what to change.
pub(crate) fn refused(error: &TreesError) -> Failure {
    let text = error.to_string();
    match error {
        TreesError::Columns(error) => glm::refused(error),
        TreesError::Levels { factor, .. } => {
            let advice = "group its levels under derive, or take it as a number";
            Failure::new(&error::UNFIT_VALUE, text, advice).of_column(factor)
        }
        TreesError::NoOrder(factor) => {
            let advice = "leave monotone out, or take the column as a number";
            Failure::new(&error::UNFIT_VALUE, text, advice).of_column(factor)
        }
        TreesError::NewLevel { factor, .. } => {
            let advice = "rows that are held out have a level no other row has: group it under \
                          derive, or leave those rows out";
            Failure::new(&error::UNFIT_VALUE, text, advice).of_column(factor)
        }
        TreesError::Claims(row) => Failure::new(
            &error::UNFIT_VALUE,
            format!("the claims of row {} are not zero or positive", row + 1),
            "leave such rows out with a condition under rows",
        ),
        TreesError::Exposure(row) => Failure::new(
            &error::UNFIT_VALUE,
            format!("the exposure of row {} is not positive", row + 1),
            "leave rows without exposure out with a condition under rows",
        ),
        TreesError::Weight(row) => Failure::new(
            &error::UNFIT_VALUE,
            format!("the weight of row {} is not positive", row + 1),
            "leave such rows out with a condition under rows",
        ),
        TreesError::NoClaims => {
            Failure::new(&error::NOTHING_TO_LEARN, text, "choose rows with claims")
        }
        TreesError::OneClass => {
            let advice = "choose rows with and without it";
            Failure::new(&error::NOTHING_TO_LEARN, text, advice)
        }
        TreesError::Diverged(_) => {
            Failure::new(&error::NO_CONVERGENCE, text, "lower rate, or raise shrink")
        }
        TreesError::Stopped(_) => Failure::stopped(),
        TreesError::NotFinite(what) => Failure::not_a_number(what.0),
        TreesError::Setting(_) | TreesError::Length { .. } => {
            Failure::new(&error::UNFIT_VALUE, text, "correct the parameters")
        }
    }
}

//! 客户分群: customers or vehicles that are alike in several numbers, with their risk and their value.

use actuarial_models::Stop;
use actuarial_models::segments::{Components, Groups, KMeans, Scale, SegmentError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dataset::Role;
use crate::error;
use crate::figure::{Figure, figures};
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// Rows of one run at most: each is looked at hundreds of times.
const MOST_ROWS: usize = 300_000;

/// Members that are listed at most.
const MOST_LISTED: usize = 100_000;

/// What makes rows alike, and what is told of the segments.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = SegmentsParameters)]
pub struct SegmentsBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The columns of numbers rows are alike in; each is brought to one scale. Take logarithms of
    /// amounts under `derive`.
    pub columns: Option<Vec<String>>,
    /// How many segments, 2 to 50; 4 when absent.
    pub segments: Option<u64>,
    /// From how many starts they are looked for; 20 when absent.
    pub starts: Option<u64>,
    /// The column of premium, and
    pub premium: Option<String>,
    /// the column of losses: what a segment is worth is the one less the other, its risk is their ratio.
    pub losses: Option<String>,
    /// The column of exposure: value per year insured; per row when absent.
    pub exposure: Option<String>,
    /// More columns of numbers whose means are told of each segment.
    pub profile: Option<Vec<String>>,
    /// A column that names rows: the members of each segment are listed by it.
    pub identifier: Option<String>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Segments {
    columns: Vec<String>,
    prepare: Prepare,
    alike_in: Vec<String>,
    segments: usize,
    starts: usize,
    premium: Option<String>,
    losses: Option<String>,
    exposure: Option<String>,
    profile: Vec<String>,
    identifier: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentsResult {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<ScaledResult>,
    /// Sum of squared distances of rows from the middles of their segments, on one scale.
    pub(crate) inertia: Figure,
    /// The part of all distances the segments explain.
    pub(crate) explained: Figure,
    /// Directions rows differ in, the one they differ in most first.
    pub(crate) components: Vec<ComponentResult>,
    /// The largest first.
    pub(crate) segments: Vec<SegmentResult>,
}

/// A column with what brings it to one scale.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScaledResult {
    pub(crate) name: String,
    pub(crate) mean: Figure,
    pub(crate) deviation: Figure,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComponentResult {
    pub(crate) singular_value: Figure,
    /// Part of the variance.
    pub(crate) share: Figure,
    /// By column.
    pub(crate) loadings: Vec<Figure>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentResult {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) share: Figure,
    /// Its middle, by column.
    pub(crate) middle: Vec<Figure>,
    /// The same in standard deviations from the mean of all.
    pub(crate) standard: Vec<Figure>,
    /// Years insured, or rows.
    pub(crate) volume: Figure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) premium: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) losses: Option<Figure>,
    /// Losses against premium: its risk; null without premium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loss_ratio: Option<Figure>,
    /// Premium less losses per unit of volume: its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Figure>,
    pub(crate) profile: Vec<ProfileResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) members: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileResult {
    pub(crate) name: String,
    pub(crate) mean: Figure,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &SegmentsBody, check: &mut Check<'_>) -> Segments {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let mut numbers = |at: &str, names: &Option<Vec<String>>| -> Vec<String> {
        let mut found: Vec<String> = vec![];
        for (index, name) in names.iter().flatten().enumerate() {
            let at = format!("{at}/{index}");
            if found.contains(name) {
                check.fault(&at, "is named before");
            }
            found.push(check.number(&at, Some(name), None));
        }
        found
    };
    let alike_in = numbers("/columns", &body.columns);
    let profile = numbers("/profile", &body.profile);
    if !(1..=50).contains(&alike_in.len()) {
        check.fault("/columns", "name 1 to 50 columns of numbers");
    }
    let premium = check.optional_number("/premium", body.premium.as_ref(), Some(Role::Premium));
    let losses = check.optional_number("/losses", body.losses.as_ref(), Some(Role::Amount));
    if body.losses.is_some() && premium.is_none() && check.is_clean() {
        check.fault("/premium", "losses are compared with premium: name its column");
    }
    let exposure = check.optional_number("/exposure", body.exposure.as_ref(), Some(Role::Exposure));
    let identifier = check.optional("/identifier", body.identifier.as_ref(), None);
    Segments {
        segments: check.whole("/segments", body.segments, 4, 2..=50),
        starts: check.whole("/starts", body.starts, 20, 1..=1_000),
        columns: check.used(),
        prepare,
        alike_in,
        premium,
        losses,
        exposure,
        profile,
        identifier,
    }
}

impl Plan for Segments {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        if data.rows() > MOST_ROWS {
            let detail = format!("{} rows are more than {MOST_ROWS}", data.rows());
            let advice = "choose fewer rows, such as one branch or a part of a year";
            return Err(Failure::new(&error::TOO_MUCH_DATA, detail, advice));
        }
        let columns = self.alike_in.iter().map(|name| data.numbers(name));
        let columns = columns.collect::<Result<Vec<Vec<f64>>, Failure>>()?;
        let rows: Vec<Vec<f64>> =
            (0..data.rows()).map(|row| columns.iter().map(|own| own[row]).collect()).collect();
        let refuse = |error: SegmentError| self.refused(&error);
        let scale = Scale::of(&rows).map_err(refuse)?;
        let standard: Vec<Vec<f64>> =
            rows.iter().map(|row| scale.standard(row)).collect::<Result<_, _>>().map_err(refuse)?;
        drop(rows);
        watch.stage("finding directions", 20);
        let components = Components::of(&standard).map_err(refuse)?;
        watch.stage("looking for segments", 30);
        let asked = || watch.is_stopped();
        let plan = KMeans { groups: self.segments, starts: self.starts, seed };
        let found = plan.run_until(&standard, Stop::when(&asked)).map_err(refuse)?;
        watch.stage("telling of them", 90);
        // On one scale the squared distances of all rows from their mean are (n − 1) a column.
        let all = (standard.len() - 1) as f64 * scale.spreads.len() as f64;
        let result = SegmentsResult {
            rows: standard.len(),
            inertia: found.inertia.into(),
            explained: (1.0 - found.inertia / all).into(),
            columns: self
                .alike_in
                .iter()
                .zip(scale.centres.iter().zip(&scale.spreads))
                .map(|(name, (mean, deviation))| ScaledResult {
                    name: name.clone(),
                    mean: (*mean).into(),
                    deviation: (*deviation).into(),
                })
                .collect(),
            components: components
                .singular_values
                .iter()
                .zip(&components.shares)
                .zip(&components.loadings)
                .map(|((value, share), loadings)| ComponentResult {
                    singular_value: (*value).into(),
                    share: (*share).into(),
                    loadings: figures(loadings.iter().copied()),
                })
                .collect(),
            segments: self.told(&data, &scale, &found)?,
        };
        let shown = [
            ("rows", result.rows as f64),
            ("inertia", found.inertia),
            ("explained", result.explained.0),
            ("largestShare", result.segments[0].share.0),
        ];
        Outcome::of(&result, shown)
    }
}

impl Segments {
    fn told(
        &self,
        data: &Data,
        scale: &Scale,
        found: &Groups,
    ) -> Result<Vec<SegmentResult>, Failure> {
        let count = found.sizes.len();
        let sums = |column: Option<&String>| -> Result<Option<Vec<f64>>, Failure> {
            let Some(column) = column else { return Ok(None) };
            let mut sums = vec![0.0; count];
            let values = data.numbers(column)?;
            values.iter().zip(&found.of).for_each(|(value, group)| sums[*group] += value);
            Ok(Some(sums))
        };
        let premium = sums(self.premium.as_ref())?;
        let losses = sums(self.losses.as_ref())?;
        let volume = match sums(self.exposure.as_ref())? {
            Some(exposure) => exposure,
            None => found.sizes.iter().map(|size| *size as f64).collect(),
        };
        let mut profile = vec![];
        for name in &self.profile {
            profile.push((name, sums(Some(name))?.unwrap_or_default()));
        }
        let mut members = vec![vec![]; count];
        if let Some(identifier) = self.identifier.as_ref().filter(|_| data.rows() <= MOST_LISTED) {
            for (name, group) in data.texts(identifier)?.into_iter().zip(&found.of) {
                members[*group].push(name.unwrap_or_default());
            }
        }
        let mut of = |group: usize| {
            let premium = premium.as_ref().map(|all| all[group]);
            let losses = losses.as_ref().map(|all| all[group]);
            let both = premium.zip(losses);
            let standard = &found.middles[group];
            let middle = standard
                .iter()
                .zip(scale.centres.iter().zip(&scale.spreads))
                .map(|(own, (centre, spread))| centre + own * spread);
            SegmentResult {
                name: format!("{}", group + 1),
                rows: found.sizes[group],
                share: (found.sizes[group] as f64 / data.rows() as f64).into(),
                middle: figures(middle),
                standard: figures(standard.iter().copied()),
                volume: volume[group].into(),
                premium: premium.map(Figure),
                losses: losses.map(Figure),
                loss_ratio: both
                    .filter(|(premium, _)| *premium > 0.0)
                    .map(|(premium, losses)| Figure(losses / premium)),
                value: both
                    .filter(|_| volume[group] > 0.0)
                    .map(|(premium, losses)| Figure((premium - losses) / volume[group])),
                profile: profile
                    .iter()
                    .map(|(name, sums)| ProfileResult {
                        name: (*name).clone(),
                        mean: (sums[group] / found.sizes[group] as f64).into(),
                    })
                    .collect(),
                members: std::mem::take(&mut members[group]),
            }
        };
        Ok((0..count).map(&mut of).collect())
    }

    fn refused(&self, error: &SegmentError) -> Failure {
        let text = error.to_string();
        let column = |place: usize| self.alike_in.get(place).map_or("", String::as_str);
        match error {
            SegmentError::Stopped(_) => Failure::stopped(),
            SegmentError::NotFinite(what) => Failure::not_a_number(what.0),
            SegmentError::Value { row, column: place } => {
                let detail =
                    format!("{} is not a finite number in row {}", column(*place), row + 1);
                let advice = "leave such rows out with a condition under rows";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(column(*place))
            }
            SegmentError::Constant(place) => {
                let detail = format!("{} has the same value in every row", column(*place));
                let advice = "leave it out: it tells no rows apart";
                Failure::new(&error::NOTHING_TO_LEARN, detail, advice).of_column(column(*place))
            }
            SegmentError::TooFew => {
                Failure::new(&error::NOTHING_TO_LEARN, text, "choose more rows")
            }
            SegmentError::Groups(_) => {
                let advice = "take fewer segments than there are different rows";
                Failure::new(&error::UNDETERMINED, text, advice)
            }
            SegmentError::NoConvergence(_) => {
                Failure::new(&error::NO_CONVERGENCE, text, "take fewer segments, or other columns")
            }
            SegmentError::Width { .. } | SegmentError::Argument(_) => {
                Failure::new(&error::UNFIT_VALUE, text, "correct the parameters")
            }
        }
    }
}

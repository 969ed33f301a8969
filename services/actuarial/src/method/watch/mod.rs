//! 超赔预警 (多维): many groups watched together, such as insurers, regions, channels and covers, with a stated
//! number of false alarms a year over all of them.
//!
//! Rows are added up by period and group. Claims are set against what is expected of them, or against
//! exposure by the frequency each group had at first; losses are set against premium by the ratio of all
//! periods before. Volumes may change from period to period.

pub(crate) mod result;

use std::collections::HashMap;

use actuarial_models::Stop;
use actuarial_models::warning::{self, RatioWatch, Sums, WarningError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::result::{AlarmResult, PointResult, WatchResult, WatchedResult};
use crate::error;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::groups::{Groups, Periods};
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// Most groups of one run.
const MOST_GROUPS: usize = 5_000;
/// Most periods of all groups together.
const MOST_POINTS: usize = 500_000;
/// Most columns groups are made of.
const MOST_BY: usize = 8;
/// A sum of whole numbers may be off by so little.
const WHOLE: f64 = 1e-6;

/// What is watched, and how many false alarms there may be.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = WatchParameters)]
pub struct WatchBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column of periods: years, quarters, months or days. Rows of one period and group are added up.
    pub period: Option<String>,
    /// A group for every combination of these columns, such as insurer, region, channel and cover; one
    /// for all when absent.
    #[schema(example = json!(["insurer", "region", "channel", "cover"]))]
    pub by: Option<Vec<String>>,
    /// The column of claim numbers: give it with `expected` or `exposure`.
    pub counts: Option<String>,
    /// The column of claims that are expected, such as by a tariff or a model.
    pub expected: Option<String>,
    /// The column of exposure: claims are then expected at the frequency a group had in its first
    /// `learning` periods.
    pub exposure: Option<String>,
    /// Instead of counts: the column of amounts that are divided, such as losses.
    pub numerator: Option<String>,
    /// What they are divided by, such as earned premium.
    pub denominator: Option<String>,
    /// False alarms a year that may be expected over all groups together; 1 when absent.
    pub false_alarms: Option<f64>,
    /// Periods of each group that are learnt from and not watched; 12 when absent. Not with `expected`.
    pub learning: Option<u64>,
    /// Claims against expected ones that shall be found fast; 1.25, a quarter more, when absent.
    pub ratio: Option<f64>,
    /// By how many standard deviations of a period a ratio of amounts moves that shall be found fast; 1
    /// when absent.
    pub shift: Option<f64>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Watching {
    columns: Vec<String>,
    prepare: Prepare,
    period: String,
    by: Vec<String>,
    what: What,
    false_alarms: f64,
}

#[derive(Clone, Debug)]
enum What {
    /// Claims and what is expected of them.
    Known { counts: String, expected: String, ratio: f64 },
    /// Claims and exposure.
    Learnt { counts: String, exposure: String, ratio: f64, learning: usize },
    /// Amounts and what they are divided by.
    Ratio { numerator: String, denominator: String, shift: f64, learning: usize },
}

/// A group: what was and by what it is measured, in the periods in which there is something.
struct Series {
    name: String,
    levels: Vec<String>,
    /// Places among all periods.
    periods: Vec<usize>,
    observed: Vec<f64>,
    volumes: Vec<f64>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &WatchBody, check: &mut Check<'_>) -> Watching {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let period = check.needed("/period", body.period.as_ref(), None);
    let mut by: Vec<String> = vec![];
    for (index, name) in body.by.iter().flatten().enumerate() {
        let at = format!("/by/{index}");
        if by.contains(name) || *name == period {
            check.fault(&at, "is named before");
        }
        by.push(check.needed(&at, Some(name), None));
    }
    if by.len() > MOST_BY {
        check.fault("/by", format!("names at most {MOST_BY} columns"));
    }
    let what = what(body, check);
    let false_alarms = check.within("/falseAlarms", body.false_alarms, 1.0, 0.001..=20.0);
    Watching { columns: check.used(), prepare, period, by, what, false_alarms }
}

fn what(body: &WatchBody, check: &mut Check<'_>) -> What {
    let least = if body.counts.is_some() { 1 } else { 3 };
    let learning = check.whole("/learning", body.learning, 12, least..=1_000);
    if body.counts.is_none() && body.numerator.is_none() {
        let detail = "say what is watched: counts with expected or exposure, or numerator with \
                      denominator";
        check.fault("/counts", detail);
    }
    if body.counts.is_some() {
        for (at, given) in [
            ("/numerator", body.numerator.is_some()),
            ("/denominator", body.denominator.is_some()),
            ("/shift", body.shift.is_some()),
        ] {
            if given {
                check.fault(at, "does not go with counts");
            }
        }
        let counts = check.number("/counts", body.counts.as_ref(), None);
        let ratio = check.within("/ratio", body.ratio, 1.25, 1.01..=50.0);
        if body.expected.is_some() == body.exposure.is_some() {
            check.fault("/expected", "give expected or exposure, one of both");
        }
        if body.expected.is_some() {
            if body.learning.is_some() {
                check.fault("/learning", "does not go with expected, which is known");
            }
            let expected = check.number("/expected", body.expected.as_ref(), None);
            return What::Known { counts, expected, ratio };
        }
        let exposure = check.optional_number("/exposure", body.exposure.as_ref(), None);
        return What::Learnt { counts, exposure: exposure.unwrap_or_default(), ratio, learning };
    }
    for (at, given) in [
        ("/expected", body.expected.is_some()),
        ("/exposure", body.exposure.is_some()),
        ("/ratio", body.ratio.is_some()),
    ] {
        if given {
            check.fault(at, "goes with counts");
        }
    }
    let numerator = check.optional_number("/numerator", body.numerator.as_ref(), None);
    let denominator = match body.numerator {
        Some(_) => check.number("/denominator", body.denominator.as_ref(), None),
        None => String::new(),
    };
    What::Ratio {
        numerator: numerator.unwrap_or_default(),
        denominator,
        shift: check.within("/shift", body.shift, 1.0, 0.05..=10.0),
        learning,
    }
}

impl Plan for Watching {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        watch.stage("adding up", 20);
        let periods = Periods::of(&data, &self.period)?;
        let groups = Groups::of(&data, &self.by, MOST_GROUPS)?;
        let series = self.series(&data, &periods, &groups)?;
        let (watched, short): (Vec<Series>, Vec<Series>) =
            series.into_iter().partition(|own| own.periods.len() > self.learning());
        if watched.is_empty() {
            let detail = format!("no group has more than {} periods", self.learning());
            let advice = "lower learning, take more periods, or name fewer columns under by";
            return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, advice));
        }
        let periods_a_year = 12.0 / f64::from(periods.months);
        // So many are expected of each group in each period; counts are whole, so it may be fewer.
        let each = self.false_alarms / periods_a_year / watched.len() as f64;
        if each >= 0.5 {
            let detail = format!(
                "{} false alarms a year are more than one for every other period of a group",
                self.false_alarms
            );
            return Err(Failure::new(&error::UNFIT_VALUE, detail, "lower falseAlarms"));
        }
        watch.stage("watching", 40);
        let asked = || watch.is_stopped();
        let charts = self.charts(&watched, &periods, each, Stop::when(&asked))?;
        watch.stage("telling", 90);
        let mut alarms: Vec<AlarmResult> = charts.iter().flat_map(WatchedResult::alarms).collect();
        // The latest first, of one period the farthest above its limit.
        let places: HashMap<&str, usize> =
            periods.names.iter().map(String::as_str).zip(0..).collect();
        alarms.sort_by(|a, b| {
            let above = |own: &AlarmResult| own.sum.0 - own.limit.0;
            let place = |own: &AlarmResult| places.get(own.period.as_str());
            place(b).cmp(&place(a)).then_with(|| above(b).total_cmp(&above(a)))
        });
        let latest = periods.names.last().map_or("", |name| name.as_str());
        let now = alarms.iter().filter(|alarm| alarm.period == latest).count();
        let shown = [
            ("groups", charts.len() as f64),
            ("alarms", alarms.len() as f64),
            ("alarmsInLatestPeriod", now as f64),
            ("falseAlarmsExpected", {
                let points: usize = charts.iter().map(|chart| chart.points.len()).sum();
                each * points as f64
            }),
        ];
        let found = WatchResult {
            what: self.word().to_owned(),
            by: self.by.clone(),
            periods: periods.names,
            false_alarms_a_year: self.false_alarms.into(),
            false_alarms_each: each.into(),
            alarms,
            charts,
            not_watched: short.into_iter().map(|own| own.name).collect(),
        };
        Outcome::of(&found, shown)
    }
}

impl Watching {
    fn word(&self) -> &'static str {
        match self.what {
            What::Known { .. } => "claims against expected claims",
            What::Learnt { .. } => "claims by exposure",
            What::Ratio { .. } => "ratio",
        }
    }

    /// Periods of a group that are not watched.
    fn learning(&self) -> usize {
        match self.what {
            What::Known { .. } => 0,
            What::Learnt { learning, .. } | What::Ratio { learning, .. } => learning,
        }
    }

    /// The columns of what was and of what it is measured by.
    fn sums(&self) -> (&str, &str) {
        match &self.what {
            What::Known { counts, expected: by, .. }
            | What::Learnt { counts, exposure: by, .. } => (counts, by),
            What::Ratio { numerator, denominator, .. } => (numerator, denominator),
        }
    }

    /// Sums by group and period.
    fn series(
        &self,
        data: &Data,
        periods: &Periods,
        groups: &Groups,
    ) -> Result<Vec<Series>, Failure> {
        let (observed_column, volume_column) = self.sums();
        let (observed, volumes) = (data.numbers(observed_column)?, data.numbers(volume_column)?);
        let count = periods.names.len();
        if count * groups.names.len() > 4 * MOST_POINTS {
            let detail = format!("{} groups of {count} periods are too many", groups.names.len());
            let advice = "name fewer columns under by, or take fewer periods";
            return Err(Failure::new(&error::TOO_MUCH_DATA, detail, advice));
        }
        let mut sums = vec![[0.0; 2]; count * groups.names.len()];
        for row in 0..data.rows() {
            let own = &mut sums[groups.codes[row] * count + periods.places[row]];
            own[0] += observed[row];
            own[1] += volumes[row];
        }
        let mut found = vec![];
        for (group, name) in groups.names.iter().enumerate() {
            let mut series = Series {
                name: name.clone(),
                levels: groups.levels[group].clone(),
                periods: vec![],
                observed: vec![],
                volumes: vec![],
            };
            for period in 0..count {
                let [mut observed, volume] = sums[group * count + period];
                if !matches!(self.what, What::Ratio { .. }) {
                    let whole = observed.round();
                    if whole < 0.0 || (observed - whole).abs() > WHOLE {
                        let detail = format!(
                            "{observed_column} of {name} adds up to {observed} in {}",
                            periods.names[period]
                        );
                        let advice = "counts are whole numbers from zero on: watch amounts with \
                                      numerator and denominator";
                        return Err(Failure::new(&error::UNFIT_VALUE, detail, advice)
                            .of_column(observed_column));
                    }
                    observed = whole;
                }
                if volume > 0.0 {
                    series.periods.push(period);
                    series.observed.push(observed);
                    series.volumes.push(volume);
                } else if volume < 0.0 || observed != 0.0 {
                    let detail = format!(
                        "{observed_column} of {name} is {observed} in {}, where {volume_column} is \
                         {volume}",
                        periods.names[period]
                    );
                    let advice = "what is watched is measured by something above zero: leave the \
                                  group or the period out, or name fewer columns under by";
                    return Err(
                        Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(volume_column)
                    );
                }
            }
            found.push(series);
        }
        Ok(found)
    }

    fn charts(
        &self,
        series: &[Series],
        periods: &Periods,
        each: f64,
        stop: Stop<'_>,
    ) -> Result<Vec<WatchedResult>, Failure> {
        // As probability of one in any group, which is how the models are told.
        let any = -((-each).ln_1p() * series.len() as f64).exp_m1();
        let learning = self.learning();
        let from =
            |own: &Series| (own.observed[learning..].to_vec(), own.volumes[learning..].to_vec());
        let refuse = |error: WarningError| self.refused(&error);
        match self.what {
            What::Ratio { shift, .. } => {
                let watch = RatioWatch { shift, false_alarms: any, learning };
                let sums: Vec<Sums<'_>> = series
                    .iter()
                    .map(|own| Sums { amounts: &own.observed, volumes: &own.volumes })
                    .collect();
                let found = watch.chart_until(&sums, stop).map_err(refuse)?;
                let each = series.iter().zip(&found).map(|(own, points)| {
                    let (observed, volumes) = from(own);
                    let expected =
                        points.iter().zip(&volumes).map(|(it, volume)| it.expected * volume);
                    let marks = points.iter().map(|it| (it.sum, it.limit, it.signal));
                    self.watched(own, periods, &observed, &expected.collect::<Vec<_>>(), marks)
                });
                Ok(each.collect())
            }
            What::Known { ratio, .. } | What::Learnt { ratio, .. } => {
                let watch = warning::Watch { ratio, false_alarms: any };
                let mut claims = vec![];
                for own in series {
                    let (observed, mut expected) = from(own);
                    let learnt_from = (learning > 0).then(|| {
                        // Where there was no claim, half of one is as likely as any figure.
                        let seen = own.observed[..learning].iter().sum::<f64>().max(0.5);
                        let rate = seen / own.volumes[..learning].iter().sum::<f64>();
                        expected.iter_mut().for_each(|volume| *volume *= rate);
                        seen
                    });
                    claims.push((observed, expected, learnt_from));
                }
                let groups: Vec<warning::Group<'_>> = claims
                    .iter()
                    .map(|(claims, expected, learnt_from)| warning::Group {
                        claims,
                        expected,
                        learnt_from: *learnt_from,
                    })
                    .collect();
                let found = watch.chart_until(&groups, stop).map_err(refuse)?;
                let each = series.iter().zip(&claims).zip(&found).map(|((own, claims), points)| {
                    let marks = points.iter().map(|it| (it.sum, it.limit, it.signal));
                    self.watched(own, periods, &claims.0, &claims.1, marks)
                });
                Ok(each.collect())
            }
        }
    }

    /// A group with what was found of its watched periods.
    fn watched(
        &self,
        own: &Series,
        periods: &Periods,
        observed: &[f64],
        expected: &[f64],
        marks: impl Iterator<Item = (f64, f64, bool)>,
    ) -> WatchedResult {
        let learning = self.learning();
        let each = own.periods[learning..].iter().zip(observed).zip(expected).zip(marks);
        let points: Vec<PointResult> = each
            .enumerate()
            .map(|(place, (((period, observed), expected), (sum, limit, signal)))| PointResult {
                period: periods.names[*period].clone(),
                observed: (*observed).into(),
                expected: (*expected).into(),
                volume: own.volumes[learning + place].into(),
                sum: sum.into(),
                limit: limit.into(),
                signal,
            })
            .collect();
        WatchedResult {
            name: own.name.clone(),
            levels: own.levels.clone(),
            alarms: points.iter().filter(|point| point.signal).count(),
            points,
        }
    }

    fn refused(&self, error: &WarningError) -> Failure {
        let (observed, volume) = self.sums();
        match error {
            WarningError::Stopped(_) => Failure::stopped(),
            WarningError::NotFinite(what) => Failure::not_a_number(what.0),
            WarningError::NoSpread => Failure::new(
                &error::NOTHING_TO_LEARN,
                "the first ratios of a group do not vary",
                "leave such groups out with a condition under rows, or give a longer learning",
            )
            .of_column(observed),
            WarningError::Expected(_) => Failure::new(
                &error::UNFIT_VALUE,
                error.to_string(),
                "what is expected of a group and period is above zero and at most a million: split \
                 large groups by more columns, or leave tiny ones out",
            )
            .of_column(volume),
            WarningError::Argument(_)
            | WarningError::Step { .. }
            | WarningError::Observation(_)
            | WarningError::NoLimit(_) => {
                Failure::new(&error::UNFIT_VALUE, error.to_string(), "correct the parameters")
                    .of_column(observed)
            }
        }
    }
}

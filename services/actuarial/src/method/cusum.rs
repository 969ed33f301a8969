//! 超赔预警: cumulative-sum charts that signal when a loss ratio, a frequency or a count goes up, with
//! the number of periods they run without cause.

use actuarial_models::warning::{Charted, Cusum, WarningError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// What is charted, and when it signals.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = CusumParameters)]
pub struct CusumBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column of periods; charts follow its order.
    pub period: Option<String>,
    /// The column of observations: loss ratios or counts.
    pub value: Option<String>,
    /// A chart for each value of this column; one for all when absent.
    pub group: Option<String>,
    /// `normal` (the default): observations are standardised by `mean` and `deviation`; `poisson`: they
    /// are counts.
    pub kind: Option<String>,
    /// The mean while nothing is wrong; that of the first `learning` periods when absent.
    pub mean: Option<f64>,
    /// The standard deviation while nothing is wrong, of `normal`; that of the first `learning` periods
    /// when absent.
    pub deviation: Option<f64>,
    /// Periods the mean and deviation are learnt from; 12 when absent. They are charted, too.
    pub learning: Option<u64>,
    /// What shall be found fast: by how many deviations a `normal` mean moves, or by what a `poisson`
    /// mean is multiplied; 1 and 1.5 when absent.
    pub shift: Option<f64>,
    /// The sum that signals; found from `runLength` when absent.
    pub limit: Option<f64>,
    /// Periods the chart runs on average without cause; 100 when absent.
    pub run_length: Option<f64>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Charts {
    columns: Vec<String>,
    prepare: Prepare,
    period: String,
    value: String,
    group: Option<String>,
    kind: Charted,
    mean: Option<f64>,
    deviation: Option<f64>,
    learning: usize,
    shift: f64,
    limit: Option<f64>,
    run_length: f64,
}

/// Charts, one for each group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChartsResult {
    pub(crate) kind: String,
    pub(crate) charts: Vec<ChartResult>,
}

/// A chart and how long it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChartResult {
    pub(crate) name: String,
    pub(crate) mean: Figure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deviation: Option<Figure>,
    pub(crate) reference: Figure,
    pub(crate) limit: Figure,
    /// Periods it runs on average while nothing is wrong.
    pub(crate) run_length_good: Figure,
    /// Periods it runs on average once the mean has shifted.
    pub(crate) run_length_bad: Figure,
    pub(crate) signals: usize,
    pub(crate) points: Vec<PointResult>,
}

/// A period of a chart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PointResult {
    pub(crate) name: String,
    pub(crate) value: Figure,
    pub(crate) sum: Figure,
    pub(crate) signal: bool,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &CusumBody, check: &mut Check<'_>) -> Charts {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let kinds = [("normal", Charted::Normal), ("poisson", Charted::Poisson)];
    let kind = check.word("/kind", body.kind.as_ref(), &kinds);
    let (usual, shifts) = match kind {
        Charted::Normal => (1.0, 0.05..=20.0),
        Charted::Poisson => (1.5, 1.01..=50.0),
    };
    if kind == Charted::Poisson && body.deviation.is_some() {
        check.fault("/deviation", "belongs to normal");
    }
    Charts {
        period: check.needed("/period", body.period.as_ref(), None),
        value: check.number("/value", body.value.as_ref(), None),
        group: check.optional("/group", body.group.as_ref(), None),
        mean: body.mean.map(|mean| check.within("/mean", Some(mean), 0.0, -1e12..=1e12)),
        deviation: body
            .deviation
            .map(|it| check.within("/deviation", Some(it), 1.0, f64::MIN_POSITIVE..=1e12)),
        learning: check.whole("/learning", body.learning, 12, 2..=1_000),
        shift: check.within("/shift", body.shift, usual, shifts),
        limit: body.limit.map(|limit| check.within("/limit", Some(limit), 5.0, 0.01..=1e6)),
        run_length: check.within("/runLength", body.run_length, 100.0, 2.0..=1e6),
        columns: check.used(),
        prepare,
        kind,
    }
}

impl Plan for Charts {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, _watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let (periods, places) = data.factor(&self.period)?;
        let values = data.numbers(&self.value)?;
        let (groups, codes) = match &self.group {
            Some(group) => data.factor(group)?,
            None => (vec!["all".to_owned()], vec![0; data.rows()]),
        };
        let mut charts = Vec::with_capacity(groups.len());
        for (group, name) in groups.iter().enumerate() {
            let own = (0..data.rows()).filter(|row| codes[*row] as usize == group);
            let mut rows: Vec<usize> = own.collect();
            rows.sort_by_key(|row| places[*row]);
            if let Some(pair) = rows.windows(2).find(|pair| places[pair[0]] == places[pair[1]]) {
                let period = &periods[places[pair[0]] as usize];
                let detail = format!("period {period} of {name} has two observations");
                let advice = "charts take one observation for each period: name a group, or sum up";
                return Err(
                    Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.period)
                );
            }
            let names = rows.iter().map(|row| periods[places[*row] as usize].clone()).collect();
            let observed: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
            charts.push(self.chart(name, names, &observed)?);
        }
        let signals: usize = charts.iter().map(|chart| chart.signals).sum();
        let shown = [("charts", charts.len() as f64), ("signals", signals as f64)];
        let kind = if self.kind == Charted::Normal { "normal" } else { "poisson" };
        Outcome::of(&ChartsResult { kind: kind.to_owned(), charts }, shown)
    }
}

impl Charts {
    fn chart(
        &self,
        name: &str,
        names: Vec<String>,
        observed: &[f64],
    ) -> Result<ChartResult, Failure> {
        let learnt = &observed[..self.learning.min(observed.len())];
        let count = learnt.len() as f64;
        let mean = self.mean.unwrap_or_else(|| learnt.iter().sum::<f64>() / count);
        let squares: f64 = learnt.iter().map(|value| (value - mean) * (value - mean)).sum();
        let refuse = |error: WarningError| self.refused(&error, name, &names);
        let (chart, deviation, charted, good, bad) = match self.kind {
            Charted::Normal => {
                let deviation = self.deviation.unwrap_or_else(|| (squares / (count - 1.0)).sqrt());
                if !(deviation > 0.0 && deviation.is_finite()) {
                    let detail = format!("the first periods of {name} do not vary");
                    let advice = "give deviation, or a longer learning";
                    return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, advice)
                        .of_column(&self.value));
                }
                let reference = self.shift / 2.0;
                let chart = self.limited(reference, 0.0).map_err(refuse)?;
                let charted = observed.iter().map(|value| (value - mean) / deviation).collect();
                (chart, Some(deviation), charted, 0.0, self.shift)
            }
            Charted::Poisson => {
                if let Some(place) = observed.iter().position(|value| *value < 0.0) {
                    let detail =
                        format!("{} of {name} is negative in {}", self.value, names[place]);
                    let advice = "counts are zero or positive: chart with kind normal";
                    return Err(
                        Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.value)
                    );
                }
                let bad = mean * self.shift;
                let reference = Cusum::between(mean, bad, 1.0).map_err(refuse)?.reference;
                let chart = self.limited(reference, mean).map_err(refuse)?;
                (chart, None, observed.to_vec(), mean, bad)
            }
        };
        let charted: Vec<f64> = charted;
        let points = chart.chart(self.kind, &charted).map_err(refuse)?;
        let good = chart.run_length(self.kind, good).map_err(refuse)?;
        let bad = chart.run_length(self.kind, bad).map_err(refuse)?;
        let signals = points.iter().filter(|point| point.signal).count();
        let points =
            names.iter().zip(observed).zip(&points).map(|((name, value), point)| PointResult {
                name: name.clone(),
                value: (*value).into(),
                sum: point.sum.into(),
                signal: point.signal,
            });
        Ok(ChartResult {
            name: name.to_owned(),
            mean: mean.into(),
            deviation: deviation.map(Figure),
            reference: chart.reference.into(),
            limit: chart.limit.into(),
            run_length_good: good.into(),
            run_length_bad: bad.into(),
            signals,
            points: points.collect(),
        })
    }

    /// The chart with the limit that was given, or the least that runs long enough.
    fn limited(&self, reference: f64, mean: f64) -> Result<Cusum, WarningError> {
        match self.limit {
            Some(limit) => Ok(Cusum { reference, limit }),
            None => Cusum::with_length(self.kind, reference, mean, self.run_length),
        }
    }

    fn refused(&self, error: &WarningError, name: &str, names: &[String]) -> Failure {
        let text = format!("the chart of {name}: {error}");
        match error {
            WarningError::Observation(place) => {
                let period = names.get(*place).map(String::as_str).unwrap_or_default();
                let detail = format!("{} of {name} is no number in {period}", self.value);
                Failure::new(&error::UNFIT_VALUE, detail, "leave the period out")
                    .of_column(&self.value)
            }
            WarningError::Argument(_) | WarningError::Expected(_) | WarningError::NoSpread => {
                Failure::new(
                    &error::UNFIT_VALUE,
                    text,
                    "a mean of counts is above zero: leave groups without claims out, or give mean",
                )
            }
            WarningError::Step { .. } | WarningError::NoLimit(_) => Failure::new(
                &error::NO_CONVERGENCE,
                text,
                "give limit, lower runLength, or chart smaller counts",
            ),
            WarningError::Stopped(_) => Failure::stopped(),
            WarningError::NotFinite(what) => Failure::not_a_number(what.0),
        }
    }
}

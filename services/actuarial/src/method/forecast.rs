//! 保费预测: how premium goes on, by region and class, with a back-test on the last periods.

use actuarial_models::forecast::{ForecastError, Method as Way, relative_error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dataset::Role;
use crate::error;
use crate::figure::{Figure, figures};
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::groups::{Groups, Periods};
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// Most series of one run.
const MOST_SERIES: usize = 5_000;

/// What is continued, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ForecastParameters)]
pub struct ForecastBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column of periods: years, quarters, months or days.
    pub period: Option<String>,
    /// The column of premium; rows of one period and series are summed up.
    pub premium: Option<String>,
    /// A series for every combination of these columns; one for all when absent.
    pub by: Option<Vec<String>>,
    /// Periods to forecast; 4 when absent.
    pub periods: Option<u64>,
    /// The ways that are tried: `lastValue`, `seasonalGrowth`, `logLinear`, `holt`; all when absent. The
    /// one with the least error in the back-test is taken.
    pub ways: Option<Vec<String>>,
    /// Periods of a year, of `seasonalGrowth`; told from the periods when absent.
    pub seasons: Option<u64>,
    /// Weight of a new value in the level of `holt`; 0.5 when absent.
    pub level: Option<f64>,
    /// Weight of a new step in the trend of `holt`; 0.3 when absent.
    pub trend: Option<f64>,
    /// Periods at the end the ways are judged by; 2 when absent.
    pub held_out: Option<u64>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Forecast {
    columns: Vec<String>,
    prepare: Prepare,
    period: String,
    premium: String,
    by: Vec<String>,
    periods: usize,
    ways: Vec<Word>,
    seasons: Option<usize>,
    level: f64,
    trend: f64,
    held_out: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    LastValue,
    SeasonalGrowth,
    LogLinear,
    Holt,
}

const WORDS: [(&str, Word); 4] = [
    ("lastValue", Word::LastValue),
    ("seasonalGrowth", Word::SeasonalGrowth),
    ("logLinear", Word::LogLinear),
    ("holt", Word::Holt),
];

/// How premium goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForecastResult {
    pub(crate) periods: Vec<String>,
    pub(crate) forecast_periods: Vec<String>,
    pub(crate) series: Vec<SeriesResult>,
    /// The sum of the forecasts of all series, by period.
    pub(crate) total: Vec<Figure>,
}

/// How one series goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeriesResult {
    pub(crate) name: String,
    pub(crate) observed: Vec<Figure>,
    /// The way that was taken.
    pub(crate) way: String,
    pub(crate) forecast: Vec<Figure>,
    pub(crate) ways: Vec<WayResult>,
}

/// What one way says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WayResult {
    pub(crate) name: String,
    /// Mean absolute error in the back-test, relative to what was observed; null when the series is too
    /// short for it.
    pub(crate) error: Option<Figure>,
    pub(crate) forecast: Vec<Figure>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &ForecastBody, check: &mut Check<'_>) -> Forecast {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let by = body.by.iter().flatten().enumerate();
    let by = by.map(|(at, name)| check.needed(&format!("/by/{at}"), Some(name), None)).collect();
    let ways = match &body.ways {
        None => WORDS.map(|(_, word)| word).to_vec(),
        Some(ways) if ways.is_empty() => {
            check.fault("/ways", "name at least one");
            vec![]
        }
        Some(ways) => {
            let each = ways.iter().enumerate();
            each.map(|(at, way)| check.word(&format!("/ways/{at}"), Some(way), &WORDS)).collect()
        }
    };
    Forecast {
        period: check.needed("/period", body.period.as_ref(), None),
        premium: check.number("/premium", body.premium.as_ref(), Some(Role::Premium)),
        periods: check.whole("/periods", body.periods, 4, 1..=120),
        seasons: body.seasons.map(|it| check.whole("/seasons", Some(it), 1, 1..=366)),
        level: check.within("/level", body.level, 0.5, 0.0..=1.0),
        trend: check.within("/trend", body.trend, 0.3, 0.0..=1.0),
        held_out: check.whole("/heldOut", body.held_out, 2, 1..=60),
        columns: check.used(),
        prepare,
        by,
        ways,
    }
}

impl Plan for Forecast {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, _watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let periods = Periods::of(&data, &self.period)?;
        let Groups { names, codes, .. } = Groups::of(&data, &self.by, MOST_SERIES)?;
        let premium = data.numbers(&self.premium)?;
        let mut observed = vec![vec![0.0; periods.names.len()]; names.len()];
        let mut seen = vec![vec![false; periods.names.len()]; names.len()];
        for (row, place) in periods.places.iter().enumerate() {
            observed[codes[row]][*place] += premium[row];
            seen[codes[row]][*place] = true;
        }
        let mut series = Vec::with_capacity(names.len());
        for ((name, observed), seen) in names.into_iter().zip(&observed).zip(&seen) {
            if let Some(gap) = seen.iter().position(|seen| !seen) {
                let detail = format!("{name} has no premium in {}", periods.names[gap]);
                let advice = "every series has a value in every period: leave the series or the \
                              periods out, or sum up by fewer columns";
                return Err(
                    Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.premium)
                );
            }
            series.push(self.continued(name, observed, &periods)?);
        }
        let total: Vec<f64> = (0..self.periods)
            .map(|ahead| series.iter().map(|series| series.forecast[ahead].0).sum())
            .collect();
        let shown = [("series", series.len() as f64), ("nextTotal", total[0])];
        let found = ForecastResult {
            forecast_periods: periods.ahead(self.periods).collect(),
            periods: periods.names,
            series,
            total: figures(total),
        };
        Outcome::of(&found, shown)
    }
}

impl Forecast {
    fn continued(
        &self,
        name: String,
        observed: &[f64],
        periods: &Periods,
    ) -> Result<SeriesResult, Failure> {
        let seasons = self.seasons.unwrap_or((12 / periods.months.clamp(1, 12)) as usize);
        let mut ways = vec![];
        let mut short = None;
        for (way_name, word) in WORDS.iter().filter(|(_, word)| self.ways.contains(word)) {
            let way = match word {
                Word::LastValue => Way::LastValue,
                Word::SeasonalGrowth => Way::SeasonalGrowth { seasons },
                Word::LogLinear => Way::LogLinear,
                Word::Holt => Way::Holt { level: self.level, trend: self.trend },
            };
            let forecast = match way.forecast(observed, self.periods) {
                Ok(forecast) => forecast,
                // Another way may do with fewer values.
                Err(error @ ForecastError::TooShort { .. }) => {
                    short = Some(error);
                    continue;
                }
                Err(error) => return Err(self.refused(&error, &name, periods)),
            };
            let known = observed.len().saturating_sub(self.held_out);
            let error = way
                .forecast(&observed[..known], observed.len() - known)
                .ok()
                .and_then(|forecast| relative_error(&forecast, &observed[known..]));
            ways.push(WayResult {
                name: (*way_name).to_owned(),
                error: error.map(Figure),
                forecast: figures(forecast),
            });
        }
        let by_error = |a: &&WayResult, b: &&WayResult| {
            let error = |way: &WayResult| way.error.map_or(f64::INFINITY, |error| error.0);
            error(a).total_cmp(&error(b))
        };
        let Some(best) = ways.iter().min_by(by_error) else {
            let error =
                short.unwrap_or(ForecastError::TooShort { found: observed.len(), needed: 1 });
            return Err(self.refused(&error, &name, periods));
        };
        Ok(SeriesResult {
            name,
            observed: figures(observed.iter().copied()),
            way: best.name.clone(),
            forecast: best.forecast.clone(),
            ways,
        })
    }

    fn refused(&self, error: &ForecastError, name: &str, periods: &Periods) -> Failure {
        match error {
            ForecastError::Value(place) => {
                let detail = format!(
                    "{} of {name} is not positive in {}",
                    self.premium, periods.names[*place]
                );
                let advice = "leave the series or the period out, or sum up by fewer columns";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.premium)
            }
            ForecastError::TooShort { .. } => {
                let advice = "take more periods, or lastValue among the ways";
                Failure::new(&error::NOTHING_TO_LEARN, format!("{name}: {error}"), advice)
            }
            ForecastError::Argument(_) => {
                Failure::new(&error::UNFIT_VALUE, error.to_string(), "correct the parameters")
            }
            ForecastError::NotFinite(what) => Failure::not_a_number(what.0),
        }
    }
}

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
use crate::method::period::{Period, common_step};
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

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ForecastResult {
    periods: Vec<String>,
    forecast_periods: Vec<String>,
    series: Vec<SeriesResult>,
    /// The sum of the forecasts of all series, by period.
    total: Vec<Figure>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeriesResult {
    name: String,
    observed: Vec<Figure>,
    /// The way that was taken.
    way: &'static str,
    forecast: Vec<Figure>,
    ways: Vec<WayResult>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WayResult {
    name: &'static str,
    /// Mean absolute error in the back-test, relative to what was observed; null when the series is too
    /// short for it.
    error: Option<Figure>,
    forecast: Vec<Figure>,
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
        let periods = self.periods(&data)?;
        let months: Vec<i32> = periods.iter().map(|period| period.month).collect();
        let named = periods.iter().map(|period| period.months).max().unwrap_or(12);
        let step = match named {
            1 => common_step(&months).unwrap_or(1),
            months => months,
        };
        let first = months.iter().min().copied().unwrap_or(0);
        let last = months.iter().max().copied().unwrap_or(0);
        let all: Vec<i32> = (first..=last).step_by(step as usize).collect();
        let (names, codes) = self.series(&data)?;
        let premium = data.numbers(&self.premium)?;
        let mut observed = vec![vec![0.0; all.len()]; names.len()];
        let mut seen = vec![vec![false; all.len()]; names.len()];
        for (row, month) in months.iter().enumerate() {
            let place = (month - first) as usize / step as usize;
            observed[codes[row]][place] += premium[row];
            seen[codes[row]][place] = true;
        }
        let label = |month: i32| Period::beginning(month, step).to_string();
        let mut series = Vec::with_capacity(names.len());
        for ((name, observed), seen) in names.into_iter().zip(&observed).zip(&seen) {
            if let Some(gap) = seen.iter().position(|seen| !seen) {
                let detail = format!("{name} has no premium in {}", label(all[gap]));
                let advice = "every series has a value in every period: leave the series or the \
                              periods out, or sum up by fewer columns";
                return Err(
                    Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.premium)
                );
            }
            series.push(self.continued(name, observed, step, &|place| label(all[place]))?);
        }
        let total: Vec<f64> = (0..self.periods)
            .map(|ahead| series.iter().map(|series| series.forecast[ahead].0).sum())
            .collect();
        let ahead = (1..=self.periods as i32).map(|ahead| label(last + ahead * step as i32));
        let shown = [("series", series.len() as f64), ("nextTotal", total[0])];
        let found = ForecastResult {
            periods: all.into_iter().map(label).collect(),
            forecast_periods: ahead.collect(),
            series,
            total: figures(total),
        };
        Outcome::of(&found, shown)
    }
}

impl Forecast {
    fn periods(&self, data: &Data) -> Result<Vec<Period>, Failure> {
        let texts = data.texts(&self.period)?;
        let each = texts.iter().enumerate().map(|(row, text)| {
            text.as_deref().and_then(Period::parse).ok_or_else(|| {
                let text = text.as_deref().unwrap_or("nothing");
                let detail =
                    format!("{} is {text:?} in row {}, which is no period", self.period, row + 1);
                let advice =
                    "periods are years (2024), quarters (2024Q1), months (2024-01) or days";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.period)
            })
        });
        each.collect()
    }

    /// Names of the series, and which one each row belongs to.
    fn series(&self, data: &Data) -> Result<(Vec<String>, Vec<usize>), Failure> {
        let mut names = vec!["all".to_owned()];
        let mut codes = vec![0; data.rows()];
        for (at, column) in self.by.iter().enumerate() {
            let (levels, own) = data.factor(column)?;
            let mut all = Vec::with_capacity(names.len() * levels.len());
            for name in &names {
                all.extend(levels.iter().map(|level| match at {
                    0 => level.clone(),
                    _ => format!("{name}, {level}"),
                }));
            }
            codes.iter_mut().zip(&own).for_each(|(code, own)| {
                *code = *code * levels.len() + *own as usize;
            });
            names = all;
        }
        // Only combinations some row has.
        let mut places = vec![usize::MAX; names.len()];
        codes.iter().for_each(|code| places[*code] = 0);
        let mut next = 0;
        let mut kept = vec![];
        for (place, name) in places.iter_mut().zip(names) {
            if *place == 0 {
                *place = next;
                next += 1;
                kept.push(name);
            }
        }
        if kept.len() > MOST_SERIES {
            let detail = format!("{} series are more than {MOST_SERIES}", kept.len());
            return Err(Failure::new(&error::TOO_MUCH_DATA, detail, "name fewer columns under by"));
        }
        codes.iter_mut().for_each(|code| *code = places[*code]);
        Ok((kept, codes))
    }

    fn continued(
        &self,
        name: String,
        observed: &[f64],
        step: u32,
        label: &dyn Fn(usize) -> String,
    ) -> Result<SeriesResult, Failure> {
        let seasons = self.seasons.unwrap_or((12 / step.clamp(1, 12)) as usize);
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
                Err(error) => return Err(self.refused(&error, &name, label)),
            };
            let known = observed.len().saturating_sub(self.held_out);
            let error = way
                .forecast(&observed[..known], observed.len() - known)
                .ok()
                .and_then(|forecast| relative_error(&forecast, &observed[known..]));
            ways.push(WayResult {
                name: way_name,
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
            return Err(self.refused(&error, &name, label));
        };
        Ok(SeriesResult {
            name,
            observed: figures(observed.iter().copied()),
            way: best.name,
            forecast: best.forecast.clone(),
            ways,
        })
    }

    fn refused(
        &self,
        error: &ForecastError,
        name: &str,
        label: &dyn Fn(usize) -> String,
    ) -> Failure {
        match error {
            ForecastError::Value(place) => {
                let detail =
                    format!("{} of {name} is not positive in {}", self.premium, label(*place));
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

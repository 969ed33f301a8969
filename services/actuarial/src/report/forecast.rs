//! The page of a premium forecast: each series with its course, and how the ways did in the back-test.

use crate::method::forecast::{ForecastResult, SeriesResult};
use crate::report::html::{Page, amount, percent};
use crate::report::svg::{self, Course};

/// Series that are drawn.
const MOST_DRAWN: usize = 20;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &ForecastResult) {
    page.paragraph(&format!(
        "{} series of {} periods, continued by {}. Each goes on the way that erred least in its \
         back-test.",
        found.series.len(),
        found.periods.len(),
        found.forecast_periods.len()
    ));
    page.heading("All series together");
    let observed: Vec<f64> = (0..found.periods.len())
        .map(|place| found.series.iter().map(|own| own.observed[place].0).sum())
        .collect();
    let total: Vec<f64> = found.total.iter().map(|it| it.0).collect();
    draw(page, found, "Premium of all series", &observed, &total);
    let rows = found.forecast_periods.iter().zip(&total);
    let rows = rows.map(|(name, value)| vec![name.clone(), amount(*value)]);
    page.table(&["Period", "Forecast"], &rows.collect::<Vec<_>>(), false);
    page.heading("Ways and their errors");
    page.note("Mean absolute error in the back-test, relative to what was observed.");
    let mut names: Vec<&str> = vec![];
    for way in found.series.iter().flat_map(|own| &own.ways) {
        if !names.contains(&way.name.as_str()) {
            names.push(&way.name);
        }
    }
    let rows = found.series.iter().map(|own| {
        let mut cells = vec![own.name.clone(), own.way.clone()];
        cells.extend(names.iter().map(|name| {
            let way = own.ways.iter().find(|way| way.name == *name);
            way.and_then(|way| way.error).map_or(String::new(), |error| percent(error.0))
        }));
        cells.extend(own.forecast.iter().take(4).map(|value| amount(value.0)));
        cells
    });
    let head: Vec<&str> = ["Series", "Way"]
        .into_iter()
        .chain(names.iter().copied())
        .chain(found.forecast_periods.iter().take(4).map(String::as_str))
        .collect();
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    let last = |own: &SeriesResult| own.observed.last().map_or(0.0, |value| value.0);
    let mut order: Vec<&SeriesResult> = found.series.iter().collect();
    order.sort_by(|a, b| last(b).total_cmp(&last(a)));
    for own in order.into_iter().take(MOST_DRAWN).filter(|_| found.series.len() > 1) {
        page.heading(&own.name);
        let observed: Vec<f64> = own.observed.iter().map(|it| it.0).collect();
        let forecast: Vec<f64> = own.forecast.iter().map(|it| it.0).collect();
        draw(
            page,
            found,
            &format!("Premium of {}, by {}", own.name, own.way),
            &observed,
            &forecast,
        );
    }
    if found.series.len() > MOST_DRAWN {
        page.note(&format!("The {MOST_DRAWN} largest series are drawn; all are in the result."));
    }
}

/// What was observed, and what goes on from its last value.
fn draw(page: &mut Page, found: &ForecastResult, title: &str, observed: &[f64], ahead: &[f64]) {
    let names: Vec<String> = found.periods.iter().chain(&found.forecast_periods).cloned().collect();
    let gap = std::iter::repeat_n(None, observed.len().saturating_sub(1));
    let lines = [
        Course {
            name: "observed".to_owned(),
            values: observed.iter().copied().map(Some).collect(),
        },
        Course {
            name: "forecast".to_owned(),
            values: gap
                .chain(observed.last().copied().map(Some))
                .chain(ahead.iter().copied().map(Some))
                .collect(),
        },
    ];
    page.drawing(&svg::courses(title, &names, &lines, &[]));
}

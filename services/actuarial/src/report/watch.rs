//! The page of groups that are watched together: alarms, and the sum of each group against its limits.

use crate::method::watch::result::{WatchResult, WatchedResult};
use crate::report::html::{Page, amount, number, percent};
use crate::report::svg::{self, Bar, Course};

/// Alarms that are listed, and groups that are drawn.
const MOST_ALARMS: usize = 200;
const MOST_DRAWN: usize = 20;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &WatchResult) {
    let by = if found.by.is_empty() { "nothing".to_owned() } else { found.by.join(", ") };
    page.paragraph(&format!(
        "{} groups by {by} are watched: {}. {} alarms; at most {} a year may be expected over all groups \
         while nothing is wrong.",
        found.charts.len(),
        found.what,
        found.alarms.len(),
        number(found.false_alarms_a_year.0, 2)
    ));
    if !found.not_watched.is_empty() {
        let names: Vec<&str> =
            found.not_watched.iter().take(20).map(|name| name.as_str()).collect();
        page.note(&format!(
            "{} groups have no period beyond those that are learnt from: {}{}",
            found.not_watched.len(),
            names.join("; "),
            if found.not_watched.len() > 20 { "; …" } else { "." }
        ));
    }
    page.heading("Alarms");
    let count = |period: &String| found.alarms.iter().filter(|own| own.period == *period).count();
    let bars: Vec<Bar> = found
        .periods
        .iter()
        .map(|name| Bar { name: name.clone(), value: count(name) as f64, error: None })
        .collect();
    page.drawing(&svg::bars("Alarms by period", &bars));
    let rows = found.alarms.iter().take(MOST_ALARMS).map(|own| {
        vec![
            own.group.clone(),
            own.period.clone(),
            own.since.clone(),
            amount(own.observed.0),
            amount(own.expected.0),
            match own.expected.0 > 0.0 {
                true => percent(own.observed.0 / own.expected.0),
                false => String::new(),
            },
            number(own.sum.0, 2),
            number(own.limit.0, 2),
        ]
    });
    let head = ["Group", "Period", "Since", "Came", "Expected", "Part", "Sum", "Limit"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    let mut order: Vec<&WatchedResult> = found.charts.iter().collect();
    order.sort_by_key(|chart| std::cmp::Reverse(chart.alarms));
    for chart in order.into_iter().take(MOST_DRAWN) {
        draw(page, chart);
    }
    if found.charts.len() > MOST_DRAWN {
        page.note(&format!(
            "{MOST_DRAWN} groups are drawn, those with the most alarms first; all are in the result."
        ));
    }
}

fn draw(page: &mut Page, chart: &WatchedResult) {
    page.heading(&chart.name);
    let names: Vec<String> = chart.points.iter().map(|point| point.period.clone()).collect();
    let line = |name: &str, of: fn(&crate::method::watch::result::PointResult) -> f64| Course {
        name: name.to_owned(),
        values: chart.points.iter().map(|point| Some(of(point))).collect(),
    };
    let marks = chart.points.iter().enumerate().filter(|(_, point)| point.signal);
    let marks: Vec<usize> = marks.map(|(place, _)| place).collect();
    let sums = [line("sum", |point| point.sum.0), line("limit", |point| point.limit.0)];
    let title = format!("Sum and limit of {}", chart.name);
    page.drawing(&svg::courses(&title, &names, &sums, &marks));
    let seen = [line("came", |point| point.observed.0), line("expected", |point| point.expected.0)];
    let title = format!("What came and what was expected of {}", chart.name);
    page.drawing(&svg::courses(&title, &names, &seen, &marks));
}

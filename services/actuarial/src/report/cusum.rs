//! The page of early-warning charts: each group's sum against its limit, and how long charts run.

use crate::method::cusum::{ChartResult, ChartsResult};
use crate::report::html::{Page, number};
use crate::report::svg::{self, Course};

/// Charts that are drawn.
const MOST_DRAWN: usize = 20;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &ChartsResult) {
    let signals: usize = found.charts.iter().map(|chart| chart.signals).sum();
    page.paragraph(&format!(
        "{} charts of {}, {} signals.",
        found.charts.len(),
        if found.kind == "poisson" { "counts" } else { "standardised observations" },
        signals
    ));
    page.note(
        "A chart adds up what lies above its reference and signals when the sum passes its limit; it runs \
         so many periods on average while nothing is wrong, and so many once the mean has shifted.",
    );
    let rows = found.charts.iter().map(|chart| {
        vec![
            chart.name.clone(),
            chart.signals.to_string(),
            number(chart.mean.0, 4),
            chart.deviation.map_or(String::new(), |it| number(it.0, 4)),
            number(chart.reference.0, 3),
            number(chart.limit.0, 2),
            number(chart.run_length_good.0, 1),
            number(chart.run_length_bad.0, 1),
        ]
    });
    let head = [
        "Group",
        "Signals",
        "Mean",
        "Deviation",
        "Reference",
        "Limit",
        "Periods without cause",
        "Periods after a shift",
    ];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    // Those that signalled first.
    let mut order: Vec<&ChartResult> = found.charts.iter().collect();
    order.sort_by_key(|chart| std::cmp::Reverse(chart.signals));
    for chart in order.into_iter().take(MOST_DRAWN) {
        draw(page, chart);
    }
    if found.charts.len() > MOST_DRAWN {
        page.note(&format!("{MOST_DRAWN} charts are drawn; all are in the result."));
    }
}

fn draw(page: &mut Page, chart: &ChartResult) {
    page.heading(&chart.name);
    let names: Vec<String> = chart.points.iter().map(|point| point.name.clone()).collect();
    let lines = [
        Course {
            name: "sum".to_owned(),
            values: chart.points.iter().map(|point| Some(point.sum.0)).collect(),
        },
        Course { name: "limit".to_owned(), values: vec![Some(chart.limit.0); names.len()] },
    ];
    let marks = chart.points.iter().enumerate().filter(|(_, point)| point.signal);
    let marks: Vec<usize> = marks.map(|(place, _)| place).collect();
    page.drawing(&svg::courses(
        &format!("Sum and limit of {}", chart.name),
        &names,
        &lines,
        &marks,
    ));
    let observed = [Course {
        name: "observed".to_owned(),
        values: chart.points.iter().map(|point| Some(point.value.0)).collect(),
    }];
    page.drawing(&svg::courses(
        &format!("Observations of {}", chart.name),
        &names,
        &observed,
        &marks,
    ));
}

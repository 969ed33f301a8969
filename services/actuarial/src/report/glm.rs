//! The page of a pricing model: coefficients with their intervals, tests, what was against what was
//! expected.

use crate::figure::Figure;
use crate::method::glm::{ComparisonResult, GlmResult, NormalPointResult};
use crate::report::compare;
use crate::report::html::{Page, amount, number};
use crate::report::svg::{self, Course, Interval, Series};
use crate::report::validation;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &GlmResult) {
    page.paragraph(&format!(
        "A {} model with {} link of {} rows and {} coefficients. It explains {}% of the deviance \
         that the intercept alone leaves.",
        found.family,
        found.link,
        number(found.rows as f64, 0),
        found.coefficients.len(),
        number(100.0 * (1.0 - found.deviance.0 / found.null_deviance.0), 2)
    ));
    if found.rows_dropped > 0 {
        page.note(&format!("{} rows lack a number and were left out.", found.rows_dropped));
    }
    if !found.dropped.is_empty() {
        let names = found.dropped.join(", ");
        page.note(&format!("Others determine {names}, which have no coefficient of their own."));
    }
    judged(page, found);
    coefficients(page, found);
    tests(page, found);
    if let Some(judged) = found.hold_out.as_ref().and_then(|held| held.judged.as_ref()) {
        validation::judged(page, "Rows held out: ", judged);
    }
    residuals(page, found);
    for comparison in &found.comparisons {
        compared(page, comparison);
    }
}

fn judged(page: &mut Page, found: &GlmResult) {
    let mut rows = vec![
        vec!["Deviance".to_owned(), amount(found.deviance.0)],
        vec!["Null deviance".to_owned(), amount(found.null_deviance.0)],
        vec!["Degrees of freedom".to_owned(), number(found.degrees as f64, 0)],
        vec!["Dispersion".to_owned(), number(found.dispersion.0, 4)],
    ];
    rows.extend(found.shape.map(|it| vec!["Power or alpha".to_owned(), number(it.0, 4)]));
    rows.extend(found.log_likelihood.map(|it| vec!["Log-likelihood".to_owned(), amount(it.0)]));
    rows.extend(found.aic.map(|aic| vec!["AIC".to_owned(), amount(aic.0)]));
    if let Some(held) = &found.hold_out {
        rows.extend([
            vec!["Rows held out".to_owned(), number(held.rows as f64, 0)],
            vec!["Their mean deviance".to_owned(), number(held.mean_deviance.0, 6)],
            vec!["Observed among them".to_owned(), number(held.observed.0, 6)],
            vec!["Expected among them".to_owned(), number(held.expected.0, 6)],
        ]);
    }
    page.table(&["Figure", "Value"], &rows, false);
}

fn coefficients(page: &mut Page, found: &GlmResult) {
    page.heading("Coefficients");
    let intervals = found.coefficients.iter().skip(1).filter_map(|own| {
        let (low, high) = (own.low?.0, own.high?.0);
        Some(Interval { name: own.name.clone(), low, value: own.estimate.0, high })
    });
    let intervals: Vec<Interval> = intervals.collect();
    if !intervals.is_empty() {
        let title = "Coefficients with intervals that hold 95 of 100";
        page.drawing(&svg::intervals(title, 0.0, &intervals));
    }
    let text = |figure: Option<Figure>, decimals| {
        figure.map_or(String::new(), |figure| number(figure.0, decimals))
    };
    let rows = found.coefficients.iter().map(|own| {
        vec![
            own.name.clone(),
            number(own.estimate.0, 6),
            text(own.error, 6),
            text(own.z, 2),
            text(own.p, 4),
            text(own.relativity, 4),
        ]
    });
    let head = ["Coefficient", "Estimate", "Error", "z", "p", "Relativity"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

fn tests(page: &mut Page, found: &GlmResult) {
    let tables = [
        ("Wald tests of every term", &found.wald),
        ("Every term given all others (type III)", &found.type_three),
    ];
    for (title, tests) in tables.into_iter().filter(|(_, tests)| !tests.is_empty()) {
        page.heading(title);
        let rows = tests.iter().map(|test| {
            let degrees = test.degrees.to_string();
            vec![test.name.clone(), degrees, number(test.statistic.0, 2), number(test.p.0, 4)]
        });
        let head = ["Term", "Degrees", "Chi-squared", "p"];
        page.table(&head, &rows.collect::<Vec<_>>(), false);
    }
}

fn residuals(page: &mut Page, found: &GlmResult) {
    let Some(own) = &found.residuals else { return };
    page.heading("Residuals");
    let kinds = [
        ("Deviance", Some(&own.deviance)),
        ("Pearson", Some(&own.pearson)),
        ("Quantile", own.quantile.as_ref()),
    ];
    let rows = kinds.into_iter().filter_map(|(name, own)| {
        let own = own?;
        let figures = [own.mean, own.deviation, own.least, own.most, own.squares];
        let cells = figures.iter().map(|figure| number(figure.0, 4));
        Some(std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>())
    });
    let head = ["Residual", "Mean", "Deviation", "Least", "Most", "Sum of squares"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    let names: Vec<String> = own.bands.iter().map(|band| number(band.expected.0, 4)).collect();
    let mut lines = vec![Course {
        name: "Pearson".to_owned(),
        values: own.bands.iter().map(|band| Some(band.pearson.0)).collect(),
    }];
    if own.quantile.is_some() {
        lines.push(Course {
            name: "quantile".to_owned(),
            values: own.bands.iter().map(|band| band.quantile.map(|it| it.0)).collect(),
        });
    }
    let title = "Mean residual by what is expected of a row, in bands of as many rows";
    page.drawing(&svg::courses(title, &names, &lines, &[]));
    if !own.normal.is_empty() {
        let points = |of: fn(&NormalPointResult) -> f64| {
            own.normal.iter().map(|point| (point.normal.0, of(point))).collect()
        };
        let series = [
            Series { name: "residuals".to_owned(), points: points(|point| point.residual.0) },
            Series { name: "normal".to_owned(), points: points(|point| point.normal.0) },
        ];
        let title =
            "Quantile residuals against the standard normal they have when the model is right";
        page.drawing(&svg::lines(title, &series));
    }
}

fn compared(page: &mut Page, comparison: &ComparisonResult) {
    compare(page, comparison, "Observed and expected per unit of volume,");
    let rows = comparison.levels.iter().map(|level| {
        vec![
            level.name.clone(),
            amount(level.volume.0),
            number(level.observed.0, 6),
            number(level.expected.0, 6),
            level.ratio.map_or(String::new(), |ratio| number(ratio.0, 3)),
        ]
    });
    let head = ["Level", "Volume", "Observed", "Expected", "Ratio"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

//! The page of durations: how many last how long, and what makes it longer.

use crate::figure::NINETY_FIVE;
use crate::method::survival::{CoxResult, SurvivalResult};
use crate::report::html::{Page, number, percent};
use crate::report::svg::{self, Interval, Series};

/// Curves that are drawn together.
const MOST_CURVES: usize = 10;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &SurvivalResult) {
    let subjects: usize = found.curves.iter().map(|curve| curve.subjects).sum();
    let ended: usize = found.curves.iter().map(|curve| curve.ended).sum();
    page.paragraph(&format!(
        "{} durations, of which {} ended; the others last on.",
        number(subjects as f64, 0),
        number(ended as f64, 0)
    ));
    page.heading("How many last how long");
    let series: Vec<Series> = found
        .curves
        .iter()
        .take(MOST_CURVES)
        .map(|curve| {
            // A step down at each end.
            let (mut points, mut before) = (vec![(0.0, 1.0)], 1.0);
            for step in &curve.steps {
                points.extend([(step.time.0, before), (step.time.0, step.survival.0)]);
                before = step.survival.0;
            }
            Series { name: curve.name.clone(), points }
        })
        .collect();
    page.drawing(&svg::lines("Part that lasts on, by time (Kaplan and Meier)", &series));
    let rows = found.curves.iter().map(|curve| {
        let last = curve.steps.last();
        vec![
            curve.name.clone(),
            number(curve.subjects as f64, 0),
            number(curve.ended as f64, 0),
            curve.median.map_or("beyond".to_owned(), |median| number(median.0, 2)),
            last.map_or(String::new(), |step| number(step.time.0, 2)),
            last.map_or(String::new(), |step| percent(step.survival.0)),
            last.map_or(String::new(), |step| percent(NINETY_FIVE * step.error.0)),
        ]
    });
    let head =
        ["Group", "Durations", "Ended", "Median", "Last time", "Last on then", "Give or take"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    if let Some(cox) = &found.cox {
        hazards(page, cox);
    }
}

fn hazards(page: &mut Page, found: &CoxResult) {
    page.heading("What makes it shorter or longer (Cox)");
    page.note("A hazard ratio above one ends durations sooner.");
    let intervals: Vec<Interval> = found
        .coefficients
        .iter()
        .map(|own| Interval {
            name: own.name.clone(),
            low: (own.estimate.0 - NINETY_FIVE * own.error.0).exp(),
            value: own.hazard_ratio.0,
            high: (own.estimate.0 + NINETY_FIVE * own.error.0).exp(),
        })
        .collect();
    page.drawing(&svg::intervals("Hazard ratios with bounds that hold 95 of 100", 1.0, &intervals));
    let rows = found.coefficients.iter().zip(&intervals).map(|(own, bounds)| {
        vec![
            own.name.clone(),
            number(own.estimate.0, 5),
            number(own.error.0, 5),
            own.z.map_or(String::new(), |z| number(z.0, 2)),
            number(own.hazard_ratio.0, 4),
            number(bounds.low, 4),
            number(bounds.high, 4),
        ]
    });
    let head = ["Covariate", "Estimate", "Error", "z", "Hazard ratio", "From", "To"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    page.note(&format!(
        "Ties by {}; log-likelihood {} against {} without covariates.",
        found.ties,
        number(found.log_likelihood.0, 3),
        number(found.null_log_likelihood.0, 3)
    ));
}

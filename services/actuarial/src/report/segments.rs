//! The page of segments: what they are, what they cost and what they bring.

use crate::method::segments::SegmentsResult;
use crate::report::html::{Page, amount, number, percent};
use crate::report::svg::{self, Bar};

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &SegmentsResult) {
    page.paragraph(&format!(
        "{} segments of {} rows explain {} of the distances between rows on one scale.",
        found.segments.len(),
        number(found.rows as f64, 0),
        percent(found.explained.0)
    ));
    let bars = |value: fn(&crate::method::segments::SegmentResult) -> Option<f64>| -> Vec<Bar> {
        let own = found.segments.iter();
        own.filter_map(|own| {
            let name = format!("segment {}", own.name);
            value(own).map(|value| Bar { name, value, error: None })
        })
        .collect()
    };
    page.heading("Segments");
    page.drawing(&svg::lying("Rows of each segment", &bars(|own| Some(own.rows as f64))));
    let risks = bars(|own| own.loss_ratio.map(|ratio| ratio.0));
    if !risks.is_empty() {
        page.drawing(&svg::lying("Risk: losses against premium", &risks));
    }
    let values = bars(|own| own.value.map(|value| value.0));
    if !values.is_empty() {
        page.drawing(&svg::lying("Value: premium less losses per unit of volume", &values));
    }
    let mut head = vec!["Segment", "Rows", "Share"];
    head.extend(found.columns.iter().map(|column| &*column.name));
    head.extend(["Premium", "Losses", "Loss ratio", "Value"]);
    if let Some(first) = found.segments.first() {
        head.extend(first.profile.iter().map(|own| &*own.name));
    }
    let rows = found.segments.iter().map(|own| {
        let mut cells = vec![own.name.clone(), number(own.rows as f64, 0), percent(own.share.0)];
        cells.extend(own.middle.iter().map(|middle| number(middle.0, 3)));
        let text = |figure: Option<crate::figure::Figure>, write: fn(f64) -> String| {
            figure.map_or(String::new(), |figure| write(figure.0))
        };
        cells.extend([
            text(own.premium, amount),
            text(own.losses, amount),
            text(own.loss_ratio, percent),
            text(own.value, amount),
        ]);
        cells.extend(own.profile.iter().map(|own| number(own.mean.0, 3)));
        cells
    });
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    page.note("Columns segments are made of show their middles, others their means.");
    page.heading("Directions rows differ in");
    let mut head = vec!["Part of the variance"];
    head.extend(found.columns.iter().map(|column| &*column.name));
    let rows = found.components.iter().map(|own| {
        let mut cells = vec![percent(own.share.0)];
        cells.extend(own.loadings.iter().map(|loading| number(loading.0, 3)));
        cells
    });
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

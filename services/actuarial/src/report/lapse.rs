//! The page of lapses: how well chances order policies, whether they keep their word, what they follow.

use crate::method::lapse::LapseResult;
use crate::report::html::{Page, number, percent};
use crate::report::said_and_seen;
use crate::report::svg::{self, Bar};

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &LapseResult) {
    page.paragraph(&format!(
        "Learnt from {} policies, of which {} lapsed; judged by {} others, of which {} did. Of two \
         policies, one of each kind, the one that lapses has the higher chance {} of the time.",
        number(found.learnt.rows as f64, 0),
        percent(found.learnt.rate.0),
        number(found.held.rows as f64, 0),
        percent(found.held.rate.0),
        percent(found.auc.0)
    ));
    let rows = [
        ("Area under the ROC", found.auc),
        ("Average precision", found.average_precision),
        ("Log loss", found.log_loss),
        ("Brier", found.brier),
        ("Calibration error", found.calibration_error),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), number(value.0, 5)]);
    page.table(&["Figure", "Value"], &rows, false);
    page.heading("Do chances keep their word");
    page.drawing(&svg::compared(
        "Part that lapsed and chance that was said, by band",
        &said_and_seen(&found.calibration),
    ));
    let rows = (1..).zip(&found.calibration).map(|(place, band): (usize, _)| {
        vec![
            place.to_string(),
            number(band.rows as f64, 0),
            percent(band.expected.0),
            percent(band.observed.0),
        ]
    });
    page.table(&["Band", "Policies", "Said", "Seen"], &rows.collect::<Vec<_>>(), false);
    page.heading("The highest chances");
    let rows = found.top.iter().map(|own| {
        vec![
            percent(own.share.0),
            number(own.rows as f64, 0),
            percent(own.precision.0),
            percent(own.recall.0),
            percent(own.least.0),
        ]
    });
    let head = ["Part of policies", "Policies", "Of them lapsed", "Of all lapses", "Least chance"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    page.heading("What chances follow");
    let bars: Vec<Bar> = found
        .reasons
        .iter()
        .take(30)
        .map(|own| Bar { name: own.column.clone(), value: own.effect.0, error: None })
        .collect();
    page.drawing(&svg::lying("Mean size of the effect on the log odds", &bars));
}

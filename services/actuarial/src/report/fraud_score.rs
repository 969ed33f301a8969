//! The page of a fraud score: how it orders claims of its own years and later ones, whether chances keep
//! their word, what they follow.

use crate::method::fraud_score::{FraudScoreResult, SplitResult};
use crate::report::html::{Page, number, percent};
use crate::report::said_and_seen;
use crate::report::svg::{self, Bar};

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &FraudScoreResult) {
    page.paragraph(&format!(
        "Learnt from {} claims, in {} of which fraud was found. Of two claims, one of each kind, the score \
         puts the fraud first {} of the time among claims drawn at random, and {} of the time among the \
         latest, which no score has seen: that is what a live score meets.",
        number(found.rows as f64, 0),
        number(found.fraud as f64, 0),
        percent(found.random.auc.0),
        percent(found.latest.auc.0)
    ));
    let of = |name: &str, of: &dyn Fn(&SplitResult) -> String| {
        vec![name.to_owned(), of(&found.random), of(&found.latest)]
    };
    let rows = [
        of("Claims learnt from", &|own| number(own.learnt_rows as f64, 0)),
        of("Claims judged by", &|own| number(own.judged_rows as f64, 0)),
        of("Fraud among them", &|own| number(own.judged_fraud as f64, 0)),
        of("From", &|own| own.from.map_or(String::new(), |from| number(from.0, 0))),
        of("Area under the ROC", &|own| number(own.auc.0, 4)),
        of("Average precision", &|own| number(own.average_precision.0, 4)),
        of("Log loss", &|own| number(own.log_loss.0, 5)),
        of("Brier", &|own| number(own.brier.0, 5)),
        of("Calibration error", &|own| number(own.calibration_error.0, 5)),
    ];
    page.table(&["Figure", "Drawn at random", "The latest"], &rows, false);
    page.paragraph(&format!(
        "A claim is worth a look from a chance of {} on, and an investigation from {} on.",
        percent(found.review_from.0),
        percent(found.high_from.0)
    ));
    if let Some(champion) = &found.champion {
        page.paragraph(&format!(
            "Model {} orders the latest claims with an area of {}, this one with {}.",
            champion.model_id,
            number(champion.auc.0, 4),
            number(champion.challenger_auc.0, 4)
        ));
    }
    split(page, "Claims drawn at random", &found.random);
    split(page, "The latest claims", &found.latest);
    page.heading("What the score follows");
    let bars: Vec<Bar> = found
        .importance
        .iter()
        .take(30)
        .map(|own| Bar { name: own.name.clone(), value: own.part.0, error: None })
        .collect();
    page.drawing(&svg::lying("Part of the gain of all splits", &bars));
}

fn split(page: &mut Page, whose: &str, found: &SplitResult) {
    page.heading(whose);
    let title = format!("{whose}: part with fraud and chance that was said, by band");
    page.drawing(&svg::compared(&title, &said_and_seen(&found.calibration)));
    let rows = found.top.iter().map(|own| {
        vec![
            percent(own.part.0),
            number(own.rows as f64, 0),
            percent(own.precision.0),
            percent(own.recall.0),
            number(own.lift.0, 2),
            percent(own.from.0),
        ]
    });
    let head =
        ["Highest scores", "Claims", "Of them fraud", "Of all fraud", "Lift", "Least chance"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

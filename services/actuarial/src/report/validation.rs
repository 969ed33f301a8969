//! The page of a validation: lift, Lorenz curve, double lift, actual against expected by factor.

use crate::method::validation::{JudgedResult, RivalResult, ValidationResult};
use crate::report::compare;
use crate::report::html::{Page, amount, number, percent};
use crate::report::svg::{self, Compared, Series};

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &ValidationResult) {
    page.paragraph(&format!(
        "{} rows: {} came where {} is expected, {} of it.",
        number(found.rows as f64, 0),
        amount(found.judged.actual.0),
        amount(found.judged.expected.0),
        percent(found.judged.ratio.0)
    ));
    judged(page, "", &found.judged);
    if let Some(rival) = &found.rival {
        judged(page, "Rival: ", &rival.judged);
        double(page, rival);
    }
    if let Some(nested) = &found.nested {
        page.heading("Do the other terms matter");
        page.paragraph(&format!(
            "Against a model of {} alone, by the likelihood ratio.",
            nested.kept.join(", ")
        ));
        let row = vec![
            nested.test.name.clone(),
            nested.test.degrees.to_string(),
            amount(nested.nested_deviance.0),
            amount(nested.deviance.0),
            number(nested.test.statistic.0, 2),
            number(nested.test.p.0, 4),
        ];
        let head = ["Left out", "Degrees", "Deviance without", "With", "Chi-squared", "p"];
        page.table(&head, &[row], false);
    }
    for comparison in &found.comparisons {
        compare(page, comparison, "Observed and expected per unit of exposure,");
    }
}

/// Lift and Lorenz curve of a model.
pub(crate) fn judged(page: &mut Page, whose: &str, found: &JudgedResult) {
    page.heading(&format!("{whose}Lift"));
    let bands: Vec<Compared> = (1..)
        .zip(&found.lift)
        .map(|(place, band)| Compared {
            name: format!("{place}"),
            weight: band.exposure.0,
            observed: band.actual.0,
            expected: band.expected.0,
        })
        .collect();
    let title = "What came and what is expected per unit of exposure, the cheapest band first";
    page.drawing(&svg::compared(title, &bands));
    page.heading(&format!("{whose}Order: Gini index {}", number(found.gini.0, 4)));
    let curve = found.lorenz.iter().map(|point| (point.exposure.0, point.actual.0)).collect();
    let series = [
        Series { name: "model".to_owned(), points: curve },
        Series { name: "no order".to_owned(), points: vec![(0.0, 0.0), (1.0, 1.0)] },
    ];
    let title = "Part of what came that the part of the exposure has which the model finds cheap";
    page.drawing(&svg::lines(title, &series));
}

fn double(page: &mut Page, found: &RivalResult) {
    page.heading("Double lift");
    page.paragraph(&format!(
        "In bands by what the rival expects against the model, the model is off by {} per unit of \
         exposure and the rival by {}. Gini index of the model over what the rival charges: {}.",
        number(found.distance.0, 5),
        number(found.rival_distance.0, 5),
        number(found.gini_against.0, 4)
    ));
    let line = |of: fn(&crate::method::validation::BandResult) -> f64| {
        (1..).zip(&found.double_lift).map(|(place, band)| (f64::from(place), of(band))).collect()
    };
    let series = [
        Series { name: "came".to_owned(), points: line(|band| band.actual.0) },
        Series { name: "model".to_owned(), points: line(|band| band.expected.0) },
        Series {
            name: "rival".to_owned(),
            points: line(|band| band.rival.map_or(0.0, |rival| rival.0)),
        },
    ];
    page.drawing(&svg::lines("What came, what the model and what the rival expects", &series));
    let rows = (1..).zip(&found.double_lift).map(|(place, band): (usize, _)| {
        vec![
            place.to_string(),
            amount(band.exposure.0),
            number(band.actual.0, 5),
            number(band.expected.0, 5),
            band.rival.map_or(String::new(), |rival| number(rival.0, 5)),
        ]
    });
    let head = ["Band", "Exposure", "Came", "Model", "Rival"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

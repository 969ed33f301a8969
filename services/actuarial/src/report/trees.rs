//! The page of boosted trees: what matters, how the trees do, the tariff distilled from them.

use crate::method::trees::{TariffResult, TreesResult};
use crate::report::compare;
use crate::report::html::{Page, amount, number, percent};
use crate::report::svg::{self, Bar, Series};
use crate::report::validation;

/// Most cells of a table of a tariff that are shown.
const MOST_CELLS: usize = 400;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &TreesResult) {
    page.paragraph(&format!(
        "{} trees{} of the frequency of {} claims in {} years insured, {} rows. Mean Poisson deviance \
         of these rows: {}.",
        found.trees,
        if found.seeds > 1 { format!(" of {} seeds, averaged,", found.seeds) } else { String::new() },
        amount(found.claims.0),
        amount(found.exposure.0),
        number(found.rows as f64, 0),
        number(found.mean_deviance.0, 6)
    ));
    importance(page, found);
    held_out(page, found);
    for comparison in &found.comparisons {
        compare(page, comparison, "Observed and expected frequency");
    }
    explained(page, found);
    if let Some(tariff) = &found.tariff {
        write_tariff(page, tariff);
    }
}

/// Rows that are drawn.
const MOST_DRAWN: usize = 5;

fn explained(page: &mut Page, found: &TreesResult) {
    if found.explained.is_empty() {
        return;
    }
    page.heading("Why single rows");
    page.note("The base and the effects of all factors add up to the score, the logarithm of the frequency.");
    for own in found.explained.iter().take(MOST_DRAWN) {
        let bars: Vec<Bar> = own
            .effects
            .iter()
            .map(|effect| Bar {
                name: format!("{} = {}", effect.name, effect.value),
                value: effect.effect.0,
                error: None,
            })
            .collect();
        let title = format!(
            "Row {}: frequency {}, base {}",
            own.row,
            number(own.frequency.0, 5),
            number(own.base.0.exp(), 5)
        );
        page.heading(&title);
        page.drawing(&svg::lying(&format!("Effects on the score of row {}", own.row), &bars));
    }
    let rows = found.explained.iter().map(|own| {
        let effects = own.effects.iter().take(5);
        let effects = effects
            .map(|it| format!("{} = {}: ×{}", it.name, it.value, number(it.relativity.0, 3)));
        vec![
            own.row.to_string(),
            number(own.frequency.0, 5),
            number(own.score.0, 4),
            effects.collect::<Vec<_>>().join("; "),
        ]
    });
    let head = ["Row", "Frequency", "Score", "The strongest factors"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
}

fn importance(page: &mut Page, found: &TreesResult) {
    page.heading("What matters");
    let bars: Vec<Bar> = found
        .importance
        .iter()
        .map(|own| Bar { name: own.name.clone(), value: own.gain.0, error: None })
        .collect();
    page.drawing(&svg::lying(
        "Gain: by how much splits of a feature lower half the deviance",
        &bars,
    ));
    let rows = found.importance.iter().map(|own| {
        vec![
            own.name.clone(),
            number(own.gain.0, 1),
            percent(own.part.0),
            own.splits.to_string(),
            number(own.permuted.0, 6),
        ]
    });
    let head = ["Feature", "Gain", "Part", "Splits", "Deviance lost when dealt out anew"];
    page.table(&head, &rows.collect::<Vec<_>>(), false);
    if !found.interactions.is_empty() {
        page.heading("What interacts");
        let rows =
            found.interactions.iter().map(|own| vec![own.name.clone(), number(own.gain.0, 1)]);
        page.table(&["Features", "Gain"], &rows.collect::<Vec<_>>(), false);
    }
}

fn held_out(page: &mut Page, found: &TreesResult) {
    let Some(held) = &found.hold_out else { return };
    page.heading("Rows held out");
    let mut text = format!(
        "Mean deviance of {} rows no tree was grown from: {}. Observed {}, expected {} claims per \
         year insured.",
        number(held.rows as f64, 0),
        number(held.mean_deviance.0, 6),
        number(held.observed.0, 5),
        number(held.expected.0, 5)
    );
    if let Some(tariff) = held.tariff_mean_deviance {
        text += &format!(" The tariff's mean deviance: {}.", number(tariff.0, 6));
    }
    page.paragraph(&text);
    let points = held.by_trees.iter().map(|it| (it.trees as f64, it.mean_deviance.0));
    let series = [Series { name: "held out".to_owned(), points: points.collect() }];
    page.drawing(&svg::lines("Mean deviance of the rows held out, by number of trees", &series));
    if let Some(judged) = &held.judged {
        validation::judged(page, "Rows held out: ", judged);
    }
}

fn write_tariff(page: &mut Page, tariff: &TariffResult) {
    page.heading("Tariff");
    page.paragraph(&format!(
        "A frequency is the base of {} times one relativity of each table. Mean deviance of the rows \
         it was distilled from: {}.",
        number(tariff.base.0, 5),
        number(tariff.mean_deviance.0, 6)
    ));
    for table in &tariff.tables {
        page.heading(&table.name);
        if table.relativities.len() > MOST_CELLS {
            page.note("This table is too large for a page; it is in the result.");
            continue;
        }
        match table.bins.as_slice() {
            [bins] => {
                let rows = bins.iter().zip(&table.relativities);
                let rows = rows.map(|(bin, it)| vec![bin.clone(), number(it.0, 4)]);
                page.table(&[&table.name, "Relativity"], &rows.collect::<Vec<_>>(), false);
            }
            [down, across] => {
                let head: Vec<&str> =
                    std::iter::once("").chain(across.iter().map(String::as_str)).collect();
                let rows = down.iter().zip(table.relativities.chunks(across.len()));
                let rows = rows.map(|(bin, cells)| {
                    std::iter::once(bin.clone())
                        .chain(cells.iter().map(|cell| number(cell.0, 4)))
                        .collect::<Vec<String>>()
                });
                page.table(&head, &rows.collect::<Vec<_>>(), false);
            }
            _ => {}
        }
    }
}

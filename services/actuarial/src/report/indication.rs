//! The page of a rate indication: what experience says, what is proposed, who pays more and who less.

use crate::method::indication::{CellResult, FactorResult, ImpactResult, IndicationResult};
use crate::report::html::{Page, amount, number, percent};
use crate::report::svg::{self, Bar, Compared, Interval};

/// Most levels a drawing shows.
const MOST_DRAWN: usize = 60;

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &IndicationResult) {
    page.paragraph(&format!(
        "Losses of {} on premium of {} at present rates: a loss ratio of {}. Premium is to change by \
         {} in all, and changes by {}.",
        amount(found.losses.0),
        amount(found.premium.0),
        percent(found.loss_ratio.0),
        signed(found.target.0),
        signed(found.overall.0)
    ));
    let rule = match &*found.credibility.rule {
        "buhlmann" => "half from",
        _ => "fully from",
    };
    page.note(&format!(
        "A level's claims are believed {rule} {} on. The premium of a level changes by no less than {} \
         and no more than {}. Factors change one after the other; the first carries the change in all.",
        amount(found.credibility.claims.0),
        signed(found.level_cap.least.0),
        signed(found.level_cap.most.0)
    ));
    for own in &found.factors {
        factor(page, own);
    }
    impact(page, &found.impact);
}

fn factor(page: &mut Page, own: &FactorResult) {
    page.heading(&own.name);
    page.paragraph(&format!(
        "The base {} keeps its relativity, and the base rate changes by {}. Believed changes alone \
         would move premium by {}.",
        own.base,
        signed(own.base_rate.0),
        signed(own.off_balance.0)
    ));
    if own.levels.len() <= MOST_DRAWN {
        let intervals = own.levels.iter().filter_map(|level| {
            let (low, high) = (level.low?.0, level.high?.0);
            Some(Interval { name: level.name.clone(), low, value: level.indicated.0, high })
        });
        let intervals: Vec<Interval> = intervals.collect();
        if !intervals.is_empty() {
            let title = "Loss ratio against that of all, with bounds that hold 95 of 100";
            page.drawing(&svg::intervals(title, 1.0, &intervals));
        }
        let relativities: Vec<Compared> = own
            .levels
            .iter()
            .map(|level| Compared {
                name: level.name.clone(),
                weight: level.premium.0,
                observed: level.present.0,
                expected: level.relativity.0,
            })
            .collect();
        let title = "Relativities over bars of premium";
        page.drawing(&svg::two(title, ("present", "proposed"), &relativities));
    }
    let rows: Vec<Vec<String>> = own.levels.iter().map(level).collect();
    let head = [
        "Level",
        "Premium",
        "Losses",
        "Claims",
        "Loss ratio",
        "Indicated",
        "Bounds",
        "Credibility",
        "Change",
        "Present",
        "Proposed",
    ];
    page.table(&head, &rows, false);
    if own.levels.iter().any(|level| level.capped) {
        page.note("* held by a cap");
    }
    if !own.without_experience.is_empty() {
        let names = own.without_experience.join(", ");
        page.note(&format!("No row has {names}: these levels keep their relativity."));
    }
}

fn level(level: &CellResult) -> Vec<String> {
    let bounds = level.low.zip(level.high).map_or(String::new(), |(low, high)| {
        format!("{} – {}", number(low.0, 3), number(high.0, 3))
    });
    vec![
        level.name.clone(),
        amount(level.premium.0),
        amount(level.losses.0),
        number(level.claims.0, 0),
        percent(level.loss_ratio.0),
        number(level.indicated.0, 3),
        bounds,
        number(level.credibility.0, 2),
        format!("{}{}", signed(level.change.0), if level.capped { " *" } else { "" }),
        number(level.present.0, 4),
        number(level.relativity.0, 4),
    ]
}

fn impact(page: &mut Page, found: &ImpactResult) {
    page.heading("Impact on the portfolio");
    page.paragraph(&format!(
        "Of {} policies {} pay less, {} more and {} the same. Premium goes from {} to {}, by {}.",
        number(found.policies as f64, 0),
        number(found.winners as f64, 0),
        number(found.losers as f64, 0),
        number(found.unchanged as f64, 0),
        amount(found.before.0),
        amount(found.after.0),
        signed(found.change.0)
    ));
    let name = |from: Option<f64>, below: Option<f64>| match (from, below) {
        (Some(from), Some(below)) => format!("{} to {}", signed(from), signed(below)),
        (Some(from), None) => format!("from {}", signed(from)),
        (None, Some(below)) => format!("below {}", signed(below)),
        (None, None) => "all".to_owned(),
    };
    let bars: Vec<Bar> = found
        .bands
        .iter()
        .map(|band| Bar {
            name: name(band.from.map(|it| it.0), band.below.map(|it| it.0)),
            value: band.policies as f64,
            error: None,
        })
        .collect();
    page.drawing(&svg::lying("Policies by the change of their premium", &bars));
    let rows: Vec<Vec<String>> = found
        .quantiles
        .iter()
        .map(|own| vec![percent(own.share.0), signed(own.change.0)])
        .collect();
    page.table(&["Share of policies", "Change at most"], &rows, false);
    let rows = found.extremes.iter().map(|own| {
        let levels: Vec<String> =
            own.levels.iter().map(|(name, level)| format!("{name} {level}")).collect();
        vec![levels.join(", "), amount(own.before.0), signed(own.change.0)]
    });
    page.table(&["Furthest apart", "Premium", "Change"], &rows.collect::<Vec<_>>(), false);
    if found.without_premium > 0 {
        page.note(&format!("{} rows have no premium and do not count.", found.without_premium));
    }
}

/// A change as signed percents.
fn signed(change: f64) -> String {
    let percents = 100.0 * (change - 1.0);
    let sign = if percents >= 0.05 { "+" } else { "" };
    // What rounds to nothing has no sign.
    let percents = if percents.abs() < 0.05 { 0.0 } else { percents };
    format!("{sign}{}%", number(percents, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_signed_unless_they_are_none() {
        let changes = [1.05, 0.9, 1.0, 0.9999, 1.00049].map(signed);
        assert_eq!(changes, ["+5.0%", "−10.0%", "0.0%", "0.0%", "0.0%"]);
    }
}

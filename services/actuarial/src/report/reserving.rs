//! The page of a reserving run: triangle, development, reserves with their errors.

use crate::figure::Figure;
use crate::method::reserving::{
    AheadResult, BackTestResult, BestResult, CalibratedResult, DistributionResult, OneYearResult,
    ReservingResult, TestedMethodResult,
};
use crate::report::html::{Page, amount, number, percent};
use crate::report::svg::{self, Bar, Series};

/// Writes what was found.
pub(crate) fn write(page: &mut Page, found: &ReservingResult) {
    summary(page, found);
    triangle(page, found);
    development(page, found);
    reserves(page, found);
    if let Some(one_year) = &found.one_year {
        write_one_year(page, one_year);
    }
    others(page, found);
    if let Some(calibrated) = &found.calibrated {
        write_calibrated(page, calibrated);
    }
    if let Some(best) = &found.best {
        write_best(page, best);
    }
    if let Some(back_test) = &found.back_test {
        write_back_test(page, back_test);
    }
}

fn summary(page: &mut Page, found: &ReservingResult) {
    let ladder = &found.chain_ladder;
    let mut text = format!(
        "The chain ladder ({} averages, tail {}) leaves a reserve of {} beside {} that is known.",
        found.development.average,
        number(found.development.tail_factor.0, 4),
        amount(ladder.reserve.0),
        amount(ladder.latest.0)
    );
    if let Some(mack) = &found.mack {
        let part = mack.total.coefficient.map(|part| format!(", {}", percent(part.0)));
        text += &format!(
            " Its standard error after Mack is {}{} of the reserve.",
            amount(mack.total.error.0),
            part.unwrap_or_default()
        );
    }
    page.paragraph(&text);
    if found.triangle.summed_cells > 0 {
        page.note(&format!(
            "{} cells are sums of several rows of the dataset.",
            found.triangle.summed_cells
        ));
    }
    if found.triangle.negative_increments > 0 {
        page.note(&format!(
            "{} increments are below zero: recoveries, or amounts that were set too high.",
            found.triangle.negative_increments
        ));
    }
}

fn triangle(page: &mut Page, found: &ReservingResult) {
    let triangle = &found.triangle;
    page.heading("Triangle");
    let ages: Vec<String> = triangle.ages.iter().map(u32::to_string).collect();
    let head: Vec<&str> =
        std::iter::once("Origin").chain(ages.iter().map(String::as_str)).collect();
    page.table(&head, &grid(&triangle.origins, &triangle.cumulative, amount), false);
    let series = triangle.origins.iter().zip(&triangle.cumulative).map(|(origin, row)| Series {
        name: origin.clone(),
        points: triangle
            .ages
            .iter()
            .zip(row)
            .filter_map(|(age, cell)| Some((f64::from(*age), (*cell)?.0)))
            .collect(),
    });
    let series: Vec<Series> = series.collect();
    page.drawing(&svg::lines("Cumulative amounts by age in months", &series));
}

fn development(page: &mut Page, found: &ReservingResult) {
    let (triangle, development) = (&found.triangle, &found.development);
    page.heading("Development");
    let steps: Vec<String> =
        triangle.ages.windows(2).map(|pair| format!("{}–{}", pair[0], pair[1])).collect();
    let head: Vec<&str> =
        std::iter::once("Origin").chain(steps.iter().map(String::as_str)).collect();
    let mut rows = grid(&triangle.origins, &triangle.link_ratios, |value| number(value, 4));
    let row = |name: &str, values: &mut dyn Iterator<Item = Option<f64>>| {
        let texts = values.map(|value| value.map_or(String::new(), |value| number(value, 4)));
        std::iter::once(name.to_owned()).chain(texts).collect::<Vec<String>>()
    };
    rows.push(row("Factor", &mut development.factors.iter().map(|factor| Some(factor.0))));
    if let Some(mack) = &found.mack {
        rows.push(row("Standard error", &mut mack.factor_errors.iter().map(|it| Some(it.0))));
        rows.push(row("Sigma", &mut mack.sigmas.iter().map(|sigma| Some(sigma.0))));
    }
    let ultimate = development.to_ultimate.iter().take(development.factors.len());
    rows.push(row("To ultimate", &mut ultimate.map(|factor| Some(factor.0))));
    page.table(&head, &rows, false);
    let part = |(age, factor): (&u32, &Figure)| (f64::from(*age), 1.0 / factor.0);
    let points = triangle.ages.iter().zip(&development.to_ultimate).map(part).collect();
    let series = [Series { name: "developed".to_owned(), points }];
    page.drawing(&svg::lines("Part of the ultimate that is known, by age in months", &series));
}

fn reserves(page: &mut Page, found: &ReservingResult) {
    page.heading("Reserve by origin");
    let ladder = &found.chain_ladder;
    let mut head = vec!["Origin", "Age", "Known", "Ultimate", "Reserve"];
    if found.mack.is_some() {
        head.extend(["Process error", "Parameter error", "Error", "Part"]);
    }
    let errors = |place: Option<usize>| -> Vec<String> {
        let Some(mack) = &found.mack else { return vec![] };
        let error = match place {
            Some(place) => &mack.origins[place],
            None => &mack.total,
        };
        let part = error.coefficient.map_or(String::new(), |part| percent(part.0));
        vec![amount(error.process.0), amount(error.parameter.0), amount(error.error.0), part]
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (place, origin) in ladder.origins.iter().enumerate() {
        let mut row = vec![
            origin.name.clone(),
            origin.age.to_string(),
            amount(origin.latest.0),
            amount(origin.ultimate.0),
            amount(origin.reserve.0),
        ];
        row.extend(errors(Some(place)));
        rows.push(row);
    }
    let mut total = vec![
        "Total".to_owned(),
        String::new(),
        amount(ladder.latest.0),
        amount(ladder.ultimate.0),
        amount(ladder.reserve.0),
    ];
    total.extend(errors(None));
    rows.push(total);
    page.table(&head, &rows, true);
    let bars: Vec<Bar> = ladder
        .origins
        .iter()
        .enumerate()
        .map(|(place, origin)| Bar {
            name: origin.name.clone(),
            value: origin.reserve.0,
            error: found.mack.as_ref().map(|mack| mack.origins[place].error.0),
        })
        .collect();
    page.drawing(&svg::bars("Reserve by origin, with one standard error", &bars));
}

fn write_one_year(page: &mut Page, found: &OneYearResult) {
    page.heading("One-year view");
    let total = &found.total;
    let part = total.part.map_or(String::new(), |part| format!(", {} of", percent(part.0)));
    page.paragraph(&format!(
        "A year from now the chain ladder will say other ultimates: their sum moves by {} (one standard \
         error{part} the {} until everything has come in). Squared errors of the years add up to Mack's.",
        amount(total.next_year.0),
        amount(total.all_years.0)
    ));
    let row = |it: &AheadResult| {
        let part = it.part.map_or(String::new(), |part| percent(part.0));
        let (next, all) = (amount(it.next_year.0), amount(it.all_years.0));
        vec![it.name.clone(), amount(it.reserve.0), next, all, part]
    };
    let mut rows: Vec<Vec<String>> = found.origins.iter().map(row).collect();
    rows.push(row(total));
    page.table(&["Origin", "Reserve", "Next year", "All years", "Part"], &rows, true);
    let years = (1..).zip(&total.years);
    let bars: Vec<Bar> = years
        .map(|(year, error)| Bar { name: format!("year {year}"), value: error.0, error: None })
        .collect();
    page.drawing(&svg::bars(
        "Standard error of the claims development result by year ahead",
        &bars,
    ));
}

fn others(page: &mut Page, found: &ReservingResult) {
    let mut rows = vec![vec!["Chain ladder".to_owned(), amount(found.chain_ladder.reserve.0)]];
    let cape = found.cape_cod.as_ref().map(|cape| &cape.projection);
    let beside = [
        ("Bornhuetter–Ferguson", found.bornhuetter_ferguson.as_ref()),
        ("Benktander", found.benktander.as_ref()),
        ("Cape Cod", cape),
    ];
    for (name, projection) in beside {
        rows.extend(projection.map(|found| vec![name.to_owned(), amount(found.reserve.0)]));
    }
    if let Some(munich) = &found.munich {
        let reserve = munich.paid_ultimate.0 - found.chain_ladder.latest.0;
        rows.push(vec!["Munich chain ladder (paid)".to_owned(), amount(reserve)]);
    }
    if let Some(odp) = &found.odp {
        let name = format!("Over-dispersed Poisson (error {})", amount(odp.total.error.0));
        rows.push(vec![name, amount(odp.total.reserve.0)]);
    }
    if let Some(bootstrap) = &found.bootstrap {
        let total = &bootstrap.total;
        let name = format!("Bootstrap mean (deviation {})", amount(total.deviation.0));
        rows.push(vec![name, amount(total.mean.0)]);
    }
    if rows.len() > 1 {
        page.heading("Methods beside each other");
        page.table(&["Method", "Reserve"], &rows, false);
    }
    if let Some(bootstrap) = &found.bootstrap {
        page.heading("Distribution of the reserve");
        let names = bootstrap.total.quantiles.iter().map(|quantile| &*quantile.name);
        let head: Vec<&str> = ["Origin", "Mean", "Deviation"].into_iter().chain(names).collect();
        let row = |it: &DistributionResult| {
            let quantiles = it.quantiles.iter().map(|quantile| amount(quantile.amount.0));
            let own = [it.name.clone(), amount(it.mean.0), amount(it.deviation.0)];
            own.into_iter().chain(quantiles).collect::<Vec<String>>()
        };
        let mut rows: Vec<Vec<String>> = bootstrap.origins.iter().map(row).collect();
        rows.push(row(&bootstrap.total));
        page.table(&head, &rows, true);
        page.note(&format!("{} triangles were drawn.", bootstrap.draws));
    }
}

fn write_calibrated(page: &mut Page, found: &CalibratedResult) {
    page.heading("Calibrated on past valuations");
    let hindsight = &found.hindsight;
    page.paragraph(&format!(
        "Cape Cod's reserve of {} with a standard deviation of {}, where Mack's error of the chain ladder \
         is {}. Student's distribution with {} degrees of freedom; its scale takes {} of Mack's error, {} \
         of the reserve and {} of the distance between both methods, learnt from {} past valuations.",
        amount(found.reserve.0),
        amount(found.deviation.0),
        amount(found.mack_error.0),
        number(hindsight.degrees.0, 2),
        number(hindsight.mack.0, 3),
        number(hindsight.reserve.0, 3),
        number(hindsight.apart.0, 3),
        hindsight.seen
    ));
    if let Some(inside) = found.inside {
        page.note(&format!(
            "{} companies; {} of the outcomes learnt from lie inside the interval that holds nine tenths.",
            found.companies,
            percent(inside.0)
        ));
    }
    if !found.left_out.is_empty() {
        let shown: Vec<&str> = found.left_out.iter().take(20).map(String::as_str).collect();
        page.note(&format!(
            "{} companies could not be valued in the past: {}{}",
            found.left_out.len(),
            shown.join(", "),
            if found.left_out.len() > shown.len() { ", …" } else { "." }
        ));
    }
    let rows = found.quantiles.iter().map(|own| vec![own.name.clone(), amount(own.amount.0)]);
    page.table(&["Part of outcomes", "Reserve at most"], &rows.collect::<Vec<_>>(), false);
}

fn write_best(page: &mut Page, found: &BestResult) {
    page.heading("Best estimate");
    let mut rows: Vec<Vec<String>> = found
        .origins
        .iter()
        .map(|origin| {
            let parts: Vec<String> = origin
                .parts
                .iter()
                .map(|part| format!("{} {}", percent(part.weight.0), part.method))
                .collect();
            vec![
                origin.name.clone(),
                parts.join(", "),
                amount(origin.latest.0),
                amount(origin.ultimate.0),
                amount(origin.reserve.0),
            ]
        })
        .collect();
    rows.push(vec![
        "Total".to_owned(),
        String::new(),
        amount(found.latest.0),
        amount(found.ultimate.0),
        amount(found.reserve.0),
    ]);
    page.table(&["Origin", "Taken", "Known", "Ultimate", "Reserve"], &rows, true);
    let bars: Vec<Bar> = found
        .origins
        .iter()
        .map(|own| Bar { name: own.name.clone(), value: own.reserve.0, error: None })
        .collect();
    page.drawing(&svg::bars("Best estimate of the reserve by origin", &bars));
}

/// Most views the page shows; the workbook has all of them.
const SHOWN: usize = 60;

fn write_back_test(page: &mut Page, found: &BackTestResult) {
    page.heading("Back-test");
    let estimated = found.views.iter().filter(|view| !view.is_outcome_known).count();
    page.paragraph(&format!(
        "Reserves as of {} earlier valuations against what has come since. An error above zero is a reserve \
         that was too high.",
        found.views.len()
    ));
    if estimated > 0 {
        page.note(&format!(
            "In {estimated} of them something is still to come; what the method expects of it by now is part of \
             the outcome."
        ));
    }
    let part = |part: Option<Figure>| part.map_or(String::new(), |part| percent(part.0));
    let row = |it: &TestedMethodResult| {
        let mut row = vec![it.method.clone(), it.views.to_string()];
        row.extend([amount(it.reserve.0), amount(it.outcome.0), amount(it.error.0)]);
        row.extend([part(it.part), part(it.absolute_part)]);
        row.extend(match &it.calibration {
            Some(own) => {
                let limit = own.limit.map_or(String::new(), |limit| number(limit.0, 3));
                let inside = [percent(own.inside_half.0), percent(own.inside_nine_tenths.0)];
                let [half, nine] = inside;
                [number(own.distance.0, 3), limit, half, nine]
            }
            None => Default::default(),
        });
        row
    };
    let head = [
        "Method",
        "Views",
        "Reserve",
        "Outcome",
        "Error",
        "Part",
        "Absolute",
        "Distance",
        "Limit",
        "Inside half",
        "Inside nine tenths",
    ];
    page.table(&head, &found.methods.iter().map(row).collect::<Vec<_>>(), false);
    page.note(
        "Distance: of the percentiles of outcomes from even ones; right distributions stay below the limit \
         nineteen times out of twenty.",
    );
    let mut rows = vec![];
    for view in found.views.iter().take(SHOWN) {
        for own in &view.methods {
            let mut row = vec![view.company.clone().unwrap_or_default(), view.as_of.clone()];
            row.extend([own.method.clone(), amount(own.reserve.0), amount(own.outcome.0)]);
            row.extend([amount(own.error.0), part(own.part), part(own.percentile)]);
            rows.push(row);
        }
    }
    let head = ["Company", "As of", "Method", "Reserve", "Outcome", "Error", "Part", "Percentile"];
    page.table(&head, &rows, false);
    if found.views.len() > SHOWN {
        page.note(&format!("{} more are in the workbook.", found.views.len() - SHOWN));
    }
    for own in found.left_out.iter().take(SHOWN) {
        let names = [own.company.as_deref(), own.as_of.as_deref()];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        page.note(&format!("{} could not be tested: {}.", names.join(" as of "), own.reason));
    }
}

fn grid(
    names: &[String],
    cells: &[Vec<Option<Figure>>],
    text: impl Fn(f64) -> String,
) -> Vec<Vec<String>> {
    let cell = |cell: &Option<Figure>| cell.map_or(String::new(), |cell| text(cell.0));
    let row = |(name, row): (&String, &Vec<Option<Figure>>)| {
        std::iter::once(name.clone()).chain(row.iter().map(cell)).collect()
    };
    names.iter().zip(cells).map(row).collect()
}

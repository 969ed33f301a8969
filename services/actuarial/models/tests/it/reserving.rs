//! Reserving against chainladder, statsmodels and the true outcomes of a market.

use actuarial_models::Triangle;
use actuarial_models::reserving::{
    Average, Bootstrap, Calibration, CapeCodTrend, ChainLadder, Hindsight, LastSigma, Mack,
    Predictive, Projected, ReservingError, Residuals, Seen, Selection, Tail, Valuation, YearAhead,
    benktander, bornhuetter_ferguson, cape_cod, chain_ladder, mack, munich, odp,
};
use serde_json::Value;

use super::{all_near, near, number, numbers, oracle, shared};

/// The triangle an oracle holds; `None` where its source has no amounts.
fn triangle(case: &Value) -> Option<Triangle> {
    let ages = case["ages_months"].as_array().unwrap();
    let ages: Vec<u32> = ages.iter().map(|age| age.as_u64().unwrap() as u32).collect();
    let rows: Vec<Vec<Option<f64>>> = case["cumulative"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_array().unwrap().iter().map(Value::as_f64).collect())
        .collect();
    let empty = rows.iter().flatten().all(Option::is_none);
    (!empty).then(|| Triangle::cumulative(12, ages, &rows).unwrap())
}

/// The triangles of the chain-ladder oracle by name.
fn triangles() -> Option<Vec<(String, Triangle, Value)>> {
    let cases = oracle("reserving_chainladder_mack")?["triangles"].clone();
    let cases = cases.as_object().unwrap().iter();
    let known =
        cases.filter_map(|(name, case)| Some((name.clone(), triangle(case)?, case.clone())));
    Some(known.collect())
}

fn named(name: &str) -> Option<Triangle> {
    let found = triangles()?.into_iter().find(|(known, _, _)| known == name);
    Some(found.unwrap().1)
}

fn ladder(triangle: &Triangle) -> ChainLadder {
    let development = Selection::default().develop(triangle).unwrap();
    chain_ladder(triangle, development, Tail::default()).unwrap()
}

fn ultimates(origins: &[Projected]) -> Vec<f64> {
    origins.iter().map(|origin| origin.ultimate).collect()
}

fn reserves(origins: &[Projected]) -> Vec<f64> {
    origins.iter().map(Projected::reserve).collect()
}

#[test]
fn averages_and_chain_ladder_are_those_of_the_package() {
    let Some(cases) = triangles() else { return };
    assert_eq!(cases.len(), 13, "one of fourteen has no amounts");
    for (name, triangle, case) in cases {
        let averages = [
            ("age_to_age_volume", Average::Volume),
            ("age_to_age_simple", Average::Simple),
            ("age_to_age_regression", Average::Regression),
        ];
        for (key, average) in averages {
            let selection = Selection { average, ..Selection::default() };
            let factors = selection.develop(&triangle).unwrap().factors;
            all_near(&format!("{name} {key}"), &factors, &numbers(&case[key]), 1e-10, 0.0);
        }
        let (ladder, want) = (ladder(&triangle), &case["chain_ladder"]);
        let ultimate = numbers(&want["ultimate"]);
        all_near(&name, &ultimates(&ladder.origins), &ultimate, 1e-10, 0.0);
        // A reserve is a difference of amounts, so it is known to 1e-10 of those.
        let largest = ultimate.iter().copied().fold(0.0, f64::max);
        all_near(&name, &reserves(&ladder.origins), &numbers(&want["ibnr"]), 1e-10, largest);
        near(&name, ladder.reserve(), number(&want["total_ibnr"]), 1e-10, largest);
    }
}

#[test]
fn mack_errors_are_those_of_the_package_under_both_rules() {
    let Some(cases) = triangles() else { return };
    for (name, triangle, case) in cases {
        let rules = [
            ("mack_sigma_log-linear", LastSigma::LogLinear),
            ("mack_sigma_mack", LastSigma::Minimum),
        ];
        for (key, rule) in rules {
            let (want, what) = (&case[key], format!("{name} {key}"));
            let found = mack(&triangle, &Selection::default(), rule, Tail::default()).unwrap();
            let sigmas = numbers(&want["sigma"]);
            all_near(&what, &found.sigmas, &sigmas[..found.sigmas.len()], 1e-10, 0.0);
            let errors: Vec<f64> = found.origins.iter().map(|error| error.total()).collect();
            all_near(&what, &errors, &numbers(&want["mack_std_err_by_origin"]), 1e-10, 0.0);
            near(&what, found.total.process, number(&want["process_risk_total"]), 1e-10, 0.0);
            near(&what, found.total.parameter, number(&want["parameter_risk_total"]), 1e-10, 0.0);
            near(&what, found.total.total(), number(&want["mack_std_err_total"]), 1e-10, 0.0);
        }
    }
}

/// Errors of the claims development results of the years to come, by origin, then in total, and Mack's: printed by
/// `CDR(MackChainLadder(MW2008, est.sigma="Mack"), dev="all")` of the R package ChainLadder, in the page of
/// `CDR` in its reference. The total of the first year and Mack's are those of Table 4 of Merz and Wüthrich,
/// Modelling the claims development result for solvency purposes, CAS E-Forum Fall 2008: 81,080 and 108,401.
const MW2008: [[f64; 9]; 10] = [
    [0.0; 9],
    [566.1744, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 566.1744],
    [1486.5603, 485.4195, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1563.8075],
    [3923.0986, 1305.9869, 431.9915, 0.0, 0.0, 0.0, 0.0, 0.0, 4157.2733],
    [9722.8598, 3830.3960, 1277.0783, 423.8641, 0.0, 0.0, 0.0, 0.0, 10536.4380],
    [28442.6216, 9689.5440, 3820.5641, 1274.3261, 423.4215, 0.0, 0.0, 0.0, 30319.4638],
    [20954.2870, 27423.5036, 9340.4725, 3684.4291, 1229.1060, 408.6786, 0.0, 0.0, 35967.0384],
    [
        28119.3180, 20421.8007, 26951.8084, 9178.4040, 3621.3651, 1208.1604, 401.9014, 0.0,
        45090.1821,
    ],
    [
        53320.8210, 27782.3071, 20193.6339, 26778.3919, 9118.5624, 3598.2399, 1200.5081, 399.4584,
        69552.3397,
    ],
    [
        81080.5468,
        52222.0516,
        38517.4943,
        29104.1066,
        10109.0020,
        3876.0093,
        1281.3024,
        399.4584,
        108401.3875,
    ],
];

/// The same of the first year alone, for the triangle of the paper of 2014.
const MW2014: [f64; 18] = [
    0.0,
    0.4083149,
    2.5393857,
    16.7232632,
    156.4022713,
    137.6522771,
    171.1812092,
    70.3161155,
    271.6352221,
    310.1268449,
    103.3834357,
    632.6388191,
    315.0489135,
    406.1424672,
    285.2076540,
    668.2337878,
    733.2222786,
    1842.8507073,
];

#[test]
fn claims_development_results_are_as_uncertain_as_the_paper_and_the_package_say() {
    let (Some(paper), Some(later)) = (named("mw2008"), named("mw2014")) else { return };
    let selection = Selection::default();
    let found = mack(&paper, &selection, LastSigma::Minimum, Tail::default()).unwrap();
    let run_off = found.run_off(&selection, paper.ages()).unwrap();
    assert_eq!(run_off.years.len(), 8);
    // Printed to four decimals.
    let printed = |what: &str, got: f64, want: f64| {
        assert!((got - want).abs() < 6e-5, "{what}: {got} is not {want}");
    };
    for (year, ahead) in run_off.years.iter().enumerate() {
        for (origin, error) in ahead.origins.iter().enumerate() {
            printed(&format!("origin {origin} in year {year}"), *error, MW2008[origin][year]);
        }
        printed(&format!("year {year}"), ahead.total, MW2008[9][year]);
    }
    for (origin, error) in found.origins.iter().enumerate() {
        printed(&format!("origin {origin}"), error.total(), MW2008[origin][8]);
    }
    printed("total", found.total.total(), MW2008[9][8]);

    let found = mack(&later, &selection, LastSigma::Minimum, Tail::default()).unwrap();
    let run_off = found.run_off(&selection, later.ages()).unwrap();
    for (origin, error) in run_off.next().origins.iter().enumerate() {
        printed(&format!("origin {origin} of 2014"), *error, MW2014[origin]);
    }
    printed("2014", run_off.next().total, MW2014[17]);
}

#[test]
fn squared_errors_of_the_years_add_up_to_macks() {
    let Some(cases) = triangles() else { return };
    let tail = Tail { factor: 1.03, sigma: 0.4, factor_error: 0.01 };
    for (name, triangle, _) in cases {
        for average in [Average::Volume, Average::Simple, Average::Regression] {
            for (without, tail) in [(vec![], Tail::default()), (vec![(1, 0), (0, 1)], tail)] {
                let selection = Selection { average, without, ..Selection::default() };
                let found = mack(&triangle, &selection, LastSigma::LogLinear, tail).unwrap();
                let run_off = found.run_off(&selection, triangle.ages()).unwrap();
                let what = format!("{name} {average:?}");
                let sum = |of: &dyn Fn(&YearAhead) -> f64| {
                    run_off.years.iter().map(|year| of(year).powi(2)).sum::<f64>().sqrt()
                };
                for (origin, error) in found.origins.iter().enumerate() {
                    near(&what, sum(&|year| year.origins[origin]), error.total(), 1e-10, 1e-9);
                    let next = run_off.next().origins[origin];
                    assert!(next <= error.total() * (1.0 + 1e-12), "{what}");
                    let is_developed =
                        found.ladder.origins[origin].age + 1 == triangle.ages().len();
                    assert_eq!(next == 0.0, is_developed && tail.sigma == 0.0, "{what} {origin}");
                }
                near(&what, sum(&|year| year.total), found.total.total(), 1e-10, 0.0);
                // Ultimates that share their factors move together, and never more than in step.
                for year in &run_off.years {
                    let apart = year.origins.iter().map(|own| own * own).sum::<f64>().sqrt();
                    let in_step = year.origins.iter().sum::<f64>();
                    let within =
                        apart * (1.0 - 1e-9) <= year.total && year.total <= in_step * (1.0 + 1e-9);
                    assert!(within, "{what}: {} of {apart} to {in_step}", year.total);
                }
            }
        }
    }
}

#[test]
fn years_of_quarters_are_four_steps_and_rules_that_drop_links_are_refused() {
    let Some(quarters) = quarterly() else { return };
    let selection = Selection::default();
    let found = mack(&quarters, &selection, LastSigma::LogLinear, Tail::default()).unwrap();
    let run_off = found.run_off(&selection, quarters.ages()).unwrap();
    // Its youngest origin has one quarter of 45.
    let youngest = found.ladder.origins.last().unwrap().age + 1;
    assert_eq!((quarters.ages().len(), youngest, run_off.years.len()), (45, 1, 11));
    let squares: f64 = run_off.years.iter().map(|year| year.total.powi(2)).sum();
    near("quarters", squares.sqrt(), found.total.total(), 1e-10, 0.0);
    // A step taken for a year is a part of the year: its errors are less.
    let years: Vec<u32> = (1..=45).map(|age| 12 * age).collect();
    let steps = found.run_off(&selection, &years).unwrap();
    let first: f64 = steps.years[..4].iter().map(|step| step.total.powi(2)).sum();
    near("four quarters", first.sqrt(), run_off.next().total, 1e-12, 0.0);

    let refused = |selection: Selection, ages: &[u32]| found.run_off(&selection, ages).unwrap_err();
    let uneven = refused(selection.clone(), &[12, 24, 48]);
    assert_eq!(uneven, ReservingError::NoYears);
    for selection in [
        Selection { recent: Some(3), ..selection.clone() },
        Selection { without_highest: 1, ..selection.clone() },
        Selection { without_lowest: 1, ..selection },
    ] {
        let refused = refused(selection, quarters.ages());
        assert_eq!(refused, ReservingError::Argument("recent, highest or lowest of a run-off"));
    }
}

/// Paid amounts of yearly origins by quarter, as the file names them.
fn quarterly() -> Option<Triangle> {
    let mut cells = std::collections::BTreeMap::new();
    for row in csv::Reader::from_path(shared("triangles/quarterly.csv")?).unwrap().records() {
        let row = row.unwrap();
        let number = |text: &str| text.parse::<usize>().unwrap();
        let (year, month) = row[0].split_once('-').unwrap();
        let origin = number(&row[1]);
        let age = 4 * (number(year) - origin) + number(month).div_ceil(3);
        cells.insert((origin, age), row[3].parse::<f64>().unwrap());
    }
    let last = cells.keys().map(|(_, age)| *age).max().unwrap();
    let years: std::collections::BTreeSet<usize> = cells.keys().map(|(year, _)| *year).collect();
    let rows: Vec<Vec<Option<f64>>> = years
        .iter()
        .map(|year| (1..=last).map(|age| cells.get(&(*year, age)).copied()).collect())
        .collect();
    let ages = (1..=last as u32).map(|age| 3 * age).collect();
    Some(Triangle::cumulative(12, ages, &rows).unwrap())
}

#[test]
fn expectations_from_outside_are_used_as_in_the_package() {
    let Some(cases) = oracle("reserving_bf_capecod") else { return };
    for (name, case) in cases["cases"].as_object().unwrap() {
        let triangle = if name == "cc_sample" { cc_sample() } else { named(name) };
        let ladder = ladder(&triangle.unwrap());
        let exposure = numbers(&case["exposure_per_origin"]);
        all_near(
            name,
            &ladder.development.factors,
            &numbers(&case["age_to_age_volume"]),
            1e-10,
            0.0,
        );
        let expected = |case: &Value| -> Vec<f64> {
            exposure.iter().map(|exposure| exposure * number(&case["apriori"])).collect()
        };
        let want = &case["bornhuetter_ferguson"];
        let found = bornhuetter_ferguson(&ladder, &expected(want)).unwrap();
        all_near(name, &ultimates(&found), &numbers(&want["ultimate"]), 1e-10, 0.0);
        for rounds in [2, 4] {
            let want = &case[format!("benktander_{rounds}_iterations")];
            let found = benktander(&ladder, &expected(want), rounds).unwrap();
            all_near(name, &ultimates(&found), &numbers(&want["ultimate"]), 1e-10, 0.0);
        }
        for (key, trend, decay) in [("0.0_decay_1.0", 0.0, 1.0), ("0.05_decay_0.75", 0.05, 0.75)] {
            let want = &case[format!("cape_cod_trend_{key}")];
            let found = cape_cod(&ladder, &exposure, CapeCodTrend { trend, decay }).unwrap();
            all_near(name, &found.trended, &numbers(&want["apriori_by_origin"]), 1e-10, 0.0);
            let level = numbers(&want["detrended_apriori_by_origin"]);
            all_near(name, &found.expected, &level, 1e-10, 0.0);
            all_near(name, &ultimates(&found.origins), &numbers(&want["ultimate"]), 1e-10, 0.0);
        }
    }
}

/// The published Cape Cod example: its file has one row per cell, by calendar year.
fn cc_sample() -> Option<Triangle> {
    let mut rows = vec![vec![None; 5]; 5];
    for row in csv::Reader::from_path(shared("triangles/cc_sample.csv")?).unwrap().records() {
        let row = row.unwrap();
        let year = |column: usize| row[column].parse::<usize>().unwrap();
        let first = 1993;
        rows[year(1) - first][year(2) - year(1)] = Some(row[3].parse().unwrap());
    }
    Some(Triangle::cumulative(12, vec![12, 24, 36, 48, 60], &rows).unwrap())
}

#[test]
fn paid_and_incurred_pull_each_other_as_in_the_package() {
    let Some(cases) = oracle("reserving_munich") else { return };
    for (name, case) in cases["cases"].as_object().unwrap() {
        let (Some(paid), Some(incurred)) =
            (named(&format!("{name}.paid")), named(&format!("{name}.incurred")))
        else {
            return;
        };
        let found = munich(&paid, &incurred).unwrap();
        let want = &case["lambda"];
        near(name, found.lambda_paid, number(&want["paid"][0]), 1e-9, 0.0);
        near(name, found.lambda_incurred, number(&want["incurred"][0]), 1e-9, 0.0);
        all_near(name, &found.paid, &numbers(&case["munich_ultimate"]["paid"]), 1e-9, 0.0);
        all_near(name, &found.incurred, &numbers(&case["munich_ultimate"]["incurred"]), 1e-9, 0.0);
    }
}

#[test]
fn exact_errors_of_the_poisson_model_are_those_of_the_package() {
    let Some(cases) = oracle("reserving_odp_glm") else { return };
    for (name, case) in cases["cases"].as_object().unwrap() {
        let Some(triangle) = named(name.trim_end_matches(".values")) else { return };
        let found = odp(&triangle).unwrap();
        near(name, found.dispersion, number(&case["phi_pearson"]), 1e-8, 0.0);
        let want = numbers(&case["coefficients_intercept_then_origin_then_development"]);
        all_near(name, &found.coefficients, &want, 1e-8, 1.0);
        assert_eq!(found.cells as u64, case["cells"].as_u64().unwrap());
        // Where an increment is negative the reference puts a floor under the logarithm.
        if let Some(deviance) = found.deviance {
            near(name, deviance, number(&case["deviance"]), 1e-8, 0.0);
        }
        let origins = case["by_origin"].as_array().unwrap();
        for (got, want) in found.origins.iter().zip(origins).chain([(&found.total, &case["total"])])
        {
            if want.is_null() {
                assert_eq!(got.reserve, 0.0);
                continue;
            }
            near(name, got.reserve, number(&want["reserve"]), 1e-8, 0.0);
            near(name, got.process, number(&want["process_sd"]), 1e-8, 0.0);
            near(name, got.estimation, number(&want["estimation_sd"]), 1e-8, 0.0);
            near(name, got.total(), number(&want["prediction_error"]), 1e-8, 0.0);
        }
        let calendar = numbers(&case["expected_future_calendar_payments"]);
        all_near(name, &found.calendar, &calendar, 1e-8, 0.0);
        near(name, found.total.reserve, ladder(&triangle).reserve(), 1e-8, 0.0);
    }
}

#[test]
fn the_bootstrap_spreads_as_far_as_the_reference() {
    let Some(cases) = oracle("reserving_odp_glm") else { return };
    let mut compared = 0;
    for (name, case) in cases["cases"].as_object().unwrap() {
        let want = &case["bootstrap_gamma_process"];
        if want.is_null() {
            continue;
        }
        let triangle = named(name.trim_end_matches(".values")).unwrap();
        let plan = Bootstrap { draws: 50_000, seed: 20, ..Bootstrap::default() };
        let found = plan.run(&triangle).unwrap();
        // Between two runs of this many draws; the oracle gives it for one of 10,000.
        let between = number(&want["between_seed_sd_of_prediction_sd_10000_sims"]);
        let within = 3.0 * between * (10_000.0f64 / 50_000.0).sqrt() * 2f64.sqrt();
        near(name, found.prediction.deviation(), number(&want["prediction_sd"]), within, 1e-9);
        near(name, found.parameter.deviation(), number(&want["parameter_sd"]), within, 1e-9);
        let mean = number(&want["reserve_mean"]);
        let error = number(&want["prediction_sd"]) * (2.0f64 / 50_000.0).sqrt();
        near(name, found.prediction.mean(), mean, 3.0 * error, 1e-9);
        for (p, want) in want["quantiles"].as_object().unwrap() {
            let got = found.prediction.quantile(p.parse().unwrap());
            near(&format!("{name} {p}"), got, number(want), 0.02, 0.0);
        }
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn hat_residuals_spread_the_parameters_as_in_the_package() {
    let Some(cases) = oracle("reserving_bootstrap_package") else { return };
    // The package drops exactly fitted cells where their residual rounds to zero: in one of the two.
    for (name, exact_cells) in [("raa", false), ("genins", true)] {
        let case = &cases["cases"][name];
        let residuals = Residuals::Hat;
        let plan = Bootstrap { draws: 50_000, seed: 4, residuals, exact_cells };
        let found = plan.run(&named(name).unwrap()).unwrap();
        near(name, found.dispersion, number(&case["scale_phi"]), 1e-8, 0.0);
        let part = 2_000.0 / 10_000.0 + 2_000.0f64 / 50_000.0;
        let within = |key: &str| 3.0 * number(&case[key]) * part.sqrt();
        let (sd, mean) = (found.parameter.deviation(), found.parameter.mean());
        // Absolute, so the floor that makes them relative is turned around.
        assert!((sd - number(&case["ibnr_std"])).abs() < within("std_between_seed_sd"), "{sd}");
        assert!(
            (mean - number(&case["ibnr_mean"])).abs() < within("mean_between_seed_sd"),
            "{mean}"
        );
    }
}

/// A company of a market: paid amounts and premiums by year, as far as the file knows them.
struct Company {
    code: u64,
    paid: Vec<Vec<f64>>,
    premium: Vec<f64>,
}

impl Company {
    /// The companies of a file whose origins start with `first`, by line and code.
    fn all(name: &str, first: usize) -> Option<Vec<Company>> {
        let file = std::fs::File::open(shared(name)?).unwrap();
        let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
        let heads = reader.headers().unwrap().clone();
        let column = |name: &str| heads.iter().position(|head| head == name).unwrap();
        let lag = heads.iter().position(|head| head == "lag" || head == "DevelopmentLag").unwrap();
        let (line, code, year) = (column("LOB"), column("GRCODE"), column("AccidentYear"));
        let (paid, premium) = (column("CumPaidLoss"), column("EarnedPremNet"));
        let mut found = std::collections::BTreeMap::<(String, u64), Company>::new();
        for row in reader.records() {
            let row = row.unwrap();
            let number = |column: usize| row[column].parse::<usize>().unwrap();
            let amount = |column: usize| row[column].parse::<f64>().unwrap();
            let Some(origin) = number(year).checked_sub(first).filter(|origin| *origin < 10) else {
                continue;
            };
            let code = number(code) as u64;
            let company = found.entry((row[line].to_owned(), code)).or_insert_with(|| {
                let (paid, premium) = (vec![vec![f64::NAN; 10]; 10], vec![f64::NAN; 10]);
                Company { code, paid, premium }
            });
            company.paid[origin][number(lag) - 1] = amount(paid);
            company.premium[origin] = amount(premium);
        }
        Some(found.into_values().collect())
    }

    /// What is known when the tenth year has one age.
    fn upper(&self) -> Triangle {
        upper(&self.paid)
    }

    /// The rule of the back-test, asked of what is known after ten years.
    fn is_usable(&self) -> bool {
        let known: Vec<&[f64]> =
            self.paid.iter().enumerate().map(|(origin, row)| &row[..10 - origin]).collect();
        let steps = known.iter().flat_map(|row| row.windows(2));
        let (all, falling) = steps.fold((0, 0), |(all, falling), step| {
            (all + 1, falling + usize::from(step[1] < step[0]))
        });
        let whole = known.iter().all(|row| row.iter().all(|paid| !paid.is_nan()));
        let starts = known.iter().all(|row| row[0] > 0.0);
        whole && starts && self.premium.iter().all(|p| *p > 0.0) && 5 * falling <= all
    }
}

fn upper(square: &[Vec<f64>]) -> Triangle {
    let rows: Vec<Vec<Option<f64>>> = square
        .iter()
        .enumerate()
        .map(|(origin, row)| row[..10 - origin].iter().copied().map(Some).collect())
        .collect();
    Triangle::cumulative(12, (1..=10).map(|year| 12 * year).collect(), &rows).unwrap()
}

fn tested() -> Option<Vec<Company>> {
    Company::all("triangles/cas_comauto_1998_2007.csv.gz", 1998)
}

#[test]
fn reserves_of_a_market_and_their_calibration_are_those_of_the_back_test() {
    let (Some(case), Some(companies)) = (oracle("reserving_backtest_comauto"), tested()) else {
        return;
    };
    let case = &case["lines"]["comauto"];
    let mut percentiles = vec![];
    for want in case["company_results"].as_array().unwrap() {
        let code = want["company"].as_u64().unwrap();
        let square = &companies.iter().find(|company| company.code == code).unwrap().paid;
        let found: Mack =
            mack(&upper(square), &Selection::default(), LastSigma::Minimum, Tail::default())
                .unwrap_or_else(|error| panic!("company {code}: {error}"));
        let paid = number(&want["paid_to_date"]);
        let (reserve, error) = (found.ladder.reserve(), found.total.total());
        near("reserve", reserve, number(&want["chain_ladder_reserve"]), 1e-8, paid);
        near("error", error, number(&want["mack_se"]), 1e-8, 0.0);
        let outcome: f64 = square.iter().map(|row| row[9]).sum();
        near("outcome", outcome - paid, number(&want["outcome"]), 1e-8, 1.0);
        let percentile = Predictive::lognormal(paid + reserve, error).unwrap().percentile(outcome);
        near(
            "percentile",
            percentile,
            number(&want["mack_lognormal_percentile_of_outcome"]),
            1e-6,
            1.0,
        );
        percentiles.push(percentile);
    }
    let (found, want) = (Calibration::of(percentiles).unwrap(), &case["mack_calibration"]);
    near("distance", found.distance(), number(&want["kolmogorov_smirnov_distance"]), 1e-5, 0.0);
    near("limit", found.limit(), number(&want["ks_5pct_limit"]), 0.02, 0.0);
    near("half", found.inside(0.5), number(&want["share_inside_central_50"]), 1e-4, 0.0);
    near("nine tenths", found.inside(0.9), number(&want["share_inside_central_90"]), 1e-4, 0.0);
}

/// What the companies of the ten years before teach: nothing of it is in the back-test.
fn learnt() -> Option<Hindsight> {
    let companies = Company::all("triangles/cas_auto_1988_1997_upper.csv.gz", 1988)?;
    let mut seen: Vec<Seen> = vec![];
    for company in companies.iter().filter(|company| company.is_usable()) {
        for origins in [4, 5] {
            seen.extend(Valuation::look_back(&company.upper(), &company.premium, origins).unwrap());
        }
    }
    Some(Hindsight::learn(&seen).unwrap())
}

#[test]
fn what_past_valuations_teach_is_what_scipy_learns_from_them() {
    let Some(found) = learnt() else { return };
    // scipy 1.x, Nelder-Mead on the same likelihood over the same 1,004 views: its log-likelihood is
    // flat to 1e-4, which the parameters are known by.
    assert_eq!(found.seen, 1004);
    near("mack", found.mack, 0.85503, 2e-3, 0.0);
    near("reserve", found.reserve, 0.098176, 2e-3, 0.0);
    near("apart", found.apart, 0.63586, 5e-3, 0.0);
    near("degrees", found.degrees, 2.63205, 2e-3, 0.0);
}

#[test]
fn reserves_calibrated_on_earlier_years_keep_their_word_in_later_ones() {
    let (Some(case), Some(companies), Some(hindsight)) =
        (oracle("reserving_backtest_comauto"), tested(), learnt())
    else {
        return;
    };
    let case = &case["lines"]["comauto"];
    let mut percentiles = vec![];
    for want in case["company_results"].as_array().unwrap() {
        let code = want["company"].as_u64().unwrap();
        let company = companies.iter().find(|company| company.code == code).unwrap();
        let valuation = Valuation::of(&company.upper(), &company.premium).unwrap();
        near("reserve", valuation.reserve, number(&want["cape_cod_reserve"]), 1e-8, 1.0);
        percentiles.push(hindsight.spread(&valuation).percentile(number(&want["outcome"])));
    }
    let (found, mack) = (Calibration::of(percentiles).unwrap(), &case["mack_calibration"]);
    let (distance, inside) = (found.distance(), found.inside(0.9));
    eprintln!("distance {distance:.4}, inside nine tenths {inside:.4}");
    assert!(distance < number(&mack["ks_5pct_limit"]), "distance {distance}");
    assert!(distance < number(&mack["kolmogorov_smirnov_distance"]), "distance {distance}");
    assert!((0.85..=0.95).contains(&inside), "inside {inside}");
}

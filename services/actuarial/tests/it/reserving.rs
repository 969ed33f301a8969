//! Reserves end to end: a triangle is imported, a run estimates, a report and a workbook show it; every
//! figure against chainladder and statsmodels.

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};

use crate::support::{World, near, oracle, word};

/// A triangle of the oracle, its file, the column of amounts and a condition.
type Stored = (&'static str, &'static str, &'static str, Option<(&'static str, &'static str)>);

const TRIANGLES: [Stored; 11] = [
    ("raa", "raa", "values", None),
    ("genins", "genins", "values", None),
    ("abc", "abc", "values", None),
    ("mw2008", "mw2008", "values", None),
    ("mw2014", "mw2014", "values", None),
    ("ukmotor", "ukmotor", "values", None),
    ("mcl.paid", "mcl", "paid", None),
    ("mcl.incurred", "mcl", "incurred", None),
    ("usauto.paid", "usauto", "paid", None),
    ("usauto.incurred", "usauto", "incurred", None),
    ("auto.CommercialAuto.paid", "auto", "paid", Some(("lob", "CommercialAuto"))),
];

async fn triangle(world: &World, name: &str) -> Option<String> {
    let found = world.import_shared(name, &format!("triangles/{name}.csv")).await?;
    Some(word(&found, "name"))
}

fn list<'a>(result: &'a Value, pointer: &str, member: &str) -> Vec<&'a Value> {
    let items = result.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    items.as_array().unwrap().iter().map(|item| &item[member]).collect()
}

#[tokio::test]
async fn chain_ladder_and_mack_are_those_of_the_package_with_both_rules() {
    let Some(cases) = oracle("reserving_chainladder_mack") else { return };
    let world = World::new().await;
    for (name, file, amount, condition) in TRIANGLES {
        let case = &cases["triangles"][name];
        triangle(&world, file).await.unwrap();
        for (average, key) in [
            ("volume", "age_to_age_volume"),
            ("simple", "age_to_age_simple"),
            ("regression", "age_to_age_regression"),
        ] {
            let mut parameters = json!({ "origin": "origin", "development": "development",
                "amount": amount, "average": average, "methods": [] });
            if let Some((column, value)) = condition {
                parameters["rows"] = json!([{ "column": column, "in": [value] }]);
            }
            let (_, result) = world.done("reserving", file, &parameters).await;
            assert_eq!(result["triangle"]["ages"], case["ages_months"], "{name}");
            let factors = result.pointer("/development/factors").unwrap().as_array().unwrap();
            for (found, wanted) in factors.iter().zip(case[key].as_array().unwrap()) {
                near(&format!("{name} {key}"), found, wanted, 0.0, 1e-10);
            }
            if average != "volume" {
                continue;
            }
            for (rule, key) in [("logLinear", "log-linear"), ("minimum", "mack")] {
                parameters["methods"] = json!(["mack"]);
                parameters["lastSigma"] = json!(rule);
                let (run, result) = world.done("reserving", file, &parameters).await;
                let wanted = &case["chain_ladder"];
                near(name, &run["figures"]["reserve"], &wanted["total_ibnr"], 1e-6, 1e-10);
                let ultimates = list(&result, "/chainLadder/origins", "ultimate");
                for (found, wanted) in ultimates.iter().zip(wanted["ultimate"].as_array().unwrap())
                {
                    near(name, found, wanted, 0.0, 1e-10);
                }
                let mack = &case[format!("mack_sigma_{key}")];
                near(name, &run["figures"]["mackError"], &mack["mack_std_err_total"], 0.0, 1e-9);
                let errors = list(&result, "/mack/origins", "error");
                let by_origin = mack["mack_std_err_by_origin"].as_array().unwrap();
                for (found, wanted) in errors.iter().zip(by_origin) {
                    // The oldest origin is known to its end; the package gives it no error.
                    let nothing = json!(0.0);
                    let wanted = if wanted.is_null() { &nothing } else { wanted };
                    near(&format!("{name} {rule}"), found, wanted, 1e-6, 1e-9);
                }
            }
        }
    }
}

#[tokio::test]
async fn methods_beside_the_chain_ladder_are_those_of_other_programs() {
    let (Some(bf), Some(munich), Some(odp)) =
        (oracle("reserving_bf_capecod"), oracle("reserving_munich"), oracle("reserving_odp_glm"))
    else {
        return;
    };
    let world = World::new().await;
    triangle(&world, "mcl").await.unwrap();
    let parameters = json!({ "origin": "origin", "development": "development", "amount": "paid",
        "incurred": "incurred", "methods": ["munich"] });
    let (_, result) = world.done("reserving", "mcl", &parameters).await;
    let case = &munich["cases"]["mcl"];
    for side in ["paid", "incurred"] {
        let found = result["munich"][side].as_array().unwrap();
        let wanted = case["munich_ultimate"][side].as_array().unwrap();
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            near(side, found, wanted, 0.0, 1e-9);
        }
    }
    near("lambda", &result["munich"]["lambdaPaid"], &case["lambda"]["paid"][0], 0.0, 1e-9);

    triangle(&world, "genins").await.unwrap();
    let parameters = json!({ "origin": "origin", "development": "development", "amount": "values",
        "methods": ["odp", "bootstrap"], "draws": 10_000 });
    let (run, result) = world.done("reserving", "genins", &parameters).await;
    let case = &odp["cases"]["genins.values"];
    let (found, wanted) = (&result["odp"]["total"], &case["total"]);
    near("reserve", &found["reserve"], &wanted["reserve"], 0.0, 1e-8);
    near("process", &found["process"], &wanted["process_sd"], 0.0, 1e-8);
    near("estimation", &found["parameter"], &wanted["estimation_sd"], 0.0, 1e-8);
    near("error", &found["error"], &wanted["prediction_error"], 0.0, 1e-8);
    near("phi", &result["odp"]["dispersion"], &case["phi_pearson"], 0.0, 1e-8);
    // Three deviations between seeds, of so many draws on one side.
    let drawn = &case["bootstrap_gamma_process"];
    let between = drawn["between_seed_sd_of_prediction_sd_10000_sims"].as_f64().unwrap();
    let deviation = &run["figures"]["bootstrapDeviation"];
    near("deviation", deviation, &drawn["prediction_sd"], 3.0 * between, 0.0);

    // The dataset has a column of exposure, the same in every row of an origin.
    world.import_shared("cape", "triangles/cc_sample.csv").await.unwrap();
    for (trend, decay, key) in
        [(0.0, 1.0, "cape_cod_trend_0.0_decay_1.0"), (0.05, 0.75, "cape_cod_trend_0.05_decay_0.75")]
    {
        let parameters = json!({ "origin": "origin", "development": "development", "amount": "loss",
            "exposure": "exposure", "expected": { "lossRatio": 0.6 }, "trend": trend, "decay": decay,
            "methods": ["capeCod", "bornhuetterFerguson", "benktander"], "rounds": 4 });
        let (_, result) = world.done("reserving", "cape", &parameters).await;
        let case = &bf["cases"]["cc_sample"];
        for (pointer, key) in [
            ("/capeCod/projection/origins", key),
            ("/bornhuetterFerguson/origins", "bornhuetter_ferguson"),
            ("/benktander/origins", "benktander_4_iterations"),
        ] {
            let ultimates = list(&result, pointer, "ultimate");
            for (found, wanted) in ultimates.iter().zip(case[key]["ultimate"].as_array().unwrap()) {
                near(key, found, wanted, 0.0, 1e-9);
            }
        }
    }
}

#[tokio::test]
async fn cape_cod_and_bornhuetter_ferguson_take_exposure_from_the_dataset() {
    let world = World::new().await;
    // Hand calculation: factors 2 and 1.25, exposure 100 each. Used: 100, 80, 40; known: 100, 80, 60.
    let file = "origin,age,paid,exposure\n2021,12,40,100\n2021,24,80,100\n2021,36,100,100\n\
                2022,12,40,100\n2022,24,80,100\n2023,12,60,100\n";
    world.import(&world.picc, &json!({ "name": "hand" }), file.as_bytes()).await;
    let parameters = json!({ "origin": "origin", "development": "age", "amount": "paid",
        "exposure": "exposure", "expected": { "lossRatio": 0.9 },
        "methods": ["capeCod", "bornhuetterFerguson", "benktander"] });
    let (run, result) = world.done("reserving", "hand", &parameters).await;
    let figures = &run["figures"];
    // Chain ladder: 20 of 2022 and 90 of 2023.
    near("chain ladder", &figures["reserve"], &json!(110.0), 1e-9, 0.0);
    // 90 · 0.2 and 90 · 0.6.
    near("BF", &figures["bornhuetterFergusonReserve"], &json!(72.0), 1e-9, 0.0);
    // Rounds: 80 + 0.2·98 = 99.6 → reserve 19.6; 60 + 0.6·114 → 68.4.
    near("benktander", &figures["benktanderReserve"], &json!(19.6 + 68.4), 1e-9, 0.0);
    // 240 / 220 of exposure: 100·(12/11)·(0.2 + 0.6).
    near("cape cod", &figures["capeCodReserve"], &json!(80.0 * 12.0 / 11.0), 1e-9, 0.0);
    assert_eq!(result["triangle"]["ages"], json!([12, 24, 36]));
}

#[tokio::test]
async fn a_wide_a_long_and_a_summed_dataset_are_the_same_triangle() {
    let world = World::new().await;
    let wide = "year;m12;m24;m36\n2021;100;150;165\n2022;110;170;\n2023;120;;\n";
    world.import(&world.picc, &json!({ "name": "wide" }), wide.as_bytes()).await;
    let ages = json!([{ "column": "m12", "months": 12 }, { "column": "m24", "months": 24 },
        { "column": "m36", "months": 36 }]);
    let parameters = json!({ "origin": "year", "ages": ages, "methods": [] });
    let (wide, _) = world.done("reserving", "wide", &parameters).await;

    // Two segments, incremental, by quarter of the valuation, as lags.
    let long = "year,lag,paid,segment\n2021,1,60,a\n2021,1,40,b\n2021,2,30,a\n2021,2,20,b\n\
                2021,3,15,a\n2021,3,0,b\n2022,1,110,a\n2022,2,60,a\n2023,1,120,a\n";
    world.import(&world.picc, &json!({ "name": "long" }), long.as_bytes()).await;
    let parameters = json!({ "origin": "year", "development": "lag", "amount": "paid",
        "amounts": "incremental", "methods": [] });
    let (long, result) = world.done("reserving", "long", &parameters).await;
    assert_eq!(wide["figures"], long["figures"]);
    assert_eq!(result["triangle"]["summedCells"], 3);
    // 320/210 · 1.1 and 1.1, by hand.
    let wanted = 170.0 * 0.1 + 120.0 * (320.0 / 210.0 * 1.1 - 1.0);
    near("reserve", &long["figures"]["reserve"], &json!(wanted), 1e-9, 0.0);
}

#[tokio::test]
async fn quarters_are_read_and_made_coarser() {
    let world = World::new().await;
    let Some(name) = triangle(&world, "quarterly").await else { return };
    let parameters = json!({ "origin": "origin", "development": "development", "amount": "paid",
        "methods": [] });
    let (_, result) = world.done("reserving", &name, &parameters).await;
    assert_eq!(result["triangle"]["originMonths"], 12);
    let ages = result["triangle"]["ages"].as_array().unwrap();
    assert_eq!((&ages[0], &ages[1]), (&json!(3), &json!(6)));
    let origins = result["triangle"]["origins"].as_array().unwrap();
    assert_eq!(origins[0], "1995");
    // The file's first cell: origin 1995, first quarter.
    assert_eq!(result["triangle"]["cumulative"][0][0], json!(3.0));
}

#[tokio::test]
async fn the_same_run_has_the_same_result_to_the_bit_and_another_is_told_apart() {
    let world = World::new().await;
    let Some(name) = triangle(&world, "raa").await else { return };
    let parameters = json!({ "origin": "origin", "development": "development", "amount": "values",
        "methods": ["mack", "bootstrap"], "draws": 500 });
    let (first, _) = world.done("reserving", &name, &parameters).await;
    let (second, _) = world.done("reserving", &name, &parameters).await;
    assert_eq!(first["inputDigest"], second["inputDigest"]);
    assert_eq!(first["resultDigest"], second["resultDigest"]);
    let same = world.diff(&word(&first, "runId"), &word(&second, "runId")).await.unwrap();
    assert_eq!((&same["sameInputs"], &same["sameResult"]), (&json!(true), &json!(true)));
    assert_eq!((&same["inputs"], &same["figuresDiffering"]), (&json!([]), &json!(0)));

    let other = json!({ "origin": "origin", "development": "development", "amount": "values",
        "methods": ["mack", "bootstrap"], "draws": 500, "lastSigma": "minimum" });
    let (third, _) = world.done("reserving", &name, &other).await;
    let diff = world.diff(&word(&first, "runId"), &word(&third, "runId")).await.unwrap();
    let inputs = list(&diff, "/inputs", "at");
    assert_eq!(inputs, [&json!("/parameters/lastSigma")]);
    let places: Vec<String> =
        diff["figures"].as_array().unwrap().iter().map(|own| word(own, "at")).collect();
    assert!(places.contains(&"/mack/total/error".to_owned()), "{places:?}");
    assert!(!places.iter().any(|place| place.starts_with("/bootstrap")), "{places:?}");
    assert!(!places.contains(&"/chainLadder/reserve".to_owned()), "{places:?}");
}

#[tokio::test]
async fn the_report_is_one_page_with_charts_and_needs_nothing_else() {
    let world = World::new().await;
    let Some(name) = triangle(&world, "genins").await else { return };
    let parameters = json!({ "origin": "origin", "development": "development", "amount": "values",
        "methods": ["mack", "odp", "bootstrap"], "draws": 200 });
    let (run, _) = world.done("reserving", &name, &parameters).await;
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    // Taylor and Ashe's reserve and Mack's error with the log-linear rule, from the oracle.
    for text in ["18,680,856", "2,441,364", "2001", "Reserve by origin", "Distribution"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.matches("<svg").count() >= 3);
    for foreign in ["<script", "src=", "href=", "@import", "NaN", "Infinity"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let recorded = world.memory.last();
    assert_eq!(recorded.function, "actuarial.run.read");
    assert_eq!(recorded.subject, format!("run {}", word(&run, "runId")));
}

#[tokio::test]
async fn the_workbook_computes_the_chain_ladder_by_formulas() {
    let (world, Some(oracle)) = (World::new().await, oracle("reserving_chainladder_mack")) else {
        return;
    };
    triangle(&world, "raa").await.unwrap();
    let parameters =
        json!({ "origin": "origin", "development": "development", "amount": "values" });
    let (run, _) = world.done("reserving", "raa", &parameters).await;
    let book = world.workbook(&word(&run, "runId")).await.unwrap();
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(book)).unwrap();
    let values = book.worksheet_range("Chain ladder").unwrap();
    let formulas = book.worksheet_formula("Chain ladder").unwrap();
    let formula = |cell: (u32, u32)| formulas.get_value(cell).cloned().unwrap_or_default();
    let value = |cell: (u32, u32)| match values.get_value(cell) {
        Some(Data::Float(value)) => *value,
        other => panic!("{other:?} in {cell:?}"),
    };
    // Ten origins from row 5 on: the first factor is the sum of nine rows over that of nine.
    assert_eq!(formula((26, 1)), "SUM(C5:C13)/SUM(B5:B13)");
    assert_eq!(formula((16, 1)), "C5/B5");
    assert_eq!(formula((27, 1)), "B27");
    assert_eq!(formula((28, 1)), "B28*C29");
    assert_eq!(formula((28, 10)), "K28");
    // 1990: what is known at 12 months, times the factor from there.
    assert_eq!(formula((40, 1)), "B14");
    assert_eq!(formula((40, 3)), "B41*C41");
    assert_eq!(formula((40, 4)), "D41-B41");
    assert_eq!(formula((41, 4)), "SUM(E32:E41)");
    let case = &oracle["triangles"]["raa"];
    near("ibnr", &json!(value((41, 4))), &case["chain_ladder"]["total_ibnr"], 0.0, 1e-10);
    near("factor", &json!(value((26, 1))), &case["age_to_age_volume"][0], 0.0, 1e-10);
    assert!(book.worksheet_range("Mack error").is_ok());

    // Link ratios that are left out leave single cells in the formula.
    let parameters = json!({ "origin": "origin", "development": "development", "amount": "values",
        "without": [{ "origin": "1982", "age": 12 }] });
    let (run, result) = world.done("reserving", "raa", &parameters).await;
    let book = world.workbook(&word(&run, "runId")).await.unwrap();
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(book)).unwrap();
    let formulas = book.worksheet_formula("Chain ladder").unwrap();
    let formula = formulas.get_value((26, 1)).unwrap();
    assert_eq!(formula, "SUM(C5,C7,C8,C9,C10,C11,C12,C13)/SUM(B5,B7,B8,B9,B10,B11,B12,B13)");
    let values = book.worksheet_range("Chain ladder").unwrap();
    let sum = |column: u32| -> f64 {
        let rows = (4..13).filter(|row| *row != 5);
        rows.map(|row| match values.get_value((row, column)) {
            Some(Data::Float(value)) => *value,
            other => panic!("{other:?}"),
        })
        .sum()
    };
    let factor = &result["development"]["factors"][0];
    near("the formula's value", &json!(sum(2) / sum(1)), factor, 0.0, 1e-12);
}

#[tokio::test]
async fn the_one_year_view_is_that_of_the_paper_in_result_report_and_workbook() {
    let world = World::new().await;
    let Some(name) = triangle(&world, "mw2008").await else { return };
    let mut asked = json!({ "origin": "origin", "development": "development", "amount": "values",
        "methods": ["oneYear"], "lastSigma": "minimum" });
    let (run, result) = world.done("reserving", &name, &asked).await;
    // Merz and Wüthrich, Modelling the claims development result for solvency purposes, CAS E-Forum Fall
    // 2008, Table 4: totals of one year and of all, and the youngest origin.
    let found = &result["oneYear"];
    near("one year", &found["total"]["nextYear"], &json!(81_080.0), 1.0, 0.0);
    near("all years", &found["total"]["allYears"], &json!(108_401.0), 1.0, 0.0);
    near("youngest", &found["origins"][8]["nextYear"], &json!(53_320.8), 0.1, 0.0);
    near("figure", &run["figures"]["oneYearError"], &found["total"]["nextYear"], 0.0, 0.0);
    assert_eq!(found["origins"][0]["part"], Value::Null);
    assert_eq!(found["total"]["years"].as_array().unwrap().len(), 8);

    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    for text in ["One-year view", "81,081", "108,401", "year 8"] {
        assert!(page.contains(text), "{text}");
    }
    let book = world.workbook(&word(&run, "runId")).await.unwrap();
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(book)).unwrap();
    let formulas = book.worksheet_formula("One-year view").unwrap();
    let formula = |cell| formulas.get_value(cell).cloned().unwrap_or_default();
    assert_eq!(formula((13, 10)), "SQRT(SUMSQ(C14:J14))");
    assert_eq!(formula((13, 11)), "C14/K14");
    let values = book.worksheet_range("One-year view").unwrap();
    assert_eq!(values.get_value((3, 9)), Some(&Data::String("Year 8".to_owned())));

    // Rules that leave next year's link ratios open are refused at once; ages that make no year by the run.
    asked["recent"] = json!(3);
    let body = json!({ "method": "reserving", "dataset": name, "parameters": asked });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    assert_eq!(crate::support::pointers(&problem), ["/parameters/methods"]);
    let wide = "year,a,b,c\n2021,100,150,165\n2022,110,170,\n2023,120,,\n";
    world.import(&world.picc, &json!({ "name": "uneven" }), wide.as_bytes()).await;
    let ages = json!([{ "column": "a", "months": 12 }, { "column": "b", "months": 24 },
        { "column": "c", "months": 48 }]);
    let asked = json!({ "origin": "year", "ages": ages, "methods": ["oneYear"], "tail": { "factor": 1.0 } });
    let run = world.run("reserving", "uneven", &asked).await;
    assert_eq!(run["failure"]["code"], "E5102", "one sigma is no line: {run}");
    let wide =
        "year,a,b,c,d\n2020,90,130,140,141\n2021,100,150,165,\n2022,110,170,,\n2023,120,,,\n";
    world.import(&world.picc, &json!({ "name": "uneven" }), wide.as_bytes()).await;
    let mut ages = ages;
    ages.as_array_mut().unwrap().push(json!({ "column": "d", "months": 60 }));
    let asked = json!({ "origin": "year", "ages": ages, "methods": ["oneYear"] });
    let run = world.run("reserving", "uneven", &asked).await;
    assert_eq!(run["failure"]["code"], "E5101");
    assert!(word(&run["failure"], "detail").contains("12, 24, 48, 60 months"), "{run}");
}

/// A company of the back-test as it stood at the end of 2007, with the others of its line.
const COMPANIES: &str = "triangles/cas_comauto_1998_2007.csv.gz";

fn backtest() -> Value {
    json!({ "origin": "AccidentYear", "development": "lag", "developmentIs": "lag",
        "amount": "CumPaidLoss", "exposure": "EarnedPremNet", "methods": ["capeCod"],
        "rows": [{ "column": "DevelopmentYear", "most": 2007 }] })
}

#[tokio::test]
async fn a_calibrated_reserve_is_spread_as_past_valuations_teach() {
    let Some(case) = oracle("reserving_backtest_comauto") else { return };
    let case = &case["lines"]["comauto"]["company_results"][0];
    let world = World::new().await;
    world.import_shared("comauto", COMPANIES).await.unwrap();
    let company = case["company"].to_string();
    let mut asked = backtest();
    asked["rows"].as_array_mut().unwrap().push(json!({ "column": "GRCODE", "in": [company] }));
    let taught =
        json!({ "mack": 0.85503, "reserve": 0.098176, "apart": 0.63586, "degrees": 2.63205 });
    asked["calibrate"] = json!({ "parameters": taught });
    let (run, result) = world.done("reserving", "comauto", &asked).await;
    let found = &result["calibrated"];
    near("reserve", &found["reserve"], &case["cape_cod_reserve"], 1e-6, 1e-8);
    near("mack", &found["mackError"], &case["mack_se"], 0.0, 1e-8);
    let number = |value: &Value| value.as_f64().unwrap();
    let (cape, ladder) = (number(&case["cape_cod_reserve"]), number(&case["chain_ladder_reserve"]));
    let parts = [0.85503 * number(&case["mack_se"]), 0.098176 * cape, 0.63586 * (cape - ladder)];
    let scale = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
    near("scale", &found["scale"], &json!(scale), 0.0, 1e-6);
    // The middle is the reserve, and the distribution is symmetric around it.
    let quantile = |name: &str| {
        let own = found["quantiles"].as_array().unwrap().iter();
        number(&own.clone().find(|own| own["name"] == name).unwrap()["amount"])
    };
    near("middle", &json!(quantile("50%")), &json!(cape), 1e-6, 1e-9);
    near("sides", &json!(quantile("95%") + quantile("5%")), &json!(2.0 * cape), 1e-5, 1e-9);
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Calibrated on past valuations"));

    // Learnt from the market in the dataset, and given to another run: the same spread.
    let mut learnt = backtest();
    learnt["calibrate"] = json!({ "company": "GRCODE", "of": company, "views": [4, 5] });
    let (_, first) = world.done("reserving", "comauto", &learnt).await;
    let first = &first["calibrated"];
    assert!(
        first["companies"].as_u64().unwrap() > 50
            && first["hindsight"]["seen"].as_u64() > Some(300)
    );
    assert!((0.8..=0.97).contains(&number(&first["inside"])), "{first}");
    near("reserve", &first["reserve"], &case["cape_cod_reserve"], 1e-6, 1e-8);
    asked["calibrate"] = json!({ "parameters": first["hindsight"] });
    let (_, again) = world.done("reserving", "comauto", &asked).await;
    near("scale", &again["calibrated"]["scale"], &first["scale"], 0.0, 1e-12);

    learnt["calibrate"]["of"] = json!("nobody");
    let run = world.run("reserving", "comauto", &learnt).await;
    assert_eq!(
        (&run["failure"]["code"], &run["failure"]["column"]),
        (&json!("E5101"), &json!("GRCODE"))
    );
}

#[tokio::test]
async fn reserves_of_94_companies_are_back_tested_as_by_the_reference() {
    let Some(case) = oracle("reserving_backtest_comauto") else { return };
    let case = &case["lines"]["comauto"];
    let wanted = case["company_results"].as_array().unwrap();
    let codes: Vec<String> = wanted.iter().map(|own| own["company"].to_string()).collect();
    let world = World::new().await;
    world.import_shared("comauto", COMPANIES).await.unwrap();
    let mut asked = backtest();
    asked["rows"] = json!([{ "column": "GRCODE", "in": codes }]);
    asked["methods"] = json!(["mack", "capeCod"]);
    asked["lastSigma"] = json!("minimum");
    asked["backtest"] = json!({ "company": "GRCODE", "asOf": ["2007"] });
    // What scipy learns from the companies of 1988 to 1997: nothing of those tested here.
    asked["calibrate"] = json!({ "parameters": { "mack": 0.85503, "reserve": 0.098176, "apart": 0.63586,
        "degrees": 2.63205 } });
    let (run, result) = world.done("reserving", "comauto", &asked).await;
    let found = &result["backTest"];
    let views = found["views"].as_array().unwrap();
    assert_eq!((views.len(), &found["leftOut"]), (94, &json!([])));
    let number = |value: &Value| value.as_f64().unwrap();
    for want in wanted {
        let code = want["company"].to_string();
        let view = views.iter().find(|view| view["company"] == code).unwrap();
        let named = |name: &str| {
            let all = view["methods"].as_array().unwrap().iter();
            all.clone().find(|own| own["method"] == name).unwrap()
        };
        near(&code, &view["known"], &want["paid_to_date"], 0.0, 1e-8);
        assert_eq!(view["isOutcomeKnown"], true);
        let (ladder, cape) = (named("chainLadder"), named("capeCod"));
        let paid = 1e-8 * number(&want["paid_to_date"]);
        near(&code, &ladder["reserve"], &want["chain_ladder_reserve"], paid, 1e-8);
        near(&code, &cape["reserve"], &want["cape_cod_reserve"], paid, 1e-8);
        near(&code, &ladder["outcome"], &want["outcome"], 1e-6, 1e-8);
        let percentile = &want["mack_lognormal_percentile_of_outcome"];
        near(&code, &ladder["percentile"], percentile, 1e-6, 0.0);
        assert_eq!(cape["percentile"], Value::Null);
    }
    let methods = found["methods"].as_array().unwrap();
    let method = |name: &str| methods.iter().find(|own| own["method"] == name).unwrap();
    for (name, key) in [("chainLadder", "chain_ladder"), ("capeCod", "cape_cod")] {
        let (own, want) = (method(name), &case[key]);
        near(name, &own["reserve"], &want["sum_of_reserves"], 0.0, 1e-8);
        near(name, &own["outcome"], &want["sum_of_outcomes"], 0.0, 1e-8);
        near(name, &own["part"], &json!(number(&want["total_bias_pct"]) / 100.0), 1e-7, 0.0);
        let absolute = number(&want["weighted_abs_error_pct"]) / 100.0;
        near(name, &own["absolutePart"], &json!(absolute), 1e-6, 0.0);
    }
    let (mack, want) = (&method("chainLadder")["calibration"], &case["mack_calibration"]);
    near("distance", &mack["distance"], &want["kolmogorov_smirnov_distance"], 1e-5, 0.0);
    near("limit", &mack["limit"], &want["ks_5pct_limit"], 0.003, 0.0);
    near("half", &mack["insideHalf"], &want["share_inside_central_50"], 1e-4, 0.0);
    near("nine tenths", &mack["insideNineTenths"], &want["share_inside_central_90"], 1e-4, 0.0);
    // The targets: what was learnt from other years keeps its word.
    let calibrated = &method("calibrated")["calibration"];
    let (distance, inside) =
        (number(&calibrated["distance"]), number(&calibrated["insideNineTenths"]));
    assert!(distance < number(&want["ks_5pct_limit"]), "{calibrated}");
    assert!((0.85..=0.95).contains(&inside), "{calibrated}");

    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    for text in ["Back-test", "0.247", "2,281,956", "34 more are in the workbook"] {
        assert!(page.contains(text), "{text}");
    }
    let book = world.workbook(&word(&run, "runId")).await.unwrap();
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(book)).unwrap();
    let formulas = book.worksheet_formula("Back-test").unwrap();
    assert_eq!(formulas.get_value((4, 5)), Some(&"D5-E5".to_owned()));

    // Of one company alone, with what cannot be tested named.
    asked["rows"] = json!([{ "column": "GRCODE", "in": [codes[0]] }]);
    asked["backtest"] = json!({ "asOf": ["2007", "1997", "2016"] });
    let (_, result) = world.done("reserving", "comauto", &asked).await;
    let found = &result["backTest"];
    assert_eq!(list(&result, "/backTest/views", "asOf"), [&json!("2007")]);
    let reasons = list(&result, "/backTest/leftOut", "reason");
    assert_eq!(
        reasons,
        [
            &json!("nothing was known as of 1997: the first origin is 1998"),
            &json!("nothing has come in after 2016")
        ]
    );
    assert_eq!(found["methods"][0]["calibration"]["limit"], Value::Null);
    asked["backtest"] = json!({ "asOf": ["2016"] });
    let run = world.run("reserving", "comauto", &asked).await;
    assert_eq!(run["failure"]["detail"], "nothing has come in after 2016");
    asked["backtest"] = json!({ "company": "nobody", "asOf": ["2007", "long ago"] });
    let body = json!({ "method": "reserving", "dataset": "comauto", "parameters": asked });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let wanted = ["/parameters/backtest/company", "/parameters/backtest/asOf/1"];
    assert_eq!(crate::support::pointers(&problem), wanted);
    asked["backtest"] = json!({});
    let body = json!({ "method": "reserving", "dataset": "comauto", "parameters": asked });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    assert_eq!(crate::support::pointers(&problem), ["/parameters/backtest/asOf"]);
}

#[tokio::test]
async fn an_earlier_reserve_is_tested_by_what_came_and_what_is_expected_by_now() {
    let world = World::new().await;
    // As of 2022: 2021 at 24 months, 2022 at 12. Factor 1.5, so 110 becomes 165: a reserve of 55.
    // By now 2022 has 170, which is its outcome at 24 months: 60, and nothing is left to come until then.
    let file = "origin,age,paid,premium\n2021,12,100,200\n2021,24,150,200\n2021,36,165,200\n\
                2022,12,110,220\n2022,24,170,220\n2023,12,120,240\n";
    world.import(&world.picc, &json!({ "name": "cells" }), file.as_bytes()).await;
    let mut asked = json!({ "origin": "origin", "development": "age", "amount": "paid",
        "exposure": "premium", "expected": { "lossRatio": 0.75 }, "methods": ["bornhuetterFerguson"],
        "backtest": { "asOf": ["2022"] } });
    let (_, result) = world.done("reserving", "cells", &asked).await;
    let view = &result["backTest"]["views"][0];
    assert_eq!((&view["isOutcomeKnown"], &view["origins"]), (&json!(true), &json!(2)));
    let methods = view["methods"].as_array().unwrap();
    near("ladder", &methods[0]["reserve"], &json!(55.0), 1e-9, 0.0);
    near("ladder", &methods[0]["error"], &json!(-5.0), 1e-9, 0.0);
    // 165 expected, a third of it to come.
    near("BF", &methods[1]["reserve"], &json!(55.0), 1e-9, 0.0);
    near("part", &methods[1]["part"], &json!(-5.0 / 60.0), 1e-12, 0.0);

    // With a tail the end is never known: both sides carry it. 1.1 of 150 and 165 then, and now of 170.
    asked["tail"] = json!({ "factor": 1.1 });
    let (_, result) = world.done("reserving", "cells", &asked).await;
    let view = &result["backTest"]["views"][0];
    assert_eq!(view["isOutcomeKnown"], false);
    let ladder = &view["methods"][0];
    near("reserve", &ladder["reserve"], &json!(1.1 * 315.0 - 260.0), 1e-9, 0.0);
    near("outcome", &ladder["outcome"], &json!(1.1 * 320.0 - 260.0), 1e-9, 0.0);
}

#[tokio::test]
async fn a_best_estimate_takes_of_each_method_what_is_said() {
    let world = World::new().await;
    let file = "origin,age,paid,premium\n2021,12,100,200\n2021,24,150,200\n2021,36,165,200\n\
                2022,12,110,220\n2022,24,170,220\n2023,12,120,240\n";
    world.import(&world.picc, &json!({ "name": "cells" }), file.as_bytes()).await;
    let mut asked = json!({ "origin": "origin", "development": "age", "amount": "paid",
        "exposure": "premium", "expected": { "lossRatio": 0.8 }, "methods": ["bornhuetterFerguson"],
        "best": { "origins": { "2023": { "bornhuetterFerguson": 0.75, "chainLadder": 0.25 } } } });
    let (run, result) = world.done("reserving", "cells", &asked).await;
    // 187 of 2022; of 2023 the chain ladder's 120 · 320/210 · 1.1 and 120 + 192 · (1 − 1/q).
    let to_ultimate = 320.0 / 210.0 * 1.1;
    let (ladder, expected) = (120.0 * to_ultimate, 120.0 + 192.0 * (1.0 - 1.0 / to_ultimate));
    let wanted = 17.0 + 0.25 * ladder + 0.75 * expected - 120.0;
    near("best", &run["figures"]["bestReserve"], &json!(wanted), 1e-9, 0.0);
    assert_eq!(result["best"]["origins"][2]["parts"][1]["method"], "bornhuetterFerguson");
    let book = world.workbook(&word(&run, "runId")).await.unwrap();
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(book)).unwrap();
    let formulas = book.worksheet_formula("Best estimate").unwrap();
    let formulas: Vec<String> = formulas.rows().flatten().cloned().collect();
    assert!(formulas.contains(&"SUMPRODUCT(C7:F7,G7:J7)".to_owned()), "{formulas:?}");

    asked["best"] = json!({ "otherwise": { "capeCod": 0.5, "guess": 0.5 },
        "origins": { "2023": { "chainLadder": 0.9 } } });
    asked["calibrate"] =
        json!({ "parameters": { "mack": 1, "reserve": 1, "apart": 1, "degrees": 1 } });
    let body = json!({ "method": "reserving", "dataset": "cells", "parameters": asked });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let wanted = [
        "/parameters/calibrate/parameters/degrees",
        "/parameters/best/otherwise/capeCod",
        "/parameters/best/otherwise/guess",
        "/parameters/best/otherwise",
        "/parameters/best/origins/2023",
    ];
    assert_eq!(crate::support::pointers(&problem), wanted);
    asked.as_object_mut().unwrap().remove("calibrate");
    asked["best"] = json!({ "origins": { "1999": { "chainLadder": 1 } } });
    let run = world.run("reserving", "cells", &asked).await;
    assert!(word(&run["failure"], "advice").contains("2021, 2022, 2023"), "{run}");
}

//! Fraud scores against scikit-learn, LightGBM and CatBoost, on rows drawn by a hash and on a later year.

use std::time::Instant;

use actuarial_models::glm::{Frame, GlmError, Model, Observations, Penalty, Term};
use actuarial_models::scoring::Recipe;
use actuarial_models::trees::Outcomes;
use actuarial_models::validation::chances::Scored;
use serde_json::Value;

use super::table::Texts;
use super::{near, number, oracle};

/// Rows of a part of the claims, as columns and outcomes.
pub(crate) struct Part {
    pub(crate) frame: Frame,
    pub(crate) happened: Vec<bool>,
}

/// Columns as an oracle lists them.
fn names(oracle: &Value, kind: &str) -> Vec<String> {
    let all = oracle[kind].as_array().unwrap();
    all.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Training and test rows of a split of the oracle: `hash` or `time`.
fn split(oracle: &Value, name: &str) -> Option<(Part, Part)> {
    let read = || Texts::read("fraud/fraud_oracle.csv.gz");
    let all = read()?;
    let test: Vec<bool> = match name {
        "hash" => all.numbers("PolicyNumber").iter().map(|key| hashed(*key as u64)).collect(),
        _ => all.texts("Year").iter().map(|year| year == "1996").collect(),
    };
    let part = |wanted: bool| {
        let texts = read().unwrap().only(|row| test[row] == wanted);
        let mut frame = Frame::new();
        for name in names(oracle, "numeric") {
            frame.add_numbers(&name, texts.numbers(&name)).unwrap();
        }
        for name in names(oracle, "categorical") {
            frame.add_texts(&name, texts.texts(&name)).unwrap();
        }
        let happened = texts.texts("FraudFound_P").iter().map(|found| found == "1").collect();
        Part { frame, happened }
    };
    Some((part(false), part(true)))
}

/// Whether a key belongs to the test rows.
pub(crate) fn hashed(key: u64) -> bool {
    let hash = (key * 2_654_435_761) % (1 << 32);
    hash * 100 / (1 << 32) < 30
}

/// The columns as the oracle's design has them: numbers by mean and spread of the training rows, levels
/// of those rows, the first of them the base. What they do not have is taken for the base.
fn design(oracle: &Value, train: &Part, other: &Part) -> Frame {
    let mut frame = Frame::new();
    for name in names(oracle, "numeric") {
        let known = train.frame.numbers(&name).unwrap();
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / known.len() as f64;
        let centre = mean(&mut known.iter().copied());
        let spread = mean(&mut known.iter().map(|value| (value - centre).powi(2))).sqrt();
        let values = other.frame.numbers(&name).unwrap().iter();
        frame.add_numbers(&name, values.map(|value| (value - centre) / spread).collect()).unwrap();
    }
    for name in names(oracle, "categorical") {
        let (known, _) = train.frame.factor(&name).unwrap();
        let (levels, codes) = other.frame.factor(&name).unwrap();
        let of = |level| if known.contains(level) { level } else { &known[0] };
        let texts: Vec<&String> = codes.iter().map(|&code| of(&levels[code as usize])).collect();
        frame.add_texts(&name, &texts).unwrap();
    }
    frame
}

#[test]
fn the_ridge_logistic_is_that_of_scikit_learn() {
    let Some(oracle) = oracle("fraud_oracle") else { return };
    for name in ["hash", "time"] {
        let Some((train, test)) = split(&oracle, name) else { return };
        let case = &oracle["splits"][name];
        let found = [train.happened.len(), test.happened.len()].map(|rows| rows as f64);
        assert_eq!(found, [number(&case["train_rows"]), number(&case["test_rows"])]);
        let mut terms: Vec<Term> =
            names(&oracle, "numeric").iter().map(|name| Term::numeric(name)).collect();
        for name in names(&oracle, "categorical") {
            terms.push(Term::factor(&name, &train.frame.factor(&name).unwrap().0[0]));
        }
        let frame = design(&oracle, &train, &train);
        let response: Vec<f64> =
            train.happened.iter().map(|yes| f64::from(u8::from(*yes))).collect();
        let data = Observations { frame: &frame, response: &response, weight: None, offset: None };
        let penalty = Penalty { l1: 0.0, l2: 1.0 };
        let fit = Model { penalty, ..Model::logistic(terms) }.fit(&data).unwrap();

        let case = &case["models"]["logistic_l2_C1"];
        let wanted = case["coefficients"].as_object().unwrap();
        assert_eq!(fit.coefficients.len(), 1 + wanted.len());
        for (name, want) in wanted {
            let found = fit.coefficient(name).unwrap().estimate;
            near(name, found, number(want), 1e-4, 1.0);
        }
        near("level", fit.coefficients[0].estimate, number(&case["intercept"]), 1e-4, 1.0);
        let chances = fit.predict(&design(&oracle, &train, &test), None).unwrap();
        let scored = Scored::new(&chances, &test.happened).unwrap();
        near("AUC", scored.auc(), number(&case["auc"]), 1e-6, 1.0);
        let precision = number(&case["average_precision"]);
        near("average precision", scored.average_precision(), precision, 1e-6, 1.0);
        near("log loss", scored.log_loss(), number(&case["log_loss"]), 1e-6, 1.0);
        near("Brier", scored.brier(), number(&case["brier"]), 1e-6, 1.0);
        for percent in [1, 2, 5, 10, 20] {
            let top = scored.top(f64::from(percent) / 100.0).unwrap();
            let wanted = |what: &str| number(&case[format!("{what}_top_{percent}pct")]);
            near("precision", top.precision, wanted("precision"), 1e-6, 1.0);
            near("recall", top.recall, wanted("recall"), 1e-6, 1.0);
        }
        let table = scored.calibration(10).unwrap();
        let rows: usize = table.iter().map(|band| band.rows).sum();
        assert_eq!(rows, chances.len());
        let happened: f64 = table.iter().map(|band| band.observed * band.rows as f64).sum();
        near("happened", happened, number(&oracle["splits"][name]["test_frauds"]), 1e-12, 0.0);
    }
}

#[test]
fn one_claim_is_scored_alone_as_among_others() {
    let Some(oracle) = oracle("fraud_oracle") else { return };
    let Some((train, _)) = split(&oracle, "time") else { return };
    let response: Vec<f64> = train.happened.iter().map(|yes| f64::from(u8::from(*yes))).collect();
    let data =
        Observations { frame: &train.frame, response: &response, weight: None, offset: None };
    let fit = Model::logistic(vec![Term::factor("Fault", "Policy Holder")]).fit(&data).unwrap();
    let mut one = Frame::new();
    one.add_texts("Fault", &["Third Party"]).unwrap();
    let row = train.frame.factor("Fault").unwrap().1.iter().position(|code| *code == 1).unwrap();
    assert_eq!(fit.predict(&one, None).unwrap()[0], fit.means.as_ref().unwrap()[row]);
    let mut new = Frame::new();
    new.add_texts("Fault", &["Nobody"]).unwrap();
    let level = "Fault=Nobody".to_owned();
    let refused = fit.predict(&new, None).unwrap_err();
    assert_eq!(refused, GlmError::NoLevel { factor: "Fault".into(), level });
}

/// Columns of the scores: all but who handled the claim, which says nothing about the next year's.
fn scored_columns(oracle: &Value) -> Vec<String> {
    let all = [names(oracle, "numeric"), names(oracle, "categorical")].concat();
    all.into_iter().filter(|name| name != "RepNumber").collect()
}

#[test]
fn scores_reach_their_order_on_rows_drawn_by_a_hash_and_on_a_later_year() {
    let Some(oracle) = oracle("fraud_oracle") else { return };
    for (name, wanted) in [("hash", 0.825), ("time", 0.758)] {
        let Some((train, test)) = split(&oracle, name) else { return };
        let columns = scored_columns(&oracle);
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let data = Outcomes { frame: &train.frame, happened: &train.happened, weight: None };
        // From one of the two training years to the other, trees that know the month lose a tenth of
        // their order; within them they gain a little.
        let fleeting = ["Month", "MonthClaimed"].map(str::to_owned).to_vec();
        let scorer = Recipe { fleeting, ..Recipe::of(&columns) }.learn(&data).unwrap();
        let chances = scorer.chances(&test.frame).unwrap();
        let scored = Scored::new(&chances, &test.happened).unwrap();
        let (auc, precision) = (scored.auc(), scored.average_precision());
        eprintln!(
            "{name}: AUC {auc:.4}, average precision {precision:.4}, log loss {:.4}, Brier {:.4}",
            scored.log_loss(),
            scored.brier()
        );
        assert!(auc >= wanted, "{name}: {auc}");
        // Better than the regression in every figure.
        let linear = &oracle["splits"][name]["models"]["logistic_l2_C1"];
        assert!(precision > number(&linear["average_precision"]));
        assert!(scored.log_loss() < number(&linear["log_loss"]));
        assert!(scored.brier() < number(&linear["brier"]));
        let begun = Instant::now();
        let rows = 200;
        for (row, chance) in chances.iter().enumerate().take(rows) {
            let score = scorer.score(&test.frame, row).unwrap();
            assert!((score.chance - chance).abs() < 1e-10);
        }
        eprintln!("{:.3} ms a claim", begun.elapsed().as_secs_f64() * 1e3 / rows as f64);
    }
}

//! Models of real portfolios against statsmodels and base R.

use std::collections::HashSet;

use actuarial_models::glm::{
    Aliased, Family, Fit, Frame, GlmError, Model, Observations, Penalty, Term, likelihood_ratio,
    type_three,
};
use serde_json::Value;

use super::table::Texts;
use super::{all_near, near, number, numbers, oracle};

/// How close estimates and standard errors must come.
pub(crate) struct Within {
    pub(crate) estimate: f64,
    pub(crate) error: f64,
}

/// Compares every coefficient of an oracle, by name.
#[track_caller]
pub(crate) fn coefficients(fit: &Fit, case: &Value, within: &Within) {
    let wanted = case["coefficients"].as_object().unwrap();
    assert_eq!(fit.coefficients.len(), wanted.len());
    for (name, want) in wanted {
        let found = fit.coefficient(name).unwrap_or_else(|| panic!("no coefficient {name}"));
        let estimate = if want.is_object() { &want["estimate"] } else { want };
        // Tolerances of estimates are absolute; oracles print twelve digits of large ones.
        near(name, found.estimate, number(estimate), within.estimate, 1.0);
        for key in ["se", "se_prior_weights"] {
            if want.is_object() && !want[key].is_null() {
                near(name, found.error.unwrap(), number(&want[key]), within.error, 0.0);
            }
        }
    }
}

/// Terms for the names of an oracle: every factor column of `frame` whose base is the one level that
/// has no coefficient, then numbers, in the order of the names.
pub(crate) fn terms_of(frame: &Frame, case: &Value) -> Vec<Term> {
    let names: Vec<&String> = case["coefficients"].as_object().unwrap().keys().collect();
    let mut terms = vec![];
    let mut seen = HashSet::new();
    for name in names.iter().filter(|name| **name != "(Intercept)") {
        let column = name.split('=').next().unwrap();
        if !seen.insert(column) {
            continue;
        }
        if !name.contains('=') {
            terms.push(Term::numeric(column));
            continue;
        }
        let (levels, _) = frame.factor(column).unwrap();
        let has = |level: &&String| !names.contains(&&format!("{column}={level}"));
        let bases: Vec<&String> = levels.iter().filter(has).collect();
        assert_eq!(bases.len(), 1, "{column}: {bases:?}");
        terms.push(Term::factor(column, bases[0]));
    }
    terms
}

/// Index of the class of a value: the number of bounds not above it.
fn class(value: f64, bounds: &[f64]) -> String {
    bounds.iter().filter(|bound| **bound <= value).count().to_string()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The French portfolio in the classes of the papers.
pub(crate) struct French {
    pub(crate) frame: Frame,
    pub(crate) claims: Vec<f64>,
    exposure: Vec<f64>,
    policies: Vec<String>,
}

impl French {
    /// Its learning part (`L`) or its test part (`T`).
    pub(crate) fn read(part: &str) -> Option<French> {
        let all = Texts::read("fremtpl2/freMTPL2freq.csv.gz")?;
        let split: Vec<bool> = all.texts("SplitS100").iter().map(|text| text == part).collect();
        let texts = all.only(|row| split[row]);
        let mut frame = Frame::new();
        let mut classes = |name: &str, column: &str, class: &dyn Fn(f64) -> String| {
            let classes: Vec<String> = texts.numbers(column).into_iter().map(class).collect();
            frame.add_texts(name, &classes).unwrap();
        };
        classes("VehPower", "VehPower", &|power| power.min(9.0).to_string());
        classes("VehAgeClass", "VehAge", &|age| {
            (1 + (age >= 1.0) as u8 + (age > 10.0) as u8).to_string()
        });
        let ages = [0.0, 21.0, 26.0, 31.0, 41.0, 51.0, 71.0];
        classes("DrivAgeClass", "DrivAge", &|age| class(age, &ages));
        for name in ["VehBrand", "VehGas", "Region"] {
            frame.add_texts(name, texts.texts(name)).unwrap();
        }
        let mut add = |name: &str, column: &str, value: &dyn Fn(f64) -> f64| {
            let values = texts.numbers(column).into_iter().map(value).collect();
            frame.add_numbers(name, values).unwrap();
        };
        add("BonusMalus", "BonusMalus", &|level| level.min(150.0));
        add("ln(Density)", "Density", &f64::ln);
        add("DrivAge", "DrivAge", &|age| age);
        add("ln(DrivAge)", "DrivAge", &f64::ln);
        for power in [2, 3, 4] {
            add(&format!("DrivAge^{power}"), "DrivAge", &|age| age.powi(power));
        }
        let areas = texts.texts("Area").iter().map(|area| f64::from(area.as_bytes()[0] - b'A' + 1));
        frame.add_numbers("Area(1..6)", areas.collect()).unwrap();
        Some(French {
            claims: texts.numbers("ClaimNb").into_iter().map(|count| count.min(4.0)).collect(),
            exposure: texts.numbers("Exposure").into_iter().map(|part| part.min(1.0)).collect(),
            policies: texts.texts("IDpol").to_vec(),
            frame,
        })
    }

    pub(crate) fn log_exposure(&self) -> Vec<f64> {
        self.exposure.iter().map(|exposure| exposure.ln()).collect()
    }
}

#[test]
fn poisson_models_of_the_french_portfolio_are_those_of_statsmodels() {
    let (Some(oracle), Some(french)) = (oracle("fremtpl2_poisson_glm"), French::read("L")) else {
        return;
    };
    let offset = french.log_exposure();
    let data = Observations {
        frame: &french.frame,
        response: &french.claims,
        weight: None,
        offset: Some(&offset),
    };
    assert_eq!(french.claims.len(), 610_212);
    let test = French::read("T").unwrap();
    let mut fits = vec![];
    for (name, case) in oracle["models"].as_object().unwrap() {
        let model = Model::log(Family::Poisson, terms_of(&french.frame, case));
        let fit = model.fit(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        coefficients(&fit, case, &Within { estimate: 1e-8, error: 1e-6 });
        near(name, fit.deviance, number(&case["deviance_learn"]), 1e-10, 0.0);
        near(name, fit.log_likelihood.unwrap(), number(&case["log_likelihood"]), 1e-10, 0.0);
        near(name, fit.aic().unwrap(), number(&case["aic"]), 1e-10, 0.0);
        let null = fit.null_deviance / 6102.12;
        near(name, null, number(&oracle["null"]["in_sample"]), 1e-10, 0.0);
        let first = numbers(&case["first_10_expected_counts_in_file_order"]);
        // The file's order: learning rows with test rows between them.
        let expected = fit.predict(&french.frame, Some(&offset)).unwrap();
        for (got, means) in expected.iter().zip(fit.means.as_ref().unwrap()) {
            assert!((got - means).abs() <= 1e-9 * means.abs(), "{name}: {got} is not {means}");
        }
        let found = first.iter().filter(|want| {
            expected[..10].iter().any(|got| (got - *want).abs() < 1e-8 * want.abs())
        });
        assert!(found.count() >= 8, "{name}: {first:?} {:?}", &expected[..10]);
        let offset = test.log_exposure();
        let means = fit.predict(&test.frame, Some(&offset)).unwrap();
        let deviance: f64 = test.claims.iter().zip(&means).map(|(y, m)| poisson(*y, *m)).sum();
        let loss = 100.0 * deviance / means.len() as f64;
        near(name, loss, number(&case["out_of_sample"]), 1e-9, 0.0);
        fits.push(fit);
    }
    // Leaving out Area: the oracle's deviances differ by 0.235319.
    let test = likelihood_ratio(&fits[0], &fits[1]).unwrap();
    assert_eq!((test.name.as_str(), test.degrees), ("Area(1..6)", 1));
    near("ratio", test.statistic, 190_797.538_395 - 190_797.303_076, 1e-5, 0.0);
    assert!((test.p - 0.6276).abs() < 1e-3, "{}", test.p);
    let wald = fits[0].wald().unwrap();
    let area = wald.iter().find(|test| test.name == "Area(1..6)").unwrap();
    near("Wald", area.statistic, 0.485_088_585_557f64.powi(2), 1e-6, 0.0);
    assert_eq!(likelihood_ratio(&fits[1], &fits[0]).unwrap_err(), GlmError::NotNested);
}

fn poisson(y: f64, mean: f64) -> f64 {
    2.0 * (if y > 0.0 { y * (y / mean).ln() } else { 0.0 } - (y - mean))
}

/// Claim amounts of policies, each claim capped: number of claims and their sum.
fn amounts(cap: f64) -> Option<std::collections::HashMap<String, (f64, f64)>> {
    let texts = Texts::read("fremtpl2/freMTPL2sev.csv.gz")?;
    let mut sums = std::collections::HashMap::<String, (f64, f64)>::new();
    for (policy, amount) in texts.texts("IDpol").iter().zip(texts.numbers("ClaimAmount")) {
        let sum = sums.entry(policy.clone()).or_default();
        *sum = (sum.0 + 1.0, sum.1 + amount.min(cap));
    }
    Some(sums)
}

#[test]
fn gamma_and_tweedie_models_of_the_french_portfolio_are_those_of_statsmodels() {
    let (Some(oracle), Some(french)) = (oracle("fremtpl2_gamma_tweedie"), French::read("L")) else {
        return;
    };
    let case = &oracle["gamma_severity"];
    let amounts = amounts(number(&case["cap"])).unwrap();
    let claims: Vec<(f64, f64)> = french
        .policies
        .iter()
        .map(|policy| amounts.get(policy).copied().unwrap_or_default())
        .collect();
    // Severity: rows without a claim have no weight, and any positive response.
    let weight: Vec<f64> = claims.iter().map(|claim| claim.0).collect();
    let severity: Vec<f64> =
        claims.iter().map(|claim| if claim.0 > 0.0 { claim.1 / claim.0 } else { 1.0 }).collect();
    let terms = terms_of(&french.frame, case);
    let frame = &french.frame;
    let data = Observations { frame, response: &severity, weight: Some(&weight), offset: None };
    let fit = Model::log(Family::Gamma, terms.clone()).fit(&data).unwrap();
    coefficients(&fit, case, &Within { estimate: 1e-7, error: 1e-6 });
    near("deviance", fit.deviance, number(&case["deviance_learn"]), 1e-9, 0.0);
    near("null", fit.null_deviance, number(&case["deviance_null_learn"]), 1e-9, 0.0);
    near("Pearson", fit.pearson, number(&case["pearson_chi2_learn"]), 1e-9, 0.0);
    near("dispersion", fit.dispersion, number(&case["dispersion_pearson_policies"]), 1e-9, 0.0);
    assert_eq!(fit.rows as u64, case["rows_learn"].as_u64().unwrap());

    let premium: Vec<f64> =
        claims.iter().zip(&french.exposure).map(|(claim, exposure)| claim.1 / exposure).collect();
    for (key, case) in oracle["tweedie_pure_premium"].as_object().unwrap() {
        let power = key.trim_start_matches("p=").parse().unwrap();
        let weight = Some(french.exposure.as_slice());
        let data = Observations { frame, response: &premium, weight, offset: None };
        let fit = Model::log(Family::Tweedie { power }, terms.clone()).fit(&data).unwrap();
        coefficients(&fit, case, &Within { estimate: 1e-7, error: 1e-6 });
        near(key, fit.deviance, number(&case["deviance_learn"]), 1e-9, 0.0);
        near(key, fit.null_deviance, number(&case["deviance_null_learn"]), 1e-9, 0.0);
        near(key, fit.dispersion, number(&case["dispersion_pearson"]), 1e-9, 0.0);
        let likelihood = fit.log_likelihood.unwrap();
        if power == 1.5 {
            let rows = premium.iter().zip(fit.means.as_ref().unwrap()).zip(&french.exposure);
            let rows = rows.filter(|(_, weight)| **weight > 0.0);
            let wanted: f64 =
                rows.map(|((y, mean), weight)| compound(*y, *mean, fit.dispersion / weight)).sum();
            near(key, likelihood, wanted, 1e-10, 0.0);
        }
    }
}

/// Log-density of a sum of a Poisson number of exponential amounts, which is the Tweedie family at p = 1.5:
/// added up by number, as it is defined.
fn compound(y: f64, mean: f64, dispersion: f64) -> f64 {
    let (number, size) = (2.0 * mean.sqrt() / dispersion, 0.5 * dispersion * mean.sqrt());
    if y == 0.0 {
        return -number;
    }
    // Of n amounts: e^−λ·λⁿ/n! · y^(n−1)·e^(−y/size)/(sizeⁿ·(n − 1)!), from one n to the next.
    let ratio = number / size * y;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while term > 1e-18 * sum {
        term *= ratio / (n * (n + 1.0));
        sum += term;
        n += 1.0;
    }
    sum.ln() - number + (number / size).ln() - y / size
}

/// Coefficients, their errors, deviance, that of the null model, dispersion and log-likelihood of one power.
type PowerFit = (f64, [f64; 2], [f64; 2], f64, f64, f64, Option<f64>);

#[test]
fn tweedie_models_of_any_power_are_those_of_statsmodels() {
    // statsmodels 0.15.0, GLM with families.Tweedie(var_power, Log()), var_weights, tol 1e-14; likelihoods of
    // p = 0, 2, 3 are those of its Gaussian, Gamma and InverseGaussian families, its own at 1.6; it has
    // none above 2. Deviances at p = −1 are scikit-learn 1.9.1's: statsmodels raises the negative
    // response to a power, which is no part of the best likelihood it can have.
    let x = [0.1, 0.4, 0.5, 0.9, 1.2, 1.5, 1.7, 2.2, 2.4, 2.9, 3.1, 3.6];
    let weight = [1.0, 2.0, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0, 1.0, 2.0, 1.0, 1.0];
    let positive = [1.2, 0.7, 1.9, 1.4, 3.1, 1.1, 2.6, 4.2, 2.3, 6.5, 3.8, 7.7];
    let (mut zeros, mut negative) = (positive, positive);
    (zeros[1], zeros[5], negative[1]) = (0.0, 0.0, -0.3);
    let cases: [PowerFit; 8] = [
        (
            -1.0,
            [-0.098_328_173_278, 0.592_967_874_498],
            [0.403_436_723_236, 0.128_087_796_263],
            60.399_936_652_801,
            289.485_301_038_062,
            6.320_698_815_697,
            None,
        ),
        (
            0.0,
            [-0.193_178_244_930, 0.624_935_136_847],
            [0.353_400_054_221, 0.120_111_352_625],
            18.080_495_710_812,
            86.115_294_117_647,
            1.808_049_571_081,
            Some(-17.991_727_558_647),
        ),
        (
            1.0,
            [-0.306_506_373_988, 0.663_862_341_307],
            [0.343_860_063_279, 0.134_547_762_740],
            12.141_890_678_061,
            34.807_058_392_460,
            0.863_070_506_931,
            None,
        ),
        (
            1.6,
            [-0.336_417_648_083, 0.677_840_190_276],
            [0.334_410_294_591, 0.152_477_204_553],
            18.866_009_994_230,
            31.455_539_197_000,
            0.640_141_798_292,
            Some(-29.410_464_590_932),
        ),
        (
            2.0,
            [-0.093_718_511_094, 0.594_608_776_093],
            [0.192_837_272_810, 0.100_595_762_898],
            1.987_616_109_610,
            8.770_359_797_460,
            0.188_520_472_318,
            Some(-15.355_102_875_004),
        ),
        (
            2.5,
            [-0.092_637_925_666, 0.593_837_533_608],
            [0.183_063_610_036, 0.112_930_969_859],
            1.482_519_471_644,
            5.675_049_652_685,
            0.137_153_697_648,
            None,
        ),
        (
            3.0,
            [-0.089_619_636_244, 0.591_233_646_262],
            [0.177_502_365_634, 0.130_570_363_141],
            1.184_490_755_493,
            3.848_202_578_537,
            0.105_638_579_582,
            Some(-17.311_502_254_690),
        ),
        (
            4.0,
            [-0.077_726_531_414, 0.577_434_369_621],
            [0.173_681_666_122, 0.176_563_326_668],
            0.885_451_791_647,
            2.050_445_595_711,
            0.070_466_134_496,
            None,
        ),
    ];
    let mut frame = Frame::new();
    frame.add_numbers("x", x.to_vec()).unwrap();
    for (power, estimates, errors, deviance, null, dispersion, likelihood) in cases {
        let response = match power {
            p if p <= 0.0 => &negative,
            p if p < 2.0 => &zeros,
            _ => &positive,
        };
        let data = Observations { frame: &frame, response, weight: Some(&weight), offset: None };
        let model = Model::log(Family::Tweedie { power }, vec![Term::numeric("x")]);
        let fit = model.fit(&data).unwrap_or_else(|error| panic!("p {power}: {error}"));
        let what = format!("p {power}");
        for (found, (estimate, error)) in
            fit.coefficients.iter().zip(estimates.into_iter().zip(errors))
        {
            near(&what, found.estimate, estimate, 1e-7, 1.0);
            near(&what, found.error.unwrap(), error, 1e-7, 0.0);
        }
        near(&what, fit.deviance, deviance, 1e-9, 0.0);
        near(&what, fit.null_deviance, null, 1e-9, 0.0);
        near(&what, fit.dispersion, dispersion, 1e-7, 0.0);
        if let Some(likelihood) = likelihood {
            near(&what, fit.log_likelihood.unwrap(), likelihood, 1e-9, 0.0);
            near(&what, fit.aic().unwrap(), 4.0 - 2.0 * likelihood, 1e-9, 0.0);
        }
        let has_one = power >= 0.0 && power != 1.0;
        assert_eq!(fit.log_likelihood.is_some(), has_one, "{what}");
    }
    // Zero is no amount from two on, and no power is between nought and one.
    let data = Observations { frame: &frame, response: &zeros, weight: None, offset: None };
    for power in [2.0, 2.5] {
        let refused = Model::log(Family::Tweedie { power }, vec![]).fit(&data).unwrap_err();
        let wanted = GlmError::Response { value: 0.0, row: Some(1), wanted: "positive" };
        assert_eq!(refused, wanted);
    }
    let refused = Model::log(Family::Tweedie { power: 0.5 }, vec![]).fit(&data).unwrap_err();
    assert!(refused.to_string().contains("none is between 0 and 1"), "{refused}");
}

/// Compares the figures about a whole fit.
#[track_caller]
fn figures(what: &str, fit: &Fit, case: &Value) {
    near(what, fit.deviance, number(&case["deviance"]), 1e-9, 0.0);
    near(what, fit.null_deviance, number(&case["null_deviance"]), 1e-9, 0.0);
    near(what, fit.pearson, number(&case["pearson_chi2"]), 1e-8, 0.0);
    near(what, fit.log_likelihood.unwrap(), number(&case["log_likelihood"]), 1e-9, 0.0);
    assert_eq!(fit.rows as u64, case["rows"].as_u64().unwrap(), "{what}");
    assert_eq!(fit.degrees as u64, case["df_residual"].as_u64().unwrap(), "{what}");
}

const PORTFOLIO: Within = Within { estimate: 1e-7, error: 1e-6 };

#[test]
fn swedish_models_are_those_of_statsmodels() {
    let (Some(oracle), Some(all)) =
        (oracle("portfolio_glms"), Texts::read("portfolios/swautoins.csv.gz"))
    else {
        return;
    };
    let frame_of = |texts: &Texts| {
        let mut frame = Frame::new();
        for name in ["Kilometres", "Zone", "Bonus", "Make"] {
            frame.add_texts(name, texts.texts(name)).unwrap();
        }
        frame
    };
    let frame = frame_of(&all);
    let offset: Vec<f64> = all.numbers("Insured").iter().map(|years| years.ln()).collect();
    let claims = all.numbers("Claims");
    let case = &oracle["swautoins_poisson"];
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    let fit = Model::log(Family::Poisson, terms_of(&frame, case)).fit(&data).unwrap();
    coefficients(&fit, case, &PORTFOLIO);
    figures("swautoins Poisson", &fit, case);

    let some = all.only(|row| claims[row] > 0.0);
    let (frame, weight) = (frame_of(&some), some.numbers("Claims"));
    let mean: Vec<f64> = some.numbers("Payment").iter().zip(&weight).map(|(p, n)| p / n).collect();
    let data = Observations { frame: &frame, response: &mean, weight: Some(&weight), offset: None };
    let case = &oracle["swautoins_gamma_severity"];
    let fit = Model::log(Family::Gamma, terms_of(&frame, case)).fit(&data).unwrap();
    coefficients(&fit, case, &PORTFOLIO);
    figures("swautoins Gamma", &fit, case);
}

#[test]
fn motorcycles_are_those_of_statsmodels() {
    let (Some(oracle), Some(texts)) =
        (oracle("portfolio_glms"), Texts::read("portfolios/swmotorcycle.csv.gz"))
    else {
        return;
    };
    let exposure = texts.numbers("Exposure");
    let texts = texts.only(|row| exposure[row] > 0.0);
    let mut frame = Frame::new();
    for name in ["Area", "RiskClass", "Gender"] {
        frame.add_texts(name, texts.texts(name)).unwrap();
    }
    let ages: Vec<&str> = texts
        .numbers("VehAge")
        .iter()
        .map(|&age| {
            if age <= 1.0 {
                "0-1"
            } else if age <= 4.0 {
                "2-4"
            } else {
                "5+"
            }
        })
        .collect();
    frame.add_texts("VehAgeC", &ages).unwrap();
    let owners = texts.numbers("OwnerAge");
    let owners: Vec<&str> =
        owners.iter().map(|&age| if age < 30.0 { "<30" } else { "30+" }).collect();
    frame.add_texts("OwnerAgeC", &owners).unwrap();
    let claims = texts.numbers("ClaimNb");
    let offset: Vec<f64> = texts.numbers("Exposure").iter().map(|years| years.ln()).collect();
    let case = &oracle["swmotorcycle_poisson"];
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    let fit = Model::log(Family::Poisson, terms_of(&frame, case)).fit(&data).unwrap();
    coefficients(&fit, case, &PORTFOLIO);
    figures("swmotorcycle", &fit, case);
}

#[test]
fn australian_logit_poisson_and_negative_binomial_are_those_of_statsmodels() {
    let (Some(oracle), Some(texts)) =
        (oracle("portfolio_glms"), Texts::read("portfolios/ausprivauto0405.csv.gz"))
    else {
        return;
    };
    let mut frame = Frame::new();
    for name in ["VehAge", "VehBody", "Gender", "DrivAge"] {
        frame.add_texts(name, texts.texts(name)).unwrap();
    }
    frame.add_numbers("VehValue", texts.numbers("VehValue")).unwrap();
    let offset: Vec<f64> = texts.numbers("Exposure").iter().map(|years| years.ln()).collect();
    let happened = texts.numbers("ClaimOcc");
    let case = &oracle["ausprivauto_logit_occurrence"];
    let terms = terms_of(&frame, case);
    let data = Observations { frame: &frame, response: &happened, weight: None, offset: None };
    let fit = Model::logistic(terms.clone()).fit(&data).unwrap();
    coefficients(&fit, case, &PORTFOLIO);
    figures("logit", &fit, case);

    let claims = texts.numbers("ClaimNb");
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    let case = &oracle["ausprivauto_poisson"];
    let model = Model::log(Family::Poisson, terms);
    let fit = model.fit(&data).unwrap();
    coefficients(&fit, case, &PORTFOLIO);
    figures("Poisson", &fit, case);
    let tests = type_three(&fit, &data).unwrap();
    assert_eq!(tests.iter().map(|test| test.degrees).sum::<usize>(), 22);
    // With one degree of freedom both tests ask the same: z² of an oracle's coefficient.
    let gender = tests.iter().find(|test| test.name == "Gender").unwrap();
    let want = &case["coefficients"]["Gender=Male"];
    near(
        "Gender",
        gender.statistic,
        (number(&want["estimate"]) / number(&want["se"])).powi(2),
        0.01,
        0.0,
    );

    let case = &oracle["ausprivauto_negative_binomial2"];
    let found = model.fit_negative_binomial(&data).unwrap();
    near("alpha", found.alpha, number(&case["alpha"]), 1e-5, 0.0);
    let likelihood = found.fit.log_likelihood.unwrap();
    near("likelihood", likelihood, number(&case["log_likelihood"]), 1e-9, 0.0);
    // The oracle's errors are of the observed curvature, ours of the expected one.
    coefficients(&found.fit, case, &Within { estimate: 1e-5, error: 0.01 });
}

/// The Belgian portfolio: its frame, claims and logarithms of exposure.
pub(crate) fn belgian() -> Option<(Frame, Vec<f64>, Vec<f64>)> {
    let texts = Texts::read("portfolios/beMTPL97.csv.gz")?;
    let mut frame = Frame::new();
    for name in ["coverage", "sex", "fuel", "use", "fleet"] {
        frame.add_texts(name, texts.texts(name)).unwrap();
    }
    let mut classes = |name: &str, column: &str, class: &dyn Fn(f64) -> String| {
        let classes: Vec<String> = texts.numbers(column).into_iter().map(class).collect();
        frame.add_texts(name, &classes).unwrap();
    };
    classes("ageC", "ageph", &|age| class(age, &[21.0, 26.0, 31.0, 41.0, 51.0, 61.0, 71.0]));
    classes("agecC", "agec", &|age| class(age.min(48.0), &[3.0, 6.0, 9.0, 12.0, 16.0]));
    classes("powC", "power", &|kw| class(kw, &[35.0, 45.0, 55.0, 66.0, 76.0, 91.0, 111.0]));
    classes("bmC", "bm", &|bm| bm.min(11.0).to_string());
    classes("district", "postcode", &|code| (code / 100.0).floor().to_string());
    let offset = texts.numbers("expo").iter().map(|years| years.ln()).collect();
    Some((frame, texts.numbers("nclaims"), offset))
}

/// Claims that the model without districts expects of every Belgian policy.
pub(crate) fn belgian_expected() -> Option<Vec<f64>> {
    let (frame, claims, offset) = belgian()?;
    let terms = terms_of(&frame, &oracle("portfolio_glms")?["beMTPL97_poisson_no_region"]);
    let offset = Some(offset.as_slice());
    let data = Observations { frame: &frame, response: &claims, weight: None, offset };
    Model::log(Family::Poisson, terms).fit(&data).unwrap().means
}

#[test]
fn belgian_models_with_and_without_districts_are_those_of_statsmodels() {
    let (Some(oracle), Some((frame, claims, offset))) = (oracle("portfolio_glms"), belgian())
    else {
        return;
    };
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    for name in ["beMTPL97_poisson_no_region", "beMTPL97_poisson_district_dummies"] {
        let case = &oracle[name];
        let fit = Model::log(Family::Poisson, terms_of(&frame, case)).fit(&data).unwrap();
        coefficients(&fit, case, &PORTFOLIO);
        figures(name, &fit, case);
        if name.ends_with("no_region") {
            let (levels, codes) = frame.factor("district").unwrap();
            for want in oracle["beMTPL97_district_observed_expected"].as_array().unwrap() {
                let district = want["district"].to_string();
                let level = levels.iter().position(|level| *level == district).unwrap() as u32;
                let rows = codes
                    .iter()
                    .zip(fit.means.as_ref().unwrap())
                    .filter(|(code, _)| **code == level);
                let expected: f64 = rows.map(|(_, mean)| mean).sum();
                near(&district, expected, number(&want["expected"]), 1e-9, 0.0);
            }
        }
    }
}

#[test]
fn lapses_are_fitted_once_what_separates_them_is_named_and_left_out() {
    let (Some(oracle), Some(all)) =
        (oracle("portfolio_glms"), Texts::read("portfolios/eudirectlapse.csv.gz"))
    else {
        return;
    };
    let is_test = |row: usize| {
        let hashed = ((row as u64 + 1) * 2_654_435_761) % (1 << 32);
        hashed * 100 / (1 << 32) < 30
    };
    let texts = all.only(|row| !is_test(row));
    let case = &oracle["eudirectlapse_logit"];
    let mut frame = Frame::new();
    let names = case["coefficients"].as_object().unwrap().keys();
    let mut seen = HashSet::from(["(Intercept)"]);
    for name in names {
        let column = name.split('=').next().unwrap();
        if !seen.insert(column) {
            continue;
        }
        if name.contains('=') {
            frame.add_texts(column, texts.texts(column)).unwrap();
            continue;
        }
        let ratio = |below: &str| -> Vec<f64> {
            let above = texts.numbers("prem_final");
            above.iter().zip(texts.numbers(below)).map(|(a, b)| a / b).collect()
        };
        let values = match column {
            "rel_last_market" => ratio("prem_market"),
            "rel_change" => ratio("prem_last"),
            _ => texts.numbers(column),
        };
        let centre = mean(&values);
        let spread = mean(&values.iter().map(|x| (x - centre).powi(2)).collect::<Vec<_>>()).sqrt();
        let standard = values.iter().map(|x| (x - centre) / spread).collect();
        frame.add_numbers(column, standard).unwrap();
    }
    let lapsed = texts.numbers("lapse");
    let data = Observations { frame: &frame, response: &lapsed, weight: None, offset: None };
    let model = Model::logistic(terms_of(&frame, case));
    // Nobody with such an engine lapsed: the oracle's coefficients of both levels ran away.
    assert_eq!(model.fit(&data).unwrap_err(), GlmError::Separated("vehicl_powerkw=250 kW".into()));
    let runaway = ["250 kW", "275 kW"];
    let weight: Vec<f64> = texts
        .texts("vehicl_powerkw")
        .iter()
        .map(|power| if runaway.contains(&power.as_str()) { 0.0 } else { 1.0 })
        .collect();
    let data = Observations { weight: Some(&weight), ..data };
    let empty = model.fit(&data).unwrap_err();
    assert_eq!(empty, GlmError::ZeroColumn("vehicl_powerkw=250 kW".into()));
    // Nor did commercial drivers whose use is unknown: a combination, so it shows while fitting.
    let model = Model { aliased: Aliased::Drop, ..model };
    let GlmError::Separated(name) = model.fit(&data).unwrap_err() else { panic!("not separated") };
    let among = ["(Intercept)", "polholder_diffdriver=", "policy_caruse="];
    assert!(among.iter().any(|known| name.starts_with(known)), "{name}");
    let (drivers, uses) = (texts.texts("polholder_diffdriver"), texts.texts("policy_caruse"));
    let alone = |row: usize| uses[row] == "unknown" && drivers[row] == "commercial";
    let weight: Vec<f64> =
        weight.iter().enumerate().map(|(row, w)| if alone(row) { 0.0 } else { *w }).collect();
    let data = Observations { weight: Some(&weight), ..data };
    // Now commercial drivers are the commercial users: one of both columns says what the other does.
    let fit = model.fit(&data).unwrap();
    assert_eq!(fit.dropped.len(), 3, "{:?}", fit.dropped);
    near("lapse", fit.deviance, number(&case["deviance"]), 1e-9, 0.0);
    near("lapse", fit.log_likelihood.unwrap(), number(&case["log_likelihood"]), 1e-9, 0.0);
    let mut compared = 0;
    for (name, want) in case["coefficients"].as_object().unwrap() {
        // No policy of the training part has 300 kW: the oracle has a column of zeros there.
        if number(&want["se"]) < 1e3 && name != "vehicl_powerkw=300 kW" {
            let found = fit.coefficient(name).unwrap();
            near(name, found.estimate, number(&want["estimate"]), 1e-7, 1.0);
            near(name, found.error.unwrap(), number(&want["se"]), 1e-6, 0.0);
            compared += 1;
        }
    }
    assert_eq!(compared, 50);
}

/// The Swedish portfolio: kilometres, zone and bonus as factors and numbers, with years as offset and claims.
fn swedish() -> Option<(Frame, Vec<f64>, Vec<f64>)> {
    let texts = Texts::read("portfolios/swautoins.csv.gz")?;
    let mut frame = Frame::new();
    for name in ["Zone", "Bonus", "Kilometres"] {
        frame.add_texts(&format!("{name} class"), texts.texts(name)).unwrap();
        frame.add_numbers(name, texts.numbers(name)).unwrap();
    }
    let offset = texts.numbers("Insured").iter().map(|years| years.ln()).collect();
    Some((frame, offset, texts.numbers("Claims")))
}

#[test]
fn ridge_lasso_and_what_lies_between_are_those_of_glum() {
    let Some((frame, offset, claims)) = swedish() else { return };
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    let terms = vec![Term::factor("Bonus class", "1"), Term::numeric("Kilometres")];
    // glum 3.4.1, its alpha and l1_ratio times the 2,182 rows, gradient_tol 1e-13 (irls-ls) and 1e-11 (irls-cd,
    // 60 rounds): intercept, bonus classes 2 to 7, kilometres.
    let cases = [
        (
            Penalty { l1: 0.0, l2: 500.0 },
            [
                -2.490_983_827_235,
                -0.346_981_792_821,
                -0.535_302_372_361,
                -0.643_477_841_078,
                -0.735_852_068_583,
                -0.813_475_021_608,
                -1.194_698_086_872,
                0.137_855_889_206,
            ],
        ),
        (
            Penalty { l1: 300.0, l2: 20.0 },
            [
                -2.476_182_031_273,
                -0.349_128_367_431,
                -0.544_261_519_027,
                -0.659_084_493_930,
                -0.757_197_877_595,
                -0.834_712_215_825,
                -1.214_464_681_903,
                0.137_648_093_719,
            ],
        ),
        (
            Penalty { l1: 800.0, l2: 0.0 },
            [
                -2.637_329_794_568,
                -0.117_789_294_724,
                -0.296_177_199_063,
                -0.397_378_671_601,
                -0.502_126_167_720,
                -0.605_052_593_319,
                -1.013_504_349_120,
                0.124_948_518_381,
            ],
        ),
    ];
    for (penalty, wanted) in cases {
        let fit =
            Model { penalty, ..Model::log(Family::Poisson, terms.clone()) }.fit(&data).unwrap();
        let found: Vec<f64> = fit.coefficients.iter().map(|own| own.estimate).collect();
        all_near(&format!("{penalty:?}"), &found, &wanted, 1e-7, 1.0);
    }
}

#[test]
fn splines_and_interactions_are_those_of_statsmodels() {
    let Some((frame, offset, claims)) = swedish() else { return };
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    // statsmodels 0.15.0 and patsy 1.0.3: Claims ~ cr(Bonus, knots=(3, 5), lower_bound=1, upper_bound=7) +
    // C(Zone) * Kilometres, tol 1e-14. Its basis of the spline is another, so effects are compared.
    let zone = || Term::factor("Zone class", "1");
    let spline = Term::spline("Bonus", &[1.0, 3.0, 5.0, 7.0]);
    let terms = vec![
        spline,
        zone(),
        Term::numeric("Kilometres"),
        zone().times(Term::numeric("Kilometres")),
    ];
    let fit = Model::log(Family::Poisson, terms).fit(&data).unwrap();
    near("deviance", fit.deviance, 4_679.887_375_559_841, 1e-10, 0.0);
    near("likelihood", fit.log_likelihood.unwrap(), -6_158.882_924_685_48, 1e-10, 0.0);
    let mut new = Frame::new();
    new.add_texts("Zone class", &["1"; 7]).unwrap();
    new.add_numbers("Bonus", (1..=7).map(f64::from).collect()).unwrap();
    new.add_numbers("Kilometres", vec![1.0; 7]).unwrap();
    let means = fit.predict(&new, None).unwrap();
    let effects: Vec<f64> = means.iter().map(|mean| (mean / means[0]).ln()).collect();
    let wanted = [
        0.0,
        -0.433_218_102_848,
        -0.725_135_232_559,
        -0.798_435_506_001,
        -0.831_743_400_060,
        -1.010_348_788_188,
        -1.290_262_770_071,
    ];
    all_near("bonus", &effects, &wanted, 1e-9, 1.0);
    let numbers: Vec<_> =
        fit.coefficients.iter().filter(|own| own.name.contains("Kilometres")).collect();
    let estimates: Vec<f64> = numbers.iter().map(|own| own.estimate).collect();
    let wanted = [
        0.134_278_395_802,
        0.012_465_608_316,
        0.010_761_588_643,
        0.038_392_181_151,
        -0.028_057_710_552,
        0.009_146_735_544,
        0.003_789_675_249,
    ];
    all_near("kilometres by zone", &estimates, &wanted, 1e-9, 1.0);
    let errors: Vec<f64> = numbers.iter().filter_map(|own| own.error).collect();
    let wanted = [
        0.005_708_858_807,
        0.008_143_123_020,
        0.008_250_257_918,
        0.007_332_219_022,
        0.012_813_973_441,
        0.010_068_425_677,
        0.035_757_642_391,
    ];
    all_near("their errors", &errors, &wanted, 1e-7, 0.0);
}

#[test]
fn a_ridge_penalty_shrinks_as_the_equations_of_its_optimum_say() {
    let Some(texts) = Texts::read("portfolios/swautoins.csv.gz") else { return };
    let mut frame = Frame::new();
    frame.add_texts("Bonus", texts.texts("Bonus")).unwrap();
    frame.add_numbers("Kilometres", texts.numbers("Kilometres")).unwrap();
    let offset: Vec<f64> = texts.numbers("Insured").iter().map(|years| years.ln()).collect();
    let claims = texts.numbers("Claims");
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    let terms = vec![Term::factor("Bonus", "1"), Term::numeric("Kilometres")];
    let kilometres = frame.numbers("Kilometres").unwrap();
    for penalty in [Penalty { l1: 0.0, l2: 500.0 }, Penalty { l1: 300.0, l2: 20.0 }] {
        let fit =
            Model { penalty, ..Model::log(Family::Poisson, terms.clone()) }.fit(&data).unwrap();
        // Karush–Kuhn–Tucker: the score of each coefficient is the slope of its penalty.
        let score = |column: &[f64]| -> f64 {
            let rows = claims.iter().zip(fit.means.as_ref().unwrap()).zip(column);
            rows.map(|((y, mean), x)| (y - mean) * x).sum()
        };
        assert!(score(&vec![1.0; claims.len()]).abs() < 1e-4);
        let beta = fit.coefficient("Kilometres").unwrap().estimate;
        let want = penalty.l1 * beta.signum() + penalty.l2 * beta;
        assert!((score(kilometres) - want).abs() < 1e-3, "{} is not {want}", score(kilometres));
        assert!(fit.coefficients.iter().all(|coefficient| coefficient.error.is_none()));
    }
    let all = Penalty { l1: 1e9, l2: 0.0 };
    let fit = Model { penalty: all, ..Model::log(Family::Poisson, terms) }.fit(&data).unwrap();
    assert!(fit.coefficients[1..].iter().all(|coefficient| coefficient.estimate == 0.0));
    near("null", fit.deviance, fit.null_deviance, 1e-9, 0.0);
}

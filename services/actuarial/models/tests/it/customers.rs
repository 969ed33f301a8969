//! Segments and lapses against scikit-learn, statsmodels and LightGBM.

use actuarial_models::glm::Frame;
use actuarial_models::scoring::Recipe;
use actuarial_models::segments::{Components, KMeans, Scale};
use actuarial_models::trees::Outcomes;
use actuarial_models::validation::chances::Scored;

use super::fraud::hashed;
use super::table::Texts;
use super::{all_near, number, numbers, oracle};

/// Five logarithms of the technical data of sports cars, on one scale.
fn cars() -> Option<Vec<Vec<f64>>> {
    let texts = Texts::between("reference/vehicles/sports_cars.csv", b';')?;
    let of = |name: &str| texts.numbers(name);
    let (weight, power, torque) = (of("weight"), of("max_power"), of("max_torque"));
    let (speed, capacity) = (of("max_engine_speed"), of("cubic_capacity"));
    let rows: Vec<Vec<f64>> = (0..weight.len())
        .map(|row| {
            let logs = [
                weight[row] / power[row],
                power[row] / capacity[row],
                torque[row],
                speed[row],
                capacity[row],
            ];
            logs.map(f64::ln).to_vec()
        })
        .collect();
    let scale = Scale::of(&rows).unwrap();
    Some(rows.iter().map(|row| scale.standard(row).unwrap()).collect())
}

#[test]
fn components_and_groups_of_sports_cars_are_those_of_scikit_learn() {
    let (Some(oracle), Some(cars)) = (oracle("segmentation_sports_cars"), cars()) else { return };
    assert_eq!(cars.len() as u64, oracle["rows"].as_u64().unwrap());
    let found = Components::of(&cars).unwrap();
    let wanted = numbers(&oracle["singular_values"]);
    all_near("singular value", &found.singular_values, &wanted, 1e-9, 1.0);
    let wanted = numbers(&oracle["explained_variance_share"]);
    all_near("share", &found.shares, &wanted, 1e-9, 1.0);
    let wanted = oracle["absolute_loadings_by_component"].as_array().unwrap();
    for (loading, wanted) in found.loadings.iter().zip(wanted) {
        let absolute: Vec<f64> = loading.iter().map(|value| value.abs()).collect();
        all_near("loading", &absolute, &numbers(wanted), 1e-9, 1.0);
    }
    for (groups, case) in oracle["kmeans_best_inertia_over_500_starts"].as_object().unwrap() {
        let plan = KMeans { groups: groups.parse().unwrap(), starts: 100, seed: 1 };
        let found = plan.run(&cars).unwrap();
        let most = 1.001 * number(&case["inertia"]);
        assert!(found.inertia <= most, "{groups}: {} is above {most}", found.inertia);
        assert_eq!(found.sizes.iter().sum::<usize>(), cars.len());
        // Where the end is the oracle's own, so are the groups; one may also be better than 500 starts.
        if (found.inertia / number(&case["inertia"]) - 1.0).abs() < 1e-9 {
            let mut sizes: Vec<f64> = found.sizes.iter().map(|size| *size as f64).collect();
            sizes.reverse();
            all_near(groups, &sizes, &numbers(&case["sizes_sorted"]), 0.0, 0.0);
        }
        eprintln!("{groups} groups: inertia {} of {}", found.inertia, case["inertia"]);
    }
}

/// Renewals of one part, with what a renewal costs against the market and against last year.
fn renewals(test: bool) -> Option<(Frame, Vec<bool>, Vec<&'static str>)> {
    let all = Texts::read("portfolios/eudirectlapse.csv.gz")?;
    let texts = all.only(|row| hashed(row as u64 + 1) == test);
    let mut frame = Frame::new();
    let numbers = [
        "polholder_age",
        "policy_age",
        "policy_nbcontract",
        "prem_final",
        "prem_last",
        "prem_market",
        "prem_pure",
        "vehicl_age",
        "vehicl_agepurchase",
    ];
    for name in numbers {
        frame.add_numbers(name, texts.numbers(name)).unwrap();
    }
    for (name, below) in [("rel_last_market", "prem_market"), ("rel_change", "prem_last")] {
        let pairs = texts.numbers("prem_final").into_iter().zip(texts.numbers(below));
        frame.add_numbers(name, pairs.map(|(a, b)| a / b).collect()).unwrap();
    }
    let levels = [
        "polholder_BMCevol",
        "polholder_diffdriver",
        "polholder_gender",
        "polholder_job",
        "policy_caruse",
        "prem_freqperyear",
        "vehicl_garage",
        "vehicl_powerkw",
        "vehicl_region",
    ];
    for name in levels {
        frame.add_texts(name, texts.texts(name)).unwrap();
    }
    let mut columns = numbers.to_vec();
    columns.extend(["rel_last_market", "rel_change"]);
    columns.extend(levels);
    let lapsed = texts.texts("lapse").iter().map(|lapse| lapse == "1").collect();
    Some((frame, lapsed, columns))
}

#[test]
fn lapses_are_ordered_as_well_as_by_lightgbm_and_chances_are_what_they_say() {
    let (Some(oracle), Some(targets)) = (oracle("portfolio_glms"), oracle("region_factor_cv"))
    else {
        return;
    };
    let (Some((frame, lapsed, columns)), Some((other, came, _))) =
        (renewals(false), renewals(true))
    else {
        return;
    };
    let case = &oracle["eudirectlapse_logit"];
    assert_eq!(came.len() as u64, case["test_rows"].as_u64().unwrap());
    let data = Outcomes { frame: &frame, happened: &lapsed, weight: None };
    let scorer = Recipe::frequent(&columns).learn(&data).unwrap();
    let chances = scorer.chances(&other).unwrap();
    let scored = Scored::new(&chances, &came).unwrap();
    let error = scored.calibration_error(10).unwrap();
    eprintln!("lapse: AUC {:.4}, calibration error {error:.4}", scored.auc());
    assert!(scored.auc() >= number(&targets["lapse_lightgbm_test_auc"]), "{}", scored.auc());
    assert!(scored.auc() > number(&case["test_auc"]));
    // Whole tenths: what came lies within three standard errors of what was said.
    for band in scored.calibration(10).unwrap() {
        let spread = (band.expected * (1.0 - band.expected) / band.rows as f64).sqrt();
        assert!((band.observed - band.expected).abs() < 3.5 * spread, "{band:?}");
    }
    assert!(error < 0.02, "{error}");
}

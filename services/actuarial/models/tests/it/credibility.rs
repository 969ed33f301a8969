//! Credibility against actuar.

use actuarial_models::credibility::{
    Between, BuhlmannStraub, Observation, buhlmann_straub, hierarchical,
};
use serde_json::Value;

use super::table::Texts;
use super::{all_near, near, number, numbers, oracle};

/// Quarterly claims ratios of five states, with their weights.
fn hachemeister() -> Option<Vec<Vec<Observation>>> {
    let texts = Texts::read("portfolios/hachemeister.csv")?;
    let mut states = vec![vec![]; 5];
    for quarter in 1..=12 {
        let values = texts.numbers(&format!("ratio.{quarter}"));
        let weights = texts.numbers(&format!("weight.{quarter}"));
        for (state, (value, weight)) in values.into_iter().zip(weights).enumerate() {
            states[state].push(Observation { value, weight });
        }
    }
    Some(states)
}

#[track_caller]
fn premiums(found: &BuhlmannStraub, want: &Value) {
    let found: Vec<f64> = found.contracts.iter().map(|contract| contract.premium).collect();
    all_near("premium", &found, &numbers(want), 1e-9, 0.0);
}

#[test]
fn the_five_states_are_those_of_actuar() {
    let (Some(oracle), Some(states)) = (oracle("credibility"), hachemeister()) else { return };
    let case = &oracle["hachemeister"];
    let found = buhlmann_straub(&states, Between::Unbiased).unwrap();
    near("collective", found.collective, number(&case["collective"]), 1e-9, 0.0);
    near("within", found.within, number(&case["within_variance_s2"]), 1e-9, 0.0);
    near("between", found.between, number(&case["between_variance_a"]), 1e-9, 0.0);
    let of = |each: fn(&actuarial_models::credibility::Credible) -> f64| -> Vec<f64> {
        found.contracts.iter().map(each).collect()
    };
    all_near("Z", &of(|c| c.credibility), &numbers(&case["credibility_factors"]), 1e-9, 0.0);
    all_near("mean", &of(|c| c.mean), &numbers(&case["state_means"]), 1e-9, 0.0);
    premiums(&found, &case["credibility_premiums"]);
    let found = buhlmann_straub(&states, Between::Iterative).unwrap();
    // actuar stops its iteration earlier than ours.
    near("iterative", found.between, number(&case["iterative_between_variance_a"]), 1e-7, 0.0);
    let found: Vec<f64> = found.contracts.iter().map(|contract| contract.premium).collect();
    all_near("premium", &found, &numbers(&case["iterative_credibility_premiums"]), 1e-7, 0.0);
}

#[test]
fn states_in_two_cohorts_are_those_of_the_published_example() {
    let Some(states) = hachemeister() else { return };
    // Cohorts 1, 2, 1, 2, 2, iterative, as in the vignette on credibility of actuar, which prints
    // whole premiums and four digits of credibilities.
    let pick = |of: &[usize]| of.iter().map(|&state| states[state].clone()).collect::<Vec<_>>();
    let found = hierarchical(&[pick(&[0, 2]), pick(&[1, 3, 4])], Between::Iterative).unwrap();
    near("collective", found.collective, 1746.0, 0.5 / 1746.0, 0.0);
    near("cohorts", found.between_sectors, 88_981.0, 1e-5, 0.0);
    near("states", found.between_contracts, 10_952.0, 1e-4, 0.0);
    near("quarters", found.within, 139_120_026.0, 1e-8, 0.0);
    for (sector, want) in found.sectors.iter().zip([(1949.0, 0.9196), (1543.0, 0.9284)]) {
        near("premium", sector.premium, want.0, 0.5 / want.0, 0.0);
        near("credibility", sector.credibility, want.1, 1e-4, 0.0);
    }
    let premiums: Vec<f64> = found.contracts.concat().iter().map(|c| c.premium.round()).collect();
    assert_eq!(premiums, [2048.0, 1875.0, 1524.0, 1497.0, 1585.0]);
}

#[test]
fn belgian_districts_are_those_of_actuar() {
    let (Some(all), Some(texts)) =
        (oracle("credibility"), Texts::read("portfolios/beMTPL97.csv.gz"))
    else {
        return;
    };
    let expected = super::glm::belgian_expected().unwrap();
    let mut sums = std::collections::BTreeMap::<(u32, u32), (f64, f64)>::new();
    let claims = texts.numbers("nclaims");
    for ((code, claims), expected) in texts.texts("postcode").iter().zip(claims).zip(expected) {
        let code: u32 = code.parse().unwrap();
        let sum = sums.entry((code / 100, code)).or_default();
        *sum = (sum.0 + claims, sum.1 + expected);
    }
    let mut districts = std::collections::BTreeMap::<u32, Vec<Observation>>::new();
    for ((district, _), (claims, expected)) in sums {
        let seen = Observation { value: claims / expected, weight: expected };
        districts.entry(district).or_default().push(seen);
    }
    let case = &all["beMTPL97_districts"];
    let codes: Vec<f64> = districts.keys().map(|code| f64::from(*code)).collect();
    assert_eq!(codes, numbers(&case["district"]));
    let contracts: Vec<Vec<Observation>> = districts.into_values().collect();
    let found = buhlmann_straub(&contracts, Between::Unbiased).unwrap();
    near("collective", found.collective, number(&case["collective"]), 1e-9, 0.0);
    near("within", found.within, number(&case["within_variance_s2"]), 1e-9, 0.0);
    near("between", found.between, number(&case["between_variance_a"]), 1e-9, 0.0);
    premiums(&found, &case["region_factors"]);
}

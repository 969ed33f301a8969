//! Early warning, survival, networks and forecasts against independent programs.

use std::collections::BTreeMap;

use actuarial_models::forecast::{Method, relative_error};
use actuarial_models::network::{Network, Rings, Search};
use actuarial_models::survival::{Lifetime, Ties, cox, kaplan_meier};
use actuarial_models::warning::{Charted, Cusum};

use super::table::Texts;
use super::{all_near, near, number, numbers, oracle};

#[test]
fn charts_run_as_long_as_the_reference_says() {
    let Some(oracle) = oracle("early_warning_cusum") else { return };
    let cases = [
        ("normal", Charted::Normal, "shift_sd", 1e-4),
        ("poisson", Charted::Poisson, "mean", 1e-8),
    ];
    for (key, kind, mean, tolerance) in cases {
        for case in oracle[key].as_array().unwrap() {
            let chart = Cusum { reference: number(&case["k"]), limit: number(&case["h"]) };
            let found = chart.run_length(kind, number(&case[mean])).unwrap();
            near(&format!("{key} {case}"), found, number(&case["arl"]), tolerance, 0.0);
        }
    }
}

#[test]
fn settlement_times_are_those_of_lifelines_and_survival() {
    let (Some(oracle), Some(texts)) =
        (oracle("settlement_survival"), Texts::read("portfolios/ausautoBI8999.csv.gz"))
    else {
        return;
    };
    let (finished, reported) = (texts.numbers("FinMth"), texts.numbers("ReportMth"));
    let lifetimes: Vec<Lifetime> = finished
        .iter()
        .zip(&reported)
        .map(|(finished, reported)| {
            let time = finished - reported + 0.5;
            Lifetime { time: time.min(60.0), ended: time <= 60.0 }
        })
        .collect();
    let legal = texts.texts("Legal");
    for (group, case) in oracle["km"].as_object().unwrap() {
        let wanted = group.trim_start_matches("Legal=");
        let own = lifetimes.iter().zip(legal).filter(|(_, legal)| *legal == wanted);
        let own: Vec<Lifetime> = own.map(|(lifetime, _)| *lifetime).collect();
        assert_eq!(own.len() as u64, case["n"].as_u64().unwrap());
        let found = kaplan_meier(&own).unwrap();
        let events: usize = found.steps().iter().map(|step| step.events).sum();
        assert_eq!(events as u64, case["events"].as_u64().unwrap());
        for (time, want) in case["survival"].as_object().unwrap() {
            near(group, found.survival(time.parse().unwrap()), number(want), 1e-7, 1.0);
        }
        assert_eq!(found.median(), case["median"].as_f64());
    }
    let (injured, month) = (texts.numbers("InjNb"), texts.numbers("AccMth"));
    let covariates: Vec<Vec<f64>> = (0..lifetimes.len())
        .map(|row| vec![f64::from(legal[row] == "Yes"), injured[row], month[row] / 12.0])
        .collect();
    let cases =
        [("cox_efron_second_package", Ties::Efron), ("cox_breslow_second_package", Ties::Breslow)];
    for (key, ties) in cases {
        let (case, found) = (&oracle[key], cox(&lifetimes, &covariates, ties).unwrap());
        all_near(key, &found.coefficients, &numbers(&case["estimate"]), 1e-7, 1.0);
        all_near(key, &found.errors, &numbers(&case["se"]), 1e-7, 1.0);
        let both = [found.null_log_likelihood, found.log_likelihood];
        all_near(key, &both, &numbers(&case["log_likelihood_null_and_fit"]), 1e-9, 0.0);
    }
}

#[test]
fn the_claim_network_is_scored_as_by_networkx() {
    let (Some(oracle), Some(texts)) =
        (oracle("claim_network"), Texts::read("fraud/claim_network_edges.csv"))
    else {
        return;
    };
    let ends = texts.texts("claim").iter().zip(texts.texts("entity"));
    let mut places = BTreeMap::new();
    for name in ends.clone().flat_map(|(claim, entity)| [claim, entity]) {
        places.insert(name.as_str(), 0);
    }
    places.values_mut().enumerate().for_each(|(place, value)| *value = place);
    let names: Vec<&str> = places.keys().copied().collect();
    let edges: Vec<(usize, usize)> =
        ends.map(|(claim, entity)| (places[claim.as_str()], places[entity.as_str()])).collect();
    let network = Network::new(names.len(), &edges).unwrap();
    assert_eq!(network.nodes() as u64, oracle["nodes"].as_u64().unwrap());
    assert_eq!(network.edges() as u64, oracle["edges"].as_u64().unwrap());

    let sizes = |groups: Vec<Vec<usize>>| -> Vec<f64> {
        groups.iter().map(|group| group.len() as f64).collect()
    };
    assert_eq!(sizes(network.components(|_| false)), numbers(&oracle["components_sizes"]));
    let shop = |node: usize| names[node].starts_with("shop");
    let without = sizes(network.components(shop));
    assert_eq!(without, numbers(&oracle["components_without_shops_sizes"]));

    let score = |key: &str, scores: &dyn Fn(usize) -> f64, tolerance: f64| {
        for case in oracle[key].as_array().unwrap() {
            let name = case[0].as_str().unwrap();
            near(name, scores(places[name]), number(&case[1]), tolerance, 0.0);
        }
    };
    let rank = network.page_rank(0.85).unwrap();
    score("pagerank_alpha_0.85_top", &|node| rank[node], 1e-8);
    let cores = network.cores();
    score("core_number_top", &|node| cores[node] as f64, 0.0);
    assert_eq!(cores.iter().max().map(|core| *core as u64), oracle["max_core"].as_u64());
    let between = network.betweenness();
    score("betweenness_top", &|node| between[node], 1e-8);

    // The planted ring comes first, and claims outside it find their way there.
    let planted = |key: &str| -> Vec<usize> {
        let names = oracle["planted"][key].as_array().unwrap();
        let mut found: Vec<usize> =
            names.iter().map(|name| places[name.as_str().unwrap()]).collect();
        found.sort_unstable();
        found
    };
    let is_claim: Vec<bool> = names.iter().map(|name| name.contains("claim")).collect();
    let rings = Rings::find(&network, &is_claim, &Search::default()).unwrap();
    let first = &rings.rings[0];
    assert_eq!(first.claims, planted("claims"));
    // Everything planted that two or more of the claims share.
    let mut shared = planted("entities");
    shared.retain(|&entity| network.neighbours(entity).len() >= 2);
    assert_eq!(first.entities, shared);
    let claims = (0..names.len()).filter(|&node| is_claim[node]);
    let mut by_score: Vec<usize> = claims.collect();
    by_score.sort_by(|&a, &b| rings.scores[b].total_cmp(&rings.scores[a]));
    let mut top = by_score[..first.claims.len()].to_vec();
    top.sort_unstable();
    assert_eq!(top, first.claims);
    // A path goes from claim to claim over what both have, and ends in the ring.
    let outside = (0..names.len()).filter(|&node| is_claim[node] && rings.part(node).is_none());
    let paths: Vec<Vec<usize>> = outside.filter_map(|claim| rings.path(claim, 0)).collect();
    for path in &paths {
        assert!(path.len() >= 3 && path.len() % 2 == 1);
        assert!(path.windows(2).all(|pair| network.neighbours(pair[0]).contains(&pair[1])));
        assert!(first.claims.contains(path.last().unwrap()));
    }
    let part = rings.part(first.claims[0]).unwrap();
    assert!(part.ring == 0 && part.shared.len() >= 3, "{part:?}");
    eprintln!("ring: {} links, density {:.2}; {} paths", first.links, first.density, paths.len());
}

#[test]
fn premium_series_go_on_as_in_the_reference() {
    let (Some(oracle), Some(texts)) =
        (oracle("premium_forecast"), Texts::read("portfolios/ausNLHYPremByState_long.csv"))
    else {
        return;
    };
    let methods = [
        ("last_value", Method::LastValue),
        ("seasonal_last_year_growth", Method::SeasonalGrowth { seasons: 2 }),
        ("log_linear_trend", Method::LogLinear),
        ("holt_alpha0.5_beta0.3", Method::Holt { level: 0.5, trend: 0.3 }),
    ];
    let amounts = texts.texts("premium_aud_million");
    for (name, case) in oracle["cases"].as_object().unwrap() {
        let (class, state) = name.split_once('|').unwrap();
        let mut series: Vec<(&str, f64)> = (0..amounts.len())
            .filter(|&row| texts.texts("class")[row] == class && texts.texts("state")[row] == state)
            .map(|row| (texts.texts("period_end")[row].as_str(), amounts[row].parse().unwrap()))
            .collect();
        series.sort_by_key(|(period, _)| *period);
        let series: Vec<f64> = series.into_iter().map(|(_, amount)| amount).collect();
        let (known, observed) = series.split_at(9);
        assert_eq!(observed, numbers(&case["observed_last_two"]));
        for (key, method) in methods {
            let found = method.forecast(known, 2).unwrap();
            all_near(name, &found, &numbers(&case["forecast"][key]), 1e-9, 0.0);
            let error = relative_error(&found, observed).unwrap();
            near(name, error, number(&case["mape"][key]), 1e-7, 0.0);
        }
    }
}

//! The other methods end to end, against independent programs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::support::{World, near, oracle, pointers, unpacked, word};

#[tokio::test]
async fn credibility_of_hachemeister_is_that_of_actuar() {
    let (Some(oracle), Some(path)) =
        (oracle("credibility"), testkit::shared_data("portfolios/hachemeister.csv"))
    else {
        return;
    };
    // One row for each state and period.
    let text = std::fs::read_to_string(path).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut file = "state,ratio,weight\n".to_owned();
    for row in reader.records().map(Result::unwrap) {
        for period in 1..=12 {
            file += &format!("{},{},{}\n", &row[0], &row[period], &row[period + 12]);
        }
    }
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "hachemeister" }), file.as_bytes()).await;
    let parameters = json!({ "group": "state", "value": "ratio", "weight": "weight" });
    let (run, result) = world.done("credibility", "hachemeister", &parameters).await;
    let case = &oracle["hachemeister"];
    near("collective", &run["figures"]["collective"], &case["collective"], 0.0, 1e-9);
    near("within", &run["figures"]["within"], &case["within_variance_s2"], 0.0, 1e-9);
    near("between", &run["figures"]["between"], &case["between_variance_a"], 0.0, 1e-9);
    let groups = result["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 5);
    for (at, group) in groups.iter().enumerate() {
        near("premium", &group["premium"], &case["credibility_premiums"][at], 0.0, 1e-9);
        near("factor", &group["credibility"], &case["credibility_factors"][at], 0.0, 1e-9);
    }
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Credible mean") && page.contains("<svg") && !page.contains("NaN"));

    // Cohorts 1, 2, 1, 2, 2, iterative: the vignette on credibility of actuar prints whole premiums.
    let parameters = json!({ "group": "state", "sector": "cohort", "value": "ratio",
        "weight": "weight", "estimator": "iterative",
        "derive": [{ "name": "cohort", "from": "state", "how": "groups",
            "groups": { "first": ["1", "3"], "second": ["2", "4", "5"] } }] });
    let (run, result) = world.done("credibility", "hachemeister", &parameters).await;
    near("collective", &run["figures"]["collective"], &json!(1746.0), 0.5, 0.0);
    near("cohorts", &run["figures"]["betweenSectors"], &json!(88_981.0), 0.0, 1e-5);
    near("states", &run["figures"]["between"], &json!(10_952.0), 0.0, 1e-4);
    let premiums = |of: &str| -> Vec<(String, f64)> {
        let own = result[of].as_array().unwrap().iter();
        own.map(|own| (word(own, "name"), own["premium"].as_f64().unwrap().round())).collect()
    };
    let named = |pairs: &[(&str, f64)]| -> Vec<(String, f64)> {
        pairs.iter().map(|(name, premium)| ((*name).to_owned(), *premium)).collect()
    };
    assert_eq!(premiums("sectors"), named(&[("first", 1949.0), ("second", 1543.0)]));
    let states = [("1", 2048.0), ("3", 1875.0), ("2", 1524.0), ("4", 1497.0), ("5", 1585.0)];
    assert_eq!(premiums("groups"), named(&states));
}

#[tokio::test]
async fn a_single_sector_and_rows_without_volume_are_named() {
    let world = World::new().await;
    let rows = "state,cohort,ratio,weight\n1,a,5,2\n1,a,6,2\n2,a,7,2\n2,a,9,2\n";
    world.import(&world.picc, &json!({ "name": "states" }), rows.as_bytes()).await;
    let asked =
        json!({ "group": "state", "sector": "cohort", "value": "ratio", "weight": "weight" });
    let run = world.run("credibility", "states", &asked).await;
    assert_eq!(
        (&run["failure"]["code"], &run["failure"]["column"]),
        (&json!("E5102"), &json!("state"))
    );
    let rows = format!("{rows}3,b,1,1\n3,b,2,0\n4,b,2,2\n4,b,3,1\n");
    world.import(&world.picc, &json!({ "name": "states" }), rows.as_bytes()).await;
    let run = world.run("credibility", "states", &asked).await;
    assert_eq!(
        (&run["failure"]["code"], &run["failure"]["column"]),
        (&json!("E5101"), &json!("weight"))
    );
    assert!(
        word(&run["failure"], "detail").contains("of 3 has no positive weight in row 6"),
        "{run}"
    );
}

#[tokio::test]
async fn settlement_times_have_the_survival_of_lifelines() {
    let (Some(oracle), Some(file)) =
        (oracle("settlement_survival"), unpacked("portfolios/ausautoBI8999.csv.gz"))
    else {
        return;
    };
    // Months from report to finish, censored at 60, as the oracle has them.
    let mut reader = csv::Reader::from_reader(&*file);
    let names = reader.headers().unwrap().clone();
    let place = |name: &str| names.iter().position(|own| own == name).unwrap();
    let places = ["FinMth", "ReportMth", "AccMth", "InjNb", "Legal"].map(place);
    let mut times = "time,ended,legal,injuries,accident\n".to_owned();
    for row in reader.records().map(Result::unwrap) {
        let number = |at: usize| row[places[at]].parse::<f64>().unwrap();
        let time = number(0) - number(1) + 0.5;
        let legal = u8::from(&row[places[4]] == "Yes");
        let (ended, accident) = (u8::from(time < 60.0), number(2) / 12.0);
        times += &format!("{},{ended},{legal},{},{accident}\n", time.min(60.0), number(3));
    }
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "injuries" }), times.as_bytes()).await;
    let parameters = json!({ "time": "time", "ended": "ended", "group": "legal",
        "covariates": ["legal", "injuries", "accident"] });
    let (run, result) = world.done("survival", "injuries", &parameters).await;
    assert_eq!(run["figures"]["subjects"], json!(22_036.0));
    for (curve, key) in [(0, "Legal=No"), (1, "Legal=Yes")] {
        let (found, wanted) = (&result["curves"][curve], &oracle["km"][key]);
        near(key, &found["median"], &wanted["median"], 0.0, 0.0);
        near(key, &found["subjects"], &wanted["n"], 0.0, 0.0);
        let at = |time: f64| {
            let steps = found["steps"].as_array().unwrap().iter();
            let mut before = steps.filter(|step| step["time"].as_f64().unwrap() <= time);
            before.next_back().unwrap()["survival"].clone()
        };
        for (time, wanted) in wanted["survival"].as_object().unwrap() {
            near(key, &at(time.parse().unwrap()), wanted, 1e-7, 0.0);
        }
    }
    let second = &oracle["cox_efron_second_package"];
    for (at, own) in result["cox"]["coefficients"].as_array().unwrap().iter().enumerate() {
        near("estimate", &own["estimate"], &second["estimate"][at], 1e-7, 0.0);
        near("error", &own["error"], &second["se"][at], 1e-7, 0.0);
    }
    let page = page(&world, &run).await;
    assert!(page.contains("How many last how long") && page.contains("What makes it shorter"));
    // The hazard ratio of the oracle's first estimate, as people read it.
    let ratio = second["estimate"][0].as_f64().unwrap().exp();
    assert!(page.contains(&format!("<td>{ratio:.4}</td>")), "{ratio}");
}

/// The page of a run: drawn, and without a number that is none.
async fn page(world: &World, run: &Value) -> String {
    let page = String::from_utf8(world.report(&word(run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("<svg") && !page.contains("NaN") && !page.contains(">inf"), "{page}");
    page
}

#[tokio::test]
async fn a_planted_ring_is_a_group_of_the_network() {
    let (Some(oracle), world) = (oracle("claim_network"), World::new().await) else { return };
    world.import_shared("edges", "fraud/claim_network_edges.csv").await.unwrap();
    let parameters = json!({ "claim": "claim", "entity": "entity", "listed": 1000,
        "commonAbove": 1_000_000 });
    let (run, result) = world.done("network", "edges", &parameters).await;
    near("edges", &run["figures"]["edges"], &oracle["edges"], 0.0, 0.0);
    near("group", &run["figures"]["largestGroup"], &oracle["components_sizes"][0], 0.0, 0.0);
    let nodes = result["nodes"].as_array().unwrap();
    for (figure, key) in
        [("pageRank", "pagerank_alpha_0.85_top"), ("betweenness", "betweenness_top")]
    {
        for top in oracle[key].as_array().unwrap() {
            let own = nodes.iter().find(|node| node["name"] == top[0]);
            let own = own.unwrap_or_else(|| panic!("{top} is not listed"));
            near(figure, &own[figure], &top[1], 0.0, 1e-8);
        }
    }
    let core = result["groups"][0]["core"].as_f64().unwrap();
    near("core", &json!(core), &oracle["max_core"], 0.0, 0.0);
}

/// Claims and entities of the network whose ring is known, with the kind each entity's name begins with.
fn kinds() -> Option<(Vec<(String, String)>, String)> {
    let path = testkit::shared_data("fraud/claim_network_edges.csv")?;
    let mut reader = csv::Reader::from_path(path).unwrap();
    let (mut edges, mut file) = (vec![], "claim,entity,kind\n".to_owned());
    for row in reader.records().map(Result::unwrap) {
        let kind = row[1].trim_start_matches("ring_");
        let kind = kind.trim_end_matches(|c: char| c.is_ascii_digit());
        file += &format!("{},{},{kind}\n", &row[0], &row[1]);
        edges.push((row[0].to_owned(), row[1].to_owned()));
    }
    Some((edges, file))
}

fn texts(list: &Value, member: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|own| word(own, member)).collect()
}

#[tokio::test]
async fn the_planted_ring_comes_first_and_claims_are_told_their_way_to_it() {
    let (Some(oracle), Some((edges, file))) = (oracle("claim_network"), kinds()) else { return };
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "edges" }), file.as_bytes()).await;
    let mut parameters = json!({ "claim": "claim", "entity": "entity", "kind": "kind",
        "commonAbove": 22, "leastClaims": 4 });
    let (run, result) = world.done("network", "edges", &parameters).await;
    let planted: BTreeSet<String> = oracle["planted"]["claims"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let ring = &result["rings"][0];
    assert_eq!(texts(&ring["claims"], "claim"), planted);
    assert_eq!(run["figures"]["densestRing"], ring["density"]);
    assert!(ring["density"].as_f64().unwrap() > 1.25, "{ring}");
    // By hand from the edges: what two or more of its claims have, and the links to it.
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, entity) in edges.iter().filter(|(claim, _)| planted.contains(claim)) {
        *shared.entry(entity).or_default() += 1;
    }
    shared.retain(|_, claims| *claims >= 2);
    assert_eq!(ring["entityCount"], json!(shared.len()));
    assert_eq!(ring["links"], json!(shared.values().sum::<usize>()));
    for own in ring["entities"].as_array().unwrap() {
        assert_eq!(own["claims"], json!(shared[own["name"].as_str().unwrap()]), "{own}");
    }
    // Those of the highest scores are its claims, each with what it shares and with whom.
    let explained = result["explained"].as_array().unwrap();
    let first: BTreeSet<String> =
        explained.iter().take(planted.len()).map(|own| word(own, "claim")).collect();
    assert_eq!(first, planted);
    for own in explained.iter().take(planted.len()) {
        assert_eq!((&own["isInRing"], &own["ring"]), (&json!(true), &json!(1)));
        let shop = own["shares"].as_array().unwrap().iter().find(|it| it["kind"] == "shop");
        assert_eq!(shop.unwrap()["withCount"], json!(planted.len() - 1), "{own}");
        assert!(own["text"].as_str().unwrap().ends_with("; in ring 1"), "{own}");
    }

    // A claim outside finds the shortest way there that passes nothing of more than 22 claims.
    let asked = ["claim0", "claim7", "claim100", "rclaim3"];
    parameters["explain"] = json!(asked);
    let (run, result) = world.done("network", "edges", &parameters).await;
    let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (claim, entity) in &edges {
        neighbours.entry(claim).or_default().push(entity);
        neighbours.entry(entity).or_default().push(claim);
    }
    let goals = |ring: &Value| texts(&ring["claims"], "claim");
    let goals: Vec<BTreeSet<String>> =
        result["rings"].as_array().unwrap().iter().map(goals).collect();
    let steps = |from: &'static str| -> Option<usize> {
        let mut far = BTreeMap::from([(from, 0)]);
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if goals.iter().any(|goal| goal.contains(node)) {
                return Some(far[node]);
            }
            for &next in &neighbours[node] {
                if neighbours[next].len() <= 22 && !far.contains_key(next) {
                    far.insert(next, far[node] + 1);
                    queue.push_back(next);
                }
            }
        }
        None
    };
    let explained = result["explained"].as_array().unwrap();
    assert_eq!(explained.len(), asked.len());
    for (own, claim) in explained.iter().zip(asked).take(3) {
        assert_eq!((&own["claim"], &own["isInRing"]), (&json!(claim), &json!(false)));
        let path = own["path"].as_array().unwrap();
        assert_eq!(Some(path.len() - 1), steps(claim), "{own}");
        for pair in path.windows(2) {
            let ends = (pair[0]["name"].as_str().unwrap(), pair[1]["name"].as_str().unwrap());
            assert!(neighbours[ends.0].contains(&ends.1), "{ends:?}");
        }
        for link in path.iter().skip(1).step_by(2) {
            let name = link["name"].as_str().unwrap().trim_start_matches("ring_");
            assert!(name.starts_with(link["kind"].as_str().unwrap()), "{link}");
            assert_eq!(link["claims"], json!(neighbours[link["name"].as_str().unwrap()].len()));
        }
        let ring = own["ring"].as_u64().unwrap() as usize;
        assert!(goals[ring - 1].contains(path.last().unwrap()["name"].as_str().unwrap()));
        assert!(own["text"].as_str().unwrap().starts_with(&format!("claim {claim} – ")), "{own}");
    }
    assert_eq!(explained[3]["path"].as_array().unwrap().len(), 3);
    let page = page(&world, &run).await;
    for wanted in ["Ring 1", "Claims of ring 1", "Why these claims", "What is central", "<svg"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(page.contains(explained[0]["text"].as_str().unwrap()));

    parameters["explain"] = json!(["claim0", "no such claim"]);
    let run = world.run("network", "edges", &parameters).await;
    assert_eq!(
        (&run["failure"]["code"], &run["failure"]["column"]),
        (&json!("E5101"), &json!("claim"))
    );
}

#[tokio::test]
async fn what_claims_share_is_one_within_its_kind() {
    let world = World::new().await;
    // Claims 1 and 2 have the digits of one another's plate and telephone, and share nothing.
    let rows = "claim,entity,kind\n1,777,phone\n2,777,plate\n3,888,phone\n1,888,phone\n";
    world.import(&world.picc, &json!({ "name": "pairs" }), rows.as_bytes()).await;
    let asked = json!({ "claim": "claim", "entity": "entity", "kind": "kind", "leastClaims": 1,
        "explain": [2] });
    let (run, result) = world.done("network", "pairs", &asked).await;
    assert_eq!(run["figures"]["entities"], json!(3.0));
    let sizes: Vec<&Value> =
        result["groups"].as_array().unwrap().iter().map(|own| &own["claimCount"]).collect();
    assert_eq!(sizes, [&json!(2), &json!(1)]);

    let wrong = json!({ "claim": "claim", "entity": "claim", "ringDensity": 0.5, "rings": 0,
        "explain": [] });
    let body = json!({ "method": "network", "dataset": "pairs", "parameters": wrong });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let mut at = pointers(&problem);
    at.sort_unstable();
    let wanted = ["entity", "explain", "ringDensity", "rings"];
    assert_eq!(at, wanted.map(|member| format!("/parameters/{member}")));
}

#[tokio::test]
async fn charts_signal_where_a_hand_calculation_does() {
    let world = World::new().await;
    // Mean 100, deviation 10; from the fifth month on two deviations up: 0, 0, 0, 0, 1.5, 3, 4.5.
    let values = [100, 95, 105, 100, 120, 120, 120, 100];
    let mut file = "month,ratio,region\n".to_owned();
    for (month, value) in (1..).zip(values) {
        file += &format!("2024-{month:02},{value},north\n2024-{month:02},100,south\n");
    }
    world.import(&world.picc, &json!({ "name": "ratios" }), file.as_bytes()).await;
    let parameters = json!({ "period": "month", "value": "ratio", "group": "region", "mean": 100,
        "deviation": 10, "shift": 1, "limit": 4 });
    let (run, result) = world.done("cusum", "ratios", &parameters).await;
    assert_eq!((&run["figures"]["charts"], &run["figures"]["signals"]), (&json!(2.0), &json!(1.0)));
    let north = &result["charts"][0];
    let sums: Vec<f64> =
        north["points"].as_array().unwrap().iter().map(|it| it["sum"].as_f64().unwrap()).collect();
    assert_eq!(sums, [0.0, 0.0, 0.0, 0.0, 1.5, 3.0, 4.5, 0.0]);
    assert_eq!(north["points"][6]["signal"], true);
    // Brook and Evans: k = 0.5, h = 4 runs 335.4 observations without cause, 8.38 after one deviation.
    near("run length", &north["runLengthGood"], &json!(335.368), 0.0, 1e-4);
    near("run length", &north["runLengthBad"], &json!(8.3832), 0.0, 1e-4);
    let page = page(&world, &run).await;
    // One signal, marked on the sum and on the observations.
    assert!(page.contains("Sum and limit of north") && page.contains("<td>335.4</td>"));
    assert_eq!(page.matches("fill=\"#c53030\"").count(), 2);
}

#[tokio::test]
async fn premium_goes_on_as_the_closed_forms_say() {
    let (Some(oracle), world) = (oracle("premium_forecast"), World::new().await) else { return };
    let version = world.import_shared("premium", "portfolios/ausNLHYPremByState_long.csv").await;
    let version = version.unwrap();
    let names: Vec<&str> = version["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["class", "state", "period_end", "premium_aud_million"]);
    let parameters = json!({ "period": "period_end", "premium": "premium_aud_million",
        "by": ["class", "state"], "periods": 1, "heldOut": 2,
        "rows": [{ "column": "class", "in": ["Domestic motor vehicle"] }] });
    let (run, result) = world.done("forecast", "premium", &parameters).await;
    // The back-test fits the first nine half-years and forecasts the last two.
    let ways = [
        ("lastValue", "last_value"),
        ("seasonalGrowth", "seasonal_last_year_growth"),
        ("logLinear", "log_linear_trend"),
        ("holt", "holt_alpha0.5_beta0.3"),
    ];
    let mut compared = 0;
    for series in result["series"].as_array().unwrap() {
        let key = series["name"].as_str().unwrap().replace(", ", "|");
        let case = &oracle["cases"][&key];
        if case.is_null() {
            continue;
        }
        for (way, key) in ways {
            let own = series["ways"].as_array().unwrap().iter().find(|own| own["name"] == way);
            near(way, &own.unwrap()["error"], &case["mape"][key], 1e-9, 1e-7);
        }
        compared += 1;
    }
    assert!(compared >= 3, "{compared}");
    let page = page(&world, &run).await;
    assert!(page.contains("All series together") && page.contains("Ways and their errors"));
    assert!(
        page.contains("<th>seasonalGrowth</th>") && page.contains("Domestic motor vehicle, NSWACT")
    );
}

//! Nodes of a cluster beside a platform: questions in SQL, and a model whose rows are read in passes.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use workspace_tests::{MORNING, Platform, Start, eventually};

const OWN: &str = "picc-320000";
/// As many as a model by passes is fitted to with a sample first.
const ROWS: u32 = 132_000;

/// Policies with claims by region, age and use.
fn portfolio() -> String {
    let mut rows = "area,age,power,exposure,claims\n".to_owned();
    for number in 0..ROWS {
        let area = ["A", "B", "C"][(number % 3) as usize];
        let (age, power) = (18 + number * 7 % 60, 4 + number * 13 % 9);
        let exposure = ["1", "0.5", "0.25"][(number / 3 % 3) as usize];
        let claims = u32::from(number * 31 % 97 < 4 + number % 3 * 3 + power / 3);
        writeln!(rows, "{area},{age},{power},{exposure},{claims}").unwrap();
    }
    rows
}

/// A port nobody has, below those the machine gives to whoever connects: until a node listens there,
/// nobody else is given it.
fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(97);
    let tried = || own.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % 12_000;
    let ports = std::iter::repeat_with(|| 20_000 + u16::try_from(tried()).unwrap());
    ports.take(12_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// A subcommand of `actuarial`.
fn actuarial(platform: &Platform, arguments: &[&str]) -> (bool, String) {
    let (api, secret) = (&platform.announced.api, platform.secret(OWN));
    let head = ["actuarial", "--api", api, "--client-id", OWN, "--client-secret", secret];
    platform.command(&[&head, arguments].concat())
}

/// Runs a model; answers its run.
fn run(platform: &Platform, parameters: &Value) -> (bool, String) {
    let parameters = parameters.to_string();
    actuarial(platform, &["run", "glm", "--dataset", "motor", "--parameters", &parameters])
}

fn run_id(said: &str) -> &str {
    let mut words = said.split_whitespace().skip_while(|word| *word != "run");
    words.nth(1).unwrap_or_else(|| panic!("no run in {said}")).trim_end_matches(':')
}

fn model(reading: &str) -> Value {
    json!({
        "response": "claims", "exposure": "exposure", "reading": reading,
        "derive": [{"name": "young", "from": "age", "how": "classes", "bounds": [25, 60]}],
        "rows": [{"column": "power", "most": 11}],
        "holdOut": [{"column": "power", "least": 10}],
        "terms": [{"factor": "area", "base": "A"}, {"factor": "young", "base": "2"},
                  {"spline": "age", "knots": [20, 40, 60, 75]}, {"number": "power"}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_and_models_are_computed_by_a_cluster() {
    let [scheduler, first, first_work, second, second_work] = [(); 5].map(|()| free_port());
    let at = format!("127.0.0.1:{scheduler}");
    let url = format!("http://{at}");
    let how = Start { clock: Some(MORNING) };
    let platform = Platform::start_with(how, &["--cluster", &url]).await;
    let file = platform.scratch().join("motor.csv");
    std::fs::write(&file, portfolio()).unwrap();
    let (done, said) = actuarial(&platform, &["import", file.to_str().unwrap(), "--name", "motor"]);
    assert!(done && said.contains("motor version 1 is done: 132000 rows"), "{said}");

    let sql =
        "select area, count(*) as n, sum(exposure) as s from own.motor group by area order by area";
    let (done, said) = actuarial(&platform, &["ask", sql]);
    assert!(!done && said.contains("E1901") && said.contains("ask again"), "{said}");

    let scheduling = platform.node("scheduler", &["scheduler", "--listen", &at]);
    eventually("the scheduler listens", async || {
        assert!(!scheduling.log().contains("error:"), "{}", scheduling.log());
        std::net::TcpStream::connect(&at).ok()
    })
    .await;
    let mut executors = Vec::new();
    for (name, port, work) in [("one", first, first_work), ("two", second, second_work)] {
        let folder = platform.scratch().join(name);
        let arguments = [
            "executor",
            "--scheduler",
            &at,
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--work-port",
            &work.to_string(),
            "--folder",
            folder.to_str().unwrap(),
        ];
        let executor = platform.node(name, &arguments);
        eventually("the executor listens", async || {
            assert!(!executor.log().contains("error:"), "{}", executor.log());
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        executors.push(executor);
    }
    let (done, said) = actuarial(&platform, &["ask", sql]);
    // 44,000 of each, a third of them a whole, a half and a quarter.
    assert!(done && said.contains("A\t44000\t25667") && said.contains("C\t44000\t25667"), "{said}");
    assert!(scheduling.log().contains("Job finished"), "{}", scheduling.log());

    let (done, once) = run(&platform, &model("once"));
    assert!(done && once.contains("is done"), "{once}");
    let jobs = scheduling.log().matches("Job finished").count();
    let (done, passes) = run(&platform, &model("passes"));
    assert!(done && passes.contains("is done"), "{passes}");
    let asked = scheduling.log().matches("Job finished").count() - jobs;
    assert!(asked >= 8, "each pass is a query: {asked}");
    let api = platform.client(OWN).await;
    let mut results = Vec::new();
    for said in [&once, &passes] {
        let path = format!("/v1/actuarial/runs/{}/result", run_id(said));
        results.push(api.get(&path).await.ok(200));
    }
    same(&results[0], &results[1]);

    // The other executor goes on, and the same run has the same digits.
    executors[0].kill();
    let (done, again) = run(&platform, &model("passes"));
    assert!(done && again.contains("is done"), "{again}");
    let path = format!("/v1/actuarial/runs/{}/result", run_id(&again));
    assert_eq!(api.get(&path).await.ok(200), results[1]);

    // What is wrong with rows is named as it would be of rows at hand, but for the row.
    let mut odd = model("passes");
    odd["derive"] = json!([{"name": "young", "from": "claims", "how": "log"}]);
    odd["terms"] = json!([{"number": "young"}]);
    let (done, said) = run(&platform, &odd);
    assert!(!done && said.contains("E5101") && said.contains("of some row has none"), "{said}");
    let mut baseless = model("passes");
    baseless["terms"] = json!([{"factor": "area"}]);
    let (done, said) = run(&platform, &baseless);
    assert!(!done && said.contains("name the base of area"), "{said}");
}

/// The same figures, to rounding.
fn same(once: &Value, passes: &Value) {
    let close = |at: &str, a: &Value, b: &Value| {
        let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
        assert!(nearly(a, b), "{at}: {a} and {b}");
    };
    for figure in ["deviance", "nullDeviance", "pearson", "logLikelihood", "aic"] {
        close(figure, &once[figure], &passes[figure]);
    }
    assert_eq!(once["rows"], passes["rows"]);
    let both = [once, passes].map(|result| &result["comparisons"]);
    let count = both.map(|comparisons| comparisons.as_array().unwrap().len());
    assert!(count[0] > 0 && count[0] == count[1], "{count:?}");
    let held = [once, passes].map(|result| &result["holdOut"]);
    for figure in ["volume", "observed", "expected", "meanDeviance"] {
        close(figure, &held[0][figure], &held[1][figure]);
    }
    assert!(held[0]["rows"].as_u64().unwrap() > 0 && held[0]["rows"] == held[1]["rows"]);
    for [once, passes] in [both, held.map(|held| &held["comparisons"])] {
        for (once, passes) in once.as_array().unwrap().iter().zip(passes.as_array().unwrap()) {
            assert_eq!(once["name"], passes["name"]);
            let levels = [once, passes].map(|one| one["levels"].as_array().unwrap());
            assert_eq!(levels[0].len(), levels[1].len());
            for (once, passes) in levels[0].iter().zip(levels[1]) {
                assert_eq!((&once["name"], &once["rows"]), (&passes["name"], &passes["rows"]));
                for figure in ["volume", "observed", "expected"] {
                    close(figure, &once[figure], &passes[figure]);
                }
            }
        }
    }
    let (one, other) = (&once["coefficients"], &passes["coefficients"]);
    let (one, other) = (one.as_array().unwrap(), other.as_array().unwrap());
    assert_eq!((one.len(), other.len()), (9, 9));
    for (a, b) in one.iter().zip(other) {
        assert_eq!(a["name"], b["name"]);
        close(&a["name"].to_string(), &a["estimate"], &b["estimate"]);
        close(&a["name"].to_string(), &a["error"], &b["error"]);
    }
}

#[expect(clippy::float_arithmetic, reason = "what floats may differ by")]
fn nearly(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-8 * a.abs().max(b.abs()).max(1e-3)
}

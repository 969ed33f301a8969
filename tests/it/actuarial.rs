//! The command line as an actuary uses it: import, run, compare, report, and what is refused.

use workspace_tests::{MORNING, Platform, Start};

const TRIANGLE: &str = "origin,age,paid\n2021,12,100\n2021,24,150\n2021,36,165\n2022,12,110\n\
                        2022,24,170\n2023,12,120\n";

/// A subcommand of `actuarial` as a client of the sandbox.
fn actuarial(platform: &Platform, client: &str, arguments: &[&str]) -> (bool, String) {
    let (api, secret) = (&platform.announced.api, platform.secret(client));
    let head = ["actuarial", "--api", api, "--client-id", client, "--client-secret", secret];
    platform.command(&[&head, arguments].concat())
}

/// The word behind another one in what was said.
fn behind(said: &str, word: &str) -> String {
    let mut words = said.split_whitespace().skip_while(|own| *own != word);
    words.nth(1).unwrap_or_else(|| panic!("no {word} in {said}")).trim_end_matches(':').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actuary_reserves_from_the_command_line() {
    let platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let file = platform.scratch().join("triangle.csv");
    std::fs::write(&file, TRIANGLE).unwrap();
    let path = file.to_str().unwrap();
    let own = "picc-320000";

    let (_, said) = platform.command(&["actuarial", "datasets"]);
    assert!(said.contains("COMMONWHEEL_CLIENT_ID"), "{said}");
    let import = ["import", path, "--name", "hand", "--column", "paid::decimal:paid"];
    let (done, said) = actuarial(&platform, own, &import);
    assert!(done && said.contains("hand version 1 is done: 6 rows, 0 left out"), "{said}");
    let (done, said) = actuarial(&platform, own, &["datasets", "hand", "--rows", "1"]);
    assert!(done && said.contains("2021\t12\t100"), "{said}");

    let run = |parameters: &str| {
        let arguments = ["run", "reserving", "--dataset", "hand", "--parameters", parameters];
        let (done, said) = actuarial(&platform, own, &arguments);
        assert!(done && said.contains("is done"), "{said}");
        behind(&said, "run")
    };
    let first = run(r#"{"origin":"origin","development":"age","methods":[]}"#);
    let other = run(r#"{"origin":"origin","development":"age","methods":[],"average":"simple"}"#);
    // 17 of 2022, and 320/210 · 1.1 − 1 of 2023's 120.
    let (done, said) = actuarial(&platform, own, &["show", &first]);
    assert!(done && said.contains("reserve") && said.contains("98.14"), "{said}");
    let (done, said) = actuarial(&platform, own, &["diff", &first, &other]);
    assert!(done && said.contains("/parameters/average"), "{said}");
    let page = platform.scratch().join("report.html");
    let (done, said) =
        actuarial(&platform, own, &["report", &first, "--out", page.to_str().unwrap()]);
    assert!(done, "{said}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg"));
    let book = platform.scratch().join("book.xlsx");
    let (done, said) =
        actuarial(&platform, own, &["report", &first, "--out", book.to_str().unwrap()]);
    assert!(done, "{said}");
    assert!(std::fs::read(book).unwrap().starts_with(b"PK"));

    // The import is a table that questions in SQL can be about.
    let (done, said) = actuarial(&platform, own, &["ask", "--tables"]);
    assert!(done && said.contains("own.hand"), "{said}");
    let sql = "select origin, sum(paid) as paid from own.hand group by origin order by origin";
    let (done, said) = actuarial(&platform, own, &["ask", sql]);
    assert!(done && said.contains("origin\tpaid\n2021\t415"), "{said}");
    let rows = platform.scratch().join("rows.csv");
    let (done, said) = actuarial(&platform, own, &["ask", sql, "--out", rows.to_str().unwrap()]);
    assert!(done, "{said}");
    assert!(std::fs::read_to_string(rows).unwrap().contains("\n2023,120"));
    let (done, said) = actuarial(&platform, "cpic-320000", &["ask", sql]);
    assert!(!done && said.contains("E5300"), "{said}");

    // Refused with the pointer and what to change; and nobody else finds the run.
    let wrong = ["run", "reserving", "--dataset", "hand", "--parameters", r#"{"origin":"x"}"#];
    let (done, said) = actuarial(&platform, own, &wrong);
    assert!(!done && said.contains("/parameters/origin"), "{said}");
    let (done, said) = actuarial(&platform, "cpic-320000", &["show", &first]);
    assert!(!done && said.contains("E5000"), "{said}");
}

/// Claims in whose fraud the liability of the driver tells all, as figures of live claims are named.
fn investigated() -> String {
    let mut file = "day,liability,hoursSinceStart,policeTold,found\n".to_owned();
    for number in 0..400 {
        let is_full = number % 3 == 0;
        let found = u8::from(is_full != (number % 10 == 0));
        let liability = if is_full { "full" } else { "none" };
        file += &format!(
            "2025-{:02}-{:02},{liability},{},{},{found}\n",
            number / 40 + 1,
            number % 28 + 1,
            30 + number % 700,
            number % 2
        );
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actuary_looks_through_lists_throws_data_away_and_asks_a_model() {
    let platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let own = "picc-320000";
    let file = platform.scratch().join("claims.csv");
    std::fs::write(&file, investigated()).unwrap();
    let path = file.to_str().unwrap();
    for version in 1..=3 {
        let (done, said) = actuarial(&platform, own, &["import", path, "--name", "claims"]);
        assert!(done && said.contains(&format!("claims version {version} is done")), "{said}");
    }
    // Page by page, the latest first.
    let list = ["datasets", "claims", "--versions", "--limit", "2"];
    let (done, said) = actuarial(&platform, own, &list);
    assert!(
        done && said.contains("v3 ") && said.contains("v2 ") && !said.contains("v1 "),
        "{said}"
    );
    let after = behind(&said, "--after");
    let (done, said) = actuarial(&platform, own, &[&list[..], &["--after", &after]].concat());
    assert!(done && said.contains("v1 ") && !said.contains("v2 "), "{said}");
    assert!(!said.contains("there are more"), "{said}");
    let (done, said) = actuarial(&platform, own, &["datasets", "--versions"]);
    assert!(!done && said.contains("<DATASET>"), "{said}");

    // What was thrown away has no rows any more; the others stay.
    let (done, said) = actuarial(&platform, own, &["discard", "claims", "--version", "2"]);
    assert!(done && said.contains("claims version 2 is cancelled"), "{said}");
    let (done, _) =
        actuarial(&platform, own, &["datasets", "claims", "--version", "2", "--rows", "1"]);
    assert!(!done);
    let (done, said) =
        actuarial(&platform, "cpic-320000", &["discard", "claims", "--version", "3"]);
    assert!(!done && said.contains("E5000"), "{said}");

    let parameters = r#"{"label":"found","time":"day","trees":20,"seeds":1,"features":[
        {"column":"liability"},{"column":"hoursSinceStart"},{"column":"policeTold"}]}"#;
    let run = ["run", "fraudScore", "--dataset", "claims", "--parameters", parameters];
    let (done, said) = actuarial(&platform, own, &run);
    assert!(done, "{said}");
    let run = behind(&said, "run");
    let (done, said) = actuarial(&platform, own, &["show", "--method", "glm"]);
    assert!(done && !said.contains(&run), "{said}");
    let (done, said) =
        actuarial(&platform, own, &["show", "--method", "fraudScore", "--limit", "1"]);
    assert!(done && said.contains(&run), "{said}");

    let (done, said) = actuarial(&platform, own, &["models", "propose", &run, "--title", "first"]);
    assert!(done && said.contains("proposed"), "{said}");
    let model = said.split_whitespace().next().unwrap().to_owned();
    let (done, said) = actuarial(&platform, own, &["models", "list", "--state", "proposed"]);
    assert!(done && said.contains(&model), "{said}");
    let (done, said) = actuarial(&platform, own, &["models", "list", "--state", "rejected"]);
    assert!(done && !said.contains(&model), "{said}");
    let (done, said) = actuarial(&platform, own, &["models", "show", &model]);
    assert!(done && said.contains("proposed by picc-320000"), "{said}");
    let score = |liability: &str| {
        let figures =
            format!(r#"{{"liability":"{liability}","hoursSinceStart":72,"policeTold":0}}"#);
        let asked = ["models", "score", &model, "--features", &figures];
        let (done, said) = actuarial(&platform, own, &asked);
        assert!(done && said.contains("odds ×"), "{said}");
        behind(&said, "1:").parse::<u32>().unwrap_or_else(|_| panic!("{said}"))
    };
    // Nine in ten with the driver at fault were fraud, one in ten of the others; twenty small trees go part of the way.
    let (full, none) = (score("full"), score("none"));
    assert!(2 * full > 3 * none, "{full} {none}");
    let (done, said) = actuarial(&platform, own, &["models", "score", &model, "--features", "{"]);
    assert!(!done && said.contains("the figures are no JSON"), "{said}");
}

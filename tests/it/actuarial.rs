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

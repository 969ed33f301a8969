//! Answers as a person reads them in a terminal.

use serde_json::{Value, json};

use super::api::{list, refusal, text};

pub(super) fn datasets(page: &Value) {
    for version in list(&page["items"]) {
        println!(
            "{:<28} v{:<4} {:<10} {:>12} rows  {}",
            text(version, "name"),
            version["version"].as_i64().unwrap_or(0),
            text(version, "state"),
            version["rows"].as_i64().unwrap_or(0),
            text(version, "title")
        );
    }
    more(page);
}

/// How a list goes on.
fn more(page: &Value) {
    if let Some(next) = page["next"].as_str() {
        eprintln!("there are more: --after {next}");
    }
}

pub(super) fn one_version(version: &Value) {
    println!(
        "{} version {} is {}: {} rows, {} left out",
        text(version, "name"),
        version["version"],
        text(version, "state"),
        version["rows"].as_i64().unwrap_or(0),
        version["rejectedRows"].as_i64().unwrap_or(0)
    );
    if let Some(failure) = version["failure"].as_str() {
        println!("  {failure}");
    }
    for column in list(&version["columns"]) {
        let distinct = column["distinct"].as_i64();
        let distinct = distinct.map_or("many".to_owned(), |count| count.to_string());
        println!(
            "  {:<24} {:<8} {:<12} {:>8} missing  {:>5} values  {} {}",
            text(column, "name"),
            text(column, "type"),
            text(column, "role"),
            column["missing"],
            distinct,
            text(column, "least"),
            text(column, "most")
        );
        if let Some(nearly) = column["nearly"].as_object() {
            println!(
                "    all but {} cells are {}: {} in row {}",
                nearly["misfits"], nearly["type"], nearly["text"], nearly["row"]
            );
        }
    }
}

pub(super) fn first_rows(rows: &Value) {
    line(list(&rows["columns"]));
    list(&rows["rows"]).for_each(|row| line(list(row)));
}

/// Cells of a row, with tabs between them.
fn line<'a>(cells: impl Iterator<Item = &'a Value>) {
    let texts = cells.map(|cell| match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    });
    println!("{}", texts.collect::<Vec<_>>().join("\t"));
}

pub(super) fn tables(found: &Value) {
    for table in list(&found["market"]) {
        let columns = list(&table["columns"]).map(|column| text(column, "name"));
        println!("{}: {}", text(table, "name"), columns.collect::<Vec<_>>().join(" "));
    }
    list(&found["own"]).filter_map(Value::as_str).for_each(|name| println!("{name}"));
}

pub(super) fn own_rows(answer: &Value) {
    line(list(&answer["columns"]).map(|column| &column["name"]));
    list(&answer["rows"]).for_each(|row| line(list(row)));
    if answer["cut"] == true {
        eprintln!("there are more rows: --out takes all of them");
    }
}

pub(super) fn quarters(found: &Value) {
    for quarter in list(&found["quarters"]) {
        println!(
            "{}  revision {}  {} cells told, {} left out",
            text(quarter, "quarter"),
            quarter["revision"],
            quarter["told"],
            quarter["leftOut"]
        );
    }
}

pub(super) fn market_rows(answer: &Value) {
    line(list(&answer["by"]).chain(list(&answer["measures"])));
    for row in list(&answer["rows"]) {
        line(list(&row["key"]).chain(list(&row["values"])));
    }
    let suppressed = &answer["suppressed"];
    eprintln!(
        "{} cells are left out, {} could not be placed; an empty key is several values told together",
        suppressed["leftOut"], suppressed["notPlaced"]
    );
}

pub(super) fn runs(page: &Value) {
    for run in list(&page["items"]) {
        println!(
            "{}  {:<13} {:<9} {:<24} v{:<3} {}",
            text(run, "runId"),
            text(run, "method"),
            text(run, "state"),
            text(run, "dataset"),
            run["version"],
            text(run, "label")
        );
    }
    more(page);
}

pub(super) fn one_run(run: &Value) {
    println!(
        "run {}: {} on {} version {} is {}",
        text(run, "runId"),
        text(run, "method"),
        text(run, "dataset"),
        run["version"],
        text(run, "state")
    );
    for (name, value) in run["figures"].as_object().into_iter().flatten() {
        println!("  {name:<28} {value}");
    }
    if let Some(digest) = run["resultDigest"].as_str() {
        println!("  result digest                {digest}");
    }
    if let Some(refusal) = refusal(&run["failure"]) {
        println!("{refusal}");
    }
}

pub(super) fn differences(diff: &Value) {
    if diff["sameResult"] == json!(true) {
        println!("the results are the same, to the bit");
    }
    let show = |value: &Value| if value.is_null() { "-".to_owned() } else { value.to_string() };
    for (title, found) in [("inputs", &diff["inputs"]), ("figures", &diff["figures"])] {
        for own in list(found) {
            let relative = own["relative"].as_f64();
            let relative = relative.map_or(String::new(), |part| format!("  {part:+.4e}"));
            println!(
                "{title:<8} {:<48} {} → {}{relative}",
                text(own, "at"),
                show(&own["this"]),
                show(&own["that"])
            );
        }
    }
    println!("{} figures differ", diff["figuresDiffering"]);
}

pub(super) fn models(page: &Value) {
    list(&page["items"]).for_each(one_model);
    more(page);
}

/// A model with who had a hand in it.
pub(super) fn whole_model(model: &Value) {
    one_model(model);
    println!(
        "  worth a look from {} ppm, an investigation from {} ppm; scorer {}",
        model["reviewPpm"],
        model["highPpm"],
        text(model, "scorerDigest")
    );
    for (what, by, at) in [
        ("proposed", "proposedBy", "proposedAt"),
        ("decided", "decidedBy", "decidedAt"),
        ("ended", "endedBy", "endedAt"),
    ] {
        if let Some(by) = model[by].as_str() {
            println!("  {what} by {by} at {}", text(model, at));
        }
    }
    if let Some(reason) = model["reason"].as_str() {
        println!("  because: {reason}");
    }
    if let Some(champion) = model["comparison"].as_object() {
        println!(
            "  orders the latest claims with an area of {}, model {} with {}",
            champion["challengerAuc"], champion["modelId"], champion["auc"]
        );
    }
}

/// What a model says of a claim's figures.
pub(super) fn score(score: &Value) {
    println!(
        "model {} version {}: {} ppm, {}",
        text(score, "modelId"),
        score["version"],
        score["chancePpm"],
        text(score, "band")
    );
    for own in list(&score["reasons"]) {
        println!(
            "  {:<20} {:<20} odds × {}%",
            text(own, "feature"),
            text(own, "value"),
            own["oddsPct"]
        );
    }
}

pub(super) fn one_model(model: &Value) {
    println!(
        "{}  {} version {}  {}  run {}  {}",
        text(model, "modelId"),
        text(model, "scope"),
        model["version"],
        text(model, "state"),
        text(model, "runId"),
        text(model, "title")
    );
}

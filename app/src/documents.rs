//! Pages under `docs/` that repeat what the code knows, held against it.

use std::collections::BTreeSet;

use base_http::problem;
use production_core::number::PlatformNumber;

fn page(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/").to_owned() + name;
    std::fs::read_to_string(&path).unwrap()
}

#[test]
fn the_table_of_problems_is_that_of_the_code() {
    let rows = |text: &str| -> BTreeSet<String> {
        let is_row = |line: &&str| line.starts_with("| `E") || line.starts_with("| `C");
        let head = |line: &str| line.split(" | ").take(4).collect::<Vec<_>>().join(" | ");
        text.lines().filter(is_row).map(head).collect()
    };
    let wanted: BTreeSet<String> = problem::PROBLEMS
        .iter()
        .chain(production::error::PROBLEMS)
        .chain(clearing::error::PROBLEMS)
        .chain(actuarial::error::PROBLEMS)
        .map(|problem| {
            let (code, status) = (problem.code, problem.status);
            format!("| `{code}` | {status} | {} | {}", problem.title_en, problem.title_zh)
        })
        .collect();
    // The ranges at the head of the page have dots for digits.
    let found: BTreeSet<String> =
        rows(&page("errors.md")).into_iter().filter(|row| !row.contains("....")).collect();
    let missing: Vec<_> = wanted.difference(&found).collect();
    let stale: Vec<_> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && stale.is_empty(), "add {missing:#?}, remove {stale:#?}");
}

#[test]
fn the_numbers_shown_carry_their_check_digits() {
    let text = page("numbers.md");
    let table = text.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let body = cells.next()?.trim_matches('`').to_owned();
        (body.len() == 29).then(|| body + cells.next().unwrap_or_default())
    });
    let drawn =
        text.lines().find(|line| line.starts_with("02 PICC")).map(|line| line.replace(' ', ""));
    let numbers: Vec<String> = table.chain(drawn).collect();
    assert_eq!(numbers.len(), 3);
    for number in numbers {
        assert_eq!(PlatformNumber::parse(&number).map(|read| read.to_string()), Ok(number));
    }
}

//! Whoever asks as often as they like, adds and subtracts, and takes their own figures out, learns
//! of no insurer.
//!
//! A market is made at random with amounts that are told apart by their size. The attacker sees
//! answers alone. What must not come out is computed from the rows: every insurer's amount in
//! every cell and every group of cells, and every cell that has too few insurers.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use analytics::engine::Engine;
use analytics::lake::Lake;
use analytics::market::Rows;
use analytics::suppress::Rule;
use analytics_api::{Dimension, Filter, MarketQuestion, Measure, Quarter};

use crate::support::{Of, engine, exposure, ids, never, now, record};

const RULE: Rule = Rule { contributors: 3, records: 5, largest_bp: 7_000 };

/// Numbers that repeat with their seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

const VALUES: [&[&str]; 5] = [
    &["110000", "320000"],
    &["commercial", "compulsory"],
    &["8A", "101"],
    &["A", "C"],
    &["11", "12", "13"],
];

/// What each insurer insures in each cell, over some policies.
type Market = BTreeMap<Vec<&'static str>, BTreeMap<u128, Vec<i64>>>;

fn market(dice: &mut Dice) -> Market {
    let mut market = Market::new();
    for region in VALUES[0] {
        for class in VALUES[1] {
            for usage in VALUES[2] {
                for fuel in VALUES[3] {
                    for category in VALUES[4] {
                        // From cells of nobody to cells of everybody.
                        let chance = dice.below(11);
                        let mut cell = BTreeMap::new();
                        for insurer in 1..=7 {
                            if dice.below(10) < chance {
                                let policies = 1 + dice.below(3);
                                let amounts = (0..policies).map(|_| 1 + dice.below(1 << 40) as i64);
                                cell.insert(insurer, amounts.collect());
                            }
                        }
                        market.insert(vec![*region, *class, *usage, *fuel, *category], cell);
                    }
                }
            }
        }
    }
    market
}

fn rows(market: &Market) -> Rows {
    let mut rows = Rows::default();
    let mut policy = 0;
    for (cell, insurers) in market {
        let cell = cell.join("/");
        for (insurer, amounts) in insurers {
            for amount in amounts {
                policy += 1;
                let of = Of { tenant: *insurer, cell: &cell, policy };
                rows.exposures.push(exposure(of, *amount, 0));
            }
        }
    }
    rows
}

/// Values of some dimensions: what a filter keeps.
type Kept = [Option<BTreeSet<&'static str>>; 5];

fn random_filter(dice: &mut Dice) -> Kept {
    std::array::from_fn(|at| {
        (dice.below(2) == 0).then(|| {
            let mut kept: BTreeSet<&str> =
                VALUES[at].iter().copied().filter(|_| dice.below(2) == 0).collect();
            if kept.is_empty() {
                kept.insert(VALUES[at][0]);
            }
            kept
        })
    })
}

fn keeps(filter: &Kept, cell: &[&str]) -> bool {
    filter
        .iter()
        .zip(cell)
        .all(|(kept, value)| kept.as_ref().is_none_or(|kept| kept.contains(value)))
}

fn question(filter: &Kept, revision: Option<u64>) -> MarketQuestion {
    let filters = Dimension::ALL.into_iter().zip(filter).filter_map(|(dimension, kept)| {
        let any_of = kept.as_ref()?.iter().map(|value| (*value).to_owned()).collect();
        Some(Filter { dimension, any_of })
    });
    MarketQuestion {
        quarter: "2025-Q1".parse::<Quarter>().unwrap(),
        revision,
        measures: vec![Measure::InsuredS],
        by: vec![],
        filters: filters.collect(),
    }
}

async fn ask(engine: &Engine, filter: &Kept, revision: Option<u64>) -> i64 {
    let told = engine.answer(&question(filter, revision), &never()).await.unwrap();
    told.rows.first().map_or(0, |row| row.values[0])
}

fn sum_of(amounts: &[i64]) -> i64 {
    amounts.iter().sum()
}

/// Amounts an attacker may not learn (0 is no insurer): of one other insurer in a cell or in cells a
/// filter keeps, and of others in cells with fewer than four insurers.
fn secrets(market: &Market, filters: &[Kept], attacker: u128) -> HashSet<i64> {
    let mut secrets = HashSet::new();
    for insurers in market.values() {
        let others = || insurers.iter().filter(|(insurer, _)| **insurer != attacker);
        secrets.extend(others().map(|(_, amounts)| sum_of(amounts)));
        secrets.extend(others().flat_map(|(_, amounts)| amounts));
        if insurers.len() < 4 {
            secrets.insert(others().map(|(_, amounts)| sum_of(amounts)).sum());
        }
    }
    for filter in filters {
        for insurer in (1..=7_u128).filter(|insurer| *insurer != attacker) {
            secrets.insert(own(market, filter, insurer));
        }
    }
    secrets.remove(&0);
    secrets
}

fn own(market: &Market, filter: &Kept, insurer: u128) -> i64 {
    let cells = market.iter().filter(|(cell, _)| keeps(filter, cell));
    cells.filter_map(|(_, insurers)| insurers.get(&insurer)).map(|amounts| sum_of(amounts)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sum_or_difference_of_answers_tells_of_an_insurer() {
    for seed in 1..=3 {
        let mut dice = Dice(seed);
        let market = market(&mut dice);
        let lake = Lake::in_memory(ids());
        record(&lake, &rows(&market)).await;
        let engine = engine(&lake);
        let quarter = "2025-Q1".parse().unwrap();
        let published = engine.publish(quarter, RULE, now(), &never()).await.unwrap();
        assert!(published.atoms > 5, "something is told: {published:?}");

        let mut filters: Vec<Kept> = (0..60).map(|_| random_filter(&mut dice)).collect();
        // Single cells, and everything.
        filters.extend(
            market
                .keys()
                .map(|cell| -> Kept { std::array::from_fn(|at| Some(BTreeSet::from([cell[at]]))) }),
        );
        filters.push(Default::default());
        let mut answers = Vec::new();
        for filter in &filters {
            answers.push(ask(&engine, filter, None).await);
        }
        assert!(answers.iter().any(|answer| *answer > 0));
        // What an attacker takes out: nothing, or its own figures in the cells it asked about.
        for attacker in 0..=7_u128 {
            let secrets = secrets(&market, &filters, attacker);
            let own: Vec<i64> =
                filters.iter().map(|filter| own(&market, filter, attacker)).collect();
            for (one, own_of_one) in answers.iter().zip(&own) {
                let alone = [*one, one - own_of_one];
                for found in alone {
                    assert!(!secrets.contains(&found.abs()), "seed {seed}: {found} is a secret");
                }
                for (other, own_of_other) in answers.iter().zip(&own) {
                    let differences =
                        [one - other, one - other - (own_of_one - own_of_other), one + other];
                    for found in differences {
                        assert!(
                            !secrets.contains(&found.abs()),
                            "seed {seed}: {found} is a secret"
                        );
                    }
                }
            }
        }
    }
}

/// One insurer after the other corrects its figures, and the quarter is published after each: the
/// difference of two revisions is never what one of them corrected.
#[tokio::test(flavor = "multi_thread")]
async fn no_difference_of_revisions_tells_of_an_insurer() {
    let mut dice = Dice(11);
    let market = market(&mut dice);
    let lake = Lake::in_memory(ids());
    record(&lake, &rows(&market)).await;
    let engine = engine(&lake);
    let quarter = "2025-Q1".parse().unwrap();
    engine.publish(quarter, RULE, now(), &never()).await.unwrap();
    let filters: Vec<Kept> = market
        .keys()
        .map(|cell| -> Kept { std::array::from_fn(|at| Some(BTreeSet::from([cell[at]]))) })
        .chain([Default::default()])
        .collect();
    let mut corrected: HashSet<i64> = HashSet::new();
    let mut revisions = 1;
    for round in 0..7_u64 {
        let insurer = u128::from(round % 7) + 1;
        let mut rows = Rows::default();
        for (at, (cell, _)) in market.iter().enumerate() {
            if dice.below(2) == 0 {
                let cell = cell.join("/");
                let mut total = 0;
                for more in 0..3 {
                    let policy = 1_000_000 + round * 10_000 + at as u64 * 10 + more;
                    let amount = 1 + dice.below(1 << 40) as i64;
                    total += amount;
                    rows.exposures.push(exposure(
                        Of { tenant: insurer, cell: &cell, policy },
                        amount,
                        0,
                    ));
                    corrected.insert(amount);
                }
                corrected.insert(total);
            }
        }
        record(&lake, &rows).await;
        let published = engine.publish(quarter, RULE, now(), &never()).await.unwrap();
        revisions = revisions.max(published.revision);
    }
    assert!(revisions > 1, "changes of several insurers are told in the end");
    let mut answers: Vec<Vec<i64>> = Vec::new();
    for filter in &filters {
        let mut of_filter = Vec::new();
        for revision in 1..=revisions {
            of_filter.push(ask(&engine, filter, Some(revision)).await);
        }
        answers.push(of_filter);
    }
    for of_filter in &answers {
        for one in of_filter {
            for other in of_filter {
                let found = (one - other).abs();
                assert!(!corrected.contains(&found), "{found} is what one insurer corrected");
            }
        }
    }
}

//! Which cells of the market may be told, and together with which others.
//!
//! A cell tells of an insurer when too few insurers or records are in it, or when one of them is
//! most of it; and every insurer can take its own figures out of a sum. So a cell is told only if
//! it passes the [`Rule`] with any one contributor taken out, and with none. Cells that do not
//! pass give up their finest dimension and are told as one with their like; what does not pass at
//! any level is left out. What is told are *atoms*, which share no record: every answer is a sum
//! of whole atoms, so any sum or difference of answers is one too, and says no more than they do.
//!
//! Pure. Counting is the engine's.

use std::collections::{BTreeMap, BTreeSet};

use analytics_api::{Dimension, Measure};
use serde::{Deserialize, Serialize};

/// Values of every dimension, in the order of [`Dimension::ALL`].
pub type Cell = [String; Dimension::ALL.len()];

/// Amounts of every measure, in the order of [`Measure::ALL`].
pub type Amounts = [i64; Measure::ALL.len()];

/// What one insurer brings to a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contribution {
    /// Policies that any amount is of.
    pub records: u64,
    /// Amounts.
    pub amounts: Amounts,
}

/// Contributions by insurer.
pub type Contributions = BTreeMap<String, Contribution>;

/// When a cell may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Insurers that are left when any one is taken out.
    pub contributors: usize,
    /// Records that are left when any one insurer's are taken out.
    pub records: u64,
    /// The largest share an insurer may have of any measure, in ten-thousandths, and of what is
    /// left of it when any other is taken out.
    pub largest_bp: u32,
}

impl Default for Rule {
    /// Three others with thirty records, none of them more than 70 %.
    fn default() -> Rule {
        Rule { contributors: 3, records: 30, largest_bp: 7_000 }
    }
}

/// Why cells may not be told as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Faults {
    /// Too few insurers or records.
    few: bool,
    /// Measures that too few have, or one has most of.
    measures: [bool; Measure::ALL.len()],
}

impl Rule {
    /// Whether what these insurers bring may be told as one.
    pub fn passes(&self, contributions: &Contributions) -> bool {
        self.faults(contributions) == Faults::default()
    }

    /// What is wrong with telling it, whoever looks.
    fn faults(&self, contributions: &Contributions) -> Faults {
        let mut faults = Faults::default();
        for looker in contributions.keys().map(Some).chain([None]) {
            let others = contributions.iter().filter(|(name, _)| Some(*name) != looker);
            self.look(&others.map(|(_, one)| one).collect::<Vec<_>>(), &mut faults);
        }
        faults
    }

    /// What is wrong with telling it to somebody who knows all but these.
    fn look(&self, left: &[&Contribution], faults: &mut Faults) {
        let records: u64 = left.iter().map(|one| one.records).sum();
        let contributors = left.iter().filter(|one| one.records > 0).count();
        faults.few |= contributors < self.contributors || records < self.records;
        for (measure, fault) in faults.measures.iter_mut().enumerate() {
            // By size: what an insurer brings may be negative.
            let sizes = left.iter().map(|one| u128::from(one.amounts[measure].unsigned_abs()));
            let (mut all, mut largest, mut some) = (0, 0, 0);
            for size in sizes.filter(|size| *size > 0) {
                all += size;
                largest = largest.max(size);
                some += 1;
            }
            let dominated = largest * 10_000 > all * u128::from(self.largest_bp);
            *fault |= all > 0 && (some < self.contributors || dominated);
        }
    }
}

/// Cells that are told as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atom {
    /// Values of the dimensions; `None` where cells of several values are told together.
    pub key: [Option<String>; Dimension::ALL.len()],
    /// The cells.
    pub cells: BTreeSet<Cell>,
    /// Their sum. `None` never leaves this module: an atom whose sum does not fit is left out.
    pub amounts: Amounts,
}

/// What is told of some cells, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Disjoint, in the order of their keys.
    pub atoms: Vec<Atom>,
    /// Cells that are in no atom.
    pub left_out: BTreeSet<Cell>,
}

/// Tells as much as the rule allows, always the same of the same cells.
pub fn tell(rule: &Rule, cells: &BTreeMap<Cell, Contributions>) -> Told {
    let dimensions = Dimension::ALL.len();
    let mut told = Told::default();
    let mut open: BTreeSet<&Cell> = cells.keys().collect();
    // From whole keys up to nothing but the market: what does not pass gives up its last dimension.
    for known in (0..=dimensions).rev() {
        let mut groups: BTreeMap<&[String], BTreeSet<&Cell>> = BTreeMap::new();
        for cell in std::mem::take(&mut open) {
            groups.entry(&cell[..known]).or_default().insert(cell);
        }
        for (prefix, mut group) in groups {
            loop {
                let together = merged(group.iter().filter_map(|cell| cells.get(*cell)));
                let faults = together.as_ref().map(|together| rule.faults(together));
                let amounts = together.as_ref().and_then(sum);
                if let (Some(amounts), Some(Faults { few: false, measures })) = (amounts, faults)
                    && !measures.contains(&true)
                {
                    let key = std::array::from_fn(|at| prefix.get(at).cloned());
                    let cells = group.into_iter().cloned().collect();
                    told.atoms.push(Atom { key, cells, amounts });
                    break;
                }
                // A measure that few have must not keep cells without it from being told: those with
                // it are put aside for the next level.
                let spoilt = faults.map_or([false; Measure::ALL.len()], |faults| faults.measures);
                let (with, without): (BTreeSet<&Cell>, BTreeSet<&Cell>) =
                    group.into_iter().partition(|cell| has_any(cells.get(*cell), &spoilt));
                if with.is_empty() || without.is_empty() {
                    open.extend(with);
                    open.extend(without);
                    break;
                }
                open.extend(with);
                group = without;
            }
        }
    }
    told.left_out = open.into_iter().cloned().collect();
    told.atoms.sort_by(|a, b| (&a.key, &a.cells).cmp(&(&b.key, &b.cells)));
    told
}

/// Whether anybody brings anything of these measures.
fn has_any(cell: Option<&Contributions>, measures: &[bool; Measure::ALL.len()]) -> bool {
    let brings = |one: &Contribution| {
        one.amounts.iter().zip(measures).any(|(amount, wanted)| *wanted && *amount != 0)
    };
    cell.is_some_and(|cell| cell.values().any(brings))
}

/// What insurers bring to several cells together. `None` when it does not fit.
pub fn merged<'a>(cells: impl IntoIterator<Item = &'a Contributions>) -> Option<Contributions> {
    let mut merged = Contributions::new();
    for (name, one) in cells.into_iter().flatten() {
        let so_far = merged.entry(name.clone()).or_default();
        so_far.records = so_far.records.checked_add(one.records)?;
        so_far.amounts = plus(&so_far.amounts, &one.amounts)?;
    }
    Some(merged)
}

/// The sum over insurers. `None` when it does not fit.
pub fn sum(contributions: &Contributions) -> Option<Amounts> {
    contributions.values().try_fold(Amounts::default(), |sum, one| plus(&sum, &one.amounts))
}

/// Both together. `None` when it does not fit.
pub fn plus(a: &Amounts, b: &Amounts) -> Option<Amounts> {
    let mut sum = *a;
    for (amount, other) in sum.iter_mut().zip(b) {
        *amount = amount.checked_add(*other)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const RULE: Rule = Rule { contributors: 3, records: 10, largest_bp: 7_000 };

    fn cell(text: &str) -> Cell {
        let parts: Vec<&str> = text.split('/').collect();
        std::array::from_fn(|at| parts[at].to_owned())
    }

    fn brings(records: u64, amount: i64) -> Contribution {
        Contribution { records, amounts: [amount; 7] }
    }

    fn insurers(amounts: &[i64]) -> Contributions {
        let named = |(at, amount): (usize, &i64)| (format!("i{at}"), brings(10, *amount));
        amounts.iter().enumerate().map(named).collect()
    }

    #[test]
    fn a_cell_needs_three_beside_whoever_looks() {
        assert!(RULE.passes(&insurers(&[5, 5, 5, 5])));
        assert!(!RULE.passes(&insurers(&[5, 5, 5])), "an insurer sees the sum of two others");
        assert!(!RULE.passes(&insurers(&[])));
    }

    #[test]
    fn nobody_is_most_of_a_cell_nor_of_what_is_left_without_another() {
        assert!(RULE.passes(&insurers(&[60, 20, 20, 20])), "60 of 100 without one of the others");
        assert!(
            !RULE.passes(&insurers(&[100, 20, 20, 20])),
            "100 of 140 without one of the others"
        );
        // 700 of 1000 holds among all, and 700 of 800 does not without the 200.
        assert!(!RULE.passes(&insurers(&[700, 200, 50, 50])));
        assert!(!RULE.passes(&insurers(&[-700, 200, 50, 50])), "what is paid back counts as much");
    }

    #[test]
    fn a_measure_that_few_have_is_not_told_with_those_that_many_have() {
        let mut cell = insurers(&[5, 5, 5, 5]);
        for (name, one) in &mut cell {
            one.amounts[3] = i64::from(name == "i0" || name == "i1");
        }
        assert!(!RULE.passes(&cell));
        for one in cell.values_mut() {
            one.amounts[3] = 0;
        }
        assert!(RULE.passes(&cell), "nothing is told of what nobody has");
    }

    #[test]
    fn records_of_whoever_looks_do_not_count() {
        let mut cell = insurers(&[5, 5, 5, 5]);
        for (name, one) in &mut cell {
            one.records = if name == "i0" { 100 } else { 3 };
        }
        assert!(!RULE.passes(&cell), "9 are left");
        cell.insert("i4".to_owned(), brings(1, 5));
        assert!(RULE.passes(&cell), "10 are left");
    }

    #[test]
    fn what_is_not_told_alone_is_told_with_its_like_or_left_out() {
        let four = insurers(&[5, 5, 5, 5]);
        let cells = BTreeMap::from([
            (cell("32/c/a/p/11"), four.clone()),
            // Two that pass together only.
            (cell("32/c/a/p/12"), insurers(&[5, 5])),
            (
                cell("32/c/a/p/13"),
                BTreeMap::from([
                    ("i7".to_owned(), brings(10, 5)),
                    ("i8".to_owned(), brings(10, 6)),
                ]),
            ),
            // One that passes with nothing.
            (cell("11/c/b/p/11"), insurers(&[9])),
        ]);
        let told = tell(&RULE, &cells);
        let keys: Vec<_> = told
            .atoms
            .iter()
            .map(|atom| atom.key.clone().map(|key| key.unwrap_or("*".to_owned())).join("/"))
            .collect();
        assert_eq!(keys, ["32/c/a/p/*", "32/c/a/p/11"]);
        assert_eq!(told.atoms[0].amounts, [21; 7]);
        assert_eq!(told.left_out, BTreeSet::from([cell("11/c/b/p/11")]));
    }

    fn market() -> impl Strategy<Value = BTreeMap<Cell, Contributions>> {
        let cell =
            vec(0_u8..3, 5).prop_map(|parts| std::array::from_fn(|at| parts[at].to_string()));
        let one = (0_u64..40, vec(-1_000_000_i64..10_000_000, 7)).prop_map(|(records, amounts)| {
            Contribution { records, amounts: std::array::from_fn(|at| amounts[at]) }
        });
        btree_map(cell, btree_map("[a-h]", one, 0..8), 0..60)
    }

    proptest! {
        /// No cell is in two atoms, none is forgotten, every sum is right, and every atom passes by
        /// a count that is written down apart from the rule.
        #[test]
        fn atoms_are_disjoint_whole_and_safe(cells in market()) {
            let told = tell(&RULE, &cells);
            let mut seen = BTreeSet::new();
            for atom in &told.atoms {
                let mut all = [0_i128; 7];
                let mut by_insurer: BTreeMap<&str, (u64, [i128; 7])> = BTreeMap::new();
                for cell in &atom.cells {
                    prop_assert!(seen.insert(cell.clone()));
                    for (at, known) in atom.key.iter().enumerate() {
                        prop_assert!(known.is_none() || known.as_ref() == Some(&cell[at]));
                    }
                    for (name, one) in &cells[cell] {
                        let so_far = by_insurer.entry(name).or_default();
                        so_far.0 += one.records;
                        let sums = so_far.1.iter_mut().zip(&mut all);
                        for ((own, all), amount) in sums.zip(one.amounts) {
                            *own += i128::from(amount);
                            *all += i128::from(amount);
                        }
                    }
                }
                prop_assert_eq!(atom.amounts.map(i128::from), all);
                let lookers = by_insurer.keys().copied().chain(["nobody"]);
                for looker in lookers {
                    let others: Vec<_> = by_insurer.iter().filter(|(name, _)| **name != looker).map(|(_, one)| *one).collect();
                    prop_assert!(others.iter().filter(|one| one.0 > 0).count() >= 3);
                    prop_assert!(others.iter().map(|one| one.0).sum::<u64>() >= 10);
                    for at in 0..7 {
                        let sizes: Vec<i128> = others.iter().map(|one| one.1[at].abs()).filter(|size| *size > 0).collect();
                        let all: i128 = sizes.iter().sum();
                        prop_assert!(sizes.is_empty() || sizes.len() >= 3);
                        prop_assert!(sizes.iter().all(|size| 10 * size <= 7 * all));
                    }
                }
            }
            for cell in cells.keys() {
                prop_assert!(seen.contains(cell) != told.left_out.contains(cell));
            }
        }
    }
}

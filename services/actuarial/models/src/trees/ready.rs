//! Effects of one row after another, as fast as a call that waits for them needs.
//!
//! What a row makes of a tree depends on nothing but which of its few splits hold. For each choice of
//! them the Shapley values are computed beforehand, by the walk of `explain.rs`; a row then costs a tree
//! one test a split and one look-up.

use super::bins::{Cut, Feature};
use super::explain::walked;
use super::tree::{Set, Tree};
use super::{Chances, TreesError};

/// Splits of a tree at most: there is one row of effects for each choice of them.
pub(crate) const MOST_SPLITS: usize = 6;

/// Trees with their effects by splits that hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ready {
    pub(crate) features: Vec<Feature>,
    /// The score of a row nothing is known about.
    pub(crate) base: f64,
    trees: Vec<Choices>,
}

/// One tree.
#[derive(Clone, Debug, PartialEq)]
struct Choices {
    splits: Vec<(usize, Set)>,
    /// The features its splits ask for, each once.
    features: Vec<usize>,
    /// By the splits that hold, as bits, then by feature.
    effects: Vec<f64>,
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Number(f64),
    Level(&'a str),
}

impl Chances {
    /// The trees made ready. Refused when one has more than seven leaves.
    pub(crate) fn ready(&self) -> Result<Ready, TreesError> {
        let trees = &self.trees.trees;
        if trees.iter().any(|tree| tree.nodes.len() > MOST_SPLITS) {
            return Err(TreesError::Setting("number of leaves"));
        }
        let count = self.trees.features.len();
        let base = trees.iter().map(|tree| {
            let total: f64 = tree.covers.iter().sum();
            let leaves = tree.covers.iter().enumerate();
            leaves.map(|(leaf, cover)| cover * tree.value(leaf)).sum::<f64>() / total
        });
        Ok(Ready {
            features: self.trees.features.clone(),
            base: self.trees.base + base.sum::<f64>(),
            trees: trees.iter().map(|tree| Choices::of(tree, count)).collect(),
        })
    }
}

impl Choices {
    fn of(tree: &Tree, count: usize) -> Choices {
        let splits: Vec<(usize, Set)> =
            tree.nodes.iter().map(|node| (node.feature, node.left)).collect();
        let mut features: Vec<usize> = splits.iter().map(|split| split.0).collect();
        features.sort_unstable();
        features.dedup();
        let mut effects = vec![];
        for holds in 0..1usize << splits.len() {
            let mut all = vec![0.0; count];
            walked(tree, &|node| usize::from(holds >> node & 1 == 0), &mut all);
            effects.extend(features.iter().map(|feature| all[*feature]));
        }
        Choices { splits, features, effects }
    }
}

impl Ready {
    /// Adds the effects of a row, by feature. A level the trees were not grown with is refused, as is a
    /// number where there are levels.
    pub(crate) fn effects<'a>(
        &self,
        cell: impl Fn(usize) -> Cell<'a>,
        effects: &mut [f64],
    ) -> Result<(), TreesError> {
        let mut bins = [0u8; u8::MAX as usize];
        for (place, feature) in self.features.iter().enumerate() {
            bins[place] = feature.cell(cell(place))?;
        }
        for tree in &self.trees {
            let holds = tree.splits.iter().enumerate();
            let holds = holds.fold(0, |all, (at, (feature, left))| {
                all | usize::from(left.has(bins[*feature])) << at
            });
            let row = &tree.effects[holds * tree.features.len()..];
            for (feature, effect) in tree.features.iter().zip(row) {
                effects[*feature] += effect;
            }
        }
        Ok(())
    }
}

impl Feature {
    fn cell(&self, cell: Cell<'_>) -> Result<u8, TreesError> {
        let refused = |level: &str| TreesError::NewLevel {
            factor: self.name.clone(),
            level: level.to_owned(),
        };
        match (&self.cut, cell) {
            (Cut::Numeric { bounds }, Cell::Number(value)) => {
                Ok(bounds.partition_point(|bound| *bound < value) as u8)
            }
            (Cut::Factor { levels }, Cell::Level(text)) => {
                let place = levels.iter().position(|level| level == text);
                place.map(|place| place as u8).ok_or_else(|| refused(text))
            }
            (Cut::Numeric { .. }, Cell::Level(text)) => Err(refused(text)),
            (Cut::Factor { .. }, Cell::Number(value)) => Err(refused(&value.to_string())),
        }
    }
}

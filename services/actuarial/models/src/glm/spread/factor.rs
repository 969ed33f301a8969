//! A factor of a tally: the texts of its levels and their codes.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::fnv::Fnv;
use crate::glm::level_order;

/// Levels of a factor after which a tally collects no more: a model of so many has no chance.
pub(super) const MOST: usize = 10_000;

/// A factor and its levels.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    pub(super) name: String,
    codes: HashMap<String, u32, BuildHasherDefault<Fnv>>,
}

impl Factor {
    pub(super) fn new(name: &str, levels: &[String]) -> Factor {
        let codes = levels.iter().zip(0..).map(|(level, code)| (level.clone(), code));
        Factor { name: name.to_owned(), codes: codes.collect() }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn size(&self) -> usize {
        self.codes.keys().map(|level| level.len() + 48).sum()
    }

    /// The code of a level it has.
    pub(super) fn code(&self, level: &str) -> Option<u32> {
        self.codes.get(level).copied()
    }

    /// Adds a level, unless there are too many.
    pub(super) fn add(&mut self, level: &str) {
        if self.codes.len() <= MOST && !self.codes.contains_key(level) {
            self.codes.insert(level.to_owned(), self.codes.len() as u32);
        }
    }

    pub(super) fn extend(&mut self, levels: Vec<String>) {
        levels.iter().for_each(|level| self.add(level));
    }

    /// The levels in their order.
    pub(super) fn levels(&self) -> Vec<String> {
        let mut levels: Vec<String> = self.codes.keys().cloned().collect();
        levels.sort_unstable_by(|a, b| level_order(a, b));
        levels
    }
}

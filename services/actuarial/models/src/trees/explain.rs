//! Why trees say what they say: gains, what deviance is lost without a column, and effects by row.

use super::predict::mean_deviance;
use super::tree::{MOST_LEAVES, Place, Tree};
use super::{Counts, Ensemble, TreesError};
use crate::glm::Frame;
use crate::random::Draws;
use crate::stop::Stop;

/// How much a feature matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The feature.
    pub name: String,
    /// By how much its splits lowered half the deviance of the rows the trees were grown from.
    pub gain: f64,
    /// How many splits ask for it.
    pub splits: usize,
}

/// What each feature adds to the score of one row, a logarithm.
///
/// Shapley values of each tree, where a feature that is not known follows both branches in proportion
/// to their expected claims (Lundberg, Erion and Lee 2018, exact). Base and effects add up to the
/// logarithm of the frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// The score of a row nothing is known about.
    pub base: f64,
    /// One per feature, in their order.
    pub effects: Vec<f64>,
}

/// A feature on a path, and what is left of a coalition with and without it.
#[derive(Clone, Copy, Debug)]
struct Step {
    feature: usize,
    /// Part of the cover that follows the path when the feature is not known.
    without: f64,
    /// One when the row follows the path, else zero.
    with: f64,
    weight: f64,
}

impl Step {
    /// Where every path begins: all of the cover, and the row.
    const FIRST: Step = Step { feature: usize::MAX, without: 1.0, with: 1.0, weight: 0.0 };

    /// Room for the paths of one walk: a path of each length and one more.
    fn room() -> [Step; (MOST_LEAVES + 1) * (MOST_LEAVES + 2)] {
        [Step::FIRST; (MOST_LEAVES + 1) * (MOST_LEAVES + 2)]
    }
}

impl Effects {
    /// Base and effects together.
    pub fn score(&self) -> f64 {
        self.base + self.effects.iter().sum::<f64>()
    }
}

impl Ensemble {
    /// Gain and splits of every feature, in their order.
    pub fn importance(&self) -> Vec<Importance> {
        let of = |name: &String| Importance { name: name.clone(), gain: 0.0, splits: 0 };
        let mut all: Vec<Importance> = self.features.iter().map(|f| of(&f.name)).collect();
        for node in self.trees.iter().flat_map(|tree| &tree.nodes) {
            all[node.feature].gain += node.gain;
            all[node.feature].splits += 1;
        }
        all
    }

    /// Pairs of features that meet on paths, with the gain of the lower split, largest first.
    pub fn interactions(&self) -> Vec<([usize; 2], f64)> {
        let count = self.features.len();
        let mut gains = vec![0.0; count * count];
        for tree in &self.trees {
            let mut above = vec![0u64; tree.nodes.len()];
            for (at, node) in tree.nodes.iter().enumerate() {
                let path = above[at] & !(1 << node.feature);
                for other in (0..count).filter(|other| path >> other & 1 == 1) {
                    let (low, high) = (node.feature.min(other), node.feature.max(other));
                    gains[low * count + high] += node.gain;
                }
                for branch in node.branches {
                    if let Place::Node(below) = branch {
                        above[below] = above[at] | 1 << node.feature;
                    }
                }
            }
        }
        let places = gains.into_iter().enumerate().filter(|(_, gain)| *gain > 0.0);
        let mut pairs: Vec<_> =
            places.map(|(place, gain)| ([place / count, place % count], gain)).collect();
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
        pairs
    }

    /// By how much the mean deviance of these rows grows when a feature's values are dealt out anew
    /// among them: one figure per feature.
    pub fn permuted(&self, data: &Counts<'_>, seed: u64) -> Result<Vec<f64>, TreesError> {
        self.permuted_until(data, seed, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every feature.
    pub fn permuted_until(
        &self,
        data: &Counts<'_>,
        seed: u64,
        stop: Stop<'_>,
    ) -> Result<Vec<f64>, TreesError> {
        data.check()?;
        let mut codes = self.codes(data.frame)?;
        let deviance = |codes: &[Vec<u8>]| {
            let frequencies = self.frequencies_of(codes, data.frame.rows());
            let rows = frequencies.into_iter().zip(data.claims).zip(data.exposure);
            mean_deviance(rows.map(|((frequency, claims), part)| (frequency * part, *claims)))
        };
        let known = deviance(&codes);
        let mut lost = vec![];
        for feature in 0..codes.len() {
            stop.ask()?;
            let kept = codes[feature].clone();
            let mut draws = Draws::new(seed, feature as u64);
            for row in (1..kept.len()).rev() {
                codes[feature].swap(row, draws.below(row + 1));
            }
            lost.push(deviance(&codes) - known);
            codes[feature] = kept;
        }
        Ok(lost)
    }

    /// Effects of the features of one row of a frame.
    pub fn effects(&self, frame: &Frame, row: usize) -> Result<Effects, TreesError> {
        let rows = frame.rows();
        if row >= rows {
            return Err(TreesError::Length { what: "the row asked for", found: row, rows });
        }
        let bins = self.features.iter().map(|feature| feature.code(frame, row));
        let bins = bins.collect::<Result<Vec<u8>, _>>()?;
        let mut found = Effects { base: self.base, effects: vec![0.0; self.features.len()] };
        let mut room = Step::room();
        for tree in &self.trees {
            let total: f64 = tree.covers.iter().sum();
            let leaves = tree.covers.iter().enumerate();
            found.base += leaves.map(|(leaf, cover)| cover * tree.value(leaf)).sum::<f64>() / total;
            let goes = |node: usize| {
                let split = &tree.nodes[node];
                usize::from(!split.left.has(bins[split.feature]))
            };
            let first = (0, Step::FIRST);
            shapley(tree, &goes, tree.root(), &mut room, first, &mut found.effects);
        }
        Ok(found)
    }
}

/// Adds what each feature makes of a row that goes to these sides of the splits.
pub(crate) fn walked(tree: &Tree, goes: &impl Fn(usize) -> usize, effects: &mut [f64]) {
    shapley(tree, goes, tree.root(), &mut Step::room(), (0, Step::FIRST), effects);
}

/// Walks the branches of a tree with the coalitions that lead there; `goes` says to which side of a
/// split the row goes. The first `size` steps of `room` are the path to the parent; `step` is the part
/// of the cover that comes here, whether the row does, and by which feature.
fn shapley(
    tree: &Tree,
    goes: &impl Fn(usize) -> usize,
    place: Place,
    room: &mut [Step],
    (size, step): (usize, Step),
    effects: &mut [f64],
) {
    // Both children begin from the parent's path, so each works on a copy behind it.
    let (parent, path) = room.split_at_mut(size);
    path[..size].copy_from_slice(parent);
    extend(path, size, step);
    let mut size = size + 1;
    match place {
        Place::Leaf(leaf) => {
            let value = tree.value(leaf);
            for at in 1..size {
                let step = path[at];
                effects[step.feature] +=
                    unwound(&path[..size], at) * (step.with - step.without) * value;
            }
        }
        Place::Node(node) => {
            let split = &tree.nodes[node];
            let to = goes(node);
            // A feature that was asked before is taken out of the path and stands at the new place.
            let (mut without, mut with) = (1.0, 1.0);
            if let Some(at) = path[..size].iter().position(|step| step.feature == split.feature) {
                (without, with) = (path[at].without, path[at].with);
                unwind(&mut path[..size], at);
                size -= 1;
            }
            for (side, &branch) in split.branches.iter().enumerate() {
                let part = tree.cover(branch) / split.cover;
                let with = if side == to { with } else { 0.0 };
                let (feature, without) = (split.feature, without * part);
                let step = Step { feature, without, with, weight: 0.0 };
                shapley(tree, goes, branch, path, (size, step), effects);
            }
        }
    }
}

/// Parts 1/n: scoring one row divides millions of times, always by the same few numbers.
const PARTS: [f64; MOST_LEAVES + 2] = {
    let mut parts = [1.0; MOST_LEAVES + 2];
    let mut n = 2;
    while n < parts.len() {
        parts[n] = 1.0 / n as f64;
        n += 1;
    }
    parts
};

/// Adds a step behind the first `size`: weights of coalitions by their size.
fn extend(path: &mut [Step], size: usize, step: Step) {
    path[size] = Step { weight: if size == 0 { 1.0 } else { 0.0 }, ..step };
    for i in (0..size).rev() {
        let own = path[i].weight * PARTS[size + 1];
        path[i + 1].weight += step.with * own * (i + 1) as f64;
        path[i].weight = step.without * own * (size - i) as f64;
    }
}

/// Takes the step at `at` out again; the last place is then free.
fn unwind(path: &mut [Step], at: usize) {
    let mut weights = [0.0; MOST_LEAVES + 1];
    without(path, at, |place, weight| weights[place] = weight);
    path.copy_within(at + 1.., at);
    let left = path.len() - 1;
    path[..left].iter_mut().zip(weights).for_each(|(step, weight)| step.weight = weight);
}

/// Sum of the weights when the step at `at` is taken out.
fn unwound(path: &[Step], at: usize) -> f64 {
    let mut sum = 0.0;
    without(path, at, |_, weight| sum += weight);
    sum
}

/// Weights by size, the largest first, when the step at `at` is taken out.
fn without(path: &[Step], at: usize, mut take: impl FnMut(usize, f64)) {
    let last = path.len() - 1;
    let all = path.len() as f64;
    let out = path[at].without;
    // A row follows a branch or does not: `with` is one or zero.
    if path[at].with != 0.0 {
        let mut next = path[last].weight;
        for i in (0..last).rev() {
            let weight = next * all * PARTS[i + 1];
            next = path[i].weight - weight * out * (last - i) as f64 * PARTS[path.len()];
            take(i, weight);
        }
    } else {
        let turned = all / out;
        for i in (0..last).rev() {
            take(i, path[i].weight * turned * PARTS[last - i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Node, Set};
    use super::*;

    /// Three features of two bins; the first is asked twice on one path.
    fn tree() -> Tree {
        let mut low = Set::default();
        low.add(0);
        let node =
            |feature, branches, cover| Node { feature, left: low, branches, gain: 1.0, cover };
        Tree {
            nodes: vec![
                node(0, [Place::Node(1), Place::Node(2)], 10.0),
                node(1, [Place::Leaf(0), Place::Leaf(1)], 6.0),
                node(2, [Place::Leaf(2), Place::Node(3)], 4.0),
                node(0, [Place::Leaf(3), Place::Leaf(4)], 3.0),
            ],
            leaves: vec![1 << 20, -(1 << 22), 1 << 23, 5 << 20, 7 << 21],
            covers: vec![2.0, 4.0, 1.0, 0.5, 2.5],
        }
    }

    /// The tree's value when only some features are known, straight from its definition.
    fn known(tree: &Tree, place: Place, bins: &[u8], coalition: usize) -> f64 {
        match place {
            Place::Leaf(leaf) => tree.value(leaf),
            Place::Node(node) => {
                let split = &tree.nodes[node];
                if coalition >> split.feature & 1 == 1 {
                    let side = usize::from(!split.left.has(bins[split.feature]));
                    return known(tree, split.branches[side], bins, coalition);
                }
                let parts = split.branches.map(|branch| {
                    tree.cover(branch) / split.cover * known(tree, branch, bins, coalition)
                });
                parts[0] + parts[1]
            }
        }
    }

    #[test]
    fn effects_are_the_shapley_values_of_their_definition() {
        let tree = tree();
        for row in 0..8u8 {
            let bins = [row & 1, row >> 1 & 1, row >> 2 & 1];
            let mut found = vec![0.0; 3];
            let goes = |node: usize| {
                let split = &tree.nodes[node];
                usize::from(!split.left.has(bins[split.feature]))
            };
            walked(&tree, &goes, &mut found);
            for feature in 0..3 {
                // Average over the six orders in which three features become known.
                let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
                let mut want = 0.0;
                for order in orders {
                    let before = order.iter().take_while(|other| **other != feature);
                    let coalition = before.fold(0, |all, other| all | 1 << other);
                    let more = coalition | 1 << feature;
                    let value = |coalition| known(&tree, tree.root(), &bins, coalition);
                    want += (value(more) - value(coalition)) / 6.0;
                }
                assert!((found[feature] - want).abs() < 1e-14, "{found:?} {want}");
            }
            let all = known(&tree, tree.root(), &bins, 7);
            let none = known(&tree, tree.root(), &bins, 0);
            assert!((none + found.iter().sum::<f64>() - all).abs() < 1e-14);
        }
    }

    #[test]
    fn pairs_that_meet_on_a_path_are_listed() {
        let feature = |name: &str| {
            super::super::bins::Feature::cut(
                &{
                    let mut frame = Frame::new();
                    frame.add_numbers(name, vec![0.0, 1.0]).unwrap();
                    frame
                },
                name,
                2,
            )
        };
        let features = ["a", "b", "c"].map(|name| feature(name).unwrap()).to_vec();
        let ensemble = Ensemble { features, base: 0.0, trees: vec![tree()] };
        // Below the first split: b, c, and c above the second question for a.
        assert_eq!(ensemble.interactions(), [([0, 2], 2.0), ([0, 1], 1.0)]);
        let splits: Vec<usize> = ensemble.importance().iter().map(|i| i.splits).collect();
        assert_eq!(splits, [2, 1, 1]);
    }
}

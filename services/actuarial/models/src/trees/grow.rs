//! Growing one tree, leaf by leaf, always where half the deviance falls most.

use std::thread;

use super::boost::Monotone;
use super::shard::{Draw, Histogram, Lanes, Packed, Shard};
use super::tree::{Node, Place, Set, Tree, UNIT};

/// A leaf of fewer rows is summed by one thread: starting others takes longer.
const WORTH_THREADS: usize = 8192;

/// The longest step of a leaf before the rate: e² either way.
const LONGEST: f64 = 2.0;

/// What a tree is grown by.
pub(crate) struct Rules<'a> {
    pub(crate) lanes: &'a Lanes,
    pub(crate) numeric: &'a [bool],
    pub(crate) monotone: &'a [Monotone],
    /// Sets of features that may meet on one path; none: all may.
    pub(crate) together: &'a [u64],
    pub(crate) leaves: usize,
    pub(crate) rate: f64,
    /// In units of the scale.
    pub(crate) least_expected: f64,
    pub(crate) shrink: f64,
    pub(crate) level_shrink: f64,
    pub(crate) scale: f64,
}

/// A split that could be made.
#[derive(Clone, Debug)]
struct Split {
    gain: f64,
    feature: usize,
    left: Set,
    sums: [Packed; 2],
}

/// A leaf while the tree grows.
struct Leaf {
    sums: Histogram,
    total: Packed,
    /// Where monotone effects allow its value.
    within: (f64, f64),
    /// Features on the path to it.
    path: u64,
    best: Option<Split>,
}

impl Rules<'_> {
    /// Grows a tree on the features in `open` and lets expected claims follow it.
    ///
    /// `None` when expected claims do not fit their unit.
    pub(crate) fn grow(&self, shards: &mut [Shard], draw: Draw, open: u64) -> Option<Tree> {
        let scale = self.scale;
        let begun = each(shards, true, |shard| shard.begin(draw, scale));
        let mut begun = begun.into_iter();
        let (mut sums, mut total) = begun.next()?;
        for (part, counts) in begun {
            sums.add(&part);
            total = [total[0] + counts[0], total[1] + counts[1]];
        }
        if i32::try_from(total[0]).is_err() || u32::try_from(total[1]).is_err() {
            return None;
        }
        let total = Packed::of(total);
        let within = (f64::NEG_INFINITY, f64::INFINITY);
        let mut first = Leaf { sums, total, within, path: 0, best: None };
        self.search(&mut first, open);
        let (mut leaves, mut nodes) = (vec![first], vec![]);
        while leaves.len() < self.leaves {
            let gain = |leaf: &Leaf| leaf.best.as_ref().map_or(0.0, |best| best.gain);
            // The first of equals, so that nothing depends on luck.
            let best = (0..leaves.len())
                .rev()
                .max_by(|&a, &b| gain(&leaves[a]).total_cmp(&gain(&leaves[b])));
            let Some((place, split)) =
                best.and_then(|place| Some((place, leaves[place].best.take()?)))
            else {
                break;
            };
            self.split(&mut leaves, place, &split, shards, open);
            // What led to the leaf leads to the node that takes its place.
            let branches = nodes.iter_mut().flat_map(|node: &mut Node| &mut node.branches);
            let new = Place::Node(leaves.len() - 2);
            branches.filter(|branch| **branch == Place::Leaf(place)).for_each(|b| *b = new);
            nodes.push(self.node(place, leaves.len() - 1, &split));
        }
        let values = leaves.iter().map(|leaf| {
            let value = self.rate * self.value(leaf.total, leaf.within, self.shrink);
            (value / UNIT).round() as i32
        });
        let covers = leaves.iter().map(|leaf| leaf.total.expected() / self.scale).collect();
        let tree = Tree { nodes, leaves: values.collect(), covers };
        each(shards, true, |shard| shard.end(&tree));
        Some(tree)
    }

    fn node(&self, left: usize, right: usize, split: &Split) -> Node {
        Node {
            feature: split.feature,
            left: split.left,
            branches: [Place::Leaf(left), Place::Leaf(right)],
            gain: split.gain / self.scale,
            cover: split.sums[0].plus(split.sums[1]).expected() / self.scale,
        }
    }

    /// Makes a split: the leaf at `place` becomes its left part, the right part comes last.
    fn split(
        &self,
        leaves: &mut Vec<Leaf>,
        place: usize,
        split: &Split,
        shards: &mut [Shard],
        open: u64,
    ) {
        let rows: usize = shards.iter().map(|shard| shard.count(place)).sum();
        let threads = rows >= WORTH_THREADS;
        each(shards, threads, |shard| shard.split(place, split.feature, &split.left));
        let right = leaves.len();
        let counts = [place, right].map(|leaf| shards.iter().map(|s| s.count(leaf)).sum::<usize>());
        let smaller = if counts[0] <= counts[1] { place } else { right };
        let mut parts = each(shards, threads, |shard| shard.sums(smaller)).into_iter();
        let mut small = parts.next().expect("there is a shard");
        parts.for_each(|part| small.add(&part));

        let parent = &mut leaves[place];
        parent.sums.subtract(&small);
        let large = std::mem::replace(&mut parent.sums, Histogram::none());
        let (left_sums, right_sums) =
            if smaller == place { (small, large) } else { (large, small) };
        let within = self.within(parent.within, split);
        let path = parent.path | 1 << split.feature;
        let mut new =
            Leaf { sums: right_sums, total: split.sums[1], within: within[1], path, best: None };
        parent.sums = left_sums;
        (parent.total, parent.within, parent.path) = (split.sums[0], within[0], path);
        if leaves.len() + 1 < self.leaves {
            self.search(&mut leaves[place], open);
            self.search(&mut new, open);
        }
        leaves.push(new);
    }

    /// Where the values of both parts may lie: on their side of the middle when effects are monotone.
    fn within(&self, within: (f64, f64), split: &Split) -> [(f64, f64); 2] {
        let values = split.sums.map(|sums| self.value(sums, within, self.shrink));
        let middle = 0.5 * (values[0] + values[1]);
        match self.monotone[split.feature] {
            Monotone::Free => [within, within],
            Monotone::Increasing => [(within.0, middle), (middle, within.1)],
            Monotone::Decreasing => [(middle, within.1), (within.0, middle)],
        }
    }

    /// Finds the best split of a leaf.
    fn search(&self, leaf: &mut Leaf, open: u64) {
        let open = open & self.allowed(leaf.path);
        let by_bin = self.lanes.unfold(&leaf.sums, open);
        let mut best: Option<Split> = None;
        for (feature, sums) in by_bin.iter().enumerate() {
            if open >> feature & 1 == 0 {
                continue;
            }
            let (shrink, order) = if self.numeric[feature] {
                (self.shrink, (0..sums.len()).collect())
            } else {
                (self.shrink + self.level_shrink, self.by_claims(sums))
            };
            let found = self.cut(leaf, feature, sums, &order, shrink);
            if let Some(found) = found
                && best.as_ref().is_none_or(|best| found.gain > best.gain)
            {
                best = Some(found);
            }
        }
        leaf.best = best;
    }

    /// Features that may follow on a path.
    fn allowed(&self, path: u64) -> u64 {
        if self.together.is_empty() {
            return !0;
        }
        let sets = self.together.iter().filter(|&&set| set & path == path);
        sets.fold(0, |all, set| all | set)
    }

    /// Levels with rows, by claims against expected claims.
    fn by_claims(&self, sums: &[Packed]) -> Vec<usize> {
        let lean = (self.shrink + self.level_shrink) * self.scale;
        let mut order: Vec<usize> =
            (0..sums.len()).filter(|&level| sums[level].expected() > 0.0).collect();
        let score = |level: usize| {
            let sums = sums[level];
            (sums.claims() - sums.expected()) / (sums.expected() + lean)
        };
        order.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
        order
    }

    /// The best cut of bins in this order; the first ones go left.
    fn cut(
        &self,
        leaf: &Leaf,
        feature: usize,
        sums: &[Packed],
        order: &[usize],
        shrink: f64,
    ) -> Option<Split> {
        let whole = self.fall(leaf.total, leaf.within, self.shrink);
        let mut left = Packed::default();
        let mut best: Option<(f64, usize, Packed)> = None;
        for (place, &bin) in order.iter().enumerate() {
            left = left.plus(sums[bin]);
            let right = leaf.total.minus(left);
            if left.expected() < self.least_expected {
                continue;
            }
            if right.expected() < self.least_expected {
                break;
            }
            let gain = self.fall(left, leaf.within, shrink) + self.fall(right, leaf.within, shrink)
                - whole;
            let better = best.is_none_or(|(most, _, _)| gain > most);
            if gain > 0.0 && better && self.in_order(leaf, feature, left, right) {
                best = Some((gain, place, left));
            }
        }
        let (gain, place, left) = best?;
        let mut set = Set::default();
        order[..=place].iter().for_each(|&bin| set.add(bin));
        Some(Split { gain, feature, left: set, sums: [left, leaf.total.minus(left)] })
    }

    fn in_order(&self, leaf: &Leaf, feature: usize, left: Packed, right: Packed) -> bool {
        let value = |sums| self.value(sums, leaf.within, self.shrink);
        match self.monotone[feature] {
            Monotone::Free => true,
            Monotone::Increasing => value(left) <= value(right),
            Monotone::Decreasing => value(left) >= value(right),
        }
    }

    /// Newton's step of a leaf with these sums.
    fn value(&self, sums: Packed, within: (f64, f64), shrink: f64) -> f64 {
        let (claims, expected) = (sums.claims(), sums.expected());
        let step = (claims - expected) / (expected + shrink * self.scale);
        step.clamp(-LONGEST, LONGEST).clamp(within.0, within.1)
    }

    /// By how much half the deviance falls, in units of the scale.
    fn fall(&self, sums: Packed, within: (f64, f64), shrink: f64) -> f64 {
        let value = self.value(sums, within, shrink);
        let (claims, expected) = (sums.claims(), sums.expected());
        value * (claims - expected) - 0.5 * value * value * (expected + shrink * self.scale)
    }
}

/// What `work` says of each shard, in their order.
fn each<T: Send>(
    shards: &mut [Shard],
    threads: bool,
    work: impl Fn(&mut Shard) -> T + Sync,
) -> Vec<T> {
    let Some((first, others)) = shards.split_first_mut() else { return vec![] };
    if !threads {
        let mut found = vec![work(first)];
        found.extend(others.iter_mut().map(work));
        return found;
    }
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            others.iter_mut().map(|shard| scope.spawn(move || work(shard))).collect();
        let mut found = vec![work(first)];
        found.extend(running.into_iter().map(|part| part.join().expect("sums do not panic")));
        found
    })
}

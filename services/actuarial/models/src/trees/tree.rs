//! One tree.

/// Leaves are multiples of this: sums of them are exact.
pub(crate) const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// Leaves of one tree at most: two trees share one table of 256 places.
pub(crate) const MOST_LEAVES: usize = 16;

/// Bins, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Set(pub(crate) [u64; 4]);

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Another split.
    Node(usize),
    /// The end.
    Leaf(usize),
}

/// A split: rows whose bin is in the set go left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) feature: usize,
    pub(crate) left: Set,
    pub(crate) branches: [Place; 2],
    /// By how much the split lowered half the deviance, by its quadratic approximation.
    pub(crate) gain: f64,
    /// Expected claims of the rows it was made from.
    pub(crate) cover: f64,
}

/// Splits, parents before their children, and leaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// In units of [`UNIT`].
    pub(crate) leaves: Vec<i32>,
    /// Expected claims of the rows of each leaf.
    pub(crate) covers: Vec<f64>,
}

impl Set {
    pub(crate) fn add(&mut self, bin: usize) {
        self.0[bin >> 6] |= 1 << (bin & 63);
    }

    /// The bins that are not in it.
    pub(crate) fn others(self) -> Set {
        Set(self.0.map(|word| !word))
    }

    /// The bins in both.
    pub(crate) fn both(self, other: Set) -> Set {
        Set(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub(crate) fn has(&self, bin: u8) -> bool {
        self.0[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
    }
}

impl Tree {
    pub(crate) fn root(&self) -> Place {
        if self.nodes.is_empty() { Place::Leaf(0) } else { Place::Node(0) }
    }

    /// Where a row with these bins (by feature) ends.
    pub(crate) fn leaf(&self, bin: impl Fn(usize) -> u8) -> usize {
        let mut place = self.root();
        loop {
            match place {
                Place::Leaf(leaf) => return leaf,
                Place::Node(node) => {
                    let node = &self.nodes[node];
                    place = node.branches[usize::from(!node.left.has(bin(node.feature)))];
                }
            }
        }
    }

    pub(crate) fn value(&self, leaf: usize) -> f64 {
        f64::from(self.leaves[leaf]) * UNIT
    }

    pub(crate) fn cover(&self, place: Place) -> f64 {
        match place {
            Place::Node(node) => self.nodes[node].cover,
            Place::Leaf(leaf) => self.covers[leaf],
        }
    }
}

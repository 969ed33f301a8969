//! Trees as bytes.

use super::bins::{Cut, Feature, MOST_BINS};
use super::boost::MOST_FEATURES;
use super::tree::{MOST_LEAVES, Node, Place, Set, Tree};
use super::{Chances, Ensemble};
use crate::stored::{Reader, StoredError, Writer};

/// Trees of one ensemble at most: as many as may be grown.
const MOST_TREES: usize = 100_000;

impl Chances {
    pub(crate) fn write(&self, out: &mut Writer) {
        let trees = &self.trees;
        out.number(trees.base);
        out.count(trees.features.len());
        for feature in &trees.features {
            out.text(&feature.name);
            match &feature.cut {
                Cut::Numeric { bounds } => {
                    out.byte(0);
                    out.numbers(bounds);
                }
                Cut::Factor { levels } => {
                    out.byte(1);
                    out.texts(levels);
                }
            }
        }
        out.count(trees.trees.len());
        trees.trees.iter().for_each(|tree| write(tree, out));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Chances, StoredError> {
        let base = from.number()?;
        let features = (0..from.count(MOST_FEATURES)?).map(|_| feature(from));
        let features = features.collect::<Result<Vec<Feature>, _>>()?;
        let trees = (0..from.count(MOST_TREES)?).map(|_| tree(from, features.len()));
        let trees = trees.collect::<Result<Vec<Tree>, _>>()?;
        Ok(Chances { trees: Ensemble { features, base, trees } })
    }
}

fn feature(from: &mut Reader<'_>) -> Result<Feature, StoredError> {
    let name = from.text()?;
    let cut = match from.byte()? {
        0 => {
            let bounds = from.numbers(MOST_BINS - 1)?;
            if bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(StoredError("the bounds of a column do not rise"));
            }
            Cut::Numeric { bounds }
        }
        1 => {
            let levels = from.texts(MOST_BINS)?;
            if levels.is_empty() {
                return Err(StoredError("a factor has no level"));
            }
            Cut::Factor { levels }
        }
        _ => return Err(StoredError("a column is neither numbers nor levels")),
    };
    Ok(Feature { name, cut })
}

fn write(tree: &Tree, out: &mut Writer) {
    out.byte(tree.nodes.len() as u8);
    for node in &tree.nodes {
        out.byte(node.feature as u8);
        node.left.0.iter().for_each(|word| out.word(*word));
        for branch in node.branches {
            match branch {
                Place::Node(at) => out.byte(at as u8),
                Place::Leaf(at) => out.byte(0x80 | at as u8),
            }
        }
        out.number(node.gain);
        out.number(node.cover);
    }
    for (leaf, cover) in tree.leaves.iter().zip(&tree.covers) {
        out.whole(*leaf);
        out.number(*cover);
    }
}

/// A tree of one leaf more than it has splits, whose every split and leaf is reached from the root once.
fn tree(from: &mut Reader<'_>, features: usize) -> Result<Tree, StoredError> {
    let count = usize::from(from.byte()?);
    if count >= MOST_LEAVES {
        return Err(StoredError("a tree has too many leaves"));
    }
    let (mut split, mut ended) = (vec![false; count], vec![false; count + 1]);
    let mut nodes = Vec::with_capacity(count);
    for at in 0..count {
        let feature = usize::from(from.byte()?);
        if feature >= features {
            return Err(StoredError("a split asks for a column that is not there"));
        }
        let mut left = Set::default();
        for word in &mut left.0 {
            *word = from.word()?;
        }
        let mut branches = [Place::Leaf(0); 2];
        for branch in &mut branches {
            let place = from.byte()?;
            let (to, seen) = match usize::from(place & 0x7f) {
                leaf if place & 0x80 != 0 => (Place::Leaf(leaf), ended.get_mut(leaf)),
                // Parents stand before their children, so no walk goes in a circle.
                node if node <= at => return Err(StoredError("a branch leads back")),
                node => (Place::Node(node), split.get_mut(node)),
            };
            match seen {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(StoredError("a branch leads nowhere")),
            }
            *branch = to;
        }
        let (gain, cover) = (from.number()?, positive(from)?);
        nodes.push(Node { feature, left, branches, gain, cover });
    }
    let reached = |place: (usize, &bool)| *place.1 || place.0 == 0;
    if !split.iter().enumerate().all(reached) || !(count == 0 || ended.iter().all(|seen| *seen)) {
        return Err(StoredError("a part of a tree is not reached"));
    }
    let (mut leaves, mut covers) = (Vec::with_capacity(count + 1), Vec::with_capacity(count + 1));
    for _ in 0..=count {
        leaves.push(from.whole()?);
        covers.push(positive(from)?);
    }
    Ok(Tree { nodes, leaves, covers })
}

/// Covers are divided by.
fn positive(from: &mut Reader<'_>) -> Result<f64, StoredError> {
    match from.number()? {
        value if value > 0.0 => Ok(value),
        _ => Err(StoredError("a cover is not positive")),
    }
}

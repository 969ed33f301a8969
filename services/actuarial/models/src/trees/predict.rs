//! Scores of many rows, without a branch.
//!
//! Rows are taken 256 at a time. For every condition that some split of the ensemble asks, one bit per
//! row says whether it holds. A tree then is a few logical operations on such bits, after which four
//! bits per row say its leaf, and the leaves of two trees together are one byte: a look-up in a table
//! of 256 sums. No row waits for the branch of another.
//!
//! Bits of 256 rows are one register of processors with AVX2; the same code is compiled for them and for
//! all others, and which is taken is asked once for each part of the rows.

use std::collections::HashMap;
use std::num::NonZero;
use std::thread::{self, available_parallelism};

use super::bins::Cut;
use super::tree::{MOST_LEAVES, Place, Set, Tree, UNIT};
use super::{Counts, Ensemble, TreesError};
use crate::glm::Frame;
use crate::number::all_finite;

/// Bits of 256 rows.
type Bits = [u64; 4];

/// Rows of one block.
const BLOCK: usize = 256;

/// Rows of one thread at least.
const WORTH_THREADS: usize = 4 * BLOCK;

/// An ensemble as tables.
struct Compiled {
    /// Feature and bins of each condition; those of one numeric feature by their last bin.
    conditions: Vec<(usize, Set)>,
    pairs: Vec<Pair>,
}

/// Two trees.
struct Pair {
    trees: [Steps; 2],
    /// Sum of the leaves by both their numbers.
    sums: Box<[i32; 256]>,
}

/// A tree as steps: the slot of a node is split by a condition into two slots. Slots from
/// [`MOST_LEAVES`] on are leaves.
struct Steps {
    root: usize,
    splits: Vec<[u16; 4]>,
    leaves: usize,
}

/// Rows of each slot of a tree.
type Slots = [Bits; 2 * MOST_LEAVES];

/// Rows that have one of up to four neighbouring bins, for each choice among them.
type Choices = [Bits; 16];

impl Ensemble {
    /// Claims per exposure that the trees expect of the rows of a frame. Uses all cores.
    ///
    /// A level the trees were not grown with is refused.
    pub fn frequencies(&self, frame: &Frame) -> Result<Vec<f64>, TreesError> {
        let used = self.used();
        let codes = |place: usize| match used[place] {
            true => self.features[place].codes(frame),
            false => Ok(vec![]),
        };
        // Features in turn, so that each thread has as many; refused is the first that is.
        let threads = available_parallelism().map_or(1, NonZero::get).min(self.features.len());
        let mut found: Vec<(usize, Result<Vec<u8>, TreesError>)> = thread::scope(|scope| {
            let parts = (0..threads).map(|part| {
                let own = (part..self.features.len()).step_by(threads.max(1));
                scope.spawn(move || own.map(|place| (place, codes(place))).collect::<Vec<_>>())
            });
            let running: Vec<_> = parts.collect();
            running
                .into_iter()
                .flat_map(|part| {
                    part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        found.sort_by_key(|(place, _)| *place);
        let codes = found.into_iter().map(|(_, codes)| codes);
        let codes = codes.collect::<Result<Vec<Vec<u8>>, _>>()?;
        let frequencies = self.frequencies_of(&codes, frame.rows());
        all_finite(&frequencies, "frequency")?;
        Ok(frequencies)
    }

    /// Mean Poisson deviance of the rows.
    pub fn deviance(&self, data: &Counts<'_>) -> Result<f64, TreesError> {
        data.check()?;
        let frequencies = self.frequencies(data.frame)?;
        let rows = frequencies.iter().zip(data.claims).zip(data.exposure);
        Ok(mean_deviance(rows.map(|((frequency, claims), part)| (frequency * part, *claims))))
    }

    /// Mean Poisson deviance of the rows with the first trees alone: one figure after each tree.
    ///
    /// For choosing how many trees there should be, on rows none was grown from.
    pub fn deviances(&self, data: &Counts<'_>) -> Result<Vec<f64>, TreesError> {
        data.check()?;
        let codes = self.codes(data.frame)?;
        let mut means: Vec<f64> = data.exposure.iter().map(|part| part * self.base.exp()).collect();
        let mut found = vec![];
        for tree in &self.trees {
            let factors: Vec<f64> =
                (0..tree.leaves.len()).map(|leaf| tree.value(leaf).exp()).collect();
            for (row, mean) in means.iter_mut().enumerate() {
                *mean *= factors[tree.leaf(|feature| codes[feature][row])];
            }
            found.push(mean_deviance(means.iter().copied().zip(data.claims.iter().copied())));
        }
        Ok(found)
    }

    /// Bins by feature.
    pub(crate) fn codes(&self, frame: &Frame) -> Result<Vec<Vec<u8>>, TreesError> {
        self.features.iter().map(|feature| feature.codes(frame)).collect()
    }

    /// Claims per exposure of so many rows by their bins; features no split asks for may be empty.
    pub(crate) fn frequencies_of(&self, codes: &[Vec<u8>], rows: usize) -> Vec<f64> {
        let compiled = Compiled::of(self);
        let mut frequencies = vec![0.0; rows];
        let cores = available_parallelism().map_or(1, NonZero::get);
        let size = rows.div_ceil(cores).next_multiple_of(BLOCK).max(WORTH_THREADS);
        thread::scope(|scope| {
            for (part, frequencies) in frequencies.chunks_mut(size).enumerate() {
                let compiled = &compiled;
                scope.spawn(move || compiled.fill(self, codes, part * size, frequencies));
            }
        });
        frequencies
    }

    /// Features some split asks for.
    pub(crate) fn used(&self) -> Vec<bool> {
        let mut used = vec![false; self.features.len()];
        self.trees.iter().flat_map(|tree| &tree.nodes).for_each(|node| used[node.feature] = true);
        used
    }
}

pub(crate) fn mean_deviance(rows: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (mean, claims) in rows {
        sum += mean - claims;
        if claims > 0.0 {
            sum += claims * (claims / mean).ln();
        }
        count += 1.0;
    }
    2.0 * sum / count
}

impl Compiled {
    fn of(ensemble: &Ensemble) -> Compiled {
        let mut known = HashMap::<(usize, Set), u16>::new();
        let mut conditions = vec![];
        let mut condition = |feature: usize, set: Set| {
            *known.entry((feature, set)).or_insert_with(|| {
                conditions.push((feature, set));
                (conditions.len() - 1) as u16
            })
        };
        let mut steps = |tree: Option<&Tree>| {
            let Some(tree) = tree else {
                return Steps { root: MOST_LEAVES, splits: vec![], leaves: 1 };
            };
            let slot = |place: Place| match place {
                Place::Node(node) => node,
                Place::Leaf(leaf) => MOST_LEAVES + leaf,
            };
            let splits = tree.nodes.iter().enumerate().map(|(at, node)| {
                let [left, right] = node.branches.map(|branch| slot(branch) as u16);
                [condition(node.feature, node.left), at as u16, left, right]
            });
            let splits = splits.collect();
            Steps { splits, root: slot(tree.root()), leaves: tree.leaves.len() }
        };
        let pairs = ensemble.trees.chunks(2).map(|pair| {
            let value = |tree: usize, leaf: usize| {
                pair.get(tree).and_then(|tree| tree.leaves.get(leaf)).copied().unwrap_or(0)
            };
            let mut sums = Box::new([0i32; 256]);
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum = value(0, place % MOST_LEAVES) + value(1, place / MOST_LEAVES);
            }
            Pair { trees: [steps(pair.first()), steps(pair.get(1))], sums }
        });
        let pairs = pairs.collect();
        Compiled { conditions, pairs }
    }

    /// Fills in the frequencies of the rows from `from` on.
    fn fill(&self, ensemble: &Ensemble, codes: &[Vec<u8>], from: usize, frequencies: &mut [f64]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "compiled for what only some processors have")]
            // SAFETY: the processor has AVX2, which is all the function is compiled for.
            return unsafe { self.fill_wide(ensemble, codes, from, frequencies) };
        }
        self.fill_rows(ensemble, codes, from, frequencies);
    }

    /// The same where 256 bits are one register.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn fill_wide(
        &self,
        ensemble: &Ensemble,
        codes: &[Vec<u8>],
        from: usize,
        frequencies: &mut [f64],
    ) {
        self.fill_rows(ensemble, codes, from, frequencies);
    }

    /// Inlined, as is all it calls for every tree, so that it is compiled for whoever calls it.
    #[inline(always)]
    fn fill_rows(
        &self,
        ensemble: &Ensemble,
        codes: &[Vec<u8>],
        from: usize,
        frequencies: &mut [f64],
    ) {
        let mut by_bin: Vec<Vec<Bits>> =
            ensemble.features.iter().map(|feature| vec![[0; 4]; feature.bins()]).collect();
        let mut choices: Vec<Vec<Choices>> = ensemble
            .features
            .iter()
            .map(|feature| vec![[[0; 4]; 16]; feature.bins().div_ceil(4)])
            .collect();
        let mut holds = vec![[0; 4]; self.conditions.len()];
        let mut slots = [[0; 4]; 2 * MOST_LEAVES];
        let mut leaves = [[0u8; BLOCK]; 4];
        let mut scores = [0i32; BLOCK];
        for (block, frequencies) in frequencies.chunks_mut(BLOCK).enumerate() {
            let from = from + block * BLOCK;
            scores.fill(0);
            for (place, feature) in ensemble.features.iter().enumerate() {
                let (codes, by_bin) = (&codes[place], &mut by_bin[place]);
                if codes.is_empty() {
                    continue;
                }
                by_bin.fill([0; 4]);
                for (row, &code) in codes[from..from + frequencies.len()].iter().enumerate() {
                    by_bin[usize::from(code)][row >> 6] |= 1 << (row & 63);
                }
                match feature.cut {
                    Cut::Numeric { .. } => {
                        for bin in 1..by_bin.len() {
                            by_bin[bin] = either(by_bin[bin], by_bin[bin - 1]);
                        }
                    }
                    Cut::Factor { .. } => choose(by_bin, &mut choices[place]),
                }
            }
            for ((feature, set), holds) in self.conditions.iter().zip(&mut holds) {
                *holds = match ensemble.features[*feature].cut {
                    Cut::Numeric { .. } => by_bin[*feature][set.last()],
                    Cut::Factor { .. } => {
                        let four = choices[*feature].iter().enumerate();
                        four.fold([0; 4], |all, (place, four)| either(all, four[set.four(place)]))
                    }
                };
            }
            for pairs in self.pairs.chunks(leaves.len()) {
                for (pair, leaves) in pairs.iter().zip(&mut leaves) {
                    pair.leaves(&holds, &mut slots, leaves);
                }
                if let [a, b, c, d] = pairs {
                    let [one, two, three, four] = &leaves;
                    for (row, score) in scores.iter_mut().enumerate() {
                        *score += a.sums[usize::from(one[row])]
                            + b.sums[usize::from(two[row])]
                            + c.sums[usize::from(three[row])]
                            + d.sums[usize::from(four[row])];
                    }
                } else {
                    for (pair, leaves) in pairs.iter().zip(&leaves) {
                        for (score, leaf) in scores.iter_mut().zip(leaves) {
                            *score += pair.sums[usize::from(*leaf)];
                        }
                    }
                }
            }
            for (row, frequency) in frequencies.iter_mut().enumerate() {
                *frequency = (ensemble.base + f64::from(scores[place(row)]) * UNIT).exp();
            }
        }
    }
}

impl Pair {
    /// The leaves of 256 rows: one of the first tree in the lower half of a byte, one of the second.
    ///
    /// Bytes stand by [`place`]. What `slots` hold before does not matter: each slot of a tree is written
    /// before it is read.
    #[inline(always)]
    fn leaves(&self, holds: &[Bits], slots: &mut Slots, leaves: &mut [u8; BLOCK]) {
        let mut planes = [[0u64; 4]; 8];
        for (steps, planes) in self.trees.iter().zip(planes.chunks_exact_mut(4)) {
            slots[steps.root] = [!0; 4];
            for &[condition, at, left, right] in &steps.splits {
                let (rows, holds) = (slots[usize::from(at) % 32], holds[usize::from(condition)]);
                for word in 0..4 {
                    slots[usize::from(left) % 32][word] = rows[word] & holds[word];
                    slots[usize::from(right) % 32][word] = rows[word] & !holds[word];
                }
            }
            // The bound is a constant, so that the loop is laid out flat.
            for leaf in 1..MOST_LEAVES {
                if leaf >= steps.leaves {
                    break;
                }
                for (bit, plane) in planes.iter_mut().enumerate() {
                    if leaf >> bit & 1 == 1 {
                        *plane = either(*plane, slots[MOST_LEAVES + leaf]);
                    }
                }
            }
        }
        transpose(planes, leaves);
    }
}

/// Unites the rows of neighbouring bins in all ways, four bins at a time.
fn choose(by_bin: &[Bits], choices: &mut [Choices]) {
    for (four, choices) in by_bin.chunks(4).zip(choices) {
        for choice in 1..16usize {
            let (one, others) = (choice.trailing_zeros() as usize, choice & (choice - 1));
            choices[choice] = match four.get(one) {
                Some(rows) => either(choices[others], *rows),
                None => choices[others],
            };
        }
    }
}

#[inline(always)]
fn either(a: Bits, b: Bits) -> Bits {
    std::array::from_fn(|word| a[word] | b[word])
}

/// Where the byte of a row stands: as eights of rows of one register, so that registers are stored whole.
#[inline(always)]
fn place(row: usize) -> usize {
    let (word, eight, bit) = (row >> 6, row >> 3 & 7, row & 7);
    eight * 32 + word * 8 + bit
}

/// The byte of a row is made of its bits in each plane, the first plane lowest.
#[inline(always)]
fn transpose(planes: [Bits; 8], bytes: &mut [u8; BLOCK]) {
    // First bytes, by swapping ever smaller blocks across the diagonal: word g gets byte g of every
    // plane. Then bits within each word. All four words of 64 rows take the same steps.
    let mut words = planes;
    for (apart, shift, mask) in [
        (4, 32, 0x0000_0000_ffff_ffff),
        (2, 16, 0x0000_ffff_0000_ffff),
        (1, 8, 0x00ff_00ff_00ff_00ff_u64),
    ] {
        for low in 0..8 {
            if low & apart != 0 {
                continue;
            }
            let (below, above) = words.split_at_mut(low + apart);
            for (low, high) in below[low].iter_mut().zip(&mut above[0]) {
                let swap = ((*low >> shift) ^ *high) & mask;
                *low ^= swap << shift;
                *high ^= swap;
            }
        }
    }
    for (bytes, words) in bytes.chunks_exact_mut(32).zip(&mut words) {
        for (shift, mask) in [
            (7, 0x00aa_00aa_00aa_00aa),
            (14, 0x0000_cccc_0000_cccc),
            (28, 0x0000_0000_f0f0_f0f0_u64),
        ] {
            for x in words.iter_mut() {
                let swap = (*x ^ (*x >> shift)) & mask;
                *x ^= swap ^ (swap << shift);
            }
        }
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }
}

impl Set {
    /// Which of the bins 4·`place` to 4·`place` + 3 are in it, one bit each.
    fn four(&self, place: usize) -> usize {
        (self.0[place / 16] >> (4 * (place % 16)) & 15) as usize
    }

    /// The last bin of the set.
    fn last(&self) -> usize {
        let word = (0..4).rev().find(|&word| self.0[word] != 0).unwrap_or(0);
        (64 * word + 63).saturating_sub(self.0[word].leading_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_planes_become_bytes_of_rows() {
        let mix = |number: usize| super::super::shard::mix(number as u64);
        let planes: [Bits; 8] =
            std::array::from_fn(|plane| std::array::from_fn(|word| mix(8 * word + plane)));
        let mut bytes = [0; BLOCK];
        transpose(planes, &mut bytes);
        let mut places: Vec<usize> = (0..BLOCK).map(place).collect();
        for (row, &place) in places.iter().enumerate() {
            let bit = |plane: usize| planes[plane][row >> 6] >> (row & 63) & 1;
            let want = (0..8).fold(0, |byte, plane| byte | bit(plane) << plane);
            assert_eq!(u64::from(bytes[place]), want);
        }
        places.sort_unstable();
        assert!(places.into_iter().eq(0..BLOCK));
    }

    #[test]
    fn rows_of_some_bins_are_united_four_at_a_time() {
        let by_bin: Vec<Bits> = (0..6).map(|bin| [1 << bin, 0, 0, 0]).collect();
        let mut choices = vec![[[0; 4]; 16]; 2];
        choose(&by_bin, &mut choices);
        let mut set = Set::default();
        [1, 3, 4, 5, 250].iter().for_each(|bin| set.add(*bin));
        assert_eq!((set.four(0), set.four(1), set.four(2)), (0b1010, 0b0011, 0));
        let rows = either(choices[0][set.four(0)], choices[1][set.four(1)]);
        assert_eq!(rows, [0b11_1010, 0, 0, 0]);
    }

    #[test]
    fn a_set_has_a_last_bin() {
        let mut set = Set::default();
        [0, 63, 64, 200].iter().for_each(|bin| set.add(*bin));
        assert_eq!(set.last(), 200);
    }
}

//! A part of the rows, and the sums taken over it.
//!
//! A row's claims and expected claims are whole numbers packed into one word, so that one addition
//! takes both. Of something that happens or not (y, with chance p) the word holds y − p² and p − p²
//! instead: their difference is the slope of the log-likelihood as well, and the second is its
//! curvature, so that trees grow from either without knowing which it is. Columns are joined into *lanes*: a lane is one cell number for several columns, four
//! lanes are read at once, and the sums by column are unfolded from those by cell afterwards. A row
//! thus costs a few additions, however many columns it has.

use std::ops::Range;

use super::tree::{Set, Tree, UNIT};

/// Cells of a lane.
const LANE: usize = 1024;

/// Lanes that are read at once.
const LANES: usize = 4;

/// Cells of one word of lanes.
const CELLS: usize = LANE * LANES;

/// Claims above, with a sign, and expected claims below, in units of the scale of a fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed(u64);

/// Sums by cell: one array for each word.
pub(crate) struct Histogram(Vec<Box<[u64; CELLS]>>);

/// Which columns share a lane.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
}

/// Columns of one lane: index, stride and number of bins.
#[derive(Clone, Debug, Default)]
struct Lane(Vec<(usize, usize, usize)>);

/// Some rows.
pub(crate) struct Shard {
    /// Where its rows begin among all.
    pub(crate) from: usize,
    /// Bins by column.
    bins: Vec<Vec<u8>>,
    /// Cells of the lanes, four at a time, by row.
    words: Vec<Vec<[u16; LANES]>>,
    claims: Vec<u32>,
    /// Expected claims, or the odds of what may happen.
    expected: Vec<f64>,
    /// Weights in units of the scale, where something happens or not.
    weights: Option<Vec<f64>>,
    packed: Vec<Packed>,
    /// Rows in the order of their leaves.
    order: Vec<u32>,
    spare: Vec<u32>,
    leaves: Vec<Range<usize>>,
}

/// Which rows a tree is grown from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) seed: u64,
    /// A row takes part when its hash is below this part of 2³².
    pub(crate) below: u64,
}

/// What the rows say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Response<'a> {
    /// Claims, and what they are expected to be before any tree.
    Counts { claims: &'a [f64], expected: &'a [f64] },
    /// Whether something happened, by weights, and its odds before any tree.
    Chances { happened: &'a [bool], weights: &'a [f64], odds: f64 },
}

impl Packed {
    /// Claims within ±2³¹ and expected claims below 2³².
    pub(crate) fn of(counts: [i64; 2]) -> Packed {
        Packed((counts[0] << 32 | counts[1]) as u64)
    }

    pub(crate) fn claims(self) -> f64 {
        (self.0 as i64 >> 32) as f64
    }

    pub(crate) fn expected(self) -> f64 {
        (self.0 & 0xffff_ffff) as f64
    }

    pub(crate) fn plus(self, other: Packed) -> Packed {
        Packed(self.0.wrapping_add(other.0))
    }

    pub(crate) fn minus(self, other: Packed) -> Packed {
        Packed(self.0.wrapping_sub(other.0))
    }
}

impl Lanes {
    /// Joins columns with so many bins, those with most first, wherever they fit.
    pub(crate) fn of(bins: &[usize]) -> Lanes {
        let mut by_size: Vec<usize> = (0..bins.len()).collect();
        by_size.sort_by_key(|&column| std::cmp::Reverse(bins[column]));
        let mut lanes: Vec<Lane> = vec![];
        for column in by_size {
            let fits = |lane: &Lane| lane.cells() * bins[column] <= LANE;
            let place = lanes.iter().position(fits).unwrap_or_else(|| {
                lanes.push(Lane::default());
                lanes.len() - 1
            });
            let stride = lanes[place].cells();
            lanes[place].0.push((column, stride, bins[column]));
        }
        Lanes { lanes }
    }

    fn words(&self) -> usize {
        self.lanes.len().div_ceil(LANES)
    }

    /// Sums by bin of every column that is `wanted`.
    pub(crate) fn unfold(&self, sums: &Histogram, wanted: u64) -> Vec<Vec<Packed>> {
        let columns = self.lanes.iter().map(|lane| lane.0.len()).sum();
        let mut by_bin = vec![vec![]; columns];
        for (place, lane) in self.lanes.iter().enumerate() {
            let from = place % LANES * LANE;
            let cells = &sums.0[place / LANES][from..from + lane.cells()];
            for &(column, stride, bins) in &lane.0 {
                if wanted >> column & 1 == 0 {
                    continue;
                }
                let mut sums = vec![0u64; bins];
                for (run, cells) in cells.chunks_exact(stride).enumerate() {
                    let sum = cells.iter().fold(0u64, |sum, cell| sum.wrapping_add(*cell));
                    sums[run % bins] = sums[run % bins].wrapping_add(sum);
                }
                by_bin[column] = sums.into_iter().map(Packed).collect();
            }
        }
        by_bin
    }
}

impl Lane {
    fn cells(&self) -> usize {
        self.0.iter().map(|(_, _, bins)| bins).product()
    }
}

impl Histogram {
    fn zero(words: usize) -> Histogram {
        Histogram((0..words).map(|_| Box::new([0; CELLS])).collect())
    }

    /// Without sums, to stand in for moved ones.
    pub(crate) fn none() -> Histogram {
        Histogram(vec![])
    }

    pub(crate) fn add(&mut self, other: &Histogram) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.iter_mut().zip(&**theirs).for_each(|(a, b)| *a = a.wrapping_add(*b));
        }
    }

    /// What is left of a parent's sums when one child's are taken away.
    pub(crate) fn subtract(&mut self, child: &Histogram) {
        for (mine, theirs) in self.0.iter_mut().zip(&child.0) {
            mine.iter_mut().zip(&**theirs).for_each(|(a, b)| *a = a.wrapping_sub(*b));
        }
    }
}

impl Shard {
    /// The rows of a range, with bins by column of all rows.
    pub(crate) fn of(
        range: Range<usize>,
        lanes: &Lanes,
        bins: &[Vec<u8>],
        response: Response<'_>,
        scale: f64,
    ) -> Shard {
        let count = range.len();
        // A lane no column has stays at its own first cell, where nothing is read.
        let empty: [u16; LANES] = std::array::from_fn(|place| (place * LANE) as u16);
        let mut words = vec![vec![empty; count]; lanes.words()];
        for (place, lane) in lanes.lanes.iter().enumerate() {
            let (word, place) = (&mut words[place / LANES], place % LANES);
            for (row, cells) in range.clone().zip(word) {
                let cell = lane
                    .0
                    .iter()
                    .map(|&(column, stride, _)| usize::from(bins[column][row]) * stride);
                cells[place] = (place * LANE + cell.sum::<usize>()) as u16;
            }
        }
        let (claims, expected, weights) = match response {
            Response::Counts { claims, expected } => {
                let claims = claims[range.clone()].iter().map(|claims| round(claims * scale));
                (claims.collect(), expected[range.clone()].to_vec(), None)
            }
            Response::Chances { happened, weights, odds } => {
                let weights: Vec<f64> =
                    weights[range.clone()].iter().map(|weight| weight * scale).collect();
                let rows = happened[range.clone()].iter().zip(&weights);
                let claims = rows.map(|(yes, weight)| if *yes { round(*weight) } else { 0 });
                (claims.collect(), vec![odds; count], Some(weights))
            }
        };
        Shard {
            from: range.start,
            bins: bins.iter().map(|column| column[range.clone()].to_vec()).collect(),
            words,
            claims,
            expected,
            weights,
            packed: vec![Packed::default(); count],
            order: (0..count as u32).collect(),
            spare: vec![0; count],
            leaves: vec![],
        }
    }

    /// Begins a tree: what the rows say now, and the sums of all of them.
    pub(crate) fn begin(&mut self, draw: Draw, scale: f64) -> (Histogram, [i64; 2]) {
        let total = match self.weights.take() {
            None => self.say(draw, |claims, expected, _| {
                [i64::from(claims), i64::from(round(expected * scale))]
            }),
            Some(weights) => {
                let total = self.say(draw, |happened, odds, row| {
                    // Without a difference of near numbers, so that chances near one keep their digits.
                    let (yes, no) = (odds / (1.0 + odds), 1.0 / (1.0 + odds));
                    let (square, curve) = (weights[row] * yes * yes, weights[row] * yes * no);
                    [i64::from(happened) - i64::from(round(square)), i64::from(round(curve))]
                });
                self.weights = Some(weights);
                total
            }
        };
        self.order.iter_mut().enumerate().for_each(|(place, row)| *row = place as u32);
        self.leaves.clear();
        self.leaves.push(0..self.order.len());
        let mut sums = Histogram::zero(self.words.len());
        for (sums, cells) in sums.0.iter_mut().zip(&self.words) {
            for (cells, packed) in cells.iter().zip(&self.packed) {
                take(sums, cells, *packed);
            }
        }
        (sums, total)
    }

    /// Packs what every drawn row says of its claims, expected claims and place, and adds that up.
    fn say(&mut self, draw: Draw, says: impl Fn(u32, f64, usize) -> [i64; 2]) -> [i64; 2] {
        let mut total = [0i64; 2];
        let all = draw.below >= 1 << 32;
        for (row, packed) in self.packed.iter_mut().enumerate() {
            if all || mix(draw.seed ^ (self.from + row) as u64) >> 32 < draw.below {
                let counts = says(self.claims[row], self.expected[row], row);
                *packed = Packed::of(counts);
                total = [total[0] + counts[0], total[1] + counts[1]];
            } else {
                *packed = Packed(0);
            }
        }
        total
    }

    /// How many rows a leaf has.
    pub(crate) fn count(&self, leaf: usize) -> usize {
        self.leaves[leaf].len()
    }

    /// Splits a leaf: rows whose bin is in the set stay, the others become the last leaf.
    pub(crate) fn split(&mut self, leaf: usize, feature: usize, left: &Set) {
        let mut stays = [false; 256];
        (0..=255u8).for_each(|bin| stays[usize::from(bin)] = left.has(bin));
        let range = self.leaves[leaf].clone();
        let (order, spare) = (&mut self.order[range.clone()], &mut self.spare[range.clone()]);
        let bins = self.bins[feature].as_slice();
        let (mut kept, mut gone) = (0, 0);
        for place in 0..order.len() {
            let row = order[place];
            let stay = stays[usize::from(bins[row as usize])];
            // Both are written and one counts: no branch to mispredict.
            order[kept] = row;
            spare[gone] = row;
            kept += usize::from(stay);
            gone += usize::from(!stay);
        }
        order[kept..].copy_from_slice(&spare[..gone]);
        self.leaves[leaf] = range.start..range.start + kept;
        self.leaves.push(range.start + kept..range.end);
    }

    /// Sums over the rows of a leaf.
    pub(crate) fn sums(&self, leaf: usize) -> Histogram {
        let mut sums = Histogram::zero(self.words.len());
        let rows = &self.order[self.leaves[leaf].clone()];
        for (sums, cells) in sums.0.iter_mut().zip(&self.words) {
            for &row in rows {
                take(sums, &cells[row as usize], self.packed[row as usize]);
            }
        }
        sums
    }

    /// Ends a tree: expected claims of every row follow its leaf.
    pub(crate) fn end(&mut self, tree: &Tree) {
        for (range, &leaf) in self.leaves.iter().zip(&tree.leaves) {
            let factor = (f64::from(leaf) * UNIT).exp();
            for &row in &self.order[range.clone()] {
                self.expected[row as usize] *= factor;
            }
        }
    }
}

#[inline(always)]
fn take(sums: &mut [u64; CELLS], cells: &[u16; LANES], packed: Packed) {
    for cell in cells {
        let sum = &mut sums[usize::from(*cell) % CELLS];
        *sum = sum.wrapping_add(packed.0);
    }
}

fn round(value: f64) -> u32 {
    (value + 0.5) as u32
}

/// A hash of 64 bits (the finaliser of splitmix64).
pub(crate) fn mix(key: u64) -> u64 {
    let mut x = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_bin_come_back_from_joined_lanes() {
        // 40 × 20 share a lane with nothing else that fits but 1 × 1.
        let sizes = [3, 40, 20, 300, 2];
        let lanes = Lanes::of(&sizes);
        let bin =
            |row: usize, column: usize| (mix((row * 7 + column) as u64) as usize) % sizes[column];
        let rows = 500;
        let bins: Vec<Vec<u8>> = (0..5)
            .map(|column| (0..rows).map(|row| (bin(row, column) % 256) as u8).collect())
            .collect();
        let claims: Vec<f64> = (0..rows).map(|row| (row % 3) as f64).collect();
        let expected: Vec<f64> = (0..rows).map(|row| row as f64 / 8.0).collect();
        let response = Response::Counts { claims: &claims, expected: &expected };
        let mut shard = Shard::of(0..rows, &lanes, &bins, response, 8.0);
        let (sums, total) = shard.begin(Draw { seed: 1, below: 1 << 32 }, 8.0);
        assert_eq!(total, [8 * 499, 499 * 500 / 2]);
        let unfolded = lanes.unfold(&sums, !0);
        for (column, sums) in unfolded.iter().enumerate() {
            for (value, got) in sums.iter().enumerate().take(256) {
                let rows = (0..rows).filter(|&row| usize::from(bins[column][row]) == value);
                let want = rows.fold((0, 0), |sum, row| (sum.0 + 8 * (row % 3), sum.1 + row));
                assert_eq!((got.claims(), got.expected()), (want.0 as f64, want.1 as f64));
            }
        }
        assert!(lanes.unfold(&sums, 0b10)[0].is_empty());
    }

    #[test]
    fn slopes_and_curvatures_of_chances_come_back_whatever_their_sign() {
        let (rows, lanes) = (8, Lanes::of(&[2]));
        let bins = vec![(0..rows).map(|row| (row % 2) as u8).collect::<Vec<u8>>()];
        let happened: Vec<bool> = (0..rows).map(|row| row == 0).collect();
        let weights = vec![1.0; rows];
        // Odds of one to one: y − p² is ¾ or −¼, p − p² is ¼.
        let response = Response::Chances { happened: &happened, weights: &weights, odds: 1.0 };
        let mut shard = Shard::of(0..rows, &lanes, &bins, response, 64.0);
        let (sums, total) = shard.begin(Draw { seed: 1, below: 1 << 32 }, 64.0);
        assert_eq!(total, [48 - 7 * 16, 8 * 16]);
        let found = &lanes.unfold(&sums, !0)[0];
        let pairs: Vec<_> = found.iter().map(|sums| (sums.claims(), sums.expected())).collect();
        assert_eq!(pairs, [(0.0, 64.0), (-64.0, 64.0)]);
    }
}

//! One pass over the rows: the sums of the normal equations, taken on all cores.
//!
//! A core reads its part of the rows in pieces that stay in its cache: predictors, then what each row
//! contributes, then one loop for each table. Nothing is decided here.

use std::ops::Range;
use std::thread;

use super::family::Kernel;
use super::layout::{Layout, Pair, Rows, Table};
use crate::linalg::Symmetric;

/// Rows of one piece.
pub(crate) const PIECE: usize = 1024;

/// What a pass yields.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    pub(crate) information: Symmetric,
    pub(crate) score: Vec<f64>,
    /// Without the part that depends on the responses alone.
    pub(crate) deviance: f64,
}

impl Sums {
    pub(crate) fn add(&mut self, other: &Sums) {
        self.information.sum(&other.information);
        self.score.iter_mut().zip(&other.score).for_each(|(sum, value)| *sum += value);
        self.deviance += other.deviance;
    }

    /// The sums of so many times the rows.
    pub(crate) fn times(mut self, count: f64) -> Sums {
        self.information.scale(count);
        self.score.iter_mut().for_each(|value| *value *= count);
        self.deviance *= count;
        self
    }
}

/// Sums as they are taken, by table and slot.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    tables: Vec<Vec<f64>>,
    slots: Vec<Vec<f64>>,
    deviance: f64,
}

/// Coefficients by slot and cell.
pub(crate) type Values = Vec<Vec<f64>>;

/// Takes the sums at `coefficients` with so many threads.
pub(crate) fn pass<K: Kernel>(
    layout: &Layout,
    rows: &Rows<'_>,
    coefficients: &[f64],
    kernel: K,
    threads: usize,
) -> Sums {
    let values = spread(layout, coefficients);
    let mut taken = in_parts(rows.response.len(), threads, |from, to| {
        let mut taken = Taken::new(layout);
        take(layout, rows, &values, kernel, from..to, &mut taken);
        taken
    });
    let mut sum = taken.remove(0);
    taken.iter().for_each(|part| sum.add(part));
    unfold(layout, &sum)
}

/// Linear predictors of all rows.
pub(crate) fn predictors(
    layout: &Layout,
    rows: &Rows<'_>,
    coefficients: &[f64],
    threads: usize,
) -> Vec<f64> {
    let values = spread(layout, coefficients);
    let mut eta = vec![0.0; rows.response.len()];
    let mut rest = eta.as_mut_slice();
    thread::scope(|scope| {
        let values = &values;
        for (from, to) in split(rows.response.len(), threads) {
            let (part, after) = rest.split_at_mut(to - from);
            rest = after;
            scope.spawn(move || {
                for (piece, start) in part.chunks_mut(PIECE).zip((from..).step_by(PIECE)) {
                    predict(layout, rows, values, start, piece);
                }
            });
        }
    });
    eta
}

/// Changes parts of `values` on their own threads.
pub(crate) fn each_part(
    values: &mut [f64],
    threads: usize,
    change: impl Fn(&mut [f64]) + Copy + Send,
) {
    let size = values.len().div_ceil(threads.max(1)).max(4 * PIECE);
    thread::scope(|scope| {
        for part in values.chunks_mut(size) {
            scope.spawn(move || change(part));
        }
    });
}

/// Sums what `value` says of every row with a weight above zero, given the row and its weight.
///
/// Pieces are summed apart and put together in their order, so the number of threads makes no
/// difference.
pub(crate) fn sum_rows<const N: usize>(
    rows: &Rows<'_>,
    threads: usize,
    value: impl Fn(usize, f64) -> [f64; N] + Sync,
) -> [f64; N] {
    let piece = |from: usize| {
        let mut sums = [0.0; N];
        for row in from..(from + PIECE).min(rows.response.len()) {
            let weight = rows.weight.map_or(1.0, |weight| weight[row]);
            // A row without weight may have a response without a value.
            if weight > 0.0 {
                sums.iter_mut().zip(value(row, weight)).for_each(|(sum, value)| *sum += value);
            }
        }
        sums
    };
    let pieces = rows.response.len().div_ceil(PIECE);
    let mut found = vec![[0.0; N]; pieces];
    let size = pieces.div_ceil(threads.max(1)).max(4);
    thread::scope(|scope| {
        let piece = &piece;
        for (part, found) in found.chunks_mut(size).enumerate() {
            scope.spawn(move || {
                for (place, sums) in found.iter_mut().enumerate() {
                    *sums = piece((part * size + place) * PIECE);
                }
            });
        }
    });
    found.iter().fold([0.0; N], |mut sums, part| {
        sums.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        sums
    })
}

/// Which responses the rows of a cell have that count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Present {
    pub(crate) any: bool,
    pub(crate) above_zero: bool,
    pub(crate) below_one: bool,
}

impl Present {
    pub(crate) fn add(&mut self, other: Present) {
        self.any |= other.any;
        self.above_zero |= other.above_zero;
        self.below_one |= other.below_one;
    }
}

/// What is present in every cell of every block.
pub(crate) fn present(layout: &Layout, rows: &Rows<'_>, threads: usize) -> Vec<Vec<Present>> {
    let work = |from: usize, to: usize| {
        let mut blocks = absent(layout);
        see(rows, from..to, &mut blocks);
        blocks
    };
    let mut found = in_parts(rows.response.len(), threads, work).into_iter();
    let mut all = found.next().unwrap_or_default();
    for part in found {
        for (all, part) in all.iter_mut().zip(part) {
            all.iter_mut().zip(part).for_each(|(all, part)| all.add(part));
        }
    }
    all
}

/// Nothing in any cell of any block.
pub(crate) fn absent(layout: &Layout) -> Vec<Vec<Present>> {
    layout.blocks.iter().map(|block| vec![Present::default(); block.cells]).collect()
}

/// Adds what is present in some of the rows.
pub(crate) fn see(rows: &Rows<'_>, some: Range<usize>, blocks: &mut [Vec<Present>]) {
    for (cells, seen) in rows.cells.iter().zip(blocks) {
        for row in some.clone() {
            let counts = rows.weight.is_none_or(|weight| weight[row] > 0.0);
            let response = rows.response[row];
            seen[cells[row] as usize].add(Present {
                any: counts,
                above_zero: counts && response > 0.0,
                below_one: counts && response < 1.0,
            });
        }
    }
}

/// What `work` finds in each part of the rows, in their order.
fn in_parts<T: Send>(
    rows: usize,
    threads: usize,
    work: impl Fn(usize, usize) -> T + Sync,
) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let start = |(from, to)| scope.spawn(move || work(from, to));
        let running: Vec<_> = split(rows, threads).into_iter().map(start).collect();
        running.into_iter().map(|part| part.join().expect("a pass does not panic")).collect()
    })
}

/// Bounds of parts of nearly equal size, at least one.
fn split(rows: usize, threads: usize) -> Vec<(usize, usize)> {
    let threads = threads.clamp(1, rows.div_ceil(4 * PIECE).max(1));
    (0..threads).map(|part| (rows * part / threads, rows * (part + 1) / threads)).collect()
}

/// Coefficients by slot and cell.
pub(crate) fn spread(layout: &Layout, coefficients: &[f64]) -> Values {
    let mut values: Values = layout.slots.iter().map(|slot| zeros(layout, slot.block)).collect();
    for group in &layout.groups {
        let values = &mut values[group.slot];
        if group.place.is_empty() {
            values[0] += coefficients[group.columns[0]];
            continue;
        }
        for (value, &place) in values.iter_mut().zip(&group.place) {
            if place > 0 {
                *value += coefficients[group.columns[place as usize - 1]];
            }
        }
    }
    values
}

fn zeros(layout: &Layout, block: Option<usize>) -> Vec<f64> {
    vec![0.0; block.map_or(1, |block| layout.blocks[block].cells)]
}

/// Linear predictors of the rows that begin with `from`.
pub(crate) fn predict(
    layout: &Layout,
    rows: &Rows<'_>,
    values: &Values,
    from: usize,
    eta: &mut [f64],
) {
    let to = from + eta.len();
    match rows.offset {
        Some(offset) => eta.copy_from_slice(&offset[from..to]),
        None => eta.fill(0.0),
    }
    for (slot, values) in layout.slots.iter().zip(values) {
        let number = &rows.numbers[slot.number];
        match (slot.block, slot.number) {
            (None, 0) => eta.iter_mut().for_each(|eta| *eta += values[0]),
            (None, _) => {
                let numbers = &number[from..to];
                eta.iter_mut().zip(numbers).for_each(|(eta, x)| *eta += values[0] * x);
            }
            (Some(block), 0) => {
                let cells = &rows.cells[block][from..to];
                eta.iter_mut().zip(cells).for_each(|(eta, &cell)| *eta += values[cell as usize]);
            }
            (Some(block), _) => {
                let cells = rows.cells[block][from..to].iter().zip(&number[from..to]);
                eta.iter_mut().zip(cells).for_each(|(eta, (&cell, x))| {
                    *eta += values[cell as usize] * x;
                });
            }
        }
    }
}

/// Adds what some of the rows contribute.
pub(crate) fn take<K: Kernel>(
    layout: &Layout,
    rows: &Rows<'_>,
    values: &Values,
    kernel: K,
    Range { start: from, end: to }: Range<usize>,
    taken: &mut Taken,
) {
    let mut buffers = [[0.0; PIECE]; 4];
    let [eta, information, score, product] = &mut buffers;
    for start in (from..to).step_by(PIECE) {
        let end = (start + PIECE).min(to);
        let length = end - start;
        let (eta, information) = (&mut eta[..length], &mut information[..length]);
        let (score, product) = (&mut score[..length], &mut product[..length]);
        predict(layout, rows, values, start, eta);
        let response = &rows.response[start..end];
        for row in 0..length {
            let point = kernel.at(eta[row], response[row]);
            (score[row], information[row]) = (point.score, point.information);
            eta[row] = point.deviance;
        }
        if let Some(weight) = rows.weight {
            for (row, weight) in weight[start..end].iter().enumerate() {
                score[row] *= weight;
                information[row] *= weight;
                eta[row] *= weight;
            }
        }
        taken.deviance += eta.iter().sum::<f64>();
        for (slot, sums) in layout.slots.iter().zip(&mut taken.slots) {
            let by = times(score, &rows.numbers[slot.number], start, product);
            match slot.block {
                None => sums[0] += by.iter().sum::<f64>(),
                Some(block) => by_cell(sums, &rows.cells[block][start..end], by),
            }
        }
        for (table, sums) in layout.tables.iter().zip(&mut taken.tables) {
            let by = weighed(information, rows, table, start, product);
            match (table.first, table.second) {
                (Some(first), Some(second)) => {
                    let stride = layout.blocks[second].cells;
                    let second = &rows.cells[second][start..end];
                    let cells = rows.cells[first][start..end].iter().zip(second);
                    for ((&one, &other), value) in cells.zip(by) {
                        sums[one as usize * stride + other as usize] += value;
                    }
                }
                (None, Some(block)) => by_cell(sums, &rows.cells[block][start..end], by),
                _ => sums[0] += by.iter().sum::<f64>(),
            }
        }
    }
}

fn by_cell(sums: &mut [f64], cells: &[u32], values: &[f64]) {
    for (&cell, value) in cells.iter().zip(values) {
        sums[cell as usize] += value;
    }
}

/// `values` times a number, which is one when it has no values.
fn times<'a>(values: &'a [f64], number: &[f64], start: usize, product: &'a mut [f64]) -> &'a [f64] {
    if number.is_empty() {
        return values;
    }
    let numbers = &number[start..start + values.len()];
    for ((product, value), number) in product.iter_mut().zip(values).zip(numbers) {
        *product = value * number;
    }
    product
}

/// Information times both numbers of a table.
fn weighed<'a>(
    information: &'a [f64],
    rows: &Rows<'_>,
    table: &Table,
    start: usize,
    product: &'a mut [f64],
) -> &'a [f64] {
    let (left, right) = (&rows.numbers[table.left], &rows.numbers[table.right]);
    if table.left == 0 {
        return times(information, right, start, product);
    }
    let end = start + information.len();
    let numbers = left[start..end].iter().zip(&right[start..end]);
    for ((product, value), (left, right)) in product.iter_mut().zip(information).zip(numbers) {
        *product = value * left * right;
    }
    product
}

impl Taken {
    pub(crate) fn new(layout: &Layout) -> Taken {
        let size = |table: &Table| {
            let cells = |block: Option<usize>| block.map_or(1, |block| layout.blocks[block].cells);
            vec![0.0; cells(table.first) * cells(table.second)]
        };
        Taken {
            tables: layout.tables.iter().map(size).collect(),
            slots: layout.slots.iter().map(|slot| zeros(layout, slot.block)).collect(),
            deviance: 0.0,
        }
    }

    /// How many sums there are.
    pub(crate) fn numbers(&self) -> usize {
        self.tables.iter().chain(&self.slots).map(Vec::len).sum()
    }

    fn add(&mut self, other: &Taken) {
        let mine = self.tables.iter_mut().chain(&mut self.slots);
        for (mine, theirs) in mine.zip(other.tables.iter().chain(&other.slots)) {
            mine.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
        }
        self.deviance += other.deviance;
    }
}

/// Entries of the normal equations from the tables.
pub(crate) fn unfold(layout: &Layout, taken: &Taken) -> Sums {
    let mut information = Symmetric::zero(layout.columns());
    let mut score = vec![0.0; layout.columns()];
    for group in &layout.groups {
        let sums = &taken.slots[group.slot];
        if group.place.is_empty() {
            score[group.columns[0]] += sums[0];
        }
        for (&place, sum) in group.place.iter().zip(sums).filter(|(place, _)| **place > 0) {
            score[group.columns[place as usize - 1]] += sum;
        }
    }
    let mut folded: Option<(usize, usize, Vec<f64>)> = None;
    for pair in &layout.pairs {
        let table = &layout.tables[pair.table];
        if table.first.is_none() {
            unfold_cells(layout, pair, &taken.tables[pair.table], &mut information);
            continue;
        }
        let fits = folded.as_ref().is_some_and(|f| (f.0, f.1) == (pair.table, pair.second));
        if !fits {
            let fold = fold(layout, pair, &taken.tables[pair.table]);
            folded = Some((pair.table, pair.second, fold));
        }
        let Some((_, _, fold)) = &folded else { continue };
        let (first, second) = (&layout.groups[pair.first], &layout.groups[pair.second]);
        let width = second.columns.len() + 1;
        for (line, &place) in fold.chunks_exact(width).zip(&first.place) {
            if place > 0 {
                let row = first.columns[place as usize - 1];
                for (column, value) in second.columns.iter().zip(&line[1..]) {
                    information.add(row, *column, *value);
                }
            }
        }
    }
    Sums { information, score, deviance: taken.deviance }
}

/// A table of two blocks with the cells of the second one gathered by the columns of its group.
fn fold(layout: &Layout, pair: &Pair, sums: &[f64]) -> Vec<f64> {
    let second = &layout.groups[pair.second];
    let width = second.columns.len() + 1;
    let cells = second.place.len();
    let mut folded = vec![0.0; sums.len() / cells * width];
    for (line, sums) in folded.chunks_exact_mut(width).zip(sums.chunks_exact(cells)) {
        for (&place, sum) in second.place.iter().zip(sums) {
            line[place as usize] += sum;
        }
    }
    folded
}

/// Entries of two groups that share a block, or of which one or none has a block.
fn unfold_cells(layout: &Layout, pair: &Pair, sums: &[f64], information: &mut Symmetric) {
    let (first, second) = (&layout.groups[pair.first], &layout.groups[pair.second]);
    let column = |place: &[u32], columns: &[usize], cell: usize| match place.get(cell) {
        None => Some(columns[0]), // no factor: one column in every cell
        Some(0) => None,
        Some(&place) => Some(columns[place as usize - 1]),
    };
    for (cell, &sum) in sums.iter().enumerate() {
        let row = column(&first.place, &first.columns, cell);
        let column = column(&second.place, &second.columns, cell);
        if let (Some(row), Some(column)) = (row, column) {
            information.add(row, column, sum);
        }
    }
}

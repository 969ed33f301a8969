//! One pass over the rows: the sums of the normal equations, taken on all cores.
//!
//! A core reads its part of the rows in pieces that stay in its cache: predictors, then what each row
//! contributes, then one loop for each table. Nothing is decided here.

use std::thread;

use super::family::Kernel;
use super::layout::{Layout, Pair, Rows, Table};
use crate::linalg::Symmetric;

/// Rows of one piece.
const PIECE: usize = 1024;

/// What a pass yields.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    pub(crate) information: Symmetric,
    pub(crate) score: Vec<f64>,
    /// Without the part that depends on the responses alone.
    pub(crate) deviance: f64,
}

/// Sums as they are taken, by table and slot.
#[derive(Clone, Debug)]
struct Taken {
    tables: Vec<Vec<f64>>,
    slots: Vec<Vec<f64>>,
    deviance: f64,
}

/// Coefficients by slot and cell.
type Values = Vec<Vec<f64>>;

/// Takes the sums at `coefficients` with so many threads.
pub(crate) fn pass<K: Kernel>(
    layout: &Layout,
    rows: &Rows,
    coefficients: &[f64],
    kernel: K,
    threads: usize,
) -> Sums {
    let values = spread(layout, coefficients);
    let parts = split(rows.response.len(), threads);
    let mut taken: Vec<Taken> = thread::scope(|scope| {
        let values = &values;
        let work = |(from, to)| scope.spawn(move || take(layout, rows, values, kernel, from, to));
        let running: Vec<_> = parts.into_iter().map(work).collect();
        running.into_iter().map(|part| part.join().expect("a pass does not panic")).collect()
    });
    let mut sum = taken.remove(0);
    taken.iter().for_each(|part| sum.add(part));
    unfold(layout, &sum)
}

/// Linear predictors of all rows.
pub(crate) fn predictors(layout: &Layout, rows: &Rows, coefficients: &[f64]) -> Vec<f64> {
    let values = spread(layout, coefficients);
    let mut eta = vec![0.0; rows.response.len()];
    for (piece, from) in eta.chunks_mut(PIECE).zip((0..).step_by(PIECE)) {
        predict(layout, rows, &values, from, piece);
    }
    eta
}

/// Bounds of parts of nearly equal size, at least one.
fn split(rows: usize, threads: usize) -> Vec<(usize, usize)> {
    let threads = threads.clamp(1, rows.div_ceil(4 * PIECE).max(1));
    (0..threads).map(|part| (rows * part / threads, rows * (part + 1) / threads)).collect()
}

fn spread(layout: &Layout, coefficients: &[f64]) -> Values {
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

fn predict(layout: &Layout, rows: &Rows, values: &Values, from: usize, eta: &mut [f64]) {
    let to = from + eta.len();
    match &rows.offset {
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

fn take<K: Kernel>(
    layout: &Layout,
    rows: &Rows,
    values: &Values,
    kernel: K,
    from: usize,
    to: usize,
) -> Taken {
    let mut taken = Taken::new(layout);
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
        if let Some(weight) = &rows.weight {
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
    taken
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
    rows: &Rows,
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
    fn new(layout: &Layout) -> Taken {
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

    fn add(&mut self, other: &Taken) {
        let mine = self.tables.iter_mut().chain(&mut self.slots);
        for (mine, theirs) in mine.zip(other.tables.iter().chain(&other.slots)) {
            mine.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
        }
        self.deviance += other.deviance;
    }
}

/// Entries of the normal equations from the tables.
fn unfold(layout: &Layout, taken: &Taken) -> Sums {
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

//! Which columns a design has and which sums over rows its normal equations consist of.
//!
//! Factors are packed into *blocks*: a row names one cell of each block, a combination of levels. Every
//! entry of X'WX is then a sum of weights, perhaps times two numbers, over the rows of one cell, or of
//! one pair of cells. Few such tables are taken per row, and unfolded into the entries afterwards.
//!
//! Numbers are centred and orthogonalised, so that powers of one number or a spline keep their digits;
//! coefficients come back to the columns as they were given.

use std::collections::HashMap;
use std::ops::Range;

use super::frame::finite_rows;
use super::term::Part;
use super::{Frame, GlmError, Term};
use crate::linalg::dot;

/// Blocks are filled up to so many cells: a table over two of them stays in the cache of a core.
const BLOCK_CELLS: usize = 256;

/// What is left of a number by the ones before it, relative to itself, below which it is aliased.
const NUMBER_TOLERANCE: f64 = 1e-9;

/// The numbers of a design are orthogonal to each other, or only of one scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    Orthogonal,
    /// A penalty is on coefficients of columns as they are; so columns must not be mixed.
    Scaled,
}

/// A set of factors whose combination of levels is one cell number.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) cells: usize,
    /// Names of the factors, how many levels they have, and the stride of their codes.
    factors: Vec<(String, usize, usize)>,
}

/// Columns that share their factors and their number.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Index into [`Layout::slots`].
    pub(crate) slot: usize,
    /// Place in `columns`, counted from one, for every cell of the block; 0 is none.
    pub(crate) place: Vec<u32>,
    pub(crate) columns: Vec<usize>,
}

/// A block (or none) and a number (0 is one): where scores are summed and predictors looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) block: Option<usize>,
    pub(crate) number: usize,
}

/// A table of sums of weight × left × right by cells of none, one or two blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    pub(crate) first: Option<usize>,
    pub(crate) second: Option<usize>,
    pub(crate) left: usize,
    pub(crate) right: usize,
}

/// Two groups and the table their entries come from; the first group lies in the first block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) table: usize,
    pub(crate) first: usize,
    pub(crate) second: usize,
}

/// The plan of a design.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) names: Vec<String>,
    /// Columns of each term.
    pub(crate) terms: Vec<Range<usize>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) groups: Vec<Group>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) tables: Vec<Table>,
    pub(crate) pairs: Vec<Pair>,
    basis: Basis,
}

/// Rows in the form a pass reads.
#[derive(Clone, Debug)]
pub(crate) struct Rows<'a> {
    /// Cell of each row, by block.
    pub(crate) cells: Vec<Vec<u32>>,
    /// Values of each number; the first is one and has none.
    pub(crate) numbers: Vec<Vec<f64>>,
    pub(crate) response: &'a [f64],
    pub(crate) weight: Option<&'a [f64]>,
    pub(crate) offset: Option<&'a [f64]>,
}

/// How coefficients of the numbers as fitted become those of the columns as given.
#[derive(Clone, Debug, Default)]
struct Basis {
    /// Columns of numbers that stand alone, what was subtracted, and the triangular factor.
    columns: Vec<usize>,
    centres: Vec<f64>,
    /// Row by row; number j as given is its centre plus Σ over k ≤ j of factor[k][j] × fitted k.
    factor: Vec<Vec<f64>>,
    /// Columns of numbers times levels, and what they were divided by.
    scaled: Vec<(usize, f64)>,
}

impl Layout {
    /// Plans the design of `terms` over the rows of `frame` and packs them.
    ///
    /// `weight` only decides how numbers are centred; response, weight and offset are the caller's.
    pub(crate) fn plan<'a>(
        frame: &Frame,
        terms: &[Term],
        weight: Option<&[f64]>,
        kind: Numbers,
    ) -> Result<(Layout, Rows<'a>), GlmError> {
        let mut parts = vec![Part { factors: vec![], number: None }];
        let mut ends = vec![];
        for term in terms {
            term.has_bases(frame)?;
            parts.extend(term.parts(frame)?);
            ends.push(parts.len());
        }
        let blocks = pack(frame, &parts)?;
        let mut layout = Layout {
            names: vec![],
            terms: vec![],
            groups: vec![],
            slots: vec![],
            tables: vec![],
            pairs: vec![],
            basis: Basis::default(),
            blocks,
        };
        let mut numbers = vec![vec![]];
        let mut scaled = HashMap::<String, usize>::new();
        let mut begins = vec![];
        for part in parts {
            let alone = part.factors.is_empty();
            let first = layout.names.len();
            begins.push(first);
            let mut number_name = "(Intercept)".to_owned();
            let number = match part.number {
                None => 0,
                Some((name, values)) => {
                    finite_rows(&name, &values)?;
                    number_name.clone_from(&name);
                    let known = if alone { None } else { scaled.get(&name).copied() };
                    known.unwrap_or_else(|| {
                        numbers.push(values);
                        if !alone {
                            scaled.insert(name.clone(), numbers.len() - 1);
                        }
                        numbers.len() - 1
                    })
                }
            };
            layout.group(frame, &part.factors, number, &number_name)?;
            if number > 0 && alone {
                layout.basis.columns.push(first);
            }
        }
        begins.push(layout.names.len());
        let ends = [1].into_iter().chain(ends).collect::<Vec<_>>();
        layout.terms = ends.windows(2).map(|ends| begins[ends[0]]..begins[ends[1]]).collect();
        layout.orthogonalise(&mut numbers, weight, kind)?;
        layout.scale(&mut numbers, &scaled.into_values().collect::<Vec<_>>())?;
        layout.join();
        let cells =
            layout.blocks.iter().map(|block| block.codes(frame)).collect::<Result<_, _>>()?;
        let rows = Rows { cells, numbers, response: &[], weight: None, offset: None };
        Ok((layout, rows))
    }

    pub(crate) fn columns(&self) -> usize {
        self.names.len()
    }

    /// Coefficients of the columns as they were given.
    pub(crate) fn restore(&self, fitted: &[f64]) -> Vec<f64> {
        let mut given = fitted.to_vec();
        let basis = &self.basis;
        for j in (0..basis.columns.len()).rev() {
            let mut left = given[basis.columns[j]];
            for k in j + 1..basis.columns.len() {
                left -= basis.factor[j][k] * given[basis.columns[k]];
            }
            given[basis.columns[j]] = left / basis.factor[j][j];
        }
        for (column, centre) in basis.columns.iter().zip(&basis.centres) {
            given[0] -= centre * given[*column];
        }
        basis.scaled.iter().for_each(|&(column, scale)| given[column] /= scale);
        given
    }

    /// What each column was divided by, for numbers that were scaled only.
    pub(crate) fn scales(&self) -> Vec<f64> {
        let mut scales = vec![1.0; self.columns()];
        for (j, &column) in self.basis.columns.iter().enumerate() {
            scales[column] = self.basis.factor[j][j];
        }
        self.basis.scaled.iter().for_each(|&(column, scale)| scales[column] = scale);
        scales
    }

    /// Adds the columns of one part of a term.
    fn group(
        &mut self,
        frame: &Frame,
        factors: &[(String, String)],
        number: usize,
        number_name: &str,
    ) -> Result<(), GlmError> {
        let block = factors.first().map(|(name, _)| self.block_of(name));
        let slot = Slot { block, number };
        let slot = self.slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        });
        let mut group = Group { slot, place: vec![], columns: vec![] };
        let Some(block) = block else {
            group.columns.push(self.names.len());
            self.names.push(number_name.to_owned());
            self.groups.push(group);
            return Ok(());
        };
        // Combinations of levels without a base, the last factor changing fastest.
        let mut choices: Vec<(Vec<u32>, String)> = vec![(vec![], String::new())];
        for (name, base) in factors {
            let (levels, _) = frame.factor(name)?;
            let open = levels.iter().enumerate().filter(|(_, level)| *level != base);
            choices = choices
                .iter()
                .flat_map(|(codes, text)| {
                    open.clone().map(move |(code, level)| {
                        let codes = codes.iter().copied().chain([code as u32]).collect();
                        let colon = if text.is_empty() { "" } else { ":" };
                        (codes, format!("{text}{colon}{name}={level}"))
                    })
                })
                .collect();
        }
        let mut places = HashMap::<Vec<u32>, u32>::new();
        for (codes, text) in choices {
            group.columns.push(self.names.len());
            places.insert(codes, group.columns.len() as u32);
            let text = if number == 0 { text } else { format!("{text}:{number_name}") };
            self.names.push(text);
        }
        let block = &self.blocks[block];
        group.place = (0..block.cells)
            .map(|cell| {
                let codes =
                    factors.iter().map(|(name, _)| block.code(name, cell)).collect::<Vec<_>>();
                places.get(&codes).copied().unwrap_or(0)
            })
            .collect();
        self.groups.push(group);
        Ok(())
    }

    fn block_of(&self, factor: &str) -> usize {
        let holds = |block: &Block| block.factors.iter().any(|(name, _, _)| name == factor);
        self.blocks.iter().position(holds).expect("every factor of a part was packed")
    }

    /// Centres the numbers that stand alone and makes them orthogonal, one after the other.
    fn orthogonalise(
        &mut self,
        numbers: &mut [Vec<f64>],
        weight: Option<&[f64]>,
        kind: Numbers,
    ) -> Result<(), GlmError> {
        let columns = self.basis.columns.clone();
        let count = columns.len();
        let sum = |values: &[f64]| match weight {
            Some(weight) => dot(values, weight),
            None => values.iter().sum(),
        };
        let product = |a: &[f64], b: &[f64]| match weight {
            Some(weight) => a.iter().zip(b).zip(weight).map(|((a, b), w)| a * b * w).sum::<f64>(),
            None => dot(a, b),
        };
        let rows = numbers.get(1).map_or(0, Vec::len);
        let total = weight.map_or(rows as f64, |weight| weight.iter().sum());
        self.basis.factor = vec![vec![0.0; count]; count];
        let places: Vec<usize> = self
            .groups
            .iter()
            .filter(|group| columns.contains(&group.columns[0]) && group.place.is_empty())
            .map(|group| self.slots[group.slot].number)
            .collect();
        for j in 0..count {
            let name = || self.names[columns[j]].clone();
            let (before, rest) = numbers.split_at_mut(places[j]);
            let values = &mut rest[0];
            if values.iter().all(|&value| value == 0.0) {
                return Err(GlmError::ZeroColumn(name()));
            }
            let centre = sum(values) / total;
            values.iter_mut().for_each(|value| *value -= centre);
            let size = product(values, values).sqrt();
            if kind == Numbers::Orthogonal {
                for (k, &place) in places[..j].iter().enumerate() {
                    let earlier = &before[place];
                    let along = product(earlier, values) / total;
                    values.iter_mut().zip(earlier).for_each(|(value, e)| *value -= along * e);
                    self.basis.factor[k][j] = along;
                }
            }
            let left = product(values, values).sqrt();
            // Negated so that a column that is no number is refused too.
            let apart =
                left > NUMBER_TOLERANCE * size && size > 1e-13 * centre.abs() * total.sqrt();
            if !apart {
                return Err(GlmError::Aliased(name()));
            }
            let scale = left / total.sqrt();
            values.iter_mut().for_each(|value| *value /= scale);
            self.basis.factor[j][j] = scale;
            self.basis.centres.push(centre);
        }
        Ok(())
    }

    /// Brings numbers that are multiplied with levels to one scale. They are not centred: their
    /// levels need not be in the model by themselves.
    fn scale(&mut self, numbers: &mut [Vec<f64>], places: &[usize]) -> Result<(), GlmError> {
        for &place in places {
            let values = &mut numbers[place];
            let mut columns = self
                .groups
                .iter()
                .filter(|group| !group.place.is_empty() && self.slots[group.slot].number == place)
                .flat_map(|group| group.columns.iter().copied());
            let scale = (dot(values, values) / values.len() as f64).sqrt();
            if scale == 0.0 {
                let column = columns.next().expect("a number is made for a group");
                return Err(GlmError::ZeroColumn(self.names[column].clone()));
            }
            self.basis.scaled.extend(columns.map(|column| (column, scale)));
            values.iter_mut().for_each(|value| *value /= scale);
        }
        Ok(())
    }

    /// Lists the tables that all pairs of groups need.
    fn join(&mut self) {
        for second in 0..self.groups.len() {
            for first in 0..=second {
                let slots = [first, second].map(|group| self.slots[self.groups[group].slot]);
                let (mut pair, mut slots) = ((first, second), (slots[0], slots[1]));
                if slots.0.block > slots.1.block {
                    (pair, slots) = ((pair.1, pair.0), (slots.1, slots.0));
                }
                let same = slots.0.block == slots.1.block;
                let table = Table {
                    first: if same { None } else { slots.0.block },
                    second: slots.1.block,
                    left: slots.0.number.min(slots.1.number),
                    right: slots.0.number.max(slots.1.number),
                };
                let known = self.tables.iter().position(|known| *known == table);
                let table = known.unwrap_or_else(|| {
                    self.tables.push(table);
                    self.tables.len() - 1
                });
                self.pairs.push(Pair { table, first: pair.0, second: pair.1 });
            }
        }
        // Pairs that need the same fold of a table come one after the other.
        self.pairs.sort_by_key(|pair| (pair.table, pair.second, pair.first));
    }
}

impl Block {
    /// Code of a factor in a cell.
    fn code(&self, factor: &str, cell: usize) -> u32 {
        let own = self.factors.iter().find(|(name, _, _)| name == factor);
        own.map_or(0, |&(_, levels, stride)| (cell / stride % levels) as u32)
    }

    fn codes(&self, frame: &Frame) -> Result<Vec<u32>, GlmError> {
        let mut cells = vec![0; frame.rows()];
        for (name, _, stride) in &self.factors {
            let (_, codes) = frame.factor(name)?;
            cells.iter_mut().zip(codes).for_each(|(cell, code)| *cell += code * *stride as u32);
        }
        Ok(cells)
    }
}

/// Packs factors into blocks: those of one interaction together, then whatever fits, largest first.
fn pack(frame: &Frame, parts: &[Part]) -> Result<Vec<Block>, GlmError> {
    let mut sets: Vec<Vec<String>> = vec![];
    for part in parts {
        let mut joint: Vec<String> = part.factors.iter().map(|(name, _)| name.clone()).collect();
        joint.sort_unstable();
        if joint.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(GlmError::Argument("a factor multiplied with itself"));
        }
        let (touching, apart): (Vec<_>, Vec<_>) =
            sets.into_iter().partition(|set| set.iter().any(|name| joint.contains(name)));
        sets = apart;
        joint.extend(touching.into_iter().flatten());
        joint.sort_unstable();
        joint.dedup();
        if !joint.is_empty() {
            sets.push(joint);
        }
    }
    let mut sized = vec![];
    for set in sets {
        let mut levels = vec![];
        for name in set {
            let count = frame.factor(&name)?.0.len();
            levels.push((name, count));
        }
        let cells: usize = levels.iter().map(|(_, count)| count).product();
        sized.push((cells, levels));
    }
    sized.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut blocks: Vec<Block> = vec![];
    for (cells, levels) in sized {
        let room = blocks.iter().position(|block| block.cells * cells <= BLOCK_CELLS);
        let place = room.unwrap_or_else(|| {
            blocks.push(Block { cells: 1, factors: vec![] });
            blocks.len() - 1
        });
        for (name, count) in levels {
            let block = &mut blocks[place];
            block.factors.push((name, count, block.cells));
            block.cells *= count;
        }
    }
    if blocks.iter().any(|block| block.cells > u32::MAX as usize / 2) {
        return Err(GlmError::Argument("number of combinations of levels"));
    }
    Ok(blocks)
}

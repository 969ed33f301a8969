//! Which columns a design has and which sums over rows its normal equations consist of.
//!
//! Factors are packed into *blocks*: a row names one cell of each block, a combination of levels. Every
//! entry of X'WX is then a sum of weights, perhaps times two numbers, over the rows of one cell, or of
//! one pair of cells. Few such tables are taken per row, and unfolded into the entries afterwards.
//!
//! A plan needs the levels of the factors but no row; rows are packed by it, and numbers brought to its
//! [`Basis`].

use std::collections::HashMap;
use std::ops::Range;

use super::basis::{Alone, Basis, Scaled};
use super::frame::finite_rows;
use super::term::{Number, Part};
use super::{Frame, GlmError, Term};

/// Blocks are filled up to so many cells: a table over two of them stays in the cache of a core.
const BLOCK_CELLS: usize = 256;

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
    /// How the numbers come from columns; the first is number 1.
    pub(crate) numbers: Vec<Number>,
    pub(crate) basis: Basis,
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

impl Layout {
    /// Plans the design of `terms` for the levels of `frame`, whose rows do not matter; numbers are
    /// still as they are in the columns.
    pub(crate) fn plan(frame: &Frame, terms: &[Term]) -> Result<Layout, GlmError> {
        let mut parts = vec![Part { factors: vec![], number: None }];
        let mut ends = vec![1];
        for term in terms {
            term.has_bases(frame)?;
            parts.extend(term.parts(frame)?);
            ends.push(parts.len());
        }
        let mut layout = Layout {
            names: vec![],
            terms: vec![],
            blocks: pack(frame, &parts)?,
            groups: vec![],
            slots: vec![],
            tables: vec![],
            pairs: vec![],
            numbers: vec![],
            basis: Basis::default(),
        };
        let mut begins = vec![];
        for part in &parts {
            begins.push(layout.names.len());
            layout.add(frame, part)?;
        }
        begins.push(layout.names.len());
        layout.terms = ends.windows(2).map(|ends| begins[ends[0]]..begins[ends[1]]).collect();
        layout.join();
        Ok(layout)
    }

    /// Packs the rows of `frame`, numbers as they are in the columns.
    ///
    /// Response, weight and offset are the caller's.
    pub(crate) fn rows<'a>(&self, frame: &Frame) -> Result<Rows<'a>, GlmError> {
        let mut numbers = vec![vec![]];
        for number in &self.numbers {
            let values = number.values(|name| frame.numbers(name))?;
            finite_rows(&number.name, &values)?;
            numbers.push(values);
        }
        let codes = |name: &str| frame.factor(name).map(|(_, codes)| codes);
        let cells = self.cells(frame.rows(), codes)?;
        Ok(Rows { cells, numbers, response: &[], weight: None, offset: None })
    }

    /// Cells of so many rows, by block, from the codes of factors.
    pub(crate) fn cells<'a>(
        &self,
        rows: usize,
        codes: impl Fn(&str) -> Result<&'a [u32], GlmError>,
    ) -> Result<Vec<Vec<u32>>, GlmError> {
        let block = |block: &Block| {
            let mut cells = vec![0; rows];
            for (name, _, stride) in &block.factors {
                let codes = codes(name)?;
                cells.iter_mut().zip(codes).for_each(|(cell, code)| *cell += code * *stride as u32);
            }
            Ok(cells)
        };
        self.blocks.iter().map(block).collect()
    }

    pub(crate) fn columns(&self) -> usize {
        self.names.len()
    }

    /// Adds the columns of one part, and its number unless that is there already.
    fn add(&mut self, frame: &Frame, part: &Part) -> Result<(), GlmError> {
        let first = self.names.len();
        let alone = part.factors.is_empty();
        let Some(number) = &part.number else {
            return self.group(frame, &part.factors, 0, "(Intercept)");
        };
        let scaled = &self.basis.scaled;
        let known =
            scaled.iter().position(|known| self.numbers[known.number - 1].name == number.name);
        let known = known.filter(|_| !alone);
        let place = known.map_or(self.numbers.len() + 1, |known| scaled[known].number);
        if known.is_none() {
            self.numbers.push(number.clone());
        }
        self.group(frame, &part.factors, place, &number.name)?;
        let columns = first..self.names.len();
        match known {
            _ if alone => self.basis.alone.push(Alone { number: place, column: first }),
            Some(known) => self.basis.scaled[known].columns.extend(columns),
            None => {
                let columns = columns.collect();
                self.basis.scaled.push(Scaled { number: place, columns, scale: 1.0 });
            }
        }
        Ok(())
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
        let cells = levels.iter().fold(1_usize, |cells, (_, count)| cells.saturating_mul(*count));
        sized.push((cells, levels));
    }
    sized.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut blocks: Vec<Block> = vec![];
    for (cells, levels) in sized {
        let room = blocks.iter().position(|block| block.cells.saturating_mul(cells) <= BLOCK_CELLS);
        let place = room.unwrap_or_else(|| {
            blocks.push(Block { cells: 1, factors: vec![] });
            blocks.len() - 1
        });
        for (name, count) in levels {
            let block = &mut blocks[place];
            block.factors.push((name, count, block.cells));
            block.cells = block.cells.saturating_mul(count);
        }
    }
    if blocks.iter().any(|block| block.cells > u32::MAX as usize / 2) {
        return Err(GlmError::Argument("number of combinations of levels"));
    }
    Ok(blocks)
}

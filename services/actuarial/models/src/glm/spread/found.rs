//! What tallies find: sums of rows, which add up in any order, and their bytes.
//!
//! How many sums there are follows from the question, so bytes hold no lengths but those of texts; sums
//! may be no numbers, such as those of a step that went too far.

use super::factor::Factor;
use super::question::{Asked, Plan};
use crate::glm::layout::Layout;
use crate::glm::negative_binomial::Shape;
use crate::glm::pass::{Present, Sums, Taken, absent, unfold};
use crate::glm::source::{Alone, Totals};
use crate::linalg::Symmetric;
use crate::stored::{Reader, StoredError, Writer};

/// What is found out about rows before a design is planned.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    /// Rows with a weight above zero.
    pub(super) counted: u64,
    pub(super) weight: f64,
    pub(super) totals: Totals,
    pub(super) has_offset: bool,
    /// One for each number of the design.
    pub(super) numbers: Vec<Moments>,
}

/// First sums of a number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    /// Σ weight × x.
    pub(super) sum: f64,
    /// Σ x².
    pub(super) squares: f64,
    pub(super) is_zero_everywhere: bool,
}

/// Products of the numbers that stand alone, and what is present.
#[derive(Clone, Debug)]
pub(super) struct Products {
    /// Σ weight × x × y, by their places among those that stand alone.
    pub(super) products: Symmetric,
    pub(super) present: Vec<Vec<Present>>,
}

/// The sums of the normal equations: as they are taken from rows, and those of other tallies.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) taken: Option<Taken>,
    pub(super) sums: Sums,
}

/// How far responses are from their means, how likely they are, and what came where how much was
/// expected.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    pub(super) counted: u64,
    pub(super) pearson: f64,
    pub(super) likelihood: f64,
    pub(super) deviance: f64,
    pub(super) all: Compared,
    /// By factor of the plan and its levels.
    pub(super) levels: Vec<Vec<Compared>>,
}

/// What came and what was expected of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compared {
    /// How many rows, with or without weight.
    pub rows: u64,
    /// Their volume.
    pub volume: f64,
    /// Σ weight × response.
    pub observed: f64,
    /// Σ weight × mean.
    pub expected: f64,
}

/// What a tally has found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Survey(Survey),
    Products(Products),
    Pass(Pass),
    Closing(Closing),
    Alone(Alone),
    Shape(Shape),
}

impl Survey {
    fn of(layout: &Layout) -> Survey {
        let zero = Moments { is_zero_everywhere: true, ..Moments::default() };
        Survey { numbers: vec![zero; layout.numbers.len()], ..Survey::default() }
    }
}

impl Products {
    fn of(layout: &Layout) -> Products {
        let products = Symmetric::zero(layout.basis.alone.len());
        Products { products, present: absent(layout) }
    }
}

impl Pass {
    fn of(layout: &Layout) -> Pass {
        let (information, score) = (Symmetric::zero(layout.columns()), vec![0.0; layout.columns()]);
        Pass { taken: None, sums: Sums { information, score, deviance: 0.0 } }
    }

    /// All of the sums.
    pub(super) fn whole(&self, layout: &Layout) -> Sums {
        let mut sums = self.sums.clone();
        if let Some(taken) = &self.taken {
            sums.add(&unfold(layout, taken));
        }
        sums
    }
}

impl Closing {
    pub(super) fn of(plan: &Plan) -> Closing {
        let none = |(_, levels): &(String, Vec<String>)| vec![Compared::default(); levels.len()];
        Closing {
            counted: 0,
            pearson: 0.0,
            likelihood: 0.0,
            deviance: 0.0,
            all: Compared::default(),
            levels: plan.levels.iter().map(none).collect(),
        }
    }

    fn compared(&mut self) -> impl Iterator<Item = &mut Compared> {
        std::iter::once(&mut self.all).chain(self.levels.iter_mut().flatten())
    }

    pub(super) fn add(&mut self, mut other: Closing) {
        self.counted += other.counted;
        self.pearson += other.pearson;
        self.likelihood += other.likelihood;
        self.deviance += other.deviance;
        self.compared().zip(other.compared()).for_each(|(mine, theirs)| mine.add(*theirs));
    }
}

impl Compared {
    /// One row.
    pub fn row(volume: f64, weight: f64, response: f64, mean: f64) -> Compared {
        Compared { rows: 1, volume, observed: weight * response, expected: weight * mean }
    }

    /// Adds other rows.
    pub fn add(&mut self, other: Compared) {
        self.rows += other.rows;
        self.volume += other.volume;
        self.observed += other.observed;
        self.expected += other.expected;
    }
}

impl Found {
    /// Nothing yet, in answer to a question about rows of this layout.
    pub(super) fn of(asked: &Asked, layout: &Layout) -> Found {
        match asked {
            Asked::Survey => Found::Survey(Survey::of(layout)),
            Asked::Products(_) => Found::Products(Products::of(layout)),
            Asked::Pass { .. } => Found::Pass(Pass::of(layout)),
            Asked::Closing { plan, .. } => Found::Closing(Closing::of(plan)),
            Asked::Alone { .. } => Found::Alone(Alone::default()),
            Asked::Shape { .. } => Found::Shape(Shape::default()),
        }
    }

    /// Adds what another tally of the question found.
    pub(super) fn add(&mut self, other: Found) {
        match (self, other) {
            (Found::Survey(mine), Found::Survey(theirs)) => {
                mine.counted += theirs.counted;
                mine.weight += theirs.weight;
                mine.totals.add(theirs.totals);
                mine.has_offset |= theirs.has_offset;
                for (mine, theirs) in mine.numbers.iter_mut().zip(theirs.numbers) {
                    mine.sum += theirs.sum;
                    mine.squares += theirs.squares;
                    mine.is_zero_everywhere &= theirs.is_zero_everywhere;
                }
            }
            (Found::Products(mine), Found::Products(theirs)) => {
                mine.products.sum(&theirs.products);
                for (mine, theirs) in mine.present.iter_mut().zip(theirs.present) {
                    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.add(theirs));
                }
            }
            (Found::Pass(mine), Found::Pass(theirs)) => mine.sums.add(&theirs.sums),
            (Found::Closing(mine), Found::Closing(theirs)) => mine.add(theirs),
            (Found::Alone(mine), Found::Alone(theirs)) => mine.add(theirs),
            (Found::Shape(mine), Found::Shape(theirs)) => mine.add(theirs),
            // Both are of one question, which says what is found.
            _ => {}
        }
    }

    pub(super) fn write(&self, layout: &Layout, factors: &[Factor], to: &mut Writer) {
        match self {
            Found::Survey(survey) => {
                to.word(survey.counted);
                to.byte(u8::from(survey.has_offset));
                let totals = survey.totals;
                for value in [survey.weight, totals.claims, totals.exposure, totals.constant] {
                    to.number(value);
                }
                for number in &survey.numbers {
                    to.number(number.sum);
                    to.number(number.squares);
                    to.byte(u8::from(number.is_zero_everywhere));
                }
                factors.iter().for_each(|factor| to.texts(&factor.levels()));
            }
            Found::Products(found) => {
                to.triangle(&found.products);
                for present in found.present.iter().flatten() {
                    let bits = [present.any, present.above_zero, present.below_one];
                    to.byte(bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit)));
                }
            }
            Found::Pass(pass) => {
                let sums = pass.whole(layout);
                to.number(sums.deviance);
                sums.score.iter().for_each(|score| to.number(*score));
                to.triangle(&sums.information);
            }
            Found::Closing(closing) => {
                to.word(closing.counted);
                for sum in [closing.pearson, closing.likelihood, closing.deviance] {
                    to.number(sum);
                }
                for one in std::iter::once(&closing.all).chain(closing.levels.iter().flatten()) {
                    to.word(one.rows);
                    [one.volume, one.observed, one.expected].iter().for_each(|sum| to.number(*sum));
                }
            }
            Found::Shape(Shape { over, squares, first, second }) => {
                [over, squares, first, second].iter().for_each(|value| to.number(**value));
            }
            Found::Alone(Alone { score, information, deviance }) => {
                [score, information, deviance].iter().for_each(|value| to.number(**value));
            }
        }
    }

    /// What another tally of the same question wrote; levels are added to `factors`.
    pub(super) fn read(
        &self,
        layout: &Layout,
        factors: &mut [Factor],
        from: &mut Reader<'_>,
    ) -> Result<Found, StoredError> {
        Ok(match self {
            Found::Survey(own) => {
                let counted = from.word()?;
                let has_offset = flag(from)?;
                let weight = from.sum()?;
                let totals =
                    Totals { claims: from.sum()?, exposure: from.sum()?, constant: from.sum()? };
                let moments = |_| {
                    let (sum, squares) = (from.sum()?, from.sum()?);
                    Ok(Moments { sum, squares, is_zero_everywhere: flag(from)? })
                };
                let numbers =
                    (0..own.numbers.len()).map(moments).collect::<Result<_, StoredError>>()?;
                for factor in factors {
                    factor.extend(from.texts(super::factor::MOST + 1)?);
                }
                Found::Survey(Survey { counted, weight, totals, has_offset, numbers })
            }
            Found::Products(_) => {
                let mut found = Products::of(layout);
                found.products = from.triangle(layout.basis.alone.len())?;
                for present in found.present.iter_mut().flatten() {
                    let byte = from.byte()?;
                    let bit = |place: u8| byte >> place & 1 == 1;
                    *present = Present { any: bit(2), above_zero: bit(1), below_one: bit(0) };
                }
                Found::Products(found)
            }
            Found::Pass(_) => {
                let deviance = from.sum()?;
                let score = (0..layout.columns()).map(|_| from.sum()).collect::<Result<_, _>>()?;
                let information = from.triangle(layout.columns())?;
                Found::Pass(Pass { taken: None, sums: Sums { information, score, deviance } })
            }
            Found::Closing(own) => {
                let mut found = own.clone();
                found.counted = from.word()?;
                (found.pearson, found.likelihood) = (from.sum()?, from.sum()?);
                found.deviance = from.sum()?;
                for one in found.compared() {
                    one.rows = from.word()?;
                    (one.volume, one.observed) = (from.sum()?, from.sum()?);
                    one.expected = from.sum()?;
                }
                Found::Closing(found)
            }
            Found::Shape(_) => Found::Shape(Shape {
                over: from.sum()?,
                squares: from.sum()?,
                first: from.sum()?,
                second: from.sum()?,
            }),
            Found::Alone(_) => Found::Alone(Alone {
                score: from.sum()?,
                information: from.sum()?,
                deviance: from.sum()?,
            }),
        })
    }
}

impl Writer {
    fn triangle(&mut self, matrix: &Symmetric) {
        for row in 0..matrix.size() {
            (0..=row).for_each(|column| self.number(matrix.at(row, column)));
        }
    }
}

impl Reader<'_> {
    /// A sum, which may be no number.
    fn sum(&mut self) -> Result<f64, StoredError> {
        self.word().map(f64::from_bits)
    }

    fn triangle(&mut self, size: usize) -> Result<Symmetric, StoredError> {
        let mut matrix = Symmetric::zero(size);
        for row in 0..size {
            for column in 0..=row {
                matrix.add(row, column, self.sum()?);
            }
        }
        Ok(matrix)
    }
}

fn flag(from: &mut Reader<'_>) -> Result<bool, StoredError> {
    match from.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(StoredError("a byte is neither yes nor no")),
    }
}

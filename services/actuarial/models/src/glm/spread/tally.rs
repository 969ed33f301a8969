//! Answering a question over some of the rows.

use std::fmt;

use super::batch::Batch;
use super::factor::Factor;
use super::fault::Fault;
use super::fnv::fingerprint;
use super::found::{Closing, Compared, Found, Products, Survey};
use super::question::{Asked, Columns, Plan, Question, VERSION};
use super::{TallyError, Texts};
use crate::glm::family::{Kernel, WithKernel, with_kernel};
use crate::glm::layout::{Layout, Rows};
use crate::glm::negative_binomial::{Shape, Size};
use crate::glm::pass::{PIECE, Taken, Values, predict, see, spread, take};
use crate::glm::source::Alone;
use crate::glm::{GlmError, Model};
use crate::linalg::dot;
use crate::stored::{Reader, Writer};

/// What is found in some of the rows, in answer to one question.
///
/// Rows are added in batches and tallies of other rows merged in any order, which makes no difference
/// but to the last digits of sums. It is computed by the thread that adds.
pub struct Tally {
    question: u64,
    model: Model,
    asked: Asked,
    layout: Layout,
    columns: Columns,
    factors: Vec<Factor>,
    /// Coefficients by slot and cell, where there are any.
    values: Values,
    rows: u64,
    fault: Option<Fault>,
    found: Found,
}

impl Tally {
    /// Begins to answer a question, without rows.
    pub fn of(question: &[u8]) -> Result<Tally, TallyError> {
        let read = Question::from_bytes(question)?;
        let malformed = |_: GlmError| TallyError::Malformed("its model cannot be");
        read.family.check(read.link).map_err(malformed)?;
        let columns = match read.asked {
            Asked::Alone { .. } => Columns::default(),
            _ => Columns::of(&read.terms).map_err(malformed)?,
        };
        // Sums by level are in the order of the columns.
        let names = |plan: &Plan| plan.levels.iter().map(|(name, _)| name).eq(&columns.texts);
        if !read.asked.plan().is_none_or(names) {
            return Err(TallyError::Malformed("its factors are not those of its terms"));
        }
        let layout = read.layout().map_err(malformed)?;
        let found = Found::of(&read.asked, &layout);
        let (plan, at) = (read.asked.plan(), read.asked.at());
        // Functions of what is not positive would not come to an end.
        let is_in_range = match read.asked {
            Asked::Closing { dispersion, .. } => dispersion >= 0.0,
            Asked::Shape { alpha, .. } => alpha > 0.0,
            _ => true,
        };
        if !is_in_range {
            return Err(TallyError::Malformed("a parameter is out of range"));
        }
        if at.is_some_and(|at| at.len() != layout.columns()) {
            return Err(TallyError::Malformed("there is not one coefficient for each column"));
        }
        let factor = |name: &String| {
            let mut known = plan.iter().flat_map(|plan| &plan.levels);
            let known = known.find(|(known, _)| known == name);
            Factor::new(name, known.map_or(&[], |(_, levels)| levels))
        };
        Ok(Tally {
            question: fingerprint(question),
            values: at.map_or_else(Vec::new, |at| spread(&layout, at)),
            factors: columns.texts.iter().map(factor).collect(),
            model: read.model(),
            asked: read.asked,
            layout,
            columns,
            rows: 0,
            fault: None,
            found,
        })
    }

    /// The columns every batch must have beside the response, weight and offset.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Adds rows. What is wrong with values is kept for whoever asked; only a batch without a column,
    /// with columns of different lengths or codes beyond their texts is an error, and changes nothing.
    pub fn add(&mut self, batch: &Batch<'_>) -> Result<(), TallyError> {
        let mut fault = self.fault.clone();
        batch.check(self.model.family, &mut fault)?;
        for name in &self.columns.numbers {
            if !batch.number(name)?.iter().all(|value| value.is_finite()) {
                Fault::Number(name.clone()).note(&mut fault);
            }
        }
        let texts = self.columns.texts.iter().map(|name| batch.text(name));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let codes = self.codes(&texts, &mut fault)?;
        if fault.is_none() {
            let mut numbers = vec![vec![]];
            for number in &self.layout.numbers {
                let values = number.values(|name| batch.number(name))?;
                if values.iter().any(|value| !value.is_finite()) {
                    Fault::Number(number.name.clone()).note(&mut fault);
                }
                numbers.push(values);
            }
            self.layout.bring(&mut numbers);
            let code_of = |name: &str| {
                let place = self.columns.texts.iter().position(|known| known == name);
                Ok(place.map_or(&[][..], |place| codes[place].as_slice()))
            };
            let cells = self.layout.cells(batch.rows(), code_of)?;
            let (response, weight, offset) = (batch.response, batch.weight, batch.offset);
            let rows = Rows { cells, numbers, response, weight, offset };
            if fault.is_none() {
                self.take(&rows, &codes, batch.volume);
            }
        }
        self.rows += batch.rows() as u64;
        self.fault = fault;
        Ok(())
    }

    /// Adds what another tally of the same question found, from [`Tally::to_bytes`]. After an error
    /// nothing has changed.
    pub fn merge(&mut self, other: &[u8]) -> Result<(), TallyError> {
        let mut from = Reader::new(other);
        if from.byte()? != VERSION {
            return Err(TallyError::Malformed("it is of another version"));
        }
        if from.word()? != self.question {
            return Err(TallyError::OtherQuestion);
        }
        let rows = self.rows.checked_add(from.word()?);
        let rows = rows.ok_or(TallyError::Malformed("there are too many rows"))?;
        let fault = Fault::read(&mut from)?;
        let mut factors = match self.asked {
            Asked::Survey => self.factors.clone(),
            _ => vec![],
        };
        let found = self.found.read(&self.layout, &mut factors, &mut from)?;
        from.end()?;
        if let Asked::Survey = self.asked {
            self.factors = factors;
        }
        self.rows = rows;
        self.found.add(found);
        if let Some(fault) = fault {
            fault.note(&mut self.fault);
        }
        Ok(())
    }

    /// The answer so far, to be merged with others or to be handed to whoever asked.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(VERSION);
        to.word(self.question);
        to.word(self.rows);
        Fault::write(self.fault.as_ref(), &mut to);
        self.found.write(&self.layout, &self.factors, &mut to);
        to.0
    }

    /// How many rows were added, with or without weight.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// About how many bytes of memory it takes, for whoever keeps account.
    pub fn size(&self) -> usize {
        let numbers = match &self.found {
            Found::Products(products) => products.products.size().pow(2),
            Found::Pass(pass) => {
                pass.sums.information.size().pow(2) + pass.taken.as_ref().map_or(0, Taken::numbers)
            }
            Found::Closing(closing) => 4 * closing.levels.iter().map(Vec::len).sum::<usize>(),
            _ => 0,
        };
        let values: usize = self.values.iter().map(Vec::len).sum();
        let places: usize = self.layout.groups.iter().map(|group| group.place.len()).sum();
        let factors: usize = self.factors.iter().map(Factor::size).sum();
        let names: usize = self.layout.names.iter().map(|name| name.len() + 48).sum();
        size_of::<Tally>() + 8 * (numbers + values) + 4 * places + factors + names
    }

    /// What was found and the factors' levels, unless something is wrong with the rows.
    pub(super) fn found(self) -> Result<(Found, Vec<Factor>), GlmError> {
        match self.fault {
            Some(fault) => Err(fault.error(self.model.family)),
            None => Ok((self.found, self.factors)),
        }
    }

    /// Codes of the rows in every factor; a survey learns new levels.
    fn codes(
        &mut self,
        texts: &[Texts<'_>],
        fault: &mut Option<Fault>,
    ) -> Result<Vec<Vec<u32>>, GlmError> {
        let is_survey = matches!(self.asked, Asked::Survey);
        let mut codes = vec![];
        let mut learnt = vec![];
        for (factor, texts) in self.factors.iter().zip(texts) {
            let mut new = vec![];
            let found = texts.codes(&factor.name, |level| {
                let Some(level) = level else {
                    Fault::Missing(factor.name.clone()).note(fault);
                    return 0;
                };
                match factor.code(level) {
                    Some(code) => return code,
                    None if is_survey => new.push(level.to_owned()),
                    None => {
                        let (factor, level) = (factor.name.clone(), level.to_owned());
                        Fault::NoLevel { factor, level }.note(fault);
                    }
                }
                0
            });
            codes.push(found?);
            learnt.push(new);
        }
        for (factor, levels) in self.factors.iter_mut().zip(learnt) {
            factor.extend(levels);
        }
        Ok(codes)
    }

    /// Adds what rows say that nothing is wrong with.
    fn take(&mut self, rows: &Rows<'_>, codes: &[Vec<u32>], volume: Option<&[f64]>) {
        let (layout, model, values) = (&self.layout, &self.model, &self.values);
        match (&mut self.found, &self.asked) {
            (Found::Survey(survey), _) => survey.take(model, rows),
            (Found::Products(products), _) => products.take(layout, rows),
            (Found::Pass(pass), Asked::Pass { curvature, .. }) => {
                let taken = pass.taken.get_or_insert_with(|| Taken::new(layout));
                let step = Step { layout, rows, values, taken };
                with_kernel(model.family, model.link, *curvature, step);
            }
            (Found::Closing(closing), Asked::Closing { dispersion, .. }) => {
                let means = means(model, layout, rows, values);
                closing.take(model, rows, &means, *dispersion);
                closing.compare(rows, &means, codes, volume);
            }
            (Found::Alone(sums), Asked::Alone { level }) => {
                let mut some = Alone::default();
                each(rows, |row, weight| {
                    let eta = level + rows.offset.map_or(0.0, |offset| offset[row]);
                    some.add(model.alone(eta, rows.response[row], weight));
                });
                sums.add(some);
            }
            (Found::Shape(shape), Asked::Shape { alpha, .. }) => {
                let (means, size) = (means(model, layout, rows, values), Size::of(*alpha));
                let mut some = Shape::default();
                each(rows, |row, weight| {
                    some.take(rows.response[row], means[row], weight, size);
                });
                shape.add(some);
            }
            // What is found is what was asked.
            _ => {}
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A pass over one batch.
struct Step<'a> {
    layout: &'a Layout,
    rows: &'a Rows<'a>,
    values: &'a Values,
    taken: &'a mut Taken,
}

impl WithKernel for Step<'_> {
    type Out = ();

    fn with(self, kernel: impl Kernel) {
        let rows = 0..self.rows.response.len();
        take(self.layout, self.rows, self.values, kernel, rows, self.taken);
    }
}

impl Survey {
    fn take(&mut self, model: &Model, rows: &Rows<'_>) {
        let mut some = Survey::default();
        each(rows, |row, weight| {
            let offset = rows.offset.map(|offset| offset[row]);
            some.counted += 1;
            some.weight += weight;
            some.totals.add(model.total(rows.response[row], weight, offset));
        });
        self.counted += some.counted;
        self.weight += some.weight;
        self.totals.add(some.totals);
        self.has_offset |= rows.offset.is_some();
        for (moments, values) in self.numbers.iter_mut().zip(&rows.numbers[1..]) {
            moments.sum += match rows.weight {
                Some(weight) => dot(values, weight),
                None => values.iter().sum(),
            };
            moments.squares += dot(values, values);
            moments.is_zero_everywhere &= values.iter().all(|&value| value == 0.0);
        }
    }
}

impl Products {
    fn take(&mut self, layout: &Layout, rows: &Rows<'_>) {
        see(rows, 0..rows.response.len(), &mut self.present);
        let alone = &layout.basis.alone;
        for (row, one) in alone.iter().enumerate() {
            let one = &rows.numbers[one.number];
            let weighed: Vec<f64> = match rows.weight {
                Some(weight) => one.iter().zip(weight).map(|(x, weight)| x * weight).collect(),
                None => one.clone(),
            };
            for (column, other) in alone[..=row].iter().enumerate() {
                self.products.add(row, column, dot(&weighed, &rows.numbers[other.number]));
            }
        }
    }
}

impl Closing {
    fn take(&mut self, model: &Model, rows: &Rows<'_>, means: &[f64], dispersion: f64) {
        let family = model.family;
        let (mut pearson, mut likelihood, mut deviance) = (0.0, 0.0, 0.0);
        each(rows, |row, weight| {
            let (response, mean) = (rows.response[row], means[row]);
            self.counted += 1;
            pearson += model.pearson(response, mean, weight);
            likelihood += model.density(response, mean, weight, dispersion);
            let own = family.moving_deviance(response, mean) + family.constant(response);
            deviance += weight * own;
        });
        self.pearson += pearson;
        self.likelihood += likelihood;
        self.deviance += deviance;
    }

    /// Factors are those of the plan, in the order in which their columns are read.
    fn compare(
        &mut self,
        rows: &Rows<'_>,
        means: &[f64],
        codes: &[Vec<u32>],
        volume: Option<&[f64]>,
    ) {
        let mut all = Compared::default();
        for (row, (response, mean)) in rows.response.iter().zip(means).enumerate() {
            let weight = rows.weight.map_or(1.0, |weight| weight[row]);
            let volume = volume.map_or(1.0, |volume| volume[row]);
            let one = Compared::row(volume, weight, *response, *mean);
            all.add(one);
            for (levels, codes) in self.levels.iter_mut().zip(codes) {
                levels[codes[row] as usize].add(one);
            }
        }
        self.all.add(all);
    }
}

/// Means of the rows.
fn means(model: &Model, layout: &Layout, rows: &Rows<'_>, values: &Values) -> Vec<f64> {
    let mut means = vec![0.0; rows.response.len()];
    for (piece, start) in means.chunks_mut(PIECE).zip((0..).step_by(PIECE)) {
        predict(layout, rows, values, start, piece);
        piece.iter_mut().for_each(|mean| *mean = model.link.mean(*mean));
    }
    means
}

/// Every row with a weight above zero, and that weight.
fn each(rows: &Rows<'_>, mut what: impl FnMut(usize, f64)) {
    for row in 0..rows.response.len() {
        let weight = rows.weight.map_or(1.0, |weight| weight[row]);
        if weight > 0.0 {
            what(row, weight);
        }
    }
}

//! A pricing model whose rows are read anew in every pass, where they lie.
//!
//! Whoever reads rows, the engine of this server or an executor of its cluster, is told the parameters
//! of the run with every question, makes of a batch what the run would make of the whole table, and
//! adds it to the tally the question asks for. Faults of rows are found like sums: the same one comes
//! back whoever meets his first.

use std::sync::Arc;

use actuarial_models::Stop;
use actuarial_models::glm::{
    Batch, Compared, Elsewhere, Judged, SpreadError, Tally as ModelTally,
    TallyError as ModelTallyError, Texts, type_three_elsewhere,
};
use analytics::tally::{Tally, TallyError, Tallying};
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compute::{About, Taken, as_term, outcome, result, shape, volume};
use super::result::{ComparisonResult, GlmResult, HoldOutResult, LevelResult};
use super::{FamilyAsked, Glm, read, refused};
use crate::dataset::ColumnProfile;
use crate::dataset::table::Building;
use crate::error;
use crate::job::Watch;
use crate::method::check::{self, Check};
use crate::method::data::{Coded, Data, Numbers};
use crate::method::prepare::meet;
use crate::method::{Failure, Outcome, Passes};

/// What a batch comes to begins with one of these.
const FOUND: u8 = 0;
const FAULT: u8 = 1;

/// What every question is asked with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) parameters: Value,
    pub(crate) columns: Vec<ColumnProfile>,
    /// Whether the rows that are held out are asked about, and not the others.
    pub(crate) held: bool,
}

/// A fault of rows on its way back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Fault {
    code: String,
    detail: String,
    advice: String,
    column: Option<String>,
}

/// A model under way: which rows there are is somebody else's to know.
struct Asking<'a> {
    rows: &'a mut dyn Passes,
    /// Rows that were left out for want of a number.
    dropped: u64,
}

impl Glm {
    /// Fits the model to rows that are read in passes.
    pub(super) fn by_passes(
        &self,
        rows: &mut dyn Passes,
        watch: &Watch,
    ) -> Result<Outcome, Failure> {
        let named = |column: &str| Err(Failure::ours(&format!("{column} has no base")));
        let terms = self.terms.iter().map(|term| as_term(term, &self.terms, &named));
        let model = self.model(terms.collect::<Result<_, _>>()?);
        let asked = || watch.is_stopped();
        let stop = Stop::when(&asked);
        let mut asking = Asking { rows, dropped: 0 };
        watch.stage("fitting", 10);
        let (fit, shape) = if self.family == FamilyAsked::NegativeBinomial {
            let found = model.fit_negative_binomial_elsewhere(&mut asking, stop);
            let found = found.map_err(failed)?;
            (found.fit, Some(found.alpha))
        } else {
            (model.fit_elsewhere(&mut asking, stop).map_err(failed)?, shape(model.family))
        };
        watch.stage("testing the terms", 80);
        let wald = match self.wald {
            true => fit.wald().map_err(|error| refused(&error))?,
            false => vec![],
        };
        let third = match self.type_three {
            true => type_three_elsewhere(&fit, &mut asking, stop).map_err(failed)?,
            false => vec![],
        };
        let rows_dropped = usize::try_from(asking.dropped).unwrap_or(usize::MAX);
        watch.stage("comparing with what was", 90);
        let hold_out = match self.hold_out.is_empty() {
            true => None,
            false => Some(fit.judge_elsewhere(&mut Held(rows), stop).map_err(failed)?),
        };
        // As for rows that are held in memory, whose conditions may hold none of them.
        let hold_out = hold_out.filter(|judged| judged.all.rows > 0);
        outcome(&GlmResult {
            comparisons: fit.judged().map_or_else(Vec::new, comparisons),
            hold_out: hold_out.map(|judged| held_out(&judged)),
            ..result(&fit, &About { shape, wald, third, rows_dropped })
        })
    }
}

impl Elsewhere for Asking<'_> {
    type Error = Failure;

    fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, Failure> {
        let (dropped, sums) = sums(&self.rows.ask(question)?)?;
        self.dropped = dropped;
        Ok(sums)
    }

    fn ask_sample(&mut self, question: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let found = self.rows.ask_sample(question)?;
        found.map(|found| Ok(sums(&found)?.1)).transpose()
    }
}

/// The rows that are held out.
struct Held<'a>(&'a mut dyn Passes);

impl Elsewhere for Held<'_> {
    type Error = Failure;

    fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(sums(&self.0.ask_held(question)?)?.1)
    }
}

/// Levels that some of the rows have.
fn comparisons(judged: &Judged) -> Vec<ComparisonResult> {
    let comparison = |(name, levels): &(String, Vec<(String, Compared)>)| {
        let levels = levels.iter().filter(|(_, level)| level.rows > 0);
        let levels = levels.map(|(name, level)| LevelResult::of(name, level));
        ComparisonResult { name: name.clone(), levels: levels.collect() }
    };
    judged.factors.iter().map(comparison).collect()
}

/// Without the lift, for which rows would have to be put in order.
fn held_out(judged: &Judged) -> HoldOutResult {
    let comparisons = comparisons(judged);
    HoldOutResult { comparisons, ..HoldOutResult::of(&judged.all, judged.deviance) }
}

/// Rows that were left out, and the sums of the others.
fn sums(found: &[u8]) -> Result<(u64, Vec<u8>), Failure> {
    match Found::of(found).map_err(|error| lost(&error))? {
        Found::Sums { dropped, sums } => Ok((dropped, sums.to_vec())),
        Found::Fault(fault) => Err(fault.failure()),
    }
}

fn failed(error: SpreadError<Failure>) -> Failure {
    match error {
        SpreadError::Glm(error) => refused(&error),
        SpreadError::Asked(failure) => failure,
        SpreadError::Answer(_) | SpreadError::Changed { .. } => lost(&error),
    }
}

fn lost(error: &dyn std::fmt::Display) -> Failure {
    Failure::ours(&error.to_string())
}

/// What tallies of the run's kind found.
enum Found<'a> {
    Sums { dropped: u64, sums: &'a [u8] },
    Fault(Fault),
}

impl Found<'_> {
    fn of(bytes: &[u8]) -> Result<Found<'_>, TallyError> {
        let malformed = || TallyError("what was found cannot be read".to_owned());
        match bytes.split_first() {
            Some((&FOUND, rest)) => {
                let (dropped, sums) = rest.split_first_chunk().ok_or_else(malformed)?;
                Ok(Found::Sums { dropped: u64::from_le_bytes(*dropped), sums })
            }
            Some((&FAULT, text)) => {
                Ok(Found::Fault(serde_json::from_slice(text).map_err(|_| malformed())?))
            }
            _ => Err(malformed()),
        }
    }
}

impl Fault {
    fn of(failure: &Failure) -> Fault {
        let document = failure.document();
        let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        Fault {
            code: text("code"),
            detail: text("detail"),
            advice: text("advice"),
            column: document["column"].as_str().map(str::to_owned),
        }
    }

    fn failure(self) -> Failure {
        let known = [&error::UNFIT_VALUE, &error::NOTHING_TO_LEARN];
        let code = known.into_iter().find(|known| known.code == self.code);
        let failure = Failure::new(code.unwrap_or(&error::RUN_FAILED), self.detail, self.advice);
        match self.column {
            Some(column) => failure.of_column(&column),
            None => failure,
        }
    }
}

/// The sums of pricing models, as the engine and executors know them.
#[derive(Debug)]
pub(crate) struct GlmPasses;

impl GlmPasses {
    /// A question of a model, with what says how rows are read.
    pub(crate) fn question(asked: &Asked, question: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
        let asked = serde_json::to_vec(asked)?;
        let length = u32::try_from(asked.len()).unwrap_or(u32::MAX).to_le_bytes();
        Ok([&length[..], &asked, question].concat())
    }
}

impl Tallying for GlmPasses {
    fn name(&self) -> &'static str {
        "glm_pass"
    }

    fn begin(&self, question: &[u8], _: &Schema) -> Result<Box<dyn Tally>, TallyError> {
        let malformed = || TallyError("the question cannot be read".to_owned());
        let (length, rest) = question.split_first_chunk().ok_or_else(malformed)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| malformed())?;
        let (asked, question) = rest.split_at_checked(length).ok_or_else(malformed)?;
        let Asked { parameters, columns, held } =
            serde_json::from_slice(asked).map_err(|_| malformed())?;
        let mut check = Check::over(&columns);
        let body = check::body(&parameters).map_err(|_| malformed())?;
        let glm = read(&body, &mut check);
        check.end().map_err(|_| malformed())?;
        let sums = ModelTally::of(question).map_err(told)?;
        Ok(Box::new(Adding { glm, held, sums, dropped: 0, fault: None }))
    }
}

/// A tally of a model under way.
struct Adding {
    glm: Glm,
    held: bool,
    sums: ModelTally,
    dropped: u64,
    /// The first in the order of faults; the sums are of no use then.
    fault: Option<Fault>,
}

impl Tally for Adding {
    fn add(&mut self, columns: &[ArrayRef]) -> Result<(), TallyError> {
        let unreadable = |error: arrow::error::ArrowError| TallyError(error.to_string());
        let rows = columns.first().map_or(0, |column| column.len());
        let field = |column: &ArrayRef| Field::new("column", column.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let mut building = Building::of(&schema);
        let batch = RecordBatch::try_new(schema, columns.to_vec()).map_err(unreadable)?;
        building.add(&batch).map_err(unreadable)?;
        let data = Data::some(self.glm.columns.iter().cloned().zip(building.end()), rows);
        let added = self.glm.narrowed(data, self.held).and_then(|(data, dropped)| {
            Ok((self.glm.some_rows(&data)?.add_to(&mut self.sums), dropped))
        });
        match added {
            Ok((added, dropped)) => {
                self.dropped += dropped;
                added
            }
            Err(failure) => {
                self.note(Fault::of(&failure));
                Ok(())
            }
        }
    }

    fn merge(&mut self, other: &[u8]) -> Result<(), TallyError> {
        match Found::of(other)? {
            Found::Sums { dropped, sums } => {
                self.dropped += dropped;
                self.sums.merge(sums).map_err(told)
            }
            Found::Fault(fault) => {
                self.note(fault);
                Ok(())
            }
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match &self.fault {
            Some(fault) => [&[FAULT][..], &serde_json::to_vec(fault).unwrap_or_default()].concat(),
            None => [&[FOUND][..], &self.dropped.to_le_bytes(), &self.sums.to_bytes()].concat(),
        }
    }
}

impl Adding {
    fn note(&mut self, fault: Fault) {
        if self.fault.as_ref().is_none_or(|known| fault < *known) {
            self.fault = Some(fault);
        }
    }
}

fn told(error: ModelTallyError) -> TallyError {
    TallyError(error.to_string())
}

/// What a model takes of some rows. A missing number is not a number here: the tally names its column.
struct TakenRows<'a> {
    texts: Vec<(&'a str, Coded<'a>)>,
    numbers: Vec<(String, Numbers<'a>)>,
    response: Numbers<'a>,
    weight: Option<Numbers<'a>>,
    offset: Option<Numbers<'a>>,
    volume: Option<Numbers<'a>>,
}

impl Glm {
    /// The rows the model is fitted to, or those that are held out, of some rows; and how many of all are
    /// left out for want of a number.
    fn narrowed(&self, data: Data, held: bool) -> Result<(Data, u64), Failure> {
        let data = self.prepare.narrowed(data)?;
        let before = data.rows();
        let data = if self.drops_missing { self.complete(data)? } else { data };
        let dropped = (before - data.rows()) as u64;
        if self.hold_out.is_empty() {
            return Ok((data, dropped));
        }
        let mut keep = meet(&self.hold_out, &data)?;
        keep.iter_mut().for_each(|is_held| *is_held = *is_held == held);
        Ok((data.only(&keep), dropped))
    }

    /// What the model takes of the rows it is fitted to.
    fn some_rows<'a>(&'a self, data: &'a Data) -> Result<TakenRows<'a>, Failure> {
        let Taken { factors, numbers } = self.taken();
        let text = |column: &'a String| Ok((column.as_str(), data.coded(column)?));
        let texts = factors.into_iter().map(text).collect::<Result<_, Failure>>()?;
        let number = |(name, column): (String, &String)| Ok((name, data.gapped(column)?));
        let numbers = numbers.into_iter().map(number).collect::<Result<_, Failure>>()?;
        let (response, weight) = self.response_and_weight(&|column| data.gapped(column))?;
        let exposure = self.exposure.as_ref().map(|column| data.gapped(column)).transpose()?;
        let offset = match (&exposure, &self.offset) {
            (Some(exposure), _) => Some(exposure.iter().map(logarithm).collect()),
            (None, Some(offset)) => Some(data.gapped(offset)?),
            (None, None) => None,
        };
        let volume = volume(exposure, weight.as_ref());
        Ok(TakenRows { texts, numbers, response, weight, offset, volume })
    }
}

/// What has no logarithm is no number.
fn logarithm(&exposure: &f64) -> f64 {
    if exposure > 0.0 { exposure.ln() } else { f64::NAN }
}

impl TakenRows<'_> {
    fn add_to(&self, sums: &mut ModelTally) -> Result<(), TallyError> {
        let values: Vec<Vec<Option<&str>>> = self
            .texts
            .iter()
            .map(|(_, of)| of.levels.iter().map(|level| Some(level.as_str())).collect())
            .collect();
        let texts: Vec<(&str, Texts<'_>)> = self
            .texts
            .iter()
            .zip(&values)
            .map(|((name, of), values)| (*name, Texts::Coded { values, codes: &of.codes }))
            .collect();
        let numbers: Vec<(&str, &[f64])> =
            self.numbers.iter().map(|(name, values)| (name.as_str(), &**values)).collect();
        sums.add(&Batch {
            texts: &texts,
            numbers: &numbers,
            response: &self.response,
            weight: self.weight.as_deref(),
            offset: self.offset.as_deref(),
            volume: self.volume.as_deref(),
        })
        .map_err(told)
    }
}

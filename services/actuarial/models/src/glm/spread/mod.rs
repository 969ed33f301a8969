//! Fits to rows that lie elsewhere: in files, on many machines, wherever nobody holds them all.
//!
//! Whoever fits asks questions and never sees a row. A question is bytes, and so is the answer, which is
//! a sum over rows: each who holds some of them begins a [`Tally`] with the question, adds his rows in
//! batches, and what several tallies found is merged in any order. So the rows may be read by an
//! aggregate function of a distributed query, and a step of the fit is one query.
//!
//! A fit asks for levels and totals, then once or more for what numbers have in common, then for the sums
//! of some six passes (fewer where a sample tells about where they lead), then for the figures about all
//! of it. Newton's method and all that is said of a
//! fit are those of rows at hand.

mod batch;
mod driver;
mod factor;
mod fault;
mod fnv;
mod found;
mod question;
mod tally;
mod turns;

pub use batch::{Batch, Texts};
pub(crate) use driver::Settled;
pub use found::Compared;
pub use question::Columns;
pub use tally::Tally;

use crate::glm::negative_binomial::take_turns;
use crate::glm::{Fit, GlmError, Model, NegativeBinomialFit};
use crate::number::NotFinite;
use crate::stop::{Stop, Stopped};
use crate::stored::StoredError;

/// Rows that lie elsewhere.
pub trait Elsewhere {
    /// Why a question was not answered.
    type Error;

    /// The answer of all rows to a question: of one [`Tally`] that all others were merged into. Blocks
    /// until it is there.
    fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, Self::Error>;

    /// The answer of a sample: the same rows every time, asked in much less time than all. A fit then
    /// takes its first steps there, and asks all rows some three times instead of seven. Without a
    /// sample it does not.
    fn ask_sample(&mut self, question: &[u8]) -> Result<Option<Vec<u8>>, Self::Error> {
        let _ = question;
        Ok(None)
    }
}

/// Why a model cannot be fitted to rows that lie elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum SpreadError<E> {
    /// What could be wrong with rows at hand too.
    #[error(transparent)]
    Glm(#[from] GlmError),
    /// There was no answer.
    #[error("a question about the rows was not answered")]
    Asked(#[source] E),
    /// The answer is none to the question.
    #[error("an answer about the rows cannot be used")]
    Answer(#[source] TallyError),
    /// There were so many rows, and then others.
    #[error("there were {before} rows when the fit began, and then {now}")]
    Changed {
        /// At first.
        before: u64,
        /// Later.
        now: u64,
    },
}

impl<E> From<NotFinite> for SpreadError<E> {
    fn from(error: NotFinite) -> SpreadError<E> {
        SpreadError::Glm(error.into())
    }
}

impl<E> From<Stopped> for SpreadError<E> {
    fn from(error: Stopped) -> SpreadError<E> {
        SpreadError::Glm(error.into())
    }
}

/// Why a tally cannot begin, or not go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TallyError {
    /// Bytes that are no question or no tally this release can read.
    #[error("the question or tally cannot be read: {0}")]
    Malformed(&'static str),
    /// The tally to be merged answers another question.
    #[error("the tally is of another question")]
    OtherQuestion,
    /// A batch lacks a column, or its columns are not of one length.
    #[error(transparent)]
    Batch(#[from] GlmError),
}

impl From<StoredError> for TallyError {
    fn from(StoredError(why): StoredError) -> TallyError {
        TallyError::Malformed(why)
    }
}

/// What came and what a fit expects, of rows that lie elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Of all rows.
    pub all: Compared,
    /// Deviance.
    pub deviance: f64,
    /// By level of each factor of the terms, in [`level_order`](crate::glm::level_order).
    pub factors: Vec<(String, Vec<(String, Compared)>)>,
}

impl Fit {
    /// What came and what the fit expects, of the rows it was fitted to; `None` for rows at hand.
    pub fn judged(&self) -> Option<&Judged> {
        self.elsewhere.as_ref().map(|settled| &settled.judged)
    }

    /// The same of other rows that lie elsewhere, which takes one question. A level that no row had
    /// which the model was fitted to is an error, and so is a fit to rows at hand.
    pub fn judge_elsewhere<E: Elsewhere>(
        &self,
        rows: &mut E,
        stop: Stop<'_>,
    ) -> Result<Judged, SpreadError<E::Error>> {
        driver::judge(self, rows, stop)
    }
}

impl Model {
    /// The columns of texts and of numbers that a fit reads, beside response, weight and offset.
    ///
    /// Fails when one column is to be both.
    pub fn columns(&self) -> Result<Columns, GlmError> {
        Columns::of(&self.terms)
    }

    /// Fits the model to rows that lie elsewhere, unless it is called off, which is asked before every
    /// question.
    ///
    /// The fit is that of [`Model::fit`] to the same rows, up to rounding, without the means of the rows.
    /// Factors have the levels that some row has. Errors about values name the column; which row it is
    /// cannot be known.
    pub fn fit_elsewhere<E: Elsewhere>(
        &self,
        rows: &mut E,
        stop: Stop<'_>,
    ) -> Result<Fit, SpreadError<E::Error>> {
        driver::fit(self, rows, stop)
    }

    /// Fits the negative binomial model with the terms of this one to rows that lie elsewhere, like
    /// [`Model::fit_negative_binomial`]. That takes some hundred questions: fits at half a dozen α, each
    /// with steps for the deviance of the intercept alone, and steps for α between them.
    pub fn fit_negative_binomial_elsewhere<E: Elsewhere>(
        &self,
        rows: &mut E,
        stop: Stop<'_>,
    ) -> Result<NegativeBinomialFit, SpreadError<E::Error>> {
        let mut there = turns::There { rows, stop, model: self.clone(), settled: None };
        take_turns(&mut there, stop)
    }
}

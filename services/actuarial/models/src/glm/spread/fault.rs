//! What is wrong with rows that lie elsewhere.
//!
//! Of several faults the least is kept, so that the same rows have the same fault however they are
//! parted. Kinds are in the order in which rows at hand are checked; rows have no number here.

use std::cmp::Ordering;

use crate::glm::{Family, GlmError};
use crate::stored::{Reader, StoredError, Writer};

/// What is wrong with a row.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// A column of texts has no text.
    Missing(String),
    /// A number that is none.
    Number(String),
    ResponseIsNaN,
    /// A response the family does not know.
    Response(f64),
    Offset,
    Weight,
    NegativeWeight,
    /// A level that no row had when the levels were asked for.
    NoLevel {
        factor: String,
        level: String,
    },
}

impl Fault {
    /// Its place among the kinds, which is its tag too, and what tells it from others of its kind.
    fn key(&self) -> (u8, &str, &str, f64) {
        match self {
            Fault::Missing(name) => (1, name, "", 0.0),
            Fault::Number(name) => (2, name, "", 0.0),
            Fault::ResponseIsNaN => (3, "", "", 0.0),
            Fault::Response(value) => (4, "", "", *value),
            Fault::Offset => (5, "", "", 0.0),
            Fault::Weight => (6, "", "", 0.0),
            Fault::NegativeWeight => (7, "", "", 0.0),
            Fault::NoLevel { factor, level } => (8, factor, level, 0.0),
        }
    }

    fn order(&self, other: &Fault) -> Ordering {
        let (mine, theirs) = (self.key(), other.key());
        let texts = (mine.0, mine.1, mine.2).cmp(&(theirs.0, theirs.1, theirs.2));
        texts.then(mine.3.total_cmp(&theirs.3))
    }

    /// Keeps the lesser of what is known and this.
    pub(super) fn note(self, known: &mut Option<Fault>) {
        if known.as_ref().is_none_or(|known| self.order(known).is_lt()) {
            *known = Some(self);
        }
    }

    /// The error of a fit.
    pub(super) fn error(self, family: Family) -> GlmError {
        let value = |what: &str| GlmError::Value { what: what.to_owned(), row: None };
        match self {
            Fault::Missing(name) => GlmError::Missing(name),
            Fault::Number(name) => value(&name),
            Fault::ResponseIsNaN => value("response"),
            Fault::Response(response) => match family.refuses(response) {
                Some(wanted) => GlmError::Response { value: response, row: None, wanted },
                None => value("response"),
            },
            Fault::Offset => value("offset"),
            Fault::Weight => value("weight"),
            Fault::NegativeWeight => GlmError::Weight(None),
            Fault::NoLevel { factor, level } => GlmError::NoLevel { factor, level },
        }
    }

    pub(super) fn write(fault: Option<&Fault>, to: &mut Writer) {
        let Some(fault) = fault else { return to.byte(0) };
        let (kind, one, other, value) = fault.key();
        to.byte(kind);
        to.text(one);
        to.text(other);
        to.number(value);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Option<Fault>, StoredError> {
        let kind = from.byte()?;
        if kind == 0 {
            return Ok(None);
        }
        let (one, other) = (from.text()?, from.text()?);
        // An infinite response is among the faults.
        let value = f64::from_bits(from.word()?);
        Ok(Some(match kind {
            1 => Fault::Missing(one),
            2 => Fault::Number(one),
            3 => Fault::ResponseIsNaN,
            4 => Fault::Response(value),
            5 => Fault::Offset,
            6 => Fault::Weight,
            7 => Fault::NegativeWeight,
            8 => Fault::NoLevel { factor: one, level: other },
            _ => return Err(StoredError("there is no such fault")),
        }))
    }
}

/// Notes what is wrong with responses, weights and offsets.
pub(super) fn check(
    family: Family,
    response: &[f64],
    weight: Option<&[f64]>,
    offset: Option<&[f64]>,
    known: &mut Option<Fault>,
) {
    for &value in response {
        if value.is_nan() {
            Fault::ResponseIsNaN.note(known);
        } else if family.refuses(value).is_some() {
            Fault::Response(value).note(known);
        }
    }
    if offset.is_some_and(|offset| offset.iter().any(|value| !value.is_finite())) {
        Fault::Offset.note(known);
    }
    for weight in weight.unwrap_or_default() {
        if !weight.is_finite() {
            Fault::Weight.note(known);
        } else if *weight < 0.0 {
            Fault::NegativeWeight.note(known);
        }
    }
}

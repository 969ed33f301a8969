//! Some of the rows that lie elsewhere, as columns borrowed from whoever holds them.

use super::fault::{Fault, check};
use crate::glm::fit::same_length;
use crate::glm::{Family, GlmError};

/// Some rows. Columns the question does not read may be there too.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Columns of texts under their names.
    pub texts: &'a [(&'a str, Texts<'a>)],
    /// Columns of numbers under their names; a missing number is NaN.
    pub numbers: &'a [(&'a str, &'a [f64])],
    /// Responses.
    pub response: &'a [f64],
    /// Weights, zero or positive; every batch of a fit has them or none.
    pub weight: Option<&'a [f64]>,
    /// What is added to the predictor; every batch of a fit has it or none.
    pub offset: Option<&'a [f64]>,
    /// What observed and expected are related to, such as exposure: one a row when absent.
    pub volume: Option<&'a [f64]>,
}

/// A column of texts.
#[derive(Clone, Copy, Debug)]
pub enum Texts<'a> {
    /// A text per row, or none where it is missing.
    Plain(&'a [Option<&'a str>]),
    /// Each text once, and per row the place of its own.
    Coded {
        /// The texts, none for what is missing; some of them may be no row's.
        values: &'a [Option<&'a str>],
        /// A place in `values` per row.
        codes: &'a [u32],
    },
}

impl<'a> Batch<'a> {
    pub(super) fn rows(&self) -> usize {
        self.response.len()
    }

    /// A column of texts as long as the batch.
    pub(super) fn text(&self, name: &str) -> Result<Texts<'a>, GlmError> {
        let found = self.texts.iter().find(|(known, _)| *known == name);
        let (_, texts) =
            found.ok_or_else(|| GlmError::NoColumn { kind: "factor", name: name.to_owned() })?;
        same_length(name, texts.len(), self.rows())?;
        Ok(*texts)
    }

    /// A column of numbers as long as the batch.
    pub(super) fn number(&self, name: &str) -> Result<&'a [f64], GlmError> {
        let found = self.numbers.iter().find(|(known, _)| *known == name);
        let (_, values) =
            found.ok_or_else(|| GlmError::NoColumn { kind: "numeric", name: name.to_owned() })?;
        same_length(name, values.len(), self.rows())?;
        Ok(values)
    }

    /// Refuses columns of another length, and notes what is wrong with values.
    pub(super) fn check(&self, family: Family, known: &mut Option<Fault>) -> Result<(), GlmError> {
        self.weight.map_or(Ok(()), |weight| same_length("weight", weight.len(), self.rows()))?;
        self.offset.map_or(Ok(()), |offset| same_length("offset", offset.len(), self.rows()))?;
        self.volume.map_or(Ok(()), |volume| same_length("volume", volume.len(), self.rows()))?;
        check(family, self.response, self.weight, self.offset, known);
        Ok(())
    }
}

impl Texts<'_> {
    fn len(&self) -> usize {
        match self {
            Texts::Plain(texts) => texts.len(),
            Texts::Coded { codes, .. } => codes.len(),
        }
    }

    /// The code of each row's text in a factor, as `code_of` says: asked once for a text that is in
    /// many rows where texts are coded or follow each other, and only for texts that rows have.
    pub(super) fn codes(
        &self,
        factor: &str,
        mut code_of: impl FnMut(Option<&str>) -> u32,
    ) -> Result<Vec<u32>, GlmError> {
        match self {
            Texts::Plain(texts) => {
                let mut last: Option<(Option<&str>, u32)> = None;
                let mut codes = Vec::with_capacity(texts.len());
                for text in *texts {
                    let code = match last {
                        Some((known, code)) if known == *text => code,
                        _ => code_of(*text),
                    };
                    last = Some((*text, code));
                    codes.push(code);
                }
                Ok(codes)
            }
            Texts::Coded { values, codes } => {
                let mut known = vec![None; values.len()];
                let mut found = Vec::with_capacity(codes.len());
                for (row, &code) in codes.iter().enumerate() {
                    found.push(match known.get_mut(code as usize) {
                        Some(Some(known)) => *known,
                        Some(known) => *known.insert(code_of(values[code as usize])),
                        None => {
                            let factor = factor.to_owned();
                            return Err(GlmError::Code { factor, code, row });
                        }
                    });
                }
                Ok(found)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_dictionary_is_looked_up_once_and_only_if_a_row_has_it() {
        let values = [Some("b"), None, Some("a"), Some("unused")];
        let codes = [0, 2, 1, 0, 1];
        let mut asked = vec![];
        let texts = Texts::Coded { values: &values, codes: &codes };
        let found = texts.codes("area", |text| {
            asked.push(text.map(str::to_owned));
            text.map_or(9, |text| u32::from(text.as_bytes()[0]))
        });
        assert_eq!(found.unwrap(), [98, 97, 9, 98, 9]);
        assert_eq!(asked, [Some("b".into()), Some("a".into()), None]);
        let beyond = Texts::Coded { values: &values, codes: &[4] };
        let refused = GlmError::Code { factor: "area".into(), code: 4, row: 0 };
        assert_eq!(beyond.codes("area", |_| 0), Err(refused));
    }
}

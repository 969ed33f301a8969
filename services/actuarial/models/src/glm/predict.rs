//! What a fitted model expects of other rows.

use super::fit::same_length;
use super::frame::finite_rows;
use super::term::Part;
use super::{Fit, Frame, GlmError};
use crate::number::all_finite;

impl Fit {
    /// Means that the model expects of other rows.
    ///
    /// A level the model was not fitted with is refused. A frame without columns has as many rows as the
    /// offset.
    pub fn predict(&self, frame: &Frame, offset: Option<&[f64]>) -> Result<Vec<f64>, GlmError> {
        let rows = match offset {
            Some(offset) if frame.is_empty() => offset.len(),
            _ => frame.rows(),
        };
        let mut eta = vec![self.coefficients[0].estimate; rows];
        if let Some(offset) = offset {
            same_length("offset", offset.len(), rows)?;
            finite_rows("offset", offset)?;
            eta.iter_mut().zip(offset).for_each(|(eta, offset)| *eta += offset);
        }
        for term in &self.model.terms {
            for part in term.parts(frame)? {
                let effect = self.effects(frame, &part)?;
                for (row, eta) in eta.iter_mut().enumerate() {
                    *eta += effect(row);
                }
            }
        }
        let means: Vec<f64> = eta.into_iter().map(|eta| self.model.link.mean(eta)).collect();
        all_finite(&means, "predicted mean")?;
        Ok(means)
    }

    /// What one part of a term adds to the predictor of a row.
    fn effects<'a>(
        &self,
        frame: &'a Frame,
        part: &Part,
    ) -> Result<impl Fn(usize) -> f64 + use<'a>, GlmError> {
        let (factors, number) = (&part.factors, part.number.as_ref());
        // All combinations of levels, the last factor changing fastest.
        let mut texts = vec![(String::new(), false)];
        let mut codes: Vec<(&[u32], usize)> = vec![];
        for (name, base) in factors {
            let (levels, own) = frame.factor(name)?;
            codes.push((own, levels.len()));
            texts = texts
                .iter()
                .flat_map(|(text, is_base)| {
                    levels.iter().map(move |level| {
                        let colon = if text.is_empty() { "" } else { ":" };
                        (format!("{text}{colon}{name}={level}"), *is_base || level == base)
                    })
                })
                .collect();
        }
        let used = used(frame.rows(), &codes, texts.len());
        let mut estimates = vec![0.0; texts.len()];
        for (place, (text, is_base)) in texts.into_iter().enumerate() {
            let name = match number {
                Some(number) if text.is_empty() => number.name.clone(),
                Some(number) => format!("{text}:{}", number.name),
                None => text,
            };
            match self.coefficient(&name) {
                Some(coefficient) => estimates[place] = coefficient.estimate,
                None if is_base || !used[place] => {}
                None => {
                    let factor = factors.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                    return Err(GlmError::NoLevel { factor: factor.join(":"), level: name });
                }
            }
        }
        let values = number.map(|number| number.values(|name| frame.numbers(name))).transpose()?;
        Ok(move |row: usize| {
            let place =
                codes.iter().fold(0, |place, (own, levels)| place * levels + own[row] as usize);
            estimates[place] * values.as_ref().map_or(1.0, |values| values[row])
        })
    }
}

/// Which combinations of levels some row has.
fn used(rows: usize, codes: &[(&[u32], usize)], combinations: usize) -> Vec<bool> {
    let mut used = vec![false; combinations];
    for row in 0..rows {
        used[codes.iter().fold(0, |place, (own, levels)| place * levels + own[row] as usize)] =
            true;
    }
    used
}

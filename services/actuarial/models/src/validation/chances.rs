//! Scores of what happens or does not, against what did.

use super::{ValidationError, each, ordered, same_length};
use crate::number::finite;

/// Chances, and whether it happened: at least one row of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    chances: &'a [f64],
    happened: &'a [bool],
}

/// The rows with the highest scores, up to a share of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Top {
    /// How many rows they are: the share rounded up.
    pub rows: usize,
    /// Part of them in which it happened.
    pub precision: f64,
    /// Part of all in which it happened that they hold.
    pub recall: f64,
    /// The least chance among them.
    pub least: f64,
}

/// Rows of neighbouring chances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibrated {
    /// How many.
    pub rows: usize,
    /// Mean of their chances.
    pub expected: f64,
    /// Part of them in which it happened.
    pub observed: f64,
}

/// Chances nearer to zero or one count as this near in a logarithm.
const EDGE: f64 = 1e-15;

impl<'a> Scored<'a> {
    /// Chances (0 to 1) beside what happened.
    pub fn new(chances: &'a [f64], happened: &'a [bool]) -> Result<Scored<'a>, ValidationError> {
        same_length(chances.len(), &[("what happened", happened.len())])?;
        each("chance", chances, |chance| (0.0..=1.0).contains(&chance))?;
        if happened.iter().all(|yes| *yes) || happened.iter().all(|yes| !*yes) {
            return Err(ValidationError::OneClass);
        }
        Ok(Scored { chances, happened })
    }

    /// Chance that of two rows, one of each kind, the right one has the higher score: the area under
    /// the receiver operating characteristic. Equal scores count half.
    pub fn auc(&self) -> f64 {
        let (mut below, mut right) = (0usize, 0.0);
        for (yes, no) in self.groups() {
            right += yes as f64 * (below as f64 + 0.5 * no as f64);
            below += no;
        }
        right / (self.yes() as f64 * below as f64)
    }

    /// Precision averaged over the recall it is reached at, from the highest score down.
    pub fn average_precision(&self) -> f64 {
        let (mut taken, mut held, mut sum) = (0usize, 0usize, 0.0);
        for (yes, no) in self.groups().into_iter().rev() {
            (taken, held) = (taken + yes + no, held + yes);
            sum += yes as f64 * held as f64 / taken as f64;
        }
        sum / self.yes() as f64
    }

    /// Mean of −ln of the chance that was given to what came about.
    pub fn log_loss(&self) -> f64 {
        let loss = |chance: f64, yes: bool| {
            let given = if yes { chance } else { 1.0 - chance };
            -given.clamp(EDGE, 1.0 - EDGE).ln()
        };
        self.mean(loss)
    }

    /// Mean of the squared distances between chance and outcome.
    pub fn brier(&self) -> f64 {
        self.mean(|chance, yes| (chance - f64::from(u8::from(yes))).powi(2))
    }

    /// The rows with the highest scores, up to a share (above 0, at most 1) of all; of equal scores
    /// the first rows.
    pub fn top(&self, share: f64) -> Result<Top, ValidationError> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(ValidationError::Argument("share of the rows"));
        }
        let count = self.chances.len();
        // A share such as 0.05 of 200 rows is 10, although its product is a little more.
        let rows = ((share * count as f64 - 1e-9).ceil() as usize).clamp(1, count);
        let falling: Vec<f64> = self.chances.iter().map(|chance| -chance).collect();
        let order = ordered(&falling);
        let held = order[..rows].iter().filter(|&&row| self.happened[row]).count() as f64;
        Ok(Top {
            rows,
            precision: held / rows as f64,
            recall: held / self.yes() as f64,
            least: self.chances[order[rows - 1]],
        })
    }

    /// What happened beside what was expected, in bands of as many rows each, the lowest chances first.
    pub fn calibration(&self, bands: usize) -> Result<Vec<Calibrated>, ValidationError> {
        let count = self.chances.len();
        if !(1..=count).contains(&bands) {
            return Err(ValidationError::Argument("number of bands"));
        }
        let order = ordered(self.chances);
        let band = |band: usize| {
            let rows = &order[count * band / bands..count * (band + 1) / bands];
            let size = rows.len() as f64;
            let happened = rows.iter().filter(|&&row| self.happened[row]).count();
            let expected = rows.iter().map(|&row| self.chances[row]).sum::<f64>() / size;
            Calibrated { rows: rows.len(), expected, observed: happened as f64 / size }
        };
        Ok((0..bands).map(band).collect())
    }

    /// Mean distance between expected and observed over the bands of [`Scored::calibration`].
    pub fn calibration_error(&self, bands: usize) -> Result<f64, ValidationError> {
        let table = self.calibration(bands)?;
        let apart = |band: &Calibrated| band.rows as f64 * (band.expected - band.observed).abs();
        let error = table.iter().map(apart).sum::<f64>() / self.chances.len() as f64;
        Ok(finite(error, "calibration error")?)
    }

    fn mean(&self, loss: impl Fn(f64, bool) -> f64) -> f64 {
        let rows = self.chances.iter().zip(self.happened);
        rows.map(|(chance, yes)| loss(*chance, *yes)).sum::<f64>() / self.chances.len() as f64
    }

    fn yes(&self) -> usize {
        self.happened.iter().filter(|yes| **yes).count()
    }

    /// Rows in which it happened and did not, by equal scores, the lowest first.
    fn groups(&self) -> Vec<(usize, usize)> {
        let mut groups: Vec<(usize, usize)> = vec![];
        let mut last = None;
        for row in ordered(self.chances) {
            // By value, not by bits: zero and minus zero are one score.
            if last != Some(self.chances[row]) {
                groups.push((0, 0));
                last = Some(self.chances[row]);
            }
            let Some(group) = groups.last_mut() else { continue };
            if self.happened[row] { group.0 += 1 } else { group.1 += 1 }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANCES: [f64; 6] = [0.9, 0.8, 0.5, 0.5, 0.2, 0.1];
    const HAPPENED: [bool; 6] = [true, false, true, false, false, false];

    #[test]
    fn a_few_rows_are_judged_as_by_hand() {
        let scored = Scored::new(&CHANCES, &HAPPENED).unwrap();
        // Of 2 × 4 pairs: 0.9 wins four; 0.5 loses one, ties one, wins two.
        assert_eq!(scored.auc(), 6.5 / 8.0);
        // Recall ½ at precision 1, the other half where two of four are right.
        assert_eq!(scored.average_precision(), 0.75);
        let brier = (0.01 + 0.64 + 0.25 + 0.25 + 0.04 + 0.01) / 6.0;
        assert!((scored.brier() - brier).abs() < 1e-15);
        let product = 0.9f64 * 0.2 * 0.5 * 0.5 * 0.8 * 0.9;
        assert!((scored.log_loss() + product.ln() / 6.0).abs() < 1e-15);
        let top = scored.top(0.5).unwrap();
        assert_eq!(top, Top { rows: 3, precision: 2.0 / 3.0, recall: 1.0, least: 0.5 });
        assert_eq!(scored.top(0.1).unwrap().rows, 1);
        let table = scored.calibration(2).unwrap();
        assert_eq!(table[1].rows, 3);
        assert!((table[1].expected - 2.2 / 3.0).abs() < 1e-15);
        assert!((table[1].observed - 1.0 / 3.0).abs() < 1e-15);
        // |0.8/3 − 1/3| and |2.2/3 − 1/3|, weighed alike.
        assert!((scored.calibration_error(2).unwrap() - (0.2 + 1.2) / 6.0).abs() < 1e-15);
    }

    #[test]
    fn a_certainty_that_failed_costs_much_but_stays_a_number() {
        let scored = Scored::new(&[0.0, 1.0, 0.5], &[true, false, true]).unwrap();
        assert!(scored.log_loss() > 20.0 && scored.log_loss().is_finite());
    }

    #[test]
    fn scores_that_cannot_be_judged_are_named() {
        let refused = |chances: &[f64], happened: &[bool]| {
            Scored::new(chances, happened).map(|scored| scored.auc()).unwrap_err()
        };
        assert_eq!(refused(&[], &[]), ValidationError::OneClass);
        assert_eq!(refused(&[0.1], &[true]), ValidationError::OneClass);
        let what = "chance";
        for bad in [f64::NAN, 1.5, -0.1] {
            let found = refused(&[0.1, bad], &[true, false]);
            assert_eq!(found, ValidationError::Value { what, row: 1 });
        }
        let what = "what happened";
        let short = ValidationError::Length { what, found: 1, rows: 2 };
        assert_eq!(refused(&[0.1, 0.2], &[true]), short);
        let scored = Scored::new(&CHANCES, &HAPPENED).unwrap();
        assert!(scored.top(0.0).is_err() && scored.top(1.1).is_err());
        assert!(scored.calibration(0).is_err() && scored.calibration(7).is_err());
    }
}

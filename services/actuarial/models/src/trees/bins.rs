//! Columns as bins: what a split can tell apart.

use super::TreesError;
use crate::glm::Frame;

/// Bins of one column; a bin fits a byte.
pub(crate) const MOST_BINS: usize = 255;

/// A column the trees look at, and how it is cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    pub(crate) cut: Cut,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cut {
    /// Bin i holds values above bound i − 1 and up to bound i.
    Numeric { bounds: Vec<f64> },
    /// Bin i is level i.
    Factor { levels: Vec<String> },
}

impl Feature {
    /// Cuts a column of `frame`: a factor by its levels, numbers into at most `most` bins of much the
    /// same number of rows.
    pub(crate) fn cut(frame: &Frame, name: &str, most: usize) -> Result<Feature, TreesError> {
        let cut = match frame.factor(name) {
            Ok((levels, _)) if levels.len() > MOST_BINS => {
                let (factor, found) = (name.to_owned(), levels.len());
                return Err(TreesError::Levels { factor, found, most: MOST_BINS });
            }
            Ok((levels, _)) => Cut::Factor { levels: levels.to_vec() },
            Err(_) => Cut::Numeric { bounds: bounds(frame.numbers(name)?, most) },
        };
        Ok(Feature { name: name.to_owned(), cut })
    }

    /// How many bins there are.
    pub fn bins(&self) -> usize {
        match &self.cut {
            Cut::Numeric { bounds } => bounds.len() + 1,
            Cut::Factor { levels } => levels.len(),
        }
    }

    pub(crate) fn is_numeric(&self) -> bool {
        matches!(self.cut, Cut::Numeric { .. })
    }

    /// The levels of a factor; `None` of numbers.
    pub fn levels(&self) -> Option<&[String]> {
        match &self.cut {
            Cut::Numeric { .. } => None,
            Cut::Factor { levels } => Some(levels),
        }
    }

    /// What a bin holds, in words.
    pub fn bin(&self, bin: usize) -> String {
        match &self.cut {
            Cut::Factor { levels } => levels.get(bin).cloned().unwrap_or_default(),
            Cut::Numeric { bounds } => match (bin.checked_sub(1), bounds.get(bin)) {
                (None, None) => "any".to_owned(),
                (None, Some(high)) => format!("≤ {high}"),
                (Some(low), None) => format!("> {}", bounds[low]),
                (Some(low), Some(high)) => format!("> {}, ≤ {high}", bounds[low]),
            },
        }
    }

    /// Bins of the rows of a frame. A level the trees were not grown with is refused.
    pub(crate) fn codes(&self, frame: &Frame) -> Result<Vec<u8>, TreesError> {
        match &self.cut {
            Cut::Numeric { bounds } => {
                Ok(frame.numbers(&self.name)?.iter().map(|value| bin(bounds, *value)).collect())
            }
            Cut::Factor { levels } => {
                let (own, codes) = frame.factor(&self.name)?;
                let places: Vec<Option<u8>> = own.iter().map(|text| place(levels, text)).collect();
                let place = |&code: &u32| {
                    places[code as usize].ok_or_else(|| self.refused(&own[code as usize]))
                };
                codes.iter().map(place).collect()
            }
        }
    }

    /// The bin of one row of a frame.
    pub(crate) fn code(&self, frame: &Frame, row: usize) -> Result<u8, TreesError> {
        match &self.cut {
            Cut::Numeric { bounds } => Ok(bin(bounds, frame.numbers(&self.name)?[row])),
            Cut::Factor { levels } => {
                let (own, codes) = frame.factor(&self.name)?;
                let text = &own[codes[row] as usize];
                place(levels, text).ok_or_else(|| self.refused(text))
            }
        }
    }

    fn refused(&self, level: &str) -> TreesError {
        TreesError::NewLevel { factor: self.name.clone(), level: level.to_owned() }
    }
}

fn bin(bounds: &[f64], value: f64) -> u8 {
    bounds.partition_point(|bound| *bound < value) as u8
}

fn place(levels: &[String], text: &str) -> Option<u8> {
    levels.iter().position(|level| level == text).map(|place| place as u8)
}

/// Bounds half way between neighbouring values.
fn bounds(values: &[f64], most: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct: Vec<(f64, usize)> = vec![];
    for value in sorted {
        match distinct.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => distinct.push((value, 1)),
        }
    }
    let mut bounds = vec![];
    let (mut left, mut open) = (values.len(), most.clamp(1, MOST_BINS));
    let fine = distinct.len() <= open;
    let mut held = 0;
    for pair in distinct.windows(2) {
        held += pair[0].1;
        // A bin is full when it holds its part of what was left when it began.
        if open > 1 && (fine || held * open >= left) {
            bounds.push(0.5 * (pair[0].0 + pair[1].0));
            left -= held;
            (held, open) = (0, open - 1);
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_their_own_bins_and_many_share_them_evenly() {
        assert_eq!(bounds(&[3.0, 1.0, 1.0, 2.0], 10), [1.5, 2.5]);
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(bounds(&many, 4), [249.5, 499.5, 749.5]);
        // One value has most of the rows: the others still get bins.
        let mut heavy = vec![0.0; 900];
        heavy.extend((1..=100).map(f64::from));
        assert_eq!(bounds(&heavy, 3), [0.5, 50.5]);
    }

    #[test]
    fn a_value_on_a_bound_is_below_it_and_a_new_level_is_named() {
        let mut frame = Frame::new();
        frame.add_numbers("age", vec![1.0, 1.75, 2.5]).unwrap();
        frame.add_texts("area", &["a", "b", "a"]).unwrap();
        let age = Feature::cut(&frame, "age", 2).unwrap();
        assert_eq!(age.cut, Cut::Numeric { bounds: vec![2.125] });
        assert_eq!(age.codes(&frame).unwrap(), [0, 0, 1]);
        assert_eq!((age.bin(0), age.bin(1)), ("≤ 2.125".to_owned(), "> 2.125".to_owned()));
        let mut edge = Frame::new();
        edge.add_numbers("age", vec![2.125, 2.126]).unwrap();
        assert_eq!(age.codes(&edge).unwrap(), [0, 1]);
        let area = Feature::cut(&frame, "area", 2).unwrap();
        let mut other = Frame::new();
        other.add_texts("area", &["b", "c"]).unwrap();
        let refused = TreesError::NewLevel { factor: "area".into(), level: "c".into() };
        assert_eq!(area.codes(&other), Err(refused));
    }
}

//! Rows as columns: level numbers of factors, values of numbers.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::GlmError;

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// A categorical: each row names one of the levels by its place.
    Factor {
        /// Texts of the levels.
        levels: Vec<String>,
        /// One per row.
        codes: Vec<u32>,
    },
    /// Finite numbers, one per row.
    Numeric(Vec<f64>),
}

/// Columns of one length under their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    rows: usize,
    columns: Vec<(String, Column)>,
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Column::Factor { codes, .. } => codes.len(),
            Column::Numeric(values) => values.len(),
        }
    }
}

impl Frame {
    /// A frame without columns, which takes its length from the first.
    pub fn new() -> Frame {
        Frame::default()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether there is no column, and so no length.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Adds a column of texts as a factor with its levels in text order.
    pub fn add_texts<T: AsRef<str>>(&mut self, name: &str, texts: &[T]) -> Result<(), GlmError> {
        let mut places = HashMap::<&str, u32>::new();
        for text in texts {
            let next = places.len() as u32;
            places.entry(text.as_ref()).or_insert(next);
        }
        let mut levels: Vec<&str> = places.keys().copied().collect();
        levels.sort_unstable();
        for (place, level) in levels.iter().enumerate() {
            places.insert(level, place as u32);
        }
        let codes = texts.iter().map(|text| places[text.as_ref()]).collect();
        let levels = levels.into_iter().map(str::to_owned).collect();
        self.add(name, Column::Factor { levels, codes })
    }

    /// Adds a column of finite numbers.
    pub fn add_numbers(&mut self, name: &str, values: Vec<f64>) -> Result<(), GlmError> {
        self.add(name, Column::Numeric(values))
    }

    /// Adds a factor that says between which `bounds` (increasing) a numeric column lies: level `1` is
    /// below the first, a value on a bound belongs above it.
    pub fn add_classes(
        &mut self,
        name: &str,
        column: &str,
        bounds: &[f64],
    ) -> Result<(), GlmError> {
        if bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(GlmError::Argument("bounds that do not increase"));
        }
        let class = |value: &f64| bounds.partition_point(|bound| bound <= value) as u32;
        let codes = self.numbers(column)?.iter().map(class).collect();
        let levels = (1..=bounds.len() + 1).map(|class| class.to_string()).collect();
        self.add(name, Column::Factor { levels, codes })
    }

    /// Adds a column as it is.
    pub fn add(&mut self, name: &str, column: Column) -> Result<(), GlmError> {
        if self.columns.iter().any(|(known, _)| known == name) {
            return Err(GlmError::Twice(name.to_owned()));
        }
        if !self.columns.is_empty() && column.len() != self.rows {
            let (what, found) = (name.to_owned(), column.len());
            return Err(GlmError::Length { what, found, rows: self.rows });
        }
        match &column {
            Column::Factor { levels, codes } => {
                let bad = codes.iter().position(|&code| code as usize >= levels.len());
                if let Some(row) = bad {
                    let (factor, code) = (name.to_owned(), codes[row]);
                    return Err(GlmError::Code { factor, code, row });
                }
            }
            Column::Numeric(values) => finite_rows(name, values)?,
        }
        self.rows = column.len();
        self.columns.push((name.to_owned(), column));
        Ok(())
    }

    /// Appends the rows of `batch`, which has the same columns; levels are matched by their texts.
    pub fn append(&mut self, batch: &Frame) -> Result<(), GlmError> {
        if self.columns.is_empty() {
            *self = batch.clone();
            return Ok(());
        }
        // Everything is looked up before anything is changed.
        let theirs = self
            .columns
            .iter()
            .map(|(name, mine)| match (mine, batch.column(name)) {
                (Column::Factor { .. }, Some(theirs @ Column::Factor { .. })) => Ok(theirs),
                (Column::Numeric(_), Some(theirs @ Column::Numeric(_))) => Ok(theirs),
                (Column::Factor { .. }, _) => Err(missing("factor", name)),
                (Column::Numeric(_), _) => Err(missing("numeric", name)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        for ((_, mine), theirs) in self.columns.iter_mut().zip(theirs) {
            match (mine, theirs) {
                (
                    Column::Factor { levels, codes },
                    Column::Factor { levels: new, codes: added },
                ) => {
                    let places: Vec<u32> = new.iter().map(|text| place(levels, text)).collect();
                    codes.extend(added.iter().map(|&code| places[code as usize]));
                }
                (Column::Numeric(values), Column::Numeric(added)) => values.extend(added),
                _ => {}
            }
        }
        self.rows += batch.rows;
        Ok(())
    }

    /// Some of the rows, in the order they are named, with all levels of the factors.
    pub fn pick(&self, rows: &[usize]) -> Result<Frame, GlmError> {
        if let Some(&row) = rows.iter().find(|row| **row >= self.rows) {
            return Err(GlmError::Length {
                what: "the frame".to_owned(),
                found: row,
                rows: self.rows,
            });
        }
        let picked = |column: &Column| match column {
            Column::Factor { levels, codes } => Column::Factor {
                levels: levels.clone(),
                codes: rows.iter().map(|&row| codes[row]).collect(),
            },
            Column::Numeric(values) => {
                Column::Numeric(rows.iter().map(|&row| values[row]).collect())
            }
        };
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), picked(column)));
        Ok(Frame { rows: rows.len(), columns: columns.collect() })
    }

    /// Levels and codes of a factor.
    pub fn factor(&self, name: &str) -> Result<(&[String], &[u32]), GlmError> {
        match self.column(name) {
            Some(Column::Factor { levels, codes }) => Ok((levels, codes)),
            _ => Err(missing("factor", name)),
        }
    }

    /// Values of a numeric column.
    pub fn numbers(&self, name: &str) -> Result<&[f64], GlmError> {
        match self.column(name) {
            Some(Column::Numeric(values)) => Ok(values),
            _ => Err(missing("numeric", name)),
        }
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, column)| column)
    }
}

/// The order in which people read levels: numbers by size and before other texts, those as texts.
pub fn level_order(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        _ => a.cmp(b),
    }
}

/// Refuses a value that is no number, by name and row.
pub(crate) fn finite_rows(what: &str, values: &[f64]) -> Result<(), GlmError> {
    let bad = values.iter().position(|value| !value.is_finite());
    bad.map_or(Ok(()), |row| Err(GlmError::Value { what: what.to_owned(), row: Some(row) }))
}

fn missing(kind: &'static str, name: &str) -> GlmError {
    GlmError::NoColumn { kind, name: name.to_owned() }
}

/// Place of a level, added at the end when it is new.
fn place(levels: &mut Vec<String>, text: &str) -> u32 {
    let known = levels.iter().position(|level| level == text);
    known.unwrap_or_else(|| {
        levels.push(text.to_owned());
        levels.len() - 1
    }) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_come_together_by_the_texts_of_their_levels() {
        let batch = |texts: &[&str], numbers: &[f64]| {
            let mut frame = Frame::new();
            frame.add_texts("area", texts).unwrap();
            frame.add_numbers("age", numbers.to_vec()).unwrap();
            frame
        };
        let mut all = Frame::new();
        all.append(&batch(&["b", "a"], &[1.0, 2.0])).unwrap();
        all.append(&batch(&["c", "b"], &[3.0, 4.0])).unwrap();
        let (levels, codes) = all.factor("area").unwrap();
        assert_eq!(
            (levels, codes),
            (["a", "b", "c"].map(String::from).as_slice(), [1, 0, 2, 1].as_slice())
        );
        assert_eq!((all.rows(), all.numbers("age").unwrap()), (4, [1.0, 2.0, 3.0, 4.0].as_slice()));
        let mut other = Frame::new();
        other.add_texts("age", &["x"]).unwrap();
        assert!(matches!(all.append(&other), Err(GlmError::NoColumn { kind: "factor", .. })));
        assert_eq!(all.rows(), 4);
    }

    #[test]
    fn levels_are_read_as_numbers_where_they_are() {
        let mut levels = ["b", "10", "-1", "(missing)", "9", "a", "9.0"];
        levels.sort_by(|a, b| level_order(a, b));
        assert_eq!(levels, ["-1", "9", "9.0", "10", "(missing)", "a", "b"]);
    }

    #[test]
    fn numbers_fall_into_classes() {
        let mut frame = Frame::new();
        frame.add_numbers("age", vec![17.0, 18.0, 30.0, 99.0]).unwrap();
        frame.add_classes("class", "age", &[18.0, 50.0]).unwrap();
        let (levels, codes) = frame.factor("class").unwrap();
        assert_eq!((levels.len(), codes), (3, [0, 1, 1, 2].as_slice()));
        assert!(frame.add_classes("other", "age", &[2.0, 2.0]).is_err());
    }

    #[test]
    fn rows_are_picked_with_all_levels_and_none_is_made_up() {
        let mut frame = Frame::new();
        frame.add_texts("area", &["b", "a", "c"]).unwrap();
        frame.add_numbers("age", vec![1.0, 2.0, 3.0]).unwrap();
        let some = frame.pick(&[2, 0, 2]).unwrap();
        assert_eq!((some.rows(), some.numbers("age").unwrap()), (3, [3.0, 1.0, 3.0].as_slice()));
        let (levels, codes) = some.factor("area").unwrap();
        assert_eq!((levels.len(), codes), (3, [2, 1, 2].as_slice()));
        assert!(matches!(frame.pick(&[3]), Err(GlmError::Length { found: 3, .. })));
    }

    #[test]
    fn columns_that_cannot_be_are_refused_by_name_and_row() {
        let mut frame = Frame::new();
        let infinite = frame.add_numbers("age", vec![1.0, f64::NAN]);
        assert_eq!(infinite, Err(GlmError::Value { what: "age".into(), row: Some(1) }));
        frame.add_numbers("age", vec![1.0, 2.0]).unwrap();
        assert_eq!(frame.add_numbers("age", vec![1.0, 2.0]), Err(GlmError::Twice("age".into())));
        assert!(matches!(frame.add_texts("area", &["a"]), Err(GlmError::Length { .. })));
        let column = Column::Factor { levels: vec!["a".into()], codes: vec![0, 1] };
        assert!(matches!(frame.add("area", column), Err(GlmError::Code { code: 1, row: 1, .. })));
    }
}

//! Columns read from texts, such as the cells of a file: every text that is no number is refused by
//! column and row.
//!
//! Decompressing, splitting into cells and choosing rows are the caller's.

use std::collections::HashMap;

use super::{Column, Frame, GlmError};

/// What a column of texts is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each text is a level.
    Factor,
    /// Each text is a finite number.
    Numeric,
}

/// Columns being read, row by row.
#[derive(Clone, Debug)]
pub struct Reading {
    columns: Vec<(String, Cells)>,
    rows: usize,
}

#[derive(Clone, Debug)]
enum Cells {
    Factor { places: HashMap<Box<[u8]>, u32>, codes: Vec<u32> },
    Numeric(Vec<f64>),
}

impl Reading {
    /// Columns of these names and kinds, without rows.
    pub fn new(columns: &[(&str, Kind)]) -> Reading {
        let empty = |kind| match kind {
            Kind::Factor => Cells::Factor { places: HashMap::new(), codes: vec![] },
            Kind::Numeric => Cells::Numeric(vec![]),
        };
        let columns = columns.iter().map(|&(name, kind)| (name.to_owned(), empty(kind)));
        Reading { columns: columns.collect(), rows: 0 }
    }

    /// Number of rows read.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Reads one row: a text for each column, in their order.
    ///
    /// After an error the row before is the last one.
    pub fn row<'a>(&mut self, texts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), GlmError> {
        let (row, mut found) = (self.rows, 0);
        let mut read = Ok(());
        for text in texts {
            if let Some((name, cells)) = self.columns.get_mut(found).filter(|_| read.is_ok()) {
                read = cells.read(name, row, text);
            }
            found += 1;
        }
        let columns = self.columns.len();
        if read.is_ok() && found != columns {
            read = Err(GlmError::Cells { row, found, columns });
        }
        match read {
            Ok(()) => self.rows += 1,
            Err(_) => self.columns.iter_mut().for_each(|(_, cells)| cells.truncate(row)),
        }
        read
    }

    /// The frame, levels in text order.
    pub fn finish(self) -> Result<Frame, GlmError> {
        let mut frame = Frame::new();
        for (name, cells) in self.columns {
            let column = match cells {
                Cells::Numeric(values) => Column::Numeric(values),
                Cells::Factor { places, mut codes } => {
                    let mut levels: Vec<(Box<[u8]>, u32)> = places.into_iter().collect();
                    levels.sort_unstable();
                    let mut sorted = vec![0; levels.len()];
                    for (place, &(_, code)) in levels.iter().enumerate() {
                        sorted[code as usize] = place as u32;
                    }
                    codes.iter_mut().for_each(|code| *code = sorted[*code as usize]);
                    let text =
                        |(text, _): (Box<[u8]>, u32)| String::from_utf8_lossy(&text).into_owned();
                    Column::Factor { levels: levels.into_iter().map(text).collect(), codes }
                }
            };
            frame.add(&name, column)?;
        }
        Ok(frame)
    }
}

impl Cells {
    fn read(&mut self, name: &str, row: usize, text: &[u8]) -> Result<(), GlmError> {
        match self {
            Cells::Factor { places, codes } => {
                let code = match places.get(text) {
                    Some(&code) => code,
                    None => {
                        let code = places.len() as u32;
                        places.insert(text.into(), code);
                        code
                    }
                };
                codes.push(code);
            }
            Cells::Numeric(values) => {
                let number = str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
                // "NaN" and "inf" parse, and are no amounts.
                match number.filter(|number: &f64| number.is_finite()) {
                    Some(number) => values.push(number),
                    None => {
                        let text = String::from_utf8_lossy(text).into_owned();
                        return Err(GlmError::Text { what: name.to_owned(), row, text });
                    }
                }
            }
        }
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Cells::Factor { codes, .. } => codes.truncate(rows),
            Cells::Numeric(values) => values.truncate(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(texts: &[&'a str]) -> Vec<&'a [u8]> {
        texts.iter().map(|text| text.as_bytes()).collect()
    }

    #[test]
    fn texts_become_levels_and_numbers() {
        let mut reading = Reading::new(&[("area", Kind::Factor), ("age", Kind::Numeric)]);
        for cells in [["b", "18"], ["a", " 2.5 "], ["b", "-1e3"]] {
            reading.row(row(&cells)).unwrap();
        }
        let frame = reading.finish().unwrap();
        let (levels, codes) = frame.factor("area").unwrap();
        assert_eq!((levels[0].as_str(), levels[1].as_str(), codes), ("a", "b", &[1, 0, 1][..]));
        assert_eq!(frame.numbers("age").unwrap(), [18.0, 2.5, -1000.0]);
    }

    #[test]
    fn texts_that_are_no_numbers_are_named_and_leave_no_part_of_a_row() {
        let mut reading = Reading::new(&[("area", Kind::Factor), ("age", Kind::Numeric)]);
        reading.row(row(&["a", "1"])).unwrap();
        for text in ["", "NaN", "inf", "twelve", "1,5"] {
            let refused = GlmError::Text { what: "age".into(), row: 1, text: text.into() };
            assert_eq!(reading.row(row(&["b", text])), Err(refused));
        }
        let short = reading.row(row(&["b"]));
        assert_eq!(short, Err(GlmError::Cells { row: 1, found: 1, columns: 2 }));
        let long = reading.row(row(&["b", "1", "2"]));
        assert_eq!(long, Err(GlmError::Cells { row: 1, found: 3, columns: 2 }));
        reading.row(row(&["b", "2"])).unwrap();
        assert_eq!((reading.rows(), reading.finish().unwrap().rows()), (2, 2));
    }
}

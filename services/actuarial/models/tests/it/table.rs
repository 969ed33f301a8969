//! Third-party tables, read as columns of texts.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

use flate2::read::GzDecoder;

use super::shared;

/// Columns by name.
pub(crate) struct Texts(HashMap<String, Vec<String>>);

impl Texts {
    /// A file of the shared data, gzipped or not; `None` when it is absent.
    pub(crate) fn read(name: &str) -> Option<Texts> {
        Texts::between(name, b',')
    }

    /// The same where another character stands between columns.
    pub(crate) fn between(name: &str, delimiter: u8) -> Option<Texts> {
        let file = File::open(shared(name)?).unwrap();
        let input: Box<dyn Read> =
            if name.ends_with(".gz") { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(input);
        let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let mut columns = vec![vec![]; names.len()];
        for row in reader.records() {
            let row = row.unwrap();
            columns.iter_mut().zip(&row).for_each(|(column, text)| column.push(text.to_owned()));
        }
        Some(Texts(names.into_iter().zip(columns).collect()))
    }

    pub(crate) fn texts(&self, name: &str) -> &[String] {
        &self.0[name]
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        self.0[name].iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The rows for which `keep` holds.
    pub(crate) fn only(self, keep: impl Fn(usize) -> bool) -> Texts {
        let kept = |column: Vec<String>| {
            column.into_iter().enumerate().filter(|(row, _)| keep(*row)).map(|(_, text)| text)
        };
        Texts(self.0.into_iter().map(|(name, column)| (name, kept(column).collect())).collect())
    }
}

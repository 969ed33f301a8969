//! The columns a run reads, by name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use actuarial_models::glm::{Column as ModelColumn, level_order};
use actuarial_models::scoring::Live;

use crate::dataset::table::{Column, MISSING};
use crate::error;
use crate::method::Failure;

/// What stands for a missing value among the levels of a factor.
pub(crate) const MISSING_LEVEL: &str = "(missing)";

/// Numbers of a column, copied only where they are made.
pub(crate) type Numbers<'a> = Cow<'a, [f64]>;

/// A column as levels and a code for each row.
pub(crate) struct Coded<'a> {
    pub(crate) levels: Cow<'a, [String]>,
    pub(crate) codes: Cow<'a, [u32]>,
}

/// Columns of one length.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    columns: BTreeMap<String, Column>,
    rows: usize,
    /// Some of the rows of a table: which of them is which is not known.
    partial: bool,
    /// A model that what is learnt is compared with.
    pub(crate) champion: Option<Arc<Live>>,
}

impl Data {
    /// These columns, each of so many rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = (String, Column)>, rows: usize) -> Data {
        Data { columns: columns.into_iter().collect(), rows, partial: false, champion: None }
    }

    /// The same, of some rows of a table.
    pub(crate) fn some(columns: impl IntoIterator<Item = (String, Column)>, rows: usize) -> Data {
        Data { partial: true, ..Data::new(columns, rows) }
    }

    /// What a row is called where something is wrong with it.
    pub(crate) fn row_name(&self, row: usize) -> String {
        if self.partial { "some row".to_owned() } else { format!("row {}", row + 1) }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a column.
    pub(crate) fn add(&mut self, name: &str, column: Column) {
        self.columns.insert(name.to_owned(), column);
    }

    /// A column that was checked to be there.
    pub(crate) fn column(&self, name: &str) -> Result<&Column, Failure> {
        self.columns.get(name).ok_or_else(|| Failure::ours("a column was not read"))
    }

    /// Keeps the rows for which `keep` holds.
    pub(crate) fn only(self, keep: &[bool]) -> Data {
        let rows = keep.iter().filter(|keep| **keep).count();
        let Data { columns, partial, champion, .. } = self;
        let columns = columns.into_iter().map(|(name, column)| (name, column.only(keep)));
        Data { columns: columns.collect(), rows, partial, champion }
    }

    /// The numbers of a column. A missing one is refused by row.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>, Failure> {
        let numbers = self.gapped(name)?;
        let missing = numbers.iter().filter(|value| value.is_nan()).count();
        match numbers.iter().position(|value| value.is_nan()) {
            None => Ok(numbers.into_owned()),
            Some(row) => {
                let detail =
                    format!("column {name} has no value in {missing} rows, row {} first", row + 1);
                let advice = "fill the column, leave those rows out with a condition under rows, or \
                              set missing to drop";
                Err(Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(name))
            }
        }
    }

    /// The numbers of a column, NaN where one is missing.
    pub(crate) fn gapped(&self, name: &str) -> Result<Numbers<'_>, Failure> {
        self.column(name)?.numbers().ok_or_else(|| Failure::ours("a column holds texts"))
    }

    /// A column as levels, in any order and not each of a row, and a code for each row; what is missing
    /// is a level of its own.
    pub(crate) fn coded(&self, name: &str) -> Result<Coded<'_>, Failure> {
        let (mut levels, mut codes) = self.column(name)?.factor();
        if codes.contains(&MISSING) {
            let own = levels.len() as u32;
            levels.to_mut().push(MISSING_LEVEL.to_owned());
            codes.to_mut().iter_mut().filter(|code| **code == MISSING).for_each(|code| *code = own);
        }
        Ok(Coded { levels, codes })
    }

    /// A column as levels in [`level_order`] and a code for each row; what is missing is a level of its
    /// own.
    pub(crate) fn factor(&self, name: &str) -> Result<(Vec<String>, Vec<u32>), Failure> {
        let Coded { levels, codes } = self.coded(name)?;
        let (mut levels, mut codes) = (levels.into_owned(), codes.into_owned());
        // Only levels some row has: conditions may have left others without one.
        let mut used = vec![false; levels.len()];
        codes.iter().for_each(|code| used[*code as usize] = true);
        let mut order: Vec<usize> = (0..levels.len()).filter(|place| used[*place]).collect();
        order.sort_by(|a, b| level_order(&levels[*a], &levels[*b]));
        let mut places = vec![0; levels.len()];
        order.iter().enumerate().for_each(|(place, old)| places[*old] = place as u32);
        codes.iter_mut().for_each(|code| *code = places[*code as usize]);
        Ok((order.into_iter().map(|place| std::mem::take(&mut levels[place])).collect(), codes))
    }

    /// A column as a factor of the models.
    pub(crate) fn model_factor(&self, name: &str) -> Result<ModelColumn, Failure> {
        let (levels, codes) = self.factor(name)?;
        Ok(ModelColumn::Factor { levels, codes })
    }

    /// The texts of a column, `None` where one is missing.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<Option<String>>, Failure> {
        let column = self.column(name)?;
        Ok((0..self.rows).map(|row| column.text(row)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stand_in_the_order_of_their_numbers_and_gaps_are_a_level() {
        let values = vec![Some(10), Some(9), None, Some(10)];
        let data = Data::new([("x".to_owned(), Column::Integer(values))], 4);
        let (levels, codes) = data.factor("x").unwrap();
        assert_eq!(
            (levels.as_slice(), codes),
            (&["9", "10", MISSING_LEVEL].map(String::from)[..], vec![1, 0, 2, 1])
        );
        let detail = data.numbers("x").unwrap_err().document();
        assert_eq!(detail["column"], "x");
        let some = data.only(&[true, false, false, true]);
        assert_eq!(some.factor("x").unwrap(), (vec!["10".to_owned()], vec![0, 0]));
        assert_eq!(some.numbers("x").unwrap(), [10.0, 10.0]);
    }
}

//! Columns a model looks at: numbers as numbers, others by their levels.

use actuarial_models::glm::Frame;

use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::{Failure, glm};

/// Most columns a model looks at.
const MOST: usize = 64;

/// Columns in the order in which they were named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features(Vec<Feature>);

/// A column a model looks at.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    pub(crate) column: String,
    /// Whether it is taken by its values, not by its levels.
    pub(crate) is_number: bool,
}

impl Features {
    /// Reads the column that is named at `at`, unless it is none.
    pub(crate) fn read(
        &mut self,
        check: &mut Check<'_>,
        at: &str,
        named: Option<&String>,
        as_levels: Option<bool>,
    ) -> Option<Feature> {
        let column = check.needed(at, named, None);
        if column.is_empty() {
            return None;
        }
        if self.columns().any(|known| known == column) {
            check.fault(at, "is named before");
        }
        let numeric = check.column(at, &column).is_some_and(|kind| kind.is_numeric());
        let feature = Feature { column, is_number: numeric && !as_levels.unwrap_or(false) };
        self.0.push(feature.clone());
        Some(feature)
    }

    /// Notes when none or too many were named.
    pub(crate) fn bounded<T>(check: &mut Check<'_>, named: Option<&Vec<T>>) {
        if !(1..=MOST).contains(&named.map_or(0, Vec::len)) {
            check.fault("/features", format!("name 1 to {MOST} columns"));
        }
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|feature| &*feature.column)
    }

    /// The columns that are taken by their levels.
    pub(crate) fn by_levels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|feature| !feature.is_number).map(|feature| &*feature.column)
    }

    /// The columns of rows as models take them.
    pub(crate) fn frame(&self, data: &Data) -> Result<Frame, Failure> {
        let mut frame = Frame::new();
        for Feature { column, is_number } in &self.0 {
            let added = match is_number {
                true => frame.add_numbers(column, data.numbers(column)?),
                false => frame.add(column, data.model_factor(column)?),
            };
            added.map_err(|error| glm::refused(&error))?;
        }
        Ok(frame)
    }
}

//! What is wrong with a tariff bundle: file, line, column, and what to change.

use std::fmt;

use serde::Serialize;

/// One mistake in a tariff bundle. A bundle with any of them is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TariffError {
    /// File inside the bundle, for example `vehicle_tax.csv`.
    pub file: String,
    /// Line in the file, the header being line 1. `None` when the whole file is meant.
    pub line: Option<u32>,
    /// Column by its header. `None` when no single column is meant.
    pub column: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to change.
    pub advice: String,
}

impl TariffError {
    pub(crate) fn file(file: &str, problem: String, advice: impl Into<String>) -> TariffError {
        let file = file.to_owned();
        TariffError { file, line: None, column: None, problem, advice: advice.into() }
    }

    pub(crate) fn cell(
        file: &str,
        line: u32,
        column: &str,
        problem: String,
        advice: impl Into<String>,
    ) -> TariffError {
        TariffError {
            file: file.to_owned(),
            line: Some(line),
            column: Some(column.to_owned()),
            problem,
            advice: advice.into(),
        }
    }
}

impl fmt::Display for TariffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}; {}", self.problem, self.advice)
    }
}

impl std::error::Error for TariffError {}

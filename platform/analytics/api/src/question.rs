//! A question about the market and its answer.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Quarter;

/// What cells of the market are told apart by, from the coarsest to the finest: where a cell cannot
/// be told, the last of these is given up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dimension {
    /// Branch region, six-digit code.
    Region,
    /// `compulsory` or `commercial`.
    Class,
    /// 使用性质.
    Usage,
    /// 燃料种类.
    Fuel,
    /// 车辆种类.
    Category,
}

impl Dimension {
    /// All of them, in order.
    pub const ALL: [Dimension; 5] = [
        Dimension::Region,
        Dimension::Class,
        Dimension::Usage,
        Dimension::Fuel,
        Dimension::Category,
    ];

    /// Its column in the market's record.
    pub const fn column(self) -> &'static str {
        match self {
            Dimension::Region => "region",
            Dimension::Class => "class",
            Dimension::Usage => "usage",
            Dimension::Fuel => "fuel",
            Dimension::Category => "category",
        }
    }
}

/// What is measured. All are sums, so that cells add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// Seconds of cover in the quarter.
    InsuredS,
    /// Premium earned in the quarter, fen.
    EarnedFen,
    /// Premium written in the quarter, fen.
    WrittenFen,
    /// Claims whose accident was in the quarter, cancelled ones not counted.
    Claims,
    /// Paid for them, fen.
    PaidFen,
    /// Got back for them, fen.
    RecoveredFen,
    /// Still expected to be paid for them, fen.
    OutstandingFen,
}

impl Measure {
    /// All of them, in order.
    pub const ALL: [Measure; 7] = [
        Measure::InsuredS,
        Measure::EarnedFen,
        Measure::WrittenFen,
        Measure::Claims,
        Measure::PaidFen,
        Measure::RecoveredFen,
        Measure::OutstandingFen,
    ];

    /// Its column.
    pub const fn column(self) -> &'static str {
        match self {
            Measure::InsuredS => "insured_s",
            Measure::EarnedFen => "earned_fen",
            Measure::WrittenFen => "written_fen",
            Measure::Claims => "claims",
            Measure::PaidFen => "paid_fen",
            Measure::RecoveredFen => "recovered_fen",
            Measure::OutstandingFen => "outstanding_fen",
        }
    }
}

/// Keeps cells of some values of a dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// The dimension.
    pub dimension: Dimension,
    /// The values; never empty.
    pub any_of: BTreeSet<String>,
}

/// A question about the market in a closed quarter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarketQuestion {
    /// The quarter.
    pub quarter: Quarter,
    /// A revision of its publication; the latest when absent.
    #[serde(default)]
    pub revision: Option<u64>,
    /// What is wanted, in the order it is answered.
    pub measures: Vec<Measure>,
    /// One row for each combination of these; one row in all when empty.
    #[serde(default)]
    pub by: Vec<Dimension>,
    /// All of them hold.
    #[serde(default)]
    pub filters: Vec<Filter>,
}

/// Why a question is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// No measure is asked for.
    #[error("a question asks for at least one measure")]
    NoMeasure,
    /// A measure is asked for twice.
    #[error("{0:?} is asked for twice")]
    MeasureTwice(Measure),
    /// A dimension is asked for or filtered by twice.
    #[error("{0:?} is named twice")]
    DimensionTwice(Dimension),
    /// A filter keeps nothing.
    #[error("the filter on {0:?} names no value")]
    NoValue(Dimension),
}

impl MarketQuestion {
    /// Refuses what cannot be meant.
    pub fn check(&self) -> Result<(), QuestionError> {
        if self.measures.is_empty() {
            return Err(QuestionError::NoMeasure);
        }
        if let Some(measure) = twice(self.measures.iter().copied()) {
            return Err(QuestionError::MeasureTwice(measure));
        }
        let filtered = || self.filters.iter().map(|filter| filter.dimension);
        if let Some(dimension) = twice(self.by.iter().copied()).or(twice(filtered())) {
            return Err(QuestionError::DimensionTwice(dimension));
        }
        match self.filters.iter().find(|filter| filter.any_of.is_empty()) {
            Some(filter) => Err(QuestionError::NoValue(filter.dimension)),
            None => Ok(()),
        }
    }
}

fn twice<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = BTreeSet::new();
    values.into_iter().find(|value| !seen.insert(*value))
}

/// What the market answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketAnswer {
    /// The quarter.
    pub quarter: Quarter,
    /// The revision of its publication that answers.
    pub revision: u64,
    /// In the order of their keys.
    pub rows: Vec<AnswerRow>,
    /// Cells of the quarter that no answer contains, because with them it would tell of an
    /// insurer.
    pub left_out: u64,
    /// Published cells that the filters could not place: they hold several values of a dimension
    /// that is filtered by. They are in no row.
    pub not_placed: u64,
}

/// A row of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRow {
    /// Values of the dimensions asked for; `None` holds several values that are only told together.
    pub key: Vec<Option<String>>,
    /// The measures asked for.
    pub values: Vec<i64>,
}

/// What is published of a quarter, as far as anybody may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The quarter.
    pub quarter: Quarter,
    /// The latest revision; 1 for the first.
    pub revision: u64,
    /// When it was published.
    pub published_at: Timestamp,
    /// Cells, or cells told together, that answers are sums of.
    pub told: u64,
    /// Cells that no answer contains.
    pub left_out: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_from_json_and_says_what_is_wrong_with_it() {
        let asked = |json: &str| serde_json::from_str::<MarketQuestion>(json).unwrap().check();
        let good = r#"{"quarter":"2025-Q1","measures":["claims","paidFen"],"by":["region"],
                       "filters":[{"dimension":"class","anyOf":["compulsory"]}]}"#;
        assert_eq!(asked(good), Ok(()));
        assert_eq!(asked(r#"{"quarter":"2025-Q1","measures":[]}"#), Err(QuestionError::NoMeasure));
        let twice = r#"{"quarter":"2025-Q1","measures":["claims","claims"]}"#;
        assert_eq!(asked(twice), Err(QuestionError::MeasureTwice(Measure::Claims)));
        let twice = r#"{"quarter":"2025-Q1","measures":["claims"],"by":["fuel","fuel"]}"#;
        assert_eq!(asked(twice), Err(QuestionError::DimensionTwice(Dimension::Fuel)));
        let empty = r#"{"quarter":"2025-Q1","measures":["claims"],
                        "filters":[{"dimension":"usage","anyOf":[]}]}"#;
        assert_eq!(asked(empty), Err(QuestionError::NoValue(Dimension::Usage)));
        let unknown = r#"{"quarter":"2025-Q1","measures":["claims"],"where":"1=1"}"#;
        assert!(serde_json::from_str::<MarketQuestion>(unknown).is_err());
    }
}

//! The least and greatest value of a column in a file.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{
    DataType, Date32Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use serde::{Deserialize, Serialize};

/// Longer texts are not kept as bounds.
const LONGEST: usize = 64;

/// A value as a manifest writes it: whole numbers, days since 1970 and microseconds since 1970 as
/// a number, text as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bound {
    /// A number, a day or an instant.
    Whole(i64),
    /// A text, in the order of its bytes.
    Text(String),
}

/// From the least to the greatest value that is not null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The least.
    pub min: Bound,
    /// The greatest.
    pub max: Bound,
}

/// Bounds of the columns of a file under way.
#[derive(Debug, Default)]
pub(crate) struct Widening {
    found: BTreeMap<String, Option<Bounds>>,
}

impl Widening {
    /// Takes in the rows of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if column.null_count() == column.len() {
                continue;
            }
            let here = bounds(column);
            let so_far = self.found.remove(field.name());
            let wider = match (so_far, here) {
                (None, here) => here,
                (Some(Some(so_far)), Some(here)) => {
                    Some(Bounds { min: so_far.min.min(here.min), max: so_far.max.max(here.max) })
                }
                // One batch without bounds leaves the column without.
                (Some(_), _) => None,
            };
            self.found.insert(field.name().clone(), wider);
        }
    }

    pub(crate) fn end(self) -> BTreeMap<String, Bounds> {
        self.found.into_iter().filter_map(|(name, bounds)| Some((name, bounds?))).collect()
    }
}

fn bounds(column: &ArrayRef) -> Option<Bounds> {
    let whole = |min: Option<i64>, max: Option<i64>| {
        Some(Bounds { min: Bound::Whole(min?), max: Bound::Whole(max?) })
    };
    match column.data_type() {
        DataType::Int32 => {
            let column = column.as_primitive::<Int32Type>();
            whole(compute::min(column).map(i64::from), compute::max(column).map(i64::from))
        }
        DataType::Int64 => {
            let column = column.as_primitive::<Int64Type>();
            whole(compute::min(column), compute::max(column))
        }
        DataType::Date32 => {
            let column = column.as_primitive::<Date32Type>();
            whole(compute::min(column).map(i64::from), compute::max(column).map(i64::from))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let column = column.as_primitive::<TimestampMicrosecondType>();
            whole(compute::min(column), compute::max(column))
        }
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            let (min, max) = (compute::min_string(column)?, compute::max_string(column)?);
            (min.len() <= LONGEST && max.len() <= LONGEST).then(|| Bounds {
                min: Bound::Text(min.to_owned()),
                max: Bound::Text(max.to_owned()),
            })
        }
        _ => None,
    }
}

//! Values as columns of Arrow.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use jiff::Timestamp;
use jiff::civil::{Date, date};

/// What can stand in a column of the record.
pub trait Value: Sized {
    /// The column's type.
    fn kind() -> DataType;

    /// Whether the column may be empty.
    fn nullable() -> bool {
        false
    }

    /// A column of these values.
    fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef
    where
        Self: 'a;

    /// The column under a name.
    fn field(name: &str) -> Field {
        Field::new(name, Self::kind(), Self::nullable())
    }
}

macro_rules! values {
    ($($kind:ty, $arrow:expr, |$values:ident| $array:expr;)*) => {
        $(impl Value for $kind {
            fn kind() -> DataType {
                $arrow
            }

            fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
                let $values = values.map(Some);
                Arc::new($array)
            }
        }

        impl Value for Option<$kind> {
            fn kind() -> DataType {
                $arrow
            }

            fn nullable() -> bool {
                true
            }

            fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
                let $values = values.map(Option::as_ref);
                Arc::new($array)
            }
        })*
    };
}

values! {
    String, DataType::Utf8, |values| values.collect::<StringArray>();
    i64, DataType::Int64, |values| values.map(Option::<&i64>::copied).collect::<Int64Array>();
    bool, DataType::Boolean, |values| values.map(Option::<&bool>::copied).collect::<BooleanArray>();
    Timestamp, instant(), |values| values
        .map(|at: Option<&Timestamp>| at.map(|at| at.as_microsecond()))
        .collect::<TimestampMicrosecondArray>()
        .with_timezone("UTC");
    Date, DataType::Date32, |values| values
        .map(|day: Option<&Date>| day.map(days))
        .collect::<Date32Array>();
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Days since 1970, which any day of the calendar fits.
fn days(day: &Date) -> i32 {
    i32::try_from(kernel::time::days_between(date(1970, 1, 1), *day)).unwrap_or(i32::MAX)
}

//! Columns and cells: what the rows of an export are made of, whatever file they go into.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;
use rust_decimal::Decimal;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// Text.
    Text,
    /// An amount in yuan with two decimals.
    Amount,
    /// A ratio with five decimals.
    Ratio,
    /// An instant to the microsecond, UTC.
    Instant,
    /// A day in China.
    Day,
    /// A whole number.
    Whole,
    /// True or false.
    Flag,
}

impl ColumnType {
    /// The word for it in the guide.
    #[cfg(test)]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::Amount => "amount",
            ColumnType::Ratio => "ratio",
            ColumnType::Instant => "instant",
            ColumnType::Day => "day",
            ColumnType::Whole => "whole",
            ColumnType::Flag => "flag",
        }
    }
}

/// A column of an export.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Its name in the header, as in the messages of the API.
    pub(crate) name: &'static str,
    /// What stands in it.
    pub(crate) kind: ColumnType,
    /// Whether every row has a value.
    pub(crate) needed: bool,
}

/// A column every row fills.
pub(crate) const fn needed(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind, needed: true }
}

/// A column a row may leave empty.
pub(crate) const fn optional(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind, needed: false }
}

/// A value, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Nothing stands here.
    Empty,
    Text(String),
    Amount(Fen),
    Ratio(Decimal),
    Instant(Timestamp),
    Day(Date),
    Whole(i64),
    Flag(bool),
}

/// A row: one cell for each column, in order.
pub(crate) type Row = Vec<Cell>;

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Empty, Into::into)
    }
}

macro_rules! cell_from {
    ($($kind:ty => $variant:ident;)*) => {
        $(impl From<$kind> for Cell {
            fn from(value: $kind) -> Cell {
                Cell::$variant(value.into())
            }
        })*
    };
}

cell_from! {
    String => Text;
    &str => Text;
    Fen => Amount;
    Decimal => Ratio;
    Timestamp => Instant;
    Date => Day;
    i32 => Whole;
    u32 => Whole;
    i64 => Whole;
    bool => Flag;
}

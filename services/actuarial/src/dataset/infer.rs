//! What a column is, from its cells. Pure.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::dataset::value::{Cell, Value, from_days};
use crate::dataset::{ColumnType, LevelCount, Nearly};

/// Most values of a column that are listed.
pub(crate) const MOST_LEVELS: usize = 200;

/// A type is nearly a column's when at most one cell in so many does not fit it.
const NEARLY: u64 = 100;

/// Types from the narrowest on; text is what is left.
const NARROW: [ColumnType; 4] =
    [ColumnType::Boolean, ColumnType::Integer, ColumnType::Decimal, ColumnType::Date];

/// What has been seen of one column.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    present: u64,
    pub(crate) missing: u64,
    /// Misfits of each narrow type, and the row and text of the first.
    misfits: [(u64, u64, String); NARROW.len()],
    levels: Levels,
}

/// Rows of each value as a file holds it, until there are too many.
#[derive(Debug, Default)]
struct Levels {
    texts: HashMap<String, u64, RandomState>,
    integers: HashMap<i64, u64, RandomState>,
    /// By their bits.
    decimals: HashMap<u64, u64, RandomState>,
    overflowed: bool,
}

impl Levels {
    fn count(&mut self, cell: &Cell<'_>) {
        if self.overflowed {
            return;
        }
        match cell {
            Cell::Integer(value) => *self.integers.entry(*value).or_default() += 1,
            Cell::Decimal(value) => *self.decimals.entry(value.to_bits()).or_default() += 1,
            Cell::Text(text) => match self.texts.get_mut(text.trim()) {
                Some(rows) => *rows += 1,
                None => drop(self.texts.insert(text.trim().to_owned(), 1)),
            },
            cell => *self.texts.entry(cell.text()).or_default() += 1,
        }
        if self.texts.len() + self.integers.len() + self.decimals.len() > MOST_LEVELS {
            *self = Levels { overflowed: true, ..Levels::default() };
        }
    }

    /// By the texts of values; `None` when there were too many.
    fn by_text(&self) -> Option<HashMap<String, u64>> {
        let texts = self.texts.iter().map(|(text, rows)| (text.clone(), *rows));
        let integers = self.integers.iter().map(|(value, rows)| (value.to_string(), *rows));
        let decimals = self.decimals.iter();
        let decimals = decimals.map(|(bits, rows)| (f64::from_bits(*bits).to_string(), *rows));
        let mut all = HashMap::new();
        for (text, rows) in texts.chain(integers).chain(decimals) {
            *all.entry(text).or_default() += rows;
        }
        (!self.overflowed).then_some(all)
    }
}

impl Seen {
    /// Looks at the cell of a row.
    pub(crate) fn look(&mut self, row: u64, cell: &Cell<'_>) {
        if *cell == Cell::Missing {
            self.missing += 1;
            return;
        }
        self.present += 1;
        for (kind, misfits) in NARROW.into_iter().zip(&mut self.misfits) {
            // What is told apart by now needs no closer look.
            if misfits.0 > 1_000 || cell.suggests(kind) {
                continue;
            }
            if misfits.0 == 0 {
                (misfits.1, misfits.2) = (row, short(&cell.text()));
            }
            misfits.0 += 1;
        }
        self.levels.count(cell);
    }

    /// The narrowest type every cell fits.
    pub(crate) fn inferred(&self) -> ColumnType {
        if self.present == 0 {
            return ColumnType::Text;
        }
        let fits = NARROW.into_iter().zip(&self.misfits).find(|(_, misfits)| misfits.0 == 0);
        fits.map_or(ColumnType::Text, |(kind, _)| kind)
    }

    /// A narrower type all but a few cells fit.
    pub(crate) fn nearly(&self) -> Option<Nearly> {
        if self.inferred() != ColumnType::Text {
            return None;
        }
        let few = |misfits: u64| 0 < misfits && misfits.saturating_mul(NEARLY) <= self.present;
        let (kind, (misfits, row, text)) = NARROW
            .into_iter()
            .zip(&self.misfits)
            .find(|(_, misfits)| misfits.0 <= 1_000 && few(misfits.0))?;
        Some(Nearly { kind, misfits: *misfits, row: *row, text: text.clone() })
    }

    /// The values and how often each comes, most frequent first; empty when there are too many.
    pub(crate) fn levels(&self) -> (Option<u32>, Vec<LevelCount>) {
        let Some(levels) = self.levels.by_text() else { return (None, Vec::new()) };
        let levels = levels.into_iter().map(|(value, rows)| LevelCount { value, rows });
        let mut levels: Vec<LevelCount> = levels.collect();
        levels.sort_by(|a, b| (b.rows, &a.value).cmp(&(a.rows, &b.value)));
        (u32::try_from(levels.len()).ok(), levels)
    }
}

/// The least and the greatest value of a column.
#[derive(Debug, Default)]
pub(crate) struct Range {
    ends: Option<(f64, f64)>,
}

impl Range {
    /// Looks at a value.
    pub(crate) fn look(&mut self, value: &Value) {
        let value = match value {
            Value::Integer(value) => *value as f64,
            Value::Decimal(value) => *value,
            Value::Date(days) => f64::from(*days),
            Value::Missing | Value::Text(_) | Value::Boolean(_) => return,
        };
        let (least, most) = self.ends.get_or_insert((value, value));
        (*least, *most) = (least.min(value), most.max(value));
    }

    /// Both as texts.
    pub(crate) fn texts(&self, kind: ColumnType) -> (Option<String>, Option<String>) {
        let text = |value: f64| match kind {
            ColumnType::Date => from_days(value as i32).to_string(),
            _ => value.to_string(),
        };
        self.ends.map_or((None, None), |(least, most)| (Some(text(least)), Some(text(most))))
    }
}

/// The beginning of a text, for showing.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(texts: &[&str]) -> Seen {
        let mut seen = Seen::default();
        for (row, text) in (1..).zip(texts) {
            let cell = if text.is_empty() { Cell::Missing } else { Cell::Text((*text).into()) };
            seen.look(row, &cell);
        }
        seen
    }

    #[test]
    fn the_narrowest_type_that_fits_every_cell_is_taken() {
        let cases = [
            (&["1", "-2", ""][..], ColumnType::Integer),
            (&["1", "2.5"], ColumnType::Decimal),
            (&["2024-01-01", "2024/2/1"], ColumnType::Date),
            (&["true", "FALSE"], ColumnType::Boolean),
            (&["01", "02"], ColumnType::Text),
            (&["1", "x"], ColumnType::Text),
            (&["", ""], ColumnType::Text),
        ];
        for (texts, kind) in cases {
            assert_eq!(seen(texts).inferred(), kind, "{texts:?}");
        }
    }

    #[test]
    fn one_odd_cell_among_many_is_pointed_at() {
        let mut texts = vec!["7"; 200];
        texts[41] = "seven";
        let nearly = seen(&texts).nearly().unwrap();
        assert_eq!((nearly.kind, nearly.misfits, nearly.row), (ColumnType::Integer, 1, 42));
        assert_eq!(nearly.text, "seven");
        assert_eq!(seen(&["7", "seven"]).nearly(), None);
    }

    #[test]
    fn levels_are_counted_until_they_are_too_many() {
        let (distinct, levels) = seen(&["b", "a", "b"]).levels();
        assert_eq!((distinct, &*levels[0].value, levels[0].rows), (Some(2), "b", 2));
        let many: Vec<String> = (0..=MOST_LEVELS).map(|level| level.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(seen(&many).levels(), (None, Vec::new()));
    }
}

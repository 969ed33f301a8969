//! CSV after RFC 4180: UTF-8 without a mark, a header row, lines ending in CR LF, amounts as
//! decimal yuan, instants after RFC 3339 in UTC.
//!
//! Spreadsheets run a field that begins like a formula. A text that does, and is not a plain
//! number, gets an apostrophe before it: shown as it is by a spreadsheet, and to be taken off by a
//! program that wants the text as it was. Columns that are not text never begin so, but for the
//! minus of a number.

use csv::{Terminator, WriterBuilder};

use crate::export::cut::{Cutter, Written};
use crate::export::encode::EncodeError;
use crate::export::table::{Cell, Column, Row};

/// A CSV file being written.
pub(crate) struct CsvFile {
    columns: &'static [Column],
    cutter: Cutter,
}

impl CsvFile {
    /// A file with its header.
    pub(crate) fn new(columns: &'static [Column]) -> Result<CsvFile, EncodeError> {
        let mut cutter = Cutter::default();
        {
            let mut writer = writer(&mut cutter);
            writer.write_record(columns.iter().map(|column| column.name))?;
            writer.flush().map_err(csv::Error::from)?;
        }
        Ok(CsvFile { columns, cutter })
    }

    /// Adds rows; answers the pieces that are finished.
    pub(crate) fn add(&mut self, rows: &[Row]) -> Result<Vec<Vec<u8>>, EncodeError> {
        {
            let mut writer = writer(&mut self.cutter);
            for row in rows {
                fits(self.columns, row)?;
                writer.write_record(row.iter().map(field))?;
            }
            writer.flush().map_err(csv::Error::from)?;
        }
        Ok(self.cutter.take())
    }

    /// Ends the file.
    pub(crate) fn end(self) -> Written {
        self.cutter.end()
    }
}

fn writer(cutter: &mut Cutter) -> csv::Writer<&mut Cutter> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(cutter)
}

fn fits(columns: &[Column], row: &Row) -> Result<(), EncodeError> {
    if columns.len() != row.len() {
        return Err(EncodeError::Misfit("count"));
    }
    match columns.iter().zip(row).find(|(column, cell)| column.needed && **cell == Cell::Empty) {
        Some((column, _)) => Err(EncodeError::Misfit(column.name)),
        None => Ok(()),
    }
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => harmless(text),
        Cell::Amount(fen) => fen.to_string(),
        Cell::Ratio(ratio) => ratio.normalize().to_string(),
        Cell::Instant(at) => at.to_string(),
        Cell::Day(day) => day.to_string(),
        Cell::Whole(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
    }
}

/// A text no spreadsheet executes. Full-width signs count: Chinese editions read them as signs.
fn harmless(text: &str) -> String {
    const SIGNS: &[char] = &['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n'];
    let begins = text.starts_with(SIGNS) || text.trim_start().starts_with(SIGNS);
    if begins && !is_number(text) { format!("'{text}") } else { text.to_owned() }
}

/// An optional sign and digits with at most one point between them.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    plain(whole) && plain(fraction)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::Fen;
    use rust_decimal::Decimal;

    use super::*;
    use crate::export::table::{ColumnType, needed, optional};

    const COLUMNS: &[Column] = &[
        needed("name", ColumnType::Text),
        optional("amount", ColumnType::Amount),
        optional("at", ColumnType::Instant),
    ];

    #[test]
    fn a_file_reads_as_rfc_4180_says() {
        let mut file = CsvFile::new(COLUMNS).unwrap();
        let at = "2025-03-01T02:00:00.5Z".parse().unwrap();
        file.add(&[
            vec!["a,\"b\"\r\nc".into(), Fen(-1_230).into(), Cell::Instant(at)],
            vec!["李芳".into(), Cell::Empty, Cell::Empty],
        ])
        .unwrap();
        let text = String::from_utf8(file.end().pieces.concat()).unwrap();
        let wanted = "name,amount,at\r\n\
                      \"a,\"\"b\"\"\r\nc\",-12.30,2025-03-01T02:00:00.5Z\r\n李芳,,\r\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_made_text() {
        let harmed = [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+86 138", "'+86 138"),
            ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
            ("＝HYPERLINK()", "'＝HYPERLINK()"),
            ("\t=1", "'\t=1"),
            (" =1", "' =1"),
            ("-1-2", "'-1-2"),
            ("-", "'-"),
        ];
        for (text, wanted) in harmed {
            assert_eq!(harmless(text), wanted);
        }
        for text in ["", "a=b", "苏A12345", "-12.30", "+5", "0", "a@b"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn values_are_written_as_the_api_writes_them() {
        let cases = [
            (Cell::Ratio(Decimal::new(4_000, 5)), "0.04"),
            (Cell::Day(date(2025, 12, 31)), "2025-12-31"),
            (Cell::Whole(-3), "-3"),
            (Cell::Flag(true), "true"),
            (Cell::Amount(Fen(95_000)), "950.00"),
        ];
        for (cell, wanted) in cases {
            assert_eq!(field(&cell), wanted);
        }
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let mut file = CsvFile::new(COLUMNS).unwrap();
        let empty = file.add(&[vec![Cell::Empty, Cell::Empty, Cell::Empty]]);
        assert!(matches!(empty, Err(EncodeError::Misfit("name"))));
        assert!(file.add(&[vec!["short".into()]]).is_err());
    }
}

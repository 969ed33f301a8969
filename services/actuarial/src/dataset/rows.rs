//! Files as rows of cells: CSV, gzipped or not, Parquet, and workbooks.
//!
//! A file is read from its beginning as often as needed; rows come one by one, so that no file has to
//! fit into memory, except the sheet of a workbook, whose size is bounded.

use std::borrow::Cow;
use std::io::{self, BufReader, Read, Seek};

use calamine::{Data, Reader as _, Xlsx};
use csv::{ByteRecord, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use jiff::civil::Date;

use crate::dataset::about::{About, Encoding, Format, MOST_COLUMNS};
use crate::dataset::value::{Cell, from_days};
use crate::file::FileReader;

mod parquet;

/// Most bytes of a file once it is unpacked: a small archive may hold a very large one.
const MOST_UNPACKED: u64 = 32 << 30;
/// The same for a workbook, which is read as a whole.
const MOST_WORKBOOK: u64 = 1 << 30;
/// Most rows.
const MOST_ROWS: u64 = 200_000_000;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// In a sentence for whoever uploaded it.
    #[error("{0}")]
    Unreadable(String),
    /// Whoever looks at the rows has seen enough.
    #[error("reading was stopped")]
    Stopped,
    /// Where the file is kept failed.
    #[error("a file cannot be read")]
    Kept(#[source] io::Error),
}

/// A row: its cells, or how many there are where there should be as many as columns.
pub(crate) enum Line<'a> {
    Cells(&'a [Cell<'a>]),
    Width(usize),
}

/// What looks at rows: gets the number of each, counted from 1 below the header.
pub(crate) type Visit<'a> = dyn FnMut(u64, &[String], Line<'_>) -> Result<(), ReadError> + 'a;

/// Which kind of file it is, from how it begins.
pub(crate) fn format(file: &mut FileReader) -> Result<Format, ReadError> {
    let mut head = [0; 4];
    file.rewind().map_err(ReadError::Kept)?;
    let count = read_up_to(file, &mut head).map_err(ReadError::Kept)?;
    file.rewind().map_err(ReadError::Kept)?;
    Ok(match &head[..count] {
        b"PAR1" => Format::Parquet,
        b"PK\x03\x04" => Format::Xlsx,
        b"\xd0\xcf\x11\xe0" => {
            let detail = "is a workbook of the old kind (xls); save it as xlsx or CSV";
            return Err(ReadError::Unreadable(detail.to_owned()));
        }
        _ => Format::Csv,
    })
}

/// Shows every row to `visit`. Answers the names of the columns.
pub(crate) fn read(
    file: &FileReader,
    format: Format,
    about: &About,
    visit: &mut Visit<'_>,
) -> Result<Vec<String>, ReadError> {
    let mut file = file.clone();
    file.rewind().map_err(ReadError::Kept)?;
    let kept = file.clone();
    let names = match format {
        Format::Csv => csv(file, about, visit),
        Format::Parquet => parquet::read(file, about, visit),
        Format::Xlsx => xlsx(file, about, visit),
    };
    match names {
        // What is wrong with the bytes is the uploader's, what is wrong with where they are kept is
        // ours, and those who read a format take one for the other.
        Err(ReadError::Unreadable(_)) if kept.is_lost() => {
            Err(ReadError::Kept(io::Error::other("where it is kept")))
        }
        names => names,
    }
}

fn csv(
    mut file: FileReader,
    about: &About,
    visit: &mut Visit<'_>,
) -> Result<Vec<String>, ReadError> {
    let mut head = [0; 2];
    let count = read_up_to(&mut file, &mut head).map_err(ReadError::Kept)?;
    file.rewind().map_err(ReadError::Kept)?;
    let plain: Box<dyn Read> = match head[..count] {
        [0x1f, 0x8b] => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        _ => Box::new(file),
    };
    let mut plain = BufReader::with_capacity(1 << 18, plain.take(MOST_UNPACKED));
    let delimiter = match about.delimiter {
        Some(delimiter) => delimiter,
        None => delimiter(io::BufRead::fill_buf(&mut plain).map_err(|error| unpack(&error))?),
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(plain);
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(|error| broken(&error))? {
        return Err(ReadError::Unreadable("the file is empty".to_owned()));
    }
    let texts = record.iter().enumerate().map(|(at, text)| {
        // The mark some programs write before UTF-8.
        let text = if at == 0 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
        decoded(text, about.encoding).map(Cow::into_owned)
    });
    let texts = texts.collect::<Option<Vec<_>>>().ok_or_else(|| {
        let detail = "the header is not UTF-8; save the file as UTF-8, or say that it is gb18030";
        ReadError::Unreadable(detail.to_owned())
    })?;
    let names = names(texts)?;
    let mut number = 0;
    while reader.read_byte_record(&mut record).map_err(|error| broken(&error))? {
        number += 1;
        bounded(number)?;
        if record.len() != names.len() {
            visit(number, &names, Line::Width(record.len()))?;
            continue;
        }
        let cells: Vec<Cell<'_>> = record.iter().map(|bytes| cell(bytes, about)).collect();
        visit(number, &names, Line::Cells(&cells))?;
    }
    Ok(names)
}

fn cell<'a>(bytes: &'a [u8], about: &About) -> Cell<'a> {
    match decoded(bytes, about.encoding) {
        Some(text) if is_missing(&text, about) => Cell::Missing,
        Some(text) => Cell::Text(text),
        None => Cell::Broken("is not text of the file's encoding"),
    }
}

/// No delimiter and no quote is part of a longer character in either encoding, but for `|`.
fn decoded(bytes: &[u8], encoding: Encoding) -> Option<Cow<'_, str>> {
    match encoding {
        Encoding::Utf8 => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Encoding::Gb18030 => {
            encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes)
        }
    }
}

fn is_missing(text: &str, about: &About) -> bool {
    let text = text.trim();
    about.missing.iter().any(|missing| {
        missing.len() == text.len() && (missing == text || missing.eq_ignore_ascii_case(text))
    })
}

/// The byte that stands between cells: which of four comes most often in the first line.
fn delimiter(head: &[u8]) -> u8 {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for &byte in line {
        quoted ^= byte == b'"';
        let count = counts.iter_mut().find(|(delimiter, _)| *delimiter == byte && !quoted);
        if let Some((_, count)) = count {
            *count += 1;
        }
    }
    // The comma where several come as often.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// NaN is how data frames say that a number is missing.
fn number(value: f64) -> Cell<'static> {
    if value.is_nan() { Cell::Missing } else { Cell::Decimal(value) }
}

fn xlsx(file: FileReader, about: &About, visit: &mut Visit<'_>) -> Result<Vec<String>, ReadError> {
    unpacks(file.clone())?;
    let unreadable = |error: calamine::XlsxError| {
        ReadError::Unreadable(format!("the file is no workbook that can be read: {error}"))
    };
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(unreadable)?;
    let sheets = workbook.sheet_names();
    let sheet = match &about.sheet {
        Some(sheet) if sheets.contains(sheet) => sheet.clone(),
        Some(sheet) => {
            let detail = format!("there is no sheet {sheet}; there are {}", sheets.join(", "));
            return Err(ReadError::Unreadable(detail));
        }
        None => sheets
            .first()
            .cloned()
            .ok_or_else(|| ReadError::Unreadable("the workbook has no sheet".to_owned()))?,
    };
    let range = workbook.worksheet_range(&sheet).map_err(unreadable)?;
    let mut rows = range.rows();
    let header =
        rows.next().ok_or_else(|| ReadError::Unreadable(format!("sheet {sheet} is empty")))?;
    let texts = header.iter().map(|cell| of_sheet(cell, about).text()).collect();
    let names = names(texts)?;
    for (row, number) in rows.zip(1..) {
        let cells: Vec<Cell<'_>> = row.iter().map(|cell| of_sheet(cell, about)).collect();
        visit(number, &names, Line::Cells(&cells))?;
    }
    Ok(names)
}

fn of_sheet<'a>(cell: &'a Data, about: &About) -> Cell<'a> {
    match cell {
        Data::Empty => Cell::Missing,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            if is_missing(text, about) { Cell::Missing } else { Cell::Text(Cow::Borrowed(text)) }
        }
        Data::Int(value) => Cell::Integer(*value),
        Data::Float(value) => number(*value),
        Data::Bool(value) => Cell::Boolean(*value),
        Data::DateTime(at) => match day_of(at.as_f64()) {
            Some(day) if at.is_datetime() => Cell::Date(day),
            _ => Cell::Decimal(at.as_f64()),
        },
        Data::Error(_) => Cell::Broken("is an error of the spreadsheet"),
        #[expect(unreachable_patterns, reason = "later releases of the reader know more kinds")]
        _ => Cell::Broken("is of no kind that can be read"),
    }
}

/// The day of a serial number of a spreadsheet: days since 1899-12-30.
fn day_of(serial: f64) -> Option<Date> {
    let days = serial.floor() - 25_569.0;
    (days.abs() < 3_000_000.0).then(|| from_days(days as i32))
}

/// Refuses a workbook that unpacks to more than may be read.
fn unpacks(file: FileReader) -> Result<(), ReadError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        ReadError::Unreadable(format!("the file is no workbook that can be read: {error}"))
    };
    let mut archive =
        zip::ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    let mut left = MOST_WORKBOOK;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| unreadable(&error))?;
        // Counted, not believed: the directory of an archive may say anything.
        let copied = io::copy(&mut part.take(left + 1), &mut io::sink());
        left = left.checked_sub(copied.map_err(|error| unreadable(&error))?).ok_or_else(|| {
            let detail = "the workbook unpacks to more than 1 GiB; send it as CSV or Parquet";
            ReadError::Unreadable(detail.to_owned())
        })?;
    }
    Ok(())
}

/// Names of columns: what has none is named by its place, what comes twice is numbered.
fn names(texts: Vec<String>) -> Result<Vec<String>, ReadError> {
    if texts.len() > MOST_COLUMNS {
        let detail = format!("{} columns are more than {MOST_COLUMNS}", texts.len());
        return Err(ReadError::Unreadable(detail));
    }
    let mut names: Vec<String> = Vec::with_capacity(texts.len());
    for (text, place) in texts.into_iter().zip(1..) {
        let text = text.trim();
        let name = if text.is_empty() { format!("column{place}") } else { text.to_owned() };
        let twice = (2..).map(|time| format!("{name}_{time}"));
        let mut free = std::iter::once(name.clone()).chain(twice);
        names.extend(free.find(|name| !names.contains(name)));
    }
    Ok(names)
}

fn bounded(number: u64) -> Result<(), ReadError> {
    if number <= MOST_ROWS {
        return Ok(());
    }
    Err(ReadError::Unreadable(format!("more than {MOST_ROWS} rows")))
}

fn broken(error: &csv::Error) -> ReadError {
    match error.kind() {
        csv::ErrorKind::Io(error) => unpack(error),
        _ => ReadError::Unreadable(format!("the file is no CSV that can be read: {error}")),
    }
}

fn unpack(error: &io::Error) -> ReadError {
    ReadError::Unreadable(format!("the file does not unpack: {error}"))
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_told_from_the_header() {
        let cases = [
            (&b"a,b,c\n1;2;3;4"[..], b','),
            (b"a;b;\"c,d,e,f\"\n", b';'),
            (b"a\tb", b'\t'),
            (b"a|b|c", b'|'),
            (b"alone", b','),
        ];
        for (head, wanted) in cases {
            assert_eq!(delimiter(head), wanted, "{head:?}");
        }
    }

    #[test]
    fn columns_without_a_name_or_with_another_ones_get_their_own() {
        let texts = ["", "a", "a", " b ", "a"].map(str::to_owned).to_vec();
        assert_eq!(names(texts).unwrap(), ["column1", "a", "a_2", "b", "a_3"]);
        assert!(names(vec![String::new(); MOST_COLUMNS + 1]).is_err());
    }

    #[test]
    fn texts_that_stand_for_nothing_are_told() {
        let about = About::default();
        for text in ["", " ", "NA", "nan", "NaN", "NULL"] {
            assert_eq!(cell(text.as_bytes(), &about), Cell::Missing, "{text:?}");
        }
        for text in ["0", "None", "n", "-"] {
            assert_ne!(cell(text.as_bytes(), &about), Cell::Missing, "{text:?}");
        }
        assert!(matches!(cell(b"\xff", &about), Cell::Broken(_)));
        let chinese = About { encoding: Encoding::Gb18030, ..about };
        // GB 2312 of 车险.
        assert_eq!(cell(b"\xb3\xb5\xcf\xd5", &chinese), Cell::Text("车险".into()));
    }

    #[test]
    fn a_spreadsheets_days_are_counted_from_1899() {
        assert_eq!(day_of(45_657.5), Some(jiff::civil::date(2024, 12, 31)));
    }
}

//! A page that needs nothing else: text, tables and drawings.

use std::fmt::Write as _;

use crate::store::run::{RunRecord, RunStage};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#1a2433;max-width:1080px;\
margin:2em auto;padding:0 1em}h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em}\
table{border-collapse:collapse;font-size:.87em;margin:1em 0;display:block;overflow-x:auto}\
th,td{padding:.25em .7em;border-bottom:1px solid #dde3ea;text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}thead th{border-bottom:2px solid #8a97a8}\
tfoot td{font-weight:600;border-top:2px solid #8a97a8}svg{max-width:100%;height:auto}\
svg text{font:11px system-ui,sans-serif;fill:#44505f}.note{color:#5a6675;font-size:.87em}\
pre{background:#f4f6f9;padding:1em;overflow-x:auto;font-size:.82em}@media print{body{margin:0}}";

/// A page being written.
pub(crate) struct Page(String);

impl Page {
    /// The page of a run, with what it rests on at its head.
    pub(crate) fn of(record: &RunRecord) -> Page {
        let title = record.label.clone().unwrap_or_else(|| record.method.name().to_owned());
        let mut page = Page(String::new());
        let _ = write!(
            page.0,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
             <style>{STYLE}</style></head><body><h1>{}</h1>",
            escaped(&title),
            escaped(&title)
        );
        let done = match &record.stage {
            RunStage::Done { at, digest, .. } => {
                format!(" Computed {at}; result SHA-256 {}.", hex::encode(digest))
            }
            _ => String::new(),
        };
        page.note(&format!(
            "Method {}, dataset {} version {}, code {}, seed {}; run {}.{done}",
            record.method.name(),
            record.dataset_name,
            record.version,
            record.code_version,
            record.seed,
            record.run
        ));
        page
    }

    /// A heading.
    pub(crate) fn heading(&mut self, text: &str) {
        let _ = write!(self.0, "<h2>{}</h2>", escaped(text));
    }

    /// A sentence or two.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let _ = write!(self.0, "<p>{}</p>", escaped(text));
    }

    /// A sentence or two in small print.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = write!(self.0, "<p class=\"note\">{}</p>", escaped(text));
    }

    /// A drawing, as it is.
    pub(crate) fn drawing(&mut self, svg: &str) {
        self.0.push_str(svg);
    }

    /// A table; the last row is a total where `has_total`.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>], has_total: bool) {
        let cells = |tag: &str, row: &mut dyn Iterator<Item = &str>| {
            row.map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect::<String>()
        };
        let head = cells("th", &mut head.iter().copied());
        let _ = write!(self.0, "<table><thead><tr>{head}</tr></thead><tbody>");
        let body = rows.len() - usize::from(has_total && !rows.is_empty());
        for (place, row) in rows.iter().enumerate() {
            if place == body {
                self.0.push_str("</tbody><tfoot>");
            }
            let row = cells("td", &mut row.iter().map(String::as_str));
            let _ = write!(self.0, "<tr>{row}</tr>");
        }
        let end = if body < rows.len() { "</tfoot></table>" } else { "</tbody></table>" };
        self.0.push_str(end);
    }

    /// The whole page.
    pub(crate) fn end(mut self) -> String {
        self.0.push_str("</body></html>\n");
        self.0
    }
}

/// A text as it stands in HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A number with separators between thousands and so many decimals.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (sign, digits) = plain.strip_prefix('-').map_or(("", &*plain), |digits| ("−", digits));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

/// An amount: whole where it is large.
pub(crate) fn amount(value: f64) -> String {
    number(value, if value.abs() >= 1_000.0 { 0 } else { 2 })
}

/// A part as percents.
pub(crate) fn percent(value: f64) -> String {
    format!("{}%", number(100.0 * value, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(1_234_567.891, 1), "1,234,567.9");
        assert_eq!(number(-999.0, 0), "−999");
        assert_eq!((amount(18_680_855.6), amount(0.5)), ("18,680,856".into(), "0.50".into()));
        assert_eq!(percent(0.1234), "12.3%");
    }

    #[test]
    fn texts_of_the_data_cannot_become_markup() {
        assert_eq!(escaped("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}

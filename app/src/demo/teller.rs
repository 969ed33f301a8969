//! Tells the story step by step and holds each answer against what was expected.

use std::fmt::Write as _;

use anyhow::bail;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::demo::market::Answer;

/// Prints to standard output and remembers what differed.
pub(super) struct Teller {
    step: usize,
    title: String,
    differences: Vec<String>,
    checks: usize,
}

impl Teller {
    pub(super) fn begin() -> Teller {
        Teller { step: 0, title: String::new(), differences: Vec::new(), checks: 0 }
    }

    /// Opens a chapter. Fails when the step before it differed.
    pub(super) fn chapter(&mut self, zh: &str, en: &str) -> anyhow::Result<()> {
        self.close()?;
        println!("\n━━ {zh} · {en}");
        Ok(())
    }

    /// Opens a step: the business term in both languages, and who does what on which day. Fails
    /// when the step before it differed.
    pub(super) fn step(&mut self, day: &str, term: &str, what: &str) -> anyhow::Result<()> {
        self.close()?;
        self.step += 1;
        self.title = format!("{term}: {what}");
        println!("\n{:>3}. {day}  {term}\n     {what}", self.step);
        Ok(())
    }

    /// Expects the HTTP status of an answer.
    pub(super) fn status(&mut self, answer: &Answer, wanted: u16) {
        if answer.status != wanted {
            let found = answer.status;
            let text = format!("status: expected {wanted}, found {found}: {}", answer.body);
            self.differ(text);
        }
        self.checks += 1;
    }

    /// Expects a refusal with this problem code, and prints what the platform says.
    pub(super) fn refused(&mut self, answer: &Answer, status: u16, code: &str) {
        self.status(answer, status);
        self.says(answer, "拒绝 refused", "/code", code, answer.text("/detail"));
    }

    /// Expects `wanted` at a JSON pointer and prints it with a note. Numbers in texts are compared
    /// by value, so `0.8` is `0.80`.
    pub(super) fn says(
        &mut self,
        answer: &Answer,
        label: &str,
        pointer: &str,
        wanted: impl Into<Value>,
        note: &str,
    ) {
        let wanted = wanted.into();
        let found = answer.body.pointer(pointer).cloned().unwrap_or(Value::Null);
        self.checks += 1;
        if !same(&wanted, &found) {
            let refusal = if answer.status < 400 { String::new() } else { answer.body.to_string() };
            let text = format!("{label} ({pointer}): expected {wanted}, found {found} {refusal}");
            self.differ(text.trim_end().to_owned());
            return;
        }
        let mut line = format!("     ✓ {}", padded(label, 34));
        let _ = write!(line, "{:>12}", shown(&wanted));
        if !note.is_empty() {
            let _ = write!(line, "   {note}");
        }
        println!("{line}");
    }

    /// Expects something that is no field of an answer.
    pub(super) fn holds(&mut self, label: &str, holds: bool, note: &str) {
        self.checks += 1;
        if holds {
            let line = format!("     ✓ {}{:>12}   {note}", padded(label, 34), "");
            println!("{}", line.trim_end());
        } else {
            self.differ(format!("{label} does not hold: {note}"));
        }
    }

    /// A sentence without a check.
    pub(super) fn remark(&self, text: &str) {
        println!("     · {text}");
    }

    /// Ends the story.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.close()?;
        println!(
            "\nThe story holds: {} steps, {} expectations met, every amount to the fen.",
            self.step, self.checks
        );
        Ok(())
    }

    fn differ(&mut self, text: String) {
        println!("     ✗ {text}");
        self.differences.push(text);
    }

    fn close(&mut self) -> anyhow::Result<()> {
        if self.differences.is_empty() {
            return Ok(());
        }
        bail!("step {} differs ({})\n  {}", self.step, self.title, self.differences.join("\n  "))
    }
}

fn same(wanted: &Value, found: &Value) -> bool {
    let decimal = |value: &Value| value.as_str().and_then(|text| text.parse::<Decimal>().ok());
    match (decimal(wanted), decimal(found)) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => wanted == found,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// `text` filled with blanks to `columns`, a Chinese character taking two.
fn padded(text: &str, columns: usize) -> String {
    let wide = |c: char| if ('\u{2e80}'..='\u{ffef}').contains(&c) { 2 } else { 1 };
    let taken: usize = text.chars().map(wide).sum();
    format!("{text}{}", " ".repeat(columns.saturating_sub(taken)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: Value) -> Answer {
        Answer { status: 200, body, replayed: false }
    }

    #[test]
    fn a_step_that_differs_ends_the_story_by_name() {
        let mut teller = Teller::begin();
        teller.step("2021-03-10", "投保查询 quote", "PICC asks").unwrap();
        let quote = answer(json!({"premium": "950.01", "factor": "0.80"}));
        teller.says(&quote, "factor", "/factor", "0.8", "");
        teller.says(&quote, "premium", "/premium", "950.00", "");
        let error = teller.end().unwrap_err().to_string();
        assert!(error.starts_with("step 1 differs (投保查询 quote: PICC asks)"), "{error}");
        assert!(error.contains("expected \"950.00\", found \"950.01\""), "{error}");
        assert!(!error.contains("factor"), "{error}");
    }

    #[test]
    fn what_is_missing_differs() {
        let mut teller = Teller::begin();
        teller.says(&answer(json!({})), "premium", "/premium", "950.00", "");
        assert!(teller.step("", "", "").is_err());
    }
}

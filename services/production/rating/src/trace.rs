//! How an amount came about: factor by factor, each with the row it came from.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The bundle a rating was computed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TariffStamp {
    /// Label given at publication.
    pub version: SharedText,
    /// SHA-256 over the bundle's contents, hexadecimal.
    pub digest: SharedText,
}

/// A text many traces share without copying.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharedText(pub(crate) Arc<str>);

impl SharedText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SharedText {
    fn from(text: &str) -> SharedText {
        SharedText(text.into())
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for SharedText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        <String as utoipa::PartialSchema>::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for SharedText {}

impl Serialize for SharedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SharedText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SharedText, D::Error> {
        String::deserialize(deserializer).map(|text| SharedText(text.into()))
    }
}

/// The steps of one amount, in the order they were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Trace(pub Vec<Step>);

/// One step: a factor, an amount or a judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What it is, for example `basePremium` or `ncd`.
    pub name: Cow<'static, str>,
    /// Its value, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The tariff row it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<TableRow>,
    /// Why: a code of the platform lists or a rule of the tables, for example `E3` or `T10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// The rounding made here, if one was: `fen` is half-up to two decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounded: Option<Cow<'static, str>>,
}

/// Value of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Value {
    /// A number: a factor, a share, a level, a count of days.
    Number(Decimal),
    /// Money in yuan.
    Amount(Fen),
}

/// A row of the bundle by file and line, the header being line 1. Travels as `file:line`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// File inside the bundle.
    pub file: SharedText,
    /// Line in the file.
    pub line: u32,
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for TableRow {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some("A tariff row as `file:line`; the header is line 1."))
            .examples(["compulsory_base_premium.csv:2"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for TableRow {}

impl Serialize for TableRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // In one piece: a rating names dozens of rows, and a text that is formatted straight into JSON is
        // looked through for marks to escape piece by piece.
        let mut text = String::with_capacity(self.file.as_str().len() + 11);
        text.push_str(self.file.as_str());
        // A text takes all that is written to it.
        let _ = write!(text, ":{}", self.line);
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for TableRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TableRow, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.rsplit_once(':');
        let row = parts.and_then(|(file, line)| Some((file, line.parse().ok()?)));
        let (file, line) = row.ok_or_else(|| serde::de::Error::custom("a row is file:line"))?;
        Ok(TableRow { file: file.into(), line })
    }
}

impl Trace {
    /// The last step of that name.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.0.iter().rev().find(|step| step.name == name)
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }
}

impl Step {
    pub(crate) fn number(name: &'static str, value: impl Into<Decimal>) -> Step {
        Step::of(name, Some(Value::Number(value.into())))
    }

    pub(crate) fn amount(name: &'static str, value: Fen) -> Step {
        Step::of(name, Some(Value::Amount(value)))
    }

    pub(crate) fn note(name: &'static str, reason: impl Into<Cow<'static, str>>) -> Step {
        Step::of(name, None).because(reason)
    }

    fn of(name: &'static str, value: Option<Value>) -> Step {
        Step { name: Cow::Borrowed(name), value, row: None, reason: None, rounded: None }
    }

    pub(crate) fn from(self, row: TableRow) -> Step {
        Step { row: Some(row), ..self }
    }

    pub(crate) fn because(self, reason: impl Into<Cow<'static, str>>) -> Step {
        Step { reason: Some(reason.into()), ..self }
    }

    pub(crate) fn rounded(self) -> Step {
        Step { rounded: Some(Cow::Borrowed("fen")), ..self }
    }
}

//! 数据集: portfolios and triangles a tenant imported, each version once and for all.
//!
//! An upload leaves a queued import; whichever server takes it reads the file twice, first to learn
//! what its columns are, then to keep them as typed columns (Parquet). Rows with a cell that is not
//! of its column's type are left out and told one by one in a file. A version is whole or not
//! there.

pub mod about;
pub mod import;
pub(crate) mod infer;
pub(crate) mod rows;
pub mod service;
pub(crate) mod table;
pub(crate) mod value;
pub mod view;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

kernel::id_type! {
    /// Names one dataset.
    pub DatasetId
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ColumnType {
    /// Whole numbers of up to 64 bits.
    Integer,
    /// Numbers, as 64-bit floating point.
    Decimal,
    /// Texts.
    Text,
    /// Days.
    Date,
    /// True or false.
    Boolean,
}

/// What a column is for. Runs take it where a parameter names no column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Number of claims.
    Claims,
    /// What the claims are related to, such as years insured.
    Exposure,
    /// An amount of claims.
    Amount,
    /// Premium.
    Premium,
    /// A rating factor.
    Factor,
    /// Names the row.
    Identifier,
    /// Origin period of a triangle.
    Origin,
    /// Age or valuation of a triangle.
    Development,
    /// Cumulative paid claims.
    Paid,
    /// Cumulative incurred claims.
    Incurred,
    /// Left out when the file is read.
    Ignored,
}

impl ColumnType {
    /// Every type.
    pub const ALL: [ColumnType; 5] = [
        ColumnType::Integer,
        ColumnType::Decimal,
        ColumnType::Text,
        ColumnType::Date,
        ColumnType::Boolean,
    ];

    /// The word used in messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            ColumnType::Integer => "integer",
            ColumnType::Decimal => "decimal",
            ColumnType::Text => "text",
            ColumnType::Date => "date",
            ColumnType::Boolean => "boolean",
        }
    }

    /// The type of that name.
    pub fn parse(name: &str) -> Option<ColumnType> {
        ColumnType::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether a model can take the cells as numbers.
    pub const fn is_numeric(self) -> bool {
        matches!(self, ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean)
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 11] = [
        Role::Claims,
        Role::Exposure,
        Role::Amount,
        Role::Premium,
        Role::Factor,
        Role::Identifier,
        Role::Origin,
        Role::Development,
        Role::Paid,
        Role::Incurred,
        Role::Ignored,
    ];

    /// The word used in messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Claims => "claims",
            Role::Exposure => "exposure",
            Role::Amount => "amount",
            Role::Premium => "premium",
            Role::Factor => "factor",
            Role::Identifier => "identifier",
            Role::Origin => "origin",
            Role::Development => "development",
            Role::Paid => "paid",
            Role::Incurred => "incurred",
            Role::Ignored => "ignored",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A column of a version, and what was seen in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatasetColumn)]
pub struct ColumnProfile {
    /// What runs call it.
    pub name: String,
    /// What the file calls it.
    pub source: String,
    /// What its cells are kept as.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// The narrowest type every cell fits.
    pub inferred: ColumnType,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Cells without a value.
    pub missing: u64,
    /// How many different values there are; absent when there are more than 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u32>,
    /// The values and how often each comes, most frequent first; empty when there are more than 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<LevelCount>,
    /// The least value of a number or day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<String>,
    /// The greatest value of a number or day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<String>,
    /// A narrower type nearly every cell fits, where one does: perhaps the column is meant to be of
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearly: Option<Nearly>,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatasetLevel)]
pub struct LevelCount {
    /// As text.
    pub value: String,
    /// In how many rows.
    pub rows: u64,
}

/// A type all but a few cells of a column fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatasetNearly)]
pub struct Nearly {
    /// The type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Cells that do not fit it.
    pub misfits: u64,
    /// The row of the first, counted from 1 below the header.
    pub row: u64,
    /// Its text.
    pub text: String,
}

//! The market's record in the lake: the tables the operational store flows into.
//!
//! Two kinds of table. `policy` and `claim` hold versions: a row says how something stood from
//! `sequence` on, and as of an instant the row of the highest `sequence` recorded by then holds.
//! `exposure`, `premium`, `payment` and `reserve` are ledgers: a row is a change, nothing is ever
//! taken back but by a row that reverses it, and as of an instant their sums over the rows
//! recorded by then are what was known. `cover_exposure`, `cover_premium` and `cover_loss` are the
//! same ledgers by cover. Every row names its tenant; none names a person, a plate or a vehicle.

mod column;
mod row;

pub use column::Value;
pub use row::{
    ClaimRow, CoverExposureRow, CoverLossRow, CoverPremiumRow, Dimensions, ExposureRow, PaymentRow,
    PolicyRow, PremiumRow, ReserveRow,
};

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use crate::lake::{DatasetName, Draft, LakeError, TableName, TableSpec};

/// The dataset's name; it is the operator's.
pub const DATASET: &str = "market";

/// A table of the market's record.
pub trait MarketRow: Sized {
    /// The table's name.
    const TABLE: &'static str;
    /// The column whose month parts its files.
    const MONTH_OF: &'static str;

    /// Its columns.
    fn schema() -> arrow::datatypes::SchemaRef;

    /// Rows as a batch of these columns.
    fn batch(rows: &[Self]) -> Result<RecordBatch, LakeError>;
}

/// The dataset's name as such.
pub fn dataset_name() -> Result<DatasetName, LakeError> {
    DatasetName::parse(DATASET)
}

/// Every table with its columns.
pub fn tables() -> Result<BTreeMap<TableName, TableSpec>, LakeError> {
    fn of<R: MarketRow>() -> Result<(TableName, TableSpec), LakeError> {
        let spec = TableSpec::parted(R::schema(), R::MONTH_OF, "region");
        Ok((TableName::parse(R::TABLE)?, spec))
    }
    let tables = [
        of::<PolicyRow>()?,
        of::<ExposureRow>()?,
        of::<PremiumRow>()?,
        of::<ClaimRow>()?,
        of::<PaymentRow>()?,
        of::<ReserveRow>()?,
        of::<CoverExposureRow>()?,
        of::<CoverPremiumRow>()?,
        of::<CoverLossRow>()?,
    ];
    Ok(tables.into_iter().collect())
}

/// Rows on their way into the record, by table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Versions of policies.
    pub policies: Vec<PolicyRow>,
    /// Changes of what was insured and earned.
    pub exposures: Vec<ExposureRow>,
    /// Changes of what was written.
    pub premiums: Vec<PremiumRow>,
    /// Versions of claims, one a step.
    pub claims: Vec<ClaimRow>,
    /// Money of claims.
    pub payments: Vec<PaymentRow>,
    /// Changes of what is outstanding.
    pub reserves: Vec<ReserveRow>,
    /// Changes of what was insured and earned, by cover.
    pub cover_exposures: Vec<CoverExposureRow>,
    /// Changes of what was written, by cover.
    pub cover_premiums: Vec<CoverPremiumRow>,
    /// Changes of what claims cost, by cover.
    pub cover_losses: Vec<CoverLossRow>,
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.policies.len()
            + self.exposures.len()
            + self.premiums.len()
            + self.claims.len()
            + self.payments.len()
            + self.reserves.len()
            + self.cover_exposures.len()
            + self.cover_premiums.len()
            + self.cover_losses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds all of them to a draft, and to it every table of the record.
    pub async fn write(&self, draft: &mut Draft) -> Result<(), LakeError> {
        for (table, spec) in tables()? {
            draft.declare(&table, &spec)?;
        }
        write(draft, &self.policies).await?;
        write(draft, &self.exposures).await?;
        write(draft, &self.premiums).await?;
        write(draft, &self.claims).await?;
        write(draft, &self.payments).await?;
        write(draft, &self.reserves).await?;
        write(draft, &self.cover_exposures).await?;
        write(draft, &self.cover_premiums).await?;
        write(draft, &self.cover_losses).await
    }
}

async fn write<R: MarketRow>(draft: &mut Draft, rows: &[R]) -> Result<(), LakeError> {
    if rows.is_empty() {
        return Ok(());
    }
    draft.write(&TableName::parse(R::TABLE)?, R::batch(rows)?).await
}

//! Registered fees. Insert-only.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::history::PolicyClass;
use production_core::number::PlatformNumber;
use production_core::rules::distribution::{Channel, Licence, LicenceKind};
use rust_decimal::Decimal;

use crate::error::ProductionError;

/// A fee as registered with one policy.
#[derive(Clone, Debug)]
pub struct FeeRecord {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// 0 for the registration, then one more for each change.
    pub sequence: i32,
    /// Line of the policy.
    pub class: PolicyClass,
    /// Sales channel.
    pub channel: Channel,
    /// Name of the intermediary.
    pub intermediary: Option<String>,
    /// Its licence.
    pub licence: Option<Licence>,
    /// 代理合同号.
    pub contract_no: Option<String>,
    /// Commission ratio.
    pub ratio: Decimal,
    /// Premium the ratio was applied to.
    pub premium: Fen,
    /// `premium × ratio`, rounded.
    pub amount: Fen,
    /// Why it was changed; `None` for the registration.
    pub reason: Option<String>,
    /// Who registered it.
    pub client: String,
    /// When.
    pub registered_at: Timestamp,
}

/// Writes a registration or a change.
pub async fn insert(tx: &mut Tx, fee: &FeeRecord) -> Result<(), ProductionError> {
    let licence = fee.licence.as_ref();
    sqlx::query!(
        r#"insert into production.fee_registration
               (slot, confirm_no, sequence, tenant_id, class, channel, intermediary, licence_kind,
                licence_no, licence_from, licence_to, contract_no, ratio, premium_fen, amount_fen,
                reason, client, registered_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"#,
        i32::from(fee.confirm_no.slot().0),
        fee.confirm_no.to_string(),
        fee.sequence,
        fee.tenant.0,
        fee.class.name(),
        fee.channel.code(),
        fee.intermediary,
        licence.map(|licence| licence.kind.code()),
        licence.map(|licence| licence.number.as_str()),
        licence.map(|licence| licence.from.to_sqlx()) as _,
        licence.map(|licence| licence.to.to_sqlx()) as _,
        fee.contract_no,
        fee.ratio,
        fee.premium.0,
        fee.amount.0,
        fee.reason,
        fee.client,
        fee.registered_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Registration and changes of an own policy, in order.
pub async fn history(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
) -> Result<Vec<FeeRecord>, ProductionError> {
    let rows = sqlx::query_as!(
        FeeRow,
        r#"select confirm_no, tenant_id, sequence, class, channel, intermediary, licence_kind,
                  licence_no, licence_from, licence_to, contract_no, ratio, premium_fen, amount_fen,
                  reason, client, registered_at
           from production.fee_registration
           where slot = $1 and confirm_no = $2
           order by sequence"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string()
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(FeeRecord::try_from).collect()
}

struct FeeRow {
    confirm_no: String,
    tenant_id: uuid::Uuid,
    sequence: i32,
    class: String,
    channel: String,
    intermediary: Option<String>,
    licence_kind: Option<String>,
    licence_no: Option<String>,
    licence_from: Option<jiff_sqlx::Date>,
    licence_to: Option<jiff_sqlx::Date>,
    contract_no: Option<String>,
    ratio: Decimal,
    premium_fen: i64,
    amount_fen: i64,
    reason: Option<String>,
    client: String,
    registered_at: jiff_sqlx::Timestamp,
}

impl TryFrom<FeeRow> for FeeRecord {
    type Error = ProductionError;

    fn try_from(row: FeeRow) -> Result<FeeRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("fee");
        let days: (Option<Date>, Option<Date>) =
            (row.licence_from.map(|day| day.to_jiff()), row.licence_to.map(|day| day.to_jiff()));
        let licence = match (row.licence_kind, row.licence_no, days) {
            (Some(kind), Some(number), (Some(from), Some(to))) => {
                let kind = LicenceKind::parse(&kind).map_err(|_| corrupt())?;
                Some(Licence { kind, number, from, to })
            }
            (None, None, (None, None)) => None,
            _ => return Err(corrupt()),
        };
        Ok(FeeRecord {
            confirm_no: PlatformNumber::parse(&row.confirm_no).map_err(|_| corrupt())?,
            tenant: TenantId(row.tenant_id),
            sequence: row.sequence,
            class: PolicyClass::parse(&row.class).map_err(|_| corrupt())?,
            channel: Channel::parse(&row.channel).map_err(|_| corrupt())?,
            intermediary: row.intermediary,
            licence,
            contract_no: row.contract_no,
            ratio: row.ratio,
            premium: Fen(row.premium_fen),
            amount: Fen(row.amount_fen),
            reason: row.reason,
            client: row.client,
            registered_at: row.registered_at.to_jiff(),
        })
    }
}

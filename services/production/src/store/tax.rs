//! Withheld tax on its way to the tax office.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Tx};
use production_core::number::PlatformNumber;

use crate::error::ProductionError;

/// A declaration to deliver.
#[derive(Clone, Debug)]
pub struct PendingDeclaration {
    /// The policy it is printed on, and the number it is known by.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// What is declared, sealed.
    pub content_sealed: Vec<u8>,
}

/// How a declaration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarationStanding {
    /// `pending`, `registered` or `refused`.
    pub state: String,
    /// 税务登记号.
    pub registration_no: Option<String>,
    /// 完税凭证号.
    pub receipt_no: Option<String>,
    /// The authority's word.
    pub refusal: Option<String>,
}

/// Writes declarations to deliver.
pub async fn insert(
    tx: &mut Tx,
    pending: &[PendingDeclaration],
    now: Timestamp,
) -> Result<(), ProductionError> {
    if pending.is_empty() {
        return Ok(());
    }
    let slots: Vec<i32> = pending.iter().map(|one| i32::from(one.confirm_no.slot().0)).collect();
    let numbers: Vec<String> = pending.iter().map(|one| one.confirm_no.to_string()).collect();
    let tenants: Vec<uuid::Uuid> = pending.iter().map(|one| one.tenant.0).collect();
    let contents: Vec<Vec<u8>> = pending.iter().map(|one| one.content_sealed.clone()).collect();
    sqlx::query!(
        r#"insert into production.tax_declaration
               (slot, confirm_no, tenant_id, state, content_sealed, next_attempt_at, recorded_at)
           select slot, confirm_no, tenant_id, 'pending', content, $5, $5
           from unnest($1::integer[], $2::text[], $3::uuid[], $4::bytea[])
                    as fresh (slot, confirm_no, tenant_id, content)"#,
        &slots,
        &numbers,
        &tenants,
        &contents,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes up to `most` declarations that are due, of every tenant; each is taken for a minute.
pub async fn take_due(
    db: &Db,
    now: Timestamp,
    most: i32,
) -> Result<Vec<(PlatformNumber, TenantId)>, ProductionError> {
    let rows = sqlx::query!(
        r#"select confirm_no as "confirm_no!", tenant_id as "tenant_id!"
           from production.due_tax_declarations($1, $2)"#,
        now.to_sqlx() as _,
        most
    );
    rows.fetch_all(db.pool())
        .await?
        .into_iter()
        .map(|row| {
            let number = PlatformNumber::parse(&row.confirm_no);
            let number = number.map_err(|_| ProductionError::Corrupt("tax declaration"))?;
            Ok((number, TenantId(row.tenant_id)))
        })
        .collect()
}

/// A declaration taken for delivery.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Whose.
    pub tenant: TenantId,
    /// What is declared, sealed.
    pub content_sealed: Vec<u8>,
    /// How often it was taken, this time included.
    pub attempts: i32,
}

/// An own declaration to deliver.
pub async fn delivery(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
) -> Result<Delivery, ProductionError> {
    let row = sqlx::query!(
        r#"select tenant_id, content_sealed, attempts
           from production.tax_declaration where slot = $1 and confirm_no = $2"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string()
    );
    let row = row.fetch_one(tx.conn()).await?;
    Ok(Delivery {
        tenant: TenantId(row.tenant_id),
        content_sealed: row.content_sealed,
        attempts: row.attempts,
    })
}

/// Leaves an own declaration alone until then.
pub async fn put_off(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
    until: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.tax_declaration set next_attempt_at = $3
           where slot = $1 and confirm_no = $2 and state = 'pending'"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string(),
        until.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How an own declaration stands; `None` when nothing was withheld.
pub async fn standing(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
) -> Result<Option<DeclarationStanding>, ProductionError> {
    let found = sqlx::query_as!(
        DeclarationStanding,
        r#"select state, registration_no, receipt_no, refusal
           from production.tax_declaration where slot = $1 and confirm_no = $2"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string()
    );
    Ok(found.fetch_optional(tx.conn()).await?)
}

/// Settles an own declaration: registered, or refused for good.
pub async fn settle(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
    standing: &DeclarationStanding,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.tax_declaration
           set state = $3, registration_no = $4, receipt_no = $5, refusal = $6, settled_at = $7
           where slot = $1 and confirm_no = $2 and state = 'pending'"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string(),
        standing.state,
        standing.registration_no,
        standing.receipt_no,
        standing.refusal,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

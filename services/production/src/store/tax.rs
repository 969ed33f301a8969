//! Withheld tax on its way to the tax office.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::{Db, Tx};
use production_core::number::PlatformNumber;

use crate::error::ProductionError;

/// A declaration to deliver.
#[derive(Clone, Copy, Debug)]
pub struct PendingDeclaration {
    /// The number the tax office is to know it by: confirm code or amend confirm code.
    pub declaration_no: PlatformNumber,
    /// The policy the tax is printed on.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Everything withheld: the year's tax, arrears and late fee.
    pub total: Fen,
}

/// How a declaration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarationStanding {
    /// `pending`, `registered`, `refused`, `withdrawing` or `withdrawn`.
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
    sqlx::query!(
        r#"insert into production.tax_declaration
               (slot, declaration_no, confirm_no, tenant_id, state, total_fen, next_attempt_at,
                recorded_at)
           select slot, declaration_no, confirm_no, tenant_id, 'pending', total_fen, $6, $6
           from unnest($1::integer[], $2::text[], $3::text[], $4::uuid[], $5::bigint[])
                    as fresh (slot, declaration_no, confirm_no, tenant_id, total_fen)"#,
        column!(pending, |one| i32::from(one.declaration_no.slot().0)),
        column!(pending, |one| one.declaration_no.to_string()),
        column!(pending, |one| one.confirm_no.to_string()),
        column!(pending, |one| one.tenant.0),
        column!(pending, |one| one.total.0),
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Has an own declaration taken back: one on its way as well as one that was registered. A delivery
/// that is under way keeps its minute, so that it cannot arrive after it was taken back.
pub async fn withdraw(
    tx: &mut Tx,
    declaration_no: PlatformNumber,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.tax_declaration
           set state = 'withdrawing', settled_at = null, attempts = 0,
               next_attempt_at = greatest(next_attempt_at, $3)
           where slot = $1 and declaration_no = $2 and state in ('pending', 'registered')"#,
        i32::from(declaration_no.slot().0),
        declaration_no.to_string(),
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
        r#"select declaration_no as "declaration_no!", tenant_id as "tenant_id!"
           from production.due_tax_declarations($1, $2)"#,
        now.to_sqlx() as _,
        most
    );
    rows.fetch_all(db.pool())
        .await?
        .into_iter()
        .map(|row| {
            let number = PlatformNumber::parse(&row.declaration_no);
            let number = number.map_err(|_| ProductionError::Corrupt("tax declaration"))?;
            Ok((number, TenantId(row.tenant_id)))
        })
        .collect()
}

/// What a delivery has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Bring the declaration.
    Declare,
    /// Take it back.
    TakeBack,
}

impl Errand {
    const fn state(self) -> &'static str {
        match self {
            Errand::Declare => "pending",
            Errand::TakeBack => "withdrawing",
        }
    }
}

/// A declaration taken for delivery.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// What is to be done.
    pub errand: Errand,
    /// The policy the tax is printed on.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Everything withheld.
    pub total: Fen,
    /// How often it was taken, this time included.
    pub attempts: i32,
}

/// An own declaration to deliver; `None` when it was settled in the meantime.
pub async fn delivery(
    tx: &mut Tx,
    declaration_no: PlatformNumber,
) -> Result<Option<Delivery>, ProductionError> {
    let row = sqlx::query!(
        r#"select state, confirm_no, tenant_id, total_fen, attempts
           from production.tax_declaration where slot = $1 and declaration_no = $2"#,
        i32::from(declaration_no.slot().0),
        declaration_no.to_string()
    );
    let row = row.fetch_one(tx.conn()).await?;
    let errand = match row.state.as_str() {
        "pending" => Errand::Declare,
        "withdrawing" => Errand::TakeBack,
        _ => return Ok(None),
    };
    let confirm_no = PlatformNumber::parse(&row.confirm_no);
    Ok(Some(Delivery {
        errand,
        confirm_no: confirm_no.map_err(|_| ProductionError::Corrupt("tax declaration"))?,
        tenant: TenantId(row.tenant_id),
        total: Fen(row.total_fen),
        attempts: row.attempts,
    }))
}

/// Leaves an own declaration alone until then, unless its errand has changed.
pub async fn put_off(
    tx: &mut Tx,
    declaration_no: PlatformNumber,
    errand: Errand,
    until: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.tax_declaration set next_attempt_at = $4
           where slot = $1 and declaration_no = $2 and state = $3"#,
        i32::from(declaration_no.slot().0),
        declaration_no.to_string(),
        errand.state(),
        until.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How an own declaration stands; `None` when nothing was withheld.
pub async fn standing(
    tx: &mut Tx,
    declaration_no: PlatformNumber,
) -> Result<Option<DeclarationStanding>, ProductionError> {
    let found = sqlx::query_as!(
        DeclarationStanding,
        r#"select state, registration_no, receipt_no, refusal
           from production.tax_declaration where slot = $1 and declaration_no = $2"#,
        i32::from(declaration_no.slot().0),
        declaration_no.to_string()
    );
    Ok(found.fetch_optional(tx.conn()).await?)
}

/// Settles an own declaration, unless its errand has changed: a withholding taken back while it
/// was on its way is still to be taken back.
pub async fn settle(
    tx: &mut Tx,
    declaration_no: PlatformNumber,
    errand: Errand,
    standing: &DeclarationStanding,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.tax_declaration
           set state = $4, registration_no = coalesce($5, registration_no),
               receipt_no = coalesce($6, receipt_no), refusal = $7, settled_at = $8
           where slot = $1 and declaration_no = $2 and state = $3"#,
        i32::from(declaration_no.slot().0),
        declaration_no.to_string(),
        errand.state(),
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

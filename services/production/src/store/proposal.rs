//! Proposals: from the pre-confirmation to the confirmation. One row a quote.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::number::PlatformNumber;
use production_core::quote::{Amounts, Cancelled, Payment, QuoteStage};

use crate::error::ProductionError;

/// A proposal as stored.
#[derive(Clone, Debug)]
pub struct ProposalRecord {
    /// Query code of its quote.
    pub query_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Where it stands; the clock moves it further.
    pub stage: QuoteStage,
    /// When the amounts were frozen.
    pub pre_confirmed_at: Timestamp,
    /// Channel, intermediary and ratio, JSON of [`crate::fee::FeeTerms`].
    pub fee: String,
    /// Outside answers still assumed, JSON of [`crate::quote::Assumed`].
    pub recheck: String,
}

/// Writes a new proposal. `false` when the quote has one already.
pub async fn insert(
    tx: &mut Tx,
    proposal: &ProposalRecord,
    amounts: &Amounts,
    until: Timestamp,
) -> Result<bool, ProductionError> {
    let inserted = sqlx::query!(
        r#"insert into production.proposal
               (slot, query_no, tenant_id, stage, pre_confirmed_at, valid_until,
                compulsory_premium_fen, commercial_premium_fen, tax_fen, fee_fen, fee, recheck)
           values ($1, $2, $3, 'pre_confirmed', $4, $5, $6, $7, $8, $9, $10::text::json,
                   $11::text::json)
           on conflict (slot, query_no) do nothing"#,
        i32::from(proposal.query_no.slot().0),
        proposal.query_no.to_string(),
        proposal.tenant.0,
        proposal.pre_confirmed_at.to_sqlx() as _,
        until.to_sqlx() as _,
        amounts.compulsory.map(|fen| fen.0),
        amounts.commercial.map(|fen| fen.0),
        amounts.tax.0,
        amounts.fee.0,
        proposal.fee,
        proposal.recheck
    )
    .execute(tx.conn())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Own proposals by query code, held until the transaction ends; in no particular order, what is
/// not there is left out. Rows are locked in key order.
pub async fn lock(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
) -> Result<Vec<ProposalRecord>, ProductionError> {
    let slots: Vec<i32> = numbers.iter().map(|number| i32::from(number.slot().0)).collect();
    let numbers: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
    let rows = sqlx::query_as!(
        ProposalRow,
        r#"select p.query_no, p.tenant_id, p.stage, p.pre_confirmed_at, p.valid_until,
                  p.compulsory_premium_fen, p.commercial_premium_fen, p.tax_fen, p.fee_fen,
                  p.fee::text as "fee!", p.recheck::text as "recheck!", p.paid_fen,
                  p.payment_reference, p.paid_at, p.confirmed_at, p.cancelled_at
           from production.proposal p
           where (p.slot, p.query_no) in (select * from unnest($1::integer[], $2::text[]))
           order by p.slot, p.query_no
           for update"#,
        &slots,
        &numbers
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ProposalRecord::try_from).collect()
}

/// Own proposals by query code, as they stand; in no particular order.
pub async fn find(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
) -> Result<Vec<ProposalRecord>, ProductionError> {
    let slots: Vec<i32> = numbers.iter().map(|number| i32::from(number.slot().0)).collect();
    let numbers: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
    let rows = sqlx::query_as!(
        ProposalRow,
        r#"select p.query_no, p.tenant_id, p.stage, p.pre_confirmed_at, p.valid_until,
                  p.compulsory_premium_fen, p.commercial_premium_fen, p.tax_fen, p.fee_fen,
                  p.fee::text as "fee!", p.recheck::text as "recheck!", p.paid_fen,
                  p.payment_reference, p.paid_at, p.confirmed_at, p.cancelled_at
           from production.proposal p
           where (p.slot, p.query_no) in (select * from unnest($1::integer[], $2::text[]))"#,
        &slots,
        &numbers
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ProposalRecord::try_from).collect()
}

/// Registers the money of one proposal.
pub async fn set_paid(
    tx: &mut Tx,
    query_no: PlatformNumber,
    payment: &Payment,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.proposal
           set stage = 'paid', paid_fen = $3, payment_reference = $4, paid_at = $5
           where slot = $1 and query_no = $2"#,
        i32::from(query_no.slot().0),
        query_no.to_string(),
        payment.amount.0,
        payment.reference,
        payment.paid_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Cancels one proposal.
pub async fn set_cancelled(
    tx: &mut Tx,
    query_no: PlatformNumber,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.proposal set stage = 'cancelled', cancelled_at = $3
           where slot = $1 and query_no = $2"#,
        i32::from(query_no.slot().0),
        query_no.to_string(),
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Confirms a set of proposals.
pub async fn set_confirmed(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
    now: Timestamp,
) -> Result<(), ProductionError> {
    let slots: Vec<i32> = numbers.iter().map(|number| i32::from(number.slot().0)).collect();
    let numbers: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
    sqlx::query!(
        r#"update production.proposal p set stage = 'confirmed', confirmed_at = $3
           from unnest($1::integer[], $2::text[]) as done (slot, query_no)
           where p.slot = done.slot and p.query_no = done.query_no"#,
        &slots,
        &numbers,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a registered payment says beside its amount.
#[derive(Clone, Debug)]
pub struct PaymentRecord {
    /// Its own identifier.
    pub payment_id: uuid::Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// Query or amend query code it pays for.
    pub for_no: PlatformNumber,
    /// `bank_transfer`, `card`, `pos`, `mobile`, `cash` or `cheque`.
    pub method: &'static str,
    /// Payer and account, sealed JSON.
    pub payer_sealed: Option<Vec<u8>>,
    /// Amount, reference and time.
    pub payment: Payment,
}

/// Writes a registered payment; a reference is used once for a number.
pub async fn insert_payment(
    tx: &mut Tx,
    record: &PaymentRecord,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.payment (slot, payment_id, tenant_id, for_no, reference, method,
                                           payer_sealed, amount_fen, paid_at, recorded_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"#,
        i32::from(record.for_no.slot().0),
        record.payment_id,
        record.tenant.0,
        record.for_no.to_string(),
        record.payment.reference,
        record.method,
        record.payer_sealed,
        record.payment.amount.0,
        record.payment.paid_at.to_sqlx() as _,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct ProposalRow {
    query_no: String,
    tenant_id: uuid::Uuid,
    stage: String,
    pre_confirmed_at: jiff_sqlx::Timestamp,
    valid_until: jiff_sqlx::Timestamp,
    compulsory_premium_fen: Option<i64>,
    commercial_premium_fen: Option<i64>,
    tax_fen: i64,
    fee_fen: i64,
    fee: String,
    recheck: String,
    paid_fen: Option<i64>,
    payment_reference: Option<String>,
    paid_at: Option<jiff_sqlx::Timestamp>,
    confirmed_at: Option<jiff_sqlx::Timestamp>,
    cancelled_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<ProposalRow> for ProposalRecord {
    type Error = ProductionError;

    fn try_from(row: ProposalRow) -> Result<ProposalRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("proposal");
        let amounts = Amounts {
            compulsory: row.compulsory_premium_fen.map(Fen),
            commercial: row.commercial_premium_fen.map(Fen),
            tax: Fen(row.tax_fen),
            fee: Fen(row.fee_fen),
        };
        let payment = match (row.paid_fen, row.payment_reference, row.paid_at) {
            (Some(fen), Some(reference), Some(at)) => {
                Some(Payment { amount: Fen(fen), reference, paid_at: at.to_jiff() })
            }
            _ => None,
        };
        let until = row.valid_until.to_jiff();
        let stage = match (row.stage.as_str(), payment, row.confirmed_at, row.cancelled_at) {
            ("pre_confirmed", None, None, None) => QuoteStage::PreConfirmed { amounts, until },
            ("paid", Some(payment), None, None) => QuoteStage::Paid { amounts, payment, until },
            ("confirmed", Some(payment), Some(at), None) => {
                QuoteStage::Confirmed { amounts, payment, at: at.to_jiff() }
            }
            ("cancelled", refund, None, Some(at)) => QuoteStage::PreConfirmCancelled {
                at: at.to_jiff(),
                by: Cancelled::ByCaller,
                refund,
            },
            _ => return Err(corrupt()),
        };
        Ok(ProposalRecord {
            query_no: PlatformNumber::parse(&row.query_no).map_err(|_| corrupt())?,
            tenant: TenantId(row.tenant_id),
            stage,
            pre_confirmed_at: row.pre_confirmed_at.to_jiff(),
            fee: row.fee,
            recheck: row.recheck,
        })
    }
}

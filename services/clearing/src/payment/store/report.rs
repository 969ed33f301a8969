//! SQL of what was heard of an order.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::Fen;
use pg::Tx;

use crate::error::ClearingError;
use crate::payment::Source;
use crate::payment::order::{OrderId, Report, Word};

/// A word that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// `answer`, `notice`, `statement` or `operator`.
    pub source: String,
    /// `accepted`, `settled`, `rejected` or `returned`.
    pub word: String,
    /// In all.
    pub settled: Fen,
    /// In all.
    pub returned: Fen,
    /// The bank's reason.
    pub reason: Option<String>,
    /// When it was heard.
    pub heard_at: Timestamp,
    /// Why it could not be true.
    pub contradicts: Option<String>,
}

/// Whether a word was heard before under its own name.
pub async fn is_heard(
    tx: &mut Tx,
    order: OrderId,
    source: Source,
    notice_id: &str,
) -> Result<bool, ClearingError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from clearing.payment_report
                          where order_id = $1 and source = $2 and notice_id = $3) as "found!""#,
        order.0,
        source.code(),
        notice_id
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// What the operator said of an order in all, where that could be true.
pub async fn said_by_operator(tx: &mut Tx, order: OrderId) -> Result<Fen, ClearingError> {
    let most = sqlx::query_scalar!(
        r#"select coalesce(max(settled_fen), 0) as "most!" from clearing.payment_report
           where order_id = $1 and source = 'operator' and contradicts is null"#,
        order.0
    );
    Ok(Fen(most.fetch_one(tx.conn()).await?))
}

/// Keeps a word of the bank.
pub async fn insert_report(
    tx: &mut Tx,
    order: OrderId,
    (source, notice_id): (Source, &str),
    report: &Report,
    contradicts: Option<&'static str>,
    now: Timestamp,
) -> Result<(), ClearingError> {
    let (word, settled, returned, reason) = match &report.word {
        Word::Accepted => ("accepted", Fen::ZERO, Fen::ZERO, None),
        Word::Settled { total } => ("settled", *total, Fen::ZERO, None),
        Word::Rejected { settled, reason } => ("rejected", *settled, Fen::ZERO, Some(reason)),
        Word::Returned { settled, returned, reason } => {
            ("returned", *settled, *returned, Some(reason))
        }
    };
    sqlx::query!(
        "insert into clearing.payment_report
             (order_id, source, notice_id, word, settled_fen, returned_fen, reason, bank_ref,
              said_at, heard_at, contradicts)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        order.0,
        source.code(),
        notice_id,
        word,
        settled.0,
        returned.0,
        reason,
        report.bank_ref,
        report.at.to_sqlx() as _,
        now.to_sqlx() as _,
        contradicts
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The words heard of an order, in order.
pub async fn reports(tx: &mut Tx, order: OrderId) -> Result<Vec<Kept>, ClearingError> {
    let rows = sqlx::query!(
        r#"select source, word, settled_fen, returned_fen, reason,
                  heard_at as "heard_at: jiff_sqlx::Timestamp", contradicts
           from clearing.payment_report where order_id = $1 order by heard limit 200"#,
        order.0
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows
        .map(|row| Kept {
            source: row.source,
            word: row.word,
            settled: Fen(row.settled_fen),
            returned: Fen(row.returned_fen),
            reason: row.reason,
            heard_at: row.heard_at.to_jiff(),
            contradicts: row.contradicts,
        })
        .collect())
}

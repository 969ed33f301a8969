//! SQL of the bank accounts that participants registered.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;

use crate::error::ClearingError;
use crate::payment::payee::SealedAccount;

/// The account a participant registered last.
pub async fn registered_account(
    tx: &mut Tx,
    participant: TenantId,
) -> Result<Option<SealedAccount>, ClearingError> {
    let row = sqlx::query!(
        "select account_sealed, account_masked from clearing.payment_account
         where participant = $1 order by change desc limit 1",
        participant.0
    );
    let row = row.fetch_optional(tx.conn()).await?;
    Ok(row.map(|row| SealedAccount {
        sealed: row.account_sealed,
        masked: row.account_masked,
        digest: [0; 32],
    }))
}

/// Registers an account; it is the one that counts from now on.
pub async fn insert_registered_account(
    tx: &mut Tx,
    participant: TenantId,
    account: &SealedAccount,
    by: &str,
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.payment_account
             (participant, account_sealed, account_masked, registered_by, registered_at)
         values ($1, $2, $3, $4, $5)",
        participant.0,
        account.sealed,
        account.masked,
        by,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

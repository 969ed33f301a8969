//! Files and their pieces.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Tx};

use crate::error::ActuarialError;
use crate::file::{FileId, Written};

/// Writes a new file, open and empty.
pub(crate) async fn open(
    tx: &mut Tx,
    tenant: TenantId,
    file: FileId,
    now: Timestamp,
) -> Result<(), ActuarialError> {
    sqlx::query!(
        "insert into actuarial.file (tenant_id, file_id, opened_at) values ($1, $2, $3)",
        tenant.0,
        file.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a sealed piece.
pub(crate) async fn keep_piece(
    tx: &mut Tx,
    tenant: TenantId,
    file: FileId,
    number: i32,
    sealed: &[u8],
) -> Result<(), ActuarialError> {
    sqlx::query!(
        r#"insert into actuarial.file_piece (tenant_id, file_id, piece, sealed)
           values ($1, $2, $3, $4)"#,
        tenant.0,
        file.0,
        number,
        sealed
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that the last piece is kept. The file stays open until somebody names it.
pub(crate) async fn end(
    tx: &mut Tx,
    tenant: TenantId,
    written: &Written,
    pieces: i32,
) -> Result<(), ActuarialError> {
    sqlx::query!(
        r#"update actuarial.file set pieces = $3, bytes = $4, digest = $5
           where tenant_id = $1 and file_id = $2 and state = 'open'"#,
        tenant.0,
        written.file.0,
        pieces,
        i64::try_from(written.bytes).unwrap_or(i64::MAX),
        written.digest.as_slice()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a whole file for the row that names it in the same transaction.
pub(crate) async fn keep(
    tx: &mut Tx,
    tenant: TenantId,
    file: FileId,
) -> Result<(), ActuarialError> {
    let kept = sqlx::query!(
        r#"update actuarial.file set state = 'kept'
           where tenant_id = $1 and file_id = $2 and state = 'open' and digest is not null"#,
        tenant.0,
        file.0
    );
    match kept.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        // Swept: it was open for longer than anybody works on one.
        _ => Err(ActuarialError::Corrupt("file")),
    }
}

/// Lets the sweep have a file, unless a row names it.
pub(crate) async fn discard(
    tx: &mut Tx,
    tenant: TenantId,
    file: FileId,
) -> Result<(), ActuarialError> {
    sqlx::query!(
        r#"update actuarial.file set state = 'dropped'
           where tenant_id = $1 and file_id = $2 and state = 'open'"#,
        tenant.0,
        file.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets the sweep have a file that no row names any more.
pub(crate) async fn drop(
    tx: &mut Tx,
    tenant: TenantId,
    file: FileId,
) -> Result<(), ActuarialError> {
    sqlx::query!(
        "update actuarial.file set state = 'dropped' where tenant_id = $1 and file_id = $2",
        tenant.0,
        file.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Bytes of a whole file; `None` when there is none.
pub(crate) async fn length(
    tx: &mut Tx,
    tenant: TenantId,
    file: FileId,
) -> Result<Option<u64>, ActuarialError> {
    let bytes = sqlx::query_scalar!(
        r#"select bytes from actuarial.file
           where tenant_id = $1 and file_id = $2 and state = 'kept'"#,
        tenant.0,
        file.0
    );
    Ok(bytes.fetch_optional(tx.conn()).await?.map(|bytes| u64::try_from(bytes).unwrap_or(0)))
}

/// A sealed piece; `None` when it is gone.
pub(crate) async fn piece(
    tx: &mut Tx,
    tenant: TenantId,
    file: FileId,
    number: i32,
) -> Result<Option<Vec<u8>>, ActuarialError> {
    let sealed = sqlx::query_scalar!(
        r#"select sealed from actuarial.file_piece
           where tenant_id = $1 and file_id = $2 and piece = $3"#,
        tenant.0,
        file.0,
        number
    );
    Ok(sealed.fetch_optional(tx.conn()).await?)
}

/// Removes up to `most` files that are dropped, or were opened before `before` and never kept.
pub(crate) async fn sweep(db: &Db, before: Timestamp, most: i32) -> Result<i64, ActuarialError> {
    let swept = sqlx::query_scalar!(
        r#"select actuarial.sweep_files($1, $2) as "swept!""#,
        before.to_sqlx() as _,
        most
    );
    Ok(swept.fetch_one(db.pool()).await?)
}

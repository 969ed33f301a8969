//! SQL of statements and of agreement to them.

use clearing_ledger::CycleId;
use crypto::Digest;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use crate::error::ClearingError;
use crate::settlement::statement::{Confirmation, Standing, Statement};

/// A row of `clearing.statement`.
struct StatementRow {
    cycle_id: Uuid,
    participant: Uuid,
    revision: i32,
    body: String,
    net_fen: i64,
    digest: Vec<u8>,
    public_key: Vec<u8>,
    signature: Vec<u8>,
    sent_at: jiff_sqlx::Timestamp,
}

impl TryFrom<StatementRow> for Statement {
    type Error = ClearingError;

    fn try_from(row: StatementRow) -> Result<Statement, ClearingError> {
        let corrupt = |_| ClearingError::Corrupt("statement");
        Ok(Statement {
            cycle: CycleId(row.cycle_id),
            participant: TenantId(row.participant),
            revision: row.revision,
            body: row.body,
            net: Fen(row.net_fen),
            digest: Digest(row.digest.try_into().map_err(corrupt)?),
            public_key: row.public_key.try_into().map_err(corrupt)?,
            signature: row.signature,
            sent_at: row.sent_at.to_jiff(),
        })
    }
}

/// Keeps new statements.
pub(in crate::settlement) async fn insert(
    tx: &mut Tx,
    statements: &[Statement],
) -> Result<(), sqlx::Error> {
    let ids = |of: fn(&Statement) -> Uuid| -> Vec<Uuid> { statements.iter().map(of).collect() };
    let bytes = |of: fn(&Statement) -> &[u8]| -> Vec<Vec<u8>> {
        statements.iter().map(|statement| of(statement).to_vec()).collect()
    };
    let revisions: Vec<i32> = statements.iter().map(|statement| statement.revision).collect();
    let bodies: Vec<String> = statements.iter().map(|statement| statement.body.clone()).collect();
    let nets: Vec<i64> = statements.iter().map(|statement| statement.net.0).collect();
    let sent_at: Vec<_> = statements.iter().map(|statement| statement.sent_at.to_sqlx()).collect();
    sqlx::query!(
        "insert into clearing.statement
             (cycle_id, participant, revision, body, net_fen, digest, public_key, signature, sent_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::bigint[],
                              $6::bytea[], $7::bytea[], $8::bytea[], $9::timestamptz[])",
        &ids(|statement| statement.cycle.0),
        &ids(|statement| statement.participant.0),
        &revisions,
        &bodies,
        &nets,
        &bytes(|statement| &statement.digest.0),
        &bytes(|statement| &statement.public_key),
        &bytes(|statement| &statement.signature),
        &sent_at as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The latest statement of a participant.
pub(in crate::settlement) async fn latest(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
) -> Result<Option<Statement>, ClearingError> {
    let row = sqlx::query_as!(
        StatementRow,
        r#"select cycle_id, participant, revision, body, net_fen, digest, public_key, signature,
                  sent_at as "sent_at: _"
           from clearing.statement where cycle_id = $1 and participant = $2
           order by revision desc limit 1"#,
        cycle.0,
        participant.0
    );
    row.fetch_optional(tx.conn()).await?.map(Statement::try_from).transpose()
}

/// The latest revision for each participant, and how it was agreed to.
pub(in crate::settlement) async fn standings(
    tx: &mut Tx,
    cycle: CycleId,
) -> Result<Vec<Standing>, ClearingError> {
    let rows = sqlx::query!(
        r#"select distinct on (participant) participant, revision, sent_at as "sent_at: jiff_sqlx::Timestamp",
                  manner as "manner?"
           from clearing.statement
           left join clearing.confirmation using (cycle_id, participant, revision)
           where cycle_id = $1
           order by participant, revision desc"#,
        cycle.0
    );
    let told = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| Standing {
        participant: TenantId(row.participant),
        revision: row.revision,
        sent_at: row.sent_at.to_jiff(),
        manner: row.manner,
    });
    Ok(told.collect())
}

/// How a revision was agreed to.
pub(in crate::settlement) async fn confirmation(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
    revision: i32,
) -> Result<Option<Confirmation>, ClearingError> {
    let row = sqlx::query!(
        r#"select manner, confirmed_at as "confirmed_at: jiff_sqlx::Timestamp"
           from clearing.confirmation
           where cycle_id = $1 and participant = $2 and revision = $3"#,
        cycle.0,
        participant.0,
        revision
    );
    let found = row.fetch_optional(tx.conn()).await?;
    Ok(found.map(|row| Confirmation {
        revision,
        manner: row.manner,
        confirmed_at: row.confirmed_at.to_jiff(),
    }))
}

/// Notes agreement to revisions.
pub(in crate::settlement) async fn insert_confirmations(
    tx: &mut Tx,
    cycle: CycleId,
    agreed: &[(TenantId, i32)],
    manner: &str,
    client: &str,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let participants: Vec<Uuid> = agreed.iter().map(|(participant, _)| participant.0).collect();
    let revisions: Vec<i32> = agreed.iter().map(|(_, revision)| *revision).collect();
    sqlx::query!(
        "insert into clearing.confirmation
             (cycle_id, participant, revision, manner, client, confirmed_at)
         select $1, participant, revision, $4, $5, $6
         from unnest($2::uuid[], $3::int[]) as agreed (participant, revision)",
        cycle.0,
        &participants,
        &revisions,
        manner,
        client,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Public keys statements were signed with.
pub(in crate::settlement) async fn keys(tx: &mut Tx) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!("select distinct public_key from clearing.statement")
        .fetch_all(tx.conn())
        .await
}

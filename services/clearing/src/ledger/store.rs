//! SQL of the ledger: transfers here, accounts beside.

mod account;
mod row;

use std::collections::BTreeSet;

use clearing_ledger::{AccountId, Balance, Entry, Kind, Record, TransferId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::Fen;
use pg::Tx;
use uuid::Uuid;

use super::LedgerError;

pub(super) use account::{
    find_to_open, insert_account, insert_limits, known_accounts, lift_debit_caps, lock_accounts,
    update_accounts, update_limits,
};

pub(super) use row::{AccountRow, RecordRow};

/// An open reservation whose time is up.
pub(super) struct Due {
    pub(super) reservation: TransferId,
    pub(super) debit: AccountId,
    pub(super) credit: AccountId,
}

/// What became of ids, as far as anything did.
pub(super) async fn records(
    tx: &mut Tx,
    ids: impl IntoIterator<Item = TransferId>,
) -> Result<Vec<Record>, LedgerError> {
    let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        RecordRow,
        r#"select transfer_id, kind, recorded_at as "recorded_at: _", debit_account_id,
                  credit_account_id, amount_fen, currency, part, target_id, timeout_s,
                  expires_at as "expires_at: _", reason, reference, chain_id, chain_index,
                  chain_size,
                  array[debit_debits_posted_fen, debit_credits_posted_fen,
                        debit_debits_pending_fen, debit_credits_pending_fen]
                      as "debit_after!: Vec<Option<i64>>",
                  array[credit_debits_posted_fen, credit_credits_posted_fen,
                        credit_debits_pending_fen, credit_credits_pending_fen]
                      as "credit_after!: Vec<Option<i64>>",
                  refusal, body_digest
           from clearing.transfer
           where transfer_id = any($1)"#,
        &ids
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Record::try_from).collect()
}

/// Open reservations on `accounts` that are due at `now`.
pub(super) async fn due_on(
    tx: &mut Tx,
    accounts: &BTreeSet<AccountId>,
    now: Timestamp,
) -> Result<Vec<Due>, LedgerError> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select reservation_id, debit_account_id, credit_account_id
         from clearing.open_reservation
         where expires_at <= $1 and (debit_account_id = any($2) or credit_account_id = any($2))",
        now.to_sqlx() as _,
        &accounts
    );
    let due = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| Due {
        reservation: TransferId(row.reservation_id),
        debit: AccountId(row.debit_account_id),
        credit: AccountId(row.credit_account_id),
    });
    Ok(due.collect())
}

/// Up to `most` open reservations that are due at `now`, the longest due first.
pub(super) async fn due(tx: &mut Tx, most: u16, now: Timestamp) -> Result<Vec<Due>, LedgerError> {
    let rows = sqlx::query!(
        "select reservation_id, debit_account_id, credit_account_id
         from clearing.open_reservation where expires_at <= $1 order by expires_at limit $2",
        now.to_sqlx() as _,
        i64::from(most)
    );
    let due = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| Due {
        reservation: TransferId(row.reservation_id),
        debit: AccountId(row.debit_account_id),
        credit: AccountId(row.credit_account_id),
    });
    Ok(due.collect())
}

/// How reservations ended, and how much of transfers is corrected.
pub(super) async fn pursued(
    tx: &mut Tx,
    targets: impl Iterator<Item = TransferId>,
) -> Result<Vec<(TransferId, Kind, Fen)>, LedgerError> {
    let targets: Vec<Uuid> = targets.map(|id| id.0).collect();
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select target_id as "target_id!", kind as "kind!", amount_fen as "amount_fen!"
           from clearing.transfer
           where target_id = any($1) and kind in ('post_reserved', 'void', 'expire')
           union all
           select target_id, 'correct', sum(amount_fen)::bigint
           from clearing.transfer
           where target_id = any($1) and kind = 'correct'
           group by target_id"#,
        &targets
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let kind = Kind::parse(&row.kind).ok_or(LedgerError::Corrupt)?;
        Ok((TransferId(row.target_id), kind, Fen(row.amount_fen)))
    });
    rows.collect()
}

/// Writes what was judged at `at`, in order.
pub(super) async fn insert_records(
    tx: &mut Tx,
    records: &[Record],
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut rows = Columns::default();
    records.iter().for_each(|record| rows.push(record));
    sqlx::query!(
        "insert into clearing.transfer
             (transfer_id, kind, recorded_at, debit_account_id, credit_account_id, amount_fen,
              currency, part, target_id, timeout_s, expires_at, reason, reference, chain_id,
              chain_index, chain_size, debit_debits_posted_fen, debit_credits_posted_fen,
              debit_debits_pending_fen, debit_credits_pending_fen, credit_debits_posted_fen,
              credit_credits_posted_fen, credit_debits_pending_fen, credit_credits_pending_fen,
              refusal, body_digest)
         select transfer_id, kind, $1, debit_account_id, credit_account_id, amount_fen,
                currency, part, target_id, timeout_s, expires_at, reason, reference, chain_id,
                chain_index, chain_size, dd, dc, ddp, dcp, cd, cc, cdp, ccp, refusal, body_digest
         from unnest(
             $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[],
             $8::boolean[], $9::uuid[], $10::bigint[], $11::timestamptz[], $12::text[],
             $13::text[], $14::uuid[], $15::int[], $16::int[], $17::bigint[], $18::bigint[],
             $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],
             $24::bigint[], $25::text[], $26::bytea[]
         ) with ordinality as judged
             (transfer_id, kind, debit_account_id, credit_account_id, amount_fen, currency, part,
              target_id, timeout_s, expires_at, reason, reference, chain_id, chain_index,
              chain_size, dd, dc, ddp, dcp, cd, cc, cdp, ccp, refusal, body_digest, place)
         order by place",
        at.to_sqlx() as _,
        &rows.transfer_id,
        &rows.kind as _,
        &rows.debit_account_id as _,
        &rows.credit_account_id as _,
        &rows.amount_fen as _,
        &rows.currency as _,
        &rows.part as _,
        &rows.target_id as _,
        &rows.timeout_s as _,
        &rows.expires_at as _,
        &rows.reason as _,
        &rows.reference as _,
        &rows.chain_id as _,
        &rows.chain_index as _,
        &rows.chain_size as _,
        &rows.after[0] as _,
        &rows.after[1] as _,
        &rows.after[2] as _,
        &rows.after[3] as _,
        &rows.after[4] as _,
        &rows.after[5] as _,
        &rows.after[6] as _,
        &rows.after[7] as _,
        &rows.refusal as _,
        &rows.body_digest as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Records as one list per column.
#[derive(Default)]
struct Columns<'a> {
    transfer_id: Vec<Uuid>,
    kind: Vec<&'static str>,
    debit_account_id: Vec<Option<Uuid>>,
    credit_account_id: Vec<Option<Uuid>>,
    amount_fen: Vec<Option<i64>>,
    currency: Vec<Option<&'a str>>,
    part: Vec<Option<bool>>,
    target_id: Vec<Option<Uuid>>,
    timeout_s: Vec<Option<i64>>,
    expires_at: Vec<Option<jiff_sqlx::Timestamp>>,
    reason: Vec<Option<&'a str>>,
    reference: Vec<Option<&'a str>>,
    chain_id: Vec<Option<Uuid>>,
    chain_index: Vec<Option<i32>>,
    chain_size: Vec<Option<i32>>,
    /// The four counters of the debited account, then of the credited one.
    after: [Vec<Option<i64>>; 8],
    refusal: Vec<Option<&'static str>>,
    body_digest: Vec<Option<&'a [u8]>>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, record: &'a Record) {
        let (entry, failure) = match record {
            Record::Entry(entry) => (Some(entry), None),
            Record::Failure(failure) => (None, Some(failure)),
        };
        self.transfer_id.push(record.id().0);
        self.kind.push(entry.map_or("refused", |entry| entry.kind.code()));
        self.debit_account_id.push(entry.map(|entry| entry.debit.0));
        self.credit_account_id.push(entry.map(|entry| entry.credit.0));
        self.amount_fen.push(entry.map(|entry| entry.amount.0));
        self.currency.push(entry.map(|entry| entry.currency.as_str()));
        self.part.push(entry.map(|entry| entry.part));
        self.target_id.push(entry.and_then(|entry| Some(entry.target?.0)));
        self.timeout_s.push(entry.and_then(|entry| Some(entry.timeout?.as_seconds().into())));
        self.expires_at.push(entry.and_then(|entry| Some(entry.expires_at?.to_sqlx())));
        self.reason.push(entry.map(|entry| entry.reason.as_str()));
        self.reference.push(entry.map(|entry| entry.reference.as_str()));
        let link = entry.and_then(|entry| entry.link);
        self.chain_id.push(link.map(|link| link.chain.0));
        self.chain_index.push(link.map(|link| link.index.into()));
        self.chain_size.push(link.map(|link| link.size.into()));
        let after = entry.map(|entry| (&entry.debit_after, &entry.credit_after));
        let counters: [fn(&Balance) -> Fen; 4] = [
            |balance| balance.debits_posted,
            |balance| balance.credits_posted,
            |balance| balance.debits_pending,
            |balance| balance.credits_pending,
        ];
        for (place, counter) in counters.into_iter().enumerate() {
            self.after[place].push(after.map(|(debit, _)| counter(debit).0));
            self.after[place + 4].push(after.map(|(_, credit)| counter(credit).0));
        }
        self.refusal.push(failure.map(|failure| failure.refusal.code()));
        self.body_digest.push(failure.map(|failure| &failure.digest[..]));
    }
}

/// Notes the new reservations that will expire.
pub(super) async fn insert_open_reservations(
    tx: &mut Tx,
    records: &[Record],
) -> Result<(), sqlx::Error> {
    let opened: Vec<(&Entry, Timestamp)> =
        entries(records).filter_map(|entry| Some((entry, entry.expires_at?))).collect();
    if opened.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = opened.iter().map(|(entry, _)| entry.id.0).collect();
    let debits: Vec<Uuid> = opened.iter().map(|(entry, _)| entry.debit.0).collect();
    let credits: Vec<Uuid> = opened.iter().map(|(entry, _)| entry.credit.0).collect();
    let expires_at: Vec<_> = opened.iter().map(|(_, at)| at.to_sqlx()).collect();
    sqlx::query!(
        "insert into clearing.open_reservation
             (reservation_id, debit_account_id, credit_account_id, expires_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])",
        &ids,
        &debits,
        &credits,
        &expires_at as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets the reservations that ended.
pub(super) async fn delete_open_reservations(
    tx: &mut Tx,
    records: &[Record],
) -> Result<(), sqlx::Error> {
    let ended: Vec<Uuid> = entries(records)
        .filter(|entry| entry.kind.ends_a_reservation())
        .filter_map(|entry| Some(entry.target?.0))
        .collect();
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query!("delete from clearing.open_reservation where reservation_id = any($1)", &ended)
        .execute(tx.conn())
        .await?;
    Ok(())
}

fn entries(records: &[Record]) -> impl Iterator<Item = &Entry> {
    records.iter().filter_map(|record| match record {
        Record::Entry(entry) => Some(entry),
        Record::Failure(_) => None,
    })
}

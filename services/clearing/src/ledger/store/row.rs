//! Rows of the ledger's tables, and what they stand for.

use clearing_ledger::{
    Account, AccountId, Balance, ChainId, Currency, CycleId, Entry, Failure, Kind, Limits, Link,
    Purpose, Reason, Record, Reference, Refusal, Timeout, TransferId,
};
use kernel::{Fen, TenantId};
use uuid::Uuid;

use crate::ledger::LedgerError;

/// A row of `clearing.account`.
pub(in crate::ledger) struct AccountRow {
    pub(in crate::ledger) account_id: Uuid,
    pub(in crate::ledger) participant: Uuid,
    pub(in crate::ledger) purpose: String,
    pub(in crate::ledger) currency: String,
    pub(in crate::ledger) cycle_id: Option<Uuid>,
    pub(in crate::ledger) net_debit_cap_fen: Option<i64>,
    pub(in crate::ledger) net_credit_cap_fen: Option<i64>,
    pub(in crate::ledger) debits_posted_fen: i64,
    pub(in crate::ledger) credits_posted_fen: i64,
    pub(in crate::ledger) debits_pending_fen: i64,
    pub(in crate::ledger) credits_pending_fen: i64,
    pub(in crate::ledger) moved_at: jiff_sqlx::Timestamp,
}

impl TryFrom<AccountRow> for Account {
    type Error = LedgerError;

    fn try_from(row: AccountRow) -> Result<Account, LedgerError> {
        Ok(Account {
            id: AccountId(row.account_id),
            participant: TenantId(row.participant),
            purpose: Purpose::parse(&row.purpose).map_err(|_| LedgerError::Corrupt)?,
            currency: Currency::parse(&row.currency).map_err(|_| LedgerError::Corrupt)?,
            cycle: row.cycle_id.map(CycleId),
            limits: Limits {
                net_debit_cap: row.net_debit_cap_fen.map(Fen),
                net_credit_cap: row.net_credit_cap_fen.map(Fen),
            },
            balance: Balance {
                debits_posted: Fen(row.debits_posted_fen),
                credits_posted: Fen(row.credits_posted_fen),
                debits_pending: Fen(row.debits_pending_fen),
                credits_pending: Fen(row.credits_pending_fen),
            },
            moved_at: row.moved_at.to_jiff(),
        })
    }
}

/// A row of `clearing.transfer`.
pub(in crate::ledger) struct RecordRow {
    pub(in crate::ledger) transfer_id: Uuid,
    pub(in crate::ledger) kind: String,
    pub(in crate::ledger) recorded_at: jiff_sqlx::Timestamp,
    pub(in crate::ledger) debit_account_id: Option<Uuid>,
    pub(in crate::ledger) credit_account_id: Option<Uuid>,
    pub(in crate::ledger) amount_fen: Option<i64>,
    pub(in crate::ledger) currency: Option<String>,
    pub(in crate::ledger) part: Option<bool>,
    pub(in crate::ledger) target_id: Option<Uuid>,
    pub(in crate::ledger) timeout_s: Option<i64>,
    pub(in crate::ledger) expires_at: Option<jiff_sqlx::Timestamp>,
    pub(in crate::ledger) reason: Option<String>,
    pub(in crate::ledger) reference: Option<String>,
    pub(in crate::ledger) chain_id: Option<Uuid>,
    pub(in crate::ledger) chain_index: Option<i32>,
    pub(in crate::ledger) chain_size: Option<i32>,
    /// Debits posted, credits posted, debits pending, credits pending of the debited account.
    pub(in crate::ledger) debit_after: Vec<Option<i64>>,
    /// The same of the credited account.
    pub(in crate::ledger) credit_after: Vec<Option<i64>>,
    pub(in crate::ledger) refusal: Option<String>,
    pub(in crate::ledger) body_digest: Option<Vec<u8>>,
}

impl RecordRow {
    fn failure(self) -> Option<Failure> {
        Some(Failure {
            id: TransferId(self.transfer_id),
            digest: self.body_digest?.try_into().ok()?,
            refusal: Refusal::parse(&self.refusal?).ok()?,
            recorded_at: self.recorded_at.to_jiff(),
        })
    }

    fn entry(self) -> Option<Entry> {
        let timeout = self.timeout_s.map(|seconds| Timeout::seconds(seconds.try_into().ok()?));
        let link = match (self.chain_id, self.chain_index, self.chain_size) {
            (None, None, None) => None,
            (chain, index, size) => Some(Link {
                chain: ChainId(chain?),
                index: index?.try_into().ok()?,
                size: size?.try_into().ok()?,
            }),
        };
        Some(Entry {
            id: TransferId(self.transfer_id),
            kind: Kind::parse(&self.kind)?,
            debit: AccountId(self.debit_account_id?),
            credit: AccountId(self.credit_account_id?),
            amount: Fen(self.amount_fen?),
            currency: Currency::parse(&self.currency?).ok()?,
            part: self.part?,
            target: self.target_id.map(TransferId),
            timeout: match timeout {
                None => None,
                Some(timeout) => Some(timeout?),
            },
            expires_at: self.expires_at.map(|at| at.to_jiff()),
            reason: Reason::parse(&self.reason?).ok()?,
            reference: Reference::parse(&self.reference?).ok()?,
            link,
            recorded_at: self.recorded_at.to_jiff(),
            debit_after: balance(&self.debit_after)?,
            credit_after: balance(&self.credit_after)?,
        })
    }
}

fn balance(counters: &[Option<i64>]) -> Option<Balance> {
    match counters {
        &[Some(debits), Some(credits), Some(debits_pending), Some(credits_pending)] => {
            Some(Balance {
                debits_posted: Fen(debits),
                credits_posted: Fen(credits),
                debits_pending: Fen(debits_pending),
                credits_pending: Fen(credits_pending),
            })
        }
        _ => None,
    }
}

impl TryFrom<RecordRow> for Record {
    type Error = LedgerError;

    fn try_from(row: RecordRow) -> Result<Record, LedgerError> {
        let record = if row.kind == "refused" {
            row.failure().map(Record::Failure)
        } else {
            row.entry().map(Record::Entry)
        };
        record.ok_or(LedgerError::Corrupt)
    }
}

//! The books as they are shown: to a participant its own accounts and their statements, to the
//! platform's operator the proof that everything balances.

use base_http::paging::{Page, Paged};
use base_http::{Call, Done, Problem, Reply};
use clearing_ledger::{Account, AccountId, Balance};
use http::StatusCode;
use jiff::Timestamp;
use kernel::Fen;
use pg::{Scope, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Clearing;
use crate::error::ClearingError;
use crate::ledger::{self, Cursor, Line, Proof, Side};

/// Where an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BalanceView {
    /// 借方发生额.
    pub debits_posted: Fen,
    /// 贷方发生额.
    pub credits_posted: Fen,
    /// Reserved on the debit side (冻结).
    pub debits_pending: Fen,
    /// Reserved on the credit side.
    pub credits_pending: Fen,
    /// Credits less debits, posted: negative when the participant owes it.
    pub net: Fen,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// Names it.
    #[schema(value_type = String, format = Uuid)]
    pub account_id: Uuid,
    /// What it is for, as a code.
    #[schema(example = "position")]
    pub purpose: &'static str,
    /// The same in Chinese.
    #[schema(example = "清算头寸")]
    pub purpose_name: &'static str,
    /// ISO 4217.
    #[schema(example = "CNY")]
    pub currency: String,
    /// The settlement cycle it belongs to; absent for an account that outlives cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub cycle_id: Option<Uuid>,
    /// Where it stands.
    pub balance: BalanceView,
    /// Most that debits, posted and reserved, may exceed posted credits (净借记限额).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub net_debit_cap: Option<Fen>,
    /// The same the other way round.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub net_credit_cap: Option<Fen>,
    /// When it last moved, else when it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub moved_at: Timestamp,
}

/// Own accounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountsView {
    /// By purpose, currency and cycle.
    pub accounts: Vec<AccountView>,
}

/// One transfer in the statement of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// Made by whoever moved the money.
    #[schema(value_type = String, format = Uuid)]
    pub transfer_id: Uuid,
    /// When it was done.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// `post`, `reserve`, `post_reserved`, `void`, `expire` or `correct`.
    pub kind: &'static str,
    /// On which side the account was: `debit` (借) or `credit` (贷).
    pub side: &'static str,
    /// Posted, reserved or released.
    pub amount: Fen,
    /// The kind of business.
    pub reason: String,
    /// The business: a settlement code, a payment order, a cycle.
    pub reference: String,
    /// The reservation it ended or the transfer it corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub target_id: Option<Uuid>,
    /// Where the account stood afterwards.
    pub balance: BalanceView,
}

/// What was added up in one currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SumsView {
    /// ISO 4217.
    pub currency: String,
    /// Fen, as text: it may exceed what an account can hold.
    pub debits_posted_fen: String,
    /// The same of the other side.
    pub credits_posted_fen: String,
    /// Reserved.
    pub debits_pending_fen: String,
    /// The same of the other side.
    pub credits_pending_fen: String,
}

/// What was found when every balance was worked out anew.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofView {
    /// Whether debits equal credits and every balance is the sum of its transfers.
    pub holds: bool,
    /// By currency.
    pub sums: Vec<SumsView>,
    /// Transfers that were done.
    pub entries: i64,
    /// Accounts whose counters are not the sums of their transfers.
    pub accounts_off: i64,
    /// Accounts whose counters are not what their last transfer left.
    pub balances_off: i64,
    /// Chains of which only some members were done.
    pub half_chains: i64,
    /// Reservations noted as open that have ended, or the other way round.
    pub reservations_off: i64,
    /// Remittances that are not what was booked, and payees whose account does not have what gathered
    /// less what was paid on.
    pub remittances_off: i64,
}

impl TryFrom<Balance> for BalanceView {
    type Error = ClearingError;

    fn try_from(balance: Balance) -> Result<BalanceView, ClearingError> {
        let net = i64::try_from(balance.net_credit());
        Ok(BalanceView {
            debits_posted: balance.debits_posted,
            credits_posted: balance.credits_posted,
            debits_pending: balance.debits_pending,
            credits_pending: balance.credits_pending,
            net: Fen(net.map_err(|_| ClearingError::Corrupt("balance"))?),
        })
    }
}

impl TryFrom<Account> for AccountView {
    type Error = ClearingError;

    fn try_from(account: Account) -> Result<AccountView, ClearingError> {
        Ok(AccountView {
            account_id: account.id.0,
            purpose: account.purpose.code(),
            purpose_name: account.purpose.name_zh(),
            currency: account.currency.to_string(),
            cycle_id: account.cycle.map(|cycle| cycle.0),
            balance: account.balance.try_into()?,
            net_debit_cap: account.limits.net_debit_cap,
            net_credit_cap: account.limits.net_credit_cap,
            moved_at: account.moved_at,
        })
    }
}

impl TryFrom<Line> for EntryView {
    type Error = ClearingError;

    fn try_from(Line { entry, side, after }: Line) -> Result<EntryView, ClearingError> {
        Ok(EntryView {
            transfer_id: entry.id.0,
            recorded_at: entry.recorded_at,
            kind: entry.kind.code(),
            side: match side {
                Side::Debit => "debit",
                Side::Credit => "credit",
            },
            amount: entry.amount,
            reason: entry.reason.to_string(),
            reference: entry.reference.to_string(),
            target_id: entry.target.map(|target| target.0),
            balance: after.try_into()?,
        })
    }
}

impl From<Proof> for ProofView {
    fn from(proof: Proof) -> ProofView {
        let holds = proof.holds();
        let sums = proof.sums.into_iter().map(|sums| SumsView {
            currency: sums.currency,
            debits_posted_fen: sums.debits_posted.to_string(),
            credits_posted_fen: sums.credits_posted.to_string(),
            debits_pending_fen: sums.debits_pending.to_string(),
            credits_pending_fen: sums.credits_pending.to_string(),
        });
        ProofView {
            holds,
            sums: sums.collect(),
            entries: proof.entries,
            accounts_off: proof.accounts_off,
            balances_off: proof.balances_off,
            half_chains: proof.half_chains,
            reservations_off: proof.reservations_off,
            remittances_off: proof.remittances_off,
        }
    }
}

impl Clearing {
    /// The caller's accounts.
    pub async fn list_accounts(&self, call: Call) -> Result<Reply, Problem> {
        let mut tx = self.open(&call).await?;
        let accounts =
            ledger::accounts_of(&mut tx, call.caller.tenant).await.map_err(ClearingError::from)?;
        drop(tx);
        let accounts = accounts.into_iter().map(AccountView::try_from).collect::<Result<_, _>>()?;
        self.answer(call, &AccountsView { accounts }, "ledger").await
    }

    /// One account of the caller.
    pub async fn read_account(&self, call: Call, account: &str) -> Result<Reply, Problem> {
        let mut tx = self.open(&call).await?;
        let account = own(&mut tx, &call, account).await?;
        drop(tx);
        let subject = account.id.to_string();
        self.answer(call, &AccountView::try_from(account)?, &subject).await
    }

    /// A page of the statement of an account of the caller.
    pub async fn read_statement(
        &self,
        call: Call,
        account: &str,
        page: Page,
    ) -> Result<Reply, Problem> {
        let limit = u16::try_from(page.limit()?).unwrap_or(base_http::paging::MOST);
        let after: Option<Cursor> = page.place()?;
        let mut tx = self.open(&call).await?;
        let account = own(&mut tx, &call, account).await?;
        let statement = ledger::statement(&mut tx, account.id, after, limit)
            .await
            .map_err(ClearingError::from)?;
        drop(tx);
        let items = statement.lines.into_iter().map(EntryView::try_from);
        let view = Paged {
            items: items.collect::<Result<_, _>>()?,
            next: statement.next.map(|next| next.to_string()),
        };
        self.answer(call, &view, &account.id.to_string()).await
    }

    /// The proof that all books balance.
    pub async fn prove(&self, call: Call) -> Result<Reply, Problem> {
        let proof = self.ledger.prove().await.map_err(ClearingError::from)?;
        self.answer(call, &ProofView::from(proof), "ledger").await
    }

    /// A transaction for the caller's own rows.
    pub(crate) async fn open(&self, call: &Call) -> Result<Tx, ClearingError> {
        Ok(self.spine.db().begin(Scope::of(call.caller.tenant)).await?)
    }

    /// Records a read whose answer is ready, and answers it.
    pub(crate) async fn answer(
        &self,
        call: Call,
        view: &impl Serialize,
        subject: &str,
    ) -> Result<Reply, Problem> {
        self.reply(call, Done::json(StatusCode::OK, view, 0, subject)).await
    }

    /// The same, of an answer that says what it is about and what it shows.
    pub(crate) async fn reply(&self, call: Call, done: Done) -> Result<Reply, Problem> {
        self.spine.answer(call, done).await
    }
}

/// An account that is the caller's.
async fn own(tx: &mut Tx, call: &Call, account: &str) -> Result<Account, ClearingError> {
    let unknown = || ClearingError::not_found("account", account);
    let id = AccountId(account.parse().map_err(|_| unknown())?);
    let found = ledger::account(tx, id).await?;
    found.filter(|found| found.participant == call.caller.tenant).ok_or_else(unknown)
}

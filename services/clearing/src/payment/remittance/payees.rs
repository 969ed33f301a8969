//! Who is paid what gathers: registered by the operator, with the bank account and how often.

use std::sync::Arc;

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, TenantId, time};
use pg::{Command, Scope, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::store::{self, KnownPayee, Registered};
use super::{Payee, due_on};
use crate::error::ClearingError;
use crate::payment::order::ShareOf;
use crate::payment::payee::{BankAccount, BankAccountBody, SealedAccount};
use crate::payment::store as orders;
use crate::settlement::{Period, account_of};
use crate::{Clearing, HOUSE, ledger};

/// What is registered of a payee.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PayeeRequest)]
pub struct PayeeBody {
    /// Its name; 1 to 140 characters.
    #[schema(example = "某某市税务局")]
    pub name: String,
    /// How often it is paid: `day`, `week`, `month` or `by_hand`.
    #[schema(example = "month")]
    pub period: String,
    /// Where to.
    pub account: BankAccountBody,
}

/// Whom shares of premiums are for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payee)]
pub struct PayeeView {
    /// `tax`, `fund` or `commission`.
    pub share_of: &'static str,
    /// The same in Chinese.
    pub share_name: &'static str,
    /// A region for tax and fund, a licence for commissions.
    pub code: String,
    /// Its name; absent while it is not registered, and nothing is paid on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How often it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<&'static str>,
    /// Where to, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "102301000028 ****1234")]
    pub account: Option<String>,
    /// The day from which the next remittance is made by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub due_on: Option<Date>,
    /// The last day that was remitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub through: Option<Date>,
    /// What its account has; negative when more went back than was there.
    pub gathered: Fen,
    /// What of it is reserved: for refunds and remittances under way.
    pub reserved: Fen,
}

impl PayeeView {
    async fn of(tx: &mut Tx, known: KnownPayee) -> Result<PayeeView, ClearingError> {
        let KnownPayee { payee, registered, due_on } = known;
        let purpose = crate::payment::purpose_of(payee.share());
        let account = ledger::account(tx, account_of(payee.owner(), purpose, None)).await?;
        let balance = account.map(|account| account.balance).unwrap_or_default();
        let gathered = i64::try_from(balance.net_credit());
        let bank = orders::registered_account(tx, payee.owner()).await?;
        Ok(PayeeView {
            share_of: payee.share().code(),
            share_name: payee.share().name_zh(),
            code: payee.code().to_owned(),
            period: registered.as_ref().map(|one| one.period.code()),
            name: registered.map(|one| one.name),
            account: bank.map(|bank| bank.masked),
            due_on,
            through: store::latest(tx, &payee).await?.map(|last| last.through),
            gathered: Fen(gathered.map_err(|_| ClearingError::Corrupt("balance"))?),
            reserved: balance.debits_pending,
        })
    }
}

/// Reads whom a path or a message names.
pub(super) fn payee_named(share_of: &str, code: &str) -> Result<Payee, ClearingError> {
    let of = ShareOf::parse(share_of).ok();
    let payee = of.and_then(|of| Payee::of(of, code));
    payee.ok_or_else(|| ClearingError::not_found("payee", format!("{share_of}/{code}")))
}

impl Clearing {
    /// Registers a payee, or changes what is registered of it.
    pub async fn set_payee(
        &self,
        call: Call,
        (share_of, code): (&str, &str),
        body: PayeeBody,
    ) -> Result<Reply, Problem> {
        let payee = payee_named(share_of, code)?;
        let mut found = Vec::new();
        let name = body.name.trim().to_owned();
        if !(1..=140).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            found.push(FieldError::at("/name", "a name has 1 to 140 characters"));
        }
        let period = Period::parse(&body.period).map_err(|error| {
            found.push(FieldError::at("/period", error.to_string()));
        });
        let account = BankAccount::read(&body.account, "/account");
        let (period, account) = match (period, account) {
            (Ok(period), Ok(account)) if found.is_empty() => (period, account),
            (_, account) => {
                found.extend(account.err().unwrap_or_default());
                return Err(Problem::invalid(found));
            }
        };
        let keeper = call.caller.tenant;
        let command = SetPayee {
            payee,
            registered: Registered { name, period, keeper },
            account: account.seal(&self.keys, keeper).await?,
            by: call.caller.client.clone(),
            now: call.received_at,
        };
        let subject = format!("{share_of}/{code}");
        let run = self
            .spine
            .run(call, &command, |view| Done::json(StatusCode::OK, &view, 0, subject.as_str()));
        run.await
    }

    /// Everybody shares are for, registered or not, by share and code.
    pub async fn list_payees(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let limit = page.limit()?;
        let after = page.after.as_deref().map(|text| {
            let named = text.split_once('_').map(|(of, code)| payee_named(of, code));
            named.and_then(Result::ok).ok_or_else(|| bad("after", "not a place in this list"))
        });
        let after = after.transpose()?;
        let house = self.spine.db().begin(Scope::of(HOUSE)).await;
        let mut tx = house.map_err(ClearingError::from)?;
        let mut payees = store::payees(&mut tx, after.as_ref(), limit + 1).await?;
        let next = cut(&mut payees, limit, |last| {
            format!("{}_{}", last.payee.share().code(), last.payee.code())
        });
        let mut items = Vec::with_capacity(payees.len());
        for known in payees {
            items.push(PayeeView::of(&mut tx, known).await?);
        }
        drop(tx);
        self.answer(call, &Paged { items, next }, "payees").await
    }
}

struct SetPayee {
    payee: Payee,
    registered: Registered,
    account: SealedAccount,
    by: Arc<str>,
    now: Timestamp,
}

impl Command for SetPayee {
    const NAME: &'static str = "payment.set_payee";
    type Out = PayeeView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<PayeeView, ClearingError> {
        let owner: TenantId = self.payee.owner();
        tx.work_also_for([HOUSE, owner]).await?;
        store::note(tx, std::slice::from_ref(&self.payee)).await?;
        store::lock_payee(tx, &self.payee).await?;
        let due_on = due_on(self.registered.period, time::day_of(self.now));
        store::register(tx, &self.payee, &self.registered, due_on).await?;
        orders::insert_registered_account(tx, owner, &self.account, &self.by, self.now).await?;
        let known = store::lock_payee(tx, &self.payee).await?;
        PayeeView::of(tx, known.ok_or(ClearingError::Corrupt("payee"))?).await
    }
}

//! Advances for the injured (垫付): paid before anybody knows who pays in the end, recovered later.
//!
//! Three bear them meanwhile. The platform pays out of the house's account of advances, which may be
//! overdrawn: what it stands at is what is still to be recovered. The rescue fund pays out of its own
//! funds, never more than it has, and recovers itself, from the insurer or from the person who turned
//! out liable. A self-service advance is booked against the liable insurer at once (`self_service`):
//! it is that insurer's account of advances that is overdrawn. Never more is recovered than was paid.

mod read;
mod self_service;
mod store;

use base_http::{Call, Done, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Tx};
use production_core::coded_enum;
use serde::Deserialize;
use tenancy::InsurerCode;
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::{Direction, OrderId, OrderPurpose, Share, ShareOf};
use super::payee::{BankAccount, BankAccountBody, SealedAccount};
use super::view::{OrderView, amount, order_id};
use super::{Counterparty, OrderDraft, order, store as orders};
use crate::error::{ClearingError, WRONG_ORDER};
use crate::{Clearing, HOUSE};

pub use read::AdvanceView;
pub use self_service::SelfServiceBody;

coded_enum! {
    /// Who bears an advance until it is recovered.
    pub enum Origin ("origin of an advance") {
        Platform = "platform", "平台垫付", "the platform";
        Fund = "fund", "救助基金垫付", "the rescue fund, out of its own funds";
        SelfService = "self_service", "自助垫付", "the liable insurer, from the beginning";
    }
}

/// An advance.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdvanceRequest)]
pub struct AdvanceBody {
    /// More than nothing.
    #[schema(example = "18000.00")]
    pub amount: String,
    /// What stands on the statement.
    #[schema(example = "RESCUE 2026-0007")]
    pub reference: String,
    /// The hospital or person.
    pub payee: BankAccountBody,
}

/// The recovery of an advance, from an insurer or from a person.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdvanceRecoveryRequest)]
pub struct RecoveryBody {
    /// Four-letter code of the insurer that is liable; its registered account pays. Empty where a
    /// person is.
    #[serde(default)]
    #[schema(example = "PAIC")]
    pub insurer: String,
    /// The account of the person who is liable.
    #[serde(default)]
    pub debtor: Option<BankAccountBody>,
    /// All that is left of the advance when absent.
    pub amount: Option<String>,
}

/// Whose advances somebody may recover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Those one paid.
    Own,
    /// All, as the operator.
    All,
}

impl Clearing {
    /// Pays an advance out of the house's account, as the operator; its order's id names it from then
    /// on.
    pub async fn pay_advance(
        &self,
        call: Call,
        advance: &str,
        body: AdvanceBody,
    ) -> Result<Reply, Problem> {
        self.place_advance(call, advance, body, Origin::Platform).await
    }

    /// Pays an advance out of the caller's own funds, as the rescue fund.
    pub async fn pay_fund_advance(
        &self,
        call: Call,
        advance: &str,
        body: AdvanceBody,
    ) -> Result<Reply, Problem> {
        self.place_advance(call, advance, body, Origin::Fund).await
    }

    async fn place_advance(
        &self,
        call: Call,
        advance: &str,
        body: AdvanceBody,
        origin: Origin,
    ) -> Result<Reply, Problem> {
        let id = order_id(advance)?;
        let mut found = Vec::new();
        let sum = amount(&body.amount, "/amount", &mut found);
        let payee = BankAccount::read(&body.payee, "/payee").map_err(|findings| {
            Problem::invalid(found.iter().cloned().chain(findings).collect())
        })?;
        if !found.is_empty() {
            return Err(Problem::invalid(found));
        }
        let payer = call.caller.tenant;
        let share = match origin {
            Origin::Fund => Share { owner: payer, of: ShareOf::Settlement, amount: sum },
            Origin::Platform | Origin::SelfService => {
                Share { owner: HOUSE, of: ShareOf::Advance, amount: sum }
            }
        };
        let payee = payee.seal(&self.keys, payer).await?;
        let draft = pay_out(id, payer, payee, share, body.reference);
        let (now, ids) = (call.received_at, self.spine.ids());
        let command = Pay { draft, origin, now, ids };
        self.spine
            .run(call, &command, |view| Done::json(StatusCode::ACCEPTED, &view, 0, advance))
            .await
    }

    /// Collects any advance from who turned out liable, all or part of what is left, as the operator.
    pub async fn recover_advance(
        &self,
        call: Call,
        advance: &str,
        recovery: &str,
        body: RecoveryBody,
    ) -> Result<Reply, Problem> {
        self.recover(call, (advance, recovery), body, Reach::All).await
    }

    /// The same of an advance the caller paid out of its own funds.
    pub async fn recover_fund_advance(
        &self,
        call: Call,
        advance: &str,
        recovery: &str,
        body: RecoveryBody,
    ) -> Result<Reply, Problem> {
        self.recover(call, (advance, recovery), body, Reach::Own).await
    }

    async fn recover(
        &self,
        call: Call,
        (advance, recovery): (&str, &str),
        body: RecoveryBody,
        reach: Reach,
    ) -> Result<Reply, Problem> {
        let (advance, id) = (order_id(advance)?, order_id(recovery)?);
        let caller = call.caller.tenant;
        let mut found = Vec::new();
        let sum = body.amount.as_deref().map(|text| amount(text, "/amount", &mut found));
        let named = !body.insurer.is_empty();
        let code = named.then(|| InsurerCode::parse(&body.insurer));
        if matches!(code, Some(Err(_))) {
            found.push(FieldError::at("/insurer", "an insurer is named by four letters"));
        }
        if named == body.debtor.is_some() {
            found.push(FieldError::at("/insurer", "name an insurer or a debtor, one of them"));
        }
        let debtor = body.debtor.as_ref().map(|debtor| BankAccount::read(debtor, "/debtor"));
        let debtor = debtor.transpose().unwrap_or_else(|findings| {
            found.extend(findings);
            None
        });
        if !found.is_empty() {
            return Err(Problem::invalid(found));
        }
        let from = match (code, debtor) {
            (Some(Ok(code)), _) => Liable::Insurer(self.insurer(&code).await?),
            (_, Some(debtor)) => Liable::Person(debtor.seal(&self.keys, caller).await?),
            _ => return Err(Problem::invalid(vec![FieldError::at("/insurer", "name one")])),
        };
        let (now, ids) = (call.received_at, self.spine.ids());
        let command = Recover { advance, id, from, sum, caller, reach, now, ids };
        let run = self
            .spine
            .run(call, &command, |view| Done::json(StatusCode::ACCEPTED, &view, 0, recovery));
        run.await
    }
}

/// The pay-out of an advance that one account bears.
fn pay_out(
    id: OrderId,
    payer: TenantId,
    payee: SealedAccount,
    share: Share,
    reference: String,
) -> OrderDraft {
    OrderDraft {
        order_id: id,
        direction: Direction::PayOut,
        purpose: OrderPurpose::Advance { advance_id: id.0, shares: vec![share] },
        participant: payer,
        counterparty: Counterparty::Given(payee),
        amount: share.amount,
        reference,
    }
}

/// Orders a draft and shows the order.
async fn placed(
    tx: &mut Tx,
    draft: &OrderDraft,
    now: Timestamp,
    ids: &Ids,
) -> Result<OrderView, ClearingError> {
    let id = order(tx, draft, now, ids).await?;
    let placed = orders::find(tx, id).await?;
    let placed = placed.ok_or(ClearingError::Corrupt("payment order"))?;
    OrderView::whole(tx, placed, now).await
}

struct Pay<'a> {
    draft: OrderDraft,
    origin: Origin,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Pay<'_> {
    const NAME: &'static str = "payment.advance";
    type Out = OrderView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<OrderView, ClearingError> {
        let view = placed(tx, &self.draft, self.now, self.ids).await?;
        let row = store::AdvanceRow {
            advance: self.draft.order_id,
            origin: self.origin,
            payer: self.draft.participant,
            booked: None,
            advanced_at: self.now,
        };
        store::insert(tx, &row).await?;
        Ok(view)
    }
}

/// Who is liable.
enum Liable {
    /// Its registered account pays.
    Insurer(TenantId),
    /// A person, by an account.
    Person(SealedAccount),
}

struct Recover<'a> {
    advance: OrderId,
    id: OrderId,
    from: Liable,
    sum: Option<Fen>,
    caller: TenantId,
    reach: Reach,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Recover<'_> {
    const NAME: &'static str = "payment.recover_advance";
    type Out = OrderView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<OrderView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let unknown = || ClearingError::not_found("advance", self.advance);
        let row = store::find(tx, self.advance).await?.ok_or_else(unknown)?;
        if self.reach == Reach::Own && (row.payer != self.caller || row.origin != Origin::Fund) {
            return Err(unknown());
        }
        let paid = orders::lock(tx, self.advance).await?.ok_or_else(unknown)?;
        let shares = orders::shares(tx, self.advance).await?;
        let [(borne, _)] = shares.as_slice() else {
            return Err(ClearingError::Corrupt("shares of an advance"));
        };
        // Only what has left is owed, and what is being collected is not collected again.
        let left = paid.stage.settled(paid.amount).0
            - paid.stage.returned().0
            - orders::recovered(tx, self.advance, self.id).await?.0;
        // Repeated, it is what it was.
        let before = orders::find(tx, self.id).await?.map(|known| known.amount);
        let sum = self.sum.or(before).unwrap_or(Fen(left));
        if sum <= Fen::ZERO || left < sum.0 {
            let detail = format!("{} yuan of the advance are left to recover", Fen(left).yuan());
            return Err(ClearingError::refused(&WRONG_ORDER, detail));
        }
        let (participant, counterparty) = match &self.from {
            Liable::Insurer(liable) => (*liable, Counterparty::Registered),
            Liable::Person(account) => (self.caller, Counterparty::Given(account.clone())),
        };
        if let Some(booked) = row.booked.filter(|booked| booked.tenant != participant) {
            let detail = format!("the advance is booked against {}: it pays", booked.insurer);
            return Err(ClearingError::refused(&WRONG_ORDER, detail));
        }
        let advance_id: Uuid = self.advance.0;
        let shares = vec![Share { amount: sum, ..*borne }];
        let draft = OrderDraft {
            order_id: self.id,
            direction: Direction::Collect,
            purpose: OrderPurpose::Advance { advance_id, shares },
            participant,
            counterparty,
            amount: sum,
            reference: paid.reference,
        };
        placed(tx, &draft, self.now, self.ids).await
    }
}

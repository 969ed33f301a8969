//! Advances for the injured (垫付): paid before anybody knows who pays in the end, recovered later.
//!
//! The platform or the rescue fund pays a hospital or a person at once out of the account of
//! advances, which may be overdrawn: what it stands at is what is still to be recovered. Later it is
//! collected from the insurer that turned out liable, never more than was paid.

use base_http::{Call, Done, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Scope, Tx};
use serde::Deserialize;
use tenancy::InsurerCode;
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::{Direction, OrderId, OrderPurpose, Share, ShareOf};
use super::payee::{BankAccount, BankAccountBody};
use super::view::{OrderView, amount, order_id};
use super::{Counterparty, OrderDraft, order, store};
use crate::error::{ClearingError, WRONG_ORDER};
use crate::{Clearing, HOUSE};

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

/// The recovery of an advance.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdvanceRecoveryRequest)]
pub struct RecoveryBody {
    /// Four-letter code of the insurer that is liable; its registered account pays.
    #[schema(example = "PAIC")]
    pub insurer: String,
    /// All that is left of the advance when absent.
    pub amount: Option<String>,
}

impl Clearing {
    /// Pays an advance; its order's id names it from then on.
    pub async fn pay_advance(
        &self,
        call: Call,
        advance: &str,
        body: AdvanceBody,
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
        let participant = call.caller.tenant;
        let draft = OrderDraft {
            order_id: id,
            direction: Direction::PayOut,
            purpose: OrderPurpose::Advance { advance_id: id.0, shares: borne_by_house(sum) },
            participant,
            counterparty: Counterparty::Given(payee.seal(&self.keys, participant).await?),
            amount: sum,
            reference: body.reference,
        };
        self.place(call, draft).await
    }

    /// Collects an advance from the insurer that turned out liable, all or part of what is left.
    pub async fn recover_advance(
        &self,
        call: Call,
        advance: &str,
        recovery: &str,
        body: RecoveryBody,
    ) -> Result<Reply, Problem> {
        let (advance, id) = (order_id(advance)?, order_id(recovery)?);
        let mut found = Vec::new();
        let sum = body.amount.as_deref().map(|text| amount(text, "/amount", &mut found));
        let code = InsurerCode::parse(&body.insurer);
        if code.is_err() {
            found.push(FieldError::at("/insurer", "an insurer is named by four letters"));
        }
        let Some(code) = code.ok().filter(|_| found.is_empty()) else {
            return Err(Problem::invalid(found));
        };
        let mut tx = self.spine.db().begin(Scope::nobody()).await.map_err(ClearingError::from)?;
        let insurer = tenancy::find_by_insurer_code(&mut tx, &code).await;
        drop(tx);
        let insurer = insurer.map_err(ClearingError::from)?;
        let unknown = || ClearingError::not_found("insurer", &code);
        let liable = insurer.ok_or_else(unknown)?.tenant_id;
        let (now, ids) = (call.received_at, self.spine.ids());
        let command = Recover { advance, id, liable, sum, now, ids };
        let run = self
            .spine
            .run(call, &command, |view| Done::json(StatusCode::ACCEPTED, &view, 0, recovery));
        run.await
    }
}

fn borne_by_house(amount: Fen) -> Vec<Share> {
    vec![Share { owner: HOUSE, of: ShareOf::Advance, amount }]
}

struct Recover<'a> {
    advance: OrderId,
    id: OrderId,
    liable: TenantId,
    sum: Option<Fen>,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Recover<'_> {
    const NAME: &'static str = "payment.recover_advance";
    type Out = OrderView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<OrderView, ClearingError> {
        tx.work_also_for([HOUSE, self.liable]).await?;
        let unknown = || ClearingError::not_found("advance", self.advance);
        let paid = store::lock(tx, self.advance).await?;
        let paid = paid.filter(|paid| paid.purpose == "advance" && is_out(paid.direction));
        let paid = paid.ok_or_else(unknown)?;
        // Only what has left is owed, and what is being collected is not collected again.
        let left = paid.stage.settled(paid.amount).0
            - paid.stage.returned().0
            - store::recovered(tx, self.advance, self.id).await?.0;
        // Repeated, it is what it was.
        let before = store::find(tx, self.id).await?.map(|known| known.amount);
        let sum = self.sum.or(before).unwrap_or(Fen(left));
        if sum <= Fen::ZERO || left < sum.0 {
            let detail = format!("{} yuan of the advance are left to recover", Fen(left).yuan());
            return Err(ClearingError::refused(&WRONG_ORDER, detail));
        }
        let advance_id: Uuid = self.advance.0;
        let draft = OrderDraft {
            order_id: self.id,
            direction: Direction::Collect,
            purpose: OrderPurpose::Advance { advance_id, shares: borne_by_house(sum) },
            participant: self.liable,
            counterparty: Counterparty::Registered,
            amount: sum,
            reference: paid.reference,
        };
        let id = order(tx, &draft, self.now, self.ids).await?;
        let placed = store::find(tx, id).await?;
        let placed = placed.ok_or(ClearingError::Corrupt("payment order"))?;
        OrderView::whole(tx, placed, self.now).await
    }
}

fn is_out(direction: Direction) -> bool {
    direction == Direction::PayOut
}

//! Advances as those see them who paid them or against whom they are booked.

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Problem, Reply};
use jiff::Timestamp;
use kernel::Fen;
use pg::{Scope, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, AdvanceRow};
use crate::error::ClearingError;
use crate::payment::order::OrderId;
use crate::payment::store as orders;
use crate::payment::view::order_id;
use crate::{Clearing, HOUSE};

/// An advance, and what became of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Advance)]
pub struct AdvanceView {
    /// Names it, and its pay-out.
    #[schema(value_type = String, format = Uuid)]
    pub advance_id: Uuid,
    /// `platform`, `fund` or `self_service`.
    pub origin: &'static str,
    /// The same in Chinese.
    pub origin_name: &'static str,
    /// How much was ordered.
    pub amount: Fen,
    /// Where its pay-out stands, as of an order.
    pub stage: &'static str,
    /// What left and did not come back.
    pub paid: Fen,
    /// What is recovered, or being collected.
    pub recovered: Fen,
    /// What is left to recover.
    pub left: Fen,
    /// The insurer a self-service advance is booked against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liable_insurer: Option<String>,
    /// Its policy, by the confirm code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liable_confirm_code: Option<String>,
    /// When the accident happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub accident_at: Option<Timestamp>,
    /// The police's notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_no: Option<String>,
    /// When it was ordered.
    #[schema(value_type = String, format = DateTime)]
    pub advanced_at: Timestamp,
}

impl Clearing {
    /// One advance of the caller, or booked against it.
    pub async fn read_advance(&self, call: Call, advance: &str) -> Result<Reply, Problem> {
        let id = order_id(advance)?;
        let own = call.caller.tenant;
        let mut tx = self.advances().await?;
        let row = store::find(&mut tx, id).await?;
        let mine = |row: &AdvanceRow| {
            row.payer == own || row.booked.as_ref().is_some_and(|booked| booked.tenant == own)
        };
        let unknown = || ClearingError::not_found("advance", advance);
        let row = row.filter(mine).ok_or_else(unknown)?;
        let view = view(&mut tx, row).await?;
        drop(tx);
        self.answer(call, &view, advance).await
    }

    /// Advances of the caller and those booked against it, latest first.
    pub async fn list_advances(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let limit = page.limit()?;
        let after = page.after.as_deref().map(cursor).transpose()?;
        let mut tx = self.advances().await?;
        let mut rows = store::list(&mut tx, call.caller.tenant, after, limit + 1).await?;
        let next = cut(&mut rows, limit, |last| format!("{}_{}", last.advanced_at, last.advance));
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(view(&mut tx, row).await?);
        }
        drop(tx);
        self.answer(call, &Paged { items, next }, "advances").await
    }

    /// Recoveries are orders of who pays them: only the house sees all of them.
    async fn advances(&self) -> Result<Tx, ClearingError> {
        Ok(self.spine.db().begin(Scope::of(HOUSE)).await?)
    }
}

async fn view(tx: &mut Tx, row: AdvanceRow) -> Result<AdvanceView, ClearingError> {
    let order = orders::find(tx, row.advance).await?;
    let order = order.ok_or(ClearingError::Corrupt("advance"))?;
    let paid = Fen(order.stage.settled(order.amount).0 - order.stage.returned().0);
    // No recovery has the id of its advance.
    let recovered = orders::recovered(tx, row.advance, row.advance).await?;
    let booked = row.booked;
    Ok(AdvanceView {
        advance_id: row.advance.0,
        origin: row.origin.code(),
        origin_name: row.origin.name_zh(),
        amount: order.amount,
        stage: order.stage.code(),
        paid,
        recovered,
        left: Fen(paid.0.saturating_sub(recovered.0)),
        liable_insurer: booked.as_ref().map(|booked| booked.insurer.clone()),
        liable_confirm_code: booked.as_ref().map(|booked| booked.policy.to_string()),
        accident_at: booked.as_ref().map(|booked| booked.accident_at),
        notice_no: booked.map(|booked| booked.notice_no),
        advanced_at: row.advanced_at,
    })
}

fn cursor(text: &str) -> Result<(Timestamp, OrderId), Problem> {
    let read = text.split_once('_').and_then(|(at, id)| {
        Some((at.parse::<Timestamp>().ok()?, OrderId(id.parse::<Uuid>().ok()?)))
    });
    read.ok_or_else(|| bad("after", "is no cursor of this list"))
}

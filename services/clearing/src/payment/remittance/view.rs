//! Remittances as the operator sees them, down to each source payment.

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Problem, Reply};
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;
use pg::{Scope, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::run::tried;
use super::store::{self, Remittance, Source};
use crate::error::ClearingError;
use crate::payment::store::Order;
use crate::payment::view::OrderView;
use crate::{Clearing, HOUSE};

/// A remittance: `opening + lines = amount + carried`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Remittance)]
pub struct RemittanceView {
    /// Names it.
    #[schema(value_type = String, format = Uuid)]
    pub remittance_id: Uuid,
    /// `tax`, `fund` or `commission`.
    pub share_of: &'static str,
    /// The same in Chinese.
    pub share_name: &'static str,
    /// A region for tax and fund, a licence for commissions.
    pub payee: String,
    /// Its name.
    pub payee_name: String,
    /// The last day it holds.
    #[schema(value_type = String, format = Date)]
    pub through: Date,
    /// What was carried on from before, with what came back of earlier remittances.
    pub opening: Fen,
    /// What its source payments come to, refunds taken off.
    pub lines: Fen,
    /// What is paid out.
    pub amount: Fen,
    /// What is carried on to the next: held for refunds under way, or negative.
    pub carried: Fen,
    /// What of it the bank paid and did not bring back.
    pub paid: Fen,
    /// Stage of the last order that pays it; absent when there is nothing to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<&'static str>,
    /// Client of whoever made it; `commonwheel` for the clock.
    pub run_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub run_at: Timestamp,
    /// The orders that pay it, in the order in which they were tried.
    pub orders: Vec<OrderView>,
}

/// A source payment of a remittance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RemittanceSource)]
pub struct SourceView {
    /// The payment order.
    #[schema(value_type = String, format = Uuid)]
    pub order_id: Uuid,
    /// `premium` or `refund`.
    pub purpose: String,
    /// The quote, or the order that went back.
    pub about: String,
    /// What it booked; negative for what went back.
    pub amount: Fen,
}

impl RemittanceView {
    /// With the orders that pay it.
    pub(super) async fn whole(
        tx: &mut Tx,
        remittance: Remittance,
        now: Timestamp,
    ) -> Result<RemittanceView, ClearingError> {
        let tried = tried(tx, remittance.id).await?;
        let paid = Fen::sum(tried.iter().map(Order::net));
        let paid = paid.ok_or(ClearingError::Corrupt("payment order"))?;
        Ok(RemittanceView {
            remittance_id: remittance.id,
            share_of: remittance.payee.share().code(),
            share_name: remittance.payee.share().name_zh(),
            payee: remittance.payee.code().to_owned(),
            payee_name: remittance.payee_name,
            through: remittance.through,
            opening: remittance.remitted.opening,
            lines: remittance.lines,
            amount: remittance.remitted.amount,
            carried: remittance.remitted.carried,
            paid,
            stage: tried.last().map(|order| order.stage.code()),
            run_by: remittance.run_by,
            run_at: remittance.run_at,
            orders: tried.into_iter().map(|order| OrderView::of(order, now)).collect(),
        })
    }
}

impl From<Source> for SourceView {
    fn from(source: Source) -> SourceView {
        let Source { order, purpose, about, amount } = source;
        SourceView { order_id: order.0, purpose, about, amount }
    }
}

/// Reads a remittance's id.
pub(super) fn remittance_id(text: &str) -> Result<Uuid, ClearingError> {
    text.parse().map_err(|_| ClearingError::not_found("remittance", text))
}

impl Clearing {
    /// A remittance.
    pub async fn read_remittance(&self, call: Call, remittance: &str) -> Result<Reply, Problem> {
        let id = remittance_id(remittance)?;
        let mut tx = self.house().await?;
        let found = store::find(&mut tx, id).await?;
        let found = found.ok_or_else(|| ClearingError::not_found("remittance", remittance))?;
        let view = RemittanceView::whole(&mut tx, found, call.received_at).await?;
        drop(tx);
        self.answer(call, &view, remittance).await
    }

    /// All remittances, the last made first.
    pub async fn list_remittances(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let limit = page.limit()?;
        let before = page.after.as_deref().map(str::parse::<Uuid>).transpose();
        let before = before.map_err(|_| bad("after", "not a place in this list"))?;
        let mut tx = self.house().await?;
        let mut found = store::list(&mut tx, before, limit + 1).await?;
        let next = cut(&mut found, limit, |last| last.id.to_string());
        let mut items = Vec::with_capacity(found.len());
        for remittance in found {
            items.push(RemittanceView::whole(&mut tx, remittance, call.received_at).await?);
        }
        drop(tx);
        self.answer(call, &Paged { items, next }, "remittances").await
    }

    /// The source payments of a remittance, by their ids.
    pub async fn list_sources(
        &self,
        call: Call,
        remittance: &str,
        page: Page,
    ) -> Result<Reply, Problem> {
        let (id, limit) = (remittance_id(remittance)?, page.limit()?);
        let after = page.after.as_deref().map(str::parse::<Uuid>).transpose();
        let after = after.map_err(|_| bad("after", "not a place in this list"))?;
        let mut tx = self.house().await?;
        if store::find(&mut tx, id).await?.is_none() {
            return Err(ClearingError::not_found("remittance", remittance).into());
        }
        let mut found = store::sources(&mut tx, id, after, limit + 1).await?;
        drop(tx);
        let next = cut(&mut found, limit, |last| last.order.to_string());
        let items: Vec<SourceView> = found.into_iter().map(SourceView::from).collect();
        self.answer(call, &Paged { items, next }, remittance).await
    }

    async fn house(&self) -> Result<Tx, ClearingError> {
        Ok(self.spine.db().begin(Scope::of(HOUSE)).await?)
    }
}

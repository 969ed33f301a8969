//! Disputes read back, by either side.

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use production_core::number::NumberKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Production;
use crate::claim::dispute::{DisputeLine, Statement, of_any_insurer};
use crate::lookup::{Shown, ask};
use crate::sealed;
use crate::store::claim_dispute::{self as store, DisputeFilter, Role};

/// What a list may be narrowed to.
const STATES: [&str; 5] = ["open", "overdue", "upheld", "rejected", "withdrawn"];

/// How one dispute is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DisputeQuery {
    /// Show what the customer says and shows; needs `production.personal_data.read` and an X-Purpose
    /// header.
    pub unmask: Option<bool>,
}

/// Which disputes to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DisputeListQuery {
    /// `opened`: by the caller's insurer. `answering`: of claims it filed.
    pub role: String,
    /// `open`, `overdue` (open, and the answer is too late), `upheld`, `rejected` or `withdrawn`; all
    /// when absent.
    pub state: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A dispute.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputeView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub line: DisputeLine,
    /// What the customer says. Absent while masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Names of the documents that show it. Absent while masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<Vec<String>>,
}

impl Production {
    /// One dispute, for either side.
    pub async fn read_dispute(
        &self,
        call: Call,
        dispute_no: &str,
        asked: DisputeQuery,
    ) -> Result<Reply, Problem> {
        let dispute_no = of_any_insurer(dispute_no, NumberKind::Dispute)?;
        let shown = Shown::to(&call, asked.unmask)?;
        let mut tx = self.begin(&call).await?;
        let row = store::find(&mut tx, dispute_no).await?;
        drop(tx);
        let statement: Option<Statement> = match shown {
            Shown::Masked => None,
            Shown::Whole => {
                Some(self.sealer.open_shared(sealed::DISPUTE, &row.statement_sealed).await?)
            }
        };
        let (text, documents) =
            statement.map(|statement| (statement.text, statement.documents)).unzip();
        let view = DisputeView {
            line: DisputeLine::of(&row, call.caller.tenant, call.received_at),
            statement: text,
            documents,
        };
        let slot = dispute_no.slot().0;
        self.answer(call, shown, Done::json(StatusCode::OK, &view, slot, dispute_no.to_string()))
            .await
    }

    /// Disputes of one side, latest first.
    pub async fn list_disputes(
        &self,
        call: Call,
        asked: DisputeListQuery,
    ) -> Result<Reply, Problem> {
        let page = Page { limit: asked.limit, after: asked.after };
        let limit = page.limit()?;
        let (tenant, now) = (call.caller.tenant, call.received_at);
        let role = match asked.role.as_str() {
            "opened" => Role::Opened,
            "answering" => Role::Answering,
            _ => return Err(bad("role", "send opened or answering")),
        };
        if asked.state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
            return Err(bad("state", format!("send one of {}", STATES.join(", "))));
        }
        let after = ask::cursor(page.after.as_deref())?;
        let filter = DisputeFilter { role, state: asked.state, now, after };
        let mut tx = self.begin(&call).await?;
        let mut rows = store::list(&mut tx, tenant, &filter, limit + 1).await?;
        drop(tx);
        let page = Paged {
            next: cut(&mut rows, limit, |last| ask::behind(last.opened_at, last.dispute_no)),
            items: rows.iter().map(|row| DisputeLine::of(row, tenant, now)).collect(),
        };
        self.answer(call, Shown::Masked, Done::json(StatusCode::OK, &page, 0, "disputes")).await
    }
}

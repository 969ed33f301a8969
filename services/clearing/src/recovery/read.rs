//! Recoveries read back: one, a list of either side, what is late, the other side's data.

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use pg::{Scope, Tx};
use production_core::claim::{Case, Promise, RecoveryStatus};
use production_core::number::NumberKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::AccidentClaimView;
use super::review::{Side, Stage};
use super::store::{self, Filter, RecoveryRow};
use super::view::{RecoveryPaymentView, RecoveryStepView, RecoveryView, RecoveryWhole};
use super::{ClaimFacts, caller, item, number, purpose, shown};
use crate::error::ClearingError;
use crate::{Clearing, HOUSE};

/// Which recoveries to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecoveryListQuery {
    /// `recovering`: own claims recover. `liable`: others recover from own policies (被代位查询).
    #[param(example = "recovering")]
    pub side: String,
    /// `1`, `2`, `3`, `4`, `6` or `9`: where both sides brought it. What settlement made of an agreed
    /// amount (`7`, `10`, `8`) is shown, but not listed by.
    pub status: Option<String>,
    /// Only those of one own claim.
    pub claim_code: Option<String>,
    /// Only those where somebody is late.
    pub overdue: Option<bool>,
    /// Locked at or after this instant.
    pub locked_from: Option<String>,
    /// Locked before.
    pub locked_to: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Which late recoveries the operator lists.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OverdueQuery {
    /// Only those that are escalated.
    pub escalated: Option<bool>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Which recoveries the operator lists.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AnyRecoveryListQuery {
    /// `locked`, `open`, `arbitration` (which a status does not tell from `open`), `ended` or `void`.
    #[param(example = "arbitration")]
    pub stage: Option<String>,
    /// `1`, `2`, `3`, `4`, `6` or `9`: where both sides brought it. What settlement made of an agreed
    /// amount (`7`, `10`, `8`) is shown, but not listed by.
    pub status: Option<String>,
    /// Locked at or after this instant.
    pub locked_from: Option<String>,
    /// Locked before.
    pub locked_to: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// The other side's claim, without personal data.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpposingClaimView {
    /// 理赔编号.
    pub claim_code: String,
    /// Who handles it.
    pub insurer: String,
    /// The policy it is under.
    pub confirm_code: String,
    /// The insurer's number of that policy.
    pub policy_no: String,
    /// Liability, losses, adjustments, closings, money: the case its steps made.
    #[schema(value_type = Object)]
    pub case: Case,
    /// Covers and limits at the accident.
    #[schema(value_type = Object)]
    pub promise: Promise,
}

/// What a side sees of the other.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpposingView {
    /// 结算码.
    pub recovery_code: String,
    /// Claims of the accident under the other side's policies.
    pub claims: Vec<OpposingClaimView>,
    /// Claims of the accident, of every insurer.
    pub accident: Vec<AccidentClaimView>,
}

impl Clearing {
    /// One recovery, for either side.
    pub async fn read_recovery(&self, call: Call, code: &str) -> Result<Reply, Problem> {
        let own = caller(&call)?;
        let code = number(code, NumberKind::Recovery, "recovery code")?;
        let mut tx = self.open(&call).await?;
        let unknown = || ClearingError::not_found("recovery code", code);
        let row = store::find(&mut tx, code).await?.ok_or_else(unknown)?;
        let side = row.side_of(own.tenant).ok_or_else(unknown)?;
        let view = whole(&mut tx, &row, side, call.received_at).await?;
        drop(tx);
        let done = Done::json(StatusCode::OK, &view, code.slot().0, code.to_string());
        self.reply(call, done).await
    }

    /// Recoveries of one side, latest lock first.
    pub async fn list_recoveries(
        &self,
        call: Call,
        asked: RecoveryListQuery,
    ) -> Result<Reply, Problem> {
        let own = caller(&call)?;
        let side = match asked.side.as_str() {
            "recovering" => Side::Recovering,
            "liable" => Side::Liable,
            _ => return Err(bad("side", "send recovering or liable")),
        };
        let now = call.received_at;
        let filter = Filter {
            side: Some((side, own.tenant)),
            claim_code: asked.claim_code,
            status: status(asked.status.as_deref())?,
            stage: None,
            due_by: asked.overdue.unwrap_or(false).then_some(now),
            escalated_by: None,
            locked_from: instant("lockedFrom", asked.locked_from.as_deref())?,
            locked_to: instant("lockedTo", asked.locked_to.as_deref())?,
            after: cursor(asked.after.as_deref())?,
        };
        let scope = Scope::of(own.tenant);
        let page = Page { limit: asked.limit, after: asked.after };
        self.page_of_recoveries(call, scope, filter, page, |_| side).await
    }

    /// One recovery of anybody, for the operator. Its claims' and policies' insurers find the look.
    pub async fn read_any_recovery(&self, call: Call, code: &str) -> Result<Reply, Problem> {
        let code = number(code, NumberKind::Recovery, "recovery code")?;
        let begun = self.spine.db().begin(Scope::of(HOUSE)).await;
        let mut tx = begun.map_err(ClearingError::from)?;
        let row = store::find(&mut tx, code).await?;
        let row = row.ok_or_else(|| ClearingError::not_found("recovery code", code))?;
        let view = whole(&mut tx, &row, Side::Operator, call.received_at).await?;
        drop(tx);
        let facts = &row.facts;
        let mut looked_at = vec![shown(&facts.own_frame, row.claim_no)];
        looked_at.push(shown(&facts.frame, row.liable_confirm_no));
        looked_at.extend(facts.claim_no.map(|number| shown(&facts.frame, number)));
        let done = Done::json(StatusCode::OK, &view, code.slot().0, code.to_string());
        self.reply(call, done.showing(looked_at)).await
    }

    /// Recoveries of everybody, latest lock first, for the operator.
    pub async fn list_any_recoveries(
        &self,
        call: Call,
        asked: AnyRecoveryListQuery,
    ) -> Result<Reply, Problem> {
        let known = |stage: &String| Stage::NAMES.contains(&stage.as_str());
        if asked.stage.as_ref().is_some_and(|stage| !known(stage)) {
            return Err(bad("stage", format!("send one of {}", Stage::NAMES.join(", "))));
        }
        let filter = Filter {
            stage: asked.stage,
            status: status(asked.status.as_deref())?,
            locked_from: instant("lockedFrom", asked.locked_from.as_deref())?,
            locked_to: instant("lockedTo", asked.locked_to.as_deref())?,
            after: cursor(asked.after.as_deref())?,
            ..Filter::default()
        };
        let page = Page { limit: asked.limit, after: asked.after };
        self.page_of_recoveries(call, Scope::of(HOUSE), filter, page, |_| Side::Operator).await
    }

    /// What is late anywhere, for the operator.
    pub async fn overdue_recoveries(
        &self,
        call: Call,
        asked: OverdueQuery,
    ) -> Result<Reply, Problem> {
        let now = call.received_at;
        let filter = Filter {
            due_by: Some(now),
            escalated_by: asked.escalated.unwrap_or(false).then_some(now),
            after: cursor(asked.after.as_deref())?,
            ..Filter::default()
        };
        let page = Page { limit: asked.limit, after: asked.after };
        self.page_of_recoveries(call, Scope::of(HOUSE), filter, page, |_| Side::Operator).await
    }

    async fn page_of_recoveries(
        &self,
        call: Call,
        scope: Scope,
        filter: Filter,
        page: Page,
        side: impl Fn(&RecoveryRow) -> Side,
    ) -> Result<Reply, Problem> {
        let limit = page.limit()?;
        let begun = self.spine.db().begin(scope).await;
        let mut tx = begun.map_err(ClearingError::from)?;
        let mut rows = store::list(&mut tx, &filter, limit + 1).await?;
        let next = cut(&mut rows, limit, |last| {
            format!("{}.{}", last.locked_at.as_microsecond(), last.code)
        });
        let statuses = item::statuses(&mut tx, &rows).await?;
        drop(tx);
        let status = |row: &RecoveryRow| statuses.get(&row.code).copied();
        let items = rows.iter().map(|row| {
            let status = status(row).unwrap_or(row.life.status());
            RecoveryView::of(row, side(row), call.received_at, status)
        });
        let view = Paged { items: items.collect(), next };
        self.reply(call, Done::json(StatusCode::OK, &view, 0, "recoveries")).await
    }

    /// What the other side's claims and policies say (V3206, V3207).
    pub async fn read_opposing(&self, call: Call, code: &str) -> Result<Reply, Problem> {
        let own = caller(&call)?;
        purpose(&call)?;
        let code = number(code, NumberKind::Recovery, "recovery code")?;
        let mut tx = self.open(&call).await?;
        let unknown = || ClearingError::not_found("recovery code", code);
        let row = store::find(&mut tx, code).await?.ok_or_else(unknown)?;
        let side = row.side_of(own.tenant).ok_or_else(unknown)?;
        drop(tx);
        if row.life.status() == RecoveryStatus::Void {
            // What was void gives nobody a look any more.
            return Err(unknown().into());
        }
        let (market, now) = (&self.market, call.received_at);
        // The claim that recovers is the recovering side's to see; the accident is told by it.
        let scope = Scope::of_all([row.recovering.tenant, row.liable.tenant]);
        let begun = self.spine.db().begin(scope).await;
        let mut tx = begun.map_err(ClearingError::from)?;
        let accident = market.accident(&mut tx, row.claim_no, now).await?;
        let (other, frame) = match side {
            Side::Recovering => (row.liable.code, &row.facts.frame),
            _ => (row.recovering.code, &row.facts.own_frame),
        };
        let mut claims: Vec<ClaimFacts> = Vec::new();
        for claim in accident.iter().filter(|one| one.insurer == other && one.frame == *frame) {
            claims.push(market.claim(&mut tx, claim.claim_no).await?);
        }
        drop(tx);
        let mut looked_at = vec![shown(&row.facts.frame, row.liable_confirm_no)];
        looked_at.extend(accident.iter().map(|claim| shown(&claim.frame, claim.claim_no)));
        looked_at.extend(claims.iter().map(|claim| shown(&claim.frame, claim.confirm_no)));
        let view = OpposingView {
            recovery_code: code.to_string(),
            claims: claims.into_iter().map(OpposingClaimView::from).collect(),
            accident: accident.iter().map(AccidentClaimView::of).collect(),
        };
        let done = Done::json(StatusCode::OK, &view, code.slot().0, code.to_string());
        self.reply(call, done.showing(looked_at)).await
    }
}

impl From<ClaimFacts> for OpposingClaimView {
    fn from(claim: ClaimFacts) -> OpposingClaimView {
        OpposingClaimView {
            claim_code: claim.claim_no.to_string(),
            insurer: claim.insurer.as_str().to_owned(),
            confirm_code: claim.confirm_no.to_string(),
            policy_no: claim.policy_no,
            case: claim.case,
            promise: claim.promise,
        }
    }
}

/// A recovery with everything done under its code, as `side` sees it at `now`.
pub(super) async fn whole(
    tx: &mut Tx,
    row: &RecoveryRow,
    side: Side,
    now: Timestamp,
) -> Result<RecoveryWhole, ClearingError> {
    let statuses = item::statuses(tx, std::slice::from_ref(row)).await?;
    let status = statuses.get(&row.code).copied().unwrap_or(row.life.status());
    let steps = store::steps(tx, row.code).await?;
    let payments = store::payments(tx, row.code).await?;
    Ok(RecoveryWhole {
        recovery: RecoveryView::of(row, side, now, status),
        steps: steps.into_iter().map(RecoveryStepView::of).collect(),
        payments: payments.into_iter().map(RecoveryPaymentView::from).collect(),
    })
}

/// A status as stored.
fn status(raw: Option<&str>) -> Result<Option<String>, Problem> {
    let read = raw.map(RecoveryStatus::parse).transpose();
    let read = read.map_err(|error| bad("status", error.to_string()))?;
    Ok(read.map(|status| status.code().to_owned()))
}

fn instant(name: &str, raw: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    // The plus of an offset arrives as a blank when nobody escaped it.
    let read = raw.map(|raw| raw.trim().replace(' ', "+").parse::<Timestamp>()).transpose();
    read.map_err(|_| bad(name, "send an RFC 3339 instant"))
}

/// Where a page begins: behind the row with this instant and code.
fn cursor(after: Option<&str>) -> Result<Option<(Timestamp, String)>, Problem> {
    let Some(after) = after else { return Ok(None) };
    let read = after.split_once('.').and_then(|(micros, code)| {
        Some((Timestamp::from_microsecond(micros.parse().ok()?).ok()?, code.to_owned()))
    });
    read.map(Some).ok_or_else(|| bad("after", "is not the next of an earlier page"))
}

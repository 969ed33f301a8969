//! Why an item is in a position (头寸溯源): from the item to the recovery it settles, and on to the
//! messages of the claims behind it.
//!
//! The end of the way down from a net figure. Nobody needs a right to the claims for it: messages are
//! shown as other houses than their insurer see them, to the operator and to either side alike. Each
//! claim and policy shown is recorded, for its insurer to find the look.

use base_http::{Call, Done, Problem, Reply, ShownRecord};
use http::StatusCode;
use jiff::Timestamp;
use pg::Scope;
use production_core::number::{NumberKind, PlatformNumber};
use serde::Serialize;
use utoipa::ToSchema;

use super::read;
use super::review::Side;
use super::store;
use super::view::RecoveryWhole;
use super::{FiledClaim, FiledStep, purpose, shown};
use crate::error::ClearingError;
use crate::settlement::view::ItemView;
use crate::settlement::{self, followed, with_standing};
use crate::{Clearing, HOUSE};

/// A claim behind an item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OriginClaim)]
pub struct OriginClaimView {
    /// 理赔编号.
    pub claim_code: String,
    /// Who filed it.
    pub insurer: String,
    /// The policy it is under.
    pub confirm_code: String,
    /// The insurer's number of that policy.
    pub policy_no: String,
    /// The insurer's number of the report.
    pub report_no: String,
    /// When the accident happened.
    #[schema(value_type = String, format = DateTime)]
    pub accident_at: Timestamp,
    /// Its steps with their messages, first to last.
    pub steps: Vec<FiledStep>,
}

/// Where an item comes from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SettlementOrigin)]
pub struct OriginView {
    /// The item, and behind it those it puts in again or takes back: the last is the one that was
    /// posted for the business.
    pub items: Vec<ItemView>,
    /// The recovery whose amount it is, with everything that was done under its code and how what is
    /// claimed came about. Absent where the item is of other business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryWhole>,
    /// The claims behind it, first the one that recovers.
    pub claims: Vec<OriginClaimView>,
}

impl Clearing {
    /// Where an item of the caller's comes from.
    pub async fn read_origin(&self, call: Call, item: &str) -> Result<Reply, Problem> {
        // Items between others do not exist for the caller.
        let scope = Scope::of(call.caller.tenant);
        self.origin(call, scope, item).await
    }

    /// Where any item comes from, for the operator.
    pub async fn read_origin_of_any(&self, call: Call, item: &str) -> Result<Reply, Problem> {
        self.origin(call, Scope::of(HOUSE), item).await
    }

    async fn origin(&self, call: Call, scope: Scope, item: &str) -> Result<Reply, Problem> {
        purpose(&call)?;
        let begun = self.spine.db().begin(scope).await;
        let mut tx = begun.map_err(ClearingError::from)?;
        let items = followed(&mut tx, settlement::item_id(item)?).await?;
        let posted = items.last().ok_or(ClearingError::Corrupt("item"))?;
        // What both sides agreed to and filed is part of why, whichever of them asks.
        let sides = [HOUSE, posted.draft.payer, posted.draft.payee];
        tx.work_also_for(sides).await.map_err(ClearingError::from)?;
        let code = PlatformNumber::parse(&posted.draft.reference);
        let row = match code.and_then(|code| code.of_kind(NumberKind::Recovery)) {
            Ok(code) => store::find(&mut tx, code).await?,
            Err(_) => None,
        };
        let recovery = match &row {
            Some(row) => {
                let side = row.side_of(call.caller.tenant).unwrap_or(Side::Operator);
                Some(read::whole(&mut tx, row, side, call.received_at).await?)
            }
            None => None,
        };
        let mut claims = Vec::with_capacity(posted.draft.claim_codes.len());
        for code in &posted.draft.claim_codes {
            let number = super::number(code, NumberKind::Claim, "claim")?;
            claims.push(self.market.filed(&mut tx, number).await?);
        }
        let mut looked_at: Vec<ShownRecord> = claims.iter().flat_map(records).collect();
        looked_at.extend(row.iter().map(|row| shown(&row.facts.frame, row.liable_confirm_no)));
        let view = OriginView {
            items: with_standing(&mut tx, &items).await?,
            recovery,
            claims: claims.into_iter().map(OriginClaimView::from).collect(),
        };
        drop(tx);
        let (slot, subject) = match &row {
            Some(row) => (row.code.slot().0, row.code.to_string()),
            None => (0, item.to_owned()),
        };
        let done = Done::json(StatusCode::OK, &view, slot, subject);
        self.reply(call, done.showing(looked_at)).await
    }
}

/// What an answer shows of a claim: itself and its policy.
fn records(filed: &FiledClaim) -> [ShownRecord; 2] {
    let claim = &filed.claim;
    [claim.claim_no, claim.confirm_no].map(|number| shown(&claim.frame, number))
}

impl From<FiledClaim> for OriginClaimView {
    fn from(filed: FiledClaim) -> OriginClaimView {
        let claim = filed.claim;
        OriginClaimView {
            claim_code: claim.claim_no.to_string(),
            insurer: claim.insurer.as_str().to_owned(),
            confirm_code: claim.confirm_no.to_string(),
            policy_no: claim.policy_no,
            report_no: filed.report_no,
            accident_at: claim.case.notify.accident_at,
            steps: filed.steps,
        }
    }
}

//! 批单查询: endorsements as they stand, or as they stood.

use base_http::{Call, Done, Problem, Reply, paging};
use http::StatusCode;
use jiff::Timestamp;
use pg::{Command, Tx};
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::Findings;
use production_core::rules::format::{self, Edge};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Production;
use crate::endorsement::view::EndorsementView;
use crate::endorsement::wire::AsOf;
use crate::error::ProductionError;
use crate::pre_confirm::number;
use crate::store::endorsement::{self as store, EndorsementRecord};
use crate::store::policy;

/// Endorsements of a policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyEndorsements)]
pub struct EndorsementsView {
    /// The policy.
    pub confirm_code: String,
    /// First to last, given-up ones included.
    pub endorsements: Vec<EndorsementView>,
}

impl Production {
    /// One endorsement, by its amend query code or its amend confirm code.
    pub async fn read_endorsement(
        &self,
        call: Call,
        amend_code: &str,
        as_of: &AsOf,
    ) -> Result<Reply, Problem> {
        let kind = match amend_code.get(..2) {
            Some(code) if code == NumberKind::AmendConfirm.code() => NumberKind::AmendConfirm,
            _ => NumberKind::AmendQuery,
        };
        let amend_no = number(self, &call, amend_code, kind)?;
        let at = instant(as_of, call.received_at)?;
        let command = ReadOne { amend_no, at };
        self.spine
            .run(call, &command, |view| {
                Done::json(StatusCode::OK, &view, amend_no.slot().0, amend_no.to_string())
            })
            .await
    }

    /// The endorsements of a policy.
    pub async fn read_endorsements(
        &self,
        call: Call,
        confirm_code: &str,
        as_of: &AsOf,
    ) -> Result<Reply, Problem> {
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let at = instant(as_of, call.received_at)?;
        let command = ReadOfPolicy { confirm_no, at };
        self.spine
            .run(call, &command, |endorsements| {
                let view = EndorsementsView { confirm_code: confirm_no.to_string(), endorsements };
                Done::json(StatusCode::OK, &view, confirm_no.slot().0, confirm_no.to_string())
            })
            .await
    }
}

/// The endorsement as it stood at `at`; `None` before it was queried.
fn stood(record: &EndorsementRecord, at: Timestamp) -> Option<EndorsementView> {
    let stage = record.stage_at(at)?;
    Some(EndorsementView::of(record, &stage, at))
}

fn instant(as_of: &AsOf, now: Timestamp) -> Result<Timestamp, Problem> {
    let Some(raw) = as_of.as_of.as_deref() else { return Ok(now) };
    let mut found = Findings::new();
    let read = format::instant(raw, Edge::Start, "?asOf", &mut found);
    read.ok_or_else(|| {
        let said = found.split().0.into_iter().next();
        paging::bad("asOf", said.map(|finding| finding.message).unwrap_or_default())
    })
}

/// Reads one endorsement as it stood.
struct ReadOne {
    amend_no: PlatformNumber,
    at: Timestamp,
}

impl Command for ReadOne {
    const NAME: &'static str = "endorsement.read";
    type Out = EndorsementView;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<EndorsementView, ProductionError> {
        let record = store::find(tx, self.amend_no).await?;
        // Not queried then: there was nothing to know of.
        stood(&record, self.at)
            .ok_or_else(|| ProductionError::not_found("endorsement", self.amend_no))
    }
}

/// Reads the endorsements of a policy as they stood.
struct ReadOfPolicy {
    confirm_no: PlatformNumber,
    at: Timestamp,
}

impl Command for ReadOfPolicy {
    const NAME: &'static str = "endorsement.list";
    type Out = Vec<EndorsementView>;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<Vec<EndorsementView>, ProductionError> {
        policy::find(tx, self.confirm_no).await?;
        let records = store::of_policy(tx, self.confirm_no, Some(self.at)).await?;
        Ok(records.iter().filter_map(|record| stood(record, self.at)).collect())
    }
}

//! Own policies, one and many, as they are or were known.

use base_http::paging::{Page, bad};
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Period};
use production_core::history::PolicyClass;
use production_core::number::NumberKind;
use production_core::policy::{PolicyFacts, PolicyState};
use production_rating::RatingInput;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Production;
use crate::error::ProductionError;
use crate::lookup::Shown;
use crate::lookup::ask::{self, Sieve, View};
use crate::lookup::party::{self, PartyView};
use crate::lookup::rated::{AgreedCover, RatedVehicle};
use crate::pre_confirm::number;
use crate::quote::{Parties, VehicleIdentity};
use crate::sealed;
use crate::store::lookup::{ListedPolicy, PolicyFilter};
use crate::store::policy::{PolicyRecord, VersionRecord};
use crate::store::tax::DeclarationStanding;
use crate::store::{lookup, policy};

/// How one policy is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PolicyQuery {
    /// As known, and standing as it did, at this instant or at the begin of this day.
    pub as_of: Option<String>,
    /// Show personal data whole; needs `production.personal_data.read` and an X-Purpose header.
    pub unmask: Option<bool>,
}

/// Which own policies to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PolicyListQuery {
    /// Of one vehicle, by its frame number.
    pub frame_no: Option<String>,
    /// Of vehicles under this plate.
    pub plate: Option<String>,
    /// `compulsory` or `commercial`.
    pub class: Option<String>,
    /// `CONFIRMED`, `IN_FORCE`, `SUSPENDED`, `EXPIRED`, `REVOKED`, `SURRENDERED`, `TERMINATED`. A
    /// page may then hold fewer rows than asked for and still have a `next`.
    pub state: Option<String>,
    /// Confirmed at or after: an instant or a day.
    pub issued_from: Option<String>,
    /// Confirmed before.
    pub issued_to: Option<String>,
    /// As known, and standing as they did, at this instant.
    pub as_of: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A policy in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyLine {
    /// 投保确认码.
    pub confirm_code: String,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// Where it stood.
    #[schema(value_type = String)]
    pub state: PolicyState,
    /// The insurer's own number.
    pub policy_no: String,
    /// Region of the policy.
    pub region: String,
    /// The vehicle.
    pub frame_no: String,
    /// Plate, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// 号牌种类.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate_kind: Option<&'static str>,
    /// When it was confirmed.
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// Period of cover, pushed back by suspensions.
    pub period: Period,
    /// Premium as last endorsed.
    pub premium: Fen,
    /// Vehicle tax withheld with it.
    pub tax: Fen,
    /// Endorsements by then.
    pub endorse_times: u32,
}

/// One state of knowledge about a policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// 0 as confirmed, then one more with each endorsement.
    pub endorse_times: u32,
    /// 批改确认码 of the endorsement that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amend_code: Option<String>,
    /// True from here on.
    #[schema(value_type = String, format = DateTime)]
    pub effective_at: Timestamp,
    /// Known from here on.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// Period of cover.
    pub period: Period,
    /// Premium.
    pub premium: Fen,
    /// Vehicle tax.
    pub tax: Fen,
    /// Tariff bundle it was rated with.
    pub tariff_version: String,
}

/// Where the withheld tax stands with the tax office.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxStandingView {
    /// Number the declaration was made under.
    pub declaration_no: String,
    /// `pending`, `registered` or `refused`.
    pub state: String,
    /// 税务登记号.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_no: Option<String>,
    /// 完税凭证号.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_no: Option<String>,
    /// The authority's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub line: PolicyLine,
    /// The instant it is shown at.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// Four-letter insurer code.
    pub insurer: String,
    /// The quote it came from.
    pub query_code: String,
    /// Engine number.
    pub engine_no: String,
    /// Written for less than a year.
    pub short_term: bool,
    /// The vehicle as rated.
    #[schema(value_type = Object)]
    pub vehicle: RatedVehicle,
    /// Commercial covers as agreed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub covers: Vec<AgreedCover>,
    /// Owner, applicant, insured and drivers.
    pub parties: Vec<PartyView>,
    /// What happened to it: suspensions, ending, transfer.
    #[schema(value_type = Object)]
    pub facts: PolicyFacts,
    /// Versions known then, first to last.
    pub versions: Vec<VersionView>,
    /// Withheld tax; absent when nothing was withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_declaration: Option<TaxStandingView>,
    /// Outside systems that never answered; checked later.
    #[schema(value_type = Vec<String>)]
    pub deferred_checks: serde_json::Value,
}

impl Production {
    /// One own policy.
    pub async fn read_policy(
        &self,
        call: Call,
        confirm_code: &str,
        asked: PolicyQuery,
    ) -> Result<Reply, Problem> {
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let shown = Shown::to(&call, asked.unmask)?;
        let mut tx = self.begin(&call).await?;
        let record = policy::find(&mut tx, confirm_no).await?;
        let versions = policy::versions(&mut tx, confirm_no, view.as_of).await?;
        let standing = lookup::declaration(&mut tx, confirm_no, view.as_of).await?;
        drop(tx);
        let (Some(known), Some(true_then)) = (versions.last(), standing_at(&versions, view.at))
        else {
            let then = format!("{confirm_no} as of {}", view.at);
            return Err(ProductionError::not_found("policy", then).into());
        };
        let parties: Parties =
            self.sealer.open(record.tenant, sealed::PARTIES, &true_then.parties_sealed).await?;
        let answer = policy_view(&record, &versions, known, true_then, standing, view.at)?;
        let answer = PolicyView { parties: party::views(&parties, shown), ..answer };
        let slot = confirm_no.slot().0;
        let done = Done::json(StatusCode::OK, &answer, slot, confirm_no.to_string());
        self.answer(call, shown, done).await
    }

    /// Own policies, latest first.
    pub async fn list_policies(
        &self,
        call: Call,
        asked: PolicyListQuery,
    ) -> Result<Reply, Problem> {
        let page = Page { limit: asked.limit, after: asked.after };
        let mut sieve = Sieve::of(&page)?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let frame = asked.frame_no.as_deref().map(|raw| ask::frame("frameNo", raw)).transpose()?;
        let class = asked.class.as_deref().map(PolicyClass::parse).transpose();
        let state = asked.state.as_deref().map(state).transpose()?;
        let mut filter = PolicyFilter {
            frame: frame.clone(),
            plate: asked.plate.as_deref().map(ask::plate),
            class: class.map_err(|error| bad("class", error.to_string()))?,
            from: ask::instant("issuedFrom", asked.issued_from.as_deref())?,
            to: ask::instant("issuedTo", asked.issued_to.as_deref())?,
            as_of: view.as_of,
            after: ask::cursor(page.after.as_deref())?,
        };
        let wanted = page.limit()? + 1;
        let mut tx = self.begin(&call).await?;
        // A state is told from what happened, not stored: rows are read until the page is full.
        let more = 'rows: loop {
            let rows = lookup::policies(&mut tx, call.caller.tenant, &filter, wanted).await?;
            let ended = i64::try_from(rows.len()).unwrap_or(i64::MAX) < wanted;
            for row in &rows {
                if sieve.is_full() {
                    break 'rows true;
                }
                let wanted = state.is_none_or(|state| row.facts.state_at(view.at) == state);
                let line = wanted.then(|| line(row, view.at)).transpose()?;
                sieve.look(row.issued_at, row.confirm_no, line);
            }
            if ended {
                break false;
            }
            filter.after = sieve.last();
        };
        drop(tx);
        let page = sieve.paged(more);
        let slot = frame.as_ref().map_or(0, |frame| frame.slot().0);
        let subject = frame.map_or_else(|| "policies".to_owned(), |frame| frame.masked());
        self.answer(call, Shown::Masked, Done::json(StatusCode::OK, &page, slot, subject)).await
    }
}

/// The version that is true at `at` by what is known: the last one in effect by then, or the
/// policy as confirmed while nothing is in effect yet.
fn standing_at(versions: &[VersionRecord], at: Timestamp) -> Option<&VersionRecord> {
    versions.iter().rev().find(|version| version.effective_at <= at).or_else(|| versions.first())
}

fn state(raw: &str) -> Result<PolicyState, Problem> {
    PolicyState::deserialize(StrDeserializer::<ValueError>::new(raw))
        .map_err(|error| bad("state", error.to_string()))
}

fn line(row: &ListedPolicy, at: Timestamp) -> Result<PolicyLine, ProductionError> {
    let vehicle: VehicleIdentity =
        serde_json::from_str(&row.vehicle).map_err(|_| ProductionError::Corrupt("policy"))?;
    Ok(PolicyLine {
        confirm_code: row.confirm_no.to_string(),
        class: row.facts.class.name(),
        state: row.facts.state_at(at),
        policy_no: row.policy_no.clone(),
        region: row.region.clone(),
        frame_no: row.frame.as_str().to_owned(),
        plate: vehicle.plate.as_ref().map(|plate| plate.number().to_owned()),
        plate_kind: vehicle.plate.as_ref().map(|plate| plate.kind().code()),
        issued_at: row.issued_at,
        period: row.facts.period,
        premium: row.premium,
        tax: row.tax,
        endorse_times: row.facts.endorse_times,
    })
}

/// The policy from its versions; parties are put in by the caller, who may open them.
fn policy_view(
    record: &PolicyRecord,
    versions: &[VersionRecord],
    known: &VersionRecord,
    true_then: &VersionRecord,
    standing: Option<(String, DeclarationStanding)>,
    at: Timestamp,
) -> Result<PolicyView, ProductionError> {
    let corrupt = |_| ProductionError::Corrupt("policy version");
    let vehicle: VehicleIdentity = serde_json::from_str(&true_then.vehicle).map_err(corrupt)?;
    let input: RatingInput = serde_json::from_str(&true_then.input).map_err(corrupt)?;
    let covers = match known.facts.class {
        PolicyClass::Compulsory => Vec::new(),
        PolicyClass::Commercial => input.commercial.map_or_else(Vec::new, |part| part.covers),
    };
    let deferred = serde_json::from_str(&record.deferred_checks).map_err(corrupt)?;
    Ok(PolicyView {
        line: PolicyLine {
            confirm_code: record.confirm_no.to_string(),
            class: known.facts.class.name(),
            state: known.facts.state_at(at),
            policy_no: record.policy_no.clone(),
            region: record.region.code().to_owned(),
            frame_no: record.frame.as_str().to_owned(),
            plate: vehicle.plate.as_ref().map(|plate| plate.number().to_owned()),
            plate_kind: vehicle.plate.as_ref().map(|plate| plate.kind().code()),
            issued_at: record.issued_at,
            period: known.facts.period,
            premium: known.premium,
            tax: known.tax,
            endorse_times: known.facts.endorse_times,
        },
        as_of: at,
        insurer: record.insurer.as_str().to_owned(),
        query_code: record.query_no.to_string(),
        engine_no: vehicle.engine_no,
        short_term: record.short_term,
        vehicle: input.vehicle.into(),
        covers: covers.into_iter().map(AgreedCover::from).collect(),
        parties: Vec::new(),
        facts: known.facts.clone(),
        versions: versions.iter().map(version_view).collect(),
        tax_declaration: standing.map(|(declaration_no, standing)| TaxStandingView {
            declaration_no,
            state: standing.state,
            registration_no: standing.registration_no,
            receipt_no: standing.receipt_no,
            refusal: standing.refusal,
        }),
        deferred_checks: deferred,
    })
}

fn version_view(version: &VersionRecord) -> VersionView {
    VersionView {
        endorse_times: version.facts.endorse_times,
        amend_code: version.amend_no.map(|number| number.to_string()),
        effective_at: version.effective_at,
        recorded_at: version.recorded_at,
        period: version.facts.period,
        premium: version.premium,
        tax: version.tax,
        tariff_version: version.tariff_version.clone(),
    }
}

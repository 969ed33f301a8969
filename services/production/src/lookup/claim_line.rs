//! An own claim as lists, chains and accidents show it, and its statutory clocks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;
use pg::Tx;
use production_core::claim::{Case, Liability, Stage};
use production_core::number::PlatformNumber;
use production_core::rule::RuleId;
use production_core::statutory::{Clock, ClockState, Duty};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Production;
use crate::claim::clock;
use crate::error::ProductionError;
use crate::store::claim::ClaimRow;
use crate::store::claim_lookup::{self, ListedClaim, ToldStep};

/// An own claim in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimLine {
    /// 理赔编号.
    pub claim_code: String,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// Where it stood.
    pub stage: Stage,
    /// How often it had been reopened.
    pub round: u32,
    /// 投保确认码 of the policy.
    pub confirm_code: String,
    /// The insurer's own number of the policy.
    pub policy_no: String,
    /// The insurer's number of the report.
    pub report_no: String,
    /// Region of the policy.
    pub region: String,
    /// The insured vehicle.
    pub frame_no: String,
    /// When the accident happened.
    #[schema(value_type = String, format = DateTime)]
    pub accident_at: Timestamp,
    /// Six-digit area code of the place, when told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// When it was reported to the insurer.
    #[schema(value_type = String, format = DateTime)]
    pub reported_at: Timestamp,
    /// When it was reported to the platform.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// When its last step was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// Steps by then.
    pub step_count: i32,
    /// 事故责任 as known last, list `accident_liability`.
    #[schema(value_type = String)]
    pub liability: Liability,
    /// When the closing that holds was made; a reopened claim has it still.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// What that closing pays in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Fen>,
    /// Paid so far, less what was given back.
    pub paid: Fen,
    /// Got back from the liable side.
    pub recovered: Fen,
    /// The latest estimate of what is outstanding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outstanding: Option<Fen>,
    /// The earliest duty the law sets that was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_due_at: Option<Timestamp>,
    /// Duties whose time was over, in the order they arise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overdue: Vec<ClockView>,
}

/// A duty the law sets the insurer (rule L56). A clock that has not started is not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClaimClock)]
pub struct ClockView {
    /// The duty.
    pub duty: Duty,
    /// The validation rule of such clocks, `L56`.
    pub rule: &'static str,
    /// The article that sets it.
    pub article: &'static str,
    /// When it started; that day in China does not count.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// First instant that is too late.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// When the duty was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub done_at: Option<Timestamp>,
    /// Where it stood.
    pub state: ClockState,
}

impl From<Clock> for ClockView {
    fn from(clock: Clock) -> ClockView {
        ClockView {
            duty: clock.duty,
            rule: RuleId::L56.code(),
            article: clock.article,
            from: clock.from,
            due_at: clock.due_at,
            done_at: clock.done_at,
            state: clock.state,
        }
    }
}

impl Production {
    /// An own claim as lists show it, standing as it did at `at`.
    pub(crate) fn claim_line(&self, claim: &ListedClaim, at: Timestamp) -> ClaimLine {
        line(claim, self.rest_days(&claim.region, at), at)
    }

    /// Own claims as lists show them, standing as they did at `at`.
    pub(crate) fn claim_lines(
        &self,
        claims: &[ListedClaim],
        at: Timestamp,
    ) -> BTreeMap<PlatformNumber, ClaimLine> {
        claims.iter().map(|claim| (claim.claim_no, self.claim_line(claim, at))).collect()
    }
}

/// The claim as a list shows it, standing as it did at `at`, when these were the public holidays.
pub(crate) fn line(claim: &ListedClaim, rest_days: BTreeSet<Date>, at: Timestamp) -> ClaimLine {
    let clocks = clock::clocks(&claim.case, rest_days, at);
    line_with(claim, &clocks)
}

/// The claim as a list shows it, with its clocks as they stood.
pub(crate) fn line_with(claim: &ListedClaim, clocks: &[Clock]) -> ClaimLine {
    let case = &claim.case;
    let overdue = clocks.iter().filter(|clock| clock.state == ClockState::Overdue);
    ClaimLine {
        claim_code: claim.claim_no.to_string(),
        class: case.class.name(),
        stage: case.stage,
        round: case.round,
        confirm_code: claim.confirm_no.to_string(),
        policy_no: claim.policy_no.clone(),
        report_no: claim.report_no.clone(),
        region: claim.region.clone(),
        frame_no: claim.frame.as_str().to_owned(),
        accident_at: case.notify.accident_at,
        district: case.notify.district.clone(),
        reported_at: case.notify.reported_at,
        recorded_at: claim.recorded_at,
        changed_at: claim.changed_at,
        step_count: claim.steps,
        liability: case.liability(),
        closed_at: case.closing().map(|closing| closing.at),
        total: case.closing().map(|closing| closing.total),
        paid: case.paid,
        recovered: case.recovered,
        outstanding: case.estimate.as_ref().map(|estimate| estimate.outstanding),
        next_due_at: clock::next_due(clocks),
        overdue: overdue.copied().map(ClockView::from).collect(),
    }
}

/// The claims as they were known at `known_at`: those that changed since are made again from the
/// steps recorded by then, those that were not known are left out. Order is kept.
pub(crate) async fn known(
    tx: &mut Tx,
    mut claims: Vec<ListedClaim>,
    known_at: Option<Timestamp>,
) -> Result<Vec<ListedClaim>, ProductionError> {
    let Some(at) = known_at else { return Ok(claims) };
    claims.retain(|claim| claim.recorded_at <= at);
    let changed = claims.iter().filter(|claim| at < claim.changed_at).map(|claim| claim.claim_no);
    let changed: Vec<PlatformNumber> = changed.collect();
    if changed.is_empty() {
        return Ok(claims);
    }
    let told = claim_lookup::told(tx, changed, at).await?;
    for claim in &mut claims {
        if let Some(steps) = told.get(&claim.claim_no) {
            replay(claim, steps)?;
        }
    }
    Ok(claims)
}

/// Makes the claim what `steps` made it; they are the first ones of it.
pub(crate) fn replay(claim: &mut ListedClaim, steps: &[ToldStep]) -> Result<(), ProductionError> {
    let corrupt = || ProductionError::Corrupt("claim step");
    let told = steps.iter().map(|step| &step.facts);
    let case = Case::replay(claim.case.class, told).map_err(|_| corrupt())?;
    claim.case = case.ok_or_else(corrupt)?;
    claim.steps = i32::try_from(steps.len()).map_err(|_| corrupt())?;
    claim.changed_at = steps.last().map_or(claim.recorded_at, |step| step.recorded_at);
    Ok(())
}

impl From<ClaimRow> for ListedClaim {
    fn from(row: ClaimRow) -> ListedClaim {
        ListedClaim {
            claim_no: row.claim_no,
            region: row.region.code().to_owned(),
            confirm_no: row.confirm_no,
            policy_no: row.policy_no,
            report_no: row.report_no,
            frame: row.frame,
            steps: row.steps,
            case: row.case,
            recorded_at: row.recorded_at,
            changed_at: row.changed_at,
        }
    }
}

//! Claims, as they were known: how each stands, what it costs, and what quotes make of it.

use futures::FutureExt;
use production_core::claim::{Case, StepFacts};

use crate::error::ProductionError;
use crate::export::kinds::{Descriptor, Opener, Page, stored, word};
use crate::export::table::ColumnType::{Amount, Flag, Instant, Text, Whole};
use crate::export::table::{Row, needed, optional};
use crate::lookup::claim_line;
use crate::store::claim_lookup::{ListedClaim, stored_facts};
use crate::store::export_rows;
use crate::store::lookup::parsed;
use crate::store::quote::stored_frame;

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    columns: &[
        needed("claimCode", Text),
        needed("class", Text),
        needed("stage", Text),
        needed("round", Whole),
        needed("confirmCode", Text),
        needed("policyNo", Text),
        needed("reportNo", Text),
        needed("region", Text),
        needed("frameNo", Text),
        needed("accidentAt", Instant),
        optional("district", Text),
        needed("reportedAt", Instant),
        needed("recordedAt", Instant),
        needed("changedAt", Instant),
        needed("stepCount", Whole),
        needed("liability", Text),
        needed("subrogation", Flag),
        needed("mutual", Flag),
        needed("stolen", Flag),
        optional("registrationNo", Text),
        optional("registeredAt", Instant),
        optional("registeredEstimate", Amount),
        optional("outstanding", Amount),
        optional("outstandingAt", Instant),
        optional("assessedAt", Instant),
        optional("documentsCompleteAt", Instant),
        needed("adjusted", Amount),
        optional("decidedAt", Instant),
        optional("agreedAt", Instant),
        needed("closings", Whole),
        optional("closedAt", Instant),
        optional("total", Amount),
        optional("ownDamage", Amount),
        optional("refused", Flag),
        optional("death", Flag),
        optional("totalLoss", Flag),
        optional("reopenedAt", Instant),
        needed("paid", Amount),
        needed("due", Amount),
        optional("firstPaidAt", Instant),
        optional("paidAt", Instant),
        needed("recovered", Amount),
        optional("counts", Flag),
        optional("atFault", Flag),
        optional("fullyRecovered", Flag),
        optional("correctedBy", Text),
        optional("cancelledAt", Instant),
        optional("cancelKind", Text),
        optional("nextDueAt", Instant),
        needed("overdue", Whole),
    ],
    count: |tx, selection| export_rows::count_claims(tx, selection).boxed(),
    page: |tx, selection, span| {
        async move {
            let rows = export_rows::claims(tx, selection, span).await?;
            let key = export_rows::ClaimRow::key;
            Ok(Page::of(rows, key, cells))
        }
        .boxed()
    },
};

/// The claim as it was known at the instant the export is of.
fn cells(row: export_rows::ClaimRow, opener: &Opener) -> Result<Row, ProductionError> {
    let corrupt = || ProductionError::Corrupt("claim");
    let as_of = opener.selection.as_of;
    let claim = as_known(row)?;
    let case = &claim.case;
    let closing = case.closing();
    // What quotes see is the same whoever reads it; the insurer is not part of it.
    let seen = case.record("", claim.claim_no.insurer());
    let seen = seen.filter(|_| closing.is_some());
    let registration = case.registration.as_ref();
    let subrogation = case.notify.subrogation || registration.is_some_and(|one| one.subrogation);
    let mutual = case.notify.mutual || case.survey.as_ref().is_some_and(|one| one.mutual);
    let estimate = case.estimate.as_ref();
    let cancellation = case.cancellation.as_ref();
    let rest_days = opener.parameters.rest_days(&claim.region, as_of);
    let line = claim_line::line(&claim, rest_days, as_of);
    let overdue = i64::try_from(line.overdue.len()).map_err(|_| corrupt())?;
    let closings = i64::try_from(case.closings.len()).map_err(|_| corrupt())?;
    Ok(vec![
        line.claim_code.into(),
        line.class.into(),
        case.stage.name().into(),
        case.round.into(),
        line.confirm_code.into(),
        line.policy_no.into(),
        line.report_no.into(),
        line.region.into(),
        line.frame_no.into(),
        line.accident_at.into(),
        line.district.into(),
        line.reported_at.into(),
        line.recorded_at.into(),
        line.changed_at.into(),
        line.step_count.into(),
        word(&line.liability)?.into(),
        subrogation.into(),
        mutual.into(),
        case.notify.stolen.into(),
        registration.map(|one| one.registration_no.clone()).into(),
        registration.map(|one| one.at).into(),
        registration.map(|one| one.estimate).into(),
        line.outstanding.into(),
        estimate.map(|one| one.at).into(),
        case.assessment.as_ref().map(|one| one.at).into(),
        case.documents.as_ref().map(|one| one.complete_at).into(),
        case.adjusted().ok_or_else(corrupt)?.into(),
        case.decided_at.into(),
        case.agreed_at.into(),
        closings.into(),
        line.closed_at.into(),
        line.total.into(),
        closing.map(|one| one.own_damage).into(),
        closing.map(|one| one.refused).into(),
        closing.map(|one| one.death).into(),
        closing.map(|one| one.total_loss).into(),
        case.reopened_at.into(),
        line.paid.into(),
        case.due().ok_or_else(corrupt)?.into(),
        case.first_paid_at.into(),
        case.paid_at.into(),
        line.recovered.into(),
        seen.as_ref().map(|one| one.counts).into(),
        seen.as_ref().map(|one| one.at_fault).into(),
        seen.as_ref().map(|one| one.fully_recovered).into(),
        case.correction.as_ref().map(|one| one.dispute_no.clone()).into(),
        cancellation.map(|one| one.at).into(),
        cancellation.map(|one| one.kind.code()).into(),
        line.next_due_at.into(),
        overdue.into(),
    ])
}

/// The claim that the steps known then made; the stored one where it has not changed since.
fn as_known(row: export_rows::ClaimRow) -> Result<ListedClaim, ProductionError> {
    let corrupt = || ProductionError::Corrupt("claim");
    let mut claim = ListedClaim {
        claim_no: parsed(&row.claim_no, "claim")?,
        region: row.region,
        confirm_no: parsed(&row.confirm_no, "claim")?,
        policy_no: row.policy_no,
        report_no: row.report_no,
        frame: stored_frame(&row.frame_no)?,
        steps: row.steps,
        case: stored(&row.facts, "claim")?,
        recorded_at: row.recorded_at.to_jiff(),
        changed_at: row.changed_at.to_jiff(),
    };
    if let Some((told, told_at)) = row.told.zip(row.told_at) {
        let told: Result<Vec<StepFacts>, ProductionError> =
            told.iter().map(|facts| stored_facts(facts)).collect();
        let told = told?;
        let case = Case::replay(claim.case.class, &told).map_err(|_| corrupt())?;
        claim.case = case.ok_or_else(corrupt)?;
        claim.steps = i32::try_from(told.len()).map_err(|_| corrupt())?;
        claim.changed_at = told_at.to_jiff();
    }
    Ok(claim)
}

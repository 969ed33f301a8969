//! What must be there before anything is recovered, and how much may be: L58, L60.

use kernel::Fen;

use super::{HullRow, Promise, hull_rows, share_of};
use crate::adjustment::hull::{self, OwnPart};
use crate::adjustment::recovery::RecoveryFrom;
use crate::claim::{
    AdjustFacts, Case, CompulsoryClaimKind, DocumentKind, Liability, RecoverOrPay, RegisterFacts,
};
use crate::rule::{Findings, RuleId};

/// L58 and L60: what must be there before anything is recovered, and how much may be.
pub(super) fn recoveries(
    case: &Case,
    promise: &Promise,
    facts: &AdjustFacts,
    found: &mut Findings,
) {
    if !facts.recoveries.iter().any(|row| row.direction == RecoverOrPay::Recover) {
        return;
    }
    for message in not_recoverable(case, promise) {
        found.add(RuleId::L58, "/recoveries", message);
    }
    recoverable(case, promise, facts, found);
}

/// L58: everything that stands against a recovery, in words; nothing when the case may recover.
pub fn not_recoverable(case: &Case, promise: &Promise) -> Vec<&'static str> {
    let mut against = Vec::new();
    let mut unless = |met: bool, message: &'static str| {
        if !met {
            against.push(message);
        }
    };
    let survey = case.survey.as_ref();
    let documents = case.documents.as_ref();
    let advanced = |registration: &RegisterFacts| {
        let kind = registration.kind;
        kind == Some(CompulsoryClaimKind::Advance) || kind == Some(CompulsoryClaimKind::FundAdvance)
    };
    unless(promise.hull().is_some(), "only a policy with own damage cover recovers");
    let third = survey.is_some_and(|survey| survey.third_vehicles > 0);
    unless(third, "no third vehicle was recorded by the survey");
    unless(case.liability() != Liability::Full, "the insured side alone is liable");
    let has = |wanted: fn(DocumentKind) -> bool| documents.is_some_and(|kept| kept.has(wanted));
    let application = has(|kind| kind == DocumentKind::SubrogationApplication);
    unless(application, "the application for subrogation (代位求偿案件索赔申请书) is missing");
    unless(has(DocumentKind::settles_liability), "a document that settles liability is missing");
    let advance = case.registration.as_ref().is_some_and(advanced);
    unless(!advance, "an advance payment is not recovered by subrogation");
    unless(case.adjustments.is_empty(), "only the first adjustment of a case recovers");
    let mutual = survey.is_some_and(|survey| survey.mutual) || case.notify.mutual;
    unless(!mutual, "a mutual collision settled by each side itself is not recovered");
    against
}

/// L60: recovered is what was paid less the own obligation; of one compulsory policy at most its
/// property limit.
fn recoverable(case: &Case, promise: &Promise, facts: &AdjustFacts, found: &mut Findings) {
    let mut unheard = Findings::new();
    let (mut paid, mut own) = (Some(Fen::ZERO), Some(Fen::ZERO));
    for HullRow { row, loss, cover, .. } in hull_rows(case, promise, facts, &mut unheard) {
        paid = paid.and_then(|paid| paid.plus(row.amount));
        let part = share_of(row).and_then(|share| {
            // The liable side's compulsory cover is recovered from, not deducted, in a recovery.
            let compulsory = Fen::sum(facts.recoveries.iter().filter_map(|one| {
                (one.counterparty == RecoveryFrom::Compulsory).then_some(one.amount)
            }))?;
            let compulsory = compulsory.plus(row.compulsory_paid)?;
            let part = OwnPart { share, compulsory, deductions: row.deductions };
            hull::without_subrogation(&loss, &cover, &part).ok()
        });
        own = own.zip(part).and_then(|(own, part)| own.plus(part.amount));
    }
    let recovered = Fen::sum(
        facts
            .recoveries
            .iter()
            .filter(|row| row.direction == RecoverOrPay::Recover)
            .map(|row| row.amount),
    );
    let expected = paid.zip(own).and_then(|(paid, own)| paid.minus(own));
    if let (Some(recovered), Some(expected)) = (recovered, expected)
        && recovered != expected
    {
        let message = format!(
            "recoveries should add up to {expected}, not {recovered}: paid - own obligation - paid by the third party"
        );
        found.add(RuleId::L60, "/recoveries", message);
    }
    let Some(limits) = &promise.limits else { return };
    for (place, row) in facts.recoveries.iter().enumerate() {
        if row.counterparty == RecoveryFrom::Compulsory && row.amount > limits.at_fault.property {
            let message = format!(
                "{} of one compulsory policy exceeds its property limit of {}",
                row.amount, limits.at_fault.property
            );
            found.add(RuleId::L60, format!("/recoveries/{place}/amount"), message);
        }
    }
}

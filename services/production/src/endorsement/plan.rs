//! What an endorsement costs, and what it makes of its policy. Pure: no store, no outside.

use base_http::FieldError;
use jiff::Timestamp;
use kernel::{Fen, time};
use production_core::endorsement::{self, Difference, EndorsementError, Kind, Terms};
use production_core::history::PolicyClass;
use production_core::policy::{PolicyFacts, SurrenderReason};
use production_core::rule::RuleId;
use production_rating::{
    Cancellation, Canceller, PremiumChange, Rating, RatingInput, RatingRefusal, Refund, Tariff,
    TaxRating, commercial_refund, compulsory_refund, premium_change, rate, tax_change, tax_refund,
};

use crate::endorsement::charge::{Charged, charged};
use crate::endorsement::read::Asked;
use crate::endorsement::{Formula, refused};
use crate::error::{self, ProductionError};
use crate::quote::{Parties, VehicleIdentity};
use crate::store::endorsement::After;
use crate::store::policy::{PolicyRecord, VersionRecord};

/// A policy as it stands before an endorsement, opened.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) policy: PolicyRecord,
    /// Its latest version.
    pub(crate) version: VersionRecord,
    pub(crate) identity: VehicleIdentity,
    pub(crate) input: RatingInput,
    pub(crate) parties: Parties,
    /// Premium of the whole period at its rates.
    pub(crate) rated_premium: Fen,
}

/// A priced endorsement.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    pub(crate) terms: Terms,
    pub(crate) after: After,
    pub(crate) formula: Formula,
    /// The rating of the new facts, for kinds that rate.
    pub(crate) rating: Option<Rating>,
}

/// What changes hands.
struct Change {
    premium: PremiumChange,
    tax: Option<PremiumChange>,
    rated_premium: Fen,
    rating: Option<Rating>,
}

/// Prices an endorsement that may be made now.
pub(crate) fn price(
    standing: &Standing,
    asked: &Asked,
    tariff: &Tariff,
    now: Timestamp,
) -> Result<Priced, ProductionError> {
    let (policy, kind) = (&standing.policy, asked.kind);
    let endorse_times = endorsement::may_open(
        &policy.facts,
        false,
        kind,
        asked.effective,
        asked.endorse_times,
        now,
    )
    .map_err(refused)?;
    // What cannot be confirmed is not priced either.
    evolve(&policy.facts, kind, asked.effective, asked.ending, now)
        .map_err(|error| refused(error.into()))?;
    let change = match kind {
        Kind::Correction | Kind::Change | Kind::Transfer | Kind::CoverChange => {
            rerated(standing, asked, tariff)?
        }
        Kind::TaxCancel => tax_cancelled(standing, asked, tariff)?,
        Kind::Surrender => surrendered(standing, asked, tariff)?,
        Kind::Revoke => revoked(standing),
        Kind::PlateRegistration | Kind::Suspend | Kind::Resume => nothing(standing),
    };
    let tax = change.tax.as_ref().map_or(Fen::ZERO, |tax| tax.amount);
    let difference = Difference { premium: change.premium.amount, tax };
    let too_much = || refused(EndorsementError::Overflow);
    let total = |paid: Fen, change: Fen| {
        paid.plus(change).filter(|total| Fen::ZERO <= *total).ok_or_else(too_much)
    };
    Ok(Priced {
        terms: Terms { kind, endorse_times, effective: asked.effective, difference },
        after: After {
            rated_premium: change.rated_premium,
            premium: total(policy.premium, difference.premium)?,
            tax: total(policy.tax, difference.tax)?,
        },
        formula: Formula {
            premium: change.premium.formula,
            tax: change.tax.map(|tax| tax.formula),
        },
        rating: change.rating,
    })
}

/// The facts of a policy once the endorsement is part of it; it is counted, but a plate that came
/// or went is the caller's to say.
pub(crate) fn evolve(
    facts: &PolicyFacts,
    kind: Kind,
    effective: Timestamp,
    ending: Option<SurrenderReason>,
    now: Timestamp,
) -> Result<PolicyFacts, production_core::policy::PolicyError> {
    let facts = facts.clone();
    let moved = match kind {
        Kind::Suspend => facts.suspend(effective, now)?,
        Kind::Resume => facts.resume(effective, now)?,
        Kind::Transfer => facts.transfer(effective, now)?,
        Kind::PlateRegistration => facts.register_plate(now)?,
        Kind::Surrender => {
            let reason = ending.unwrap_or(SurrenderReason::Voluntary);
            facts.surrender(reason, effective, now)?
        }
        Kind::Revoke => facts.revoke(now)?,
        Kind::Correction | Kind::Change | Kind::CoverChange | Kind::TaxCancel => facts,
    };
    Ok(PolicyFacts { endorse_times: moved.endorse_times + 1, ..moved })
}

/// The part of a rating input that rates one policy of a quote.
fn of_class(input: &RatingInput, class: PolicyClass) -> RatingInput {
    let input = input.clone();
    match class {
        PolicyClass::Compulsory => RatingInput { commercial: None, ..input },
        PolicyClass::Commercial => RatingInput { compulsory: None, tax: None, ..input },
    }
}

fn rated(
    tariff: &Tariff,
    input: &RatingInput,
    class: PolicyClass,
) -> Result<Rating, ProductionError> {
    rate(tariff, &of_class(input, class))
        .map_err(|refusals| ProductionError::Invalid(refusals.into_iter().map(unratable).collect()))
}

fn unratable(refusal: RatingRefusal) -> FieldError {
    FieldError { pointer: refusal.pointer, rule: Some(refusal.rule.into()), detail: refusal.text }
}

fn rerated(standing: &Standing, asked: &Asked, tariff: &Tariff) -> Result<Change, ProductionError> {
    let class = standing.policy.facts.class;
    let rating = rated(tariff, &asked.input, class)?;
    let premium = match class {
        PolicyClass::Compulsory => rating.compulsory.as_ref().map(|part| part.premium),
        PolicyClass::Commercial => rating.commercial.as_ref().map(|part| part.premium),
    };
    let rated_premium = premium.ok_or(ProductionError::Corrupt("policy version"))?;
    let Charged { period, at } = days(standing, asked)?;
    let premium = premium_change(standing.rated_premium, rated_premium, period, at);
    // T02: a year's tax is neither raised nor given back for what happens in it; only what was
    // wrong from the beginning is put right.
    let tax = match (&rating.tax, asked.kind) {
        (Some(new), Kind::Correction) => Some(tax_change(&present_tax(standing, tariff)?, new)),
        _ => None,
    };
    Ok(Change { premium, tax, rated_premium, rating: Some(rating) })
}

fn tax_cancelled(
    standing: &Standing,
    asked: &Asked,
    tariff: &Tariff,
) -> Result<Change, ProductionError> {
    let present = present_tax(standing, tariff)?;
    let (tax, rating) = match asked.tax_lost_on {
        Some(day) => (tax_given_back(standing, &present, tariff, day), None),
        None => {
            let rating = rated(tariff, &asked.input, PolicyClass::Compulsory)?;
            let new = rating.tax.as_ref().ok_or(ProductionError::Corrupt("policy version"))?;
            (tax_change(&present, new), Some(rating))
        }
    };
    if tax.amount >= Fen::ZERO {
        let detail = format!("the evidence leaves nothing to give back: {}", tax.formula);
        return Err(ProductionError::breaks(RuleId::L27, &error::NOTHING_TO_REFUND, detail));
    }
    Ok(Change { tax: Some(tax), rating, ..nothing(standing) })
}

fn surrendered(
    standing: &Standing,
    asked: &Asked,
    tariff: &Tariff,
) -> Result<Change, ProductionError> {
    let policy = &standing.policy;
    let Charged { period, at } = days(standing, asked)?;
    let premium = standing.rated_premium;
    let cancellation = Cancellation { premium, period, suspended_days: 0, at };
    let Refund { refund, formula, .. } = match policy.facts.class {
        PolicyClass::Compulsory => compulsory_refund(cancellation),
        PolicyClass::Commercial => {
            let canceller = match asked.ending {
                Some(SurrenderReason::NonDisclosure) => Canceller::Insurer,
                _ => Canceller::Policyholder,
            };
            let issued_on = time::day_of(policy.issued_at);
            commercial_refund(tariff, policy.region, issued_on, cancellation, canceller)
                .map_err(|refusal| ProductionError::Invalid(vec![unratable(refusal)]))?
        }
    };
    // T03: the tax of a vehicle that is gone goes back by months; otherwise it stays paid.
    let gone = matches!(asked.ending, Some(SurrenderReason::Deregistered | SurrenderReason::Lost));
    let tax = if gone && Fen::ZERO < policy.tax {
        let present = present_tax(standing, tariff)?;
        Some(tax_given_back(standing, &present, tariff, time::day_of(asked.effective)))
    } else {
        None
    };
    let premium = PremiumChange { amount: Fen(-refund.0), formula };
    Ok(Change { premium, tax, rated_premium: standing.rated_premium, rating: None })
}

/// Cover that never began: everything goes back.
fn revoked(standing: &Standing) -> Change {
    let policy = &standing.policy;
    let whole = |paid: Fen| PremiumChange {
        amount: Fen(-paid.0),
        formula: format!("{paid} not begun = {paid}"),
    };
    let tax = (Fen::ZERO < policy.tax).then(|| whole(policy.tax));
    Change { premium: whole(policy.premium), tax, ..nothing(standing) }
}

fn nothing(standing: &Standing) -> Change {
    let premium = PremiumChange { amount: Fen::ZERO, formula: "0.00".to_owned() };
    Change { premium, tax: None, rated_premium: standing.rated_premium, rating: None }
}

fn days(standing: &Standing, asked: &Asked) -> Result<Charged, ProductionError> {
    charged(&standing.policy.facts, asked.effective).ok_or(ProductionError::Corrupt("policy"))
}

/// The tax of the policy as it was rated.
fn present_tax(standing: &Standing, tariff: &Tariff) -> Result<TaxRating, ProductionError> {
    rated(tariff, &Asked::undeclared(&standing.input), PolicyClass::Compulsory)?
        .tax
        .ok_or(ProductionError::Corrupt("policy version"))
}

/// T03, never more than is still withheld.
fn tax_given_back(
    standing: &Standing,
    present: &TaxRating,
    tariff: &Tariff,
    lost_on: jiff::civil::Date,
) -> PremiumChange {
    let refund = tax_refund(tariff, standing.policy.region, &present.current, lost_on);
    let amount = refund.refund.min(standing.policy.tax);
    PremiumChange { amount: Fen(-amount.0), formula: refund.formula }
}

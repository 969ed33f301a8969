//! The accidents the compulsory float counts, and why every other claim does not.
//!
//! Claims count in the window they were first *paid* in; two claims of one moment are one accident,
//! which counts when the first of them was paid. The newest window with an accident sets the level.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;
use kernel::time::day_of;
use production_core::history::{ClaimRecord, PolicyClass, VehicleHistory};
use serde::{Deserialize, Serialize};

use crate::compulsory::Window;

/// A compulsory claim and whether the float counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FloatClaim {
    /// 理赔编号.
    pub claim_code: String,
    /// Counted, or why not.
    pub verdict: FloatVerdict,
}

/// Whether a claim counts towards the compulsory float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum FloatVerdict {
    /// It is one of the accidents that set the level.
    Counted,
    /// The premium does not float at all; `noFloat` and the short-term reason say why.
    NotFloating,
    /// The insured driver bears no fault.
    NoFault,
    /// The vehicle was stolen when it happened.
    Stolen,
    /// Reported by its insurer as not counting.
    MarkedNotCounting,
    /// Happened before the vehicle changed hands.
    BeforeTransfer,
    /// Neither paid nor closed: no discount this year, and it counts in the year after payment.
    Open,
    /// Closed, or closed again, without payment.
    NothingPaid,
    /// First paid on the issue day of this policy or later: counts next year.
    PaidAfterIssue,
    /// First paid before the years that set the level.
    BeforeLookBack,
    /// Of the same accident as another claim, which stands for it.
    SameAccident,
}

/// What the history says about accidents.
pub(crate) struct Accidents {
    /// Accidents by window; each says whether somebody died.
    pub(crate) by_window: Vec<Vec<bool>>,
    /// An at-fault claim is neither paid nor closed.
    pub(crate) open: bool,
    /// Every compulsory claim of the vehicle, by claim code.
    pub(crate) claims: Vec<FloatClaim>,
}

/// What one claim is by itself.
enum Standing {
    Out(FloatVerdict),
    /// Paid within the windows: when first.
    Paid(Timestamp),
}

/// An accident: the claim that stands for it, and whether somebody died.
struct Accident<'a> {
    first_paid: Timestamp,
    claim: &'a ClaimRecord,
    death: bool,
}

/// Judges every compulsory claim; `windows` run newest first and follow one another.
pub(crate) fn judge(history: &VehicleHistory, windows: &[Window], sold: Option<Date>) -> Accidents {
    let claims = || history.claims.iter().filter(|claim| claim.class == PolicyClass::Compulsory);
    let mut accidents: BTreeMap<Timestamp, Accident<'_>> = BTreeMap::new();
    for claim in claims() {
        let Standing::Paid(first_paid) = standing(claim, windows, sold) else { continue };
        let found = accidents.entry(claim.accident_at);
        let found = found.or_insert(Accident { first_paid, claim, death: false });
        found.death |= claim.death;
        if (first_paid, &claim.claim_code) < (found.first_paid, &found.claim.claim_code) {
            (found.first_paid, found.claim) = (first_paid, claim);
        }
    }
    let within = |window: &Window, at| window.from <= day_of(at) && day_of(at) < window.to;
    let deaths = |window: &Window| {
        let paid = accidents.values().filter(|accident| within(window, accident.first_paid));
        paid.map(|accident| accident.death).collect()
    };
    let by_window: Vec<Vec<bool>> = windows.iter().map(deaths).collect();
    let decisive = windows
        .iter()
        .zip(&by_window)
        .find(|(_, found)| !found.is_empty())
        .map(|(window, _)| window);
    let verdict = |claim: &ClaimRecord| match standing(claim, windows, sold) {
        Standing::Out(verdict) => verdict,
        Standing::Paid(_) => match accidents.get(&claim.accident_at) {
            Some(accident) if accident.claim.claim_code != claim.claim_code => {
                FloatVerdict::SameAccident
            }
            Some(accident) if decisive.is_some_and(|one| within(one, accident.first_paid)) => {
                FloatVerdict::Counted
            }
            _ => FloatVerdict::BeforeLookBack,
        },
    };
    let mut judged: Vec<FloatClaim> = claims()
        .map(|claim| FloatClaim { claim_code: claim.claim_code.clone(), verdict: verdict(claim) })
        .collect();
    judged.sort_by(|one, other| one.claim_code.cmp(&other.claim_code));
    let open = judged.iter().any(|claim| claim.verdict == FloatVerdict::Open);
    Accidents { by_window, open, claims: judged }
}

/// Every compulsory claim of the vehicle, where the premium does not float at all.
pub(crate) fn not_floating(history: &VehicleHistory) -> Vec<FloatClaim> {
    let claims = history.claims.iter().filter(|claim| claim.class == PolicyClass::Compulsory);
    let judged = |claim: &ClaimRecord| FloatClaim {
        claim_code: claim.claim_code.clone(),
        verdict: FloatVerdict::NotFloating,
    };
    let mut judged: Vec<FloatClaim> = claims.map(judged).collect();
    judged.sort_by(|one, other| one.claim_code.cmp(&other.claim_code));
    judged
}

fn standing(claim: &ClaimRecord, windows: &[Window], sold: Option<Date>) -> Standing {
    let out = |verdict| Standing::Out(verdict);
    let paid = claim.first_settled_at.or(claim.paid_at).filter(|_| claim.paid > Fen::ZERO);
    let newest = windows.first().map(|window| window.to);
    let oldest = windows.last().map(|window| window.from);
    match paid {
        _ if !claim.at_fault => out(FloatVerdict::NoFault),
        _ if claim.stolen_at_the_time => out(FloatVerdict::Stolen),
        // Before the flag: a closing at zero does not count by the rule, nobody marked it.
        _ if claim.closed_at.is_some() && claim.paid <= Fen::ZERO => out(FloatVerdict::NothingPaid),
        _ if !claim.counts => out(FloatVerdict::MarkedNotCounting),
        _ if sold.is_some_and(|sold| day_of(claim.accident_at) < sold) => {
            out(FloatVerdict::BeforeTransfer)
        }
        None if claim.closed_at.is_none() => out(FloatVerdict::Open),
        None => out(FloatVerdict::NothingPaid),
        Some(paid) if newest.is_some_and(|to| day_of(paid) >= to) => {
            out(FloatVerdict::PaidAfterIssue)
        }
        Some(paid) if oldest.is_none_or(|from| day_of(paid) < from) => {
            out(FloatVerdict::BeforeLookBack)
        }
        Some(paid) => Standing::Paid(paid),
    }
}

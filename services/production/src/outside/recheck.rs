//! The second look before a confirmation: does what the quote was rated on still hold?
//!
//! New answers are compared with what was rated, not with older answers: it does not matter how
//! the figures came about, only whether they are right. Violations after the quote do not count
//! against it, for a quote looks back from the day it was made.

use jiff::{SignedDuration, Timestamp};
use production_core::history::Violation;
use production_core::vehicle::{PoliceStatus, VehicleFacts};
use production_rating::TaxInput;

use crate::outside::answer::{Answer, Source};
use crate::outside::{Ask, Consulted, bars};

/// What a quote was rated on.
#[derive(Clone, Copy, Debug)]
pub struct Rated<'a> {
    /// When.
    pub at: Timestamp,
    /// The vehicle, as completed from the model library.
    pub facts: &'a VehicleFacts,
    /// The violations it was rated with; `None` when none were known.
    pub violations: Option<&'a [Violation]>,
    /// The tax evidence it was rated with; `None` without vehicle tax.
    pub tax: Option<&'a TaxInput>,
}

/// What the second look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rechecked {
    /// The answers, notices included; [`Consulted::to_keep`] is to be kept whatever the verdict.
    pub consulted: Consulted,
    /// What follows.
    pub verdict: Verdict,
}

/// Whether the confirmation may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was checked and holds.
    Clear,
    /// It may go on; these sources did not answer and are checked later.
    Deferred(Vec<Source>),
    /// What these sources say now would have been rated otherwise: quote again.
    Changed(Vec<Source>),
    /// The police report a status that forbids insuring (rule L24).
    Barred(PoliceStatus),
    /// This source must answer first: come again.
    Unavailable(Source),
}

/// Judges the answers. The gravest finding wins: barred, unavailable, changed, deferred.
pub(crate) fn judge(
    consulted: Consulted,
    ask: &Ask,
    rated: &Rated<'_>,
    police_tolerance: SignedDuration,
    now: Timestamp,
) -> Rechecked {
    let verdict = verdict(&consulted, ask, rated, police_tolerance, now);
    Rechecked { consulted, verdict }
}

fn verdict(
    consulted: &Consulted,
    ask: &Ask,
    rated: &Rated<'_>,
    police_tolerance: SignedDuration,
    now: Timestamp,
) -> Verdict {
    if let Some(status) = consulted.registered().map(|vehicle| vehicle.status)
        && bars(status)
    {
        return Verdict::Barred(status);
    }
    match &consulted.police {
        Answer::Unavailable { .. } => return Verdict::Unavailable(Source::Police),
        Answer::Stale { snapshot, .. } if !snapshot.is_within(police_tolerance, now) => {
            return Verdict::Unavailable(Source::Police);
        }
        Answer::NotAsked | Answer::Asked(_) | Answer::Kept(_) | Answer::Stale { .. } => {}
    }
    let changed = [
        (Source::Police, violations_changed(consulted, ask, rated)),
        (Source::Models, model_changed(consulted, rated)),
        (Source::Tax, tax_changed(consulted, rated)),
    ];
    let changed: Vec<Source> =
        changed.into_iter().filter(|(_, changed)| *changed).map(|(source, _)| source).collect();
    let deferred = consulted.assumed();
    match (changed.is_empty(), deferred.is_empty()) {
        (false, _) => Verdict::Changed(changed),
        (true, false) => Verdict::Deferred(deferred),
        (true, true) => Verdict::Clear,
    }
}

fn violations_changed(consulted: &Consulted, ask: &Ask, rated: &Rated<'_>) -> bool {
    let since = ask.violations_since.and_then(kernel::time::start_of);
    let (Some(since), Some(vehicle)) = (since, consulted.registered()) else { return false };
    let counts = |violation: &&Violation| since <= violation.at && violation.at <= rated.at;
    let keys = |violations: &[Violation]| {
        let mut keys: Vec<_> = violations
            .iter()
            .filter(counts)
            .map(|violation| (violation.at, violation.kind, violation.violation_id.clone()))
            .collect();
        keys.sort();
        keys
    };
    keys(&vehicle.violations) != keys(rated.violations.unwrap_or_default())
}

/// A model that would still fill in or overrule something was not there when it was rated.
fn model_changed(consulted: &Consulted, rated: &Rated<'_>) -> bool {
    consulted.model().is_some_and(|model| model.complete(rated.facts) != *rated.facts)
}

/// The same for tax evidence.
fn tax_changed(consulted: &Consulted, rated: &Rated<'_>) -> bool {
    let (Some(evidence), Some(rated)) = (consulted.tax_evidence(), rated.tax) else { return false };
    evidence.complete(rated) != *rated
}

//! What a policy promised at the instant of an accident.

use jiff::Timestamp;
use kernel::{Period, time};
use production_core::adjustment::compulsory::{ByItem, CompulsoryLimits};
use production_core::claim::Promise;
use production_core::claim::feature::{History, Told};
use production_core::history::PolicyClass;
use production_core::number::PlatformNumber;
use production_core::plate::Plate;
use production_core::policy::PolicyFacts;
use production_core::rule::RuleId;
use production_rating::{Limits, LimitsPair, RatingInput, Tariff};
use serde::{Deserialize, Serialize};

use crate::error::{self, ProductionError};
use crate::quote::VehicleIdentity;
use crate::store::policy::{PolicyRecord, VersionRecord};

/// The policy as it stood when the accident happened, as known when it was reported. Kept with the
/// case: later endorsements do not reach back into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Period of cover.
    pub period: Period,
    /// Endorsements by then.
    pub endorse_times: u32,
    /// Plate of the insured vehicle.
    #[serde(default)]
    pub plate: Option<Plate>,
    /// Covers, limits and deductibles.
    #[serde(flatten)]
    pub promise: Promise,
}

impl Terms {
    /// A case under them, as a fraud score looks at it.
    pub(crate) fn history<'a>(&self, steps: Vec<Told<'a>>) -> History<'a> {
        History {
            class: self.promise.class,
            cover_from: self.period.from(),
            endorse_times: self.endorse_times,
            covers: self.promise.covers.len(),
            steps,
        }
    }
}

/// A policy, and the version of it that was true at an instant.
pub(crate) struct TrueThen<'a> {
    /// Confirm code.
    pub(crate) confirm_no: PlatformNumber,
    /// What happened to it, as known last.
    pub(crate) policy: &'a PolicyFacts,
    /// What had happened by the version.
    pub(crate) version: &'a PolicyFacts,
    /// JSON of [`VehicleIdentity`].
    pub(crate) vehicle: &'a str,
    /// The rating input, JSON.
    pub(crate) input: &'a str,
}

impl Terms {
    /// The version in force at `accident_at` (rule L40), of versions known now, first to last.
    pub fn at(
        policy: &PolicyRecord,
        versions: &[VersionRecord],
        accident_at: Timestamp,
        now: Timestamp,
        tariff: &Tariff,
    ) -> Result<Terms, ProductionError> {
        let version = versions.iter().rev().find(|version| version.effective_at <= accident_at);
        let version =
            version.or(versions.first()).ok_or(ProductionError::Corrupt("policy version"))?;
        let then = TrueThen {
            confirm_no: policy.confirm_no,
            policy: &policy.facts,
            version: &version.facts,
            vehicle: &version.vehicle,
            input: &version.input,
        };
        Terms::of(&then, accident_at, now, tariff)
    }

    /// The terms of a policy by the version that was true at `accident_at` (rule L40).
    pub(crate) fn of(
        then: &TrueThen<'_>,
        accident_at: Timestamp,
        now: Timestamp,
        tariff: &Tariff,
    ) -> Result<Terms, ProductionError> {
        let corrupt = |_| ProductionError::Corrupt("policy version");
        let (policy, version) = (then.policy, then.version);
        // What happened to the policy is in its latest facts, suspensions and ending included.
        if now < accident_at || !policy.covers(accident_at) {
            let was = match now < accident_at {
                true => "not yet known to be in force".to_owned(),
                false => policy.state_at(accident_at).name().to_owned(),
            };
            let detail = format!(
                "policy {} was {was} when the accident happened; check the time and the policy",
                then.confirm_no
            );
            return Err(ProductionError::breaks(RuleId::L40, &error::NOT_COVERED, detail));
        }
        let identity: VehicleIdentity = serde_json::from_str(then.vehicle).map_err(corrupt)?;
        let input: RatingInput = serde_json::from_str(then.input).map_err(corrupt)?;
        let of_class = version.class == PolicyClass::Commercial;
        let commercial = input.commercial.filter(|_| of_class);
        let hull_deductible = commercial.as_ref().and_then(|part| part.hull_deductible);
        let covers = commercial.map_or_else(Vec::new, |part| part.covers);
        let limits = tariff.limits(time::day_of(accident_at)).map(limits);
        Ok(Terms {
            period: policy.period,
            endorse_times: version.endorse_times,
            plate: identity.plate,
            promise: Promise {
                class: version.class,
                covers,
                hull_deductible: hull_deductible.unwrap_or_default(),
                limits,
            },
        })
    }
}

/// The tariff's limits as the formulas of adjustment take them.
fn limits(pair: LimitsPair) -> CompulsoryLimits {
    let by_item = |limits: Limits| ByItem {
        death_disability: limits.death_disability,
        medical: limits.medical,
        property: limits.property,
    };
    CompulsoryLimits { at_fault: by_item(pair.at_fault), no_fault: by_item(pair.no_fault) }
}

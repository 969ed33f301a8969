//! What a closing says of the case: L49, L63.

use rust_decimal::Decimal;

use super::Promise;
use crate::adjustment::mutual::{self, Collision, CollisionVehicle, MutualRules};
use crate::adjustment::{Share, six_places};
use crate::claim::effect::counts_by_rule;
use crate::claim::{Case, CloseFacts};
use crate::history::PolicyClass;
use crate::rule::{Findings, RuleId};

/// L49 and L63 over a closing.
pub fn closing(case: &Case, promise: &Promise, facts: &CloseFacts, found: &mut Findings) {
    if facts.mutual {
        settled_by_themselves(case, promise, facts, found);
    }
    let by_rule = counts_by_rule(case.class, facts.total, facts.liability);
    if let Some(counts) = facts.counts.filter(|&counts| counts != by_rule) {
        let (says, rule) = if counts { ("counts", "does not") } else { ("does not count", "does") };
        let message = format!("the closing says the claim {says}; by the scheme it {rule}");
        found.add(RuleId::L63, "/counts", message);
    }
}

/// L49: a mutual collision settled by each side itself (互碰自赔).
///
/// Of more than two vehicles the others share what the insured side does not bear evenly, for the
/// messages name no share of theirs.
fn settled_by_themselves(case: &Case, promise: &Promise, facts: &CloseFacts, found: &mut Findings) {
    let survey = case.survey.as_ref();
    let assessed = case.assessment.as_ref();
    let share = facts.liability.share_pct().and_then(Share::percent).unwrap_or(Share::NONE);
    let vehicles = assessed.map_or(&[][..], |assessed| &assessed.vehicles);
    let others = i64::try_from(vehicles.iter().filter(|one| !one.own).count()).unwrap_or(1).max(1);
    let rest = Share::new(six_places(share.rest().get() / Decimal::from(others)));
    let collision = Collision {
        compulsory_report: promise.class == PolicyClass::Compulsory,
        injured: case.notify.injury
            || survey.is_some_and(|survey| survey.injury)
            || assessed.is_some_and(|assessed| !assessed.persons.is_empty()),
        other_property: survey.is_some_and(|survey| survey.property)
            || assessed.is_some_and(|assessed| !assessed.properties.is_empty()),
        commercial_adjusted: promise.class == PolicyClass::Commercial,
        subrogated: case.notify.subrogation,
        vehicles: vehicles
            .iter()
            .map(|vehicle| CollisionVehicle {
                name: vehicle.item.to_string(),
                insured: true,
                share: if vehicle.own { share } else { rest.unwrap_or(Share::NONE) },
                loss: vehicle.loss.plus(vehicle.salvage).unwrap_or(vehicle.loss),
            })
            .collect(),
    };
    for unmet in mutual::unmet(&collision, &MutualRules::default()) {
        found.add(RuleId::L49, "/mutual", unmet.to_string());
    }
}

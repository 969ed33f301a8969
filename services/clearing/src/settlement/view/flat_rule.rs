//! Flat rates as they are shown, to everybody.

use jiff::Timestamp;
use kernel::Fen;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::settlement::flat_rule::{Change, FlatRule};

/// A version of a region's flat rate.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FlatRate)]
pub struct FlatRateView {
    /// `000000` for the nation.
    pub region: String,
    /// Counted from 1 in its region.
    pub version: i32,
    /// `adopt`, or `end`: recoveries go the ordinary way again.
    pub change: &'static str,
    /// `proposed`, `rejected`, `confirmed` while its start lies ahead, `in_force` or `superseded`.
    pub standing: &'static str,
    /// For accidents from then on.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Coverage codes of the liable side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covers: Option<Vec<&'static str>>,
    /// Largest recovery that is settled flat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Fen>,
    /// By which amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<Fen>,
    /// The simulation it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub simulation_id: Option<Uuid>,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub proposed_at: Timestamp,
    /// Who decided it: another person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_reason: Option<String>,
}

/// Every version of every region's flat rate.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FlatRates)]
pub struct FlatRatesView {
    /// By region and version.
    pub flat_rates: Vec<FlatRateView>,
}

impl FlatRateView {
    /// A version at `now`, among all of its region.
    pub(in crate::settlement) fn of(
        rule: &FlatRule,
        all: &[FlatRule],
        now: Timestamp,
    ) -> FlatRateView {
        let terms = match &rule.change {
            Change::Adopt(terms) => Some(terms),
            Change::End => None,
        };
        let decision = rule.decision.as_ref();
        FlatRateView {
            region: rule.region.clone(),
            version: rule.version,
            change: if terms.is_some() { "adopt" } else { "end" },
            standing: rule.standing(all, now),
            since: rule.since,
            covers: terms.map(|terms| terms.covers.iter().map(|cover| cover.code()).collect()),
            ceiling: terms.map(|terms| terms.ceiling),
            module: terms.map(|terms| terms.module),
            simulation_id: terms.map(|terms| terms.simulation),
            reason: rule.reason.clone(),
            proposed_by: rule.proposed_by.client.clone(),
            proposed_at: rule.proposed_at,
            decided_by: decision.map(|decision| decision.by.client.clone()),
            decided_at: decision.map(|decision| decision.at),
            decided_reason: decision.and_then(|decision| decision.reason.clone()),
        }
    }
}

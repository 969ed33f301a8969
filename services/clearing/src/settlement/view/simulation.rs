//! What a flat rate would have meant, as it is shown.

use kernel::Fen;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::ClearingError;
use crate::settlement::flat_rate::Simulation;

/// What a flat rate would have meant for one insurer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlatRateEffectView {
    /// Its four-letter code.
    pub insurer: String,
    /// Items up to the ceiling it paid.
    pub paid_items: i64,
    /// Items up to the ceiling it was paid.
    pub received_items: i64,
    /// Net as it was.
    pub actual: Fen,
    /// Net under the rule.
    pub flat: Fen,
    /// What it gains; negative when it loses.
    pub change: Fen,
}

/// What a flat rate would have meant for the market.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimulationView {
    /// Names it, for whoever proposes the rule.
    #[schema(value_type = String, format = Uuid)]
    pub simulation_id: Uuid,
    /// `000000` for the nation.
    pub region: String,
    /// The module used: the one asked for, else the mean of the items up to the ceiling.
    pub module: Fen,
    /// Items it would have settled.
    pub flat_items: i64,
    /// All items looked at.
    pub items: i64,
    /// By code; changes add up to zero.
    pub effects: Vec<FlatRateEffectView>,
}

impl SimulationView {
    /// A simulation of a region, under its id.
    pub(in crate::settlement) fn of(
        simulation_id: Uuid,
        region: &str,
        simulation: Simulation,
    ) -> Result<SimulationView, ClearingError> {
        let effects = simulation.effects.into_iter().map(|effect| {
            Ok(FlatRateEffectView {
                change: effect.change().ok_or(ClearingError::Corrupt("sum of items"))?,
                insurer: effect.insurer,
                paid_items: effect.paid_items,
                received_items: effect.received_items,
                actual: effect.actual,
                flat: effect.flat,
            })
        });
        Ok(SimulationView {
            simulation_id,
            region: region.to_owned(),
            module: simulation.module,
            flat_items: simulation.flat_items,
            items: simulation.items,
            effects: effects.collect::<Result<_, ClearingError>>()?,
        })
    }
}

//! A version of a policy as rows of the record: how it stands, what it changed of exposure and of
//! premium.

use analytics::market::{ExposureRow, PolicyRow, PremiumRow, Rows};
use kernel::Fen;
use production_core::exposure::{self, Version};
use production_core::policy::{Ending, PolicyFacts};
use production_core::vehicle::VehicleFacts;

use crate::error::ProductionError;
use crate::store::changes::WrittenVersion;

const CORRUPT: ProductionError = ProductionError::Corrupt("policy version");

/// What exposure is told by: the dimensions of the record that an endorsement may change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    usage: String,
    fuel: String,
    category: String,
}

impl Mark {
    fn of(vehicle: &VehicleFacts) -> Mark {
        Mark {
            usage: vehicle.usage.code().to_owned(),
            fuel: vehicle.fuel.code().to_owned(),
            category: vehicle.category.code().to_owned(),
        }
    }
}

/// Adds the rows of a version.
pub(super) fn add(row: WrittenVersion, rows: &mut Rows) -> Result<(), ProductionError> {
    let facts: Vec<PolicyFacts> =
        row.facts.iter().map(|text| read(text)).collect::<Result<_, _>>()?;
    let vehicles: Vec<VehicleFacts> =
        row.vehicles.iter().map(|text| read(text)).collect::<Result<_, _>>()?;
    let told =
        [vehicles.len(), row.effective_ats.len(), row.premiums_fen.len(), row.taxes_fen.len()];
    if told != [facts.len(); 4] {
        return Err(CORRUPT);
    }
    let versions: Vec<Version<'_, Mark>> = facts
        .iter()
        .zip(&vehicles)
        .zip(row.effective_ats.iter().zip(&row.premiums_fen))
        .map(|((facts, vehicle), (effective_at, premium))| Version {
            effective_at: effective_at.to_jiff(),
            facts,
            premium: Fen(*premium),
            mark: Mark::of(vehicle),
        })
        .collect();
    let (now, vehicle) = versions.last().zip(vehicles.last()).ok_or(CORRUPT)?;
    let changed = exposure::change(&versions).ok_or(CORRUPT)?;
    let sequence = i64::from(row.endorse_times);
    let recorded_at = row.recorded_at.to_jiff();
    let tenant_id = row.tenant_id.to_string();
    for ((mark, month), line) in changed {
        rows.exposures.push(ExposureRow {
            tenant_id: tenant_id.clone(),
            insurer: row.insurer.clone(),
            region: row.region.clone(),
            class: row.class.clone(),
            usage: mark.usage,
            fuel: mark.fuel,
            category: mark.category,
            confirm_no: row.confirm_no.clone(),
            sequence,
            month,
            insured_s: line.insured_s,
            earned_fen: line.earned.0,
            recorded_at,
        });
    }
    let tax_fen = *row.taxes_fen.last().ok_or(CORRUPT)?;
    let written_fen = since_before(&row.premiums_fen).ok_or(CORRUPT)?;
    let tax_written_fen = since_before(&row.taxes_fen).ok_or(CORRUPT)?;
    if (written_fen, tax_written_fen) != (0, 0) || sequence == 0 {
        rows.premiums.push(PremiumRow {
            tenant_id: tenant_id.clone(),
            insurer: row.insurer.clone(),
            region: row.region.clone(),
            class: row.class.clone(),
            usage: now.mark.usage.clone(),
            fuel: now.mark.fuel.clone(),
            category: now.mark.category.clone(),
            confirm_no: row.confirm_no.clone(),
            sequence,
            effective_at: now.effective_at,
            recorded_at,
            written_fen,
            tax_fen: tax_written_fen,
        });
    }
    let ending = now.facts.ending;
    rows.policies.push(PolicyRow {
        tenant_id,
        insurer: row.insurer,
        region: row.region,
        class: row.class,
        usage: now.mark.usage.clone(),
        fuel: now.mark.fuel.clone(),
        category: now.mark.category.clone(),
        confirm_no: row.confirm_no,
        sequence,
        effective_at: now.effective_at,
        recorded_at,
        issued_at: row.issued_at.to_jiff(),
        cover_from: now.facts.period.from(),
        cover_to: now.facts.period.to(),
        ended_at: ending.map(Ending::at),
        end_kind: ending.map(|ending| end_kind(&ending).to_owned()),
        short_term: row.short_term,
        premium_fen: now.premium.0,
        tax_fen,
        tariff_version: row.tariff_version,
        seats: i64::from(vehicle.seats),
        first_registered_on: vehicle.first_registered_on,
        new_vehicle: vehicle.new_vehicle,
        new_price_fen: vehicle.new_price.map(|price| price.0),
        model_code: vehicle.model_code.clone(),
    });
    Ok(())
}

/// The last amount less the one before it.
fn since_before(amounts: &[i64]) -> Option<i64> {
    let (now, before) = amounts.split_last()?;
    now.checked_sub(before.last().copied().unwrap_or(0))
}

fn end_kind(ending: &Ending) -> &'static str {
    match ending {
        Ending::Revoked { .. } => "revoked",
        Ending::Surrendered { .. } => "surrendered",
        Ending::Terminated { .. } => "terminated",
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ProductionError> {
    serde_json::from_str(text).map_err(|_| CORRUPT)
}

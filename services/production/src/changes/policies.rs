//! A version of a policy as rows of the record: how it stands, what it changed of exposure and of
//! premium, in all and by cover.

use std::collections::BTreeMap;

use analytics::market::{
    CoverExposureRow, CoverPremiumRow, Dimensions, ExposureRow, PolicyRow, PremiumRow, Rows,
};
use kernel::Fen;
use production_core::cover::Cover;
use production_core::exposure::{self, Part, Version};
use production_core::policy::{Ending, PolicyFacts};
use production_core::vehicle::VehicleFacts;

use crate::changes::covers::{self, Covered, Held};
use crate::error::ProductionError;
use crate::store::changes::{Sale, WrittenVersion};

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

/// Whose a version is, and what it is told apart by.
fn dimensions(row: &WrittenVersion, mark: Mark) -> Dimensions {
    Dimensions {
        tenant_id: row.tenant_id.to_string(),
        insurer: row.insurer.clone(),
        region: row.region.clone(),
        class: row.class.clone(),
        usage: mark.usage,
        fuel: mark.fuel,
        category: mark.category,
    }
}

/// Adds the rows of a version. Its sale, and what its versions hold, are absent of a policy that is
/// told without channel and covers.
pub(super) fn add(
    row: WrittenVersion,
    sale: Option<(&Sale, &[Held])>,
    rows: &mut Rows,
) -> Result<(), ProductionError> {
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
    let sequence = i64::from(row.endorse_times);
    let recorded_at = row.recorded_at.to_jiff();
    let of = dimensions(&row, now.mark.clone());
    let channel = sale.and_then(|(sale, _)| sale.channel.clone());
    for ((mark, month), line) in exposure::change(&versions).ok_or(CORRUPT)? {
        rows.exposures.push(ExposureRow {
            of: dimensions(&row, mark),
            confirm_no: row.confirm_no.clone(),
            sequence,
            month,
            insured_s: line.insured_s,
            earned_fen: line.earned.0,
            recorded_at,
            channel: channel.clone(),
        });
    }
    if let Some((_, held)) = sale {
        let parts = covers_of(&versions, held)?;
        add_covers(&row, &versions, &parts, channel.as_ref(), rows)?;
    }
    let tax_fen = *row.taxes_fen.last().ok_or(CORRUPT)?;
    let written_fen = since_before(&row.premiums_fen).ok_or(CORRUPT)?;
    let tax_written_fen = since_before(&row.taxes_fen).ok_or(CORRUPT)?;
    if (written_fen, tax_written_fen) != (0, 0) || sequence == 0 {
        rows.premiums.push(PremiumRow {
            of: of.clone(),
            confirm_no: row.confirm_no.clone(),
            sequence,
            effective_at: now.effective_at,
            recorded_at,
            written_fen,
            tax_fen: tax_written_fen,
            channel: channel.clone(),
        });
    }
    let ending = now.facts.ending;
    rows.policies.push(PolicyRow {
        of,
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
        channel,
    });
    Ok(())
}

/// What the covers of each version have of its premium.
fn covers_of(
    versions: &[Version<'_, Mark>],
    held: &[Held],
) -> Result<Vec<Vec<Part<Option<Cover>>>>, ProductionError> {
    let covered: Vec<Covered<'_>> = versions
        .iter()
        .zip(held)
        .map(|(version, held)| Covered {
            effective_at: version.effective_at,
            facts: version.facts,
            premium: version.premium,
            held,
        })
        .collect();
    let parts = covers::parts(&covered).filter(|parts| parts.len() == versions.len());
    parts.ok_or(CORRUPT)
}

/// Adds what a version changed of its covers' exposure and premium.
fn add_covers(
    row: &WrittenVersion,
    versions: &[Version<'_, Mark>],
    parts: &[Vec<Part<Option<Cover>>>],
    channel: Option<&String>,
    rows: &mut Rows,
) -> Result<(), ProductionError> {
    let code = |cover: Option<Cover>| cover.map(|cover| cover.code().to_owned());
    let sequence = i64::from(row.endorse_times);
    let recorded_at = row.recorded_at.to_jiff();
    for (((mark, cover), month), line) in
        exposure::change_by_cover(versions, parts).ok_or(CORRUPT)?
    {
        rows.cover_exposures.push(CoverExposureRow {
            of: dimensions(row, mark),
            channel: channel.cloned(),
            cover: code(cover),
            confirm_no: row.confirm_no.clone(),
            sequence,
            month,
            insured_s: line.insured_s,
            earned_fen: line.earned.0,
            recorded_at,
        });
    }
    let now = versions.last().ok_or(CORRUPT)?;
    let of = dimensions(row, now.mark.clone());
    for (cover, written) in written(parts).ok_or(CORRUPT)? {
        rows.cover_premiums.push(CoverPremiumRow {
            of: of.clone(),
            channel: channel.cloned(),
            cover: code(cover),
            confirm_no: row.confirm_no.clone(),
            sequence,
            effective_at: now.effective_at,
            recorded_at,
            written_fen: written.0,
        });
    }
    Ok(())
}

/// What the last version changed of each cover's premium.
fn written(parts: &[Vec<Part<Option<Cover>>>]) -> Option<BTreeMap<Option<Cover>, Fen>> {
    let (now, before) = parts.split_last()?;
    let mut written: BTreeMap<Option<Cover>, Fen> =
        now.iter().map(|part| (part.cover, part.premium)).collect();
    for part in before.last().into_iter().flatten() {
        let own = written.entry(part.cover).or_default();
        *own = own.minus(part.premium)?;
    }
    written.retain(|_, fen| *fen != Fen::ZERO);
    Some(written)
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

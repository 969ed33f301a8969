//! Versions of policies: what was true of each from when on, as known since when.

use futures::FutureExt;
use production_core::policy::PolicyFacts;

use crate::export::kinds::{Descriptor, Page, stored, with_parties};
use crate::export::table::ColumnType::{Amount, Instant, Text, Whole};
use crate::export::table::{Cell, needed, optional};
use crate::quote::VehicleIdentity;
use crate::store::export_rows;

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    columns: with_parties![
        needed("confirmCode", Text),
        needed("endorseTimes", Whole),
        optional("amendCode", Text),
        needed("class", Text),
        needed("policyNo", Text),
        needed("region", Text),
        needed("frameNo", Text),
        optional("plate", Text),
        optional("plateKind", Text),
        needed("engineNo", Text),
        needed("effectiveAt", Instant),
        needed("recordedAt", Instant),
        needed("coverFrom", Instant),
        needed("coverTo", Instant),
        optional("endedAt", Instant),
        needed("premium", Amount),
        needed("tax", Amount),
        needed("tariffVersion", Text),
    ],
    count: |tx, selection| export_rows::count_versions(tx, selection).boxed(),
    page: |tx, selection, span| {
        async move {
            let rows = export_rows::versions(tx, selection, span).await?;
            Ok(Page::of(rows, export_rows::VersionRow::key, |row, opener| {
                let facts: PolicyFacts = stored(&row.facts, "policy version")?;
                let vehicle: VehicleIdentity = stored(&row.vehicle, "policy version")?;
                let mut cells: Vec<Cell> = vec![
                    row.confirm_no.into(),
                    row.endorse_times.into(),
                    row.amend_no.into(),
                    facts.class.name().into(),
                    row.policy_no.into(),
                    row.region.into(),
                    row.frame_no.into(),
                    vehicle.plate.as_ref().map(|plate| plate.number()).into(),
                    vehicle.plate.as_ref().map(|plate| plate.kind().code()).into(),
                    vehicle.engine_no.into(),
                    row.effective_at.to_jiff().into(),
                    row.recorded_at.to_jiff().into(),
                    facts.period.from().into(),
                    facts.period.to().into(),
                    facts.ending.map(|ending| ending.at()).into(),
                    Cell::Amount(row.premium_fen),
                    Cell::Amount(row.tax_fen),
                    row.tariff_version.into(),
                ];
                cells.extend(opener.parties(&row.parties_sealed)?);
                Ok(cells)
            }))
        }
        .boxed()
    },
};

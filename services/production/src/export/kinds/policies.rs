//! Policies, as last endorsed by what was known.

use futures::FutureExt;
use production_core::policy::PolicyFacts;

use crate::export::kinds::{Descriptor, Page, stored, with_parties, word};
use crate::export::table::ColumnType::{Amount, Flag, Instant, Text, Whole};
use crate::export::table::{Cell, needed, optional};
use crate::quote::VehicleIdentity;
use crate::store::export_rows;

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    columns: with_parties![
        needed("confirmCode", Text),
        needed("class", Text),
        needed("state", Text),
        needed("policyNo", Text),
        needed("insurer", Text),
        needed("region", Text),
        needed("queryCode", Text),
        needed("frameNo", Text),
        optional("plate", Text),
        optional("plateKind", Text),
        needed("engineNo", Text),
        needed("issuedAt", Instant),
        needed("coverFrom", Instant),
        needed("coverTo", Instant),
        optional("endedAt", Instant),
        needed("shortTerm", Flag),
        needed("premium", Amount),
        needed("tax", Amount),
        needed("endorseTimes", Whole),
        needed("tariffVersion", Text),
    ],
    count: |tx, selection| export_rows::count_policies(tx, selection).boxed(),
    page: |tx, selection, span| {
        async move {
            let rows = export_rows::policies(tx, selection, span).await?;
            Ok(Page::of(rows, export_rows::PolicyRow::key, |row, opener| {
                let facts: PolicyFacts = stored(&row.facts, "policy")?;
                let vehicle: VehicleIdentity = stored(&row.vehicle, "policy")?;
                let state = facts.state_at(opener.selection.as_of);
                let mut cells: Vec<Cell> = vec![
                    row.confirm_no.into(),
                    facts.class.name().into(),
                    word(&state)?.into(),
                    row.policy_no.into(),
                    row.insurer.into(),
                    row.region.into(),
                    row.query_no.into(),
                    row.frame_no.into(),
                    vehicle.plate.as_ref().map(|plate| plate.number()).into(),
                    vehicle.plate.as_ref().map(|plate| plate.kind().code()).into(),
                    vehicle.engine_no.into(),
                    row.issued_at.to_jiff().into(),
                    facts.period.from().into(),
                    facts.period.to().into(),
                    facts.ending.map(|ending| ending.at()).into(),
                    row.short_term.into(),
                    Cell::Amount(row.premium_fen),
                    Cell::Amount(row.tax_fen),
                    facts.endorse_times.into(),
                    row.tariff_version.into(),
                ];
                cells.extend(opener.parties(&row.parties_sealed)?);
                Ok(cells)
            }))
        }
        .boxed()
    },
};

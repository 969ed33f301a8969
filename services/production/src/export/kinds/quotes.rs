//! Quotes, where they stood. Amounts are not shown while a challenge is open, as in lists.

use futures::FutureExt;

use crate::export::Key;
use crate::export::kinds::{Descriptor, Page, stored, with_parties};
use crate::export::table::ColumnType::{Amount, Flag, Instant, Text};
use crate::export::table::{Cell, needed, optional};
use crate::lookup::quotes::standings;
use crate::quote::VehicleIdentity;
use crate::store::export_rows;
use crate::store::quote::{self, QuoteRecord};

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    columns: with_parties![
        needed("queryCode", Text),
        needed("stage", Text),
        needed("client", Text),
        needed("insurer", Text),
        needed("region", Text),
        needed("frameNo", Text),
        optional("plate", Text),
        optional("plateKind", Text),
        needed("engineNo", Text),
        needed("quotedAt", Instant),
        needed("expiresAt", Instant),
        optional("compulsoryFrom", Instant),
        optional("compulsoryTo", Instant),
        optional("compulsoryPremium", Amount),
        optional("commercialFrom", Instant),
        optional("commercialTo", Instant),
        optional("commercialPremium", Amount),
        optional("tax", Amount),
        needed("challengeOpen", Flag),
        needed("tariffVersion", Text),
    ],
    count: |tx, selection| export_rows::count_quotes(tx, selection).boxed(),
    page: |tx, selection, span| {
        async move {
            let rows = quote::page(tx, selection, span).await?;
            let as_of = selection.as_of;
            let standings = standings(tx, &rows, as_of).await?;
            let key = |row: &QuoteRecord| Key {
                at: row.quoted_at,
                number: row.query_no.to_string(),
                sequence: 0,
            };
            Ok(Page::of(rows, key, move |row, opener| {
                let vehicle: VehicleIdentity = stored(&row.vehicle, "quote")?;
                let line = standings.line(&row, as_of);
                let (compulsory, commercial) = (line.compulsory, line.commercial);
                let mut cells: Vec<Cell> = vec![
                    line.query_code.into(),
                    line.stage.into(),
                    line.client.into(),
                    row.insurer.as_str().into(),
                    line.region.into(),
                    line.frame_no.into(),
                    vehicle.plate.as_ref().map(|plate| plate.number()).into(),
                    vehicle.plate.as_ref().map(|plate| plate.kind().code()).into(),
                    vehicle.engine_no.into(),
                    line.quoted_at.into(),
                    line.expires_at.into(),
                    compulsory.map(|part| part.period.from()).into(),
                    compulsory.map(|part| part.period.to()).into(),
                    compulsory.map(|part| part.premium).into(),
                    commercial.map(|part| part.period.from()).into(),
                    commercial.map(|part| part.period.to()).into(),
                    commercial.map(|part| part.premium).into(),
                    line.tax.into(),
                    line.challenge_open.into(),
                    row.tariff_version.into(),
                ];
                cells.extend(opener.parties(&row.parties_sealed)?);
                Ok(cells)
            }))
        }
        .boxed()
    },
};

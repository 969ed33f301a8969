//! Registered fees and their changes.

use futures::FutureExt;

use crate::export::kinds::{Descriptor, Page};
use crate::export::table::ColumnType::{Amount, Day, Instant, Ratio, Text, Whole};
use crate::export::table::{Cell, needed, optional};
use crate::store::export_rows;

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    columns: &[
        needed("confirmCode", Text),
        needed("sequence", Whole),
        needed("class", Text),
        needed("policyNo", Text),
        needed("region", Text),
        needed("channel", Text),
        optional("intermediary", Text),
        optional("licenceKind", Text),
        optional("licenceNo", Text),
        optional("licenceFrom", Day),
        optional("licenceTo", Day),
        optional("contractNo", Text),
        needed("ratio", Ratio),
        needed("premium", Amount),
        needed("amount", Amount),
        optional("reason", Text),
        needed("client", Text),
        needed("registeredAt", Instant),
    ],
    count: |tx, selection| export_rows::count_fees(tx, selection).boxed(),
    page: |tx, selection, span| {
        async move {
            let rows = export_rows::fees(tx, selection, span).await?;
            Ok(Page::of(rows, export_rows::FeeRow::key, |row, _| {
                Ok(vec![
                    row.confirm_no.into(),
                    row.sequence.into(),
                    row.class.into(),
                    row.policy_no.into(),
                    row.region.into(),
                    row.channel.into(),
                    row.intermediary.into(),
                    row.licence_kind.into(),
                    row.licence_no.into(),
                    row.licence_from.map(|day| day.to_jiff()).into(),
                    row.licence_to.map(|day| day.to_jiff()).into(),
                    row.contract_no.into(),
                    row.ratio.into(),
                    Cell::Amount(row.premium_fen),
                    Cell::Amount(row.amount_fen),
                    row.reason.into(),
                    row.client.into(),
                    row.registered_at.to_jiff().into(),
                ])
            }))
        }
        .boxed()
    },
};

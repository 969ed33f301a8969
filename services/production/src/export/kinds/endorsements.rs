//! Endorsements, surrenders and revocations, where they stood.

use futures::FutureExt;
use production_core::endorsement::Stage;

use crate::error::ProductionError;
use crate::export::Key;
use crate::export::kinds::{Descriptor, Page};
use crate::export::table::ColumnType::{Amount, Instant, Text, Whole};
use crate::export::table::{needed, optional};
use crate::store::endorsement::ExportedEndorsement;
use crate::store::export_rows;

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    columns: &[
        needed("amendCode", Text),
        optional("amendConfirmCode", Text),
        needed("confirmCode", Text),
        needed("class", Text),
        needed("policyNo", Text),
        needed("region", Text),
        needed("kind", Text),
        needed("kindNameZh", Text),
        needed("endorseTimes", Whole),
        needed("stage", Text),
        needed("reason", Text),
        optional("surrenderReason", Text),
        needed("effectiveAt", Instant),
        needed("premiumDifference", Amount),
        needed("taxDifference", Amount),
        needed("premium", Amount),
        needed("tax", Amount),
        needed("ratedPremium", Amount),
        needed("queriedAt", Instant),
        optional("confirmedAt", Instant),
        optional("endorsementNo", Text),
        optional("moneyAmount", Amount),
        optional("moneyReference", Text),
        optional("moneyPaidAt", Instant),
    ],
    count: |tx, selection| export_rows::count_endorsements(tx, selection).boxed(),
    page: |tx, selection, span| {
        async move {
            let rows = crate::store::endorsement::page(tx, selection, span).await?;
            let key = |row: &ExportedEndorsement| Key {
                at: row.record.queried_at,
                number: row.record.amend_no.to_string(),
                sequence: 0,
            };
            Ok(Page::of(rows, key, |row, opener| {
                let (record, as_of) = (row.record, opener.selection.as_of);
                let corrupt = || ProductionError::Corrupt("endorsement");
                let stage = record.stage_at(as_of).ok_or_else(corrupt)?;
                let confirmed_at = match stage {
                    Stage::Confirmed { at, .. } => Some(at),
                    _ => None,
                };
                let money = record.money.as_ref().filter(|money| money.recorded_at <= as_of);
                let money = money.map(|money| &money.payment);
                Ok(vec![
                    record.amend_no.to_string().into(),
                    confirmed_at
                        .and(record.amend_confirm_no)
                        .map(|number| number.to_string())
                        .into(),
                    record.confirm_no.to_string().into(),
                    row.class.into(),
                    row.policy_no.into(),
                    row.region.into(),
                    record.terms.kind.code().into(),
                    record.terms.kind.name_zh().into(),
                    record.terms.endorse_times.into(),
                    stage.name().into(),
                    record.reason.into(),
                    record.ending.map(|reason| reason.code()).into(),
                    record.terms.effective.into(),
                    record.terms.difference.premium.into(),
                    record.terms.difference.tax.into(),
                    record.after.premium.into(),
                    record.after.tax.into(),
                    record.after.rated_premium.into(),
                    record.queried_at.into(),
                    confirmed_at.into(),
                    confirmed_at.and(record.endorsement_no).into(),
                    money.map(|payment| payment.amount).into(),
                    money.map(|payment| payment.reference.clone()).into(),
                    money.map(|payment| payment.paid_at).into(),
                ])
            }))
        }
        .boxed()
    },
};

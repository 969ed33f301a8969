//! Steps of claims, as they were taken: with the insurer's own numbers, and what each put into the
//! books. Whom it was about and who was paid stays in the sealed message.

use futures::FutureExt;

use crate::error::ProductionError;
use crate::export::kinds::{Descriptor, Page};
use crate::export::table::ColumnType::{Amount, Instant, Text, Whole};
use crate::export::table::{needed, optional};
use crate::lookup::claims::check_code;
use crate::store::claim_lookup::stored_facts;
use crate::store::export_rows;

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    columns: &[
        needed("claimCode", Text),
        needed("sequence", Whole),
        needed("class", Text),
        needed("policyNo", Text),
        needed("reportNo", Text),
        needed("region", Text),
        needed("step", Text),
        needed("businessNo", Text),
        needed("round", Whole),
        needed("standing", Text),
        needed("occurredAt", Instant),
        needed("recordedAt", Instant),
        needed("client", Text),
        optional("amount", Amount),
        optional("closingCheckCode", Text),
    ],
    count: |tx, selection| export_rows::count_claim_steps(tx, selection).boxed(),
    page: |tx, selection, span| {
        async move {
            let rows = export_rows::claim_steps(tx, selection, span).await?;
            Ok(Page::of(rows, export_rows::ClaimStepRow::key, |row, _| {
                let facts = stored_facts(&row.facts)?;
                let check_code: Option<Result<_, ProductionError>> =
                    row.closing_answer.as_deref().map(check_code);
                Ok(vec![
                    row.claim_no.into(),
                    row.sequence.into(),
                    row.class.into(),
                    row.policy_no.into(),
                    row.report_no.into(),
                    row.region.into(),
                    facts.step().name_en().into(),
                    row.business_no.into(),
                    row.round.into(),
                    row.standing.into(),
                    row.occurred_at.to_jiff().into(),
                    row.recorded_at.to_jiff().into(),
                    row.client.into(),
                    facts.amount().into(),
                    check_code.transpose()?.flatten().into(),
                ])
            }))
        }
        .boxed()
    },
};

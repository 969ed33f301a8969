//! A step of a claim as rows of the record: how the case stands, what moved of its money and of
//! what it is still expected to cost, in all and by cover.

use analytics::market::{ClaimRow, CoverLossRow, Dimensions, PaymentRow, ReserveRow, Rows};
use kernel::Fen;
use production_core::claim::{Case, CoverCost, CoverCosts, Stage, StepFacts};
use production_core::cover::CoverRequest;
use production_core::history::PolicyClass;
use production_core::vehicle::VehicleFacts;

use crate::error::ProductionError;
use crate::store::changes::{Sale, WrittenStep};
use crate::store::claim_lookup::stored_facts;

const CORRUPT: ProductionError = ProductionError::Corrupt("claim step");

/// Adds the rows of a step. `sale` is absent of a policy that is told without channel and covers;
/// `covers` is JSON of those it held at the accident.
pub(super) fn add(
    row: WrittenStep,
    sale: Option<&Sale>,
    covers: &str,
    rows: &mut Rows,
) -> Result<(), ProductionError> {
    let told: Vec<StepFacts> =
        row.told.iter().map(|text| stored_facts(text)).collect::<Result<_, _>>()?;
    let class = PolicyClass::parse(&row.class).map_err(|_| CORRUPT)?;
    let (_, earlier) = told.split_last().ok_or(CORRUPT)?;
    let before = Case::replay(class, earlier).map_err(|_| CORRUPT)?;
    let case = Case::replay(class, &told).map_err(|_| CORRUPT)?.ok_or(CORRUPT)?;
    let vehicle: VehicleFacts = serde_json::from_str(&row.vehicle).map_err(|_| CORRUPT)?;
    let moved = |now: Fen, of: fn(&Case) -> Option<Fen>| {
        let was = before.as_ref().map_or(Some(Fen::ZERO), of)?;
        now.minus(was).map(|moved| moved.0)
    };
    let outstanding = case.outstanding().ok_or(CORRUPT)?;
    let paid_fen = moved(case.paid, |case| Some(case.paid)).ok_or(CORRUPT)?;
    let recovered_fen = moved(case.recovered, |case| Some(case.recovered)).ok_or(CORRUPT)?;
    let outstanding_fen = moved(outstanding, Case::outstanding).ok_or(CORRUPT)?;
    let counts = |case: &Case| i64::from(case.stage != Stage::Cancelled);
    let counted = counts(&case) - before.as_ref().map_or(0, counts);

    let sequence = i64::from(row.sequence);
    let recorded_at = row.recorded_at.to_jiff();
    let occurred_at = row.occurred_at.to_jiff();
    let accident_at = case.notify.accident_at;
    let of = Dimensions {
        tenant_id: row.tenant_id.to_string(),
        insurer: row.insurer,
        region: row.region,
        class: row.class,
        usage: vehicle.usage.code().to_owned(),
        fuel: vehicle.fuel.code().to_owned(),
        category: vehicle.category.code().to_owned(),
    };
    let channel = sale.and_then(|sale| sale.channel.clone());
    if sale.is_some() {
        let held: Vec<CoverRequest> = serde_json::from_str(covers).map_err(|_| CORRUPT)?;
        let now = case.by_cover(&told, &held).ok_or(CORRUPT)?;
        let was = match &before {
            Some(before) => before.by_cover(earlier, &held).ok_or(CORRUPT)?,
            None => CoverCosts::new(),
        };
        for (cover, cost) in moved_by_cover(now, &was).ok_or(CORRUPT)? {
            rows.cover_losses.push(CoverLossRow {
                of: of.clone(),
                channel: channel.clone(),
                cover: cover.map(|cover| cover.code().to_owned()),
                claim_no: row.claim_no.clone(),
                sequence,
                confirm_no: row.confirm_no.clone(),
                accident_at,
                changed_at: occurred_at,
                recorded_at,
                paid_fen: cost.paid.0,
                recovered_fen: cost.recovered.0,
                outstanding_fen: cost.outstanding.0,
                counted: cost.counted,
            });
        }
    }
    if (paid_fen, recovered_fen) != (0, 0) {
        rows.payments.push(PaymentRow {
            of: of.clone(),
            claim_no: row.claim_no.clone(),
            sequence,
            confirm_no: row.confirm_no.clone(),
            accident_at,
            paid_at: occurred_at,
            recorded_at,
            paid_fen,
            recovered_fen,
            channel: channel.clone(),
        });
    }
    if outstanding_fen != 0 {
        rows.reserves.push(ReserveRow {
            of: of.clone(),
            claim_no: row.claim_no.clone(),
            sequence,
            confirm_no: row.confirm_no.clone(),
            accident_at,
            changed_at: occurred_at,
            recorded_at,
            outstanding_fen,
            channel: channel.clone(),
        });
    }
    rows.claims.push(ClaimRow {
        of,
        claim_no: row.claim_no,
        sequence,
        confirm_no: row.confirm_no,
        step: row.step,
        standing: row.standing,
        accident_at,
        reported_at: case.notify.reported_at,
        occurred_at,
        recorded_at,
        stage: case.stage.name().to_owned(),
        round: i64::from(case.round),
        liability: case.liability().code().to_owned(),
        closed_at: case.closing().map(|closing| closing.at),
        total_fen: case.closing().map(|closing| closing.total.0),
        paid_fen: case.paid.0,
        recovered_fen: case.recovered.0,
        outstanding_fen: outstanding.0,
        counted,
        channel,
    });
    Ok(())
}

/// What a step moved of what the case costs by cover; covers it left alone are left out.
fn moved_by_cover(mut now: CoverCosts, was: &CoverCosts) -> Option<CoverCosts> {
    for (cover, was) in was {
        let own = now.entry(*cover).or_default();
        own.paid = own.paid.minus(was.paid)?;
        own.recovered = own.recovered.minus(was.recovered)?;
        own.outstanding = own.outstanding.minus(was.outstanding)?;
        own.counted -= was.counted;
    }
    now.retain(|_, cost| *cost != CoverCost::default());
    Some(now)
}

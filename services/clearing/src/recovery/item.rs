//! Agreed amounts: handed to settlement, followed to the money, told to the claim.

use std::collections::HashMap;

use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Scope, Tx};
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::RecoveryStatus;
use production_core::number::PlatformNumber;
use uuid::Uuid;

use super::review::Outcome;
use super::store::{self, RecoveryRow};
use crate::error::ClearingError;
use crate::settlement::{self, ItemDraft, ItemKind, ItemStage};
use crate::{Clearing, HOUSE};

/// Items looked at in one go.
const PAGE: i64 = 200;

/// Money of a recovery that came, and whose claim has not learnt of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Names the item; the same however often it is told.
    pub item_id: Uuid,
    /// 结算码.
    pub recovery_code: PlatformNumber,
    /// Its round.
    pub round: i32,
    /// Whose claim.
    pub tenant: TenantId,
    /// The claim.
    pub claim_no: PlatformNumber,
    /// From which cover of the liable side.
    pub from: RecoveryFrom,
    /// How much.
    pub amount: Fen,
    /// What it settles, where a flat amount was paid instead.
    pub settles: Option<Fen>,
}

/// Hands an amount both sides stand by to settlement, in the transaction in which they came to it.
/// Nothing is posted of nothing (status 6).
pub(super) async fn post(
    tx: &mut Tx,
    row: &RecoveryRow,
    outcome: &Outcome,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let Some(item_id) = outcome.item_id else { return Ok(()) };
    let kind = match outcome {
        Outcome { flat: Some(_), .. } => ItemKind::FlatRate,
        Outcome { awarded: true, .. } => ItemKind::Arbitration,
        Outcome { .. } => ItemKind::Recovery,
    };
    let draft = ItemDraft {
        item_id,
        kind,
        reference: row.code.to_string(),
        payer: row.liable.tenant,
        payer_insurer: row.liable.code.as_str().to_owned(),
        payee: row.recovering.tenant,
        payee_insurer: row.recovering.code.as_str().to_owned(),
        cover: row.facts.cover,
        region: row.region.clone(),
        amount: outcome.amount,
        claim_codes: [Some(row.claim_no), row.facts.claim_no]
            .into_iter()
            .flatten()
            .map(|number| number.to_string())
            .collect(),
    };
    tx.work_also_for([HOUSE, row.liable.tenant, row.recovering.tenant]).await?;
    settlement::post(tx, &[draft], now, ids).await?;
    store::insert_item(tx, row.code, (item_id, outcome), now).await
}

/// Where codes stand, with what settlement made of their agreed amounts.
pub(super) async fn statuses(
    tx: &mut Tx,
    rows: &[RecoveryRow],
) -> Result<HashMap<PlatformNumber, RecoveryStatus>, ClearingError> {
    let items = |row: &RecoveryRow| -> Vec<Uuid> {
        row.life.outcomes.iter().filter_map(|outcome| outcome.item_id).collect()
    };
    let asked: Vec<Uuid> = rows.iter().flat_map(items).collect();
    let standings = settlement::standing(tx, &asked).await?;
    let stages: HashMap<Uuid, ItemStage> =
        standings.into_iter().map(|standing| (standing.item_id, standing.stage)).collect();
    let status = |row: &RecoveryRow| {
        let found = items(row).into_iter().filter_map(|item| stages.get(&item).copied());
        (row.code, status(row.life.status(), found))
    };
    Ok(rows.iter().map(status).collect())
}

/// The status of a code whose items stand at these stages: that of the one that is least far.
fn status(agreed: RecoveryStatus, stages: impl IntoIterator<Item = ItemStage>) -> RecoveryStatus {
    if agreed != RecoveryStatus::WaitingForSettlement {
        return agreed;
    }
    let of = |stage| match stage {
        // Out of its cycle, it waits for the next one.
        ItemStage::Open | ItemStage::Disputed | ItemStage::Left => {
            (0, RecoveryStatus::WaitingForSettlement)
        }
        ItemStage::Closed | ItemStage::StatementSent => (1, RecoveryStatus::Settling),
        ItemStage::Confirmed | ItemStage::FundsOrdered => (2, RecoveryStatus::WaitingForPayment),
        ItemStage::Settled => (3, RecoveryStatus::Finished),
        ItemStage::Reversed => (4, RecoveryStatus::Void),
    };
    let least = stages.into_iter().map(of).min_by_key(|(how_far, _)| *how_far);
    least.map_or(agreed, |(_, status)| status)
}

/// What came of the items of these whose cycle is settled: their amount less what was taken back.
async fn settled(tx: &mut Tx, items: &[Uuid]) -> Result<HashMap<Uuid, Fen>, ClearingError> {
    let standings = settlement::standing(tx, items).await?;
    let settled = standings.into_iter().filter(|standing| standing.stage == ItemStage::Settled);
    Ok(settled.map(|standing| (standing.item_id, standing.reversed)).collect())
}

impl Clearing {
    /// Money that came and whose claims have not learnt of it, oldest agreement first.
    pub async fn recoveries_to_tell(&self) -> Result<Vec<Received>, ClearingError> {
        let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store::untold(&mut tx, after, PAGE).await?;
            let Some((at, last)) = page.last() else { return Ok(found) };
            after = Some((*at, last.item_id));
            let ids: Vec<Uuid> = page.iter().map(|(_, item)| item.item_id).collect();
            let settled = settled(&mut tx, &ids).await?;
            for (_, item) in page {
                let Some(&reversed) = settled.get(&item.item_id) else { continue };
                let amount = Fen(item.amount.0.saturating_sub(reversed.0));
                // What was taken back in part settles what is left of it.
                let taken_back = reversed != Fen::ZERO;
                let settles = item.settles.map(|it| if taken_back { it.min(amount) } else { it });
                found.push(Received {
                    item_id: item.item_id,
                    recovery_code: item.code,
                    round: item.round,
                    tenant: item.recovering_tenant,
                    claim_no: item.claim_no,
                    from: item.from,
                    amount,
                    settles,
                });
            }
        }
    }

    /// Notes that the claim of an item learnt of its money. Safe to repeat.
    pub async fn recovery_told(&self, item_id: Uuid, now: Timestamp) -> Result<(), ClearingError> {
        let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
        store::mark_told(&mut tx, item_id, now).await?;
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_where_the_item_that_is_least_far_does() {
        use ItemStage::{Closed, Confirmed, Left, Open, Reversed, Settled};
        let rows: [(&[ItemStage], &str); 7] = [
            (&[], "4"),
            (&[Open], "4"),
            (&[Closed], "7"),
            (&[Confirmed], "10"),
            (&[Settled], "8"),
            // The supplement is settled with a later cycle; what left its cycle waits again.
            (&[Settled, Open], "4"),
            (&[Reversed, Left], "4"),
        ];
        for (stages, expected) in rows {
            let status = status(RecoveryStatus::WaitingForSettlement, stages.iter().copied());
            assert_eq!(status.code(), expected, "{stages:?}");
        }
        assert_eq!(status(RecoveryStatus::Zero, []), RecoveryStatus::Zero);
    }
}

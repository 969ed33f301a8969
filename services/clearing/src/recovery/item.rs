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
use super::store::reversal::Reversal;
use super::store::{self, RecoveryRow, UntoldItem};
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

/// What of `settles`, of an agreed `amount`, counts as recovered when so much was taken back: what is
/// left of the amount settles no more than itself.
fn settles_then(settles: Fen, amount: Fen, taken_back: Fen) -> Fen {
    let left = Fen(amount.0.saturating_sub(taken_back.0));
    if taken_back == Fen::ZERO { settles } else { settles.min(left) }
}

/// Money of a recovery that was taken back after its claim had learnt that it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// Names the item that takes it back; the same however often it is told.
    pub reversal_id: Uuid,
    /// The item it takes back.
    pub item_id: Uuid,
    /// Counted from 1 among all that take back of the same item.
    pub number: i32,
    /// 结算码.
    pub recovery_code: PlatformNumber,
    /// Its round.
    pub round: i32,
    /// Whose claim.
    pub tenant: TenantId,
    /// The claim.
    pub claim_no: PlatformNumber,
    /// From which cover of the liable side it had come.
    pub from: RecoveryFrom,
    /// How much.
    pub amount: Fen,
    /// What no longer counts as recovered, where a flat amount was paid instead.
    pub settles: Option<Fen>,
}

impl Clearing {
    /// Money that came and whose claims have not learnt of it, oldest agreement first.
    ///
    /// Decides for each how much that is, less what was taken back until now, and keeps it: told again,
    /// it is the same. What is taken back later is in [`Clearing::reversals_to_tell`].
    pub async fn recoveries_to_tell(&self, now: Timestamp) -> Result<Vec<Received>, ClearingError> {
        let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
        let taken_back = store::reversal::unknown(&mut tx).await?;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store::untold(&mut tx, after, PAGE).await?;
            let Some((at, last)) = page.last() else { break };
            after = Some((*at, last.item_id));
            let ids: Vec<Uuid> = page.iter().map(|(_, item)| item.item_id).collect();
            let standings = settlement::standing(&mut tx, &ids).await?;
            let stages: HashMap<Uuid, ItemStage> =
                standings.into_iter().map(|standing| (standing.item_id, standing.stage)).collect();
            for (_, item) in page {
                let of_item: Vec<&Reversal> = taken_back
                    .iter()
                    .filter(|reversal| reversal.of.item_id == item.item_id)
                    .collect();
                let tells = match (item.tells, stages.get(&item.item_id)) {
                    (Some(tells), _) => Some(tells),
                    (None, Some(ItemStage::Settled | ItemStage::Reversed)) => {
                        decide(&mut tx, &item, &of_item, now).await?
                    }
                    (None, _) => None,
                };
                let Some(amount) = tells.filter(|tells| Fen::ZERO < *tells) else { continue };
                let left_out = Fen(item.amount.0.saturating_sub(amount.0));
                found.push(Received {
                    item_id: item.item_id,
                    recovery_code: item.code,
                    round: item.round,
                    tenant: item.recovering_tenant,
                    claim_no: item.claim_no,
                    from: item.from,
                    amount,
                    settles: item.settles.map(|it| settles_then(it, item.amount, left_out)),
                });
            }
        }
        tx.commit().await?;
        Ok(found)
    }

    /// Notes that the claim of an item learnt of its money. Safe to repeat.
    pub async fn recovery_told(&self, item_id: Uuid, now: Timestamp) -> Result<(), ClearingError> {
        let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
        store::mark_told(&mut tx, item_id, now).await?;
        Ok(tx.commit().await?)
    }

    /// Money that was taken back after its claims learnt that it came, in the order it was posted.
    pub async fn reversals_to_tell(&self) -> Result<Vec<TakenBack>, ClearingError> {
        let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
        let unknown = store::reversal::unknown(&mut tx).await?.into_iter();
        Ok(unknown
            .filter(|reversal| reversal.is_told)
            .map(|Reversal { reversal_id, amount, number, before, of, .. }| {
                let after = Fen(before.0.saturating_add(amount.0));
                let settles = of.settles.map(|settles| {
                    let then = |taken_back| settles_then(settles, of.amount, taken_back).0;
                    Fen(then(before) - then(after))
                });
                TakenBack {
                    reversal_id,
                    item_id: of.item_id,
                    number,
                    recovery_code: of.code,
                    round: of.round,
                    tenant: of.recovering_tenant,
                    claim_no: of.claim_no,
                    from: of.from,
                    amount,
                    settles,
                }
            })
            .collect())
    }

    /// Notes that a claim learnt of what was taken back. Safe to repeat.
    pub async fn reversal_told(
        &self,
        taken_back: &TakenBack,
        now: Timestamp,
    ) -> Result<(), ClearingError> {
        let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
        store::reversal::know(&mut tx, taken_back.reversal_id, taken_back.item_id, now).await?;
        Ok(tx.commit().await?)
    }
}

/// Decides what the claim of a settled item is told that came: its amount less what was taken back
/// until now, of which it is not told again. Nothing came of what was taken back as a whole. `None` when
/// another server has just decided it.
async fn decide(
    tx: &mut Tx,
    item: &UntoldItem,
    taken_back: &[&Reversal],
    now: Timestamp,
) -> Result<Option<Fen>, ClearingError> {
    let sum = Fen::sum(taken_back.iter().map(|reversal| reversal.amount));
    let tells = sum.and_then(|sum| item.amount.minus(sum));
    let tells = tells.ok_or(ClearingError::Corrupt("reversals of an item"))?;
    if !store::reversal::decide(tx, item.item_id, tells).await? {
        return Ok(None);
    }
    for reversal in taken_back {
        store::reversal::know(tx, reversal.reversal_id, item.item_id, now).await?;
    }
    if tells == Fen::ZERO {
        store::mark_told(tx, item.item_id, now).await?;
    }
    Ok(Some(tells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_flat_amount_settles_no_more_than_itself() {
        // 2,400.00 were paid in place of a loss of 3,000.00, then of 2,000.00.
        let table = [(300_000, [300_000, 200_000, 0]), (200_000, [200_000, 200_000, 0])];
        for (settles, expected) in table {
            let then = |back| settles_then(Fen(settles), Fen(240_000), Fen(back)).0;
            assert_eq!([0, 40_000, 240_000].map(then), expected);
        }
    }

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

//! Items that leave a closed cycle, come back into another, or are taken back later.

use std::collections::BTreeSet;

use clearing_ledger::{
    Action, Amount, Chain, Currency, CycleId, Movement, Purpose, Reason, Reference, Transfer,
    TransferId,
};
use crypto::SigningKey;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::Tx;
use production_core::coded_enum;
use uuid::Uuid;

use super::cycle::{Cycle, CycleStage};
use super::item::{Item, ItemDraft, ItemKind, Origin};
use super::netting::counterparties;
use super::post::post_from;
use super::standing::DepartureCause;
use super::{Parties, account_of, milestone, named, statement, store};
use crate::error::{self, ClearingError};
use crate::ledger;

coded_enum! {
    /// Why an item is disputed.
    pub enum DisputeReason ("reason of a dispute") {
        Unknown = "unknown", "无此案件", "we know nothing of this case";
        Amount = "amount", "金额不符", "not the amount both sides agreed";
        Paid = "paid", "已支付", "paid already by another route";
        Party = "party", "非责任方", "we are not the liable insurer";
        Void = "void", "结算码已作废", "the settlement code was void";
        Other = "other", "其他", "another reason, in the note";
    }
}

/// Why an item left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    /// Which.
    pub item: Uuid,
    /// In short.
    pub cause: DepartureCause,
    /// Who disputed it, or who failed.
    pub participant: TenantId,
    /// As a code.
    pub reason: String,
    /// In words.
    pub note: String,
}

/// One item a participant does not agree with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// Which.
    pub item: Uuid,
    /// Why.
    pub reason: DisputeReason,
    /// In words.
    pub note: String,
}

/// Takes disputed items out of a cycle whose statements were sent; the rest is netted anew and both
/// sides of each get a new revision. Only until the participant agreed to its statement, or the
/// time to do so is over.
pub async fn dispute(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
    disputes: &[Dispute],
    now: Timestamp,
    (ids, key): (&Ids, &SigningKey),
) -> Result<Vec<Item>, ClearingError> {
    let cycle = store::cycle::lock_cycle(tx, cycle).await?;
    cycle.must_be(&[CycleStage::Stated], "dispute items of")?;
    let told = store::statement::standings(tx, cycle.id).await?;
    let told = told.into_iter().find(|told| told.participant == participant);
    let told = told.ok_or_else(|| ClearingError::not_found("statement of cycle", cycle.id))?;
    if told.manner.is_some() || cycle.confirm_by(told.sent_at) <= now {
        let detail = "the statement was agreed to, or the time to dispute it is over";
        return Err(ClearingError::refused(&error::TOO_LATE, detail));
    }
    let asked: BTreeSet<Uuid> = disputes.iter().map(|dispute| dispute.item).collect();
    let found = store::items(tx, &asked.iter().copied().collect::<Vec<_>>()).await?;
    let own = |item: &&Item| {
        item.cycle == cycle.id && [item.draft.payer, item.draft.payee].contains(&participant)
    };
    let items: Vec<Item> = found.iter().filter(own).cloned().collect();
    if let Some(unknown) = asked.iter().find(|id| items.iter().all(|i| i.draft.item_id != **id)) {
        return Err(ClearingError::not_found("item of this cycle", unknown));
    }
    let gone = store::departure::of_items(tx, &asked).await?;
    if let Some(gone) = gone.first() {
        let detail = format!("item {} has left the cycle already", gone.item);
        return Err(ClearingError::refused(&error::ITEM_LEFT, detail));
    }
    let departures = disputes.iter().map(|dispute| Departure {
        item: dispute.item,
        cause: DepartureCause::Disputed,
        participant,
        reason: dispute.reason.code().to_owned(),
        note: dispute.note.clone(),
    });
    let departures: Vec<Departure> = departures.collect();
    let corrections = items.iter().map(correction).collect::<Result<Vec<_>, _>>()?;
    submit(tx, &corrections, now, ids).await?;
    store::departure::take_from_pairs(tx, &items).await?;
    store::departure::insert(tx, cycle.id, &departures, now).await?;
    let affected: Parties =
        items.iter().flat_map(|item| [item.draft.payer, item.draft.payee]).collect();
    milestone::disputed(tx, &cycle, participant, (&items, disputes), now, ids).await?;
    statement::restate(tx, &cycle, &affected, now, (ids, key)).await?;
    Ok(items)
}

/// Takes everything of a participant out of a cycle, pair by pair, and nets the rest anew. What
/// others agreed to is not asked again: they agreed to this rule with the scheme.
pub(super) async fn unwind(
    tx: &mut Tx,
    cycle: &Cycle,
    participant: TenantId,
    note: &str,
    now: Timestamp,
    (ids, key): (&Ids, &SigningKey),
) -> Result<(), ClearingError> {
    let pairs = store::pairs(tx, cycle.id).await?;
    let mut affected = counterparties(&pairs, participant);
    affected.insert(participant);
    let own = pairs
        .iter()
        .filter(|pair| [pair.payer, pair.payee].contains(&participant) && Fen(0) < pair.amount);
    let position = |participant| account_of(participant, Purpose::Position, Some(cycle.id));
    let mut reverse = Vec::new();
    for pair in own {
        let mut name = b"clearing.unwind/".to_vec();
        for part in [cycle.id.0, pair.payer.0, pair.payee.0] {
            name.extend_from_slice(part.as_bytes());
        }
        name.extend_from_slice(pair.cover.code().as_bytes());
        let movement = Movement {
            debit: position(pair.payee),
            credit: position(pair.payer),
            amount: pair.amount,
            currency: Currency::CNY,
        };
        reverse.push(transfer(named(&name), Action::Post(movement), "cycle.unwind", cycle)?);
    }
    submit(tx, &reverse, now, ids).await?;
    store::departure::insert_all_of(tx, cycle.id, participant, note, now).await?;
    store::departure::empty_pairs_of(tx, cycle.id, participant).await?;
    let sent = statement::restate(tx, cycle, &affected, now, (ids, key)).await?;
    let agreed: Vec<(TenantId, i32)> =
        sent.iter().map(|statement| (statement.participant, statement.revision)).collect();
    store::statement::insert_confirmations(tx, cycle.id, &agreed, "unwound", "commonwheel", now)
        .await?;
    milestone::agreed(tx, cycle, &agreed, "unwound", now, ids).await
}

/// Puts an item that left its cycle into the one that is open now. Who disputed it does so to
/// withdraw the dispute; `None` is the operator, for what was unwound.
pub async fn put_in_again(
    tx: &mut Tx,
    item: Uuid,
    participant: Option<TenantId>,
    now: Timestamp,
    ids: &Ids,
) -> Result<Item, ClearingError> {
    let unknown = || ClearingError::not_found("item that left its cycle", item);
    let left =
        store::departure::of_items(tx, &BTreeSet::from([item])).await?.pop().ok_or_else(unknown)?;
    let original = store::items(tx, &[item]).await?.pop().ok_or_else(unknown)?;
    if let Some(participant) = participant
        && (left.participant != participant || left.cause != DepartureCause::Disputed)
    {
        if [original.draft.payer, original.draft.payee].contains(&participant) {
            let detail = "only who disputed the item withdraws the dispute";
            return Err(ClearingError::refused(&error::NOT_YOURS, detail));
        }
        return Err(unknown());
    }
    let mut name = b"clearing.again/".to_vec();
    name.extend_from_slice(item.as_bytes());
    let draft = ItemDraft { item_id: named(&name), ..original.draft };
    let posted = post_from(tx, vec![(draft, Origin::Again(item))], now, ids).await?;
    let posted = posted.into_iter().next().ok_or(ClearingError::Corrupt("item"))?;
    milestone::reposted(tx, "clearing.settlement.item_put_in_again", &posted, now, ids).await?;
    Ok(posted)
}

/// Takes back an item that should not have been (冲正), or part of it: by a new item the other way
/// round in the cycle that is open now. `amount` of `None` is what is left of it. `reversal` names
/// the new item.
pub async fn reverse(
    tx: &mut Tx,
    item: Uuid,
    reversal: Uuid,
    amount: Option<Fen>,
    now: Timestamp,
    ids: &Ids,
) -> Result<Item, ClearingError> {
    store::departure::lock_item(tx, item).await?;
    let original = store::items(tx, &[item]).await?.pop();
    let original = original.ok_or_else(|| ClearingError::not_found("item", item))?;
    if let Some(before) = store::items(tx, &[reversal]).await?.pop() {
        let same = before.origin == Origin::Reverses(item)
            && amount.is_none_or(|amount| amount == before.draft.amount);
        let detail = format!("item {reversal} was posted with another content");
        return if same {
            Ok(before)
        } else {
            Err(ClearingError::refused(&error::ITEM_TAKEN, detail))
        };
    }
    if original.draft.kind == ItemKind::Reversal {
        let detail = "a reversal is not reversed: post the item anew";
        return Err(ClearingError::refused(&error::NOT_REVERSIBLE, detail));
    }
    if !store::departure::of_items(tx, &BTreeSet::from([item])).await?.is_empty() {
        let detail = format!("item {item} left its cycle: there is nothing to take back");
        return Err(ClearingError::refused(&error::NOT_REVERSIBLE, detail));
    }
    let taken_back = store::departure::reversed(tx, item).await?;
    let left = original.draft.amount.minus(taken_back);
    let left = left.ok_or(ClearingError::Corrupt("reversals of an item"))?;
    let amount = amount.unwrap_or(left);
    if amount <= Fen(0) || left < amount {
        let detail = format!("{left} yuan of item {item} are left to take back");
        return Err(ClearingError::refused(&error::NOT_REVERSIBLE, detail));
    }
    let draft = ItemDraft {
        item_id: reversal,
        kind: ItemKind::Reversal,
        payer: original.draft.payee,
        payer_insurer: original.draft.payee_insurer.clone(),
        payee: original.draft.payer,
        payee_insurer: original.draft.payer_insurer.clone(),
        amount,
        ..original.draft
    };
    let posted = post_from(tx, vec![(draft, Origin::Reverses(item))], now, ids).await?;
    let posted = posted.into_iter().next().ok_or(ClearingError::Corrupt("item"))?;
    milestone::reposted(tx, "clearing.settlement.item_reversed", &posted, now, ids).await?;
    Ok(posted)
}

/// Takes an item's transfer back in the ledger.
fn correction(item: &Item) -> Result<Chain, ClearingError> {
    let mut name = b"clearing.departure/".to_vec();
    name.extend_from_slice(item.draft.item_id.as_bytes());
    let original = TransferId(item.draft.item_id);
    let action = Action::Correct { original, amount: Amount::All };
    Ok(Chain::one(Transfer {
        id: TransferId(named(&name)),
        action,
        reason: Reason::parse("item.disputed").map_err(|_| ClearingError::Corrupt("reason"))?,
        reference: Reference::parse(&item.draft.reference)
            .map_err(|_| ClearingError::Corrupt("reference"))?,
    }))
}

/// A transfer that settles a cycle or takes something out of it; its reference is the cycle.
pub(super) fn transfer(
    id: Uuid,
    action: Action,
    reason: &str,
    cycle: &Cycle,
) -> Result<Chain, ClearingError> {
    Ok(Chain::one(Transfer {
        id: TransferId(id),
        action,
        reason: Reason::parse(reason).map_err(|_| ClearingError::Corrupt("reason"))?,
        reference: Reference::parse(&cycle.id.to_string())
            .map_err(|_| ClearingError::Corrupt("reference"))?,
    }))
}

/// Does transfers that the rules of settlement call for: a refusal refuses the whole step.
pub(super) async fn submit(
    tx: &mut Tx,
    chains: &[Chain],
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    for outcome in ledger::settle(tx, chains, now, ids).await?.into_iter().flatten() {
        if let Err(refusal) = outcome {
            return Err(ClearingError::refused(&error::NOT_POSTED, refusal.to_string()));
        }
    }
    Ok(())
}

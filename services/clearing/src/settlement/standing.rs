//! Where items stand: derived from what became of their cycles, never stored.

use clearing_ledger::CycleId;
use kernel::Fen;
use pg::Tx;
use production_core::coded_enum;
use uuid::Uuid;

use super::item::{Item, Origin};
use super::store;
use crate::error::ClearingError;

coded_enum! {
    /// How far an item has come.
    pub enum ItemStage ("stage of an item") {
        Open = "open", "归集中", "in an open cycle";
        Closed = "closed", "已截止", "its cycle is closed";
        StatementSent = "statement_sent", "已发对账单", "both sides were told";
        Confirmed = "confirmed", "双方已确认", "both sides agreed to their statements";
        FundsOrdered = "funds_ordered", "已发划款指令", "money was ordered for its cycle";
        Settled = "settled", "已清算", "its cycle is settled";
        Disputed = "disputed", "有争议", "one side disputed it; it left its cycle";
        Left = "left", "已撤出", "it left its cycle because a participant failed";
        Reversed = "reversed", "已冲正", "taken back as a whole by later items";
    }
}

coded_enum! {
    /// Why an item left its cycle.
    pub enum DepartureCause ("cause of departure") {
        Disputed = "disputed", "争议", "one side disputed it";
        Unwound = "unwound", "违约撤出", "a participant of it did not pay";
    }
}

/// Where an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemStanding {
    /// The item that was asked for.
    pub item_id: Uuid,
    /// The one whose standing this is: the item itself, or the last that was put in again for it
    /// after it had left its cycle.
    pub current: Uuid,
    /// The cycle of `current`.
    pub cycle: CycleId,
    /// How far it has come.
    pub stage: ItemStage,
    /// How much of it later items took back.
    pub reversed: Fen,
}

/// What decides the stage of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) left: Option<DepartureCause>,
    pub(super) reversed_whole: bool,
    pub(super) closed: bool,
    pub(super) stated: bool,
    pub(super) both_confirmed: bool,
    pub(super) funds_ordered: bool,
    pub(super) settled: bool,
}

/// The stage these facts mean: what took an item out comes first, then how far its cycle is.
pub(super) fn stage(facts: Facts) -> ItemStage {
    match facts {
        Facts { left: Some(DepartureCause::Disputed), .. } => ItemStage::Disputed,
        Facts { left: Some(DepartureCause::Unwound), .. } => ItemStage::Left,
        Facts { reversed_whole: true, .. } => ItemStage::Reversed,
        Facts { settled: true, .. } => ItemStage::Settled,
        Facts { funds_ordered: true, .. } => ItemStage::FundsOrdered,
        Facts { both_confirmed: true, .. } => ItemStage::Confirmed,
        Facts { stated: true, .. } => ItemStage::StatementSent,
        Facts { closed: true, .. } => ItemStage::Closed,
        _ => ItemStage::Open,
    }
}

/// An item the transaction may see, and behind it those it puts in again or takes back: the last is
/// the one that business posted.
pub(crate) async fn followed(tx: &mut Tx, item_id: Uuid) -> Result<Vec<Item>, ClearingError> {
    let mut found: Vec<Item> = Vec::new();
    let mut next = Some(item_id);
    while let Some(id) = next {
        let item = store::items(tx, &[id]).await?.pop();
        let item = item.ok_or_else(|| ClearingError::not_found("item", id))?;
        next = match item.origin {
            Origin::New => None,
            Origin::Reverses(before) | Origin::Again(before) => Some(before),
        };
        found.push(item);
    }
    Ok(found)
}

/// Where items stand, in the order of `items`; one that is unknown, or that the transaction may not
/// see, is left out.
pub async fn standing(tx: &mut Tx, items: &[Uuid]) -> Result<Vec<ItemStanding>, ClearingError> {
    let mut found = store::standings(tx, items).await?;
    let place = |id: &Uuid| items.iter().position(|asked| asked == id);
    found.sort_by_key(|standing| place(&standing.item_id));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_stands_where_its_cycle_does_unless_it_was_taken_out() {
        use DepartureCause::{Disputed, Unwound};
        let open = Facts::default();
        let closed = Facts { closed: true, ..open };
        let stated = Facts { stated: true, ..closed };
        let confirmed = Facts { both_confirmed: true, ..stated };
        let ordered = Facts { funds_ordered: true, ..confirmed };
        let settled = Facts { settled: true, ..ordered };
        let reversed = Facts { reversed_whole: true, ..settled };
        let cases = [
            (open, ItemStage::Open),
            (closed, ItemStage::Closed),
            (stated, ItemStage::StatementSent),
            (confirmed, ItemStage::Confirmed),
            (ordered, ItemStage::FundsOrdered),
            (settled, ItemStage::Settled),
            (reversed, ItemStage::Reversed),
            (Facts { left: Some(Unwound), ..reversed }, ItemStage::Left),
            (Facts { left: Some(Disputed), ..stated }, ItemStage::Disputed),
        ];
        for (facts, expected) in cases {
            assert_eq!(stage(facts), expected);
        }
    }
}

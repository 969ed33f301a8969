//! Posting: an item goes to the cycle that is open when it is committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clearing_ledger::{
    Action, Chain, Currency, CycleId, Limits, Movement, NewAccount, Purpose, Reason, Reference,
    Refusal, Transfer, TransferId,
};
use jiff::Timestamp;
use kernel::{Ids, TenantId};
use pg::Tx;
use production_core::region::Region;
use uuid::Uuid;

use super::capping::{capped, over_cap};
use super::cycle::Cycle;
use super::item::{Item, ItemDraft, Origin};
use super::scheme::{NATION, Scheme};
use super::{account_of, store};
use crate::error::{self, ClearingError};
use crate::ledger;

/// Posts items, each to the cycle of its region and cover that is open when the caller's
/// transaction commits: debits the payer's position in it, credits the payee's. In the order of
/// `drafts`. The transaction's scope holds [`crate::HOUSE`]; until it ends, these cycles cannot be
/// closed and these positions are locked.
///
/// An item that was posted before under the same id comes back as it is; the same id for something
/// else is refused, and so is one that would take its payer past its net debit cap (`E4214`): nothing of
/// the transaction stands then, and it may be tried again. Fails with an error that asks to start over when another transaction posted
/// the same id at the same time.
pub async fn post(
    tx: &mut Tx,
    drafts: &[ItemDraft],
    now: Timestamp,
    ids: &Ids,
) -> Result<Vec<Item>, ClearingError> {
    let drafts: Vec<_> = drafts.iter().map(|draft| (draft.clone(), Origin::New)).collect();
    post_from(tx, drafts, now, ids).await
}

/// The same for items that follow from others.
pub(super) async fn post_from(
    tx: &mut Tx,
    mut drafts: Vec<(ItemDraft, Origin)>,
    now: Timestamp,
    ids: &Ids,
) -> Result<Vec<Item>, ClearingError> {
    let findings: Vec<_> =
        drafts.iter().enumerate().flat_map(|(at, (draft, _))| draft.findings(at)).collect();
    if !findings.is_empty() {
        return Err(ClearingError::Invalid(findings));
    }
    for (draft, _) in &mut drafts {
        if let Ok(region) = Region::of_area(&draft.region) {
            draft.region = region.code().to_owned();
        }
    }
    let asked: Vec<Uuid> = drafts.iter().map(|(draft, _)| draft.item_id).collect();
    let mut known: HashMap<Uuid, Item> = items_by_id(store::items(tx, &asked).await?);
    let mut fresh: Vec<(ItemDraft, Origin)> = Vec::with_capacity(drafts.len());
    for (draft, origin) in drafts {
        let before = known.get(&draft.item_id).map(|item| (&item.draft, item.origin));
        let before = before.or_else(|| {
            let twice = fresh.iter().find(|(other, _)| other.item_id == draft.item_id);
            twice.map(|(other, origin)| (other, *origin))
        });
        match before {
            Some((same, of)) if *same == draft && of == origin => {}
            Some(_) => {
                let detail = format!("item {} was posted with another content", draft.item_id);
                return Err(ClearingError::refused(&error::ITEM_TAKEN, detail));
            }
            None => fresh.push((draft, origin)),
        }
    }
    if !fresh.is_empty() {
        known.extend(items_by_id(post_fresh(tx, fresh, now, ids).await?));
    }
    let items = asked.iter().map(|id| known.get(id).cloned());
    items.collect::<Option<_>>().ok_or(ClearingError::Corrupt("item"))
}

async fn post_fresh(
    tx: &mut Tx,
    drafts: Vec<(ItemDraft, Origin)>,
    now: Timestamp,
    ids: &Ids,
) -> Result<Vec<Item>, ClearingError> {
    let cycles = open_cycles(tx, &drafts, now, ids).await?;
    let items: Vec<Item> = drafts
        .into_iter()
        .zip(cycles)
        .map(|((draft, origin), cycle)| Item { draft, origin, cycle, posted_at: now })
        .collect();
    let positions: BTreeSet<(TenantId, CycleId)> = items
        .iter()
        .flat_map(|item| [(item.draft.payer, item.cycle), (item.draft.payee, item.cycle)])
        .collect();
    let positions: Vec<NewAccount> = positions
        .into_iter()
        .map(|(participant, cycle)| NewAccount {
            id: account_of(participant, Purpose::Position, Some(cycle)),
            participant,
            purpose: Purpose::Position,
            currency: Currency::CNY,
            cycle: Some(cycle),
            limits: Limits::default(),
        })
        .collect();
    let unopened = ledger::unopened(tx, positions).await?;
    if !unopened.is_empty() {
        let wanted = capped(tx, unopened).await?;
        ledger::open_all(tx, &wanted, now).await?;
    }
    let transfers = items.iter().map(transfer).collect::<Result<Vec<Chain>, _>>()?;
    let outcomes = ledger::settle(tx, &transfers, now, ids).await?;
    for (item, outcome) in items.iter().zip(outcomes.into_iter().flatten()) {
        match outcome {
            Ok(_) => {}
            Err(Refusal::NetDebitCap) => return Err(over_cap(tx, item).await?),
            Err(refusal) => {
                return Err(ClearingError::refused(&error::NOT_POSTED, refusal.to_string()));
            }
        }
    }
    store::insert_items(tx, &items).await?;
    store::add_to_pairs(tx, &items).await?;
    Ok(items)
}

/// The cycle of each draft that is open now and stays so until the transaction ends.
async fn open_cycles(
    tx: &mut Tx,
    drafts: &[(ItemDraft, Origin)],
    now: Timestamp,
    ids: &Ids,
) -> Result<Vec<CycleId>, ClearingError> {
    let regions: BTreeSet<&str> = drafts.iter().map(|(draft, _)| draft.region.as_str()).collect();
    let schemes = store::scheme::schemes_at(tx, regions.into_iter().chain([NATION]), now).await?;
    let scheme = |region: &str| -> Result<&Scheme, ClearingError> {
        let own = schemes.iter().find(|scheme| scheme.region == region);
        own.or_else(|| schemes.iter().find(|scheme| scheme.region == NATION))
            .ok_or(ClearingError::Corrupt("scheme"))
    };
    let mut scopes = Vec::with_capacity(drafts.len());
    for (draft, _) in drafts {
        let scheme = scheme(&draft.region)?;
        scopes.push((scheme.region.as_str(), scheme.division_of(draft.cover)));
    }
    let wanted: BTreeSet<(&str, &str)> = scopes.iter().copied().collect();
    store::cycle::lock_scopes_shared(tx, &wanted).await?;
    // Only now: who closed a cycle before has also opened the next.
    let mut open: BTreeMap<(String, String), CycleId> =
        store::cycle::open_cycles(tx, &wanted).await?;
    for &(region, cover) in &wanted {
        if open.contains_key(&(region.to_owned(), cover.to_owned())) {
            continue;
        }
        let scheme = scheme(region)?;
        let first = Cycle::open(CycleId(ids.next(now)), scheme, cover, now);
        // Another's first item may open it at the same time: then this waits for it and uses that.
        store::cycle::insert_cycle(tx, &first).await?;
        let opened = store::cycle::open_cycles(tx, &BTreeSet::from([(region, cover)])).await?;
        open.extend(opened);
    }
    let cycles = scopes
        .into_iter()
        .map(|(region, cover)| open.get(&(region.to_owned(), cover.to_owned())).copied());
    cycles.collect::<Option<_>>().ok_or(ClearingError::Corrupt("cycle"))
}

/// The transfer of an item: it has the item's id.
fn transfer(item: &Item) -> Result<Chain, ClearingError> {
    let position = |participant| account_of(participant, Purpose::Position, Some(item.cycle));
    let reason = format!("item.{}", item.draft.kind.code());
    Ok(Chain::one(Transfer {
        id: TransferId(item.draft.item_id),
        action: Action::Post(Movement {
            debit: position(item.draft.payer),
            credit: position(item.draft.payee),
            amount: item.draft.amount,
            currency: Currency::CNY,
        }),
        reason: Reason::parse(&reason).map_err(|_| ClearingError::Corrupt("reason"))?,
        reference: Reference::parse(&item.draft.reference)
            .map_err(|_| ClearingError::Corrupt("reference"))?,
    }))
}

fn items_by_id(items: Vec<Item>) -> HashMap<Uuid, Item> {
    items.into_iter().map(|item| (item.draft.item_id, item)).collect()
}

//! Insurers that owe each other, and short ways to post and close.

use clearing::HOUSE;
use clearing::error::ClearingError;
use clearing::settlement::{self, Closed, Item, ItemDraft, ItemKind, ItemStanding};
use clearing_ledger::{CycleId, Purpose};
use jiff::Timestamp;
use kernel::{Clock, Fen, Ids, TenantId};
use pg::{Command, Scope, Tx};
use production_core::cover::Cover;
use uuid::Uuid;

use crate::support::participant;
use crate::world::World;

/// The insurers of the worked example, by the number of their tenant.
pub(crate) const INSURERS: [&str; 3] = ["PICC", "PAIC", "CPIC"];

/// An item of `payer` to `payee` (1 PICC, 2 PAIC, 3 CPIC, 4 GPIC), in fen.
pub(crate) fn draft(item: u128, payer: u128, payee: u128, fen: i64) -> ItemDraft {
    ItemDraft {
        item_id: Uuid::from_u128(0xa000_0000 + item),
        kind: ItemKind::Recovery,
        reference: format!("06PICC{item:020}"),
        payer: participant(payer),
        payer_insurer: code(payer),
        payee: participant(payee),
        payee_insurer: code(payee),
        cover: Cover::ThirdParty,
        region: "320100".into(),
        amount: Fen(fen),
        claim_codes: vec![format!("05PICC{item:020}")],
    }
}

fn code(number: u128) -> String {
    let known = usize::try_from(number).unwrap() - 1;
    INSURERS.get(known).map_or_else(|| format!("I{number:03}"), |code| (*code).to_owned())
}

/// Posts in a transaction of its own, starting over as commands do.
pub(crate) struct Post<'a> {
    pub(crate) drafts: &'a [ItemDraft],
    pub(crate) now: Timestamp,
    pub(crate) ids: &'a Ids,
}

impl Command for Post<'_> {
    const NAME: &'static str = "test.post";
    type Out = Vec<Item>;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Vec<Item>, ClearingError> {
        settlement::post(tx, self.drafts, self.now, self.ids).await
    }
}

/// Closes in a transaction of its own.
pub(crate) struct Close<'a> {
    pub(crate) cycle: CycleId,
    pub(crate) now: Timestamp,
    pub(crate) ids: &'a Ids,
}

impl Command for Close<'_> {
    const NAME: &'static str = "test.close";
    type Out = Closed;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Closed, ClearingError> {
        settlement::close(tx, self.cycle, self.now, self.ids).await
    }
}

impl World {
    pub(crate) async fn post(&self, drafts: &[ItemDraft]) -> Result<Vec<Item>, ClearingError> {
        let post = Post { drafts, now: self.clock.now(), ids: &self.ids };
        self.test.db.run(Scope::of(HOUSE), &post).await
    }

    pub(crate) async fn close(&self, cycle: CycleId) -> Result<Closed, ClearingError> {
        let close = Close { cycle, now: self.clock.now(), ids: &self.ids };
        self.test.db.run(Scope::of(HOUSE), &close).await
    }

    pub(crate) async fn standing(&self, item: u128) -> ItemStanding {
        let mut tx = self.test.db.begin(Scope::of(HOUSE)).await.unwrap();
        let asked = [draft(item, 1, 2, 1).item_id];
        settlement::standing(&mut tx, &asked).await.unwrap().remove(0)
    }

    /// Credits less debits of a participant's position in a cycle, in fen.
    pub(crate) async fn position(&self, number: u128, cycle: CycleId) -> i128 {
        self.balance(participant(number), Purpose::Position, Some(cycle)).await
    }

    pub(crate) async fn balance(
        &self,
        participant: TenantId,
        purpose: Purpose,
        cycle: Option<CycleId>,
    ) -> i128 {
        let mut tx = self.test.db.begin(Scope::of(HOUSE)).await.unwrap();
        let id = settlement::account_of(participant, purpose, cycle);
        let account = clearing::ledger::account(&mut tx, id).await.unwrap();
        account.map_or(0, |account| account.balance.net_credit())
    }
}

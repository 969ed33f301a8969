//! Insurers that owe each other, and short ways to post and close.

use base_http::{Caller, Problem};
use clearing::HOUSE;
use clearing::error::ClearingError;
use clearing::function;
use clearing::settlement::{
    self, Closed, ConfirmBody, FundsBody, Item, ItemDraft, ItemKind, ItemStanding,
};
use clearing_ledger::{CycleId, Purpose};
use jiff::Timestamp;
use kernel::{Clock, Fen, Ids, TenantId};
use pg::{Command, Scope, Tx};
use production_core::cover::Cover;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

use crate::support::participant;
use crate::world::{World, view};

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

/// domain.md 5.5: PICC→PAIC 14,600; PAIC→PICC 3,800; PAIC→CPIC 9,200; CPIC→PICC 6,400.
pub(crate) fn worked_example() -> [ItemDraft; 4] {
    [
        draft(1, 1, 2, 1_460_000),
        draft(2, 2, 1, 380_000),
        draft(3, 2, 3, 920_000),
        draft(4, 3, 1, 640_000),
    ]
}

/// What the caller and the operator do, as they do it.
impl World {
    /// Posts `drafts`, closes their cycle and sends its statements.
    pub(crate) async fn stated(&self, drafts: &[ItemDraft]) -> CycleId {
        let cycle = self.post(drafts).await.unwrap()[0].cycle;
        let call = self.call(&self.operator, &function::CYCLE_CLOSE);
        let closed = view(self.clearing.close_cycle(call, &cycle.to_string()).await).unwrap();
        assert_eq!(closed["closed"]["stage"], "closed");
        self.clearing.settle_due(self.clock.now()).await.unwrap();
        assert_eq!(self.stage(cycle).await, "stated");
        cycle
    }

    pub(crate) async fn detail(&self, cycle: CycleId) -> Value {
        let call = self.call(&self.operator, &function::CYCLES_WATCH);
        view(self.clearing.read_cycle(call, &cycle.to_string()).await).unwrap()
    }

    pub(crate) async fn stage(&self, cycle: CycleId) -> String {
        self.detail(cycle).await["cycle"]["stage"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn statement(&self, caller: &Arc<Caller>, cycle: CycleId) -> Value {
        let call = self.call(caller, &function::SETTLEMENT_STATEMENT_READ);
        let statement = self.clearing.read_settlement_statement(call, &cycle.to_string()).await;
        view(statement).unwrap()
    }

    pub(crate) async fn confirm(
        &self,
        caller: &Arc<Caller>,
        cycle: CycleId,
        digest: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::STATEMENT_CONFIRM);
        let body = ConfirmBody { digest: digest.as_str().map(str::to_owned) };
        view(self.clearing.confirm_statement(call, &cycle.to_string(), body).await)
    }

    /// Every insurer of the worked example agrees.
    pub(crate) async fn all_confirm(&self, cycle: CycleId) {
        for caller in [&self.picc, &self.paic, &self.cpic] {
            let digest = self.statement(caller, cycle).await["digest"].clone();
            self.confirm(caller, cycle, &digest).await.unwrap();
        }
    }

    /// The open order of an insurer.
    pub(crate) async fn order(&self, cycle: CycleId, insurer: &str) -> Value {
        let detail = self.detail(cycle).await;
        let orders = detail["funds"].as_array().unwrap();
        let open = |order: &&Value| order["insurer"] == insurer && order["outcome"].is_null();
        orders.iter().find(open).unwrap_or_else(|| panic!("{insurer} has none: {detail}")).clone()
    }

    /// Money of an order moves at the bank.
    pub(crate) async fn moved(
        &self,
        cycle: CycleId,
        order: &Value,
        fen: i64,
    ) -> Result<Value, Problem> {
        let call = self.call(&self.operator, &function::FUNDS_RECORD);
        let (order, body) = (
            order["orderId"].as_str().unwrap(),
            FundsBody { amount: Some(Fen(fen)), case_id: None },
        );
        view(self.clearing.record_funds(call, &cycle.to_string(), order, body).await)
    }

    /// Nobody's position in a cycle is anything but zero.
    pub(crate) async fn assert_every_position_is_zero(&self, cycle: CycleId) {
        for number in 1..=4 {
            assert_eq!(self.position(number, cycle).await, 0, "participant {number}");
        }
    }
}

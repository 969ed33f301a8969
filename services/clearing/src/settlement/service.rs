//! Settlement as it is served: what members and the operator ask for and do, and what the clock
//! does by itself.

use std::time::Duration;

use base_http::paging::{Page, Paged, cut};
use base_http::{Call, Done, FieldError, Problem, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clearing_ledger::{CycleId, Purpose};
use crypto::SigningKey;
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Scope, Tx, failure};
use production_core::cover::Cover;
use production_core::region::Region;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::cycle::{Closed, Cycle, CycleStage};
use super::departure::{self, Dispute, DisputeReason};
use super::flat_rate::{FlatRate, simulate};
use super::funds::{self, FundsOrder, Remedy};
use super::item::Item;
use super::netting::{Position, positions};
use super::scheme::{Division, NATION, OnFailure, OnSilence, Period, Scheme};
use super::statement::{self, Standing, Statement};
use super::view::{
    ClosedView, CollateralView, CycleDetailView, CycleView, FailureView, FundsView, ItemQuery,
    ItemView, KeysView, OverdueFundsView, OverdueStatementView, OverdueView, ParticipantView,
    PositionView, SchemeView, SchemesView, SimulationView, StatementStandingView, StatementView,
    counterparties,
};
use super::{account_of, cycle, store};
use crate::error::{self, ClearingError};
use crate::{Clearing, HOUSE, ledger};

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Agreement to a statement.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatementConfirmation)]
pub struct ConfirmBody {
    /// The digest of the statement that is agreed to.
    pub digest: Option<String>,
}

/// Items a participant does not agree with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DisputeRequest)]
pub struct DisputeBody {
    /// 1 to 500 of them.
    pub items: Option<Vec<DisputedItem>>,
}

/// One item a participant does not agree with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputedItem {
    /// Which.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub item_id: Option<Uuid>,
    /// `unknown`, `amount`, `paid`, `party`, `void` or `other`.
    pub reason: Option<String>,
    /// In words.
    pub note: Option<String>,
}

/// Money that moved at the bank.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FundsMovedRequest)]
pub struct FundsBody {
    /// How much, in yuan.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
}

/// A participant that did not pay.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FailureRequest)]
pub struct FailureBody {
    /// What the operator knows of it.
    pub note: Option<String>,
}

/// An item to be taken back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReversalRequest)]
pub struct ReversalBody {
    /// Names the new item; made by the operator.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub reversal_id: Option<Uuid>,
    /// How much; what is left of it when absent.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
}

/// Collateral that was left with the platform.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CollateralRequest)]
pub struct CollateralBody {
    /// Names the deposit; made by the operator.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub deposit_id: Option<Uuid>,
    /// How much, in yuan.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
}

/// How a region settles from an instant on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SchemeRequest)]
pub struct SchemeBody {
    /// From when cycles open under it; now when absent, never earlier.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// `overall` or `by_cover`.
    pub division: Option<String>,
    /// `day`, `week`, `month` or `by_hand`.
    pub period: Option<String>,
    /// 1 to 90 calendar days.
    pub confirm_days: Option<i32>,
    /// 1 to 90 calendar days.
    pub funds_days: Option<i32>,
    /// `deem` or `hold`.
    pub on_silence: Option<String>,
    /// `collateral` or `unwind`.
    pub on_failure: Option<String>,
    /// Whether no rule of the market confirms it; true when absent.
    pub proposed: Option<bool>,
}

/// A flat rate to be tried on what was posted in a time.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SimulationRequest)]
pub struct SimulationBody {
    /// Items posted from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// And before that.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Coverage codes; all when absent.
    pub covers: Option<Vec<String>>,
    /// Largest item the rule is for.
    #[schema(value_type = Option<Fen>)]
    pub ceiling: Option<Fen>,
    /// What each is settled by; the mean of them when absent.
    #[schema(value_type = Option<Fen>)]
    pub module: Option<Fen>,
}

fn cycle_id(text: &str) -> Result<CycleId, ClearingError> {
    text.parse().map(CycleId).map_err(|_| ClearingError::not_found("cycle", text))
}

fn item_id(text: &str) -> Result<Uuid, ClearingError> {
    text.parse().map_err(|_| ClearingError::not_found("item", text))
}

impl Clearing {
    /// A transaction that sees everybody's rows, for the operator.
    async fn open_house(&self) -> Result<Tx, ClearingError> {
        Ok(self.spine.db().begin(Scope::of(HOUSE)).await?)
    }

    /// Cycles the caller has items in, the latest first.
    pub async fn list_cycles(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let mut tx = self.open(&call).await?;
        let view = cycles(&mut tx, Some(call.caller.tenant), &page).await?;
        drop(tx);
        self.answer(call, &view, "settlement").await
    }

    /// All cycles, the latest first.
    pub async fn list_all_cycles(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let mut tx = self.open_house().await?;
        let view = cycles(&mut tx, None, &page).await?;
        drop(tx);
        self.answer(call, &view, "settlement").await
    }

    /// Why the caller's position in a cycle is what it is.
    pub async fn read_position(&self, call: Call, cycle: &str) -> Result<Reply, Problem> {
        let mut tx = self.open(&call).await?;
        let view = position(&mut tx, cycle_id(cycle)?, call.caller.tenant).await?;
        drop(tx);
        self.answer(call, &view, cycle).await
    }

    /// Why an insurer's position in a cycle is what it is.
    pub async fn read_position_of(
        &self,
        call: Call,
        cycle: &str,
        insurer: &str,
    ) -> Result<Reply, Problem> {
        let mut tx = self.open_house().await?;
        let participant = participant(&mut tx, insurer).await?;
        let view = position(&mut tx, cycle_id(cycle)?, participant).await?;
        drop(tx);
        self.answer(call, &view, cycle).await
    }

    /// The caller's items in a cycle.
    pub async fn list_items(
        &self,
        call: Call,
        cycle: &str,
        query: ItemQuery,
    ) -> Result<Reply, Problem> {
        let mut tx = self.open(&call).await?;
        let view = items(&mut tx, cycle, call.caller.tenant, &query).await?;
        drop(tx);
        self.answer(call, &view, cycle).await
    }

    /// An insurer's items in a cycle.
    pub async fn list_items_of(
        &self,
        call: Call,
        cycle: &str,
        insurer: &str,
        query: ItemQuery,
    ) -> Result<Reply, Problem> {
        let mut tx = self.open_house().await?;
        let participant = participant(&mut tx, insurer).await?;
        let view = items(&mut tx, cycle, participant, &query).await?;
        drop(tx);
        self.answer(call, &view, cycle).await
    }

    /// One item of the caller.
    pub async fn read_item(&self, call: Call, item: &str) -> Result<Reply, Problem> {
        let asked = item_id(item)?;
        let mut tx = self.open(&call).await?;
        let found = store::items(&mut tx, &[asked]).await.map_err(Problem::from)?.pop();
        let found = found.ok_or_else(|| ClearingError::not_found("item", item))?;
        drop(tx);
        // The other side's agreement is not the caller's to see, but what it means is.
        let mut tx = self.open_house().await?;
        let view = with_standing(&mut tx, &[found]).await?.pop();
        drop(tx);
        let view = view.ok_or(ClearingError::Corrupt("item"))?;
        self.answer(call, &view, item).await
    }

    /// The caller's latest statement of a cycle.
    pub async fn read_settlement_statement(
        &self,
        call: Call,
        cycle: &str,
    ) -> Result<Reply, Problem> {
        let cycle = cycle_id(cycle)?;
        let mut tx = self.open(&call).await?;
        let participant = call.caller.tenant;
        let found = store::statement::latest(&mut tx, cycle, participant).await?;
        let found = found.ok_or_else(|| ClearingError::not_found("statement of cycle", cycle))?;
        let agreed =
            store::statement::confirmation(&mut tx, cycle, participant, found.revision).await?;
        drop(tx);
        self.answer(call, &StatementView::of(&found, agreed.as_ref()), &cycle.to_string()).await
    }

    /// Agrees to the caller's statement.
    pub async fn confirm_statement(
        &self,
        call: Call,
        cycle: &str,
        body: ConfirmBody,
    ) -> Result<Reply, Problem> {
        let digest = body.digest.ok_or_else(|| {
            Problem::invalid(vec![FieldError::at("/digest", "name the statement you agree to")])
        })?;
        let command = Confirm {
            cycle: cycle_id(cycle)?,
            participant: call.caller.tenant,
            client: call.caller.client.to_string(),
            digest,
            now: call.received_at,
            ids: self.spine.ids(),
        };
        let answer = |statement: Statement| {
            let view = StatementView::of(&statement, None);
            let view = StatementView { agreed: Some("confirmed".into()), ..view };
            Done::json(StatusCode::OK, &view, 0, statement.cycle.to_string())
        };
        self.spine.run(call, &command, answer).await
    }

    /// Takes items the caller does not agree with out of a cycle.
    pub async fn dispute_items(
        &self,
        call: Call,
        cycle: &str,
        body: DisputeBody,
    ) -> Result<Reply, Problem> {
        let command = DisputeItems {
            cycle: cycle_id(cycle)?,
            participant: call.caller.tenant,
            disputes: disputes(body)?,
            now: call.received_at,
            ids: self.spine.ids(),
            key: &self.statement_key,
        };
        let subject = cycle.to_owned();
        let answer = |items: Vec<ItemView>| {
            Done::json(StatusCode::OK, &Paged { items, next: None }, 0, subject.clone())
        };
        self.spine.run(call, &command, answer).await
    }

    /// Withdraws the caller's dispute of an item: it goes into the open cycle.
    pub async fn withdraw_dispute(&self, call: Call, item: &str) -> Result<Reply, Problem> {
        let participant = Some(call.caller.tenant);
        self.again(call, item, participant).await
    }

    /// Puts an item that was unwound or disputed into the open cycle.
    pub async fn put_in_again(&self, call: Call, item: &str) -> Result<Reply, Problem> {
        self.again(call, item, None).await
    }

    async fn again(
        &self,
        call: Call,
        item: &str,
        participant: Option<TenantId>,
    ) -> Result<Reply, Problem> {
        let (item, ids, now) = (item_id(item)?, self.spine.ids(), call.received_at);
        let command = PutInAgain { item, participant, now, ids };
        self.spine.run(call, &command, |view| created(&view)).await
    }

    /// Takes back an item that should not have been.
    pub async fn reverse_item(
        &self,
        call: Call,
        item: &str,
        body: ReversalBody,
    ) -> Result<Reply, Problem> {
        let reversal = body.reversal_id.ok_or_else(|| {
            Problem::invalid(vec![FieldError::at("/reversalId", "make an id for the new item")])
        })?;
        let (item, ids, now) = (item_id(item)?, self.spine.ids(), call.received_at);
        let command = Reverse { item, reversal, amount: body.amount, now, ids };
        self.spine.run(call, &command, |view| created(&view)).await
    }

    /// Closes a cycle. Its statements follow at once.
    pub async fn close_cycle(&self, call: Call, cycle: &str) -> Result<Reply, Problem> {
        let cycle = cycle_id(cycle)?;
        let command = CloseCycle { cycle, now: call.received_at, ids: self.spine.ids() };
        let answer = |closed: Closed| {
            let next = closed.next.as_ref().map(CycleView::from);
            let view = ClosedView { closed: (&closed.closed).into(), next };
            Done::json(StatusCode::OK, &view, 0, cycle.to_string())
        };
        self.spine.run(call, &command, answer).await
    }

    /// A cycle with everybody in it.
    pub async fn read_cycle(&self, call: Call, cycle: &str) -> Result<Reply, Problem> {
        let mut tx = self.open_house().await?;
        let view = detail(&mut tx, cycle_id(cycle)?).await?;
        drop(tx);
        self.answer(call, &view, cycle).await
    }

    /// Books money that moved at the bank for an order.
    pub async fn record_funds(
        &self,
        call: Call,
        cycle: &str,
        order: &str,
        body: FundsBody,
    ) -> Result<Reply, Problem> {
        let amount = body.amount.ok_or_else(|| {
            Problem::invalid(vec![FieldError::at("/amount", "say how much moved")])
        })?;
        let unknown = |_| ClearingError::not_found("order of funds", order);
        let command = RecordFunds {
            cycle: cycle_id(cycle)?,
            order: order.parse().map_err(unknown)?,
            amount,
            now: call.received_at,
            ids: self.spine.ids(),
        };
        self.spine
            .run(call, &command, |view| {
                Done::json(StatusCode::OK, &view, 0, view.order_id.to_string())
            })
            .await
    }

    /// Does what the rule says about a participant that did not pay.
    pub async fn fail_participant(
        &self,
        call: Call,
        cycle: &str,
        insurer: &str,
        body: FailureBody,
    ) -> Result<Reply, Problem> {
        let command = Fail {
            cycle: cycle_id(cycle)?,
            insurer: insurer.to_owned(),
            note: body.note.unwrap_or_default(),
            client: call.caller.client.to_string(),
            now: call.received_at,
            ids: self.spine.ids(),
            key: &self.statement_key,
        };
        let subject = cycle.to_owned();
        let answer = |remedy: Remedy| {
            let view = FailureView { remedy: remedy.code(), remedy_name: remedy.name_zh() };
            Done::json(StatusCode::OK, &view, 0, subject.clone())
        };
        self.spine.run(call, &command, answer).await
    }

    /// Books collateral an insurer left.
    pub async fn deposit_collateral(
        &self,
        call: Call,
        insurer: &str,
        body: CollateralBody,
    ) -> Result<Reply, Problem> {
        let (Some(deposit), Some(amount)) = (body.deposit_id, body.amount) else {
            let findings = vec![
                FieldError::at("/depositId", "make an id for the deposit"),
                FieldError::at("/amount", "say how much was left"),
            ];
            return Err(Problem::invalid(findings));
        };
        let (insurer, now) = (insurer.to_owned(), call.received_at);
        let command = Deposit { insurer, deposit, amount, now, ids: self.spine.ids() };
        let answer =
            |view: CollateralView| Done::json(StatusCode::CREATED, &view, 0, view.insurer.clone());
        self.spine.run(call, &command, answer).await
    }

    /// Every scheme there is or was.
    pub async fn list_schemes(&self, call: Call) -> Result<Reply, Problem> {
        let mut tx = self.open(&call).await?;
        let schemes = store::schemes(&mut tx).await?;
        drop(tx);
        let view = SchemesView { schemes: schemes.iter().map(SchemeView::from).collect() };
        self.answer(call, &view, "settlement").await
    }

    /// Sets how a region settles.
    pub async fn set_scheme(
        &self,
        call: Call,
        region: &str,
        body: SchemeBody,
    ) -> Result<Reply, Problem> {
        let scheme = scheme(region, body, &call)?;
        let answer = |scheme: Scheme| {
            let view = SchemeView::from(&scheme);
            Done::json(StatusCode::CREATED, &view, 0, scheme.region)
        };
        self.spine.run(call, &SetScheme { scheme }, answer).await
    }

    /// Tries a flat rate on the past (定额结算试算). Changes nothing.
    pub async fn simulate_flat_rate(
        &self,
        call: Call,
        body: SimulationBody,
    ) -> Result<Reply, Problem> {
        let (span, covers, rule) = flat_rate(&body)?;
        let mut tx = self.open_house().await?;
        let past = store::past(&mut tx, span, &covers, rule.ceiling).await;
        let past = past.map_err(ClearingError::from)?;
        drop(tx);
        let simulation = simulate(rule, &past).map_err(ClearingError::from)?;
        self.answer(call, &SimulationView::try_from(simulation)?, "settlement").await
    }

    /// What is past its deadline.
    pub async fn list_overdue(&self, call: Call) -> Result<Reply, Problem> {
        let now = call.received_at;
        let mut tx = self.open_house().await?;
        let mut view = OverdueView::default();
        for cycle in store::unreconciled(&mut tx).await? {
            overdue(&mut tx, &cycle, now, &mut view).await?;
        }
        drop(tx);
        self.answer(call, &view, "settlement").await
    }

    /// Keys statements are signed with.
    pub async fn list_keys(&self, call: Call) -> Result<Reply, Problem> {
        let mut tx = self.open_house().await?;
        let used = store::statement::keys(&mut tx).await.map_err(ClearingError::from)?;
        drop(tx);
        let current = STANDARD.encode(self.statement_key.public_key());
        let mut keys: Vec<String> = used.iter().map(|key| STANDARD.encode(key)).collect();
        if !keys.contains(&current) {
            keys.push(current.clone());
        }
        keys.sort();
        self.answer(call, &KeysView { current, keys }, "settlement").await
    }

    /// Does what is due at `now`: closes cycles, sends statements, takes silence for agreement.
    /// Each cycle in a transaction of its own; safe to repeat and to run on several servers.
    pub async fn settle_due(&self, now: Timestamp) -> Result<(), ClearingError> {
        let mut tx = self.open_house().await?;
        let cycles = store::under_way(&mut tx, now).await?;
        tx.commit().await?;
        for cycle in cycles {
            match self.advance(&cycle, now).await {
                // Another server did it.
                Err(ClearingError::Refused { code, .. }) if *code == error::CYCLE_STAGE => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn advance(&self, cycle: &Cycle, now: Timestamp) -> Result<(), ClearingError> {
        let (db, ids, house) = (self.spine.db(), self.spine.ids(), Scope::of(HOUSE));
        let cycle_id = cycle.id;
        if cycle.stage() == CycleStage::Open {
            db.run(house.clone(), &CloseCycle { cycle: cycle_id, now, ids }).await?;
        }
        match cycle.stage() {
            CycleStage::Open | CycleStage::Closed => {
                let key = &self.statement_key;
                db.run(house, &SendStatements { cycle: cycle_id, now, ids, key }).await
            }
            CycleStage::Stated => {
                let deemed = db.run(house, &Deem { cycle: cycle_id, now, ids }).await?;
                if 0 < deemed {
                    tracing::info!(cycle.id = %cycle_id, deemed, "silence of {deemed} was taken for agreement to cycle {cycle_id}");
                }
                Ok(())
            }
            CycleStage::FundsOrdered | CycleStage::Settled | CycleStage::Reconciled => Ok(()),
        }
    }

    /// Looks at the clock every second until `stop`.
    pub(crate) async fn keep_settling(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.settle_due(self.spine.now()).await {
                if failure::is_unavailable(&error) {
                    tracing::warn!(%error, "cannot look at settlement cycles; later");
                } else {
                    tracing::error!(error = ?error, "a settlement cycle cannot go on");
                }
            }
        }
    }
}

async fn cycles(
    tx: &mut Tx,
    participant: Option<TenantId>,
    page: &Page,
) -> Result<Paged<CycleView>, Problem> {
    let limit = page.limit()?;
    let before = CycleId(page.place()?.unwrap_or(Uuid::max()));
    let mut found = store::cycles(tx, participant, before, limit + 1).await?;
    let next = cut(&mut found, limit, |last| last.id.to_string());
    Ok(Paged { items: found.iter().map(CycleView::from).collect(), next })
}

/// The tenant behind a code, as far as it ever took part.
async fn participant(tx: &mut Tx, insurer: &str) -> Result<TenantId, ClearingError> {
    let found = store::tenant_of(tx, insurer).await?;
    found.ok_or_else(|| ClearingError::not_found("participant", insurer))
}

async fn position(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
) -> Result<PositionView, ClearingError> {
    let unknown = || ClearingError::not_found("position in cycle", cycle);
    let found = store::cycle(tx, cycle).await?.ok_or_else(unknown)?;
    let own: Vec<_> = store::pairs(tx, cycle)
        .await?
        .into_iter()
        .filter(|pair| [pair.payer, pair.payee].contains(&participant))
        .collect();
    let all = positions(&own)?;
    let position = all.iter().find(|position| position.participant == participant);
    let position: &Position = position.ok_or_else(unknown)?;
    let account_id = account_of(participant, Purpose::Position, Some(cycle));
    let account = ledger::account(tx, account_id).await?.ok_or_else(unknown)?;
    let open = i64::try_from(account.balance.net_credit());
    let told = store::statement::standings(tx, cycle).await?;
    let told = told.iter().find(|told| told.participant == participant);
    let funds = store::funds::of_cycle(tx, cycle).await?;
    let funds = funds.iter().filter(|order| order.participant == participant);
    Ok(PositionView {
        cycle: (&found).into(),
        insurer: position.insurer.clone(),
        owes: position.owes()?,
        due: position.due()?,
        net: position.net()?,
        account_id: account_id.0,
        open: Fen(open.map_err(|_| ClearingError::Corrupt("position"))?),
        counterparties: counterparties(position)?,
        statement: told.map(|told| StatementStandingView::of(&found, told)),
        funds: funds.map(|order| FundsView::of(order, &position.insurer)).collect(),
    })
}

async fn items(
    tx: &mut Tx,
    cycle: &str,
    participant: TenantId,
    query: &ItemQuery,
) -> Result<Paged<ItemView>, Problem> {
    let page = Page { limit: query.limit, after: query.after.clone() };
    let limit = page.limit()?;
    let after = page.place()?;
    let wanted = store::Wanted {
        cycle: cycle_id(cycle)?,
        participant,
        counterparty: query.counterparty.as_deref(),
        cover: query.cover.as_deref(),
        after: after.unwrap_or(0),
        limit: limit + 1,
    };
    let mut found = store::items_of(tx, &wanted).await?;
    let next = cut(&mut found, limit, |(place, _)| place.to_string());
    let found: Vec<Item> = found.into_iter().map(|(_, item)| item).collect();
    // What the other side agreed to is part of where an item stands.
    tx.work_also_for([HOUSE]).await.map_err(ClearingError::from)?;
    Ok(Paged { items: with_standing(tx, &found).await?, next })
}

async fn with_standing(tx: &mut Tx, items: &[Item]) -> Result<Vec<ItemView>, ClearingError> {
    let ids: Vec<Uuid> = items.iter().map(|item| item.draft.item_id).collect();
    let standings = store::standings(tx, &ids).await?;
    let views = items.iter().map(|item| {
        let standing = standings.iter().find(|standing| standing.item_id == item.draft.item_id);
        Ok(ItemView::of(item, standing.ok_or(ClearingError::Corrupt("item"))?))
    });
    views.collect()
}

async fn one_with_standing(tx: &mut Tx, item: Item) -> Result<ItemView, ClearingError> {
    with_standing(tx, &[item]).await?.pop().ok_or(ClearingError::Corrupt("item"))
}

fn created(view: &ItemView) -> Done {
    Done::json(StatusCode::CREATED, view, 0, view.item_id.to_string())
}

async fn detail(tx: &mut Tx, cycle: CycleId) -> Result<CycleDetailView, ClearingError> {
    let found = store::cycle(tx, cycle).await?;
    let found = found.ok_or_else(|| ClearingError::not_found("cycle", cycle))?;
    let positions = positions(&store::pairs(tx, cycle).await?)?;
    let told = store::statement::standings(tx, cycle).await?;
    let participants = positions.iter().map(|position| {
        let told = told.iter().find(|told| told.participant == position.participant);
        Ok(ParticipantView {
            insurer: position.insurer.clone(),
            owes: position.owes()?,
            due: position.due()?,
            net: position.net()?,
            statement: told.map(|told| StatementStandingView::of(&found, told)),
        })
    });
    let participants = participants.collect::<Result<_, ClearingError>>()?;
    let funds = store::funds::of_cycle(tx, cycle).await?;
    let funds = funds.iter().map(|order| FundsView::of(order, code_of(&positions, order)));
    Ok(CycleDetailView { cycle: (&found).into(), participants, funds: funds.collect() })
}

fn code_of<'a>(positions: &'a [Position], order: &FundsOrder) -> &'a str {
    let found = positions.iter().find(|position| position.participant == order.participant);
    found.map_or("", |position| &position.insurer)
}

async fn overdue(
    tx: &mut Tx,
    cycle: &Cycle,
    now: Timestamp,
    view: &mut OverdueView,
) -> Result<(), ClearingError> {
    let positions = positions(&store::pairs(tx, cycle.id).await?)?;
    let told = store::statement::standings(tx, cycle.id).await?;
    let late =
        |told: &&Standing| told.manner.is_none() && cycle.scheme.confirm_by(told.sent_at) <= now;
    for told in told.iter().filter(late) {
        let whose = positions.iter().find(|position| position.participant == told.participant);
        view.statements.push(OverdueStatementView {
            cycle_id: cycle.id.0,
            insurer: whose.map(|position| position.insurer.clone()).unwrap_or_default(),
            statement: StatementStandingView::of(cycle, told),
        });
    }
    for order in store::funds::of_cycle(tx, cycle.id).await? {
        if order.outcome.is_none() && order.due_at <= now {
            let order = FundsView::of(&order, code_of(&positions, &order));
            view.funds.push(OverdueFundsView { cycle_id: cycle.id.0, order });
        }
    }
    Ok(())
}

fn disputes(body: DisputeBody) -> Result<Vec<Dispute>, ClearingError> {
    let listed = body.items.unwrap_or_default();
    let mut findings = Vec::new();
    if !(1..=500).contains(&listed.len()) {
        findings.push(FieldError::at("/items", "name 1 to 500 items"));
    }
    let mut disputes: Vec<Dispute> = Vec::with_capacity(listed.len());
    for (at, listed) in listed.into_iter().enumerate() {
        let reason = listed.reason.as_deref().map(DisputeReason::parse);
        let note = listed.note.unwrap_or_default();
        match (listed.item_id, reason) {
            (Some(item), Some(Ok(reason))) if disputes.iter().all(|known| known.item != item) => {
                if reason == DisputeReason::Other && note.trim().is_empty() {
                    findings.push(FieldError::at(format!("/items/{at}/note"), "say what is wrong"));
                }
                disputes.push(Dispute { item, reason, note });
            }
            (Some(_), Some(Ok(_))) => {
                findings.push(FieldError::at(format!("/items/{at}/itemId"), "is there twice"));
            }
            (item, reason) => {
                if item.is_none() {
                    findings.push(FieldError::at(format!("/items/{at}/itemId"), "name the item"));
                }
                if !matches!(reason, Some(Ok(_))) {
                    let detail = "unknown, amount, paid, party, void or other";
                    findings.push(FieldError::at(format!("/items/{at}/reason"), detail));
                }
            }
        }
    }
    if findings.is_empty() { Ok(disputes) } else { Err(ClearingError::Invalid(findings)) }
}

type Span = (Timestamp, Timestamp);

fn flat_rate(body: &SimulationBody) -> Result<(Span, Vec<Cover>, FlatRate), ClearingError> {
    let mut findings = Vec::new();
    let mut covers = if body.covers.is_none() { Cover::ALL.to_vec() } else { Vec::new() };
    for (at, code) in body.covers.iter().flatten().enumerate() {
        match Cover::parse(code) {
            Ok(cover) => covers.push(cover),
            Err(unknown) => {
                findings.push(FieldError::at(format!("/covers/{at}"), unknown.to_string()));
            }
        }
    }
    let span = body.from.zip(body.to).filter(|(from, to)| from < to);
    let ceiling = body.ceiling.filter(|ceiling| Fen(0) < *ceiling);
    let checks = [
        (span.is_some(), "/to", "name a time from `from` to a later `to`"),
        (ceiling.is_some(), "/ceiling", "more than zero"),
        (body.module.is_none_or(|module| Fen(0) <= module), "/module", "zero or more"),
    ];
    findings.extend(
        checks.iter().filter(|check| !check.0).map(|check| FieldError::at(check.1, check.2)),
    );
    match (span, ceiling) {
        (Some(span), Some(ceiling)) if findings.is_empty() => {
            Ok((span, covers, FlatRate { ceiling, module: body.module }))
        }
        _ => Err(ClearingError::Invalid(findings)),
    }
}

fn scheme(region: &str, body: SchemeBody, call: &Call) -> Result<Scheme, ClearingError> {
    if region != NATION && Region::parse(region).is_err() {
        return Err(ClearingError::not_found("region", region));
    }
    let mut findings = Vec::new();
    let division = body.division.as_deref().map(Division::parse);
    let period = body.period.as_deref().map(Period::parse);
    let on_silence = body.on_silence.as_deref().map(OnSilence::parse);
    let on_failure = body.on_failure.as_deref().map(OnFailure::parse);
    let days = |days: Option<i32>| days.filter(|days| (1..=90).contains(days));
    let (confirm_days, funds_days) = (days(body.confirm_days), days(body.funds_days));
    let since = body.since.unwrap_or(call.received_at);
    let checks = [
        (matches!(division, Some(Ok(_))), "/division", "overall or by_cover"),
        (matches!(period, Some(Ok(_))), "/period", "day, week, month or by_hand"),
        (confirm_days.is_some(), "/confirmDays", "1 to 90"),
        (funds_days.is_some(), "/fundsDays", "1 to 90"),
        (matches!(on_silence, Some(Ok(_))), "/onSilence", "deem or hold"),
        (matches!(on_failure, Some(Ok(_))), "/onFailure", "collateral or unwind"),
        (call.received_at <= since, "/since", "a scheme does not reach back"),
    ];
    findings.extend(
        checks.iter().filter(|check| !check.0).map(|check| FieldError::at(check.1, check.2)),
    );
    match (division, period, confirm_days, funds_days, on_silence, on_failure) {
        (
            Some(Ok(division)),
            Some(Ok(period)),
            Some(confirm_days),
            Some(funds_days),
            Some(Ok(on_silence)),
            Some(Ok(on_failure)),
        ) if findings.is_empty() => Ok(Scheme {
            region: region.to_owned(),
            since,
            division,
            period,
            confirm_days,
            funds_days,
            on_silence,
            on_failure,
            proposed: body.proposed.unwrap_or(true),
            set_by: call.caller.client.to_string(),
        }),
        _ => Err(ClearingError::Invalid(findings)),
    }
}

struct CloseCycle<'a> {
    cycle: CycleId,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for CloseCycle<'_> {
    const NAME: &'static str = "settlement.close";
    type Out = Closed;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Closed, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        cycle::close(tx, self.cycle, self.now, self.ids).await
    }
}

struct SendStatements<'a> {
    cycle: CycleId,
    now: Timestamp,
    ids: &'a Ids,
    key: &'a SigningKey,
}

impl Command for SendStatements<'_> {
    const NAME: &'static str = "settlement.state";
    type Out = ();
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ClearingError> {
        statement::state(tx, self.cycle, self.now, (self.ids, self.key)).await
    }
}

struct Deem<'a> {
    cycle: CycleId,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Deem<'_> {
    const NAME: &'static str = "settlement.deem";
    type Out = usize;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<usize, ClearingError> {
        statement::deem(tx, self.cycle, self.now, self.ids).await
    }
}

struct Confirm<'a> {
    cycle: CycleId,
    participant: TenantId,
    client: String,
    digest: String,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Confirm<'_> {
    const NAME: &'static str = "settlement.confirm";
    type Out = Statement;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Statement, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let who = (self.participant, self.client.as_str());
        statement::confirm(tx, self.cycle, who, &self.digest, self.now, self.ids).await
    }
}

struct DisputeItems<'a> {
    cycle: CycleId,
    participant: TenantId,
    disputes: Vec<Dispute>,
    now: Timestamp,
    ids: &'a Ids,
    key: &'a SigningKey,
}

impl Command for DisputeItems<'_> {
    const NAME: &'static str = "settlement.dispute";
    type Out = Vec<ItemView>;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Vec<ItemView>, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let (who, with) = (self.participant, (self.ids, self.key));
        let items = departure::dispute(tx, self.cycle, who, &self.disputes, self.now, with).await?;
        with_standing(tx, &items).await
    }
}

struct PutInAgain<'a> {
    item: Uuid,
    participant: Option<TenantId>,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for PutInAgain<'_> {
    const NAME: &'static str = "settlement.put_in_again";
    type Out = ItemView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<ItemView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let again =
            departure::put_in_again(tx, self.item, self.participant, self.now, self.ids).await?;
        one_with_standing(tx, again).await
    }
}

struct Reverse<'a> {
    item: Uuid,
    reversal: Uuid,
    amount: Option<Fen>,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Reverse<'_> {
    const NAME: &'static str = "settlement.reverse";
    type Out = ItemView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<ItemView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let (item, reversal) = (self.item, self.reversal);
        let posted =
            departure::reverse(tx, item, reversal, self.amount, self.now, self.ids).await?;
        one_with_standing(tx, posted).await
    }
}

struct RecordFunds<'a> {
    cycle: CycleId,
    order: Uuid,
    amount: Fen,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for RecordFunds<'_> {
    const NAME: &'static str = "settlement.record_funds";
    type Out = FundsView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<FundsView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let orders = store::funds::of_cycle(tx, self.cycle).await?;
        let order = orders.into_iter().find(|order| order.order_id == self.order);
        let unknown = || ClearingError::not_found("order of funds", self.order);
        let whose = order.ok_or_else(unknown)?.participant;
        let (cycle, order) = (self.cycle, self.order);
        let moved =
            funds::record_moved(tx, cycle, whose, order, self.amount, self.now, self.ids).await?;
        let positions = positions(&store::pairs(tx, cycle).await?)?;
        Ok(FundsView::of(&moved, code_of(&positions, &moved)))
    }
}

struct Fail<'a> {
    cycle: CycleId,
    insurer: String,
    note: String,
    client: String,
    now: Timestamp,
    ids: &'a Ids,
    key: &'a SigningKey,
}

impl Command for Fail<'_> {
    const NAME: &'static str = "settlement.fail";
    type Out = Remedy;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Remedy, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let whose = participant(tx, &self.insurer).await?;
        let said = (self.note.as_str(), self.client.as_str());
        funds::fail(tx, self.cycle, whose, said, self.now, (self.ids, self.key)).await
    }
}

struct Deposit<'a> {
    insurer: String,
    deposit: Uuid,
    amount: Fen,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Deposit<'_> {
    const NAME: &'static str = "settlement.deposit";
    type Out = CollateralView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<CollateralView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let whose = participant(tx, &self.insurer).await?;
        let (deposit, amount) = (self.deposit, self.amount);
        let balance =
            funds::deposit_collateral(tx, whose, deposit, amount, self.now, self.ids).await?;
        let balance = i64::try_from(balance).map_err(|_| ClearingError::Corrupt("collateral"))?;
        Ok(CollateralView { insurer: self.insurer.clone(), balance: Fen(balance) })
    }
}

struct SetScheme {
    scheme: Scheme,
}

impl Command for SetScheme {
    const NAME: &'static str = "settlement.set_scheme";
    type Out = Scheme;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Scheme, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        store::insert_scheme(tx, &self.scheme).await.map_err(|error| match failure::constraint(
            &error,
        ) {
            Some("scheme_pkey") => ClearingError::refused(
                &error::SCHEME_TAKEN,
                format!("region {} has one since then", self.scheme.region),
            ),
            _ => error.into(),
        })?;
        Ok(self.scheme.clone())
    }
}

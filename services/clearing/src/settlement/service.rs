//! Settlement as it is served: what members and the operator ask for and do, and what the clock
//! does by itself.

use std::time::Duration;

use base_http::paging::{Page, Paged, cut};
use base_http::{Call, Done, FieldError, Problem, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clearing_ledger::{CycleId, Purpose};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, TenantId};
use pg::{Scope, Tx, failure};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::command::{
    CloseCycle, Confirm, Deem, Deposit, DisputeItems, Fail, PutInAgain, Reverse, SendStatements,
    SetScheme,
};
use super::cycle::{Closed, Cycle, CycleStage};
use super::funds::{FundsOrder, Remedy};
use super::item::Item;
use super::message::{
    CollateralBody, ConfirmBody, DisputeBody, FailureBody, ReversalBody, SchemeBody, disputes,
    scheme,
};
use super::netting::{Position, positions};
use super::scheme::Scheme;
use super::statement::{Standing, Statement};
use super::view::{
    ClosedView, CollateralView, CycleDetailView, CycleView, FailureView, FundsView, ItemQuery,
    ItemView, KeysView, OverdueFundsView, OverdueStatementView, OverdueView, ParticipantView,
    PositionView, SchemeView, SchemesView, StatementStandingView, StatementView, counterparties,
};
use super::{account_of, store};
use crate::error::{self, ClearingError};
use crate::{Clearing, HOUSE, ledger};

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn cycle_id(text: &str) -> Result<CycleId, ClearingError> {
    text.parse().map(CycleId).map_err(|_| ClearingError::not_found("cycle", text))
}

pub(crate) fn item_id(text: &str) -> Result<Uuid, ClearingError> {
    text.parse().map_err(|_| ClearingError::not_found("item", text))
}

impl Clearing {
    /// A transaction that sees everybody's rows, for the operator.
    pub(super) async fn open_house(&self) -> Result<Tx, ClearingError> {
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
        let schemes = store::scheme::schemes(&mut tx).await?;
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

    /// What is past its deadline.
    pub async fn list_overdue(&self, call: Call) -> Result<Reply, Problem> {
        let now = call.received_at;
        let mut tx = self.open_house().await?;
        let mut view = OverdueView::default();
        for cycle in store::cycle::unreconciled(&mut tx).await? {
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
        let cycles = store::cycle::under_way(&mut tx, now).await?;
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
                let rest_days = self.parameters.rest_days(&cycle.region, now);
                let send = SendStatements { cycle: cycle_id, rest_days, now, ids, key };
                db.run(house, &send).await
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
    let mut found = store::cycle::cycles(tx, participant, before, limit + 1).await?;
    let next = cut(&mut found, limit, |last| last.id.to_string());
    Ok(Paged { items: found.iter().map(CycleView::from).collect(), next })
}

/// The tenant behind a code, as far as it ever took part.
pub(super) async fn participant(tx: &mut Tx, insurer: &str) -> Result<TenantId, ClearingError> {
    let found = store::tenant_of(tx, insurer).await?;
    found.ok_or_else(|| ClearingError::not_found("participant", insurer))
}

async fn position(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
) -> Result<PositionView, ClearingError> {
    let unknown = || ClearingError::not_found("position in cycle", cycle);
    let found = store::cycle::cycle(tx, cycle).await?.ok_or_else(unknown)?;
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

/// Items with where each stands.
pub(crate) async fn with_standing(
    tx: &mut Tx,
    items: &[Item],
) -> Result<Vec<ItemView>, ClearingError> {
    let ids: Vec<Uuid> = items.iter().map(|item| item.draft.item_id).collect();
    let standings = store::standings(tx, &ids).await?;
    let views = items.iter().map(|item| {
        let standing = standings.iter().find(|standing| standing.item_id == item.draft.item_id);
        Ok(ItemView::of(item, standing.ok_or(ClearingError::Corrupt("item"))?))
    });
    views.collect()
}

pub(super) async fn one_with_standing(tx: &mut Tx, item: Item) -> Result<ItemView, ClearingError> {
    with_standing(tx, &[item]).await?.pop().ok_or(ClearingError::Corrupt("item"))
}

fn created(view: &ItemView) -> Done {
    Done::json(StatusCode::CREATED, view, 0, view.item_id.to_string())
}

async fn detail(tx: &mut Tx, cycle: CycleId) -> Result<CycleDetailView, ClearingError> {
    let found = store::cycle::cycle(tx, cycle).await?;
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

/// An order of funds as it is shown.
pub(crate) async fn funds_view(
    tx: &mut Tx,
    order: &FundsOrder,
) -> Result<FundsView, ClearingError> {
    let positions = positions(&store::pairs(tx, order.cycle).await?)?;
    Ok(FundsView::of(order, code_of(&positions, order)))
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
    let late = |told: &&Standing| told.manner.is_none() && cycle.confirm_by(told.sent_at) <= now;
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

//! Reconciling: taking the bank's statement, comparing an insurer's file, working cases.

use std::collections::{BTreeMap, BTreeSet};

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Scope, Tx, failure};
use production_core::rules::format::is_nameable;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::case::{Action, CaseRefusal};
use super::store::{self, Case, Manner, Step};
use super::{
    Balances, Break, Ours, Theirs, said_of, suspense, with_bank, with_insurer, with_ledger,
};
use crate::error::{CASE_STAGE, ClearingError, FOUR_EYES, NO_STATEMENT};
use crate::payment::iso20022::{Statement, StatementLine, camt_053};
use crate::payment::order::{OrderId, Report, Word};
use crate::payment::{Hearing, Source, hear, store as orders};
use crate::{Clearing, HOUSE};

/// Most lines of an insurer's file.
const MOST_LINES: usize = 50_000;

/// An insurer's file.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(as = ReconciliationRequest)]
pub struct ReconcileBody {
    /// First day, in China.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// Last day.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// CSV: `orderId,amount`, with that header.
    #[schema(example = "orderId,amount\n01960000-0000-7000-8000-000000000001,5000.00\n")]
    pub file: String,
}

/// A step of a case.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CaseStepRequest)]
pub struct StepBody {
    /// `explain`, `correct`, `propose_write_off`, `write_off`, `keep` or `reopen`.
    #[schema(example = "explain")]
    pub action: String,
    /// Why; 1 to 500 characters.
    pub why: String,
    /// The payment order the money of this case is for: with `correct`, for the operator, when the
    /// money lies in suspense.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub order_id: Option<Uuid>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reconciled)]
pub struct ReconciledView {
    /// Lines compared.
    pub lines: usize,
    /// Orders that moved because of a line.
    pub moved: usize,
    /// Differences, those of earlier runs included.
    pub breaks: Vec<BreakView>,
    /// Cases opened because of this run.
    pub opened: usize,
}

/// A difference.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconciliationBreak)]
pub struct BreakView {
    /// How, as a code.
    #[schema(example = "missing_here")]
    pub kind: &'static str,
    /// The same in Chinese.
    pub kind_name: &'static str,
    /// The order, the line of the bank, what the insurer wrote, or a day and the statement of it.
    pub about: String,
    /// The bank's reference of the line whose money went into suspense because of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// What we booked; of a balance, what our account with the bank stands at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub ours: Option<Fen>,
    /// What the bank moved, or its account stands at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub bank: Option<Fen>,
    /// What the insurer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub insurer: Option<Fen>,
}

/// A case.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconciliationCase)]
pub struct CaseView {
    /// Names it.
    #[schema(value_type = String, format = Uuid)]
    pub case_id: Uuid,
    /// The difference.
    pub found: BreakView,
    /// `open`, `explained`, `corrected`, `write_off_proposed` or `written_off`.
    pub stage: &'static str,
    /// What the bank moved of it and still lies in suspense.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub in_suspense: Option<Fen>,
    /// The order its money left suspense for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub booked_for: Option<Uuid>,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// What was done, in order.
    pub steps: Vec<StepView>,
}

/// A step that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CaseStep)]
pub struct StepView {
    /// What.
    pub action: &'static str,
    /// By which client.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Whose cases somebody works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Their own; a write-off is not theirs to do.
    Own,
    /// Everybody's.
    All,
}

impl From<&Break> for BreakView {
    fn from(found: &Break) -> BreakView {
        let Break { kind, about, line, ours, bank, insurer } = found.clone();
        let kind_name = kind.name_zh();
        BreakView { kind: kind.code(), kind_name, about, line, ours, bank, insurer }
    }
}

/// Orders that cases are about, with what each of the three books says of them now.
async fn legs(tx: &mut Tx, cases: &[Case]) -> Result<BTreeMap<OrderId, Ours>, ClearingError> {
    let about = |case: &Case| OrderId::parse_end_to_end(&case.found.about);
    let orders: Vec<OrderId> = cases.iter().filter_map(about).collect();
    let never = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    let found = store::ours_with_legs(tx, None, never, &orders).await?;
    Ok(found.into_iter().map(|(_, our)| (our.order, our)).collect())
}

impl CaseView {
    /// A case; what it did not know of an order when it was opened it shows as it is known now.
    fn of(mut case: Case, known: &BTreeMap<OrderId, Ours>) -> Result<CaseView, ClearingError> {
        let in_suspense = case.suspended().map(|(_, moved)| moved);
        let order = OrderId::parse_end_to_end(&case.found.about);
        if let Some(our) = order.and_then(|order| known.get(&order)) {
            let found = &mut case.found;
            found.ours = found.ours.or(Some(our.net));
            found.bank = found.bank.or(our.bank);
            found.insurer = found.insurer.or(our.insurer);
        }
        let stage = case.stage()?.code();
        let booked_for = case.ended.and_then(|(_, order)| order);
        let steps = case.steps.into_iter().map(|step| StepView {
            action: step.action.code(),
            by: step.by,
            why: step.why,
            at: step.at,
        });
        Ok(CaseView {
            case_id: case.case_id,
            found: BreakView::from(&case.found),
            stage,
            in_suspense,
            booked_for,
            opened_at: case.opened_at,
            steps: steps.collect(),
        })
    }
}

impl Clearing {
    /// Takes the bank's statement of a day.
    pub async fn take_statement(&self, call: Call, day: &str) -> Result<Reply, Problem> {
        let date: Date = day.parse().map_err(|_| bad("day", "a day is written yyyy-mm-dd"))?;
        // Nothing is open while the bank is asked.
        let message = self.bank.statement(date).await.map_err(|error| {
            tracing::warn!(error = %base_http::problem::Chain(&error), "no statement of {date}");
            ClearingError::refused(&NO_STATEMENT, error.to_string())
        })?;
        let message = message.ok_or_else(|| {
            ClearingError::refused(&NO_STATEMENT, format!("the bank has none of {date}"))
        })?;
        let statement = camt_053(&message)
            .map_err(|error| ClearingError::refused(&NO_STATEMENT, error.to_string()))?;
        let command =
            TakeStatement { statement, day: date, now: call.received_at, ids: self.spine.ids() };
        let run = self.spine.run(call, &command, |view| Done::json(StatusCode::OK, &view, 0, day));
        run.await
    }

    /// Compares own orders with an own file.
    pub async fn reconcile_with_file(
        &self,
        call: Call,
        body: ReconcileBody,
    ) -> Result<Reply, Problem> {
        let theirs = read_file(&body.file)?;
        let (from, to) = (store::span(body.from), store::span(body.to));
        let nameable = [body.from, body.to].into_iter().all(is_nameable);
        let span = from.zip(to).map(|(from, to)| (from.0, to.1));
        let span = span.filter(|(from, to)| nameable && from < to).ok_or_else(|| {
            let detail = "days of 1900 to 2199, the last not before the first";
            Problem::invalid(vec![FieldError::at("/to", detail)])
        })?;
        let command = Compare {
            participant: call.caller.tenant,
            days: (body.from, body.to),
            span,
            theirs,
            now: call.received_at,
            ids: self.spine.ids(),
        };
        let run = self
            .spine
            .run(call, &command, |view| Done::json(StatusCode::OK, &view, 0, "reconciliation"));
        run.await
    }

    /// Cases the caller may see, latest first.
    pub async fn list_cases(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let limit = page.limit()?;
        let before = page.after.as_deref().map(str::parse::<Uuid>).transpose();
        let before = before.map_err(|_| bad("after", "not a place in this list"))?;
        let scope = if call.caller.may(&crate::function::ANY_CASE_STEP) {
            Scope::of(HOUSE)
        } else {
            Scope::of(call.caller.tenant)
        };
        let mut tx = self.spine.db().begin(scope).await.map_err(ClearingError::from)?;
        let mut cases = store::cases(&mut tx, None, before, limit + 1).await?;
        let next = cut(&mut cases, limit, |last| last.case_id.to_string());
        let known = legs(&mut tx, &cases).await?;
        drop(tx);
        let items = cases.into_iter().map(|case| CaseView::of(case, &known));
        let items = items.collect::<Result<Vec<CaseView>, _>>()?;
        self.answer(call, &Paged { items, next }, "cases").await
    }

    /// Takes a step of a case.
    pub async fn step_case(
        &self,
        call: Call,
        case: &str,
        body: StepBody,
        reach: Reach,
    ) -> Result<Reply, Problem> {
        let case_id: Uuid =
            case.parse().map_err(|_| ClearingError::not_found("reconciliation case", case))?;
        let mut found = Vec::new();
        let action = Action::parse(&body.action).ok();
        let is_own = action.filter(|action| reach == Reach::All || *action != Action::WriteOff);
        if is_own.is_none() {
            found.push(FieldError::at("/action", "no step of a case that is taken here"));
        }
        if !(1..=500).contains(&body.why.trim().chars().count()) {
            found.push(FieldError::at("/why", "why, in 1 to 500 characters"));
        }
        let books = reach == Reach::All && action == Some(Action::Correct);
        if body.order_id.is_some() && !books {
            let detail = "only the operator books money out of suspense, with `correct`";
            found.push(FieldError::at("/orderId", detail));
        }
        let Some(action) = is_own.filter(|_| found.is_empty()) else {
            return Err(Problem::invalid(found));
        };
        let step = Step {
            action,
            by: call.caller.client.to_string(),
            why: body.why.trim().to_owned(),
            at: call.received_at,
        };
        let (tenant, ids) = (call.caller.tenant, self.spine.ids());
        let order = body.order_id.map(OrderId);
        let command = TakeStep { case_id, step, order, tenant, reach, ids };
        self.spine.run(call, &command, |view| Done::json(StatusCode::OK, &view, 0, case)).await
    }
}

fn read_file(file: &str) -> Result<Vec<Theirs>, Problem> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "orderId")]
        order: String,
        amount: Fen,
    }
    let mut rows = Vec::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file.as_bytes());
    let is_headed = reader.headers().is_ok_and(|names| {
        ["orderId", "amount"].iter().all(|&column| names.iter().any(|name| name == column))
    });
    if !is_headed {
        let detail = "the first line names the columns: orderId,amount";
        return Err(Problem::invalid(vec![FieldError::at("/file", detail)]));
    }
    for row in reader.deserialize::<Row>() {
        let row = row.map_err(|error| {
            let line = error.position().map_or(1, csv::Position::line);
            Problem::invalid(vec![FieldError::at("/file", format!("line {line} cannot be read"))])
        })?;
        let is_plain = (1..=80).contains(&row.order.chars().count());
        if !is_plain || rows.len() == MOST_LINES {
            let detail = "an order's id has up to 80 characters, a file up to 50,000 lines";
            return Err(Problem::invalid(vec![FieldError::at("/file", detail)]));
        }
        rows.push(Theirs { order: row.order, amount: row.amount });
    }
    Ok(rows)
}

/// Opens a case for each break that has none.
async fn open_cases(
    tx: &mut Tx,
    breaks: &[Break],
    participant: impl Fn(&Break) -> TenantId,
    now: Timestamp,
    ids: &Ids,
) -> Result<usize, ClearingError> {
    let mut opened = 0;
    for found in breaks {
        let id = ids.next(now);
        opened += usize::from(store::open_case(tx, id, participant(found), found, now).await?);
    }
    Ok(opened)
}

pub(super) struct TakeStatement<'a> {
    pub(super) statement: Statement,
    pub(super) day: Date,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl TakeStatement<'_> {
    /// Holds the statement's balances against our account with the bank, as it stood when the
    /// statement was taken first: a later line of another order changes nothing about it.
    async fn balances(&self, tx: &mut Tx, refs: &[String]) -> Result<Vec<Break>, ClearingError> {
        let of = |code: &str| {
            let balances = self.statement.balances.iter();
            balances.clone().find(|(known, _)| known == code).map(|(_, sum)| *sum)
        };
        let balances = Balances {
            statement: self.statement.id.clone(),
            day: self.statement.closed_on.unwrap_or(self.day),
            opening: of("OPBD"),
            closing: of("CLBD"),
        };
        let ours = match store::legs::held_against(tx, &balances).await? {
            Some(ours) => ours,
            None => {
                let before = balances.day.yesterday().map_err(|_| ClearingError::Corrupt("day"))?;
                // A bank may write several statements a day: each opens after the one before.
                let told = store::legs::others_of(tx, balances.day, refs).await?;
                let opening = store::legs::ours_on(tx, before).await?.plus(told);
                let opening = opening.ok_or(ClearingError::Corrupt("account with the bank"))?;
                let ours = (opening, store::legs::ours_on(tx, balances.day).await?);
                store::legs::insert_balances(tx, &balances, ours, self.now).await?;
                ours
            }
        };
        Ok(with_ledger(&balances, ours))
    }

    /// Hears what the kept lines say of an order in all; whether it moved.
    async fn hear(
        &self,
        tx: &mut Tx,
        order: OrderId,
        lines: &[StatementLine],
    ) -> Result<bool, ClearingError> {
        let Some(known) = orders::find(tx, order).await? else { return Ok(false) };
        let word = said_of(known.direction, lines);
        let (settled, returned) = match &word {
            Word::Returned { settled, returned, .. } => (*settled, *returned),
            Word::Settled { total } => (*total, Fen::ZERO),
            Word::Accepted | Word::Rejected { .. } => (Fen::ZERO, Fen::ZERO),
        };
        let report = Report { bank_ref: None, word, at: self.now };
        let name = format!("{}/{}/{}", self.statement.id, settled.0, returned.0);
        let name: String = name.chars().take(128).collect();
        let hearing =
            hear(tx, order, (Source::Statement, &name), &report, self.now, self.ids).await?;
        Ok(matches!(&hearing, Hearing::Heard { settled, returned, .. }
            if *settled > Fen::ZERO || *returned > Fen::ZERO))
    }
}

impl Command for TakeStatement<'_> {
    const NAME: &'static str = "payment.take_statement";
    type Out = ReconciledView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<ReconciledView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let refs: Vec<String> =
            self.statement.lines.iter().map(|line| line.entry_ref.clone()).collect();
        let brought = store::brought(tx, &refs).await?;
        let lines: Vec<StatementLine> =
            self.statement.lines.iter().map(|line| naming(line, &brought)).collect();
        let mut seen = BTreeSet::new();
        let distinct: Vec<StatementLine> =
            lines.iter().filter(|line| seen.insert(&line.entry_ref)).cloned().collect();
        let new: BTreeSet<String> =
            store::insert_lines(tx, &distinct, self.now).await?.into_iter().collect();
        let asked: BTreeSet<OrderId> = distinct.iter().filter_map(StatementLine::order).collect();
        let asked: Vec<OrderId> = asked.into_iter().collect();
        // Held before their lines are added up: who brings one of them another line waits.
        orders::hold(tx, &asked).await?;
        let mut kept: BTreeMap<OrderId, Vec<StatementLine>> = BTreeMap::new();
        for (order, line) in store::lines_of(tx, &asked).await? {
            kept.entry(order).or_default().push(line);
        }
        let mut moved = 0;
        for (order, lines) in &kept {
            moved += usize::from(self.hear(tx, *order, lines).await?);
        }
        let is_stray =
            |line: &&StatementLine| line.order().is_none_or(|order| !kept.contains_key(&order));
        for line in distinct.iter().filter(is_stray) {
            if new.contains(&line.entry_ref) && line.amount != Fen::ZERO {
                suspense::suspend(tx, line, self.now, self.ids).await?;
            }
        }
        let span = store::span(self.day).ok_or(ClearingError::Corrupt("day"))?;
        let ours = store::ours_with_legs(tx, None, span, &asked).await?;
        let of: BTreeMap<String, TenantId> =
            ours.iter().map(|(tenant, our)| (our.order.to_string(), *tenant)).collect();
        let ours: Vec<_> = ours.into_iter().map(|(_, our)| our).collect();
        let ids: Vec<OrderId> = ours.iter().map(|our| our.order).collect();
        // What other days' statements said of these orders counts too.
        let before = store::lines_of(tx, &ids).await?.into_iter().map(|(_, line)| line);
        let before = before.filter(|line| !seen.contains(&line.entry_ref));
        let compared: Vec<StatementLine> = lines.iter().cloned().chain(before).collect();
        let mut breaks = with_bank(&ours, &compared);
        breaks.extend(self.balances(tx, &refs).await?);
        let whose = |found: &Break| of.get(&found.about).copied().unwrap_or(HOUSE);
        let opened = open_cases(tx, &breaks, whose, self.now, self.ids).await?;
        let breaks = breaks.iter().map(BreakView::from).collect();
        Ok(ReconciledView { lines: lines.len(), moved, breaks, opened })
    }
}

/// A line with the name of the order a case brought it to, where one did.
fn naming(line: &StatementLine, brought: &BTreeMap<String, OrderId>) -> StatementLine {
    let named = brought.get(&line.entry_ref).map(|order| order.end_to_end());
    StatementLine { end_to_end: named.or_else(|| line.end_to_end.clone()), ..line.clone() }
}

struct Compare<'a> {
    participant: TenantId,
    days: (Date, Date),
    span: (Timestamp, Timestamp),
    theirs: Vec<Theirs>,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Compare<'_> {
    const NAME: &'static str = "payment.reconcile";
    type Out = ReconciledView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<ReconciledView, ClearingError> {
        let file = (self.participant, self.days.0, self.days.1);
        let file_id = self.ids.next(self.now);
        store::legs::insert_file(tx, file_id, file, &self.theirs, self.now).await?;
        let ours = store::ours_with_legs(tx, Some(self.participant), self.span, &[]).await?;
        let ours: Vec<_> = ours.into_iter().map(|(_, our)| our).collect();
        let breaks = with_insurer(&ours, &self.theirs);
        let opened = open_cases(tx, &breaks, |_| self.participant, self.now, self.ids).await?;
        let breaks = breaks.iter().map(BreakView::from).collect();
        Ok(ReconciledView { lines: self.theirs.len(), moved: 0, breaks, opened })
    }
}

struct TakeStep<'a> {
    case_id: Uuid,
    step: Step,
    order: Option<OrderId>,
    tenant: TenantId,
    reach: Reach,
    ids: &'a Ids,
}

impl TakeStep<'_> {
    /// Refuses what would call a case over while its money lies in suspense, or open again when the
    /// money has left it.
    fn check(&self, case: &Case) -> Result<(), ClearingError> {
        let refused = |detail: String| Err(ClearingError::refused(&CASE_STAGE, detail));
        let has_order = self.order.is_some();
        match (self.step.action, case.suspended()) {
            (Action::Correct, Some(_)) if has_order => Ok(()),
            (Action::Correct | Action::Explain, Some((_, moved))) => refused(format!(
                "{} yuan of this case lie in suspense: the operator corrects it with the `orderId` \
                 they are for, or they are written off",
                moved.yuan()
            )),
            (Action::Reopen, None) if case.found.line.is_some() => {
                refused("the money of this case has left suspense".to_owned())
            }
            (Action::Correct, None) if has_order => {
                let detail = "no money of this case lies in suspense: leave it out";
                Err(ClearingError::Invalid(vec![FieldError::at("/orderId", detail)]))
            }
            _ => Ok(()),
        }
    }
}

impl Command for TakeStep<'_> {
    const NAME: &'static str = "payment.case_step";
    type Out = CaseView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<CaseView, ClearingError> {
        if self.reach == Reach::All {
            tx.work_also_for([HOUSE]).await?;
        }
        let unknown = || ClearingError::not_found("reconciliation case", self.case_id);
        let found = store::cases(tx, Some(self.case_id), None, 1).await?.pop();
        let mut case = found.ok_or_else(unknown)?;
        if self.reach == Reach::Own && case.participant != self.tenant {
            return Err(unknown());
        }
        let stage = case.stage()?.act(self.step.action, &self.step.by);
        stage.map_err(|refusal| {
            let code = match refusal {
                CaseRefusal::Stage => &CASE_STAGE,
                CaseRefusal::SamePerson => &FOUR_EYES,
            };
            ClearingError::refused(code, refusal.to_string())
        })?;
        self.check(&case)?;
        let number = case.steps.len() + 1;
        store::insert_step(tx, (self.case_id, number), self.tenant, &self.step).await.map_err(
            |error| match failure::constraint(&error) {
                Some("reconciliation_step_pkey") => failure::start_over(),
                _ => error,
            },
        )?;
        match (self.step.action, self.order) {
            (Action::Correct, Some(order)) => {
                suspense::book(tx, &case, order, self.step.at, self.ids).await?;
                case.ended = Some((Manner::Heard, Some(order.0)));
            }
            (Action::WriteOff, _) if case.suspended().is_some() => {
                suspense::write_off(tx, &case, self.step.at, self.ids).await?;
                case.ended = Some((Manner::WrittenOff, None));
            }
            _ => {}
        }
        case.steps.push(self.step.clone());
        let known = legs(tx, std::slice::from_ref(&case)).await?;
        CaseView::of(case, &known)
    }
}

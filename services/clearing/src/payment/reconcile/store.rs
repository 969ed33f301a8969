//! SQL of reconciliation.

pub(super) mod legs;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId, time};
use pg::{Tx, failure};
use production_core::coded_enum;
use uuid::Uuid;

use super::case::{Action, CaseStage};
use super::{Break, BreakKind, Ours};
use crate::error::ClearingError;
use crate::payment::iso20022::StatementLine;
use crate::payment::order::OrderId;

/// Keeps lines that are not there yet; their references.
pub(super) async fn insert_lines(
    tx: &mut Tx,
    lines: &[StatementLine],
    now: Timestamp,
) -> Result<Vec<String>, ClearingError> {
    let refs: Vec<String> = lines.iter().map(|line| line.entry_ref.clone()).collect();
    let days: Vec<_> = lines.iter().map(|line| line.booked_on.to_sqlx()).collect();
    let amounts: Vec<i64> = lines.iter().map(|line| line.amount.0).collect();
    let reversals: Vec<bool> = lines.iter().map(|line| line.is_reversal).collect();
    let orders: Vec<Option<Uuid>> =
        lines.iter().map(|line| line.order().map(|order| order.0)).collect();
    let ids: Vec<Option<String>> = lines.iter().map(|line| line.end_to_end.clone()).collect();
    let texts: Vec<Option<String>> = lines.iter().map(|line| line.remittance.clone()).collect();
    let rows = sqlx::query_scalar!(
        "insert into clearing.bank_line
             (entry_ref, booked_on, amount_fen, is_reversal, order_id, end_to_end, remittance,
              taken_at)
         select l.entry_ref, l.booked_on, l.amount_fen, l.is_reversal, o.order_id, l.end_to_end,
                l.remittance, $8
         from unnest($1::text[], $2::date[], $3::int8[], $4::bool[], $5::uuid[], $6::text[],
                     $7::text[])
              as l (entry_ref, booked_on, amount_fen, is_reversal, order_id, end_to_end, remittance)
         left join clearing.payment_order o on o.order_id = l.order_id
         on conflict (entry_ref) do nothing
         returning entry_ref",
        &refs,
        &days as _,
        &amounts,
        &reversals,
        &orders as &[Option<Uuid>],
        &ids as &[Option<String>],
        &texts as &[Option<String>],
        now.to_sqlx() as _
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Every line kept of these orders; one that a case brought to its order names it here.
pub(super) async fn lines_of(
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<Vec<(OrderId, StatementLine)>, ClearingError> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.0).collect();
    let rows = sqlx::query!(
        r#"select order_id as "order_id!", entry_ref as "entry_ref!",
                  booked_on as "booked_on!: jiff_sqlx::Date", amount_fen as "amount_fen!",
                  is_reversal as "is_reversal!", end_to_end, remittance
           from (
               select order_id, entry_ref, booked_on, amount_fen, is_reversal, end_to_end, remittance
               from clearing.bank_line where order_id = any ($1)
               union all
               select e.order_id, l.entry_ref, l.booked_on, l.amount_fen, l.is_reversal,
                      replace(e.order_id::text, '-', ''), l.remittance
               from clearing.bank_line_end e join clearing.bank_line l using (entry_ref)
               where e.manner = 'heard' and e.order_id = any ($1)
           ) lines
           order by booked_on, entry_ref"#,
        &orders
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows
        .map(|row| {
            let line = StatementLine {
                entry_ref: row.entry_ref,
                booked_on: row.booked_on.to_jiff(),
                amount: Fen(row.amount_fen),
                is_reversal: row.is_reversal,
                end_to_end: row.end_to_end,
                remittance: row.remittance,
            };
            (OrderId(row.order_id), line)
        })
        .collect())
}

/// The orders that cases brought these lines to, by the bank's reference.
pub(super) async fn brought(
    tx: &mut Tx,
    entry_refs: &[String],
) -> Result<BTreeMap<String, OrderId>, ClearingError> {
    let rows = sqlx::query!(
        r#"select entry_ref, order_id as "order_id!" from clearing.bank_line_end
           where manner = 'heard' and entry_ref = any ($1)"#,
        entry_refs
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows.map(|row| (row.entry_ref, OrderId(row.order_id))).collect())
}

/// Orders that moved from one instant to before another, or are named; those of `participant`
/// alone when it is given.
pub(super) async fn ours(
    tx: &mut Tx,
    participant: Option<TenantId>,
    (from, to): (Timestamp, Timestamp),
    named: &[OrderId],
) -> Result<Vec<(TenantId, Ours)>, ClearingError> {
    let named: Vec<Uuid> = named.iter().map(|order| order.0).collect();
    let rows = sqlx::query!(
        r#"select order_id, participant, direction, amount_fen, settled_fen, returned_fen,
                  reference, moved_at as "moved_at: jiff_sqlx::Timestamp",
                  coalesce(
                      (select min(e.entry_ref) from clearing.bank_line_end e
                       where e.manner = 'heard' and e.order_id = o.order_id),
                      (select c.entry_ref from clearing.reconciliation_case c
                       where c.participant = o.participant and c.kind = 'wrong_reference'
                         and c.about = o.order_id::text)) as line
           from clearing.payment_order o
           where ($1::uuid is null or participant = $1)
             and ((moved_at >= $2 and moved_at < $3) or order_id = any ($4))
           order by order_id"#,
        participant.map(|participant| participant.0) as _,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        &named
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows
        .map(|row| {
            let sign = if row.direction == "collect" { 1 } else { -1 };
            let ours = Ours {
                order: OrderId(row.order_id),
                net: Fen(sign * (row.settled_fen - row.returned_fen)),
                ordered: Fen(sign * row.amount_fen),
                reference: row.reference,
                day: time::day_of(row.moved_at.to_jiff()),
                line: row.line,
                bank: None,
                insurer: None,
            };
            (TenantId(row.participant), ours)
        })
        .collect())
}

/// The same, with what the bank's kept lines and the insurers' files say of each.
pub(super) async fn ours_with_legs(
    tx: &mut Tx,
    participant: Option<TenantId>,
    days: (Timestamp, Timestamp),
    named: &[OrderId],
) -> Result<Vec<(TenantId, Ours)>, ClearingError> {
    let mut found = ours(tx, participant, days, named).await?;
    let orders: Vec<OrderId> = found.iter().map(|(_, our)| our.order).collect();
    let mut moved: BTreeMap<OrderId, i64> = BTreeMap::new();
    for (order, line) in lines_of(tx, &orders).await? {
        let sum = moved.entry(order).or_default();
        *sum = sum.saturating_add(line.amount.0);
    }
    let filed = legs::of_insurers(tx, &orders).await?;
    for (_, our) in &mut found {
        our.bank = moved.get(&our.order).copied().map(Fen);
        our.insurer = filed.get(&our.order).copied();
    }
    Ok(found)
}

/// Opens a case, unless it was opened before; whether it is new.
pub(super) async fn open_case(
    tx: &mut Tx,
    case_id: Uuid,
    participant: TenantId,
    found: &Break,
    now: Timestamp,
) -> Result<bool, ClearingError> {
    let about: String = found.about.chars().take(80).collect();
    let done = sqlx::query!(
        "insert into clearing.reconciliation_case
             (case_id, participant, kind, about, ours_fen, bank_fen, insurer_fen, opened_at,
              entry_ref)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (participant, kind, about) do nothing",
        case_id,
        participant.0,
        found.kind.code(),
        about,
        found.ours.map(|sum| sum.0),
        found.bank.map(|sum| sum.0),
        found.insurer.map(|sum| sum.0),
        now.to_sqlx() as _,
        found.line
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Names the case of a break, if one was opened.
pub(super) async fn case_of(
    tx: &mut Tx,
    participant: TenantId,
    kind: BreakKind,
    about: &str,
) -> Result<Option<Uuid>, ClearingError> {
    let found = sqlx::query_scalar!(
        "select case_id from clearing.reconciliation_case
         where participant = $1 and kind = $2 and about = $3",
        participant.0,
        kind.code(),
        about
    );
    Ok(found.fetch_optional(tx.conn()).await?)
}

/// A stored case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Names it.
    pub case_id: Uuid,
    /// Whose.
    pub participant: TenantId,
    /// The break.
    pub found: Break,
    /// How the money of its line left suspense; `None` while it lies there, or where there is none.
    pub ended: Option<(Manner, Option<Uuid>)>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

coded_enum! {
    /// How the money of a line leaves suspense.
    pub enum Manner ("end of money in suspense") {
        Heard = "heard", "入账", "it is one more line of an order";
        Funds = "funds", "划款", "booked by hand for an order of funds the bank did not do";
        WrittenOff = "written_off", "核销", "borne by the clearing house, or its gain";
    }
}

/// What was done about a case.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// What.
    pub action: Action,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

impl Case {
    /// Where it stands: what its steps say.
    pub(super) fn stage(&self) -> Result<CaseStage, ClearingError> {
        let steps = self.steps.iter();
        let stage =
            steps.clone().try_fold(CaseStage::Open, |stage, step| stage.act(step.action, &step.by));
        stage.map_err(|_| ClearingError::Corrupt("reconciliation case"))
    }

    /// The line whose money lies in suspense because of this case, and how much it moved.
    pub(super) fn suspended(&self) -> Option<(&str, Fen)> {
        let line = self.found.line.as_deref().filter(|_| self.ended.is_none())?;
        Some((line, self.found.bank?))
    }
}

/// Cases the transaction may see, latest first, at most `limit`; the one that is named, if any.
pub(super) async fn cases(
    tx: &mut Tx,
    named: Option<Uuid>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Case>, ClearingError> {
    let corrupt = || ClearingError::Corrupt("reconciliation case");
    let rows = sqlx::query!(
        r#"select c.case_id, participant, kind, about, c.entry_ref, ours_fen, bank_fen, insurer_fen,
                  opened_at as "opened_at: jiff_sqlx::Timestamp", e.manner as "manner?", e.order_id
           from clearing.reconciliation_case c
           left join clearing.bank_line_end e on e.entry_ref = c.entry_ref
           where ($1::uuid is null or c.case_id = $1) and ($2::uuid is null or c.case_id < $2)
           order by c.case_id desc limit $3"#,
        named as _,
        before as _,
        limit
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.case_id).collect();
    let steps = sqlx::query!(
        r#"select case_id, action, done_by, why, done_at as "done_at: jiff_sqlx::Timestamp"
           from clearing.reconciliation_step where case_id = any ($1) order by case_id, step"#,
        &ids
    );
    let steps = steps.fetch_all(tx.conn()).await?;
    let mut cases = Vec::with_capacity(rows.len());
    for row in rows {
        let of_case = steps.iter().filter(|step| step.case_id == row.case_id);
        let of_case = of_case.map(|step| {
            Ok(Step {
                action: Action::parse(&step.action).map_err(|_| corrupt())?,
                by: step.done_by.clone(),
                why: step.why.clone(),
                at: step.done_at.to_jiff(),
            })
        });
        cases.push(Case {
            case_id: row.case_id,
            participant: TenantId(row.participant),
            steps: of_case.collect::<Result<_, ClearingError>>()?,
            found: Break {
                kind: BreakKind::parse(&row.kind).map_err(|_| corrupt())?,
                about: row.about,
                line: row.entry_ref,
                ours: row.ours_fen.map(Fen),
                bank: row.bank_fen.map(Fen),
                insurer: row.insurer_fen.map(Fen),
            },
            ended: match row.manner {
                None => None,
                Some(manner) => {
                    Some((Manner::parse(&manner).map_err(|_| corrupt())?, row.order_id))
                }
            },
            opened_at: row.opened_at.to_jiff(),
        });
    }
    Ok(cases)
}

/// Writes the next step of a case; whoever is second starts over.
pub(super) async fn insert_step(
    tx: &mut Tx,
    (case_id, number): (Uuid, usize),
    tenant: TenantId,
    step: &Step,
) -> Result<(), sqlx::Error> {
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    sqlx::query!(
        "insert into clearing.reconciliation_step (case_id, step, action, tenant, done_by, why, done_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        case_id,
        number,
        step.action.code(),
        tenant.0,
        step.by,
        step.why,
        step.at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The money of the case's line left suspense, once.
pub(super) async fn end_suspense(
    tx: &mut Tx,
    case: &Case,
    manner: Manner,
    order: Option<Uuid>,
    now: Timestamp,
) -> Result<(), ClearingError> {
    let done = sqlx::query!(
        "insert into clearing.bank_line_end (entry_ref, case_id, manner, order_id, ended_at)
         values ($1, $2, $3, $4, $5)",
        case.found.line,
        case.case_id,
        manner.code(),
        order,
        now.to_sqlx() as _
    );
    done.execute(tx.conn()).await.map_err(|error| match failure::constraint(&error) {
        // Somebody else was faster: what is found next time says so.
        Some("bank_line_end_pkey") => failure::start_over(),
        _ => error,
    })?;
    Ok(())
}

/// The first instant of `day` and of the day after it.
pub(super) fn span(day: Date) -> Option<(Timestamp, Timestamp)> {
    Some((time::start_of(day)?, time::start_of(day.tomorrow().ok()?)?))
}

//! Statements (对账单): what a cycle comes to for one participant, signed by the platform, and the
//! participant's agreement to it.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clearing_ledger::{CycleId, Purpose};
use crypto::{Digest, SigningKey, sha256};
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, Ids, TenantId};
use pg::Tx;
use serde::Serialize;
use uuid::Uuid;

use super::cycle::{Cycle, CycleStage};
use super::netting::{Overflow, Position, positions};
use super::scheme::OnSilence;
use super::{Parties, account_of, funds, milestone, store};
use crate::error::{self, ClearingError};
use crate::ledger;

/// A statement as it was signed and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Of which cycle.
    pub cycle: CycleId,
    /// For whom.
    pub participant: TenantId,
    /// Counted from 1; a later one replaces an earlier one.
    pub revision: i32,
    /// JSON, to the byte what is signed.
    pub body: String,
    /// What is due less what is owed.
    pub net: Fen,
    /// SHA-256 of the body.
    pub digest: Digest,
    /// Ed25519, of the platform.
    pub public_key: [u8; 32],
    /// Over the body.
    pub signature: Vec<u8>,
    /// When.
    pub sent_at: Timestamp,
}

/// How a participant came to agree to its statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// To which revision.
    pub revision: i32,
    /// `confirmed`, `deemed` or `unwound`.
    pub manner: String,
    /// When.
    pub confirmed_at: Timestamp,
}

/// The latest statement of a participant and whether it was agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// For whom.
    pub participant: TenantId,
    /// The latest.
    pub revision: i32,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How it was agreed to.
    pub manner: Option<String>,
}

/// What is signed: the text of a statement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    /// Says how to read it.
    format: &'static str,
    cycle_id: Uuid,
    region: &'a str,
    /// Empty for all covers.
    cover: &'a str,
    number: i32,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    insurer: &'a str,
    revision: i32,
    sent_at: Timestamp,
    confirm_by: Timestamp,
    owes: Fen,
    due: Fen,
    net: Fen,
    lines: Vec<BodyLine<'a>>,
}

/// One counterparty and cover in a statement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BodyLine<'a> {
    counterparty: &'a str,
    cover: &'static str,
    owes_items: i64,
    owes: Fen,
    due_items: i64,
    due: Fen,
}

impl Statement {
    /// The digest in hexadecimal digits.
    pub fn digest_hex(&self) -> String {
        hex::encode(self.digest.0)
    }

    /// The signature in base64.
    pub fn signature_base64(&self) -> String {
        STANDARD.encode(&self.signature)
    }

    /// The public key in base64.
    pub fn public_key_base64(&self) -> String {
        STANDARD.encode(self.public_key)
    }

    fn of(
        cycle: &Cycle,
        position: &Position,
        revision: i32,
        now: Timestamp,
        key: &SigningKey,
    ) -> Result<Statement, ClearingError> {
        let net = position.net()?;
        let lines = position.lines.iter().map(|line| BodyLine {
            counterparty: &line.insurer,
            cover: line.cover.code(),
            owes_items: line.owes_items,
            owes: line.owes,
            due_items: line.due_items,
            due: line.due,
        });
        let body = Body {
            format: "commonwheel.settlement-statement.1",
            cycle_id: cycle.id.0,
            region: &cycle.region,
            cover: &cycle.cover,
            number: cycle.number,
            opened_at: cycle.opened_at,
            closed_at: cycle.closed_at,
            insurer: &position.insurer,
            revision,
            sent_at: now,
            confirm_by: cycle.confirm_by(now),
            owes: position.owes()?,
            due: position.due()?,
            net,
            lines: lines.collect(),
        };
        let body = serde_json::to_string(&body).map_err(|_| ClearingError::Corrupt("statement"))?;
        Ok(Statement {
            cycle: cycle.id,
            participant: position.participant,
            revision,
            net,
            digest: sha256(body.as_bytes()),
            public_key: key.public_key(),
            signature: key.sign(body.as_bytes()),
            sent_at: now,
            body,
        })
    }
}

impl From<Overflow> for ClearingError {
    fn from(_: Overflow) -> ClearingError {
        ClearingError::Corrupt("sum of a cycle")
    }
}

/// Nets a closed cycle and tells every participant what it comes to. Takes as long as there are
/// pairs. None of the cycle's deadlines will end on one of `rest_days`. Refused unless the cycle is
/// closed and was not told yet.
pub async fn state(
    tx: &mut Tx,
    cycle: CycleId,
    rest_days: &BTreeSet<Date>,
    now: Timestamp,
    (ids, key): (&Ids, &SigningKey),
) -> Result<(), ClearingError> {
    let mut cycle = store::cycle::lock_cycle(tx, cycle).await?;
    cycle.must_be(&[CycleStage::Closed], "net")?;
    cycle.rest_days = rest_days.clone();
    let pairs = store::pairs(tx, cycle.id).await?;
    let positions = positions(&pairs)?;
    prove(tx, &cycle, &positions).await?;
    let statements = positions.iter().map(|position| Statement::of(&cycle, position, 1, now, key));
    let statements = statements.collect::<Result<Vec<_>, _>>()?;
    store::statement::insert(tx, &statements).await?;
    store::cycle::set_stated(tx, &cycle, now).await?;
    milestone::stated(tx, &cycle, &statements, now, ids).await?;
    cycle.stated_at = Some(now);
    if positions.is_empty() {
        funds::order(tx, &cycle, now, ids).await?;
    }
    Ok(())
}

/// The pairs and the ledger must say the same before anybody is told anything: a position is what
/// the pairs come to, and what was paid towards it.
async fn prove(tx: &mut Tx, cycle: &Cycle, positions: &[Position]) -> Result<(), ClearingError> {
    let accounts = ledger::accounts_of_cycle(tx, cycle.id).await?;
    let orders = store::funds::of_cycle(tx, cycle.id).await?;
    for position in positions {
        let id = account_of(position.participant, Purpose::Position, Some(cycle.id));
        let stands = accounts.iter().find(|account| account.id == id);
        let stands = stands.map(|account| account.balance.net_credit());
        let own = orders.iter().filter(|order| order.participant == position.participant);
        let paid: i128 = own.map(|order| i128::from(order.paid().0)).sum();
        if stands != Some(i128::from(position.net()?.0) + paid) {
            return Err(ClearingError::Corrupt("position: pairs and ledger differ"));
        }
    }
    Ok(())
}

/// Sends a new revision to each of `participants`, netted from what is left in the cycle.
pub(super) async fn restate(
    tx: &mut Tx,
    cycle: &Cycle,
    participants: &Parties,
    now: Timestamp,
    (ids, key): (&Ids, &SigningKey),
) -> Result<Vec<Statement>, ClearingError> {
    let positions = positions(&store::pairs(tx, cycle.id).await?)?;
    prove(tx, cycle, &positions).await?;
    let told = store::statement::standings(tx, cycle.id).await?;
    let mut statements = Vec::with_capacity(participants.len());
    for position in positions.iter().filter(|one| participants.contains(&one.participant)) {
        let last = told.iter().find(|told| told.participant == position.participant);
        let revision = last.map_or(1, |told| told.revision + 1);
        statements.push(Statement::of(cycle, position, revision, now, key)?);
    }
    store::statement::insert(tx, &statements).await?;
    milestone::stated(tx, cycle, &statements, now, ids).await?;
    Ok(statements)
}

/// Notes that a participant agrees to the revision of its statement it names by digest. The last
/// to agree sets the ordering of funds going.
pub async fn confirm(
    tx: &mut Tx,
    cycle: CycleId,
    (participant, client): (TenantId, &str),
    digest: &str,
    now: Timestamp,
    ids: &Ids,
) -> Result<Statement, ClearingError> {
    let cycle = store::cycle::lock_cycle(tx, cycle).await?;
    let latest = store::statement::latest(tx, cycle.id, participant).await?;
    let latest = latest.ok_or_else(|| ClearingError::not_found("statement of cycle", cycle.id))?;
    if latest.digest_hex() != digest {
        let detail = format!("the statement is revision {} by now; read it", latest.revision);
        return Err(ClearingError::refused(&error::STATEMENT_OTHER, detail));
    }
    if store::statement::confirmation(tx, cycle.id, participant, latest.revision).await?.is_some() {
        return Ok(latest);
    }
    cycle.must_be(&[CycleStage::Stated], "confirm a statement of")?;
    let agreed = [(participant, latest.revision)];
    store::statement::insert_confirmations(tx, cycle.id, &agreed, "confirmed", client, now).await?;
    milestone::agreed(tx, &cycle, &agreed, "confirmed", now, ids).await?;
    order_when_all_agree(tx, &cycle, now, ids).await?;
    Ok(latest)
}

/// Takes the silence of who is past the time to confirm for agreement, where the cycle's rule says
/// so; how many.
pub async fn deem(
    tx: &mut Tx,
    cycle: CycleId,
    now: Timestamp,
    ids: &Ids,
) -> Result<usize, ClearingError> {
    let cycle = store::cycle::lock_cycle(tx, cycle).await?;
    if cycle.stage() != CycleStage::Stated || cycle.scheme.on_silence != OnSilence::Deem {
        return Ok(0);
    }
    let silent: Vec<(TenantId, i32)> = store::statement::standings(tx, cycle.id)
        .await?
        .into_iter()
        .filter(|told| told.manner.is_none() && cycle.confirm_by(told.sent_at) <= now)
        .map(|told| (told.participant, told.revision))
        .collect();
    if !silent.is_empty() {
        store::statement::insert_confirmations(tx, cycle.id, &silent, "deemed", "commonwheel", now)
            .await?;
        milestone::agreed(tx, &cycle, &silent, "deemed", now, ids).await?;
        order_when_all_agree(tx, &cycle, now, ids).await?;
    }
    Ok(silent.len())
}

async fn order_when_all_agree(
    tx: &mut Tx,
    cycle: &Cycle,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let told = store::statement::standings(tx, cycle.id).await?;
    if told.iter().all(|told| told.manner.is_some()) {
        funds::order(tx, cycle, now, ids).await?;
    }
    Ok(())
}

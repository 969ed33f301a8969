//! Net debit caps from a proposal to the positions they hold for.
//!
//! A cap is a limit of the position accounts of open cycles: an account has it from when it is opened,
//! or from when the cap is confirmed, which waits for whoever posts to the region and makes others
//! wait. It ends with the cycle: what settlement itself books afterwards is never held against it.

use std::collections::BTreeMap;

use base_http::{Call, Done, FieldError, Problem, Reply};
use clearing_ledger::{AccountId, CycleId, Limits, NewAccount, Purpose};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, TenantId};
use pg::{Command, Tx};
use serde::Deserialize;
use tenancy::InsurerCode;
use utoipa::ToSchema;

use super::adopt::{DecisionBody, decision, person, reason};
use super::cap::{CapRefusal, NetDebitCap};
use super::decision::{Decision, Person, Verdict};
use super::item::Item;
use super::message::is_region;
use super::view::cap::{CapView, CappedView, CapsView};
use super::{account_of, store};
use crate::error::{self, ClearingError, OverCap};
use crate::{Clearing, HOUSE, ledger};

/// A net debit cap to be set.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NetDebitCapRequest)]
pub struct CapBody {
    /// Most the insurer may owe in one position; not negative.
    #[schema(value_type = Option<Fen>)]
    pub cap: Option<Fen>,
    /// True in place of `cap`: no cap holds any more.
    pub uncapped: Option<bool>,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
}

/// Gives accounts that are to be opened the caps in force of their positions.
pub(super) async fn capped(
    tx: &mut Tx,
    accounts: Vec<NewAccount>,
) -> Result<Vec<NewAccount>, ClearingError> {
    let positions: Vec<(TenantId, CycleId)> = accounts
        .iter()
        .filter_map(|account| account.cycle.map(|cycle| (account.participant, cycle)))
        .collect();
    let caps = store::cap::of_positions(tx, &positions).await?;
    let cap = |account: &NewAccount| caps.get(&(account.participant, account.cycle?)).copied();
    Ok(accounts
        .into_iter()
        .map(|account| {
            let limits = Limits { net_debit_cap: cap(&account), ..account.limits };
            NewAccount { limits, ..account }
        })
        .collect())
}

/// Why an item is not posted that would take its payer past its cap.
pub(super) async fn over_cap(tx: &mut Tx, item: &Item) -> Result<ClearingError, ClearingError> {
    let draft = &item.draft;
    let account = account_of(draft.payer, Purpose::Position, Some(item.cycle));
    let account = ledger::account(tx, account).await?;
    let account = account.ok_or(ClearingError::Corrupt("position"))?;
    let cycle = store::cycle::cycle(tx, item.cycle).await?;
    let cycle = cycle.ok_or(ClearingError::Corrupt("cycle"))?;
    let owed = owed(&account)?;
    let insurer = &draft.payer_insurer;
    let (more, cycle, region) = (draft.amount.yuan(), cycle.id, cycle.region);
    let again = format!(
        "nothing was recorded: send this again once the operator has raised the cap, or other items or \
         the next cycle have brought down what {insurer} owes"
    );
    let whole = format!(
        "with {more} yuan more, {insurer} would owe {} yuan in cycle {cycle} of region {region}, past \
         its net debit cap of {} yuan (it owes {} yuan); {again}",
        Fen(owed.0.saturating_add(draft.amount.0)).yuan(),
        account.limits.net_debit_cap.unwrap_or_default().yuan(),
        owed.yuan(),
    );
    let masked = format!(
        "{more} yuan more would take {insurer} past its net debit cap in cycle {cycle} of region \
         {region}; {again}"
    );
    Ok(ClearingError::OverCap(Box::new(OverCap { payer: draft.payer, masked, whole })))
}

/// What a position owes; negative for what it is owed.
fn owed(account: &clearing_ledger::Account) -> Result<Fen, ClearingError> {
    let owed = i64::try_from(-account.balance.net_credit());
    owed.map(Fen).map_err(|_| ClearingError::Corrupt("position"))
}

impl Clearing {
    /// An insurer's net debit caps, and its positions in open cycles.
    pub async fn read_caps(&self, call: Call, insurer: &str) -> Result<Reply, Problem> {
        let participant = self.insurer(&code(insurer)?).await?;
        let mut tx = self.open_house().await?;
        let versions = store::cap::versions(&mut tx, participant, None).await?;
        let mut positions = Vec::new();
        for cycle in store::cycle::open_of(&mut tx, None).await? {
            let account = account_of(participant, Purpose::Position, Some(cycle.id));
            let Some(account) =
                ledger::account(&mut tx, account).await.map_err(ClearingError::from)?
            else {
                continue;
            };
            let owed = owed(&account)?;
            let left = account.limits.net_debit_cap.map(|cap| Fen((cap.0 - owed.0).max(0)));
            positions.push(CappedView {
                cycle_id: cycle.id.0,
                region: cycle.region,
                cover: cycle.cover,
                owed,
                left,
            });
        }
        drop(tx);
        let caps = versions.iter().map(|cap| CapView::of(cap, &versions)).collect();
        self.answer(call, &CapsView { caps, positions }, insurer).await
    }

    /// Proposes how much an insurer may owe in a position of a region's cycles.
    pub async fn propose_cap(
        &self,
        call: Call,
        insurer: &str,
        region: &str,
        body: CapBody,
    ) -> Result<Reply, Problem> {
        if !is_region(region) {
            return Err(ClearingError::not_found("region", region).into());
        }
        let code = code(insurer)?;
        let participant = self.insurer(&code).await?;
        let mut findings = Vec::new();
        let cap = match (body.cap, body.uncapped.unwrap_or(false)) {
            (Some(cap), false) if Fen::ZERO <= cap => Some(cap),
            (None, true) => None,
            _ => {
                let detail = "an amount that is not negative, or `uncapped` in its place";
                findings.push(FieldError::at("/cap", detail));
                None
            }
        };
        let why = body.reason.as_deref().and_then(reason).unwrap_or_else(|| {
            findings.push(FieldError::at("/reason", "say why, in at most 500 characters"));
            String::new()
        });
        if !findings.is_empty() {
            return Err(Problem::invalid(findings));
        }
        let command = Propose {
            participant,
            insurer: code.as_str().to_owned(),
            region: region.to_owned(),
            cap,
            reason: why,
            by: person(&call),
            now: call.received_at,
        };
        let answer = |view: CapView| done(StatusCode::CREATED, &view);
        self.spine.run(call, &command, answer).await
    }

    /// Confirms or rejects a proposed cap, as another person. Confirmed, it holds at once.
    pub async fn decide_cap(
        &self,
        call: Call,
        (insurer, region): (&str, &str),
        version: i32,
        body: DecisionBody,
    ) -> Result<Reply, Problem> {
        let participant = self.insurer(&code(insurer)?).await?;
        let decision = decision(&call, &body)?;
        let command = Decide { participant, region: region.to_owned(), version, decision };
        let answer = |view: CapView| done(StatusCode::OK, &view);
        self.spine.run(call, &command, answer).await
    }
}

/// The code of an insurer.
fn code(text: &str) -> Result<InsurerCode, ClearingError> {
    InsurerCode::parse(text).map_err(|_| ClearingError::not_found("insurer", text))
}

fn done(status: StatusCode, view: &CapView) -> Done {
    Done::json(status, view, 0, format!("{}/{}/{}", view.insurer, view.region, view.version))
}

struct Propose {
    participant: TenantId,
    insurer: String,
    region: String,
    cap: Option<Fen>,
    reason: String,
    by: Person,
    now: Timestamp,
}

impl Command for Propose {
    const NAME: &'static str = "settlement.propose_cap";
    type Out = CapView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<CapView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        store::cap::lock(tx, self.participant, &self.region).await?;
        let all = store::cap::versions(tx, self.participant, Some(&self.region)).await?;
        let cap = NetDebitCap {
            participant: self.participant,
            insurer: self.insurer.clone(),
            region: self.region.clone(),
            version: all.last().map_or(1, |last| last.version.saturating_add(1)),
            cap: self.cap,
            reason: self.reason.clone(),
            proposed_by: self.by.clone(),
            proposed_at: self.now,
            decision: None,
        };
        store::cap::insert(tx, &cap).await?;
        Ok(CapView::of(&cap, &all))
    }
}

struct Decide {
    participant: TenantId,
    region: String,
    version: i32,
    decision: Decision,
}

impl Command for Decide {
    const NAME: &'static str = "settlement.decide_cap";
    type Out = CapView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<CapView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        store::cap::lock(tx, self.participant, &self.region).await?;
        let mut all = store::cap::versions(tx, self.participant, Some(&self.region)).await?;
        let number = || format!("{}/{}", self.region, self.version);
        let found = all.iter_mut().find(|cap| cap.version == self.version);
        let found = found.ok_or_else(|| ClearingError::not_found("net debit cap", number()))?;
        let cap = found.clone();
        let decided = cap.decide(self.decision.clone(), &all).map_err(|refusal| {
            let code = match refusal {
                CapRefusal::SamePerson => &error::CAP_FOUR_EYES,
                CapRefusal::Decided | CapRefusal::Superseded => &error::CAP_STAGE,
            };
            ClearingError::refused(code, refusal.to_string())
        })?;
        store::cap::decide(tx, &decided, &self.decision).await?;
        if self.decision.verdict == Verdict::Confirm {
            self.hold(tx, &decided).await?;
        }
        all.retain(|cap| cap.version != self.version);
        all.push(decided.clone());
        Ok(CapView::of(&decided, &all))
    }
}

impl Decide {
    /// Holds the cap against the insurer's positions in the open cycles of its region. Positions that
    /// are opened from now on find it by themselves.
    async fn hold(&self, tx: &mut Tx, cap: &NetDebitCap) -> Result<(), ClearingError> {
        store::cycle::lock_region_alone(tx, &cap.region).await?;
        let open = store::cycle::open_of(tx, Some(&cap.region)).await?;
        let limits = Limits { net_debit_cap: cap.cap, net_credit_cap: None };
        let accounts: BTreeMap<AccountId, Limits> = open
            .iter()
            .map(|cycle| (account_of(cap.participant, Purpose::Position, Some(cycle.id)), limits))
            .collect();
        Ok(ledger::limit(tx, &accounts, self.decision.at).await?)
    }
}

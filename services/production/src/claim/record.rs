//! Recording claim steps: a hot set command.
//!
//! Cases are locked in key order, every member is decided in the order of arrival against the case the
//! ones before it left, and what was taken is written with one statement a table. A refused member
//! leaves the case as it was.

mod board;
mod ways;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;

use base_http::{Done, Notice, SetCommand, ShownRecord};
use crypto::IndexKey;
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::TenantId;
use pg::Tx;
use production_core::claim::feature::{self, Features};
use production_core::claim::{Case, Stage, Standing, Step, StepFacts, check};
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::rule::{Findings, RuleId};

use self::board::{Board, in_common, load, touched};
use self::ways::Asking;
use crate::book::TariffBook;
use crate::claim::answer::{HintView, PoliceAccidentView};
use crate::claim::hint::{self, Viewer, Windows};
use crate::claim::lock::{self, CodedPayment, RecoveryLocks, Settling, Teller};
use crate::claim::read::ReadStep;
use crate::claim::referral::{self, ReferWhen};
use crate::claim::score::{FraudScore, NotScored, ScoreDesk, Scoring};
use crate::claim::step::{self, Told};
use crate::claim::terms::Terms;
use crate::error::{self, ProductionError};
use crate::lookup::record_of;
use crate::quote::read as wording;
use crate::store::claim::{self as store, ClaimRow, StepRow};
use crate::store::claim_mark::{self, MarkRow, Marked};
use crate::store::claim_score::{self as scores, ScoreRow};
use crate::store::policy::{self, VersionRecord};
use crate::store::referral as referrals;

/// Whose case a step is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A report: a case of its own, under this claim code unless the report is known already.
    Report(PlatformNumber),
    /// A case.
    Claim(PlatformNumber),
}

/// Records one step.
pub struct RecordStep {
    /// Whose case.
    pub target: Target,
    /// What was read.
    pub read: ReadStep,
    /// Whose.
    pub tenant: TenantId,
    /// Insurer of the tenant.
    pub insurer: InsurerCode,
    /// Who sent it.
    pub client: String,
    /// Its marks, digested.
    pub marks: Vec<MarkRow>,
    /// For a report: digests the marks of the insured vehicle, which its policy tells.
    pub own_marks_by: Option<IndexKey>,
    /// The whole message, sealed.
    pub message_sealed: Vec<u8>,
    /// What was found outside: prices of parts, the police.
    pub hints: Vec<HintView>,
    /// The accident as the police recorded it.
    pub police: Option<PoliceAccidentView>,
    /// What was found while it was read, and outside.
    pub notices: Vec<Notice>,
    /// Number of the closing, for a closing.
    pub check_no: Option<PlatformNumber>,
    /// How far hints look.
    pub windows: Windows,
    /// For the compulsory limits of the day.
    pub book: Arc<TariffBook>,
    /// Who tells of it.
    pub teller: Teller,
    /// Who knows of recovery locks.
    pub locks: Arc<dyn RecoveryLocks>,
    /// Public holidays in the policy's region as they are known now.
    pub rest_days: BTreeSet<Date>,
    /// When the claim is referred to the investigators.
    pub refer: ReferWhen,
    /// Whether a fraud score is asked for.
    pub(crate) scoring: Scoring,
    /// Where fraud scores are asked for.
    pub(crate) scores: Arc<ScoreDesk>,
    /// The instant of the call.
    pub now: Timestamp,
}

/// A member decided.
enum Decided {
    /// Taken before: answered as it was.
    Again(Vec<u8>, PlatformNumber),
    /// Taken now.
    Taken(Box<Taken>),
}

/// A fraud score or why there is none, and the figures of the claim.
type Scored = (Result<FraudScore, NotScored>, Features);

/// A step that was taken.
struct Taken {
    step: StepRow,
    score: Option<ScoreRow>,
    hints: Vec<HintView>,
    done: Done,
}

impl SetCommand for RecordStep {
    const NAME: &'static str = "claim.step";
    type Error = ProductionError;

    async fn apply_set(
        set: &[&RecordStep],
        tx: &mut Tx,
    ) -> Result<Vec<Result<Done, ProductionError>>, ProductionError> {
        let mut board = load(set, tx).await?;
        let marked = in_common(set, &board, tx).await?;
        board.scores = ask_together(set, &board, &marked).await;
        let mut outcomes = take_all(set, &mut board, &marked, tx).await?;
        save(set, &board, &outcomes, tx).await?;
        refer(set, &mut outcomes, tx).await?;
        end_lost_policies(set, &board, &outcomes, tx).await?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| {
                outcome.map(|decided| match decided {
                    Decided::Again(answer, claim_no) => {
                        let (slot, subject) = (claim_no.slot().0, claim_no.to_string());
                        let done = Done::json(StatusCode::CREATED, &(), slot, subject);
                        Done { body: answer.into(), ..done }
                    }
                    Decided::Taken(taken) => taken.done,
                })
            })
            .collect())
    }
}

/// Decides the members in the order of arrival. Those that depend on how a loss is settled are asked
/// about together, at the latest before another step of one of their cases.
async fn take_all(
    set: &[&RecordStep],
    board: &mut Board,
    marked: &[Vec<Marked>],
    tx: &mut Tx,
) -> Result<Vec<Result<Decided, ProductionError>>, ProductionError> {
    let mut outcomes = BTreeMap::new();
    let mut asking: Vec<(Asking, Settling)> = Vec::new();
    for (member, (command, marked)) in set.iter().zip(marked).enumerate() {
        let of = board.of(command);
        if asking.iter().any(|(asking, _)| Some(asking.case.claim_no) == of) {
            outcomes.extend(ways::settle(set, board, mem::take(&mut asking), tx).await?);
        }
        if let Some(first) = board.first(command) {
            outcomes.insert(member, again(command, first));
            continue;
        }
        let (taken, case) = match decide(command, board, marked).await {
            Ok(decided) => decided,
            Err(refusal) => {
                outcomes.insert(member, Err(refusal));
                continue;
            }
        };
        match ways::way(command, board, &case) {
            Some(how) => {
                let settling = Settling { case: touched(&case), how };
                asking.push((Asking { member, taken, case }, settling));
            }
            None => {
                follow(command, board, &taken.step, tx).await?;
                board.keep(command, &taken, case);
                outcomes.insert(member, Ok(Decided::Taken(Box::new(taken))));
            }
        }
    }
    outcomes.extend(ways::settle(set, board, asking, tx).await?);
    Ok(outcomes.into_values().collect())
}

/// What the clearing cloud learns of a step that is taken.
async fn follow(
    command: &RecordStep,
    board: &Board,
    step: &StepRow,
    tx: &mut Tx,
) -> Result<(), ProductionError> {
    match &command.read.facts {
        StepFacts::Reopen(_) => {
            let before = board.cases.get(&step.claim_no);
            let closing = before.and_then(|working| working.row.case.closing());
            match closing.is_some_and(|closing| closing.mutual) {
                true => command.locks.reopen(tx, step.claim_no, command.now).await,
                false => Ok(()),
            }
        }
        StepFacts::Pay(pay) => {
            let coded = pay.payees.iter().filter_map(|payee| {
                Some(CodedPayment {
                    recovery_code: payee.recovery_code.clone()?,
                    claim_no: step.claim_no,
                    business_no: step.business_no.clone(),
                    amount: payee.amount,
                    paid_at: pay.at,
                })
            });
            let coded: Vec<CodedPayment> = coded.collect();
            if coded.is_empty() {
                return Ok(());
            }
            command.locks.paid(tx, &coded, command.now).await
        }
        _ => Ok(()),
    }
}

/// Decides one member: the step, and the case as it leaves it.
async fn decide(
    command: &RecordStep,
    board: &mut Board,
    marked: &[Marked],
) -> Result<(Taken, ClaimRow), ProductionError> {
    let read = &command.read;
    let known = board.of(command);
    let (row, standing) = match (command.target, known) {
        (Target::Claim(claim_no), None) => {
            return Err(ProductionError::not_found("claim", claim_no));
        }
        (Target::Report(_), Some(claim_no)) => {
            // The report is known, and its own business number is not this one: cannot be, for the
            // number of a report is the report's.
            return Err(ProductionError::refused(
                &error::CLAIM_STEP_DIFFERS,
                format!("report {} is claim {claim_no} already", read.case.report_no),
            ));
        }
        (Target::Report(claim_no), None) => {
            (reported(command, board, claim_no)?, Standing::Current)
        }
        (Target::Claim(claim_no), Some(_)) => {
            let Some(working) = board.cases.get(&claim_no) else {
                return Err(ProductionError::not_found("claim", claim_no));
            };
            belongs(command, &working.row)?;
            lock::takes_back(&read.facts, command.teller)?;
            if command.locks.knows_codes() {
                let locks = board.locks.get(&claim_no).map_or(&[][..], Vec::as_slice);
                lock::against(claim_no, &read.facts, locks, command.teller)?;
            }
            step::accepted(&working.row, &read.facts, command.insurer, command.now)?
        }
    };
    let before = known.and_then(|no| board.cases.get(&no)).map(|working| &working.row.case);
    let findings = rules(command, before.unwrap_or(&row.case), &row)?;
    Ok(compose(command, board, row, standing, marked, findings).await)
}

/// The same number again: the same content is answered as before, other content is refused.
fn again(command: &RecordStep, first: &StepRow) -> Result<Decided, ProductionError> {
    if first.digest == command.read.digest() {
        return Ok(Decided::Again(first.answer.clone(), first.claim_no));
    }
    Err(ProductionError::StepDiffers {
        step: command.read.step().name_en(),
        business_no: first.business_no.clone(),
        claim_no: first.claim_no,
        sequence: first.sequence,
        recorded_at: first.recorded_at,
    })
}

/// A new case under its policy.
fn reported(
    command: &RecordStep,
    board: &Board,
    claim_no: PlatformNumber,
) -> Result<ClaimRow, ProductionError> {
    let read = &command.read;
    let StepFacts::Notify(notify) = &read.facts else {
        return Err(ProductionError::Corrupt("claim step"));
    };
    let confirm_no = read.case.confirm_no;
    let own = board.policies.get(&confirm_no);
    let (policy, versions) = own
        .filter(|(policy, _)| policy.tenant == command.tenant)
        .ok_or_else(|| ProductionError::not_found("policy", confirm_no))?;
    if let Some(told) = read.case.policy_no.as_ref().filter(|told| **told != policy.policy_no) {
        let detail = format!("policy {confirm_no} is number {}, not {told}", policy.policy_no);
        return Err(ProductionError::breaks(RuleId::S13, &error::CLAIM_NAMES, detail));
    }
    let tariff = command.book.active()?;
    let terms = Terms::at(policy, versions, notify.accident_at, command.now, &tariff)?;
    Ok(ClaimRow {
        claim_no,
        tenant: command.tenant,
        insurer: command.insurer,
        region: policy.region,
        confirm_no,
        policy_no: policy.policy_no.clone(),
        report_no: read.case.report_no.clone(),
        frame: policy.frame.clone(),
        steps: 0,
        case: Case::notified(terms.promise.class, notify.clone()),
        terms,
        corrected_at: None,
        next_due_at: None,
        recorded_at: command.now,
        changed_at: command.now,
    })
}

/// S13: confirm code, claim code and report number belong together.
fn belongs(command: &RecordStep, row: &ClaimRow) -> Result<(), ProductionError> {
    let told = &command.read.case;
    if told.confirm_no == row.confirm_no && told.report_no == row.report_no {
        return Ok(());
    }
    let detail = format!(
        "claim {} is of policy {} and report {}, not of {} and {}",
        row.claim_no, row.confirm_no, row.report_no, told.confirm_no, told.report_no
    );
    Err(ProductionError::breaks(RuleId::S13, &error::CLAIM_NAMES, detail))
}

/// The rules that need the case: what rejects is the refusal, the rest become notices.
fn rules(
    command: &RecordStep,
    before: &Case,
    row: &ClaimRow,
) -> Result<Vec<Notice>, ProductionError> {
    let mut found = Findings::new();
    check::step(before, &row.terms.promise, &command.read.facts, command.now, &mut found);
    let told = command.read.own_frames.iter().map(|(at, frame)| (at.as_str(), frame));
    check::own_vehicles(told, &row.frame, &mut found);
    let (mut errors, mut warnings) = found.split();
    for finding in errors.iter_mut().chain(&mut warnings) {
        if let Some(place) = command.read.row_places.of(&finding.pointer) {
            finding.pointer = place;
        }
    }
    if errors.is_empty() {
        Ok(wording::notices(warnings))
    } else {
        Err(ProductionError::Invalid(wording::errors(errors)))
    }
}

/// Puts step, case and answer together.
async fn compose(
    command: &RecordStep,
    board: &mut Board,
    mut row: ClaimRow,
    standing: Standing,
    marked: &[Marked],
    findings: Vec<Notice>,
) -> (Taken, ClaimRow) {
    let read = &command.read;
    let mut risk_hints = hints(command, &row, marked);
    let shown: Vec<ShownRecord> = risk_hints.iter().filter_map(shown_by).collect();
    let mut notices = command.notices.clone();
    notices.extend(findings);
    let scored = score(command, board, &row, &risk_hints).await;
    let mut fraud_score = None;
    match scored.as_ref().map(|(scored, _)| scored) {
        Some(Ok(score)) => {
            risk_hints.extend(score.hint());
            fraud_score = Some(score.clone());
        }
        Some(Err(why)) => notices.push(why.notice()),
        None if command.scoring == Scoring::NoModel => {
            NotScored::NoModel.count();
            notices.push(NotScored::NoModel.notice());
        }
        None => {}
    }
    let hints = risk_hints.clone();
    let told = Told {
        facts: &read.facts,
        business_no: &read.business_no,
        digest: read.digest(),
        message_sealed: &command.message_sealed,
        tenant: command.tenant,
        client: &command.client,
        check_no: command.check_no,
        risk_hints,
        fraud_score,
        locks: board.locks.get(&row.claim_no).cloned().unwrap_or_default(),
        police: command.police.clone(),
        notices,
        rest_days: command.rest_days.clone(),
        now: command.now,
    };
    let (step, done) = step::written(&mut row, standing, told);
    let done = done.showing(shown);
    let score = scored.map(|(scored, features)| ScoreRow {
        claim_no: row.claim_no,
        sequence: row.steps,
        tenant: command.tenant,
        scored: scored.map_err(NotScored::name),
        features,
        scored_at: command.now,
    });
    (Taken { step, score, hints, done }, row)
}

/// What a claims handler should look at, but for the score.
fn hints(command: &RecordStep, row: &ClaimRow, marked: &[Marked]) -> Vec<HintView> {
    let viewer = Viewer { claim_no: row.claim_no, insurer: command.insurer, case: &row.case };
    let mut hints = command.hints.clone();
    if let StepFacts::Notify(notify) = &command.read.facts {
        hints.extend(hint::soon_after_start(&row.terms, notify.accident_at, &command.windows));
    }
    hints.extend(hint::in_common(&viewer, marked));
    hints
}

/// Asks for the scores of all steps whose figures depend on no other step of the set, so that the set
/// waits for them once. One that is refused afterwards was scored in vain.
async fn ask_together(
    set: &[&RecordStep],
    board: &Board,
    marked: &[Vec<Marked>],
) -> HashMap<PlatformNumber, Scored> {
    let mut members: HashMap<PlatformNumber, usize> = HashMap::new();
    for claim_no in set.iter().filter_map(|command| board.of(command)) {
        *members.entry(claim_no).or_default() += 1;
    }
    let asked = set.iter().zip(marked).filter_map(|(command, marked)| {
        let claim_no = board.of(command).filter(|no| members.get(no) == Some(&1))?;
        if command.scoring != Scoring::Asked || board.first(command).is_some() {
            return None;
        }
        let row = &board.cases.get(&claim_no)?.row;
        let features = features(command, board, row, &hints(command, row, marked))?;
        Some(async move {
            let scored = command.scores.score(command.tenant, features.clone()).await;
            (claim_no, (scored, features))
        })
    });
    futures::future::join_all(asked).await.into_iter().collect()
}

/// The figures of a case with the step that is taken; `None` where there was no report.
fn features(
    command: &RecordStep,
    board: &Board,
    row: &ClaimRow,
    hints: &[HintView],
) -> Option<Features> {
    let before = board.told.get(&row.claim_no).map_or(&[][..], Vec::as_slice);
    let mut steps: Vec<feature::Told<'_>> = before
        .iter()
        .map(|(facts, rules)| feature::Told {
            facts,
            rules: rules.iter().map(String::as_str).collect(),
        })
        .collect();
    let rules = hints.iter().map(|hint| hint.rule.as_str()).collect();
    steps.push(feature::Told { facts: &command.read.facts, rules });
    feature::features(&row.terms.history(steps))
}

/// The fraud score of a step and the figures it is of; `None` of a step that is not scored.
async fn score(
    command: &RecordStep,
    board: &mut Board,
    row: &ClaimRow,
    hints: &[HintView],
) -> Option<Scored> {
    if command.scoring != Scoring::Asked {
        return None;
    }
    if let Some(scored) = board.scores.remove(&row.claim_no) {
        return Some(scored);
    }
    let features = features(command, board, row, hints)?;
    if board.late {
        return Some((Err(NotScored::Busy), features));
    }
    let scored = command.scores.score(command.tenant, features.clone()).await;
    board.late = scored == Err(NotScored::Late);
    Some((scored, features))
}

/// Another insurer's case a hint names: its insurer can find that it was shown.
fn shown_by(hint: &HintView) -> Option<ShownRecord> {
    PlatformNumber::parse(hint.claim_code.as_deref()?).ok().map(record_of)
}

async fn save(
    set: &[&RecordStep],
    board: &Board,
    outcomes: &[Result<Decided, ProductionError>],
    tx: &mut Tx,
) -> Result<(), ProductionError> {
    let touched = || board.cases.values().filter(|working| working.touched);
    let mut fresh: Vec<&ClaimRow> =
        touched().filter(|working| working.fresh).map(|working| &working.row).collect();
    let mut moved: Vec<&ClaimRow> =
        touched().filter(|working| !working.fresh).map(|working| &working.row).collect();
    fresh.sort_by_key(|row| row.claim_no);
    moved.sort_by_key(|row| row.claim_no);
    store::insert(tx, &fresh).await?;
    store::update(tx, &moved).await?;
    let (mut steps, mut marks, mut scored) = (Vec::new(), Vec::new(), Vec::new());
    for (command, outcome) in set.iter().zip(outcomes) {
        if let Ok(Decided::Taken(taken)) = outcome
            && let Some(working) = board.cases.get(&taken.step.claim_no)
        {
            steps.push(&taken.step);
            scored.extend(taken.score.as_ref());
            marks.extend(board.marks(command).map(|mark| (&working.row, mark)));
        }
    }
    if let Some(first) = steps.first() {
        let now = first.recorded_at;
        store::insert_steps(tx, &steps).await?;
        claim_mark::insert_marks(tx, &marks, now).await?;
        scores::insert(tx, &scored).await?;
    }
    Ok(())
}

/// Refers claims by what their steps were answered with.
async fn refer(
    set: &[&RecordStep],
    outcomes: &mut [Result<Decided, ProductionError>],
    tx: &mut Tx,
) -> Result<(), ProductionError> {
    let taken = outcomes.iter().filter_map(|outcome| match outcome {
        Ok(Decided::Taken(taken)) if !taken.hints.is_empty() => Some(taken.step.claim_no),
        _ => None,
    });
    let mut hinted: Vec<PlatformNumber> = taken.collect();
    hinted.sort_unstable();
    hinted.dedup();
    let known = referrals::lock(tx, &hinted).await?;
    let mut known = known.into_iter().map(|row| (row.claim_no, row)).collect();
    for (command, outcome) in set.iter().zip(outcomes) {
        let Ok(Decided::Taken(taken)) = outcome else { continue };
        let told = referral::Taken {
            claim_no: taken.step.claim_no,
            tenant: taken.step.tenant,
            sequence: taken.step.sequence,
            hints: &taken.hints,
            score: taken.score.as_ref().and_then(|score| score.scored.as_ref().ok()),
            now: command.now,
        };
        let events = referral::follow(tx, &command.refer, &told, &mut known).await?;
        taken.done.events.extend(events);
    }
    Ok(())
}

/// A policy whose vehicle is a total loss ends once the loss is paid (终止).
async fn end_lost_policies(
    set: &[&RecordStep],
    board: &Board,
    outcomes: &[Result<Decided, ProductionError>],
    tx: &mut Tx,
) -> Result<(), ProductionError> {
    for (command, outcome) in set.iter().zip(outcomes) {
        let Ok(Decided::Taken(taken)) = outcome else { continue };
        let step = &taken.step;
        let Some(working) = board.cases.get(&step.claim_no) else { continue };
        let case = &working.row.case;
        let lost = case.closing().is_some_and(|closing| closing.total_loss);
        if !lost || case.stage != Stage::Paid || step.step != Step::Pay {
            continue;
        }
        let mut policy = policy::lock(tx, working.row.confirm_no).await?;
        // It may have ended by itself or been surrendered: then there is nothing left to end.
        let Ok(facts) = policy.facts.clone().terminate(command.now, command.now) else { continue };
        let versions = policy::versions(tx, policy.confirm_no, None).await?;
        let Some(last) = versions.last() else { continue };
        policy.facts = facts;
        policy.facts.endorse_times += 1;
        let version = VersionRecord {
            amend_no: None,
            effective_at: command.now,
            recorded_at: command.now,
            facts: policy.facts.clone(),
            ..last.clone()
        };
        policy::update(tx, &policy).await?;
        policy::insert_versions(tx, &[&version]).await?;
    }
    Ok(())
}

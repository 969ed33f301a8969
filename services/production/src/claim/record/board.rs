//! What the members of a set are decided on: locked and read at once, and kept up as they are taken.

use std::collections::HashMap;

use jiff::Timestamp;
use pg::Tx;
use production_core::claim::{Step, StepFacts};
use production_core::number::PlatformNumber;

use super::{RecordStep, Scored, Taken, Target};
use crate::claim::hint;
use crate::claim::lock::{RecoveryLock, TouchedCase};
use crate::claim::mark;
use crate::claim::score::Scoring;
use crate::error::ProductionError;
use crate::store::claim::{self as store, ClaimRow, StepRow};
use crate::store::claim_mark::{self, MarkRow, Marked};
use crate::store::claim_score as scores;
use crate::store::policy::{self, PolicyRecord, VersionRecord};

/// A case in the middle of a set.
pub(super) struct Working {
    pub(super) row: ClaimRow,
    pub(super) fresh: bool,
    pub(super) touched: bool,
}

/// What the members of a set are decided on.
pub(super) struct Board {
    pub(super) cases: HashMap<PlatformNumber, Working>,
    pub(super) reported: HashMap<(PlatformNumber, String), PlatformNumber>,
    pub(super) taken: HashMap<(PlatformNumber, Step, String), StepRow>,
    pub(super) policies: HashMap<PlatformNumber, (PolicyRecord, Vec<VersionRecord>)>,
    /// Marks of insured vehicles, by the policy of a report.
    own_marks: HashMap<PlatformNumber, Vec<MarkRow>>,
    pub(super) locks: HashMap<PlatformNumber, Vec<RecoveryLock>>,
    /// Steps of the cases that are scored, and the rules of their hints.
    pub(super) told: HashMap<PlatformNumber, Vec<(StepFacts, Vec<String>)>>,
    /// Scores that were asked for ahead, and the figures they are of.
    pub(super) scores: HashMap<PlatformNumber, Scored>,
    /// No score of the set is waited for after one that came too late.
    pub(super) late: bool,
}

/// Locks and reads everything the set may need.
pub(super) async fn load(set: &[&RecordStep], tx: &mut Tx) -> Result<Board, ProductionError> {
    let mut numbers: Vec<PlatformNumber> = Vec::new();
    let mut reports: Vec<(PlatformNumber, &str)> = Vec::new();
    let mut confirm_nos: Vec<PlatformNumber> = Vec::new();
    for command in set {
        match command.target {
            Target::Claim(claim_no) => numbers.push(claim_no),
            Target::Report(_) => {
                let case = &command.read.case;
                reports.push((case.confirm_no, case.report_no.as_str()));
                confirm_nos.push(case.confirm_no);
            }
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    confirm_nos.sort_unstable();
    confirm_nos.dedup();
    // The policy's lock is also that of its reports: two uploads of one report meet here.
    let mut policies: HashMap<_, (PolicyRecord, Vec<VersionRecord>)> = HashMap::new();
    for policy in policy::lock_many(tx, &confirm_nos).await? {
        policies.insert(policy.confirm_no, (policy, Vec::new()));
    }
    for version in policy::versions_of(tx, &confirm_nos).await? {
        if let Some((_, versions)) = policies.get_mut(&version.confirm_no) {
            versions.push(version);
        }
    }
    let mut rows = store::lock_reported(tx, &reports).await?;
    rows.extend(store::lock(tx, &numbers).await?);
    let mut board = Board {
        cases: HashMap::new(),
        reported: HashMap::new(),
        taken: HashMap::new(),
        own_marks: own_marks(set, &policies),
        policies,
        locks: HashMap::new(),
        told: HashMap::new(),
        scores: HashMap::new(),
        late: false,
    };
    for row in rows {
        board.reported.insert((row.confirm_no, row.report_no.clone()), row.claim_no);
        board.cases.insert(row.claim_no, Working { row, fresh: false, touched: false });
    }
    let wanted: Vec<(PlatformNumber, Step, &str)> = set
        .iter()
        .filter_map(|command| {
            let claim_no = board.of(command)?;
            Some((claim_no, command.read.step(), command.read.business_no.as_str()))
        })
        .collect();
    for step in store::find_steps(tx, &wanted).await? {
        let key = (step.claim_no, step.step, step.business_no.clone());
        board.taken.insert(key, step);
    }
    let scored = set.iter().filter(|command| command.scoring == Scoring::Asked);
    let scored: Vec<PlatformNumber> = scored.filter_map(|command| board.of(command)).collect();
    for told in scores::told(tx, &scored).await? {
        board.told.entry(told.claim_no).or_default().push((told.facts, told.rules));
    }
    if let Some(first) = set.first() {
        let mut cases: Vec<TouchedCase> =
            board.cases.values().map(|working| touched(&working.row)).collect();
        cases.extend(set.iter().filter_map(|command| board.reports(command)));
        let locks = first.locks.touching(tx, &cases).await?;
        board.locks = cases.into_iter().map(|case| case.claim_no).zip(locks).collect();
    }
    Ok(board)
}

/// What every other case of a reported vehicle carries as well, by policy.
fn own_marks(
    set: &[&RecordStep],
    policies: &HashMap<PlatformNumber, (PolicyRecord, Vec<VersionRecord>)>,
) -> HashMap<PlatformNumber, Vec<MarkRow>> {
    let of = |command: &&RecordStep| {
        let key = command.own_marks_by.as_ref()?;
        let (policy, _) = policies.get(&command.read.case.confirm_no)?;
        let marks = mark::of_vehicle(&policy.frame, policy.plate.as_ref());
        Some((policy.confirm_no, marks.map(|mark| mark.digested(key)).collect()))
    };
    set.iter().filter_map(of).collect()
}

/// A case as locks look at it.
pub(super) fn touched(row: &ClaimRow) -> TouchedCase {
    TouchedCase {
        claim_no: row.claim_no,
        confirm_no: row.confirm_no,
        tenant: row.tenant,
        frame: row.frame.clone(),
        plate: row.terms.plate.clone(),
        accident_at: row.case.notify.accident_at,
    }
}

impl Board {
    /// The case a step is of, when there is one yet.
    pub(super) fn of(&self, command: &RecordStep) -> Option<PlatformNumber> {
        match command.target {
            Target::Claim(claim_no) => self.cases.contains_key(&claim_no).then_some(claim_no),
            Target::Report(_) => {
                let case = &command.read.case;
                self.reported.get(&(case.confirm_no, case.report_no.clone())).copied()
            }
        }
    }

    /// What a step's case can be recognised by: what the message says, and for a report the vehicle.
    pub(super) fn marks<'a>(
        &'a self,
        command: &'a RecordStep,
    ) -> impl Iterator<Item = &'a MarkRow> + use<'a> {
        let own = command.own_marks_by.as_ref();
        let own = own.and_then(|_| self.own_marks.get(&command.read.case.confirm_no));
        command.marks.iter().chain(own.into_iter().flatten())
    }

    /// The step of the same number, when it was taken before.
    pub(super) fn first(&self, command: &RecordStep) -> Option<&StepRow> {
        let read = &command.read;
        self.taken.get(&(self.of(command)?, read.step(), read.business_no.clone()))
    }

    /// Keeps a step that was taken, and the case as it left it.
    pub(super) fn keep(&mut self, command: &RecordStep, taken: &Taken, row: ClaimRow) {
        let (step, claim_no) = (&taken.step, row.claim_no);
        if command.scores.is_open() {
            let rules = taken.hints.iter().map(|hint| hint.rule.clone()).collect();
            self.told.entry(claim_no).or_default().push((command.read.facts.clone(), rules));
        }
        self.taken.insert((claim_no, step.step, step.business_no.clone()), step.clone());
        self.reported.insert((row.confirm_no, row.report_no.clone()), claim_no);
        let fresh = self.cases.get(&claim_no).is_none_or(|working| working.fresh);
        self.cases.insert(claim_no, Working { row, fresh, touched: true });
    }

    /// The case a report is about to make.
    fn reports(&self, command: &RecordStep) -> Option<TouchedCase> {
        let Target::Report(claim_no) = command.target else { return None };
        let StepFacts::Notify(notify) = &command.read.facts else { return None };
        let (policy, _) = self.policies.get(&command.read.case.confirm_no)?;
        Some(TouchedCase {
            claim_no,
            confirm_no: policy.confirm_no,
            tenant: command.tenant,
            frame: policy.frame.clone(),
            plate: policy.plate.clone(),
            accident_at: notify.accident_at,
        })
    }

    /// The accident a step's marks are looked for around.
    fn accident_at(&self, command: &RecordStep) -> Option<Timestamp> {
        match (&command.read.facts, self.of(command)) {
            (StepFacts::Notify(facts), _) => Some(facts.accident_at),
            (_, Some(claim_no)) => {
                self.cases.get(&claim_no).map(|working| working.row.case.notify.accident_at)
            }
            _ => None,
        }
    }
}

/// Other cases with the members' marks: one look for the set, told apart by member.
pub(super) async fn in_common(
    set: &[&RecordStep],
    board: &Board,
    tx: &mut Tx,
) -> Result<Vec<Vec<Marked>>, ProductionError> {
    let mut questions = Vec::new();
    let mut owners = Vec::new();
    for (member, command) in set.iter().enumerate() {
        let Some(accident_at) = board.accident_at(command) else { continue };
        for question in command.windows.questions(board.marks(command), accident_at) {
            owners.push(member);
            questions.push(question);
        }
    }
    let mut found: Vec<Vec<Marked>> = set.iter().map(|_| Vec::new()).collect();
    for marked in claim_mark::marked(tx, &questions, hint::MOST_CASES).await? {
        if let Some(&member) = owners.get(marked.place) {
            found[member].push(marked);
        }
    }
    Ok(found)
}

//! The life of a case: what each message may follow, and what it makes of the case.
//!
//! Guards look at what the case knows and when things happened, never at when they were told, so a
//! message that arrives late but in order is taken like one that arrives in time. A survey,
//! assessment, document list or estimate from before a closing that is told after it is kept as a
//! version and moves nothing ([`Standing::Late`]).

use jiff::Timestamp;
use kernel::Fen;
use serde::{Deserialize, Serialize};

use super::effect::Closing;
use super::{
    AdjustFacts, AssessFacts, CancelFacts, CancelKind, CorrectFacts, DocumentKind, DocumentsFacts,
    EstimateFacts, Liability, NotifyFacts, PayFacts, RecoveryFacts, RegisterFacts, Step, StepFacts,
    SurveyFacts,
};
use crate::history::PolicyClass;
use crate::rule::RuleId;
use crate::statutory;

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// 已报案.
    Notified,
    /// 已重开: as notified, with everything that was found before.
    Reopened,
    /// 已查勘.
    Surveyed,
    /// 已立案.
    Registered,
    /// 已定核损.
    Assessed,
    /// 单证齐全.
    Documented,
    /// 已核赔.
    Adjusted,
    /// 已结案: money may be due still.
    Closed,
    /// 已赔付: what the closing said was paid.
    Paid,
    /// 已注销. Final.
    Cancelled,
}

impl Stage {
    /// The word for storage and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Notified => "NOTIFIED",
            Stage::Reopened => "REOPENED",
            Stage::Surveyed => "SURVEYED",
            Stage::Registered => "REGISTERED",
            Stage::Assessed => "ASSESSED",
            Stage::Documented => "DOCUMENTED",
            Stage::Adjusted => "ADJUSTED",
            Stage::Closed => "CLOSED",
            Stage::Paid => "PAID",
            Stage::Cancelled => "CANCELLED",
        }
    }

    /// The stage of that word.
    pub fn parse(name: &str) -> Result<Stage, crate::code::UnknownCode> {
        const ALL: [Stage; 10] = [
            Stage::Notified,
            Stage::Reopened,
            Stage::Surveyed,
            Stage::Registered,
            Stage::Assessed,
            Stage::Documented,
            Stage::Adjusted,
            Stage::Closed,
            Stage::Paid,
            Stage::Cancelled,
        ];
        let found = ALL.into_iter().find(|stage| stage.name() == name);
        found.ok_or_else(|| crate::code::UnknownCode::new("claim stage", name))
    }

    /// Whether the case is being worked on.
    pub const fn is_open(self) -> bool {
        !matches!(self, Stage::Closed | Stage::Paid | Stage::Cancelled)
    }
}

/// Whether a step moved the case or only completed its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It is what the case now stands on.
    Current,
    /// It tells of a time before the closing that stands already.
    Late,
}

/// A step taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The case after it.
    pub case: Case,
    /// How it was taken.
    pub standing: Standing,
}

/// Why a step is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The stage does not allow it.
    #[error("cannot {} a claim that is {}", step.name_en(), stage.name())]
    WrongStage {
        /// What was sent.
        step: Step,
        /// Where the case stands.
        stage: Stage,
    },
    /// Another step comes first.
    #[error("cannot {} a claim before its {} arrived; upload that first, then this again", step.name_en(), first.name_en())]
    OutOfOrder {
        /// What was sent.
        step: Step,
        /// What must come first.
        first: Step,
    },
    /// There is one already, and it does not repeat.
    #[error("claim already has its {}", .0.name_en())]
    Twice(Step),
    /// A registered case is cancelled as such, and only it.
    #[error("cancel type {} does not fit a claim that is {}registered", kind.code(), if *registered { "" } else { "not " })]
    CancelKind {
        /// What was sent.
        kind: CancelKind,
        /// Whether the case is registered.
        registered: bool,
    },
    /// The closing's total is not what was adjusted.
    #[error(
        "closing total {closing} differs from the {adjusted} adjusted since the case was last opened"
    )]
    ClosingDiffers {
        /// Sent.
        closing: Fen,
        /// Sum of the adjustments of this round.
        adjusted: Fen,
    },
    /// More is paid, or given back, than is due.
    #[error("payment of {paid} does not fit the {due} still due by the closing of {total}")]
    PaymentDiffers {
        /// Sent.
        paid: Fen,
        /// The closing's total less what was paid; negative is to be given back.
        due: Fen,
        /// The closing's total.
        total: Fen,
    },
    /// More is recovered than own damage cost.
    #[error("recovery of {recovered} in all exceeds the {paid} paid for the insured vehicle")]
    OverRecovered {
        /// With this one.
        recovered: Fen,
        /// What own damage paid.
        paid: Fen,
    },
    /// More is taken back than came.
    #[error("{back} taken back exceeds the {recovered} that were recovered")]
    OverTakenBack {
        /// Sent.
        back: Fen,
        /// Before.
        recovered: Fen,
    },
    /// Amounts that cannot be added up.
    #[error("amounts exceed what can be added up")]
    Overflow,
}

impl ClaimError {
    /// The rule that was broken; `None` where it is the order of steps alone.
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            ClaimError::WrongStage { step: Step::Reopen, .. } => Some(RuleId::L50),
            ClaimError::WrongStage { step: Step::Cancel, .. } | ClaimError::CancelKind { .. } => {
                Some(RuleId::L51)
            }
            ClaimError::ClosingDiffers { .. } => Some(RuleId::S17),
            ClaimError::PaymentDiffers { .. } => Some(RuleId::S20),
            ClaimError::OverRecovered { .. } | ClaimError::OverTakenBack { .. } => {
                Some(RuleId::L60)
            }
            _ => None,
        }
    }
}

/// A case as its steps made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Product line of its policy.
    pub class: PolicyClass,
    /// Where it stands.
    pub stage: Stage,
    /// How often it was reopened.
    pub round: u32,
    /// What was reported.
    pub notify: NotifyFacts,
    /// The latest survey.
    #[serde(default)]
    pub survey: Option<SurveyFacts>,
    /// The registration.
    #[serde(default)]
    pub registration: Option<RegisterFacts>,
    /// The latest assessment.
    #[serde(default)]
    pub assessment: Option<AssessFacts>,
    /// Everything handed in, with the last time something was.
    #[serde(default)]
    pub documents: Option<DocumentsFacts>,
    /// Adjustments since the case was last opened.
    #[serde(default)]
    pub adjustments: Vec<AdjustFacts>,
    /// Closings, first to last; the last one holds.
    #[serde(default)]
    pub closings: Vec<Closing>,
    /// When it was last reopened.
    #[serde(default)]
    pub reopened_at: Option<Timestamp>,
    /// Paid so far, less what was given back.
    #[serde(default)]
    pub paid: Fen,
    /// When money first went out.
    #[serde(default)]
    pub first_paid_at: Option<Timestamp>,
    /// When money last moved.
    #[serde(default)]
    pub paid_at: Option<Timestamp>,
    /// When insured and insurer last agreed on an amount.
    #[serde(default)]
    pub agreed_at: Option<Timestamp>,
    /// When the insurer first decided: by an adjustment, or by a refusal.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
    /// Got back from the liable side.
    #[serde(default)]
    pub recovered: Fen,
    /// The latest estimate of what is outstanding.
    #[serde(default)]
    pub estimate: Option<EstimateFacts>,
    /// What an upheld dispute put right about the last closing.
    #[serde(default)]
    pub correction: Option<CorrectFacts>,
    /// Why it was given up.
    #[serde(default)]
    pub cancellation: Option<CancelFacts>,
}

impl Case {
    /// A case as it was reported.
    pub fn notified(class: PolicyClass, notify: NotifyFacts) -> Case {
        Case {
            class,
            stage: Stage::Notified,
            round: 0,
            notify,
            survey: None,
            registration: None,
            assessment: None,
            documents: None,
            adjustments: Vec::new(),
            closings: Vec::new(),
            reopened_at: None,
            paid: Fen::ZERO,
            first_paid_at: None,
            paid_at: None,
            agreed_at: None,
            decided_at: None,
            recovered: Fen::ZERO,
            estimate: None,
            correction: None,
            cancellation: None,
        }
    }

    /// The case that steps made, first to last: the stored case when they are all of its steps, the
    /// case as it was known at an instant when they are those recorded by then. `None` of no steps.
    pub fn replay<'a>(
        class: PolicyClass,
        steps: impl IntoIterator<Item = &'a StepFacts>,
    ) -> Result<Option<Case>, ClaimError> {
        let mut steps = steps.into_iter();
        let case = match steps.next() {
            None => return Ok(None),
            Some(StepFacts::Notify(facts)) => Case::notified(class, facts.clone()),
            Some(other) => {
                return Err(ClaimError::OutOfOrder { step: other.step(), first: Step::Notify });
            }
        };
        let replayed = steps.try_fold(case, |case, facts| Ok(case.accept(facts)?.case));
        replayed.map(Some)
    }

    /// The closing that holds.
    pub fn closing(&self) -> Option<&Closing> {
        self.closings.last()
    }

    /// Sum of the adjustments since the case was last opened. `None` on overflow.
    pub fn adjusted(&self) -> Option<Fen> {
        Fen::sum(self.adjustments.iter().map(|adjustment| adjustment.total))
    }

    /// What may be paid for it in all by what was decided last; `None` while nothing was decided, when what
    /// is paid is an advance (保险法 25). A reopened case keeps what its closing allowed until it is adjusted
    /// anew.
    pub fn payable(&self) -> Option<Fen> {
        match self.closing() {
            Some(closing) if !self.stage.is_open() || self.adjustments.is_empty() => {
                Some(closing.total)
            }
            _ if self.adjustments.is_empty() => None,
            _ => self.adjusted(),
        }
    }

    /// What the closing that holds still owes; negative is to be given back. Zero while open.
    pub fn due(&self) -> Option<Fen> {
        match self.closing() {
            Some(closing) if !self.stage.is_open() => closing.total.minus(self.paid),
            _ => Some(Fen::ZERO),
        }
    }

    /// Who is liable by what is known last.
    pub fn liability(&self) -> Liability {
        let closed = self.closing().filter(|_| !self.stage.is_open()).map(|one| one.liability);
        closed
            .or_else(|| self.survey.as_ref().map(|survey| survey.liability))
            .or(self.closing().map(|one| one.liability))
            .or(self.notify.liability)
            .unwrap_or(Liability::Undetermined)
    }

    /// What the law's clocks depend on (rule L56).
    ///
    /// No message says whether a case is complex, so every commercial one is held to the days of a
    /// complex case: none has more to be decided in, and a number for the plain ones the law does not
    /// name (保险法 art. 23: 及时).
    pub fn clock_facts(&self) -> statutory::Facts {
        let documents = self.documents.as_ref();
        let refusal = self.closing().filter(|closing| closing.refused);
        let settled = self.stage == Stage::Paid;
        statutory::Facts {
            complex: self.class == PolicyClass::Commercial,
            reported_at: Some(self.notify.reported_at),
            documents_answered_at: documents.and_then(|documents| documents.listed_at),
            documents_complete_at: documents.map(|documents| documents.complete_at),
            decided_at: self.decided_at,
            agreed_at: self.agreed_at,
            refused: refusal.is_some(),
            refusal_sent_at: refusal.and_then(|closing| closing.refusal_sent_at),
            nothing_to_pay: !self.is_owed(),
            first_paid_at: self.first_paid_at,
            paid_at: self.paid_at.filter(|_| settled),
            ..statutory::Facts::new(self.class)
        }
    }

    /// Whether what was agreed last is more than had been paid then. A round that ends at or below it
    /// leaves the insurer nothing to pay, whether or not money is to come back.
    fn is_owed(&self) -> bool {
        match self.closing() {
            Some(closing) if !self.stage.is_open() || self.adjustments.is_empty() => {
                closing.paid_before < closing.total
            }
            _ => self.adjusted().is_none_or(|adjusted| self.paid < adjusted),
        }
    }

    /// Takes one more step, or says why not.
    pub fn accept(&self, facts: &StepFacts) -> Result<Accepted, ClaimError> {
        let standing = self.standing_of(facts)?;
        let mut case = self.clone();
        match facts {
            StepFacts::Notify(_) => return Err(ClaimError::Twice(Step::Notify)),
            StepFacts::Survey(facts) => {
                case.survey = Some(surveyed(case.survey.take(), facts));
                case.move_to(Stage::Surveyed, standing);
            }
            StepFacts::Register(facts) => {
                case.registration = Some(facts.clone());
                case.move_to(Stage::Registered, standing);
            }
            StepFacts::Assess(facts) => {
                keep_latest(&mut case.assessment, facts, |one| one.at);
                case.move_to(Stage::Assessed, standing);
            }
            StepFacts::Documents(facts) => {
                case.documents = Some(merge(case.documents.take(), facts));
                case.move_to(Stage::Documented, standing);
            }
            StepFacts::Adjust(facts) => {
                case.adjustments.push(facts.clone());
                case.adjusted().ok_or(ClaimError::Overflow)?;
                case.agreed_at = case.agreed_at.max(facts.agreed_at);
                case.decided_at = case.decided_at.or(Some(facts.at));
                case.move_to(Stage::Adjusted, standing);
            }
            StepFacts::Close(facts) => {
                let adjusted = case.adjusted().ok_or(ClaimError::Overflow)?;
                if facts.total != adjusted {
                    return Err(ClaimError::ClosingDiffers { closing: facts.total, adjusted });
                }
                case.closings.push(Closing::of(&case, facts));
                case.decided_at = case.decided_at.or(Some(facts.at));
                case.correction = None;
                let due = facts.total.minus(case.paid).ok_or(ClaimError::Overflow)?;
                case.stage = match (due, case.paid_at) {
                    (Fen::ZERO, Some(_)) => Stage::Paid,
                    _ => Stage::Closed,
                };
            }
            StepFacts::Pay(facts) => case.pay(facts)?,
            StepFacts::Reopen(facts) => {
                // What was agreed is paid: its clock is met, and what is agreed anew sets another.
                if case.stage == Stage::Paid {
                    case.agreed_at = None;
                }
                case.stage = Stage::Reopened;
                case.round += 1;
                case.adjustments.clear();
                case.reopened_at = Some(facts.at);
            }
            StepFacts::Cancel(facts) => {
                case.stage = Stage::Cancelled;
                case.cancellation = Some(facts.clone());
            }
            StepFacts::Estimate(facts) => keep_latest(&mut case.estimate, facts, |one| one.at),
            StepFacts::Recovery(facts) => case.recover(facts)?,
            StepFacts::Correct(facts) => case.correction = Some(facts.clone()),
        }
        Ok(Accepted { case, standing })
    }

    /// Whether the step may be taken now, and how.
    fn standing_of(&self, facts: &StepFacts) -> Result<Standing, ClaimError> {
        let step = facts.step();
        let wrong = || Err(ClaimError::WrongStage { step, stage: self.stage });
        let after = |present: bool, first| {
            if present {
                Ok(Standing::Current)
            } else {
                Err(ClaimError::OutOfOrder { step, first })
            }
        };
        let (surveyed, registered) = (self.survey.is_some(), self.registration.is_some());
        match facts {
            StepFacts::Reopen(_) => match self.stage {
                Stage::Closed | Stage::Paid => Ok(Standing::Current),
                _ => wrong(),
            },
            StepFacts::Pay(_) => match self.stage {
                Stage::Closed | Stage::Paid => Ok(Standing::Current),
                Stage::Cancelled => wrong(),
                _ => after(false, Step::Close),
            },
            StepFacts::Recovery(_) | StepFacts::Correct(_) => match self.closing() {
                Some(_) => Ok(Standing::Current),
                None if self.stage == Stage::Cancelled => wrong(),
                None => after(false, Step::Close),
            },
            _ if !self.stage.is_open() => {
                // Told after the closing, of a time before it.
                let closed_at = self.closing().map(|closing| closing.at);
                let before = self.stage != Stage::Cancelled
                    && closed_at.is_some_and(|closed_at| facts.at() <= closed_at);
                match step {
                    Step::Survey | Step::Assess | Step::Documents | Step::Estimate if before => {
                        Ok(Standing::Late)
                    }
                    _ => wrong(),
                }
            }
            StepFacts::Cancel(facts) => {
                let fits = (facts.kind == CancelKind::Registration) == registered;
                if !self.closings.is_empty() {
                    wrong()
                } else if fits {
                    Ok(Standing::Current)
                } else {
                    Err(ClaimError::CancelKind { kind: facts.kind, registered })
                }
            }
            StepFacts::Register(_) if registered => Err(ClaimError::Twice(Step::Register)),
            StepFacts::Register(_) => after(surveyed, Step::Survey),
            StepFacts::Assess(_) | StepFacts::Documents(_) => after(registered, Step::Register),
            StepFacts::Adjust(_) => {
                after(self.assessment.is_some(), Step::Assess)?;
                after(self.documents.is_some(), Step::Documents)
            }
            StepFacts::Close(facts) => {
                after(registered, Step::Register)?;
                let nothing = facts.total == Fen::ZERO;
                after(nothing || !self.adjustments.is_empty(), Step::Adjust)
            }
            StepFacts::Notify(_) | StepFacts::Survey(_) | StepFacts::Estimate(_) => {
                Ok(Standing::Current)
            }
        }
    }

    /// Forward only: a second survey of an assessed case leaves it assessed.
    fn move_to(&mut self, stage: Stage, standing: Standing) {
        if standing == Standing::Current && self.stage < stage {
            self.stage = stage;
        }
    }

    fn pay(&mut self, facts: &PayFacts) -> Result<(), ClaimError> {
        let total = self.closing().map_or(Fen::ZERO, |closing| closing.total);
        let due = total.minus(self.paid).ok_or(ClaimError::Overflow)?;
        let fits = match due {
            Fen::ZERO => false,
            due if due > Fen::ZERO => Fen::ZERO < facts.total && facts.total <= due,
            due => due <= facts.total && facts.total < Fen::ZERO,
        };
        if !fits {
            return Err(ClaimError::PaymentDiffers { paid: facts.total, due, total });
        }
        self.paid = self.paid.plus(facts.total).ok_or(ClaimError::Overflow)?;
        self.first_paid_at = Some(self.first_paid_at.map_or(facts.at, |at| at.min(facts.at)));
        self.paid_at = Some(self.paid_at.map_or(facts.at, |at| at.max(facts.at)));
        if self.paid == total {
            self.stage = Stage::Paid;
        }
        Ok(())
    }

    fn recover(&mut self, facts: &RecoveryFacts) -> Result<(), ClaimError> {
        let paid = self.closing().map_or(Fen::ZERO, |closing| closing.own_damage);
        let settled = facts.settles.unwrap_or(facts.amount);
        let recovered = self.recovered.plus(settled).ok_or(ClaimError::Overflow)?;
        if recovered < Fen::ZERO {
            let back = Fen::ZERO.minus(settled).ok_or(ClaimError::Overflow)?;
            return Err(ClaimError::OverTakenBack { back, recovered: self.recovered });
        }
        // What is taken back may leave more than a later closing paid; it is less than before.
        if Fen::ZERO < settled && recovered > paid {
            return Err(ClaimError::OverRecovered { recovered, paid });
        }
        self.recovered = recovered;
        Ok(())
    }
}

/// The later of two versions by when they happened, so that the order they are told in is nothing.
fn keep_latest<T: Clone>(kept: &mut Option<T>, fresh: &T, at: fn(&T) -> Timestamp) {
    if kept.as_ref().is_none_or(|kept| at(kept) <= at(fresh)) {
        *kept = Some(fresh.clone());
    }
}

/// The later survey, with the vehicles of the latest one that listed any: who completes a survey does
/// not list again what stands.
fn surveyed(kept: Option<SurveyFacts>, fresh: &SurveyFacts) -> SurveyFacts {
    let Some(kept) = kept else { return fresh.clone() };
    let (mut later, earlier) =
        if kept.at <= fresh.at { (fresh.clone(), &kept) } else { (kept, fresh) };
    let listed_at =
        |one: &SurveyFacts| (one.vehicles > 0).then(|| one.vehicles_at.unwrap_or(one.at));
    let listed_itself = later.vehicles > 0 && later.vehicles_at.is_none();
    if !listed_itself && listed_at(&later) < listed_at(earlier) {
        later.vehicles = earlier.vehicles;
        later.third_vehicles = earlier.third_vehicles;
        later.vehicles_at = listed_at(earlier);
        later.others.clone_from(&earlier.others);
    }
    later
}

/// Documents add up; the case is complete when the last of them came.
fn merge(kept: Option<DocumentsFacts>, fresh: &DocumentsFacts) -> DocumentsFacts {
    let Some(mut kept) = kept else { return fresh.clone() };
    kept.complete_at = kept.complete_at.max(fresh.complete_at);
    kept.listed_at = match (kept.listed_at, fresh.listed_at) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    kept.kinds.extend(fresh.kinds.iter().copied());
    kept.kinds.sort_unstable();
    kept.kinds.dedup();
    kept
}

impl DocumentsFacts {
    /// Whether a document of that kind came.
    pub fn has(&self, wanted: impl Fn(DocumentKind) -> bool) -> bool {
        self.kinds.iter().copied().any(wanted)
    }
}

#[cfg(test)]
mod tests;

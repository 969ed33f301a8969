//! The life of a recovery code (结算码), from the lock to an amount both sides stand by. Pure.
//!
//! ```text
//! locked ── start ──> open: each side states its amount ──> agreed, or zero      (4 or 6)
//!   ├─ start under a flat rate ───────────────────────────────> settled flat        (4)
//!   └─ cancel ─> void    ├─ withdraw ─> void                  ↑
//!                        └─ ask ──> arbitration: panel, award ┘
//! agreed or zero ── supplement ──> open again, the next round of the same code
//! ```
//!
//! Both sides stand by an amount when the last each stated is the same (rule L61), and by an award
//! in any case. What was agreed in a round is never touched again: a supplement is on top of it.
//! What happens to an agreed amount later (netting, statements, money) is the settlement's to say.

use jiff::Timestamp;
use kernel::Fen;
use production_core::claim::RecoveryStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most members of a panel.
pub const LARGEST_PANEL: usize = 7;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The insurer that paid its insured (追偿方).
    Recovering,
    /// The insurer of the liable vehicle (被追偿方).
    Liable,
    /// The platform's operator, for both.
    Operator,
}

impl Side {
    /// The word of storage and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Recovering => "recovering",
            Side::Liable => "liable",
            Side::Operator => "operator",
        }
    }
}

/// Why the liable side does not stand by part of a claim. The industry's list is not public; these
/// are ours \[P\].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CutReason {
    /// 责任比例: the share of liability is another.
    Liability,
    /// 损失金额: the loss was assessed too high.
    Loss,
    /// 限额: the limit, or what is left of it, is less.
    Limit,
    /// 已赔付: it was paid to the insured already.
    AlreadyPaid,
    /// 不属于保险责任: the cover does not answer for it.
    NotCovered,
    /// 证据不足: what was handed in does not show it.
    Evidence,
    /// 其他.
    Other,
}

/// A part of a claim that is not stood by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// Why.
    pub reason: CutReason,
    /// How much of the claim.
    pub amount: Fen,
    /// In words. Name nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// A member of a panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arbitrator {
    /// Insurer the member comes from; of neither side.
    #[schema(example = "CPIC")]
    pub insurer: String,
    /// Register number of the arbitrator; no name.
    #[schema(example = "A-017")]
    pub register_no: String,
}

/// What somebody does to a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "act")]
pub enum Act {
    /// 锁定取消, while nothing was started (rule L59).
    Cancel {
        /// FailureCause.
        cause: String,
    },
    /// 开始追偿确认.
    Start {
        /// Claimed.
        amount: Fen,
        /// What may be claimed at most, by the formulas (rule L60).
        computed: Fen,
    },
    /// 开始追偿确认 of a recovery a flat rate is for: it is settled at once, and nobody reviews it.
    SettleFlat {
        /// By which rule.
        flat: Flat,
    },
    /// 互审: a side says what it stands by.
    State {
        /// Recovering amount or paying amount.
        amount: Fen,
        /// Why the liable side does not stand by the rest.
        cuts: Vec<Cut>,
        /// In words.
        opinion: Option<String>,
    },
    /// The recovering side gives the claim up.
    Withdraw {
        /// Why.
        cause: String,
    },
    /// 提请仲裁.
    AskArbitration {
        /// Why the sides cannot agree.
        grounds: String,
    },
    /// 组成仲裁庭.
    Appoint {
        /// Odd in number, of neither side.
        members: Vec<Arbitrator>,
    },
    /// 仲裁裁决.
    Award {
        /// What is to be paid.
        amount: Fen,
        /// Why.
        grounds: String,
        /// Register numbers of the members who stand by it: more than half.
        by: Vec<String>,
    },
    /// 补充追偿: more damage came to light after the amount was agreed.
    Supplement {
        /// Claimed on top.
        amount: Fen,
        /// What may be claimed on top at most, by the formulas.
        computed: Fen,
        /// Why.
        cause: String,
    },
}

impl Act {
    /// The word of storage and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Act::Cancel { .. } => "cancel",
            Act::Start { .. } => "start",
            Act::SettleFlat { .. } => "settleFlat",
            Act::State { .. } => "state",
            Act::Withdraw { .. } => "withdraw",
            Act::AskArbitration { .. } => "askArbitration",
            Act::Appoint { .. } => "appoint",
            Act::Award { .. } => "award",
            Act::Supplement { .. } => "supplement",
        }
    }

    /// Whether it may be told by this side.
    const fn is_for(&self, side: Side) -> bool {
        match self {
            Act::Cancel { .. }
            | Act::Start { .. }
            | Act::SettleFlat { .. }
            | Act::Withdraw { .. }
            | Act::Supplement { .. } => matches!(side, Side::Recovering),
            Act::State { .. } | Act::AskArbitration { .. } => !matches!(side, Side::Operator),
            Act::Appoint { .. } | Act::Award { .. } => matches!(side, Side::Operator),
        }
    }
}

/// What both sides say of an amount that is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Claimed at first.
    pub claimed: Fen,
    /// What the recovering side stands by.
    pub recovering: Fen,
    /// What the liable side stands by; nothing said yet when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paying: Option<Fen>,
    /// Why it does not stand by the rest.
    #[serde(default)]
    pub cuts: Vec<Cut>,
    /// Whose turn it is.
    pub waits_for: Side,
    /// When the last word was said.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// A case before arbitrators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arbitration {
    /// Who asked.
    pub asked_by: Side,
    /// Why.
    pub grounds: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// Who decides, once they are appointed.
    #[serde(default)]
    pub panel: Vec<Arbitrator>,
    /// When they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub appointed_at: Option<Timestamp>,
}

/// The flat rate that settled a recovery (定额结算).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryFlatRate)]
pub struct Flat {
    /// Whose rule: a region's, or the nation's (`000000`).
    pub region: String,
    /// Its version.
    pub version: i32,
    /// What might be claimed by the formulas (rule L60): what the flat amount settles.
    pub computed: Fen,
    /// Largest such amount the rule is for.
    pub ceiling: Fen,
    /// By which it is settled.
    pub module: Fen,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Which round, from 1.
    pub round: u32,
    /// What is to be paid; nothing at a zero settlement.
    pub amount: Fen,
    /// By an award, not by agreement.
    pub awarded: bool,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By a flat rate, not by agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat: Option<Flat>,
    /// The item posted for it; none of nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub item_id: Option<Uuid>,
}

/// Where a code stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "stage")]
pub enum Stage {
    /// 1.
    Locked,
    /// 2 until the liable side said something, 3 from then on.
    Open(Open),
    /// 3 as well: the list has no code of its own.
    Arbitration {
        /// What both sides say meanwhile; they may still agree.
        open: Open,
        /// Who decides.
        arbitration: Arbitration,
    },
    /// 4 or 6: both sides stand by the last outcome.
    Ended,
    /// 9.
    Void {
        /// Why.
        cause: String,
    },
}

/// A code with everything that was agreed under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// Where it stands.
    pub stage: Stage,
    /// When it came there.
    pub since: Timestamp,
    /// Rounds that ended, first to last.
    pub outcomes: Vec<Outcome>,
}

/// When an act is done, by whom, and what it may need.
#[derive(Clone, Copy, Debug)]
pub struct By {
    /// Who.
    pub side: Side,
    /// When.
    pub now: Timestamp,
    /// Whether whoever is waited for is late.
    pub overdue: bool,
    /// Names the item, should there be one.
    pub item_id: Uuid,
}

/// Why an act is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// The other side's, or the operator's.
    #[error("{act} is not for the {} side", side.name())]
    NotYours {
        /// What was sent.
        act: &'static str,
        /// By whom.
        side: Side,
    },
    /// The stage does not allow it.
    #[error("cannot {act} a recovery that is {status}")]
    WrongStage {
        /// What was sent.
        act: &'static str,
        /// Where it stands.
        status: &'static str,
    },
    /// An amount that does not fit.
    #[error("{0}")]
    Amount(String),
    /// The panel or its award is not whole.
    #[error("{0}")]
    Panel(String),
    /// Nobody was heard yet and nobody is late.
    #[error("the liable side has not answered, and its time is not over")]
    TooEarly,
}

impl Life {
    /// A code just locked.
    pub fn locked(now: Timestamp) -> Life {
        Life { stage: Stage::Locked, since: now, outcomes: Vec::new() }
    }

    /// The round under way, or the last one.
    pub fn round(&self) -> u32 {
        let ended = u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX);
        match self.stage {
            Stage::Open(_) | Stage::Arbitration { .. } => ended.saturating_add(1),
            Stage::Locked | Stage::Ended | Stage::Void { .. } => ended.max(1),
        }
    }

    /// All that was agreed. Amounts of one code fit: each is at most what a vehicle is worth.
    pub fn agreed(&self) -> Fen {
        Fen::sum(self.outcomes.iter().map(|outcome| outcome.amount)).unwrap_or(Fen(i64::MAX))
    }

    /// What of the loss is settled: what was agreed, and where a flat amount was paid what that stands
    /// for.
    pub fn settled(&self) -> Fen {
        let of = |outcome: &Outcome| outcome.flat.as_ref().map_or(outcome.amount, |it| it.computed);
        Fen::sum(self.outcomes.iter().map(of)).unwrap_or(Fen(i64::MAX))
    }

    /// The flat rate that settled it.
    pub fn flat(&self) -> Option<&Flat> {
        self.outcomes.iter().find_map(|outcome| outcome.flat.as_ref())
    }

    /// The status by what is known here; what the settlement made of an agreed amount is its own.
    pub fn status(&self) -> RecoveryStatus {
        match &self.stage {
            Stage::Locked => RecoveryStatus::Locked,
            Stage::Open(open) if open.paying.is_none() && self.outcomes.is_empty() => {
                RecoveryStatus::Started
            }
            Stage::Open(_) | Stage::Arbitration { .. } => RecoveryStatus::Reviewing,
            Stage::Ended if self.agreed() == Fen::ZERO => RecoveryStatus::Zero,
            Stage::Ended => RecoveryStatus::WaitingForSettlement,
            Stage::Void { .. } => RecoveryStatus::Void,
        }
    }

    /// What both sides say now.
    pub fn open(&self) -> Option<&Open> {
        match &self.stage {
            Stage::Open(open) | Stage::Arbitration { open, .. } => Some(open),
            Stage::Locked | Stage::Ended | Stage::Void { .. } => None,
        }
    }

    /// Who decides, once arbitrators are asked.
    pub fn arbitration(&self) -> Option<&Arbitration> {
        match &self.stage {
            Stage::Arbitration { arbitration, .. } => Some(arbitration),
            _ => None,
        }
    }

    /// The code after an act, or why not. `sides` are the insurers of both sides.
    pub fn accept(&self, act: &Act, by: By, sides: [&str; 2]) -> Result<Life, ReviewError> {
        if !act.is_for(by.side) {
            return Err(ReviewError::NotYours { act: act.name(), side: by.side });
        }
        match (act, &self.stage) {
            (Act::Cancel { cause }, Stage::Locked) => Ok(self.moved(void(cause), by.now)),
            (Act::Start { amount, computed }, Stage::Locked) => {
                self.claim(*amount, *computed, by.now)
            }
            (Act::SettleFlat { flat }, Stage::Locked) => {
                let mut life = self.ended(flat.module, false, by);
                if let Some(outcome) = life.outcomes.last_mut() {
                    outcome.flat = Some(flat.clone());
                }
                Ok(life)
            }
            (Act::Supplement { amount, computed, .. }, Stage::Ended) => {
                self.claim(*amount, *computed, by.now)
            }
            (
                Act::State { amount, cuts, .. },
                Stage::Open(open) | Stage::Arbitration { open, .. },
            ) => self.state(open, *amount, cuts, by),
            (Act::Withdraw { cause }, Stage::Open(_)) => {
                // What was agreed before stands; only the supplement is given up.
                let next = if self.outcomes.is_empty() { void(cause) } else { Stage::Ended };
                Ok(self.moved(next, by.now))
            }
            (Act::AskArbitration { grounds }, Stage::Open(open)) => {
                if open.paying.is_none() && !by.overdue {
                    return Err(ReviewError::TooEarly);
                }
                let arbitration = Arbitration {
                    asked_by: by.side,
                    grounds: grounds.clone(),
                    asked_at: by.now,
                    panel: Vec::new(),
                    appointed_at: None,
                };
                Ok(self.moved(Stage::Arbitration { open: open.clone(), arbitration }, by.now))
            }
            (Act::Appoint { members }, Stage::Arbitration { open, arbitration })
                if arbitration.panel.is_empty() =>
            {
                panel(members, sides)?;
                let arbitration = Arbitration {
                    panel: members.clone(),
                    appointed_at: Some(by.now),
                    ..arbitration.clone()
                };
                Ok(self.moved(Stage::Arbitration { open: open.clone(), arbitration }, by.now))
            }
            (Act::Award { amount, by: standing, .. }, Stage::Arbitration { open, arbitration })
                if !arbitration.panel.is_empty() =>
            {
                award(*amount, open, standing, &arbitration.panel)?;
                Ok(self.ended(*amount, true, by))
            }
            _ => Err(ReviewError::WrongStage { act: act.name(), status: self.status().name_en() }),
        }
    }

    fn moved(&self, stage: Stage, now: Timestamp) -> Life {
        Life { stage, since: now, outcomes: self.outcomes.clone() }
    }

    /// Opens a round (rule L60).
    fn claim(&self, amount: Fen, computed: Fen, now: Timestamp) -> Result<Life, ReviewError> {
        if amount <= Fen::ZERO {
            return Err(ReviewError::Amount("claim more than nothing".to_owned()));
        }
        if computed < amount {
            return Err(ReviewError::Amount(format!(
                "{amount} exceeds the {computed} that may be recovered under this code (rule L60)"
            )));
        }
        let open = Open {
            claimed: amount,
            recovering: amount,
            paying: None,
            cuts: Vec::new(),
            waits_for: Side::Liable,
            since: now,
        };
        Ok(self.moved(Stage::Open(open), now))
    }

    fn state(&self, open: &Open, amount: Fen, cuts: &[Cut], by: By) -> Result<Life, ReviewError> {
        let mut next = open.clone();
        next.since = by.now;
        if by.side == Side::Recovering {
            comes_down(open, amount)?;
            next.recovering = amount;
            next.waits_for = Side::Liable;
        } else {
            goes_up(open, amount)?;
            adds_up(open, amount, cuts)?;
            next.paying = Some(amount);
            next.cuts = cuts.to_vec();
            next.waits_for = Side::Recovering;
        }
        if next.paying == Some(next.recovering) {
            return Ok(self.ended(amount, false, by));
        }
        let stage = match &self.stage {
            Stage::Arbitration { arbitration, .. } => {
                Stage::Arbitration { open: next, arbitration: arbitration.clone() }
            }
            _ => Stage::Open(next),
        };
        // Where it stands did not change; who is waited for did.
        let since = if self.arbitration().is_some() { self.since } else { by.now };
        Ok(self.moved(stage, since))
    }

    fn ended(&self, amount: Fen, awarded: bool, by: By) -> Life {
        let mut life = self.moved(Stage::Ended, by.now);
        let item_id = (Fen::ZERO < amount).then_some(by.item_id);
        let (round, at) = (self.round(), by.now);
        life.outcomes.push(Outcome { round, amount, awarded, at, flat: None, item_id });
        life
    }
}

fn void(cause: &str) -> Stage {
    Stage::Void { cause: cause.to_owned() }
}

/// The recovering side only comes down, and not below what it is offered.
fn comes_down(open: &Open, amount: Fen) -> Result<(), ReviewError> {
    let floor = open.paying.unwrap_or(Fen::ZERO);
    if floor <= amount && amount < open.recovering {
        return Ok(());
    }
    Err(ReviewError::Amount(format!(
        "stand by less than {} and no less than the {floor} the other side stands by",
        open.recovering
    )))
}

/// The liable side only goes up, and not beyond what is asked.
fn goes_up(open: &Open, amount: Fen) -> Result<(), ReviewError> {
    let more = open.paying.is_none_or(|paying| paying < amount);
    if more && Fen::ZERO <= amount && amount <= open.recovering {
        return Ok(());
    }
    let floor = open.paying.unwrap_or(Fen::ZERO);
    Err(ReviewError::Amount(format!(
        "stand by more than {floor} said before and by at most the {} asked for",
        open.recovering
    )))
}

/// Every yuan asked for and not stood by has a reason.
fn adds_up(open: &Open, amount: Fen, cuts: &[Cut]) -> Result<(), ReviewError> {
    let missing = Fen(open.recovering.0 - amount.0);
    let sum = Fen::sum(cuts.iter().map(|cut| cut.amount));
    let positive = cuts.iter().all(|cut| Fen::ZERO < cut.amount);
    if positive && sum == Some(missing) {
        return Ok(());
    }
    Err(ReviewError::Amount(format!(
        "give reasons for the {missing} between the {} asked for and the {amount} stood by",
        open.recovering
    )))
}

fn panel(members: &[Arbitrator], sides: [&str; 2]) -> Result<(), ReviewError> {
    let refuse = |detail: &str| Err(ReviewError::Panel(detail.to_owned()));
    if members.len().is_multiple_of(2) || members.len() > LARGEST_PANEL {
        return refuse("appoint an odd number of arbitrators, at most seven");
    }
    if members.iter().any(|member| sides.contains(&member.insurer.as_str())) {
        return refuse("an arbitrator comes from neither side's insurer");
    }
    let twice =
        |at: usize| members[..at].iter().any(|other| other.register_no == members[at].register_no);
    if (0..members.len()).any(twice) {
        return refuse("an arbitrator is there twice");
    }
    Ok(())
}

/// An award lies between what the sides stand by, and more than half of the panel stands by it.
fn award(
    amount: Fen,
    open: &Open,
    standing: &[String],
    panel: &[Arbitrator],
) -> Result<(), ReviewError> {
    let floor = open.paying.unwrap_or(Fen::ZERO);
    if amount < floor || open.recovering < amount {
        return Err(ReviewError::Amount(format!(
            "award between the {floor} and the {} the sides stand by",
            open.recovering
        )));
    }
    let stands = |member: &&Arbitrator| standing.contains(&member.register_no);
    let known = |no: &String| panel.iter().any(|member| member.register_no == *no);
    if !standing.iter().all(known) || panel.iter().filter(stands).count() * 2 <= panel.len() {
        let detail = "more than half of the panel, and nobody else, stands by an award";
        return Err(ReviewError::Panel(detail.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

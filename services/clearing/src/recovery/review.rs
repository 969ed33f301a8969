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

mod decide;

use jiff::Timestamp;
use kernel::Fen;
use production_core::claim::RecoveryStatus;
use production_core::rule::RuleId;
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

impl Stage {
    /// The words stages are stored under, first to last.
    pub const NAMES: [&'static str; 5] = ["locked", "open", "arbitration", "ended", "void"];
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
    #[error("a recovery that is {status} takes no {act}")]
    WrongStage {
        /// What was sent.
        act: &'static str,
        /// Where it stands.
        status: &'static str,
    },
    /// An amount that does not fit.
    #[error("{0}")]
    Amount(String),
    /// More is claimed than the formulas leave.
    #[error("{amount} exceeds the {computed} that may be recovered under this code")]
    OverComputed {
        /// What is claimed.
        amount: Fen,
        /// What may be claimed at most.
        computed: Fen,
    },
    /// A statement that does not bring the two sides' amounts together, or leaves a cut unexplained.
    #[error("{0}")]
    Apart(String),
    /// The panel or its award is not whole.
    #[error("{0}")]
    Panel(String),
    /// Nobody was heard yet and nobody is late.
    #[error("the liable side has not answered, and its time is not over")]
    TooEarly,
}

impl ReviewError {
    /// The validation rule the guard stands for, when it stands for one.
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            ReviewError::WrongStage { act: "cancel", .. } => Some(RuleId::L59),
            ReviewError::OverComputed { .. } => Some(RuleId::L60),
            ReviewError::Apart(_) => Some(RuleId::L61),
            _ => None,
        }
    }
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
}

#[cfg(test)]
mod tests;

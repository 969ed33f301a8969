//! What a case does to the price of the next policy.

use jiff::Timestamp;
use kernel::Fen;
use serde::{Deserialize, Serialize};

use super::{Case, CloseFacts, CoverRow, Liability, Stage};
use crate::cover::Cover;
use crate::history::{ClaimRecord, PolicyClass};
use crate::insurer::InsurerCode;

/// A closing, as far as anything later depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    /// How often the case had been reopened.
    pub round: u32,
    /// When it was closed (结案).
    pub at: Timestamp,
    /// What is paid in all.
    pub total: Fen,
    /// Of it for damage of the insured vehicle.
    pub own_damage: Fen,
    /// Who is liable.
    pub liability: Liability,
    /// Somebody died.
    #[serde(default)]
    pub death: bool,
    /// It is refused.
    #[serde(default)]
    pub refused: bool,
    /// When the refusal was sent.
    #[serde(default)]
    pub refusal_sent_at: Option<Timestamp>,
    /// The insured vehicle is a total loss: once it is paid, the policy ends.
    #[serde(default)]
    pub total_loss: bool,
    /// Whether its insurer counts it towards the discount.
    pub counts: bool,
}

impl Closing {
    /// The closing `facts` make of `case`.
    pub(super) fn of(case: &Case, facts: &CloseFacts) -> Closing {
        let adjusted = case.adjustments.iter().flat_map(|adjustment| &adjustment.covers);
        let own_damage = Fen::sum(adjusted.filter(|row| is_own_damage(row)).map(|row| row.amount));
        Closing {
            round: case.round,
            at: facts.at,
            total: facts.total,
            own_damage: own_damage.unwrap_or(Fen::ZERO),
            liability: facts.liability,
            death: facts.death,
            refused: facts.refusal.is_some(),
            refusal_sent_at: facts.refusal_sent_at,
            total_loss: facts.total_loss,
            counts: facts
                .counts
                .unwrap_or_else(|| counts_by_rule(case.class, facts.total, facts.liability)),
        }
    }
}

/// Whether a closing counts towards the discount when its insurer does not say (rule L63).
///
/// Commercial: anything paid. Compulsory: anything paid with fault (交强险条例 art. 8).
pub fn counts_by_rule(class: PolicyClass, total: Fen, liability: Liability) -> bool {
    let with_fault = class == PolicyClass::Commercial || liability.at_fault();
    Fen::ZERO < total && with_fault
}

fn is_own_damage(row: &CoverRow) -> bool {
    matches!(row.cover, Cover::Hull | Cover::NevHull)
}

impl Case {
    /// What a quote of any insurer sees of the case; `None` for a cancelled one.
    ///
    /// A reopened case keeps the effect of its last closing until it is closed again (rule L50).
    /// While nobody has said who is liable, an open case may be one with fault.
    pub fn record(&self, claim_code: &str, insurer: InsurerCode) -> Option<ClaimRecord> {
        if self.stage == Stage::Cancelled {
            return None;
        }
        let closing = self.closing();
        let corrected = self.correction.as_ref();
        let at_fault = match closing {
            Some(closing) => closing.liability.at_fault(),
            None => self.liability() != Liability::None,
        };
        let total = closing.map_or(Fen::ZERO, |closing| closing.total);
        let own_damage = closing.map_or(Fen::ZERO, |closing| closing.own_damage);
        let (first, last) = match self.class {
            PolicyClass::Commercial => (
                self.closings.iter().find(|closing| Fen::ZERO < closing.total).map(|one| one.at),
                closing.map(|closing| closing.at),
            ),
            PolicyClass::Compulsory => (self.first_paid_at, self.paid_at),
        };
        Some(ClaimRecord {
            claim_code: claim_code.to_owned(),
            insurer,
            class: self.class,
            accident_at: self.notify.accident_at,
            closed_at: closing.map(|closing| closing.at),
            paid_at: self.paid_at,
            first_settled_at: first.filter(|_| first != last),
            paid: total,
            at_fault: corrected.and_then(|one| one.at_fault).unwrap_or(at_fault),
            death: closing.is_some_and(|closing| closing.death),
            counts: corrected
                .and_then(|one| one.counts)
                .unwrap_or_else(|| closing.is_none_or(|closing| closing.counts)),
            // Everything the closing paid was own damage, and all of it came back.
            fully_recovered: Fen::ZERO < own_damage
                && own_damage == total
                && self.recovered == own_damage,
            stolen_at_the_time: self.notify.stolen,
        })
    }

    /// Whether `next` tells a quote something else than this did about a closing it may have seen:
    /// what was counted already has changed.
    pub fn is_corrected_by(&self, next: &Case, insurer: InsurerCode) -> bool {
        match (self.record("", insurer), next.record("", insurer)) {
            (Some(seen), Some(next)) => seen.is_corrected_by(&next),
            (seen, next) => seen.is_some() != next.is_some() && self.closing().is_some(),
        }
    }
}

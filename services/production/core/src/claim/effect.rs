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
    /// What earlier rounds had paid by then, less what was given back.
    #[serde(default)]
    pub paid_before: Fen,
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
    /// 互碰自赔. True of closings kept before this was, for any of them may be one.
    #[serde(default = "may_be")]
    pub mutual: bool,
}

const fn may_be() -> bool {
    true
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
            paid_before: case.paid,
            liability: facts.liability,
            death: facts.death,
            refused: facts.refusal.is_some(),
            refusal_sent_at: facts.refusal_sent_at,
            total_loss: facts.total_loss,
            counts: facts
                .counts
                .unwrap_or_else(|| counts_by_rule(case.class, facts.total, facts.liability)),
            mutual: facts.mutual,
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

    /// Whether `next` tells a quote something else than this did about what it may have counted.
    ///
    /// A case that comes to count corrects nothing: a quote made before knew all there was to know.
    /// Later payments and closings that say the same move nothing either.
    pub fn is_corrected_by(&self, next: &Case, insurer: InsurerCode) -> bool {
        let counted = |case: &Case| case.record("", insurer).as_ref().and_then(effect);
        let before = counted(self);
        before.is_some() && before != counted(next)
    }
}

/// The first of the claims a quote saw that may have counted in it and is something else by what is
/// `known` now; `None` while the quote stands. A claim that is known no more is something else.
pub fn corrected<'a>(seen: &'a [ClaimRecord], known: &[ClaimRecord]) -> Option<&'a ClaimRecord> {
    seen.iter().find(|&claim| {
        let before = effect(claim);
        let now = known.iter().find(|known| known.claim_code == claim.claim_code);
        before.is_some() && before != now.and_then(effect)
    })
}

/// A record as far as discounts depend on it; `None` until something is paid, from when on a discount
/// may rest on it: closed with a payment (commercial cover) or paid (compulsory cover).
fn effect(record: &ClaimRecord) -> Option<ClaimRecord> {
    let last = match record.class {
        PolicyClass::Commercial => record.closed_at,
        PolicyClass::Compulsory => record.paid_at,
    };
    let settled_at = record.first_settled_at.or(last).filter(|_| Fen::ZERO < record.paid);
    settled_at.map(|at| ClaimRecord {
        closed_at: None,
        paid_at: None,
        first_settled_at: Some(at),
        ..record.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: &str) -> Option<Timestamp> {
        Some(format!("2025-06-{day}T12:00:00+08:00").parse().unwrap())
    }

    /// Paid 2,000 with fault on 3 June, closed on the 2nd.
    fn settled(class: PolicyClass) -> ClaimRecord {
        ClaimRecord {
            claim_code: "05PICC320025000010000000000018".to_owned(),
            insurer: InsurerCode::parse("PICC").unwrap(),
            class,
            accident_at: at("01").unwrap(),
            closed_at: at("02"),
            paid_at: at("03"),
            first_settled_at: None,
            paid: Fen(200_000),
            at_fault: true,
            death: false,
            counts: true,
            fully_recovered: false,
            stolen_at_the_time: false,
        }
    }

    #[test]
    fn a_closing_kept_before_it_told_may_be_a_mutual_collision() {
        let kept = serde_json::json!({
            "round": 0, "at": "2025-06-02T12:00:00Z", "total": "2000.00", "ownDamage": "0.00",
            "liability": "2", "counts": true,
        });
        let closing: Closing = serde_json::from_value(kept).unwrap();
        assert!(closing.mutual);
    }

    fn is_corrected(seen: &ClaimRecord, known: &[ClaimRecord]) -> bool {
        corrected(std::slice::from_ref(seen), known).is_some()
    }

    #[test]
    fn a_counted_claim_that_says_something_else_is_corrected() {
        for class in [PolicyClass::Compulsory, PolicyClass::Commercial] {
            let seen = settled(class);
            let others = [
                ClaimRecord { counts: false, ..settled(class) },
                ClaimRecord { at_fault: false, ..settled(class) },
                ClaimRecord { paid: Fen::ZERO, ..settled(class) },
                ClaimRecord { death: true, ..settled(class) },
                ClaimRecord { fully_recovered: true, ..settled(class) },
            ];
            for other in others {
                assert!(is_corrected(&seen, std::slice::from_ref(&other)), "{other:?}");
            }
            assert!(is_corrected(&seen, &[]));
            assert!(!is_corrected(&seen, &[settled(class)]));
        }
    }

    #[test]
    fn a_claim_that_comes_to_count_later_corrects_nothing() {
        let compulsory = settled(PolicyClass::Compulsory);
        let open = ClaimRecord {
            closed_at: None,
            paid_at: None,
            paid: Fen::ZERO,
            ..settled(PolicyClass::Compulsory)
        };
        let unpaid = ClaimRecord { paid_at: None, ..settled(PolicyClass::Compulsory) };
        for before in [open, unpaid] {
            assert!(!is_corrected(&before, std::slice::from_ref(&compulsory)));
        }
        let zero = ClaimRecord { paid: Fen::ZERO, ..settled(PolicyClass::Commercial) };
        assert!(!is_corrected(&zero, &[settled(PolicyClass::Commercial)]));
    }

    #[test]
    fn a_later_payment_or_the_same_closing_again_corrects_nothing() {
        let paid_on = ClaimRecord {
            paid_at: at("09"),
            first_settled_at: at("03"),
            ..settled(PolicyClass::Compulsory)
        };
        assert!(!is_corrected(&settled(PolicyClass::Compulsory), &[paid_on]));
        let closed_anew = ClaimRecord {
            closed_at: at("09"),
            first_settled_at: at("02"),
            ..settled(PolicyClass::Commercial)
        };
        assert!(!is_corrected(&settled(PolicyClass::Commercial), &[closed_anew]));
        // Commercial cover looks at the closing alone, compulsory cover at the payment.
        let unpaid = ClaimRecord { paid_at: None, ..settled(PolicyClass::Commercial) };
        assert!(!is_corrected(&unpaid, &[settled(PolicyClass::Commercial)]));
    }
}

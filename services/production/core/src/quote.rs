//! The life of a quote, from its query code to the confirm code.
//!
//! ```text
//! Quoted -> PreConfirmed -> Paid -> Confirmed
//!    |           |           |
//!    |           +-----------+--> PreConfirmCancelled (by the caller, or by the clock)
//!    +--> Superseded (by a newer quote), Expired (by the clock)
//! ```
//!
//! A query code serves one confirm. Amounts are frozen by the pre-confirm and echoed by the
//! confirm to the fen; nothing is confirmed before its money is registered (见费出单). The clock
//! moves a quote without anyone touching it: [`QuoteStage::at`] says where it stands now, and
//! every transition asks that first.

use jiff::{SignedDuration, Timestamp};
use kernel::Fen;
use serde::{Deserialize, Serialize};

use crate::rule::RuleId;

/// What the customer pays and the intermediary gets, frozen by the pre-confirm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Compulsory premium; `None` when not quoted.
    #[serde(default)]
    pub compulsory: Option<Fen>,
    /// Commercial premium; `None` when not quoted.
    #[serde(default)]
    pub commercial: Option<Fen>,
    /// Vehicle tax with arrears and late fee.
    #[serde(default)]
    pub tax: Fen,
    /// Commission to the intermediary; not paid by the customer.
    #[serde(default)]
    pub fee: Fen,
}

impl Amounts {
    /// What the customer pays: premiums and tax. `None` on overflow.
    pub fn payable(&self) -> Option<Fen> {
        Fen::sum([
            self.compulsory.unwrap_or_default(),
            self.commercial.unwrap_or_default(),
            self.tax,
        ])
    }

    /// Names the first amount that differs, for the answer; `None` when all agree.
    pub fn difference(&self, other: &Amounts) -> Option<&'static str> {
        if self.compulsory != other.compulsory {
            Some("compulsory")
        } else if self.commercial != other.commercial {
            Some("commercial")
        } else if self.tax != other.tax {
            Some("tax")
        } else if self.fee != other.fee {
            Some("fee")
        } else {
            None
        }
    }
}

/// Money registered as received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Received in all.
    pub amount: Fen,
    /// The bank's, terminal's or order's reference.
    pub reference: String,
    /// When the customer paid.
    pub paid_at: Timestamp,
}

/// Who ended a pre-confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cancelled {
    /// The insurer.
    ByCaller,
    /// The clock.
    ByTimeout,
}

/// Where a quote stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuoteStage {
    /// 已查询: the query code is good until then.
    Quoted {
        /// First instant at which the code is no longer good.
        until: Timestamp,
    },
    /// A newer quote of the same insurer for the same vehicle took its place.
    Superseded {
        /// When.
        at: Timestamp,
    },
    /// 查询失效: nobody used the code in time.
    Expired {
        /// When the code ended.
        at: Timestamp,
    },
    /// 预确认: amounts are frozen, money is awaited.
    PreConfirmed {
        /// What was frozen.
        amounts: Amounts,
        /// First instant at which the freeze no longer holds.
        until: Timestamp,
    },
    /// 预确认撤销. Final: a new quote is needed.
    PreConfirmCancelled {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Cancelled,
        /// Money that was registered and must go back.
        refund: Option<Payment>,
    },
    /// The money is registered; the confirm may come.
    Paid {
        /// What was frozen.
        amounts: Amounts,
        /// What was received: exactly the payable amount.
        payment: Payment,
        /// First instant at which the confirm comes too late.
        until: Timestamp,
    },
    /// 已确认: the policies exist, the code is used up.
    Confirmed {
        /// What was charged.
        amounts: Amounts,
        /// What was received.
        payment: Payment,
        /// When.
        at: Timestamp,
    },
}

/// Why a quote does not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The stage does not allow it.
    #[error("cannot {action} a quote that is {stage}")]
    WrongStage {
        /// What was tried.
        action: &'static str,
        /// Where the quote stands.
        stage: &'static str,
    },
    /// The query code was used up by an earlier confirm.
    #[error("query code has already been confirmed; a code serves one confirm")]
    Used,
    /// The query code ended, or the freeze of the pre-confirm did.
    #[error("query code expired at {0}; quote again")]
    Expired(Timestamp),
    /// A newer quote took its place.
    #[error("query code was superseded at {0} by a newer quote; use that one")]
    Superseded(Timestamp),
    /// No money was registered yet.
    #[error("cannot confirm before {payable} is registered as paid")]
    Unpaid {
        /// What the customer owes.
        payable: Fen,
    },
    /// The money is not what the pre-confirm froze.
    #[error("payment of {paid} differs from the {payable} frozen by the pre-confirm")]
    WrongPayment {
        /// What was registered.
        paid: Fen,
        /// What is owed.
        payable: Fen,
    },
    /// The confirm does not echo the pre-confirm.
    #[error("{field} amount differs from the pre-confirm; echo it unchanged or quote again")]
    Echo {
        /// Which amount differs.
        field: &'static str,
    },
    /// Amounts that cannot be added up.
    #[error("amounts exceed what can be added up")]
    Overflow,
}

impl QuoteError {
    /// The rule that was broken; `None` where it is the order of steps alone.
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            QuoteError::Used | QuoteError::Superseded(_) => Some(RuleId::S09),
            QuoteError::Expired(_) => Some(RuleId::L32),
            QuoteError::Echo { .. } => Some(RuleId::S10),
            QuoteError::WrongStage { .. }
            | QuoteError::Unpaid { .. }
            | QuoteError::WrongPayment { .. }
            | QuoteError::Overflow => None,
        }
    }
}

impl QuoteStage {
    /// A fresh quote whose code is good until `until`.
    pub fn quoted(until: Timestamp) -> QuoteStage {
        QuoteStage::Quoted { until }
    }

    /// The word for storage and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            QuoteStage::Quoted { .. } => "quoted",
            QuoteStage::Superseded { .. } => "superseded",
            QuoteStage::Expired { .. } => "expired",
            QuoteStage::PreConfirmed { .. } => "pre_confirmed",
            QuoteStage::PreConfirmCancelled { .. } => "pre_confirm_cancelled",
            QuoteStage::Paid { .. } => "paid",
            QuoteStage::Confirmed { .. } => "confirmed",
        }
    }

    /// Where the quote stands at `now`: codes expire and freezes end by the clock.
    pub fn at(self, now: Timestamp) -> QuoteStage {
        let lapsed =
            |at, refund| QuoteStage::PreConfirmCancelled { at, by: Cancelled::ByTimeout, refund };
        match self {
            QuoteStage::Quoted { until } if until <= now => QuoteStage::Expired { at: until },
            QuoteStage::PreConfirmed { until, .. } if until <= now => lapsed(until, None),
            QuoteStage::Paid { until, payment, .. } if until <= now => lapsed(until, Some(payment)),
            stands => stands,
        }
    }

    /// Gives way to a newer quote. A pre-confirmed quote does not: its amounts are promised.
    pub fn supersede(self, now: Timestamp) -> Result<QuoteStage, QuoteError> {
        match self.at(now) {
            QuoteStage::Quoted { .. } => Ok(QuoteStage::Superseded { at: now }),
            other => Err(other.refuse("supersede")),
        }
    }

    /// Freezes `amounts` for `hold`, but never beyond the life of the query code.
    pub fn pre_confirm(
        self,
        amounts: Amounts,
        hold: SignedDuration,
        now: Timestamp,
    ) -> Result<QuoteStage, QuoteError> {
        match self.at(now) {
            QuoteStage::Quoted { until } => {
                amounts.payable().ok_or(QuoteError::Overflow)?;
                let held = now.checked_add(hold).unwrap_or(until);
                Ok(QuoteStage::PreConfirmed { amounts, until: until.min(held) })
            }
            other => Err(other.refuse("pre-confirm")),
        }
    }

    /// Lets go of the frozen amounts; money already registered must go back.
    pub fn cancel(self, now: Timestamp) -> Result<QuoteStage, QuoteError> {
        let cancelled =
            |refund| QuoteStage::PreConfirmCancelled { at: now, by: Cancelled::ByCaller, refund };
        match self.at(now) {
            QuoteStage::PreConfirmed { .. } => Ok(cancelled(None)),
            QuoteStage::Paid { payment, .. } => Ok(cancelled(Some(payment))),
            other => Err(other.refuse("cancel the pre-confirm of")),
        }
    }

    /// Registers the money: exactly what the customer owes, once.
    pub fn pay(self, payment: Payment, now: Timestamp) -> Result<QuoteStage, QuoteError> {
        match self.at(now) {
            QuoteStage::PreConfirmed { amounts, until } => {
                let payable = amounts.payable().ok_or(QuoteError::Overflow)?;
                if payment.amount != payable {
                    return Err(QuoteError::WrongPayment { paid: payment.amount, payable });
                }
                Ok(QuoteStage::Paid { amounts, payment, until })
            }
            other => Err(other.refuse("register a payment for")),
        }
    }

    /// Uses up the query code. `echo` must equal what the pre-confirm froze.
    pub fn confirm(self, echo: &Amounts, now: Timestamp) -> Result<QuoteStage, QuoteError> {
        match self.at(now) {
            QuoteStage::Paid { amounts, payment, .. } => match amounts.difference(echo) {
                None => Ok(QuoteStage::Confirmed { amounts, payment, at: now }),
                Some(field) => Err(QuoteError::Echo { field }),
            },
            QuoteStage::PreConfirmed { amounts, .. } => match amounts.payable() {
                Some(payable) => Err(QuoteError::Unpaid { payable }),
                None => Err(QuoteError::Overflow),
            },
            other => Err(other.refuse("confirm")),
        }
    }

    /// The error for an `action` this stage does not allow; the most telling one.
    fn refuse(&self, action: &'static str) -> QuoteError {
        match self {
            QuoteStage::Expired { at }
            | QuoteStage::PreConfirmCancelled { at, by: Cancelled::ByTimeout, .. } => {
                QuoteError::Expired(*at)
            }
            QuoteStage::Superseded { at } => QuoteError::Superseded(*at),
            QuoteStage::Confirmed { .. } => QuoteError::Used,
            other => QuoteError::WrongStage { action, stage: other.name() },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    const AMOUNTS: Amounts = Amounts {
        compulsory: Some(Fen(66_500)),
        commercial: Some(Fen(200_000)),
        tax: Fen(42_000),
        fee: Fen(8_000),
    };
    const HOLD: SignedDuration = SignedDuration::from_hours(2);

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * 3_600).unwrap()
    }

    fn payment(fen: i64) -> Payment {
        Payment { amount: Fen(fen), reference: "POS 7".into(), paid_at: hour(2) }
    }

    fn pre_confirmed() -> QuoteStage {
        QuoteStage::quoted(hour(72)).pre_confirm(AMOUNTS, HOLD, hour(1)).unwrap()
    }

    fn paid() -> QuoteStage {
        pre_confirmed().pay(payment(308_500), hour(2)).unwrap()
    }

    fn confirmed() -> QuoteStage {
        paid().confirm(&AMOUNTS, hour(2)).unwrap()
    }

    #[test]
    fn money_comes_before_the_policy() {
        assert_eq!(
            pre_confirmed().confirm(&AMOUNTS, hour(2)),
            Err(QuoteError::Unpaid { payable: Fen(308_500) })
        );
        assert_eq!(confirmed().name(), "confirmed");
    }

    #[test]
    fn only_the_exact_amount_is_a_payment() {
        for fen in [308_499, 308_501, 0, -308_500] {
            let refused = pre_confirmed().pay(payment(fen), hour(2)).unwrap_err();
            assert_eq!(refused, QuoteError::WrongPayment { paid: Fen(fen), payable: Fen(308_500) });
        }
    }

    #[test]
    fn the_confirm_echoes_every_amount_of_the_pre_confirm() {
        let differing = [
            ("compulsory", Amounts { compulsory: Some(Fen(66_501)), ..AMOUNTS }),
            ("compulsory", Amounts { compulsory: None, ..AMOUNTS }),
            ("commercial", Amounts { commercial: Some(Fen(1)), ..AMOUNTS }),
            ("tax", Amounts { tax: Fen(41_999), ..AMOUNTS }),
            ("fee", Amounts { fee: Fen(0), ..AMOUNTS }),
        ];
        for (field, echo) in differing {
            let refused = paid().confirm(&echo, hour(2)).unwrap_err();
            assert_eq!(refused, QuoteError::Echo { field });
            assert_eq!(refused.rule(), Some(RuleId::S10));
        }
    }

    #[test]
    fn a_query_code_serves_one_confirm() {
        let again = confirmed().confirm(&AMOUNTS, hour(3)).unwrap_err();
        assert_eq!((again.clone(), again.rule()), (QuoteError::Used, Some(RuleId::S09)));
        assert_eq!(confirmed().pre_confirm(AMOUNTS, HOLD, hour(3)), Err(QuoteError::Used));
    }

    #[test]
    fn the_clock_ends_codes_and_freezes() {
        let expired = QuoteStage::quoted(hour(72)).pre_confirm(AMOUNTS, HOLD, hour(72));
        assert_eq!(expired, Err(QuoteError::Expired(hour(72))));
        assert_eq!(expired.unwrap_err().rule(), Some(RuleId::L32));
        assert_eq!(paid().confirm(&AMOUNTS, hour(3)), Err(QuoteError::Expired(hour(3))));
        assert_eq!(
            paid().at(hour(3)),
            QuoteStage::PreConfirmCancelled {
                at: hour(3),
                by: Cancelled::ByTimeout,
                refund: Some(payment(308_500))
            }
        );
        assert_eq!(confirmed().at(hour(1_000)), confirmed());
        let late = QuoteStage::quoted(hour(2)).pre_confirm(AMOUNTS, HOLD, hour(1)).unwrap();
        assert!(matches!(late, QuoteStage::PreConfirmed { until, .. } if until == hour(2)));
    }

    #[test]
    fn a_newer_quote_takes_the_place_of_an_unused_one_alone() {
        let old = QuoteStage::quoted(hour(72)).supersede(hour(1)).unwrap();
        assert_eq!(old.pre_confirm(AMOUNTS, HOLD, hour(2)), Err(QuoteError::Superseded(hour(1))));
        assert!(pre_confirmed().supersede(hour(2)).is_err());
    }

    #[test]
    fn cancelling_gives_registered_money_back() {
        let refund = |stage: QuoteStage| match stage.cancel(hour(2)).unwrap() {
            QuoteStage::PreConfirmCancelled { refund, .. } => refund,
            other => panic!("{other:?}"),
        };
        assert_eq!(refund(pre_confirmed()), None);
        assert_eq!(refund(paid()), Some(payment(308_500)));
        assert!(QuoteStage::quoted(hour(72)).cancel(hour(2)).is_err());
        assert_eq!(confirmed().cancel(hour(2)), Err(QuoteError::Used));
    }

    #[test]
    fn amounts_too_large_are_refused() {
        let huge = Amounts { compulsory: Some(Fen(i64::MAX)), tax: Fen(1), ..Amounts::default() };
        let refused = QuoteStage::quoted(hour(72)).pre_confirm(huge, HOLD, hour(1));
        assert_eq!(refused, Err(QuoteError::Overflow));
    }

    proptest! {
        #[test]
        fn whatever_is_tried_nothing_is_confirmed_unpaid_or_twice(
            steps in vec((0u8..6, 0i64..4), 0..24),
        ) {
            let mut stage = QuoteStage::quoted(hour(72));
            let (mut now, mut paid, mut confirmed) = (0, false, 0);
            for (step, wait) in steps {
                now += wait;
                let at = hour(now);
                let moved = match step {
                    0 => stage.clone().pre_confirm(AMOUNTS, HOLD, at),
                    1 => stage.clone().pay(payment(308_500), at),
                    2 => stage.clone().confirm(&AMOUNTS, at),
                    3 => stage.clone().cancel(at),
                    4 => stage.clone().supersede(at),
                    _ => Ok(stage.clone().at(at)),
                };
                if let Ok(next) = moved {
                    paid |= matches!(next, QuoteStage::Paid { .. });
                    confirmed += i32::from(step == 2);
                    stage = next;
                }
            }
            prop_assert!(confirmed <= 1);
            prop_assert!(confirmed == 0 || paid);
        }
    }
}

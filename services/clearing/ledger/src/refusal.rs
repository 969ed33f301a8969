//! Why a transfer is refused: the closed list of result codes.
//!
//! Their order here is their precedence, which the page of the crate documents.

use std::fmt;

/// Part of a transfer's body, in the order differences are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// What it does.
    Kind,
    /// The transfer it ends or corrects.
    Target,
    /// The account debited.
    DebitAccount,
    /// The account credited.
    CreditAccount,
    /// How much.
    Amount,
    /// Of what.
    Currency,
    /// How long it is reserved.
    Timeout,
    /// The kind of business.
    Reason,
    /// The business.
    Reference,
    /// The chain and the place in it.
    Chain,
}

macro_rules! refusals {
    ($($(#[$meta:meta])* $variant:ident = $code:literal, $text:literal;)+) => {
        /// Why a transfer is refused. Lower is given first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal {
            $($(#[$meta])* $variant,)+
        }

        impl Refusal {
            /// All of them, in precedence.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$variant,)+];

            /// The code as it is stored and sent.
            pub const fn code(self) -> &'static str {
                match self { $(Refusal::$variant => $code,)+ }
            }

            const fn text(self) -> &'static str {
                match self { $(Refusal::$variant => $text,)+ }
            }

            /// Reads a code.
            pub fn parse(code: &str) -> Result<Refusal, UnknownRefusal> {
                match code {
                    $($code => Ok(Refusal::$variant),)+
                    _ => Err(UnknownRefusal(code.chars().take(40).collect())),
                }
            }
        }
    };
}

refusals! {
    /// Another member of the chain is refused.
    Linked = "linked", "another transfer of the chain is refused";
    /// All zeros or all ones.
    IdReserved = "id_reserved", "the id is all zeros or all ones";
    /// The id did something else: see [`Field::Kind`].
    IdTakenKind = "id_taken_kind", "the id is taken by another kind of transfer";
    /// See [`Field::Target`].
    IdTakenTarget = "id_taken_target", "the id is taken by a transfer with another target";
    /// See [`Field::DebitAccount`].
    IdTakenDebitAccount = "id_taken_debit_account", "the id is taken by a transfer that debits another account";
    /// See [`Field::CreditAccount`].
    IdTakenCreditAccount = "id_taken_credit_account", "the id is taken by a transfer that credits another account";
    /// See [`Field::Amount`].
    IdTakenAmount = "id_taken_amount", "the id is taken by a transfer of another amount";
    /// See [`Field::Currency`].
    IdTakenCurrency = "id_taken_currency", "the id is taken by a transfer in another currency";
    /// See [`Field::Timeout`].
    IdTakenTimeout = "id_taken_timeout", "the id is taken by a reservation with another timeout";
    /// See [`Field::Reason`].
    IdTakenReason = "id_taken_reason", "the id is taken by a transfer for another reason";
    /// See [`Field::Reference`].
    IdTakenReference = "id_taken_reference", "the id is taken by a transfer with another reference";
    /// See [`Field::Chain`].
    IdTakenChain = "id_taken_chain", "the id is taken by a transfer of another chain";
    /// The id was refused with another body.
    IdFailed = "id_failed", "the id was refused before with another body";
    /// Zero or negative.
    AmountNotPositive = "amount_not_positive", "the amount is not positive";
    /// Debits and credits one account.
    SameAccount = "same_account", "the accounts debited and credited are the same";
    /// No such account to debit.
    DebitAccountUnknown = "debit_account_unknown", "there is no such account to debit";
    /// No such account to credit.
    CreditAccountUnknown = "credit_account_unknown", "there is no such account to credit";
    /// The accounts hold different currencies.
    CurrenciesDiffer = "currencies_differ", "the accounts hold different currencies";
    /// The accounts hold another currency than the transfer.
    CurrencyWrong = "currency_wrong", "the accounts hold another currency";
    /// No transfer was done under that id.
    TargetUnknown = "target_unknown", "no transfer was done under the target's id";
    /// The target reserved nothing.
    TargetNotReservation = "target_not_reservation", "the target is no reservation";
    /// The target posted nothing.
    TargetNotPosted = "target_not_posted", "the target posted nothing";
    /// The reservation was posted.
    ReservationPosted = "reservation_posted", "the reservation was posted";
    /// The reservation was voided.
    ReservationVoided = "reservation_voided", "the reservation was voided";
    /// The reservation has expired.
    ReservationExpired = "reservation_expired", "the reservation has expired";
    /// More than was reserved.
    ExceedsReservation = "exceeds_reservation", "more than was reserved";
    /// More than is left to correct.
    ExceedsOriginal = "exceeds_original", "more than is left to correct";
    /// Debits of the debited account would not fit.
    DebitsOverflow = "debits_overflow", "the debits of the debited account would overflow";
    /// Credits of the credited account would not fit.
    CreditsOverflow = "credits_overflow", "the credits of the credited account would overflow";
    /// The debited account would exceed its net debit cap.
    NetDebitCap = "net_debit_cap", "the debited account would exceed its net debit cap";
    /// The credited account would exceed its net credit cap.
    NetCreditCap = "net_credit_cap", "the credited account would exceed its net credit cap";
}

impl Refusal {
    /// The refusal of an id that is taken by a transfer which differs in `field`.
    pub const fn id_taken(field: Field) -> Refusal {
        match field {
            Field::Kind => Refusal::IdTakenKind,
            Field::Target => Refusal::IdTakenTarget,
            Field::DebitAccount => Refusal::IdTakenDebitAccount,
            Field::CreditAccount => Refusal::IdTakenCreditAccount,
            Field::Amount => Refusal::IdTakenAmount,
            Field::Currency => Refusal::IdTakenCurrency,
            Field::Timeout => Refusal::IdTakenTimeout,
            Field::Reason => Refusal::IdTakenReason,
            Field::Reference => Refusal::IdTakenReference,
            Field::Chain => Refusal::IdTakenChain,
        }
    }

    /// Whether it is kept under the id, which then stays refused. The others concern an id that
    /// has a record already or can have none.
    pub fn is_kept(self) -> bool {
        self == Refusal::Linked || Refusal::IdFailed < self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Refusal {}

/// Not one of the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no result code of the ledger")]
pub struct UnknownRefusal(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_stand_in_the_order_of_the_page() {
        let page = include_str!("lib.rs");
        let mut rest = page;
        for (place, &refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(Refusal::parse(refusal.code()), Ok(refusal));
            let row = format!("| {} | `{}` |", place + 1, refusal.code());
            let at = rest.find(&row).unwrap_or_else(|| panic!("the page lacks {row}"));
            rest = &rest[at..];
        }
        assert!(Refusal::parse("unknown").is_err());
    }

    #[test]
    fn what_is_wrong_with_the_id_itself_is_not_kept_under_it() {
        let not_kept: Vec<&str> =
            Refusal::ALL.iter().filter(|code| !code.is_kept()).map(|code| code.code()).collect();
        assert_eq!(not_kept.len(), 12);
        assert!(not_kept.iter().all(|code| code.starts_with("id_")), "{not_kept:?}");
    }
}

//! The double-entry ledger, pure: judges transfers against accounts and says what becomes of both.
//!
//! Owns the vocabulary ([`Account`], [`Transfer`], [`Chain`], [`Refusal`]) and the one place where
//! money moves, [`Book`]. No I/O, no clock of its own, no database: a store loads what a batch
//! names into a `Book`, submits, and writes down what changed. What always holds:
//!
//! - **Debits equal credits.** Every movement adds the same amount to one account's debits and to
//!   another's credits, posted or pending, in one currency. Counters are whole fen, never
//!   negative, and posted and pending together fit an `i64`, so that posting a reservation cannot
//!   overflow.
//! - **At most once.** A transfer's 128-bit id is made by the client. The same id with the same
//!   body gets the same answer, for ever; with another body it is refused and the field named. An
//!   id that was refused stays refused: whoever wants to try again makes a new one.
//! - **All or nothing.** A [`Chain`] is judged as one. One refused member refuses all.
//! - **Nothing is overwritten.** What was judged is a [`Record`] and never changes. A correction
//!   (冲销) is a new transfer that moves money back.
//! - **Time is an argument and never runs backwards for an account.** A reservation is open up to,
//!   and without, the instant it expires; it ends exactly once: posted, voided or expired. Whether
//!   its expiry is written by a sweep or by the next batch that meets its accounts, the balances
//!   come out the same.
//!
//! # Result codes and their precedence
//!
//! The list is closed. When several refusals are true of a transfer, the first is given:
//!
//! | | Code | Refused because |
//! | --- | --- | --- |
//! | | *the chain* | |
//! | 1 | `linked` | another member of the chain is refused |
//! | | *the id* | |
//! | 2 | `id_reserved` | the id is all zeros or all ones |
//! | 3 | `id_taken_kind` | the id did something else: another kind of transfer |
//! | 4 | `id_taken_target` | … ends or corrects another transfer |
//! | 5 | `id_taken_debit_account` | … debits another account |
//! | 6 | `id_taken_credit_account` | … credits another account |
//! | 7 | `id_taken_amount` | … another amount |
//! | 8 | `id_taken_currency` | … another currency |
//! | 9 | `id_taken_timeout` | … another timeout |
//! | 10 | `id_taken_reason` | … another reason |
//! | 11 | `id_taken_reference` | … another reference |
//! | 12 | `id_taken_chain` | … in another chain |
//! | 13 | `id_failed` | the id was refused with another body |
//! | | *the body by itself* | |
//! | 14 | `amount_not_positive` | the amount is zero or negative |
//! | 15 | `same_account` | it debits and credits one account |
//! | | *the accounts* | |
//! | 16 | `debit_account_unknown` | there is no such account to debit |
//! | 17 | `credit_account_unknown` | there is no such account to credit |
//! | 18 | `currencies_differ` | the accounts hold different currencies |
//! | 19 | `currency_wrong` | the accounts hold another currency than the transfer |
//! | | *the transfer it ends or corrects* | |
//! | 20 | `target_unknown` | no transfer was done under that id |
//! | 21 | `target_not_reservation` | that transfer reserved nothing |
//! | 22 | `target_not_posted` | that transfer posted nothing, so there is nothing to correct |
//! | 23 | `reservation_posted` | the reservation was posted |
//! | 24 | `reservation_voided` | the reservation was voided |
//! | 25 | `reservation_expired` | the reservation has expired |
//! | 26 | `exceeds_reservation` | more than was reserved |
//! | 27 | `exceeds_original` | more than is left to correct |
//! | | *the balances* | |
//! | 28 | `debits_overflow` | the debits of the debited account would not fit |
//! | 29 | `credits_overflow` | the credits of the credited account would not fit |
//! | 30 | `net_debit_cap` | the debited account would exceed its net debit cap |
//! | 31 | `net_credit_cap` | the credited account would exceed its net credit cap |
//!
//! A member that is refused for its own sake keeps its own code; every other member of its chain
//! is `linked`. Codes 1 and 14 to 31 are recorded under the id; 2 to 13 are not, because the id has
//! a record already or can have none.

mod account;
mod book;
mod chain;
mod record;
mod refusal;
mod transfer;

pub use account::{
    Account, AccountField, AccountId, Balance, Currency, CurrencyError, CycleId, Limits,
    NewAccount, OpenRefusal, Purpose, open,
};
pub use book::{Book, Changes};
pub use chain::{Chain, ChainError, ChainId, Link};
pub use record::{Entry, Failure, Kind, Outcome, Receipt, Record};
pub use refusal::{Field, Refusal, UnknownRefusal};
pub use transfer::{
    Action, Amount, Movement, Reason, Reference, Timeout, Transfer, TransferId, WordError,
};

//! Short ways to write transfers and read balances, for the tests of the pure and of the stored ledger.

use clearing_ledger::{
    AccountId, Action, Amount, Balance, Currency, Movement, Reason, Reference, Timeout, Transfer,
    TransferId,
};
use kernel::Fen;
use uuid::Uuid;

pub(crate) fn account_id(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

pub(crate) fn id(number: u128) -> TransferId {
    TransferId(Uuid::from_u128(number))
}

pub(crate) fn movement(debit: u128, credit: u128, amount: i64) -> Movement {
    Movement {
        debit: account_id(debit),
        credit: account_id(credit),
        amount: Fen(amount),
        currency: Currency::CNY,
    }
}

pub(crate) fn transfer(number: u128, action: Action) -> Transfer {
    let (reason, reference) = (Reason::parse("test").unwrap(), Reference::default());
    Transfer { id: id(number), action, reason, reference }
}

pub(crate) fn post(number: u128, debit: u128, credit: u128, amount: i64) -> Transfer {
    transfer(number, Action::Post(movement(debit, credit, amount)))
}

pub(crate) fn reserve(
    number: u128,
    debit: u128,
    credit: u128,
    amount: i64,
    timeout: u32,
) -> Transfer {
    let movement = movement(debit, credit, amount);
    transfer(number, Action::Reserve { movement, timeout: Timeout::seconds(timeout) })
}

pub(crate) fn post_reserved(number: u128, reservation: u128, amount: Amount) -> Transfer {
    transfer(number, Action::PostReserved { reservation: id(reservation), amount })
}

pub(crate) fn void(number: u128, reservation: u128) -> Transfer {
    transfer(number, Action::Void { reservation: id(reservation) })
}

pub(crate) fn correct(number: u128, original: u128, amount: Amount) -> Transfer {
    transfer(number, Action::Correct { original: id(original), amount })
}

pub(crate) fn part(amount: i64) -> Amount {
    Amount::Part(Fen(amount))
}

/// Debits posted, credits posted, debits pending, credits pending.
pub(crate) fn numbers(balance: &Balance) -> [i64; 4] {
    let Balance { debits_posted, credits_posted, debits_pending, credits_pending } = balance;
    [debits_posted.0, credits_posted.0, debits_pending.0, credits_pending.0]
}

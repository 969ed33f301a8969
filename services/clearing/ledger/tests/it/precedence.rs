//! Every result code, given by a transfer of which as many later ones are true as can be.

use std::collections::BTreeSet;

use clearing_ledger::{
    Account, Action, Amount, Book, Chain, Currency, Movement, Reason, Reference, Refusal, Timeout,
    Transfer,
};
use kernel::{Fen, Ids};

use crate::support::{
    account, account_id, advance, book, capped, correct, id, movement, part, post, post_reserved,
    reserve, submit, transfer, void,
};

/// Two plain accounts, and what they did under ids from 100.
const A: u128 = 1;
const B: u128 = 2;
/// May not be overdrawn; may not be owed anything.
const NO_DEBIT: u128 = 3;
const NO_CREDIT: u128 = 4;
/// Holds dollars.
const USD: u128 = 5;
/// Like the second pair, and full to the brim on that side.
const FULL_DEBITS: u128 = 6;
const FULL_CREDITS: u128 = 7;
/// Nobody opened it.
const NOBODY: u128 = 99;

const POSTED: u128 = 100;
const OPEN: u128 = 101;
const TAKEN: u128 = 102;
const VOIDED: u128 = 104;
const EXPIRED: u128 = 106;
const FAILED: u128 = 107;
const CORRECTED: u128 = 108;
const PARTLY: u128 = 110;

fn dollars() -> Currency {
    Currency::parse("USD").unwrap()
}

fn arranged() -> Book {
    let mut full_debits = capped(FULL_DEBITS, Some(0), None);
    full_debits.balance.debits_posted = Fen(i64::MAX);
    let mut full_credits = capped(FULL_CREDITS, None, Some(0));
    full_credits.balance.credits_posted = Fen(i64::MAX);
    let usd = Account { currency: dollars(), ..account(USD) };
    let mut book = book([
        account(A),
        account(B),
        capped(NO_DEBIT, Some(0), None),
        capped(NO_CREDIT, None, Some(0)),
        usd,
        full_debits,
        full_credits,
    ]);
    let ids = Ids::seeded(1);
    for done in [
        post(POSTED, A, B, 100),
        reserve(OPEN, A, B, 100, 1_000),
        reserve(TAKEN, A, B, 100, 1_000),
        post_reserved(103, TAKEN, part(40)),
        reserve(VOIDED, A, B, 100, 1_000),
        void(105, VOIDED),
        reserve(EXPIRED, A, B, 100, 10),
        post(CORRECTED, A, B, 100),
        correct(109, CORRECTED, Amount::All),
        post(PARTLY, A, B, 100),
        correct(111, PARTLY, part(70)),
    ] {
        submit(&mut book, done).unwrap();
    }
    assert_eq!(submit(&mut book, post(FAILED, A, B, 0)), Err(Refusal::AmountNotPositive));
    advance(&mut book, 10, &ids);
    book
}

/// `template` of a transfer that is done under its id, changed from one field on.
fn changed(number: u128, changes: &[fn(&mut Transfer)]) -> Transfer {
    let mut asked = reserve(number, A, B, 100, 1_000);
    changes.iter().for_each(|change| change(&mut asked));
    asked
}

fn moving(asked: &mut Transfer, change: impl Fn(&mut Movement)) {
    match &mut asked.action {
        Action::Post(movement) | Action::Reserve { movement, .. } => change(movement),
        other => panic!("{other:?} moves nothing by itself"),
    }
}

fn cases() -> Vec<(Refusal, Transfer)> {
    let debit: fn(&mut Transfer) = |asked| moving(asked, |m| m.debit = account_id(NOBODY));
    let credit: fn(&mut Transfer) = |asked| moving(asked, |m| m.credit = account_id(NOBODY));
    let amount: fn(&mut Transfer) = |asked| moving(asked, |m| m.amount = Fen(-1));
    let currency: fn(&mut Transfer) = |asked| moving(asked, |m| m.currency = dollars());
    let timeout: fn(&mut Transfer) = |asked| match &mut asked.action {
        Action::Reserve { timeout, .. } => *timeout = Timeout::seconds(7),
        other => panic!("{other:?} has no timeout"),
    };
    let reason: fn(&mut Transfer) = |asked| asked.reason = Reason::parse("other").unwrap();
    let reference: fn(&mut Transfer) = |asked| asked.reference = Reference::parse("other").unwrap();
    let all = [debit, credit, amount, currency, timeout, reason, reference];
    let wrong_currency = |debit, credit, currency, amount| {
        let movement = Movement { currency, ..movement(debit, credit, amount) };
        transfer(1, Action::Post(movement))
    };
    vec![
        (Refusal::IdReserved, post(0, NOBODY, NOBODY, 0)),
        (Refusal::IdReserved, post(u128::MAX, NOBODY, NOBODY, 0)),
        (Refusal::IdTakenKind, post_reserved(OPEN, 999, part(0))),
        (Refusal::IdTakenKind, post(OPEN, NOBODY, NOBODY, 0)),
        (Refusal::IdTakenTarget, post_reserved(103, 999, part(0))),
        (Refusal::IdTakenTarget, correct(109, 999, part(0))),
        (Refusal::IdTakenDebitAccount, changed(OPEN, &all)),
        (Refusal::IdTakenCreditAccount, changed(OPEN, &all[1..])),
        (Refusal::IdTakenAmount, changed(OPEN, &all[2..])),
        (Refusal::IdTakenAmount, post_reserved(103, TAKEN, Amount::All)),
        (Refusal::IdTakenAmount, post_reserved(103, TAKEN, part(41))),
        (Refusal::IdTakenAmount, correct(109, CORRECTED, part(100))),
        (Refusal::IdTakenCurrency, changed(OPEN, &all[3..])),
        (Refusal::IdTakenTimeout, changed(OPEN, &all[4..])),
        (Refusal::IdTakenReason, changed(OPEN, &all[5..])),
        (Refusal::IdTakenReference, changed(OPEN, &all[6..])),
        (Refusal::IdFailed, post(FAILED, A, B, -1)),
        (Refusal::AmountNotPositive, post(1, NOBODY, NOBODY, 0)),
        (Refusal::AmountNotPositive, post(1, NOBODY, NOBODY, i64::MIN)),
        (Refusal::AmountNotPositive, post_reserved(1, 999, part(0))),
        (Refusal::AmountNotPositive, correct(1, 999, part(-5))),
        (Refusal::SameAccount, post(1, NOBODY, NOBODY, 1)),
        (Refusal::DebitAccountUnknown, post(1, NOBODY, 98, 1)),
        (Refusal::CreditAccountUnknown, wrong_currency(FULL_DEBITS, NOBODY, dollars(), 1)),
        (Refusal::CurrenciesDiffer, wrong_currency(USD, FULL_CREDITS, dollars(), 1)),
        (Refusal::CurrencyWrong, wrong_currency(FULL_DEBITS, FULL_CREDITS, dollars(), 1)),
        (Refusal::TargetUnknown, post_reserved(1, 999, Amount::All)),
        // Refused, so nothing was done under it.
        (Refusal::TargetUnknown, correct(1, FAILED, Amount::All)),
        (Refusal::TargetNotReservation, post_reserved(1, POSTED, part(101))),
        (Refusal::TargetNotReservation, void(1, 103)),
        (Refusal::TargetNotPosted, correct(1, OPEN, part(101))),
        (Refusal::TargetNotPosted, correct(1, 105, Amount::All)),
        (Refusal::ReservationPosted, post_reserved(1, TAKEN, part(101))),
        (Refusal::ReservationVoided, post_reserved(1, VOIDED, part(101))),
        (Refusal::ReservationExpired, post_reserved(1, EXPIRED, part(101))),
        (Refusal::ReservationExpired, void(1, EXPIRED)),
        (Refusal::ExceedsReservation, post_reserved(1, OPEN, part(101))),
        (Refusal::ExceedsOriginal, correct(1, POSTED, part(101))),
        (Refusal::ExceedsOriginal, correct(1, PARTLY, part(31))),
        (Refusal::ExceedsOriginal, correct(1, CORRECTED, Amount::All)),
        (Refusal::DebitsOverflow, post(1, FULL_DEBITS, FULL_CREDITS, 1)),
        (Refusal::CreditsOverflow, post(1, NO_DEBIT, FULL_CREDITS, 1)),
        (Refusal::NetDebitCap, post(1, NO_DEBIT, NO_CREDIT, 1)),
        (Refusal::NetDebitCap, reserve(1, NO_DEBIT, NO_CREDIT, 1, 0)),
        (Refusal::NetCreditCap, post(1, A, NO_CREDIT, 1)),
        (Refusal::NetCreditCap, reserve(1, A, NO_CREDIT, 1, 0)),
    ]
}

/// Codes that only a chain can get.
fn chains() -> Vec<(Refusal, Vec<Transfer>)> {
    vec![
        // The second member's fault, though more is wrong with the first: it is judged in order.
        (Refusal::Linked, vec![post(1, A, B, 1), post(2, NOBODY, NOBODY, 0)]),
        (Refusal::IdTakenChain, vec![post(POSTED, A, B, 100), post(2, A, B, 1)]),
    ]
}

#[test]
fn the_first_code_that_is_true_is_given() {
    for (expected, asked) in cases() {
        let mut book = arranged();
        assert_eq!(submit(&mut book, asked.clone()), Err(expected), "{asked:?}");
    }
    for (expected, members) in chains() {
        let mut book = arranged();
        let chain = Chain::of(members).unwrap();
        assert_eq!(book.submit(&chain)[0], Err(expected), "{chain:?}");
    }
}

#[test]
fn every_code_is_reached() {
    let mut reached: BTreeSet<Refusal> = cases().into_iter().map(|(code, _)| code).collect();
    reached.extend(chains().into_iter().map(|(code, _)| code));
    assert_eq!(reached.into_iter().collect::<Vec<_>>(), Refusal::ALL);
}

#[test]
fn a_refusal_moves_nothing_and_a_kept_one_stays() {
    for (expected, asked) in cases() {
        let mut book = arranged();
        let before = book.clone().changes().accounts;
        submit(&mut book, asked.clone()).unwrap_err();
        assert_eq!(book.clone().changes().accounts, before, "{asked:?}");
        assert_eq!(submit(&mut book, asked.clone()), Err(expected), "{asked:?}");
        if expected.is_kept() {
            let mut other = asked;
            other.action = Action::Post(movement(A, B, 1));
            assert_eq!(submit(&mut book, other), Err(Refusal::IdFailed));
        } else if asked.id != id(0) && asked.id != id(u128::MAX) {
            assert_eq!(book.record(asked.id), arranged().record(asked.id));
        }
    }
}

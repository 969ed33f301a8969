//! What the ledger promises, by example and by property.

use clearing_ledger::{
    Action, Amount, Chain, ChainError, Reason, Record, Reference, Refusal, Timeout, Transfer,
};
use jiff::Timestamp;
use kernel::{Fen, Ids};
use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};

use crate::support::{
    account, at, book, capped, correct, counters, id, movement, part, post, post_reserved, reserve,
    submit, void,
};

#[test]
fn a_settled_recovery_moves_from_reserved_to_posted() {
    // Worked example SUB-1: 14,600.00 agreed, then paid in full.
    let mut book = book([account(1), account(2)]);
    submit(&mut book, reserve(1, 1, 2, 1_460_000, 0)).unwrap();
    assert_eq!(counters(&book, 1), [0, 0, 1_460_000, 0]);
    assert_eq!(counters(&book, 2), [0, 0, 0, 1_460_000]);
    let paid = submit(&mut book, post_reserved(2, 1, Amount::All)).unwrap();
    assert_eq!(paid.amount, Fen(1_460_000));
    assert_eq!(counters(&book, 1), [1_460_000, 0, 0, 0]);
    assert_eq!(counters(&book, 2), [0, 1_460_000, 0, 0]);
}

#[test]
fn posting_part_of_a_reservation_releases_the_rest() {
    let mut book = book([account(1), account(2)]);
    submit(&mut book, reserve(1, 1, 2, 100, 0)).unwrap();
    assert_eq!(submit(&mut book, post_reserved(2, 1, part(30))).unwrap().amount, Fen(30));
    assert_eq!((counters(&book, 1), counters(&book, 2)), ([30, 0, 0, 0], [0, 30, 0, 0]));
    assert_eq!(submit(&mut book, post_reserved(3, 1, part(30))), Err(Refusal::ReservationPosted));
}

#[test]
fn a_reservation_is_open_up_to_and_without_the_instant_it_expires() {
    for (seconds, expected) in [(59, Ok(Fen(100))), (60, Err(Refusal::ReservationExpired))] {
        let mut book = book([account(1), account(2)]);
        submit(&mut book, reserve(1, 1, 2, 100, 60)).unwrap();
        book.advance(at(seconds), &Ids::seeded(1));
        let outcome = submit(&mut book, post_reserved(2, 1, Amount::All));
        assert_eq!(outcome.map(|receipt| receipt.amount), expected);
    }
}

#[test]
fn an_expiry_is_written_once_and_gives_the_money_back() {
    let mut book = book([capped(1, Some(100), None), account(2)]);
    let ids = Ids::seeded(1);
    submit(&mut book, reserve(1, 1, 2, 100, 60)).unwrap();
    assert_eq!(submit(&mut book, post(2, 1, 2, 1)), Err(Refusal::NetDebitCap));
    for seconds in [60, 60, 120] {
        book.advance(at(seconds), &ids);
    }
    assert_eq!(counters(&book, 1), [0, 0, 0, 0]);
    submit(&mut book, post(3, 1, 2, 100)).unwrap();
    let records = book.changes().records;
    let expiries = records
        .iter()
        .filter(|record| matches!(record, Record::Entry(entry) if entry.target == Some(id(1))));
    assert_eq!(expiries.count(), 1);
}

#[test]
fn a_clock_that_is_behind_does_not_turn_time_back() {
    let mut late = account(1);
    late.moved_at = at(100);
    let mut book = book([late, account(2)]);
    book.advance(at(40), &Ids::seeded(1));
    assert_eq!(submit(&mut book, post(1, 1, 2, 5)).unwrap().recorded_at, at(100));
}

#[test]
fn a_timeout_past_the_end_of_time_never_comes() {
    let mut book = book([account(1), account(2)]);
    book.advance(Timestamp::MAX, &Ids::seeded(1));
    assert_eq!(submit(&mut book, reserve(1, 1, 2, 100, u32::MAX)).unwrap().expires_at, None);
}

#[test]
fn caps_count_what_is_reserved_and_not_what_may_come() {
    // May owe 500 at most.
    let mut book = book([capped(1, Some(500), None), account(2)]);
    submit(&mut book, reserve(1, 2, 1, 900, 0)).unwrap();
    submit(&mut book, post(2, 1, 2, 300)).unwrap();
    submit(&mut book, reserve(3, 1, 2, 200, 0)).unwrap();
    assert_eq!(submit(&mut book, post(4, 1, 2, 1)), Err(Refusal::NetDebitCap));
    submit(&mut book, post_reserved(5, 1, Amount::All)).unwrap();
    submit(&mut book, post(6, 1, 2, 900)).unwrap();
    assert_eq!(submit(&mut book, post(7, 1, 2, 1)), Err(Refusal::NetDebitCap));
    // A cap that must stay on the account.
    let mut floor = capped(3, Some(-50), None);
    floor.balance.credits_posted = Fen(100);
    book.load_account(floor);
    submit(&mut book, post(8, 3, 2, 50)).unwrap();
    assert_eq!(submit(&mut book, post(9, 3, 2, 1)), Err(Refusal::NetDebitCap));
}

#[test]
fn posting_a_reservation_is_possible_although_the_cap_was_lowered_since() {
    let mut book = book([capped(1, Some(100), None), account(2)]);
    submit(&mut book, reserve(1, 1, 2, 100, 0)).unwrap();
    let mut lowered = book.account(crate::support::account_id(1)).unwrap().clone();
    lowered.limits.net_debit_cap = Some(Fen(0));
    book.load_account(lowered);
    submit(&mut book, post_reserved(2, 1, Amount::All)).unwrap();
    assert_eq!(submit(&mut book, post(3, 1, 2, 1)), Err(Refusal::NetDebitCap));
}

#[test]
fn a_full_account_can_still_post_what_it_reserved() {
    let mut book = book([account(1), account(2), account(3)]);
    submit(&mut book, reserve(1, 1, 2, i64::MAX - 1, 0)).unwrap();
    submit(&mut book, post(2, 1, 3, 1)).unwrap();
    assert_eq!(submit(&mut book, post(3, 1, 3, 1)), Err(Refusal::DebitsOverflow));
    submit(&mut book, post_reserved(4, 1, Amount::All)).unwrap();
    assert_eq!(counters(&book, 1), [i64::MAX, 0, 0, 0]);
}

#[test]
fn a_chain_is_done_as_a_whole_in_order() {
    let mut book = book([account(1), capped(2, Some(0), None), account(3)]);
    // The second member spends what the first brings.
    let split = Chain::of(vec![post(1, 1, 2, 100), post(2, 2, 3, 100)]).unwrap();
    assert!(book.submit(&split).iter().all(Result::is_ok));
    // Reserved and posted in one chain.
    let both = Chain::of(vec![reserve(3, 1, 3, 7, 60), post_reserved(4, 3, part(5))]).unwrap();
    assert!(book.submit(&both).iter().all(Result::is_ok));
    assert_eq!(counters(&book, 1), [105, 0, 0, 0]);
    let answers = book.submit(&split);
    assert_eq!(answers, book.submit(&split));
    assert_eq!(counters(&book, 3), [0, 105, 0, 0]);
}

#[test]
fn a_refused_chain_undoes_its_first_members_and_burns_all_ids() {
    let mut book = book([account(1), account(2)]);
    submit(&mut book, reserve(1, 1, 2, 100, 60)).unwrap();
    submit(&mut book, post(2, 1, 2, 50)).unwrap();
    let before = (counters(&book, 1), counters(&book, 2));
    let chain = Chain::of(vec![
        post(3, 1, 2, 1),
        void(4, 1),
        correct(5, 2, Amount::All),
        reserve(6, 1, 2, 9, 30),
        post(7, 1, 2, 0),
        post(8, 1, 2, 1),
    ]);
    let linked = Err(Refusal::Linked);
    let expected = [linked, linked, linked, linked, Err(Refusal::AmountNotPositive), linked];
    assert_eq!(book.submit(&chain.clone().unwrap()), expected);
    assert_eq!((counters(&book, 1), counters(&book, 2)), before);
    assert_eq!(book.submit(&chain.unwrap()), expected);
    assert_eq!(submit(&mut book, post(3, 1, 2, 1)), Err(Refusal::IdFailed));
    // What the chain undid can be done by others, and the reservation still expires.
    submit(&mut book, correct(9, 2, Amount::All)).unwrap();
    book.advance(at(60), &Ids::seeded(1));
    assert_eq!(counters(&book, 1), [50, 50, 0, 0]);
    assert_eq!(submit(&mut book, post_reserved(10, 6, Amount::All)), Err(Refusal::TargetUnknown));
}

#[test]
fn a_chain_known_in_part_is_refused_and_what_was_done_stands() {
    let mut book = book([account(1), account(2)]);
    let done = Chain::of(vec![post(1, 1, 2, 10), post(2, 1, 2, 20)]).unwrap();
    assert!(book.submit(&done).iter().all(Result::is_ok));
    let swapped = Chain::of(vec![post(1, 1, 2, 10), post(3, 1, 2, 20)]).unwrap();
    let expected = [Err(Refusal::IdTakenChain), Err(Refusal::Linked)];
    assert_eq!((book.submit(&swapped), book.submit(&swapped)), (expected.into(), expected.into()));
    let other = Chain::of(vec![post(1, 1, 2, 10), post(2, 1, 2, 21)]).unwrap();
    assert_eq!(book.submit(&other), [Err(Refusal::Linked), Err(Refusal::IdTakenAmount)]);
    assert_eq!(counters(&book, 1), [30, 0, 0, 0]);
    assert!(book.submit(&done).iter().all(Result::is_ok));
}

#[test]
fn corrections_take_back_in_parts_and_can_be_corrected() {
    let mut book = book([account(1), account(2)]);
    submit(&mut book, post(1, 1, 2, 100)).unwrap();
    submit(&mut book, correct(2, 1, part(30))).unwrap();
    assert_eq!(submit(&mut book, correct(3, 1, Amount::All)).unwrap().amount, Fen(70));
    assert_eq!(counters(&book, 1), [100, 100, 0, 0]);
    submit(&mut book, correct(4, 3, Amount::All)).unwrap();
    assert_eq!(counters(&book, 1), [170, 100, 0, 0]);
}

#[test]
fn a_chain_has_members_and_none_twice() {
    assert_eq!(Chain::of(vec![]), Err(ChainError::Empty));
    let twice = vec![post(1, 1, 2, 1), post(1, 1, 2, 1)];
    assert_eq!(Chain::of(twice), Err(ChainError::Repeated(id(1))));
    let many = (1..=1001).map(|number| post(number, 1, 2, 1)).collect();
    assert_eq!(Chain::of(many), Err(ChainError::TooLong(1001)));
}

/// Bodies from so small a world that many are alike.
fn bodies() -> impl Strategy<Value = Transfer> {
    let moving = (1u128..4, 1u128..4, 0i64..3).prop_map(|(d, c, amount)| movement(d, c, amount));
    let amounts = prop_oneof![Just(Amount::All), (0i64..3).prop_map(part)];
    let actions = prop_oneof![
        moving.clone().prop_map(Action::Post),
        (moving, 0u32..2).prop_map(|(movement, seconds)| Action::Reserve {
            movement,
            timeout: Timeout::seconds(seconds)
        }),
        (50u128..53, amounts.clone())
            .prop_map(|(of, amount)| Action::PostReserved { reservation: id(of), amount }),
        (50u128..53).prop_map(|of| Action::Void { reservation: id(of) }),
        (50u128..53, amounts).prop_map(|(of, amount)| Action::Correct { original: id(of), amount }),
    ];
    (actions, "[ab]", "[ab]?").prop_map(|(action, reason, reference)| Transfer {
        id: id(1),
        action,
        reason: Reason::parse(&reason).unwrap(),
        reference: Reference::parse(&reference).unwrap(),
    })
}

proptest! {
    #[test]
    fn the_same_id_gets_the_same_answer_exactly_for_the_same_body(one in bodies(), other in bodies()) {
        let mut book = book([account(1), account(2), account(3)]);
        submit(&mut book, reserve(50, 1, 2, 2, 0)).unwrap();
        submit(&mut book, post(51, 1, 2, 2)).unwrap();
        let first = submit(&mut book, one.clone());
        let second = submit(&mut book, other.clone());
        prop_assert_eq!(first == second, one == other);
        if one != other {
            let refused = second.unwrap_err();
            prop_assert_eq!(refused == Refusal::IdFailed, first.is_err());
        }
        prop_assert_eq!(submit(&mut book, one), first);
    }
}

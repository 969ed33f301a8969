//! Money moves, once, and within its limits.

use clearing::ledger::{LedgerError, OpenError, scope, settle};
use clearing_ledger::{Amount, Chain, Currency, Limits, OpenRefusal, Purpose, Record, Refusal};
use jiff::SignedDuration;
use kernel::{Clock, Fen};

use crate::support::{
    Fixture, account, account_id, correct, id, part, post, post_reserved, reserve, void,
};

#[tokio::test]
async fn the_same_transfer_gets_the_same_answer_and_moves_money_once() {
    let fixture = Fixture::with(2).await;
    let first = fixture.one(post(1, 1, 2, 700)).await;
    fixture.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(fixture.one(post(1, 1, 2, 700)).await, first);
    assert_eq!(fixture.one(post(1, 1, 2, 701)).await, Err(Refusal::IdTakenAmount));
    assert_eq!(fixture.counters(1).await, [700, 0, 0, 0]);
    assert_eq!(fixture.counters(2).await, [0, 700, 0, 0]);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn an_id_that_was_refused_stays_refused() {
    let fixture = Fixture::with(2).await;
    assert_eq!(fixture.one(post(1, 1, 9, 5)).await, Err(Refusal::CreditAccountUnknown));
    fixture.ledger.open(account(9)).await.unwrap();
    assert_eq!(fixture.one(post(1, 1, 9, 5)).await, Err(Refusal::CreditAccountUnknown));
    assert_eq!(fixture.one(post(1, 1, 2, 5)).await, Err(Refusal::IdFailed));
    fixture.one(post(2, 1, 9, 5)).await.unwrap();
    fixture.assert_whole().await;
}

#[tokio::test]
async fn every_kind_of_transfer_is_read_back_as_it_was_written() {
    let fixture = Fixture::with(3).await;
    let chain = Chain::of(vec![post(7, 2, 3, 11), reserve(8, 2, 3, 12, 60)]).unwrap();
    let refused = Chain::of(vec![post(9, 2, 3, 11), post(10, 2, 3, 0)]).unwrap();
    let asked = [
        Chain::one(post(1, 1, 2, 500)),
        Chain::one(reserve(2, 1, 2, 300, 0)),
        Chain::one(post_reserved(3, 2, part(120))),
        Chain::one(reserve(4, 1, 2, 90, 3_600)),
        Chain::one(void(5, 4)),
        Chain::one(correct(6, 1, part(100))),
        chain,
        refused,
    ];
    let mut answers = Vec::new();
    for chain in &asked {
        answers.push(fixture.ledger.submit_chain(chain.clone()).await.unwrap());
    }
    let linked = Err(Refusal::Linked);
    assert_eq!(answers[7], [linked, Err(Refusal::AmountNotPositive)]);
    assert!(answers[..7].iter().flatten().all(Result::is_ok));
    // Asked again, each body is compared field by field with what is stored.
    fixture.clock.advance(SignedDuration::from_secs(1));
    for (chain, answer) in asked.iter().zip(&answers) {
        assert_eq!(fixture.ledger.submit_chain(chain.clone()).await.unwrap(), *answer);
    }
    // 500 + 120 posted, 100 back; the rest of the reservations released.
    assert_eq!(fixture.counters(1).await, [620, 100, 0, 0]);
    assert_eq!(fixture.counters(2).await, [111, 620, 12, 0]);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn a_reservation_expires_by_the_sweep_or_by_the_next_use_with_the_same_balances() {
    for sweeps in [true, false] {
        let fixture = Fixture::with(3).await;
        let capped = Limits { net_debit_cap: Some(Fen(100)), net_credit_cap: None };
        fixture.ledger.set_limits(account_id(1), capped).await.unwrap();
        fixture.one(reserve(1, 1, 2, 100, 60)).await.unwrap();
        fixture.one(reserve(2, 1, 2, 1, 60)).await.unwrap_err();
        fixture.clock.advance(SignedDuration::from_secs(59));
        assert_eq!(fixture.ledger.expire_due().await.unwrap(), 0);
        assert_eq!(fixture.one(post(3, 1, 3, 1)).await, Err(Refusal::NetDebitCap));
        fixture.clock.advance(SignedDuration::from_secs(1));
        if sweeps {
            assert_eq!(fixture.ledger.expire_due().await.unwrap(), 1);
        }
        let late = fixture.one(post_reserved(4, 1, Amount::All)).await;
        assert_eq!(late, Err(Refusal::ReservationExpired));
        // Account 2 is not named, and still gets its half of the expiry.
        fixture.one(post(5, 1, 3, 100)).await.unwrap();
        assert_eq!(fixture.ledger.expire_due().await.unwrap(), 0);
        assert_eq!(fixture.counters(1).await, [100, 0, 0, 0]);
        assert_eq!(fixture.counters(2).await, [0, 0, 0, 0]);
        fixture.assert_whole().await;
    }
}

#[tokio::test]
async fn corrections_of_several_calls_never_exceed_their_original() {
    let fixture = Fixture::with(2).await;
    fixture.one(post(1, 1, 2, 100)).await.unwrap();
    fixture.one(correct(2, 1, part(60))).await.unwrap();
    assert_eq!(fixture.one(correct(3, 1, part(41))).await, Err(Refusal::ExceedsOriginal));
    assert_eq!(fixture.one(correct(4, 1, Amount::All)).await.unwrap().amount, Fen(40));
    assert_eq!(fixture.one(correct(5, 1, Amount::All)).await, Err(Refusal::ExceedsOriginal));
    assert_eq!(fixture.counters(1).await, [100, 100, 0, 0]);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn accounts_are_opened_once_and_keep_the_caps_they_had() {
    let fixture = Fixture::with(1).await;
    let refused = |outcome| match outcome {
        Err(OpenError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let ledger = &fixture.ledger;
    fixture.one(post(1, 1, 1, 1)).await.unwrap_err();
    assert_eq!(ledger.open(account(1)).await.unwrap().id, account_id(1));
    let mut second = account(1);
    second.id = account_id(2);
    assert_eq!(
        refused(ledger.open(second.clone()).await),
        OpenRefusal::PurposeTaken(account_id(1))
    );
    second.purpose = Purpose::Tax;
    ledger.open(second.clone()).await.unwrap();
    second.currency = Currency::parse("USD").unwrap();
    assert!(matches!(refused(ledger.open(second).await), OpenRefusal::IdTaken(_)));

    let caps = [Some(Fen(10)), Some(Fen(10)), None, Some(Fen(-5))];
    for net_debit_cap in caps {
        let limits = Limits { net_debit_cap, net_credit_cap: None };
        ledger.set_limits(account_id(1), limits).await.unwrap();
    }
    let history: Vec<Option<i64>> = sqlx::query_scalar(
        "select net_debit_cap_fen from clearing.account_limit where account_id = $1 order by change",
    )
    .bind(account_id(1).0)
    .fetch_all(&fixture.test.owner)
    .await
    .unwrap();
    assert_eq!(history, [None, Some(10), None, Some(-5)]);
    let unknown = ledger.set_limits(account_id(77), Limits::default()).await;
    assert!(matches!(unknown, Err(LedgerError::UnknownAccount(_))), "{unknown:?}");
}

#[tokio::test]
async fn money_moves_with_the_callers_transaction_or_not_at_all() {
    let fixture = Fixture::with(2).await;
    let (now, ids) = (fixture.clock.now(), testkit::ids());
    let chains = [Chain::one(post(1, 1, 2, 5)), Chain::one(post(2, 2, 1, 0))];
    for commits in [false, true] {
        let mut tx = fixture.test.db.begin(scope([])).await.unwrap();
        let outcomes = settle(&mut tx, &chains, now, &ids).await.unwrap();
        assert!(outcomes[0][0].is_ok());
        assert_eq!(outcomes[1][0], Err(Refusal::AmountNotPositive));
        match commits {
            true => tx.commit().await.unwrap(),
            false => tx.rollback().await.unwrap(),
        }
        let moved = if commits { 5 } else { 0 };
        assert_eq!(fixture.counters(1).await, [moved, 0, 0, 0]);
        let mut tx = fixture.test.db.begin(scope([])).await.unwrap();
        let found = clearing::ledger::record(&mut tx, id(2)).await.unwrap();
        assert_eq!(matches!(found, Some(Record::Failure(_))), commits);
    }
}

//! Statements, balances at an instant, and who may see them.

use clearing::ledger::{Cursor, Side, accounts_of, balance_at, record, scope, statement};
use clearing_ledger::{Amount, Chain};
use jiff::SignedDuration;
use kernel::{Clock, Fen};
use pg::Scope;

use crate::support::{Fixture, account_id, id, participant, post, post_reserved, reserve};

#[tokio::test]
async fn a_statement_read_page_by_page_is_whole_and_adds_up() {
    let fixture = Fixture::with(3).await;
    for number in 1..=23u128 {
        // To and fro, several in one set and one at a time.
        let (debit, credit) = if number % 3 == 0 { (2, 1) } else { (1, 2) };
        let amount = i64::try_from(number).unwrap();
        let noise = post(1_000 + number, 2, 3, 1);
        let both = [post(number, debit, credit, amount), noise];
        let both = both.map(Chain::one).to_vec();
        for outcomes in fixture.ledger.submit(both).await {
            outcomes.unwrap().remove(0).unwrap();
        }
        if number % 4 == 0 {
            fixture.clock.advance(SignedDuration::from_secs(1));
        }
    }
    let mut tx = fixture.test.db.begin(Scope::of(participant(1))).await.unwrap();
    let (mut seen, mut cursor, mut net) = (Vec::new(), None, 0);
    loop {
        let page = statement(&mut tx, account_id(1), cursor, 5).await.unwrap();
        for line in &page.lines {
            net += match line.side {
                Side::Debit => -line.entry.amount.0,
                Side::Credit => line.entry.amount.0,
            };
            assert_eq!(line.after.net_credit(), i128::from(net), "{line:?}");
            seen.push(line.entry.id);
        }
        match page.next {
            Some(next) => cursor = Some(next.to_string().parse::<Cursor>().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, (1..=23).map(id).collect::<Vec<_>>());
    // New transfers come after the end.
    fixture.one(post(24, 1, 2, 1)).await.unwrap();
    let page = statement(&mut tx, account_id(1), cursor, 50).await.unwrap();
    assert_eq!(page.lines.last().unwrap().entry.id, id(24));
    let all = statement(&mut tx, account_id(1), None, 50).await.unwrap();
    assert_eq!((all.lines.len(), all.next), (24, None));
}

#[tokio::test]
async fn balances_are_known_at_every_instant() {
    let fixture = Fixture::with(2).await;
    let opened = fixture.clock.now();
    let step = SignedDuration::from_secs(10);
    fixture.clock.advance(step);
    fixture.one(reserve(1, 1, 2, 100, 15)).await.unwrap();
    fixture.one(reserve(2, 1, 2, 7, 0)).await.unwrap();
    fixture.clock.advance(step);
    fixture.one(post_reserved(3, 2, Amount::All)).await.unwrap();
    fixture.clock.advance(step);
    fixture.one(post(4, 2, 1, 3)).await.unwrap();
    let mut tx = fixture.test.db.begin(scope([])).await.unwrap();
    let micro = SignedDuration::from_micros(1);
    // Debits posted, credits posted and debits pending of account 1.
    let expected = [
        (opened - micro, None),
        (opened, Some([0, 0, 0])),
        (opened + step - micro, Some([0, 0, 0])),
        (opened + step, Some([0, 0, 107])),
        (opened + step * 2, Some([7, 0, 100])),
        // The reservation expired with the next use of its accounts.
        (opened + step * 3, Some([7, 3, 0])),
        (opened + step * 900, Some([7, 3, 0])),
    ];
    for (at, expected) in expected {
        let found = balance_at(&mut tx, account_id(1), at).await.unwrap();
        let found = found.map(|b| [b.debits_posted.0, b.credits_posted.0, b.debits_pending.0]);
        assert_eq!(found, expected, "{at}");
    }
}

#[tokio::test]
async fn a_participant_sees_its_own_accounts_and_transfers_only() {
    let fixture = Fixture::with(3).await;
    fixture.one(post(1, 1, 2, 5)).await.unwrap();
    fixture.one(post(2, 2, 3, 5)).await.unwrap();
    let mut tx = fixture.test.db.begin(Scope::of(participant(1))).await.unwrap();
    assert_eq!(accounts_of(&mut tx, participant(1)).await.unwrap().len(), 1);
    assert_eq!(accounts_of(&mut tx, participant(2)).await.unwrap(), []);
    assert!(clearing::ledger::account(&mut tx, account_id(2)).await.unwrap().is_none());
    assert!(record(&mut tx, id(1)).await.unwrap().is_some());
    assert!(record(&mut tx, id(2)).await.unwrap().is_none());
    assert_eq!(balance_at(&mut tx, account_id(2), fixture.clock.now()).await.unwrap(), None);
    // Of another's account: what both took part in, and nothing else.
    let theirs = statement(&mut tx, account_id(2), None, 10).await.unwrap();
    assert_eq!(theirs.lines.iter().map(|line| line.entry.id).collect::<Vec<_>>(), [id(1)]);
    drop(tx);
    let mut nobody = fixture.test.db.begin(Scope::nobody()).await.unwrap();
    assert!(clearing::ledger::account(&mut nobody, account_id(1)).await.unwrap().is_none());
    assert_eq!(statement(&mut nobody, account_id(1), None, 10).await.unwrap().lines, []);
}

#[tokio::test]
async fn what_was_judged_cannot_be_changed_by_the_platform() {
    let fixture = Fixture::with(2).await;
    fixture.one(post(1, 1, 2, 5)).await.unwrap();
    for statement in [
        "update clearing.transfer set amount_fen = 6",
        "delete from clearing.transfer",
        "delete from clearing.account",
        "update clearing.account set participant = gen_random_uuid()",
    ] {
        let mut tx = fixture.test.db.begin(scope([])).await.unwrap();
        let error = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        let code = pg::failure::sqlstate(&error);
        assert_eq!(code.as_deref(), Some("42501"), "{statement}");
    }
    let sums = fixture.ledger.sums().await.unwrap();
    assert!(sums.len() == 1 && sums[0].balance() && sums[0].debits_posted == 5, "{sums:?}");
    let broken = "update clearing.account set debits_posted_fen = debits_posted_fen + 1
                  where account_id = (select debit_account_id from clearing.transfer limit 1)";
    sqlx::query(broken).execute(&fixture.test.owner).await.unwrap();
    let proof = fixture.ledger.prove().await.unwrap();
    assert_eq!((proof.accounts_off, proof.balances_off, proof.holds()), (1, 1, false));
    assert_eq!(proof.sums[0].credits_posted - proof.sums[0].debits_posted, -1);
    assert_eq!(Fen(5), Fen(i64::try_from(proof.sums[0].credits_posted).unwrap()));
}

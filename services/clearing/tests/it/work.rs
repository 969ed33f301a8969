//! Clients at work: what each sends follows from its number and the number of the piece of work, so
//! that whoever remembers the answers can ask again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clearing::ledger::{Ledger, LedgerError};
use clearing_ledger::{Amount, Chain, Limits, Outcome, Transfer};
use kernel::Fen;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::support::{
    account, account_id, assert_whole, correct, part, post, post_reserved, reserve, void,
};

/// Clients at once.
pub(crate) const CLIENTS: u32 = 64;
/// Accounts; the first is on every second transfer, the second has caps.
pub(crate) const ACCOUNTS: u128 = 24;

pub(crate) async fn open_accounts(ledger: &Ledger) {
    for number in 1..=ACCOUNTS {
        ledger.open(account(number)).await.unwrap();
    }
    let limits = Limits { net_debit_cap: Some(Fen(2_000)), net_credit_cap: Some(Fen(2_000)) };
    ledger.set_limits(account_id(2), limits).await.unwrap();
}

/// A piece of work of a client: one transfer or a chain, about itself or the piece before it.
pub(crate) fn piece(client: u32, number: u32) -> Chain {
    let mut random = ChaCha12Rng::seed_from_u64(u64::from(client) << 32 | u64::from(number));
    let name = |number: u32, member: u128| -> u128 {
        1 << 100 | u128::from(client) << 64 | u128::from(number) << 8 | member
    };
    let before = name(number.saturating_sub(1), 0);
    let other = random.random_range(2..ACCOUNTS);
    let mut sides = if random.random_bool(0.5) { (1, other) } else { (other, other + 1) };
    if random.random_bool(0.5) {
        sides = (sides.1, sides.0);
    }
    let (debit, credit) = sides;
    let amount = random.random_range(0..500);
    let id = name(number, 0);
    let timeout = random.random_range(0..3);
    let one = |transfer: Transfer| Chain::one(transfer);
    if number.is_multiple_of(2) {
        return match random.random_range(0..4) {
            0 => one(post(id, debit, credit, amount)),
            1 | 2 => one(reserve(id, debit, credit, amount, timeout)),
            _ => {
                let third = random.random_range(1..=ACCOUNTS);
                Chain::of(vec![
                    reserve(id, debit, credit, amount, timeout),
                    post(name(number, 1), credit, third, amount),
                    post(name(number, 2), third, debit, 7),
                ])
                .unwrap()
            }
        };
    }
    match random.random_range(0..5) {
        0 => one(post_reserved(id, before, Amount::All)),
        1 => one(post_reserved(id, before, part(amount))),
        2 => one(void(id, before)),
        3 => one(correct(id, before, part(amount))),
        _ => Chain::of(vec![
            post_reserved(id, before, Amount::All),
            correct(name(number, 1), id, Amount::All),
        ])
        .unwrap(),
    }
}

/// Answers by client and piece of work.
pub(crate) type Answers = BTreeMap<(u32, u32), Vec<Outcome>>;

/// Clients at work on a ledger until told to stop. Each insists on an answer before it goes on.
pub(crate) struct Load {
    pub(crate) answers: Arc<Mutex<Answers>>,
    pub(crate) unavailable: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(ledger: &Ledger) -> Load {
        let load = Load {
            answers: Arc::default(),
            unavailable: Arc::default(),
            stop: Arc::default(),
            clients: Vec::new(),
        };
        let clients = (0..CLIENTS).map(|client| {
            let (ledger, answers) = (ledger.clone(), load.answers.clone());
            let (stop, unavailable) = (load.stop.clone(), load.unavailable.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let answer = insist(&ledger, &piece(client, number), &unavailable).await;
                    answers.lock().unwrap().insert((client, number), answer);
                }
            })
        });
        let clients = clients.collect();
        Load { clients, ..load }
    }

    /// Waits until so many more pieces are answered, looking at the sums in the meantime.
    pub(crate) async fn does(&self, ledger: &Ledger, more: usize) {
        let answered = || self.answers.lock().unwrap().len();
        let wanted = answered() + more;
        while answered() < wanted {
            assert!(self.clients.iter().all(|client| !client.is_finished()), "a client died");
            // May fail while the database is away.
            if let Ok(sums) = ledger.sums().await {
                assert!(sums.iter().all(|sums| sums.balance()), "{sums:?}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn end(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}

/// The answers to pieces of work, asked for many at a time.
pub(crate) async fn ask(ledger: &Ledger, pieces: &[(u32, u32)]) -> Vec<((u32, u32), Vec<Outcome>)> {
    let mut answers = Vec::new();
    for some in pieces.chunks(256) {
        let chains = some.iter().map(|&(client, number)| piece(client, number)).collect();
        let outcomes = ledger.submit(chains).await.into_iter().map(Result::unwrap);
        answers.extend(some.iter().copied().zip(outcomes));
    }
    answers
}

/// Asks until the ledger answers.
pub(crate) async fn insist(ledger: &Ledger, chain: &Chain, failed: &AtomicU32) -> Vec<Outcome> {
    loop {
        match ledger.submit_chain(chain.clone()).await {
            Ok(outcomes) => return outcomes,
            Err(error @ LedgerError::Corrupt) => panic!("{error}"),
            Err(_) => {
                failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Every answer is given again, every id is on record once and no other is, and the books are
/// whole. Nobody is at work.
pub(crate) async fn assert_kept(ledger: &Ledger, owner: &sqlx::PgPool, answers: &Answers) {
    assert_whole(ledger).await;
    let pieces: Vec<(u32, u32)> = answers.keys().copied().collect();
    for (piece, again) in ask(ledger, &pieces).await {
        assert_eq!(again, answers[&piece], "client and piece {piece:?}");
    }
    let given = |good: bool| {
        let outcomes = answers.values().flatten();
        i64::try_from(outcomes.filter(|outcome| outcome.is_ok() == good).count()).unwrap()
    };
    let on_record = async |condition: &str| -> i64 {
        let query = format!("select count(*) from clearing.transfer where {condition}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(owner).await.unwrap()
    };
    assert_eq!(on_record("kind not in ('refused', 'expire')").await, given(true));
    assert_eq!(on_record("kind = 'refused'").await, given(false));
    assert_whole(ledger).await;
}

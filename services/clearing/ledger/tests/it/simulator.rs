//! A seeded simulator: clients send random chains over a network that delays, reorders, repeats
//! and loses; the server judges batches and may die before or after a commit; clients try again
//! until they are answered. Every answer is checked against the model at the moment it commits.
//!
//! `SIMULATOR_SEEDS=5000 cargo test -p clearing-ledger simulated` runs more of it, and
//! `SIMULATOR_FIRST=17 SIMULATOR_SEEDS=1` one seed again.

use std::collections::{BTreeMap, HashMap};

use clearing_ledger::{
    Account, Action, Amount, Chain, Currency, Limits, Movement, Outcome, Reason, Record, Reference,
    Refusal, Timeout, Transfer,
};
use kernel::{Fen, Ids};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::disk::Disk;
use crate::model::Model;
use crate::support::{account, account_id, at, id, numbers, transfer};

const STEPS: usize = 150;
const ACCOUNTS: u128 = 7;

#[test]
fn simulated_clients_crashes_and_retries_agree_with_the_model() {
    let knob = |name: &str, otherwise: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let first = knob("SIMULATOR_FIRST", 1);
    let mut codes: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in first..first + knob("SIMULATOR_SEEDS", 150) {
        let told = std::panic::catch_unwind(|| Simulation::new(seed).run());
        let told = told.unwrap_or_else(|cause| {
            eprintln!("the simulation failed with seed {seed}");
            std::panic::resume_unwind(cause)
        });
        for (code, times) in told {
            *codes.entry(code).or_default() += times;
        }
    }
    // A simulation that never gets anywhere would agree with anything.
    let often = |code: &&str| codes.get(*code).is_some_and(|&times| 3 < times);
    let wanted = Refusal::ALL.iter().map(|refusal| refusal.code()).chain(["ok"]);
    // Overflows need more money than a simulation has; some fields hardly ever differ first.
    let rare = |code: &&str| code.ends_with("overflow") || code.starts_with("id_taken");
    let missing: Vec<&str> = wanted.filter(|code| !rare(code) && !often(code)).collect();
    assert!(missing.is_empty(), "{missing:?} came too rarely: {codes:?}");
}

struct Simulation {
    random: ChaCha12Rng,
    ids: Ids,
    disk: Disk,
    model: Model,
    now: i64,
    /// The highest id a client made.
    made: u128,
    /// Sent and on their way, in any order, some twice.
    network: Vec<Chain>,
    /// Everything ever sent.
    sent: Vec<Chain>,
    /// Answers that reached their client, by chain.
    heard: HashMap<String, Vec<Outcome>>,
    codes: BTreeMap<&'static str, u32>,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let cap = |random: &mut ChaCha12Rng| {
            random.random_bool(0.4).then(|| Fen(random.random_range(-20..300)))
        };
        let accounts: Vec<Account> = (1..=ACCOUNTS)
            .map(|number| Account {
                limits: Limits {
                    net_debit_cap: cap(&mut random),
                    net_credit_cap: cap(&mut random),
                },
                currency: if number == ACCOUNTS { usd() } else { Currency::CNY },
                cycle: None,
                ..account(number)
            })
            .collect();
        let mut disk = Disk::default();
        disk.accounts.extend(accounts.iter().map(|account| (account.id, account.clone())));
        Simulation {
            random,
            ids: Ids::seeded(seed),
            disk,
            model: Model::of(accounts),
            now: 0,
            made: 0,
            network: Vec::new(),
            sent: Vec::new(),
            heard: HashMap::new(),
            codes: BTreeMap::new(),
        }
    }

    fn run(mut self) -> BTreeMap<&'static str, u32> {
        for _ in 0..STEPS {
            match self.random.random_range(0..10) {
                0..=3 => self.send(),
                4 => self.now += self.random.random_range(0..15),
                5 => self.sweep(),
                _ => self.serve(),
            }
        }
        // Clients that have heard nothing insist until they have.
        while let Some(chain) = self.unanswered() {
            self.network.push(chain);
            self.serve();
        }
        self.settle();
        self.codes
    }

    fn send(&mut self) {
        let chain = match self.sent.choose(&mut self.random) {
            // Again, or something else under some of the same ids.
            Some(known) if self.random.random_bool(0.2) => known.clone(),
            Some(known) if self.random.random_bool(0.15) => {
                let mut members = known.transfers().to_vec();
                let place = self.random.random_range(0..members.len());
                let id = members[place].id;
                let member = &mut members[place];
                match self.random.random_range(0..5) {
                    0 => *member = Transfer { id, ..self.transfer() },
                    1 => member.reason = Reason::parse("changed").unwrap(),
                    2 => member.reference = Reference::parse("changed").unwrap(),
                    3 => add_one(&mut member.action),
                    _ => members.truncate(place + 1),
                }
                Chain::of(members).unwrap()
            }
            _ => {
                let count = *[1, 1, 1, 1, 1, 2, 2, 4].choose(&mut self.random).unwrap();
                let mut members: Vec<Transfer> = Vec::new();
                while members.len() < count {
                    let next = self.transfer();
                    if members.iter().all(|member| member.id != next.id) {
                        members.push(next);
                    }
                }
                Chain::of(members).unwrap()
            }
        };
        for _ in 0..self.random.random_range(0..4) {
            self.network.push(chain.clone());
        }
        self.sent.push(chain);
    }

    /// Mostly sensible: refusals come by themselves.
    fn transfer(&mut self) -> Transfer {
        let random = &mut self.random;
        let number = match random.random_bool(0.96) {
            true => self.made + 1,
            false => random.random_range(0..=self.made),
        };
        self.made = self.made.max(number);
        // Mostly something recent, so that the same reservation is met again and again. The model
        // has no ids for expiries.
        let by_client = self.disk.entries().filter(|entry| entry.id.0.as_u128() <= self.made);
        let known: Vec<_> = by_client.map(|entry| entry.id).collect();
        let recent = &known[known.len().saturating_sub(6)..];
        let target = match recent.choose(random) {
            Some(recent) if random.random_bool(0.9) => *recent,
            _ => id(random.random_range(0..=self.made)),
        };
        // The last account holds dollars, and the one after it does not exist.
        let mut side = || {
            account_id(match random.random_bool(0.95) {
                true => random.random_range(1..ACCOUNTS),
                false => random.random_range(ACCOUNTS..=ACCOUNTS + 1),
            })
        };
        let (debit, credit) = (side(), side());
        let currency = if random.random_bool(0.03) { usd() } else { Currency::CNY };
        let amount = Fen(random.random_range(0..60));
        let movement = Movement { debit, credit, amount, currency };
        let amount = match random.random_bool(0.5) {
            true => Amount::All,
            false => Amount::Part(amount),
        };
        let action = match random.random_range(0..10) {
            0..=2 => Action::Post(movement),
            3..=5 => {
                let timeout = Timeout::seconds(random.random_range(0..40));
                Action::Reserve { movement, timeout }
            }
            6 => Action::PostReserved { reservation: target, amount },
            7 => Action::Void { reservation: target },
            _ => Action::Correct { original: target, amount },
        };
        let word = if random.random_bool(0.9) { "test" } else { "other" };
        Transfer {
            reason: Reason::parse(word).unwrap(),
            reference: Reference::parse(word).unwrap(),
            ..transfer(number, action)
        }
    }

    /// The server takes some of what is on its way, in any order, as one batch.
    fn serve(&mut self) {
        self.network.shuffle(&mut self.random);
        let count = self.random.random_range(0..9).min(self.network.len());
        let batch: Vec<Chain> = self.network.drain(..count).collect();
        let mut book = self.disk.load(&batch, at(self.now), &self.ids);
        let outcomes: Vec<Vec<Outcome>> = batch.iter().map(|chain| book.submit(chain)).collect();
        if self.random.random_bool(0.15) {
            return; // died before the commit: nothing happened
        }
        for (chain, outcomes) in batch.iter().zip(&outcomes) {
            self.model.expect(chain, at(self.now), outcomes);
        }
        self.disk.commit(book.changes());
        self.check();
        if self.random.random_bool(0.15) {
            return; // died after the commit: it happened, and nobody heard
        }
        for (chain, outcomes) in batch.iter().zip(outcomes) {
            for outcome in &outcomes {
                let code = outcome.map_or_else(|refusal| refusal.code(), |_| "ok");
                *self.codes.entry(code).or_default() += 1;
            }
            let name = format!("{chain:?}");
            let first = self.heard.entry(name).or_insert_with(|| outcomes.clone());
            assert_eq!(*first, outcomes, "another answer to {chain:?}");
        }
    }

    fn sweep(&mut self) {
        let most = self.random.random_range(1..4);
        let book = self.disk.sweep(most, at(self.now), &self.ids);
        if self.random.random_bool(0.85) {
            self.disk.commit(book.changes());
        }
        self.check();
    }

    fn unanswered(&self) -> Option<Chain> {
        let unheard = |chain: &&Chain| !self.heard.contains_key(&format!("{chain:?}"));
        self.sent.iter().find(unheard).cloned()
    }

    /// What holds at every moment.
    fn check(&self) {
        let sum = |counter: usize| -> i64 {
            self.disk.accounts.values().map(|account| numbers(&account.balance)[counter]).sum()
        };
        assert_eq!((sum(0), sum(2)), (sum(1), sum(3)), "debits are not credits");
        let mut chains: BTreeMap<_, (u16, u16)> = BTreeMap::new();
        let mut moved: BTreeMap<_, [i64; 4]> = BTreeMap::new();
        for entry in self.disk.entries() {
            if let Some(link) = entry.link {
                chains.entry(link.chain).or_insert((0, link.size)).0 += 1;
            }
            moved.insert(entry.debit, numbers(&entry.debit_after));
            moved.insert(entry.credit, numbers(&entry.credit_after));
        }
        assert!(chains.values().all(|(found, size)| found == size), "half a chain: {chains:?}");
        for (id, after) in moved {
            assert_eq!(numbers(&self.disk.accounts[&id].balance), after, "{id:?}");
        }
    }

    /// At the end, with everything due swept, the books are the model's.
    fn settle(&mut self) {
        let book = self.disk.sweep(usize::MAX, at(self.now), &self.ids);
        self.disk.commit(book.changes());
        self.check();
        for account in self.disk.accounts.values() {
            let expected = self.model.counters(account.id, at(self.now));
            assert_eq!(numbers(&account.balance), expected, "{:?}", account.id);
        }
        let failures =
            self.disk.records.values().filter(|record| matches!(record, Record::Failure(_)));
        assert!(failures.count() + self.disk.entries().count() == self.disk.order.len());
    }
}

/// Another amount, where there is one.
fn add_one(action: &mut Action) {
    match action {
        Action::Post(movement) | Action::Reserve { movement, .. } => movement.amount.0 += 1,
        Action::PostReserved { amount, .. } | Action::Correct { amount, .. } => {
            *amount = match amount {
                Amount::All => Amount::Part(Fen(1)),
                Amount::Part(part) => Amount::Part(Fen(part.0 + 1)),
            };
        }
        Action::Void { .. } => {}
    }
}

fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

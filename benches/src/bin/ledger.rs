//! Transfers of 64 concurrent callers through the stored ledger, against `pgbench` doing each by
//! itself: one insert and two updates, on copies of the same tables in the same cluster.
//!
//! All pairs among 100,000 accounts, and all pairs among 120, the insurers of a market, each of
//! them hot. A caller submits eight independent transfers at a time, as a payment run does; the hot
//! accounts are measured once more with callers that submit one at a time. Ours finds ids used
//! before, judges caps, and keeps the balances after each transfer; `pgbench` does none of that.
//! Ids are ordered by time on both sides.

#![expect(clippy::float_arithmetic, reason = "rates and ratios of measurements, never money")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use benches::pgbench::{Ladder, Pgbench, Script};
use benches::report::{self, median, rounded};
use benches::{CONNECTIONS, knob};
use clearing::ledger::{LANES, Ledger};
use clearing_ledger::{
    AccountId, Action, Chain, Currency, Movement, Reason, Reference, Transfer, TransferId,
};
use kernel::{Clock, Fen, Ids, SystemClock};
use pg::coalesce::Lanes;
use pg::embedded::{Cluster, Settings, StopMode, reachable_dir};
use pg::{Db, PoolSettings};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Accounts of the even load.
const MANY: u32 = 100_000;
/// Accounts of the hot load.
const HOT: u32 = 120;
/// Transfers a caller submits at a time.
const BATCH: u64 = 8;
/// First half of an account's id; the number is the second.
const ACCOUNT: u128 = 0xac00_0000_0000_4000_8000_0000_0000_0000;

/// One transfer by itself. The accounts are updated in the order of their ids, or two transfers
/// would wait for each other.
const SCRIPT: &str = r"
\set d random(0, :accounts - 2)
\set c random(:d + 1, :accounts - 1)
\set amount random(1, 100000)
begin;
insert into bench.transfer (transfer_id, kind, recorded_at, debit_account_id, credit_account_id, amount_fen, currency, part, reason, reference, debit_debits_posted_fen, debit_credits_posted_fen, debit_debits_pending_fen, debit_credits_pending_fen, credit_debits_posted_fen, credit_credits_posted_fen, credit_debits_pending_fen, credit_credits_pending_fen)
    values ((lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || right(gen_random_uuid()::text, 22))::uuid, 'post', now(), ('ac000000-0000-4000-8000-' || lpad(to_hex(:d::int), 12, '0'))::uuid, ('ac000000-0000-4000-8000-' || lpad(to_hex(:c::int), 12, '0'))::uuid, :amount::bigint, 'CNY', false, 'bench', 'bench', 0, 0, 0, 0, 0, 0, 0, 0);
update bench.account set debits_posted_fen = debits_posted_fen + :amount::bigint, moved_at = now() where account_id = ('ac000000-0000-4000-8000-' || lpad(to_hex(:d::int), 12, '0'))::uuid;
update bench.account set credits_posted_fen = credits_posted_fen + :amount::bigint, moved_at = now() where account_id = ('ac000000-0000-4000-8000-' || lpad(to_hex(:c::int), 12, '0'))::uuid;
end;
";

/// What one side or the other did in the rounds of a load.
#[derive(Default)]
struct Rounds {
    ours: Vec<f64>,
    pgbench: Vec<f64>,
    latencies_us: Vec<u32>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = reachable_dir(Path::new("target/bench-ledger"), None)?;
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    let mut cluster = Cluster::start(Settings::at(&dir)).await?;
    cluster.create_database("ledger").await?;
    let options = cluster.connect_options("ledger");
    pg::migrate::migrate(&options, &[&clearing::MIGRATIONS]).await?;
    let mut owner = PgConnection::connect_with(&options).await?;
    seed(&mut owner).await?;
    let db = Db::connect(options, PoolSettings::default()).await?;
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let ids = Arc::new(Ids::from_os());
    let lanes = Lanes {
        lanes: usize::try_from(knob("BENCH_LANES", LANES.lanes as u64))?,
        set: usize::try_from(knob("BENCH_SET", LANES.set as u64))?,
        ..LANES
    };
    let ledger = Ledger::start(db, Arc::new(SystemClock), ids, lanes, &tracker, &stop);

    let mut report = json!({ "bench": "ledger", "callers": CONNECTIONS });
    let mut hot = (0.0, 0.0);
    let batch = usize::try_from(knob("BENCH_BATCH", BATCH))?;
    for (name, accounts, batch) in
        [("even", MANY, batch), ("hotOneByOne", HOT, 1), ("hot", HOT, batch)]
    {
        let variables = vec![("accounts", accounts.to_string())];
        let script = Script { text: SCRIPT, variables };
        let pgbench = Pgbench::new(&cluster.url("ledger"), &dir, &script)?;
        let (clients, rounds) =
            measure(name, Load { accounts, batch }, &ledger, &pgbench, &mut owner).await?;
        let (ours, theirs) = (median(rounds.ours.clone()), median(rounds.pgbench.clone()));
        report[name] = figures(accounts, batch, clients, rounds, ours, theirs);
        hot = (ours, theirs);
    }
    let proof = ledger.prove().await?;
    ensure!(proof.holds(), "the books do not balance: {proof:?}");
    let sets: i64 = sqlx::query_scalar("select count(distinct recorded_at) from clearing.transfer")
        .fetch_one(&mut owner)
        .await?;
    report["transfers"] = proof.entries.into();
    report["meanSet"] = rounded(proof.entries as f64 / sets.max(1) as f64).into();
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    owner.close().await?;
    cluster.stop(StopMode::Fast).await?;
    report::print(&report, hot.0, hot.1);
    Ok(())
}

/// Warms both sides up, finds how many clients suit `pgbench`, then lets both take turns.
async fn measure(
    name: &str,
    what: Load,
    ledger: &Ledger,
    pgbench: &Pgbench,
    owner: &mut PgConnection,
) -> anyhow::Result<(u32, Rounds)> {
    let seconds = knob("BENCH_SECONDS", 8);
    let round = Duration::from_secs(seconds);
    load(ledger, what, Duration::from_secs(knob("BENCH_WARM", 3))).await?;
    let mut ladder = Ladder::of(format!("{name}: pgbench"));
    for count in [8, 16, 32, 64] {
        ladder.tried(count, pgbench.run(count, 3)?);
    }
    let best = ladder.best()?;
    let mut rounds = Rounds::default();
    for _ in 0..knob("BENCH_ROUNDS", 3) {
        sqlx::raw_sql("vacuum analyze").execute(&mut *owner).await?;
        sqlx::raw_sql("checkpoint").execute(&mut *owner).await?;
        let begin = Instant::now();
        let latencies = load(ledger, what, round).await?;
        rounds.ours.push(latencies.len() as f64 / begin.elapsed().as_secs_f64());
        rounds.latencies_us.extend(latencies);
        let sums = ledger.sums().await?;
        ensure!(sums.iter().all(|sums| sums.balance()), "debits are not credits: {sums:?}");
        sqlx::raw_sql("checkpoint").execute(&mut *owner).await?;
        rounds.pgbench.push(pgbench.run(best, seconds)?);
        eprintln!(
            "{name}: {:.0} transfers a second, pgbench {:.0}",
            rounds.ours.last().unwrap_or(&0.0),
            rounds.pgbench.last().unwrap_or(&0.0)
        );
    }
    Ok((best, rounds))
}

/// What callers send.
#[derive(Clone, Copy)]
struct Load {
    accounts: u32,
    /// Transfers a caller submits at a time.
    batch: usize,
}

/// Callers that submit without pause for so long; how long each transfer took.
async fn load(ledger: &Ledger, what: Load, lasting: Duration) -> anyhow::Result<Vec<u32>> {
    let until = Instant::now() + lasting;
    let ids = Arc::new(Ids::from_os());
    let callers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (ledger, ids) = (ledger.clone(), ids.clone());
            tokio::spawn(async move {
                let mut random = SmallRng::from_os_rng();
                let mut latencies = Vec::new();
                while Instant::now() < until {
                    let chains = (0..what.batch)
                        .map(|_| Ok(Chain::one(transfer(&mut random, what.accounts, &ids)?)))
                        .collect::<anyhow::Result<Vec<Chain>>>()?;
                    let begin = Instant::now();
                    for outcomes in ledger.submit(chains).await {
                        outcomes?[0].context("a transfer was refused")?;
                    }
                    let took = u32::try_from(begin.elapsed().as_micros())?;
                    latencies.extend(std::iter::repeat_n(took, what.batch));
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await??);
    }
    Ok(all)
}

fn transfer(random: &mut SmallRng, accounts: u32, ids: &Ids) -> anyhow::Result<Transfer> {
    let debit = random.random_range(0..accounts);
    let credit = (debit + random.random_range(1..accounts)) % accounts;
    let account = |number: u32| AccountId(Uuid::from_u128(ACCOUNT | u128::from(number)));
    Ok(Transfer {
        id: TransferId(ids.next(SystemClock.now())),
        action: Action::Post(Movement {
            debit: account(debit),
            credit: account(credit),
            amount: Fen(random.random_range(1..=100_000)),
            currency: Currency::CNY,
        }),
        reason: Reason::parse("bench")?,
        reference: Reference::parse("bench")?,
    })
}

/// The accounts, and the tables of the other side with every index and check.
async fn seed(owner: &mut PgConnection) -> anyhow::Result<()> {
    let statement = format!(
        "insert into clearing.account
             (account_id, participant, purpose, currency, debits_posted_fen, credits_posted_fen,
              debits_pending_fen, credits_pending_fen, opened_at, moved_at)
         select id, id, 'position', 'CNY', 0, 0, 0, 0, now(), now()
         from generate_series(0, {MANY} - 1) number
         cross join lateral (values
             (('ac000000-0000-4000-8000-' || lpad(to_hex(number), 12, '0'))::uuid)) named (id);
         create schema bench;
         create table bench.account (like clearing.account including all) with (fillfactor = 50);
         create table bench.transfer (like clearing.transfer including all);
         insert into bench.account select * from clearing.account;
         analyze clearing.account;
         analyze bench.account;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(owner).await?;
    Ok(())
}

fn figures(
    accounts: u32,
    batch: usize,
    clients: u32,
    rounds: Rounds,
    ours: f64,
    theirs: f64,
) -> Value {
    let mut latencies = rounds.latencies_us;
    latencies.sort_unstable();
    let at = |per_mille: usize| {
        let place = (latencies.len() * per_mille / 1000).min(latencies.len().saturating_sub(1));
        rounded(f64::from(latencies.get(place).copied().unwrap_or(0)) / 1000.0)
    };
    let whole = |rates: &[f64]| rates.iter().map(|rate| rate.round()).collect::<Vec<_>>();
    json!({
        "accounts": accounts,
        "transfersAtATime": batch,
        "transfersPerSecond": ours.round(),
        "pgbenchPerSecond": theirs.round(),
        "pgbenchClients": clients,
        "ratio": rounded(ours / theirs),
        "latencyMs": { "p50": at(500), "p99": at(990), "p99.9": at(999) },
        "rounds": { "ledger": whole(&rounds.ours), "pgbench": whole(&rounds.pgbench) },
    })
}

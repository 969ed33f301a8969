//! Closing a cycle of a million items among 120 insurers while others go on posting.
//!
//! Callers post one item at a time, each in a transaction of its own, as the agreement of a
//! recovery does. Their latencies are taken before, and from the moment the cycle is closed until
//! everybody was told, agreed, paid and was paid: the whole of settlement, not the flip alone. The
//! million items are loaded with what posting them would have left behind, so that every balance
//! can be worked out anew at the end.

#![expect(clippy::float_arithmetic, reason = "rates and ratios of measurements, never money")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use benches::knob;
use benches::report::rounded;
use clearing::error::ClearingError;
use clearing::ledger::{LANES, Ledger};
use clearing::settlement::{self, Closed, Item, ItemDraft, ItemKind};
use clearing::{HOUSE, ledger};
use clearing_ledger::{CycleId, Purpose};
use crypto::SigningKey;
use kernel::{Clock, Fen, Ids, SystemClock, TenantId};
use pg::embedded::{Cluster, Settings, StopMode, reachable_dir};
use pg::{Command, Db, PoolSettings, Scope, Tx};
use production_core::cover::Cover;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Insurers, each of them in every other item.
const INSURERS: u128 = 120;
/// Items of the cycle that is closed.
const ITEMS: u64 = 1_000_000;
/// Callers that post.
const CALLERS: u64 = 16;

/// An item posted by a caller: when it was begun, and how long it took.
struct Posted {
    begun: Instant,
    took: Duration,
}

/// What settlement took.
struct Settled {
    flip: Duration,
    told: Duration,
    whole: Duration,
    orders: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = reachable_dir(Path::new("target/bench-settlement"), None)?;
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    let mut cluster = Cluster::start(Settings::at(&dir)).await?;
    cluster.create_database("settlement").await?;
    let options = cluster.connect_options("settlement");
    pg::migrate::migrate(&options, &[&events::MIGRATIONS, &clearing::MIGRATIONS]).await?;
    let mut owner = PgConnection::connect_with(&options).await?;
    let db =
        Db::connect(options, PoolSettings { connections: 32, ..PoolSettings::default() }).await?;
    let ids = Arc::new(Ids::from_os());

    let items = knob("BENCH_ITEMS", ITEMS);
    let begin = Instant::now();
    // The first item opens the cycle, and every insurer has its account in it.
    let mut random = SmallRng::from_os_rng();
    let first: Vec<ItemDraft> = (0..INSURERS)
        .map(|payer| draft(&ids, payer, (payer + 1) % INSURERS, &mut random))
        .collect();
    let cycle = post(&db, &ids, &first).await?.first().context("nothing was posted")?.cycle;
    load(&mut owner, cycle, items).await?;
    eprintln!("{items} items loaded in {:.0} s", begin.elapsed().as_secs_f64());

    let stop = CancellationToken::new();
    let mut callers = JoinSet::new();
    for _ in 0..knob("BENCH_CALLERS", CALLERS) {
        callers.spawn(keep_posting(db.clone(), ids.clone(), stop.clone()));
    }
    tokio::time::sleep(Duration::from_secs(knob("BENCH_WARM", 3))).await;
    let from = Instant::now();
    tokio::time::sleep(Duration::from_secs(knob("BENCH_SECONDS", 10))).await;
    let closing = Instant::now();
    let settled = settle(&db, &ids, &mut owner, cycle).await?;
    let until = Instant::now();
    stop.cancel();
    let mut posted = Vec::new();
    while let Some(of_caller) = callers.join_next().await {
        posted.extend(of_caller??);
    }

    let open: i64 = sqlx::query_scalar(
        "select count(*) from clearing.account
         where cycle_id = $1 and debits_posted_fen <> credits_posted_fen",
    )
    .bind(cycle.0)
    .fetch_one(&mut owner)
    .await?;
    ensure!(open == 0, "{open} positions are not zero");
    prove(&db, &ids).await?;

    let during = |begin: Instant, end: Instant| {
        let inside = |one: &&Posted| begin <= one.begun + one.took && one.begun < end;
        let mut took: Vec<Duration> = posted.iter().filter(inside).map(|one| one.took).collect();
        took.sort_unstable();
        took
    };
    let (before, meanwhile) = (during(from, closing), during(closing, until));
    let (p99_before, p99_meanwhile) = (percentile(&before, 990), percentile(&meanwhile, 990));
    let report = json!({
        "bench": "settlement",
        "items": items,
        "insurers": INSURERS as u64,
        "callers": knob("BENCH_CALLERS", CALLERS),
        "closeSeconds": rounded((settled.flip + settled.told).as_secs_f64()),
        "flipMs": millis(settled.flip),
        "nettedAndToldMs": millis(settled.told),
        "settledAndReconciledMs": millis(settled.whole),
        "fundsOrders": settled.orders,
        "before": figures(&before, closing - from),
        "whileClosing": figures(&meanwhile, until - closing),
        "positionsNotZero": open,
    });
    owner.close().await?;
    cluster.stop(StopMode::Fast).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    println!("ratio={:.2}", 1.5 * p99_before / p99_meanwhile);
    Ok(())
}

/// Posts in a transaction of its own.
struct Post<'a> {
    drafts: &'a [ItemDraft],
    ids: &'a Ids,
}

impl Command for Post<'_> {
    const NAME: &'static str = "bench.post";
    type Out = Vec<Item>;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Vec<Item>, ClearingError> {
        settlement::post(tx, self.drafts, SystemClock.now(), self.ids).await
    }
}

/// A step of settlement.
enum Step {
    State(CycleId),
    Confirm(CycleId, TenantId, String),
    Move(CycleId, Uuid, Fen),
}

struct Take<'a> {
    step: Step,
    ids: &'a Ids,
    key: &'a SigningKey,
}

impl Command for Take<'_> {
    const NAME: &'static str = "bench.step";
    type Out = ();
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ClearingError> {
        let now = SystemClock.now();
        match &self.step {
            Step::State(cycle) => {
                let (rest_days, with) = (BTreeSet::new(), (self.ids, self.key));
                settlement::state(tx, *cycle, &rest_days, now, with).await
            }
            Step::Confirm(cycle, who, digest) => {
                settlement::confirm(tx, *cycle, (*who, "bench"), digest, now, self.ids).await?;
                Ok(())
            }
            Step::Move(cycle, order, amount) => {
                let held = settlement::hold_order(tx, *cycle, *order).await?;
                settlement::record_moved(tx, held, Purpose::Bank, *amount, now, self.ids).await?;
                Ok(())
            }
        }
    }
}

struct Close<'a> {
    cycle: CycleId,
    ids: &'a Ids,
}

impl Command for Close<'_> {
    const NAME: &'static str = "bench.close";
    type Out = Closed;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Closed, ClearingError> {
        settlement::close(tx, self.cycle, SystemClock.now(), self.ids).await
    }
}

async fn post(db: &Db, ids: &Ids, drafts: &[ItemDraft]) -> Result<Vec<Item>, ClearingError> {
    db.run(Scope::of(HOUSE), &Post { drafts, ids }).await
}

async fn keep_posting(
    db: Db,
    ids: Arc<Ids>,
    stop: CancellationToken,
) -> anyhow::Result<Vec<Posted>> {
    let mut random = SmallRng::from_os_rng();
    let mut posted = Vec::new();
    while !stop.is_cancelled() {
        let payer = random.random_range(0..INSURERS);
        let payee = (payer + random.random_range(1..INSURERS)) % INSURERS;
        let drafts = [draft(&ids, payer, payee, &mut random)];
        let begun = Instant::now();
        post(&db, &ids, &drafts).await?;
        posted.push(Posted { begun, took: begun.elapsed() });
    }
    Ok(posted)
}

fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(0xbe00_0000_0000_4000_8000_0000_0000_0000 | number))
}

fn draft(ids: &Ids, payer: u128, payee: u128, random: &mut SmallRng) -> ItemDraft {
    let item_id = ids.next(SystemClock.now());
    ItemDraft {
        item_id,
        kind: ItemKind::Recovery,
        reference: item_id.to_string(),
        payer: tenant(payer),
        payer_insurer: format!("I{payer:03}"),
        payee: tenant(payee),
        payee_insurer: format!("I{payee:03}"),
        cover: Cover::ThirdParty,
        region: "320000".into(),
        amount: Fen(random.random_range(1..=2_000_000)),
        claim_codes: vec![item_id.to_string()],
    }
}

/// Closes the cycle and settles it to the end.
async fn settle(
    db: &Db,
    ids: &Ids,
    owner: &mut PgConnection,
    cycle: CycleId,
) -> anyhow::Result<Settled> {
    let key = SigningKey::generate()?;
    let house = || Scope::of(HOUSE);
    let begin = Instant::now();
    db.run(house(), &Close { cycle, ids }).await?;
    let flip = begin.elapsed();
    db.run(house(), &Take { step: Step::State(cycle), ids, key: &key }).await?;
    let told = begin.elapsed() - flip;
    let statements: Vec<(Uuid, String)> = sqlx::query_as(
        "select participant, encode(digest, 'hex') from clearing.statement where cycle_id = $1",
    )
    .bind(cycle.0)
    .fetch_all(&mut *owner)
    .await?;
    ensure!(u128::try_from(statements.len())? == INSURERS, "not everybody was told");
    for (participant, digest) in statements {
        let step = Step::Confirm(cycle, TenantId(participant), digest);
        db.run(house(), &Take { step, ids, key: &key }).await?;
    }
    let mut orders = 0;
    loop {
        let open: Vec<(Uuid, i64)> = sqlx::query_as(
            "select order_id, amount_fen from clearing.funds_order
             where cycle_id = $1 and ended_at is null",
        )
        .bind(cycle.0)
        .fetch_all(&mut *owner)
        .await?;
        if open.is_empty() {
            break;
        }
        orders += open.len();
        for (order, amount) in open {
            let step = Step::Move(cycle, order, Fen(amount));
            db.run(house(), &Take { step, ids, key: &key }).await?;
        }
    }
    let reconciled: bool = sqlx::query_scalar(
        "select reconciled_at is not null from clearing.cycle where cycle_id = $1",
    )
    .bind(cycle.0)
    .fetch_one(&mut *owner)
    .await?;
    ensure!(reconciled, "the cycle did not come to its end");
    Ok(Settled { flip, told, whole: begin.elapsed(), orders })
}

/// Writes what posting `items` to the cycle leaves behind: items, pairs, transfers with the
/// balances after each, and where the accounts stand.
async fn load(owner: &mut PgConnection, cycle: CycleId, items: u64) -> anyhow::Result<()> {
    let cycle = cycle.0;
    let statement = format!(
        "set synchronous_commit = off;
         create temporary table part as
             select row_number() over (order by participant)::int - 1 as number, participant,
                    account_id, 'I' || lpad((row_number() over (order by participant) - 1)::text, 3, '0') as code
             from clearing.account where cycle_id = '{cycle}';
         create temporary table wanted as
             select place, gen_random_uuid() as item_id, payer,
                    ((payer + 1 + floor(random() * ({INSURERS} - 1)))::int % {INSURERS}) as payee,
                    (1 + random() * 1999999)::bigint as amount
             from (select place, floor(random() * {INSURERS})::int as payer
                   from generate_series(1, {items}) place) drawn;
         create temporary table named as
             select wanted.*, d.participant as debtor, d.account_id as debit, d.code as debit_code,
                    c.participant as creditor, c.account_id as credit, c.code as credit_code
             from wanted join part d on d.number = payer join part c on c.number = payee;
         insert into clearing.item
             (item_id, cycle_id, kind, reference, payer, payer_insurer, payee, payee_insurer, cover,
              region, amount_fen, claim_codes, posted_at)
         select item_id, '{cycle}', 'recovery', item_id::text, debtor, debit_code, creditor,
                credit_code, 'M02', '320000', amount, array[item_id::text], now()
         from named order by place;
         insert into clearing.pair as pair
             (cycle_id, payer, payee, cover, payer_insurer, payee_insurer, items, amount_fen)
         select '{cycle}', debtor, creditor, 'M02', debit_code, credit_code, count(*), sum(amount)
         from named group by debtor, creditor, debit_code, credit_code
         on conflict (cycle_id, payer, payee, cover) do update
         set items = pair.items + excluded.items, amount_fen = pair.amount_fen + excluded.amount_fen;
         create temporary table side as
             select place, account_id, debits,
                    sum(debit) over before + stood.debits_posted_fen as debits_after,
                    sum(credit) over before + stood.credits_posted_fen as credits_after
             from (select place, debit as account_id, true as debits, amount as debit, 0 as credit from named
                   union all
                   select place, credit, false, 0, amount from named) moved
             join clearing.account stood using (account_id)
             window before as (partition by account_id order by place);
         insert into clearing.transfer
             (transfer_id, kind, recorded_at, debit_account_id, credit_account_id, amount_fen,
              currency, part, reason, reference, debit_debits_posted_fen, debit_credits_posted_fen,
              debit_debits_pending_fen, debit_credits_pending_fen, credit_debits_posted_fen,
              credit_credits_posted_fen, credit_debits_pending_fen, credit_credits_pending_fen)
         select item_id, 'post', now(), debit, credit, amount, 'CNY', false, 'item.recovery',
                item_id::text, d.debits_after, d.credits_after, 0, 0, c.debits_after,
                c.credits_after, 0, 0
         from named
         join side d on d.place = named.place and d.debits
         join side c on c.place = named.place and not c.debits
         order by named.place;
         update clearing.account
         set debits_posted_fen = debits_posted_fen + moved.debits,
             credits_posted_fen = credits_posted_fen + moved.credits, moved_at = now()
         from (select account_id, sum(debit) as debits, sum(credit) as credits
               from (select debit as account_id, amount as debit, 0 as credit from named
                     union all select credit, 0, amount from named) sides
               group by account_id) moved
         where account.account_id = moved.account_id;
         drop table side, named, wanted, part;
         reset synchronous_commit;
         vacuum analyze;
         checkpoint;"
    );
    for statement in statement.split_inclusive(';') {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut *owner).await?;
    }
    Ok(())
}

/// Every balance, worked out anew from the transfers, is what is stored.
async fn prove(db: &Db, ids: &Arc<Ids>) -> anyhow::Result<()> {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let ledger =
        Ledger::start(db.clone(), Arc::new(SystemClock), ids.clone(), LANES, &tracker, &stop);
    let proof: ledger::Proof = ledger.prove().await?;
    stop.cancel();
    ensure!(proof.holds(), "the books do not balance: {proof:?}");
    Ok(())
}

fn percentile(sorted: &[Duration], per_mille: usize) -> f64 {
    let place = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default().as_secs_f64() * 1000.0
}

fn millis(took: Duration) -> f64 {
    rounded(took.as_secs_f64() * 1000.0)
}

fn figures(sorted: &[Duration], lasting: Duration) -> Value {
    json!({
        "posts": sorted.len(),
        "postsPerSecond": (sorted.len() as f64 / lasting.as_secs_f64()).round(),
        "latencyMs": {
            "p50": rounded(percentile(sorted, 500)),
            "p99": rounded(percentile(sorted, 990)),
            "p99.9": rounded(percentile(sorted, 999)),
        },
    })
}

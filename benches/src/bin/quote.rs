//! `make bench-quote`: quotes over HTTP against `pgbench` doing the same statements per call.

use std::collections::BTreeMap;
use std::time::Duration;

use benches::load::{self, Calls};
use benches::market::{INSURERS, REGIONS, Vehicle};
use benches::pgbench::{Ladder, Pgbench, Script};
use benches::report::{self, Ours};
use benches::seed::{self, Seeded};
use benches::server::{Cpu, Server, mean_set, peak_memory_mb};
use benches::{CONNECTIONS, VEHICLES, data_dir, knob};
use rand::RngCore;
use serde_json::json;
use sqlx::{Connection, PgConnection};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the platform does of a call, by itself: kept answers by key, policies by vehicle, the row.
const SCRIPT: &str = r"
\set n random(0, 199999)
\set slot :n % 65536
\set frame 10000000000000000 + :n
\set number random(1000000000000000000, 9000000000000000000)
select frame_no, police_sealed, police_at, model::text, model_at, tax_sealed, tax_at
    from bench.vehicle where slot = :slot and frame_no = :frame;
select frame_no, confirm_no, insurer, class, policy_no, plate_kind, plate, engine_no, owner_index, quoted_at, issued_at, cover_from, cover_to, short_term, transferred_at, ended_at, end_kind
    from bench.policy where slot = :slot and frame_no = :frame;
insert into bench.quote values (:slot, '01PICC11002' || :number, :tenant_id, :client, :insurer, :region, :frame, now(), now() + interval '7 days', :compulsory_from, :compulsory_to, :compulsory_premium_fen, :commercial_from, :commercial_to, :commercial_premium_fen, :tax_fen, :tariff_version, :rating_digest, :input, :vehicle, :parties_sealed, :outside, null);
";

struct Quotes<'a> {
    tokens: &'a BTreeMap<(String, String), String>,
    seeded: Seeded,
}

impl Calls for Quotes<'_> {
    fn next(&mut self, random: &mut dyn RngCore, request: &mut Vec<u8>) -> Option<()> {
        let vehicle = Vehicle::of(load::below(random, VEHICLES)).ok()?;
        let insurer = INSURERS[load::below(random, 3) as usize];
        let region = REGIONS[vehicle.region].0;
        let token = self.tokens.get(&(insurer.to_owned(), region.to_owned()))?;
        load::post("/v1/quotes", token, None, &vehicle.message(self.seeded.on), request);
        Some(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let data_dir = data_dir()?;
    let server = Server::start(&data_dir).await?;
    let url = server.announced.database.clone();
    let seeded = seed::ensure(&url, &data_dir).await?;
    let mut conn = PgConnection::connect(&url).await?;
    seed::forget_calls(&mut conn).await?;
    seed::raise_quota(&mut conn).await?;
    // The gate reads subscriptions every three seconds.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let bench = Bench { server: &server, seeded };
    let warm = bench.call(Duration::from_secs(knob("BENCH_WARM", 5))).await?;
    let rate = warm.rate().round();
    eprintln!("warm: {}", json!({ "perSecond": rate, "round": report::ours(&[warm]) }));
    let script = Script { text: SCRIPT, variables: row(&mut conn).await? };
    let pgbench = Pgbench::new(&url, &data_dir, &script)?;
    let seconds = knob("BENCH_SECONDS", 15);
    let mut ladder = Ladder::of("pgbench");
    for count in [8, 16, 32, 64] {
        fresh_copy(&mut conn).await?;
        ladder.tried(count, pgbench.run(count, seconds.div_ceil(3))?);
    }
    let best = ladder.best()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let before = server.metrics().await?;
    for _ in 0..knob("BENCH_ROUNDS", 3) {
        seed::forget_calls(&mut conn).await?;
        sqlx::raw_sql("checkpoint").execute(&mut conn).await?;
        let round = bench.call(Duration::from_secs(seconds)).await?;
        eprintln!("platform: {:.0} quotes a second", round.rate());
        ours.push(round);
        fresh_copy(&mut conn).await?;
        sqlx::raw_sql("checkpoint").execute(&mut conn).await?;
        theirs.push(pgbench.run(best, seconds)?);
        eprintln!("pgbench: {:.0} a second", theirs[theirs.len() - 1]);
    }
    let after = server.metrics().await?;
    let our_rate = report::median(ours.iter().map(Ours::rate).collect());
    let their_rate = report::median(theirs.clone());
    let report = json!({
        "bench": "quote",
        "connections": CONNECTIONS,
        "quotesPerSecond": our_rate.round(),
        "pgbenchPerSecond": their_rate.round(),
        "pgbenchClients": best,
        "pgbenchByClients": ladder.by_clients(f64::round),
        "rounds": {
            "platform": ours.iter().map(|ours| ours.rate().round()).collect::<Vec<_>>(),
            "pgbench": theirs.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
        },
        "platform": report::ours(&ours),
        "meanSet": {
            "history": mean_set(&before, &after, "history"),
            "record": mean_set(&before, &after, "quote.record"),
        },
        "serverPeakMemoryMb": peak_memory_mb(server.pid()),
    });
    report::print(&report, our_rate, their_rate);
    server.stop()
}

struct Bench<'a> {
    server: &'a Server,
    seeded: Seeded,
}

impl Bench<'_> {
    async fn call(&self, time: Duration) -> anyhow::Result<Ours> {
        let tokens = self.server.tokens().await?;
        let mut callers: Vec<Quotes<'_>> =
            (0..CONNECTIONS).map(|_| Quotes { tokens: &tokens, seeded: self.seeded }).collect();
        let before = Cpu::now(self.server.pid());
        let expected = br#"{"queryCode":"01"#;
        let round = load::run(self.server.api()?, &mut callers, expected, time).await?;
        let cpu = Cpu::now(self.server.pid()).since(before);
        Ok(Ours { round, cpu })
    }
}

/// An empty copy of the table of quotes, with all its indexes and checks, without row security.
async fn fresh_copy(conn: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "drop table if exists bench.quote;
         create table bench.quote (like production.quote including all);",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One of the rows the platform just wrote, as parameters.
async fn row(conn: &mut PgConnection) -> anyhow::Result<Vec<(&'static str, String)>> {
    const COLUMNS: [&str; 17] = [
        "tenant_id",
        "client",
        "insurer",
        "region",
        "compulsory_from",
        "compulsory_to",
        "compulsory_premium_fen",
        "commercial_from",
        "commercial_to",
        "commercial_premium_fen",
        "tax_fen",
        "tariff_version",
        "rating_digest",
        "input",
        "vehicle",
        "parties_sealed",
        "outside",
    ];
    seed::texts(conn, "production.quote", &COLUMNS).await
}

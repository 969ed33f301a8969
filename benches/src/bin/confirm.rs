//! `make bench-confirm`: confirmations over HTTP against `pgbench` doing the same statements.
//!
//! Each confirmation makes two policies of a paid proposal. The quotes are made through the API;
//! their proposals are written beside the first one, which went through the API too.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use benches::load::{self, Calls};
use benches::market::{INSURERS, REGIONS, Vehicle};
use benches::pgbench::{Ladder, Pgbench, Script};
use benches::report::{self, Ours};
use benches::seed::{self, Seeded};
use benches::server::{Cpu, Server, mean_set, peak_memory_mb};
use benches::{CONNECTIONS, VEHICLES, data_dir, knob};
use rand::RngCore;
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the platform does of a confirmation, by itself: every look-up and every business row. The
/// platform alone writes usage, evidence, events and the answer kept under its key.
const SCRIPT: &str = r"
\set i :i + 1
\set n :base + :client_id * :each + :i
\set slot :n % 65536
\set frame 10000000000000000 + :n
\set query 1000000000000000000 + :n
\set compulsory 1000000000000000000 + 2 * :n
\set commercial 1000000000000000001 + 2 * :n
begin;
select query_no, tenant_id, stage, pre_confirmed_at, valid_until, compulsory_premium_fen, commercial_premium_fen, tax_fen, fee_fen, fee::text, recheck::text, paid_fen, payment_reference, paid_at
    from bench.proposal where slot = :slot and query_no = '01PICC11002' || :query for update;
select query_no, tenant_id, client, insurer, region, frame_no, quoted_at, expires_at, compulsory_from, compulsory_to, compulsory_premium_fen, commercial_from, commercial_to, commercial_premium_fen, tax_fen, tariff_version, rating_digest, input::text, vehicle::text, parties_sealed, outside::text
    from bench.sale_quote where slot = :slot and query_no = '01PICC11002' || :query;
select confirm_no, cover_from, cover_to, end_kind, ended_at from bench.sale_policy where slot = :slot and frame_no = :frame;
select confirm_no from bench.sale_plate_cover where plate = '京B' || :n and plate_kind = '02' and engine_no = 'EA' || :n and cover && tstzrange(:compulsory_from, :compulsory_to, '[)');
select tenant_id, class, policy_no from bench.sale_number where (tenant_id, class, policy_no) in ((:tenant_id, 'compulsory', 'C' || :query), (:tenant_id, 'commercial', 'M' || :query));
insert into bench.sale_policy (slot, confirm_no, tenant_id, insurer, region, class, policy_no, query_no, frame_no, plate_kind, plate, engine_no, owner_index, quoted_at, issued_at, cover_from, cover_to, short_term, premium_fen, tax_fen, facts)
    values (:slot, '02PICC11002' || :compulsory, :tenant_id, :insurer, :region, 'compulsory', 'C' || :query, '01PICC11002' || :query, :frame, '02', '京B' || :n, 'EA' || :n, :rating_digest, now(), now(), :compulsory_from, :compulsory_to, false, :compulsory_premium_fen, :tax_fen, :facts),
           (:slot, '02PICC11002' || :commercial, :tenant_id, :insurer, :region, 'commercial', 'M' || :query, '01PICC11002' || :query, :frame, '02', '京B' || :n, 'EA' || :n, :rating_digest, now(), now(), :commercial_from, :commercial_to, false, :commercial_premium_fen, 0, :facts);
insert into bench.sale_number (tenant_id, class, policy_no, confirm_no)
    values (:tenant_id, 'compulsory', 'C' || :query, '02PICC11002' || :compulsory),
           (:tenant_id, 'commercial', 'M' || :query, '02PICC11002' || :commercial);
insert into bench.sale_plate_cover (plate, plate_kind, engine_no, confirm_no, slot, cover)
    values ('京B' || :n, '02', 'EA' || :n, '02PICC11002' || :compulsory, :slot, tstzrange(:compulsory_from, :compulsory_to, '[)'));
insert into bench.sale_plate (plate, plate_kind, slot, frame_no, seen_at)
    values ('京B' || :n, '02', :slot, :frame, now())
    on conflict (plate, plate_kind, frame_no) do update set seen_at = greatest(sale_plate.seen_at, excluded.seen_at);
insert into bench.sale_version (slot, confirm_no, endorse_times, tenant_id, effective_at, recorded_at, cover_from, cover_to, facts, premium_fen, tax_fen, vehicle, input, tariff_version, parties_sealed)
    values (:slot, '02PICC11002' || :compulsory, 0, :tenant_id, now(), now(), :compulsory_from, :compulsory_to, :facts, :compulsory_premium_fen, :tax_fen, :vehicle, :input, :tariff_version, :parties_sealed),
           (:slot, '02PICC11002' || :commercial, 0, :tenant_id, now(), now(), :commercial_from, :commercial_to, :facts, :commercial_premium_fen, 0, :vehicle, :input, :tariff_version, :parties_sealed);
update bench.proposal set stage = 'confirmed', confirmed_at = now() where slot = :slot and query_no = '01PICC11002' || :query;
insert into bench.sale_tax (slot, declaration_no, confirm_no, tenant_id, state, total_fen, next_attempt_at, recorded_at)
    values (:slot, '02PICC11002' || :compulsory, '02PICC11002' || :compulsory, :tenant_id, 'pending', :tax_fen, now(), now());
end;
";

/// Confirmations of a slice of the sales.
struct Confirms<'a> {
    tokens: &'a BTreeMap<(String, String), String>,
    sales: &'a [Sale],
    at: usize,
}

/// A paid proposal.
struct Sale {
    query_no: String,
    insurer: String,
    region: String,
    body: String,
}

impl Calls for Confirms<'_> {
    fn next(&mut self, _random: &mut dyn RngCore, request: &mut Vec<u8>) -> Option<()> {
        let sale = self.sales.get(self.at)?;
        self.at += 1;
        let token = self.tokens.get(&(sale.insurer.clone(), sale.region.clone()))?;
        let path = format!("/v1/quotes/{}/confirm", sale.query_no);
        load::post(&path, token, Some(&sale.query_no), &sale.body, request);
        Some(())
    }
}

/// Quotes of one vehicle after the other.
struct Quotes<'a> {
    tokens: &'a BTreeMap<(String, String), String>,
    seeded: Seeded,
    vehicles: std::ops::Range<u32>,
}

impl Calls for Quotes<'_> {
    fn next(&mut self, _random: &mut dyn RngCore, request: &mut Vec<u8>) -> Option<()> {
        let vehicle = Vehicle::of(self.vehicles.next()?).ok()?;
        let insurer = INSURERS[vehicle.number as usize / 7 % 3].to_owned();
        let region = REGIONS[vehicle.region].0.to_owned();
        let token = self.tokens.get(&(insurer, region))?;
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
    let rounds = u32::try_from(knob("BENCH_ROUNDS", 3))?;
    let each = u32::try_from(knob("BENCH_CONFIRMS", 15_000))?;
    let sales = sell(&server, &mut conn, seeded, each * (rounds + 1)).await?;
    copies(&mut conn, each * (rounds + 4)).await?;
    let mut theirs = Theirs {
        pgbench: Pgbench::new(
            &url,
            &data_dir,
            &Script { text: SCRIPT, variables: variables(&mut conn).await? },
        )?,
        next: 0,
    };
    let mut slices = sales.chunks(each as usize);
    confirm(&server, slices.next().context("no sales")?).await?;
    let mut ladder = Ladder::of("pgbench");
    for count in [16, 32, 64] {
        ladder.tried(count, theirs.run(count, each)?);
    }
    let best = ladder.best()?;
    let (mut ours, mut rates) = (Vec::new(), Vec::new());
    let before = server.metrics().await?;
    for slice in slices {
        sqlx::raw_sql("checkpoint").execute(&mut conn).await?;
        let round = confirm(&server, slice).await?;
        eprintln!("platform: {:.0} confirmations a second", round.rate());
        ours.push(round);
        sqlx::raw_sql("checkpoint").execute(&mut conn).await?;
        rates.push(theirs.run(best, each)?);
        eprintln!("pgbench: {:.0} a second", rates[rates.len() - 1]);
    }
    let after = server.metrics().await?;
    let our_rate = report::median(ours.iter().map(Ours::rate).collect());
    let their_rate = report::median(rates.clone());
    let report = json!({
        "bench": "confirm",
        "connections": CONNECTIONS,
        "confirmsPerSecond": our_rate.round(),
        "pgbenchPerSecond": their_rate.round(),
        "pgbenchClients": best,
        "rounds": {
            "platform": ours.iter().map(|ours| ours.rate().round()).collect::<Vec<_>>(),
            "pgbench": rates.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
        },
        "platform": report::ours(&ours),
        "meanSet": { "confirm": mean_set(&before, &after, "quote.confirm") },
        "serverPeakMemoryMb": peak_memory_mb(server.pid()),
    });
    report::print(&report, our_rate, their_rate);
    server.stop()
}

/// Confirms all of a slice.
async fn confirm(server: &Server, sales: &[Sale]) -> anyhow::Result<Ours> {
    let tokens = server.tokens().await?;
    let part = sales.len().div_ceil(CONNECTIONS);
    let mut callers: Vec<Confirms<'_>> =
        sales.chunks(part).map(|sales| Confirms { tokens: &tokens, sales, at: 0 }).collect();
    let before = Cpu::now(server.pid());
    let expected = br#"{"queryCode":"01"#;
    let round = load::run(server.api()?, &mut callers, expected, Duration::from_secs(300)).await?;
    let cpu = Cpu::now(server.pid()).since(before);
    ensure!(round.latencies_us.len() == sales.len(), "not every sale was confirmed");
    Ok(Ours { round, cpu })
}

/// Quotes so many vehicles and pays for them.
async fn sell(
    server: &Server,
    conn: &mut PgConnection,
    seeded: Seeded,
    count: u32,
) -> anyhow::Result<Vec<Sale>> {
    ensure!(count <= VEHICLES, "more sales than vehicles");
    let tokens = server.tokens().await?;
    let part = count.div_ceil(CONNECTIONS as u32);
    let mut callers: Vec<Quotes<'_>> = (0..CONNECTIONS as u32)
        .map(|at| Quotes {
            tokens: &tokens,
            seeded,
            vehicles: (at * part).min(count)..((at + 1) * part).min(count),
        })
        .collect();
    let expected = br#"{"queryCode":"01"#;
    load::run(server.api()?, &mut callers, expected, Duration::from_secs(300)).await?;
    let first = sqlx::query("select query_no, insurer, region from production.quote limit 1")
        .fetch_one(&mut *conn)
        .await?;
    let (query, insurer, region): (String, String, String) =
        (first.try_get(0)?, first.try_get(1)?, first.try_get(2)?);
    let token = tokens.get(&(insurer, region)).context("no token")?;
    server
        .post(&format!("/v1/quotes/{query}/pre-confirm"), token, &format!("pre-{query}"), "{}")
        .await?;
    sqlx::raw_sql(
        "insert into production.proposal
         select paid.*
         from production.quote q
         cross join (select p from production.proposal p limit 1) as one (p)
         cross join lateral jsonb_populate_record(one.p, jsonb_build_object('slot', q.slot,
             'query_no', q.query_no, 'tenant_id', q.tenant_id,
             'compulsory_premium_fen', q.compulsory_premium_fen,
             'commercial_premium_fen', q.commercial_premium_fen, 'tax_fen', q.tax_fen)) as paid
         where q.query_no <> (one.p).query_no;
         update production.proposal
         set stage = 'paid', paid_at = pre_confirmed_at, payment_reference = 'bench',
             paid_fen = compulsory_premium_fen + commercial_premium_fen + tax_fen;
         analyze production.quote;
         analyze production.proposal;",
    )
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query(
        "select q.query_no, q.insurer, q.region, p.compulsory_premium_fen,
                p.commercial_premium_fen, p.tax_fen
         from production.quote q join production.proposal p using (slot, query_no)",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(sale).collect()
}

fn sale(row: &sqlx::postgres::PgRow) -> anyhow::Result<Sale> {
    let amount = |at: usize| anyhow::Ok(kernel::Fen(row.try_get(at)?));
    let query_no: String = row.try_get(0)?;
    let body = json!({
        "compulsory": { "policyNo": format!("C{query_no}"), "premium": amount(3)? },
        "commercial": { "policyNo": format!("M{query_no}"), "premium": amount(4)? },
        "tax": amount(5)?,
        "fee": "0.00",
    });
    Ok(Sale { query_no, insurer: row.try_get(1)?, region: row.try_get(2)?, body: body.to_string() })
}

/// The tables of the other side: as many policies as the platform's, with every index, check and
/// exclusion; and so many paid proposals with their quotes.
async fn copies(conn: &mut PgConnection, count: u32) -> anyhow::Result<()> {
    let statements = format!(
        "drop table if exists bench.sale_policy, bench.sale_version, bench.sale_quote,
             bench.proposal, bench.sale_number, bench.sale_plate_cover, bench.sale_plate,
             bench.sale_tax;
         create table bench.sale_policy (like production.policy including all);
         create table bench.sale_version (like production.policy_version including all);
         create table bench.sale_quote (like production.quote including all);
         create table bench.proposal (like production.proposal including all);
         create table bench.sale_number (like production.policy_number including all);
         create table bench.sale_plate_cover (like production.compulsory_plate_cover including all);
         create table bench.sale_plate (like production.plate_index including all);
         create table bench.sale_tax (like production.tax_declaration including all);
         insert into bench.sale_policy (slot, confirm_no, tenant_id, insurer, region, class,
             policy_no, query_no, frame_no, plate_kind, plate, engine_no, owner_index, quoted_at,
             issued_at, cover_from, cover_to, short_term, premium_fen, tax_fen, facts)
         select slot, confirm_no, tenant_id, insurer, region, class, policy_no, query_no, frame_no,
             plate_kind, plate, engine_no, owner_index, quoted_at, issued_at,
             -- Out of the way of any sale: the vehicles of this side are not those of the quotes.
             cover_from - interval '60 days', cover_to - interval '60 days',
             short_term, premium_fen, tax_fen, facts from bench.policy;
         alter table bench.sale_version add foreign key (slot, confirm_no)
             references bench.sale_policy;
         insert into bench.sale_number select * from production.policy_number;
         insert into bench.sale_plate_cover select * from production.compulsory_plate_cover;
         -- The platform's vehicles had their plates before too.
         insert into bench.sale_plate
         select '京B' || n, '02', n % 65536, 10000000000000000 + n, now()
         from generate_series(0, 199999) n;
         insert into bench.sale_quote
         select made.*
         from (select q from production.quote q limit 1) as one (q)
         cross join generate_series(0, {count}) n
         cross join lateral jsonb_populate_record(one.q, jsonb_build_object('slot', n % 65536,
             'query_no', '01PICC11002' || (1000000000000000000 + n)::text)) as made;
         insert into bench.proposal
         select made.*
         from (select p from production.proposal p limit 1) as one (p)
         cross join generate_series(0, {count}) n
         cross join lateral jsonb_populate_record(one.p, jsonb_build_object('slot', n % 65536,
             'query_no', '01PICC11002' || (1000000000000000000 + n)::text)) as made;
         vacuum analyze bench.sale_policy;
         vacuum analyze bench.sale_quote;
         vacuum analyze bench.sale_number;
         vacuum analyze bench.sale_plate_cover;
         vacuum analyze bench.sale_plate;
         vacuum analyze bench.proposal;"
    );
    for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&mut *conn).await?;
    }
    Ok(())
}

/// One of the quotes, as parameters.
async fn variables(conn: &mut PgConnection) -> anyhow::Result<Vec<(&'static str, String)>> {
    const COLUMNS: [&str; 16] = [
        "tenant_id",
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
        "facts",
    ];
    let mut variables = seed::texts(conn, "production.quote", &COLUMNS[..15]).await?;
    variables.extend(seed::texts(conn, "production.policy", &COLUMNS[15..]).await?);
    Ok(variables)
}

/// `pgbench` over sales that are each made once.
struct Theirs {
    pgbench: Pgbench,
    next: u32,
}

impl Theirs {
    fn run(&mut self, clients: u32, count: u32) -> anyhow::Result<f64> {
        let each = count / clients;
        let base = self.next;
        self.next += each * clients;
        let variables =
            [("i", "-1".to_owned()), ("base", base.to_string()), ("each", each.to_string())];
        self.pgbench.run_transactions(clients, each.into(), &variables)
    }
}

//! A market with a past: vehicles, their policies of five years, and fresh kept outside answers.
//!
//! Written with `copy` as the owner of the schema, past the API but with everything the API would
//! have written where a quote or a confirmation looks. Versions of the seeded policies are left
//! out: quotes and confirmations read none, and `bin/claims` writes those it needs.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use kernel::{Clock, Fen, Period, SystemClock, TenantId, time};
use pg::{Db, PoolSettings, Scope};
use production::outside::{
    ModelQuestion, ModelSnapshot, PoliceQuestion, PoliceSnapshot, RegisteredVehicle, TaxEvidence,
    TaxQuestion, TaxSnapshot, VehicleModel,
};
use production::sealed::Sealer;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::policy::PolicyFacts;
use production_core::vehicle::{Fuel, PoliceStatus, Usage};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, Row};
use tenancy::TenantKeys;

use crate::market::{INSURERS, MODEL, Vehicle, midnight};
use crate::{VEHICLES, YEARS, pgbench};

/// Changes when what is seeded changes.
const VERSION: &str = "2";
/// Kept answers are fresh for a day; a seed must outlive the run that uses it.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(20);
/// Bytes sent at once.
const PIECE: usize = 4 << 20;

/// Names the schema and the seed: a data directory of another name is of no use.
pub fn mark() -> String {
    let mut digest = Sha256::new();
    let crates = [
        &base_http::MIGRATIONS,
        &tenancy::MIGRATIONS,
        &iam::MIGRATIONS,
        &catalogue::MIGRATIONS,
        &metering::MIGRATIONS,
        &evidence::MIGRATIONS,
        &events::MIGRATIONS,
        &production::MIGRATIONS,
    ];
    for migration in crates.iter().flat_map(|migrations| migrations.iter()) {
        digest.update(&migration.checksum);
    }
    digest.update(VERSION);
    hex::encode(&digest.finalize()[..6])
}

/// A seeded market.
#[derive(Clone, Copy, Debug)]
pub struct Seeded {
    /// The day renewals are counted from.
    pub on: Date,
}

/// Finds the seed or makes it. The server must be running, and its schema migrated.
pub async fn ensure(url: &str, data_dir: &Path) -> anyhow::Result<Seeded> {
    let mut conn = PgConnection::connect_with(&pgbench::options(url)?).await?;
    let now = SystemClock.now();
    if let Some(at) = seeded_at(&mut conn).await?
        && now.duration_since(at) < GOOD_FOR
    {
        return Ok(Seeded { on: time::day_of(at) });
    }
    eprintln!("seeding {VEHICLES} vehicles with {YEARS} policies each …");
    empty(&mut conn).await?;
    let market = Arc::new(Market::open(url, data_dir, now).await?);
    let half = VEHICLES / 2;
    let parts = [0..half, half..VEHICLES].map(|part| {
        let (market, url) = (market.clone(), url.to_owned());
        tokio::spawn(async move { market.copy(&url, part).await })
    });
    for part in parts {
        part.await??;
    }
    finish(&mut conn, now).await?;
    eprintln!("seeded in {} s", SystemClock.now().duration_since(now).as_secs());
    Ok(Seeded { on: time::day_of(now) })
}

async fn seeded_at(conn: &mut PgConnection) -> anyhow::Result<Option<Timestamp>> {
    sqlx::raw_sql(
        "create schema if not exists bench;
         create table if not exists bench.seed (seeded_at text not null);",
    )
    .execute(&mut *conn)
    .await?;
    let at: Option<String> =
        sqlx::query_scalar("select seeded_at from bench.seed").fetch_optional(conn).await?;
    Ok(at.map(|text| text.parse()).transpose()?)
}

/// Takes away what earlier runs wrote, the seed itself too.
async fn empty(conn: &mut PgConnection) -> anyhow::Result<()> {
    forget_calls(conn).await?;
    sqlx::raw_sql(
        "truncate bench.seed, production.vehicle, production.policy, production.policy_version,
             production.policy_number, production.plate_index, production.compulsory_plate_cover
             cascade",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away the quotes, policies and claims of earlier runs and what was recorded beside them.
///
/// The platform goes on delivering some of it meanwhile, so the two may wait for each other.
pub async fn forget_calls(conn: &mut PgConnection) -> anyhow::Result<()> {
    let mut tries = 5;
    loop {
        tries -= 1;
        match sqlx::raw_sql(FORGET_CALLS).execute(&mut *conn).await {
            Err(error) if 0 < tries && pg::failure::is_retryable(&error) => {}
            settled => return Ok(settled.map(drop)?),
        }
    }
}

const FORGET_CALLS: &str = "
    truncate production.policy_version, production.tax_declaration, production.quote,
        production.proposal, production.payment, production.claim, production.claim_mark,
        metering.usage, metering.daily_count, evidence.message, events.outbox,
        http.idempotency cascade;
    with gone as (
        delete from production.policy
        where issued_at >= (select min(seeded_at)::timestamptz from bench.seed)
        returning tenant_id, class, policy_no, confirm_no, plate, plate_kind
    ), numbers as (
        delete from production.policy_number used using gone
        where (used.tenant_id, used.class, used.policy_no)
            = (gone.tenant_id, gone.class, gone.policy_no)
    )
    delete from production.compulsory_plate_cover cover using gone
    where (cover.plate, cover.plate_kind, cover.confirm_no)
        = (gone.plate, gone.plate_kind, gone.confirm_no)";

/// Takes away the claims of a round and what was recorded beside them.
pub async fn forget_claims(conn: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "truncate production.claim, production.claim_mark, clearing.accident_route, metering.usage,
             metering.daily_count, evidence.message, events.outbox cascade",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Columns of some row of a table, as texts.
pub async fn texts(
    conn: &mut PgConnection,
    table: &str,
    columns: &[&'static str],
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let texts: Vec<String> = columns.iter().map(|name| format!("{name}::text")).collect();
    let select = format!("select {} from {table} limit 1", texts.join(", "));
    let row = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_one(conn).await?;
    let value = |at| anyhow::Ok(row.try_get::<Option<String>, _>(at)?.unwrap_or_default());
    columns.iter().enumerate().map(|(at, &name)| Ok((name, value(at)?))).collect()
}

/// Settles the tables and marks the seed as whole.
async fn finish(conn: &mut PgConnection, now: Timestamp) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "update production.number_lease set next = greatest(next, 100000000) where kind = 2;
         drop table if exists bench.vehicle, bench.policy;
         create table bench.vehicle as
             select (n % 65536)::integer as slot, (10000000000000000 + n)::text as frame_no,
                    v.police_sealed, v.police_at, v.model, v.model_at, v.tax_sealed, v.tax_at
             from (select *, row_number() over () - 1 as n from production.vehicle) as v;
         create table bench.policy as
             select b.slot, b.frame_no, p.confirm_no, p.insurer, p.class, p.policy_no,
                    p.plate_kind, p.plate, p.engine_no, p.owner_index, p.quoted_at, p.issued_at,
                    p.cover_from, p.cover_to, p.short_term, p.transferred_at, p.ended_at,
                    p.end_kind, p.tenant_id, p.region, p.query_no, p.premium_fen, p.tax_fen,
                    p.facts, p.deferred_checks, p.cover
             from (select slot, frame_no, row_number() over () - 1 as n
                   from production.vehicle) as v
             join production.policy p on p.slot = v.slot and p.frame_no = v.frame_no
             cross join lateral (select (n % 65536)::integer as slot,
                                        (10000000000000000 + n)::text as frame_no) as b;
         alter table bench.vehicle add primary key (slot, frame_no);
         create index on bench.policy (slot, frame_no, cover_from desc);",
    )
    .execute(&mut *conn)
    .await?;
    for table in ["production.vehicle", "production.policy", "bench.vehicle", "bench.policy"] {
        let vacuum = format!("vacuum analyze {table}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(vacuum)).execute(&mut *conn).await?;
    }
    sqlx::query("insert into bench.seed values ($1)").bind(now.to_string()).execute(conn).await?;
    Ok(())
}

/// Raises the daily quota out of the way of the load; the counter goes on counting.
pub async fn raise_quota(conn: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql("update catalogue.subscription set daily_quota_per_user = 1000000000")
        .execute(conn)
        .await?;
    Ok(())
}

struct Market {
    now: Timestamp,
    tenants: Vec<(InsurerCode, TenantId)>,
    sealer: Sealer,
    model: String,
}

impl Market {
    async fn open(url: &str, data_dir: &Path, now: Timestamp) -> anyhow::Result<Market> {
        let db = Db::connect(pgbench::options(url)?, PoolSettings::default()).await?;
        let master = crypto::MasterKey::read(&data_dir.join("master.key"))?;
        let mut tx = db.begin(Scope::nobody()).await?;
        let mut tenants = Vec::new();
        for code in INSURERS {
            let code = tenancy::InsurerCode::parse(code)?;
            let found = tenancy::find_by_insurer_code(&mut tx, &code).await?;
            let tenant = found.with_context(|| format!("no insurer {}", code.as_str()))?;
            tenants.push((InsurerCode::parse(code.as_str())?, tenant.tenant_id));
        }
        let operator = tenancy::operator(&mut tx).await?.context("no operator")?;
        drop(tx);
        let keys = Arc::new(TenantKeys::new(db, Arc::new(master)));
        let sealer = Sealer::new(keys, operator.tenant_id);
        let model = serde_json::to_string(&model(now))?;
        Ok(Market { now, tenants, sealer, model })
    }

    async fn copy(&self, url: &str, part: std::ops::Range<u32>) -> anyhow::Result<()> {
        let mut conn = PgConnection::connect_with(&pgbench::options(url)?).await?;
        sqlx::raw_sql("set synchronous_commit = off").execute(&mut conn).await?;
        let mut tables = Tables::default();
        for number in part.clone() {
            self.write(&Vehicle::of(number)?, &mut tables).await?;
            if PIECE < tables.policy.len() || number + 1 == part.end {
                tables.send(&mut conn).await?;
            }
        }
        Ok(())
    }

    /// Everything of one vehicle, as lines of `copy`.
    async fn write(&self, vehicle: &Vehicle, tables: &mut Tables) -> anyhow::Result<()> {
        let slot = vehicle.frame.slot();
        let frame = vehicle.frame.as_str();
        let now = self.now;
        let owner = self.sealer.owner_index(&vehicle.certificate, now).await?;
        let owner = hex::encode(owner);
        let police = hex::encode(self.sealer.seal_own(&police(vehicle, now)).await?);
        let tax = hex::encode(self.sealer.seal_own(&tax(vehicle, now)).await?);
        let plate = vehicle.plate.number();
        writeln!(
            tables.vehicle,
            "{}\t{frame}\t\\\\x{police}\t{now}\t{}\t{now}\t\\\\x{tax}\t{now}\t{now}",
            slot.0, self.model
        )?;
        writeln!(tables.plate_index, "{plate}\t02\t{}\t{frame}\t{now}", slot.0)?;
        let last = vehicle.renewal(time::day_of(now));
        for year in 0..YEARS {
            let years_back = |count: u32| last.saturating_sub(i64::from(count).years());
            let from = midnight(years_back(YEARS - year))?;
            let to = midnight(years_back(YEARS - year - 1))?;
            let period = Period::new(from, to).context("an empty year")?;
            let class = match (vehicle.number + year) % 2 {
                0 => PolicyClass::Compulsory,
                _ => PolicyClass::Commercial,
            };
            let insurer = vehicle.insurer(year)?;
            let (_, tenant) =
                self.tenants.iter().find(|(code, _)| *code == insurer).context("no tenant")?;
            let sequence = u64::from(vehicle.number * YEARS + year) + 1;
            let issued = from.saturating_sub(SignedDuration::from_hours(72))?;
            let number = |kind| {
                let year = time::day_of(issued).year();
                let branch = vehicle.branch().ok()?;
                PlatformNumber::new(kind, insurer, branch, year, slot, sequence)
            };
            let confirm_no = number(NumberKind::Confirm).context("no confirm code")?;
            let query_no = number(NumberKind::Query).context("no query code")?;
            let facts = PolicyFacts::confirmed(class, period, true);
            writeln!(
                tables.policy,
                "{}\t{confirm_no}\t{}\t{}\t{}\t{}\tPD{sequence:018}\t{query_no}\t{frame}\t02\t\
                 {plate}\t{}\t\\\\x{owner}\t{issued}\t{issued}\t{from}\t{to}\tf\t{}\t{}\t{}",
                slot.0,
                tenant.0,
                insurer.as_str(),
                vehicle.branch()?.code(),
                class.name(),
                vehicle.engine_no,
                95_000,
                if class == PolicyClass::Compulsory { 42_000 } else { 0 },
                serde_json::to_string(&facts)?
            )?;
            writeln!(
                tables.policy_number,
                "{}\t{}\tPD{sequence:018}\t{confirm_no}",
                tenant.0,
                class.name()
            )?;
            if class == PolicyClass::Compulsory {
                writeln!(
                    tables.plate_cover,
                    "{plate}\t02\t{}\t{confirm_no}\t{}\t[{from},{to})",
                    vehicle.engine_no, slot.0
                )?;
            }
        }
        Ok(())
    }
}

/// Lines of `copy` on their way.
#[derive(Default)]
struct Tables {
    vehicle: String,
    policy: String,
    policy_number: String,
    plate_index: String,
    plate_cover: String,
}

impl Tables {
    async fn send(&mut self, conn: &mut PgConnection) -> anyhow::Result<()> {
        let tables = [
            (
                &mut self.policy,
                "copy production.policy (slot, confirm_no, tenant_id, insurer, region, class,
                     policy_no, query_no, frame_no, plate_kind, plate, engine_no, owner_index,
                     quoted_at, issued_at, cover_from, cover_to, short_term, premium_fen, tax_fen,
                     facts) from stdin",
            ),
            (
                &mut self.vehicle,
                "copy production.vehicle (slot, frame_no, police_sealed, police_at, model,
                     model_at, tax_sealed, tax_at, updated_at) from stdin",
            ),
            (
                &mut self.policy_number,
                "copy production.policy_number (tenant_id, class, policy_no, confirm_no)
                     from stdin",
            ),
            (
                &mut self.plate_index,
                "copy production.plate_index (plate, plate_kind, slot, frame_no, seen_at)
                     from stdin",
            ),
            (
                &mut self.plate_cover,
                "copy production.compulsory_plate_cover (plate, plate_kind, engine_no, confirm_no,
                     slot, cover) from stdin",
            ),
        ];
        for (lines, statement) in tables {
            let mut copy = conn.copy_in_raw(statement).await?;
            copy.send(lines.as_bytes()).await?;
            copy.finish().await?;
            lines.clear();
        }
        Ok(())
    }
}

fn police(vehicle: &Vehicle, now: Timestamp) -> PoliceSnapshot {
    let day = |year, month, day| jiff::civil::date(year, month, day);
    PoliceSnapshot {
        at: now,
        asked: PoliceQuestion {
            frame: vehicle.frame.clone(),
            plate: Some(vehicle.plate.clone()),
            violations_since: Some(time::day_of(now).saturating_sub(3.years())),
        },
        found: Some(RegisteredVehicle {
            plate: Some(vehicle.plate.clone()),
            engine_no: vehicle.engine_no.clone(),
            owner_name: vehicle.owner.clone(),
            usage: Usage::PrivateFamily,
            brand: "大众".to_owned(),
            seats: 5,
            curb_weight_kg: Decimal::from(1280),
            tonnage_t: None,
            displacement_cc: Some(1598),
            power_kw: Some(Decimal::from(81)),
            fuel: Fuel::Petrol,
            made_on: day(2019, 12, 1),
            first_registered_on: Some(day(2020, 1, 15)),
            status: PoliceStatus::Normal,
            transferred_on: None,
            last_checked_on: Some(day(2026, 1, 10)),
            scrap_on: None,
            violations: Vec::new(),
        }),
    }
}

fn model(now: Timestamp) -> ModelSnapshot {
    ModelSnapshot {
        at: now,
        asked: ModelQuestion::Code(MODEL.to_owned()),
        found: vec![VehicleModel {
            code: MODEL.to_owned(),
            brand: "大众".to_owned(),
            series: "朗逸".to_owned(),
            factory_model: "FV7160".to_owned(),
            displacement_cc: Some(1598),
            power_kw: Some(Decimal::from(81)),
            seats: 5,
            curb_weight_kg: Decimal::from(1280),
            tonnage_t: None,
            fuel: Fuel::Petrol,
            plug_in: false,
            new_price: Fen(12_000_000),
            imported: false,
            energy_saving: false,
            hull_risk_key: "passenger".to_owned(),
            hull_pure_risk: None,
            depreciation_class: "passenger".to_owned(),
        }],
    }
}

fn tax(vehicle: &Vehicle, now: Timestamp) -> TaxSnapshot {
    TaxSnapshot {
        at: now,
        asked: TaxQuestion { frame: vehicle.frame.clone(), year: time::day_of(now).year() },
        found: TaxEvidence::default(),
    }
}

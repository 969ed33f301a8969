//! `make bench-claims`: whole claims over HTTP against `pgbench` doing the same statements a unit.
//!
//! A unit is one case in ten steps, from the report to a reopening. Its steps follow each other on
//! one connection; 64 cases are under way at once. Claimed under are the compulsory policies of the
//! seed that are in force.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use benches::load::{self, Calls};
use benches::market::{INSURERS, REGIONS, Vehicle};
use benches::pgbench::{Ladder, Pgbench, Script};
use benches::report::{self, Ours};
use benches::seed::{self, Seeded};
use benches::server::{Cpu, Server, mean_set, peak_memory_mb};
use benches::{CONNECTIONS, data_dir, knob};
use jiff::ToSpan;
use rand::RngCore;
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Steps of a unit.
const STEPS: usize = 10;
/// How an answer to a step begins; the claim code follows.
const ANSWER: &[u8] = br#"{"claimCode":""#;
/// Length of a platform number.
const CODE: usize = 30;

/// Names of what differs from step to step, as variables of the script: facts of the step, message,
/// answer, the case after it, the duty due next.
macro_rules! names {
    ($($step:literal)*) => {
        [$([
            concat!("facts_", $step),
            concat!("message_", $step),
            concat!("answer_", $step),
            concat!("case_", $step),
            concat!("due_", $step),
        ]),*]
    };
}

const NAMES: [[&str; 5]; STEPS] = names!(1 2 3 4 5 6 7 8 9 10);

/// The row of a step.
macro_rules! insert_step {
    ($number:literal, $step:literal, $round:literal) => {
        concat!(
            "insert into bench.claim_step (slot, claim_no, sequence, tenant_id, step, business_no, \
             round, standing, occurred_at, recorded_at, client, digest, facts, message_sealed, \
             answer) values (:slot, '05PICC32002' || :number, ",
            $number,
            ", :tenant_id, '",
            $step,
            "', '",
            $step,
            "', ",
            $round,
            ", 'current', :accident_at, now(), :client, :digest, :facts_",
            $number,
            ", :message_",
            $number,
            ", :answer_",
            $number,
            ");\n"
        )
    };
}

/// Marks of the case: other cases that carry them, then the rows.
macro_rules! marks {
    ($first:literal $what:literal $(, $kind:literal $other:literal)*) => {
        concat!(
            "select found.* from (values ('",
            $first,
            "', '",
            $what,
            "')",
            $(", ('", $kind, "', '", $other, "')",)*
            ") as wanted (kind, what) cross join lateral (select m.kind, m.slot, m.claim_no, \
             m.insurer, m.class, m.accident_at, m.district, m.own from bench.claim_mark m \
             where m.kind = wanted.kind \
             and m.mark = sha256(convert_to(wanted.what || :number, 'UTF8')) \
             and m.accident_at between :accident_at::timestamptz - interval '30 days' \
             and :accident_at::timestamptz + interval '30 days' \
             order by m.accident_at desc, m.claim_no limit 20) found;\n",
            "insert into bench.claim_mark (kind, mark, slot, claim_no, insurer, class, \
             accident_at, district, own, recorded_at) select kind, \
             sha256(convert_to(what || :number, 'UTF8')), :slot, '05PICC32002' || :number, \
             :insurer, 'compulsory', :accident_at, '320102', true, now() from (values ('",
            $first,
            "', '",
            $what,
            "')",
            $(", ('", $kind, "', '", $other, "')",)*
            ") as fresh (kind, what) on conflict do nothing;\n"
        )
    };
}

/// A step after the report, in a transaction of its own.
macro_rules! step {
    ($number:literal, $step:literal, $stage:literal, $round:literal, $settled:literal, $marks:expr) => {
        concat!(
            "begin;\n",
            "select claim_no, tenant_id, insurer, region, confirm_no, policy_no, report_no, \
             frame_no, steps, facts::text, terms::text, corrected_at, next_due_at, recorded_at, \
             changed_at from bench.claim \
             where slot = :slot and claim_no = '05PICC32002' || :number for update;\n",
            "select claim_no, sequence, tenant_id, step, business_no, round, standing, \
             occurred_at, recorded_at, client, digest, facts::text, message_sealed, answer \
             from bench.claim_step where slot = :slot and claim_no = '05PICC32002' || :number \
             and step = '",
            $step,
            "' and business_no = '",
            $step,
            "';\n",
            insert_step!($number, $step, $round),
            $marks,
            "update bench.claim set stage = '",
            $stage,
            "', steps = ",
            $number,
            ", facts = :case_",
            $number,
            ", ",
            $settled,
            ", at_fault = true, death = false, counts = true, fully_recovered = false, \
             next_due_at = nullif(:due_",
            $number,
            ", 'never')::timestamptz, changed_at = now(), first_settled_at = null \
             where slot = :slot and claim_no = '05PICC32002' || :number;\n",
            "end;\n"
        )
    };
}

/// What the platform does of a unit, by itself: ten transactions. Each locks the case by its key
/// (the report: the policy with its versions, and the case by policy and report number), looks the
/// step up by its business number, writes the step with the sealed message and the answer as they
/// were sent as parameters, and brings the case row to how it stands; the report writes the case.
/// Report and survey look for other cases with their marks, four and one, and write the marks.
///
/// The platform alone writes usage, evidence and events of every call.
const SCRIPT: &str = concat!(
    "\\set n random(0, :policies - 1)\n",
    "\\set slot :n % 65536\n",
    "\\set policy 1000000000000000000 + :n\n",
    "\\set number random(1000000000000000000, 9000000000000000000)\n",
    "begin;\n",
    "select confirm_no, tenant_id, insurer, region, policy_no, query_no, frame_no, plate_kind, \
     plate, engine_no, owner_index, quoted_at, issued_at, short_term, premium_fen, tax_fen, \
     facts::text, deferred_checks::text, tax_declaration_no from bench.claim_policy \
     where slot = :slot and confirm_no = '02PICC32002' || :policy for update;\n",
    "select confirm_no, tenant_id, amend_no, effective_at, recorded_at, facts::text, premium_fen, \
     tax_fen, vehicle::text, input::text, tariff_version, parties_sealed from bench.claim_version \
     where slot = :slot and confirm_no = '02PICC32002' || :policy \
     order by confirm_no, endorse_times;\n",
    "select claim_no, tenant_id, insurer, region, confirm_no, policy_no, report_no, frame_no, \
     steps, facts::text, terms::text, corrected_at, next_due_at, recorded_at, changed_at \
     from bench.claim where slot = :slot and confirm_no = '02PICC32002' || :policy \
     and report_no = 'R' || :number for update;\n",
    "insert into bench.claim (slot, claim_no, tenant_id, insurer, region, confirm_no, class, \
     policy_no, report_no, frame_no, accident_at, district, stage, steps, facts, terms, at_fault, \
     next_due_at, recorded_at, changed_at) values (:slot, '05PICC32002' || :number, :tenant_id, \
     :insurer, :region, '02PICC32002' || :policy, 'compulsory', 'PD' || :number, 'R' || :number, \
     :frame_no, :accident_at, '320102', 'NOTIFIED', 1, :case_1, :terms, true, \
     nullif(:due_1, 'never')::timestamptz, now(), now());\n",
    insert_step!(1, "notify", 0),
    marks!("frame" "frame", "plate" "plate", "phone" "phone", "driver" "driver"),
    "end;\n",
    step!(2, "survey", "SURVEYED", 0, "total_fen = 0", marks!("plate" "third")),
    step!(3, "register", "REGISTERED", 0, "total_fen = 0", ""),
    step!(4, "estimate", "REGISTERED", 0, "total_fen = 0", ""),
    step!(5, "assess", "ASSESSED", 0, "total_fen = 0", ""),
    step!(6, "documents", "DOCUMENTED", 0, "total_fen = 0", ""),
    step!(7, "adjust", "ADJUSTED", 0, "total_fen = 0", ""),
    step!(8, "close", "CLOSED", 0, "total_fen = 150000, closed_at = :accident_at", ""),
    step!(
        9,
        "pay",
        "PAID",
        0,
        "total_fen = 150000, closed_at = :accident_at, paid_at = :accident_at",
        ""
    ),
    step!(
        10,
        "reopen",
        "REOPENED",
        1,
        "total_fen = 150000, closed_at = :accident_at, paid_at = :accident_at",
        ""
    ),
);

/// A policy to claim under.
struct Policy {
    confirm_no: String,
    insurer: String,
    region: String,
    vehicle: Vehicle,
}

/// Cases under a slice of the policies, one after the other.
struct Claims<'a> {
    tokens: &'a BTreeMap<(String, String), String>,
    policies: &'a [Policy],
    /// Day of the accidents, `yyyyMMdd`.
    day: &'a str,
    at: usize,
    step: usize,
    claim_code: String,
}

impl Calls for Claims<'_> {
    fn next(&mut self, _random: &mut dyn RngCore, request: &mut Vec<u8>) -> Option<()> {
        let policy = self.policies.get(self.at)?;
        let token = self.tokens.get(&(policy.insurer.clone(), policy.region.clone()))?;
        let (step, body) = message(policy, self.step, self.day);
        let path = match self.step {
            0 => "/v1/claims".to_owned(),
            _ => format!("/v1/claims/{}/{step}", self.claim_code),
        };
        load::post(&path, token, None, &body, request);
        Some(())
    }

    fn answered(&mut self, body: &[u8]) {
        if self.step == 0 {
            let code = body.get(ANSWER.len()..ANSWER.len() + CODE).unwrap_or_default();
            self.claim_code = String::from_utf8_lossy(code).into_owned();
        }
        self.step = (self.step + 1) % STEPS;
        self.at += usize::from(self.step == 0);
    }
}

/// The message of a step, with the last part of its path: two vehicles, 1,500 yuan of damage to the
/// other one, which the policy pays.
fn message(policy: &Policy, step: usize, day: &str) -> (&'static str, String) {
    let Policy { confirm_no, vehicle, .. } = policy;
    let (owner, certificate) = (&vehicle.owner, &vehicle.certificate);
    let number = vehicle.number;
    let case = format!(r#""confirmCode":"{confirm_no}","reportNo":"R{number}""#);
    let third = format!("苏B{:05}", number / 2);
    let officer = r#"{"name":"赵查","code":"S01","certificateNo":"C001"}"#;
    let (path, rest) = match step {
        0 => (
            "",
            format!(
                r#""accidentAt":"{day}0830","reportedAt":"{day}0900","district":"320102","place":"中山路 1 号","description":"追尾前车，前车后部受损","cause":"01","handledBy":"10","liability":"9","driver":{{"name":"{owner}","licenceNo":"{certificate}","phone":"138{number:08}"}},"reporterName":"{owner}","reporterPhones":["138{number:08}"]"#
            ),
        ),
        1 => (
            "surveys",
            format!(
                r#""businessNo":"SV-1","surveyedAt":"{day}1000","liability":"2","liabilityDocument":"1","handledBy":"10","cause":"01","opinion":"前车后部受损，本车前部受损","vehicles":[{{"item":1,"property":"1","frameNo":"{}","fieldKind":"2","surveyor":{officer}}},{{"item":2,"property":"2","plate":"{third}","plateKind":"02","fieldKind":"2","estimate":"1500.00","surveyor":{officer}}}]"#,
                vehicle.frame.as_str()
            ),
        ),
        2 => (
            "registration",
            format!(r#""businessNo":"RG-1","registeredAt":"{day}1100","estimate":"1500.00""#),
        ),
        3 => (
            "estimates",
            format!(r#""businessNo":"ES-1","estimatedAt":"{day}1130","outstanding":"1500.00""#),
        ),
        4 => (
            "assessments",
            format!(
                r#""businessNo":"AS-1","approvedAt":"{day}1200","vehicles":[{{"item":1,"property":"1","loss":"1000.00","assessor":{officer},"approver":{officer}}},{{"item":2,"property":"2","plate":"{third}","plateKind":"02","loss":"1500.00","assessor":{officer},"approver":{officer},"labour":[{{"name":"后保险杠修复","hours":"3","amount":"900.00"}},{{"name":"喷漆","hours":"2","amount":"600.00"}}],"labourTotal":"1500.00","damaged":["后保险杠"]}}]"#
            ),
        ),
        5 => (
            "documents",
            format!(
                r#""businessNo":"DC-1","listedAt":"{day}1000","completeAt":"{day}1300","documents":[{{"name":"索赔申请书","kind":"claimApplication"}},{{"name":"责任认定书","kind":"liabilityStatement"}},{{"name":"维修发票","kind":"repairInvoice"}}]"#
            ),
        ),
        6 => (
            "adjustments",
            format!(
                r#""businessNo":"AD-1","agreedAt":"{day}1400","adjustments":[{{"code":"J1","opinion":"同意","amount":"1500.00","approvedAt":"{day}1400","covers":[{{"coverageCode":"A02","feeKind":"3","item":2,"amount":"1500.00","loss":"1500.00"}}]}}]"#
            ),
        ),
        7 => (
            "closings",
            format!(
                r#""businessNo":"CL-1","closedAt":"{day}1500","total":"1500.00","insured":true,"liability":"2""#
            ),
        ),
        8 => (
            "payments",
            format!(
                r#""businessNo":"PY-1","paidAt":"{day}1600","total":"1500.00","payerBank":"工商银行","payerAccount":"6222020200112345678","payees":[{{"kind":"victim","name":"王强","certificateKind":"01","certificateNo":"440524188001010014","bank":"建设银行","account":"6217001234567890123","amount":"1500.00"}}]"#
            ),
        ),
        _ => (
            "reopenings",
            format!(r#""businessNo":"RO-1","reopenedAt":"{day}1700","cause":"赔付有误""#),
        ),
    };
    (path, format!("{{{case},{rest}}}"))
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
    // Long enough ago that a whole case lies in the past, and within every policy that ends later.
    let day = seeded.on.saturating_sub(10.days()).strftime("%Y%m%d").to_string();
    let policies = policies(&server, &mut conn, seeded).await?;
    let bench = Bench { server: &server, policies: &policies, day: &day };
    let warm = bench.claim(Duration::from_secs(knob("BENCH_WARM", 5))).await?;
    let rate = units(&warm).round();
    eprintln!("warm: {}", json!({ "perSecond": rate, "round": report::ours(&[warm]) }));
    seed::forget_claims(&mut conn).await?;
    let mut variables = bench.sample(&mut conn).await?;
    variables.push(("policies", policies.len().to_string()));
    let script = Script { text: SCRIPT, variables };
    let pgbench = Pgbench::new(&url, &data_dir, &script)?;
    let seconds = knob("BENCH_SECONDS", 15);
    let mut ladder = Ladder::of("pgbench");
    for count in [8, 16, 32, 64] {
        fresh_copies(&mut conn).await?;
        ladder.tried(count, pgbench.run(count, seconds.div_ceil(3))?);
    }
    let best = ladder.best()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let before = server.metrics().await?;
    for _ in 0..knob("BENCH_ROUNDS", 3) {
        seed::forget_claims(&mut conn).await?;
        sqlx::raw_sql("checkpoint").execute(&mut conn).await?;
        let round = bench.claim(Duration::from_secs(seconds)).await?;
        eprintln!("platform: {:.0} claims a second", units(&round));
        ours.push(round);
        fresh_copies(&mut conn).await?;
        sqlx::raw_sql("checkpoint").execute(&mut conn).await?;
        theirs.push(pgbench.run(best, seconds)?);
        eprintln!("pgbench: {:.0} a second", theirs[theirs.len() - 1]);
    }
    let after = server.metrics().await?;
    let our_rate = report::median(ours.iter().map(units).collect());
    let their_rate = report::median(theirs.clone());
    let report = json!({
        "bench": "claims",
        "connections": CONNECTIONS,
        "stepsPerUnit": STEPS,
        "unitsPerSecond": report::rounded(our_rate),
        "pgbenchPerSecond": report::rounded(their_rate),
        "pgbenchClients": best,
        "pgbenchByClients": ladder.by_clients(report::rounded),
        "rounds": {
            "platform": ours.iter().map(|ours| report::rounded(units(ours))).collect::<Vec<_>>(),
            "pgbench": theirs.iter().map(|rate| report::rounded(*rate)).collect::<Vec<_>>(),
        },
        "platform": report::ours(&ours),
        "meanSet": { "step": mean_set(&before, &after, "claim.step") },
        "serverPeakMemoryMb": peak_memory_mb(server.pid()),
    });
    report::print(&report, our_rate, their_rate);
    server.stop()
}

/// Whole cases a second; those under way at the end count by their steps.
fn units(ours: &Ours) -> f64 {
    report::per(ours.rate(), STEPS)
}

struct Bench<'a> {
    server: &'a Server,
    policies: &'a [Policy],
    day: &'a str,
}

impl Bench<'_> {
    /// Claims under the first policies of every connection's part.
    async fn claim(&self, time: Duration) -> anyhow::Result<Ours> {
        let tokens = self.server.tokens().await?;
        let part = self.policies.len().div_ceil(CONNECTIONS);
        let mut callers: Vec<Claims<'_>> =
            self.policies.chunks(part).map(|policies| self.caller(&tokens, policies)).collect();
        let before = Cpu::now(self.server.pid());
        let round = load::run(self.server.api()?, &mut callers, ANSWER, time).await?;
        let cpu = Cpu::now(self.server.pid()).since(before);
        let whole = callers.iter().all(|caller| caller.at < caller.policies.len());
        ensure!(whole, "a connection ran out of policies; shorten BENCH_SECONDS");
        Ok(Ours { round, cpu })
    }

    fn caller<'a>(
        &'a self,
        tokens: &'a BTreeMap<(String, String), String>,
        policies: &'a [Policy],
    ) -> Claims<'a> {
        Claims { tokens, policies, day: self.day, at: 0, step: 0, claim_code: String::new() }
    }

    /// One case step by step, looked at after each: what the other side sends as parameters.
    async fn sample(&self, conn: &mut PgConnection) -> anyhow::Result<Vec<(&'static str, String)>> {
        let tokens = self.server.tokens().await?;
        let mut caller = Stepwise { claims: self.caller(&tokens, self.policies), go: false };
        let mut variables = Vec::new();
        for names in NAMES {
            caller.go = true;
            let address = self.server.api()?;
            let one = std::slice::from_mut(&mut caller);
            load::run(address, one, ANSWER, Duration::from_secs(30)).await?;
            let row = sqlx::query(
                "select step.facts::text, step.message_sealed::text, step.answer::text,
                        claim.facts::text, coalesce(claim.next_due_at::text, 'never')
                 from production.claim join production.claim_step step using (slot, claim_no)
                 order by step.sequence desc limit 1",
            )
            .fetch_one(&mut *conn)
            .await?;
            for (at, name) in names.into_iter().enumerate() {
                variables.push((name, row.try_get(at)?));
            }
        }
        const COLUMNS: [&str; 6] =
            ["tenant_id", "insurer", "region", "frame_no", "terms", "accident_at"];
        variables.extend(seed::texts(conn, "production.claim", &COLUMNS).await?);
        variables.extend(seed::texts(conn, "production.claim_step", &["client", "digest"]).await?);
        Ok(variables)
    }
}

/// One step each time it is told to go.
struct Stepwise<'a> {
    claims: Claims<'a>,
    go: bool,
}

impl Calls for Stepwise<'_> {
    fn next(&mut self, random: &mut dyn RngCore, request: &mut Vec<u8>) -> Option<()> {
        std::mem::take(&mut self.go).then(|| self.claims.next(random, request))?
    }

    fn answered(&mut self, body: &[u8]) {
        self.claims.answered(body);
    }
}

/// One request.
struct Once(Option<Vec<u8>>);

impl Calls for Once {
    fn next(&mut self, _random: &mut dyn RngCore, request: &mut Vec<u8>) -> Option<()> {
        request.extend_from_slice(&self.0.take()?);
        Some(())
    }
}

/// The compulsory policies in force, each given the version a claim reads: the seed leaves versions
/// out. Vehicle, input and parties are those of a quote made here.
async fn policies(
    server: &Server,
    conn: &mut PgConnection,
    seeded: Seeded,
) -> anyhow::Result<Vec<Policy>> {
    let tokens = server.tokens().await?;
    let (insurer, region) = (INSURERS[0].to_owned(), REGIONS[0].0.to_owned());
    let token = tokens.get(&(insurer, region)).context("no token")?;
    let mut request = Vec::new();
    load::post("/v1/quotes", token, None, &Vehicle::of(0)?.message(seeded.on), &mut request);
    let mut quote = [Once(Some(request))];
    let expected = br#"{"queryCode":"01"#;
    load::run(server.api()?, &mut quote, expected, Duration::from_secs(30)).await?;
    sqlx::raw_sql(
        "insert into production.policy_version (slot, confirm_no, endorse_times, tenant_id,
             effective_at, recorded_at, cover_from, cover_to, facts, premium_fen, tax_fen, vehicle,
             input, tariff_version, parties_sealed)
         select p.slot, p.confirm_no, 0, p.tenant_id, p.cover_from, p.issued_at, p.cover_from,
                p.cover_to, p.facts, p.premium_fen, p.tax_fen, q.vehicle, q.input,
                q.tariff_version, q.parties_sealed
         from production.policy p cross join (select * from production.quote limit 1) q
         where p.class = 'compulsory' and p.cover_from < now() and now() < p.cover_to;
         analyze production.policy_version;
         drop table if exists bench.claim_policy, bench.claim_version cascade;
         create table bench.claim_policy as
             select (n % 65536)::integer as slot,
                    '02PICC32002' || (1000000000000000000 + n)::text as confirm_no,
                    confirm_no as copied_from, tenant_id, insurer, region, policy_no, query_no,
                    frame_no, plate_kind, plate, engine_no, owner_index, quoted_at, issued_at,
                    short_term, premium_fen, tax_fen, facts, deferred_checks, tax_declaration_no
             from (select *, row_number() over () - 1 as n from production.policy p
                   where p.class = 'compulsory' and p.cover_from < now()
                     and now() < p.cover_to) as numbered;
         create table bench.claim_version as
             select p.slot, p.confirm_no, v.endorse_times, v.tenant_id, v.amend_no, v.effective_at,
                    v.recorded_at, v.facts, v.premium_fen, v.tax_fen, v.vehicle, v.input,
                    v.tariff_version, v.parties_sealed
             from bench.claim_policy p
             join production.policy_version v on v.confirm_no = p.copied_from;
         alter table bench.claim_policy add primary key (slot, confirm_no);
         alter table bench.claim_version add primary key (slot, confirm_no, endorse_times);
         analyze bench.claim_policy;
         analyze bench.claim_version;",
    )
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query(
        "select confirm_no, insurer, region, frame_no from production.policy p
         where p.class = 'compulsory' and p.cover_from < now() and now() < p.cover_to
         order by frame_no collate \"C\"",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(policy).collect()
}

fn policy(row: &sqlx::postgres::PgRow) -> anyhow::Result<Policy> {
    let frame: &str = row.try_get(3)?;
    let number = frame.get(11..).context("a short frame number")?.parse()?;
    Ok(Policy {
        confirm_no: row.try_get(0)?,
        insurer: row.try_get(1)?,
        region: row.try_get(2)?,
        vehicle: Vehicle::of(number)?,
    })
}

/// Empty copies of the tables, with all their indexes, checks and foreign keys, without row security.
async fn fresh_copies(conn: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "drop table if exists bench.claim, bench.claim_step, bench.claim_mark;
         create table bench.claim (like production.claim including all);
         create table bench.claim_step (like production.claim_step including all);
         create table bench.claim_mark (like production.claim_mark including all);
         alter table bench.claim add foreign key (slot, confirm_no) references bench.claim_policy;
         alter table bench.claim_step add foreign key (slot, claim_no) references bench.claim;",
    )
    .execute(conn)
    .await?;
    Ok(())
}

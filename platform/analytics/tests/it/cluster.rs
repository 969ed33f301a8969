//! Questions on a Ballista cluster: a scheduler and two executors, processes of their own, on
//! loopback.
//!
//! A node is this very program, asked for the one test that is none ([`node`]). With a filter in NODE_LOG
//! nodes say what they do.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use analytics::cluster::Cluster;
use analytics::cluster::node::{ExecutorSettings, Known, execute, schedule};
use analytics::engine::{Engine, Limits};
use analytics::lake::{DatasetName, Lake, Owner, TableName, TableSpec};
use analytics::market::{MarketRow, PremiumRow, Rows};
use analytics::question::{EngineError, OwnAnswer, OwnTable};
use analytics::suppress::Rule;
use analytics::tally::{Tally, TallyError, TallyQuestion, TallyRows, Tallying};
use analytics_api::{Dimension, MarketQuestion, Measure};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};
use futures::StreamExt;
use jiff::civil::date;
use kernel::Ids;

use crate::support::{
    Of, asked, at, claim, exposure, ids, never, now, payment, premium, record, tenant,
};

const CELLS: [&str; 4] = [
    "320000/commercial/8A/A/11",
    "320000/commercial/8A/C/11",
    "110000/compulsory/8A/A/11",
    "310000/commercial/8B/A/12",
];

/// A process that ends with the test.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Node {
    fn start(role: &str, lake: &Path, variables: &[(&str, String)]) -> Node {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command
            .args(["--exact", "cluster::node", "--ignored", "--nocapture", "--test-threads=1"])
            .env("NODE", role)
            .env("LAKE", lake)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(if std::env::var_os("NODE_LOG").is_some() {
                Stdio::inherit()
            } else {
                Stdio::null()
            });
        Node(command.spawn().unwrap())
    }

    /// What it says after a word.
    fn said(&mut self, word: &str) -> String {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        lines.find_map(|line| Some(line.split_once(word)?.1.trim().to_owned())).unwrap()
    }
}

/// A scheduler and its executors over a lake in a folder.
struct Nodes {
    scheduler: Node,
    at: SocketAddr,
    executors: Vec<Node>,
    _folders: tempfile::TempDir,
}

impl Nodes {
    fn start(lake: &Path, executors: usize) -> Nodes {
        let folders = tempfile::tempdir().unwrap();
        let mut scheduler = Node::start("scheduler", lake, &[]);
        let at: SocketAddr = scheduler.said("scheduling on ").parse().unwrap();
        let executors = (0..executors).map(|number| {
            let [listen, work] = [free_port(), free_port()];
            let folder = folders.path().join(number.to_string());
            let variables = [
                ("SCHEDULER", at.to_string()),
                ("LISTEN", listen.to_string()),
                ("WORK", work.to_string()),
                ("FOLDER", folder.to_string_lossy().into_owned()),
            ];
            let node = Node::start("executor", lake, &variables);
            // It listens for rows once the scheduler knows it.
            reached(listen);
            node
        });
        Nodes { executors: executors.collect(), at, scheduler, _folders: folders }
    }

    fn cluster(&self) -> Cluster {
        Cluster { parts: 4, ..Cluster::at(format!("http://{}", self.at)) }
    }
}

/// A port nobody has, below those the machine gives to whoever connects: until a node listens there,
/// nobody else is given it.
fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(97);
    let tried = || own.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % 12_000;
    let ports = std::iter::repeat_with(|| 20_000 + u16::try_from(tried()).unwrap());
    ports.take(12_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn reached(port: u16) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < given_up, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a node, when other tests start it as a process of its own"]
async fn node() {
    let Ok(role) = std::env::var("NODE") else { return };
    let filter = std::env::var("NODE_LOG").unwrap_or_default();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let read = |name: &str| std::env::var(name).unwrap();
    let (ids, lake) = (Ids::from_os(), read("LAKE"));
    let id = ids.next(now());
    let lake = Lake::in_folder(Path::new(&lake), Arc::new(ids)).unwrap();
    let known = Known { lake, tallyings: vec![Arc::new(Moments)] };
    if role == "scheduler" {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("scheduling on {}", listener.local_addr().unwrap());
        schedule(known, id, listener).await.unwrap();
        return;
    }
    let scheduler: SocketAddr = read("SCHEDULER").parse().unwrap();
    let settings = ExecutorSettings {
        id,
        scheduler_host: scheduler.ip().to_string(),
        scheduler_port: scheduler.port(),
        listen: ([127, 0, 0, 1], read("LISTEN").parse().unwrap()).into(),
        work_port: read("WORK").parse().unwrap(),
        called: None,
        at_once: 2,
        memory_bytes: 256 << 20,
        folder: read("FOLDER").into(),
    };
    execute(known, settings).await.unwrap();
}

/// Three insurers in four cells over half a year, in many files, and an own dataset of the first.
async fn market(lake: &Lake) {
    for month in 1..=6 {
        let mut rows = Rows::default();
        for insurer in 1..=3 {
            for policy in 0..120_u64 {
                let cell = CELLS[usize::try_from(policy).unwrap() % CELLS.len()];
                let of = Of { tenant: insurer, cell, policy };
                let amount = i64::try_from(policy).unwrap() * 37 % 101 + i64::from(month);
                let mut exposed = exposure(of, 86_400 * amount, 100 * amount);
                exposed.month = date(2025, month, 1);
                rows.exposures.push(exposed);
                rows.premiums.push(premium(of, 1_000 + amount));
                if policy % 7 == 0 {
                    rows.claims.push(claim(of));
                    rows.payments.push(payment(of, 3 * amount));
                }
            }
        }
        record(lake, &rows).await;
    }
    let own = lake.dataset(Owner::Tenant(tenant(1)), DatasetName::parse("portfolio").unwrap());
    let table = TableName::parse("premium").unwrap();
    let of = |policy| Of { tenant: 1, cell: CELLS[0], policy };
    let rows: Vec<PremiumRow> = (0..50).map(|policy| premium(of(policy), 10_000)).collect();
    let batch = PremiumRow::batch(&rows).unwrap();
    let mut draft = own.draft().await.unwrap();
    draft.declare(&table, &TableSpec::plain(batch.schema())).unwrap();
    draft.write(&table, batch).await.unwrap();
    // Longer than a sample.
    let table = TableName::parse("long").unwrap();
    let premium_of = |policy| premium(of(policy), 9_990 + i64::from(policy >= SAMPLED));
    let rows: Vec<PremiumRow> = (0..SAMPLED + 100).map(premium_of).collect();
    let batch = PremiumRow::batch(&rows).unwrap();
    draft.declare(&table, &TableSpec::plain(batch.schema())).unwrap();
    draft.write(&table, batch).await.unwrap();
    draft.commit(now()).await.unwrap();
}

/// Rows of each file that a sample reads.
const SAMPLED: u64 = 16_384;

/// A cell: floats apart, for their last bits depend on the order of a sum.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Cell {
    Nothing,
    Text(String),
    Float(f64),
}

fn cells(answer: &OwnAnswer, ordered: bool) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| cell(column, row)).collect());
        }
    }
    if !ordered {
        rows.sort_by(|a: &Vec<Cell>, b| a.partial_cmp(b).unwrap());
    }
    rows
}

fn cell(column: &ArrayRef, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Nothing;
    }
    if column.data_type() == &DataType::Float64 {
        return Cell::Float(column.as_primitive::<Float64Type>().value(row));
    }
    Cell::Text(cast(column, &DataType::Utf8).unwrap().as_string::<i32>().value(row).to_owned())
}

#[expect(clippy::float_arithmetic, reason = "what floats may differ by")]
fn same(here: &[Vec<Cell>], there: &[Vec<Cell>], sql: &str) {
    assert_eq!(here.len(), there.len(), "{sql}");
    for (a, b) in here.iter().flatten().zip(there.iter().flatten()) {
        match (a, b) {
            (Cell::Float(a), Cell::Float(b)) => {
                assert!((a - b).abs() <= 1e-12 * a.abs().max(b.abs()), "{sql}: {a} and {b}");
            }
            _ => assert_eq!(a, b, "{sql}"),
        }
    }
}

/// Every kind of question, whether its rows have an order, and how many there are.
const QUESTIONS: [(&str, bool, usize); 14] = [
    ("select count(*), sum(insured_s), min(month), max(earned_fen) from exposure", false, 1),
    (
        "select region, count(*), sum(insured_s), avg(insured_s) from exposure group by region",
        false,
        3,
    ),
    ("select * from exposure", false, 720),
    (
        "select confirm_no, earned_fen from exposure order by earned_fen desc, confirm_no limit 17",
        true,
        17,
    ),
    ("select count(distinct confirm_no), count(distinct region) from exposure", false, 1),
    (
        "select e.region, sum(p.paid_fen) from exposure e join payment p using (confirm_no)
      where e.month = date '2025-02-01' group by e.region",
        false,
        3,
    ),
    (
        "select count(*) from exposure e left join claim c on c.confirm_no = e.confirm_no
      where c.claim_no is null",
        false,
        1,
    ),
    (
        "select region, month, sum(earned_fen), sum(sum(earned_fen)) over
      (partition by region order by month) from exposure group by region, month",
        false,
        18,
    ),
    (
        "select stddev(insured_s), corr(insured_s, earned_fen + sequence), median(earned_fen) from exposure",
        false,
        1,
    ),
    ("select (select max(paid_fen) from payment), count(*) from premium", false, 1),
    (
        "select confirm_no from premium where confirm_no not in (select confirm_no from claim)
      group by confirm_no",
        false,
        102,
    ),
    ("select region from exposure union select region from claim", false, 3),
    (
        "select sum(p.written_fen + e.insured_s) from portfolio.premium p
      join exposure e using (confirm_no)",
        false,
        1,
    ),
    ("select count(*) from exposure where month < date '2020-01-01'", false, 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_answers_as_one_process_does() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::in_folder(folder.path(), ids()).unwrap();
    market(&lake).await;
    let mut nodes = Nodes::start(folder.path(), 2);
    let here = Engine::start(lake.clone(), Limits::default()).unwrap();
    let there = Engine::on_cluster(lake.clone(), Limits::default(), nodes.cluster()).unwrap();

    for (sql, ordered, rows) in QUESTIONS {
        let one = here.own(&asked(1, sql), &never()).await.unwrap();
        let one = cells(&one, ordered);
        assert_eq!(one.len(), rows, "{sql}");
        let other = there.own(&asked(1, sql), &never()).await;
        let other = other.unwrap_or_else(|error| panic!("{sql}: {error}: {error:?}"));
        same(&one, &cells(&other, ordered), sql);
    }
    known_then_and_whose_rows(&there).await;
    faults(&there).await;
    published_alike(&here, &there).await;
    tallied_alike(&here, &there).await;

    // What one executor has begun another does anew.
    nodes.executors.pop();
    let (sql, ordered, _) = QUESTIONS[1];
    let one = here.own(&asked(2, sql), &never()).await.unwrap();
    let other = there.own(&asked(2, sql), &never()).await.unwrap();
    same(&cells(&one, ordered), &cells(&other, ordered), sql);

    drop(nodes.scheduler);
    let lost = there.own(&asked(1, "select count(*) from exposure"), &never()).await;
    assert!(matches!(lost, Err(EngineError::Cluster(_))), "{lost:?}");
}

async fn known_then_and_whose_rows(there: &Engine) {
    let count = |answer: OwnAnswer| cells(&answer, false).concat();
    let sql = "select count(*) from exposure where region = '310000' or true";
    let other = tenant(2);
    let probe = format!("select count(*) from exposure where tenant_id = '{other}'");
    let mut question = asked(1, sql);
    question.known_at = Some(at("2020-01-01T00:00:00Z"));
    let answers =
        [(question, "0"), (asked(9, sql), "0"), (asked(1, &probe), "0"), (asked(2, &probe), "720")];
    for (question, expected) in answers {
        let answer = there.own(&question, &never()).await.unwrap();
        assert_eq!(count(answer), [Cell::Text(expected.to_owned())], "{question:?}");
    }
    // Amounts of this insurer alone are such that this fails on a row of another.
    let unshown = "select count(*) from exposure where 1 / (case when tenant_id = '{}' then 0 else 1 end) = 1";
    let unshown = unshown.replace("{}", &other.to_string());
    let answer = there.own(&asked(1, &unshown), &never()).await.unwrap();
    assert_eq!(count(answer), [Cell::Text("720".to_owned())]);
}

async fn faults(there: &Engine) {
    let divided = asked(1, "select sum(1 / (sequence - sequence)) from exposure");
    let divided = there.own(&divided, &never()).await.unwrap_err();
    assert!(matches!(divided, EngineError::Sql(_)), "{divided:?}");
    assert!(divided.to_string().to_lowercase().contains("divide by zero"), "{divided}");
    let unknown = there.own(&asked(1, "select nothing from exposure"), &never()).await.unwrap_err();
    assert!(matches!(unknown, EngineError::Sql(_)), "{unknown:?}");
    // Rows come as they are computed, and whoever stops taking them stops the question.
    let question = asked(1, "select a.confirm_no from exposure a cross join exposure b");
    let mut stream = there.own_stream(&question, &never()).await.unwrap();
    assert!(stream.batches.next().await.unwrap().unwrap().num_rows() > 0);
}

async fn published_alike(here: &Engine, there: &Engine) {
    let rule = Rule { contributors: 2, records: 4, largest_bp: 7_000 };
    let quarter = "2025-Q1".parse().unwrap();
    let published = there.publish(quarter, rule, now(), &never()).await.unwrap();
    assert_eq!((published.revision, published.atoms > 0), (1, true));
    // Counted anew in this process there is nothing to change.
    let again = here.publish(quarter, rule, now(), &never()).await.unwrap();
    assert_eq!((again.revision, again.changed, again.held), (1, 0, 0));
    let question = MarketQuestion {
        quarter,
        revision: None,
        measures: vec![Measure::InsuredS, Measure::PaidFen],
        by: vec![Dimension::Region],
        filters: Vec::new(),
    };
    let one = here.answer(&question, &never()).await.unwrap();
    let other = there.answer(&question, &never()).await.unwrap();
    assert_eq!(one.rows, other.rows);
    assert!(!one.rows.is_empty());
}

/// How many rows there are, and Σ (value − question) of a column of whole numbers.
#[derive(Debug)]
struct Moments;

struct Counted {
    less: i64,
    found: [i64; 2],
}

impl Tallying for Moments {
    fn name(&self) -> &'static str {
        "moments"
    }

    fn begin(&self, question: &[u8], columns: &Schema) -> Result<Box<dyn Tally>, TallyError> {
        assert_eq!(columns.field(0).data_type(), &DataType::Int64);
        let less = question.try_into().map(i64::from_le_bytes);
        let less = less.map_err(|_| TallyError("the question is no number".to_owned()))?;
        Ok(Box::new(Counted { less, found: [0; 2] }))
    }
}

impl Tally for Counted {
    fn add(&mut self, columns: &[ArrayRef]) -> Result<(), TallyError> {
        for value in columns[0].as_primitive::<Int64Type>().iter().flatten() {
            self.found[0] += 1;
            self.found[1] += value - self.less;
        }
        Ok(())
    }

    fn merge(&mut self, other: &[u8]) -> Result<(), TallyError> {
        for (found, other) in self.found.iter_mut().zip(other.chunks_exact(8)) {
            *found += i64::from_le_bytes(other.try_into().unwrap());
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.found.iter().flat_map(|found| found.to_le_bytes()).collect()
    }
}

async fn tallied_alike(here: &Engine, there: &Engine) {
    let question = TallyQuestion {
        tenant: tenant(1),
        table: OwnTable {
            name: "portfolio".to_owned(),
            version: 1,
            dataset: DatasetName::parse("portfolio").unwrap(),
            table: TableName::parse("premium").unwrap(),
        },
        columns: vec!["written_fen".to_owned()],
        tallying: Arc::new(Moments),
        question: 9_990_i64.to_le_bytes().to_vec(),
        rows: TallyRows::All,
    };
    // 50 rows of 10,000 each.
    let expected: Vec<u8> = [50_i64, 500].iter().flat_map(|found| found.to_le_bytes()).collect();
    for engine in [here, there] {
        assert_eq!(engine.tally(&question).await.unwrap(), expected);
        let mut long = question.clone();
        long.table.table = TableName::parse("long").unwrap();
        // The hundred that are no part of a sample are one more each.
        for (rows, expected) in
            [(TallyRows::Sample, [SAMPLED, 0]), (TallyRows::All, [SAMPLED + 100, 100])]
        {
            long.rows = rows;
            let expected: Vec<u8> = expected.iter().flat_map(|found| found.to_le_bytes()).collect();
            assert_eq!(engine.tally(&long).await.unwrap(), expected);
        }
        let mut odd = question.clone();
        odd.question = vec![1];
        let refused = engine.tally(&odd).await.unwrap_err();
        assert!(!matches!(refused, EngineError::Cluster(_)), "{refused:?}");
        // Nobody else's rows.
        odd.tenant = tenant(2);
        assert!(engine.tally(&odd).await.is_err());
    }
}

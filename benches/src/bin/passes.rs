//! `make bench-passes`: a pricing model of 49 coefficients fitted to rows that are streamed from the
//! lake, a whole market's, by the running platform.
//!
//! The French portfolio's 610,212 policies are imported over and over into one dataset, which is kept
//! from run to run. Prints how long the import and the fit took, and the memory of the server before the
//! fit and at most; the last line is `ratio=<rows a second ÷ (67.8 million in 60 s)>`.
#![expect(clippy::float_arithmetic, reason = "rates of measurements, never money")]

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use benches::knob;
use benches::report;
use benches::server::{Client, Server, binary, forget_peak_memory, memory_mb, peak_memory_mb};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Copies of the portfolio: 68.3 million rows.
const COPIES: u64 = 112;
/// What every other program finds for one copy.
const DEVIANCE: f64 = 190_797.303_076;
/// The rows and the time they may take.
const TARGET: (f64, f64) = (67.8e6, 60.0);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let portfolio = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/fremtpl2/freMTPL2freq.csv.gz");
    if !portfolio.exists() {
        println!("skipped: the portfolio is not on this machine");
        return Ok(());
    }
    let dir = Path::new("target/bench-passes");
    std::fs::create_dir_all(dir)?;
    let data_dir = pg::embedded::reachable_dir(dir, None)?;
    let server = Server::start(&data_dir).await?;
    let client = server.announced.clients.iter().find(|client| client.insurer.is_some());
    let program = Program { server: &server, client: client.context("no insurer is announced")? };
    let copies = knob("BENCH_COPIES", COPIES);
    let name = format!("french{copies}");
    let mut import_s = None;
    let known = program.run(&["datasets", &name]);
    if !known.is_ok_and(|known| known["state"] == "done") {
        let file = data_dir.join("portfolio.parquet");
        write(&portfolio, &file, copies)?;
        let begin = Instant::now();
        let path = file.to_str().context("the path is no text")?;
        program.run(&["import", path, "--name", &name])?;
        import_s = Some(report::rounded(begin.elapsed().as_secs_f64()));
        std::fs::remove_file(&file)?;
    }
    let (mut times, mut rows) = (Vec::new(), 0.0);
    let before = memory_mb(server.pid());
    forget_peak_memory(server.pid())?;
    for _ in 0..knob("BENCH_ROUNDS", 3) {
        let parameters = model().to_string();
        let run = program.run(&["run", "glm", "--dataset", &name, "--parameters", &parameters])?;
        times.push(seconds(&run)?);
        let id = run["runId"].as_str().context("the run has no id")?;
        let found = program.run(&["show", id, "--result"])?;
        rows = found["rows"].as_f64().context("the result has no rows")?;
        let deviance = found["deviance"].as_f64().context("the result has no deviance")?;
        // A fast wrong fit is none.
        let expected = DEVIANCE * copies as f64;
        ensure!((deviance / expected - 1.0).abs() < 1e-10, "the deviance is {deviance}");
        eprintln!("fitted in {:.1} s", times[times.len() - 1]);
    }
    let peak = peak_memory_mb(server.pid());
    let took = report::median(times.clone());
    let report = json!({
        "bench": "passes",
        "rows": rows,
        "importSeconds": import_s,
        "fitSeconds": times.iter().map(|time| report::rounded(*time)).collect::<Vec<_>>(),
        "rowsPerSecond": (rows / took).round(),
        "serverMemoryMb": { "before": before, "peak": peak },
    });
    report::print(&report, rows / took, TARGET.0 / TARGET.1);
    server.stop()
}

/// The platform's own client.
struct Program<'a> {
    server: &'a Server,
    client: &'a Client,
}

impl Program<'_> {
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = Command::new(binary())
            .args(["actuarial", "--json", "--api", &self.server.announced.api])
            .args(arguments)
            .env("COMMONWHEEL_CLIENT_ID", &self.client.client_id)
            .env("COMMONWHEEL_CLIENT_SECRET", &self.client.client_secret)
            .output()
            .context("cannot run the program")?;
        if !output.status.success() {
            bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("what it prints cannot be read")
    }
}

/// From the beginning of a run to its end.
fn seconds(run: &Value) -> anyhow::Result<f64> {
    let at = |member: &str| -> anyhow::Result<Timestamp> {
        Ok(run[member].as_str().with_context(|| format!("the run has no {member}"))?.parse()?)
    };
    Ok(at("endedAt")?.duration_since(at("startedAt")?).as_secs_f64())
}

fn model() -> Value {
    json!({
        "response": "claims",
        "exposure": "exposure",
        "reading": "passes",
        "derive": [
            { "name": "power_class", "from": "power", "how": "classes", "bounds": [5, 6, 7, 8, 9] },
            { "name": "vehicle_class", "from": "vehicle_age", "how": "classes", "bounds": [1, 10.5] },
            { "name": "driver_class", "from": "driver_age", "how": "classes",
              "bounds": [21, 26, 31, 41, 51, 71] },
            { "name": "log_density", "from": "density", "how": "log" },
        ],
        "terms": [
            { "factor": "power_class", "base": "1" },
            { "factor": "vehicle_class", "base": "2" },
            { "factor": "driver_class", "base": "5" },
            { "number": "bonus_malus" },
            { "factor": "brand", "base": "B1" },
            { "factor": "gas", "base": "Diesel" },
            { "number": "log_density" },
            { "factor": "region", "base": "R24" },
            { "number": "area" },
        ],
    })
}

/// Writes the part of the portfolio that models are fitted to, over and over.
fn write(portfolio: &Path, to: &Path, copies: u64) -> anyhow::Result<()> {
    let mut text = String::new();
    GzDecoder::new(File::open(portfolio)?).read_to_string(&mut text)?;
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().context("the portfolio is empty")?;
    let places: HashMap<&str, usize> = header.iter().copied().zip(0..).collect();
    let place = |name: &str| places.get(name).copied().with_context(|| format!("no {name}"));
    let split = place("SplitS100")?;
    let rows: Vec<Vec<&str>> = lines.filter(|row| row[split] == "L").collect();
    let whole = |name: &str, change: fn(i64) -> i64| -> anyhow::Result<ArrayRef> {
        let at = place(name)?;
        let values = rows.iter().map(|row| Ok(change(row[at].parse()?)));
        Ok(Arc::new(values.collect::<anyhow::Result<Int64Array>>()?))
    };
    let texts = |name: &str| -> anyhow::Result<ArrayRef> {
        let at = place(name)?;
        Ok(Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[at]))))
    };
    let exposed = place("Exposure")?;
    let exposure = rows.iter().map(|row| Ok(row[exposed].parse::<f64>()?.min(1.0)));
    let exposure: Float64Array = exposure.collect::<anyhow::Result<_>>()?;
    let letter = place("Area")?;
    let area = rows.iter().map(|row| i64::from(row[letter].as_bytes()[0] - b'A' + 1));
    let area: Int64Array = area.map(Some).collect();
    let same = |value| value;
    let batch = RecordBatch::try_from_iter([
        ("claims", whole("ClaimNb", |count| count.min(4))?),
        ("exposure", Arc::new(exposure) as ArrayRef),
        ("power", whole("VehPower", same)?),
        ("vehicle_age", whole("VehAge", same)?),
        ("driver_age", whole("DrivAge", same)?),
        ("bonus_malus", whole("BonusMalus", |level| level.min(150))?),
        ("brand", texts("VehBrand")?),
        ("gas", texts("VehGas")?),
        ("density", whole("Density", same)?),
        ("region", texts("Region")?),
        ("area", Arc::new(area) as ArrayRef),
    ])?;
    let mut writer = ArrowWriter::try_new(File::create(to)?, batch.schema(), None)?;
    for _ in 0..copies {
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(())
}

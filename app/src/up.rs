//! `commonwheel up`: a whole market on one machine: database, counterparties, platform.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use crypto::MasterKey;
use jiff::Timestamp;
use kernel::SetClock;
use pg::embedded::{self, Cluster, StopMode};
use telemetry::{Health, Meters};
use tokio_util::sync::CancellationToken;

use crate::bootstrap::{self, SandboxClient};
use crate::clock::ServerClock;
use crate::serve::{Doors, serve};
#[cfg(feature = "lake-cluster")]
use crate::settings::Cluster as LakeCluster;
use crate::settings::{Bank, BankCredentials, Computing, Lake, Lanes, Outside};
use crate::wiring::{Base, platform};

/// Where and how the sandbox runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct UpArgs {
    /// Data directory; a second start finds the data again
    #[arg(long, default_value = "data/up")]
    pub(crate) data_dir: PathBuf,
    /// Address of the API
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Address of health and metrics
    #[arg(long, default_value = "127.0.0.1:9090")]
    pub(crate) ops_listen: SocketAddr,
    /// Addresses of police, model library, tax office and bank: four ports from this one on; 0 for free ones
    #[arg(long, default_value = "127.0.0.1:8091")]
    pub(crate) sandbox_listen: SocketAddr,
    /// Tariff bundle to publish
    #[arg(long, default_value = "tariffs")]
    pub(crate) tariffs: PathBuf,
    /// Stand the clock at this instant; PUT /sandbox/clock on the operations port moves it
    #[arg(long)]
    pub(crate) clock: Option<Timestamp>,
    /// Most database connections
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: u32,
    /// Sets under way at once per hot command
    #[arg(long, default_value_t = 3)]
    pub(crate) lanes: usize,
    /// Have questions over the lake computed by the cluster of this scheduler, http://host:port
    #[cfg(feature = "lake-cluster")]
    #[arg(long)]
    pub(crate) cluster: Option<String>,
    /// Write addresses and credentials as JSON to this file once everything runs
    #[arg(long)]
    pub(crate) announce: Option<PathBuf>,
}

/// Everything of a running sandbox a person or a test needs to know.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announcement {
    pub(crate) api: String,
    pub(crate) ops: String,
    pub(crate) docs: String,
    pub(crate) police: String,
    pub(crate) models: String,
    pub(crate) tax: String,
    pub(crate) bank: String,
    pub(crate) database: String,
    /// Settings file for `serve` and the operator's commands against this database.
    pub(crate) settings: PathBuf,
    pub(crate) clients: Vec<AnnouncedClient>,
}

#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnnouncedClient {
    /// Absent for those of the regulator and the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) insurer: Option<String>,
    pub(crate) region: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// Runs until `stop`, then ends everything in order.
pub(crate) async fn up(
    args: UpArgs,
    meters: Meters,
    stop: CancellationToken,
    ready: impl FnOnce(&Announcement),
) -> anyhow::Result<()> {
    let data_dir = embedded::reachable_dir(&args.data_dir, None)?;
    std::fs::create_dir_all(&data_dir)
        .with_context(|| format!("cannot make {}", data_dir.display()))?;
    let doors = Doors::open(args.listen, args.ops_listen, None).await?;
    let api_address = doors.api.local_addr()?;
    let ops_address = doors.ops.local_addr()?;
    let mut cluster = Cluster::start(embedded::Settings::at(data_dir.join("postgres"))).await?;
    let running = run(&args, &data_dir, doors, &mut cluster, meters, stop, |mut announcement| {
        announcement.api = format!("http://{api_address}");
        announcement.ops = format!("http://{ops_address}");
        announcement.docs = format!("http://{api_address}/docs");
        if let Some(path) = &args.announce {
            let text = serde_json::to_string_pretty(&announcement).unwrap_or_default();
            if let Err(error) = std::fs::write(path, text) {
                tracing::error!(%error, "cannot write {}", path.display());
            }
        }
        ready(&announcement);
    })
    .await;
    let stopped = cluster.stop(StopMode::Fast).await;
    running?;
    stopped.context("the database did not stop")
}

async fn run(
    args: &UpArgs,
    data_dir: &Path,
    doors: Doors,
    cluster: &mut Cluster,
    meters: Meters,
    stop: CancellationToken,
    announce: impl FnOnce(Announcement),
) -> anyhow::Result<()> {
    cluster.create_database("commonwheel").await?;
    let master = master_key(&data_dir.join("master.key"))?;
    let clock = match args.clock {
        Some(at) => ServerClock::Set(Arc::new(SetClock::at(at))),
        None => ServerClock::Machine,
    };
    let options = cluster.connect_options("commonwheel");
    // The same at every start, so that another server of this sandbox knows the bank's notices.
    let master_of_bank = master.derive("sandbox.bank").to_hex();
    let secret_of_bank = master.derive("sandbox.bank.access").to_hex();
    let base = Base::open(options, args.connections, master, clock.clock()).await?;
    let ports = |offset: u16| {
        let mut address = args.sandbox_listen;
        if address.port() != 0 {
            address.set_port(address.port() + offset);
        }
        address
    };
    let public_url = format!("http://{}", doors.api.local_addr()?);
    let notices = sandbox::bank::Notices {
        url: Some(format!("{public_url}/v1/bank/notices")),
        seed: crypto::sha256(master_of_bank.as_bytes()).0,
        clock: clock.clock(),
    };
    let secret_file = data_dir.join("bank.secret");
    write_secret(&secret_file, &secret_of_bank)?;
    let counterparties = sandbox::start(sandbox::Settings {
        police: ports(0),
        models: ports(1),
        tax: ports(2),
        bank: ports(3),
        notices,
        access: sandbox::bank::Access::Hmac(secret_of_bank.as_bytes().to_vec()),
        strangers: sandbox::Strangers::Invented,
    })
    .await
    .context("cannot start the sandbox counterparties")?;
    let clients = bootstrap::sandbox_market(&base, &args.tariffs).await?;
    let addresses = counterparties.addrs;
    let outside = Outside {
        police: format!("http://{}", addresses.police),
        models: format!("http://{}", addresses.models),
        tax: format!("http://{}", addresses.tax),
        bank: Some(Bank {
            url: format!("http://{}", addresses.bank),
            public_key: hex::encode(counterparties.bank_key()),
            credentials: Some(BankCredentials::Hmac),
            secret_file: Some(secret_file),
        }),
        bank_files: None,
    };
    let lanes = Lanes { lanes: args.lanes, ..Lanes::default() };
    let lake = Lake::in_folder(&data_dir.join("lake"));
    #[cfg(feature = "lake-cluster")]
    let lake = Lake { cluster: args.cluster.as_deref().map(LakeCluster::at), ..lake };
    let computing = Computing::default();
    let platform = platform(&base, &public_url, &outside, lanes, &lake, &computing).await?;
    announce(Announcement {
        api: String::new(),
        ops: String::new(),
        docs: String::new(),
        police: outside.police.clone(),
        models: outside.models.clone(),
        tax: outside.tax.clone(),
        bank: format!("http://{}", addresses.bank),
        database: cluster.url("commonwheel"),
        settings: write_settings(data_dir, &public_url, &cluster.url("commonwheel"), &outside)?,
        clients: clients.into_iter().map(AnnouncedClient::from).collect(),
    });
    let serving = serve(platform, doors, &clock, Health::new(), meters, stop.clone());
    tokio::pin!(serving);
    let served = loop {
        tokio::select! {
            served = &mut serving => break served,
            () = cluster.ended(), if !stop.is_cancelled() => {
                tracing::error!("the database ended; starting it again");
                if let Err(error) = cluster.restart().await {
                    tracing::error!(%error, "the database does not start again");
                    stop.cancel();
                }
            }
        }
    };
    counterparties.shutdown().await;
    served
}

impl From<SandboxClient> for AnnouncedClient {
    fn from(client: SandboxClient) -> AnnouncedClient {
        AnnouncedClient {
            insurer: client.insurer.map(str::to_owned),
            region: client.region.to_owned(),
            client_id: client.client_id,
            client_secret: client.secret,
        }
    }
}

/// Settings that reach this sandbox from another process: a second server, an operator's command.
fn write_settings(
    data_dir: &Path,
    public_url: &str,
    database: &str,
    outside: &Outside,
) -> anyhow::Result<PathBuf> {
    let path = data_dir.join("commonwheel.toml");
    let key = data_dir.join("master.key");
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let bank = outside.bank.as_ref().map_or_else(String::new, |bank| {
        let (url, key) = (quoted(&bank.url), quoted(&bank.public_key));
        let secret = bank.secret_file.as_ref().map_or_else(String::new, |file| {
            let file = quoted(&file.to_string_lossy());
            format!("credentials = \"hmac\"\nsecret_file = {file}\n")
        });
        format!("\n[outside.bank]\nurl = {url}\npublic_key = {key}\n{secret}")
    });
    let text = format!(
        "# Written by `commonwheel up` at every start.\n\
         [server]\npublic_url = {}\n\n[database]\nurl = {}\n\n\
         [security]\nmaster_key_file = {}\n\n\
         [lake]\naddress = {}\n\n\
         [outside]\npolice = {}\nmodels = {}\ntax = {}\n{bank}",
        quoted(public_url),
        quoted(database),
        quoted(&key.to_string_lossy()),
        quoted(&data_dir.join("lake").to_string_lossy()),
        quoted(&outside.police),
        quoted(&outside.models),
        quoted(&outside.tax),
    );
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Writes a secret for other processes of this sandbox, readable by nobody else.
fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let open =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = open.and_then(|mut file| file.write_all(secret.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// The master key of the sandbox, made at the first start and readable by nobody else.
fn master_key(path: &Path) -> anyhow::Result<MasterKey> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if !path.exists() {
        let key = MasterKey::generate()?;
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(key.to_text().as_bytes())?;
        file.sync_all()?;
    }
    MasterKey::read(path).with_context(|| format!("cannot read {}", path.display()))
}

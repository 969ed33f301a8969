//! The one binary of Commonwheel: a server, a sandbox market, and the commands of its operators.

mod actuarial_client;
mod bootstrap;
mod clock;
#[cfg(feature = "lake-cluster")]
mod cluster;
mod demo;
mod doctor;
#[cfg(test)]
mod documents;
mod lake;
mod looked_at;
mod member;
mod openapi;
mod policies;
mod quotes;
mod recorder;
mod recoveries;
mod scores;
mod serve;
mod settings;
mod tariff;
mod up;
mod wiring;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use crypto::MasterKey;
use jiff::Timestamp;
use kernel::{Clock, SetClock, SystemClock};
use telemetry::{BuildInfo, Health, Logs, Meters};
use tokio_util::sync::CancellationToken;

use crate::actuarial_client::{ActuarialCommand, Server};
use crate::clock::ServerClock;
use crate::lake::LakeCommand;
use crate::member::MemberCommand;
use crate::serve::{Doors, interrupted, serve};
use crate::settings::Settings;
use crate::tariff::TariffCommand;
use crate::up::{Announcement, UpArgs, up};
use crate::wiring::{Base, platform};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Commonwheel (同行): the shared platform of a motor-insurance market
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole sandbox market on this machine: database, counterparties, platform
    Up(UpArgs),
    /// Run a server against a PostgreSQL you name; docs/operations.md lists every setting
    Serve(ConfigArgs),
    /// Bring the database's schemas up to date
    Migrate(ConfigArgs),
    /// Check, load, publish and compare tariffs
    Tariff {
        #[command(flatten)]
        config: OptionalConfig,
        #[command(subcommand)]
        command: TariffCommand,
    },
    /// Register members of the market, their branches, clients and subscriptions
    Member {
        #[command(flatten)]
        config: OptionalConfig,
        /// Act at this instant; for a sandbox whose clock stands elsewhere than the machine's
        #[arg(long, global = true)]
        clock: Option<Timestamp>,
        #[command(subcommand)]
        command: MemberCommand,
    },
    /// The lake: the market's record as Parquet, and what is published from it
    Lake {
        #[command(flatten)]
        config: OptionalConfig,
        #[command(subcommand)]
        command: LakeCommand,
    },
    /// Nodes that compute questions over the lake, beside servers
    #[cfg(feature = "lake-cluster")]
    Cluster {
        #[command(flatten)]
        config: OptionalConfig,
        #[command(subcommand)]
        command: cluster::ClusterCommand,
    },
    /// Keys that sign access tokens
    Keys {
        #[command(flatten)]
        config: OptionalConfig,
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Import portfolios, and run actuarial methods on them, through the API of a server
    Actuarial {
        #[command(flatten)]
        server: Server,
        #[command(subcommand)]
        command: ActuarialCommand,
    },
    /// List what nobody should rely on yet: unconfirmed and synthetic tariff rows
    Doctor(doctor::DoctorArgs),
    /// Walk the market's story against a fresh sandbox and check every amount
    Demo(demo::DemoArgs),
    /// Write the API documents into openapi/, or check that they are up to date
    Openapi(openapi::OpenapiArgs),
}

#[derive(Debug, clap::Args)]
struct ConfigArgs {
    /// Settings file; variables COMMONWHEEL__SECTION__KEY go on top
    #[arg(long, env = "COMMONWHEEL_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct OptionalConfig {
    /// Settings file; variables COMMONWHEEL__SECTION__KEY go on top
    #[arg(long, env = "COMMONWHEEL_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Put a new signing key in use; tokens signed with the old one stay good until they expire
    Rotate,
}

/// What a shell says of a command whose reader went before its end.
const READER_GONE: i32 = 128 + 13;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Up(_) | Command::Serve(_)) {
        end_with_the_reader();
    }
    let ran = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(cli.command)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        // For the person at the terminal: what failed and why, without the program's insides.
        Err(error) => {
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Ends without a word once nobody reads what a command prints, as `| head` does: printing panics then.
fn end_with_the_reader() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        if text.is_some_and(|text| text.starts_with("failed printing to stdout")) {
            std::process::exit(READER_GONE);
        }
        told(panic);
    }));
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(args) => {
            Logs::default().begin()?;
            let stop = CancellationToken::new();
            let stopper = stop.clone();
            tokio::spawn(async move {
                interrupted().await;
                eprintln!("\nstopping: no new calls, finishing the last ones");
                stopper.cancel();
            });
            up(args, meters()?, stop, print_sandbox).await
        }
        Command::Serve(args) => serve_settings(read(&args)?).await,
        Command::Migrate(args) => {
            let settings = read(&args)?;
            base(&settings).await?;
            println!("the schemas are up to date");
            Ok(())
        }
        Command::Tariff { config, command } if command.needs_database() => {
            let base = base(&read(&ConfigArgs { config: config.config })?).await?;
            command.run(&base.db).await
        }
        Command::Tariff { command, .. } => command.run_alone(),
        Command::Member { config, clock, command } => {
            let mut base = base(&read(&ConfigArgs { config: config.config })?).await?;
            if let Some(at) = clock {
                base.clock = Arc::new(SetClock::at(at));
            }
            command.run(&base).await
        }
        Command::Lake { config, command } => {
            let settings = read(&ConfigArgs { config: config.config })?;
            command.run(&base(&settings).await?, &settings.lake).await
        }
        #[cfg(feature = "lake-cluster")]
        Command::Cluster { config, command } => {
            let settings = base_config::load(config.config.as_deref(), "COMMONWHEEL");
            command.run(&settings.context("cannot read the settings")?).await
        }
        Command::Keys { config, command: KeysCommand::Rotate } => {
            let base = base(&read(&ConfigArgs { config: config.config })?).await?;
            iam::rotate_keys(&base.db, &base.master, base.clock.now()).await?;
            println!("a new key is in use; servers follow within seconds");
            Ok(())
        }
        Command::Actuarial { server, command } => command.run(&server).await,
        Command::Doctor(args) => doctor::run(args),
        Command::Demo(args) => demo::run(args, meters()?).await,
        Command::Openapi(args) => openapi::run(&args),
    }
}

fn read(args: &ConfigArgs) -> anyhow::Result<Settings> {
    base_config::load(args.config.as_deref(), "COMMONWHEEL").with_context(|| match &args.config {
        Some(file) => format!("cannot read the settings of {}", file.display()),
        None => "cannot read the settings: name their file with --config".to_owned(),
    })
}

async fn base(settings: &Settings) -> anyhow::Result<Base> {
    let master = MasterKey::read(&settings.security.master_key_file)
        .with_context(|| format!("cannot read {}", settings.security.master_key_file.display()))?;
    let options = settings.database.url.parse().context("database.url is no PostgreSQL URL")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Base::open(options, settings.database.connections, master, clock).await
}

async fn serve_settings(settings: Settings) -> anyhow::Result<()> {
    settings.logs.begin()?;
    let meters = meters()?;
    let doors = {
        let server = &settings.server;
        Doors::open(server.listen, server.ops_listen, server.tls.as_ref()).await?
    };
    let base = base(&settings).await?;
    let platform = platform(
        &base,
        &settings.server.public_url,
        &settings.outside,
        settings.lanes,
        &settings.lake,
        &settings.actuarial,
    )
    .await?;
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        interrupted().await;
        stopper.cancel();
    });
    let (api, ops) = (doors.api.local_addr()?, doors.ops.local_addr()?);
    tracing::info!(
        api.address = %api,
        ops.address = %ops,
        "serving on {api}, health and metrics on {ops}"
    );
    serve(platform, doors, &ServerClock::Machine, Health::new(), meters, stop).await
}

fn meters() -> anyhow::Result<Meters> {
    let build = BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("COMMONWHEEL_COMMIT").unwrap_or_default(),
    };
    Ok(Meters::begin(build)?)
}

fn print_sandbox(sandbox: &Announcement) {
    println!("Commonwheel (同行) is up: a sandbox market, not for real policies.\n");
    println!("  API        {}      documents {}", sandbox.api, sandbox.docs);
    println!("  operations {}      /health/ready, /metrics", sandbox.ops);
    println!(
        "  sandbox    police {}  models {}  tax {}  bank {}",
        sandbox.police, sandbox.models, sandbox.tax, sandbox.bank
    );
    println!("  database   {}", sandbox.database);
    println!(
        "  settings   {}      for --config of the other commands\n",
        sandbox.settings.display()
    );
    println!("  insurer  region  client id         client secret");
    for client in &sandbox.clients {
        println!(
            "  {:<8} {}  {:<17} {}",
            client.insurer.as_deref().unwrap_or("-"),
            client.region,
            client.client_id,
            client.client_secret
        );
    }
    println!("\n  The README shows the first quote with curl. Ctrl-C stops everything.");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn no_two_arguments_of_a_command_share_a_name() {
        Cli::command().debug_assert();
    }
}

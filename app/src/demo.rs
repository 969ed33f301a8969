//! `commonwheel demo`: the market's story on a platform of its own, told to a person and checked.
//!
//! Four insurers in Jiangsu: one private car over its policy years, then the accidents, recoveries and
//! settlements of it and of other cars, and a premium the platform collects. Every expected amount is a
//! literal worked out from the tariff tables by hand; nothing is expected because the platform
//! said so before. The first step that differs ends the story and names itself.

mod market;
mod story;
mod teller;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use telemetry::{Logs, Meters};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::demo::market::Market;
use crate::demo::teller::Teller;
use crate::serve::interrupted;
use crate::up::{Announcement, UpArgs, up};

/// How the story is told.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Tariff bundle to publish; the story's amounts are worked out from the one in `tariffs`
    #[arg(long, default_value = "tariffs")]
    tariffs: PathBuf,
}

/// Starts a fresh sandbox, walks the story, stops the sandbox and removes its data.
pub(crate) async fn run(args: DemoArgs, meters: Meters) -> anyhow::Result<()> {
    Logs { filter: "error".to_owned(), ..Logs::default() }.begin()?;
    // Started by root, the database runs under another account, which must be able to walk in.
    let data = tempfile::Builder::new()
        .prefix("commonwheel-demo-")
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .context("cannot make a directory for the demo")?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let sandbox = UpArgs {
        data_dir: data.path().join("sandbox"),
        listen: any_port,
        ops_listen: any_port,
        sandbox_listen: any_port,
        tariffs: args.tariffs,
        clock: Some(story::begin()?),
        connections: 8,
        lanes: 3,
        #[cfg(feature = "lake-cluster")]
        cluster: None,
        announce: None,
    };
    let stop = CancellationToken::new();
    let (ready, announced) = oneshot::channel::<Announcement>();
    println!("starting a fresh platform with a database of its own ...");
    let mut platform = tokio::spawn(up(sandbox, meters, stop.clone(), move |announcement| {
        // Nobody listens any more only when the demo is over.
        let _ = ready.send(announcement.clone());
    }));
    let told = tokio::select! {
        told = walk(announced) => told,
        ended = &mut platform => {
            ended.context("the platform panicked")??;
            anyhow::bail!("the platform ended before the story did");
        }
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    stop.cancel();
    let stopped = platform.await.context("the platform panicked")?;
    told?;
    stopped.context("the platform did not stop cleanly")
}

async fn walk(announced: oneshot::Receiver<Announcement>) -> anyhow::Result<()> {
    let announcement = announced.await.context("the platform did not start")?;
    let mut market = Market::open(announcement)?;
    let mut teller = Teller::begin();
    story::walk(&mut market, &mut teller).await?;
    teller.end()
}

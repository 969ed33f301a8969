//! Counterparties nobody can have here, as real HTTP servers: traffic police (交管), vehicle model
//! library (车型库), tax authority (税务).
//!
//! Each server speaks its own written contract ([`police::openapi`], [`models::openapi`],
//! [`tax::openapi`]) on its own port and fails on demand ([`fault::Faults`]). Answers depend on data
//! alone: on records loaded beforehand, else on a stable hash of the VIN or plate asked, never on a
//! clock or on chance. All three look at one [`vehicle::VehicleRecord`] per vehicle. Nothing is kept
//! on disk, and no crate of the platform is used beyond the kernel: a counterparty is not ours.

pub mod accident;
mod control;
pub mod fault;
mod invent;
pub mod models;
pub mod parts;
pub mod police;
mod serve;
pub mod tax;
pub mod vehicle;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accident::Accident;
use crate::control::Calls;
use crate::fault::{Desk, Faults};
use crate::models::Model;
use crate::parts::Part;
use crate::tax::Declared;
use crate::vehicle::VehicleRecord;
use crate::world::World;

/// Where the three servers listen, and what they say of vehicles nobody loaded.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Traffic police. Port 0 takes a free one.
    pub police: SocketAddr,
    /// Vehicle model library. Port 0 takes a free one.
    pub models: SocketAddr,
    /// Tax authority. Port 0 takes a free one.
    pub tax: SocketAddr,
    /// What is said of vehicles that were not loaded.
    pub strangers: Strangers,
}

/// What is said of vehicles that were not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// A plausible vehicle is invented, the same for the same VIN or plate.
    Invented,
    /// Nobody knows them.
    Unknown,
}

impl Settings {
    /// Free ports on 127.0.0.1; strangers are invented.
    pub fn loopback() -> Settings {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Settings { police: any, models: any, tax: any, strangers: Strangers::Invented }
    }
}

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterparty {
    /// Traffic police.
    Police,
    /// Vehicle model library.
    Models,
    /// Tax authority.
    Tax,
}

impl Counterparty {
    /// All three.
    pub const ALL: [Counterparty; 3] =
        [Counterparty::Police, Counterparty::Models, Counterparty::Tax];

    /// Its name in logs and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Counterparty::Police => "police",
            Counterparty::Models => "models",
            Counterparty::Tax => "tax",
        }
    }
}

/// Where the servers ended up listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addrs {
    /// Traffic police.
    pub police: SocketAddr,
    /// Vehicle model library.
    pub models: SocketAddr,
    /// Tax authority.
    pub tax: SocketAddr,
}

/// A server could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr} for the sandbox's {name}")]
pub struct StartError {
    addr: SocketAddr,
    name: &'static str,
    #[source]
    cause: std::io::Error,
}

/// The running servers. Dropping it stops them without waiting; [`Sandbox::shutdown`] waits.
#[derive(Debug)]
pub struct Sandbox {
    /// Where they listen.
    pub addrs: Addrs,
    world: Arc<World>,
    desks: [Arc<Desk>; 3],
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts the three servers on the running Tokio runtime; they accept calls when this returns.
pub async fn start(settings: Settings) -> Result<Sandbox, StartError> {
    let world = Arc::new(World::new(settings.strangers));
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let desks = Counterparty::ALL.map(|_| Arc::new(Desk::new(stop.clone())));
    let wanted = [settings.police, settings.models, settings.tax];
    let mut addrs = wanted;
    let mut listeners = Vec::new();
    for (at, counterparty) in Counterparty::ALL.into_iter().enumerate() {
        let name = counterparty.name();
        let failed = |cause| StartError { addr: wanted[at], name, cause };
        let listener = TcpListener::bind(wanted[at]).await.map_err(failed)?;
        addrs[at] = listener.local_addr().map_err(failed)?;
        listeners.push(listener);
    }
    // Only when all three have their port does any of them answer.
    for ((counterparty, desk), listener) in Counterparty::ALL.into_iter().zip(&desks).zip(listeners)
    {
        let (contract, _) = match counterparty {
            Counterparty::Police => police::router(),
            Counterparty::Models => models::router(),
            Counterparty::Tax => tax::router(),
        }
        .split_for_parts();
        let app = control::with_control(contract, counterparty, &world, desk);
        tasks.spawn(serve::serve(listener, app, stop.clone()));
    }
    tasks.close();
    let [police, models, tax] = addrs;
    tracing::info!(%police, %models, %tax, "sandbox counterparties are listening");
    Ok(Sandbox { addrs: Addrs { police, models, tax }, world, desks, stop, tasks })
}

impl Sandbox {
    /// Loads a vehicle for all three, in place of an earlier record with its VIN.
    pub fn load(&self, vehicle: VehicleRecord) {
        self.world.load(vehicle);
    }

    /// Adds a model to the library, in place of one with its code.
    pub fn load_model(&self, model: Model) {
        self.world.load_model(model);
    }

    /// Adds a part to the library, in place of one with its code.
    pub fn load_part(&self, part: Part) {
        self.world.load_part(part);
    }

    /// Loads an accident for the police, in place of an earlier record with its number.
    pub fn load_accident(&self, accident: Accident) {
        self.world.load_accident(accident);
    }

    /// Makes one of them fail from now on; `Faults::default()` makes it well again.
    pub fn set_faults(&self, counterparty: Counterparty, faults: Faults) {
        self.desk(counterparty).set(faults);
    }

    /// What one of them was asked so far.
    pub fn calls(&self, counterparty: Counterparty) -> Calls {
        self.desk(counterparty).calls()
    }

    /// What was declared to the tax authority, void declarations included, by declaration number.
    pub fn declared(&self) -> Vec<Declared> {
        self.world.declared()
    }

    /// Stops accepting, lets calls under way end (hanging ones are let go) and waits for that.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn desk(&self, counterparty: Counterparty) -> &Desk {
        match counterparty {
            Counterparty::Police => &self.desks[0],
            Counterparty::Models => &self.desks[1],
            Counterparty::Tax => &self.desks[2],
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

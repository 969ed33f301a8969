//! Counterparties nobody can have here, as real HTTP servers: traffic police (交管), vehicle model
//! library (车型库), tax authority (税务), bank (银行).
//!
//! Each server speaks its own written contract ([`police::openapi`], [`models::openapi`],
//! [`tax::openapi`], [`bank::openapi`]) on its own port and fails on demand ([`fault::Faults`]). Answers depend on data
//! alone: on records loaded beforehand, else on a stable hash of the VIN or plate asked, never on a
//! clock or on chance. The first three look at one [`vehicle::VehicleRecord`] per vehicle. Nothing is kept
//! on disk, and no crate of the platform is used beyond the kernel: a counterparty is not ours.

pub mod accident;
pub mod bank;
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

use axum::middleware::from_fn_with_state;
use kernel::{Fen, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accident::Accident;
use crate::bank::{Access, Behaviour, Held, Notices, Standing, Till};
use crate::control::Calls;
use crate::fault::{Desk, Faults};
use crate::models::Model;
use crate::parts::Part;
use crate::tax::Declared;
use crate::vehicle::VehicleRecord;
use crate::world::World;

/// Where the servers listen, and what they say of vehicles nobody loaded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Traffic police. Port 0 takes a free one.
    pub police: SocketAddr,
    /// Vehicle model library. Port 0 takes a free one.
    pub models: SocketAddr,
    /// Tax authority. Port 0 takes a free one.
    pub tax: SocketAddr,
    /// Bank. Port 0 takes a free one.
    pub bank: SocketAddr,
    /// Where the bank's notices go, and how they are signed.
    pub notices: Notices,
    /// What the bank's callers must show.
    pub access: Access,
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
    /// Free ports on 127.0.0.1; strangers are invented, the bank tells nobody.
    pub fn loopback() -> Settings {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Settings {
            police: any,
            models: any,
            tax: any,
            bank: any,
            notices: Notices { url: None, seed: [7; 32], clock: Arc::new(SystemClock) },
            access: Access::Open,
            strangers: Strangers::Invented,
        }
    }
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterparty {
    /// Traffic police.
    Police,
    /// Vehicle model library.
    Models,
    /// Tax authority.
    Tax,
    /// Bank.
    Bank,
}

impl Counterparty {
    /// All of them.
    pub const ALL: [Counterparty; 4] =
        [Counterparty::Police, Counterparty::Models, Counterparty::Tax, Counterparty::Bank];

    /// Its name in logs and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Counterparty::Police => "police",
            Counterparty::Models => "models",
            Counterparty::Tax => "tax",
            Counterparty::Bank => "bank",
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
    /// Bank.
    pub bank: SocketAddr,
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
    desks: [Arc<Desk>; 4],
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts the servers on the running Tokio runtime; they accept calls when this returns.
pub async fn start(settings: Settings) -> Result<Sandbox, StartError> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let till = Till::new(settings.notices, settings.access, tasks.clone(), stop.clone());
    let till = Arc::new(till);
    let world = Arc::new(World::new(settings.strangers, till));
    let desks = Counterparty::ALL.map(|_| Arc::new(Desk::new(stop.clone())));
    let wanted = [settings.police, settings.models, settings.tax, settings.bank];
    let mut addrs = wanted;
    let mut listeners = Vec::new();
    for (at, counterparty) in Counterparty::ALL.into_iter().enumerate() {
        let name = counterparty.name();
        let failed = |cause| StartError { addr: wanted[at], name, cause };
        let listener = TcpListener::bind(wanted[at]).await.map_err(failed)?;
        addrs[at] = listener.local_addr().map_err(failed)?;
        listeners.push(listener);
    }
    // Only when all of them have their port does any of them answer.
    for ((counterparty, desk), listener) in Counterparty::ALL.into_iter().zip(&desks).zip(listeners)
    {
        let (contract, _) = match counterparty {
            Counterparty::Police => police::router(),
            Counterparty::Models => models::router(),
            Counterparty::Tax => tax::router(),
            Counterparty::Bank => bank::router(),
        }
        .split_for_parts();
        let contract = match counterparty {
            Counterparty::Bank => {
                contract.route_layer(from_fn_with_state(Arc::clone(&world), bank::check))
            }
            _ => contract,
        };
        let app = control::with_control(contract, counterparty, &world, desk);
        tasks.spawn(serve::serve(listener, app, stop.clone()));
    }
    tasks.close();
    let [police, models, tax, bank] = addrs;
    tracing::info!(%police, %models, %tax, %bank, "sandbox counterparties are listening");
    Ok(Sandbox { addrs: Addrs { police, models, tax, bank }, world, desks, stop, tasks })
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

    /// The public half of the key the bank signs its notices with.
    pub fn bank_key(&self) -> [u8; 32] {
        self.world.bank.public_key()
    }

    /// What the bank does with orders from now on.
    pub fn set_bank(&self, behaviour: Behaviour) {
        self.world.bank.behave(behaviour);
    }

    /// Orders on the bank's books, by id.
    pub fn bank_orders(&self) -> Vec<Held> {
        self.world.bank.orders()
    }

    /// Moves so much more of an order, all that is left when not said, and sends a notice.
    pub fn settle(&self, order_id: &str, more: Option<Fen>) -> Option<Standing> {
        self.world.bank.settle(order_id, more)
    }

    /// Ends an order, what moved stays moved, and sends a notice.
    pub fn reject(&self, order_id: &str, reason: &str) -> Option<Standing> {
        self.world.bank.reject(order_id, reason)
    }

    /// Gives so much back, all that moved when not said, and sends a notice.
    pub fn give_back(&self, order_id: &str, more: Option<Fen>, reason: &str) -> Option<Standing> {
        self.world.bank.give_back(order_id, more, reason)
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
            Counterparty::Bank => &self.desks[3],
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

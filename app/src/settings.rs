//! Settings of a server: a TOML file, and variables `COMMONWHEEL__SECTION__KEY` on top of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// Everything a server is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) security: Security,
    pub(crate) outside: Outside,
    #[serde(default)]
    pub(crate) lanes: Lanes,
    #[serde(default)]
    pub(crate) actuarial: Computing,
    #[serde(default)]
    pub(crate) logs: telemetry::Logs,
}

/// Where it listens and how it is known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Address of the API.
    #[serde(default = "api_address")]
    pub(crate) listen: SocketAddr,
    /// Address of health and metrics; not for the outside.
    #[serde(default = "ops_address")]
    pub(crate) ops_listen: SocketAddr,
    /// Public address of the API, the issuer of tokens.
    pub(crate) public_url: String,
    /// Certificate and key; plain HTTP, for a trusted proxy in front, when absent.
    #[serde(default)]
    pub(crate) tls: Option<base_http::tls::TlsSettings>,
}

/// Which database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// URL of a login that owns the schemas; calls are served under `commonwheel_app`.
    pub(crate) url: String,
    /// Most connections.
    #[serde(default = "connections")]
    pub(crate) connections: u32,
}

/// Keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Security {
    /// File with the master key, 32 bytes as hexadecimal or base64.
    pub(crate) master_key_file: PathBuf,
}

/// Addresses of the outside systems.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outside {
    pub(crate) police: String,
    pub(crate) models: String,
    pub(crate) tax: String,
    /// Payment orders wait when there is none.
    #[serde(default)]
    pub(crate) bank: Option<Bank>,
}

/// How the bank is reached and known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bank {
    /// Its address.
    pub(crate) url: String,
    /// The Ed25519 key its notices are signed with, 64 hexadecimal digits.
    pub(crate) public_key: String,
}

/// How hot calls are gathered into sets.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Lanes {
    /// Sets under way at once.
    pub(crate) lanes: usize,
    /// Most members of a set.
    pub(crate) set: usize,
    /// Most calls waiting.
    pub(crate) queue: usize,
}

/// Where portfolios are kept, and how much is imported and computed at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Computing {
    /// A folder, or an address of an object store, that all servers share.
    pub(crate) lake: String,
    /// Options of the object store.
    pub(crate) lake_options: BTreeMap<String, String>,
    /// Runs computed at once; each takes two cores. None: this server computes nothing.
    pub(crate) runs_at_once: usize,
    /// Imports made at once.
    pub(crate) imports_at_once: usize,
    /// Imports and runs of one tenant that may be queued or running.
    pub(crate) jobs_of_tenant: u32,
    /// Largest file that may be uploaded.
    pub(crate) largest_upload_mib: u64,
    /// Rows a run reads at most.
    pub(crate) most_rows: u64,
}

impl Default for Computing {
    fn default() -> Computing {
        Computing {
            lake: "data/lake".to_owned(),
            lake_options: BTreeMap::new(),
            runs_at_once: 1,
            imports_at_once: 1,
            jobs_of_tenant: 20,
            largest_upload_mib: 512,
            most_rows: 20_000_000,
        }
    }
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { lanes: 3, set: 128, queue: 4096 }
    }
}

impl From<Lanes> for pg::coalesce::Lanes {
    fn from(lanes: Lanes) -> pg::coalesce::Lanes {
        pg::coalesce::Lanes { lanes: lanes.lanes, set: lanes.set, queue: lanes.queue }
    }
}

fn api_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn ops_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9090))
}

fn connections() -> u32 {
    16
}

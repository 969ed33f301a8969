//! Settings of a server: a TOML file, and variables `COMMONWHEEL__SECTION__KEY` on top of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use analytics::suppress::Rule;
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
    /// None is kept when there is none.
    #[serde(default)]
    pub(crate) lake: Option<Lake>,
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
    /// A bank over HTTP. Payment orders wait when there is none.
    #[serde(default)]
    pub(crate) bank: Option<Bank>,
    /// A bank over files instead.
    #[serde(default)]
    pub(crate) bank_files: Option<BankFiles>,
}

/// How the bank is reached and known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bank {
    /// Its address.
    pub(crate) url: String,
    /// The Ed25519 key its notices are signed with, 64 hexadecimal digits.
    pub(crate) public_key: String,
    /// How calls show who calls; not at all when absent.
    #[serde(default)]
    pub(crate) credentials: Option<BankCredentials>,
    /// File with the token or secret; its spaces at both ends do not count.
    #[serde(default)]
    pub(crate) secret_file: Option<PathBuf>,
}

/// How calls show a bank who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BankCredentials {
    /// A token it gave out.
    Bearer,
    /// A signature with a secret shared with it.
    Hmac,
}

/// A bank whose gateway exchanges ISO 20022 files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BankFiles {
    /// Where its gateway collects orders.
    pub(crate) outbox: PathBuf,
    /// Where it leaves statements.
    pub(crate) inbox: PathBuf,
    /// What the platform is to the bank.
    #[serde(default)]
    pub(crate) standing: BankStanding,
    /// 联行号 or BIC of the bank.
    pub(crate) bank: String,
    /// The platform's account.
    pub(crate) account: String,
    /// The platform's name on payments.
    pub(crate) name: String,
}

/// What the platform is to its bank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BankStanding {
    /// A customer: pain.001.
    #[default]
    Customer,
    /// A member of the clearing system: pacs.008.
    Member,
}

/// The lake that the operational store flows into.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lake {
    /// A folder, `file://` or `s3://bucket/prefix`.
    pub(crate) address: String,
    /// Options of S3; what they leave open is read from the environment.
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
    /// How often the store is read on.
    #[serde(default = "lake_every")]
    pub(crate) every_s: u64,
    /// How long versions are kept that nothing rests on.
    #[serde(default = "lake_keep")]
    pub(crate) keep_days: u32,
    /// When a cell of the market may be told.
    #[serde(default)]
    pub(crate) publication: Publication,
}

impl Lake {
    /// A lake in a folder, everything else as it is where nobody says otherwise.
    pub(crate) fn in_folder(folder: &Path) -> Lake {
        Lake {
            address: folder.to_string_lossy().into_owned(),
            options: BTreeMap::new(),
            every_s: lake_every(),
            keep_days: lake_keep(),
            publication: Publication::default(),
        }
    }
}

/// The address and the options may hold secrets.
impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lake").field("every_s", &self.every_s).finish_non_exhaustive()
    }
}

/// Insurers and records that must be left when any one insurer is taken out of a cell, and the
/// largest share, in ten-thousandths, any may have of what is left.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Publication {
    pub(crate) contributors: usize,
    pub(crate) records: u64,
    pub(crate) largest_bp: u32,
}

impl Default for Publication {
    fn default() -> Publication {
        let Rule { contributors, records, largest_bp } = Rule::default();
        Publication { contributors, records, largest_bp }
    }
}

impl From<Publication> for Rule {
    fn from(publication: Publication) -> Rule {
        let Publication { contributors, records, largest_bp } = publication;
        Rule { contributors, records, largest_bp }
    }
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

fn lake_every() -> u64 {
    300
}

fn lake_keep() -> u32 {
    7
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

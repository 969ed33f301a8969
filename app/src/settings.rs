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
    #[serde(default)]
    pub(crate) lake: Lake,
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

/// The lake: the market's record, which the operational store flows into, and the rows of datasets.
/// All servers share it.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Lake {
    /// A folder, `file://` or `s3://bucket/prefix`.
    pub(crate) address: String,
    /// Options of S3; what they leave open is read from the environment.
    pub(crate) options: BTreeMap<String, String>,
    /// How often the store is read on; 0: this server does not feed the lake.
    pub(crate) every_s: u64,
    /// How long versions are kept that nothing rests on; a week when absent. The engine's.
    pub(crate) keep_days: Option<u32>,
    /// When a cell of the market may be told. The engine's.
    pub(crate) publication: Option<Publication>,
    /// What questions may take. The engine's.
    pub(crate) questions: Option<Asking>,
    /// Who computes them, where not this server.
    pub(crate) cluster: Option<Cluster>,
}

/// A Ballista cluster that computes questions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "lake-cluster"), expect(dead_code, reason = "refused as a whole"))]
pub(crate) struct Cluster {
    /// `http://host:port`
    pub(crate) scheduler: String,
    /// Into how many parts a question is taken apart.
    pub(crate) parts: Option<usize>,
}

#[cfg(feature = "lake-cluster")]
impl Cluster {
    /// The cluster of a scheduler.
    pub(crate) fn at(scheduler: &str) -> Cluster {
        Cluster { scheduler: scheduler.to_owned(), parts: None }
    }
}

impl Lake {
    /// A lake in a folder, everything else as it is where nobody says otherwise.
    pub(crate) fn in_folder(folder: &Path) -> Lake {
        Lake { address: folder.to_string_lossy().into_owned(), ..Lake::default() }
    }

    /// Refuses what this program cannot do: a setting that silently does nothing is the worst kind.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let of_engine = [
            (self.keep_days.is_some(), "[lake] keep_days"),
            (self.publication.is_some(), "[lake.publication]"),
            (self.questions.is_some(), "[lake.questions]"),
        ];
        if self.cluster.is_some() && cfg!(not(feature = "lake-cluster")) {
            anyhow::bail!(
                "[lake.cluster] is for a program with the feature lake-cluster, and this one was built \
                 without: build it with the feature, or take the setting out"
            );
        }
        match of_engine.iter().find(|(set, _)| *set && cfg!(not(feature = "analytics-engine"))) {
            None => Ok(()),
            Some((_, name)) => anyhow::bail!(
                "{name} is for the engine, which this program was built without: build it with the \
                 feature analytics-engine, or take the setting out"
            ),
        }
    }
}

impl Default for Lake {
    fn default() -> Lake {
        Lake {
            address: "data/lake".to_owned(),
            options: BTreeMap::new(),
            every_s: 300,
            keep_days: None,
            publication: None,
            questions: None,
            cluster: None,
        }
    }
}

/// The address and the options may hold secrets.
impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lake").field("every_s", &self.every_s).finish_non_exhaustive()
    }
}

/// What questions may take.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Asking {
    /// Threads of all questions.
    pub(crate) threads: usize,
    /// Questions at once; one more waits.
    pub(crate) at_once: usize,
    /// Questions of one tenant at once; one more is refused.
    pub(crate) of_tenant: u32,
    /// Memory of one question.
    pub(crate) memory_mib: usize,
    /// How long one may be computed.
    pub(crate) time_s: u64,
    /// Rows of an answer that is sent as it is computed.
    pub(crate) most_rows: usize,
}

impl Default for Asking {
    fn default() -> Asking {
        Asking {
            threads: 2,
            at_once: 4,
            of_tenant: 2,
            memory_mib: 512,
            time_s: 60,
            most_rows: 50_000_000,
        }
    }
}

#[cfg(feature = "analytics-engine")]
impl From<Asking> for analytics::engine::Limits {
    fn from(asking: Asking) -> analytics::engine::Limits {
        analytics::engine::Limits {
            threads: asking.threads,
            at_once: asking.at_once,
            memory_bytes: asking.memory_mib << 20,
            time: std::time::Duration::from_secs(asking.time_s),
            sent_rows: asking.most_rows,
            ..Default::default()
        }
    }
}

/// A setting that has another place now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moved;

impl<'de> Deserialize<'de> for Moved {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Moved, D::Error> {
        let said = "a server has one lake now: set address and options of [lake] instead";
        Err(serde::de::Error::custom(said))
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

/// How much is imported and computed at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Computing {
    #[serde(rename = "lake")]
    _lake: Moved,
    #[serde(rename = "lake_options")]
    _lake_options: Moved,
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
            _lake: Moved,
            _lake_options: Moved,
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
        pg::coalesce::Lanes {
            lanes: lanes.lanes,
            set: lanes.set,
            queue: lanes.queue,
            ..pg::coalesce::Lanes::default()
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        server.public_url = "http://localhost"
        database.url = "postgres://localhost/commonwheel"
        security.master_key_file = "key"
        outside = { police = "p", models = "m", tax = "t" }
    "#;

    fn read(more: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{LEAST}{more}")).unwrap();
        base_config::load_with(Some(file.path()), "COMMONWHEEL", [])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_server_has_one_lake_and_the_old_places_name_it() {
        assert_eq!(read("").unwrap().lake.address, "data/lake");
        let lake = read("[lake]\naddress = \"/srv/lake\"").unwrap().lake;
        assert_eq!((&*lake.address, lake.every_s), ("/srv/lake", 300));
        for old in ["lake = \"data/lake\"", "lake_options = { region = \"cn\" }"] {
            let said = read(&format!("[actuarial]\n{old}")).unwrap_err();
            assert!(said.contains("actuarial.lake") && said.contains("[lake]"), "{said}");
        }
    }

    #[test]
    fn settings_of_the_engine_are_refused_where_there_is_none() {
        let engine = cfg!(feature = "analytics-engine");
        for set in ["[lake]\nkeep_days = 3", "[lake.publication]\nrecords = 9", "[lake.questions]"]
        {
            let said = read(set).unwrap().lake.check().map_err(|error| error.to_string());
            assert_eq!(said.is_ok(), engine, "{set}");
            if let Err(said) = said {
                assert!(said.contains("analytics-engine"), "{said}");
            }
        }
        assert!(read("").unwrap().lake.check().is_ok());
    }
}

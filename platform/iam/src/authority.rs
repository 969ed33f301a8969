//! The authorisation server: issues tokens, judges them, publishes its keys.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crypto::MasterKey;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids, TenantId};
use pg::{Db, Scope};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bounded::Bounded;
use crate::keys::KeySet;
use crate::throttle::Throttle;
use crate::verify::Verified;
use crate::{IamError, metadata, store, token};

/// How often servers look for rotated keys, disabled clients and suspended tenants.
const REFRESH_EVERY: Duration = Duration::from_secs(3);

/// Tokens whose signature need not be checked again; at most twice as many are held.
const HOT_TOKENS: usize = 20_000;

/// What the tokens of an installation say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `iss`: the public address of the platform, without a slash at the end.
    pub issuer: String,
    /// `aud`: the API the tokens are for.
    pub audience: String,
    /// How long a token holds.
    pub token_life: SignedDuration,
}

impl Settings {
    /// Tokens for the API at `issuer`, good for fifteen minutes.
    pub fn new(issuer: impl Into<String>) -> Settings {
        let issuer = issuer.into().trim_end_matches('/').to_owned();
        Settings { audience: issuer.clone(), issuer, token_life: SignedDuration::from_mins(15) }
    }
}

/// Issues and judges access tokens. One per process, shared.
pub struct Authority {
    pub(crate) db: Db,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) throttle: Throttle,
    pub(crate) hot: Bounded<[u8; 32], Arc<Verified>>,
    /// Serialises reads forced by unknown keys and tells when the last one was.
    pub(crate) forced: tokio::sync::Mutex<Option<tokio::time::Instant>>,
    state: RwLock<Arc<State>>,
}

/// What the database said a few seconds ago at most.
pub(crate) struct State {
    pub(crate) keys: KeySet,
    pub(crate) disabled: HashSet<String>,
    pub(crate) bound: HashMap<String, Vec<IpNet>>,
    pub(crate) inactive: HashSet<TenantId>,
}

impl Authority {
    /// Reads the keys, making the first one of a new installation.
    pub async fn start(
        db: Db,
        master: Arc<MasterKey>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Result<Authority, IamError> {
        let state = State::read(&db, &master, &settings, clock.now()).await?;
        Ok(Authority {
            db,
            master,
            settings,
            clock,
            ids,
            throttle: Throttle::new(),
            hot: Bounded::new(HOT_TOKENS),
            forced: tokio::sync::Mutex::new(None),
            state: RwLock::new(Arc::new(state)),
        })
    }

    /// Reads keys, disabled clients and suspended tenants again.
    pub async fn refresh(&self) -> Result<(), IamError> {
        let now = self.clock.now();
        let state = State::read(&self.db, &self.master, &self.settings, now).await?;
        *self.state.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(state);
        Ok(())
    }

    /// Keeps all of it fresh until `stop`. What was read last serves on while the database is out
    /// of reach.
    pub async fn keep_fresh(self: Arc<Authority>, stop: CancellationToken) {
        let mut ticks = interval(REFRESH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "cannot read signing keys again, using the last ones");
            }
        }
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl State {
    async fn read(
        db: &Db,
        master: &MasterKey,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<State, IamError> {
        let keys = KeySet::load(db, master, settings.token_life, now).await?;
        let since = now.checked_sub(settings.token_life).unwrap_or(Timestamp::MIN);
        let mut disabled = HashSet::new();
        let mut bound = HashMap::new();
        for client in store::watched(db, since).await? {
            if client.disabled {
                disabled.insert(client.client_id);
            } else {
                bound.insert(client.client_id, networks(&client.sources)?);
            }
        }
        let mut tx = db.begin(Scope::nobody()).await?;
        let inactive = tenancy::inactive(tx.conn()).await?.into_iter().collect();
        tx.rollback().await?;
        Ok(State { keys, disabled, bound, inactive })
    }
}

/// The networks of a client as stored.
pub(crate) fn networks(sources: &[String]) -> Result<Vec<IpNet>, IamError> {
    sources.iter().map(|source| source.parse().map_err(|_| IamError::Corrupt)).collect()
}

/// The endpoints: token, keys, metadata. They are open to everyone and need no function code.
pub fn routes(authority: Arc<Authority>) -> OpenApiRouter {
    open_routes().with_state(authority)
}

/// The document of the endpoints, without an authority behind them.
pub fn document() -> utoipa::openapi::OpenApi {
    open_routes().into_openapi()
}

fn open_routes() -> OpenApiRouter<Arc<Authority>> {
    OpenApiRouter::new()
        .routes(routes!(token::issue_token))
        .routes(routes!(metadata::signing_keys))
        .routes(routes!(metadata::server_metadata))
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("settings", &self.settings).finish_non_exhaustive()
    }
}

//! Puts the rooms together: database, identity, gate, spine, the production cloud, its routes.

use std::sync::Arc;
use std::time::Duration;

use actuarial::Actuarial;
use actuarial::model::retrain::LabelledClaims;
use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use base_http::body::LARGEST_BODY;
use base_http::door::Door;
use base_http::{Function, Problem, Spine, problem, trace};
use clearing::Clearing;
use clearing::ledger::{self, Ledger};
use clearing::payment::bank::{Bank, Credentials, FileBank, HttpBank, NoBank, Standing};
use clearing::payment::iso20022::Sender;
use clearing::payment::payee::{BankAccount, BankAccountBody};
use crypto::{IndexKey, MasterKey, SigningKey};
use evidence::AccessLog;
use iam::Authority;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids};
use metering::Seen;
use pg::{Db, PoolSettings};
use production::book::TariffBook;
use production::challenge::Challenges;
use production::outside::{self, Outside};
use production::sealed::Sealer;
use production::{Parts, Production};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use tenancy::{Parameters, TenantKeys};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use crate::bootstrap;
use crate::lake::{Keeper, OpenLake};
use crate::looked_at::OnVehicles;
use crate::policies::ProductionPolicies;
use crate::recorder::SideRows;
use crate::recoveries::{self, Locks, Register};
use crate::scores::{Investigated, Models};
use crate::settings::{
    Bank as BankSettings, BankCredentials, BankFiles, BankStanding, Computing,
    Lake as LakeSettings, Lanes, Outside as OutsideSettings,
};

/// How long a stored idempotency answer is kept.
const KEEP_ANSWERS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often old answers are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// The schemas, in the order of their dependencies.
pub(crate) fn migrations() -> [&'static Migrator; 10] {
    [
        &base_http::MIGRATIONS,
        &tenancy::MIGRATIONS,
        &iam::MIGRATIONS,
        &catalogue::MIGRATIONS,
        &metering::MIGRATIONS,
        &evidence::MIGRATIONS,
        &events::MIGRATIONS,
        &production::MIGRATIONS,
        &clearing::MIGRATIONS,
        &actuarial::MIGRATIONS,
    ]
}

/// Every function offered.
pub(crate) fn functions() -> Vec<&'static Function> {
    [
        production::function::ALL,
        clearing::function::ALL,
        actuarial::function::ALL,
        evidence::function::ALL,
    ]
    .concat()
}

/// A database, migrated, with its pool and keys.
pub(crate) struct Base {
    pub(crate) db: Db,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
}

impl Base {
    /// Migrates as the owner and opens the pool under the application's role.
    pub(crate) async fn open(
        options: PgConnectOptions,
        connections: u32,
        master: MasterKey,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Base> {
        pg::migrate::migrate(&options, &migrations())
            .await
            .context("cannot migrate the database")?;
        let settings = PoolSettings { connections, ..PoolSettings::default() };
        let db = Db::connect(options, settings).await.context("cannot connect to the database")?;
        Ok(Base { db, master: Arc::new(master), clock, ids: Arc::new(Ids::from_os()) })
    }
}

/// A running platform: its routes, and what must end with it.
pub(crate) struct Platform {
    pub(crate) api: Router,
    pub(crate) db: Db,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Builds the platform and starts its background tasks.
pub(crate) async fn platform(
    base: &Base,
    public_url: &str,
    outside: &OutsideSettings,
    lanes: Lanes,
    lake: &LakeSettings,
    computing: &Computing,
) -> anyhow::Result<Platform> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let now = base.clock.now();
    catalogue::sync(&base.db, bootstrap::LEVELS, &functions(), now)
        .await
        .context("cannot register the functions")?;
    let parameters = Arc::new(Parameters::load(&base.db).await?);
    let gate = Arc::new(catalogue::Gate::load(&base.db, parameters.clone()).await?);
    let authority = Authority::start(
        base.db.clone(),
        base.master.clone(),
        iam::Settings::new(public_url),
        base.clock.clone(),
        base.ids.clone(),
    );
    let authority = Arc::new(authority.await.context("cannot set up identity")?);
    let operator = bootstrap::operator(base).await?;
    let recorder = Arc::new(SideRows { ids: base.ids.clone(), seen: Seen::default() });
    let spine = Spine::new(base.db.clone(), recorder.clone(), base.clock.clone(), base.ids.clone());
    let (bank, bank_key) = bank(base, outside)?;
    let outside = Outside::new(
        outside::Settings::new(&outside.police, &outside.models, &outside.tax),
        base.clock.clone(),
        base.ids.clone(),
    )
    .context("cannot set up the outside systems")?;
    let book = Arc::new(TariffBook::open(base.db.clone()).await?);
    let keys = Arc::new(TenantKeys::new(base.db.clone(), base.master.clone()));
    let challenge_key = IndexKey::new(&base.master.derive("production.challenge"));
    let open = OpenLake::open(lake, base.ids.clone())?;
    let actuarial = Actuarial::new(
        spine.clone(),
        keys.clone(),
        open.lake.clone(),
        open.questions(),
        actuarial::Settings { market: Some(operator), ..computing.bounds(lake) },
    );
    let production = Production::start(
        Parts {
            spine: spine.clone(),
            book: book.clone(),
            outside,
            sealer: Sealer::new(keys.clone(), operator),
            challenges: Arc::new(Challenges::new(parameters.clone(), challenge_key)),
            locks: Arc::new(Locks),
            scorer: Arc::new(Models(actuarial.clone())),
            quote_writer: recorder,
        },
        lanes.into(),
        &tasks,
        &stop,
    );
    let ledger = Ledger::start(
        base.db.clone(),
        base.clock.clone(),
        base.ids.clone(),
        ledger::LANES,
        &tasks,
        &stop,
    );
    let statement_key = SigningKey::from_seed(&base.master.derive("clearing.statement"))
        .context("cannot make the key of settlement statements")?;
    let parts = clearing::Parts {
        spine: spine.clone(),
        ledger,
        statement_key,
        keys,
        bank,
        bank_key,
        policies: Arc::new(ProductionPolicies(production.clone())),
        market: Arc::new(Register { production: production.clone() }),
        operator,
        parameters: parameters.clone(),
    };
    let clearing = Clearing::start(parts, &tasks, &stop);
    tasks.spawn(parameters.keep_fresh(base.db.clone(), stop.clone()));
    tasks.spawn(gate.clone().keep_fresh(base.db.clone(), stop.clone()));
    tasks.spawn(authority.clone().keep_fresh(stop.clone()));
    tasks.spawn(book.clone().keep_fresh(stop.clone()));
    tasks.spawn(production.clone().keep_delivering(stop.clone()));
    tasks.spawn(production.clone().keep_exporting(stop.clone()));
    tasks.spawn(clearing.clone().keep_serving_orders(stop.clone()));
    tasks.spawn(actuarial.clone().keep_working(stop.clone()));
    tasks.spawn(actuarial.clone().keep_models_fresh(stop.clone()));
    tasks.spawn(recoveries::keep_telling(
        production.clone(),
        clearing.clone(),
        base.clock.clone(),
        stop.clone(),
    ));
    if lake.every_s > 0 {
        tasks.spawn(Keeper::new(base, open, book, lake).keep(stop.clone()));
    }
    tasks.spawn(forget(base.db.clone(), base.clock.clone(), stop.clone()));
    let door = Arc::new(Door {
        authenticate: authority.clone(),
        subscriptions: gate,
        clock: base.clock.clone(),
        ids: base.ids.clone(),
        db: base.db.clone(),
    });
    let on_vehicles = OnVehicles { production: production.clone() };
    let accesses = AccessLog::new(spine, Arc::new(on_vehicles));
    let (routes, document) = routes(authority, production, clearing, actuarial, accesses);
    // One layer made of four, the first outermost: each layer of a router copies all below it for each
    // request.
    let before = (
        axum::middleware::from_fn_with_state(base.ids.clone(), trace::layer),
        CatchPanicLayer::custom(panicked),
        DefaultBodyLimit::max(LARGEST_BODY),
        base_http::openapi::before(door),
    );
    let api = routes
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .fallback(not_found)
        .method_not_allowed_fallback(no_method)
        .layer(before);
    Ok(Platform { api, db: base.db.clone(), tasks, stop })
}

impl Computing {
    /// What a server and a tenant may take.
    fn bounds(&self, lake: &LakeSettings) -> actuarial::Settings {
        let commit = option_env!("COMMONWHEEL_COMMIT").filter(|commit| !commit.is_empty());
        let version = env!("CARGO_PKG_VERSION");
        actuarial::Settings {
            runs_at_once: self.runs_at_once,
            imports_at_once: self.imports_at_once,
            jobs_of_tenant: self.jobs_of_tenant,
            largest_upload: self.largest_upload_mib << 20,
            most_rows: self.most_rows,
            questions_of_tenant: lake.questions.unwrap_or_default().of_tenant,
            market: None,
            code_version: commit
                .map_or_else(|| version.to_owned(), |commit| format!("{version}+{commit}")),
        }
    }
}

/// The bank, and the key its notices are signed with. Without one, orders wait.
fn bank(base: &Base, outside: &OutsideSettings) -> anyhow::Result<(Arc<dyn Bank>, [u8; 32])> {
    let settings = match (&outside.bank, &outside.bank_files) {
        (Some(_), Some(_)) => anyhow::bail!(
            "[outside.bank] and [outside.bank_files] are two ways to reach one bank: set one of them"
        ),
        (None, Some(files)) => return Ok((Arc::new(file_bank(files)?), [0; 32])),
        (None, None) => return Ok((Arc::new(NoBank), [0; 32])),
        (Some(settings), None) => settings,
    };
    let key =
        hex::decode(&settings.public_key).context("the bank's public key is no hexadecimal")?;
    let key = <[u8; 32]>::try_from(key).ok().context("the bank's public key has not 32 bytes")?;
    let credentials = bank_credentials(settings)?;
    let (clock, ids) = (base.clock.clone(), base.ids.clone());
    let bank = HttpBank::new(&settings.url, credentials, clock, ids);
    Ok((Arc::new(bank.context("cannot set up the bank")?), key))
}

/// How the bank is shown who calls. The secret is named by its file alone.
fn bank_credentials(settings: &BankSettings) -> anyhow::Result<Credentials> {
    let (kind, file) = match (settings.credentials, &settings.secret_file) {
        (None, None) => return Ok(Credentials::Open),
        (Some(kind), Some(file)) => (kind, file),
        (None, Some(_)) => anyhow::bail!(
            "[outside.bank] secret_file is set, but not credentials: \"bearer\" or \"hmac\""
        ),
        (Some(_), None) => {
            anyhow::bail!("[outside.bank] credentials is set, but not secret_file")
        }
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read [outside.bank] secret_file {}", file.display()))?;
    let secret = text.trim();
    let credentials = match kind {
        BankCredentials::Bearer => Credentials::bearer(secret),
        BankCredentials::Hmac => Credentials::hmac(secret.as_bytes()),
    };
    credentials.with_context(|| format!("cannot use [outside.bank] secret_file {}", file.display()))
}

/// A bank over files. Nobody signs for it: no notice is taken.
fn file_bank(settings: &BankFiles) -> anyhow::Result<FileBank> {
    let account = BankAccountBody {
        bank: settings.bank.clone(),
        account: settings.account.clone(),
        name: settings.name.clone(),
    };
    let account = BankAccount::read(&account, "").map_err(|findings| {
        let found = findings.iter().map(|finding| {
            let key = finding.pointer.trim_start_matches('/');
            format!("[outside.bank_files] {key}: {}", finding.detail)
        });
        anyhow::anyhow!("{}", found.collect::<Vec<_>>().join("; "))
    })?;
    let sender = Sender { name: settings.name.clone(), account };
    let standing = match settings.standing {
        BankStanding::Customer => Standing::Customer,
        BankStanding::Member => Standing::Member,
    };
    let (outbox, inbox) = (settings.outbox.clone(), settings.inbox.clone());
    FileBank::open(sender, standing, outbox, inbox).context("[outside.bank_files] cannot be used")
}

fn routes(
    authority: Arc<Authority>,
    production: Production,
    clearing: Clearing,
    actuarial: Actuarial,
    accesses: AccessLog,
) -> (Router, OpenApi) {
    let labels: Arc<dyn LabelledClaims> = Arc::new(Investigated(production.clone()));
    let (production, of_production) =
        production::api::router().with_state(production).split_for_parts();
    let signed = clearing::api::signed_router().with_state(clearing.clone());
    let (clearing, of_clearing) = clearing::api::router().with_state(clearing).split_for_parts();
    let (actuarial, of_actuarial) =
        actuarial::api::router().with_state(actuarial).split_for_parts();
    let actuarial = actuarial.layer(axum::Extension(labels));
    let (evidence, of_evidence) = evidence::api::router().with_state(accesses).split_for_parts();
    let (identity, of_identity) = iam::routes(authority).split_for_parts();
    let routes =
        production.merge(clearing).merge(signed).merge(actuarial).merge(evidence).merge(identity);
    (routes, complete(of_production, [of_clearing, of_actuarial, of_evidence, of_identity]))
}

/// The API document alone, without a platform behind it.
pub(crate) fn document() -> OpenApi {
    let production: OpenApiRouter<Production> = production::api::router();
    let clearing: OpenApiRouter<Clearing> = clearing::api::router();
    let actuarial: OpenApiRouter<Actuarial> = actuarial::api::router();
    let evidence: OpenApiRouter<AccessLog> = evidence::api::router();
    let others = [
        clearing.into_openapi(),
        actuarial.into_openapi(),
        evidence.into_openapi(),
        iam::document(),
    ];
    complete(production.into_openapi(), others)
}

fn complete(mut document: OpenApi, others: [OpenApi; 4]) -> OpenApi {
    for other in others {
        document.merge(other);
    }
    document.info.title = "Commonwheel (同行)".to_owned();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.license = None;
    document.info.contact = None;
    document.info.description = Some(
        "The shared platform of a motor-insurance market: quote, pre-confirm, pay, confirm, \
         endorse, surrender, claim, settle; price and reserve; and who looked at whose records. Amounts are decimal strings in yuan; instants are RFC 3339; hours of \
         cover are civil time in China. Get a token at /oauth/token with client credentials."
            .to_owned(),
    );
    base_http::openapi::complete(&mut document, "/oauth/token", &functions());
    document
}

async fn forget(db: Db, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(FORGET_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let before = clock.now().checked_sub(KEEP_ANSWERS).unwrap_or(Timestamp::MIN);
        if let Err(error) = base_http::idempotency::forget(&db, before, 10_000).await {
            tracing::warn!(%error, "cannot forget old idempotency answers; later");
        }
    }
}

async fn not_found() -> Problem {
    Problem::new(&problem::NOT_FOUND, "there is no such path; GET /openapi.json lists them all")
}

async fn no_method() -> Problem {
    Problem::new(&problem::METHOD, "this path does not offer the method; see /openapi.json")
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> http::Response<axum::body::Body> {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    tracing::error!(panic = text, "a call panicked");
    Problem::new(&problem::INTERNAL, "the failure is logged under the trace id").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(outbox: &std::path::Path) -> BankFiles {
        BankFiles {
            outbox: outbox.to_owned(),
            inbox: outbox.to_owned(),
            standing: BankStanding::Customer,
            bank: "102301000028".into(),
            account: "1001000000000000001".into(),
            name: "清算所".into(),
        }
    }

    #[test]
    fn credentials_that_are_not_whole_say_what_is_missing_and_never_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bank.secret");
        std::fs::write(&file, "short\n").unwrap();
        let bank = |credentials, secret_file| BankSettings {
            url: "http://127.0.0.1:1".into(),
            public_key: String::new(),
            credentials,
            secret_file,
        };
        let said = |settings: &BankSettings| match bank_credentials(settings) {
            Ok(credentials) => format!("{credentials:?}"),
            Err(error) => format!("{error:#}"),
        };
        let hmac = Some(BankCredentials::Hmac);
        assert_eq!(said(&bank(None, None)), "Open");
        assert_eq!(
            said(&bank(hmac, None)),
            "[outside.bank] credentials is set, but not secret_file"
        );
        let unsaid = said(&bank(None, Some(file.clone())));
        assert!(unsaid.starts_with("[outside.bank] secret_file is set, but not"), "{unsaid}");
        let short = said(&bank(hmac, Some(file.clone())));
        assert!(short.ends_with("the bank's secret has fewer than 16 characters"), "{short}");
        assert!(!short.contains("short\n") && short.contains("bank.secret"));
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        assert_eq!(said(&bank(hmac, Some(file))), "Hmac(..)");
        let none = said(&bank(hmac, Some(dir.path().join("none"))));
        assert!(none.starts_with("cannot read [outside.bank] secret_file "), "{none}");
    }

    #[test]
    fn a_bank_over_files_that_cannot_work_says_which_setting_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        assert!(file_bank(&files(dir.path())).is_ok());
        let wrong = BankFiles { bank: "ICBC".into(), account: "1".into(), ..files(dir.path()) };
        let said = format!("{:#}", file_bank(&wrong).unwrap_err());
        assert_eq!(
            said,
            "[outside.bank_files] bank: a bank is named by 12 digits or by a BIC of 8 or 11 \
             characters; [outside.bank_files] account: an account number has 5 to 34 letters and \
             digits"
        );
        let said = format!("{:#}", file_bank(&files(&dir.path().join("none"))).unwrap_err());
        assert!(
            said.starts_with("[outside.bank_files] cannot be used: cannot use the bank's outbox ")
        );
    }
}

//! The clearing cloud as callers meet it, on a database of its own: everything but HTTP.

use std::sync::{Arc, Mutex};

use base_http::{Call, Caller, Function, Spine};
use clearing::ledger::Ledger;
use clearing::payment::bank::{Bank, Credentials, HttpBank};
use clearing::payment::premium::{
    Awaited, MoneyMoved, OwedBack, Policies, PoliciesError, Registration,
};
use clearing::payment::split::Payable;
use clearing::{Clearing, Parts, api, function};
use crypto::{Context, MasterKey, Secret, SigningKey};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::{Clock, Fen, Ids, SetClock, TenantId};
use pg::Scope;
use production_core::region::Region;
use sandbox::Sandbox;
use sandbox::bank::{Access, Notices};
use tenancy::{ParameterScope, SetParameter, TenantKeys};
use testkit::TestDb;
use testkit::spine;
pub(crate) use testkit::spine::{Memory, view};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::register::{Asked, Register};

/// Quotes and endorsements as the production cloud would keep them.
#[derive(Default)]
pub(crate) struct Desk(Mutex<DeskState>);

#[derive(Default)]
pub(crate) struct DeskState {
    /// What quotes and endorsements wait for.
    pub(crate) awaited: std::collections::BTreeMap<String, Payable>,
    /// What endorsements give back.
    pub(crate) owed_back: std::collections::BTreeMap<String, OwedBack>,
    /// Licence of the intermediary of all of them.
    pub(crate) intermediary: Option<String>,
    /// What was registered, each once.
    pub(crate) registered: Vec<MoneyMoved>,
    /// How often money was brought.
    pub(crate) brought: usize,
    /// Nobody answers.
    pub(crate) is_away: bool,
}

impl Desk {
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, DeskState> {
        self.0.lock().unwrap()
    }
}

impl Policies for Desk {
    fn awaited<'a>(
        &'a self,
        _participant: TenantId,
        code: &'a str,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Awaited>, PoliciesError>> {
        Box::pin(async move {
            let awaited = self.state().awaited.get(code).copied();
            Ok(awaited.map(|payable| Awaited {
                payable,
                region: Region::Jiangsu,
                intermediary: self.state().intermediary.clone(),
            }))
        })
    }

    fn owed_back<'a>(
        &'a self,
        _participant: TenantId,
        amend_code: &'a str,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<OwedBack>, PoliciesError>> {
        Box::pin(async move { Ok(self.state().owed_back.get(amend_code).cloned()) })
    }

    fn register<'a>(
        &'a self,
        money: &'a MoneyMoved,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Registration, PoliciesError>> {
        Box::pin(async move {
            let mut state = self.state();
            state.brought += 1;
            if state.is_away {
                return Err(PoliciesError("away".into()));
            }
            if state.registered.contains(money) {
                return Ok(Registration::Done);
            }
            if money.amount < Fen::ZERO {
                let owed = state.owed_back.get(&money.code).and_then(|owed| owed.payable.total());
                let Some(owed) = owed else {
                    return Ok(Registration::Refused("nothing is owed".to_owned()));
                };
                if Fen(-owed.0) == money.amount {
                    state.owed_back.remove(&money.code);
                    state.registered.push(money.clone());
                }
                return Ok(Registration::Done);
            }
            match state.awaited.remove(&money.code) {
                Some(payable) if payable.total() == Some(money.amount) => {
                    state.registered.push(money.clone());
                    Ok(Registration::Done)
                }
                _ => Ok(Registration::Refused("the quote expired".to_owned())),
            }
        })
    }
}

/// Licence of the intermediary.
pub(crate) const LICENCE: &str = "201320000000800";

/// Shared with the bank.
pub(crate) const BANK_SECRET: &[u8] = b"a secret of the test's bank";

/// How the platform shows the bank who calls.
pub(crate) fn credentials() -> Credentials {
    Credentials::hmac(BANK_SECRET).unwrap()
}

/// Everything of one test.
pub(crate) struct World {
    pub(crate) test: TestDb,
    pub(crate) sandbox: Sandbox,
    /// Where the bank sends its notices.
    pub(crate) notices: String,
    /// Stands in for the production cloud.
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) ledger: Ledger,
    pub(crate) clearing: Clearing,
    pub(crate) register: Arc<Register>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) picc: Arc<Caller>,
    pub(crate) paic: Arc<Caller>,
    pub(crate) cpic: Arc<Caller>,
    pub(crate) operator: Arc<Caller>,
    _stop: DropGuard,
}

impl World {
    /// Three insurers of Jiangsu and the operator, at [`testkit::START`].
    pub(crate) async fn new() -> World {
        World::with_bank(None).await
    }

    /// The same over another bank than the sandbox's.
    pub(crate) async fn with_bank(other: Option<Arc<dyn Bank>>) -> World {
        let schemas = [
            &base_http::MIGRATIONS,
            &tenancy::MIGRATIONS,
            &events::MIGRATIONS,
            &clearing::MIGRATIONS,
        ];
        let test = testkit::database(&schemas).await;
        let (clock, ids) = (testkit::clock(), testkit::ids());
        let memory = Arc::new(Memory::default());
        let spine = Spine::new(test.db.clone(), memory.clone(), clock.clone(), ids.clone());
        let (ledger, stop) = crate::support::ledger(test.db.clone(), clock.clone(), ids.clone());
        let statement_key = SigningKey::from_seed(&Secret::from_bytes([7; 32])).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let notices = format!("http://{}/v1/bank/notices", listener.local_addr().unwrap());
        let to = Notices { url: Some(notices.clone()), seed: [7; 32], clock: clock.clone() };
        let access = Access::Hmac(BANK_SECRET.to_vec());
        let settings = sandbox::Settings { notices: to, access, ..sandbox::Settings::loopback() };
        let sandbox = sandbox::start(settings).await.unwrap();
        let bank = format!("http://{}", sandbox.addrs.bank);
        let master = Arc::new(master());
        for number in [1, 2, 3, 9] {
            let code = match number {
                1 => Some("PICC"),
                2 => Some("PAIC"),
                _ => None,
            };
            give_keys(&test, &master, TenantId(Uuid::from_u128(1_000 + number)), code).await;
        }
        let desk = Arc::new(Desk::default());
        desk.state().intermediary = Some(LICENCE.to_owned());
        let register = Arc::new(Register::default());
        let parts = Parts {
            spine,
            ledger: ledger.clone(),
            statement_key,
            keys: Arc::new(TenantKeys::new(test.db.clone(), master)),
            bank: other.unwrap_or_else(|| {
                Arc::new(HttpBank::new(&bank, credentials(), clock.clone(), ids.clone()).unwrap())
            }),
            bank_key: sandbox.bank_key(),
            policies: desk.clone(),
            market: Arc::new(Asked(register.clone())),
            operator: TenantId(Uuid::from_u128(1_009)),
            parameters: Arc::new(tenancy::Parameters::load(&test.db).await.unwrap()),
        };
        // What runs by the clock is called by the tests: its loop ends before it begins.
        let stopped = CancellationToken::new();
        stopped.cancel();
        let clearing = Clearing::start(parts, &TaskTracker::new(), &stopped);
        let routes = api::signed_router().with_state(clearing.clone());
        let ended = stop.clone().cancelled_owned();
        tokio::spawn(axum::serve(listener, routes).with_graceful_shutdown(ended).into_future());
        let insurer = |number, code: &str| caller(number, Some(code), "320000");
        World {
            picc: insurer(1, "PICC"),
            paic: insurer(2, "PAIC"),
            cpic: insurer(3, "CPIC"),
            operator: caller(9, None, "000000"),
            test,
            sandbox,
            notices,
            desk,
            register,
            clock,
            ids,
            ledger,
            clearing,
            memory,
            _stop: stop.drop_guard(),
        }
    }

    /// Lists public holidays of everybody from an instant on.
    pub(crate) async fn set_rest_days(&self, days: &str, from: &str) {
        let set = SetParameter {
            parameter_id: self.ids.next(self.clock.now()),
            name: "rest_days".to_owned(),
            scope: ParameterScope::default(),
            value: days.to_owned(),
            from: from.parse().unwrap(),
        };
        self.test.db.run(Scope::of(clearing::HOUSE), &set).await.unwrap();
        self.clearing.parameters.refresh(&self.test.db).await.unwrap();
    }

    /// A call of `function`, with a key and a purpose of its own.
    pub(crate) fn call(&self, caller: &Arc<Caller>, function: &'static Function) -> Call {
        let purpose = Some("clearing".into());
        Call { purpose, ..spine::call(&*self.clock, &self.ids, caller, function) }
    }
}

/// Wraps the keys of every test's members.
pub(crate) fn master() -> MasterKey {
    MasterKey::parse(&"42".repeat(32)).unwrap()
}

/// Registers a member under an id of the test's, with keys of its own.
async fn give_keys(test: &TestDb, master: &MasterKey, tenant: TenantId, code: Option<&str>) {
    let mut tx = test.db.begin(Scope::of(tenant)).await.unwrap();
    sqlx::query(
        "insert into tenancy.tenant (tenant_id, kind, insurer_code, name_zh, name_en, created_at)
         values ($1, $2, $3, 'x', 'x', now())",
    )
    .bind(tenant.0)
    .bind(if code.is_some() { "insurer" } else { "partner" })
    .bind(code)
    .execute(tx.conn())
    .await
    .unwrap();
    for (key_use, purpose) in [("data", "tenancy.data_key"), ("index", "tenancy.index_key")] {
        let context = Context { owner: tenant.0.as_bytes(), purpose };
        sqlx::query(
            "insert into tenancy.tenant_key (tenant_id, use, key_number, wrapped, created_at)
             values ($1, $2, 1, $3, now())",
        )
        .bind(tenant.0)
        .bind(key_use)
        .bind(master.wrap(context, &Secret::generate().unwrap()).unwrap())
        .execute(tx.conn())
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// A caller whose tenant is [`crate::support::participant`] of `number`.
fn caller(number: u128, insurer: Option<&str>, region: &str) -> Arc<Caller> {
    let rights: Vec<&str> = function::ALL.iter().map(|function| function.code).collect();
    spine::caller(TenantId(Uuid::from_u128(1_000 + number)), insurer, region, &rights)
}

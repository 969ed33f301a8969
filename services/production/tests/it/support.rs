//! A small market: two insurers, a published tariff, sandbox counterparties, a clock that is set.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base_http::{Call, Caller, Function, Problem, Spine};
use crypto::{IndexKey, MasterKey};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids, SetClock, TenantId};
use pg::Scope;
use production::book::{self, TariffBook};
use production::challenge::Challenges;
use production::claim::RecoveryLocks;
use production::outside::{self, Outside};
use production::sealed::Sealer;
use production::{Parts, Production, function};
use production_rating::Tariff;
use sandbox::Sandbox;
use sandbox::vehicle::VehicleRecord;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use tenancy::{InsurerCode, Kind, ParameterScope, Parameters, RegisterTenant, SetParameter};
use testkit::TestDb;
pub(crate) use testkit::spine::view;
use testkit::spine::{self, Memory, Recorded};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The car most tests insure.
pub(crate) const VIN: &str = "LSVAM4187C2184847";
/// Its plate.
pub(crate) const PLATE: &str = "苏A12345";

/// Everything of one test.
pub(crate) struct World {
    pub(crate) test: TestDb,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) sandbox: Sandbox,
    pub(crate) production: Production,
    pub(crate) memory: Arc<Memory>,
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) challenges: Arc<Challenges>,
    /// PICC in Jiangsu: compulsory scheme E.
    pub(crate) picc: Arc<Caller>,
    /// CPIC in Jiangsu.
    pub(crate) cpic: Arc<Caller>,
    /// What messages from now on say beside what is known.
    pub(crate) unknown: Mutex<Vec<String>>,
    master: Arc<MasterKey>,
    _stop: DropGuard,
}

/// Policies of one sale.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) query: String,
    /// Compulsory confirm code.
    pub(crate) compulsory: Option<String>,
    /// Commercial confirm code.
    pub(crate) commercial: Option<String>,
    /// The quote's answer.
    pub(crate) quoted: Value,
    /// The confirmation's answer.
    pub(crate) confirmed: Value,
}

impl World {
    /// The market at [`testkit::START`]; [`car`] is registered with police and model library.
    pub(crate) async fn new() -> World {
        World::beside(Arc::new(production::claim::NoLocks), Arc::new(production::claim::NoScorer))
            .await
    }

    /// The same market, whose claims are scored.
    pub(crate) async fn scored_by(scorer: Arc<dyn production::claim::ClaimScorer>) -> World {
        World::beside(Arc::new(production::claim::NoLocks), scorer).await
    }

    /// The same beside a clearing cloud.
    pub(crate) async fn with_locks(locks: Arc<dyn RecoveryLocks>) -> World {
        World::beside(locks, Arc::new(production::claim::NoScorer)).await
    }

    async fn beside(
        locks: Arc<dyn RecoveryLocks>,
        scorer: Arc<dyn production::claim::ClaimScorer>,
    ) -> World {
        let schemas: [&Migrator; 3] =
            [&base_http::MIGRATIONS, &tenancy::MIGRATIONS, &production::MIGRATIONS];
        let test = testkit::database(&schemas).await;
        let (clock, ids) = (testkit::clock(), testkit::ids());
        let master = Arc::new(MasterKey::generate().unwrap());
        let sandbox = sandbox::start(sandbox::Settings::loopback()).await.unwrap();
        sandbox.load(car(VIN, PLATE));
        let memory = Arc::new(Memory::default());
        let spine = Spine::new(test.db.clone(), memory.clone(), clock.clone(), ids.clone());
        publish_tariff(&test, clock.now()).await;
        let operator = register(&test, &ids, &master, Kind::Operator, clock.now()).await;
        let parameters = Arc::new(Parameters::load(&test.db).await.unwrap());
        let challenge_key = IndexKey::new(&master.derive("production.challenge"));
        let challenges = Arc::new(Challenges::new(parameters.clone(), challenge_key));
        let keys = Arc::new(tenancy::TenantKeys::new(test.db.clone(), master.clone()));
        let stop = CancellationToken::new();
        let production = Production::start(
            Parts {
                spine,
                book: Arc::new(TariffBook::open(test.db.clone()).await.unwrap()),
                outside: outside(&sandbox, clock.clone(), ids.clone()),
                sealer: Sealer::new(keys, operator),
                challenges: challenges.clone(),
                locks,
                scorer,
                quote_writer: memory.clone(),
            },
            pg::coalesce::Lanes::default(),
            &TaskTracker::new(),
            &stop,
        );
        let mut world = World {
            picc: nobody(),
            cpic: nobody(),
            test,
            clock,
            ids,
            sandbox,
            production,
            memory,
            parameters,
            challenges,
            unknown: Mutex::new(Vec::new()),
            master,
            _stop: stop.drop_guard(),
        };
        world.picc = world.insurer("PICC", "320000").await;
        world.cpic = world.insurer("CPIC", "320000").await;
        world
    }

    /// Another insurer with a client in `region`.
    pub(crate) async fn insurer(&self, code: &str, region: &str) -> Arc<Caller> {
        let kind = Kind::Insurer(InsurerCode::parse(code).unwrap());
        let now = self.clock.now();
        let tenant = register(&self.test, &self.ids, &self.master, kind, now).await;
        caller(tenant, Some(code), region)
    }

    /// A call of `function`, with a key of its own.
    pub(crate) fn call(&self, caller: &Arc<Caller>, function: &'static Function) -> Call {
        let unknown = self.unknown.lock().unwrap().clone();
        Call { unknown, ..spine::call(&*self.clock, &self.ids, caller, function) }
    }

    /// A read: without a key, with a purpose.
    pub(crate) fn read(&self, caller: &Arc<Caller>, function: &'static Function) -> Call {
        let purpose = Some("underwriting".into());
        Call { key: None, purpose, ..self.call(caller, function) }
    }

    pub(crate) async fn quote(&self, caller: &Arc<Caller>, body: &Value) -> Result<Value, Problem> {
        let call = self.call(caller, &function::QUOTE);
        view(self.production.quote(call, &parsed(body), Vec::new()).await)
    }

    pub(crate) async fn pre_confirm(
        &self,
        caller: &Arc<Caller>,
        query: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::PRE_CONFIRM);
        view(self.production.pre_confirm(call, query, parsed(body)).await)
    }

    pub(crate) async fn pay(
        &self,
        caller: &Arc<Caller>,
        query: &str,
        amount: &str,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::PAYMENT);
        let body = json!({ "reference": format!("POS-{}", call.call_id), "amount": amount,
            "method": "pos", "payerName": "李芳" });
        view(self.production.register_payment(call, query, parsed(&body)).await)
    }

    pub(crate) async fn confirm(
        &self,
        caller: &Arc<Caller>,
        query: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::CONFIRM);
        view(self.production.confirm(call, query, parsed(body)).await)
    }

    /// Quote, pre-confirmation and payment; answers the query code and the confirmation's body.
    pub(crate) async fn paid(
        &self,
        caller: &Arc<Caller>,
        body: &Value,
        fee: &Value,
    ) -> (Value, Value) {
        let quoted = self.quote(caller, body).await.unwrap();
        let query = word(&quoted, "/queryCode");
        let frozen = self.pre_confirm(caller, &query, fee).await.unwrap();
        let payable = word(&frozen, "/payable");
        self.pay(caller, &query, &payable).await.unwrap();
        (quoted, echo(&query, &frozen))
    }

    /// The whole sale: quote, pre-confirmation (directly sold), payment, confirmation.
    pub(crate) async fn insure(&self, caller: &Arc<Caller>, body: &Value) -> Sale {
        self.insure_through(caller, body, &json!({})).await
    }

    /// The whole sale with a pre-confirmation of the caller's own.
    pub(crate) async fn insure_through(
        &self,
        caller: &Arc<Caller>,
        body: &Value,
        fee: &Value,
    ) -> Sale {
        let (quoted, echo) = self.paid(caller, body, fee).await;
        let query = word(&quoted, "/queryCode");
        let confirmed = self.confirm(caller, &query, &echo).await.unwrap();
        let of = |class: &str| {
            let policies = confirmed["policies"].as_array().unwrap();
            let policy = policies.iter().find(|policy| policy["class"] == class);
            policy.map(|policy| word(policy, "/confirmCode"))
        };
        Sale {
            query,
            compulsory: of("compulsory"),
            commercial: of("commercial"),
            quoted,
            confirmed: confirmed.clone(),
        }
    }

    /// Sets a parameter for everybody in `region` and lets the servers see it.
    pub(crate) async fn set_parameter(&self, name: &str, region: &str, value: &str) {
        let set = SetParameter {
            parameter_id: self.ids.next(self.clock.now()),
            name: name.to_owned(),
            scope: ParameterScope { tenant: None, region: Some(region.into()) },
            value: value.to_owned(),
            from: self.clock.now(),
        };
        self.test.db.run(Scope::nobody(), &set).await.unwrap();
        self.parameters.refresh(&self.test.db).await.unwrap();
    }

    /// Calls served so far.
    pub(crate) fn served(&self) -> Vec<Recorded> {
        self.memory.all()
    }

    /// The records the last refusal left a trace of having shown.
    pub(crate) fn named_by_refusal(&self) -> Vec<String> {
        let recorded = self.served().pop().unwrap();
        assert_eq!(recorded.status, 409, "the last call recorded is no refusal");
        recorded.shown.into_iter().map(|record| record.subject).collect()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, hours: i64) {
        self.clock.advance(SignedDuration::from_hours(hours));
    }
}

/// A private petrol car of 5 seats and 1,598 cc, owned by 李芳 and registered in 2020.
pub(crate) fn car(vin: &str, plate: &str) -> VehicleRecord {
    VehicleRecord::private_car(vin).plated(plate, "02").owned_by("李芳").with_engine("EA211000001")
}

/// A quote message for [`car`]: compulsory cover with tax, and third-party cover of a million,
/// both for a year from tomorrow 0:00 in China by the clock's `now`.
pub(crate) fn message(now: Timestamp, vin: &str, plate: &str) -> Value {
    let mut message = compulsory(now, vin, plate);
    message["commercial"] = json!({
        "start": message["compulsory"]["start"],
        "autonomousCoefficient": "1.00",
        "covers": [{ "coverageCode": "M02", "limitAmount": "1000000.00" }],
    });
    message
}

/// The same with compulsory cover and tax alone.
pub(crate) fn compulsory(now: Timestamp, vin: &str, plate: &str) -> Value {
    let tomorrow = kernel::time::day_of(now).tomorrow().unwrap();
    let party = json!({ "name": "李芳", "certificateKind": "01",
        "certificateNo": "11010519491231002X", "mobile": "13800001234" });
    json!({
        "vehicle": {
            "frameNo": vin, "engineNo": "EA211000001", "plate": plate, "plateKind": "02",
            "category": "11", "usage": "210", "fuel": "A", "seats": 5, "curbWeightKg": "1280",
            "displacementCc": 1598, "powerKw": "81", "madeOn": "2019-12-01",
            "firstRegisteredOn": "2020-01-15", "modelCode": "BDZ1600FV7160",
        },
        "owner": party, "applicant": party, "insured": party,
        "compulsory": { "start": tomorrow.strftime("%Y%m%d00").to_string() },
    })
}

/// A confirmation that echoes a pre-confirmation, with policy numbers after the query code.
pub(crate) fn echo(query: &str, frozen: &Value) -> Value {
    let amounts = &frozen["amounts"];
    let mut body = json!({ "tax": amounts["tax"], "fee": amounts["fee"] });
    for class in ["compulsory", "commercial"] {
        if !amounts[class].is_null() {
            body[class] =
                json!({ "policyNo": format!("{class}-{query}"), "premium": amounts[class] });
        }
    }
    body
}

/// The text at a JSON pointer.
pub(crate) fn word(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {pointer} of {value:#}")).to_owned()
}

/// A message as its body type.
pub(crate) fn parsed<T: DeserializeOwned>(body: &Value) -> T {
    serde_json::from_value(body.clone()).unwrap()
}

/// The problem's code and the rules behind it.
pub(crate) fn code(outcome: Result<Value, Problem>) -> (&'static str, Vec<String>) {
    let problem = outcome.expect_err("this should have been refused");
    let rules = problem.errors.iter().filter_map(|error| error.rule.as_deref());
    (problem.code.code, rules.map(str::to_owned).collect())
}

/// The problem's code, and the rule the call as a whole breaks; empty when it breaks none.
pub(crate) fn broken(outcome: Result<Value, Problem>) -> (&'static str, &'static str) {
    let problem = outcome.expect_err("this should have been refused");
    // Said in its member, not in prose.
    assert!(!problem.detail.contains("rule "), "{}", problem.detail);
    (problem.code.code, problem.rule.unwrap_or_default())
}

/// A client of `tenant` with every right of the production cloud but personal data.
pub(crate) fn caller(tenant: TenantId, insurer: Option<&str>, region: &str) -> Arc<Caller> {
    let rights: Vec<&str> = function::ALL.iter().map(|function| function.code).collect();
    spine::caller(tenant, insurer, region, &rights)
}

/// Midday of a day in China.
pub(crate) fn noon(year: i16, month: i8, day: i8) -> Timestamp {
    kernel::time::instant_of(date(year, month, day).at(12, 0, 0, 0)).unwrap()
}

fn nobody() -> Arc<Caller> {
    caller(TenantId(uuid::Uuid::nil()), None, "000000")
}

async fn register(
    test: &TestDb,
    ids: &Ids,
    master: &MasterKey,
    kind: Kind,
    now: Timestamp,
) -> TenantId {
    let register = RegisterTenant::new(kind, ("测试", "test"), ids, master, now).unwrap();
    test.db.run(register.scope(), &register).await.unwrap().tenant_id
}

fn tariff_files() -> BTreeMap<String, Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tariffs");
    Tariff::read_files(&dir).unwrap()
}

async fn publish_tariff(test: &TestDb, now: Timestamp) {
    book::load(&test.db, "test", tariff_files(), "maker", now).await.unwrap();
    book::publish(&test.db, "test", "checker", now).await.unwrap();
}

fn outside(sandbox: &Sandbox, clock: Arc<SetClock>, ids: Arc<Ids>) -> Outside {
    /// Patience no busy machine exhausts.
    const AMPLE: Duration = Duration::from_secs(20);
    let url = |addr: std::net::SocketAddr| format!("http://{addr}");
    let addrs = sandbox.addrs;
    let mut settings = outside::Settings::new(url(addrs.police), url(addrs.models), url(addrs.tax));
    settings.quote_budget = AMPLE;
    settings.confirm_budget = AMPLE;
    for source in [&mut settings.police, &mut settings.models, &mut settings.tax] {
        source.outbound.attempt_timeout = AMPLE;
        source.outbound.backoff = Duration::from_millis(1);
    }
    Outside::new(settings, clock, ids).unwrap()
}

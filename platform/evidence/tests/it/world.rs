//! A small market that looks at each other's records: four insurers, regulators, an agency.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base_http::paging::bad;
use base_http::trace::TraceId;
use base_http::{
    Admission, Call, Caller, Done, Function, Problem, Recorder, Served, ShownRecord, Spine,
    function::KeyRule,
};
use crypto::MasterKey;
use evidence::reading::AccessQuery;
use evidence::{AccessLog, Entry, RecordOnVehicle, Records, VehicleRecords};
use futures::future::BoxFuture;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids, SetClock, TenantId};
use pg::{Command, Tx};
use serde_json::Value;
use tenancy::{InsurerCode, Kind, RegisterTenant};
use testkit::TestDb;
use testkit::spine;
use uuid::Uuid;

/// A car most looks are at.
pub(crate) const CAR: &str = "LSVAM4187C2184847";
/// Another one.
pub(crate) const OTHER_CAR: &str = "LFV2A21K6A3000001";

/// What stands on vehicles, as another room would tell.
#[derive(Default)]
struct Register(Mutex<HashMap<String, Vec<RecordOnVehicle>>>);

impl Records for Register {
    fn on_vehicle<'a>(
        &'a self,
        frame_no: &'a str,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<VehicleRecords, Problem>> {
        Box::pin(async move {
            if frame_no.len() != 17 {
                return Err(bad("frameNo", "is no frame number"));
            }
            Ok(VehicleRecords {
                slot: World::slot(frame_no),
                digest: World::digest(frame_no),
                masked: frame_no[11..].to_owned(),
                records: self.0.lock().unwrap().get(frame_no).cloned().unwrap_or_default(),
            })
        })
    }
}

/// Logs what is served, and nothing else.
struct Log;

impl Recorder for Log {
    fn admit<'a>(
        &'a self,
        _tx: &'a mut Tx,
        calls: &'a [&'a Call],
    ) -> BoxFuture<'a, Result<Vec<Admission>, sqlx::Error>> {
        Box::pin(async move { Ok(vec![Admission::Admitted; calls.len()]) })
    }

    fn record<'a>(
        &'a self,
        tx: &'a mut Tx,
        served: &'a [Served<'a>],
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let traces: Vec<String> =
                served.iter().map(|served| served.call.trace.to_string()).collect();
            let entries: Vec<Entry<'_>> = served
                .iter()
                .zip(&traces)
                .map(|(served, trace_id)| Entry {
                    slot: served.done.slot,
                    call_id: served.call.call_id,
                    tenant: served.call.caller.tenant,
                    client: &served.call.caller.client,
                    function_code: served.call.function.code,
                    purpose: served.call.purpose.as_deref().unwrap_or("none"),
                    subject: &served.done.subject,
                    vehicle: served.done.vehicle,
                    insurer: served.call.caller.insurer.as_deref(),
                    shown: &served.done.shown,
                    request_digest: served.call.request_digest,
                    reply_digest: [0; 32],
                    status: served.done.status.as_u16(),
                    served_at: served.served_at,
                    trace_id,
                })
                .collect();
            evidence::record(tx, &entries).await.map_err(|error| panic!("not logged: {error:?}"))
        })
    }

    fn witness<'a>(
        &'a self,
        tx: &'a mut Tx,
        refused: &'a Served<'a>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        self.record(tx, std::slice::from_ref(refused))
    }
}

/// A call of another room, which does nothing but look.
struct Looking;

impl Command for Looking {
    const NAME: &'static str = "test.look";
    type Out = ();
    type Error = evidence::EvidenceError;

    async fn apply(&self, _tx: &mut Tx) -> Result<(), evidence::EvidenceError> {
        Ok(())
    }
}

/// Everything of one test.
pub(crate) struct World {
    pub(crate) test: TestDb,
    clock: Arc<SetClock>,
    ids: Arc<Ids>,
    register: Arc<Register>,
    spine: Spine,
    log: AccessLog,
    tenants: HashMap<&'static str, TenantId>,
}

impl World {
    pub(crate) async fn new() -> World {
        let test = testkit::database(&[
            &base_http::MIGRATIONS,
            &tenancy::MIGRATIONS,
            &evidence::MIGRATIONS,
        ])
        .await;
        let (clock, ids) = (testkit::clock(), testkit::ids());
        let master = MasterKey::generate().unwrap();
        let mut tenants = HashMap::new();
        for name in ["PICC", "PAIC", "CPIC", "TPIC", "regulator", "agency"] {
            let kind = match name {
                "regulator" => Kind::Regulator,
                "agency" => Kind::Agency,
                code => Kind::Insurer(InsurerCode::parse(code).unwrap()),
            };
            let names = (format!("{name} 保险"), format!("{name} insurance"));
            let names = (names.0.as_str(), names.1.as_str());
            let register = RegisterTenant::new(kind, names, &ids, &master, clock.now()).unwrap();
            let tenant = test.db.run(register.scope(), &register).await.unwrap();
            tenants.insert(name, tenant.tenant_id);
        }
        let spine = Spine::new(test.db.clone(), Arc::new(Log), clock.clone(), ids.clone());
        let register = Arc::new(Register::default());
        let log = AccessLog::new(spine.clone(), register.clone());
        World { test, clock, ids, register, spine, log, tenants }
    }

    /// Something a real digest is not: told from the text without hashing.
    pub(crate) fn digest(car: &str) -> [u8; 16] {
        let bytes = car.as_bytes();
        std::array::from_fn(|at| bytes[at])
    }

    fn slot(car: &str) -> u16 {
        u16::from(car.as_bytes()[1])
    }

    pub(crate) fn record(owner: &str, region: &str, car: &str, subject: &str) -> ShownRecord {
        ShownRecord {
            owner: owner.to_owned(),
            region: region.to_owned(),
            slot: World::slot(car),
            vehicle: Some(World::digest(car)),
            subject: subject.to_owned(),
        }
    }

    pub(crate) fn tenant(&self, name: &str) -> TenantId {
        self.tenants[name]
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        self.clock.set(self.now().checked_add(time).unwrap());
    }

    /// From now on an insurer has a record on a vehicle.
    pub(crate) fn stands(
        &self,
        car: &str,
        owner: &str,
        region: &str,
        subject: &str,
        to: Option<Timestamp>,
    ) {
        let record = RecordOnVehicle {
            owner: owner.to_owned(),
            region: region.to_owned(),
            subject: subject.to_owned(),
            shown_from: self.now(),
            shown_to: to,
        };
        self.register.0.lock().unwrap().entry(car.to_owned()).or_default().push(record);
    }

    fn caller(&self, name: &str, insurer: bool, region: &str) -> Arc<Caller> {
        spine::caller(self.tenants[name], insurer.then_some(name), region, &["*"])
    }

    pub(crate) fn regulator(&self, region: &str) -> Arc<Caller> {
        self.caller("regulator", false, region)
    }

    pub(crate) fn agency(&self) -> Arc<Caller> {
        self.caller("agency", false, "000000")
    }

    fn call(&self, caller: &Arc<Caller>, function: &'static Function) -> Call {
        Call {
            purpose: Some("claim 7".into()),
            key: None,
            trace: TraceId(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()),
            ..spine::call(&*self.clock, &self.ids, caller, function)
        }
    }

    /// A call of an insurer through a function of another room; what it showed is said by `says`.
    pub(crate) async fn look(
        &self,
        insurer: &str,
        function: &'static str,
        says: impl FnOnce(Done) -> Done,
    ) -> Uuid {
        let function = Box::leak(Box::new(Function {
            code: function,
            title_zh: "",
            title_en: "",
            key: KeyRule::Optional,
            quota: false,
        }));
        let call = self.call(&self.caller(insurer, true, "320000"), function);
        let call_id = call.call_id;
        let subject = "subject of the look";
        let done = says(Done::json(StatusCode::OK, &(), World::slot(CAR), subject));
        self.spine.run(call, &Looking, |()| done.clone()).await.unwrap();
        call_id
    }

    /// What an insurer reads.
    pub(crate) async fn list(&self, insurer: &str, asked: AccessQuery) -> Result<Value, Problem> {
        self.list_as(&self.caller(insurer, true, "320000"), asked).await
    }

    /// What somebody reads.
    pub(crate) async fn list_as(
        &self,
        caller: &Arc<Caller>,
        asked: AccessQuery,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &evidence::function::ACCESS_READ);
        let reply = self.log.list(call, asked).await?;
        Ok(serde_json::from_slice(&reply.body).unwrap())
    }
}

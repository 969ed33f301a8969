//! Two insurers with an actuarial cloud on a database of their own, and short ways to use it.

use std::io::Read;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use actuarial::dataset::service::RowsAsked;
use actuarial::run::diff::DiffAsked;
use actuarial::run::request::RunBody;
use actuarial::{Actuarial, Settings, function};
use analytics::lake::Lake;
use analytics::question::{NoEngine, Questions};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Multipart, Request};
use base_http::door::{Authenticate, Door, Subscriptions};
use base_http::{Call, Caller, Function, Problem, Spine};
use crypto::MasterKey;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids, SetClock, TenantId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tenancy::{InsurerCode, Kind, RegisterTenant, TenantKeys};
use testkit::TestDb;
pub(crate) use testkit::spine::view;
use testkit::spine::{self, Memory};
use tokio_util::sync::CancellationToken;

pub(crate) use actuarial::Attempt;

/// Lets everybody in.
struct Open;

impl Authenticate for Open {
    fn authenticate<'a>(
        &'a self,
        _bearer: &'a str,
        _source: Option<IpAddr>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Arc<Caller>, Problem>> {
        Box::pin(async { Ok(caller(TenantId(uuid::Uuid::nil()), &["*"])) })
    }
}

impl Subscriptions for Open {
    fn admit(
        &self,
        _caller: &Caller,
        _function: &Function,
        _now: Timestamp,
    ) -> Result<Option<u32>, Problem> {
        Ok(None)
    }
}

/// Everything of one test.
pub(crate) struct World {
    pub(crate) test: TestDb,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) actuarial: Actuarial,
    master: Arc<MasterKey>,
    lake: Lake,
    pub(crate) memory: Arc<Memory>,
    pub(crate) door: Door,
    pub(crate) picc: Arc<Caller>,
    pub(crate) cpic: Arc<Caller>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> World {
        World::asking(settings, Arc::new(NoEngine)).await
    }

    /// One whose questions are answered by `questions`.
    pub(crate) async fn asking(settings: Settings, questions: Arc<dyn Questions>) -> World {
        let schemas = [&base_http::MIGRATIONS, &tenancy::MIGRATIONS, &actuarial::MIGRATIONS];
        let test = testkit::database(&schemas).await;
        let (clock, ids) = (testkit::clock(), testkit::ids());
        let master = Arc::new(MasterKey::generate().unwrap());
        let memory = Arc::new(Memory::default());
        let spine = Spine::new(test.db.clone(), memory.clone(), clock.clone(), ids.clone());
        let keys = Arc::new(TenantKeys::new(test.db.clone(), master.clone()));
        let lake = Lake::in_memory(ids.clone());
        let actuarial = Actuarial::new(spine, keys, lake.clone(), questions, settings);
        let open = Arc::new(Open);
        let door = Door {
            authenticate: open.clone(),
            subscriptions: open,
            clock: clock.clone(),
            ids: ids.clone(),
            db: test.db.clone(),
        };
        let mut callers = vec![];
        for code in ["PICC", "CPIC"] {
            let kind = Kind::Insurer(InsurerCode::parse(code).unwrap());
            let register =
                RegisterTenant::new(kind, (code, code), &ids, &master, clock.now()).unwrap();
            let tenant = test.db.run(register.scope(), &register).await.unwrap().tenant_id;
            callers.push(caller(tenant, &["actuarial.*"]));
        }
        let (cpic, picc) = (callers.pop().unwrap(), callers.pop().unwrap());
        World { test, clock, ids, actuarial, master, lake, memory, door, picc, cpic }
    }

    /// The cloud as another server sees it.
    pub(crate) fn restarted(&self) -> Actuarial {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let spine = Spine::new(self.test.db.clone(), self.memory.clone(), clock, ids);
        let keys = Arc::new(TenantKeys::new(self.test.db.clone(), self.master.clone()));
        let questions = Arc::new(NoEngine);
        Actuarial::new(spine, keys, self.lake.clone(), questions, Settings::default())
    }

    /// A call with a key of its own.
    pub(crate) fn call(&self, caller: &Arc<Caller>, function: &'static Function) -> Call {
        spine::call(&*self.clock, &self.ids, caller, function)
    }

    /// A call without a key.
    pub(crate) fn read(&self, caller: &Arc<Caller>, function: &'static Function) -> Call {
        Call { key: None, ..self.call(caller, function) }
    }

    pub(crate) fn pass(&self, seconds: i64) {
        let later = self.clock.now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
        self.clock.set(later);
    }

    /// Uploads a file; answers the version as it stands then.
    pub(crate) async fn upload(
        &self,
        caller: &Arc<Caller>,
        about: &Value,
        file: &[u8],
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::DATASET_IMPORT);
        self.upload_as(call, about, file).await
    }

    pub(crate) async fn upload_as(
        &self,
        call: Call,
        about: &Value,
        file: &[u8],
    ) -> Result<Value, Problem> {
        let about = about.to_string();
        let file = ("name=\"file\"; filename=\"portfolio.csv\"", file);
        self.upload_form(call, &[("name=\"about\"", about.as_bytes()), file]).await
    }

    /// Sends a form of these parts.
    pub(crate) async fn upload_form(
        &self,
        call: Call,
        parts: &[(&str, &[u8])],
    ) -> Result<Value, Problem> {
        let mut body = Vec::new();
        let mut part = |head: &str, content: &[u8]| {
            body.extend_from_slice(
                format!("--cut\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        };
        parts.iter().for_each(|(head, content)| part(head, content));
        body.extend_from_slice(b"--cut--\r\n");
        let request = Request::builder()
            .header("content-type", "multipart/form-data; boundary=cut")
            .body(Body::from(body))
            .unwrap();
        view(self.actuarial.upload(call, unlimited(request).await).await)
    }

    /// Uploads and imports a file; answers the version as it stands then.
    pub(crate) async fn import(&self, caller: &Arc<Caller>, about: &Value, file: &[u8]) -> Value {
        let version = self.upload(caller, about, file).await.unwrap();
        self.work_on_import().await;
        let (dataset, version) = (word(&version, "datasetId"), version["version"].to_string());
        let call = self.read(caller, &function::DATASET_READ);
        view(self.actuarial.read_version(call, &dataset, Some(&version)).await).unwrap()
    }

    /// The same under a name, of a file of the shared data; `None` when it is absent.
    pub(crate) async fn import_shared(&self, name: &str, path: &str) -> Option<Value> {
        let file = std::fs::read(testkit::shared_data(path)?).unwrap();
        let found = self.import(&self.picc, &json!({ "name": name }), &file).await;
        assert_eq!(found["state"], "done", "{found}");
        Some(found)
    }

    pub(crate) async fn work_on_import(&self) -> Option<Attempt> {
        self.actuarial.work_on_import(&CancellationToken::new()).await
    }

    pub(crate) async fn work_on_run(&self) -> Option<Attempt> {
        self.actuarial.work_on_run(&CancellationToken::new()).await
    }

    /// Asks for a run.
    pub(crate) async fn start(&self, caller: &Arc<Caller>, body: &Value) -> Result<Value, Problem> {
        let call = self.call(caller, &function::RUN_START);
        let body: RunBody = serde_json::from_value(body.clone()).unwrap();
        view(self.actuarial.start_run(&self.door, call, body, Vec::new()).await)
    }

    /// Asks for a run and computes it; answers it as it stands then.
    pub(crate) async fn run(&self, method: &str, dataset: &str, parameters: &Value) -> Value {
        let body = json!({ "method": method, "dataset": dataset, "parameters": parameters });
        let run = self.start(&self.picc, &body).await.unwrap();
        self.work_on_run().await;
        self.look(&self.picc, &word(&run, "runId")).await.unwrap()
    }

    /// The same, of a run that has a result: answers both.
    pub(crate) async fn done(
        &self,
        method: &str,
        dataset: &str,
        parameters: &Value,
    ) -> (Value, Value) {
        let run = self.run(method, dataset, parameters).await;
        assert_eq!(run["state"], "done", "{run}");
        let call = self.read(&self.picc, &function::RUN_READ);
        let result = self.actuarial.read_result(call, &word(&run, "runId")).await.unwrap();
        let digest = hex::encode(Sha256::digest(&result.body));
        assert_eq!(digest, word(&run, "resultDigest"));
        (run, serde_json::from_slice(&result.body).unwrap())
    }

    pub(crate) async fn look(&self, caller: &Arc<Caller>, run: &str) -> Result<Value, Problem> {
        let call = self.read(caller, &function::RUN_READ);
        view(self.actuarial.read_run(call, run).await)
    }

    pub(crate) async fn cancel(&self, caller: &Arc<Caller>, run: &str) -> Result<Value, Problem> {
        let call = self.call(caller, &function::RUN_CANCEL);
        view(self.actuarial.cancel_run(call, run).await)
    }

    pub(crate) async fn diff(&self, run: &str, with: &str) -> Result<Value, Problem> {
        let call = self.read(&self.picc, &function::RUN_READ);
        let asked = DiffAsked { with: Some(with.to_owned()), tolerance: None };
        view(self.actuarial.diff_runs(call, run, asked).await)
    }

    pub(crate) async fn report(&self, run: &str) -> Result<Vec<u8>, Problem> {
        let call = self.read(&self.picc, &function::RUN_READ);
        let response = self.actuarial.send_report(call, run).await?;
        Ok(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
    }

    pub(crate) async fn workbook(&self, run: &str) -> Result<Vec<u8>, Problem> {
        let call = self.read(&self.picc, &function::RUN_READ);
        let response = self.actuarial.send_workbook(call, run).await?;
        Ok(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
    }

    pub(crate) async fn rows(
        &self,
        caller: &Arc<Caller>,
        dataset: &str,
        version: &str,
    ) -> Result<Value, Problem> {
        let call = self.read(caller, &function::DATASET_READ);
        view(self.actuarial.read_rows(call, dataset, version, RowsAsked::default()).await)
    }

    pub(crate) async fn errors(&self, dataset: &str, version: &str) -> Result<String, Problem> {
        let call = self.read(&self.picc, &function::DATASET_READ);
        let response = self.actuarial.send_errors(call, dataset, version).await?;
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.test.owner).await.unwrap()
    }
}

/// A form as the route takes it: without the limit that other bodies have.
async fn unlimited(request: Request) -> Multipart {
    use tower::{Layer, Service};
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let taken = tower::service_fn(move |request: Request| {
        let sender = sender.clone();
        async move {
            let form = Multipart::from_request(request, &()).await.unwrap();
            let _ = sender.lock().unwrap().take().unwrap().send(form);
            Ok::<_, std::convert::Infallible>(axum::response::Response::new(Body::empty()))
        }
    });
    axum::extract::DefaultBodyLimit::disable().layer(taken).call(request).await.unwrap();
    receiver.await.unwrap()
}

fn caller(tenant: TenantId, rights: &[&str]) -> Arc<Caller> {
    spine::caller(tenant, None, "000000", rights)
}

/// A text of an answer.
pub(crate) fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// An oracle of the shared data; `None` when it is absent.
pub(crate) fn oracle(name: &str) -> Option<Value> {
    let path = testkit::shared_data(&format!("oracles/{name}.json"))?;
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// A file of the shared data, unpacked; `None` when it is absent.
pub(crate) fn unpacked(path: &str) -> Option<Vec<u8>> {
    let file = std::fs::File::open(testkit::shared_data(path)?).unwrap();
    let mut all = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut all).unwrap();
    Some(all)
}

/// Both figures agree: absolutely to `absolute`, or relatively to `relative`.
#[track_caller]
pub(crate) fn near(what: &str, found: &Value, wanted: &Value, absolute: f64, relative: f64) {
    let (found, wanted) = (found.as_f64(), wanted.as_f64());
    let (Some(found), Some(wanted)) = (found, wanted) else {
        assert_eq!(found, wanted, "{what}");
        return;
    };
    let allowed = absolute + relative * wanted.abs();
    assert!((found - wanted).abs() <= allowed, "{what}: {found} is not {wanted}");
}

/// The problem's pointers.
pub(crate) fn pointers(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| &*error.pointer).collect()
}

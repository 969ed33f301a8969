//! An insurer with one API client, and an authority that issues its tokens.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto::{MasterKey, Secret};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use iam::{Authority, ClientId, NewClient, RegisterClient, Settings};
use kernel::{Clock, Ids, SetClock, TenantId};
use serde_json::Value;
use tenancy::{InsurerCode, Kind, RegisterTenant};
use testkit::TestDb;
use tower::ServiceExt;

pub(crate) const ISSUER: &str = "http://127.0.0.1:8080";
pub(crate) const CLIENT: &str = "picc-beijing-1";

pub(crate) struct World {
    pub(crate) test: TestDb,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) tenant: TenantId,
    pub(crate) authority: Arc<Authority>,
    /// The client's secret as its owner knows it.
    pub(crate) secret: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["error"].as_str().unwrap_or_default())
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::with_sources(&[]).await
    }

    pub(crate) async fn with_sources(sources: &[&str]) -> World {
        let test = testkit::database(&[&tenancy::MIGRATIONS, &iam::MIGRATIONS]).await;
        let master = Arc::new(MasterKey::generate().unwrap());
        let (clock, ids) = (testkit::clock(), testkit::ids());
        let kind = Kind::Insurer(InsurerCode::parse("PICC").unwrap());
        let names = ("人保财险", "PICC P&C");
        let register = RegisterTenant::new(kind, names, &ids, &master, clock.now()).unwrap();
        let tenant = test.db.run(register.scope(), &register).await.unwrap().tenant_id;
        let authority = authority(&test, &master, &clock, &ids).await;
        let secret = String::new();
        let mut world = World { test, master, clock, ids, tenant, authority, secret };
        world.secret = world.register(CLIENT, sources).await;
        world.authority.refresh().await.unwrap();
        world
    }

    /// Registers a client of the insurer; its secret.
    pub(crate) async fn register(&self, client_id: &str, sources: &[&str]) -> String {
        let client = NewClient {
            tenant: self.tenant,
            client_id: ClientId::parse(client_id).unwrap(),
            region: "110000".to_owned(),
            user_label: "北京核心系统".to_owned(),
            rights: vec!["production.underwriting.*".to_owned(), "production.fee.read".to_owned()],
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        };
        let secret = Secret::generate().unwrap();
        let now = self.clock.now();
        let register = RegisterClient::new(client, &secret, &self.master, &self.ids, now).unwrap();
        self.test.db.run(register.scope(), &register).await.unwrap();
        secret.to_base64url().to_string()
    }

    /// A second server on the same database.
    pub(crate) async fn another_server(&self) -> Arc<Authority> {
        authority(&self.test, &self.master, &self.clock, &self.ids).await
    }

    /// A token for the client's secret, sent in the form.
    pub(crate) async fn token(&self) -> String {
        self.ask(None, &self.form(&self.secret)).await.token()
    }

    pub(crate) fn form(&self, secret: &str) -> String {
        format!("grant_type=client_credentials&client_id={CLIENT}&client_secret={secret}")
    }

    /// Posts a form to the token endpoint.
    pub(crate) async fn ask(&self, basic: Option<(&str, &str)>, form: &str) -> Answer {
        let mut request = Request::post("/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((client, secret)) = basic {
            let joined = STANDARD.encode(format!("{client}:{secret}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {joined}"));
        }
        self.send(request.body(Body::from(form.to_owned())).unwrap(), "127.0.0.1:5000").await
    }

    /// Sends any request from an address.
    pub(crate) async fn send(&self, mut request: Request<Body>, from: &str) -> Answer {
        let from: SocketAddr = from.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(from));
        let (router, _) = iam::routes(self.authority.clone()).split_for_parts();
        let router: Router = router;
        let response = router.oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }
}

async fn authority(
    test: &TestDb,
    master: &Arc<MasterKey>,
    clock: &Arc<SetClock>,
    ids: &Arc<Ids>,
) -> Arc<Authority> {
    let settings = Settings::new(ISSUER);
    let (db, master) = (test.db.clone(), master.clone());
    Arc::new(Authority::start(db, master, settings, clock.clone(), ids.clone()).await.unwrap())
}

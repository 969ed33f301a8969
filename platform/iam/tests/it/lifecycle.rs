//! Keys and secrets rotate, clients and tenants come and go, while servers run.

use axum::body::Body;
use crypto::Secret;
use http::{Request, header};
use iam::{
    AuthError, ClientId, IamError, NewClient, RegisterClient, RotateSecret, SetClientStatus,
};
use jiff::SignedDuration;
use kernel::{Clock, TenantId};
use pg::Scope;
use tenancy::{SetStanding, Standing};
use uuid::Uuid;

use crate::world::{CLIENT, World};

#[tokio::test]
async fn tokens_outlive_the_rotation_of_their_key_and_new_ones_hold_everywhere() {
    let world = World::new().await;
    let there = world.another_server().await;
    let old = world.token().await;
    let now = world.clock.now();
    iam::rotate_keys(&world.test.db, &world.master, now).await.unwrap();
    world.authority.refresh().await.unwrap();
    world.clock.advance(SignedDuration::from_secs(10));
    let new = world.token().await;
    assert_ne!(old.split('.').next(), new.split('.').next(), "another kid");
    let now = world.clock.now();
    // The other server has not looked since: the unknown key makes it look.
    for token in [&old, &new] {
        there.verify(token, None, now).await.unwrap();
        world.authority.verify(token, None, now).await.unwrap();
    }
    let published: i64 = sqlx::query_scalar("select count(*) from iam.signing_key")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    assert_eq!(published, 2);
    // Long after, the old key is history and the new one still signs.
    world.clock.advance(SignedDuration::from_hours(24));
    world.authority.refresh().await.unwrap();
    let request = Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    let jwks = world.send(request, "127.0.0.1:5000").await.body;
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    let last = world.token().await;
    world.authority.verify(&last, None, world.clock.now()).await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs() {
    let world = World::new().await;
    let kid = |token: &str| token.split('.').next().map(str::to_owned);
    let before = kid(&world.token().await);
    iam::rotate_keys(&world.test.db, &world.master, world.clock.now()).await.unwrap();
    world.authority.refresh().await.unwrap();
    assert_eq!(kid(&world.token().await), before);
    world.clock.advance(SignedDuration::from_secs(10));
    assert_ne!(kid(&world.token().await), before);
}

#[tokio::test]
async fn servers_starting_or_rotating_together_agree_on_one_newest_key() {
    let world = World::new().await;
    let now = world.clock.now();
    sqlx::query("delete from iam.signing_key").execute(&world.test.owner).await.unwrap();
    let (one, two) = tokio::join!(world.another_server(), world.another_server());
    let count = "select count(*) from iam.signing_key where retired_at is null";
    let newest = || sqlx::query_scalar::<_, i64>(count).fetch_one(&world.test.owner);
    assert_eq!(newest().await.unwrap(), 1);
    let rotate = || iam::rotate_keys(&world.test.db, &world.master, now);
    let (first, second, third) = tokio::join!(rotate(), rotate(), rotate());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(newest().await.unwrap(), 1);
    drop((one, two));
}

#[tokio::test]
async fn both_secrets_work_while_a_rotation_overlaps() {
    let world = World::new().await;
    let client = (world.tenant, ClientId::parse(CLIENT).unwrap());
    let fresh = Secret::generate().unwrap();
    let overlap = SignedDuration::from_hours(24);
    let now = world.clock.now();
    let tools = (&*world.master, &*world.ids);
    let rotate = RotateSecret::new(client, &fresh, overlap, tools, now).unwrap();
    world.test.db.run(Scope::of(world.tenant), &rotate).await.unwrap();
    let fresh = fresh.to_base64url();
    for secret in [world.secret.as_str(), fresh.as_str()] {
        world.ask(None, &world.form(secret)).await.token();
    }
    world.clock.advance(overlap);
    let late = world.ask(None, &world.form(&world.secret)).await;
    assert_eq!(late.error(), (401, "invalid_client"));
    world.ask(None, &world.form(&fresh)).await.token();

    let unknown = (world.tenant, ClientId::parse("nobody").unwrap());
    let rotate =
        RotateSecret::new(unknown, &Secret::generate().unwrap(), overlap, tools, now).unwrap();
    let refused = world.test.db.run(Scope::of(world.tenant), &rotate).await;
    assert!(matches!(refused, Err(IamError::NotFound(_))));
}

#[tokio::test]
async fn a_disabled_client_and_a_suspended_tenant_are_refused_and_let_in_again() {
    let world = World::new().await;
    let token = world.token().await;
    let scope = Scope::of(world.tenant);
    let client_id = ClientId::parse(CLIENT).unwrap();
    let status = |disabled_at| SetClientStatus {
        tenant: world.tenant,
        client_id: client_id.clone(),
        disabled_at,
    };
    let standing = |standing| SetStanding { tenant: world.tenant, standing };
    let now = world.clock.now();
    let judged = || async {
        world.authority.refresh().await.unwrap();
        let token = world.authority.verify(&token, None, now).await.map(|_| ());
        let fresh = world.ask(None, &world.form(&world.secret)).await.status.as_u16();
        (token, fresh)
    };
    assert_eq!(judged().await, (Ok(()), 200));
    world.test.db.run(scope.clone(), &status(Some(now))).await.unwrap();
    assert_eq!(judged().await, (Err(AuthError::Disabled), 401));
    world.test.db.run(scope.clone(), &status(None)).await.unwrap();
    assert_eq!(judged().await, (Ok(()), 200));
    world.test.db.run(scope.clone(), &standing(Standing::Suspended)).await.unwrap();
    assert_eq!(judged().await, (Err(AuthError::Disabled), 401));
    world.test.db.run(scope.clone(), &standing(Standing::Active)).await.unwrap();
    assert_eq!(judged().await, (Ok(()), 200));
    let foreign = world.test.db.run(Scope::nobody(), &status(Some(now))).await;
    assert!(matches!(foreign, Err(IamError::NotFound(_))));
}

#[tokio::test]
async fn a_bound_client_calls_from_its_networks_alone() {
    let world = World::with_sources(&["203.0.113.0/24", "2001:db8::/32"]).await;
    let from = |address: &'static str| {
        let request = Request::post("/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(world.form(&world.secret)))
            .unwrap();
        world.send(request, address)
    };
    let token = from("203.0.113.9:443").await.token();
    from("[::ffff:203.0.113.9]:443").await.token();
    from("[2001:db8::1]:443").await.token();
    assert_eq!(from("198.51.100.1:443").await.error(), (401, "invalid_client"));
    let now = world.clock.now();
    let cases = [
        (Some("203.0.113.200"), Ok(())),
        (Some("198.51.100.1"), Err(AuthError::Source)),
        (None, Err(AuthError::Source)),
    ];
    for (source, expected) in cases {
        let source = source.map(|source| source.parse().unwrap());
        let judged = world.authority.verify(&token, source, now).await.map(|_| ());
        assert_eq!(judged, expected, "{source:?}");
    }
}

#[tokio::test]
async fn a_client_is_its_tenants_and_its_name_is_taken_once() {
    let world = World::new().await;
    world.register("picc-beijing-2", &[]).await;
    let scope = Scope::of(world.tenant);
    let mut tx = world.test.db.begin(scope).await.unwrap();
    let all = iam::clients(&mut tx, world.tenant, None, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].client_id.as_str(), all[0].disabled_at), (CLIENT, None));
    let rest = iam::clients(&mut tx, world.tenant, Some(&all[0].client_id), 10).await.unwrap();
    assert_eq!(rest, all[1..]);
    tx.rollback().await.unwrap();

    let other = TenantId(Uuid::from_u128(9));
    let mut tx = world.test.db.begin(Scope::of(other)).await.unwrap();
    assert!(iam::clients(&mut tx, world.tenant, None, 10).await.unwrap().is_empty());
    tx.rollback().await.unwrap();
    let client = |change: fn(&mut NewClient)| {
        let mut client = NewClient {
            tenant: other,
            client_id: ClientId::parse(CLIENT).unwrap(),
            region: "310000".to_owned(),
            user_label: "上海".to_owned(),
            rights: vec!["production.*".to_owned()],
            sources: vec![],
        };
        change(&mut client);
        let secret = Secret::generate().unwrap();
        RegisterClient::new(client, &secret, &world.master, &world.ids, world.clock.now())
    };
    let taken = client(|_| {}).unwrap();
    let taken = world.test.db.run(taken.scope(), &taken).await;
    assert!(matches!(taken, Err(IamError::ClientIdTaken(_))));
    let refused = [
        client(|client| client.region = "31".to_owned()),
        client(|client| client.user_label = String::new()),
        client(|client| client.rights = vec![]),
        client(|client| client.rights = vec!["production".to_owned()]),
        client(|client| client.sources = vec!["the office".to_owned()]),
    ];
    assert!(refused.iter().all(Result::is_err));
    assert!(
        ["ab", "with blank", "名字", &"x".repeat(81)].iter().all(|id| ClientId::parse(id).is_err())
    );
}

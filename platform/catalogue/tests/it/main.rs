//! The register of functions and the gate on a real PostgreSQL.

use std::sync::Arc;

use base_http::door::Subscriptions;
use base_http::function::KeyRule;
use base_http::{Caller, Function, problem};
use catalogue::{
    CatalogueError, EndSubscription, Gate, Grant, Level, MEMBER_PLAN, Refusal, Subscribe,
    Subscription,
};
use jiff::{SignedDuration, Timestamp};
use kernel::{Ids, TenantId};
use pg::Scope;
use tenancy::Parameters;
use testkit::TestDb;
use uuid::Uuid;

const OURS: TenantId = TenantId(Uuid::from_u128(1));
const THEIRS: TenantId = TenantId(Uuid::from_u128(2));

static QUOTE: Function = Function {
    code: "production.underwriting.quote",
    title_zh: "投保查询",
    title_en: "Quote",
    key: KeyRule::Optional,
    quota: true,
};
static CONFIRM: Function = Function {
    code: "production.underwriting.confirm",
    title_zh: "投保确认",
    title_en: "Confirm",
    key: KeyRule::Required,
    quota: false,
};
const LEVELS: [Level; 2] = [
    Level { code: "production", title_zh: "车险业务生产云", title_en: "Production cloud" },
    Level { code: "production.underwriting", title_zh: "承保", title_en: "Underwriting" },
];

async fn database() -> TestDb {
    testkit::database(&[&tenancy::MIGRATIONS, &catalogue::MIGRATIONS]).await
}

fn subscribe(tenant: TenantId, pattern: &str, from: Timestamp, ids: &Ids) -> Subscribe {
    Subscribe {
        tenant,
        now: from,
        subscription: Subscription {
            subscription_id: ids.next(from),
            function_pattern: pattern.to_owned(),
            plan_code: MEMBER_PLAN.to_owned(),
            valid_from: from,
            valid_to: None,
            daily_quota_per_user: None,
        },
    }
}

#[tokio::test]
async fn the_register_follows_the_code() {
    let test = database().await;
    let now = testkit::start();
    catalogue::sync(&test.db, &LEVELS, &[&QUOTE, &CONFIRM, &QUOTE], now).await.unwrap();
    catalogue::sync(&test.db, &LEVELS, &[&QUOTE, &CONFIRM], now).await.unwrap();
    let mut tx = test.db.begin(Scope::nobody()).await.unwrap();
    let functions = catalogue::functions(&mut tx).await.unwrap();
    assert_eq!(functions.len(), 2);
    assert_eq!(functions[1].function_code, QUOTE.code);
    assert_eq!(functions[1].cloud_zh, "车险业务生产云");
    assert_eq!(functions[1].product_zh, "承保");
    tx.rollback().await.unwrap();

    catalogue::sync(&test.db, &LEVELS, &[&QUOTE], now).await.unwrap();
    let mut tx = test.db.begin(Scope::nobody()).await.unwrap();
    assert_eq!(catalogue::functions(&mut tx).await.unwrap().len(), 1);
    tx.rollback().await.unwrap();
    catalogue::sync(&test.db, &LEVELS, &[&QUOTE, &CONFIRM], now).await.unwrap();
    let mut tx = test.db.begin(Scope::nobody()).await.unwrap();
    assert_eq!(catalogue::functions(&mut tx).await.unwrap().len(), 2);

    let unnamed = catalogue::sync(&test.db, &LEVELS[..1], &[&QUOTE], now).await;
    assert!(matches!(unnamed, Err(CatalogueError::Unnamed(code)) if code == QUOTE.product()));
}

#[tokio::test]
async fn the_gate_lets_subscribers_through_while_their_subscription_holds() {
    let (test, ids) = (database().await, testkit::ids());
    let now = testkit::start();
    let later = now + SignedDuration::from_hours(24);
    let gate = Gate::load(&test.db, Arc::default()).await.unwrap();
    let check = |tenant, at| gate.check(tenant, QUOTE.code, at);
    assert_eq!(check(OURS, now), Err(Refusal::NotSubscribed));

    let everything = subscribe(OURS, "production.*", now, &ids);
    test.db.run(Scope::of(OURS), &everything).await.unwrap();
    let mut other_cloud = subscribe(THEIRS, "clearing.*", now, &ids);
    test.db.run(Scope::of(THEIRS), &other_cloud).await.unwrap();
    gate.refresh(&test.db).await.unwrap();
    assert_eq!(check(OURS, now), Ok(Grant { daily_quota_per_user: None }));
    let before = now - SignedDuration::from_secs(1);
    assert_eq!(check(OURS, before), Err(Refusal::NotYet(now)));
    assert_eq!(check(THEIRS, now), Err(Refusal::NotSubscribed));

    let mut precise = subscribe(OURS, QUOTE.code, now, &ids);
    precise.subscription.daily_quota_per_user = Some(7);
    test.db.run(Scope::of(OURS), &precise).await.unwrap();
    let twice = test.db.run(Scope::of(OURS), &subscribe(OURS, QUOTE.code, later, &ids)).await;
    assert!(matches!(twice, Err(CatalogueError::AlreadySubscribed(_))));
    gate.refresh(&test.db).await.unwrap();
    assert_eq!(check(OURS, now), Ok(Grant { daily_quota_per_user: Some(7) }));
    let confirm = gate.check(OURS, CONFIRM.code, now);
    assert_eq!(confirm, Ok(Grant { daily_quota_per_user: None }));

    for subscribed in [&everything, &precise] {
        let subscription_id = subscribed.subscription.subscription_id;
        let end = EndSubscription { tenant: OURS, subscription_id, at: later };
        let foreign = test.db.run(Scope::of(THEIRS), &end).await;
        assert!(matches!(foreign, Err(CatalogueError::NotFound)));
        test.db.run(Scope::of(OURS), &end).await.unwrap();
        let again = test.db.run(Scope::of(OURS), &end).await;
        assert!(matches!(again, Err(CatalogueError::NotFound)));
    }
    gate.refresh(&test.db).await.unwrap();
    assert!(check(OURS, now).is_ok());
    assert_eq!(check(OURS, later), Err(Refusal::Ended(later)));

    let mut tx = test.db.begin(Scope::of(OURS)).await.unwrap();
    assert_eq!(catalogue::subscriptions(&mut tx, OURS).await.unwrap().len(), 2);
    assert!(catalogue::subscriptions(&mut tx, THEIRS).await.unwrap().is_empty());
    tx.rollback().await.unwrap();

    for pattern in ["production", "*.quote", "production.underwriting.quote.fast", ""] {
        other_cloud = subscribe(OURS, pattern, now, &ids);
        let refused = test.db.run(Scope::of(OURS), &other_cloud).await;
        assert!(matches!(refused, Err(CatalogueError::MalformedPattern(_))), "{pattern:?}");
    }
    let mut backwards = subscribe(OURS, "*", later, &ids);
    backwards.subscription.valid_to = Some(now);
    let refused = test.db.run(Scope::of(OURS), &backwards).await;
    assert!(matches!(refused, Err(CatalogueError::Backwards)));
    backwards.subscription.valid_to = None;
    backwards.subscription.plan_code = "unheard_of".to_owned();
    let refused = test.db.run(Scope::of(OURS), &backwards).await;
    assert!(matches!(refused, Err(CatalogueError::NoPlan(_))));
}

#[tokio::test]
async fn a_quota_comes_from_the_subscription_or_else_from_the_region() {
    let (test, ids) = (database().await, testkit::ids());
    let now = testkit::start();
    let parameters = Arc::new(Parameters::load(&test.db).await.unwrap());
    let gate = Gate::load(&test.db, parameters).await.unwrap();
    let caller = Caller {
        tenant: OURS,
        client: "picc-beijing-1".into(),
        insurer: Some("PICC".into()),
        region: "110000".into(),
        rights: [].into(),
        token_id: "".into(),
    };
    let refused = gate.admit(&caller, &QUOTE, now).unwrap_err();
    assert_eq!(refused.code, &problem::NOT_SUBSCRIBED);
    assert_eq!(refused.rule, Some("F02"));

    test.db.run(Scope::of(OURS), &subscribe(OURS, "production.*", now, &ids)).await.unwrap();
    gate.refresh(&test.db).await.unwrap();
    assert_eq!(gate.admit(&caller, &QUOTE, now).unwrap(), Some(500));
    assert_eq!(gate.admit(&caller, &CONFIRM, now).unwrap(), None);

    let mut precise = subscribe(OURS, QUOTE.code, now, &ids);
    precise.subscription.daily_quota_per_user = Some(7);
    test.db.run(Scope::of(OURS), &precise).await.unwrap();
    gate.refresh(&test.db).await.unwrap();
    assert_eq!(gate.admit(&caller, &QUOTE, now).unwrap(), Some(7));
}

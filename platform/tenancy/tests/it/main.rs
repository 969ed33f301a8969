//! The register, its keys and its parameters on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

use std::sync::Arc;

use crypto::{CryptoError, MasterKey};
use jiff::SignedDuration;
use kernel::{Clock, TenantId};
use pg::Scope;
use tenancy::{
    DAILY_QUOTE_QUOTA, InsurerCode, Kind, OpenBranch, ParameterScope, Parameters, REST_DAYS,
    RegisterTenant, SetParameter, SetStanding, Standing, TenancyError, Tenant, TenantKeys,
};
use testkit::TestDb;

struct World {
    test: TestDb,
    master: Arc<MasterKey>,
    clock: Arc<kernel::SetClock>,
    ids: Arc<kernel::Ids>,
}

impl World {
    async fn new() -> World {
        World {
            test: testkit::database(&[&tenancy::MIGRATIONS]).await,
            master: Arc::new(MasterKey::generate().unwrap()),
            clock: testkit::clock(),
            ids: testkit::ids(),
        }
    }

    async fn insurer(&self, code: &str) -> Result<Tenant, TenancyError> {
        let kind = Kind::Insurer(InsurerCode::parse(code)?);
        let names = ("保险公司", "An insurer");
        let register = RegisterTenant::new(kind, names, &self.ids, &self.master, self.clock.now())?;
        self.test.db.run(register.scope(), &register).await
    }
}

#[tokio::test]
async fn a_registered_insurer_is_found_by_code_and_its_code_is_taken() {
    let world = World::new().await;
    let picc = world.insurer("PICC").await.unwrap();
    let cpic = world.insurer("CPIC").await.unwrap();
    let again = world.insurer("PICC").await;
    assert!(matches!(again, Err(TenancyError::InsurerCodeTaken(code)) if code.as_str() == "PICC"));

    let mut tx = world.test.db.begin(Scope::nobody()).await.unwrap();
    let code = InsurerCode::parse("PICC").unwrap();
    let found = tenancy::find_by_insurer_code(&mut tx, &code).await.unwrap();
    assert_eq!(found.as_ref(), Some(&picc));
    assert_eq!(tenancy::find(&mut tx, cpic.tenant_id).await.unwrap(), Some(cpic.clone()));
    let first = tenancy::list(&mut tx, None, 1).await.unwrap();
    assert_eq!(first.len(), 1);
    let rest = tenancy::list(&mut tx, Some(first[0].tenant_id), 10).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert!(tenancy::inactive(tx.conn()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tenant_is_written_only_by_a_transaction_opened_for_it() {
    let world = World::new().await;
    let picc = world.insurer("PICC").await.unwrap();
    let cpic = world.insurer("CPIC").await.unwrap();
    let suspend = SetStanding { tenant: picc.tenant_id, standing: Standing::Suspended };
    let foreign = world.test.db.run(Scope::of(cpic.tenant_id), &suspend).await;
    assert!(matches!(foreign, Err(TenancyError::NotFound(_))));
    world.test.db.run(Scope::of(picc.tenant_id), &suspend).await.unwrap();

    let branch = OpenBranch {
        tenant: picc.tenant_id,
        region: "110000".to_owned(),
        name: "北京分公司".to_owned(),
        now: world.clock.now(),
    };
    assert!(world.test.db.run(Scope::of(cpic.tenant_id), &branch).await.is_err());
    world.test.db.run(Scope::of(picc.tenant_id), &branch).await.unwrap();
    let twice = world.test.db.run(Scope::of(picc.tenant_id), &branch).await;
    assert!(matches!(twice, Err(TenancyError::BranchExists(_))));

    let mut tx = world.test.db.begin(Scope::of(cpic.tenant_id)).await.unwrap();
    assert_eq!(tenancy::inactive(tx.conn()).await.unwrap(), [picc.tenant_id]);
    assert!(tenancy::branches(&mut tx, picc.tenant_id).await.unwrap().is_empty());
    tx.rollback().await.unwrap();
    let mut tx = world.test.db.begin(Scope::of(picc.tenant_id)).await.unwrap();
    assert_eq!(tenancy::branches(&mut tx, picc.tenant_id).await.unwrap()[0].region, "110000");
}

#[tokio::test]
async fn personal_data_of_a_tenant_opens_after_rotation_on_every_server_and_for_nobody_else() {
    let world = World::new().await;
    let picc = world.insurer("PICC").await.unwrap().tenant_id;
    let cpic = world.insurer("CPIC").await.unwrap().tenant_id;
    let here = TenantKeys::new(world.test.db.clone(), world.master.clone());
    let there = TenantKeys::new(world.test.db.clone(), world.master.clone());
    let name = "张三".as_bytes();
    let old = here.of(picc).await.unwrap().seal("party.name", name).unwrap();
    assert_eq!(there.open(picc, "party.name", &old).await.unwrap(), name);

    assert_eq!(here.rotate(picc, world.clock.now()).await.unwrap(), 2);
    let new = here.of(picc).await.unwrap().seal("party.name", name).unwrap();
    assert_eq!(here.open(picc, "party.name", &old).await.unwrap(), name);
    assert_eq!(there.open(picc, "party.name", &new).await.unwrap(), name);

    let wrong = [(cpic, "party.name"), (picc, "party.id_number")];
    for (tenant, purpose) in wrong {
        let refused = there.open(tenant, purpose, &old).await;
        assert!(matches!(refused, Err(TenancyError::Keys(CryptoError::Refused))));
    }
    let unknown = there.of(TenantId(world.ids.next(world.clock.now()))).await;
    assert!(matches!(unknown, Err(TenancyError::NotFound(_))));

    let index = |key: &tenancy::TenantKey| key.index("party.id_number", b"11010519491231002X");
    let ours = index(&here.of(picc).await.unwrap());
    assert_eq!(ours, index(&there.of(picc).await.unwrap()));
    assert_ne!(ours, index(&there.of(cpic).await.unwrap()));
}

#[tokio::test]
async fn everyone_shares_one_market_index_and_survives_a_change_of_master_key() {
    let world = World::new().await;
    let now = world.clock.now();
    let picc = world.insurer("PICC").await.unwrap().tenant_id;
    let here = TenantKeys::new(world.test.db.clone(), world.master.clone());
    let sealed = here.of(picc).await.unwrap().seal("party.name", b"name").unwrap();
    let plate = "京A12345".as_bytes();
    let index = here.market_index(now).await.unwrap().index("plate", plate);

    let fresh = MasterKey::generate().unwrap();
    let both = format!("{}{}", *fresh.to_text(), *world.master.to_text());
    let both = Arc::new(MasterKey::parse(&both).unwrap());
    let during = TenantKeys::new(world.test.db.clone(), both);
    assert_eq!(during.market_index(now).await.unwrap().index("plate", plate), index);
    during.wrap_anew(picc).await.unwrap();
    during.wrap_market_anew(now).await.unwrap();

    let after = TenantKeys::new(world.test.db.clone(), Arc::new(fresh));
    assert_eq!(after.open(picc, "party.name", &sealed).await.unwrap(), b"name");
    assert_eq!(after.market_index(now).await.unwrap().index("plate", plate), index);
    let old = TenantKeys::new(world.test.db.clone(), world.master.clone());
    assert!(matches!(old.of(picc).await, Err(TenancyError::Keys(CryptoError::UnknownKey(_)))));
}

#[tokio::test]
async fn the_most_specific_parameter_in_force_wins() {
    let world = World::new().await;
    let now = world.clock.now();
    let picc = world.insurer("PICC").await.unwrap().tenant_id;
    let other = world.insurer("CPIC").await.unwrap().tenant_id;
    let parameters = Parameters::load(&world.test.db).await.unwrap();
    let quota = |tenant, region, at| parameters.number(DAILY_QUOTE_QUOTA, tenant, region, at);
    assert_eq!(quota(picc, "110000", now), Some(500));

    let later = now + SignedDuration::from_hours(24);
    let set = |tenant: Option<TenantId>, region: Option<&str>, value: &str, from| SetParameter {
        parameter_id: world.ids.next(now),
        name: DAILY_QUOTE_QUOTA.to_owned(),
        scope: ParameterScope { tenant, region: region.map(Arc::from) },
        value: value.to_owned(),
        from,
    };
    let changes = [
        set(None, Some("110000"), "400", now),
        set(Some(picc), None, "300", now),
        set(Some(picc), Some("110000"), "200", now),
        set(Some(picc), Some("110000"), "100", later),
    ];
    for change in &changes {
        let scope = change.scope.tenant.map_or(Scope::nobody(), Scope::of);
        world.test.db.run(scope, change).await.unwrap();
    }
    parameters.refresh(&world.test.db).await.unwrap();
    assert_eq!(quota(picc, "110000", now), Some(200));
    assert_eq!(quota(picc, "110000", later), Some(100));
    assert_eq!(quota(picc, "310000", now), Some(300));
    assert_eq!(quota(other, "110000", now), Some(400));
    assert_eq!(quota(other, "310000", now), Some(500));
    assert_eq!(parameters.text("unheard_of", picc, "110000", now), None);

    let earlier = set(Some(picc), Some("110000"), "50", now);
    let earlier = world.test.db.run(Scope::of(picc), &earlier).await;
    assert!(matches!(earlier, Err(TenancyError::ParameterSetLater(_))));
    let foreign = set(Some(picc), None, "1", later);
    assert!(world.test.db.run(Scope::of(other), &foreign).await.is_err());
}

#[tokio::test]
async fn a_list_of_days_of_rest_is_of_a_region_or_of_all_and_read_whole_or_refused() {
    let world = World::new().await;
    let now = world.clock.now();
    let picc = world.insurer("PICC").await.unwrap().tenant_id;
    let set = |tenant: Option<TenantId>, region: Option<&str>, value: &str| SetParameter {
        parameter_id: world.ids.next(now),
        name: REST_DAYS.to_owned(),
        scope: ParameterScope { tenant, region: region.map(Arc::from) },
        value: value.to_owned(),
        from: now,
    };
    for text in ["National Day", "2026-10-01..2026-10-08, 2027-13-01", "2026-10-08..2026-10-01"] {
        let refused = world.test.db.run(Scope::nobody(), &set(None, None, text)).await;
        assert!(matches!(refused, Err(TenancyError::MalformedParameter(_))), "{text}");
    }
    let parameters = Parameters::load(&world.test.db).await.unwrap();
    assert!(parameters.rest_days("320000", now).is_empty());

    let national = set(None, None, "2026-10-01..2026-10-08");
    world.test.db.run(Scope::nobody(), &national).await.unwrap();
    let regional = set(None, Some("110000"), "2026-10-01..2026-10-07");
    world.test.db.run(Scope::nobody(), &regional).await.unwrap();
    let of_one = set(Some(picc), None, "2026-10-01..2026-10-31");
    world.test.db.run(Scope::of(picc), &of_one).await.unwrap();
    parameters.refresh(&world.test.db).await.unwrap();
    let count = |region| parameters.rest_days(region, now).len();
    assert_eq!((count("320000"), count("110000")), (8, 7));
}

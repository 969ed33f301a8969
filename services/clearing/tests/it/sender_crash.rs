//! The sender of payment orders killed between telling the bank and hearing of it.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base_http::Spine;
use clearing::payment::bank::HttpBank;
use clearing::payment::order::{OrderId, ShareOf};
use clearing::payment::remittance::Payee;
use clearing::{Clearing, Parts, api, function};
use clearing_ledger::Purpose;
use crypto::{Secret, SigningKey};
use jiff::Timestamp;
use kernel::{Clock, Fen, Ids, SystemClock, time};
use pg::{Db, PoolSettings};
use sandbox::Sandbox;
use sandbox::bank::{Access, Behaviour, Notices};
use tenancy::{Parameters, TenantKeys};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::payment::{account, claim, funding, simple};
use crate::register::{Asked, Register};
use crate::support::assert_whole;
use crate::world::{BANK_SECRET, Desk, LICENCE, Memory, World, credentials, master, view};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// So many kills, each with so many orders on their way.
const KILLS: u128 = 6;
const ORDERS: u128 = 16;
/// Tell the server where its database and its bank are, and how it is reached.
const DATABASE: &str = "CLEARING_SENDER_DATABASE";
const BANK: &str = "CLEARING_SENDER_BANK";
const BANK_KEY: &str = "CLEARING_SENDER_BANK_KEY";
const LISTEN: &str = "CLEARING_SENDER_LISTEN";
const ORIGIN: &str = "CLEARING_SENDER_ORIGIN";

/// Twenty seconds for one of the machine's, alike in every process that knows the origin: a silent
/// bank is asked after seconds.
struct Fast {
    origin: Timestamp,
}

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        let passed = SystemClock.now().duration_since(self.origin);
        self.origin + passed * 20
    }
}

/// Kills the process at the end in any case.
struct Killed(Child);

impl Killed {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A bank that settles before it answers, tells everything thrice, and loses every so manieth notice.
fn telling(lose_every: u32) -> Behaviour {
    let (settle_after_ms, answer_after_ms, duplicates) = (5, 40, 2);
    Behaviour { settle_after_ms, answer_after_ms, duplicates, lose_every, ..Behaviour::default() }
}

struct Stage {
    world: World,
    bank: Sandbox,
    origin: Timestamp,
    listen: SocketAddr,
}

impl Stage {
    async fn set() -> Stage {
        Stage::around(World::with_account().await).await
    }

    /// A bank and servers of their own over a world whose clock goes on to now.
    async fn around(world: World) -> Stage {
        let origin = SystemClock.now();
        world.clock.advance(origin.duration_since(world.clock.now()));
        // A free port, free again: the servers, one after the other, listen there.
        let listen = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = Some(format!("http://{listen}/v1/bank/notices"));
        let notices = Notices { url, seed: [9; 32], clock: Arc::new(Fast { origin }) };
        let access = Access::Hmac(BANK_SECRET.to_vec());
        let settings = sandbox::Settings { notices, access, ..sandbox::Settings::loopback() };
        let bank = sandbox::start(settings).await.unwrap();
        bank.set_bank(telling(3));
        Stage { world, bank, origin, listen }
    }

    /// Runs [`server`] in a process of its own.
    fn serve(&self) -> Killed {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sender_crash::server", "--ignored", "--nocapture"])
            .env(DATABASE, self.world.test.url())
            .env(BANK, format!("http://{}", self.bank.addrs.bank))
            .env(BANK_KEY, crypto::Digest(self.bank.bank_key()).to_string())
            .env(LISTEN, self.listen.to_string())
            .env(ORIGIN, self.origin.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Killed(child.unwrap())
    }

    /// Orders the bank did and we have sent and not heard of.
    async fn in_between(&self) -> usize {
        let sent: Vec<Uuid> =
            sqlx::query_scalar("select order_id from clearing.payment_order where stage = 'sent'")
                .fetch_all(&self.world.test.owner)
                .await
                .unwrap();
        let sent: BTreeSet<String> = sent.into_iter().map(|id| OrderId(id).end_to_end()).collect();
        let done = self.bank.bank_orders().into_iter();
        let done = done.filter(|held| Fen::ZERO < held.standing.settled);
        done.filter(|held| sent.contains(&held.standing.order_id)).count()
    }

    async fn open(&self) -> i64 {
        let open = "select count(*) from clearing.payment_order where due_at is not null";
        sqlx::query_scalar(open).fetch_one(&self.world.test.owner).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_killed_before_it_hears_pays_each_order_once() {
    let stage = Stage::set().await;
    let world = &stage.world;
    world.order_payment(1, funding("collect", "10000.00")).await.unwrap();
    let begin = Instant::now();
    let mut server = stage.serve();
    while world.payment(1).await["stage"] != "settled" {
        assert!(begin.elapsed() < PATIENCE, "the first order is never settled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // In every second round the bank gives no notice at all: what a kill catches then is found out
    // by sending it again.
    let mut caught_in_silence = 0;
    for round in 0..KILLS {
        let is_silent = round % 2 == 1;
        stage.bank.set_bank(telling(if is_silent { 1 } else { 3 }));
        for number in 0..ORDERS {
            let id = 100 + round * ORDERS + number;
            let body = if number % 2 == 0 { funding("collect", "100.00") } else { claim("10.00") };
            world.order_payment(id, body).await.unwrap();
        }
        while stage.in_between().await == 0 {
            assert!(begin.elapsed() < PATIENCE, "nothing is between sent and heard");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        caught_in_silence += if is_silent { stage.in_between().await } else { 0 };
        server = stage.serve();
    }
    assert!(0 < caught_in_silence, "no kill came between sent and heard");
    while stage.open().await != 0 {
        assert!(begin.elapsed() < PATIENCE, "{} orders are never over", stage.open().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.kill();

    // The bank did each order once, however often it was told.
    let held = stage.bank.bank_orders();
    assert_eq!(held.len() as u128, 1 + KILLS * ORDERS);
    assert!(held.iter().all(|held| held.standing.settled == held.order.amount));
    assert!(held.iter().any(|held| 1 < held.sent), "no order was ever sent again");
    let url = format!("http://{}", stage.bank.addrs.bank);
    let (clock, ids) = (Arc::new(Fast { origin: stage.origin }), Arc::new(Ids::from_os()));
    let bank = HttpBank::new(&url, credentials(), clock, ids).unwrap();
    let day = time::day_of(stage.origin);
    let statement = clearing::payment::bank::Bank::statement(&bank, day).await.unwrap().unwrap();
    for number in [1].into_iter().chain(100..100 + KILLS * ORDERS) {
        let line = format!("<EndToEndId>{}</EndToEndId>", simple(number));
        assert_eq!(statement.matches(&line).count(), 1, "order {number}");
        let payment = world.payment(number).await;
        assert_eq!(payment["stage"], "settled", "order {number}: {payment}");
    }

    // And the books say what the statement says.
    let halves = i64::try_from(KILLS * ORDERS / 2).unwrap();
    let expected = i128::from(1_000_000 + halves * (10_000 - 1_000));
    assert_eq!(world.house_bank().await, expected);
    let funds = world.balance(world.picc.tenant, Purpose::Settlement, None).await;
    assert_eq!(funds, expected);
    let whole = clearing::payment::iso20022::camt_053(&statement).unwrap();
    let closing = whole.balances.iter().find(|(code, _)| code == "CLBD").unwrap().1;
    assert_eq!(i128::from(closing.0), expected);
    let call = world.call(&world.operator, &function::STUCK_PAYMENTS_READ);
    let stuck = view(world.clearing.list_stuck_payments(call).await).unwrap();
    assert_eq!(stuck["items"].as_array().unwrap().len(), 0);
    assert_whole(&world.ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_remits_pays_each_payee_once() {
    const PAYEES: u128 = 24;
    let world = World::with_account().await;
    // Each premium is sold by another intermediary; all through one region.
    for number in 1..=PAYEES {
        let licence = format!("{LICENCE}{number}");
        world.desk.state().intermediary = Some(licence.clone());
        let bank = account(&format!("88000{number}"));
        world.set_payee(("commission", &licence), "day", bank).await.unwrap();
        world.premium(number).await;
    }
    let stage = Stage::around(world).await;
    let (world, begin) = (&stage.world, Instant::now());
    let mut server = stage.serve();
    let mut caught = 0;
    for _ in 0..3 {
        while stage.in_between().await == 0 {
            assert!(begin.elapsed() < PATIENCE, "nothing is between sent and heard");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        caught += stage.in_between().await;
        server = stage.serve();
    }
    assert!(0 < caught, "no kill came between sent and heard");
    let due = "select count(*) from clearing.payee where due_on <= current_date";
    while stage.open().await != 0
        || 0 < sqlx::query_scalar::<_, i64>(due).fetch_one(&world.test.owner).await.unwrap()
    {
        assert!(begin.elapsed() < PATIENCE, "{} orders are never over", stage.open().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.kill();

    let held = stage.bank.bank_orders();
    assert_eq!(held.len() as u128, PAYEES, "one order each");
    // 225.00 of each premium.
    assert!(held.iter().all(|held| held.standing.settled == Fen(22_500)));
    let accounts: BTreeSet<_> =
        held.iter().map(|held| held.order.account.account.clone()).collect();
    assert_eq!(accounts.len() as u128, PAYEES);
    for number in 1..=PAYEES {
        let payee = Payee::of(ShareOf::Commission, &format!("{LICENCE}{number}")).unwrap();
        assert_eq!(world.balance(payee.owner(), Purpose::Commission, None).await, 0);
        let carried = world.payment(number).await["remittances"].clone();
        assert_eq!(carried.as_array().unwrap().len(), 1, "premium {number}: {carried}");
    }
    assert_whole(&world.ledger).await;
}

/// The server that is killed: sends orders, asks, and hears notices.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs as the child process of the story above"]
async fn server() {
    let Ok(database) = std::env::var(DATABASE) else { return };
    let setting = |name: &str| std::env::var(name).unwrap();
    let db = Db::connect(database.parse().unwrap(), PoolSettings::default()).await.unwrap();
    let clock = Arc::new(Fast { origin: setting(ORIGIN).parse().unwrap() });
    let ids = Arc::new(Ids::from_os());
    let (ledger, stop) = crate::support::ledger(db.clone(), clock.clone(), ids.clone());
    let bank = HttpBank::new(&setting(BANK), credentials(), clock.clone(), ids.clone()).unwrap();
    let mut bank_key = [0; 32];
    for (at, byte) in bank_key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&setting(BANK_KEY)[2 * at..2 * at + 2], 16).unwrap();
    }
    let parts = Parts {
        spine: Spine::new(db.clone(), Arc::new(Memory::default()), clock, ids),
        ledger,
        statement_key: SigningKey::from_seed(&Secret::from_bytes([7; 32])).unwrap(),
        keys: Arc::new(TenantKeys::new(db.clone(), Arc::new(master()))),
        bank: Arc::new(bank),
        bank_key,
        policies: Arc::new(Desk::default()),
        market: Arc::new(Asked(Arc::new(Register::default()))),
        operator: crate::support::participant(9),
        parameters: Arc::new(Parameters::load(&db).await.unwrap()),
    };
    let tracker = TaskTracker::new();
    let clearing = Clearing::start(parts, &tracker, &CancellationToken::new());
    let listener = TcpListener::bind(&*setting(LISTEN)).await.unwrap();
    let routes = api::signed_router().with_state(clearing.clone());
    tokio::spawn(axum::serve(listener, routes).into_future());
    clearing.keep_serving_orders(stop).await;
}

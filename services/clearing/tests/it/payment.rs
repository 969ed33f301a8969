//! Payment orders against a bank over HTTP, which sends its notices over HTTP.

use std::sync::Arc;
use std::time::Duration;

use base_http::{Caller, Problem};
use clearing::function;
use clearing::payment::advance::{AdvanceBody, RecoveryBody};
use clearing::payment::order::{OrderId, Report, Word};
use clearing::payment::payee::BankAccountBody;
use clearing::payment::reconcile::run::{Reach, ReconcileBody, StepBody};
use clearing::payment::view::OrderBody;
use clearing::payment::{Hearing, notice::Notice};
use clearing_ledger::Purpose;
use jiff::SignedDuration;
use kernel::{Clock, Fen};
use production_core::claim::{Liability, Stage};
use production_core::number::{NumberKind, PlatformNumber};
use sandbox::bank::Behaviour;
use sandbox::fault::Faults;
use sandbox::{Counterparty, bank};
use serde_json::Value;
use uuid::Uuid;

use crate::register::{frame, number};
use crate::settlement::market::worked_example;
use crate::support::assert_whole;
use crate::world::{World, view};

pub(crate) fn account(number: &str) -> BankAccountBody {
    BankAccountBody {
        bank: "102301000028".into(),
        account: number.into(),
        name: "某某财产保险股份有限公司".into(),
    }
}

pub(crate) fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

pub(crate) fn simple(number: u128) -> String {
    OrderId(Uuid::from_u128(number)).end_to_end()
}

pub(crate) fn funding(direction: &str, amount: &str) -> OrderBody {
    OrderBody {
        purpose: "funding".into(),
        direction: Some(direction.into()),
        amount: amount.into(),
        reference: "FUNDS 2025-03".into(),
        ..OrderBody::default()
    }
}

/// A vehicle.
const OTHER: &str = "1M8GDM9AXKP042788";
/// A claim PICC filed.
const CLAIM: &str = "05PICC320026083300000000000019";

pub(crate) fn claim(amount: &str) -> OrderBody {
    OrderBody {
        purpose: "claim_payment".into(),
        claim_code: Some(CLAIM.into()),
        amount: amount.into(),
        reference: "CLAIM 1".into(),
        payee: Some(account("6222021301001234567")),
        ..OrderBody::default()
    }
}

impl World {
    pub(crate) async fn with_account() -> World {
        World::new().await.registered().await
    }

    /// PICC registered its account, and filed a claim.
    pub(crate) async fn registered(self) -> World {
        let number = PlatformNumber::parse(CLAIM).unwrap();
        self.register.claim_numbered(number, &self.picc, "LSVAM4187C2183847", Liability::Main);
        let call = self.call(&self.picc, &function::PAYMENT_ACCOUNT_SET);
        let set = self.clearing.set_payment_account(call, account("1234567890")).await;
        assert_eq!(view(set).unwrap()["account"], "102301000028 ****7890");
        self
    }

    pub(crate) async fn order_payment(
        &self,
        number: u128,
        body: OrderBody,
    ) -> Result<Value, &'static str> {
        let call = self.call(&self.picc, &function::PAYMENT_ORDER);
        let ordered = self.clearing.order_payment(call, &id(number), body).await;
        view(ordered).map_err(|problem| problem.code.code)
    }

    pub(crate) async fn payment(&self, number: u128) -> Value {
        let call = self.call(&self.picc, &function::PAYMENT_READ);
        view(self.clearing.read_payment(call, &id(number)).await).unwrap()
    }

    pub(crate) async fn serve(&self) -> usize {
        self.clearing.serve_orders(self.clock.now()).await
    }

    /// Waits for what the bank tells by itself.
    pub(crate) async fn until(&self, number: u128, stage: &str) -> Value {
        for _ in 0..400 {
            let payment = self.payment(number).await;
            if payment["stage"] == stage {
                return payment;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("order {number} never became {stage}: {}", self.payment(number).await);
    }

    /// Purpose and net of the insurer's accounts.
    async fn net(&self, purpose: &str) -> String {
        let call = self.call(&self.picc, &function::ACCOUNT_READ);
        let accounts = view(self.clearing.list_accounts(call).await).unwrap();
        let accounts = accounts["accounts"].as_array().unwrap().clone();
        let found = accounts.into_iter().find(|account| account["purpose"] == purpose);
        found.map_or_else(String::new, |found| found["balance"]["net"].as_str().unwrap().into())
    }
}

#[tokio::test]
async fn funds_come_in_and_a_claim_is_paid_out_of_them() {
    let world = World::with_account().await;
    let ordered = world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    assert_eq!(
        (&ordered["stage"], &ordered["payee"]),
        (&"ordered".into(), &"102301000028 ****7890".into())
    );
    // More than there is cannot be promised.
    assert_eq!(world.order_payment(2, claim("3460.00")).await, Err("E4302"));
    // A claim code of another insurer, one of another kind, none at all.
    for code in ["05CPIC320026213310000000000084", "05PICC320026083300000000000018", "CLAIM 1"] {
        let body = OrderBody { claim_code: Some(code.into()), ..claim("1.00") };
        assert_eq!(world.order_payment(9, body).await, Err("E1001"), "{code}");
    }
    // One that nobody filed, and one that was cancelled.
    let unknown = number(NumberKind::Claim, &world.picc, &frame(OTHER), 77);
    let body = OrderBody { claim_code: Some(unknown.to_string()), ..claim("1.00") };
    assert_eq!(world.order_payment(9, body).await, Err("E4000"));
    let cancelled = world.register.claim(&world.picc, OTHER, Liability::Main);
    world.register.change(cancelled, |case| case.stage = Stage::Cancelled);
    let body = OrderBody { claim_code: Some(cancelled.to_string()), ..claim("1.00") };
    assert_eq!(world.order_payment(9, body).await, Err("E4309"));
    assert_eq!(world.serve().await, 1);
    world.until(1, "settled").await;
    assert_eq!(world.net("settlement").await, "5000.00");
    world.order_payment(2, claim("3460.00")).await.unwrap();
    // What is promised is not promised again, though nothing has left yet.
    assert_eq!(world.order_payment(3, claim("1540.01")).await, Err("E4302"));
    world.serve().await;
    let paid = world.until(2, "settled").await;
    assert_eq!((&paid["about"], &paid["payee"]), (&CLAIM.into(), &"102301000028 ****4567".into()));
    assert_eq!(world.net("settlement").await, "1540.00");
    let told = world.sandbox.bank_orders();
    assert_eq!(told.iter().map(|held| held.sent).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(told[1].order.account.account, "6222021301001234567");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_claim_is_paid_no_more_than_it_was_adjusted_to() {
    let world = World::with_account().await;
    let number = PlatformNumber::parse(CLAIM).unwrap();
    world.order_payment(1, funding("collect", "9000.00")).await.unwrap();
    world.serve().await;
    world.until(1, "settled").await;
    // In advance, before anything is decided: the bank rejects the first.
    world.sandbox.set_bank(Behaviour { reject_next: 1, ..Behaviour::default() });
    for (order, stage) in [(2, "rejected"), (3, "settled")] {
        world.order_payment(order, claim("500.00")).await.unwrap();
        world.serve().await;
        world.until(order, stage).await;
    }
    world.register.adjust(number, "3460.00", 0);
    assert_eq!(world.order_payment(4, claim("2960.01")).await, Err("E4310"));
    world.order_payment(4, claim("2960.00")).await.unwrap();
    assert_eq!(world.order_payment(5, claim("0.01")).await, Err("E4310"));
    world.serve().await;
    world.until(4, "settled").await;
    // What came back may be paid again.
    world.sandbox.give_back(&simple(4), Some(Fen(4_000)), "AC01").unwrap();
    world.until(4, "returned").await;
    assert_eq!(world.order_payment(5, claim("40.01")).await, Err("E4310"));
    world.order_payment(5, claim("40.00")).await.unwrap();
    // An order that stands is the same order, whatever was decided since.
    world.register.adjust(number, "1000.00", 0);
    assert_eq!(world.order_payment(4, claim("2960.00")).await.unwrap()["stage"], "returned");
    assert_eq!(world.order_payment(6, claim("0.01")).await, Err("E4310"));
}

#[tokio::test]
async fn the_same_order_twice_is_one_and_another_under_its_id_is_refused() {
    let world = World::with_account().await;
    let first = world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    assert_eq!(world.order_payment(1, funding("collect", "5000.00")).await.unwrap(), first);
    assert_eq!(world.order_payment(1, funding("collect", "5000.01")).await, Err("E4300"));
    world.serve().await;
    world.until(1, "settled").await;
    assert_eq!(
        world.order_payment(1, funding("collect", "5000.00")).await.unwrap()["stage"],
        "settled"
    );
    // Nobody else sees it.
    let call = world.call(&world.paic, &function::PAYMENT_READ);
    let hidden = view(world.clearing.read_payment(call, &id(1)).await).unwrap_err();
    assert_eq!(hidden.code.code, "E4000");
    let mut wrong = funding("sideways", "0.00");
    wrong.payee = Some(account("1"));
    let call = world.call(&world.picc, &function::PAYMENT_ORDER);
    let refused = world.clearing.order_payment(call, &id(4), wrong).await.unwrap_err();
    let pointers: Vec<_> = refused.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/amount", "/direction", "/payee"]);
    // Without a registered account there is nothing to collect from.
    let call = world.call(&world.paic, &function::PAYMENT_ORDER);
    let body = funding("collect", "1.00");
    let refused = world.clearing.order_payment(call, &id(5), body).await.unwrap_err();
    assert_eq!(refused.code.code, "E4301");
}

#[tokio::test]
async fn a_notice_that_comes_four_times_at_once_books_once() {
    let world = World::with_account().await;
    world.sandbox.set_bank(Behaviour { duplicates: 3, settle_percent: 40, ..Behaviour::default() });
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    world.until(1, "partly_settled").await;
    world.sandbox.settle(&simple(1), None).unwrap();
    let settled = world.until(1, "settled").await;
    let settled_words = settled["reports"].as_array().unwrap().iter();
    assert_eq!(settled_words.filter(|report| report["word"] == "settled").count(), 2);
    assert_eq!(world.net("settlement").await, "5000.00");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_word_heard_by_two_servers_at_once_books_once() {
    let world = World::with_account().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    let now = world.clock.now();
    let word = Word::Settled { total: Fen(500_000) };
    let report = Report { bank_ref: Some("BK1".into()), word, at: now };
    let hearings = (0..8).map(|number| {
        let (world, report) = (&world, &report);
        async move {
            let name = format!("n{}", number % 4);
            world.clearing.hear_word(OrderId(Uuid::from_u128(1)), &name, report).await.unwrap()
        }
    });
    let hearings = futures::future::join_all(hearings).await;
    let booked: i64 = hearings
        .iter()
        .map(|hearing| match hearing {
            Hearing::Heard { settled, .. } => settled.0,
            _ => 0,
        })
        .sum();
    assert_eq!(booked, 500_000);
    assert_eq!(hearings.iter().filter(|hearing| **hearing == Hearing::Known).count(), 4);
    assert_eq!(world.net("settlement").await, "5000.00");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_server_that_dies_after_the_bank_took_the_order_sends_the_same_order_again() {
    let world = World::with_account().await;
    world.sandbox.set_bank(Behaviour { lose_notices: true, hold: true, ..Behaviour::default() });
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    // The bank takes the order, and the answer never arrives: as if the server died in between.
    let cut = Faults { close_connection: true, ..Faults::default() };
    let answered = reqwest_order(&world, 1).await;
    assert_eq!(answered["status"], "accepted");
    world.sandbox.set_faults(Counterparty::Bank, cut);
    assert_eq!(world.serve().await, 0);
    assert_eq!(world.payment(1).await["stage"], "sent");
    world.sandbox.set_faults(Counterparty::Bank, Faults::default());
    // Leased: nobody else takes it meanwhile.
    assert_eq!(world.serve().await, 0);
    world.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(world.serve().await, 1);
    assert_eq!(world.payment(1).await["stage"], "accepted");
    let orders = world.sandbox.bank_orders();
    assert_eq!(orders.len(), 1, "the bank sees the same id");
    assert_eq!(orders[0].sent, 2);
    // The notice about the settlement is lost; the watchdog asks.
    world.sandbox.settle(&simple(1), None).unwrap();
    world.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(world.serve().await, 1);
    assert_eq!(world.payment(1).await["stage"], "settled");
    assert_eq!(world.net("settlement").await, "5000.00");
    assert_whole(&world.ledger).await;
}

/// What a server that died had already told the bank.
async fn reqwest_order(world: &World, number: u128) -> Value {
    let url = format!("http://{}/bank/orders/{}", world.sandbox.addrs.bank, simple(number));
    let body = bank::Order {
        direction: bank::Way::Collect,
        amount: Fen(500_000),
        currency: "CNY".into(),
        reference: "FUNDS 2025-03".into(),
        account: bank::Party {
            bank: "102301000028".into(),
            account: "1234567890".into(),
            name: "某某财产保险股份有限公司".into(),
        },
        requested_at: world.clock.now(),
    };
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let body = serde_json::to_vec(&body).unwrap();
    let path = format!("/bank/orders/{}", simple(number));
    let shown = crate::world::credentials().headers("PUT", &path, &body, world.clock.now());
    let call = client.put(url).header("content-type", "application/json").body(body);
    let call = shown.into_iter().fold(call, |call, (name, value)| call.header(name, value));
    call.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn an_order_that_does_not_move_is_listed_for_the_operator() {
    let world = World::with_account().await;
    world.sandbox.set_faults(Counterparty::Bank, Faults { down: true, ..Faults::default() });
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    let stuck = async || {
        let call = world.call(&world.operator, &function::STUCK_PAYMENTS_READ);
        let list = view(world.clearing.list_stuck_payments(call).await).unwrap();
        list["items"].as_array().unwrap().len()
    };
    world.clock.advance(SignedDuration::from_mins(29));
    assert_eq!(stuck().await, 0);
    world.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(stuck().await, 1);
    assert_eq!(world.payment(1).await["stuck"], true);
    world.sandbox.set_faults(Counterparty::Bank, Faults::default());
    world.clock.advance(SignedDuration::from_hours(1));
    world.serve().await;
    world.until(1, "settled").await;
    assert_eq!(stuck().await, 0);
}

#[tokio::test]
async fn a_rejected_pay_out_frees_its_money_and_a_returned_one_brings_it_back() {
    let world = World::with_account().await;
    world.order_payment(1, funding("collect", "100.00")).await.unwrap();
    world.serve().await;
    world.until(1, "settled").await;
    world.sandbox.set_bank(Behaviour { reject_next: 1, ..Behaviour::default() });
    world.order_payment(2, claim("60.00")).await.unwrap();
    world.serve().await;
    let rejected = world.until(2, "rejected").await;
    assert_eq!(rejected["reason"], "AC04");
    world.order_payment(3, claim("100.00")).await.unwrap();
    world.serve().await;
    world.until(3, "settled").await;
    assert_eq!(world.net("settlement").await, "0.00");
    world.sandbox.give_back(&simple(3), Some(Fen(4_000)), "AC01").unwrap();
    let returned = world.until(3, "returned").await;
    assert_eq!(returned["returned"], "40.00");
    assert_eq!(world.net("settlement").await, "40.00");
    // A collection the bank takes back after its money was spent is borne by the house.
    world.sandbox.give_back(&simple(1), None, "MD06").unwrap();
    world.until(1, "returned").await;
    assert_eq!(world.net("settlement").await, "40.00");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn only_the_bank_can_say_that_money_came() {
    let world = World::with_account().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    let body = format!(
        r#"{{"orderId":"{}","bankRef":"B","status":"settled","settled":"5000.00","returned":"0.00","at":"2025-03-01T02:00:00Z"}}"#,
        simple(1)
    );
    let forged = Notice {
        id: "1",
        timestamp: "1740794400",
        signature: "v1a,MEUCIQ==",
        body: body.as_bytes(),
    };
    let refused = world.clearing.hear_notice(forged).await.unwrap_err();
    assert_eq!((refused.code.code, refused.code.status), ("E4303", 401));
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let answer = client.post(&world.notices).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(world.payment(1).await["stage"], "ordered");
}

impl World {
    pub(crate) async fn take_statement(&self) -> Value {
        let call = self.call(&self.operator, &function::STATEMENT_TAKE);
        view(self.clearing.take_statement(call, "2025-03-01").await).unwrap()
    }

    async fn step(&self, case: &str, who: &Arc<Caller>, action: &str) -> Result<Value, Problem> {
        let is_operator = who.insurer.is_none();
        let (reach, function) = if is_operator {
            (Reach::All, &function::ANY_CASE_STEP)
        } else {
            (Reach::Own, &function::CASE_STEP)
        };
        let why = "checked with the bank".into();
        let body = StepBody { action: action.into(), why, order_id: None };
        view(self.clearing.step_case(self.call(who, function), case, body, reach).await)
    }

    /// Adds a line nobody ordered to the bank's statement.
    pub(crate) async fn stray(&self, amount: &str, reference: &str) {
        let url = format!("http://{}/sandbox/bank/entries", self.sandbox.addrs.bank);
        let body =
            serde_json::json!({ "day": "2025-03-01", "amount": amount, "reference": reference });
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        assert_eq!(client.post(url).json(&body).send().await.unwrap().status(), 204);
    }

    /// What the bank's account of the house stands at in the books.
    pub(crate) async fn house_bank(&self) -> i128 {
        let mut tx = self.test.db.begin(clearing::ledger::scope([])).await.unwrap();
        let id = clearing::settlement::account_of(clearing::HOUSE, Purpose::Bank, None);
        let account = clearing::ledger::account(&mut tx, id).await.unwrap().unwrap();
        -account.balance.net_credit()
    }
}

#[tokio::test]
async fn a_lost_notice_is_found_by_the_statement() {
    let world = World::with_account().await;
    world.sandbox.set_bank(Behaviour { lose_notices: true, ..Behaviour::default() });
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    while world.sandbox.bank_orders()[0].standing.settled == Fen::ZERO {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.payment(1).await["stage"], "accepted");
    let taken = world.take_statement().await;
    assert_eq!((&taken["moved"], &taken["breaks"]), (&1.into(), &serde_json::json!([])));
    let found = world.payment(1).await;
    assert_eq!(found["stage"], "settled");
    assert_eq!(found["reports"].as_array().unwrap().last().unwrap()["source"], "statement");
    // Taken again, nothing moves; the notice that comes after all moves nothing either.
    assert_eq!(world.take_statement().await["moved"], 0);
    assert_eq!(world.net("settlement").await, "5000.00");
    assert_eq!(world.house_bank().await, 500_000);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn money_nobody_ordered_is_suspended_and_written_off_by_two_people() {
    let world = World::with_account().await;
    world.stray("12.34", "WHO KNOWS").await;
    let taken = world.take_statement().await;
    assert_eq!(
        (&taken["breaks"][0]["kind"], &taken["opened"]),
        (&"missing_here".into(), &1.into())
    );
    assert_eq!(world.house_bank().await, 1_234, "the books say what the statement says");
    assert_eq!(world.take_statement().await["opened"], 0);
    let cases = async |who: &Arc<Caller>| {
        let call = world.call(who, &function::CASE_READ);
        let page = base_http::paging::Page { limit: None, after: None };
        view(world.clearing.list_cases(call, page).await).unwrap()["items"].clone()
    };
    let seen = cases(&world.operator).await;
    let case = seen[0]["caseId"].as_str().unwrap();
    let refused = |result: Result<Value, Problem>| result.unwrap_err().code.code;
    assert_eq!(refused(world.step(case, &world.picc, "explain").await), "E4000");
    assert_eq!(refused(world.step(case, &world.operator, "write_off").await), "E4305");
    let proposed = world.step(case, &world.operator, "propose_write_off").await.unwrap();
    assert_eq!(proposed["stage"], "write_off_proposed");
    assert_eq!(refused(world.step(case, &world.operator, "write_off").await), "E4306");
    let second = Caller { client: "operator-110000".into(), ..Caller::clone(&world.operator) };
    let written_off = world.step(case, &Arc::new(second), "write_off").await.unwrap();
    assert_eq!(written_off["stage"], "written_off");
    assert_eq!(written_off["steps"][0]["by"], "operator-000000");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn an_insurers_file_is_compared_with_what_was_booked() {
    let world = World::with_account().await;
    for number in 1..=3 {
        world.order_payment(number, funding("collect", "100.00")).await.unwrap();
    }
    world.serve().await;
    for number in 1..=3 {
        world.until(number, "settled").await;
    }
    let reconcile = async |file: String| {
        let day = jiff::civil::date(2025, 3, 1);
        let body = ReconcileBody { from: day, to: day, file };
        let call = world.call(&world.picc, &function::RECONCILE);
        view(world.clearing.reconcile_with_file(call, body).await)
    };
    let file = format!("orderId,amount\n{},100.00\n{},99.00\nX,1.00\n", id(1), id(2));
    let found = reconcile(file.clone()).await.unwrap();
    let kinds: Vec<_> = found["breaks"].as_array().unwrap().iter().map(|b| &b["kind"]).collect();
    assert_eq!(kinds, ["missing_at_insurer", "unknown_of_insurer", "amount_at_insurer"]);
    assert_eq!(found["opened"], 3);
    assert_eq!(reconcile(file).await.unwrap()["opened"], 0);
    let refused = reconcile("orderId,amount\nX,much\n".into()).await.unwrap_err();
    assert_eq!(refused.errors[0].detail, "line 2 cannot be read");
    for headless in ["", "order;amount\n"] {
        let refused = reconcile(headless.into()).await.unwrap_err();
        assert!(refused.errors[0].detail.starts_with("the first line names"), "{headless:?}");
    }
    let call = world.call(&world.picc, &function::CASE_READ);
    let page = base_http::paging::Page { limit: None, after: None };
    let cases = view(world.clearing.list_cases(call, page).await).unwrap();
    let case = cases["items"][0]["caseId"].as_str().unwrap();
    assert_eq!(world.step(case, &world.picc, "explain").await.unwrap()["stage"], "explained");
}

#[tokio::test]
async fn an_advance_is_paid_at_once_and_recovered_once_from_who_is_liable() {
    let world = World::with_account().await;
    let advance = AdvanceBody {
        amount: "18000.00".into(),
        reference: "RESCUE 7".into(),
        payee: account("6222021301009999999"),
    };
    let call = world.call(&world.operator, &function::ADVANCE);
    view(world.clearing.pay_advance(call, &id(1), advance).await).unwrap();
    let recover = async |number: u128, insurer: &str, amount: Option<&str>| {
        let call = world.call(&world.operator, &function::ADVANCE_RECOVER);
        let amount = amount.map(str::to_owned);
        let body = RecoveryBody { insurer: insurer.into(), amount, ..RecoveryBody::default() };
        let done = world.clearing.recover_advance(call, &id(1), &id(number), body).await;
        view(done).map_err(|problem| problem.code.code)
    };
    assert_eq!(recover(2, "PICC", None).await, Err("E4304"), "nothing has left yet");
    world.serve().await;
    while world.house_bank().await != -1_800_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(recover(2, "NOPE", None).await, Err("E4000"));
    assert_eq!(recover(2, "PICC", Some("18000.01")).await, Err("E4304"));
    let first = recover(2, "PICC", Some("8000.00")).await.unwrap();
    assert_eq!(recover(2, "PICC", Some("8000.00")).await.unwrap(), first);
    assert_eq!(recover(3, "PICC", None).await.unwrap()["amount"], "10000.00");
    assert_eq!(recover(4, "PICC", None).await, Err("E4304"), "it is all being collected");
    world.serve().await;
    world.until(2, "settled").await;
    world.until(3, "settled").await;
    assert_eq!(world.house_bank().await, 0);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn the_bank_moves_what_a_cycle_calls_for_until_every_position_is_zero() {
    let world = World::with_account().await;
    for (insurer, number) in [(&world.paic, "2222222222"), (&world.cpic, "3333333333")] {
        let call = world.call(insurer, &function::PAYMENT_ACCOUNT_SET);
        view(world.clearing.set_payment_account(call, account(number)).await).unwrap();
    }
    let cycle = world.stated(&worked_example()).await;
    world.all_confirm(cycle).await;
    let now = world.clock.now();
    // PICC owes 14,600 - 3,800 - 6,400; PAIC is owed 1,600, CPIC 2,800.
    assert_eq!(world.clearing.place_funds(now).await, 1);
    assert_eq!(world.clearing.place_funds(now).await, 0);
    for _ in 0..400 {
        world.clearing.place_funds(now).await;
        world.serve().await;
        if world.stage(cycle).await == "reconciled" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.stage(cycle).await, "reconciled");
    world.assert_every_position_is_zero(cycle).await;
    let mut moved: Vec<_> = world
        .sandbox
        .bank_orders()
        .iter()
        .map(|held| {
            (held.order.direction, held.order.account.account.clone(), held.standing.settled.0)
        })
        .collect();
    moved.sort_by_key(|(_, account, _)| account.clone());
    let expected = [
        (bank::Way::Collect, "1234567890", 440_000),
        (bank::Way::PayOut, "2222222222", 160_000),
        (bank::Way::PayOut, "3333333333", 280_000),
    ];
    assert_eq!(moved, expected.map(|(way, account, fen)| (way, account.to_owned(), fen)));
    assert_eq!(world.house_bank().await, 0);
    assert_eq!(world.take_statement().await["breaks"], serde_json::json!([]));
    assert_whole(&world.ledger).await;
}

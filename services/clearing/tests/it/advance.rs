//! Advances by who bears them: the rescue fund out of its own funds, and the liable insurer from the
//! beginning.

use std::sync::Arc;
use std::time::Duration;

use base_http::{Caller, Problem};
use clearing::function;
use clearing::payment::advance::{AdvanceBody, RecoveryBody, SelfServiceBody};
use clearing::recovery::query::VehicleBody;
use serde_json::{Value, json};

use crate::payment::{account, funding, id};
use crate::register::accident_at;
use crate::support::assert_whole;
use crate::world::{World, view};

const OTHER: &str = "1M8GDM9AXKP042788";
const PLATE: &str = "苏A12345";

fn advance(amount: &str) -> AdvanceBody {
    AdvanceBody {
        amount: amount.into(),
        reference: "RESCUE 7".into(),
        payee: account("6222021301009999999"),
    }
}

fn self_service(amount: &str, notice: &str) -> SelfServiceBody {
    SelfServiceBody {
        amount: amount.into(),
        reference: "RESCUE 8".into(),
        payee: account("6222021301009999999"),
        accident_at: Some(accident_at()),
        vehicle: VehicleBody { plate: Some(PLATE.into()), ..VehicleBody::default() },
        notice_no: notice.into(),
    }
}

fn code(problem: Problem) -> &'static str {
    problem.code.code
}

impl World {
    /// The rescue fund: a member that is no insurer.
    fn fund(&self) -> Arc<Caller> {
        let fund =
            Caller { insurer: None, client: "rescue-fund".into(), ..Caller::clone(&self.cpic) };
        Arc::new(fund)
    }

    async fn register_account(&self, caller: &Arc<Caller>, number: &str) {
        let call = self.call(caller, &function::PAYMENT_ACCOUNT_SET);
        view(self.clearing.set_payment_account(call, account(number)).await).unwrap();
    }

    /// Net of an account of the caller; empty without one.
    async fn net_of(&self, caller: &Arc<Caller>, purpose: &str) -> String {
        let call = self.call(caller, &function::ACCOUNT_READ);
        let accounts = view(self.clearing.list_accounts(call).await).unwrap();
        let mut accounts = accounts["accounts"].as_array().unwrap().iter();
        let found = accounts.find(|account| account["purpose"] == purpose);
        found.map_or_else(String::new, |found| found["balance"]["net"].as_str().unwrap().into())
    }

    /// Sends what is due and waits until an account of the caller stands there.
    async fn until_net(&self, caller: &Arc<Caller>, purpose: &str, net: &str) {
        self.serve().await;
        for _ in 0..400 {
            if self.net_of(caller, purpose).await == net {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{purpose} is {}, not {net}", self.net_of(caller, purpose).await);
    }

    async fn read_advance(&self, caller: &Arc<Caller>, number: u128) -> Result<Value, Problem> {
        let call = self.call(caller, &function::ADVANCE_READ);
        view(self.clearing.read_advance(call, &id(number)).await)
    }

    async fn self_service(
        &self,
        number: u128,
        body: SelfServiceBody,
    ) -> Result<Value, &'static str> {
        let call = self.call(&self.fund(), &function::SELF_SERVICE_ADVANCE);
        view(self.clearing.pay_self_service(call, &id(number), body).await).map_err(code)
    }
}

#[tokio::test]
async fn the_rescue_fund_pays_out_of_its_own_funds_and_recovers_from_insurer_and_person() {
    let world = World::with_account().await;
    let fund = world.fund();
    let pay = async |number: u128, amount: &str| {
        let call = world.call(&fund, &function::FUND_ADVANCE);
        let paid = world.clearing.pay_fund_advance(call, &id(number), advance(amount)).await;
        view(paid).map_err(code)
    };
    assert_eq!(pay(1, "18000.00").await, Err("E4302"), "it keeps nothing yet");
    world.register_account(&fund, "3333333333").await;
    let call = world.call(&fund, &function::PAYMENT_ORDER);
    let brought = funding("collect", "20000.00");
    view(world.clearing.order_payment(call, &id(10), brought).await).unwrap();
    world.until_net(&fund, "settlement", "20000.00").await;
    let paid = pay(1, "18000.00").await.unwrap();
    assert_eq!(pay(1, "18000.00").await.unwrap(), paid);
    assert_eq!(pay(2, "2000.01").await, Err("E4302"), "the rest is reserved");
    world.until_net(&fund, "settlement", "2000.00").await;

    let recover = async |by: &Arc<Caller>, number: u128, body: RecoveryBody| {
        let call = world.call(by, &function::FUND_ADVANCE_RECOVER);
        let done = world.clearing.recover_fund_advance(call, &id(1), &id(number), body).await;
        view(done).map_err(code)
    };
    let from_picc = |amount: &str| RecoveryBody {
        insurer: "PICC".into(),
        amount: Some(amount.to_owned()),
        ..RecoveryBody::default()
    };
    let person =
        || RecoveryBody { debtor: Some(account("6222021301007777777")), ..Default::default() };
    assert_eq!(recover(&world.paic, 3, from_picc("1.00")).await, Err("E4000"));
    let both = RecoveryBody { debtor: person().debtor, ..from_picc("1.00") };
    assert_eq!(recover(&fund, 3, both).await, Err("E1001"));
    assert_eq!(recover(&fund, 3, RecoveryBody::default()).await, Err("E1001"));
    recover(&fund, 3, from_picc("10000.00")).await.unwrap();
    assert_eq!(recover(&fund, 4, from_picc("8000.01")).await, Err("E4304"));
    // The rest from the person.
    assert_eq!(recover(&fund, 4, person()).await.unwrap()["amount"], "8000.00");
    assert_eq!(recover(&fund, 5, person()).await, Err("E4304"));
    world.until_net(&fund, "settlement", "20000.00").await;
    let seen = world.read_advance(&fund, 1).await.unwrap();
    assert_eq!(
        [&seen["origin"], &seen["paid"], &seen["recovered"], &seen["left"]],
        [&json!("fund"), &json!("18000.00"), &json!("18000.00"), &json!("0.00")]
    );
    assert_eq!(code(world.read_advance(&world.paic, 1).await.unwrap_err()), "E4000");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_self_service_advance_is_the_liable_insurers_at_once_and_within_its_limit() {
    let world = World::with_account().await;
    world.register_account(&world.paic, "2222222222").await;
    assert_eq!(world.self_service(1, self_service("1.00", "N-1")).await, Err("E4101"));
    world.register.insure(&world.paic, OTHER, PLATE, None);
    world.register.insure(&world.paic, OTHER, PLATE, Some("1000000.00"));
    assert_eq!(world.self_service(1, self_service("18000.01", "N-1")).await, Err("E4304"));
    let before = world.memory.all().len();
    let paid = world.self_service(1, self_service("12000.00", "N-1")).await.unwrap();
    let shown = world.memory.all()[before..].last().unwrap().shown.clone();
    assert_eq!(shown[0].owner, "PAIC");
    assert_eq!(world.self_service(1, self_service("12000.00", "N-1")).await.unwrap(), paid);
    // Booked: PAIC sees it before any money has left, and nobody else bears it.
    let booked = world.read_advance(&world.paic, 1).await.unwrap();
    assert_eq!(
        [&booked["origin"], &booked["liableInsurer"], &booked["amount"], &booked["paid"]],
        [&json!("self_service"), &json!("PAIC"), &json!("12000.00"), &json!("0.00")]
    );
    let told: i64 = sqlx::query_scalar(
        "select count(*) from events.outbox where type = 'clearing.advance.booked' and tenant_id = $1",
    )
    .bind(world.paic.tenant.0)
    .fetch_one(&world.test.owner)
    .await
    .unwrap();
    assert_eq!(told, 1);
    world.until_net(&world.paic, "advance", "-12000.00").await;
    // The limit is that of all advances for the accident, and a notice is advanced on once.
    assert_eq!(world.self_service(2, self_service("6000.01", "N-2")).await, Err("E4304"));
    assert_eq!(world.self_service(2, self_service("6000.00", "N-1")).await, Err("E4304"));
    world.self_service(2, self_service("6000.00", "N-2")).await.unwrap();
    world.until_net(&world.paic, "advance", "-18000.00").await;

    // Collected from that insurer and no other.
    let recover = async |number: u128, insurer: &str| {
        let call = world.call(&world.operator, &function::ADVANCE_RECOVER);
        let body = RecoveryBody { insurer: insurer.into(), ..RecoveryBody::default() };
        let done = world.clearing.recover_advance(call, &id(1), &id(number), body).await;
        view(done).map_err(code)
    };
    assert_eq!(recover(20, "PICC").await, Err("E4304"));
    assert_eq!(recover(20, "PAIC").await.unwrap()["amount"], "12000.00");
    world.until_net(&world.paic, "advance", "-6000.00").await;
    let call = world.call(&world.paic, &function::ADVANCE_READ);
    let listed = view(world.clearing.list_advances(call, Default::default()).await).unwrap();
    let lefts: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|it| it["left"].as_str().unwrap()).collect();
    assert_eq!(lefts, ["6000.00", "0.00"]);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn of_two_advances_at_once_no_more_than_the_limit_is_booked() {
    let world = World::with_account().await;
    world.register.insure(&world.paic, OTHER, PLATE, None);
    let (one, other) = tokio::join!(
        world.self_service(1, self_service("10000.00", "N-1")),
        world.self_service(2, self_service("10000.00", "N-2"))
    );
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
}

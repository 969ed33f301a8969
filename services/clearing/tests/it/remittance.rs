//! What gathers of premiums is paid on to whom it is for.

use std::time::Duration;

use clearing::function;
use clearing::payment::order::ShareOf;
use clearing::payment::payee::BankAccountBody;
use clearing::payment::remittance::Payee;
use clearing::payment::remittance::payees::PayeeBody;
use clearing::payment::remittance::run::RemitBody;
use clearing_ledger::Purpose;
use kernel::{Clock, Fen};
use sandbox::bank::{Behaviour, Way};
use serde_json::{Value, json};

use crate::payment::{account, id};
use crate::premium::quote;
use crate::support::assert_whole;
use crate::world::{LICENCE, World, view};

const JIANGSU: &str = "320000";

/// The page every list here fits on.
fn page() -> base_http::paging::Page {
    base_http::paging::Page { limit: None, after: None }
}

impl World {
    /// Goes on to ten in the morning of a day of March 2025.
    fn march(&self, day: u32) {
        self.clock.set(format!("2025-03-{day:02}T10:00:00+08:00").parse().unwrap());
    }

    pub(crate) async fn set_payee(
        &self,
        (share_of, code): (&str, &str),
        period: &str,
        account: BankAccountBody,
    ) -> Result<Value, &'static str> {
        let body = PayeeBody { name: "某某收款单位".into(), period: period.into(), account };
        let call = self.call(&self.operator, &function::PAYEE_SET);
        let set = self.clearing.set_payee(call, (share_of, code), body).await;
        view(set).map_err(|problem| problem.code.code)
    }

    /// Registers the tax office of Jiangsu.
    async fn tax_office(&self, period: &str) {
        let set = self.set_payee(("tax", JIANGSU), period, account("3200000001")).await.unwrap();
        assert_eq!(set["account"], "102301000028 ****0001");
    }

    /// Remits the vehicle tax of Jiangsu through a day of March 2025.
    async fn remit(&self, day: u32) -> Result<Value, &'static str> {
        let through = jiff::civil::date(2025, 3, i8::try_from(day).unwrap());
        let body = RemitBody { share_of: "tax".into(), payee: JIANGSU.into(), through };
        let call = self.call(&self.operator, &function::REMIT);
        view(self.clearing.remit(call, body).await).map_err(|problem| problem.code.code)
    }

    async fn retry(&self, remittance: &Value) -> Result<Value, &'static str> {
        let call = self.call(&self.operator, &function::REMIT);
        let again = self.clearing.retry_remittance(call, named(remittance)).await;
        view(again).map_err(|problem| problem.code.code)
    }

    async fn remittance(&self, remittance: &Value) -> Value {
        let call = self.call(&self.operator, &function::REMITTANCE_READ);
        view(self.clearing.read_remittance(call, named(remittance)).await).unwrap()
    }

    /// Order, purpose and amount of each source payment.
    async fn sources(&self, remittance: &Value) -> Vec<(String, String, String)> {
        let call = self.call(&self.operator, &function::REMITTANCE_READ);
        let found = self.clearing.list_sources(call, named(remittance), page()).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found = view(found).unwrap()["items"].as_array().unwrap().clone();
        let line =
            |one: &Value| (text(&one["orderId"]), text(&one["purpose"]), text(&one["amount"]));
        found.iter().map(line).collect()
    }

    /// Serves until the last order of a remittance stands so.
    async fn remitted(&self, remittance: &Value, stage: &str) -> Value {
        self.serve().await;
        for _ in 0..400 {
            let found = self.remittance(remittance).await;
            if found["stage"] == stage {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {stage}: {}", self.remittance(remittance).await);
    }

    /// Collects the premium of a quote of its own, all of it.
    pub(crate) async fn premium(&self, number: u128) {
        let query_code = format!("01PICC-{number}");
        self.desk.state().awaited.insert(query_code.clone(), quote());
        self.collect(number, &query_code).await.unwrap();
        self.serve().await;
        self.until(number, "settled").await;
        self.clearing.tell_policies(self.clock.now()).await;
    }

    /// Credits less debits of the tax office's account, in fen.
    async fn tax(&self) -> i128 {
        let owner = Payee::of(ShareOf::Tax, JIANGSU).unwrap().owner();
        self.balance(owner, Purpose::Tax, None).await
    }
}

fn named(remittance: &Value) -> &str {
    remittance["remittanceId"].as_str().unwrap()
}

/// Opening, lines, amount and what is carried on.
fn sums(remittance: &Value) -> [&str; 4] {
    ["opening", "lines", "amount", "carried"].map(|name| remittance[name].as_str().unwrap())
}

#[tokio::test]
async fn what_gathered_is_paid_on_once_and_found_again_from_either_end() {
    let world = World::with_account().await;
    world.premium(1).await;
    world.premium(2).await;
    assert_eq!(world.remit(1).await, Err("E1001"), "the day is not over");
    world.march(2);
    assert_eq!(world.remit(1).await, Err("E4301"), "nobody registered the tax office");
    let call = world.call(&world.operator, &function::REMITTANCE_READ);
    let payees = view(world.clearing.list_payees(call, page()).await).unwrap();
    let gathered = payees["items"].as_array().unwrap().iter();
    let gathered: Vec<_> =
        gathered.map(|one| (&one["shareOf"], &one["code"], &one["gathered"])).collect();
    // 300.00 tax, 6.65 fund and 225.00 commission of each.
    let expected = [
        (&json!("commission"), &json!(LICENCE), &json!("450.00")),
        (&json!("fund"), &json!(JIANGSU), &json!("13.30")),
        (&json!("tax"), &json!(JIANGSU), &json!("600.00")),
    ];
    assert_eq!(gathered, expected);
    world.tax_office("month").await;

    // Operators and servers at once: one remittance.
    let made = futures::future::join_all((0..6).map(|_| world.remit(1))).await;
    let made: Vec<Value> = made.into_iter().map(Result::unwrap).collect();
    assert!(made.iter().all(|one| one["remittanceId"] == made[0]["remittanceId"]), "{made:?}");
    assert_eq!(sums(&made[0]), ["0.00", "600.00", "600.00", "0.00"]);
    let paid = world.remitted(&made[0], "settled").await;
    assert_eq!((&paid["paid"], paid["orders"].as_array().unwrap().len()), (&json!("600.00"), 1));
    assert_eq!(world.tax().await, 0);
    let told = world.sandbox.bank_orders();
    let out: Vec<_> = told.iter().filter(|held| held.order.direction == Way::PayOut).collect();
    assert_eq!(out.len(), 1);
    assert_eq!(
        (out[0].order.account.account.as_str(), out[0].order.amount),
        ("3200000001", Fen(60_000))
    );
    assert_eq!(out[0].order.reference, "REMIT tax 2025-03-01");

    // From the remittance to each premium, and from a premium to the remittance.
    let tax = |number| (id(number), "premium".to_owned(), "300.00".to_owned());
    assert_eq!(world.sources(&made[0]).await, [tax(1), tax(2)]);
    let premium = world.payment(2).await;
    let carried = json!([{
        "shareOf": "tax", "remittanceId": made[0]["remittanceId"], "amount": "300.00"
    }]);
    assert_eq!(premium["remittances"], carried);

    assert_eq!(named(&world.remit(1).await.unwrap()), named(&made[0]));
    world.march(4);
    let next = world.remit(3).await.unwrap();
    assert_eq!((sums(&next), &next["stage"]), (["0.00"; 4], &Value::Null));
    assert_eq!(world.remit(2).await, Err("E4308"), "it is remitted through the 3rd");
    let call = world.call(&world.operator, &function::REMITTANCE_READ);
    let all = view(world.clearing.list_remittances(call, page()).await).unwrap();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);

    // The bank's own book knows the payment like any other.
    let call = world.call(&world.operator, &function::STATEMENT_TAKE);
    let taken = view(world.clearing.take_statement(call, "2025-03-02").await).unwrap();
    assert_eq!((&taken["lines"], &taken["breaks"]), (&json!(1), &json!([])));
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn what_comes_after_the_day_is_for_the_next_and_a_refund_under_way_is_held() {
    let world = World::with_account().await;
    world.tax_office("by_hand").await;
    world.premium(1).await;
    world.march(2);
    world.premium(2).await;
    // 246.50 of the 2,465.00 go back: a tenth of each share, 30.00 of the tax.
    world.refund(11, 1, Some("246.50")).await.unwrap();
    let first = world.remit(1).await.unwrap();
    assert_eq!(sums(&first), ["0.00", "300.00", "300.00", "0.00"], "the 2nd's money covers it");
    world.remitted(&first, "settled").await;
    world.until(11, "settled").await;
    world.refund(12, 2, None).await.unwrap();
    world.march(3);
    let second = world.remit(2).await.unwrap();
    // 300.00 came and 30.00 went; the other 300.00 are promised, so nothing may leave.
    assert_eq!(sums(&second), ["0.00", "270.00", "0.00", "270.00"]);
    let refunded = (id(11), "refund".to_owned(), "-30.00".to_owned());
    assert!(world.sources(&second).await.contains(&refunded));
    world.serve().await;
    world.until(12, "settled").await;
    world.march(4);
    let third = world.remit(3).await.unwrap();
    assert_eq!(sums(&third), ["270.00", "-300.00", "0.00", "-30.00"]);
    assert_eq!(world.tax().await, -3_000);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn what_goes_back_after_it_was_paid_on_is_taken_off_the_next_and_never_collected() {
    let world = World::with_account().await;
    world.tax_office("by_hand").await;
    world.premium(1).await;
    world.march(2);
    let first = world.remit(1).await.unwrap();
    world.remitted(&first, "settled").await;
    world.refund(11, 1, None).await.unwrap();
    world.serve().await;
    world.until(11, "settled").await;
    assert_eq!(world.tax().await, -30_000);
    world.march(3);
    let second = world.remit(2).await.unwrap();
    assert_eq!(sums(&second), ["0.00", "-300.00", "0.00", "-300.00"]);
    assert_eq!((&second["stage"], &second["orders"]), (&Value::Null, &json!([])));
    assert_eq!(world.retry(&second).await, Err("E4308"), "there is nothing to pay");
    for number in 2..=4 {
        world.premium(number).await;
    }
    world.march(4);
    let third = world.remit(3).await.unwrap();
    assert_eq!(sums(&third), ["-300.00", "900.00", "600.00", "0.00"]);
    world.remitted(&third, "settled").await;
    assert_eq!(world.tax().await, 0);
    // The refund is drilled down to the remittance that took it off.
    let refund = world.payment(11).await;
    assert_eq!(refund["remittances"][0]["remittanceId"], second["remittanceId"]);
    assert_eq!(refund["remittances"][0]["amount"], "-300.00");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn an_order_that_fails_gives_the_money_back_and_is_tried_again_or_goes_with_the_next() {
    let world = World::with_account().await;
    world.tax_office("by_hand").await;
    world.premium(1).await;
    world.march(2);
    world.sandbox.set_bank(Behaviour { reject_next: 1, ..Behaviour::default() });
    let first = world.remit(1).await.unwrap();
    assert_eq!(world.retry(&first).await, Err("E4308"), "it is under way");
    let failed = world.remitted(&first, "rejected").await;
    assert_eq!((&failed["paid"], world.tax().await), (&json!("0.00"), 30_000));
    // The account was wrong; with the right one it is paid.
    world.set_payee(("tax", JIANGSU), "by_hand", account("3200000002")).await.unwrap();
    let again = world.retry(&first).await.unwrap();
    assert_eq!(again["orders"].as_array().unwrap().len(), 2);
    let paid = world.remitted(&first, "settled").await;
    assert_eq!((&paid["paid"], world.tax().await), (&json!("300.00"), 0));
    assert_eq!(world.retry(&first).await, Err("E4308"), "nothing is left of it");
    let told = world.sandbox.bank_orders();
    let out = told.iter().filter(|held| held.order.direction == Way::PayOut);
    let mut accounts: Vec<_> = out.map(|held| held.order.account.account.as_str()).collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["3200000001", "3200000002"]);

    // The bank brings a part back: the next remittance takes it along, and this one is done with.
    let order = paid["orders"][1]["orderId"].as_str().unwrap().replace('-', "");
    world.sandbox.give_back(&order, Some(Fen(10_000)), "AC04").unwrap();
    let returned = world.remitted(&first, "returned").await;
    assert_eq!((&returned["paid"], world.tax().await), (&json!("200.00"), 10_000));
    world.premium(2).await;
    world.march(3);
    let second = world.remit(2).await.unwrap();
    assert_eq!(sums(&second), ["100.00", "300.00", "400.00", "0.00"]);
    assert_eq!(world.sources(&second).await.len(), 1, "what came back is no premium");
    assert_eq!(world.retry(&first).await, Err("E4308"), "it went with the next");
    world.remitted(&second, "settled").await;
    assert_eq!(world.tax().await, 0);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn the_clock_remits_each_period_once_whoever_looks() {
    let world = World::with_account().await;
    world.tax_office("week").await;
    let licence = ("commission", LICENCE);
    let set = world.set_payee(licence, "day", account("8800000001")).await.unwrap();
    assert_eq!(set["dueOn"], "2025-03-02");
    world.premium(1).await;
    assert_eq!(world.clearing.remit_due(world.clock.now()).await, 0, "no day is over");
    world.march(2);
    let now = world.clock.now();
    let made = futures::future::join_all((0..3).map(|_| world.clearing.remit_due(now))).await;
    assert_eq!(made.iter().sum::<usize>(), 1, "a day of the intermediary");
    // Sunday 2 March ends the week of the tax office; nothing gathered for the intermediary.
    world.march(3);
    assert_eq!(world.clearing.remit_due(world.clock.now()).await, 1);
    world.march(9);
    assert_eq!(world.clearing.remit_due(world.clock.now()).await, 0);
    let call = world.call(&world.operator, &function::REMITTANCE_READ);
    let all = view(world.clearing.list_remittances(call, page()).await).unwrap();
    let all = all["items"].as_array().unwrap().iter();
    let all: Vec<_> = all.map(|one| (&one["shareOf"], &one["through"], &one["amount"])).collect();
    let expected = [
        (&json!("tax"), &json!("2025-03-02"), &json!("300.00")),
        (&json!("commission"), &json!("2025-03-01"), &json!("225.00")),
    ];
    assert_eq!(all, expected);
    let call = world.call(&world.operator, &function::REMITTANCE_READ);
    let payees = view(world.clearing.list_payees(call, page()).await).unwrap();
    let due: Vec<_> = payees["items"].as_array().unwrap().iter().map(|one| &one["dueOn"]).collect();
    assert_eq!(due, [&json!("2025-03-10"), &Value::Null, &json!("2025-03-10")]);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_payee_is_written_right_or_not_at_all() {
    let world = World::with_account().await;
    for unknown in [("tax", "999999"), ("premium", JIANGSU), ("advance", JIANGSU), ("x", "1")] {
        let set = world.set_payee(unknown, "day", account("1234567")).await;
        assert_eq!(set, Err("E4000"), "{unknown:?}");
    }
    let body = PayeeBody { name: " ".into(), period: "year".into(), account: account("1") };
    let call = world.call(&world.operator, &function::PAYEE_SET);
    let refused = world.clearing.set_payee(call, ("tax", JIANGSU), body).await.unwrap_err();
    let pointers: Vec<_> = refused.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/period", "/account/account"]);
    // Without an intermediary nothing is withheld: the insurer has the rest.
    world.desk.state().intermediary = None;
    world.premium(1).await;
    let shares = world.payment(1).await["shares"].clone();
    let shares = shares.as_array().unwrap().iter();
    let shares: Vec<_> = shares.map(|one| (&one["shareOf"], &one["amount"])).collect();
    let expected = [
        (&json!("tax"), &json!("300.00")),
        (&json!("fund"), &json!("6.65")),
        (&json!("premium"), &json!("2158.35")),
    ];
    assert_eq!(shares, expected);
}

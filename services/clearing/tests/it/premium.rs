//! Premiums: collected, split, registered at the quote, and given back.

use std::time::Duration;

use clearing::function;
use clearing::payment::order::ShareOf;
use clearing::payment::premium::{OwedBack, PremiumBody};
use clearing::payment::refund::RefundBody;
use clearing::payment::remittance::Payee;
use clearing::payment::split::Payable;
use clearing_ledger::Purpose;
use kernel::{Clock, Fen};
use serde_json::Value;

use crate::payment::{account, id, simple};
use crate::support::assert_whole;
use crate::world::{LICENCE, World, view};

pub(crate) fn quote() -> Payable {
    // 665.00 compulsory, 1,500.00 commercial, 300.00 tax, 225.00 of it commission; 1 % fund: 6.65.
    Payable {
        compulsory: Fen(66_500),
        commercial: Fen(150_000),
        tax: Fen(30_000),
        commission: Fen(22_500),
    }
}

impl World {
    pub(crate) async fn collect(
        &self,
        number: u128,
        query_code: &str,
    ) -> Result<Value, &'static str> {
        let query_code = Some(query_code.to_owned());
        self.collect_for(number, PremiumBody { query_code, ..PremiumBody::default() }).await
    }

    /// Collects for what the body names, out of the usual account.
    async fn collect_for(&self, number: u128, body: PremiumBody) -> Result<Value, &'static str> {
        let call = self.call(&self.picc, &function::PREMIUM_COLLECT);
        let body = PremiumBody { payer: account("6222021301001234567"), ..body };
        let ordered = self.clearing.collect_premium(call, &id(number), body).await;
        view(ordered).map_err(|problem| problem.code.code)
    }

    pub(crate) async fn refund(
        &self,
        number: u128,
        of: u128,
        amount: Option<&str>,
    ) -> Result<Value, &'static str> {
        let amount = amount.map(str::to_owned);
        self.refund_as(number, RefundBody { of: id(of), amount, amend_code: None }).await
    }

    /// Gives back what the endorsement does, out of a collection.
    async fn give_back(
        &self,
        number: u128,
        of: u128,
        amend_code: &str,
    ) -> Result<Value, &'static str> {
        let amend_code = Some(amend_code.to_owned());
        self.refund_as(number, RefundBody { of: id(of), amount: None, amend_code }).await
    }

    async fn refund_as(&self, number: u128, body: RefundBody) -> Result<Value, &'static str> {
        let call = self.call(&self.picc, &function::REFUND);
        let ordered = self.clearing.refund(call, &id(number), body).await;
        view(ordered).map_err(|problem| problem.code.code)
    }

    /// The premium of [`quote`], collected for a query code under a number.
    async fn collected(&self, number: u128, query_code: &str, what: Payable) {
        self.desk.state().awaited.insert(query_code.to_owned(), what);
        self.collect(number, query_code).await.unwrap();
        self.serve().await;
        self.until(number, "settled").await;
        self.clearing.tell_policies(self.clock.now()).await;
    }

    /// Tax, fund and commission of their payees, premium of the insurer, in fen.
    pub(crate) async fn shares(&self) -> [i128; 4] {
        let mut tx = self.test.db.begin(clearing::ledger::scope([])).await.unwrap();
        let mut nets = [0; 4];
        let payee = |of, code| Payee::of(of, code).unwrap().owner();
        let owners = [
            (payee(ShareOf::Tax, "320000"), Purpose::Tax),
            (payee(ShareOf::Fund, "320000"), Purpose::Fund),
            (payee(ShareOf::Commission, LICENCE), Purpose::Commission),
            (self.picc.tenant, Purpose::Premium),
        ];
        for (net, (owner, purpose)) in nets.iter_mut().zip(owners) {
            let id = clearing::settlement::account_of(owner, purpose, None);
            let account = clearing::ledger::account(&mut tx, id).await.unwrap();
            *net = account.map_or(0, |account| account.balance.net_credit());
        }
        nets
    }
}

#[tokio::test]
async fn a_premium_is_collected_registered_once_and_goes_back_to_the_fen() {
    let world = World::with_account().await;
    assert_eq!(world.collect(1, "01PICC-1").await, Err("E4304"), "no quote waits");
    world.desk.state().awaited.insert("01PICC-1".into(), quote());
    let ordered = world.collect(1, "01PICC-1").await.unwrap();
    assert_eq!((&ordered["amount"], &ordered["about"]), (&"2465.00".into(), &"01PICC-1".into()));
    world.serve().await;
    world.until(1, "settled").await;
    assert_eq!(world.shares().await, [30_000, 665, 22_500, 193_335]);
    // Whoever keeps the quotes is away: told again until it is known.
    world.desk.state().is_away = true;
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 0);
    world.desk.state().is_away = false;
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 1);
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 0);
    let (registered, brought) = {
        let state = world.desk.state();
        (state.registered.clone(), state.brought)
    };
    assert_eq!((registered.len(), brought), (1, 2));
    assert_eq!((registered[0].amount, &registered[0].reference), (Fen(246_500), &simple(1)));
    // Repeated after the quote stopped waiting, it is the same order still.
    assert_eq!(world.collect(1, "01PICC-1").await.unwrap()["stage"], "settled");

    let back = world.refund(2, 1, Some("1000.00")).await.unwrap();
    assert_eq!(back["payee"], "102301000028 ****4567", "to whoever paid");
    assert_eq!(world.refund(2, 1, Some("1000.00")).await.unwrap(), back);
    assert_eq!(world.refund(2, 1, Some("1000.01")).await, Err("E4300"));
    assert_eq!(world.refund(3, 1, Some("1465.01")).await, Err("E4304"), "more than is left");
    world.refund(4, 1, None).await.unwrap();
    world.serve().await;
    world.until(2, "settled").await;
    assert_eq!(world.until(4, "settled").await["amount"], "1465.00");
    assert_eq!(world.shares().await, [0; 4]);
    assert_eq!(world.house_bank().await, 0);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn money_a_quote_no_longer_waits_for_goes_back_by_itself() {
    let world = World::with_account().await;
    world.desk.state().awaited.insert("01PICC-1".into(), quote());
    world.collect(1, "01PICC-1").await.unwrap();
    world.serve().await;
    world.until(1, "settled").await;
    world.desk.state().awaited.clear();
    // Two servers at once: one refund.
    let now = world.clock.now();
    futures::future::join(world.clearing.tell_policies(now), world.clearing.tell_policies(now))
        .await;
    world.serve().await;
    for _ in 0..400 {
        if world.house_bank().await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.shares().await, [0; 4]);
    assert_eq!(world.sandbox.bank_orders().len(), 2);
    assert_whole(&world.ledger).await;
}

const SURRENDER: &str = "03PICC320026123450000000000017";
const QUOTE: &str = "01PICC320026123450000000000009";
const ENDORSEMENT: &str = "03PICC320026123450000000000033";

/// 665.00 × (1 − 100/365) = 482.81 of the compulsory premium, which bears no commission, and 175.00 of
/// the tax.
fn surrender() -> OwedBack {
    OwedBack {
        payable: Payable { compulsory: Fen(48_281), tax: Fen(17_500), ..Payable::default() },
        collected_for: vec![QUOTE.to_owned(), ENDORSEMENT.to_owned(), SURRENDER.to_owned()],
    }
}

#[tokio::test]
async fn an_endorsement_is_collected_like_a_quote_and_names_itself() {
    let world = World::with_account().await;
    // 156.01 more for a higher limit, a tenth of it the agency's.
    let more = Payable { commercial: Fen(15_601), commission: Fen(1_560), ..Payable::default() };
    world.desk.state().awaited.insert(ENDORSEMENT.into(), more);
    let of = |query_code: Option<&str>, amend_code: Option<&str>| PremiumBody {
        query_code: query_code.map(str::to_owned),
        amend_code: amend_code.map(str::to_owned),
        ..PremiumBody::default()
    };
    assert_eq!(world.collect_for(1, of(None, None)).await, Err("E1001"));
    let both = world.collect_for(1, of(Some(QUOTE), Some(ENDORSEMENT))).await;
    assert_eq!(both, Err("E1001"));
    let ordered = world.collect_for(1, of(None, Some(ENDORSEMENT))).await.unwrap();
    assert_eq!((&ordered["amount"], &ordered["about"]), (&"156.01".into(), &ENDORSEMENT.into()));
    world.serve().await;
    world.until(1, "settled").await;
    assert_eq!(world.shares().await, [0, 0, 1_560, 14_041]);
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 1);
    let registered = world.desk.state().registered.clone();
    assert_eq!((registered[0].code.as_str(), registered[0].amount), (ENDORSEMENT, Fen(15_601)));
}

#[tokio::test]
async fn a_surrender_goes_back_without_the_shares_it_does_not_touch() {
    let world = World::with_account().await;
    world.collected(1, QUOTE, quote()).await;
    assert_eq!(world.give_back(2, 1, SURRENDER).await, Err("E4304"), "nothing is owed");
    world.desk.state().owed_back.insert(SURRENDER.into(), surrender());
    let body =
        RefundBody { of: id(1), amount: Some("657.81".into()), amend_code: Some(SURRENDER.into()) };
    assert_eq!(world.refund_as(2, body).await, Err("E1001"), "one says how much");
    // Of 657.81 the tax office gives 175.00, the fund a hundredth of 482.81, 4.83, the agency nothing.
    let ordered = world.give_back(2, 1, SURRENDER).await.unwrap();
    assert_eq!((&ordered["amount"], &ordered["amendCode"]), (&"657.81".into(), &SURRENDER.into()));
    assert_eq!(world.give_back(2, 1, SURRENDER).await.unwrap(), ordered);
    assert_eq!(world.give_back(3, 1, SURRENDER).await, Err("E4304"), "all of it is ordered");
    assert_eq!(world.refund(2, 1, Some("657.81")).await, Err("E4300"));
    world.serve().await;
    world.until(2, "settled").await;
    // 300.00 − 175.00, 6.65 − 4.83, 225.00, 1,933.35 − 477.98.
    assert_eq!(world.shares().await, [12_500, 182, 22_500, 145_537]);
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 1);
    let last = world.desk.state().registered.last().cloned().unwrap();
    assert_eq!((last.code.as_str(), last.amount), (SURRENDER, Fen(-65_781)));
    // Repeated after it was registered, it is the same order still.
    assert_eq!(world.give_back(2, 1, SURRENDER).await.unwrap()["stage"], "settled");
    // What is left goes back as any premium does.
    world.refund(5, 1, None).await.unwrap();
    world.serve().await;
    world.until(5, "settled").await;
    assert_eq!(world.shares().await, [0; 4]);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_surrender_of_what_was_collected_twice_comes_out_of_both_and_is_registered_once() {
    let world = World::with_account().await;
    let commercial = |fen| Payable { commercial: Fen(fen), ..Payable::default() };
    world.collected(1, QUOTE, commercial(10_000)).await;
    world.collected(2, ENDORSEMENT, commercial(6_000)).await;
    world.collected(3, "01PICC320026123450000000000041", commercial(50_000)).await;
    let owed = OwedBack { payable: commercial(12_000), ..surrender() };
    world.desk.state().owed_back.insert(SURRENDER.into(), owed);
    let foreign = world.give_back(4, 3, SURRENDER).await;
    assert_eq!(foreign, Err("E4304"), "that order paid for another policy");
    // Both at once: whichever comes first, 120.00 in all.
    let (one, other) =
        futures::future::join(world.give_back(5, 1, SURRENDER), world.give_back(6, 2, SURRENDER))
            .await;
    let fen = |order: Value| order["amount"].as_str().unwrap().parse::<Fen>().unwrap().0;
    let amounts = [fen(one.unwrap()), fen(other.unwrap())];
    assert!(amounts == [10_000, 2_000] || amounts == [6_000, 6_000], "{amounts:?}");
    world.serve().await;
    world.until(5, "settled").await;
    world.until(6, "settled").await;
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 2);
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 0);
    let registered = world.desk.state().registered.clone();
    let back: Vec<Fen> = registered
        .iter()
        .filter(|money| money.code == SURRENDER)
        .map(|money| money.amount)
        .collect();
    assert_eq!(back, [Fen(-12_000)]);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_refund_the_endorsement_no_longer_waits_for_stays_paid() {
    let world = World::with_account().await;
    world.collected(1, QUOTE, quote()).await;
    world.desk.state().owed_back.insert(SURRENDER.into(), surrender());
    world.give_back(2, 1, SURRENDER).await.unwrap();
    world.serve().await;
    world.until(2, "settled").await;
    // The insurer registered the money by hand meanwhile.
    world.desk.state().owed_back.clear();
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 1);
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 0);
    assert_eq!(world.sandbox.bank_orders().len(), 2, "money that went does not come back");
}

//! Premiums: collected, split, registered at the quote, and given back.

use std::time::Duration;

use clearing::function;
use clearing::payment::order::ShareOf;
use clearing::payment::premium::{PremiumBody, RefundBody};
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
        let call = self.call(&self.picc, &function::PREMIUM_COLLECT);
        let payer = account("6222021301001234567");
        let body = PremiumBody { query_code: query_code.into(), payer };
        let ordered = self.clearing.collect_premium(call, &id(number), body).await;
        view(ordered).map_err(|problem| problem.code.code)
    }

    pub(crate) async fn refund(
        &self,
        number: u128,
        of: u128,
        amount: Option<&str>,
    ) -> Result<Value, &'static str> {
        let call = self.call(&self.picc, &function::REFUND);
        let body = RefundBody { of: id(of), amount: amount.map(str::to_owned) };
        let ordered = self.clearing.refund(call, &id(number), body).await;
        view(ordered).map_err(|problem| problem.code.code)
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
            let account = clearing::ledger::account(&mut tx, id).await.unwrap().unwrap();
            *net = account.balance.net_credit();
        }
        nets
    }
}

#[tokio::test]
async fn a_premium_is_collected_registered_once_and_goes_back_to_the_fen() {
    let world = World::with_account().await;
    assert_eq!(world.collect(1, "01PICC-1").await, Err("E4304"), "no quote waits");
    world.quotes.state().awaited.insert("01PICC-1".into(), quote());
    let ordered = world.collect(1, "01PICC-1").await.unwrap();
    assert_eq!((&ordered["amount"], &ordered["about"]), (&"2465.00".into(), &"01PICC-1".into()));
    world.serve().await;
    world.until(1, "settled").await;
    assert_eq!(world.shares().await, [30_000, 665, 22_500, 193_335]);
    // Whoever keeps the quotes is away: told again until it is known.
    world.quotes.state().is_away = true;
    assert_eq!(world.clearing.tell_quotes(world.clock.now()).await, 0);
    world.quotes.state().is_away = false;
    assert_eq!(world.clearing.tell_quotes(world.clock.now()).await, 1);
    assert_eq!(world.clearing.tell_quotes(world.clock.now()).await, 0);
    let (registered, brought) = {
        let state = world.quotes.state();
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
    world.quotes.state().awaited.insert("01PICC-1".into(), quote());
    world.collect(1, "01PICC-1").await.unwrap();
    world.serve().await;
    world.until(1, "settled").await;
    world.quotes.state().awaited.clear();
    // Two servers at once: one refund.
    let now = world.clock.now();
    futures::future::join(world.clearing.tell_quotes(now), world.clearing.tell_quotes(now)).await;
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

//! What an order's money does to the books, pure.
//!
//! The shares of an order are served one after the other: money that comes in parts fills the
//! first share, then the next; money that goes back empties the last one first. A pay-out reserves
//! its money when it is ordered, so that the same money is not promised twice; each part the bank
//! pays posts so much of the reservation and reserves the rest anew. Every transfer's id follows
//! from the order and from how far it had come, so nothing is booked twice.

use clearing_ledger::{
    AccountId, Action, Amount, Currency, Movement, Reason, Reference, Transfer, TransferId,
};
use kernel::Fen;

use super::order::{Direction, Heard, OrderId};

/// An order as the books see it.
#[derive(Clone, Debug)]
pub struct Bookable<'a> {
    /// The order.
    pub order: OrderId,
    /// Which way its money goes.
    pub direction: Direction,
    /// The clearing house's account with the bank.
    pub bank: AccountId,
    /// Accounts and amounts, in the order in which they are served.
    pub shares: &'a [(AccountId, Fen)],
}

/// The reservations of a pay-out when it is ordered; nothing for a collection.
pub fn reserve(order: &Bookable<'_>) -> Vec<Transfer> {
    match order.direction {
        Direction::Collect => Vec::new(),
        Direction::PayOut => order
            .shares
            .iter()
            .enumerate()
            .map(|(at, &(account, amount))| order.reserve(at, Fen::ZERO, account, amount))
            .collect(),
    }
}

/// What the money a word settled does: one chain, in order; empty when it moves nothing.
pub fn settled(order: &Bookable<'_>, heard: &Heard) -> Vec<Transfer> {
    let mut chain = Vec::new();
    for (at, start, account, amount) in order.intervals() {
        let before = portion(heard.settled.before, start, amount);
        let after = portion(heard.settled.after, start, amount);
        let (delta, rest) = (Fen(after.0 - before.0), Fen(amount.0 - after.0));
        match order.direction {
            Direction::Collect if delta > Fen::ZERO => {
                let movement = order.movement(order.bank, account, delta);
                chain.push(order.transfer("settled", at, after, Action::Post(movement)));
            }
            Direction::PayOut if delta > Fen::ZERO => {
                let reservation = order.id("reserved", at, before);
                let part = if rest == Fen::ZERO { Amount::All } else { Amount::Part(delta) };
                let post = Action::PostReserved { reservation, amount: part };
                chain.push(order.transfer("settled", at, after, post));
                if rest > Fen::ZERO && !heard.ended_short {
                    chain.push(order.reserve(at, after, account, rest));
                }
            }
            Direction::PayOut if heard.ended_short && rest > Fen::ZERO => {
                let void = Action::Void { reservation: order.id("reserved", at, after) };
                chain.push(order.transfer("released", at, after, void));
            }
            Direction::Collect | Direction::PayOut => {}
        }
    }
    chain
}

/// What the money a word gave back does, after [`settled`]: one chain; empty when it moves nothing.
///
/// `from` stands in for the accounts the money is taken from: where the house bears it when their
/// owner has spent it.
pub fn returned(order: &Bookable<'_>, heard: &Heard, from: Option<AccountId>) -> Vec<Transfer> {
    let left = |returned: Fen| Fen(heard.settled.after.0 - returned.0);
    let (before, after) = (left(heard.returned.before), left(heard.returned.after));
    let mut chain = Vec::new();
    for (at, start, account, amount) in order.intervals() {
        let delta = portion(before, start, amount).0 - portion(after, start, amount).0;
        if delta > 0 {
            let account = from.unwrap_or(account);
            let movement = match order.direction {
                Direction::Collect => order.movement(account, order.bank, Fen(delta)),
                Direction::PayOut => order.movement(order.bank, account, Fen(delta)),
            };
            let what = if from.is_some() { "returned_elsewhere" } else { "returned" };
            chain.push(order.transfer(what, at, heard.returned.after, Action::Post(movement)));
        }
    }
    chain
}

/// How much of the first `total` falls on the share that begins at `start`.
fn portion(total: Fen, start: i64, amount: Fen) -> Fen {
    Fen((total.0 - start).clamp(0, amount.0))
}

impl Bookable<'_> {
    /// Place, beginning, account and amount of each share.
    fn intervals(&self) -> impl Iterator<Item = (usize, i64, AccountId, Fen)> {
        let starts = self.shares.iter().scan(0, |next, (_, amount)| {
            let start = *next;
            *next += amount.0;
            Some(start)
        });
        let shares = self.shares.iter().zip(starts).enumerate();
        shares.map(|(at, (&(account, amount), start))| (at, start, account, amount))
    }

    fn reserve(&self, at: usize, served: Fen, account: AccountId, rest: Fen) -> Transfer {
        let movement = self.movement(account, self.bank, rest);
        self.transfer("reserved", at, served, Action::Reserve { movement, timeout: None })
    }

    fn movement(&self, debit: AccountId, credit: AccountId, amount: Fen) -> Movement {
        Movement { debit, credit, amount, currency: Currency::CNY }
    }

    fn transfer(&self, what: &str, at: usize, reached: Fen, action: Action) -> Transfer {
        Transfer {
            id: self.id(what, at, reached),
            action,
            reason: Reason::parse(&format!("payment.{what}")).expect("a word of this module"),
            reference: Reference::parse(&self.order.end_to_end()).expect("32 digits"),
        }
    }

    fn id(&self, what: &str, at: usize, reached: Fen) -> TransferId {
        transfer_id(&format!("{}/{what}/{at}/{}", self.order, reached.0))
    }
}

/// The transfer a text names, always the same one.
pub fn transfer_id(text: &str) -> TransferId {
    let mut half = [0; 16];
    half.copy_from_slice(&crypto::sha256(text.as_bytes()).0[..16]);
    TransferId(uuid::Builder::from_custom_bytes(half).into_uuid())
}

#[cfg(test)]
mod tests {
    use clearing_ledger::{Account, Balance, Book, Chain, Limits, Purpose};
    use jiff::Timestamp;
    use kernel::{Ids, TenantId};
    use proptest::prelude::{prop_assert_eq, proptest};
    use uuid::Uuid;

    use super::*;
    use crate::payment::order::{Stage, Word};

    const BANK: AccountId = AccountId(Uuid::from_u128(99));

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    /// A book with the bank's account and `shares` accounts that may not be overdrawn.
    fn opened(shares: u128, funds: i64) -> Book {
        let mut book = Book::default();
        for number in (1..=shares).chain([99]) {
            let is_bank = number == 99;
            book.load_account(Account {
                id: account(number),
                participant: TenantId(Uuid::from_u128(number)),
                purpose: if is_bank { Purpose::Bank } else { Purpose::Settlement },
                currency: Currency::CNY,
                cycle: None,
                limits: Limits {
                    net_debit_cap: (!is_bank).then_some(Fen::ZERO),
                    net_credit_cap: None,
                },
                balance: Balance {
                    credits_posted: Fen(if is_bank { 0 } else { funds }),
                    ..Balance::default()
                },
                moved_at: Timestamp::UNIX_EPOCH,
            });
        }
        book.advance(Timestamp::UNIX_EPOCH, &Ids::seeded(1));
        book
    }

    fn submit(book: &mut Book, transfers: Vec<Transfer>) {
        if let Ok(chain) = Chain::of(transfers) {
            for outcome in book.submit(&chain) {
                outcome.unwrap();
            }
        }
    }

    fn hear(book: &mut Book, order: &Bookable<'_>, heard: &Heard) {
        submit(book, settled(order, heard));
        submit(book, returned(order, heard, None));
    }

    fn net(book: &Book, number: u128) -> i64 {
        i64::try_from(book.account(account(number)).unwrap().balance.net_credit()).unwrap()
    }

    fn pending(book: &Book, number: u128) -> i64 {
        book.account(account(number)).unwrap().balance.debits_pending.0
    }

    #[test]
    fn a_collection_is_one_chain_to_its_shares_and_comes_back_to_the_fen() {
        // 1,085.00: tax 300.00, fund 15.00, commission 120.00, premium 650.00.
        let shares = [30_000, 1_500, 12_000, 65_000].map(Fen);
        let shares: Vec<_> = (1..).map(account).zip(shares).collect();
        let order = Bookable {
            order: OrderId(Uuid::from_u128(7)),
            direction: Direction::Collect,
            bank: BANK,
            shares: &shares,
        };
        let (amount, mut book) = (Fen(108_500), opened(4, 0));
        assert_eq!(reserve(&order), []);
        let heard = Stage::Sent.hear(amount, &Word::Settled { total: amount }).unwrap();
        assert_eq!(settled(&order, &heard).len(), 4);
        hear(&mut book, &order, &heard);
        let shown = [1, 2, 3, 4, 99].map(|number| net(&book, number));
        assert_eq!(shown, [30_000, 1_500, 12_000, 65_000, -108_500]);
        let word = Word::Returned { settled: amount, returned: amount, reason: "AC01".into() };
        let heard = heard.stage.hear(amount, &word).unwrap();
        hear(&mut book, &order, &heard);
        assert_eq!([1, 2, 3, 4, 99].map(|number| net(&book, number)), [0; 5]);
    }

    #[test]
    fn a_pay_out_reserves_and_the_bank_pays_it_in_parts() {
        let shares = [(account(1), Fen(600)), (account(2), Fen(400))];
        let order = Bookable {
            order: OrderId(Uuid::from_u128(7)),
            direction: Direction::PayOut,
            bank: BANK,
            shares: &shares,
        };
        let mut book = opened(2, 600);
        submit(&mut book, reserve(&order));
        assert_eq!((pending(&book, 1), pending(&book, 2)), (600, 400));
        let part = Stage::Sent.hear(Fen(1_000), &Word::Settled { total: Fen(700) }).unwrap();
        hear(&mut book, &order, &part);
        assert_eq!((net(&book, 1), net(&book, 2), net(&book, 99)), (0, 500, 700));
        assert_eq!((pending(&book, 1), pending(&book, 2)), (0, 300));
        let word = Word::Rejected { settled: Fen(700), reason: "AC04".into() };
        let short = part.stage.hear(Fen(1_000), &word).unwrap();
        hear(&mut book, &order, &short);
        assert_eq!((net(&book, 2), pending(&book, 2)), (500, 0), "the rest is free again");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_parts_ends_like_what_comes_at_once(
            amounts in proptest::collection::vec(1i64..10_000, 1..6),
            cuts in proptest::collection::vec(0i64..60_000, 0..5),
            pays_out: bool,
        ) {
            let whole: i64 = amounts.iter().sum();
            let shares: Vec<_> =
                (1..).map(account).zip(amounts.iter().map(|&amount| Fen(amount))).collect();
            let direction = if pays_out { Direction::PayOut } else { Direction::Collect };
            let order = Bookable {
                order: OrderId(Uuid::from_u128(7)), direction, bank: BANK, shares: &shares,
            };
            let mut book = opened(shares.len() as u128, 10_000);
            submit(&mut book, reserve(&order));
            let mut steps: Vec<i64> = cuts.iter().map(|cut| cut % whole).collect();
            steps.sort_unstable();
            let mut stage = Stage::Sent;
            for total in steps.into_iter().chain([whole]) {
                let heard = stage.hear(Fen(whole), &Word::Settled { total: Fen(total) }).unwrap();
                hear(&mut book, &order, &heard);
                stage = heard.stage;
            }
            let sign = if pays_out { -1 } else { 1 };
            for (number, &amount) in (1..).zip(&amounts) {
                prop_assert_eq!(net(&book, number), 10_000 + sign * amount);
                prop_assert_eq!(pending(&book, number), 0);
            }
            prop_assert_eq!(net(&book, 99), -sign * whole);
            let word = Word::Returned {
                settled: Fen(whole), returned: Fen(whole), reason: "AC01".into(),
            };
            let back = stage.hear(Fen(whole), &word).unwrap();
            hear(&mut book, &order, &back);
            for number in 1..=amounts.len() as u128 {
                prop_assert_eq!(net(&book, number), 10_000);
            }
            prop_assert_eq!(net(&book, 99), 0);
        }
    }
}

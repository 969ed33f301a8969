//! Three-way reconciliation (三方对账), pure: what we booked, what the bank's statement says, what the
//! insurer's file says.
//!
//! Orders are the meeting point. Money that names no order of ours is looked for by amount and
//! reference before it counts as missing here. Everything that does not agree is a [`Break`] with a
//! name that stays the same when the same day is reconciled again.

pub mod case;
mod intake;
pub(crate) mod open;
pub mod run;
mod store;
mod suspense;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use kernel::{Fen, time};
use production_core::coded_enum;

use super::iso20022::StatementLine;
use super::order::{Direction, OrderId, Word};

coded_enum! {
    /// How records differ.
    pub enum BreakKind ("reconciliation break") {
        MissingHere = "missing_here", "我方缺失", "the bank moved money we did not book";
        MissingAtBank = "missing_at_bank", "银行缺失", "we booked money the bank did not move";
        AmountAtBank = "amount_at_bank", "银行金额不符", "the bank moved another amount";
        DuplicateAtBank = "duplicate_at_bank", "银行重复", "the bank moved the same money twice";
        WrongReference = "wrong_reference", "附言不符", "the bank's line names no order but fits one";
        Contradiction = "contradiction", "银行回报矛盾", "two words about an order cannot both be true";
        Late = "late", "跨日", "the bank booked it days apart from us";
        MissingAtInsurer = "missing_at_insurer", "保险公司缺失", "the insurer's file lacks it";
        UnknownOfInsurer = "unknown_of_insurer", "保险公司多出", "the insurer's file has what we have not";
        AmountAtInsurer = "amount_at_insurer", "保险公司金额不符", "the insurer's file has another amount";
        DuplicateAtInsurer = "duplicate_at_insurer", "保险公司重复", "the insurer's file has it twice";
        OpeningBalance = "opening_balance", "期初余额不符", "the bank's account opens at another balance than ours";
        ClosingBalance = "closing_balance", "期末余额不符", "the bank's account closes at another balance than ours";
    }
}

/// An order as we booked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// The order.
    pub order: OrderId,
    /// What moved less what went back; positive when it came in. Nothing while it is under way.
    pub net: Fen,
    /// Ordered, positive when it comes in.
    pub ordered: Fen,
    /// What stands on the statement.
    pub reference: String,
    /// The day it last moved.
    pub day: Date,
    /// The line of the bank a case holds for this order's, though it does not name it.
    pub line: Option<String>,
    /// What lines of the bank kept until now say of it.
    pub bank: Option<Fen>,
    /// What the insurer's latest file about its day says.
    pub insurer: Option<Fen>,
}

/// A line of the insurer's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theirs {
    /// The order's id as written.
    pub order: String,
    /// Positive when it came in.
    pub amount: Fen,
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// How.
    pub kind: BreakKind,
    /// With `kind` the name of the break: an order, the bank's reference of a line, or a written id.
    pub about: String,
    /// The line of the bank whose money this puts into suspense.
    pub line: Option<String>,
    /// What we booked.
    pub ours: Option<Fen>,
    /// What the bank moved.
    pub bank: Option<Fen>,
    /// What the insurer's file says.
    pub insurer: Option<Fen>,
}

/// What the bank's statement of a day says the account stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// The bank's name for the statement.
    pub statement: String,
    /// The day it closes.
    pub day: Date,
    /// Before its lines, where it says so.
    pub opening: Option<Fen>,
    /// After them, where it says so.
    pub closing: Option<Fen>,
}

/// Holds the balances of a statement against ours, opening and closing, of the same day.
pub fn with_ledger(bank: &Balances, (opening, closing): (Fen, Fen)) -> Vec<Break> {
    let kinds = [
        (BreakKind::OpeningBalance, bank.opening, opening),
        (BreakKind::ClosingBalance, bank.closing, closing),
    ];
    let about: String = format!("{} {}", bank.day, bank.statement).chars().take(80).collect();
    let differ = kinds.into_iter().filter(|(_, theirs, ours)| theirs.is_some_and(|it| it != *ours));
    differ
        .map(|(kind, bank, ours)| {
            let about = about.clone();
            Break { kind, about, line: None, ours: Some(ours), bank, insurer: None }
        })
        .collect()
}

/// Days between our booking and the bank's that are no break: a weekend.
pub const DAYS_APART: i64 = 3;

/// Compares ours with the bank's lines, all of the same days. In order of kind and name.
pub fn with_bank(ours: &[Ours], lines: &[StatementLine]) -> Vec<Break> {
    let by_order: BTreeMap<OrderId, &Ours> = ours.iter().map(|our| (our.order, our)).collect();
    let mut found = BTreeSet::new();
    let mut of_order: BTreeMap<OrderId, Vec<&StatementLine>> = BTreeMap::new();
    let mut strays = Vec::new();
    let mut seen = BTreeSet::new();
    for line in lines {
        if !seen.insert(&line.entry_ref) {
            let (kind, bank) = (BreakKind::DuplicateAtBank, Some(line.amount));
            let about = line.entry_ref.clone();
            found.insert(Break { kind, about, line: None, ours: None, bank, insurer: None });
            continue;
        }
        match line.order().filter(|order| by_order.contains_key(order)) {
            Some(order) => of_order.entry(order).or_default().push(line),
            None => strays.push(line),
        }
    }
    for line in strays {
        // An order that has no line of its own, is of this amount, and bears this reference. One
        // that had such a line before has its case: the money of another needs one of its own.
        let fits = ours.iter().find(|our| {
            !of_order.contains_key(&our.order)
                && our.line.as_ref().is_none_or(|known| *known == line.entry_ref)
                && our.ordered == line.amount
                && line.remittance.as_deref().map(str::trim) == Some(our.reference.as_str())
        });
        let bank = Some(line.amount);
        let suspended = (line.amount != Fen::ZERO).then(|| line.entry_ref.clone());
        match fits {
            Some(our) => {
                let (kind, about) = (BreakKind::WrongReference, our.order.to_string());
                let (ours, insurer) = (Some(our.net), our.insurer);
                found.insert(Break { kind, about, line: suspended, ours, bank, insurer });
                of_order.insert(our.order, vec![line]);
            }
            None => {
                let (kind, about) = (BreakKind::MissingHere, line.entry_ref.clone());
                let (ours, insurer) = (None, None);
                found.insert(Break { kind, about, line: suspended, ours, bank, insurer });
            }
        }
    }
    for our in ours {
        let about = our.order.to_string();
        let lines = of_order.get(&our.order).map(Vec::as_slice).unwrap_or_default();
        let moved = lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.amount.0));
        let (booked, bank) = (Some(our.net), Some(Fen(moved)));
        let mut add = |kind| {
            let about = about.clone();
            let insurer = our.insurer;
            found.insert(Break { kind, about, line: None, ours: booked, bank, insurer });
        };
        let twice = our.net != Fen::ZERO && moved == our.net.0.saturating_mul(2);
        match (our.net.0, moved) {
            (0, 0) => {}
            (booked, moved) if booked == moved => {
                let apart = |line: &&StatementLine| {
                    DAYS_APART < time::days_between(line.booked_on, our.day).abs()
                };
                // What a case brought to its order is late because somebody had to look for it.
                if our.line.is_none() && lines.last().is_some_and(apart) {
                    add(BreakKind::Late);
                }
            }
            (_, 0) => add(BreakKind::MissingAtBank),
            // Under its right name a line we did not book; under a wrong one it is in the list.
            (0, _) if lines.iter().all(|line| is_named(line, our.order)) => {
                add(BreakKind::MissingHere);
            }
            (0, _) => {}
            _ if twice => add(BreakKind::DuplicateAtBank),
            _ => add(BreakKind::AmountAtBank),
        }
    }
    found.into_iter().collect()
}

/// Compares ours with the insurer's file, both of the same insurer and days. In order of kind and
/// name.
pub fn with_insurer(ours: &[Ours], theirs: &[Theirs]) -> Vec<Break> {
    let mut found = BTreeSet::new();
    let mut of_order: BTreeMap<OrderId, Vec<Fen>> = BTreeMap::new();
    let known: BTreeSet<OrderId> = ours.iter().map(|our| our.order).collect();
    for line in theirs {
        match OrderId::parse_end_to_end(&line.order).filter(|order| known.contains(order)) {
            Some(order) => of_order.entry(order).or_default().push(line.amount),
            None => {
                let (kind, about) = (BreakKind::UnknownOfInsurer, line.order.clone());
                let insurer = Some(line.amount);
                found.insert(Break { kind, about, line: None, ours: None, bank: None, insurer });
            }
        }
    }
    for our in ours {
        let amounts = of_order.get(&our.order).map(Vec::as_slice).unwrap_or_default();
        let sum = Fen(amounts.iter().fold(0, |sum: i64, amount| sum.saturating_add(amount.0)));
        let is_repeated = 1 < amounts.len() && amounts.iter().all(|amount| *amount == our.net);
        let kind = match sum {
            _ if is_repeated => BreakKind::DuplicateAtInsurer,
            sum if sum == our.net => continue,
            _ if amounts.is_empty() => BreakKind::MissingAtInsurer,
            _ => BreakKind::AmountAtInsurer,
        };
        let (about, ours) = (our.order.to_string(), Some(our.net));
        let insurer = (!amounts.is_empty()).then_some(sum);
        found.insert(Break { kind, about, line: None, ours, bank: our.bank, insurer });
    }
    found.into_iter().collect()
}

/// What `lines` say in all of an order that goes this way: money of an order goes its way, what goes
/// the other way has come back.
fn said_of(direction: Direction, lines: &[StatementLine]) -> Word {
    let comes_in = direction == Direction::Collect;
    let sum = |way: bool| {
        let of_way = lines.iter().filter(|line| (line.amount > Fen::ZERO) == way);
        Fen(of_way.map(|line| line.amount.0.saturating_abs()).sum())
    };
    let (settled, returned) = (sum(comes_in), sum(!comes_in));
    if returned > Fen::ZERO {
        Word::Returned { settled, returned, reason: "statement".to_owned() }
    } else {
        Word::Settled { total: settled }
    }
}

fn is_named(line: &StatementLine, order: OrderId) -> bool {
    line.order() == Some(order)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;

    fn order(number: u128) -> OrderId {
        OrderId(Uuid::from_u128(number))
    }

    fn ours(number: u128, ordered: i64, net: i64) -> Ours {
        Ours {
            order: order(number),
            net: Fen(net),
            ordered: Fen(ordered),
            reference: format!("REF {number}"),
            day: date(2025, 3, 1),
            line: None,
            bank: None,
            insurer: None,
        }
    }

    fn line(entry: &str, named: Option<u128>, amount: i64, remittance: &str) -> StatementLine {
        StatementLine {
            entry_ref: entry.into(),
            booked_on: date(2025, 3, 1),
            amount: Fen(amount),
            is_reversal: false,
            end_to_end: named.map(|number| order(number).end_to_end()),
            remittance: Some(remittance.into()),
        }
    }

    fn kinds(breaks: &[Break]) -> Vec<(&'static str, String)> {
        breaks.iter().map(|found| (found.kind.code(), found.about.clone())).collect()
    }

    #[test]
    fn what_agrees_is_no_break() {
        let lines = [line("E1", Some(1), 500, ""), line("E2", Some(2), -300, "")];
        assert_eq!(with_bank(&[ours(1, 500, 500), ours(2, -300, -300), ours(3, 9, 0)], &lines), []);
        let parts = [line("E1", Some(1), 200, ""), line("E2", Some(1), 300, "")];
        assert_eq!(with_bank(&[ours(1, 500, 500)], &parts), []);
        let gone_back = [line("E1", Some(1), 500, ""), line("E2", Some(1), -500, "")];
        assert_eq!(with_bank(&[ours(1, 500, 0)], &gone_back), []);
    }

    #[test]
    fn every_difference_to_the_bank_has_its_kind() {
        let one = order(1).to_string();
        let mut late = line("E1", Some(1), 500, "");
        late.booked_on = date(2025, 3, 5);
        let table: [(Ours, Vec<StatementLine>, &str, &str); 8] = [
            (ours(1, 500, 500), vec![], "missing_at_bank", &one),
            (ours(1, 500, 0), vec![line("E1", Some(1), 500, "")], "missing_here", &one),
            (ours(1, 500, 500), vec![line("E1", Some(1), 499, "")], "amount_at_bank", &one),
            (
                ours(1, 500, 500),
                vec![line("E1", Some(1), 500, ""), line("E2", Some(1), 500, "")],
                "duplicate_at_bank",
                &one,
            ),
            (
                ours(1, 500, 500),
                vec![line("E1", Some(1), 500, ""), line("E1", Some(1), 500, "")],
                "duplicate_at_bank",
                "E1",
            ),
            (ours(1, 500, 0), vec![line("E1", None, 500, "REF 1")], "wrong_reference", &one),
            (ours(1, 500, 0), vec![line("E1", None, 499, "REF 1")], "missing_here", "E1"),
            (ours(1, 500, 500), vec![late], "late", &one),
        ];
        for (our, lines, kind, about) in table {
            assert_eq!(kinds(&with_bank(&[our], &lines)), [(kind, about.to_owned())]);
        }
    }

    #[test]
    fn a_break_between_two_books_shows_what_the_third_says() {
        let known = Ours { bank: Some(Fen(499)), insurer: Some(Fen(498)), ..ours(1, 500, 500) };
        let legs = |breaks: Vec<Break>| {
            let [found] = &breaks[..] else { panic!("{breaks:?}") };
            [found.ours, found.bank, found.insurer].map(|leg| leg.map(|sum| sum.0))
        };
        let known = std::slice::from_ref(&known);
        let at_bank = with_bank(known, &[line("E1", Some(1), 499, "")]);
        assert_eq!(legs(at_bank), [Some(500), Some(499), Some(498)]);
        let file = [Theirs { order: order(1).to_string(), amount: Fen(498) }];
        assert_eq!(legs(with_insurer(known, &file)), [Some(500), Some(499), Some(498)]);
        assert_eq!(legs(with_insurer(known, &[])), [Some(500), Some(499), None]);
    }

    #[test]
    fn a_balance_that_is_not_ours_is_a_break_of_its_day() {
        let bank = Balances {
            statement: "S".into(),
            day: date(2025, 3, 1),
            opening: Some(Fen(100)),
            closing: Some(Fen(150)),
        };
        assert_eq!(with_ledger(&bank, (Fen(100), Fen(150))), []);
        let named = |kind: &'static str| (kind, "2025-03-01 S".to_owned());
        let closing = with_ledger(&bank, (Fen(100), Fen(149)));
        assert_eq!(kinds(&closing), [named("closing_balance")]);
        assert_eq!((closing[0].ours, closing[0].bank), (Some(Fen(149)), Some(Fen(150))));
        let both = with_ledger(&bank, (Fen(0), Fen(50)));
        assert_eq!(kinds(&both), [named("opening_balance"), named("closing_balance")]);
        let silent = Balances { opening: None, closing: None, ..bank };
        assert_eq!(with_ledger(&silent, (Fen(0), Fen(50))), [], "it says nothing");
    }

    #[test]
    fn a_line_that_fits_an_order_another_line_fitted_is_a_break_of_its_own() {
        let one = order(1).to_string();
        let held = Ours { line: Some("E1".into()), ..ours(1, 500, 0) };
        let stray = |entry| line(entry, None, 500, "REF 1");
        let again = with_bank(std::slice::from_ref(&held), &[stray("E1")]);
        assert_eq!(kinds(&again), [("wrong_reference", one)]);
        let other = with_bank(&[held], &[stray("E2")]);
        assert_eq!(kinds(&other), [("missing_here", "E2".to_owned())]);
        assert_eq!(other[0].line.as_deref(), Some("E2"), "its money has a case too");
    }

    #[test]
    fn every_difference_to_the_insurers_file_has_its_kind() {
        let theirs =
            |number: u128, amount| Theirs { order: order(number).to_string(), amount: Fen(amount) };
        let one = order(1).to_string();
        assert_eq!(with_insurer(&[ours(1, 500, 500)], &[theirs(1, 500)]), []);
        assert_eq!(with_insurer(&[ours(1, 500, 0)], &[]), [], "nothing moved, nothing listed");
        let table = [
            (vec![], "missing_at_insurer", one.clone()),
            (vec![theirs(1, 499)], "amount_at_insurer", one.clone()),
            (vec![theirs(1, 500), theirs(1, 500)], "duplicate_at_insurer", one),
            (vec![theirs(1, 500), theirs(2, 7)], "unknown_of_insurer", order(2).to_string()),
        ];
        for (file, kind, about) in table {
            assert_eq!(kinds(&with_insurer(&[ours(1, 500, 500)], &file)), [(kind, about)]);
        }
    }
}

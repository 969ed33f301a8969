//! What a case costs by cover (险别), as far as its messages say.
//!
//! Adjustments alone name covers: their rows say what of a closing each pays. A payment names none;
//! it pays each cover in proportion to what the closing still owes under it, so that whoever pays a
//! closing in full pays every cover what was adjusted, to the fen. Money got back from the liable
//! side is own damage's. An estimate of what is outstanding names no cover, so while a case is worked
//! on its outstanding amount stands under none, unless the policy has one cover that can pay.
//!
//! Over all covers, and none, amounts add up to those of the case.

use std::collections::BTreeMap;

use kernel::Fen;

use super::{Case, CoverRow, Stage, StepFacts};
use crate::cover::{Cover, CoverRequest};
use crate::history::PolicyClass;

/// What a case costs under one cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoverCost {
    /// Paid so far, less what was given back.
    pub paid: Fen,
    /// Got back from the liable side.
    pub recovered: Fen,
    /// Still expected to be paid.
    pub outstanding: Fen,
    /// 1 when the case is one of this cover. A case that two covers pay is one of each.
    pub counted: i64,
}

/// By cover; under `None` what the case does not say by cover.
pub type CoverCosts = BTreeMap<Option<Cover>, CoverCost>;

/// Amounts by cover.
type Split = BTreeMap<Option<Cover>, Fen>;

/// Rows, closing and payments of a case so far, by cover.
#[derive(Clone, Debug, Default)]
struct Books {
    /// Adjusted since the case was last opened.
    adjusted: Split,
    /// What the closing that holds pays.
    closed: Option<Split>,
    paid: Split,
}

impl Case {
    /// What the case costs by cover, of its steps, first to last, and the covers its policy holds.
    /// `None` when amounts cannot be added up.
    pub fn by_cover(&self, steps: &[StepFacts], held: &[CoverRequest]) -> Option<CoverCosts> {
        let outstanding = self.outstanding()?;
        let counted = i64::from(self.stage != Stage::Cancelled);
        if let Some(only) = only_payer(self.class, held) {
            let (paid, recovered) = (self.paid, self.recovered);
            let cost = CoverCost { paid, recovered, outstanding, counted };
            return Some(CoverCosts::from([(Some(only), cost)]));
        }
        let books = Books::of(steps)?;
        let mut costs = CoverCosts::new();
        for (cover, paid) in &books.paid {
            costs.entry(*cover).or_default().paid = *paid;
        }
        for (cover, outstanding) in self.outstanding_by_cover(&books, outstanding)? {
            costs.entry(cover).or_default().outstanding = outstanding;
        }
        costs.entry(books.own_damage()).or_default().recovered = self.recovered;
        if counted == 1 {
            for cover in books.paying() {
                costs.entry(cover).or_default().counted = 1;
            }
        }
        Some(costs)
    }

    fn outstanding_by_cover(&self, books: &Books, outstanding: Fen) -> Option<Split> {
        match &books.closed {
            Some(closed) if !self.stage.is_open() => less(closed, &books.paid),
            _ => Some(Split::from([(None, outstanding)])),
        }
    }
}

/// The one cover that can pay, where there is but one. Clauses that only limit others pay nothing.
fn only_payer(class: PolicyClass, held: &[CoverRequest]) -> Option<Cover> {
    if class == PolicyClass::Compulsory {
        return Some(Cover::Compulsory);
    }
    let limits = |cover| matches!(cover, Cover::AbsoluteDeductible | Cover::EngineWaterExclusion);
    let mut payers = held.iter().map(|request| request.cover).filter(|cover| !limits(*cover));
    let first = payers.next()?;
    payers.all(|other| other == first).then_some(first)
}

impl Books {
    /// The books that steps make, first to last.
    fn of(steps: &[StepFacts]) -> Option<Books> {
        let mut books = Books::default();
        for step in steps {
            match step {
                StepFacts::Adjust(facts) => books.adjust(&facts.covers)?,
                StepFacts::Close(facts) => books.close(facts.total)?,
                StepFacts::Pay(facts) => books.pay(facts.total)?,
                StepFacts::Reopen(_) => books.adjusted.clear(),
                _ => {}
            }
        }
        Some(books)
    }

    fn adjust(&mut self, rows: &[CoverRow]) -> Option<()> {
        for row in rows {
            add(&mut self.adjusted, Some(row.cover), row.amount)?;
        }
        Some(())
    }

    /// A closing says what every cover pays: when nothing is due in all, that is how it was paid.
    fn close(&mut self, total: Fen) -> Option<()> {
        let mut closed = self.adjusted.clone();
        let told = Fen::sum(closed.values().copied())?;
        // Its total is that of its rows (rule S17); what were not would be nobody's.
        add(&mut closed, None, total.minus(told)?)?;
        if total == Fen::sum(self.paid.values().copied())? {
            self.paid.clone_from(&closed);
        }
        self.closed = Some(closed);
        Some(())
    }

    fn pay(&mut self, amount: Fen) -> Option<()> {
        let closed = self.closed.clone().unwrap_or_default();
        let due = less(&closed, &self.paid)?;
        let amounts: Vec<Fen> = due.values().copied().collect();
        // A payment is of what is due in all (rule S20).
        let shares = amount.apportion_signed(&amounts)?;
        for (cover, paid) in due.keys().zip(shares) {
            add(&mut self.paid, *cover, paid)?;
        }
        Some(())
    }

    /// The cover whose payments are recovered: own damage.
    fn own_damage(&self) -> Option<Cover> {
        let named = self.closed.iter().flat_map(BTreeMap::keys).chain(self.paid.keys());
        named.copied().flatten().find(|cover| cover.is_hull())
    }

    /// The covers the case is one of: those that pay something by what was adjusted last, or none.
    fn paying(&self) -> Vec<Option<Cover>> {
        let paying = |split: &Split| -> Vec<Option<Cover>> {
            split.iter().filter(|(_, amount)| **amount != Fen::ZERO).map(|own| *own.0).collect()
        };
        let adjusted = paying(&self.adjusted);
        let told = match &self.closed {
            Some(closed) if adjusted.is_empty() => paying(closed),
            _ => adjusted,
        };
        if told.is_empty() { vec![None] } else { told }
    }
}

fn add(split: &mut Split, cover: Option<Cover>, amount: Fen) -> Option<()> {
    if amount != Fen::ZERO {
        let own = split.entry(cover).or_default();
        *own = own.plus(amount)?;
    }
    Some(())
}

fn less(from: &Split, taken: &Split) -> Option<Split> {
    let mut left = from.clone();
    for (cover, amount) in taken {
        add(&mut left, *cover, Fen::ZERO.minus(*amount)?)?;
    }
    Some(left)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};
    use serde_json::{Value, json};

    use super::*;

    /// So many hours into the case.
    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_748_750_400 + 3_600 * hour).unwrap()
    }

    fn step(word: &str, facts: Value) -> StepFacts {
        serde_json::from_value(json!({ "step": word, "facts": facts })).unwrap()
    }

    /// From the report to the documents; 9,000.00 are expected from the registration on.
    fn documented() -> Vec<StepFacts> {
        vec![
            step("notify", json!({ "accidentAt": at(0), "reportedAt": at(1) })),
            step("survey", json!({ "at": at(2), "liability": "4" })),
            step(
                "register",
                json!({ "at": at(3), "registrationNo": "RG-1", "estimate": "9000.00" }),
            ),
            step("assess", json!({ "at": at(4) })),
            step("documents", json!({ "completeAt": at(5), "kinds": ["claimApplication"] })),
        ]
    }

    fn adjusted(hour: i64, rows: &[(&str, i64)]) -> StepFacts {
        let total = Fen(rows.iter().map(|row| row.1).sum());
        let row =
            |(cover, fen): &(&str, i64)| json!({ "cover": cover, "fee": "1", "amount": Fen(*fen) });
        let covers: Vec<Value> = rows.iter().map(row).collect();
        step("adjust", json!({ "at": at(hour), "total": total, "covers": covers }))
    }

    fn closed(hour: i64, fen: i64) -> StepFacts {
        let facts = json!({ "at": at(hour), "total": Fen(fen), "insured": true, "liability": "4" });
        step("close", facts)
    }

    fn paid(hour: i64, fen: i64) -> StepFacts {
        step("pay", json!({ "at": at(hour), "total": Fen(fen), "payees": [] }))
    }

    fn held(covers: &[Cover]) -> Vec<CoverRequest> {
        covers.iter().map(|cover| CoverRequest::of(*cover)).collect()
    }

    fn costs(class: PolicyClass, steps: &[StepFacts], covers: &[Cover]) -> CoverCosts {
        let case = Case::replay(class, steps).unwrap().unwrap();
        let mut costs = case.by_cover(steps, &held(covers)).unwrap();
        costs.retain(|_, cost| *cost != CoverCost::default());
        costs
    }

    const BOTH: [Cover; 2] = [Cover::Hull, Cover::ThirdParty];
    const HULL: Option<Cover> = Some(Cover::Hull);
    const THIRD: Option<Cover> = Some(Cover::ThirdParty);

    fn cost(paid: i64, recovered: i64, outstanding: i64, counted: i64) -> CoverCost {
        let (paid, recovered, outstanding) = (Fen(paid), Fen(recovered), Fen(outstanding));
        CoverCost { paid, recovered, outstanding, counted }
    }

    #[test]
    fn until_it_is_adjusted_a_case_of_several_covers_is_of_none() {
        let steps = documented();
        let none = CoverCosts::from([(None, cost(0, 0, 900_000, 1))]);
        assert_eq!(costs(PolicyClass::Commercial, &steps, &BOTH), none);
        for (class, covers, only) in [
            (PolicyClass::Commercial, vec![Cover::ThirdParty], Cover::ThirdParty),
            (PolicyClass::Commercial, vec![Cover::Hull, Cover::AbsoluteDeductible], Cover::Hull),
            (PolicyClass::Compulsory, vec![], Cover::Compulsory),
        ] {
            let sole = CoverCosts::from([(Some(only), cost(0, 0, 900_000, 1))]);
            assert_eq!(costs(class, &steps, &covers), sole);
        }
    }

    #[test]
    fn a_part_payment_pays_every_cover_in_proportion_and_the_last_one_in_full() {
        let mut steps = documented();
        steps.push(adjusted(6, &[("M01", 300_000), ("M02", 100_000)]));
        // Adjusted, it is of both covers; what is outstanding is still the estimate.
        let told = costs(PolicyClass::Commercial, &steps, &BOTH);
        assert_eq!(told[&HULL], cost(0, 0, 0, 1));
        assert_eq!(told[&None], cost(0, 0, 900_000, 0));
        steps.push(closed(7, 400_000));
        // 1,000.01 × 3/4 = 750.00 and the rest.
        steps.push(paid(8, 100_001));
        let told = costs(PolicyClass::Commercial, &steps, &BOTH);
        let of = [(HULL, cost(75_000, 0, 225_000, 1)), (THIRD, cost(25_001, 0, 74_999, 1))];
        assert_eq!(told, CoverCosts::from(of));
        steps.push(paid(9, 299_999));
        let told = costs(PolicyClass::Commercial, &steps, &BOTH);
        let of = [(HULL, cost(300_000, 0, 0, 1)), (THIRD, cost(100_000, 0, 0, 1))];
        assert_eq!(told, CoverCosts::from(of));
    }

    #[test]
    fn a_closing_that_moves_money_between_covers_moves_what_was_paid() {
        let mut steps = documented();
        steps.extend([
            adjusted(6, &[("M01", 300_000)]),
            closed(7, 300_000),
            paid(8, 300_000),
            step("reopen", json!({ "at": at(9) })),
        ]);
        // Reopened, it is what its last closing made of it.
        let told = costs(PolicyClass::Commercial, &steps, &BOTH);
        assert_eq!(told, CoverCosts::from([(HULL, cost(300_000, 0, 0, 1))]));
        steps.extend([adjusted(10, &[("M02", 300_000)]), closed(11, 300_000)]);
        let told = costs(PolicyClass::Commercial, &steps, &BOTH);
        assert_eq!(told, CoverCosts::from([(THIRD, cost(300_000, 0, 0, 1))]));
    }

    #[test]
    fn what_is_recovered_is_own_damages() {
        let mut steps = documented();
        steps.extend([
            adjusted(6, &[("M02", 100_000), ("M01", 300_000)]),
            closed(7, 400_000),
            paid(8, 400_000),
            step("recovery", json!({ "at": at(9), "amount": "500.00", "counterparty": "2" })),
        ]);
        let told = costs(PolicyClass::Commercial, &steps, &BOTH);
        assert_eq!(told[&HULL], cost(300_000, 50_000, 0, 1));
        assert_eq!(told[&THIRD], cost(100_000, 0, 0, 1));
    }

    #[test]
    fn a_case_that_pays_nothing_is_of_no_cover_and_a_cancelled_one_of_nothing() {
        let mut refused = documented();
        refused.push(closed(6, 0));
        let none = CoverCosts::from([(None, cost(0, 0, 0, 1))]);
        assert_eq!(costs(PolicyClass::Commercial, &refused, &BOTH), none);
        let mut cancelled = documented();
        cancelled.push(step("cancel", json!({ "at": at(6), "kind": "2" })));
        assert_eq!(costs(PolicyClass::Commercial, &cancelled, &BOTH), CoverCosts::new());
    }

    proptest! {
        /// Whatever is adjusted and paid in however many parts, covers add up to the case.
        #[test]
        fn covers_add_up_to_the_case(
            rounds in vec((vec((0_usize..3, 0_i64..1_000_000), 1..5), vec(1_i64..100, 0..4)), 1..4),
        ) {
            let mut steps = documented();
            let mut hour = 5;
            let mut paid_so_far = 0;
            for (rows, parts) in rounds {
                let named = ["M01", "M02", "M03"];
                let rows: Vec<(&str, i64)> =
                    rows.into_iter().map(|(cover, fen)| (named[cover], fen)).collect();
                let total: i64 = rows.iter().map(|row| row.1).sum();
                if paid_so_far > 0 || hour > 5 {
                    steps.push(step("reopen", json!({ "at": at(hour) })));
                }
                steps.extend([adjusted(hour + 1, &rows), closed(hour + 2, total)]);
                hour += 3;
                for part in parts {
                    let fen = (total - paid_so_far) * part / 100;
                    if fen != 0 {
                        steps.push(paid(hour, fen));
                        paid_so_far += fen;
                        hour += 1;
                    }
                }
                let case = Case::replay(PolicyClass::Commercial, &steps).unwrap().unwrap();
                let told = case.by_cover(&steps, &held(&BOTH)).unwrap();
                let sum = |of: fn(&CoverCost) -> Fen| Fen::sum(told.values().map(of)).unwrap();
                prop_assert_eq!(sum(|cost| cost.paid), case.paid);
                prop_assert_eq!(sum(|cost| cost.outstanding), case.outstanding().unwrap());
            }
        }
    }
}

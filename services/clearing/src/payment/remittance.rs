//! Remittance (上缴、结付): what gathers for tax offices, the social assistance fund and intermediaries
//! is paid on to them.
//!
//! Each payee's shares gather on an account of its own. A remittance takes all that was booked on it
//! to the end of a day since the remittance before, source payment by source payment, and pays out
//! what that and what was carried on come to. Refunds count against it, those still under way too;
//! what they make negative is carried on and never collected. A payee and a day have one remittance.
//! An order the bank does not carry out gives its money back to the account; the latest remittance may
//! then be tried again, and if it is not, its money goes with the next one.
//!
//! Pure here; `run` does it, `payees` registers who is paid, `view` shows it.

pub mod payees;
pub mod run;
mod store;
pub mod view;

pub(super) use store::{note, of_order};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use kernel::{Fen, TenantId, time};
use production_core::region::Region;

use super::booking::transfer_id;
use super::order::ShareOf;
use crate::settlement::Period;

/// Longest code of a payee.
const LONGEST_CODE: usize = 40;

/// Whom a share of a premium is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    of: ShareOf,
    code: String,
}

impl Payee {
    /// The payee of a share: for tax and fund a region of the platform (its 6 digits), for a commission
    /// the number of the intermediary's licence. `None` for other shares and other codes.
    pub fn of(of: ShareOf, code: &str) -> Option<Payee> {
        let code = code.trim();
        let is_named = (1..=LONGEST_CODE).contains(&code.chars().count())
            && !code.chars().any(char::is_control);
        let fits = match of {
            ShareOf::Tax | ShareOf::Fund => Region::parse(code).is_ok(),
            ShareOf::Commission => is_named,
            ShareOf::Settlement | ShareOf::Premium | ShareOf::Advance => false,
        };
        fits.then(|| Payee { of, code: code.to_owned() })
    }

    /// Which shares are its.
    pub fn share(&self) -> ShareOf {
        self.of
    }

    /// Its region or licence.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Who owns its account in the books, and its bank account: an id made from what it is.
    pub fn owner(&self) -> TenantId {
        TenantId(transfer_id(&format!("clearing.payee/{}/{}", self.of, self.code)).0)
    }
}

/// Last day of the latest period that is over on `today`; `None` by hand.
pub fn through(period: Period, today: Date) -> Option<Date> {
    begin(period, today)?.yesterday().ok()
}

/// First day after the period `today` lies in; `None` by hand.
pub fn due_on(period: Period, today: Date) -> Option<Date> {
    let begin = begin(period, today)?;
    let length = match period {
        Period::Day => 1.day(),
        Period::Week => 1.week(),
        Period::Month => 1.month(),
        Period::ByHand => return None,
    };
    begin.checked_add(length).ok()
}

/// First day of the period `day` lies in.
fn begin(period: Period, day: Date) -> Option<Date> {
    match period {
        Period::Day => Some(day),
        Period::Week => {
            let since_monday = i64::from(day.weekday().to_monday_zero_offset());
            day.checked_sub(since_monday.days()).ok()
        }
        Period::Month => Some(day.first_of_month()),
        Period::ByHand => None,
    }
}

/// When a day is over in China.
fn end_of(day: Date) -> Option<Timestamp> {
    day.tomorrow().ok().and_then(time::start_of)
}

/// What a payee's account and its bookings say when a remittance is made. All net: credits less
/// debits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// What source payments booked since the remittance before, to the end of its last day.
    pub lines: Fen,
    /// What they booked since that end.
    pub later: Fen,
    /// What the account has.
    pub net: Fen,
    /// What of it is reserved, by refunds and by remittances.
    pub reserved: Fen,
    /// What of that is reserved by remittances.
    pub under_way: Fen,
}

/// What a remittance comes to: `opening + lines = amount + carried`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remitted {
    /// What was carried on from before, with what came back of earlier remittances.
    pub opening: Fen,
    /// What is paid out; not negative.
    pub amount: Fen,
    /// What is carried on: held for refunds under way, or negative.
    pub carried: Fen,
}

impl Gathered {
    /// What is paid out and what is carried on. Never more than lies free on the account, so that
    /// nobody is paid with money of later days that goes back already. `None` on overflow.
    pub fn remit(&self) -> Option<Remitted> {
        let opening = self.net.minus(self.lines)?.minus(self.later)?.minus(self.under_way)?;
        let due = opening.plus(self.lines)?;
        let amount = due.min(self.net.minus(self.reserved)?).max(Fen::ZERO);
        Some(Remitted { opening, amount, carried: due.minus(amount)? })
    }
}

/// What is left to pay of a remittance when it is tried again: what did not move, as far as it still
/// lies free on the account. `None` when that is nothing.
pub fn rest(amount: Fen, moved: Fen, free: Fen) -> Option<Fen> {
    let left = amount.minus(moved)?.min(free);
    (Fen::ZERO < left).then_some(left)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    #[test]
    fn a_payee_is_a_region_for_tax_and_fund_and_a_licence_for_commissions() {
        let table = [
            (ShareOf::Tax, "320000", true),
            (ShareOf::Tax, "3200", false),
            (ShareOf::Tax, "999999", false),
            (ShareOf::Fund, "32000A", false),
            (ShareOf::Commission, " 201320000000800 ", true),
            (ShareOf::Commission, " ", false),
            (ShareOf::Commission, "a\nb", false),
            (ShareOf::Premium, "320000", false),
        ];
        for (of, code, is_payee) in table {
            assert_eq!(Payee::of(of, code).is_some(), is_payee, "{of} {code:?}");
        }
        let [tax, fund] = [ShareOf::Tax, ShareOf::Fund].map(|of| Payee::of(of, "320000").unwrap());
        assert_ne!(tax.owner(), fund.owner());
    }

    #[test]
    fn a_period_is_remitted_on_the_day_after_it() {
        // 5 March 2025 is a Wednesday.
        let table = [
            (Period::Day, date(2025, 3, 5), Some((date(2025, 3, 4), date(2025, 3, 6)))),
            (Period::Week, date(2025, 3, 5), Some((date(2025, 3, 2), date(2025, 3, 10)))),
            (Period::Week, date(2025, 3, 3), Some((date(2025, 3, 2), date(2025, 3, 10)))),
            (Period::Month, date(2025, 3, 5), Some((date(2025, 2, 28), date(2025, 4, 1)))),
            (Period::Month, date(2025, 1, 1), Some((date(2024, 12, 31), date(2025, 2, 1)))),
            (Period::ByHand, date(2025, 3, 5), None),
        ];
        for (period, today, expected) in table {
            assert_eq!(through(period, today).zip(due_on(period, today)), expected, "{period}");
        }
    }

    #[test]
    fn refunds_are_held_against_what_is_paid_and_what_they_make_negative_is_carried_on() {
        let gathered = |lines, later, net, reserved, under_way| Gathered {
            lines: Fen(lines),
            later: Fen(later),
            net: Fen(net),
            reserved: Fen(reserved),
            under_way: Fen(under_way),
        };
        let table = [
            // The first: all of it.
            (gathered(300, 0, 300, 0, 0), (0, 300, 0)),
            // A refund of 40 is under way; what came after the day stays.
            (gathered(300, 50, 350, 90, 0), (0, 260, 40)),
            // Paid on already: a refund of 40 makes it negative.
            (gathered(-40, 0, -40, 0, 0), (0, 0, -40)),
            // Carried on: 100 came, so 60 are paid.
            (gathered(100, 0, 60, 0, 0), (-40, 60, 0)),
            // The remittance before is under way with 300 and is not counted twice.
            (gathered(100, 0, 400, 300, 300), (0, 100, 0)),
            // It failed: its money goes along.
            (gathered(100, 0, 400, 0, 0), (300, 400, 0)),
        ];
        for (gathered, (opening, amount, carried)) in table {
            let expected =
                Remitted { opening: Fen(opening), amount: Fen(amount), carried: Fen(carried) };
            assert_eq!(gathered.remit(), Some(expected), "{gathered:?}");
        }
    }

    #[test]
    fn what_did_not_move_is_tried_again_as_far_as_it_is_there() {
        assert_eq!(rest(Fen(300), Fen(0), Fen(300)), Some(Fen(300)));
        assert_eq!(rest(Fen(300), Fen(100), Fen(500)), Some(Fen(200)));
        assert_eq!(rest(Fen(300), Fen(100), Fen(150)), Some(Fen(150)));
        assert_eq!(rest(Fen(300), Fen(300), Fen(500)), None);
        assert_eq!(rest(Fen(300), Fen(0), Fen(-1)), None);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Collect(i64),
        OrderRefund(i64),
        RefundMoves,
        /// Whether the bank carries it out.
        Remit(bool),
        /// The one under way ends.
        End,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1i64..1_000).prop_map(Step::Collect),
            (1i64..500).prop_map(Step::OrderRefund),
            Just(Step::RefundMoves),
            proptest::prelude::any::<bool>().prop_map(Step::Remit),
            Just(Step::End),
        ]
    }

    proptest! {
        /// An account in a few numbers, driven at random: what came in and was not given back was
        /// paid on or is there, and each booking is a line of one remittance.
        #[test]
        fn everything_is_paid_on_once(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut sources, mut paid, mut counted) = (0i64, 0i64, 0i64);
            let (mut since, mut refunds) = (0i64, Vec::new());
            // Amount, and whether the bank carries it out; those before the last one.
            let mut under_way: Vec<(i64, bool)> = Vec::new();
            let mut carried = 0i64;
            let mut came_back = 0i64;
            for step in steps.into_iter().chain([Step::End, Step::RefundMoves, Step::Remit(true)]) {
                match step {
                    Step::Collect(amount) => {
                        sources += amount;
                        since += amount;
                    }
                    Step::OrderRefund(amount) => refunds.push(amount),
                    Step::RefundMoves => {
                        let moved: i64 = refunds.drain(..).sum();
                        sources -= moved;
                        since -= moved;
                    }
                    Step::Remit(is_done) => {
                        let reserved: i64 = under_way.iter().map(|(amount, _)| amount).sum();
                        let promised: i64 = refunds.iter().sum();
                        let gathered = Gathered {
                            lines: Fen(since),
                            later: Fen::ZERO,
                            net: Fen(sources - paid),
                            reserved: Fen(reserved + promised),
                            under_way: Fen(reserved),
                        };
                        let remitted = gathered.remit().unwrap();
                        prop_assert_eq!(remitted.opening.0, carried + came_back);
                        prop_assert_eq!(
                            remitted.opening.0 + since,
                            remitted.amount.0 + remitted.carried.0
                        );
                        prop_assert!(Fen::ZERO <= remitted.amount);
                        // What is promised to payers stays, unless it was gone before.
                        let free = sources - paid - reserved - promised;
                        prop_assert!(remitted.amount.0 <= free.max(0));
                        counted += since;
                        (since, came_back, carried) = (0, 0, remitted.carried.0);
                        under_way.push((remitted.amount.0, is_done));
                    }
                    Step::End => {
                        for (amount, is_done) in under_way.drain(..) {
                            if is_done { paid += amount } else { came_back += amount }
                        }
                    }
                }
            }
            prop_assert_eq!(counted, sources);
            let reserved: i64 = under_way.iter().map(|(amount, _)| amount).sum();
            prop_assert_eq!(sources - paid, reserved + carried + came_back);
            prop_assert!(0 <= paid);
        }
    }
}

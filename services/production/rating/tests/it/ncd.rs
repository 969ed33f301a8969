//! The no-claim discount: the table of worked examples, windows, stops, schemes.

use jiff::civil::{Date, date};
use kernel::Fen;
use production_core::history::{ClaimRecord, PolicyClass};
use production_core::region::Region;
use production_rating::{ClaimVerdict, NcdAnswer, NcdStop, RatingInput};

use crate::market::{
    at, claim, decimal, family_car, liability, policy, quote, rated, with_covers, years, yuan,
};

const BI: PolicyClass = PolicyClass::Commercial;

type Change = fn(&mut ClaimRecord);

fn renewal(region: Region, insured_years: i16, closed: &[Date]) -> RatingInput {
    let mut input = with_covers(quote(region, family_car()), vec![liability("1000000")]);
    input.history.policies = years(BI, insured_years);
    input.history.claims = closed.iter().map(|day| claim(BI, &day.to_string(), *day)).collect();
    input
}

fn ncd(input: &RatingInput) -> NcdAnswer {
    rated(input).commercial.unwrap().ncd
}

fn level(input: &RatingInput) -> (i8, String) {
    let answer = ncd(input);
    (answer.level, answer.coefficient.normalize().to_string())
}

const IN_WINDOW: [Date; 3] = [date(2024, 5, 1), date(2024, 8, 1), date(2024, 11, 1)];

#[test]
fn the_worked_examples_come_out() {
    let region = Region::Jiangsu;
    let mut transferred = renewal(region, 5, &[]);
    transferred.transferred_on = Some(date(2025, 1, 20));
    // Insured a year from 2024-03-01, before that four months without cover.
    let mut lapsed = renewal(region, 1, &[]);
    lapsed.history.policies.push(policy(BI, date(2022, 10, 25)));
    let cases = [
        (renewal(region, 0, &[]), 0, "1"),
        (renewal(region, 1, &[]), -1, "0.8"),
        (renewal(region, 2, &[]), -2, "0.7"),
        (renewal(region, 3, &[]), -3, "0.6"),
        (renewal(region, 4, &[]), -4, "0.5"),
        (renewal(region, 6, &[]), -4, "0.5"),
        (renewal(region, 3, &IN_WINDOW[..1]), -2, "0.7"),
        (renewal(region, 3, &IN_WINDOW), 0, "1"),
        (renewal(region, 1, &IN_WINDOW), 2, "1.4"),
        (transferred, 0, "1"),
        (lapsed, -1, "0.8"),
    ];
    for (at, (input, expected, coefficient)) in cases.into_iter().enumerate() {
        assert_eq!(level(&input), (expected, coefficient.to_owned()), "case {at}");
    }
}

#[test]
fn the_walk_says_why_it_stopped() {
    let stop = |change: &dyn Fn(&mut RatingInput)| {
        let mut input = renewal(Region::Jiangsu, 3, &[]);
        change(&mut input);
        let answer = ncd(&input);
        (answer.stop, answer.insured_years, answer.level)
    };
    assert_eq!(stop(&|_| {}), (NcdStop::NoEarlierPolicy, 3, -3));
    assert_eq!(
        stop(&|input| input.history.policies[1].short_term = true),
        (NcdStop::ShortTerm, 1, -1)
    );
    assert_eq!(
        stop(&|input| input.history.policies[0].ended_early = Some(at(date(2024, 12, 20)))),
        (NcdStop::ShortTerm, 0, 0)
    );
    let transferred = |input: &mut RatingInput| {
        input.history.policies[1].transferred_at = Some(at(date(2023, 9, 1)));
    };
    assert_eq!(stop(&transferred), (NcdStop::Transferred, 1, -1));
    let sold_before = |input: &mut RatingInput| input.transferred_on = Some(date(2023, 3, 1));
    assert_eq!(stop(&sold_before), (NcdStop::Transferred, 2, -2));
    let lapsed = |input: &mut RatingInput| {
        input.history.policies.remove(0);
    };
    assert_eq!(stop(&lapsed), (NcdStop::Lapsed, 0, 0));
    let more = |input: &mut RatingInput| input.history.policies = years(BI, 6);
    assert_eq!(stop(&more), (NcdStop::LookBackReached, 4, -4));
}

#[test]
fn a_claim_counts_once_by_the_time_it_was_closed() {
    // Quoted on 2024-02-20 and on 2025-02-20; the window is open at its start, closed at its end.
    let previous = policy(BI, date(2024, 3, 1)).quoted_at;
    let verdict = |closed| {
        let mut input = renewal(Region::Jiangsu, 1, &[]);
        let mut record = claim(BI, "c", date(2024, 6, 1));
        record.closed_at = closed;
        input.history.claims = vec![record];
        ncd(&input).claims[0].verdict
    };
    let second = jiff::SignedDuration::from_secs(1);
    let this = at(date(2025, 2, 20));
    assert_eq!(verdict(None), ClaimVerdict::Open);
    assert_eq!(verdict(Some(previous)), ClaimVerdict::BeforeLookBack);
    assert_eq!(verdict(Some(previous + second)), ClaimVerdict::Counted);
    assert_eq!(verdict(Some(this)), ClaimVerdict::Counted);
    assert_eq!(verdict(Some(this + second)), ClaimVerdict::ClosedAfterQuote);
}

#[test]
fn claims_that_must_not_count_say_why() {
    let changes: [(Change, ClaimVerdict); 4] = [
        (|record| record.paid = Fen::ZERO, ClaimVerdict::NothingPaid),
        (|record| record.fully_recovered = true, ClaimVerdict::FullyRecovered),
        (|record| record.counts = false, ClaimVerdict::MarkedNotCounting),
        (|record| record.at_fault = false, ClaimVerdict::Counted),
    ];
    for (change, verdict) in changes {
        let mut input = renewal(Region::Jiangsu, 2, &IN_WINDOW[..1]);
        change(&mut input.history.claims[0]);
        let answer = ncd(&input);
        assert_eq!(answer.claims[0].verdict, verdict);
        let counted = i8::from(verdict == ClaimVerdict::Counted);
        assert_eq!(answer.level, counted - 2);
    }
    let mut compulsory = renewal(Region::Jiangsu, 2, &IN_WINDOW[..1]);
    compulsory.history.claims[0].class = PolicyClass::Compulsory;
    assert_eq!((ncd(&compulsory).level, ncd(&compulsory).claims.len()), (-2, 0));
}

#[test]
fn the_levels_follow_from_claims_of_any_insurer() {
    // closed on, paid, insurer; level after three insured years
    type Closed<'a> = &'a [(Date, &'a str, &'a str)];
    let cases: [(Closed<'_>, i8, &str); 6] = [
        (&[], -3, "0.6"),
        // Accident before the last renewal, closed after it: this year's window all the same.
        (&[(date(2024, 2, 21), "1200", "PAIC")], -2, "0.7"),
        // Two insurers, two years.
        (&[(date(2024, 6, 1), "1200", "PAIC"), (date(2022, 6, 1), "80", "CPIC")], -1, "0.8"),
        (
            &[
                (date(2024, 6, 1), "1200", "PAIC"),
                (date(2023, 6, 1), "80", "CPIC"),
                (date(2022, 6, 1), "90000", "PICC"),
            ],
            0,
            "1",
        ),
        // Closed at zero, and closed before the three years.
        (&[(date(2024, 6, 1), "0", "PAIC"), (date(2022, 2, 18), "500", "CPIC")], -3, "0.6"),
        (
            &[
                (date(2024, 6, 1), "1", "PAIC"),
                (date(2024, 7, 1), "1", "PAIC"),
                (date(2024, 8, 1), "1", "PAIC"),
                (date(2024, 9, 1), "1", "CPIC"),
                (date(2024, 10, 1), "1", "CPIC"),
            ],
            2,
            "1.4",
        ),
    ];
    for (row, (closed, expected, coefficient)) in cases.into_iter().enumerate() {
        let mut input = renewal(Region::Jiangsu, 3, &[]);
        for (at, &(day, paid, insurer)) in closed.iter().enumerate() {
            let mut record = claim(BI, &format!("c{at}"), day);
            (record.paid, record.insurer) = (yuan(paid), crate::market::insurer(insurer));
            input.history.claims.push(record);
        }
        assert_eq!(level(&input), (expected, coefficient.to_owned()), "row {row}");
    }
}

#[test]
fn a_reopened_claim_counts_where_it_first_did_until_it_is_closed_at_zero() {
    let (first, reclosed) = (date(2023, 6, 1), date(2024, 6, 1));
    // first settled, closed, paid; verdict and level of two insured years
    let cases = [
        // Reopened and not closed again: counts as before.
        (Some(first), None, "3000", ClaimVerdict::Counted, -1),
        (Some(first), Some(reclosed), "3000", ClaimVerdict::Counted, -1),
        (Some(first), Some(reclosed), "0", ClaimVerdict::NothingPaid, -2),
        // Closed at zero first, then reopened.
        (None, None, "0", ClaimVerdict::Open, -2),
        // First settled in a year not looked at, closed again in one that is.
        (Some(date(2022, 6, 1)), Some(reclosed), "3000", ClaimVerdict::BeforeLookBack, -2),
    ];
    for (row, (settled, closed, paid, verdict, expected)) in cases.into_iter().enumerate() {
        let mut input = renewal(Region::Jiangsu, 2, &[reclosed]);
        let record = &mut input.history.claims[0];
        (record.first_settled_at, record.closed_at) = (settled.map(at), closed.map(at));
        record.paid = yuan(paid);
        let answer = ncd(&input);
        assert_eq!((answer.claims[0].verdict, answer.level), (verdict, expected), "row {row}");
    }
}

#[test]
fn claims_of_the_former_owner_are_not_the_new_owners() {
    // Sold on 2023-09-01, new policy from 2024-03-01, the old accident closed in its year.
    let mut input = renewal(Region::Jiangsu, 2, &[date(2024, 6, 1)]);
    input.history.policies[1].transferred_at = Some(at(date(2023, 9, 1)));
    input.history.claims[0].accident_at = at(date(2023, 8, 31));
    let answer = ncd(&input);
    assert_eq!((answer.claims[0].verdict, answer.level), (ClaimVerdict::BeforeTransfer, -1));
    input.history.claims[0].accident_at = at(date(2023, 9, 1));
    let answer = ncd(&input);
    assert_eq!((answer.claims[0].verdict, answer.level), (ClaimVerdict::Counted, 0));
}

#[test]
fn policies_side_by_side_are_one_year() {
    let mut beside = renewal(Region::Jiangsu, 2, &[]);
    let mut liability = policy(BI, date(2024, 5, 1));
    liability.insurer = crate::market::insurer("PAIC");
    beside.history.policies.push(liability.clone());
    let answer = ncd(&beside);
    assert_eq!((answer.insured_years, answer.level), (2, -2));
    // A duplicate surrendered after a month does not break the year.
    liability.ended_early = Some(at(date(2024, 6, 1)));
    beside.history.policies[2] = liability;
    assert_eq!(ncd(&beside).level, -2);
}

#[test]
fn beijing_rewards_five_years_and_caps_at_ten_claims() {
    let region = Region::Beijing;
    let mut many = renewal(region, 1, &[]);
    many.history.claims =
        (0..14).map(|number| claim(BI, &number.to_string(), IN_WINDOW[0])).collect();
    assert_eq!(level(&renewal(region, 5, &[])), (-5, "0.4".to_owned()));
    assert_eq!(level(&renewal(region, 4, &[])), (-4, "0.5".to_owned()));
    assert_eq!(level(&many), (10, "3".to_owned()));
    many.region = Region::Jiangsu;
    assert_eq!(level(&many), (5, "2".to_owned()));
}

#[test]
fn xiamen_sells_by_the_national_scheme_and_says_so() {
    let rating = rated(&renewal(Region::Xiamen, 3, &[]));
    assert_eq!(rating.commercial.unwrap().ncd.coefficient, decimal("0.6"));
    assert!(rating.notices.iter().any(|notice| notice.code == "NCD_FALLBACK"));
}

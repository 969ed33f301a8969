//! The no-claim discount: the table of worked examples, windows, stops, schemes.

use jiff::civil::{Date, date};
use kernel::Fen;
use production_core::history::{ClaimRecord, PolicyClass};
use production_core::region::Region;
use production_rating::{ClaimVerdict, NcdAnswer, NcdStop, RatingInput};

use crate::market::{
    at, claim, decimal, family_car, liability, policy, quote, rated, with_covers, years,
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

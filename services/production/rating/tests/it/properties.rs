//! What holds for every input: monotony, order, replay, money that adds up.

use jiff::civil::{Date, date};
use kernel::{Fen, Period};
use production_core::cover::{Cover, CoverRequest, Part};
use production_core::history::{ClaimRecord, PolicyClass};
use production_core::region::Region;
use production_core::vehicle::{Category, Fuel, Usage};
use production_rating::{
    Cancellation, Canceller, Rating, RatingInput, commercial_refund, compulsory_refund,
    premium_change, rate,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use crate::market::{
    TARIFF, at, claim, family_car, insurer, liability, occupants, quote, with_compulsory,
    with_covers, years,
};

fn day() -> impl Strategy<Value = Date> {
    (0i32..1_800).prop_map(|offset| date(2020, 6, 1).saturating_add(jiff::Span::new().days(offset)))
}

fn claims() -> impl Strategy<Value = Vec<ClaimRecord>> {
    let class = prop_oneof![Just(PolicyClass::Compulsory), Just(PolicyClass::Commercial)];
    let one = (class, day(), any::<(bool, bool, bool)>(), 0i64..500_000);
    vec(one, 0..8).prop_map(|claims| {
        let numbered = claims.into_iter().enumerate();
        let record = |(at, (class, day, (at_fault, open, death), paid))| {
            let mut record = claim(class, &format!("c{at}"), day);
            (record.at_fault, record.death, record.paid) = (at_fault, death, Fen(paid));
            if open {
                (record.closed_at, record.paid_at) = (None, None);
            }
            record
        };
        numbered.map(record).collect()
    })
}

fn input() -> impl Strategy<Value = RatingInput> {
    let vehicle = select(vec![
        (Category::BusUnder6, Usage::PrivateFamily, 5),
        (Category::BusUnder6, Usage::RideHailing, 5),
        (Category::Bus10To20, Usage::Enterprise, 12),
        (Category::Truck2To5, Usage::CommercialTruck, 3),
    ]);
    let regions = select(Region::ALL.to_vec());
    let parts = (regions, vehicle, claims(), 0i16..7, 5i64..100, 10i64..150);
    parts.prop_map(|(region, (category, usage, seats), claims, insured, limit, autonomous)| {
        let mut vehicle = family_car();
        (vehicle.category, vehicle.usage, vehicle.seats) = (category, usage, seats);
        vehicle.fuel = Fuel::Diesel;
        vehicle.curb_weight_kg = Some(3_300.into());
        let limit = if limit < 10 { limit * 100_000 } else { limit / 5 * 500_000 };
        let covers = vec![
            CoverRequest::of(Cover::Hull),
            liability(&limit.max(500_000).to_string()),
            occupants(Part::Driver, "10000"),
            CoverRequest::of(Cover::Wheel).limit(Fen(500_000)),
        ];
        let mut input = with_compulsory(with_covers(quote(region, vehicle), covers));
        let coefficient = rust_decimal::Decimal::new(autonomous.clamp(50, 150), 2);
        input.commercial.as_mut().unwrap().autonomous = coefficient;
        input.history.policies = years(PolicyClass::Compulsory, insured);
        input.history.policies.extend(years(PolicyClass::Commercial, insured));
        input.history.claims = claims;
        input
    })
}

fn ncd_level(input: &RatingInput) -> i8 {
    rate(&TARIFF, input).unwrap().commercial.unwrap().ncd.level
}

fn same_policy(first: &RatingInput, second: &RatingInput) -> bool {
    let answer = |input| {
        let mut rating: Rating = rate(&TARIFF, input).unwrap();
        rating.commercial.as_mut().unwrap().ncd.claims.clear();
        rating
    };
    answer(first) == answer(second)
}

proptest! {
    #[test]
    fn a_stored_input_rates_to_the_same_fen(input in input()) {
        let input = match rate(&TARIFF, &input) {
            Ok(_) => input,
            // Limits between the steps are refused, and refused alike.
            Err(refusals) => {
                prop_assert!(refusals.iter().all(|refusal| refusal.rule == "L16"));
                return Ok(());
            }
        };
        let text = serde_json::to_string(&input).unwrap();
        let stored: RatingInput = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&stored, &input);
        let first = rate(&TARIFF, &input).unwrap();
        let text = serde_json::to_string(&first).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rating>(&text).unwrap(), first.clone());
        prop_assert_eq!(rate(&TARIFF, &stored).unwrap(), first);
    }

    #[test]
    fn premiums_are_positive_and_add_up(input in input()) {
        let Ok(rating) = rate(&TARIFF, &input) else { return Ok(()) };
        let compulsory = rating.compulsory.unwrap();
        let commercial = rating.commercial.unwrap();
        prop_assert!(compulsory.premium > Fen::ZERO && commercial.premium > Fen::ZERO);
        prop_assert!(compulsory.fund_amount <= compulsory.premium);
        prop_assert!(rating.tax.unwrap().total >= Fen::ZERO);
        let sum = Fen::sum(commercial.covers.iter().map(|cover| cover.premium)).unwrap();
        prop_assert_eq!(sum, commercial.premium);
    }

    #[test]
    fn the_order_and_the_insurers_of_claims_do_not_matter(
        input in input(),
        turn in 0usize..8,
        codes in vec(select(vec!["PICC", "PAIC", "CPIC"]), 8),
    ) {
        if rate(&TARIFF, &input).is_err() {
            return Ok(());
        }
        let mut other = input.clone();
        let count = other.history.claims.len();
        if count > 0 {
            other.history.claims.rotate_left(turn % count);
        }
        other.history.policies.reverse();
        for (claim, code) in other.history.claims.iter_mut().zip(&codes) {
            claim.insurer = insurer(code);
        }
        for (policy, code) in other.history.policies.iter_mut().zip(&codes) {
            policy.insurer = insurer(code);
        }
        prop_assert!(same_policy(&input, &other));
        prop_assert_eq!(ncd_level(&input), ncd_level(&other));
    }

    #[test]
    fn one_claim_more_never_costs_less(input in input(), closed in day()) {
        let Ok(before) = rate(&TARIFF, &input) else { return Ok(()) };
        let mut more = input.clone();
        more.history.claims.push(claim(PolicyClass::Commercial, "one more", closed));
        let after = rate(&TARIFF, &more).unwrap();
        let premium = |rating: Rating| rating.commercial.unwrap().premium;
        prop_assert!(premium(before) <= premium(after));
    }

    #[test]
    fn a_higher_limit_never_costs_less(steps in 1i64..18) {
        let premium = |limit: i64| {
            let covers = vec![liability(&limit.to_string())];
            let input = with_covers(quote(Region::Hunan, family_car()), covers);
            rate(&TARIFF, &input).unwrap().commercial.unwrap().premium
        };
        let limit = 1_000_000 + steps * 500_000;
        prop_assert!(premium(limit - 500_000) < premium(limit));
    }

    #[test]
    fn refund_and_kept_are_the_premium(
        premium in 0i64..100_000_000,
        from in day(),
        days in 1i32..400,
        cancelled in day(),
        issued in day(),
        by_insurer: bool,
    ) {
        let to = from.saturating_add(jiff::Span::new().days(days));
        let period = Period::new(at(from), at(to)).unwrap();
        let premium = Fen(premium);
        let cancellation = Cancellation { premium, period, suspended_days: 0, at: at(cancelled) };
        let who = if by_insurer { Canceller::Insurer } else { Canceller::Policyholder };
        let issued = issued.max(date(2015, 6, 1));
        let commercial =
            commercial_refund(&TARIFF, Region::Hunan, issued, cancellation, who).unwrap();
        for refund in [compulsory_refund(cancellation), commercial] {
            prop_assert_eq!(refund.refund.plus(refund.kept), Some(premium));
            prop_assert!(refund.refund >= Fen::ZERO && refund.kept >= Fen::ZERO);
        }
    }

    #[test]
    fn a_change_there_and_back_costs_nothing(
        old in 0i64..10_000_000,
        new in 0i64..10_000_000,
        effective in day(),
    ) {
        let period = crate::market::year_from(date(2023, 6, 1));
        let there = premium_change(Fen(old), Fen(new), period, at(effective));
        let back = premium_change(Fen(new), Fen(old), period, at(effective));
        prop_assert_eq!(there.amount.0, -back.amount.0);
        prop_assert!(there.amount.0.abs() <= (new - old).abs());
    }
}

//! What holds for every history of policies and claims: order, insurers, reopening, windows.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span, Timestamp};
use kernel::Fen;
use production_core::history::{ClaimRecord, PolicyClass, PriorPolicy, VehicleHistory};
use production_core::region::Region;
use production_rating::{
    ClaimVerdict, FloatAnswer, FloatVerdict, Rating, RatingInput, ShortTermReason,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use crate::market::{
    at, claim, family_car, insurer, liability, period, policy, quote, rated, with_compulsory,
    with_covers, year_from, yuan,
};

const CODES: [&str; 3] = ["PICC", "PAIC", "CPIC"];

fn days_after(day: Date, days: i32) -> Date {
    day.saturating_add(Span::new().days(days))
}

/// A day in the six years before the quote.
fn day() -> impl Strategy<Value = Date> {
    (0i32..2_200).prop_map(|offset| days_after(date(2019, 2, 20), offset))
}

fn class() -> impl Strategy<Value = PolicyClass> {
    prop_oneof![Just(PolicyClass::Compulsory), Just(PolicyClass::Commercial)]
}

/// Policies that follow, overlap, lapse, run short, end early and change hands.
fn policies() -> impl Strategy<Value = Vec<PriorPolicy>> {
    let start = prop_oneof![
        3 => (0i16..6).prop_map(|back| date(2024 - back, 3, 1)),
        1 => day(),
    ];
    let rare = |of| prop_oneof![6 => Just(None), 1 => (1i32..of).prop_map(Some)];
    let shortened = (rare(300), rare(360), rare(360));
    let one = (class(), start, 0i64..60, 0i64..2, shortened, select(CODES.to_vec()));
    let one = one.prop_map(|(class, from, ahead, late, (short, ended, sold), code)| {
        let after = |days| at(days_after(from, days));
        let mut built = policy(class, from);
        built.quoted_at = at(from) - SignedDuration::from_hours(24 * ahead);
        built.issued_at = built.quoted_at + SignedDuration::from_hours(12 * late);
        if let Some(days) = short {
            built.period = period(from, days_after(from, days));
            built.short_term = true;
        }
        (built.ended_early, built.transferred_at) = (ended.map(after), sold.map(after));
        built.insurer = insurer(code);
        built
    });
    vec(one, 0..9)
}

fn claims() -> impl Strategy<Value = Vec<ClaimRecord>> {
    let often = || prop_oneof![4 => Just(true), 1 => Just(false)];
    let paid = prop_oneof![1 => Just(0i64), 5 => 1i64..5_000_000];
    let flags = (often(), often(), often(), often(), often(), any::<bool>());
    let life = (day(), 0i32..400, option::of(0i32..300));
    let one = (class(), life, paid, flags, select(CODES.to_vec()));
    let one = one.prop_map(|(class, (happened, later, reopened), paid, flags, code)| {
        let closed = days_after(happened, later);
        let mut record = claim(class, "", closed);
        (record.accident_at, record.paid) = (at(happened), Fen(paid));
        let (closed_now, at_fault, counts, here, unrecovered, death) = flags;
        (record.at_fault, record.counts, record.death) = (at_fault, counts, death);
        (record.stolen_at_the_time, record.fully_recovered) = (!here, !unrecovered);
        if let Some(days) = reopened {
            record.first_settled_at = (paid > 0).then_some(at(closed));
            record.closed_at = Some(at(days_after(closed, days)));
            record.paid_at = record.closed_at;
        }
        record.closed_at = record.closed_at.filter(|_| closed_now);
        record.insurer = insurer(code);
        record
    });
    vec(one, 0..8).prop_map(|mut claims| {
        for (number, claim) in claims.iter_mut().enumerate() {
            claim.claim_code = format!("c{number}");
        }
        claims
    })
}

fn history() -> impl Strategy<Value = VehicleHistory> {
    (policies(), claims()).prop_map(|(policies, claims)| VehicleHistory {
        policies,
        claims,
        violations: None,
    })
}

/// Both lines asked for, in a region with or without its own schemes.
fn renewal(region: Region, history: VehicleHistory) -> RatingInput {
    let covers = vec![liability("1000000")];
    let mut input = with_compulsory(with_covers(quote(region, family_car()), covers));
    input.history = history;
    input
}

fn region() -> impl Strategy<Value = Region> {
    select(vec![Region::Jiangsu, Region::Beijing, Region::Hainan])
}

/// Level, years and float: what a claim may change.
fn outcome(rating: &Rating) -> (i8, u8, FloatAnswer, Fen, Fen) {
    let compulsory = rating.compulsory.as_ref().unwrap();
    let commercial = rating.commercial.as_ref().unwrap();
    let ncd = &commercial.ncd;
    let float = compulsory.accident.clone();
    (ncd.level, ncd.insured_years, float, compulsory.premium, commercial.premium)
}

/// A claim's life: paid and closed, perhaps reopened, then closed again, at zero or not.
#[derive(Clone, Debug)]
struct Story {
    happened: Date,
    closed: Date,
    reopened: Option<(Date, Date, bool)>,
}

impl Story {
    /// What the platform's record said on `now`; `None` before the accident.
    fn known(&self, class: PolicyClass, now: Timestamp) -> Option<ClaimRecord> {
        let passed = |day: Date| at(day) <= now;
        let mut record = claim(class, "story", self.closed);
        record.accident_at = at(self.happened);
        if !passed(self.happened) {
            return None;
        }
        if !passed(self.closed) {
            (record.closed_at, record.paid_at, record.paid) = (None, None, Fen::ZERO);
            return Some(record);
        }
        if let Some((reopened, again, to_zero)) = self.reopened.filter(|story| passed(story.0)) {
            record.first_settled_at = Some(at(self.closed));
            record.closed_at = Some(at(again)).filter(|_| passed(again));
            if passed(again) {
                (record.paid_at, record.paid) =
                    (Some(at(again)), if to_zero { Fen::ZERO } else { yuan("5000") });
            }
            assert!(reopened <= again);
        }
        Some(record)
    }

    fn ends_at_zero(&self) -> bool {
        self.reopened.is_some_and(|(_, _, to_zero)| to_zero)
    }
}

fn story() -> impl Strategy<Value = Story> {
    let parts = (0i32..1_200, 0i32..500, option::of((1i32..400, 0i32..300, any::<bool>())));
    parts.prop_map(|(happened, until_closed, reopened)| {
        let happened = days_after(date(2020, 10, 1), happened);
        let closed = days_after(happened, until_closed);
        let reopened = reopened.map(|(rested, open, to_zero)| {
            let reopened = days_after(closed, rested);
            (reopened, days_after(reopened, open), to_zero)
        });
        Story { happened, closed, reopened }
    })
}

/// Renewals from 2021 to 2027, each quoted and issued some days before 1 March.
fn renewals() -> impl Strategy<Value = Vec<Date>> {
    vec(1i32..60, 7).prop_map(|ahead| {
        let years = (2021i16..).zip(ahead);
        years.map(|(year, days)| days_after(date(year, 3, 1), -days)).collect()
    })
}

proptest! {
    #[test]
    fn order_and_insurers_do_not_matter(
        history in history(),
        region in region(),
        (turn_policies, turn_claims) in (0usize..9, 0usize..8),
        codes in vec(select(CODES.to_vec()), 9),
    ) {
        let first = rated(&renewal(region, history.clone()));
        let mut other = history;
        let (policies, claims) = (other.policies.len(), other.claims.len());
        other.policies.reverse();
        other.policies.rotate_left(turn_policies.min(policies));
        other.claims.reverse();
        other.claims.rotate_left(turn_claims.min(claims));
        for (policy, code) in other.policies.iter_mut().zip(&codes) {
            policy.insurer = insurer(code);
        }
        for (claim, code) in other.claims.iter_mut().zip(&codes) {
            claim.insurer = insurer(code);
        }
        prop_assert_eq!(rated(&renewal(region, other)), first);
    }

    #[test]
    fn a_claim_reopened_and_closed_at_zero_has_never_been(
        history in history(),
        region in region(),
        class in class(),
        (happened, closed, again) in (day(), day(), day()),
        death: bool,
    ) {
        let without = rated(&renewal(region, history.clone()));
        let mut zero = claim(class, "zero", closed);
        zero.accident_at = at(happened);
        zero.first_settled_at = zero.closed_at;
        (zero.closed_at, zero.paid_at) = (Some(at(again)), Some(at(again)));
        (zero.paid, zero.death) = (Fen::ZERO, death);
        let mut with = history;
        with.claims.push(zero);
        let with = rated(&renewal(region, with));
        prop_assert_eq!(outcome(&with), outcome(&without));
    }

    #[test]
    fn every_claim_is_answered_and_counted_claims_make_the_level(
        history in history(),
        region in region(),
    ) {
        let rating = rated(&renewal(region, history.clone()));
        let of = |class| history.claims.iter().filter(|claim| claim.class == class).count();
        let (compulsory, ncd) = (rating.compulsory.unwrap(), rating.commercial.unwrap().ncd);
        prop_assert_eq!(compulsory.claims.len(), of(PolicyClass::Compulsory));
        prop_assert_eq!(ncd.claims.len(), of(PolicyClass::Commercial));
        let counted = ncd.claims.iter().filter(|one| one.verdict == ClaimVerdict::Counted).count();
        let looked_at = ncd.insured_years.min(3);
        let level = i8::try_from(counted).unwrap() - i8::try_from(looked_at).unwrap();
        // A longer clean streak than the three years looked at earns more.
        prop_assert!(ncd.level == level.min(5) || region == Region::Beijing || ncd.level < -3);
        let code = compulsory.accident.code;
        let rises = code.as_deref().is_some_and(|code| code.ends_with(['4', '5', '6']));
        let floats = compulsory.claims.iter().any(|one| one.verdict == FloatVerdict::Counted);
        prop_assert!(!rises || floats);
    }

    #[test]
    fn no_claim_counts_in_two_years(story in story(), renewals in renewals()) {
        let (mut commercial, mut compulsory) = (0, 0);
        for pair in renewals.windows(2) {
            let [before, this] = pair else { unreachable!() };
            let start = date(this.year(), 3, 1);
            let mut input = renewal(Region::Jiangsu, VehicleHistory::default());
            (input.quoted_at, input.issued_on) = (at(*this), *this);
            input.compulsory.as_mut().unwrap().period = year_from(start);
            input.commercial.as_mut().unwrap().period = year_from(start);
            for class in [PolicyClass::Compulsory, PolicyClass::Commercial] {
                let mut prior = policy(class, date(this.year() - 1, 3, 1));
                (prior.quoted_at, prior.issued_at) = (at(*before), at(*before));
                input.history.policies.push(prior);
                input.history.claims.extend(story.known(class, at(*this)));
            }
            let rating = rated(&input);
            let ncd = rating.commercial.unwrap().ncd;
            let counted = ncd.claims.iter().any(|one| one.verdict == ClaimVerdict::Counted);
            prop_assert_eq!(ncd.level, i8::from(counted) - 1);
            commercial += i32::from(counted);
            let float = rating.compulsory.unwrap();
            let counted = float.claims.iter().any(|one| one.verdict == FloatVerdict::Counted);
            compulsory += i32::from(counted);
        }
        prop_assert!(commercial <= 1 && compulsory <= 1);
        let closed = story.closed;
        if !story.ends_at_zero() && renewals[0] < closed && closed < renewals[6] {
            prop_assert_eq!((commercial, compulsory), (1, 1));
        }
    }

    #[test]
    fn temporary_cover_never_floats(history in history()) {
        let mut input = renewal(Region::Jiangsu, history);
        input.commercial = None;
        let asked = input.compulsory.as_mut().unwrap();
        asked.period = period(date(2025, 3, 1), date(2025, 7, 1));
        asked.short_term = Some(ShortTermReason::TemporaryEntry);
        let compulsory = rated(&input).compulsory.unwrap();
        prop_assert_eq!(compulsory.premium, yuan("380"));
        let silent = |verdict| verdict == FloatVerdict::NotFloating;
        prop_assert!(compulsory.claims.iter().all(|one| silent(one.verdict)));
    }
}

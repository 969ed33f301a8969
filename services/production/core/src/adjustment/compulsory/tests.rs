//! Worked apportionments, and what holds for every accident.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;

use super::*;

fn yuan(text: &str) -> Fen {
    text.parse().unwrap()
}

fn by_item(death_disability: &str, medical: &str, property: &str) -> ByItem {
    ByItem {
        death_disability: yuan(death_disability),
        medical: yuan(medical),
        property: yuan(property),
    }
}

/// Limits since 2020-09-19.
fn limits() -> CompulsoryLimits {
    CompulsoryLimits {
        at_fault: by_item("180000", "18000", "2000"),
        no_fault: by_item("18000", "1800", "100"),
    }
}

/// Limits from 2008-02-01 to 2020-09-18.
fn limits_of_2008() -> CompulsoryLimits {
    CompulsoryLimits {
        at_fault: by_item("110000", "10000", "2000"),
        no_fault: by_item("11000", "1000", "100"),
    }
}

fn at_fault(names: &[&str]) -> Vec<Vehicle> {
    names.iter().map(|&name| vehicle(name, Fault::AtFault)).collect()
}

fn vehicle(name: &str, fault: Fault) -> Vehicle {
    Vehicle { name: name.to_owned(), fault }
}

/// Damage to the vehicle of that name.
fn damage(vehicle: &str, amount: &str) -> Victim {
    let name = format!("{vehicle} damage");
    Victim { name, side: Side::Vehicle(vehicle.to_owned()), losses: by_item("0", "0", amount) }
}

fn outside(name: &str, losses: ByItem) -> Victim {
    Victim { name: name.to_owned(), side: Side::Outside, losses }
}

/// `vehicle -> victim fee amount`, advances with the payer in brackets.
fn told(adjusted: &CompulsoryAdjustment) -> Vec<String> {
    let payments = adjusted.payments.iter().map(|payment| {
        let advanced = payment.advanced_by.as_ref().map(|by| format!(" [{by}]"));
        let (vehicle, victim) = (&payment.vehicle, &payment.victim);
        let advanced = advanced.unwrap_or_default();
        format!("{vehicle}{advanced} -> {victim}: {} {}", payment.fee, payment.amount)
    });
    let open = adjusted.open.iter();
    payments.chain(open.map(|open| format!("open {}: {}", open.victim, open.amount))).collect()
}

fn adjusted(vehicles: &[Vehicle], victims: &[Victim], rule: NoFaultDamage) -> Vec<String> {
    told(&adjust(&limits(), vehicles, victims, rule).unwrap())
}

#[test]
fn each_item_is_paid_up_to_its_own_limit() {
    let walker = outside("walker", by_item("200000", "5000", "2500"));
    let expected = [
        "A -> walker: 1 180000.00",
        "A -> walker: 2 5000.00",
        "A -> walker: 3 2000.00",
        "open walker: 20000.00",
        "open walker: 500.00",
    ];
    let rule = NoFaultDamage::default();
    assert_eq!(adjusted(&at_fault(&["A"]), std::slice::from_ref(&walker), rule), expected);
    let expected = [
        "A -> walker: 5 18000.00",
        "A -> walker: 6 1800.00",
        "A -> walker: 7 100.00",
        "open walker: 182000.00",
        "open walker: 3200.00",
        "open walker: 2400.00",
    ];
    assert_eq!(adjusted(&[vehicle("A", Fault::NoFault)], &[walker], rule), expected);
}

#[test]
fn victims_of_one_vehicle_share_its_limit_by_their_losses() {
    // 10,000 x 7,500 / 12,500 and 10,000 x 5,000 / 12,500.
    let victims =
        [outside("a", by_item("0", "7500", "0")), outside("b", by_item("0", "5000", "0"))];
    let paid = adjust(&limits_of_2008(), &at_fault(&["A"]), &victims, NoFaultDamage::default());
    let expected = ["A -> a: 2 6000.00", "A -> b: 2 4000.00", "open a: 1500.00", "open b: 1000.00"];
    assert_eq!(told(&paid.unwrap()), expected);
}

#[test]
fn vehicles_bear_one_loss_by_their_limits() {
    let vehicles = |rest: &[(&str, Fault)]| -> Vec<Vehicle> {
        rest.iter().map(|&(name, fault)| vehicle(name, fault)).collect()
    };
    let three = vehicles(&[("A", Fault::AtFault), ("B", Fault::AtFault), ("C", Fault::NoFault)]);
    let weighed = |amount| adjusted(&three, &[damage("A", amount)], NoFaultDamage::ByLimits);
    // 2,000 against 100 weigh 20 to 1.
    assert_eq!(weighed("1050"), ["B -> A damage: 3 1000.00", "C -> A damage: 7 50.00"]);
    assert_eq!(weighed("2100"), ["B -> A damage: 3 2000.00", "C -> A damage: 7 100.00"]);
    let expected =
        ["B -> A damage: 3 2000.00", "C -> A damage: 7 100.00", "open A damage: 2900.00"];
    assert_eq!(weighed("5000"), expected);
    // 18,000 against 1,800 weigh 10 to 1.
    let walker = outside("walker", by_item("0", "1980", "0"));
    let two = vehicles(&[("B", Fault::AtFault), ("C", Fault::NoFault)]);
    let expected = ["B -> walker: 2 1800.00", "C -> walker: 6 180.00"];
    assert_eq!(adjusted(&two, &[walker], NoFaultDamage::default()), expected);
    // Three alike: thirds, the last fen to the smaller name.
    let walker = outside("walker", by_item("0", "100", "0"));
    let expected = ["A -> walker: 2 33.34", "B -> walker: 2 33.33", "C -> walker: 2 33.33"];
    assert_eq!(
        adjusted(&at_fault(&["C", "A", "B"]), &[walker], NoFaultDamage::default()),
        expected
    );
}

#[test]
fn two_cars_at_fault_pay_for_each_other_and_share_the_road() {
    // Of A are asked 5,000 for B and 500 for the road, of B 2,000 and 500; 2,000 are there.
    let victims = [
        damage("A", "2000"),
        damage("B", "5000"),
        outside("road", by_item("0", "0", "1000")),
        Victim {
            name: "B occupants".to_owned(),
            side: Side::Vehicle("B".to_owned()),
            losses: by_item("60000", "7000", "0"),
        },
    ];
    let expected = [
        "A -> B occupants: 1 60000.00",
        "A -> B occupants: 2 7000.00",
        "A -> B damage: 3 1818.18",
        "A -> road: 3 181.82",
        "B -> A damage: 3 1600.00",
        "B -> road: 3 400.00",
        "open A damage: 400.00",
        "open B damage: 3181.82",
        "open road: 418.18",
    ];
    assert_eq!(adjusted(&at_fault(&["A", "B"]), &victims, NoFaultDamage::default()), expected);
}

#[test]
fn what_one_vehicle_cannot_bear_goes_to_those_with_limit_left() {
    // Round 1: B's 4,000 is 2,000 of A and 2,000 of C; A's 500 is 250 of B and 250 of C. C is asked
    // for 2,250 and gives 1,777.78 and 222.22. Round 2: A's open 27.78 goes to B; B's open 222.22
    // finds nobody.
    let victims = [damage("A", "500"), damage("B", "4000")];
    let expected = [
        "A -> B damage: 3 2000.00",
        "B -> A damage: 3 277.78",
        "C -> A damage: 3 222.22",
        "C -> B damage: 3 1777.78",
        "open B damage: 222.22",
    ];
    let vehicles = at_fault(&["A", "B", "C"]);
    assert_eq!(adjusted(&vehicles, &victims, NoFaultDamage::default()), expected);
    let paid = adjust(&limits(), &vehicles, &victims, NoFaultDamage::default()).unwrap();
    assert_eq!(paid.charged_to("C"), yuan("2000"));
    assert_eq!(paid.paid_to("B damage", LossItem::Property), yuan("3777.78"));
    assert_eq!(paid.from_to("C", "A damage", LossItem::Property), yuan("222.22"));
    let rounds: Vec<String> = paid
        .derivation
        .0
        .iter()
        .filter(|step| step.name == "granted")
        .map(|step| format!("{} {}", step.by.as_ref().unwrap(), step.reason.as_ref().unwrap()))
        .collect();
    assert_eq!(
        rounds,
        [
            "A property, round 1",
            "B property, round 1",
            "C property, round 1",
            "B property, round 2"
        ]
    );
}

#[test]
fn vehicles_without_fault_have_their_part_advanced() {
    // A (1,000) and B (600) at fault, C (800) and D (500) not: C and D owe 200, 100 to A and 100 to
    // B. Then A pays (600 - 100) + 400 + 250 and B pays (1,000 - 100) + 400 + 250.
    let mut vehicles = at_fault(&["A", "B"]);
    vehicles.extend([vehicle("C", Fault::NoFault), vehicle("D", Fault::NoFault)]);
    let victims = [damage("A", "1000"), damage("B", "600"), damage("C", "800"), damage("D", "500")];
    let expected = [
        "A -> B damage: 3 500.00",
        "A -> C damage: 3 400.00",
        "A -> D damage: 3 250.00",
        "B -> A damage: 3 900.00",
        "B -> C damage: 3 400.00",
        "B -> D damage: 3 250.00",
        "C [A] -> A damage: 7 50.00",
        "C [B] -> B damage: 7 50.00",
        "D [A] -> A damage: 7 50.00",
        "D [B] -> B damage: 7 50.00",
    ];
    for rule in [NoFaultDamage::LossSharedAdvance, NoFaultDamage::LimitSharedAdvance] {
        assert_eq!(adjusted(&vehicles, &victims, rule), expected);
    }
    let paid = adjust(&limits(), &vehicles, &victims, NoFaultDamage::default()).unwrap();
    assert_eq!((paid.charged_to("A"), paid.charged_to("B")), (yuan("1150"), yuan("1550")));
}

#[test]
fn the_two_advances_differ_where_a_loss_is_below_the_limit() {
    let mut vehicles = at_fault(&["A", "B"]);
    vehicles.push(vehicle("C", Fault::NoFault));
    let victims = [damage("A", "60"), damage("B", "1000")];
    let advanced = |rule| {
        let paid = adjust(&limits(), &vehicles, &victims, rule).unwrap();
        ["A damage", "B damage"].map(|name| paid.from_to("C", name, LossItem::Property))
    };
    // min(60, 100) / 2 against min(60, 100 / 2).
    assert_eq!(advanced(NoFaultDamage::LossSharedAdvance), ["30", "50"].map(yuan));
    assert_eq!(advanced(NoFaultDamage::LimitSharedAdvance), ["50", "50"].map(yuan));
    // 60 weighs 2,000 to 100 between B and C, 1,000 between A and C; C is asked for 2.86 + 47.62.
    assert_eq!(advanced(NoFaultDamage::ByLimits), ["2.86", "47.62"].map(yuan));
    assert_eq!(no_fault_advance(yuan("5000"), yuan("100"), 3), yuan("33.33"));
    assert_eq!(no_fault_advance(yuan("80"), yuan("100"), 1), yuan("80"));
    assert_eq!(no_fault_advance(yuan("80"), yuan("100"), 0), Fen::ZERO);
}

#[test]
fn a_vehicle_without_fault_answers_neither_for_others_without_nor_for_the_road() {
    let vehicles =
        [vehicle("A", Fault::AtFault), vehicle("C", Fault::NoFault), vehicle("D", Fault::NoFault)];
    let victims = [damage("C", "3000"), outside("road", by_item("0", "0", "1000"))];
    let expected = [
        "A -> C damage: 3 1500.00",
        "A -> road: 3 500.00",
        "open C damage: 1500.00",
        "open road: 500.00",
    ];
    assert_eq!(adjusted(&vehicles, &victims, NoFaultDamage::default()), expected);
}

#[test]
fn names_must_be_unique_and_known() {
    let rule = NoFaultDamage::default();
    let refused = |vehicles: &[Vehicle], victims: &[Victim]| {
        adjust(&limits(), vehicles, victims, rule).unwrap_err()
    };
    let twice = refused(&at_fault(&["A", "A"]), &[]);
    assert_eq!(twice, AdjustmentError::SameName("A".to_owned()));
    let unknown = refused(&at_fault(&["A"]), &[damage("B", "1")]);
    assert_eq!(unknown, AdjustmentError::UnknownVehicle("B".to_owned()));
    let negative = refused(&at_fault(&["A"]), &[outside("w", by_item("0", "-1", "0"))]);
    assert!(matches!(negative, AdjustmentError::Amount { what: "loss", .. }));
}

#[test]
fn fee_types_are_items_with_and_without_fault() {
    for &fee in FeeType::ALL {
        assert_eq!(FeeType::of(fee.item(), fee.fault()), fee);
    }
    assert_eq!(limits().of(FeeType::NoFaultMedical), yuan("1800"));
}

fn accident() -> impl Strategy<Value = (Vec<Vehicle>, Vec<Victim>)> {
    let vehicles = vec(any::<bool>(), 1..5).prop_map(|faults| {
        let fault = |blame| if blame { Fault::AtFault } else { Fault::NoFault };
        let numbered = faults.into_iter().enumerate();
        numbered.map(|(at, blame)| vehicle(&format!("c{at}"), fault(blame))).collect::<Vec<_>>()
    });
    let amount = || prop_oneof![Just(0i64), 1i64..50_000, 1i64..40_000_000];
    let losses = vec((any::<Index>(), any::<bool>(), amount(), amount(), amount()), 1..6);
    (vehicles, losses).prop_map(|(vehicles, losses)| {
        let numbered = losses.into_iter().enumerate();
        let victim = |(at, (side, aboard, death, medical, property)): (usize, Loss)| Victim {
            name: format!("v{at}"),
            side: match aboard {
                true => Side::Vehicle(vehicles[side.index(vehicles.len())].name.clone()),
                false => Side::Outside,
            },
            losses: ByItem {
                death_disability: Fen(death),
                medical: Fen(medical),
                property: Fen(property),
            },
        };
        let victims = numbered.map(victim).collect();
        (vehicles, victims)
    })
}

type Loss = (Index, bool, i64, i64, i64);

fn any_rule() -> impl Strategy<Value = NoFaultDamage> {
    prop_oneof![
        Just(NoFaultDamage::LossSharedAdvance),
        Just(NoFaultDamage::LimitSharedAdvance),
        Just(NoFaultDamage::ByLimits),
    ]
}

proptest! {
    #[test]
    fn payments_and_what_is_open_add_up_to_each_loss((vehicles, victims) in accident(), rule in any_rule()) {
        let paid = adjust(&limits(), &vehicles, &victims, rule).unwrap();
        for victim in &victims {
            for item in LossItem::ALL {
                let mut open = paid.open.iter();
                let open = open.find(|open| open.victim == victim.name && open.item == item);
                let open = open.map_or(Fen::ZERO, |open| open.amount);
                let sum = paid.paid_to(&victim.name, item).plus(open);
                prop_assert_eq!(sum, Some(victim.losses.get(item)));
            }
        }
        prop_assert!(paid.payments.iter().all(|payment| payment.amount > Fen::ZERO));
    }

    #[test]
    fn no_limit_is_passed_and_none_is_left_beside_an_open_loss(
        (vehicles, victims) in accident(),
        rule in any_rule(),
    ) {
        let paid = adjust(&limits(), &vehicles, &victims, rule).unwrap();
        let used = |name: &str, item| {
            let of = paid.payments.iter();
            let of = of.filter(|payment| payment.vehicle == name && payment.fee.item() == item);
            Fen(of.map(|payment| payment.amount.0).sum())
        };
        for vehicle in &vehicles {
            for item in LossItem::ALL {
                let limit = limits().of(FeeType::of(item, vehicle.fault));
                prop_assert!(used(&vehicle.name, item) <= limit);
                let own = |victim: &Victim| victim.side == Side::Vehicle(vehicle.name.clone());
                let open = paid.open.iter().filter(|open| open.item == item);
                let mut strangers = open.filter(|open| {
                    victims.iter().any(|victim| victim.name == open.victim && !own(victim))
                });
                // Vehicles at fault answer for every stranger, so none may have anything left.
                if vehicle.fault == Fault::AtFault && strangers.next().is_some() {
                    prop_assert_eq!(used(&vehicle.name, item), limit);
                }
            }
        }
        for payment in &paid.payments {
            let victim = victims.iter().find(|victim| victim.name == payment.victim).unwrap();
            prop_assert!(victim.side != Side::Vehicle(payment.vehicle.clone()));
        }
    }

    #[test]
    fn the_order_of_vehicles_and_victims_does_not_matter(
        (vehicles, victims) in accident(),
        rule in any_rule(),
        (turn_vehicles, turn_victims) in (0usize..5, 0usize..6),
    ) {
        let first = adjust(&limits(), &vehicles, &victims, rule).unwrap();
        let (mut vehicles, mut victims) = (vehicles, victims);
        let (cars, people) = (vehicles.len(), victims.len());
        vehicles.rotate_left(turn_vehicles % cars);
        victims.rotate_left(turn_victims % people);
        victims.reverse();
        prop_assert_eq!(adjust(&limits(), &vehicles, &victims, rule).unwrap(), first);
    }
}

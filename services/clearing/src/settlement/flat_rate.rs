//! Flat-rate compensation (定额结算, knock-for-knock module), pure: another rule for small
//! recoveries, tried on history before anybody adopts it.
//!
//! Under the rule every recovery up to a ceiling is settled by one amount, the module, whatever it
//! cost; above the ceiling it is settled as it is. Nobody reviews small amounts any more. An insurer
//! whose small recoveries are cheaper than average gains, one whose are dearer loses; together the
//! changes are zero. The markets of Spain and Italy settle small recoveries so. Module and ceiling
//! are arguments: no figure of theirs is taken over.

use std::collections::BTreeMap;

use kernel::{Fen, TenantId};

use super::netting::Overflow;

/// A rule somebody thinks of adopting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatRate {
    /// Largest recovery that is settled by the module.
    pub ceiling: Fen,
    /// What it is settled by; the mean of the recoveries up to the ceiling when `None`, which
    /// leaves the market's whole what it was.
    pub module: Option<Fen>,
}

/// What the recoveries of one insurer from another came to, in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Who owed.
    pub payer: TenantId,
    /// Its four-letter code.
    pub payer_insurer: String,
    /// Who was owed.
    pub payee: TenantId,
    /// Its four-letter code.
    pub payee_insurer: String,
    /// Items up to the ceiling.
    pub small_items: i64,
    /// Their sum.
    pub small: Fen,
    /// Items above it.
    pub large_items: i64,
    /// Their sum.
    pub large: Fen,
}

/// What the rule would have meant for one insurer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Its four-letter code.
    pub insurer: String,
    /// Items up to the ceiling it paid.
    pub paid_items: i64,
    /// Items up to the ceiling it was paid.
    pub received_items: i64,
    /// Net of all its items as it was: negative for who paid more.
    pub actual: Fen,
    /// Net of all its items under the rule.
    pub flat: Fen,
}

/// What the rule would have meant for the market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// The module used.
    pub module: Fen,
    /// Items it would have settled: each of them a review less.
    pub flat_items: i64,
    /// All items looked at.
    pub items: i64,
    /// By code; what they gain and lose adds up to zero.
    pub effects: Vec<Effect>,
}

impl Effect {
    /// What the insurer gains by the rule; negative when it loses.
    pub fn change(&self) -> Option<Fen> {
        self.flat.minus(self.actual)
    }
}

/// Settles the past once as it was and once by the rule.
pub fn simulate(rule: FlatRate, past: &[Past]) -> Result<Simulation, Overflow> {
    let flat_items: i64 = past.iter().map(|past| past.small_items).sum();
    let large_items: i64 = past.iter().map(|past| past.large_items).sum();
    let module = match rule.module {
        Some(module) => module,
        None => mean(Fen::sum(past.iter().map(|past| past.small)).ok_or(Overflow)?, flat_items)?,
    };
    let mut effects: BTreeMap<(&str, TenantId), Effect> = BTreeMap::new();
    for past in past {
        let by_module = module.0.checked_mul(past.small_items).map(Fen).ok_or(Overflow)?;
        let actual = past.small.plus(past.large).ok_or(Overflow)?;
        let flat = by_module.plus(past.large).ok_or(Overflow)?;
        let payer = effect_of(&mut effects, &past.payer_insurer, past.payer);
        payer.paid_items += past.small_items;
        payer.actual = payer.actual.minus(actual).ok_or(Overflow)?;
        payer.flat = payer.flat.minus(flat).ok_or(Overflow)?;
        let payee = effect_of(&mut effects, &past.payee_insurer, past.payee);
        payee.received_items += past.small_items;
        payee.actual = payee.actual.plus(actual).ok_or(Overflow)?;
        payee.flat = payee.flat.plus(flat).ok_or(Overflow)?;
    }
    let effects = effects.into_values().collect();
    Ok(Simulation { module, flat_items, items: flat_items + large_items, effects })
}

fn effect_of<'a, 'b>(
    effects: &'b mut BTreeMap<(&'a str, TenantId), Effect>,
    insurer: &'a str,
    participant: TenantId,
) -> &'b mut Effect {
    effects.entry((insurer, participant)).or_insert_with(|| Effect {
        insurer: insurer.to_owned(),
        paid_items: 0,
        received_items: 0,
        actual: Fen(0),
        flat: Fen(0),
    })
}

/// To the nearest fen, halves up; zero of nothing.
fn mean(sum: Fen, count: i64) -> Result<Fen, Overflow> {
    let (sum, count) = (i128::from(sum.0), i128::from(count));
    let mean = if count == 0 { 0 } else { (2 * sum + count) / (2 * count) };
    i64::try_from(mean).map(Fen).map_err(|_| Overflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn past(payer: u128, payee: u128, small: (i64, i64), large: (i64, i64)) -> Past {
        Past {
            payer: TenantId(Uuid::from_u128(payer)),
            payer_insurer: format!("I{payer:03}"),
            payee: TenantId(Uuid::from_u128(payee)),
            payee_insurer: format!("I{payee:03}"),
            small_items: small.0,
            small: Fen(small.1),
            large_items: large.0,
            large: Fen(large.1),
        }
    }

    /// One pays 10 recoveries of 9,000.00 together and gets 6 of 6,600.00; two large ones go one
    /// way. At a module of 1,000.00 it pays 10,000.00 and gets 6,000.00.
    #[test]
    fn who_has_cheap_recoveries_loses_by_a_dearer_module() {
        let history = [past(1, 2, (10, 900_000), (2, 5_000_000)), past(2, 1, (6, 660_000), (0, 0))];
        let rule = FlatRate { ceiling: Fen(200_000), module: Some(Fen(100_000)) };
        let simulation = simulate(rule, &history).unwrap();
        assert_eq!((simulation.flat_items, simulation.items), (16, 18));
        let one = &simulation.effects[0];
        assert_eq!((one.actual, one.flat), (Fen(-5_240_000), Fen(-5_400_000)));
        assert_eq!((one.paid_items, one.received_items), (10, 6));
        let changes = simulation.effects.iter().map(Effect::change).collect::<Vec<_>>();
        assert_eq!(changes, [Some(Fen(-160_000)), Some(Fen(160_000))]);
    }

    #[test]
    fn without_a_module_it_is_the_mean_of_the_small_ones() {
        let rule = FlatRate { ceiling: Fen(200_000), module: None };
        // 1,560,000 over 16 is 97,500; 5 over 2 is 2.5, which is 3.
        let history = [past(1, 2, (10, 900_000), (0, 0)), past(2, 1, (6, 660_000), (0, 0))];
        assert_eq!(simulate(rule, &history).unwrap().module, Fen(97_500));
        assert_eq!(simulate(rule, &[past(1, 2, (2, 5), (1, 9))]).unwrap().module, Fen(3));
        assert_eq!(simulate(rule, &[past(1, 2, (0, 0), (1, 9))]).unwrap().module, Fen(0));
    }

    prop_compose! {
        fn any_past()(payer in 0u128..6, step in 1u128..6, small in 0i64..1000, mean in 1i64..1 << 20,
                      large in 0i64..50, each in 1i64..1 << 30) -> Past
        {
            past(payer, (payer + step) % 6, (small, small * mean), (large, large * each))
        }
    }

    proptest! {
        #[test]
        fn what_some_gain_others_lose(
            history in proptest::collection::vec(any_past(), 0..30), module in 0i64..1 << 20
        ) {
            let rule = FlatRate { ceiling: Fen(1 << 20), module: Some(Fen(module)) };
            let simulation = simulate(rule, &history).unwrap();
            let sum = |of: fn(&Effect) -> Fen| Fen::sum(simulation.effects.iter().map(of));
            prop_assert_eq!(sum(|effect| effect.actual), Some(Fen(0)));
            prop_assert_eq!(sum(|effect| effect.flat), Some(Fen(0)));
        }
    }
}

//! Whose the money of a premium is, pure; and its mirror when it goes back.
//!
//! The customer pays premiums and vehicle tax in one amount. Of it the tax office gets the tax, the
//! social assistance fund its share of the compulsory premium (交强险条例 art. 25), the intermediary
//! its commission, and the insurer the rest: the shares add up to what was paid.

use kernel::Fen;
use rust_decimal::Decimal;

use super::order::{Share, ShareOf};

/// What a customer pays for a quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payable {
    /// Compulsory premium.
    pub compulsory: Fen,
    /// Commercial premium.
    pub commercial: Fen,
    /// Vehicle tax with arrears and late fee.
    pub tax: Fen,
    /// Commission of the intermediary; part of the premium, not beside it.
    pub commission: Fen,
}

impl Payable {
    /// Premiums and tax. `None` on overflow.
    pub fn total(&self) -> Option<Fen> {
        Fen::sum([self.compulsory, self.commercial, self.tax])
    }

    /// Tax, fund, commission and premium, those that are more than nothing, in the order in which
    /// they are served. The fund's share is rounded half up to the fen. `None` when an amount is
    /// negative or the premium does not bear fund and commission.
    pub fn split(&self, fund_rate: Decimal) -> Option<Vec<(ShareOf, Fen)>> {
        let Payable { compulsory, commercial, tax, commission } = *self;
        if [compulsory, commercial, tax, commission].iter().any(|sum| *sum < Fen::ZERO) {
            return None;
        }
        let fund = compulsory.at_rate(fund_rate).filter(|fund| Fen::ZERO <= *fund)?;
        let premium = compulsory.plus(commercial)?.minus(fund)?.minus(commission)?;
        if premium < Fen::ZERO {
            return None;
        }
        let shares = [
            (ShareOf::Tax, tax),
            (ShareOf::Fund, fund),
            (ShareOf::Commission, commission),
            (ShareOf::Premium, premium),
        ];
        Some(shares.into_iter().filter(|(_, sum)| *sum > Fen::ZERO).collect())
    }
}

/// The shares of money that goes back: each gives in the measure of what is left of it, and all of
/// it when all goes back. `left` is each share less what went back before. `None` when more is asked
/// than is left, or nothing.
pub fn mirror(left: &[Share], back: Fen) -> Option<Vec<Share>> {
    let amounts: Vec<Fen> = left.iter().map(|share| share.amount).collect();
    if back <= Fen::ZERO || Fen::sum(amounts.iter().copied())? < back {
        return None;
    }
    let parts = back.apportion_by(&amounts)?;
    let shares = left.iter().zip(parts).map(|(share, amount)| Share { amount, ..*share });
    Some(shares.filter(|share| share.amount > Fen::ZERO).collect())
}

/// What an endorsement gives back, as far as one collection has it. `due` is all that goes back, by
/// share; `taken` what other refunds of the endorsement take; `left` each share of the collection
/// less what went back; `elsewhere` what other collections of the policy have left. What fund and
/// intermediary nowhere have any more the insurer gives; the tax office alone gives tax. When all
/// that is left of the premium goes back, everybody gives what they have: each collection was split
/// at its own rates and rounded by itself, so the rates of the whole may miss it. `None` when nothing
/// is due or left.
pub fn part(
    due: &[(ShareOf, Fen)],
    taken: &[(ShareOf, Fen)],
    left: &[Share],
    elsewhere: &[Share],
) -> Option<Vec<Share>> {
    let sum = |of: ShareOf, list: &[(ShareOf, Fen)]| -> i64 {
        list.iter().filter(|(share, _)| *share == of).map(|(_, amount)| amount.0).sum()
    };
    let has = |of: ShareOf| -> i64 {
        left.iter()
            .chain(elsewhere)
            .filter(|share| share.of == of)
            .map(|share| share.amount.0)
            .sum()
    };
    let open = |of| sum(of, due) - sum(of, taken);
    let nowhere = |of| (open(of) - has(of)).max(0);
    let most = |of| match of {
        ShareOf::Premium => open(of) + nowhere(ShareOf::Fund) + nowhere(ShareOf::Commission),
        of => open(of),
    };
    // A fen the insurer gave for somebody who has it again is not given twice.
    const OF_PREMIUM: [ShareOf; 3] = [ShareOf::Fund, ShareOf::Commission, ShareOf::Premium];
    let mut premium: i64 = OF_PREMIUM.map(open).iter().sum();
    let all_goes_back = premium == OF_PREMIUM.map(has).iter().sum::<i64>();
    let mut gives = Vec::with_capacity(left.len());
    for share in left {
        let mut amount = match share.of {
            ShareOf::Fund | ShareOf::Commission | ShareOf::Premium if all_goes_back => {
                share.amount.0
            }
            of => most(of).min(share.amount.0).max(0),
        };
        if share.of != ShareOf::Tax {
            amount = amount.min(premium).max(0);
            premium -= amount;
        }
        if amount > 0 {
            gives.push(Share { amount: Fen(amount), ..*share });
        }
    }
    (!gives.is_empty()).then_some(gives)
}

#[cfg(test)]
mod tests {
    use kernel::TenantId;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use uuid::Uuid;

    use super::*;

    fn yuan(text: &str) -> Fen {
        text.parse().unwrap()
    }

    #[test]
    fn a_premium_is_split_among_tax_fund_commission_and_insurer() {
        // Compulsory 665.00 (CI-1), commercial 1,500.00, tax 300.00, commission 15 % of 1,500.00.
        let payable = Payable {
            compulsory: yuan("665.00"),
            commercial: yuan("1500.00"),
            tax: yuan("300.00"),
            commission: yuan("225.00"),
        };
        assert_eq!(payable.total(), Some(yuan("2465.00")));
        let shares = payable.split(Decimal::new(15, 3)).unwrap();
        // 665.00 × 1.5 % = 9.975, half up 9.98; 665.00 + 1,500.00 - 9.98 - 225.00 = 1,930.02.
        let expected = [
            (ShareOf::Tax, yuan("300.00")),
            (ShareOf::Fund, yuan("9.98")),
            (ShareOf::Commission, yuan("225.00")),
            (ShareOf::Premium, yuan("1930.02")),
        ];
        assert_eq!(shares, expected);
        let too_dear = Payable { commission: yuan("2165.01"), ..payable };
        assert_eq!(too_dear.split(Decimal::ZERO), None);
    }

    fn shares(amounts: &[i64]) -> Vec<Share> {
        let owner = TenantId(Uuid::nil());
        let share = |&amount| Share { owner, of: ShareOf::Premium, amount: Fen(amount) };
        amounts.iter().map(share).collect()
    }

    #[test]
    fn more_than_is_left_does_not_go_back() {
        assert_eq!(mirror(&shares(&[60, 40]), Fen(101)), None);
        assert_eq!(mirror(&shares(&[60, 40]), Fen(0)), None);
        assert_eq!(mirror(&shares(&[60, 40]), Fen(50)), Some(shares(&[30, 20])));
        assert_eq!(mirror(&shares(&[60, 40]), Fen(100)), Some(shares(&[60, 40])));
    }

    fn by_share(amounts: [i64; 4]) -> Vec<(ShareOf, Fen)> {
        let shares = [ShareOf::Tax, ShareOf::Fund, ShareOf::Commission, ShareOf::Premium];
        shares.into_iter().zip(amounts).map(|(of, amount)| (of, Fen(amount))).collect()
    }

    fn left(amounts: [i64; 4]) -> Vec<Share> {
        let owner = TenantId(Uuid::nil());
        let share = |(of, amount)| Share { owner, of, amount };
        by_share(amounts).into_iter().map(share).collect()
    }

    #[test]
    fn an_endorsement_is_given_back_by_those_who_have_its_money() {
        // Of a surrender: tax 125.00, fund 6.90, commission 25.99, insurer the rest of 682.83.
        let due = by_share([12_500, 690, 2_599, 64_994]);
        let gives = |taken: [i64; 4], has: [i64; 4], elsewhere: [i64; 4]| {
            let part = part(&due, &by_share(taken), &left(has), &left(elsewhere))?;
            let of =
                |of| part.iter().filter(move |share| share.of == of).map(|share| share.amount.0);
            Some(
                by_share([0; 4])
                    .into_iter()
                    .map(|(share, _)| of(share).sum())
                    .collect::<Vec<i64>>(),
            )
        };
        const NONE: [i64; 4] = [0; 4];
        const ALL: [i64; 4] = [30_000, 950, 3_600, 90_000];
        let table = [
            (NONE, ALL, NONE, Some(vec![12_500, 690, 2_599, 64_994])),
            // The fund has a fen too little of it, and the commission was taken back before.
            (NONE, [30_000, 689, 0, 90_000], NONE, Some(vec![12_500, 689, 0, 67_594])),
            // The same, but another collection has what is missing: it comes out of that one.
            (NONE, [30_000, 689, 0, 90_000], ALL, Some(vec![12_500, 689, 0, 64_994])),
            ([12_500, 689, 0, 64_994], ALL, NONE, Some(vec![0, 1, 2_599, 0])),
            // Tax that is not there is nobody else's to give.
            (NONE, [10_000, 950, 3_600, 90_000], NONE, Some(vec![10_000, 690, 2_599, 64_994])),
            // The collection does not bear it: the rest comes out of another.
            (NONE, [30_000, 950, 3_600, 50_000], NONE, Some(vec![12_500, 690, 2_599, 50_000])),
            ([12_500, 690, 2_599, 50_000], [0, 0, 0, 90_000], NONE, Some(vec![0, 0, 0, 14_994])),
            // The insurer gave for fund and agency, which have money again.
            ([12_500, 689, 0, 67_594], ALL, NONE, None),
            (NONE, NONE, NONE, None),
            // All that is left of the premium goes back. The agency had 25.98 and 0.02 of two
            // collections that were rounded, and the fund more at a rate of its day.
            (
                NONE,
                [12_500, 700, 2_598, 64_800],
                [0, 0, 2, 183],
                Some(vec![12_500, 700, 2_598, 64_800]),
            ),
            ([12_500, 700, 2_598, 64_800], [0, 0, 2, 183], NONE, Some(vec![0, 0, 2, 183])),
        ];
        for (taken, has, elsewhere, expected) in table {
            assert_eq!(
                gives(taken, has, elsewhere),
                expected,
                "{taken:?} of {has:?}, {elsewhere:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_and_their_mirror_is_zero_to_the_fen(
            compulsory in 0i64..1_000_000,
            commercial in 0i64..10_000_000,
            tax in 0i64..1_000_000,
            commission in 0i64..3_000_000,
            rate in 0i64..=200,
            cuts in proptest::collection::vec(any::<u32>(), 0..5),
        ) {
            let payable = Payable {
                compulsory: Fen(compulsory), commercial: Fen(commercial), tax: Fen(tax),
                commission: Fen(commission),
            };
            let split = payable.split(Decimal::new(rate, 4));
            let Some(split) = split.filter(|split| !split.is_empty()) else { return Ok(()) };
            let total = payable.total().unwrap();
            prop_assert_eq!(Fen::sum(split.iter().map(|share| share.1)), Some(total));
            let owner = TenantId(Uuid::nil());
            let mut left: Vec<Share> =
                split.iter().map(|&(of, amount)| Share { owner, of, amount }).collect();
            let mut back = 0;
            // In any number of parts, the last of which is all that is left.
            let parts = cuts.iter().map(|cut| i64::from(*cut) % total.0.max(1)).chain([i64::MAX]);
            for part in parts {
                let part = part.min(total.0 - back);
                if part == 0 { continue }
                let gone = mirror(&left, Fen(part)).unwrap();
                prop_assert_eq!(Fen::sum(gone.iter().map(|share| share.amount)), Some(Fen(part)));
                for share in &gone {
                    let of = left.iter_mut().find(|kept| kept.of == share.of).unwrap();
                    of.amount = Fen(of.amount.0 - share.amount.0);
                    prop_assert!(Fen::ZERO <= of.amount);
                }
                back += part;
            }
            prop_assert!(left.iter().all(|share| share.amount == Fen::ZERO));
        }
    }
}

//! Netting (轧差), pure: from what each insurer owes each other to what each has to pay or gets.
//!
//! The same pairs give the same positions in the same order, and positions add up to zero. An item
//! that leaves takes its amount out of one pair and nothing else, so what remains is netted anew
//! from the pairs that remain.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Fen, TenantId};
use production_core::cover::Cover;

/// What the items of one insurer to another under a cover come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who owes.
    pub payer: TenantId,
    /// Its four-letter code.
    pub payer_insurer: String,
    /// Who is owed.
    pub payee: TenantId,
    /// Its four-letter code.
    pub payee_insurer: String,
    /// Under which cover.
    pub cover: Cover,
    /// How many items.
    pub items: i64,
    /// Their sum.
    pub amount: Fen,
}

/// What one side has against the other under a cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The other side.
    pub counterparty: TenantId,
    /// Its four-letter code.
    pub insurer: String,
    /// Under which cover.
    pub cover: Cover,
    /// What is owed to the other side.
    pub owes: Fen,
    /// In how many items.
    pub owes_items: i64,
    /// What the other side owes.
    pub due: Fen,
    /// In how many items.
    pub due_items: i64,
}

/// Where a participant stands against all others (多边头寸).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose.
    pub participant: TenantId,
    /// Its four-letter code.
    pub insurer: String,
    /// By counterparty's code, then cover.
    pub lines: Vec<Line>,
}

/// Amounts that do not fit 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amounts of the cycle do not fit")]
pub struct Overflow;

impl Line {
    /// What is due less what is owed.
    pub fn net(&self) -> Option<Fen> {
        self.due.minus(self.owes)
    }
}

impl Position {
    /// All that is owed.
    pub fn owes(&self) -> Result<Fen, Overflow> {
        Fen::sum(self.lines.iter().map(|line| line.owes)).ok_or(Overflow)
    }

    /// All that is due.
    pub fn due(&self) -> Result<Fen, Overflow> {
        Fen::sum(self.lines.iter().map(|line| line.due)).ok_or(Overflow)
    }

    /// What is due less what is owed: negative for who has to pay.
    pub fn net(&self) -> Result<Fen, Overflow> {
        self.due()?.minus(self.owes()?).ok_or(Overflow)
    }

    /// What is due less what is owed against each counterparty (双边头寸), by its code.
    pub fn bilateral(&self) -> Result<Vec<(TenantId, &str, Fen)>, Overflow> {
        let mut nets: Vec<(TenantId, &str, Fen)> = Vec::new();
        for line in &self.lines {
            let net = line.net().ok_or(Overflow)?;
            match nets.last_mut().filter(|(counterparty, ..)| *counterparty == line.counterparty) {
                Some((.., sum)) => *sum = sum.plus(net).ok_or(Overflow)?,
                None => nets.push((line.counterparty, line.insurer.as_str(), net)),
            }
        }
        Ok(nets)
    }
}

/// The lines of one position, by the other side and the cover.
type Lines<'a> = BTreeMap<(&'a str, TenantId, Cover), Line>;

/// The position of everybody named in `pairs`, by code; also of who is left with nothing.
pub fn positions(pairs: &[Pair]) -> Result<Vec<Position>, Overflow> {
    let mut lines: BTreeMap<(&str, TenantId), Lines<'_>> = BTreeMap::new();
    for pair in pairs {
        let payer = (pair.payer_insurer.as_str(), pair.payer);
        let payee = (pair.payee_insurer.as_str(), pair.payee);
        let of_payer = line_of(lines.entry(payer).or_default(), payee, pair.cover);
        of_payer.owes = of_payer.owes.plus(pair.amount).ok_or(Overflow)?;
        of_payer.owes_items += pair.items;
        let of_payee = line_of(lines.entry(payee).or_default(), payer, pair.cover);
        of_payee.due = of_payee.due.plus(pair.amount).ok_or(Overflow)?;
        of_payee.due_items += pair.items;
    }
    let positions = lines.into_iter().map(|((insurer, participant), lines)| Position {
        participant,
        insurer: insurer.to_owned(),
        lines: lines.into_values().collect(),
    });
    Ok(positions.collect())
}

fn line_of<'a, 'b>(
    lines: &'b mut Lines<'a>,
    (insurer, counterparty): (&'a str, TenantId),
    cover: Cover,
) -> &'b mut Line {
    lines.entry((insurer, counterparty, cover)).or_insert_with(|| Line {
        counterparty,
        insurer: insurer.to_owned(),
        cover,
        owes: Fen(0),
        owes_items: 0,
        due: Fen(0),
        due_items: 0,
    })
}

/// Who shares a pair with `participant`.
pub fn counterparties(pairs: &[Pair], participant: TenantId) -> BTreeSet<TenantId> {
    let others = pairs.iter().filter_map(|pair| {
        if pair.payer == participant {
            Some(pair.payee)
        } else {
            (pair.payee == participant).then_some(pair.payer)
        }
    });
    others.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn pair(payer: usize, payee: usize, cover: Cover, fen: i64) -> Pair {
        const CODES: [&str; 5] = ["PICC", "PAIC", "CPIC", "GPIC", "CCIC"];
        Pair {
            payer: TenantId(Uuid::from_u128(payer as u128)),
            payer_insurer: CODES[payer].into(),
            payee: TenantId(Uuid::from_u128(payee as u128)),
            payee_insurer: CODES[payee].into(),
            cover,
            items: 1,
            amount: Fen(fen),
        }
    }

    /// domain.md 5.5: PICC→PAIC 14,600; PAIC→PICC 3,800; PAIC→CPIC 9,200; CPIC→PICC 6,400.
    #[test]
    fn the_worked_example_of_the_market_nets_as_published() {
        let cover = Cover::ThirdParty;
        let pairs = [
            pair(0, 1, cover, 1_460_000),
            pair(1, 0, cover, 380_000),
            pair(1, 2, cover, 920_000),
            pair(2, 0, cover, 640_000),
        ];
        let positions = positions(&pairs).unwrap();
        let nets: Vec<(&str, Fen)> = positions
            .iter()
            .map(|position| (position.insurer.as_str(), position.net().unwrap()))
            .collect();
        assert_eq!(nets, [("CPIC", Fen(280_000)), ("PAIC", Fen(160_000)), ("PICC", Fen(-440_000))]);
        let bilateral: Vec<(&str, Fen)> = positions[2]
            .bilateral()
            .unwrap()
            .into_iter()
            .map(|(_, insurer, net)| (insurer, net))
            .collect();
        assert_eq!(bilateral, [("CPIC", Fen(640_000)), ("PAIC", Fen(-1_080_000))]);
    }

    #[derive(serde::Deserialize)]
    struct Market {
        participants: Vec<String>,
        obligations: Vec<Obligation>,
        gross_fen: i64,
        bilateral_net_fen: i64,
        net_position_fen: BTreeMap<String, i64>,
        multilateral_net_fen: i64,
    }

    #[derive(serde::Deserialize)]
    struct Obligation {
        from: String,
        to: String,
        amount_fen: i64,
    }

    /// What is owed as the books keep it: summed by payer, payee and cover, here of two covers.
    fn pairs_of(market: &Market) -> Vec<Pair> {
        let tenant = |insurer: &String| {
            let place = market.participants.iter().position(|one| one == insurer).unwrap();
            TenantId(Uuid::from_u128(place as u128 + 1))
        };
        let mut pairs: BTreeMap<(&String, &String, bool), Pair> = BTreeMap::new();
        for (at, owed) in market.obligations.iter().enumerate() {
            let is_compulsory = at % 3 == 0;
            let cover = if is_compulsory { Cover::Compulsory } else { Cover::ThirdParty };
            let pair = pairs.entry((&owed.from, &owed.to, is_compulsory)).or_insert_with(|| Pair {
                payer: tenant(&owed.from),
                payer_insurer: owed.from.clone(),
                payee: tenant(&owed.to),
                payee_insurer: owed.to.clone(),
                cover,
                items: 0,
                amount: Fen::ZERO,
            });
            pair.items += 1;
            pair.amount = pair.amount.plus(Fen(owed.amount_fen)).unwrap();
        }
        pairs.into_values().collect()
    }

    /// Four markets of up to 12 insurers and 2,000 obligations, netted elsewhere.
    #[test]
    fn the_markets_of_the_oracle_net_as_it_says() {
        #[derive(serde::Deserialize)]
        struct Oracle {
            cases: Vec<Market>,
        }
        let Some(path) = testkit::shared_data("oracles/netting.json") else { return };
        let oracle: Oracle = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(oracle.cases.len(), 4);
        for market in &oracle.cases {
            let positions = positions(&pairs_of(market)).unwrap();
            let nets: BTreeMap<String, i64> = positions
                .iter()
                .map(|position| (position.insurer.clone(), position.net().unwrap().0))
                .collect();
            assert_eq!(nets, market.net_position_fen);
            let sum = |amounts: Vec<Fen>| amounts.iter().map(|amount| amount.0).sum::<i64>();
            let owed = positions.iter().map(|position| position.owes().unwrap()).collect();
            assert_eq!(sum(owed), market.gross_fen);
            // What is left between two when only they net is listed by both.
            let between = positions.iter().flat_map(|position| position.bilateral().unwrap());
            let between = between.map(|(.., net)| net).filter(|net| Fen::ZERO < *net).collect();
            assert_eq!(sum(between), market.bilateral_net_fen);
            let due = positions.iter().map(|position| position.net().unwrap());
            let due = due.filter(|net| Fen::ZERO < *net).collect();
            assert_eq!(sum(due), market.multilateral_net_fen);
        }
    }

    #[test]
    fn covers_are_told_apart_and_netted_together_against_a_counterparty() {
        let pairs = [
            pair(0, 1, Cover::Compulsory, 200_000),
            pair(0, 1, Cover::ThirdParty, 900_000),
            pair(1, 0, Cover::ThirdParty, 1_000_000),
        ];
        let of_picc = positions(&pairs).unwrap().remove(1);
        let lines: Vec<(&str, Fen, Fen)> =
            of_picc.lines.iter().map(|line| (line.cover.code(), line.owes, line.due)).collect();
        let expected = [("A02", Fen(200_000), Fen(0)), ("M02", Fen(900_000), Fen(1_000_000))];
        assert_eq!(lines, expected);
        assert_eq!(of_picc.bilateral().unwrap()[0].2, Fen(-100_000));
    }

    #[test]
    fn sums_that_do_not_fit_are_an_error() {
        let huge = pair(0, 1, Cover::ThirdParty, i64::MAX);
        let twice = [huge.clone(), huge];
        assert_eq!(positions(&twice).unwrap_err(), Overflow);
    }

    prop_compose! {
        fn any_pair()(payer in 0usize..5, step in 1usize..5, cover in 0usize..4, fen in 1i64..1 << 40)
            -> Pair
        {
            pair(payer, (payer + step) % 5, Cover::ALL[cover], fen)
        }
    }

    proptest! {
        #[test]
        fn positions_add_up_to_zero_and_each_side_of_a_line_mirrors_the_other(
            pairs in proptest::collection::vec(any_pair(), 0..60)
        ) {
            let all = positions(&pairs).unwrap();
            let nets = all.iter().map(|position| position.net().unwrap());
            prop_assert_eq!(Fen::sum(nets), Some(Fen(0)));
            for position in &all {
                for line in &position.lines {
                    let other = all.iter().find(|o| o.participant == line.counterparty).unwrap();
                    let mirror = other.lines.iter().find(|mirror| {
                        mirror.counterparty == position.participant && mirror.cover == line.cover
                    });
                    let mirror = mirror.unwrap();
                    prop_assert_eq!((line.owes, line.owes_items), (mirror.due, mirror.due_items));
                }
                let bilateral = position.bilateral().unwrap();
                let sum = Fen::sum(bilateral.iter().map(|(.., net)| *net));
                prop_assert_eq!(sum, Some(position.net().unwrap()));
            }
        }

        #[test]
        fn positions_do_not_depend_on_the_order_of_pairs(
            pairs in proptest::collection::vec(any_pair(), 0..40), turn in 0usize..40
        ) {
            let mut turned = pairs.clone();
            turned.rotate_left(turn.min(pairs.len()));
            turned.reverse();
            prop_assert_eq!(positions(&pairs).unwrap(), positions(&turned).unwrap());
        }

        /// Taking one insurer out changes others only by what they had against it.
        #[test]
        fn who_leaves_takes_its_bilateral_positions_along(
            pairs in proptest::collection::vec(any_pair(), 1..40)
        ) {
            let gone = pairs[0].payer;
            let rest: Vec<Pair> = pairs
                .iter()
                .filter(|pair| pair.payer != gone && pair.payee != gone)
                .cloned()
                .collect();
            let rest = positions(&rest).unwrap();
            for before in positions(&pairs).unwrap() {
                if before.participant == gone {
                    continue;
                }
                let after = rest.iter().find(|after| after.participant == before.participant);
                let after = after.map_or(Fen(0), |after| after.net().unwrap());
                let against = before.bilateral().unwrap().into_iter().find(|side| side.0 == gone);
                let against = against.map_or(Fen(0), |side| side.2);
                prop_assert_eq!(after.plus(against), Some(before.net().unwrap()));
            }
        }
    }
}

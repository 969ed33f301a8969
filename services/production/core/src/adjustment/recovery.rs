//! What an insurer that paid its own insured recovers, and from whom (代位求偿, 保险法 art. 60).
//!
//! The amount is `paid − own obligation − what the third parties paid since` (L60). Each liable
//! party owes first what its compulsory property limit gives this vehicle, then through its
//! third-party cover its share of what compulsory covers and deductions leave, up to the limit,
//! and last the rest itself (致害人). What a party already paid is taken off from the end of that
//! list, because its insurers owe the victim first. Where all this is more than the amount, the
//! insured having borne a deductible or passed his limit, it is cut from the end of the same list,
//! across parties \[P\]: the insurer has no right beyond what it paid (art. 60).

use kernel::Fen;
use serde::{Deserialize, Serialize};

use super::derivation::Derivation;
use super::{AdjustmentError, Share, checked, distinct, total};
use crate::coded_enum;

coded_enum! {
    /// Who pays a recovery (`recovery_or_pay_type`).
    ///
    /// Source: `tariffs/platform_code_lists.csv`.
    pub enum RecoveryFrom ("recovery type") {
        Compulsory = "1", "交强险", "compulsory cover of the liable party";
        ThirdParty = "2", "商业三者险", "third-party cover of the liable party";
        Wrongdoer = "3", "致害人", "the liable party itself";
    }
}

/// A hull payment to be recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCase {
    /// Damage and salvage fee of the insured vehicle less its wreck.
    pub loss: Fen,
    /// No-fault advance (无责代赔) and other deductions.
    #[serde(default)]
    pub deductions: Fen,
    /// What hull cover paid with subrogation.
    pub paid: Fen,
    /// What hull cover would have paid without subrogation.
    pub own_obligation: Fen,
    /// The insured's share of liability.
    pub own_share: Share,
    /// The liable parties. A part of liability nobody listed bears is nobody's to pay.
    pub parties: Vec<LiableParty>,
}

/// One liable party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiableParty {
    /// Unique among the parties.
    pub name: String,
    /// Share of liability.
    pub share: Share,
    /// What its compulsory property limit gives this vehicle, from the compulsory adjustment of
    /// the accident; nothing without a policy.
    #[serde(default)]
    pub compulsory: Fen,
    /// What its third-party cover has for this vehicle: the limit, or this vehicle's part of a
    /// limit shared with other victims, after its own deductible. Nothing without cover.
    #[serde(default)]
    pub third_party: Fen,
    /// Paid to the insured before, and taken off the hull payment then.
    #[serde(default)]
    pub paid_before: Fen,
    /// Paid to the insured or the insurer since.
    #[serde(default)]
    pub paid_since: Fen,
}

/// One amount to recover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecoveryItem {
    /// Which party.
    pub party: String,
    /// Its insurer for which cover, or itself.
    pub from: RecoveryFrom,
    /// How much.
    pub amount: Fen,
}

/// What is to be recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// `paid − own obligation − paid since`, nothing at least (L60).
    pub amount: Fen,
    /// By party name, then in the order of the list; none of nothing.
    pub items: Vec<RecoveryItem>,
    /// The part of `amount` no listed party owes.
    pub unassigned: Fen,
    /// How it came about.
    pub derivation: Derivation,
}

/// The layers of a debt, first to last.
const LAYERS: [RecoveryFrom; 3] =
    [RecoveryFrom::Compulsory, RecoveryFrom::ThirdParty, RecoveryFrom::Wrongdoer];

/// What is to be recovered from whom.
///
/// The own part of what compulsory covers leave is rounded half-up; the rest is apportioned, so
/// that own part and parties' parts are that whole. Parties may come in any order.
pub fn recover(case: &RecoveryCase) -> Result<Recovery, AdjustmentError> {
    distinct(case.parties.iter().map(|party| party.name.as_str()))?;
    let mut parties: Vec<&LiableParty> = case.parties.iter().collect();
    parties.sort_by(|one, other| one.name.cmp(&other.name));
    let mut derivation = Derivation::default();
    let amount = amount(case, &mut derivation)?;
    let mut debts = debts(case, &parties, &mut derivation)?;
    for (party, debt) in parties.iter().zip(&mut debts) {
        let paid = [party.paid_before, party.paid_since];
        let paid = total("payment of the third party", paid)?;
        if paid > Fen::ZERO {
            derivation.amount("alreadyPaid", paid).by(&party.name);
            take_off(debt, paid);
        }
    }
    let mut left = amount;
    for layer in 0..LAYERS.len() {
        let column: Vec<Fen> = debts.iter().map(|debt| debt[layer]).collect();
        let owed = total("debts", column.iter().copied())?;
        if owed > left {
            derivation.amount("cutTo", left).because(LAYERS[layer].name_en());
            // Something is owed, so the shares exist.
            let shares = left.apportion_by(&column).unwrap_or_default();
            for (debt, share) in debts.iter_mut().zip(shares) {
                debt[layer] = share;
            }
        }
        left = Fen(left.0 - owed.min(left).0);
    }
    let mut items = Vec::new();
    for (party, debt) in parties.iter().zip(debts) {
        for (from, amount) in LAYERS.into_iter().zip(debt) {
            if amount > Fen::ZERO {
                derivation.amount("recover", amount).by(&party.name).because(from.name_en());
                items.push(RecoveryItem { party: party.name.clone(), from, amount });
            }
        }
    }
    if left > Fen::ZERO {
        derivation.amount("unassigned", left).because("owed by no listed party");
    }
    Ok(Recovery { amount, items, unassigned: left, derivation })
}

/// L60, with its numbers.
fn amount(case: &RecoveryCase, derivation: &mut Derivation) -> Result<Fen, AdjustmentError> {
    derivation.amount("paid", checked("payment", case.paid)?);
    derivation.amount("ownObligation", checked("own obligation", case.own_obligation)?);
    let since = total("payment of the third party", case.parties.iter().map(|one| one.paid_since))?;
    derivation.amount("paidSince", since);
    let amount = Fen((case.paid.0 - case.own_obligation.0 - since.0).max(0));
    derivation.amount("recovery", amount).because("paid - own obligation - paid since");
    Ok(amount)
}

/// What each party owes in each layer, before what it paid.
fn debts(
    case: &RecoveryCase,
    parties: &[&LiableParty],
    derivation: &mut Derivation,
) -> Result<Vec<[Fen; 3]>, AdjustmentError> {
    let loss = checked("loss", case.loss)?;
    let deductions = checked("deduction", case.deductions)?;
    derivation.amount("loss", loss);
    derivation.amount("deductions", deductions);
    let mut compulsory = Vec::with_capacity(parties.len());
    for party in parties {
        for amount in [party.third_party, party.paid_before, party.paid_since] {
            checked("amount of a party", amount)?;
        }
        compulsory.push(checked("compulsory payment", party.compulsory)?);
    }
    let open = Fen((loss.0 - deductions.0).max(0));
    let offered = total("compulsory payments", compulsory.iter().copied())?;
    if offered > open {
        // More is offered than is open, so something is offered and the shares exist.
        compulsory = open.apportion_by(&compulsory).unwrap_or_default();
    }
    for (party, amount) in parties.iter().zip(&compulsory) {
        derivation.amount("compulsory", *amount).by(&party.name);
    }
    let base = Fen(open.0 - offered.min(open).0);
    derivation.amount("base", base).because("loss - deductions - compulsory");
    let parts = parts(case, parties, base)?;
    let own = case.own_share;
    derivation.share("ownShare", own);
    let mut debts = Vec::with_capacity(parties.len());
    for ((party, compulsory), part) in parties.iter().zip(compulsory).zip(parts) {
        derivation.share("share", party.share).by(&party.name);
        derivation.amount("part", part).by(&party.name).because("base x share");
        let third_party = part.min(party.third_party);
        derivation.amount("thirdParty", third_party).by(&party.name);
        debts.push([compulsory, third_party, Fen(part.0 - third_party.0)]);
    }
    Ok(debts)
}

/// Each party's part of `base`: what the own part leaves, by shares.
fn parts(
    case: &RecoveryCase,
    parties: &[&LiableParty],
    base: Fen,
) -> Result<Vec<Fen>, AdjustmentError> {
    let mut weights: Vec<u32> = parties.iter().map(|party| party.share.millionths()).collect();
    let whole: u64 = weights.iter().copied().map(u64::from).sum::<u64>()
        + u64::from(case.own_share.millionths());
    let Some(unlisted) = 1_000_000u64.checked_sub(whole) else {
        let shares = parties.iter().map(|party| party.share.get());
        let sum = shares.fold(case.own_share.get(), |sum, share| sum + share);
        return Err(AdjustmentError::SharesOverWhole(sum));
    };
    // Below a million.
    weights.push(u32::try_from(unlisted).unwrap_or(0));
    let own = base.at_rate(case.own_share.get()).unwrap_or_default();
    let mut parts =
        Fen(base.0 - own.0).apportion(&weights).unwrap_or_else(|| vec![Fen::ZERO; weights.len()]);
    parts.truncate(parties.len());
    Ok(parts)
}

/// Takes `paid` off the layers, last first; what is beyond the debt is nobody's here.
fn take_off(debt: &mut [Fen; 3], mut paid: Fen) {
    for layer in debt.iter_mut().rev() {
        let taken = paid.min(*layer);
        *layer = Fen(layer.0 - taken.0);
        paid = Fen(paid.0 - taken.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::adjustment::hull::{
        Damage, HullCover, HullLoss, LossVehicle, OwnPart, with_subrogation, without_subrogation,
    };

    fn yuan(text: &str) -> Fen {
        text.parse().unwrap()
    }

    fn party(name: &str, percent: u8, compulsory: &str, third_party: &str) -> LiableParty {
        LiableParty {
            name: name.to_owned(),
            share: Share::percent(percent).unwrap(),
            compulsory: yuan(compulsory),
            third_party: yuan(third_party),
            paid_before: Fen::ZERO,
            paid_since: Fen::ZERO,
        }
    }

    /// Hull pays both ways; the difference is to be recovered from `parties`.
    fn case(
        loss: Fen,
        own_percent: u8,
        deductible_percent: u8,
        parties: Vec<LiableParty>,
    ) -> RecoveryCase {
        let damage = HullLoss {
            vehicle: LossVehicle::Insured,
            damage: Damage::Partial(loss),
            salvage_fee: Fen::ZERO,
            wreck: Fen::ZERO,
        };
        let cover = HullCover {
            limit: yuan("1000000"),
            deductible: Fen::ZERO,
            absolute_deductible: Share::percent(deductible_percent).unwrap(),
        };
        let own_share = Share::percent(own_percent).unwrap();
        let compulsory = Fen(parties.iter().map(|party| party.compulsory.0).sum());
        let part = OwnPart { share: own_share, compulsory, deductions: Fen::ZERO };
        let before = Fen(parties.iter().map(|party| party.paid_before.0).sum());
        let own_obligation = without_subrogation(&damage, &cover, &part).unwrap().amount;
        let paid = with_subrogation(&damage, &cover, before).unwrap().amount;
        let deductions = Fen::ZERO;
        RecoveryCase { loss, deductions, paid, own_obligation, own_share, parties }
    }

    fn told(case: &RecoveryCase) -> (String, Vec<String>) {
        let recovery = recover(case).unwrap();
        let items = recovery.items.iter();
        let items =
            items.map(|item| format!("{} {} {}", item.party, item.from.code(), item.amount));
        (recovery.amount.to_string(), items.collect())
    }

    #[test]
    fn the_worked_examples_come_out_to_the_fen() {
        let plenty = "1000000";
        let sub1 = case(yuan("20000"), 30, 0, vec![party("B", 70, "2000", plenty)]);
        assert_eq!((sub1.paid, sub1.own_obligation), (yuan("20000"), yuan("5400")));
        let sub2 = case(yuan("20000"), 0, 0, vec![party("B", 100, "2000", plenty)]);
        let sub3 = case(yuan("20000"), 0, 0, vec![party("B", 100, "2000", "10000")]);
        let both = vec![party("C", 50, "2000", plenty), party("B", 50, "2000", plenty)];
        let sub4 = case(yuan("30000"), 0, 0, both);
        let cases: [(&RecoveryCase, &str, &[&str]); 4] = [
            (&sub1, "14600.00", &["B 1 2000.00", "B 2 12600.00"]),
            (&sub2, "20000.00", &["B 1 2000.00", "B 2 18000.00"]),
            (&sub3, "20000.00", &["B 1 2000.00", "B 2 10000.00", "B 3 8000.00"]),
            (&sub4, "30000.00", &["B 1 2000.00", "B 2 13000.00", "C 1 2000.00", "C 2 13000.00"]),
        ];
        for (at, (case, amount, items)) in cases.into_iter().enumerate() {
            let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
            assert_eq!(told(case), (amount.to_owned(), items), "SUB-{}", at + 1);
            assert_eq!(recover(case).unwrap().unassigned, Fen::ZERO, "SUB-{}", at + 1);
        }
    }

    #[test]
    fn what_a_party_paid_is_taken_off_its_own_purse_first() {
        // SUB-3 with 9,000 paid: 8,000 of the wrongdoer, 1,000 of his third-party cover.
        let mut paid = party("B", 100, "2000", "10000");
        paid.paid_since = yuan("9000");
        let since = case(yuan("20000"), 0, 0, vec![paid.clone()]);
        let expected = ["B 1 2000.00", "B 2 9000.00"].map(str::to_owned).to_vec();
        assert_eq!(told(&since), ("11000.00".to_owned(), expected.clone()));
        // Paid before, hull cover paid that much less, and the same is recovered.
        (paid.paid_before, paid.paid_since) = (yuan("9000"), Fen::ZERO);
        let before = case(yuan("20000"), 0, 0, vec![paid]);
        assert_eq!(before.paid, yuan("11000"));
        assert_eq!(told(&before), ("11000.00".to_owned(), expected));
    }

    #[test]
    fn the_insurer_recovers_no_more_than_it_paid() {
        // 10 % absolute deductible: paid 18,000, own obligation 4,860, so 13,140 of the 14,600 the
        // other side owes; the insured keeps his claim to 1,460.
        let deducted = case(yuan("20000"), 30, 10, vec![party("B", 70, "2000", "1000000")]);
        let expected = ["B 1 2000.00", "B 2 11140.00"].map(str::to_owned).to_vec();
        assert_eq!(told(&deducted), ("13140.00".to_owned(), expected));
    }

    #[test]
    fn nobody_owes_the_part_of_an_unknown_party() {
        // A fled vehicle bears 40 %: (20,000 - 2,000) x 40 % stays with the insurer.
        let fled = case(yuan("20000"), 30, 0, vec![party("B", 30, "2000", "1000000")]);
        let recovery = recover(&fled).unwrap();
        assert_eq!((recovery.amount, recovery.unassigned), (yuan("14600"), yuan("7200")));
        assert!(recovery.derivation.step("unassigned").is_some());
    }

    #[test]
    fn compulsory_offers_beyond_the_loss_are_cut_by_size() {
        // 2,000 and 100 offered for 1,050.
        let parties = vec![party("B", 100, "2000", "0"), party("C", 0, "100", "0")];
        let expected = ["B 1 1000.00", "C 1 50.00"].map(str::to_owned).to_vec();
        assert_eq!(told(&case(yuan("1050"), 0, 0, parties)), ("1050.00".to_owned(), expected));
    }

    #[test]
    fn shares_beyond_the_whole_are_refused() {
        let over = case(yuan("20000"), 40, 0, vec![party("B", 70, "2000", "0")]);
        let sum = "1.1".parse().unwrap();
        assert_eq!(recover(&over), Err(AdjustmentError::SharesOverWhole(sum)));
    }

    proptest! {
        #[test]
        fn items_and_the_unassigned_part_are_the_amount(
            loss in 0i64..90_000_000,
            own in 0u8..=100,
            deductible in 0u8..=20,
            others in vec((0u8..=100, 0i64..=200_000, 0i64..50_000_000, 0i64..300_000), 1..5),
            turn in 0usize..5,
        ) {
            let mut rest = 100 - own;
            let mut parties = Vec::new();
            for (at, (share, compulsory, third_party, since)) in others.into_iter().enumerate() {
                let share = share.min(rest);
                rest -= share;
                let mut party = party(&format!("p{at}"), share, "0", "0");
                (party.compulsory, party.third_party) = (Fen(compulsory), Fen(third_party));
                party.paid_since = Fen(since);
                parties.push(party);
            }
            let mut case = case(Fen(loss), own, deductible, parties);
            let recovery = recover(&case).unwrap();
            let sum = Fen(recovery.items.iter().map(|item| item.amount.0).sum());
            prop_assert_eq!(sum.plus(recovery.unassigned), Some(recovery.amount));
            prop_assert!(recovery.amount <= case.paid);
            for item in &recovery.items {
                let party = case.parties.iter().find(|party| party.name == item.party).unwrap();
                prop_assert!(item.amount > Fen::ZERO);
                match item.from {
                    RecoveryFrom::Compulsory => prop_assert!(item.amount <= party.compulsory),
                    RecoveryFrom::ThirdParty => prop_assert!(item.amount <= party.third_party),
                    RecoveryFrom::Wrongdoer => {}
                }
            }
            let count = case.parties.len();
            case.parties.rotate_left(turn % count);
            prop_assert_eq!(recover(&case).unwrap(), recovery);
        }
    }
}

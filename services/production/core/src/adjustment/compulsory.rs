//! Compulsory cover (交强险): limits by item, shared by victims and by liable vehicles.
//!
//! Each item has its limit for each vehicle, with and without fault. Where one victim stands
//! against several vehicles, each bears `loss × its limit / Σ limits`; where several victims stand
//! against one vehicle whose limit is short, they share it by what each asks of it. Both at once
//! go in rounds: every loss still open is spread over the vehicles with limit left, every vehicle
//! grants what its limit allows, and what was not granted goes into the next round, until losses
//! are covered or limits used up. Rounds after the first weigh by the same full limits.
//!
//! A vehicle's cover never pays its own side. A vehicle without fault answers for people, and for
//! property of vehicles at fault, but neither for other vehicles without fault nor, while some
//! vehicle is at fault, for property outside vehicles.
//!
//! Source: apportionment and rounds from the industry's practice rules on compulsory claims
//! (交强险理赔实务规程) \[from memory\]; the advance from chexian.qc188.com, 无责代赔; 条例 art. 21
//! for who is a victim. That a vehicle without fault answers for the occupants of another one
//! without fault is our reading of art. 21 \[P\].

mod rounds;

use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use self::rounds::{Shared, rounds};
use super::derivation::Derivation;
use super::{AdjustmentError, checked, distinct, total};
use crate::coded_enum;

coded_enum! {
    /// What a compulsory payment is for (`claim_fee_type_ci`).
    ///
    /// Source: `tariffs/platform_code_lists.csv`.
    pub enum FeeType ("compulsory claim fee type") {
        DeathDisability = "1", "死亡伤残", "death and disability";
        Medical = "2", "医疗", "medical";
        Property = "3", "财产", "property";
        NoFaultDeathDisability = "5", "无责死亡伤残", "death and disability, without fault";
        NoFaultMedical = "6", "无责医疗", "medical, without fault";
        NoFaultProperty = "7", "无责财产", "property, without fault";
    }
}

/// What has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum LossItem {
    /// 死亡伤残.
    DeathDisability,
    /// 医疗费用.
    Medical,
    /// 财产损失, salvage fee included.
    Property,
}

impl LossItem {
    /// Every item.
    pub const ALL: [LossItem; 3] =
        [LossItem::DeathDisability, LossItem::Medical, LossItem::Property];
}

/// Whether the driver bears any fault (有责 or 无责).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// 有责, whatever the share.
    AtFault,
    /// 无责.
    NoFault,
}

impl FeeType {
    /// The fee type of an item paid by a vehicle with or without fault.
    pub const fn of(item: LossItem, fault: Fault) -> FeeType {
        match (item, fault) {
            (LossItem::DeathDisability, Fault::AtFault) => FeeType::DeathDisability,
            (LossItem::Medical, Fault::AtFault) => FeeType::Medical,
            (LossItem::Property, Fault::AtFault) => FeeType::Property,
            (LossItem::DeathDisability, Fault::NoFault) => FeeType::NoFaultDeathDisability,
            (LossItem::Medical, Fault::NoFault) => FeeType::NoFaultMedical,
            (LossItem::Property, Fault::NoFault) => FeeType::NoFaultProperty,
        }
    }

    /// The item paid.
    pub const fn item(self) -> LossItem {
        match self {
            FeeType::DeathDisability | FeeType::NoFaultDeathDisability => LossItem::DeathDisability,
            FeeType::Medical | FeeType::NoFaultMedical => LossItem::Medical,
            FeeType::Property | FeeType::NoFaultProperty => LossItem::Property,
        }
    }

    /// With or without fault.
    pub const fn fault(self) -> Fault {
        match self {
            FeeType::DeathDisability | FeeType::Medical | FeeType::Property => Fault::AtFault,
            _ => Fault::NoFault,
        }
    }
}

/// An amount for each item: losses of a victim, or limits of an accident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ByItem {
    /// 死亡伤残.
    pub death_disability: Fen,
    /// 医疗费用.
    pub medical: Fen,
    /// 财产损失, salvage fee included.
    pub property: Fen,
}

impl ByItem {
    /// The amount of one item.
    pub const fn get(&self, item: LossItem) -> Fen {
        match item {
            LossItem::DeathDisability => self.death_disability,
            LossItem::Medical => self.medical,
            LossItem::Property => self.property,
        }
    }
}

/// Limits of one vehicle in one accident, by the day of the accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompulsoryLimits {
    /// 有责.
    pub at_fault: ByItem,
    /// 无责.
    pub no_fault: ByItem,
}

impl CompulsoryLimits {
    /// The limit a payment is held to (L43).
    pub const fn of(&self, fee: FeeType) -> Fen {
        match fee.fault() {
            Fault::AtFault => self.at_fault.get(fee.item()),
            Fault::NoFault => self.no_fault.get(fee.item()),
        }
    }
}

/// A vehicle of the accident with its compulsory policy.
///
/// A vehicle that should have a policy and has none is listed all the same: it takes its part in
/// the apportionment, and its owner bears what falls on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vehicle {
    /// Unique among the vehicles, for example the confirm code.
    pub name: String,
    /// With or without fault.
    pub fault: Fault,
}

/// Whose side a victim is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The vehicle of that name, what it carried and who sat in it.
    Vehicle(String),
    /// Outside all vehicles of the accident.
    Outside,
}

/// One victim and what was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Victim {
    /// Unique among the victims.
    pub name: String,
    /// Whose side.
    pub side: Side,
    /// Approved losses.
    pub losses: ByItem,
}

/// How vehicles without fault answer for damage to vehicles at fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoFaultDamage {
    /// Advanced by the damaged vehicle's own insurer, before anything else and beside its own
    /// limits (无责代赔): `min(loss, Σ no-fault limits) / n` for each of n vehicles at fault. The
    /// formula insurers' clients use.
    #[default]
    LossSharedAdvance,
    /// The same, but `min(loss, Σ no-fault limits / n)`: the practice rule shares the limit, not
    /// the loss. The two differ only where a loss is below the limits and n above one.
    LimitSharedAdvance,
    /// No advance: each bears `loss × its limit / Σ limits` like the vehicles at fault, 100 against
    /// 2,000 \[from memory\].
    ByLimits,
}

/// One payment of one compulsory policy to one victim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CompulsoryPayment {
    /// Fee type; those without fault are charged to limits without fault.
    pub fee: FeeType,
    /// The vehicle whose limit it uses.
    pub vehicle: String,
    /// The vehicle whose insurer pays it in advance on that vehicle's behalf (无责代赔).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced_by: Option<String>,
    /// Who gets it.
    pub victim: String,
    /// How much.
    pub amount: Fen,
}

/// What compulsory cover leaves open of one loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenLoss {
    /// Whose.
    pub victim: String,
    /// Which item.
    pub item: LossItem,
    /// How much.
    pub amount: Fen,
}

/// What compulsory cover pays for an accident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CompulsoryAdjustment {
    /// By fee type, then vehicle, then victim; none of nothing.
    pub payments: Vec<CompulsoryPayment>,
    /// What is left of the losses, by item, then victim; none of nothing.
    pub open: Vec<OpenLoss>,
    /// How it came about.
    pub derivation: Derivation,
}

impl CompulsoryAdjustment {
    /// Everything charged to one vehicle's limits.
    pub fn charged_to(&self, vehicle: &str) -> Fen {
        self.sum(|payment| payment.vehicle == vehicle)
    }

    /// Everything one victim gets for one item, advances included.
    pub fn paid_to(&self, victim: &str, item: LossItem) -> Fen {
        self.sum(|payment| payment.victim == victim && payment.fee.item() == item)
    }

    /// What one vehicle's limits give one victim for one item: what an insurer that paid the victim
    /// recovers from that vehicle's compulsory cover.
    pub fn from_to(&self, vehicle: &str, victim: &str, item: LossItem) -> Fen {
        self.sum(|payment| {
            payment.vehicle == vehicle && payment.victim == victim && payment.fee.item() == item
        })
    }

    fn sum(&self, of: impl Fn(&CompulsoryPayment) -> bool) -> Fen {
        // Payments of an item add up to its losses at most, and those are checked sums.
        Fen(self
            .payments
            .iter()
            .filter(|payment| of(payment))
            .map(|payment| payment.amount.0)
            .sum())
    }
}

/// What each compulsory policy of the accident pays each victim.
///
/// `limits` are those of the day of the accident. Vehicles and victims may come in any order.
pub fn adjust(
    limits: &CompulsoryLimits,
    vehicles: &[Vehicle],
    victims: &[Victim],
    no_fault_damage: NoFaultDamage,
) -> Result<CompulsoryAdjustment, AdjustmentError> {
    distinct(vehicles.iter().map(|vehicle| vehicle.name.as_str()))?;
    distinct(victims.iter().map(|victim| victim.name.as_str()))?;
    let mut vehicles: Vec<&Vehicle> = vehicles.iter().collect();
    vehicles.sort_by(|one, other| one.name.cmp(&other.name));
    let mut victims: Vec<&Victim> = victims.iter().collect();
    victims.sort_by(|one, other| one.name.cmp(&other.name));
    for victim in &victims {
        if let Side::Vehicle(name) = &victim.side
            && !vehicles.iter().any(|vehicle| vehicle.name == *name)
        {
            return Err(AdjustmentError::UnknownVehicle(name.clone()));
        }
    }
    let mut work =
        Work { limits, vehicles, victims, payments: Vec::new(), derivation: Derivation::default() };
    let mut open = Vec::new();
    for item in LossItem::ALL {
        open.extend(work.item(item, no_fault_damage)?);
    }
    let Work { mut payments, derivation, .. } = work;
    payments.sort_by(|one, other| {
        let key = |payment: &CompulsoryPayment| {
            (payment.fee, payment.vehicle.clone(), payment.victim.clone())
        };
        key(one).cmp(&key(other))
    });
    Ok(CompulsoryAdjustment { payments, open, derivation })
}

/// Vehicles and victims by name, and what is found so far.
struct Work<'a> {
    limits: &'a CompulsoryLimits,
    vehicles: Vec<&'a Vehicle>,
    victims: Vec<&'a Victim>,
    payments: Vec<CompulsoryPayment>,
    derivation: Derivation,
}

impl Work<'_> {
    /// Shares out one item; what stays open of it is returned.
    fn item(
        &mut self,
        item: LossItem,
        no_fault_damage: NoFaultDamage,
    ) -> Result<Vec<OpenLoss>, AdjustmentError> {
        let mut losses = Vec::with_capacity(self.victims.len());
        for victim in &self.victims {
            losses.push(checked("loss", victim.losses.get(item))?);
        }
        let mut limits = Vec::with_capacity(self.vehicles.len());
        for vehicle in &self.vehicles {
            limits.push(checked("limit", self.limits.of(FeeType::of(item, vehicle.fault)))?);
        }
        total("limits", limits.iter().copied())?;
        if total("losses", losses.iter().copied())? == Fen::ZERO {
            return Ok(Vec::new());
        }
        let weighs = no_fault_damage == NoFaultDamage::ByLimits;
        if item == LossItem::Property && !weighs {
            let advances = self.advances(&losses, &limits, no_fault_damage);
            let answers = self.answers(|_, vehicle| vehicle.fault == Fault::NoFault);
            let shared = rounds(&advances, &limits, &answers);
            self.record(item, &shared, &mut losses, true);
        }
        let some_at_fault = self.vehicles.iter().any(|vehicle| vehicle.fault == Fault::AtFault);
        let answers = self.answers(|victim, vehicle| match (vehicle.fault, item) {
            (Fault::AtFault, _)
            | (Fault::NoFault, LossItem::DeathDisability | LossItem::Medical) => true,
            (Fault::NoFault, LossItem::Property) => match self.vehicle_of(victim) {
                Some(own) => weighs && own.fault == Fault::AtFault,
                None => !some_at_fault,
            },
        });
        let shared = rounds(&losses, &limits, &answers);
        self.record(item, &shared, &mut losses, false);
        let left = self.victims.iter().zip(losses).filter(|(_, amount)| *amount > Fen::ZERO);
        let open = |(victim, amount): (&&Victim, Fen)| OpenLoss {
            victim: victim.name.clone(),
            item,
            amount,
        };
        Ok(left.map(open).collect())
    }

    fn vehicle_of(&self, victim: &Victim) -> Option<&Vehicle> {
        let Side::Vehicle(name) = &victim.side else { return None };
        self.vehicles.iter().copied().find(|vehicle| vehicle.name == *name)
    }

    /// Which vehicles answer for which victims: never for their own side, and else as told.
    fn answers(&self, told: impl Fn(&Victim, &Vehicle) -> bool) -> Vec<Vec<bool>> {
        let answers = |victim: &Victim, vehicle: &Vehicle| {
            let own = matches!(&victim.side, Side::Vehicle(name) if *name == vehicle.name);
            !own && told(victim, vehicle)
        };
        let of = |victim: &&Victim| {
            self.vehicles.iter().map(|vehicle| answers(victim, vehicle)).collect()
        };
        self.victims.iter().map(of).collect()
    }

    /// What each victim on the side of a vehicle at fault is advanced for the vehicles without.
    fn advances(&self, losses: &[Fen], limits: &[Fen], rule: NoFaultDamage) -> Vec<Fen> {
        let mut advances = vec![Fen::ZERO; losses.len()];
        let of_fault = |fault| move |vehicle: &&&Vehicle| vehicle.fault == fault;
        let at_fault: Vec<&&Vehicle> =
            self.vehicles.iter().filter(of_fault(Fault::AtFault)).collect();
        let paired = self.vehicles.iter().zip(limits);
        // Checked sums: the limits of all vehicles fit.
        let pot = Fen(paired
            .filter(|(vehicle, _)| vehicle.fault == Fault::NoFault)
            .map(|(_, limit)| limit.0)
            .sum());
        let Some(caps) = pot.apportion(&vec![1; at_fault.len()]) else { return advances };
        for (vehicle, cap) in at_fault.iter().zip(caps) {
            let own: Vec<Fen> = self
                .victims
                .iter()
                .zip(losses)
                .map(|(victim, loss)| match &victim.side {
                    Side::Vehicle(name) if *name == vehicle.name => *loss,
                    _ => Fen::ZERO,
                })
                .collect();
            let loss = Fen(own.iter().map(|loss| loss.0).sum());
            let advance = match rule {
                NoFaultDamage::LossSharedAdvance => no_fault_advance(loss, pot, at_fault.len()),
                _ => loss,
            };
            // The cap keeps the last fen of uneven splits within the limits.
            let shares = advance.min(cap).apportion_by(&own).unwrap_or_default();
            for (victim, share) in shares.into_iter().enumerate() {
                advances[victim] = Fen(advances[victim].0 + share.0);
            }
        }
        advances
    }

    /// Takes what was shared out off the losses and writes it down.
    fn record(&mut self, item: LossItem, shared: &Shared, losses: &mut [Fen], advanced: bool) {
        for grant in &shared.grants {
            let vehicle = self.vehicles[grant.vehicle];
            let (fee, round) = (FeeType::of(item, vehicle.fault), grant.round);
            let reason = format!("{}, round {round}", fee.name_en());
            self.derivation.amount("asked", grant.asked).by(&vehicle.name).because(reason.clone());
            self.derivation.amount("granted", grant.granted).by(&vehicle.name).because(reason);
        }
        for (victim_at, victim) in self.victims.iter().copied().enumerate() {
            for (vehicle_at, vehicle) in self.vehicles.iter().copied().enumerate() {
                let amount = shared.paid[victim_at][vehicle_at];
                if amount == Fen::ZERO {
                    continue;
                }
                losses[victim_at] = Fen(losses[victim_at].0 - amount.0);
                let fee = FeeType::of(item, vehicle.fault);
                let advanced_by = match &victim.side {
                    Side::Vehicle(own) if advanced => Some(own.clone()),
                    _ => None,
                };
                let name = if advanced { "noFaultAdvance" } else { "payment" };
                let step = self.derivation.amount(name, amount);
                step.by(&vehicle.name).to(&victim.name).because(fee.name_en());
                self.payments.push(CompulsoryPayment {
                    fee,
                    vehicle: vehicle.name.clone(),
                    advanced_by,
                    victim: victim.name.clone(),
                    amount,
                });
            }
        }
    }
}

/// No-fault advance (无责代赔) of one of `at_fault` vehicles: `min(loss, limit) / at_fault`, rounded.
///
/// `limit` is the property limit without fault, of all vehicles without fault together. Nothing
/// without a vehicle at fault.
pub fn no_fault_advance(loss: Fen, limit: Fen, at_fault: usize) -> Fen {
    let whole = loss.min(limit).max(Fen::ZERO).yuan();
    let shared = whole.checked_div(Decimal::from(at_fault)).unwrap_or_default();
    // Not above the loss, which fits.
    Fen::from_yuan(shared).unwrap_or(Fen::ZERO)
}

#[cfg(test)]
mod tests;

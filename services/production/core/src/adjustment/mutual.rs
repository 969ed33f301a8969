//! Mutual-collision self-settlement (互碰自赔): each insurer repairs its own insured's vehicle out of
//! its own compulsory property limit, and nobody recovers from anybody (L49).

use kernel::Fen;
use serde::{Deserialize, Serialize};

use super::derivation::Derivation;
use super::{AdjustmentError, Share, checked, distinct};

/// What the industry's agreement fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MutualRules {
    /// The most one vehicle may have lost: 2,000 yuan.
    pub limit: Fen,
    /// Fewest vehicles: 2.
    pub vehicles: u32,
}

impl Default for MutualRules {
    fn default() -> MutualRules {
        MutualRules { limit: Fen(200_000), vehicles: 2 }
    }
}

/// A collision that is to be settled so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collision {
    /// The accident is reported under compulsory cover.
    pub compulsory_report: bool,
    /// Somebody was hurt.
    pub injured: bool,
    /// Something beside the vehicles and what they carried was damaged.
    pub other_property: bool,
    /// Commercial cover was adjusted for the same accident.
    pub commercial_adjusted: bool,
    /// The same accident is settled by subrogation \[P\].
    pub subrogated: bool,
    /// All vehicles of the collision.
    pub vehicles: Vec<CollisionVehicle>,
}

/// One vehicle of the collision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollisionVehicle {
    /// Unique among the vehicles.
    pub name: String,
    /// Its compulsory policy was in force.
    pub insured: bool,
    /// Its share of liability.
    pub share: Share,
    /// What it and its load lost, salvage fee included.
    pub loss: Fen,
}

/// A condition that is not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// No report under compulsory cover.
    #[error("the accident is not reported under compulsory cover")]
    NoCompulsoryReport,
    /// Too few vehicles.
    #[error("{0} vehicles are too few for a mutual collision")]
    TooFewVehicles(usize),
    /// Somebody was hurt.
    #[error("somebody was hurt")]
    Injury,
    /// Property outside the vehicles was damaged.
    #[error("property outside the vehicles was damaged")]
    OtherProperty,
    /// Commercial cover was adjusted.
    #[error("commercial cover was adjusted for the same accident")]
    CommercialAdjusted,
    /// Settled by subrogation.
    #[error("the same accident is settled by subrogation")]
    Subrogated,
    /// No compulsory policy in force.
    #[error("vehicle {0:?} has no compulsory policy in force")]
    Uninsured(String),
    /// Full liability (全责).
    #[error("vehicle {0:?} is fully liable")]
    FullyLiable(String),
    /// No liability (无责).
    #[error("vehicle {0:?} is not liable")]
    NotLiable(String),
    /// A loss above the limit.
    #[error("vehicle {vehicle:?} lost {loss}, more than {limit}")]
    OverLimit {
        /// Which vehicle.
        vehicle: String,
        /// What it lost.
        loss: Fen,
        /// The most it may have lost.
        limit: Fen,
    },
}

/// Why a collision is not settled so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MutualError {
    /// It does not qualify; every condition that is not met.
    #[error("the collision does not qualify for mutual self-settlement: {}", list(.0))]
    Unmet(Vec<Unmet>),
    /// It cannot be computed.
    #[error(transparent)]
    Input(#[from] AdjustmentError),
}

fn list(unmet: &[Unmet]) -> String {
    let texts: Vec<String> = unmet.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// What each insurer pays its own insured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MutualSettlement {
    /// By vehicle name, one for each vehicle; charged to its own compulsory property limit.
    pub payments: Vec<OwnPayment>,
    /// How it came about.
    pub derivation: Derivation,
}

/// Paid for one vehicle by its own insurer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OwnPayment {
    /// Which vehicle.
    pub vehicle: String,
    /// How much.
    pub amount: Fen,
}

/// Every condition of L49 the collision does not meet; none when it may be settled so.
pub fn unmet(collision: &Collision, rules: &MutualRules) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    let mut when = |missing: bool, what: Unmet| {
        if missing {
            unmet.push(what);
        }
    };
    let vehicles = &collision.vehicles;
    when(!collision.compulsory_report, Unmet::NoCompulsoryReport);
    let few = u32::try_from(vehicles.len()).is_ok_and(|count| count < rules.vehicles);
    when(few, Unmet::TooFewVehicles(vehicles.len()));
    when(collision.injured, Unmet::Injury);
    when(collision.other_property, Unmet::OtherProperty);
    when(collision.commercial_adjusted, Unmet::CommercialAdjusted);
    when(collision.subrogated, Unmet::Subrogated);
    for vehicle in vehicles {
        let name = || vehicle.name.clone();
        when(!vehicle.insured, Unmet::Uninsured(name()));
        when(vehicle.share == Share::WHOLE, Unmet::FullyLiable(name()));
        when(vehicle.share == Share::NONE, Unmet::NotLiable(name()));
        let over = Unmet::OverLimit { vehicle: name(), loss: vehicle.loss, limit: rules.limit };
        when(vehicle.loss > rules.limit, over);
    }
    unmet
}

/// What each insurer pays its own insured, or every condition that is not met.
pub fn settle(collision: &Collision, rules: &MutualRules) -> Result<MutualSettlement, MutualError> {
    distinct(collision.vehicles.iter().map(|vehicle| vehicle.name.as_str()))?;
    for vehicle in &collision.vehicles {
        checked("loss", vehicle.loss)?;
    }
    let unmet = unmet(collision, rules);
    if !unmet.is_empty() {
        return Err(MutualError::Unmet(unmet));
    }
    let mut vehicles: Vec<&CollisionVehicle> = collision.vehicles.iter().collect();
    vehicles.sort_by(|one, other| one.name.cmp(&other.name));
    let mut derivation = Derivation::default();
    derivation.count("vehicles", vehicles.len());
    derivation.amount("limit", rules.limit);
    let mut payments = Vec::with_capacity(vehicles.len());
    for vehicle in vehicles {
        derivation.share("share", vehicle.share).by(&vehicle.name).because("part liability");
        let step = derivation.amount("payment", vehicle.loss);
        step.by(&vehicle.name).to(&vehicle.name).because("own loss within the limit");
        payments.push(OwnPayment { vehicle: vehicle.name.clone(), amount: vehicle.loss });
    }
    Ok(MutualSettlement { payments, derivation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vehicle(name: &str, percent: u8, loss: i64) -> CollisionVehicle {
        let share = Share::percent(percent).unwrap();
        CollisionVehicle { name: name.to_owned(), insured: true, share, loss: Fen(loss) }
    }

    fn collision() -> Collision {
        Collision {
            compulsory_report: true,
            injured: false,
            other_property: false,
            commercial_adjusted: false,
            subrogated: false,
            vehicles: vec![vehicle("B", 30, 150_000), vehicle("A", 70, 200_000)],
        }
    }

    #[test]
    fn each_insurer_pays_its_own_vehicle() {
        let settled = settle(&collision(), &MutualRules::default()).unwrap();
        let paid: Vec<_> =
            settled.payments.iter().map(|own| (own.vehicle.as_str(), own.amount)).collect();
        assert_eq!(paid, [("A", Fen(200_000)), ("B", Fen(150_000))]);
        assert!(settled.derivation.step("limit").is_some());
    }

    #[test]
    fn every_unmet_condition_is_named() {
        type Change = fn(&mut Collision);
        let name = || "B".to_owned();
        let cases: [(Change, Unmet); 10] = [
            (|it| it.compulsory_report = false, Unmet::NoCompulsoryReport),
            (|it| it.vehicles.truncate(1), Unmet::TooFewVehicles(1)),
            (|it| it.injured = true, Unmet::Injury),
            (|it| it.other_property = true, Unmet::OtherProperty),
            (|it| it.commercial_adjusted = true, Unmet::CommercialAdjusted),
            (|it| it.subrogated = true, Unmet::Subrogated),
            (|it| it.vehicles[0].insured = false, Unmet::Uninsured(name())),
            (|it| it.vehicles[0].share = Share::WHOLE, Unmet::FullyLiable(name())),
            (|it| it.vehicles[0].share = Share::NONE, Unmet::NotLiable(name())),
            (
                |it| it.vehicles[0].loss = Fen(200_001),
                Unmet::OverLimit { vehicle: name(), loss: Fen(200_001), limit: Fen(200_000) },
            ),
        ];
        let rules = MutualRules::default();
        for (change, expected) in cases {
            let mut changed = collision();
            change(&mut changed);
            assert_eq!(unmet(&changed, &rules), std::slice::from_ref(&expected));
            assert_eq!(settle(&changed, &rules), Err(MutualError::Unmet(vec![expected])));
        }
        let wider = MutualRules { limit: Fen(300_000), ..rules };
        let mut larger = collision();
        larger.vehicles[0].loss = Fen(250_000);
        assert_eq!(unmet(&larger, &wider), []);
        (larger.injured, larger.other_property) = (true, true);
        let error = settle(&larger, &rules).unwrap_err().to_string();
        assert!(error.contains("somebody was hurt; property outside"), "{error}");
    }
}

//! Which way the loss of a vehicle is settled: by each side itself (互碰自赔), by recovery (代位求偿), or by
//! the liable policy directly. Never two of them.
//!
//! Insurers share no number of an accident; what they share is the vehicle and about the time. A vehicle
//! is known by marks, of its frame number and of its plate, and any one in common makes it the same. The
//! constraints of the table decide, so that of two that race one wins, whoever is faster.
//!
//! Left open on purpose: another liable policy may pay its own share directly while this one is
//! recovered from, and the liable vehicle's own loss may be paid directly.

use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, TenantId};
use pg::{Tx, failure};
use production_core::claim::PaidForOthers;
use production_core::mark::VehicleMark;
use production_core::number::{NumberKind, PlatformNumber};

use super::store;
use crate::error::ClearingError;

/// Reports of one accident may differ by so much (rule L52): two accidents of a vehicle closer than
/// this are taken for one, which refuses the second way and never allows it.
const APART: SignedDuration = SignedDuration::from_hours(24);

/// A way to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// 互碰自赔: each side pays its own.
    Mutual,
    /// 代位求偿.
    Recovery,
    /// The liable policy pays for the vehicle by itself.
    Direct,
}

impl Route {
    const ALL: [Route; 3] = [Route::Mutual, Route::Recovery, Route::Direct];

    /// The word of storage.
    pub const fn name(self) -> &'static str {
        match self {
            Route::Mutual => "mutual",
            Route::Recovery => "recovery",
            Route::Direct => "direct",
        }
    }

    /// The way of that word.
    pub(super) fn parse(name: &str) -> Option<Route> {
        Route::ALL.into_iter().find(|route| route.name() == name)
    }
}

/// A way about to be taken for a vehicle.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// What the vehicle is known by.
    pub marks: &'a [VehicleMark],
    /// When the accident happened.
    pub accident_at: Timestamp,
    /// Which way.
    pub route: Route,
    /// The policy that answers for its loss; none where each pays its own, and of the vehicle that is
    /// liable in a recovery.
    pub payer: Option<PlatformNumber>,
    /// The claim, or the recovery code.
    pub holder: &'a str,
    /// Whose.
    pub tenant: TenantId,
}

/// A way that another went before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which way.
    pub route: Route,
    /// The claim, or the recovery code.
    pub number: PlatformNumber,
}

/// A claim whose loss goes a way from now on.
#[derive(Clone, Debug)]
pub struct Settling<'a> {
    /// The claim.
    pub claim_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Its policy.
    pub confirm_no: PlatformNumber,
    /// When the accident happened.
    pub accident_at: Timestamp,
    /// Which way.
    pub how: How<'a>,
}

/// The way a claim goes from now on.
#[derive(Clone, Debug)]
pub enum How<'a> {
    /// 互碰自赔 of this vehicle.
    Mutually(Vec<VehicleMark>),
    /// It pays for the vehicles of others as told, and for no others: what it pays beside recovery codes
    /// goes the direct way.
    Directly {
        /// For which vehicles, and how much of it under recovery codes.
        paid: &'a PaidForOthers,
        /// Whether it may have paid for any before.
        again: bool,
    },
}

/// Takes a way for a vehicle's accident, in the caller's transaction, or tells who goes another; then
/// nothing is taken. Waits for whoever is about to take one. Safe to repeat.
pub async fn take(
    tx: &mut Tx,
    way: &Way<'_>,
    now: Timestamp,
) -> Result<Option<Taken>, ClearingError> {
    if try_all(tx, std::slice::from_ref(way), now).await?.is_empty() {
        return Ok(None);
    }
    // Given back in this very moment, it may be free now.
    let other = store::route::other_way(tx, way, around(way)).await?;
    other.map(Some).ok_or_else(|| failure::start_over().into())
}

/// Takes ways of different holders as if one after the other ([`take`]).
pub async fn take_all(
    tx: &mut Tx,
    ways: &[Way<'_>],
    now: Timestamp,
) -> Result<Vec<Option<Taken>>, ClearingError> {
    let mut others = vec![None; ways.len()];
    // What stands against one may have been another of these, which gave back what it took.
    for place in try_all(tx, ways, now).await? {
        others[place] = take(tx, &ways[place], now).await?;
    }
    Ok(others)
}

/// Takes ways of different holders, each for all of its marks or for none; those that were not taken.
async fn try_all(
    tx: &mut Tx,
    ways: &[Way<'_>],
    now: Timestamp,
) -> Result<Vec<usize>, ClearingError> {
    let around: Vec<(Timestamp, Timestamp)> = ways.iter().map(around).collect();
    let taken = store::route::take_ways(tx, ways, &around, now).await?;
    let mut stopped = Vec::new();
    for (place, (way, taken)) in ways.iter().zip(taken).enumerate() {
        if way.marks.iter().all(|mark| taken.iter().any(|(held, _)| held == mark.bytes())) {
            continue;
        }
        let fresh = taken.into_iter().filter(|(_, fresh)| *fresh).map(|(mark, _)| mark);
        let fresh: Vec<Vec<u8>> = fresh.collect();
        store::route::release_marks(tx, (way.holder, way.route.name()), &fresh, now).await?;
        stopped.push(place);
    }
    Ok(stopped)
}

/// Two such ranges overlap when the accidents are less than a day apart.
fn around(way: &Way<'_>) -> (Timestamp, Timestamp) {
    let half = APART / 2;
    let from = way.accident_at.checked_sub(half).unwrap_or(Timestamp::MIN);
    let to = way.accident_at.checked_add(half).unwrap_or(Timestamp::MAX);
    (from, to)
}

/// Different claims go their ways from now on, as if one after the other. Tells for each who settles the
/// loss, or a part of it, another way; then nothing changes for it.
pub async fn settle(
    tx: &mut Tx,
    claims: &[Settling<'_>],
    now: Timestamp,
) -> Result<Vec<Option<Taken>>, ClearingError> {
    let mut marks = Vec::with_capacity(claims.len());
    for claim in claims {
        marks.push(match &claim.how {
            How::Mutually(marks) => marks.clone(),
            How::Directly { paid, .. } => {
                let codes = lost_by_code(tx, paid).await?;
                direct_marks(paid, &codes, claim.confirm_no)
            }
        });
    }
    let holders: Vec<String> = claims.iter().map(|claim| claim.claim_no.to_string()).collect();
    let with_marks = claims.iter().zip(&marks).zip(&holders);
    let ways: Vec<Way<'_>> =
        with_marks.map(|((claim, marks), holder)| way_of(claim, marks, holder)).collect();
    let others = take_all(tx, &ways, now).await?;
    for ((claim, way), other) in claims.iter().zip(&ways).zip(&others) {
        if matches!(claim.how, How::Directly { again: true, .. }) && other.is_none() {
            let held = (way.holder, Route::Direct.name());
            store::route::keep_marks(tx, held, way.marks, now).await?;
        }
    }
    Ok(others)
}

fn way_of<'a>(claim: &Settling<'_>, marks: &'a [VehicleMark], holder: &'a str) -> Way<'a> {
    let (route, payer) = match claim.how {
        How::Mutually(_) => (Route::Mutual, None),
        How::Directly { .. } => (Route::Direct, Some(claim.confirm_no)),
    };
    let (accident_at, tenant) = (claim.accident_at, claim.tenant);
    Way { marks, accident_at, route, payer, holder, tenant }
}

/// Marks of the vehicle each code recovers for, and what goes out under it.
async fn lost_by_code(
    tx: &mut Tx,
    paid: &PaidForOthers,
) -> Result<Vec<(Vec<VehicleMark>, Fen)>, ClearingError> {
    let mut codes = Vec::with_capacity(paid.by_code.len());
    for (code, amount) in &paid.by_code {
        let read = PlatformNumber::parse(code).and_then(|code| code.of_kind(NumberKind::Recovery));
        // Codes that are not live here are for the claim rules to refuse.
        let Ok(code) = read else { continue };
        if let Some(row) = store::find(tx, code).await? {
            codes.push((row.facts.lost_marks(), *amount));
        }
    }
    Ok(codes)
}

/// A closing as 互碰自赔 is open again. What a claim pays directly stays paid.
pub async fn reopen(
    tx: &mut Tx,
    claim_no: PlatformNumber,
    now: Timestamp,
) -> Result<(), ClearingError> {
    let holder = claim_no.to_string();
    store::route::keep_marks(tx, (&holder, Route::Mutual.name()), &[], now).await
}

/// Gives back whatever ways `holder` took.
pub async fn release(tx: &mut Tx, holder: &str, now: Timestamp) -> Result<(), ClearingError> {
    store::route::release_routes(tx, holder, now).await
}

/// The mark of whatever vehicle a policy pays for without saying which.
pub(super) fn any_of(policy: PlatformNumber) -> VehicleMark {
    VehicleMark::of_text(&format!("policy:{policy}"))
}

/// Marks of the vehicles whose loss is paid beside recovery codes. What goes out under a code is taken
/// from the losses of the code's vehicle first, then from those of vehicles nobody named.
fn direct_marks(
    paid: &PaidForOthers,
    codes: &[(Vec<VehicleMark>, Fen)],
    policy: PlatformNumber,
) -> Vec<VehicleMark> {
    let mut left: Vec<i64> = paid.losses.iter().map(|loss| loss.amount.0).collect();
    for (marks, amount) in codes {
        let mut coded = amount.0.max(0);
        for named in [true, false] {
            for (loss, left) in paid.losses.iter().zip(&mut left) {
                let fits = match named {
                    true => loss.marks.iter().any(|mark| marks.contains(mark)),
                    false => loss.marks.is_empty(),
                };
                if fits {
                    let part = coded.min(*left);
                    *left -= part;
                    coded -= part;
                }
            }
        }
    }
    let mut direct: Vec<VehicleMark> = Vec::new();
    for (loss, _) in paid.losses.iter().zip(left).filter(|(_, left)| 0 < *left) {
        direct.extend(&loss.marks);
        if loss.marks.is_empty() {
            direct.push(any_of(policy));
        }
    }
    direct.sort_unstable();
    direct.dedup();
    direct
}

#[cfg(test)]
mod tests {
    use production_core::claim::PaidLoss;

    use super::*;

    #[test]
    fn only_what_goes_out_beside_the_codes_goes_the_direct_way() {
        let [one, plate, other] = ["one", "plate", "other"].map(VehicleMark::of_text);
        let policy = (0..10)
            .find_map(|digit| {
                PlatformNumber::parse(&format!("02PAIC32002601656000000000002{digit}")).ok()
            })
            .unwrap();
        let loss =
            |marks: &[VehicleMark], amount| PaidLoss { marks: marks.to_vec(), amount: Fen(amount) };
        let direct = |losses: &[PaidLoss], codes: &[(&[VehicleMark], i64)]| {
            let paid = PaidForOthers { losses: losses.to_vec(), by_code: Vec::new() };
            let code = |(marks, amount): &(&[VehicleMark], i64)| (marks.to_vec(), Fen(*amount));
            let codes: Vec<_> = codes.iter().map(code).collect();
            direct_marks(&paid, &codes, policy)
        };
        let sorted = |marks: &[VehicleMark]| {
            let mut marks = marks.to_vec();
            marks.sort_unstable();
            marks
        };
        let own = [one, plate];
        assert_eq!(direct(&[loss(&[plate], 100)], &[(&own, 100)]), []);
        assert_eq!(direct(&[loss(&[plate], 101)], &[(&own, 100)]), [plate]);
        // Two codes for one vehicle; a third vehicle has its loss paid directly.
        let both = [loss(&own, 100), loss(&[other], 70)];
        assert_eq!(direct(&both, &[(&own, 60), (&own, 40)]), [other]);
        // Of a vehicle nobody named, what the codes do not take up.
        assert_eq!(direct(&[loss(&[], 100)], &[(&own, 100)]), []);
        assert_eq!(direct(&[loss(&[], 100)], &[]), [any_of(policy)]);
        assert_eq!(direct(&both, &[]), sorted(&[one, plate, other]));
    }
}

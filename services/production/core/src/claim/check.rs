//! Rules about what a case may say of money and time: L41 to L47, L49, L58, L60, L63, S17.
//!
//! Each compares a message with what the case and its policy already say. Formulas are those of
//! [`crate::adjustment`]; here is only what is held against them.

mod closing;
mod recovery;

use jiff::Timestamp;
use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    AdjustFacts, Case, CommercialFee, CoverRow, HandledBy, Liability, LiabilityDocument,
    LossVehicle, RecoverOrPay, Step, StepFacts,
};
use crate::adjustment::compulsory::{CompulsoryLimits, Fault, FeeType, LossItem};
use crate::adjustment::hull::{self, Damage, HullCover, HullLoss, OwnPart};
use crate::adjustment::third_party::{self, ThirdPartyCover, ThirdPartyLoss};
use crate::adjustment::{Share, within_loss};
use crate::cover::{Cover, CoverRequest};
use crate::frame::FrameNo;
use crate::history::PolicyClass;
use crate::rule::{Findings, RuleId};
use crate::rules::claim::liability_share;

pub use closing::closing;
pub use recovery::not_recoverable;

use recovery::recoveries;

/// What the policy promised when the accident happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Promise {
    /// Product line.
    pub class: PolicyClass,
    /// Commercial covers as agreed; none for a compulsory policy.
    #[serde(default)]
    pub covers: Vec<CoverRequest>,
    /// Deductible of own damage chosen with the policy (绝对免赔额), a loss.
    #[serde(default)]
    pub hull_deductible: Fen,
    /// Compulsory limits on the day of the accident; `None` before the cover existed.
    #[serde(default)]
    pub limits: Option<CompulsoryLimits>,
}

impl Promise {
    /// The cover as agreed.
    fn held(&self, cover: Cover) -> Option<&CoverRequest> {
        self.covers.iter().find(|held| held.cover == cover)
    }

    /// Whether a row may be of this cover.
    fn pays(&self, cover: Cover) -> bool {
        match self.class {
            PolicyClass::Compulsory => cover == Cover::Compulsory,
            PolicyClass::Commercial => self.held(cover).is_some(),
        }
    }

    /// The absolute deductible that hangs on `main` (附加绝对免赔率).
    fn absolute_deductible(&self, main: Cover) -> Share {
        let clause = self.covers.iter().find(|held| {
            held.cover == Cover::AbsoluteDeductible && held.linked.is_none_or(|on| on == main)
        });
        clause.and_then(|clause| Share::percent(clause.deductible_pct?)).unwrap_or_default()
    }

    fn hull(&self) -> Option<&CoverRequest> {
        self.held(Cover::Hull).or_else(|| self.held(Cover::NevHull))
    }

    /// What a compulsory policy has for the property of others: its limit on the day of the accident,
    /// with or without fault. `None` for a commercial policy.
    pub fn compulsory_property(&self, fault: Fault) -> Option<Fen> {
        let limits = self.limits.as_ref().filter(|_| self.class == PolicyClass::Compulsory)?;
        Some(match fault {
            Fault::AtFault => limits.at_fault.property,
            Fault::NoFault => limits.no_fault.property,
        })
    }

    /// What third-party cover has for others: its limit less the absolute deductible that hangs on
    /// it. `None` without such cover.
    pub fn third_party(&self) -> Option<Fen> {
        let held = self.held(Cover::ThirdParty).or_else(|| self.held(Cover::NevThirdParty))?;
        held.limit?.at_rate(self.absolute_deductible(held.cover).rest().get())
    }

    /// The cover that answers for the property of others.
    pub fn cover_for_others(&self) -> Cover {
        match self.class {
            PolicyClass::Compulsory => Cover::Compulsory,
            PolicyClass::Commercial if self.held(Cover::NevThirdParty).is_some() => {
                Cover::NevThirdParty
            }
            PolicyClass::Commercial => Cover::ThirdParty,
        }
    }

    /// Whether the third-party limit doubles on public holidays (附加法定节假日限额翻倍险).
    pub fn doubles_on_holidays(&self) -> bool {
        self.held(Cover::HolidayDoubling).is_some()
    }
}

/// Every rule about `facts` that needs the case; adds what is wrong to `found`.
pub fn step(
    case: &Case,
    promise: &Promise,
    facts: &StepFacts,
    now: Timestamp,
    found: &mut Findings,
) {
    order(case, facts, now, found);
    match facts {
        StepFacts::Adjust(facts) => adjustment(case, promise, facts, found),
        StepFacts::Close(facts) => closing(case, promise, facts, found),
        _ => {}
    }
}

/// L41: what is told of a case follows in time, and none of it lies ahead.
fn order(case: &Case, facts: &StepFacts, now: Timestamp, found: &mut Findings) {
    let at = facts.at();
    if now < at {
        found.add(RuleId::L41, "", format!("{at} lies ahead; check the time"));
    }
    if let StepFacts::Notify(notify) = facts {
        if notify.reported_at < notify.accident_at {
            found.add(RuleId::L41, "/reportedAt", "reported before the accident happened");
        }
        return;
    }
    let before = match facts.step() {
        Step::Register => case.survey.as_ref().map(|one| one.at),
        Step::Assess => case.registration.as_ref().map(|one| one.at),
        Step::Adjust => case.assessment.as_ref().map(|one| one.at),
        Step::Close => case
            .adjustments
            .last()
            .map(|one| one.at)
            .or(case.registration.as_ref().map(|one| one.at)),
        Step::Pay | Step::Reopen | Step::Recovery => case.closing().map(|one| one.at),
        _ => Some(case.notify.reported_at),
    };
    if let Some(before) = before.filter(|&before| at < before) {
        let message = format!("{at} lies before the step it follows, of {before}");
        found.add(RuleId::L41, "", message);
    }
}

/// L42: a vehicle called the insured one is the insured one.
pub fn own_vehicles<'a>(
    told: impl IntoIterator<Item = (&'a str, &'a FrameNo)>,
    insured: &FrameNo,
    found: &mut Findings,
) {
    for (at, frame) in told {
        if frame != insured {
            let message = format!(
                "{} is not the insured vehicle {}; call it a third vehicle",
                frame.masked(),
                insured.masked()
            );
            found.add(RuleId::L42, at, message);
        }
    }
}

/// S17, L43 to L47, L58 and L60 over an adjustment, together with the earlier ones of its round.
pub fn adjustment(case: &Case, promise: &Promise, facts: &AdjustFacts, found: &mut Findings) {
    let earlier: Vec<&CoverRow> =
        case.adjustments.iter().flat_map(|adjustment| &adjustment.covers).collect();
    for (place, row) in facts.covers.iter().enumerate() {
        let at = format!("/covers/{place}");
        if !promise.pays(row.cover) {
            let message = format!("the policy does not hold cover {}", row.cover);
            found.add(RuleId::S17, format!("{at}/coverageCode"), message);
        }
        if !allows(row.cover, &row.fee) {
            let message = format!("cover {} does not pay for fee {}", row.cover, row.fee);
            found.add(RuleId::S17, format!("{at}/feeKind"), message);
        }
        if let Some(share) = row.share_pct {
            let documented = is_documented(case);
            let pointer = format!("{at}/liabilityRate");
            liability_share(share, case.liability(), documented, &pointer, found);
        }
        subjects(case, row, &at, found);
    }
    let rows: Vec<&CoverRow> = earlier.iter().copied().chain(&facts.covers).collect();
    match promise.class {
        PolicyClass::Compulsory => compulsory(case, promise, &rows, found),
        PolicyClass::Commercial => {
            third_party(promise, &earlier, &facts.covers, found);
            own_damage(case, promise, facts, found);
        }
    }
    whole(case, &rows, found);
    recoveries(case, promise, facts, found);
}

/// S17: the fee types a cover pays for.
fn allows(cover: Cover, fee: &str) -> bool {
    let Ok(fee) = CommercialFee::parse(fee) else {
        return cover == Cover::Compulsory && FeeType::parse(fee).is_ok();
    };
    match cover {
        Cover::Compulsory => FeeType::parse(fee.code()).is_ok(),
        Cover::Hull | Cover::NevHull | Cover::Wheel | Cover::Scratch | Cover::AddedEquipment => {
            fee == CommercialFee::Vehicle
        }
        Cover::Cargo | Cover::ChargingPileDamage => fee == CommercialFee::Property,
        Cover::Occupants | Cover::NevOccupants => {
            matches!(fee, CommercialFee::DeathDisability | CommercialFee::Medical)
        }
        _ => true,
    }
}

/// A finding of police or court may set any share.
fn is_documented(case: &Case) -> bool {
    let survey = case.survey.as_ref();
    let statement = survey.and_then(|survey| survey.liability_document);
    let handled = survey.and_then(|survey| survey.handled_by).or(case.notify.handled_by);
    statement == Some(LiabilityDocument::PoliceStatement) || handled == Some(HandledBy::Court)
}

/// L44: what is paid for was assessed.
fn subjects(case: &Case, row: &CoverRow, at: &str, found: &mut Findings) {
    let assessed = case.assessment.as_ref();
    let persons = assessed.is_some_and(|assessed| !assessed.persons.is_empty());
    let things = assessed
        .is_some_and(|assessed| !assessed.vehicles.is_empty() || !assessed.properties.is_empty());
    let of_person = match row.cover {
        Cover::Compulsory => {
            FeeType::parse(&row.fee).is_ok_and(|fee| fee.item() != LossItem::Property)
        }
        _ => matches!(
            CommercialFee::parse(&row.fee),
            Ok(CommercialFee::DeathDisability | CommercialFee::Medical)
        ),
    };
    if of_person && !persons {
        let message = "death or medical is paid, but no person was assessed";
        found.add(RuleId::L44, at, message);
    }
    if !of_person && !things {
        let message = "damage is paid, but neither vehicle nor property was assessed";
        found.add(RuleId::L44, at, message);
    }
}

/// L43: each fee type within its limit; a side without fault pays from the limits without fault.
fn compulsory(case: &Case, promise: &Promise, rows: &[&CoverRow], found: &mut Findings) {
    let Some(limits) = &promise.limits else {
        let message = "no compulsory limits are known for the day of the accident";
        found.add(RuleId::L43, "/covers", message);
        return;
    };
    for &fee in FeeType::ALL {
        let of_fee = rows.iter().filter(|row| row.fee == fee.code());
        let Some(paid) = Fen::sum(of_fee.map(|row| row.amount)) else { continue };
        let limit = limits.of(fee);
        if paid > limit {
            let message = format!(
                "{paid} for {} exceeds the limit of {limit} on the day of the accident",
                fee.name_en()
            );
            found.add(RuleId::L43, "/covers", message);
        }
        if paid > Fen::ZERO && fee.fault() == Fault::AtFault && case.liability() == Liability::None
        {
            let message = format!("{} is paid with fault, but no fault is found", fee.name_en());
            found.add(RuleId::L43, "/covers", message);
        }
    }
}

/// L45: the formula of third-party cover, row by row, and the limit over all of the round.
fn third_party(promise: &Promise, earlier: &[&CoverRow], rows: &[CoverRow], found: &mut Findings) {
    let is_third_party =
        |row: &CoverRow| matches!(row.cover, Cover::ThirdParty | Cover::NevThirdParty);
    let fresh: Vec<(usize, &CoverRow)> =
        rows.iter().enumerate().filter(|(_, row)| is_third_party(row)).collect();
    let Some((_, first)) = fresh.first() else { return };
    let Some(limit) = promise.held(first.cover).and_then(|held| held.limit) else { return };
    let absolute_deductible = promise.absolute_deductible(first.cover);
    let before = Fen::sum(earlier.iter().filter(|row| is_third_party(row)).map(|row| row.amount));
    // 附加法定节假日限额翻倍险, and on fire 火灾事故限额翻倍险: whether the day or the cause was one is
    // for the insurer to say, so either limit may be meant.
    let doubles = promise.held(Cover::HolidayDoubling).is_some()
        || promise.held(Cover::FireDoubling).is_some();
    let limits = [Some(limit), limit.plus(limit).filter(|_| doubles)];
    let mut unlike: Option<(usize, Fen)> = None;
    for limit in limits.into_iter().flatten() {
        match against_formula(&fresh, limit, absolute_deductible, before) {
            Ok(None) => return,
            Ok(Some(difference)) => unlike = unlike.or(Some(difference)),
            Err((place, message)) => {
                found.add(RuleId::L45, format!("/covers/{place}"), message);
                return;
            }
        }
    }
    if let Some((place, expected)) = unlike {
        let message = format!(
            "third-party payment should be {expected}: (loss + salvage - compulsory - deductions) x share, within the limit, less the deductible"
        );
        found.add(RuleId::L45, format!("/covers/{place}/amount"), message);
    }
}

/// The first row that differs from the formula, with what it should be.
fn against_formula(
    rows: &[(usize, &CoverRow)],
    limit: Fen,
    absolute_deductible: Share,
    before: Option<Fen>,
) -> Result<Option<(usize, Fen)>, (usize, String)> {
    // What earlier adjustments of the round took of the limit is gone.
    let taken = before.unwrap_or(Fen::ZERO);
    let kept = absolute_deductible.rest().get();
    let taken = if kept.is_zero() {
        Fen::ZERO
    } else {
        Fen::from_yuan(taken.yuan() / kept).unwrap_or(taken)
    };
    let left = limit.minus(taken).unwrap_or(Fen::ZERO).max(Fen::ZERO);
    // Rows of one share are one liability; the limit is drawn in the order of the rows' shares.
    let mut left = left;
    let mut shares: Vec<Decimal> = Vec::new();
    for &(place, row) in rows {
        let share = row.share_pct.ok_or((place, "say the share of the insured side".to_owned()))?;
        if !shares.contains(&share) {
            shares.push(share);
        }
    }
    for share in shares {
        let place = rows.first().map_or(0, |(place, _)| *place);
        let of_share: Vec<&(usize, &CoverRow)> =
            rows.iter().filter(|(_, row)| row.share_pct == Some(share)).collect();
        let refused = |_| (place, format!("{share} is no share; send 0 to 100 percent"));
        let share = Share::new(share / Decimal::ONE_HUNDRED).ok_or(()).map_err(refused)?;
        let losses: Vec<ThirdPartyLoss> = of_share
            .iter()
            .map(|(place, row)| ThirdPartyLoss {
                victim: format!("{place:06}"),
                loss: row.loss,
                salvage_fee: row.salvage,
                compulsory_paid: row.compulsory_paid,
                other_deductions: row.deductions,
            })
            .collect();
        let cover = ThirdPartyCover { limit: left, share, absolute_deductible };
        let payment =
            third_party::adjust(&cover, &losses).map_err(|error| (place, error.to_string()))?;
        for (row, expected) in of_share.iter().zip(&payment.victims) {
            if row.1.amount != expected.amount {
                return Ok(Some((row.0, expected.amount)));
            }
        }
        let drawn = if kept.is_zero() {
            Fen::ZERO
        } else {
            Fen::from_yuan(payment.total.yuan() / kept).unwrap_or_default()
        };
        left = left.minus(drawn).unwrap_or(Fen::ZERO).max(Fen::ZERO);
    }
    Ok(None)
}

/// The assessed vehicle a row is paid for; the insured one when the row does not say.
fn vehicle_of<'a>(case: &'a Case, row: &CoverRow) -> Option<&'a LossVehicle> {
    let vehicles = &case.assessment.as_ref()?.vehicles;
    match row.item {
        Some(item) => vehicles.iter().find(|vehicle| vehicle.item == item),
        None => vehicles.iter().find(|vehicle| vehicle.own),
    }
}

/// A hull row read for the formulas of section 5.4.
pub(super) struct HullRow<'a> {
    place: usize,
    pub(super) row: &'a CoverRow,
    pub(super) loss: HullLoss,
    pub(super) cover: HullCover,
}

pub(super) fn hull_rows<'a>(
    case: &Case,
    promise: &Promise,
    facts: &'a AdjustFacts,
    found: &mut Findings,
) -> Vec<HullRow<'a>> {
    let Some(held) = promise.hull() else { return Vec::new() };
    let mut read = Vec::new();
    for (place, row) in facts.covers.iter().enumerate() {
        if !matches!(row.cover, Cover::Hull | Cover::NevHull) {
            continue;
        }
        let at = format!("/covers/{place}");
        let vehicle = vehicle_of(case, row);
        if vehicle.is_some_and(|vehicle| !vehicle.own) {
            let message = "own damage is paid for the insured vehicle alone";
            found.add(RuleId::L46, format!("{at}/item"), message);
            continue;
        }
        let residual = vehicle.filter(|one| one.total_loss).map_or(Fen::ZERO, |one| one.residual);
        let damage = match vehicle.is_some_and(|one| one.total_loss) {
            true => Damage::Total(row.loss),
            false => Damage::Partial(row.loss),
        };
        let loss = HullLoss {
            vehicle: hull::LossVehicle::Insured,
            damage,
            salvage_fee: row.salvage,
            wreck: residual,
        };
        let cover = HullCover {
            limit: held.agreed_value.or(held.limit).unwrap_or(Fen(i64::MAX / 100_000)),
            deductible: promise.hull_deductible,
            absolute_deductible: promise.absolute_deductible(held.cover),
        };
        read.push(HullRow { place, row, loss, cover });
    }
    read
}

/// L46: own damage by one of the two formulas: the own part alone, or all of it where own insurer
/// pays and recovers.
fn own_damage(case: &Case, promise: &Promise, facts: &AdjustFacts, found: &mut Findings) {
    let subrogated = is_subrogated(case, facts);
    for HullRow { place, row, loss, cover } in hull_rows(case, promise, facts, found) {
        let at = format!("/covers/{place}");
        let Some(share) = share_of(row) else {
            let message = "say the share of the insured side, 0 to 100 percent";
            found.add(RuleId::L46, format!("{at}/liabilityRate"), message);
            continue;
        };
        let expected = if subrogated {
            let other = row.compulsory_paid.plus(row.deductions).unwrap_or(row.compulsory_paid);
            hull::with_subrogation(&loss, &cover, other)
        } else {
            let part =
                OwnPart { share, compulsory: row.compulsory_paid, deductions: row.deductions };
            hull::without_subrogation(&loss, &cover, &part)
        };
        match expected {
            Ok(payment) if payment.amount == row.amount => {}
            Ok(payment) => {
                let formula = if subrogated {
                    "(loss - other payments, within the limit, - deductible) x (1 - absolute deductible)"
                } else {
                    "((loss - compulsory - deductions) x share, within the limit, - deductible) x (1 - absolute deductible)"
                };
                let message = format!("own damage should be {}: {formula}", payment.amount);
                found.add(RuleId::L46, format!("{at}/amount"), message);
            }
            Err(error) => found.add(RuleId::L46, at, error.to_string()),
        }
    }
}

pub(super) fn share_of(row: &CoverRow) -> Option<Share> {
    Share::new(row.share_pct? / Decimal::ONE_HUNDRED)
}

fn is_subrogated(case: &Case, facts: &AdjustFacts) -> bool {
    facts.recoveries.iter().any(|row| row.direction == RecoverOrPay::Recover)
        && (case.notify.subrogation
            || case.registration.as_ref().is_some_and(|registration| registration.subrogation))
}

/// L47: no vehicle is paid more for than it lost; where a row does not say which, all of them together
/// no more than all things lost.
fn whole(case: &Case, rows: &[&CoverRow], found: &mut Findings) {
    let Some(assessed) = &case.assessment else { return };
    for vehicle in &assessed.vehicles {
        let paid = rows.iter().filter(|row| row.item == Some(vehicle.item) && of_vehicle(row));
        let amounts: Vec<Fen> = paid.map(|row| row.amount).collect();
        let Some(loss) = vehicle.loss.plus(vehicle.salvage) else { continue };
        if let Err(error) = within_loss(loss, amounts) {
            let message = format!("vehicle {}: {error}", vehicle.item);
            found.add(RuleId::L47, "/covers", message);
        }
    }
    let of_things: Vec<&&CoverRow> = rows.iter().filter(|row| of_vehicle(row)).collect();
    if of_things.iter().all(|row| row.item.is_some()) {
        return;
    }
    let vehicles = assessed.vehicles.iter().flat_map(|vehicle| [vehicle.loss, vehicle.salvage]);
    let properties = assessed.properties.iter().map(|property| property.loss);
    let amounts: Vec<Fen> = of_things.iter().map(|row| row.amount).collect();
    // Nothing assessed is rule L44's to say.
    match Fen::sum(vehicles.chain(properties)) {
        Some(lost) if Fen::ZERO < lost => {
            if let Err(error) = within_loss(lost, amounts) {
                let message = format!("vehicles and property together: {error}");
                found.add(RuleId::L47, "/covers", message);
            }
        }
        _ => {}
    }
}

fn of_vehicle(row: &CoverRow) -> bool {
    match row.cover {
        Cover::Compulsory => {
            FeeType::parse(&row.fee).is_ok_and(|fee| fee.item() == LossItem::Property)
        }
        _ => row.fee == CommercialFee::Vehicle.code(),
    }
}

//! Risk hints: what else the market knows that a claims handler should look at.
//!
//! Pure: what was found is handed in. A hint names its rule and what it rests on, never a person and
//! nothing of another insurer's case but its code, its insurer and the day of its accident.

use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, time};
use production_core::claim::{Case, Liability};
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use rust_decimal::Decimal;
use tenancy::Parameters;

use crate::claim::answer::HintView;
use crate::claim::mark::MarkKind;
use crate::claim::read::PricedPart;
use crate::claim::terms::Terms;
use crate::store::claim_mark::{MarkQuestion, MarkRow, Marked};

/// The rule of a score's hint.
pub(crate) const BY_SCORE: &str = "H08";

/// A stored rule by the name it has now: a score's was `F01` once, which is a validation rule's too.
pub(crate) fn renamed(rule: String) -> String {
    match rule.as_str() {
        "F01" => BY_SCORE.to_owned(),
        _ => rule,
    }
}

/// Every name a rule is stored under.
pub(crate) fn names_of(rule: &str) -> Vec<String> {
    let once = (rule == BY_SCORE).then_some("F01");
    [Some(rule), once].into_iter().flatten().map(str::to_owned).collect()
}

/// Most other cases looked for under one mark.
pub(crate) const MOST_CASES: i32 = 5;

/// How far hints look; each is a parameter of `tenancy` of the name given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// `claim_hint_vehicle_hours` (rule L52): the same vehicle in the same district.
    pub vehicle: SignedDuration,
    /// `claim_hint_plate_days`.
    pub plate: SignedDuration,
    /// `claim_hint_phone_days`.
    pub phone: SignedDuration,
    /// `claim_hint_driver_days`.
    pub driver: SignedDuration,
    /// `claim_hint_repairer_days`.
    pub repairer: SignedDuration,
    /// `claim_hint_injured_days`.
    pub injured: SignedDuration,
    /// `claim_hint_start_days`: an accident so soon after cover began.
    pub start: SignedDuration,
    /// `claim_hint_parts_percent` (rule L53): a part at more than so much of its reference price.
    pub parts_pct: u32,
}

impl Windows {
    /// The windows in force for a tenant in a region. The defaults are proposals: the platform's own
    /// are not public, but for the 24 hours of rule L52.
    pub fn of(
        parameters: &Parameters,
        tenant: kernel::TenantId,
        region: &str,
        now: Timestamp,
    ) -> Windows {
        let number =
            |name, default: u32| parameters.number(name, tenant, region, now).unwrap_or(default);
        let days =
            |name, default| SignedDuration::from_hours(24 * i64::from(number(name, default)));
        Windows {
            vehicle: SignedDuration::from_hours(number("claim_hint_vehicle_hours", 24).into()),
            plate: days("claim_hint_plate_days", 30),
            phone: days("claim_hint_phone_days", 180),
            driver: days("claim_hint_driver_days", 180),
            repairer: days("claim_hint_repairer_days", 3),
            injured: days("claim_hint_injured_days", 365),
            start: days("claim_hint_start_days", 7),
            parts_pct: number("claim_hint_parts_percent", 130),
        }
    }

    /// How far around the accident other cases with a mark are looked for; `None` for marks that
    /// tell an accident rather than a risk.
    fn around(&self, kind: MarkKind) -> Option<SignedDuration> {
        match kind {
            MarkKind::Frame => Some(self.vehicle),
            MarkKind::Plate => Some(self.plate),
            MarkKind::Phone => Some(self.phone),
            MarkKind::Driver => Some(self.driver),
            MarkKind::Repairer => Some(self.repairer),
            MarkKind::Injured => Some(self.injured),
            MarkKind::Police => None,
        }
    }

    /// What to look for around an accident.
    pub(crate) fn questions<'a>(
        &self,
        marks: impl Iterator<Item = &'a MarkRow>,
        accident_at: Timestamp,
    ) -> Vec<MarkQuestion> {
        let question = |mark: &MarkRow| {
            let around = self.around(mark.kind)?;
            Some(MarkQuestion {
                kind: mark.kind,
                mark: mark.mark.clone(),
                from: accident_at.checked_sub(around).unwrap_or(Timestamp::MIN),
                to: accident_at.checked_add(around).unwrap_or(Timestamp::MAX),
                pointer: mark.pointer.clone(),
            })
        };
        marks.filter_map(question).collect()
    }
}

/// Who looks, at which case.
pub(crate) struct Viewer<'a> {
    pub(crate) claim_no: PlatformNumber,
    pub(crate) insurer: InsurerCode,
    pub(crate) case: &'a Case,
}

/// What is found in common with other cases: each other case once for each kind of mark.
///
/// Another insurer's case always; of the same insurer only the same vehicle (rule L52), and not the
/// sister case of the other policy that answers for the same accident.
pub(crate) fn in_common(viewer: &Viewer<'_>, found: &[Marked]) -> Vec<HintView> {
    let notify = &viewer.case.notify;
    let mut hints: Vec<HintView> = Vec::new();
    for other in found {
        let sister = other.insurer == viewer.insurer
            && other.accident_at == notify.accident_at
            && other.class != viewer.case.class;
        let same_insurer = other.insurer == viewer.insurer && other.kind != MarkKind::Frame;
        let elsewhere = other.kind == MarkKind::Frame
            && notify.district.is_some()
            && other.district.is_some()
            && notify.district != other.district;
        if other.claim_no == viewer.claim_no || sister || same_insurer || elsewhere {
            continue;
        }
        let (rule, text) = match other.kind {
            MarkKind::Frame => {
                ("L52", "the same vehicle in another claim at nearly the same time and place")
            }
            MarkKind::Plate => ("H01", "the same plate in another insurer's claim"),
            MarkKind::Phone => ("H02", "the same telephone in another insurer's claim"),
            MarkKind::Driver => ("H03", "the same driver in another insurer's claim"),
            MarkKind::Repairer => {
                ("H04", "the same repairer in another insurer's claim of these days")
            }
            MarkKind::Injured => ("H05", "the same injured person in another insurer's claim"),
            MarkKind::Police => continue,
        };
        let hint = HintView {
            rule: rule.to_owned(),
            kind: other.kind.name().to_owned(),
            text: text.to_owned(),
            claim_code: Some(other.claim_no.to_string()),
            insurer: Some(other.insurer.as_str().to_owned()),
            accident_on: Some(time::day_of(other.accident_at)),
            pointer: other.pointer.clone(),
        };
        // What a message says twice is hinted at where it is said first.
        let told = |own: &HintView| own.rule == hint.rule && own.claim_code == hint.claim_code;
        if !hints.iter().any(told) {
            hints.push(hint);
        }
    }
    hints
}

/// H06: the accident happened soon after cover began.
pub(crate) fn soon_after_start(
    terms: &Terms,
    accident_at: Timestamp,
    windows: &Windows,
) -> Option<HintView> {
    let since = accident_at.duration_since(terms.period.from());
    (since < windows.start).then(|| HintView {
        rule: "H06".to_owned(),
        kind: "start".to_owned(),
        text: format!("the accident happened {} days after cover began", since.as_hours() / 24),
        claim_code: None,
        insurer: None,
        accident_on: None,
        pointer: None,
    })
}

/// H07: the police found another liability than the insurer tells.
pub(crate) fn other_liability(told: Liability, police: Liability) -> Option<HintView> {
    let unlike =
        told != police && told != Liability::Undetermined && police != Liability::Undetermined;
    unlike.then(|| HintView {
        rule: "H07".to_owned(),
        kind: "liability".to_owned(),
        text: format!(
            "the police found liability {} ({}), the insurer tells {} ({})",
            police.code(),
            police.name_en(),
            told.code(),
            told.name_en()
        ),
        claim_code: None,
        insurer: None,
        accident_on: None,
        pointer: Some("/liability".to_owned()),
    })
}

/// L53: a part costs more than so much of its reference price.
pub(crate) fn dear_part(part: &PricedPart, reference: Fen, windows: &Windows) -> Option<HintView> {
    let most = reference.at_rate(Decimal::new(windows.parts_pct.into(), 2))?;
    (part.price > most).then(|| HintView {
        rule: "L53".to_owned(),
        kind: "part".to_owned(),
        text: format!(
            "part {} costs {}, its reference price is {reference}",
            part.oem_code, part.price
        ),
        claim_code: None,
        insurer: None,
        accident_on: None,
        pointer: Some(part.pointer.clone()),
    })
}

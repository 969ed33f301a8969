//! The claims of one accident, of every insurer.
//!
//! Claims are of one accident when they carry one police number, or when they happened about the same
//! time, not in different districts, and have a plate or a frame number in common; and so is whatever
//! is found through a claim that is. Time is held against the accident asked about, so that a vehicle
//! with an accident a day does not chain them up. Own claims are shown as lists show them; of others
//! no more than that there is a claim.

use std::collections::{BTreeMap, BTreeSet};

use base_http::paging::bad;
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use kernel::time;
use pg::Tx;
use production_core::frame::FrameNo;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Production;
use crate::claim::mark::{Mark, MarkKind};
use crate::error::ProductionError;
use crate::lookup::ask::{self, View};
use crate::lookup::claim_line::{self, ClaimLine};
use crate::lookup::{Shown, purpose, shown_record};
use crate::pre_confirm::number;
use crate::store::claim_lookup::{self, AccidentClaim, AccidentMark, AccidentQuestion};

/// Most claims looked for under one mark.
const MOST_OF_A_MARK: i32 = 50;
/// Most claims of one accident: a pile-up of fifty vehicles, each under two policies.
const MOST: usize = 100;
/// Claims found through claims found through claims: enough for any pile-up told in a row.
const MOST_WAVES: usize = 8;
/// How far apart two reports of one police number may say it happened: a month mistyped.
const POLICE_DAYS: i64 = 31;

/// Which accident: that of an own claim, or one told by time and a vehicle.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccidentQuery {
    /// 理赔编号 of an own claim. Everything else but `asOf` is then told by it.
    pub claim_code: Option<String>,
    /// About when it happened: an instant, or a day.
    pub accident_at: Option<String>,
    /// A vehicle of it, by its plate.
    #[param(example = "苏A12345")]
    pub plate: Option<String>,
    /// A vehicle of it, by its frame number.
    pub frame_no: Option<String>,
    /// Six-digit area code of the place, when known.
    #[param(example = "320102")]
    pub district: Option<String>,
    /// As known at this instant or at the begin of this day.
    pub as_of: Option<String>,
}

/// The claims of an accident.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccidentView {
    /// The instant it is shown at.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// About when it happened, as asked or as the claim tells.
    #[schema(value_type = String, format = DateTime)]
    pub accident_at: Timestamp,
    /// Where, when told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// Claims so many hours before and after were looked for (parameter `claim_accident_hours`).
    pub within_hours: u32,
    /// Whether everything that could be found is here; else there is more than is ever shown.
    pub complete: bool,
    /// Claims of every insurer that were not given up, earliest accident first.
    pub claims: Vec<AccidentLine>,
}

/// A claim of an accident.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccidentLine {
    /// 理赔编号.
    pub claim_code: String,
    /// Who handles it.
    pub insurer: String,
    /// Whether that is the caller.
    pub own: bool,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// Day of the accident in China, as that insurer tells it.
    #[schema(value_type = String, format = Date)]
    pub accident_on: Date,
    /// Where, when told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// What it has in common with what was asked or found before: `police`, `plate`, `frame`. Empty
    /// for the claim asked by.
    pub matched_by: Vec<&'static str>,
    /// An own claim as lists show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimLine>,
}

impl Production {
    /// Every insurer's claims of one accident.
    pub async fn find_accident(&self, call: Call, asked: AccidentQuery) -> Result<Reply, Problem> {
        let viewer = self.insurer_of(&call)?;
        purpose(&call)?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let within_hours = self
            .challenges
            .parameters()
            .number(
                "claim_accident_hours",
                call.caller.tenant,
                &call.caller.region,
                call.received_at,
            )
            .unwrap_or(24);
        let asked = Asked::read(self, &call, &asked)?;
        let mut tx = self.begin(&call).await?;
        let (mut net, wave) = match &asked {
            Asked::Claim(claim_no) => {
                let claim = own_claim(&mut tx, *claim_no, viewer, view).await?;
                let (at, district) = (claim.accident_at, claim.district.clone());
                let mut net = Net::around(at, district, within_hours);
                let wave = net.begin(claim);
                (net, marks_of(&mut tx, &wave, view.at).await?)
            }
            Asked::Vehicle { at, district, marks } => {
                let key = self.sealer.market_key(call.received_at).await?;
                let mark = |mark: &Mark| AccidentMark { kind: mark.kind, mark: mark.digest(key) };
                let held = marks.iter().map(|one| Held { mark: mark(one), district: None });
                (Net::around(*at, district.clone(), within_hours), held.collect())
            }
        };
        net.draw(&mut tx, wave, view.at).await?;
        let numbers: Vec<PlatformNumber> = net.found.keys().copied().collect();
        let own = claim_lookup::own(&mut tx, numbers).await?;
        let own = claim_line::known(&mut tx, own, view.as_of).await?;
        drop(tx);
        let own = self.claim_lines(&own, view.at);
        let looked_at: Vec<_> = net
            .found
            .values()
            .map(|found| shown_record(&found.claim.frame, found.claim.claim_no))
            .collect();
        let (slot, subject) = asked.subject(&net);
        let answer = net.answer(viewer, own, view.at, within_hours);
        let done = Done::json(StatusCode::OK, &answer, slot, subject).showing(looked_at);
        self.answer(call, Shown::Masked, done).await
    }
}

/// Claims of every insurer of the accident of an own claim, itself among them, as known at `now`.
pub(crate) async fn of_claim(
    tx: &mut Tx,
    claim_no: PlatformNumber,
    within_hours: u32,
    now: Timestamp,
) -> Result<Vec<AccidentClaim>, ProductionError> {
    let view = View { as_of: None, at: now };
    let claim = own_claim(tx, claim_no, claim_no.insurer(), view).await?;
    let mut net = Net::around(claim.accident_at, claim.district.clone(), within_hours);
    let wave = net.begin(claim);
    let wave = marks_of(tx, &wave, now).await?;
    net.draw(tx, wave, now).await?;
    Ok(net.found.into_values().map(|found| found.claim).collect())
}

/// What an accident is asked by.
enum Asked {
    Claim(PlatformNumber),
    Vehicle { at: Timestamp, district: Option<String>, marks: Vec<Mark> },
}

impl Asked {
    fn read(production: &Production, call: &Call, asked: &AccidentQuery) -> Result<Asked, Problem> {
        let told = [&asked.accident_at, &asked.plate, &asked.frame_no, &asked.district];
        if let Some(claim_code) = &asked.claim_code {
            if told.into_iter().any(Option::is_some) {
                return Err(bad(
                    "claimCode",
                    "tells the accident by itself; send nothing beside it",
                ));
            }
            return Ok(Asked::Claim(number(production, call, claim_code, NumberKind::Claim)?));
        }
        let at = ask::instant("accidentAt", asked.accident_at.as_deref())?;
        let at = at.ok_or_else(|| bad("accidentAt", "say when it happened, or send claimCode"))?;
        let frame = asked.frame_no.as_deref().map(|raw| ask::frame("frameNo", raw)).transpose()?;
        let mut marks = Vec::new();
        marks.extend(frame.and_then(|frame| Mark::of(MarkKind::Frame, frame.as_str(), true)));
        let plate = asked.plate.as_deref().map(ask::plate);
        marks.extend(plate.and_then(|plate| Mark::of(MarkKind::Plate, &plate, true)));
        if marks.is_empty() {
            return Err(bad("plate", "say which vehicle was in it: send plate or frameNo"));
        }
        let district = asked.district.as_deref().map(district).transpose()?;
        Ok(Asked::Vehicle { at, district, marks })
    }

    /// The slot this call lies on, and what it was about.
    fn subject(&self, net: &Net) -> (u16, String) {
        match self {
            Asked::Claim(claim_no) => (claim_no.slot().0, claim_no.to_string()),
            Asked::Vehicle { .. } => {
                let first = net.found.values().next().map(|found| &found.claim.frame);
                let subject = first.map_or_else(|| "accident".to_owned(), FrameNo::masked);
                (first.map_or(0, |frame| frame.slot().0), subject)
            }
        }
    }
}

fn district(raw: &str) -> Result<String, Problem> {
    let raw = raw.trim();
    if raw.len() == 6 && raw.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(raw.to_owned())
    } else {
        Err(bad("district", "send a six-digit area code, for example 320102"))
    }
}

/// The own claim asked by, as it was known.
async fn own_claim(
    tx: &mut Tx,
    claim_no: PlatformNumber,
    viewer: InsurerCode,
    view: View,
) -> Result<AccidentClaim, ProductionError> {
    let mut own = claim_lookup::own(tx, [claim_no]).await?;
    own.retain(|claim| claim.recorded_at <= view.at);
    let claim = own.pop().ok_or_else(|| ProductionError::not_found("claim", claim_no))?;
    Ok(AccidentClaim {
        claim_no,
        insurer: viewer,
        class: claim.case.class,
        frame: claim.frame,
        accident_at: claim.case.notify.accident_at,
        district: claim.case.notify.district,
    })
}

/// A mark to look for, and where the accident of the claim that carries it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    mark: AccidentMark,
    district: Option<String>,
}

/// Marks of the claims just found.
async fn marks_of(
    tx: &mut Tx,
    claims: &[AccidentClaim],
    known_at: Timestamp,
) -> Result<Vec<Held>, ProductionError> {
    let numbers = claims.iter().map(|claim| claim.claim_no);
    let marks = claim_lookup::accident_marks(tx, numbers, known_at).await?;
    let held = marks.into_iter().map(|(claim_no, mark)| {
        let claim = claims.iter().find(|claim| claim.claim_no == claim_no);
        Held { mark, district: claim.and_then(|claim| claim.district.clone()) }
    });
    Ok(held.collect())
}

/// A claim of the accident, and how it was found.
struct Found {
    claim: AccidentClaim,
    by: BTreeSet<&'static str>,
}

/// Claims of one accident as they come to be found.
struct Net {
    at: Timestamp,
    district: Option<String>,
    within: SignedDuration,
    found: BTreeMap<PlatformNumber, Found>,
    asked: BTreeSet<Held>,
    complete: bool,
}

impl Net {
    fn around(at: Timestamp, district: Option<String>, within_hours: u32) -> Net {
        Net {
            at,
            district,
            within: SignedDuration::from_hours(within_hours.into()),
            found: BTreeMap::new(),
            asked: BTreeSet::new(),
            complete: true,
        }
    }

    /// Begins with the claim asked by.
    fn begin(&mut self, claim: AccidentClaim) -> Vec<AccidentClaim> {
        let first = Found { claim: claim.clone(), by: BTreeSet::new() };
        self.found.insert(claim.claim_no, first);
        vec![claim]
    }

    /// Looks for what carries the marks, then for what carries the marks of that, until nothing new
    /// comes.
    async fn draw(
        &mut self,
        tx: &mut Tx,
        mut wave: Vec<Held>,
        known_at: Timestamp,
    ) -> Result<(), ProductionError> {
        for _ in 0..MOST_WAVES {
            wave.retain(|held| self.asked.insert(held.clone()));
            let questions: Vec<_> = wave.iter().map(|held| self.question(&held.mark)).collect();
            let rows =
                claim_lookup::accident_claims(tx, &questions, known_at, MOST_OF_A_MARK).await?;
            let fresh = self.take(&wave, rows);
            if fresh.is_empty() || !self.complete {
                return Ok(());
            }
            wave = marks_of(tx, &fresh, known_at).await?;
        }
        self.complete = false;
        Ok(())
    }

    fn question(&self, mark: &AccidentMark) -> AccidentQuestion {
        let around = match mark.kind {
            MarkKind::Police => SignedDuration::from_hours(24 * POLICE_DAYS),
            _ => self.within,
        };
        AccidentQuestion {
            mark: mark.clone(),
            from: self.at.checked_sub(around).unwrap_or(self.at),
            to: self.at.checked_add(around).unwrap_or(self.at),
        }
    }

    /// Keeps what is of this accident, and answers what is new.
    fn take(&mut self, wave: &[Held], rows: Vec<(usize, AccidentClaim)>) -> Vec<AccidentClaim> {
        let mut fresh = Vec::new();
        let mut of_mark: BTreeMap<usize, i32> = BTreeMap::new();
        for (place, claim) in rows {
            let Some(held) = wave.get(place) else { continue };
            let count = of_mark.entry(place).or_default();
            *count += 1;
            if *count == MOST_OF_A_MARK {
                self.complete = false;
            }
            if !self.is_here(held, &claim) {
                continue;
            }
            let by = held.mark.kind.name();
            if let Some(known) = self.found.get_mut(&claim.claim_no) {
                // A claim found earlier carries its own marks; that is not how it was found.
                if fresh.iter().any(|fresh: &AccidentClaim| fresh.claim_no == claim.claim_no) {
                    known.by.insert(by);
                }
            } else if self.found.len() == MOST {
                self.complete = false;
            } else {
                let number = claim.claim_no;
                fresh.push(claim.clone());
                self.found.insert(number, Found { claim, by: [by].into() });
            }
        }
        fresh
    }

    /// A police number tells an accident by itself; for the rest the place must not be another.
    fn is_here(&self, held: &Held, claim: &AccidentClaim) -> bool {
        let elsewhere = |place: &Option<String>| {
            place.is_some() && claim.district.is_some() && *place != claim.district
        };
        held.mark.kind == MarkKind::Police
            || !(elsewhere(&self.district) || elsewhere(&held.district))
    }

    fn answer(
        self,
        viewer: InsurerCode,
        mut own: BTreeMap<PlatformNumber, ClaimLine>,
        as_of: Timestamp,
        within_hours: u32,
    ) -> AccidentView {
        let mut found: Vec<Found> = self.found.into_values().collect();
        found.sort_by_key(|one| (one.claim.accident_at, one.claim.claim_no));
        let claims = found.into_iter().map(|Found { claim, by }| AccidentLine {
            claim_code: claim.claim_no.to_string(),
            insurer: claim.insurer.as_str().to_owned(),
            own: claim.insurer == viewer,
            class: claim.class.name(),
            accident_on: time::day_of(claim.accident_at),
            district: claim.district,
            matched_by: by.into_iter().collect(),
            claim: own.remove(&claim.claim_no),
        });
        AccidentView {
            as_of,
            accident_at: self.at,
            district: self.district,
            within_hours,
            complete: self.complete,
            claims: claims.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use production_core::history::PolicyClass;
    use production_core::region::Region;

    use super::*;

    const NOON: i64 = 1_748_750_400;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(NOON + 3_600 * hours).unwrap()
    }

    fn claim(sequence: u64, hours: i64, district: Option<&str>) -> AccidentClaim {
        let frame = crate::store::quote::stored_frame("LSVAM4187C2184847").unwrap();
        let insurer = InsurerCode::parse("PICC").unwrap();
        let region = Region::parse("320000").unwrap();
        let (kind, slot) = (NumberKind::Claim, frame.slot());
        AccidentClaim {
            claim_no: PlatformNumber::new(kind, insurer, region, 2025, slot, sequence).unwrap(),
            insurer,
            class: PolicyClass::Compulsory,
            frame,
            accident_at: at(hours),
            district: district.map(str::to_owned),
        }
    }

    fn held(kind: MarkKind, district: Option<&str>) -> Held {
        let mark = AccidentMark { kind, mark: vec![1] };
        Held { mark, district: district.map(str::to_owned) }
    }

    #[test]
    fn a_plate_in_another_district_is_another_accident_and_a_police_number_is_not() {
        let (here, there) = (Some("320102"), Some("320104"));
        let cases = [
            (here, MarkKind::Plate, here, here, true),
            (here, MarkKind::Plate, here, there, false),
            (here, MarkKind::Frame, here, None, true),
            (None, MarkKind::Plate, None, there, true),
            // Not told at first, but by the claim it is found through.
            (None, MarkKind::Plate, here, there, false),
            (here, MarkKind::Plate, None, there, false),
            (here, MarkKind::Police, here, there, true),
        ];
        for (row, (asked, kind, through, found, expected)) in cases.into_iter().enumerate() {
            let net = Net::around(at(0), asked.map(str::to_owned), 24);
            assert_eq!(
                net.is_here(&held(kind, through), &claim(1, 1, found)),
                expected,
                "row {row}"
            );
        }
    }

    #[test]
    fn time_is_held_against_the_accident_asked_about() {
        let net = Net::around(at(0), None, 24);
        let plate = net.question(&held(MarkKind::Plate, None).mark);
        assert_eq!((plate.from, plate.to), (at(-24), at(24)));
        let police = net.question(&held(MarkKind::Police, None).mark);
        assert_eq!((police.from, police.to), (at(-24 * 31), at(24 * 31)));
    }

    #[test]
    fn a_claim_is_found_once_by_everything_it_shares() {
        let mut net = Net::around(at(0), None, 24);
        let asked = claim(1, 0, None);
        net.begin(asked.clone());
        let wave = [held(MarkKind::Plate, None), held(MarkKind::Frame, None)];
        let other = claim(2, 1, None);
        let rows = vec![
            (0, asked.clone()),
            (0, other.clone()),
            (1, other.clone()),
            (7, claim(3, 1, None)),
        ];
        let fresh: Vec<_> = net.take(&wave, rows).iter().map(|one| one.claim_no).collect();
        assert_eq!(fresh, [other.claim_no]);
        assert_eq!(net.found[&other.claim_no].by, ["frame", "plate"].into());
        assert!(net.found[&asked.claim_no].by.is_empty());
        assert!(net.complete);
    }

    #[test]
    fn more_than_can_be_shown_is_said() {
        let mut net = Net::around(at(0), None, 24);
        let wave: Vec<Held> = (0..3).map(|_| held(MarkKind::Police, None)).collect();
        let rows = (0..101).map(|n| (usize::try_from(n % 3).unwrap(), claim(n, 0, None)));
        assert_eq!(net.take(&wave, rows.collect()).len(), 100);
        assert!(!net.complete);
    }
}

//! Reading who looked at whose records: by the insurer that owns them, and by the regulator.
//!
//! An insurer learns of looks of others at its own records, a regulator of all looks of an insurer
//! at another's records in its region, or anywhere when its client is of the whole country. What
//! stands on a vehicle is not known here: [`Records`] tells. Reading is a served call like any
//! other and leaves its own message.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, Problem, Reply, Spine, problem};
use futures::future::BoxFuture;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp, civil};
use kernel::{TenantId, time};
use pg::{Scope, Tx};
use serde::{Deserialize, Serialize};
use tenancy::{InsurerCode, Kind, Tenant};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::EvidenceError;
use crate::store::{self, Access, AccessFilter, Look};

/// The region of a client that speaks for the whole country.
const WHOLE_COUNTRY: &str = "000000";

/// How long before it is served a call may have got its identifier.
const LONGEST_CALL: SignedDuration = SignedDuration::from_hours(1);

/// What insurers recorded of a vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VehicleRecords {
    /// Slot of the vehicle.
    pub slot: u16,
    /// Digest of its frame number.
    pub digest: [u8; 16],
    /// Its frame number for the eyes of outsiders.
    pub masked: String,
    /// The records, of every insurer.
    pub records: Vec<RecordOnVehicle>,
}

/// One insurer's record of a vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordOnVehicle {
    /// Four-letter code of the insurer.
    pub owner: String,
    /// Region, six digits.
    pub region: String,
    /// Its platform number.
    pub subject: String,
    /// A look at the vehicle shows it from here on.
    pub shown_from: Timestamp,
    /// First instant at which it is shown no longer.
    pub shown_to: Option<Timestamp>,
}

impl RecordOnVehicle {
    fn is_shown_at(&self, at: Timestamp) -> bool {
        self.shown_from <= at && self.shown_to.is_none_or(|to| at < to)
    }
}

/// Tells what stands on a vehicle. Implemented over the rooms that keep such records.
pub trait Records: Send + Sync + 'static {
    /// Everything on the vehicle of a frame number as somebody wrote it, or what is wrong with it.
    fn on_vehicle<'a>(
        &'a self,
        frame_no: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VehicleRecords, Problem>>;
}

/// Which looks to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccessQuery {
    /// At one vehicle, by its frame number: one on which the caller, or for a regulator anybody in
    /// its region, has or had a record.
    pub frame_no: Option<String>,
    /// Through one function, by its code.
    #[param(example = "production.underwriting.vehicle_chain")]
    pub function: Option<String>,
    /// By one insurer.
    #[param(example = "PAIC")]
    pub looker: Option<String>,
    /// At records of one insurer; for a regulator, since an insurer reads of its own alone.
    #[param(example = "PICC")]
    pub owner: Option<String>,
    /// At or after: an instant or a day.
    pub from: Option<String>,
    /// Before.
    pub to: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A look at records.
///
/// A call that looked at several vehicles, or at records of several insurers or regions, is one
/// look for each.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessView {
    /// The call that looked.
    #[schema(value_type = String, format = Uuid)]
    pub call_id: Uuid,
    /// When it was served.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who looked.
    pub looker: LookerView,
    /// Through which client.
    pub client: String,
    /// With which function.
    #[schema(example = "production.underwriting.vehicle_chain")]
    pub function: String,
    /// What for, as stated with the call, else the product it belongs to.
    pub purpose: String,
    /// The looker's own number of what the look was for, when it has one: its query code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The journey the call was part of.
    pub trace_id: String,
    /// What was shown.
    pub shown: Vec<ShownView>,
}

/// Who looked.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookerView {
    /// Four-letter code, when it is an insurer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "PAIC")]
    pub insurer: Option<String>,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
}

/// A record that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownView {
    /// Whose it is.
    #[schema(example = "PICC")]
    pub owner: String,
    /// Its platform number.
    #[schema(example = "02PICC110026123450000000000018")]
    pub code: String,
}

/// The log as it is read. Cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    spine: Spine,
    records: Arc<dyn Records>,
}

/// For whom the log is read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Viewer {
    /// The insurer with this code.
    Insurer(String),
    /// The regulator of a region, or of everything.
    Regulator(Option<String>),
}

impl Viewer {
    /// Whether a look at the record concerns this viewer.
    fn may_know(&self, record: &RecordOnVehicle) -> bool {
        match self {
            Viewer::Insurer(code) => record.owner == *code,
            Viewer::Regulator(region) => {
                region.as_ref().is_none_or(|region| record.region == *region)
            }
        }
    }
}

impl AccessLog {
    /// The log over the database of `spine`.
    pub fn new(spine: Spine, records: Arc<dyn Records>) -> AccessLog {
        AccessLog { spine, records }
    }

    /// Looks at the records of the caller or of its region, latest first.
    pub async fn list(&self, call: Call, asked: AccessQuery) -> Result<Reply, Problem> {
        let page = Page { limit: asked.limit, after: asked.after };
        let limit = page.limit()?;
        let before = page.after.as_deref().map(cursor).transpose()?;
        let from = instant("from", asked.from.as_deref())?;
        let to = instant("to", asked.to.as_deref())?;
        let mut tx = self.spine.db().begin(Scope::of(call.caller.tenant)).await.map_err(store)?;
        let viewer = viewer(&mut tx, &call).await?;
        let owner = owner(&viewer, asked.owner.as_deref())?;
        let looker = looker(&mut tx, asked.looker.as_deref()).await?;
        drop(tx);
        let vehicle = match asked.frame_no.as_deref() {
            Some(frame_no) => Some(self.known(&viewer, owner.as_deref(), frame_no, &call).await?),
            None => None,
        };
        let filter = AccessFilter {
            owner,
            region: match &viewer {
                Viewer::Regulator(region) => region.clone(),
                Viewer::Insurer(_) => None,
            },
            vehicle: vehicle.as_ref().map(|vehicle| (vehicle.slot, vehicle.digest)),
            looker,
            function: asked.function,
            from,
            to,
            from_call: from.map(first_call),
            before,
        };
        let mut tx = self.spine.db().begin(Scope::of(call.caller.tenant)).await.map_err(store)?;
        let mut rows = looks(&mut tx, &filter, vehicle.as_ref(), &call, limit + 1).await?;
        let next = cut(&mut rows, limit, |last| {
            let (call_id, ordinal) = last.place();
            format!("{call_id}.{ordinal}")
        });
        let lookers = tenancy::find_all(&mut tx, &lookers(&rows)).await.map_err(unknown)?;
        drop(tx);
        let lookers: HashMap<TenantId, Tenant> =
            lookers.into_iter().map(|tenant| (tenant.tenant_id, tenant)).collect();
        let page = Paged {
            items: rows.iter().filter_map(|row| row.view(&lookers, vehicle.as_ref())).collect(),
            next,
        };
        let (slot, subject) = match &vehicle {
            Some(vehicle) => (vehicle.slot, vehicle.masked.clone()),
            None => (0, "accesses".to_owned()),
        };
        let done = Done::json(StatusCode::OK, &page, slot, subject);
        self.spine.answer(call, done).await
    }

    /// The vehicle with those of its records the viewer may know of; there must be one.
    async fn known(
        &self,
        viewer: &Viewer,
        owner: Option<&str>,
        frame_no: &str,
        call: &Call,
    ) -> Result<VehicleRecords, Problem> {
        let mut vehicle = self.records.on_vehicle(frame_no, call.received_at).await?;
        vehicle.records.retain(|record| {
            viewer.may_know(record) && owner.is_none_or(|owner| record.owner == owner)
        });
        if vehicle.records.is_empty() {
            let detail = "none of the records you may know of stands on this vehicle";
            return Err(Problem::new(&problem::NOT_FOUND, detail));
        }
        Ok(vehicle)
    }
}

/// A row of the list, from either source.
enum Row {
    Access(Access),
    Look(Look),
}

impl Row {
    /// Its place in the list, which descends.
    fn place(&self) -> (Uuid, i16) {
        match self {
            Row::Access(access) => (access.call_id, access.ordinal),
            Row::Look(look) => (look.call_id, 0),
        }
    }

    fn tenant(&self) -> TenantId {
        match self {
            Row::Access(access) => access.tenant,
            Row::Look(look) => look.tenant,
        }
    }

    /// As it is shown; `None` when it showed nothing that concerns the viewer.
    fn view(
        &self,
        lookers: &HashMap<TenantId, Tenant>,
        vehicle: Option<&VehicleRecords>,
    ) -> Option<AccessView> {
        let looker = lookers.get(&self.tenant())?;
        let insurer = looker.kind.insurer_code().map(|code| code.as_str().to_owned());
        let shown: Vec<ShownView> = match self {
            Row::Access(access) => access.shown().collect(),
            Row::Look(look) => vehicle?
                .records
                .iter()
                .filter(|record| record.is_shown_at(look.served_at))
                .filter(|record| insurer.as_ref() != Some(&record.owner))
                .map(|record| ShownView {
                    owner: record.owner.clone(),
                    code: record.subject.clone(),
                })
                .collect(),
        };
        if shown.is_empty() {
            return None;
        }
        let looker = LookerView {
            insurer,
            name_zh: looker.name_zh.clone(),
            name_en: looker.name_en.clone(),
        };
        Some(match self {
            Row::Access(access) => AccessView {
                call_id: access.call_id,
                at: access.served_at,
                looker,
                client: access.client.clone(),
                function: access.function_code.clone(),
                purpose: access.purpose.clone(),
                reference: None,
                trace_id: access.trace_id.clone(),
                shown,
            },
            Row::Look(look) => AccessView {
                call_id: look.call_id,
                at: look.served_at,
                looker,
                client: look.client.clone(),
                function: look.function_code.clone(),
                purpose: look.purpose.clone(),
                reference: Some(look.subject.clone()),
                trace_id: look.trace_id.clone(),
                shown,
            },
        })
    }
}

impl Access {
    fn shown(&self) -> impl Iterator<Item = ShownView> {
        self.subjects.iter().map(|code| ShownView { owner: self.owner.clone(), code: code.clone() })
    }
}

/// Up to `most` rows from both sources; messages are found for one vehicle alone.
async fn looks(
    tx: &mut Tx,
    filter: &AccessFilter,
    vehicle: Option<&VehicleRecords>,
    call: &Call,
    most: i64,
) -> Result<Vec<Row>, Problem> {
    let accesses = store::accesses(tx, filter, most).await?;
    let mut rows: Vec<Row> = accesses.into_iter().map(Row::Access).collect();
    if let Some(vehicle) = vehicle {
        // Before its first record there was nothing to look at.
        let first = vehicle.records.iter().map(|record| record.shown_from).min();
        let filter = AccessFilter {
            from: filter.from.max(first),
            from_call: filter.from_call.max(first.map(first_call)),
            ..filter.clone()
        };
        let looks = store::looks(tx, &filter, call.caller.tenant, most).await?;
        rows.extend(looks.into_iter().map(Row::Look));
        rows.sort_by_key(|row| std::cmp::Reverse(row.place()));
        rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
    Ok(rows)
}

fn lookers(rows: &[Row]) -> Vec<TenantId> {
    rows.iter().map(Row::tenant).collect::<HashSet<_>>().into_iter().collect()
}

/// For whom this call reads.
async fn viewer(tx: &mut Tx, call: &Call) -> Result<Viewer, Problem> {
    if let Some(code) = call.caller.insurer.as_deref() {
        return Ok(Viewer::Insurer(code.to_owned()));
    }
    let tenant = tenancy::find(tx, call.caller.tenant).await.map_err(unknown)?;
    match tenant.map(|tenant| tenant.kind) {
        Some(Kind::Regulator) => {
            let region = call.caller.region.to_string();
            Ok(Viewer::Regulator((region != WHOLE_COUNTRY).then_some(region)))
        }
        _ => {
            let detail = "only insurers, of their own records, and regulators read this";
            Err(Problem::new(&problem::FORBIDDEN, detail))
        }
    }
}

/// Whose records the list is about; `None` for everyone's.
fn owner(viewer: &Viewer, asked: Option<&str>) -> Result<Option<String>, Problem> {
    let asked = asked.map(|code| insurer_code("owner", code)).transpose()?;
    match viewer {
        Viewer::Regulator(_) => Ok(asked.map(|code| code.as_str().to_owned())),
        Viewer::Insurer(own) if asked.is_none_or(|code| code.as_str() == own) => {
            Ok(Some(own.clone()))
        }
        Viewer::Insurer(_) => {
            let detail = "an insurer reads who looked at its own records, not at another's";
            Err(Problem::new(&problem::FORBIDDEN, detail))
        }
    }
}

/// The insurer whose looks alone are wanted.
async fn looker(tx: &mut Tx, asked: Option<&str>) -> Result<Option<TenantId>, Problem> {
    let Some(asked) = asked else { return Ok(None) };
    let code = insurer_code("looker", asked)?;
    match tenancy::find_by_insurer_code(tx, &code).await.map_err(unknown)? {
        Some(tenant) => Ok(Some(tenant.tenant_id)),
        None => Err(bad("looker", format!("no insurer has the code {code}"))),
    }
}

fn insurer_code(parameter: &str, asked: &str) -> Result<InsurerCode, Problem> {
    InsurerCode::parse(asked).map_err(|error| bad(parameter, error.to_string()))
}

/// An instant (RFC 3339), or a day, which means its first instant in China. Nothing was served
/// before 1970, and not every store knows the years before.
fn instant(parameter: &str, asked: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(asked) = asked.map(str::trim).filter(|asked| !asked.is_empty()) else {
        return Ok(None);
    };
    // The plus of an offset arrives as a blank when nobody escaped it.
    let asked = asked.replace(' ', "+");
    let day = || asked.parse::<civil::Date>().ok().and_then(time::start_of);
    let read = asked.parse::<Timestamp>().ok().or_else(day);
    let read = read.map(|at| Some(at.max(Timestamp::UNIX_EPOCH)));
    read.ok_or_else(|| bad(parameter, "send an RFC 3339 instant or a day, yyyy-MM-dd"))
}

/// Where a page begins: after the row of this call and ordinal.
fn cursor(after: &str) -> Result<(Uuid, i16), Problem> {
    let read = after
        .split_once('.')
        .and_then(|(call_id, ordinal)| Some((call_id.parse().ok()?, ordinal.parse().ok()?)));
    read.ok_or_else(|| bad("after", "is not the next of an earlier page"))
}

/// The least identifier of a call that may be served at `from` or later: identifiers begin with
/// the milliseconds at which the call arrived.
fn first_call(from: Timestamp) -> Uuid {
    let arrived = from.checked_sub(LONGEST_CALL).unwrap_or(Timestamp::UNIX_EPOCH);
    let millis = u128::try_from(arrived.as_millisecond()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

fn store(error: sqlx::Error) -> Problem {
    Problem::store(&error)
}

fn unknown(error: tenancy::TenancyError) -> Problem {
    Problem::store(&error)
}

impl From<EvidenceError> for Problem {
    fn from(error: EvidenceError) -> Problem {
        match error {
            EvidenceError::Corrupt => Problem::internal(&error),
            EvidenceError::Store(_) => Problem::store(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_may_be_a_day_or_a_moment_with_an_unescaped_offset() {
        let read = |raw| instant("from", Some(raw)).map(|at| at.unwrap().to_string()).ok();
        assert_eq!(read("2025-03-01").as_deref(), Some("2025-02-28T16:00:00Z"));
        assert_eq!(read("2025-03-01T10:00:00 08:00").as_deref(), Some("2025-03-01T02:00:00Z"));
        assert_eq!(read("-009999-02-01").as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(read("yesterday"), None);
        assert!(instant("from", Some(" ")).is_ok_and(|at| at.is_none()));
    }

    #[test]
    fn a_call_served_at_an_instant_is_named_after_its_first_call() {
        let ids = kernel::Ids::seeded(1);
        let served = at("2025-03-01T10:00:00+08:00");
        let arrived = served.checked_sub(SignedDuration::from_mins(59)).unwrap();
        assert!(first_call(served) < ids.next(arrived));
        let long_before = served.checked_sub(SignedDuration::from_mins(61)).unwrap();
        assert!(ids.next(long_before) < first_call(served));
    }

    #[test]
    fn a_cursor_names_a_call_and_a_place_in_it() {
        let call = Uuid::from_u128(7);
        assert_eq!(cursor(&format!("{call}.3")).ok(), Some((call, 3)));
        for broken in ["", "7", "x.1", &format!("{call}.x"), &format!("{call}.70000")] {
            assert!(cursor(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_record_is_shown_from_its_issue_to_its_revocation() {
        let (from, to) = (at("2025-03-01T10:00:00Z"), at("2025-03-02T10:00:00Z"));
        let record = RecordOnVehicle {
            owner: "PICC".to_owned(),
            region: "320000".to_owned(),
            subject: "02".to_owned(),
            shown_from: from,
            shown_to: Some(to),
        };
        let second = SignedDuration::from_secs(1);
        let cases = [(from - second, false), (from, true), (to - second, true), (to, false)];
        for (at, shown) in cases {
            assert_eq!(record.is_shown_at(at), shown, "{at}");
        }
    }

    #[test]
    fn a_regulator_knows_its_region_and_an_insurer_its_own() {
        let record = |owner: &str, region: &str| RecordOnVehicle {
            owner: owner.to_owned(),
            region: region.to_owned(),
            subject: String::new(),
            shown_from: Timestamp::MIN,
            shown_to: None,
        };
        let jiangsu = record("PICC", "320000");
        let shenzhen = record("CPIC", "440300");
        let of = |region: Option<&str>| Viewer::Regulator(region.map(str::to_owned));
        let cases = [
            (Viewer::Insurer("PICC".to_owned()), [true, false]),
            (Viewer::Insurer("PAIC".to_owned()), [false, false]),
            (of(Some("320000")), [true, false]),
            (of(Some("440000")), [false, false]),
            (of(None), [true, true]),
        ];
        for (viewer, knows) in cases {
            assert_eq!([&jiangsu, &shenzhen].map(|one| viewer.may_know(one)), knows, "{viewer:?}");
        }
    }
}

//! Policies and their versions. The policy row is how it stands; versions say how it came so.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::frame::FrameNo;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::plate::Plate;
use production_core::policy::{Ending, PolicyFacts};
use production_core::region::Region;

use crate::error::ProductionError;
use crate::store::quote::stored_frame;

/// A policy as it stands.
#[derive(Clone, Debug)]
pub struct PolicyRecord {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Insurer of the tenant.
    pub insurer: InsurerCode,
    /// Branch region.
    pub region: Region,
    /// The insurer's own number.
    pub policy_no: String,
    /// Query code it was confirmed from.
    pub query_no: PlatformNumber,
    /// The vehicle.
    pub frame: FrameNo,
    /// Its plate, once it has one.
    pub plate: Option<Plate>,
    /// Its engine number.
    pub engine_no: String,
    /// Blind index of the owner.
    pub owner_index: Vec<u8>,
    /// When its quote looked at history.
    pub quoted_at: Timestamp,
    /// When it was confirmed.
    pub issued_at: Timestamp,
    /// Written for less than a year.
    pub short_term: bool,
    /// Premium as last endorsed.
    pub premium: Fen,
    /// Vehicle tax withheld with it, as last endorsed.
    pub tax: Fen,
    /// What happened to it; class, period and endorsement count are in here.
    pub facts: PolicyFacts,
    /// Outside answers it was confirmed without, JSON.
    pub deferred_checks: String,
    /// Number under which the tax office knows the withholding.
    pub tax_declaration_no: Option<String>,
}

/// What was true of a policy from an instant on, as known since another.
#[derive(Clone, Debug)]
pub struct VersionRecord {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Amend confirm code; `None` for the policy as confirmed.
    pub amend_no: Option<PlatformNumber>,
    /// True from here on.
    pub effective_at: Timestamp,
    /// Known from here on.
    pub recorded_at: Timestamp,
    /// What had happened by then; its endorsement count numbers the version.
    pub facts: PolicyFacts,
    /// Premium.
    pub premium: Fen,
    /// Vehicle tax.
    pub tax: Fen,
    /// JSON of [`crate::quote::VehicleIdentity`].
    pub vehicle: String,
    /// The rating input, JSON.
    pub input: String,
    /// Tariff bundle it was rated with.
    pub tariff_version: String,
    /// The parties, sealed JSON.
    pub parties_sealed: Vec<u8>,
}

/// Writes new policies. A second compulsory cover of a vehicle in the same time violates
/// `policy_no_duplicate_compulsory`, whoever wrote the first.
pub async fn insert(tx: &mut Tx, policies: &[&PolicyRecord]) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.policy
               (slot, confirm_no, tenant_id, insurer, region, class, policy_no, query_no, frame_no,
                plate_kind, plate, engine_no, owner_index, quoted_at, issued_at, cover_from,
                cover_to, short_term, premium_fen, tax_fen, facts, deferred_checks,
                tax_declaration_no)
           select unnest($1::integer[]), unnest($2::text[]), unnest($3::uuid[]),
                  unnest($4::text[]), unnest($5::text[]), unnest($6::text[]), unnest($7::text[]),
                  unnest($8::text[]), unnest($9::text[]), unnest($10::text[]),
                  unnest($11::text[]), unnest($12::text[]), unnest($13::bytea[]),
                  unnest($14::timestamptz[]), unnest($15::timestamptz[]),
                  unnest($16::timestamptz[]), unnest($17::timestamptz[]),
                  unnest($18::boolean[]), unnest($19::bigint[]), unnest($20::bigint[]),
                  unnest($21::text[])::json, unnest($22::text[])::json, unnest($23::text[])"#,
        column!(policies, |policy| i32::from(policy.frame.slot().0)),
        column!(policies, |policy| policy.confirm_no.to_string()),
        column!(policies, |policy| policy.tenant.0),
        column!(policies, |policy| policy.insurer.as_str().to_owned()),
        column!(policies, |policy| policy.region.code().to_owned()),
        column!(policies, |policy| policy.facts.class.name().to_owned()),
        column!(policies, |policy| policy.policy_no.clone()),
        column!(policies, |policy| policy.query_no.to_string()),
        column!(policies, |policy| policy.frame.as_str().to_owned()),
        column!(policies, |policy| plate_kind(policy)) as &[Option<String>],
        column!(policies, |policy| plate_number(policy)) as &[Option<String>],
        column!(policies, |policy| policy.engine_no.clone()),
        column!(policies, |policy| policy.owner_index.clone()),
        column!(policies, |policy| policy.quoted_at.to_sqlx()) as _,
        column!(policies, |policy| policy.issued_at.to_sqlx()) as _,
        column!(policies, |policy| policy.facts.period.from().to_sqlx()) as _,
        column!(policies, |policy| policy.facts.period.to().to_sqlx()) as _,
        column!(policies, |policy| policy.short_term),
        column!(policies, |policy| policy.premium.0),
        column!(policies, |policy| policy.tax.0),
        column!(policies, |policy| facts_json(&policy.facts)),
        column!(policies, |policy| policy.deferred_checks.clone()),
        column!(policies, |policy| policy.tax_declaration_no.clone()) as &[Option<String>],
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        r#"insert into production.policy_number (tenant_id, class, policy_no, confirm_no)
           select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])"#,
        column!(policies, |policy| policy.tenant.0),
        column!(policies, |policy| policy.facts.class.name().to_owned()),
        column!(policies, |policy| policy.policy_no.clone()),
        column!(policies, |policy| policy.confirm_no.to_string()),
    )
    .execute(tx.conn())
    .await?;
    index_plates(tx, policies).await
}

/// Writes versions.
pub async fn insert_versions(
    tx: &mut Tx,
    versions: &[&VersionRecord],
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.policy_version
               (slot, confirm_no, endorse_times, tenant_id, amend_no, effective_at, recorded_at,
                cover_from, cover_to, facts, premium_fen, tax_fen, vehicle, input, tariff_version,
                parties_sealed)
           select unnest($1::integer[]), unnest($2::text[]), unnest($3::integer[]),
                  unnest($4::uuid[]), unnest($5::text[]), unnest($6::timestamptz[]),
                  unnest($7::timestamptz[]), unnest($8::timestamptz[]),
                  unnest($9::timestamptz[]), unnest($10::text[])::json, unnest($11::bigint[]),
                  unnest($12::bigint[]), unnest($13::text[])::json, unnest($14::text[])::json,
                  unnest($15::text[]), unnest($16::bytea[])"#,
        column!(versions, |version| i32::from(version.confirm_no.slot().0)),
        column!(versions, |version| version.confirm_no.to_string()),
        column!(versions, |version| times(&version.facts)),
        column!(versions, |version| version.tenant.0),
        column!(versions, |version| version.amend_no.map(|number| number.to_string()))
            as &[Option<String>],
        column!(versions, |version| version.effective_at.to_sqlx()) as _,
        column!(versions, |version| version.recorded_at.to_sqlx()) as _,
        column!(versions, |version| version.facts.period.from().to_sqlx()) as _,
        column!(versions, |version| version.facts.period.to().to_sqlx()) as _,
        column!(versions, |version| facts_json(&version.facts)),
        column!(versions, |version| version.premium.0),
        column!(versions, |version| version.tax.0),
        column!(versions, |version| version.vehicle.clone()),
        column!(versions, |version| version.input.clone()),
        column!(versions, |version| version.tariff_version.clone()),
        column!(versions, |version| version.parties_sealed.clone()),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Brings a policy row to how it stands after an endorsement.
pub async fn update(tx: &mut Tx, policy: &PolicyRecord) -> Result<(), ProductionError> {
    let ending = policy.facts.ending;
    sqlx::query!(
        r#"update production.policy
           set plate_kind = $3, plate = $4, engine_no = $5, owner_index = $6, cover_from = $7,
               cover_to = $8, premium_fen = $9, tax_fen = $10, endorse_times = $11,
               transferred_at = $12, ended_at = $13, end_kind = $14, facts = $15::text::json,
               tax_declaration_no = $16
           where slot = $1 and confirm_no = $2"#,
        i32::from(policy.frame.slot().0),
        policy.confirm_no.to_string(),
        plate_kind(policy),
        plate_number(policy),
        policy.engine_no,
        policy.owner_index,
        policy.facts.period.from().to_sqlx() as _,
        policy.facts.period.to().to_sqlx() as _,
        policy.premium.0,
        policy.tax.0,
        times(&policy.facts),
        policy.facts.transferred_at.map(|at| at.to_sqlx()) as _,
        ending.map(|ending| ending.at().to_sqlx()) as _,
        ending.map(|ending| match ending {
            Ending::Revoked { .. } => "revoked",
            Ending::Surrendered { .. } => "surrendered",
            Ending::Terminated { .. } => "terminated",
        }),
        facts_json(&policy.facts),
        policy.tax_declaration_no
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "delete from production.compulsory_plate_cover where confirm_no = $1",
        policy.confirm_no.to_string()
    )
    .execute(tx.conn())
    .await?;
    index_plates(tx, &[policy]).await
}

/// Keeps the look-up by plate, and the second lock of rule L03, in step with the policies.
async fn index_plates(tx: &mut Tx, policies: &[&PolicyRecord]) -> Result<(), ProductionError> {
    let mut plated: Vec<(&PolicyRecord, &Plate)> =
        policies.iter().filter_map(|policy| Some((*policy, policy.plate.as_ref()?))).collect();
    if plated.is_empty() {
        return Ok(());
    }
    plated.sort_by_key(|(policy, plate)| {
        (plate.number().to_owned(), plate.kind(), policy.frame.clone())
    });
    let live: Vec<(&PolicyRecord, &Plate, Timestamp)> = plated
        .iter()
        .filter(|(policy, _)| policy.facts.class == PolicyClass::Compulsory)
        .filter_map(|&(policy, plate)| {
            let period = policy.facts.period;
            let to = policy.facts.ending.map_or(period.to(), |ending| ending.at().min(period.to()));
            (period.from() < to).then_some((policy, plate, to))
        })
        .collect();
    sqlx::query!(
        r#"insert into production.compulsory_plate_cover
               (plate, plate_kind, engine_no, confirm_no, slot, cover)
           select plate, plate_kind, engine_no, confirm_no, slot, tstzrange(cover_from, cover_to, '[)')
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[],
                       $6::timestamptz[], $7::timestamptz[])
                    as fresh (plate, plate_kind, engine_no, confirm_no, slot, cover_from, cover_to)"#,
        column!(live, |row| row.1.number().to_owned()),
        column!(live, |row| row.1.kind().code().to_owned()),
        column!(live, |row| row.0.engine_no.clone()),
        column!(live, |row| row.0.confirm_no.to_string()),
        column!(live, |row| i32::from(row.0.frame.slot().0)),
        column!(live, |row| row.0.facts.period.from().to_sqlx()) as _,
        column!(live, |row| row.2.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    plated.dedup_by(|later, earlier| later.1 == earlier.1 && later.0.frame == earlier.0.frame);
    sqlx::query!(
        r#"insert into production.plate_index (plate, plate_kind, slot, frame_no, seen_at)
           select * from unnest($1::text[], $2::text[], $3::integer[], $4::text[],
                                $5::timestamptz[])
           on conflict (plate, plate_kind, frame_no)
               do update set seen_at = greatest(plate_index.seen_at, excluded.seen_at)"#,
        column!(plated, |row| row.1.number().to_owned()),
        column!(plated, |row| row.1.kind().code().to_owned()),
        column!(plated, |row| i32::from(row.0.frame.slot().0)),
        column!(plated, |row| row.0.frame.as_str().to_owned()),
        column!(plated, |row| row.0.issued_at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An own policy, held until the transaction ends.
pub async fn lock(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
) -> Result<PolicyRecord, ProductionError> {
    let row = sqlx::query_as!(
        PolicyRow,
        r#"select confirm_no, tenant_id, insurer, region, policy_no, query_no, frame_no, plate_kind,
                  plate, engine_no, owner_index, quoted_at, issued_at, short_term, premium_fen,
                  tax_fen, facts::text as "facts!", deferred_checks::text as "deferred_checks!",
                  tax_declaration_no
           from production.policy where slot = $1 and confirm_no = $2
           for update"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string()
    );
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ProductionError::not_found("policy", confirm_no))?.try_into()
}

/// Own policies, held until the transaction ends, in key order; what is not there is left out.
pub async fn lock_many(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
) -> Result<Vec<PolicyRecord>, ProductionError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        PolicyRow,
        r#"select confirm_no, tenant_id, insurer, region, policy_no, query_no, frame_no, plate_kind,
                  plate, engine_no, owner_index, quoted_at, issued_at, short_term, premium_fen,
                  tax_fen, facts::text as "facts!", deferred_checks::text as "deferred_checks!",
                  tax_declaration_no
           from production.policy
           where (slot, confirm_no) in (select * from unnest($1::integer[], $2::text[]))
           order by slot, confirm_no
           for update"#,
        column!(numbers, |number| i32::from(number.slot().0)),
        column!(numbers, |number| number.to_string()),
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(PolicyRecord::try_from).collect()
}

/// Versions of several own policies, of each first to last.
pub async fn versions_of(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
) -> Result<Vec<VersionRecord>, ProductionError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        VersionRow,
        r#"select confirm_no, tenant_id, amend_no, effective_at, recorded_at,
                  facts::text as "facts!", premium_fen, tax_fen, vehicle::text as "vehicle!",
                  input::text as "input!", tariff_version, parties_sealed
           from production.policy_version
           where (slot, confirm_no) in (select * from unnest($1::integer[], $2::text[]))
           order by confirm_no, endorse_times"#,
        column!(numbers, |number| i32::from(number.slot().0)),
        column!(numbers, |number| number.to_string()),
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(VersionRecord::try_from).collect()
}

/// An own policy as it stands.
pub async fn find(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
) -> Result<PolicyRecord, ProductionError> {
    let row = sqlx::query_as!(
        PolicyRow,
        r#"select confirm_no, tenant_id, insurer, region, policy_no, query_no, frame_no, plate_kind,
                  plate, engine_no, owner_index, quoted_at, issued_at, short_term, premium_fen,
                  tax_fen, facts::text as "facts!", deferred_checks::text as "deferred_checks!",
                  tax_declaration_no
           from production.policy where slot = $1 and confirm_no = $2"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string()
    );
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ProductionError::not_found("policy", confirm_no))?.try_into()
}

/// Versions of an own policy known at `as_of`, first to last.
pub async fn versions(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
    as_of: Option<Timestamp>,
) -> Result<Vec<VersionRecord>, ProductionError> {
    let rows = sqlx::query_as!(
        VersionRow,
        r#"select confirm_no, tenant_id, amend_no, effective_at, recorded_at,
                  facts::text as "facts!", premium_fen, tax_fen, vehicle::text as "vehicle!",
                  input::text as "input!", tariff_version, parties_sealed
           from production.policy_version
           where slot = $1 and confirm_no = $2
             and ($3::timestamptz is null or recorded_at <= $3)
           order by endorse_times"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string(),
        as_of.map(|at| at.to_sqlx()) as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(VersionRecord::try_from).collect()
}

/// Policy numbers of one tenant and class that are used already.
pub async fn used_numbers(
    tx: &mut Tx,
    wanted: &[(TenantId, PolicyClass, &str)],
) -> Result<Vec<(TenantId, String, String)>, ProductionError> {
    let rows = sqlx::query!(
        r#"select used.tenant_id, used.class, used.policy_no
           from unnest($1::uuid[], $2::text[], $3::text[]) as wanted (tenant_id, class, policy_no)
           join production.policy_number used using (tenant_id, class, policy_no)"#,
        column!(wanted, |row| row.0.0),
        column!(wanted, |row| row.1.name().to_owned()),
        column!(wanted, |row| row.2.to_owned()),
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.class, row.policy_no)).collect())
}

fn plate_kind(policy: &PolicyRecord) -> Option<String> {
    policy.plate.as_ref().map(|plate| plate.kind().code().to_owned())
}

fn plate_number(policy: &PolicyRecord) -> Option<String> {
    policy.plate.as_ref().map(|plate| plate.number().to_owned())
}

fn times(facts: &PolicyFacts) -> i32 {
    i32::try_from(facts.endorse_times).unwrap_or(i32::MAX)
}

fn facts_json(facts: &PolicyFacts) -> String {
    // A plain struct of numbers, instants and lists, which always serialises.
    serde_json::to_string(facts).unwrap_or_default()
}

struct PolicyRow {
    confirm_no: String,
    tenant_id: uuid::Uuid,
    insurer: String,
    region: String,
    policy_no: String,
    query_no: String,
    frame_no: String,
    plate_kind: Option<String>,
    plate: Option<String>,
    engine_no: String,
    owner_index: Vec<u8>,
    quoted_at: jiff_sqlx::Timestamp,
    issued_at: jiff_sqlx::Timestamp,
    short_term: bool,
    premium_fen: i64,
    tax_fen: i64,
    facts: String,
    deferred_checks: String,
    tax_declaration_no: Option<String>,
}

impl TryFrom<PolicyRow> for PolicyRecord {
    type Error = ProductionError;

    fn try_from(row: PolicyRow) -> Result<PolicyRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("policy");
        let plate = match (row.plate_kind, row.plate) {
            (Some(kind), Some(number)) => Some(stored_plate(&kind, &number).ok_or_else(corrupt)?),
            _ => None,
        };
        Ok(PolicyRecord {
            confirm_no: PlatformNumber::parse(&row.confirm_no).map_err(|_| corrupt())?,
            tenant: TenantId(row.tenant_id),
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            region: Region::parse(&row.region).map_err(|_| corrupt())?,
            policy_no: row.policy_no,
            query_no: PlatformNumber::parse(&row.query_no).map_err(|_| corrupt())?,
            frame: stored_frame(&row.frame_no)?,
            plate,
            engine_no: row.engine_no,
            owner_index: row.owner_index,
            quoted_at: row.quoted_at.to_jiff(),
            issued_at: row.issued_at.to_jiff(),
            short_term: row.short_term,
            premium: Fen(row.premium_fen),
            tax: Fen(row.tax_fen),
            facts: serde_json::from_str(&row.facts).map_err(|_| corrupt())?,
            deferred_checks: row.deferred_checks,
            tax_declaration_no: row.tax_declaration_no,
        })
    }
}

/// A plate as stored: already normalised.
pub fn stored_plate(kind: &str, number: &str) -> Option<Plate> {
    let kind = production_core::plate::PlateKind::parse(kind).ok()?;
    Plate::parse(number, kind).ok()
}

struct VersionRow {
    confirm_no: String,
    tenant_id: uuid::Uuid,
    amend_no: Option<String>,
    effective_at: jiff_sqlx::Timestamp,
    recorded_at: jiff_sqlx::Timestamp,
    facts: String,
    premium_fen: i64,
    tax_fen: i64,
    vehicle: String,
    input: String,
    tariff_version: String,
    parties_sealed: Vec<u8>,
}

impl TryFrom<VersionRow> for VersionRecord {
    type Error = ProductionError;

    fn try_from(row: VersionRow) -> Result<VersionRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("policy version");
        let amend_no = row.amend_no.map(|number| PlatformNumber::parse(&number)).transpose();
        Ok(VersionRecord {
            confirm_no: PlatformNumber::parse(&row.confirm_no).map_err(|_| corrupt())?,
            tenant: TenantId(row.tenant_id),
            amend_no: amend_no.map_err(|_| corrupt())?,
            effective_at: row.effective_at.to_jiff(),
            recorded_at: row.recorded_at.to_jiff(),
            facts: serde_json::from_str(&row.facts).map_err(|_| corrupt())?,
            premium: Fen(row.premium_fen),
            tax: Fen(row.tax_fen),
            vehicle: row.vehicle,
            input: row.input,
            tariff_version: row.tariff_version,
            parties_sealed: row.parties_sealed,
        })
    }
}

//! Claims as they are read back: own ones in lists, every insurer's on a vehicle and of an accident.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use production_core::claim::{Case, Liability, Stage, Step, StepFacts};
use production_core::frame::FrameNo;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;

use crate::claim::mark::MarkKind;
use crate::error::ProductionError;
use crate::store::lookup::{keys, parsed};
use crate::store::quote::stored_frame;

/// Which own claims to list.
#[derive(Clone, Debug, Default)]
pub struct ClaimFilter {
    /// Of one insured vehicle.
    pub frame: Option<FrameNo>,
    /// Of one line.
    pub class: Option<PolicyClass>,
    /// That stand so now.
    pub stage: Option<Stage>,
    /// Under one policy.
    pub confirm_no: Option<PlatformNumber>,
    /// Of one report.
    pub report_no: Option<String>,
    /// Of accidents at or after.
    pub accident_from: Option<Timestamp>,
    /// Of accidents before.
    pub accident_to: Option<Timestamp>,
    /// Recorded at or after.
    pub recorded_from: Option<Timestamp>,
    /// Recorded before.
    pub recorded_to: Option<Timestamp>,
    /// Recorded by this instant.
    pub known_at: Option<Timestamp>,
    /// With a duty whose time may be over at this instant: it is but for public holidays.
    pub overdue_at: Option<Timestamp>,
    /// Rows before this one, latest first.
    pub after: Option<(Timestamp, String)>,
}

/// An own claim.
#[derive(Clone, Debug)]
pub struct ListedClaim {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// Branch region of the policy.
    pub region: String,
    /// Confirm code of the policy.
    pub confirm_no: PlatformNumber,
    /// The insurer's own number of the policy.
    pub policy_no: String,
    /// The insurer's number of the report.
    pub report_no: String,
    /// The insured vehicle.
    pub frame: FrameNo,
    /// Steps that made the case.
    pub steps: i32,
    /// The case.
    pub case: Case,
    /// When it was reported to the platform.
    pub recorded_at: Timestamp,
    /// When the last of the steps was recorded.
    pub changed_at: Timestamp,
}

/// Own claims, latest first, at most `limit`.
pub async fn claims(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &ClaimFilter,
    limit: i64,
) -> Result<Vec<ListedClaim>, ProductionError> {
    let (after_at, after_no) = filter.after.clone().unzip();
    tx.plan_by_values().await?;
    let rows = sqlx::query_as!(
        StoredLine,
        r#"select claim_no, region, confirm_no, policy_no, report_no, frame_no, steps,
                  facts::text as "facts!", recorded_at, changed_at
           from production.claim
           where tenant_id = $1
             and ($2::integer is null or slot = $2)
             and ($3::text is null or frame_no = $3)
             and ($4::text is null or class = $4)
             and ($5::text is null or stage = $5)
             and ($6::integer is null or slot = $6)
             and ($7::text is null or confirm_no = $7)
             and ($8::text is null or report_no = $8)
             and ($9::timestamptz is null or accident_at >= $9)
             and ($10::timestamptz is null or accident_at < $10)
             and ($11::timestamptz is null or recorded_at >= $11)
             and ($12::timestamptz is null or recorded_at < $12)
             and ($13::timestamptz is null or recorded_at <= $13)
             and ($14::timestamptz is null or next_due_at <= $14)
             and ($15::timestamptz is null or (recorded_at, claim_no) < ($15, $16))
           order by recorded_at desc, claim_no desc
           limit $17"#,
        tenant.0,
        filter.frame.as_ref().map(|frame| i32::from(frame.slot().0)),
        filter.frame.as_ref().map(|frame| frame.as_str()),
        filter.class.map(|class| class.name()),
        filter.stage.map(|stage| stage.name()),
        filter.confirm_no.map(|number| i32::from(number.slot().0)),
        filter.confirm_no.map(|number| number.to_string()),
        filter.report_no.as_deref(),
        filter.accident_from.map(|at| at.to_sqlx()) as _,
        filter.accident_to.map(|at| at.to_sqlx()) as _,
        filter.recorded_from.map(|at| at.to_sqlx()) as _,
        filter.recorded_to.map(|at| at.to_sqlx()) as _,
        filter.known_at.map(|at| at.to_sqlx()) as _,
        filter.overdue_at.map(|at| at.to_sqlx()) as _,
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ListedClaim::try_from).collect()
}

/// The own claims among `numbers`, in no order.
pub async fn own(
    tx: &mut Tx,
    numbers: impl IntoIterator<Item = PlatformNumber>,
) -> Result<Vec<ListedClaim>, ProductionError> {
    let (slots, numbers) = keys(numbers);
    let rows = sqlx::query_as!(
        StoredLine,
        r#"select claim_no, region, confirm_no, policy_no, report_no, frame_no, steps,
                  facts::text as "facts!", recorded_at, changed_at
           from production.claim
           where (slot, claim_no) in (select * from unnest($1::integer[], $2::text[]))"#,
        &slots,
        &numbers
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ListedClaim::try_from).collect()
}

/// A step of an own claim as far as the case depends on it.
#[derive(Clone, Debug)]
pub struct ToldStep {
    /// What it said.
    pub facts: StepFacts,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// Steps of own claims recorded by `known_at`, first to last, by claim.
pub async fn told(
    tx: &mut Tx,
    numbers: impl IntoIterator<Item = PlatformNumber>,
    known_at: Timestamp,
) -> Result<HashMap<PlatformNumber, Vec<ToldStep>>, ProductionError> {
    let (slots, numbers) = keys(numbers);
    let rows = sqlx::query!(
        r#"select s.claim_no, s.facts::text as "facts!", s.recorded_at
           from unnest($1::integer[], $2::text[]) as wanted (slot, claim_no)
           join production.claim_step s on s.slot = wanted.slot and s.claim_no = wanted.claim_no
           where s.recorded_at <= $3
           order by s.claim_no, s.sequence"#,
        &slots,
        &numbers,
        known_at.to_sqlx() as _
    );
    let mut told: HashMap<_, Vec<ToldStep>> = HashMap::new();
    for row in rows.fetch_all(tx.conn()).await? {
        let step =
            ToldStep { facts: stored_facts(&row.facts)?, recorded_at: row.recorded_at.to_jiff() };
        told.entry(parsed(&row.claim_no, "claim step")?).or_default().push(step);
    }
    Ok(told)
}

/// What a stored step said.
pub fn stored_facts(text: &str) -> Result<StepFacts, ProductionError> {
    serde_json::from_str(text).map_err(|_| ProductionError::Corrupt("claim step"))
}

/// The closing of a claim of any insurer, as far as the market sees it.
#[derive(Clone, Copy, Debug)]
pub struct ChainClosing {
    /// When it was closed.
    pub at: Timestamp,
    /// It pays something.
    pub pays: bool,
    /// Who is liable.
    pub liability: Liability,
    /// Whether its insurer counts it, when it says so.
    pub counts: Option<bool>,
    /// What an upheld dispute made of that.
    pub corrected_counts: Option<bool>,
}

/// A claim of any insurer on the chain of a vehicle, as it was known.
#[derive(Clone, Copy, Debug)]
pub struct ChainClaim {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// Who handles it.
    pub insurer: InsurerCode,
    /// Product line of its policy.
    pub class: PolicyClass,
    /// When the accident happened.
    pub accident_at: Timestamp,
    /// The closing, reopening or cancellation that came last.
    pub last_turn: Option<Step>,
    /// The closing that holds.
    pub closing: Option<ChainClosing>,
    /// Money went out, and not all of it came back.
    pub paid: bool,
}

/// Every claim of a vehicle as known at `at`, latest accident first.
pub async fn on_chain(
    tx: &mut Tx,
    frame: &FrameNo,
    at: Timestamp,
) -> Result<Vec<ChainClaim>, ProductionError> {
    let rows = sqlx::query!(
        r#"select claim_no as "claim_no!", insurer as "insurer!", class as "class!",
                  accident_at as "accident_at!", last_turn, closed_at, closing_pays,
                  closing_liability, closing_counts, corrected_counts, paid as "paid!"
           from production.chain_claims($1, $2, $3)"#,
        i32::from(frame.slot().0),
        frame.as_str(),
        at.to_sqlx() as _
    );
    let corrupt = || ProductionError::Corrupt("claim");
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let closing = match (row.closed_at, row.closing_pays, row.closing_liability) {
            (Some(at), Some(pays), Some(liability)) => Some(ChainClosing {
                at: at.to_jiff(),
                pays,
                liability: Liability::parse(&liability).map_err(|_| corrupt())?,
                counts: row.closing_counts,
                corrected_counts: row.corrected_counts,
            }),
            (None, None, None) => None,
            _ => return Err(corrupt()),
        };
        let last_turn = row.last_turn.map(|code| Step::parse(&code)).transpose();
        Ok(ChainClaim {
            claim_no: parsed(&row.claim_no, "claim")?,
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            class: PolicyClass::parse(&row.class).map_err(|_| corrupt())?,
            accident_at: row.accident_at.to_jiff(),
            last_turn: last_turn.map_err(|_| corrupt())?,
            closing,
            paid: row.paid,
        })
    });
    rows.collect()
}

/// A claim of any insurer, as far as looks at its vehicle go.
#[derive(Clone, Copy, Debug)]
pub struct ClaimOnVehicle {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// When it was reported to the platform.
    pub recorded_at: Timestamp,
    /// When its cancellation was recorded.
    pub cancelled_at: Option<Timestamp>,
}

/// Every insurer's claims on a vehicle known at `at`.
pub async fn on_vehicle(
    tx: &mut Tx,
    frame: &FrameNo,
    at: Timestamp,
) -> Result<Vec<ClaimOnVehicle>, ProductionError> {
    let rows = sqlx::query!(
        r#"select claim_no as "claim_no!", recorded_at as "recorded_at!", cancelled_at
           from production.claims_on_vehicle($1, $2, $3)"#,
        i32::from(frame.slot().0),
        frame.as_str(),
        at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(ClaimOnVehicle {
            claim_no: parsed(&row.claim_no, "claim")?,
            recorded_at: row.recorded_at.to_jiff(),
            cancelled_at: row.cancelled_at.map(|at| at.to_jiff()),
        })
    });
    rows.collect()
}

/// What a claim's accident is told by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccidentMark {
    /// A frame number, a plate or a police number.
    pub kind: MarkKind,
    /// Keyed digest.
    pub mark: Vec<u8>,
}

/// Marks of claims of every insurer that tell their accidents, as known at `known_at`.
pub async fn accident_marks(
    tx: &mut Tx,
    numbers: impl IntoIterator<Item = PlatformNumber>,
    known_at: Timestamp,
) -> Result<Vec<(PlatformNumber, AccidentMark)>, ProductionError> {
    let (slots, numbers) = keys(numbers);
    let rows = sqlx::query!(
        r#"select claim_no as "claim_no!", kind as "kind!", mark as "mark!"
           from production.accident_marks($1, $2, $3)"#,
        &slots,
        &numbers,
        known_at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let mark = AccidentMark { kind: MarkKind::parse(&row.kind)?, mark: row.mark };
        Ok((parsed(&row.claim_no, "claim mark")?, mark))
    });
    rows.collect()
}

/// A mark to look for, and when the other accident may have happened.
#[derive(Clone, Debug)]
pub struct AccidentQuestion {
    /// What to look for.
    pub mark: AccidentMark,
    /// From here, included.
    pub from: Timestamp,
    /// To here, included.
    pub to: Timestamp,
}

/// A claim of any insurer that carries a mark.
#[derive(Clone, Debug)]
pub struct AccidentClaim {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// Who handles it.
    pub insurer: InsurerCode,
    /// Product line of its policy.
    pub class: PolicyClass,
    /// The insured vehicle.
    pub frame: FrameNo,
    /// When the accident happened.
    pub accident_at: Timestamp,
    /// Where, when told.
    pub district: Option<String>,
}

/// Claims of every insurer that carried one of the marks at `known_at` and were not given up by
/// then, each with the position of the mark, from 0; at most `most` for each mark.
pub async fn accident_claims(
    tx: &mut Tx,
    questions: &[AccidentQuestion],
    known_at: Timestamp,
    most: i32,
) -> Result<Vec<(usize, AccidentClaim)>, ProductionError> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Vec<String> =
        questions.iter().map(|question| question.mark.kind.name().to_owned()).collect();
    let marks: Vec<Vec<u8>> = questions.iter().map(|question| question.mark.mark.clone()).collect();
    let froms: Vec<_> = questions.iter().map(|question| question.from.to_sqlx()).collect();
    let tos: Vec<_> = questions.iter().map(|question| question.to.to_sqlx()).collect();
    let rows = sqlx::query!(
        r#"select place as "place!", claim_no as "claim_no!", insurer as "insurer!",
                  class as "class!", frame_no as "frame_no!", accident_at as "accident_at!",
                  district
           from production.accident_claims($1, $2, $3, $4, $5, $6)"#,
        &kinds,
        &marks,
        &froms as _,
        &tos as _,
        known_at.to_sqlx() as _,
        most
    );
    let corrupt = || ProductionError::Corrupt("claim mark");
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let claim = AccidentClaim {
            claim_no: parsed(&row.claim_no, "claim mark")?,
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            class: PolicyClass::parse(&row.class).map_err(|_| corrupt())?,
            frame: stored_frame(&row.frame_no)?,
            accident_at: row.accident_at.to_jiff(),
            district: row.district,
        };
        Ok((usize::try_from(row.place - 1).map_err(|_| corrupt())?, claim))
    });
    rows.collect()
}

struct StoredLine {
    claim_no: String,
    region: String,
    confirm_no: String,
    policy_no: String,
    report_no: String,
    frame_no: String,
    steps: i32,
    facts: String,
    recorded_at: jiff_sqlx::Timestamp,
    changed_at: jiff_sqlx::Timestamp,
}

impl TryFrom<StoredLine> for ListedClaim {
    type Error = ProductionError;

    fn try_from(row: StoredLine) -> Result<ListedClaim, ProductionError> {
        let case = serde_json::from_str(&row.facts);
        Ok(ListedClaim {
            claim_no: parsed(&row.claim_no, "claim")?,
            region: row.region,
            confirm_no: parsed(&row.confirm_no, "claim")?,
            policy_no: row.policy_no,
            report_no: row.report_no,
            frame: stored_frame(&row.frame_no)?,
            steps: row.steps,
            case: case.map_err(|_| ProductionError::Corrupt("claim"))?,
            recorded_at: row.recorded_at.to_jiff(),
            changed_at: row.changed_at.to_jiff(),
        })
    }
}

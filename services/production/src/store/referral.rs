//! Referrals of claims: where each stands, what it rests on, what was concluded in each round.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::claim::referral::{Conclusion, Finding, ReferralStage, Scheme};
use production_core::number::PlatformNumber;
use serde::Deserialize;
use uuid::Uuid;

use crate::claim::answer::HintView;
use crate::claim::hint::{names_of, renamed};
use crate::claim::score::Band;
use crate::error::ProductionError;

/// A referral as stored.
#[derive(Clone, Debug)]
pub struct ReferralRow {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// How often it was opened.
    pub round: i32,
    /// Where it stands.
    pub stage: ReferralStage,
    /// What opened this round.
    pub origin: Origin,
    /// The highest band so far.
    pub band: Option<Band>,
    /// The highest chance so far.
    pub chance_ppm: Option<u32>,
    /// Rules it rests on, each once.
    pub rules: Vec<String>,
    /// When this round was opened.
    pub opened_at: Timestamp,
    /// When it last became another.
    pub changed_at: Timestamp,
    /// Who looks into it, or looked; kept after the conclusion.
    pub assignee: Option<(String, Timestamp)>,
}

/// What opens a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A fraud score.
    Score,
    /// A rule of risk hints.
    Rule,
    /// Somebody.
    Person,
}

/// Something a referral rests on.
#[derive(Clone, Debug)]
pub struct EvidenceRow {
    /// In which round it was found.
    pub round: i32,
    /// The step it was found at.
    pub sequence: Option<i32>,
    /// The rule.
    pub rule: Option<String>,
    /// In words.
    pub text: String,
    /// The other case.
    pub other_claim_no: Option<String>,
    /// Who told it.
    pub told_by: Option<String>,
    /// When.
    pub told_at: Timestamp,
}

/// Which referrals to list.
#[derive(Clone, Debug, Default)]
pub struct ReferralFilter {
    /// In this state.
    pub state: Option<String>,
    /// Of this band or a higher one.
    pub band: Option<Band>,
    /// Resting on this rule.
    pub rule: Option<String>,
    /// With this investigator.
    pub assignee: Option<String>,
    /// Rows before this one, latest first.
    pub after: Option<(Timestamp, String)>,
}

impl Origin {
    /// The word of messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Score => "score",
            Origin::Rule => "rule",
            Origin::Person => "person",
        }
    }

    fn parse(name: &str) -> Option<Origin> {
        [Origin::Score, Origin::Rule, Origin::Person].into_iter().find(|own| own.name() == name)
    }
}

/// Referrals with the conclusion of their round, where the rest holds.
macro_rules! referrals {
    ($rest:literal $($arguments:tt)*) => {
        sqlx::query_as!(
            StoredReferral,
            r#"select r.claim_no, r.tenant_id, r.round, r.state, r.origin, r.band, r.chance_ppm,
                   r.rules, r.opened_at as "opened_at: _", r.changed_at as "changed_at: _", r.assignee,
                   r.assigned_at as "assigned_at: _", c.finding as "finding?",
                   c.saved_fen as "saved_fen?", c.schemes as "schemes?", c.note as "note?",
                   c.concluded_by as "concluded_by?", c.concluded_at as "concluded_at?: _"
               from production.referral r
               left join production.referral_conclusion c
                   on c.slot = r.slot and c.claim_no = r.claim_no and c.round = r.round
               "# + $rest $($arguments)*
        )
    };
}

/// The referral of an own claim.
pub(crate) async fn find(
    tx: &mut Tx,
    claim_no: PlatformNumber,
) -> Result<Option<ReferralRow>, ProductionError> {
    let row = referrals!(
        "where r.slot = $1 and r.claim_no = $2",
        i32::from(claim_no.slot().0),
        claim_no.to_string()
    );
    row.fetch_optional(tx.conn()).await?.map(ReferralRow::try_from).transpose()
}

/// The referrals of own claims, held until the transaction ends.
pub(crate) async fn lock(
    tx: &mut Tx,
    claim_nos: &[PlatformNumber],
) -> Result<Vec<ReferralRow>, ProductionError> {
    if claim_nos.is_empty() {
        return Ok(Vec::new());
    }
    let slots: Vec<i32> = claim_nos.iter().map(|claim_no| claim_no.slot().0.into()).collect();
    let numbers: Vec<String> = claim_nos.iter().map(ToString::to_string).collect();
    let rows = referrals!(
        "where (r.slot, r.claim_no) in (select * from unnest($1::integer[], $2::text[])) \
         order by r.slot, r.claim_no for update of r",
        &slots,
        &numbers
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ReferralRow::try_from).collect()
}

/// Own referrals, the latest changed first.
pub(crate) async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &ReferralFilter,
    limit: i64,
) -> Result<Vec<ReferralRow>, ProductionError> {
    let bands = filter.band.map(|least| {
        let all = [Band::Low, Band::Review, Band::High].into_iter();
        all.filter(|band| *band >= least).map(|band| band.name().to_owned()).collect::<Vec<_>>()
    });
    let rules = filter.rule.as_deref().map(names_of);
    let (after_at, after_no) = filter.after.clone().unzip();
    let rows = referrals!(
        "where r.tenant_id = $1
           and ($2::text is null or r.state = $2)
           and ($3::text[] is null or r.band = any ($3))
           and ($4::text[] is null or r.rules && $4)
           and ($5::text is null or r.assignee = $5)
           and ($6::timestamptz is null or (r.changed_at, r.claim_no) < ($6, $7))
         order by r.changed_at desc, r.claim_no desc
         limit $8",
        tenant.0,
        filter.state,
        bands.as_deref(),
        rules.as_deref(),
        filter.assignee,
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ReferralRow::try_from).collect()
}

/// Writes a referral, new or as it stands now, with the conclusion that ended the round.
pub(crate) async fn save(tx: &mut Tx, row: &ReferralRow) -> Result<(), ProductionError> {
    let (assignee, assigned_at) = match &row.stage {
        ReferralStage::Open => (None, None),
        ReferralStage::Assigned { to, at } => (Some(to.clone()), Some(*at)),
        ReferralStage::Concluded(_) => row.assignee.clone().unzip(),
    };
    let concluded_at = match &row.stage {
        ReferralStage::Concluded(found) => Some(found.at),
        _ => None,
    };
    sqlx::query!(
        r#"insert into production.referral
               (slot, claim_no, tenant_id, round, state, origin, band, chance_ppm, rules, opened_at,
                changed_at, assignee, assigned_at, concluded_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
           on conflict (slot, claim_no) do update
           set round = excluded.round, state = excluded.state, origin = excluded.origin,
               band = excluded.band, chance_ppm = excluded.chance_ppm, rules = excluded.rules,
               opened_at = excluded.opened_at, changed_at = excluded.changed_at,
               assignee = excluded.assignee, assigned_at = excluded.assigned_at,
               concluded_at = excluded.concluded_at"#,
        i32::from(row.claim_no.slot().0),
        row.claim_no.to_string(),
        row.tenant.0,
        row.round,
        row.stage.name(),
        row.origin.name(),
        row.band.map(Band::name),
        row.chance_ppm.and_then(|chance| i32::try_from(chance).ok()),
        &row.rules,
        row.opened_at.to_sqlx() as _,
        row.changed_at.to_sqlx() as _,
        assignee,
        assigned_at.map(|at| at.to_sqlx()) as _,
        concluded_at.map(|at| at.to_sqlx()) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what a round was concluded with.
pub(crate) async fn insert_conclusion(
    tx: &mut Tx,
    row: &ReferralRow,
    found: &Conclusion,
) -> Result<(), ProductionError> {
    let schemes: Vec<String> =
        found.schemes.iter().map(|scheme| scheme.code().to_owned()).collect();
    sqlx::query!(
        r#"insert into production.referral_conclusion
               (slot, claim_no, round, tenant_id, finding, saved_fen, schemes, note, concluded_by,
                concluded_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"#,
        i32::from(row.claim_no.slot().0),
        row.claim_no.to_string(),
        row.round,
        row.tenant.0,
        found.finding.name(),
        found.saved.0,
        &schemes,
        found.note,
        found.by,
        found.at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What was concluded of an own claim, round by round.
pub(crate) async fn conclusions(
    tx: &mut Tx,
    claim_no: PlatformNumber,
) -> Result<Vec<(i32, Conclusion)>, ProductionError> {
    let rows = sqlx::query!(
        r#"select round, finding, saved_fen, schemes, note, concluded_by,
                  concluded_at as "concluded_at: jiff_sqlx::Timestamp"
           from production.referral_conclusion where slot = $1 and claim_no = $2 order by round"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string()
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let found = conclusion(
            &row.finding,
            row.saved_fen,
            &row.schemes,
            row.note,
            (row.concluded_by, row.concluded_at.to_jiff()),
        );
        Ok((row.round, found?))
    });
    rows.collect()
}

/// What the referral of an own claim rests on, first to last.
pub(crate) async fn evidence(
    tx: &mut Tx,
    claim_no: PlatformNumber,
) -> Result<Vec<EvidenceRow>, ProductionError> {
    let rows = sqlx::query!(
        r#"select round, sequence, rule, text, other_claim_no, told_by,
                  told_at as "told_at: jiff_sqlx::Timestamp"
           from production.referral_evidence where slot = $1 and claim_no = $2 order by place"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string()
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| EvidenceRow {
        round: row.round,
        sequence: row.sequence,
        rule: row.rule.map(renamed),
        text: row.text,
        other_claim_no: row.other_claim_no,
        told_by: row.told_by,
        told_at: row.told_at.to_jiff(),
    });
    Ok(rows.collect())
}

/// Adds evidence behind what is there.
pub(crate) async fn insert_evidence(
    tx: &mut Tx,
    referral: &ReferralRow,
    fresh: &[EvidenceRow],
) -> Result<(), ProductionError> {
    if fresh.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"insert into production.referral_evidence
               (slot, claim_no, place, tenant_id, round, sequence, rule, text, other_claim_no,
                told_by, told_at)
           select $1, $2, known.last + fresh.place, $3, fresh.round, fresh.sequence, fresh.rule,
                  fresh.text, fresh.other_claim_no, fresh.told_by, fresh.told_at
           from (select coalesce(max(place), 0) as last from production.referral_evidence
                 where slot = $1 and claim_no = $2) known,
                unnest($4::integer[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::text[],
                       $10::timestamptz[]) with ordinality
                    as fresh (round, sequence, rule, text, other_claim_no, told_by, told_at, place)"#,
        i32::from(referral.claim_no.slot().0),
        referral.claim_no.to_string(),
        referral.tenant.0,
        column!(fresh, |row| row.round),
        column!(fresh, |row| row.sequence) as &[Option<i32>],
        column!(fresh, |row| row.rule.clone()) as &[Option<String>],
        column!(fresh, |row| row.text.clone()),
        column!(fresh, |row| row.other_claim_no.clone()) as &[Option<String>],
        column!(fresh, |row| row.told_by.clone()) as &[Option<String>],
        column!(fresh, |row| row.told_at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    risk_hints: Vec<HintView>,
}

/// Risk hints an own claim's steps were answered with: each with the step and when.
pub(crate) async fn hints_told(
    tx: &mut Tx,
    claim_no: PlatformNumber,
) -> Result<Vec<(i32, Timestamp, HintView)>, ProductionError> {
    let rows = sqlx::query!(
        r#"select sequence, answer, recorded_at as "recorded_at: jiff_sqlx::Timestamp"
           from production.claim_step where slot = $1 and claim_no = $2 order by sequence"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string()
    );
    let mut hints = Vec::new();
    for row in rows.fetch_all(tx.conn()).await? {
        let answered: Answered = serde_json::from_slice(&row.answer)
            .map_err(|_| ProductionError::Corrupt("claim step"))?;
        let at = row.recorded_at.to_jiff();
        hints.extend(answered.risk_hints.into_iter().map(|hint| (row.sequence, at, hint)));
    }
    Ok(hints)
}

/// A claim and what was concluded of it last.
#[derive(Clone, Debug)]
pub(crate) struct LabelRow {
    pub(crate) claim_no: PlatformNumber,
    pub(crate) finding: Finding,
    pub(crate) concluded_at: Timestamp,
}

/// Own claims that were concluded, in the order of their last conclusion, behind the one given. A claim
/// whose referral was opened again keeps its label until it is concluded anew.
pub(crate) async fn labels(
    tx: &mut Tx,
    tenant: TenantId,
    after: Option<(Timestamp, String)>,
    limit: i64,
) -> Result<Vec<LabelRow>, ProductionError> {
    let (after_at, after_no) = after.unzip();
    let rows = sqlx::query!(
        r#"select claim_no, finding, concluded_at as "concluded_at: jiff_sqlx::Timestamp"
           from production.referral_conclusion c
           where tenant_id = $1
             and ($2::timestamptz is null or (concluded_at, claim_no) > ($2, $3))
             and not exists (select from production.referral_conclusion later
                             where later.slot = c.slot and later.claim_no = c.claim_no
                               and later.round > c.round)
           order by concluded_at, claim_no
           limit $4"#,
        tenant.0,
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        limit
    );
    let corrupt = || ProductionError::Corrupt("referral");
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(LabelRow {
            claim_no: PlatformNumber::parse(&row.claim_no).map_err(|_| corrupt())?,
            finding: Finding::parse(&row.finding).ok_or_else(corrupt)?,
            concluded_at: row.concluded_at.to_jiff(),
        })
    });
    rows.collect()
}

struct StoredReferral {
    claim_no: String,
    tenant_id: Uuid,
    round: i32,
    state: String,
    origin: String,
    band: Option<String>,
    chance_ppm: Option<i32>,
    rules: Vec<String>,
    opened_at: jiff_sqlx::Timestamp,
    changed_at: jiff_sqlx::Timestamp,
    assignee: Option<String>,
    assigned_at: Option<jiff_sqlx::Timestamp>,
    finding: Option<String>,
    saved_fen: Option<i64>,
    schemes: Option<Vec<String>>,
    note: Option<String>,
    concluded_by: Option<String>,
    concluded_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<StoredReferral> for ReferralRow {
    type Error = ProductionError;

    fn try_from(row: StoredReferral) -> Result<ReferralRow, ProductionError> {
        let corrupt = || ProductionError::Corrupt("referral");
        let assignee = row.assignee.zip(row.assigned_at.map(|at| at.to_jiff()));
        let stage = match (row.state.as_str(), assignee.clone(), row.finding) {
            ("open", None, None) => ReferralStage::Open,
            ("assigned", Some((to, at)), None) => ReferralStage::Assigned { to, at },
            ("concluded", Some(_), Some(finding)) => {
                let by = row.concluded_by.zip(row.concluded_at.map(|at| at.to_jiff()));
                ReferralStage::Concluded(conclusion(
                    &finding,
                    row.saved_fen.ok_or_else(corrupt)?,
                    &row.schemes.ok_or_else(corrupt)?,
                    row.note,
                    by.ok_or_else(corrupt)?,
                )?)
            }
            _ => return Err(corrupt()),
        };
        let band = row.band.map(|band| Band::parse(&band).ok_or_else(corrupt)).transpose()?;
        Ok(ReferralRow {
            claim_no: PlatformNumber::parse(&row.claim_no).map_err(|_| corrupt())?,
            tenant: TenantId(row.tenant_id),
            round: row.round,
            stage,
            origin: Origin::parse(&row.origin).ok_or_else(corrupt)?,
            band,
            chance_ppm: row.chance_ppm.and_then(|chance| u32::try_from(chance).ok()),
            rules: row.rules.into_iter().map(renamed).collect(),
            opened_at: row.opened_at.to_jiff(),
            changed_at: row.changed_at.to_jiff(),
            assignee,
        })
    }
}

fn conclusion(
    finding: &str,
    saved_fen: i64,
    schemes: &[String],
    note: Option<String>,
    (by, at): (String, Timestamp),
) -> Result<Conclusion, ProductionError> {
    let corrupt = || ProductionError::Corrupt("referral");
    let schemes = schemes.iter().map(|scheme| Scheme::parse(scheme).map_err(|_| corrupt()));
    Ok(Conclusion {
        finding: Finding::parse(finding).ok_or_else(corrupt)?,
        saved: Fen(saved_fen),
        schemes: schemes.collect::<Result<_, _>>()?,
        note,
        by,
        at,
    })
}

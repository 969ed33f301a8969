//! Marks: what cases of different insurers have in common, by digest.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use pg::Tx;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;

use crate::claim::mark::MarkKind;
use crate::error::ProductionError;
use crate::store::claim::ClaimRow;

/// A mark of a case, digested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRow {
    /// What it is.
    pub kind: MarkKind,
    /// Keyed digest.
    pub mark: Vec<u8>,
    /// Of the insured vehicle's side.
    pub own: bool,
    /// Where the message says it; not stored.
    pub pointer: Option<String>,
}

/// Another case that carries a mark.
#[derive(Clone, Debug)]
pub struct Marked {
    /// Position of the mark asked for, from 0.
    pub place: usize,
    /// What was found in common.
    pub kind: MarkKind,
    /// The other case.
    pub claim_no: PlatformNumber,
    /// Who handles it.
    pub insurer: InsurerCode,
    /// Product line of its policy.
    pub class: PolicyClass,
    /// When its accident happened.
    pub accident_at: Timestamp,
    /// Where, when told.
    pub district: Option<String>,
    /// Of its insured vehicle's side.
    pub own: bool,
    /// Where the message that was looked for says it.
    pub pointer: Option<String>,
}

/// Which mark to look for, and when the other accident may have happened.
#[derive(Clone, Debug)]
pub struct MarkQuestion {
    /// What it is.
    pub kind: MarkKind,
    /// Keyed digest.
    pub mark: Vec<u8>,
    /// From here, included.
    pub from: Timestamp,
    /// To here, included.
    pub to: Timestamp,
    /// Where the message says it.
    pub pointer: Option<String>,
}

/// Notes what cases can be recognised by; a mark that is there already stays.
pub async fn insert_marks(
    tx: &mut Tx,
    marks: &[(&ClaimRow, &MarkRow)],
    now: Timestamp,
) -> Result<(), ProductionError> {
    if marks.is_empty() {
        return Ok(());
    }
    // In key order, so that two sets never wait for each other in a circle.
    let mut marks = marks.to_vec();
    marks.sort_by(|(one_claim, one), (other_claim, other)| {
        (one.kind, &one.mark, one_claim.claim_no).cmp(&(
            other.kind,
            &other.mark,
            other_claim.claim_no,
        ))
    });
    marks.dedup_by(|(later_claim, later), (claim, mark)| {
        later.kind == mark.kind && later.mark == mark.mark && later_claim.claim_no == claim.claim_no
    });
    sqlx::query!(
        r#"insert into production.claim_mark
               (kind, mark, slot, claim_no, insurer, class, accident_at, district, own, recorded_at)
           select kind, mark, slot, claim_no, insurer, class, accident_at, district, own, $10
           from unnest($1::text[], $2::bytea[], $3::integer[], $4::text[], $5::text[], $6::text[],
                       $7::timestamptz[], $8::text[], $9::boolean[])
                    as fresh (kind, mark, slot, claim_no, insurer, class, accident_at, district, own)
           on conflict do nothing"#,
        column!(marks, |row| row.1.kind.name().to_owned()),
        column!(marks, |row| row.1.mark.clone()),
        column!(marks, |row| i32::from(row.0.claim_no.slot().0)),
        column!(marks, |row| row.0.claim_no.to_string()),
        column!(marks, |row| row.0.insurer.as_str().to_owned()),
        column!(marks, |row| row.0.case.class.name().to_owned()),
        column!(marks, |row| row.0.case.notify.accident_at.to_sqlx()) as _,
        column!(marks, |row| row.0.case.notify.district.clone()) as &[Option<String>],
        column!(marks, |row| row.1.own),
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Cases of every insurer that carry one of the marks, at most `most` for each, latest accident
/// first.
pub async fn marked(
    tx: &mut Tx,
    questions: &[MarkQuestion],
    most: i32,
) -> Result<Vec<Marked>, ProductionError> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select place as "place!", kind as "kind!", claim_no as "claim_no!",
                  insurer as "insurer!", class as "class!", accident_at as "accident_at!",
                  district, own as "own!"
           from production.claims_marked($1, $2, $3, $4, $5)"#,
        column!(questions, |question| question.kind.name().to_owned()),
        column!(questions, |question| question.mark.clone()),
        column!(questions, |question| question.from.to_sqlx()) as _,
        column!(questions, |question| question.to.to_sqlx()) as _,
        most
    );
    let corrupt = || ProductionError::Corrupt("claim mark");
    let mut found = Vec::new();
    for row in rows.fetch_all(tx.conn()).await? {
        let place = usize::try_from(row.place - 1).map_err(|_| corrupt())?;
        found.push(Marked {
            place,
            kind: MarkKind::parse(&row.kind)?,
            claim_no: PlatformNumber::parse(&row.claim_no).map_err(|_| corrupt())?,
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            class: PolicyClass::parse(&row.class).map_err(|_| corrupt())?,
            accident_at: row.accident_at.to_jiff(),
            district: row.district,
            own: row.own,
            pointer: questions.get(place).and_then(|question| question.pointer.clone()),
        });
    }
    found.sort_by_key(|marked| marked.place);
    Ok(found)
}

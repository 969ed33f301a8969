//! What the claims work asks of recovery, in the transaction that takes a step of a claim.

use jiff::{SignedDuration, Timestamp};
use kernel::Fen;
use pg::Tx;
use production_core::claim::RecoveryStatus;
use production_core::number::{NumberKind, PlatformNumber};

use super::store::{self, PaymentRow, RecoveryRow};
use crate::error::ClearingError;

/// Reports of one accident may differ by so much (rule L52).
const APART: SignedDuration = SignedDuration::from_hours(24);

/// A claim that locks may touch.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    /// 理赔编号; for a report the one it is about to get.
    pub claim_no: PlatformNumber,
    /// Its policy.
    pub confirm_no: PlatformNumber,
    /// When the accident happened.
    pub accident_at: Timestamp,
}

/// A lock that touches a claim, as either side's claim steps are answered with it (LOCKED_LIST).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// 结算码.
    pub recovery_code: PlatformNumber,
    /// Where both sides brought it.
    pub status: RecoveryStatus,
    /// The claim that recovers.
    pub claim_no: PlatformNumber,
    /// Who recovers.
    pub recovering_insurer: String,
    /// From whom.
    pub liable_insurer: String,
}

/// A claim payment that names a code.
#[derive(Clone, Debug)]
pub struct NamedPayment {
    /// 结算码, as sent.
    pub recovery_code: String,
    /// The claim it is of.
    pub claim_no: PlatformNumber,
    /// The insurer's number of it.
    pub business_no: String,
    /// How much.
    pub amount: Fen,
    /// When.
    pub paid_at: Timestamp,
}

/// Codes that are not void and touch each of the claims, in order: those it recovers under, and those
/// under which another recovers from its policy for an accident about that time.
pub async fn touching(tx: &mut Tx, claims: &[Touched]) -> Result<Vec<Vec<Touch>>, ClearingError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<String> = claims.iter().map(|claim| claim.claim_no.to_string()).collect();
    let policies: Vec<String> = claims.iter().map(|claim| claim.confirm_no.to_string()).collect();
    let rows = store::touching(tx, &numbers, &policies).await?;
    let of = |claim: &Touched| rows.iter().filter(|row| touches(row, claim)).map(touch).collect();
    Ok(claims.iter().map(of).collect())
}

fn touches(row: &RecoveryRow, claim: &Touched) -> bool {
    let near = claim.accident_at.duration_since(row.accident_at).abs() < APART;
    row.claim_no == claim.claim_no || (row.liable_confirm_no == claim.confirm_no && near)
}

fn touch(row: &RecoveryRow) -> Touch {
    Touch {
        recovery_code: row.code,
        status: row.life.status(),
        claim_no: row.claim_no,
        recovering_insurer: row.recovering.code.as_str().to_owned(),
        liable_insurer: row.liable.code.as_str().to_owned(),
    }
}

/// Links a claim payment to the code it names. Codes the transaction may not see are left alone: the
/// claim rules refuse them before.
pub async fn link_payment(
    tx: &mut Tx,
    payment: &NamedPayment,
    now: Timestamp,
) -> Result<(), ClearingError> {
    let code = PlatformNumber::parse(&payment.recovery_code);
    let Ok(code) = code.and_then(|code| code.of_kind(NumberKind::Recovery)) else {
        return Ok(());
    };
    let row = PaymentRow {
        claim_code: payment.claim_no.to_string(),
        business_no: payment.business_no.clone(),
        amount: payment.amount,
        paid_at: payment.paid_at,
    };
    store::insert_payment(tx, code, &row, now).await
}

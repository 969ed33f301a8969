//! What both sides and the operator are told of a recovery, whoever brought it about: one side, the
//! operator or the clock.

use kernel::TenantId;
use production_core::number::PlatformNumber;
use serde_json::{Value, json};
use uuid::Uuid;

use super::store::RecoveryRow;
use crate::outbox::Fact;
use crate::settlement;

/// The fact for both sides and the operator: what they know the code by, and `more`, an object.
pub(super) fn facts(
    row: &RecoveryRow,
    operator: TenantId,
    kind: &'static str,
    more: Value,
) -> [Fact; 3] {
    let mut data = json!({
        "claimCode": row.claim_no,
        "recoveringInsurer": row.recovering.code,
        "liableInsurer": row.liable.code,
        "round": row.life.round(),
        "status": row.life.status().code(),
    });
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    [row.recovering.tenant, row.liable.tenant, operator].map(|to| Fact {
        to,
        kind,
        slot: row.code.slot().0,
        subject: row.code.to_string(),
        data: data.clone(),
    })
}

/// What all facts of a code have in common.
pub(super) fn journey(code: PlatformNumber) -> Uuid {
    settlement::named(format!("clearing.recovery/{code}").as_bytes())
}

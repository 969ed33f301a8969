//! What may be claimed under a code, by the formulas of the claims work.

use kernel::Fen;
use production_core::adjustment::recovery::{LiableParty, Recovery, recover};
use production_core::claim::recovery_case;

use super::refused;
use super::store::RecoveryRow;
use super::{ClaimFacts, Locked};
use crate::error::{self, ClearingError};

/// What `of` may claim at most, and how all recoveries of the claim come about. `codes` are the
/// claim's live ones, `of` among them.
pub(super) fn claimable(
    claim: &ClaimFacts,
    codes: &[RecoveryRow],
    of: &RecoveryRow,
) -> Result<(Fen, Recovery), ClearingError> {
    let case = recovery_case(&claim.case, &claim.promise, parties(codes));
    let case = case.map_err(|error| refused(&error::RECOVERY_AMOUNT, error.to_string()))?;
    let case = case.ok_or_else(|| {
        let detail = format!("claim {} is not adjusted: adjust own damage first", claim.claim_no);
        refused(&error::NOT_ADJUSTED, detail)
    })?;
    let recovery = recover(&case);
    let recovery = recovery.map_err(|error| refused(&error::RECOVERY_AMOUNT, error.to_string()))?;
    let own = recovery
        .items
        .iter()
        .find(|item| item.from == of.from && item.party == of.facts.party)
        .map_or(Fen::ZERO, |item| item.amount);
    Ok((own, recovery))
}

/// The liable vehicles of a claim's codes: each once, whichever of its covers are locked.
fn parties(codes: &[RecoveryRow]) -> Vec<LiableParty> {
    let mut vehicles: Vec<&Locked> = Vec::new();
    for code in codes {
        if !vehicles.iter().any(|known| known.frame == code.facts.frame) {
            vehicles.push(&code.facts);
        }
    }
    let party = |locked: &Locked| LiableParty {
        name: locked.party.clone(),
        share: locked.share,
        compulsory: locked.compulsory,
        third_party: locked.third_party,
        paid_before: Fen::ZERO,
        paid_since: Fen::ZERO,
    };
    vehicles.into_iter().map(party).collect()
}

//! 批改、退保、撤单: changing a confirmed policy, and ending it before its time.
//!
//! ```text
//! query -> pre-confirm -> (payment) -> confirm       endorsements
//! ask   -> ask again with the amounts echoed         surrender, revocation
//! ```
//!
//! A query rates the policy's own stored input again, with the changed facts in it and by the
//! tariff version of the policy; what history counted for stays as it was rated, except that a
//! transfer leaves the old owner's history behind. Endorsements of a policy are numbered without
//! gaps and one is open at a time; since only a confirmation moves a policy, what a query priced
//! stays true until its own confirmation. A confirmation writes a policy version, never over an
//! older one.
//!
//! Surrender and revocation are endorsements too, of kinds 09 and 10, but go from nothing to
//! confirmed in one step, because they have functions (and so rights) of their own.

pub(crate) mod charge;
mod confirm;
mod ending;
mod look;
mod plan;
mod query;
mod read;
pub(crate) mod steps;
mod view;
pub mod wire;

use jiff::SignedDuration;
use production_core::endorsement::EndorsementError;
use production_core::policy::PolicyError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{self, ProductionError};

pub use ending::{RefundView, RevokeBody, SurrenderBody};
pub use look::EndorsementsView;
pub use view::EndorsementView;

/// How long a frozen difference waits for its money and the confirmation.
pub(crate) const HOLD: SignedDuration = SignedDuration::from_hours(48);

/// How the differences of an endorsement were computed, for its printed text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EndorsementFormula)]
pub struct Formula {
    /// Of the premium.
    #[schema(example = "(1,200.00 − 950.00) × 200/365 = 136.99")]
    pub premium: String,
    /// Of the vehicle tax, where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<String>,
}

/// A life cycle's refusal as the caller reads it.
pub(crate) fn refused(error: EndorsementError) -> ProductionError {
    let code = match &error {
        EndorsementError::Expired(_) | EndorsementError::EffectivePassed(_) => {
            &error::ENDORSEMENT_EXPIRED
        }
        EndorsementError::Used => &error::ENDORSEMENT_USED,
        EndorsementError::AnotherOpen => &error::ENDORSEMENT_OPEN,
        EndorsementError::OutOfOrder { .. } => &error::ENDORSEMENT_ORDER,
        EndorsementError::Unpaid { .. } => &error::NOT_PAID,
        EndorsementError::WrongPayment { .. } | EndorsementError::Echo => &error::AMOUNT_DIFFERS,
        EndorsementError::WrongStage { .. } | EndorsementError::Overflow => &error::WRONG_STAGE,
        EndorsementError::Policy(error) => policy_code(error),
    };
    ProductionError::breaks(error.rule(), code, error.to_string())
}

fn policy_code(error: &PolicyError) -> &'static base_http::ProblemCode {
    match error {
        PolicyError::WrongState { .. } | PolicyError::Begun(_) | PolicyError::Plated => {
            &error::POLICY_STATE
        }
        PolicyError::Reason(_) => &error::SURRENDER_REASON,
        PolicyError::OutsidePeriod { .. }
        | PolicyError::Past { .. }
        | PolicyError::TooSoon { .. }
        | PolicyError::Calendar => &error::ENDORSEMENT_DATE,
    }
}

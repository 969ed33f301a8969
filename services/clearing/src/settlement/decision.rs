//! Four eyes, pure: what one person proposes, another confirms or rejects, once.

use jiff::Timestamp;
use kernel::TenantId;
use production_core::coded_enum;

coded_enum! {
    /// What another person says of a proposed version.
    pub enum Verdict ("decision about a flat rate") {
        Confirm = "confirm", "确认", "it holds from its start on";
        Reject = "reject", "驳回", "it never holds";
    }
}

/// A person, as the platform knows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Of which body.
    pub tenant: TenantId,
    /// Who.
    pub client: String,
}

/// What was said of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which way.
    pub verdict: Verdict,
    /// By whom.
    pub by: Person,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

/// Whether what was said of a version, if anything, confirms it.
pub fn is_confirmed(decision: &Option<Decision>) -> bool {
    decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Confirm)
}

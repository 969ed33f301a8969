//! Net debit caps as the operator sees them.

use jiff::Timestamp;
use kernel::Fen;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::settlement::cap::NetDebitCap;

/// A version of an insurer's net debit cap.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NetDebitCap)]
pub struct CapView {
    /// Code of the insurer.
    pub insurer: String,
    /// Of the cycles; `000000` for the nation's.
    pub region: String,
    /// Counted from 1 for an insurer and a region.
    pub version: i32,
    /// Most it may owe in one position; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub cap: Option<Fen>,
    /// `proposed`, `rejected`, `in_force` or `superseded`.
    pub standing: &'static str,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub proposed_at: Timestamp,
    /// Who decided it: another person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_reason: Option<String>,
}

/// A position that a cap holds for.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CappedPosition)]
pub struct CappedView {
    /// The open cycle.
    #[schema(value_type = String, format = Uuid)]
    pub cycle_id: Uuid,
    /// Its region.
    pub region: String,
    /// Its cover; empty for all.
    pub cover: String,
    /// What the insurer owes in it; negative for what it is owed.
    pub owed: Fen,
    /// What it may still come to owe; absent without a cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub left: Option<Fen>,
}

/// An insurer's net debit caps and what they hold for.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NetDebitCaps)]
pub struct CapsView {
    /// Every version, by region and version.
    pub caps: Vec<CapView>,
    /// The insurer's positions in open cycles, by region and cover.
    pub positions: Vec<CappedView>,
}

impl CapView {
    /// A version among all of its insurer.
    pub(in crate::settlement) fn of(cap: &NetDebitCap, all: &[NetDebitCap]) -> CapView {
        let decision = cap.decision.as_ref();
        CapView {
            insurer: cap.insurer.clone(),
            region: cap.region.clone(),
            version: cap.version,
            cap: cap.cap,
            standing: cap.standing(all),
            reason: cap.reason.clone(),
            proposed_by: cap.proposed_by.client.clone(),
            proposed_at: cap.proposed_at,
            decided_by: decision.map(|decision| decision.by.client.clone()),
            decided_at: decision.map(|decision| decision.at),
            decided_reason: decision.and_then(|decision| decision.reason.clone()),
        }
    }
}

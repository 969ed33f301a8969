//! Netting and settlement (轧差结算): what insurers owe each other, gathered in cycles, netted, told
//! to both sides, and settled through the ledger.
//!
//! Owns cycles and what is in them. An item belongs to the cycle that was open when it was
//! committed, and carries that cycle in its own row ([`post`] holds the cycle's scope shared,
//! closing holds it alone, for the flip and nothing else). What a cycle comes to is read from the
//! position accounts and the pairs kept beside them, so closing costs as much as there are
//! participants, whatever the number of items. Items are immutable: one that was wrong is taken
//! back by another item in the cycle open then. Whether an item stands, left its cycle, or is
//! settled is derived, see [`standing`].

mod adopt;
pub mod cap;
mod capping;
mod command;
mod cycle;
pub mod decision;
mod departure;
pub mod flat_rate;
pub mod flat_rule;
mod funds;
mod item;
mod message;
mod milestone;
pub mod netting;
mod post;
mod scheme;
mod service;
mod standing;
mod statement;
mod store;
pub mod view;

pub(crate) use adopt::flat_terms;
pub use adopt::{DecisionBody, EndBody, FlatRateBody};
pub use capping::CapBody;
pub use cycle::{Closed, Cycle, CycleStage, close};
pub use departure::{Dispute, DisputeReason, dispute, put_in_again, reverse};
pub use funds::{
    Direction, FundsOrder, FundsOutcome, HeldOrder, Remedy, deposit_collateral, fail,
    funds_arrived, hold, hold_order, record_moved,
};
pub use item::{Item, ItemDraft, ItemKind, Origin};
pub use message::{
    CollateralBody, ConfirmBody, DisputeBody, DisputedItem, FailureBody, FundsBody, ReversalBody,
    SchemeBody, SimulationBody,
};
pub use post::post;
pub use scheme::{Division, OnFailure, OnSilence, Period, Scheme};
pub(crate) use service::{cycle_id, funds_view, item_id, with_standing};
pub(crate) use standing::followed;
pub use standing::{DepartureCause, ItemStage, ItemStanding, standing};
pub use statement::{Confirmation, Statement, confirm, deem, state};

use std::collections::BTreeSet;

use clearing_ledger::{AccountId, CycleId, Purpose};
use crypto::sha256;
use kernel::TenantId;
use uuid::Uuid;

/// Several participants.
type Parties = BTreeSet<TenantId>;

/// The account of a participant for a purpose in a cycle, or for all of them; its id is made from
/// what it is for, so nobody has to look it up.
pub fn account_of(participant: TenantId, purpose: Purpose, cycle: Option<CycleId>) -> AccountId {
    let mut name = Vec::with_capacity(64);
    name.extend_from_slice(b"clearing.account/");
    name.extend_from_slice(purpose.code().as_bytes());
    name.extend_from_slice(participant.0.as_bytes());
    name.extend_from_slice(cycle.map(|cycle| cycle.0).unwrap_or_default().as_bytes());
    AccountId(named(&name))
}

/// An id made from a name: the first half of its SHA-256.
pub(crate) fn named(name: &[u8]) -> Uuid {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256(name).0[..16]);
    Uuid::from_bytes(half)
}

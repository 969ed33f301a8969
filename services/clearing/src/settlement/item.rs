//! What one insurer owes another.

use base_http::FieldError;
use clearing_ledger::CycleId;
use jiff::Timestamp;
use kernel::{Fen, TenantId};
use production_core::coded_enum;
use production_core::cover::Cover;
use production_core::region::Region;
use uuid::Uuid;

coded_enum! {
    /// What business an item comes from.
    pub enum ItemKind ("kind of item") {
        Recovery = "recovery", "代位追偿", "a recovery both sides agreed on";
        Arbitration = "arbitration", "仲裁裁决", "an award of the arbitration panel";
        Advance = "advance", "垫付追偿", "an advance payment taken back from who is liable";
        FlatRate = "flat_rate", "定额结算", "a flat amount instead of the actual loss";
        Reversal = "reversal", "冲正", "an earlier item that should not have been";
    }
}

/// An item as somebody wants it posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemDraft {
    /// Made by the caller and never used for anything else: the transfer in the ledger has it too.
    pub item_id: Uuid,
    /// What it comes from.
    pub kind: ItemKind,
    /// The business: a settlement code (结算码). Printable, without spaces, up to 64 characters.
    pub reference: String,
    /// Who owes.
    pub payer: TenantId,
    /// Its four-letter code.
    pub payer_insurer: String,
    /// Who is owed.
    pub payee: TenantId,
    /// Its four-letter code.
    pub payee_insurer: String,
    /// The cover that is liable.
    pub cover: Cover,
    /// Where it happened: six digits (GB/T 2260); decides with `cover` which cycle it is for.
    pub region: String,
    /// More than zero.
    pub amount: Fen,
    /// The claims behind it, first the one that is recovered.
    pub claim_codes: Vec<String>,
}

/// What an item follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Business.
    New,
    /// Takes back this item.
    Reverses(Uuid),
    /// Puts in again this item, which left its cycle.
    Again(Uuid),
}

/// A posted item. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As it was asked for; the region is the platform's region the area lies in.
    pub draft: ItemDraft,
    /// What it follows from.
    pub origin: Origin,
    /// The cycle open at its commit.
    pub cycle: CycleId,
    /// When.
    pub posted_at: Timestamp,
}

impl ItemDraft {
    /// What is wrong with it by itself; `at` is its place in the caller's list.
    pub(super) fn findings(&self, at: usize) -> Vec<FieldError> {
        let finding =
            |field: &str, detail: &str| FieldError::at(format!("/items/{at}/{field}"), detail);
        let mut findings = Vec::new();
        if self.amount <= Fen(0) {
            findings.push(finding("amount", "must be more than zero"));
        }
        if self.payer == self.payee {
            findings.push(finding("payee", "an insurer owes itself nothing"));
        }
        if Region::of_area(&self.region).is_err() {
            findings.push(finding("region", "is no area of the country"));
        }
        if self.reference.is_empty() || clearing_ledger::Reference::parse(&self.reference).is_err()
        {
            findings.push(finding("reference", "1 to 64 printable characters without spaces"));
        }
        findings
    }
}

//! Platform numbers from leased sequences.
//!
//! A process leases a block of a kind's sequence at a time, so no counter is hot; what a process
//! does not use before it ends is a gap.

use std::ops::Range;

use jiff::Timestamp;
use kernel::time::day_of;
use pg::Db;
use production_core::frame::Slot;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::region::Region;
use tokio::sync::Mutex;

use crate::error::ProductionError;

/// Numbers in a leased block.
const BLOCK: i64 = 10_000;

/// Highest kind of a number.
const KINDS: usize = 8;

/// What a number says beside its kind and sequence.
#[derive(Clone, Copy, Debug)]
pub struct NumberFor {
    /// Whose.
    pub insurer: InsurerCode,
    /// Branch region.
    pub region: Region,
    /// Place on the vehicle chain.
    pub slot: Slot,
}

/// Issues platform numbers, each once.
#[derive(Debug)]
pub struct Numbering {
    db: Db,
    blocks: [Mutex<Range<i64>>; KINDS],
}

impl Numbering {
    /// Numbers leased from `db`.
    pub fn new(db: Db) -> Numbering {
        Numbering { db, blocks: [const { Mutex::const_new(0..0) }; KINDS] }
    }

    /// The next number of `kind`.
    pub async fn next(
        &self,
        kind: NumberKind,
        of: NumberFor,
        now: Timestamp,
    ) -> Result<PlatformNumber, ProductionError> {
        let sequence = self.sequence(kind).await?;
        let year = day_of(now).year();
        PlatformNumber::new(kind, of.insurer, of.region, year, of.slot, sequence)
            .ok_or(ProductionError::Corrupt("number lease"))
    }

    async fn sequence(&self, kind: NumberKind) -> Result<u64, ProductionError> {
        let kind: i16 = kind.code().parse().map_err(|_| ProductionError::Corrupt("number kind"))?;
        let at = usize::try_from(kind - 1).unwrap_or(usize::MAX);
        let block = self.blocks.get(at).ok_or(ProductionError::Corrupt("number kind"))?;
        let mut block = block.lock().await;
        if block.is_empty() {
            let next = sqlx::query_scalar!(
                r#"update production.number_lease set next = next + $2
                   where kind = $1 returning next"#,
                kind,
                BLOCK
            );
            let end = next.fetch_one(self.db.pool()).await?;
            *block = end - BLOCK..end;
        }
        let sequence = block.next().ok_or(ProductionError::Corrupt("number lease"))?;
        u64::try_from(sequence).map_err(|_| ProductionError::Corrupt("number lease"))
    }
}

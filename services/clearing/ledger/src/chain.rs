//! Transfers that stand or fall together.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::transfer::{Transfer, TransferId};

/// One transfer, or several linked ones: all are done, in order, or none.
///
/// Which transfers are linked, and in which order, is part of the body of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    transfers: Vec<Transfer>,
    id: Option<ChainId>,
}

/// Names the members of a chain and their order: the first half of SHA-256 over their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub Uuid);

/// A transfer's place in a chain of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The chain.
    pub chain: ChainId,
    /// Counted from 0.
    pub index: u16,
    /// Members of the chain.
    pub size: u16,
}

/// Why transfers are no chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// None at all.
    #[error("a chain needs a transfer")]
    Empty,
    /// More than [`Chain::MOST`].
    #[error("a chain of {0} transfers is longer than {most}", most = Chain::MOST)]
    TooLong(usize),
    /// The same id twice.
    #[error("transfer {0} is twice in the chain")]
    Repeated(TransferId),
}

impl Chain {
    /// Most members.
    pub const MOST: usize = 1000;

    /// A transfer by itself.
    pub fn one(transfer: Transfer) -> Chain {
        Chain { transfers: vec![transfer], id: None }
    }

    /// Links `transfers` in this order. A single one is not linked to anything.
    pub fn of(transfers: Vec<Transfer>) -> Result<Chain, ChainError> {
        match transfers.len() {
            0 => return Err(ChainError::Empty),
            1 => return Ok(Chain { transfers, id: None }),
            count if Chain::MOST < count => return Err(ChainError::TooLong(count)),
            _ => {}
        }
        let mut seen = HashSet::new();
        if let Some(twice) = transfers.iter().find(|transfer| !seen.insert(transfer.id)) {
            return Err(ChainError::Repeated(twice.id));
        }
        let mut digest = Sha256::new();
        for transfer in &transfers {
            digest.update(transfer.id.0.as_bytes());
        }
        let mut half = [0; 16];
        half.copy_from_slice(&digest.finalize()[..16]);
        Ok(Chain { transfers, id: Some(ChainId(Uuid::from_bytes(half))) })
    }

    /// The members in order; never empty.
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// The place of the member at `index`; `None` for a transfer by itself.
    pub fn link(&self, index: usize) -> Option<Link> {
        let count = |number| u16::try_from(number).unwrap_or(u16::MAX); // at most MOST
        self.id.map(|chain| Link { chain, index: count(index), size: count(self.transfers.len()) })
    }
}

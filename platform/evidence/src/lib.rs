//! The message log: who asked what, when, for which purpose, with digests of request and reply;
//! and who looked at whose records.
//!
//! Always true here: a message row exists if and only if its call was committed, or was refused
//! in words that name a record of another insurer; rows are only ever added. The messages themselves are not kept: a party that kept its copy can prove it by
//! the digest. Personal data never stands here; a subject is a platform number or a digest.
//!
//! A look at other insurers' records is found by their owners in one of two ways, and the service
//! that answers says which: rows of `access` that name each record shown, or, where calls are too
//! many for rows of their own, the digest of the vehicle in the message.

pub mod api;
pub mod function;
pub mod reading;
mod store;

pub use reading::{AccessLog, RecordOnVehicle, Records, VehicleRecords};
pub use store::{Columns, find, of_subject, record, record_shown};

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

use base_http::ShownRecord;
use jiff::Timestamp;
use kernel::TenantId;
use uuid::Uuid;

/// A served message about to be logged.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Slot of the vehicle chain the call was about.
    pub slot: u16,
    /// Names the call.
    pub call_id: Uuid,
    /// Who asked.
    pub tenant: TenantId,
    /// Through which API client.
    pub client: &'a str,
    /// Three-level function code.
    pub function_code: &'a str,
    /// What for, as stated by the caller, or the function's own purpose.
    pub purpose: &'a str,
    /// Platform number or digest of the frame number; empty when the call was about no vehicle.
    pub subject: &'a str,
    /// Digest of the vehicle whose whole history the answer rests on.
    pub vehicle: Option<[u8; 16]>,
    /// Code of the insurer that asked; its own records are not logged as looked at.
    pub insurer: Option<&'a str>,
    /// Records the answer shows.
    pub shown: &'a [ShownRecord],
    /// SHA-256 of the request.
    pub request_digest: [u8; 32],
    /// SHA-256 of the reply body.
    pub reply_digest: [u8; 32],
    /// HTTP status of the reply.
    pub status: u16,
    /// When it was served.
    pub served_at: Timestamp,
    /// The journey the call was part of.
    pub trace_id: &'a str,
}

/// A logged message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Slot of the vehicle chain the call was about.
    pub slot: u16,
    /// Names the call.
    pub call_id: Uuid,
    /// Through which API client.
    pub client: String,
    /// Three-level function code.
    pub function_code: String,
    /// What for.
    pub purpose: String,
    /// Platform number or digest of the frame number.
    pub subject: String,
    /// Digest of the vehicle whose whole history the answer rests on.
    pub vehicle: Option<[u8; 16]>,
    /// SHA-256 of the request.
    pub request_digest: [u8; 32],
    /// SHA-256 of the reply body.
    pub reply_digest: [u8; 32],
    /// HTTP status of the reply.
    pub status: u16,
    /// When it was served.
    pub served_at: Timestamp,
    /// The journey the call was part of.
    pub trace_id: String,
}

/// Why the log failed.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// What is stored is in no known form.
    #[error("stored message is in no known form")]
    Corrupt,
    /// The database failed.
    #[error("evidence store failed")]
    Store(#[from] sqlx::Error),
}

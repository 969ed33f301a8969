//! HTTP as every room speaks it: who calls which function, what is answered when it fails, and
//! the one transaction in which a call is served, counted, proven and remembered.
//!
//! Always true here: an operation declared with [`openapi::operation`] is reached by an
//! authenticated caller who holds the right and the subscription, or not at all; whatever a
//! [`spine::Spine`] serves is recorded in the transaction that did the work; every refusal is a
//! problem document (RFC 9457).

pub mod at_once;
pub mod body;
mod bounds;
pub mod call;
pub mod door;
pub mod function;
pub mod idempotency;
pub mod json;
pub mod openapi;
pub mod outbound;
pub mod paging;
pub mod problem;
pub mod spine;
pub mod tls;
pub mod trace;
mod unknown;

pub use at_once::{ReadyCommand, WritesAtOnce};
pub use body::Incoming;
pub use call::{Call, Caller};
pub use function::Function;
pub use problem::{FieldError, Naming, Notice, Problem, ProblemCode};
pub use spine::{
    Admission, Done, EventDraft, Recorder, Reply, Served, SetCommand, ShownRecord, Spine,
};

/// Migrations of the schema `http`: stored idempotency answers.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

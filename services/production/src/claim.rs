//! 理赔: the claim half. From the report of an accident to the money, shared by every insurer.
//!
//! A step is read (everything that is wrong with it at once), what others know is looked up before
//! any transaction (the police, prices of parts), and then it is recorded: the case is locked, the
//! pure core decides, the step is kept with the case it makes. Steps of many calls are recorded as
//! one set.
//!
//! Insurers upload from a queue that repeats: a step is known by its case, its kind and the insurer's
//! own number of it. The same content again is answered as it was the first time, whatever happened
//! since; other content under the same number is refused with a pointer to the first.

pub mod answer;
pub(crate) mod clock;
pub mod dispute;
pub(crate) mod flow;
pub(crate) mod hint;
pub mod intake;
pub mod lock;
pub mod mark;
mod outside;
pub mod read;
mod record;
pub mod referral;
pub mod score;
mod step;
pub mod terms;
pub mod wire;

pub use answer::{ClaimStepView, HintView};
pub use lock::{
    CodedPayment, How, NoLocks, RecoveryLock, RecoveryLocks, Settling, Taken, Teller, TouchedCase,
    Way,
};
pub use record::RecordStep;
pub use score::{ClaimScorer, FraudScore, NoScorer};

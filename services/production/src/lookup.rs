//! Reading back: own quotes, policies and claims; the chain of a vehicle and the claims of an
//! accident across insurers.
//!
//! Every read is a served call with its usage and evidence rows, so that who looked at what, and
//! why, can be told years later. What is answered is computed first and recorded with the
//! evidence; a read that cannot be recorded is not answered. Personal data is masked unless the
//! caller holds the right to see it and says why.

pub mod accidents;
pub mod ask;
pub mod claim_line;
pub(crate) mod claim_message;
pub mod claims;
pub(crate) mod party;
pub mod policies;
pub mod quotes;
pub mod rated;
pub mod recovery;
pub(crate) mod replay;
mod stage;
pub mod vehicles;

use std::sync::Arc;

use base_http::function::covers;
use base_http::{Call, Done, Problem, Reply, ShownRecord, problem};
use production_core::frame::FrameNo;
use production_core::number::PlatformNumber;

use crate::Production;
use crate::error;

/// The right to see personal data whole.
pub const PERSONAL_DATA: &str = "production.personal_data.read";

/// Whether names and numbers of persons are shown whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// First characters and stars.
    Masked,
    /// As they are.
    Whole,
}

impl Shown {
    /// What this call may see: whole when it asks for it, holds the right, and states a purpose.
    pub(crate) fn to(call: &Call, unmask: Option<bool>) -> Result<Shown, Problem> {
        if !unmask.unwrap_or(false) {
            return Ok(Shown::Masked);
        }
        if !call.caller.rights.iter().any(|right| covers(right, PERSONAL_DATA)) {
            let detail = format!("unmask needs the right {PERSONAL_DATA}; read it masked");
            return Err(Problem::new(&problem::FORBIDDEN, detail));
        }
        purpose(call)?;
        Ok(Shown::Whole)
    }
}

/// The purpose stated with the call; some reads are not served without one.
pub(crate) fn purpose(call: &Call) -> Result<Arc<str>, Problem> {
    call.purpose.clone().ok_or_else(|| {
        let detail = "say in an X-Purpose header why this is read, for example underwriting; it \
                      is recorded with the evidence";
        Problem::new(&error::PURPOSE_MISSING, detail)
    })
}

/// A record on the vehicle `frame` that an answer shows, for its owner to find the look at. The
/// number says whose it is and of which region.
pub fn shown_record(frame: &FrameNo, number: PlatformNumber) -> ShownRecord {
    ShownRecord { vehicle: Some(frame.digest()), slot: frame.slot().0, ..record_of(number) }
}

/// A record that is shown without its vehicle being known.
pub(crate) fn record_of(number: PlatformNumber) -> ShownRecord {
    ShownRecord {
        owner: number.insurer().as_str().to_owned(),
        region: number.area().code().to_owned(),
        slot: number.slot().0,
        vehicle: None,
        subject: number.to_string(),
    }
}

impl Production {
    /// Answers a read that is ready, once it is recorded.
    pub(crate) async fn answer(
        &self,
        call: Call,
        shown: Shown,
        done: Done,
    ) -> Result<Reply, Problem> {
        let call = match shown {
            Shown::Masked => call,
            // A stored answer would keep personal data in the clear: a key is not honoured here.
            Shown::Whole => Call { key: None, ..call },
        };
        self.spine.answer(call, done).await
    }
}

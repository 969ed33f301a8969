//! Why a counterparty gave no usable answer, and whom to hold it against.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

/// Why a counterparty gave no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OutboundError {
    /// Nothing came within the attempt or the budget.
    #[error("{counterparty} did not answer in time")]
    Timeout {
        /// Who was asked.
        counterparty: &'static str,
    },
    /// It could not be reached, or hung up.
    #[error("{counterparty} cannot be reached")]
    Unavailable {
        /// Who was asked.
        counterparty: &'static str,
        /// What the transport said, without the URL.
        #[source]
        cause: Arc<reqwest::Error>,
    },
    /// It failed too often of late and is left alone for a while; nothing was sent.
    #[error("{counterparty} is not asked while it recovers")]
    BreakerOpen {
        /// Who was not asked.
        counterparty: &'static str,
    },
    /// Too many calls to it are under way; nothing was sent.
    #[error("too many calls to {counterparty} are under way")]
    TooBusy {
        /// Who was not asked.
        counterparty: &'static str,
    },
    /// It answered with a status other than 2xx.
    #[error("{counterparty} answered {status}")]
    Status {
        /// Who was asked.
        counterparty: &'static str,
        /// What it answered.
        status: StatusCode,
        /// The body; may name people, so it must not be logged.
        body: Bytes,
    },
    /// It answered 2xx with something the contract does not know.
    #[error("{counterparty} answered against its contract: {reason}")]
    Malformed {
        /// Who was asked.
        counterparty: &'static str,
        /// Where the answer departs, without its contents.
        reason: String,
    },
    /// The request cannot be written as JSON; nothing was sent.
    #[error("request cannot be written as JSON")]
    Unwritable,
}

impl OutboundError {
    /// The kind of failure as a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            OutboundError::Timeout { .. } => "timeout",
            OutboundError::Unavailable { .. } => "unavailable",
            OutboundError::BreakerOpen { .. } => "breaker_open",
            OutboundError::TooBusy { .. } => "too_busy",
            OutboundError::Status { .. } => "status",
            OutboundError::Malformed { .. } => "malformed",
            OutboundError::Unwritable => "unwritable",
        }
    }

    /// Whether the counterparty is at fault. A refusal (4xx) is an answer, not a fault.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            OutboundError::Timeout { .. }
            | OutboundError::Unavailable { .. }
            | OutboundError::Malformed { .. } => true,
            OutboundError::Status { status, .. } => is_overload_or_fault(*status),
            OutboundError::BreakerOpen { .. }
            | OutboundError::TooBusy { .. }
            | OutboundError::Unwritable => false,
        }
    }

    /// Whether the next attempt may fare better. An answer against the contract stays one.
    pub(super) fn is_passing(&self) -> bool {
        self.is_fault() && !matches!(self, OutboundError::Malformed { .. })
    }
}

/// Why a client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up calls to {counterparty}")]
pub struct SetupError {
    pub(super) counterparty: &'static str,
    #[source]
    pub(super) cause: reqwest::Error,
}

fn is_overload_or_fault(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer_and_a_fault_is_not() {
        let status =
            |status| OutboundError::Status { counterparty: "police", status, body: Bytes::new() };
        let cases = [
            (StatusCode::NOT_FOUND, false),
            (StatusCode::CONFLICT, false),
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
        ];
        for (code, fault) in cases {
            assert_eq!(status(code).is_fault(), fault, "{code}");
        }
        let malformed =
            OutboundError::Malformed { counterparty: "police", reason: "unreadable at .".into() };
        assert!(malformed.is_fault() && !malformed.is_passing());
    }
}

//! What a running process tells about itself: logs, metrics, health.
//!
//! Logs go to standard error: for a person on a terminal, as one JSON object a line otherwise.
//! Metrics and health are served by [`ops::router`] on a port of their own, so that a probe is
//! never stuck behind the market's calls and the port need not be open to callers.
//!
//! Traces are spans in the logs. They are not exported anywhere: an OTLP exporter is left to the
//! issue that brings a collector.

mod health;
mod logs;
mod meters;
pub mod ops;

pub use health::{Health, Report};
pub use logs::{Format, LogError, Logs};
pub use meters::{BuildInfo, Meters, MetersError};

//! metering.

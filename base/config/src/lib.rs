//! base-config.

//! production-core.

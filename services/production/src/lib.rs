//! production.

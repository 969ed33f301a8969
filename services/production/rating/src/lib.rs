//! production-rating.

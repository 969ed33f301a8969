//! base-http.

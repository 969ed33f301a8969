//! Tests over the whole workspace and the running binary.

//! Confirm.
fn main() {}

//! The lake as its users see it.

mod lake;

//! What can be asked of the market as a whole, and what is answered. No engine.
//!
//! The market is asked about by closed quarters, along declared dimensions, in declared measures;
//! answers are sums of cells that were published because they say nothing of any one insurer. An
//! insurer asks about its own rows in SQL instead, which is the engine's to read.

mod quarter;
mod question;

pub use quarter::{Quarter, QuarterError};
pub use question::{
    AnswerRow, Dimension, Filter, MarketAnswer, MarketQuestion, Measure, Published, QuestionError,
};

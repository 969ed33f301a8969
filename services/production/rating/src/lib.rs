//! Tariffs and premium arithmetic of motor insurance: compulsory cover, vehicle tax, commercial
//! covers, no-claim discount, endorsement and refund amounts.
//!
//! Pure: no clock, no I/O beside [`Tariff::load_dir`]. [`rate`] on a stored [`RatingInput`] with
//! the same bundle gives the same fen. Numbers are exact decimals; where an amount is rounded, it
//! is half-up to the fen, and its trace says so. What may be sold to whom beyond price (windows,
//! duplicate cover, identity) is left to `production-core`.

mod accident;
mod additional;
mod change;
mod commercial;
mod compulsory;
mod days;
mod factors;
mod hull;
mod input;
mod liability;
mod ncd;
mod rate;
mod rating;
mod refund;
mod tariff;
mod tax;
mod term;
mod trace;
mod violation;

pub use accident::{FloatClaim, FloatVerdict};
pub use change::{PremiumChange, SuspensionError, extended, premium_change, tax_change};
pub use input::{
    CommercialInput, CompulsoryInput, Declared, FloatEffect, NoFloatReason, RatingInput,
    ShortTermReason, TaxCondition, TaxDerate, TaxInput, TaxItem, TaxReceipt,
};
pub use ncd::{ClaimVerdict, JudgedClaim, NcdAnswer, NcdStop};
pub use rate::rate;
pub use rating::{
    CommercialRating, CompulsoryRating, CoverRating, FloatAnswer, Limits, LimitsPair, Notice,
    Rating, RatingRefusal, TaxRating, TaxYear,
};
pub use refund::{
    Cancellation, Canceller, Refund, commercial_refund, compulsory_refund, tax_refund,
};
pub use tariff::{
    CellChange, KeyDate, Parameter, ParameterValue, Proposal, RowChange, Tariff, TariffError,
    Unconfirmed,
};
pub use trace::{SharedText, Step, TableRow, TariffStamp, Trace, Value};

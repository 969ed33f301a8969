//! The tables, column by column.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::lake::LakeError;
use crate::market::{MarketRow, Value};

/// Whose a row is, and what it is told apart by: the columns every table begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimensions {
    /// The insurer's tenant.
    pub tenant_id: String,
    /// Four-letter insurer code.
    pub insurer: String,
    /// Branch region of the policy.
    pub region: String,
    /// `compulsory` or `commercial`.
    pub class: String,
    /// 使用性质, its code.
    pub usage: String,
    /// 燃料种类, its code.
    pub fuel: String,
    /// 车辆种类, its code.
    pub category: String,
}

type Column = (&'static str, fn(&Dimensions) -> &String);

impl Dimensions {
    const COLUMNS: [Column; 7] = [
        ("tenant_id", |of| &of.tenant_id),
        ("insurer", |of| &of.insurer),
        ("region", |of| &of.region),
        ("class", |of| &of.class),
        ("usage", |of| &of.usage),
        ("fuel", |of| &of.fuel),
        ("category", |of| &of.category),
    ];

    fn fields() -> Vec<Field> {
        Self::COLUMNS.iter().map(|(name, _)| <String as Value>::field(name)).collect()
    }

    fn arrays<'a>(rows: impl Iterator<Item = &'a Dimensions> + Clone) -> Vec<ArrayRef> {
        Self::COLUMNS.iter().map(|(_, of)| Value::array(rows.clone().map(of))).collect()
    }
}

macro_rules! table {
    ($(#[$meta:meta])* $name:ident = $table:literal by $month_of:literal {
        $($(#[$field_meta:meta])* $field:ident: $kind:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            /// Whose it is, and what it is told apart by.
            pub of: Dimensions,
            $($(#[$field_meta])* pub $field: $kind,)*
        }

        impl MarketRow for $name {
            const TABLE: &'static str = $table;
            const MONTH_OF: &'static str = $month_of;

            fn schema() -> SchemaRef {
                let mut fields = Dimensions::fields();
                fields.extend([$(<$kind as Value>::field(stringify!($field)),)*]);
                Arc::new(Schema::new(fields))
            }

            fn batch(rows: &[$name]) -> Result<RecordBatch, LakeError> {
                let mut columns = Dimensions::arrays(rows.iter().map(|row| &row.of));
                columns.extend([$(Value::array(rows.iter().map(|row| &row.$field)),)*]);
                Ok(RecordBatch::try_new($name::schema(), columns)?)
            }
        }
    };
}

table! {
    /// A policy as it stood from an endorsement on. Key: `confirm_no`, `sequence`.
    PolicyRow = "policy" by "issued_at" {
        /// 投保确认码.
        confirm_no: String,
        /// 0 as confirmed, then one more with each endorsement.
        sequence: i64,
        /// True from here on.
        effective_at: Timestamp,
        /// Known from here on.
        recorded_at: Timestamp,
        /// When the policy was confirmed.
        issued_at: Timestamp,
        /// First instant of cover.
        cover_from: Timestamp,
        /// First instant after cover, pushed back by past suspensions.
        cover_to: Timestamp,
        /// When it ended before its time.
        ended_at: Option<Timestamp>,
        /// `revoked`, `surrendered` or `terminated`.
        end_kind: Option<String>,
        /// Written for less than a year.
        short_term: bool,
        /// Premium in all.
        premium_fen: i64,
        /// Vehicle tax.
        tax_fen: i64,
        /// Tariff bundle.
        tariff_version: String,
        /// Approved seats.
        seats: i64,
        /// Day of first registration.
        first_registered_on: Option<Date>,
        /// Not yet registered when insured.
        new_vehicle: bool,
        /// Price of the same vehicle new.
        new_price_fen: Option<i64>,
        /// Code of the model library.
        model_code: Option<String>,
        /// 销售渠道, its code; null of policies recorded before channels were.
        channel: Option<String>,
    }
}

table! {
    /// A change of what a policy insured and earned in a month. Ledger.
    ExposureRow = "exposure" by "month" {
        /// 投保确认码.
        confirm_no: String,
        /// The version of the policy that told of it.
        sequence: i64,
        /// First day of the month in China.
        month: Date,
        /// Seconds of cover, suspensions not counted; negative where a version takes back what
        /// was known.
        insured_s: i64,
        /// Premium earned: all of it spread over the seconds of cover as known.
        earned_fen: i64,
        /// Known from here on.
        recorded_at: Timestamp,
        /// 销售渠道, its code; null of policies recorded before channels were.
        channel: Option<String>,
    }
}

table! {
    /// A change of a policy's written premium. Ledger.
    PremiumRow = "premium" by "recorded_at" {
        /// 投保确认码.
        confirm_no: String,
        /// The version of the policy that told of it.
        sequence: i64,
        /// True from here on.
        effective_at: Timestamp,
        /// Known, and written, from here on.
        recorded_at: Timestamp,
        /// Premium; negative is paid back.
        written_fen: i64,
        /// Vehicle tax.
        tax_fen: i64,
        /// 销售渠道, its code; null of policies recorded before channels were.
        channel: Option<String>,
    }
}

table! {
    /// A claim as it stood from a step on. Key: `claim_no`, `sequence`.
    ClaimRow = "claim" by "accident_at" {
        /// 理赔编号.
        claim_no: String,
        /// Place of the step in the case, from 1.
        sequence: i64,
        /// 投保确认码 of the policy.
        confirm_no: String,
        /// The step's code.
        step: String,
        /// `current`, or `late` where it moved nothing.
        standing: String,
        /// When the accident happened.
        accident_at: Timestamp,
        /// When it was reported to the insurer.
        reported_at: Timestamp,
        /// When what the step tells of happened.
        occurred_at: Timestamp,
        /// Known from here on.
        recorded_at: Timestamp,
        /// Where the case stands.
        stage: String,
        /// How often it was reopened.
        round: i64,
        /// 事故责任 as known last.
        liability: String,
        /// When the closing that holds was made.
        closed_at: Option<Timestamp>,
        /// What that closing pays in all.
        total_fen: Option<i64>,
        /// Paid so far, less what was given back.
        paid_fen: i64,
        /// Got back from the liable side.
        recovered_fen: i64,
        /// Still expected to be paid.
        outstanding_fen: i64,
        /// 1 where the claim begins, -1 where it is cancelled, else 0: a ledger of its own.
        counted: i64,
        /// 销售渠道, its code; null of policies recorded before channels were.
        channel: Option<String>,
    }
}

table! {
    /// Money of a claim. Ledger.
    PaymentRow = "payment" by "accident_at" {
        /// 理赔编号.
        claim_no: String,
        /// Place of the step in the case.
        sequence: i64,
        /// 投保确认码 of the policy.
        confirm_no: String,
        /// When the accident happened.
        accident_at: Timestamp,
        /// When the money moved.
        paid_at: Timestamp,
        /// Known from here on.
        recorded_at: Timestamp,
        /// Paid; negative was given back.
        paid_fen: i64,
        /// Got back from the liable side.
        recovered_fen: i64,
        /// 销售渠道, its code; null of policies recorded before channels were.
        channel: Option<String>,
    }
}

table! {
    /// A change of what is still expected to be paid for a claim. Ledger.
    ReserveRow = "reserve" by "accident_at" {
        /// 理赔编号.
        claim_no: String,
        /// Place of the step in the case.
        sequence: i64,
        /// 投保确认码 of the policy.
        confirm_no: String,
        /// When the accident happened.
        accident_at: Timestamp,
        /// When what changed it happened.
        changed_at: Timestamp,
        /// Known from here on.
        recorded_at: Timestamp,
        /// More is expected; negative, less.
        outstanding_fen: i64,
        /// 销售渠道, its code; null of policies recorded before channels were.
        channel: Option<String>,
    }
}

table! {
    /// A change of a policy's written premium under one of its covers. Ledger; the covers of a version
    /// add up to its row of `premium`.
    CoverPremiumRow = "cover_premium" by "recorded_at" {
        /// 销售渠道, its code.
        channel: Option<String>,
        /// 险别, its code; null for what no cover can be told to have.
        cover: Option<String>,
        /// 投保确认码.
        confirm_no: String,
        /// The version of the policy that told of it.
        sequence: i64,
        /// True from here on.
        effective_at: Timestamp,
        /// Known, and written, from here on.
        recorded_at: Timestamp,
        /// Premium; negative is paid back.
        written_fen: i64,
    }
}

table! {
    /// A change of what a policy insured and earned in a month under one of its covers. Ledger; the
    /// covers of a version and month add up to the earned premium of its row of `exposure`.
    CoverExposureRow = "cover_exposure" by "month" {
        /// 销售渠道, its code.
        channel: Option<String>,
        /// 险别, its code; null for what no cover can be told to have.
        cover: Option<String>,
        /// 投保确认码.
        confirm_no: String,
        /// The version of the policy that told of it.
        sequence: i64,
        /// First day of the month in China.
        month: Date,
        /// Seconds in which the policy insured and held the cover.
        insured_s: i64,
        /// Premium earned: all the cover has of it spread over the policy's seconds of cover.
        earned_fen: i64,
        /// Known from here on.
        recorded_at: Timestamp,
    }
}

table! {
    /// A change of what a claim costs under a cover. Ledger; the covers of a step add up to its rows of
    /// `payment` and `reserve`.
    CoverLossRow = "cover_loss" by "accident_at" {
        /// 销售渠道 of the policy, its code.
        channel: Option<String>,
        /// 险别, its code; null until the claim says which, where the policy has several.
        cover: Option<String>,
        /// 理赔编号.
        claim_no: String,
        /// Place of the step in the case.
        sequence: i64,
        /// 投保确认码 of the policy.
        confirm_no: String,
        /// When the accident happened.
        accident_at: Timestamp,
        /// When what changed it happened.
        changed_at: Timestamp,
        /// Known from here on.
        recorded_at: Timestamp,
        /// Paid; negative was given back.
        paid_fen: i64,
        /// Got back from the liable side.
        recovered_fen: i64,
        /// More is expected; negative, less.
        outstanding_fen: i64,
        /// 1 where the claim becomes one of the cover, -1 where it is one no more, else 0. A claim two
        /// covers pay is one of each.
        counted: i64,
    }
}

//! From an amend query code to the brink of its confirmation: freezing, money, giving up.

use base_http::{Call, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::Fen;
use pg::{Command, Tx};
use production_core::endorsement::{EndorsementError, Stage};
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rules::format::Sign;

use crate::Production;
use crate::endorsement::view::EndorsementView;
use crate::endorsement::{HOLD, refused};
use crate::error::{self, ProductionError};
use crate::payment::{PaymentBody, read_payment};
use crate::pre_confirm::number;
use crate::quote::checks;
use crate::store::endorsement::{self as store, EndorsementRecord, Money};
use crate::store::proposal::{self, PaymentRecord};

impl Production {
    /// Freezes the differences of a queried endorsement.
    pub async fn pre_confirm_endorsement(
        &self,
        call: Call,
        amend_code: &str,
    ) -> Result<Reply, Problem> {
        let event = "production.endorsement.pre_confirmed";
        self.step(call, amend_code, Step::PreConfirm, event).await
    }

    /// Registers the money of an endorsement: received, or given back.
    pub async fn register_endorsement_payment(
        &self,
        call: Call,
        amend_code: &str,
        body: PaymentBody,
    ) -> Result<Reply, Problem> {
        let amend_no = number(self, &call, amend_code, NumberKind::AmendQuery)?;
        let payment = read_payment(&body, Sign::Signed, call.received_at)?;
        let record = payment.record(self, &call, amend_no).await?;
        let event = "production.endorsement.payment_registered";
        self.step(call, amend_code, Step::Pay(Box::new(record)), event).await
    }

    /// Gives an endorsement up before it is confirmed.
    pub async fn cancel_endorsement(&self, call: Call, amend_code: &str) -> Result<Reply, Problem> {
        let event = "production.endorsement.cancelled";
        self.step(call, amend_code, Step::Cancel, event).await
    }

    async fn step(
        &self,
        call: Call,
        amend_code: &str,
        step: Step,
        event: &'static str,
    ) -> Result<Reply, Problem> {
        let amend_no = number(self, &call, amend_code, NumberKind::AmendQuery)?;
        let now = call.received_at;
        let command = MoveEndorsement { amend_no, step, now };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        self.spine
            .run(call, &command, |record| {
                let mut view = EndorsementView::of(&record, &record.stage, now);
                view.notices = notices.clone();
                view.done(StatusCode::OK, amend_no.slot().0, event)
            })
            .await
    }
}

/// A step before the confirmation.
pub(crate) enum Step {
    PreConfirm,
    Pay(Box<PaymentRecord>),
    Cancel,
}

/// Moves one endorsement one step.
pub(crate) struct MoveEndorsement {
    pub(crate) amend_no: PlatformNumber,
    pub(crate) step: Step,
    pub(crate) now: Timestamp,
}

impl Command for MoveEndorsement {
    const NAME: &'static str = "endorsement.step";
    type Out = EndorsementRecord;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<EndorsementRecord, ProductionError> {
        let mut record = store::lock(tx, self.amend_no).await?;
        let stage = record.stage.clone();
        match &self.step {
            Step::PreConfirm => {
                record.stage = stage.pre_confirm(HOLD, self.now).map_err(refused)?;
                record.pre_confirmed_at = Some(self.now);
            }
            Step::Cancel => record.stage = stage.cancel(self.now).map_err(refused)?,
            Step::Pay(sent) => {
                let payment = sent.payment.clone();
                record.stage = if payment.amount < Fen::ZERO {
                    may_give_back(&record, payment.amount, self.now)?;
                    stage
                } else {
                    stage.pay(payment.clone(), self.now).map_err(refused)?
                };
                proposal::insert_payment(tx, sent, self.now).await?;
                record.money = Some(Money { payment, recorded_at: self.now });
            }
        }
        store::save(tx, &record).await?;
        Ok(record)
    }
}

/// Money goes back once, exactly the difference, for an endorsement that is frozen or made.
fn may_give_back(
    record: &EndorsementRecord,
    amount: Fen,
    now: Timestamp,
) -> Result<(), ProductionError> {
    let payable = record.terms.difference.total().unwrap_or_default();
    if amount != payable {
        return Err(refused(EndorsementError::WrongPayment { paid: amount, payable }));
    }
    if let Some(money) = &record.money {
        let detail = format!("the refund is registered already, as {}", money.payment.reference);
        return Err(ProductionError::refused(&error::WRONG_STAGE, detail));
    }
    match record.stage.clone().at(now) {
        Stage::PreConfirmed { .. } | Stage::Confirmed { .. } => Ok(()),
        Stage::Cancelled { at, .. } => Err(refused(EndorsementError::Expired(at))),
        other => Err(refused(EndorsementError::WrongStage {
            action: "register a refund for",
            stage: other.name(),
        })),
    }
}

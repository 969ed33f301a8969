//! A claim as the stories tell it: reported, and one step after another sent and taken.

use serde_json::{Value, json};

use crate::demo::market::{Answer, Insurer, Market};
use crate::demo::teller::Teller;

/// A case under way.
pub(super) struct Case {
    pub(super) who: Insurer,
    /// 理赔编号.
    pub(super) code: String,
    confirm_code: String,
    report_no: String,
}

impl Case {
    /// Reports an accident under one policy with `more` of what is known; answers the message that was
    /// sent beside its answer.
    pub(super) async fn report(
        market: &mut Market,
        teller: &mut Teller,
        (who, confirm_code): (Insurer, &str),
        report_no: &str,
        more: Value,
    ) -> anyhow::Result<(Case, Answer, Value)> {
        let named = json!({ "confirmCode": confirm_code, "reportNo": report_no });
        let message = with(named, more);
        let told = market.post(who, "/v1/claims", &message).await?;
        teller.status(&told, 201);
        let case = Case {
            who,
            code: told.text("/claimCode").to_owned(),
            confirm_code: confirm_code.to_owned(),
            report_no: report_no.to_owned(),
        };
        Ok((case, told, message))
    }

    /// A message of the case.
    pub(super) fn message(&self, business_no: &str, more: Value) -> Value {
        let named = json!({ "confirmCode": self.confirm_code, "reportNo": self.report_no,
                            "businessNo": business_no });
        with(named, more)
    }

    /// Sends a step and expects it to be taken.
    pub(super) async fn step(
        &self,
        market: &mut Market,
        teller: &mut Teller,
        step: &str,
        message: &Value,
    ) -> anyhow::Result<Answer> {
        let path = format!("/v1/claims/{}/{step}", self.code);
        let answer = market.post(self.who, &path, message).await?;
        teller.status(&answer, 201);
        Ok(answer)
    }
}

/// A vehicle of a survey: `1` the insured one, `2` another.
pub(super) fn seen(item: u8) -> Value {
    json!({ "item": item, "property": item.to_string(), "surveyor": officer() })
}

/// A vehicle of an assessment, numbered as [`seen`].
pub(super) fn lost(item: u8, loss: &str) -> Value {
    json!({ "item": item, "property": item.to_string(), "loss": loss, "assessor": officer(),
            "approver": officer() })
}

/// Documents that came in, of these kinds.
pub(super) fn documents(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| json!({ "name": kind, "kind": kind })).collect()
}

/// A recovery of an adjustment: `1` to be recovered, `2` to be paid; from compulsory (`1`) or
/// commercial (`2`) cover.
pub(super) fn recovery_row(flag: &str, kind: &str, code: &str, amount: &str) -> Value {
    json!({ "serialNo": kind.parse::<u8>().unwrap_or(1), "flag": flag, "kind": kind,
            "recoveryCode": code, "amount": amount })
}

fn officer() -> Value {
    json!({ "name": "赵一", "code": "S01", "certificateNo": "C0001" })
}

fn with(mut message: Value, more: Value) -> Value {
    if let (Value::Object(message), Value::Object(more)) = (&mut message, more) {
        message.extend(more);
    }
    message
}

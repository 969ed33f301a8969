//! A claim as insurers upload it: messages that fit, to be bent by the tests that use them.

use std::sync::Arc;

use base_http::{Caller, Problem};
use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use production::claim::wire::{
    AdjustBody, AssessBody, CancelBody, CloseBody, DocumentsBody, EstimateBody, PayBody,
    RecoveryBody, RegisterBody, ReopenBody, SurveyBody,
};
use production::function;
use serde_json::{Value, json};

use crate::support::{World, parsed, view, word};

/// A case under way: whose, under which policy and report.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) caller: Arc<Caller>,
    pub(crate) confirm_code: String,
    pub(crate) report_no: String,
    /// Once it is reported.
    pub(crate) claim_code: String,
    /// When the accident happened; each step follows an hour after the one before.
    pub(crate) accident_at: Timestamp,
}

impl Story {
    /// A case about to be reported.
    pub(crate) fn new(
        caller: &Arc<Caller>,
        confirm_code: &str,
        report_no: &str,
        accident_at: Timestamp,
    ) -> Story {
        Story {
            caller: caller.clone(),
            confirm_code: confirm_code.to_owned(),
            report_no: report_no.to_owned(),
            claim_code: String::new(),
            accident_at,
        }
    }

    /// So many hours after the accident.
    pub(crate) fn after(&self, hours: i64) -> String {
        self.accident_at.checked_add(SignedDuration::from_hours(hours)).unwrap().to_string()
    }

    /// The report.
    pub(crate) fn report(&self) -> Value {
        json!({
            "confirmCode": self.confirm_code, "reportNo": self.report_no,
            "accidentAt": self.accident_at.to_string(), "reportedAt": self.after(1),
            "district": "320102", "place": "中山路 1 号", "description": "追尾前车",
            "cause": "01", "handledBy": "12", "liability": "9",
            "driver": { "name": "李芳", "licenceNo": "11010519491231002X", "phone": "13800001234" },
            "reporterName": "李芳", "reporterPhones": ["13800001234"],
        })
    }

    fn named(&self, business_no: &str) -> Value {
        json!({ "confirmCode": self.confirm_code, "reportNo": self.report_no,
            "businessNo": business_no })
    }

    fn with(&self, business_no: &str, more: Value) -> Value {
        let mut body = self.named(business_no);
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        body
    }

    /// What was found: two vehicles, the insured side liable by `liability`.
    pub(crate) fn survey(&self, liability: &str) -> Value {
        let officer = json!({ "name": "赵查", "code": "S01", "certificateNo": "C001" });
        self.with(
            "SV-1",
            json!({
                "surveyedAt": self.after(2), "liability": liability, "liabilityDocument": "1",
                "handledBy": "12", "cause": "01",
                "vehicles": [
                    { "item": 1, "property": "1", "surveyor": officer },
                    { "item": 2, "property": "2", "plate": "苏B77777", "plateKind": "02",
                      "surveyor": officer },
                ],
            }),
        )
    }

    pub(crate) fn registration(&self) -> Value {
        self.with("RG-1", json!({ "registeredAt": self.after(3), "estimate": "8000.00" }))
    }

    /// The insured vehicle lost `own`, the other one `other`.
    pub(crate) fn assessment(&self, own: &str, other: &str) -> Value {
        let officer = json!({ "name": "钱定", "code": "A01", "certificateNo": "C002" });
        let vehicle = |item: u16, property: &str, loss: &str| {
            json!({ "item": item, "property": property, "loss": loss,
                "assessor": officer, "approver": officer })
        };
        self.with(
            "AS-1",
            json!({
                "approvedAt": self.after(4),
                "vehicles": [vehicle(1, "1", own), vehicle(2, "2", other)],
            }),
        )
    }

    pub(crate) fn documents(&self) -> Value {
        self.with(
            "DC-1",
            json!({
                "listedAt": self.after(2), "completeAt": self.after(5),
                "documents": [
                    { "name": "索赔申请书", "kind": "claimApplication" },
                    { "name": "责任认定书", "kind": "liabilityStatement" },
                ],
            }),
        )
    }

    /// `covers` add up to `amount`.
    pub(crate) fn adjustment(&self, business_no: &str, amount: &str, covers: Value) -> Value {
        self.with(
            business_no,
            json!({
                "agreedAt": self.after(6),
                "adjustments": [{ "code": "AD01", "opinion": "同意", "amount": amount,
                    "approvedAt": self.after(6), "covers": covers }],
            }),
        )
    }

    pub(crate) fn closing(&self, business_no: &str, total: &str, liability: &str) -> Value {
        self.with(
            business_no,
            json!({
                "closedAt": self.after(7), "total": total, "insured": true, "liability": liability,
            }),
        )
    }

    pub(crate) fn payment(&self, business_no: &str, total: &str) -> Value {
        self.with(
            business_no,
            json!({
                "paidAt": self.after(8), "total": total, "payerBank": "工商银行",
                "payerAccount": "6222020200112345678",
                "payees": [{ "kind": "victim", "name": "王强", "certificateKind": "01",
                    "certificateNo": "440524188001010014", "bank": "建设银行",
                    "account": "6217001234567890123", "amount": total }],
            }),
        )
    }

    pub(crate) fn reopening(&self, business_no: &str, hours: i64) -> Value {
        self.with(business_no, json!({ "reopenedAt": self.after(hours), "cause": "赔付有误" }))
    }

    /// Any other step.
    pub(crate) fn other(&self, business_no: &str, more: Value) -> Value {
        self.with(business_no, more)
    }
}

/// A compulsory payment for the other vehicle.
pub(crate) fn property(amount: &str) -> Value {
    json!([{ "coverageCode": "A02", "feeKind": "3", "amount": amount, "item": 2, "loss": amount }])
}

impl World {
    /// Uploads the report; the story then has its claim code.
    pub(crate) async fn report(&self, story: &mut Story, body: &Value) -> Result<Value, Problem> {
        let call = self.call(&story.caller, &function::CLAIM_NOTIFY);
        let told = view(self.production.notify_claim(call, &parsed(body), &[]).await)?;
        story.claim_code = word(&told, "/claimCode");
        Ok(told)
    }

    /// Everything told of a claim between its report and its adjustment.
    pub(crate) async fn documented(&self, story: &Story) {
        for (step, body) in [
            ("survey", story.survey("2")),
            ("register", story.registration()),
            ("assess", story.assessment("3000.00", "8000.00")),
            ("documents", story.documents()),
        ] {
            self.step(story, step, &body).await.unwrap_or_else(|problem| {
                panic!("{step}: {} {:?}", problem.detail, problem.errors)
            });
        }
    }

    /// Uploads one step, by its name.
    pub(crate) async fn step(
        &self,
        story: &Story,
        step: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        macro_rules! send {
            ($function:ident $body:ty) => {{
                let call = self.call(&story.caller, &function::$function);
                let body: $body = parsed(body);
                view(self.production.claim_step(call, &story.claim_code, &body, &[]).await)
            }};
        }
        match step {
            "survey" => send!(CLAIM_SURVEY SurveyBody),
            "register" => send!(CLAIM_REGISTER RegisterBody),
            "assess" => send!(CLAIM_ASSESS AssessBody),
            "documents" => send!(CLAIM_DOCUMENTS DocumentsBody),
            "adjust" => send!(CLAIM_ADJUST AdjustBody),
            "close" => send!(CLAIM_CLOSE CloseBody),
            "pay" => send!(CLAIM_PAY PayBody),
            "reopen" => send!(CLAIM_REOPEN ReopenBody),
            "cancel" => send!(CLAIM_CANCEL CancelBody),
            "estimate" => send!(CLAIM_ESTIMATE EstimateBody),
            "recovery" => send!(CLAIM_RECOVERY RecoveryBody),
            other => panic!("no step {other}"),
        }
    }

    /// A compulsory case from the report to the money: the insured side bears 70 percent, the other
    /// vehicle lost 8,000, the policy pays its property limit of 2,000.
    pub(crate) async fn settled(
        &self,
        caller: &Arc<Caller>,
        confirm_code: &str,
        report_no: &str,
        accident_at: Timestamp,
    ) -> Story {
        let mut story = Story::new(caller, confirm_code, report_no, accident_at);
        let now = self.clock.now();
        let done_at = accident_at.checked_add(SignedDuration::from_hours(9)).unwrap();
        self.clock.set(now.max(done_at));
        let report = story.report();
        self.report(&mut story, &report).await.unwrap();
        self.documented(&story).await;
        for (step, body) in [
            ("adjust", story.adjustment("AD-1", "2000.00", property("2000.00"))),
            ("close", story.closing("CL-1", "2000.00", "2")),
            ("pay", story.payment("PY-1", "2000.00")),
        ] {
            self.step(&story, step, &body).await.unwrap_or_else(|problem| {
                panic!("{step}: {} {:?}", problem.detail, problem.errors)
            });
        }
        story
    }
}

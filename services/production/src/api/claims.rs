//! 理赔: the steps of a claim.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use base_http::door::Door;
use base_http::openapi::operation;
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::claim::ClaimStepView;
use crate::claim::intake::{self, Line, Outcome};
use crate::claim::wire::{
    AdjustBody, AssessBody, CancelBody, CloseBody, DocumentsBody, EstimateBody, NotifyBody,
    PayBody, RecoveryBody, RegisterBody, ReopenBody, SurveyBody,
};
use crate::function;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::CLAIM_NOTIFY, routes!(notify)))
        .routes(operation(&function::CLAIM_SURVEY, routes!(survey)))
        .routes(operation(&function::CLAIM_REGISTER, routes!(register)))
        .routes(operation(&function::CLAIM_ASSESS, routes!(assess)))
        .routes(operation(&function::CLAIM_DOCUMENTS, routes!(hand_in_documents)))
        .routes(operation(&function::CLAIM_ADJUST, routes!(adjust)))
        .routes(operation(&function::CLAIM_CLOSE, routes!(close)))
        .routes(operation(&function::CLAIM_PAY, routes!(pay)))
        .routes(operation(&function::CLAIM_REOPEN, routes!(reopen)))
        .routes(operation(&function::CLAIM_CANCEL, routes!(cancel)))
        .routes(operation(&function::CLAIM_ESTIMATE, routes!(estimate)))
        .routes(operation(&function::CLAIM_RECOVERY, routes!(recovery)))
        .routes(operation(&function::CLAIM_INTAKE, routes!(take_batch)))
}

/// A handler of one step: the message of a case named in the path.
macro_rules! step {
    ($(#[$doc:meta])* $name:ident $path:literal $body:ident) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "claims", request_body = $body,
            params(("claimCode" = String, Path)),
            responses((status = CREATED, body = ClaimStepView)))]
        async fn $name(
            State(production): State<Production>,
            Path(claim_code): Path<String>,
            Incoming { call, body, unknown }: Incoming<Box<$body>>,
        ) -> Result<Reply, Problem> {
            Box::pin(production.claim_step(call, &claim_code, &*body, &unknown)).await
        }
    };
}

/// Report an accident under a policy (报案)
///
/// Opens a case and answers its claim code. One case a report: the same report again is answered as
/// before, another content under its number is refused. Answers what else the market knows of the
/// vehicle, the driver and the telephones as risk hints.
#[utoipa::path(post, path = "/v1/claims", tag = "claims", request_body = NotifyBody,
    responses((status = CREATED, body = ClaimStepView)))]
async fn notify(
    State(production): State<Production>,
    Incoming { call, body, unknown }: Incoming<Box<NotifyBody>>,
) -> Result<Reply, Problem> {
    Box::pin(production.notify_claim(call, &body, &unknown)).await
}

step! {
    /// Tell what the survey found (查勘)
    ///
    /// May repeat: each is a version, and the latest by its own time holds.
    survey "/v1/claims/{claimCode}/surveys" SurveyBody
}

step! {
    /// Take the case on (立案)
    register "/v1/claims/{claimCode}/registration" RegisterBody
}

step! {
    /// Tell what the loss is (定核损)
    ///
    /// May repeat: each is a version. Parts are held against the prices of the model library.
    assess "/v1/claims/{claimCode}/assessments" AssessBody
}

step! {
    /// Tell which documents came (单证)
    hand_in_documents "/v1/claims/{claimCode}/documents" DocumentsBody
}

step! {
    /// Tell what the policy pays (理算核赔)
    ///
    /// Held against the limits on the day of the accident, the covers of the policy and the formulas
    /// of hull and third-party cover. Several of one round add up to the closing.
    adjust "/v1/claims/{claimCode}/adjustments" AdjustBody
}

step! {
    /// Close the case (结案)
    ///
    /// Answers the closing check code. From now on the case counts in the quotes of every insurer.
    close "/v1/claims/{claimCode}/closings" CloseBody
}

step! {
    /// Tell what was paid to whom (赔款支付)
    ///
    /// Payments add up to the closing. After a reopening that lowered it, money given back is a
    /// negative payment.
    pay "/v1/claims/{claimCode}/payments" PayBody
}

step! {
    /// Take a closed case up again (重开)
    ///
    /// The effect of its last closing stands until it is closed again, and is then replaced.
    reopen "/v1/claims/{claimCode}/reopenings" ReopenBody
}

step! {
    /// Give the case up before it is closed (注销)
    cancel "/v1/claims/{claimCode}/cancellation" CancelBody
}

step! {
    /// Tell what is still expected to be paid (未决估损)
    estimate "/v1/claims/{claimCode}/estimates" EstimateBody
}

step! {
    /// Tell what was recovered from the liable side (追偿回款)
    ///
    /// An own damage recovered in full no longer counts towards the no-claim discount.
    recovery "/v1/claims/{claimCode}/recoveries" RecoveryBody
}

/// Take up to 1,000 steps as one stream (理赔批量上传)
///
/// One JSON object a line: `step`, `claimCode` where it is known, and the `body` of the step.
/// Answers one line for each as it is decided, with its number in the batch, and a summary last.
/// Every line is a call of its own: nothing of a bad one is kept, no good one is lost, and a batch
/// sent again is answered as before. Lines of one case are taken in their order.
#[utoipa::path(post, path = "/v1/claims/intake", tag = "claims",
    request_body(content = Line, content_type = "application/x-ndjson"),
    responses((status = OK, body = Outcome, content_type = "application/x-ndjson")))]
async fn take_batch(
    State(production): State<Production>,
    Extension(door): Extension<Arc<Door>>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    intake::take(production, door, call, body).await
}

//! Batch intake: up to a thousand steps as one stream, an outcome a line.
//!
//! Every line is a call of its own: read, decided, recorded and proven like a message that came alone,
//! and known by its business number when it comes again. Nothing of a bad line is kept, and no good
//! line waits for or falls with another. Lines of one case are taken in the order they stand; cases go
//! side by side. A batch that is taken up is worked off even when the client hangs up: sent again, its
//! lines are answered as they were.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base_http::door::Door;
use base_http::{Call, Function, Problem, Reply, problem};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use production_core::claim::Step;
use production_core::number::PlatformNumber;
use production_core::rule::{Findings, RuleId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::Production;
use crate::claim::read::StepBody;
use crate::claim::wire::{
    AdjustBody, AssessBody, CancelBody, CloseBody, DocumentsBody, EstimateBody, NotifyBody,
    PayBody, RecoveryBody, RegisterBody, ReopenBody, SurveyBody,
};
use crate::error::ProductionError;
use crate::function;
use crate::quote::read as wording;
use crate::store::claim as store;

/// Most lines of a batch.
pub const MOST_LINES: usize = 1_000;
/// Largest batch, in bytes.
pub const LARGEST_BATCH: usize = 16 << 20;
/// Cases under way at once.
const SIDE_BY_SIDE: usize = 32;

/// A line of a batch: one step of one case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ClaimBatchLine)]
pub struct Line {
    /// `notify`, `survey`, `register`, `assess`, `documents`, `adjust`, `close`, `pay`, `reopen`,
    /// `cancel`, `estimate` or `recovery`.
    #[schema(example = "survey")]
    pub step: String,
    /// 理赔编号; without one the case is found by policy and report, so that a batch may open a case
    /// and go on with it.
    pub claim_code: Option<String>,
    /// The message of the step.
    #[schema(value_type = Object)]
    pub body: Box<RawValue>,
}

/// What became of a line.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClaimBatchOutcome)]
pub struct Outcome {
    /// Its number in the batch, from 1.
    pub line: usize,
    /// What the step would have been answered with alone.
    pub status: u16,
    /// The answer of a step that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::claim::ClaimStepView>)]
    pub answer: Option<Box<RawValue>>,
    /// The problem document of a line that was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub problem: Option<Value>,
}

/// The last line of the answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClaimBatchSummary)]
pub struct Summary {
    /// Lines read.
    pub lines: usize,
    /// Steps taken, now or before.
    pub taken: usize,
    /// Lines refused.
    pub refused: usize,
}

/// Where a line belongs: lines of one case keep their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum CaseKey {
    Report(String, String),
    Code(String),
    Alone(usize),
}

/// What is looked at of a body before it is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Names {
    confirm_code: Option<String>,
    report_no: Option<String>,
}

struct Numbered {
    at: usize,
    bytes: Bytes,
    line: Line,
    names: Names,
}

/// Takes a batch; answers a stream with an outcome for each line and a summary last.
pub async fn take(
    production: Production,
    door: Arc<Door>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    production.insurer_of(&call)?;
    let bytes = whole(body).await?;
    let lines = lines(&bytes)?;
    let (told, outcomes) = mpsc::channel::<Outcome>(SIDE_BY_SIDE);
    let count = lines.len();
    // Beside the request: a client that hangs up stops the answer, not the work.
    let tasks = production.tasks.clone();
    tasks.spawn(async move { work(production, door, call, lines, told).await });
    let answer =
        stream::unfold((outcomes, Some(Summary { lines: count, taken: 0, refused: 0 })), next);
    let body = Body::from_stream(answer.map(Ok::<_, std::convert::Infallible>));
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

type Telling = (mpsc::Receiver<Outcome>, Option<Summary>);

/// The next line of the answer.
async fn next((mut outcomes, summary): Telling) -> Option<(Bytes, Telling)> {
    let mut summary = summary?;
    match outcomes.recv().await {
        Some(outcome) => {
            if outcome.answer.is_some() {
                summary.taken += 1;
            } else {
                summary.refused += 1;
            }
            Some((ndjson(&outcome), (outcomes, Some(summary))))
        }
        None => Some((ndjson(&summary), (outcomes, None))),
    }
}

fn ndjson(value: &impl Serialize) -> Bytes {
    // Plain structs of numbers and JSON that was JSON before, which always serialise.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

async fn whole(mut body: Body) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let early = |_| Problem::new(&problem::MALFORMED, "the batch ended early");
        let Ok(piece) = frame.map_err(early)?.into_data() else { continue };
        if bytes.len() + piece.len() > LARGEST_BATCH {
            let detail = format!("a batch has at most {LARGEST_BATCH} bytes; send several");
            return Err(Problem::new(&problem::TOO_LARGE, detail));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// The lines that are not blank, at most [`MOST_LINES`].
fn lines(bytes: &Bytes) -> Result<Vec<(usize, Bytes)>, Problem> {
    let mut lines = Vec::new();
    let mut from = 0;
    for (at, piece) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let range = from..from + piece.len();
        from = range.end + 1;
        if !piece.iter().all(u8::is_ascii_whitespace) {
            lines.push((at + 1, bytes.slice(range)));
        }
    }
    if lines.len() > MOST_LINES {
        let detail = format!("a batch has at most {MOST_LINES} lines, not {}", lines.len());
        return Err(Problem::new(&problem::TOO_LARGE, detail));
    }
    if lines.is_empty() {
        let detail = "send one JSON object a line: step, claimCode, body";
        return Err(Problem::new(&problem::MALFORMED, detail));
    }
    Ok(lines)
}

/// Works the batch off: cases side by side, the lines of one in order.
async fn work(
    production: Production,
    door: Arc<Door>,
    call: Call,
    lines: Vec<(usize, Bytes)>,
    told: mpsc::Sender<Outcome>,
) {
    let mut order: Vec<CaseKey> = Vec::new();
    let mut cases: HashMap<CaseKey, Vec<Numbered>> = HashMap::new();
    for (at, bytes) in lines {
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(line) => {
                let names: Names = serde_json::from_str(line.body.get()).unwrap_or_default();
                let key = key(at, &line, &names);
                let of_case = cases.entry(key.clone()).or_default();
                if of_case.is_empty() {
                    order.push(key);
                }
                of_case.push(Numbered { at, bytes, line, names });
            }
            Err(error) => {
                let problem = Problem::new(&problem::MALFORMED, format!("not a line: {error}"));
                tell(&told, &call, at, Err(problem)).await;
            }
        }
    }
    let cases: Vec<Vec<Numbered>> =
        order.into_iter().filter_map(|key| cases.remove(&key)).collect();
    stream::iter(cases)
        .for_each_concurrent(SIDE_BY_SIDE, |of_case| async {
            for numbered in of_case {
                let outcome = production.intake_line(&door, &call, &numbered).await;
                tell(&told, &call, numbered.at, outcome).await;
            }
        })
        .await;
}

/// Which case a line is of; a line that names none stands alone.
fn key(at: usize, line: &Line, names: &Names) -> CaseKey {
    match (&names.confirm_code, &names.report_no, &line.claim_code) {
        (Some(confirm_code), Some(report_no), _) => {
            CaseKey::Report(confirm_code.clone(), report_no.clone())
        }
        (_, _, Some(code)) => CaseKey::Code(code.clone()),
        _ => CaseKey::Alone(at),
    }
}

async fn tell(
    told: &mpsc::Sender<Outcome>,
    call: &Call,
    line: usize,
    outcome: Result<Reply, Problem>,
) {
    let outcome = match outcome {
        Ok(reply) => Outcome {
            line,
            status: reply.status.as_u16(),
            answer: serde_json::from_slice(&reply.body).ok(),
            problem: None,
        },
        Err(problem) => Outcome {
            line,
            status: problem.code.status,
            answer: None,
            problem: serde_json::to_value(problem.document(Some(call.trace))).ok(),
        },
    };
    // Nobody listens any more: the work stands, and the batch sent again is answered the same.
    let _ = told.send(outcome).await;
}

impl Production {
    /// One line: a call of its own.
    async fn intake_line(
        &self,
        door: &Door,
        batch: &Call,
        numbered: &Numbered,
    ) -> Result<Reply, Problem> {
        let step = Step::named(&numbered.line.step).filter(|step| *step != Step::Correct);
        let Some(step) = step else {
            let detail = format!("{:?} is no step of a claim", numbered.line.step);
            return Err(Problem::new(&problem::MALFORMED, detail));
        };
        let call = batch.piece(door, function_of(step), &numbered.bytes)?;
        match step {
            Step::Notify => {
                let (body, unknown) = read::<NotifyBody>(&numbered.line)?;
                Box::pin(self.notify_claim(call, &body, &unknown)).await
            }
            Step::Survey => self.step_of::<SurveyBody>(call, numbered).await,
            Step::Register => self.step_of::<RegisterBody>(call, numbered).await,
            Step::Assess => self.step_of::<AssessBody>(call, numbered).await,
            Step::Documents => self.step_of::<DocumentsBody>(call, numbered).await,
            Step::Adjust => self.step_of::<AdjustBody>(call, numbered).await,
            Step::Close => self.step_of::<CloseBody>(call, numbered).await,
            Step::Pay => self.step_of::<PayBody>(call, numbered).await,
            Step::Reopen => self.step_of::<ReopenBody>(call, numbered).await,
            Step::Cancel => self.step_of::<CancelBody>(call, numbered).await,
            Step::Estimate => self.step_of::<EstimateBody>(call, numbered).await,
            Step::Recovery => self.step_of::<RecoveryBody>(call, numbered).await,
            Step::Correct => Err(Problem::new(&problem::MALFORMED, "follows a dispute alone")),
        }
    }

    async fn step_of<B: StepBody + DeserializeOwned + Sync>(
        &self,
        call: Call,
        numbered: &Numbered,
    ) -> Result<Reply, Problem> {
        let (body, unknown) = read::<B>(&numbered.line)?;
        let claim_code = match &numbered.line.claim_code {
            Some(code) => code.clone(),
            None => self.case_of(&call, &numbered.names).await?.to_string(),
        };
        Box::pin(self.claim_step(call, &claim_code, &body, &unknown)).await
    }

    /// The case of a line without a claim code: by policy and report.
    async fn case_of(&self, call: &Call, names: &Names) -> Result<PlatformNumber, Problem> {
        let mut found = Findings::new();
        let confirm_no = names.confirm_code.as_deref().and_then(|code| {
            production_core::rules::format::platform_number(
                code,
                production_core::number::NumberKind::Confirm,
                self.insurer_of(call).ok(),
                "/body/confirmCode",
                &mut found,
            )
        });
        let (Some(confirm_no), Some(report_no)) = (confirm_no, &names.report_no) else {
            if found.is_empty() {
                let message = "name the case by claimCode, or by confirmCode and reportNo";
                found.add(RuleId::S13, "/claimCode", message);
            }
            return Err(Problem::invalid(wording::errors(found.split().0)));
        };
        let mut tx = self.begin(call).await?;
        let claim_no = store::of_report(&mut tx, confirm_no, report_no).await?;
        claim_no.ok_or_else(|| {
            let what = format!("of report {report_no} under policy {confirm_no}");
            ProductionError::not_found("claim", what).into()
        })
    }
}

/// The body of a line, with what it does not know; every wrong type at once.
fn read<B: DeserializeOwned>(line: &Line) -> Result<(B, Vec<String>), Problem> {
    base_http::body::read(line.body.get().as_bytes())
}

fn function_of(step: Step) -> &'static Function {
    match step {
        Step::Notify => &function::CLAIM_NOTIFY,
        Step::Survey => &function::CLAIM_SURVEY,
        Step::Register => &function::CLAIM_REGISTER,
        Step::Assess => &function::CLAIM_ASSESS,
        Step::Documents => &function::CLAIM_DOCUMENTS,
        Step::Adjust => &function::CLAIM_ADJUST,
        Step::Close => &function::CLAIM_CLOSE,
        Step::Pay => &function::CLAIM_PAY,
        Step::Reopen => &function::CLAIM_REOPEN,
        Step::Cancel => &function::CLAIM_CANCEL,
        Step::Estimate => &function::CLAIM_ESTIMATE,
        Step::Recovery | Step::Correct => &function::CLAIM_RECOVERY,
    }
}

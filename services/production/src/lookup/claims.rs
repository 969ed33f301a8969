//! Own claims, one and many, as they are or were known.
//!
//! A case is the fold of its steps, so the case of an earlier instant is the fold of those that were
//! recorded by then; its statutory clocks stand as they did at that instant, by the public holidays
//! that were known then.

use base_http::paging::{Page, bad};
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use production_core::claim::{Case, Stage, Step};
use production_core::history::PolicyClass;
use production_core::number::{NumberKind, PlatformNumber};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::Production;
use crate::claim::clock;
use crate::error::ProductionError;
use crate::lookup::ask::{self, Sieve, View};
use crate::lookup::claim_line::{self, ClaimLine, ClockView};
use crate::lookup::claim_message::Reader;
use crate::lookup::{Shown, claim_message};
use crate::pre_confirm::number;
use crate::sealed;
use crate::store::claim::{self as store, StepRow, standing_name};
use crate::store::claim_lookup::{self, ClaimFilter, ListedClaim, ToldStep, stored_facts};

/// How one claim is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClaimQuery {
    /// As known, and standing as it did, at this instant or at the begin of this day.
    pub as_of: Option<String>,
    /// Show the messages whole; needs `production.personal_data.read` and an X-Purpose header.
    pub unmask: Option<bool>,
}

/// Which own claims to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClaimListQuery {
    /// Of one insured vehicle, by its frame number.
    pub frame_no: Option<String>,
    /// `compulsory` or `commercial`.
    pub class: Option<String>,
    /// `NOTIFIED`, `REOPENED`, `SURVEYED`, `REGISTERED`, `ASSESSED`, `DOCUMENTED`, `ADJUSTED`,
    /// `CLOSED`, `PAID` or `CANCELLED`.
    pub stage: Option<String>,
    /// Under one policy, by its confirm code.
    pub confirm_code: Option<String>,
    /// The insurer's number of the report.
    pub report_no: Option<String>,
    /// Of accidents at or after: an instant or a day.
    pub accident_from: Option<String>,
    /// Of accidents before.
    pub accident_to: Option<String>,
    /// Reported to the platform at or after.
    pub recorded_from: Option<String>,
    /// Reported to the platform before.
    pub recorded_to: Option<String>,
    /// Only those with a duty whose time is over. With this or `asOf` a page may hold fewer rows
    /// than asked for and still have a `next`.
    pub overdue: Option<bool>,
    /// As known, and standing as they did, at this instant.
    pub as_of: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A step of a claim.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStepLine {
    /// Its place in the case, from 1.
    pub sequence: i32,
    /// Which step, for example `survey`.
    pub step: &'static str,
    /// The insurer's number of it.
    pub business_no: String,
    /// How often the case had been reopened.
    pub round: u32,
    /// `current`, or `late` when it tells of a time before a closing that stood already.
    pub standing: &'static str,
    /// When what it tells of happened.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// Who sent it.
    pub client: String,
    /// 结案校验码, of a closing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closing_check_code: Option<String>,
    /// The message as it was taken. Persons are masked and free words hidden unless `unmask` is asked
    /// for and granted.
    #[schema(value_type = Object)]
    pub message: Value,
}

/// A claim.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub line: ClaimLine,
    /// The instant it is shown at.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// Four-letter insurer code.
    pub insurer: String,
    /// The case its steps made: losses, adjustments of this round, closings, money.
    #[schema(value_type = Object)]
    pub case: Case,
    /// Duties the law sets, in the order they arise.
    pub clocks: Vec<ClockView>,
    /// Steps known then, first to last.
    pub steps: Vec<ClaimStepLine>,
}

impl Production {
    /// One own claim.
    pub async fn read_claim(
        &self,
        call: Call,
        claim_code: &str,
        asked: ClaimQuery,
    ) -> Result<Reply, Problem> {
        let claim_no = number(self, &call, claim_code, NumberKind::Claim)?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let shown = Shown::to(&call, asked.unmask)?;
        let mut tx = self.begin(&call).await?;
        let row = store::find(&mut tx, claim_no).await?;
        let steps = store::steps(&mut tx, claim_no, view.as_of).await?;
        drop(tx);
        if steps.is_empty() {
            let then = format!("{claim_no} as of {}", view.at);
            return Err(ProductionError::not_found("claim", then).into());
        }
        let insurer = row.insurer.as_str().to_owned();
        let mut claim = ListedClaim::from(row);
        if view.as_of.is_some() {
            let told: Result<Vec<ToldStep>, ProductionError> = steps.iter().map(told).collect();
            claim_line::replay(&mut claim, &told?)?;
        }
        let mut lines = Vec::with_capacity(steps.len());
        for step in &steps {
            lines.push(self.step_line(step, shown).await?);
        }
        let rest_days = self.rest_days(&claim.region, view.at);
        let clocks = clock::clocks(&claim.case, rest_days, view.at);
        let answer = ClaimView {
            line: claim_line::line_with(&claim, &clocks),
            as_of: view.at,
            insurer,
            clocks: clocks.into_iter().map(ClockView::from).collect(),
            case: claim.case,
            steps: lines,
        };
        let slot = claim_no.slot().0;
        let done = Done::json(StatusCode::OK, &answer, slot, claim_no.to_string());
        self.answer(call, shown, done).await
    }

    async fn step_line(
        &self,
        step: &StepRow,
        shown: Shown,
    ) -> Result<ClaimStepLine, ProductionError> {
        let message: Value =
            self.sealer.open(step.tenant, sealed::CLAIM, &step.message_sealed).await?;
        let name = step.step.name_en();
        Ok(ClaimStepLine {
            sequence: step.sequence,
            step: name,
            business_no: step.business_no.clone(),
            round: step.round,
            standing: standing_name(step.standing),
            occurred_at: step.occurred_at,
            recorded_at: step.recorded_at,
            client: step.client.clone(),
            closing_check_code: match step.step {
                Step::Close => check_code(&step.answer)?,
                _ => None,
            },
            message: match shown {
                Shown::Masked => claim_message::masked(name, message, Reader::Own),
                Shown::Whole => message,
            },
        })
    }

    /// Own claims, latest first.
    pub async fn list_claims(&self, call: Call, asked: ClaimListQuery) -> Result<Reply, Problem> {
        self.insurer_of(&call)?;
        let page = Page { limit: asked.limit, after: asked.after.clone() };
        let mut sieve = Sieve::of(&page)?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let wanted = Wanted::read(&asked, view)?;
        let mut filter =
            ClaimFilter { after: ask::cursor(page.after.as_deref())?, ..wanted.filter };
        let rows_wanted = page.limit()? + 1;
        let mut tx = self.begin(&call).await?;
        // How a claim stood is told from its steps, not stored: rows are read until the page is full.
        let more = 'rows: loop {
            let rows =
                claim_lookup::claims(&mut tx, call.caller.tenant, &filter, rows_wanted).await?;
            let ended = i64::try_from(rows.len()).unwrap_or(i64::MAX) < rows_wanted;
            for row in claim_line::known(&mut tx, rows, view.as_of).await? {
                if sieve.is_full() {
                    break 'rows true;
                }
                let line = self.claim_line(&row, view.at);
                let stands = wanted.stage.is_none_or(|stage| line.stage == stage);
                let stands = stands && !(wanted.overdue && line.overdue.is_empty());
                sieve.look(row.recorded_at, row.claim_no, stands.then_some(line));
            }
            if ended {
                break false;
            }
            filter.after = sieve.last();
        };
        drop(tx);
        let page = sieve.paged(more);
        let frame = filter.frame.as_ref();
        let slot = frame.map_or(0, |frame| frame.slot().0);
        let subject = frame.map_or_else(|| "claims".to_owned(), |frame| frame.masked());
        self.answer(call, Shown::Masked, Done::json(StatusCode::OK, &page, slot, subject)).await
    }
}

/// What a list asks for: what the database can tell, and what the fold must.
struct Wanted {
    filter: ClaimFilter,
    stage: Option<Stage>,
    overdue: bool,
}

impl Wanted {
    fn read(asked: &ClaimListQuery, view: View) -> Result<Wanted, Problem> {
        let frame = asked.frame_no.as_deref().map(|raw| ask::frame("frameNo", raw)).transpose()?;
        let class = asked.class.as_deref().map(PolicyClass::parse).transpose();
        let stage = asked.stage.as_deref().map(Stage::parse).transpose();
        let stage = stage.map_err(|error| bad("stage", error.to_string()))?;
        let overdue = asked.overdue.unwrap_or(false);
        // The row tells how a claim stands now, and only that.
        let now = view.as_of.is_none();
        let filter = ClaimFilter {
            frame,
            class: class.map_err(|error| bad("class", error.to_string()))?,
            stage: stage.filter(|_| now),
            confirm_no: asked.confirm_code.as_deref().map(confirm).transpose()?,
            report_no: asked.report_no.as_deref().map(|raw| raw.trim().to_owned()),
            accident_from: ask::instant("accidentFrom", asked.accident_from.as_deref())?,
            accident_to: ask::instant("accidentTo", asked.accident_to.as_deref())?,
            recorded_from: ask::instant("recordedFrom", asked.recorded_from.as_deref())?,
            recorded_to: ask::instant("recordedTo", asked.recorded_to.as_deref())?,
            known_at: view.as_of,
            overdue_at: (overdue && now).then_some(view.at),
            after: None,
        };
        Ok(Wanted { filter, stage, overdue })
    }
}

fn confirm(raw: &str) -> Result<PlatformNumber, Problem> {
    PlatformNumber::parse(raw)
        .and_then(|number| number.of_kind(NumberKind::Confirm))
        .map_err(|error| bad("confirmCode", error.to_string()))
}

fn told(step: &StepRow) -> Result<ToldStep, ProductionError> {
    Ok(ToldStep { facts: stored_facts(&step.facts)?, recorded_at: step.recorded_at })
}

/// 结案校验码: it was given with the answer and is kept there.
pub(crate) fn check_code(answer: &[u8]) -> Result<Option<String>, ProductionError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answered {
        #[serde(default)]
        closing_check_code: Option<String>,
    }
    let answered: Result<Answered, _> = serde_json::from_slice(answer);
    Ok(answered.map_err(|_| ProductionError::Corrupt("claim step"))?.closing_check_code)
}

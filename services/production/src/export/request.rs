//! Asking for an export, looking at it, calling it off.

use base_http::paging::{Page, Paged, cut};
use base_http::{Call, Done, FieldError, Problem, Reply, problem};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use pg::{Command, Tx};
use production_core::history::PolicyClass;
use production_core::region::Region;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Production;
use crate::error::{self, ProductionError};
use crate::export::view::ExportView;
use crate::export::{ExportId, ExportKind, Format, Selection};
use crate::lookup::Shown;
use crate::lookup::ask::{self, View};
use crate::store::export::{self, ExportRecord, ExportStage, Progress};

/// Parameter of tenancy: exports of one tenant that may be queued or running at once.
pub const AT_ONCE: &str = "production.exports_at_once";

/// How many those are where the parameter is not set.
const AT_ONCE_DEFAULT: u32 = 3;

/// Longest time one export reaches over: ten years and some days.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 3_660);

/// What is to be exported.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ExportRequest)]
pub struct ExportBody {
    /// `policies`, `policyVersions`, `endorsements`, `quotes`, `fees`, `claims` or `claimSteps`.
    #[schema(example = "policies")]
    pub kind: Option<String>,
    /// `csv` or `parquet`.
    #[schema(example = "csv")]
    pub format: Option<String>,
    /// Recorded at or after: an instant or a day. Needed.
    #[schema(example = "2026-01-01")]
    pub from: Option<String>,
    /// Recorded before; everything known at `asOf` when absent.
    pub to: Option<String>,
    /// As known, and standing as it did, at this instant; the instant of the request when absent.
    pub as_of: Option<String>,
    /// Of one region, by its six-digit code.
    pub region: Option<String>,
    /// `compulsory` or `commercial`; of quotes those that ask for it.
    pub class: Option<String>,
    /// Show personal data whole; needs `production.personal_data.read` and an X-Purpose header, for
    /// the request and for each download.
    pub unmask: Option<bool>,
}

impl Production {
    /// Queues an export.
    pub async fn request_export(
        &self,
        call: Call,
        body: ExportBody,
        unknown: Vec<String>,
    ) -> Result<Reply, Problem> {
        let (kind, format, selection) = read(&call, &body, unknown)?;
        let shown = Shown::to(&call, body.unmask)?;
        let caller = &call.caller;
        let now = call.received_at;
        let at_once =
            self.challenges.parameters().number(AT_ONCE, caller.tenant, &caller.region, now);
        let request = RequestExport {
            at_once: at_once.unwrap_or(AT_ONCE_DEFAULT),
            record: ExportRecord {
                export: ExportId(self.spine.ids().next(now)),
                client: caller.client.to_string(),
                kind,
                format,
                selection,
                shown,
                purpose: call.purpose.as_deref().map(str::to_owned),
                requested_at: now,
                stage: ExportStage::Queued,
                started_at: None,
                progress: Progress::default(),
            },
        };
        let view = ExportView::of(&request.record, now);
        let subject = request.record.subject();
        self.spine
            .run(call, &request, |()| Done::json(StatusCode::ACCEPTED, &view, 0, subject.clone()))
            .await
    }

    /// One own export.
    pub async fn read_export(&self, call: Call, export: &str) -> Result<Reply, Problem> {
        let record = self.own_export(&call, export).await?;
        let view = ExportView::of(&record, call.received_at);
        let done = Done::json(StatusCode::OK, &view, 0, record.subject());
        self.answer(call, Shown::Masked, done).await
    }

    /// Own exports, latest first.
    pub async fn list_exports(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        let limit = page.limit()?;
        let after = match ask::cursor(page.after.as_deref())? {
            Some((at, id)) => {
                let bad = |_| base_http::paging::bad("after", "is not the next of an earlier page");
                Some((at, Uuid::parse_str(&id).map_err(bad)?))
            }
            None => None,
        };
        let mut tx = self.begin(&call).await?;
        let mut records = export::list(&mut tx, call.caller.tenant, after, limit + 1).await?;
        drop(tx);
        let page = Paged {
            next: cut(&mut records, limit, |last| ask::behind(last.requested_at, last.export)),
            items: records.iter().map(|record| ExportView::of(record, call.received_at)).collect(),
        };
        self.answer(call, Shown::Masked, Done::json(StatusCode::OK, &page, 0, "exports")).await
    }

    /// Calls an own export off, or throws its file away. Once more does no harm.
    pub async fn cancel_export(&self, call: Call, export: &str) -> Result<Reply, Problem> {
        let record = self.own_export(&call, export).await?;
        let now = call.received_at;
        let cancel = CancelExport { record, now };
        let subject = cancel.record.subject();
        self.spine
            .run(call, &cancel, |record| {
                Done::json(StatusCode::OK, &ExportView::of(&record, now), 0, subject.clone())
            })
            .await
    }

    /// An own export by the text of its identifier.
    pub(crate) async fn own_export(
        &self,
        call: &Call,
        export: &str,
    ) -> Result<ExportRecord, ProductionError> {
        let id = Uuid::try_parse(export)
            .map_err(|_| ProductionError::not_found("export", "of this identifier"))?;
        let mut tx = self.begin(call).await?;
        export::find(&mut tx, call.caller.tenant, ExportId(id)).await
    }
}

impl ExportRecord {
    /// What the evidence says the call was about.
    pub(crate) fn subject(&self) -> String {
        format!("export {}", self.export)
    }
}

struct RequestExport {
    at_once: u32,
    record: ExportRecord,
}

impl Command for RequestExport {
    const NAME: &'static str = "export.request";
    type Out = ();
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ProductionError> {
        let under_way = export::under_way(tx, self.record.selection.tenant).await?;
        if under_way >= i64::from(self.at_once) {
            let detail = format!(
                "{under_way} exports are queued or running, and {} may be; wait for one or cancel it",
                self.at_once
            );
            return Err(ProductionError::refused(&error::EXPORTS_UNDER_WAY, detail));
        }
        export::insert(tx, &self.record).await
    }
}

struct CancelExport {
    record: ExportRecord,
    now: Timestamp,
}

impl Command for CancelExport {
    const NAME: &'static str = "export.cancel";
    type Out = ExportRecord;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<ExportRecord, ProductionError> {
        let (tenant, id) = (self.record.selection.tenant, self.record.export);
        export::cancel(tx, tenant, id, self.now).await?;
        export::find(tx, tenant, id).await
    }
}

/// What is asked for, or everything that is wrong with it at once.
fn read(
    call: &Call,
    body: &ExportBody,
    unknown: Vec<String>,
) -> Result<(ExportKind, Format, Selection), Problem> {
    let mut errors: Vec<FieldError> = unknown
        .into_iter()
        // A filter that is not known would let through what it was to keep out.
        .map(|pointer| FieldError::at(pointer, "is not known"))
        .collect();
    let now = call.received_at;
    let mut complain = |pointer: &str, detail: String| {
        errors.push(FieldError::at(pointer, detail));
    };
    let kinds: Vec<&str> = ExportKind::ALL.iter().map(|kind| kind.name()).collect();
    let kind = body.kind.as_deref().and_then(ExportKind::parse);
    if kind.is_none() {
        complain("/kind", format!("is one of {}", kinds.join(", ")));
    }
    let format = body.format.as_deref().and_then(Format::parse);
    if format.is_none() {
        complain("/format", "is csv or parquet".to_owned());
    }
    let mut instant = |name: &str, raw: &Option<String>| match ask::instant(name, raw.as_deref()) {
        Ok(read) => read,
        Err(problem) => {
            let detail = problem.errors.into_iter().next().map(|error| error.detail);
            complain(&format!("/{name}"), detail.unwrap_or(problem.detail));
            None
        }
    };
    let from = instant("from", &body.from);
    let to = instant("to", &body.to);
    let as_of = match View::read(body.as_of.as_deref(), now) {
        Ok(view) => view.at,
        Err(problem) => {
            let detail = problem.errors.into_iter().next().map(|error| error.detail);
            complain("/asOf", detail.unwrap_or(problem.detail));
            now
        }
    };
    let region = body.region.as_deref().map(Region::parse).transpose();
    let region = region.unwrap_or_else(|error| {
        complain("/region", error.to_string());
        None
    });
    let class = body.class.as_deref().map(PolicyClass::parse).transpose();
    let class = class.unwrap_or_else(|error| {
        complain("/class", error.to_string());
        None
    });
    match from {
        None if body.from.as_deref().is_none_or(|raw| raw.trim().is_empty()) => {
            complain("/from", "say from when on, an instant or a day".to_owned());
        }
        Some(from) if as_of < from => {
            complain("/from", format!("lies after {as_of}, as of when the data is known"));
        }
        Some(from) if to.is_some_and(|to| to <= from) => {
            complain("/to", "does not lie after from".to_owned());
        }
        Some(from) if LONGEST < from.duration_until(to.map_or(as_of, |to| to.min(as_of))) => {
            complain("/from", "lies more than ten years back; ask for several".to_owned());
        }
        _ => {}
    }
    match (kind, format, from) {
        (Some(kind), Some(format), Some(from)) if errors.is_empty() => {
            let tenant = call.caller.tenant;
            Ok((kind, format, Selection { tenant, from, to, as_of, region, class }))
        }
        _ => Err(Problem {
            errors,
            ..Problem::new(&problem::MALFORMED, "a parameter cannot be read; see errors")
        }),
    }
}

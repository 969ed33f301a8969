//! Taking uploads, and showing datasets.

use std::collections::HashMap;

use analytics::encode::{Encoder, Format as Rows};
use analytics::lake::{LakeError, TableName};
use axum::body::Body;
use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use axum::response::Response;
use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Caller, Done, Problem, Reply, body, problem};
use futures::StreamExt;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use kernel::TenantId;
use pg::{Command, Scope, Tx};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::Actuarial;
use crate::dataset::DatasetId;
use crate::dataset::about::{About, Asked, DatasetBody, Format};
use crate::dataset::import::TABLE;
use crate::dataset::table::{Building, Column};
use crate::dataset::view::{RowsView, VersionView};
use crate::error::{self, ActuarialError};
use crate::file::{FileId, Written};
use crate::function;
use crate::job::held_from;
use crate::question::own::OwnBody;
use crate::run::request::{behind, room};
use crate::store::dataset::{self as store, Imported, TakenImport, VersionRecord, VersionStage};
use crate::store::file as files;

/// Most bytes of what an upload says about its file.
const MOST_ABOUT: usize = 1 << 20;
/// Rows of a preview when the caller does not say, and at most.
const ROWS: usize = 20;
const MOST_ROWS: usize = 500;

/// How many rows are shown.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RowsAsked {
    /// Rows wanted, 1 to 500; 20 when absent.
    pub limit: Option<usize>,
}

/// What an upload brought.
struct Uploaded {
    asked: Asked,
    about_digest: [u8; 32],
    file: Written,
    /// Of what the caller sent besides: the file, or the question whose answer it is.
    said_digest: [u8; 32],
    name: Option<String>,
}

impl Actuarial {
    /// Takes an upload; it is imported in the background.
    pub async fn upload(&self, call: Call, form: Multipart) -> Result<Reply, Problem> {
        let tenant = call.caller.tenant;
        let mut begun = None;
        let uploaded = match self.take(&call.caller, form, &mut begun).await {
            Ok(uploaded) => uploaded,
            Err(problem) => {
                if let Some(file) = begun {
                    self.files.discard(tenant, file).await;
                }
                return Err(problem);
            }
        };
        let Uploaded { asked, about_digest, file, said_digest, name } = uploaded;
        // The same message is the same file with the same words about it.
        let mut digest = Sha256::new();
        [call.request_digest, about_digest, said_digest].iter().for_each(|it| digest.update(it));
        let call = Call { request_digest: digest.finalize().into(), ..call };
        let import = self.import(&call, asked, &file, name);
        let answered = self.spine.run(call, &import, |record| {
            let subject = format!("dataset {}", record.dataset);
            Done::json(StatusCode::ACCEPTED, &VersionView::of(&record), 0, subject)
        });
        let answered = answered.await;
        if !answered.as_ref().is_ok_and(|reply| !reply.replayed) {
            self.files.discard(tenant, file.file).await;
        }
        answered
    }

    /// Begins a version the cloud makes itself, in the name of a call: taken by this server.
    pub(crate) async fn begin_own(
        &self,
        call: &Call,
        about: &serde_json::Value,
        file: &[u8],
    ) -> Result<TakenImport, Problem> {
        let tenant = call.caller.tenant;
        let (body, unknown) = body::read::<DatasetBody>(about.to_string().as_bytes())?;
        let asked = body.read(unknown).map_err(ActuarialError::Invalid)?;
        let file = self.files.put(tenant, file).await?;
        let import = self.import(call, asked, &file, None);
        let begun = async {
            let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
            let record = import.apply(&mut tx).await?;
            let taken = store::hold(&mut tx, &record, held_from(self.spine.now())).await?;
            tx.commit().await?;
            Ok::<_, ActuarialError>(taken)
        };
        let begun = begun.await;
        if begun.is_err() {
            self.files.discard(tenant, file.file).await;
        }
        Ok(begun?)
    }

    /// The first of a dataset to be imported from a file; its number is given when it is kept.
    fn import(
        &self,
        call: &Call,
        asked: Asked,
        file: &Written,
        source_name: Option<String>,
    ) -> Import {
        let record = VersionRecord {
            tenant: call.caller.tenant,
            dataset: DatasetId(self.spine.ids().next(call.received_at)),
            name: asked.name,
            version: 0,
            client: call.caller.client.to_string(),
            title: asked.title,
            about: asked.about,
            source_name,
            source_bytes: i64::try_from(file.bytes).unwrap_or(i64::MAX),
            source_digest: file.digest,
            requested_at: call.received_at,
            stage: VersionStage::Queued,
            started_at: None,
            percent: 0,
            rows_read: 0,
            upload: Some(file.file),
        };
        Import { at_once: self.settings.jobs_of_tenant, record }
    }

    /// Reads the parts of a form; `begun` names the file as soon as there is one.
    async fn take(
        &self,
        caller: &Caller,
        mut form: Multipart,
        begun: &mut Option<FileId>,
    ) -> Result<Uploaded, Problem> {
        let tenant = caller.tenant;
        let (mut about, mut file, mut question) = (None, None, None);
        while let Some(field) = form.next_field().await.map_err(broken)? {
            match field.name() {
                Some("about") if about.is_none() => about = Some(read_about(field).await?),
                Some("question") if question.is_none() => {
                    question = Some(read_question(field).await?);
                }
                Some("file") if file.is_none() => {
                    let name = field.file_name().map(|name| name.chars().take(200).collect());
                    file = Some((self.keep(tenant, field, begun).await?, name));
                }
                name => {
                    let name = name.unwrap_or_default().to_owned();
                    let detail = format!(
                        "part {name:?} is not read; send about and file or question, once each"
                    );
                    return Err(Problem::new(&problem::MALFORMED, detail));
                }
            }
        }
        let Some((asked, about_digest)) = about else {
            let detail = "the form has no part about: JSON that names the dataset";
            return Err(Problem::new(&problem::MALFORMED, detail));
        };
        match (file, question) {
            (Some((file, name)), None) => {
                let said_digest = file.digest;
                Ok(Uploaded { asked, about_digest, file, said_digest, name })
            }
            (None, Some((question, said_digest))) => {
                let (file, read) = self.keep_answer(caller, question, begun).await?;
                let about = About { format: Some(Format::Parquet), ..asked.about };
                let (asked, name) = (Asked { about, ..asked }, Some(read));
                Ok(Uploaded { asked, about_digest, file, said_digest, name })
            }
            (None, None) => {
                Err(Problem::new(&problem::MALFORMED, "the form has no part file or question"))
            }
            (Some(_), Some(_)) => {
                let detail = "the form has a file and a question; send one of them";
                Err(Problem::new(&problem::MALFORMED, detail))
            }
        }
    }

    /// Writes the answer to a question about own rows as a file; says what it was read from.
    async fn keep_answer(
        &self,
        caller: &Caller,
        (question, unknown): (OwnBody, Vec<String>),
        begun: &mut Option<FileId>,
    ) -> Result<(Written, String), Problem> {
        if !caller.may(&function::OWN_QUERY) {
            let detail = format!("a question needs the right to {}", function::OWN_QUERY.code);
            return Err(Problem::new(&problem::FORBIDDEN, detail));
        }
        let tenant = caller.tenant;
        let (read, mut answer) = self.own_rows(tenant, question, unknown).await?;
        let encoder = Encoder::new(Rows::Parquet, &answer.schema, HashMap::new());
        let mut encoder = encoder.map_err(ActuarialError::from)?;
        let mut writer = self.files.begin(tenant).await?;
        *begun = Some(writer.file());
        let most = self.settings.largest_upload;
        while let Some(batch) = answer.batches.next().await {
            let batch = batch.map_err(ActuarialError::from)?;
            writer.write(&encoder.write(&batch).map_err(ActuarialError::from)?).await?;
            if writer.bytes() > most {
                let detail = format!("the answer has more than {} MiB", most >> 20);
                return Err(Problem::new(&error::UPLOAD_TOO_LARGE, detail));
            }
        }
        writer.write(&encoder.finish().map_err(ActuarialError::from)?).await?;
        Ok((writer.end().await?, read.chars().take(200).collect()))
    }

    async fn keep(
        &self,
        tenant: TenantId,
        mut field: Field<'_>,
        begun: &mut Option<FileId>,
    ) -> Result<Written, Problem> {
        let mut writer = self.files.begin(tenant).await?;
        *begun = Some(writer.file());
        let most = self.settings.largest_upload;
        while let Some(bytes) = field.chunk().await.map_err(broken)? {
            if writer.bytes() + bytes.len() as u64 > most {
                let detail = format!("the file has more than {} MiB", most >> 20);
                return Err(Problem::new(&error::UPLOAD_TOO_LARGE, detail));
            }
            writer.write(&bytes).await?;
        }
        Ok(writer.end().await?)
    }

    /// Own datasets: the versions of all, latest first.
    pub async fn list_datasets(&self, call: Call, page: Page) -> Result<Reply, Problem> {
        self.list_versions(call, None, page).await
    }

    /// The versions of an own dataset, latest first.
    pub async fn list_versions(
        &self,
        call: Call,
        dataset: Option<&str>,
        page: Page,
    ) -> Result<Reply, Problem> {
        let (limit, tenant) = (page.limit()?, call.caller.tenant);
        let after = page.after.as_deref().map(cursor).transpose()?;
        let mut tx =
            self.spine.db().begin(Scope::of(tenant)).await.map_err(ActuarialError::from)?;
        let of = match dataset {
            Some(dataset) => Some(store::find(&mut tx, tenant, dataset, None).await?.dataset),
            None => None,
        };
        let mut records = store::list(&mut tx, tenant, of, after, limit + 1).await?;
        drop(tx);
        let next = cut(&mut records, limit, |last| {
            format!("{}.{}", behind(last.requested_at, last.dataset.0), last.version)
        });
        let page = Paged { next, items: records.iter().map(VersionView::short).collect() };
        let subject = of.map_or_else(|| "datasets".to_owned(), |of| format!("dataset {of}"));
        self.spine.answer(call, Done::json(StatusCode::OK, &page, 0, subject)).await
    }

    /// One own version, with its columns.
    pub async fn read_version(
        &self,
        call: Call,
        dataset: &str,
        version: Option<&str>,
    ) -> Result<Reply, Problem> {
        let record = self.own_version(&call, dataset, version).await?;
        let done = Done::json(StatusCode::OK, &VersionView::of(&record), 0, record.subject());
        self.spine.answer(call, done).await
    }

    /// The first rows of an own version.
    pub async fn read_rows(
        &self,
        call: Call,
        dataset: &str,
        version: &str,
        asked: RowsAsked,
    ) -> Result<Reply, Problem> {
        let limit = match asked.limit.unwrap_or(ROWS) {
            limit @ 1..=MOST_ROWS => limit,
            _ => return Err(bad("limit", format!("ask for 1 to {MOST_ROWS} rows"))),
        };
        let record = self.own_version(&call, dataset, Some(version)).await?;
        let data = record.data()?;
        let names: Vec<String> = data.columns.iter().map(|column| column.name.clone()).collect();
        let columns = self.first_rows(record.tenant, &data.at, &names, limit).await?;
        let count = columns.first().map_or(0, |column| column.len().min(limit));
        let row = |row| columns.iter().map(|column| column.json(row)).collect();
        let view = RowsView { rows: (0..count).map(row).collect(), columns: names };
        self.spine.answer(call, Done::json(StatusCode::OK, &view, 0, record.subject())).await
    }

    /// What did not fit when an own version was imported, as a CSV.
    pub async fn send_errors(
        &self,
        call: Call,
        dataset: &str,
        version: &str,
    ) -> Result<Response, Problem> {
        let record = self.own_version(&call, dataset, Some(version)).await?;
        let Some(errors) = record.data()?.errors else {
            return Err(ActuarialError::not_found("errors of", record.subject()).into());
        };
        let length = self.length(record.tenant, errors).await?;
        let body = Body::from_stream(self.files.stream(record.tenant, errors, length));
        let file_name = format!("{}-{}-errors.csv", record.name, record.version);
        self.send(
            call,
            record.subject(),
            "text/csv; charset=utf-8; header=present",
            &file_name,
            body,
        )
        .await
    }

    /// Calls an own import off, or throws its data away. Once more does no harm.
    pub async fn cancel_version(
        &self,
        call: Call,
        dataset: &str,
        version: &str,
    ) -> Result<Reply, Problem> {
        let record = self.own_version(&call, dataset, Some(version)).await?;
        let (subject, tenant) = (record.subject(), record.tenant);
        let at = record.data().ok().map(|data| data.at.clone());
        let cancel = CancelVersion { record, now: call.received_at };
        let cancelled = self.spine.run(call, &cancel, |record| {
            Done::json(StatusCode::OK, &VersionView::of(&record), 0, subject.clone())
        });
        let reply = cancelled.await?;
        if let Some(at) = at {
            self.erase(tenant, &at).await;
        }
        Ok(reply)
    }

    async fn first_rows(
        &self,
        tenant: TenantId,
        at: &str,
        names: &[String],
        most: usize,
    ) -> Result<Vec<Column>, ActuarialError> {
        let version = self.lake_dataset(tenant, at)?.version(1).await?;
        let scan = version.scan(&TableName::parse(TABLE)?)?.columns(names)?.batch_rows(most);
        let mut building = Building::of(&scan.schema());
        if let Some(batch) = scan.batches().next().await {
            building.add(&batch?).map_err(LakeError::from)?;
        }
        Ok(building.end())
    }

    /// Records that a file is sent, and sends it.
    pub(crate) async fn send(
        &self,
        call: Call,
        subject: String,
        media_type: &'static str,
        file_name: &str,
        body: Body,
    ) -> Result<Response, Problem> {
        let proof = json!({ "file": file_name });
        // The answer is the file, which no key keeps.
        let call = Call { key: None, ..call };
        self.spine.answer(call, Done::json(StatusCode::OK, &proof, 0, subject)).await?;
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        let disposition = format!("attachment; filename=\"{file_name}\"");
        if let Ok(disposition) = HeaderValue::from_str(&disposition) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        Ok(response)
    }

    /// An own version by the texts of a path.
    pub(crate) async fn own_version(
        &self,
        call: &Call,
        dataset: &str,
        version: Option<&str>,
    ) -> Result<VersionRecord, ActuarialError> {
        let missing =
            |version: &str| ActuarialError::not_found("version", format!("{version} of {dataset}"));
        let version = match version {
            Some(text) => Some(text.parse().map_err(|_| missing(text))?),
            None => None,
        };
        let tenant = call.caller.tenant;
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        store::find(&mut tx, tenant, dataset, version).await
    }

    /// Bytes of a file that a row names.
    pub(crate) async fn length(
        &self,
        tenant: TenantId,
        file: FileId,
    ) -> Result<u64, ActuarialError> {
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        files::length(&mut tx, tenant, file).await?.ok_or(ActuarialError::Corrupt("file"))
    }
}

impl VersionRecord {
    /// What the evidence says the call was about.
    pub(crate) fn subject(&self) -> String {
        format!("dataset {} version {}", self.dataset, self.version)
    }

    /// What the version consists of, when it can be read.
    pub(crate) fn data(&self) -> Result<&Imported, ActuarialError> {
        match &self.stage {
            VersionStage::Done { data, .. } => Ok(data),
            stage => {
                let (version, name) = (self.version, &self.name);
                let detail = format!("version {version} of {name} is {}", stage.name());
                Err(ActuarialError::refused(&error::DATASET_NOT_DONE, detail))
            }
        }
    }
}

/// A question, with the members nobody knows.
type ReadQuestion = (OwnBody, Vec<String>);

async fn read_question(field: Field<'_>) -> Result<(ReadQuestion, [u8; 32]), Problem> {
    let bytes = read_words(field, "question").await?;
    Ok((body::read::<OwnBody>(&bytes)?, Sha256::digest(&bytes).into()))
}

/// A part that is JSON.
async fn read_words(mut field: Field<'_>, part: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > MOST_ABOUT {
            let detail = format!("part {part} has more than {MOST_ABOUT} bytes");
            return Err(Problem::new(&problem::TOO_LARGE, detail));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn read_about(field: Field<'_>) -> Result<(Asked, [u8; 32]), Problem> {
    let bytes = read_words(field, "about").await?;
    let (body, unknown) = body::read::<DatasetBody>(&bytes)?;
    let asked = body.read(unknown).map_err(ActuarialError::Invalid)?;
    Ok((asked, Sha256::digest(&bytes).into()))
}

fn broken(error: MultipartError) -> Problem {
    Problem::new(&problem::MALFORMED, format!("the form cannot be read: {error}"))
}

fn cursor(after: &str) -> Result<(Timestamp, Uuid, i32), Problem> {
    let mut parts = after.splitn(3, '.');
    let mut read = || {
        let at = Timestamp::from_microsecond(parts.next()?.parse().ok()?).ok()?;
        Some((at, Uuid::try_parse(parts.next()?).ok()?, parts.next()?.parse().ok()?))
    };
    read().ok_or_else(|| bad("after", "is not the next of an earlier page"))
}

struct Import {
    at_once: u32,
    record: VersionRecord,
}

impl Command for Import {
    const NAME: &'static str = "actuarial.dataset.import";
    type Out = VersionRecord;
    type Error = ActuarialError;

    async fn apply(&self, tx: &mut Tx) -> Result<VersionRecord, ActuarialError> {
        let record = &self.record;
        room(tx, &record.tenant, self.at_once).await?;
        let (dataset, version) = store::next_version(
            tx,
            record.tenant,
            record.dataset,
            &record.name,
            record.requested_at,
        )
        .await?;
        let record = VersionRecord { dataset, version, ..record.clone() };
        store::insert(tx, &record).await?;
        if let Some(upload) = record.upload {
            files::keep(tx, record.tenant, upload).await?;
        }
        Ok(record)
    }
}

struct CancelVersion {
    record: VersionRecord,
    now: Timestamp,
}

impl Command for CancelVersion {
    const NAME: &'static str = "actuarial.dataset.cancel";
    type Out = VersionRecord;
    type Error = ActuarialError;

    async fn apply(&self, tx: &mut Tx) -> Result<VersionRecord, ActuarialError> {
        let record = &self.record;
        store::cancel(tx, record.tenant, record.dataset, record.version, self.now).await?;
        let dataset = record.dataset.to_string();
        store::find(tx, record.tenant, &dataset, Some(record.version)).await
    }
}

//! Questions about own rows: one `select` over the market's record, of which a tenant sees its own
//! rows, and over its own datasets.

use std::collections::BTreeMap;

use analytics::encode::{Format, json_rows};
use analytics::lake::{DatasetName, Owner, TableName};
use analytics::market;
use analytics::question::{OWN, OwnQuestion, OwnStream, OwnTable};
use arrow::datatypes::Schema;
use axum::response::Response;
use base_http::{Call, Done, FieldError, Problem, Reply};
use futures::StreamExt;
use http::StatusCode;
use jiff::Timestamp;
use kernel::TenantId;
use pg::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::Actuarial;
use crate::dataset::import::TABLE;
use crate::error::ActuarialError;
use crate::question::{Cover, Place, Wanted};
use crate::store::dataset as store;

/// Rows of an answer in JSON, at most and unless the caller says.
const JSON_ROWS: usize = 10_000;

/// Says which versions an answer was read from.
const READ: &str = "x-lake-read";

/// A question about own rows.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OwnQuestion)]
pub struct OwnBody {
    /// One `select`. A bare name is a table of the market's record, of which it sees your own rows;
    /// `own.name` is the last version of an own dataset, `own."name@2"` another.
    #[schema(
        example = "select region, sum(earned_fen) as earned_fen from exposure group by region"
    )]
    pub sql: Option<String>,
    /// A version of the market's record; the latest when absent.
    pub market_version: Option<u64>,
    /// Leaves out rows of the market's record that were recorded later.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub known_at: Option<Timestamp>,
    /// Most rows wanted: up to 10,000 in JSON, and 10,000 when absent; all when absent otherwise.
    pub limit: Option<usize>,
}

/// What a question about own rows comes to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OwnAnswer)]
pub struct OwnView {
    /// The columns, in order.
    pub columns: Vec<ColumnView>,
    /// Values in the order of the columns. What is no finite number, amounts with decimals, days and
    /// instants are texts.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows.
    pub cut: bool,
    /// What was read.
    pub read: Vec<ReadView>,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LakeColumn)]
pub struct ColumnView {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow calls it.
    #[serde(rename = "type")]
    #[schema(example = "Int64")]
    pub kind: String,
    /// Whether values may be missing.
    pub nullable: bool,
}

/// A version of the lake that was read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LakeVersion)]
pub struct ReadView {
    /// `market`, or `own/` and the name of a dataset.
    #[schema(example = "market")]
    pub name: String,
    /// Its version.
    pub version: u64,
}

/// What own questions can be about.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LakeTables)]
pub struct TablesView {
    /// The latest version of the market's record; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market_version: Option<u64>,
    /// Its tables.
    pub market: Vec<TableView>,
    /// Names of own datasets as SQL spells them, the latest version of each.
    #[schema(example = json!(["own.\"motor-2024\""]))]
    pub own: Vec<String>,
}

/// A table.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LakeTable)]
pub struct TableView {
    /// Its name.
    #[schema(example = "exposure")]
    pub name: String,
    /// Its columns.
    pub columns: Vec<ColumnView>,
}

fn columns(schema: &Schema) -> Vec<ColumnView> {
    let column = |field: &arrow::datatypes::FieldRef| ColumnView {
        name: field.name().clone(),
        kind: field.data_type().to_string(),
        nullable: field.is_nullable(),
    };
    schema.fields().iter().map(column).collect()
}

/// The market's record under its short name.
fn read(read: &[(String, u64)]) -> Vec<ReadView> {
    let view = |(title, version): &(String, u64)| {
        let name = title.strip_prefix("operator/").unwrap_or(title).to_owned();
        ReadView { name, version: *version }
    };
    read.iter().map(view).collect()
}

/// `market@12, own/motor-2024@3`.
fn spelled(read: &[ReadView]) -> String {
    let spelled = read.iter().map(|one| format!("{}@{}", one.name, one.version));
    spelled.collect::<Vec<_>>().join(", ")
}

impl Actuarial {
    /// Answers a question about own rows.
    pub async fn ask_own(
        &self,
        call: Call,
        body: OwnBody,
        unknown: Vec<String>,
        wanted: Wanted,
    ) -> Result<Response, Problem> {
        let tenant = call.caller.tenant;
        let (question, place) = self.admit(tenant, body, unknown, wanted).await?;
        let never = CancellationToken::new();
        match wanted {
            Wanted::Json => {
                let answer = self.questions.own(&question, &never).await;
                let answer = answer.map_err(ActuarialError::from)?;
                drop(place);
                let mut rows = Vec::new();
                for batch in &answer.batches {
                    rows.extend(
                        json_rows(batch)
                            .map_err(analytics::encode::EncodeError::from)
                            .map_err(ActuarialError::from)?,
                    );
                }
                let read = read(&answer.read);
                let subject = subject(&read);
                let view =
                    OwnView { columns: columns(&answer.schema), rows, cut: answer.cut, read };
                self.send_json(call, Done::json(StatusCode::OK, &view, 0, subject)).await
            }
            Wanted::Rows(format) => {
                let answer = self.questions.own_stream(&question, &never).await;
                let answer = answer.map_err(ActuarialError::from)?;
                let read = read(&answer.read);
                let cover = Cover {
                    subject: subject(&read),
                    name: "own",
                    notes: vec![(READ, spelled(&read))],
                };
                self.send_rows(call, format, cover, answer.schema, answer.batches, place).await
            }
        }
    }

    /// The question of a message, and its place among the tenant's.
    async fn admit(
        &self,
        tenant: TenantId,
        body: OwnBody,
        unknown: Vec<String>,
        wanted: Wanted,
    ) -> Result<(OwnQuestion, Place), ActuarialError> {
        let mut question = body.read(tenant, unknown, wanted).map_err(ActuarialError::Invalid)?;
        let place = self.take_place(tenant)?;
        if question.sql.to_ascii_lowercase().contains(OWN) {
            question.tables = self.own_tables(tenant).await?;
        }
        Ok((question, place))
    }

    /// The rows a question about own rows comes to, and what they were read from. They count among
    /// the tenant's questions until they are dropped.
    pub(crate) async fn own_rows(
        &self,
        tenant: TenantId,
        body: OwnBody,
        unknown: Vec<String>,
    ) -> Result<(String, OwnStream), ActuarialError> {
        let wanted = Wanted::Rows(Format::Parquet);
        let (question, place) = self.admit(tenant, body, unknown, wanted).await?;
        let answer = self.questions.own_stream(&question, &CancellationToken::new()).await?;
        let batches = answer.batches.map(move |batch| {
            let _held = &place;
            batch
        });
        let from = spelled(&read(&answer.read));
        Ok((from, OwnStream { batches: batches.boxed(), ..answer }))
    }

    /// What own questions can be about.
    pub async fn list_tables(&self, call: Call) -> Result<Reply, Problem> {
        let view = self.tables_view(call.caller.tenant).await?;
        self.spine.answer(call, Done::json(StatusCode::OK, &view, 0, "tables of the lake")).await
    }

    async fn tables_view(&self, tenant: TenantId) -> Result<TablesView, ActuarialError> {
        let record = self.lake.dataset(Owner::Operator, market::dataset_name()?).latest().await?;
        let mut tables = Vec::new();
        if let Some(record) = &record {
            for name in record.manifest().tables.keys() {
                let schema = record.schema(name)?;
                tables.push(TableView { name: name.to_string(), columns: columns(&schema) });
            }
        }
        let own = self.own_tables(tenant).await?.into_iter().map(|table| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let bare = table.name.chars().all(plain)
                && table.name.starts_with(|c: char| c.is_ascii_lowercase());
            let spelled = if bare { table.name } else { format!("\"{}\"", table.name) };
            (format!("{OWN}.{spelled}"), ())
        });
        let own = own.collect::<BTreeMap<_, _>>().into_keys().collect();
        Ok(TablesView { market_version: record.map(|record| record.number()), market: tables, own })
    }

    /// Every version of an own dataset that can be read.
    async fn own_tables(&self, tenant: TenantId) -> Result<Vec<OwnTable>, ActuarialError> {
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        let places = store::places(&mut tx, tenant).await?;
        let table = TableName::parse(TABLE)?;
        let own = places.into_iter().map(|place| {
            Ok(OwnTable {
                name: place.name,
                version: u64::try_from(place.version)
                    .map_err(|_| ActuarialError::Corrupt("version"))?,
                dataset: DatasetName::parse(&place.at)?,
                table: table.clone(),
            })
        });
        own.collect()
    }
}

fn subject(read: &[ReadView]) -> String {
    format!("own rows of {}", spelled(read))
}

impl OwnBody {
    /// The question, or everything that is wrong with it.
    fn read(
        self,
        tenant: TenantId,
        unknown: Vec<String>,
        wanted: Wanted,
    ) -> Result<OwnQuestion, Vec<FieldError>> {
        let mut errors: Vec<FieldError> =
            unknown.into_iter().map(|pointer| FieldError::at(pointer, "is not known")).collect();
        let sql = self.sql.filter(|sql| !sql.trim().is_empty()).unwrap_or_else(|| {
            errors.push(FieldError::at("/sql", "is missing: one select"));
            String::new()
        });
        let most = match wanted {
            Wanted::Json => JSON_ROWS,
            Wanted::Rows(_) => usize::MAX,
        };
        if self.limit.is_some_and(|limit| limit == 0 || most < limit) {
            let detail = match wanted {
                Wanted::Json => format!("is 1 to {JSON_ROWS} rows in JSON"),
                Wanted::Rows(_) => "is at least 1".to_owned(),
            };
            errors.push(FieldError::at("/limit", detail));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let rows = match wanted {
            Wanted::Json => Some(self.limit.unwrap_or(JSON_ROWS)),
            Wanted::Rows(_) => self.limit,
        };
        let (version, known_at) = (self.market_version, self.known_at);
        Ok(OwnQuestion { tenant, sql, version, known_at, tables: Vec::new(), rows })
    }
}

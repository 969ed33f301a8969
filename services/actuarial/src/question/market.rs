//! Questions about the market: sums of published cells, the same for everybody.
//!
//! The evidence of a call names the whole question and the revision that answered it, so that what
//! anybody could ever work out from answers can be looked at later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use analytics_api::{
    Dimension, Filter, MarketAnswer, MarketQuestion, Measure, Published, QuestionError,
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use axum::response::Response;
use base_http::{Call, Done, FieldError, Problem, Reply};
use futures::{StreamExt, stream};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::Actuarial;
use crate::error::ActuarialError;
use crate::question::{Cover, Wanted};

/// Most values a filter may name.
const MOST_VALUES: usize = 500;
/// Longest value of a filter.
const LONGEST_VALUE: usize = 32;
/// A question of more text than this is named by its digest in the evidence.
const LONGEST_SUBJECT: usize = 2_000;

/// A question about the market in a closed quarter.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MarketQuestion)]
pub struct MarketBody {
    /// The quarter.
    #[schema(example = "2025-Q1")]
    pub quarter: Option<String>,
    /// A revision of what is published of it; the latest when absent.
    pub revision: Option<u64>,
    /// What is wanted: `insuredS`, `earnedFen`, `writtenFen`, `claims`, `paidFen`, `recoveredFen`,
    /// `outstandingFen`.
    #[schema(example = json!(["earnedFen", "claims", "paidFen"]))]
    pub measures: Option<Vec<String>>,
    /// One row for each combination of `region`, `class`, `usage`, `fuel`, `category`; one row in all
    /// when absent.
    #[schema(example = json!(["region"]))]
    pub by: Option<Vec<String>>,
    /// All of them hold.
    pub filters: Option<Vec<FilterBody>>,
}

/// Keeps cells of some values of a dimension.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MarketFilter)]
pub struct FilterBody {
    /// The dimension.
    #[schema(example = "class")]
    pub dimension: Option<String>,
    /// The values: codes of the market's record.
    #[schema(example = json!(["compulsory"]))]
    pub any_of: Option<Vec<String>>,
}

/// What the market answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MarketAnswer)]
pub struct MarketView {
    /// The quarter.
    #[schema(example = "2025-Q1")]
    pub quarter: String,
    /// The revision of its publication that answers.
    pub revision: u64,
    /// What keys are of.
    #[schema(example = json!(["region"]))]
    pub by: Vec<String>,
    /// What values are of.
    #[schema(example = json!(["claims"]))]
    pub measures: Vec<String>,
    /// In the order of their keys.
    pub rows: Vec<RowView>,
    /// What no row contains.
    pub suppressed: SuppressedView,
}

/// A row.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MarketRow)]
pub struct RowView {
    /// Values of the dimensions asked for; null where the row holds several that are only told
    /// together.
    pub key: Vec<Option<String>>,
    /// The measures asked for; amounts in fen.
    pub values: Vec<i64>,
    /// Dimensions asked for of which the row holds several values, because one alone would tell of an
    /// insurer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told_together: Vec<String>,
}

/// What an answer does not contain.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MarketSuppressed)]
pub struct SuppressedView {
    /// Cells of the quarter that no answer contains, because with them it would tell of an insurer.
    pub left_out: u64,
    /// Published cells that the filters could not place: they hold several values of a dimension that
    /// is filtered by.
    pub not_placed: u64,
}

/// What is published.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MarketQuarters)]
pub struct QuartersView {
    /// The latest quarter first.
    pub quarters: Vec<QuarterView>,
    /// Measures that can be asked for.
    pub measures: Vec<String>,
    /// Dimensions that can be asked for and filtered by, the last given up first.
    pub dimensions: Vec<String>,
}

/// What is published of a quarter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MarketQuarter)]
pub struct QuarterView {
    /// The quarter.
    #[schema(example = "2025-Q1")]
    pub quarter: String,
    /// The latest revision.
    pub revision: u64,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
    /// Cells, or cells told together, that answers are sums of.
    pub told: u64,
    /// Cells that no answer contains.
    pub left_out: u64,
}

impl From<Published> for QuarterView {
    fn from(published: Published) -> QuarterView {
        let Published { quarter, revision, published_at, told, left_out } = published;
        QuarterView { quarter: quarter.to_string(), revision, published_at, told, left_out }
    }
}

/// The word of the API for a dimension or a measure.
fn word(of: &impl Serialize) -> String {
    let value = serde_json::to_value(of).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn words<T: Serialize>(of: &[T]) -> Vec<String> {
    of.iter().map(word).collect()
}

impl Actuarial {
    /// Answers a question about the market.
    pub async fn ask_market(
        &self,
        call: Call,
        body: MarketBody,
        unknown: Vec<String>,
        wanted: Wanted,
    ) -> Result<Response, Problem> {
        let question = body.read(unknown).map_err(ActuarialError::Invalid)?;
        let place = self.take_place(call.caller.tenant)?;
        let answer = self.questions.market(&question, &CancellationToken::new()).await;
        let answer = answer.map_err(ActuarialError::from)?;
        let subject = subject(&question, &answer);
        match wanted {
            Wanted::Json => {
                let view = MarketView::of(&question, answer);
                self.send_json(call, Done::json(StatusCode::OK, &view, 0, subject)).await
            }
            Wanted::Rows(format) => {
                let batch =
                    rows(&question, &answer).map_err(|_| ActuarialError::Corrupt("publication"))?;
                let notes = vec![
                    ("x-market-quarter", answer.quarter.to_string()),
                    ("x-market-revision", answer.revision.to_string()),
                    ("x-market-left-out", answer.left_out.to_string()),
                    ("x-market-not-placed", answer.not_placed.to_string()),
                ];
                let cover = Cover { subject, name: "market", notes };
                let schema = batch.schema();
                let batches = stream::iter([Ok(batch)]).boxed();
                self.send_rows(call, format, cover, schema, batches, place).await
            }
        }
    }

    /// What can be asked about.
    pub async fn list_quarters(&self, call: Call) -> Result<Reply, Problem> {
        let published = self.questions.published().await.map_err(ActuarialError::from)?;
        let view = QuartersView {
            quarters: published.into_iter().map(QuarterView::from).collect(),
            measures: words(&Measure::ALL),
            dimensions: words(&Dimension::ALL),
        };
        self.spine.answer(call, Done::json(StatusCode::OK, &view, 0, "quarters published")).await
    }
}

/// The whole question with the revision that answered, as the evidence keeps it.
fn subject(question: &MarketQuestion, answer: &MarketAnswer) -> String {
    let asked = MarketQuestion { revision: Some(answer.revision), ..question.clone() };
    let text = serde_json::to_string(&asked).unwrap_or_default();
    if text.len() <= LONGEST_SUBJECT {
        return format!("market {text}");
    }
    let (quarter, revision) = (answer.quarter, answer.revision);
    format!("market {quarter} revision {revision} sha256:{}", hex::encode(Sha256::digest(text)))
}

/// The rows as columns: the dimensions, which of them are told together, the measures.
fn rows(
    question: &MarketQuestion,
    answer: &MarketAnswer,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut fields: Vec<Field> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (at, dimension) in question.by.iter().enumerate() {
        fields.push(Field::new(dimension.column(), DataType::Utf8, true));
        let values = answer.rows.iter().map(|row| row.key[at].as_deref());
        columns.push(Arc::new(values.collect::<StringArray>()));
    }
    fields.push(Field::new("told_together", DataType::Utf8, false));
    let together = answer.rows.iter().map(|row| Some(told_together(question, &row.key).join(" ")));
    columns.push(Arc::new(together.collect::<StringArray>()));
    for (at, measure) in question.measures.iter().enumerate() {
        fields.push(Field::new(measure.column(), DataType::Int64, false));
        let values = answer.rows.iter().map(|row| row.values[at]);
        columns.push(Arc::new(values.collect::<Int64Array>()));
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns)
}

fn told_together(question: &MarketQuestion, key: &[Option<String>]) -> Vec<String> {
    let several = question.by.iter().zip(key).filter(|(_, value)| value.is_none());
    several.map(|(dimension, _)| word(dimension)).collect()
}

impl MarketView {
    fn of(question: &MarketQuestion, answer: MarketAnswer) -> MarketView {
        let row = |row: analytics_api::AnswerRow| RowView {
            told_together: told_together(question, &row.key),
            key: row.key,
            values: row.values,
        };
        MarketView {
            quarter: answer.quarter.to_string(),
            revision: answer.revision,
            by: words(&question.by),
            measures: words(&question.measures),
            rows: answer.rows.into_iter().map(row).collect(),
            suppressed: SuppressedView { left_out: answer.left_out, not_placed: answer.not_placed },
        }
    }
}

impl MarketBody {
    /// The question, or everything that is wrong with it.
    fn read(self, unknown: Vec<String>) -> Result<MarketQuestion, Vec<FieldError>> {
        let mut errors: Vec<FieldError> =
            unknown.into_iter().map(|pointer| FieldError::at(pointer, "is not known")).collect();
        let quarter = match self.quarter.as_deref().map(str::parse) {
            Some(Ok(quarter)) => Some(quarter),
            Some(Err(_)) | None => {
                errors.push(FieldError::at("/quarter", "is a closed quarter, such as 2025-Q1"));
                None
            }
        };
        let measures = named(&Measure::ALL, "/measures", self.measures, &mut errors);
        let by = named(&Dimension::ALL, "/by", self.by, &mut errors);
        let mut filters = Vec::new();
        for (at, filter) in self.filters.unwrap_or_default().into_iter().enumerate() {
            let pointer = format!("/filters/{at}/dimension");
            let names = vec![filter.dimension.unwrap_or_default()];
            let before = errors.len();
            let dimension = named(&Dimension::ALL, &pointer, Some(names), &mut errors);
            for error in errors.iter_mut().skip(before) {
                error.pointer.clone_from(&pointer);
            }
            let any_of: BTreeSet<String> = filter.any_of.unwrap_or_default().into_iter().collect();
            let pointer = format!("/filters/{at}/anyOf");
            if MOST_VALUES < any_of.len() {
                errors.push(FieldError::at(&*pointer, format!("names at most {MOST_VALUES}")));
            }
            if !any_of.iter().all(|value| is_code(value)) {
                let detail = "names codes: 1 to 32 letters, digits, dashes and underscores";
                errors.push(FieldError::at(&*pointer, detail));
            }
            filters.extend(
                dimension.first().map(|dimension| Filter { dimension: *dimension, any_of }),
            );
        }
        let Some(quarter) = quarter.filter(|_| errors.is_empty()) else { return Err(errors) };
        let question = MarketQuestion { quarter, revision: self.revision, measures, by, filters };
        match question.check() {
            Ok(()) => Ok(question),
            Err(error) => {
                let pointer = match error {
                    QuestionError::NoMeasure | QuestionError::MeasureTwice(_) => "/measures",
                    QuestionError::DimensionTwice(dimension) => {
                        let by = question.by.iter().filter(|one| **one == dimension).count();
                        if by > 1 { "/by" } else { "/filters" }
                    }
                    QuestionError::NoValue(_) => "/filters",
                };
                Err(vec![FieldError::at(pointer, error.to_string())])
            }
        }
    }
}

/// What words of the API name; every word that names nothing is an error with its place.
fn named<T: Serialize + Copy>(
    all: &[T],
    pointer: &str,
    asked: Option<Vec<String>>,
    errors: &mut Vec<FieldError>,
) -> Vec<T> {
    let known: BTreeMap<String, T> = all.iter().map(|one| (word(one), *one)).collect();
    let mut found = Vec::new();
    for (at, name) in asked.unwrap_or_default().into_iter().enumerate() {
        match known.get(&name) {
            Some(one) => found.push(*one),
            None => {
                let detail = format!("is one of {}", words(all).join(", "));
                errors.push(FieldError::at(format!("{pointer}/{at}"), detail));
            }
        }
    }
    found
}

fn is_code(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=LONGEST_VALUE).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(json: &str) -> Result<MarketQuestion, Vec<FieldError>> {
        serde_json::from_str::<MarketBody>(json).unwrap().read(Vec::new())
    }

    #[test]
    fn everything_wrong_with_a_question_is_named_at_once() {
        let wrong = r#"{"quarter":"2025","measures":["claims","loss"],"by":["insurer"],
            "filters":[{"dimension":"plate","anyOf":["苏A12345"]}]}"#;
        let errors = asked(wrong).unwrap_err();
        let pointers: Vec<&str> = errors.iter().map(|error| &*error.pointer).collect();
        let wanted =
            ["/quarter", "/measures/1", "/by/0", "/filters/0/dimension", "/filters/0/anyOf"];
        assert_eq!(pointers, wanted);
        let pointer = |json: &str| asked(json).unwrap_err()[0].pointer.clone();
        assert_eq!(pointer(r#"{"quarter":"2025-Q1"}"#), "/measures");
        let twice = r#"{"quarter":"2025-Q1","measures":["claims"],"by":["fuel","fuel"]}"#;
        assert_eq!(pointer(twice), "/by");
        let none =
            r#"{"quarter":"2025-Q1","measures":["claims"],"filters":[{"dimension":"fuel"}]}"#;
        assert_eq!(pointer(none), "/filters");
    }

    #[test]
    fn the_evidence_names_the_whole_question() {
        let question = asked(
            r#"{"quarter":"2025-Q1","measures":["claims"],"by":["region"],
                "filters":[{"dimension":"class","anyOf":["compulsory"]}]}"#,
        )
        .unwrap();
        let answer = MarketAnswer {
            quarter: question.quarter,
            revision: 3,
            rows: Vec::new(),
            left_out: 0,
            not_placed: 0,
        };
        let told = subject(&question, &answer);
        let wanted = r#"market {"quarter":"2025-Q1","revision":3,"measures":["claims"],"by":["region"],"filters":[{"dimension":"class","anyOf":["compulsory"]}]}"#;
        assert_eq!(told, wanted);
        let many = (0..300).map(|at| format!("code-{at:04}")).collect();
        let filters = vec![Filter { dimension: Dimension::Region, any_of: many }];
        let told = subject(&MarketQuestion { filters, ..question }, &answer);
        assert!(
            told.starts_with("market 2025-Q1 revision 3 sha256:") && told.len() < 120,
            "{told}"
        );
    }
}

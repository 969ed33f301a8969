//! Methods: what a run may compute, with typed parameters, and what is said when it cannot.
//!
//! A method reads its parameters against the columns of a version, naming everything that is wrong
//! with them at once, into a plan. The plan says which columns it reads and computes over them. Its
//! result is JSON whose every number is finite.

pub(crate) mod chances;
pub(crate) mod check;
pub mod credibility;
pub mod cusum;
pub(crate) mod data;
pub(crate) mod features;
pub mod forecast;
pub mod fraud_score;
pub mod glm;
pub(crate) mod groups;
pub mod indication;
pub mod lapse;
pub mod network;
pub(crate) mod period;
pub(crate) mod prepare;
pub mod region;
pub mod reserving;
pub mod segments;
pub mod survival;
pub mod trees;
pub mod validation;
pub mod watch;

use base_http::{Function, Problem, ProblemCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::dataset::ColumnProfile;
use crate::error;
use crate::figure::to_json;
use crate::function;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::model::ModelId;

/// What a run computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Pricing models.
    Glm,
    /// Boosted trees of claim frequency.
    BoostedTrees,
    /// Credibility of experience.
    Credibility,
    /// Proposed relativities of a tariff.
    Indication,
    /// The regional factor.
    Region,
    /// Predictions against what came.
    Validation,
    /// Reserves from a development triangle.
    Reserving,
    /// Early-warning charts.
    Cusum,
    /// Many groups watched together.
    Watch,
    /// How long claims stay open.
    Survival,
    /// The network of claims.
    Network,
    /// How premium goes on.
    Forecast,
    /// Customers that are alike.
    Segments,
    /// Who will not renew.
    Lapse,
    /// Scores of claims.
    FraudScore,
}

/// The parameters of a run: those of its method.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RunParameters)]
#[expect(
    dead_code,
    clippy::large_enum_variant,
    reason = "never made: it tells the document what parameters consist of"
)]
#[serde(untagged)]
pub(crate) enum Parameters {
    /// Of `glm`.
    Glm(glm::GlmBody),
    /// Of `boostedTrees`.
    BoostedTrees(trees::TreesBody),
    /// Of `credibility`.
    Credibility(credibility::CredibilityBody),
    /// Of `indication`.
    Indication(indication::IndicationBody),
    /// Of `region`.
    Region(region::RegionBody),
    /// Of `validation`.
    Validation(validation::ValidationBody),
    /// Of `reserving`.
    Reserving(reserving::ReservingBody),
    /// Of `cusum`.
    Cusum(cusum::CusumBody),
    /// Of `watch`.
    Watch(watch::WatchBody),
    /// Of `survival`.
    Survival(survival::SurvivalBody),
    /// Of `network`.
    Network(network::NetworkBody),
    /// Of `forecast`.
    Forecast(forecast::ForecastBody),
    /// Of `segments`.
    Segments(segments::SegmentsBody),
    /// Of `lapse`.
    Lapse(lapse::LapseBody),
    /// Of `fraudScore`.
    FraudScore(fraud_score::FraudScoreBody),
}

/// A checked set of parameters.
pub(crate) trait Plan: Send {
    /// The columns of the dataset it reads.
    fn columns(&self) -> Vec<String>;

    /// The published model it compares with.
    fn champion(&self) -> Option<ModelId> {
        None
    }

    /// Whether its rows are read anew for every sum, where they lie.
    fn reads_in_passes(&self) -> bool {
        false
    }

    /// Computes; blocks until it is done. Random draws start at `seed`.
    fn compute(&self, data: Data, seed: u64, watch: &Watch) -> Result<Outcome, Failure>;

    /// The same over rows that are read in passes; for methods that can.
    fn compute_in_passes(&self, rows: &mut dyn Passes, watch: &Watch) -> Result<Outcome, Failure> {
        let _ = (rows, watch);
        Err(Failure::ours("the method holds its rows"))
    }
}

/// Rows that lie elsewhere, and what is asked about all of them.
pub(crate) trait Passes {
    /// What a [tally](analytics::tally) of the method's kind finds in answer to a question.
    fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, Failure>;

    /// What it finds in a sample of the rows, always the same one; none where there is no sample.
    fn ask_sample(&mut self, question: &[u8]) -> Result<Option<Vec<u8>>, Failure>;

    /// What it finds in the rows that are held out.
    fn ask_held(&mut self, question: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// What a run found.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The figures to look at first.
    pub(crate) figures: Map<String, Value>,
    /// All of it.
    pub(crate) result: Value,
}

/// Why a run has no result, as a problem document.
#[derive(Debug)]
pub(crate) struct Failure(Box<Problem>);

impl Method {
    /// Every method.
    pub const ALL: [Method; 15] = [
        Method::Glm,
        Method::BoostedTrees,
        Method::Credibility,
        Method::Indication,
        Method::Region,
        Method::Validation,
        Method::Reserving,
        Method::Cusum,
        Method::Watch,
        Method::Survival,
        Method::Network,
        Method::Forecast,
        Method::Segments,
        Method::Lapse,
        Method::FraudScore,
    ];

    /// The word used in messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Glm => "glm",
            Method::BoostedTrees => "boostedTrees",
            Method::Credibility => "credibility",
            Method::Indication => "indication",
            Method::Region => "region",
            Method::Validation => "validation",
            Method::Reserving => "reserving",
            Method::Cusum => "cusum",
            Method::Watch => "watch",
            Method::Survival => "survival",
            Method::Network => "network",
            Method::Forecast => "forecast",
            Method::Segments => "segments",
            Method::Lapse => "lapse",
            Method::FraudScore => "fraudScore",
        }
    }

    /// The method of that name.
    pub fn parse(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The function a caller needs to start a run of it.
    pub const fn function(self) -> &'static Function {
        match self {
            Method::Glm => &function::PRICING_FIT,
            Method::BoostedTrees => &function::PRICING_BOOST,
            Method::Credibility => &function::CREDIBILITY,
            Method::Indication => &function::INDICATION,
            Method::Region => &function::REGION,
            Method::Validation => &function::VALIDATION,
            Method::Reserving => &function::RESERVING,
            Method::Cusum => &function::WARNING,
            Method::Watch => &function::WATCH,
            Method::Survival => &function::SURVIVAL,
            Method::Network => &function::NETWORK,
            Method::Forecast => &function::FORECAST,
            Method::Segments => &function::SEGMENTS,
            Method::Lapse => &function::LAPSE,
            Method::FraudScore => &function::FRAUD_SCORE,
        }
    }
}

/// Reads the parameters of a method against the columns of a version; everything that is wrong with
/// them otherwise.
pub(crate) fn plan(
    method: Method,
    parameters: &Value,
    columns: &[ColumnProfile],
) -> Result<Box<dyn Plan>, Problem> {
    let mut check = Check::over(columns);
    let plan: Box<dyn Plan> = match method {
        Method::Glm => Box::new(glm::read(&check::body(parameters)?, &mut check)),
        Method::BoostedTrees => Box::new(trees::read(&check::body(parameters)?, &mut check)),
        Method::Credibility => Box::new(credibility::read(&check::body(parameters)?, &mut check)),
        Method::Indication => Box::new(indication::read(&check::body(parameters)?, &mut check)),
        Method::Region => Box::new(region::read(&check::body(parameters)?, &mut check)),
        Method::Validation => Box::new(validation::read(&check::body(parameters)?, &mut check)),
        Method::Reserving => Box::new(reserving::read(&check::body(parameters)?, &mut check)),
        Method::Cusum => Box::new(cusum::read(&check::body(parameters)?, &mut check)),
        Method::Watch => Box::new(watch::read(&check::body(parameters)?, &mut check)),
        Method::Survival => Box::new(survival::read(&check::body(parameters)?, &mut check)),
        Method::Network => Box::new(network::read(&check::body(parameters)?, &mut check)),
        Method::Forecast => Box::new(forecast::read(&check::body(parameters)?, &mut check)),
        Method::Segments => Box::new(segments::read(&check::body(parameters)?, &mut check)),
        Method::Lapse => Box::new(lapse::read(&check::body(parameters)?, &mut check)),
        Method::FraudScore => Box::new(fraud_score::read(&check::body(parameters)?, &mut check)),
    };
    check.end()?;
    Ok(plan)
}

impl Outcome {
    /// A result, and the figures to look at first by name. Fails when a figure is no number.
    pub(crate) fn of(
        result: &impl Serialize,
        figures: impl IntoIterator<Item = (&'static str, f64)>,
    ) -> Result<Outcome, Failure> {
        let result = to_json(result).map_err(|at| Failure::not_a_number(&at))?;
        let mut shown = Map::new();
        for (name, value) in figures {
            let value = serde_json::Number::from_f64(value + 0.0);
            let value = value.ok_or_else(|| Failure::not_a_number(name))?;
            shown.insert(name.to_owned(), Value::Number(value));
        }
        Ok(Outcome { figures: shown, result })
    }
}

impl Failure {
    /// A failure of this kind: what is the matter, and what to change.
    pub(crate) fn new(
        code: &'static ProblemCode,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Failure {
        Failure(Box::new(Problem::new(code, detail).with("advice", advice.into())))
    }

    /// The same failure, about a column.
    pub(crate) fn of_column(self, column: &str) -> Failure {
        Failure(Box::new(self.0.with("column", column)))
    }

    /// A figure of the result is no number.
    pub(crate) fn not_a_number(what: &str) -> Failure {
        let detail = format!("{what} is not a finite number");
        Failure::new(&error::NOT_A_NUMBER, detail, "look for amounts or weights that are all zero")
    }

    /// Somebody wants the run to end; nobody reads this.
    pub(crate) fn stopped() -> Failure {
        Failure::new(&error::RUN_FAILED, "the run was stopped", "start it again")
    }

    /// Through no fault of the data.
    pub(crate) fn ours(detail: &str) -> Failure {
        Failure::new(&error::RUN_FAILED, detail, "start it again, or ask the operator")
    }

    /// The data were thrown away before the run began.
    pub(crate) fn data_gone() -> Failure {
        let detail = "the version was thrown away before the run began";
        Failure::new(&error::DATASET_NOT_DONE, detail, "import the data again")
    }

    /// What is wrong with parameters.
    pub(crate) fn of_problem(problem: &Problem) -> Failure {
        Failure(Box::new(problem.clone()))
    }

    /// What is the matter, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The document as it is kept and shown.
    pub(crate) fn document(&self) -> Value {
        serde_json::to_value(self.0.document(None)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_name_and_a_function_of_its_own() {
        let mut functions: Vec<&str> =
            Method::ALL.iter().map(|method| method.function().code).collect();
        functions.dedup();
        assert_eq!(functions.len(), Method::ALL.len());
        for method in Method::ALL {
            assert_eq!(Method::parse(method.name()), Some(method));
        }
    }
}

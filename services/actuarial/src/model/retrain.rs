//! Learning again from what investigators found: the training set, and the run that challenges the
//! model in force.

use base_http::door::Door;
use base_http::{Call, FieldError, Problem, Reply};
use futures::future::BoxFuture;
use jiff::civil::Date;
use kernel::TenantId;
use pg::Scope;
use production_core::claim::feature::{CONTRACT, Features, Value};
use production_core::claim::referral::Finding;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::Actuarial;
use crate::error::{self, ActuarialError};
use crate::job;
use crate::method::Method;
use crate::run::request::RunBody;
use crate::store::dataset::{self as datasets, VersionStage};

/// The dataset of claims that were looked into; each retraining with other labels is a version of it.
pub const DATASET: &str = "investigated-claims";

/// Claims with fraud, and without, that a score is learnt again from at least.
pub const LEAST_LABELS: usize = 50;

/// A claim that was looked into.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// Names it.
    pub claim_code: String,
    /// What was found.
    pub finding: Finding,
    /// On which day.
    pub concluded_on: Date,
    /// Its figures, as a live score sees them.
    pub features: Features,
}

/// Who keeps what investigators found.
pub trait LabelledClaims: Send + Sync + 'static {
    /// A tenant's claims that were looked into, in the order of their conclusions.
    fn labelled(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<Labelled>, ActuarialError>>;
}

/// How a fraud score is learnt again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ModelRetraining)]
pub struct RetrainBody {
    /// What the run is, for people.
    pub label: Option<String>,
    /// Claims whose suspicion was not confirmed count as free of fraud; they are left out when absent.
    pub unconfirmed_is_clean: Option<bool>,
    /// Where random draws start; 0 when absent.
    pub seed: Option<i64>,
}

impl Actuarial {
    /// Makes a version of the training set from what investigators found, unless the latest has it all,
    /// and starts a run on it beside the model in force.
    pub async fn retrain(
        &self,
        door: &Door,
        labels: &dyn LabelledClaims,
        call: Call,
        body: RetrainBody,
        unknown: Vec<String>,
    ) -> Result<Reply, Problem> {
        if !unknown.is_empty() {
            let errors = unknown.into_iter().map(|at| FieldError::at(at, "is not known"));
            return Err(Problem::invalid(errors.collect()));
        }
        door.admit(&call.caller, Method::FraudScore.function(), call.received_at)?;
        let tenant = call.caller.tenant;
        let found = labels.labelled(tenant).await?;
        if found.is_empty() {
            let detail = "no referral of a claim is concluded yet";
            return Err(Problem::new(&error::TOO_FEW_LABELS, detail));
        }
        let version = self.training_set(&call, &found).await?;
        let count = |finding| found.iter().filter(|own| own.finding == finding).count();
        let clean_too = body.unconfirmed_is_clean.unwrap_or(false);
        let fraud = count(Finding::Confirmed);
        let unconfirmed = count(Finding::Unconfirmed);
        let clean = count(Finding::Clean) + if clean_too { unconfirmed } else { 0 };
        if fraud.min(clean) < LEAST_LABELS {
            let detail = format!(
                "fraud was confirmed in {fraud} claims and {clean} are free of it, {unconfirmed} are \
                 not confirmed; at least {LEAST_LABELS} of each are needed. They are version {version} \
                 of dataset {DATASET}"
            );
            return Err(Problem::new(&error::TOO_FEW_LABELS, detail));
        }
        let features = CONTRACT.iter().map(|own| json!({ "column": own.name }));
        let mut parameters = json!({
            "label": "finding",
            "fraud": [Finding::Confirmed.name()],
            "time": "concludedOn",
            "features": features.collect::<Vec<_>>(),
        });
        if !clean_too {
            let kept = [Finding::Confirmed.name(), Finding::Clean.name()];
            parameters["rows"] = json!([{ "column": "finding", "in": kept }]);
        }
        if let Some(champion) = self.in_force(tenant) {
            parameters["champion"] = json!(champion.to_string());
        }
        let run = RunBody {
            method: Some(Method::FraudScore.name().to_owned()),
            dataset: Some(DATASET.to_owned()),
            version: Some(version),
            label: body.label.or_else(|| Some("retrained on what investigators found".to_owned())),
            seed: body.seed,
            parameters: Some(parameters),
        };
        self.start_run(door, call, run, Vec::new()).await
    }

    /// The version of the training set that holds these claims: the latest, or another that is imported
    /// here and now.
    async fn training_set(&self, call: &Call, found: &[Labelled]) -> Result<i32, Problem> {
        let tenant = call.caller.tenant;
        let table = table(found);
        let digest: [u8; 32] = Sha256::digest(&table).into();
        let mut tx =
            self.spine.db().begin(Scope::of(tenant)).await.map_err(ActuarialError::from)?;
        let latest = datasets::find(&mut tx, tenant, DATASET, None).await;
        drop(tx);
        if let Ok(latest) = latest
            && latest.source_digest == digest
            && matches!(latest.stage, VersionStage::Done { .. })
        {
            return Ok(latest.version);
        }
        let words = CONTRACT.iter().filter(|own| !own.is_number);
        let words = words.map(|own| json!({ "source": own.name, "type": "text" }));
        let about = json!({
            "name": DATASET,
            "title": "调查结论 claims that were looked into, with the figures a fraud score sees",
            "format": "csv",
            "columns": words.collect::<Vec<_>>(),
        });
        let taken = self.begin_own(call, &about, &table).await?;
        // Small enough to be waited for; should this server end, another takes it in a minute.
        let attempt = self.attempt_import(&taken, &CancellationToken::new()).await?;
        match attempt {
            job::Attempt::Done => Ok(taken.version),
            _ => Err(ActuarialError::Corrupt("training set").into()),
        }
    }
}

/// The claims as a CSV, one a row: code, day, finding, and the figures in the order of the contract.
fn table(found: &[Labelled]) -> Vec<u8> {
    let mut text = String::from("claimCode,concludedOn,finding");
    CONTRACT.iter().for_each(|own| {
        text.push(',');
        text.push_str(own.name);
    });
    text.push('\n');
    for own in found {
        text.push_str(&format!("{},{},{}", own.claim_code, own.concluded_on, own.finding.name()));
        for name in CONTRACT.iter().map(|own| own.name) {
            text.push(',');
            match own.features.get(name) {
                Some(Value::Number(number)) => text.push_str(&number.to_string()),
                Some(Value::Word(word)) => text.push_str(&quoted(word)),
                None => {}
            }
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// A cell of a CSV.
fn quoted(word: &str) -> String {
    if word.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", word.replace('"', "\"\""))
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_claim_is_a_row_with_the_figures_in_the_order_of_the_contract() {
        let mut features: Features = CONTRACT
            .iter()
            .map(|own| {
                let word = || Value::Word("untold".to_owned());
                (own.name.to_owned(), if own.is_number { Value::Number(7) } else { word() })
            })
            .collect();
        features.insert("handledBy".to_owned(), Value::Word("a, \"b\"".to_owned()));
        let own = Labelled {
            claim_code: "05PICC".to_owned(),
            finding: Finding::Clean,
            concluded_on: date(2026, 3, 1),
            features,
        };
        let text = String::from_utf8(table(&[own])).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("claimCode,concludedOn,finding,step,class,province"));
        assert!(lines[1].starts_with("05PICC,2026-03-01,clean,untold,untold,untold,untold,7,7"));
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let row = rows.records().next().unwrap().unwrap();
        let place = 3 + CONTRACT.iter().position(|own| own.name == "handledBy").unwrap();
        assert_eq!(&row[place], "a, \"b\"");
        assert_eq!(row.len(), 3 + CONTRACT.len());
    }
}

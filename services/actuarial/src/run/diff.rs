//! What differs between two runs: what they rest on, and what they found.

use std::collections::{BTreeMap, BTreeSet};

use base_http::paging::bad;
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::Actuarial;
use crate::error::ActuarialError;
use crate::store::run::RunRecord;

/// Most differences that are listed.
const MOST: usize = 2_000;

/// With which run one is compared.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DiffAsked {
    /// The other run.
    pub with: Option<String>,
    /// Leaves out figures that differ by no more than this part of the larger; 0 when absent.
    pub tolerance: Option<f64>,
}

/// What differs between two runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RunDiff)]
pub struct DiffView {
    /// The first run.
    pub run_id: String,
    /// The other run.
    pub with: String,
    /// Whether both rest on the same: then their results are the same, too.
    pub same_inputs: bool,
    /// Whether the results are the same to the bit.
    pub same_result: bool,
    /// Method, data, code, seed and parameters that differ, by name or JSON pointer.
    pub inputs: Vec<Difference>,
    /// Figures that differ, by JSON pointer into the results; the largest relative change first.
    pub figures: Vec<Difference>,
    /// How many figures differ, listed or not.
    pub figures_differing: usize,
}

/// Something that differs.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RunDifference)]
pub struct Difference {
    /// What: a name or a JSON pointer.
    pub at: String,
    /// In the first run; absent when it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub this: Option<Value>,
    /// In the other; absent when it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub that: Option<Value>,
    /// Of two numbers: the other less the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
    /// The same as part of the first, where that is not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<f64>,
}

impl Actuarial {
    /// Compares an own run with another own run. Both are done.
    pub async fn diff_runs(
        &self,
        call: Call,
        run: &str,
        asked: DiffAsked,
    ) -> Result<Reply, Problem> {
        let with = asked.with.as_deref().ok_or_else(|| bad("with", "name the other run"))?;
        let tolerance = asked.tolerance.unwrap_or(0.0);
        if !(0.0..1.0).contains(&tolerance) {
            return Err(bad("tolerance", "is a part, from 0 to below 1"));
        }
        let (this, that) = (self.own_run(&call, run).await?, self.own_run(&call, with).await?);
        let (one, other) = (self.result_of(&this).await?, self.result_of(&that).await?);
        let corrupt = |_| ActuarialError::Corrupt("result");
        let same_result = one == other;
        let view = tokio::task::spawn_blocking(move || {
            let one: Value = serde_json::from_slice(&one).map_err(corrupt)?;
            let other: Value = serde_json::from_slice(&other).map_err(corrupt)?;
            let mut figures = between(&one, &other, tolerance);
            figures.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.at.cmp(&b.at)));
            let figures_differing = figures.len();
            figures.truncate(MOST);
            Ok::<_, ActuarialError>(DiffView {
                run_id: this.run.to_string(),
                with: that.run.to_string(),
                same_inputs: this.input_digest == that.input_digest,
                same_result,
                inputs: between(&rests_on(&this), &rests_on(&that), 0.0),
                figures,
                figures_differing,
            })
        });
        let view = view.await.map_err(|_| ActuarialError::Corrupt("result"))??;
        let subject = format!("run {} and run {}", view.run_id, view.with);
        self.spine.answer(call, Done::json(StatusCode::OK, &view, 0, subject)).await
    }
}

/// What a run rests on.
fn rests_on(record: &RunRecord) -> Value {
    json!({
        "method": record.method.name(),
        "dataset": record.dataset_name,
        "version": record.version,
        "codeVersion": record.code_version,
        "seed": record.seed,
        "parameters": record.parameters,
    })
}

/// Everything that differs between two documents, by JSON pointer.
pub(crate) fn between(this: &Value, that: &Value, tolerance: f64) -> Vec<Difference> {
    let (one, other) = (leaves(this), leaves(that));
    let places: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ = |at: &&String| {
        let (this, that) = (one.get(*at), other.get(*at));
        match (this.and_then(|it| it.as_f64()), that.and_then(|it| it.as_f64())) {
            (Some(this), Some(that)) => {
                (this - that).abs() > tolerance * this.abs().max(that.abs())
            }
            _ => this != that,
        }
    };
    let difference = |at: &String| {
        let (this, that) = (one.get(at), other.get(at));
        let numbers = this.and_then(|it| it.as_f64()).zip(that.and_then(|it| it.as_f64()));
        let change = numbers.map(|(this, that)| that - this);
        let relative = numbers.map(|(this, that)| (that - this) / this.abs());
        Difference {
            at: at.clone(),
            this: this.map(|it| (*it).clone()),
            that: that.map(|it| (*it).clone()),
            change,
            relative: relative.filter(|relative| relative.is_finite()),
        }
    };
    places.into_iter().filter(differ).map(difference).collect()
}

fn size(difference: &Difference) -> f64 {
    match (difference.relative, difference.change) {
        (Some(relative), _) => relative.abs(),
        _ => f64::INFINITY,
    }
}

/// Everything a document says, by JSON pointer. Rows that name themselves are told apart by their
/// names, so that one row more does not move all others.
fn leaves(value: &Value) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), value)];
    while let Some((at, value)) = open.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    open.push((format!("{at}/{}", escaped(name)), member));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = item.get("name").and_then(Value::as_str);
                    let own = name.map(escaped).unwrap_or_else(|| index.to_string());
                    let at = format!("{at}/{own}");
                    let at = if found.contains_key(&at) { format!("{at}#{index}") } else { at };
                    open.push((at, item));
                }
            }
            leaf => {
                found.insert(at, leaf);
            }
        }
    }
    found
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_what_is_missing_are_told() {
        let this = json!({ "a": 1.0, "rows": [{ "name": "x", "v": 2 }, { "name": "y", "v": 4 }] });
        let that = json!({ "a": 1.0, "rows": [{ "name": "y", "v": 5 }], "b": "new" });
        let found = between(&this, &that, 0.0);
        let places: Vec<&str> = found.iter().map(|difference| &*difference.at).collect();
        assert_eq!(places, ["/b", "/rows/x/name", "/rows/x/v", "/rows/y/v"]);
        assert_eq!((found[3].change, found[3].relative), (Some(1.0), Some(0.25)));
        assert_eq!((&found[1].this, &found[1].that), (&Some(json!("x")), &None));
        assert_eq!(between(&this, &this, 0.0), []);
        assert_eq!(between(&json!(100.0), &json!(100.1), 0.01), []);
    }
}

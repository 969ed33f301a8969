//! 信度: how far the experience of a contract, a region or a fleet is its own (Bühlmann and Straub).

use std::collections::BTreeMap;

use actuarial_models::credibility::{Between, CredibilityError, Observation, buhlmann_straub};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error;
use crate::figure::Figure;
use crate::job::Watch;
use crate::method::check::Check;
use crate::method::data::Data;
use crate::method::prepare::{ConditionBody, DerivedBody, Prepare};
use crate::method::{Failure, Outcome, Plan};

/// Whose experience is weighed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = CredibilityParameters)]
pub struct CredibilityBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column that names the contract, region or fleet.
    #[schema(example = "state")]
    pub group: Option<String>,
    /// The column of observed values, such as claims per exposure; one row for each period.
    #[schema(example = "ratio")]
    pub value: Option<String>,
    /// The column of the volume behind each value.
    #[schema(example = "weight")]
    pub weight: Option<String>,
    /// How the variance between contracts is estimated: `unbiased` (the default) or `iterative`.
    pub estimator: Option<String>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Credibility {
    columns: Vec<String>,
    prepare: Prepare,
    group: String,
    value: String,
    weight: String,
    estimator: Between,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CredibilityResult {
    collective: Figure,
    within: Figure,
    between: Figure,
    groups: Vec<GroupResult>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupResult {
    name: String,
    observations: usize,
    mean: Figure,
    weight: Figure,
    credibility: Figure,
    premium: Figure,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &CredibilityBody, check: &mut Check<'_>) -> Credibility {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let estimators = [("unbiased", Between::Unbiased), ("iterative", Between::Iterative)];
    let group = check.needed("/group", body.group.as_ref(), None);
    let value = check.number("/value", body.value.as_ref(), None);
    let weight = check.number("/weight", body.weight.as_ref(), None);
    let estimator = check.word("/estimator", body.estimator.as_ref(), &estimators);
    Credibility { columns: check.used(), prepare, group, value, weight, estimator }
}

impl Plan for Credibility {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, _watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let (levels, codes) = data.factor(&self.group)?;
        let (values, weights) = (data.numbers(&self.value)?, data.numbers(&self.weight)?);
        let mut groups: BTreeMap<u32, Vec<(usize, Observation)>> = BTreeMap::new();
        for (row, code) in codes.iter().enumerate() {
            let own = Observation { value: values[row], weight: weights[row] };
            groups.entry(*code).or_default().push((row, own));
        }
        let rows: Vec<Vec<usize>> =
            groups.values().map(|own| own.iter().map(|(row, _)| *row).collect()).collect();
        let observed: Vec<Vec<Observation>> =
            groups.into_values().map(|own| own.into_iter().map(|(_, it)| it).collect()).collect();
        let found = buhlmann_straub(&observed, self.estimator)
            .map_err(|error| self.refused(&error, &levels, &rows))?;
        let each = levels.into_iter().zip(&observed).zip(&found.contracts);
        let result = CredibilityResult {
            collective: found.collective.into(),
            within: found.within.into(),
            between: found.between.into(),
            groups: each
                .map(|((name, own), contract)| GroupResult {
                    name,
                    observations: own.len(),
                    mean: contract.mean.into(),
                    weight: contract.weight.into(),
                    credibility: contract.credibility.into(),
                    premium: contract.premium.into(),
                })
                .collect(),
        };
        let shown = [
            ("collective", found.collective),
            ("within", found.within),
            ("between", found.between),
            ("groups", found.contracts.len() as f64),
        ];
        Outcome::of(&result, shown)
    }
}

impl Credibility {
    fn refused(&self, error: &CredibilityError, levels: &[String], rows: &[Vec<usize>]) -> Failure {
        let text = error.to_string();
        match error {
            CredibilityError::Observation { contract, observation } => {
                let row = rows.get(*contract).and_then(|rows| rows.get(*observation));
                let name = levels.get(*contract).map(String::as_str).unwrap_or_default();
                let detail = format!(
                    "{} of {name} has no positive weight in row {}",
                    self.value,
                    row.map_or(0, |row| row + 1)
                );
                let advice = "leave rows without volume out with a condition under rows";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.weight)
            }
            CredibilityError::TooFew | CredibilityError::Empty(_) => {
                let advice = "take at least two groups";
                Failure::new(&error::NOTHING_TO_LEARN, text, advice).of_column(&self.group)
            }
            CredibilityError::NoVariation => {
                let advice = "take at least two periods of some group";
                Failure::new(&error::NOTHING_TO_LEARN, text, advice).of_column(&self.group)
            }
            CredibilityError::NoConvergence(_) => {
                Failure::new(&error::NO_CONVERGENCE, text, "set estimator to unbiased")
            }
            CredibilityError::NotFinite(what) => Failure::not_a_number(what.0),
        }
    }
}

//! 信度: how far the experience of a contract, a region or a fleet is its own: side by side (Bühlmann and
//! Straub), or in sectors (Jewell).

use std::collections::BTreeMap;

use actuarial_models::credibility::{
    Between, CredibilityError, Credible, Observation, buhlmann_straub, hierarchical,
};
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
    /// The column of sectors: a group is weighed against its sector, and that against all. Without it
    /// groups are weighed against all.
    pub sector: Option<String>,
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
    sector: Option<String>,
    value: String,
    weight: String,
    estimator: Between,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredibilityResult {
    pub(crate) collective: Figure,
    pub(crate) within: Figure,
    /// Between groups; of a sector, where there are sectors.
    pub(crate) between: Figure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) between_sectors: Option<Figure>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sectors: Vec<CredibleResult>,
    pub(crate) groups: Vec<CredibleResult>,
}

/// What is expected of a group or a sector.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredibleResult {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sector: Option<String>,
    /// Rows of a group, groups of a sector.
    pub(crate) observations: usize,
    pub(crate) mean: Figure,
    pub(crate) weight: Figure,
    pub(crate) credibility: Figure,
    pub(crate) premium: Figure,
}

/// A group with its observations and the rows they stand in.
struct Group {
    name: String,
    sector: String,
    observed: Vec<Observation>,
    rows: Vec<usize>,
}

/// Reads parameters; what is wrong with them is noted in `check`.
pub(crate) fn read(body: &CredibilityBody, check: &mut Check<'_>) -> Credibility {
    let prepare = Prepare::read(check, body.derive.as_ref(), body.rows.as_ref());
    let estimators = [("unbiased", Between::Unbiased), ("iterative", Between::Iterative)];
    let group = check.needed("/group", body.group.as_ref(), None);
    let sector = check.optional("/sector", body.sector.as_ref(), None);
    if sector.as_ref().is_some_and(|sector| *sector == group) {
        check.fault("/sector", "is another column than the group");
    }
    let value = check.number("/value", body.value.as_ref(), None);
    let weight = check.number("/weight", body.weight.as_ref(), None);
    let estimator = check.word("/estimator", body.estimator.as_ref(), &estimators);
    Credibility { columns: check.used(), prepare, group, sector, value, weight, estimator }
}

impl Plan for Credibility {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn compute(&self, data: Data, _seed: u64, _watch: &Watch) -> Result<Outcome, Failure> {
        let data = self.prepare.apply(data)?;
        let groups = self.groups(&data)?;
        let refuse = |error: CredibilityError| self.refused(&error, &groups);
        if self.sector.is_some() {
            return self.in_sectors(&groups).and_then(|found| outcome(&found));
        }
        let observed: Vec<Vec<Observation>> =
            groups.iter().map(|group| group.observed.clone()).collect();
        let found = buhlmann_straub(&observed, self.estimator).map_err(refuse)?;
        let each = groups.iter().zip(&found.contracts);
        outcome(&CredibilityResult {
            collective: found.collective.into(),
            within: found.within.into(),
            between: found.between.into(),
            between_sectors: None,
            sectors: vec![],
            groups: each
                .map(|(group, own)| result(&group.name, None, group.rows.len(), own))
                .collect(),
        })
    }
}

fn outcome(found: &CredibilityResult) -> Result<Outcome, Failure> {
    let mut shown = vec![
        ("collective", found.collective.0),
        ("within", found.within.0),
        ("between", found.between.0),
        ("groups", found.groups.len() as f64),
    ];
    shown.extend(found.between_sectors.map(|between| ("betweenSectors", between.0)));
    Outcome::of(found, shown)
}

fn result(
    name: &str,
    sector: Option<&String>,
    observations: usize,
    own: &Credible,
) -> CredibleResult {
    CredibleResult {
        name: name.to_owned(),
        sector: sector.cloned(),
        observations,
        mean: own.mean.into(),
        weight: own.weight.into(),
        credibility: own.credibility.into(),
        premium: own.premium.into(),
    }
}

impl Credibility {
    /// Groups by sector and name; all of one nameless sector where there are none.
    fn groups(&self, data: &Data) -> Result<Vec<Group>, Failure> {
        let (levels, codes) = data.factor(&self.group)?;
        let (sectors, sector_codes) = match &self.sector {
            Some(sector) => data.factor(sector)?,
            None => (vec![String::new()], vec![0; data.rows()]),
        };
        let (values, weights) = (data.numbers(&self.value)?, data.numbers(&self.weight)?);
        let mut groups: BTreeMap<(u32, u32), Group> = BTreeMap::new();
        for (row, (sector, code)) in sector_codes.iter().zip(&codes).enumerate() {
            let group = groups.entry((*sector, *code)).or_insert_with(|| Group {
                name: levels[*code as usize].clone(),
                sector: sectors[*sector as usize].clone(),
                observed: vec![],
                rows: vec![],
            });
            group.observed.push(Observation { value: values[row], weight: weights[row] });
            group.rows.push(row);
        }
        Ok(groups.into_values().collect())
    }

    fn in_sectors(&self, groups: &[Group]) -> Result<CredibilityResult, Failure> {
        // Groups stand in the order of their sectors.
        let by_sector: Vec<&[Group]> = groups.chunk_by(|a, b| a.sector == b.sector).collect();
        let observed: Vec<Vec<Vec<Observation>>> = by_sector
            .iter()
            .map(|sector| sector.iter().map(|group| group.observed.clone()).collect())
            .collect();
        let found = hierarchical(&observed, self.estimator)
            .map_err(|error| self.refused(&error, groups))?;
        let sectors = by_sector.iter().zip(&found.sectors);
        let each = groups.iter().zip(found.contracts.iter().flatten());
        Ok(CredibilityResult {
            collective: found.collective.into(),
            within: found.within.into(),
            between: found.between_contracts.into(),
            between_sectors: Some(found.between_sectors.into()),
            sectors: sectors
                .map(|(groups, own)| result(&groups[0].sector, None, groups.len(), own))
                .collect(),
            groups: each
                .map(|(group, own)| result(&group.name, Some(&group.sector), group.rows.len(), own))
                .collect(),
        })
    }

    fn refused(&self, error: &CredibilityError, groups: &[Group]) -> Failure {
        let text = error.to_string();
        match error {
            CredibilityError::Observation { contract, observation } => {
                let group = groups.get(*contract);
                let row = group.and_then(|group| group.rows.get(*observation));
                let name = group.map(|group| group.name.as_str()).unwrap_or_default();
                let detail = format!(
                    "{} of {name} has no positive weight in row {}",
                    self.value,
                    row.map_or(0, |row| row + 1)
                );
                let advice = "leave rows without volume out with a condition under rows";
                Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.weight)
            }
            CredibilityError::TooFew | CredibilityError::Empty(_) => {
                let advice = match &self.sector {
                    Some(_) => "take at least two sectors, and two groups of some sector",
                    None => "take at least two groups",
                };
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

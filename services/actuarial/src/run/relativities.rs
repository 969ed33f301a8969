//! The relativities of an indication as the production cloud's tariff takes them.
//!
//! A file of one line for every level: in which rows of which table it stands, what they are multiplied
//! by, and which run says so. The first line is the base rate. Rows of levels the experience does not know
//! are left alone. `commonwheel tariff propose` makes a tariff version of it, which one person
//! loads and another publishes.

use std::collections::BTreeMap;

use base_http::{Call, FieldError, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::Actuarial;
use crate::error::{self, ActuarialError};
use crate::method::Method;
use crate::method::data::MISSING_LEVEL;
use crate::method::indication::{FactorResult, IndicationResult, TariffPlaceResult};
use crate::store::run::{RunRecord, RunStage};

/// Columns of the file.
const HEAD: [&str; 7] = ["table", "column", "level", "where", "times", "relativity", "source"];

/// Which factors are exported.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RelativitiesAsked {
    /// Names of factors, separated by commas; all when absent.
    pub factors: Option<String>,
}

impl Actuarial {
    /// Sends the relativities of an own indication, for a tariff.
    pub async fn send_relativities(
        &self,
        call: Call,
        run: &str,
        asked: RelativitiesAsked,
    ) -> Result<axum::response::Response, Problem> {
        let record = self.own_run(&call, run).await?;
        if record.method != Method::Indication {
            let detail = format!("a run of {} proposes no relativities", record.method.name());
            return Err(ActuarialError::refused(&error::NO_REPORT, detail).into());
        }
        let result = self.result_of(&record).await?;
        let found: IndicationResult =
            serde_json::from_slice(&result).map_err(|_| ActuarialError::Corrupt("result"))?;
        let file = exported(&record, &found, asked.factors.as_deref())?;
        let (subject, name) = (record.subject(), format!("{}-relativities.csv", record.run));
        self.send(call, subject, "text/csv; charset=utf-8", &name, file.into()).await
    }
}

fn exported(
    record: &RunRecord,
    found: &IndicationResult,
    asked: Option<&str>,
) -> Result<Vec<u8>, ActuarialError> {
    let factors = chosen(found, asked)?;
    let places = placed(&factors)?;
    let source = source(record);
    let mut lines = vec![];
    if let Some((_, first)) = places.first() {
        // The base rates of all factors multiply up; the table of the first carries them.
        let base: f64 = factors.iter().map(|factor| factor.base_rate.0).product();
        lines.push([
            first.table.clone(),
            String::new(),
            String::new(),
            conditions(&places, &first.table),
            format!("{base:.6}"),
            String::new(),
            source.clone(),
        ]);
    }
    for (factor, place) in &places {
        for level in &factor.levels {
            lines.push([
                place.table.clone(),
                place.column.clone(),
                level.name.clone(),
                conditions(&places, &place.table),
                format!("{:.6}", level.relativity.0 / level.present.0),
                format!("{:.6}", level.relativity.0),
                source.clone(),
            ]);
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer
        .write_record(HEAD)
        .and_then(|()| lines.iter().try_for_each(|line| writer.write_record(line)));
    written.map_err(|_| ActuarialError::Corrupt("result"))?;
    writer.into_inner().map_err(|_| ActuarialError::Corrupt("result"))
}

/// The factors that are asked for, in the order of the run.
fn chosen<'a>(
    found: &'a IndicationResult,
    asked: Option<&str>,
) -> Result<Vec<&'a FactorResult>, ActuarialError> {
    let Some(asked) = asked else { return Ok(found.factors.iter().collect()) };
    let names: Vec<&str> =
        asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let known: Vec<&str> = found.factors.iter().map(|factor| &*factor.name).collect();
    let unknown: Vec<&str> = names.iter().filter(|name| !known.contains(name)).copied().collect();
    if names.is_empty() || !unknown.is_empty() {
        let detail = format!(
            "{:?} are no factors of the run; it has {}",
            unknown.join(", "),
            known.join(", ")
        );
        return Err(ActuarialError::Invalid(vec![FieldError::at("?factors", detail)]));
    }
    Ok(found.factors.iter().filter(|factor| names.contains(&&*factor.name)).collect())
}

/// A factor with its place in a tariff.
type Placed<'a> = (&'a FactorResult, &'a TariffPlaceResult);

/// Where each factor stands in a tariff; refused are, by name, all that stand nowhere.
fn placed<'a>(factors: &[&'a FactorResult]) -> Result<Vec<Placed<'a>>, ActuarialError> {
    let mut placed: Vec<Placed<'a>> = vec![];
    let mut refused = vec![];
    for factor in factors {
        let Some(place) = &factor.tariff else {
            refused.push(format!("{} (its tariff is not given)", factor.name));
            continue;
        };
        let odd = |level: &str| level == MISSING_LEVEL || level.contains(['|', ';', '=']);
        let odd = factor.levels.iter().find(|level| odd(&level.name));
        let clash =
            placed.iter().find(|(_, own)| own.table == place.table && own.rows != place.rows);
        match (odd, clash) {
            (Some(level), _) => {
                refused.push(format!("{} (no tariff has a level {:?})", factor.name, level.name));
            }
            (None, Some((other, _))) => {
                let name = &other.name;
                refused.push(format!("{} (its where differs from that of {name})", factor.name));
            }
            (None, None) => placed.push((factor, place)),
        }
    }
    if refused.is_empty() {
        return Ok(placed);
    }
    let can: Vec<&str> = placed.iter().map(|(factor, _)| &*factor.name).collect();
    let can = match can.is_empty() {
        true => "none can".to_owned(),
        false => format!("{} can: name them in factors", can.join(", ")),
    };
    let detail = format!("no tariff takes {}; {can}", refused.join(", "));
    Err(ActuarialError::refused(&error::NOT_IN_TARIFF, detail))
}

/// Which rows of a table change, as `class_key=fam_lt6|ent_lt6;cover=TPL`: those that are meant, with
/// levels the experience knows.
fn conditions(places: &[Placed<'_>], table: &str) -> String {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (factor, place) in places.iter().filter(|(_, place)| place.table == table) {
        for (column, values) in &place.rows {
            rows.insert(column, values.iter().map(String::as_str).collect());
        }
        let meant = place.rows.get(&place.column);
        let known = factor.levels.iter().map(|level| &level.name);
        let known = known.filter(|level| meant.is_none_or(|meant| meant.contains(level)));
        let known = known.map(String::as_str);
        rows.insert(&place.column, known.collect());
    }
    let each = rows.into_iter().map(|(column, values)| format!("{column}={}", values.join("|")));
    each.collect::<Vec<_>>().join(";")
}

/// Which run says so, on which data.
fn source(record: &RunRecord) -> String {
    let digest = match &record.stage {
        RunStage::Done { digest, .. } => hex::encode(digest),
        _ => String::new(),
    };
    format!(
        "indication run {}: dataset {} version {}, code {}, result SHA-256 {digest}",
        record.run, record.dataset_name, record.version, record.code_version
    )
}

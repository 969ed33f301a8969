//! Which rows a run takes, and columns made of others: capped, classed, transformed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::dataset::ColumnType;
use crate::dataset::table::{Column, MISSING};
use crate::error;
use crate::method::Failure;
use crate::method::check::Check;
use crate::method::data::Data;

/// A condition rows must meet.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = RowCondition)]
pub struct ConditionBody {
    /// The column it is about.
    #[schema(example = "SplitS100")]
    pub column: Option<String>,
    /// The value is one of these.
    #[serde(rename = "in")]
    #[schema(value_type = Option<Vec<String>>)]
    pub among: Option<Vec<Value>>,
    /// The value is none of these.
    #[schema(value_type = Option<Vec<String>>)]
    pub not_in: Option<Vec<Value>>,
    /// The number is at least this.
    pub least: Option<f64>,
    /// The number is at most this.
    pub most: Option<f64>,
    /// The value is there (true) or missing (false).
    pub present: Option<bool>,
}

/// A column made of another.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = DerivedColumn)]
pub struct DerivedBody {
    /// What it is called.
    #[schema(example = "DrivAgeClass")]
    pub name: Option<String>,
    /// What it is made of.
    #[schema(example = "DrivAge")]
    pub from: Option<String>,
    /// How: `cap` and `floor` (`at`), `log`, `power` (`at`), `classes` (`bounds`: level 1 lies below
    /// the first, a value on a bound belongs above it), `groups` (levels by name of group; others
    /// stay), `scores` (a number by level; others have none), `ratio` (`by`: the column to divide
    /// by), `copy`.
    #[schema(example = "classes")]
    pub how: Option<String>,
    /// The bound of `cap` and `floor`, the exponent of `power`.
    pub at: Option<f64>,
    /// The bounds of `classes`, increasing.
    pub bounds: Option<Vec<f64>>,
    /// The groups of `groups`.
    #[schema(value_type = Option<Object>)]
    pub groups: Option<BTreeMap<String, Vec<Value>>>,
    /// The numbers of `scores`.
    #[schema(value_type = Option<Object>)]
    pub scores: Option<BTreeMap<String, f64>>,
    /// The column `ratio` divides by.
    pub by: Option<String>,
}

/// Checked conditions and derived columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepare {
    derived: Vec<Derived>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    column: String,
    among: Option<Vec<String>>,
    not_in: Option<Vec<String>>,
    least: Option<f64>,
    most: Option<f64>,
    present: Option<bool>,
}

#[derive(Clone, Debug)]
struct Derived {
    name: String,
    from: String,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Cap(f64),
    Floor(f64),
    Log,
    Power(f64),
    Classes(Vec<f64>),
    Groups(Vec<(String, Vec<String>)>),
    Scores(BTreeMap<String, f64>),
    Ratio(String),
    Copy,
}

#[derive(Clone, Copy)]
enum Word {
    Cap,
    Floor,
    Log,
    Power,
    Classes,
    Groups,
    Scores,
    Ratio,
    Copy,
}

const WORDS: [(&str, Word); 9] = [
    ("cap", Word::Cap),
    ("floor", Word::Floor),
    ("log", Word::Log),
    ("power", Word::Power),
    ("classes", Word::Classes),
    ("groups", Word::Groups),
    ("scores", Word::Scores),
    ("ratio", Word::Ratio),
    ("copy", Word::Copy),
];

impl Prepare {
    /// Reads derived columns first, so that conditions and the method may name them.
    pub(crate) fn read(
        check: &mut Check<'_>,
        derived: Option<&Vec<DerivedBody>>,
        conditions: Option<&Vec<ConditionBody>>,
    ) -> Prepare {
        let derived = derived.into_iter().flatten().enumerate();
        let derived = derived.filter_map(|(at, body)| derive(check, at, body)).collect();
        let conditions = conditions.into_iter().flatten().enumerate();
        let conditions = conditions
            .filter_map(|(index, body)| condition(check, &format!("/rows/{index}"), body))
            .collect();
        Prepare { derived, conditions }
    }

    /// The data with the derived columns, and with the rows that meet every condition.
    pub(crate) fn apply(&self, data: Data) -> Result<Data, Failure> {
        let data = self.narrowed(data)?;
        if data.rows() == 0 && !self.conditions.is_empty() {
            let detail = "no row meets every condition under rows";
            return Err(Failure::new(&error::NOTHING_TO_LEARN, detail, "change the conditions"));
        }
        Ok(data)
    }

    /// The same, where none of these rows need meet the conditions.
    pub(crate) fn narrowed(&self, mut data: Data) -> Result<Data, Failure> {
        for derived in &self.derived {
            let column = derived.made(&data)?;
            data.add(&derived.name, column);
        }
        if self.conditions.is_empty() {
            return Ok(data);
        }
        let keep = meet(&self.conditions, &data)?;
        Ok(data.only(&keep))
    }
}

/// Which rows meet every condition.
pub(crate) fn meet(conditions: &[Condition], data: &Data) -> Result<Vec<bool>, Failure> {
    let mut keep = vec![true; data.rows()];
    for condition in conditions {
        condition.narrow(data, &mut keep)?;
    }
    Ok(keep)
}

/// Reads one condition.
pub(crate) fn condition(
    check: &mut Check<'_>,
    at: &str,
    body: &ConditionBody,
) -> Option<Condition> {
    let column = check.needed(&format!("{at}/column"), body.column.as_ref(), None);
    let says = [
        body.among.is_some(),
        body.not_in.is_some(),
        body.least.is_some(),
        body.most.is_some(),
        body.present.is_some(),
    ];
    if !says.contains(&true) {
        check.fault(at, "says nothing: give in, notIn, least, most or present");
    }
    if body.least.is_some() || body.most.is_some() {
        check.numeric(&format!("{at}/column"), &column);
    }
    let mut words = |member: &str, values: &Option<Vec<Value>>| {
        values.as_ref().map(|values| {
            let texts: Vec<Option<String>> = values.iter().map(plain).collect();
            if texts.contains(&None) {
                check.fault(&format!("{at}/{member}"), "is a list of texts, numbers or booleans");
            }
            texts.into_iter().flatten().collect()
        })
    };
    let (among, not_in) = (words("in", &body.among), words("notIn", &body.not_in));
    let (least, most, present) = (body.least, body.most, body.present);
    check.is_clean().then_some(Condition { column, among, not_in, least, most, present })
}

/// A plain value as the text a column has for it.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(whole.to_string()),
            (_, number) => number.map(|number| number.to_string()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Condition {
    fn narrow(&self, data: &Data, keep: &mut [bool]) -> Result<(), Failure> {
        if self.among.is_some() || self.not_in.is_some() {
            // By level, not by row: a column has few of them.
            let (levels, codes) = data.column(&self.column)?.factor();
            let fits = |level: &String| {
                self.among.as_ref().is_none_or(|among| among.contains(level))
                    && self.not_in.as_ref().is_none_or(|not_in| !not_in.contains(level))
            };
            let fits: Vec<bool> = levels.iter().map(fits).collect();
            for (keep, code) in keep.iter_mut().zip(&*codes) {
                // What is missing is none of the values.
                *keep &= match *code {
                    MISSING => self.among.is_none(),
                    code => fits[code as usize],
                };
            }
        }
        if self.least.is_some() || self.most.is_some() {
            for (keep, value) in keep.iter_mut().zip(&*data.gapped(&self.column)?) {
                *keep &= self.least.is_none_or(|least| *value >= least)
                    && self.most.is_none_or(|most| *value <= most);
            }
        }
        if let Some(present) = self.present {
            let column = data.column(&self.column)?;
            for (row, keep) in keep.iter_mut().enumerate() {
                *keep = *keep && column.text(row).is_some() == present;
            }
        }
        Ok(())
    }
}

fn derive(check: &mut Check<'_>, index: usize, body: &DerivedBody) -> Option<Derived> {
    let at = |member: &str| format!("/derive/{index}/{member}");
    let from = check.needed(&at("from"), body.from.as_ref(), None);
    if body.how.is_none() {
        check.fault(&at("how"), "say how the column is made");
        return None;
    }
    let word = check.word(&at("how"), body.how.as_ref(), &WORDS);
    let mut kind = ColumnType::Decimal;
    let mut needs_number = true;
    let at_value = |check: &mut Check<'_>| {
        if body.at.is_none() {
            check.fault(&at("at"), "give a number");
        }
        body.at.unwrap_or(0.0)
    };
    let how = match word {
        Word::Cap => How::Cap(at_value(check)),
        Word::Floor => How::Floor(at_value(check)),
        Word::Log => How::Log,
        Word::Power => How::Power(at_value(check)),
        Word::Classes => {
            let bounds = body.bounds.clone().unwrap_or_default();
            if bounds.is_empty() || bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
                check.fault(&at("bounds"), "is a list of increasing numbers");
            }
            kind = ColumnType::Text;
            How::Classes(bounds)
        }
        Word::Groups => {
            (kind, needs_number) = (ColumnType::Text, false);
            let groups =
                body.groups.iter().flatten().map(|(name, levels)| {
                    (name.clone(), levels.iter().filter_map(plain).collect())
                });
            let groups: Vec<(String, Vec<String>)> = groups.collect();
            if groups.is_empty() {
                check.fault(&at("groups"), "name at least one group and its levels");
            }
            How::Groups(groups)
        }
        Word::Scores => {
            needs_number = false;
            let scores = body.scores.clone().unwrap_or_default();
            if scores.is_empty() {
                check.fault(&at("scores"), "give a number for at least one level");
            }
            How::Scores(scores)
        }
        Word::Ratio => How::Ratio(check.number(&at("by"), body.by.as_ref(), None)),
        Word::Copy => {
            needs_number = false;
            kind = check.column(&at("from"), &from).unwrap_or(kind);
            How::Copy
        }
    };
    if needs_number {
        check.numeric(&at("from"), &from);
    }
    let name = body.name.clone().unwrap_or_default();
    check.derive(&at("name"), &name, kind);
    Some(Derived { name, from, how })
}

impl Derived {
    fn made(&self, data: &Data) -> Result<Column, Failure> {
        let number = |apply: &dyn Fn(f64) -> f64| -> Result<Column, Failure> {
            let values = data.gapped(&self.from)?;
            let made: Vec<f64> = values.iter().map(|value| apply(*value)).collect();
            let odd =
                values.iter().zip(&made).position(|(from, to)| !from.is_nan() && !to.is_finite());
            match odd {
                None => Ok(Column::Decimal(made)),
                Some(row) => Err(self.refused(&data.row_name(row), values[row])),
            }
        };
        match &self.how {
            How::Cap(at) => number(&|value| if value.is_nan() { value } else { value.min(*at) }),
            How::Floor(at) => number(&|value| if value.is_nan() { value } else { value.max(*at) }),
            How::Log => number(&f64::ln),
            How::Power(exponent) => number(&|value| value.powf(*exponent)),
            How::Ratio(by) => {
                let by = data.gapped(by)?;
                let values = data.gapped(&self.from)?;
                let made: Vec<f64> = values.iter().zip(&*by).map(|(a, b)| a / b).collect();
                let odd = (0..made.len()).find(|&row| {
                    made[row].is_infinite()
                        || (made[row].is_nan() && !values[row].is_nan() && !by[row].is_nan())
                });
                match odd {
                    None => Ok(Column::Decimal(made)),
                    Some(row) => Err(self.refused(&data.row_name(row), values[row])),
                }
            }
            How::Classes(bounds) => {
                let code = |value: &f64| match value.is_nan() {
                    true => MISSING,
                    false => bounds.partition_point(|bound| bound <= value) as u32,
                };
                let codes = data.gapped(&self.from)?.iter().map(code).collect();
                let levels = (1..=bounds.len() + 1).map(|class| class.to_string()).collect();
                Ok(Column::Text { levels, codes })
            }
            How::Groups(groups) => {
                let (levels, codes) = data.column(&self.from)?.factor();
                let group = |level: &String| {
                    let own = groups.iter().find(|(_, levels)| levels.contains(level));
                    own.map_or(level.clone(), |(name, _)| name.clone())
                };
                let mut names: Vec<String> = levels.iter().map(group).collect();
                let places: Vec<u32> = {
                    let mut all = Vec::new();
                    let places = names.iter().map(|name| place(&mut all, name)).collect();
                    names = all;
                    places
                };
                let code = |&code: &u32| places.get(code as usize).copied().unwrap_or(MISSING);
                Ok(Column::Text { levels: names, codes: codes.iter().map(code).collect() })
            }
            How::Scores(scores) => {
                let (levels, codes) = data.column(&self.from)?.factor();
                let own: Vec<f64> =
                    levels.iter().map(|it| scores.get(it).copied().unwrap_or(f64::NAN)).collect();
                let score = |code: &u32| own.get(*code as usize).copied().unwrap_or(f64::NAN);
                Ok(Column::Decimal(codes.iter().map(score).collect()))
            }
            How::Copy => Ok(data.column(&self.from)?.clone()),
        }
    }

    fn refused(&self, row: &str, value: f64) -> Failure {
        let detail = format!(
            "{} cannot be made of {}: the value {value} of {row} has none",
            self.name, self.from
        );
        let advice = "leave such rows out, or put a floor under the column first";
        Failure::new(&error::UNFIT_VALUE, detail, advice).of_column(&self.from)
    }
}

/// Place of a text, added at the end when it is new.
fn place(all: &mut Vec<String>, text: &str) -> u32 {
    let known = all.iter().position(|known| known == text);
    known.unwrap_or_else(|| {
        all.push(text.to_owned());
        all.len() - 1
    }) as u32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dataset::ColumnProfile;

    fn profile(name: &str, kind: ColumnType) -> ColumnProfile {
        ColumnProfile {
            name: name.to_owned(),
            source: name.to_owned(),
            kind,
            inferred: kind,
            role: None,
            missing: 0,
            distinct: None,
            levels: Vec::new(),
            least: None,
            most: None,
            nearly: None,
        }
    }

    fn prepared(derive: Value, rows: Value) -> Result<Prepare, Vec<String>> {
        let profiles = [profile("age", ColumnType::Integer), profile("area", ColumnType::Text)];
        let derive: Vec<DerivedBody> = serde_json::from_value(derive).unwrap();
        let rows: Vec<ConditionBody> = serde_json::from_value(rows).unwrap();
        let mut check = Check::over(&profiles);
        let prepare = Prepare::read(&mut check, Some(&derive), Some(&rows));
        check.end().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        })?;
        Ok(prepare)
    }

    fn data() -> Data {
        let ages = Column::Integer(vec![Some(17), Some(18), None, Some(60)]);
        let areas = Column::Text { levels: vec!["a".into(), "b".into()], codes: vec![0, 1, 0, 1] };
        Data::new([("age".to_owned(), ages), ("area".to_owned(), areas)], 4)
    }

    #[test]
    fn columns_are_made_of_others_and_rows_are_chosen() {
        let derive = json!([
            { "name": "class", "from": "age", "how": "classes", "bounds": [18, 50] },
            { "name": "capped", "from": "age", "how": "cap", "at": 20 },
            { "name": "zone", "from": "area", "how": "groups", "groups": { "town": ["a"] } }]);
        let prepare = prepared(derive, json!([{ "column": "age", "present": true }])).unwrap();
        let found = prepare.apply(data()).unwrap();
        assert_eq!(found.rows(), 3);
        assert_eq!(found.factor("class").unwrap().1, [0, 1, 2]);
        assert_eq!(found.numbers("capped").unwrap(), [17.0, 18.0, 20.0]);
        assert_eq!(found.factor("zone").unwrap().0, ["b", "town"]);
        let rows = json!([{ "column": "area", "in": ["b"] }, { "column": "age", "most": 18 }]);
        let found = prepared(json!([]), rows).unwrap().apply(data()).unwrap();
        assert_eq!(found.numbers("age").unwrap(), [18.0]);
        let none = prepared(json!([]), json!([{ "column": "age", "least": 99 }])).unwrap();
        assert_eq!(none.apply(data()).unwrap_err().document()["code"], "E5102");
    }

    #[test]
    fn faults_are_named_by_pointer_all_at_once() {
        let derive = json!([
            { "name": "age", "from": "aeg", "how": "classes", "bounds": [2, 1] },
            { "name": "x", "from": "area", "how": "log" },
            { "name": "y", "from": "age" }]);
        let faults = prepared(derive, json!([{ "column": "area", "least": 1 }, {}])).unwrap_err();
        let wanted = [
            "/parameters/derive/0/from",
            "/parameters/derive/0/bounds",
            "/parameters/derive/0/name",
            "/parameters/derive/1/from",
            "/parameters/derive/2/how",
            "/parameters/rows/0/column",
            "/parameters/rows/1/column",
            "/parameters/rows/1",
        ];
        assert_eq!(faults, wanted);
    }

    #[test]
    fn a_logarithm_of_nothing_is_refused_by_row() {
        let log = json!([{ "name": "ln", "from": "age", "how": "log" }]);
        let prepare = prepared(log, json!([])).unwrap();
        let zero = Data::new([("age".to_owned(), Column::Integer(vec![Some(1), Some(0)]))], 2);
        let refused = prepare.apply(zero).unwrap_err().document();
        assert_eq!((&refused["code"], &refused["column"]), (&json!("E5101"), &json!("age")));
    }
}

//! Reading parameters against the columns they name: all faults at once, by JSON pointer.

use std::collections::{BTreeMap, BTreeSet};

use base_http::{FieldError, Problem, body};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dataset::{ColumnProfile, ColumnType, Role};

/// Where parameters stand in a request.
const ROOT: &str = "/parameters";

/// Parameters being read.
pub(crate) struct Check<'a> {
    profiles: &'a [ColumnProfile],
    derived: BTreeMap<String, ColumnType>,
    used: BTreeSet<String>,
    errors: Vec<FieldError>,
}

/// The parameters as the body of a method; every wrong type and unknown member otherwise.
pub(crate) fn body<T: DeserializeOwned>(parameters: &Value) -> Result<T, Problem> {
    let rooted = |mut error: FieldError| {
        error.pointer = format!("{ROOT}{}", error.pointer);
        error
    };
    let read = body::read::<T>(parameters.to_string().as_bytes());
    let (body, unknown) = read.map_err(|problem| {
        let errors = problem.errors.into_iter().map(rooted).collect();
        Problem { errors, ..Problem::new(problem.code, problem.detail) }
    })?;
    if unknown.is_empty() {
        return Ok(body);
    }
    let errors = unknown.into_iter().map(|at| rooted(FieldError::at(at, "is not known")));
    Err(Problem::invalid(errors.collect()))
}

impl<'a> Check<'a> {
    /// Nothing wrong yet, over these columns.
    pub(crate) fn over(profiles: &'a [ColumnProfile]) -> Check<'a> {
        Check { profiles, derived: BTreeMap::new(), used: BTreeSet::new(), errors: Vec::new() }
    }

    /// Everything that is wrong, when anything is.
    pub(crate) fn end(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }

    /// Notes what is wrong at a pointer into the parameters.
    pub(crate) fn fault(&mut self, at: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::at(format!("{ROOT}{at}"), detail));
    }

    /// Reads parameters that stand inside these, at `at`: their faults and columns become ours.
    pub(crate) fn nested<T: DeserializeOwned, P>(
        &mut self,
        at: &str,
        parameters: &Value,
        read: impl FnOnce(&T, &mut Check<'a>) -> P,
    ) -> Option<P> {
        let inside = |mut error: FieldError| {
            let rest = error.pointer.strip_prefix(ROOT).unwrap_or(&error.pointer);
            error.pointer = format!("{ROOT}{at}{rest}");
            error
        };
        match body::<T>(parameters) {
            Ok(body) => {
                let mut inner = Check::over(self.profiles);
                let found = read(&body, &mut inner);
                self.used.extend(inner.used);
                self.errors.extend(inner.errors.into_iter().map(inside));
                Some(found)
            }
            Err(problem) => {
                self.errors.extend(problem.errors.into_iter().map(inside));
                None
            }
        }
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// The columns of the dataset that were named.
    pub(crate) fn used(&self) -> Vec<String> {
        self.used.iter().cloned().collect()
    }

    /// A column that is made of others.
    pub(crate) fn derive(&mut self, at: &str, name: &str, kind: ColumnType) {
        let taken = self.profiles.iter().any(|profile| profile.name == name)
            || self.derived.contains_key(name);
        if name.trim().is_empty() || taken {
            return self.fault(at, "is a name no other column has");
        }
        self.derived.insert(name.to_owned(), kind);
    }

    /// What is known of a column of the dataset.
    pub(crate) fn profile(&self, name: &str) -> Option<&'a ColumnProfile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The type of a column, which counts as named; notes when there is none.
    pub(crate) fn column(&mut self, at: &str, name: &str) -> Option<ColumnType> {
        if let Some(kind) = self.derived.get(name) {
            return Some(*kind);
        }
        let Some(profile) = self.profile(name) else {
            let names: Vec<&str> =
                self.profiles.iter().map(|profile| &*profile.name).take(50).collect();
            let names = names.join(", ");
            self.fault(at, format!("there is no column {name:?}; there are {names}"));
            return None;
        };
        self.used.insert(name.to_owned());
        Some(profile.kind)
    }

    /// A column that may be left out: then the one with the role, when there is one.
    pub(crate) fn optional(
        &mut self,
        at: &str,
        name: Option<&String>,
        role: Option<Role>,
    ) -> Option<String> {
        let of_role = || {
            let own = self.profiles.iter().find(|profile| role.is_some() && profile.role == role);
            own.map(|profile| profile.name.clone())
        };
        let name = name.cloned().or_else(of_role)?;
        self.column(at, &name).map(|_| name)
    }

    /// A column that must be there.
    pub(crate) fn needed(&mut self, at: &str, name: Option<&String>, role: Option<Role>) -> String {
        let clean = self.errors.len();
        let found = self.optional(at, name, role);
        if found.is_none() && self.errors.len() == clean {
            let detail = match role {
                Some(role) => format!("name a column, or give one the role {}", role.name()),
                None => "name a column".to_owned(),
            };
            self.fault(at, detail);
        }
        found.unwrap_or_default()
    }

    /// A column of numbers that must be there.
    pub(crate) fn number(&mut self, at: &str, name: Option<&String>, role: Option<Role>) -> String {
        let name = self.needed(at, name, role);
        self.numeric(at, &name);
        name
    }

    /// A column of numbers that may be left out.
    pub(crate) fn optional_number(
        &mut self,
        at: &str,
        name: Option<&String>,
        role: Option<Role>,
    ) -> Option<String> {
        let name = self.optional(at, name, role)?;
        self.numeric(at, &name);
        Some(name)
    }

    /// Notes when a column that is there holds no numbers.
    pub(crate) fn numeric(&mut self, at: &str, name: &str) {
        let kind = self.derived.get(name).copied();
        let kind = kind.or_else(|| self.profile(name).map(|profile| profile.kind));
        let Some(kind) = kind.filter(|kind| !kind.is_numeric()) else { return };
        let nearly = self.profile(name).and_then(|profile| profile.nearly.as_ref());
        let hint = nearly.filter(|nearly| nearly.kind.is_numeric()).map(|nearly| {
            format!(
                "; all but {} of its cells are numbers: {:?} of row {} is none. Import it with type {}",
                nearly.misfits,
                nearly.text,
                nearly.row,
                nearly.kind.name()
            )
        });
        let hint = hint.unwrap_or_default();
        self.fault(at, format!("column {name} holds {}, not numbers{hint}", kind.name()));
    }

    /// A number within bounds; `otherwise` when it is left out.
    pub(crate) fn within(
        &mut self,
        at: &str,
        value: Option<f64>,
        otherwise: f64,
        bounds: std::ops::RangeInclusive<f64>,
    ) -> f64 {
        let value = value.unwrap_or(otherwise);
        if !bounds.contains(&value) {
            self.fault(at, format!("is from {} to {}", bounds.start(), bounds.end()));
        }
        value
    }

    /// A whole number within bounds; `otherwise` when it is left out.
    pub(crate) fn whole(
        &mut self,
        at: &str,
        value: Option<u64>,
        otherwise: u64,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> usize {
        let value = value.unwrap_or(otherwise);
        if !bounds.contains(&value) {
            self.fault(at, format!("is from {} to {}", bounds.start(), bounds.end()));
        }
        usize::try_from(value).unwrap_or(usize::MAX)
    }

    /// One of some words; the first when it is left out.
    pub(crate) fn word<T: Copy>(
        &mut self,
        at: &str,
        value: Option<&String>,
        words: &[(&str, T)],
    ) -> T {
        let found = match value {
            None => words.first(),
            Some(value) => words.iter().find(|(word, _)| word == value),
        };
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(at, format!("is one of {}", names.join(", ")));
        }
        found.unwrap_or(&words[0]).1
    }
}

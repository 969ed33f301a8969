//! Settings of a process: a TOML file, then environment variables on top.
//!
//! `COMMONWHEEL__DATABASE__URL` sets `url` of section `[database]`: two underscores part the
//! levels, case does not matter. A value from the environment is what it looks like (number,
//! truth value, list in brackets), unless the setting wants text. A key nobody reads is refused: a
//! misspelt setting that silently keeps its default is the worst kind of outage.
//!
//! Errors name the place a person has to change: file and key, or the variable. They never show
//! the value, which may be a secret.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Why settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or not readable.
    #[error("cannot read settings from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML, line {line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line of the fault, counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A variable names a section where there is a value, or the other way round.
    #[error("{variable} does not fit the other settings: {} of them is no section", key)]
    Shape {
        /// The variable.
        variable: String,
        /// The key in the way.
        key: String,
    },
    /// Keys that no setting has.
    #[error("unknown settings: {}", keys.join(", "))]
    Unknown {
        /// Each key with its place.
        keys: Vec<String>,
    },
    /// A value that cannot be what the setting wants, or a setting that is missing.
    #[error("setting {key} ({place}): {message}")]
    Value {
        /// The key, such as `database.url`.
        key: String,
        /// The file or variable it came from.
        place: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads `T` from `file`, when given, and from the variables that begin with `prefix` and two
/// underscores.
pub fn load<T: DeserializeOwned>(file: Option<&Path>, prefix: &str) -> Result<T, ConfigError> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        // A name or value that is no text cannot be one of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    load_with(file, prefix, variables)
}

/// As [`load`], with the variables as an argument.
pub fn load_with<T: DeserializeOwned>(
    file: Option<&Path>,
    prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut sources = Sources { file, table: Table::new(), variables: BTreeMap::new() };
    if let Some(path) = file {
        sources.table = read(path)?;
    }
    let start = format!("{prefix}__");
    for (name, text) in variables {
        if let Some(rest) = name.strip_prefix(&start) {
            let key = rest.split("__").map(str::to_lowercase).collect::<Vec<_>>().join(".");
            sources.variables.insert(key, Variable { name, text, as_text: false });
        }
    }
    loop {
        match sources.parse() {
            // The setting wants text that happens to look like a number.
            Err(ConfigError::Value { key, .. }) if sources.reread_as_text(&key) => {}
            settled => return settled,
        }
    }
}

struct Variable {
    name: String,
    text: String,
    /// Whether to take it literally.
    as_text: bool,
}

impl Variable {
    fn value(&self) -> Value {
        let guess = || {
            let table: Table = toml::from_str(&format!("it = {}", self.text)).ok()?;
            table.into_iter().next().filter(|(_, value)| !value.is_datetime()).map(|(_, it)| it)
        };
        let literal = || Value::String(self.text.clone());
        if self.as_text { literal() } else { guess().unwrap_or_else(literal) }
    }
}

struct Sources<'a> {
    file: Option<&'a Path>,
    table: Table,
    /// By key, such as `database.url`.
    variables: BTreeMap<String, Variable>,
}

impl Sources<'_> {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let mut table = self.table.clone();
        for (key, variable) in &self.variables {
            put(&mut table, key, variable)?;
        }
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(Value::Table(table), &mut track);
        let parsed = serde_ignored::deserialize(tracked, |path| unknown.push(path.to_string()));
        let parsed = parsed.map_err(|error: toml::de::Error| {
            let key = track.path().to_string();
            let message = error.message().to_owned();
            ConfigError::Value { place: self.place(&key), key, message }
        })?;
        if unknown.is_empty() {
            return Ok(parsed);
        }
        let keys = unknown.iter().map(|key| format!("{key} ({})", self.place(key)));
        Err(ConfigError::Unknown { keys: keys.collect() })
    }

    /// Where a person finds `key`.
    fn place(&self, key: &str) -> String {
        let inside = format!("{key}.");
        let variable = self.variables.iter().find(|(k, _)| *k == key || k.starts_with(&inside));
        match (variable, self.file) {
            (Some((_, variable)), _) => variable.name.clone(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "not set".to_owned(),
        }
    }

    /// Whether there is a variable of this key to take literally from now on.
    fn reread_as_text(&mut self, key: &str) -> bool {
        self.variables.get_mut(key).is_some_and(|variable| {
            let literal = matches!(variable.value(), Value::String(_));
            variable.as_text = true;
            !literal
        })
    }
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: text[..error.span().map_or(0, |span| span.start)].lines().count().max(1),
        message: error.message().to_owned(),
    })
}

fn put(table: &mut Table, key: &str, variable: &Variable) -> Result<(), ConfigError> {
    let mut at = table;
    let mut path = key.split('.').peekable();
    while let Some(part) = path.next() {
        if path.peek().is_none() {
            at.insert(part.to_owned(), variable.value());
            break;
        }
        let section = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        at = section.as_table_mut().ok_or_else(|| ConfigError::Shape {
            variable: variable.name.clone(),
            key: part.to_owned(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde::Deserialize;
    use tempfile::NamedTempFile;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Settings {
        name: String,
        http: Http,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Http {
        port: u16,
        docs: bool,
        origins: Vec<String>,
        secret: Option<String>,
    }

    fn file(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let file = file(text);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        load_with(Some(file.path()), "APP", variables.iter().map(owned))
            .map_err(|error| error.to_string().replace(file.path().to_str().unwrap(), "the file"))
    }

    #[test]
    fn variables_go_before_the_file_and_the_file_before_defaults() {
        let text = "name = 'file'\n[http]\nport = 1\norigins = ['a']";
        let variables = [
            ("APP__HTTP__PORT", "8080"),
            ("APP__HTTP__DOCS", "true"),
            ("APP__HTTP__ORIGINS", "['b', 'c']"),
            ("APP_OTHER", "not ours"),
        ];
        let http = Http {
            port: 8080,
            docs: true,
            origins: vec!["b".to_owned(), "c".to_owned()],
            secret: None,
        };
        let wanted = Settings { name: "file".to_owned(), http };
        assert_eq!(read_with(text, &variables), Ok(wanted));
        assert_eq!(load_with::<Settings>(None, "APP", []).unwrap(), Settings::default());
    }

    #[test]
    fn text_that_looks_like_a_number_stays_text() {
        let read = read_with("", &[("APP__NAME", "2025"), ("APP__HTTP__SECRET", "0123")]).unwrap();
        assert_eq!((read.name.as_str(), read.http.secret.as_deref()), ("2025", Some("0123")));
    }

    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

    #[test]
    fn errors_name_the_place_to_change() {
        let cases: [Case<'_>; 6] = [
            ("name = 'x'\nport 80", &[], "the file is not valid TOML, line 2"),
            ("[http]\nprot = 80", &[], "unknown settings: http.prot (the file)"),
            ("", &[("APP__HTTP__PROT", "1")], "unknown settings: http.prot (APP__HTTP__PROT)"),
            ("[http]\nport = 'x'", &[], "setting http.port (the file): invalid type"),
            ("", &[("APP__HTTP__PORT", "70000")], "setting http.port (APP__HTTP__PORT)"),
            ("http = 1", &[("APP__HTTP__PORT", "1")], "APP__HTTP__PORT does not fit"),
        ];
        for (text, variables, wanted) in cases {
            let error = read_with(text, variables).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_named_file_must_exist() {
        let missing = Path::new("/nowhere/commonwheel.toml");
        let error = load_with::<Settings>(Some(missing), "APP", []).unwrap_err();
        assert_eq!(error.to_string(), "cannot read settings from /nowhere/commonwheel.toml");
    }
}

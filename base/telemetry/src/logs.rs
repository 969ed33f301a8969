//! Logs of the process.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For a person when standard error is a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For a person.
    Human,
    /// One JSON object a line, for a collector.
    Json,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Logs {
    /// Directives such as `info,sqlx=warn`. The variable `RUST_LOG` goes before.
    pub filter: String,
    /// How a line looks.
    pub format: Format,
}

impl Default for Logs {
    fn default() -> Logs {
        Logs { filter: "info,sqlx=warn,hyper=warn".to_owned(), format: Format::Auto }
    }
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not understood.
    #[error("log filter {filter:?} is not understood")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something in this process logs already.
    #[error("logging has already begun")]
    Again(#[source] TryInitError),
}

impl Logs {
    /// Begins to log. From here on a panic is an `error` line with its place.
    pub fn begin(&self) -> Result<(), LogError> {
        let filter = self.filter()?;
        let human = match self.format {
            Format::Human => true,
            Format::Json => false,
            Format::Auto => std::io::stderr().is_terminal(),
        };
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_span_events(FmtSpan::NONE);
        if human {
            lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).finish().try_init()
        } else {
            lines.json().flatten_event(true).with_current_span(true).finish().try_init()
        }
        .map_err(LogError::Again)?;
        std::panic::set_hook(Box::new(log_panic));
        Ok(())
    }

    fn filter(&self) -> Result<EnvFilter, LogError> {
        let given = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
        let filter = given.unwrap_or_else(|| self.filter.clone());
        EnvFilter::builder().parse(&filter).map_err(|source| LogError::Filter { filter, source })
    }
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("a panic without a text");
    let backtrace = std::backtrace::Backtrace::capture();
    // The text of a panic is ours, written for programmers: it holds no request data.
    tracing::error!(panic.place = place, panic.backtrace = %backtrace, "panicked: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_not_understood_is_refused() {
        let logs = Logs { filter: "info,=loud=x".to_owned(), format: Format::Json };
        assert!(matches!(logs.filter(), Err(LogError::Filter { .. })) || has_override());
    }

    #[test]
    fn the_default_filter_is_understood() {
        assert!(Logs::default().filter().is_ok() || has_override());
    }

    fn has_override() -> bool {
        std::env::var(EnvFilter::DEFAULT_ENV).is_ok()
    }
}

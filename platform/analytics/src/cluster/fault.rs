//! What a cluster says when it has no answer, told apart: the question's fault, or the cluster's.
//!
//! Errors come back as texts, those of expressions as their debug form inside the words of jobs and
//! stages.

use datafusion::common::DataFusionError;

use crate::tally::TallyError;

/// The cluster could not be asked, or lost the question.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ClusterFault(pub(crate) String);

/// Debug forms of errors that a question earns by itself, before what it says.
const EARNED: [&str; 6] =
    ["ArrowError(", "Execution(", "Plan(", "SchemaError(", "NotImplemented(", "SQL("];

/// The error behind a text.
pub(crate) fn of(text: &str) -> DataFusionError {
    let of_task = text.contains("runtime execution error");
    if text.contains("ResourcesExhausted(") {
        return DataFusionError::ResourcesExhausted(said(text));
    }
    if text.contains("TallyError(") {
        return DataFusionError::External(Box::new(TallyError(said(text))));
    }
    if of_task && EARNED.iter().any(|form| text.contains(form)) {
        return DataFusionError::Execution(said(text));
    }
    DataFusionError::External(Box::new(ClusterFault(text.to_owned())))
}

/// What an error says inside its debug form: the text in quotes, else the name of its kind in words.
fn said(text: &str) -> String {
    let inner = text.rsplit_once("error: ").map_or(text, |(_, inner)| inner);
    if let Some((_, quoted)) = inner.split_once('"')
        && let Some((quoted, _)) = quoted.rsplit_once('"')
    {
        return quoted.replace("\\\"", "\"").replace("\\'", "'").replace("\\n", "\n");
    }
    let name = inner.trim_end_matches(')').rsplit('(').next().unwrap_or(inner);
    let mut words = String::new();
    for letter in name.trim().chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "Execution error: Job 038GSDN0JE000 failed: Job failed due to stage 0 failed: \
                        Task failed due to runtime execution error: ";

    #[test]
    fn the_questions_faults_say_what_they_would_say_here() {
        let cases = [
            ("DataFusionError(Shared(External(ArrowError(DivideByZero))))", "divide by zero"),
            (
                r#"DataFusionError(ArrowError(CastError("Cannot cast string 'x' to value of Int64 type"), None))"#,
                "Cannot cast string 'x' to value of Int64 type",
            ),
            (r#"DataFusionError(Execution("a \"name\" is none"))"#, "a \"name\" is none"),
        ];
        for (debug, expected) in cases {
            match of(&format!("{TASK}{debug}")) {
                DataFusionError::Execution(said) => assert_eq!(said, expected),
                other => panic!("{debug}: {other:?}"),
            }
        }
        let large = r#"DataFusionError(ResourcesExhausted("Failed to allocate 8 bytes"))"#;
        let large = of(&format!("{TASK}{large}"));
        assert!(matches!(large, DataFusionError::ResourcesExhausted(_)), "{large:?}");
    }

    #[test]
    fn everything_else_is_the_clusters() {
        let texts = [
            "Execution error: tonic::transport::Error(Transport, ConnectError(\"tcp connect error\"))"
                .to_owned(),
            "Execution error: Job 1 failed: no executor is there".to_owned(),
            format!("{TASK}DataFusionError(External(Corrupt {{ path: \"a\", fault: Missing }}))"),
        ];
        for text in texts {
            match of(&text) {
                DataFusionError::External(fault) => assert!(fault.is::<ClusterFault>(), "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}

//! Numbers that leave: finite, or the whole result does not leave.

use serde::{Deserialize, Serialize, Serializer, ser};
use utoipa::ToSchema;

/// Standard errors to both sides that hold 95 of 100, when errors are normal.
pub(crate) const NINETY_FIVE: f64 = 1.959_963_984_540_054;

/// A number of a result. Serialising one that is no number fails: a result never holds a silent gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Deserialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Figure(pub(crate) f64);

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0.is_finite() {
            return Err(ser::Error::custom("is not a finite number"));
        }
        // Minus zero and zero are one figure.
        serializer.serialize_f64(self.0 + 0.0)
    }
}

impl From<f64> for Figure {
    fn from(value: f64) -> Figure {
        Figure(value)
    }
}

impl From<usize> for Figure {
    fn from(value: usize) -> Figure {
        Figure(value as f64)
    }
}

/// Figures of a list.
pub(crate) fn figures(values: impl IntoIterator<Item = f64>) -> Vec<Figure> {
    values.into_iter().map(Figure).collect()
}

/// A result as JSON; the place of the first figure that is no number otherwise.
pub(crate) fn to_json(result: &impl Serialize) -> Result<serde_json::Value, String> {
    let mut track = serde_path_to_error::Track::new();
    let serializer =
        serde_path_to_error::Serializer::new(serde_json::value::Serializer, &mut track);
    result.serialize(serializer).map_err(|_| track.path().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Result {
        rows: Vec<Row>,
    }

    #[derive(Serialize)]
    struct Row {
        value: Figure,
    }

    #[test]
    fn a_figure_that_is_no_number_is_named_by_its_place() {
        let result = |value: f64| Result { rows: vec![Row { value: Figure(value) }] };
        assert_eq!(to_json(&result(-0.0)).unwrap().to_string(), r#"{"rows":[{"value":0.0}]}"#);
        for odd in [f64::NAN, f64::INFINITY] {
            assert_eq!(to_json(&result(odd)).unwrap_err(), "rows[0].value");
        }
    }
}

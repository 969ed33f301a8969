//! What is the matter when a model cannot be fitted, and what to change.

use actuarial_models::glm::GlmError;

use crate::error;
use crate::method::Failure;

/// The failure of a fit, about the column it is about.
pub(crate) fn refused(error: &GlmError) -> Failure {
    // Coefficients are called after their columns: `Area=F`, `VehAge:Area=F`.
    let column = |name: &str| {
        let first = name.split(':').next().unwrap_or(name);
        let first = first.strip_prefix("spline(").unwrap_or(first);
        first.split(['=', ')']).next().unwrap_or(first).to_owned()
    };
    let text = error.to_string();
    match error {
        GlmError::ZeroColumn(name) => Failure::new(
            &error::UNDETERMINED,
            text,
            "no row has it: leave the level out by grouping it with another under derive, or choose \
             other rows",
        )
        .of_column(&column(name)),
        GlmError::Aliased(name) => Failure::new(
            &error::UNDETERMINED,
            text,
            "the terms before it say the same: leave it out, or set aliased to drop",
        )
        .of_column(&column(name)),
        GlmError::Separated(name) => Failure::new(
            &error::UNDETERMINED,
            text,
            "every row with it has no claim (or every one has one): group the level with another \
             under derive, or give a ridge penalty",
        )
        .of_column(&column(name)),
        GlmError::Response { row, .. } => {
            let detail = match row {
                Some(row) => text.replace(&format!("row {row}"), &format!("row {}", row + 1)),
                None => text,
            };
            let advice = "leave such rows out with a condition under rows, or choose another family";
            Failure::new(&error::UNFIT_VALUE, detail, advice)
        }
        GlmError::Weight(row) => Failure::new(
            &error::UNFIT_VALUE,
            format!("the weight of {} is negative", which(*row)),
            "weights are zero or positive: leave such rows out, or put a floor under them",
        ),
        GlmError::Value { what, row } => Failure::new(
            &error::UNFIT_VALUE,
            format!("{what} is not a finite number in {}", which(*row)),
            "an exposure of zero has no logarithm: leave such rows out with a condition under rows",
        ),
        GlmError::Missing(name) => Failure::new(
            &error::UNFIT_VALUE,
            text,
            "leave such rows out with a condition under rows",
        )
        .of_column(name),
        GlmError::Levels { factor, .. } => Failure::new(
            &error::UNFIT_VALUE,
            text,
            "group its levels under derive, or leave it out",
        )
        .of_column(factor),
        GlmError::NoInformation => Failure::new(
            &error::NOTHING_TO_LEARN,
            "the response says nothing: it is the same extreme value in every row, such as no claim, \
             or it varies no more than chance",
            "choose more rows, another response, or another family",
        ),
        GlmError::Stopped(_) => Failure::stopped(),
        GlmError::Knots(name) => Failure::new(
            &error::UNFIT_VALUE,
            text,
            "give at least three increasing knots",
        )
        .of_column(name),
        GlmError::NoLevel { factor, .. } => Failure::new(
            &error::UNFIT_VALUE,
            text,
            "rows that are held out have a level no other row has: group it under derive, or leave \
             those rows out",
        )
        .of_column(factor),
        GlmError::NoConvergence(_) => Failure::new(
            &error::NO_CONVERGENCE,
            text,
            "take fewer terms, group rare levels, or give a ridge penalty",
        ),
        GlmError::NotFinite(what) => Failure::not_a_number(what.0),
        GlmError::NoColumn { .. }
        | GlmError::Twice(_)
        | GlmError::Code { .. }
        | GlmError::Length { .. }
        | GlmError::Text { .. }
        | GlmError::Cells { .. }
        | GlmError::Argument(_)
        | GlmError::NotNested => {
            Failure::new(&error::UNFIT_VALUE, text, "correct the terms or the columns")
        }
    }
}

/// A row in words, counted from one.
fn which(row: Option<usize>) -> String {
    row.map_or_else(|| "some row".to_owned(), |row| format!("row {}", row + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_column_behind_a_coefficient() {
        let cases = [
            (GlmError::Separated("Area=F".into()), "Area", "E5100"),
            (GlmError::Aliased("spline(DrivAge)2".into()), "DrivAge", "E5100"),
            (GlmError::ZeroColumn("Gas=x:Area=F".into()), "Gas", "E5100"),
        ];
        for (error, column, code) in cases {
            let document = refused(&error).document();
            assert_eq!((&document["column"], &document["code"]), (&column.into(), &code.into()));
        }
    }
}

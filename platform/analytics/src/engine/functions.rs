//! What a question may be written with, whatever else DataFusion was built with.

use datafusion::execution::{SessionStateBuilder, SessionStateDefaults};
use datafusion::functions::{core, datetime, math, string, unicode};

/// Functions that make much out of little without asking for memory.
const GREEDY: [&str; 3] = ["repeat", "lpad", "rpad"];

/// Functions of rows and of groups of rows; no tables from functions, files or factories.
pub(super) fn known(builder: SessionStateBuilder) -> SessionStateBuilder {
    let of_rows = [
        core::functions(),
        datetime::functions(),
        math::functions(),
        string::functions(),
        unicode::functions(),
    ];
    let modest = of_rows.into_iter().flatten().filter(|known| !GREEDY.contains(&known.name()));
    builder
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(modest.collect())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
}

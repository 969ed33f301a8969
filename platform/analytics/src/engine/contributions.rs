//! What each insurer brings to each cell of a quarter, counted over versions of the market's
//! record.

use std::collections::BTreeMap;

use analytics_api::{Dimension, Measure, Quarter};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use kernel::time::start_of;

use crate::engine::scan::Shown;
use crate::engine::table::LakeTable;
use crate::engine::{Engine, Limits};
use crate::lake::{TableName, Version};
use crate::question::EngineError;
use crate::suppress::{Amounts, Cell, Contribution, Contributions};

/// A table of the record, and which of its columns is which measure.
struct Fact {
    table: &'static str,
    /// The condition for a quarter, with `{day}` for days and `{at}` for instants.
    within: Within,
    measures: &'static [(Measure, &'static str)],
}

/// The column that says which quarter a row is of.
#[derive(Clone, Copy)]
enum Within {
    Day(&'static str),
    Instant(&'static str),
}

/// Every measure once. Each row is of one quarter, so quarters share no record.
const FACTS: [Fact; 5] = [
    Fact {
        table: "exposure",
        within: Within::Day("month"),
        measures: &[(Measure::InsuredS, "insured_s"), (Measure::EarnedFen, "earned_fen")],
    },
    Fact {
        table: "premium",
        within: Within::Instant("recorded_at"),
        measures: &[(Measure::WrittenFen, "written_fen")],
    },
    Fact {
        table: "claim",
        within: Within::Instant("accident_at"),
        measures: &[(Measure::Claims, "counted")],
    },
    Fact {
        table: "payment",
        within: Within::Instant("accident_at"),
        measures: &[(Measure::PaidFen, "paid_fen"), (Measure::RecoveredFen, "recovered_fen")],
    },
    Fact {
        table: "reserve",
        within: Within::Instant("accident_at"),
        measures: &[(Measure::OutstandingFen, "outstanding_fen")],
    },
];

/// What a version says of a quarter; with `before`, what changed since that version.
///
/// A record is a policy with any amount, or with any change of one. What changed is found by
/// subtracting the earlier version policy by policy, so it does not matter how rows lie in files.
pub(super) async fn count(
    engine: &Engine,
    quarter: Quarter,
    version: &Version,
    before: Option<&Version>,
) -> Result<BTreeMap<Cell, Contributions>, EngineError> {
    let dimensions =
        Dimension::ALL.map(|dimension| format!("\"{}\"", dimension.column())).join(", ");
    let mut facts = facts_of(quarter, "", false)?;
    let session = engine.session()?;
    register(&session, version, "")?;
    if let Some(before) = before {
        register(&session, before, "_before")?;
        facts.extend(facts_of(quarter, "_before", true)?);
    }
    let sums = |of: fn(Measure) -> String| Measure::ALL.map(of).join(", ");
    let by_policy = sums(|measure| format!("sum({0}) as {0}", measure.column()));
    let any = Measure::ALL.map(|measure| format!("{} <> 0", measure.column())).join(" or ");
    let sql = format!(
        "select {dimensions}, tenant_id, count(*) as records, {by_policy}
         from (select {dimensions}, tenant_id, confirm_no, {by_policy}
               from ({}) fact
               group by {dimensions}, tenant_id, confirm_no) policy
         where {any}
         group by {dimensions}, tenant_id",
        facts.join(" union all ")
    );
    let limits = Limits { rows: usize::MAX, ..engine.inner.limits };
    let rows = engine.collected(session.sql(&sql).await?, limits).await?;
    let mut cells: BTreeMap<Cell, Contributions> = BTreeMap::new();
    for batch in &rows.batches {
        add(batch, &mut cells)?;
    }
    Ok(cells)
}

/// Makes the tables of a version known under their names and a suffix.
fn register(session: &SessionContext, version: &Version, suffix: &str) -> Result<(), EngineError> {
    for Fact { table, .. } in &FACTS {
        let provider = LakeTable::new(version, &TableName::parse(table)?, Shown::default())?;
        session.register_table(format!("{table}{suffix}"), std::sync::Arc::new(provider))?;
    }
    Ok(())
}

/// One `select` a table: every dimension and every measure, those of other tables 0.
fn facts_of(quarter: Quarter, suffix: &str, taken_out: bool) -> Result<Vec<String>, EngineError> {
    let calendar = || EngineError::Refused(format!("{quarter} leaves the calendar"));
    let (from, to) = (quarter.first_day(), quarter.end().ok_or_else(calendar)?);
    let instant = |day| {
        let micros = start_of(day).ok_or_else(calendar)?.as_microsecond();
        let kind = "Timestamp(Microsecond, Some(\"UTC\"))";
        Ok::<_, EngineError>(format!("arrow_cast({micros}, '{kind}')"))
    };
    let (from_at, to_at) = (instant(from)?, instant(to)?);
    let sign = if taken_out { "-" } else { "" };
    let dimensions =
        Dimension::ALL.map(|dimension| format!("\"{}\"", dimension.column())).join(", ");
    Ok(FACTS
        .iter()
        .map(|fact| {
            let measures = Measure::ALL.map(|measure| {
                let own = fact.measures.iter().find(|(own, _)| *own == measure);
                let value = own.map_or("0".to_owned(), |(_, column)| format!("{sign}{column}"));
                format!("{value} as {}", measure.column())
            });
            let within = match fact.within {
                Within::Day(column) => {
                    format!("{column} >= date '{from}' and {column} < date '{to}'")
                }
                Within::Instant(column) => {
                    format!("{column} >= {from_at} and {column} < {to_at}")
                }
            };
            format!(
                "select {dimensions}, tenant_id, confirm_no, {} from {}{suffix} where {within}",
                measures.join(", "),
                fact.table
            )
        })
        .collect())
}

fn add(batch: &RecordBatch, cells: &mut BTreeMap<Cell, Contributions>) -> Result<(), EngineError> {
    let corrupt = || EngineError::Corrupt("market record");
    let column = |name: &str| batch.column_by_name(name).cloned().ok_or_else(corrupt);
    let text = |name: &str| -> Result<ArrayRef, EngineError> {
        cast(&column(name)?, &DataType::Utf8).map_err(|_| corrupt())
    };
    let keys = Dimension::ALL.map(|dimension| text(dimension.column()));
    let keys: Vec<ArrayRef> = keys.into_iter().collect::<Result<_, _>>()?;
    let tenants = text("tenant_id")?;
    let records = column("records")?;
    let amounts = Measure::ALL.map(|measure| column(measure.column()));
    let amounts: Vec<ArrayRef> = amounts.into_iter().collect::<Result<_, _>>()?;
    let whole = |column: &ArrayRef, row: usize| {
        let column = column.as_primitive_opt::<Int64Type>().ok_or_else(corrupt)?;
        Ok::<i64, EngineError>(if column.is_null(row) { 0 } else { column.value(row) })
    };
    for row in 0..batch.num_rows() {
        let cell: Cell =
            std::array::from_fn(|at| keys[at].as_string::<i32>().value(row).to_owned());
        let mut found = Amounts::default();
        for (amount, column) in found.iter_mut().zip(&amounts) {
            *amount = whole(column, row)?;
        }
        let records = u64::try_from(whole(&records, row)?).map_err(|_| corrupt())?;
        let tenant = tenants.as_string::<i32>().value(row).to_owned();
        let contributions = cells.entry(cell).or_default();
        contributions.insert(tenant, Contribution { records, amounts: found });
    }
    Ok(())
}

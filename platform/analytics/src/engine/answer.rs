//! The market's answer: published atoms, added up.

use std::sync::Arc;

use analytics_api::{AnswerRow, Dimension, MarketAnswer, MarketQuestion};
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, col, ident, lit};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::engine::publish::{self, ATOM};
use crate::engine::scan::Shown;
use crate::engine::table::LakeTable;
use crate::lake::{LakeError, TableName};
use crate::question::EngineError;

impl Engine {
    /// Answers a question about the market from what is published of its quarter.
    pub async fn answer(
        &self,
        question: &MarketQuestion,
        cancel: &CancellationToken,
    ) -> Result<MarketAnswer, EngineError> {
        question.check()?;
        let (engine, question) = (self.clone(), question.clone());
        self.within_limits(cancel, async move { engine.add_up(&question).await }).await
    }

    async fn add_up(&self, question: &MarketQuestion) -> Result<MarketAnswer, EngineError> {
        let published = publish::dataset(&self.inner.lake, question.quarter)?;
        let none = || EngineError::NotPublished(question.quarter);
        let version = match question.revision {
            None => published.latest().await?.ok_or_else(none)?,
            Some(revision) => match published.version(revision).await {
                Err(LakeError::NoVersion { .. }) => return Err(none()),
                found => found?,
            },
        };
        let session = self.session()?;
        let atoms = LakeTable::new(&version, &TableName::parse(ATOM)?, Shown::default())?;
        session.register_table(ATOM, Arc::new(atoms))?;
        let atoms = session.table(ATOM).await?;

        let column = |dimension: Dimension| ident(dimension.column());
        let listed = question.filters.iter().map(|filter| {
            let values = filter.any_of.iter().map(|value| lit(value.clone())).collect();
            (column(filter.dimension), column(filter.dimension).in_list(values, false))
        });
        let (mut placed, mut fitting, mut unknown) = (lit(true), lit(true), lit(false));
        for (column, listed) in listed {
            placed = placed.and(listed.clone());
            fitting = fitting.and(column.clone().is_null().or(listed));
            unknown = unknown.or(column.is_null());
        }
        let not_placed = self.counted(atoms.clone().filter(fitting.and(unknown))?).await?;
        let keys: Vec<Expr> = question.by.iter().map(|dimension| column(*dimension)).collect();
        let mut sums: Vec<Expr> = question
            .measures
            .iter()
            .map(|measure| sum(ident(measure.column())).alias(measure.column()))
            .collect();
        sums.push(count(lit(1)).alias("atoms"));
        let order: Vec<_> = keys.iter().map(|key| key.clone().sort(true, true)).collect();
        let frame = atoms.filter(placed)?.aggregate(keys, sums)?;
        let mut frame = frame.filter(col("atoms").gt(lit(0)))?;
        if !order.is_empty() {
            frame = frame.sort(order)?;
        }
        let found = self.collected(frame, self.inner.limits).await?;

        let corrupt = || EngineError::Corrupt("publication");
        let mut rows = Vec::new();
        for batch in &found.batches {
            for row in 0..batch.num_rows() {
                let mut key = Vec::new();
                for dimension in &question.by {
                    let column = batch.column_by_name(dimension.column()).ok_or_else(corrupt)?;
                    let column = cast(column, &DataType::Utf8).map_err(|_| corrupt())?;
                    let column = column.as_string::<i32>();
                    key.push(column.is_valid(row).then(|| column.value(row).to_owned()));
                }
                let mut values = Vec::new();
                for measure in &question.measures {
                    let column = batch.column_by_name(measure.column()).ok_or_else(corrupt)?;
                    let column = column.as_primitive_opt::<Int64Type>().ok_or_else(corrupt)?;
                    values.push(column.value(row));
                }
                rows.push(AnswerRow { key, values });
            }
        }
        Ok(MarketAnswer {
            quarter: question.quarter,
            revision: version.number(),
            rows,
            left_out: publish::left_out(&version)?,
            not_placed,
        })
    }

    /// How many rows there are.
    async fn counted(&self, frame: DataFrame) -> Result<u64, EngineError> {
        let frame = frame.aggregate(Vec::new(), vec![count(lit(1)).alias("rows")])?;
        let found = self.collected(frame, self.inner.limits).await?;
        let corrupt = || EngineError::Corrupt("publication");
        let column = found.batches.first().ok_or_else(corrupt)?.column(0);
        let rows = column.as_primitive_opt::<Int64Type>().ok_or_else(corrupt)?;
        u64::try_from(rows.value(0)).map_err(|_| corrupt())
    }
}

//! A table of the lake as DataFusion reads it: only the rows it may show.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::engine::prune;
use crate::engine::scan::{LakeSource, Shown, outer};
use crate::lake::{Bound, Dataset, FileEntry, LakeError, Scan, TableEntry, TableName, Version};

/// A table of a version.
#[derive(Debug)]
pub(crate) struct LakeTable {
    pub(crate) dataset: Dataset,
    pub(crate) entry: TableEntry,
    pub(crate) shown: Shown,
    schema: SchemaRef,
}

impl LakeTable {
    pub(crate) fn new(
        version: &Version,
        table: &TableName,
        shown: Shown,
    ) -> Result<LakeTable, LakeError> {
        let entry = version.table(table)?.clone();
        let schema = Arc::new(entry.schema.clone());
        for column in [
            shown.tenant.is_some().then_some("tenant_id"),
            shown.known_at.is_some().then_some("recorded_at"),
        ]
        .into_iter()
        .flatten()
        {
            schema.column_with_name(column).ok_or_else(|| LakeError::NoColumn {
                table: table.to_string(),
                column: column.to_owned(),
            })?;
        }
        Ok(LakeTable { dataset: version.dataset().clone(), entry, shown, schema })
    }

    /// The same table with its texts as places in dictionaries.
    pub(crate) fn with_dictionaries(mut self) -> LakeTable {
        let fields = self.schema.fields().iter().map(|field| match field.data_type() {
            DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(Scan::dictionary())),
            _ => field.clone(),
        });
        self.entry.schema = Schema::new(fields.collect::<Vec<_>>());
        self.schema = Arc::new(self.entry.schema.clone());
        self
    }

    /// The same table where it was told of.
    #[cfg(feature = "cluster")]
    pub(crate) fn told(dataset: Dataset, entry: TableEntry, shown: Shown) -> LakeTable {
        let schema = Arc::new(entry.schema.clone());
        LakeTable { dataset, entry, shown, schema }
    }

    /// Whether a file may hold rows that are shown.
    fn may_show(&self, file: &FileEntry) -> bool {
        let Some(tenant) = self.shown.tenant else { return true };
        let tenant = Bound::Text(tenant.to_string());
        file.bounds.get("tenant_id").is_none_or(|of| of.min <= tenant && tenant <= of.max)
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters spare files; DataFusion filters the rows itself.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = match projection {
            Some(places) => Arc::new(self.schema.project(places)?),
            None => self.schema.clone(),
        };
        let mut read: Vec<String> =
            wanted.fields().iter().map(|field| field.name().clone()).collect();
        for (needed, column) in [
            (self.shown.tenant.is_some(), "tenant_id"),
            (self.shown.known_at.is_some(), "recorded_at"),
        ] {
            if needed && wanted.column_with_name(column).is_none() {
                read.push(column.to_owned());
            }
        }
        let files = self.entry.files.iter().filter(|file| {
            self.may_show(file) && filters.iter().all(|filter| prune::may_hold(file, filter))
        });
        let files: Vec<FileEntry> = files.cloned().collect();
        let scan = Scan::of_files(self.dataset.clone(), &self.entry, files)
            .columns(&read)
            .map_err(outer)?
            .batch_rows(state.config().batch_size());
        let mut parts = scan.shares(state.config().target_partitions());
        if parts.is_empty() {
            // A plan has a part, if one without files: Ballista takes the plan of no rows for another
            // in some of its tasks, and loses count of them.
            parts.push(0);
        }
        Ok(LakeSource::plan(scan, &parts, self.shown.clone(), wanted))
    }
}

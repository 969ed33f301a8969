//! A table of the lake as DataFusion reads it: only the rows it may show.

use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, RecordBatch, Scalar, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::kernels::cmp::{eq, lt_eq};
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt;
use jiff::Timestamp;
use kernel::TenantId;

use crate::engine::prune;
use crate::lake::{Bound, FileEntry, LakeError, Scan, TableEntry, TableName, Version};

/// Which rows of a table are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Those of one tenant, by the column `tenant_id`.
    pub(crate) tenant: Option<TenantId>,
    /// Those known by then, by the column `recorded_at`.
    pub(crate) known_at: Option<Timestamp>,
}

/// A table of a version.
///
/// The rows to show are picked where files are read, inside a plan node that takes no filter from
/// above: no expression of a question ever meets a row that is not shown, so none can tell of one
/// by failing on it.
#[derive(Debug)]
pub(crate) struct LakeTable {
    version: Version,
    entry: TableEntry,
    schema: SchemaRef,
    shown: Shown,
}

impl LakeTable {
    pub(crate) fn new(
        version: &Version,
        table: &TableName,
        shown: Shown,
    ) -> Result<LakeTable, LakeError> {
        let entry = version.table(table)?.clone();
        let schema = version.schema(table)?;
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
        Ok(LakeTable { version: version.clone(), entry, schema, shown })
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
        let scan = Scan::of_files(self.version.clone(), &self.entry, files)
            .columns(&read)
            .map_err(outer)?
            .batch_rows(state.config().batch_size());
        let mut parts: Vec<Arc<dyn PartitionStream>> = Vec::new();
        for scan in scan.parts(state.config().target_partitions()) {
            let (schema, shown) = (wanted.clone(), self.shown.clone());
            parts.push(Arc::new(Part { scan, schema, shown }));
        }
        let plan = StreamingTableExec::try_new(wanted, parts, None, [], false, None)?;
        Ok(Arc::new(plan))
    }
}

/// Files that are read one after the other.
struct Part {
    scan: Scan,
    schema: SchemaRef,
    shown: Shown,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("rows", &self.scan.rows()).finish_non_exhaustive()
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (shown, columns) = (self.shown.clone(), self.schema.fields().len());
        let batches = self.scan.clone().batches().map(move |batch| {
            let batch = batch.map_err(outer)?;
            let batch = shown.of(batch)?;
            // What was read to pick rows by comes last.
            Ok(batch.project(&(0..columns).collect::<Vec<_>>())?)
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

impl Shown {
    fn of(&self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        let missing = |name: &str| ArrowError::SchemaError(format!("{name} was not read"));
        let mut keep: Option<BooleanArray> = None;
        if let Some(tenant) = self.tenant {
            let column = batch.column_by_name("tenant_id").ok_or_else(|| missing("tenant_id"))?;
            let tenant = Scalar::new(StringArray::from(vec![tenant.to_string()]));
            keep = Some(eq(column.as_string::<i32>(), &tenant)?);
        }
        if let Some(known_at) = self.known_at {
            let column = batch.column_by_name("recorded_at");
            let column = column.ok_or_else(|| missing("recorded_at"))?;
            let column = column.as_primitive::<TimestampMicrosecondType>();
            let limit = TimestampMicrosecondArray::from(vec![known_at.as_microsecond()])
                .with_data_type(column.data_type().clone());
            let known = lt_eq(column, &Scalar::new(limit))?;
            keep = Some(match keep {
                Some(keep) => and(&keep, &known)?,
                None => known,
            });
        }
        match keep {
            Some(keep) => filter_record_batch(&batch, &keep),
            None => Ok(batch),
        }
    }
}

pub(crate) fn outer(error: LakeError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

//! How a table of the lake is read: only the rows that are shown.

#[cfg(feature = "cluster")]
use std::any::Any;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, RecordBatch, Scalar, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::kernels::cmp::{eq, lt_eq};
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileOpenFuture, FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kernel::TenantId;
use object_store::ObjectStore;

use crate::lake::{FileEntry, LakeError, Scan};

/// Which rows of a table are shown.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shown {
    /// Those of one tenant, by the column `tenant_id`.
    pub(crate) tenant: Option<TenantId>,
    /// Those known by then, by the column `recorded_at`.
    pub(crate) known_at: Option<Timestamp>,
    /// So many of every file, its first ones; of these those that are shown.
    #[serde(default)]
    pub(crate) head: Option<usize>,
}

/// Files of a table as DataFusion's scans read them, part by part.
///
/// The rows to show are picked here, and no filter is taken from above: no expression of a question
/// ever meets a row that is not shown, so none can tell of one by failing on it. It is a source of
/// files and not a plan node of its own because Ballista takes apart the leaves it knows, and would
/// have every task read all of another.
#[derive(Clone)]
pub(crate) struct LakeSource {
    /// All files of all parts.
    pub(crate) scan: Scan,
    pub(crate) shown: Shown,
    /// The columns that come out: the first of those that are read.
    out: TableSchema,
    metrics: ExecutionPlanMetricsSet,
}

impl LakeSource {
    /// The plan that reads the files of a scan in their order, so many in each part; of the columns of
    /// `out`.
    pub(crate) fn plan(
        scan: Scan,
        parts: &[usize],
        shown: Shown,
        out: SchemaRef,
    ) -> Arc<dyn ExecutionPlan> {
        // A file goes by its place in the scan.
        let mut files = scan.files.iter().enumerate();
        let groups = parts.iter().map(|count| {
            let files = files.by_ref().take(*count);
            let named = files.map(|(at, file)| PartitionedFile::new(at.to_string(), file.bytes));
            FileGroup::new(named.collect())
        });
        let groups: Vec<FileGroup> = groups.collect();
        let (out, metrics) = (TableSchema::from(out), ExecutionPlanMetricsSet::new());
        let source = LakeSource { scan, shown, out, metrics };
        // Files are opened through the lake and never through a store of the session.
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_groups(groups)
                // A part is read by whom it was given to, so that sums are taken in the same order.
                .with_preserve_order(true)
                .build();
        DataSourceExec::from_data_source(config)
    }

    /// The source of a plan that [`LakeSource::plan`] made, and its parts.
    #[cfg(feature = "cluster")]
    pub(crate) fn of(plan: &dyn ExecutionPlan) -> Option<(&LakeSource, Vec<Vec<FileEntry>>)> {
        let source: &dyn Any = plan.downcast_ref::<DataSourceExec>()?.data_source().as_ref();
        let config = source.downcast_ref::<FileScanConfig>()?;
        let source: &dyn Any = config.file_source().as_ref();
        let source = source.downcast_ref::<LakeSource>()?;
        let part = |group: &FileGroup| {
            let files = group.files().iter();
            files.map(|file| source.file(file).cloned()).collect()
        };
        let parts = config.file_groups.iter().map(part).collect::<Option<_>>()?;
        Some((source, parts))
    }

    /// The file a scan of DataFusion names.
    fn file(&self, named: &PartitionedFile) -> Option<&FileEntry> {
        self.scan.files.get(named.object_meta.location.as_ref().parse::<usize>().ok()?)
    }

    /// The columns that come out.
    #[cfg(feature = "cluster")]
    pub(crate) fn columns_out(&self) -> usize {
        self.out.table_schema().fields().len()
    }
}

impl FileSource for LakeSource {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        Ok(Arc::new(Opener(self.clone())))
    }

    fn table_schema(&self) -> &TableSchema {
        &self.out
    }

    fn with_batch_size(&self, rows: usize) -> Arc<dyn FileSource> {
        Arc::new(LakeSource { scan: self.scan.clone().batch_rows(rows), ..self.clone() })
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "lake"
    }

    /// Files are read whole: their rows are counted.
    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}

/// Opens files of a scan.
struct Opener(LakeSource);

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let Opener(source) = self;
        let file = source.file(&file).cloned().ok_or_else(|| {
            DataFusionError::Internal(format!(
                "{} is no file of the scan",
                file.object_meta.location
            ))
        })?;
        let scan = source.scan.with(vec![file]).head(source.shown.head);
        let (shown, columns) = (source.shown.clone(), source.out.table_schema().fields().len());
        let batches = scan.batches().map(move |batch| {
            let batch = shown.of(batch.map_err(outer)?)?;
            // What was read to pick rows by comes last.
            Ok(batch.project(&(0..columns).collect::<Vec<_>>())?)
        });
        Ok(futures::future::ready(Ok(batches.boxed())).boxed())
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

//! How tables and scans of the lake travel between the nodes of a cluster.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, Extension, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::scan::{LakeSource, Shown};
use crate::engine::table::LakeTable;
use crate::engine::tally::TallyFunction;
use crate::lake::{Dataset, DatasetName, FileEntry, Lake, Owner, Scan, TableEntry};
use crate::tally::Tallying;

/// What our nodes begin with; Ballista's own are protobuf, which never does.
const MARK: &[u8] = b"\xff\xfflake/1\n";

/// A table to plan a question over.
#[derive(Serialize, Deserialize)]
struct TableTicket {
    owner: Owner,
    dataset: DatasetName,
    entry: TableEntry,
    shown: Shown,
}

/// Parts of a table to read.
#[derive(Serialize, Deserialize)]
struct ScanTicket {
    owner: Owner,
    dataset: DatasetName,
    /// Of the table.
    table: Schema,
    /// Places in it, those that come out first.
    columns: Vec<usize>,
    /// How many come out.
    out: usize,
    batch_rows: usize,
    shown: Shown,
    parts: Vec<Vec<FileEntry>>,
}

/// Both codecs of Ballista, and ours before them.
pub(super) struct LakeCodec {
    lake: Lake,
    tallyings: Vec<Arc<dyn Tallying>>,
    logical: BallistaLogicalExtensionCodec,
    physical: BallistaPhysicalExtensionCodec,
}

impl LakeCodec {
    pub(super) fn new(lake: Lake, tallyings: Vec<Arc<dyn Tallying>>) -> LakeCodec {
        LakeCodec {
            lake,
            tallyings,
            logical: BallistaLogicalExtensionCodec::default(),
            physical: BallistaPhysicalExtensionCodec::default(),
        }
    }

    fn dataset(&self, owner: Owner, name: &DatasetName) -> Dataset {
        self.lake.dataset(owner, name.clone())
    }

    fn tally(&self, name: &str) -> Result<Arc<AggregateUDF>> {
        let known = self.tallyings.iter().find(|known| known.name() == name);
        let known = known.ok_or_else(|| {
            DataFusionError::NotImplemented(format!("this node has no function {name}"))
        })?;
        Ok(Arc::new(AggregateUDF::from(TallyFunction::of(known.clone()))))
    }
}

impl fmt::Debug for LakeCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeCodec").finish_non_exhaustive()
    }
}

impl LogicalExtensionCodec for LakeCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[LogicalPlan],
        ctx: &TaskContext,
    ) -> Result<Extension> {
        self.logical.try_decode(buf, inputs, ctx)
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        self.logical.try_encode(node, buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        table: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let Some(ticket) = read::<TableTicket>(buf)? else {
            return self.logical.try_decode_table_provider(buf, table, schema, ctx);
        };
        let dataset = self.dataset(ticket.owner, &ticket.dataset);
        Ok(Arc::new(LakeTable::told(dataset, ticket.entry, ticket.shown)))
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(own) = node.downcast_ref::<LakeTable>() else {
            return self.logical.try_encode_table_provider(table, node, buf);
        };
        write(
            &TableTicket {
                owner: own.dataset.owner(),
                dataset: own.dataset.name().clone(),
                entry: own.entry.clone(),
                shown: own.shown.clone(),
            },
            buf,
        )
    }

    fn try_decode_udaf(&self, name: &str, _: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.tally(name)
    }
}

impl PhysicalExtensionCodec for LakeCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(ticket) = read::<ScanTicket>(buf)? else {
            return self.physical.try_decode(buf, inputs, ctx, converter);
        };
        let ScanTicket { owner, dataset, table, columns, out, batch_rows, shown, parts } = ticket;
        let (dataset, table) = (self.dataset(owner, &dataset), Arc::new(table));
        let known = columns.iter().all(|place| *place < table.fields().len());
        if !known || out > columns.len() {
            return Err(malformed("columns"));
        }
        let schema = Arc::new(table.project(&columns[..out])?);
        let counts: Vec<usize> = parts.iter().map(Vec::len).collect();
        let files = parts.into_iter().flatten().collect();
        let scan =
            Scan { dataset, table, columns, files, batch_rows: batch_rows.max(1), head: None };
        Ok(LakeSource::plan(scan, &counts, shown, schema))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some((own, mut parts)) = LakeSource::of(&*node) else {
            return self.physical.try_encode(node, buf, converter);
        };
        // Bounds have spared the files they could spare.
        parts.iter_mut().flatten().for_each(|file| file.bounds.clear());
        let scan = &own.scan;
        write(
            &ScanTicket {
                owner: scan.dataset.owner(),
                dataset: scan.dataset.name().clone(),
                table: (*scan.table).clone(),
                columns: scan.columns.clone(),
                out: own.columns_out(),
                batch_rows: scan.batch_rows,
                shown: own.shown.clone(),
                parts,
            },
            buf,
        )
    }

    fn try_decode_udaf(&self, name: &str, _: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.tally(name)
    }
}

/// The ticket, or `None` when it is none of ours.
fn read<T: DeserializeOwned>(buf: &[u8]) -> Result<Option<T>> {
    let Some(text) = buf.strip_prefix(MARK) else { return Ok(None) };
    serde_json::from_slice(text).map(Some).map_err(|error| malformed(&error.to_string()))
}

fn write<T: Serialize>(ticket: &T, buf: &mut Vec<u8>) -> Result<()> {
    buf.extend_from_slice(MARK);
    serde_json::to_writer(buf, ticket).map_err(|error| malformed(&error.to_string()))
}

fn malformed(why: &str) -> DataFusionError {
    DataFusionError::Internal(format!("a ticket of the lake is malformed: {why}"))
}

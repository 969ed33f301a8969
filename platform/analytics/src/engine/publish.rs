//! Publications: which cells of a closed quarter may be told, decided once and kept.
//!
//! A publication is a dataset of the operator; a version of it is a revision. It holds the atoms,
//! each with the version of the market's record its amounts are of, and which cells they are made
//! of. A later revision never takes an atom apart: it replaces its amounts where what changed
//! since passes the rule by itself, and adds atoms of cells that were in none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use analytics_api::{Dimension, Measure, Published, Quarter};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use futures::TryStreamExt;
use jiff::Timestamp;
use kernel::time::start_of;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::engine::contributions::count;
use crate::lake::{Dataset, DatasetName, Lake, LakeError, Owner, TableName, TableSpec, Version};
use crate::market;
use crate::question::EngineError;
use crate::suppress::{self, Amounts, Atom, Cell, Contributions, Rule};

/// How the names of their datasets begin.
const PUBLICATION: &str = "publication_";
pub(super) const ATOM: &str = "atom";
const MEMBER: &str = "member";
const LEFT_OUT: &str = "left_out";

/// A revision of what is published of a quarter, as far as anybody may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The quarter.
    pub quarter: Quarter,
    /// 1 for the first.
    pub revision: u64,
    /// Atoms told.
    pub atoms: usize,
    /// Atoms that changed, or are new, in this revision.
    pub changed: usize,
    /// Atoms whose amounts are known to have changed and may not be told yet.
    pub held: usize,
    /// Cells that are in no atom.
    pub left_out: u64,
}

/// An atom as it is kept.
struct Kept {
    atom: Atom,
    /// The version of the market's record its amounts are of.
    market: u64,
}

impl Engine {
    /// Publishes a closed quarter, or its next revision, from the latest version of the market's
    /// record; answers the revision there is already when nothing that may be told has changed.
    ///
    /// The same record and the same earlier revisions give the same publication. Of two that
    /// publish at once one is told [`LakeError::Conflict`].
    pub async fn publish(
        &self,
        quarter: Quarter,
        rule: Rule,
        now: Timestamp,
        cancel: &CancellationToken,
    ) -> Result<Publication, EngineError> {
        let end = quarter.end().and_then(start_of);
        if end.is_none_or(|end| now < end) {
            return Err(EngineError::Refused(format!("{quarter} is not over")));
        }
        let engine = self.clone();
        self.within_limits(cancel, async move { engine.revise(quarter, rule, now).await }).await
    }

    async fn revise(
        &self,
        quarter: Quarter,
        rule: Rule,
        now: Timestamp,
    ) -> Result<Publication, EngineError> {
        let record = self.inner.lake.dataset(Owner::Operator, market::dataset_name()?);
        let Some(record_now) = record.latest().await? else {
            return Err(EngineError::Refused("there is no market record".to_owned()));
        };
        let dataset = dataset(&self.inner.lake, quarter)?;
        let earlier = dataset.latest().await?;
        let mut kept = match &earlier {
            Some(version) => read(version).await?,
            None => Vec::new(),
        };
        let mut cells = count(self, quarter, &record_now, None).await?;
        let (mut changed, mut held) = (0, 0);
        let versions: BTreeSet<u64> = kept.iter().map(|one| one.market).collect();
        for number in versions.into_iter().filter(|number| *number != record_now.number()) {
            let before = match record.version(number).await {
                Ok(before) => before,
                // What cannot be subtracted cannot be shown to be safe: the atom stays.
                Err(LakeError::NoVersion { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let moved = count(self, quarter, &record_now, Some(&before)).await?;
            for one in kept.iter_mut().filter(|one| one.market == number) {
                match revised(&rule, &one.atom, &cells, &moved)? {
                    Revised::Same => {}
                    Revised::Held => held += 1,
                    Revised::To(amounts) => {
                        one.atom.amounts = amounts;
                        one.market = record_now.number();
                        changed += 1;
                    }
                }
            }
        }
        for cell in kept.iter().flat_map(|one| &one.atom.cells) {
            cells.remove(cell);
        }
        let told = suppress::tell(&rule, &cells);
        changed += told.atoms.len();
        kept.extend(told.atoms.into_iter().map(|atom| Kept { atom, market: record_now.number() }));
        let left_out = told.left_out.len() as u64;
        let mut publication = Publication {
            quarter,
            revision: earlier.as_ref().map_or(0, Version::number),
            atoms: kept.len(),
            changed,
            held,
            left_out,
        };
        if earlier.is_some() && changed == 0 {
            return Ok(publication);
        }
        publication.revision =
            write(&dataset, earlier.as_ref(), &kept, &rule, left_out, now).await?;
        tracing::info!(publication.quarter = %quarter, publication.revision = publication.revision,
            publication.atoms = kept.len(), publication.left_out = left_out,
            "published {quarter}, revision {}", publication.revision);
        Ok(publication)
    }
}

/// What becomes of an atom.
enum Revised {
    Same,
    /// It changed, and the change would tell of somebody.
    Held,
    To(Amounts),
}

fn revised(
    rule: &Rule,
    atom: &Atom,
    cells: &BTreeMap<Cell, Contributions>,
    moved: &BTreeMap<Cell, Contributions>,
) -> Result<Revised, EngineError> {
    let of = |from: &BTreeMap<Cell, Contributions>| {
        let found = atom.cells.iter().filter_map(|cell| from.get(cell));
        suppress::merged(found).ok_or(EngineError::Corrupt("market record"))
    };
    let (whole, change) = (of(cells)?, of(moved)?);
    if change.is_empty() {
        return Ok(Revised::Same);
    }
    let sum = |of| suppress::sum(of).ok_or(EngineError::Corrupt("market record"));
    let amounts = sum(&whole)?;
    if suppress::plus(&atom.amounts, &sum(&change)?) != Some(amounts) {
        return Err(EngineError::Corrupt("publication"));
    }
    let safe = rule.passes(&change) && rule.passes(&whole);
    Ok(if safe { Revised::To(amounts) } else { Revised::Held })
}

/// The dataset of a quarter's publication.
pub(super) fn dataset(lake: &Lake, quarter: Quarter) -> Result<Dataset, LakeError> {
    let name = format!("{PUBLICATION}{}q{}", quarter.year(), quarter.number());
    Ok(lake.dataset(Owner::Operator, DatasetName::parse(&name)?))
}

/// What is published, the latest quarter first.
pub(super) async fn published(lake: &Lake) -> Result<Vec<Published>, EngineError> {
    let mut published = Vec::new();
    for name in lake.datasets(Owner::Operator).await? {
        let Some(quarter) = name.as_str().strip_prefix(PUBLICATION) else { continue };
        let quarter: Quarter = quarter
            .replace('q', "-Q")
            .parse()
            .map_err(|_| EngineError::Corrupt("name of a publication"))?;
        let Some(version) = lake.dataset(Owner::Operator, name).latest().await? else { continue };
        published.push(Published {
            quarter,
            revision: version.number(),
            published_at: version.committed_at(),
            told: version.rows(&TableName::parse(ATOM)?)?,
            left_out: left_out(&version)?,
        });
    }
    published.sort_by_key(|one| std::cmp::Reverse(one.quarter));
    Ok(published)
}

/// How many cells a revision left out.
pub(super) fn left_out(version: &Version) -> Result<u64, EngineError> {
    let note = version.manifest().notes.get(LEFT_OUT);
    note.and_then(|text| text.parse().ok()).ok_or(EngineError::Corrupt("publication"))
}

/// Versions of the market's record that published amounts are of: they must not be let go of, or
/// what is published of them can never be revised.
pub async fn pinned(lake: &Lake) -> Result<Vec<u64>, EngineError> {
    let mut pinned = BTreeSet::new();
    for name in lake.datasets(Owner::Operator).await? {
        if !name.as_str().starts_with(PUBLICATION) {
            continue;
        }
        if let Some(version) = lake.dataset(Owner::Operator, name).latest().await? {
            pinned.extend(read(&version).await?.iter().map(|one| one.market));
        }
    }
    Ok(pinned.into_iter().collect())
}

fn atom_schema() -> SchemaRef {
    let whole = |name: &str| Field::new(name, DataType::Int64, false);
    let mut fields = vec![whole("atom")];
    fields.extend(Dimension::ALL.map(|one| Field::new(one.column(), DataType::Utf8, true)));
    fields.extend(Measure::ALL.map(|one| whole(one.column())));
    fields.push(whole("market_version"));
    Arc::new(Schema::new(fields))
}

fn member_schema() -> SchemaRef {
    let mut fields = vec![Field::new("atom", DataType::Int64, false)];
    fields.extend(Dimension::ALL.map(|one| Field::new(one.column(), DataType::Utf8, false)));
    Arc::new(Schema::new(fields))
}

async fn write(
    dataset: &Dataset,
    earlier: Option<&Version>,
    kept: &[Kept],
    rule: &Rule,
    left_out: u64,
    now: Timestamp,
) -> Result<u64, EngineError> {
    let whole = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let numbered = || (0_i64..).zip(kept);
    let mut columns = vec![whole(numbered().map(|(atom, _)| atom).collect())];
    for at in 0..Dimension::ALL.len() {
        let values = kept.iter().map(|one| one.atom.key[at].as_deref());
        columns.push(Arc::new(values.collect::<StringArray>()));
    }
    for at in 0..Measure::ALL.len() {
        columns.push(whole(kept.iter().map(|one| one.atom.amounts[at]).collect()));
    }
    let markets = kept.iter().map(|one| i64::try_from(one.market));
    let markets =
        markets.collect::<Result<_, _>>().map_err(|_| EngineError::Corrupt("publication"))?;
    columns.push(whole(markets));
    let atoms = RecordBatch::try_new(atom_schema(), columns).map_err(LakeError::from)?;

    let members =
        || numbered().flat_map(|(atom, one)| one.atom.cells.iter().map(move |cell| (atom, cell)));
    let mut columns = vec![whole(members().map(|(atom, _)| atom).collect())];
    for at in 0..Dimension::ALL.len() {
        let values = members().map(|(_, cell)| Some(cell[at].as_str()));
        columns.push(Arc::new(values.collect::<StringArray>()));
    }
    let members = RecordBatch::try_new(member_schema(), columns).map_err(LakeError::from)?;

    let mut draft = dataset.draft_on(earlier);
    for (name, rows) in [(ATOM, atoms), (MEMBER, members)] {
        let table = TableName::parse(name)?;
        draft.declare(&table, &TableSpec::plain(rows.schema()))?;
        draft.clear(&table).await?;
        draft.write(&table, rows).await?;
    }
    draft.note(LEFT_OUT, left_out.to_string());
    let rule = serde_json::to_string(rule).map_err(|_| EngineError::Corrupt("rule"))?;
    draft.note("rule", rule);
    Ok(draft.commit(now).await?.number())
}

async fn read(version: &Version) -> Result<Vec<Kept>, EngineError> {
    let corrupt = || EngineError::Corrupt("publication");
    let mut kept: BTreeMap<i64, Kept> = BTreeMap::new();
    let batches = version.scan(&TableName::parse(ATOM)?)?.batches();
    for batch in batches.try_collect::<Vec<_>>().await? {
        let whole = |name: &str, row: usize| {
            let column =
                batch.column_by_name(name).and_then(|one| one.as_primitive_opt::<Int64Type>());
            column.map(|column| column.value(row)).ok_or_else(corrupt)
        };
        for row in 0..batch.num_rows() {
            let mut key: [Option<String>; Dimension::ALL.len()] = Default::default();
            for (value, dimension) in key.iter_mut().zip(Dimension::ALL) {
                *value = text(&batch, dimension, row).ok_or_else(corrupt)?;
            }
            let mut amounts = Amounts::default();
            for (amount, measure) in amounts.iter_mut().zip(Measure::ALL) {
                *amount = whole(measure.column(), row)?;
            }
            let market = u64::try_from(whole("market_version", row)?).map_err(|_| corrupt())?;
            let atom = Atom { key, cells: BTreeSet::new(), amounts };
            kept.insert(whole("atom", row)?, Kept { atom, market });
        }
    }
    let batches = version.scan(&TableName::parse(MEMBER)?)?.batches();
    for batch in batches.try_collect::<Vec<_>>().await? {
        let atoms = batch.column(0).as_primitive_opt::<Int64Type>().ok_or_else(corrupt)?;
        for row in 0..batch.num_rows() {
            let mut cell: Cell = Default::default();
            for (value, dimension) in cell.iter_mut().zip(Dimension::ALL) {
                *value = text(&batch, dimension, row).flatten().ok_or_else(corrupt)?;
            }
            kept.get_mut(&atoms.value(row)).ok_or_else(corrupt)?.atom.cells.insert(cell);
        }
    }
    Ok(kept.into_values().collect())
}

/// A value of a dimension; the outer `None` where the column is not there.
fn text(batch: &RecordBatch, dimension: Dimension, row: usize) -> Option<Option<String>> {
    let column = batch.column_by_name(dimension.column())?.as_string_opt::<i32>()?;
    Some(column.is_valid(row).then(|| column.value(row).to_owned()))
}

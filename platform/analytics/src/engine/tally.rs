//! Tallies as aggregate functions, so that plans with them can be taken apart.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::prelude::{ident, lit};

use crate::engine::Engine;
use crate::engine::scan::Shown;
use crate::engine::table::LakeTable;
use crate::lake::Owner;
use crate::question::EngineError;
use crate::tally::{Tally, TallyError, TallyQuestion, TallyRows, Tallying};

/// Parts of the rows that are summed apart.
const PARTS: usize = 16;
/// Rows added at once: what is made of them by column is made once a batch, and columns of so many stay
/// in the cache of a core.
const BATCH_ROWS: usize = 16_384;
/// Rows of each file that a sample reads: one batch of a million rows.
const SAMPLE_ROWS: usize = BATCH_ROWS;

impl Engine {
    /// What a tally finds in the rows of an own table. It has no part in the limits of questions: who
    /// asks is a service, which bounds what it asks.
    pub async fn tally(&self, question: &TallyQuestion) -> Result<Vec<u8>, EngineError> {
        let (engine, question) = (self.clone(), question.clone());
        self.on_threads(async move { engine.tallied(&question).await }).await
    }

    async fn tallied(&self, asked: &TallyQuestion) -> Result<Vec<u8>, EngineError> {
        let owner = Owner::Tenant(asked.tenant);
        let dataset = self.inner.lake.dataset(owner, asked.table.dataset.clone());
        let version = dataset.version(1).await?;
        let head = match asked.rows {
            TallyRows::All => None,
            TallyRows::Sample => Some(SAMPLE_ROWS),
        };
        let shown = Shown { head, ..Shown::default() };
        let rows = LakeTable::new(&version, &asked.table.table, shown)?;
        let rows = rows.with_dictionaries();
        // As many parts wherever it is computed: the same rows give the same sums to the last digit.
        let session = self.session_of(PARTS, Some(BATCH_ROWS))?;
        let function = AggregateUDF::from(TallyFunction::of(asked.tallying.clone()));
        let question = lit(shared(asked.question.clone()));
        let columns = asked.columns.iter().map(ident);
        let sum: Expr = function.call(std::iter::once(question).chain(columns).collect());
        let frame = session.read_table(Arc::new(rows))?;
        let frame = frame.aggregate(Vec::new(), vec![sum.alias("tally")])?;
        let found = self.collected(frame, self.inner.limits).await?;
        let corrupt = || EngineError::Corrupt("tally");
        let column = found.batches.first().ok_or_else(corrupt)?.column(0);
        Ok(column.as_binary_opt::<i32>().ok_or_else(corrupt)?.value(0).to_vec())
    }
}

/// A kind of tally as DataFusion calls it: a constant question first, then the columns.
#[derive(Debug)]
pub(crate) struct TallyFunction {
    tallying: Arc<dyn Tallying>,
    signature: Signature,
}

impl TallyFunction {
    pub(crate) fn of(tallying: Arc<dyn Tallying>) -> TallyFunction {
        TallyFunction { tallying, signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

/// One name is one kind.
impl PartialEq for TallyFunction {
    fn eq(&self, other: &TallyFunction) -> bool {
        self.tallying.name() == other.tallying.name()
    }
}

impl Eq for TallyFunction {}

impl Hash for TallyFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tallying.name().hash(state);
    }
}

impl AggregateUDFImpl for TallyFunction {
    fn name(&self) -> &str {
        self.tallying.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "tally");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let question = args.exprs.first().and_then(|first| first.downcast_ref::<Literal>());
        let question = question
            .map(Literal::value)
            .and_then(of_shared)
            .ok_or_else(|| DataFusionError::Plan(format!("{} needs its question", self.name())))?;
        let columns: Vec<FieldRef> = args.expr_fields.iter().skip(1).cloned().collect();
        let tally = self.tallying.begin(question, &Schema::new(columns)).map_err(failed)?;
        Ok(Box::new(Adding { tally, others: Vec::new(), asked: question.len() }))
    }
}

/// A question as a literal: arguments are spread over the rows of each batch, and of a dictionary only
/// the places are.
fn shared(question: Vec<u8>) -> ScalarValue {
    let question = ScalarValue::Binary(Some(question));
    ScalarValue::Dictionary(Box::new(DataType::Int32), Box::new(question))
}

fn of_shared(literal: &ScalarValue) -> Option<&[u8]> {
    let ScalarValue::Dictionary(_, question) = literal else { return None };
    match question.as_ref() {
        ScalarValue::Binary(question) => question.as_deref(),
        _ => None,
    }
}

/// A tally under way.
struct Adding {
    tally: Box<dyn Tally>,
    /// What others found, merged once all of it is here: in the order of its bytes, so that it makes
    /// no difference whose came first, not even to the last digit of a sum.
    others: Vec<Vec<u8>>,
    /// Bytes of the question.
    asked: usize,
}

impl std::fmt::Debug for Adding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adding").finish_non_exhaustive()
    }
}

impl Accumulator for Adding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.tally.add(values.get(1..).unwrap_or_default()).map_err(failed)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states.first().and_then(|first| first.as_binary_opt::<i32>());
        let states = states.ok_or_else(|| DataFusionError::Internal("no tallies".to_owned()))?;
        self.others.extend(states.iter().flatten().map(<[u8]>::to_vec));
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.others.sort_unstable();
        self.others.drain(..).try_for_each(|other| self.tally.merge(&other).map_err(failed))?;
        Ok(ScalarValue::Binary(Some(self.tally.to_bytes())))
    }

    /// What a tally holds is of the size of what it was asked.
    fn size(&self) -> usize {
        size_of_val(self) + self.asked + self.others.iter().map(Vec::len).sum::<usize>()
    }
}

fn failed(error: TallyError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

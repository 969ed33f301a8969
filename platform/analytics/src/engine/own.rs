//! An insurer's own rows, in SQL.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::TableReference;
use datafusion::config::Dialect;
use datafusion::prelude::{DataFrame, SQLOptions, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::engine::scan::Shown;
use crate::engine::table::LakeTable;
use crate::engine::{Engine, Stopped};
use crate::lake::{DatasetName, Lake, Owner, TableName, Version};
use crate::market;
use crate::question::{EngineError, OWN, OwnAnswer, OwnQuestion, OwnStream, OwnTable};

/// Longer questions are refused.
const LONGEST: usize = 20_000;
/// So are those of more words and signs: a chain of operators is a tree as deep as it is long,
/// which is walked by recursion. A thread's stack is sized for this many.
const MOST_TOKENS: usize = 4_000;

/// Batches that are computed ahead of whoever takes them.
const AHEAD: usize = 2;

impl Engine {
    /// Answers a question about own rows.
    ///
    /// One `select` and nothing else: it can neither name a file nor create, change or set
    /// anything.
    pub async fn own(
        &self,
        question: &OwnQuestion,
        cancel: &CancellationToken,
    ) -> Result<OwnAnswer, EngineError> {
        let mut limits = self.inner.limits;
        limits.rows = question.rows.map_or(limits.rows, |rows| rows.min(limits.rows));
        let (engine, question) = (self.clone(), question.clone());
        self.within_limits(cancel, async move {
            let (frame, read) = engine.planned(&question).await?;
            let rows = engine.collected(frame, limits).await?;
            Ok(OwnAnswer { schema: rows.schema, batches: rows.batches, cut: rows.cut, read })
        })
        .await
    }

    /// The same, as it is computed, for answers that are too long to keep. Only what is computed
    /// counts towards the time a question has, not what its asker waits with; who takes nothing for
    /// a while is let go, for a question keeps its place until it ends.
    pub async fn own_stream(
        &self,
        question: &OwnQuestion,
        cancel: &CancellationToken,
    ) -> Result<OwnStream, EngineError> {
        let places = self.inner.places.clone().acquire_owned();
        let place = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(EngineError::Cancelled),
            place = places => place.map_err(|_| EngineError::Lost)?,
        };
        let runtime = self.inner.runtime.as_ref().ok_or(EngineError::Lost)?;
        let (begin, begun) = oneshot::channel();
        let (sender, mut receiver) = mpsc::channel(AHEAD);
        let (engine, question) = (self.clone(), question.clone());
        let task = Stopped(runtime.spawn(async move {
            let _place = place;
            engine.send(&question, begin, sender).await;
        }));
        let (schema, read) = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(EngineError::Cancelled),
            begun = begun => begun.map_err(|_| EngineError::Lost)??,
        };
        let mut ended = false;
        let batches = futures::stream::poll_fn(move |context| {
            // The question ends with the stream that owns it.
            let _owned = &task;
            if ended {
                return Poll::Ready(None);
            }
            receiver.poll_recv(context).map(|sent| match sent {
                Some(Ok(Some(batch))) => Some(Ok(batch)),
                Some(Ok(None)) => {
                    ended = true;
                    None
                }
                Some(Err(error)) => {
                    ended = true;
                    Some(Err(error))
                }
                // It was let go: what is missing must not look like an end.
                None => {
                    ended = true;
                    Some(Err(EngineError::NotTaken))
                }
            })
        });
        Ok(OwnStream { schema, read, batches: batches.boxed() })
    }

    /// Computes an answer and hands it over batch by batch.
    async fn send(
        &self,
        question: &OwnQuestion,
        begin: oneshot::Sender<Result<Begun, EngineError>>,
        sender: mpsc::Sender<Sent>,
    ) {
        let limits = self.inner.limits;
        let mut clock = Stopwatch { left: limits.time };
        let planned = clock.run(async {
            let (frame, read) = self.planned(question).await?;
            Ok((self.rows(frame).await?, read))
        });
        let (mut rows, read) = match planned.await {
            Ok(planned) => planned,
            Err(error) => return drop(begin.send(Err(error))),
        };
        if begin.send(Ok((rows.schema(), read))).is_err() {
            return;
        }
        let wanted = question.rows.unwrap_or(usize::MAX);
        let (mut count, mut bytes) = (0_usize, 0_u64);
        let answered = async {
            while count < wanted {
                let next = clock.run(async { Ok(rows.next().await.transpose()?) });
                let Some(mut batch) = next.await? else { break };
                if batch.num_rows() > wanted - count {
                    batch = batch.slice(0, wanted - count);
                }
                count += batch.num_rows();
                bytes += batch.get_array_memory_size() as u64;
                if count > limits.sent_rows {
                    return Err(EngineError::TooLong(format!("{} rows", limits.sent_rows)));
                }
                if bytes > limits.sent_bytes {
                    return Err(EngineError::TooLong(format!("{} bytes", limits.sent_bytes)));
                }
                match tokio::time::timeout(limits.patience, sender.send(Ok(Some(batch)))).await {
                    Ok(Ok(())) => {}
                    // Whoever asked is gone.
                    Ok(Err(_)) => break,
                    Err(_) => return Err(EngineError::NotTaken),
                }
            }
            Ok(())
        };
        let end = answered.await.map(|()| None);
        // Batches that were not taken are in its way; whoever comes back finds the end missing.
        let _ = tokio::time::timeout(limits.patience, sender.send(end)).await;
    }

    /// What a question comes to, not yet computed, and what it reads.
    async fn planned(
        &self,
        question: &OwnQuestion,
    ) -> Result<(DataFrame, Vec<(String, u64)>), EngineError> {
        let session = self.session()?;
        let (statement, tables) = understood(&session, &question.sql)?;
        let mut shelf = Shelf::new(&session, &self.inner.lake, question)?;
        for table in tables {
            shelf.put(&table).await?;
        }
        let read = shelf.read();
        let state = session.state();
        let plan = state.statement_to_plan(statement).await?;
        let options = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        options.verify_plan(&plan)?;
        Ok((session.execute_logical_plan(plan).await?, read))
    }
}

/// A batch, the end, or what went wrong.
type Sent = Result<Option<RecordBatch>, EngineError>;

/// The columns of an answer and what was read for it.
type Begun = (SchemaRef, Vec<(String, u64)>);

/// The time a question still has.
struct Stopwatch {
    left: Duration,
}

impl Stopwatch {
    /// Waits for work no longer than time is left.
    async fn run<T>(
        &mut self,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let begun = Instant::now();
        let done = tokio::time::timeout(self.left, work).await;
        self.left = self.left.saturating_sub(begun.elapsed());
        done.map_err(|_| EngineError::TimedOut)?
    }
}

/// The statement, if it may be asked, and the tables it names.
fn understood(
    session: &SessionContext,
    sql: &str,
) -> Result<(Statement, Vec<TableReference>), EngineError> {
    if sql.len() > LONGEST {
        return Err(EngineError::Refused(format!("it is longer than {LONGEST} bytes")));
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize();
    let tokens = tokens.map_err(|error| EngineError::Sql(error.to_string()))?;
    let told = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    if told.count() > MOST_TOKENS {
        return Err(EngineError::Refused(format!(
            "it has more than {MOST_TOKENS} words and signs"
        )));
    }
    let state = session.state();
    let statement = state.sql_to_statement(sql, &Dialect::PostgreSQL)?;
    let is_select = match &statement {
        Statement::Statement(statement) => match &**statement {
            ast::Statement::Query(query) => reads_only(query),
            _ => false,
        },
        _ => false,
    };
    if !is_select {
        return Err(EngineError::Refused("it is not one select".to_owned()));
    }
    let tables = state.resolve_table_references(&statement)?;
    Ok((statement, tables))
}

/// A query may be written around a statement that changes something; the plan is checked besides.
fn reads_only(query: &ast::Query) -> bool {
    fn only_reads(body: &ast::SetExpr) -> bool {
        match body {
            ast::SetExpr::Select(select) => select.into.is_none(),
            ast::SetExpr::Query(query) => reads_only(query),
            ast::SetExpr::SetOperation { left, right, .. } => only_reads(left) && only_reads(right),
            ast::SetExpr::Values(_) => true,
            _ => false,
        }
    }
    let with = query.with.as_ref();
    let with = with.is_none_or(|with| with.cte_tables.iter().all(|table| reads_only(&table.query)));
    with && only_reads(&query.body)
}

/// The tables a question may read, put there as it names them.
struct Shelf<'a> {
    lake: &'a Lake,
    question: &'a OwnQuestion,
    catalog: Arc<dyn CatalogProvider>,
    /// The version of the market's record, once it was asked for.
    market: Option<Version>,
    own: Vec<Version>,
    /// What was read by names for people.
    named: Vec<(String, u64)>,
}

impl<'a> Shelf<'a> {
    fn new(
        session: &SessionContext,
        lake: &'a Lake,
        question: &'a OwnQuestion,
    ) -> Result<Shelf<'a>, EngineError> {
        let catalog = session.catalog("lake").ok_or(EngineError::Lost)?;
        Ok(Shelf { lake, question, catalog, market: None, own: Vec::new(), named: Vec::new() })
    }

    /// Puts a table there if the asker may read it. A name that is no table is left for the
    /// planner, which knows names the question itself gives, and refuses others by name.
    async fn put(&mut self, name: &TableReference) -> Result<(), EngineError> {
        let (schema, table) = match name {
            TableReference::Bare { table } => (market::DATASET, table),
            TableReference::Partial { schema, table } => (&**schema, table),
            TableReference::Full { .. } => {
                return Err(EngineError::Refused(format!("{name} has too many parts")));
            }
        };
        if schema == OWN {
            return self.put_named(table).await;
        }
        let (Ok(dataset), Ok(table)) = (DatasetName::parse(schema), TableName::parse(table)) else {
            return Ok(());
        };
        let (version, shown) = if schema == market::DATASET {
            let Some(version) = self.market().await? else { return Ok(()) };
            let shown = Shown {
                tenant: Some(self.question.tenant),
                known_at: self.question.known_at,
                head: None,
            };
            (version, shown)
        } else {
            let Some(version) = self.own(dataset).await? else { return Ok(()) };
            (version, Shown::default())
        };
        if version.table(&table).is_err() {
            return Ok(());
        }
        let provider = LakeTable::new(&version, &table, shown)?;
        self.place(schema, table.as_str(), provider)
    }

    /// Puts a table there that the question has by a name for people.
    async fn put_named(&mut self, name: &str) -> Result<(), EngineError> {
        let Some(own) = named(&self.question.tables, name) else { return Ok(()) };
        let dataset = self.lake.dataset(Owner::Tenant(self.question.tenant), own.dataset.clone());
        let provider = LakeTable::new(&dataset.version(1).await?, &own.table, Shown::default())?;
        let read = (format!("{OWN}/{}", own.name), own.version);
        if !self.named.contains(&read) {
            self.named.push(read);
        }
        self.place(OWN, name, provider)
    }

    fn place(&self, schema: &str, name: &str, provider: LakeTable) -> Result<(), EngineError> {
        let shelf = match self.catalog.schema(schema) {
            Some(shelf) => shelf,
            None => {
                let shelf: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                self.catalog.register_schema(schema, shelf.clone())?;
                shelf
            }
        };
        if !shelf.table_exist(name) {
            shelf.register_table(name.to_owned(), Arc::new(provider))?;
        }
        Ok(())
    }

    /// The version of the market's record that was asked for.
    async fn market(&mut self) -> Result<Option<Version>, EngineError> {
        if self.market.is_none() {
            let market = self.lake.dataset(Owner::Operator, market::dataset_name()?);
            self.market = match self.question.version {
                Some(number) => Some(market.version(number).await?),
                None => market.latest().await?,
            };
        }
        Ok(self.market.clone())
    }

    /// The latest version of an own dataset, the same for every table of the question.
    async fn own(&mut self, name: DatasetName) -> Result<Option<Version>, EngineError> {
        let dataset = self.lake.dataset(Owner::Tenant(self.question.tenant), name);
        let title = dataset.title();
        if let Some(version) = self.own.iter().find(|one| one.dataset().title() == title) {
            return Ok(Some(version.clone()));
        }
        let latest = dataset.latest().await?;
        self.own.extend(latest.clone());
        Ok(latest)
    }

    fn read(&self) -> Vec<(String, u64)> {
        let versions = self.market.iter().chain(&self.own);
        let titled = versions.map(|version| (version.dataset().title(), version.number()));
        let mut named = self.named.clone();
        named.sort();
        named.dedup();
        titled.chain(named).collect()
    }
}

/// The table that is called so: the last version under a name, or one `name@version`.
fn named<'a>(tables: &'a [OwnTable], called: &str) -> Option<&'a OwnTable> {
    match called.rsplit_once('@') {
        Some((name, version)) => {
            let version: u64 = version.parse().ok()?;
            tables.iter().find(|table| table.name == name && table.version == version)
        }
        None => {
            let versions = tables.iter().filter(|table| table.name == called);
            versions.max_by_key(|table| table.version)
        }
    }
}

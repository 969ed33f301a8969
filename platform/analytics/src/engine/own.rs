//! An insurer's own rows, in SQL.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::TableReference;
use datafusion::config::Dialect;
use datafusion::prelude::{SQLOptions, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use jiff::Timestamp;
use kernel::TenantId;
use tokio_util::sync::CancellationToken;

use crate::engine::table::{LakeTable, Shown};
use crate::engine::{Engine, EngineError, collected};
use crate::lake::{DatasetName, Lake, Owner, TableName, Version};
use crate::market;

/// Longer questions are refused.
const LONGEST: usize = 20_000;
/// So are those of more words and signs: a chain of operators is a tree as deep as it is long,
/// which is walked by recursion. A thread's stack is sized for this many.
const MOST_TOKENS: usize = 4_000;

/// A question about an insurer's own rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnQuestion {
    /// Who asks.
    pub tenant: TenantId,
    /// One `select`. A bare name is a table of the market's record, `dataset.table` one of an own
    /// dataset.
    pub sql: String,
    /// A version of the market's record; the latest when absent. Own datasets are read as they
    /// are.
    pub version: Option<u64>,
    /// Rows of the market's record known by then; all when absent.
    pub known_at: Option<Timestamp>,
}

/// What it comes to.
#[derive(Clone, Debug)]
pub struct OwnAnswer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Whether there were more rows than an answer may have.
    pub cut: bool,
    /// What was read, `owner/dataset`, and its version.
    pub read: Vec<(String, u64)>,
}

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
        let (lake, limits) = (self.inner.lake.clone(), self.inner.limits);
        let (session, question) = (self.session()?, question.clone());
        self.within_limits(cancel, async move {
            let (statement, tables) = understood(&session, &question.sql)?;
            let mut shelf = Shelf::new(&session, &lake, &question)?;
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
            let frame = session.execute_logical_plan(plan).await?;
            let rows = collected(frame, limits).await?;
            Ok(OwnAnswer { schema: rows.schema, batches: rows.batches, cut: rows.cut, read })
        })
        .await
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
}

impl<'a> Shelf<'a> {
    fn new(
        session: &SessionContext,
        lake: &'a Lake,
        question: &'a OwnQuestion,
    ) -> Result<Shelf<'a>, EngineError> {
        let catalog = session.catalog("lake").ok_or(EngineError::Lost)?;
        Ok(Shelf { lake, question, catalog, market: None, own: Vec::new() })
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
        let (Ok(dataset), Ok(table)) = (DatasetName::parse(schema), TableName::parse(table)) else {
            return Ok(());
        };
        let (version, shown) = if schema == market::DATASET {
            let Some(version) = self.market().await? else { return Ok(()) };
            let shown =
                Shown { tenant: Some(self.question.tenant), known_at: self.question.known_at };
            (version, shown)
        } else {
            let Some(version) = self.own(dataset).await? else { return Ok(()) };
            (version, Shown::default())
        };
        if version.table(&table).is_err() {
            return Ok(());
        }
        let provider = LakeTable::new(&version, &table, shown)?;
        let shelf = match self.catalog.schema(schema) {
            Some(shelf) => shelf,
            None => {
                let shelf: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                self.catalog.register_schema(schema, shelf.clone())?;
                shelf
            }
        };
        if !shelf.table_exist(table.as_str()) {
            shelf.register_table(table.to_string(), Arc::new(provider))?;
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
        versions.map(|version| (version.dataset().title(), version.number())).collect()
    }
}

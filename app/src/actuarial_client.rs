//! `commonwheel actuarial`: portfolios and runs, as a client of the API of a server.
//!
//! Whoever may call the API may use it from anywhere: address and credentials come from flags or the
//! environment. What a server refuses is told as it told it, with what to change.

mod api;
mod print;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value, json};

use self::api::{Api, text};

/// Which server, as whom.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Address of the API
    #[arg(long, env = "COMMONWHEEL_API", default_value = "http://127.0.0.1:8080", global = true)]
    api: String,
    /// Client id
    #[arg(long, env = "COMMONWHEEL_CLIENT_ID", global = true)]
    client_id: Option<String>,
    /// Client secret; better given in the environment
    #[arg(
        long,
        env = "COMMONWHEEL_CLIENT_SECRET",
        hide_env_values = true,
        allow_hyphen_values = true,
        global = true
    )]
    client_secret: Option<String>,
    /// Print what the server answers, as JSON
    #[arg(long, global = true)]
    json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum ActuarialCommand {
    /// Import a portfolio or a triangle: CSV (also gzipped), Parquet or XLSX
    Import(ImportArgs),
    /// List datasets, or show one with its columns
    Datasets {
        /// Name or identifier of a dataset
        dataset: Option<String>,
        /// List the versions of the dataset, the latest first
        #[arg(long, requires = "dataset", conflicts_with_all = ["version", "rows", "errors"])]
        versions: bool,
        /// Which version; the latest that can be read when left out
        #[arg(long)]
        version: Option<i32>,
        /// Show so many of its first rows
        #[arg(long)]
        rows: Option<u32>,
        /// Write what did not fit at the import to this file
        #[arg(long)]
        errors: Option<PathBuf>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Cancel an import, or throw the data of a version away; runs keep their results
    Discard {
        /// Name or identifier of the dataset
        dataset: String,
        /// Which version
        #[arg(long)]
        version: i32,
    },
    /// Run a method on a dataset
    Run(RunArgs),
    /// List runs, or show one with its figures
    Show {
        /// Identifier of a run
        run: Option<String>,
        /// Print the whole result, as JSON
        #[arg(long, requires = "run")]
        result: bool,
        /// List only runs of this method
        #[arg(long, conflicts_with = "run")]
        method: Option<String>,
        /// List only runs on this dataset
        #[arg(long, conflicts_with = "run")]
        dataset: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Compare two runs: what they rest on, and every figure that differs
    Diff {
        /// Identifier of a run
        run: String,
        /// Identifier of the other
        with: String,
        /// Leave out figures that differ by no more than this part
        #[arg(long)]
        tolerance: Option<f64>,
    },
    /// Write the report of a run (HTML), or its workbook (XLSX)
    Report {
        /// Identifier of a run
        run: String,
        /// The file; a name that ends in .xlsx gets the workbook
        #[arg(long, default_value = "report.html")]
        out: PathBuf,
    },
    /// Write the proposed relativities of an indication, for `commonwheel tariff propose`
    Relativities {
        /// Identifier of a run
        run: String,
        /// Names of factors, separated by commas; all when left out
        #[arg(long)]
        factors: Option<String>,
        /// The file
        #[arg(long, default_value = "relativities.csv")]
        out: PathBuf,
    },
    /// List models, or publish, end and learn them again
    Models {
        #[command(subcommand)]
        task: Option<ModelTask>,
    },
    /// Cancel a run
    Cancel {
        /// Identifier of a run
        run: String,
    },
    /// Ask about own rows, in SQL
    Ask {
        /// One select; --tables lists what it can be about
        #[arg(required_unless_present = "tables")]
        sql: Option<String>,
        /// List the tables instead
        #[arg(long)]
        tables: bool,
        /// Write all rows to this file: .parquet, .csv or .arrows
        #[arg(long, conflicts_with = "tables")]
        out: Option<PathBuf>,
    },
    /// Ask about the market, in published cells
    Market {
        /// For example {"quarter":"2025-Q1","measures":["claims"],"by":["region"]}; lists the quarters
        /// that are published when left out
        question: Option<String>,
        /// Write the rows to this file: .parquet, .csv or .arrows
        #[arg(long, requires = "question")]
        out: Option<PathBuf>,
    },
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// List so many, at most 500; 50 when left out
    #[arg(long)]
    limit: Option<u16>,
    /// Go on after a page: what it said at its end
    #[arg(long)]
    after: Option<String>,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelTask {
    /// List models, the latest first
    List {
        /// Only those that are proposed, inForce, rejected, replaced or withdrawn
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one model: who proposed and decided it, and how it did beside the one before
    Show {
        /// Identifier of the model
        model: String,
    },
    /// Score figures of a claim by a model, in force or not
    Score {
        /// Identifier of the model
        model: String,
        /// Figures by name: JSON, or @ and the name of a file of it
        #[arg(long)]
        features: String,
    },
    /// Propose the scorer of a run of fraudScore; another client approves it
    Propose {
        /// Identifier of the run
        run: String,
        /// tenant, or market for the operator
        #[arg(long, default_value = "tenant")]
        scope: String,
        /// What it is, for people
        #[arg(long)]
        title: Option<String>,
        /// Chance from which a claim is worth a look, in parts per million
        #[arg(long)]
        review_ppm: Option<u32>,
        /// Chance from which it is worth an investigation, in parts per million
        #[arg(long)]
        high_ppm: Option<u32>,
    },
    /// Approve a proposed model: it scores claims from now on
    Approve {
        /// Identifier of the model
        model: String,
    },
    /// Reject a proposed model
    Reject {
        /// Identifier of the model
        model: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Withdraw the model in force
    Withdraw {
        /// Identifier of the model
        model: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Learn the fraud score again from what investigators found
    Retrain,
}

/// What to import, and how to read it.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file
    file: PathBuf,
    /// Name of the dataset; a name that is taken gets another version
    #[arg(long)]
    name: String,
    /// What it is, for people
    #[arg(long)]
    title: Option<String>,
    /// csv, parquet or xlsx; told from the file when left out
    #[arg(long)]
    format: Option<String>,
    /// What stands between the cells of a CSV
    #[arg(long)]
    delimiter: Option<String>,
    /// utf-8 or gb18030
    #[arg(long)]
    encoding: Option<String>,
    /// The sheet of a workbook
    #[arg(long)]
    sheet: Option<String>,
    /// A text that stands for a missing value; may be repeated, and replaces the usual ones
    #[arg(long)]
    missing: Vec<String>,
    /// A column as SOURCE[:NAME[:TYPE[:ROLE]]], parts may be empty; may be repeated
    #[arg(long = "column")]
    columns: Vec<String>,
    /// Leave out columns that are not named
    #[arg(long)]
    only_named: bool,
    /// Do not wait until it is imported
    #[arg(long)]
    no_wait: bool,
}

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// glm, boostedTrees, credibility, indication, region, validation, reserving, cusum, watch, survival,
    /// network, forecast, segments, lapse or fraudScore
    method: String,
    /// Name or identifier of the dataset
    #[arg(long)]
    dataset: String,
    /// Its version; the latest that can be read when left out
    #[arg(long)]
    version: Option<i32>,
    /// Parameters: JSON, or @ and the name of a file of it
    #[arg(long, default_value = "{}")]
    parameters: String,
    /// Where random draws start
    #[arg(long)]
    seed: Option<i64>,
    /// What it is, for people
    #[arg(long)]
    label: Option<String>,
    /// Do not wait until it is computed
    #[arg(long)]
    no_wait: bool,
}

impl ActuarialCommand {
    /// Does it.
    pub(crate) async fn run(self, server: &Server) -> anyhow::Result<()> {
        let api = Api::login(server).await?;
        match self {
            ActuarialCommand::Import(args) => import(&api, &args).await,
            ActuarialCommand::Datasets { dataset: None, page, .. } => {
                let page = api.get(&page.of("/v1/actuarial/datasets", &[])).await?;
                api.show(&page, print::datasets)
            }
            ActuarialCommand::Datasets { dataset: Some(dataset), versions: true, page, .. } => {
                let path = format!("/v1/actuarial/datasets/{dataset}/versions");
                let page = api.get(&page.of(&path, &[])).await?;
                api.show(&page, print::datasets)
            }
            ActuarialCommand::Datasets {
                dataset: Some(dataset), version, rows, errors, ..
            } => one_dataset(&api, &dataset, version, rows, errors.as_deref()).await,
            ActuarialCommand::Discard { dataset, version } => {
                let path = format!("/v1/actuarial/datasets/{dataset}/versions/{version}");
                let version = api.answer(api.http.delete(api.url(&path))).await?;
                api.show(&version, print::one_version)
            }
            ActuarialCommand::Run(args) => start(&api, args).await,
            ActuarialCommand::Show { run: None, method, dataset, page, .. } => {
                let only = [("method", method.as_deref()), ("dataset", dataset.as_deref())];
                let page = api.get(&page.of("/v1/actuarial/runs", &only)).await?;
                api.show(&page, print::runs)
            }
            ActuarialCommand::Show { run: Some(run), result: true, .. } => {
                let result = api.get(&format!("/v1/actuarial/runs/{run}/result")).await?;
                println!("{}", serde_json::to_string_pretty(&result)?);
                Ok(())
            }
            ActuarialCommand::Show { run: Some(run), result: false, .. } => {
                let run = api.get(&format!("/v1/actuarial/runs/{run}")).await?;
                api.show(&run, print::one_run)
            }
            ActuarialCommand::Diff { run, with, tolerance } => {
                let mut path = format!("/v1/actuarial/runs/{run}/diff?with={with}");
                if let Some(tolerance) = tolerance {
                    path += &format!("&tolerance={tolerance}");
                }
                let diff = api.get(&path).await?;
                api.show(&diff, print::differences)
            }
            ActuarialCommand::Report { run, out } => {
                let is_book = out.extension().is_some_and(|ending| ending == "xlsx");
                let what = if is_book { "workbook" } else { "report" };
                api.download(&format!("/v1/actuarial/runs/{run}/{what}"), &out).await
            }
            ActuarialCommand::Relativities { run, factors, out } => {
                let mut path = format!("/v1/actuarial/runs/{run}/relativities");
                if let Some(factors) = factors {
                    let names: String =
                        form_urlencoded::byte_serialize(factors.as_bytes()).collect();
                    path += &format!("?factors={names}");
                }
                api.download(&path, &out).await
            }
            ActuarialCommand::Models { task: None } => {
                let page = api.get("/v1/actuarial/models").await?;
                api.show(&page, print::models)
            }
            ActuarialCommand::Models { task: Some(task) } => models(&api, task).await,
            ActuarialCommand::Cancel { run } => {
                let request = api.http.delete(api.url(&format!("/v1/actuarial/runs/{run}")));
                let run = api.answer(request).await?;
                api.show(&run, print::one_run)
            }
            ActuarialCommand::Ask { sql, out, .. } => {
                let Some(sql) = sql else {
                    let found = api.get("/v1/actuarial/own/tables").await?;
                    return api.show(&found, print::tables);
                };
                let question = json!({ "sql": sql });
                api.ask("/v1/actuarial/own/questions", &question, out.as_deref(), print::own_rows)
                    .await
            }
            ActuarialCommand::Market { question, out } => {
                let Some(question) = question else {
                    let found = api.get("/v1/actuarial/market/quarters").await?;
                    return api.show(&found, print::quarters);
                };
                let question =
                    serde_json::from_str(&question).context("the question is no JSON")?;
                let path = "/v1/actuarial/market/questions";
                api.ask(path, &question, out.as_deref(), print::market_rows).await
            }
        }
    }
}

impl PageArgs {
    /// The path of a list from here on, of what meets these conditions.
    fn of(&self, path: &str, only: &[(&str, Option<&str>)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in only {
            query.extend_pairs(value.map(|value| (name, value)));
        }
        query.extend_pairs(self.limit.map(|limit| ("limit", limit.to_string())));
        query.extend_pairs(self.after.as_ref().map(|after| ("after", after)));
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }
}

/// JSON that was given, or the name of a file of it behind an @.
fn json_of(given: &str, what: &str) -> anyhow::Result<Value> {
    let text = match given.strip_prefix('@') {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?
        }
        None => given.to_owned(),
    };
    serde_json::from_str(&text).with_context(|| format!("{what} are no JSON"))
}

async fn models(api: &Api, task: ModelTask) -> anyhow::Result<()> {
    let of = |model: &str, action: &str| format!("/v1/actuarial/models/{model}/{action}");
    let (path, body) = match task {
        ModelTask::List { state, page } => {
            let path = page.of("/v1/actuarial/models", &[("state", state.as_deref())]);
            return api.show(&api.get(&path).await?, print::models);
        }
        ModelTask::Show { model } => {
            let model = api.get(&format!("/v1/actuarial/models/{model}")).await?;
            return api.show(&model, print::whole_model);
        }
        ModelTask::Score { model, features } => {
            let body = json!({ "features": json_of(&features, "the figures")? });
            let request = api.http.post(api.url(&of(&model, "score"))).json(&body);
            return api.show(&api.answer(request).await?, print::score);
        }
        ModelTask::Propose { run, scope, title, review_ppm, high_ppm } => {
            let body = json!({ "runId": run, "scope": scope, "title": title,
                "reviewPpm": review_ppm, "highPpm": high_ppm });
            ("/v1/actuarial/models".to_owned(), body)
        }
        ModelTask::Approve { model } => (of(&model, "approve"), json!({})),
        ModelTask::Reject { model, reason } => (of(&model, "reject"), json!({ "reason": reason })),
        ModelTask::Withdraw { model, reason } => {
            (of(&model, "withdraw"), json!({ "reason": reason }))
        }
        ModelTask::Retrain => {
            let request = api.http.post(api.url("/v1/actuarial/models/retrain")).json(&json!({}));
            let run = api.post(request).await?;
            let run = api.wait(&format!("/v1/actuarial/runs/{}", text(&run, "runId"))).await?;
            return api.show(&run, print::one_run);
        }
    };
    let model = api.post(api.http.post(api.url(&path)).json(&body)).await?;
    api.show(&model, print::one_model)
}

async fn import(api: &Api, args: &ImportArgs) -> anyhow::Result<()> {
    let about = args.about()?;
    let file = tokio::fs::File::open(&args.file)
        .await
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let length = file.metadata().await?.len();
    let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let pieces = futures::stream::try_unfold(file, async |mut file| {
        let mut piece = Vec::with_capacity(1 << 18);
        let mut part = tokio::io::AsyncReadExt::take(&mut file, 1 << 18);
        tokio::io::AsyncReadExt::read_to_end(&mut part, &mut piece).await?;
        Ok::<_, std::io::Error>((!piece.is_empty()).then_some((piece, file)))
    });
    let part = Part::stream_with_length(Body::wrap_stream(pieces), length);
    let part = part.file_name(name.unwrap_or_default());
    let form = Form::new().text("about", about.to_string()).part("file", part);
    let request = api.http.post(api.url("/v1/actuarial/datasets")).multipart(form);
    let version = api.post(request).await?;
    if args.no_wait {
        return api.show(&version, print::one_version);
    }
    let path = format!(
        "/v1/actuarial/datasets/{}/versions/{}",
        text(&version, "datasetId"),
        version["version"]
    );
    let version = api.wait(&path).await?;
    api.show(&version, print::one_version)?;
    if text(&version, "state") == "done" { Ok(()) } else { bail!("it is not imported") }
}

impl ImportArgs {
    fn about(&self) -> anyhow::Result<Value> {
        let mut about = Map::new();
        about.insert("name".to_owned(), json!(self.name));
        let texts = [
            ("title", &self.title),
            ("format", &self.format),
            ("delimiter", &self.delimiter),
            ("encoding", &self.encoding),
            ("sheet", &self.sheet),
        ];
        for (name, value) in texts {
            about.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
        }
        if !self.missing.is_empty() {
            about.insert("missing".to_owned(), json!(self.missing));
        }
        let columns = self.columns.iter().map(|column| mapping(column));
        let columns = columns.collect::<anyhow::Result<Vec<Value>>>()?;
        if !columns.is_empty() {
            about.insert("columns".to_owned(), Value::Array(columns));
        }
        about.insert("onlyNamed".to_owned(), json!(self.only_named));
        Ok(Value::Object(about))
    }
}

/// `SOURCE[:NAME[:TYPE[:ROLE]]]`.
fn mapping(column: &str) -> anyhow::Result<Value> {
    let parts: Vec<&str> = column.split(':').collect();
    if parts.len() > 4 || parts[0].is_empty() {
        bail!("--column {column} is not SOURCE[:NAME[:TYPE[:ROLE]]]");
    }
    let named = ["source", "name", "type", "role"].into_iter().zip(parts);
    let members = named.filter(|(_, part)| !part.is_empty());
    Ok(Value::Object(members.map(|(name, part)| (name.to_owned(), json!(part))).collect()))
}

async fn one_dataset(
    api: &Api,
    dataset: &str,
    version: Option<i32>,
    rows: Option<u32>,
    errors: Option<&Path>,
) -> anyhow::Result<()> {
    let path = match version {
        Some(version) => format!("/v1/actuarial/datasets/{dataset}/versions/{version}"),
        None => format!("/v1/actuarial/datasets/{dataset}"),
    };
    let found = api.get(&path).await?;
    let own = format!(
        "/v1/actuarial/datasets/{}/versions/{}",
        text(&found, "datasetId"),
        found["version"]
    );
    if let Some(to) = errors {
        return api.download(&format!("{own}/errors"), to).await;
    }
    match rows {
        Some(rows) => {
            let rows = api.get(&format!("{own}/rows?limit={rows}")).await?;
            api.show(&rows, print::first_rows)
        }
        None => api.show(&found, print::one_version),
    }
}

async fn start(api: &Api, args: RunArgs) -> anyhow::Result<()> {
    let parameters = json_of(&args.parameters, "the parameters")?;
    let mut body = json!({
        "method": args.method,
        "dataset": args.dataset,
        "parameters": parameters,
    });
    let more = [
        ("version", args.version.map(Value::from)),
        ("seed", args.seed.map(Value::from)),
        ("label", args.label.map(Value::from)),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    let run = api.post(api.http.post(api.url("/v1/actuarial/runs")).json(&body)).await?;
    if args.no_wait {
        return api.show(&run, print::one_run);
    }
    let run = api.wait(&format!("/v1/actuarial/runs/{}", text(&run, "runId"))).await?;
    api.show(&run, print::one_run)?;
    if text(&run, "state") == "done" { Ok(()) } else { bail!("it has no result") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_asked_for_from_where_a_page_ended() {
        let page = PageArgs { limit: Some(2), after: Some("a b&c".to_owned()) };
        let path = page.of("/runs", &[("method", Some("glm")), ("dataset", None)]);
        assert_eq!(path, "/runs?method=glm&limit=2&after=a+b%26c");
        assert_eq!(PageArgs { limit: None, after: None }.of("/runs", &[]), "/runs");
    }

    #[test]
    fn a_column_is_read_part_by_part() {
        assert_eq!(mapping("a").unwrap(), json!({ "source": "a" }));
        let wanted = json!({ "source": "a", "type": "integer", "role": "claims" });
        assert_eq!(mapping("a::integer:claims").unwrap(), wanted);
        assert!(mapping(":b").is_err() && mapping("a:b:c:d:e").is_err());
    }
}

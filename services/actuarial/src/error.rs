//! Why the actuarial cloud refuses, and how that reads as a problem.

use base_http::{FieldError, Problem, ProblemCode, problem};
use tenancy::TenancyError;

base_http::problems! {
    /// It does not exist or belongs to somebody else.
    NO_SUCH_RECORD = "E5000" 404 "no such dataset or run" "查无此数据集或计算任务";
    /// The version is still being imported, or came to nothing.
    DATASET_NOT_DONE = "E5001" 409 "the dataset's version cannot be read" "数据集版本不可用";
    /// The run is under way, or came to nothing.
    RUN_NOT_DONE = "E5002" 409 "the run has no result" "计算任务无结果";
    /// As many as a tenant may have are queued or running.
    JOBS_UNDER_WAY = "E5003" 409 "too many imports or runs are under way" "排队任务过多";
    /// The upload is larger than is taken.
    UPLOAD_TOO_LARGE = "E5004" 413 "the file is too large" "上传文件过大";
    /// A run of this method has no such report.
    NO_REPORT = "E5005" 404 "the run's method has no such report" "该方法无此报告";
    /// The model's state does not allow this.
    MODEL_STATE = "E5006" 409 "the model's state does not allow this" "模型当前状态不允许此操作";
    /// Whoever proposed a model may not approve it.
    OWN_MODEL = "E5007" 403 "another person must approve the model" "模型须由他人审批";
    /// The run has no scorer, or one that asks for what live claims have not.
    NOT_A_SCORER = "E5008" 422 "the run has no scorer of live claims" "该计算任务无可用的评分模型";
    /// Models of the market are published by the operator.
    MARKET_MODEL = "E5009" 403 "models of the market are the operator's" "行业模型由平台运营方发布";
    /// No table of a tariff holds the levels of a factor.
    NOT_IN_TARIFF = "E5010" 409 "a factor cannot be exported to a tariff" "因子无法导出为费率表";
    /// Too few claims were looked into to learn from.
    TOO_FEW_LABELS = "E5011" 409 "too few claims were looked into" "调查结论样本不足";
    /// The data leave a coefficient or a parameter undetermined.
    UNDETERMINED = "E5100" 422 "the data do not determine the model" "数据不足以确定模型";
    /// A value the method cannot work with.
    UNFIT_VALUE = "E5101" 422 "a value does not suit the method" "数据取值不适用于该方法";
    /// Too little, or too uniform, to say anything.
    NOTHING_TO_LEARN = "E5102" 422 "the data say nothing about what is asked" "数据无法支持该计算";
    /// The iteration does not come to rest.
    NO_CONVERGENCE = "E5103" 422 "the computation does not converge" "计算不收敛";
    /// A result would be no number.
    NOT_A_NUMBER = "E5104" 422 "a result is not a number" "计算结果非数值";
    /// More rows or cells than a run takes.
    TOO_MUCH_DATA = "E5105" 422 "the run would read too much" "数据量超出计算上限";
    /// Wrong, or none that may be asked.
    QUESTION_REFUSED = "E5300" 422 "the question cannot be answered" "查询无法受理";
    /// Nothing may be told of the quarter, or not yet.
    NOT_PUBLISHED = "E5301" 404 "nothing is published of the quarter" "该季度数据未发布";
    /// It takes more memory or time than a question has.
    QUESTION_TOO_LARGE = "E5302" 422 "the question takes too much" "查询超出资源上限";
    /// Longer than the form of answer allows.
    ANSWER_TOO_LONG = "E5303" 422 "the answer is too long" "查询结果过大";
    /// No form of answer that is offered.
    NOT_ACCEPTABLE = "E5304" 406 "the form of answer is not offered" "不支持的结果格式";
    /// As many as a tenant may have are being answered.
    QUESTIONS_UNDER_WAY = "E5305" 409 "too many questions are being answered" "并行查询过多";
    /// This server was built without the engine.
    NO_ENGINE = "E5306" 501 "this server answers no questions" "本服务未启用查询引擎";
    /// The run could not be computed, through no fault of its data.
    RUN_FAILED = "E5199" 500 "the run could not be computed" "计算任务失败";
}

/// Why a command of the actuarial cloud refuses.
#[derive(Debug, thiserror::Error)]
pub enum ActuarialError {
    /// No row, or a row of another tenant: the caller cannot tell which.
    #[error("no {what} {name}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Under which name.
        name: String,
    },
    /// A guard, with its problem.
    #[error("{detail}")]
    Refused {
        /// Which kind of problem.
        code: &'static ProblemCode,
        /// This case in a sentence.
        detail: String,
    },
    /// The message breaks rules.
    #[error("{} findings", .0.len())]
    Invalid(Vec<FieldError>),
    /// An upload that broke off or is no form.
    #[error("{0}")]
    Upload(String),
    /// A stored row or file is not what this release can read.
    #[error("stored {0} cannot be read")]
    Corrupt(&'static str),
    /// The keys of a tenant failed.
    #[error("the keys of a tenant failed")]
    Keys(#[from] TenancyError),
    /// What investigators found cannot be read.
    #[error("what investigators found cannot be read")]
    Labels(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The lake failed.
    #[error("the lake failed")]
    Lake(#[from] analytics::lake::LakeError),
    /// The engine failed.
    #[error("a question failed")]
    Engine(#[source] analytics::question::EngineError),
    /// The store failed.
    #[error("actuarial store failed")]
    Store(#[from] sqlx::Error),
}

impl ActuarialError {
    /// A guard's refusal.
    pub fn refused(code: &'static ProblemCode, detail: impl Into<String>) -> ActuarialError {
        ActuarialError::Refused { code, detail: detail.into() }
    }

    /// Nothing under this name that the caller may know of.
    pub fn not_found(what: &'static str, name: impl ToString) -> ActuarialError {
        ActuarialError::NotFound { what, name: name.to_string() }
    }
}

impl From<ActuarialError> for Problem {
    fn from(error: ActuarialError) -> Problem {
        match error {
            ActuarialError::NotFound { .. } => Problem::new(&NO_SUCH_RECORD, error.to_string()),
            ActuarialError::Refused { code, detail } => Problem::new(code, detail),
            ActuarialError::Invalid(errors) => Problem::invalid(errors),
            ActuarialError::Upload(detail) => Problem::new(&problem::MALFORMED, detail),
            ActuarialError::Engine(analytics::question::EngineError::Cluster(why)) => {
                tracing::warn!(error = why, "the cluster that computes questions is out of reach");
                let detail = "the cluster that computes questions cannot answer for now; ask again";
                Problem::new(&problem::UNAVAILABLE, detail).retry_after(5)
            }
            ActuarialError::Corrupt(_)
            | ActuarialError::Lake(_)
            | ActuarialError::Engine(_)
            | ActuarialError::Labels(_) => Problem::internal(&error),
            ActuarialError::Keys(_) | ActuarialError::Store(_) => Problem::store(&error),
        }
    }
}

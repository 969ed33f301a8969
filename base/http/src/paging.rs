//! Paging by key: a page ends in an opaque cursor, and the next begins after it.

use std::str::FromStr;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{self, FieldError, Problem};

/// Rows in a page when the caller does not say.
pub const DEFAULT_LIMIT: u16 = 50;
/// Most rows in a page.
pub const MOST: u16 = 500;

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Paged<T: ToSchema> {
    /// The rows, in the order of the list.
    pub items: Vec<T>,
    /// Pass as `after` for the rows that follow; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Page {
    /// Rows wanted, within bounds.
    pub fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MOST => Ok(i64::from(limit)),
            _ => Err(bad("limit", format!("ask for 1 to {MOST} rows"))),
        }
    }

    /// Where the page begins, of a list whose cursors are places as text.
    pub fn place<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        let read = self.after.as_deref().map(str::parse).transpose();
        read.map_err(|_| bad("after", "is not the next of an earlier page"))
    }
}

/// The parameters of a list or a look-up, or what is wrong with them.
pub fn query<T>(read: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    match read {
        Ok(Query(asked)) => Ok(asked),
        Err(rejection) => Err(Problem::new(&problem::MALFORMED, rejection.body_text())),
    }
}

/// Cuts `rows`, of which a list asks for one more than `limit` to see whether another page follows,
/// to a page. The cursor of its last row when one does.
pub fn cut<R>(rows: &mut Vec<R>, limit: i64, cursor: impl FnOnce(&R) -> String) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = limit < rows.len();
    rows.truncate(limit);
    rows.last().filter(|_| more).map(cursor)
}

/// A query parameter that cannot be read.
pub fn bad(parameter: &str, detail: impl Into<String>) -> Problem {
    let error = FieldError::at(format!("?{parameter}"), detail);
    Problem {
        errors: vec![error],
        ..Problem::new(&problem::MALFORMED, "a parameter cannot be read")
    }
}

//! A statement that is a transaction of its own.

use sqlx::PgConnection;

use crate::flush::Ahead;
use crate::lend::Lent;
use crate::tx::Scope;

/// A connection for one statement, which commits by itself, ahead of the disk.
///
/// Nothing is open on the connection, so the statement binds itself to the tenants it works for, before
/// it touches a row:
///
/// ```sql
/// select set_config('commonwheel.tenants', $1, true), set_config('synchronous_commit', 'off', true), …
/// ```
///
/// Row security refuses what comes before that.
#[derive(Debug)]
pub struct AtOnce {
    conn: Lent,
    tenants: String,
    ahead: Ahead,
}

impl AtOnce {
    pub(crate) fn new(conn: Lent, scope: &Scope, ahead: Ahead) -> AtOnce {
        AtOnce { conn, tenants: scope.to_string(), ahead }
    }

    /// The connection, and the tenants to bind the statement to.
    pub fn parts(&mut self) -> (&mut PgConnection, &str) {
        (&mut self.conn, &self.tenants)
    }

    /// The statement succeeded. Others see what it wrote; nobody may be told of it before
    /// [`Ahead::durable`].
    pub fn written(self) -> Ahead {
        self.conn.keep();
        self.ahead
    }
}

//! A statement that is a transaction of its own.

use sqlx::PgConnection;

use crate::lend::Lent;
use crate::tx::Scope;

/// A connection for one statement, which commits by itself and is durable when it is answered.
///
/// Nothing is open on the connection, so the statement binds itself to the tenants it works for, before
/// it touches a row: `select set_config('commonwheel.tenants', $1, true), …`. Row security refuses what
/// comes before that.
#[derive(Debug)]
pub struct AtOnce {
    conn: Lent,
    tenants: String,
}

impl AtOnce {
    pub(crate) fn new(conn: Lent, scope: &Scope) -> AtOnce {
        AtOnce { conn, tenants: scope.to_string() }
    }

    /// The connection, and the tenants to bind the statement to.
    pub fn parts(&mut self) -> (&mut PgConnection, &str) {
        (&mut self.conn, &self.tenants)
    }

    /// Gives the connection back: the statement succeeded, or none was sent.
    pub fn keep(self) {
        self.conn.keep();
    }
}

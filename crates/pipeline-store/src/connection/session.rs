//! What a MySQL or MariaDB session sets before it is used.
//!
//! An administrator may give the server other defaults than it is delivered with, and `init_connect` may change a session
//! before we see it. So a session sets whatever a statement of ours relies on, on both drivers, also what is the default
//! anyway. The values are numbers and names and never `DEFAULT`, which is what the administrator has chosen.

use std::time::Duration;

/// In one statement, so that a new connection costs one round trip. What only one of the two dialects has stands in
/// comments that only it executes.
const SETTINGS: &[&str] = &[
    // Single statements are transactions of their own, and a commit ends a transaction and nothing else.
    "autocommit = 1",
    "completion_type = 0",
    // A value that does not fit is an error and never a silently shorter value.
    "sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    // Loaded rows count only when there is no warning: those of the lowest level count too.
    "sql_notes = 1",
    // Text is UTF-8, and is compared byte for byte where no column says otherwise.
    "NAMES utf8mb4 COLLATE utf8mb4_bin",
    "time_zone = '+00:00'",
    // Queries give all their rows, in an order that looks at the whole of an id, and updates reach all that match.
    "sql_select_limit = 18446744073709551615",
    "sql_big_selects = 1",
    "max_sort_length = 1024",
    "sql_safe_updates = 0",
    "sql_auto_is_null = 0",
    // The ledger's keys are its promises.
    "unique_checks = 1",
    "foreign_key_checks = 1",
    // The time of a statement is bounded by `target.statement_timeout_ms`, on our side.
    "/*M! max_statement_time = 0, */ /*!80000 max_execution_time = 0, */ net_read_timeout = 30",
    "net_write_timeout = 60",
    // A lock is waited for 10 s and not 50, or a day for a table: no transaction of ours is that long, so whoever holds it
    // is frozen or gone, or copies the whole database, and the stage should say so.
    "innodb_lock_wait_timeout = 10",
    "lock_wait_timeout = 10",
];

/// READ COMMITTED: transactions lock the rows that they change and no gaps between them, so that batches of one service
/// do not block each other. The ledger never relies on reading the same thing twice.
const TRANSACTIONS: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";

/// The statements that prepare a session.
///
/// `silence`: time after which the server ends a session that says nothing, open transaction or not. Its own default is
/// eight hours, so that a worker that was frozen, or whose link is gone without a word, would keep its locks as long.
pub(super) fn preparation(silence: Duration) -> Vec<String> {
    let settings = format!("SET {}, wait_timeout = {}", SETTINGS.join(", "), silence.as_secs());
    vec![settings, TRANSACTIONS.to_owned()]
}

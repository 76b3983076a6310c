//! Transactions of the target and calls to the source: their spans below a message, and their metrics.
//!
//! The spans exist only below a span that is exported or may be. A turn of a timer that finds nothing to do is no trace.

use std::time::{Duration, Instant};

use tracing::{Span, field::Empty, info_span};

use crate::{
    metrics::{DATABASE_DURATION, DATABASE_FAILURES, SOURCE_DURATION, SOURCE_FAILURES},
    names,
};

/// The span of one transaction, or of statements over one connection. It ends when it is dropped.
#[derive(Debug)]
pub struct TransactionSpan {
    span: Span,
    operation: &'static str,
    begun: Instant,
    statements: u64,
    returned: u64,
    changed: u64,
    lock_wait: Duration,
    /// The table in which most rows were changed, and how many.
    table: Option<(String, u64)>,
}

/// A statement that is not answered yet.
#[derive(Debug)]
pub struct Statement {
    table: Option<String>,
    takes_lock: bool,
    begun: Instant,
}

/// The span of one call to the source. It ends when it is dropped.
#[derive(Debug)]
pub struct SourceSpan {
    span: Span,
    operation: &'static str,
    begun: Instant,
}

// === impl TransactionSpan ===

impl TransactionSpan {
    /// A transaction that does `operation` in a database of `system`, such as `mysql`.
    /// `namespace` is the database's name.
    pub fn new(system: &'static str, namespace: impl FnOnce() -> String, operation: &'static str) -> Self {
        let span = if super::is_traced() {
            info_span!(
                "transaction",
                { names::OTEL_NAME } = operation,
                { names::OTEL_KIND } = "client",
                { names::OTEL_STATUS } = Empty,
                { names::DB_SYSTEM } = system,
                { names::DB_NAMESPACE } = namespace(),
                { names::DB_OPERATION } = operation,
                { names::DB_COLLECTION } = Empty,
                { names::DB_STATEMENTS } = Empty,
                { names::DB_RETURNED } = Empty,
                { names::DB_CHANGED } = Empty,
                { names::DB_LOCK_WAIT } = Empty,
                { names::DB_COMMITTED } = Empty,
                { names::ERROR_TYPE } = Empty,
            )
        } else {
            Span::none()
        };
        Self {
            span,
            operation,
            begun: Instant::now(),
            statements: 0,
            returned: 0,
            changed: 0,
            lock_wait: Duration::ZERO,
            table: None,
        }
    }

    /// A statement begins. To be given back when it has been answered.
    pub fn begin(&self, sql: &str) -> Option<Statement> {
        if self.span.is_none() {
            return None;
        }
        Some(Statement { table: table(sql).map(str::to_owned), takes_lock: takes_lock(sql), begun: Instant::now() })
    }

    /// A statement changed so many rows.
    pub fn changed(&mut self, statement: Option<Statement>, rows: u64) {
        let Some(table) = self.answered(statement) else { return };
        self.changed += rows;
        if rows > self.table.as_ref().map_or(0, |(_, most)| *most) {
            self.table = table.map(|table| (table, rows));
        }
    }

    /// A statement gave so many rows.
    pub fn returned(&mut self, statement: Option<Statement>, rows: u64) {
        if self.answered(statement).is_some() {
            self.returned += rows;
        }
    }

    /// The table of the statement, if this is traced.
    fn answered(&mut self, statement: Option<Statement>) -> Option<Option<String>> {
        let Statement { table, takes_lock, begun } = statement?;
        self.statements += 1;
        if takes_lock {
            self.lock_wait += begun.elapsed();
        }
        Some(table)
    }

    /// So long it waited for its turn to write.
    pub fn waited(&mut self, waited: Duration) {
        self.lock_wait += waited;
    }

    /// It failed with the code of an error.
    pub fn failed(&self, code: &str) {
        ::metrics::counter!(DATABASE_FAILURES, "operation" => self.operation).increment(1);
        self.span.record(names::ERROR_TYPE, code);
        self.span.record(names::OTEL_STATUS, "ERROR");
    }

    /// It was committed.
    pub fn committed(&self) {
        self.span.record(names::DB_COMMITTED, true);
    }
}

impl Drop for TransactionSpan {
    fn drop(&mut self) {
        ::metrics::histogram!(DATABASE_DURATION, "operation" => self.operation)
            .record(self.begun.elapsed().as_secs_f64());
        if self.span.is_none() {
            return;
        }
        self.span.record(names::DB_STATEMENTS, self.statements);
        self.span.record(names::DB_RETURNED, self.returned);
        self.span.record(names::DB_CHANGED, self.changed);
        self.span.record(names::DB_LOCK_WAIT, u64::try_from(self.lock_wait.as_millis()).unwrap_or(u64::MAX));
        if let Some((table, _)) = &self.table {
            self.span.record(names::DB_COLLECTION, table.as_str());
        }
    }
}

/// The table that a statement of ours changes.
fn table(sql: &str) -> Option<&str> {
    let mut words = sql.split_ascii_whitespace();
    match words.next()? {
        "UPDATE" => words.next(),
        "INSERT" | "REPLACE" | "DELETE" | "LOAD" => {
            let table = words
                .skip_while(|word| !matches!(*word, "INTO" | "FROM" | "TABLE"))
                .find(|word| !matches!(*word, "INTO" | "FROM" | "TABLE"))?;
            Some(table.split('(').next().unwrap_or(table))
        }
        _ => None,
    }
}

/// Whether a statement waits for whoever holds the rows.
fn takes_lock(sql: &str) -> bool {
    // Statements with rows are long, and none of them waits for a lock on purpose.
    sql.starts_with("SELECT")
        && [" FOR UPDATE", " FOR SHARE", " LOCK IN SHARE MODE"].iter().any(|lock| sql.contains(lock))
}

// === impl SourceSpan ===

impl SourceSpan {
    /// A call at a source of `system`, such as `couchbase`, that does `operation`, such as `read bundles`, with `collection`.
    pub fn new(system: &'static str, operation: &'static str, collection: &'static str, service: Option<&str>) -> Self {
        let span = if super::is_traced() {
            info_span!(
                "source",
                { names::OTEL_NAME } = operation,
                { names::OTEL_KIND } = "client",
                { names::OTEL_STATUS } = Empty,
                { names::DB_SYSTEM } = system,
                { names::DB_OPERATION } = operation,
                { names::DB_COLLECTION } = collection,
                { names::DB_SUMMARY } = operation,
                { names::SERVICE_ID } = service,
                { names::DB_RETURNED } = Empty,
                { names::ERROR_TYPE } = Empty,
            )
        } else {
            Span::none()
        };
        Self { span, operation, begun: Instant::now() }
    }

    /// The span, to instrument the call with.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// So many documents were answered.
    pub fn returned(&self, documents: u64) {
        self.span.record(names::DB_RETURNED, documents);
    }

    /// It failed with the code of an error.
    pub fn failed(&self, code: &str) {
        ::metrics::counter!(SOURCE_FAILURES, "operation" => self.operation).increment(1);
        self.span.record(names::ERROR_TYPE, code);
        self.span.record(names::OTEL_STATUS, "ERROR");
    }
}

impl Drop for SourceSpan {
    fn drop(&mut self) {
        ::metrics::histogram!(SOURCE_DURATION, "operation" => self.operation)
            .record(self.begun.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::{table, takes_lock};

    #[test]
    fn the_table_of_a_statement_is_the_one_that_it_changes() {
        let tables = [
            ("UPDATE sluice_run SET state = ? WHERE run_id = ?", Some("sluice_run")),
            ("INSERT INTO sluice_run_batch (run_id) VALUES (?)", Some("sluice_run_batch")),
            ("INSERT IGNORE INTO sluice_content_bundle(content_id) VALUES (?)", Some("sluice_content_bundle")),
            ("DELETE FROM sluice_content_field WHERE content_id = ?", Some("sluice_content_field")),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE sluice_content_field (a)", Some("sluice_content_field")),
            ("SELECT state FROM sluice_run", None),
            ("", None),
        ];
        for (sql, expected) in tables {
            assert_eq!(table(sql), expected, "{sql}");
        }
        assert!(takes_lock("SELECT 1 FROM sluice_run WHERE run_id = ? FOR UPDATE"));
        assert!(!takes_lock("SELECT 1 FROM sluice_run"));
    }
}

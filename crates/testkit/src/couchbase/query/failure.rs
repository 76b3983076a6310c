//! The server's own error codes and texts, with the HTTP status that goes with each before rows have been sent.

use serde_json::{Value, json};

/// An error as the query service reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::couchbase) struct Failure {
    pub http: u16,
    pub code: u32,
    pub message: String,
    pub retry: bool,
}

// === impl Failure ===

impl Failure {
    fn new(http: u16, code: u32, message: impl Into<String>) -> Self {
        Self { http, code, message: message.into(), retry: false }
    }

    pub fn json(&self) -> Value {
        let Self { code, message, retry, .. } = self;
        if *retry {
            json!({ "code": code, "msg": message, "retry": true })
        } else {
            json!({ "code": code, "msg": message })
        }
    }

    pub fn read_only() -> Self {
        Self::new(403, 1000, "The server or request is read-only and cannot accept this write statement.")
    }

    pub fn missing_statement() -> Self {
        Self::new(400, 1050, "No statement or prepared value")
    }

    pub fn unrecognized_parameter(name: &str) -> Self {
        Self::new(400, 1065, format!("Unrecognized parameter in request: {name}"))
    }

    pub fn type_mismatch(name: &str, expected: &str) -> Self {
        Self::new(400, 1070, format!("{name} parameter has to be a {expected}"))
    }

    pub fn timeout(after: &str) -> Self {
        Self { retry: true, ..Self::new(200, 1080, format!("Timeout {after} exceeded")) }
    }

    pub fn unavailable() -> Self {
        Self { retry: true, ..Self::new(503, 1181, "Service is shut down") }
    }

    pub fn rate_exceeded() -> Self {
        Self::new(429, 1192, "User has exceeded request rate limit")
    }

    pub fn queue_full() -> Self {
        Self { retry: true, ..Self::new(429, 1201, "Request queue full") }
    }

    pub fn syntax(line: usize, column: usize, near: &str, at: &str) -> Self {
        let place = format!("syntax error - line {line}, column {column}, near '{near}', at: {at}");
        Self::new(400, 3000, place)
    }

    pub fn no_index(bucket: &str, scope: &str, collection: &str) -> Self {
        let keyspace = format!("`default`:`{bucket}`.`{scope}`.`{collection}`");
        let text = format!(
            "No index available on keyspace {keyspace} that matches your query. Use CREATE PRIMARY INDEX ON {keyspace} \
             to create a primary index, or check that your expected index is online."
        );
        Self::new(404, 4000, text)
    }

    pub fn no_such_prepared(name: &str) -> Self {
        Self::new(404, 4040, format!("No such prepared statement: {name}"))
    }

    pub fn missing_argument(name: &str) -> Self {
        Self::new(200, 5010, format!("Error evaluating filter - cause: No value for named parameter {name}"))
    }

    pub fn bad_limit(value: &str) -> Self {
        Self::new(200, 5015, format!("Invalid LIMIT value {value}."))
    }

    pub fn unauthorized() -> Self {
        Self::new(401, 10000, "Authentication failure. Use valid credentials.")
    }

    pub fn no_keyspace(path: &str) -> Self {
        Self::new(424, 12003, format!("Keyspace not found in CB datastore: default:{path}"))
    }

    pub fn dropped_index(index: &str) -> Self {
        Self::new(200, 12016, format!("Index Not Found - cause: queryport.indexNotFound - index: {index}"))
    }

    pub fn no_bucket(bucket: &str) -> Self {
        Self::new(
            424,
            12003,
            format!("Keyspace not found in CB datastore: default:{bucket} - cause: No bucket named {bucket}"),
        )
    }

    pub fn no_scope(bucket: &str, scope: &str) -> Self {
        Self::new(500, 12021, format!("Scope not found in CB datastore default:{bucket}.{scope}"))
    }

    pub fn forbidden(path: &str) -> Self {
        let text = format!(
            "User does not have credentials to run SELECT queries on default:{path}. Add role query_select on \
             default:{path} to allow the statement to run."
        );
        Self::new(401, 13014, text)
    }

    pub fn custom(code: u32, message: &str) -> Self {
        Self::new(200, code, message)
    }
}

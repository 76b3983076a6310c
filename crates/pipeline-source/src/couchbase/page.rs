//! One statement, one page: its rows, complete and in order, or an error.
//!
//! Three things bound the wait: the statement as a whole, each row, and before both the connection. A page is taken
//! only when the server says that the statement succeeded, because a statement that is stopped gives the rows it had
//! and no error. Rows are kept as text, so that numbers keep their digits.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use couchbase::{
    error::ErrorKind,
    options::query_options::{QueryOptions, ScanConsistency},
    results::query_results::{QueryResult, QueryStatus},
};
use futures::StreamExt;
use pipeline_model::{
    documents::{FaultCode, Level},
    ids::ProviderId,
};
use pipeline_settings::settings;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, timeout_at};

use super::{
    connection::Connection,
    fault::Attempt,
    limits::Limits,
    statements::Statement,
    subtrees::{Place, whole},
};
use crate::{Error, mapping::Violation};

/// What the server's own time-out has in hand over ours: its answer says more than silence does. The client sends a
/// prepared statement that failed a second time, so the wait is for two of them.
const GRACE: Duration = Duration::from_millis(1_000);
/// Forgotten names are not used again before so many others; by then the client is a new one.
const MAX_NAMES: usize = 10_000;
/// A page ends with the row that passes so many bytes; the rest is asked for again. Memory is bounded by it, however
/// large documents are.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// A document as it was read.
#[derive(Debug)]
pub struct Row {
    /// Its key, if the row has one.
    pub key: Option<String>,
    /// Its version.
    pub cas: Option<i64>,
    /// Its text; `null` when the row has none.
    pub document: Box<RawValue>,
    /// Why the row cannot be used, whatever its document is.
    pub flaw: Option<&'static str>,
}

/// Rows in the order of their keys.
#[derive(Debug, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// There were more when the page was full.
    pub is_full: bool,
}

/// What a statement is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a> {
    /// `$service`.
    pub service: Option<&'a str>,
    /// `$providers`.
    pub providers: Option<&'a [ProviderId]>,
}

/// Reads pages.
pub struct Reader {
    /// The connection.
    pub connection: Connection,
    /// What may be asked of the cluster.
    pub limits: Limits,
    /// Time-outs, page size and consistency.
    pub settings: settings::Couchbase,
    /// How often the server has forgotten what was prepared.
    pub forgotten: AtomicUsize,
}

/// A row as the server sends it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text(Box<RawValue>);

/// What a row ought to be. A statement of the settings may select anything, so every value is one to look at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    #[serde(rename = "_id")]
    key: Value,
    #[serde(rename = "_cas")]
    cas: Value,
    doc: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Counted {
    n: Option<i64>,
}

#[derive(Deserialize)]
struct Now {
    now: f64,
}

impl Reader {
    /// The documents behind a key, at most as many as a page has.
    pub async fn page(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
        after: &str,
        limit: u32,
    ) -> Result<Page, Error> {
        let attempt = self.attempt(statement);
        let mut options = self.options(&attempt, parameters, after)?;
        options = options.add_named_parameter("limit", limit).map_err(|error| attempt.failed(&error))?;
        let mut bytes = 0;
        let page_bytes = |row: &Text| {
            bytes += row.0.get().len();
            bytes < PAGE_BYTES
        };
        let (sent, whole) = self.rows::<Text>(&attempt, options.ad_hoc(false), page_bytes).await?;
        let is_full = !whole || u32::try_from(sent.len()).is_ok_and(|length| length >= limit);
        let page = Page { rows: sent.iter().map(|text| Row::of(text.0.get())).collect(), is_full };
        page.check_order(after).map_err(|reason| attempt.row(reason))?;
        Ok(page)
    }

    /// The one number that a counting statement gives; nothing counts as 0.
    pub async fn count(&self, statement: &Statement, parameters: Parameters<'_>, after: &str) -> Result<i64, Error> {
        let attempt = self.attempt(statement);
        let options = self.options(&attempt, parameters, after)?;
        let (rows, _) = self.rows::<Counted>(&attempt, options.ad_hoc(false), |_| true).await?;
        Ok(rows.first().and_then(|row| row.n).unwrap_or_default())
    }

    /// The time of the query service, in milliseconds since 1970. Touches no collection.
    pub async fn now(&self, text: &str) -> Result<f64, Error> {
        let statement = Statement { text: text.to_owned(), collection: String::new(), index: Vec::new() };
        let attempt = self.attempt(&statement);
        let options = QueryOptions::new().read_only(true).server_timeout(self.statement_timeout());
        let (rows, _) = self.rows::<Now>(&attempt, options, |_| true).await?;
        rows.first().map(|row| row.now).ok_or_else(|| attempt.row("the time is missing"))
    }

    fn attempt<'a>(&'a self, statement: &'a Statement) -> Attempt<'a> {
        Attempt { connection: &self.connection, collection: &statement.collection, statement: Some(statement) }
    }

    fn options(&self, attempt: &Attempt<'_>, parameters: Parameters<'_>, after: &str) -> Result<QueryOptions, Error> {
        let consistency = match self.settings.scan_consistency {
            settings::ScanConsistency::NotBounded => ScanConsistency::NotBounded,
            settings::ScanConsistency::RequestPlus => ScanConsistency::RequestPlus,
        };
        let mut options =
            QueryOptions::new().read_only(true).scan_consistency(consistency).server_timeout(self.statement_timeout());
        let failed = |error| attempt.failed(&error);
        options = options.add_named_parameter("after", after).map_err(failed)?;
        let uses = |name| attempt.statement.is_some_and(|statement| statement.uses(name));
        if let Some(service) = parameters.service.filter(|_| uses("$service")) {
            options = options.add_named_parameter("service", service).map_err(failed)?;
        }
        if let Some(providers) = parameters.providers.filter(|_| uses("$providers")) {
            let ids: Vec<&str> = providers.iter().map(ProviderId::as_str).collect();
            options = options.add_named_parameter("providers", ids).map_err(failed)?;
        }
        Ok(options)
    }

    /// The rows of an answer until one is not wanted any more, and whether the answer came to its end.
    async fn rows<T: DeserializeOwned + Send + Sync>(
        &self,
        attempt: &Attempt<'_>,
        options: QueryOptions,
        mut more: impl FnMut(&T) -> bool + Send,
    ) -> Result<(Vec<T>, bool), Error> {
        let scope = &self.connection.get().await?.scope;
        let _place = self.limits.enter().await;
        let deadline = Instant::now() + self.statement_timeout() * 2 + GRACE;
        let text = attempt.statement.map(|statement| statement.text.as_str()).unwrap_or_default();
        let ask = async {
            let forgotten = self.forgotten.load(Ordering::Relaxed);
            match scope.query(under_another_name(text, forgotten), options.clone()).await {
                Err(error) if *error.kind() == ErrorKind::PreparedStatementFailure => {
                    // Whoever comes first counts for all who meet the same loss.
                    self.forgotten.fetch_max(forgotten + 1, Ordering::Relaxed);
                    scope.query(under_another_name(text, forgotten + 1), options).await
                }
                result => result,
            }
        };
        let mut result = match timeout_at(deadline, ask).await {
            Ok(result) => result.map_err(|error| attempt.failed(&error))?,
            Err(_) => return Err(self.why_silent(attempt).await),
        };
        let (rows, whole) = self.collect(attempt, &mut result, deadline, &mut more).await?;
        if whole {
            check_status(attempt, &result)?;
        }
        Ok((rows, whole))
    }

    async fn collect<T: DeserializeOwned + Send + Sync>(
        &self,
        attempt: &Attempt<'_>,
        result: &mut QueryResult,
        deadline: Instant,
        more: &mut (impl FnMut(&T) -> bool + Send),
    ) -> Result<(Vec<T>, bool), Error> {
        let row_timeout = Duration::from_millis(self.settings.row_timeout_ms.into());
        let mut stream = result.rows::<T>();
        let mut rows = Vec::new();
        loop {
            let next = match timeout_at(deadline.min(Instant::now() + row_timeout), stream.next()).await {
                Ok(next) => next,
                Err(_) if Instant::now() >= deadline => return Err(self.statement_timed_out(attempt)),
                Err(_) => {
                    return Err(attempt.timed_out("source.couchbase.row_timeout_ms", self.settings.row_timeout_ms));
                }
            };
            match next {
                None => return Ok((rows, true)),
                Some(Err(error)) if is_undecodable(&error) => return Err(attempt.row(error.kind())),
                Some(Err(error)) => return Err(attempt.failed(&error)),
                Some(Ok(row)) => {
                    let goes_on = more(&row);
                    rows.push(row);
                    if !goes_on {
                        return Ok((rows, false));
                    }
                }
            }
        }
    }

    /// A cluster that says nothing to a statement may have a reason that it tells a newcomer.
    async fn why_silent(&self, attempt: &Attempt<'_>) -> Error {
        match self.connection.preflight().await {
            Ok(()) => self.statement_timed_out(attempt),
            Err(reason) => reason,
        }
    }

    fn statement_timed_out(&self, attempt: &Attempt<'_>) -> Error {
        attempt.timed_out("source.couchbase.statement_timeout_ms", self.settings.statement_timeout_ms)
    }

    fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.settings.statement_timeout_ms.into())
    }
}

impl Page {
    /// The key behind which the next page begins.
    pub fn last_key(&self) -> Option<&str> {
        self.rows.iter().rev().find_map(|row| row.key.as_deref())
    }

    /// Refuses an answer that the next page could not go on behind: reading it would never end, or lose documents.
    fn check_order(&self, after: &str) -> Result<(), &'static str> {
        let mut last = after;
        for key in self.rows.iter().filter_map(|row| row.key.as_deref()) {
            // The first page begins behind the empty key, which no document has.
            if key <= last {
                return Err("the rows are not in the order of their keys, or do not begin behind `$after`");
            }
            last = key;
        }
        if self.is_full && self.last_key().is_none() {
            return Err("a whole page has no row with a key, so nothing says where the next one begins");
        }
        Ok(())
    }
}

impl Row {
    /// A row that is not what a statement ought to give is a flawed one: its document is rejected, and no other.
    fn of(row: &str) -> Self {
        let (sent, flaw) = match serde_json::from_str::<Sent>(row) {
            Ok(sent) if row.trim_start().starts_with('{') => {
                let flaw = match (&sent.key, &sent.doc) {
                    (Value::String(_), Some(_)) => None,
                    (Value::String(_), None) => Some("the row has no `doc`"),
                    (Value::Null, _) => Some("the row has no `_id`"),
                    (_, _) => Some("the `_id` of the row is not a text"),
                };
                (sent, flaw)
            }
            Ok(_) | Err(_) => (Sent::default(), Some("the row is not an object with `_id`, `_cas` and `doc`")),
        };
        let key = if let Value::String(key) = sent.key { Some(key) } else { None };
        // A version is a time in nanoseconds; one beyond the year 2262 is not worth a column twice as wide.
        Self { key, cas: sent.cas.as_i64(), document: sent.doc.unwrap_or_else(|| RawValue::NULL.to_owned()), flaw }
    }

    /// Its document for who looks for ids only.
    pub fn bytes(&self) -> &[u8] {
        self.document.get().as_bytes()
    }

    /// Its document, to be read in full.
    pub fn whole(&self, level: Level) -> Result<&[u8], Violation> {
        match self.flaw {
            Some(flaw) => {
                let (code, reason) = (FaultCode::NotAnObject, flaw.to_owned());
                Err(Violation { level, document_id: None, code, reason })
            }
            None => whole(level, self.bytes()),
        }
    }

    /// Where it stands.
    pub fn place<'a>(&'a self, collection: &'a str) -> Place<'a> {
        Place { collection, key: self.key.as_deref().unwrap_or("?") }
    }
}

/// A client that finds its prepared statement forgotten asks for it by the forgotten name again, for ever; the same
/// statement with a space behind it is another one to it.
fn under_another_name(text: &str, times: usize) -> String {
    format!("{text}{}", " ".repeat(times % MAX_NAMES))
}

fn is_undecodable(error: &couchbase::error::Error) -> bool {
    matches!(error.kind(), ErrorKind::DecodingFailure(_))
}

fn check_status(attempt: &Attempt<'_>, result: &QueryResult) -> Result<(), Error> {
    match result.metadata().map_err(|error| attempt.failed(&error))?.status {
        QueryStatus::Success => Ok(()),
        other => Err(attempt.incomplete(&format!("{other:?}").to_lowercase())),
    }
}

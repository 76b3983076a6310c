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
use pipeline_core::{ids::ProviderId, settings};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{connection::Connection, fault::Attempt, limits::Limits, statements::Statement};
use crate::Error;

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
    /// Its key.
    pub key: String,
    /// Its version.
    pub cas: Option<i64>,
    /// Its text.
    pub document: Box<RawValue>,
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

/// As the server sends it.
#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "_id")]
    key: String,
    #[serde(rename = "_cas", default)]
    cas: Option<u64>,
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
        let page_bytes = |row: &Sent| {
            bytes += row.doc.as_ref().map_or(0, |document| document.get().len());
            bytes < PAGE_BYTES
        };
        let (sent, whole) = self.rows::<Sent>(&attempt, options.ad_hoc(false), page_bytes).await?;
        let is_full = !whole || u32::try_from(sent.len()).is_ok_and(|length| length >= limit);
        let rows = sent.into_iter().map(|sent| Row::of(sent, &attempt)).collect::<Result<Vec<_>, _>>()?;
        if rows.windows(2).any(|pair| matches!(pair, [one, next] if one.key >= next.key)) {
            return Err(attempt.row("the rows are not in the order of their keys"));
        }
        Ok(Page { rows, is_full })
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

impl Row {
    fn of(sent: Sent, attempt: &Attempt<'_>) -> Result<Self, Error> {
        let document = sent.doc.ok_or_else(|| attempt.row(format!("`{}` has no `doc`", sent.key)))?;
        // A version is a time in nanoseconds; one beyond the year 2262 is not worth a column twice as wide.
        let cas = sent.cas.and_then(|cas| i64::try_from(cas).ok());
        Ok(Self { key: sent.key, cas, document })
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

//! The query service: `POST /query/service`.
//!
//! | file | does |
//! |---|---|
//! | [`request`] | checks the parameters |
//! | [`tokens`], [`statement`] | read a statement |
//! | [`plan`], [`run`] | choose an index, and make rows |
//! | [`failure`] | the server's own errors |

use std::{io, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use self::{
    failure::Failure,
    request::Request,
    run::{Keyspace, Rows, Scan},
    statement::{Select, Statement},
};
use super::{
    Misbehaviour, SeenQuery, Server, Service,
    http::{self, Exchange},
};

mod failure;
mod plan;
mod request;
mod run;
mod statement;
mod tokens;

/// A row that is due sooner than this is not waited for: clocks are not that fine.
const TICK: Duration = Duration::from_millis(2);

/// Statements that were prepared, by name.
pub(super) type Prepared = std::collections::HashMap<String, String>;

/// An answer that can begin.
struct Answer {
    rows: Rows,
    /// The name under which the statement was prepared just now.
    prepared: Option<String>,
}

/// How an answer ends.
enum End {
    Status(&'static str),
    Error(&'static str, Failure),
}

/// Answers one request.
pub(super) async fn answer<R, W>(
    server: &Server,
    request: &http::Request,
    exchange: &mut Exchange<R, W>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let _running = server.queries.begin();
    let begun = Instant::now();
    let fault = server.faults.meet(Service::Query);
    let parsed = Request::parse(&request.body);
    match &fault {
        Some(Misbehaviour::Silent) => {
            note(server, &parsed);
            return exchange.gone().await;
        }
        Some(Misbehaviour::Slow { call, .. }) => {
            let limit = parsed.as_ref().ok().and_then(|request| request.timeout.as_ref()).map(|(limit, _)| *limit);
            exchange.wait(limit.map_or(*call, |limit| limit.min(*call))).await?;
        }
        _ => {}
    }
    note(server, &parsed);
    let ready = parsed.and_then(|query| prepare(server, request, &query, fault.as_ref()).map(|answer| (query, answer)));
    match ready {
        Ok((query, answer)) => stream(server, query, answer, fault, begun, exchange).await,
        Err(failure) => {
            let body = json!({
                "requestID": request_id(server),
                "errors": [failure.json()],
                "status": "fatal",
                "metrics": { "elapsedTime": "1ms", "executionTime": "1ms", "resultCount": 0, "resultSize": 0,
                    "errorCount": 1 },
            });
            exchange.whole(failure.http, &body.to_string()).await
        }
    }
}

/// Keeps what was asked, for the test to look at.
fn note(server: &Server, parsed: &Result<Request, Failure>) {
    let Ok(request) = parsed else { return };
    let known = request.prepared.as_ref().and_then(|name| server.prepared_statement(name));
    let statement = known.or_else(|| request.statement.clone()).unwrap_or_default();
    let statement = match statement::parse(&statement) {
        Ok(Statement::Prepare(_, text)) => text,
        _ => statement,
    };
    let (arguments, parameters) = (request.arguments.clone(), request.parameters.clone());
    server.seen.lock().expect("nobody panics while a query is noted").push(SeenQuery {
        statement,
        arguments,
        parameters,
        at: std::time::Instant::now(),
    });
}

/// Everything that can be refused before the first row.
fn prepare(
    server: &Server,
    request: &http::Request,
    query: &Request,
    fault: Option<&Misbehaviour>,
) -> Result<Answer, Failure> {
    match fault {
        Some(Misbehaviour::Unavailable) => return Err(Failure::unavailable()),
        Some(Misbehaviour::Overloaded) => return Err(Failure::queue_full()),
        Some(Misbehaviour::RateLimited) => return Err(Failure::rate_exceeded()),
        Some(Misbehaviour::WrongPassword) => return Err(Failure::unauthorized()),
        _ if !request.is_authenticated => return Err(Failure::unauthorized()),
        _ => {}
    }
    let text = match (&query.prepared, &query.statement) {
        (Some(name), _) => server.prepared_statement(name).ok_or_else(|| Failure::no_such_prepared(name))?,
        (None, statement) => statement.clone().unwrap_or_default(),
    };
    match statement::parse(&text)? {
        Statement::Select(select) => select_rows(server, query, select, fault).map(Answer::from),
        Statement::Execute(name) => {
            let text = server.prepared_statement(&name).ok_or_else(|| Failure::no_such_prepared(&name))?;
            select_rows(server, query, parsed_select(&text)?, fault).map(Answer::from)
        }
        Statement::Prepare(name, text) => {
            let select = parsed_select(&text)?;
            let name = server.keep_prepared(name, &text);
            if query.auto_execute {
                let rows = select_rows(server, query, select, fault)?;
                return Ok(Answer { rows, prepared: Some(name) });
            }
            // Planned with whatever arguments, so that a missing index or collection shows now.
            check_plan(server, query, select, fault)?;
            let row = json!({ "name": name, "text": format!("PREPARE {text}"), "encoded_plan": "", "operator": {} });
            Ok(Answer::from(Rows::Known([row.to_string()].into())))
        }
    }
}

fn parsed_select(text: &str) -> Result<Select, Failure> {
    match statement::parse(text)? {
        Statement::Select(select) => Ok(select),
        _ => Err(tokens::syntax_error(text, 0)),
    }
}

fn check_plan(server: &Server, query: &Request, select: Select, fault: Option<&Misbehaviour>) -> Result<(), Failure> {
    match select_rows(server, query, select, fault) {
        Err(failure) if failure.http != 200 => Err(failure),
        _ => Ok(()),
    }
}

fn select_rows(
    server: &Server,
    query: &Request,
    select: Select,
    fault: Option<&Misbehaviour>,
) -> Result<Rows, Failure> {
    let Some(path) = &select.from else { return Rows::constant(&select, &query.arguments) };
    let bucket = server.bucket.read().expect("nobody panics while documents change");
    let options = &server.options;
    if select.is_system {
        if path.as_slice() != ["indexes"] {
            return Err(Failure::no_keyspace(&format!("system:{}", path.join("."))));
        }
        return Rows::indexes(&bucket, &options.bucket, &select, &query.arguments);
    }
    let keyspace = resolve(path, query.context.as_ref());
    let Keyspace { bucket: name, scope, collection } = &keyspace;
    if *name != options.bucket {
        return Err(Failure::no_bucket(name));
    }
    match fault {
        Some(Misbehaviour::Forbidden) => return Err(Failure::forbidden(&keyspace.path())),
        Some(Misbehaviour::MissingIndex) => return Err(Failure::no_index(name, scope, collection)),
        Some(Misbehaviour::MissingCollection(hidden)) if hidden == collection => {
            return Err(Failure::no_keyspace(&keyspace.path()));
        }
        _ => {}
    }
    if !bucket.has_scope(scope) {
        return Err(Failure::no_scope(name, scope));
    }
    let is_list = !select.projection.iter().any(|(expression, _)| expression.is_aggregate());
    let scan = Scan::plan(&bucket, keyspace, select, query.arguments.clone())?;
    if matches!(fault, Some(Misbehaviour::Blind)) && is_list {
        return Ok(Rows::Known([].into()));
    }
    if let Some(Misbehaviour::DroppedIndex) = fault {
        return Err(Failure::dropped_index(&scan.index_name(&bucket)));
    }
    Ok(Rows::Scan(Box::new(scan)))
}

/// A collection by its full name, or relative to the query's context, or a bucket's default collection.
fn resolve(path: &[String], context: Option<&(String, String)>) -> Keyspace {
    let keyspace = |bucket: &str, scope: &str, collection: &str| Keyspace {
        bucket: bucket.to_owned(),
        scope: scope.to_owned(),
        collection: collection.to_owned(),
    };
    match (path, context) {
        ([bucket, scope, collection], _) => keyspace(bucket, scope, collection),
        ([collection], Some((bucket, scope))) => keyspace(bucket, scope, collection),
        _ => keyspace(&path.join("."), "_default", "_default"),
    }
}

/// Sends rows until they or the double's good will end.
async fn stream<R, W>(
    server: &Server,
    query: Request,
    answer: Answer,
    fault: Option<Misbehaviour>,
    begun: Instant,
    exchange: &mut Exchange<R, W>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Answer { mut rows, prepared } = answer;
    exchange.begin().await?;
    exchange.add(&format!("{{\n\"requestID\": {}", json!(request_id(server)))).await?;
    if let Some(id) = &query.client_context_id {
        exchange.add(&format!(",\n\"clientContextID\": {}", json!(id))).await?;
    }
    if let Some(name) = prepared {
        exchange.add(&format!(",\n\"prepared\": {}", json!(name))).await?;
    }
    exchange.add(",\n\"signature\": {\"*\": \"*\"},\n\"results\": [").await?;
    let row_pause = if let Some(Misbehaviour::Slow { row, .. }) = &fault { *row } else { Duration::ZERO };
    let mut due = Instant::now();
    let (mut count, mut size) = (0, 0);
    let end = loop {
        let next = rows.next(&server.bucket);
        if let Some((limit, text)) = &query.timeout
            && begun.elapsed() >= *limit
        {
            break End::Error("timeout", Failure::timeout(text));
        }
        let row = match next {
            Ok(row) => row,
            Err(failure) => break End::Error("errors", failure),
        };
        if let Some(end) = strike(fault.as_ref(), count, row.as_deref(), exchange).await? {
            break end;
        }
        let Some(row) = row else { break End::Status("success") };
        due += row_pause;
        if due > Instant::now() + TICK {
            exchange.flush().await?;
            let limit = query.timeout.as_ref().map(|(limit, _)| begun + *limit);
            exchange.wait_until(limit.map_or(due, |limit| limit.min(due))).await?;
        }
        exchange.add(if count == 0 { "\n" } else { ",\n" }).await?;
        exchange.add(&row).await?;
        count += 1;
        size += row.len();
    };
    let (status, errors, error_count) = match &end {
        End::Status(status) => (*status, String::new(), 0),
        End::Error(status, failure) => (*status, format!("\"errors\": [{}],\n", failure.json()), 1),
    };
    let elapsed = format!("{}us", begun.elapsed().as_micros());
    let metrics = json!({ "elapsedTime": elapsed, "executionTime": elapsed, "resultCount": count, "resultSize": size,
        "errorCount": error_count });
    exchange.add(&format!("\n],\n{errors}\"status\": \"{status}\",\n\"metrics\": {metrics}\n}}\n")).await?;
    exchange.end().await
}

/// Does what goes wrong at this row, or at the end if there are not as many rows.
async fn strike<R, W>(
    fault: Option<&Misbehaviour>,
    count: usize,
    row: Option<&str>,
    exchange: &mut Exchange<R, W>,
) -> io::Result<Option<End>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let is_due = |rows: &usize| count >= *rows || row.is_none();
    match fault {
        Some(Misbehaviour::Stalled { rows }) if is_due(rows) => {
            exchange.flush().await?;
            exchange.gone().await.map(|()| None)
        }
        Some(Misbehaviour::Cut { rows }) if is_due(rows) => {
            let row = row.unwrap_or_default();
            exchange.add(if count == 0 { "\n" } else { ",\n" }).await?;
            exchange.add(row.get(..row.floor_char_boundary(row.len() / 2)).unwrap_or_default()).await?;
            exchange.flush().await?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Some(Misbehaviour::Stopped { rows }) if is_due(rows) => Ok(Some(End::Status("stopped"))),
        Some(Misbehaviour::Failed { rows, code, message }) if is_due(rows) => {
            Ok(Some(End::Error("errors", Failure::custom(*code, message))))
        }
        Some(Misbehaviour::TimedOut { rows }) if is_due(rows) => {
            Ok(Some(End::Error("timeout", Failure::timeout("1s"))))
        }
        _ => Ok(None),
    }
}

fn request_id(server: &Server) -> String {
    format!("d0b1e000-0000-4000-8000-{:012x}", server.queries.total())
}

// === impl Answer ===

impl From<Rows> for Answer {
    fn from(rows: Rows) -> Self {
        Self { rows, prepared: None }
    }
}

// === impl Server ===

impl Server {
    fn prepared_statement(&self, name: &str) -> Option<String> {
        let prepared = self.prepared.lock().expect("nobody panics while a statement is prepared");
        // Clients send back the name with the node that it was prepared on.
        let bare = name.rsplit_once(']').map_or(name, |(_, bare)| bare);
        prepared.get(bare).cloned()
    }

    /// Keeps a statement under its name, or one of the server's choosing, and gives the name with the node.
    fn keep_prepared(&self, name: Option<String>, text: &str) -> String {
        let mut prepared = self.prepared.lock().expect("nobody panics while a statement is prepared");
        let known = prepared.iter().find(|(_, kept)| *kept == text).map(|(name, _)| name.clone());
        let name = name.or(known).unwrap_or_else(|| format!("prepared-{}", prepared.len() + 1));
        prepared.insert(name.clone(), text.to_owned());
        format!("[127.0.0.1:8091]{name}")
    }
}

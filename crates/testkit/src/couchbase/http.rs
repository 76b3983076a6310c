//! HTTP/1.1 as far as the official client needs it: requests with a length, answers with a length or in chunks.
//!
//! Written by hand because the double must be able to do what no HTTP library lets a server do: fall silent, or end in
//! the middle of a row.

use std::{io, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    time::{Instant, sleep_until},
};

use super::{Server, query};

/// Far more than a statement with a thousand keys.
const LARGEST_BODY: usize = 16 * 1024 * 1024;
/// An answer in chunks is sent when so much of it is ready.
const CHUNK: usize = 16 * 1024;

/// A request.
pub(super) struct Request {
    pub path: String,
    pub body: Vec<u8>,
    /// Whether it came with the right user and password, or over a connection with a client certificate.
    pub is_authenticated: bool,
    /// Whether the client wants the connection closed after the answer.
    is_last: bool,
}

/// A connection with one request to answer.
pub(super) struct Exchange<R, W> {
    reader: BufReader<R>,
    writer: W,
    /// What is ready of an answer in chunks.
    buffer: Vec<u8>,
}

/// Serves one connection until it ends.
pub(super) async fn serve<S>(server: Arc<Server>, stream: S, is_authenticated: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send,
{
    let (reader, writer) = tokio::io::split(stream);
    let mut exchange = Exchange { reader: BufReader::new(reader), writer, buffer: Vec::new() };
    while let Some(mut request) = exchange.request(&server).await? {
        request.is_authenticated |= is_authenticated;
        if request.path == "/query/service" {
            query::answer(&server, &request, &mut exchange).await?;
        } else {
            let (status, body) = manage(&server, &request);
            exchange.whole(status, &body).await?;
        }
        if request.is_last {
            return exchange.writer.shutdown().await;
        }
    }
    Ok(())
}

/// The cluster manager's pages that a client bootstraps from.
fn manage(server: &Server, request: &Request) -> (u16, String) {
    let bucket = server.options.bucket.as_str();
    if request.path == "/admin/ping" {
        return (200, "{}".to_owned());
    }
    if !request.is_authenticated {
        return (401, json!({ "errors": "unauthorized" }).to_string());
    }
    let path = request.path.split('?').next().unwrap_or_default();
    match path {
        "/pools/default/nodeServices" => (200, server.topology.config(None)),
        path if path.strip_prefix("/pools/default/b/") == Some(bucket) => (200, server.topology.config(Some(bucket))),
        path if path.strip_prefix("/pools/default/buckets/") == Some(&format!("{bucket}/scopes")) => {
            (200, manifest(server).to_string())
        }
        _ => (404, json!("Object Not Found").to_string()),
    }
}

/// Scopes and collections as the cluster manager lists them.
fn manifest(server: &Server) -> Value {
    let bucket = server.bucket.read().expect("nobody panics while documents change");
    let mut scopes: Vec<(String, Vec<Value>)> = Vec::new();
    for (scope, name, collection) in bucket.collections() {
        let entry = json!({ "name": name, "uid": format!("{:x}", collection.id), "maxTTL": 0 });
        match scopes.last_mut().filter(|(last, _)| last == scope) {
            Some((_, collections)) => collections.push(entry),
            None => scopes.push((scope.to_owned(), vec![entry])),
        }
    }
    let listed = |(number, (name, collections)): (usize, (String, Vec<Value>))| json!({ "name": name, "uid": format!("{number:x}"), "collections": collections });
    json!({ "uid": "1", "scopes": scopes.into_iter().enumerate().map(listed).collect::<Vec<_>>() })
}

// === impl Exchange ===

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Exchange<R, W> {
    async fn request(&mut self, server: &Server) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (_method, path, version) = (words.next(), words.next().unwrap_or_default().to_owned(), words.next());
        let mut is_last = version == Some("HTTP/1.0");
        let (mut length, mut is_authenticated) = (0, false);
        loop {
            let mut header = String::new();
            self.reader.read_line(&mut header).await?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                "authorization" => is_authenticated = server.is_user(value.trim()),
                "connection" => is_last |= value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        if length > LARGEST_BODY {
            return Err(io::Error::other(format!("a request of {length} bytes")));
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).await?;
        Ok(Some(Request { path, body, is_authenticated, is_last }))
    }

    /// Sends a whole answer.
    pub async fn whole(&mut self, status: u16, body: &str) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 {status} Double\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.writer.write_all(head.as_bytes()).await?;
        self.writer.write_all(body.as_bytes()).await?;
        self.writer.flush().await
    }

    /// Begins an answer in chunks.
    pub async fn begin(&mut self) -> io::Result<()> {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json; version=7.6.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.writer.write_all(head.as_bytes()).await
    }

    /// Adds to an answer in chunks.
    pub async fn add(&mut self, text: &str) -> io::Result<()> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    /// Sends what is ready.
    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.writer.write_all(format!("{:x}\r\n", self.buffer.len()).as_bytes()).await?;
            self.writer.write_all(&self.buffer).await?;
            self.writer.write_all(b"\r\n").await?;
            self.buffer.clear();
        }
        self.writer.flush().await
    }

    /// Ends an answer in chunks.
    pub async fn end(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.writer.write_all(b"0\r\n\r\n").await?;
        self.writer.flush().await
    }

    /// Waits, unless the client closes the connection first: that is an error.
    pub async fn wait_until(&mut self, due: Instant) -> io::Result<()> {
        tokio::select! {
            () = sleep_until(due) => Ok(()),
            gone = self.gone() => gone,
        }
    }

    /// Waits so long, as [`Self::wait_until`].
    pub async fn wait(&mut self, duration: Duration) -> io::Result<()> {
        self.wait_until(Instant::now() + duration).await
    }

    /// Waits until the client has closed the connection, which is an error.
    pub async fn gone(&mut self) -> io::Result<()> {
        let mut sink = [0; 64];
        while self.reader.read(&mut sink).await? > 0 {}
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

// === impl Server ===

impl Server {
    fn is_user(&self, authorization: &str) -> bool {
        let expected = BASE64.encode(format!("{}:{}", self.options.user, self.options.password));
        authorization
            .split_once(' ')
            .is_some_and(|(kind, given)| kind.eq_ignore_ascii_case("basic") && given == expected)
    }
}

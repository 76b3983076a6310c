//! The smallest HTTP client that can ask a server on loopback whether it is ready.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use crate::tls::Authority;

/// How long a server may be silent before the answer counts as none.
const PATIENCE: Duration = Duration::from_secs(5);

/// A status code and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code, such as 200.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Gets `path` from a server at `address` (`127.0.0.1:port`). HTTP/1.0, so that the body comes whole and ends with the
/// connection.
pub fn get(address: &str, path: &str) -> io::Result<Answer> {
    ask(connect(address)?, address, path)
}

/// The same over TLS, from a server on loopback whose certificate is this authority's.
pub fn get_over_tls(address: &str, path: &str, authority: &Authority) -> io::Result<Answer> {
    let name = IpAddr::from(Ipv4Addr::LOCALHOST).into();
    let client = ClientConnection::new(Arc::new(authority.trusting()), name).map_err(io::Error::other)?;
    ask(StreamOwned::new(client, connect(address)?), address, path)
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask(mut stream: impl Read + Write, address: &str, path: &str) -> io::Result<Answer> {
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: */*\r\n\r\n")?;
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        // A server that hangs up without taking its leave of TLS has still answered.
        if bytes.is_empty() || error.kind() != io::ErrorKind::UnexpectedEof {
            return Err(error);
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("an answer without a head"))?;
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("an answer without a status"))?;
    Ok(Answer { status, body: body.to_owned() })
}

//! The frames of the memcached binary protocol: a header of 24 bytes, then extras, key and value.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Magic of a request, of one with framing extras, and of a response.
const REQUEST: u8 = 0x80;
const FLEXIBLE_REQUEST: u8 = 0x08;
const RESPONSE: u8 = 0x81;
/// Far more than the largest document of the real server, 20 MiB.
const LARGEST_BODY: usize = 32 * 1024 * 1024;

/// Operations that the double knows.
pub(super) mod opcode {
    pub const GET: u8 = 0x00;
    pub const SET: u8 = 0x01;
    pub const ADD: u8 = 0x02;
    pub const REPLACE: u8 = 0x03;
    pub const DELETE: u8 = 0x04;
    pub const NOOP: u8 = 0x0a;
    pub const HELLO: u8 = 0x1f;
    pub const SASL_LIST_MECHS: u8 = 0x20;
    pub const SASL_AUTH: u8 = 0x21;
    pub const SASL_STEP: u8 = 0x22;
    pub const SELECT_BUCKET: u8 = 0x89;
    pub const GET_CLUSTER_CONFIG: u8 = 0xb5;
    pub const GET_COLLECTION_ID: u8 = 0xbb;
    pub const GET_ERROR_MAP: u8 = 0xfe;
}

/// Statuses that the double gives.
pub(super) mod status {
    pub const SUCCESS: u16 = 0x00;
    pub const KEY_NOT_FOUND: u16 = 0x01;
    pub const KEY_EXISTS: u16 = 0x02;
    pub const INVALID: u16 = 0x04;
    pub const NO_BUCKET: u16 = 0x08;
    pub const AUTH_ERROR: u16 = 0x20;
    pub const AUTH_CONTINUE: u16 = 0x21;
    pub const NO_ACCESS: u16 = 0x24;
    pub const RATE_LIMITED: u16 = 0x33;
    pub const UNKNOWN_COMMAND: u16 = 0x81;
    pub const BUSY: u16 = 0x85;
    pub const TEMPORARY_FAILURE: u16 = 0x86;
    pub const UNKNOWN_COLLECTION: u16 = 0x88;
    pub const UNKNOWN_SCOPE: u16 = 0x8c;
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub opcode: u8,
    pub opaque: u32,
    pub cas: u64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// A response to a request.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub status: u16,
    pub cas: u64,
    pub is_json: bool,
    pub extras: Vec<u8>,
    pub value: Vec<u8>,
}

// === impl Request ===

impl Request {
    /// The next request; `None` when the client has closed the connection.
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let magic = match from.read_u8().await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            magic => magic?,
        };
        let opcode = from.read_u8().await?;
        let (framing, key) = match magic {
            REQUEST => (0, usize::from(from.read_u16().await?)),
            FLEXIBLE_REQUEST => (usize::from(from.read_u8().await?), usize::from(from.read_u8().await?)),
            other => return Err(io::Error::other(format!("a frame with magic {other:#x}"))),
        };
        let extras = usize::from(from.read_u8().await?);
        let _datatype = from.read_u8().await?;
        let _partition = from.read_u16().await?;
        let body = usize::try_from(from.read_u32().await?).map_err(io::Error::other)?;
        let opaque = from.read_u32().await?;
        let cas = from.read_u64().await?;
        let rest = body.checked_sub(framing + extras + key).filter(|_| body <= LARGEST_BODY);
        let rest = rest.ok_or_else(|| io::Error::other(format!("a frame with a body of {body} bytes")))?;
        let _framing = take(from, framing).await?;
        let _extras = take(from, extras).await?;
        let (key, value) = (take(from, key).await?, take(from, rest).await?);
        Ok(Some(Self { opcode, opaque, cas, key, value }))
    }
}

async fn take(from: &mut (impl AsyncRead + Unpin), count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

// === impl Response ===

impl Response {
    /// A response without a body.
    pub fn of(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A success with a value.
    pub fn with(value: impl Into<Vec<u8>>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    /// The bytes of the answer to this operation.
    pub fn frame(&self, opcode: u8, opaque: u32) -> Vec<u8> {
        let Self { status, cas, is_json, extras, value } = self;
        let body = u32::try_from(extras.len() + value.len()).expect("a document of less than 4 GiB");
        let mut frame = vec![RESPONSE, opcode, 0, 0];
        frame.push(u8::try_from(extras.len()).expect("extras of a few bytes"));
        frame.push(u8::from(*is_json));
        frame.extend(status.to_be_bytes());
        frame.extend(body.to_be_bytes());
        frame.extend(opaque.to_be_bytes());
        frame.extend(cas.to_be_bytes());
        frame.extend(extras);
        frame.extend(value);
        frame
    }
}

/// Splits the LEB128 collection id off a key.
pub(super) fn collection_id(key: &[u8]) -> Option<(u32, &[u8])> {
    let mut id = 0_u32;
    for (index, byte) in key.iter().enumerate().take(5) {
        let shift = 7 * u32::try_from(index).ok()?;
        id |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((id, key.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_id_takes_as_many_bytes_as_it_needs() {
        assert_eq!(collection_id(b"\x08key"), Some((8, &b"key"[..])));
        assert_eq!(collection_id(b"\x80\x01key"), Some((128, &b"key"[..])));
        assert_eq!(collection_id(b"\x80"), None);
    }
}

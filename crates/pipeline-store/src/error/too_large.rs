//! What is refused before it is sent.

/// Values that together are larger than the server accepts.
#[derive(Debug, thiserror::Error)]
#[error("the values have {bytes} bytes, and the server accepts {limit} (`max_allowed_packet`)")]
pub(crate) struct TooLarge {
    pub(crate) bytes: usize,
    pub(crate) limit: usize,
}

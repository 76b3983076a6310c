//! Strings as they are written.

/// The characters of a string that is written without escapes.
pub(super) fn unescaped(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"').filter(|inner| !has_escapes(inner))
}

pub(super) fn has_escapes(inner: &str) -> bool {
    memchr::memchr(b'\\', inner.as_bytes()).is_some()
}

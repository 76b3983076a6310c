//! What is bound to a placeholder.

use pipeline_model::{
    documents::{Attributes, Etag},
    ids::{BatchNo, Generation, ProviderId, ServiceId},
};

/// A value for a `?`. Text and bytes are borrowed: a batch's rows are never copied on their way to the driver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Int(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Null,
}

impl Value<'_> {
    /// Bytes on the wire, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Int(_) | Self::Real(_) => 8,
            Self::Text(text) => text.len().saturating_add(9),
            Self::Bytes(bytes) => bytes.len().saturating_add(9),
            Self::Null => 1,
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8; 32]> for Value<'a> {
    fn from(value: &'a [u8; 32]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Etag> for Value<'a> {
    fn from(value: &'a Etag) -> Self {
        Self::Bytes(&value.0)
    }
}

impl<'a> From<&'a ServiceId> for Value<'a> {
    fn from(value: &'a ServiceId) -> Self {
        Self::Text(value.as_str())
    }
}

impl<'a> From<&'a ProviderId> for Value<'a> {
    fn from(value: &'a ProviderId) -> Self {
        Self::Text(value.as_str())
    }
}

impl<'a> From<&'a Attributes> for Value<'a> {
    fn from(value: &'a Attributes) -> Self {
        Self::Text(value.as_str())
    }
}

impl From<Generation> for Value<'_> {
    fn from(value: Generation) -> Self {
        Self::Int(value.0)
    }
}

impl From<BatchNo> for Value<'_> {
    fn from(value: BatchNo) -> Self {
        Self::Int(i64::from(value.0))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

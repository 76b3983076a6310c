//! A message on its way to a topic.

use super::{Header, size};

/// A message to be produced.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The topic, by its contract.
    pub topic: String,
    /// The key: messages of one key stay in order, on one partition.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub payload: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<Header>,
}

// === impl Outbound ===

impl Outbound {
    /// Bytes that the message takes in a partition, about: as many as [`super::Delivery::size`] says when it is read.
    pub fn size(&self) -> usize {
        size(self.key.as_deref(), self.payload.as_deref(), &self.headers)
    }
}

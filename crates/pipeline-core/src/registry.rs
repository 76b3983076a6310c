//! The schema registry: which schema a message was written with, and whether this program may read and write it.
//!
//! | module | holds |
//! |---|---|
//! | [`client`] | [`Registry`]: ids, versions, levels and compatibility, over the Confluent API |
//! | [`codec`] | [`Codec`]: the wire format, from a record to bytes and back through schema evolution |
//! | [`datum`] | proof that bytes are a whole datum, before anything is decoded or allocated |
//! | [`compatibility`] | the compatibility levels as a pure function |
//! | [`reading`] | what one schema wrote, as another has it |
//! | [`trial`] | a proposed schema tried on messages that are there |
//! | [`server`] | [`EmbeddedRegistry`]: a small registry in memory for local mode |
//!
//! What a caller may rely on: a stage that could [`Codec::prepare`] itself can write its topics and read the newest
//! schema of those it consumes; a registry that is away is never taken for a bad message; and bytes from a topic,
//! whatever they are, give a record or an error and never a panic.

pub mod client;
pub mod codec;
pub mod compatibility;
pub mod datum;
mod error;
mod once_map;
pub mod reading;
pub mod server;
pub mod trial;

use std::fmt;

pub use client::{Compatibility, Registered, Registry, Version};
pub use codec::{Codec, DecodeError, EncodeError};
pub use compatibility::Level;
pub use error::Error;
pub use reading::Reading;
pub use server::EmbeddedRegistry;
pub use trial::Trial;

/// Number that a registry gave a schema; a message carries it in front of its datum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct SchemaId(pub u32);

impl SchemaId {
    /// The id in front of a message; `None` when it is not in the registry's format.
    pub fn of_message(bytes: &[u8]) -> Option<Self> {
        codec::split(bytes).ok().map(|(id, _)| id)
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

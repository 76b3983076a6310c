//! Rows of a copy as documents again, with what is stored beside them.

use pipeline_model::{
    documents::{Attributes, Bundle},
    ids::{Generation, ProviderId, ServiceId},
};

/// A service as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedService {
    /// Its id.
    pub service_id: ServiceId,
    /// The generation that it is read at.
    pub generation: Generation,
    /// Its name.
    pub name: Option<String>,
    /// Its other fields.
    pub attributes: Attributes,
    /// The digest stored beside the row; compare with [`digest::of_row`](crate::digest::of_row).
    pub digest: Vec<u8>,
}

/// A provider as readers see it, with everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedProvider {
    /// Its id.
    pub provider_id: ProviderId,
    /// Its name.
    pub name: Option<String>,
    /// Its other fields.
    pub attributes: Attributes,
    /// The digest stored beside the row.
    pub digest: Vec<u8>,
    /// The number of its content.
    pub content_id: i64,
    /// The digest stored for its content; compare with [`digest::of`](crate::digest::of) over `bundles`.
    pub content_digest: Vec<u8>,
    /// Bundles, and fields, that the ledger counted when the content was written.
    pub counted: (i64, i64),
    /// What the rows say.
    pub bundles: Vec<Bundle>,
    /// Rows that are part of no document, in words.
    pub damage: Vec<String>,
}

//! Where a document stands, and how large it may be.

use std::fmt::{self, Display};

use pipeline_model::documents::{FaultCode, Level};

use crate::mapping::{MAX_DOCUMENT, Violation};

/// Where a document stands: a collection and a key.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub collection: &'a str,
    pub key: &'a str,
}

/// A document that is not larger than any source may give.
pub fn whole(level: Level, document: &[u8]) -> Result<&[u8], Violation> {
    if document.len() <= MAX_DOCUMENT {
        return Ok(document);
    }
    let reason = format!("the document has more than {} MiB", MAX_DOCUMENT / 1024 / 1024);
    Err(Violation { level, document_id: None, code: FaultCode::TooLarge, reason })
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.key)
    }
}

//! What a file holds, told while it is written.

use super::Listed;
use crate::files::digest::Digest;

/// The lines of a file so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    documents: u64,
    bytes: u64,
    digest: Digest,
}

impl Tally {
    /// Adds a document and the line feed behind it.
    pub(crate) fn line(&mut self, text: &str) {
        self.documents += 1;
        self.bytes += u64::try_from(text.len() + "\n".len()).unwrap_or(u64::MAX);
        self.digest.update(text.as_bytes());
        self.digest.update(b"\n");
    }

    /// The file as a manifest lists it.
    pub(crate) fn listed(self, name: &str) -> Listed {
        let Self { documents, bytes, digest } = self;
        Listed { name: name.to_owned(), documents, bytes: Some(bytes), sha256: Some(digest.finish()) }
    }
}

//! Children by the keys that their parent lists: one read by key for each, many under way, no index.

use std::{borrow::Cow, time::Duration};

use couchbase::error::ErrorKind;
use futures::{StreamExt, TryStreamExt, stream};
use pipeline_model::documents::{FaultCode, Level};
use tokio::time::timeout;

use super::{
    fault::Attempt,
    page::{Parameters, Reader},
    statements,
};
use crate::{
    Error,
    json::{Object, Value, quoted},
    mapping::Violation,
};

/// A document that was read by its key.
#[derive(Debug)]
pub struct Child {
    /// Its key.
    pub key: String,
    /// Its version.
    pub cas: Option<i64>,
    /// Its bytes; `None` when no document has the key.
    pub document: Option<Vec<u8>>,
}

/// The keys in a list of a document; none when it has no such list. The document is sound JSON otherwise.
pub fn listed(document: &[u8], list: &str, level: Level) -> Result<Vec<String>, Violation> {
    let violation = |reason: String| Violation { level, document_id: None, code: FaultCode::WrongType, reason };
    let mut object = match Object::parse(document) {
        Ok(object) => object,
        Err(broken) => return Err(Violation { level, document_id: None, code: broken.code, reason: broken.reason }),
    };
    let Some(value) = object.take(list).filter(|value| value.raw() != "null") else { return Ok(Vec::new()) };
    let elements = value
        .elements()
        .ok_or_else(|| violation(format!("{} is {}; expected a list of keys", quoted(list), value.described())))?;
    let key = |element: Value<'_>| match element.raw().starts_with('"') {
        true => element.text().map(Cow::into_owned).map_err(|broken| violation(broken.reason)),
        false => Err(violation(format!("{} holds {}; expected keys", quoted(list), element.described()))),
    };
    elements.into_iter().map(key).collect()
}

impl Reader {
    /// The documents with these keys, in their order.
    pub async fn by_keys(&self, collection: &str, keys: Vec<String>) -> Result<Vec<Child>, Error> {
        let at_once = usize::try_from(self.settings.concurrent_reads).unwrap_or(usize::MAX);
        stream::iter(keys).map(|key| self.by_key(collection, key)).buffered(at_once).try_collect().await
    }

    async fn by_key(&self, collection: &str, key: String) -> Result<Child, Error> {
        let attempt = Attempt { connection: &self.connection, collection, statement: None };
        let documents = self.connection.get().await?.scope.collection(collection);
        let _place = self.limits.enter().await;
        let after_ms = self.settings.key_timeout_ms;
        match timeout(Duration::from_millis(after_ms.into()), documents.get(&key, None)).await {
            Err(_) => Err(self.why_no_document(&attempt, after_ms).await),
            Ok(Err(error)) if *error.kind() == ErrorKind::DocumentNotFound => {
                Ok(Child { key, cas: None, document: None })
            }
            Ok(Err(error)) => Err(attempt.failed(&error)),
            Ok(Ok(found)) => {
                let cas = i64::try_from(found.cas()).ok();
                let (bytes, _) = found.content_as_raw();
                Ok(Child { key, cas, document: Some(bytes.to_vec()) })
            }
        }
    }

    /// The client looks for a missing collection for ever; the query service tells it from silence.
    async fn why_no_document(&self, attempt: &Attempt<'_>, after_ms: u32) -> Error {
        if let Err(reason) = self.connection.preflight().await {
            return reason;
        }
        let statement = statements::count(attempt.collection);
        match self.count(&statement, Parameters::default(), "").await {
            Err(missing @ Error::MissingKeyspace { .. }) => missing,
            _ => attempt.timed_out("source.couchbase.key_timeout_ms", after_ms),
        }
    }
}

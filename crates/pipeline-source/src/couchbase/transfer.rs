//! A scope as a folder of JSON lines, and back: documents as they are, to the last digit.
//!
//! The folder has one file for each collection, in the names of the folder source, so that it can be read by it. Keys
//! are not kept; on the way back they are made of a collection and the ids. Writing is by key, so an import that was
//! cut off is simply run again.

use std::{borrow::Cow, path::Path, time::Duration};

use couchbase::transcoding;
use futures::{StreamExt, TryStreamExt, stream};
use pipeline_model::disposition::{Classify, Disposition};
use tokio::{sync::mpsc, time::timeout};

use super::{Couchbase, fault::Attempt, page::Parameters, statements, statements::Statement};
use crate::{
    Error,
    export::{File, publish_files, write_files_manifest},
    files::{
        BUNDLES, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS, collection::Collection, lines::is_blank, peek::peek,
    },
    transfer::{Progress, Transferred},
};

/// Bytes that a key may have.
const MAX_KEY: usize = 250;
/// How often one document is tried, when the cluster is busy or away.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A level on its way.
struct Part<'a> {
    file: &'static str,
    collection: &'a str,
    /// Fields that make a key, outermost first.
    ids: Vec<&'a str>,
}

impl Couchbase {
    /// Writes all documents of the scope into a folder, and a manifest of it.
    pub async fn export(&self, folder: &Path, progress: &Progress<'_>) -> Result<Transferred, Error> {
        let (mut moved, mut outputs) = (Transferred::default(), Vec::new());
        for part in self.parts() {
            let everything = statements::everything(part.collection);
            let (documents, output) = self.export_part(&part, &everything, folder, progress).await?;
            moved.add(part.file, documents);
            outputs.push(output);
        }
        let files = publish_files(folder, outputs, &self.mapping).await?;
        write_files_manifest(folder, files).await?;
        Ok(moved)
    }

    /// Stores all documents of a folder in the scope; those with the same ids are replaced.
    pub async fn import(&self, folder: &Path, progress: &Progress<'_>) -> Result<Transferred, Error> {
        let mut moved = Transferred::default();
        for part in self.parts() {
            let Some(file) = open(folder, part.file).await? else {
                if part.file == SUBSCRIPTION_FIELDS {
                    continue;
                }
                return Err(Error::MissingFile { path: folder.join(part.file).display().to_string() });
            };
            let documents = self.import_part(&part, file, progress).await?;
            moved.add(part.file, documents);
        }
        Ok(moved)
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let (names, collections) = (&self.mapping, &self.settings().collections);
        let (provider, bundle, field) = (&names.providers, &names.bundles, &names.subscription_fields);
        let mut parts = vec![
            Part::new(PROVIDER_SERVICES, &collections.provider_services, &[&names.provider_services.id]),
            Part::new(PROVIDERS, &collections.providers, &[&provider.service_id, &provider.id]),
            Part::new(BUNDLES, &collections.bundles, &[&bundle.service_id, &bundle.provider_id, &bundle.id]),
        ];
        if !collections.subscription_fields.is_empty() {
            let ids = [&field.service_id, &field.provider_id, &field.bundle_id, &field.id];
            parts.push(Part::new(SUBSCRIPTION_FIELDS, &collections.subscription_fields, &ids));
        }
        parts
    }

    async fn export_part(
        &self,
        part: &Part<'_>,
        everything: &Statement,
        folder: &Path,
        progress: &Progress<'_>,
    ) -> Result<(u64, File), Error> {
        let mut output = File::create(folder, part.file).await?;
        let mut rows = self.rows(everything, Parameters::default());
        let mut documents = 0;
        while let Some(row) = rows.try_next().await? {
            output.line(&on_one_line(row.document.get())).await?;
            documents += 1;
            progress(part.file, documents);
        }
        Ok((documents, output))
    }

    async fn import_part(&self, part: &Part<'_>, file: Collection, progress: &Progress<'_>) -> Result<u64, Error> {
        let at_once = usize::try_from(self.settings().concurrent_reads).unwrap_or(usize::MAX);
        let lines = read_lines(file);
        let stored = lines.map(|line| async move { self.store(part, &line?).await });
        let mut stored = std::pin::pin!(stored.buffer_unordered(at_once));
        let mut documents = 0;
        while let Some(()) = stored.try_next().await? {
            documents += 1;
            progress(part.file, documents);
        }
        Ok(documents)
    }

    async fn store(&self, part: &Part<'_>, text: &[u8]) -> Result<(), Error> {
        let key = part.key(text);
        let attempt = Attempt { connection: &self.reader.connection, collection: part.collection, statement: None };
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            match self.store_once(&attempt, &key, text).await {
                Err(error) if error.disposition() == Disposition::Unavailable && tries < ATTEMPTS => {
                    tracing::info!(%error, tries, "trying again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn store_once(&self, attempt: &Attempt<'_>, key: &str, text: &[u8]) -> Result<(), Error> {
        let documents = self.reader.connection.get().await?.scope.collection(attempt.collection);
        let _place = self.reader.limits.enter().await;
        let after_ms = self.settings().key_timeout_ms;
        let flags = transcoding::encode_common_flags(transcoding::DataType::Json);
        match timeout(Duration::from_millis(after_ms.into()), documents.upsert_raw(key, text, flags, None)).await {
            Ok(stored) => stored.map(drop).map_err(|error| attempt.failed(&error)),
            Err(_) => Err(attempt.timed_out("source.couchbase.key_timeout_ms", after_ms)),
        }
    }
}

impl<'a> Part<'a> {
    fn new(file: &'static str, collection: &'a str, ids: &[&'a String]) -> Self {
        Self { file, collection, ids: ids.iter().map(|id| id.as_str()).collect() }
    }

    /// `providers::service::provider`; a document that does not say whose it is, or at too great a length, has its text
    /// for an id.
    fn key(&self, text: &[u8]) -> String {
        let by_text = || format!("{}::text::{:016x}", self.collection, fingerprint(text));
        let mut key = self.collection.to_owned();
        for name in &self.ids {
            let [id] = peek(text, [*name]);
            match id.id() {
                Some(id) => key = format!("{key}::{id}"),
                None => return by_text(),
            }
        }
        if key.len() <= MAX_KEY { key } else { by_text() }
    }
}

/// FNV-1a, 64 bits.
fn fingerprint(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The file of a collection, plain or compressed, if the folder has it.
async fn open(folder: &Path, name: &'static str) -> Result<Option<Collection>, Error> {
    let folder = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || Collection::open(&folder, name));
    opened.await.map_err(|source| Error::Stopped { source })?
}

/// The lines of a file, read by a thread that is never far ahead.
fn read_lines(file: Collection) -> impl futures::Stream<Item = Result<Vec<u8>, Error>> + Send + use<> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::task::spawn_blocking(move || {
        let each = |sender: &mpsc::Sender<_>| -> Result<(), Error> {
            let path = file.path();
            let mut lines = file.lines_within(0..u64::MAX)?;
            while let Some(line) = lines.next().map_err(Error::read(path))? {
                if line.too_long {
                    return Err(Error::TooBig { path: path.display().to_string(), limit: "16 MiB in a line" });
                }
                if !is_blank(line.text) && sender.blocking_send(Ok(line.text.to_vec())).is_err() {
                    return Ok(()); // nobody listens any more
                }
            }
            Ok(())
        };
        if let Err(error) = each(&sender) {
            drop(sender.blocking_send(Err(error)));
        }
    });
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|line| (line, receiver)) })
}

/// The same JSON without white space between its values: a server may answer over several lines.
fn on_one_line(json: &str) -> Cow<'_, str> {
    if !json.contains(['\n', '\r']) {
        return Cow::Borrowed(json);
    }
    let mut line = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string || !character.is_ascii_whitespace() {
            line.push(character);
        }
        match (in_string, escaped, character) {
            (true, true, _) => escaped = false,
            (true, false, '\\') => escaped = true,
            (_, false, '"') => in_string = !in_string,
            _ => {}
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_over_several_lines_becomes_one_without_a_change_to_a_value() {
        let pretty = "{\n  \"a \\\" b\\\\\": [ 1.10 ,\r\n 1e400 ],\t\"t\": \"x  y\\n\"\n}";
        assert_eq!(on_one_line(pretty), r#"{"a \" b\\":[1.10,1e400],"t":"x  y\n"}"#);
        assert_eq!(on_one_line(r#"{ "a": 1 }"#), r#"{ "a": 1 }"#);
    }

    #[test]
    fn a_key_is_made_of_the_ids_or_of_the_text() {
        let part = Part { file: BUNDLES, collection: "bundles", ids: vec!["service_id", "provider_id", "id"] };
        assert_eq!(part.key(br#"{"id":"b","provider_id":"p","service_id":"s"}"#), "bundles::s::p::b");
        assert_eq!(part.key(b"a"), "bundles::text::af63dc4c8601ec8c");
        let long = format!(r#"{{"id":"{}","provider_id":"p","service_id":"s"}}"#, "x".repeat(255));
        assert!(part.key(long.as_bytes()).starts_with("bundles::text::"));
    }
}

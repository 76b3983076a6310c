//! A scope as a folder of JSON lines: documents as they are, to the last digit.
//!
//! The folder has one file for each collection, in the names of the folder source, so that it can be read by it. Keys are
//! not kept.

use std::{borrow::Cow, path::Path};

use futures::TryStreamExt;

use super::{Couchbase, page::Parameters, statements};
use crate::{
    Counts, Error,
    export::{File, Progress, publish_files, write_files_manifest},
    files::{BUNDLES, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS},
};

impl Couchbase {
    /// Writes all documents of the scope into a folder, and a manifest of it.
    pub async fn export(&self, folder: &Path, progress: &Progress<'_>) -> Result<Counts, Error> {
        let (mut written, mut outputs) = (Counts::default(), Vec::new());
        let collections = &self.settings().collections;
        for (file, collection, count) in [
            (PROVIDER_SERVICES, &collections.provider_services, &mut written.services),
            (PROVIDERS, &collections.providers, &mut written.providers),
            (BUNDLES, &collections.bundles, &mut written.bundles),
            (SUBSCRIPTION_FIELDS, &collections.subscription_fields, &mut written.subscription_fields),
        ] {
            // Fields that are nested in their bundles have no collection.
            if collection.is_empty() {
                continue;
            }
            let mut output = File::create(folder, file).await?;
            let everything = statements::everything(collection);
            let mut rows = self.rows(&everything, Parameters::default());
            while let Some(row) = rows.try_next().await? {
                output.line(&on_one_line(row.document.get())).await?;
                *count += 1;
                progress(file, *count);
            }
            outputs.push(output);
        }
        let files = publish_files(folder, outputs, &self.mapping).await?;
        write_files_manifest(folder, files).await?;
        Ok(written)
    }
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
}

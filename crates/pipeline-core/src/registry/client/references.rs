//! Schemas that refer to others: what they refer to is fetched and put in, so that one text says everything.

use std::collections::BTreeSet;

use pipeline_schema::Library;

use super::{Error, Registry, Version};

/// Schemas that one schema may refer to, by itself and through others; a registry has no limit of its own.
const MAX_REFERENCES: usize = 256;

/// A schema of another subject that a schema uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Reference {
    /// The name that is used.
    pub name: String,
    /// The subject that defines it.
    pub subject: String,
    /// The subject's version.
    pub version: u32,
}

// === impl Registry ===

impl Registry {
    /// The version's schema with everything that it refers to, as one text.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it is not Avro, or when a schema that it refers to is not there.
    pub async fn whole_schema(&self, subject: &str, version: &Version) -> Result<String, Error> {
        let what = format!("`{subject}` version {}", version.version);
        if let Some(kind) = version.schema_type.as_deref().filter(|kind| *kind != "AVRO") {
            return Err(Error::Unusable { what, reason: format!("its type is {kind}") });
        }
        self.with_references(&what, &version.schema, version.references.clone()).await
    }

    /// A schema's text with the definitions that it takes from others.
    pub(super) async fn with_references(
        &self,
        what: &str,
        schema: &str,
        mut asked: Vec<Reference>,
    ) -> Result<String, Error> {
        let unusable = |reason: String| Error::Unusable { what: what.to_owned(), reason };
        let (mut known, mut texts) = (BTreeSet::new(), Vec::new());
        while let Some(reference) = asked.pop() {
            if !known.insert((reference.subject.clone(), reference.version)) {
                continue;
            }
            if known.len() > MAX_REFERENCES {
                return Err(unusable(format!("it refers to more than {MAX_REFERENCES} other schemas")));
            }
            let Reference { name, subject, version } = reference;
            let found = self.version(&subject, Some(version)).await?.ok_or_else(|| {
                unusable(format!("it takes `{name}` from version {version} of `{subject}`, which is not registered"))
            })?;
            asked.extend(found.references);
            texts.push(found.schema);
        }
        let library = Library::new(texts.iter().map(String::as_str));
        Ok(library.complete(schema).map_or_else(|| schema.to_owned(), |whole| whole.text))
    }
}

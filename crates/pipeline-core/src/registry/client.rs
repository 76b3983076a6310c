//! The client of a schema registry with the Confluent API.
//!
//! A schema is always sent as compact JSON, and looked up before it is registered. Registries differ here: Confluent's
//! compares parsed schemas, Apicurio compares texts, so that the same schema with other white space would be another
//! one. Where the registry finds nothing, the subject's versions are compared as JSON before we believe it.

use std::{fmt, sync::Arc};

use apache_avro::Schema;
use pipeline_settings::settings;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, SchemaId, compatibility::Level, once_map::OnceMap, reading};

mod references;
#[cfg(test)]
mod tests;
mod transport;

pub use references::Reference;
use transport::Transport;

/// A connection to a schema registry; cheap to clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Transport,
    schemas: OnceMap<SchemaId, Arc<Stored>>,
}

/// A schema that messages are written with.
#[derive(Debug)]
pub struct Stored {
    /// The schema, with what its data's layout depends on.
    pub schema: Schema,
    /// Its text, with everything that it refers to. What the library writes of a schema is not always one.
    pub text: String,
}

/// What registering a schema came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Registered {
    /// The schema's id.
    pub id: SchemaId,
    /// Its version within the subject.
    pub version: u32,
    /// It was there before; nothing has been written.
    pub already: bool,
}

/// A registered version of a subject.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Version {
    /// The schema's id.
    pub id: SchemaId,
    /// Its number within the subject, from 1.
    pub version: u32,
    /// The schema as the registry holds it; [`Registry::whole_schema`] adds what it refers to.
    pub schema: String,
    /// Its type, when the registry says one: `AVRO` or another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// The schemas of other subjects that it uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// The registry's opinion on a schema that is not registered yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Compatibility {
    /// The schema may be registered.
    pub compatible: bool,
    /// Why not, in the registry's words.
    pub messages: Vec<String>,
}

// === impl Registry ===

impl Registry {
    /// A client of the registry that the settings name. Connects when first asked something.
    pub fn new(settings: &settings::SchemaRegistry) -> Result<Self, Error> {
        let inner = Inner { wire: Transport::new(settings)?, schemas: OnceMap::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The registry's address without credentials.
    pub fn url(&self) -> &str {
        self.inner.wire.shown()
    }

    /// Succeeds when the registry answers and lets us in. Tells best why not: unlike the library, it knows the status
    /// of an answer that did not come from the registry itself, such as a proxy's 401.
    pub async fn ping(&self) -> Result<(), Error> {
        let subjects = self.subjects().await?;
        tracing::debug!(registry = self.url(), subjects = subjects.len(), "the schema registry answers");
        Ok(())
    }

    /// The id of exactly this schema under the subject; `None` when it is not registered there. Writes nothing.
    pub async fn lookup(&self, subject: &str, schema: &str) -> Result<Option<SchemaId>, Error> {
        Ok(self.find(subject, schema).await?.map(|found| found.id))
    }

    /// Registers the schema unless it is registered already.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<Registered, Error> {
        if let Some(found) = self.find(subject, schema).await? {
            return Ok(found);
        }
        let operation = format!("register the schema of `{subject}`");
        let body = json!({ "schema": compact(subject, schema)?, "schemaType": "AVRO" });
        let path = ["subjects", subject, "versions"];
        if let Err(error) = self.inner.wire.call::<Value>(&operation, Method::POST, &path, Some(body)).await {
            // Somebody may have registered the same schema just now, which a registry may answer with a conflict too.
            if let Some(found) = self.find(subject, schema).await? {
                return Ok(found);
            }
            return Err(match error {
                Error::Refused { code, message, .. } if code / 100 == 409 || code == 409 => {
                    Error::Incompatible { subject: subject.to_owned(), reason: message }
                }
                other => other,
            });
        }
        // The answer has no version. Asking again also shows the id that a look-up will give, whoever wrote it.
        let found = self.find(subject, schema).await?;
        let found = found.ok_or_else(|| Error::NotRegistered { subject: subject.to_owned() })?;
        Ok(Registered { already: false, ..found })
    }

    /// The level that new versions of the subject are held to: its own, or else the registry's.
    pub async fn level(&self, subject: &str) -> Result<Level, Error> {
        let operation = format!("read the compatibility level of `{subject}`");
        let own: Result<LevelAnswer, Error> =
            self.inner.wire.call(&operation, Method::GET, &["config", subject], None).await;
        let answer = match own {
            Err(error) if error.is_missing() => {
                self.inner.wire.call(&operation, Method::GET, &["config"], None).await?
            }
            other => other?,
        };
        answer.level.parse().map_err(|_| self.inner.wire.nonsense(operation, format!("level `{}`", answer.level)))
    }

    /// Sets the level that new versions of the subject are held to; the subject need not exist.
    pub async fn set_level(&self, subject: &str, level: Level) -> Result<(), Error> {
        let operation = format!("set the compatibility level of `{subject}`");
        let body = json!({ "compatibility": level.as_str() });
        let _: Value = self.inner.wire.call(&operation, Method::PUT, &["config", subject], Some(body)).await?;
        Ok(())
    }

    /// The names of all subjects.
    pub async fn subjects(&self) -> Result<Vec<String>, Error> {
        self.inner.wire.call("list the subjects", Method::GET, &["subjects"], None).await
    }

    /// The numbers of the subject's versions, oldest first; empty when there is no such subject.
    pub async fn versions(&self, subject: &str) -> Result<Vec<u32>, Error> {
        let operation = format!("list the versions of `{subject}`");
        match self.inner.wire.call(&operation, Method::GET, &["subjects", subject, "versions"], None).await {
            Err(error) if error.is_missing() => Ok(Vec::new()),
            other => other,
        }
    }

    /// One version of the subject, or the newest; `None` when there is no such version.
    pub async fn version(&self, subject: &str, version: Option<u32>) -> Result<Option<Version>, Error> {
        let number = version.map_or_else(|| "latest".to_owned(), |version| version.to_string());
        let operation = format!("read a version of `{subject}`");
        let path = ["subjects", subject, "versions", &number];
        let answer: VersionAnswer = match self.inner.wire.call(&operation, Method::GET, &path, None).await {
            Err(error) if error.is_missing() => return Ok(None),
            other => other?,
        };
        match (answer.id, answer.version, answer.schema) {
            (Some(id), Some(version), Some(schema)) => {
                let references = answer.references.unwrap_or_default();
                Ok(Some(Version { id: SchemaId(id), version, schema, schema_type: answer.schema_type, references }))
            }
            _ => Err(self.inner.wire.nonsense(operation, "id, version or schema is missing".to_owned())),
        }
    }

    /// The schema of an id. Fetched once, by one request, however many ask; an id never changes its schema.
    pub async fn by_id(&self, id: SchemaId) -> Result<Arc<Stored>, Error> {
        self.inner.schemas.get_or_make(id, || self.fetch(id)).await
    }

    /// Whether the registry would take the schema as the subject's next version. Writes nothing.
    pub async fn check_compatible(&self, subject: &str, schema: &str) -> Result<Compatibility, Error> {
        let operation = format!("check the schema of `{subject}`");
        let body = json!({ "schema": compact(subject, schema)?, "schemaType": "AVRO" });
        let path = ["compatibility", "subjects", subject, "versions"];
        match self.inner.wire.call::<CompatibilityAnswer>(&operation, Method::POST, &path, Some(body)).await {
            Ok(answer) => Ok(answer.into()),
            // A subject without versions takes anything.
            Err(error) if error.is_missing() => Ok(Compatibility { compatible: true, messages: Vec::new() }),
            Err(error) => Err(error),
        }
    }

    /// Deletes a version softly: it is no version of the subject any more, while messages that were written with it stay
    /// readable. Gives false when there was no such version.
    pub async fn delete_version(&self, subject: &str, version: u32) -> Result<bool, Error> {
        let operation = format!("delete version {version} of `{subject}`");
        let path = ["subjects", subject, "versions", &version.to_string()];
        match self.inner.wire.call::<Value>(&operation, Method::DELETE, &path, None).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn fetch(&self, id: SchemaId) -> Result<Arc<Stored>, Error> {
        let operation = format!("read schema {id}");
        let path = ["schemas", "ids", &id.to_string()];
        let answer: VersionAnswer = match self.inner.wire.call(&operation, Method::GET, &path, None).await {
            Err(error) if error.is_missing() => return Err(Error::UnknownId { id }),
            other => other?,
        };
        let unusable = |reason: String| Error::Unusable { what: id.to_string(), reason };
        if let Some(kind) = answer.schema_type.filter(|kind| kind != "AVRO") {
            return Err(unusable(format!("its type is {kind}")));
        }
        let schema =
            answer.schema.ok_or_else(|| self.inner.wire.nonsense(operation, "schema is missing".to_owned()))?;
        let text = self.with_references(&id.to_string(), &schema, answer.references.unwrap_or_default()).await?;
        let schema = reading::written(&text).map_err(unusable)?;
        tracing::debug!(registry = self.url(), schema_id = id.0, "schema read");
        Ok(Arc::new(Stored { schema, text }))
    }

    async fn find(&self, subject: &str, schema: &str) -> Result<Option<Registered>, Error> {
        let operation = format!("look up the schema of `{subject}`");
        let body = json!({ "schema": compact(subject, schema)?, "schemaType": "AVRO" });
        let path = ["subjects", subject];
        match self.inner.wire.call::<VersionAnswer>(&operation, Method::POST, &path, Some(body)).await {
            Ok(answer) => match (answer.id, answer.version) {
                (Some(id), Some(version)) => Ok(Some(Registered { id: SchemaId(id), version, already: true })),
                _ => Err(self.inner.wire.nonsense(operation, "id or version is missing".to_owned())),
            },
            Err(error) if error.is_missing() => self.find_among_versions(subject, schema).await,
            Err(error) => Err(error),
        }
    }

    async fn find_among_versions(&self, subject: &str, schema: &str) -> Result<Option<Registered>, Error> {
        // A bare type name is no JSON; it is what the registry finds by itself.
        let Ok(wanted) = serde_json::from_str::<Value>(schema) else { return Ok(None) };
        for number in self.versions(subject).await?.into_iter().rev() {
            let Some(found) = self.version(subject, Some(number)).await? else { continue };
            if serde_json::from_str::<Value>(&found.schema).is_ok_and(|schema| schema == wanted) {
                return Ok(Some(Registered { id: found.id, version: found.version, already: true }));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("url", &self.url()).finish_non_exhaustive()
    }
}

// === answers ===

#[derive(Deserialize)]
struct LevelAnswer {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

/// Every answer that has a schema in it leaves out some of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionAnswer {
    id: Option<u32>,
    version: Option<u32>,
    schema: Option<String>,
    schema_type: Option<String>,
    references: Option<Vec<Reference>>,
}

/// Confluent gives `messages`, Apicurio one `reason`.
#[derive(Deserialize)]
struct CompatibilityAnswer {
    is_compatible: bool,
    #[serde(default)]
    messages: Option<Vec<String>>,
    #[serde(default)]
    reason: Option<String>,
}

impl From<CompatibilityAnswer> for Compatibility {
    fn from(answer: CompatibilityAnswer) -> Self {
        let messages = answer.messages.unwrap_or_default().into_iter().chain(answer.reason).collect();
        Self { compatible: answer.is_compatible, messages }
    }
}

/// The schema as JSON without white space, after a check that it is Avro at all.
fn compact(subject: &str, schema: &str) -> Result<String, Error> {
    let invalid = |source| Error::InvalidSchema { subject: subject.to_owned(), source: Box::new(source) };
    Schema::parse_str(schema).map_err(invalid)?;
    // What Avro parsed is JSON, but a bare type name such as `string` would not be.
    Ok(serde_json::from_str::<Value>(schema).map_or_else(|_| schema.to_owned(), |json| json.to_string()))
}

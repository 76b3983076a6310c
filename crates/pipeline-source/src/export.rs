//! Any source, written as a folder of JSON lines with the default field names.
//!
//! Makes files of any size out of the generator, for measurements with the source on disk, and a folder to change by
//! hand out of any source. Values and attributes are written as they were read, so a source and its export give the
//! same documents.

use std::path::{Path, PathBuf};

use futures::StreamExt;
use pipeline_core::{
    documents::{Attributes, Bundle, DataType, Found, Provider, Service, SubscriptionField, SubtreeContent},
    ids::{ProviderId, ServiceId},
};
use tokio::{
    fs::{self, File},
    io::{AsyncWriteExt, BufWriter},
};

use crate::{
    Counts, Error, Source,
    files::{
        BUNDLES, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS,
        manifest::{Listed, MANIFEST, Manifest, Tally},
    },
};

/// Where the subscription fields are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Into their bundles.
    Nested,
    /// Into `subscription_fields.jsonl`.
    Separate,
}

/// Providers whose subtrees are read at once.
const BATCH: usize = 50;

/// Writes all sound documents of a source into a folder, and says how many there were. Faulty ones are left out.
pub async fn to_folder(source: &dyn Source, folder: &Path, shape: Shape) -> Result<Counts, Error> {
    write(source, folder, shape).await.map(|(counts, _)| counts)
}

/// [`to_folder`] with a manifest, which is written when everything else is there.
pub(crate) async fn to_complete_folder(source: &dyn Source, folder: &Path, shape: Shape) -> Result<Counts, Error> {
    let (counts, files) = write(source, folder, shape).await?;
    write_manifest(folder, files).await?;
    Ok(counts)
}

/// Writes the manifest of a folder with these files.
pub(crate) async fn write_manifest(folder: &Path, files: Vec<Listed>) -> Result<(), Error> {
    let mut output = Output::create(folder, MANIFEST).await?;
    let text = serde_json::to_string_pretty(&Manifest::of(files));
    let text = text.map_err(|error| Error::write(&output.path)(error.into()))?;
    output.line(&text).await?;
    output.finish().await.map(drop)
}

async fn write(source: &dyn Source, folder: &Path, shape: Shape) -> Result<(Counts, Vec<Listed>), Error> {
    fs::create_dir_all(folder).await.map_err(Error::write(folder))?;
    let mut export = Export {
        services: Output::create(folder, PROVIDER_SERVICES).await?,
        providers: Output::create(folder, PROVIDERS).await?,
        bundles: Output::create(folder, BUNDLES).await?,
        fields: match shape {
            Shape::Nested => None,
            Shape::Separate => Some(Output::create(folder, SUBSCRIPTION_FIELDS).await?),
        },
        counts: Counts::default(),
    };
    let mut services = source.services();
    while let Some(service) = services.next().await {
        if let Found::Document(service) = service? {
            export.service(&service).await?;
            export.providers(source, &service.id).await?;
        }
    }
    export.finish().await
}

struct Export {
    services: Output,
    providers: Output,
    bundles: Output,
    fields: Option<Output>,
    counts: Counts,
}

impl Export {
    async fn service(&mut self, service: &Service) -> Result<(), Error> {
        self.counts.services += 1;
        let Service { id, name, attributes, .. } = service;
        let line = Line::new().text("id", id.as_str()).name(name.as_deref()).rest(attributes);
        self.services.write(line).await
    }

    async fn providers(&mut self, source: &dyn Source, service_id: &ServiceId) -> Result<(), Error> {
        let mut batches = source.providers(service_id).chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let mut ids: Vec<ProviderId> = Vec::with_capacity(BATCH);
            for found in batch {
                let Found::Document(provider) = found? else { continue };
                self.provider(&provider).await?;
                ids.push(provider.id);
            }
            for subtree in source.subtrees(service_id, &ids).await? {
                let SubtreeContent::Complete(bundles) = subtree.content else { continue };
                for bundle in &bundles {
                    self.bundle(service_id, &subtree.provider_id, bundle).await?;
                }
            }
        }
        Ok(())
    }

    async fn provider(&mut self, provider: &Provider) -> Result<(), Error> {
        self.counts.providers += 1;
        let Provider { service_id, id, name, attributes, .. } = provider;
        let line = Line::new().text("id", id.as_str()).text("service_id", service_id.as_str());
        self.providers.write(line.name(name.as_deref()).rest(attributes)).await
    }

    async fn bundle(&mut self, service_id: &ServiceId, provider_id: &ProviderId, bundle: &Bundle) -> Result<(), Error> {
        self.counts.bundles += 1;
        let Bundle { id, name, attributes, fields, .. } = bundle;
        let line = Line::new().text("id", id).text("provider_id", provider_id.as_str());
        let line = line.text("service_id", service_id.as_str()).name(name.as_deref()).rest(attributes);
        let line = match &mut self.fields {
            None => {
                let nested: Vec<String> = fields.iter().map(|f| field_line(Line::new(), f).finish()).collect();
                line.raw("subscription_fields", &format!("[{}]", nested.join(",")))
            }
            Some(output) => {
                for field in fields {
                    let line = Line::new().text("bundle_id", id).text("provider_id", provider_id.as_str());
                    output.write(field_line(line, field)).await?;
                }
                line
            }
        };
        self.counts.subscription_fields += i64::try_from(fields.len()).unwrap_or(i64::MAX);
        self.bundles.write(line).await
    }

    async fn finish(self) -> Result<(Counts, Vec<Listed>), Error> {
        let mut files = Vec::new();
        for output in [Some(self.services), Some(self.providers), Some(self.bundles), self.fields].into_iter().flatten()
        {
            files.push(output.finish().await?);
        }
        Ok((self.counts, files))
    }
}

fn field_line(line: Line, field: &SubscriptionField) -> Line {
    let SubscriptionField { id, name, value, data_type, required, position, attributes } = field;
    let line = line.text("id", id).name(name.as_deref());
    let line = match (value, data_type) {
        (None, _) => line,
        (Some(value), DataType::String) => line.text("value", value),
        (Some(value), _) => line.raw("value", value),
    };
    let line = match required {
        None => line,
        Some(required) => line.raw("required", &required.to_string()),
    };
    line.raw("position", &position.to_string()).rest(attributes)
}

// === Line ===

/// A JSON object on its way to a file.
struct Line {
    text: String,
}

impl Line {
    fn new() -> Self {
        Self { text: String::from("{") }
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &serde_json::Value::from(value).to_string())
    }

    fn name(self, name: Option<&str>) -> Self {
        match name {
            None => self,
            Some(name) => self.text("name", name),
        }
    }

    fn raw(mut self, key: &str, value: &str) -> Self {
        self.comma();
        self.text.push_str(&format!("\"{key}\":{value}"));
        self
    }

    fn rest(mut self, attributes: &Attributes) -> Self {
        let members = attributes.as_str().trim_start_matches('{').strip_suffix('}').unwrap_or_default();
        if !members.is_empty() {
            self.comma();
            self.text.push_str(members);
        }
        self
    }

    fn comma(&mut self) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
    }

    fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

// === Output ===

/// A file that gets its name when it is complete, so that nobody reads half of it.
pub(crate) struct Output {
    path: PathBuf,
    partial: PathBuf,
    name: String,
    tally: Tally,
    writer: BufWriter<File>,
}

impl Output {
    pub(crate) async fn create(folder: &Path, name: &str) -> Result<Self, Error> {
        let partial = folder.join(format!(".{name}.partial"));
        let file = File::create(&partial).await.map_err(Error::write(&partial))?;
        let (path, writer) = (folder.join(name), BufWriter::with_capacity(256 * 1024, file));
        Ok(Self { path, partial, name: name.to_owned(), tally: Tally::default(), writer })
    }

    async fn write(&mut self, line: Line) -> Result<(), Error> {
        self.line(&line.finish()).await
    }

    pub(crate) async fn line(&mut self, text: &str) -> Result<(), Error> {
        let write = async {
            self.writer.write_all(text.as_bytes()).await?;
            self.writer.write_all(b"\n").await
        };
        write.await.map_err(Error::write(&self.partial))?;
        self.tally.line(text);
        Ok(())
    }

    /// Gives the file its name, and says what it holds.
    pub(crate) async fn finish(mut self) -> Result<Listed, Error> {
        self.writer.flush().await.map_err(Error::write(&self.partial))?;
        fs::rename(&self.partial, &self.path).await.map_err(Error::write(&self.path))?;
        Ok(self.tally.listed(&self.name))
    }
}

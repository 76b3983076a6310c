//! Proof on data: the last messages of each topic, read as a program with the proposed schema would read them.

use pipeline_core::registry::{DecodeError, Error as RegistryError, Registry, Trial};
use pipeline_kafka::Delivery;
use pipeline_model::contracts;
use pipeline_schema::{Schema, Severity};
use pipeline_settings::settings::Settings;

use crate::{Error, files::SchemaFile, retained, rules::UNREADABLE, verdict::Entry};

/// What was tried on a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The topic.
    pub topic: &'static str,
    /// Messages that were read.
    pub read: i64,
    /// Of them, such as no program can read.
    pub strange: i64,
}

/// Tries each schema on the last messages of each partition of its topic; the first that fails is a finding. Messages
/// that this program cannot read either say nothing about the proposal, and are only counted.
pub(super) async fn check(
    settings: Option<&Settings>,
    files: &[SchemaFile],
    last: i64,
) -> Result<(Vec<Entry>, Vec<Tried>), Error> {
    let settings = settings.ok_or(Error::NoSettings)?;
    let registry = Registry::new(&settings.schema_registry)?;
    let (mut entries, mut tried) = (Vec::new(), Vec::new());
    for file in files {
        let Some((topic, ours)) =
            contracts::ALL.into_iter().find(|(topic, _)| contracts::subject(topic) == file.subject)
        else {
            continue;
        };
        let Some(text) = file.whole() else { continue };
        // A file that is no schema has a finding already; what only the decoder refuses has none yet.
        if file.fault.is_some() || Schema::parse(text).is_err() {
            continue;
        }
        let proposed = match Trial::new(topic, text) {
            Ok(proposed) => proposed,
            Err(error) => {
                entries.push(refused(file, &error));
                continue;
            }
        };
        let ours = Trial::new(topic, ours)?;
        let (mut read, mut strange, mut failed) = (0_i64, 0_i64, None);
        retained::each(&settings.kafka, topic, Some(last), async |delivery| {
            if failed.is_some() {
                return Ok(());
            }
            read += 1;
            let Some(error) = fault(&proposed, &registry, &delivery).await? else { return Ok(()) };
            match fault(&ours, &registry, &delivery).await? {
                Some(_) => strange += 1,
                None => failed = Some(entry(file, &delivery, &error)),
            }
            Ok(())
        })
        .await?;
        tried.push(Tried { topic, read, strange });
        entries.extend(failed);
    }
    Ok((entries, tried))
}

/// Why a message cannot be read; a registry that is away is no fault of the message.
async fn fault(trial: &Trial, registry: &Registry, delivery: &Delivery) -> Result<Option<DecodeError>, Error> {
    match trial.read(registry, delivery.payload.as_deref().unwrap_or_default()).await {
        Ok(()) => Ok(None),
        Err(DecodeError::Registry { source, .. }) => Err(source.into()),
        Err(error) => Ok(Some(error)),
    }
}

/// A schema that the stages could not start with.
fn refused(file: &SchemaFile, error: &RegistryError) -> Entry {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let message = format!("the decoder of the stages refuses the schema, so no message was tried: {error}{cause}");
    let advice = "write it so that the decoder takes it; `sluice schema check` without --topics has no complaint";
    Entry::plain(&file.subject, &file.path, UNREADABLE, Severity::Error, message, advice)
}

fn entry(file: &SchemaFile, delivery: &Delivery, error: &DecodeError) -> Entry {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let position = &delivery.position;
    let message = format!("offset {} of {} cannot be read: {error}{cause}", position.offset, position.partition);
    let advice = "keep what the message needs until it is no longer retained; `sluice schema check` names the change";
    let breakage = "a new reader cannot read what is still in the topic".to_owned();
    Entry { breakage, ..Entry::plain(&file.subject, &file.path, UNREADABLE, Severity::Error, message, advice) }
}

//! `sluice schema`: schemas are contracts. They are checked before they are merged, registered as a step of deployment,
//! and only looked up by the stages.

use clap::Subcommand;
use pipeline_settings::settings::Settings;
use schema_gate::past::Against;

use crate::{exit::Exit, failure::Failure, session::Session};

mod check;
mod diff;
mod history;
mod prune;
mod report;
mod subjects;

/// What to do with schemas.
#[derive(Debug, Subcommand)]
pub enum SchemaVerb {
    /// Check that changed schemas break neither running producers nor running consumers
    Check(check::CheckArgs),
    /// Show what changed between schemas and what came before them
    Diff(diff::DiffArgs),
    /// List the versions of each schema, with what each changed and which way it can be read
    History(history::HistoryArgs),
    /// Register the schemas of all topics, and set their compatibility levels
    Register(subjects::RegisterArgs),
    /// List the subjects with their registered versions and levels
    #[command(alias = "list")]
    Ls(subjects::ListArgs),
    /// Delete old versions that no message and no program needs
    Prune(prune::PruneArgs),
}

/// Does what the verb says.
pub async fn run(session: &Session, verb: SchemaVerb) -> Result<Exit, Failure> {
    match verb {
        SchemaVerb::Check(args) => check::run(session, args).await,
        SchemaVerb::Diff(args) => diff::run(session, args).await,
        SchemaVerb::History(args) => history::run(session, args).await,
        SchemaVerb::Prune(args) => prune::run(session, args).await,
        SchemaVerb::Register(args) => subjects::register(session, args).await,
        SchemaVerb::Ls(args) => subjects::list(session, args).await,
    }
}

/// The settings, where the past is in the registry: only then a configuration is needed.
fn settings_for(session: &Session, against: &Against) -> Result<Option<Settings>, Failure> {
    match against {
        Against::Registry => session.settings().map(Some),
        Against::Git(_) | Against::Folder(_) => Ok(None),
    }
}

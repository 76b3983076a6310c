//! `sluice schema`: schemas are contracts. They are checked before they are merged, registered as a step of deployment,
//! and only looked up by the stages.

use clap::Subcommand;
use pipeline_core::registry::Registry;
use pipeline_settings::settings::Names;

use crate::{
    exit::Exit,
    failure::Failure,
    output,
    session::{self, Session},
};

mod check;
mod diff;
mod files;
mod history;
mod past;
mod policy;
mod prune;
mod report;
mod retained;
mod subjects;

pub use subjects::register;

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
        SchemaVerb::Register(args) if args.dry_run => {
            let (registry, names) = registry(session)?;
            let subjects = subjects::plan(&registry, &names).await?;
            output::answer(&subjects, args.output.output)?;
            Ok(subjects.exit())
        }
        SchemaVerb::Register(args) => {
            let (registry, names) = registry(session)?;
            let subjects = subjects::register(&registry, &names).await?;
            output::answer(&subjects, args.output.output)?;
            Ok(subjects.exit())
        }
        SchemaVerb::Ls(args) => {
            let (registry, names) = registry(session)?;
            let subjects = subjects::list(&registry, &names).await?;
            output::answer(&subjects, args.output.output)?;
            Ok(Exit::Ok)
        }
    }
}

/// The registry, and what subjects are called in it.
fn registry(session: &Session) -> Result<(Registry, Names), Failure> {
    let settings = session.settings()?;
    let registry = Registry::new(&settings.schema_registry).map_err(|error| session::registry_failure(&error))?;
    Ok((registry, settings.kafka.names()))
}

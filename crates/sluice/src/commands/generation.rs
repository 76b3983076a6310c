//! `sluice generation`: what there is to go back to, what differs, and what may be forgotten.

use clap::Subcommand;

use crate::{exit::Exit, failure::Failure, session::Session};

mod diff;
mod list;
pub mod prune;
pub mod rollback;

/// What to do with generations.
#[derive(Debug, Subcommand)]
pub enum GenerationVerb {
    /// List the generations that are kept, newest first
    #[command(alias = "list")]
    Ls(list::ListArgs),
    /// Show what was added, changed and removed between two of them
    Diff(diff::DiffArgs),
    /// Let readers see again what they saw before the last switch
    Rollback(rollback::RollbackArgs),
    /// Delete what no kept generation can see
    Prune(prune::PruneArgs),
}

/// Does what the verb says.
pub async fn run(session: &Session, verb: GenerationVerb) -> Result<Exit, Failure> {
    match verb {
        GenerationVerb::Ls(args) => list::run(session, args).await,
        GenerationVerb::Diff(args) => diff::run(session, args).await,
        GenerationVerb::Rollback(args) => rollback::run(session, args).await,
        GenerationVerb::Prune(args) => prune::run(session, args).await,
    }
}

//! `sluice run`: start, follow, list, mend, abort and undo runs.

use std::str::FromStr;

use clap::Subcommand;
use pipeline_core::ids::RunId;
use pipeline_store::{Run, Store};

use crate::{
    exit::Exit,
    failure::Failure,
    session::{self, Session},
};

pub mod abort;
pub mod accept;
pub mod activate;
pub mod list;
pub mod report;
pub mod retry;
pub mod rollback;
pub mod show;
pub mod start;
pub mod tolerate;
pub mod wait;

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum RunVerb {
    /// Ask the stages for a new generation of the copy
    Start(start::StartArgs),
    /// Show live progress until the run ends
    Watch(wait::WatchArgs),
    /// Wait until the run ends; the exit code says how
    Wait(wait::WaitArgs),
    /// List runs, newest first
    Ls(list::ListArgs),
    /// Show one run: state, counts, rejects with their reasons
    Show(show::ShowArgs),
    /// Switch what is ready, or say what that would change for readers
    Activate(activate::ActivateArgs),
    /// Try the failed parts of an open run again
    Retry(retry::RetryArgs),
    /// Change how many rejected providers an open run may have
    Tolerate(tolerate::TolerateArgs),
    /// Accept what a held run would take out of the views
    AcceptRemovals(accept::AcceptArgs),
    /// Abort an open run: what it has not activated is undone
    Abort(abort::AbortArgs),
    /// Let readers see again what they saw before the last switch
    Rollback(rollback::RollbackArgs),
}

/// Which run: an id, or `@latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunRef {
    /// The newest run of the target.
    Latest,
    /// The run with this id.
    Id(RunId),
}

/// Does what the verb says.
pub async fn run(session: &Session, verb: RunVerb) -> Result<Exit, Failure> {
    match verb {
        RunVerb::Start(args) => start::run(session, args).await,
        RunVerb::Watch(args) => wait::watch(session, args).await,
        RunVerb::Wait(args) => wait::wait(session, args).await,
        RunVerb::Ls(args) => list::run(session, args).await,
        RunVerb::Show(args) => show::run(session, args).await,
        RunVerb::Activate(args) => activate::run(session, args).await,
        RunVerb::Retry(args) => retry::run(session, args).await,
        RunVerb::Tolerate(args) => tolerate::run(session, args).await,
        RunVerb::AcceptRemovals(args) => accept::run(session, args).await,
        RunVerb::Abort(args) => abort::run(session, args).await,
        RunVerb::Rollback(args) => rollback::run(session, args).await,
    }
}

// === impl RunRef ===

impl FromStr for RunRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "@latest" => Ok(Self::Latest),
            id => RunId::parse(id).map(Self::Id).map_err(|error| format!("{error}, or @latest")),
        }
    }
}

impl RunRef {
    /// The run's id; `@latest` is looked up.
    pub async fn id(self, store: &Store) -> Result<RunId, Failure> {
        match self {
            Self::Id(id) => Ok(id),
            Self::Latest => match store.latest_run().await.map_err(|error| session::store_failure(&error))? {
                Some(run) => Ok(run.run_id),
                None => Err(Failure::new(Exit::Failed, format!("there is no run yet in `{}`", store.describe()))
                    .hint("start one: sluice run start")),
            },
        }
    }

    /// The run, which has to be in the ledger.
    pub async fn find(self, store: &Store) -> Result<Run, Failure> {
        let id = self.id(store).await?;
        let run = store.run(id).await.map_err(|error| session::store_failure(&error))?;
        run.ok_or_else(|| {
            Failure::new(Exit::Failed, format!("there is no run {id} in `{}`", store.describe()))
                .hint("list them: sluice run ls")
        })
    }
}

//! `sluice run`: start, follow, list, mend and abort runs.

use clap::Subcommand;

pub use self::reference::RunRef;
use super::generation::rollback;
use crate::{exit::Exit, failure::Failure, session::Session};

pub mod abort;
pub mod accept;
pub mod activate;
mod eta;
pub mod history;
pub mod list;
mod reference;
pub mod report;
pub mod retry;
pub mod show;
pub mod start;
pub mod tolerate;
pub mod trace;
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
    #[command(alias = "list")]
    Ls(list::ListArgs),
    /// Show one run: state, counts, rejects with their reasons
    #[command(alias = "view")]
    Show(show::ShowArgs),
    /// Show what happened to a run, step by step, and who did it
    History(history::HistoryArgs),
    /// Show where the time of a run went, and where its trace is
    Trace(trace::TraceArgs),
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
    /// The former name of `generation rollback`
    #[command(hide = true)]
    Rollback(rollback::RollbackArgs),
}

/// Does what the verb says.
pub async fn run(session: &Session, verb: RunVerb) -> Result<Exit, Failure> {
    match verb {
        RunVerb::Start(args) => start::run(session, args).await,
        RunVerb::Watch(args) => wait::watch(session, args).await,
        RunVerb::Wait(args) => wait::wait(session, args).await,
        RunVerb::Ls(args) => list::run(session, args).await,
        RunVerb::Show(args) => show::run(session, args).await,
        RunVerb::History(args) => history::run(session, args).await,
        RunVerb::Trace(args) => trace::run(session, args).await,
        RunVerb::Activate(args) => activate::run(session, args).await,
        RunVerb::Retry(args) => retry::run(session, args).await,
        RunVerb::Tolerate(args) => tolerate::run(session, args).await,
        RunVerb::AcceptRemovals(args) => accept::run(session, args).await,
        RunVerb::Abort(args) => abort::run(session, args).await,
        RunVerb::Rollback(args) => rollback::run(session, args).await,
    }
}

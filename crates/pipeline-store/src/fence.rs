//! The fence: a worker that lost its run must not write for it.
//!
//! A message can be handled long after its run was aborted: the worker was paused, the broker redelivered, a dead
//! letter was replayed. Checking the run's state first and writing afterwards is not enough, because the run can be
//! aborted in between, and the abort would undo the rows that it sees and miss those that come later.
//!
//! So every transaction that writes for a run first takes a **shared lock** on the run's row and looks at the state
//! under that lock. An abort takes the **exclusive lock**: it waits for the writers that have passed the fence, undoes
//! what they wrote, and every writer that comes later finds the run closed. Writers do not wait for each other, since
//! shared locks agree; nothing but opening, discovery, abort and finish changes the row, so that it is never hot.
//!
//! Locks are taken in one order everywhere, so that these transactions cannot deadlock: run, service, batch, rows,
//! ordinals, pointer.

use pipeline_model::ids::{Generation, RunId};

use crate::{Error, Run, RunState, database::Session};

/// Takes the shared lock; gives whether the run is open under this generation.
pub(crate) async fn pass(session: &mut Session, run: RunId, generation: Generation) -> Result<bool, Error> {
    let sql = format!("SELECT generation, state FROM sluice_run WHERE run_id = ?{}", session.dialect().shared_lock());
    let row = session.fetch_optional(sql, &[(&run.to_string()).into()]).await?;
    match row {
        None => Ok(false),
        Some(row) => {
            let open = row.text("state")? == RunState::Running.as_str();
            Ok(open && row.optional_int("generation")? == Some(generation.0))
        }
    }
}

/// Takes the shared lock; gives the run when it is open.
pub(crate) async fn pass_open(session: &mut Session, run: RunId) -> Result<Option<(Run, Generation)>, Error> {
    let lock = session.dialect().shared_lock();
    read_locked(session, run, lock).await
}

/// Takes the exclusive lock, after all writers that passed the fence have ended; gives the run when it is open.
pub(crate) async fn close(session: &mut Session, run: RunId) -> Result<Option<(Run, Generation)>, Error> {
    let lock = session.dialect().exclusive_lock();
    read_locked(session, run, lock).await
}

async fn read_locked(
    session: &mut Session,
    run: RunId,
    lock: &'static str,
) -> Result<Option<(Run, Generation)>, Error> {
    let sql = format!("SELECT {} FROM sluice_run WHERE run_id = ?{lock}", Run::COLUMNS);
    let row = session.fetch_optional(sql, &[(&run.to_string()).into()]).await?;
    let run = row.map(|row| Run::from_row(&row)).transpose()?;
    Ok(run.filter(|run| run.state == RunState::Running).and_then(|run| {
        let generation = run.generation?;
        Some((run, generation))
    }))
}

//! Whether a run is open: some operations need one, the others have to wait until there is none.

use pipeline_model::ids::{Generation, RunId};
use pipeline_store::{Run, RunState, Store};

use crate::Error;

/// How many of the newest runs are looked at for an open one. At most one is open, and refused ones are newer.
const RECENT: u32 = 100;

/// The run that is open on the target, if any.
pub async fn run(store: &Store) -> Result<Option<Run>, Error> {
    let runs = store.runs(RECENT).await?;
    Ok(runs.into_iter().find(|run| run.state == RunState::Running))
}

/// Refuses while a run is open.
///
/// # Errors
/// [`Error::RunOpen`].
pub async fn refuse(store: &Store) -> Result<(), Error> {
    match run(store).await? {
        None => Ok(()),
        Some(run) => Err(Error::RunOpen {
            run: run.run_id,
            target: store.describe(),
            since_ms: run.started_at_ms,
            by: run.requested_by,
        }),
    }
}

/// The run, which has to be open, and the generation that it fills.
///
/// # Errors
/// [`Error::NoSuchRun`] and [`Error::NotOpen`].
pub async fn required(store: &Store, id: RunId) -> Result<(Run, Generation), Error> {
    let run = store.run(id).await?.ok_or_else(|| Error::NoSuchRun { run: id, target: store.describe() })?;
    match run.generation.filter(|_| run.state == RunState::Running) {
        Some(generation) => Ok((run, generation)),
        None => Err(Error::NotOpen { run: id, state: run.state }),
    }
}

/// The same; a run that was shown was open then.
///
/// # Errors
/// [`Error::Changed`] for one that was shown, and as above.
pub(crate) async fn still(store: &Store, id: RunId, shown: bool) -> Result<(Run, Generation), Error> {
    required(store, id).await.map_err(|error| match error {
        Error::NotOpen { run, .. } if shown => Error::ended(run),
        other => other,
    })
}

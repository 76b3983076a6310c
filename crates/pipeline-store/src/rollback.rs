//! Going back: readers see again what they saw before the last switch.
//!
//! A switch changes one small row per service and remembers in `previous` where readers were before. Nothing that an
//! older generation sees is ever changed, and pruning keeps what any pointer or its `previous` shows, so going back is
//! the same move in the other direction: one transaction over the pointers, as fast as an activation at any size.
//! The pointer and its `previous` change places. So going back twice is where one began, and no generation is lost.
//!
//! **Which services.** Those that are named; otherwise those that the newest generation switched, so that going back
//! undoes one run and nothing older.
//!
//! **Before the first generation.** A service that was switched once has no `previous`. It goes to generation 0, which
//! no row is visible at: the service leaves the views, and its pointer keeps its epoch, since epochs only grow.
//!
//! **Why the next run is right.** The open rows belong to the newest generation, wherever readers are pointed. The next
//! run compares with the open rows, writes what differs from them, and moves the pointer to a generation later than
//! all before: what is visible there are the open rows. A rollback writes no row that a run ever compares with. One
//! thing the next run has to look for: a service that had vanished and that the rollback shows again has no open row
//! any more; the discovery finds it by its pointer and removes it anew.
//!
//! **Runs and rollbacks at the same time.** A rollback is refused while a run is open: the run would move the pointers
//! forward again as it goes on, and nobody could tell what readers see. That refusal is a courtesy. What makes it safe
//! is that the pointers are locked, and moved only if each has the epoch that was shown to the person who decided: a
//! run that is opened in between waits for the pointers in its activation and then moves on from where they are; an
//! activation that was faster has raised an epoch, and the rollback is refused.

use std::collections::{BTreeMap, BTreeSet};

use pipeline_model::ids::{Generation, RunId, ServiceId};
use serde::Serialize;

use crate::{
    Error, Store,
    audit::{self, Deed},
    clock::now_ms,
    database::{Row, Session, Value},
    insert::{IN_LIST, in_list},
    operation::Operation,
};

/// The generation before all: no row is visible at it.
pub const BEFORE_THE_FIRST: Generation = Generation(0);

/// Services that the audit names; their number is written beside them.
const AUDITED: usize = 20;

/// One pointer, and where a rollback would take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The service.
    pub service_id: ServiceId,
    /// What readers see now.
    pub from: Generation,
    /// What they would see; 0 is the time before the service's first generation.
    pub to: Generation,
    /// How often the service has been switched so far.
    pub epoch: i64,
    /// Readers see the service now.
    pub visible: bool,
    /// Readers would see the service.
    pub visible_after: bool,
}

/// What an attempt to go back came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolledBack {
    /// All pointers of the plan were moved.
    Done,
    /// A run is open; nothing was moved.
    RunOpen(RunId),
    /// This service was switched since the plan was made; nothing was moved.
    Moved(ServiceId),
}

impl Store {
    /// Where a rollback would take the pointers of these services, in byte order; when none is named, of those that the
    /// newest generation switched. A service without a pointer is not in the answer.
    pub async fn plan_rollback(&self, services: &[ServiceId]) -> Result<Vec<Move>, Error> {
        let mut session = self.database.session(Operation::new("plan", "rollback")).await?;
        let named: BTreeSet<&ServiceId> = services.iter().collect();
        let rows = session
            .fetch_all(
                "SELECT a.service_id, a.generation, COALESCE(a.previous, 0) AS previous, a.epoch, \
                 (SELECT COUNT(*) FROM sluice_provider_service_version s WHERE s.service_id = a.service_id \
                  AND s.valid_from <= a.generation AND s.valid_to > a.generation) AS visible, \
                 (SELECT COUNT(*) FROM sluice_provider_service_version s WHERE s.service_id = a.service_id \
                  AND s.valid_from <= COALESCE(a.previous, 0) AND s.valid_to > COALESCE(a.previous, 0)) \
                  AS visible_after \
                 FROM sluice_active_generation a ORDER BY a.service_id",
                &[],
            )
            .await?;
        let moves = rows.into_iter().map(|row| Move::from_row(&row)).collect::<Result<Vec<_>, _>>()?;
        if named.is_empty() {
            return Ok(of_the_newest(moves));
        }
        Ok(moves.into_iter().filter(|each| named.contains(&each.service_id)).collect())
    }

    /// Moves the pointers as planned, all or none, and writes down who did it and why.
    pub async fn roll_back(&self, plan: &[Move], who: &str, why: &str) -> Result<RolledBack, Error> {
        let mut session = self.database.begin(Operation::new("roll back", "pointers")).await?;
        if let Some(run) = open_run(&mut session).await? {
            return Ok(RolledBack::RunOpen(run));
        }
        let mut services: Vec<&str> = plan.iter().map(|each| each.service_id.as_str()).collect();
        services.sort_unstable();
        let mut epochs = BTreeMap::new();
        for ids in services.chunks(IN_LIST) {
            epochs.extend(locked_epochs(&mut session, ids).await?);
        }
        if let Some(moved) = plan.iter().find(|each| epochs.get(&each.service_id) != Some(&each.epoch)) {
            return Ok(RolledBack::Moved(moved.service_id.clone()));
        }

        // Services that went forward together go back together: one statement for hundreds of them.
        let mut groups: BTreeMap<(Generation, Generation), Vec<&str>> = BTreeMap::new();
        for each in plan {
            groups.entry((each.from, each.to)).or_default().push(each.service_id.as_str());
        }
        let now = now_ms();
        for ((from, to), services) in groups {
            for ids in services.chunks(IN_LIST) {
                move_back(&mut session, from, to, ids, now).await?;
            }
        }
        let subject: Vec<&str> = services.iter().take(AUDITED).copied().collect();
        let result = match services.len() {
            1 => "1 service rolled back".to_owned(),
            number => format!("{number} services rolled back"),
        };
        let deed = Deed { who, what: "generation rollback", subject: &subject.join(", "), why, result: &result };
        audit::record(&mut session, &deed).await?;
        session.commit().await?;
        Ok(RolledBack::Done)
    }
}

impl Move {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            service_id: ServiceId(row.text("service_id")?),
            from: Generation(row.int("generation")?),
            to: Generation(row.int("previous")?),
            epoch: row.int("epoch")?,
            visible: row.int("visible")? > 0,
            visible_after: row.int("visible_after")? > 0,
        })
    }
}

/// The services that show the newest generation; when a rollback has taken them all away from it, those that came from
/// it. A service that was not part of the newest run is not part of undoing it: one that vanished long ago stays away.
fn of_the_newest(moves: Vec<Move>) -> Vec<Move> {
    let newest = moves.iter().map(|each| each.from.max(each.to)).max();
    let shown = moves.iter().any(|each| Some(each.from) == newest);
    moves.into_iter().filter(|each| Some(if shown { each.from } else { each.to }) == newest).collect()
}

/// The run that is open on the target.
pub(crate) async fn open_run(session: &mut Session) -> Result<Option<RunId>, Error> {
    let row = session.fetch_optional("SELECT run_id FROM sluice_run WHERE open_slot = 1", &[]).await?;
    row.map(|row| RunId::parse(&row.text("run_id")?).map_err(|error| row.broken(error.to_string()))).transpose()
}

async fn locked_epochs(session: &mut Session, ids: &[&str]) -> Result<Vec<(ServiceId, i64)>, Error> {
    let (marks, values) = in_list(ids);
    let lock = session.dialect().exclusive_lock();
    let sql = format!(
        "SELECT service_id, epoch FROM sluice_active_generation WHERE service_id IN ({marks}) ORDER BY service_id{lock}"
    );
    let rows = session.fetch_all(sql, &values).await?;
    rows.into_iter().map(|row| Ok((ServiceId(row.text("service_id")?), row.int("epoch")?))).collect()
}

async fn move_back(
    session: &mut Session,
    from: Generation,
    to: Generation,
    ids: &[&str],
    now: i64,
) -> Result<(), Error> {
    let (marks, list) = in_list(ids);
    let mut values: Vec<Value<'_>> = vec![to.into(), from.into(), now.into(), from.into()];
    values.extend(list);
    let sql = format!(
        "UPDATE sluice_active_generation SET generation = ?, previous = ?, epoch = epoch + 1, activated_at_ms = ? \
         WHERE generation = ? AND service_id IN ({marks})"
    );
    let moved = session.execute(sql, &values).await?;
    if usize::try_from(moved).ok() == Some(ids.len()) {
        return Ok(());
    }
    Err(Error::broken(session.operation(), format!("{moved} pointers were moved instead of {}", ids.len())))
}

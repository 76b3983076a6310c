//! The ledger as an outbox that relays itself: what has waited too long is announced again.
//!
//! Messages may be lost: a topic is deleted or emptied by retention, a group is set to another offset, a worker's claim
//! dies with it. The ledger knows what is missing, and stages ask it: the root stage for services that are not planned
//! (and for the run itself, while its services are not discovered), the providers stage for batches that are not
//! stored. What they can rely on:
//!
//! - **Nothing is announced while the run moves.** A part is *still* when nothing of the run has changed in the ledger,
//!   and no worker has said that it is at work on it ([`Store::at_work`]), for as long as the setting says. Busy workers
//!   move the ledger, and a slow one says so.
//! - **Many replicas announce no more than one.** Who announces is decided by the row count of a conditional update,
//!   which also counts. Times are compared by the database's clock alone, since those of workers may differ.
//! - **The rate is bounded**, see [`pace`].
//! - **What open dead letters hold is not announced**: people decide about it.
//!
//! The row that is written is one of its own, not the run's: each transaction of a stage locks that one.

use std::time::Duration;

use pipeline_model::ids::{Generation, ServiceId};

use crate::{
    Error, PlannedBatch, Run, Store,
    database::{Row, Session},
    error::fault::is_duplicate,
    operation::Operation,
};

use pace::{Next, Standstill};

pub(crate) use in_vain::InVain;
pub use pace::announcing_interval;

mod in_vain;
mod pace;
mod undone;

/// What a stage announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The services of a run; and its request, while they are not discovered.
    Services,
    /// The batches of planned services.
    Batches,
}

/// Something to be announced again, claimed by whoever holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Again {
    /// The open run.
    pub run: Run,
    /// The generation that it fills.
    pub generation: Generation,
    /// What is not done.
    pub undone: Undone,
    /// The number of the round within the run, from 1.
    pub round: i64,
}

/// What is not done, and for which nobody seems to have a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Undone {
    /// The run's services are not discovered.
    Request,
    /// These services are not planned.
    Services(Vec<ServiceId>),
    /// These batches are not stored.
    Batches(Vec<(ServiceId, PlannedBatch)>),
}

/// Where a round is: behind this item.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    service: String,
    batch: i64,
}

/// A row of the ledger, and the database's time.
#[derive(Debug)]
struct Remembered {
    standstill: Standstill,
    seen: String,
    cursor: Cursor,
    now_ms: i64,
}

impl Store {
    /// What of the open run is to be announced again now, because it has stood still for `after` or longer; `None` mostly.
    /// Each answer is given to one caller only. A part that is answered nothing about was looked at all the same: call it
    /// every few seconds.
    pub async fn announce_again(&self, part: Part, after: Duration) -> Result<Option<Again>, Error> {
        let mut session = self.database.session(Operation::new("look for lost messages of", part.as_str())).await?;
        let Some((run, generation)) = open_run(&mut session).await? else { return Ok(None) };
        let run_id = run.run_id.to_string();
        let seen = undone::movement(&mut session, &run_id).await?;
        let Some(remembered) = remember(&mut session, &run_id, part, seen).await? else { return Ok(None) };
        let next = remembered.standstill.next(remembered.now_ms, after);
        let start = match next {
            Next::Wait => return Ok(None),
            Next::Begin => Cursor::start(),
            Next::GoOn => remembered.cursor.clone(),
        };
        let items = remembered.standstill.items();
        let undone = undone::read(&mut session, &run, part, &start, items).await?;
        let (end, more) = undone.as_ref().map_or((Cursor::start(), false), |undone| undone.end(items));
        if undone.is_none() && next == Next::Begin {
            return Ok(None);
        }
        let round = remembered.standstill.rounds.saturating_add(i64::from(next == Next::Begin));
        let claimed = claim(&mut session, &run_id, part, &remembered, next, (&end, more)).await?;
        Ok(undone.filter(|_| claimed).map(|undone| Again { run, generation, undone, round }))
    }

    /// A worker has messages of this part of these runs in hand: the one that is open does not stand still, however long
    /// it takes.
    pub async fn at_work(&self, runs: &[String], part: Part) -> Result<(), Error> {
        if runs.is_empty() {
            return Ok(());
        }
        let mut session = self.database.session(Operation::new("note the work on", part.as_str())).await?;
        // Old messages may name thousands of runs that have ended.
        let Some((open, _)) = open_run(&mut session).await? else { return Ok(()) };
        let run_id = open.run_id.to_string();
        if runs.contains(&run_id) {
            let now = session.dialect().now_ms();
            let sql =
                format!("UPDATE sluice_run_standstill SET since_ms = {now}, in_vain = 0 WHERE run_id = ? AND part = ?");
            session.execute(sql, &[(&run_id).into(), part.as_str().into()]).await?;
        }
        Ok(())
    }
}

async fn open_run(session: &mut Session) -> Result<Option<(Run, Generation)>, Error> {
    let sql = format!("SELECT {} FROM sluice_run WHERE open_slot = 1 AND state = 'running'", Run::COLUMNS);
    let run = session.fetch_optional(sql, &[]).await?.map(|row| Run::from_row(&row)).transpose()?;
    Ok(run.and_then(|run| {
        let generation = run.generation?;
        Some((run, generation))
    }))
}

/// What is remembered of the part, brought up to date when something has moved; `None` when there was nothing yet.
async fn remember(session: &mut Session, run_id: &str, part: Part, seen: String) -> Result<Option<Remembered>, Error> {
    let now = session.dialect().now_ms();
    let sql = format!("SELECT *, {now} AS now_ms FROM sluice_run_standstill WHERE run_id = ? AND part = ?");
    let row = session.fetch_optional(sql, &[run_id.into(), part.as_str().into()]).await?;
    let Some(row) = row else {
        let sql = format!("INSERT INTO sluice_run_standstill (run_id, part, seen, since_ms) VALUES (?, ?, ?, {now})");
        return match session.execute(sql, &[run_id.into(), part.as_str().into(), (&seen).into()]).await {
            Ok(_) => Ok(None),
            Err(error) if is_duplicate(&error) => Ok(None),
            Err(error) => Err(error),
        };
    };
    let mut remembered = Remembered::from_row(&row)?;
    if remembered.seen == seen {
        return Ok(Some(remembered));
    }
    let rounds = remembered.standstill.rounds_after_a_move();
    session
        .execute(
            format!(
                "UPDATE sluice_run_standstill SET seen = ?, since_ms = {now}, in_vain = 0, rounds = ? \
                 WHERE run_id = ? AND part = ? AND seen = ?"
            ),
            &[(&seen).into(), rounds.into(), run_id.into(), part.as_str().into(), (&remembered.seen).into()],
        )
        .await?;
    let since_ms = remembered.now_ms;
    remembered.standstill = Standstill { since_ms, rounds, in_vain: 0, ..remembered.standstill };
    remembered.seen = seen;
    Ok(Some(remembered))
}

/// Takes the next piece of a round for the caller; `false` when another one was faster, or something moved.
async fn claim(
    session: &mut Session,
    run_id: &str,
    part: Part,
    remembered: &Remembered,
    next: Next,
    (end, more): (&Cursor, bool),
) -> Result<bool, Error> {
    let begins = i64::from(next == Next::Begin);
    let announced_at_ms = match next {
        Next::Begin => remembered.now_ms,
        Next::GoOn | Next::Wait => remembered.standstill.announced_at_ms,
    };
    let claimed = session
        .execute(
            "UPDATE sluice_run_standstill SET rounds = rounds + ?, in_vain = in_vain + ?, announced_at_ms = ?, \
             round_open = ?, cursor_service = ?, cursor_batch = ? \
             WHERE run_id = ? AND part = ? AND seen = ? AND rounds = ? AND announced_at_ms = ? AND round_open = ? \
             AND cursor_service = ? AND cursor_batch = ?",
            &[
                begins.into(),
                begins.into(),
                announced_at_ms.into(),
                more.into(),
                (&end.service).into(),
                end.batch.into(),
                run_id.into(),
                part.as_str().into(),
                (&remembered.seen).into(),
                remembered.standstill.rounds.into(),
                remembered.standstill.announced_at_ms.into(),
                remembered.standstill.round_open.into(),
                (&remembered.cursor.service).into(),
                remembered.cursor.batch.into(),
            ],
        )
        .await?;
    Ok(claimed == 1)
}

// === impl Part ===

impl Part {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Batches => "batches",
        }
    }
}

// === impl Cursor ===

impl Cursor {
    /// Before the first item.
    fn start() -> Self {
        Self { service: String::new(), batch: -1 }
    }
}

// === impl Undone ===

impl Undone {
    /// The last item, and whether there may be more behind it when so many were asked for.
    fn end(&self, asked: i64) -> (Cursor, bool) {
        let full = |count: usize| i64::try_from(count).is_ok_and(|count| count >= asked && asked > 1);
        match self {
            Self::Request => (Cursor::start(), false),
            Self::Services(services) => {
                let last = services.last().map(|id| Cursor { service: id.0.clone(), batch: -1 });
                (last.unwrap_or_else(Cursor::start), full(services.len()))
            }
            Self::Batches(batches) => {
                let last = batches.last();
                let last = last.map(|(id, batch)| Cursor { service: id.0.clone(), batch: i64::from(batch.batch_no.0) });
                (last.unwrap_or_else(Cursor::start), full(batches.len()))
            }
        }
    }
}

// === impl Remembered ===

impl Remembered {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            standstill: Standstill {
                since_ms: row.int("since_ms")?,
                rounds: row.int("rounds")?,
                in_vain: row.int("in_vain")?,
                announced_at_ms: row.int("announced_at_ms")?,
                round_open: row.int("round_open")? != 0,
            },
            seen: row.text("seen")?,
            cursor: Cursor { service: row.text("cursor_service")?, batch: row.int("cursor_batch")? },
            now_ms: row.int("now_ms")?,
        })
    }
}

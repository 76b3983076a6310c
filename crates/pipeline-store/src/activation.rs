//! The switch of readers to a new generation.
//!
//! ```text
//!  service:  discovered ──plan──▶ planned ──proof closes, one activator wins──▶ activated
//! ```
//!
//! **Who may switch.** Anyone, at any time, any number at once; messages are hints. An activator first reads the proof
//! from the ledger, without locks: what is complete stays complete while the run is open (see [`crate::proof`]), so reading
//! them again under locks would add nothing. Then one short transaction
//! 1. passes the fence: the run is open under this generation, and stays so until the commit;
//! 2. moves the service from *planned* to *activated*. The number of rows changed decides who wins: the others wait
//!    for the row, then change nothing, and report [`Outcome::AlreadyDone`];
//! 3. moves the pointer to the run's generation, on the condition that it points to an older one, and counts `epoch`.
//!
//! The transaction writes one small row per service and touches no data: its length does not depend on how much was
//! loaded. Mode *whole-run* does the same for all services at once, under the exclusive lock on the run's row, and
//! ends the run in the same transaction, so that readers see one generation before and one after, and nothing between.
//!
//! **Who ends the run** (mode *per-service*). Each activator tries after its own commit, under the exclusive lock on
//! the run's row; only the one that finds no service left changes the row. Two last activators cannot miss each other:
//! each looks after its own commit, so that the later one sees both. Should it die in between, the timer looks again.

use pipeline_core::{
    contracts::{BatchPlanned, Message, ServiceDiscovered},
    ids::{Generation, RunId, ServiceId},
};
use serde::Serialize;

use crate::{
    ActivationMode, Counts, Error, Exceeded, Hold, Run, RunState, Store,
    audit::{self, Deed},
    clock::now_ms,
    database::{Context, Session, Value},
    facts::{self, Service, State},
    fence, guard,
    held::{self, Letters},
    proof::{self, Waiting},
    run,
};

mod announcement;
mod switch;

/// Waiting batches that are counted at most: whether there are any decides, and how many is for people.
const COUNTED: i64 = 100;

/// What an attempt to activate came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// This call switched these services.
    Activated(Vec<ServiceActivation>),
    /// The proof does not close yet.
    NotYet(Waiting),
    /// The service was switched before, or by another activator just now.
    AlreadyDone,
    /// The run is not open, or does not have the service.
    Closed,
}

/// What there is to do for an activator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activatable {
    /// The open run.
    pub run: Option<Run>,
    /// Its services whose batches are all stored; one of the switched ones when only the run is to be ended. For a
    /// whole run one stands for all.
    pub services: Vec<ServiceId>,
    /// What holds the run, when only people can help it on.
    pub hold: Option<Hold>,
}

/// A service that was switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceActivation {
    /// By which run.
    pub run_id: RunId,
    /// The generation that readers see now.
    pub generation: Generation,
    /// The service.
    pub service_id: ServiceId,
    /// How often the service has been switched.
    pub epoch: i64,
    /// The service is gone from the source, and now from the views.
    pub removed: bool,
    /// Providers planned.
    pub providers: i64,
    /// Bundles in the generation.
    pub bundles: i64,
    /// Subscription fields in the generation.
    pub subscription_fields: i64,
    /// Rows that left the views.
    pub rows_removed: Counts,
    /// Milliseconds from the request of the run to the switch.
    pub duration_ms: i64,
}

impl Activatable {
    /// Each service with its run.
    pub fn due(self) -> Vec<(RunId, ServiceId)> {
        let Some(run) = self.run else { return Vec::new() };
        self.services.into_iter().map(|service| (run.run_id, service)).collect()
    }
}

impl Store {
    /// Switches the service (mode per-service) or all services of the run (mode whole-run) when the proof closes.
    /// Ends the run when nothing of it is left. May be called at any time, any number of times.
    pub async fn activate(&self, run: RunId, service: &ServiceId) -> Result<Outcome, Error> {
        let context = Context::new("activate service", format!("{run}/{service}"));
        let mut session = self.database.session(context).await?;
        let Some(run) = run::read(&mut session, run).await? else {
            return Ok(Outcome::Closed);
        };
        match run.state {
            RunState::Running | RunState::Held => match run.mode {
                ActivationMode::PerService => self.activate_service(session, &run, service).await,
                ActivationMode::WholeRun => self.activate_run(session, &run, service).await,
            },
            RunState::Activated => Ok(Outcome::AlreadyDone),
            RunState::Aborted | RunState::Failed | RunState::Refused => Ok(Outcome::Closed),
        }
    }

    /// What the timer should try to activate, and what holds the open run.
    pub async fn activatable(&self) -> Result<Activatable, Error> {
        let mut session = self.database.session(Context::new("look for", "services to activate")).await?;
        let row = session
            .fetch_optional(
                format!("SELECT {} FROM sync_run WHERE open_slot = 1 AND state = 'running'", Run::COLUMNS),
                &[],
            )
            .await?;
        let Some(run) = row.map(|row| Run::from_row(&row)).transpose()? else {
            return Ok(Activatable::default());
        };
        let services = facts::read(&mut session, run.run_id, None).await?;
        let letters = Letters::read(&mut session, run.run_id).await?;
        let hold = held::hold(&run, &services, &letters);
        let open = services.iter().filter(|service| matches!(service.state, State::Discovered | State::Planned));
        let complete = |service: &&Service| proof::complete(&service.facts).is_ok();
        let ready: Vec<&Service> = match run.mode {
            ActivationMode::PerService => open.clone().filter(complete).collect(),
            ActivationMode::WholeRun if run.discovered && open.clone().all(|service| complete(&service)) => {
                open.clone().take(1).collect()
            }
            ActivationMode::WholeRun => Vec::new(),
        };
        let left_to_finish = run.discovered && open.clone().next().is_none();
        // A service that was switched, since asking for one whose document is broken ends nothing.
        let switched = |service: &&Service| matches!(service.state, State::Activated);
        let finish = services.iter().filter(switched).take(usize::from(left_to_finish));
        let services = ready.into_iter().chain(finish).map(|service| service.service_id.clone()).collect();
        Ok(Activatable { run: Some(run), services, hold })
    }

    /// Writes down, once, that the guard holds a run; says whether this call did.
    pub async fn note_hold(&self, run: RunId, exceeded: &Exceeded) -> Result<bool, Error> {
        let run_id = run.to_string();
        let mut session = self.database.begin(Context::new("note the hold of run", run_id.as_str())).await?;
        let noted = session
            .execute(
                "UPDATE sync_run SET held_at_ms = ? WHERE run_id = ? AND state = 'running' AND held_at_ms IS NULL",
                &[now_ms().into(), (&run_id).into()],
            )
            .await?;
        if noted == 0 {
            return Ok(false);
        }
        let why = exceeded.to_string();
        let deed = Deed { who: "sluice", what: "run held", subject: &run_id, why: &why, result: "nothing was removed" };
        audit::record(&mut session, &deed).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn activate_service(
        &self,
        mut session: Session,
        run: &Run,
        service_id: &ServiceId,
    ) -> Result<Outcome, Error> {
        // Most calls come while batches are missing, and cost one look into an index.
        if let Some(waiting) = unstored(&mut session, run.run_id, Some(service_id)).await? {
            return Ok(Outcome::NotYet(waiting));
        }
        let services = facts::read(&mut session, run.run_id, Some(service_id)).await?;
        let Some(service) = services.first() else {
            return Ok(Outcome::Closed);
        };
        match service.state {
            State::Rejected => return Ok(Outcome::Closed),
            State::Activated => {
                drop(session);
                self.finish_run(run).await?;
                return Ok(Outcome::AlreadyDone);
            }
            State::Discovered | State::Planned => {}
        }
        // The rejects of the whole run matter only to a service that has some of its own, or may have.
        let own = facts::rejects(run, &services);
        let rejects = if service.facts.all_rejected() > 0 || own.unreachable > 0 {
            facts::rejects(run, &facts::read(&mut session, run.run_id, None).await?)
        } else {
            own
        };
        if let Err(waiting) = proof::service_closes(&service.facts, &rejects, &run.tolerance) {
            return not_yet(session.context(), waiting);
        }
        if let Some(waiting) = held_by_guard(&mut session, run, service).await? {
            return Ok(Outcome::NotYet(waiting));
        }
        let context = session.context().clone();
        drop(session);

        let switched = self.switch_service(run, service_id, context).await?;
        self.finish_run(run).await?;
        match switched {
            switch::Switched::ByUs => self.activations(run.run_id, Some(service_id)).await.map(Outcome::Activated),
            switch::Switched::Before => Ok(Outcome::AlreadyDone),
            switch::Switched::Closed => Ok(Outcome::Closed),
        }
    }

    async fn activate_run(&self, mut session: Session, run: &Run, service_id: &ServiceId) -> Result<Outcome, Error> {
        if !run.discovered {
            return Ok(Outcome::NotYet(Waiting::Discovery));
        }
        if let Some(waiting) = unstored(&mut session, run.run_id, None).await? {
            return Ok(Outcome::NotYet(waiting));
        }
        let services = facts::read(&mut session, run.run_id, None).await?;
        if !services.iter().any(|service| service.service_id == *service_id) {
            return Ok(Outcome::Closed);
        }
        let rejects = facts::rejects(run, &services);
        let open: Vec<proof::ServiceFacts> = services
            .iter()
            .filter(|service| matches!(service.state, State::Discovered | State::Planned))
            .map(|service| service.facts)
            .collect();
        if let Err(waiting) = proof::run_closes(run.discovered, &open, &rejects, &run.tolerance) {
            return not_yet(session.context(), waiting);
        }
        if let Some(exceeded) = run.max_removed.and_then(|bounds| guard::of_whole_run(&bounds, &services)) {
            return Ok(Outcome::NotYet(Waiting::Removals(exceeded)));
        }
        drop(session);

        match self.switch_run(run, Context::new("activate run", run.run_id.to_string())).await? {
            switch::Switched::ByUs => self.activations(run.run_id, None).await.map(Outcome::Activated),
            switch::Switched::Before => Ok(Outcome::AlreadyDone),
            switch::Switched::Closed => Ok(Outcome::Closed),
        }
    }

    /// Ends the run as activated when none of its services is left to be switched; see the module's remarks.
    async fn finish_run(&self, run: &Run) -> Result<(), Error> {
        let run_id = run.run_id.to_string();
        let mut session = self.database.begin(Context::new("finish run", run_id.as_str())).await?;
        if left(&mut session, &run_id).await? {
            return Ok(());
        }
        // Lock first and look again: what was read before the lock may be older than the lock.
        if fence::close(&mut session, run.run_id).await?.is_none() || left(&mut session, &run_id).await? {
            return Ok(());
        }
        session
            .execute(
                "UPDATE sync_run SET state = 'activated', open_slot = NULL, finished_at_ms = ? \
                 WHERE run_id = ? AND state = 'running' AND discovered = 1",
                &[now_ms().into(), (&run_id).into()],
            )
            .await?;
        session.commit().await
    }
}

/// Why the guard lets a complete service wait that takes rows away; see [`guard`].
async fn held_by_guard(session: &mut Session, run: &Run, service: &Service) -> Result<Option<Waiting>, Error> {
    let Some(bounds) = run.max_removed.filter(|bounds| !bounds.is_off()) else { return Ok(None) };
    if service.facts.unaccepted().is_zero() {
        return Ok(None);
    }
    if let Some(exceeded) = guard::service(&bounds, &service.service_id, &service.facts) {
        return Ok(Some(Waiting::Removals(exceeded)));
    }
    if !run.discovered || moving(session, run.run_id).await? {
        return Ok(Some(Waiting::Rest));
    }
    let services = facts::read(session, run.run_id, None).await?;
    let in_all = guard::in_all(&bounds, services.iter().map(|service| &service.facts));
    Ok(in_all.map(Waiting::Removals))
}

/// Whether a part of the run is still to be planned or stored and waits for nobody. What open dead letters hold does
/// not count: it may never move, and must not stop the others.
async fn moving(session: &mut Session, run: RunId) -> Result<bool, Error> {
    let run_id = run.to_string();
    let letter = "SELECT 1 FROM sync_dead_letter d WHERE d.run_id = p.run_id AND d.service_id = p.service_id \
                  AND d.state = 'open' AND d.source_topic = ?";
    let parts = [
        (
            format!(
                "SELECT 1 AS found FROM sync_service p WHERE p.run_id = ? AND p.state = 'discovered' \
                 AND NOT EXISTS ({letter}) LIMIT 1"
            ),
            ServiceDiscovered::TOPIC,
        ),
        (
            format!(
                "SELECT 1 AS found FROM sync_batch p WHERE p.run_id = ? AND p.state = 'planned' \
                 AND NOT EXISTS ({letter} AND d.batch_no = p.batch_no) LIMIT 1"
            ),
            BatchPlanned::TOPIC,
        ),
    ];
    for (sql, topic) in parts {
        if session.fetch_optional(sql, &[(&run_id).into(), topic.into()]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a service of the run is still to be switched.
async fn left(session: &mut Session, run_id: &str) -> Result<bool, Error> {
    let row = session
        .fetch_optional(
            "SELECT service_id FROM sync_service WHERE run_id = ? AND state IN ('discovered', 'planned') LIMIT 1",
            &[run_id.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// The batches that are still to be stored, when there are any; counted no further than [`COUNTED`]. This is asked once
/// for each batch that is stored, so that counting all that wait would cost the square of their number.
async fn unstored(session: &mut Session, run: RunId, only: Option<&ServiceId>) -> Result<Option<Waiting>, Error> {
    let run_id = run.to_string();
    let mut values: Vec<Value<'_>> = vec![(&run_id).into()];
    values.extend(only.map(Value::from));
    let which = if only.is_some() { " AND service_id = ?" } else { "" };
    let batches = session
        .fetch_one(
            format!(
                "SELECT COUNT(*) AS batches FROM \
                 (SELECT 1 FROM sync_batch WHERE run_id = ? AND state = 'planned'{which} LIMIT {COUNTED}) waiting"
            ),
            &values,
        )
        .await?
        .int("batches")?;
    Ok((batches > 0).then_some(Waiting::Batches { batches }))
}

/// Counts that do not add up although everything is stored will never add up: that is not a reason to wait.
fn not_yet(context: &Context, waiting: Waiting) -> Result<Outcome, Error> {
    match waiting {
        Waiting::Unaccounted { .. } => Err(Error::broken(context, waiting.to_string())),
        waiting => Ok(Outcome::NotYet(waiting)),
    }
}

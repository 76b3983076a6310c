//! The switch of readers to a new generation.
//!
//! ```text
//!  service:  discovered ──plan──▶ planned ──proof closes, one activator wins──▶ activated
//! ```
//!
//! **Who may switch.** Any activator, at any time, and any number of them at once: messages are hints. An activator first
//! reads the proof from the ledger without locks, and stops here if the proof is not complete. Otherwise it does four
//! things in one short transaction:
//! 1. It passes the fence. The run is open under this generation, and until the commit nobody sets a part of the run back
//!    or changes what the run tolerates.
//! 2. It asks the same questions again ([`verdict`]). A retry may have set something back between the first look and the
//!    fence.
//! 3. It moves the service from *planned* to *activated*. The number of changed rows decides which activator wins. The
//!    others wait for the row, change nothing, and report [`Outcome::AlreadyDone`].
//! 4. It moves the pointer to the run's generation, if the pointer is at an older one, and counts `epoch` up.
//!
//! The transaction writes one small row per service and no data, so its length does not depend on how much was loaded.
//! The activation *whole-run* does the same for all services at once, under the exclusive lock on the run's row. It ends
//! the run in the same transaction, so readers see one generation before it, another after it, and nothing between.
//!
//! **Who ends the run** (activation *per-service*). Each activator tries to, after its own commit, under the exclusive
//! lock on the run's row. Only an activator that finds no service left changes the row. Two last activators cannot miss
//! each other: each looks after its own commit, so the later one sees both. If it dies in between, the timer looks again.

use pipeline_model::ids::{Generation, RunId, ServiceId};
use serde::Serialize;

use crate::{
    ActivationMode, Counts, Error, Exceeded, Hold, Run, RunState, Store,
    audit::{self, Deed},
    clock::now_ms,
    database::Session,
    facts::{self, Service, State},
    fence,
    held::{self, Letters},
    operation::Operation,
    proof::{self, Waiting},
    run,
};

use switch::Switched;
use verdict::Verdict;

mod announcement;
mod switch;
mod verdict;

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
        let operation = Operation::new("activate service", format!("{run}/{service}"));
        let mut session = self.database.session(operation).await?;
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
        let mut session = self.database.session(Operation::new("look for", "services to activate")).await?;
        let row = session
            .fetch_optional(
                format!("SELECT {} FROM sluice_run WHERE open_slot = 1 AND state = 'running'", Run::COLUMNS),
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
        let mut session = self.database.begin(Operation::new("note the hold of run", run_id.as_str())).await?;
        let noted = session
            .execute(
                "UPDATE sluice_run SET held_at_ms = ? WHERE run_id = ? AND state = 'running' AND held_at_ms IS NULL",
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
        match verdict::of_service(&mut session, run, service_id).await? {
            Verdict::Switch => {}
            Verdict::Done => {
                drop(session);
                self.finish_run(run).await?;
                return Ok(Outcome::AlreadyDone);
            }
            Verdict::NotYet(waiting) => return Ok(Outcome::NotYet(waiting)),
            Verdict::Closed => return Ok(Outcome::Closed),
        }
        let operation = session.operation().clone();
        drop(session);

        let switched = self.switch_service(run.run_id, service_id, operation).await?;
        self.finish_run(run).await?;
        match switched {
            Switched::ByUs => self.activations(run.run_id, Some(service_id)).await.map(Outcome::Activated),
            not => Ok(not.into_outcome()),
        }
    }

    async fn activate_run(&self, mut session: Session, run: &Run, service_id: &ServiceId) -> Result<Outcome, Error> {
        match verdict::of_run(&mut session, run, service_id).await? {
            Verdict::Switch => {}
            Verdict::Done => return Ok(Outcome::AlreadyDone),
            Verdict::NotYet(waiting) => return Ok(Outcome::NotYet(waiting)),
            Verdict::Closed => return Ok(Outcome::Closed),
        }
        drop(session);

        let operation = Operation::new("activate run", run.run_id.to_string());
        match self.switch_run(run.run_id, service_id, operation).await? {
            Switched::ByUs => self.activations(run.run_id, None).await.map(Outcome::Activated),
            not => Ok(not.into_outcome()),
        }
    }

    /// Ends the run as activated when none of its services is left to be switched; see the module's remarks.
    async fn finish_run(&self, run: &Run) -> Result<(), Error> {
        let run_id = run.run_id.to_string();
        let mut session = self.database.begin(Operation::new("finish run", run_id.as_str())).await?;
        if left(&mut session, &run_id).await? {
            return Ok(());
        }
        // Lock first and look again: what was read before the lock may be older than the lock.
        if fence::close(&mut session, run.run_id).await?.is_none() || left(&mut session, &run_id).await? {
            return Ok(());
        }
        session
            .execute(
                "UPDATE sluice_run SET state = 'activated', open_slot = NULL, finished_at_ms = ? \
                 WHERE run_id = ? AND state = 'running' AND discovered = 1",
                &[now_ms().into(), (&run_id).into()],
            )
            .await?;
        session.commit().await
    }
}

/// Whether a service of the run is still to be switched.
async fn left(session: &mut Session, run_id: &str) -> Result<bool, Error> {
    let row = session
        .fetch_optional(
            "SELECT service_id FROM sluice_run_service WHERE run_id = ? AND state IN ('discovered', 'planned') LIMIT 1",
            &[run_id.into()],
        )
        .await?;
    Ok(row.is_some())
}

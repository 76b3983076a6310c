//! Runs: opened once, at most one at a time per target.
//!
//! ```text
//!               ┌──────────── the last service is activated ───────────▶ activated
//!  request ──▶ running ────── a person ends it ────────────────────────▶ aborted
//!     │         └──────────── Sluice ends it (an empty source) ────────▶ failed
//!     └──▶ refused (another run is open; the request is too old, or meant for another target)
//! ```
//!
//! Only a *running* run is written for; the other states are final. `sluice_run.open_slot` is 1 in state *running* and
//! null in all others, and it is unique: the database, not a check before an insert, lets one run be open at most.
//! The generation is one more than that of any run before, activated or not, so that rows that an aborted run left
//! behind can never be taken for those of a later one.

use pipeline_model::{
    contracts,
    ids::{Generation, RunId, ServiceId, TargetId},
};
use pipeline_settings::settings::{MAX_BATCH_SIZE, MaxRemoved};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Store,
    audit::{self, Deed},
    clock::now_ms,
    database::{Row, Session, Value},
    error::fault::is_duplicate,
    operation::Operation,
};

mod reading;

pub(crate) use reading::{read, run_id};

/// When readers are switched to the new generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ActivationMode {
    /// Each service as soon as its proof closes.
    PerService,
    /// All services of the run in one transaction.
    WholeRun,
}

/// How many rejected providers a run may have and still be activated. A run without bounds tolerates none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// At most so many.
    pub max_providers: Option<i64>,
    /// At most so many in a hundred planned providers.
    pub max_percent: Option<f64>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum RunState {
    /// Open: the only state in which anything is written for it.
    Running,
    /// Open, and only people can help it on. The ledger says *running*; this is what people are told.
    Held,
    /// Every service of it is active.
    Activated,
    /// Ended by a person; what was not active yet is undone.
    Aborted,
    /// Ended by Sluice; what was not active yet is undone.
    Failed,
    /// Never opened: another run was open, or the request was too old or meant for another target.
    Refused,
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// The id that the requester chose.
    pub run_id: RunId,
    /// Who asked.
    pub requested_by: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub requested_at_ms: i64,
    /// When readers are switched.
    pub mode: ActivationMode,
    /// Services to synchronise; empty means all.
    pub scope: Vec<ServiceId>,
    /// Providers in one batch, 1 or more.
    pub batch_size: u32,
    /// Rejects that do not hold the activation.
    pub tolerance: Tolerance,
    /// What the run may take out of the views by itself; everything when there is no bound.
    pub max_removed: Option<MaxRemoved>,
}

/// A run as the ledger has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Its id.
    pub run_id: RunId,
    /// The generation that it fills; none for a refused run.
    pub generation: Option<Generation>,
    /// Where it stands.
    pub state: RunState,
    /// When readers are switched.
    #[serde(rename = "activation")]
    pub mode: ActivationMode,
    /// Rejects that do not hold the activation.
    pub tolerance: Tolerance,
    /// What the run may take out of the views by itself; everything when there is no bound.
    pub max_removed: Option<MaxRemoved>,
    /// Services to synchronise; empty means all.
    pub scope: Vec<ServiceId>,
    /// Providers in one batch.
    pub batch_size: u32,
    /// Who asked.
    pub requested_by: String,
    /// When it was asked for, in milliseconds since 1970-01-01 UTC.
    pub requested_at_ms: i64,
    /// When the ledger opened or refused it.
    pub started_at_ms: i64,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
    /// Why it was aborted, failed or refused.
    pub reason: Option<String>,
    /// The root stage has put all its services in the ledger.
    pub discovered: bool,
    /// Documents, or their missing owners, that could belong to any service. Progress has the number of all.
    #[serde(skip)]
    pub unreachable: i64,
    /// When removals held it first.
    pub held_at_ms: Option<i64>,
}

// === impl RunState ===

impl RunState {
    /// The word that the ledger and answers use.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// That people are told *held* is nothing that the ledger says.
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|state| *state != Self::Held)
    }
}

// === impl ActivationMode ===

impl ActivationMode {
    fn as_str(self) -> &'static str {
        self.into()
    }
}

// === impl RunRequest ===

impl TryFrom<&contracts::RunRequested> for RunRequest {
    type Error = Error;

    /// Checks what the schema cannot say: the id is a UUID, the batch size and the bounds make sense.
    fn try_from(message: &contracts::RunRequested) -> Result<Self, Error> {
        let invalid = |reason: String| Error::InvalidRequest { reason };
        let run_id = RunId::parse(&message.run_id).map_err(|error| invalid(error.to_string()))?;
        let batch_size = u32::try_from(message.batch_size).ok().filter(|size| (1..=MAX_BATCH_SIZE).contains(size));
        let batch_size = batch_size.ok_or_else(|| {
            invalid(format!("the batch size is {}, expected 1 to {MAX_BATCH_SIZE}", message.batch_size))
        })?;
        if let Some(bound) = message.max_rejected_providers.filter(|bound| *bound < 0) {
            return Err(invalid(format!("the tolerance is {bound} rejected providers, expected 0 or more")));
        }
        if let Some(bound) = message.max_rejected_percent.filter(|bound| !(0.0..=100.0).contains(bound)) {
            return Err(invalid(format!("the tolerance is {bound} %, expected 0 to 100")));
        }
        Ok(Self {
            run_id,
            requested_by: message.requested_by.clone(),
            requested_at_ms: message.requested_at_ms,
            mode: match message.activation {
                contracts::Activation::PerService => ActivationMode::PerService,
                contracts::Activation::WholeRun => ActivationMode::WholeRun,
            },
            scope: message.scope.iter().map(|id| ServiceId(id.clone())).collect(),
            batch_size,
            tolerance: Tolerance {
                max_providers: message.max_rejected_providers,
                max_percent: message.max_rejected_percent,
            },
            max_removed: None,
        })
    }
}

// === impl Run ===

impl Run {
    /// The request that opened the run in this target; the root stage finds it open and goes on.
    pub fn request(&self, target: &TargetId) -> contracts::RunRequested {
        contracts::RunRequested {
            run_id: self.run_id.to_string(),
            requested_by: self.requested_by.clone(),
            requested_at_ms: self.requested_at_ms,
            activation: match self.mode {
                ActivationMode::PerService => contracts::Activation::PerService,
                ActivationMode::WholeRun => contracts::Activation::WholeRun,
            },
            scope: self.scope.iter().map(|id| id.0.clone()).collect(),
            batch_size: i32::try_from(self.batch_size).unwrap_or(i32::MAX),
            max_rejected_providers: self.tolerance.max_providers,
            max_rejected_percent: self.tolerance.max_percent,
            target: Some(target.0.clone()),
        }
    }

    /// Columns that [`Run::from_row`] reads.
    pub(crate) const COLUMNS: &'static str = "run_id, generation, state, mode, max_rejected_providers, \
        max_rejected_percent, scope, batch_size, requested_by, requested_at_ms, started_at_ms, finished_at_ms, reason, \
        discovered, max_removed, unreachable, held_at_ms";

    pub(crate) fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let state = row.text("state")?;
        let mode = row.text("mode")?;
        let batch_size = row.int("batch_size")?;
        let max_removed = row.optional_text("max_removed")?;
        Ok(Self {
            run_id: reading::run_id(row)?,
            generation: row.optional_int("generation")?.map(Generation),
            state: RunState::parse(&state).ok_or_else(|| row.broken(format!("`{state}` is not a state of a run")))?,
            mode: mode.parse().map_err(|_| row.broken(format!("`{mode}` is not a way of activation")))?,
            tolerance: Tolerance {
                max_providers: row.optional_int("max_rejected_providers")?,
                max_percent: row.optional_real("max_rejected_percent")?,
            },
            max_removed: max_removed
                .map(|bounds| serde_json::from_str(&bounds))
                .transpose()
                .map_err(|error| row.broken(error.to_string()))?,
            scope: serde_json::from_str(&row.text("scope")?).map_err(|error| row.broken(error.to_string()))?,
            batch_size: u32::try_from(batch_size).map_err(|error| row.broken(error.to_string()))?,
            requested_by: row.text("requested_by")?,
            requested_at_ms: row.int("requested_at_ms")?,
            started_at_ms: row.int("started_at_ms")?,
            finished_at_ms: row.optional_int("finished_at_ms")?,
            reason: row.optional_text("reason")?,
            discovered: row.int("discovered")? != 0,
            unreachable: row.int("unreachable")?,
            held_at_ms: row.optional_int("held_at_ms")?,
        })
    }
}

// === impl Store ===

impl Store {
    /// Opens a run, or refuses it when another one is open. The same request again gives the same run, whatever has
    /// become of it.
    pub async fn open_run(&self, request: &RunRequest) -> Result<Run, Error> {
        let operation = Operation::new("open run", request.run_id.to_string());
        // Each turn ends with an insert that the unique keys accept or refuse, so that no answer rests on a read that
        // may be stale. A second turn is needed only when another run was opened or closed in between.
        for _ in 0..10 {
            if let Some(run) = self.run(request.run_id).await? {
                return Ok(run);
            }
            let mut session = self.database.begin(operation.clone()).await?;
            match insert_running(&mut session, request).await {
                Ok(()) => {
                    session.commit().await?;
                    continue;
                }
                Err(error) if is_duplicate(&error) => drop(session),
                Err(error) => return Err(error),
            }
            let mut session = self.database.session(operation.clone()).await?;
            if let Some(open) = open_run_id(&mut session).await? {
                let reason = format!("run `{open}` is open");
                match insert(&mut session, request, RunState::Refused, None, Some(&reason)).await {
                    Err(error) if !is_duplicate(&error) => return Err(error),
                    _ => {}
                }
            }
        }
        Err(Error::broken(&operation, "runs are opened and closed faster than this one can be recorded"))
    }

    /// Refuses a run for a reason of its own, and writes that down. The same request again, and one whose run the ledger
    /// has, gives that run as it is.
    pub async fn refuse_run(&self, request: &RunRequest, reason: &str) -> Result<Run, Error> {
        let run_id = request.run_id.to_string();
        let operation = Operation::new("refuse run", run_id.as_str());
        // A second turn finds what another worker inserted in between.
        for _ in 0..2 {
            if let Some(run) = self.run(request.run_id).await? {
                return Ok(run);
            }
            let mut session = self.database.begin(operation.clone()).await?;
            match insert(&mut session, request, RunState::Refused, None, Some(reason)).await {
                Err(error) if is_duplicate(&error) => continue,
                inserted => inserted?,
            }
            let deed =
                Deed { who: "sluice", what: "run refused", subject: &run_id, why: reason, result: "no run was made" };
            audit::record(&mut session, &deed).await?;
            session.commit().await?;
        }
        let run = self.run(request.run_id).await?;
        run.ok_or_else(|| Error::broken(&operation, "a run that was refused is not in the ledger"))
    }
}

/// Inserts an open run under the next generation. The generation is read before it is written, and may be taken by
/// then: its unique key refuses it, and the caller begins again.
async fn insert_running(session: &mut Session, request: &RunRequest) -> Result<(), Error> {
    let next = session
        .fetch_one("SELECT COALESCE(MAX(generation), 0) + 1 AS generation FROM sluice_run", &[])
        .await?
        .int("generation")?;
    insert(session, request, RunState::Running, Some(Generation(next)), None).await?;
    session
        .execute_one(
            "INSERT INTO sluice_run_ordinals (run_id, next_ordinal) VALUES (?, 0)",
            &[(&request.run_id.to_string()).into()],
        )
        .await
}

async fn insert(
    session: &mut Session,
    request: &RunRequest,
    state: RunState,
    generation: Option<Generation>,
    reason: Option<&str>,
) -> Result<(), Error> {
    let run_id = request.run_id.to_string();
    let invalid = |error: serde_json::Error| Error::InvalidRequest { reason: format!("cannot be written: {error}") };
    let scope = serde_json::to_string(&request.scope).map_err(invalid)?;
    let max_removed = request.max_removed.as_ref().map(serde_json::to_string).transpose().map_err(invalid)?;
    let started_at_ms = now_ms();
    let open_slot = (state == RunState::Running).then_some(1_i64);
    let finished_at_ms = (state != RunState::Running).then_some(started_at_ms);
    let values: [Value<'_>; 15] = [
        (&run_id).into(),
        generation.into(),
        state.as_str().into(),
        open_slot.into(),
        request.mode.as_str().into(),
        request.tolerance.max_providers.into(),
        request.tolerance.max_percent.into(),
        (&scope).into(),
        i64::from(request.batch_size.max(1)).into(),
        (&request.requested_by).into(),
        request.requested_at_ms.into(),
        started_at_ms.into(),
        finished_at_ms.into(),
        reason.into(),
        max_removed.as_deref().into(),
    ];
    session
        .execute_one(
            "INSERT INTO sluice_run (run_id, generation, state, open_slot, mode, max_rejected_providers, \
             max_rejected_percent, scope, batch_size, requested_by, requested_at_ms, started_at_ms, finished_at_ms, \
             reason, max_removed, discovered, content_pending) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
            &values,
        )
        .await
}

async fn open_run_id(session: &mut Session) -> Result<Option<String>, Error> {
    let row = session.fetch_optional("SELECT run_id FROM sluice_run WHERE open_slot = 1", &[]).await?;
    row.map(|row| row.text("run_id")).transpose()
}

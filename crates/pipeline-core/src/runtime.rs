//! The drive loop, once for all stages: decode, handle, emit, acknowledge, commit the contiguous head.
//!
//! What it guarantees, whatever happens to the process:
//!
//! 1. **It commits an offset only when every message before it is settled.** A message is settled when its effect is in
//!    the target and the brokers have acknowledged what it emits; or when the brokers have acknowledged its dead letter.
//!    See [`offsets`].
//! 2. **It gives a partition up only when the partition is drained and committed**, so the next owner repeats nothing. If
//!    the group has taken the partition away already, it commits nothing, and the repetition is harmless. See
//!    [`pipeline_kafka::consumer`].
//! 3. **An outage is not poison.** While a dependency is unavailable, no message becomes a dead letter. See [`outage`].
//!    [`probe`] finds a dependency that is unavailable, [`topics`] a topic that is missing.
//! 4. **One message is not an outage.** A message may be slow by itself while its dependencies answer. Only this message
//!    waits, and it becomes a dead letter after `stage.patience_ms`. See [`questions`].
//! 5. **A broken invariant stops the process.** Nothing is committed past the message that showed it.
//!
//! What is driven is a [`driven::Driven`]: a stage, see [`handling`], or a sink, see [`writing`]. One task per assigned
//! partition takes messages. Each message of a stage is a task of its own; a sink writes one batch after the other. A
//! semaphore bounds how much is in hand. The loop here serves the group, commits the heads that moved, and ends it all in
//! order. [`tasks`] lists what runs beside it.

mod alone;
mod dead_letter;
mod driven;
mod driver;
mod encode;
mod engine;
mod failure;
mod giving_up;
mod handling;
mod heads;
mod lanes;
mod offsets;
mod outage;
mod part;
mod probe;
mod questions;
mod tasks;
mod topics;
mod work;
mod writing;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Health,
    intake::Intake as _,
    registry::{self, Codec, Registry},
    sink::Sink,
    stage::Stage,
};

use driven::Shared;
use driver::Driver;
use engine::Engine;
use failure::{Dependency, Failure};
use heads::Heads;
use outage::Outage;
use questions::Questions;
use tasks::{Kind, Tasks};

pub use dead_letter::{header, is_incomplete, replayed};
pub(crate) use driven::Driven;
pub(crate) use handling::Handling;
use pipeline_kafka as kafka;
use pipeline_kafka::{Producer, consumer::GroupMember, local::Budget};
use pipeline_model::{
    contracts::batch_of,
    disposition::{Classify, Disposition},
};
use pipeline_settings::settings::Settings;
use pipeline_telemetry::events::StageEvents;
pub(crate) use writing::Writing;

/// How often a cluster that gave trouble is asked whether it is back.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// What a stage runs with.
pub struct Context {
    /// All settings.
    pub settings: Settings,
    /// The schema registry.
    pub registry: Registry,
    /// Where the stage says how it is.
    pub health: Health,
    /// Cancelled when the stage is to finish what it has in hand and end.
    pub shutdown: CancellationToken,
    /// The guard of the local broker, in local mode.
    pub local_budget: Option<Arc<Budget>>,
}

/// Why a stage ended otherwise than by request.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// A schema that the stage needs is absent or incompatible.
    #[error("stage `{stage}` cannot start: its schemas are not as it needs them")]
    Schemas { stage: &'static str, source: registry::Error },
    /// The client could not be made, or the cluster will not have it.
    #[error("stage `{stage}` cannot use Kafka")]
    Kafka { stage: &'static str, source: kafka::Error },
    /// A message showed a broken invariant or a fault of our own.
    #[error("stage `{stage}` stopped at a failure that must not be passed over: {text} ({code})")]
    Halted { stage: &'static str, code: &'static str, text: String },
}

/// Runs a stage until it is told to stop or has to.
///
/// # Errors
/// [`Error`] when the stage cannot start or must not go on. Dependencies that are away are waited for.
pub async fn run<S: Stage>(stage: S, context: Context) -> Result<(), Error> {
    drive(Handling(stage), context).await
}

/// Runs a sink until it is told to stop or has to.
///
/// # Errors
/// As for a stage.
pub async fn run_sink<K: Sink>(sink: K, context: Context) -> Result<(), Error> {
    drive(Writing(sink), context).await
}

/// Runs a stage or a sink.
pub(crate) async fn drive<W: Driven>(work: W, context: Context) -> Result<(), Error> {
    let Context { settings, registry, health, shutdown, local_budget } = context;
    let events = StageEvents::new(W::NAME);
    // From the first moment: a stage is not ready while only its registry has answered.
    let membership = health.component(&format!("{}: consumer group", W::NAME));
    membership.down("joining the group");
    let Some(codec) = prepare_codec::<W>(&settings, &registry, &events, &health, &shutdown).await? else {
        return Ok(());
    };
    let unusable = |source| Error::Kafka { stage: W::NAME, source };
    tokio::select! {
        admitted = kafka::admission::check(&settings.kafka) => admitted.map_err(unusable)?,
        () = shutdown.cancelled() => return Ok(()),
    }
    let producer = Producer::new(&settings.kafka, batch_of, local_budget.clone()).map_err(unusable)?;
    let group = settings.kafka.group(W::NAME);
    let topics = W::Input::topics(&settings);
    let member = GroupMember::join(&settings.kafka, &group, &topics).map_err(unusable)?;
    let names: Vec<String> = topics.iter().map(|topic| settings.kafka.names().topic(topic)).collect();
    events.started(&names.join(", "), &group);
    let (halts, halted) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        engine: Engine {
            work,
            codec,
            producer,
            outage: Outage::new(events.clone(), health.component(&format!("{}: dependencies", W::NAME))),
            questions: Questions::default(),
            events: events.clone(),
            group,
            settings: settings.clone(),
            succeeded: AtomicU64::default(),
        },
        permits: Arc::new(Semaphore::new(settings.stage.in_flight as usize)),
        heads: Heads::default(),
        halts,
        budget: local_budget,
        rejoin: tokio::sync::Notify::new(),
        health: health.clone(),
    });
    let mut tasks = Tasks::of(W::NAME, health.clone());
    tasks.start(Kind::Timer, tick(Arc::clone(&shared), shutdown.clone()));
    for dependency in Dependency::ALL {
        tasks.start(Kind::Probe, probe::watch(Arc::clone(&shared), dependency));
    }
    tasks.start(Kind::Probe, topics::watch(Arc::clone(&shared)));
    let driver = Driver::new(shared, member, membership, &health, tasks, settings);
    driver.drive(halted, &health, &shutdown).await
}

/// Looks up the schemas, waiting for a registry that is away. `None` when told to stop meanwhile.
async fn prepare_codec<W: Driven>(
    settings: &Settings,
    registry: &Registry,
    events: &StageEvents,
    health: &Health,
    shutdown: &CancellationToken,
) -> Result<Option<Codec>, Error> {
    let component = health.component(&format!("{}: schema registry", W::NAME));
    let writes = W::writes();
    let reads = W::Input::contracts();
    let names = settings.kafka.names();
    loop {
        let prepared = tokio::select! {
            prepared = Codec::prepare(registry, &names, &reads, &writes, settings.stage.register_schemas) => prepared,
            () = shutdown.cancelled() => return Ok(None),
        };
        let error = match prepared {
            Ok(codec) => {
                component.up();
                return Ok(Some(codec));
            }
            Err(error) => error,
        };
        if error.disposition() != Disposition::Unavailable {
            return Err(Error::Schemas { stage: W::NAME, source: error });
        }
        let failure = Failure::from(error);
        component.down(&failure.text);
        events.waiting_to_start(failure.code, &failure);
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(PROBE_INTERVAL) => {}
        }
    }
}

/// Calls the stage's own timer. A failed tick is repeated by the next.
async fn tick<W: Driven>(shared: Arc<Shared<W>>, shutdown: CancellationToken) {
    let Some(period) = shared.engine.work.tick_interval() else { return };
    let mut timer = interval(period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shutdown.is_cancelled() {
        timer.tick().await;
        let Err(failure) = W::tick(&shared.engine).await else { continue };
        shared.engine.events.tick_failed(failure.code, &failure);
        match failure.disposition {
            Disposition::Halt => {
                shared.halts.send(failure).unwrap_or_default();
                return;
            }
            // A stage without messages learns of an outage here. The probe begins it, and ends it when it is over,
            // however long the next tick takes.
            Disposition::Unavailable => drop(shared.engine.questions.to(failure.of).ask().await),
            Disposition::Retry | Disposition::Reject => {}
        }
    }
}

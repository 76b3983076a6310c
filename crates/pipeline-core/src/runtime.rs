//! The drive loop, once for all stages: decode, handle, emit, acknowledge, commit the contiguous head.
//!
//! What it guarantees, whatever happens to the process:
//!
//! 1. **An offset is committed only when every message before it is settled**: its effect is in the target, what it
//!    emits is acknowledged by the brokers; or it is a dead letter, acknowledged too. See [`offsets`].
//! 2. **A partition is given up only when it is drained and committed**, so its next owner repeats nothing; unless the
//!    group took it away already, then nothing is committed and the repetition is harmless. See
//!    [`crate::kafka::consumer`].
//! 3. **An outage is not poison**: while a dependency is away nothing becomes a dead letter. See [`outage`]; a stage
//!    without work learns of it by [`probe`], and of a topic that is gone by [`topics`].
//! 4. **A broken invariant stops the process**, and nothing past the message that showed it is committed.
//!
//! One task per assigned partition takes messages; each message is a task of its own; a semaphore bounds how many are
//! in hand. The loop here serves the group, commits the heads that moved, and ends it all in order.

mod dead_letter;
mod failure;
mod offsets;
mod outage;
mod partition;
mod probe;
mod process;
mod topics;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Component, Health},
    contracts::Message as _,
    disposition::{Classify, Disposition},
    kafka::{
        self, Partition, Position, Producer,
        consumer::{Event, GroupMember, Reply},
        local::Budget,
    },
    registry::{self, Codec, Registry},
    settings::Settings,
    stage::{Outgoing as _, Stage},
    telemetry::events::StageEvents,
};

use failure::Failure;
use outage::Outage;
use partition::{Heads, Shared};
use process::Processor;

pub use dead_letter::{header, replayed};

/// How often moved heads are committed. What a crash repeats is what settled in this time.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);

/// How often a cluster that gave trouble is asked whether it is back.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Longest silence of the drive loop before `/livez` calls it stuck.
const MAX_SILENCE: Duration = Duration::from_secs(30);

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
pub enum Error {
    /// A schema that the stage needs is absent or incompatible.
    #[error("stage `{stage}` cannot start: its schemas are not as it needs them")]
    Schemas {
        /// The stage.
        stage: &'static str,
        /// What is wrong with them.
        #[source]
        source: registry::Error,
    },
    /// The client could not be made, or the cluster will not have it.
    #[error("stage `{stage}` cannot use Kafka")]
    Kafka {
        /// The stage.
        stage: &'static str,
        /// Why not.
        #[source]
        source: kafka::Error,
    },
    /// A message showed a broken invariant or a fault of our own.
    #[error("stage `{stage}` stopped at a failure that must not be passed over: {text} ({code})")]
    Halted {
        /// The stage.
        stage: &'static str,
        /// The failure's code.
        code: &'static str,
        /// The failure and its causes.
        text: String,
    },
}

/// Runs a stage until it is told to stop or has to.
///
/// # Errors
/// [`Error`] when the stage cannot start or must not go on. Dependencies that are away are waited for.
pub async fn run<S: Stage>(stage: S, context: Context) -> Result<(), Error> {
    let Context { settings, registry, health, shutdown, local_budget } = context;
    let Some(codec) = prepare_codec::<S>(&settings, &registry, &health, &shutdown).await? else { return Ok(()) };
    let unusable = |source| Error::Kafka { stage: S::NAME, source };
    let producer = Producer::new(&settings.kafka, local_budget.clone()).map_err(unusable)?;
    let group = format!("{}-{}", settings.kafka.group_prefix, S::NAME);
    let member = GroupMember::join(&settings.kafka, &group, S::Input::TOPIC).map_err(unusable)?;
    let events = StageEvents::new(S::NAME);
    events.started(S::Input::TOPIC, &group);
    let (halts, halted) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        processor: Processor {
            stage,
            codec,
            producer,
            outage: Outage::new(events.clone(), health.component(&format!("{}: dependencies", S::NAME))),
            events: events.clone(),
            group,
            settings: settings.stage.clone(),
            succeeded: AtomicU64::default(),
        },
        permits: Arc::new(Semaphore::new(settings.stage.in_flight as usize)),
        heads: Heads::default(),
        halts,
        budget: local_budget,
    });
    let ticking = tokio::spawn(tick(Arc::clone(&shared), shutdown.clone()));
    let probing = tokio::spawn(probe::watch(Arc::clone(&shared)));
    let asking = tokio::spawn(topics::watch(Arc::clone(&shared)));
    let driver = Driver {
        group: health.component(&format!("{}: consumer group", S::NAME)),
        cluster: health.component(&format!("{}: kafka", S::NAME)),
        events,
        shared,
        member,
        partitions: HashMap::new(),
        settings,
    };
    driver.group.down("joining the group");
    driver.cluster.up();
    let outcome = driver.drive(halted, &health, &shutdown).await;
    // They may be waiting for a dependency that is away; nothing depends on them.
    ticking.abort();
    probing.abort();
    asking.abort();
    // The producer goes with the last of them: whoever ends the broker next must not be missed by it.
    for task in [ticking, probing, asking] {
        if let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!(stage = S::NAME, "a task of the stage ended: {error}");
        }
    }
    outcome
}

/// Looks up the schemas, waiting for a registry that is away. `None` when told to stop meanwhile.
async fn prepare_codec<S: Stage>(
    settings: &Settings,
    registry: &Registry,
    health: &Health,
    shutdown: &CancellationToken,
) -> Result<Option<Codec>, Error> {
    let component = health.component(&format!("{}: schema registry", S::NAME));
    let writes = S::Output::contracts();
    let reads = [(S::Input::TOPIC, S::Input::SCHEMA)];
    loop {
        let prepared = tokio::select! {
            prepared = Codec::prepare(registry, &reads, &writes, settings.stage.register_schemas) => prepared,
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
            return Err(Error::Schemas { stage: S::NAME, source: error });
        }
        let failure = Failure::from(error);
        component.down(&failure.text);
        tracing::warn!(stage = S::NAME, code = failure.code, "waiting to start: {failure}");
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(PROBE_INTERVAL) => {}
        }
    }
}

/// Calls the stage's own timer. A failed tick is repeated by the next.
async fn tick<S: Stage>(shared: Arc<Shared<S>>, shutdown: CancellationToken) {
    let Some(period) = shared.processor.stage.tick_interval() else { return };
    let mut timer = interval(period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut outage = None;
    while !shutdown.is_cancelled() {
        timer.tick().await;
        let Err(failure) = shared.processor.tick().await else {
            outage = None;
            continue;
        };
        if failure.disposition == Disposition::Unavailable {
            // A stage without messages learns of an outage only here.
            outage.get_or_insert_with(|| shared.processor.outage.enter(&failure.text));
        }
        tracing::warn!(stage = S::NAME, code = failure.code, "a tick failed and will be repeated: {failure}");
        if failure.disposition == Disposition::Halt {
            shared.halts.send(failure).unwrap_or_default();
            return;
        }
    }
}

/// Serves the group for one stage.
struct Driver<S: Stage> {
    events: StageEvents,
    shared: Arc<Shared<S>>,
    member: GroupMember,
    partitions: HashMap<Partition, Worker>,
    group: Component,
    cluster: Component,
    settings: Settings,
}

/// The task of one assigned partition.
struct Worker {
    stopping: CancellationToken,
    task: JoinHandle<Option<Position>>,
}

// === impl Driver ===

impl<S: Stage> Driver<S> {
    async fn drive(
        mut self,
        mut halted: mpsc::UnboundedReceiver<Failure>,
        health: &Health,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let beat = health.register_loop(S::NAME, MAX_SILENCE);
        let mut commit_timer = interval(COMMIT_INTERVAL);
        commit_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (trouble, mut probed) = mpsc::unbounded_channel();
        let mut probing = false;
        let outcome = loop {
            tokio::select! {
                Some(failure) = halted.recv() => {
                    break Err(Error::Halted { stage: S::NAME, code: failure.code, text: failure.text });
                }
                () = shutdown.cancelled() => break Ok(()),
                Some(event) = self.member.next_event() => {
                    if let Some(error) = self.serve(event) {
                        if error.disposition() == Disposition::Halt {
                            break Err(Error::Kafka { stage: S::NAME, source: error });
                        }
                        let failure = Failure::from(error);
                        self.cluster.down(&failure.text);
                        if !std::mem::replace(&mut probing, true) {
                            tracing::warn!(stage = S::NAME, code = failure.code, "waiting for Kafka: {failure}");
                            tokio::spawn(until_back(self.settings.kafka.clone(), trouble.clone()));
                        }
                    }
                }
                Some(()) = probed.recv() => {
                    probing = false;
                    self.cluster.up();
                    tracing::info!(stage = S::NAME, "Kafka is back");
                }
                _ = commit_timer.tick() => {
                    beat.beat();
                    self.commit();
                }
            }
        };
        self.group.down("stopping");
        self.events.draining(self.settings.stage.in_flight as usize - self.shared.permits.available_permits());
        let shared = Arc::clone(&self.shared);
        let events = self.events.clone();
        self.leave().await;
        beat.finish();
        events.stopped(shared.processor.settings.in_flight as usize - shared.permits.available_permits());
        outcome
    }

    /// Answers the group; gives an error back that is not the group's.
    fn serve(&mut self, event: Event) -> Option<kafka::Error> {
        match event {
            Event::Assigned { partitions, ready } => {
                self.assigned(partitions);
                ready.answer(());
                self.group.up();
            }
            Event::Revoked { partitions, lost, drained } => self.revoked(partitions, lost, drained),
            Event::Trouble(error) => return Some(error),
        }
        None
    }

    fn assigned(&mut self, partitions: Vec<Partition>) {
        for partition in partitions {
            let Some(queue) = self.member.split(&partition) else { continue };
            let stopping = CancellationToken::new();
            let work = partition::work(Arc::clone(&self.shared), queue, partition.clone(), stopping.clone());
            let task = tokio::spawn(work);
            self.partitions.insert(partition, Worker { stopping, task });
        }
        self.events.assigned(self.partitions.len());
    }

    /// Drains in the background, so that the other partitions and the heartbeat of this loop go on.
    fn revoked(&mut self, partitions: Vec<Partition>, lost: bool, drained: Reply<Vec<Position>>) {
        let workers: Vec<(Partition, Worker)> =
            partitions.into_iter().filter_map(|partition| self.partitions.remove_entry(&partition)).collect();
        self.events.assigned(self.partitions.len());
        let shared = Arc::clone(&self.shared);
        let events = self.events.clone();
        let deadline = Instant::now() + Duration::from_millis(u64::from(self.settings.stage.drain_timeout_ms));
        workers.iter().for_each(|(_, worker)| worker.stopping.cancel());
        tokio::spawn(async move {
            let mut positions = Vec::new();
            for (partition, mut worker) in workers {
                if lost {
                    worker.task.abort();
                }
                let drained = tokio::select! {
                    drained = &mut worker.task => drained.ok().flatten(),
                    () = sleep_until(deadline) => None,
                };
                // Past the deadline, what is still in hand is repeated by the next owner.
                worker.task.abort();
                let messages = shared.heads.forget(&partition);
                if let Some(position) = drained {
                    events.committed(&partition.topic, partition.number, position.offset, messages);
                    positions.push(position);
                }
            }
            drained.answer(positions);
        });
    }

    fn commit(&self) {
        let heads = self.shared.heads.take();
        if heads.is_empty() {
            return;
        }
        let positions: Vec<Position> = heads
            .iter()
            .map(|(partition, head)| Position { partition: partition.clone(), offset: head.offset })
            .collect();
        if let Err(error) = self.member.commit(&positions) {
            // The next commit makes up for it: offsets only grow.
            tracing::warn!(stage = S::NAME, "{error}");
            return;
        }
        for (Partition { topic, number }, head) in heads {
            self.events.committed(&topic, number, head.offset, head.messages);
        }
    }

    /// Leaves the group in order: every partition comes back as revoked and is drained and committed by that path.
    async fn leave(mut self) {
        let grace = Duration::from_secs(2);
        let deadline = Instant::now() + Duration::from_millis(u64::from(self.settings.stage.drain_timeout_ms)) + grace;
        let held = !self.partitions.is_empty();
        self.member.begin_leave();
        let mut answered = !held;
        while !answered {
            tokio::select! {
                event = self.member.next_event() => match event {
                    Some(event) => drop(self.serve(event)),
                    None => break,
                },
                () = sleep_until(deadline) => break,
            }
            answered = self.partitions.is_empty();
        }
        // The revoke callback returns when the drain in the background has answered; closing waits for it.
        self.member.close().await;
    }
}

/// Ends when the cluster answers again.
async fn until_back(settings: crate::settings::Kafka, back: mpsc::UnboundedSender<()>) {
    loop {
        tokio::time::sleep(PROBE_INTERVAL).await;
        if let Ok(report) = kafka::admin::check(&settings).await
            && !report.missing_topics.iter().any(|topic| topic != crate::contracts::DEAD_LETTERS)
        {
            // The driver is gone only when the stage is ending.
            back.send(()).unwrap_or_default();
            return;
        }
    }
}

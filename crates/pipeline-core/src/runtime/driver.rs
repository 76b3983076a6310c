//! Serves the group for one stage: partitions come and go, heads are committed, and all of it ends in order.

use std::{collections::HashMap, sync::Arc, time::Duration};

use pipeline_kafka as kafka;
use pipeline_kafka::{
    Partition, Position,
    consumer::{Event, GroupMember, Reply},
};
use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::settings::Settings;
use pipeline_telemetry::events::StageEvents;
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Error, PROBE_INTERVAL,
    driven::{Driven, Shared},
    failure::Failure,
    tasks::{Kind, Tasks},
    work::{Work, topics},
};
use crate::admin::{Component, Health};

/// How often moved heads are committed. What a crash repeats is what settled in this time.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);

/// How long after a commit that failed the next one is sent.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);

/// Longest silence of the drive loop before `/livez` calls it stuck.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Serves the group for one stage.
pub(super) struct Driver<W: Driven> {
    events: StageEvents,
    shared: Arc<Shared<W>>,
    member: GroupMember,
    partitions: HashMap<Partition, Worker>,
    group: Component,
    cluster: Component,
    tasks: Tasks,
    /// The answers to commits.
    commits: (mpsc::UnboundedSender<Commit>, mpsc::UnboundedReceiver<Commit>),
    /// A commit is on its way; one at a time.
    is_committing: bool,
    /// A commit failed, and none succeeded since: the next one comes at this time.
    commit_again: Option<Instant>,
    settings: Settings,
}

/// What was to be committed, and the answer.
type Commit = (Vec<Position>, Result<(), kafka::Error>);

/// The task of one assigned partition.
struct Worker {
    stopping: CancellationToken,
    task: AbortHandle,
    /// What to commit when the partition is drained. Without an answer, the task has broken off.
    drained: oneshot::Receiver<Option<Position>>,
}

// === impl Driver ===

impl<W: Driven> Driver<W> {
    /// Not yet in the group, and not ready: `group` says so.
    pub(super) fn new(
        shared: Arc<Shared<W>>,
        member: GroupMember,
        group: Component,
        health: &Health,
        tasks: Tasks,
        settings: Settings,
    ) -> Self {
        let cluster = health.component(&format!("{}: kafka", W::NAME));
        cluster.up();
        let events = shared.engine.events.clone();
        Self {
            events,
            shared,
            member,
            partitions: HashMap::new(),
            group,
            cluster,
            tasks,
            commits: mpsc::unbounded_channel(),
            is_committing: false,
            commit_again: None,
            settings,
        }
    }

    /// Works until it is told to stop or has to.
    pub(super) async fn drive(
        mut self,
        mut halted: mpsc::UnboundedReceiver<Failure>,
        health: &Health,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let beat = health.register_loop(W::NAME, MAX_SILENCE);
        let mut commit_timer = interval(COMMIT_INTERVAL);
        commit_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (trouble, mut probed) = mpsc::unbounded_channel();
        let mut probing = false;
        let outcome = loop {
            tokio::select! {
                Some(failure) = halted.recv() => break Err(self.halted(failure)),
                failure = self.tasks.failed() => break Err(self.halted(failure)),
                () = shutdown.cancelled() => break Ok(()),
                Some(event) = self.member.next_event() => {
                    if let Some(error) = self.serve(event) {
                        if error.disposition() == Disposition::Halt {
                            break Err(Error::Kafka { stage: W::NAME, source: error });
                        }
                        let of_group = error.is_of_group();
                        let failure = Failure::from(error);
                        if of_group {
                            // The topics are fine: only joining will tell that the right was given.
                            self.events.group_refused(failure.code, &failure);
                            self.group.down(&failure.text);
                            continue;
                        }
                        self.cluster.down(&failure.text);
                        if !std::mem::replace(&mut probing, true) {
                            self.events.cluster_away(failure.code, &failure);
                            let until_back = until_back::<W>(self.settings.clone(), trouble.clone());
                            self.tasks.start(Kind::Reconnect, until_back);
                        }
                    }
                }
                Some(commit) = self.commits.1.recv() => self.committed(commit),
                () = self.shared.rejoin.notified() => {
                    self.events.joining_anew();
                    if let Err(error) = self.member.rejoin() {
                        break Err(Error::Kafka { stage: W::NAME, source: error });
                    }
                }
                Some(answer) = probed.recv() => match answer {
                    Ok(()) => {
                        probing = false;
                        self.cluster.up();
                        self.events.cluster_back();
                    }
                    // Says better than the client why not.
                    Err(failure) => self.cluster.down(&failure.text),
                },
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
        events.stopped(shared.engine.settings.stage.in_flight as usize - shared.permits.available_permits());
        outcome
    }

    fn halted(&self, failure: Failure) -> Error {
        self.events.must_stop(failure.code, &failure);
        Error::Halted { stage: W::NAME, code: failure.code, text: failure.text }
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
            Event::Behind(lags) => {
                let group = &self.shared.engine.group;
                for lag in lags {
                    self.events.behind(group, &lag.topic, lag.number, lag.messages, lag.age);
                }
            }
            Event::Trouble(error) => return Some(error),
        }
        None
    }

    fn assigned(&mut self, partitions: Vec<Partition>) {
        for partition in partitions {
            let Some(queue) = self.member.split(&partition) else { continue };
            let stopping = CancellationToken::new();
            let work = W::partition(Arc::clone(&self.shared), queue, partition.clone(), stopping.clone());
            let (sender, drained) = oneshot::channel();
            let task = self.tasks.start(Kind::Partition, async {
                let position = work.await;
                // Nobody asks when the partition was lost meanwhile.
                sender.send(position).unwrap_or_default();
            });
            self.partitions.insert(partition, Worker { stopping, task, drained });
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
        self.tasks.start(Kind::Drain, async move {
            let mut positions = Vec::new();
            for (partition, mut worker) in workers {
                if lost {
                    worker.task.abort();
                }
                let drained = tokio::select! {
                    drained = &mut worker.drained => drained.ok().flatten(),
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

    fn commit(&mut self) {
        if self.is_committing || self.commit_again.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let positions = self.shared.heads.ask();
        if positions.is_empty() {
            return;
        }
        let (committing, answers) = (self.member.commit(&positions), self.commits.0.clone());
        self.is_committing = true;
        self.tasks.start(Kind::Commit, async move {
            let committed = committing.await;
            // Nobody listens when the stage has ended meanwhile.
            answers.send((positions, committed)).unwrap_or_default();
        });
    }

    /// The brokers have answered a commit, or will not. Nothing else would send a failed one again when no message comes.
    fn committed(&mut self, (positions, committed): Commit) {
        self.is_committing = false;
        let Err(error) = committed else {
            self.commit_again = None;
            for position in &positions {
                let Partition { topic, number } = &position.partition;
                let messages = self.shared.heads.acknowledged(position);
                self.events.committed(topic, *number, position.offset, messages);
            }
            return;
        };
        let failure = Failure::from(error);
        let is_first = self.commit_again.replace(Instant::now() + COMMIT_AGAIN).is_none();
        self.events.commit_failed(failure.code, &failure, is_first);
        positions.iter().for_each(|position| self.shared.heads.failed(position));
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
        if self.is_committing {
            // Its thread holds the connection too.
            tokio::select! {
                commit = self.commits.1.recv() => drop(commit),
                () = sleep_until(deadline) => {}
            }
        }
        // The revoke callback returns when the drain in the background has answered; closing waits for it.
        self.member.close().await;
        // What is left may be waiting for a dependency that is away; nothing depends on it.
        self.tasks.end().await;
    }
}

/// Ends when the cluster answers again and has what the stage reads and writes; says meanwhile why not.
async fn until_back<W: Work>(settings: Settings, answers: mpsc::UnboundedSender<Result<(), Failure>>) {
    // A stage may see its own topics and no others.
    let topics = topics::<W>(&settings);
    loop {
        tokio::time::sleep(PROBE_INTERVAL).await;
        let answer = kafka::admin::are_there(&settings.kafka, &topics).await.map_err(Failure::from);
        let is_back = answer.is_ok();
        // The driver is gone only when the stage is ending.
        answers.send(answer).unwrap_or_default();
        if is_back {
            return;
        }
    }
}

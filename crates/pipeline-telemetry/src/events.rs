//! What can be observed of a stage: one function for each event, which writes the log line and the metric together, so
//! that the two never tell different stories.
//!
//! ERROR is for a person now, WARN is where to look first, INFO is the life of the process, DEBUG is each message.

use std::{error::Error, sync::Arc, time::Duration};

use metrics::Gauge;
use tracing::{debug, error, info, trace, warn};

use pipeline_model::chain::Chain;

use super::{
    coordinates::Coordinates,
    metrics::{Outcome, StageMetrics},
    names,
};

/// A line about one message. It says itself where the message is, instead of leaving that to the span around it, which
/// a log filter may hide; so it stands outside of the span, to say it once.
macro_rules! message_line {
    ($level:ident, $self:ident, $at:ident, $($rest:tt)+) => {
        $level!(
            parent: None,
            stage = $self.stage,
            run = $at.run_id,
            topic = $at.topic,
            partition = $at.partition,
            offset = $at.offset,
            { names::LOG_TRACE_ID } = $at.trace.map(|trace| trace.trace_id()),
            { names::LOG_SPAN_ID } = $at.trace.map(|trace| trace.span_id()),
            $($rest)+
        )
    };
}

/// The events of one stage. Cheap to clone.
#[derive(Clone)]
pub struct StageEvents {
    stage: &'static str,
    metrics: Arc<StageMetrics>,
}

/// Counts a message as waiting by itself until it is dropped.
#[must_use = "the message counts as waiting until it is dropped"]
pub struct WaitingAlone(Gauge);

/// Counts messages as in flight until it is dropped.
#[must_use = "the messages count as finished when it is dropped"]
pub struct InFlight(Gauge, f64);

// === impl StageEvents ===

impl StageEvents {
    /// The events of the stage with this name. Installs the metrics recorder if nobody has.
    pub fn new(stage: &'static str) -> Self {
        Self { stage, metrics: Arc::new(StageMetrics::new(stage)) }
    }

    /// The stage begins to consume.
    pub fn started(&self, topic: &str, group: &str) {
        self.metrics.paused.set(0.0);
        info!(stage = self.stage, topic, group, "started");
    }

    /// What the stage needs to start is away.
    pub fn waiting_to_start(&self, code: &'static str, error: &(dyn Error + 'static)) {
        warn!(stage = self.stage, code, error = %Chain(error), "waiting to start");
    }

    /// The group does not let the stage in.
    pub fn group_refused(&self, code: &'static str, error: &(dyn Error + 'static)) {
        warn!(stage = self.stage, code, error = %Chain(error), "the group does not let this stage in");
    }

    /// The stage leaves its group to join it again, since a topic that was gone is back.
    pub fn joining_anew(&self) {
        info!(stage = self.stage, "the topic is there again: joining the group anew");
    }

    /// The brokers do not answer.
    pub fn cluster_away(&self, code: &'static str, error: &(dyn Error + 'static)) {
        warn!(stage = self.stage, code, error = %Chain(error), "waiting for Kafka");
    }

    /// The brokers answer again.
    pub fn cluster_back(&self) {
        info!(stage = self.stage, "Kafka is back");
    }

    /// Topics that the stage reads or writes are not there, or not for this stage.
    pub fn topics_missing(&self, cause: &str) {
        warn!(stage = self.stage, "{cause}");
    }

    /// A dependency does not answer.
    pub fn dependency_away(&self, code: &'static str, error: &(dyn Error + 'static)) {
        warn!(stage = self.stage, code, error = %Chain(error), "a dependency is away");
    }

    /// A dependency answers what waiting does not mend.
    pub fn dependency_unusable(&self, code: &'static str, error: &(dyn Error + 'static)) {
        error!(stage = self.stage, code, error = %Chain(error), "a dependency cannot be used");
    }

    /// Work that no message triggers has failed; the next turn repeats it.
    pub fn tick_failed(&self, code: &'static str, error: &(dyn Error + 'static)) {
        self.metrics.tick_failures.increment(1);
        warn!(stage = self.stage, code, error = %Chain(error), "a tick failed and will be repeated");
    }

    /// The brokers do not have a commit, which will be sent again. The line is written for the first one in a row only.
    pub fn commit_failed(&self, code: &'static str, error: &(dyn Error + 'static), is_first: bool) {
        self.metrics.commit_failures.increment(1);
        if is_first {
            warn!(stage = self.stage, code, error = %Chain(error), "a commit failed and will be sent again");
        }
    }

    /// The process ends, since it must not go on.
    pub fn must_stop(&self, code: &'static str, error: &(dyn Error + 'static)) {
        error!(stage = self.stage, code, error = %Chain(error), "the stage must stop");
    }

    /// The stage holds these many partitions now, after a change.
    pub fn assigned(&self, partitions: usize) {
        self.metrics.assigned.set(partitions as f64);
        info!(stage = self.stage, partitions, "partitions changed");
    }

    /// A message was taken from a topic.
    pub fn consumed(&self, at: &Coordinates<'_>) {
        self.metrics.consumed.increment(1);
        message_line!(debug, self, at, "consumed");
    }

    /// These many messages are begun; they are in flight until the answer is dropped.
    pub fn begin(&self, messages: usize) -> InFlight {
        self.metrics.in_flight.increment(messages as f64);
        InFlight(self.metrics.in_flight.clone(), messages as f64)
    }

    /// A message of the same key came before this one's turn: this one is settled with it, unhandled.
    pub fn replaced(&self, at: &Coordinates<'_>) {
        self.metrics.replaced.increment(1);
        message_line!(debug, self, at, "replaced by a newer message of its key");
    }

    /// The handler is done with a message, and these many follow from it.
    pub fn handled(&self, at: &Coordinates<'_>, elapsed: Duration, emits: usize) {
        self.answer(Outcome::Ok, elapsed);
        let milliseconds = elapsed.as_secs_f64() * 1e3;
        message_line!(debug, self, at, emits, milliseconds, "handled");
    }

    /// The target of a sink holds this offset of a partition: there the sink goes on.
    pub fn claimed(&self, topic: &str, partition: i32, offset: i64) {
        info!(stage = self.stage, topic, partition, offset, "goes on where the target stands");
    }

    /// A sink has written a batch that begins here, up to the offset `end`.
    pub fn written(&self, at: &Coordinates<'_>, records: usize, end: i64, elapsed: Duration) {
        self.metrics.handled_many(Outcome::Ok, records as u64);
        self.metrics.duration.record(elapsed.as_secs_f64());
        let milliseconds = elapsed.as_secs_f64() * 1e3;
        message_line!(debug, self, at, records, end, milliseconds, "written");
    }

    /// The target holds another offset than a batch begins at, so nothing was written: somebody else had the partition
    /// meanwhile, or the target was set back.
    pub fn fenced(&self, at: &Coordinates<'_>, begin: i64) {
        self.metrics.fenced.increment(1);
        message_line!(warn, self, at, begin, "the target holds another offset; asking it again");
    }

    /// A batch was refused, perhaps for one of its records. Each half is tried by itself.
    pub fn divided(
        &self,
        at: &Coordinates<'_>,
        records: usize,
        code: &'static str,
        error: &(dyn Error + 'static),
        elapsed: Duration,
    ) {
        self.answer(Outcome::Reject, elapsed);
        message_line!(info, self, at, code, error = %Chain(error), records, "a batch was refused; trying its halves");
    }

    /// A message was put on a topic and acknowledged.
    pub fn emitted(&self, topic: &'static str) {
        self.metrics.emitted(topic);
        debug!(stage = self.stage, topic, "emitted");
    }

    /// A message can never succeed. Its dead letter follows.
    pub fn rejected(&self, at: &Coordinates<'_>, code: &'static str, error: &(dyn Error + 'static), elapsed: Duration) {
        self.answer(Outcome::Reject, elapsed);
        message_line!(warn, self, at, code, error = %Chain(error), "rejected");
    }

    /// An attempt failed with an error that may pass; the next one comes after `pause`.
    pub fn retrying(
        &self,
        at: &Coordinates<'_>,
        code: &'static str,
        error: &(dyn Error + 'static),
        elapsed: Duration,
        next: Attempt,
    ) {
        self.answer(Outcome::Retry, elapsed);
        let Attempt { number, pause } = next;
        let pause_ms = milliseconds(pause);
        let error = Chain(error);
        message_line!(info, self, at, code, error = %error, attempt = number, pause_ms, "will be tried again");
    }

    /// The attempts are used up. The dead letter follows.
    pub fn gave_up(&self, at: &Coordinates<'_>, code: &'static str, attempts: u32) {
        message_line!(warn, self, at, code, attempts, "no attempt is left");
    }

    /// A dead letter is larger than its topic takes. It is sent again with less in it.
    pub fn shortened(&self, at: &Coordinates<'_>, code: &'static str, error: &(dyn Error + 'static)) {
        message_line!(warn, self, at, code, error = %Chain(error), "the dead letter goes with less of the message in it");
    }

    /// A dead letter was put on its topic and acknowledged.
    pub fn dead_lettered(&self, at: &Coordinates<'_>, code: &'static str) {
        self.metrics.dead_letter(code);
        message_line!(warn, self, at, code, "put on the dead-letter topic");
    }

    /// A dependency is away: the stage holds its messages; the next attempt comes after `pause`.
    pub fn unavailable(&self, code: &'static str, error: &(dyn Error + 'static), elapsed: Duration, pause: Duration) {
        self.answer(Outcome::Unavailable, elapsed);
        let pause_ms = milliseconds(pause);
        warn!(stage = self.stage, code, error = %Chain(error), pause_ms, "a dependency is away; waiting for it");
    }

    /// A dependency does not answer this message, though it is there. The next attempt comes after `pause`.
    pub fn waiting(
        &self,
        at: &Coordinates<'_>,
        code: &'static str,
        error: &(dyn Error + 'static),
        elapsed: Duration,
        waited: Duration,
        pause: Duration,
    ) {
        self.answer(Outcome::Unavailable, elapsed);
        let (waited_ms, pause_ms) = (milliseconds(waited), milliseconds(pause));
        let error = Chain(error);
        message_line!(warn, self, at, code, error = %error, waited_ms, pause_ms, "waits by itself; the stage goes on");
    }

    /// A message begins to wait by itself, until the answer is dropped.
    pub fn waits_alone(&self) -> WaitingAlone {
        self.metrics.waiting.increment(1.0);
        WaitingAlone(self.metrics.waiting.clone())
    }

    /// A message has waited by itself for as long as it may. The dead letter follows.
    pub fn lost_patience(
        &self,
        at: &Coordinates<'_>,
        code: &'static str,
        error: &(dyn Error + 'static),
        elapsed: Duration,
    ) {
        self.answer(Outcome::Unavailable, elapsed);
        message_line!(warn, self, at, code, error = %Chain(error), "has waited long enough");
    }

    /// The stage takes up nothing until a dependency is back.
    pub fn paused(&self) {
        self.metrics.paused.set(1.0);
    }

    /// The dependency is back.
    pub fn available(&self) {
        self.metrics.paused.set(0.0);
        info!(stage = self.stage, "the dependency is back");
    }

    /// The stage stops at this message and commits nothing past it.
    pub fn halted(&self, at: &Coordinates<'_>, code: &'static str, error: &(dyn Error + 'static), elapsed: Duration) {
        self.answer(Outcome::Halt, elapsed);
        message_line!(error, self, at, code, error = %Chain(error), "halted");
    }

    /// A partition's head was committed: `offset` is the next to be read, `count` the messages before it that are new.
    pub fn committed(&self, topic: &str, partition: i32, offset: i64, count: u64) {
        self.metrics.committed.increment(count);
        debug!(stage = self.stage, topic, partition, offset, count, "committed");
    }

    /// The group has not committed so many messages of a partition, by the topic's name on the cluster; the oldest is so old.
    pub fn behind(&self, group: &str, topic: &str, partition: i32, messages: u64, age: Duration) {
        StageMetrics::behind(group, topic, partition, messages, age);
        trace!(stage = self.stage, group, topic, partition, messages, seconds = age.as_secs_f64(), "behind");
    }

    /// The stage was told to stop and finishes what it has begun.
    pub fn draining(&self, in_flight: usize) {
        info!(stage = self.stage, in_flight, "stopping; finishing what is begun");
    }

    /// The stage has stopped; what was not finished in time is redelivered to the next one.
    pub fn stopped(&self, unfinished: usize) {
        self.metrics.assigned.set(0.0);
        if unfinished == 0 {
            info!(stage = self.stage, "stopped");
        } else {
            warn!(stage = self.stage, unfinished, "stopped before everything was finished");
        }
    }

    fn answer(&self, outcome: Outcome, elapsed: Duration) {
        self.metrics.handled(outcome);
        self.metrics.duration.record(elapsed.as_secs_f64());
    }
}

/// The attempt that comes next.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Its number; the first attempt was 1.
    pub number: u32,
    /// How long until then.
    pub pause: Duration,
}

// === impl WaitingAlone ===

impl Drop for WaitingAlone {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

// === impl InFlight ===

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(self.1);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

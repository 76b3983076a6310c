//! From the first attempt to "settled": the four dispositions in one place, for a message and for a batch of them.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pipeline_kafka::{Delivery, Outbound, Position, Producer};
use pipeline_model::disposition::Disposition;
use pipeline_settings::settings::Settings;
use pipeline_telemetry::{
    TraceContext,
    coordinates::Coordinates,
    events::{Attempt, StageEvents},
    span::{MessageSpan, consumer_span},
};
use tokio_util::sync::CancellationToken;

use super::{
    alone::Alone,
    dead_letter::header,
    failure::{Dependency, Failure, LastFailure},
    outage::{Outage, Waiting},
    questions::Questions,
    work::Work,
};
use crate::registry::Codec;

/// The first pause between two attempts at most; it doubles from there.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Everything that a message needs on its way to being settled, shared by all messages of a stage or sink.
pub(crate) struct Engine<W: Work> {
    pub(crate) work: W,
    pub(crate) codec: Codec,
    pub(crate) producer: Producer,
    pub(crate) outage: Arc<Outage>,
    pub(crate) questions: Questions,
    pub(crate) events: StageEvents,
    pub(crate) group: String,
    /// All settings.
    pub(crate) settings: Settings,
    /// Messages that were handled: proof, at no cost, that what the work needs is there.
    pub(crate) succeeded: AtomicU64,
}

/// What became of a message.
pub(crate) enum Settlement {
    /// Handled and acknowledged, or dead-lettered: its offset may be committed.
    Settled,
    /// The stage is stopping and the message was still waiting for another attempt: somebody repeats it.
    Unsettled,
    /// The stage must stop; nothing past this message may be committed.
    Halted(Failure),
}

/// A message on its way to being settled, or the first of a batch that is.
pub(crate) struct InHand<'a> {
    pub(crate) at: Coordinates<'a>,
    pub(crate) span: &'a MessageSpan,
    pub(crate) stopping: &'a CancellationToken,
    /// How many records are tried together.
    pub(crate) records: usize,
}

/// What became of the attempts.
pub(crate) enum Tried<T> {
    /// One succeeded; how long it took.
    Done(T, Duration),
    /// None will, or none did for long enough.
    GivenUp(LastFailure),
    /// The stage is stopping.
    Unsettled,
    /// The stage must stop.
    Halted(Failure),
}

/// How a message has fared so far.
struct Tries {
    /// The number of this attempt; only failures that may pass count.
    attempt: u32,
    /// How often the message has failed, whatever it met.
    waits: u32,
    first_failed_at: SystemTime,
    alone: Alone,
    /// Held while the brokers do not take what the message leads to.
    outage: Option<Waiting>,
}

/// What follows from a failure.
enum Answer {
    /// Another attempt after this pause.
    Again(Duration),
    /// The dead letter, with the failure that it names and the number of tries.
    GiveUp(Failure, u32),
    /// The stage is stopping.
    Stop,
}

// === impl Tries ===

impl Default for Tries {
    fn default() -> Self {
        Self { attempt: 1, waits: 0, first_failed_at: UNIX_EPOCH, alone: Alone::default(), outage: None }
    }
}

impl Tries {
    fn failed(&mut self, message: &InHand<'_>, failure: &Failure) {
        self.waits = self.waits.saturating_add(1);
        if failure.of != Dependency::Cluster {
            self.outage = None;
        }
        if self.waits == 1 {
            self.first_failed_at = SystemTime::now();
            // Once: what a span is told is kept until its end, and an outage may last for thousands of attempts.
            message.span.failed(failure.code);
        }
    }
}

// === impl Engine ===

impl<W: Work> Engine<W> {
    /// Where a message is, and what it belongs to.
    pub(crate) fn coordinates<'a>(&'a self, delivery: &'a Delivery) -> Coordinates<'a> {
        Coordinates {
            topic: &delivery.position.partition.topic,
            partition: delivery.position.partition.number,
            offset: delivery.position.offset,
            key: delivery.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()),
            group: &self.group,
            run_id: delivery.header(header::RUN_ID),
            trace: None,
        }
    }

    /// The span of one message, below the one that produced it; the message's lines name it from now on.
    pub(crate) fn span(&self, at: &mut Coordinates<'_>, delivery: &Delivery) -> MessageSpan {
        let span = consumer_span(W::NAME, at, produced_by(delivery).as_ref());
        at.trace = Some(span.context);
        span
    }

    /// What the work needs has answered.
    pub(crate) fn proved(&self) {
        self.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    /// Attempts until one succeeds, none will, or the stage stops while the message waits. An attempt is told its number,
    /// from 1.
    pub(crate) async fn until_settled<T, F>(&self, message: &InHand<'_>, attempt: impl Fn(u32) -> F) -> Tried<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tries = Tries::default();
        loop {
            let begun = Instant::now();
            let failure = match attempt(tries.attempt).await {
                Ok(done) => return Tried::Done(done, begun.elapsed()),
                Err(failure) => failure,
            };
            let elapsed = begun.elapsed();
            tries.failed(message, &failure);
            let answer = match failure.disposition {
                Disposition::Halt => {
                    self.events.halted(&message.at, failure.code, &failure, elapsed);
                    return Tried::Halted(failure);
                }
                Disposition::Reject if message.records > 1 => {
                    self.events.divided(&message.at, message.records, failure.code, &failure, elapsed);
                    Answer::GiveUp(failure, tries.attempt)
                }
                Disposition::Reject => {
                    self.events.rejected(&message.at, failure.code, &failure, elapsed);
                    Answer::GiveUp(failure, tries.attempt)
                }
                Disposition::Retry => self.retry(message, &mut tries, failure, elapsed),
                Disposition::Unavailable => self.wait(message, &mut tries, failure, elapsed).await,
            };
            match answer {
                Answer::GiveUp(failure, attempts) => {
                    return Tried::GivenUp(LastFailure { failure, attempts, first_failed_at: tries.first_failed_at });
                }
                Answer::Again(pause) if wait(pause, message.stopping).await.is_continue() => {}
                Answer::Again(_) | Answer::Stop => return Tried::Unsettled,
            }
        }
    }

    /// It may pass: again, a bounded number of times.
    fn retry(&self, message: &InHand<'_>, tries: &mut Tries, failure: Failure, elapsed: Duration) -> Answer {
        tries.alone.pauses();
        if tries.attempt >= self.settings.stage.max_attempts {
            self.events.gave_up(&message.at, failure.code, tries.attempt);
            return Answer::GiveUp(failure, tries.attempt);
        }
        tries.attempt += 1;
        let most = Duration::from_millis(self.settings.stage.max_backoff_ms.into());
        let pause = self.backoff(tries.waits).max(failure.retry_after.unwrap_or_default().min(most));
        let next = Attempt { number: tries.attempt, pause };
        self.events.retrying(&message.at, failure.code, &failure, elapsed, next);
        Answer::Again(pause)
    }

    /// Something did not answer: is it away, or is it this message? An outage uses up no attempt and no patience.
    async fn wait(&self, message: &InHand<'_>, tries: &mut Tries, failure: Failure, elapsed: Duration) -> Answer {
        if failure.of == Dependency::Cluster {
            // What the brokers do not take for the moment is no one message's fault. They may answer every question well
            // meanwhile, such as with too few replicas in sync.
            tries.alone.pauses();
            tries.outage.get_or_insert_with(|| self.outage.enter(&failure.text));
            self.outage.still(&failure.text);
            let pause = self.backoff(tries.waits);
            self.events.unavailable(failure.code, &failure, elapsed, pause);
            return Answer::Again(pause);
        }
        let is_there = tokio::select! {
            is_there = self.questions.to(failure.of).ask() => is_there,
            () = message.stopping.cancelled() => return Answer::Stop,
        };
        let pause = self.backoff(tries.waits);
        if is_there.is_err() {
            tries.alone.pauses();
            self.events.unavailable(failure.code, &failure, elapsed, pause);
            return Answer::Again(pause);
        }
        let waited = tries.alone.waits(tokio::time::Instant::now(), &self.events);
        if waited < Duration::from_millis(self.settings.stage.patience_ms.into()) {
            self.events.waiting(&message.at, failure.code, &failure, elapsed, waited, pause);
            return Answer::Again(pause);
        }
        self.events.lost_patience(&message.at, failure.code, &failure, elapsed);
        let words = format!("given up after {} s in which nothing else was in its way", waited.as_secs());
        Answer::GiveUp(failure.after(&words), tries.waits)
    }

    pub(super) async fn send(&self, messages: Vec<Outbound>) -> Result<Vec<Position>, Failure> {
        self.producer.send_all(messages).await.map_err(|error| Failure::from(error).of(Dependency::Cluster))
    }

    /// Full jitter: a random time up to a bound that doubles with each wait, of which this is the `waits`th.
    pub(super) fn backoff(&self, waits: u32) -> Duration {
        let bound = FIRST_BACKOFF.saturating_mul(1 << waits.saturating_sub(1).min(16));
        bound.min(Duration::from_millis(u64::from(self.settings.stage.max_backoff_ms))).mul_f64(fastrand::f64())
    }
}

/// The span that produced a message.
pub(super) fn produced_by(delivery: &Delivery) -> Option<TraceContext> {
    TraceContext::parse(delivery.header(header::TRACEPARENT)?).ok()
}

/// Waits, and breaks off when the stage stops.
pub(super) async fn wait(pause: Duration, stopping: &CancellationToken) -> ControlFlow<()> {
    tokio::select! {
        () = stopping.cancelled() => ControlFlow::Break(()),
        () = tokio::time::sleep(pause) => ControlFlow::Continue(()),
    }
}

//! One message, from its bytes to "settled": the four dispositions in one place.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pipeline_kafka::{Delivery, Position, Producer, producer::Outbound};
use pipeline_model::disposition::Disposition;
use pipeline_settings::settings;
use pipeline_telemetry::{
    TraceContext, crash,
    events::{Attempt, StageEvents},
    span::{Coordinates, MessageSpan, consumer_span},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    alone::Alone,
    dead_letter::header,
    encode::{Encode, Topic},
    failure::Failure,
    outage::{Outage, Waiting},
    questions::{Dependency, Questions},
};
use crate::{
    registry::Codec,
    stage::{Emit, Outgoing, Record, Stage},
};

/// The first pause between two attempts at most; it doubles from there.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Everything that handling a message needs, shared by all messages of a stage.
pub(crate) struct Processor<S: Stage> {
    pub(crate) stage: S,
    pub(crate) codec: Codec,
    pub(crate) producer: Producer,
    pub(crate) outage: Arc<Outage>,
    pub(crate) questions: Questions,
    pub(crate) events: StageEvents,
    pub(crate) group: String,
    pub(crate) settings: settings::Stage,
    pub(crate) kafka: settings::Kafka,
    /// Messages that the stage handled: proof, at no cost, that what the stage needs is there.
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

/// A message on its way to being settled.
pub(super) struct InHand<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) at: Coordinates<'a>,
    pub(super) span: &'a MessageSpan,
    pub(super) stopping: &'a CancellationToken,
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

// === impl Processor ===

impl<S: Stage> Processor<S> {
    /// Tries until the message is settled, or `stopping` is cancelled while it waits.
    pub(crate) async fn process(&self, delivery: &Delivery, stopping: &CancellationToken) -> Settlement {
        let at = Coordinates {
            topic: &delivery.position.partition.topic,
            partition: delivery.position.partition.number,
            offset: delivery.position.offset,
            key: delivery.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()),
            group: &self.group,
            run_id: delivery.header(header::RUN_ID),
        };
        let parent = delivery.header(header::TRACEPARENT).and_then(|text| TraceContext::parse(text).ok());
        let span = consumer_span(S::NAME, &at, parent.as_ref());
        self.events.consumed(&at);
        let message = InHand { delivery, at, span: &span, stopping };
        self.until_settled(&message).instrument(span.span.clone()).await
    }

    async fn until_settled(&self, message: &InHand<'_>) -> Settlement {
        let mut tries = Tries::default();
        loop {
            let begun = Instant::now();
            let failure = match self.attempt(message.delivery, tries.attempt, &message.span.context).await {
                Ok(emitted) => {
                    self.events.handled(&message.at, begun.elapsed(), emitted);
                    return Settlement::Settled;
                }
                Err(failure) => failure,
            };
            let elapsed = begun.elapsed();
            tries.failed(message, &failure);
            let answer = match failure.disposition {
                Disposition::Halt => {
                    self.events.halted(&message.at, failure.code, &failure, elapsed);
                    return Settlement::Halted(failure);
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
                    return self.give_up(message, &failure, attempts, tries.first_failed_at).await;
                }
                Answer::Again(pause) if wait(pause, message.stopping).await.is_continue() => {}
                Answer::Again(_) | Answer::Stop => return Settlement::Unsettled,
            }
        }
    }

    /// It may pass: again, a bounded number of times.
    fn retry(&self, message: &InHand<'_>, tries: &mut Tries, failure: Failure, elapsed: Duration) -> Answer {
        tries.alone.pauses();
        if tries.attempt >= self.settings.max_attempts {
            self.events.gave_up(&message.at, failure.code, tries.attempt);
            return Answer::GiveUp(failure, tries.attempt);
        }
        tries.attempt += 1;
        let most = Duration::from_millis(self.settings.max_backoff_ms.into());
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
        if waited < Duration::from_millis(self.settings.patience_ms.into()) {
            self.events.waiting(&message.at, failure.code, &failure, elapsed, waited, pause);
            return Answer::Again(pause);
        }
        self.events.lost_patience(&message.at, failure.code, &failure, elapsed);
        let words = format!("given up after {} s in which nothing else was in its way", waited.as_secs());
        Answer::GiveUp(failure.after(&words), tries.waits)
    }

    /// Decode, handle, emit, acknowledge: once. Gives the number of messages emitted.
    async fn attempt(&self, delivery: &Delivery, attempt: u32, trace: &TraceContext) -> Result<usize, Failure> {
        crash::point(S::NAME, "after-poll");
        let decoded = self.codec.decode::<S::Input>(delivery.payload.as_deref().unwrap_or_default()).await;
        let message = decoded.map_err(|error| Failure::from(error).of(Dependency::Registry))?;
        let record = Record {
            message,
            topic: delivery.position.partition.topic.clone(),
            partition: delivery.position.partition.number,
            offset: delivery.position.offset,
            attempt,
        };
        let emit = self.stage.handle(&record).await?;
        self.succeeded.fetch_add(1, Ordering::Relaxed);
        crash::point(S::NAME, "after-handle");
        self.emit(&emit, Some(trace)).await?;
        crash::point(S::NAME, "after-emit");
        Ok(emit.messages.len())
    }

    /// Work that no message triggers.
    pub(crate) async fn tick(&self) -> Result<(), Failure> {
        let emit = self.stage.tick().await?;
        self.emit(&emit, None).await
    }

    async fn emit(&self, emit: &Emit<S::Output>, trace: Option<&TraceContext>) -> Result<(), Failure> {
        if emit.messages.is_empty() {
            return Ok(());
        }
        let encoded: Result<Vec<Outbound>, Failure> =
            emit.messages.iter().map(|message| message.visit(Encode { codec: &self.codec, trace })).collect();
        self.send(encoded?).await?;
        for message in &emit.messages {
            self.events.emitted(message.visit(Topic));
        }
        Ok(self.stage.delivered(emit).await?)
    }

    pub(super) async fn send(&self, messages: Vec<Outbound>) -> Result<Vec<Position>, Failure> {
        self.producer.send_all(messages).await.map_err(|error| Failure::from(error).of(Dependency::Cluster))
    }

    /// Full jitter: a random time up to a bound that doubles with each wait, of which this is the `waits`th.
    pub(super) fn backoff(&self, waits: u32) -> Duration {
        let bound = FIRST_BACKOFF.saturating_mul(1 << waits.saturating_sub(1).min(16));
        bound.min(Duration::from_millis(u64::from(self.settings.max_backoff_ms))).mul_f64(fastrand::f64())
    }
}

/// Waits, and breaks off when the stage stops.
pub(super) async fn wait(pause: Duration, stopping: &CancellationToken) -> ControlFlow<()> {
    tokio::select! {
        () = stopping.cancelled() => ControlFlow::Break(()),
        () = tokio::time::sleep(pause) => ControlFlow::Continue(()),
    }
}

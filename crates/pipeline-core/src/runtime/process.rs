//! One message, from its bytes to "settled": the four dispositions in one place.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    dead_letter::{Obituary, dead_letter, header},
    failure::Failure,
    outage::Outage,
};
use crate::{
    contracts::Message,
    crash,
    disposition::Disposition,
    ids::RunId,
    kafka::{Delivery, Producer, producer::Outbound},
    registry::Codec,
    settings,
    stage::{Emit, GivenUp, Outgoing, Record, Stage, VisitOutgoing},
    telemetry::{
        TraceContext,
        events::{Attempt, StageEvents},
        span::{Coordinates, MessageSpan, consumer_span},
    },
};

/// The first pause between two attempts at most; it doubles from there.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Everything that handling a message needs, shared by all messages of a stage.
pub(crate) struct Processor<S: Stage> {
    pub(crate) stage: S,
    pub(crate) codec: Codec,
    pub(crate) producer: Producer,
    pub(crate) outage: Arc<Outage>,
    pub(crate) events: StageEvents,
    pub(crate) group: String,
    pub(crate) settings: settings::Stage,
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
struct InHand<'a> {
    delivery: &'a Delivery,
    at: Coordinates<'a>,
    span: &'a MessageSpan,
    stopping: &'a CancellationToken,
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
        let at = &message.at;
        let mut attempt = 1;
        let mut waits = 0;
        let mut first_failed_at = None;
        let mut outage = None;
        loop {
            let begun = Instant::now();
            let failure = match self.attempt(message.delivery, attempt, &message.span.context).await {
                Ok(emitted) => {
                    self.events.handled(at, begun.elapsed(), emitted);
                    return Settlement::Settled;
                }
                Err(failure) => failure,
            };
            let elapsed = begun.elapsed();
            let first_failed_at = *first_failed_at.get_or_insert_with(SystemTime::now);
            let pause = self.backoff(waits);
            waits += 1;
            if waits == 1 {
                // Once: what a span is told is kept until its end, and an outage may last for thousands of attempts.
                message.span.failed(failure.code);
            }
            match failure.disposition {
                Disposition::Halt => {
                    self.events.halted(at, failure.code, &failure, elapsed);
                    return Settlement::Halted(failure);
                }
                Disposition::Unavailable => {
                    // An outage uses up no attempt: the message did nothing wrong.
                    self.events.unavailable(failure.code, &failure, elapsed, pause);
                    outage.get_or_insert_with(|| self.outage.enter(&failure.text));
                    self.outage.still(&failure.text);
                }
                Disposition::Retry if attempt < self.settings.max_attempts => {
                    outage = None;
                    attempt += 1;
                    self.events.retrying(at, failure.code, &failure, elapsed, Attempt { number: attempt, pause });
                }
                Disposition::Retry => {
                    drop(outage);
                    self.events.gave_up(at, failure.code, attempt);
                    return self.give_up(message, &failure, attempt, first_failed_at).await;
                }
                Disposition::Reject => {
                    drop(outage);
                    self.events.rejected(at, failure.code, &failure, elapsed);
                    return self.give_up(message, &failure, attempt, first_failed_at).await;
                }
            }
            if wait(pause, message.stopping).await.is_break() {
                return Settlement::Unsettled;
            }
        }
    }

    /// Decode, handle, emit, acknowledge: once. Gives the number of messages emitted.
    async fn attempt(&self, delivery: &Delivery, attempt: u32, trace: &TraceContext) -> Result<usize, Failure> {
        crash::point(S::NAME, "after-poll");
        let message = self.codec.decode::<S::Input>(delivery.payload.as_deref().unwrap_or_default()).await?;
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
        self.producer.send_all(encoded?).await?;
        for message in &emit.messages {
            self.events.emitted(message.visit(Topic));
        }
        Ok(self.stage.delivered(emit).await?)
    }

    /// Puts the message where people find it. That must not fail, so it is tried like during an outage.
    async fn give_up(
        &self,
        message: &InHand<'_>,
        failure: &Failure,
        attempts: u32,
        first_failed_at: SystemTime,
    ) -> Settlement {
        let InHand { delivery, at, span, .. } = message;
        let record = self.codec.decode::<S::Input>(delivery.payload.as_deref().unwrap_or_default()).await.ok();
        let obituary = Obituary {
            stage: S::NAME,
            group: &self.group,
            run_id: record.as_ref().map(Message::run_id).or(at.run_id),
            failure,
            attempts,
            first_failed_at,
            trace: &span.context,
        };
        // First the letter, then the ledger's note of it: a crash in between repeats both, and the note is kept once.
        let letter = dead_letter(delivery, &obituary);
        let positions = match self.insist(message, || self.producer.send_all(vec![letter.clone()])).await {
            Ok(positions) => positions,
            Err(settlement) => return settlement,
        };
        if let Some(position) = positions.first() {
            let note = GivenUp {
                run_id: obituary.run_id,
                source: &delivery.position,
                dead_letter: position,
                key: at.key,
                code: failure.code,
                reason: &failure.text,
                attempts,
                first_failed_at,
            };
            if let Err(settlement) = self.insist(message, || self.stage.given_up(&note)).await {
                return settlement;
            }
        }
        self.events.dead_lettered(at, failure.code);
        Settlement::Settled
    }

    /// Tries what must not fail until it does not, as during an outage.
    async fn insist<T, E, F>(&self, message: &InHand<'_>, operation: impl Fn() -> F) -> Result<T, Settlement>
    where
        E: Into<Failure>,
        F: Future<Output = Result<T, E>>,
    {
        let mut outage = None;
        let mut waits = 0;
        loop {
            let begun = Instant::now();
            let failure = match operation().await {
                Ok(done) => return Ok(done),
                Err(error) => error.into(),
            };
            match failure.disposition {
                Disposition::Unavailable | Disposition::Retry => {}
                Disposition::Reject | Disposition::Halt => {
                    self.events.halted(&message.at, failure.code, &failure, begun.elapsed());
                    return Err(Settlement::Halted(failure));
                }
            }
            let pause = self.backoff(waits);
            waits += 1;
            self.events.unavailable(failure.code, &failure, begun.elapsed(), pause);
            outage.get_or_insert_with(|| self.outage.enter(&failure.text));
            if wait(pause, message.stopping).await.is_break() {
                return Err(Settlement::Unsettled);
            }
        }
    }

    /// Full jitter: a random time up to a bound that doubles with each wait.
    fn backoff(&self, waits: u32) -> Duration {
        let bound = FIRST_BACKOFF.saturating_mul(1 << waits.min(16));
        bound.min(Duration::from_millis(u64::from(self.settings.max_backoff_ms))).mul_f64(fastrand::f64())
    }
}

/// Waits, and breaks off when the stage stops.
async fn wait(pause: Duration, stopping: &CancellationToken) -> ControlFlow<()> {
    tokio::select! {
        () = stopping.cancelled() => ControlFlow::Break(()),
        () = tokio::time::sleep(pause) => ControlFlow::Continue(()),
    }
}

/// Makes the bytes and headers of a message.
struct Encode<'a> {
    codec: &'a Codec,
    /// The span that caused the message; without one, the run's own trace.
    trace: Option<&'a TraceContext>,
}

impl VisitOutgoing for Encode<'_> {
    type Output = Result<Outbound, Failure>;

    fn message<M: Message>(self, message: &M) -> Self::Output {
        let payload = self.codec.encode(message)?;
        let trace = self.trace.cloned().or_else(|| RunId::parse(message.run_id()).ok().map(TraceContext::for_run));
        let mut headers = vec![(header::RUN_ID.to_owned(), Some(message.run_id().as_bytes().to_vec()))];
        if let Some(trace) = trace {
            headers.push((header::TRACEPARENT.to_owned(), Some(trace.to_string().into_bytes())));
        }
        Ok(Outbound {
            topic: M::TOPIC.to_owned(),
            key: Some(message.key().into_bytes()),
            payload: Some(payload),
            headers,
        })
    }
}

/// The topic of a message.
struct Topic;

impl VisitOutgoing for Topic {
    type Output = &'static str;

    fn message<M: Message>(self, _: &M) -> &'static str {
        M::TOPIC
    }
}

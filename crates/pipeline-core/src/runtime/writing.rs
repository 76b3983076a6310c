//! A sink's work: one partition in order, in batches, from where the target stands.
//!
//! The worker claims its partition, turns the client to the offset that the target holds, gathers records, and writes
//! them. What is written moves `next`, the offset that the target holds by what this worker knows. When a write says
//! that the target holds another one, everything gathered is thrown away and the partition is claimed again.

use std::{sync::Arc, time::Duration};

use pipeline_kafka::{Delivery, Partition, Position, consumer::PartitionQueue};
use pipeline_model::needs::Needs;
use pipeline_telemetry::{
    coordinates::Coordinates,
    crash,
    span::{batch_span, internal_span},
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    driven::{Driven, Shared},
    engine::{Engine, InHand, Settlement, Tried, produced_by},
    failure::{Dependency, Failure, LastFailure},
    part::Part,
    work::Work,
};
use crate::{
    admin::MAX_WAITING,
    intake::Intake as _,
    sink::{Batch, Sink, Written},
};

/// Code of an offset that lies before what the target holds.
const ANOTHER_LOG: &str = "SLUICE-RUNTIME-004";

/// Code of a sink that does not keep its side of the contract.
const BROKEN_SINK: &str = "SLUICE-RUNTIME-005";

/// How often the client is asked to turn to an offset while it is not fetching yet.
const SEEK_AGAIN: Duration = Duration::from_millis(50);

/// A sink, driven by the loop.
pub(crate) struct Writing<K>(pub(crate) K);

/// The worker of one partition.
struct Writer<K: Sink> {
    shared: Arc<Shared<Writing<K>>>,
    queue: PartitionQueue,
    partition: Partition,
    stopping: CancellationToken,
}

/// Why the work on a partition does not simply go on.
enum Interruption {
    /// The target holds another offset than was thought.
    Fenced,
    /// The partition is given up.
    Stop,
    /// The sink must stop.
    Halt(Failure),
}

impl<K: Sink> Work for Writing<K> {
    const NAME: &'static str = K::NAME;
    type Input = K::Input;

    fn writes() -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    fn needs(&self) -> impl Needs {
        self.0.needs()
    }
}

impl<K: Sink> Driven for Writing<K> {
    fn tick_interval(&self) -> Option<Duration> {
        None
    }

    async fn tick(_: &Engine<Self>) -> Result<(), Failure> {
        Ok(())
    }

    async fn partition(
        shared: Arc<Shared<Self>>,
        queue: PartitionQueue,
        partition: Partition,
        stopping: CancellationToken,
    ) -> Option<Position> {
        let writer = Writer { shared, queue, partition, stopping };
        let mut next = None;
        let mut fenced = 0;
        let failure = loop {
            let before = next;
            match writer.until_interrupted(&mut next).await {
                Interruption::Stop => break None,
                Interruption::Halt(failure) => break Some(failure),
                Interruption::Fenced => {
                    // Two owners that both believe in the partition must not chase each other.
                    fenced = if next > before { 1 } else { fenced + 1 };
                    let pause = writer.shared.engine.backoff(fenced);
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = writer.stopping.cancelled() => break None,
                    }
                }
            }
        };
        let Writer { shared, queue, partition, .. } = writer;
        drop(queue);
        if let Some(failure) = failure {
            shared.halt(failure);
        }
        next.map(|offset| Position { partition, offset })
    }
}

impl<K: Sink> Writer<K> {
    /// Claims the partition and writes it, until something else has to happen. `next` is what the target holds.
    async fn until_interrupted(&self, next: &mut Option<i64>) -> Interruption {
        let offset = match self.claim().await {
            Ok(offset) => next.insert(offset),
            Err(interruption) => return interruption,
        };
        if let Err(interruption) = self.turn_to(*offset).await {
            return interruption;
        }
        let mut part = Part::from(self.partition.clone(), *offset);
        loop {
            if let Err(interruption) = self.gather(&mut part, *offset).await {
                return interruption;
            }
            let end = part.batch().end;
            if let Err(interruption) = self.write(part, offset).await {
                return interruption;
            }
            // Past the target when the last record became a dead letter: the next batch covers it.
            part = Part::from(self.partition.clone(), end);
        }
    }

    /// Where the target stands; waits for it.
    async fn claim(&self) -> Result<i64, Interruption> {
        let engine = &self.shared.engine;
        let partitions = std::slice::from_ref(&self.partition);
        let at = self.at(0);
        let span = internal_span(K::NAME, "claim", None);
        let message = InHand { at, span: &span, stopping: &self.stopping, records: 0 };
        let claiming = engine.until_settled(&message, |_| async { Ok(engine.work.0.claim(partitions).await?) });
        let claims = match claiming.await {
            Tried::Done(claims, _) => claims,
            Tried::GivenUp(LastFailure { failure, .. }) => return Err(Interruption::Halt(failure)),
            Tried::Unsettled => return Err(Interruption::Stop),
            Tried::Halted(failure) => return Err(Interruption::Halt(failure)),
        };
        engine.proved();
        let claim = claims.into_iter().find(|claim| claim.partition == self.partition);
        let missing = || Failure::halt(BROKEN_SINK, format!("the target says nothing of {}", self.partition));
        let offset = claim.ok_or_else(|| Interruption::Halt(missing()))?.offset;
        engine.events.claimed(&self.partition.topic, self.partition.number, offset);
        Ok(offset)
    }

    /// Turns the client to an offset: it refuses as long as it has not begun to fetch.
    async fn turn_to(&self, offset: i64) -> Result<(), Interruption> {
        let turning = async {
            while let Err(error) = self.queue.seek(offset).await {
                tracing::debug!("{}: cannot go to offset {offset} yet: {error}", self.partition);
                sleep(SEEK_AGAIN).await;
            }
        };
        tokio::select! {
            () = turning => Ok(()),
            () = self.stopping.cancelled() => Err(Interruption::Stop),
        }
    }

    /// Gathers records until there are enough of them, or the first has waited for long enough. Gives at least one
    /// offset behind `next`.
    async fn gather(&self, part: &mut Part<K::Input>, next: i64) -> Result<(), Interruption> {
        let limits = self.shared.engine.work.0.limits();
        let mut due = (part.batch().end > next).then(|| Instant::now() + limits.wait);
        while part.messages().len() < limits.records.max(1) && part.bytes() < limits.bytes {
            let delivery = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Err(Interruption::Stop),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return Ok(()),
                received = self.queue.recv() => match received {
                    Ok(delivery) => delivery,
                    // The group member sees the same trouble and reports it; the queue itself stays usable.
                    Err(error) => {
                        tracing::debug!("{}: {error}", self.partition);
                        continue;
                    }
                },
            };
            due.get_or_insert_with(|| Instant::now() + limits.wait);
            self.take(part, delivery).await?;
        }
        Ok(())
    }

    /// Decodes a message, or puts it where people find it.
    async fn take(&self, part: &mut Part<K::Input>, delivery: Delivery) -> Result<(), Interruption> {
        let engine = &self.shared.engine;
        let offset = delivery.position.offset;
        if offset < part.batch().end {
            let text = format!(
                "{} gave offset {offset} after {}: the topic was made anew, or its end was cut off; the target holds \
                 offsets of the old one",
                self.partition,
                part.batch().end,
            );
            return Err(Interruption::Halt(Failure::halt(ANOTHER_LOG, text)));
        }
        let mut at = engine.coordinates(&delivery);
        engine.events.consumed(&at);
        crash::point(K::NAME, "after-poll");
        // The rule, and it needs no span of its own.
        if let Ok(record) = K::Input::decode(&engine.codec, &delivery).await {
            part.push(record, delivery);
            return Ok(());
        }
        let span = engine.span(&mut at, &delivery);
        let message = InHand { at, span: &span, stopping: &self.stopping, records: 1 };
        let decode = async |_| {
            let decoded = K::Input::decode(&engine.codec, &delivery).await;
            decoded.map_err(|error| Failure::from(error).of(Dependency::Registry))
        };
        let decoding = engine.until_settled(&message, decode);
        match decoding.instrument(span.span.clone()).await {
            Tried::Done(record, _) => part.push(record, delivery),
            Tried::GivenUp(last) => {
                self.to_letter(&message, &delivery, &last).await?;
                part.pass(offset);
            }
            Tried::Unsettled => return Err(Interruption::Stop),
            Tried::Halted(failure) => return Err(Interruption::Halt(failure)),
        }
        Ok(())
    }

    /// Writes what was gathered, in halves where something in it is refused. `next` moves with what is written.
    async fn write(&self, part: Part<K::Input>, next: &mut i64) -> Result<(), Interruption> {
        let engine = &self.shared.engine;
        let mut parts = vec![part];
        while let Some(part) = parts.pop() {
            let Some(_permit) = self.place().await else { return Err(Interruption::Stop) };
            let part = part.begin_at(*next);
            let end = part.batch().end;
            let mut at = part.messages().first().map_or_else(|| self.at(end), |first| engine.coordinates(first));
            let span = match part.messages() {
                [alone] => engine.span(&mut at, alone),
                messages => batch_span(K::NAME, &at, messages.iter().map(produced_by)),
            };
            let records = part.messages().len();
            let _in_flight = engine.events.begin(records);
            let message = InHand { at, span: &span, stopping: &self.stopping, records };
            let Some(last) = self.until_written(&message, part.batch()).await? else {
                part.messages().iter().for_each(|message| self.shared.forget(message));
                *next = end;
                // Kafka follows, for whoever watches the lag.
                self.shared.heads.moved(&self.partition, end, records.max(1) as u64);
                continue;
            };
            match part.messages() {
                [] => return Err(Interruption::Halt(last.failure)),
                // The target does not move: whatever is written next covers the offset.
                [alone] => self.to_letter(&message, alone, &last).await?,
                _ => {
                    let (earlier, later) = part.halves();
                    parts.extend([later, earlier]);
                }
            }
        }
        Ok(())
    }

    /// Tries to write a batch. Gives why it was refused, when it was.
    async fn until_written(
        &self,
        message: &InHand<'_>,
        batch: &Batch<K::Input>,
    ) -> Result<Option<LastFailure>, Interruption> {
        let engine = &self.shared.engine;
        crash::point(K::NAME, "before-write");
        let name = format!("{}: the batch of {} up to offset {}", K::NAME, self.partition, batch.end);
        let writing = engine.until_settled(message, |_| async { Ok(engine.work.0.write(batch).await?) });
        let writing = writing.instrument(message.span.span.clone());
        match self.shared.health.watched(name, MAX_WAITING, writing).await {
            Tried::Done(Written::Done, elapsed) => {
                crash::point(K::NAME, "after-write");
                engine.proved();
                engine.events.written(&message.at, message.records, batch.end, elapsed);
                Ok(None)
            }
            Tried::Done(Written::Fenced, _) => {
                engine.events.fenced(&message.at, batch.begin);
                Err(Interruption::Fenced)
            }
            Tried::GivenUp(last) => Ok(Some(last)),
            Tried::Unsettled => Err(Interruption::Stop),
            Tried::Halted(failure) => Err(Interruption::Halt(failure)),
        }
    }

    /// Puts a message where people find it, and does not go on before it is there.
    async fn to_letter(
        &self,
        message: &InHand<'_>,
        delivery: &Delivery,
        last: &LastFailure,
    ) -> Result<(), Interruption> {
        match self.shared.engine.give_up(message, delivery, last).await {
            Settlement::Settled => {
                self.shared.forget(delivery);
                Ok(())
            }
            Settlement::Unsettled => Err(Interruption::Stop),
            Settlement::Halted(failure) => Err(Interruption::Halt(failure)),
        }
    }

    /// A place among what is in hand; `None` when the partition is given up meanwhile.
    async fn place(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        tokio::select! {
            permit = self.shared.place() => permit,
            () = self.stopping.cancelled() => None,
        }
    }

    /// A place in the partition where there is no message to name.
    fn at(&self, offset: i64) -> Coordinates<'_> {
        let Partition { topic, number } = &self.partition;
        Coordinates {
            topic,
            partition: *number,
            offset,
            key: None,
            group: &self.shared.engine.group,
            run_id: None,
            trace: None,
        }
    }
}

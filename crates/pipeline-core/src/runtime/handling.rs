//! A stage's work: each message of a partition is a task of its own, they settle side by side, and the head follows.

use std::{collections::VecDeque, ops::ControlFlow, sync::Arc, time::Duration};

use pipeline_kafka::{Delivery, Outbound, Partition, Position, consumer::PartitionQueue};
use pipeline_model::needs::Needs;
use pipeline_telemetry::{TraceContext, crash, span::MessageSpan};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    driven::{Driven, Shared},
    encode::{Encode, Topic},
    engine::{Engine, InHand, Settlement, Tried},
    failure::{Dependency, Failure},
    lanes::{Arrival, Lanes, Turn},
    offsets::OffsetTracker,
    tasks::PANICKED,
    work::Work,
};
use crate::{
    admin::MAX_WAITING,
    intake::{Correlation, Intake as _},
    stage::{Emit, Outgoing as _, Record, Stage},
};

/// A stage, driven by the loop.
pub(crate) struct Handling<S>(pub(crate) S);

/// A message that has been handed to the stage, when it comes back.
struct Returned {
    turn: Turn,
    settlement: Settlement,
    /// Gives the place to another message when dropped.
    _permit: OwnedSemaphorePermit,
}

impl<S: Stage> Work for Handling<S> {
    const NAME: &'static str = S::NAME;
    type Input = S::Input;

    fn writes() -> Vec<(&'static str, &'static str)> {
        S::Output::contracts()
    }

    fn needs(&self) -> impl Needs {
        self.0.needs()
    }
}

impl<S: Stage> Driven for Handling<S> {
    fn tick_interval(&self) -> Option<Duration> {
        self.0.tick_interval()
    }

    async fn tick(engine: &Engine<Self>) -> Result<(), Failure> {
        let emit = engine.work.0.tick().await?;
        engine.emit(&emit, None).await
    }

    async fn partition(
        shared: Arc<Shared<Self>>,
        queue: PartitionQueue,
        partition: Partition,
        stopping: CancellationToken,
    ) -> Option<Position> {
        let mut tracker = OffsetTracker::default();
        let mut in_hand: JoinSet<Returned> = JoinSet::new();
        let mut lanes = Lanes::new(S::ORDER);
        // Messages whose turn it is and that have found no place yet. They have arrived and are not settled, so the head
        // stays before them when they are dropped with the partition.
        let mut ready: VecDeque<Turn> = VecDeque::new();
        loop {
            tokio::select! {
                biased;
                Some(returned) = in_hand.join_next() => match settle(&shared, &mut tracker, &partition, returned) {
                    ControlFlow::Continue(turn) => ready.extend(turn.and_then(|turn| lanes.settled(turn.delivery.key.as_deref()))),
                    ControlFlow::Break(()) => break,
                },
                () = stopping.cancelled() => break,
                permit = shared.place(), if !ready.is_empty() => {
                    if let (Some(turn), Some(permit)) = (ready.pop_front(), permit) {
                        in_hand.spawn(hand_over(Arc::clone(&shared), turn, permit, stopping.clone()));
                    }
                }
                received = queue.recv(), if ready.is_empty() && !lanes.are_full() => match received {
                    Ok(delivery) => {
                        tracker.arrived(delivery.position.offset);
                        match lanes.arrived(delivery) {
                            Arrival::Begins(turn) => ready.push_back(turn),
                            Arrival::Waits => {}
                            Arrival::Replaces(older) => {
                                shared.engine.events.replaced(&shared.engine.coordinates(&older));
                                shared.forget(&older);
                            }
                        }
                    }
                    // The group member sees the same trouble and reports it; the queue itself stays usable.
                    Err(error) => tracing::debug!("{partition}: {error}"),
                },
            }
        }
        // Not one more is taken; what is in hand may finish.
        drop(queue);
        while let Some(returned) = in_hand.join_next().await {
            if settle(&shared, &mut tracker, &partition, returned).is_break() {
                break;
            }
        }
        tracker.head().map(|offset| Position { partition, offset })
    }
}

async fn hand_over<S: Stage>(
    shared: Arc<Shared<Handling<S>>>,
    turn: Turn,
    permit: OwnedSemaphorePermit,
    stopping: CancellationToken,
) -> Returned {
    let _in_flight = shared.engine.events.begin(1);
    let Position { partition, offset } = &turn.delivery.position;
    let name = format!("{}: the message at {partition}, offset {offset}", S::NAME);
    let processed = shared.engine.process(&turn.delivery, &stopping);
    let settlement = shared.health.watched(name, MAX_WAITING, processed).await;
    Returned { turn, settlement, _permit: permit }
}

/// Notes what became of a message, and gives it back when it is settled. Breaks when the stage must stop: then the head
/// stays where it is for good.
fn settle<S: Stage>(
    shared: &Shared<Handling<S>>,
    tracker: &mut OffsetTracker,
    partition: &Partition,
    returned: Result<Returned, JoinError>,
) -> ControlFlow<(), Option<Turn>> {
    let failure = match returned {
        Ok(Returned { turn, settlement: Settlement::Settled, .. }) => {
            let offsets = turn.replaces.iter().copied().chain([turn.delivery.position.offset]);
            let moved = offsets.map(|offset| tracker.settled(offset)).sum();
            shared.forget(&turn.delivery);
            if let Some(offset) = tracker.head() {
                shared.heads.moved(partition, offset, moved);
            }
            return ControlFlow::Continue(Some(turn));
        }
        Ok(Returned { settlement: Settlement::Unsettled, .. }) => return ControlFlow::Continue(None),
        Ok(Returned { settlement: Settlement::Halted(failure), .. }) => failure,
        Err(error) => Failure::halt(PANICKED, format!("a message of {partition} ended the handler: {error}")),
    };
    shared.halt(failure);
    ControlFlow::Break(())
}

impl<S: Stage> Engine<Handling<S>> {
    /// Tries until the message is settled, or `stopping` is cancelled while it waits.
    async fn process(&self, delivery: &Delivery, stopping: &CancellationToken) -> Settlement {
        let mut at = self.coordinates(delivery);
        let span = self.span(&mut at, delivery);
        self.events.consumed(&at);
        let message = InHand { at, span: &span, stopping, records: 1 };
        let settling = async {
            match self.until_settled(&message, |number| self.attempt(delivery, number, &span)).await {
                Tried::Done(emitted, elapsed) => {
                    self.events.handled(&message.at, elapsed, emitted);
                    Settlement::Settled
                }
                Tried::GivenUp(last) => self.give_up(&message, delivery, &last).await,
                Tried::Unsettled => Settlement::Unsettled,
                Tried::Halted(failure) => Settlement::Halted(failure),
            }
        };
        settling.instrument(span.span.clone()).await
    }

    /// Decode, handle, emit, acknowledge: once. Gives the number of messages emitted.
    async fn attempt(&self, delivery: &Delivery, attempt: u32, span: &MessageSpan) -> Result<usize, Failure> {
        crash::point(S::NAME, "after-poll");
        let decoded = S::Input::decode(&self.codec, delivery).await;
        let message = decoded.map_err(|error| Failure::from(error).of(Dependency::Registry))?;
        if attempt > 1 {
            span.attempts(attempt);
        } else if let Some(Correlation { about, .. }) = message.correlation() {
            span.about(about.service_id, about.batch_no);
        }
        let record = Record {
            message,
            topic: delivery.position.partition.topic.clone(),
            partition: delivery.position.partition.number,
            offset: delivery.position.offset,
            attempt,
        };
        let emit = self.work.0.handle(&record).await?;
        self.proved();
        crash::point(S::NAME, "after-handle");
        self.emit(&emit, Some(&span.context)).await?;
        crash::point(S::NAME, "after-emit");
        Ok(emit.messages.len())
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
        Ok(self.work.0.delivered(emit).await?)
    }
}

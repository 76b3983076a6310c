//! A stage: the same message twice changes nothing, what cannot be handled is a letter, nothing is left over.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use pipeline_core::{
    runtime,
    stage::{Emit, Order, Outgoing, Record, Stage, VisitOutgoing},
};
use pipeline_kafka::{Delivery, Outbound};
use pipeline_model::{contracts::Message, needs::Needs};
use serde_json::Value;

use crate::{
    intake,
    observed::{assert_counted, assert_metrics},
    world::{World, hostile},
};
use pipeline_telemetry::metrics;

/// A message that a stage emitted: its topic, its key, its fields.
pub type Emitted = (String, String, Value);

/// By partition and offset of a message, what it led to.
type LedTo = BTreeMap<(i32, i64), Vec<Emitted>>;

/// Passes everything on, and keeps what was emitted for which message.
struct Recorded<S> {
    stage: S,
    emitted: Arc<Mutex<LedTo>>,
}

struct Shown;

/// Fails unless the stage keeps its contract. `golden` are messages that it can handle, `state` says in words what its
/// target holds of them; letters are no part of that. Gives what the golden messages led to.
pub async fn keeps_its_contract<S>(
    world: &World,
    build: S,
    golden: &[S::Input],
    state: impl AsyncFn() -> String,
) -> Vec<Emitted>
where
    S: Stage,
    S::Input: Message + std::fmt::Debug,
{
    let messages: Vec<Outbound> = golden.iter().map(|message| world.message(message)).collect();
    let means: Vec<_> = messages.iter().cloned().zip(golden.iter().map(|message| format!("{message:?}"))).collect();
    intake::keeps_its_contract::<S::Input>(world, &means, |record| format!("{record:?}")).await;

    let untouched = state().await;
    let emitted = Arc::default();
    let stage = Recorded { stage: build, emitted: Arc::clone(&emitted) };
    let running = world.start(S::NAME, S::Input::TOPIC, |context| runtime::run(stage, context));
    let settle = async |messages| {
        let sent = world.send(messages).await;
        running.settled().await;
        sent
    };
    let first = settle(messages.clone()).await;
    let done = state().await;
    assert_ne!(done, untouched, "`{}` did nothing for its golden messages", S::NAME);
    let second = settle(messages.clone()).await;
    assert_eq!(state().await, done, "`{}` changed something when the same messages came again", S::NAME);
    let third = settle(messages.iter().take(1).flat_map(hostile).collect()).await;
    assert_eq!(state().await, done, "`{}` changed something for what nobody should send", S::NAME);
    running.stop().await;

    let (led_to, again) = (led_to(&emitted, &first), led_to(&emitted, &second));
    for (earlier, later) in led_to.iter().zip(&again) {
        // A stage that has announced everything may keep silent, and may say nothing else.
        assert!(later.iter().all(|message| earlier.contains(message)), "{later:?} is not in {earlier:?}");
    }
    world.assert_unreadable_are_letters::<S::Input>(S::NAME, &third).await;

    assert_metrics(S::NAME);
    let letters = world.letters().await;
    let is_letter = |delivery: &&Delivery| {
        let position = &delivery.position;
        letters.contains_key(&(position.partition.topic.clone(), position.partition.number, position.offset))
    };
    let failed: Vec<Delivery> = third.iter().filter(is_letter).cloned().collect();
    let sent = [first, second, third].concat();
    assert_counted(metrics::CONSUMED, S::NAME, "", sent.len());
    assert_counted(metrics::DEAD_LETTERS, S::NAME, "", failed.len());
    world.spans.assert_cover(S::NAME, &sent, &failed);
    led_to.into_iter().flatten().collect()
}

/// What each of these messages led to.
fn led_to(emitted: &Mutex<LedTo>, sent: &[Delivery]) -> Vec<Vec<Emitted>> {
    let emitted = emitted.lock().unwrap();
    let of = |delivery: &Delivery| (delivery.position.partition.number, delivery.position.offset);
    sent.iter().map(|delivery| emitted.get(&of(delivery)).cloned().unwrap_or_default()).collect()
}

impl<S: Stage> Stage for Recorded<S> {
    const NAME: &'static str = S::NAME;
    const ORDER: Order = S::ORDER;
    type Input = S::Input;
    type Output = S::Output;
    type Error = S::Error;

    async fn handle(&self, record: &Record<S::Input>) -> Result<Emit<S::Output>, S::Error> {
        let emit = self.stage.handle(record).await?;
        let shown = emit.messages.iter().map(|message| message.visit(Shown)).collect();
        self.emitted.lock().unwrap().insert((record.partition, record.offset), shown);
        Ok(emit)
    }

    async fn delivered(&self, emitted: &Emit<S::Output>) -> Result<(), S::Error> {
        self.stage.delivered(emitted).await
    }

    fn needs(&self) -> impl Needs {
        self.stage.needs()
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.stage.tick_interval()
    }

    async fn tick(&self) -> Result<Emit<S::Output>, S::Error> {
        self.stage.tick().await
    }
}

impl VisitOutgoing for Shown {
    type Output = Emitted;

    fn message<M: Message>(self, message: &M) -> Emitted {
        (M::TOPIC.to_owned(), message.key(), serde_json::to_value(message).unwrap())
    }
}

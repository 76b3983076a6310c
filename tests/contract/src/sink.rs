//! A sink: the same batch twice changes nothing, what cannot be written is a letter, nothing is left over.

use pipeline_core::{
    intake::Intake,
    runtime,
    sink::{Batch, Placed, Sink, Written},
};
use pipeline_kafka::{Delivery, Outbound, Partition};
use pipeline_telemetry::metrics;

use crate::{
    intake::{self, delivered},
    observed::{assert_counted, assert_metrics, counted},
    world::{World, hostile},
};

/// A partition that no topic has: the sink's target knows nothing of it.
const UNKNOWN_PARTITION: i32 = 9_999;

/// Fails unless the sink keeps its contract. `golden` are messages that it can write, each with what its record has to
/// say; `rows` counts what the target holds.
pub async fn keeps_its_contract<K: Sink>(
    world: &World,
    build: impl AsyncFn() -> K,
    golden: &[(Outbound, String)],
    meaning: impl Fn(&K::Input) -> String,
    rows: impl AsyncFn() -> usize,
) {
    intake::keeps_its_contract::<K::Input>(world, golden, meaning).await;
    let messages: Vec<Outbound> = golden.iter().map(|(message, _)| message.clone()).collect();
    writes_each_batch_once(world, &build().await, &messages, &rows).await;

    let before = rows().await;
    let topic = messages[0].topic.clone();
    let strange: Vec<Outbound> = messages.iter().take(1).flat_map(hostile).collect();
    let sent = world.send([messages.clone(), strange, messages].concat()).await;
    let sink = build().await;
    let running = world.start(K::NAME, &topic, |context| runtime::run_sink(sink, context));
    running.settled().await;
    running.stop().await;
    world.assert_unreadable_are_letters::<K::Input>(K::NAME, &sent).await;
    let letters = world.letters().await.len();
    assert_eq!(rows().await - before + letters, sent.len(), "each message is a row or a letter, once");

    assert_metrics(K::NAME);
    assert_counted(metrics::CONSUMED, K::NAME, "", sent.len());
    assert_counted(metrics::DEAD_LETTERS, K::NAME, "", letters);
    assert_eq!(counted(metrics::FENCED, K::NAME, ""), 0.0, "nobody else was there");
    let mut unreadable: Vec<Delivery> = Vec::new();
    let mut readable = Vec::new();
    for delivery in sent {
        let is_readable = K::Input::decode(&world.codec, &delivery).await.is_ok();
        if is_readable { readable.push(delivery) } else { unreadable.push(delivery) }
    }
    world.spans.assert_cover(K::NAME, &[], &unreadable);
    assert_counted(metrics::HANDLED, K::NAME, "outcome=\"ok\"", readable.len());
}

/// The rule that everything rests on, asked of the sink itself.
async fn writes_each_batch_once<K: Sink>(
    world: &World,
    sink: &K,
    messages: &[Outbound],
    rows: &impl AsyncFn() -> usize,
) {
    let partition = Partition { topic: messages[0].topic.clone(), number: UNKNOWN_PARTITION };
    let claimed = async || sink.claim(std::slice::from_ref(&partition)).await.unwrap()[0].offset;
    let batch = async |begin: i64, records: &[Outbound], end: i64| {
        let mut placed = Vec::new();
        for (offset, message) in (begin..).zip(records) {
            let record = K::Input::decode(&world.codec, &delivered(message)).await.unwrap();
            placed.push(Placed { offset, record });
        }
        let batch = Batch { partition: partition.clone(), begin, end, records: placed };
        sink.write(&batch).await.unwrap()
    };
    let (none, count) = (rows().await, messages.len() as i64);
    assert_eq!(claimed().await, 0, "a partition that was never seen begins at 0");
    assert_eq!(batch(0, messages, count).await, Written::Done);
    assert_eq!((rows().await - none, claimed().await), (messages.len(), count));
    assert_eq!(batch(0, messages, count).await, Written::Fenced, "written a second time");
    assert_eq!(batch(count + 1, messages, count + 2).await, Written::Fenced, "written with a gap before it");
    assert_eq!((rows().await - none, claimed().await), (messages.len(), count));
    assert_eq!(batch(count, &[], count + 5).await, Written::Done, "a batch without records moves the offset");
    assert_eq!(batch(count, messages, count + 5).await, Written::Fenced);
    assert_eq!((rows().await - none, claimed().await), (messages.len(), count + 5));
}

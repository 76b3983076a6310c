//! How messages of one key follow each other.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pipeline_core::stage::{Emit, Nothing, Order, Record, Stage};
use pipeline_model::{
    contracts::{Message as _, ServiceDiscovered},
    needs::Needs,
};
use tokio_util::sync::CancellationToken;

use crate::world::{Failure, World, told};

/// Notes what it begins, and whether anything of the same key is begun beside it.
#[derive(Clone, Default)]
struct Follows<const NEWEST: bool>(Arc<Seen>);

#[derive(Default)]
struct Seen {
    begun: Mutex<BTreeMap<String, Vec<i64>>>,
    in_hand: Mutex<HashSet<String>>,
    most_in_hand: AtomicUsize,
    /// Handlers wait for it.
    open: CancellationToken,
}

impl<const NEWEST: bool> Stage for Follows<NEWEST> {
    const NAME: &'static str = if NEWEST { "newest" } else { "by-key" };
    const ORDER: Order = if NEWEST { Order::NewestByKey } else { Order::ByKey };
    type Input = ServiceDiscovered;
    type Output = Nothing;
    type Error = Failure;

    async fn handle(&self, record: &Record<ServiceDiscovered>) -> Result<Emit<Nothing>, Failure> {
        let ServiceDiscovered { service_id, generation, .. } = record.message.clone();
        let seen = &self.0;
        let count = {
            let mut in_hand = seen.in_hand.lock().unwrap();
            assert!(in_hand.insert(service_id.clone()), "two messages of `{service_id}` side by side");
            in_hand.len()
        };
        seen.most_in_hand.fetch_max(count, Ordering::SeqCst);
        seen.begun.lock().unwrap().entry(service_id.clone()).or_default().push(generation);
        seen.open.cancelled().await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..3))).await;
        seen.in_hand.lock().unwrap().remove(&service_id);
        Ok(Emit::nothing())
    }

    fn needs(&self) -> impl Needs {}
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_key_are_handled_one_after_the_other_and_those_of_others_beside_them() {
    let world = World::new().await;
    let parts = (0..30).flat_map(|generation| ["a", "b", "c"].map(|service| (service.to_owned(), generation)));
    world.producer.send_all(world.messages_of(parts).await).await.unwrap();
    let stage = Follows::<false>::default();
    let worker = world.start_stage(stage.clone(), Arc::default());
    let most = || stage.0.most_in_hand.load(Ordering::SeqCst);
    world.until("one of each key is in hand", || most() == 3).await;
    stage.0.open.cancel();
    world.until("all are settled", || world.lag("by-key", ServiceDiscovered::TOPIC) == 0).await;
    worker.stop().await.unwrap();
    let begun = stage.0.begun.lock().unwrap().clone();
    assert_eq!(begun.len(), 3);
    for (service, generations) in begun {
        assert_eq!(generations, (0..30).collect::<Vec<_>>(), "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_messages_that_wait_for_their_key_only_the_newest_is_handled_and_settles_the_others() {
    let world = World::new().await;
    let parts = (0..100).map(|generation| ("a".to_owned(), generation));
    world.producer.send_all(world.messages_of(parts).await).await.unwrap();
    let stage = Follows::<true>::default();
    let worker = world.start_stage(stage.clone(), Arc::default());
    let replaced = || told("sluice_messages_replaced_total", "stage=\"newest\"");
    world.until("the newest waits for the first", || replaced() == 98.0).await;
    stage.0.open.cancel();
    world.until("all are settled", || world.lag("newest", ServiceDiscovered::TOPIC) == 0).await;
    worker.stop().await.unwrap();
    assert_eq!(stage.0.begun.lock().unwrap()["a"], [0, 99]);
}

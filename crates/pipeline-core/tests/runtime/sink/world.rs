//! A broker, a registry, a target that keeps rows and offsets together, and workers of a sink that writes there.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use pipeline_core::{
    intake::Intake,
    registry::{Codec, DecodeError},
    runtime,
    sink::{Batch, Claim, Limits, Sink, Written},
};
use pipeline_kafka::{Delivery, Outbound, Partition, Position, admin, read_at};
use pipeline_model::{
    contracts::DEAD_LETTERS,
    disposition::{Classify, Disposition},
    letter::GivenUp,
    needs::Needs,
};
use pipeline_settings::settings::Settings;
use tokio_util::sync::CancellationToken;

use crate::world::Worker;

/// The topic that the sink follows: no contract's.
pub const NOTES: &str = "notes";

pub struct World {
    ground: crate::world::World,
    pub target: Arc<Target>,
}

impl Deref for World {
    type Target = crate::world::World;

    fn deref(&self) -> &Self::Target {
        &self.ground
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.ground
    }
}

/// A text under a key, or the key's end.
#[derive(Clone)]
pub struct Note {
    key: String,
    text: Option<String>,
}

/// Rows and offsets; what changes both holds the lock, as a transaction would.
#[derive(Default)]
pub struct Target {
    tables: Mutex<Tables>,
    pub batches: AtomicUsize,
    pub fenced: AtomicUsize,
    pub away: AtomicBool,
    pub asked: AtomicUsize,
    /// A record was written before the dead letter of one that lies before it.
    pub out_of_order: AtomicBool,
    /// Partition and offset of records that were refused alone, and of those whose letter is acknowledged.
    refused_alone: Mutex<BTreeSet<(i32, i64)>>,
    buried: Mutex<BTreeSet<(i32, i64)>>,
    refused: Mutex<BTreeSet<String>>,
    retried: Mutex<Option<String>>,
    failure: Mutex<Option<Disposition>>,
    hold_next: AtomicBool,
    holding: AtomicUsize,
    released: CancellationToken,
}

#[derive(Default)]
struct Tables {
    offsets: BTreeMap<(String, i32), i64>,
    rows: Vec<(Partition, i64, String, Option<String>)>,
    pretended: i64,
}

pub struct Notes(Arc<Target>);

#[derive(Debug, thiserror::Error)]
#[error("planted failure")]
pub struct Failure(Disposition);

impl Intake for Note {
    fn topics(_: &Settings) -> Vec<String> {
        vec![NOTES.to_owned()]
    }

    async fn decode(_: &Codec, delivery: &Delivery) -> Result<Self, DecodeError> {
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|error| DecodeError::Foreign { reason: error.to_string() })
        };
        Ok(Self {
            key: text(delivery.key.as_deref().unwrap_or_default())?,
            text: delivery.payload.as_deref().map(text).transpose()?,
        })
    }
}

impl Sink for Notes {
    const NAME: &'static str = "notes";
    type Input = Note;
    type Error = Failure;

    async fn claim(&self, partitions: &[Partition]) -> Result<Vec<Claim>, Failure> {
        self.0.answers()?;
        let mut tables = self.0.tables();
        let pretended = tables.pretended;
        let claim = |partition: &Partition| {
            let place = (partition.topic.clone(), partition.number);
            Claim { partition: partition.clone(), offset: *tables.offsets.entry(place).or_insert(pretended) }
        };
        Ok(partitions.iter().map(claim).collect())
    }

    async fn write(&self, batch: &Batch<Note>) -> Result<Written, Failure> {
        self.0.answers()?;
        if let Some(disposition) = *self.0.failure.lock().unwrap() {
            return Err(Failure(disposition));
        }
        if batch.records.iter().any(|placed| self.0.retried.lock().unwrap().as_ref() == Some(&placed.record.key)) {
            return Err(Failure(Disposition::Retry));
        }
        self.0.check_refused(batch)?;
        if self.0.hold_next.swap(false, Ordering::SeqCst) {
            return Ok(self.0.write_late(batch.clone()).await);
        }
        Ok(self.0.write(batch))
    }

    fn needs(&self) -> impl Needs {
        self.0.as_ref()
    }

    fn limits(&self) -> Limits {
        Limits { records: 20, ..Limits::default() }
    }
}

impl Needs for Target {
    type Error = Failure;

    async fn ready(&self) -> Result<(), Failure> {
        self.answers()
    }

    async fn given_up(&self, _: &'static str, letter: &GivenUp<'_>) -> Result<(), Failure> {
        let Position { partition, offset } = letter.source;
        self.buried.lock().unwrap().insert((partition.number, *offset));
        Ok(())
    }
}

impl Target {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }

    fn answers(&self) -> Result<(), Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) { Err(Failure(Disposition::Unavailable)) } else { Ok(()) }
    }

    /// Rows and offset, or nothing.
    fn write(&self, batch: &Batch<Note>) -> Written {
        let mut tables = self.tables();
        let place = (batch.partition.topic.clone(), batch.partition.number);
        let held = tables.offsets.get_mut(&place).unwrap();
        if *held != batch.begin {
            self.fenced.fetch_add(1, Ordering::SeqCst);
            return Written::Fenced;
        }
        *held = batch.end;
        let number = batch.partition.number;
        let before =
            self.refused_alone.lock().unwrap().range((number, 0)..(number, batch.end)).copied().collect::<Vec<_>>();
        if before.iter().any(|place| !self.buried.lock().unwrap().contains(place)) {
            self.out_of_order.store(true, Ordering::SeqCst);
        }
        let rows = batch.records.iter().map(|placed| {
            (batch.partition.clone(), placed.offset, placed.record.key.clone(), placed.record.text.clone())
        });
        tables.rows.extend(rows);
        self.batches.fetch_add(1, Ordering::SeqCst);
        Written::Done
    }

    fn check_refused(&self, batch: &Batch<Note>) -> Result<(), Failure> {
        let refused = self.refused.lock().unwrap();
        let is_refused = |key: &str| refused.contains(key);
        if batch.records.iter().any(|placed| is_refused(&placed.record.key)) {
            if let [alone] = batch.records.as_slice() {
                self.refused_alone.lock().unwrap().insert((batch.partition.number, alone.offset));
            }
            return Err(Failure(Disposition::Reject));
        }
        Ok(())
    }

    /// Keeps a batch until it is released, and writes it then, whether its worker lives or not: as a server would whose
    /// connection hangs.
    async fn write_late(self: &Arc<Self>, batch: Batch<Note>) -> Written {
        self.holding.fetch_add(1, Ordering::SeqCst);
        let target = Arc::clone(self);
        let late = tokio::spawn(async move {
            target.released.cancelled().await;
            let written = target.write(&batch);
            target.holding.fetch_sub(1, Ordering::SeqCst);
            written
        });
        late.await.unwrap()
    }

    pub fn hold_one_write(&self) {
        self.hold_next.store(true, Ordering::SeqCst);
    }

    pub fn is_holding(&self) -> bool {
        self.holding.load(Ordering::SeqCst) > 0
    }

    pub fn release(&self) {
        self.released.cancel();
    }

    pub fn refuse<const N: usize>(&self, keys: [&str; N]) {
        self.refused.lock().unwrap().extend(keys.map(str::to_owned));
    }

    pub fn retry(&self, key: &str) {
        *self.retried.lock().unwrap() = Some(key.to_owned());
    }

    pub fn fail_with(&self, disposition: Disposition) {
        *self.failure.lock().unwrap() = Some(disposition);
    }

    /// Half of what it held is gone, rows and offsets alike.
    pub fn set_back(&self) {
        let mut tables = self.tables();
        let Tables { offsets, rows, .. } = &mut *tables;
        offsets.values_mut().for_each(|offset| *offset /= 2);
        rows.retain(|(partition, offset, ..)| *offset < offsets[&(partition.topic.clone(), partition.number)]);
    }

    /// Partitions that it has never seen stand at this offset.
    pub fn pretend(&self, offset: i64) {
        self.tables().pretended = offset;
    }

    pub fn values(&self) -> Vec<(String, Option<String>)> {
        self.tables().rows.iter().map(|(_, _, key, text)| (key.clone(), text.clone())).collect()
    }
}

impl Classify for Failure {
    fn disposition(&self) -> Disposition {
        self.0
    }

    fn code(&self) -> &'static str {
        "SLUICE-TEST-001"
    }
}

impl World {
    pub async fn new() -> Self {
        Self { ground: crate::world::World::with_topics(&[NOTES]).await, target: Arc::default() }
    }

    pub fn start(&self) -> Worker {
        let sink = Notes(Arc::clone(&self.target));
        self.run(|context| runtime::run_sink(sink, context))
    }

    pub async fn send(&self, numbers: std::ops::Range<i32>) {
        let message = |number| Outbound {
            topic: NOTES.to_owned(),
            key: Some(format!("n{number}").into_bytes()),
            payload: Some(format!("text {number}").into_bytes()),
            headers: Vec::new(),
        };
        self.producer.send_all(numbers.map(message).collect()).await.unwrap();
    }

    pub async fn send_bytes(&self, key: &str, payload: Option<&[u8]>) {
        let (key, payload) = (Some(key.as_bytes().to_vec()), payload.map(<[u8]>::to_vec));
        let message = Outbound { topic: NOTES.to_owned(), key, payload, headers: Vec::new() };
        self.producer.send_all(vec![message]).await.unwrap();
    }

    pub fn rows(&self) -> usize {
        self.target.tables().rows.len()
    }

    /// Each of these numbers once, each with its text, and each partition in the order of its offsets.
    pub fn assert_exactly(&self, numbers: std::ops::Range<i32>) {
        let tables = self.target.tables();
        let mut found: Vec<&str> = tables.rows.iter().map(|(_, _, key, _)| key.as_str()).collect();
        found.sort_unstable();
        let mut wanted: Vec<String> = numbers.map(|number| format!("n{number}")).collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        for (_, _, key, text) in &tables.rows {
            assert_eq!(text.as_deref(), Some(format!("text {}", key.trim_start_matches('n')).as_str()));
        }
        for (place, end) in &tables.offsets {
            let of_it = tables
                .rows
                .iter()
                .filter(|(partition, ..)| (&partition.topic, &partition.number) == (&place.0, &place.1));
            let offsets: Vec<i64> = of_it.map(|(_, offset, ..)| *offset).collect();
            assert!(offsets.is_sorted() && offsets.last().is_none_or(|last| last < end), "{place:?}: {offsets:?}");
        }
    }

    /// Waits for so many dead letters.
    pub async fn letters(&self, count: usize) -> Vec<Delivery> {
        self.until("the letters are there", || self.count(DEAD_LETTERS) >= count).await;
        let mut letters = Vec::new();
        for (number, (from, to)) in (0..).zip(admin::watermarks(&self.settings.kafka, DEAD_LETTERS).unwrap()) {
            let partition = Partition { topic: DEAD_LETTERS.to_owned(), number };
            for offset in from..to {
                let position = Position { partition: partition.clone(), offset };
                letters.push(read_at(&self.settings.kafka, &position).await.unwrap().unwrap());
            }
        }
        letters
    }
}

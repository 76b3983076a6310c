//! A group member that hands each partition out as a queue of its own, and asks before it lets one go.
//!
//! Three threads of control meet here, and their order is what the commit rule rests on:
//!
//! - librdkafka calls the rebalance callback on the thread that polls. That is a thread of our own, `kafka-poll`,
//!   which does nothing else, so it may block in the callback without holding up anybody.
//! - On *assign*, the callback waits until the runtime has split the partition's queue off. Only then does
//!   librdkafka begin to fetch, so every message arrives in the split queue and in order. A queue that nobody reads
//!   fills up and stops fetching: that is the backpressure, without pausing and refetching.
//! - On *revoke*, the callback waits until the runtime has drained the partition and said what to commit, commits
//!   synchronously, and only then gives the partition up. The next owner starts exactly where we stopped.

use std::{
    fmt,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use pipeline_settings::settings;
use rdkafka::{
    ClientContext, Offset, Statistics, TopicPartitionList,
    client::OAuthToken,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, KafkaResult},
    message::Message as _,
};
use tokio::sync::{mpsc, oneshot};

use arrivals::Arrivals;

use super::{Error, Partition, Position, client_config, told::Common};

mod arrivals;
mod queue;
#[cfg(test)]
mod tests;

pub use arrivals::Lag;
pub use queue::PartitionQueue;
pub(crate) use queue::detach;

/// How often librdkafka tells how far the group is behind, in milliseconds. It asks the brokers for the end of a partition
/// that it does not fetch every ten seconds, or as often as this when that is less often.
const STATISTICS_MS: &str = "5000";

/// A member of a consumer group, subscribed to one topic or more.
pub struct GroupMember {
    consumer: Arc<StreamConsumer<Context>>,
    events: mpsc::UnboundedReceiver<Event>,
    stop_polling: oneshot::Sender<()>,
    poll_thread: thread::JoinHandle<()>,
    group: String,
    topics: Topics,
    arrivals: Arrivals,
}

/// What the group asks of its member.
pub enum Event {
    /// These partitions are ours from now on. Fetching begins when `ready` is answered.
    Assigned {
        /// The new partitions only.
        partitions: Vec<Partition>,
        /// To be answered when their queues are split off.
        ready: Reply<()>,
    },
    /// These partitions are to be given up.
    Revoked {
        /// The partitions to give up only.
        partitions: Vec<Partition>,
        /// Somebody else owns them already: finish nothing, commit nothing.
        lost: bool,
        /// To be answered with the next offset of each drained partition; they are committed before it is given up.
        drained: Reply<Vec<Position>>,
    },
    /// How far the group is behind in the partitions that this member holds, or has just given up; told at intervals.
    Behind(Vec<Lag>),
    /// Something does not work; librdkafka keeps trying.
    Trouble(Error),
}

/// The answer that the rebalance callback waits for. Dropped without an answer, the callback goes on at once.
pub struct Reply<T>(SyncSender<T>);

struct Context {
    common: Common,
    events: mpsc::UnboundedSender<Event>,
    group: String,
    topics: Topics,
    arrivals: Arrivals,
}

/// The topics of a member.
#[derive(Clone)]
struct Topics(Arc<[Topic]>);

struct Topic {
    /// By its contract, as in every [`Partition`]. A topic of no contract has one name only.
    contract: String,
    /// On the cluster.
    name: String,
}

// === impl GroupMember ===

impl GroupMember {
    /// Joins `group` and subscribes to these topics, named as their contracts are. Must be called inside a Tokio
    /// runtime.
    ///
    /// # Errors
    /// [`Error::Client`] when librdkafka refuses the configuration. A cluster that is away is not an error here: it
    /// shows as [`Event::Trouble`].
    pub fn join(settings: &settings::Kafka, group: &str, contracts: &[String]) -> Result<Self, Error> {
        let topics = Topics::named(settings, contracts);
        let invalid = |source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source };
        let mut config = client_config(settings, group);
        config
            .set("group.id", group)
            .set("session.timeout.ms", settings.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (settings.session_timeout_ms / 4).max(1).to_string())
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Messages are small and handled slowly; the defaults would hold 64 MiB of them in memory.
            .set("queued.min.messages", "2000")
            .set("queued.max.messages.kbytes", "4096")
            // With so few of them, a full queue is empty again long before the default second is over.
            .set("fetch.queue.backoff.ms", "20")
            // The broker holds an empty fetch so long, and a partition that is assigned meanwhile waits for the next
            // one: at the default of 500 ms, a stage that has just started answers its first message a second late.
            .set("fetch.wait.max.ms", "100")
            .set("statistics.interval.ms", STATISTICS_MS);
        let (sender, events) = mpsc::unbounded_channel();
        let common = Common::new("consumer", settings);
        let arrivals = Arrivals::default();
        let context = Context {
            common,
            events: sender.clone(),
            group: group.to_owned(),
            topics: topics.clone(),
            arrivals: arrivals.clone(),
        };
        let consumer = StreamConsumer::from_config_and_context(&config, context).map_err(invalid)?;
        consumer.subscribe(&topics.names()).map_err(invalid)?;
        let consumer = Arc::new(consumer);
        let (stop_polling, stopped) = oneshot::channel();
        let poll_thread = thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn({
                let consumer = Arc::clone(&consumer);
                let runtime = tokio::runtime::Handle::current();
                let (group, topics) = (group.to_owned(), topics.to_string());
                move || runtime.block_on(poll(consumer, sender, stopped, &group, &topics))
            })
            .map_err(|error| invalid(KafkaError::ClientCreation(error.to_string())))?;
        Ok(Self { consumer, events, stop_polling, poll_thread, group: group.to_owned(), topics, arrivals })
    }

    /// Leaves the group and joins it again at once, so that it deals its partitions out by what the topic has now.
    /// Partitions that are held come back as [`Event::Revoked`] first.
    ///
    /// # Errors
    /// [`Error::Consume`] when librdkafka refuses the subscription.
    pub fn rejoin(&self) -> Result<(), Error> {
        self.consumer.unsubscribe();
        let refused = |source| Error::Consume { topic: self.topics.to_string(), source };
        self.consumer.subscribe(&self.topics.names()).map_err(refused)
    }

    /// What the group asks next. Safe to cancel.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Splits off the queue of a partition; to be called before [`Event::Assigned`] is answered.
    pub fn split(&self, partition: &Partition) -> Option<PartitionQueue> {
        let topic = self.topics.name(&partition.topic)?.to_owned();
        let queue = self.consumer.split_partition_queue(&topic, partition.number)?;
        let consumer = Arc::clone(&self.consumer);
        Some(PartitionQueue::new(queue, consumer, partition.clone(), topic, self.arrivals.clone()))
    }

    /// Commits the next offset of each partition, and gives the brokers' answer. A commit of the client that nobody
    /// waits for has no answer at all: when it fails, there is a line in the log and nothing else. So this one waits, on
    /// a thread of its own. The connection is not closed before it has ended.
    ///
    /// # Errors
    /// [`Error::Commit`] when the brokers do not have it.
    pub fn commit(&self, positions: &[Position]) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let (consumer, group) = (Arc::clone(&self.consumer), self.group.clone());
        let offsets = self.topics.offsets(positions);
        async move {
            let committing = tokio::task::spawn_blocking(move || consumer.commit(&offsets?, CommitMode::Sync));
            let committed = committing.await.unwrap_or(Err(KafkaError::Canceled));
            committed.map_err(|source| Error::Commit { group, source })
        }
    }

    /// Asks to leave the group; partitions that are still held come back as [`Event::Revoked`].
    pub fn begin_leave(&self) {
        self.consumer.unsubscribe();
    }

    /// Closes the connection. All queues must have been dropped, or the group waits for the session to time out.
    pub async fn close(self) {
        let Self { consumer, events, stop_polling, poll_thread, .. } = self;
        drop(events);
        drop(stop_polling);
        // Joining and closing block; a panic of the poll thread has been reported by then.
        let closed = tokio::task::spawn_blocking(move || {
            poll_thread.join().unwrap_or_default();
            drop(consumer);
        });
        closed.await.unwrap_or_default();
    }
}

/// Serves rebalances and errors. All messages go to split queues, so none may arrive here.
async fn poll(
    consumer: Arc<StreamConsumer<Context>>,
    events: mpsc::UnboundedSender<Event>,
    mut stopped: oneshot::Receiver<()>,
    group: &str,
    topic: &str,
) {
    loop {
        let received = tokio::select! {
            biased;
            _ = &mut stopped => return,
            received = consumer.recv() => received,
        };
        let error = match received {
            Err(source) => Error::unconsumed(topic, group, source),
            // Handling it here would break the order of its partition; losing it would break everything.
            Ok(message) => Error::OutsideItsQueue {
                topic: message.topic().to_owned(),
                partition: message.partition(),
                offset: message.offset(),
            },
        };
        if events.send(Event::Trouble(error)).is_err() {
            return;
        }
    }
}

// === impl Topics ===

impl Topics {
    fn named(settings: &settings::Kafka, contracts: &[String]) -> Self {
        let names = settings.names();
        Self(
            contracts
                .iter()
                .map(|contract| Topic { contract: contract.clone(), name: names.topic(contract) })
                .collect(),
        )
    }

    /// All names on the cluster.
    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|topic| topic.name.as_str()).collect()
    }

    /// The name on the cluster.
    fn name(&self, contract: &str) -> Option<&str> {
        self.0.iter().find(|topic| topic.contract == contract).map(|topic| topic.name.as_str())
    }

    fn offsets(&self, positions: &[Position]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for Position { partition, offset } in positions {
            // Whoever commits got the partition from here.
            let Some(name) = self.name(&partition.topic) else { continue };
            list.add_partition_offset(name, partition.number, Offset::Offset(*offset))?;
        }
        Ok(list)
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<Partition> {
        let contract = |name: &str| self.0.iter().find(|topic| topic.name == name).map(|topic| topic.contract.clone());
        let elements = list.elements();
        let partitions = elements.iter().filter_map(|element| {
            contract(element.topic()).map(|topic| Partition { topic, number: element.partition() })
        });
        partitions.collect()
    }
}

impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

// === impl Reply ===

impl<T> Reply<T> {
    /// Lets the rebalance go on.
    pub fn answer(self, answer: T) {
        // The callback is gone only when the consumer is being closed; then nobody waits.
        self.0.send(answer).unwrap_or_default();
    }
}

// === impl Context ===

impl Context {
    /// Asks the runtime and blocks until it answers; `None` when it is gone.
    fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Event) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        self.events.send(question(Reply(reply))).ok()?;
        answer.recv().ok()
    }

    fn trouble(&self, source: KafkaError) {
        let error = Error::unconsumed(&self.topics.to_string(), &self.group, source);
        if self.events.send(Event::Trouble(error)).is_err() {
            tracing::debug!("the group member is being closed");
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.common.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.common.error(error.clone(), reason);
        self.trouble(error);
    }

    fn stats(&self, statistics: Statistics) {
        let lags = self.arrivals.lags(&statistics);
        if !lags.is_empty() && self.events.send(Event::Behind(lags)).is_err() {
            tracing::debug!("the group member is being closed");
        }
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.common.generate_oauth_token(config)
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = self.topics.partitions(list);
                self.ask(|ready| Event::Assigned { partitions, ready }).unwrap_or_default();
            }
            Rebalance::Revoke(list) => {
                let partitions = self.topics.partitions(list);
                let lost = consumer.assignment_lost();
                let positions = self.ask(|drained| Event::Revoked { partitions, lost, drained }).unwrap_or_default();
                if lost || positions.is_empty() {
                    return;
                }
                let committed =
                    self.topics.offsets(&positions).and_then(|offsets| consumer.commit(&offsets, CommitMode::Sync));
                if let Err(error) = committed {
                    // The next owner repeats what we did, which is harmless.
                    tracing::warn!(group = self.group, "could not commit before giving partitions up: {error}");
                }
            }
            Rebalance::Error(error) => self.trouble(error.clone()),
        }
    }
}

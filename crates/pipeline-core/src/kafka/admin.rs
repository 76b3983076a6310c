//! Topics: create the missing ones, report what is there.

use std::{collections::BTreeSet, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    metadata::Metadata,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaErrorCode,
};

use super::{Error, client_config};
use crate::{contracts, settings};

/// How long a question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a cluster looks like from here.
#[derive(Clone, Debug)]
pub struct ClusterReport {
    /// `host:port` of each broker.
    pub brokers: Vec<String>,
    /// Topics that Sluice needs and that are not there, by their names on the cluster.
    pub missing_topics: Vec<String>,
}

/// All topics that Sluice uses, by their names on the cluster, in the order of the flow.
pub fn topics(settings: &settings::Kafka) -> Vec<String> {
    let names = settings.names();
    let contracts = contracts::ALL.iter().map(|(topic, _)| *topic).chain([contracts::DEAD_LETTERS]);
    contracts.map(|topic| names.topic(topic)).collect()
}

/// Asks the cluster for its brokers and topics.
///
/// # Errors
/// [`Error::Unreachable`] when no broker answers in time.
pub async fn check(settings: &settings::Kafka) -> Result<ClusterReport, Error> {
    let metadata = metadata(settings).await?;
    let present: BTreeSet<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
    Ok(ClusterReport {
        brokers: metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect(),
        missing_topics: topics(settings).into_iter().filter(|topic| !present.contains(topic.as_str())).collect(),
    })
}

/// Asks the cluster whether the topics of these contracts can be written to: each is there, and each partition has a leader.
///
/// # Errors
/// [`Error::Unreachable`] when no broker answers in time, [`Error::Produce`] for a topic that cannot be written to.
pub async fn takes_messages(settings: &settings::Kafka, topics: &[&str]) -> Result<(), Error> {
    let metadata = metadata(settings).await?;
    for topic in topics.iter().map(|topic| settings.names().topic(topic)) {
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let trouble = match found {
            None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
            Some(found) if found.partitions().iter().any(|partition| partition.leader() < 0) => {
                Some(RDKafkaErrorCode::LeaderNotAvailable)
            }
            Some(_) => None,
        };
        if let Some(code) = trouble {
            return Err(Error::Produce { topic, source: KafkaError::MetadataFetch(code) });
        }
    }
    Ok(())
}

/// What the cluster says of its brokers and all its topics.
async fn metadata(settings: &settings::Kafka) -> Result<Metadata, Error> {
    let client = admin_client(settings)?;
    let bootstrap_servers = settings.bootstrap_servers.clone();
    // librdkafka's metadata call blocks its thread.
    tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, TIMEOUT))
        .await
        .unwrap_or(Err(KafkaError::Canceled))
        .map_err(|source| Error::Unreachable { bootstrap_servers, source })
}

/// Creates the topics that are missing; gives their names.
///
/// # Errors
/// [`Error::Unreachable`], or [`Error::CreateTopic`] with the broker's reason.
pub async fn ensure_topics(
    settings: &settings::Kafka,
    partitions: i32,
    replication: i32,
) -> Result<Vec<String>, Error> {
    let missing = check(settings).await?.missing_topics;
    if missing.is_empty() {
        return Ok(missing);
    }
    let new: Vec<NewTopic<'_>> =
        missing.iter().map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(replication))).collect();
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let results = admin_client(settings)?
        .create_topics(&new, &options)
        .await
        .map_err(|source| Error::Unreachable { bootstrap_servers: settings.bootstrap_servers.clone(), source })?;
    for result in results {
        match result {
            // Somebody else was faster, which is as good.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(Error::CreateTopic { topic, reason: code.to_string() }),
        }
    }
    Ok(missing)
}

fn admin_client(settings: &settings::Kafka) -> Result<AdminClient<DefaultClientContext>, Error> {
    AdminClient::from_config(&client_config(settings, "sluice-admin"))
        .map_err(|source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source })
}

/// The first and the next offset of each partition of a contract's topic, in order of the partitions. Blocks the thread.
///
/// # Errors
/// [`Error::Unreachable`] when the cluster does not answer in time.
pub fn watermarks(settings: &settings::Kafka, topic: &str) -> Result<Vec<(i64, i64)>, Error> {
    let unreachable = |source| Error::Unreachable { bootstrap_servers: settings.bootstrap_servers.clone(), source };
    let client = admin_client(settings)?;
    let topic = settings.names().topic(topic);
    let metadata = client.inner().fetch_metadata(Some(&topic), TIMEOUT).map_err(unreachable)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|partition| partition.id());
    partitions
        .map(|partition| client.inner().fetch_watermarks(&topic, partition, TIMEOUT).map_err(unreachable))
        .collect()
}

/// The offset of each partition of a contract's topic that a group has committed, in order of the partitions; `None` where it has
/// committed nothing. Blocks the thread.
///
/// # Errors
/// [`Error::Unreachable`] when the cluster does not answer in time.
pub fn committed(settings: &settings::Kafka, group: &str, topic: &str) -> Result<Vec<Option<i64>>, Error> {
    let unreachable = |source| Error::Unreachable { bootstrap_servers: settings.bootstrap_servers.clone(), source };
    let mut config = client_config(settings, "sluice-admin");
    // Never joined: only asked about.
    let consumer: BaseConsumer = config.set("group.id", group).create().map_err(unreachable)?;
    let topic = settings.names().topic(topic);
    let metadata = consumer.fetch_metadata(Some(&topic), TIMEOUT).map_err(unreachable)?;
    let mut wanted = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        wanted.add_partition(&topic, partition.id());
    }
    let committed = consumer.committed_offsets(wanted, TIMEOUT).map_err(unreachable)?;
    let offset = |element: TopicPartitionListElem<'_>| match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    Ok(committed.elements().into_iter().map(offset).collect())
}

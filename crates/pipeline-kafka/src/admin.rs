//! What is there: brokers, topics, and how far each partition and each group is.

use std::{collections::BTreeSet, time::Duration};

use pipeline_settings::settings;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult},
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaErrorCode,
};

use super::{
    Error,
    asking::{Asker, TIMEOUT, ask, ask_blocking},
    error::Resource,
    presence::{State, state},
};

/// What a cluster looks like from here.
#[derive(Clone, Debug)]
pub struct ClusterReport {
    /// `host:port` of each broker.
    pub brokers: Vec<String>,
    /// Topics that were asked for and are not there, by their names on the cluster.
    pub missing_topics: Vec<String>,
    /// Topics that were asked for and that this client may not see, by their names on the cluster.
    pub forbidden_topics: Vec<String>,
}

/// Asks the cluster for its brokers, and for these topics, by their names on the cluster.
///
/// # Errors
/// [`Error::Unreachable`] when no broker answers in time; a refusal when none lets this client in.
pub async fn check(settings: &settings::Kafka, topics: Vec<String>) -> Result<ClusterReport, Error> {
    let (brokers, states) = ask(settings, None, |client| {
        // The list of all topics leaves out those that this client may not see, so each of the others is asked for.
        let metadata = client.fetch_metadata(None, TIMEOUT)?;
        let brokers = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect();
        let present: BTreeSet<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
        let absent = topics.into_iter().filter(|topic| !present.contains(topic.as_str()));
        let states = absent
            .map(|topic| state(client.client(), &topic, TIMEOUT).map(|state| (topic, state)))
            .collect::<KafkaResult<Vec<_>>>()?;
        Ok::<(Vec<String>, _), KafkaError>((brokers, states))
    })
    .await?;
    let those = |wanted| states.iter().filter(move |(_, state)| *state == wanted).map(|(topic, _)| topic.clone());
    Ok(ClusterReport {
        brokers,
        missing_topics: those(State::Missing).collect(),
        forbidden_topics: those(State::Forbidden).collect(),
    })
}

/// Succeeds when the topic of each of these contracts is there and to be seen.
///
/// # Errors
/// [`Error::Unreachable`] when no broker answers in time, a refusal, [`Error::Produce`] for a topic that is not there,
/// [`Error::NotAuthorised`].
pub async fn are_there(settings: &settings::Kafka, topics: &[String]) -> Result<(), Error> {
    let states = states(settings, topics).await?;
    states.into_iter().filter(|(_, state)| *state != State::Leaderless).try_for_each(usable)
}

/// Asks the cluster whether the topics of these contracts can be written to: each is there, and each partition has a leader.
///
/// # Errors
/// As [`are_there`].
pub async fn takes_messages(settings: &settings::Kafka, topics: &[String]) -> Result<(), Error> {
    states(settings, topics).await?.into_iter().try_for_each(usable)
}

fn usable((topic, state): (String, State)) -> Result<(), Error> {
    let code = match state {
        State::Usable => return Ok(()),
        State::Forbidden => return Err(forbidden(&topic)),
        State::Missing => RDKafkaErrorCode::UnknownTopicOrPartition,
        State::Leaderless => RDKafkaErrorCode::LeaderNotAvailable,
    };
    Err(Error::Produce { topic, source: KafkaError::MetadataFetch(code) })
}

/// The error of a topic that this client may not see.
pub(super) fn forbidden(topic: &str) -> Error {
    Error::NotAuthorised {
        resource: Resource::Topic(topic.to_owned()),
        needs: "it needs `Read` to read it, `Write` to write to it, or at least `Describe`",
    }
}

async fn states(settings: &settings::Kafka, topics: &[String]) -> Result<Vec<(String, State)>, Error> {
    let names = settings.names();
    let topics: Vec<String> = topics.iter().map(|topic| names.topic(topic)).collect();
    let stands = |client: &Asker, topic: String| state(client.client(), &topic, TIMEOUT).map(|state| (topic, state));
    ask(settings, None, move |client| topics.into_iter().map(|topic| stands(client, topic)).collect()).await
}

/// The first and the next offset of each partition of a contract's topic, in order of the partitions. Blocks the thread.
///
/// # Errors
/// [`Error::Unreachable`] when the cluster does not answer in time.
pub fn watermarks(settings: &settings::Kafka, topic: &str) -> Result<Vec<(i64, i64)>, Error> {
    let topic = &settings.names().topic(topic);
    ask_blocking(settings, None, |client| watermarks_by(client, topic))
}

/// The offset of each partition of a contract's topic that a group has committed, in order of the partitions; `None` where it has
/// committed nothing. Blocks the thread.
///
/// # Errors
/// [`Error::Unreachable`] when the cluster does not answer in time.
pub fn committed(settings: &settings::Kafka, group: &str, topic: &str) -> Result<Vec<Option<i64>>, Error> {
    let topic = &settings.names().topic(topic);
    // The group is never joined: only asked about.
    ask_blocking(settings, Some(group), |client| committed_by(client, topic, TIMEOUT))
}

/// [`watermarks`] by a client that is there; the topic by its name on the cluster.
pub(super) fn watermarks_by(client: &Asker, topic: &str) -> KafkaResult<Vec<(i64, i64)>> {
    partitions(client, topic)?.into_iter().map(|number| client.fetch_watermarks(topic, number, TIMEOUT)).collect()
}

/// [`committed`] by a client of the group. The group's coordinator may take so long to answer.
pub(super) fn committed_by(client: &Asker, topic: &str, patience: Duration) -> KafkaResult<Vec<Option<i64>>> {
    let mut wanted = TopicPartitionList::new();
    for number in partitions(client, topic)? {
        wanted.add_partition(topic, number);
    }
    let committed = client.committed_offsets(wanted, patience)?;
    let offset = |element: TopicPartitionListElem<'_>| match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    Ok(committed.elements().into_iter().map(offset).collect())
}

/// Numbers of a topic's partitions; none when it is not there, or not to be seen.
pub(super) fn partitions(client: &Asker, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = client.fetch_metadata(Some(topic), TIMEOUT)?;
    Ok(metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|partition| partition.id()).collect())
}

/// Members of a group; `None` where the broker does not say, as that of local mode does not.
pub(super) fn members_by(client: &Asker, group: &str) -> Option<usize> {
    let list = client.fetch_group_list(Some(group), TIMEOUT).ok()?;
    Some(list.groups().iter().map(|group| group.members().len()).sum())
}

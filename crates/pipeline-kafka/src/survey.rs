//! What topics and groups are like, for who asks whether a cluster is fit for the work. Changes nothing.

use std::time::Duration;

use pipeline_settings::settings;
use rdkafka::{
    admin::{AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier},
    consumer::Consumer as _,
    error::{KafkaResult, RDKafkaErrorCode},
    metadata::MetadataTopic,
};

use super::{
    Error, admin,
    asking::{Asker, TIMEOUT, ask},
    provision,
};

/// A topic as the cluster describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name on the cluster.
    pub name: String,
    /// Partitions.
    pub partitions: usize,
    /// Partitions without a leader: nobody reads or writes them.
    pub leaderless: usize,
    /// Replicas of the partition that has the fewest.
    pub replicas: usize,
    /// Replicas that are up to date, of the partition that has the fewest.
    pub in_sync: usize,
    /// Its settings; `None` where this account may not see them (`DescribeConfigs`).
    pub settings: Option<TopicSettings>,
}

/// What a topic is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Replicas that must have a message before it counts as written (`min.insync.replicas`).
    pub min_in_sync: usize,
    /// How long messages are kept (`retention.ms`); `None` is for ever.
    pub retention: Option<Duration>,
    /// Only the newest message of a key is kept (`cleanup.policy` names `compact`).
    pub compacts: bool,
}

/// A group, as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Members; `None` where the broker does not say.
    pub members: Option<usize>,
    /// Messages of its topic that it has not passed; `None` where this account may not see both (`Describe`).
    pub waiting: Option<i64>,
    /// The first message that waits, of any partition: its number and the offset.
    pub first_waiting: Option<(i32, i64)>,
}

/// How a group shows that this account may not see it.
const HIDDEN: [Option<RDKafkaErrorCode>; 2] =
    [Some(RDKafkaErrorCode::GroupAuthorizationFailed), Some(RDKafkaErrorCode::OperationTimedOut)];

/// Each of these topics that is there and may be seen, in their order; by their names on the cluster.
///
/// # Errors
/// As [`admin::check`].
pub async fn topics(settings: &settings::Kafka, names: Vec<String>) -> Result<Vec<Topic>, Error> {
    let mut topics = ask(settings, None, move |client| {
        let metadata = client.fetch_metadata(None, TIMEOUT)?;
        let found = names.iter().filter_map(|name| metadata.topics().iter().find(|topic| topic.name() == name));
        Ok(found.map(described).collect::<Vec<_>>())
    })
    .await?;
    let specifiers = topics.iter().map(|topic| ResourceSpecifier::Topic(&topic.name)).collect::<Vec<_>>();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    // Who may not see settings is told so; whether topics are fit is then not known, and nothing else fails by it.
    let answers = provision::client(settings)?.describe_configs(&specifiers, &options).await.unwrap_or_default();
    for resource in answers.into_iter().flatten() {
        if let OwnedResourceSpecifier::Topic(name) = &resource.specifier
            && let Some(topic) = topics.iter_mut().find(|topic| topic.name == *name)
        {
            topic.settings = settings_of(&resource);
        }
    }
    Ok(topics)
}

fn described(topic: &MetadataTopic) -> Topic {
    let partitions = topic.partitions();
    let fewest = |count: fn(&rdkafka::metadata::MetadataPartition) -> usize| partitions.iter().map(count).min();
    Topic {
        name: topic.name().to_owned(),
        partitions: partitions.len(),
        leaderless: partitions.iter().filter(|partition| partition.leader() < 0).count(),
        replicas: fewest(|partition| partition.replicas().len()).unwrap_or_default(),
        in_sync: fewest(|partition| partition.isr().len()).unwrap_or_default(),
        settings: None,
    }
}

fn settings_of(resource: &ConfigResource) -> Option<TopicSettings> {
    let value = |name: &str| resource.get(name)?.value.as_deref();
    let retention: i64 = value("retention.ms")?.parse().ok()?;
    Some(TopicSettings {
        min_in_sync: value("min.insync.replicas")?.parse().ok()?,
        retention: u64::try_from(retention).ok().map(Duration::from_millis),
        compacts: value("cleanup.policy")?.split(',').any(|policy| policy.trim() == "compact"),
    })
}

/// How a group stands to its topic, a contract's name, without joining it.
///
/// # Errors
/// As [`admin::check`].
pub async fn group(settings: &settings::Kafka, name: &str, topic: &str) -> Result<Group, Error> {
    let topic = settings.names().topic(topic);
    let group = name.to_owned();
    ask(settings, Some(name), move |client| {
        // First whether the cluster answers at all, and shows the topic.
        let is_shown = !admin::partitions(client, &topic)?.is_empty();
        let waiting = match is_shown.then(|| waiting(client, &topic)).transpose() {
            // The client asks without end for a coordinator that it may not know.
            Err(error) if HIDDEN.contains(&error.rdkafka_error_code()) => None,
            waiting => waiting?,
        };
        let first_waiting = waiting.iter().flatten().find(|(_, first, next)| first < next);
        let first_waiting = first_waiting.map(|(number, first, _)| (*number, *first));
        let waiting = waiting.map(|waiting| waiting.iter().map(|(_, first, next)| next - first).sum());
        Ok(Group { members: admin::members_by(client, &group), name: group, waiting, first_waiting })
    })
    .await
}

/// Of each partition: its number, the first offset that the group has not passed, and the one that comes next.
fn waiting(client: &Asker, topic: &str) -> KafkaResult<Vec<(i32, i64, i64)>> {
    let committed = admin::committed_by(client, topic, TIMEOUT)?;
    let place = |(number, ((kept, next), committed)): (i32, ((i64, i64), Option<i64>))| {
        (number, committed.map_or(kept, |committed| committed.clamp(kept, next)), next)
    };
    // A topic's partitions are numbered from 0.
    Ok((0..).zip(admin::watermarks_by(client, topic)?.into_iter().zip(committed)).map(place).collect())
}

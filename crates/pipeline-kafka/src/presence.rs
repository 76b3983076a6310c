//! Whether topics are there, asked over a connection that a producer has already.

use std::time::Duration;

use rdkafka::{
    ClientContext,
    client::Client,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::Producer as _,
};

use super::{Error, Producer};

/// How long the cluster may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How a topic stands to this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There, and each partition has a leader.
    Usable,
    /// There; a partition has no leader.
    Leaderless,
    /// Not there.
    Missing,
    /// Not to be seen by this client.
    Forbidden,
}

/// Topics that cannot be used, by their names on the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absent {
    /// The cluster does not have them.
    pub missing: Vec<String>,
    /// This client may not see them.
    pub forbidden: Vec<String>,
}

impl Producer {
    /// Those of these contracts' topics that the cluster does not have, or does not show to this client.
    ///
    /// # Errors
    /// [`Error::Produce`] when the cluster does not answer.
    pub async fn absent_topics(&self, topics: &[String]) -> Result<Absent, Error> {
        let mut absent = Absent::default();
        for topic in topics {
            let client = self.client();
            let name = self.settings.names().topic(topic);
            let asked = name.clone();
            // librdkafka's metadata call blocks its thread.
            let asking = tokio::task::spawn_blocking(move || state(client.client(), &asked, TIMEOUT));
            let answer = asking.await.unwrap_or(Err(KafkaError::Canceled));
            match answer.map_err(|source| Error::Produce { topic: name.clone(), source })? {
                State::Missing => absent.missing.push(name),
                State::Forbidden => absent.forbidden.push(name),
                State::Usable | State::Leaderless => {}
            }
        }
        Ok(absent)
    }
}

// === impl Absent ===

impl Absent {
    /// Whether every topic can be used.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.forbidden.is_empty()
    }
}

/// How the topic stands. Asked by its name: then the cluster says whether it is missing or not to be seen. One that the
/// cluster has trouble with is there.
pub(super) fn state<C: ClientContext>(client: &Client<C>, topic: &str, patience: Duration) -> KafkaResult<State> {
    let metadata = client.fetch_metadata(Some(topic), patience)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let Some(found) = found else { return Ok(State::Missing) };
    Ok(match found.error().map(RDKafkaErrorCode::from) {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => State::Missing,
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => State::Forbidden,
        _ if found.partitions().iter().any(|partition| partition.leader() < 0) => State::Leaderless,
        _ => State::Usable,
    })
}

#[cfg(test)]
mod tests {
    use pipeline_settings::settings;

    use crate::{Producer, local::LocalBroker};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_topic_that_is_there_is_not_missed() {
        let broker = LocalBroker::start(&["there"]).unwrap();
        let settings =
            settings::Kafka { bootstrap_servers: broker.bootstrap_servers().to_owned(), ..settings::Kafka::default() };
        let producer = Producer::new(&settings, |_, _| None, None).unwrap();
        assert_eq!(
            producer.absent_topics(&["there".to_owned(), "absent".to_owned()]).await.unwrap().missing,
            ["absent"]
        );
    }
}

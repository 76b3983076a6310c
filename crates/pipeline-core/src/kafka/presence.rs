//! Whether topics are there, asked over a connection that a producer has already.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::Producer as _,
    types::RDKafkaRespErr,
};

use super::{Error, Producer};

/// How long the cluster may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Producer {
    /// Those of these topics that the cluster does not have.
    ///
    /// # Errors
    /// [`Error::Produce`] when the cluster does not answer.
    pub async fn missing_topics(&self, topics: &[&'static str]) -> Result<Vec<&'static str>, Error> {
        let mut missing = Vec::new();
        for topic in topics {
            let inner = Arc::clone(&self.inner);
            let name = self.settings.names().topic(topic);
            let asked = name.clone();
            // librdkafka's metadata call blocks its thread.
            let asking = tokio::task::spawn_blocking(move || is_there(inner.client(), &asked));
            let answer = asking.await.unwrap_or(Err(KafkaError::Canceled));
            if !answer.map_err(|source| Error::Produce { topic: name, source })? {
                missing.push(*topic);
            }
        }
        Ok(missing)
    }
}

/// Whether the cluster has the topic; one that it has trouble with is there.
fn is_there<C: rdkafka::ClientContext>(client: &rdkafka::client::Client<C>, topic: &str) -> KafkaResult<bool> {
    let metadata = client.fetch_metadata(Some(topic), TIMEOUT)?;
    let unknown = |error: RDKafkaRespErr| RDKafkaErrorCode::from(error) == RDKafkaErrorCode::UnknownTopicOrPartition;
    Ok(metadata.topics().iter().any(|found| found.name() == topic && !found.error().is_some_and(unknown)))
}

#[cfg(test)]
mod tests {
    use crate::{
        kafka::{Producer, local::LocalBroker},
        settings,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn a_topic_that_is_there_is_not_missed() {
        let broker = LocalBroker::start(&["there"]).unwrap();
        let settings =
            settings::Kafka { bootstrap_servers: broker.bootstrap_servers().to_owned(), ..settings::Kafka::default() };
        let producer = Producer::new(&settings, None).unwrap();
        assert_eq!(producer.missing_topics(&["there", "absent"]).await.unwrap(), ["absent"]);
    }
}

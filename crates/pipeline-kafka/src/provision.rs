//! Creating the topics, as production wants them: copies on several brokers, and messages kept for a stated time.

use std::time::Duration;

use pipeline_settings::settings;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::FromClientConfigAndContext,
    types::RDKafkaErrorCode,
};

use super::{
    Error,
    admin::{self, TIMEOUT},
    client_config,
    told::Common,
};

/// Replicas of a partition where the cluster has brokers enough: one may be lost while another is restarted.
pub const REPLICAS: i32 = 3;

/// What new topics are to be like.
#[derive(Clone, Debug)]
pub struct NewTopics {
    /// Their names on the cluster, and how long messages are kept; `None` is for ever.
    pub topics: Vec<(String, Option<Duration>)>,
    /// Partitions of each.
    pub partitions: i32,
    /// Replicas of each partition, on as many brokers.
    pub replicas: i32,
}

// === impl NewTopics ===

impl NewTopics {
    /// Replicas that must have a message before it counts as written: all but one, so that one broker may be away, and
    /// what is acknowledged still lies on two.
    pub fn min_in_sync(&self) -> i32 {
        (self.replicas - 1).max(1)
    }
}

/// Creates the topics that are missing; gives their names. Those that are there stay as they are.
///
/// # Errors
/// [`Error::Unreachable`], a refusal, or [`Error::CreateTopic`] with the broker's reason.
pub async fn ensure_topics(settings: &settings::Kafka, design: &NewTopics) -> Result<Vec<String>, Error> {
    let wanted = design.topics.iter().map(|(name, _)| name.clone()).collect();
    let missing = admin::check(settings, wanted).await?.missing_topics;
    if missing.is_empty() {
        return Ok(missing);
    }
    let in_sync = design.min_in_sync().to_string();
    let kept = |(name, kept): &(String, Option<Duration>)| {
        missing
            .contains(name)
            .then(|| (name.clone(), kept.map_or_else(|| "-1".to_owned(), |kept| kept.as_millis().to_string())))
    };
    let kept: Vec<(String, String)> = design.topics.iter().filter_map(kept).collect();
    let new = kept.iter().map(|(topic, retention)| {
        NewTopic::new(topic, design.partitions, TopicReplication::Fixed(design.replicas))
            .set("min.insync.replicas", &in_sync)
            .set("cleanup.policy", "delete")
            .set("retention.ms", retention)
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let unreachable = |source| Error::Unreachable { bootstrap_servers: settings.bootstrap_servers.clone(), source };
    let results = client(settings)?.create_topics(&new, &options).await.map_err(unreachable)?;
    for result in results {
        match result {
            // Somebody else was faster, which is as good.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(Error::CreateTopic { topic, reason: code.to_string() }),
        }
    }
    Ok(missing)
}

/// The client serves no queue of its own, and so cannot be asked for a token: who has none yet cannot log in.
pub(super) fn client(settings: &settings::Kafka) -> Result<AdminClient<Common>, Error> {
    AdminClient::from_config_and_context(&client_config(settings, "sluice-admin"), Common::new("admin", settings))
        .map_err(|source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broker_may_be_away() {
        let design = |replicas| NewTopics { topics: Vec::new(), partitions: 1, replicas };
        assert_eq!([1, 2, 3, 5].map(|replicas| design(replicas).min_in_sync()), [1, 1, 2, 4]);
    }
}

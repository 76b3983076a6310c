//! How a group stands to a message: whether it has passed it, and whether anybody is there to take it.
//!
//! Asked without joining the group, so that asking disturbs nobody.

use std::time::Duration;

use pipeline_settings::settings;

use super::{
    Error, Position,
    admin::{committed_by, members_by},
    asking::ask,
};

/// How long the group's coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the cluster knows of a group and a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Members of the group; `None` where the broker does not say.
    pub members: Option<usize>,
    /// The next offset of the partition that the group reads; `None` when it has committed none.
    pub next: Option<i64>,
}

/// Asks how `group` stands to the message at `position`.
///
/// # Errors
/// [`Error::Client`] when librdkafka refuses the configuration, [`Error::Unreachable`] when the cluster does not answer.
pub async fn standing(settings: &settings::Kafka, group: &str, position: &Position) -> Result<Standing, Error> {
    let (name, number) = (group.to_owned(), position.partition.number);
    let topic = settings.names().topic(&position.partition.topic);
    ask(settings, Some(group), move |client| {
        let committed = committed_by(client, &topic, PATIENCE)?;
        let next = usize::try_from(number).ok().and_then(|number| *committed.get(number)?);
        Ok(Standing { members: members_by(client, &name), next })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Partition, local::LocalBroker};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_that_never_was_has_passed_nothing() {
        let broker = LocalBroker::start(&["t"]).unwrap();
        let settings =
            settings::Kafka { bootstrap_servers: broker.bootstrap_servers().to_owned(), ..settings::Kafka::default() };
        let position = Position { partition: Partition { topic: "t".to_owned(), number: 0 }, offset: 0 };
        let standing = standing(&settings, "nobody", &position).await.unwrap();
        assert_eq!(standing.next, None);
        assert!(standing.members.is_none_or(|members| members == 0));
    }
}

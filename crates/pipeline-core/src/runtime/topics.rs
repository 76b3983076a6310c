//! Asks whether the topics are there that the stage reads and writes.
//!
//! A topic that is deleted in mid-run shows late by itself: one that is read when the client looks at the cluster's
//! metadata again, one that is only written when the next message is refused. So the cluster is asked every few seconds.
//! A topic that is missing is an outage: `/readyz` says 503 with its name, no message is taken up, and it ends by itself
//! when the topic is there again. What was lost with it is announced again by what the ledger knows, see
//! [`crate::announcing`].
//!
//! When the topic that is read comes back, the stage leaves its group and joins it anew. A group that was dealing out
//! partitions while the topic went away may have dealt out fewer than the new topic has, and would not look again before
//! a member comes or goes.

use std::{sync::Arc, time::Duration};

use pipeline_kafka::Absent;
use tokio::time::sleep;

use super::{
    driven::Shared,
    work::{Work, topics},
};
use crate::intake::Intake as _;

/// Pause between two questions: how late a missing topic is noticed, about.
const INTERVAL: Duration = Duration::from_secs(5);

/// Asks until it is dropped.
pub(crate) async fn watch<W: Work>(shared: Arc<Shared<W>>) {
    let engine = &shared.engine;
    let topics = topics::<W>(&engine.settings);
    let names = engine.settings.kafka.names();
    let read: Vec<String> = W::Input::topics(&engine.settings).iter().map(|topic| names.topic(topic)).collect();
    let mut outage = None;
    let mut input_was_missing = false;
    loop {
        match engine.producer.absent_topics(&topics).await {
            Ok(absent) if absent.is_empty() => {
                outage = None;
                if std::mem::take(&mut input_was_missing) {
                    shared.rejoin.notify_one();
                }
            }
            Ok(absent) => {
                input_was_missing |= absent.missing.iter().any(|topic| read.contains(topic));
                let cause = unusable(&absent);
                if outage.is_none() {
                    engine.events.topics_missing(&cause);
                }
                outage.get_or_insert_with(|| engine.outage.enter(&cause));
                engine.outage.still(&cause);
            }
            // The cluster is away, which others notice; what was known of its topics holds.
            Err(error) => tracing::debug!(stage = W::NAME, "could not ask for the topics: {error}"),
        }
        sleep(INTERVAL).await;
    }
}

fn unusable(absent: &Absent) -> String {
    let mut causes = Vec::new();
    if let Some(topics) = listed(&absent.missing, "does not exist", "do not exist") {
        causes.push(format!("{topics}: create what is missing with `sluice topic create`"));
    }
    // A topic that one may not see is not missing.
    if let Some(topics) = listed(&absent.forbidden, "is not authorised", "are not authorised") {
        causes.push(format!("{topics}: give this client `Read` on what it reads and `Write` on what it writes"));
    }
    causes.join("; ")
}

fn listed(topics: &[String], one: &str, many: &str) -> Option<String> {
    let names: Vec<String> = topics.iter().map(|topic| format!("`{topic}`")).collect();
    match topics.len() {
        0 => None,
        1 => Some(format!("topic {} {one}", names.join(", "))),
        _ => Some(format!("topics {} {many}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_topic_is_named_with_what_to_do() {
        let names = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect::<Vec<_>>();
        let missing = |missing: &[&str]| unusable(&Absent { missing: names(missing), ..Absent::default() });
        assert!(missing(&["a"]).starts_with("topic `a` does not exist"));
        assert!(missing(&["a", "b"]).starts_with("topics `a`, `b` do not exist"));
        assert!(missing(&["a"]).ends_with("`sluice topic create`"));
    }

    #[test]
    fn a_topic_that_may_not_be_seen_is_not_called_missing() {
        let cause = unusable(&Absent { missing: vec!["a".to_owned()], forbidden: vec!["b".to_owned()] });
        assert!(cause.starts_with("topic `a` does not exist"), "{cause}");
        assert!(cause.contains("; topic `b` is not authorised: give"), "{cause}");
    }
}

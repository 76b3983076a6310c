//! The cluster: are the topics there, and are they what a copy that loses nothing needs?

use std::time::Duration;

use pipeline_kafka::{
    admin::{self, ClusterReport},
    provision::REPLICAS,
    survey::{self, Topic},
};
use pipeline_model::contracts;
use pipeline_settings::settings;

use super::report::{Check, State};
use crate::{session, text};

/// Messages of an open run are needed for so long when people are away.
const RETENTION: Duration = Duration::from_secs(86_400);
/// Dead letters wait for people.
const LETTERS_RETENTION: Duration = Duration::from_secs(14 * 86_400);

/// Brokers and topics.
pub async fn check(settings: &settings::Kafka) -> Vec<Check> {
    let name = &settings.bootstrap_servers;
    let report = match admin::check(settings, settings.names().topics()).await {
        Ok(report) => report,
        Err(error) => return vec![Check::failed("broker", &session::kafka_failure(&error))],
    };
    let mut checks = vec![of_cluster(name, &report)];
    match survey::topics(settings, settings.names().topics()).await {
        Ok(topics) => {
            checks.extend(of_topics(&topics, report.brokers.len(), &settings.names().topic(contracts::DEAD_LETTERS)))
        }
        Err(error) => checks.push(Check::failed("topics", &session::kafka_failure(&error))),
    }
    checks
}

/// A topic that this account may not see is neither there nor missing.
fn of_cluster(name: &str, ClusterReport { brokers, missing_topics, forbidden_topics }: &ClusterReport) -> Check {
    let found = [("topics missing", missing_topics), ("topics that this account may not see", forbidden_topics)];
    let found = found.iter().filter(|(_, topics)| !topics.is_empty());
    let found: Vec<String> = found.map(|(what, topics)| format!("{what}: {}", topics.join(", "))).collect();
    let hint = match (missing_topics.as_slice(), forbidden_topics.as_slice()) {
        ([], []) => {
            return Check::new("broker", State::Ok, format!("{name}: brokers {}, all topics", brokers.join(", ")));
        }
        ([], _) => "give it `Describe` on them, or ask as an account that has it",
        _ => "create them: sluice topic create",
    };
    Check::new("broker", State::NotReady, format!("{name}: {}", found.join("; "))).hint(hint)
}

/// One line for each thing that is wrong with some topic, and one when none is.
fn of_topics(topics: &[Topic], brokers: usize, letters: &str) -> Vec<Check> {
    let mut checks: Vec<Check> = FAULTS.iter().filter_map(|fault| fault.of(topics, brokers, letters)).collect();
    if checks.is_empty() && !topics.is_empty() {
        let replicas = topics.iter().map(|topic| topic.replicas).min().unwrap_or_default();
        let partitions = topics.iter().map(|topic| topic.partitions).min().unwrap_or_default();
        let hidden = topics.iter().any(|topic| topic.settings.is_none());
        let hidden = if hidden { "; retention is not visible to this account (`DescribeConfigs`)" } else { "" };
        let found = format!("{partitions} partitions or more, {replicas} replicas or more, all in sync{hidden}");
        checks.push(Check::new("topics", State::Ok, found));
    }
    checks
}

/// A topic, brokers of the cluster, and the name of the topic of dead letters.
type Judged<'t> = (&'t Topic, usize, &'t str);

/// Something that can be wrong with topics.
struct Fault {
    state: State,
    what: &'static str,
    hint: &'static str,
    /// What of the topic shows it, if it is wrong.
    found: fn(Judged<'_>) -> Option<String>,
}

const FAULTS: [Fault; 8] = [
    Fault {
        state: State::NotReady,
        what: "without a leader, so that nobody reads or writes them",
        hint: "bring the brokers back that have these partitions",
        found: |(topic, _, _)| (topic.leaderless > 0).then(|| text::plural(topic.leaderless, "partition")),
    },
    Fault {
        state: State::NotReady,
        what: "`min.insync.replicas` is more than there are replicas, so that nothing can be written",
        hint: "kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config min.insync.replicas=N",
        found: |(topic, _, _)| {
            let wanted = topic.settings.as_ref()?.min_in_sync;
            (wanted > topic.replicas).then(|| format!("{wanted} of {}", topic.replicas))
        },
    },
    Fault {
        state: State::NotReady,
        what: "too few replicas are in sync, so that nothing can be written",
        hint: "bring the brokers back that have the other replicas",
        found: |(topic, _, _)| {
            let wanted = topic.settings.as_ref()?.min_in_sync;
            (wanted <= topic.replicas && topic.in_sync < wanted).then(|| format!("{} of {wanted}", topic.in_sync))
        },
    },
    Fault {
        state: State::AtRisk,
        what: "some replicas are not in sync",
        hint: "is a broker away or too slow? What it misses lies on the others only",
        found: |(topic, _, _)| {
            let enough = topic.settings.as_ref().is_none_or(|settings| topic.in_sync >= settings.min_in_sync);
            (topic.in_sync < topic.replicas && enough).then(|| format!("{} of {}", topic.in_sync, topic.replicas))
        },
    },
    Fault {
        state: State::AtRisk,
        what: "fewer replicas than brokers would allow: a broker that is lost takes messages with it",
        hint: "add replicas: kafka-reassign-partitions.sh; new topics get them from `sluice topic create`",
        found: |(topic, brokers, _)| {
            let wanted = brokers.min(usize::try_from(REPLICAS).unwrap_or(usize::MAX));
            (topic.replicas < wanted).then(|| format!("{} of {wanted}", topic.replicas))
        },
    },
    Fault {
        state: State::AtRisk,
        what: "a message counts as written when one replica has it",
        hint: "kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config min.insync.replicas=2",
        found: |(topic, _, _)| {
            let settings = topic.settings.as_ref()?;
            (topic.replicas >= 3 && settings.min_in_sync < 2).then(|| format!("of {}", topic.replicas))
        },
    },
    Fault {
        state: State::AtRisk,
        what: "messages are kept too short a time: those of an open run, or dead letters, can be gone before they are handled",
        hint: "kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config retention.ms=MILLISECONDS",
        found: |(topic, _, letters)| {
            let kept = topic.settings.as_ref()?.retention?;
            let wanted = if topic.name == letters { LETTERS_RETENTION } else { RETENTION };
            (kept < wanted).then(|| format!("{}, wanted {}", text::duration(kept), text::duration(wanted)))
        },
    },
    Fault {
        state: State::AtRisk,
        what: "only the newest message of a key is kept (`cleanup.policy=compact`)",
        hint: "kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config cleanup.policy=delete",
        found: |(topic, _, _)| topic.settings.as_ref()?.compacts.then(|| "compacted".to_owned()),
    },
];

// === impl Fault ===

impl Fault {
    fn of(&self, topics: &[Topic], brokers: usize, letters: &str) -> Option<Check> {
        let found = topics.iter().filter_map(|topic| Some((topic, (self.found)((topic, brokers, letters))?)));
        let found: Vec<String> = found.map(|(topic, found)| format!("{} ({found})", topic.name)).collect();
        let detail = format!("{}: {}", self.what, found.join(", "));
        (!found.is_empty()).then(|| Check::new("topics", self.state, detail).hint(self.hint))
    }
}

#[cfg(test)]
mod tests {
    use pipeline_kafka::survey::TopicSettings;

    use super::*;

    #[test]
    fn a_topic_that_may_not_be_seen_is_neither_there_nor_missing() {
        let report = |missing: &[&str], forbidden: &[&str]| {
            let owned = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect();
            let report = ClusterReport {
                brokers: vec!["b:1".to_owned()],
                missing_topics: owned(missing),
                forbidden_topics: owned(forbidden),
            };
            let check = of_cluster("b:1", &report);
            (check.state, check.detail, check.hint.unwrap_or_default())
        };
        assert_eq!(report(&[], &[]), (State::Ok, "b:1: brokers b:1, all topics".to_owned(), String::new()));
        let (state, detail, hint) = report(&[], &["t"]);
        assert_eq!((state, detail.as_str()), (State::NotReady, "b:1: topics that this account may not see: t"));
        assert!(hint.contains("`Describe`"), "{hint}");
        let (_, detail, hint) = report(&["a"], &["t"]);
        assert_eq!(detail, "b:1: topics missing: a; topics that this account may not see: t");
        assert!(hint.contains("topic create"), "{hint}");
    }

    fn topic(replicas: usize, in_sync: usize, min_in_sync: usize) -> Topic {
        let settings = TopicSettings { min_in_sync, retention: Some(Duration::from_secs(7 * 86_400)), compacts: false };
        Topic { name: "t".to_owned(), partitions: 12, leaderless: 0, replicas, in_sync, settings: Some(settings) }
    }

    fn found(topic: Topic, brokers: usize) -> Vec<(State, String)> {
        let checks = of_topics(&[topic], brokers, "letters");
        checks.into_iter().map(|check| (check.state, check.detail)).collect()
    }

    #[test]
    fn topics_that_production_wants_are_fine() {
        for (one, brokers) in [(topic(3, 3, 2), 3), (topic(3, 3, 2), 9), (topic(1, 1, 1), 1)] {
            let found = found(one, brokers);
            assert_eq!((found.len(), found[0].0), (1, State::Ok), "{found:?}");
        }
        let hidden = Topic { settings: None, ..topic(3, 3, 2) };
        assert!(found(hidden, 3)[0].1.contains("`DescribeConfigs`"));
        assert!(of_topics(&[], 3, "letters").is_empty(), "missing topics are told as missing");
    }

    #[test]
    fn what_keeps_messages_out_is_not_ready_and_what_could_lose_them_is_at_risk() {
        let cases = [
            (Topic { leaderless: 2, ..topic(3, 3, 2) }, State::NotReady, "leader"),
            (topic(1, 1, 2), State::NotReady, "so that nothing can be written: t (2 of 1)"),
            (topic(3, 1, 2), State::NotReady, "too few replicas are in sync"),
            (topic(3, 2, 2), State::AtRisk, "some replicas are not in sync: t (2 of 3)"),
            (topic(3, 3, 1), State::AtRisk, "when one replica has it"),
        ];
        for (topic, state, part) in cases {
            let found = found(topic, 3);
            assert!(found.iter().any(|it| it.0 == state && it.1.contains(part)), "{part}: {found:?}");
        }
        assert!(found(topic(1, 1, 1), 3)[0].1.contains("fewer replicas than brokers would allow"));
    }

    #[test]
    fn letters_are_kept_longer_than_messages() {
        let kept = |name: &str, days: u64, compacts| {
            let settings =
                TopicSettings { min_in_sync: 2, retention: Some(Duration::from_secs(days * 86_400)), compacts };
            let topic = Topic { name: name.to_owned(), settings: Some(settings), ..topic(3, 3, 2) };
            found(topic, 3).remove(0)
        };
        assert_eq!(kept("t", 1, false).0, State::Ok);
        assert_eq!(kept("t", 0, false).0, State::AtRisk);
        assert!(kept("letters", 13, false).1.contains("letters (312h 00m, wanted 336h 00m)"));
        assert_eq!(kept("letters", 14, false).0, State::Ok);
        assert!(kept("t", 7, true).1.contains("compact"));
    }
}

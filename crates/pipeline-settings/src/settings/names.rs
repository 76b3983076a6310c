//! What topics, subjects and groups of an installation are called on the cluster.
//!
//! Everywhere in the code, and in the ledger, a topic has the name of its contract, whose first word is `sluice`. On the
//! cluster the first word is `kafka.topic_prefix`, so that installations share a cluster without meeting. The clients of
//! `pipeline-kafka` translate: what they are given and what they give has contract names, what they ask the cluster and what
//! their errors say has the cluster's.

use pipeline_model::contracts;

use crate::settings;

/// The first word of every contract.
const CONTRACT: &str = "sluice";

/// The names of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl settings::Kafka {
    /// The names of this installation.
    pub fn names(&self) -> Names {
        Names { prefix: self.topic_prefix.clone() }
    }

    /// The consumer group of a stage.
    pub fn group(&self, stage: &str) -> String {
        format!("{}-{stage}", self.group_prefix.as_deref().unwrap_or(&self.topic_prefix))
    }
}

// === impl Names ===

impl Names {
    /// The name on the cluster of a contract's topic. A topic that belongs to no contract keeps its name.
    pub fn topic(&self, contract: &str) -> String {
        exchange(contract, CONTRACT, &self.prefix)
    }

    /// The names on the cluster of all topics, in the order of the flow.
    pub fn topics(&self) -> Vec<String> {
        let contracts = contracts::ALL.iter().map(|(topic, _)| *topic).chain([contracts::DEAD_LETTERS]);
        contracts.map(|contract| self.topic(contract)).collect()
    }

    /// The contract's name of a topic on the cluster.
    pub fn contract(&self, topic: &str) -> String {
        exchange(topic, &self.prefix, CONTRACT)
    }

    /// The subject of a contract's values in the registry.
    pub fn subject(&self, contract: &str) -> String {
        contracts::subject(&self.topic(contract))
    }
}

impl Default for Names {
    fn default() -> Self {
        settings::Kafka::default().names()
    }
}

fn exchange(name: &str, from: &str, to: &str) -> String {
    match name.strip_prefix(from).filter(|rest| rest.starts_with('.')) {
        Some(rest) => format!("{to}{rest}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_is_called_by_the_installations_word_on_the_cluster() {
        let names = Names { prefix: "acme.copy".to_owned() };
        for (topic, _) in contracts::ALL {
            let there = names.topic(topic);
            assert!(there.starts_with("acme.copy.sync."), "{there}");
            assert_eq!(names.contract(&there), topic);
            assert_eq!(Names::default().topic(topic), topic);
        }
        assert_eq!(names.topic(contracts::DEAD_LETTERS), "acme.copy.dead-letters.v1");
        assert_eq!(names.subject(contracts::DEAD_LETTERS), "acme.copy.dead-letters.v1-value");
        assert_eq!((names.topic("other"), names.contract("acme.copycat.x")), ("other".into(), "acme.copycat.x".into()));
    }

    #[test]
    fn groups_have_the_topics_word_unless_they_have_their_own() {
        let mut kafka = settings::Kafka { topic_prefix: "acme".to_owned(), ..settings::Kafka::default() };
        assert_eq!(kafka.group("root"), "acme-root");
        kafka.group_prefix = Some("own".to_owned());
        assert_eq!(kafka.group("root"), "own-root");
    }
}

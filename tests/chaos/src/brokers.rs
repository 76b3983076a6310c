//! The broker of a world, or its three.

use testkit::{
    kafka::{Cluster, Kafka},
    process::Launch,
};

use crate::world::BROKER;

/// One broker, or three.
pub(crate) enum Brokers {
    One(Kafka),
    Three(Cluster),
}

// === impl Brokers ===

impl Brokers {
    pub(crate) fn start(three: bool) -> Self {
        if three { Self::Three(Cluster::start()) } else { Self::One(Kafka::start()) }
    }

    pub(crate) fn all(&self) -> &[Kafka] {
        match self {
            Self::One(kafka) => std::slice::from_ref(kafka),
            Self::Three(cluster) => cluster.brokers(),
        }
    }

    /// Addresses for clients that go straight.
    pub(crate) fn straight(&self) -> String {
        self.all().iter().map(Kafka::bootstrap).collect::<Vec<_>>().join(",")
    }

    /// Addresses for clients that stay behind the links.
    pub(crate) fn behind_links(&self) -> String {
        self.all().iter().map(|kafka| kafka.link().address()).collect::<Vec<_>>().join(",")
    }

    /// Creates the topics of a cluster as an operator does, with three replicas. One broker's are created by the
    /// messenger.
    pub(crate) fn create_topics(&self, partitions: i32) {
        if let Self::Three(_) = self {
            let partitions = partitions.to_string();
            let create = Launch::binary("sluice").args(["topic", "create", "--replication", "3"]);
            create.args(["--partitions", &partitions]).env(BROKER, &self.straight()).run().expect_code(0);
        }
    }
}

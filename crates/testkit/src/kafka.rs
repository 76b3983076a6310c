//! Kafka brokers in KRaft mode, with automatic creation of topics off: one that is its own controller, or a cluster of
//! three.
//!
//! A broker has two doors. Clients of [`Kafka::bootstrap`] go straight in. Behind [`Kafka::link`] stands a fault proxy:
//! the broker listens on a second port and tells those who come that way the proxy's address as its own, so that all
//! their connections pass the proxy.

use std::sync::OnceLock;

use node::{Node, Roles};

use crate::{
    proxy::Proxy,
    server::{Running, start_with_retry},
};

mod cluster;
mod node;
mod secure;
mod topics;
mod wire;

pub use cluster::Cluster;
pub use secure::{Listener, SecureKafka, unsecured_token};
pub use wire::{PartitionState, empty, partitions};

static SHARED: OnceLock<Kafka> = OnceLock::new();

/// A running broker.
pub struct Kafka {
    port: u16,
    link: Proxy,
    running: Running,
}

impl Kafka {
    /// The broker of this test process; starts it when it does not run yet.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    /// A broker of one's own: topics have fixed names, so each test that runs the whole pipeline needs one.
    pub fn start() -> Self {
        start_with_retry(|| Self::try_start(&["-Xms64m", "-Xmx192m"]))
    }

    /// A broker as one in service: with the compiler and the memory that make it fast after a while instead of at once.
    /// To measure with.
    pub fn start_for_service() -> Self {
        start_with_retry(|| Self::try_start(&["-XX:TieredStopAtLevel=4", "-Xms512m", "-Xmx512m"]))
    }

    /// Address for clients, `127.0.0.1:port`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The link to the broker that can be hurt; its address is one for clients too.
    pub fn link(&self) -> &Proxy {
        &self.link
    }

    /// The broker's process id.
    pub fn process_id(&self) -> u32 {
        self.running.id()
    }

    fn try_start(machine: &[&str]) -> Result<Self, String> {
        let node = Node::new(1, Roles::Both);
        let quorum = node.as_quorum();
        node.start(&quorum, 1, machine)?.into_broker()
    }
}

//! Three brokers and a controller, each a process of its own.
//!
//! The controller stands apart, so that two brokers can be lost and what is left is a cluster below its
//! `min.insync.replicas`: with controllers in the brokers, the loss of two would leave no quorum, and everything would
//! stand still for another reason. Topics have three replicas by default, of which two must be in sync; the cluster's own
//! topics too.

use std::thread;

use super::{
    Kafka,
    node::{Node, Roles, Starting},
};
use crate::server::{Running, start_with_retry};

const BROKERS: i32 = 3;
const MACHINE: [&str; 2] = ["-Xms64m", "-Xmx256m"];
const CONTROLLER_MACHINE: [&str; 2] = ["-Xms48m", "-Xmx128m"];

/// Three running brokers. Broker number N has the node id N, from 1.
pub struct Cluster {
    brokers: Vec<Kafka>,
    // Kept for its end: dropping it ends the process.
    _controller: Running,
}

impl Cluster {
    /// Starts the brokers side by side.
    pub fn start() -> Self {
        start_with_retry(Self::try_start)
    }

    /// The brokers, in the order of their node ids.
    pub fn brokers(&self) -> &[Kafka] {
        &self.brokers
    }

    fn try_start() -> Result<Self, String> {
        let controller = Node::new(100, Roles::Controller);
        let nodes: Vec<Node> = (1..=BROKERS).map(|number| Node::new(number, Roles::Broker)).collect();
        let (quorum, count) = (controller.as_quorum(), nodes.len());
        thread::scope(|scope| {
            let quorum = quorum.as_str();
            let controller = scope.spawn(move || controller.start(quorum, count, &CONTROLLER_MACHINE));
            let brokers: Vec<_> =
                nodes.into_iter().map(|node| scope.spawn(move || node.start(quorum, count, &MACHINE))).collect();
            let controller = controller.join().expect("a controller starts")?;
            let brokers: Result<Vec<Starting>, String> =
                brokers.into_iter().map(|broker| broker.join().expect("a broker starts")).collect();
            let brokers = brokers?.into_iter().map(Starting::into_broker).collect::<Result<_, _>>()?;
            Ok(Self { brokers, _controller: controller.into_controller()? })
        })
    }
}

//! One process of a cluster: its ports, its folder, its settings.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Kafka;
use crate::{
    janitor, ports,
    proxy::Proxy,
    server::{DATA, Running, START_DEADLINE},
    stack,
};

pub(super) const PROPERTIES: &str = include_str!("../../servers/kafka.properties");
/// Any id will do; the nodes' folders and their starts must agree on it.
const CLUSTER_ID: &str = "5L6g3nShT-eMCtK--X86sw";

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roles {
    /// A cluster of one.
    Both,
    Broker,
    Controller,
}

/// A node that does not run yet: its ports are chosen, since the others must know them.
pub(super) struct Node {
    number: i32,
    roles: Roles,
    folder: PathBuf,
    port: u16,
    controller_port: u16,
    /// The port behind the link, and the link; only a broker has them.
    link: Option<(u16, Proxy)>,
}

/// A node whose process was started.
pub(super) struct Starting {
    node: Node,
    running: Running,
}

// === impl Node ===

impl Node {
    pub(super) fn new(number: i32, roles: Roles) -> Self {
        let link = (roles != Roles::Controller).then(|| {
            let behind = ports::free();
            (behind, Proxy::to(&format!("127.0.0.1:{behind}")))
        });
        let folder = janitor::new_folder("kafka");
        Self { number, roles, folder, port: ports::free(), controller_port: ports::free(), link }
    }

    /// The setting `controller.quorum.voters` of a cluster with this controller.
    pub(super) fn as_quorum(&self) -> String {
        format!("{}@127.0.0.1:{}", self.number, self.controller_port)
    }

    /// Starts it in a cluster of so many brokers; it is not ready yet. `machine`: more arguments for Java.
    pub(super) fn start(self, quorum: &str, brokers: usize, machine: &[&str]) -> Result<Starting, String> {
        let properties = self.folder.join("server.properties");
        fs::write(&properties, self.properties(quorum, brokers))
            .map_err(|error| format!("could not write kafka's settings: {error}"))?;
        format(&self.folder, &properties, &[])?;
        let mut command = stack::java(&self.folder);
        command.args(machine).arg("-cp").arg(stack::class_path());
        command.arg("kafka.Kafka").arg(&properties);
        let running = Running::start("kafka", &self.folder, &mut command);
        Ok(Starting { node: self, running })
    }

    fn properties(&self, quorum: &str, brokers: usize) -> String {
        let common = PROPERTIES
            .replace("@NODE@", &self.number.to_string())
            .replace("@DATA@", &self.folder.join(DATA).display().to_string())
            .replace("@REPLICAS@", &brokers.to_string())
            // All but one, as one should be able to go.
            .replace("@IN_SYNC@", &(brokers - 1).max(1).to_string());
        let roles = match self.roles {
            Roles::Both => "broker,controller",
            Roles::Broker => "broker",
            Roles::Controller => "controller",
        };
        let mut listeners = Vec::new();
        let mut advertised = Vec::new();
        if let Some((behind, link)) = &self.link {
            listeners.push(format!("PLAINTEXT://127.0.0.1:{},PROXIED://127.0.0.1:{behind}", self.port));
            // Who comes through the fault proxy is told the proxy's address, and so stays behind it.
            advertised.push(format!("PLAINTEXT://127.0.0.1:{},PROXIED://{}", self.port, link.address()));
        }
        if self.roles != Roles::Broker {
            listeners.push(format!("CONTROLLER://127.0.0.1:{}", self.controller_port));
            advertised.push(format!("CONTROLLER://127.0.0.1:{}", self.controller_port));
        }
        format!(
            "{common}process.roles={roles}\ncontroller.quorum.voters={quorum}\nlisteners={}\nadvertised.listeners={}\n",
            listeners.join(","),
            advertised.join(",")
        )
    }
}

// === impl Starting ===

impl Starting {
    /// Waits until it serves.
    pub(super) fn into_broker(mut self) -> Result<Kafka, String> {
        self.wait_ready()?;
        let (_, link) = self.node.link.ok_or("a controller is no broker")?;
        Ok(Kafka { port: self.node.port, link, running: self.running })
    }

    /// As [`Starting::into_broker`], for a controller.
    pub(super) fn into_controller(mut self) -> Result<Running, String> {
        self.wait_ready()?;
        Ok(self.running)
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let log = self.node.folder.join("kafka.out");
        self.running.wait_ready(START_DEADLINE, || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("Kafka Server started"))
        })
    }
}

/// Makes the node's folder; `more` arguments add users.
pub(super) fn format(folder: &Path, properties: &Path, more: &[String]) -> Result<(), String> {
    let mut command: Command = stack::java(folder);
    command.args(["-Xmx64m", "-Dlog.level=WARN", "-cp"]).arg(stack::class_path());
    command.args(["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", CLUSTER_ID, "-c"]).arg(properties);
    command.args(more);
    let output =
        command.output().map_err(|error| format!("could not start `java`: {error}; run `cargo xtask setup`"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("kafka's storage tool failed: {}", String::from_utf8_lossy(&output.stderr)))
}

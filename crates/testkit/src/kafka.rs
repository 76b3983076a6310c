//! A Kafka broker of one node, in KRaft mode, with automatic creation of topics off.
//!
//! It has two doors. Clients of [`Kafka::bootstrap`] go straight in. Behind [`Kafka::link`] stands a fault proxy: the
//! broker listens on a second port and tells those who come that way the proxy's address as its own, so that all their
//! connections pass the proxy.

use std::{fs, path::Path, process::Command, sync::OnceLock};

use crate::{
    janitor, ports,
    proxy::Proxy,
    server::{Running, START_DEADLINE, start_with_retry},
    stack,
};

mod topics;

const PROPERTIES: &str = include_str!("../servers/kafka.properties");
/// Any id will do; the node's folder and the start must agree on it.
const CLUSTER_ID: &str = "5L6g3nShT-eMCtK--X86sw";

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
        let folder = janitor::new_folder("kafka");
        let (port, port_behind_link) = (ports::free(), ports::free());
        let link = Proxy::to(&format!("127.0.0.1:{port_behind_link}"));
        let properties = PROPERTIES
            .replace("@PORT@", &port.to_string())
            .replace("@PORT_BEHIND_LINK@", &port_behind_link.to_string())
            .replace("@LINK@", &link.address())
            .replace("@CONTROLLER_PORT@", &ports::free().to_string())
            .replace("@DATA@", &folder.join("data").display().to_string());
        let properties_file = folder.join("server.properties");
        fs::write(&properties_file, properties)
            .map_err(|error| format!("could not write kafka's settings: {error}"))?;
        format(&folder, &properties_file)?;
        let mut command = stack::java(&folder);
        command.args(machine).arg("-cp").arg(stack::class_path());
        command.arg("kafka.Kafka").arg(&properties_file);
        let mut running = Running::start("kafka", &folder, &mut command);
        let log = folder.join("kafka.out");
        running.wait_ready(START_DEADLINE, || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("Kafka Server started"))
        })?;
        Ok(Self { port, link, running })
    }
}

/// Makes the node's folder.
fn format(folder: &Path, properties: &Path) -> Result<(), String> {
    let mut command: Command = stack::java(folder);
    command.args(["-Xmx64m", "-Dlog.level=WARN", "-cp"]).arg(stack::class_path());
    command.args(["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", CLUSTER_ID, "-c"]).arg(properties);
    let output =
        command.output().map_err(|error| format!("could not start `java`: {error}; run `cargo xtask setup`"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("kafka's storage tool failed: {}", String::from_utf8_lossy(&output.stderr)))
}

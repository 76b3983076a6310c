//! Kafka Connect with Debezium's JDBC sink: what Sluice is measured against.
//!
//! One worker in standalone mode, with the virtual machine's own defaults for compiler and collector, unlike the small
//! servers that tests start: it has to do its best. `cargo xtask bench` fetches it; the ordinary set-up does not.

use std::{fs, process::Command};

use crate::{
    http, janitor, ports,
    server::{Running, START_DEADLINE, start_with_retry},
    stack,
};

/// A connector's settings, as lines of its properties file have them.
pub type Settings = Vec<(&'static str, String)>;

/// A running worker with its connectors.
pub struct Connect {
    address: String,
    connectors: Vec<String>,
    running: Running,
}

impl Connect {
    /// Starts a worker that runs these connectors, each with its name; they have begun when this returns.
    pub fn start(bootstrap_servers: &str, connectors: &[(String, Settings)]) -> Self {
        start_with_retry(|| Self::try_start(bootstrap_servers, connectors))
    }

    /// The worker's process id.
    pub fn process_id(&self) -> u32 {
        self.running.id()
    }

    /// Fails the test when a connector or a task of one has failed.
    pub fn assert_healthy(&self) {
        for name in &self.connectors {
            let status = http::get(&self.address, &format!("/connectors/{name}/status"));
            let body = status.map(|answer| answer.body).unwrap_or_default();
            assert!(!body.contains("\"FAILED\""), "connector `{name}` failed: {body}\n{}", self.running.tail());
        }
    }

    fn try_start(bootstrap_servers: &str, connectors: &[(String, Settings)]) -> Result<Self, String> {
        let folder = janitor::new_folder("connect");
        let address = format!("127.0.0.1:{}", ports::free());
        let write = |name: &str, settings: &Settings| {
            let path = folder.join(name);
            let lines: String = settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
            fs::write(&path, lines).map_err(|error| format!("could not write `{}`: {error}", path.display()))?;
            Ok::<_, String>(path)
        };
        let worker = vec![
            ("bootstrap.servers", bootstrap_servers.to_owned()),
            ("listeners", format!("http://{address}")),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter".to_owned()),
            ("offset.storage.file.filename", folder.join("offsets").display().to_string()),
            ("plugin.path", stack::peers().join("plugins").display().to_string()),
            ("plugin.discovery", "service_load".to_owned()),
        ];
        let mut command = Command::new("java");
        command
            .args(["-Xmx1g", "-Djava.net.preferIPv4Stack=true"])
            .arg(format!("-Dlog4j2.configurationFile={}", stack::log_settings(&folder).display()))
            .arg("-cp")
            .arg(stack::peers().join("libs").join("*"))
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .arg(write("worker.properties", &worker)?)
            .current_dir(&folder);
        for (name, settings) in connectors {
            let mut settings = settings.clone();
            settings.push(("name", name.clone()));
            command.arg(write(&format!("{name}.properties"), &settings)?);
        }
        let mut running = Running::start("connect", &folder, &mut command);
        let connectors: Vec<String> = connectors.iter().map(|(name, _)| name.clone()).collect();
        let begun = |name: &String| {
            let status = http::get(&address, &format!("/connectors/{name}/status"));
            status.is_ok_and(|answer| answer.status == 200)
        };
        running.wait_ready(START_DEADLINE, || connectors.iter().all(begun))?;
        Ok(Self { address, connectors, running })
    }
}

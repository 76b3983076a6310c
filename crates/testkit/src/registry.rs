//! A schema registry with the Confluent API: Apicurio, in memory.

use std::sync::OnceLock;

use crate::{
    http, janitor, ports,
    server::{Running, START_DEADLINE, start_with_retry},
    stack,
};

/// Where Apicurio serves the Confluent API.
const API: &str = "/apis/ccompat/v7";

static SHARED: OnceLock<Registry> = OnceLock::new();

/// A running registry.
pub struct Registry {
    port: u16,
    running: Running,
}

impl Registry {
    /// The registry of this test process; starts it when it does not run yet.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    /// A registry of one's own, empty.
    pub fn start() -> Self {
        start_with_retry(Self::try_start)
    }

    /// Base address of the Confluent API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{API}", self.port)
    }

    /// The registry's process id.
    pub fn process_id(&self) -> u32 {
        self.running.id()
    }

    fn try_start() -> Result<Self, String> {
        let folder = janitor::new_folder("registry");
        let port = ports::free();
        let mut command = stack::java(&folder);
        command
            .args(["-Xms64m", "-Xmx384m", "-Dquarkus.http.host=127.0.0.1"])
            .arg(format!("-Dquarkus.http.port={port}"))
            .arg("-jar")
            .arg(stack::registry_jar());
        let mut running = Running::start("registry", &folder, &mut command);
        let address = format!("127.0.0.1:{port}");
        let subjects = format!("{API}/subjects");
        running.wait_ready(START_DEADLINE, || http::get(&address, &subjects).is_ok_and(|it| it.status == 200))?;
        Ok(Self { port, running })
    }
}

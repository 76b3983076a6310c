//! The Java servers' files, and all servers at once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::{kafka::Kafka, mariadb::MariaDb, registry::Registry};

mod location;

const POM: &str = include_str!("../servers/pom.xml");
const PEERS_POM: &str = include_str!("../servers/peers.pom.xml");
const LOG_SETTINGS: &str = include_str!("../servers/log4j2.properties");

/// Kafka, a registry and a database, all running.
#[derive(Clone, Copy)]
pub struct Stack {
    /// The broker.
    pub kafka: &'static Kafka,
    /// The schema registry.
    pub registry: &'static Registry,
    /// The database server.
    pub mariadb: &'static MariaDb,
}

impl Stack {
    /// The servers of this test process, started side by side when they do not run yet.
    pub fn shared() -> Self {
        thread::scope(|scope| {
            let kafka = scope.spawn(Kafka::shared);
            let registry = scope.spawn(Registry::shared);
            let mariadb = MariaDb::shared();
            let kafka = kafka.join().expect("kafka starts");
            let registry = registry.join().expect("the registry starts");
            Self { kafka, registry, mariadb }
        })
    }
}

/// A `java` command with what all servers have in common: a small, quickly started machine on IPv4.
pub(crate) fn java(folder: &Path) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.net.preferIPv4Stack=true"])
        .arg(format!("-Dlog4j2.configurationFile={}", log_settings(folder).display()))
        .current_dir(folder);
    command
}

/// Writes what and how much a server logs into a folder; gives the file.
pub(crate) fn log_settings(folder: &Path) -> PathBuf {
    let file = folder.join("log4j2.properties");
    fs::write(&file, LOG_SETTINGS).unwrap_or_else(|error| panic!("could not write `{}`: {error}", file.display()));
    file
}

/// Folder of the programs that Sluice is measured against.
pub(crate) fn peers() -> PathBuf {
    let folder = location::stack_folder(PEERS_POM);
    assert!(folder.exists(), "no programs to compare with in `{}`: `cargo xtask bench` fetches them", folder.display());
    folder
}

/// Kafka's class path.
pub(crate) fn class_path() -> String {
    installed().join("libs").join("*").display().to_string()
}

/// The registry's jar.
pub(crate) fn registry_jar() -> PathBuf {
    let folder = installed().join("apicurio");
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("could not read `{}`: {error}", folder.display()));
    let jar = files.flatten().map(|file| file.path()).find(|path| path.to_string_lossy().ends_with("-runner.jar"));
    jar.unwrap_or_else(|| panic!("no registry in `{}`: remove it and run `cargo xtask setup`", folder.display()))
}

/// Jaeger's program.
pub(crate) fn jaeger() -> PathBuf {
    location::jaeger()
}

fn installed() -> PathBuf {
    installed_by(POM, "Java servers")
}

/// Folder of what a project file asks for.
pub(crate) fn installed_by(pom: &str, what: &str) -> PathBuf {
    let folder = location::stack_folder(pom);
    assert!(folder.exists(), "no {what} in `{}`: run `cargo xtask setup`", folder.display());
    folder
}

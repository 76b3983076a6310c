//! On what was measured: the machine, and the versions of everything that takes part.

use std::{fs, process::Command};

use serde::{Deserialize, Serialize};

/// A machine and what runs on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// Processors that the kernel may use.
    pub processors: usize,
    /// Memory, in GiB.
    pub memory_gib: u64,
    /// The kernel.
    pub kernel: String,
    /// Name and version of each program that takes part.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let memory_kib: u64 = line_of("/proc/meminfo", "MemTotal:")
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or(0);
        Self {
            processor: line_of("/proc/cpuinfo", "model name").trim_start_matches([' ', '\t', ':']).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_kib.div_ceil(1024 * 1024),
            kernel: first_line("uname", &["-sr"]),
            versions: vec![
                ("Sluice".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
                ("Rust".to_owned(), first_line("rustc", &["--version"])),
                ("MariaDB".to_owned(), database_version()),
                ("Kafka and Kafka Connect".to_owned(), version_of("kafka")),
                ("Debezium JDBC sink".to_owned(), version_of("debezium")),
                ("Java".to_owned(), first_line("java", &["-version"])),
            ],
        }
    }

    /// Whether results from there and here may stand in one table.
    pub fn is_same_hardware(&self, other: &Self) -> bool {
        let hardware = |machine: &Self| (machine.processor.clone(), machine.processors, machine.memory_gib);
        hardware(self) == hardware(other)
    }
}

/// The commit that is checked out, such as `1a2b3c4`, with a `+` behind it when files differ from it; empty outside of a
/// repository. The page and the numbers behind it do not count: they change while one figure after another is measured.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        output.ok().filter(|output| output.status.success())
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return String::new() };
    let clean = git(&[
        "diff",
        "--quiet",
        "HEAD",
        "--",
        ":/",
        ":(top,exclude)docs/benchmarks.*",
        ":(top,exclude)docs/capacity.json",
    ])
    .is_some();
    format!("{}{}", String::from_utf8_lossy(&head.stdout).trim(), if clean { "" } else { "+" })
}

/// Today, such as 2026-01-31, in UTC.
pub fn today() -> String {
    first_line("date", &["-u", "+%Y-%m-%d"])
}

fn database_version() -> String {
    let text = first_line("mariadb", &["--version"]);
    let version = text.split_whitespace().find(|word| word.contains("MariaDB")).unwrap_or(&text);
    version.trim_end_matches([',', ';']).to_owned()
}

/// A version that the project file of the peers names.
fn version_of(name: &str) -> String {
    let pom = include_str!("../../../crates/testkit/servers/peers.pom.xml");
    let between = pom.split(&format!("<{name}.version>")).nth(1).and_then(|rest| rest.split('<').next());
    between.unwrap_or_default().to_owned()
}

fn line_of(file: &str, prefix: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(prefix)).unwrap_or_default().to_owned()
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let bytes = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or("unknown").to_owned()
}

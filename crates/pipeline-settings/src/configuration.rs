//! Reads the configuration: compiled defaults, then a YAML file, then the environment, then flags; later ones win.
//!
//! Either everything is right or nothing starts. [`load`] reports **all** faults at once, each with its place, and an
//! unknown key is a fault with the nearest valid key beside it: a key that is silently ignored is found only in
//! production. There is no interpolation inside values, because it leaks secrets into places that print them; secrets
//! come from a `*_file` or from the environment and are shown as `***`.
//!
//! Layering is a map in which later layers replace single keys. The kept crates for layering (`config`, `figment`) were
//! tried on paper and left out: both stop at the first fault and lose the line and column, which are the point here.
//! YAML is read as a stream of events, since a tree keeps neither the second of two equal keys nor its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use secrecy::ExposeSecret as _;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::{printable::printable, redaction::MASK, settings::Settings};

mod admin;
mod checks;
mod couchbase;
mod fault;
mod kafka;
mod keys;
mod reference;
mod secrets;
mod value;
mod view;
mod yaml;

#[cfg(test)]
pub(crate) mod tests;

pub use fault::{Error, Fault, FaultKind};
pub use keys::json_schema;
pub use reference::reference_markdown;
pub use view::view;

use keys::Keys;
use secrets::Secret;
use value::Wrong;

/// Names in the environment that begin like this are configuration keys; all others are left alone.
pub const ENVIRONMENT_PREFIX: &str = "SLUICE__";

/// The layers above the compiled defaults.
#[derive(Clone, Debug)]
pub struct Options<E> {
    /// A YAML file; an empty file is fine, a missing one is a fault.
    pub file: Option<PathBuf>,
    /// Names and values, such as [`environment`] gives them.
    pub environment: E,
    /// Keys and values from `-X key=value`, in the order given.
    pub overrides: Vec<(String, String)>,
}

/// A configuration without faults, and where each of its keys came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was decided, secrets read from their files.
    pub settings: Settings,
    /// The layer that decided each key. Every known key is here, secrets that are not set included.
    pub origin: BTreeMap<String, Origin>,
    /// What works but should not stay: to be logged as soon as there is a log.
    pub warnings: Vec<Fault>,
    /// The values as they were written, for [`view`].
    values: BTreeMap<String, Value>,
}

/// The place that a value, or a fault, comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Origin {
    /// Compiled into the program.
    Default,
    /// A place in the YAML file.
    File {
        /// The file, as it was given.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
    /// The YAML file as a whole.
    WholeFile {
        /// The file, as it was given.
        path: PathBuf,
    },
    /// The environment.
    Environment {
        /// The variable's name.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// The key as it was given.
        key: String,
    },
    /// The file that a `*_file` key names.
    SecretFile {
        /// That file.
        path: PathBuf,
    },
}

/// A value somebody wrote, not yet held against its key.
#[derive(Clone, Debug)]
struct Entry {
    key: String,
    written: Written,
    place: Origin,
}

/// How a value was written; the same characters mean different things with and without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Written {
    /// In YAML without quotes: the characters decide the type.
    Plain(String),
    /// In YAML with quotes, or as a block: text.
    Quoted(String),
    /// In the environment or a flag: the key decides the type.
    Word(String),
    /// A YAML list or section, named so.
    Group(&'static str),
}

/// The process's environment, without what cannot be a key of ours; never panics on names that are not Unicode.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(ENVIRONMENT_PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

/// Reads all layers and checks the result, files of secrets included.
///
/// # Errors
/// All faults of all layers. A value that a later layer replaces is checked all the same.
pub fn load<E: Iterator<Item = (String, String)>>(options: Options<E>) -> Result<Loaded, Error> {
    let keys = Keys::of_settings();
    let mut faults = Vec::new();
    let mut entries = Vec::new();

    if let Some(path) = &options.file {
        entries.extend(yaml::read(path, &keys, &mut faults));
    }
    entries.extend(from_environment(options.environment, &keys, &mut faults));
    entries.extend(from_flags(options.overrides, &keys, &mut faults));

    let mut layered = Layered::over_defaults(&keys);
    for entry in entries {
        layered.put(entry, &keys, &mut faults);
    }
    layered.finish(&keys, faults)
}

fn from_environment(
    environment: impl Iterator<Item = (String, String)>,
    keys: &Keys,
    faults: &mut Vec<Fault>,
) -> Vec<Entry> {
    let mut variables: Vec<_> = environment.filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX)).collect();
    variables.sort(); // the environment has no order of its own, faults should have one
    let mut entries = Vec::new();
    for (name, text) in variables {
        let place = Origin::Environment { name: name.clone() };
        match keys.by_environment(&name) {
            Some(key) => entries.push(Entry { key: key.path.clone(), written: Written::Word(text), place }),
            None => faults.push(Fault {
                place,
                key: keys::of_environment(&name),
                kind: FaultKind::UnknownKey,
                problem: "unknown key".to_owned(),
                hint: keys.nearest_environment(&name).map(|near| format!("did you mean {near}?")),
            }),
        }
    }
    entries
}

fn from_flags(overrides: Vec<(String, String)>, keys: &Keys, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (path, text) in overrides {
        let place = Origin::Flag { key: path.clone() };
        match keys.find(&path) {
            Some(key) => entries.push(Entry { key: key.path.clone(), written: Written::Word(text), place }),
            None => faults.push(keys.unknown(&path, place)),
        }
    }
    entries
}

/// The layers read so far, laid over each other.
struct Layered {
    values: BTreeMap<String, Value>,
    origin: BTreeMap<String, Origin>,
    /// Keys with a fault in any layer: they keep an earlier value, and no more is said about it.
    faulty: BTreeSet<String>,
}

/// Reports everything that cannot work.
fn check(settings: &Settings, findings: &mut Findings<'_>) {
    kafka::check(&settings.kafka, findings);
    checks::registry(&settings.schema_registry, findings);
    if !settings.source.url.is_empty() {
        checks::source(&settings.source, findings);
    }
    if !settings.target.url.is_empty() {
        checks::target(settings, findings);
    }
    if !settings.telemetry.otlp_endpoint.is_empty() {
        checks::web_address("telemetry.otlp_endpoint", &settings.telemetry.otlp_endpoint, findings);
    }
    checks::collector(&settings.telemetry, findings);
    if let Err(source) = EnvFilter::builder().parse(&settings.telemetry.log_filter) {
        let problem = format!("not a log filter: {source}");
        findings.fault(FaultKind::Unusable, "telemetry.log_filter", problem, Some("write a level such as `info`"));
    }
    admin::check(&settings.admin, findings);
}

// === impl Layered ===

impl Layered {
    fn over_defaults(keys: &Keys) -> Self {
        let values = keys.iter().map(|key| (key.path.clone(), key.default.clone())).collect();
        let origin = keys.iter().map(|key| (key.path.clone(), Origin::Default)).collect();
        Self { values, origin, faulty: BTreeSet::new() }
    }

    fn put(&mut self, entry: Entry, keys: &Keys, faults: &mut Vec<Fault>) {
        let Some(key) = keys.find(&entry.key) else { return };
        match value::read(key, &entry.written) {
            Ok(value) => {
                self.values.insert(entry.key.clone(), value);
                self.origin.insert(entry.key, entry.place);
            }
            Err(wrong) => {
                self.faulty.insert(entry.key.clone());
                let Wrong { kind, problem, hint } = wrong;
                faults.push(Fault { place: entry.place, key: entry.key, kind, problem, hint });
            }
        }
    }

    fn finish(mut self, keys: &Keys, mut faults: Vec<Fault>) -> Result<Loaded, Error> {
        let mut settings = match self.settings(keys) {
            Ok(settings) => settings,
            Err(fault) => {
                faults.push(fault);
                return Err(Error { faults });
            }
        };
        let mut findings = Findings { origin: &self.origin, faulty: &self.faulty, faults, warnings: Vec::new() };
        check(&settings, &mut findings);
        let secrets = secrets::read(keys, &self.values, &mut findings);
        let Findings { mut faults, warnings, .. } = findings;
        for Secret { key, path, text } in &secrets {
            self.values.insert(key.clone(), Value::from(text.expose_secret()));
            self.origin.insert(key.clone(), Origin::SecretFile { path: path.clone() });
        }
        match self.settings(keys) {
            Ok(with_secrets) => settings = with_secrets,
            Err(fault) => faults.push(fault),
        }
        if !faults.is_empty() {
            return Err(Error { faults });
        }
        self.values.extend(secrets.into_iter().map(|secret| (secret.key, Value::from(MASK))));
        Ok(Loaded { settings, origin: self.origin, warnings, values: self.values })
    }

    /// The values as [`Settings`]. The schema has let them pass, so an error here is a gap between schema and type.
    fn settings(&self, keys: &Keys) -> Result<Settings, Fault> {
        let mut root = serde_json::Map::new();
        for (path, value) in self.values.iter().filter(|(_, value)| !value.is_null()) {
            keys::nest(&mut root, path, value.clone());
        }
        serde_json::from_value(Value::Object(root)).map_err(|source| Fault {
            place: Origin::Default,
            key: String::new(),
            kind: FaultKind::OwnFault,
            problem: format!("the values do not make up settings: {source}"),
            hint: Some(format!("this is a fault of Sluice: its schema allows {} keys", keys.iter().count())),
        })
    }
}

/// Where checks put what they find.
struct Findings<'a> {
    origin: &'a BTreeMap<String, Origin>,
    faulty: &'a BTreeSet<String>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

// === impl Findings ===

impl Findings<'_> {
    fn fault(&mut self, kind: FaultKind, key: &str, problem: impl Into<String>, hint: Option<&str>) {
        // A key that is wrong already holds an earlier layer's value, which nobody meant.
        if !self.faulty.contains(key) {
            self.faults.push(self.found(kind, key, problem.into(), hint));
        }
    }

    /// Each of these keys that is set contradicts another one.
    fn contradict(&mut self, keys: &[(&str, bool)], problem: &str, hint: &str) {
        for (key, _) in keys.iter().filter(|(_, is_set)| *is_set) {
            self.fault(FaultKind::Contradiction, key, problem, Some(hint));
        }
    }

    fn warn(&mut self, key: &str, problem: impl Into<String>, hint: Option<&str>) {
        self.warnings.push(self.found(FaultKind::Doubtful, key, problem.into(), hint));
    }

    fn found(&self, kind: FaultKind, key: &str, problem: String, hint: Option<&str>) -> Fault {
        Fault { place: self.place(key), key: key.to_owned(), kind, problem, hint: hint.map(str::to_owned) }
    }

    fn place(&self, key: &str) -> Origin {
        self.origin.get(key).cloned().unwrap_or(Origin::Default)
    }
}

// === impl Display ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::WholeFile { path } => write!(f, "{}", path.display()),
            Self::Environment { name } => write!(f, "environment {}", printable(name)),
            Self::Flag { key } => write!(f, "flag -X {}", printable(key)),
            Self::SecretFile { path } => write!(f, "file {}", path.display()),
        }
    }
}

//! What the verbs share: the configuration, the connections, and the notes on standard error.

use std::{fmt, sync::OnceLock};

use pipeline_settings::{
    configuration::{self, Fault, FaultKind, Loaded, Options, Origin},
    settings::Settings,
};
use pipeline_store::Store;
use pipeline_telemetry as telemetry;

use crate::{exit::Exit, failure::Failure, global::Global, output, text};

/// What commands log unless told otherwise: their progress says the rest.
const QUIET: &str = "warn";

/// One call of the command.
#[derive(Debug)]
pub struct Session {
    global: Global,
    /// Read once: with them the log is set up, and what they warn of is said.
    settings: OnceLock<Settings>,
    /// Sends the last spans when the call ends.
    telemetry: OnceLock<telemetry::Guard>,
}

// === impl Session ===

impl Session {
    /// A session with these flags.
    pub fn new(global: Global) -> Self {
        Self { global, settings: OnceLock::new(), telemetry: OnceLock::new() }
    }

    /// Reads the configuration; flags of the verb come last and win.
    pub fn load(&self, overrides: Vec<(String, String)>) -> Result<Loaded, Failure> {
        let options = Options {
            file: self.global.config.clone(),
            environment: configuration::environment(),
            overrides: [self.global.set.clone(), overrides].concat(),
        };
        let loaded = configuration::load(options)?;
        for warning in &loaded.warnings {
            note(format_args!("{}", warning.with_code()));
        }
        Ok(loaded)
    }

    /// The settings of a command that works on a deployed Sluice; its logs are quiet.
    pub fn settings(&self) -> Result<Settings, Failure> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings.clone());
        }
        let settings = self.settings_with(Vec::new())?;
        Ok(self.settings.get_or_init(|| settings).clone())
    }

    /// The same; flags of the verb win.
    pub fn settings_with(&self, overrides: Vec<(String, String)>) -> Result<Settings, Failure> {
        let mut loaded = self.load(overrides)?;
        quiet(&mut loaded);
        if !telemetry::EXPORTS_SPANS {
            // A command that exports nothing says so to nobody; what it sends stands in the trace of its run all the same.
            loaded.settings.telemetry.otlp_endpoint.clear();
        }
        let guard = init_telemetry(&loaded.settings)?;
        self.telemetry.get_or_init(|| guard);
        Ok(loaded.settings)
    }

    /// Connects to the target.
    pub async fn store(&self, settings: &Settings) -> Result<Store, Failure> {
        if settings.target.url.is_empty() {
            return Err(no_target());
        }
        Store::connect(&settings.target).await.map_err(|error| store_failure(&error))
    }

    /// Connects to a target that has its tables.
    pub async fn migrated_store(&self, settings: &Settings) -> Result<Store, Failure> {
        let store = self.store(settings).await?;
        store.check_migrated().await?;
        Ok(store)
    }
}

/// Lowers the log level to warnings unless somebody has chosen one.
pub fn quiet(loaded: &mut Loaded) {
    if loaded.origin.get("telemetry.log_filter").is_none_or(|origin| *origin == Origin::Default) {
        QUIET.clone_into(&mut loaded.settings.telemetry.log_filter);
    }
}

/// A line for people, on standard error.
pub fn note(text: fmt::Arguments<'_>) {
    output::say(text);
}

/// How this program was called, so that what is printed can be typed again: its path, or its name when it was found by
/// the shell.
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
}

/// A target has to be named.
pub fn no_target() -> Failure {
    Failure::new(Exit::BadConfiguration, "`target.url` is not set")
        .code(FaultKind::Missing.code())
        .hint("set it in the configuration file, as SLUICE__TARGET__URL, or with `-X target.url=mysql://user@host/db`")
}

/// All faults of a configuration.
pub fn configuration_failure(error: &configuration::Error) -> Failure {
    let mut failure = Failure::new(Exit::BadConfiguration, "the configuration cannot be used")
        .hint("see all keys: sluice config view; check a file: sluice config lint FILE");
    // Each fault has its code behind it; the page of the first one is offered.
    failure.code = error.faults.first().map(|fault| fault.kind.code());
    failure.causes = error.faults.iter().map(Fault::with_code).collect();
    failure
}

/// A failure of the target; a target without its tables is there, but not ready.
pub fn store_failure(error: &pipeline_store::Error) -> Failure {
    use pipeline_store::Error;
    let failure = Failure::classified(error);
    match error {
        // A file has no server, user or password.
        Error::Unavailable { source, .. } if source.is_of_file() => failure,
        Error::Unavailable { .. } => {
            failure.hint("start the database, or correct `target.url`, user and password; then try again")
        }
        Error::NotMigrated { found, needed, .. } if found < needed => {
            Failure { exit: Exit::NotReady, ..failure }.hint("create or update the tables: sluice migrate")
        }
        Error::NotMigrated { .. } => Failure { exit: Exit::NotReady, ..failure },
        Error::ViewsUnreadable { .. } => Failure { exit: Exit::NotReady, ..failure }
            .hint("make the views and give them to an account that stays: sluice migrate"),
        // Who asks again with the same account hears the same.
        Error::LoginRefused { .. }
        | Error::NotTrusted { .. }
        | Error::Denied { .. }
        | Error::InvalidTarget { .. }
        | Error::NamesTaken { .. }
        | Error::OtherInstallation { .. }
        | Error::PasswordFile { .. }
        | Error::FileReadOnly { .. }
        | Error::FileNotOpened { .. }
        | Error::NotADatabase { .. } => Failure { exit: Exit::BadConfiguration, ..failure },
        Error::Contended { .. } => Failure { exit: Exit::Unreachable, ..failure }
            .hint("another program, or another call of this one, holds the target: end it or wait; then try again"),
        _ => failure,
    }
}

/// A failure of the registry; an incompatible schema has an exit code of its own.
pub fn registry_failure(error: &pipeline_core::registry::Error) -> Failure {
    use pipeline_core::registry::Error;
    let failure = Failure::classified(error);
    match error {
        Error::Incompatible { .. } => Failure { exit: Exit::IncompatibleSchema, ..failure },
        Error::NotRegistered { .. } => {
            Failure { exit: Exit::NotReady, ..failure }.hint("register the schemas: sluice schema register")
        }
        Error::Setting { .. } | Error::Untrusted { .. } => Failure { exit: Exit::BadConfiguration, ..failure },
        Error::Unreachable { .. } => {
            failure.hint("start the registry, or correct `schema_registry.url`; then try again")
        }
        _ => failure,
    }
}

/// A failure of the cluster.
pub fn kafka_failure(error: &pipeline_kafka::Error) -> Failure {
    use pipeline_kafka::Error;
    let failure = Failure::classified(error);
    match error {
        // Who asks again as the same hears the same.
        Error::NotAuthorised { .. } => Failure { exit: Exit::BadConfiguration, ..failure },
        error if error.is_of_configuration() => Failure { exit: Exit::BadConfiguration, ..failure },
        Error::Unreachable { .. } => {
            failure.hint("start the broker, or correct `kafka.bootstrap_servers`; then try again")
        }
        Error::Produce { .. } => failure.hint("check broker and topics: sluice doctor"),
        _ => failure,
    }
}

/// A failure of the source; settings that cannot be used are bad configuration.
pub fn source_failure(error: &pipeline_source::Error) -> Failure {
    use pipeline_source::Error;
    let failure = Failure::classified(error);
    match error {
        Error::Url { .. }
        | Error::Scheme { .. }
        | Error::NotInThisBuild { .. }
        | Error::UnknownParameter { .. }
        | Error::Parameter { .. }
        | Error::Mapping { .. }
        | Error::Setting { .. }
        | Error::MissingFolder { .. } => Failure { exit: Exit::BadConfiguration, ..failure },
        Error::MissingIndex { .. } | Error::MissingKeyspace { .. } | Error::Forbidden { .. } | Error::Clock { .. } => {
            Failure { exit: Exit::NotReady, ..failure }
        }
        _ => failure,
    }
}

/// A failure of an operation: a refusal is none of a server, and says what stands in the way.
pub fn operation_failure(error: &pipeline_operations::Error) -> Failure {
    use pipeline_operations::Error;
    let failure = Failure::classified(error);
    match error {
        Error::Target(error) => store_failure(error),
        Error::Source(error) => source_failure(error),
        Error::Kafka(error) => kafka_failure(error),
        Error::Registry(error) => registry_failure(error),
        Error::RunOpen { run, target, since_ms, by } => Failure {
            what: format!("run {run} is open on `{target}` since {} (by {by})", text::time(*since_ms)),
            ..failure
        }
        .hint(format!("wait for it: sluice run wait {run}; or end it: sluice run abort {run}")),
        Error::NotOpen { .. } => {
            failure.hint("start a new run, which reads everything again and writes what changed: sluice run start")
        }
        Error::NoSuchRun { .. } => failure.hint("list them: sluice run ls"),
        Error::NoSuchLetter { .. } => failure.hint("list them: sluice dlq ls --state all"),
        Error::NothingActivated { .. } => failure.hint("start a run: sluice run start"),
        Error::NeverActivated { .. } => failure.hint("see what is there: sluice generation rollback --dry-run"),
        Error::NotKept { .. } => failure.hint("list those that are kept: sluice generation ls"),
        Error::PlaceGone { .. } => failure.hint("the source has changed: compare from the beginning"),
        Error::Changed { .. } | Error::Encode(_) => failure,
    }
}

/// A failure of the check of schemas.
pub fn gate_failure(error: &schema_gate::Error) -> Failure {
    use schema_gate::Error;
    let plain = |exit: Exit| match std::error::Error::source(error) {
        Some(cause) => Failure::caused(exit, error.to_string(), cause),
        None => Failure::new(exit, error.to_string()),
    };
    let wrong = || plain(Exit::BadConfiguration);
    match error {
        Error::Kafka(error) => kafka_failure(error),
        Error::Registry(error) => registry_failure(error),
        Error::NotASchema { .. } => plain(Exit::IncompatibleSchema),
        Error::Offsets(_) => plain(Exit::Failed),
        Error::NotSchemas { .. } => wrong().hint("name folders or files: sluice schema check schemas"),
        Error::Shallow => wrong()
            .hint("fetch them: git fetch --unshallow (in a GitHub workflow: actions/checkout with fetch-depth: 0)"),
        Error::NoCommit { .. } => wrong().hint(
            "fetch it first: git fetch origin BRANCH, then --against git:origin/BRANCH (in a GitHub workflow: \
             actions/checkout with fetch-depth: 0)",
        ),
        Error::NoGit(_) => wrong().hint("install git, or use `--against DIR` or `--against registry`"),
        Error::Git { said } => Failure { causes: vec![said.clone()], ..wrong() }
            .hint("run it inside the repository, or use `--against DIR` or `--against registry`"),
        Error::Unreadable { .. }
        | Error::NotFound { .. }
        | Error::Written { .. }
        | Error::OutsideRepository { .. }
        | Error::NoSettings => wrong(),
    }
}

/// `?` on an error of a library gives the failure that it comes to.
macro_rules! failures {
    ($($error:ty => $failure:path,)*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                $failure(&error)
            }
        })*
    };
}

failures! {
    configuration::Error => configuration_failure,
    pipeline_core::registry::Error => registry_failure,
    pipeline_kafka::Error => kafka_failure,
    pipeline_operations::Error => operation_failure,
    pipeline_source::Error => source_failure,
    pipeline_store::Error => store_failure,
    schema_gate::Error => gate_failure,
}

/// Starts logging.
pub fn init_telemetry(settings: &Settings) -> Result<telemetry::Guard, Failure> {
    telemetry::init(&settings.telemetry, env!("CARGO_PKG_NAME")).map_err(|error| {
        Failure::caused(Exit::BadConfiguration, "cannot start logging", &error).code(FaultKind::Unusable.code())
    })
}

//! `sluice doctor`: is everything there, and is it ready? Each failing line says why and what to do.

use clap::Args;
use pipeline_core::{
    contracts,
    kafka::{self, admin::ClusterReport},
    registry::Registry,
    settings::Settings,
};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
};

/// How to answer.
#[derive(Debug, Args)]
#[command(after_help = "Connects to everything that the configuration names and changes nothing.
Exit codes: 0 all ready, 75 something is unreachable, 78 bad configuration, 10 reachable but not ready
(tables, schemas or topics are missing), 100 a registered schema is incompatible.

Examples:
  sluice doctor --config sluice.yaml
  sluice doctor -o json | jq '.checks[] | select(.state != \"ok\")'")]
pub struct DoctorArgs {
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct DoctorReport {
    /// Every check is fine.
    pub healthy: bool,
    /// One entry for each thing that was looked at.
    pub checks: Vec<Check>,
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub state: State,
    /// Where it was looked for, and what was there.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There and ready.
    Ok,
    /// Not configured, and not needed by everybody.
    NotSet,
    /// There, but something is missing.
    NotReady,
    /// Not to be reached.
    Unreachable,
    /// The configuration cannot be used.
    BadConfiguration,
    /// The registry holds something that this program does not go with.
    Incompatible,
    /// Anything else that is wrong.
    Failed,
}

/// Looks at everything.
pub async fn run(session: &Session, args: DoctorArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let (mut checks, broker, registry, target) = tokio::join!(
        check_source(&settings),
        check_broker(&settings),
        check_registry(&settings),
        check_target(session, &settings)
    );
    checks.extend([broker, registry, target]);
    let report = DoctorReport::of(checks);
    output::answer(&report, args.output.output)?;
    Ok(report.exit())
}

async fn check_source(settings: &Settings) -> Vec<Check> {
    if settings.source.url.is_empty() {
        return vec![Check {
            hint: Some("set `source.url` where stages run; starting and watching runs does without".to_owned()),
            ..Check::new("source", State::NotSet, "`source.url` is not set")
        }];
    }
    let name = pipeline_core::redaction::redact_url(&settings.source.url);
    let check = |finding: pipeline_source::Finding| match finding.result {
        Ok(found) => Check { hint: finding.advice, ..Check::new(finding.name, State::Ok, format!("{name}: {found}")) },
        Err(error) => Check::failed(finding.name, &session::source_failure(&error)),
    };
    pipeline_source::examine(&settings.source).await.into_iter().map(check).collect()
}

async fn check_broker(settings: &Settings) -> Check {
    let name = &settings.kafka.bootstrap_servers;
    match kafka::admin::check(&settings.kafka).await {
        Ok(report) => of_cluster(name, &report),
        Err(error) => Check::failed("broker", &session::kafka_failure(&error)),
    }
}

/// A topic that this account may not see is neither there nor missing.
fn of_cluster(name: &str, ClusterReport { brokers, missing_topics, forbidden_topics }: &ClusterReport) -> Check {
    let found = [("topics missing", missing_topics), ("topics that this account may not see", forbidden_topics)];
    let found = found.iter().filter(|(_, topics)| !topics.is_empty());
    let found: Vec<String> = found.map(|(what, topics)| format!("{what}: {}", topics.join(", "))).collect();
    let hint = match (missing_topics.as_slice(), forbidden_topics.as_slice()) {
        ([], []) => {
            return Check::new("broker", State::Ok, format!("{name}: brokers {}, all topics", brokers.join(", ")));
        }
        ([], _) => "give it `Describe` on them, or ask as an account that has it",
        _ => "create them: sluice topics create",
    };
    Check {
        hint: Some(hint.to_owned()),
        ..Check::new("broker", State::NotReady, format!("{name}: {}", found.join("; ")))
    }
}

async fn check_registry(settings: &Settings) -> Check {
    match look_at_registry(settings).await {
        Ok(check) => check,
        Err(error) => Check::failed("registry", &session::registry_failure(&error)),
    }
}

async fn look_at_registry(settings: &Settings) -> Result<Check, pipeline_core::registry::Error> {
    let registry = Registry::new(&settings.schema_registry)?;
    registry.ping().await?;
    let (mut missing, mut incompatible) = (Vec::new(), Vec::new());
    for (topic, schema) in contracts::ALL {
        let subject = settings.kafka.names().subject(topic);
        if registry.lookup(&subject, schema).await?.is_some() {
            continue;
        }
        let compatibility = registry.check_compatible(&subject, schema).await?;
        if compatibility.compatible {
            missing.push(subject);
        } else {
            incompatible.push(format!("{subject} ({})", compatibility.messages.join("; ")));
        }
    }
    let name = registry.url();
    Ok(match (missing.as_slice(), incompatible.as_slice()) {
        ([], []) => Check::new("registry", State::Ok, format!("{name}: all schemas registered")),
        (missing, []) => Check {
            hint: Some("register them: sluice schema register".to_owned()),
            ..Check::new("registry", State::NotReady, format!("{name}: schemas not registered: {}", missing.join(", ")))
        },
        (_, incompatible) => Check {
            hint: Some(
                "this program is older or newer than what is deployed by more than the schemas allow".to_owned(),
            ),
            ..Check::new("registry", State::Incompatible, format!("{name}: {}", incompatible.join(", ")))
        },
    })
}

async fn check_target(session: &Session, settings: &Settings) -> Check {
    let store = match session.store(settings).await {
        Ok(store) => store,
        Err(failure) => return Check::failed("target", &failure),
    };
    let ready = async {
        store.check_migrated().await?;
        store.check_views().await
    };
    match ready.await {
        Ok(()) => {
            let found = format!(
                "{}: tables are up to date, views can be read, {}",
                store.describe(),
                store.describe_row_writes()
            );
            Check::new("target", State::Ok, found)
        }
        Err(error) => Check::failed("target", &session::store_failure(&error)),
    }
}

// === impl Check ===

impl Check {
    fn new(name: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self { name, state, detail: detail.into(), hint: None }
    }

    fn failed(name: &'static str, failure: &Failure) -> Self {
        let state = match failure.exit {
            Exit::Unreachable => State::Unreachable,
            Exit::NotReady => State::NotReady,
            Exit::BadConfiguration => State::BadConfiguration,
            Exit::IncompatibleSchema => State::Incompatible,
            Exit::Ok | Exit::Failed | Exit::Usage | Exit::Rejects => State::Failed,
        };
        Self { name, state, detail: failure.one_line(), hint: failure.hint.clone() }
    }
}

// === impl State ===

impl State {
    /// The exit code that the state asks for. Of several, the first in the order of [`DoctorReport::exit`] wins.
    fn exit(self) -> Exit {
        match self {
            Self::Ok | Self::NotSet => Exit::Ok,
            Self::NotReady => Exit::NotReady,
            Self::Unreachable => Exit::Unreachable,
            Self::BadConfiguration => Exit::BadConfiguration,
            Self::Incompatible => Exit::IncompatibleSchema,
            Self::Failed => Exit::Failed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotSet => "not set",
            Self::NotReady | Self::Unreachable | Self::BadConfiguration | Self::Incompatible | Self::Failed => "FAILED",
        }
    }
}

// === impl DoctorReport ===

impl DoctorReport {
    fn of(checks: Vec<Check>) -> Self {
        Self { healthy: checks.iter().all(|check| check.state.exit() == Exit::Ok), checks }
    }

    /// Something that is away comes first, because what depends on it cannot be judged; then what a person has to
    /// change, then what a command of ours can.
    fn exit(&self) -> Exit {
        let order = [Exit::Unreachable, Exit::BadConfiguration, Exit::IncompatibleSchema, Exit::Failed, Exit::NotReady];
        let found = |exit: &Exit| self.checks.iter().any(|check| check.state.exit() == *exit);
        order.into_iter().find(found).unwrap_or(Exit::Ok)
    }
}

impl Report for DoctorReport {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.checks {
            lines.push(format!("{:<8}  {:<9} {}", check.state.word(), check.name, check.detail));
            lines.extend(check.hint.as_ref().map(|hint| format!("{:<20} -> {hint}", "")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, render};

    fn report(states: &[State]) -> DoctorReport {
        DoctorReport::of(states.iter().map(|state| Check::new("thing", *state, "detail")).collect())
    }

    #[test]
    fn the_exit_code_tells_trying_again_from_setting_up() {
        assert_eq!(report(&[State::Ok, State::NotSet]).exit(), Exit::Ok);
        assert_eq!(report(&[State::Ok, State::NotReady]).exit(), Exit::NotReady);
        assert_eq!(report(&[State::NotReady, State::BadConfiguration]).exit(), Exit::BadConfiguration);
        assert_eq!(report(&[State::NotReady, State::Incompatible]).exit(), Exit::IncompatibleSchema);
        assert_eq!(report(&[State::BadConfiguration, State::Unreachable]).exit(), Exit::Unreachable);
        assert_eq!(report(&[State::Failed, State::NotReady]).exit(), Exit::Failed);
    }

    #[test]
    fn a_topic_that_may_not_be_seen_is_neither_there_nor_missing() {
        let report = |missing: &[&str], forbidden: &[&str]| {
            let owned = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect();
            let report = ClusterReport {
                brokers: vec!["b:1".to_owned()],
                missing_topics: owned(missing),
                forbidden_topics: owned(forbidden),
            };
            let check = of_cluster("b:1", &report);
            (check.state, check.detail, check.hint.unwrap_or_default())
        };
        assert_eq!(report(&[], &[]), (State::Ok, "b:1: brokers b:1, all topics".to_owned(), String::new()));
        let (state, detail, hint) = report(&[], &["t"]);
        assert_eq!((state, detail.as_str()), (State::NotReady, "b:1: topics that this account may not see: t"));
        assert!(hint.contains("`Describe`"), "{hint}");
        let (_, detail, hint) = report(&["a"], &["t"]);
        assert_eq!(detail, "b:1: topics missing: a; topics that this account may not see: t");
        assert!(hint.contains("topics create"), "{hint}");
    }

    #[test]
    fn each_line_says_what_was_found_and_what_to_do() {
        let away = Failure::new(Exit::Unreachable, "could not reach Kafka at `localhost:1`").hint("start it");
        let report = DoctorReport::of(vec![
            Check::new("source", State::Ok, "file:///data: 20 services"),
            Check::failed("broker", &away),
        ]);
        insta::assert_snapshot!(render(&report, Format::Table).unwrap(), @"
        ok        source    file:///data: 20 services
        FAILED    broker    could not reach Kafka at `localhost:1`
                             -> start it
        ");
        insta::assert_snapshot!(render(&report, Format::Json).unwrap(), @r#"
        {
          "healthy": false,
          "checks": [
            {
              "name": "source",
              "state": "ok",
              "detail": "file:///data: 20 services"
            },
            {
              "name": "broker",
              "state": "unreachable",
              "detail": "could not reach Kafka at `localhost:1`",
              "hint": "start it"
            }
          ]
        }
        "#);
    }
}

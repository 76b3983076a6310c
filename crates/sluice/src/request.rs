//! Asking for a run: one message on the first topic, acknowledged before anybody hears that it was sent.

use std::{env, fs, str::FromStr, sync::Arc};

use clap::ValueEnum;
use pipeline_core::{
    registry::{Codec, Registry},
    runtime::header,
};
use pipeline_kafka::{Position, Producer, local::Budget, producer::Outbound};
use pipeline_model::{
    contracts::{Activation, BatchPlanned, Message, RunRequested, ServiceDiscovered, batch_of},
    ids::{RunId, TargetId},
};
use pipeline_settings::settings::Settings;
use pipeline_store::{Run, RunState, Store};
use pipeline_telemetry::TraceContext;
use serde::Serialize;

use crate::{exit::Exit, failure::Failure, session, text};

/// How many of the newest runs are looked at for an open one. At most one is open, and refused ones are newer.
const RECENT: u32 = 100;

/// When readers are switched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Each service as soon as it is complete.
    #[default]
    PerService,
    /// All services in one transaction, when the whole run is complete.
    WholeRun,
}

/// How many rejected providers do not hold the activation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Tolerate {
    /// None: the first one holds it.
    #[default]
    None,
    /// Up to so many.
    Providers(i64),
    /// Up to so many in a hundred planned ones.
    Percent(f64),
}

/// What is asked for; the rest of the message follows from it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who asks; the user and the machine are added.
    pub by: &'static str,
    /// When readers are switched.
    pub mode: Mode,
    /// Services to synchronise; empty means all.
    pub scope: Vec<String>,
    /// Providers in one batch.
    pub batch_size: u32,
    /// Rejects that do not hold the activation.
    pub tolerate: Tolerate,
}

// === impl Wanted ===

impl Wanted {
    /// The message to the root stage of this target, with an id of its own.
    pub fn into_message(self, target: TargetId) -> RunRequested {
        let (max_rejected_providers, max_rejected_percent) = match self.tolerate {
            Tolerate::None => (None, None),
            Tolerate::Providers(number) => (Some(number), None),
            Tolerate::Percent(percent) => (None, Some(percent)),
        };
        RunRequested {
            run_id: RunId::new().to_string(),
            requested_by: format!("{} ({})", who(), self.by),
            requested_at_ms: text::now_ms(),
            activation: match self.mode {
                Mode::PerService => Activation::PerService,
                Mode::WholeRun => Activation::WholeRun,
            },
            scope: self.scope,
            batch_size: i32::try_from(self.batch_size).unwrap_or(i32::MAX),
            max_rejected_providers,
            max_rejected_percent,
            target: Some(target.0),
        }
    }
}

/// Sends the request; gives where it lies then. `budget` belongs to a broker in this process.
///
/// # Errors
/// When the registry lacks the schema or is away, and when the broker does not acknowledge.
pub async fn send(
    settings: &Settings,
    registry: &Registry,
    budget: Option<Arc<Budget>>,
    request: &RunRequested,
) -> Result<Option<Position>, Failure> {
    let outbox = Outbox::prepare(settings, registry, budget).await?;
    outbox.send(vec![outbox.outbound(request)?]).await.map(|mut places| places.pop())
}

/// What it takes to speak to the stages.
pub struct Outbox {
    codec: Codec,
    producer: Producer,
}

// === impl Outbox ===

impl Outbox {
    /// Looks up the schemas of everything that a command may send, and makes a producer. Sends nothing.
    pub async fn prepare(
        settings: &Settings,
        registry: &Registry,
        budget: Option<Arc<Budget>>,
    ) -> Result<Self, Failure> {
        let writes = [
            (RunRequested::TOPIC, RunRequested::SCHEMA),
            (ServiceDiscovered::TOPIC, ServiceDiscovered::SCHEMA),
            (BatchPlanned::TOPIC, BatchPlanned::SCHEMA),
        ];
        Self::prepare_for(settings, registry, budget, &writes).await
    }

    /// The same for messages of these topics only, each with its schema text.
    pub async fn prepare_for(
        settings: &Settings,
        registry: &Registry,
        budget: Option<Arc<Budget>>,
        writes: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let codec = Codec::prepare(registry, &settings.kafka.names(), &[], writes, settings.stage.register_schemas)
            .await
            .map_err(|error| session::registry_failure(&error))?;
        let producer = Producer::at_least_once(&settings.kafka, batch_of, budget)
            .map_err(|error| session::kafka_failure(&error))?;
        Ok(Self { codec, producer })
    }

    /// The message as it goes over the wire, with the trace of its run.
    pub fn outbound<M: Message>(&self, message: &M) -> Result<Outbound, Failure> {
        let payload = self.codec.encode(message).map_err(|error| Failure::classified(&error))?;
        let mut headers = vec![(header::RUN_ID.to_owned(), Some(message.run_id().as_bytes().to_vec()))];
        if let Ok(run_id) = RunId::parse(message.run_id()) {
            let trace = TraceContext::for_run(run_id).to_string();
            headers.push((header::TRACEPARENT.to_owned(), Some(trace.into_bytes())));
        }
        Ok(Outbound {
            topic: M::TOPIC.to_owned(),
            key: Some(message.key().into_bytes()),
            payload: Some(payload),
            headers,
        })
    }

    /// Sends; all messages are acknowledged when it returns without an error. Gives where each of them lies.
    pub async fn send(&self, messages: Vec<Outbound>) -> Result<Vec<Position>, Failure> {
        self.producer.send_all(messages).await.map_err(|error| session::kafka_failure(&error))
    }
}

/// Which target a request is to be meant for.
pub async fn identity(store: &Store) -> Result<TargetId, Failure> {
    store.identity().await.map_err(|error| session::store_failure(&error))
}

/// The run that is open on the target, if any.
pub async fn open_run(store: &Store) -> Result<Option<Run>, Failure> {
    let runs = store.runs(RECENT).await.map_err(|error| session::store_failure(&error))?;
    Ok(runs.into_iter().find(|run| run.state == RunState::Running))
}

/// Refuses when a run is open: the root stage would refuse the request too, but later and where nobody looks.
pub async fn refuse_if_open(store: &Store) -> Result<(), Failure> {
    match open_run(store).await? {
        None => Ok(()),
        Some(run) => Err(Failure::new(
            Exit::Failed,
            format!(
                "run {} is open on `{}` since {} (by {})",
                run.run_id,
                store.describe(),
                text::time(run.started_at_ms),
                run.requested_by
            ),
        )
        .hint(format!("wait for it: sluice run wait {0}; or end it: sluice run abort {0}", run.run_id))),
    }
}

/// Who types: `ada@desk`.
pub fn who() -> String {
    format!("{}@{}", user(), host())
}

/// By the environment, which `sudo` and schedulers set; else by the account, which has a number where it has no name.
fn user() -> String {
    user_of(["USER", "LOGNAME"].into_iter().filter_map(|name| env::var(name).ok()))
}

fn user_of(named: impl Iterator<Item = String>) -> String {
    named
        .chain(nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name))
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| format!("uid {}", nix::unistd::getuid()))
}

fn host() -> String {
    let from_kernel = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    from_kernel.ok().or_else(|| env::var("HOSTNAME").ok()).unwrap_or_else(|| "localhost".to_owned())
}

// === impl Tolerate ===

impl FromStr for Tolerate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("`{text}` is none of: none, a number of providers such as 5, a share such as 1%");
        if text == "none" {
            return Ok(Self::None);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| expected())?;
            return if (0.0..=100.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(expected()) };
        }
        let number: u32 = text.parse().map_err(|_| expected())?;
        Ok(Self::Providers(i64::from(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance_is_none_a_number_or_a_share() {
        assert_eq!("none".parse(), Ok(Tolerate::None));
        assert_eq!("5".parse(), Ok(Tolerate::Providers(5)));
        assert_eq!("0.5%".parse(), Ok(Tolerate::Percent(0.5)));
        for wrong in ["", "-1", "101%", "NaN%", "many", "%"] {
            assert!(wrong.parse::<Tolerate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn whoever_asks_has_a_name_or_a_number() {
        assert_eq!(user_of(["".to_owned(), "ada".to_owned()].into_iter()), "ada");
        let nameless = user_of(std::iter::empty());
        assert!(!nameless.is_empty() && nameless != "unknown", "{nameless}");
    }

    #[test]
    fn a_request_carries_what_was_asked_for() {
        let wanted = Wanted {
            by: "sluice run start",
            mode: Mode::WholeRun,
            scope: vec!["s1".to_owned()],
            batch_size: 20,
            tolerate: Tolerate::Percent(1.0),
        };
        let message = wanted.into_message("t".into());
        assert_eq!((message.activation, message.batch_size), (Activation::WholeRun, 20));
        assert_eq!(message.target.as_deref(), Some("t"));
        assert_eq!((message.max_rejected_providers, message.max_rejected_percent), (None, Some(1.0)));
        assert!(message.requested_by.ends_with("(sluice run start)"), "{}", message.requested_by);
        assert!(RunId::parse(&message.run_id).is_ok());
    }
}

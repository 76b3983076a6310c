//! `sluice doctor`: is everything there, and is it ready? Each failing line says why and what to do.

use clap::Args;
use pipeline_core::registry::Registry;
use pipeline_model::contracts;
use pipeline_settings::settings::Settings;

use self::report::{Check, DoctorReport, State};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs},
    session::{self, Session},
};

mod cluster;
mod disk;
mod report;
mod stages;
mod target;

pub(crate) use self::stages::STAGES;

/// How to answer.
#[derive(Debug, Args)]
#[command(
    after_help = "Connects to everything that the configuration names and changes nothing. It asks with this command's own account: run it
with the settings, and the account, of whom you ask for. `at risk` is what works today; it does not change the exit code.
Exit codes: 0 all ready, 75 something is unreachable, 78 bad configuration, 10 reachable but not ready
(tables, schemas, topics, rights or needed workers are missing), 100 a registered schema is incompatible.

Examples:
  sluice doctor --config sluice.yaml
  sluice doctor -o json | jq '.checks[] | select(.state != \"ok\")'"
)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Looks at everything.
pub async fn run(session: &Session, args: DoctorArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let target = async {
        let store = session.store(&settings).await;
        // What the target knows of open runs says whether a stage without workers is a fault.
        let (checks, is_open) = target::check(&settings, store).await;
        let stages = stages::check(&settings, is_open).await;
        (checks, stages)
    };
    let (mut checks, cluster, registry, (target, stages)) =
        tokio::join!(check_source(&settings), cluster::check(&settings.kafka), check_registry(&settings), target);
    checks.extend(cluster);
    checks.push(registry);
    checks.extend(target);
    // Where no broker answers, that is said once.
    if checks.iter().all(|check| check.name != "broker" || matches!(check.state, State::Ok | State::NotReady)) {
        checks.extend(stages);
    }
    checks.push(disk::check(&settings));
    let report = DoctorReport::of(checks);
    output::answer(&report, args.output)?;
    Ok(report.exit())
}

async fn check_source(settings: &Settings) -> Vec<Check> {
    if settings.source.url.is_empty() {
        return vec![Check {
            hint: Some("set `source.url` where stages run; starting and watching runs needs no source".to_owned()),
            ..Check::new("source", State::NotSet, "`source.url` is not set")
        }];
    }
    let name = pipeline_settings::redaction::redact_url(&settings.source.url);
    let check = |finding: pipeline_source::Finding| match finding.result {
        Ok(found) => Check { hint: finding.advice, ..Check::new(finding.name, State::Ok, format!("{name}: {found}")) },
        Err(error) => Check::failed(finding.name, &session::source_failure(&error)),
    };
    pipeline_source::examine(&settings.source).await.into_iter().map(check).collect()
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

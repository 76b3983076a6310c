//! `sluice generate alerts`: rules for Prometheus, one for each thing that wants a person.
//!
//! Each alert has a page in `docs/runbooks/`: what it means, how to check, what to do. A rule never says a time that
//! people set elsewhere: goals and retention are flags.

use std::time::Duration;

use clap::Args;
use pipeline_telemetry::metrics::{
    ASSIGNED, COMMIT_FAILURES, DEAD_LETTERS, FRESHNESS, LAG, LAG_SECONDS, LETTERS_OPEN, PAUSED, RUN_AGE, RUN_HELD,
    RUN_OPEN, RUN_PENDING, RUN_STANDS_STILL, SPANS_DROPPED, TICK_FAILURES,
};
use serde::Serialize;

use crate::{commands::doctor::STAGES, text};

/// The goals that the rules watch, and where people read on.
#[derive(Clone, Debug, Args)]
pub struct Goals {
    /// Alert when what readers see is older than this, such as `5m` or `26h`
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration, default_value = "26h")]
    pub freshness: Duration,
    /// Alert when a run is open for longer than this
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration, default_value = "30m")]
    pub run: Duration,
    /// How long the topics keep messages: alert when one has waited for four fifths of that
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration, default_value = "7d")]
    pub retention: Duration,
    /// Where the pages of the alerts are published, for the link in each alert
    #[arg(long, value_name = "URL", default_value = "docs/runbooks")]
    pub runbooks: String,
}

/// A file of rules, as Prometheus reads it.
#[derive(Debug, Serialize)]
pub struct Rules {
    groups: [Group; 1],
}

#[derive(Debug, Serialize)]
struct Group {
    name: &'static str,
    rules: Vec<Rule>,
}

/// A rule, as Prometheus reads it.
#[derive(Debug, Serialize)]
struct Rule {
    alert: &'static str,
    expr: String,
    r#for: &'static str,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Debug, Serialize)]
struct Labels {
    severity: &'static str,
}

#[derive(Debug, Serialize)]
struct Annotations {
    summary: &'static str,
    description: &'static str,
    runbook_url: String,
}

/// An alert: when it fires, and what people read first.
struct Alert {
    name: &'static str,
    expr: String,
    r#for: &'static str,
    severity: &'static str,
    summary: &'static str,
    description: &'static str,
}

/// The rules for these goals.
pub fn rules(goals: &Goals) -> Rules {
    let rules = alerts(goals).into_iter().map(|alert| Rule {
        alert: alert.name,
        expr: alert.expr,
        r#for: alert.r#for,
        labels: Labels { severity: alert.severity },
        annotations: Annotations {
            summary: alert.summary,
            description: alert.description,
            runbook_url: format!("{}/{}.md", goals.runbooks.trim_end_matches('/'), alert.name),
        },
    });
    Rules { groups: [Group { name: "sluice", rules: rules.collect() }] }
}

/// Runs are told by every activator: the largest value is the one of who looked last.
fn alerts(goals: &Goals) -> Vec<Alert> {
    let retention = goals.retention.as_secs() / 5 * 4;
    let stages_down = STAGES.map(|(_, stage, _)| format!("absent({ASSIGNED}{{stage=\"{stage}\"}})")).join(" or ");
    vec![
        Alert {
            name: "SluiceRunStandsStill",
            expr: format!("max({RUN_STANDS_STILL}) > 600 and on() max({RUN_HELD}) == 0"),
            r#for: "1m",
            severity: "critical",
            summary: "Nothing of the open run moves",
            description: "Nothing of the open run has been planned, stored or switched for {{ $value | humanizeDuration }}, and no \
                          person is waited for.",
        },
        Alert {
            name: "SluiceRunHeld",
            expr: format!("max by (by) ({RUN_HELD}) == 1"),
            r#for: "1m",
            severity: "critical",
            summary: "The open run waits for a person",
            description: "The open run is held by {{ $labels.by }}: nobody but a person can help it on.",
        },
        Alert {
            name: "SluiceRunOverdue",
            expr: format!("max({RUN_AGE}) > {}", goals.run.as_secs()),
            r#for: "1m",
            severity: "warning",
            summary: "The open run takes longer than it should",
            description: "The run has been open for {{ $value | humanizeDuration }}.",
        },
        Alert {
            name: "SluiceFanInOverdue",
            expr: format!(
                "max({RUN_PENDING}{{part=\"activations\"}}) > 0 and on() max({RUN_PENDING}{{part=\"batches\"}}) == 0 \
                 and on() max({RUN_PENDING}{{part=\"services\"}}) == 0 and on() max({RUN_HELD}) == 0"
            ),
            r#for: "5m",
            severity: "critical",
            summary: "Everything is stored, and readers are not switched",
            description: "{{ $value }} services of the open run are complete and not activated.",
        },
        Alert {
            name: "SluiceLagGrows",
            expr: format!("sum by (consumergroup) ({LAG}) > 0 and deriv(sum by (consumergroup) ({LAG})[10m:1m]) > 0"),
            r#for: "10m",
            severity: "warning",
            summary: "A stage falls behind",
            description: "The group {{ $labels.consumergroup }} has {{ $value }} messages before it, and they become more.",
        },
        Alert {
            name: "SluiceLagNearsRetention",
            expr: format!("max by (consumergroup, topic) ({LAG_SECONDS}) > {retention}"),
            r#for: "1m",
            severity: "critical",
            summary: "Kafka is about to delete messages that nobody has read",
            description: "A message of {{ $labels.topic }} has waited for {{ $value | humanizeDuration }}, more than four fifths of \
                          the time for which the topic keeps it.",
        },
        Alert {
            name: "SluiceDeadLetters",
            expr: format!("max({LETTERS_OPEN}) > 0"),
            r#for: "1m",
            severity: "warning",
            summary: "Dead letters wait for a person",
            description: "{{ $value }} messages could not be handled; each wants to be replayed or discarded.",
        },
        Alert {
            name: "SluiceDependencyAway",
            expr: format!("max by (stage) ({PAUSED}) == 1"),
            r#for: "2m",
            severity: "critical",
            summary: "A stage waits for a dependency",
            description: "The stage {{ $labels.stage }} takes up nothing: what it needs does not answer.",
        },
        Alert {
            name: "SluiceStageDown",
            expr: stages_down,
            r#for: "2m",
            severity: "critical",
            summary: "No process of a stage can be asked",
            description: "Prometheus finds no process of the stage {{ $labels.stage }}.",
        },
        Alert {
            name: "SluiceStageUnassigned",
            expr: format!("sum by (stage) ({ASSIGNED}) == 0"),
            r#for: "2m",
            severity: "critical",
            summary: "A stage holds no partition",
            description: "Processes of the stage {{ $labels.stage }} run, and none of them takes messages.",
        },
        Alert {
            name: "SluiceStale",
            expr: format!("max({FRESHNESS}) > {}", goals.freshness.as_secs()),
            r#for: "1m",
            severity: "warning",
            summary: "Readers see old data",
            description: "What readers see was asked for {{ $value | humanizeDuration }} ago.",
        },
        Alert {
            name: "SluiceSchemaRefused",
            expr: format!(
                "sum by (stage, code) (increase({DEAD_LETTERS}{{code=~\"SLUICE-(MESSAGE|REGISTRY)-.*\"}}[10m])) > 0"
            ),
            r#for: "0m",
            severity: "critical",
            summary: "Messages cannot be read by their schema",
            description: "The stage {{ $labels.stage }} gives messages up with {{ $labels.code }}.",
        },
        Alert {
            name: "SluiceCommitsFail",
            expr: format!("sum by (stage) (increase({COMMIT_FAILURES}[5m])) > 0"),
            r#for: "5m",
            severity: "warning",
            summary: "Kafka does not take commits",
            description: "Commits of the stage {{ $labels.stage }} fail; a crash now repeats more work. Nothing is lost.",
        },
        Alert {
            name: "SluiceTimerFails",
            expr: format!("sum by (stage) (increase({TICK_FAILURES}[5m])) > 0"),
            r#for: "5m",
            severity: "warning",
            summary: "Work that no message triggers fails",
            description: "The timer of the stage {{ $labels.stage }} fails: lost messages are not announced again meanwhile.",
        },
        Alert {
            name: "SluiceNobodyTellsOfRuns",
            expr: format!("absent({RUN_OPEN})"),
            r#for: "5m",
            severity: "warning",
            summary: "Nobody tells how runs are",
            description: "No activator tells of runs, so that no other alert about them can fire.",
        },
        Alert {
            name: "SluiceSpansDropped",
            expr: format!("sum by (reason) (increase({SPANS_DROPPED}[10m])) > 0"),
            r#for: "10m",
            severity: "info",
            summary: "Traces have gaps",
            description: "{{ $value | humanize }} spans were dropped: {{ $labels.reason }}. No stage waits for them.",
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use pipeline_telemetry::metrics::DECLARED;

    use super::*;

    fn goals() -> Goals {
        let day = Duration::from_secs(86_400);
        Goals {
            freshness: day,
            run: Duration::from_secs(1_800),
            retention: 7 * day,
            runbooks: "https://example.com/".to_owned(),
        }
    }

    #[test]
    fn every_alert_has_a_page_and_every_page_an_alert() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
        let pages: BTreeSet<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_stem().is_some_and(|name| name != "README"))
            .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
            .collect();
        let names: BTreeSet<_> = alerts(&goals()).iter().map(|alert| alert.name.to_owned()).collect();
        assert_eq!(pages.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), names);
        for (name, text) in pages {
            for part in ["## What it means", "## How to check", "## What to do"] {
                assert!(text.contains(part), "{name} lacks `{part}`");
            }
        }
    }

    #[test]
    fn rules_name_only_metrics_that_are_declared() {
        for alert in alerts(&goals()) {
            for word in alert.expr.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
                let is_metric = word.starts_with("sluice_") || word.starts_with("kafka_");
                assert!(
                    !is_metric || DECLARED.iter().any(|declared| declared.name == word),
                    "{word} in {}",
                    alert.name
                );
            }
        }
    }

    #[test]
    fn goals_are_in_the_rules() {
        let text = serde_saphyr::to_string(&rules(&goals())).unwrap();
        assert!(
            text.contains("sluice_freshness_seconds) > 86400")
                && text.contains("kafka_consumergroup_lag_seconds) > 483840")
        );
    }
}

//! `sluice generate dashboards`: dashboards for Grafana, made from the declared metrics.

use pipeline_telemetry::metrics::*;
use serde_json::{Value, json};

/// Columns of a dashboard, as Grafana has it.
const COLUMNS: usize = 24;
const HEIGHT: usize = 8;

/// A dashboard: its file's name, and what Grafana reads.
pub struct Dashboard {
    /// The name of its file, without the ending.
    pub name: &'static str,
    title: &'static str,
    /// Whether it shows one stage, to be chosen.
    of_stage: bool,
    panels: Vec<Panel>,
}

struct Panel {
    title: &'static str,
    /// What to look at it for.
    help: &'static str,
    unit: &'static str,
    kind: &'static str,
    queries: Vec<(String, &'static str)>,
}

fn panel(title: &'static str, help: &'static str, unit: &'static str, queries: &[(&str, &'static str)]) -> Panel {
    let queries = queries.iter().map(|(query, legend)| ((*query).to_owned(), *legend)).collect();
    Panel { title, help, unit, kind: "timeseries", queries }
}

fn number(title: &'static str, help: &'static str, unit: &'static str, query: &str) -> Panel {
    Panel { kind: "stat", ..panel(title, help, unit, &[(query, "")]) }
}

/// A quantile of a histogram by a label.
fn quantile(of: &str, quantile: &str, filter: &str, by: &str) -> String {
    let by = if by.is_empty() { "le".to_owned() } else { format!("le, {by}") };
    format!("histogram_quantile({quantile}, sum by ({by}) (rate({of}_bucket{filter}[5m])))")
}

/// All dashboards.
pub fn all() -> Vec<Dashboard> {
    let handled = |filter: &str| format!("sum by (stage) (rate({HANDLED}{{outcome=\"ok\"{filter}}}[1m]))");
    let ones = "{stage=\"$stage\"}";
    vec![
        Dashboard {
            name: "sluice-overview",
            title: "Sluice: overview",
            of_stage: false,
            panels: vec![
                number("Freshness", "How old what readers see is.", "s", &format!("max({FRESHNESS})")),
                number("Run open", "1 while a run is open.", "none", &format!("max({RUN_OPEN})")),
                number("Held", "How many things hold the open run.", "none", &format!("sum(max by (by) ({RUN_HELD}))")),
                number("Dead letters", "Messages that wait for a person.", "none", &format!("max({LETTERS_OPEN})")),
                panel(
                    "Lag",
                    "Messages that each stage has before it.",
                    "none",
                    &[(&format!("sum by (consumergroup) ({LAG})"), "{{consumergroup}}")],
                ),
                panel(
                    "Lag in seconds",
                    "Age of the oldest message that waits.",
                    "s",
                    &[(&format!("max by (consumergroup) ({LAG_SECONDS})"), "{{consumergroup}}")],
                ),
                panel(
                    "Messages handled",
                    "Per second; the stage that is slowest in front of a growing lag is the bottleneck.",
                    "ops",
                    &[(&handled(""), "{{stage}}")],
                ),
                panel(
                    "Stages that wait",
                    "1 while a dependency of the stage is away.",
                    "none",
                    &[(&format!("max by (stage) ({PAUSED})"), "{{stage}}")],
                ),
            ],
        },
        Dashboard {
            name: "sluice-stage",
            title: "Sluice: one stage",
            of_stage: true,
            panels: vec![
                number("Partitions held", "Over all its processes.", "none", &format!("sum({ASSIGNED}{ones})")),
                number("In flight", "Begun and not finished.", "none", &format!("sum({IN_FLIGHT}{ones})")),
                number("Waits for a dependency", "1 while it does.", "none", &format!("max({PAUSED}{ones})")),
                panel(
                    "Answers",
                    "By outcome; retries are counted at each attempt.",
                    "ops",
                    &[(&format!("sum by (outcome) (rate({HANDLED}{ones}[1m]))"), "{{outcome}}")],
                ),
                panel(
                    "Time of a message",
                    "Half and 99 of 100 take less.",
                    "s",
                    &[
                        (&quantile(HANDLE_DURATION, "0.5", ones, ""), "p50"),
                        (&quantile(HANDLE_DURATION, "0.99", ones, ""), "p99"),
                    ],
                ),
                panel(
                    "Consumed",
                    "Taken from its topics, redelivered ones included.",
                    "ops",
                    &[(&format!("sum(rate({CONSUMED}{ones}[1m]))"), "consumed")],
                ),
                panel(
                    "Committed",
                    "Stands still while messages are consumed: something blocks a partition.",
                    "ops",
                    &[(&format!("sum(rate({COMMITTED}{ones}[1m]))"), "committed")],
                ),
            ],
        },
        Dashboard {
            name: "sluice-run",
            title: "Sluice: a run's life",
            of_stage: false,
            panels: vec![
                panel(
                    "What is pending",
                    "Services to plan, batches to store, services to switch.",
                    "none",
                    &[(&format!("max by (part) ({RUN_PENDING})"), "{{part}}")],
                ),
                panel(
                    "Age and standstill",
                    "How long the run is open, and how long nothing of it moves.",
                    "s",
                    &[(&format!("max({RUN_AGE})"), "age"), (&format!("max({RUN_STANDS_STILL})"), "stands still")],
                ),
                panel(
                    "Providers",
                    "By what became of them.",
                    "ops",
                    &[(&format!("sum by (outcome) (rate({PROVIDERS}[1m]))"), "{{outcome}}")],
                ),
                panel(
                    "Rows written",
                    "Bundles and subscription fields.",
                    "ops",
                    &[(&format!("sum by (path) (rate({ROWS_WRITTEN}[1m]))"), "{{path}}")],
                ),
                panel(
                    "Activation",
                    "Time of a switch of readers.",
                    "s",
                    &[(&quantile(ACTIVATION_DURATION, "0.99", "", ""), "p99")],
                ),
                panel(
                    "Request to activation",
                    "From the request of a run to the switch of its services.",
                    "s",
                    &[(&quantile(END_TO_END, "0.5", "", ""), "p50"), (&quantile(END_TO_END, "0.99", "", ""), "p99")],
                ),
                panel(
                    "Generation",
                    "The newest that readers see.",
                    "none",
                    &[(&format!("max({GENERATION})"), "generation")],
                ),
            ],
        },
        Dashboard {
            name: "sluice-dead-letters",
            title: "Sluice: dead letters",
            of_stage: false,
            panels: vec![
                number("Open", "Neither replayed nor discarded.", "none", &format!("max({LETTERS_OPEN})")),
                panel(
                    "Held by",
                    "What the open run waits for people for.",
                    "none",
                    &[(&format!("max by (by) ({RUN_HELD})"), "{{by}}")],
                ),
                panel(
                    "Failed attempts",
                    "By stage and outcome; rejects become letters at once.",
                    "ops",
                    &[(
                        &format!("sum by (stage, outcome) (rate({HANDLED}{{outcome!=\"ok\"}}[5m]))"),
                        "{{stage}} {{outcome}}",
                    )],
                ),
            ],
        },
        Dashboard {
            name: "sluice-dependencies",
            title: "Sluice: brokers, database, source",
            of_stage: false,
            panels: vec![
                panel(
                    "Transactions",
                    "99 of 100 take less, by what they are for.",
                    "s",
                    &[(&quantile(DATABASE_DURATION, "0.99", "", "operation"), "{{operation}}")],
                ),
                panel(
                    "Connections in use",
                    "To the target, over all processes.",
                    "none",
                    &[(&format!("sum({DATABASE_CONNECTIONS})"), "in use")],
                ),
                panel(
                    "Calls to the source",
                    "99 of 100 take less.",
                    "s",
                    &[(&quantile(SOURCE_DURATION, "0.99", "", "operation"), "{{operation}}")],
                ),
                panel(
                    "Lag by partition",
                    "A partition that is hotter than the others bounds the end of a run.",
                    "none",
                    &[(&format!("topk(10, sum by (topic, partition) ({LAG}))"), "{{topic}} {{partition}}")],
                ),
                panel(
                    "Builds",
                    "Versions that run now.",
                    "none",
                    &[(&format!("count by (version, revision) ({BUILD_INFO})"), "{{version}} {{revision}}")],
                ),
            ],
        },
    ]
}

// === impl Dashboard ===

impl Dashboard {
    /// What Grafana imports.
    pub fn document(&self) -> Value {
        let mut variables = vec![json!({
            "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}
        })];
        if self.of_stage {
            variables.push(json!({
                "name": "stage", "label": "Stage", "type": "query", "datasource": source(), "refresh": 2,
                "query": {"query": format!("label_values({ASSIGNED}, stage)"), "refId": "stage"}
            }));
        }
        json!({
            "uid": self.name, "title": self.title, "tags": ["sluice"], "schemaVersion": 39, "editable": true,
            "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
            "templating": {"list": variables}, "panels": self.panels()
        })
    }

    /// Panels one after the other, as many in a row as fit.
    fn panels(&self) -> Vec<Value> {
        let (mut x, mut y) = (0, 0);
        let mut panels = Vec::new();
        for (panel, id) in self.panels.iter().zip(1..) {
            let width = if panel.kind == "stat" { COLUMNS / 4 } else { COLUMNS / 2 };
            if x + width > COLUMNS {
                (x, y) = (0, y + HEIGHT);
            }
            panels.push(panel.document(id, [x, y, width]));
            x += width;
        }
        panels
    }
}

impl Panel {
    fn document(&self, id: i32, [x, y, width]: [usize; 3]) -> Value {
        let targets = self.queries.iter().zip('A'..).map(|((query, legend), letter)| {
            json!({"refId": letter.to_string(), "datasource": source(), "expr": query, "legendFormat": legend})
        });
        json!({
            "id": id, "type": self.kind, "title": self.title, "description": self.help, "datasource": source(),
            "gridPos": {"x": x, "y": y, "w": width, "h": HEIGHT},
            "fieldConfig": {"defaults": {"unit": self.unit}, "overrides": []},
            "targets": targets.collect::<Vec<_>>()
        })
    }
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn dashboards_show_declared_metrics_and_panels_do_not_overlap() {
        for dashboard in all() {
            let document = dashboard.document();
            let panels = document["panels"].as_array().unwrap();
            let mut places = BTreeSet::new();
            for panel in panels {
                let grid = &panel["gridPos"];
                for column in grid["x"].as_u64().unwrap()..grid["x"].as_u64().unwrap() + grid["w"].as_u64().unwrap() {
                    assert!(column < COLUMNS as u64 && places.insert((column, grid["y"].as_u64().unwrap())), "{panel}");
                }
                for target in panel["targets"].as_array().unwrap() {
                    let query = target["expr"].as_str().unwrap();
                    for word in query.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
                        let name = word.trim_end_matches("_bucket");
                        let is_metric = word.starts_with("sluice_") || word.starts_with("kafka_");
                        assert!(!is_metric || DECLARED.iter().any(|declared| declared.name == name), "{word}");
                    }
                }
            }
        }
    }
}

//! Jaeger, in memory: takes spans by OTLP and gives traces by its API.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    http, janitor, ports,
    server::{Running, START_DEADLINE, start_with_retry},
    stack,
};

/// How long the last spans of a run may take: exporters send every five seconds.
const ARRIVAL: Duration = Duration::from_secs(60);

/// A running Jaeger.
pub struct Jaeger {
    otlp: u16,
    query: u16,
    _running: Running,
}

/// A span, as Jaeger gives it.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its id.
    pub id: String,
    /// The span above it, if there is one.
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// The process that it is of, such as `stage-bundles`.
    pub service: String,
    /// The spans that it is linked to.
    pub links: Vec<String>,
    /// Microseconds since 1970-01-01 UTC.
    pub start: u64,
    /// Microseconds.
    pub duration: u64,
    tags: Vec<(String, Value)>,
}

// === impl Jaeger ===

impl Jaeger {
    /// Starts one of one's own, empty.
    pub fn start() -> Self {
        start_with_retry(Self::try_start)
    }

    /// Where spans are sent, by OTLP over HTTP.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.otlp)
    }

    /// The trace of a run, as soon as it is `complete`.
    pub fn trace(&self, run_id: &str, complete: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let path = format!("/api/traces/{}", run_id.replace('-', ""));
        let begun = Instant::now();
        loop {
            let answer = http::get(&format!("127.0.0.1:{}", self.query), &path).ok();
            let answer = answer.and_then(|answer| serde_json::from_str(&answer.body).ok());
            let found = answer.as_ref().map(spans).unwrap_or_default();
            if complete(&found) {
                return found;
            }
            assert!(begun.elapsed() < ARRIVAL, "the trace of run {run_id} is not complete:\n{}", drawn(&found));
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn try_start() -> Result<Self, String> {
        let folder = janitor::new_folder("jaeger");
        let (otlp, query, grpc, health) = (ports::free(), ports::free(), ports::free(), ports::free());
        let settings = folder.join("jaeger.yaml");
        let text = format!(
            "service:\n  extensions: [jaeger_storage, jaeger_query, healthcheckv2]\n  pipelines:\n    traces: {{receivers: [otlp], \
             processors: [batch], exporters: [jaeger_storage_exporter]}}\n  telemetry: {{logs: {{level: warn}}, metrics: {{level: none}}}}\n\
             extensions:\n  healthcheckv2: {{use_v2: true, http: {{endpoint: \"127.0.0.1:{health}\"}}}}\n  jaeger_query:\n    \
             storage: {{traces: mem}}\n    http: {{endpoint: \"127.0.0.1:{query}\"}}\n    grpc: {{endpoint: \"127.0.0.1:{grpc}\"}}\n  \
             jaeger_storage: {{backends: {{mem: {{memory: {{max_traces: 10000}}}}}}}}\n\
             receivers: {{otlp: {{protocols: {{http: {{endpoint: \"127.0.0.1:{otlp}\"}}}}}}}}\n\
             processors: {{batch: {{timeout: 200ms}}}}\nexporters: {{jaeger_storage_exporter: {{trace_storage: mem}}}}\n"
        );
        fs::write(&settings, text).map_err(|error| error.to_string())?;
        let mut command = Command::new(program(&stack::jaeger())?);
        command.arg("--config").arg(&settings).env("OTEL_TRACES_SAMPLER", "always_off");
        let mut running = Running::start("jaeger", &folder, &mut command);
        let address = format!("127.0.0.1:{health}");
        running.wait_ready(START_DEADLINE, || http::get(&address, "/status").is_ok_and(|it| it.status == 200))?;
        Ok(Self { otlp, query, _running: running })
    }
}

fn program(path: &Path) -> Result<&Path, String> {
    path.exists().then_some(path).ok_or_else(|| format!("no `{}`: `cargo xtask observe` builds it", path.display()))
}

// === impl Span ===

impl Span {
    /// An attribute as text; empty when it is not there.
    pub fn tag(&self, name: &str) -> String {
        let value = self.tags.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        value.map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        self.tag("error") == "true"
    }
}

/// The spans of a trace as a tree, for a person who looks at a failed test.
pub fn drawn(spans: &[Span]) -> String {
    fn below(spans: &[Span], parent: Option<&str>, depth: usize, text: &mut String) {
        let mut children: Vec<_> = spans.iter().filter(|span| span.parent.as_deref() == parent).collect();
        children.sort_by_key(|span| span.start);
        for span in children {
            text.push_str(&format!("{}{} ({}, {} us)\n", "  ".repeat(depth), span.name, span.service, span.duration));
            below(spans, Some(&span.id), depth + 1, text);
        }
    }
    let mut text = String::new();
    below(spans, None, 0, &mut text);
    text
}

#[expect(clippy::indexing_slicing, reason = "what is not in a JSON value is null")]
fn spans(answer: &Value) -> Vec<Span> {
    let trace = &answer["data"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spans = trace["spans"].as_array().into_iter().flatten();
    spans
        .map(|span| {
            let references = || span["references"].as_array().into_iter().flatten();
            let of = |kind: &str| {
                let kind = references().filter(|it| it["refType"] == kind);
                kind.map(|it| text(&it["spanID"])).collect::<Vec<_>>()
            };
            let tags = span["tags"].as_array().into_iter().flatten();
            Span {
                id: text(&span["spanID"]),
                parent: of("CHILD_OF").into_iter().next(),
                name: text(&span["operationName"]),
                service: text(&trace["processes"][text(&span["processID"])]["serviceName"]),
                links: of("FOLLOWS_FROM"),
                start: span["startTime"].as_u64().unwrap_or_default(),
                duration: span["duration"].as_u64().unwrap_or_default(),
                tags: tags.map(|tag| (text(&tag["key"]), tag["value"].clone())).collect(),
            }
        })
        .collect()
}

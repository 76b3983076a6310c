//! Who may depend on whom.
//!
//! | crate | stands on |
//! |---|---|
//! | model, schema | nothing |
//! | settings, compare | model |
//! | telemetry, kafka | model, settings |
//! | core | model, schema, settings, telemetry, kafka |
//! | source | model, settings, telemetry |
//! | store | the same, and compare |
//! | `stage-*`, `sink-*` | core, source, store, and what is below but for kafka |
//! | operations | core, source, store, compare, and what is below |
//! | schema-gate | core, kafka, and what is below |
//! | sluice, console | everything |
//!
//! Two deployables share a schema and nothing else, so none depends on another. What people do is no business of theirs,
//! so none depends on operations. A sink brings the driver of its own store. Who needs an id or a table links no client
//! of Kafka. Each large library has one crate that knows it, so that it can be replaced, and its quirks are written down
//! once.

use super::{
    metadata::{self, Member},
    verdict,
};
use crate::failure::Outcome;

const MODEL: &str = "pipeline-model";
const SCHEMA: &str = "pipeline-schema";
const COMPARE: &str = "pipeline-compare";
const SETTINGS: &str = "pipeline-settings";
const TELEMETRY: &str = "pipeline-telemetry";
const KAFKA: &str = "pipeline-kafka";
const CORE: &str = "pipeline-core";
const SOURCE: &str = "pipeline-source";
const STORE: &str = "pipeline-store";
const OPERATIONS: &str = "pipeline-operations";
const GATE: &str = "schema-gate";
const TESTKIT: &str = "testkit";
/// Measures Sluice against bare loops over the same libraries.
const BENCH: &str = "bench";

/// Holds the example of a sink.
const CONTRACT: &str = "contract";

const SINK: &str = "sink-";

/// What a deployable does not do by hand: an event writes its line and its metric together.
const LOGGING: [&str; 3] = ["metrics", "opentelemetry", "tracing"];

/// What nothing else stands on.
const TOP: [&str; 3] = ["sluice", "console", "xtask"];

/// Libraries that only some crates may name.
const GUARDED: [(&str, &[&str]); 5] = [
    ("rdkafka", &[KAFKA, BENCH]),
    ("axum", &[CORE, "console"]),
    ("couchbase", &[SOURCE, TESTKIT]),
    ("sqlx", &[STORE, BENCH, CONTRACT]),
    ("mysql_async", &[STORE]),
];

/// Checks this workspace.
pub fn check() -> Outcome {
    verdict(&violations(&metadata::members()?))
}

/// What breaks the rules, one sentence each.
fn violations(members: &[Member]) -> Vec<String> {
    let is_member = |name: &str| members.iter().any(|member| member.name == name);
    let mut found = Vec::new();
    for member in members {
        for dependency in &member.dependencies {
            let (from, to) = (member.name.as_str(), dependency.name.as_str());
            if is_member(to) && !may_depend(member, to, dependency.development) {
                found.push(format!("`{from}` must not depend on `{to}`"));
            }
            if is_deployable(from) && LOGGING.contains(&to) && !dependency.development {
                found.push(format!("`{from}` must not name `{to}`: its events are functions of `{TELEMETRY}`"));
            }
            // A test may play a server.
            let owners = owners_of(to).filter(|owners| !owners.contains(&from) && !dependency.development);
            // A sink has a store of its own.
            if let Some(owners) = owners.filter(|owners| !(from.starts_with(SINK) && owners.contains(&STORE))) {
                found.push(format!("`{from}` must not name `{to}`: only {} may", owners.join(", ")));
            }
        }
    }
    found
}

/// A stage or a sink.
fn is_deployable(name: &str) -> bool {
    name.starts_with("stage-") || name.starts_with(SINK)
}

fn may_depend(member: &Member, to: &str, development: bool) -> bool {
    if to == TESTKIT {
        return member.is_test || development;
    }
    if member.is_test {
        return true;
    }
    match member.name.as_str() {
        SETTINGS | COMPARE => to == MODEL,
        TELEMETRY => [MODEL, SETTINGS].contains(&to),
        KAFKA => [MODEL, SETTINGS].contains(&to),
        CORE => [MODEL, SCHEMA, SETTINGS, TELEMETRY, KAFKA].contains(&to),
        SOURCE => [MODEL, SETTINGS, TELEMETRY].contains(&to),
        STORE => [MODEL, SETTINGS, TELEMETRY, COMPARE].contains(&to),
        GATE => [MODEL, SCHEMA, SETTINGS, KAFKA, CORE].contains(&to),
        OPERATIONS => [MODEL, SETTINGS, TELEMETRY, KAFKA, CORE, SOURCE, STORE, COMPARE].contains(&to),
        name if is_deployable(name) => [MODEL, SETTINGS, TELEMETRY, CORE, SOURCE, STORE].contains(&to),
        "sluice" | "console" => !TOP.contains(&to),
        // pipeline-model, pipeline-schema, testkit, xtask, and every crate that has no place here yet.
        _ => false,
    }
}

/// The crates that may name a guarded library, or one of its parts such as `sqlx-mysql`.
fn owners_of(name: &str) -> Option<&'static [&'static str]> {
    let is_part =
        |library: &str| name == library || name.strip_prefix(library).is_some_and(|rest| rest.starts_with('-'));
    GUARDED.iter().find(|(library, _)| is_part(library)).map(|(_, owners)| *owners)
}

#[cfg(test)]
mod tests;

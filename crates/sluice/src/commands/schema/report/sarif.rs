//! SARIF 2.1.0 (OASIS), as far as code scanning reads it. Waived findings are suppressed results.

use pipeline_schema::{RULES, Severity};
use serde::Serialize;

use schema_gate::{
    rules::OTHER_RULES,
    verdict::{Entry, Verdict},
};

#[derive(Serialize)]
pub(super) struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<ResultEntry>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<RuleEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleEntry {
    id: &'static str,
    short_description: Text,
    help: Text,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultEntry {
    rule_id: &'static str,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

pub(super) fn log(verdict: &Verdict) -> Log {
    let rule = |id, summary: &str, advice: &str| RuleEntry {
        id,
        short_description: Text { text: summary.to_owned() },
        help: Text { text: advice.to_owned() },
    };
    let rules = RULES.into_iter().map(|it| rule(it.id(), it.summary(), it.advice()));
    let rules =
        rules.chain(OTHER_RULES.into_iter().map(|(id, summary)| rule(id, summary, "see `sluice schema check --help`")));
    let driver = Driver { name: "sluice", version: env!("CARGO_PKG_VERSION"), rules: rules.collect() };
    let results = verdict.entries.iter().map(result).collect();
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results }],
    }
}

fn result(entry: &Entry) -> ResultEntry {
    let Entry { rule, file, line, column, end_column, path, message, advice, .. } = entry;
    let consequence = entry.consequence();
    let breaks = if consequence.is_empty() { String::new() } else { format!(" Breaks: {consequence}.") };
    let waived = entry.waived.iter();
    ResultEntry {
        rule_id: rule,
        level: if entry.severity == Severity::Error { "error" } else { "warning" },
        message: Text { text: format!("{message}.{breaks} Safe: {advice}.") },
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: uri(file) },
                region: Region { start_line: *line, start_column: *column, end_column: *end_column },
            },
            logical_locations: Some(path)
                .filter(|path| !path.is_empty())
                .map(|path| LogicalLocation { fully_qualified_name: path.clone() })
                .into_iter()
                .collect(),
        }],
        suppressions: waived
            .map(|reason| Suppression { kind: "external", status: "accepted", justification: reason.clone() })
            .collect(),
    }
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.replace('\\', "/").trim_start_matches("./").bytes().map(escaped).collect()
}

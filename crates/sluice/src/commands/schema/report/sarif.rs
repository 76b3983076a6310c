//! SARIF 2.1.0 (OASIS), as far as code scanning reads it. Waived findings are suppressed results.

use pipeline_schema::{RULES, Severity};
use schema_gate::{
    rules::OTHER_RULES,
    verdict::{Entry, Verdict},
};
use serde_json::{Value, json};

pub(super) fn log(verdict: &Verdict) -> Value {
    let rule = |id: &str, summary: &str, advice: &str| json!({ "id": id, "shortDescription": { "text": summary }, "help": { "text": advice } });
    let rules = RULES.iter().map(|it| rule(it.id(), it.summary(), it.advice()));
    let others = OTHER_RULES.into_iter().map(|(id, summary)| rule(id, summary, "see `sluice schema check --help`"));
    let rules: Vec<Value> = rules.chain(others).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "sluice", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": verdict.entries.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

#[expect(clippy::indexing_slicing, reason = "a name that an object does not have is added to it")]
fn result(entry: &Entry) -> Value {
    let Entry { rule, file, line, column, end_column, path, message, advice, .. } = entry;
    let consequence = entry.consequence();
    let breaks = if consequence.is_empty() { String::new() } else { format!(" Breaks: {consequence}.") };
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": line, "startColumn": column, "endColumn": end_column },
        },
    });
    if !path.is_empty() {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": path }]);
    }
    let mut result = json!({
        "ruleId": rule,
        "level": if entry.severity == Severity::Error { "error" } else { "warning" },
        "message": { "text": format!("{message}.{breaks} Safe: {advice}.") },
        "locations": [location],
    });
    if let Some(reason) = &entry.waived {
        result["suppressions"] = json!([{ "kind": "external", "status": "accepted", "justification": reason }]);
    }
    result
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.replace('\\', "/").trim_start_matches("./").bytes().map(escaped).collect()
}

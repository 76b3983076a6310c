//! What a request to the query service asks for.

use std::time::Duration;

use serde_json::{Map, Value};

use super::failure::Failure;

/// Parameters that the server knows and the double may ignore.
const IGNORED: [&str; 24] = [
    "client_context_id",
    "compression",
    "controls",
    "durability_level",
    "encoded_plan",
    "encoding",
    "format",
    "kvtimeout",
    "max_parallelism",
    "memory_quota",
    "metrics",
    "namespace",
    "pipeline_batch",
    "pipeline_cap",
    "preserve_expiry",
    "pretty",
    "profile",
    "readonly",
    "scan_cap",
    "scan_wait",
    "signature",
    "use_cbo",
    "use_fts",
    "use_replica",
];

/// A request, checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub statement: Option<String>,
    pub prepared: Option<String>,
    pub auto_execute: bool,
    /// Bucket and scope that names of collections are relative to.
    pub context: Option<(String, String)>,
    pub client_context_id: Option<String>,
    /// With the text that it was given in.
    pub timeout: Option<(Duration, String)>,
    pub arguments: Map<String, Value>,
    /// All that was sent besides arguments.
    pub parameters: Map<String, Value>,
}

// === impl Request ===

impl Request {
    /// Reads a body; refuses what the server would refuse.
    pub fn parse(body: &[u8]) -> Result<Self, Failure> {
        let object: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| Failure::type_mismatch("request", "JSON object"))?;
        let mut request = Self::default();
        for (name, value) in object {
            if name.starts_with('$') {
                request.arguments.insert(name, value);
            } else {
                request.parameter(&name, &value)?;
                request.parameters.insert(name, value);
            }
        }
        if request.statement.is_none() && request.prepared.is_none() {
            return Err(Failure::missing_statement());
        }
        Ok(request)
    }

    fn parameter(&mut self, name: &str, value: &Value) -> Result<(), Failure> {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| Failure::type_mismatch(name, "string"));
        match name {
            "statement" => self.statement = Some(text()?),
            "prepared" => self.prepared = Some(text()?),
            "auto_execute" => self.auto_execute = value.as_bool().unwrap_or_default(),
            "client_context_id" => self.client_context_id = Some(text()?),
            "query_context" => self.context = context(&text()?),
            "timeout" => {
                let text = text()?;
                let duration = duration(&text).ok_or_else(|| Failure::type_mismatch(name, "duration"))?;
                self.timeout = (!duration.is_zero()).then_some((duration, text));
            }
            "scan_consistency" => {
                let known = ["not_bounded", "request_plus", "statement_plus", "at_plus"];
                if !known.contains(&text()?.to_ascii_lowercase().as_str()) {
                    return Err(Failure::type_mismatch(name, "known consistency"));
                }
            }
            "args" => {
                let values = value.as_array().ok_or_else(|| Failure::type_mismatch(name, "list"))?;
                let numbered =
                    values.iter().enumerate().map(|(index, value)| (format!("${}", index + 1), value.clone()));
                self.arguments.extend(numbered);
            }
            "scan_vector" | "scan_vectors" => {}
            _ if IGNORED.contains(&name) => {}
            _ => return Err(Failure::unrecognized_parameter(name)),
        }
        Ok(())
    }
}

/// Bucket and scope of `` default:`bucket`.`scope` ``, with or without namespace and backticks.
fn context(text: &str) -> Option<(String, String)> {
    let path = text.split_once(':').map_or(text, |(_, path)| path);
    let (bucket, scope) = path.rsplit_once('.')?;
    let bare = |name: &str| name.trim_matches('`').to_owned();
    Some((bare(bucket), bare(scope)))
}

/// A duration as Go writes it: `75s`, `1m15s`, `1.5s`, `2500ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
        let (unit, after) = after.split_at_checked(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()))?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("1m15s"), Some(Duration::from_secs(75)));
        assert_eq!(duration("2500ms"), Some(Duration::from_millis(2500)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("soon"), None);
    }

    #[test]
    fn a_context_is_read_with_and_without_quotes_and_namespace() {
        let expected = Some(("a.b".to_owned(), "c".to_owned()));
        assert_eq!(context("default:`a.b`.`c`"), expected);
        assert_eq!(context("a.b.c"), expected);
    }
}

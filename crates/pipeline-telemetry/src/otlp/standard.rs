//! The variables that OpenTelemetry gives everybody. What Sluice's own settings say wins.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/> and `…/configuration/sdk-environment-variables/`.
//! The SDK reads `OTEL_BSP_*`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_EXPORTER_OTLP_HEADERS` by itself.

use std::time::Duration;

/// What the variables say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standard {
    /// Nothing is to be exported.
    pub(super) is_off: bool,
    /// Where spans go, with the path that the protocol has for them.
    pub(super) address: Option<String>,
    /// What the process is called.
    pub(super) service_name: Option<String>,
    /// How long a call to the collector may take.
    pub(super) timeout: Option<Duration>,
}

// === impl Standard ===

impl Standard {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Those of an environment. An empty one counts as not set, as the specification has it.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let says = |name: &str, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        let of_traces = |rest: &str| {
            variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{rest}"))
                .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{rest}")))
        };
        Self {
            is_off: says("OTEL_SDK_DISABLED", "true")
                || says("OTEL_TRACES_EXPORTER", "none")
                || says("OTEL_TRACES_SAMPLER", "always_off"),
            address: variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
                .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| super::address(&base))),
            service_name: variable("OTEL_SERVICE_NAME"),
            timeout: of_traces("TIMEOUT").and_then(|text| text.parse().ok()).map(Duration::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Standard {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Standard::read(|name| pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn the_variables_mean_what_the_specification_says() {
        assert_eq!(read(&[]), Standard::default());
        let base = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"), ("OTEL_SERVICE_NAME", "")]);
        assert_eq!((base.address.as_deref(), base.service_name), (Some("http://c:4318/v1/traces"), None));
        // The endpoint of one signal is taken as it is, and wins.
        let of_traces = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d/spans"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "200"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        assert_eq!(of_traces.address.as_deref(), Some("http://d/spans"));
        assert_eq!(
            (of_traces.timeout, of_traces.service_name.as_deref()),
            (Some(Duration::from_millis(200)), Some("mine"))
        );
        for off in
            [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_SAMPLER", "always_off")]
        {
            assert!(read(&[off]).is_off, "{off:?}");
        }
        assert!(!read(&[("OTEL_TRACES_SAMPLER", "always_on"), ("OTEL_SDK_DISABLED", "no")]).is_off);
    }
}

//! Logs, traces and metrics: one start for the process, and the few functions through which the runtime speaks.
//!
//! | module | holds |
//! |---|---|
//! | [`context`] | the W3C trace context that travels in message headers |
//! | [`coordinates`] | where a message is, for its lines and its span |
//! | [`span`] | the spans of a run: messages, transactions, calls to the source, activations, the run itself |
//! | `sampling` | which batches a trace keeps in any case |
//! | [`metrics`] | every metric, declared once; `docs/telemetry.md` is made from it |
//! | [`events`], [`run_events`], [`process_events`] | one function for each observable event of a stage, a run or a process, which writes log line and metric together |
//! | [`names`] | the names of the conventions, pinned to one version |
//!
//! Logs go to standard error, since standard output belongs to the answers of commands. The log filter decides about
//! logs only: traces and trace contexts are complete at every log level.

use std::{
    fmt,
    io::{self, IsTerminal},
};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt,
    fmt::{
        MakeWriter,
        format::{self, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

#[cfg(feature = "otlp")]
use tracing_subscriber::filter::filter_fn;

use pipeline_settings::{
    printable::printable,
    settings::{LogFormat, Telemetry},
};

pub mod context;
pub mod coordinates;
pub mod crash;
pub mod events;
pub mod metrics;
pub mod names;
#[cfg(feature = "otlp")]
mod otlp;
pub mod process_events;
mod reference;
pub mod run_events;
mod sampling;
pub mod span;

#[cfg(test)]
mod tests;

pub use context::TraceContext;
pub use reference::reference_markdown;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit of this build, when `SLUICE_GIT_SHA` was set for the compiler.
pub const REVISION: &str = match option_env!("SLUICE_GIT_SHA") {
    Some(revision) => revision,
    None => "unknown",
};

/// Whether this build exports spans.
pub const EXPORTS_SPANS: bool = cfg!(feature = "otlp");

/// Why logs and traces could not be set up. Nothing can be logged about it; the caller prints it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Filters are checked with the configuration, so this is for callers that made their settings themselves.
    #[error("`{filter}` is not a log filter")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A process has one place for its logs.
    #[error("logs are set up already")]
    Again(#[source] tracing_subscriber::util::TryInitError),
    /// Spans cannot be exported to this endpoint.
    #[cfg(feature = "otlp")]
    #[error("cannot export traces to `{endpoint}`: {reason}")]
    Exporter {
        /// The endpoint, without credentials.
        endpoint: String,
        /// What is wrong, as text: the error itself holds the endpoint with its credentials.
        reason: String,
    },
}

/// Keeps what is buffered; when it is dropped, the last spans are sent. Hold it until the end of `main`.
#[must_use = "the last spans are sent when it is dropped"]
#[derive(Debug)]
pub struct Guard {
    #[cfg(feature = "otlp")]
    _exporter: Option<otlp::Exporter>,
}

/// Starts logs, and traces when an endpoint is set and this build has the feature `otlp`. Once per process.
///
/// `service_name` is the process's name in traces, such as `sluice-bundles`.
pub fn init(settings: &Telemetry, service_name: &str) -> Result<Guard, Error> {
    let filter = EnvFilter::builder()
        .parse(&settings.log_filter)
        .map_err(|source| Error::Filter { filter: settings.log_filter.clone(), source })?;
    let logs = log_layer(settings.log_format, has_colours(), io::stderr).with_filter(filter);
    #[cfg(feature = "otlp")]
    let logs = logs.with_filter(filter_fn(otlp::is_heard));
    let subscriber = Registry::default().with(logs);

    #[cfg(feature = "otlp")]
    {
        let exporter = otlp::Exporter::new(settings, service_name)?;
        let traces = exporter.as_ref().map(|exporter| exporter.layer().with_filter(otlp::traced()));
        subscriber.with(traces).try_init().map_err(Error::Again)?;
        if let Some(exporter) = &exporter {
            exporter.announce();
        }
        Ok(Guard { _exporter: exporter })
    }
    #[cfg(not(feature = "otlp"))]
    {
        subscriber.try_init().map_err(Error::Again)?;
        if !settings.otlp_endpoint.is_empty() {
            tracing::warn!(
                service_name,
                endpoint = pipeline_settings::redaction::redact_url(&settings.otlp_endpoint),
                "this build cannot export traces; build with the feature `otlp`"
            );
        }
        Ok(Guard {})
    }
}

/// As <https://no-color.org> has it: set and not empty means no colours.
fn has_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}

fn log_layer<S, W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        LogFormat::Human => {
            let fields = format::debug_fn(write_field).delimited(" ");
            layer.fmt_fields(fields).boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// One field for people: the long names of the conventions made short, and what only traces need left out. What comes
/// from outside, such as the text of an error, cannot break the line or steer the terminal.
fn write_field(writer: &mut Writer<'_>, field: &tracing::field::Field, value: &dyn fmt::Debug) -> fmt::Result {
    let name = match field.name() {
        "message" => "",
        names::DESTINATION => "topic=",
        names::PARTITION => "partition=",
        names::OFFSET => "offset=",
        names::RUN_ID => "run=",
        names::STAGE => "stage=",
        names::SERVICE_ID => "service=",
        names::BATCH_NO => "batch=",
        names::LOG_TRACE_ID | names::LOG_SPAN_ID | names::KEPT => return Ok(()),
        other if other.starts_with("messaging.") || other.starts_with("otel.") || other.starts_with("log.") => {
            return Ok(());
        }
        other => {
            write!(writer, "{other}=")?;
            ""
        }
    };
    write!(writer, "{name}{}", printable(&format!("{value:?}")))
}

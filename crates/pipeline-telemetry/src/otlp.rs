//! Sends spans by OTLP over HTTP, in batches, from a thread of the exporter's own.

use std::{thread, time::Duration};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracerProvider, Tracer},
};
use pipeline_settings::{redaction::redact_url, settings::Telemetry};
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::{filter::FilterFn, registry::LookupSpan};

use pipeline_model::chain::Chain;

use super::{Error, TraceContext, VERSION, names};

mod collector;

pub(super) use collector::is_heard;

/// One call to the collector, and the wait for the last one at the end.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where the protocol has traces.
const PATH: &str = "/v1/traces";

/// The exporting side; sends what is left when it is dropped.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
}

// === impl Exporter ===

impl Exporter {
    /// `None` when no endpoint is set.
    pub(super) fn new(settings: &Telemetry, service_name: &str) -> Result<Option<Self>, Error> {
        let endpoint = settings.otlp_endpoint.as_str();
        if endpoint.is_empty() {
            return Ok(None);
        }
        // The client that blocks has a runtime of its own, which is neither made nor dropped within another one.
        let built = thread::scope(|scope| scope.spawn(|| exporter(settings)).join());
        let exporter = built.unwrap_or_else(|_| Err("making it ended early".to_owned()));
        let exporter = exporter.map_err(|reason| Error::Exporter { endpoint: redact_url(endpoint), reason })?;
        let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
        Ok(Some(Self { provider: builder.with_resource(resource(service_name)).build() }))
    }

    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> OpenTelemetryLayer<S, Tracer> {
        layer(&self.provider)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(source) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(error = %Chain(&source), "the last spans could not be sent");
        }
    }
}

/// Puts a span under a context that came from elsewhere. Nothing happens while nothing is exported.
pub(super) fn set_parent(span: &Span, parent: &TraceContext) {
    let (trace_id, span_id) = parent.ids();
    let flags = if parent.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let context = SpanContext::new(TraceId::from(trace_id), SpanId::from(span_id), flags, true, TraceState::default());
    if let Err(source) = span.set_parent(Context::new().with_remote_span_context(context)) {
        tracing::trace!(error = %source, "the span is not exported");
    }
}

/// The context of a span that is exported.
pub(super) fn context_of(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let found = context.span().span_context().clone();
    let trace_id = u128::from_be_bytes(found.trace_id().to_bytes());
    let span_id = u64::from_be_bytes(found.span_id().to_bytes());
    TraceContext::new(trace_id, span_id, found.is_sampled())
}

pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
    provider: &SdkTracerProvider,
) -> OpenTelemetryLayer<S, Tracer> {
    let scope =
        InstrumentationScope::builder("sluice").with_version(VERSION).with_schema_url(names::SCHEMA_URL).build();
    // Places in the code, threads and idle times are the exporter's idea of attributes, not the conventions'.
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer_with_scope(scope))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
}

/// Spans are traced whatever the log filter says. Events are logs, not traces.
pub(super) fn traced() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    FilterFn::new(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO)
}

fn exporter(settings: &Telemetry) -> Result<SpanExporter, String> {
    let address = address(&settings.otlp_endpoint);
    let shown = redact_url(&address);
    SpanExporter::builder()
        .with_http()
        .with_http_client(collector::Collector::new(redact_url(&settings.otlp_endpoint), settings)?)
        .with_endpoint(&address)
        .with_timeout(TIMEOUT)
        .build()
        .map_err(|source| source.to_string().replace(&address, &shown))
}

fn resource(service_name: &str) -> Resource {
    let version = KeyValue::new("service.version", VERSION);
    Resource::builder().with_service_name(service_name.to_owned()).with_attribute(version).build()
}

fn address(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

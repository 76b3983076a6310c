//! Sends spans by OTLP over HTTP, in batches, from a thread of the exporter's own.

use std::{sync::OnceLock, thread, time::Duration};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceState, Tracer as _, TracerProvider,
    },
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SdkTracerProvider, SpanProcessor, Tracer, TracerProviderBuilder},
};
use pipeline_settings::{redaction::redact_url, settings::Telemetry};
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::{filter::FilterFn, registry::LookupSpan};

use pipeline_model::chain::Chain;

use super::{Error, TraceContext, VERSION, names, span::EndedRun};

use ids::Ids;
use keeping::{Budget, Counting, Keeper};
use standard::Standard;

mod collector;
mod ids;
mod keeping;
mod standard;

pub(super) use collector::is_heard;
pub(super) use keeping::Queued;

/// One call to the collector, and the wait for the last one at the end.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where the protocol has traces.
const PATH: &str = "/v1/traces";
/// Spans that wait for the exporter, as the SDK has it.
const QUEUE_SIZE: (&str, usize) = ("OTEL_BSP_MAX_QUEUE_SIZE", 2_048);

/// The exporting side of this process.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The exporting side; sends what is left when it is dropped.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
}

// === impl Exporter ===

impl Exporter {
    /// `None` when no endpoint is set, or the standard variables want no traces.
    pub(super) fn new(settings: &Telemetry, service_name: &str) -> Result<Option<Self>, Error> {
        let standard = Standard::of_process();
        let of_settings = Some(&settings.otlp_endpoint).filter(|endpoint| !endpoint.is_empty());
        let found = of_settings.map(|endpoint| address(endpoint)).or(standard.address).filter(|_| !standard.is_off);
        let Some(endpoint) = found.as_deref() else {
            return Ok(None);
        };
        // The client that blocks has a runtime of its own, which is neither made nor dropped within another one.
        let built = thread::scope(|scope| {
            scope.spawn(|| exporter(endpoint, settings, standard.timeout.unwrap_or(TIMEOUT))).join()
        });
        let exporter = built.unwrap_or_else(|_| Err("making it ended early".to_owned()));
        let exporter = exporter.map_err(|reason| Error::Exporter { endpoint: redact_url(endpoint), reason })?;
        let queued = Queued::up_to(queue_size());
        let counting = Counting { exporter, queued: queued.clone() };
        let batches = BatchSpanProcessor::builder(counting).build();
        let builder = kept(batches, Duration::from_millis(settings.slow_batch_ms.into()), queued);
        let service_name = standard.service_name.as_deref().unwrap_or(service_name);
        Ok(Some(Self { provider: builder.with_resource(resource(service_name)).build() }))
    }

    /// From now on [`export_run`] exports.
    pub(super) fn announce(&self) {
        // A process has one exporter; a second one would be refused with its subscriber.
        PROVIDER.set(self.provider.clone()).unwrap_or_default();
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

/// Spans that are kept, on their way to `next`.
pub(super) fn kept(next: impl SpanProcessor + 'static, slow: Duration, queued: Queued) -> TracerProviderBuilder {
    let budget = Budget::default();
    SdkTracerProvider::builder()
        .with_id_generator(Ids::default())
        .with_sampler(budget.clone())
        .with_span_processor(Keeper::new(next, slow, budget, queued))
}

/// Exports the root of a run's trace, if this process exports.
pub(super) fn export_run(run: &EndedRun) {
    if let Some(provider) = PROVIDER.get() {
        root_span(provider, run);
    }
}

/// Whether this process exports.
pub(super) fn is_exporting() -> bool {
    PROVIDER.get().is_some()
}

pub(super) fn root_span(provider: &SdkTracerProvider, run: &EndedRun) {
    let (start, end) = run.times();
    let mut attributes = vec![
        KeyValue::new(names::RUN_ID, run.run_id.to_string()),
        KeyValue::new(names::RUN_STATE, run.state),
        KeyValue::new(names::RUN_REQUESTED_BY, run.requested_by.clone()),
        KeyValue::new(names::RUN_SERVICES, run.services),
        KeyValue::new(names::RUN_BATCHES, run.batches),
        KeyValue::new(names::RUN_PROVIDERS, run.providers),
        KeyValue::new(names::RUN_REJECTED, run.rejected_providers),
        KeyValue::new(names::KEPT, true),
    ];
    attributes.extend(run.generation.map(|generation| KeyValue::new(names::RUN_GENERATION, generation)));
    let builder =
        SpanBuilder::from_name("run").with_kind(SpanKind::Internal).with_start_time(start).with_attributes(attributes);
    let (trace_id, span_id) = TraceContext::for_run(run.run_id).ids();
    let tracer = tracer(provider);
    let mut span = ids::given(TraceId::from(trace_id), SpanId::from(span_id), || {
        tracer.build_with_context(builder, &Context::new())
    });
    span.set_status(match run.state {
        "activated" => Status::Ok,
        state => Status::error(run.reason.clone().unwrap_or_else(|| state.to_owned())),
    });
    span.end_with_timestamp(end);
}

/// Links a span to others: what it waited for, without being below it.
pub(super) fn link(span: &Span, to: &[TraceContext]) {
    for context in to {
        span.add_link(span_context(context));
    }
}

/// Puts a span under a context that came from elsewhere. Nothing happens while nothing is exported.
pub(super) fn set_parent(span: &Span, parent: &TraceContext) {
    let context = span_context(parent);
    if let Err(source) = span.set_parent(Context::new().with_remote_span_context(context)) {
        tracing::trace!(error = %source, "the span is not exported");
    }
}

fn span_context(of: &TraceContext) -> SpanContext {
    let (trace_id, span_id) = of.ids();
    let flags = if of.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(TraceId::from(trace_id), SpanId::from(span_id), flags, true, TraceState::default())
}

/// The context of a span that is exported, or recorded until it is known whether it is.
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
    // Places in the code, threads and idle times are the exporter's idea of attributes, not the conventions'.
    tracing_opentelemetry::layer()
        .with_tracer(tracer(provider))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
}

fn tracer(provider: &SdkTracerProvider) -> Tracer {
    let scope = InstrumentationScope::builder("sluice").with_version(VERSION).with_schema_url(names::SCHEMA_URL);
    provider.tracer_with_scope(scope.build())
}

/// Spans are traced whatever the log filter says. Events are logs, not traces.
pub(super) fn traced() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    FilterFn::new(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO)
}

fn exporter(address: &str, settings: &Telemetry, timeout: Duration) -> Result<SpanExporter, String> {
    let shown = redact_url(address);
    SpanExporter::builder()
        .with_http()
        .with_http_client(collector::Collector::new(shown.clone(), settings)?)
        .with_endpoint(address)
        .with_timeout(timeout)
        .build()
        .map_err(|source| source.to_string().replace(address, &shown))
}

fn queue_size() -> usize {
    let (variable, default) = QUEUE_SIZE;
    std::env::var(variable).ok().and_then(|size| size.parse().ok()).unwrap_or(default)
}

fn resource(service_name: &str) -> Resource {
    let version = KeyValue::new("service.version", VERSION);
    Resource::builder().with_service_name(service_name.to_owned()).with_attribute(version).build()
}

fn address(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

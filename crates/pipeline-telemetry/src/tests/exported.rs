//! Spans as they are exported.

use std::collections::BTreeSet;

use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use pipeline_model::chain::Chain;
use pipeline_settings::settings;

use super::*;
use crate::span::batch_span;

#[derive(Clone, Debug, Default)]
pub(super) struct InMemory(pub(super) Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for InMemory {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("no panic").extend(batch);
        Ok(())
    }
}

#[test]
fn spans_of_a_run_are_in_the_trace_of_its_id_and_below_each_other() {
    let exporter = InMemory::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    // A log filter must not thin out the traces.
    let quiet = log_layer(LogFormat::Human, false, io::sink)
        .with_filter(EnvFilter::builder().parse("error").expect("a filter"));
    let subscriber = Registry::default().with(quiet).with(otlp::layer(&provider).with_filter(otlp::traced()));
    let run = TraceContext::for_run(RunId::new());
    let second = with_default(subscriber, || {
        let first = consumer_span("providers", &AT, Some(&run));
        let header = first.context.to_string();
        drop(first);
        let parent = TraceContext::parse(&header).expect("our own header");
        let second = consumer_span("bundles", &AT, Some(&parent));
        second.failed("SLUICE-X-001");
        second.about(Some("s"), Some(3));
        second.span.in_scope(|| tracing::error!("an event is a log"));
        let producers = [Some(run), Some(run.with_sampled(false)), Some(run), None];
        batch_span("postgres", &AT, producers.into_iter()).failed("SLUICE-X-001");
        second.context
    });
    let spans = exporter.0.lock().expect("no panic").clone();
    let [first, batch, second_span] = spans.as_slice() else { panic!("{spans:?}") };
    let id = |span: &SpanData| format!("{:032x}", span.span_context.trace_id());
    assert_eq!((id(first), id(second_span)), (run.trace_id(), run.trace_id()));
    assert_eq!(format!("{:016x}", first.parent_span_id), run.span_id());
    assert_eq!(second_span.parent_span_id, first.span_context.span_id());
    assert_eq!(second.span_id(), format!("{:016x}", second_span.span_context.span_id()));

    assert_eq!(second_span.name, "process sluice.sync.batch-planned.v1");
    assert_eq!(second_span.span_kind, opentelemetry::trace::SpanKind::Consumer);
    assert!(matches!(second_span.status, opentelemetry::trace::Status::Error { .. }));
    assert_eq!(second_span.instrumentation_scope.schema_url(), Some(names::SCHEMA_URL));
    assert_eq!(second_span.events.len(), 0);
    // What a message says of itself stands on its own span, what a batch says of itself on the batch's; the rest on both.
    let attributes = |span: &SpanData| span.attributes.iter().map(|pair| pair.key.to_string()).collect::<BTreeSet<_>>();
    let without = |absent: &[&str]| {
        let names = names::ATTRIBUTES.iter().map(|(name, _)| *name).filter(|name| !absent.contains(name));
        names.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let of_messages = |name: &&str| name.starts_with("messaging.") || [names::ERROR_TYPE, names::STAGE].contains(name);
    let without = |absent: &[&str]| without(absent).into_iter().filter(|name| of_messages(&name.as_str()));
    let with = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let of_message = with(&[names::RUN_ID, names::SERVICE_ID, names::BATCH_NO]);
    assert_eq!(attributes(second_span), without(&[names::BATCH_COUNT]).chain(of_message).collect());
    assert_eq!(attributes(batch), without(&[names::KEY]).collect());
    assert_ne!(id(batch), run.trace_id());
    let linked: Vec<_> = batch.links.iter().map(|link| format!("{:016x}", link.span_context.span_id())).collect();
    assert_eq!(linked, [run.span_id()]);
}

fn at(endpoint: &str) -> settings::Telemetry {
    settings::Telemetry { otlp_endpoint: endpoint.to_owned(), ..settings::Telemetry::default() }
}

/// Inside a runtime on purpose: the exporter's own thread and client must not depend on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_is_sent_at_the_end() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&received);
    let receive = move |body: axum::body::Bytes| async move { sink.lock().expect("no panic").extend(body) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}/", listener.local_addr().expect("an address"));
    let routes = axum::Router::new().route("/v1/traces", axum::routing::post(receive));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });

    let exporter = otlp::Exporter::new(&at(&endpoint), "sluice-test").expect("an exporter").expect("an endpoint");
    with_default(Registry::default().with(exporter.layer()), || {
        drop(consumer_span("bundles", &AT, None));
    });
    tokio::task::spawn_blocking(move || drop(exporter)).await.expect("no panic");
    let text = String::from_utf8_lossy(&received.lock().expect("no panic")).into_owned();
    for part in ["service.name", "sluice-test", "process sluice.sync.batch-planned.v1", names::SCHEMA_URL] {
        assert!(text.contains(part), "{part} is not in what was sent");
    }
    server.abort();
}

#[test]
fn an_endpoint_that_is_no_address_is_an_error_without_its_password() {
    let error = otlp::Exporter::new(&at("http://user:canary@ho st"), "sluice-test").expect_err("not an address");
    assert!(!format!("{}", Chain(&error)).contains("canary"), "{error}");
}

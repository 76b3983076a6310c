use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pipeline_model::{
    documents::Level,
    ids::{RunId, ServiceId},
};
use testkit::generated::assert_in_step;
use tracing::subscriber::with_default;

use super::{
    coordinates::Coordinates,
    events::{Attempt, StageEvents},
    metrics::{DECLARED, Kind, Outcome, RowPath},
    run_events::{Activations, HeldBy, OpenRun, RunEvents, Situation, StoredProviders},
    span::{EndedRun, SourceSpan, TransactionSpan, consumer_span},
    *,
};

const AT: Coordinates<'static> = Coordinates {
    topic: "sluice.sync.batch-planned.v1",
    partition: 3,
    offset: 42,
    key: Some("s1/0"),
    group: "sluice-bundles",
    run_id: Some("01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10"),
    trace: None,
};

#[derive(Debug, thiserror::Error)]
#[error("could not store the batch")]
struct Failed(#[source] io::Error);

fn failed(text: &str) -> Failed {
    Failed(io::Error::other(text.to_owned()))
}

fn ended(run_id: RunId, state: &'static str) -> EndedRun {
    EndedRun {
        run_id,
        state,
        reason: (state != "activated").then(|| "somebody said so".to_owned()),
        requested_by: "ada".to_owned(),
        generation: Some(3),
        requested_at_ms: 1_000,
        ended_at_ms: 3_500,
        services: 2,
        batches: 4,
        providers: 40,
        rejected_providers: 1,
    }
}

/// What is heard of a place in the code is remembered for the whole process, while subscribers of several tests come and go.
fn one_subscriber() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a closure logs.
fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
    let _alone = one_subscriber();
    let written = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&written);
    let layer = log_layer(format, false, move || Shared(Arc::clone(&writer)));
    let filter = EnvFilter::builder().parse(filter).expect("a filter");
    with_default(Registry::default().with(layer.with_filter(filter)), log);
    let bytes = written.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("text")
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_trace_context_survives_its_text() {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context = TraceContext::parse(text).expect("an example of the standard");
    assert_eq!(context.to_string(), text);
    assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.span_id(), "00f067aa0ba902b7");
    assert!(context.is_sampled());
    assert!(!TraceContext::parse(&text.replace("-01", "-00")).expect("not sampled").is_sampled());
}

#[test]
fn a_trace_context_is_read_as_strictly_as_the_standard_says() {
    let accepted = [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later",
    ];
    for text in accepted {
        assert!(TraceContext::parse(text).is_ok(), "{text}");
    }
    let refused = [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-001",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bé-01",
    ];
    for text in refused {
        assert_eq!(TraceContext::parse(text), Err(context::InvalidTraceParent), "{text}");
    }
}

#[test]
fn a_run_has_one_trace_and_its_id_is_the_runs() {
    let run = RunId::new();
    let context = TraceContext::for_run(run);
    assert_eq!(context.trace_id(), run.trace_id());
    assert_eq!(context, TraceContext::for_run(run));
    assert!(context.is_sampled());
    let child = context.child();
    assert_eq!(child.trace_id(), run.trace_id());
    assert_ne!(child.span_id(), context.span_id());
    assert!(TraceContext::parse(&child.to_string()).is_ok());

    let nil = RunId::parse("00000000-0000-0000-0000-000000000000").expect("a UUID");
    assert!(TraceContext::parse(&TraceContext::for_run(nil).to_string()).is_ok());
}

#[test]
fn a_message_passes_the_context_on_although_nothing_is_exported() {
    let parent = TraceContext::for_run(RunId::new());
    let opened = consumer_span("bundles", &AT, Some(&parent));
    assert_eq!(opened.context.trace_id(), parent.trace_id());
    assert_ne!(opened.context.span_id(), parent.span_id());
    assert!(TraceContext::parse(&consumer_span("bundles", &AT, None).context.to_string()).is_ok());
}

#[test]
fn the_span_of_a_message_has_the_attributes_of_the_pinned_conventions() {
    let fields = with_default(Registry::default(), || {
        let opened = consumer_span("bundles", &AT, None);
        let metadata = opened.span.metadata().expect("an enabled span");
        metadata.fields().iter().map(|field| field.name()).collect::<Vec<_>>()
    });
    assert_eq!(
        fields,
        [
            "otel.name",
            "otel.kind",
            "otel.status_code",
            "sluice.stage",
            "sluice.run.id",
            "messaging.system",
            "messaging.destination.name",
            "messaging.destination.partition.id",
            "messaging.kafka.offset",
            "messaging.kafka.message.key",
            "messaging.consumer.group.name",
            "messaging.operation.name",
            "messaging.operation.type",
            "sluice.service.id",
            "sluice.batch.no",
            "sluice.attempts",
            "error.type",
        ]
    );
    let documented: Vec<_> = names::ATTRIBUTES.iter().map(|(name, _)| *name).collect();
    assert!(fields.iter().filter(|name| !name.starts_with("otel.")).all(|name| documented.contains(name)));
}

#[test]
fn a_line_for_people_names_the_message_once_and_holds_on_one_line() {
    let text = logged(LogFormat::Human, "info", || {
        let events = StageEvents::new("log-test");
        let opened = consumer_span("log-test", &AT, None);
        opened.span.in_scope(|| {
            events.consumed(&AT);
            events.rejected(&AT, "SLUICE-X-001", &failed("two\nlines \u{1b}[31mred"), Duration::ZERO);
            tracing::info!("from inside");
        });
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let rejected = "WARN pipeline_telemetry::events: rejected stage=\"log-test\" \
                    run=\"01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10\" topic=\"sluice.sync.batch-planned.v1\" partition=3 \
                    offset=42 code=\"SLUICE-X-001\" error=could not store the batch: two\\nlines \\u{1b}[31mred";
    assert!(lines[0].ends_with(rejected), "{}", lines[0]);
    assert!(lines[1].contains("offset=42") && lines[1].ends_with("from inside"), "{}", lines[1]);
    assert!(!text.contains("messaging.") && !text.contains("otel."), "{text}");
}

#[test]
fn a_line_for_machines_is_one_object_with_everything() {
    let run = TraceContext::for_run(RunId::new());
    let text = logged(LogFormat::Json, "warn", || {
        let events = StageEvents::new("json-test");
        events.dead_lettered(&Coordinates { trace: Some(run), ..AT }, "SLUICE-X-001");
    });
    let line: serde_json::Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "put on the dead-letter topic");
    assert_eq!(line["stage"], "json-test");
    assert_eq!(line["offset"], 42);
    assert_eq!(line["run"], AT.run_id.expect("a run"));
    assert_eq!((line["trace_id"].as_str(), line["span_id"].as_str()), (Some(&*run.trace_id()), Some(&*run.span_id())));
}

#[test]
fn each_event_moves_its_metric() {
    let events = StageEvents::new("metric-test");
    let second = Duration::from_secs(1);
    let next = Attempt { number: 2, pause: second };
    events.started("t", "g");
    events.assigned(3);
    events.consumed(&AT);
    events.consumed(&AT);
    events.handled(&AT, second, 1);
    events.rejected(&AT, "SLUICE-X-001", &failed("x"), second);
    events.retrying(&AT, "SLUICE-X-002", &failed("x"), second, next);
    events.gave_up(&AT, "SLUICE-X-002", 5);
    events.dead_lettered(&AT, "SLUICE-X-002");
    events.emitted("sluice.sync.confirmed.v1");
    events.halted(&AT, "SLUICE-X-003", &failed("x"), second);
    events.committed("t", 0, 7, 5);
    events.commit_failed("SLUICE-X-004", &failed("x"), true);
    events.commit_failed("SLUICE-X-004", &failed("x"), false);
    events.tick_failed("SLUICE-X-004", &failed("x"));
    events.behind("metric-group", "t", 2, 7, Duration::from_millis(2_500));
    events.replaced(&AT);
    events.claimed("t", 0, 7);
    events.written(&AT, 4, 11, second);
    events.fenced(&AT, 7);
    events.divided(&AT, 4, "SLUICE-X-003", &failed("x"), second);
    let runs = RunEvents::new();
    runs.held(HeldBy { removals: true, ..HeldBy::default() });
    runs.removed(Level::Bundle, 3);
    runs.written(RowPath::LoadData, 5);
    runs.written(RowPath::Insert, 2);
    runs.announced_again("metric-test", "a run", "sluice.sync.batch-planned.v1", 7);
    let run =
        OpenRun { age_ms: 61_000, still_ms: 1_500, services_pending: 2, batches_pending: 30, activations_pending: 4 };
    runs.situation(&Situation { run: Some(run), letters_open: 3, generation: 12, freshness_ms: Some(90_500) });
    runs.stored(&StoredProviders { written: 5, unchanged: 40, rejected: 1, skipped: 0 });
    runs.ended(&ended(RunId::new(), "aborted"));
    let (run_id, service) = (RunId::new(), ServiceId::from("s"));
    Activations::default().attempt(run_id, &service).activated([(&service, 240_000)].into_iter());
    TransactionSpan::new("mysql", String::new, "metric-test").failed("SLUICE-X-001");
    SourceSpan::new("files", "metric-test", "bundles", None).failed("SLUICE-X-001");
    process_events::connections_in_use(2.0);
    process_events::connections_in_use(-1.0);
    let in_flight = events.begin(1);
    drop(events.begin(1));
    process_events::spans_lost("c", "refused", "x", true);
    process_events::spans_dropped(process_events::Dropped::NotTaken, 6);
    events.unavailable("SLUICE-X-004", &failed("x"), second, second);
    events.paused();
    let waiting = events.waits_alone();
    drop(events.waits_alone());
    events.waiting(&AT, "SLUICE-X-005", &failed("x"), second, second, second);
    events.lost_patience(&AT, "SLUICE-X-005", &failed("x"), second);

    let text = metrics::install().render();
    let expected = [
        "sluice_request_to_activation_seconds_bucket{le=\"300\"} ",
        "sluice_activation_duration_seconds_count ",
        "sluice_messages_consumed_total{stage=\"metric-test\"} 2",
        "sluice_messages_handled_total{stage=\"metric-test\",outcome=\"ok\"} 5",
        "sluice_messages_handled_total{stage=\"metric-test\",outcome=\"reject\"} 2",
        "sluice_messages_handled_total{stage=\"metric-test\",outcome=\"retry\"} 1",
        "sluice_messages_handled_total{stage=\"metric-test\",outcome=\"unavailable\"} 3",
        "sluice_messages_handled_total{stage=\"metric-test\",outcome=\"halt\"} 1",
        "sluice_messages_emitted_total{stage=\"metric-test\",topic=\"sluice.sync.confirmed.v1\"} 1",
        "sluice_dead_letters_total{stage=\"metric-test\",code=\"SLUICE-X-002\"} 1",
        "sluice_handle_duration_seconds_bucket{stage=\"metric-test\",le=\"1\"} 9",
        "sluice_handle_duration_seconds_count{stage=\"metric-test\"} 9",
        "sluice_commit_failures_total{stage=\"metric-test\"} 2",
        "sluice_tick_failures_total{stage=\"metric-test\"} 1",
        "sluice_messages_replaced_total{stage=\"metric-test\"} 1",
        "sluice_fenced_batches_total{stage=\"metric-test\"} 1",
        "sluice_in_flight_messages{stage=\"metric-test\"} 1",
        "sluice_waiting_messages{stage=\"metric-test\"} 1",
        "sluice_committed_offsets_total{stage=\"metric-test\"} 5",
        "sluice_assigned_partitions{stage=\"metric-test\"} 3",
        "kafka_consumergroup_lag{consumergroup=\"metric-group\",topic=\"t\",partition=\"2\"} 7",
        "kafka_consumergroup_lag_seconds{consumergroup=\"metric-group\",topic=\"t\",partition=\"2\"} 2.5",
        "sluice_stage_paused{stage=\"metric-test\"} 1",
        "sluice_run_held{by=\"removals\"} 1",
        "sluice_run_held{by=\"rejects\"} 0",
        "sluice_run_held{by=\"unanswered\"} 0",
        "sluice_messages_announced_again_total{stage=\"metric-test\",topic=\"sluice.sync.batch-planned.v1\"} 7",
        "sluice_rows_removed_total{level=\"bundle\"} 3",
        "sluice_run_open 1",
        "sluice_run_age_seconds 61",
        "sluice_run_stands_still_seconds 1.5",
        "sluice_run_pending{part=\"services\"} 2",
        "sluice_run_pending{part=\"batches\"} 30",
        "sluice_run_pending{part=\"activations\"} 4",
        "sluice_dead_letters_open 3",
        "sluice_generation 12",
        "sluice_freshness_seconds 90.5",
        "sluice_providers_total{outcome=\"unchanged\"} 40",
        "sluice_runs_ended_total{state=\"aborted\"} 1",
        "sluice_database_duration_seconds_count{operation=\"metric-test\"} 1",
        "sluice_database_failures_total{operation=\"metric-test\"} 1",
        "sluice_source_duration_seconds_count{operation=\"metric-test\"} 1",
        "sluice_source_failures_total{operation=\"metric-test\"} 1",
        "sluice_database_connections_in_use 1",
        "sluice_trace_spans_dropped_total{reason=\"not_taken\"} 6",
        "sluice_rows_written_total{path=\"load_data\"} 5",
        "sluice_rows_written_total{path=\"insert\"} 2",
        "sluice_trace_export_failures_total{reason=\"refused\"} 1",
        &format!("sluice_build_info{{version=\"{VERSION}\",revision=\"{REVISION}\"}} 1"),
    ];
    for line in expected {
        let is_found = |found: &str| found == line || (line.ends_with(' ') && found.starts_with(line));
        assert!(text.lines().any(is_found), "{line} is not in\n{text}");
    }
    drop((in_flight, waiting));
    events.available();
    events.stopped(0);
    let text = metrics::install().render();
    for line in [
        "sluice_in_flight_messages{stage=\"metric-test\"} 0",
        "sluice_stage_paused{stage=\"metric-test\"} 0",
        "sluice_waiting_messages{stage=\"metric-test\"} 0",
        "sluice_assigned_partitions{stage=\"metric-test\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for declared in DECLARED {
        assert!(text.contains(&format!("# HELP {} {}", declared.name, declared.help)), "{}", declared.name);
        assert!(text.contains(&format!("# TYPE {} {}", declared.name, declared.kind.as_str())), "{}", declared.name);
    }
}

#[test]
fn every_metric_is_named_as_the_rules_say() {
    for declared in DECLARED {
        // What every exporter of Kafka tells has the name that it has there.
        let is_known = ["sluice_", "kafka_consumergroup_"].iter().any(|prefix| declared.name.starts_with(prefix));
        assert!(is_known, "{}", declared.name);
        assert_eq!(declared.name.ends_with("_total"), declared.kind == Kind::Counter, "{}", declared.name);
        let in_seconds = declared.unit.as_str() == "seconds";
        assert_eq!(declared.name.ends_with("_seconds"), in_seconds, "{}", declared.name);
        assert!(in_seconds || declared.kind != Kind::Histogram, "{}", declared.name);
    }
    for (number, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, number);
    }
}

#[test]
fn the_reference_is_in_step() {
    assert_in_step("docs/telemetry.md", &reference_markdown());
}

#[cfg(feature = "otlp")]
mod exported;
#[cfg(feature = "otlp")]
mod kept;

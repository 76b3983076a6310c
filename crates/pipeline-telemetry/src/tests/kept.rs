//! Which spans are exported, and that none of them is without the one above it.

use std::{collections::HashSet, time::Duration};

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::{SdkTracerProvider, SimpleSpanProcessor, SpanData};
use pipeline_model::ids::ServiceId;

use super::{exported::InMemory, *};
use crate::{otlp::Queued, span::producer_span};

const NEVER: Duration = Duration::from_secs(3_600);

/// What is exported of what `work` does.
fn exported<T>(slow: Duration, queue: usize, work: impl FnOnce(&SdkTracerProvider) -> T) -> (Vec<SpanData>, T) {
    let _alone = one_subscriber();
    let exporter = InMemory::default();
    let next = SimpleSpanProcessor::new(exporter.clone());
    let provider = otlp::kept(next, slow, Queued::up_to(queue)).build();
    let subscriber = Registry::default().with(otlp::layer(&provider).with_filter(otlp::traced()));
    let done = with_default(subscriber, || work(&provider));
    let spans = exporter.0.lock().expect("no panic").clone();
    (spans, done)
}

fn names(spans: &[SpanData]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_ref()).collect()
}

/// Spans that were dropped for this reason.
fn dropped(reason: &str) -> u64 {
    let text = metrics::install().render();
    let line = text.lines().find(|line| line.starts_with(metrics::SPANS_DROPPED) && line.contains(reason));
    line.map_or(0, |line| line.rsplit(' ').next().expect("a value").parse().expect("a count"))
}

/// A message that reads and writes.
fn handle(parent: &TraceContext, fails: bool) -> TraceContext {
    let message = consumer_span("bundles", &AT, Some(parent));
    message.span.in_scope(|| {
        SourceSpan::new("files", "read bundles", "bundles", Some("s")).returned(3);
        let mut transaction = TransactionSpan::new("mysql", || "copy".to_owned(), "store batch");
        let statement = transaction.begin("INSERT INTO sluice_content_bundle (a) VALUES (?)");
        transaction.changed(statement, 7);
        transaction.committed();
    });
    if fails {
        message.failed("SLUICE-TARGET-001");
    }
    message.context
}

fn run() -> (RunId, TraceContext) {
    let run = RunId::new();
    (run, TraceContext::for_run(run))
}

#[test]
fn what_is_sampled_is_exported_with_what_is_below_it() {
    let (_, root) = run();
    let (spans, context) = exported(NEVER, 100, |_| handle(&root, false));
    assert_eq!(names(&spans), ["read bundles", "store batch", "process sluice.sync.batch-planned.v1"]);
    let [read, transaction, message] = spans.as_slice() else { panic!("{spans:?}") };
    for child in [read, transaction] {
        assert_eq!(child.parent_span_id, message.span_context.span_id());
        assert_eq!(child.span_kind, SpanKind::Client);
    }
    assert_eq!(format!("{:016x}", message.span_context.span_id()), context.span_id());
    let of = |name: &str| {
        transaction.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string())
    };
    assert_eq!(of(names::DB_COLLECTION).as_deref(), Some("sluice_content_bundle"));
    assert_eq!(of(names::DB_CHANGED).as_deref(), Some("7"));
    assert_eq!(of(names::DB_COMMITTED).as_deref(), Some("true"));
}

#[test]
fn what_is_not_sampled_is_exported_when_it_fails_or_is_slow_and_what_follows_hangs_where_something_is() {
    let (_, root) = run();
    let above = root.with_sampled(false);
    let (spans, context) = exported(NEVER, 100, |_| handle(&above, false));
    assert_eq!(names(&spans), [""; 0]);
    // Not below a span that nobody will ever see.
    assert_eq!((context.span_id(), context.is_sampled()), (root.span_id(), false));

    let (failed, _) = exported(NEVER, 100, |_| handle(&above, true));
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert!(failed.iter().all(|span| span.span_context.is_sampled()), "an exporter leaves out what is not sampled");
    let (slow, _) = exported(Duration::ZERO, 100, |_| handle(&above, false));
    assert_eq!(slow.len(), 3, "{slow:?}");
}

#[test]
fn a_trace_is_bounded_and_its_root_is_in_it_all_the_same() {
    let (run_id, root) = run();
    let (spans, ()) = exported(Duration::ZERO, 100_000, |provider| {
        for _ in 0..5_000 {
            handle(&root, false);
        }
        for _ in 0..5_000 {
            handle(&root.with_sampled(false), true);
        }
        otlp::root_span(provider, &ended(run_id, "activated"));
    });
    assert!(spans.len() < 2_500, "{} spans", spans.len());
    let ids: HashSet<_> = spans.iter().map(|span| span.span_context.span_id()).collect();
    let orphans = spans.iter().filter(|span| span.name != "run" && !ids.contains(&span.parent_span_id));
    assert_eq!(orphans.count(), 0);
    assert_eq!(spans.last().map(|span| span.name.as_ref()), Some("run"));
}

#[test]
fn spans_that_nobody_takes_are_counted_and_cost_nothing_more() {
    let (_, root) = run();
    let before = dropped("queue_full");
    let (spans, ()) = exported(NEVER, 4, |_| {
        for _ in 0..10 {
            handle(&root, false);
        }
    });
    // The exporter of this test takes what it is given and never says so.
    assert_eq!(spans.len(), 4);
    assert_eq!(dropped("queue_full") - before, 26);
}

#[test]
fn the_root_has_the_ids_that_follow_from_the_run_and_says_how_it_ended() {
    for (state, status) in [("activated", Status::Ok), ("aborted", Status::error("somebody said so"))] {
        let (run_id, root) = run();
        let (spans, ()) = exported(NEVER, 100, |provider| {
            handle(&root, false);
            otlp::root_span(provider, &ended(run_id, state));
        });
        let message = &spans[2];
        let run = &spans[3];
        assert_eq!(message.parent_span_id, run.span_context.span_id());
        assert_eq!(message.span_context.trace_id(), run.span_context.trace_id());
        assert_eq!(format!("{:032x}", run.span_context.trace_id()), run_id.trace_id());
        assert_eq!(run.end_time.duration_since(run.start_time).expect("in order").as_millis(), 2_500);
        assert_eq!(run.status, status);
        assert!(
            run.attributes.iter().any(|pair| pair.key.as_str() == names::RUN_STATE && pair.value.as_str() == state)
        );
    }
}

#[test]
fn an_activation_is_linked_to_what_it_waited_for_and_an_attempt_in_vain_is_no_span() {
    let (run_id, root) = run();
    let service = ServiceId::from("s");
    let (spans, waited_for) = exported(NEVER, 10_000, |_| {
        let activations = Activations::default();
        let mut waited_for = Vec::new();
        for number in 0..200 {
            let parent = if number < 150 { root } else { root.with_sampled(false) };
            let message = consumer_span("activator", &AT, Some(&parent));
            message.span.in_scope(|| activations.confirmed(run_id, &service));
            if number < 150 {
                waited_for.push(message.context.span_id());
            }
            drop(activations.attempt(run_id, &service));
        }
        activations.attempt(run_id, &service).activated([(&service, 7)].into_iter());
        activations.attempt(run_id, &service).activated([(&service, 7)].into_iter());
        waited_for
    });
    let activations: Vec<_> = spans.iter().filter(|span| span.name == "activate").collect();
    let [first, second] = activations.as_slice() else { panic!("{activations:?}") };
    assert_eq!(format!("{:016x}", first.parent_span_id), root.span_id());
    let linked: HashSet<_> = first.links.iter().map(|link| format!("{:016x}", link.span_context.span_id())).collect();
    assert_eq!(linked, waited_for.into_iter().skip(22).collect());
    assert_eq!(second.links.len(), 0, "they were waited for once");
}

#[test]
fn what_a_person_sends_stands_below_its_run_or_what_led_to_it() {
    let (run_id, root) = run();
    let (spans, (sent, again)) = exported(NEVER, 100, |_| {
        let sent = producer_span("sluice.sync.run-requested.v1", Some(run_id), None).context;
        (sent, producer_span("sluice.sync.batch-planned.v1", Some(run_id), Some(&sent)).context)
    });
    assert_eq!(names(&spans), ["send sluice.sync.run-requested.v1", "send sluice.sync.batch-planned.v1"]);
    assert_eq!(format!("{:016x}", spans[0].parent_span_id), root.span_id());
    assert_eq!(format!("{:016x}", spans[1].parent_span_id), sent.span_id());
    assert!(again.is_sampled());
    // Where nothing is exported, what follows hangs below the run itself.
    assert_eq!(producer_span("t", Some(run_id), None).context, root);
}

#[test]
fn a_person_who_sends_much_does_not_fill_the_trace() {
    let (run_id, root) = run();
    let (spans, last) = exported(NEVER, 100_000, |_| {
        let send = |_| producer_span("sluice.sync.batch-planned.v1", Some(run_id), None).context;
        (0..3_000).map(send).collect::<Vec<_>>().pop()
    });
    assert_eq!(spans.len(), 1_000);
    assert_eq!(last, Some(root.with_sampled(false)), "what follows hangs where something is");
}

#[test]
fn what_waits_is_bounded_and_what_has_no_place_is_counted() {
    let (_, root) = run();
    let before = dropped("too_many_open");
    let (spans, ()) = exported(NEVER, 100_000, |_| {
        let message = consumer_span("bundles", &AT, Some(&root.with_sampled(false)));
        message.span.in_scope(|| {
            (0..5_000).for_each(|_| drop(SourceSpan::new("files", "read bundles", "bundles", None)));
        });
        message.failed("SLUICE-X-001");
    });
    assert_eq!(spans.len(), 4_096 + 1);
    assert_eq!(dropped("too_many_open") - before, 5_000 - 4_096);
    let (next, _) = exported(NEVER, 100_000, |_| handle(&root.with_sampled(false), true));
    assert_eq!(next.len(), 3, "their places are free again");
}

#[test]
fn outside_of_a_message_there_are_no_spans_of_the_database() {
    let (spans, ()) = exported(NEVER, 100, |_| drop(TransactionSpan::new("mysql", String::new, "look for")));
    assert_eq!(names(&spans), [""; 0]);
}

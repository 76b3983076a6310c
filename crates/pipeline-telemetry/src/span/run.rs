//! The spans of a run as a whole: its root, its activations, and what people send for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pipeline_model::ids::{RunId, ServiceId};
use tracing::{Span, field::Empty, info_span};

use crate::{context::TraceContext, names};

use super::MessageSpan;

/// A run that has ended, as the root of its trace shows it.
#[derive(Clone, Debug)]
pub struct EndedRun {
    /// Its id, which is the id of the trace.
    pub run_id: RunId,
    /// How it ended, such as `activated`.
    pub state: &'static str,
    /// Why, when it was not activated.
    pub reason: Option<String>,
    /// Who asked for it.
    pub requested_by: String,
    /// The generation that it filled.
    pub generation: Option<i64>,
    /// When it was asked for, in milliseconds since 1970-01-01 UTC.
    pub requested_at_ms: i64,
    /// When it ended.
    pub ended_at_ms: i64,
    /// Its services.
    pub services: i64,
    /// Its batches.
    pub batches: i64,
    /// Its providers, planned ones.
    pub providers: i64,
    /// Providers that it rejected.
    pub rejected_providers: i64,
}

/// The span of an attempt to switch readers. It is kept only when [`ActivationSpan::done`] says so.
#[derive(Debug)]
pub struct ActivationSpan(Span);

// === impl EndedRun ===

impl EndedRun {
    /// From the request to the end. A clock that was set back makes it no time.
    pub fn times(&self) -> (SystemTime, SystemTime) {
        let at = |ms: i64| UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        let start = at(self.requested_at_ms);
        (start, at(self.ended_at_ms).max(start))
    }
}

// === impl ActivationSpan ===

impl ActivationSpan {
    /// An attempt for a service of a run; for the whole run, the service that stands for all.
    pub fn new(run_id: RunId, service_id: &ServiceId) -> Self {
        let span = info_span!(
            "activate",
            { names::OTEL_NAME } = "activate",
            { names::OTEL_KIND } = "internal",
            { names::OTEL_STATUS } = Empty,
            { names::RUN_ID } = run_id.to_string(),
            { names::SERVICE_ID } = service_id.as_str(),
            { names::RUN_SERVICES } = Empty,
            { names::KEPT } = Empty,
        );
        super::adopt(&span, Some(&TraceContext::for_run(run_id).with_sampled(false)));
        Self(span)
    }

    /// The span, to instrument the attempt with.
    pub fn span(&self) -> &Span {
        &self.0
    }

    /// It switched these many services, after it waited for the messages of these spans.
    pub fn done(&self, services: usize, waited_for: &[TraceContext]) {
        self.0.record(names::RUN_SERVICES, services as u64);
        self.0.record(names::KEPT, true);
        super::link(&self.0, waited_for);
    }
}

/// Opens the span of a message that somebody sends who is no stage. `parent` is what led to it; without one, its run.
pub fn producer_span(topic: &str, run_id: Option<RunId>, parent: Option<&TraceContext>) -> MessageSpan {
    let of_run = run_id.map(TraceContext::for_run);
    let parent = parent.or(of_run.as_ref());
    let span = info_span!(
        parent: None,
        "send",
        { names::OTEL_NAME } = format!("send {topic}"),
        { names::OTEL_KIND } = "producer",
        { names::OTEL_STATUS } = Empty,
        { names::RUN_ID } = run_id.map(|run_id| run_id.to_string()),
        { names::SYSTEM } = "kafka",
        { names::DESTINATION } = topic,
        { names::OPERATION_NAME } = "send",
        { names::OPERATION_TYPE } = "send",
        { names::ERROR_TYPE } = Empty,
    );
    super::adopt(&span, parent);
    // Where there is no such span, what follows belongs below what led to it.
    let context = match super::exported_context(&span) {
        Some(own) if own.is_sampled() => own,
        Some(own) => parent.map_or(own, |parent| parent.with_sampled(false)),
        None => parent.copied().unwrap_or_else(TraceContext::root),
    };
    MessageSpan { span, context }
}

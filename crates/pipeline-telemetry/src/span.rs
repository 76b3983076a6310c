//! The span of one message.
//!
//! A message that is handled alone is a child of the span that produced it, so a run is one tree from its request to
//! its activation, and its id is the trace id of all of it.

use tracing::{Span, field::Empty, info_span};

use super::{context::TraceContext, coordinates::Coordinates, names};

mod database;
mod run;

pub use database::{SourceSpan, TransactionSpan};
pub use run::{ActivationSpan, EndedRun, producer_span};

/// Links of one span at most, as the conventions have it.
pub(crate) const LINKS: usize = 128;

/// The span of one message, and the context that the messages which follow from it carry on.
#[derive(Clone, Debug)]
pub struct MessageSpan {
    /// To be entered, or to instrument the handling with.
    pub span: Span,
    /// The value of the header `traceparent` on what is emitted.
    pub context: TraceContext,
}

/// Opens the span of one consumed message. `parent` is what its header says; without one the message begins a trace of
/// its own.
pub fn consumer_span(stage: &str, record: &Coordinates<'_>, parent: Option<&TraceContext>) -> MessageSpan {
    let span = info_span!(
        "process",
        { names::OTEL_NAME } = format!("process {}", record.topic),
        { names::OTEL_KIND } = "consumer",
        { names::OTEL_STATUS } = Empty,
        { names::STAGE } = stage,
        { names::RUN_ID } = record.run_id,
        { names::SYSTEM } = "kafka",
        { names::DESTINATION } = record.topic,
        { names::PARTITION } = record.partition.to_string(),
        { names::OFFSET } = record.offset,
        { names::KEY } = record.key,
        { names::GROUP } = record.group,
        { names::OPERATION_NAME } = "process",
        { names::OPERATION_TYPE } = "process",
        { names::SERVICE_ID } = Empty,
        { names::BATCH_NO } = Empty,
        { names::ATTEMPTS } = Empty,
        { names::ERROR_TYPE } = Empty,
    );
    adopt(&span, parent);
    let context = current_context(&span, parent);
    MessageSpan { span, context }
}

/// Opens the span of messages that are processed together, of which `first` is the first. It begins a trace of its own,
/// since each of them may be of another one; it is linked to the spans that produced them, of which `producers` has one
/// for each message that says it.
pub fn batch_span(
    stage: &str,
    first: &Coordinates<'_>,
    producers: impl ExactSizeIterator<Item = Option<TraceContext>>,
) -> MessageSpan {
    let span = info_span!(
        "process",
        { names::OTEL_NAME } = format!("process {}", first.topic),
        { names::OTEL_KIND } = "consumer",
        { names::OTEL_STATUS } = Empty,
        { names::STAGE } = stage,
        { names::SYSTEM } = "kafka",
        { names::DESTINATION } = first.topic,
        { names::PARTITION } = first.partition.to_string(),
        { names::OFFSET } = first.offset,
        { names::GROUP } = first.group,
        { names::OPERATION_NAME } = "process",
        { names::OPERATION_TYPE } = "process",
        { names::BATCH_COUNT } = producers.len(),
        { names::ERROR_TYPE } = Empty,
    );
    let mut linked = Vec::new();
    for producer in producers.flatten().filter(TraceContext::is_sampled) {
        if linked.len() < LINKS && !linked.contains(&producer) {
            linked.push(producer);
        }
    }
    link(&span, &linked);
    let context = current_context(&span, None);
    MessageSpan { span, context }
}

/// Opens the span of work that no message triggered, such as a stage's tick.
pub fn internal_span(stage: &str, operation: &'static str, parent: Option<&TraceContext>) -> MessageSpan {
    let span = info_span!(
        "work",
        { names::OTEL_NAME } = format!("{operation} {stage}"),
        { names::OTEL_KIND } = "internal",
        { names::OTEL_STATUS } = Empty,
        { names::STAGE } = stage,
        { names::ERROR_TYPE } = Empty,
    );
    adopt(&span, parent);
    let context = current_context(&span, parent);
    MessageSpan { span, context }
}

/// The context that follows from a span: its own when it is kept for sure; else the one of `parent`, so that nothing
/// hangs below a span that is not exported. Where nothing is exported it is a child of `parent`: the trace holds together
/// across processes of which only some export.
pub fn current_context(span: &Span, parent: Option<&TraceContext>) -> TraceContext {
    match exported_context(span) {
        Some(own) if own.is_sampled() => own,
        Some(own) => parent.map_or(own, |parent| parent.with_sampled(false)),
        None => parent.map_or_else(TraceContext::root, TraceContext::child),
    }
}

/// Whether what happens now is below a span that is exported, or may be.
fn is_traced() -> bool {
    exported_context(&Span::current()).is_some()
}

/// The context of the span that is current, when it is exported for sure.
pub(crate) fn sampled_context() -> Option<TraceContext> {
    exported_context(&Span::current()).filter(TraceContext::is_sampled)
}

#[cfg(feature = "otlp")]
fn exported_context(span: &Span) -> Option<TraceContext> {
    super::otlp::context_of(span)
}

#[cfg(not(feature = "otlp"))]
fn exported_context(_: &Span) -> Option<TraceContext> {
    None
}

#[cfg(feature = "otlp")]
fn adopt(span: &Span, parent: Option<&TraceContext>) {
    if let Some(parent) = parent {
        super::otlp::set_parent(span, parent);
    }
}

#[cfg(not(feature = "otlp"))]
fn adopt(_: &Span, _: Option<&TraceContext>) {}

#[cfg(feature = "otlp")]
fn link(span: &Span, to: &[TraceContext]) {
    super::otlp::link(span, to);
}

#[cfg(not(feature = "otlp"))]
fn link(_: &Span, _: &[TraceContext]) {}

// === impl MessageSpan ===

impl MessageSpan {
    /// What of its run the message is about.
    pub fn about(&self, service_id: Option<&str>, batch_no: Option<i32>) {
        if let Some(service_id) = service_id {
            self.span.record(names::SERVICE_ID, service_id);
        }
        if let Some(batch_no) = batch_no {
            self.span.record(names::BATCH_NO, batch_no);
        }
    }

    /// The message was tried more than once.
    pub fn attempts(&self, attempts: u32) {
        self.span.record(names::ATTEMPTS, attempts);
    }

    /// Marks the span as failed with the code of an error, such as `SLUICE-TARGET-003`.
    pub fn failed(&self, code: &str) {
        self.span.record(names::ERROR_TYPE, code);
        self.span.record(names::OTEL_STATUS, "ERROR");
    }
}

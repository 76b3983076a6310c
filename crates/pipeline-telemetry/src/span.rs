//! The span of one message.
//!
//! A message that is handled alone is a child of the span that produced it, so a run is one tree from its request to
//! its activation, and its id is the trace id of all of it.

use tracing::{Span, field::Empty, info_span};

use super::{context::TraceContext, coordinates::Coordinates, names};

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
        { names::ERROR_TYPE } = Empty,
    );
    adopt(&span, parent);
    let context = current_context(&span, parent);
    MessageSpan { span, context }
}

/// Opens the span of `messages` that are processed together, of which `first` is the first. It begins a trace of its own,
/// since each of them may be of another one.
pub fn batch_span(stage: &str, first: &Coordinates<'_>, messages: usize) -> MessageSpan {
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
        { names::BATCH_COUNT } = messages,
        { names::ERROR_TYPE } = Empty,
    );
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

/// The context of a span: the exported one when spans are exported, else a child of `parent`, so that the trace holds
/// together across processes of which only some export.
pub fn current_context(span: &Span, parent: Option<&TraceContext>) -> TraceContext {
    #[cfg(feature = "otlp")]
    if let Some(exported) = super::otlp::context_of(span) {
        return exported;
    }
    #[cfg(not(feature = "otlp"))]
    let _: &Span = span;
    parent.map_or_else(TraceContext::root, TraceContext::child)
}

#[cfg(feature = "otlp")]
fn adopt(span: &Span, parent: Option<&TraceContext>) {
    if let Some(parent) = parent {
        super::otlp::set_parent(span, parent);
    }
}

#[cfg(not(feature = "otlp"))]
fn adopt(_: &Span, _: Option<&TraceContext>) {}

// === impl MessageSpan ===

impl MessageSpan {
    /// Marks the span as failed with the code of an error, such as `SLUICE-TARGET-003`.
    pub fn failed(&self, code: &str) {
        self.span.record(names::ERROR_TYPE, code);
        self.span.record(names::OTEL_STATUS, "ERROR");
    }
}

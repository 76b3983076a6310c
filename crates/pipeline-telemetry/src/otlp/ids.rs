//! Where the ids of spans come from: random ones, but for the root of a run's trace, whose ids follow from the run.

use std::cell::Cell;

use opentelemetry::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    static GIVEN: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, or those of [`given`].
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

/// The span that `build` makes on this thread has these ids.
pub(super) fn given<T>(trace_id: TraceId, span_id: SpanId, build: impl FnOnce() -> T) -> T {
    GIVEN.set(Some((trace_id, span_id)));
    let built = build();
    GIVEN.set(None);
    built
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        GIVEN.get().map_or_else(|| self.0.new_trace_id(), |(trace_id, _)| trace_id)
    }

    fn new_span_id(&self) -> SpanId {
        GIVEN.get().map_or_else(|| self.0.new_span_id(), |(_, span_id)| span_id)
    }
}

//! Which spans leave the process, and how many: between the spans that end and the exporter.
//!
//! | span | kept |
//! |---|---|
//! | sampled: its message says so, or the span that it is below | yes, up to [`MESSAGES`] and [`DETAILS`] of a trace in one process |
//! | not sampled, and failed, or slower than `telemetry.slow_batch_ms` | yes, with all below it, up to [`LATE`] of a trace |
//! | marked as wanted: a run, an activation | yes, with all below it |
//! | any other | no |
//!
//! A span that is not sampled is recorded all the same. When it ends, what ended below it has been waiting here, and both
//! go or are dropped together: so no span is exported without its parent. What follows from a message that is not sampled
//! names the nearest span above it that is (`span.rs`).
//!
//! Nobody waits for the exporter: where there is no place, spans are dropped and counted.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue, SpanId, TraceId,
    trace::{Link, SpanContext, SpanKind, Status, TraceContextExt},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanExporter, SpanProcessor},
};

use crate::{
    names,
    process_events::{self, Dropped},
    sampling::{DETAILS, LATE, MESSAGES},
};

/// Spans that wait for the end of the one above them, over all traces. A span ends after all that is below it.
const WAITING: usize = 4_096;
/// Traces whose numbers are remembered: few are open at once.
const TRACES: usize = 64;

/// What a process has kept of a trace.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    messages: usize,
    details: usize,
    late: usize,
}

/// What is kept of the newest traces.
#[derive(Debug, Default)]
struct Traces {
    kept: HashMap<TraceId, Kept>,
    order: VecDeque<TraceId>,
}

/// Decides when a span begins; shared with the [`Keeper`], which decides again when it ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<Mutex<Traces>>);

/// Takes the spans that end, and hands on those that are kept.
#[derive(Debug)]
pub(super) struct Keeper<P> {
    next: P,
    slow: Duration,
    budget: Budget,
    waiting: Mutex<Waiting>,
    queued: Queued,
}

/// Spans that have ended, by the one above them, which has not.
#[derive(Debug, Default)]
struct Waiting {
    below: HashMap<SpanId, Vec<SpanData>>,
    spans: usize,
}

/// Counts what was handed to the exporter and not yet taken by it, so that what does not fit is dropped here, where it is
/// counted.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    spans: Arc<AtomicUsize>,
    most: usize,
}

/// An exporter that counts what it takes.
pub(super) struct Counting<E> {
    pub(super) exporter: E,
    pub(super) queued: Queued,
}

// === impl Traces ===

impl Traces {
    fn of(&mut self, trace: TraceId) -> &mut Kept {
        if !self.kept.contains_key(&trace) {
            self.order.push_back(trace);
            if self.order.len() > TRACES
                && let Some(oldest) = self.order.pop_front()
            {
                self.kept.remove(&oldest);
            }
        }
        self.kept.entry(trace).or_default()
    }
}

// === impl Budget ===

impl Budget {
    fn of<T>(&self, trace: TraceId, take: impl FnOnce(&mut Kept) -> T) -> T {
        take(lock(&self.0).of(trace))
    }
}

impl ShouldSample for Budget {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        _: &str,
        _: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|context| context.span().span_context().clone()).filter(SpanContext::is_valid);
        let is_sampled = match parent {
            _ if is_marked(attributes) => true,
            Some(above) if !above.is_sampled() => false,
            Some(above) if !above.is_remote() => self.of(trace, |kept| has_place(&mut kept.details, DETAILS)),
            Some(_) | None => self.of(trace, |kept| has_place(&mut kept.messages, MESSAGES)),
        };
        let decision = if is_sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::RecordOnly };
        SamplingResult { decision, attributes: Vec::new(), trace_state: Default::default() }
    }
}

fn has_place(used: &mut usize, most: usize) -> bool {
    let has_place = *used < most;
    *used += usize::from(has_place);
    has_place
}

// === impl Keeper ===

impl<P: SpanProcessor> Keeper<P> {
    /// Hands what is kept to `next`. A message that takes longer than `slow` is kept.
    pub(super) fn new(next: P, slow: Duration, budget: Budget, queued: Queued) -> Self {
        Self { next, slow, budget, waiting: Mutex::default(), queued }
    }

    fn hand_on(&self, span: SpanData) {
        if self.queued.begin() {
            self.next.on_end(span);
        } else {
            process_events::spans_dropped(Dropped::QueueFull, 1);
        }
    }

    /// A span that is not sampled and begins here: with everything below it, it goes or is dropped.
    fn decide(&self, span: SpanData) {
        let mut below = Vec::new();
        {
            let mut waiting = lock(&self.waiting);
            let mut open = vec![span.span_context.span_id()];
            while let Some(children) = open.pop().map(|id| waiting.take(id)) {
                open.extend(children.iter().map(|child| child.span_context.span_id()));
                below.extend(children);
            }
        }
        let is_marked = is_marked(&span.attributes);
        if !is_marked && !self.is_slow(&span) && !has_failed(&span) {
            return;
        }
        let trace = span.span_context.trace_id();
        if !is_marked && !self.budget.of(trace, |kept| has_place(&mut kept.late, LATE)) {
            process_events::spans_dropped(Dropped::TooManyOfTrace, 1 + below.len());
            return;
        }
        for span in below.into_iter().chain([span]) {
            self.hand_on(sampled(span));
        }
    }

    fn is_slow(&self, span: &SpanData) -> bool {
        let duration = span.end_time.duration_since(span.start_time).unwrap_or_default();
        span.span_kind == SpanKind::Consumer && duration >= self.slow
    }
}

// === impl Waiting ===

impl Waiting {
    /// Whether there was a place for it.
    fn push(&mut self, span: SpanData) -> bool {
        let has_place = has_place(&mut self.spans, WAITING);
        if has_place {
            self.below.entry(span.parent_span_id).or_default().push(span);
        }
        has_place
    }

    fn take(&mut self, above: SpanId) -> Vec<SpanData> {
        let below = self.below.remove(&above).unwrap_or_default();
        self.spans -= below.len();
        below
    }
}

impl<P: SpanProcessor> SpanProcessor for Keeper<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.hand_on(span);
        } else if span.parent_span_is_remote || span.parent_span_id == SpanId::INVALID {
            self.decide(span);
        } else if !lock(&self.waiting).push(span) {
            process_events::spans_dropped(Dropped::TooManyOpen, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Whether who made the span knows that it is wanted.
fn is_marked(attributes: &[KeyValue]) -> bool {
    attributes.iter().any(|pair| pair.key.as_str() == names::KEPT)
}

fn has_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

fn sampled(mut span: SpanData) -> SpanData {
    let context = &span.span_context;
    span.span_context = SpanContext::new(
        context.trace_id(),
        context.span_id(),
        context.trace_flags().with_sampled(true),
        context.is_remote(),
        context.trace_state().clone(),
    );
    span
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Queued ===

impl Queued {
    /// For a queue of so many.
    pub(crate) fn up_to(most: usize) -> Self {
        Self { spans: Arc::default(), most }
    }

    /// Takes a place, if there is one.
    fn begin(&self) -> bool {
        let more = |spans| (spans < self.most).then_some(spans + 1);
        self.spans.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    fn taken(&self, spans: usize) {
        self.spans.fetch_sub(spans, Ordering::AcqRel);
    }
}

// === impl Counting ===

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.queued.taken(spans);
        let exported = self.exporter.export(batch).await;
        if exported.is_err() {
            process_events::spans_dropped(Dropped::NotTaken, spans);
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E> fmt::Debug for Counting<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").field("queued", &self.queued).finish_non_exhaustive()
    }
}

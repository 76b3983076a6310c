//! The trace context that travels with each message, as the header `traceparent`.
//!
//! Format and rules: W3C Trace Context, <https://www.w3.org/TR/trace-context/>. `tracestate` is not carried.

use std::fmt;

use pipeline_model::ids::RunId;

use super::sampling;

/// Name of the message header.
pub const HEADER: &str = "traceparent";

/// A place in a trace: the span that caused what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

/// A text that is not a `traceparent`. It is not an error of the message: the message begins a trace of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a `traceparent` as W3C has it")]
pub struct InvalidTraceParent;

const LENGTH: usize = "00-00000000000000000000000000000000-0000000000000000-00".len();
const SAMPLED: u8 = 1;

// === impl TraceContext ===

impl TraceContext {
    /// The context of something that follows from nothing known. Sampled.
    pub fn root() -> Self {
        Self { trace_id: fastrand::u128(1..), span_id: fastrand::u64(1..), sampled: true }
    }

    /// The context of a run as a whole, the same wherever it is asked for: the run's id is the trace id, and its last
    /// 64 bits are the span id. Sampled.
    pub fn for_run(run: RunId) -> Self {
        match u128::from_str_radix(&run.trace_id(), 16) {
            Ok(trace_id) if trace_id != 0 => {
                #[expect(clippy::cast_possible_truncation, reason = "the last 64 bits are wanted")]
                let span_id = (trace_id as u64).max(1); // zero is not a span id
                Self { trace_id, span_id, sampled: true }
            }
            _ => Self::root(), // the nil UUID, which W3C does not allow as a trace id
        }
    }

    pub(super) fn new(trace_id: u128, span_id: u64, sampled: bool) -> Option<Self> {
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, sampled })
    }

    /// Reads a `traceparent`, strictly: lower-case digits, no zero ids, exact length. A version above 00 may carry more
    /// at its end, which is ignored.
    pub fn parse(text: &str) -> Result<Self, InvalidTraceParent> {
        Self::read(text).ok_or(InvalidTraceParent)
    }

    fn read(text: &str) -> Option<Self> {
        let known = text.get(..LENGTH)?;
        let rest = text.get(LENGTH..)?;
        let mut fields = known.split('-');
        let version = hexadecimal(fields.next()?, 2)?;
        let trace_id = hexadecimal(fields.next()?, 32)?;
        let span_id = u64::try_from(hexadecimal(fields.next()?, 16)?).ok()?;
        let flags = u8::try_from(hexadecimal(fields.next()?, 2)?).ok()?;
        let rest_is_right = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        if fields.next().is_some() || !rest_is_right {
            return None;
        }
        Self::new(trace_id, span_id, flags & SAMPLED != 0)
    }

    /// A span below this one: the same trace, a new random span id.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: fastrand::u64(1..), ..*self }
    }

    /// 32 lower-case hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// 16 lower-case hexadecimal digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// Whether the trace is kept.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The same place, kept or not.
    #[must_use]
    pub fn with_sampled(self, sampled: bool) -> Self {
        Self { sampled, ..self }
    }

    /// The same place for a message about a batch: the sample says whether the trace keeps it.
    #[must_use]
    pub fn for_batch(self, batch_no: i32) -> Self {
        self.with_sampled(self.sampled && sampling::keeps_batch(self.trace_id, batch_no))
    }

    /// Both ids as numbers.
    #[cfg(feature = "otlp")]
    pub(super) fn ids(&self) -> (u128, u64) {
        (self.trace_id, self.span_id)
    }
}

/// As the header's value: `00-<trace id>-<span id>-01`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

/// Exactly so many lower-case digits; the number parsers of the standard library take signs and capitals as well.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_strict = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_strict { u128::from_str_radix(text, 16).ok() } else { None }
}

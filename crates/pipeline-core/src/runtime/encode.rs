//! From a record to a message: the bytes of its contract, and the headers that carry run and trace.

use pipeline_kafka::Outbound;
use pipeline_model::{contracts::Message, ids::RunId};
use pipeline_telemetry::TraceContext;

use super::{dead_letter::header, failure::Failure};
use crate::{registry::Codec, stage::VisitOutgoing};

/// Makes the bytes and headers of a message.
pub(super) struct Encode<'a> {
    pub(super) codec: &'a Codec,
    /// The span that caused the message; without one, the run's own trace.
    pub(super) trace: Option<&'a TraceContext>,
}

impl VisitOutgoing for Encode<'_> {
    type Output = Result<Outbound, Failure>;

    fn message<M: Message>(self, message: &M) -> Self::Output {
        let payload = self.codec.encode(message)?;
        let trace = self.trace.copied().or_else(|| RunId::parse(message.run_id()).ok().map(TraceContext::for_run));
        let trace = match message.about().batch_no {
            Some(batch_no) => trace.map(|trace| trace.for_batch(batch_no)),
            None => trace,
        };
        let mut headers = vec![(header::RUN_ID.to_owned(), Some(message.run_id().as_bytes().to_vec()))];
        if let Some(trace) = trace {
            headers.push((header::TRACEPARENT.to_owned(), Some(trace.to_string().into_bytes())));
        }
        Ok(Outbound {
            topic: M::TOPIC.to_owned(),
            key: Some(message.key().into_bytes()),
            payload: Some(payload),
            headers,
        })
    }
}

/// The topic of a message.
pub(super) struct Topic;

impl VisitOutgoing for Topic {
    type Output = &'static str;

    fn message<M: Message>(self, _: &M) -> &'static str {
        M::TOPIC
    }
}

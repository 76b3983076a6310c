//! A message that cannot be processed, kept for people: the original key, bytes and headers, and why.
//!
//! The reason travels in headers, as text, under the names that Kafka Connect uses, so that every Kafka tool shows
//! it; what Connect has no name for is under `sluice-`.
//!
//! A letter carries more headers than its message, so a message that its own topic just took makes a letter that is too
//! large. It then goes without its value, which still lies where the letter says that the message came from.

use std::time::UNIX_EPOCH;

use pipeline_kafka::{Delivery, Header, Outbound};
use pipeline_model::{contracts, ids::RunId};
use pipeline_telemetry::{TraceContext, span::producer_span};

use super::failure::LastFailure;

/// Header names of a dead letter.
pub mod header {
    /// Topic that the message came from.
    pub const TOPIC: &str = "__connect.errors.topic";
    /// Partition that the message came from.
    pub const PARTITION: &str = "__connect.errors.partition";
    /// Offset of the message in it.
    pub const OFFSET: &str = "__connect.errors.offset";
    /// The consumer group that failed on it.
    pub const GROUP: &str = "__connect.errors.connector.name";
    /// The stage that failed on it.
    pub const STAGE: &str = "__connect.errors.stage";
    /// The error's code; Connect puts a class name here.
    pub const CLASS: &str = "__connect.errors.exception.class.name";
    /// The error and its causes, at most 1 KiB.
    pub const MESSAGE: &str = "__connect.errors.exception.message";
    /// The error's code: route on this one.
    pub const CODE: &str = "sluice-error-code";
    /// The run that the message belongs to.
    pub const RUN_ID: &str = "sluice-run-id";
    /// How often the message was tried.
    pub const ATTEMPT: &str = "sluice-attempt";
    /// When it failed first, in milliseconds since 1970-01-01 UTC.
    pub const FIRST_FAILED_AT: &str = "sluice-first-failed-at";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// What of the message the letter lacks, because it would have been too large: `value`, `headers`, `key`, separated
    /// by commas.
    pub const LEFT_OUT: &str = "sluice-left-out";
    /// On a message that was produced again: the number of its dead letter in the ledger.
    pub const REPLAY_OF: &str = "sluice-replay-of";
}

/// What is known about a message when it is given up.
pub(crate) struct LetterHeaders<'a> {
    pub(crate) stage: &'a str,
    /// The message's topic, as the cluster calls it.
    pub(crate) topic: String,
    pub(crate) group: &'a str,
    pub(crate) run_id: Option<&'a str>,
    pub(crate) last: &'a LastFailure,
    pub(crate) trace: &'a TraceContext,
}

/// The dead letter of a message. A message that died before loses the headers of its earlier death, no others.
pub(crate) fn dead_letter(delivery: &Delivery, known: &LetterHeaders<'_>) -> Outbound {
    let mut headers: Vec<Header> = delivery.headers.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
    let LetterHeaders { last, .. } = known;
    let first_failed_at = last.first_failed_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), Some(value.into_bytes())));
    add(header::TOPIC, known.topic.clone());
    add(header::PARTITION, delivery.position.partition.number.to_string());
    add(header::OFFSET, delivery.position.offset.to_string());
    add(header::GROUP, known.group.to_owned());
    add(header::STAGE, known.stage.to_owned());
    add(header::CLASS, last.failure.code.to_owned());
    add(header::MESSAGE, last.failure.text.clone());
    add(header::CODE, last.failure.code.to_owned());
    if let Some(run_id) = known.run_id {
        add(header::RUN_ID, run_id.to_owned());
    }
    add(header::ATTEMPT, last.attempts.to_string());
    add(header::FIRST_FAILED_AT, first_failed_at.to_string());
    add(header::TRACEPARENT, known.trace.to_string());
    Outbound {
        topic: contracts::DEAD_LETTERS.to_owned(),
        key: delivery.key.clone(),
        payload: delivery.payload.clone(),
        headers,
    }
}

/// A letter, and how to make it smaller when it is too large.
pub(crate) struct Letter {
    /// What to send.
    pub(crate) message: Outbound,
    /// All its headers, for when the key has to go in their place.
    headers: Vec<Header>,
    had_value: bool,
}

// === impl Letter ===

impl Letter {
    pub(crate) fn new(message: Outbound) -> Self {
        Self { headers: message.headers.clone(), had_value: message.payload.is_some(), message }
    }

    /// One step smaller: without the value, then step by step with fewer of the message's own headers; and only when none
    /// of them made room for the key, without the key and again with the headers that fit. Says in a header what is left
    /// out. `false` when there is nothing more to take.
    pub(crate) fn leave_out(&mut self) -> bool {
        if leave_out(&mut self.message) {
            return true;
        }
        if self.message.key.take().is_none() {
            return false;
        }
        self.message.headers.clone_from(&self.headers);
        if self.had_value {
            note_left_out(&mut self.message.headers, "value");
        }
        note_left_out(&mut self.message.headers, "key");
        true
    }
}

/// Takes the value, or half of the message's own headers.
fn leave_out(letter: &mut Outbound) -> bool {
    let size = |(name, value): &Header| name.len() + value.as_ref().map_or(0, Vec::len);
    let foreign: usize = letter.headers.iter().filter(|(name, _)| !is_ours(name)).map(size).sum();
    let what = if letter.payload.take().is_some() {
        "value"
    } else if foreign > 0 {
        // The limit is not known here, so half of it goes each time: those that fit, in their order.
        let mut room = foreign / 2;
        letter.headers.retain(|header| {
            let fits = is_ours(&header.0) || size(header) <= room;
            if fits && !is_ours(&header.0) {
                room -= size(header);
            }
            fits
        });
        "headers"
    } else {
        return false;
    };
    note_left_out(&mut letter.headers, what);
    true
}

fn note_left_out(headers: &mut Vec<Header>, what: &str) {
    let before = headers.iter().position(|(name, _)| name == header::LEFT_OUT).map(|index| headers.remove(index));
    let before = before.and_then(|(_, value)| String::from_utf8(value?).ok()).unwrap_or_default();
    let words = before.split(',').filter(|word| !word.is_empty() && *word != what).chain([what]);
    let words = words.collect::<Vec<_>>().join(",");
    headers.push((header::LEFT_OUT.to_owned(), Some(words.into_bytes())));
}

/// Whether the letter lacks something of its message, which then has to be read where it came from.
pub fn is_incomplete(letter: &Delivery) -> bool {
    letter.header(header::LEFT_OUT).is_some()
}

/// The message of a dead letter, to be produced again where it came from: key, bytes and foreign headers as they were,
/// run and trace kept, the reason removed. It stands in the trace below the message that failed.
pub fn replayed(letter: Delivery, topic: &str, letter_id: i64) -> Outbound {
    let parent = letter.header(header::TRACEPARENT).and_then(|text| TraceContext::parse(text).ok());
    let run_id = letter.header(header::RUN_ID).and_then(|text| RunId::parse(text).ok());
    let sent = producer_span(topic, run_id, parent.as_ref());
    let kept = |name: &str| !is_ours(name) || name == header::RUN_ID;
    let mut headers: Vec<Header> = letter.headers.into_iter().filter(|(name, _)| kept(name)).collect();
    if parent.is_some() || run_id.is_some() {
        headers.push((header::TRACEPARENT.to_owned(), Some(sent.context.to_string().into_bytes())));
    }
    headers.push((header::REPLAY_OF.to_owned(), Some(letter_id.to_string().into_bytes())));
    Outbound { topic: topic.to_owned(), key: letter.key, payload: letter.payload, headers }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("__connect.errors.")
        || [
            header::CODE,
            header::RUN_ID,
            header::ATTEMPT,
            header::FIRST_FAILED_AT,
            header::TRACEPARENT,
            header::REPLAY_OF,
            header::LEFT_OUT,
        ]
        .contains(&name)
}

#[cfg(test)]
mod tests {
    use pipeline_kafka::{Partition, Position};
    use pipeline_model::{disposition::Disposition, ids::RunId};

    use super::{super::failure::Failure, *};

    const FAILED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_dead_letter_keeps_key_bytes_and_foreign_headers_and_says_why_once() {
        let delivery = Delivery {
            position: Position { partition: Partition { topic: "t".to_owned(), number: 2 }, offset: 7 },
            key: Some(b"k".to_vec()),
            payload: Some(vec![0, 159, 146, 150]),
            headers: vec![
                ("mine".to_owned(), Some(vec![255])),
                (header::CODE.to_owned(), Some(b"SLUICE-OLD-001".to_vec())),
            ],
        };
        let failure =
            Failure { disposition: Disposition::Reject, ..Failure::halt("SLUICE-MESSAGE-001", "no".to_owned()) };
        let run = RunId::new();
        let letter = dead_letter(
            &delivery,
            &LetterHeaders {
                stage: "bundles",
                topic: "acme.t".to_owned(),
                group: "sluice-bundles",
                run_id: Some(&run.to_string()),
                last: &LastFailure { failure, attempts: 3, first_failed_at: UNIX_EPOCH },
                trace: &TraceContext::for_run(run),
            },
        );
        assert_eq!((letter.key, letter.payload), (delivery.key, delivery.payload));
        let value = |name: &str| {
            let found: Vec<_> = letter.headers.iter().filter(|(header, _)| header == name).collect();
            assert_eq!(found.len(), 1, "{name} stands {} times", found.len());
            found[0].1.clone().unwrap()
        };
        assert_eq!(value("mine"), [255]);
        assert_eq!(value(header::CODE), b"SLUICE-MESSAGE-001");
        assert_eq!(value(header::OFFSET), b"7");
        assert_eq!(value(header::RUN_ID), run.to_string().into_bytes());
    }

    #[test]
    fn a_letter_loses_its_value_first_then_headers_that_do_not_fit_and_its_key_last() {
        let header = |name: &str, size: usize| (name.to_owned(), Some(vec![b'x'; size]));
        let mut letter = Letter::new(Outbound {
            topic: "d".to_owned(),
            key: Some(b"k".to_vec()),
            payload: Some(vec![1; 100]),
            headers: vec![header("large", 900), header("small", 40), header(header::TOPIC, 5)],
        });
        let mut steps = Vec::new();
        while letter.leave_out() {
            let letter = &letter.message;
            let names: Vec<&str> = letter.headers.iter().map(|(name, _)| name.as_str()).collect();
            let left_out = letter.headers.last().and_then(|(_, value)| value.clone()).unwrap();
            steps.push((String::from_utf8(left_out).unwrap(), names.len(), letter.key.is_some()));
            assert!(letter.payload.is_none() && names.contains(&header::TOPIC), "{names:?}");
            assert_eq!(names.iter().filter(|name| **name == header::LEFT_OUT).count(), 1);
        }
        let step = |words: &str, headers, key| (words.to_owned(), headers, key);
        assert_eq!(
            steps,
            [
                step("value", 4, true),
                step("value,headers", 3, true),
                step("value,headers", 2, true),
                step("value,key", 4, false),
                step("value,key,headers", 3, false),
                step("value,key,headers", 2, false),
            ]
        );
    }

    #[test]
    fn a_replayed_message_is_the_original_and_says_what_it_replays() {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        let letter = Delivery {
            position: Position { partition: Partition { topic: "d".to_owned(), number: 0 }, offset: 3 },
            key: Some(b"k".to_vec()),
            payload: Some(b"v".to_vec()),
            headers: vec![
                header("mine", "1"),
                header(header::MESSAGE, "no"),
                header(header::CODE, "SLUICE-MESSAGE-001"),
                header(header::RUN_ID, "run"),
                header(header::TRACEPARENT, FAILED),
                header(header::REPLAY_OF, "4"),
            ],
        };
        let message = replayed(letter, "t", 5);
        assert_eq!(
            (message.topic.as_str(), message.key, message.payload),
            ("t", Some(b"k".to_vec()), Some(b"v".to_vec()))
        );
        let names: Vec<&str> = message.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["mine", header::RUN_ID, header::TRACEPARENT, header::REPLAY_OF]);
        assert_eq!(message.headers.last(), Some(&header(header::REPLAY_OF, "5")));
        // Nothing is exported here: what follows is below the message that failed.
        assert!(message.headers.contains(&header(header::TRACEPARENT, FAILED)));
    }
}

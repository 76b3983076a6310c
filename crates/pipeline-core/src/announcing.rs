//! What stages need to announce again what was lost: memory of what they have in hand, and of what is not delivered yet.
//!
//! What is due is the ledger's to say, and who announces it too. A stage asks on its timer, and tells the ledger on the
//! same timer which runs it is at work on, so that what is slow is not taken for lost.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pipeline_model::contracts::Message;
use pipeline_telemetry::run_events::RunEvents;

use crate::stage::{Emit, Outgoing, VisitOutgoing};

/// The runs that this process has messages of in hand.
#[derive(Debug, Default)]
pub struct AtWork {
    /// For each, the messages in hand; 0 when the last one came back since the last look.
    runs: Mutex<HashMap<String, usize>>,
}

/// A message in hand, until it is dropped.
#[derive(Debug)]
pub struct InHand<'a> {
    at_work: &'a AtWork,
    run_id: &'a str,
}

/// Messages that this process has taken on, and puts on their topic until that has succeeded.
///
/// The ledger gives each piece to one caller only. Were it forgotten when the brokers do not take it, the piece would
/// wait for the next round, which comes after a longer pause.
#[derive(Debug)]
pub struct Undelivered<O> {
    stage: &'static str,
    events: RunEvents,
    messages: Mutex<Vec<O>>,
}

// === impl AtWork ===

impl AtWork {
    /// The process has a message of this run in hand until the answer is dropped.
    pub fn begin<'a>(&'a self, run_id: &'a str) -> InHand<'a> {
        *lock(&self.runs).entry(run_id.to_owned()).or_default() += 1;
        InHand { at_work: self, run_id }
    }

    /// The runs with a message that is in hand, or was since this was asked last: one that waits for its next attempt
    /// is in nobody's hand for a moment.
    pub fn runs(&self) -> Vec<String> {
        let mut runs = lock(&self.runs);
        let found = runs.keys().cloned().collect();
        runs.retain(|_, in_hand| *in_hand > 0);
        found
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(in_hand) = lock(&self.at_work.runs).get_mut(self.run_id) {
            *in_hand = in_hand.saturating_sub(1);
        }
    }
}

// === impl Undelivered ===

impl<O: Outgoing + PartialEq> Undelivered<O> {
    /// Nothing is taken on yet.
    pub fn new(stage: &'static str) -> Self {
        Self { stage, events: RunEvents::new(), messages: Mutex::default() }
    }

    /// What to emit: what was taken on just now, or else what was taken on before and is not delivered yet.
    pub fn emit(&self, new: Option<Vec<O>>) -> Emit<O> {
        let mut messages = lock(&self.messages);
        if let Some(new) = new {
            *messages = new;
        }
        messages.iter().cloned().collect()
    }

    /// The brokers have these messages. Says so, once, when they are those that were taken on.
    pub fn delivered(&self, emitted: &Emit<O>) {
        let mut messages = lock(&self.messages);
        if messages.is_empty() || *messages != emitted.messages {
            return;
        }
        if let Some((run_id, topic)) = messages.first().map(|first| first.visit(Which)) {
            self.events.announced_again(self.stage, &run_id, topic, messages.len() as u64);
        }
        messages.clear();
    }
}

/// The run and the topic of a message.
struct Which;

impl VisitOutgoing for Which {
    type Output = (String, &'static str);

    fn message<M: Message>(self, message: &M) -> Self::Output {
        (message.run_id().to_owned(), M::TOPIC)
    }
}

/// What is in there is whole between any two statements, so a panic elsewhere leaves nothing broken behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use pipeline_model::contracts::ServiceDiscovered;

    use super::*;

    fn message(service: &str) -> ServiceDiscovered {
        ServiceDiscovered { run_id: "run".to_owned(), generation: 1, service_id: service.to_owned() }
    }

    #[test]
    fn a_run_counts_as_worked_on_until_a_look_finds_nothing_in_hand() {
        let at_work = AtWork::default();
        assert!(at_work.runs().is_empty());
        let (first, second) = (at_work.begin("a"), at_work.begin("a"));
        drop(first);
        for _ in 0..3 {
            assert_eq!(at_work.runs(), ["a"]);
        }
        drop(second);
        assert_eq!(at_work.runs(), ["a"], "since the last look");
        assert!(at_work.runs().is_empty());
    }

    #[test]
    fn what_is_taken_on_is_emitted_until_it_is_delivered() {
        let undelivered = Undelivered::new("test");
        assert!(undelivered.emit(None).messages.is_empty());
        let first = undelivered.emit(Some(vec![message("a"), message("b")]));
        assert_eq!(undelivered.emit(None).messages, first.messages, "the brokers did not take them");
        undelivered.delivered(&Emit::one(message("a")));
        assert_eq!(undelivered.emit(None).messages, first.messages, "that was another one");
        let newer = undelivered.emit(Some(vec![message("c")]));
        undelivered.delivered(&first);
        assert_eq!(undelivered.emit(None).messages, newer.messages);
        undelivered.delivered(&newer);
        assert!(undelivered.emit(None).messages.is_empty());
    }
}

//! The end of a message that cannot be handled: its letter, and the ledger's note of it. Neither may fail for good.

use std::time::{Duration, Instant};

use pipeline_kafka::{Delivery, Outbound, Position};
use pipeline_model::{disposition::Disposition, letter::GivenUp, needs::Needs as _};

use super::{
    dead_letter::{Letter, LetterHeaders, dead_letter},
    engine::{Engine, InHand, Settlement, wait},
    failure::{Dependency, Failure, LastFailure},
    work::Work,
};
use crate::intake::Intake as _;

impl<W: Work> Engine<W> {
    /// Puts the message where people find it. That must not fail, so it is tried like during an outage.
    pub(super) async fn give_up(&self, message: &InHand<'_>, delivery: &Delivery, last: &LastFailure) -> Settlement {
        let InHand { at, span, .. } = message;
        let LastFailure { failure, attempts, first_failed_at } = last;
        let record = W::Input::decode(&self.codec, delivery).await.ok();
        let correlation = record.as_ref().and_then(|record| record.correlation());
        // A message that failed stands in the trace of its run, and so does what becomes of its letter.
        let trace = span.context.with_sampled(true);
        let known = LetterHeaders {
            stage: W::NAME,
            topic: self.settings.kafka.names().topic(&delivery.position.partition.topic),
            group: &self.group,
            run_id: correlation.map(|correlation| correlation.run_id).or(at.run_id),
            last,
            trace: &trace,
        };
        // First the letter, then the ledger's note of it: a crash in between repeats both, and the note is kept once.
        let place = match self.produce_letter(message, dead_letter(delivery, &known)).await {
            Ok(place) => place,
            Err(settlement) => return settlement,
        };
        if let Some(place) = place {
            let note = GivenUp {
                run_id: known.run_id,
                source: &delivery.position,
                dead_letter: &place,
                key: at.key,
                code: failure.code,
                reason: &failure.text,
                attempts: *attempts,
                first_failed_at: *first_failed_at,
            };
            let noted = self.insist(message, || self.note(&note)).await;
            if let Err(refused) = noted.and_then(|noted| noted.map_err(|failure| self.halted(message, failure))) {
                return refused;
            }
        }
        self.events.dead_lettered(at, failure.code);
        Settlement::Settled
    }

    /// The ledger's note of a letter.
    async fn note(&self, letter: &GivenUp<'_>) -> Result<(), Failure> {
        let noted = self.work.needs().given_up(W::NAME, letter).await;
        noted.map_err(|error| Failure::from(error).after("could not put a dead letter into the ledger"))
    }

    /// Produces the letter, or as much of it as the topic takes.
    async fn produce_letter(&self, message: &InHand<'_>, letter: Outbound) -> Result<Option<Position>, Settlement> {
        let mut letter = Letter::new(letter);
        loop {
            let refusal = match self.insist(message, || self.send(vec![letter.message.clone()])).await? {
                Ok(places) => return Ok(places.into_iter().next()),
                Err(refusal) => refusal,
            };
            if !letter.leave_out() {
                return Err(self.halted(message, refusal));
            }
            self.events.shortened(&message.at, refusal.code, &refusal);
        }
    }

    fn halted(&self, message: &InHand<'_>, failure: Failure) -> Settlement {
        self.events.halted(&message.at, failure.code, &failure, Duration::ZERO);
        Settlement::Halted(failure)
    }

    /// Tries what must not fail until it does not, or is refused for good: that is the inner error.
    async fn insist<T, F>(
        &self,
        message: &InHand<'_>,
        operation: impl Fn() -> F,
    ) -> Result<Result<T, Failure>, Settlement>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut outage = None;
        let mut waits = 0;
        loop {
            let begun = Instant::now();
            let failure = match operation().await {
                Ok(done) => return Ok(Ok(done)),
                Err(failure) => failure,
            };
            match failure.disposition {
                Disposition::Unavailable | Disposition::Retry => {}
                Disposition::Reject => return Ok(Err(failure)),
                Disposition::Halt => return Err(self.halted(message, failure)),
            }
            waits += 1;
            let pause = self.backoff(waits);
            self.events.unavailable(failure.code, &failure, begun.elapsed(), pause);
            if failure.of == Dependency::Cluster {
                // Without a way to put letters anywhere the stage must not go on: an outage, whatever a probe says.
                outage.get_or_insert_with(|| self.outage.enter(&failure.text));
                self.outage.still(&failure.text);
            } else {
                tokio::select! {
                    // The probe begins the outage, or only this message waits.
                    is_there = self.questions.to(failure.of).ask() => drop(is_there),
                    () = message.stopping.cancelled() => return Err(Settlement::Unsettled),
                }
            }
            if wait(pause, message.stopping).await.is_break() {
                return Err(Settlement::Unsettled);
            }
        }
    }
}

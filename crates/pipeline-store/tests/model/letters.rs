//! Dead letters of the store: written down, and given up by a person.

use std::time::{Duration, SystemTime};

use pipeline_model::{
    contracts::{BatchPlanned, Message, ServiceDiscovered},
    letter::GivenUp,
    place::{Partition, Position},
};
use pipeline_store::{DeadLetter, Deed, Discarded, Error, LetterFilter, LetterState, Store};

use crate::{
    calls::Outcome,
    real::{Real, service_id, small},
    source::{PROVIDERS, SERVICES},
};

const DEED: Deed<'static> = Deed { who: "ada", what: "dlq discard", subject: "a letter", why: "a test", result: "" };

impl Real {
    /// The message of a part is given up once more, and so is its letter. Each part has one letter in all.
    pub async fn discard(
        &self,
        store: &Store,
        run: usize,
        service: usize,
        batch: Option<usize>,
    ) -> Result<Outcome, Error> {
        let (topic, key) = match batch {
            Some(batch) => (BatchPlanned::TOPIC, format!("{}/{batch}", service_id(service))),
            None => (ServiceDiscovered::TOPIC, service_id(service).to_string()),
        };
        let offset = (run * SERVICES + service) * (PROVIDERS + 1) + batch.map_or(PROVIDERS, |batch| batch);
        let partition = Partition { topic: topic.to_owned(), number: 0 };
        let source = Position { partition, offset: offset as i64 };
        let letter = GivenUp {
            run_id: Some(&self.runs[run].to_string()),
            source: &source,
            dead_letter: &source,
            key: Some(&key),
            code: "SLUICE-TARGET-004",
            reason: "a test",
            attempts: 1,
            // Later than whatever was decided about it before.
            first_failed_at: SystemTime::now() + Duration::from_secs(3600),
        };
        store.record_dead_letter("test", &letter).await?;
        let of_run = LetterFilter { run_id: Some(self.runs[run]), ..LetterFilter::default() };
        let letters = store.dead_letters(&of_run, 100).await?;
        let found = letters.into_iter().find(|each| each.source.topic == topic && each.source.offset == source.offset);
        let open = DeadLetter { state: LetterState::Open, ..found.expect("it was recorded") };
        Ok(match store.discard(&open, &DEED).await? {
            Discarded::Batch { providers } => Outcome::DiscardedBatch(small(providers)),
            Discarded::Plan => Outcome::DiscardedPlan,
            Discarded::Nothing => Outcome::DiscardedNothing,
            Discarded::NotOpen | Discarded::Undiscovered => panic!("an open letter of a batch or a plan"),
        })
    }
}

//! Another try for the failed parts of an open run.
//!
//! What failed is set back in the ledger; then every part of the run that is not done is announced to the stages once
//! more, which is harmless for parts that are under way.

use pipeline_model::{
    contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered},
    ids::{BatchNo, Generation, RunId, ServiceId},
};
use pipeline_store::{DeadLetter, LetterFilter, LetterState, Retried, Run, Store};
use serde::Serialize;

use crate::{By, Error, Installation, Operation, open, outbox::Outbox};

/// Which run.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// The run.
    pub run: RunId,
}

/// What is tried again.
#[derive(Clone, Debug, Serialize)]
pub struct Retrying {
    /// The run.
    pub run_id: RunId,
    /// Rejected providers before.
    pub rejected_providers: i64,
    /// What was set back; nothing in a preview.
    #[serde(flatten)]
    pub retried: Option<Retried>,
    /// Services announced to be planned.
    pub services_announced: usize,
    /// Batches announced to be stored.
    pub batches_announced: usize,
}

/// What is to be announced.
#[derive(Debug, Default)]
struct Undone {
    /// The run's own request, when its services are not discovered.
    request: Option<RunRequested>,
    services: Vec<ServiceDiscovered>,
    batches: Vec<BatchPlanned>,
}

impl Operation for Retry {
    type Answer = Retrying;

    async fn preview(&self, at: &Installation<'_>) -> Result<Retrying, Error> {
        let (run, generation) = open::required(at.store, self.run).await?;
        let undone = Undone::read(at.store, &run, generation).await?;
        Ok(Retrying {
            run_id: self.run,
            rejected_providers: rejected_providers(at.store, self.run).await?,
            retried: None,
            services_announced: undone.services.len(),
            batches_announced: undone.batches.len(),
        })
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Retrying>, by: &By) -> Result<Retrying, Error> {
        let (run, generation) = open::still(at.store, self.run, shown.is_some()).await?;
        // Before anything is set back: a registry that is away must not leave parts without a message.
        let outbox = Outbox::prepare(at).await?;
        // Before anything is announced: a letter that is written afterwards may be about what is announced here.
        let of_run = LetterFilter { run_id: Some(self.run), state: Some(LetterState::Open), ..LetterFilter::default() };
        let letters = at.store.dead_letters(&of_run, u32::MAX).await?;
        let rejected_providers = rejected_providers(at.store, self.run).await?;
        let retried = at.store.retry_run(self.run, (&by.who, &by.why)).await?;
        let retried = retried.ok_or_else(|| Error::ended(self.run))?;
        let undone = Undone::read(at.store, &run, generation).await?;
        outbox.send(undone.outbound(&outbox)?).await?;
        let sent: Vec<i64> = letters.iter().filter(|letter| undone.announces(letter)).map(|letter| letter.id).collect();
        at.store.announced_again(self.run, &sent).await?;
        Ok(Retrying {
            run_id: self.run,
            rejected_providers,
            retried: Some(retried),
            services_announced: undone.services.len(),
            batches_announced: undone.batches.len(),
        })
    }
}

async fn rejected_providers(store: &Store, run: RunId) -> Result<i64, Error> {
    Ok(store.progress(run).await?.map_or(0, |progress| progress.providers.rejected))
}

// === impl Undone ===

impl Undone {
    /// From the ledger, like the stages' own messages.
    async fn read(store: &Store, run: &Run, generation: Generation) -> Result<Self, Error> {
        let mut undone = Self::default();
        if !run.discovered {
            undone.request = Some(run.request(&store.identity().await?));
        }
        let discovered = |service_id: ServiceId| ServiceDiscovered {
            run_id: run.run_id.to_string(),
            generation: generation.0,
            service_id: service_id.0,
        };
        undone.services.extend(store.unplanned_services(run.run_id).await?.into_iter().map(discovered));
        for service_id in store.unfinished_services(run.run_id).await? {
            let batches = store.unstored_batches(run.run_id, &service_id).await?;
            undone.batches.extend(batches.into_iter().map(|batch| BatchPlanned {
                run_id: run.run_id.to_string(),
                generation: generation.0,
                service_id: service_id.0.clone(),
                batch_no: batch.batch_no.0,
                provider_ids: batch.provider_ids.into_iter().map(|id| id.0).collect(),
            }));
        }
        Ok(undone)
    }

    fn outbound(&self, outbox: &Outbox) -> Result<Vec<pipeline_kafka::Outbound>, Error> {
        let request = self.request.iter().map(|message| outbox.outbound(message));
        let services = self.services.iter().map(|message| outbox.outbound(message));
        let batches = self.batches.iter().map(|message| outbox.outbound(message));
        request.chain(services).chain(batches).collect()
    }

    /// Whether the message of a letter is among them.
    fn announces(&self, letter: &DeadLetter) -> bool {
        let (topic, service, batch) = (letter.source.topic.as_str(), &letter.service_id, letter.batch_no);
        let is_of = |id: &str| service.as_ref().is_some_and(|service| service.as_str() == id);
        match topic {
            RunRequested::TOPIC => self.request.is_some(),
            ServiceDiscovered::TOPIC => self.services.iter().any(|message| is_of(&message.service_id)),
            BatchPlanned::TOPIC => self
                .batches
                .iter()
                .any(|message| is_of(&message.service_id) && batch == Some(BatchNo(message.batch_no))),
            _ => false,
        }
    }
}

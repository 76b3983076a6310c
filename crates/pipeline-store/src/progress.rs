//! What the ledger says about a run, for people and for exit codes.

use pipeline_model::ids::RunId;
use serde::Serialize;

use crate::{
    Counts, Error, Exceeded, Run, Store,
    database::Session,
    facts::{self, Service, State},
    held::{self, Letters},
    operation::Operation,
};

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The run.
    pub run: Run,
    /// Its services.
    pub services: ServiceProgress,
    /// Its batches.
    pub batches: BatchProgress,
    /// Its providers.
    pub providers: ProviderProgress,
    /// Rows of bundles written by the run.
    pub bundles_written: i64,
    /// Rows of subscription fields written by the run.
    pub fields_written: i64,
    /// Bundles in the generation, as far as it is stored: written ones and those kept from before.
    pub bundles: i64,
    /// Subscription fields in the generation, as far as it is stored.
    pub subscription_fields: i64,
    /// Rows that the run takes out of the views, as far as it is planned and stored.
    pub removed: Counts,
    /// Documents, or their missing owners, whose place in the hierarchy cannot be told.
    pub unreachable: i64,
    /// Why the run waits, when only people can help it on: removals, rejects or dead letters hold what is left.
    pub held: Option<String>,
    /// The bound on removals that holds the run, when one does.
    pub exceeded: Option<Exceeded>,
    /// Every service is planned: the numbers of batches and providers will not grow any more.
    pub planning_complete: bool,
}

/// Services of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceProgress {
    /// All services of the run; unknown until the root stage has finished.
    pub expected: Option<i64>,
    /// In the ledger, in whatever state; vanished ones included.
    pub discovered: i64,
    /// Planned, or further.
    pub planned: i64,
    /// Switched.
    pub activated: i64,
    /// Gone from the source.
    pub removed: i64,
}

/// Batches of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BatchProgress {
    /// In the ledger, in whatever state.
    pub planned: i64,
    /// Stored.
    pub stored: i64,
}

/// Providers of a run. When it is complete, `planned` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProviderProgress {
    /// Found in the source.
    pub planned: i64,
    /// Content written.
    pub stored: i64,
    /// Content the same as before: nothing written.
    pub unchanged: i64,
    /// Broken; the last good content stays.
    pub rejected: i64,
    /// Gone between the plan and the reading.
    pub skipped: i64,
}

impl Store {
    /// How far a run is; `None` when the ledger does not have it.
    pub async fn progress(&self, id: RunId) -> Result<Option<Progress>, Error> {
        let Some(run) = self.run(id).await? else {
            return Ok(None);
        };
        let mut session = self.database.session(Operation::new("read progress of run", id.to_string())).await?;
        let services = facts::read(&mut session, id, None).await?;
        let letters = Letters::read(&mut session, id).await?;
        Ok(Some(Progress::new(run, &services, &letters)))
    }

    /// The rows that readers see in the four views now; counts every row.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let mut session = self.database.session(Operation::new("count rows of", "the views")).await?;
        let [services, providers, bundles, subscription_fields] = self.views.names();
        Ok(Counts {
            services: count(&mut session, &services).await?,
            providers: count(&mut session, &providers).await?,
            bundles: count(&mut session, &bundles).await?,
            subscription_fields: count(&mut session, &subscription_fields).await?,
        })
    }
}

impl ProviderProgress {
    /// Providers that nothing more is done about: stored, unchanged, rejected or skipped.
    pub fn settled(&self) -> i64 {
        self.stored + self.unchanged + self.rejected + self.skipped
    }
}

impl Progress {
    fn new(run: Run, all: &[Service], letters: &Letters) -> Self {
        // A service whose own document is broken is not part of the work.
        let services: Vec<&Service> = all.iter().filter(|service| service.state != State::Rejected).collect();
        let sum = |of: fn(&Service) -> i64| services.iter().map(|service| of(service)).sum::<i64>();
        let discovered = sum(|_| 1);
        let planned = sum(|service| i64::from(service.facts.planned));
        let hold = held::hold(&run, all, letters);
        let (held, exceeded) = hold.map_or((None, None), |hold| (Some(hold.reason), hold.exceeded));
        Self {
            services: ServiceProgress {
                expected: run.discovered.then_some(discovered),
                discovered,
                planned,
                activated: sum(|service| i64::from(service.state == State::Activated)),
                removed: sum(|service| i64::from(service.removed)),
            },
            batches: BatchProgress {
                planned: sum(|service| service.facts.batches),
                stored: sum(|service| service.facts.batches_stored),
            },
            providers: ProviderProgress {
                planned: sum(|service| service.facts.expected_providers),
                stored: sum(|service| service.facts.stored),
                unchanged: sum(|service| service.facts.unchanged),
                rejected: sum(|service| service.facts.all_rejected()),
                skipped: sum(|service| service.facts.skipped),
            },
            bundles_written: sum(|service| service.sums.bundles_written),
            fields_written: sum(|service| service.sums.fields_written),
            bundles: sum(|service| service.sums.bundles),
            subscription_fields: sum(|service| service.sums.fields),
            removed: services.iter().fold(Counts::default(), |sum, service| sum.plus(service.facts.removed)),
            unreachable: facts::unreachable(&run, all),
            held,
            exceeded,
            planning_complete: run.discovered && planned == discovered,
            run,
        }
    }
}

async fn count(session: &mut Session, view: &str) -> Result<i64, Error> {
    session.fetch_one(format!("SELECT COUNT(*) AS found FROM {view}"), &[]).await?.int("found")
}

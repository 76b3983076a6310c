//! When a service may be switched: the fan-in's invariants as pure functions.
//!
//! The activation decides by them, tests state them, and a checker can hold the ledger against them afterwards. Facts
//! only: nothing here reads a database, and no message is counted. While nobody holds the run's row exclusively, facts
//! only advance: a planned service stays planned, a stored batch stays stored. A retry, which holds it, sets both back, and
//! a person may change the tolerance. So an activator asks again under its own lock on that row; then only a reject
//! of another service may still exceed the tolerance before the commit.
//!
//! What closes a proof of a service:
//! - it is planned, and as many batches are in the ledger as the plan says;
//! - all of them are stored;
//! - every provider that was planned is accounted for: stored, unchanged, rejected or skipped;
//! - no rejects of its own hold it, or the run tolerates all that it has.

use crate::{Counts, Tolerance, exceeded::Exceeded};

#[cfg(test)]
mod tests;

/// What the ledger says about one service of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Its plan is committed, or it is activated already.
    pub planned: bool,
    /// Batches that the plan says.
    pub expected_batches: i64,
    /// Providers that the plan says, rejected ones included.
    pub expected_providers: i64,
    /// Providers that the plan itself rejected; they are in no batch.
    pub plan_rejected: i64,
    /// Batches in the ledger.
    pub batches: i64,
    /// Batches that are stored.
    pub batches_stored: i64,
    /// Sums over the stored batches.
    pub stored: i64,
    /// See `stored`.
    pub unchanged: i64,
    /// See `stored`.
    pub rejected: i64,
    /// See `stored`.
    pub skipped: i64,
    /// Those among the rejected ones that a person gave up: accounted for like the others, but holding nothing.
    pub discarded: i64,
    /// Documents, or their missing owners, that could belong to any provider of the service: they hold it.
    pub unreachable: i64,
    /// What readers saw of the service when it was planned.
    pub visible: Counts,
    /// What the service takes out of the views, as far as it is planned and stored.
    pub removed: Counts,
    /// Of that, what a person accepted.
    pub accepted: Counts,
}

/// Rejects of a whole run, against which its tolerance is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectFacts {
    /// Providers rejected by plans and batches and not discarded; a service whose own document is broken counts as one.
    pub rejected: i64,
    /// Providers planned so far.
    pub planned: i64,
    /// Documents, or their missing owners, whose place in the hierarchy cannot be told.
    pub unreachable: i64,
    /// Those among them that could belong to any service: they hold them all.
    pub unreachable_anywhere: i64,
}

/// Why an activation has to wait.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// The root stage has not finished.
    #[error("the services are still being discovered")]
    Discovery,
    /// Some services are not planned yet.
    #[error("{services} services are not planned yet")]
    Plans {
        /// How many.
        services: i64,
    },
    /// Some batches are not stored yet.
    #[error("{batches} batches are not stored yet")]
    Batches {
        /// How many; an attempt to activate stops counting at a hundred.
        batches: i64,
    },
    /// Everything is stored, and more is rejected than tolerated.
    #[error("{}, more than the run tolerates", rejects_in_words(*.rejected, *.planned, *.unreachable))]
    Rejects {
        /// Rejected providers of the run.
        rejected: i64,
        /// Planned providers of the run.
        planned: i64,
        /// Documents, or their missing owners, whose place in the hierarchy cannot be told.
        unreachable: i64,
    },
    /// The service takes rows away and others of the run are not stored yet: only then is it known how much goes in all.
    #[error("it takes rows away, and how much goes in all is known when the rest of the run is stored")]
    Rest,
    /// More would leave the views than may without acceptance.
    #[error("{0}")]
    Removals(Exceeded),
    /// Everything is stored, and the counts do not add up: a broken promise of the ledger.
    #[error("{accounted} of {planned} planned providers are accounted for in {batches} of {expected_batches} batches")]
    Unaccounted {
        /// Providers that the plan says.
        planned: i64,
        /// Providers stored, unchanged, rejected or skipped.
        accounted: i64,
        /// Batches in the ledger.
        batches: i64,
        /// Batches that the plan says.
        expected_batches: i64,
    },
}

impl ServiceFacts {
    /// What the service would take out of the views and nobody has accepted.
    pub fn unaccepted(&self) -> Counts {
        self.removed.without(self.accepted)
    }

    /// All rejected providers of the service.
    pub fn all_rejected(&self) -> i64 {
        self.plan_rejected.saturating_add(self.rejected)
    }

    /// Rejected providers that nobody has decided about: the tolerance is for these.
    pub fn holding(&self) -> i64 {
        self.all_rejected().saturating_sub(self.discarded)
    }

    /// Providers whose fate is known.
    pub fn accounted(&self) -> i64 {
        self.all_rejected().saturating_add(self.stored).saturating_add(self.unchanged).saturating_add(self.skipped)
    }
}

/// Whether everything that was planned for the service is in the target.
pub fn complete(service: &ServiceFacts) -> Result<(), Waiting> {
    if !service.planned {
        return Err(Waiting::Plans { services: 1 });
    }
    let unstored = service.batches.saturating_sub(service.batches_stored);
    if unstored > 0 {
        return Err(Waiting::Batches { batches: unstored });
    }
    if service.batches != service.expected_batches || service.accounted() != service.expected_providers {
        return Err(Waiting::Unaccounted {
            planned: service.expected_providers,
            accounted: service.accounted(),
            batches: service.batches,
            expected_batches: service.expected_batches,
        });
    }
    Ok(())
}

/// Whether a run tolerates its rejects. Every bound that is set must hold; without bounds none is tolerated.
pub fn tolerated(tolerance: &Tolerance, run: &RejectFacts) -> bool {
    let all = run.rejected.saturating_add(run.unreachable);
    if all == 0 {
        return true;
    }
    let within_count = tolerance.max_providers.map(|bound| all <= bound);
    let within_percent = tolerance.max_percent.map(|bound| percent(all, run.planned) <= bound);
    match (within_count, within_percent) {
        (None, None) => false,
        (count, share) => count.unwrap_or(true) && share.unwrap_or(true),
    }
}

/// Whether one service may be switched by itself: it is complete, and if it has rejects, or a document that could be
/// one of its own, the run tolerates them.
pub fn service_closes(service: &ServiceFacts, run: &RejectFacts, tolerance: &Tolerance) -> Result<(), Waiting> {
    complete(service)?;
    let holding = service.holding() > 0 || service.unreachable > 0 || run.unreachable_anywhere > 0;
    if holding { rejects_allow(run, tolerance) } else { Ok(()) }
}

/// Whether all services of a run may be switched at once. `services` are those that are still to be switched.
pub fn run_closes(
    discovered: bool,
    services: &[ServiceFacts],
    run: &RejectFacts,
    tolerance: &Tolerance,
) -> Result<(), Waiting> {
    if !discovered {
        return Err(Waiting::Discovery);
    }
    let unplanned = services.iter().filter(|service| !service.planned).count();
    if unplanned > 0 {
        return Err(Waiting::Plans { services: i64::try_from(unplanned).unwrap_or(i64::MAX) });
    }
    let unstored: i64 =
        services.iter().map(|service| service.batches.saturating_sub(service.batches_stored).max(0)).sum();
    if unstored > 0 {
        return Err(Waiting::Batches { batches: unstored });
    }
    services.iter().try_for_each(complete)?;
    rejects_allow(run, tolerance)
}

fn rejects_allow(run: &RejectFacts, tolerance: &Tolerance) -> Result<(), Waiting> {
    if tolerated(tolerance, run) {
        Ok(())
    } else {
        let RejectFacts { rejected, planned, unreachable, .. } = *run;
        Err(Waiting::Rejects { rejected, planned, unreachable })
    }
}

fn rejects_in_words(rejected: i64, planned: i64, unreachable: i64) -> String {
    let providers = format!("{rejected} of {planned} providers are rejected");
    let documents = match unreachable {
        0 => return providers,
        1 => "1 document or owner of documents has no place in the hierarchy".to_owned(),
        _ => format!("{unreachable} documents or owners of documents have no place in the hierarchy"),
    };
    if rejected == 0 { documents } else { format!("{documents} and {providers}") }
}

/// At most 100: a broken service counts as a reject and has nothing planned, and who tolerates all tolerates it too.
fn percent(rejected: i64, planned: i64) -> f64 {
    if planned <= rejected { 100.0 } else { rejected as f64 * 100.0 / planned as f64 }
}

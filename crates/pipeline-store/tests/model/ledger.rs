//! The ledger of one target as a value: runs, their services and batches, the pointers, and the rows they see.
//!
//! A small, fixed size makes it cheap to copy and to compare: runs, services and providers have numbers instead of
//! ids, and sets are bits. How it changes is in `transactions`.

use pipeline_store::{
    ActivationMode, Tolerance, Waiting,
    proof::{self, RejectFacts, ServiceFacts},
};

use crate::{
    rows::{RUNS, Rows, View},
    source::{PROVIDERS, SERVICES, Sums},
};

/// Services or providers, one bit each.
pub type Set = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Never asked for.
    Unknown,
    Running,
    Activated,
    Aborted,
    Failed,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceState {
    /// Not of this run.
    Absent,
    Discovered,
    Planned,
    Activated,
    /// Its own document is broken.
    Rejected,
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub whole_run: bool,
    /// The services of the run; 0 means all.
    pub scope: Set,
    pub batch_size: u8,
    pub max_providers: Option<u8>,
    pub max_percent: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub state: RunState,
    pub request: Request,
    /// 0 for a run that was refused.
    pub generation: u8,
    pub discovered: bool,
    pub services: [Service; SERVICES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    pub state: ServiceState,
    /// Gone from the source.
    pub removed: bool,
    /// What the plan says: rejected ones included, and of these those in no batch.
    pub providers: u8,
    pub plan_rejected: u8,
    pub batch_count: u8,
    pub batches: [Batch; PROVIDERS],
    /// Content that stays visible although no batch has its provider.
    pub kept: Sums,
    /// Which switch of this service it was.
    pub epoch: u8,
    pub unannounced: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Batch {
    pub providers: Set,
    /// Those that the plan itself found broken after it had put them here.
    pub broken: Set,
    pub stored: bool,
    pub counts: Counts,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    pub stored: u8,
    pub unchanged: u8,
    pub rejected: u8,
    pub skipped: u8,
    /// In the generation, written or kept.
    pub rows: Sums,
    pub written: Sums,
}

/// What decides what readers see of a service. Without an epoch there is none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer {
    pub generation: u8,
    pub previous: u8,
    pub epoch: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub runs: [Run; RUNS],
    pub pointers: [Pointer; SERVICES],
    pub rows: Rows,
}

// === impl Request ===

impl Request {
    pub const PLAIN: Self = Self { whole_run: false, scope: 0, batch_size: 2, max_providers: None, max_percent: None };

    pub fn covers(&self, service: usize) -> bool {
        self.scope == 0 || self.scope & (1 << service) != 0
    }

    pub fn mode(&self) -> ActivationMode {
        if self.whole_run { ActivationMode::WholeRun } else { ActivationMode::PerService }
    }

    pub fn tolerance(&self) -> Tolerance {
        Tolerance { max_providers: self.max_providers.map(i64::from), max_percent: self.max_percent.map(f64::from) }
    }
}

// === impl Run ===

impl Run {
    const UNKNOWN: Self = Self {
        state: RunState::Unknown,
        request: Request::PLAIN,
        generation: 0,
        discovered: false,
        services: [Service::ABSENT; SERVICES],
    };

    pub fn is_open(&self) -> bool {
        self.state == RunState::Running
    }

    /// Its services that are still to be switched.
    pub fn left(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| service.is_left())
    }

    /// What the run's tolerance is held against.
    pub fn rejects(&self) -> RejectFacts {
        let mut rejects = RejectFacts::default();
        for service in &self.services {
            let facts = service.facts();
            rejects.planned += facts.expected_providers;
            rejects.rejected += facts.all_rejected() + i64::from(service.state == ServiceState::Rejected);
        }
        rejects
    }
}

impl Run {
    /// Why nothing of the run will move by itself: everything that is left of it is complete, and rejects hold it.
    pub fn blocked(&self) -> Option<String> {
        let (rejects, tolerance) = (self.rejects(), self.request.tolerance());
        let proof = |service: &Service| proof::service_closes(&service.facts(), &rejects, &tolerance);
        let held = |proof: &Result<(), Waiting>| match proof {
            Ok(()) => self.request.whole_run,
            Err(waiting) => matches!(waiting, Waiting::Rejects { .. }),
        };
        let proofs: Vec<Result<(), Waiting>> = self.left().map(proof).collect();
        if !self.is_open() || !self.discovered || !proofs.iter().all(held) {
            return None;
        }
        let all = (self.request.whole_run && !proofs.is_empty() && !proof::tolerated(&tolerance, &rejects))
            .then_some(Waiting::Rejects { rejected: rejects.rejected, planned: rejects.planned, unreachable: 0 });
        proofs.into_iter().find_map(Result::err).or(all).map(|waiting| waiting.to_string())
    }
}

// === impl Service ===

impl Service {
    const ABSENT: Self = Self {
        state: ServiceState::Absent,
        removed: false,
        providers: 0,
        plan_rejected: 0,
        batch_count: 0,
        batches: [Batch { providers: 0, broken: 0, stored: false, counts: Counts::NONE }; PROVIDERS],
        kept: Sums { bundles: 0, fields: 0 },
        epoch: 0,
        unannounced: false,
    };

    pub fn is_left(&self) -> bool {
        matches!(self.state, ServiceState::Discovered | ServiceState::Planned)
    }

    pub fn planned(&self) -> bool {
        matches!(self.state, ServiceState::Planned | ServiceState::Activated)
    }

    pub fn batches(&self) -> &[Batch] {
        &self.batches[..usize::from(self.batch_count)]
    }

    pub fn unstored(&self) -> i64 {
        self.batches().iter().map(|batch| i64::from(!batch.stored)).sum()
    }

    /// The service as the store's proof wants it.
    pub fn facts(&self) -> ServiceFacts {
        let mut facts = ServiceFacts {
            planned: self.planned(),
            expected_batches: self.batch_count.into(),
            expected_providers: self.providers.into(),
            plan_rejected: self.plan_rejected.into(),
            batches: self.batch_count.into(),
            ..ServiceFacts::default()
        };
        for batch in self.batches() {
            facts.batches_stored += i64::from(batch.stored);
            facts.stored += i64::from(batch.counts.stored);
            facts.unchanged += i64::from(batch.counts.unchanged);
            facts.rejected += i64::from(batch.counts.rejected);
            facts.skipped += i64::from(batch.counts.skipped);
        }
        facts
    }

    /// Rows of the generation, as far as it is stored.
    pub fn rows(&self) -> Sums {
        let mut rows = self.kept;
        self.batches().iter().for_each(|batch| rows.add(batch.counts.rows));
        rows
    }

    pub fn written(&self) -> Sums {
        let mut written = Sums::default();
        self.batches().iter().for_each(|batch| written.add(batch.counts.written));
        written
    }
}

impl Counts {
    const NONE: Self = Self {
        stored: 0,
        unchanged: 0,
        rejected: 0,
        skipped: 0,
        rows: Sums { bundles: 0, fields: 0 },
        written: Sums { bundles: 0, fields: 0 },
    };
}

// === impl Ledger ===

impl Ledger {
    /// A target into which nothing was copied yet.
    pub fn new() -> Self {
        Self { runs: [Run::UNKNOWN; RUNS], pointers: [Pointer::default(); SERVICES], rows: Rows::default() }
    }

    /// The run that is open.
    pub fn open_run(&self) -> Option<usize> {
        self.runs.iter().position(Run::is_open)
    }

    /// What readers see of a service now.
    pub fn view(&self, service: usize) -> View {
        self.rows.view(service, self.pointers[service].generation)
    }

    /// What the timer should try: services of the open run that are complete; or the run itself, by any service that
    /// it has switched, when only its end is missing.
    pub fn activatable(&self) -> Vec<(usize, usize)> {
        let Some(open) = self.open_run() else { return Vec::new() };
        let run = &self.runs[open];
        let complete = |service: &Service| proof::complete(&service.facts()).is_ok();
        let ready = |service: &Service| service.is_left() && complete(service);
        let mut found: Vec<usize> = (0..SERVICES).filter(|service| ready(&run.services[*service])).collect();
        if run.request.whole_run {
            let all = run.discovered && run.left().all(complete);
            found.truncate(usize::from(all));
        }
        if run.discovered && run.left().next().is_none() {
            let switched = |service: &Service| service.state == ServiceState::Activated;
            found.extend(run.services.iter().position(switched));
        }
        found.into_iter().map(|service| (open, service)).collect()
    }
}

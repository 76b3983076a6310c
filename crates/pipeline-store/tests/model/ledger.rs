//! The ledger of one target as a value: runs, their services and batches, the pointers, and the rows they see.
//!
//! A small, fixed size makes it cheap to copy and to compare: runs, services and providers have numbers instead of
//! ids, and sets are bits. How it changes is in `transactions`.

use pipeline_settings::settings::MaxRemoved;
use pipeline_store::{ActivationMode, Tolerance};

use crate::{
    rows::{RUNS, Rows, View},
    rules::Rule,
    source::{PROVIDERS, SERVICES, Sums},
};

/// Services or providers, one bit each.
pub type Set = u8;

/// What a guarded run may take away by itself: of each service, and in all, one provider with a little below it.
pub const BOUND: MaxRemoved = MaxRemoved { percent: 0, services: 1, providers: 1, bundles: 2, subscription_fields: 4 };

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
    /// What it takes away is bounded, by [`BOUND`].
    pub guarded: bool,
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
    /// What readers saw when it was planned, and what of it leaves their sight with a provider.
    pub visible: Levels,
    pub gone: Levels,
    /// What a person accepted.
    pub accepted: Levels,
    /// A retry has planned it again once, so that batches of an older plan may still be about.
    pub set_back: bool,
    /// Open dead letters: one bit for each batch, and [`WHOLE_PLAN`] for the plan.
    pub letters: Set,
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
    /// Providers that a person gave up.
    pub discarded: u8,
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
    /// Rows that leave the views.
    pub lost: Sums,
}

/// Rows of each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Levels {
    pub services: u8,
    pub providers: u8,
    pub below: Sums,
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
    /// The rule that is not kept; see `mutants`.
    pub without: Option<Rule>,
}

// === impl Request ===

impl Request {
    pub const PLAIN: Self =
        Self { whole_run: false, scope: 0, batch_size: 2, max_providers: None, max_percent: None, guarded: false };

    pub fn covers(&self, service: usize) -> bool {
        self.scope == 0 || self.scope & (1 << service) != 0
    }

    pub fn mode(&self) -> ActivationMode {
        if self.whole_run { ActivationMode::WholeRun } else { ActivationMode::PerService }
    }

    pub fn tolerance(&self) -> Tolerance {
        Tolerance { max_providers: self.max_providers.map(i64::from), max_percent: self.max_percent.map(f64::from) }
    }

    pub fn max_removed(&self) -> Option<MaxRemoved> {
        self.guarded.then_some(BOUND)
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
}

// === impl Service ===

impl Service {
    const ABSENT: Self = Self {
        state: ServiceState::Absent,
        removed: false,
        providers: 0,
        plan_rejected: 0,
        batch_count: 0,
        batches: [Batch::NONE; PROVIDERS],
        kept: Sums::NONE,
        visible: Levels::NONE,
        gone: Levels::NONE,
        accepted: Levels::NONE,
        set_back: false,
        letters: 0,
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
}

impl Service {
    /// As it was before its plan; what a person accepted stays.
    pub fn unplanned(&self) -> Self {
        Self {
            state: ServiceState::Discovered,
            removed: self.removed,
            accepted: self.accepted,
            letters: self.letters,
            set_back: true,
            ..Self::ABSENT
        }
    }
}

// === impl Batch ===

impl Batch {
    const NONE: Self = Self { providers: 0, broken: 0, stored: false, discarded: 0, counts: Counts::NONE };
}

// === impl Counts ===

impl Counts {
    pub const NONE: Self = Self {
        stored: 0,
        unchanged: 0,
        rejected: 0,
        skipped: 0,
        rows: Sums::NONE,
        written: Sums::NONE,
        lost: Sums::NONE,
    };

    pub fn accounted(&self) -> u8 {
        self.stored + self.unchanged + self.rejected + self.skipped
    }
}

// === impl Levels ===

impl Levels {
    const NONE: Self = Self { services: 0, providers: 0, below: Sums::NONE };
    pub const ALL: Self =
        Self { services: u8::MAX, providers: u8::MAX, below: Sums { bundles: u8::MAX, fields: u8::MAX } };

    /// What a view shows.
    pub fn of(view: &View) -> Self {
        let providers = view.providers.iter().flatten().count() as u8;
        Self { services: view.service.is_some().into(), providers, below: view.sums() }
    }

    /// Of each level the more.
    pub fn most(&self, other: &Self) -> Self {
        Self {
            services: self.services.max(other.services),
            providers: self.providers.max(other.providers),
            below: Sums {
                bundles: self.below.bundles.max(other.below.bundles),
                fields: self.below.fields.max(other.below.fields),
            },
        }
    }

    /// As the store counts.
    pub fn counts(&self) -> pipeline_store::Counts {
        pipeline_store::Counts {
            services: self.services.into(),
            providers: self.providers.into(),
            bundles: self.below.bundles.into(),
            subscription_fields: self.below.fields.into(),
        }
    }
}

// === impl Ledger ===

impl Ledger {
    /// A target into which nothing was copied yet.
    pub fn new() -> Self {
        Self {
            runs: [Run::UNKNOWN; RUNS],
            pointers: [Pointer::default(); SERVICES],
            rows: Rows::default(),
            without: None,
        }
    }

    /// Whether this rule is in force.
    pub fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// The run that is open.
    pub fn open_run(&self) -> Option<usize> {
        self.runs.iter().position(Run::is_open)
    }

    /// What readers see of a service now.
    pub fn view(&self, service: usize) -> View {
        self.rows.view(service, self.pointers[service].generation)
    }
}

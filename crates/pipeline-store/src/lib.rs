//! Where documents go: MySQL, MariaDB and SQLite behind one API; the ledger, the versioned rows, and activation.
//!
//! The target's database holds both the copy and the proof of what was copied, and every transaction writes the two
//! together. So the ledger is the truth: messages only say that there may be something to do, and handling one twice
//! finds it done. What a caller can rely on:
//!
//! - **Nothing half**: a service is planned, a batch stored, a generation activated completely or not at all.
//! - **Nothing twice**: every operation that is called again gives the recorded result and writes nothing.
//! - **Nothing late**: no transaction of a run commits after the run is closed (`fence.rs`).
//! - **Readers see one generation** of a service, or of a whole run, old or new, at every moment (`activation.rs`).
//! - **What did not change is not written** (`pipeline-compare`, `versions.rs`).
//!
//! | module | holds |
//! |---|---|
//! | `run`, `ending` | opening runs, and ending them early |
//! | `discovery`, `plan`, `content`, `activation` | the transaction of each stage |
//! | [`proof`], [`guard`], `facts` | when a service may be switched: pure functions, and the facts that they judge |
//! | `rollback`, `retry`, `acceptance`, `prune` | going back, trying again, accepting removals, forgetting old generations |
//! | `generations` | which generations can still be read |
//! | `verify`, `invariants` | the copy as documents again; the promises, held to the rows |
//! | `versions`, `rejects`, `fence` | what those transactions are made of |
//! | `dead_letters`, `audit` | messages that were given up, and what people decided |
//! | `announcing` | what of a run has stood still for too long, to be announced again |
//! | [`estimate`] | when a run will end: a pure function, its facts, and what was told before |
//! | `progress`, `held` | what the ledger says about a run, for people |
//! | `connection`, `ready`, `migration` | the handle; whether the database is there; tables and views |
//! | `examination` | whether a target can be worked with: rights, clock |
//! | `identity` | which target this is, and whether a request is meant for it |
//! | `database`, `dialect` | the thin layer over the drivers; everything in which dialects differ |
//! | `load`, `insert` | many rows: as text where the server takes text, else in few statements |

mod acceptance;
mod activation;
mod announcing;
mod audit;
mod clock;
mod connection;
mod content;
mod database;
mod dead_letters;
mod dialect;
mod discovery;
mod ending;
mod error;
pub mod estimate;
mod examination;
mod exceeded;
mod facts;
mod fence;
mod generations;
pub mod guard;
mod held;
mod history;
mod identity;
mod insert;
mod invariants;
mod load;
mod migration;
mod operation;
mod plan;
mod progress;
pub mod proof;
mod prune;
mod ready;
mod rejects;
mod retry;
mod rollback;
mod run;
mod situation;
mod telling;
mod timeline;
mod verify;
mod versions;

pub use pipeline_model::counts::Counts;

pub use acceptance::{Acceptance, Accepted, Loss};
pub use activation::{Activatable, Outcome, ServiceActivation};
pub use announcing::{Again, Part, Undone, announcing_interval};
pub use audit::{Audit, Deed};
pub use connection::Store;
pub use content::{BatchKey, BatchState, StoredBatch};
pub use dead_letters::{DeadLetter, Discarded, LetterFilter, LetterState, Place};
pub use discovery::{Discovered, Discovery};
pub use ending::Aborted;
pub use error::{DriverError, Error};
pub use examination::Examined;
pub use exceeded::Exceeded;
pub use generations::Kept;
pub use held::Hold;
pub use history::Step;
pub use identity::meant_for_another;
pub use insert::{IN_LIST as IDS_PER_QUERY, ROWS as ROWS_PER_STATEMENT};
pub use invariants::{INVARIANTS, Invariant, Violation};
pub use load::TEXT as BYTES_PER_LOAD;
pub use migration::{Migrated, MigrationPlan, Rename};
pub use plan::{Plan, Planned, PlannedBatch};
pub use progress::{BatchProgress, Progress, ProviderProgress, ServiceProgress};
pub use proof::Waiting;
pub use prune::Pruned;
pub use rejects::Reject;
pub use retry::Retried;
pub use rollback::{BEFORE_THE_FIRST, Move, RolledBack};
pub use run::{ActivationMode, Run, RunRequest, RunState, Tolerance};
pub use timeline::{ServiceTimes, Timeline};
pub use versions::OPEN;

/// What a stage finds when it begins a piece of work in the ledger.
#[derive(Debug)]
pub enum Begin<T> {
    /// There is work to do.
    Work(T),
    /// It was done before: only emit again.
    DoneBefore,
    /// The run is not open, or not under this generation: do nothing.
    NotOpen,
    /// The service is rejected as a whole, since its own document is broken: do nothing.
    Rejected,
}

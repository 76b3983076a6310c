//! The fan-in as a model: completion, activation, abort, rollback and fencing as a pure state machine; and the store
//! held against it.
//!
//! The model is small enough to be read: the ledger of one target as a value, and one function for each transaction
//! of the store. It decides by the store's own proof. Around it messages come late, twice, out of order or not at all,
//! and workers die between any two steps.
//!
//! - **The model is right**: `explore` draws more than 100,000 different interleavings, `exhaust` visits every state of
//!   small histories, and `invariants` says what must hold after every step. Every history comes to its end.
//! - **The store follows the model**: `conform` makes the same calls to both, `death` drops them half-way, and `race`
//!   makes three at once, on SQLite and on a server.
//!
//! | module | holds |
//! |---|---|
//! | `source`, `rows`, `ledger` | the state: what is read, what is kept, and who is allowed to see it |
//! | `transactions`, `look` | how the state changes, and what an activator sees of it |
//! | `invariants` | what must hold |
//! | `message`, `system`, `settle`, `coverage` | the pipeline around it |
//! | `script`, `explore`, `exhaust` | ways through it |
//! | `real`, `observed`, `both` | the store, in the model's words |
//! | `conform`, `death`, `race` | the two side by side |
//!
//! Drawn histories come from fixed seeds. `SLUICE_MODEL_SEED=n` draws others, `SLUICE_MODEL_TIMES=n` so many times
//! more; a failure tells its seed, and the smallest history that was found to fail.
//!
//! Not in the model: dead letters and what people decide about them, pruning, and faults that could be any document's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "model/activation.rs"]
mod activation;
#[path = "model/both.rs"]
mod both;
#[path = "model/calls.rs"]
mod calls;
#[path = "model/conform.rs"]
mod conform;
#[path = "model/coverage.rs"]
mod coverage;
#[path = "model/death.rs"]
mod death;
#[path = "model/exhaust.rs"]
mod exhaust;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/histories.rs"]
mod histories;
#[path = "model/hold.rs"]
mod hold;
#[path = "model/invariants.rs"]
mod invariants;
#[path = "model/ledger.rs"]
mod ledger;
#[path = "model/message.rs"]
mod message;
#[path = "model/mutants.rs"]
mod mutants;
#[path = "model/observed.rs"]
mod observed;
#[path = "model/people.rs"]
mod people;
#[path = "model/race.rs"]
mod race;
#[path = "model/real.rs"]
mod real;
#[path = "model/rows.rs"]
mod rows;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/script.rs"]
mod script;
#[path = "model/settle.rs"]
mod settle;
#[path = "model/source.rs"]
mod source;
#[path = "model/system.rs"]
mod system;
#[path = "model/transactions.rs"]
mod transactions;

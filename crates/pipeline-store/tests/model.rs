//! The fan-in as a model: completion, activation, abort, rollback, fencing, and what people decide about an open run, as
//! a pure state machine; and the store held against it.
//!
//! The model is small enough to be read: the ledger of one target as a value, and one function for each transaction
//! of the store. It decides by the store's own proof and guard. Around it messages come late, twice, out of order or not
//! at all, workers sleep over a plan that is taken back, and die between any two steps.
//!
//! - **The model is right**: `explore` draws more than 100,000 different interleavings, `histories` visit every state of
//!   small ones, and `invariants` says what must hold after every step. Every history comes to its end.
//! - **The model would see a fault**: `mutants` takes out one rule of the fan-in after the other (`rules`), and the search
//!   must find an invariant that breaks.
//! - **The store follows the model**: `conform` and `decide` make the same calls to both, `death` drops them half-way, and
//!   `race` makes three at once, on SQLite and on a server.
//!
//! | module | holds |
//! |---|---|
//! | `source`, `rows`, `ledger`, `facts` | the state: what is read, what is kept, and who is allowed to see it |
//! | `calls`, `transactions`, `activation`, `people`, `rules` | how the state changes, and by which rules |
//! | `invariants`, `account` | what must hold, and the second account that it is held against |
//! | `message`, `system`, `persons`, `settle`, `coverage` | the pipeline around it |
//! | `script`, `explore`, `exhaust`, `histories`, `mutants` | ways through it |
//! | `real`, `letters`, `observed`, `hold`, `both` | the store, in the model's words |
//! | `conform`, `decide`, `death`, `race` | the two side by side |
//!
//! Drawn histories come from fixed seeds. `SLUICE_MODEL_SEED=n` draws others, `SLUICE_MODEL_TIMES=n` so many times
//! more; a failure tells its seed, and the smallest history that was found to fail.
//!
//! Not in the model: dead letters of requests and confirmations, and their replay by hand; pruning; and faults that
//! could be any document's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "model/account.rs"]
mod account;
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
#[path = "model/decide.rs"]
mod decide;
#[path = "model/exhaust.rs"]
mod exhaust;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/facts.rs"]
mod facts;
#[path = "model/histories.rs"]
mod histories;
#[path = "model/hold.rs"]
mod hold;
#[path = "model/invariants.rs"]
mod invariants;
#[path = "model/ledger.rs"]
mod ledger;
#[path = "model/letters.rs"]
mod letters;
#[path = "model/message.rs"]
mod message;
#[path = "model/mutants.rs"]
mod mutants;
#[path = "model/observed.rs"]
mod observed;
#[path = "model/people.rs"]
mod people;
#[path = "model/persons.rs"]
mod persons;
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

//! The fan-in as a model: completion, activation, abort, rollback and fencing as a pure state machine, and the store
//! held against it.

#[path = "model/explore.rs"]
mod explore;
#[path = "model/invariants.rs"]
mod invariants;
#[path = "model/ledger.rs"]
mod ledger;
#[path = "model/rows.rs"]
mod rows;
#[path = "model/script.rs"]
mod script;
#[path = "model/source.rs"]
mod source;
#[path = "model/system.rs"]
mod system;
#[path = "model/transactions.rs"]
mod transactions;

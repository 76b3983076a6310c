//! What every deployable shares.
//!
//! | module | holds |
//! |---|---|
//! | [`intake`] | what may be consumed, and how a message is read |
//! | [`stage`] | what a stage is |
//! | [`sink`] | what a sink is |
//! | [`announcing`] | what stages need to announce again what was lost |
//! | [`registry`] | schema ids, the wire format, and a small registry for local mode |
//! | [`runtime`] | the drive loop: decode, handle, emit, acknowledge, commit the contiguous head |
//! | [`worker`] | a stage or sink as a process of its own: its flags, its start and its end |
//! | [`admin`] | the health and metrics endpoint |

pub mod admin;
pub mod announcing;
pub mod intake;
mod listener;
pub mod registry;
pub mod runtime;
pub mod sink;
pub mod stage;
pub mod worker;

//! Faults put into a running pipeline of real processes over real servers, and what must hold after each.
//!
//! | module | gives |
//! |---|---|
//! | [`world`] | servers, links that misbehave, and workers that can be killed, stopped and replaced |
//! | [`checker`] | what must hold after every fault |
//! | [`server`] | a server that is killed and started anew on the same ports and data |
//! | [`fail_points`] | the stages with places where they end on request |
//! | [`observe`] | what a worker says of itself to probes and dashboards |
//! | [`messenger`] | somebody who can write to every topic: repeats, forgeries, rubbish |
//!
//! `docs/reliability.md` lists the cases and what each has shown.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "test code: what cannot be set up is a failed test, and a panic is how a test fails"
)]

mod brokers;
pub mod checker;
pub mod fail_points;
pub mod messenger;
pub mod observe;
pub mod server;
pub mod world;

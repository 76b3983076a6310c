//! What every intake, stage and sink has to keep, as one test for each; whoever writes a new one calls it.
//!
//! | module | holds |
//! |---|---|
//! | [`intake`] | golden messages mean what they say, the same bytes twice mean the same, any bytes mean something |
//! | [`stage`] | the same message twice changes nothing, what cannot be handled is a letter, nothing is left over |
//! | [`sink`] | the same batch twice changes nothing, what cannot be written is a letter, nothing is left over |
//! | [`observed`] | the metrics and spans that each of them shows |
//! | [`world`] | a local broker, a registry, and messages of every kind and size |
//! | [`example`] | the smallest sink, over a real database |
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test code: a contract that is not kept is a failed test, and a panic is how a test fails"
)]

pub mod example;
pub mod intake;
pub mod observed;
pub mod sink;
pub mod stage;
pub mod world;

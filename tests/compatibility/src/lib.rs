//! Schemas as contracts: what the compatibility tests share.
//!
//! | module | gives |
//! |---|---|
//! | [`generator`] | schemas, and the ways in which people change them, from a seed |
//! | [`evolved`] | the stages as their next version, with an evolved record |
//! | [`judge`] | what a real registry says of a schema and its history |
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: a registry that does not answer is a failed test, and a panic is how a test fails"
)]

pub mod evolved;
pub mod generator;
pub mod judge;

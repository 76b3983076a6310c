//! Schemas as contracts: what the compatibility tests share.
//!
//! | module | gives |
//! |---|---|
//! | [`generator`] | schemas, and the ways in which people change them, from a seed |
//! | [`evolved`] | the stages as their next version, with an evolved record |
//! | [`judge`] | what a real registry says of a schema and its history |
//! | [`data`] | data of a schema, from a seed |
//! | [`oracle`] | what Avro's Java library makes of data |
//! | [`shown`] | values of two libraries, made comparable |
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: a registry that does not answer is a failed test, and a panic is how a test fails"
)]

pub mod data;
pub mod evolved;
pub mod generator;
pub mod judge;
pub mod oracle;
pub mod shown;

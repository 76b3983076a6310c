//! The main job over real servers: what the end-to-end tests share.
//!
//! | module | gives |
//! |---|---|
//! | [`pipeline`] | the four stages as processes of their own, over Kafka, a registry and a database |
//! | [`rows`] | what the views hold, and what they should hold according to the source |
//! | [`reader`] | a reader who looks at the views all through a run |
//! | [`canaries`] | secrets that are in use and must be readable nowhere |
//! | [`collector`] | a trace collector behind TLS that keeps what it is sent |
//! | [`folder`] | a small source of files that changes from edition to edition |
//!
//! Every test has a broker and a database of its own, because topics have fixed names; the registry is shared.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "test code: a pipeline that cannot start is a failed test, and a panic is how a test fails"
)]

pub mod canaries;
pub mod collector;
pub mod folder;
pub mod pipeline;
pub mod reader;
pub mod rows;

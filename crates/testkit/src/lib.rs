//! Real servers and real processes for tests: started on free ports, ended whatever becomes of the test.
//!
//! | module | gives |
//! |---|---|
//! | [`mariadb`] | a database server, shared by the tests of one process, with a fresh database for each |
//! | [`jaeger`] | a store of traces that can be asked |
//! | [`kafka`], [`registry`] | one broker or three, and a schema registry with the Confluent API |
//! | [`stack`] | all three, started side by side |
//! | [`avro`] | Avro's Java library, which judges what schemas can read |
//! | [`clock`] | a wall clock of one process that jumps |
//! | [`connect`] | Kafka Connect with a JDBC sink, to be measured against |
//! | [`couchbase`] | a stand-in for Couchbase that speaks its protocols, and misbehaves when told to |
//! | [`generated`] | files of the repository that are made from code |
//! | [`process`] | this workspace's own binaries, with signals, logs and exit codes |
//! | [`prometheus`] | a store of metrics that asks processes, and can be asked |
//! | [`proxy`] | a link that is slow, narrow, cut, refusing or half-open when told to |
//! | [`tls`] | a certificate authority, what it signs, and a listener that shows it |
//! | [`usage`] | memory, file handles, threads and connections that a process holds |
//! | [`variant`] | the deployables built with a feature that only tests want |
//! | [`wait`] | waiting for a condition, never for a time |
//!
//! Everything that a test process starts lives in one folder, `sluice-tests/NAME-PID` in the system's temporary
//! folder. When the process ends, by whatever cause, a janitor ends what it started and removes the folder; if a test
//! failed, the folder stays, with logs, topics and tables, and its path is printed.
//!
//! `cargo xtask setup` installs what is needed. A server that cannot be started fails the test with the end of its log
//! and what to do: the functions here panic, as tests do.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "test code: a server that cannot start is a failed test, and a panic is how a test fails"
)]

pub mod avro;
pub mod clock;
pub mod connect;
pub mod couchbase;
pub mod generated;
pub mod http;
pub mod jaeger;
mod janitor;
pub mod kafka;
pub mod mariadb;
mod ports;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod registry;
mod server;
pub mod stack;
pub mod tls;
pub mod usage;
pub mod variant;
pub mod wait;

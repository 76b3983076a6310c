//! What every stage of Sluice shares.
//!
//! | module | holds |
//! |---|---|
//! | [`ids`], [`documents`] | the names of things and the documents of the hierarchy |
//! | [`contracts`] | the records on the topics, one type for each file in `schemas/` |
//! | [`stage`], [`disposition`] | what a stage is, and what happens when it fails |
//! | [`announcing`] | what stages need to announce again what was lost |
//! | [`registry`] | schema ids, the wire format, and a small registry for local mode |
//! | [`kafka`] | consumer, producer and local broker; the only place that names `rdkafka` |
//! | [`runtime`] | the drive loop: decode, handle, emit, acknowledge, commit the contiguous head |
//! | [`settings`], [`configuration`] | the configuration keys, and how they are layered and checked |
//! | [`files`] | files that are read up to a bound, and files that are made |
//! | [`redaction`] | URLs without their secrets, for whatever people read |
//! | [`distrust`] | why there is no trust between this program and a server |
//! | [`printable`] | text that somebody else wrote, without what steers a terminal |
//! | [`telemetry`], [`admin`] | logs, traces, metrics and the health endpoint |

pub mod admin;
pub mod announcing;
mod answer;
pub mod configuration;
pub mod contracts;
pub mod crash;
pub mod disposition;
pub mod distrust;
pub mod documents;
pub mod error_pages;
pub mod files;
pub mod ids;
pub mod kafka;
mod listener;
#[cfg(feature = "tls")]
mod pem;
pub mod printable;
pub mod redaction;
pub mod registry;
mod renewal;
pub mod runtime;
pub mod service;
pub mod settings;
pub mod stage;
pub mod target_url;
pub mod telemetry;

//! Measures Sluice against its counterparts, each figure as a ratio of two things measured in one run on one machine.
//!
//! | module | gives |
//! |---|---|
//! | [`figures`] | the table of figures, and how each is measured |
//! | [`servers`], [`pipeline`] | the servers that all figures share, and the stages over them |
//! | [`revisions`] | the source on disk, before and after a change |
//! | [`rows`] | the copied rows: counted, dumped, and loaded as fast as the database can |
//! | [`size`] | how much data |
//! | [`statistics`], [`usage`] | medians and percentiles; processor time and memory of a process |
//! | [`results`] | what was measured, kept in `docs/benchmarks.json` |
//! | [`costs`] | `docs/capacity.json`, the constants that `sluice capacity` reckons with |
//! | [`page`], [`plot`] | `docs/benchmarks.md` and `docs/benchmarks.svg`, made from the results |
//!
//! Absolute numbers are told, never asserted: machines differ and are noisy. What is asserted is that both sides of a
//! ratio did the same work.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "measuring code: what cannot be set up cannot be measured, and says so as a test does"
)]
#![expect(clippy::print_stdout, reason = "progress is for the person who measures")]

pub mod costs;
pub mod figures;
pub mod machine;
pub mod page;
pub mod pipeline;
pub mod plot;
pub mod results;
pub mod revisions;
pub mod rows;
pub mod servers;
pub mod size;
pub mod statistics;
pub mod usage;

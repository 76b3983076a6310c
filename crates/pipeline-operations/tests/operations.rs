//! What every operation promises, held against a target, a broker and a registry in this process: looking changes
//! nothing and is not written down; doing leaves one row in the audit; what is not as it was shown any more is refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "operations/letters.rs"]
mod letters;
#[path = "operations/runs.rs"]
mod runs;
#[path = "operations/world.rs"]
mod world;

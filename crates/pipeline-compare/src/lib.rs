//! When two documents are the same, and what differs between them. Pure functions: nothing here reads anything.
//!
//! | module | holds |
//! |---|---|
//! | [`digest`] | when two contents are the same |
//! | [`copied`] | rows of a copy as documents again |
//! | [`difference`] | what differs between a document and its copy, row by row |
//! | [`excused`] | what rejected documents keep in the copy although the source does not show it |
//! | [`changes`] | what readers would see change between two generations |

pub mod changes;
pub mod copied;
pub mod difference;
pub mod digest;
pub mod excused;

pub use copied::{CopiedProvider, CopiedService};
pub use difference::{Difference, Kind};

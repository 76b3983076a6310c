//! May these schemas follow what came before them? The check that stands before a merge, as a library.
//!
//! Which schema may follow another is said by `pipeline-schema`, which reads nothing. Here is what it is asked about: files,
//! their past in git, in a registry or in a folder, the levels and waivers that hold, the columns that fields are kept in,
//! and the messages that still lie in the topics. Nothing here prints; against git and folders nothing needs a network.
//!
//! | module | holds |
//! |---|---|
//! | [`files`], [`past`] | schema files, and what came before each |
//! | [`policy`], [`rules`] | levels and waivers; the names of all rules |
//! | [`check`], [`verdict`] | the check, and what it found |
//! | [`changes`] | what changed, whether it may or not |
//! | [`subjects`], [`old_versions`] | what a registry has, is given, and may forget |

pub mod changes;
pub mod check;
mod error;
pub mod files;
pub mod old_versions;
pub mod past;
pub mod policy;
mod retained;
pub mod rules;
pub mod subjects;
pub mod verdict;

pub use error::Error;

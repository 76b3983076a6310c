//! The rules of Avro schemas: whether what one schema wrote another can read, and whether a schema may follow its
//! history.
//!
//! Everything here is a pure function of texts: no file, no network, no registry. The embedded registry, the stages
//! and `sluice schema check` all ask this crate, so they cannot disagree; a test over hundreds of generated pairs
//! holds it equal to a real registry.
//!
//! | module | holds |
//! |---|---|
//! | [`schema`] | [`Schema`]: types that know their place in the file |
//! | [`parse`] | from text to schema, or every fault in it |
//! | [`references`] | types that another text defines, put where they are used |
//! | [`resolution`] | the specification's rules of schema resolution: [`mismatches`] |
//! | [`level`] | the seven compatibility levels |
//! | [`rule`] | [`Rule`]: the ids of findings, what each means and how to make the change safely |
//! | [`diff`] | what changed between two versions, allowed or not |
//! | [`check`] | [`check()`](check::check): the findings on a schema and its history |

pub mod check;
mod dialect;
pub mod diff;
mod json;
pub mod level;
pub mod parse;
pub mod references;
pub mod resolution;
pub mod rule;
pub mod schema;

pub use check::{Finding, Past, check};
pub use diff::{Change, changes};
pub use level::{Direction, LEVELS, Level};
pub use parse::{Fault, Faults, Lenient};
pub use references::{Completed, Library};
pub use resolution::{Mismatch, Problem, mismatches};
pub use rule::{RULES, Rule, Severity};
pub use schema::{Kind, Place, Schema};

//! The words that everybody uses: no I/O, no server's client.
//!
//! | module | holds |
//! |---|---|
//! | [`ids`], [`documents`], [`counts`] | the names of things, the documents of the hierarchy, and how many there are |
//! | [`contracts`] | the records on the topics, one type for each file in `schemas/` |
//! | [`place`], [`letter`] | places on topics, and what was given up there |
//! | [`needs`] | what a step stands on, and how to ask whether it is there |
//! | [`disposition`], [`chain`], [`code`] | what happens when something fails, all that an error says, and its code |

pub mod chain;
pub mod code;
pub mod contracts;
pub mod counts;
pub mod disposition;
pub mod documents;
pub mod ids;
pub mod letter;
pub mod needs;
pub mod place;

//! What is known of a message that nobody could handle.

use std::time::SystemTime;

use crate::place::Position;

/// A message that was given up.
#[derive(Clone, Debug)]
pub struct GivenUp<'a> {
    /// The run that it belongs to, canonical text, when that could be read.
    pub run_id: Option<&'a str>,
    /// Where the message lies.
    pub source: &'a Position,
    /// Where its dead letter lies.
    pub dead_letter: &'a Position,
    /// The message's key, when that is text.
    pub key: Option<&'a str>,
    /// The failure's code.
    pub code: &'static str,
    /// The failure and its causes, at most 1 KiB.
    pub reason: &'a str,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed first.
    pub first_failed_at: SystemTime,
}

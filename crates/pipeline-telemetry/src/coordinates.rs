//! Where a message is.

use super::context::TraceContext;

/// Where a message is, and what it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Coordinates<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key, when that is text.
    pub key: Option<&'a str>,
    /// The group that consumes it.
    pub group: &'a str,
    /// Its run, canonical text; not known of a message that cannot be decoded.
    pub run_id: Option<&'a str>,
    /// Its place in the trace, once it has one.
    pub trace: Option<TraceContext>,
}

//! A bound of the guard against shrinkage that a run would pass.

use std::fmt;

use pipeline_model::{documents::Level, ids::ServiceId};
use serde::{Serialize, Serializer};

/// A bound that a run would pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exceeded {
    /// The service that would lose too much; none when it is the run in all.
    pub service_id: Option<ServiceId>,
    /// The level of the rows: `provider_service`, `provider`, `bundle` or `subscription_field`.
    #[serde(serialize_with = "word")]
    pub level: Level,
    /// Rows that would leave the views and that nobody has accepted.
    pub removed: i64,
    /// Rows that readers see now.
    pub visible: i64,
    /// Rows that may leave the views by themselves.
    pub allowed: i64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service_id, level, removed, visible, allowed } = self;
        let rows = match level {
            Level::Service => "services",
            Level::Provider => "providers",
            Level::Bundle => "bundles",
            Level::SubscriptionField => "subscription fields",
        };
        match service_id {
            Some(id) => write!(f, "service `{id}` would lose {removed} of {visible} {rows}")?,
            None => write!(f, "the run would take away {removed} of {visible} {rows} in all")?,
        }
        write!(f, ", and only {allowed} may go without acceptance")
    }
}

fn word<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.as_str())
}

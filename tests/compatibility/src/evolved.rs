//! The stages as their next version: built from the same sources with the feature `evolved-contracts`, and called
//! `NAME-evolved`.

use testkit::variant::Variant;

/// The schema of the evolved record.
pub const CONFIRMED: &str = include_str!("../evolved/sluice.sync.confirmed.v1.avsc");

/// The stages that write or read the evolved record.
pub static STAGES: Variant =
    Variant::new("evolved-contracts", "evolved", &["stage-providers", "stage-bundles", "stage-activator"]);

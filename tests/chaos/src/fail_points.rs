//! The stages with fail points in them, called `NAME-with-fail-points`; see `pipeline_telemetry::crash`.

use testkit::variant::Variant;

/// The four deployables.
pub static STAGES: Variant = Variant::new(
    "failpoints",
    "with-fail-points",
    &["stage-root", "stage-providers", "stage-bundles", "stage-activator"],
);

//! What a row, a batch, a provider and a message cost: `docs/capacity.json`, of which `cargo xtask bench` writes what it
//! measures.

use serde::{Deserialize, Serialize};

/// The file, as it was when this program was built.
pub(super) const CONSTANTS: &str = include_str!("../../../../../docs/capacity.json");

/// Constants in seconds and bytes; docs/capacity.md says what each is and where it was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Costs {
    pub(super) database_cpu_per_row: f64,
    pub(super) stages_cpu_per_row: f64,
    pub(super) reading_cpu_per_row: f64,
    pub(super) database_cpu_per_insert: f64,
    pub(super) stages_cpu_per_insert: f64,
    pub(super) utilisation: f64,
    pub(super) start: f64,
    pub(super) provider_disk: f64,
    pub(super) provider_content_disk: f64,
    pub(super) bundle_disk: f64,
    pub(super) subscription_field_disk: f64,
    pub(super) log_per_row: f64,
    pub(super) page_writes: f64,
    pub(super) more_disk: f64,
    pub(super) ledger_per_provider: f64,
    pub(super) ledger_per_service: f64,
    pub(super) stage_memory: f64,
    pub(super) memory_per_document_byte: f64,
    pub(super) index_memory_per_provider: f64,
    pub(super) plan_memory_per_provider: f64,
    pub(super) batch_message: f64,
    pub(super) id_in_batch_message: f64,
    pub(super) other_message: f64,
    pub(super) bundle_document: f64,
    pub(super) field_document: f64,
}

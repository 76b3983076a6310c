//! The rules beyond the schemas themselves, and the names of all rules.

use pipeline_schema::{RULES, Rule};

/// A message in a topic cannot be read.
pub const UNREADABLE: &str = "TOPIC_MESSAGE_UNREADABLE";
/// Nothing says where a field is kept.
pub const FIELD_UNMAPPED: &str = "FIELD_WITHOUT_COLUMN";
/// A column that no migration makes.
pub const COLUMN_MISSING: &str = "COLUMN_WITHOUT_MIGRATION";
/// A mapping of a field that is not there.
pub const MAPPING_STALE: &str = "COLUMN_MAPPING_STALE";
/// A waiver whose last day has passed.
pub const WAIVER_EXPIRED: &str = "WAIVER_EXPIRED";
/// A waiver that nothing needs.
pub const WAIVER_UNUSED: &str = "WAIVER_UNUSED";

/// Those rules, with what each finds.
pub const OTHER_RULES: [(&str, &str); 6] = [
    (UNREADABLE, "a message in a topic cannot be read with the proposed schema"),
    (FIELD_UNMAPPED, "nothing says where a field is kept"),
    (COLUMN_MISSING, "a field is to be kept in a column that no migration makes"),
    (MAPPING_STALE, "columns.toml speaks of a field that is not there"),
    (WAIVER_EXPIRED, "a waiver's last day has passed"),
    (WAIVER_UNUSED, "a waiver that nothing needs"),
];

/// The rules that a waiver may name.
pub fn rule_ids() -> Vec<&'static str> {
    let others = OTHER_RULES.into_iter().map(|(id, _)| id);
    RULES.iter().copied().map(Rule::id).chain(others).collect()
}

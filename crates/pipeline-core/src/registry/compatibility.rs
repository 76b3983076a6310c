//! Whether schemas go together, asked with their texts. The rules are those of `pipeline-schema`; here they get words.

use pipeline_schema::{Finding, Mismatch, Past, Schema, mismatches};

pub use pipeline_schema::Level;

#[cfg(test)]
mod tests;

/// Whether everything that `writer` can write is readable with `reader`; the error says what is not, and where.
pub fn can_read(writer: &str, reader: &str) -> Result<(), String> {
    verdict(&mismatches(&written(writer)?, &parse(reader)?))
}

/// Whether at least some of what `writer` can write is readable with `reader`.
pub(super) fn may_read(writer: &str, reader: &str) -> Result<(), String> {
    let mut found = mismatches(&written(writer)?, &parse(reader)?);
    found.retain(|mismatch| !mismatch.partial);
    verdict(&found)
}

/// What keeps `new` from following `history` (version and schema, oldest first), one sentence each; empty when it may.
pub(super) fn conflicts(new: &Schema, history: &[(u32, &Schema)], level: Level) -> Vec<String> {
    let labels: Vec<String> = history.iter().map(|(version, _)| format!("version {version}")).collect();
    let past: Vec<Past<'_>> = labels.iter().zip(history).map(|(label, (_, schema))| Past { label, schema }).collect();
    let found = pipeline_schema::check(new, &past, level);
    let conflicts = |finding: &&Finding| {
        // What is wrong with the new schema alone is no conflict.
        finding.rule.severity() == pipeline_schema::Severity::Error && !finding.versions.is_empty()
    };
    found.iter().filter(conflicts).map(sentence).collect()
}

fn sentence(finding: &Finding) -> String {
    let Finding { rule, path, message, versions, .. } = finding;
    format!("{rule} at {path}: {message}; {} ({})", finding.breakage(), versions.join(", "))
}

/// The schema of messages that are there: it cannot be corrected any more.
fn written(text: &str) -> Result<Schema, String> {
    let read = Schema::parse_lenient(text).map_err(|faults| format!("not a valid schema: {faults}"))?;
    Ok(read.schema)
}

fn parse(text: &str) -> Result<Schema, String> {
    Schema::parse(text).map_err(|faults| format!("not a valid schema: {faults}"))
}

fn verdict(found: &[Mismatch]) -> Result<(), String> {
    if found.is_empty() {
        return Ok(());
    }
    Err(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

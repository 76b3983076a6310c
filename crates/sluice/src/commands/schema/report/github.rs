//! Workflow commands of GitHub: annotations on the line of the change, and the summary of the step.

use pipeline_schema::Severity;

use schema_gate::verdict::{Entry, Verdict};

/// One workflow command for each finding.
pub(super) fn annotations(verdict: &Verdict) -> String {
    verdict.entries.iter().map(annotation).collect()
}

fn annotation(entry: &Entry) -> String {
    let command = match (&entry.waived, entry.severity) {
        (Some(_), _) => "notice",
        (None, Severity::Error) => "error",
        (None, Severity::Warning) => "warning",
    };
    let Entry { rule, file, line, column, end_column, message, advice, .. } = entry;
    let mut said = vec![message.clone()];
    said.extend(Some(entry.consequence()).filter(|text| !text.is_empty()).map(|text| format!("Breaks: {text}")));
    said.push(entry.waived.as_ref().map_or_else(|| format!("Safe: {advice}"), |reason| format!("Waived: {reason}")));
    let place = format!("line={line},endLine={line},col={column},endColumn={end_column}");
    format!("::{command} file={},{place},title={rule}::{}\n", property(file), data(&said.join("\n")))
}

/// The summary, in Markdown.
pub(super) fn summary(verdict: &Verdict) -> String {
    let (errors, warnings, waived) = verdict.counts();
    let mark = if verdict.passes() { "✅" } else { "❌" };
    let mut out = format!(
        "## {mark} Schemas against `{}`\n\n{errors} errors, {warnings} warnings, {waived} waived\n\n",
        verdict.against
    );
    out.push_str("| subject | level | versions | verdict |\n|---|---|--:|---|\n");
    for subject in &verdict.subjects {
        let schema_gate::verdict::Subject { subject, level, versions, state, .. } = subject;
        out.push_str(&format!("| `{subject}` | {level} | {versions} | {state} |\n"));
    }
    for entry in &verdict.entries {
        let Entry { rule, message, file, line, advice, .. } = entry;
        let waived = entry.waived.as_ref().map(|reason| format!(" Waived: {reason}.")).unwrap_or_default();
        out.push_str(&format!("\n**{rule}** `{file}:{line}`: {message}. {}\n", entry.consequence()));
        out.push_str(&format!("Safe: {advice}.{waived}\n"));
    }
    out.push('\n');
    out
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

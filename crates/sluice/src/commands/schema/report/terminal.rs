//! For people: each finding with its line, what breaks, and how to do it safely.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use pipeline_schema::Severity;

use crate::text;
use schema_gate::verdict::{Entry, Verdict};

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const BLUE: Style = AnsiColor::Blue.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// Of a verdict that is printable.
pub(super) fn render(verdict: &Verdict) -> String {
    let mut out = String::new();
    for entry in &verdict.entries {
        out.push_str(&finding(entry));
        out.push('\n');
    }
    out.push_str(&sums(verdict));
    out
}

fn finding(entry: &Entry) -> String {
    let (style, word) = match (&entry.waived, entry.severity) {
        (Some(_), _) => (GREEN, "waived"),
        (None, Severity::Error) => (RED, "error"),
        (None, Severity::Warning) => (YELLOW, "warning"),
    };
    let Entry { rule, message, file, line, column, .. } = entry;
    let width = line.to_string().len();
    let mut out = format!("{style}{word}[{rule}]{style:#}: {message}\n");
    push(&mut out, format_args!("{:width$}{BLUE}-->{BLUE:#} {file}:{line}:{column}\n", ""));
    if let Some(source) = &entry.source {
        let (indent, marks) = (column - 1, "^".repeat(entry.end_column.saturating_sub(*column).max(1)));
        push(&mut out, format_args!("{:width$} {BLUE}|{BLUE:#}\n", ""));
        push(&mut out, format_args!("{BLUE}{line} |{BLUE:#} {source}\n"));
        let path = if entry.path.is_empty() { String::new() } else { format!(" {}", entry.path) };
        push(&mut out, format_args!("{:width$} {BLUE}|{BLUE:#} {:indent$}{style}{marks}{style:#}{path}\n", "", ""));
    }
    let mut note = |word: &str, text: &str| {
        if !text.is_empty() {
            push(&mut out, format_args!("{:width$} {BLUE}={BLUE:#} {word}: {text}\n", ""));
        }
    };
    note("breaks", &entry.consequence());
    if let Some(level) = entry.level {
        note("level", &format!("{level} for {}", entry.subject));
    }
    match &entry.waived {
        Some(reason) => note("waived", reason),
        None => note("safe", &entry.advice),
    }
    out
}

fn sums(verdict: &Verdict) -> String {
    let count = |state: &str| verdict.subjects.iter().filter(|subject| subject.state == state).count();
    let states = ["incompatible", "invalid", "changed", "new", "unchanged"];
    let states = states.map(|state| (count(state), state)).into_iter().filter(|(count, _)| *count > 0);
    let states: Vec<String> = states.map(|(count, state)| format!("{count} {state}")).collect();
    let (errors, warnings, waived) = verdict.counts();
    let schemas = text::plural(verdict.subjects.len(), "schema");
    let waived = if waived > 0 { format!(", {waived} waived") } else { String::new() };
    let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
    format!(
        "{schemas} against {}{states}: {}, {}{waived}\n",
        verdict.against,
        text::plural(errors, "error"),
        text::plural(warnings, "warning")
    )
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    if text.write_fmt(part).is_err() {
        text.push('\n');
    }
}

//! JUnit XML: one suite, one test case for each schema, one failure for each finding that keeps it out.

use schema_gate::verdict::{Entry, Verdict};

/// Of a verdict that is printable.
pub(super) fn render(verdict: &Verdict) -> String {
    let mut cases: Vec<(&str, &str)> =
        verdict.subjects.iter().map(|subject| (subject.subject.as_str(), subject.file.as_str())).collect();
    // What is not there any more has no schema to stand for it.
    for entry in &verdict.entries {
        if !cases.iter().any(|(subject, file)| *subject == entry.subject && *file == entry.file) {
            cases.push((&entry.subject, &entry.file));
        }
    }
    let fatal =
        |case: &(&str, &str)| verdict.entries.iter().filter(|entry| of(entry, case) && entry.is_fatal()).count();
    let failed = cases.iter().filter(|case| fatal(case) > 0).count();
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    let name = escape(&format!("schemas against {}", verdict.against));
    out.push_str(&format!("  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\">\n", cases.len()));
    for case in &cases {
        let (subject, file) = (escape(case.0), escape(case.1));
        out.push_str(&format!("    <testcase name=\"{subject}\" classname=\"schemas\" file=\"{file}\">\n"));
        let found: Vec<&Entry> = verdict.entries.iter().filter(|entry| of(entry, case)).collect();
        for entry in found.iter().filter(|entry| entry.is_fatal()) {
            let (rule, message) = (entry.rule, escape(&entry.message));
            out.push_str(&format!("      <failure type=\"{rule}\" message=\"{message}\">"));
            out.push_str(&escape(&said(entry)));
            out.push_str("</failure>\n");
        }
        let other: Vec<String> = found.iter().filter(|entry| !entry.is_fatal()).map(|entry| said(entry)).collect();
        if !other.is_empty() {
            out.push_str(&format!("      <system-out>{}</system-out>\n", escape(&other.join("\n"))));
        }
        out.push_str("    </testcase>\n");
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn of(entry: &Entry, case: &(&str, &str)) -> bool {
    (entry.subject.as_str(), entry.file.as_str()) == *case
}

fn said(entry: &Entry) -> String {
    let Entry { rule, file, line, column, message, advice, .. } = entry;
    let waived = entry.waived.as_ref().map(|reason| format!("\nwaived: {reason}")).unwrap_or_default();
    format!("{file}:{line}:{column}: {rule}: {message}\nbreaks: {}\nsafe: {advice}{waived}", entry.consequence())
}

/// XML's own characters, and those that it does not allow at all.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

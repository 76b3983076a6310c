use std::path::Path;

use pipeline_schema::{Level, Past, Schema, Severity, check};
use schema_gate::files::SchemaFile;
use serde_json::Value;

use super::*;

/// A verdict with an error, a waived finding, a warning, and a schema that passes.
fn verdict() -> Verdict {
    let file = SchemaFile {
        path: "schemas/a b.avsc".into(),
        inside: "a b.avsc".into(),
        subject: "a b-value".to_owned(),
        fault: None,
        whole: None,
        text: Some(
            "{\"type\": \"record\", \"name\": \"R\", \"fields\": [\n\t{\"name\": \"n\", \"type\": \"string\"},\n\t{\"name\": \"m\", \"type\": \"int\"}]}\n"
                .to_owned(),
        ),
    };
    let old = Schema::parse(r#"{"type":"record","name":"R","fields":[{"name":"n","type":"int"}]}"#).unwrap();
    let new = Schema::parse(file.text.as_deref().unwrap()).unwrap();
    let level = Level::FullTransitive;
    let findings = check(&new, &[Past { label: "1a2b3c4", schema: &old }], level);
    let mut verdict = Verdict::new("git:main".to_owned());
    verdict.subjects.push(Subject { state: "incompatible", ..Subject::new(&file.subject, &file.path, level, 1) });
    let fine = Path::new("schemas/fine.avsc");
    verdict.subjects.push(Subject { state: "unchanged", ..Subject::new("fine-value", fine, level, 2) });
    verdict.entries = findings.into_iter().map(|finding| Entry::of(&file, level, finding)).collect();
    verdict.entries[1].waived = Some("never <written>".to_owned());
    let (path, severity) = (Path::new("schemas/compatibility.toml"), Severity::Warning);
    let message = "nothing needs the waiver".to_owned();
    verdict.entries.push(Entry::plain("fine-value", path, "WAIVER_UNUSED", severity, message, "remove it"));
    verdict
}

#[test]
fn people_see_the_line_who_breaks_and_what_to_do() {
    let plain = anstream::adapter::strip_str(&render(&verdict(), Format::Text).unwrap()).to_string();
    insta::assert_snapshot!(plain);
}

#[test]
fn github_shows_the_finding_on_its_line() {
    insta::assert_snapshot!(render(&verdict(), Format::Github).unwrap());
    insta::assert_snapshot!("github_summary", github::summary(&verdict()));
}

#[test]
fn junit_has_a_case_for_each_schema_and_a_failure_for_what_keeps_it_out() {
    insta::assert_snapshot!(render(&verdict(), Format::Junit).unwrap());
}

#[test]
fn sarif_has_what_the_standard_requires() {
    let log: Value = serde_json::from_str(&render(&verdict(), Format::Sarif).unwrap()).unwrap();
    // §3.13: version and runs are required; §3.14: tool; §3.18: driver; §3.19: name.
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().starts_with("https://"));
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "sluice");
    // §3.14.17: one of two values.
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    // §3.49: each rule has a stable id, which shall be unique.
    let ids: Vec<&str> = driver["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(ids.iter().enumerate().all(|(place, id)| !ids[..place].contains(id)));
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        // §3.27: message is required; ruleId names a rule of the driver; level is one of four.
        assert!(ids.contains(&result["ruleId"].as_str().unwrap()));
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let physical = &result["locations"][0]["physicalLocation"];
        // §3.4.3: a relative reference, valid as a URI.
        let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("schemas/") && !uri.contains(' '), "{uri}");
        // §3.30: lines and columns count from 1, and the end does not lie before the start.
        let region = &physical["region"];
        let number = |key: &str| region[key].as_u64().unwrap();
        assert!(number("startLine") >= 1 && number("startColumn") >= 1 && number("endColumn") >= number("startColumn"));
        // §3.27.23: a suppressed result says how (§3.35: kind is required).
        for suppression in result["suppressions"].as_array().into_iter().flatten() {
            assert_eq!((&suppression["kind"], &suppression["status"]), (&"external".into(), &"accepted".into()));
        }
    }
    assert_eq!(results.iter().filter(|result| result.get("suppressions").is_some()).count(), 1);
}

#[test]
fn json_names_every_field_of_a_finding() {
    let json: Value = serde_json::from_str(&render(&verdict(), Format::Json).unwrap()).unwrap();
    let finding = &json["findings"][0];
    assert_eq!(finding["rule"], "AVRO_TYPE_CHANGED");
    assert_eq!(finding["file"], "schemas/a b.avsc");
    assert_eq!((&finding["line"], &finding["path"]), (&2.into(), &"R.n".into()));
    assert_eq!(finding["breaks"], serde_json::json!(["backward", "forward"]));
    assert_eq!(finding["versions"], serde_json::json!(["1a2b3c4"]));
}

#[test]
fn what_somebody_has_pushed_is_no_command_of_a_pipeline_and_steers_no_terminal() {
    let evil = "a\n::error file=x::owned\r\u{1b}[2J\u{202e}##[group]b";
    let mut verdict = verdict();
    verdict.subjects[0].subject = evil.to_owned();
    for entry in &mut verdict.entries {
        (entry.subject, entry.file, entry.path) = (evil.to_owned(), evil.to_owned(), evil.to_owned());
        (entry.message, entry.versions) = (evil.to_owned(), vec![evil.to_owned()]);
        entry.source = entry.source.as_ref().map(|_| evil.to_owned());
    }
    for format in [Format::Text, Format::Junit, Format::Github] {
        let text = render(&verdict, format).unwrap();
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert!(plain.chars().all(|c| c == '\n' || is_printable(c)), "{format:?}: {plain:?}");
        assert!(!plain.lines().any(|line| line.trim_start().starts_with("::error file=x::")), "{format:?}: {plain}");
        assert!(!plain.contains("##["), "{format:?}: {plain}");
    }
    let json: Value = serde_json::from_str(&render(&verdict, Format::Json).unwrap()).unwrap();
    assert_eq!(json["findings"][0]["message"], evil);
}

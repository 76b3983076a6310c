//! Nothing of the past is left out: what cannot be read is a finding, and what can be is compared.

use super::*;

const TEXT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

/// What is said when a file follows this text.
fn after(before: &str, now: &str) -> Vec<(&'static str, bool)> {
    rules(&Case::new(&[("r.avsc", before)], &[("r.avsc", now)]).judge(None))
}

#[test]
fn a_past_that_only_some_programs_read_is_compared() {
    for before in [format!("\u{feff}{TEXT}"), format!("/* licence */\n{TEXT}"), format!("// licence\n{TEXT}")] {
        assert_eq!(after(&before, OLD), [("AVRO_PAST_ODD", false), ("AVRO_TYPE_CHANGED", false)]);
    }
    let safe = OLD.replace("\"R\"", "\"R\",\"doc\":\"new\"");
    let case = Case::new(&[("r.avsc", &format!("\u{feff}{OLD}"))], &[("r.avsc", &safe)]);
    assert!(case.judge(None).passes());
}

#[test]
fn a_past_that_is_no_valid_schema_is_a_finding_and_compared_where_it_has_one_meaning() {
    let invalid_default = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},
        {"name":"n","type":["int","null"],"default":"null"}]}"#;
    let found = after(invalid_default, OLD);
    assert!(
        found.contains(&("AVRO_PAST_INVALID", false)) && found.contains(&("AVRO_TYPE_CHANGED", false)),
        "{found:?}"
    );
    // Its readers have no default that they could use.
    assert!(found.contains(&("AVRO_FIELD_REMOVED_WITHOUT_DEFAULT", false)), "{found:?}");
    let hyphen = TEXT.replace("\"R\"", "\"R\",\"namespace\":\"my-shop\"");
    assert_eq!(after(&hyphen, OLD), [("AVRO_PAST_INVALID", false), ("AVRO_TYPE_CHANGED", false)]);
    let hyphen = OLD.replace("\"R\"", "\"R\",\"namespace\":\"my-shop\"");
    assert_eq!(after(&hyphen, OLD), [("AVRO_PAST_INVALID", false)], "also where nothing else is wrong");
}

#[test]
fn a_past_that_cannot_be_read_is_a_finding_unless_the_level_asks_nothing() {
    for before in ["", "{", "version https://git-lfs.github.com/spec/v1", r#"{"type":"record","name":"R"}"#] {
        assert_eq!(after(before, OLD), [("AVRO_PAST_INVALID", false)], "{before}");
        assert!(Case::new(&[("r.avsc", before)], &[("r.avsc", OLD)]).judge(Some(Level::None)).passes());
    }
    let referring = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"nowhere.T"}]}"#;
    assert_eq!(after(referring, OLD), [("AVRO_PAST_INVALID", false)]);
    let case = Case::new(&[("r.avsc", "x")], &[("r.avsc", OLD)]);
    std::fs::write(case.before.path().join("r.avsc"), b"\xff\xfe{\0}\0").unwrap();
    assert!(case.judge(None).entries[0].message.contains("UTF-16"));
}

#[cfg(unix)]
#[test]
fn links_and_pipes_of_the_past_are_findings_and_nothing_waits_for_them() {
    let case = Case::new(&[], &[("r.avsc", OLD)]);
    let past = case.before.path().join("r.avsc");
    std::os::unix::fs::symlink("nowhere", &past).unwrap();
    assert_eq!(rules(&case.judge(None)), [("AVRO_PAST_INVALID", false)]);
    std::fs::remove_file(&past).unwrap();
    std::fs::write(case.before.path().join("text"), TEXT).unwrap();
    std::os::unix::fs::symlink("text", &past).unwrap();
    assert_eq!(rules(&case.judge(None)), [("AVRO_TYPE_CHANGED", false)]);
    std::fs::remove_file(&past).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&past).status().unwrap().success());
    assert_eq!(rules(&case.judge(None)), [("AVRO_PAST_INVALID", false)]);
}

#[test]
fn an_invalid_past_may_be_waived() {
    let waiver = waiver("", "2027-01-01").replace("AVRO_FIELD_ADDED_WITHOUT_DEFAULT", "AVRO_PAST_INVALID");
    let waiver = waiver.replace("path = \"\"\n", "");
    let case = Case::new(&[("r.avsc", "{")], &[("r.avsc", OLD), ("compatibility.toml", &waiver)]);
    assert_eq!(rules(&case.judge(None)), [("AVRO_PAST_INVALID", true)]);
    assert!(case.judge(None).passes());
}

#[test]
fn files_of_one_name_keep_each_its_own_past() {
    let (billing, shipping) = (OLD.replace("\"R\"", "\"billing.R\""), TEXT.replace("\"R\"", "\"shipping.R\""));
    let both: [(&str, &str); 2] = [("billing/r.avsc", &billing), ("shipping/r.avsc", &shipping)];
    let case = Case::new(&both, &both);
    let verdict = case.judge(None);
    assert_eq!((rules(&verdict), verdict.subjects.len()), (vec![], 2));
    // Each becomes what the other was, as a record of one name.
    let case = Case::new(&[("a/r.avsc", OLD), ("b/r.avsc", TEXT)], &[("a/r.avsc", TEXT), ("b/r.avsc", TEXT)]);
    let verdict = case.judge(None);
    assert_eq!(rules(&verdict), [("AVRO_TYPE_CHANGED", false)]);
    assert!(verdict.entries[0].file.ends_with("a/r.avsc"));
    // One is gone, and its name is still there.
    let gone = Case::new(&both, &[("billing/r.avsc", &billing)]).judge(None);
    assert_eq!(rules(&gone), [("AVRO_SCHEMA_REMOVED", false)]);
    assert!(gone.entries[0].file.ends_with("shipping/r.avsc"));
}

#[test]
fn a_moved_file_keeps_its_past() {
    let case = Case::new(&[("a/r.avsc", OLD)], &[("b/c/r.avsc", TEXT)]);
    assert_eq!(rules(&case.judge(None)), [("AVRO_TYPE_CHANGED", false)]);
    let (billing, shipping) = (OLD.replace("\"R\"", "\"billing.R\""), TEXT.replace("\"R\"", "\"shipping.R\""));
    let before: [(&str, &str); 2] = [("a/r.avsc", &billing), ("b/r.avsc", &shipping)];
    let case = Case::new(&before, &[("c/r.avsc", &shipping), ("d/r.avsc", &billing)]);
    assert_eq!(rules(&case.judge(None)), [], "of several with the name, the one that defines the record");
    // Two files became one, and nobody can tell which: it is held against both.
    let case = Case::new(&[("a/r.avsc", OLD), ("b/r.avsc", TEXT)], &[("c/r.avsc", OLD)]);
    assert_eq!(rules(&case.judge(Some(Level::Full))), [("AVRO_TYPE_CHANGED", false)]);
}

#[test]
fn a_file_may_use_the_types_of_the_others_and_changes_with_them() {
    let city = |kind: &str| format!(r#"{{"type":"record","name":"c.City","fields":[{{"name":"n","type":"{kind}"}}]}}"#);
    let order = |more: &str| {
        format!("{{\"type\":\"record\",\"name\":\"R\",\"fields\":[\n  {{\"name\":\"to\",\"type\":\"c.City\"}}{more}]}}")
    };
    let (text, number) = (city("string"), city("int"));
    let (old, new) = (order(""), order(r#", {"name":"b","type":"int"}"#));
    let case = Case::new(&[("city.avsc", &text), ("r.avsc", &old)], &[("city.avsc", &text), ("r.avsc", &new)]);
    let verdict = case.judge(None);
    assert_eq!(rules(&verdict), [("AVRO_FIELD_ADDED_WITHOUT_DEFAULT", false)]);
    assert_eq!((verdict.entries[0].line, verdict.entries[0].column), (2, 42), "as the file has it");
    let case = Case::new(&[("city.avsc", &text), ("r.avsc", &old)], &[("city.avsc", &number), ("r.avsc", &old)]);
    assert_eq!(rules(&case.judge(None)), [("AVRO_TYPE_CHANGED", false); 2], "in the type, and where it is used");
}

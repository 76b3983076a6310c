use super::*;

mod past;

const OLD: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const NEW: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},
{"name":"b","type":"int"}]}"#;
const TODAY: &str = "2026-11-22 12:00:00Z";

/// A folder of schemas, and what is said of it against another one.
struct Case {
    now: tempfile::TempDir,
    before: tempfile::TempDir,
}

impl Case {
    fn new(before: &[(&str, &str)], now: &[(&str, &str)]) -> Self {
        let case = Self { now: tempfile::tempdir().unwrap(), before: tempfile::tempdir().unwrap() };
        for (folder, files) in [(&case.before, before), (&case.now, now)] {
            for (name, text) in files {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
        case
    }

    fn judge(&self, level: Option<Level>) -> Verdict {
        let check = Check {
            paths: vec![self.now.path().to_owned()],
            against: Against::Folder(self.before.path().to_owned()),
            level,
            policy: None,
            topics: None,
            today: TODAY.to_owned(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check.run(None)).unwrap().verdict
    }
}

fn rules(verdict: &Verdict) -> Vec<(&'static str, bool)> {
    verdict.entries.iter().map(|entry| (entry.rule, entry.waived.is_some())).collect()
}

fn waiver(path: &str, expires: &str) -> String {
    format!(
        "[[waiver]]\nrule = \"AVRO_FIELD_ADDED_WITHOUT_DEFAULT\"\nsubject = \"r-value\"\npath = \"{path}\"\n\
         reason = \"no message was ever written\"\nexpires = {expires}\n"
    )
}

#[test]
fn a_change_is_held_to_its_level() {
    let case = Case::new(&[("r.avsc", OLD)], &[("r.avsc", NEW)]);
    let verdict = case.judge(None);
    assert_eq!(rules(&verdict), [("AVRO_FIELD_ADDED_WITHOUT_DEFAULT", false)]);
    assert_eq!((verdict.entries[0].line, verdict.entries[0].column), (2, 9));
    assert_eq!(verdict.subjects[0].level, Level::FullTransitive, "the strictest, when nothing says otherwise");
    assert!(case.judge(Some(Level::Forward)).passes());
    std::fs::write(case.now.path().join("compatibility.toml"), "[subjects]\nr-value = \"FORWARD\"").unwrap();
    assert!(case.judge(None).passes());
    assert!(!case.judge(Some(Level::Full)).passes(), "the flag wins");
}

#[test]
fn an_unchanged_schema_is_not_asked_again() {
    let spaced = OLD.replace(':', " : ");
    let case = Case::new(&[("r.avsc", OLD)], &[("r.avsc", &spaced), ("s.avsc", NEW)]);
    let verdict = case.judge(None);
    let states: Vec<&str> = verdict.subjects.iter().map(|subject| subject.state).collect();
    assert_eq!((states, rules(&verdict)), (vec!["unchanged", "new"], vec![]));
}

#[test]
fn a_deleted_schema_is_found_and_a_renamed_one_recognised() {
    let case = Case::new(&[("r.avsc", OLD)], &[]);
    assert_eq!(rules(&case.judge(None)), [("AVRO_SCHEMA_REMOVED", false)]);
    assert!(case.judge(Some(Level::None)).passes());
    let case = Case::new(&[("r.avsc", OLD)], &[("renamed.avsc", OLD)]);
    let message = &case.judge(None).entries[0].message;
    assert!(message.contains("it lies in") && message.contains("renamed.avsc"), "{message}");
}

#[test]
fn a_file_that_is_no_schema_is_told_with_its_faults() {
    let verdict = Case::new(&[], &[("r.avsc", "{\n  \"type\": \"rec\"\n}")]).judge(Some(Level::None));
    assert_eq!(rules(&verdict), [("AVRO_SCHEMA_INVALID", false)]);
    assert_eq!((verdict.entries[0].line, verdict.entries[0].column), (2, 11));
}

#[test]
fn a_waiver_lets_pass_what_it_names_until_it_expires() {
    let with = |waiver: String| {
        let case = Case::new(&[("r.avsc", OLD)], &[("r.avsc", NEW), ("compatibility.toml", &waiver)]);
        case.judge(None)
    };
    let verdict = with(waiver("R.b", "2026-11-22"));
    assert_eq!(rules(&verdict), [("AVRO_FIELD_ADDED_WITHOUT_DEFAULT", true)]);
    assert!(verdict.passes());

    let verdict = with(waiver("R.b", "2026-11-21"));
    assert_eq!(rules(&verdict), [("AVRO_FIELD_ADDED_WITHOUT_DEFAULT", false), ("WAIVER_EXPIRED", false)]);
    assert!(verdict.entries[1].file.ends_with("compatibility.toml"));

    let verdict = with(waiver("R.c", "2027-01-01"));
    assert_eq!(rules(&verdict), [("AVRO_FIELD_ADDED_WITHOUT_DEFAULT", false), ("WAIVER_UNUSED", false)]);
    assert!(!verdict.passes());
}

#[test]
fn an_unused_waiver_alone_is_only_a_warning() {
    let case = Case::new(&[("r.avsc", OLD)], &[("r.avsc", OLD), ("compatibility.toml", &waiver("R.b", "2027-01-01"))]);
    let verdict = case.judge(None);
    assert_eq!(rules(&verdict), [("WAIVER_UNUSED", false)]);
    assert!(verdict.passes());
}

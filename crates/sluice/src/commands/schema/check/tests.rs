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
        let args = CheckArgs {
            paths: vec![self.now.path().to_owned()],
            against: Against::Folder(self.before.path().to_owned()),
            level,
            policy: None,
            topics: None,
            output: Format::Text,
        };
        let files = files::find(&args.paths).unwrap();
        let policies = Policies::read(&files, &args).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let levels = runtime.block_on(levels(&files, &policies, None)).unwrap();
        let history = History::of_folder(self.before.path(), &files).unwrap();
        judge(&files, &policies, &levels, &history, Vec::new(), &args.against, TODAY)
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

// === the page ===

const PAGE: &str = "docs/schemas.md";

/// What the command prints for the working tree of an example.
fn answer_for(before: &str, after: &str) -> String {
    let case = Case::new(&[("orders.v1.avsc", before)], &[("orders.v1.avsc", after)]);
    let mut verdict = case.judge(None);
    verdict.against = "before".to_owned();
    for entry in &mut verdict.entries {
        entry.file = "schemas/orders.v1.avsc".to_owned();
        entry.versions.iter_mut().for_each(|version| *version = "before/orders.v1.avsc".to_owned());
    }
    anstream::adapter::strip_str(&verdict.render(Format::Text).unwrap()).to_string()
}

#[test]
fn the_examples_of_the_page_are_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (mut before, mut after, mut fresh, mut checked) = (String::new(), String::new(), String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        fresh.push_str(line);
        fresh.push('\n');
        let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else { continue };
        let block: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match kind {
            "json before" => before.clone_from(&block),
            "json after" => after.clone_from(&block),
            _ => {}
        }
        if kind == "text check" {
            fresh.push_str(&answer_for(&before, &after));
            checked += 1;
        } else {
            fresh.push_str(&block);
        }
        fresh.push_str("```\n");
    }
    assert!(checked >= 10, "{checked} examples");
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let said = "out of step with what the command prints; `cargo xtask generate` rewrites it";
    assert!(page == fresh || std::env::var_os("SLUICE_BLESS").is_some(), "{PAGE}: {said}");
}

#[test]
fn the_page_names_every_rule() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE)).unwrap();
    for rule in rule_ids() {
        assert!(page.contains(&format!("`{rule}`")), "{rule}");
    }
}

//! A source that is cut, emptied or renamed in part does not empty the copy: the run is held, a person decides.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use e2e::{pipeline::Pipeline, rows::Rows};
use serde_json::Value;
use testkit::wait;

/// A copy of the catalogue that can be spoilt and mended.
struct Catalogue {
    sound: PathBuf,
    folder: PathBuf,
}

impl Catalogue {
    fn new() -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let sound = pipeline_source::sample::unpack(home).expect("a folder to unpack to");
        let folder = home.join(format!("shrinkage-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        let this = Self { sound, folder };
        this.mend();
        this
    }

    fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    fn mend(&self) {
        for file in ["provider_services.jsonl", "providers.jsonl", "bundles.jsonl"] {
            self.write(file, &self.read(file));
        }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.sound.join(file)).expect("a file of the catalogue")
    }

    /// As an export should: elsewhere first, then in the place of the old file.
    fn write(&self, file: &str, text: &str) {
        let temporary = self.folder.join("written");
        fs::write(&temporary, text).expect("a file can be written");
        fs::rename(temporary, self.folder.join(file)).expect("a file can be renamed");
    }

    fn lines(&self, file: &str, keep: impl Fn(usize, &Value) -> bool) {
        let text = self.read(file);
        let kept = text.lines().enumerate().filter(|(number, line)| {
            keep(*number, &serde_json::from_str(line).expect("a line of the catalogue is JSON"))
        });
        self.write(file, &kept.map(|(_, line)| format!("{line}\n")).collect::<String>());
    }
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

#[test]
fn a_source_that_lost_much_is_held_whatever_dies_and_goes_on_when_a_person_accepts() {
    let catalogue = Catalogue::new();
    let mut pipeline = Pipeline::start(&catalogue.url());
    pipeline.run(&[]);
    let before = Rows::of_views(&pipeline.database);

    // Emptied.
    catalogue.write("bundles.jsonl", "");
    let report = held(&pipeline, &before, "bundle", 4_552);
    assert_eq!(number(&report, "/removed/subscription_fields"), 51_549);
    let id = text(&report, "run_id");
    hold_survives_the_death_of_every_stage(&mut pipeline, &id, &before);
    abort(&pipeline, &id, &before);

    // Cut at half.
    catalogue.lines("bundles.jsonl", |number, _| number < 2_276);
    let report = held(&pipeline, &before, "bundle", 2_276);
    abort(&pipeline, &text(&report, "run_id"), &before);

    // Nested under another name.
    catalogue.mend();
    catalogue
        .write("bundles.jsonl", &catalogue.read("bundles.jsonl").replace("\"subscription_fields\":", "\"fields\":"));
    let report = held(&pipeline, &before, "subscription_field", 51_549);
    abort(&pipeline, &text(&report, "run_id"), &before);

    // Nineteen of twenty services are gone, with all that is below them.
    catalogue.mend();
    catalogue.lines("provider_services.jsonl", |_, document| document["id"] == "chat");
    catalogue.lines("providers.jsonl", |_, document| document["service_id"] == "chat");
    let chat: Vec<String> = fs::read_to_string(catalogue.folder.join("providers.jsonl"))
        .expect("a file")
        .lines()
        .map(|line| text(&serde_json::from_str(line).expect("JSON"), "id"))
        .collect();
    catalogue.lines("bundles.jsonl", |_, document| chat.contains(&text(document, "provider_id")));
    let report = held(&pipeline, &before, "provider_service", 19);
    abort(&pipeline, &text(&report, "run_id"), &before);

    // A service that loses 95 of its 105 providers: the others are switched, this one is not.
    catalogue.mend();
    catalogue.lines("providers.jsonl", |_, document| {
        document["service_id"] != "chat" || chat.iter().take(10).any(|id| document["id"] == id.as_str())
    });
    catalogue.lines("bundles.jsonl", |_, document| {
        let provider = text(document, "provider_id");
        !chat.iter().skip(10).any(|id| *id == provider)
    });
    let report = held(&pipeline, &before, "provider", 95);
    let id = text(&report, "run_id");
    assert_eq!(number(&report, "/services/activated"), 19);
    assert_eq!(number(&report, "/providers/unchanged"), 189);

    let look = pipeline.ask(&["run", "activate", &id, "--dry-run"], 20);
    assert_eq!(number(&look, "/removed/providers"), 95);
    assert_eq!(number(&look, "/changes/providers/removed"), 95);
    let dry = pipeline.ask(&["run", "accept-removals", &id, "--dry-run"], 0);
    assert_eq!((number(&dry, "/accepted/providers"), text(&dry["services"][0], "service_id")), (95, "chat".to_owned()));
    assert_eq!(text(&pipeline.ask(&["run", "show", &id], 20), "state"), "held", "a dry run accepts nothing");
    pipeline.ask(&["run", "accept-removals", &id, "--yes", "--reason", "they left"], 0);
    let report = pipeline.ask(&["run", "wait", &id], 0);
    assert_eq!((text(&report, "state"), number(&report, "/removed/providers")), ("activated".to_owned(), 95));
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(&catalogue.url()));
    let audits = pipeline.ask(&["audit", "ls"], 0);
    let deed = audits.as_array().expect("a list").iter().find(|deed| deed["what"] == "run accept-removals");
    assert_eq!(text(deed.expect("the acceptance is written down"), "why"), "they left");
    assert!(audits.as_array().expect("a list").iter().any(|deed| deed["what"] == "run held"), "{audits:#}");
    pipeline.stop();
}

/// Asks for a run, which is held by this level; nothing that readers see is gone.
fn held(pipeline: &Pipeline, before: &Rows, level: &str, removed: usize) -> Value {
    let report = pipeline.ask(&["run", "start", "--wait"], 20);
    assert_eq!(text(&report, "state"), "held", "{report:#}");
    assert_eq!(number(&report, "/exceeded/removed"), removed, "{report:#}");
    assert_eq!(text(report.get("exceeded").unwrap_or(&Value::Null), "level"), level);
    assert!(text(&report, "held").contains("accept-removals"), "{report:#}");
    Rows::of_views(&pipeline.database).assert_equals(before);
    report
}

fn hold_survives_the_death_of_every_stage(pipeline: &mut Pipeline, id: &str, before: &Rows) {
    let told = |pipeline: &Pipeline| {
        let told = |worker: &testkit::process::Process| worker.metric("sluice_run_held{by=\"removals\"}") > 0.0;
        pipeline.workers.activators.iter().any(told).then_some(())
    };
    wait::until_blocking("an activator tells that the run is held", wait::PATIENCE, || told(pipeline));
    pipeline.replace_all_workers();
    wait::until_blocking("another activator tells it", wait::PATIENCE, || told(pipeline));
    assert_eq!(text(&pipeline.ask(&["run", "wait", id], 20), "state"), "held");
    Rows::of_views(&pipeline.database).assert_equals(before);
}

fn abort(pipeline: &Pipeline, id: &str, before: &Rows) {
    pipeline.sluice(&["run", "abort", id, "--yes"]).run().expect_code(0);
    Rows::of_views(&pipeline.database).assert_equals(before);
}

#[track_caller]
fn number(report: &Value, pointer: &str) -> usize {
    let found = report.pointer(pointer).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    found.unwrap_or_else(|| panic!("no number at {pointer} in {report:#}"))
}

#[track_caller]
fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {key} in {object:#}")).to_owned()
}

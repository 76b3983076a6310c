//! The verbs after a run, as people and scripts use them: compare, go back, mend, tolerate, forget.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// A folder with a source and a target, and the command that works on them.
struct Place {
    folder: tempfile::TempDir,
    /// Flags of every call.
    flags: Vec<String>,
}

/// The pipeline in another process; ended when dropped.
struct Dev(Child);

// === impl Place ===

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_source(folder.path());
        let at = |scheme: &str, name: &str| format!("{scheme}://{}/{name}", folder.path().display());
        let flags = vec![
            "-X".to_owned(),
            format!("source.url={}", at("file", "export")),
            "-X".to_owned(),
            format!("target.url={}", at("sqlite", "copy.db")),
        ];
        Self { folder, flags }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// Calls a verb that must end with this code; gives its answer.
    fn call(&self, code: i32, arguments: &[&str]) -> Value {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let arguments = [arguments, &["-o", "json"], &flags].concat();
        let output = self.command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        answer(&output)
    }

    fn demo(&self) {
        let output = self.command(&["demo", "--source", "export", "--target", "copy.db"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    /// Replaces a text in a file of the source, which must be there.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join("export").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        // Written elsewhere and renamed, as a source that is in use has to be replaced.
        let new = path.with_extension("new");
        fs::write(&new, text.replace(from, to)).unwrap();
        fs::rename(&new, &path).unwrap();
    }

    fn dev(&mut self) -> Dev {
        let mut command = self.command(&["dev", "--source", "export", "--target", "copy.db", "-o", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let dev = Dev(child);
        let (mut text, mut byte) = (Vec::new(), [0_u8]);
        let report: Value = loop {
            assert_eq!(stdout.read(&mut byte).unwrap(), 1, "dev ended: {}", String::from_utf8_lossy(&text));
            text.extend(byte);
            if let Ok(report) = serde_json::from_slice(&text) {
                break report;
            }
        };
        self.flags = vec!["--config".to_owned(), report["config"].as_str().unwrap().to_owned()];
        dev
    }

    /// Waits until the newest run is activated.
    fn wait_until_activated(&self) -> Value {
        let start = Instant::now();
        loop {
            let run = self.call(0, &["run", "show"]);
            if run["state"] == "activated" {
                return run;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{run}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn answer(output: &Output) -> Value {
    if output.stdout.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Three services with five providers each, two bundles under each, two fields in each.
fn write_source(folder: &Path) {
    let (mut services, mut providers, mut bundles) = (String::new(), String::new(), String::new());
    for s in 0..3 {
        services.push_str(&format!("{}\n", json!({ "id": format!("s{s}"), "name": "S" })));
        for p in 0..5 {
            let id = format!("s{s}p{p}");
            providers.push_str(&format!("{}\n", json!({ "id": id, "name": "P", "service_id": format!("s{s}") })));
            for b in 0..2 {
                let fields = json!([{ "name": "a", "value": 1.5 }, { "name": "b", "value": "x" }]);
                let bundle = json!({
                    "id": format!("{id}b{b}"), "name": "B", "provider_id": id, "subscription_fields": fields
                });
                bundles.push_str(&format!("{bundle}\n"));
            }
        }
    }
    let export = folder.join("export");
    fs::create_dir(&export).unwrap();
    fs::write(export.join("provider_services.jsonl"), services).unwrap();
    fs::write(export.join("providers.jsonl"), providers).unwrap();
    fs::write(export.join("bundles.jsonl"), bundles).unwrap();
}

/// Kind and place of each difference.
fn differences(report: &Value) -> Vec<String> {
    let part = |difference: &Value, key: &str| difference[key].as_str().map(str::to_owned);
    let place = |difference: &Value| {
        let ids = ["kind", "service_id", "provider_id", "bundle_id", "field_id"];
        ids.iter().filter_map(|key| part(difference, key)).collect::<Vec<_>>().join(" ")
    };
    report["differences"].as_array().unwrap().iter().map(place).collect()
}

/// Generation 2 has another name of `s0`, `s1p5` in place of `s1p4`, and `s2p0b9` in place of `s2p0b1`.
fn generations_can_be_listed_and_compared(place: &Place) {
    let listed = place.call(0, &["generation", "ls"]);
    let told: Vec<_> = listed.as_array().unwrap().iter().map(|each| (&each["generation"], &each["whole"])).collect();
    assert_eq!(told, [(&json!(2), &json!(true)), (&json!(1), &json!(true))]);
    assert!(listed[0]["services_seen"].as_i64() > Some(0) && listed[1]["services_seen"] == 0, "{listed:#}");

    let there = place.call(0, &["generation", "diff", "1", "2", "--rows"]);
    assert_eq!(there["changes"]["services"], json!({"added": 0, "changed": 1, "removed": 0}));
    assert_eq!(there["changes"]["providers"], json!({"added": 1, "changed": 0, "removed": 1}));
    let row = |row: &Value| format!("{} {} {}", row["change"], row["provider_id"], row["bundle_id"]).replace('"', "");
    let rows: Vec<String> = there["rows"].as_array().unwrap().iter().map(row).collect();
    for expected in
        ["changed null null", "removed s1p4 null", "added s1p5 null", "removed s2p0 s2p0b1", "added s2p0 s2p0b9"]
    {
        assert!(rows.iter().any(|row| row == expected), "{expected} is not among {rows:#?}");
    }
    assert_eq!(there["changes"], place.call(0, &["generation", "diff", "1"])["changes"], "readers see the second one");
    let back = place.call(0, &["generation", "diff", "2", "1"]);
    assert_eq!(back["changes"]["bundles"]["added"], there["changes"]["bundles"]["removed"]);
    let only = place.call(0, &["generation", "diff", "1", "2", "--service", "s0"]);
    assert_eq!(only["services"].as_array().unwrap().len(), 1, "{only:#}");
    place.call(1, &["generation", "diff", "1", "9"]);
    place.call(2, &["generation", "diff", "0"]);
}

#[test]
fn verify_names_every_change_of_the_source_and_rollback_goes_back_to_the_older_one() {
    let place = Place::new();
    place.demo();
    assert_eq!(place.call(0, &["verify"])["equal"], true);
    assert_eq!(place.call(0, &["verify", "--invariants"])["holds"], true);

    place.edit("provider_services.jsonl", r#"{"id":"s0","name":"S"}"#, r#"{"id":"s0","name":"other"}"#);
    place.edit("providers.jsonl", r#""id":"s1p4""#, r#""id":"s1p5""#);
    place.edit("bundles.jsonl", r#""id":"s2p0b1""#, r#""id":"s2p0b9""#);
    let report = place.call(1, &["verify"]);
    // A run keeps `s1p4`, which bundles still name: it is no difference.
    let expected = ["changed s0", "missing s1 s1p5", "missing s2 s2p0 s2p0b9", "extra s2 s2p0 s2p0b1"];
    assert_eq!(differences(&report), expected);
    assert_eq!(report["rejected"], 2, "bundles of a provider without a document are orphans");
    assert_eq!(differences(&place.call(1, &["verify", "--service", "s2", "--limit", "1"])), expected[2..3]);
    place.edit("bundles.jsonl", r#""provider_id":"s1p4""#, r#""provider_id":"s1p5""#);

    place.demo();
    assert_eq!(place.call(0, &["verify"])["equal"], true);
    place.call(1, &["verify", "--generation", "1"]);
    generations_can_be_listed_and_compared(&place);
    let dry = place.call(0, &["generation", "rollback", "--dry-run"]);
    assert_eq!((&dry["services"][0]["from"], &dry["services"][0]["to"]), (&json!(2), &json!(1)));
    assert_eq!(place.call(0, &["verify"])["equal"], true, "a dry run moves nothing");
    place.call(2, &["generation", "rollback"]);
    place.call(0, &["generation", "rollback", "--yes"]);
    place.call(1, &["verify"]);
    fs::remove_dir_all(place.folder.path().join("export")).unwrap();
    write_source(place.folder.path());
    assert_eq!(place.call(0, &["verify"])["equal"], true, "the copy agrees with the older source");
    place.call(1, &["generation", "rollback", "--yes", "--service", "nobody"]);

    place.demo();
    place.demo();
    assert_eq!(place.call(0, &["generation", "prune", "--keep", "1", "--dry-run"])["dry_run"], true);
    place.call(2, &["generation", "prune", "--keep", "1"]);
    assert!(place.call(0, &["generation", "prune", "--keep", "1", "--yes"])["contents"].as_i64().unwrap() > 0);
    place.call(1, &["generation", "diff", "1"]);
    assert_eq!(place.call(0, &["verify"])["equal"], true);
    assert_eq!(place.call(0, &["verify", "--invariants"])["holds"], true);
    place.call(1, &["run", "retry", "@latest", "--yes"]);
    place.call(1, &["run", "tolerate", "@latest", "5"]);
    place.call(1, &["run", "activate", "@latest", "--dry-run"]);
}

#[test]
fn a_held_run_goes_on_when_its_documents_are_mended_or_its_tolerance_is_raised() {
    let mut place = Place::new();
    let sound = r#""id":"s1p1b0","name":"B""#;
    let broken = r#""id":"s1p1b0","name":7"#;
    place.edit("bundles.jsonl", sound, broken);
    place.edit("providers.jsonl", r#""id":"s2p1","name":"P""#, r#""id":"s2p1","name":7"#);
    let dev = place.dev();

    place.call(20, &["run", "start", "--wait"]);
    let dry = place.call(20, &["run", "activate", "@latest", "--dry-run"]);
    assert_eq!(dry["changes"]["providers"], json!({ "added": 8, "changed": 0, "removed": 0 }));
    place.call(1, &["generation", "rollback", "--yes"]);
    place.call(1, &["generation", "prune", "--keep", "1", "--yes"]);
    assert_eq!(place.call(0, &["run", "retry", "@latest", "--dry-run"])["rejected_providers"], 2);
    place.edit("bundles.jsonl", broken, sound);
    place.edit("providers.jsonl", r#""id":"s2p1","name":7"#, r#""id":"s2p1","name":"P""#);
    let retried = place.call(0, &["run", "retry", "@latest", "--yes"]);
    assert_eq!((&retried["batches"], &retried["services"]), (&json!(1), &json!(["s2"])));
    assert_eq!(place.wait_until_activated()["generation"], 1);
    assert_eq!(place.call(0, &["verify"])["equal"], true);

    place.edit("bundles.jsonl", sound, broken);
    place.edit("bundles.jsonl", r#""id":"s1p2b0","name":"B""#, r#""id":"s1p2b0","name":"new""#);
    place.call(20, &["run", "start", "--activation", "whole-run", "--wait"]);
    let dry = place.call(20, &["run", "activate", "@latest", "--dry-run"]);
    assert_eq!(dry["changes"]["bundles"], json!({ "added": 0, "changed": 1, "removed": 0 }));
    place.call(0, &["run", "tolerate", "@latest", "1"]);
    assert_eq!(place.wait_until_activated()["generation"], 2);
    let report = place.call(20, &["verify"]);
    assert_eq!((&report["equal"], &report["rejected"]), (&json!(true), &json!(1)), "{report}");
    assert_eq!(place.call(0, &["verify", "--invariants"])["holds"], true);
    drop(dev);
}

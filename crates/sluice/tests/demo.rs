//! The demo, as a newcomer runs it: the command in an empty folder, and its answer beside what is in the file.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

fn demo(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice"))
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        // A deployment that the shell is set up for must not be touched.
        .env("SLUICE__TARGET__URL", "mysql://root@127.0.0.1:1/production")
        .args(["demo", "-o", "json"])
        .args(arguments)
        .output()
        .unwrap()
}

/// Lines of the log that are more than information.
fn warnings(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).map(str::to_owned).collect()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_sample_is_copied_once_and_found_unchanged_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let sample = json!({ "services": 20, "providers": 284, "bundles": 4552, "subscription_fields": 51549 });

    let first = demo(folder.path(), &[]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert_eq!(warnings(&first), Vec::<String>::new());
    let first = answer(&first);
    for level in ["services", "providers", "bundles", "subscription_fields"] {
        assert_eq!(first[level], sample[level], "{level}");
        assert_eq!(first["source_counts"][level], sample[level], "{level} in the source");
    }
    assert_eq!((&first["generation"], &first["unchanged_providers"]), (&json!(1), &json!(0)));
    assert_eq!(first["bundles_written"], 4552);
    assert!(folder.path().join("sluice-demo.db").exists(), "the default target is in the current folder");

    let second = demo(folder.path(), &["--activation", "whole-run"]);
    assert_eq!(second.status.code(), Some(0), "{second:?}");
    assert_eq!(warnings(&second), Vec::<String>::new());
    let second = answer(&second);
    assert_eq!((&second["generation"], &second["unchanged_providers"]), (&json!(2), &json!(284)));
    assert_eq!((&second["bundles_written"], &second["subscription_fields_written"]), (&json!(0), &json!(0)));
    assert_eq!(second["bundles"], sample["bundles"]);
}

#[test]
fn a_broken_document_is_reported_and_does_not_stop_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    fs::create_dir(&export).unwrap();
    fs::write(export.join("provider_services.jsonl"), "{\"id\":\"s\"}\n").unwrap();
    fs::write(
        export.join("providers.jsonl"),
        "{\"id\":\"p1\",\"service_id\":\"s\"}\n{\"id\":\"p2\",\"service_id\":\"s\"}\n{\"id\":\"p3\",\"service_id\":\"gone\"}\n",
    )
    .unwrap();
    fs::write(
        export.join("bundles.jsonl"),
        "{\"id\":\"b1\",\"provider_id\":\"p1\",\"subscription_fields\":[{\"name\":\"f\",\"value\":1.50}]}\n\
         {\"id\":\"b2\",\"provider_id\":\"p2\",\"name\":7}\n",
    )
    .unwrap();

    let output = demo(folder.path(), &["--source", "export", "--target", "copy.db", "--batch-size", "1"]);
    assert_eq!(output.status.code(), Some(20), "{output:?}");
    let report = answer(&output);
    assert_eq!((&report["state"], &report["equal"]), (&json!("activated"), &json!(false)));
    assert_eq!((&report["bundles"], &report["subscription_fields"]), (&json!(1), &json!(1)));
    let places: Vec<&str> = report["rejects"].as_array().unwrap().iter().filter_map(|r| r["place"].as_str()).collect();
    assert!(places.contains(&"providers.jsonl:3") && places.contains(&"bundles.jsonl:2"), "{places:?}");
}

#[test]
fn a_missing_source_ends_with_78_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--source", "missing-folder"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(output.stdout.is_empty());
    assert!(!folder.path().join("sluice-demo.db").exists());
}

//! What `sluice source export` leaves in a folder, and what `sluice demo` then reads there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

fn sluice(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn expect(code: i32, folder: &Path, arguments: &[&str]) -> Output {
    let output = sluice(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    output
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A folder `src` with these files, and the setting that names it.
fn source(folder: &Path, services: &str, providers: &str, bundles: &str) -> String {
    let source = folder.join("src");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("provider_services.jsonl"), services).unwrap();
    fs::write(source.join("providers.jsonl"), providers).unwrap();
    fs::write(source.join("bundles.jsonl"), bundles).unwrap();
    format!("source.url=file://{}", source.display())
}

#[test]
fn an_attribute_with_a_default_name_is_no_second_key_and_the_export_is_read_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let url = source(
        folder.path(),
        r#"{"sid":"s1","name":"Alpha","id":900}"#,
        r#"{"pid":"p1","svc":"s1","id":901,"name":"x"}"#,
        r#"{"bid":"b1","prov":"p1","id":902,"subscription_fields":[{"name":"f","value":1}]}"#,
    );
    let mapping = [
        "provider_services.id=sid",
        "providers.id=pid",
        "providers.service_id=svc",
        "bundles.id=bid",
        "bundles.provider_id=prov",
    ]
    .map(|names| format!("source.mapping.{names}"));
    let mapping: Vec<&str> = mapping.iter().flat_map(|names| ["-X", names]).collect();

    expect(0, folder.path(), &[&["source", "export", "out", "-X", &url], &mapping[..]].concat());
    for file in ["provider_services.jsonl", "providers.jsonl", "bundles.jsonl"] {
        let line = fs::read_to_string(folder.path().join("out").join(file)).unwrap();
        assert_eq!(line.matches("\"id\":").count() - line.matches("{\"id\":\"f\"").count(), 1, "{line}");
    }
    let demo = expect(0, folder.path(), &["demo", "-o", "json", "--source", "out", "--target", "copy.db"]);
    assert_eq!((&answer(&demo)["bundles"], &answer(&demo)["subscription_fields"]), (&json!(1), &json!(1)));
    // The copy made of the export is that of the source.
    let target = format!("target.url=sqlite://{}", folder.path().join("copy.db").display());
    expect(0, folder.path(), &[&["verify", "-X", &target, "-X", &url], &mapping[..]].concat());
}

#[test]
fn what_is_left_out_is_said_and_ends_with_20_and_the_rest_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let url = source(
        folder.path(),
        "{\"id\":\"s1\"}\n{\"id\":\"s2\"}\n",
        "{\"id\":\"p1\",\"service_id\":\"s1\"}\n{\"id\":\"p2\",\"service_id\":\"s2\"}\n",
        "{\"id\":\"b1\",\"provider_id\":\"p1\"}\n{\"id\":\"b2\",\"provider_id\":\"p2\"}\n{\"id\":\"b3\",\"provider_id\":\"p2\",\"name\":5}\n",
    );
    let export = expect(20, folder.path(), &["source", "export", "out", "-o", "json", "-X", &url]);
    let said = String::from_utf8(export.stderr.clone()).unwrap();
    assert!(said.contains("bundles.jsonl:3") && said.contains("SLUICE-DOCUMENT-004"), "{said}");
    let report = answer(&export);
    assert_eq!(
        (&report["bundles"], &report["left_out"]["bundles"], &report["faults"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(
        (&report["faulty"][0]["document_id"], &report["faulty"][0]["provider_id"]),
        (&json!("b3"), &json!("p2"))
    );
    let demo = expect(0, folder.path(), &["demo", "-o", "json", "--source", "out", "--target", "copy.db"]);
    assert_eq!(answer(&demo)["bundles"], 2);
}

#[test]
fn an_export_takes_the_place_of_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = source(
        folder.path(),
        "{\"id\":\"s1\"}\n",
        "{\"id\":\"p1\",\"service_id\":\"s1\"}\n",
        "{\"id\":\"b1\",\"provider_id\":\"p1\"}\n",
    );
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("subscription_fields.jsonl"), "{\"id\":\"old\",\"bundle_id\":\"b1\",\"value\":2}\n").unwrap();
    expect(0, folder.path(), &["source", "export", "out", "-X", &url]);
    let demo = expect(0, folder.path(), &["demo", "-o", "json", "--source", "out", "--target", "copy.db"]);
    assert_eq!(answer(&demo)["subscription_fields"], 0);
}

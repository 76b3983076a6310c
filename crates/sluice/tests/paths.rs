//! Paths as people type them: with signs that mean something in a URL, relative, and of things that are no source.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use serde_json::Value;

/// Names with all signs that a URL would take for something else, and some that a URL could not hold.
const NAMES: [&str; 6] = ["q%20r", "what?", "a#b", "1+1 = 2", "dätä", "mode=memory :memory: x:y"];

fn sluice(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).env("XDG_CACHE_HOME", folder.join("cache")).args(arguments).output().unwrap()
}

fn expect(code: i32, folder: &Path, arguments: &[&str]) -> Output {
    let output = sluice(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    output
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A catalogue of one document of each level.
fn catalogue(folder: &Path) {
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("provider_services.jsonl"), "{\"id\":\"s\"}\n").unwrap();
    fs::write(folder.join("providers.jsonl"), "{\"id\":\"p\",\"service_id\":\"s\"}\n").unwrap();
    let bundle = "{\"id\":\"b\",\"provider_id\":\"p\",\"subscription_fields\":[{\"name\":\"f\",\"value\":1.50}]}\n";
    fs::write(folder.join("bundles.jsonl"), bundle).unwrap();
}

#[test]
fn a_word_without_a_scheme_is_a_path_for_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        catalogue(&folder.path().join(name));
        let (target, source) = (format!("{name}.db"), folder.path().join(name).display().to_string());
        let demo = expect(0, folder.path(), &["demo", "-o", "json", "--source", &source, "--target", &target]);
        assert_eq!(answer(&demo)["bundles"], 1);
        assert!(folder.path().join(&target).is_file(), "{target} is where it was asked for");
        // What the answer calls the target can be typed again.
        let target = format!("target.url={}", answer(&demo)["target"].as_str().unwrap());
        expect(0, folder.path(), &["verify", "--source", name, "-X", &target]);

        let (from, to) = (format!("source.url={}", answer(&demo)["source"].as_str().unwrap()), format!("{name} copy"));
        expect(0, folder.path(), &["source", "export", &to, "-X", &from]);
        assert!(folder.path().join(&to).join("bundles.jsonl").is_file());
    }
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let odd: Vec<String> = files.filter(|file| !NAMES.iter().any(|name| file.starts_with(name))).collect();
    assert!(odd.is_empty(), "nothing is written elsewhere: {odd:?}");
}

#[test]
fn a_default_target_lies_in_the_current_folder_whatever_that_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("100%25?");
    fs::create_dir(&here).unwrap();
    expect(0, &here, &["demo", "--source", "generator:?services=1&providers=2"]);
    assert!(here.join("sluice-demo.db").is_file());
    // The sample's folder lies in a place like that too.
    expect(0, &here, &["demo", "--target", "sample.db"]);
}

#[test]
fn in_a_url_percent_signs_stand_for_what_they_encode() {
    let folder = tempfile::tempdir().unwrap();
    catalogue(&folder.path().join("a b"));
    let (source, target) = (folder.path().join("a%20b"), folder.path().join("x%41.db"));
    let (source, target) = (format!("file://{}", source.display()), format!("sqlite://{}", target.display()));
    expect(0, folder.path(), &["demo", "--source", &source, "--target", &target]);
    assert!(folder.path().join("xA.db").is_file());
}

#[test]
fn a_source_that_cannot_be_read_ends_with_75_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    catalogue(&source);
    fs::remove_file(source.join("bundles.jsonl")).unwrap();
    mkfifo(&source.join("bundles.jsonl"), Mode::S_IRWXU).unwrap();
    let source = format!("source.url=file://{}", source.display());
    for arguments in [&["demo", "--source", "source"][..], &["source", "export", "to", "-X", &source]] {
        let said = String::from_utf8(expect(75, folder.path(), arguments).stderr).unwrap();
        assert!(said.contains("bundles.jsonl") && said.contains("a named pipe"), "{said}");
    }
}

//! The exit codes, as a shell sees them. None of these needs a server.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    path::Path,
    process::{Command, Output},
};

use pipeline_core::registry::{EmbeddedRegistry, Registry};
use pipeline_model::contracts;
use pipeline_settings::settings::SchemaRegistry;

/// Nothing listens there.
const NOWHERE: &str = "127.0.0.1:1";

fn sluice(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn expect(code: i32, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = sluice(folder.path(), arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    output
}

#[test]
fn help_version_and_offline_answers_end_with_0() {
    expect(0, &["--help"]);
    expect(0, &["--version"]);
    expect(0, &["config", "schema"]);
    expect(0, &["explain"]);
    expect(0, &["generate", "completion", "bash"]);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for wrong in [["rnu"].as_slice(), &["run", "wait", "not-an-id"]] {
        let output = expect(2, wrong);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("sluice explain SLUICE-CONFIG-014"), "{said}");
    }
}

#[test]
fn whoever_reads_json_gets_errors_as_json_too() {
    let error = |code: i32, arguments: &[&str]| -> serde_json::Value {
        let output = expect(code, arguments);
        assert!(output.stdout.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    };
    let usage = error(2, &["run", "wait", "not-an-id", "-o", "json"]);
    assert_eq!((&usage["error"]["exit"], &usage["error"]["code"]), (&2.into(), &"SLUICE-CONFIG-014".into()));
    let key = error(78, &["run", "ls", "-o", "json", "-X", "stage.batch_size=0"]);
    assert_eq!(key["error"]["code"], "SLUICE-CONFIG-006");
    assert!(key["error"]["causes"][0].as_str().unwrap().ends_with("(SLUICE-CONFIG-006)"), "{key}");
    assert!(usage["error"]["what"].as_str().unwrap().contains("not-an-id"), "{usage}");
    let away = format!("target.url=mysql://root@{NOWHERE}/copy");
    let away = error(75, &["run", "ls", "--output=yaml", "-X", &away]);
    assert_eq!((&away["error"]["exit"], &away["error"]["code"]), (&75.into(), &"SLUICE-TARGET-001".into()), "{away}");
    assert!(away["error"]["hint"].is_string(), "{away}");
}

#[test]
fn bad_configuration_ends_with_78_and_nothing_on_standard_output() {
    let output = expect(78, &["doctor", "-X", "stage.batchsize=1"]);
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("stage.batch_size"), "the nearest valid key: {said}");
    assert!(said.contains("(SLUICE-CONFIG-003)"), "{said}");
    expect(78, &["--config", "missing.yaml", "run", "ls"]);
    expect(78, &["run", "ls"]);
}

#[test]
fn a_dependency_that_is_away_ends_with_75_and_says_what_to_do() {
    let target = format!("target.url=mysql://root@{NOWHERE}/copy");
    let output = expect(75, &["run", "ls", "-X", &target]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("next: start the database"), "{output:?}");
    let registry = format!("schema_registry.url=http://{NOWHERE}");
    expect(75, &["schema", "ls", "-X", &registry]);
}

#[test]
fn doctor_names_what_is_away() {
    let (broker, registry) =
        (format!("kafka.bootstrap_servers={NOWHERE}"), format!("schema_registry.url=http://{NOWHERE}"));
    let target = format!("target.url=mysql://root@{NOWHERE}/copy");
    let arguments = ["doctor", "-o", "json", "-X", &broker, "-X", &registry, "-X", &target];
    let output = expect(75, &arguments);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let states: Vec<&str> = report["checks"].as_array().unwrap().iter().filter_map(|c| c["state"].as_str()).collect();
    assert_eq!(states, ["not_set", "unreachable", "unreachable", "unreachable", "ok"]);
}

#[test]
fn a_target_without_tables_is_not_ready_until_it_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("target.url=sqlite://{}/copy.db", folder.path().display());
    let code = |arguments: &[&str]| sluice(folder.path(), &[arguments, &["-X", &target]].concat()).status.code();
    assert_eq!(code(&["run", "ls"]), Some(10));
    assert_eq!(code(&["migrate", "--dry-run"]), Some(0));
    assert_eq!(code(&["run", "ls"]), Some(10), "a dry run changes nothing");
    assert_eq!(code(&["migrate"]), Some(0));
    assert_eq!(code(&["run", "ls"]), Some(0));
    assert_eq!(code(&["run", "show"]), Some(1), "there is no run to show");
    let unknown = "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10";
    assert_eq!(code(&["run", "wait", unknown, "--timeout", "1ms"]), Some(10), "time is up");
}

#[test]
fn a_migration_that_meets_tables_of_another_installation_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("target.url=sqlite://{}/shop.db", folder.path().display());
    let call = |arguments: &[&str]| sluice(folder.path(), &[arguments, &["-X", &target]].concat());
    let answer = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&call(&[arguments, &["-o", "json"]].concat()).stdout).unwrap()
    };
    let dry = answer(&["migrate", "--dry-run"]);
    assert_eq!((&dry["from"], &dry["changed"]), (&0.into(), &true.into()));
    assert!(dry["makes"].as_array().unwrap().contains(&"bundles".into()), "{dry}");
    assert_eq!(answer(&["migrate"])["changed"], true);
    assert_eq!(answer(&["migrate", "--dry-run"])["changed"], false);

    for arguments in [&["migrate", "--dry-run"][..], &["migrate"]] {
        let output = call(&[arguments, &["-X", "target.view_prefix=two_"]].concat());
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for part in ["SLUICE-TARGET-023", "an installation whose views have no prefix", "nothing was changed"] {
            assert!(said.contains(part), "{said}");
        }
    }
    assert_eq!(call(&["run", "ls", "-X", "target.view_prefix=two_"]).status.code(), Some(10));
    assert_eq!(call(&["run", "ls"]).status.code(), Some(0));
    expect(78, &["run", "ls", "-X", &target, "-X", "target.view_prefix=Two."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incompatible_schema_ends_with_100() {
    let server = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    let registry = Registry::new(&SchemaRegistry { url: server.url().to_owned(), ..Default::default() }).unwrap();
    let (topic, schema) = contracts::ALL[0];
    let other = schema
        .replace("\"run_id\", \"type\": \"string\"", "\"run_id\", \"type\": \"bytes\"")
        .replace("\"requested_at_ms\", \"type\": \"long\"", "\"requested_at_ms\", \"type\": \"boolean\"");
    assert_ne!(other, schema, "the schema was changed");
    registry.register(&contracts::subject(topic), &other).await.unwrap();

    let url = format!("schema_registry.url={}", server.url());
    let outputs = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        [&["schema", "register", "--dry-run"][..], &["schema", "register"]]
            .map(|verb| sluice(folder.path(), &[verb, &["-X", &url]].concat()))
    })
    .await
    .unwrap();
    for output in outputs {
        assert_eq!(output.status.code(), Some(100), "{output:?}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_twice_changes_nothing() {
    let server = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    let url = format!("schema_registry.url={}", server.url());
    let states = tokio::task::spawn_blocking(move || {
        [(); 2].map(|()| {
            let output = expect(0, &["schema", "register", "-o", "json", "-X", &url]);
            let subjects: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            subjects.as_array().unwrap().iter().map(|subject| subject["state"].to_string()).collect::<Vec<_>>()
        })
    })
    .await
    .unwrap();
    assert_eq!(states, [vec!["\"registered\""; 5], vec!["\"present\""; 5]]);
    server.shutdown().await;
}

#[test]
fn source_writes_any_source_into_a_folder() {
    let made_up = "source.url=generator:?services=2&providers=4&bundles=1&fields=1";
    let folder = tempfile::tempdir().unwrap();
    let output = sluice(folder.path(), &["source", "export", "made-up", "-X", made_up]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "wrote 2 services, 4 providers, 4 bundles, 4 subscription fields: made-up\n"
    );
    let lines = std::fs::read_to_string(folder.path().join("made-up/bundles.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 4);

    let secret = ["source", "export", "out", "-X", "source.url=couchbase://user:hunter2@host/bucket.scope"];
    let refused = expect(78, &secret);
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("hunter2"), "{refused:?}");
    // Which of the two is missing depends on the build: the client, or the password.
    expect(78, &["source", "export", "out", "-X", "source.url=couchbase://user@host/bucket.scope"]);
}

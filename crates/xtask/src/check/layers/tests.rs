use super::*;
use crate::check::metadata::Dependency;

fn member(name: &str, dependencies: &[&str]) -> Member {
    let named = |name: &&str| Dependency { name: (*name).to_owned(), development: false };
    Member { name: name.to_owned(), is_test: false, dependencies: dependencies.iter().map(named).collect() }
}

fn sound() -> Vec<Member> {
    vec![
        member("pipeline-model", &["serde"]),
        member("pipeline-schema", &["serde"]),
        member("pipeline-settings", &["pipeline-model"]),
        member("pipeline-telemetry", &["pipeline-model", "pipeline-settings"]),
        member("pipeline-kafka", &["pipeline-model", "pipeline-settings", "rdkafka"]),
        member("pipeline-core", &["pipeline-kafka", "pipeline-schema", "pipeline-telemetry", "axum", "serde"]),
        member("pipeline-source", &["pipeline-model", "pipeline-settings"]),
        member("pipeline-store", &["pipeline-model", "pipeline-telemetry", "sqlx"]),
        member("schema-gate", &["pipeline-core", "pipeline-kafka", "pipeline-schema"]),
        member("pipeline-operations", &["pipeline-core", "pipeline-kafka", "pipeline-source", "pipeline-store"]),
        member("stage-root", &["pipeline-core", "pipeline-source", "pipeline-store"]),
        member("stage-bundles", &["pipeline-core", "pipeline-source", "pipeline-store"]),
        member("sink-postgres", &["pipeline-core", "sqlx-postgres"]),
        member("sluice", &["pipeline-core", "pipeline-kafka", "pipeline-operations", "stage-root", "stage-bundles"]),
        member("testkit", &["nix"]),
    ]
}

#[test]
fn the_layers_of_the_design_are_sound() {
    assert_eq!(violations(&sound()), Vec::<String>::new());
}

#[test]
fn this_workspace_keeps_the_layers() {
    let members = metadata::members().expect("the workspace can be read");
    assert!(members.iter().any(|member| member.name == "stage-bundles"));
    assert_eq!(violations(&members), Vec::<String>::new());
}

#[test]
fn each_planted_violation_is_found() {
    let planted = [
        ("stage-bundles", "stage-root"),
        ("pipeline-core", "pipeline-store"),
        ("pipeline-schema", "pipeline-core"),
        ("pipeline-model", "pipeline-settings"),
        ("pipeline-kafka", "pipeline-core"),
        ("pipeline-kafka", "pipeline-telemetry"),
        ("pipeline-store", "pipeline-core"),
        ("pipeline-store", "pipeline-kafka"),
        ("stage-root", "pipeline-kafka"),
        ("pipeline-core", "rdkafka"),
        ("pipeline-source", "pipeline-store"),
        ("pipeline-store", "pipeline-source"),
        ("pipeline-store", "stage-root"),
        ("stage-root", "pipeline-operations"),
        ("stage-root", "schema-gate"),
        ("schema-gate", "pipeline-store"),
        ("pipeline-store", "pipeline-operations"),
        ("pipeline-operations", "stage-root"),
        ("pipeline-operations", "sluice"),
        ("pipeline-operations", "rdkafka"),
        ("stage-root", "sluice"),
        ("sluice", "testkit"),
        ("testkit", "pipeline-store"),
        ("stage-root", "rdkafka"),
        ("stage-root", "tracing"),
        ("sink-postgres", "stage-root"),
        ("sink-postgres", "metrics"),
        ("sink-postgres", "rdkafka"),
        ("stage-root", "sqlx"),
        ("sluice", "axum"),
        ("stage-bundles", "couchbase"),
        ("sluice", "sqlx"),
        ("sluice", "sqlx-mysql"),
    ];
    for (from, to) in planted {
        let mut members = sound();
        let culprit = members.iter_mut().find(|member| member.name == from).expect("a member");
        culprit.dependencies.push(Dependency { name: to.to_owned(), development: false });
        let found = violations(&members);
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
        assert!(found.iter().all(|text| text.contains(from) && text.contains(to)), "{found:?}");
    }
}

#[test]
fn test_servers_are_for_tests_only() {
    let mut members = sound();
    let store = members.iter_mut().find(|member| member.name == "pipeline-store").expect("a member");
    store.dependencies.push(Dependency { name: "testkit".to_owned(), development: true });
    assert_eq!(violations(&members), Vec::<String>::new());
}

//! The schema gate, as a pipeline calls it: in a git repository, without network, and against a registry.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;

use pipeline_core::registry::{EmbeddedRegistry, Level, Registry};
use pipeline_settings::settings::SchemaRegistry;
use serde_json::Value;

mod repository;

use repository::{FILE, FIRST, Repository};

#[test]
fn a_branch_with_a_breaking_change_fails_with_the_line_annotated_and_a_safe_one_passes() {
    let repository = Repository::new();
    repository.git(&["switch", "--quiet", "--create", "safe"]);
    repository.add_field(r#"{"name":"note","type":["null","string"],"default":null}"#);
    repository.commit();
    repository.check(0, &["--against", "git:main"]);
    repository.check(0, &[]);

    repository.git(&["switch", "--quiet", "--create", "breaking", "main"]);
    repository.add_field(r#"{"name":"total","type":"long"}"#);
    repository.commit();
    let said = repository.check(100, &["--against", "git:main", "-o", "github"]);
    let annotation = "::error file=schemas/orders.v1.avsc,line=3,endLine=3,col=11,endColumn=18,\
                      title=AVRO_FIELD_ADDED_WITHOUT_DEFAULT::field `total` is new and has no default%0A";
    assert!(said.starts_with(annotation), "{said}");
    let summary = fs::read_to_string(repository.path().join("summary.md")).unwrap();
    assert!(summary.contains("| `orders.v1-value` | FULL_TRANSITIVE | 1 | incompatible |"), "{summary}");

    for format in ["text", "json", "junit", "sarif"] {
        let said = repository.check(100, &["--against", "git:main", "-o", format]);
        assert!(said.contains("AVRO_FIELD_ADDED_WITHOUT_DEFAULT"), "{format}: {said}");
    }
    repository.check(0, &["--against", "git:main", "--level", "FORWARD"]);
    repository.check(0, &["--against", "git:breaking"]);
}

#[test]
fn transitive_levels_look_at_every_revision_and_the_others_at_the_newest() {
    let repository = Repository::new();
    repository.add_field(r#"{"name":"total","type":"long","default":0}"#);
    repository.commit();
    let third = fs::read_to_string(repository.path().join(FILE)).unwrap().replace(r#","default":0"#, "");
    repository.write(FILE, &third);
    repository.check(0, &["--level", "FULL"]);
    let said = repository.check(100, &["--level", "FULL_TRANSITIVE", "-o", "json"]);
    let verdict: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(verdict["subjects"][0]["versions"], 2);
    assert_eq!(verdict["findings"][0]["versions"].as_array().unwrap().len(), 1, "only the first revision has no field");
}

#[test]
fn a_shallow_clone_is_refused_where_it_would_hide_the_history() {
    let origin = Repository::new();
    origin.add_field(r#"{"name":"total","type":"long","default":0}"#);
    origin.commit();
    let clone = Repository::empty();
    let url = format!("file://{}", origin.path().display());
    clone.git(&["clone", "--quiet", "--depth=1", &url, "."]);
    assert!(clone.check(78, &[]).contains("git fetch --unshallow"));
    clone.check(0, &["--level", "FULL"]);
}

#[test]
fn deleted_and_renamed_files_have_a_verdict() {
    let repository = Repository::new();
    fs::rename(repository.path().join(FILE), repository.path().join("schemas/orders.v2.avsc")).unwrap();
    let said = repository.check(100, &["-o", "json"]);
    let verdict: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(verdict["findings"][0]["rule"], "AVRO_SCHEMA_REMOVED");
    assert_eq!(verdict["findings"][0]["file"], FILE);
    assert!(verdict["findings"][0]["message"].as_str().unwrap().contains("schemas/orders.v2.avsc"));
    // A hook names the files one by one; a deleted one too.
    assert!(repository.check(100, &[FILE]).contains("AVRO_SCHEMA_REMOVED"));
    repository.check(0, &["schemas/orders.v2.avsc"]);
}

#[test]
fn what_cannot_be_asked_is_bad_configuration() {
    let repository = Repository::new();
    assert!(repository.check(78, &["--against", "git:nowhere"]).contains("git knows no commit `nowhere`"));
    repository.check(78, &["--against", "missing-folder"]);
    repository.check(78, &["missing-folder"]);
    repository.check(2, &["--level", "FULLISH"]);
    repository.write("schemas/compatibility.toml", "default = \"FULLISH\"");
    assert!(repository.check(78, &[]).contains("schemas/compatibility.toml:1: `FULLISH`"));
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a.avsc"), FIRST).unwrap();
    repository.check(78, &[outside.path().to_str().unwrap()]);
    let away = ["--against", "registry", "--policy", "p.toml", "-X", "schema_registry.url=http://127.0.0.1:1"];
    repository.write("p.toml", "default = \"FULL\"");
    repository.check(75, &away);
}

#[test]
fn a_registry_gives_the_same_answer_as_git() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let embedded = runtime.block_on(EmbeddedRegistry::start("127.0.0.1:0")).unwrap();
    let settings = SchemaRegistry { url: embedded.url().to_owned(), ..SchemaRegistry::default() };
    let registry = Registry::new(&settings).unwrap();
    runtime.block_on(registry.set_level("orders.v1-value", Level::Full)).unwrap();
    runtime.block_on(registry.register("orders.v1-value", FIRST)).unwrap();

    let repository = Repository::new();
    let url = format!("schema_registry.url={}", embedded.url());
    let against_registry = ["--against", "registry", "-X", &url, "-o", "json"];
    repository.check(0, &against_registry);
    repository.add_field(r#"{"name":"total","type":"long"}"#);
    let json = |said: String| serde_json::from_str::<Value>(&said).unwrap();
    let registry_says = json(repository.check(100, &against_registry));
    let git_says = json(repository.check(100, &["-o", "json"]));
    assert_eq!(registry_says["subjects"][0]["level"], "FULL", "the registry's own level, as no file says one");
    for key in ["rule", "line", "column", "path", "message", "breaks"] {
        assert_eq!(registry_says["findings"][0][key], git_says["findings"][0][key], "{key}");
    }
}

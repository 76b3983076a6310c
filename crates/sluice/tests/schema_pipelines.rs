//! The files that put the schema gate into people's pipelines are YAML, and the calls in them are calls that this
//! command understands.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A repository with a breaking change in its working tree.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").current_dir(folder.path()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    let write = |fields: &str| {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        fs::create_dir_all(folder.path().join("schemas")).unwrap();
        fs::write(folder.path().join("schemas/r.avsc"), text).unwrap();
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    write(r#"{"name":"a","type":"int"}"#);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "first"]);
    git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    write(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#);
    folder
}

fn shell(folder: &Path, script: &str, variables: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_sluice"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(folder);
    command.env_remove("GITHUB_STEP_SUMMARY").env("PATH", path).envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn the_action_fails_with_annotations_and_leaves_sarif() {
    let action = yaml(".github/actions/schema-check/action.yml");
    assert_eq!(action["runs"]["using"], "composite");
    let step = &action["runs"]["steps"][0];
    let folder = repository();
    // Each variable of the script is an input, and each input has a default.
    let inputs = action["inputs"].as_object().unwrap();
    assert!(inputs.values().all(|input| input.get("default").is_some()), "{inputs:?}");
    assert_eq!(step["env"].as_object().unwrap().len(), inputs.len());
    let variables = [
        ("SLUICE", "sluice"),
        ("SCHEMA_PATHS", "schemas"),
        ("AGAINST", "git:origin/main"),
        ("LEVEL", ""),
        ("SARIF_FILE", "found.sarif"),
        ("REGISTRY_URL", ""),
    ];
    let output = shell(folder.path(), step["run"].as_str().unwrap(), &variables);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(100), "{output:?}");
    assert!(said.contains("::error file=schemas/r.avsc,line=1,"), "{said}");
    let sarif: Value = serde_json::from_slice(&fs::read(folder.path().join("found.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "AVRO_FIELD_ADDED_WITHOUT_DEFAULT");
}

#[test]
fn the_hook_and_the_gitlab_job_fail_on_a_breaking_change() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let entry = hooks[0]["entry"].as_str().unwrap();
    // As git calls a hook.
    let variables = [("GIT_DIR", ".git"), ("GIT_INDEX_FILE", ".git/index")];
    let output = shell(repository().path(), entry, &variables);
    assert_eq!(output.status.code(), Some(100), "{output:?}");

    let job = &yaml("deploy/ci/gitlab-schema-check.yml")["schema-check"];
    let script = job["script"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let folder = repository();
    let output = shell(folder.path(), script, &[("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")]);
    assert_eq!(output.status.code(), Some(100), "{output:?}");
    let report =
        fs::read_to_string(folder.path().join(job["artifacts"]["reports"]["junit"].as_str().unwrap())).unwrap();
    assert!(report.contains("<failure type=\"AVRO_FIELD_ADDED_WITHOUT_DEFAULT\""), "{report}");
}

#[test]
fn the_workflow_uses_the_action_with_inputs_that_it_has() {
    let workflow = yaml(".github/workflows/schemas.yml");
    let steps = workflow["jobs"]["check"]["steps"].as_array().unwrap();
    let checkout = &steps[0]["with"];
    assert_eq!(checkout["fetch-depth"], 0, "the transitive levels need the history");
    let action = steps.iter().find(|step| step["uses"] == "./.github/actions/schema-check").unwrap();
    let inputs = yaml(".github/actions/schema-check/action.yml");
    for input in action["with"].as_object().unwrap().keys() {
        assert!(inputs["inputs"].get(input).is_some(), "{input}");
    }
}

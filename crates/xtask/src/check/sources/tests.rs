use super::*;

fn found(path: &str, text: &str) -> usize {
    violations(&SourceFile { path: path.to_owned(), text: text.to_owned() }).len()
}

#[test]
fn a_library_named_outside_its_module_is_found() {
    let code = "use axum::Router;";
    assert_eq!(found("crates/pipeline-core/src/runtime.rs", code), 1);
    assert_eq!(found("crates/pipeline-core/src/admin.rs", code), 0);
    assert_eq!(found("crates/pipeline-core/src/admin/health.rs", code), 0);
    assert_eq!(found("crates/pipeline-core/src/administration.rs", code), 1);
    assert_eq!(found("crates/pipeline-core/src/registry/server.rs", "axum::serve(listener)"), 0);
    assert_eq!(found("crates/pipeline-core/src/registry.rs", "axum::serve(listener)"), 1);
    assert_eq!(found("crates/pipeline-core/src/registry/client/tests.rs", "axum::serve(listener)"), 0);
}

#[test]
fn the_command_writes_to_the_terminal_in_one_place() {
    assert_eq!(found("crates/sluice/src/progress.rs", "anstream::eprintln!(\"{line}\");"), 1);
    assert_eq!(found("crates/sluice/src/output.rs", "anstream::eprintln!(\"{line}\");"), 0);
    assert_eq!(found("crates/pipeline-core/src/service.rs", "eprintln!(\"{name}\");"), 0);
}

#[test]
fn what_is_logged_by_hand_is_found() {
    let code = "tracing::warn!(stage, \"a line that no metric goes with\");";
    assert_eq!(found("crates/pipeline-core/src/runtime/driver.rs", code), 1);
    assert_eq!(found("crates/stage-root/src/lib.rs", code), 1);
    assert_eq!(found("crates/pipeline-core/src/runtime/driver.rs", "tracing::debug!(\"for developers\");"), 0);
    assert_eq!(found("crates/pipeline-telemetry/src/events.rs", code), 0);
}

#[test]
fn comments_and_longer_names_are_not_uses() {
    assert_eq!(found("crates/pipeline-core/src/runtime.rs", "// as axum::serve says"), 0);
    assert_eq!(found("crates/pipeline-core/src/runtime.rs", "my_axum::serve(), crate::axum::x"), 0);
}

#[test]
fn empty_names_are_found_in_paths_and_modules() {
    assert_eq!(found("crates/pipeline-core/src/utils.rs", ""), 1);
    assert_eq!(found("crates/common/src/lib.rs", ""), 1);
    assert_eq!(found("crates/pipeline-core/src/lib.rs", "pub(crate) mod helpers;\nmod types {"), 2);
    assert_eq!(found("crates/pipeline-core/src/lib.rs", "mod kafka;\nlet types = 1;"), 0);
}

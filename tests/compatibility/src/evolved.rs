//! The stages as their next version: built from the same sources with the feature `evolved-contracts`, beside the
//! ordinary binaries and called `NAME-evolved`.
//!
//! They are built at the first use, by the same cargo, sharing every dependency with the ordinary build and leaving
//! the ordinary binaries alone: only the final programs go to a folder of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The schema of the evolved record.
pub const CONFIRMED: &str = include_str!("../evolved/sluice.sync.confirmed.v1.avsc");

/// The stages that write or read the evolved record.
pub const STAGES: [&str; 3] = ["stage-providers", "stage-bundles", "stage-activator"];

/// The name of a stage's evolved binary; builds it when that has not been done.
pub fn binary(stage: &str) -> String {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build);
    name(stage)
}

fn build() {
    let test = std::env::current_exe().expect("this test has a path");
    // TARGET/PROFILE/deps/test-hash.
    let profile_folder = test.ancestors().nth(2).expect("a test lies in a folder of the target folder");
    let build_folder = profile_folder.parent().expect("a profile's folder lies in the target folder");
    let programs = build_folder.join("with-evolved-contracts");
    let folder_name = profile_folder.file_name().expect("a named folder").to_string_lossy();
    let profile = if folder_name == "debug" { "dev" } else { &*folder_name };
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--features", "evolved-contracts", "--profile", profile])
        .args(STAGES.iter().flat_map(|stage| ["--package", stage]))
        .arg("--target-dir")
        .arg(&programs)
        .env("CARGO_BUILD_BUILD_DIR", build_folder)
        .current_dir(repository());
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the evolved stages could not be built: {status}");
    for stage in STAGES {
        link(&programs.join(&*folder_name).join(stage), &profile_folder.join(name(stage)));
    }
}

/// Puts a second name on a program in one step: another test process may be starting it.
fn link(program: &Path, name: &Path) {
    let new = name.with_extension(std::process::id().to_string());
    // What a killed test left; usually there is nothing.
    drop(fs::remove_file(&new));
    fs::hard_link(program, &new).unwrap_or_else(|error| panic!("`{}`: {error}", program.display()));
    fs::rename(&new, name).unwrap_or_else(|error| panic!("`{}`: {error}", name.display()));
    // Two names of one file: then nothing was renamed.
    drop(fs::remove_file(&new));
}

fn name(stage: &str) -> String {
    format!("{stage}-evolved")
}

fn repository() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.ancestors().nth(2).unwrap_or(member).to_owned()
}

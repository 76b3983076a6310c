//! A git repository with schemas, and the gate run in it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

pub const FILE: &str = "schemas/orders.v1.avsc";
pub const FIRST: &str =
    "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[\n  {\"name\":\"id\",\"type\":\"string\"}\n]}\n";

/// A git repository with a schema on `main`.
pub struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    pub fn new() -> Self {
        let repository = Self::empty();
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.write(FILE, FIRST);
        repository.commit();
        repository
    }

    /// A folder that is no repository yet.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The schema with one more field, on a line of its own.
    pub fn add_field(&self, field: &str) {
        let text = fs::read_to_string(self.path().join(FILE)).unwrap();
        self.write(FILE, &text.replace("\n]}", &format!(",\n  {field}\n]}}")));
    }

    /// What git printed.
    pub fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").current_dir(self.path()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "change"]);
    }

    /// `sluice schema check`, which has to end with this code.
    #[track_caller]
    pub fn check(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        let noted = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{said}{noted}");
        said + &noted
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_") || name.starts_with("GIT")) {
            command.env_remove(name);
        }
        let summary = self.path().join("summary.md");
        command.env("GITHUB_STEP_SUMMARY", summary).current_dir(self.path());
        command.args(["schema", "check"]).args(arguments).output().unwrap()
    }
}

//! The deployables built another way: with a feature that only tests want, beside the ordinary binaries.
//!
//! They are built by the same cargo, sharing every dependency with the ordinary build and leaving the ordinary binaries
//! alone: only the final programs go to a folder of their own, and get a second name beside the ordinary ones.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// A way to build some deployables. To be kept in a `static`, so that a test process builds it once.
pub struct Variant {
    /// The cargo feature.
    feature: &'static str,
    /// Ends the binaries' names: `stage-root-SUFFIX`.
    suffix: &'static str,
    packages: &'static [&'static str],
    built: OnceLock<()>,
}

// === impl Variant ===

impl Variant {
    /// These packages with this feature, as `PACKAGE-SUFFIX`.
    pub const fn new(feature: &'static str, suffix: &'static str, packages: &'static [&'static str]) -> Self {
        Self { feature, suffix, packages, built: OnceLock::new() }
    }

    /// The name of a package's binary, for [`crate::process`]; builds all of them when that has not been done.
    pub fn binary(&self, package: &str) -> String {
        assert!(self.packages.contains(&package), "`{package}` is not built with `{}`", self.feature);
        self.built.get_or_init(|| self.build());
        self.name(package)
    }

    fn build(&self) {
        let test = std::env::current_exe().expect("this test has a path");
        // TARGET/PROFILE/deps/test-hash.
        let profile_folder = test.ancestors().nth(2).expect("a test lies in a folder of the target folder");
        let build_folder = profile_folder.parent().expect("a profile's folder lies in the target folder");
        let programs = build_folder.join(format!("with-{}", self.feature));
        let folder_name = profile_folder.file_name().expect("a named folder").to_string_lossy();
        let profile = if folder_name == "debug" { "dev" } else { &*folder_name };
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--features", self.feature, "--profile", profile])
            .args(self.packages.iter().flat_map(|package| ["--package", package]))
            .arg("--target-dir")
            .arg(&programs)
            .env("CARGO_BUILD_BUILD_DIR", build_folder)
            .current_dir(repository());
        let status = cargo.status().expect("cargo can be started");
        assert!(status.success(), "the binaries with `{}` could not be built: {status}", self.feature);
        for package in self.packages {
            link(&programs.join(&*folder_name).join(package), &profile_folder.join(self.name(package)));
        }
    }

    fn name(&self, package: &str) -> String {
        format!("{package}-{}", self.suffix)
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

fn repository() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.ancestors().nth(2).unwrap_or(member).to_owned()
}

//! Tools of cargo that are not part of a toolchain: looked for, and never installed unasked, since they take minutes.

use std::path::PathBuf;

use crate::{command, location};

/// Where a tool is: on the path, or in the cache of this repository.
pub fn find(name: &str) -> Option<PathBuf> {
    command::find(name).or_else(|| Some(folder().join("bin").join(name)).filter(|file| file.is_file()))
}

/// How to install one.
pub fn advice(name: &str) -> String {
    format!("cargo install --locked {name} --root {}", folder().display())
}

fn folder() -> PathBuf {
    location::cache_folder().join("tools")
}

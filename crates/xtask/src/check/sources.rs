//! Rules that are read off the sources: where libraries are named, what modules are called, how long files are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::verdict;
use crate::{
    command,
    failure::{Failure, Outcome},
    say,
};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 4] = ["common", "utils", "helpers", "types"];

/// Beyond this a file hides an idea that wants its own name.
const LONG: usize = 400;

/// Where inside `pipeline-core/src` a library may be named: files, and folders with a final slash.
const PLACES: [(&str, &[&str]); 1] =
    [("axum", &["admin.rs", "admin/", "listener.rs", "listener/", "registry/server.rs", "registry/server/"])];

/// Where nothing is logged by hand: what can be observed there is a function of `pipeline_telemetry::events`, which writes
/// the line and the metric together. Lines for developers, `debug` and below, may stand anywhere.
const OBSERVED: [&str; 4] =
    ["crates/pipeline-core/src/runtime.rs", "crates/pipeline-core/src/runtime/", "crates/stage-", "crates/sink-"];

/// The macros that log by hand.
const LOGGING: [&str; 3] = ["error!(", "warn!(", "info!("];

/// The sources of the command that people type.
const COMMAND: &str = "crates/sluice/src/";

/// A Rust file of this repository.
pub struct SourceFile {
    /// Its path below the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Checks this repository; long files are only named, not refused.
pub fn check() -> Outcome {
    let files = rust_files()?;
    for file in &files {
        let lines = file.text.lines().count();
        if lines > LONG {
            say(&format!("note: {} has {lines} lines, more than {LONG}", file.path));
        }
    }
    verdict(&files.iter().flat_map(violations).collect::<Vec<_>>())
}

/// All Rust files of the crates and tests, in order of their paths.
pub fn rust_files() -> Outcome<Vec<SourceFile>> {
    let root = command::root();
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        collect(&root, &root.join(folder), &mut files)?;
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) -> Outcome {
    let failed =
        |path: &Path, error: std::io::Error| Failure::new(format!("could not read `{}`: {error}", path.display()));
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path: PathBuf = entry.map_err(|error| failed(folder, error))?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(SourceFile { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(())
}

/// What breaks the rules in one file, one sentence each.
fn violations(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    for part in file.path.split('/').map(|part| part.trim_end_matches(".rs")) {
        if EMPTY_NAMES.contains(&part) {
            found.push(format!("{}: `{part}` says nothing about what is inside", file.path));
        }
    }
    for (number, line) in file.text.lines().enumerate() {
        // Strings with `//` in them are cut as well: none of the rules is about text in strings.
        let code = line.split("//").next().unwrap_or("");
        let place = format!("{}:{}", file.path, number + 1);
        if let Some(name) = empty_module(code) {
            found.push(format!("{place}: module `{name}` says nothing about what is inside"));
        }
        if file.path.starts_with(COMMAND) && !file.path.ends_with("/output.rs") && code.contains("eprint") {
            found.push(format!(
                "{place}: the terminal is written to in `output.rs` alone, where text is made printable"
            ));
        }
        if OBSERVED.iter().any(|place| file.path.starts_with(place)) && LOGGING.iter().any(|log| code.contains(log)) {
            found.push(format!("{place}: logged by hand; make it a function of `pipeline_telemetry::events`"));
        }
        for (library, allowed) in PLACES {
            if names(code, library) && !is_allowed(&file.path, allowed) {
                found.push(format!("{place}: `{library}` is named outside {}", allowed.join(", ")));
            }
        }
    }
    found
}

/// The module that a line declares, when its name is an empty one.
fn empty_module(code: &str) -> Option<&str> {
    let mut words = code.split_whitespace().skip_while(|word| word.starts_with("pub"));
    let name = words.next().filter(|word| *word == "mod").and_then(|_| words.next())?;
    let name = name.trim_end_matches([';', '{']);
    EMPTY_NAMES.contains(&name).then_some(name)
}

/// Whether a line uses a library: `library::`, at the start of a path.
fn names(code: &str, library: &str) -> bool {
    let path = format!("{library}::");
    let starts_a_path = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    code.match_indices(&path).any(|(at, _)| code.get(..at).is_some_and(starts_a_path))
}

/// Only pipeline-core has places; every other crate is held by the layer rules, through its manifest. A test may play
/// a server.
fn is_allowed(path: &str, allowed: &[&str]) -> bool {
    let Some(inside) = path.strip_prefix("crates/pipeline-core/src/").filter(|inside| !inside.ends_with("tests.rs"))
    else {
        return true;
    };
    allowed.iter().any(|place| inside == *place || (place.ends_with('/') && inside.starts_with(place)))
}

#[cfg(test)]
mod tests;

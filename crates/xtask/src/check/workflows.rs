//! Workflows run what was reviewed: each action by its commit, since a tag can be moved, and cargo with `--locked`.

use std::fs;

use super::verdict;
use crate::{
    command,
    failure::{Failure, Outcome},
};

/// Digits of a commit.
const COMMIT: usize = 40;

/// Every line of every workflow.
pub fn check() -> Outcome {
    let folder = command::root().join(".github/workflows");
    let failed = |error: std::io::Error| Failure::new(format!("could not read `{}`: {error}", folder.display()));
    let mut faults = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let text = fs::read_to_string(&file).map_err(failed)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let found = text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, fault(line)?)));
        faults.extend(found.map(|(line, fault)| format!("{name}:{line}: {fault}")));
    }
    verdict(&faults)
}

fn fault(line: &str) -> Option<String> {
    let code = line.trim().trim_start_matches("- ");
    if let Some(action) = code.strip_prefix("uses: ").filter(|action| !action.starts_with("./")) {
        let (action, tag) = action.split_once(" # ").unwrap_or((action, ""));
        let commit = action.split_once('@').map_or("", |(_, commit)| commit);
        let pinned = commit.len() == COMMIT && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        return (!pinned || tag.is_empty())
            .then(|| format!("`{action}` is not pinned: write `@<commit> # <tag>`, and the tag is a remark"));
    }
    let locks = |verb: &&str| code.contains(&format!("cargo {verb} "));
    let verb = ["build", "test", "run", "install"].into_iter().find(locks)?;
    (!code.contains("--locked")).then(|| format!("`cargo {verb}` without `--locked` builds what nobody looked at"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_its_commit_and_its_tag_and_cargo_its_lock() {
        let pinned = format!("      - uses: a/b@{} # v1.2.3", "0123456789".repeat(4));
        for right in [
            &*pinned,
            "      - uses: ./.github/actions/x",
            "      - run: cargo xtask check",
            "cargo test --locked -p x",
        ] {
            assert_eq!(fault(right), None, "{right}");
        }
        let untagged = format!("uses: a/b@{}", "0123456789".repeat(4));
        for wrong in ["      - uses: a/b@v1", &*untagged, "- uses: a/b", "      - run: cargo build --release"] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
    }
}

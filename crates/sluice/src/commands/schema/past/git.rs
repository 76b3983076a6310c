//! Earlier versions from git, by its own program: three calls, however many schemas there are.
//!
//! A shallow clone has no history to hold a schema against, and says nothing about it. For the transitive levels it is
//! refused, for otherwise the check would pass what it could not see.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{History, Version};
use crate::{commands::schema::files, exit::Exit, failure::Failure};

/// A file's revision: the commit that made it and the blob that holds it.
struct Revision {
    commit: String,
    blob: String,
}

struct Repository {
    /// Its outermost folder, where git is run.
    top: PathBuf,
    /// The paths asked for, below it; none stands for all.
    inside: Vec<String>,
}

pub(super) fn history(reference: &str, paths: &[PathBuf], all: bool) -> Result<History, Failure> {
    let repository = Repository::around(paths)?;
    let commit = repository.commit(reference)?;
    if all && repository.text(&["rev-parse", "--is-shallow-repository"])?.trim() == "true" {
        return Err(Failure::new(
            Exit::BadConfiguration,
            "this clone is shallow: the earlier revisions of the schemas are not in it",
        )
        .hint("fetch them: git fetch --unshallow (in a GitHub workflow: actions/checkout with fetch-depth: 0)"));
    }
    let present = repository.tree(&commit)?;
    let mut revisions = if all { repository.revisions(&commit)? } else { BTreeMap::new() };
    for (path, blob) in &present {
        let list = revisions.entry(path.clone()).or_default();
        // The newest is the last, even where it is an older one again, or a merge hides which commit brought it.
        let known = list.iter().position(|revision| revision.blob == *blob).map(|place| list.remove(place));
        list.push(known.unwrap_or_else(|| Revision { commit: reference.to_owned(), blob: blob.clone() }));
    }
    let blobs: BTreeSet<&str> = revisions.values().flatten().map(|revision| revision.blob.as_str()).collect();
    let texts = repository.contents(&blobs)?;
    let mut history = History::default();
    for (path, list) in revisions {
        let subject = files::subject_of(Path::new(&path));
        let versions = list
            .into_iter()
            .filter_map(|revision| Some(Version { label: revision.commit, text: texts.get(&revision.blob)?.clone() }));
        history.versions.entry(subject.clone()).or_default().extend(versions);
        if present.contains_key(&path) {
            history.files.insert(subject, shown(&repository.top.join(path)));
        }
    }
    Ok(history)
}

// === impl Repository ===

impl Repository {
    fn around(paths: &[PathBuf]) -> Result<Self, Failure> {
        let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
        // A deleted file's folder may be gone as well.
        let folder = first.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let mut repository = Self { top: folder.to_owned(), inside: Vec::new() };
        repository.top = PathBuf::from(repository.text(&["rev-parse", "--show-toplevel"])?.trim_end_matches('\n'));
        for path in paths {
            let path = absolute(path)?;
            let inside = path.strip_prefix(&repository.top).map_err(|_| {
                let (path, top) = (path.display(), repository.top.display());
                Failure::new(Exit::BadConfiguration, format!("`{path}` does not lie in the git repository `{top}`"))
            })?;
            repository.inside.push(inside.to_string_lossy().into_owned());
        }
        if repository.inside.iter().any(String::is_empty) {
            repository.inside.clear();
        }
        Ok(repository)
    }

    fn commit(&self, reference: &str) -> Result<String, Failure> {
        let asked = format!("{reference}^{{commit}}");
        self.text(&["rev-parse", "--verify", "--quiet", "--end-of-options", &asked])
            .map(|commit| commit.trim().to_owned())
            .map_err(|_| {
                Failure::new(Exit::BadConfiguration, format!("git knows no commit `{reference}`")).hint(
                    "fetch it first: git fetch origin BRANCH, then --against git:origin/BRANCH (in a GitHub workflow: \
                     actions/checkout with fetch-depth: 0)",
                )
            })
    }

    /// The schema files at a commit, with their blobs.
    fn tree(&self, commit: &str) -> Result<BTreeMap<String, String>, Failure> {
        let listed = self.with_paths(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        // MODE SP TYPE SP BLOB TAB PATH
        let entry = |line: &str| {
            let (meta, path) = line.split_once('\t')?;
            path.ends_with(".avsc").then(|| Some((path.to_owned(), meta.split(' ').nth(2)?.to_owned())))?
        };
        Ok(listed.split('\0').filter_map(entry).collect())
    }

    /// Every revision of the schema files that is reachable from a commit, oldest first.
    fn revisions(&self, commit: &str) -> Result<BTreeMap<String, Vec<Revision>>, Failure> {
        let options =
            ["-c", "core.quotePath=false", "log", "--topo-order", "--full-history", "-m", "--raw", "--no-abbrev"];
        let options = [&options[..], &["--no-renames", "--format=commit %h", commit]].concat();
        let log = self.with_paths(&options)?;
        let mut revisions: BTreeMap<String, Vec<Revision>> = BTreeMap::new();
        let mut current = "";
        for line in log.lines() {
            if let Some(commit) = line.strip_prefix("commit ") {
                current = commit;
            } else if let Some((meta, path)) = line.strip_prefix(':').and_then(|line| line.split_once('\t')) {
                // OLDMODE NEWMODE OLDBLOB NEWBLOB STATUS
                let blob = meta.split(' ').nth(3).unwrap_or_default();
                let list = revisions.entry(path.to_owned()).or_default();
                let is_deletion = blob.bytes().all(|digit| digit == b'0');
                if path.ends_with(".avsc") && !is_deletion && !list.iter().any(|known| known.blob == blob) {
                    list.push(Revision { commit: current.to_owned(), blob: blob.to_owned() });
                }
            }
        }
        revisions.values_mut().for_each(|list| list.reverse());
        Ok(revisions)
    }

    /// The texts of blobs, by one process.
    fn contents(&self, blobs: &BTreeSet<&str>) -> Result<HashMap<String, String>, Failure> {
        let asked: String = blobs.iter().map(|blob| format!("{blob}\n")).collect();
        let answer = self.run(&["cat-file", "--batch"], asked.into_bytes())?;
        let mut texts = HashMap::with_capacity(blobs.len());
        let mut rest = answer.as_slice();
        // BLOB SP TYPE SP SIZE LF CONTENT LF
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            let head = String::from_utf8_lossy(head).into_owned();
            let mut words = head.split(' ');
            let (Some(blob), Some(_), Some(size)) = (words.next(), words.next(), words.next()) else { break };
            let size: usize = size.parse().unwrap_or(0);
            let content = tail.get(1..=size).unwrap_or_default();
            texts.insert(blob.to_owned(), String::from_utf8_lossy(content).into_owned());
            rest = tail.get(size + 2..).unwrap_or_default();
        }
        Ok(texts)
    }

    fn with_paths(&self, arguments: &[&str]) -> Result<String, Failure> {
        let inside: Vec<&str> = self.inside.iter().map(String::as_str).collect();
        self.text(&[arguments, &["--"], &inside].concat())
    }

    fn text(&self, arguments: &[&str]) -> Result<String, Failure> {
        self.run(arguments, Vec::new()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn run(&self, arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let failed = |error: &std::io::Error| {
            Failure::caused(Exit::BadConfiguration, "cannot run `git`", error)
                .hint("install git, or use `--against DIR` or `--against registry`")
        };
        let mut git = Command::new("git");
        // A hook is called with these, seen from the outermost folder; git finds them by itself.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            git.env_remove(variable);
        }
        let mut child = git
            .current_dir(if self.top.as_os_str().is_empty() { Path::new(".") } else { &self.top })
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let stdin = child.stdin.take();
        // From a thread of its own: git answers while it is still being asked.
        let asking = std::thread::spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&input)));
        let output = child.wait_with_output().map_err(|error| failed(&error))?;
        // A git that stopped listening says why by its exit code.
        drop(asking.join());
        if output.status.success() {
            return Ok(output.stdout);
        }
        let mut failure = Failure::new(Exit::BadConfiguration, "git could not answer");
        failure.causes.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        Err(failure.hint("run it inside the repository, or use `--against DIR` or `--against registry`"))
    }
}

/// As git knows the path: absolute, links resolved as far as it is there.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::caused(Exit::BadConfiguration, format!("cannot find `{}`", path.display()), error)
    };
    let whole = std::path::absolute(path).map_err(|error| failed(&error))?;
    let there = whole.ancestors().find(|part| part.exists()).unwrap_or(&whole);
    let real = there.canonicalize().map_err(|error| failed(&error))?;
    let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
    Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
}

/// Relative to where the command runs, as people write it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).map_or_else(|_| path.to_owned(), Path::to_owned)
}

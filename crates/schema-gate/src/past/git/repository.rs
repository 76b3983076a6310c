//! Git's program, and what it is asked.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Revision, absolute};
use crate::{Error, files::text_of};

/// The mode of a symbolic link.
const LINK: &str = "120000";
/// The mode of a folder that is another repository.
const SUBMODULE: &str = "160000";

/// A repository, seen from the paths that are asked for.
pub(super) struct Repository {
    /// Its outermost folder, where git is run.
    pub(super) top: PathBuf,
    /// The paths asked for, below it; none stands for all.
    inside: Vec<String>,
}

/// An entry of a tree: the object, and whether it is a link, of which the object holds only where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    object: String,
    is_link: bool,
}

// === impl Blob ===

impl Blob {
    fn new(mode: &str, object: &str) -> Self {
        Self { object: object.to_owned(), is_link: mode == LINK }
    }

    /// How to ask for its content: a link is followed from its path.
    pub(super) fn request(&self, commit: &str, path: &str) -> String {
        if self.is_link { format!("{commit}:{path}") } else { self.object.clone() }
    }
}

// === impl Repository ===

impl Repository {
    /// The repository that the paths lie in, which is asked for them and for these places.
    pub(super) fn around(paths: &[PathBuf], places: &[PathBuf]) -> Result<Self, Error> {
        let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
        // A deleted file's folder may be gone as well.
        let folder = first.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let mut repository = Self { top: folder.to_owned(), inside: Vec::new() };
        repository.top = PathBuf::from(repository.text(&["rev-parse", "--show-toplevel"])?.trim_end_matches('\n'));
        for path in paths {
            let inside = repository.inside(&asked(path)?)?;
            repository.inside.push(inside);
        }
        // What lies behind a link to a folder lies elsewhere.
        for place in places {
            let inside = repository.inside(place)?;
            let known = |folder: &String| folder.is_empty() || Path::new(&inside).starts_with(folder);
            if !repository.inside.iter().any(known) {
                repository.inside.push(inside);
            }
        }
        if repository.inside.iter().any(String::is_empty) {
            repository.inside.clear();
        }
        Ok(repository)
    }

    /// A path as git names it, below the outermost folder.
    pub(super) fn inside(&self, path: &Path) -> Result<String, Error> {
        let outside = |_| Error::OutsideRepository { path: path.to_owned(), top: self.top.clone() };
        let inside = path.strip_prefix(&self.top).map_err(outside)?;
        Ok(inside.to_string_lossy().into_owned())
    }

    pub(super) fn commit(&self, reference: &str) -> Result<String, Error> {
        let asked = format!("{reference}^{{commit}}");
        self.text(&["rev-parse", "--verify", "--quiet", "--end-of-options", &asked])
            .map(|commit| commit.trim().to_owned())
            .map_err(|_| Error::NoCommit { reference: reference.to_owned() })
    }

    /// Every commit that is reachable from one, oldest first.
    pub(super) fn commits(&self, commit: &str) -> Result<Vec<String>, Error> {
        let listed = self.text(&["rev-list", "--topo-order", "--reverse", commit])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// The schema files at a commit.
    pub(super) fn tree(&self, commit: &str) -> Result<BTreeMap<String, Blob>, Error> {
        let listed = self.with_paths(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        let is_schema = |path: &&str| path.ends_with(".avsc");
        let entries = listed.split('\0').filter_map(entry);
        Ok(entries
            .filter(|(mode, _, path)| is_schema(path) && *mode != SUBMODULE)
            .map(|(mode, object, path)| (path.to_owned(), Blob::new(mode, object)))
            .collect())
    }

    /// The schema files at a commit that are links.
    pub(super) fn links(&self, commit: &str) -> Result<Vec<String>, Error> {
        let links = |(path, blob): (String, Blob)| blob.is_link.then_some(path);
        Ok(self.tree(commit)?.into_iter().filter_map(links).collect())
    }

    /// Which of these folders are other repositories at a commit.
    pub(super) fn submodules(&self, commit: &str, folders: &[&str]) -> Result<Vec<String>, Error> {
        if folders.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.text(&[&["ls-tree", "-z", "--full-tree", commit, "--"], folders].concat())?;
        let entries = listed.split('\0').filter_map(entry);
        Ok(entries.filter(|(mode, _, _)| *mode == SUBMODULE).map(|(_, _, path)| path.to_owned()).collect())
    }

    /// Every revision of the schema files that is reachable from a commit, oldest first.
    pub(super) fn revisions(&self, commit: &str) -> Result<BTreeMap<String, Vec<Revision>>, Error> {
        let options = ["log", "--topo-order", "--full-history", "-m", "--raw", "--no-abbrev", "-z"];
        let options = [&options[..], &["--no-renames", "--format=commit %h", commit]].concat();
        let log = self.with_paths(&options)?;
        let mut revisions: BTreeMap<String, Vec<Revision>> = BTreeMap::new();
        let (mut current, mut parts) = ("", log.split('\0').map(|part| part.trim_start_matches('\n')));
        while let Some(part) = parts.next() {
            if let Some(commit) = part.strip_prefix("commit ") {
                current = commit.trim_end_matches('\n');
            } else if let Some(meta) = part.strip_prefix(':') {
                // OLDMODE NEWMODE OLDBLOB NEWBLOB STATUS, then the path
                let mut words = meta.split(' ').skip(1);
                let (mode, object) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
                let path = parts.next().unwrap_or_default();
                let is_deletion = object.bytes().all(|digit| digit == b'0');
                if path.ends_with(".avsc") && !is_deletion && mode != SUBMODULE {
                    let (list, blob) = (revisions.entry(path.to_owned()).or_default(), Blob::new(mode, object));
                    // Where a link leads may have changed though the link did not.
                    if blob.is_link || !list.iter().any(|known| known.blob == blob) {
                        list.push(Revision { commit: current.to_owned(), blob });
                    }
                }
            }
        }
        revisions.values_mut().for_each(|list| list.reverse());
        Ok(revisions)
    }

    /// What is behind each request, in their order, by one process: an object, or `COMMIT:PATH`, followed through links.
    pub(super) fn contents(&self, asked: &[String]) -> Result<Vec<Result<String, String>>, Error> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let one_a_line: String = asked.iter().map(|request| format!("{}\n", request.replace('\n', " "))).collect();
        let answer = self.run(&["cat-file", "--batch", "--follow-symlinks"], one_a_line.into_bytes())?;
        let mut rest = answer.as_slice();
        Ok(asked.iter().map(|_| content(&mut rest)).collect())
    }

    fn with_paths(&self, arguments: &[&str]) -> Result<String, Error> {
        let inside: Vec<&str> = self.inside.iter().map(String::as_str).collect();
        self.text(&[arguments, &["--"], &inside].concat())
    }

    pub(super) fn text(&self, arguments: &[&str]) -> Result<String, Error> {
        self.run(arguments, Vec::new()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn run(&self, arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut git = Command::new("git");
        // A hook is called with these, seen from the outermost folder; git finds them by itself.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            git.env_remove(variable);
        }
        // A path is a path, whatever characters it has.
        git.env("GIT_LITERAL_PATHSPECS", "1");
        let mut child = git
            .current_dir(if self.top.as_os_str().is_empty() { Path::new(".") } else { &self.top })
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::NoGit)?;
        let stdin = child.stdin.take();
        // From a thread of its own: git answers while it is still being asked.
        let asking = std::thread::spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&input)));
        let output = child.wait_with_output().map_err(Error::NoGit)?;
        // A git that stopped listening says why by its exit code.
        drop(asking.join());
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(Error::Git { said: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
    }
}

/// A path as it was asked for: a folder with links resolved, a file where git has it.
fn asked(path: &Path) -> Result<PathBuf, Error> {
    if path.is_dir() { absolute(path) } else { Ok(super::place(path)) }
}

/// MODE SP TYPE SP OBJECT TAB PATH
fn entry(line: &str) -> Option<(&str, &str, &str)> {
    let (meta, path) = line.split_once('\t')?;
    let mut words = meta.split(' ');
    Some((words.next()?, words.nth(1)?, path))
}

/// The next answer of `git cat-file --batch --follow-symlinks`.
fn content(rest: &mut &[u8]) -> Result<String, String> {
    let head = String::from_utf8_lossy(line(rest)).into_owned();
    let words: Vec<&str> = head.split(' ').collect();
    let told = |rest: &mut &[u8], what: &str| {
        let where_to = String::from_utf8_lossy(line(rest)).into_owned();
        Err(format!("{what} (`{where_to}`)"))
    };
    match words.as_slice() {
        [_, kind, size] if size.parse::<usize>().is_ok() => {
            let size: usize = size.parse().unwrap_or_default();
            let bytes = rest.get(..size).map(<[u8]>::to_vec);
            // A line feed ends it.
            *rest = rest.get(size + 1..).unwrap_or_default();
            match (*kind, bytes) {
                ("blob", Some(bytes)) => text_of(bytes),
                ("blob", None) => Err("git did not give it in full".to_owned()),
                _ => Err(format!("it is a {kind} and no file")),
            }
        }
        ["symlink", _] => told(rest, "it is a link that leads out of the repository"),
        ["dangling", _] => told(rest, "it is a link that leads nowhere"),
        ["loop" | "notdir", _] => told(rest, "it is a link that cannot be followed"),
        [.., "missing"] => Err(MISSING.to_owned()),
        _ => Err(format!("git did not give it: {head}")),
    }
}

/// What is said of an object that the repository lacks.
pub(super) const MISSING: &str = "the repository does not have it";

/// The bytes up to the next line feed, which is taken away.
fn line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (line, behind) = rest.split_at(end);
    *rest = behind.get(1..).unwrap_or_default();
    line
}

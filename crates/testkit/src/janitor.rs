//! Ends what a test process started and removes its folder, however that process ends.
//!
//! Servers shared by several tests live in statics, which are never dropped, and a test process may be killed. So a
//! small shell holds the reading end of a pipe whose writing end only the test process has: when that process is gone
//! the pipe ends, and the shell kills every process group noted in the folder. A panic anywhere in the process leaves
//! a mark that makes the shell keep the folder.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// `$1` is the folder. The second removal is for a process that wrote while it died.
const SCRIPT: &str = r#"
cat >/dev/null
for group in "$1"/groups/*; do
  [ -e "$group" ] && kill -s KILL -- "-${group##*/}" 2>/dev/null
done
[ -e "$1/failed" ] && exit 0
rm -rf "$1" 2>/dev/null || { sleep 1; rm -rf "$1"; }
"#;

struct Janitor {
    folder: PathBuf,
    /// Never read: its open stdin is what tells the shell that this process is alive.
    _shell: Child,
}

static JANITOR: OnceLock<Janitor> = OnceLock::new();
static FOLDERS: AtomicUsize = AtomicUsize::new(0);

/// A new folder `NAME-N` in this process's own folder.
pub(crate) fn new_folder(name: &str) -> PathBuf {
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = janitor().folder.join(format!("{name}-{number}"));
    create(&folder);
    folder
}

/// Notes a process group, so that it ends with this process.
pub(crate) fn adopt(group: i32) {
    let note = group_note(group);
    fs::write(&note, "").unwrap_or_else(|error| panic!("could not write `{}`: {error}", note.display()));
}

/// Forgets a group that has ended.
pub(crate) fn release(group: i32) {
    // A note that is left names a group that is gone: killing it does nothing.
    drop(fs::remove_file(group_note(group)));
}

fn group_note(group: i32) -> PathBuf {
    janitor().folder.join("groups").join(group.to_string())
}

fn janitor() -> &'static Janitor {
    JANITOR.get_or_init(|| {
        let folder = std::env::temp_dir().join("sluice-tests").join(format!("{}-{}", test_name(), std::process::id()));
        create(&folder.join("groups"));
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "janitor"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C ends the tests, and then the janitor does its work.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("could not start `sh`: {error}"));
        keep_after_panic(folder.clone());
        Janitor { folder, _shell: shell }
    })
}

/// Adds to the panic hook: the folder stays, and the panic says where it is.
fn keep_after_panic(folder: PathBuf) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        previous(panic);
        let marked = fs::write(folder.join("failed"), panic.to_string());
        if marked.is_ok() {
            eprintln!("logs and data of this test process stay in {}", folder.display());
        }
    }));
}

/// Name of the test binary without cargo's hash, short enough for socket paths.
fn test_name() -> String {
    let executable = std::env::current_exe().unwrap_or_default();
    let stem = executable.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = stem.rsplit_once('-').map_or(stem.as_str(), |(name, _)| name);
    name.chars().take(32).collect()
}

fn create(folder: &Path) {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("could not create `{}`: {error}", folder.display()));
}

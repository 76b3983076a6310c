//! A child process in a group of its own, with its output in a file.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::janitor;

/// How long a server may take to be ready. Generous: test machines are busy, and a ready server ends the wait.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(25);
const TAIL_LINES: usize = 40;

/// Where servers keep what they store, in their folder.
pub(crate) const DATA: &str = "data";

/// A running child. Dropping it kills its whole process group, and removes its data unless the test has failed: the
/// servers of a long test would fill the disk otherwise.
pub(crate) struct Running {
    name: String,
    child: Child,
    folder: PathBuf,
}

impl Running {
    /// Starts the command with stdout and stderr going to `NAME.out` and `NAME.err` in `folder`.
    pub(crate) fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(create(&folder.join(format!("{name}.out"))))
            .stderr(create(&folder.join(format!("{name}.err"))))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| {
                let program = command.get_program().to_string_lossy();
                panic!("could not start `{program}`: {error}; `cargo xtask setup` installs what tests need")
            });
        let running = Self { name: name.to_owned(), child, folder: folder.to_owned() };
        janitor::adopt(running.group().as_raw());
        running
    }

    /// Waits until `ready` says so; an error says that the child ended or took too long, with the end of its output.
    pub(crate) fn wait_ready(&mut self, deadline: Duration, mut ready: impl FnMut() -> bool) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                return Err(format!("`{}` ended with {status} before it was ready\n{}", self.name, self.tail()));
            }
            if ready() {
                return Ok(());
            }
            if begun.elapsed() > deadline {
                let waited = deadline.as_secs();
                return Err(format!("`{}` was not ready after {waited} s\n{}", self.name, self.tail()));
            }
            thread::sleep(PAUSE);
        }
    }

    /// The exit status, once the child has ended.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("could not wait for `{}`: {error}", self.name))
    }

    /// Sends a signal to the child's whole group. A group that is gone is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        match killpg(self.group(), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => panic!("could not send {signal} to `{}`: {error}", self.name),
        }
    }

    /// What the child wrote to stdout so far.
    pub(crate) fn stdout(&self) -> String {
        self.read("out")
    }

    /// What the child wrote to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.read("err")
    }

    /// The last lines of both outputs, for messages.
    pub(crate) fn tail(&self) -> String {
        let output = format!("{}{}", self.stdout(), self.stderr());
        let lines: Vec<&str> = output.lines().collect();
        let skipped = lines.len().saturating_sub(TAIL_LINES);
        let tail: Vec<&str> = lines.into_iter().skip(skipped).collect();
        format!("--- the end of its output ({}):\n{}", self.folder.display(), tail.join("\n"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn group(&self) -> Pid {
        // The child leads its group, so both have the same number.
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits in 31 bits"))
    }

    fn read(&self, extension: &str) -> String {
        let path = self.folder.join(format!("{}.{extension}", self.name));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("could not read `{}`: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = self.group();
        // Neither call can fail in a way that matters here: the group is gone already, or the janitor gets it.
        killpg(group, Signal::SIGKILL).unwrap_or_default();
        drop(self.child.wait());
        janitor::release(group.as_raw());
        if !thread::panicking() {
            // Most have none, and the janitor gets what is left.
            drop(fs::remove_dir_all(self.folder.join(DATA)));
        }
    }
}

/// Starts a server up to three times, as another process may take its port between choice and use.
pub(crate) fn start_with_retry<T>(mut start: impl FnMut() -> Result<T, String>) -> T {
    let mut attempts = 3;
    loop {
        attempts -= 1;
        match start() {
            Ok(server) => return server,
            Err(reason) if attempts > 0 && reason.contains("Address already in use") => {}
            Err(reason) => panic!("{reason}"),
        }
    }
}

fn create(path: &Path) -> File {
    File::create(path).unwrap_or_else(|error| panic!("could not create `{}`: {error}", path.display()))
}

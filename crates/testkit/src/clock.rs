//! A wall clock of one process that jumps when told to, as after a correction by hand or by a time server.
//!
//! libfaketime stands between the process and the C library. Only the wall clock jumps: the monotonic one, by which
//! Rust's `Instant` and librdkafka's timers go, stays true, as it does when a real clock is set.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::janitor;

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const BRIDGE: &str = include_str!("../servers/clock.c");

/// A clock. It shows the right time until it jumps.
pub struct Clock {
    /// Holds by how much it is wrong; the process reads it each time that it looks at the clock.
    offset: PathBuf,
    preload: String,
}

// === impl Clock ===

impl Clock {
    /// A clock that is right.
    pub fn new() -> Self {
        let folder = janitor::new_folder("clock");
        let clock = Self {
            offset: folder.join("offset"),
            preload: format!("{}:{}", bridge(&folder).display(), library().display()),
        };
        clock.set(0);
        clock
    }

    /// From now on it is wrong by so many seconds.
    pub fn set(&self, seconds: i64) {
        let new = self.offset.with_extension("new");
        // Renamed, since half a file would be another time.
        fs::write(&new, format!("{seconds:+}"))
            .and_then(|()| fs::rename(&new, &self.offset))
            .unwrap_or_else(|error| panic!("could not write `{}`: {error}", self.offset.display()));
    }

    /// What makes a process live by this clock.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.preload.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the distribution keeps libfaketime: in a folder named after the processor.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a system with libraries").flatten().map(|folder| folder.path());
    let library = folders.map(|folder| folder.join(LIBRARY)).find(|library| library.exists());
    library.unwrap_or_else(|| panic!("no `{LIBRARY}` below `/usr/lib`: `cargo xtask setup` installs what tests need"))
}

/// Builds what libfaketime lacks; a moment's work for the C compiler.
fn bridge(folder: &Path) -> PathBuf {
    let (source, built) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, BRIDGE).unwrap_or_else(|error| panic!("could not write `{}`: {error}", source.display()));
    let output = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&built).arg(&source).output();
    let output = output.unwrap_or_else(|error| panic!("could not start `cc`: {error}; run `cargo xtask setup`"));
    assert!(output.status.success(), "`cc` failed: {}", String::from_utf8_lossy(&output.stderr));
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970, by a process with this clock.
    fn seen(clock: &Clock) -> i64 {
        let output = Command::new("date").arg("+%s").envs(clock.environment()).output().expect("`date` can be started");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of seconds")
    }

    #[test]
    fn a_process_sees_its_clock_jump_and_others_do_not() {
        let (right, wrong) = (Clock::new(), Clock::new());
        let begun = seen(&right);
        wrong.set(3_600);
        assert!(seen(&wrong) >= begun + 3_600);
        wrong.set(-3_600);
        assert!(seen(&wrong) < begun);
        assert!(seen(&right) >= begun && seen(&right) < begun + 3_600);
    }
}

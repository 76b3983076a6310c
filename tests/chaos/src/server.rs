//! A server that is killed and started anew on the same ports and data.
//!
//! `testkit` starts servers once. What a second start needs is read from the running process, so the second is the
//! first again. It joins the first one's process group: whatever ends that group with the test ends it too.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::{ffi::OsStringExt, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testkit::wait;

/// A server process and how to start it again.
pub struct Server {
    name: &'static str,
    group: i32,
    command: Vec<OsString>,
    folder: PathBuf,
    again: Option<Child>,
}

// === impl Server ===

impl Server {
    /// Takes over a running server that leads its own process group, as those of `testkit` do.
    pub fn of(name: &'static str, process_id: u32) -> Self {
        let line = fs::read(format!("/proc/{process_id}/cmdline")).expect("the server runs");
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let command = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        let folder = fs::read_link(format!("/proc/{process_id}/cwd")).expect("the server has a working folder");
        let group = i32::try_from(process_id).expect("a process id fits in 31 bits");
        Self { name, group, command, folder, again: None }
    }

    /// Kills it, as a lost machine would.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut child) = self.again.take() {
            child.wait().expect("the server was started here");
        }
    }

    /// Asks it to stop, as for an upgrade, and waits until it has.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if let Some(mut child) = self.again.take() {
            child.wait().expect("the server was started here");
            return;
        }
        // The first process has another parent here, which takes notice of its end only later: until then it is a zombie.
        let what = format!("`{}` stops", self.name);
        wait::until_blocking(&what, wait::PATIENCE, || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.group)).unwrap_or_default();
            let state = stat.rsplit(") ").next().unwrap_or_default();
            (state.is_empty() || state.starts_with('Z')).then_some(())
        });
    }

    /// Starts it again after [`Server::kill`] or [`Server::stop`]; it may not answer yet.
    pub fn start(&mut self) {
        let (program, arguments) = self.command.split_first().expect("a command line has a program");
        let log = |extension: &str| {
            let path = self.folder.join(format!("{}-again.{extension}", self.name));
            File::options().create(true).append(true).open(path).expect("the server's folder can be written to")
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stdout(log("out")).stderr(log("err"));
        self.again = Some(command.process_group(self.group).spawn().expect("the server started before"));
    }

    /// Sends a signal, such as the pair that stops and continues.
    pub fn signal(&self, signal: Signal) {
        let process = self.again.as_ref().map_or(self.group, |child| i32::try_from(child.id()).unwrap_or(self.group));
        kill(Pid::from_raw(process), signal).unwrap_or_else(|error| panic!("{signal} to `{}`: {error}", self.name));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.again.is_some() {
            self.kill();
        }
    }
}

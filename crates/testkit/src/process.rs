//! This workspace's own binaries as processes: started with a configuration, watched, signalled, and ended with the
//! test.

use std::{
    io,
    path::PathBuf,
    process::{Command, ExitStatus},
    time::Duration,
};

pub use nix::sys::signal::Signal;

use crate::{
    http::{self, Answer},
    janitor, ports,
    server::Running,
    tls::Authority,
    wait,
};

/// How to start a binary.
pub struct Launch {
    name: String,
    command: Command,
    folder: PathBuf,
    admin: Admin,
}

/// A running binary. Dropping it kills it.
pub struct Process {
    name: String,
    running: Running,
    admin: Admin,
}

/// Where the admin endpoint of a process is, and who signed its certificate when it speaks TLS.
#[derive(Clone)]
struct Admin {
    address: String,
    authority: Option<Authority>,
}

/// What a process that has ended left behind.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

// === impl Launch ===

impl Launch {
    /// Prepares a binary of this workspace. It gets an empty environment but for `PATH` and `HOME`, a folder of its own
    /// to work in, and a free port for its admin endpoint.
    pub fn binary(name: &str) -> Self {
        let folder = janitor::new_folder(name);
        let admin = format!("127.0.0.1:{}", ports::free());
        let mut command = Command::new(path_of(name));
        command.env_clear().current_dir(&folder);
        for variable in ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE"] {
            command.envs(std::env::var_os(variable).map(|value| (variable, value)));
        }
        command.env("SLUICE__ADMIN__BIND", &admin);
        let admin = Admin { address: admin, authority: None };
        Self { name: name.to_owned(), command, folder, admin }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets one variable, such as `SLUICE__TARGET__URL`.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    /// Sets variables.
    pub fn envs<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        for (key, value) in pairs {
            self.command.env(key.as_ref(), value.as_ref());
        }
        self
    }

    /// Lets its admin endpoint speak TLS alone, with a certificate of this authority.
    pub fn admin_over_tls(mut self, authority: &Authority) -> Self {
        let identity = authority.server("localhost", false);
        let write = |name: &str, text: &str| {
            let path = self.folder.join(name);
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            path.display().to_string()
        };
        let certificate = write("admin.pem", &identity.certificate);
        let key = write("admin.key", &identity.key);
        self.admin.authority = Some(authority.clone());
        self.env("SLUICE__ADMIN__TLS", "required")
            .env("SLUICE__ADMIN__CERTIFICATE_FILE", &certificate)
            .env("SLUICE__ADMIN__KEY_FILE", &key)
    }

    /// Starts it.
    pub fn start(mut self) -> Process {
        let running = Running::start(&self.name, &self.folder, &mut self.command);
        Process { name: self.name, running, admin: self.admin }
    }

    /// Starts it and waits until it has ended.
    pub fn run(self) -> Ended {
        self.start().wait(wait::PATIENCE)
    }
}

// === impl Process ===

impl Process {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Address of its admin endpoint, `127.0.0.1:port`.
    pub fn admin(&self) -> &str {
        &self.admin.address
    }

    /// A page of its admin endpoint, such as `/metrics`.
    pub fn page(&self, path: &str) -> io::Result<Answer> {
        self.admin.get(path)
    }

    /// The value of a metric of a process that runs one stage, by its name or with all its labels; 0 while it has none or
    /// does not answer.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.page("/metrics").map(|answer| answer.body).unwrap_or_default();
        let line =
            page.lines().find(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    }

    /// Waits until `/readyz` answers 200; a process that ends before fails the test with its output.
    pub fn wait_ready(&mut self) {
        let admin = self.admin.clone();
        let ready = || admin.get("/readyz").is_ok_and(|answer| answer.status == 200);
        self.running.wait_ready(wait::PATIENCE, ready).unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// Waits until a line of its output contains `text`, and gives that line; a process that ends without it fails the
    /// test.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let what = format!("`{}` writes `{text}`", self.name);
        wait::until_blocking(&what, wait::PATIENCE, || {
            // In this order: what was written just before the end is then read.
            let ended = self.running.exited();
            let output = format!("{}{}", self.stdout(), self.stderr());
            let line = output.lines().find(|line| line.contains(text)).map(str::to_owned);
            assert!(ended.is_none() || line.is_some(), "`{}` never wrote `{text}`\n{}", self.name, self.running.tail());
            line
        })
    }

    /// Sends a signal to the process and its children.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Kills it at once, as a lost machine would, and waits until it is gone.
    pub fn kill(mut self) -> Ended {
        self.signal(Signal::SIGKILL);
        self.ended(wait::PATIENCE)
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.ended(wait::PATIENCE)
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self, deadline: Duration) -> Ended {
        self.ended(deadline)
    }

    /// The exit status, once it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.running.exited()
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        self.running.stdout()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }

    fn ended(&mut self, deadline: Duration) -> Ended {
        let what = format!("`{}` ends", self.name);
        let status = wait::until_blocking(&what, deadline, || self.running.exited());
        Ended { status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

// === impl Admin ===

impl Admin {
    fn get(&self, path: &str) -> io::Result<Answer> {
        match &self.authority {
            Some(authority) => http::get_over_tls(&self.address, path, authority),
            None => http::get(&self.address, path),
        }
    }
}

// === impl Ended ===

impl Ended {
    /// The exit code; `None` after a signal.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test, with the output, unless the exit code is this one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let (out, err) = (&self.stdout, &self.stderr);
        assert_eq!(self.status.code(), Some(code), "{}\n--- stdout:\n{out}\n--- stderr:\n{err}", self.status);
        self
    }
}

/// The binary in the target folder that this program was built into.
pub fn path_of(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap_or_else(|error| panic!("could not find this program's path: {error}"));
    // A binary is target/debug/NAME; a test is target/debug/deps/NAME-HASH.
    let folder = this.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = profile.join(name);
    assert!(
        path.exists(),
        "`{}` is not there: `cargo xtask test` builds it, or run `cargo build --workspace --bins` first",
        path.display()
    );
    path
}

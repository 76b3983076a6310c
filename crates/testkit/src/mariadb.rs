//! A MariaDB server of the test process's own, or the MySQL server that `SLUICE_TEST_MYSQL_URL` names.
//!
//! One server per test process, started at the first use; each test takes a [`Database`] of its own. Two accounts, as
//! in production: an administrator, who migrates, and a loader, who may read and write rows and nothing else, so that
//! a stage that needs more fails its tests. The server's character set stays at its default, which is not UTF-8: a
//! store must not depend on it.

use std::{
    path::Path,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    janitor, ports,
    server::{DATA, Running, START_DEADLINE, start_with_retry},
};

mod session;

pub use session::Session;

/// Names an existing MySQL or MariaDB server to use, `mysql://administrator:password@host:port`.
pub const EXISTING_SERVER: &str = "SLUICE_TEST_MYSQL_URL";

/// The loader's name, and both accounts' password on a server of our own.
const LOADER: &str = "sluice_loader";
const PASSWORD: &str = "correct-horse";

static SHARED: OnceLock<MariaDb> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// A server.
pub struct MariaDb {
    administrator: Account,
    loader: Account,
    /// Absent for a server that others run.
    running: Option<Running>,
}

/// How one account reaches the server.
#[derive(Clone, Debug)]
pub struct Account {
    host: String,
    port: u16,
    user: String,
    password: String,
    /// The client asks for TLS: MySQL takes a password that it has not seen yet over nothing less.
    encrypted: bool,
}

/// An empty database for one test. It goes away with the server; on a server that others run, it stays.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Who may do everything in it, such as migrate.
    pub administrator: Account,
    /// Who may only select, insert, update and delete.
    pub loader: Account,
}

// === impl MariaDb ===

impl MariaDb {
    /// The server of this test process; starts it when it does not run yet.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(|| match std::env::var(EXISTING_SERVER) {
            Ok(url) if !url.is_empty() => Self::existing(&url),
            _ => Self::start(),
        })
    }

    /// A server of one's own, to be stopped and hurt.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server of one's own with more options, such as `--innodb-flush-log-at-trx-commit=1`; they win over those that
    /// every server here has.
    pub fn start_with(options: &[&str]) -> Self {
        start_with_retry(|| Self::try_start(options))
    }

    /// The administrator's URL of a database, with the password in it.
    pub fn url(&self, database: &str) -> String {
        self.administrator.url_with_password(database)
    }

    /// Creates a database that no other test knows.
    pub fn fresh_database(&self) -> Database {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("sluice_{}_{number}", std::process::id());
        let mut session = Session::open(&self.administrator, "");
        session.run(&format!("DROP DATABASE IF EXISTS {name}"));
        session.run(&format!("CREATE DATABASE {name}"));
        session.run(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO '{LOADER}'@'%'"));
        Database { name, administrator: self.administrator.clone(), loader: self.loader.clone() }
    }

    /// The server's process id; `None` for a server that others run.
    pub fn process_id(&self) -> Option<u32> {
        self.running.as_ref().map(Running::id)
    }

    fn existing(url: &str) -> Self {
        let administrator = Account::parse(url)
            .unwrap_or_else(|| panic!("{EXISTING_SERVER} must look like mysql://user:password@host:port, not `{url}`"));
        let loader = Account { user: LOADER.to_owned(), password: PASSWORD.to_owned(), ..administrator.clone() };
        create_loader(&administrator, &loader);
        Self { administrator, loader, running: None }
    }

    fn try_start(options: &[&str]) -> Result<Self, String> {
        let folder = janitor::new_folder("mariadb");
        let data = folder.join(DATA);
        let user = system_user();
        initialise(&folder, &data, &user);
        let port = ports::free();
        let mut command = Command::new(program("mariadbd"));
        command
            .arg("--no-defaults")
            .arg(format!("--user={user}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=300"])
            .args(["--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M", "--performance-schema=OFF"])
            // Durable against a killed server, not against a killed machine: tests kill servers.
            .args(["--innodb-flush-log-at-trx-commit=2", "--skip-log-bin"])
            .args(options)
            .env("TMPDIR", &folder);
        let mut running = Running::start("mariadbd", &folder, &mut command);
        running.wait_ready(START_DEADLINE, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        let root = Account::local(port, "root", "");
        let administrator = Account::local(port, "sluice_admin", PASSWORD);
        Session::open(&root, "").run(&format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}';
             GRANT ALL PRIVILEGES ON *.* TO '{user}'@'%' WITH GRANT OPTION",
            user = administrator.user
        ));
        let loader = Account::local(port, LOADER, PASSWORD);
        create_loader(&administrator, &loader);
        Ok(Self { administrator, loader, running: Some(running) })
    }
}

fn create_loader(administrator: &Account, loader: &Account) {
    let mut session = Session::open(administrator, "");
    session.run(&format!("CREATE USER IF NOT EXISTS '{LOADER}'@'%' IDENTIFIED BY '{PASSWORD}'"));
    // A first login makes MySQL remember the password; later ones then do without encryption.
    Session::open(loader, "").run("SELECT 1");
}

/// Makes the system tables; takes less than a second.
fn initialise(folder: &Path, data: &Path, user: &str) {
    let output = Command::new(program("mariadb-install-db"))
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--user={user}"))
        .arg(format!("--datadir={}", data.display()))
        .arg("--innodb-log-file-size=128M")
        // A server that starts removes temporary tables that it finds there, also those of another that starts.
        .env("TMPDIR", folder)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| {
            panic!("could not start `mariadb-install-db`: {error}; `cargo xtask setup` installs what tests need")
        });
    assert!(output.status.success(), "`mariadb-install-db` failed\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The server's program may live where ordinary users' paths do not look.
fn program(name: &str) -> String {
    let administrative = format!("/usr/sbin/{name}");
    if Path::new(&administrative).exists() { administrative } else { name.to_owned() }
}

/// Name of the user who runs the tests: the server refuses to run as root unless told to.
fn system_user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap_or_else(|error| panic!("could not start `id`: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

// === impl Account ===

impl Account {
    /// URL of a database without the password, as in a configuration file.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://{}@{}:{}/{database}", self.user, self.host, self.port)
    }

    /// URL of a database with the password in it.
    pub fn url_with_password(&self, database: &str) -> String {
        format!("mysql://{}:{}@{}:{}/{database}", self.user, self.password, self.host, self.port)
    }

    /// Host and port.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Somebody who comes by TLS.
    pub fn encrypted(host: &str, port: u16, user: &str, password: &str) -> Self {
        let (host, user, password) = (host.to_owned(), user.to_owned(), password.to_owned());
        Self { host, port, user, password, encrypted: true }
    }

    fn local(port: u16, user: &str, password: &str) -> Self {
        let host = "127.0.0.1".to_owned();
        Self { host, port, user: user.to_owned(), password: password.to_owned(), encrypted: false }
    }

    fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("mysql://")?;
        let (credentials, address) = rest.trim_end_matches('/').rsplit_once('@')?;
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "3306"));
        let port = port.parse().ok()?;
        let (user, password) = (user.to_owned(), password.to_owned());
        Some(Self { host: host.to_owned(), port, user, password, encrypted: true })
    }
}

// === impl Database ===

impl Database {
    /// The administrator's URL, with the password in it.
    pub fn url(&self) -> String {
        self.administrator.url_with_password(&self.name)
    }

    /// The loader's URL, with the password in it.
    pub fn loader_url(&self) -> String {
        self.loader.url_with_password(&self.name)
    }

    /// A session of the administrator.
    pub fn session(&self) -> Session {
        Session::open(&self.administrator, &self.name)
    }
}

#[cfg(test)]
mod tests;

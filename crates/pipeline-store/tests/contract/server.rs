//! A private MariaDB server for the tests of this process.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Holds the server's standard input: when this process ends, however it ends, the pipe closes, and the shell that
/// waits at its other end stops the server and removes its data.
struct Server {
    url: String,
    _shell: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// URL of a server whose account may create databases, without a database.
pub fn url() -> String {
    if let Ok(url) = std::env::var("SLUICE_TEST_MYSQL_URL") {
        return url.trim_end_matches('/').to_owned();
    }
    SERVER.get_or_init(start).url.clone()
}

fn start() -> Server {
    let binary = Path::new("/usr/sbin/mariadbd");
    assert!(
        binary.exists(),
        "the store's contract needs a MySQL or MariaDB server: set SLUICE_TEST_MYSQL_URL, or install mariadb-server"
    );
    let folder = tempfile::Builder::new().prefix("sluice-mariadb-").tempdir().unwrap().keep();
    let data = folder.join("data");
    let install = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"])
        .arg(format!("--datadir={}", data.display()))
        .output()
        .unwrap();
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = r#"
        mariadbd --no-defaults --user=root --datadir="$1/data" --socket="$1/my.sock" --pid-file="$1/my.pid" \
            --bind-address=127.0.0.1 --port="$2" --innodb-buffer-pool-size=64M --performance-schema=OFF \
            --max-connections=300 > "$1/log" 2>&1 < /dev/null &
        server=$!
        cat > /dev/null
        kill "$server"
        wait "$server"
        rm -rf "$1"
    "#;
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let shell = Command::new("sh")
        .args(["-c", script, "sluice-mariadb", folder.to_str().unwrap(), &port.to_string()])
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_ready(&folder, port);
    Server { url: format!("mysql://root@127.0.0.1:{port}"), _shell: shell }
}

fn wait_until_ready(folder: &Path, port: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "mariadbd does not listen:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

//! How the link to a MySQL or MariaDB server is made safe, from the parameters of `target.url`.
//!
//! A parameter that nobody reads is a wish that nobody grants: `ssl_mode=REQUIRED` would connect in the clear. So every
//! parameter is known or a fault. A host that is not this machine is reached over verified TLS, unless the URL asks for
//! less by name.

use std::{net::IpAddr, path::PathBuf};

use url::Url;

/// The parameters of a `mysql` URL.
const MYSQL: [&str; 5] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket"];
/// The parameters of a `sqlite` URL.
const SQLITE: [&str; 4] = ["mode", "cache", "immutable", "vfs"];
/// What `ssl-mode` may say.
const MODES: [(&str, TlsMode); 5] = [
    ("DISABLED", TlsMode::Disabled),
    ("PREFERRED", TlsMode::Preferred),
    ("REQUIRED", TlsMode::Required),
    ("VERIFY_CA", TlsMode::VerifyCa),
    ("VERIFY_IDENTITY", TlsMode::VerifyIdentity),
];
/// The parameters of a `couchbase` URL. The client knows more: `enable_tls=false` would take TLS out of `couchbases`.
const COUCHBASE: [&str; 4] = ["network", "num_kv_connections", "tcp_keep_alive_time", "config_poll_interval"];
/// How other programs spell that TLS is wanted; no spelling is near enough to be guessed.
const OTHER_NAMES: [&str; 6] = ["tls", "ssl", "usessl", "require_ssl", "requiressl", "verify"];

/// How much TLS a link has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// None.
    Disabled,
    /// What the server offers; on this machine only.
    Preferred,
    /// TLS with whoever answers.
    Required,
    /// TLS with a server whose certificate a known authority signed, whatever its name.
    VerifyCa,
    /// TLS with a server whose certificate a known authority signed for this host.
    VerifyIdentity,
}

/// The way to a MySQL or MariaDB server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// How much TLS.
    pub tls: TlsMode,
    /// The authority that signed the server's certificate, PEM; none: the public ones.
    pub authority: Option<PathBuf>,
    /// The client's certificate and its chain, PEM.
    pub certificate: Option<PathBuf>,
    /// The key of the client's certificate, PEM.
    pub key: Option<PathBuf>,
    /// The server's socket on this machine.
    pub socket: Option<PathBuf>,
}

/// What is wrong with a URL's parameters. Repeats names and no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub struct LinkError {
    /// What was found.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

// === impl TlsMode ===

impl TlsMode {
    fn parse(text: &str) -> Option<Self> {
        MODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, mode)| *mode)
    }

    /// Whether the link fails where there is no TLS.
    pub fn is_required(self) -> bool {
        !matches!(self, Self::Disabled | Self::Preferred)
    }
}

// === impl Link ===

impl Link {
    /// Reads the parameters of a `mysql` URL. `can_tls`: whether this build can do TLS.
    pub fn read(url: &str, can_tls: bool) -> Result<Self, LinkError> {
        let shape = "write `mysql://user@host:port/database`";
        let url = &Url::parse(url).map_err(|error| wrong(&format!("not a URL: {error}"), shape))?;
        known(url.query().unwrap_or_default(), &MYSQL)?;
        let (authority, certificate) = (path(url, "ssl-ca"), path(url, "ssl-cert"));
        let (key, socket) = (path(url, "ssl-key"), path(url, "socket"));
        let is_near = socket.is_some() || is_loopback(url);
        let tls = mode(url, is_near)?;
        let link = Self { tls, authority, certificate, key, socket };
        link.check(can_tls)?;
        Ok(link)
    }

    fn check(&self, can_tls: bool) -> Result<(), LinkError> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err(wrong("`ssl-cert` and `ssl-key` only make sense together", "give both, or neither"));
        }
        let has_files = self.authority.is_some() || self.certificate.is_some();
        let verifies = matches!(self.tls, TlsMode::VerifyCa | TlsMode::VerifyIdentity);
        if (self.authority.is_some() && !verifies) || (has_files && !self.tls.is_required()) {
            return Err(wrong("names files for TLS that `ssl-mode` does not use", "add `ssl-mode=VERIFY_IDENTITY`"));
        }
        if self.tls.is_required() && !can_tls {
            return Err(wrong(
                "needs TLS, which this build does not have",
                "build with `--features tls`, or ask for plain text by name: `ssl-mode=DISABLED`",
            ));
        }
        Ok(())
    }
}

/// Whether a `sqlite` URL has only parameters that are known.
pub fn check_file(url: &str) -> Result<(), LinkError> {
    known(url.split_once('?').map_or("", |(_, query)| query), &SQLITE)
}

/// Whether a `couchbase` or `couchbases` URL has only parameters that are known.
pub fn check_couchbase(url: &str) -> Result<(), LinkError> {
    known(url.split_once('?').map_or("", |(_, query)| query), &COUCHBASE)
}

fn mode(url: &Url, is_near: bool) -> Result<TlsMode, LinkError> {
    let Some(text) = parameter(url, "ssl-mode") else {
        return Ok(if is_near { TlsMode::Preferred } else { TlsMode::VerifyIdentity });
    };
    match TlsMode::parse(&text) {
        Some(TlsMode::Preferred) if !is_near => Err(wrong(
            "`ssl-mode=PREFERRED` would let whoever stands between switch TLS off",
            "write `ssl-mode=VERIFY_IDENTITY`, or ask for plain text by name: `ssl-mode=DISABLED`",
        )),
        Some(mode) => Ok(mode),
        None => {
            let modes = MODES.map(|(name, _)| format!("`{name}`")).join(", ");
            Err(wrong("`ssl-mode` has a value that is not known", &format!("expected one of {modes}")))
        }
    }
}

/// Whether each parameter is known, and there once.
fn known(query: &str, names: &[&str]) -> Result<(), LinkError> {
    let mut seen = Vec::new();
    for name in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        if !names.contains(&name) {
            return Err(unknown(name, names));
        }
        if seen.contains(&name) {
            return Err(wrong(&format!("has the parameter `{name}` twice"), "keep one of them"));
        }
        seen.push(name);
    }
    Ok(())
}

fn unknown(name: &str, names: &[&str]) -> LinkError {
    let printable = name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it)) && name.len() <= 40;
    let problem = if printable { format!("unknown parameter `{name}`") } else { "unknown parameter".to_owned() };
    let plain = name.to_lowercase();
    let likeness = |word: &str| strsim::normalized_damerau_levenshtein(word, &plain);
    let nearest = names.iter().map(|word| (*word, likeness(word))).filter(|(_, like)| *like >= 0.5);
    let nearest = nearest.reduce(|best, other| if other.1 > best.1 { other } else { best });
    let nearest = match nearest {
        _ if OTHER_NAMES.contains(&plain.as_str()) && names.contains(&"ssl-mode") => Some("ssl-mode"),
        nearest => nearest.map(|(word, _)| word),
    };
    match nearest {
        Some(word) => wrong(&problem, &format!("did you mean `{word}`?")),
        None => wrong(&problem, &format!("known are `{}`", names.join("`, `"))),
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn path(url: &Url, name: &str) -> Option<PathBuf> {
    parameter(url, name).map(PathBuf::from)
}

/// Whether a URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_none_or(is_this_machine)
}

/// Whether a host, a name or an address, is this machine.
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn wrong(problem: &str, remedy: &str) -> LinkError {
    LinkError { problem: problem.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Link, TlsMode, check_file};

    fn read(rest: &str, can_tls: bool) -> Result<TlsMode, String> {
        Link::read(&format!("mysql://u@{rest}"), can_tls).map(|link| link.tls).map_err(|error| error.to_string())
    }

    #[test]
    fn a_host_that_is_not_this_machine_is_verified_unless_less_is_asked_for_by_name() {
        for (rest, mode) in [
            ("db.example/d", TlsMode::VerifyIdentity),
            ("10.0.0.1:3306/d", TlsMode::VerifyIdentity),
            ("127.0.0.1.example/d", TlsMode::VerifyIdentity),
            ("db.example/d?ssl-mode=DISABLED", TlsMode::Disabled),
            ("db.example/d?ssl-mode=required", TlsMode::Required),
            ("db.example/d?ssl-mode=VERIFY_CA&ssl-ca=/ca.pem", TlsMode::VerifyCa),
            ("localhost/d", TlsMode::Preferred),
            ("127.0.0.2:3306/d", TlsMode::Preferred),
            ("[::1]:3306/d", TlsMode::Preferred),
            ("db.example/d?socket=/run/mysqld.sock", TlsMode::Preferred),
            ("localhost/d?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem", TlsMode::VerifyIdentity),
        ] {
            assert_eq!(read(rest, true), Ok(mode), "{rest}");
        }
    }

    #[test]
    fn a_parameter_that_is_not_known_is_refused_with_the_nearest_one() {
        for (rest, part) in [
            ("db/d?ssl_mode=REQUIRED", "unknown parameter `ssl_mode`; did you mean `ssl-mode`?"),
            ("db/d?sslmode=REQUIRED", "did you mean `ssl-mode`?"),
            ("localhost/d?require_ssl", "did you mean `ssl-mode`?"),
            ("db/d?tls=true", "did you mean `ssl-mode`?"),
            ("db/d?useSSL=true", "did you mean `ssl-mode`?"),
            ("db/d?sslca=/ca.pem", "did you mean `ssl-ca`?"),
            ("db/d?charset=latin1", "known are `ssl-mode`, `ssl-ca`"),
            ("db/d?ssl%2Dmode=REQUIRED", "unknown parameter"),
            ("db/d?ssl-mode=YES", "expected one of `DISABLED`"),
            ("db/d?ssl-mode=PREFERRED", "ssl-mode=DISABLED"),
            ("db/d?ssl-mode=REQUIRED&ssl-mode=DISABLED", "twice"),
            ("db/d?ssl-mode=DISABLED&ssl-ca=/ca.pem", "does not use"),
            ("db/d?ssl-mode=REQUIRED&ssl-ca=/ca.pem", "does not use"),
            ("localhost/d?ssl-ca=/ca.pem", "add `ssl-mode=VERIFY_IDENTITY`"),
            ("db/d?ssl-cert=/c.pem", "together"),
        ] {
            let error = read(rest, true).expect_err(rest);
            assert!(error.contains(part), "{rest}: {error}");
        }
        let error = check_file("sqlite:///a.db?mod=ro").expect_err("a fault").to_string();
        assert_eq!(error, "unknown parameter `mod`; did you mean `mode`?");
        assert_eq!(check_file("sqlite:///a.db?mode=ro"), Ok(()));
    }

    #[test]
    fn a_build_without_tls_says_what_to_build() {
        for rest in ["db/d", "localhost/d?ssl-mode=REQUIRED"] {
            let error = read(rest, false).expect_err(rest);
            assert!(error.contains("build with `--features tls`"), "{rest}: {error}");
        }
        assert_eq!(read("db/d?ssl-mode=DISABLED", false), Ok(TlsMode::Disabled));
        assert_eq!(read("localhost/d", false), Ok(TlsMode::Preferred));
    }
}

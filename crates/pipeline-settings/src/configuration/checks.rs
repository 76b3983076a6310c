//! What no schema says: addresses that can be one, and keys that only make sense together.

use url::Url;

use crate::{
    redaction::redact_url,
    settings::{SchemaRegistry, Settings, Source, Telemetry},
    target_url::{self, Link, LinkError, is_loopback},
};

use super::{FaultKind, Findings, couchbase, keys::listed, view::shown};

/// What to do with a program that lacks TLS.
pub(super) const NO_TLS: &str = "this program was built without TLS: build it with `--features tls`";

pub(super) fn registry(registry: &SchemaRegistry, findings: &mut Findings<'_>) {
    web_address("schema_registry.url", &registry.url, findings);
    let has_token = registry.token.is_some() || registry.token_file.is_some();
    if has_token && registry.username.is_some() {
        let problem = "is set, and so is a token: only one of them can be sent";
        findings.fault(FaultKind::Contradiction, "schema_registry.username", problem, Some("keep one of them"));
    }
    let (ca, certificate, key) = (
        ("schema_registry.ca_file", registry.ca_file.is_some()),
        ("schema_registry.client_certificate_file", registry.client_certificate_file.is_some()),
        ("schema_registry.client_key_file", registry.client_key_file.is_some()),
    );
    together(certificate, key, findings);
    secured("schema_registry.url", &registry.url, [ca, certificate, key], findings);
}

pub(super) fn collector(telemetry: &Telemetry, findings: &mut Findings<'_>) {
    let (ca, certificate, key) = (
        ("telemetry.otlp_ca_file", telemetry.otlp_ca_file.is_some()),
        ("telemetry.otlp_client_certificate_file", telemetry.otlp_client_certificate_file.is_some()),
        ("telemetry.otlp_client_key_file", telemetry.otlp_client_key_file.is_some()),
    );
    together(certificate, key, findings);
    // A build without the exporter sends nothing, and says so when it starts.
    if cfg!(feature = "otlp") || !telemetry.otlp_endpoint.starts_with("https:") {
        secured("telemetry.otlp_endpoint", &telemetry.otlp_endpoint, [ca, certificate, key], findings);
    }
}

/// A key with whether it is set.
type Named<'a> = (&'a str, bool);

/// A certificate is nothing without its key.
pub(super) fn together(certificate: Named<'_>, key: Named<'_>, findings: &mut Findings<'_>) {
    for ((set, is_set), (missing, is_there)) in [(certificate, key), (key, certificate)] {
        if is_set && !is_there {
            findings.fault(FaultKind::Missing, set, format!("needs `{missing}`, which is not set"), None);
        }
    }
}

/// What is for TLS needs an address that has it, and a program.
fn secured(key: &str, url: &str, named: [Named<'_>; 3], findings: &mut Findings<'_>) {
    if url.starts_with("https:") {
        if !cfg!(feature = "tls") {
            findings.fault(FaultKind::NotInBuild, key, "`https` is TLS", Some(NO_TLS));
        }
        return;
    }
    let problem = format!("is for TLS, and `{key}` is not `https`");
    findings.contradict(&named, &problem, "write `https://`, which is TLS");
}

pub(super) fn source(source: &Source, findings: &mut Findings<'_>) {
    let (key, url) = ("source.url", source.url.as_str());
    let Some(scheme) = scheme(key, url, &["file", "generator", "couchbase", "couchbases"], findings) else { return };
    if scheme == "file" {
        let is_rooted = url.strip_prefix("file://").is_some_and(|path| path.starts_with('/'));
        if !is_rooted {
            let hint = Some("three slashes and an absolute path: `file:///folder`");
            findings.fault(FaultKind::Unusable, key, format!("not an absolute path: {}", quoted(url)), hint);
        }
    } else if scheme != "generator" {
        no_secret(key, url, findings);
        couchbase::check(source, findings);
    }
}

pub(super) fn target(settings: &Settings, findings: &mut Findings<'_>) {
    let (key, url) = ("target.url", settings.target.url.as_str());
    match scheme(key, url, &["mysql", "sqlite"], findings) {
        Some("mysql") => {
            let Some(parsed) = host(key, url, "mysql://user@host:port/database", findings) else { return };
            if parsed.path().trim_matches('/').is_empty() {
                let hint = Some("end with its name: `mysql://user@host:port/database`");
                findings.fault(FaultKind::Unusable, key, "names no database", hint);
            }
            if parsed.password().is_some_and(|password| !password.is_empty()) {
                let hint = Some("move it to `target.password_file`");
                findings.warn(key, "holds a password, which whoever sees the URL reads", hint);
            }
            let other = settings.target.password.is_some() || settings.target.password_file.is_some();
            if parsed.password().is_some() && other {
                let hint = Some("take it out of the URL");
                findings.fault(FaultKind::Contradiction, key, "holds a password, and another one is configured", hint);
            }
            if let Err(LinkError { problem, remedy }) = Link::read(url, cfg!(feature = "tls")) {
                findings.fault(FaultKind::Unusable, key, problem, Some(&remedy));
            }
        }
        Some("sqlite") if url.trim_start_matches("sqlite:").trim_start_matches("//").is_empty() => {
            let hint = Some("such as `sqlite:///var/lib/sluice/copy.db`");
            findings.fault(FaultKind::Unusable, key, "names no file", hint);
        }
        Some("sqlite") => {
            if let Err(LinkError { problem, remedy }) = target_url::check_file(url) {
                findings.fault(FaultKind::Unusable, key, problem, Some(&remedy));
            }
        }
        _ => {}
    }
}

pub(super) fn web_address(key: &str, url: &str, findings: &mut Findings<'_>) {
    if scheme(key, url, &["http", "https"], findings).is_some() {
        let Some(parsed) = host(key, url, "http://host:port", findings) else { return };
        no_secret(key, url, findings);
        if parsed.scheme() == "http" && !is_loopback(&parsed) {
            let hint = Some("write `https://`, unless the network between is your own");
            findings.warn(key, "is plain text to another machine: who listens reads everything", hint);
        }
    }
}

/// A URL is shown, logged and passed on, so a secret has a key, and best a file, of its own.
pub(super) fn no_secret(key: &str, url: &str, findings: &mut Findings<'_>) {
    if redact_url(url) != url {
        let hint = "take it out; secrets have keys and files of their own, such as `password_file`";
        findings.fault(FaultKind::Unusable, key, "holds a password or a token", Some(hint));
    }
}

/// The scheme when it is one of the allowed.
fn scheme<'a>(key: &str, url: &'a str, allowed: &[&str], findings: &mut Findings<'_>) -> Option<&'a str> {
    let expected = listed(allowed.iter().copied());
    let Some((scheme, _)) = url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        findings.fault(
            FaultKind::Unusable,
            key,
            format!("expected a URL with one of the schemes {expected}, found {}", quoted(url)),
            None,
        );
        return None;
    };
    if allowed.contains(&scheme) {
        return Some(scheme);
    }
    let hint = match scheme {
        "mariadb" => Some("write `mysql://`; it serves both"),
        _ => None,
    };
    findings.fault(FaultKind::Unusable, key, format!("unknown scheme `{scheme}`; expected one of {expected}"), hint);
    None
}

fn host(key: &str, url: &str, shape: &str, findings: &mut Findings<'_>) -> Option<Url> {
    let hint = format!("such as `{shape}`");
    let hint = Some(hint.as_str());
    match Url::parse(url) {
        Ok(parsed) if parsed.host_str().is_some_and(|host| !host.is_empty()) => return Some(parsed),
        Ok(_) => findings.fault(FaultKind::Unusable, key, format!("names no host: {}", quoted(url)), hint),
        Err(source) => findings.fault(FaultKind::Unusable, key, format!("not a URL: {source}"), hint),
    }
    None
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", shown(text)) }
}

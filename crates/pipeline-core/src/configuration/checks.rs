//! What no schema says: addresses that can be one, and keys that only make sense together.

use std::net::SocketAddr;

use reqwest::Url;
use tracing_subscriber::EnvFilter;

use crate::{
    redaction::redact_url,
    settings::{SchemaRegistry, Settings, Source},
    target_url::{self, Link, LinkError},
};

use super::{Report, couchbase, kafka, keys::listed, view::shown};

/// Reports everything that cannot work.
pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    kafka::check(&settings.kafka, report);
    registry(&settings.schema_registry, report);
    if !settings.source.url.is_empty() {
        source(&settings.source, report);
    }
    if !settings.target.url.is_empty() {
        target(settings, report);
    }
    if !settings.telemetry.otlp_endpoint.is_empty() {
        web_address("telemetry.otlp_endpoint", &settings.telemetry.otlp_endpoint, report);
    }
    if let Err(source) = EnvFilter::builder().parse(&settings.telemetry.log_filter) {
        let problem = format!("not a log filter: {source}");
        report.fault("telemetry.log_filter", problem, Some("write a level such as `info`".to_owned()));
    }
    bind(&settings.admin.bind, report);
}

fn registry(registry: &SchemaRegistry, report: &mut Report<'_>) {
    web_address("schema_registry.url", &registry.url, report);
    let has_token = registry.token.is_some() || registry.token_file.is_some();
    if has_token && registry.username.is_some() {
        let problem = "is set, and so is a token: only one of them can be sent".to_owned();
        report.fault("schema_registry.username", problem, Some("keep one of them".to_owned()));
    }
    let (certificate, key) = ("schema_registry.client_certificate_file", "schema_registry.client_key_file");
    match (&registry.client_certificate_file, &registry.client_key_file) {
        (Some(_), None) => report.fault(certificate, format!("needs `{key}`, which is not set"), None),
        (None, Some(_)) => report.fault(key, format!("needs `{certificate}`, which is not set"), None),
        _ => {}
    }
}

fn source(source: &Source, report: &mut Report<'_>) {
    let (key, url) = ("source.url", source.url.as_str());
    let Some(scheme) = scheme(key, url, &["file", "generator", "couchbase", "couchbases"], report) else { return };
    if scheme == "file" {
        let is_rooted = url.strip_prefix("file://").is_some_and(|path| path.starts_with('/'));
        if !is_rooted {
            let hint = Some("three slashes and an absolute path: `file:///folder`".to_owned());
            report.fault(key, format!("not an absolute path: {}", quoted(url)), hint);
        }
    } else if scheme != "generator" {
        no_secret(key, url, report);
        couchbase::check(source, report);
    }
}

fn target(settings: &Settings, report: &mut Report<'_>) {
    let (key, url) = ("target.url", settings.target.url.as_str());
    match scheme(key, url, &["mysql", "sqlite"], report) {
        Some("mysql") => {
            let Some(parsed) = host(key, url, "mysql://user@host:port/database", report) else { return };
            if parsed.path().trim_matches('/').is_empty() {
                let hint = Some("end with its name: `mysql://user@host:port/database`".to_owned());
                report.fault(key, "names no database".to_owned(), hint);
            }
            if parsed.password().is_some_and(|password| !password.is_empty()) {
                let hint = Some("move it to `target.password_file`".to_owned());
                report.warn(key, "holds a password, which whoever sees the URL reads".to_owned(), hint);
            }
            let other = settings.target.password.is_some() || settings.target.password_file.is_some();
            if parsed.password().is_some() && other {
                let hint = Some("take it out of the URL".to_owned());
                report.fault(key, "holds a password, and another one is configured".to_owned(), hint);
            }
            if let Err(LinkError { problem, remedy }) = Link::read(url, cfg!(feature = "tls")) {
                report.fault(key, problem, Some(remedy));
            }
        }
        Some("sqlite") if url.trim_start_matches("sqlite:").trim_start_matches("//").is_empty() => {
            let hint = Some("such as `sqlite:///var/lib/sluice/copy.db`".to_owned());
            report.fault(key, "names no file".to_owned(), hint);
        }
        Some("sqlite") => {
            if let Err(LinkError { problem, remedy }) = target_url::check_file(url) {
                report.fault(key, problem, Some(remedy));
            }
        }
        _ => {}
    }
}

pub(super) fn web_address(key: &str, url: &str, report: &mut Report<'_>) {
    if scheme(key, url, &["http", "https"], report).is_some() && host(key, url, "http://host:port", report).is_some() {
        no_secret(key, url, report);
    }
}

/// A URL is shown, logged and passed on, so a secret has a key, and best a file, of its own.
pub(super) fn no_secret(key: &str, url: &str, report: &mut Report<'_>) {
    if redact_url(url) != url {
        let hint = "take it out; secrets have keys and files of their own, such as `password_file`".to_owned();
        report.fault(key, "holds a password or a token".to_owned(), Some(hint));
    }
}

/// The scheme when it is one of the allowed.
fn scheme<'a>(key: &str, url: &'a str, allowed: &[&str], report: &mut Report<'_>) -> Option<&'a str> {
    let expected = listed(allowed.iter().copied());
    let Some((scheme, _)) = url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        report.fault(key, format!("expected a URL with one of the schemes {expected}, found {}", quoted(url)), None);
        return None;
    };
    if allowed.contains(&scheme) {
        return Some(scheme);
    }
    let hint = match scheme {
        "mariadb" => Some("write `mysql://`; it serves both".to_owned()),
        _ => None,
    };
    report.fault(key, format!("unknown scheme `{scheme}`; expected one of {expected}"), hint);
    None
}

fn host(key: &str, url: &str, shape: &str, report: &mut Report<'_>) -> Option<Url> {
    let hint = Some(format!("such as `{shape}`"));
    match Url::parse(url) {
        Ok(parsed) if parsed.host_str().is_some_and(|host| !host.is_empty()) => return Some(parsed),
        Ok(_) => report.fault(key, format!("names no host: {}", quoted(url)), hint),
        Err(source) => report.fault(key, format!("not a URL: {source}"), hint),
    }
    None
}

fn bind(bind: &str, report: &mut Report<'_>) {
    let is_local_name = bind.strip_prefix("localhost:").is_some_and(|port| port.parse::<u16>().is_ok());
    if bind.parse::<SocketAddr>().is_err() && !is_local_name {
        let problem = format!("expected an address and a port, found {}", quoted(bind));
        let hint = match bind.strip_prefix(':').unwrap_or(bind).parse::<u16>() {
            Ok(port) => format!("write `0.0.0.0:{port}`, or `127.0.0.1:{port}` for this machine alone"),
            Err(_) => "such as `0.0.0.0:9464`".to_owned(),
        };
        report.fault("admin.bind", problem, Some(hint));
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", shown(text)) }
}

//! What the settings of a Couchbase source must have in common, and what a statement of one's own must contain.

use crate::{
    settings::{Couchbase, Source, Statements},
    target_url::{self, LinkError, is_this_machine},
};

use super::{FaultKind, Findings};

/// What every statement gives: a page in the order of keys, with each document's version.
const COLUMNS: [&str; 3] = ["_id", "_cas", "doc"];
const PAGE: [&str; 2] = ["$after", "$limit"];

/// Reports what cannot work.
pub(super) fn check(source: &Source, findings: &mut Findings<'_>) {
    address(&source.url, findings);
    certificates(&source.url, &source.couchbase, findings);
    for (key, text, parameters) in statements(&source.couchbase.statements) {
        if !text.trim().is_empty() {
            statement(key, text, parameters, findings);
        }
    }
}

fn address(url: &str, findings: &mut Findings<'_>) {
    let key = "source.url";
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let hint = Some("such as `couchbase://host/bucket.scope`, several hosts separated by commas");
    // A password may hold a slash: what is behind the last `@` is the place.
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let (hosts, keyspace) = place.split_once('/').unwrap_or((place, ""));
    if hosts.split(',').any(|host| host.trim().is_empty()) {
        findings.fault(FaultKind::Unusable, key, "names no host", hint);
    } else if keyspace.trim_matches('/').is_empty() {
        findings.fault(FaultKind::Unusable, key, "names no bucket", hint);
    } else if url.starts_with("couchbase:") && !hosts.split(',').all(|host| is_this_machine(without_port(host))) {
        let hint = Some("write `couchbases://`, unless the network between is your own");
        findings.warn(key, "is plain text to another machine: who listens reads everything", hint);
    }
    if let Err(LinkError { problem, remedy }) = target_url::check_couchbase(url) {
        findings.fault(FaultKind::Unusable, key, problem, Some(&remedy));
    }
}

/// A host without its port; an address of the sixth version is in brackets when it has one.
fn without_port(host: &str) -> &str {
    match host.trim().rsplit_once(':') {
        Some((host, _)) if host.ends_with(']') || !host.contains(':') => host,
        _ => host.trim(),
    }
}

fn certificates(url: &str, couchbase: &Couchbase, findings: &mut Findings<'_>) {
    let Couchbase { ca_file, client_certificate_file, client_key_file, .. } = couchbase;
    let named = [
        ("source.couchbase.ca_file", ca_file.is_some()),
        ("source.couchbase.client_certificate_file", client_certificate_file.is_some()),
        ("source.couchbase.client_key_file", client_key_file.is_some()),
    ];
    if url.starts_with("couchbase:") {
        let problem = "is for TLS, and `source.url` has `couchbase://`";
        findings.contradict(&named, problem, "write `couchbases://`, which is TLS");
    }
    if client_certificate_file.is_some() != client_key_file.is_some() {
        let problem = "a client certificate and its key belong together; one of them is not set";
        findings.fault(FaultKind::Missing, "source.couchbase.client_certificate_file", problem, None);
    }
}

fn statements(statements: &Statements) -> [(&'static str, &str, &'static [&'static str]); 5] {
    [
        ("source.couchbase.statements.provider_services", &statements.provider_services, &[]),
        ("source.couchbase.statements.providers", &statements.providers, &["$service"]),
        ("source.couchbase.statements.providers_by_id", &statements.providers_by_id, &["$service", "$providers"]),
        ("source.couchbase.statements.bundles", &statements.bundles, &["$providers"]),
        ("source.couchbase.statements.subscription_fields", &statements.subscription_fields, &["$providers"]),
    ]
}

/// A page that is not ordered by the key, or does not begin behind the last one, would lose documents without a word.
fn statement(key: &str, text: &str, parameters: &[&str], findings: &mut Findings<'_>) {
    let is_select = text.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"));
    if !is_select || text.contains(';') {
        findings.fault(FaultKind::Unusable, key, "expected one statement that begins with SELECT", None);
        return;
    }
    let words: Vec<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))).collect();
    let has = |wanted: &&str| words.iter().any(|word| word == wanted);
    let missing: Vec<&str> = COLUMNS.iter().chain(&PAGE).chain(parameters).filter(|word| !has(word)).copied().collect();
    if !missing.is_empty() {
        let hint = "begin with SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc; \
                    end with META(d).id > $after ORDER BY META(d).id LIMIT $limit";
        let problem = format!("the statement lacks {}", super::keys::listed(missing.into_iter()));
        findings.fault(FaultKind::Unusable, key, problem, Some(hint));
        return;
    }
    if !text.to_ascii_lowercase().contains("order by") {
        findings.fault(FaultKind::Unusable, key, "the statement has no ORDER BY META(d).id", None);
    }
}

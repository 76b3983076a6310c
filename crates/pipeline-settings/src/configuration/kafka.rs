//! What the settings of the Kafka cluster must have in common, and what this program was built to speak.

use crate::settings::{Kafka, Oauth};

use super::{
    FaultKind, Findings,
    checks::{quoted, together, web_address},
    keys::listed,
};

const MECHANISMS: [&str; 4] = [PLAIN, "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER];
const PLAIN: &str = "PLAIN";
const OAUTHBEARER: &str = "OAUTHBEARER";

/// What to do with a program that lacks TLS.
const NO_TLS: &str = "this program was built without TLS to Kafka: build it with `--features tls` \
                      (needs OpenSSL's headers and pkg-config: `apt-get install libssl-dev pkg-config`)";

/// Reports what cannot work.
pub(super) fn check(kafka: &Kafka, findings: &mut Findings<'_>) {
    brokers(&kafka.bootstrap_servers, findings);
    this_build(kafka, findings);
    certificates(kafka, findings);
    if let Some(mechanism) = &kafka.sasl_mechanism
        && !MECHANISMS.contains(&mechanism.as_str())
    {
        let problem = format!("expected one of {}, found {}", listed(MECHANISMS.into_iter()), quoted(mechanism));
        findings.fault(FaultKind::Unusable, "kafka.sasl_mechanism", problem, None);
        return;
    }
    if kafka.security_protocol.has_sasl() {
        login(kafka, findings);
    } else {
        useless_login(kafka, findings);
    }
}

fn brokers(servers: &str, findings: &mut Findings<'_>) {
    for server in servers.split(',').map(str::trim) {
        if !is_host_and_port(server) {
            let problem = format!("expected `host:port`, found {}", quoted(server));
            findings.fault(FaultKind::Unusable, "kafka.bootstrap_servers", problem, Some("such as `broker:9092`"));
        }
    }
}

/// librdkafka takes what it needs for TLS, SCRAM and tokens from OpenSSL.
fn this_build(kafka: &Kafka, findings: &mut Findings<'_>) {
    if cfg!(feature = "tls") {
        return;
    }
    if kafka.security_protocol.has_tls() {
        let protocol = kafka.security_protocol.as_str();
        findings.fault(FaultKind::NotInBuild, "kafka.security_protocol", format!("`{protocol}` is TLS"), Some(NO_TLS));
    }
    let with_openssl = |mechanism: &&str| *mechanism != PLAIN && MECHANISMS.contains(mechanism);
    if let Some(mechanism) = kafka.sasl_mechanism.as_deref().filter(with_openssl) {
        findings.fault(
            FaultKind::NotInBuild,
            "kafka.sasl_mechanism",
            format!("`{mechanism}` needs OpenSSL"),
            Some(NO_TLS),
        );
    }
}

fn certificates(kafka: &Kafka, findings: &mut Findings<'_>) {
    let (certificate, key) = ("kafka.client_certificate_file", "kafka.client_key_file");
    let has_password = kafka.client_key_password.is_some() || kafka.client_key_password_file.is_some();
    if !kafka.security_protocol.has_tls() {
        let named = [
            ("kafka.ca_file", kafka.ca_file.is_some()),
            (certificate, kafka.client_certificate_file.is_some()),
            (key, kafka.client_key_file.is_some()),
            ("kafka.client_key_password", kafka.client_key_password.is_some()),
            ("kafka.client_key_password_file", kafka.client_key_password_file.is_some()),
        ];
        let problem = format!("is for TLS, and `kafka.security_protocol` is `{}`", kafka.security_protocol.as_str());
        findings.contradict(&named, &problem, "write `ssl` or `sasl_ssl`, which are TLS");
        return;
    }
    let (has_certificate, has_key) = (kafka.client_certificate_file.is_some(), kafka.client_key_file.is_some());
    together((certificate, has_certificate), (key, has_key), findings);
    if has_password && !has_certificate && !has_key {
        let set = if kafka.client_key_password.is_some() { "" } else { "_file" };
        let problem = format!("needs `{key}`, which is not set");
        findings.fault(FaultKind::Missing, &format!("kafka.client_key_password{set}"), problem, None);
    }
}

fn login(kafka: &Kafka, findings: &mut Findings<'_>) {
    let mut needs = |needed: &[(bool, &str)]| {
        for (_, missing) in needed.iter().filter(|(is_set, _)| !is_set) {
            findings.fault(
                FaultKind::Missing,
                "kafka.security_protocol",
                format!("SASL needs `{missing}`, which is not set"),
                None,
            );
        }
    };
    needs(&[(kafka.sasl_mechanism.is_some(), "kafka.sasl_mechanism")]);
    if kafka.sasl_mechanism.as_deref() == Some(OAUTHBEARER) {
        oauth(&kafka.oauth, findings);
        return;
    }
    let has_password = kafka.password.is_some() || kafka.password_file.is_some();
    needs(&[(kafka.username.is_some(), "kafka.username"), (has_password, "kafka.password_file")]);
}

fn oauth(oauth: &Oauth, findings: &mut Findings<'_>) {
    let endpoint = "kafka.oauth.token_endpoint";
    match (&oauth.token_file, &oauth.token_endpoint) {
        (None, None) => {
            let problem = "`OAUTHBEARER` needs `kafka.oauth.token_file` or `kafka.oauth.token_endpoint`";
            findings.fault(FaultKind::Missing, "kafka.sasl_mechanism", problem, None);
        }
        (Some(_), Some(_)) => {
            let problem = "is set, and so is `kafka.oauth.token_file`";
            findings.fault(FaultKind::Contradiction, endpoint, problem, Some("keep one of them"));
        }
        (Some(_), None) => {}
        (None, Some(url)) => {
            web_address(endpoint, url, findings);
            let has_secret = oauth.client_secret.is_some() || oauth.client_secret_file.is_some();
            let needed =
                [(oauth.client_id.is_some(), "kafka.oauth.client_id"), (has_secret, "kafka.oauth.client_secret_file")];
            for (_, missing) in needed.into_iter().filter(|(is_set, _)| !is_set) {
                findings.fault(FaultKind::Missing, endpoint, format!("needs `{missing}`, which is not set"), None);
            }
        }
    }
}

/// Somebody who sets a password and no protocol for it believes that it is asked for.
fn useless_login(kafka: &Kafka, findings: &mut Findings<'_>) {
    let protocol = kafka.security_protocol.as_str();
    let named = [
        ("kafka.sasl_mechanism", kafka.sasl_mechanism.is_some()),
        ("kafka.username", kafka.username.is_some()),
        ("kafka.password", kafka.password.is_some()),
        ("kafka.password_file", kafka.password_file.is_some()),
        ("kafka.oauth.token_file", kafka.oauth.token_file.is_some()),
        ("kafka.oauth.token_endpoint", kafka.oauth.token_endpoint.is_some()),
    ];
    let problem = format!("is for SASL, and `kafka.security_protocol` is `{protocol}`");
    findings.contradict(&named, &problem, "write `sasl_ssl`, which logs in over TLS");
}

fn is_host_and_port(server: &str) -> bool {
    let Some((host, port)) = server.rsplit_once(':') else { return false };
    // More colons are only right in an address such as `[::1]`; a `/` means that somebody wrote a URL.
    let is_host = (host.starts_with('[') && host.ends_with(']')) || !host.contains([':', '/']);
    !host.is_empty() && is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

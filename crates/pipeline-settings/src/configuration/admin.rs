//! Where the health and metrics endpoint listens, and what goes with TLS.

use std::net::SocketAddr;

use crate::settings::{Admin, AdminTls};

use super::{
    FaultKind, Findings,
    checks::{NO_TLS, quoted, together},
};

/// Reports what cannot work, and plain text that nobody asked for.
pub(super) fn check(admin: &Admin, findings: &mut Findings<'_>) {
    bind(&admin.bind, findings);
    let certificate = ("admin.certificate_file", admin.certificate_file.is_some());
    let key = ("admin.key_file", admin.key_file.is_some());
    together(certificate, key, findings);
    let has_files = certificate.1 || key.1;
    match admin.tls {
        AdminTls::Disabled if has_files => {
            let problem = "is plain text, and a certificate is set";
            findings.fault(
                FaultKind::Contradiction,
                "admin.tls",
                problem,
                Some("write `required`, or take the files out"),
            );
        }
        AdminTls::Required if !has_files => {
            let problem = "needs `admin.certificate_file` and `admin.key_file`, which are not set";
            findings.fault(FaultKind::Missing, "admin.tls", problem, None);
        }
        AdminTls::Auto if !has_files && is_open(&admin.bind) => {
            let problem = "answers in plain text to other machines";
            let hint = "set `admin.certificate_file` and `admin.key_file`, or ask for it by name: \
                        `admin.tls: disabled`";
            findings.warn("admin.bind", problem, Some(hint));
        }
        _ => {}
    }
    if has_files && !cfg!(feature = "tls") {
        findings.fault(FaultKind::NotInBuild, "admin.certificate_file", "is for TLS", Some(NO_TLS));
    }
}

/// Whether others than this machine can connect.
fn is_open(bind: &str) -> bool {
    bind.parse::<SocketAddr>().is_ok_and(|address| !address.ip().is_loopback())
}

fn bind(bind: &str, findings: &mut Findings<'_>) {
    let is_local_name = bind.strip_prefix("localhost:").is_some_and(|port| port.parse::<u16>().is_ok());
    if bind.parse::<SocketAddr>().is_err() && !is_local_name {
        let problem = format!("expected an address and a port, found {}", quoted(bind));
        let hint = match bind.strip_prefix(':').unwrap_or(bind).parse::<u16>() {
            Ok(port) => format!("write `0.0.0.0:{port}`, or `127.0.0.1:{port}` for this machine alone"),
            Err(_) => "such as `0.0.0.0:9464`".to_owned(),
        };
        findings.fault(FaultKind::Unusable, "admin.bind", problem, Some(&hint));
    }
}

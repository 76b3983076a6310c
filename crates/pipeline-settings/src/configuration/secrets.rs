//! Secrets from files, so that they need not be in a configuration file, the environment or a process list.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use crate::{
    files,
    settings::{Settings, Source},
};

use super::{FaultKind, Findings, Origin};

/// One secret with the two keys that can hold it.
struct Slot<'a> {
    key: &'static str,
    file_key: &'static str,
    value: &'a mut Option<SecretString>,
    file: Option<PathBuf>,
}

/// Fills the secrets whose `*_file` is set, and says which came from which file. Other files that are named must be
/// there, too.
pub(super) fn read(settings: &mut Settings, findings: &mut Findings<'_>) -> Vec<(&'static str, PathBuf)> {
    let couchbase = &settings.source.couchbase;
    let (registry, telemetry) = (&settings.schema_registry, &settings.telemetry);
    for (key, path) in [
        ("kafka.ca_file", &settings.kafka.ca_file),
        ("kafka.client_certificate_file", &settings.kafka.client_certificate_file),
        ("kafka.client_key_file", &settings.kafka.client_key_file),
        ("kafka.oauth.token_file", &settings.kafka.oauth.token_file),
        ("kafka.oauth.ca_file", &settings.kafka.oauth.ca_file),
        ("schema_registry.ca_file", &registry.ca_file),
        ("schema_registry.client_certificate_file", &registry.client_certificate_file),
        ("schema_registry.client_key_file", &registry.client_key_file),
        ("telemetry.otlp_headers_file", &telemetry.otlp_headers_file),
        ("telemetry.otlp_ca_file", &telemetry.otlp_ca_file),
        ("telemetry.otlp_client_certificate_file", &telemetry.otlp_client_certificate_file),
        ("telemetry.otlp_client_key_file", &telemetry.otlp_client_key_file),
        ("admin.certificate_file", &settings.admin.certificate_file),
        ("admin.key_file", &settings.admin.key_file),
        ("source.couchbase.ca_file", &couchbase.ca_file),
        ("source.couchbase.client_certificate_file", &couchbase.client_certificate_file),
        ("source.couchbase.client_key_file", &couchbase.client_key_file),
    ] {
        if let Some(path) = path
            && let Err(source) = files::open(path)
        {
            findings.fault(FaultKind::NamedFile, key, format!("cannot read `{}`: {source}", path.display()), None);
        }
    }
    if let Some(path) = &telemetry.otlp_headers_file {
        warn_if_readable_by_all("telemetry.otlp_headers_file", path, findings);
    }
    let mut from_files = Vec::new();
    for slot in slots(settings) {
        let Some(path) = slot.file else { continue };
        if slot.value.is_some() {
            let problem = format!("is set, and so is `{}` ({})", slot.key, findings.place(slot.key));
            findings.fault(FaultKind::Contradiction, slot.file_key, problem, Some("keep one of them".to_owned()));
            continue;
        }
        match read_secret(&path) {
            Ok(secret) => {
                warn_if_readable_by_all(slot.file_key, &path, findings);
                *slot.value = Some(secret);
                from_files.push((slot.key, path));
            }
            Err(source) => {
                findings.fault(
                    FaultKind::NamedFile,
                    slot.file_key,
                    format!("cannot read `{}`: {source}", path.display()),
                    None,
                );
            }
        }
    }
    from_files
}

fn slots(settings: &mut Settings) -> [Slot<'_>; 7] {
    let Settings { kafka, schema_registry, source: Source { couchbase, .. }, target, .. } = settings;
    [
        Slot {
            key: "kafka.password",
            file_key: "kafka.password_file",
            file: kafka.password_file.clone(),
            value: &mut kafka.password,
        },
        Slot {
            key: "kafka.client_key_password",
            file_key: "kafka.client_key_password_file",
            file: kafka.client_key_password_file.clone(),
            value: &mut kafka.client_key_password,
        },
        Slot {
            key: "kafka.oauth.client_secret",
            file_key: "kafka.oauth.client_secret_file",
            file: kafka.oauth.client_secret_file.clone(),
            value: &mut kafka.oauth.client_secret,
        },
        Slot {
            key: "schema_registry.password",
            file_key: "schema_registry.password_file",
            file: schema_registry.password_file.clone(),
            value: &mut schema_registry.password,
        },
        Slot {
            key: "schema_registry.token",
            file_key: "schema_registry.token_file",
            file: schema_registry.token_file.clone(),
            value: &mut schema_registry.token,
        },
        Slot {
            key: "source.couchbase.password",
            file_key: "source.couchbase.password_file",
            file: couchbase.password_file.clone(),
            value: &mut couchbase.password,
        },
        Slot {
            key: "target.password",
            file_key: "target.password_file",
            file: target.password_file.clone(),
            value: &mut target.password,
        },
    ]
}

/// The file's text without one line break at its end, which editors and `echo` add.
fn read_secret(path: &Path) -> io::Result<SecretString> {
    let text = files::read_text(path, files::SECRET)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok(SecretString::from(text))
}

/// Warns of secrets that stand in the configuration's own file when others may read it.
pub(super) fn warn_of_written<'a>(secret_keys: impl Iterator<Item = &'a str>, findings: &mut Findings<'_>) {
    for key in secret_keys {
        if let Some(Origin::File { path, .. }) = findings.origin.get(key) {
            warn_if_readable_by_all(key, &path.clone(), findings);
        }
    }
}

/// A warning only: Kubernetes mounts secrets with mode 0644 unless told otherwise.
#[cfg(unix)]
fn warn_if_readable_by_all(key: &str, path: &Path, findings: &mut Findings<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o004 != 0 {
        let problem = format!("`{}` can be read by everybody (mode {mode:04o})", path.display());
        findings.warn(key, problem, Some("take the right away: mode 0440 or less".to_owned()));
    }
}

#[cfg(not(unix))]
fn warn_if_readable_by_all(_: &str, _: &Path, _: &mut Findings<'_>) {}

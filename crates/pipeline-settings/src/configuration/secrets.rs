//! Secrets from files, so that they need not be in a configuration file, the environment or a process list.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use serde_json::Value;

use super::{FaultKind, Findings, Origin, keys::Keys};
use crate::files;

/// A secret that was read from a file.
pub(super) struct Secret {
    pub(super) key: String,
    pub(super) path: PathBuf,
    pub(super) text: SecretString,
}

/// The secrets whose file is named: the one of `password` by `password_file`, and so on. Every other file that is named must
/// be there, too.
pub(super) fn read(keys: &Keys, values: &BTreeMap<String, Value>, findings: &mut Findings<'_>) -> Vec<Secret> {
    let is_secret = |key: &str| keys.find(key).is_some_and(|key| key.secret);
    for key in keys.iter().filter(|key| key.secret) {
        if let Some(Origin::File { path, .. }) = findings.origin.get(&key.path) {
            warn_if_readable_by_all(&key.path, &path.clone(), findings);
        }
    }
    let mut secrets = Vec::new();
    for (file_key, value) in values {
        let (Some(key), Some(path)) = (file_key.strip_suffix("_file"), value.as_str().map(PathBuf::from)) else {
            continue;
        };
        if is_secret(key) && values.get(key).is_some_and(|written| !written.is_null()) {
            let problem = format!("is set, and so is `{key}` ({})", findings.place(key));
            findings.fault(FaultKind::Contradiction, file_key, problem, Some("keep one of them"));
            continue;
        }
        let read = if is_secret(key) { read_secret(&path).map(Some) } else { files::open(&path).map(|_| None) };
        match read {
            Ok(secret) => {
                if secret.is_some() || file_key == "telemetry.otlp_headers_file" {
                    warn_if_readable_by_all(file_key, &path, findings);
                }
                secrets.extend(secret.map(|text| Secret { key: key.to_owned(), path, text }));
            }
            Err(source) => {
                findings.fault(
                    FaultKind::NamedFile,
                    file_key,
                    format!("cannot read `{}`: {source}", path.display()),
                    None,
                );
            }
        }
    }
    secrets
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

/// A warning only: Kubernetes mounts secrets with mode 0644 unless told otherwise.
#[cfg(unix)]
fn warn_if_readable_by_all(key: &str, path: &Path, findings: &mut Findings<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o004 != 0 {
        let problem = format!("`{}` can be read by everybody (mode {mode:04o})", path.display());
        findings.warn(key, problem, Some("take the right away: mode 0440 or less"));
    }
}

#[cfg(not(unix))]
fn warn_if_readable_by_all(_: &str, _: &Path, _: &mut Findings<'_>) {}

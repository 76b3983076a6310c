//! Authorities and client certificates for HTTP clients, from the files that settings name.

use std::path::Path;

use reqwest::{Certificate, Identity};

use crate::files;

/// The authorities of a file; at least one.
pub fn authorities(file: &Path) -> Result<Vec<Certificate>, String> {
    let authorities = Certificate::from_pem_bundle(&read(file)?).map_err(|error| about(file, &error.to_string()))?;
    if authorities.is_empty() { Err(about(file, "it holds no certificate")) } else { Ok(authorities) }
}

/// A client certificate with its chain and its key.
pub fn identity(certificate: &Path, key: &Path) -> Result<Identity, String> {
    let mut pem = read(certificate)?;
    pem.push(b'\n');
    pem.extend(read(key)?);
    Identity::from_pem(&pem).map_err(|error| about(certificate, &error.to_string()))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    files::read(file, files::WRITTEN_BY_HAND).map_err(|error| about(file, &error.to_string()))
}

fn about(file: &Path, reason: &str) -> String {
    format!("`{}`: {reason}", file.display())
}

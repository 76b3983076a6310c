//! The catalogue that ships with Sluice: what `sluice demo` copies when no other source is named.
//!
//! See `sample/README.md` for where it comes from and under which licence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use crate::{
    Error,
    files::{BUNDLES, PROVIDER_SERVICES, PROVIDERS},
};

const ARCHIVE: &[u8] = include_bytes!("../sample/model-catalog.tgz");
/// The one folder in the archive.
const FOLDER: &str = "model-catalog";

/// Unpacks the catalogue below a folder, once for each version of it, and gives the folder with the JSON lines. Safe to
/// call from several processes at the same time.
pub fn unpack(into: &Path) -> Result<PathBuf, Error> {
    let version = into.join(format!("{FOLDER}-{}", content_hash()));
    if is_complete(&version) {
        return Ok(version);
    }
    let temporary = tempfile::Builder::new().prefix(".sample-").tempdir_in(into).map_err(Error::write(into))?;
    tar::Archive::new(GzDecoder::new(ARCHIVE)).unpack(temporary.path()).map_err(Error::write(temporary.path()))?;
    let renamed = fs::rename(temporary.path().join(FOLDER), &version);
    // Somebody else may have been faster.
    if !is_complete(&version) {
        renamed.map_err(Error::write(&version))?;
    }
    Ok(version)
}

fn is_complete(folder: &Path) -> bool {
    [PROVIDER_SERVICES, PROVIDERS, BUNDLES].into_iter().all(|file| folder.join(file).is_file())
}

/// The checksum and length with which gzip ends, as hexadecimal digits.
fn content_hash() -> String {
    ARCHIVE.iter().rev().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use pipeline_settings::settings;

    use super::*;
    use crate::{Counts, open};

    #[tokio::test]
    async fn the_sample_holds_the_documents_that_its_readme_names() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpack(folder.path()).unwrap();
        assert_eq!(unpack(folder.path()).unwrap(), unpacked);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");

        let settings = settings::Source { url: format!("file://{}", unpacked.display()), ..Default::default() };
        let source = open(&settings).unwrap();
        let counts = Counts { services: 20, providers: 284, bundles: 4_552, subscription_fields: 51_549 };
        assert_eq!(source.counts().await.unwrap(), counts);

        let found = "20 services, 284 providers, 4552 bundles, 51549 subscription fields";
        assert_eq!(source.check().await.unwrap(), found);
    }
}

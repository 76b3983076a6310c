//! Copying a source into a folder, and a folder into a Couchbase scope; for tries and for moving data by hand.

use std::path::Path;

use pipeline_core::settings;

#[cfg(feature = "couchbase")]
use crate::files::{Folder, manifest::Manifest};
use crate::{
    Error,
    export::{self, Shape},
    files::{BUNDLES, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS},
    url,
};

/// Told of every document: the file it is in, and how many of it were moved.
pub type Progress<'a> = dyn Fn(&'static str, u64) + Send + Sync + 'a;

/// Documents that were moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Transferred {
    /// Provider services.
    pub provider_services: u64,
    /// Providers.
    pub providers: u64,
    /// Bundles.
    pub bundles: u64,
    /// Subscription fields in a collection of their own.
    pub subscription_fields: u64,
}

/// Writes a source into a folder, and a manifest when it is complete. Documents of Couchbase are written as they are; of other sources, the sound ones are.
pub async fn export(settings: &settings::Source, folder: &Path, progress: &Progress<'_>) -> Result<Transferred, Error> {
    if is_couchbase(settings)? {
        return export_couchbase(settings, folder, progress).await;
    }
    let source = crate::open(settings)?;
    let counts = export::to_complete_folder(&*source, folder, Shape::Nested).await?;
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    let (provider_services, providers, bundles) =
        (number(counts.services), number(counts.providers), number(counts.bundles));
    Ok(Transferred { provider_services, providers, bundles, subscription_fields: 0 })
}

/// Stores a folder's documents in the Couchbase scope that the settings name; none when the folder has a manifest and is
/// not what that says.
pub async fn import(settings: &settings::Source, folder: &Path, progress: &Progress<'_>) -> Result<Transferred, Error> {
    if !is_couchbase(settings)? {
        let reason = "only a Couchbase scope can be written; name it as `couchbase://host/bucket.scope`".to_owned();
        return Err(Error::Url { reason });
    }
    import_couchbase(settings, folder, progress).await
}

fn is_couchbase(settings: &settings::Source) -> Result<bool, Error> {
    Ok(url::parse(&settings.url)? == url::Location::Couchbase)
}

#[cfg(feature = "couchbase")]
async fn export_couchbase(
    settings: &settings::Source,
    folder: &Path,
    progress: &Progress<'_>,
) -> Result<Transferred, Error> {
    tokio::fs::create_dir_all(folder).await.map_err(Error::write(folder))?;
    crate::couchbase::Couchbase::open(settings)?.export(folder, progress).await
}

#[cfg(feature = "couchbase")]
async fn import_couchbase(
    settings: &settings::Source,
    folder: &Path,
    progress: &Progress<'_>,
) -> Result<Transferred, Error> {
    let couchbase = crate::couchbase::Couchbase::open(settings)?;
    if Manifest::read(folder)?.is_some() {
        Folder::open(folder.to_owned(), settings)?.check_manifest().await?;
    }
    couchbase.import(folder, progress).await
}

#[cfg(not(feature = "couchbase"))]
async fn export_couchbase(_: &settings::Source, _: &Path, _: &Progress<'_>) -> Result<Transferred, Error> {
    Err(Error::NotInThisBuild { scheme: "couchbase".to_owned() })
}

#[cfg(not(feature = "couchbase"))]
async fn import_couchbase(_: &settings::Source, _: &Path, _: &Progress<'_>) -> Result<Transferred, Error> {
    Err(Error::NotInThisBuild { scheme: "couchbase".to_owned() })
}

// === impl Transferred ===

impl Transferred {
    #[cfg_attr(not(feature = "couchbase"), expect(dead_code, reason = "only Couchbase is moved file by file"))]
    pub(crate) fn add(&mut self, file: &str, documents: u64) {
        match file {
            PROVIDER_SERVICES => self.provider_services += documents,
            PROVIDERS => self.providers += documents,
            BUNDLES => self.bundles += documents,
            SUBSCRIPTION_FIELDS => self.subscription_fields += documents,
            _ => {}
        }
    }
}

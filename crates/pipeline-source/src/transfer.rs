//! Copying a source into a folder, and a folder into a Couchbase scope; for tries and for moving data by hand.

use std::path::Path;

use pipeline_settings::settings;

#[cfg(feature = "couchbase")]
use crate::files::{Folder, manifest::Manifest};
use crate::{
    Counts, Error,
    export::{self, Exported, Shape},
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

/// What an export has moved, and what it could not.
#[derive(Debug, Default)]
pub struct Moved {
    /// Documents that were moved.
    pub documents: Transferred,
    /// What an export of single documents says of itself; nothing is left out of documents that are moved unread.
    pub exported: Exported,
}

/// Writes a source into a folder. Documents of Couchbase are written as they are; of other sources, the sound ones are,
/// and the others told. A manifest is written when the folder is complete.
pub async fn export(settings: &settings::Source, folder: &Path, progress: &Progress<'_>) -> Result<Moved, Error> {
    if is_couchbase(settings)? {
        let documents = export_couchbase(settings, folder, progress).await?;
        return Ok(Moved { documents, exported: Exported::default() });
    }
    let source = crate::open(settings)?;
    let exported = export::to_complete_folder(&*source, folder, Shape::Nested).await?;
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    let Counts { services, providers, bundles, .. } = exported.written;
    let (provider_services, providers, bundles) = (number(services), number(providers), number(bundles));
    let documents = Transferred { provider_services, providers, bundles, subscription_fields: 0 };
    Ok(Moved { documents, exported })
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

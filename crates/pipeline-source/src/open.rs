//! From the URL of a source to the source.

use std::sync::Arc;

use pipeline_settings::settings;

#[cfg(feature = "couchbase")]
use crate::couchbase;
use crate::{Error, Finding, Source, files, generator, mapping, url};

/// Opens the source that the settings name, by the scheme of its URL. Reads no document; a folder must exist.
pub fn open(settings: &settings::Source) -> Result<Arc<dyn Source>, Error> {
    mapping::check_names(&settings.mapping)?;
    match url::parse(&settings.url)? {
        url::Location::Folder(folder) => Ok(Arc::new(files::Folder::open(folder, settings)?)),
        url::Location::Generator(query) => Ok(Arc::new(generator::Generator::from_query(&query)?)),
        #[cfg(feature = "couchbase")]
        url::Location::Couchbase => couchbase::open(settings),
        #[cfg(not(feature = "couchbase"))]
        url::Location::Couchbase => Err(Error::NotInThisBuild { scheme: "couchbase".to_owned() }),
    }
}

/// Looks at everything that reading needs, and changes nothing; for an operator.
pub async fn examine(settings: &settings::Source) -> Vec<Finding> {
    #[cfg(feature = "couchbase")]
    if let Ok(url::Location::Couchbase) = url::parse(&settings.url) {
        return match couchbase::Couchbase::open(settings) {
            Ok(source) => source.examine().await,
            Err(error) => vec![Finding::new("source", Err(error))],
        };
    }
    let result = match url::parse(&settings.url) {
        Ok(url::Location::Folder(path)) => match files::Folder::open(path, settings) {
            Ok(folder) => return folder.examine().await,
            Err(error) => Err(error),
        },
        Ok(_) => match open(settings) {
            Ok(source) => source.check().await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    vec![Finding::new("source", result)]
}

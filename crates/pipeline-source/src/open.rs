//! From the URL of a source to the source.

use std::sync::Arc;

use pipeline_settings::settings;

#[cfg(feature = "couchbase")]
use crate::couchbase;
use crate::{Error, Finding, Source, files, generator, mapping, traced::Traced, url};

/// Opens the source that the settings name, by the scheme of its URL. Reads no document; a folder must exist.
pub fn open(settings: &settings::Source) -> Result<Arc<dyn Source>, Error> {
    mapping::check_names(&settings.mapping)?;
    match url::parse(&settings.url)? {
        url::Location::Folder(folder) => Ok(traced(files::Folder::open(folder, settings)?, "files")),
        url::Location::Generator(query) => Ok(traced(generator::Generator::from_query(&query)?, "generator")),
        #[cfg(feature = "couchbase")]
        url::Location::Couchbase => Ok(traced(couchbase::Couchbase::open(settings)?, "couchbase")),
        #[cfg(not(feature = "couchbase"))]
        url::Location::Couchbase => Err(Error::NotInThisBuild { scheme: "couchbase".to_owned() }),
    }
}

fn traced(source: impl Source + 'static, system: &'static str) -> Arc<dyn Source> {
    Arc::new(Traced { source, system })
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

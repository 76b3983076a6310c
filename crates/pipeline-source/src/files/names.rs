//! A folder that says itself what the fields of its documents are called.

use std::{path::Path, sync::Arc};

use pipeline_settings::settings::Mapping;

use super::{NAMES, collection::Fingerprint, input, input::Input};
use crate::{Error, mapping::check_names};

/// Bytes that the file may have: a hundred times what all names need.
const MOST: u64 = 64 * 1024;

/// The names by which a folder is read, and the file that says so.
#[derive(Debug)]
pub struct Names {
    /// The names.
    pub mapping: Arc<Mapping>,
    file: Option<Fingerprint>,
}

/// The folder's own names where the settings have none but the default ones.
pub fn read(folder: &Path, settings: Arc<Mapping>) -> Result<Names, Error> {
    let path: Arc<Path> = folder.join(NAMES).into();
    if *settings != Mapping::default() {
        return Ok(Names { mapping: settings, file: None });
    }
    let Some((file, metadata)) = Input::open(&path)? else { return Ok(Names { mapping: settings, file: None }) };
    let unusable = |reason: String| Error::FolderNames { path: path.display().to_string(), reason };
    if metadata.len() > MOST {
        return Err(unusable(format!("it has more than {MOST} bytes")));
    }
    let mut text = vec![0; usize::try_from(metadata.len()).unwrap_or_default()];
    file.read_exact_at(&mut text, 0).map_err(Error::read(&path))?;
    let mapping: Mapping = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
    check_names(&mapping).map_err(|error| unusable(error.to_string()))?;
    Ok(Names { mapping: Arc::new(mapping), file: Some(Fingerprint::of(&metadata)) })
}

impl Names {
    /// Whether the folder still says the same; `settings` is what they are where it says nothing.
    pub fn are_current(&self, folder: &Path, settings: &Mapping) -> Result<bool, Error> {
        if *settings != Mapping::default() {
            return Ok(true);
        }
        let metadata = input::metadata(&folder.join(NAMES).into())?;
        Ok(self.file == metadata.as_ref().map(Fingerprint::of))
    }
}

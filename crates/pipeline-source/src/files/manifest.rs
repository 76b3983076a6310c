//! A folder that says of itself that it is complete: `manifest.json`, written when everything else is there.
//!
//! Nothing in a file of JSON lines tells one that was cut off from a shorter one. A manifest lists the files with how
//! many documents each holds and, if its writer likes, their bytes and digests. What it says is compared with the files
//! before the first answer about them, once for each state of the folder, in one more pass over them. `docs/folders.md`
//! describes it for others who write exports.

use std::{collections::BTreeSet, panic::resume_unwind, path::Path, sync::Arc, thread};

use serde::{Deserialize, Serialize};

use super::{
    COLLECTIONS,
    collection::{Collection, Fingerprint},
    input::{self, Input},
    threads::{current, on_behalf_of},
};
use crate::{Error, json::quoted};

pub(crate) use self::tally::Tally;

mod tally;
#[cfg(test)]
mod tests;

/// The manifest of a folder; optional.
pub const MANIFEST: &str = "manifest.json";

/// Names the kind of file, since `manifest.json` is a common name.
const FORMAT: &str = "sluice-source";
/// The newest version that is understood.
const VERSION: u32 = 1;
/// Bytes that a manifest may have: a hundred times what it needs.
const MOST: u64 = 64 * 1024;

/// What a folder ought to hold.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: u32,
    files: Vec<Listed>,
    /// Of the file that it was read from.
    #[serde(skip)]
    fingerprint: Option<Fingerprint>,
}

/// What one file ought to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Lines that hold something.
    pub documents: u64,
    /// Its length as it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of its bytes as they are stored, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What is read of any version, and of another tool's file.
#[derive(Deserialize)]
struct Head {
    format: Option<String>,
    #[serde(default)]
    version: serde_json::Value,
}

// === impl Manifest ===

impl Manifest {
    /// What these files are.
    pub fn of(files: Vec<Listed>) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, files, fingerprint: None }
    }

    /// The manifest of a folder; `None` when it has none.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path: Arc<Path> = folder.join(MANIFEST).into();
        let Some((file, metadata)) = Input::open(&path)? else { return Ok(None) };
        let unusable = |reason: String| Error::Manifest { path: path.display().to_string(), reason };
        if metadata.len() > MOST {
            return Err(unusable(format!("it has more than {} KiB", MOST / 1024)));
        }
        let mut text = vec![0; usize::try_from(metadata.len()).unwrap_or_default()];
        file.read_exact_at(&mut text, 0).map_err(Error::read(&path))?;
        let manifest = parse(&text).map_err(unusable)?;
        Ok(Some(Self { fingerprint: Some(Fingerprint::of(&metadata)), ..manifest }))
    }

    /// Whether the folder still has this manifest, or still has none.
    pub fn is_current(this: Option<&Self>, folder: &Path) -> Result<bool, Error> {
        let metadata = input::metadata(&folder.join(MANIFEST).into())?;
        Ok(this.and_then(|manifest| manifest.fingerprint) == metadata.as_ref().map(Fingerprint::of))
    }

    /// In how many files its documents are.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Whether every file has a digest.
    pub fn has_digests(&self) -> bool {
        self.files.iter().all(|file| file.sha256.is_some())
    }

    /// The first thing in which the folder's files are not what they ought to be; `None` when they are. Reads all of
    /// them, at the same time, unless a look at names and lengths is enough.
    pub fn difference(&self, files: &[&Collection]) -> Result<Option<String>, Error> {
        if let Some(missing) = self.files.iter().find(|listed| !files.iter().any(|file| file.name() == listed.name)) {
            return Ok(Some(format!("`{}` is listed and not there", missing.name)));
        }
        let mut pairs = Vec::with_capacity(files.len());
        for file in files {
            let name = file.name();
            let Some(listed) = self.files.iter().find(|listed| listed.name == name) else {
                return Ok(Some(format!("`{name}` is there and not listed")));
            };
            let (is, ought) = (file.stored_bytes(), listed.bytes);
            if let Some(ought) = ought.filter(|ought| is != *ought) {
                return Ok(Some(format!("`{name}` has {is} bytes, and ought to have {ought}")));
            }
            pairs.push((*file, listed));
        }
        let waits = current();
        let found: Vec<Result<_, Error>> = thread::scope(|scope| {
            let look = |(file, listed)| {
                let waits = waits.clone();
                scope.spawn(move || on_behalf_of(waits, || difference_of(file, listed)))
            };
            let threads: Vec<_> = pairs.into_iter().map(look).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        found.into_iter().find_map(Result::transpose).transpose()
    }
}

fn difference_of(file: &Collection, listed: &Listed) -> Result<Option<String>, Error> {
    let (name, ought) = (file.name(), listed.documents);
    let is = file.documents()?;
    if is != ought {
        file.check_unchanged()?;
        return Ok(Some(format!("`{name}` has {is} documents, and ought to have {ought}")));
    }
    let Some(ought) = &listed.sha256 else { return file.check_unchanged().map(|()| None) };
    let is = file.sha256()?;
    file.check_unchanged()?;
    let differs = !ought.eq_ignore_ascii_case(&is);
    Ok(differs.then(|| format!("`{name}` has the SHA-256 digest {is}, and ought to have {ought}")))
}

fn parse(text: &[u8]) -> Result<Manifest, String> {
    let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match head.format {
        Some(format) if format == FORMAT => {}
        Some(format) => return Err(format!("its `format` is {}; expected `{FORMAT}`", quoted(&format))),
        None => return Err(format!("it has no `format`; expected `{FORMAT}`")),
    }
    if head.version.as_u64().is_none_or(|version| !(1..=u64::from(VERSION)).contains(&version)) {
        return Err(format!("its `version` is {}; this program understands up to {VERSION}", head.version));
    }
    let manifest: Manifest = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut names = BTreeSet::new();
    for Listed { name, sha256, .. } in &manifest.files {
        if !COLLECTIONS.as_flattened().contains(&name.as_str()) {
            return Err(format!("it lists `{name}`, which is no file of a collection"));
        }
        if !names.insert(name) {
            return Err(format!("it lists `{name}` twice"));
        }
        let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if sha256.as_ref().is_some_and(|text| !is_digest(text)) {
            return Err(format!("the `sha256` of `{name}` is not 64 hexadecimal digits"));
        }
    }
    Ok(manifest)
}

//! Source and target of local mode.
//!
//! A shell may hold the configuration of a real deployment. Local mode therefore takes source and target from its own
//! flags (or `-X`) only, never from the configuration file or the environment.

use std::{
    env, fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use pipeline_settings::{
    configuration::{Loaded, Origin},
    redaction::redact_url,
    settings::Settings,
};
use pipeline_source::{Source, sample};
use pipeline_store::Store;

use crate::{
    exit::Exit,
    failure::Failure,
    session::{self, Session},
};

/// The settings of local mode, and how people call its source.
pub struct Place {
    /// All settings; broker and registry are not known yet.
    pub settings: Settings,
    /// The source as people know it.
    pub source_name: String,
}

// === impl Place ===

impl Place {
    /// Takes what the flags say, and otherwise the sample and a file in the current folder. `adjust` has the last
    /// word on what was loaded.
    pub fn find(
        session: &Session,
        source: Option<String>,
        target: Option<String>,
        file_name: &str,
        adjust: impl FnOnce(&mut Loaded),
    ) -> Result<Self, Failure> {
        let mut flags = Vec::new();
        flags.extend(source.map(|source| ("source.url".to_owned(), as_url(&source, "file"))));
        flags.extend(target.map(|target| ("target.url".to_owned(), as_url(&target, "sqlite"))));
        let mut loaded = session.load(flags)?;
        adjust(&mut loaded);
        let by_flag = |key: &str| matches!(loaded.origin.get(key), Some(Origin::Flag { .. }));
        let (own_source, own_target) = (!by_flag("source.url"), !by_flag("target.url"));
        let mut settings = loaded.settings;
        if own_target {
            settings.target.url = file_url("sqlite", &absolute(Path::new(file_name))?);
        }
        let source_name = if own_source {
            settings.source.url = file_url("file", &sample_folder()?);
            settings.source.mapping = pipeline_settings::settings::Mapping::default();
            "the sample catalogue".to_owned()
        } else {
            redact_url(&settings.source.url)
        };
        Ok(Self { settings, source_name })
    }

    /// Opens the source.
    pub fn open_source(&self) -> Result<Arc<dyn Source>, Failure> {
        pipeline_source::open(&self.settings.source).map_err(|error| session::source_failure(&error))
    }
}

/// Connects to the target and gives it its tables: in local mode nobody else will.
pub async fn migrated(session: &Session, settings: &Settings) -> Result<Store, Failure> {
    let store = session.store(settings).await?;
    store.migrate().await?;
    store.check_writable().await?;
    store.claim(&settings.kafka.topic_prefix).await?;
    Ok(store)
}

/// A word without a scheme is a path, taken as it stands, and becomes a URL of this scheme; a URL stays as it is.
pub fn as_url(text: &str, scheme: &str) -> String {
    if has_scheme(text) {
        return text.to_owned();
    }
    match absolute(Path::new(text)) {
        Ok(path) => file_url(scheme, &path),
        Err(_) => text.to_owned(),
    }
}

/// Whether a text begins as a URL does. Colons are fine in paths, so without slashes only schemes that are used so count.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && (rest.starts_with("//") || ["file", "generator", "sqlite"].contains(&scheme))
}

/// The URL of an absolute path, which is decoded to that path again: what a URL gives a meaning to is written as `%41`.
pub fn file_url(scheme: &str, path: &Path) -> String {
    let mut url = format!("{scheme}://");
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '%' | '?' | '#' | '\0'..'\x20' | '\x7f' => {
                    url.extend(utf8_percent_encode(character.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC));
                }
                // Spaces and signs of other languages stay readable.
                _ => url.push(character),
            }
        }
        url.extend(percent_encode(chunk.invalid(), NON_ALPHANUMERIC));
    }
    url
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::caused(Exit::Failed, "could not find out the current folder", &error))
}

/// The sample, unpacked where the user's caches are.
fn sample_folder() -> Result<PathBuf, Failure> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    let cache = cache.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "there is no folder to unpack the sample into: neither HOME nor XDG_CACHE_HOME is set",
        )
        .hint("set XDG_CACHE_HOME to a folder of yours")
    })?;
    let folder = cache.join("sluice");
    fs::create_dir_all(&folder).map_err(|error| {
        Failure::caused(Exit::Failed, format!("could not create the folder `{}`", folder.display()), &error)
            .hint("set XDG_CACHE_HOME to a folder that can be written to")
    })?;
    sample::unpack(&folder).map_err(|error| session::source_failure(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::global::Global;

    fn session(set: &[(&str, &str)]) -> Session {
        let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Session::new(Global { set, ..Global::default() })
    }

    #[test]
    fn paths_become_urls_and_urls_stay() {
        assert_eq!(as_url("/data/export", "file"), "file:///data/export");
        assert!(as_url("copy.db", "sqlite").starts_with("sqlite:///"));
        for url in ["mysql://u@h/db", "generator:?services=1", "sqlite:///a.db", "file:///a"] {
            assert_eq!(as_url(url, "sqlite"), url);
        }
    }

    #[test]
    fn a_word_without_a_scheme_is_a_path_as_it_stands() {
        let here = env::current_dir().unwrap();
        for (word, expected) in [
            ("q%20r", "q%2520r"),
            ("what?.db", "what%3F.db"),
            ("a#b+c d", "a%23b+c d"),
            ("./sqlite:x", "sqlite:x"),
            ("a:b", "a:b"),
            ("./s3://bucket", "s3:/bucket"),
            ("1a://b", "1a:/b"),
            ("dätä\t", "dätä%09"),
        ] {
            assert_eq!(as_url(word, "file"), format!("file://{}/{expected}", here.display()), "{word}");
        }
        for url in ["s3://bucket", "file:/data", "HTTP://x", "git+ssh://x"] {
            assert_eq!(as_url(url, "file"), url);
        }
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/\xff%"));
        assert_eq!(file_url("file", odd), "file:///%FF%25");
    }

    #[test]
    fn a_configured_target_is_never_written_to_by_a_demo() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sluice.yaml");
        fs::write(&file, "target:\n  url: mysql://root@production:3306/copy?ssl-mode=DISABLED\n").unwrap();
        let session = Session::new(Global { config: Some(file), ..Global::default() });
        let place = Place::find(&session, Some("generator:?services=1".to_owned()), None, "x.db", |_| {}).unwrap();
        assert!(place.settings.target.url.starts_with("sqlite:///"), "{}", place.settings.target.url);
    }

    #[test]
    fn flags_name_source_and_target() {
        let generator = Some("generator:?services=1".to_owned());
        let place =
            Place::find(&session(&[("target.url", "sqlite:///a.db")]), generator, None, "x.db", |_| {}).unwrap();
        assert_eq!(place.settings.target.url, "sqlite:///a.db");
        assert_eq!(place.source_name, "generator:?services=1");
    }
}

//! What is made from files that somebody renews while this program runs: certificates, keys, passwords, tokens.
//!
//! The files are looked at whenever what was made from them is used, and read again when one has changed: so nobody has to
//! tell this program that they did. Certificate and key are two files, and between the writing of both they do not fit.
//! What cannot be used is said once, and what was made before stays in use until the files change again.

use std::{
    fmt,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Something that is made from files.
#[derive(Debug)]
pub struct Renewed<T> {
    /// What it is, for the log.
    what: &'static str,
    files: Vec<PathBuf>,
    held: Mutex<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    value: T,
    /// How the files were before they were read last.
    seen: Vec<Option<Stamp>>,
}

/// What changes with each change of a file, also when another file takes its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

// === impl Renewed ===

impl<T: Clone> Renewed<T> {
    /// Makes it for the first time, which has to succeed.
    pub fn new<E>(what: &'static str, files: Vec<PathBuf>, make: impl FnOnce() -> Result<T, E>) -> Result<Self, E> {
        // Looked at before they are read: a change in between is then seen the next time.
        let seen = stamps(&files);
        let held = Mutex::new(Held { value: make()?, seen });
        Ok(Self { what, files, held })
    }

    /// What holds now; made anew when a file has changed.
    pub fn get<E: fmt::Display>(&self, make: impl FnOnce() -> Result<T, E>) -> T {
        let seen = stamps(&self.files);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.seen != seen {
            held.seen = seen;
            match make() {
                Ok(value) => {
                    tracing::info!("{}: files have changed and are in use", self.what);
                    held.value = value;
                }
                Err(error) => {
                    tracing::warn!(%error, "{}: files have changed and cannot be used; the old ones stay", self.what);
                }
            }
        }
        held.value.clone()
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Some(Stamp { inode: metadata.ino(), length: metadata.len(), changed })
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs, io, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_changed_file_is_read_once_and_an_unusable_one_leaves_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "first").unwrap();
        let reads = Cell::new(0);
        let read = || {
            reads.set(reads.get() + 1);
            fs::read_to_string(&path)
        };
        let token = Renewed::new("a test", vec![path.clone()], read).unwrap();
        assert_eq!((token.get(read), token.get(read), reads.get()), ("first".to_owned(), "first".to_owned(), 1));
        fs::remove_file(&path).unwrap();
        assert_eq!((token.get(read), token.get(read), reads.get()), ("first".to_owned(), "first".to_owned(), 2));
        fs::write(&path, "third").unwrap();
        assert_eq!((token.get(read), reads.get()), ("third".to_owned(), 3));
        let failed = || Err::<String, _>(io::Error::other("never"));
        assert!(Renewed::new("a test", vec![path.clone()], failed).is_err());
    }

    /// As Kubernetes renews what it mounts: a link that leads to a new folder.
    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["old", "new"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("tls.crt"), name).unwrap();
        }
        symlink("old", path("data")).unwrap();
        let file = path("data").join("tls.crt");
        let read = || fs::read_to_string(&file);
        let renewed = Renewed::new("a test", vec![file.clone()], read).unwrap();
        symlink("new", path("next")).unwrap();
        fs::rename(path("next"), path("data")).unwrap();
        assert_eq!(renewed.get(read), "new");
    }
}

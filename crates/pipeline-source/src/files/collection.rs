//! One file of the folder: opened once, read by position, and known again when it has changed.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::{
    lines::{self, Lines},
    ranges::Range,
};
use crate::Error;

/// A collection's file. The handle stays open, so a file that is replaced by another is still read to its end.
#[derive(Debug)]
pub struct Collection {
    path: PathBuf,
    /// The file's name, for places.
    name: &'static str,
    file: File,
    fingerprint: Fingerprint,
}

/// What changes when a file is written or replaced. The time of the last status change is among it because tools that
/// keep the time of the last modification are common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    status_changed: (i64, i64),
}

/// The fingerprint of the file that has this path now; `None` when there is none.
pub fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, Error> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(Fingerprint::of(&metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(path)(error)),
    }
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            status_changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Collection {
    /// Opens a file of the folder; `None` when it is not there.
    pub fn open(folder: &Path, name: &'static str) -> Result<Option<Self>, Error> {
        let path = folder.join(name);
        let opened = File::open(&path).and_then(|file| {
            let metadata = file.metadata()?;
            if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other("it is not a file")) }
        });
        match opened {
            Ok((file, metadata)) => Ok(Some(Self { path, name, file, fingerprint: Fingerprint::of(&metadata) })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::read(&path)(error)),
        }
    }

    /// Where the file was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file was when it was opened.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Its lines from the beginning.
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(&self.file)
    }

    /// Calls `each` for every line of a range that holds something, with its place. A line that is too long to be read
    /// comes as its beginning.
    pub fn read(&self, range: Range, mut each: impl FnMut(Place, Text<'_>)) -> Result<(), Error> {
        let mut number = range.first_line();
        let Some(length) = range.length() else {
            let beginning = self.bytes(range.offset(), lines::BEGINNING)?;
            each(Place { file: self.name, line: number }, Text::TooLong(&beginning));
            return Ok(());
        };
        let bytes = self.bytes(range.offset(), length)?;
        for line in lines::split(&bytes) {
            each(Place { file: self.name, line: number }, Text::Whole(line));
            number = number.saturating_add(1);
        }
        Ok(())
    }

    /// Fails when the file was written to since it was opened: what was read may then be of no one state.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let metadata = self.file.metadata().map_err(Error::read(&self.path))?;
        let now = Fingerprint::of(&metadata);
        // A file that was renamed away or deleted has a new status time and the old content.
        if (now.length, now.modified) == (self.fingerprint.length, self.fingerprint.modified) {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            // Shorter than when it was indexed.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(Error::read(&self.path)(error)),
        }
    }

    fn changed(&self) -> Error {
        Error::Changed { path: self.path.display().to_string() }
    }
}

/// A line of a file, shown as `bundles.jsonl:17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: &'static str,
    /// From 1.
    pub line: u32,
}

/// What was read of a line.
#[derive(Clone, Copy, Debug)]
pub enum Text<'b> {
    /// The line.
    Whole(&'b [u8]),
    /// The beginning of a line that is too long to be read.
    TooLong(&'b [u8]),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
